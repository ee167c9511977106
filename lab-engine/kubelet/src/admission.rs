//! What the kubelet asks of a Pod before it takes it (`pkg/kubelet/lifecycle/predicate.go`, `AdmissionCheck` of `pkg/scheduler`).
//!
//! The scheduler has asked most of this before. But a Pod can name its node by itself, and the scheduler's picture of a node can be old. A Pod
//! that is not taken has failed: the reason of its status is that of the first question it does not pass.
//!
//! ```text
//! shutdown ─► pressure ─► resources ─► NodeAffinity ─► NodePorts ─► TaintToleration (NoExecute only)
//! ```
//!
//! **Simplified here:** upstream follows its Node by a watch. Here the Node is read anew before a Pod is refused for its sake, and for a Pod
//! that no scheduler has bound; a label that was taken away since the scheduler looked is not noticed. Operating systems, sysctls and
//! AppArmor are not looked at, and static Pods are taken as they are. No Pod is ended to make room for a critical one, which is taken even where there is none.

use crate::eviction::usage;
use crate::kubelet::{Kubelet, Managed, Pending};
use crate::pod_worker::Stage;
use crate::resize::{Amounts, lack};
use api::Resource;
use api::core::{Container, Node, Pod};
use api::http::{Method, Request, ResourcePath};
use api::meta::condition_is_true;
use client::Outbox;
use sim::Time;
use std::sync::Arc;

/// Why a Pod is not taken: the reason and the message of its event. Its status says `Pod was rejected: ` before the message.
type Refusal = (&'static str, String);

/// A port of the node that a container takes (`HostPortInfo`).
#[derive(Clone, Debug, PartialEq, Eq)]
struct HostPort<'p> {
    ip: &'p str,
    protocol: &'p str,
    port: i32,
}

impl HostPort<'_> {
    /// Whether both cannot be taken on one node.
    fn conflicts(&self, other: &HostPort<'_>) -> bool {
        const ANY: &str = "0.0.0.0";
        let same_address = self.ip == other.ip || self.ip == ANY || other.ip == ANY;
        self.port == other.port && self.protocol == other.protocol && same_address
    }
}

/// The ports of the node that a Pod's containers take; of init containers only sidecars keep theirs (`GetHostPorts`).
fn host_ports(pod: &Pod) -> impl Iterator<Item = HostPort<'_>> {
    let sidecars = pod.spec.init_containers.iter().filter(|container: &&Container| crate::status::is_sidecar(container));
    sidecars.chain(&pod.spec.containers).flat_map(|container| &container.ports).filter_map(|port| {
        let number = port.host_port.filter(|number| *number > 0)?;
        let ip = port.rest.get("hostIP").and_then(serde_json::Value::as_str).filter(|ip| !ip.is_empty()).unwrap_or("0.0.0.0");
        let protocol = if port.protocol.is_empty() { "TCP" } else { &port.protocol };
        Some(HostPort { ip, protocol, port: number })
    })
}

/// A question that a Pod does not pass (`PredicateFailureError`).
fn predicate(name: &'static str, why: &str) -> Option<Refusal> {
    Some((name, format!("Predicate {name} failed: {why}")))
}

/// Why a node's labels do not let a Pod be there.
fn node_refuses(pod: &Pod, node: &Node) -> Option<Refusal> {
    if !api::node_affinity::matches_required(pod, node) {
        return predicate("NodeAffinity", "node(s) didn't match Pod's node affinity/selector");
    }
    None
}

/// Why a node's taints do not: only `NoExecute` counts here.
fn taints_refuse(pod: &Pod, node: &Node) -> Option<Refusal> {
    let tolerated = |taint: &&api::core::Taint| pod.spec.tolerations.iter().any(|toleration| api::taints::tolerates(toleration, taint));
    let untolerated = node.spec.taints.iter().filter(|taint| taint.effect == "NoExecute").any(|taint| !tolerated(&taint));
    if untolerated { predicate("TaintToleration", "node(s) had taints that the pod didn't tolerate") } else { None }
}

impl Kubelet {
    /// Takes a Pod that is new, refuses it, or reads the Node first.
    pub(crate) fn admit(&mut self, uid: &Arc<str>, pod: &Arc<Pod>, now: Time, out: &mut Outbox) {
        let bound = condition_is_true(&pod.status.conditions, "PodScheduled");
        let doubtful = self.node.as_ref().is_some_and(|node| node_refuses(pod, node).or_else(|| taints_refuse(pod, node)).is_some());
        if (bound && !doubtful) || self.node.is_none() {
            return self.take_or_refuse(uid, pod, now, out);
        }
        self.admitting.insert(uid.clone(), pod.clone());
        if !self.pending.values().any(|pending| matches!(pending, Pending::Admission)) {
            let path = ResourcePath::object(Node::INFO, "", &self.config.node_name);
            self.send(Request::new(Method::Get, path), Pending::Admission, out);
        }
    }

    /// The Node was read, or cannot be: decides about the Pods that wait for it.
    pub(crate) fn decide_admissions(&mut self, now: Time, out: &mut Outbox) {
        for (uid, pod) in std::mem::take(&mut self.admitting) {
            self.take_or_refuse(&uid, &pod, now, out);
        }
    }

    fn take_or_refuse(&mut self, uid: &Arc<str>, pod: &Arc<Pod>, now: Time, out: &mut Outbox) {
        let refusal = self.refuses(pod);
        self.managed.insert(uid.clone(), Managed::new(pod.clone(), now));
        match refusal {
            Some((reason, message)) => self.work(uid, now, out, |worker, cx| worker.reject(reason, &message, cx)),
            None => self.work(uid, now, out, |_, _| ()),
        };
    }

    /// Why this kubelet does not take a Pod (`Admit`).
    fn refuses(&self, pod: &Pod) -> Option<Refusal> {
        if self.is_shutting_down() {
            return Some(("NodeShutdown", "Pod was rejected as the node is shutting down.".to_owned()));
        }
        self.is_under_pressure_for(pod)
            .or_else(|| self.lacks_resources_for(pod))
            .or_else(|| node_refuses(pod, self.node.as_ref()?))
            .or_else(|| self.lacks_ports_for(pod))
            .or_else(|| taints_refuse(pod, self.node.as_ref()?))
    }

    fn lacks_resources_for(&self, pod: &Pod) -> Option<Refusal> {
        let wanted = Amounts::of_pod(pod);
        if wanted == Amounts::default() || usage::is_critical(pod) {
            return None;
        }
        let (resource, message) = lack(wanted, self.others(&pod.metadata.uid), &self.config)?;
        Some((if resource == "cpu" { "OutOfcpu" } else { "OutOfmemory" }, message))
    }

    fn lacks_ports_for(&self, pod: &Pod) -> Option<Refusal> {
        host_ports(pod).next()?;
        let others = self.managed.iter().filter(|(uid, managed)| ***uid != *pod.metadata.uid && managed.worker.stage != Stage::Finished);
        let taken: Vec<HostPort<'_>> = others.flat_map(|(_, managed)| host_ports(&managed.worker.pod)).collect();
        let collides = host_ports(pod).any(|port| taken.iter().any(|other| port.conflicts(other)));
        if collides { predicate("NodePorts", "node(s) didn't have free ports for the requested pod ports") } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pod(ports: Value) -> Pod {
        api::json::decode(json!({"spec": {"containers": [{"name": "c", "image": "nginx", "ports": ports}]}})).unwrap()
    }

    #[test]
    fn ports_of_the_node_collide_by_number_protocol_and_address() {
        let collide = |one: Value, other: Value| {
            let (one, other) = (pod(json!([one])), pod(json!([other])));
            host_ports(&one).any(|port| host_ports(&other).any(|other| port.conflicts(&other)))
        };
        let port = |more: Value| {
            let mut port = json!({"containerPort": 80, "hostPort": 8080});
            port.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
            port
        };
        assert!(collide(port(json!({})), port(json!({"protocol": "TCP", "hostIP": "127.0.0.1"}))));
        assert!(!collide(port(json!({"hostIP": "127.0.0.2"})), port(json!({"hostIP": "127.0.0.1"}))));
        assert!(!collide(port(json!({"protocol": "UDP"})), port(json!({}))));
        assert!(!collide(json!({"containerPort": 80}), json!({"containerPort": 80})), "neither takes a port of the node");
    }
}

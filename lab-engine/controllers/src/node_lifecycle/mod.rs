//! The node lifecycle controller: notices nodes that are not ready or give no sign of life, and taints them
//! (`pkg/controller/nodelifecycle/node_lifecycle_controller.go`).
//!
//! Every five seconds it looks at all nodes. A node whose kubelet neither renewed its Lease nor reported for 50 s gets its conditions set
//! to Unknown, its Pods are no longer Ready, and by its conditions it is tainted: at once with `NoSchedule`, and after the next look, as
//! fast as its zone's [`Zones`] allow, with `NoExecute`. The taint eviction controller does the rest.
//!
//! **Simplified here:** a write that fails is tried again after the next look, not within the same; taints are swapped in one write, not
//! two; the labels `beta.kubernetes.io/os` and `arch` are not reconciled.

mod health;
mod zones;

use crate::caches::{BY_NODE, Caches};
use crate::taints::{self, NO_EXECUTE, NO_SCHEDULE, NOT_READY, TaintId, UNREACHABLE, UNSCHEDULABLE};
use api::Resource;
use api::core::{Node, ObjectReference, Pod};
use api::http::{Body, Method, Request, ResourcePath};
use api::meta::condition;
use client::{Delta, EventRecorder, EventType, Input, ObjectKey, Outbox, RequestId, WorkQueue};
use health::{Health, unknown};
use sim::{Time, What};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use zones::{Disruption, Zones, zone_of};

/// The pause between two looks at the nodes (`--node-monitor-period`).
const MONITOR_PERIOD: Duration = Duration::from_secs(5);
/// The namespace of the Leases of nodes.
const LEASE_NAMESPACE: &str = "kube-node-lease";
/// Label of nodes whose loss is no disruption.
const EXCLUDE_DISRUPTION: &str = "node.kubernetes.io/exclude-disruption";

/// Which condition with which status leads to which taint (`nodeConditionToTaintKeyStatusMap`).
const CONDITION_TAINTS: [(&str, &str, &str); 6] = [
    ("Ready", "False", NOT_READY),
    ("Ready", "Unknown", UNREACHABLE),
    ("MemoryPressure", "True", "node.kubernetes.io/memory-pressure"),
    ("DiskPressure", "True", "node.kubernetes.io/disk-pressure"),
    ("NetworkUnavailable", "True", "node.kubernetes.io/network-unavailable"),
    ("PIDPressure", "True", "node.kubernetes.io/pid-pressure"),
];

/// What a request under way is for.
#[derive(Debug)]
enum Purpose {
    /// All that a kubelet reported becomes Unknown; the flag says whether the node was ready before.
    Unknown(Arc<Node>, bool),
    /// Taints by a node's conditions.
    NoSchedule(String),
    /// Taints that drive Pods out, or their end.
    NoExecute,
    /// A Pod is no longer Ready.
    PodNotReady(Arc<Pod>),
}

/// Watches over nodes.
#[derive(Debug)]
pub(crate) struct NodeLifecycleController {
    name: Arc<str>,
    agent: Arc<str>,
    events: EventRecorder,
    /// UIDs of known nodes by name.
    known: BTreeMap<String, String>,
    health: BTreeMap<String, Health>,
    zones: Zones,
    /// Nodes of whose Pods some could not be marked.
    to_retry: BTreeSet<String>,
    nodes: WorkQueue<String>,
    pods: WorkQueue<ObjectKey>,
    next_look: Option<Time>,
    requests: BTreeMap<RequestId, Purpose>,
}

impl NodeLifecycleController {
    /// A controller that knows no node.
    pub(crate) fn new(agent: &Arc<str>) -> Self {
        let name: Arc<str> = "node-lifecycle-controller".into();
        NodeLifecycleController {
            events: EventRecorder::new("node-controller", "", agent.clone(), Some(name.clone())),
            name,
            agent: agent.clone(),
            known: BTreeMap::new(),
            health: BTreeMap::new(),
            zones: Zones::default(),
            to_retry: BTreeSet::new(),
            nodes: WorkQueue::default(),
            pods: WorkQueue::default(),
            next_look: None,
            requests: BTreeMap::new(),
        }
    }

    /// Notes a change of a node.
    pub(crate) fn node_changed(&mut self, delta: &Delta<Node>) {
        let name = &delta.object().metadata.name;
        if matches!(delta, Delta::Deleted(..)) {
            self.to_retry.remove(name);
        } else {
            self.nodes.add(name.clone());
        }
    }

    /// Notes a Pod that came to a node which may not be ready (`podUpdated`).
    pub(crate) fn pod_changed(&mut self, delta: &Delta<Pod>) {
        let pod = match delta {
            Delta::Added(pod) => pod,
            Delta::Updated(old, pod) if old.spec.node_name != pod.spec.node_name => pod,
            _ => return,
        };
        if self.health.get(&pod.spec.node_name).is_some_and(Health::is_not_ready) {
            self.pods.add(ObjectKey::of(pod.as_ref()));
        }
    }

    /// Takes an answer; whether it was for this controller.
    pub(crate) fn handle(&mut self, now: Time, input: &Input, caches: &Caches, out: &mut Outbox) -> bool {
        if self.events.handle(now, input, out) {
            return true;
        }
        let Input::Response(id, answer) = input else { return false };
        let Some(purpose) = self.requests.remove(id) else { return false };
        let code = answer.as_ref().map_or(0, |response| response.code);
        let succeeded = (200..300).contains(&code);
        match purpose {
            Purpose::Unknown(node, true) if succeeded => {
                let message = format!("Node {} status is now: NodeNotReady", node.metadata.name);
                self.node_event(now, &node.metadata.name, &node.metadata.uid, "NodeNotReady", &message, out);
                self.mark_pods_not_ready(now, caches, &node.metadata.name, out);
            }
            Purpose::Unknown(..) | Purpose::NoExecute => {}
            Purpose::NoSchedule(node) => {
                if succeeded || code == 404 {
                    self.nodes.forget(&node);
                } else {
                    self.nodes.add_rate_limited(now, node.clone());
                }
                self.nodes.done(&node);
            }
            Purpose::PodNotReady(pod) => {
                if !succeeded && code != 404 {
                    self.to_retry.insert(pod.spec.node_name.clone());
                }
                if code != 404 {
                    self.events.event(now, pod.as_ref(), EventType::Warning, "NodeNotReady", "Node is not ready", out);
                }
            }
        }
        true
    }

    /// Does all that is due.
    pub(crate) fn work(&mut self, now: Time, caches: &Caches, out: &mut Outbox) {
        if self.next_look.is_none_or(|at| at <= now) {
            self.next_look = Some(now + MONITOR_PERIOD);
            self.monitor_node_health(now, caches, out);
        }
        while let Some(name) = self.nodes.get(now) {
            self.taint_by_conditions(now, caches, name, out);
        }
        while let Some(key) = self.pods.get(now) {
            if let Some(pod) = caches.pods.lister().get(&key).cloned() {
                self.mark_pod_not_ready(now, &pod, out);
            }
            self.pods.done(&key);
        }
        while let Some(name) = self.zones.next(now) {
            if let Some(node) = caches.nodes.lister().get(&ObjectKey::new("", name)).cloned() {
                self.drive_out(now, &node, ready_status(&node), out);
            }
        }
    }

    /// When it wants to be woken next.
    pub(crate) fn next_wake(&self) -> Option<Time> {
        [self.next_look, self.nodes.next_wake(), self.pods.next_wake(), self.zones.next_wake()].into_iter().flatten().min()
    }

    fn send(&mut self, request: Request, purpose: Purpose, out: &mut Outbox) {
        let id = out.request(request.agent(&self.agent));
        self.requests.insert(id, purpose);
    }

    fn decide(&self, node: &Node, decision: String, out: &mut Outbox) {
        out.trace_as(&self.name, What::Reconciled { object: node.object_ref(), decision: decision.into() });
    }

    fn node_event(&mut self, now: Time, name: &str, uid: &str, reason: &str, message: &str, out: &mut Outbox) {
        let regarding = ObjectReference {
            kind: Node::INFO.kind.to_string(),
            name: name.to_owned(),
            uid: uid.to_owned(),
            api_version: Node::INFO.api_version(),
            ..ObjectReference::default()
        };
        self.events.event_for(now, regarding, EventType::Normal, reason, message, out);
    }

    fn monitor_node_health(&mut self, now: Time, caches: &Caches, out: &mut Outbox) {
        self.classify(now, caches, out);
        let mut ready_by_zone: BTreeMap<String, Vec<bool>> = BTreeMap::new();
        for node in caches.nodes.lister().list() {
            let ready = self.check(now, caches, node, out);
            if !node.metadata.labels.contains_key(EXCLUDE_DISRUPTION) {
                ready_by_zone.entry(zone_of(node)).or_default().push(ready);
            }
        }
        match self.zones.judge(now, &ready_by_zone) {
            Some(Disruption::Entered) => {
                for node in caches.nodes.lister().list() {
                    self.mark_reachable(now, node, out);
                }
            }
            Some(Disruption::Left) => self.health.values_mut().for_each(|health| health.pardon(now)),
            None => {}
        }
    }

    /// Tells of nodes that came and went (`classifyNodes`).
    fn classify(&mut self, now: Time, caches: &Caches, out: &mut Outbox) {
        for node in caches.nodes.lister().list() {
            let (name, uid) = (&node.metadata.name, &node.metadata.uid);
            if !self.known.contains_key(name) {
                self.known.insert(name.clone(), uid.clone());
                let message = format!("Node {name} event: Registered Node {name} in Controller");
                self.node_event(now, name, uid, "RegisteredNode", &message, out);
                self.mark_reachable(now, node, out);
            }
        }
        if self.known.len() == caches.nodes.lister().len() {
            return;
        }
        let is_gone = |name: &&String| caches.nodes.lister().get(&ObjectKey::new("", name.as_str())).is_none();
        let gone: Vec<String> = self.known.keys().filter(is_gone).cloned().collect();
        for name in gone {
            let uid = self.known.remove(&name).unwrap_or_default();
            self.health.remove(&name);
            let message = format!("Node {name} event: Removing Node {name} from Controller");
            self.node_event(now, &name, &uid, "RemovingNode", &message, out);
        }
    }

    /// Looks at one node; whether it is ready.
    fn check(&mut self, now: Time, caches: &Caches, node: &Arc<Node>, out: &mut Outbox) -> bool {
        let name = &node.metadata.name;
        let lease = caches.leases.lister().get(&ObjectKey::new(LEASE_NAMESPACE, name.as_str()));
        let renewed = lease.and_then(|lease| lease.spec.renew_time);
        let health = self.health.entry(name.clone()).or_insert_with(|| Health::first(now, node));
        health.look(now, node, renewed);
        let observed = ready_status(node);
        let mut ready = observed == "True";
        let reported = condition(&node.status.conditions, "Ready").is_some();
        if health.is_silent(now)
            && let Some(changed) = unknown(now, node)
        {
            self.decide(node, "make its conditions Unknown: its kubelet gives no sign of life".to_owned(), out);
            let path = ResourcePath::object(Node::INFO, "", name).with_subresource("status");
            let request = Request::new(Method::Put, path).body(Body::Object(changed.into()));
            self.send(request, Purpose::Unknown(node.clone(), ready), out);
            ready = false;
        } else if !reported {
            return false;
        }
        match observed {
            "True" => self.mark_reachable(now, node, out),
            status => self.line_up(now, node, status, out),
        }
        if self.to_retry.remove(name) && observed != "True" {
            self.mark_pods_not_ready(now, caches, name, out);
        }
        ready
    }

    /// A node that is not ready is to be tainted with `NoExecute`; one that has the opposite taint changes it at once
    /// (`processTaintBaseEviction`).
    fn line_up(&mut self, now: Time, node: &Arc<Node>, status: &str, out: &mut Outbox) {
        let (wanted, opposite) = no_execute_taints(status);
        if taints::has(node, opposite) {
            self.drive_out(now, node, status, out);
        } else if !taints::has(node, wanted) {
            self.zones.enqueue(&zone_of(node), &node.metadata.name);
        }
    }

    /// Taints a node that is not ready with `NoExecute` (`doNoExecuteTaintingPass`).
    fn drive_out(&mut self, now: Time, node: &Arc<Node>, status: &str, out: &mut Outbox) {
        if status == "True" {
            return;
        }
        let (wanted, opposite) = no_execute_taints(status);
        if let Some(request) = taints::swap(now, node, &[wanted], &[opposite]) {
            self.decide(node, format!("taint it {}:{}", wanted.0, wanted.1), out);
            self.send(request, Purpose::NoExecute, out);
        }
    }

    /// Takes the `NoExecute` taints off a node (`markNodeAsReachable`).
    fn mark_reachable(&mut self, now: Time, node: &Arc<Node>, out: &mut Outbox) {
        self.zones.remove(&zone_of(node), &node.metadata.name);
        if let Some(request) = taints::swap(now, node, &[], &[(UNREACHABLE, NO_EXECUTE), (NOT_READY, NO_EXECUTE)]) {
            self.decide(node, "take its NoExecute taints away".to_owned(), out);
            self.send(request, Purpose::NoExecute, out);
        }
    }

    /// Brings a node's `NoSchedule` taints in line with its conditions (`doNoScheduleTaintingPass`).
    fn taint_by_conditions(&mut self, now: Time, caches: &Caches, name: String, out: &mut Outbox) {
        let write = caches.nodes.lister().get(&ObjectKey::new("", name.as_str())).and_then(|node| {
            let wanted = condition_taints(node);
            let own = CONDITION_TAINTS.iter().map(|(_, _, key)| *key).chain([UNSCHEDULABLE]).map(|key| (key, NO_SCHEDULE));
            let unwanted: Vec<TaintId<'_>> = own.filter(|taint| !wanted.contains(taint)).collect();
            Some((node, taints::swap(now, node, &wanted, &unwanted)?))
        });
        let Some((node, request)) = write else {
            self.nodes.forget(&name);
            return self.nodes.done(&name);
        };
        self.decide(node, "bring its NoSchedule taints in line with its conditions".to_owned(), out);
        self.send(request, Purpose::NoSchedule(name), out);
    }

    fn mark_pods_not_ready(&mut self, now: Time, caches: &Caches, node: &str, out: &mut Outbox) {
        for pod in caches.pods.lister().by_index(BY_NODE, node) {
            self.mark_pod_not_ready(now, pod, out);
        }
    }

    /// Takes a Pod's readiness away, since nobody reports it any more (`MarkPodsNotReady`).
    fn mark_pod_not_ready(&mut self, now: Time, pod: &Arc<Pod>, out: &mut Outbox) {
        let mut changed = Pod::clone(pod);
        let Some(ready) = changed.status.conditions.iter_mut().find(|condition| condition.type_ == "Ready") else { return };
        if ready.status == "False" {
            return;
        }
        ready.status = "False".to_owned();
        ready.last_transition_time = Some(now.into());
        let path = ResourcePath::object(Pod::INFO, &pod.metadata.namespace, &pod.metadata.name).with_subresource("status");
        self.send(Request::new(Method::Put, path).body(Body::Object(changed.into())), Purpose::PodNotReady(pod.clone()), out);
    }
}

/// The status of the condition Ready; `Unknown` when the kubelet never reported.
fn ready_status(node: &Node) -> &str {
    condition(&node.status.conditions, "Ready").map_or("Unknown", |ready| &ready.status)
}

/// The `NoExecute` taint of a node whose condition Ready has this status, and the one it must not have then.
fn no_execute_taints(status: &str) -> (TaintId<'static>, TaintId<'static>) {
    let (not_ready, unreachable) = ((NOT_READY, NO_EXECUTE), (UNREACHABLE, NO_EXECUTE));
    if status == "False" { (not_ready, unreachable) } else { (unreachable, not_ready) }
}

/// The `NoSchedule` taints that a node's conditions and its cordon ask for.
fn condition_taints(node: &Node) -> Vec<TaintId<'static>> {
    let asked = |type_: &str, status: &str| condition(&node.status.conditions, type_).is_some_and(|own| own.status == status);
    let conditions = CONDITION_TAINTS.iter().filter(|(type_, status, _)| asked(type_, status)).map(|(_, _, key)| *key);
    let cordon = (node.spec.unschedulable == Some(true)).then_some(UNSCHEDULABLE);
    conditions.chain(cordon).map(|key| (key, NO_SCHEDULE)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::json::decode;
    use serde_json::json;

    #[test]
    fn conditions_and_cordons_lead_to_taints() {
        let node: Node = decode(json!({"spec": {"unschedulable": true}, "status": {"conditions": [
            {"type": "Ready", "status": "Unknown"}, {"type": "DiskPressure", "status": "True"}, {"type": "PIDPressure", "status": "False"},
        ]}}))
        .unwrap();
        let keys: Vec<&str> = condition_taints(&node).into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, [UNREACHABLE, "node.kubernetes.io/disk-pressure", UNSCHEDULABLE]);
        assert_eq!(no_execute_taints(ready_status(&node)).0, (UNREACHABLE, NO_EXECUTE));
        assert_eq!(no_execute_taints("False").0, (NOT_READY, NO_EXECUTE));
    }
}

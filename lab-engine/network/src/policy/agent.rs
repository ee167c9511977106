//! The agent of NetworkPolicies on a node: what a network plugin runs there (as `kube-network-policies` of the Kubernetes project does).
//!
//! The first packet of every connection that leaves or reaches a Pod of the node is held up until the agent has judged it; what it refuses
//! vanishes, so that the caller waits until its time is up. It watches NetworkPolicies from the first packet on, and Pods and Namespaces once
//! there is a policy; packets wait until it knows them. It writes no status: a NetworkPolicy has none.
//!
//! **Simplified here:** it runs beside the Pods and not in one; IPv4 only. Connections are judged when they begin, and one question with its
//! answer is a connection.

use super::{Attempt, Direction, Ruling, judge};
use crate::addr::{Packet, Protocol};
use api::core::{Namespace, Pod};
use api::meta::StringMap;
use api::networking::NetworkPolicy;
use client::dial::{Caller, Dial};
use client::{Component, Informer, Input, ListOptions, ObjectKey, Outbox};
use sim::{Isolation, ObjectRef, PacketStep, Rng, Time};
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

/// How many packets may wait until everything is known; more are dropped.
const MAX_WAITING: usize = 256;

/// The index of Pods by address.
const BY_IP: &str = "ip";

/// The agent of a node.
#[derive(Debug)]
pub struct PolicyAgent {
    node: String,
    node_ip: IpAddr,
    policies: Informer<NetworkPolicy>,
    pods: Informer<Pod>,
    namespaces: Informer<Namespace>,
    started: bool,
    /// Whether it watches Pods and Namespaces.
    watches_pods: bool,
    waiting: VecDeque<(Caller, Box<Dial>)>,
}

/// The addresses that are a Pod's own: none of a Pod that has ended or is on the host's network.
fn addresses(pod: &Pod) -> Vec<String> {
    let ended = matches!(pod.status.phase.as_str(), "Succeeded" | "Failed");
    if ended || pod.spec.host_network == Some(true) || pod.status.pod_ip.is_empty() {
        return Vec::new();
    }
    let others = pod.status.pod_ips.iter().map(|of| of.ip.clone()).filter(|ip| *ip != pod.status.pod_ip);
    std::iter::once(pod.status.pod_ip.clone()).chain(others).collect()
}

impl PolicyAgent {
    /// The agent of a node with this address.
    pub fn new(node: &str, node_ip: IpAddr, rng: &Rng) -> Self {
        let agent = "kube-network-policies";
        PolicyAgent {
            node: node.to_owned(),
            node_ip,
            policies: Informer::new(ListOptions::default(), agent, rng.stream("networkpolicies")),
            pods: Informer::new(ListOptions::default(), agent, rng.stream("pods")).with_index(BY_IP, addresses),
            namespaces: Informer::new(ListOptions::default(), agent, rng.stream("namespaces")),
            started: false,
            watches_pods: false,
            waiting: VecDeque::new(),
        }
    }

    fn knows_enough(&self) -> bool {
        let pods = !self.watches_pods || (self.pods.has_synced() && self.namespaces.has_synced());
        self.policies.has_synced() && pods
    }

    /// Begins to watch what it needs by now.
    fn start(&mut self, now: Time, out: &mut Outbox) {
        if !std::mem::replace(&mut self.started, true) {
            self.policies.start(now, out);
        }
        if !self.watches_pods && !self.policies.lister().is_empty() {
            self.watches_pods = true;
            self.pods.start(now, out);
            self.namespaces.start(now, out);
        }
    }

    fn pod(&self, ip: IpAddr) -> Option<&Pod> {
        self.pods.lister().by_index(BY_IP, &ip.to_string()).next().map(|pod| &**pod)
    }

    fn labels_of(&self, namespace: &str) -> StringMap {
        let found = self.namespaces.lister().get(&ObjectKey::new("", namespace));
        found.map(|namespace| namespace.metadata.labels.clone()).unwrap_or_default()
    }

    /// What one direction's policies say, if the Pod that it is about is on this node.
    fn rule<'a>(&'a self, direction: Direction, attempt: &Attempt<'a>) -> Option<(ObjectRef, Ruling<'a>)> {
        let (own, peer) = match direction {
            Direction::Ingress => (attempt.destination.pod, attempt.source.ip),
            Direction::Egress => (attempt.source.pod, attempt.destination.ip),
        };
        let own = own.filter(|pod| pod.spec.node_name == self.node)?;
        if direction == Direction::Ingress && peer == self.node_ip {
            return None;
        }
        let policies = self.policies.lister().list_namespace(&own.metadata.namespace).map(|policy| &**policy);
        let ruling = judge(direction, attempt, policies, &|namespace| self.labels_of(namespace));
        Some((ObjectRef::new("Pod", own.metadata.namespace.as_str(), own.metadata.name.as_str()), ruling))
    }

    /// Judges a packet: it goes on, or it is gone.
    fn check(&self, caller: Caller, dial: Box<Dial>, out: &mut Outbox) {
        if self.policies.lister().is_empty() {
            return out.forward(caller, dial);
        }
        let source = SocketAddr::new(dial.unmasqueraded.unwrap_or(dial.source), dial.source_port);
        let protocol = if dial.udp { Protocol::Udp } else { Protocol::Tcp };
        let attempt = Attempt::of(&Packet { protocol, source, destination: dial.destination }, |ip| self.pod(ip));
        for direction in [Direction::Egress, Direction::Ingress] {
            let Some((pod, ruling)) = self.rule(direction, &attempt) else { continue };
            let isolation = |policies: &[&NetworkPolicy]| Isolation {
                direction: direction.lower().into(),
                pod: pod.clone(),
                policies: policies.iter().map(|policy| policy.metadata.name.as_str().into()).collect(),
            };
            let (step, dropped) = match ruling {
                Ruling::NotIsolated => continue,
                Ruling::Allowed(policy) => (PacketStep::Allowed { isolation: isolation(&[policy]) }, false),
                Ruling::Denied(policies) => {
                    let reason = "no NetworkPolicy allows it".into();
                    (PacketStep::Dropped { reason, isolation: Some(isolation(&policies)) }, true)
                }
            };
            dial.hop(step).into_iter().for_each(|hop| out.trace(hop));
            if dropped {
                return;
            }
        }
        out.forward(caller, dial);
    }
}

impl Component for PolicyAgent {
    fn handle(&mut self, now: Time, input: Input, out: &mut Outbox) {
        let mine = self.policies.handle(now, &input, out).is_some()
            || self.pods.handle(now, &input, out).is_some()
            || self.namespaces.handle(now, &input, out).is_some();
        if mine {
            self.start(now, out);
        }
        if let Input::Incoming(caller, dial) = input {
            self.start(now, out);
            if self.waiting.len() < MAX_WAITING {
                self.waiting.push_back((caller, dial));
            } else {
                let reason = "too many packets wait for the policy agent".into();
                dial.hop(PacketStep::Dropped { reason, isolation: None }).into_iter().for_each(|hop| out.trace(hop));
            }
        }
        if self.knows_enough() {
            for (caller, dial) in std::mem::take(&mut self.waiting) {
                self.check(caller, dial, out);
            }
        }
    }

    fn next_wake(&self) -> Option<Time> {
        [self.policies.next_wake(), self.pods.next_wake(), self.namespaces.next_wake()].into_iter().flatten().min()
    }
}

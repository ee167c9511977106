//! NetworkPolicies: whether the first packet of a connection may pass (`k8s.io/api/networking/v1`).
//!
//! A Pod is isolated in a direction when a policy of its namespace selects it and is about that direction. Then what any such policy allows
//! passes, and nothing else does. A connection must be allowed on its way out of one Pod and on its way into the other. The answer passes with
//! the connection. A packet is judged after its destination was rewritten and before its node masquerades it.
//!
//! Always allowed are what a Pod sends itself, by whatever way (hairpin), and what comes from a Pod's own node, where the kubelet's probes come
//! from. Pods on the host's network are the node, so no policy is about them.

mod agent;

pub use agent::PolicyAgent;

use crate::addr::{Cidr, Packet, Protocol};
use api::core::Pod;
use api::intstr::IntOrString;
use api::labels::Selector;
use api::meta::{LabelSelector, StringMap};
use api::networking::{IPBlock, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort};
use std::net::IpAddr;

/// A direction, as seen from the Pod that is isolated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// What comes in.
    Ingress,
    /// What goes out.
    Egress,
}

impl Direction {
    /// `ingress` or `egress`.
    pub fn lower(self) -> &'static str {
        match self {
            Direction::Ingress => "ingress",
            Direction::Egress => "egress",
        }
    }

    /// Whether a policy is about it. A policy that does not say is about what comes in, and about what goes out if it has rules for that
    /// (`SetDefaults_NetworkPolicy`).
    fn is_of(self, policy: &NetworkPolicy) -> bool {
        let types = &policy.spec.policy_types;
        match self {
            Direction::Ingress => types.is_empty() || types.iter().any(|kind| kind == "Ingress"),
            Direction::Egress if types.is_empty() => !policy.spec.egress.is_empty(),
            Direction::Egress => types.iter().any(|kind| kind == "Egress"),
        }
    }
}

/// An end of a connection.
#[derive(Clone, Copy, Debug)]
pub struct End<'a> {
    /// Its address.
    pub ip: IpAddr,
    /// The Pod that has it, if one does.
    pub pod: Option<&'a Pod>,
}

/// A connection that is to begin.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// Who begins it.
    pub source: End<'a>,
    /// With whom.
    pub destination: End<'a>,
    /// On which port.
    pub port: u16,
    /// By which protocol.
    pub protocol: Protocol,
}

impl<'a> Attempt<'a> {
    /// The connection that a packet begins, where `pod` knows who has an address.
    pub fn of(packet: &Packet, pod: impl Fn(IpAddr) -> Option<&'a Pod>) -> Self {
        let end = |ip: IpAddr| End { ip, pod: pod(ip) };
        let Packet { protocol, source, destination } = *packet;
        Attempt { source: end(source.ip()), destination: end(destination.ip()), port: destination.port(), protocol }
    }

    /// The Pod that a direction is about, and the other end.
    fn sides(&self, direction: Direction) -> (Option<&'a Pod>, End<'a>) {
        match direction {
            Direction::Ingress => (self.destination.pod, self.source),
            Direction::Egress => (self.source.pod, self.destination),
        }
    }
}

/// What the policies of a Pod's namespace say of a connection in one direction.
#[derive(Clone, Debug, PartialEq)]
pub enum Ruling<'a> {
    /// No policy selects the Pod.
    NotIsolated,
    /// This policy allows it.
    Allowed(&'a NetworkPolicy),
    /// These policies isolate the Pod, and none allows it.
    Denied(Vec<&'a NetworkPolicy>),
}

/// Judges a connection in one direction. `policies` are those of the Pod's namespace; `labels_of` gives the labels of a namespace.
pub fn judge<'a>(
    direction: Direction,
    attempt: &Attempt<'_>,
    policies: impl Iterator<Item = &'a NetworkPolicy>,
    labels_of: &dyn Fn(&str) -> StringMap,
) -> Ruling<'a> {
    let (Some(own), peer) = attempt.sides(direction) else { return Ruling::NotIsolated };
    let isolating: Vec<&NetworkPolicy> = policies
        .filter(|policy| policy.metadata.namespace == own.metadata.namespace && direction.is_of(policy))
        .filter(|policy| selects(&policy.spec.pod_selector, &own.metadata.labels))
        .collect();
    if isolating.is_empty() {
        return Ruling::NotIsolated;
    }
    let itself = peer.pod.is_some_and(|pod| pod.metadata.uid == own.metadata.uid && pod.metadata.name == own.metadata.name);
    let allows = |policy: &&&NetworkPolicy| itself || allows(policy, direction, attempt, peer, labels_of);
    match isolating.iter().find(allows) {
        Some(policy) => Ruling::Allowed(policy),
        None => Ruling::Denied(isolating),
    }
}

fn selects(selector: &LabelSelector, labels: &StringMap) -> bool {
    Selector::from_label_selector(Some(selector)).is_ok_and(|selector| selector.matches(labels))
}

fn allows(
    policy: &NetworkPolicy,
    direction: Direction,
    attempt: &Attempt<'_>,
    peer: End<'_>,
    labels_of: &dyn Fn(&str) -> StringMap,
) -> bool {
    let namespace = &policy.metadata.namespace;
    let rule = |ports: &[NetworkPolicyPort], peers: &[NetworkPolicyPeer]| {
        (ports.is_empty() || ports.iter().any(|port| is_port(port, attempt)))
            && (peers.is_empty() || peers.iter().any(|of| is_peer(of, namespace, peer, labels_of)))
    };
    match direction {
        Direction::Ingress => policy.spec.ingress.iter().any(|allowed| rule(&allowed.ports, &allowed.from)),
        Direction::Egress => policy.spec.egress.iter().any(|allowed| rule(&allowed.ports, &allowed.to)),
    }
}

fn is_peer(wanted: &NetworkPolicyPeer, own_namespace: &str, peer: End<'_>, labels_of: &dyn Fn(&str) -> StringMap) -> bool {
    if let Some(block) = &wanted.ip_block {
        return in_block(block, peer.ip);
    }
    let Some(pod) = peer.pod else { return false };
    let namespace = &pod.metadata.namespace;
    let of_namespace = match &wanted.namespace_selector {
        Some(selector) => selects(selector, &labels_of(namespace)),
        None => namespace == own_namespace,
    };
    of_namespace && wanted.pod_selector.as_ref().is_none_or(|selector| selects(selector, &pod.metadata.labels))
}

fn in_block(block: &IPBlock, ip: IpAddr) -> bool {
    let holds = |range: &str| range.parse::<Cidr>().is_ok_and(|range| range.contains(ip));
    holds(&block.cidr) && !block.except.iter().any(|hole| holds(hole))
}

/// Whether a connection is to one of these ports. A port's name is that of a container of the Pod it goes to.
fn is_port(wanted: &NetworkPolicyPort, attempt: &Attempt<'_>) -> bool {
    if Protocol::parse(wanted.protocol.as_deref().unwrap_or("")) != Some(attempt.protocol) {
        return false;
    }
    let port = i32::from(attempt.port);
    match &wanted.port {
        None => true,
        Some(IntOrString::Int(first)) => (*first..=wanted.end_port.unwrap_or(*first)).contains(&port),
        Some(IntOrString::String(name)) => attempt.destination.pod.is_some_and(|pod| {
            let mut ports = pod.spec.containers.iter().flat_map(|container| &container.ports);
            ports.any(|own| own.name == *name && own.container_port == port && Protocol::parse(&own.protocol) == Some(attempt.protocol))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pod(namespace: &str, name: &str, labels: Value) -> Pod {
        let ports = json!([{"name": "http", "containerPort": 8080, "protocol": "TCP"}]);
        api::json::decode(json!({
            "metadata": {"namespace": namespace, "name": name, "uid": format!("{namespace}-{name}"), "labels": labels},
            "spec": {"containers": [{"name": "c", "image": "i", "ports": ports}]},
        }))
        .unwrap()
    }

    fn policy(spec: Value) -> NetworkPolicy {
        api::json::decode(json!({"metadata": {"namespace": "shop", "name": "p"}, "spec": spec})).unwrap()
    }

    /// Whether each of these may reach the shop's database: a Pod of the shop (`web`), one of another namespace (`probe`, whose namespace
    /// has the label `team: ops`), and an address outside.
    fn into_db(policies: &[Value], port: u16) -> [bool; 3] {
        let policies: Vec<NetworkPolicy> = policies.iter().map(|spec| policy(spec.clone())).collect();
        let (db, web, probe) = (
            pod("shop", "db", json!({"app": "db"})),
            pod("shop", "web", json!({"app": "web"})),
            pod("ops", "probe", json!({"app": "web"})),
        );
        let labels = |namespace: &str| if namespace == "ops" { [("team".to_owned(), "ops".to_owned())].into() } else { StringMap::new() };
        let destination = End { ip: [10, 244, 0, 2].into(), pod: Some(&db) };
        let sources = [([10, 244, 0, 3], Some(&web)), ([10, 244, 1, 4], Some(&probe)), ([203, 0, 113, 7], None)];
        sources.map(|(ip, pod)| {
            let attempt = Attempt { source: End { ip: ip.into(), pod }, destination, port, protocol: Protocol::Tcp };
            !matches!(judge(Direction::Ingress, &attempt, policies.iter(), &labels), Ruling::Denied(_))
        })
    }

    #[test]
    fn an_isolated_pod_gets_what_some_policy_allows() {
        assert_eq!(into_db(&[], 80), [true; 3]);
        assert_eq!(into_db(&[json!({"podSelector": {"matchLabels": {"app": "other"}}})], 80), [true; 3], "it selects another Pod");
        let closed = json!({"podSelector": {}});
        assert_eq!(into_db(std::slice::from_ref(&closed), 80), [false; 3], "policyTypes default to Ingress");
        assert_eq!(into_db(&[json!({"podSelector": {}, "policyTypes": ["Egress"]})], 80), [true; 3]);
        assert_eq!(into_db(&[json!({"podSelector": {}, "ingress": [{}]})], 80), [true; 3]);
        let from = |peer: Value| json!({"podSelector": {"matchLabels": {"app": "db"}}, "ingress": [{"from": [peer]}]});
        let web = json!({"matchLabels": {"app": "web"}});
        let ops = json!({"matchLabels": {"team": "ops"}});
        assert_eq!(into_db(&[from(json!({"podSelector": web}))], 80), [true, false, false], "of its own namespace");
        assert_eq!(into_db(&[from(json!({"namespaceSelector": ops}))], 80), [false, true, false]);
        assert_eq!(into_db(&[from(json!({"namespaceSelector": {}}))], 80), [true, true, false]);
        assert_eq!(into_db(&[from(json!({"namespaceSelector": ops, "podSelector": {"matchLabels": {"app": "db"}}}))], 80), [false; 3]);
        let outside = from(json!({"ipBlock": {"cidr": "203.0.113.0/24", "except": ["203.0.113.8/32"]}}));
        assert_eq!(into_db(&[outside], 80), [false, false, true]);
        assert_eq!(into_db(&[from(json!({"ipBlock": {"cidr": "203.0.113.0/24", "except": ["203.0.113.0/29"]}}))], 80), [false; 3]);
        assert_eq!(into_db(&[closed, from(json!({"podSelector": web}))], 80), [true, false, false], "policies add up");
    }

    #[test]
    fn ports_are_numbers_ranges_and_names() {
        let to = |port: Value| json!({"podSelector": {}, "ingress": [{"ports": [port]}]});
        for (port, open, closed) in [
            (json!({"port": 80}), 80, 81),
            (json!({"port": 80, "endPort": 90}), 90, 91),
            (json!({"port": "http"}), 8080, 80),
            (json!({"protocol": "TCP"}), 1, 0),
        ] {
            assert_eq!(into_db(&[to(port.clone())], open), [true; 3], "{port}");
            assert_eq!(into_db(&[to(port.clone())], closed), if closed == 0 { [true; 3] } else { [false; 3] }, "{port}");
        }
        assert_eq!(into_db(&[to(json!({"protocol": "UDP", "port": 80}))], 80), [false; 3]);
        assert_eq!(into_db(&[to(json!({"port": "nobody"}))], 80), [false; 3]);
    }

    #[test]
    fn what_goes_out_is_judged_by_where_it_goes() {
        let (web, db) = (pod("shop", "web", json!({"app": "web"})), pod("shop", "db", json!({"app": "db"})));
        let egress = [policy(json!({
            "podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Egress"],
            "egress": [{"to": [{"podSelector": {"matchLabels": {"app": "db"}}}], "ports": [{"port": "http"}]}],
        }))];
        let ask = |source: &Pod, destination: &Pod, port: u16| {
            let end = |pod| End { ip: [10, 244, 0, 9].into(), pod: Some(pod) };
            let attempt = Attempt { source: end(source), destination: end(destination), port, protocol: Protocol::Tcp };
            match judge(Direction::Egress, &attempt, egress.iter(), &|_| StringMap::new()) {
                Ruling::NotIsolated => "open",
                Ruling::Allowed(_) => "allowed",
                Ruling::Denied(_) => "denied",
            }
        };
        assert_eq!((ask(&web, &db, 8080), ask(&web, &db, 80)), ("allowed", "denied"), "the name is of the destination's container");
        assert_eq!(ask(&web, &web, 80), "allowed", "a Pod reaches itself");
        assert_eq!(ask(&db, &web, 80), "open");
    }
}

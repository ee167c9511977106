//! kube-proxy in mode `iptables`: the rules of a node (`pkg/proxy/iptables/proxier.go`).
//!
//! ```text
//! PREROUTING, OUTPUT ─► KUBE-SERVICES ─┬─ cluster IP ───────────────────────► KUBE-SVC-…  or KUBE-SVL-…
//!                                      ├─ external IP, load balancer ─► (KUBE-FW-… ─►) KUBE-EXT-… ─► one of them
//!                                      └─ node's own address ─► KUBE-NODEPORTS ─► KUBE-EXT-…
//! KUBE-SVC-… ─► by chance ─► KUBE-SEP-… ─► DNAT
//! ```
//!
//! A packet is compared with one rule after the other, so the cost of a new connection grows with the number of Services, and so does the
//! cost of an update, which carries all rules of a table.
//!
//! **Simplified here:** the rules are made anew as a whole; upstream leaves chains of Services that did not change out of
//! `iptables-restore`'s input since v1.28. [`SyncCost`] tells both.

mod service;

use crate::addr::IpFamily;
use crate::hash::base32_sha256;
use crate::netfilter::{ChainId, CtState, End, Match, Maybe, Rule, Ruleset, Table, Target};
use crate::proxy::{LocalTrafficDetector, ProxyConfig, ProxyState, ServicePortName, categorize_endpoints};
use service::ServiceRules;
use std::collections::BTreeSet;
use std::net::SocketAddr;

/// The chains of kube-proxy that every packet may meet.
#[derive(Clone, Copy, Debug)]
struct TopChains {
    mark_masq: ChainId,
    nat_services: ChainId,
    nat_node_ports: ChainId,
    filter_services: ChainId,
    filter_external: ChainId,
    filter_node_ports: ChainId,
    filter_firewall: ChainId,
}

/// The chain of a Service's port: `KUBE-SVC-…` and its kin share the hash.
pub fn service_chain(prefix: &str, name: &ServicePortName) -> String {
    format!("{prefix}{}", base32_sha256(&[&name.to_string(), name.protocol.lower()], 16))
}

/// The chain of an endpoint of a Service's port.
pub fn endpoint_chain(name: &ServicePortName, endpoint: SocketAddr) -> String {
    format!("KUBE-SEP-{}", base32_sha256(&[&name.to_string(), name.protocol.lower(), &endpoint.to_string()], 16))
}

/// What an update of the rules carries to the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyncCost {
    /// Rules in a full update, and in every update before v1.28.
    pub full: usize,
    /// Rules in an update after a change of one Service: the lists of all Services, and the chains of that one.
    pub partial: usize,
}

/// What updates of these rules carry. `changed` is the Service's port that changed.
pub fn sync_cost(rules: &Ruleset, changed: &ServicePortName) -> SyncCost {
    let hashed =
        |name: &str| ["KUBE-SVC-", "KUBE-SVL-", "KUBE-EXT-", "KUBE-FW-", "KUBE-SEP-"].iter().any(|prefix| name.starts_with(prefix));
    let words = format!("{changed}");
    let of_changed = |rule: &Rule| rule.matches.iter().any(|m| matches!(m, Match::Comment(text) if text.contains(&words)));
    let mut cost = SyncCost::default();
    for chain in Table::ALL.iter().flat_map(|table| rules.table(*table).iter()) {
        cost.full += chain.rules.len();
        cost.partial += chain.rules.iter().filter(|rule| !hashed(&chain.name) || of_changed(rule)).count();
    }
    cost
}

/// The rules of a node, with the chains that the kernel calls.
pub fn build(config: &ProxyConfig, state: &ProxyState) -> Ruleset {
    let mut rules = Ruleset::new(config.family);
    let top = base(&mut rules, config);
    for (name, port) in &state.services {
        let endpoints = categorize_endpoints(state.endpoints(name), port, config);
        ServiceRules { config, name, port, endpoints: &endpoints, top, rules: &mut rules }.write();
    }
    node_ports(&mut rules, config, top);
    rules
}

/// The chains and rules that do not depend on Services. kube-proxy puts its jumps at the head of the kernel's chains, one after the other, so
/// that the last stands first.
fn base(rules: &mut Ruleset, config: &ProxyConfig) -> TopChains {
    let filter = rules.table_mut(Table::Filter);
    let [external, node_ports, services, forward, lb_firewall, firewall] =
        ["KUBE-EXTERNAL-SERVICES", "KUBE-NODEPORTS", "KUBE-SERVICES", "KUBE-FORWARD", "KUBE-PROXY-FIREWALL", "KUBE-FIREWALL"]
            .map(|name| filter.id(name));
    let jumps: [(ChainId, &str, &[&str], bool); 6] = [
        (external, "kubernetes externally-visible service portals", &["INPUT", "FORWARD"], true),
        (node_ports, "kubernetes health check service ports", &["INPUT"], false),
        (services, "kubernetes service portals", &["FORWARD", "OUTPUT"], true),
        (forward, "kubernetes forwarding rules", &["FORWARD"], false),
        (lb_firewall, "kubernetes load balancer firewall", &["INPUT", "OUTPUT", "FORWARD"], true),
        (firewall, "", &["INPUT", "OUTPUT"], false),
    ];
    for (to, comment, from, only_new) in jumps {
        let rule = if only_new { Rule::default().state(&[CtState::New]) } else { Rule::default() };
        let rule = if comment.is_empty() { rule } else { rule.and(Match::Comment(comment.into())) };
        for name in from {
            let id = filter.id(name);
            if to == firewall {
                filter.append(id, rule.clone().then(Target::Jump(to)));
            } else {
                filter.prepend(id, rule.clone().then(Target::Jump(to)));
            }
        }
    }
    if config.family == IpFamily::V4 && config.localhost_node_ports {
        let local = config.family.loopback();
        let mut rule = Rule::comment("block incoming localnet connections").from(Maybe::is_not(local));
        rule.destination = Some(Maybe::is(local));
        let answered = BTreeSet::from([CtState::Related, CtState::Established, CtState::Dnat]);
        filter.append(firewall, rule.and(Match::Conntrack(Maybe::is_not(answered))).then(Target::Drop));
    }
    forwarding(filter, forward, config.masquerade_mark());
    let NatChains { mark_masq, services: nat_services, node_ports: nat_node_ports } = nat_base(rules, config);
    TopChains {
        mark_masq,
        nat_services,
        nat_node_ports,
        filter_services: services,
        filter_external: external,
        filter_node_ports: node_ports,
        filter_firewall: lb_firewall,
    }
}

fn forwarding(filter: &mut crate::netfilter::Chains, forward: ChainId, mark: u32) {
    filter.append(forward, Rule::default().state(&[CtState::Invalid]).then(Target::Drop));
    let marked = Rule::comment("kubernetes forwarding rules").and(Match::Mark(Maybe::is((mark, mark))));
    filter.append(forward, marked.then(Target::Accept));
    let known = Rule::comment("kubernetes forwarding conntrack rule").state(&[CtState::Related, CtState::Established]);
    filter.append(forward, known.then(Target::Accept));
}

/// The chains of kube-proxy in table `nat` that rules of Services name.
struct NatChains {
    mark_masq: ChainId,
    services: ChainId,
    node_ports: ChainId,
}

/// The part of [`base`] in table `nat`.
fn nat_base(rules: &mut Ruleset, config: &ProxyConfig) -> NatChains {
    let mark = config.masquerade_mark();
    let nat = rules.table_mut(Table::Nat);
    let [services, node_ports, postrouting, mark_masq] =
        ["KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-POSTROUTING", "KUBE-MARK-MASQ"].map(|name| nat.id(name));
    for name in ["OUTPUT", "PREROUTING"] {
        let id = nat.id(name);
        nat.prepend(id, Rule::comment("kubernetes service portals").then(Target::Jump(services)));
    }
    let id = nat.id("POSTROUTING");
    nat.prepend(id, Rule::comment("kubernetes postrouting rules").then(Target::Jump(postrouting)));
    nat.append(mark_masq, Rule::default().then(Target::Mark { value: mark, mask: mark }));
    nat.append(postrouting, Rule::default().and(Match::Mark(Maybe::is_not((mark, mark)))).then(Target::Return));
    nat.append(postrouting, Rule::default().then(Target::Mark { value: mark, mask: 0 }));
    nat.append(postrouting, Rule::comment("kubernetes service traffic requiring SNAT").then(Target::Masquerade));
    NatChains { mark_masq, services, node_ports }
}

/// The last rules of `KUBE-SERVICES`: what is for the node itself may be for a node port.
fn node_ports(rules: &mut Ruleset, config: &ProxyConfig, top: TopChains) {
    let words = "kubernetes service nodeports; NOTE: this must be the last rule in this chain";
    let loopback = config.family.loopback();
    let on_loopback = config.family == IpFamily::V4 && config.localhost_node_ports;
    let nat = rules.table_mut(Table::Nat);
    if config.all_have_node_ports() {
        let mut rule = Rule::comment(words).and(Match::Local(End::Destination));
        if !on_loopback {
            rule.destination = Some(Maybe::is_not(loopback));
        }
        nat.append(top.nat_services, rule.then(Target::Jump(top.nat_node_ports)));
        return;
    }
    for ip in config.node_port_ips() {
        if on_loopback || !loopback.contains(ip) {
            nat.append(top.nat_services, Rule::comment(words).to(ip).then(Target::Jump(top.nat_node_ports)));
        }
    }
}

/// The condition that a packet does (or does not) come from a Pod of this node, where kube-proxy can tell.
pub(crate) fn from_pod(config: &ProxyConfig, not: bool) -> Option<Maybe<crate::Cidr>> {
    match config.local_detector {
        LocalTrafficDetector::Cidr(value) => Some(Maybe { not, value }),
        LocalTrafficDetector::None => None,
    }
}

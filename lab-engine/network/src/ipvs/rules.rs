//! The iptables rules and ipsets beside the virtual servers. Their number does not depend on that of Services.

use crate::addr::{IpFamily, Protocol};
use crate::iptables::from_pod;
use crate::netfilter::{ChainId, CtState, End, IpSet, Match, Maybe, Rule, Ruleset, SetPart, Table, Target};
use crate::proxy::{Endpoint, ProxyConfig, ServicePort};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

const ADDRESS_PORT: &str = "hash:ip,port";

/// The entries of the ipsets.
#[derive(Default)]
pub(super) struct Sets(BTreeMap<&'static str, IpSet>);

impl Sets {
    fn entry(&mut self, set: &'static str, kind: &'static str, entry: String) {
        self.0.entry(set).or_insert_with(|| IpSet { kind, entries: BTreeSet::new() }).entries.insert(entry);
    }

    /// Adds what a port of a Service needs.
    pub(super) fn add(&mut self, config: &ProxyConfig, port: &ServicePort, endpoints: &[Endpoint]) {
        let protocol = port.protocol.lower();
        let at = |ip: IpAddr| format!("{ip},{protocol}:{}", port.port);
        self.entry("KUBE-CLUSTER-IP", ADDRESS_PORT, at(port.cluster_ip));
        for endpoint in endpoints.iter().filter(|endpoint| endpoint.is_local) {
            let (ip, number) = (endpoint.address.ip(), endpoint.address.port());
            self.entry("KUBE-LOOP-BACK", "hash:ip,port,ip", format!("{ip},{protocol}:{number},{ip}"));
        }
        for ip in &port.external_ips {
            self.entry(if port.external_policy_local { "KUBE-EXTERNAL-IP-LOCAL" } else { "KUBE-EXTERNAL-IP" }, ADDRESS_PORT, at(*ip));
        }
        for ip in &port.load_balancer_vips {
            self.load_balancer(config, port, at(*ip), *ip);
        }
        if let Some(node_port) = port.node_port {
            self.node_port(port, node_port);
        }
        if let Some(health) = port.health_check_node_port {
            self.entry("KUBE-HEALTH-CHECK-NODE-PORT", "bitmap:port", health.to_string());
        }
    }

    fn load_balancer(&mut self, config: &ProxyConfig, port: &ServicePort, at: String, ip: IpAddr) {
        self.entry("KUBE-LOAD-BALANCER", ADDRESS_PORT, at.clone());
        if port.external_policy_local {
            self.entry("KUBE-LOAD-BALANCER-LOCAL", ADDRESS_PORT, at.clone());
        }
        if port.load_balancer_source_ranges.is_empty() {
            return;
        }
        self.entry("KUBE-LOAD-BALANCER-FW", ADDRESS_PORT, at.clone());
        for range in &port.load_balancer_source_ranges {
            self.entry("KUBE-LOAD-BALANCER-SOURCE-CIDR", "hash:ip,port,net", format!("{at},{range}"));
        }
        if config.node_ip().is_some_and(|node| port.load_balancer_source_ranges.iter().any(|range| range.contains(node))) {
            self.entry("KUBE-LOAD-BALANCER-SOURCE-IP", "hash:ip,port,ip", format!("{at},{ip}"));
        }
    }

    fn node_port(&mut self, port: &ServicePort, node_port: u16) {
        let number = node_port.to_string();
        let (all, local) = match port.protocol {
            Protocol::Tcp => ("KUBE-NODE-PORT-TCP", "KUBE-NODE-PORT-LOCAL-TCP"),
            Protocol::Udp => ("KUBE-NODE-PORT-UDP", "KUBE-NODE-PORT-LOCAL-UDP"),
            Protocol::Sctp => ("KUBE-NODE-PORT-SCTP-HASH", "KUBE-NODE-PORT-LOCAL-SCTP-HASH"),
        };
        self.entry(all, "bitmap:port", number.clone());
        if port.external_policy_local {
            self.entry(local, "bitmap:port", number);
        }
    }

    /// The sets, with that of all addresses on `kube-ipvs0`.
    pub(super) fn finish(mut self, bound: &BTreeSet<IpAddr>) -> BTreeMap<&'static str, IpSet> {
        for ip in bound {
            self.entry("KUBE-IPVS-IPS", "hash:ip", ip.to_string());
        }
        self.0
    }
}

fn in_set(name: &str, parts: &[SetPart]) -> Match {
    Match::Set(name.into(), parts.into())
}

const TO: &[SetPart] = &[SetPart::Destination];
const TO_PORT: &[SetPart] = &[SetPart::Destination, SetPart::Destination];
const TO_PORT_FROM: &[SetPart] = &[SetPart::Destination, SetPart::Destination, SetPart::Source];

/// Writes the rules and the sets that they name.
pub(super) fn write(config: &ProxyConfig, sets: &BTreeMap<&'static str, IpSet>, rules: &mut Ruleset) {
    rules.sets = sets.iter().map(|(name, set)| (Arc::from(*name), set.clone())).collect();
    nat(config, sets, rules);
    filter(config, sets, rules);
}

fn nat(config: &ProxyConfig, sets: &BTreeMap<&'static str, IpSet>, rules: &mut Ruleset) {
    let mark = config.masquerade_mark();
    let has = |name: &str| sets.contains_key(name);
    let nat = rules.table_mut(Table::Nat);
    let [services, postrouting, mark_masq, node_port, load_balancer] =
        ["KUBE-SERVICES", "KUBE-POSTROUTING", "KUBE-MARK-MASQ", "KUBE-NODE-PORT", "KUBE-LOAD-BALANCER"].map(|name| nat.id(name));
    for (from, to, words) in [
        ("PREROUTING", services, "kubernetes service portals"),
        ("OUTPUT", services, "kubernetes service portals"),
        ("POSTROUTING", postrouting, "kubernetes postrouting rules"),
    ] {
        let id = nat.id(from);
        nat.append(id, Rule::comment(words).then(Target::Jump(to)));
    }
    let jump = Target::Jump;
    if config.family == IpFamily::V4 {
        nat.append(services, Rule::default().from(Maybe::is(config.family.loopback())).then(Target::Return));
    }
    let mut when = |chain: ChainId, words: &str, set: &str, parts: &[SetPart], target: Target| {
        if has(set) {
            let rule = if words.is_empty() { Rule::default() } else { Rule::comment(words) };
            nat.append(chain, rule.and(in_set(set, parts)).then(target));
        }
    };
    when(services, "Kubernetes service lb portal", "KUBE-LOAD-BALANCER", TO_PORT, jump(load_balancer));
    when(
        load_balancer,
        "Kubernetes service load balancer ip + port with externalTrafficPolicy=local",
        "KUBE-LOAD-BALANCER-LOCAL",
        TO_PORT,
        Target::Return,
    );
    for (local, all) in [
        ("KUBE-NODE-PORT-LOCAL-TCP", "KUBE-NODE-PORT-TCP"),
        ("KUBE-NODE-PORT-LOCAL-UDP", "KUBE-NODE-PORT-UDP"),
        ("KUBE-NODE-PORT-LOCAL-SCTP-HASH", "KUBE-NODE-PORT-SCTP-HASH"),
    ] {
        when(node_port, "", local, TO, Target::Return);
        when(node_port, "", all, TO, jump(mark_masq));
    }
    when(services, "Kubernetes service external ip + port for masquerade and filter purpose", "KUBE-EXTERNAL-IP", TO_PORT, jump(mark_masq));
    when(
        postrouting,
        "Kubernetes endpoints dst ip:port, source ip for solving hairpin purpose",
        "KUBE-LOOP-BACK",
        TO_PORT_FROM,
        Target::Masquerade,
    );
    if has("KUBE-CLUSTER-IP") {
        let rule = Rule::comment("Kubernetes service cluster ip + port for masquerade purpose");
        let rule = match from_pod(config, true).filter(|_| !config.masquerade_all) {
            Some(outside) => Some(rule.from(outside).and(in_set("KUBE-CLUSTER-IP", TO_PORT))),
            None if config.masquerade_all => Some(rule.and(in_set("KUBE-CLUSTER-IP", TO_PORT))),
            None => Some(rule.and(in_set("KUBE-CLUSTER-IP", &[SetPart::Source, SetPart::Destination]))),
        };
        rule.into_iter().for_each(|rule| nat.append(services, rule.then(jump(mark_masq))));
    }
    nat.append(load_balancer, Rule::default().then(jump(mark_masq)));
    nat.append(services, Rule::default().and(Match::Local(End::Destination)).then(jump(node_port)));
    for set in ["KUBE-CLUSTER-IP", "KUBE-LOAD-BALANCER"].into_iter().filter(|set| has(set)) {
        nat.append(services, Rule::default().and(in_set(set, TO_PORT)).then(Target::Accept));
    }
    nat.append(mark_masq, Rule::default().then(Target::Mark { value: mark, mask: mark }));
    nat.append(postrouting, Rule::default().and(Match::Mark(Maybe::is_not((mark, mark)))).then(Target::Return));
    nat.append(postrouting, Rule::default().then(Target::Mark { value: mark, mask: 0 }));
    nat.append(postrouting, Rule::comment("kubernetes service traffic requiring SNAT").then(Target::Masquerade));
}

fn filter(config: &ProxyConfig, sets: &BTreeMap<&'static str, IpSet>, rules: &mut Ruleset) {
    let mark = config.masquerade_mark();
    let has = |name: &str| sets.contains_key(name);
    let filter = rules.table_mut(Table::Filter);
    let [forward, node_port, ipvs, firewall, ranges] =
        ["KUBE-FORWARD", "KUBE-NODE-PORT", "KUBE-IPVS-FILTER", "KUBE-PROXY-FIREWALL", "KUBE-SOURCE-RANGES-FIREWALL"]
            .map(|name| filter.id(name));
    for (from, to, words) in [
        ("INPUT", ipvs, "kubernetes ipvs access filter"),
        ("INPUT", firewall, "kube-proxy firewall rules"),
        ("INPUT", node_port, "kubernetes health check rules"),
        ("FORWARD", forward, "kubernetes forwarding rules"),
        ("FORWARD", firewall, "kube-proxy firewall rules"),
    ] {
        let id = filter.id(from);
        filter.append(id, Rule::comment(words).then(Target::Jump(to)));
    }
    let marked = Rule::comment("kubernetes forwarding rules").and(Match::Mark(Maybe::is((mark, mark))));
    filter.append(forward, marked.then(Target::Accept));
    let known = Rule::comment("kubernetes forwarding conntrack rule").state(&[CtState::Related, CtState::Established]);
    filter.append(forward, known.then(Target::Accept));
    let mut when = |chain: ChainId, set: &str, parts: &[SetPart], target: Target| {
        if has(set) {
            filter.append(chain, Rule::default().and(in_set(set, parts)).then(target));
        }
    };
    when(node_port, "KUBE-HEALTH-CHECK-NODE-PORT", TO, Target::Accept);
    when(firewall, "KUBE-LOAD-BALANCER-FW", TO_PORT, Target::Jump(ranges));
    when(ranges, "KUBE-LOAD-BALANCER-SOURCE-CIDR", TO_PORT_FROM, Target::Return);
    when(ranges, "KUBE-LOAD-BALANCER-SOURCE-IP", TO_PORT_FROM, Target::Return);
    for set in ["KUBE-LOAD-BALANCER", "KUBE-CLUSTER-IP", "KUBE-EXTERNAL-IP", "KUBE-EXTERNAL-IP-LOCAL"] {
        when(ipvs, set, TO_PORT, Target::Return);
    }
    when(ipvs, "KUBE-HEALTH-CHECK-NODE-PORT", TO, Target::Return);
    filter.append(ranges, Rule::default().then(Target::Drop));
    if has("KUBE-IPVS-IPS") {
        let rule = Rule::default().state(&[CtState::New]).and(in_set("KUBE-IPVS-IPS", TO));
        filter.append(ipvs, rule.then(Target::Reject));
    }
}

//! The rules of one port of a Service.

use super::{TopChains, endpoint_chain, from_pod, service_chain};
use crate::addr::Cidr;
use crate::netfilter::text::parts_of_2_31;
use crate::netfilter::{ChainId, End, Match, Maybe, Rule, Ruleset, Table, Target};
use crate::proxy::{Categorized, Endpoint, ProxyConfig, ServicePort, ServicePortName};
use std::net::IpAddr;
use std::sync::Arc;

/// Writes the rules of one port of a Service.
pub(super) struct ServiceRules<'a> {
    pub(super) config: &'a ProxyConfig,
    pub(super) name: &'a ServicePortName,
    pub(super) port: &'a ServicePort,
    pub(super) endpoints: &'a Categorized<'a>,
    pub(super) top: TopChains,
    pub(super) rules: &'a mut Ruleset,
}

/// Why packets to an address of the Service are refused, and how.
struct Refusal {
    words: Arc<str>,
    target: Target,
}

impl ServiceRules<'_> {
    pub(super) fn write(mut self) {
        let has_internal = self.endpoints.any && !(self.port.internal_policy_local && self.endpoints.local().is_empty());
        let has_external = self.endpoints.any && !(self.port.external_policy_local && self.endpoints.local().is_empty());
        self.cluster_ip(has_internal);
        self.external(has_external);
        if let Some(port) = self.port.health_check_node_port {
            let rule = Rule::comment(format!("{} health check node port", self.name)).port(crate::Protocol::Tcp, port);
            self.filter(self.top.filter_node_ports, rule.then(Target::Accept));
        }
        self.endpoint_chains();
    }

    fn filter(&mut self, chain: ChainId, rule: Rule) {
        self.rules.table_mut(Table::Filter).append(chain, rule);
    }

    fn nat(&mut self, chain: ChainId, rule: Rule) {
        self.rules.table_mut(Table::Nat).append(chain, rule);
    }

    fn chain(&mut self, prefix: &str) -> ChainId {
        let name = service_chain(prefix, self.name);
        self.rules.table_mut(Table::Nat).id(&name)
    }

    /// The chain of a traffic policy.
    fn policy_chain(&mut self, local: bool) -> ChainId {
        self.chain(if local { "KUBE-SVL-" } else { "KUBE-SVC-" })
    }

    fn to(&self, words: &str, ip: IpAddr) -> Rule {
        Rule::comment(format!("{} {words}", self.name)).to(ip).port(self.port.protocol, self.port.port)
    }

    fn refusal(&self) -> Refusal {
        // Without any endpoint the caller is told; with endpoints elsewhere it waits, since others may answer.
        let (words, target) = if self.endpoints.any { ("no local endpoints", Target::Drop) } else { ("no endpoints", Target::Reject) };
        Refusal { words: format!("{} has {words}", self.name).into(), target }
    }

    fn cluster_ip(&mut self, has_endpoints: bool) {
        let ip = self.port.cluster_ip;
        if !has_endpoints {
            let Refusal { words, target } = self.refusal();
            let rule = Rule::comment(words).to(ip).port(self.port.protocol, self.port.port);
            return self.filter(self.top.filter_services, rule.then(target));
        }
        let chain = self.policy_chain(self.port.internal_policy_local);
        let rule = self.to("cluster IP", ip);
        self.nat(self.top.nat_services, rule.clone().then(Target::Jump(chain)));
        let mark = Target::Jump(self.top.mark_masq);
        if self.config.masquerade_all {
            self.nat(chain, rule.then(mark));
        } else if let Some(outside) = from_pod(self.config, true) {
            self.nat(chain, rule.from(outside).then(mark));
        }
    }

    /// Rules for external IPs, load balancers and node ports.
    fn external(&mut self, has_endpoints: bool) {
        let port = self.port;
        if !port.externally_accessible() {
            return;
        }
        let refusal = (!has_endpoints).then(|| self.refusal());
        let external = self.endpoints.any.then(|| self.external_chain(has_endpoints));
        let firewall = external.filter(|_| !port.load_balancer_vips.is_empty() && !port.load_balancer_source_ranges.is_empty());
        let load_balancer = firewall.map(|external| self.firewall_chain(external)).or(external);
        let external_ips = port.external_ips.iter().map(|ip| ("external IP", *ip, external));
        let vips = port.load_balancer_vips.iter().map(|ip| ("loadbalancer IP", *ip, load_balancer));
        for (words, ip, chain) in external_ips.chain(vips) {
            if let Some(chain) = chain {
                self.nat(self.top.nat_services, self.to(words, ip).then(Target::Jump(chain)));
            }
            if let Some(Refusal { words, target }) = &refusal {
                let rule = Rule::comment(words.clone()).to(ip).port(port.protocol, port.port);
                self.filter(self.top.filter_external, rule.then(target.clone()));
            }
        }
        let Some(node_port) = port.node_port else { return };
        if let Some(chain) = external {
            let rule = Rule::comment(self.name.to_string()).port(port.protocol, node_port);
            self.nat(self.top.nat_node_ports, rule.then(Target::Jump(chain)));
        }
        if let Some(Refusal { words, target }) = refusal {
            let rule = Rule::comment(words).and(Match::Local(End::Destination)).port(port.protocol, node_port);
            self.filter(self.top.filter_external, rule.then(target));
        }
    }

    /// The chain of all traffic that came from outside.
    fn external_chain(&mut self, has_endpoints: bool) -> ChainId {
        let chain = self.chain("KUBE-EXT-");
        let (name, mark) = (self.name.to_string(), Target::Jump(self.top.mark_masq));
        if self.port.external_policy_local {
            // What comes from inside the cluster is bound by no policy.
            let cluster = Target::Jump(self.policy_chain(false));
            if let Some(pods) = from_pod(self.config, false) {
                let rule = Rule::comment(format!("pod traffic for {name} external destinations")).from(pods);
                self.nat(chain, rule.then(cluster.clone()));
            }
            let local = |words: &str| {
                Rule::comment(format!("{words} LOCAL traffic for {name} external destinations")).and(Match::Local(End::Source))
            };
            self.nat(chain, local("masquerade").then(mark));
            self.nat(chain, local("route").then(cluster));
        } else {
            self.nat(chain, Rule::comment(format!("masquerade traffic for {name} external destinations")).then(mark));
        }
        if has_endpoints {
            let policy = self.policy_chain(self.port.external_policy_local);
            self.nat(chain, Rule::default().then(Target::Jump(policy)));
        }
        chain
    }

    /// The chain that lets only the allowed ranges through to a load balancer's address.
    fn firewall_chain(&mut self, external: ChainId) -> ChainId {
        let chain = self.chain("KUBE-FW-");
        let chain_name = service_chain("KUBE-FW-", self.name);
        let port = self.port;
        for ip in &port.load_balancer_vips {
            let rule = self.to(&format!("traffic not accepted by {chain_name}"), *ip);
            self.filter(self.top.filter_firewall, rule.then(Target::Drop));
        }
        let allowed = |source: Cidr| Rule::comment(format!("{} loadbalancer IP", self.name)).from(Maybe::is(source));
        let mut rules: Vec<Rule> = port.load_balancer_source_ranges.iter().map(|range| allowed(*range)).collect();
        // A node that may use the load balancer seems to come from the load balancer's address, if that is one of its own.
        if self.config.node_ip().is_some_and(|node| port.load_balancer_source_ranges.iter().any(|range| range.contains(node))) {
            rules.extend(port.load_balancer_vips.iter().map(|ip| allowed(Cidr::host(*ip))));
        }
        for rule in rules {
            self.nat(chain, rule.then(Target::Jump(external)));
        }
        self.nat(chain, Rule::comment(format!("other traffic to {} will be dropped by KUBE-PROXY-FIREWALL", self.name)));
        chain
    }

    fn endpoint_chains(&mut self) {
        let endpoints = self.endpoints;
        for (local, list) in [(false, endpoints.cluster()), (true, endpoints.local())] {
            if !list.is_empty() {
                let chain = self.policy_chain(local);
                self.choose(chain, list);
            }
        }
        for endpoint in &endpoints.all {
            let chain_name: Arc<str> = endpoint_chain(self.name, endpoint.address).into();
            let chain = self.rules.table_mut(Table::Nat).id(&chain_name);
            let own = || Rule::comment(self.name.to_string());
            let hairpin = own().from(Maybe::is(Cidr::host(endpoint.address.ip())));
            let mut dnat = own();
            if self.port.affinity_seconds.is_some() {
                dnat = dnat.and(Match::RecentSet(chain_name));
            }
            dnat.protocol = Some(self.port.protocol);
            dnat = dnat.and(Match::Module(self.port.protocol));
            self.nat(chain, hairpin.then(Target::Jump(self.top.mark_masq)));
            self.nat(chain, dnat.then(Target::Dnat(endpoint.address)));
        }
    }

    /// The rules that choose one of the endpoints: the one that the client had, else by chance. The n-th of N rules is taken with a chance of
    /// 1 / (N - n), which gives every endpoint the same share.
    fn choose(&mut self, chain: ChainId, endpoints: &[&Endpoint]) {
        let to = |rules: &mut Ruleset, name: &ServicePortName, endpoint: &Endpoint| {
            let chain = endpoint_chain(name, endpoint.address);
            let id = rules.table_mut(Table::Nat).id(&chain);
            (Rule::comment(format!("{name} -> {}", endpoint.address)), id, Arc::<str>::from(chain))
        };
        if let Some(seconds) = self.port.affinity_seconds {
            for endpoint in endpoints {
                let (rule, id, list) = to(self.rules, self.name, endpoint);
                self.nat(chain, rule.and(Match::RecentCheck(list, seconds)).then(Target::Jump(id)));
            }
        }
        for (index, endpoint) in endpoints.iter().enumerate() {
            let (mut rule, id, _) = to(self.rules, self.name, endpoint);
            let left = endpoints.len() - index;
            if left > 1 {
                rule = rule.and(Match::Random(probability(left)));
            }
            self.nat(chain, rule.then(Target::Jump(id)));
        }
    }
}

/// A chance of one in `n`, written with ten digits as kube-proxy writes it and then rounded as the kernel does.
fn probability(n: usize) -> u32 {
    let written = format!("{:.10}", 1.0 / f64::from(u32::try_from(n).unwrap_or(u32::MAX)));
    parts_of_2_31(written.parse().unwrap_or(0.0))
}

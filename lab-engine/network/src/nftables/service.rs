//! The chains and elements of one port of a Service.

use super::{Expr, KubeProxyTable, Name, Verdict, endpoint_name, service_name};
use crate::addr::Cidr;
use crate::iptables::from_pod;
use crate::netfilter::{End, Maybe};
use crate::proxy::{Categorized, Endpoint, ProxyConfig, ServicePort, ServicePortName};
use std::net::IpAddr;

const MARK: &str = "mark-for-masquerade";

fn jump(chain: &str) -> Expr {
    Expr::Verdict(Verdict::Jump(chain.into()))
}

fn goto(chain: &Name) -> Verdict {
    Verdict::Goto(chain.clone())
}

/// Writes what one port of a Service needs.
pub(super) fn write(table: &mut KubeProxyTable, config: &ProxyConfig, name: &ServicePortName, port: &ServicePort, found: &Categorized<'_>) {
    let no_local = found.local().is_empty();
    let has_internal = found.any && !(port.internal_policy_local && no_local);
    let has_external = found.any && !(port.external_policy_local && no_local);
    // Without any endpoint the caller is told; with endpoints elsewhere it waits.
    let refusal = if found.any { Verdict::Drop } else { Verdict::Goto("reject-chain".into()) };
    let words = name.to_string();
    let key = |ip: IpAddr| (ip, port.protocol, port.port);
    let chain = |local: bool| service_name(if local { "local-" } else { "service-" }, name);
    table.sets.entry("cluster-ips".into()).or_default().insert(port.cluster_ip);
    if has_internal {
        let internal = chain(port.internal_policy_local);
        table.service_entry("service-ips", key(port.cluster_ip), goto(&internal), &words);
        let to = Expr::To(Maybe::is(Cidr::host(port.cluster_ip)));
        if config.masquerade_all {
            table.rule(&internal, vec![to, jump(MARK)], "");
        } else if let Some(outside) = from_pod(config, true) {
            table.rule(&internal, vec![to, Expr::From(outside), jump(MARK)], "");
        }
    } else {
        table.service_entry("no-endpoint-services", key(port.cluster_ip), refusal.clone(), &words);
    }
    let external = service_name("external-", name);
    for ip in port.external_ips.iter().chain(&port.load_balancer_vips) {
        if found.any {
            table.service_entry("service-ips", key(*ip), goto(&external), &words);
        }
        if !has_external {
            table.service_entry("no-endpoint-services", key(*ip), refusal.clone(), &words);
        }
    }
    if let Some(node_port) = port.node_port {
        if found.any {
            table.port_entry("service-nodeports", (port.protocol, node_port), goto(&external), &words);
        }
        if !has_external {
            table.port_entry("no-endpoint-nodeports", (port.protocol, node_port), refusal, &words);
        }
    }
    if found.any && port.externally_accessible() {
        external_chain(table, config, name, port, has_external);
        firewall(table, config, name, port);
    }
    for (local, list) in [(false, found.cluster()), (true, found.local())] {
        if !list.is_empty() {
            choose(table, &chain(local), name, port, list);
        }
    }
    for endpoint in &found.all {
        endpoint_chain(table, name, port, endpoint);
    }
}

/// The chain of all traffic that came from outside.
fn external_chain(table: &mut KubeProxyTable, config: &ProxyConfig, name: &ServicePortName, port: &ServicePort, has_endpoints: bool) {
    let external = service_name("external-", name);
    let cluster = || Expr::Verdict(Verdict::Goto(service_name("service-", name)));
    if port.external_policy_local {
        if let Some(pods) = from_pod(config, false) {
            table.rule(&external, vec![Expr::From(pods), cluster()], "short-circuit pod traffic");
        }
        table.rule(&external, vec![Expr::Local(End::Source), jump(MARK)], "masquerade local traffic");
        table.rule(&external, vec![Expr::Local(End::Source), cluster()], "short-circuit local traffic");
    } else {
        table.rule(&external, vec![jump(MARK)], "");
    }
    if has_endpoints {
        let policy = service_name(if port.external_policy_local { "local-" } else { "service-" }, name);
        table.rule(&external, vec![Expr::Verdict(Verdict::Goto(policy))], "");
    }
}

/// The chain that lets only the allowed ranges through to a load balancer's address.
fn firewall(table: &mut KubeProxyTable, config: &ProxyConfig, name: &ServicePortName, port: &ServicePort) {
    let ranges = &port.load_balancer_source_ranges;
    if ranges.is_empty() {
        return;
    }
    let chain = service_name("firewall-", name);
    for ip in &port.load_balancer_vips {
        table.service_entry("firewall-ips", (*ip, port.protocol, port.port), goto(&chain), &name.to_string());
    }
    let mut allowed = ranges.clone();
    if config.node_ip().is_some_and(|node| ranges.iter().any(|range| range.contains(node))) {
        allowed.extend(port.load_balancer_vips.iter().map(|ip| Cidr::host(*ip)));
    }
    table.rule(&chain, vec![Expr::NotFrom(allowed.into()), Expr::Verdict(Verdict::Drop)], "");
}

/// The rules that choose one of the endpoints: the one that the client had, else each with the same chance.
fn choose(table: &mut KubeProxyTable, chain: &Name, name: &ServicePortName, port: &ServicePort, endpoints: &[&Endpoint]) {
    let target = |endpoint: &Endpoint| endpoint_name("endpoint-", name, endpoint.address);
    if port.affinity_seconds.is_some() {
        for endpoint in endpoints {
            let set = endpoint_name("affinity-", name, endpoint.address);
            table.rule(chain, vec![Expr::FromSet(set), Expr::Verdict(Verdict::Goto(target(endpoint)))], "");
        }
    }
    let targets: Vec<Name> = endpoints.iter().map(|endpoint| target(endpoint)).collect();
    table.rule(chain, vec![Expr::Random(targets.into())], "");
}

fn endpoint_chain(table: &mut KubeProxyTable, name: &ServicePortName, port: &ServicePort, endpoint: &Endpoint) {
    let chain = endpoint_name("endpoint-", name, endpoint.address);
    let own = Expr::From(Maybe::is(Cidr::host(endpoint.address.ip())));
    table.rule(&chain, vec![own, jump(MARK)], "");
    if let Some(seconds) = port.affinity_seconds {
        let set = endpoint_name("affinity-", name, endpoint.address);
        table.affinity.insert(set.clone(), seconds);
        table.rule(&chain, vec![Expr::Update(set)], "");
    }
    table.rule(&chain, vec![Expr::Protocol(port.protocol), Expr::Dnat(endpoint.address)], "");
}

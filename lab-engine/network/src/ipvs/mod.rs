//! kube-proxy in mode `ipvs`: virtual servers of the kernel's load balancer (`pkg/proxy/ipvs/proxier.go`; deprecated since v1.35).
//!
//! Every address of a Service is put on the device `kube-ipvs0`, so that packets to it are for the host; there IPVS finds the virtual server
//! in a hash table, whatever the number of Services, and a scheduler chooses the real server. What needs masquerading is found by ipsets,
//! from a constant number of iptables rules.
//!
//! **Simplified here:** no graceful termination of real servers, and of the kernel's schedulers `rr`, `wrr`, `lc`, `wlc`, `sh`.

mod director;
mod rules;
mod text;

pub use director::{Director, Fate};
pub use text::ipvsadm;

use crate::addr::{IpFamily, Protocol};
use crate::netfilter::Ruleset;
use crate::proxy::{Endpoint, ProxyConfig, ProxyState, ServicePort, categorize_endpoints};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

/// How a virtual server chooses (`--ipvs-scheduler`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scheduler {
    /// One after the other.
    #[default]
    RoundRobin,
    /// One after the other, by weight.
    WeightedRoundRobin,
    /// The one with the fewest connections.
    LeastConnection,
    /// The one with the fewest connections, by weight.
    WeightedLeastConnection,
    /// By a hash of the source address.
    SourceHash,
}

impl Scheduler {
    const NAMES: [(Scheduler, &'static str); 5] = [
        (Scheduler::RoundRobin, "rr"),
        (Scheduler::WeightedRoundRobin, "wrr"),
        (Scheduler::LeastConnection, "lc"),
        (Scheduler::WeightedLeastConnection, "wlc"),
        (Scheduler::SourceHash, "sh"),
    ];

    /// Its name, for example `rr`.
    pub fn name(self) -> &'static str {
        Scheduler::NAMES.iter().find(|(scheduler, _)| *scheduler == self).map_or("rr", |(_, name)| name)
    }

    /// The scheduler of this name; an empty name is `rr`.
    pub fn parse(name: &str) -> Option<Self> {
        let name = if name.is_empty() { "rr" } else { name };
        Scheduler::NAMES.iter().find(|(_, known)| *known == name).map(|(scheduler, _)| *scheduler)
    }
}

/// A virtual server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualServer {
    /// How it chooses.
    pub scheduler: Scheduler,
    /// How long a client stays with its real server, in seconds; `None` without affinity.
    pub persistence_seconds: Option<u32>,
    /// The real servers, all of weight 1, in the order of their addresses' text.
    pub real_servers: Vec<SocketAddr>,
}

/// What names a virtual server.
pub type ServerKey = (Protocol, SocketAddr);

/// What kube-proxy has put into a node's kernel.
#[derive(Clone, Debug)]
pub struct Ipvs {
    /// The virtual servers.
    pub servers: BTreeMap<ServerKey, VirtualServer>,
    /// The addresses on `kube-ipvs0`.
    pub bound: BTreeSet<IpAddr>,
    /// The rules beside them, with their ipsets.
    pub rules: Ruleset,
}

impl Ipvs {
    /// No virtual server at all.
    pub fn empty(family: IpFamily) -> Self {
        Ipvs { servers: BTreeMap::new(), bound: BTreeSet::new(), rules: Ruleset::new(family) }
    }
}

/// The device that has the addresses of Services.
pub const DUMMY_DEVICE: &str = "kube-ipvs0";

/// The addresses of a node that can have node ports: those of its devices, without the loopback ones, the link-local ones of IPv6, and those
/// that kube-proxy itself put on `kube-ipvs0`.
pub fn node_ips(devices: &BTreeMap<String, Vec<IpAddr>>, family: IpFamily) -> BTreeSet<IpAddr> {
    let own = devices.get(DUMMY_DEVICE).map_or(&[][..], Vec::as_slice);
    let usable = |ip: &&IpAddr| {
        let link_local = matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
        IpFamily::of(**ip) == family && !link_local && !ip.is_loopback() && !own.contains(ip)
    };
    devices.values().flatten().filter(usable).copied().collect()
}

/// The virtual servers and rules of a node.
pub fn build(config: &ProxyConfig, state: &ProxyState, scheduler: Scheduler) -> Ipvs {
    let mut ipvs = Ipvs::empty(config.family);
    let mut sets = rules::Sets::default();
    let node_ips: Vec<IpAddr> = config.node_port_ips().into_iter().filter(|ip| !ip.is_loopback()).collect();
    for (name, port) in &state.services {
        let endpoints = state.endpoints(name);
        for (address, local, bind) in addresses(port, &node_ips) {
            let server = VirtualServer {
                scheduler,
                persistence_seconds: port.affinity_seconds,
                real_servers: real_servers(port, endpoints, local, config),
            };
            ipvs.servers.insert((port.protocol, address), server);
            if bind {
                ipvs.bound.insert(address.ip());
            }
        }
        sets.add(config, port, endpoints);
    }
    rules::write(config, &sets.finish(&ipvs.bound), &mut ipvs.rules);
    ipvs
}

/// The addresses of a Service's port: each with whether only endpoints of this node serve it, and whether it goes on `kube-ipvs0`.
fn addresses(port: &ServicePort, node_ips: &[IpAddr]) -> Vec<(SocketAddr, bool, bool)> {
    let at = |ip: &IpAddr| SocketAddr::new(*ip, port.port);
    let mut addresses = vec![(at(&port.cluster_ip), port.internal_policy_local, true)];
    let external = port.external_ips.iter().chain(&port.load_balancer_vips);
    addresses.extend(external.map(|ip| (at(ip), port.external_policy_local, true)));
    if let Some(node_port) = port.node_port {
        addresses.extend(node_ips.iter().map(|ip| (SocketAddr::new(*ip, node_port), port.external_policy_local, false)));
    }
    addresses
}

/// The real servers of an address. Where no endpoint is on this node, a local policy still lists the others, for clients inside the cluster;
/// rules keep the rest out.
fn real_servers(port: &ServicePort, endpoints: &[Endpoint], local: bool, config: &ProxyConfig) -> Vec<SocketAddr> {
    let found = categorize_endpoints(endpoints, port, config);
    let chosen = if local && !found.local().is_empty() { found.local() } else { found.cluster() };
    chosen.iter().map(|endpoint| endpoint.address).collect()
}

//! The settings of a node's kube-proxy for one family (`KubeProxyConfiguration`), and what it knows of its node.

use crate::addr::{Cidr, IpFamily};
use api::meta::StringMap;
use std::net::IpAddr;

/// How kube-proxy tells traffic of this node's Pods from other traffic (`--detect-local-mode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LocalTrafficDetector {
    /// It cannot.
    #[default]
    None,
    /// Pods have addresses of this range (`ClusterCIDR`, or `NodeCIDR` with the node's own).
    Cidr(Cidr),
}

/// The settings of a node's kube-proxy for one family.
#[derive(Clone, Debug)]
pub struct ProxyConfig {
    /// The family.
    pub family: IpFamily,
    /// The node.
    pub node_name: String,
    /// The node's labels, for its zone.
    pub node_labels: StringMap,
    /// The node's addresses, of both families, the first of a family being its own; loopback addresses need not be named.
    pub node_ips: Vec<IpAddr>,
    /// Which traffic comes from Pods.
    pub local_detector: LocalTrafficDetector,
    /// Whether all traffic to cluster IPs is masqueraded.
    pub masquerade_all: bool,
    /// The bit of the mark that asks for masquerading.
    pub masquerade_bit: u8,
    /// Whether node ports answer on `127.0.0.1` (IPv4 and iptables only).
    pub localhost_node_ports: bool,
    /// The ranges of node addresses that have node ports; all when empty (`--nodeport-addresses`).
    pub node_port_addresses: Vec<Cidr>,
}

impl ProxyConfig {
    /// The defaults of `KubeProxyConfiguration` for a node with one address.
    pub fn new(family: IpFamily, node_name: impl Into<String>, node_ip: IpAddr) -> Self {
        ProxyConfig {
            family,
            node_name: node_name.into(),
            node_labels: StringMap::new(),
            node_ips: vec![node_ip],
            local_detector: LocalTrafficDetector::None,
            masquerade_all: false,
            masquerade_bit: 14,
            localhost_node_ports: true,
            node_port_addresses: Vec::new(),
        }
    }

    /// The mark that asks for masquerading.
    pub fn masquerade_mark(&self) -> u32 {
        1_u32.checked_shl(u32::from(self.masquerade_bit)).unwrap_or(1 << 14)
    }

    /// The node's first address of the family.
    pub fn node_ip(&self) -> Option<IpAddr> {
        self.family_ips().next()
    }

    /// The node's addresses of the family.
    pub fn family_ips(&self) -> impl Iterator<Item = IpAddr> {
        self.node_ips.iter().copied().filter(|ip| IpFamily::of(*ip) == self.family)
    }

    fn node_port_ranges(&self) -> impl Iterator<Item = &Cidr> {
        self.node_port_addresses.iter().filter(|range| range.family() == self.family)
    }

    /// Whether every address of the node has node ports.
    pub fn all_have_node_ports(&self) -> bool {
        self.node_port_ranges().next().is_none() || self.node_port_ranges().any(|range| range.prefix() == 0)
    }

    /// The node's addresses that have node ports, a loopback address included where a range names it (`GetNodeIPs`).
    pub fn node_port_ips(&self) -> Vec<IpAddr> {
        let loopback = self.family.loopback();
        let loopback_ip: IpAddr = match self.family {
            IpFamily::V4 => std::net::Ipv4Addr::LOCALHOST.into(),
            IpFamily::V6 => std::net::Ipv6Addr::LOCALHOST.into(),
        };
        let own = self.family_ips().filter(|ip| !loopback.contains(*ip)).chain([loopback_ip]);
        let all = self.all_have_node_ports();
        own.filter(|ip| all || self.node_port_ranges().any(|range| range.contains(*ip))).collect()
    }
}

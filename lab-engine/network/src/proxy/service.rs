//! The ports of a Service, as kube-proxy keeps them (`pkg/proxy/serviceport.go`).

use crate::addr::{Cidr, IpFamily, Protocol};
use api::core::Service;
use std::fmt;
use std::net::IpAddr;

/// How long `ClientIP` affinity lasts when the Service does not say, in seconds (`DefaultClientIPServiceAffinitySeconds`).
const AFFINITY_SECONDS: u32 = 10_800;

/// The label of Services that another proxy serves.
const PROXY_NAME_LABEL: &str = "service.kubernetes.io/service-proxy-name";

/// What names a Service's port. `Display` gives `namespace/name:port`, or `namespace/name` for a port without a name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServicePortName {
    /// The Service's namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The port's name.
    pub port: String,
    /// The port's protocol.
    pub protocol: Protocol,
}

impl fmt::Display for ServicePortName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)?;
        if self.port.is_empty() { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

/// A port of a Service, for one family (`BaseServicePortInfo`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePort {
    /// The cluster IP.
    pub cluster_ip: IpAddr,
    /// The port on it.
    pub port: u16,
    /// The protocol.
    pub protocol: Protocol,
    /// The port on every node, if it has one.
    pub node_port: Option<u16>,
    /// Addresses outside the cluster's care.
    pub external_ips: Vec<IpAddr>,
    /// The addresses of the load balancer that nodes answer for themselves: those of `ipMode: VIP`.
    pub load_balancer_vips: Vec<IpAddr>,
    /// From where the load balancer may be used; from everywhere when empty.
    pub load_balancer_source_ranges: Vec<Cidr>,
    /// How long a client keeps its endpoint, in seconds; `None` without affinity.
    pub affinity_seconds: Option<u32>,
    /// External traffic goes only to endpoints of the node it arrives at.
    pub external_policy_local: bool,
    /// Traffic to the cluster IP goes only to endpoints of the node it comes from.
    pub internal_policy_local: bool,
    /// Where load balancers ask whether this node has endpoints.
    pub health_check_node_port: Option<u16>,
}

impl ServicePort {
    /// Whether anything but the cluster IP leads to it.
    pub fn externally_accessible(&self) -> bool {
        self.node_port.is_some() || !self.load_balancer_vips.is_empty() || !self.external_ips.is_empty()
    }

    /// Whether endpoints of all nodes may be used. With a local external policy they are, too, for what comes from inside the cluster.
    pub fn uses_cluster_endpoints(&self) -> bool {
        !self.internal_policy_local || self.externally_accessible()
    }

    /// Whether endpoints of this node are used apart.
    pub fn uses_local_endpoints(&self) -> bool {
        self.internal_policy_local || (self.external_policy_local && self.externally_accessible())
    }
}

/// Whether external traffic stays on its node (`apiservice.ExternalPolicyLocal`).
fn external_policy_local(service: &Service) -> bool {
    let spec = &service.spec;
    let external = match spec.type_.as_str() {
        "LoadBalancer" | "NodePort" => true,
        "" | "ClusterIP" => !spec.external_ips.is_empty(),
        _ => false,
    };
    external && spec.external_traffic_policy == "Local"
}

/// The port where load balancers ask about a Service, if it has one (`apiservice.NeedsHealthCheck`).
pub fn health_check_node_port(service: &Service) -> Option<u16> {
    let needed = service.spec.type_ == "LoadBalancer" && external_policy_local(service);
    let port = service.spec.health_check_node_port.filter(|_| needed)?;
    u16::try_from(port).ok().filter(|port| *port != 0)
}

/// The Service's address of a family.
fn cluster_ip(service: &Service, family: IpFamily) -> Option<IpAddr> {
    let spec = &service.spec;
    let ips = spec.cluster_ips.iter().chain([&spec.cluster_ip]);
    ips.filter_map(|ip| ip.parse().ok()).find(|ip| IpFamily::of(*ip) == family)
}

/// The addresses of a family among these texts.
fn ips_of<'a>(texts: impl Iterator<Item = &'a String>, family: IpFamily) -> Vec<IpAddr> {
    texts.filter_map(|text| text.trim().parse().ok()).filter(|ip| IpFamily::of(*ip) == family).collect()
}

/// The ports of a Service for a family, in their order. Headless Services, those of type `ExternalName`, and those that another proxy
/// serves have none.
pub fn service_ports(service: &Service, family: IpFamily) -> impl Iterator<Item = (ServicePortName, ServicePort)> {
    let spec = &service.spec;
    let skip = spec.type_ == "ExternalName" || spec.cluster_ip == "None" || service.metadata.labels.contains_key(PROXY_NAME_LABEL);
    let cluster_ip = cluster_ip(service, family).filter(|_| !skip);
    let vips = service.status.load_balancer.ingress.iter().filter(|ingress| ingress.ip_mode.as_deref().is_none_or(|mode| mode == "VIP"));
    let ranges = spec.load_balancer_source_ranges.iter().filter_map(|text| text.trim().parse::<Cidr>().ok());
    let affinity = spec.session_affinity_config.as_ref().and_then(|config| config.client_ip.as_ref()).and_then(|ip| ip.timeout_seconds);
    let base = cluster_ip.map(|cluster_ip| ServicePort {
        cluster_ip,
        port: 0,
        protocol: Protocol::Tcp,
        node_port: None,
        external_ips: ips_of(spec.external_ips.iter(), family),
        load_balancer_vips: ips_of(vips.map(|ingress| &ingress.ip), family),
        load_balancer_source_ranges: ranges.filter(|range| range.family() == family).collect(),
        affinity_seconds: (spec.session_affinity == "ClientIP")
            .then(|| affinity.and_then(|seconds| u32::try_from(seconds).ok()).unwrap_or(AFFINITY_SECONDS)),
        external_policy_local: external_policy_local(service),
        internal_policy_local: spec.internal_traffic_policy.as_deref() == Some("Local"),
        health_check_node_port: health_check_node_port(service),
    });
    let (namespace, name) = (service.metadata.namespace.clone(), service.metadata.name.clone());
    let ports = base.into_iter().flat_map(|base| spec.ports.iter().map(move |port| (base.clone(), port)));
    ports.filter_map(move |(base, port)| {
        let protocol = Protocol::parse(&port.protocol)?;
        let number = u16::try_from(port.port).ok()?;
        let node_port = port.node_port.and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0);
        let name = ServicePortName { namespace: namespace.clone(), name: name.clone(), port: port.name.clone(), protocol };
        Some((name, ServicePort { port: number, protocol, node_port, ..base }))
    })
}

//! Which endpoints a node uses (`pkg/proxy/topology.go`).
//!
//! Ready endpoints are used; where there are none, those that still serve while they terminate (KEP-1669). Hints of zones (KEP-2433,
//! KEP-4444) and nodes (KEP-3015) narrow the choice, unless an endpoint lacks a hint or none is for here.

use super::{Endpoint, ProxyConfig, ServicePort};
use std::collections::BTreeSet;

/// The label of a node's zone.
const ZONE_LABEL: &str = "topology.kubernetes.io/zone";

/// The endpoints of a port, as a node sees them. Each list is in the order of the endpoints.
#[derive(Clone, Debug, Default)]
pub struct Categorized<'a> {
    /// For traffic under policy `Cluster`; `None` when the port has no such traffic.
    pub cluster: Option<Vec<&'a Endpoint>>,
    /// For traffic under policy `Local`; `None` when the port has no such traffic.
    pub local: Option<Vec<&'a Endpoint>>,
    /// All of them.
    pub all: Vec<&'a Endpoint>,
    /// Whether the port has an endpoint anywhere, reachable from here or not.
    pub any: bool,
}

impl<'a> Categorized<'a> {
    /// The endpoints under policy `Cluster`.
    pub fn cluster(&self) -> &[&'a Endpoint] {
        self.cluster.as_deref().unwrap_or(&[])
    }

    /// The endpoints under policy `Local`.
    pub fn local(&self) -> &[&'a Endpoint] {
        self.local.as_deref().unwrap_or(&[])
    }
}

/// Which hints count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Topology {
    None,
    SameZone,
    SameNode,
}

/// Sorts the endpoints of a port by the traffic that may use them.
pub fn categorize_endpoints<'a>(endpoints: &'a [Endpoint], port: &ServicePort, config: &ProxyConfig) -> Categorized<'a> {
    let mut found = Categorized::default();
    let fallback = |endpoint: &&Endpoint| endpoint.serving && endpoint.terminating;
    let first_with = |ready: Vec<&'a Endpoint>, others: &dyn Fn() -> Vec<&'a Endpoint>| if ready.is_empty() { others() } else { ready };
    if port.uses_cluster_endpoints() {
        let zone = config.node_labels.get(ZONE_LABEL).map_or("", String::as_str);
        let topology = topology_of(endpoints, &config.node_name, zone);
        let here = |endpoint: &&Endpoint| match topology {
            Topology::None => true,
            Topology::SameZone => endpoint.zone_hints.contains(zone),
            Topology::SameNode => endpoint.node_hints.contains(&config.node_name),
        };
        let ready = endpoints.iter().filter(|endpoint| endpoint.ready).filter(here).collect();
        let usable = first_with(ready, &|| endpoints.iter().filter(fallback).collect());
        found.any = !usable.is_empty();
        found.cluster = Some(usable);
    }
    if port.uses_local_endpoints() {
        found.any |= endpoints.iter().any(|endpoint| endpoint.ready || (endpoint.serving && endpoint.terminating));
        let local = || endpoints.iter().filter(|endpoint| endpoint.is_local);
        let ready = local().filter(|endpoint| endpoint.ready).collect();
        found.local = Some(first_with(ready, &|| local().filter(fallback).collect()));
    }
    let reachable: BTreeSet<_> = found.cluster().iter().chain(found.local()).map(|endpoint| endpoint.address).collect();
    found.all = endpoints.iter().filter(|endpoint| reachable.contains(&endpoint.address)).collect();
    found
}

/// Hints count when every ready endpoint has them and one is for here; those of nodes before those of zones.
fn topology_of(endpoints: &[Endpoint], node: &str, zone: &str) -> Topology {
    let ready = || endpoints.iter().filter(|endpoint| endpoint.ready);
    let hinted = |hints: fn(&Endpoint) -> &BTreeSet<String>, here: &str| {
        ready().all(|endpoint| !hints(endpoint).is_empty()) && ready().any(|endpoint| hints(endpoint).contains(here))
    };
    if hinted(|endpoint| &endpoint.node_hints, node) {
        Topology::SameNode
    } else if hinted(|endpoint| &endpoint.zone_hints, zone) {
        Topology::SameZone
    } else {
        Topology::None
    }
}

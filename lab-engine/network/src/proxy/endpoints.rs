//! The endpoints of Services, from EndpointSlices (`pkg/proxy/endpointslicecache.go`).

use super::ServicePortName;
use crate::addr::{IpFamily, Protocol};
use api::discovery::EndpointSlice;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

/// The label that names a slice's Service (`LabelServiceName`).
const SERVICE_NAME_LABEL: &str = "kubernetes.io/service-name";

/// An endpoint of a Service's port (`BaseEndpointInfo`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Where it listens.
    pub address: SocketAddr,
    /// It takes traffic.
    pub ready: bool,
    /// It answers, on its way out or not.
    pub serving: bool,
    /// It is on its way out.
    pub terminating: bool,
    /// It is on this node.
    pub is_local: bool,
    /// The zones that should use it.
    pub zone_hints: BTreeSet<String>,
    /// The nodes that should use it.
    pub node_hints: BTreeSet<String>,
}

/// The endpoints of every port, those of a port in the order of their addresses' text. Where slices name an address twice, the one on this
/// node wins, else the later slice.
pub fn endpoints_of<'a>(
    slices: impl IntoIterator<Item = &'a EndpointSlice>,
    family: IpFamily,
    node_name: &str,
) -> BTreeMap<ServicePortName, Vec<Endpoint>> {
    let mut found: BTreeMap<ServicePortName, BTreeMap<String, Endpoint>> = BTreeMap::new();
    for slice in slices {
        let Some(service) = slice.metadata.labels.get(SERVICE_NAME_LABEL).filter(|_| slice.address_type == family.name()) else {
            continue;
        };
        for port in &slice.ports {
            let number = port.port.and_then(|port| u16::try_from(port).ok());
            let protocol = Protocol::parse(port.protocol.as_deref().unwrap_or(""));
            let (Some(number), Some(protocol)) = (number, protocol) else { continue };
            let name = ServicePortName {
                namespace: slice.metadata.namespace.clone(),
                name: service.clone(),
                port: port.name.clone().unwrap_or_default(),
                protocol,
            };
            let of_port = found.entry(name).or_default();
            for endpoint in slice.endpoints.iter().filter_map(|endpoint| read(endpoint, number, node_name)) {
                let key = endpoint.address.to_string();
                if endpoint.is_local || !of_port.contains_key(&key) {
                    of_port.insert(key, endpoint);
                }
            }
        }
    }
    found.into_iter().map(|(name, endpoints)| (name, endpoints.into_values().collect())).collect()
}

fn read(endpoint: &api::discovery::Endpoint, port: u16, node_name: &str) -> Option<Endpoint> {
    let ip: IpAddr = endpoint.addresses.first()?.parse().ok()?;
    let (conditions, hints) = (&endpoint.conditions, endpoint.hints.as_ref());
    Some(Endpoint {
        address: SocketAddr::new(ip, port),
        ready: conditions.ready.unwrap_or(true),
        serving: conditions.serving.unwrap_or(true),
        terminating: conditions.terminating.unwrap_or(false),
        is_local: endpoint.node_name.as_deref() == Some(node_name),
        zone_hints: hints.iter().flat_map(|hints| &hints.for_zones).map(|zone| zone.name.clone()).collect(),
        node_hints: hints.iter().flat_map(|hints| &hints.for_nodes).map(|node| node.name.clone()).collect(),
    })
}

//! What kube-proxy knows: Services as ports, EndpointSlices as endpoints, and which endpoints a node uses (`pkg/proxy`).
//!
//! [`ProxyState`] is the input of every mode: the maps of one family, built from the objects.

mod config;
mod endpoints;
mod service;
mod topology;

pub use config::{LocalTrafficDetector, ProxyConfig};
pub use endpoints::{Endpoint, endpoints_of};
pub use service::{ServicePort, ServicePortName, health_check_node_port, service_ports};
pub use topology::{Categorized, categorize_endpoints};

use api::core::Service;
use api::discovery::EndpointSlice;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The Services and endpoints of one family, in the order of their names.
#[derive(Clone, Debug, Default)]
pub struct ProxyState {
    /// The ports of all Services.
    pub services: BTreeMap<ServicePortName, Arc<ServicePort>>,
    /// The endpoints of each port that has any.
    pub endpoints: BTreeMap<ServicePortName, Arc<[Endpoint]>>,
}

impl ProxyState {
    /// Everything that a node's kube-proxy uses of these objects.
    pub fn build<'a>(
        config: &ProxyConfig,
        services: impl IntoIterator<Item = &'a Service>,
        slices: impl IntoIterator<Item = &'a EndpointSlice>,
    ) -> Self {
        let mut state = ProxyState::default();
        for service in services {
            state.services.extend(service_ports(service, config.family).map(|(name, port)| (name, Arc::new(port))));
        }
        let endpoints = endpoints_of(slices, config.family, &config.node_name);
        state.endpoints = endpoints.into_iter().map(|(name, endpoints)| (name, endpoints.into())).collect();
        state
    }

    /// The endpoints of a port.
    pub fn endpoints(&self, name: &ServicePortName) -> &[Endpoint] {
        self.endpoints.get(name).map_or(&[], |endpoints| endpoints)
    }
}

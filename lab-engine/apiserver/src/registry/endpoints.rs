//! EndpointSlices and Endpoints (`pkg/apis/discovery/v1/defaults.go`, `pkg/registry/discovery/endpointslice/strategy.go`,
//! `pkg/apis/core/v1/defaults.go`).

use super::Strategy;
use api::core::Endpoints;
use api::discovery::EndpointSlice;
use api::json::Json;

impl Strategy for EndpointSlice {
    fn default(&mut self) {
        for port in &mut self.ports {
            port.name.get_or_insert_default();
            port.protocol.get_or_insert_with(|| "TCP".to_owned());
        }
    }

    fn prepare_for_create(&mut self) {
        self.metadata.generation = Some(1);
    }

    /// The generation counts changes of anything but what the server keeps itself.
    fn prepare_for_update(&mut self, old: &Self) {
        let labels = |slice: &Self| (slice.metadata.labels.clone(), slice.metadata.annotations.clone());
        let content = |slice: &Self| (slice.endpoints.to_json(), slice.ports.to_json());
        if labels(self) != labels(old) || content(self) != content(old) {
            self.metadata.generation = Some(old.metadata.generation.unwrap_or(0) + 1);
        }
    }
}

impl Strategy for Endpoints {
    fn default(&mut self) {
        for port in self.subsets.iter_mut().flat_map(|subset| &mut subset.ports).filter(|port| port.protocol.is_empty()) {
            port.protocol = "TCP".to_owned();
        }
    }
}

//! EndpointSlices and Endpoints (`pkg/apis/discovery/v1/defaults.go`, `pkg/registry/discovery/endpointslice/strategy.go`,
//! `pkg/apis/core/v1/defaults.go`, `pkg/apis/{discovery,core}/validation`).

use super::report::Report;
use super::{Strategy, meta};
use api::core::{EndpointAddress, Endpoints, SubsetPort};
use api::discovery::{Endpoint, EndpointHints, EndpointPort, EndpointSlice};
use api::json::Json;
use api::names;
use api::status::FieldError;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// The most that a slice may have.
const MAX_ENDPOINTS: usize = 1000;
const MAX_ADDRESSES: usize = 100;
const MAX_PORTS: usize = 20_000;
const MAX_TOPOLOGY_LABELS: usize = 16;
const MAX_HINTS: usize = 8;

const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];

/// Appends what is wrong with an address that is meant for others than its own machine (`ValidateNonSpecialIP`).
pub(super) fn non_special_ip(address: &str, path: &str, errors: &mut Vec<FieldError>) {
    let Ok(ip) = address.parse::<IpAddr>() else {
        return errors.invalid(path, address, "must be a valid IP address");
    };
    let (link_local, link_local_group) = match ip {
        IpAddr::V4(ip) => (ip.is_link_local(), ip.octets()[..3] == [224, 0, 0]),
        IpAddr::V6(ip) => (ip.is_unicast_link_local(), ip.segments()[0] & 0xff0f == 0xff02),
    };
    for (special, detail) in [
        (ip.is_unspecified(), format!("may not be unspecified ({address})")),
        (ip.is_loopback(), "may not be in the loopback range (127.0.0.0/8, ::1/128)".to_owned()),
        (link_local, "may not be in the link-local range (169.254.0.0/16, fe80::/10)".to_owned()),
        (link_local_group, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)".to_owned()),
    ] {
        if special {
            errors.invalid(path, address, detail);
        }
    }
}

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

    fn validate(&self, errors: &mut Vec<FieldError>) {
        errors.choice("addressType", &self.address_type, &["FQDN", "IPv4", "IPv6"]);
        if self.endpoints.len() > MAX_ENDPOINTS {
            errors.too_many("endpoints", self.endpoints.len(), MAX_ENDPOINTS);
        } else {
            for (index, endpoint) in self.endpoints.iter().enumerate() {
                slice_endpoint(endpoint, &self.address_type, &format!("endpoints[{index}]"), errors);
            }
        }
        slice_ports(&self.ports, errors);
    }

    fn validate_update(&self, old: &Self, errors: &mut Vec<FieldError>) {
        self.validate(errors);
        meta::immutable(&self.address_type, &old.address_type, "addressType", errors);
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

    fn validate(&self, errors: &mut Vec<FieldError>) {
        for (index, subset) in self.subsets.iter().enumerate() {
            let path = format!("subsets[{index}]");
            if subset.addresses.is_empty() && subset.not_ready_addresses.is_empty() {
                errors.required(&path, "must specify `addresses` or `notReadyAddresses`");
            }
            for (field, addresses) in [("addresses", &subset.addresses), ("notReadyAddresses", &subset.not_ready_addresses)] {
                for (at, address) in addresses.iter().enumerate() {
                    endpoint_address(address, &format!("{path}.{field}[{at}]"), errors);
                }
            }
            for (at, port) in subset.ports.iter().enumerate() {
                endpoint_port(port, subset.ports.len() > 1, &format!("{path}.ports[{at}]"), errors);
            }
        }
    }
}

fn slice_endpoint(endpoint: &Endpoint, kind: &str, path: &str, errors: &mut Vec<FieldError>) {
    let addresses = format!("{path}.addresses");
    match endpoint.addresses.len() {
        0 => errors.required(&addresses, "must contain at least 1 address"),
        count if count > MAX_ADDRESSES => errors.too_many(&addresses, count, MAX_ADDRESSES),
        _ => {}
    }
    for (index, address) in endpoint.addresses.iter().enumerate() {
        let path = format!("{addresses}[{index}]");
        match kind {
            "IPv4" => errors.malformed(&path, address, names::ipv4(address)),
            "IPv6" => errors.malformed(&path, address, names::ipv6(address)),
            "FQDN" => errors.malformed(&path, address, names::fully_qualified_domain_name(address)),
            _ => {}
        }
        if matches!(kind, "IPv4" | "IPv6") {
            non_special_ip(address, &path, errors);
        }
    }
    if let Some(node) = &endpoint.node_name {
        errors.subdomain(&format!("{path}.nodeName"), node);
    }
    let topology = format!("{path}.deprecatedTopology");
    if endpoint.deprecated_topology.len() > MAX_TOPOLOGY_LABELS {
        errors.too_many(&topology, endpoint.deprecated_topology.len(), MAX_TOPOLOGY_LABELS);
    }
    meta::labels(&endpoint.deprecated_topology, &topology, errors);
    if endpoint.deprecated_topology.contains_key("kubernetes.io/hostname") {
        let detail = "may not set node name in topology fields";
        errors.invalid_json(format!("{topology}[kubernetes.io/hostname]"), &endpoint.deprecated_topology.to_json(), detail);
    }
    if let Some(name) = &endpoint.hostname {
        errors.label(&format!("{path}.hostname"), name);
    }
    if let Some(hints) = &endpoint.hints {
        hinted(hints, &format!("{path}.hints"), errors);
    }
}

fn hinted(hints: &EndpointHints, path: &str, errors: &mut Vec<FieldError>) {
    let zones: Vec<&str> = hints.for_zones.iter().map(|zone| zone.name.as_str()).collect();
    let nodes: Vec<&str> = hints.for_nodes.iter().map(|node| node.name.as_str()).collect();
    for (field, names) in [("forZones", zones), ("forNodes", nodes)] {
        let path = format!("{path}.{field}");
        if names.len() > MAX_HINTS {
            errors.too_many(&path, names.len(), MAX_HINTS);
            continue;
        }
        let mut seen = BTreeSet::new();
        for (index, name) in names.into_iter().enumerate() {
            let path = format!("{path}[{index}].name");
            if seen.insert(name) {
                match field {
                    "forZones" => errors.malformed(&path, name, names::label_value(name)),
                    _ => errors.subdomain(&path, name),
                }
            } else {
                errors.duplicate(path, name);
            }
        }
    }
}

fn slice_ports(ports: &[EndpointPort], errors: &mut Vec<FieldError>) {
    if ports.len() > MAX_PORTS {
        return errors.too_many("ports", ports.len(), MAX_PORTS);
    }
    let mut seen = BTreeSet::new();
    for (index, port) in ports.iter().enumerate() {
        let path = format!("ports[{index}]");
        let name = port.name.as_deref().unwrap_or_default();
        if !name.is_empty() {
            errors.label(&format!("{path}.name"), name);
        }
        if !seen.insert(name) {
            errors.duplicate(format!("{path}.name"), name);
        }
        match port.protocol.as_deref() {
            None => errors.required(format!("{path}.protocol"), ""),
            Some(protocol) if !PROTOCOLS.contains(&protocol) => {
                errors.not_supported(format!("{path}.protocol"), protocol, &PROTOCOLS);
            }
            Some(_) => {}
        }
        if let Some(protocol) = &port.app_protocol {
            errors.qualified(&format!("{path}.appProtocol"), protocol);
        }
    }
}

fn endpoint_address(address: &EndpointAddress, path: &str, errors: &mut Vec<FieldError>) {
    let ip = format!("{path}.ip");
    errors.malformed(&ip, &address.ip, names::ip(&address.ip));
    if !address.hostname.is_empty() {
        errors.label(&format!("{path}.hostname"), &address.hostname);
    }
    if let Some(node) = &address.node_name {
        errors.subdomain(&format!("{path}.nodeName"), node);
    }
    non_special_ip(&address.ip, &ip, errors);
}

fn endpoint_port(port: &SubsetPort, named: bool, path: &str, errors: &mut Vec<FieldError>) {
    let name = format!("{path}.name");
    if !port.name.is_empty() {
        errors.label(&name, &port.name);
    } else if named {
        errors.required(name, "");
    }
    if let Some(detail) = names::port_number(port.port) {
        errors.invalid_number(format!("{path}.port"), port.port, detail);
    }
    errors.choice(format!("{path}.protocol"), &port.protocol, &PROTOCOLS);
    if let Some(protocol) = &port.app_protocol {
        errors.qualified(&format!("{path}.appProtocol"), protocol);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::json::decode;
    use serde_json::{Value, json};

    fn slice(value: Value) -> Vec<String> {
        let mut errors = Vec::new();
        decode::<EndpointSlice>(value).unwrap().validate(&mut errors);
        errors.iter().map(FieldError::to_string).collect()
    }

    #[test]
    fn addresses_are_of_the_family_and_for_others() {
        let of = |address: &str| slice(json!({"addressType": "IPv4", "endpoints": [{"addresses": [address]}]}));
        assert!(of("10.1.2.3").is_empty());
        let path = "endpoints[0].addresses[0]: Invalid value";
        let loopback = "may not be in the loopback range (127.0.0.0/8, ::1/128)";
        assert_eq!(of("127.0.0.1"), [format!("{path}: \"127.0.0.1\": {loopback}")]);
        assert_eq!(of("2001:db8::1"), [format!("{path}: \"2001:db8::1\": must be a valid IPv4 address")]);
    }

    #[test]
    fn names_of_ports_are_unique() {
        let ports = json!([{"protocol": "TCP"}, {"protocol": "UDP"}]);
        assert_eq!(slice(json!({"addressType": "FQDN", "ports": ports})), ["ports[1].name: Duplicate value: \"\""]);
    }

    #[test]
    fn a_subset_has_addresses() {
        let mut errors = Vec::new();
        decode::<Endpoints>(json!({"subsets": [{"ports": [{"port": 0, "protocol": "TCP"}]}]})).unwrap().validate(&mut errors);
        let texts: Vec<String> = errors.iter().map(FieldError::to_string).collect();
        assert_eq!(
            texts,
            [
                "subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`",
                "subsets[0].ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive"
            ]
        );
    }
}

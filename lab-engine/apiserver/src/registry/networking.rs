//! Ingresses, their classes, and NetworkPolicies (`pkg/apis/networking/{v1,validation}`).
//!
//! **Simplified here:** no resource backends.

use super::Strategy;
use api::names;
use api::networking::{
    HTTPIngressPath, Ingress, IngressBackend, IngressClass, IngressRule, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort,
};
use api::status::FieldError;

/// What a path can be compared as.
const PATH_TYPES: [&str; 3] = ["Exact", "ImplementationSpecific", "Prefix"];

impl Strategy for IngressClass {
    fn validate(&self, errors: &mut Vec<FieldError>) {
        if self.spec.controller.is_empty() {
            errors.push(FieldError::required("spec.controller", ""));
        }
    }
}

impl Strategy for Ingress {
    fn prepare_for_create(&mut self) {
        self.status = api::networking::IngressStatus::default();
    }

    fn prepare_for_update(&mut self, old: &Self) {
        self.status = old.status.clone();
    }

    fn prepare_status_update(&mut self, old: &Self) {
        self.spec = old.spec.clone();
    }

    fn validate(&self, errors: &mut Vec<FieldError>) {
        let spec = &self.spec;
        match &spec.default_backend {
            Some(backend) => validate_backend(backend, "spec.defaultBackend", errors),
            None if spec.rules.is_empty() => {
                errors.push(FieldError::invalid("spec", "", "either `defaultBackend` or `rules` must be specified"));
            }
            None => {}
        }
        for (index, rule) in spec.rules.iter().enumerate() {
            validate_rule(rule, &format!("spec.rules[{index}]"), errors);
        }
    }
}

fn validate_rule(rule: &IngressRule, at: &str, errors: &mut Vec<FieldError>) {
    if rule.host.parse::<std::net::IpAddr>().is_ok() {
        errors.push(FieldError::invalid(format!("{at}.host"), &rule.host, "must be a DNS name, not an IP address"));
    } else if !rule.host.is_empty() {
        let check = if rule.host.starts_with('*') { names::wildcard_dns1123_subdomain } else { names::dns1123_subdomain };
        for message in check(&rule.host) {
            errors.push(FieldError::invalid(format!("{at}.host"), &rule.host, message));
        }
    }
    let Some(http) = &rule.http else { return };
    if http.paths.is_empty() {
        errors.push(FieldError::required(format!("{at}.http.paths"), ""));
    }
    for (index, path) in http.paths.iter().enumerate() {
        validate_path(path, &format!("{at}.http.paths[{index}]"), errors);
    }
}

fn validate_path(path: &HTTPIngressPath, at: &str, errors: &mut Vec<FieldError>) {
    match path.path_type.as_deref() {
        None => errors.push(FieldError::required(format!("{at}.pathType"), "pathType must be specified")),
        Some(kind) if !PATH_TYPES.contains(&kind) => {
            errors.push(FieldError::not_supported(format!("{at}.pathType"), kind, &PATH_TYPES));
        }
        Some("ImplementationSpecific") if path.path.is_empty() => {}
        Some(_) if !path.path.starts_with('/') => {
            errors.push(FieldError::invalid(format!("{at}.path"), &path.path, "must be an absolute path"));
        }
        Some("ImplementationSpecific") => {}
        Some(_) => {
            for part in ["//", "/./", "/../", "%2f", "%2F"].into_iter().filter(|part| path.path.contains(part)) {
                errors.push(FieldError::invalid(format!("{at}.path"), &path.path, format!("must not contain '{part}'")));
            }
        }
    }
    validate_backend(&path.backend, &format!("{at}.backend"), errors);
}

fn validate_backend(backend: &IngressBackend, at: &str, errors: &mut Vec<FieldError>) {
    let Some(service) = &backend.service else { return };
    if service.name.is_empty() {
        errors.push(FieldError::required(format!("{at}.service.name"), ""));
    }
    match (service.port.name.is_empty(), service.port.number) {
        (true, 0) => errors.push(FieldError::required(format!("{at}.service"), "port name or number is required")),
        (true, number) if !(1..=65_535).contains(&number) => {
            let detail = "must be between 1 and 65535, inclusive";
            errors.push(FieldError::invalid(format!("{at}.service.port.number"), &number.to_string(), detail));
        }
        (false, number) if number != 0 => {
            errors.push(FieldError::invalid(format!("{at}.service"), "", "cannot set both port name & port number"));
        }
        _ => {}
    }
}

impl Strategy for NetworkPolicy {
    /// Models `SetDefaults_NetworkPolicy` and `SetDefaults_NetworkPolicyPort`.
    fn default(&mut self) {
        let spec = &mut self.spec;
        if spec.policy_types.is_empty() {
            spec.policy_types.push("Ingress".to_owned());
            if !spec.egress.is_empty() {
                spec.policy_types.push("Egress".to_owned());
            }
        }
        let ports = spec.ingress.iter_mut().flat_map(|rule| &mut rule.ports).chain(spec.egress.iter_mut().flat_map(|rule| &mut rule.ports));
        for port in ports {
            port.protocol.get_or_insert_with(|| "TCP".to_owned());
        }
    }

    fn validate(&self, errors: &mut Vec<FieldError>) {
        for (index, rule) in self.spec.ingress.iter().enumerate() {
            validate_peers(&rule.ports, &rule.from, &format!("spec.ingress[{index}]"), "from", errors);
        }
        for (index, rule) in self.spec.egress.iter().enumerate() {
            validate_peers(&rule.ports, &rule.to, &format!("spec.egress[{index}]"), "to", errors);
        }
        for (index, kind) in self.spec.policy_types.iter().enumerate() {
            if !matches!(kind.as_str(), "Ingress" | "Egress") {
                errors.push(FieldError::not_supported(format!("spec.policyTypes[{index}]"), kind, &["Egress", "Ingress"]));
            }
        }
    }
}

fn validate_peers(ports: &[NetworkPolicyPort], peers: &[NetworkPolicyPeer], at: &str, field: &str, errors: &mut Vec<FieldError>) {
    for (index, port) in ports.iter().enumerate() {
        let protocol = port.protocol.as_deref().unwrap_or("TCP");
        if !matches!(protocol, "TCP" | "UDP" | "SCTP") {
            errors.push(FieldError::not_supported(format!("{at}.ports[{index}].protocol"), protocol, &["SCTP", "TCP", "UDP"]));
        }
    }
    for (index, peer) in peers.iter().enumerate() {
        let at = format!("{at}.{field}[{index}]");
        let selects = peer.pod_selector.is_some() || peer.namespace_selector.is_some();
        match &peer.ip_block {
            None if !selects => errors.push(FieldError::required(at, "must specify a peer")),
            Some(_) if selects => {
                errors.push(FieldError::forbidden(at, "may not specify both ipBlock and another peer"));
            }
            _ => {}
        }
    }
}

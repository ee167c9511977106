//! What is wrong with a Service (`ValidateService`, `ValidateServiceUpdate` of `pkg/apis/core/validation`).
//!
//! **Simplified here:** that defaults are there (`externalTrafficPolicy`, `internalTrafficPolicy`) is not demanded.

use super::report::Report;
use super::service::{needs_health_check, reachable_from_outside};
use super::{endpoints, meta, pod_spec};
use api::core::{Service, ServiceSpec};
use api::json::Json;
use api::names;
use api::status::{FieldError, FieldErrorKind};
use serde_json::json;
use std::collections::BTreeSet;

/// The longest that a client sticks to its endpoint: a day (`MaxClientIPServiceAffinitySeconds`).
const MAX_AFFINITY_SECONDS: i64 = 86_400;

const SOURCE_RANGES: &str = "service.beta.kubernetes.io/load-balancer-source-ranges";

/// Whether traffic stays in its zone; the second is the older name.
const TOPOLOGY: [&str; 2] = ["service.kubernetes.io/topology-mode", "service.kubernetes.io/topology-aware-hints"];

/// Appends what is wrong with a Service.
pub(super) fn service(service: &Service, errors: &mut Vec<FieldError>) {
    let spec = &service.spec;
    let headless = spec.cluster_ip == "None";
    if spec.ports.is_empty() && !headless && spec.type_ != "ExternalName" {
        errors.required("spec.ports", "");
    }
    match spec.type_.as_str() {
        "LoadBalancer" | "NodePort" if headless => {
            // Where the author has written it.
            let path = if spec.cluster_ips.is_empty() { "spec.clusterIP" } else { "spec.clusterIPs[0]" };
            errors.invalid(path, "None", format!("may not be set to 'None' for {} services", spec.type_));
        }
        "ExternalName" => external_name(spec, errors),
        _ => {}
    }
    ports(spec, errors);
    meta::labels(&spec.selector, "spec.selector", errors);
    errors.choice("spec.sessionAffinity", &spec.session_affinity, &["ClientIP", "None"]);
    affinity_config(spec, errors);
    addresses(spec, errors);
    for (index, address) in spec.external_ips.iter().enumerate() {
        let path = format!("spec.externalIPs[{index}]");
        let wrong = names::ip(address);
        if wrong.is_empty() {
            endpoints::non_special_ip(address, &path, errors);
        }
        errors.malformed(&path, address, wrong);
    }
    errors.choice("spec.type", &spec.type_, &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]);
    node_ports(spec, errors);
    load_balancer(service, errors);
    traffic(spec, errors);
    let [mode, hints] = TOPOLOGY;
    let annotations = &service.metadata.annotations;
    if let (Some(value), Some(older)) = (annotations.get(mode), annotations.get(hints))
        && value != older
    {
        errors.invalid(format!("metadata.annotations[{mode}]"), value, format!("must match annotations[{hints}] when both are specified"));
    }
}

fn external_name(spec: &ServiceSpec, errors: &mut Vec<FieldError>) {
    for (field, set) in [
        ("clusterIPs", !spec.cluster_ips.is_empty() || !spec.cluster_ip.is_empty()),
        ("ipFamilies", !spec.ip_families.is_empty()),
        ("ipFamilyPolicy", spec.ip_family_policy.is_some()),
    ] {
        if set {
            errors.forbidden(format!("spec.{field}"), "may not be set for ExternalName services");
        }
    }
    match spec.external_name.strip_suffix('.').unwrap_or(&spec.external_name) {
        "" => errors.required("spec.externalName", ""),
        name => errors.subdomain("spec.externalName", name),
    }
}

fn ports(spec: &ServiceSpec, errors: &mut Vec<FieldError>) {
    let mut seen = BTreeSet::new();
    for (index, port) in spec.ports.iter().enumerate() {
        let path = format!("spec.ports[{index}]");
        let name = format!("{path}.name");
        if !port.name.is_empty() {
            errors.label(&name, &port.name);
            if !seen.insert(&port.name) {
                errors.duplicate(name, &port.name);
            }
        } else if spec.ports.len() > 1 {
            errors.required(name, "");
        }
        if let Some(detail) = names::port_number(port.port) {
            errors.invalid_number(format!("{path}.port"), port.port, detail);
        }
        errors.choice(format!("{path}.protocol"), &port.protocol, &["SCTP", "TCP", "UDP"]);
        if let Some(target) = &port.target_port {
            pod_spec::port(target, &format!("{path}.targetPort"), errors);
        }
        if let Some(protocol) = &port.app_protocol {
            errors.qualified(&format!("{path}.appProtocol"), protocol);
        }
    }
}

/// Node ports, and that no port stands twice; a port is its protocol and its number.
fn node_ports(spec: &ServiceSpec, errors: &mut Vec<FieldError>) {
    let (mut of_nodes, mut own) = (BTreeSet::new(), BTreeSet::new());
    for (index, port) in spec.ports.iter().enumerate() {
        let Some(number) = port.node_port.filter(|&number| number != 0) else { continue };
        let path = format!("spec.ports[{index}].nodePort");
        if spec.type_ == "ClusterIP" {
            errors.forbidden(&path, "may not be used when `type` is 'ClusterIP'");
        }
        if !of_nodes.insert((&port.protocol, number)) {
            errors.add(FieldError::new(FieldErrorKind::Duplicate, path, number.to_string(), ""));
        }
    }
    for (index, port) in spec.ports.iter().enumerate().filter(|(_, port)| !own.insert((&port.protocol, port.port))) {
        let value = format!(
            "{{\"Name\":\"\",\"Protocol\":{:?},\"AppProtocol\":null,\"Port\":{},\"TargetPort\":0,\"NodePort\":0}}",
            port.protocol, port.port
        );
        errors.add(FieldError::new(FieldErrorKind::Duplicate, format!("spec.ports[{index}]"), value, ""));
    }
}

fn affinity_config(spec: &ServiceSpec, errors: &mut Vec<FieldError>) {
    let (path, config) = ("spec.sessionAffinityConfig", &spec.session_affinity_config);
    match spec.session_affinity.as_str() {
        "None" if config.is_some() => errors.forbidden(path, "must not be set when session affinity is None"),
        "ClientIP" => {
            let needed = "when session affinity type is ClientIP";
            let Some(config) = config else { return errors.required(path, needed) };
            let Some(client) = &config.client_ip else { return errors.required(format!("{path}.clientIP"), needed) };
            let path = format!("{path}.clientIP.timeoutSeconds");
            match client.timeout_seconds.map(i64::from) {
                None => errors.required(path, needed),
                Some(seconds) if !(1..=MAX_AFFINITY_SECONDS).contains(&seconds) => {
                    errors.invalid_number(path, seconds, format!("must be greater than 0 and less than {MAX_AFFINITY_SECONDS}"));
                }
                Some(_) => {}
            }
        }
        _ => {}
    }
}

/// Cluster addresses and their families (`ValidateServiceClusterIPsRelatedFields`).
fn addresses(spec: &ServiceSpec, errors: &mut Vec<FieldError>) {
    if spec.type_ == "ExternalName" {
        return;
    }
    let (path, all) = ("spec.clusterIPs", json!(spec.cluster_ips));
    match spec.cluster_ips.first() {
        Some(_) if spec.cluster_ip.is_empty() => errors.invalid_json(path, &all, "must be empty when `clusterIP` is not specified"),
        Some(first) if *first != spec.cluster_ip => errors.invalid_json(path, &all, "first value must match `clusterIP`"),
        _ => {}
    }
    let mut seen = BTreeSet::new();
    for (index, family) in spec.ip_families.iter().enumerate() {
        let path = format!("spec.ipFamilies[{index}]");
        if !matches!(family.as_str(), "IPv4" | "IPv6") {
            errors.not_supported(&path, family, &["IPv4", "IPv6"]);
        }
        if !seen.insert(family) {
            errors.duplicate(path, family);
        }
    }
    let policies = ["PreferDualStack", "RequireDualStack", "SingleStack"];
    if let Some(policy) = spec.ip_family_policy.as_deref().filter(|policy| !policies.contains(policy)) {
        errors.not_supported("spec.ipFamilyPolicy", policy, &policies);
    }
    let single = [spec.cluster_ip.clone()];
    let given: &[String] = if spec.cluster_ips.is_empty() && !spec.cluster_ip.is_empty() { &single } else { &spec.cluster_ips };
    let before = errors.len();
    for (index, address) in given.iter().enumerate() {
        if index == 0 && address == "None" {
            if given.len() > 1 {
                errors.invalid_json(path, &all, "'None' must be the first and only value");
            }
            continue;
        }
        errors.malformed(&format!("{path}[{index}]"), address, names::ip(address));
    }
    let malformed = errors.len() > before;
    if given.len() > 2 {
        errors.invalid_json(path, &all, "may only hold up to 2 values");
    }
    if malformed {
        return;
    }
    let is_v6 = |address: &str| address.contains(':');
    if given.len() > 1 && given.iter().map(|address| is_v6(address)).collect::<BTreeSet<_>>().len() < 2 {
        errors.invalid_json(path, &all, "may specify no more than one IP for each IP family");
    }
    for (index, (address, family)) in given.iter().zip(&spec.ip_families).enumerate().filter(|(_, (address, _))| *address != "None") {
        if matches!(family.as_str(), "IPv4" | "IPv6") && (family == "IPv6") != is_v6(address) {
            let detail = format!("expected an {family} value as indicated by `ipFamilies[{index}]`");
            errors.invalid(format!("{path}[{index}]"), address, detail);
        }
    }
}

fn load_balancer(service: &Service, errors: &mut Vec<FieldError>) {
    let spec = &service.spec;
    let is_one = spec.type_ == "LoadBalancer";
    let only = "may only be used when `type` is 'LoadBalancer'";
    let ranges = &spec.load_balancer_source_ranges;
    if !ranges.is_empty() {
        let path = "spec.LoadBalancerSourceRanges";
        if !is_one {
            errors.forbidden(path, only);
        }
        for (index, range) in ranges.iter().enumerate() {
            errors.malformed(&format!("{path}[{index}]"), range.trim(), names::cidr(range.trim()));
        }
    } else if let Some(value) = service.metadata.annotations.get(SOURCE_RANGES) {
        let path = format!("metadata.annotations[{SOURCE_RANGES}]");
        if !is_one {
            errors.forbidden(&path, only);
        }
        for range in value.trim().split(',').map(str::trim).filter(|_| !value.trim().is_empty()) {
            errors.malformed(&path, range, names::cidr(range));
        }
    }
    if spec.allocate_load_balancer_node_ports.is_some() && !is_one {
        errors.forbidden("spec.allocateLoadBalancerNodePorts", only);
    }
    match &spec.load_balancer_class {
        Some(class) if is_one => errors.qualified("spec.loadBalancerClass", class),
        Some(_) => errors.forbidden("spec.loadBalancerClass", only),
        None => {}
    }
}

fn traffic(spec: &ServiceSpec, errors: &mut Vec<FieldError>) {
    let outside = reachable_from_outside(spec);
    let policy = spec.external_traffic_policy.as_str();
    if !outside && !policy.is_empty() {
        errors.invalid("spec.externalTrafficPolicy", policy, "may only be set for externally-accessible services");
    } else if outside && !matches!(policy, "" | "Cluster" | "Local") {
        errors.not_supported("spec.externalTrafficPolicy", policy, &["Cluster", "Local"]);
    }
    let checked = needs_health_check(spec);
    if let Some(port) = spec.health_check_node_port.map(i64::from).filter(|&port| port != 0) {
        let path = "spec.healthCheckNodePort";
        if checked {
            errors.within(path, port, 1, 65_535);
        } else {
            let detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
            errors.invalid_number(path, port, detail);
        }
    }
    if let Some(policy) = spec.internal_traffic_policy.as_deref().filter(|policy| !matches!(*policy, "Cluster" | "Local")) {
        errors.not_supported("spec.internalTrafficPolicy", policy, &["Cluster", "Local"]);
    }
    let distributions = ["PreferClose", "PreferSameNode", "PreferSameZone"];
    if let Some(choice) = spec.traffic_distribution.as_deref().filter(|choice| !distributions.contains(choice)) {
        errors.not_supported("spec.trafficDistribution", choice, &distributions);
    }
}

/// Appends what a change of a Service must not do.
pub(super) fn update_rules(new: &Service, old: &Service, errors: &mut Vec<FieldError>) {
    let (was, is) = (&old.spec, &new.spec);
    let (before, after) = (was.health_check_node_port.unwrap_or(0), is.health_check_node_port.unwrap_or(0));
    if needs_health_check(was) && needs_health_check(is) && before != after {
        errors.invalid_number("spec.healthCheckNodePort", after, "field is immutable");
    }
    let named = [was, is].iter().any(|spec| spec.type_ == "ExternalName");
    let headless = [was, is].iter().all(|spec| spec.cluster_ip == "None");
    if !named && !headless && !was.cluster_ip.is_empty() && is.cluster_ip != was.cluster_ip {
        let value = if is.cluster_ips.is_empty() { json!([is.cluster_ip]) } else { json!(is.cluster_ips) };
        errors.invalid_json("spec.clusterIPs[0]", &value, "may not change once set");
    }
    if [was, is].iter().all(|spec| spec.type_ == "LoadBalancer") && was.load_balancer_class != is.load_balancer_class {
        errors.invalid_json("spec.loadBalancerClass", &is.load_balancer_class.to_json(), "may not change once set");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::json::decode;
    use serde_json::Value;

    fn check(spec: Value) -> Vec<String> {
        let mut errors = Vec::new();
        service(&decode(json!({"spec": spec})).unwrap(), &mut errors);
        errors.iter().map(FieldError::to_string).collect()
    }

    #[test]
    fn only_load_balancers_have_what_is_theirs() {
        let ports = json!([{"port": 80, "protocol": "TCP"}]);
        let spec = json!({"type": "ClusterIP", "sessionAffinity": "None", "ports": ports, "loadBalancerClass": "a.b/c",
            "loadBalancerSourceRanges": ["10.0.0.0/8"]});
        let only = "Forbidden: may only be used when `type` is 'LoadBalancer'";
        assert_eq!(check(spec), [format!("spec.LoadBalancerSourceRanges: {only}"), format!("spec.loadBalancerClass: {only}")]);
    }

    #[test]
    fn addresses_fit_their_families() {
        let spec = json!({"type": "ClusterIP", "sessionAffinity": "None", "ports": [{"port": 80, "protocol": "TCP"}],
            "clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.9", "10.96.0.8"], "ipFamilies": ["IPv4", "IPv6"]});
        assert_eq!(
            check(spec),
            [
                "spec.clusterIPs: Invalid value: [\"10.96.0.9\",\"10.96.0.8\"]: may specify no more than one IP for each IP family",
                "spec.clusterIPs[1]: Invalid value: \"10.96.0.8\": expected an IPv6 value as indicated by `ipFamilies[1]`"
            ]
        );
    }
}

//! Services (`pkg/registry/core/service/storage`, `pkg/apis/core/validation`).
//!
//! **Simplified here:** IPv4 only.

use super::{Strategy, pod_validation};
use crate::service_ip::ServiceAllocator;
use api::core::{ClientIPConfig, Service, SessionAffinityConfig};
use api::intstr::IntOrString;
use api::names;
use api::status::{FieldError, FieldErrorKind};
use sim::Rng;
use std::borrow::Cow;
use std::collections::BTreeSet;

impl Strategy for Service {
    fn default(&mut self) {
        let spec = &mut self.spec;
        for (field, value) in [(&mut spec.session_affinity, "None"), (&mut spec.type_, "ClusterIP")] {
            if field.is_empty() {
                value.clone_into(field);
            }
        }
        for port in &mut spec.ports {
            if port.protocol.is_empty() {
                port.protocol = "TCP".to_owned();
            }
            if matches!(&port.target_port, None | Some(IntOrString::Int(0))) || port.target_port == Some(IntOrString::String(String::new()))
            {
                port.target_port = Some(IntOrString::Int(port.port));
            }
        }
        if spec.session_affinity == "ClientIP" && spec.session_affinity_config.is_none() {
            // `DefaultClientIPServiceAffinitySeconds`
            let client_ip = Some(ClientIPConfig { timeout_seconds: Some(10_800), ..ClientIPConfig::default() });
            spec.session_affinity_config = Some(SessionAffinityConfig { client_ip, ..SessionAffinityConfig::default() });
        }
        if spec.type_ != "ExternalName" {
            spec.internal_traffic_policy.get_or_insert_with(|| "Cluster".to_owned());
        }
        if matches!(spec.type_.as_str(), "NodePort" | "LoadBalancer") && spec.external_traffic_policy.is_empty() {
            spec.external_traffic_policy = "Cluster".to_owned();
        }
    }

    fn prepare_for_create(&mut self) {
        self.status = api::core::ServiceStatus::default();
    }

    fn validate(&self, errors: &mut Vec<FieldError>) {
        let spec = &self.spec;
        let types = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
        if !types.contains(&spec.type_.as_str()) {
            errors.push(FieldError::not_supported("spec.type", &spec.type_, &types));
        }
        match spec.type_.as_str() {
            "ExternalName" if spec.external_name.is_empty() => errors.push(FieldError::required("spec.externalName", "")),
            "ExternalName" => {}
            _ if spec.ports.is_empty() && spec.cluster_ip != "None" => errors.push(FieldError::required("spec.ports", "")),
            _ => {}
        }
        ports(self, errors);
        more(self, errors);
        if !matches!(spec.session_affinity.as_str(), "None" | "ClientIP") {
            errors.push(FieldError::not_supported("spec.sessionAffinity", &spec.session_affinity, &["ClientIP", "None"]));
        }
        super::meta::labels(&spec.selector, "spec.selector", errors);
    }

    fn prepare_for_update(&mut self, old: &Self) {
        self.status = old.status.clone();
        if !reachable_from_outside(&self.spec) && self.spec.external_traffic_policy == old.spec.external_traffic_policy {
            self.spec.external_traffic_policy.clear();
        }
        // What the author does not repeat stays as it was allocated.
        if self.spec.type_ != "ExternalName" && self.spec.cluster_ip.is_empty() {
            self.spec.cluster_ip.clone_from(&old.spec.cluster_ip);
            self.spec.cluster_ips.clone_from(&old.spec.cluster_ips);
        }
        if matches!(self.spec.type_.as_str(), "NodePort" | "LoadBalancer") {
            for port in self.spec.ports.iter_mut().filter(|port| port.node_port.unwrap_or(0) == 0) {
                let same = old.spec.ports.iter().find(|old| (old.port, &old.protocol) == (port.port, &port.protocol));
                port.node_port = same.and_then(|same| same.node_port);
            }
        }
    }

    fn prepare_status_update(&mut self, old: &Self) {
        self.spec = old.spec.clone();
    }

    fn validate_update(&self, old: &Self, errors: &mut Vec<FieldError>) {
        let (new_ip, old_ip) = (&self.spec.cluster_ip, &old.spec.cluster_ip);
        if self.spec.type_ != "ExternalName" && old.spec.type_ != "ExternalName" && !old_ip.is_empty() && new_ip != old_ip {
            let value = format!("[{new_ip:?}]");
            errors.push(FieldError::new(FieldErrorKind::Invalid, "spec.clusterIPs[0]", value, "may not change once set"));
        }
        self.validate(errors);
    }

    fn field(&self, name: &str) -> Option<Cow<'_, str>> {
        match name {
            "spec.clusterIP" => Some(Cow::Borrowed(&self.spec.cluster_ip)),
            "spec.type" => Some(Cow::Borrowed(&self.spec.type_)),
            _ => None,
        }
    }
}

/// Whether traffic from outside the cluster has a way in (`ExternallyAccessible`).
fn reachable_from_outside(spec: &api::core::ServiceSpec) -> bool {
    matches!(spec.type_.as_str(), "LoadBalancer" | "NodePort") || (spec.type_ == "ClusterIP" && !spec.external_ips.is_empty())
}

fn more(service: &Service, errors: &mut Vec<FieldError>) {
    let spec = &service.spec;
    let headless = spec.cluster_ip == "None";
    if headless && matches!(spec.type_.as_str(), "LoadBalancer" | "NodePort") {
        let detail = format!("may not be set to 'None' for {} services", spec.type_);
        errors.push(FieldError::invalid("spec.clusterIP", "None", detail));
    }
    if spec.type_ == "ExternalName" && !spec.external_name.is_empty() {
        let name = spec.external_name.strip_suffix('.').unwrap_or(&spec.external_name);
        let wrong = names::dns1123_subdomain(name).into_iter();
        errors.extend(wrong.map(|detail| FieldError::invalid("spec.externalName", &spec.external_name, detail)));
    }
    let outside = reachable_from_outside(spec);
    if outside && !matches!(spec.external_traffic_policy.as_str(), "" | "Cluster" | "Local") {
        errors.push(FieldError::not_supported("spec.externalTrafficPolicy", &spec.external_traffic_policy, &["Cluster", "Local"]));
    }
    if !outside && !spec.external_traffic_policy.is_empty() {
        let detail = "may only be set for externally-accessible services";
        errors.push(FieldError::invalid("spec.externalTrafficPolicy", &spec.external_traffic_policy, detail));
    }
    if spec.session_affinity == "None" && api::json::Json::to_json(spec).get("sessionAffinityConfig").is_some_and(|c| !c.is_null()) {
        let detail = "must not be set when session affinity is None";
        errors.push(FieldError::forbidden("spec.sessionAffinityConfig", detail));
    }
    let mut used = BTreeSet::new();
    for (index, port) in spec.ports.iter().enumerate() {
        if let Some(number) = port.node_port.filter(|&number| number != 0)
            && !used.insert((&port.protocol, number))
        {
            let path = format!("spec.ports[{index}].nodePort");
            errors.push(FieldError::new(FieldErrorKind::Duplicate, path, number.to_string(), ""));
        }
    }
}

fn ports(service: &Service, errors: &mut Vec<FieldError>) {
    let several = service.spec.ports.len() > 1;
    let (mut port_names, mut numbers) = (BTreeSet::new(), BTreeSet::new());
    for (index, port) in service.spec.ports.iter().enumerate() {
        let path = format!("spec.ports[{index}]");
        if port.name.is_empty() {
            if several {
                errors.push(FieldError::required(format!("{path}.name"), ""));
            }
        } else {
            let wrong = names::dns1123_label(&port.name).into_iter();
            errors.extend(wrong.map(|detail| FieldError::invalid(format!("{path}.name"), &port.name, detail)));
            if !port_names.insert(&port.name) {
                errors.push(FieldError::new(FieldErrorKind::Duplicate, format!("{path}.name"), format!("{:?}", port.name), ""));
            }
        }
        if let Some(detail) = names::port_number(port.port) {
            errors.push(FieldError::invalid_number(format!("{path}.port"), port.port.into(), detail));
        }
        if !matches!(port.protocol.as_str(), "TCP" | "UDP" | "SCTP") {
            errors.push(FieldError::not_supported(format!("{path}.protocol"), &port.protocol, &["SCTP", "TCP", "UDP"]));
        }
        if let Some(target) = &port.target_port {
            pod_validation::port_number_or_name(target, &format!("{path}.targetPort"), errors);
        }
        if service.spec.type_ == "ClusterIP" && port.node_port.unwrap_or(0) != 0 {
            errors.push(FieldError::forbidden(format!("{path}.nodePort"), "may not be used when `type` is 'ClusterIP'"));
        }
        if !numbers.insert((&port.protocol, port.port)) {
            let value = format!("{{\"name\":{:?},\"port\":{}}}", port.name, port.port);
            errors.push(FieldError::new(FieldErrorKind::Duplicate, &path, value, ""));
        }
    }
}

/// Gives a Service the address and node ports that it needs and has not.
///
/// # Errors
/// What it asks for is taken or out of range.
pub(crate) fn allocate(
    service: &mut Service,
    old: Option<&Service>,
    allocator: &ServiceAllocator,
    rng: &mut Rng,
) -> Result<(), Vec<FieldError>> {
    let spec = &mut service.spec;
    if spec.type_ == "ExternalName" {
        spec.cluster_ip.clear();
        spec.cluster_ips.clear();
        return Ok(());
    }
    spec.ip_families = vec!["IPv4".to_owned()];
    spec.ip_family_policy.get_or_insert_with(|| "SingleStack".to_owned());
    let held = old.map(|old| old.spec.cluster_ip.as_str()).unwrap_or_default();
    if spec.cluster_ip.is_empty() {
        let address = allocator.draw_address(rng).map(|address| address.to_string());
        spec.cluster_ip = address.ok_or_else(|| vec![FieldError::invalid("spec.clusterIPs", "", "range is full")])?;
    } else if spec.cluster_ip != "None" && spec.cluster_ip != held {
        let value = format!("[{:?}]", spec.cluster_ip);
        let invalid = |detail| vec![FieldError::new(FieldErrorKind::Invalid, "spec.clusterIPs", value, detail)];
        allocator.check_address(&spec.cluster_ip).map_err(invalid)?;
    }
    spec.cluster_ips = vec![spec.cluster_ip.clone()];
    if !matches!(spec.type_.as_str(), "NodePort" | "LoadBalancer") {
        if old.is_some_and(|old| old.spec.type_ != spec.type_) {
            spec.ports.iter_mut().for_each(|port| port.node_port = None);
        }
        return Ok(());
    }
    let held: Vec<i32> = old.into_iter().flat_map(|old| &old.spec.ports).filter_map(|port| port.node_port).collect();
    let mut own = Vec::new();
    for (index, port) in spec.ports.iter_mut().enumerate() {
        let path = format!("spec.ports[{index}].nodePort");
        match port.node_port.filter(|&number| number != 0) {
            Some(number) if held.contains(&number) => {}
            Some(number) => allocator.check_port(number).map_err(|detail| vec![FieldError::invalid_number(path, number.into(), detail)])?,
            None => {
                let number = allocator.draw_port(&own, rng);
                port.node_port = Some(number.ok_or_else(|| vec![FieldError::invalid_number(path, 0, "range is full")])?);
            }
        }
        own.extend(port.node_port);
    }
    Ok(())
}

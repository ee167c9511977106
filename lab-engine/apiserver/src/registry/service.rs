//! Services (`pkg/registry/core/service/storage`, `pkg/apis/core/validation`).
//!
//! **Simplified here:** IPv4 only.

use super::{Strategy, service_validation};
use crate::service_ip::Free;
use api::core::{Service, ServiceSpec};
use api::intstr::IntOrString;
use api::status::{FieldError, FieldErrorKind};
use sim::Rng;
use std::borrow::Cow;

/// How long a client sticks to its endpoint when nothing is said, three hours (`DefaultClientIPServiceAffinitySeconds`).
const AFFINITY_SECONDS: i32 = 10_800;

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
        session_affinity(spec);
        if spec.type_ != "ExternalName" {
            spec.internal_traffic_policy.get_or_insert_with(|| "Cluster".to_owned());
        }
        if matches!(spec.type_.as_str(), "NodePort" | "LoadBalancer") && spec.external_traffic_policy.is_empty() {
            spec.external_traffic_policy = "Cluster".to_owned();
        }
        if spec.type_ == "LoadBalancer" {
            spec.allocate_load_balancer_node_ports.get_or_insert(true);
        }
    }

    fn prepare_for_create(&mut self) {
        self.status = api::core::ServiceStatus::default();
    }

    fn validate(&self, errors: &mut Vec<FieldError>) {
        service_validation::service(self, errors);
    }

    fn prepare_for_update(&mut self, old: &Self) {
        self.status = old.status.clone();
        if !reachable_from_outside(&self.spec) && self.spec.external_traffic_policy == old.spec.external_traffic_policy {
            self.spec.external_traffic_policy.clear();
        }
        let unchanged = self.spec.allocate_load_balancer_node_ports == old.spec.allocate_load_balancer_node_ports;
        if self.spec.type_ != "LoadBalancer" && old.spec.type_ == "LoadBalancer" && unchanged {
            self.spec.allocate_load_balancer_node_ports = None;
        }
        // What the author does not repeat stays as it was allocated.
        if self.spec.type_ != "ExternalName" && self.spec.cluster_ip.is_empty() {
            self.spec.cluster_ip.clone_from(&old.spec.cluster_ip);
            self.spec.cluster_ips.clone_from(&old.spec.cluster_ips);
        }
        if needs_node_ports(&self.spec) && needs_node_ports(&old.spec) {
            for port in self.spec.ports.iter_mut().filter(|port| port.node_port.unwrap_or(0) == 0) {
                let same = old.spec.ports.iter().find(|old| (old.port, &old.protocol) == (port.port, &port.protocol));
                port.node_port = same.and_then(|same| same.node_port);
            }
        }
        let (needed, needs) = (needs_health_check(&old.spec), needs_health_check(&self.spec));
        let (was, is) = (old.spec.health_check_node_port, self.spec.health_check_node_port);
        if needed && needs && is.unwrap_or(0) == 0 {
            self.spec.health_check_node_port = was;
        } else if needed && !needs && is == was {
            self.spec.health_check_node_port = None;
        }
    }

    fn prepare_status_update(&mut self, old: &Self) {
        self.spec = old.spec.clone();
    }

    fn validate_update(&self, old: &Self, errors: &mut Vec<FieldError>) {
        service_validation::update_rules(self, old, errors);
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

/// Without affinity there is nothing to say about it; with it there is a time.
fn session_affinity(spec: &mut ServiceSpec) {
    match spec.session_affinity.as_str() {
        "ClientIP" => {
            let client_ip = spec.session_affinity_config.get_or_insert_default().client_ip.get_or_insert_default();
            client_ip.timeout_seconds.get_or_insert(AFFINITY_SECONDS);
        }
        "None" => spec.session_affinity_config = None,
        _ => {}
    }
}

/// Whether traffic from outside the cluster has a way in (`ExternallyAccessible`).
pub(super) fn reachable_from_outside(spec: &ServiceSpec) -> bool {
    matches!(spec.type_.as_str(), "LoadBalancer" | "NodePort") || (spec.type_ == "ClusterIP" && !spec.external_ips.is_empty())
}

/// Whether ports without a node port are given one.
fn needs_node_ports(spec: &ServiceSpec) -> bool {
    spec.type_ == "NodePort" || (spec.type_ == "LoadBalancer" && spec.allocate_load_balancer_node_ports != Some(false))
}

/// Whether load balancers ask nodes for endpoints of the Service (`NeedsHealthCheck`).
pub(crate) fn needs_health_check(spec: &ServiceSpec) -> bool {
    spec.type_ == "LoadBalancer" && spec.external_traffic_policy == "Local"
}

/// Gives a Service the address and node ports that it needs and has not.
///
/// # Errors
/// What it asks for is taken or out of range.
pub(crate) fn allocate(service: &mut Service, old: Option<&Service>, free: &Free<'_>, rng: &mut Rng) -> Result<(), Vec<FieldError>> {
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
        let address = free.draw_address(rng).map(|address| address.to_string());
        spec.cluster_ip = address.ok_or_else(|| vec![FieldError::invalid("spec.clusterIPs", "", "range is full")])?;
    } else if spec.cluster_ip != "None" && spec.cluster_ip != held {
        let value = format!("[{:?}]", spec.cluster_ip);
        let invalid = |detail| vec![FieldError::new(FieldErrorKind::Invalid, "spec.clusterIPs", value, detail)];
        free.check_address(&spec.cluster_ip).map_err(invalid)?;
    }
    spec.cluster_ips = vec![spec.cluster_ip.clone()];
    if !matches!(spec.type_.as_str(), "NodePort" | "LoadBalancer") {
        if old.is_some_and(|old| old.spec.type_ != spec.type_) {
            spec.ports.iter_mut().for_each(|port| port.node_port = None);
        }
        return Ok(());
    }
    let held: Vec<i32> = old.into_iter().flat_map(|old| &old.spec.ports).filter_map(|port| port.node_port).collect();
    let draws = needs_node_ports(spec);
    let mut own = Vec::new();
    for (index, port) in spec.ports.iter_mut().enumerate() {
        let path = format!("spec.ports[{index}].nodePort");
        match port.node_port.filter(|&number| number != 0) {
            Some(number) if held.contains(&number) => {}
            Some(number) => free.check_port(number).map_err(|detail| vec![FieldError::invalid_number(path, number.into(), detail)])?,
            None if !draws => {}
            None => {
                let number = free.draw_port(&own, rng);
                port.node_port = Some(number.ok_or_else(|| vec![FieldError::invalid_number(path, 0, "range is full")])?);
            }
        }
        own.extend(port.node_port);
    }
    health_check_node_port(spec, old, &own, free, rng)
}

/// Gives a Service the port where nodes answer load balancers, if it needs one (`allocHealthCheckNodePort`).
fn health_check_node_port(
    spec: &mut ServiceSpec,
    old: Option<&Service>,
    own: &[i32],
    free: &Free<'_>,
    rng: &mut Rng,
) -> Result<(), Vec<FieldError>> {
    if !needs_health_check(spec) {
        return Ok(());
    }
    let path = "spec.healthCheckNodePort";
    let held = old.and_then(|old| old.spec.health_check_node_port);
    match spec.health_check_node_port.filter(|&number| number != 0) {
        Some(number) if held == Some(number) => Ok(()),
        Some(number) => {
            let taken = |detail| vec![FieldError::invalid_number(path, number.into(), detail)];
            free.check_port(number).map_err(taken)
        }
        None => {
            let drawn = free.draw_port(own, rng);
            spec.health_check_node_port = Some(drawn.ok_or_else(|| vec![FieldError::invalid_number(path, 0, "range is full")])?);
            Ok(())
        }
    }
}

//! All other kinds in tables.

use super::{Column, human};
use api::coordination::Lease;
use api::core::{ConfigMap, Event, Namespace, Node, Secret, Service, ServiceAccount};
use api::meta::{ObjectMeta, condition};
use serde_json::Value;
use sim::Time;

/// Definitions have the columns of kinds without a printer of their own (`rest.NewDefaultTableConvertor`).
pub(super) const DEFINITION: &[Column] = &[("Name", "string", 0), ("Created At", "date", 0)];
pub(super) const API_SERVICE: &[Column] =
    &[("Name", "string", 0), ("Service", "string", 0), ("Available", "string", 0), ("Age", "string", 0)];
pub(super) const OTHER: &[Column] = &[("Name", "string", 0), ("Age", "string", 0)];
pub(super) const NAMESPACE: &[Column] = &[("Name", "string", 0), ("Status", "string", 0), ("Age", "string", 0)];
pub(super) const CONFIG_MAP: &[Column] = &[("Name", "string", 0), ("Data", "string", 0), ("Age", "string", 0)];
pub(super) const SECRET: &[Column] = &[("Name", "string", 0), ("Type", "string", 0), ("Data", "string", 0), ("Age", "string", 0)];
pub(super) const SERVICE_ACCOUNT: &[Column] = &[("Name", "string", 0), ("Secrets", "string", 0), ("Age", "string", 0)];
pub(super) const LEASE: &[Column] = &[("Name", "string", 0), ("Holder", "string", 0), ("Age", "string", 0)];
pub(super) const SERVICE: &[Column] = &[
    ("Name", "string", 0),
    ("Type", "string", 0),
    ("Cluster-IP", "string", 0),
    ("External-IP", "string", 0),
    ("Port(s)", "string", 0),
    ("Age", "string", 0),
    ("Selector", "string", 1),
];
pub(super) const NODE: &[Column] = &[
    ("Name", "string", 0),
    ("Status", "string", 0),
    ("Roles", "string", 0),
    ("Age", "string", 0),
    ("Version", "string", 0),
    ("Internal-IP", "string", 1),
    ("External-IP", "string", 1),
    ("OS-Image", "string", 1),
    ("Kernel-Version", "string", 1),
    ("Container-Runtime", "string", 1),
];
pub(super) const EVENT: &[Column] = &[
    ("Last Seen", "string", 0),
    ("Type", "string", 0),
    ("Reason", "string", 0),
    ("Object", "string", 0),
    ("Subobject", "string", 1),
    ("Source", "string", 1),
    ("Message", "string", 0),
    ("First Seen", "string", 1),
    ("Count", "string", 1),
    ("Name", "string", 1),
];

/// The cells of a definition: when it was made, in full.
pub(super) fn definition(metadata: &ObjectMeta) -> Vec<Value> {
    vec![metadata.name.as_str().into(), metadata.creation_timestamp.map_or(Value::Null, |at| at.to_string().into())]
}

pub(super) fn api_service(service: &api::Dynamic, now: Time) -> Vec<Value> {
    let (of, available) = crate::aggregator::shown(service);
    vec![service.metadata.name.as_str().into(), of.into(), available.into(), human::age(&service.metadata, now)]
}

pub(super) fn other(metadata: &ObjectMeta, now: Time) -> Vec<Value> {
    vec![metadata.name.as_str().into(), human::age(metadata, now)]
}

pub(super) fn namespace(namespace: &Namespace, now: Time) -> Vec<Value> {
    vec![namespace.metadata.name.as_str().into(), namespace.status.phase.as_str().into(), human::age(&namespace.metadata, now)]
}

pub(super) fn config_map(map: &ConfigMap, now: Time) -> Vec<Value> {
    vec![map.metadata.name.as_str().into(), (map.data.len() + map.binary_data.len()).into(), human::age(&map.metadata, now)]
}

pub(super) fn secret(secret: &Secret, now: Time) -> Vec<Value> {
    let metadata = &secret.metadata;
    vec![metadata.name.as_str().into(), secret.type_.as_str().into(), secret.data.len().into(), human::age(metadata, now)]
}

pub(super) fn service_account(account: &ServiceAccount, now: Time) -> Vec<Value> {
    vec![account.metadata.name.as_str().into(), account.secrets.len().into(), human::age(&account.metadata, now)]
}

pub(super) fn lease(lease: &Lease, now: Time) -> Vec<Value> {
    let holder = lease.spec.holder_identity.as_deref().unwrap_or_default();
    vec![lease.metadata.name.as_str().into(), holder.into(), human::age(&lease.metadata, now)]
}

pub(super) fn service(service: &Service, now: Time) -> Vec<Value> {
    let spec = &service.spec;
    let ports: Vec<String> = spec
        .ports
        .iter()
        .map(|port| match port.node_port.filter(|&number| number > 0) {
            Some(number) => format!("{}:{number}/{}", port.port, port.protocol),
            None => format!("{}/{}", port.port, port.protocol),
        })
        .collect();
    vec![
        service.metadata.name.as_str().into(),
        spec.type_.as_str().into(),
        human::or_none(&spec.cluster_ip),
        external_ip(service).into(),
        human::or_none(&ports.join(",")),
        human::age(&service.metadata, now),
        human::labels(&spec.selector).into(),
    ]
}

fn external_ip(service: &Service) -> String {
    let own = service.spec.external_ips.join(",");
    match service.spec.type_.as_str() {
        "LoadBalancer" => {
            let ingress = service.status.load_balancer.ingress.iter();
            let mut all: Vec<&str> = ingress.map(|one| if one.ip.is_empty() { one.hostname.as_str() } else { one.ip.as_str() }).collect();
            all.extend(service.spec.external_ips.iter().map(String::as_str));
            if all.is_empty() { "<pending>".to_owned() } else { all.join(",") }
        }
        "ExternalName" => service.spec.external_name.clone(),
        _ if own.is_empty() => "<none>".to_owned(),
        _ => own,
    }
}

pub(super) fn node(node: &Node, now: Time) -> Vec<Value> {
    let mut status = match condition(&node.status.conditions, "Ready").map(|condition| condition.status.as_str()) {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    }
    .to_owned();
    if node.spec.unschedulable == Some(true) {
        status.push_str(",SchedulingDisabled");
    }
    let prefix = "node-role.kubernetes.io/";
    let roles: Vec<&str> = node
        .metadata
        .labels
        .iter()
        .filter_map(|(key, value)| match key.strip_prefix(prefix) {
            Some(role) => Some(role),
            None => (key == "kubernetes.io/role").then_some(value.as_str()),
        })
        .filter(|role| !role.is_empty())
        .collect();
    let address = |type_: &str| {
        let found = node.status.addresses.iter().find(|address| address.type_ == type_);
        human::or_none(found.map_or("", |address| address.address.as_str()))
    };
    let unknown = |text: &str| Value::from(if text.is_empty() { "<unknown>" } else { text });
    let info = &node.status.node_info;
    vec![
        node.metadata.name.as_str().into(),
        status.into(),
        human::or_none(&roles.join(",")),
        human::age(&node.metadata, now),
        info.kubelet_version.as_str().into(),
        address("InternalIP"),
        address("ExternalIP"),
        unknown(&info.os_image),
        unknown(&info.kernel_version),
        unknown(&info.container_runtime_version),
    ]
}

pub(super) fn event(event: &Event, now: Time) -> Vec<Value> {
    let precise = event.event_time.map(|at| at.0.into());
    let first = event.first_timestamp.or(precise);
    let last = event.last_timestamp.or(first);
    let object = &event.involved_object;
    let source = &event.source;
    let component = if source.component.is_empty() { &event.reporting_component } else { &source.component };
    let host = if source.host.is_empty() { String::new() } else { format!(", {}", source.host) };
    vec![
        human::since(last, now).into(),
        event.type_.as_str().into(),
        event.reason.as_str().into(),
        format!("{}/{}", object.kind.to_lowercase(), object.name).into(),
        object.field_path.as_str().into(),
        format!("{component}{host}").into(),
        event.message.trim().into(),
        human::since(first, now).into(),
        event.count.unwrap_or(1).max(1).into(),
        event.metadata.name.as_str().into(),
    ]
}

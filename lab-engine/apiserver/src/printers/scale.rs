//! Endpoints, autoscalers, budgets and storage in tables.

use super::{Column, human};
use api::autoscaling::{HorizontalPodAutoscaler, MetricSpec, MetricStatus, MetricTarget, MetricValueStatus};
use api::core::{Endpoints, PersistentVolume, PersistentVolumeClaim, ResourceList};
use api::discovery::EndpointSlice;
use api::intstr::IntOrString;
use api::policy::PodDisruptionBudget;
use api::storage::StorageClass;
use serde_json::Value;
use sim::Time;

pub(super) const ENDPOINTS: &[Column] = &[("Name", "string", 0), ("Endpoints", "string", 0), ("Age", "string", 0)];
pub(super) const ENDPOINT_SLICE: &[Column] =
    &[("Name", "string", 0), ("AddressType", "string", 0), ("Ports", "string", 0), ("Endpoints", "string", 0), ("Age", "string", 0)];
pub(super) const AUTOSCALER: &[Column] = &[
    ("Name", "string", 0),
    ("Reference", "string", 0),
    ("Targets", "string", 0),
    ("MinPods", "string", 0),
    ("MaxPods", "string", 0),
    ("Replicas", "string", 0),
    ("Age", "string", 0),
];
pub(super) const BUDGET: &[Column] = &[
    ("Name", "string", 0),
    ("Min Available", "string", 0),
    ("Max Unavailable", "string", 0),
    ("Allowed Disruptions", "integer", 0),
    ("Age", "string", 0),
];
pub(super) const VOLUME: &[Column] = &[
    ("Name", "string", 0),
    ("Capacity", "string", 0),
    ("Access Modes", "string", 0),
    ("Reclaim Policy", "string", 0),
    ("Status", "string", 0),
    ("Claim", "string", 0),
    ("StorageClass", "string", 0),
    ("VolumeAttributesClass", "string", 0),
    ("Reason", "string", 0),
    ("Age", "string", 0),
    ("VolumeMode", "string", 1),
];
pub(super) const CLAIM: &[Column] = &[
    ("Name", "string", 0),
    ("Status", "string", 0),
    ("Volume", "string", 0),
    ("Capacity", "string", 0),
    ("Access Modes", "string", 0),
    ("StorageClass", "string", 0),
    ("VolumeAttributesClass", "string", 0),
    ("Age", "string", 0),
    ("VolumeMode", "string", 1),
];
pub(super) const STORAGE_CLASS: &[Column] = &[
    ("Name", "string", 0),
    ("Provisioner", "string", 0),
    ("ReclaimPolicy", "string", 0),
    ("VolumeBindingMode", "string", 0),
    ("AllowVolumeExpansion", "boolean", 0),
    ("Age", "string", 0),
];

/// The first three of a list, and how many more there are.
fn first_three(items: &[String], none: &str, more: impl Fn(usize) -> String) -> String {
    if items.is_empty() {
        return none.to_owned();
    }
    let shown = items.iter().take(3).map(String::as_str).collect::<Vec<_>>().join(",");
    if items.len() > 3 { format!("{shown} {}", more(items.len() - 3)) } else { shown }
}

/// Models `formatEndpoints`.
pub(super) fn endpoints(endpoints: &Endpoints, now: Time) -> Vec<Value> {
    let mut all = Vec::new();
    for subset in &endpoints.subsets {
        if subset.ports.is_empty() {
            all.extend(subset.addresses.iter().map(|address| address.ip.clone()));
        }
        for port in &subset.ports {
            let host_port = |ip: &str| if ip.contains(':') { format!("[{ip}]:{}", port.port) } else { format!("{ip}:{}", port.port) };
            all.extend(subset.addresses.iter().map(|address| host_port(&address.ip)));
        }
    }
    let text = first_three(&all, "<none>", |more| format!("+ {more} more..."));
    vec![endpoints.metadata.name.as_str().into(), text.into(), human::age(&endpoints.metadata, now)]
}

pub(super) fn endpoint_slice(slice: &EndpointSlice, now: Time) -> Vec<Value> {
    let more = |more: usize| format!("+ {more} more...");
    let ports: Vec<String> = slice.ports.iter().map(|port| port.port.map_or_else(|| "*".to_owned(), |number| number.to_string())).collect();
    let addresses: Vec<String> = slice.endpoints.iter().flat_map(|endpoint| endpoint.addresses.iter().cloned()).collect();
    vec![
        slice.metadata.name.as_str().into(),
        slice.address_type.as_str().into(),
        first_three(&ports, "<unset>", more).into(),
        first_three(&addresses, "<unset>", more).into(),
        human::age(&slice.metadata, now),
    ]
}

/// The present value and the target of a metric (`formatHPAMetrics`).
fn target(current: Option<&MetricValueStatus>, target: &MetricTarget, described: &str) -> String {
    let show = |value: Option<String>| value.unwrap_or_else(|| "<unknown>".to_owned());
    if let Some(average) = &target.average_value {
        let now = current.and_then(|current| current.average_value.as_ref()).map(ToString::to_string);
        return format!("{described}{}/{average}", show(now));
    }
    if let Some(percent) = target.average_utilization {
        let now = current.and_then(|current| current.average_utilization).map(|percent| format!("{percent}%"));
        return format!("{described}{}/{percent}%", show(now));
    }
    let now = current.and_then(|current| current.value.as_ref()).map(ToString::to_string);
    format!("{described}{}/{}", show(now), show(target.value.map(|value| value.to_string())))
}

fn metric(spec: &MetricSpec, status: Option<&MetricStatus>) -> String {
    match spec.type_.as_str() {
        "Resource" => spec.resource.as_ref().map(|source| {
            let current = status.and_then(|status| status.resource.as_ref()).map(|status| &status.current);
            target(current, &source.target, &format!("{}: ", source.name))
        }),
        "ContainerResource" => spec.container_resource.as_ref().map(|source| {
            let current = status.and_then(|status| status.container_resource.as_ref()).map(|status| &status.current);
            target(current, &source.target, &format!("{}: ", source.name))
        }),
        "Pods" => spec.pods.as_ref().map(|source| {
            let current = status.and_then(|status| status.pods.as_ref()).map(|status| &status.current);
            target(current, &source.target, "")
        }),
        "Object" => spec.object.as_ref().map(|source| {
            let current = status.and_then(|status| status.object.as_ref()).map(|status| &status.current);
            let average = if source.target.average_value.is_some() { " (avg)" } else { "" };
            format!("{}{average}", target(current, &source.target, ""))
        }),
        "External" => spec.external.as_ref().map(|source| {
            let current = status.and_then(|status| status.external.as_ref()).map(|status| &status.current);
            let average = if source.target.average_value.is_some() { " (avg)" } else { "" };
            format!("{}{average}", target(current, &source.target, ""))
        }),
        _ => None,
    }
    .unwrap_or_else(|| "<unknown type>".to_owned())
}

pub(super) fn autoscaler(hpa: &HorizontalPodAutoscaler, now: Time) -> Vec<Value> {
    let metrics: Vec<String> =
        hpa.spec.metrics.iter().enumerate().map(|(index, spec)| metric(spec, hpa.status.current_metrics.get(index))).collect();
    let metrics = match &metrics[..] {
        [] => "<none>".to_owned(),
        [one, two, rest @ ..] if !rest.is_empty() => format!("{one}, {two} + {} more...", rest.len()),
        all => all.join(", "),
    };
    let reference = &hpa.spec.scale_target_ref;
    vec![
        hpa.metadata.name.as_str().into(),
        format!("{}/{}", reference.kind, reference.name).into(),
        metrics.into(),
        hpa.spec.min_replicas.map_or_else(|| "<unset>".to_owned(), |count| count.to_string()).into(),
        hpa.spec.max_replicas.to_string().into(),
        hpa.status.current_replicas.unwrap_or(0).to_string().into(),
        human::age(&hpa.metadata, now),
    ]
}

pub(super) fn budget(budget: &PodDisruptionBudget, now: Time) -> Vec<Value> {
    let bound = |bound: &Option<IntOrString>| Value::from(bound.as_ref().map_or_else(|| "N/A".to_owned(), ToString::to_string));
    vec![
        budget.metadata.name.as_str().into(),
        bound(&budget.spec.min_available),
        bound(&budget.spec.max_unavailable),
        budget.status.disruptions_allowed.into(),
        human::age(&budget.metadata, now),
    ]
}

/// `RWO`, `ROX`, `RWX`, `RWOP` (`GetAccessModesAsString`).
fn access_modes(modes: &[String]) -> String {
    let short = [("ReadWriteOnce", "RWO"), ("ReadOnlyMany", "ROX"), ("ReadWriteMany", "RWX"), ("ReadWriteOncePod", "RWOP")];
    let has = |long: &str| modes.iter().any(|mode| mode == long);
    short.iter().filter(|(long, _)| has(long)).map(|(_, short)| *short).collect::<Vec<_>>().join(",")
}

fn storage(list: &ResourceList) -> String {
    list.get("storage").map(ToString::to_string).unwrap_or_default()
}

fn or_unset(text: Option<&str>) -> Value {
    text.filter(|text| !text.is_empty()).unwrap_or("<unset>").into()
}

/// The class of a volume or claim; the annotation from before the field goes before.
fn class<'a>(annotations: &'a api::meta::StringMap, field: Option<&'a str>) -> &'a str {
    annotations.get("volume.beta.kubernetes.io/storage-class").map(String::as_str).or(field).unwrap_or_default()
}

pub(super) fn volume(volume: &PersistentVolume, now: Time) -> Vec<Value> {
    let spec = &volume.spec;
    let claim = spec.claim_ref.as_ref().map(|claim| format!("{}/{}", claim.namespace, claim.name));
    let phase = if volume.metadata.is_deleting() { "Terminating" } else { volume.status.phase.as_str() };
    vec![
        volume.metadata.name.as_str().into(),
        storage(&spec.capacity).into(),
        access_modes(&spec.access_modes).into(),
        spec.persistent_volume_reclaim_policy.as_str().into(),
        phase.into(),
        claim.unwrap_or_default().into(),
        class(&volume.metadata.annotations, Some(&spec.storage_class_name)).into(),
        or_unset(spec.volume_attributes_class_name.as_deref()),
        volume.status.reason.as_str().into(),
        human::age(&volume.metadata, now),
        or_unset(spec.volume_mode.as_deref()),
    ]
}

pub(super) fn claim(claim: &PersistentVolumeClaim, now: Time) -> Vec<Value> {
    let phase = if claim.metadata.is_deleting() { "Terminating" } else { claim.status.phase.as_str() };
    let bound = !claim.spec.volume_name.is_empty();
    let (capacity, modes) =
        if bound { (storage(&claim.status.capacity), access_modes(&claim.status.access_modes)) } else { Default::default() };
    vec![
        claim.metadata.name.as_str().into(),
        phase.into(),
        claim.spec.volume_name.as_str().into(),
        capacity.into(),
        modes.into(),
        class(&claim.metadata.annotations, claim.spec.storage_class_name.as_deref()).into(),
        or_unset(claim.spec.volume_attributes_class_name.as_deref()),
        human::age(&claim.metadata, now),
        or_unset(claim.spec.volume_mode.as_deref()),
    ]
}

pub(super) fn storage_class(class: &StorageClass, now: Time) -> Vec<Value> {
    let default = ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"]
        .iter()
        .any(|key| class.metadata.annotations.get(*key).is_some_and(|value| value == "true"));
    let name = &class.metadata.name;
    vec![
        if default { format!("{name} (default)") } else { name.clone() }.into(),
        class.provisioner.as_str().into(),
        class.reclaim_policy.as_deref().unwrap_or("Delete").into(),
        class.volume_binding_mode.as_deref().unwrap_or("Immediate").into(),
        (class.allow_volume_expansion == Some(true)).into(),
        human::age(&class.metadata, now),
    ]
}

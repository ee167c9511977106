//! What each kind of object uses (`pkg/quota/v1/evaluator/core`, `k8s.io/apiserver/pkg/quota/v1`).
//!
//! **Simplified here:** a Pod that is being deleted counts until it is gone (upstream lets it go when its grace period is over); resizes
//! and ResourceClaims are not counted.

use super::pod as amounts;
use crate::Object;
use crate::core::{Container, Pod, ResourceList, Service};
use crate::json::decode;
use crate::kinds::KindInfo;
use crate::quantity::{Format, Quantity};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// Resources that every container must state when a quota limits them.
const EXPLICIT: [&str; 6] = ["cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"];

/// What a claim's usage by its class is called after the class.
const CLASS_SUFFIX: &str = ".storageclass.storage.k8s.io/";

/// The plural name of an object's kind.
pub fn plural_of(object: &Object) -> Cow<'static, str> {
    object.info().map_or(Cow::Borrowed(""), |info| info.plural.clone())
}

/// Whether the quotas count an update of this kind of object too, and not only its creation.
pub fn counts_updates(object: &Object) -> bool {
    matches!(&*plural_of(object), "services" | "persistentvolumeclaims")
}

/// Whether an update of an object gives back, or takes, what no admission has counted (`QuotaMonitor`'s `UpdateFilter`).
pub fn replenishes(old: &Object, new: &Object) -> bool {
    let ended = |pod: &Pod| matches!(pod.status.phase.as_str(), "Succeeded" | "Failed");
    match (old, new) {
        (Object::Pod(old), Object::Pod(new)) => !ended(old) && ended(new),
        (Object::Service(old), Object::Service(new)) => old.spec.type_ != new.spec.type_ || old.spec.ports != new.spec.ports,
        (Object::PersistentVolumeClaim(_), Object::PersistentVolumeClaim(_)) => usage(old) != usage(new),
        _ => false,
    }
}

/// Whether quotas count a kind of object.
pub fn is_counted(info: &KindInfo) -> bool {
    info.namespaced && !matches!(info.group_plural(), ("", "events" | "bindings"))
}

/// Whether an amount is below nothing.
pub fn is_negative(amount: &Quantity) -> bool {
    *amount < Quantity::default()
}

/// The names of a list.
pub fn names(list: &ResourceList) -> BTreeSet<String> {
    list.keys().cloned().collect()
}

/// The amounts of these names only.
pub fn mask(list: &ResourceList, names: &BTreeSet<String>) -> ResourceList {
    list.iter().filter(|(name, _)| names.contains(*name)).map(|(name, amount)| (name.clone(), *amount)).collect()
}

fn one() -> Quantity {
    count(1)
}

fn count(number: usize) -> Quantity {
    Quantity::new(i64::try_from(number).unwrap_or(i64::MAX), Format::DecimalSi)
}

/// What an object uses of each resource that a quota can limit.
pub fn usage(object: &Object) -> ResourceList {
    let Some(info) = object.info() else { return ResourceList::new() };
    let mut used = BTreeMap::from([(format!("count/{}", info.group_resource()), one())]);
    match object {
        Object::Pod(pod) => used.extend(pod_usage(pod)),
        Object::Service(service) => used.extend(service_usage(service)),
        _ if info.group.is_empty() => match &*info.plural {
            "persistentvolumeclaims" => used.extend(claim_usage(&object.to_json())),
            "configmaps" | "secrets" | "replicationcontrollers" | "resourcequotas" => {
                used.insert(info.plural.to_string(), one());
            }
            _ => {}
        },
        _ => {}
    }
    used
}

/// A Pod that has ended uses nothing but its place in the store.
fn pod_usage(pod: &Pod) -> ResourceList {
    if matches!(pod.status.phase.as_str(), "Failed" | "Succeeded") {
        return ResourceList::new();
    }
    let mut used = compute_usage(&amounts::requests(pod), &amounts::limits(pod));
    used.insert("pods".to_owned(), one());
    used
}

/// Requests and limits under the names that quotas give them (`podComputeUsageHelper`).
fn compute_usage(requests: &ResourceList, limits: &ResourceList) -> ResourceList {
    let mut used = ResourceList::new();
    for (name, amount) in requests {
        let plain = matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage") || name.starts_with("hugepages-");
        if plain {
            used.insert(name.clone(), *amount);
        }
        if plain || is_extended(name) {
            used.insert(format!("requests.{name}"), *amount);
        }
    }
    for (name, amount) in limits.iter().filter(|(name, _)| matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage")) {
        used.insert(format!("limits.{name}"), *amount);
    }
    used
}

/// Whether a resource is a device or the like, and none of Kubernetes' own (`IsExtendedResourceName`).
fn is_extended(name: &str) -> bool {
    name.contains('/') && !name.contains("kubernetes.io/") && !name.starts_with("requests.")
}

fn service_usage(service: &Service) -> ResourceList {
    let ports = &service.spec.ports;
    let (balancers, node_ports) = match service.spec.type_.as_str() {
        "NodePort" => (0, ports.len()),
        "LoadBalancer" => {
            let allocates = service.spec.allocate_load_balancer_node_ports != Some(false);
            let chosen = ports.iter().filter(|port| port.node_port.is_some_and(|number| number != 0)).count();
            (1, if allocates { ports.len() } else { chosen })
        }
        _ => (0, 0),
    };
    [("services", one()), ("services.loadbalancers", count(balancers)), ("services.nodeports", count(node_ports))]
        .map(|(name, amount)| (name.to_owned(), amount))
        .into()
}

fn claim_usage(claim: &Value) -> ResourceList {
    let mut used = ResourceList::from([("persistentvolumeclaims".to_owned(), one())]);
    let amount = |path: &str| decode::<Quantity>(claim.pointer(path)?.clone()).ok();
    // A claim that is growing is charged with what was allocated already.
    let storage = amount("/spec/resources/requests/storage").max(amount("/status/allocatedResources/storage"));
    if let Some(storage) = storage {
        used.insert("requests.storage".to_owned(), storage);
    }
    let annotation = claim.pointer("/metadata/annotations/volume.beta.kubernetes.io~1storage-class");
    let class = annotation.or_else(|| claim.pointer("/spec/storageClassName")).and_then(Value::as_str).filter(|class| !class.is_empty());
    if let Some(class) = class {
        used.insert(format!("{class}{CLASS_SUFFIX}persistentvolumeclaims"), one());
        if let Some(storage) = storage {
            used.insert(format!("{class}{CLASS_SUFFIX}requests.storage"), storage);
        }
    }
    used
}

/// Which of the resources of a quota an object of this kind can use (`MatchingResources`).
pub fn limited(object: &Object, hard: &ResourceList) -> BTreeSet<String> {
    let Some(info) = object.info() else { return BTreeSet::new() };
    let by_count = format!("count/{}", info.group_resource());
    let means = |name: &str| {
        name == by_count
            || match info.group_plural() {
                ("", "pods") => is_of_pods(name),
                ("", "services") => matches!(name, "services" | "services.loadbalancers" | "services.nodeports"),
                ("", "persistentvolumeclaims") => {
                    matches!(name, "persistentvolumeclaims" | "requests.storage")
                        || name.ends_with(&format!("{CLASS_SUFFIX}persistentvolumeclaims"))
                        || name.ends_with(&format!("{CLASS_SUFFIX}requests.storage"))
                }
                ("", "configmaps" | "secrets" | "replicationcontrollers" | "resourcequotas") => name == info.plural,
                _ => false,
            }
    };
    hard.keys().filter(|name| means(name)).cloned().collect()
}

fn is_of_pods(name: &str) -> bool {
    let plain = ["cpu", "memory", "ephemeral-storage", "pods"].contains(&name) || name.starts_with("hugepages-");
    let requested = name
        .strip_prefix("requests.")
        .is_some_and(|name| ["cpu", "memory", "ephemeral-storage"].contains(&name) || name.starts_with("hugepages-") || is_extended(name));
    let limit = name.strip_prefix("limits.").is_some_and(|name| ["cpu", "memory", "ephemeral-storage"].contains(&name));
    plain || requested || limit
}

/// Whether the containers of a Pod state all that a quota limits, where the Pod itself states nothing.
///
/// # Errors
/// `must specify limits.cpu for: a,b; requests.memory for: c`.
pub fn constraints(object: &Object, limited: &BTreeSet<String>) -> Result<(), String> {
    let Object::Pod(pod) = object else { return Ok(()) };
    let required: BTreeSet<&str> = EXPLICIT.into_iter().filter(|name| limited.contains(*name)).collect();
    if !amounts::of_pod_itself(pod, "requests").is_empty() || !amounts::of_pod_itself(pod, "limits").is_empty() {
        return Ok(());
    }
    let mut missing: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for container in pod.spec.containers.iter().chain(&pod.spec.init_containers) {
        let Container { name, resources, .. } = container;
        let stated = compute_usage(&resources.requests, &resources.limits);
        for resource in required.iter().filter(|resource| !stated.contains_key(**resource)) {
            missing.entry(resource).or_default().insert(name);
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let of =
        |(resource, names): (&&str, &BTreeSet<&str>)| format!("{resource} for: {}", names.iter().copied().collect::<Vec<_>>().join(","));
    Err(format!("must specify {}", missing.iter().map(of).collect::<Vec<_>>().join("; ")))
}

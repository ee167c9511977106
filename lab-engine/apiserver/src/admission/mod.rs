//! Admission: plugins that change and check what is to be written (`plugin/pkg/admission`).
//!
//! New objects pass NamespaceLifecycle, LimitRanger's defaults, ServiceAccount, Priority and DefaultTolerationSeconds before the validation of
//! their kind, and LimitRanger's checks and ResourceQuota after it, in this order (`rest.BeforeCreate` stands between the two halves in
//! `registry.Store.Create`); changes of objects pass LimitRanger's checks and ResourceQuota where these look at changes.
//!
//! **Simplified here:** Pods get no volume with a token of their ServiceAccount.

pub mod limit_ranger;
pub mod resource_quota;
mod usage;

use crate::cache::Cache;
use crate::storage;
use api::core::{LimitRange, Namespace, Pod, ServiceAccount, Toleration};
use api::http::{Body, Method, Path, Request};
use api::kinds::{KindInfo, find_kind};
use api::status::{Cause, Status};
use api::{Object, Resource};
use std::sync::Arc;

/// Changes an object that is to be created: the mutating half.
///
/// # Errors
/// The refusal of a plugin.
pub(crate) fn mutate_create(cache: &Cache, info: &'static KindInfo, object: &mut Object) -> Result<(), Box<Status>> {
    namespace_lifecycle(cache, info, object)?;
    let ranges = limit_ranges(cache, object);
    if let Object::Pod(pod) = object {
        let pod = Arc::make_mut(pod);
        for range in &ranges {
            limit_ranger::set_defaults(pod, range);
        }
        service_account(cache, pod)?;
        priority(cache, pod)?;
        default_toleration_seconds(pod);
    }
    Ok(())
}

/// Checks an object that is to be created and is valid of its kind: the validating half, but for ResourceQuota.
///
/// # Errors
/// The refusal of a plugin.
pub(crate) fn validate_create(cache: &Cache, info: &KindInfo, object: &Object) -> Result<(), Box<Status>> {
    check_ranges(info, object, &limit_ranges(cache, object))
}

/// Checks a change of an object.
///
/// # Errors
/// The refusal of a plugin.
pub(crate) fn admit_update(cache: &Cache, info: &'static KindInfo, object: &Object) -> Result<(), Box<Status>> {
    // What a Pod asks for does not change, and what is on its way out may always be changed.
    if info == Pod::INFO || object.metadata().is_deleting() {
        return Ok(());
    }
    check_ranges(info, object, &limit_ranges(cache, object))
}

/// The LimitRanges that are asked about an object, by name.
fn limit_ranges(cache: &Cache, object: &Object) -> Vec<Arc<LimitRange>> {
    if !matches!(object.kind(), "Pod" | "PersistentVolumeClaim") {
        return Vec::new();
    }
    let prefix = storage::namespace_prefix(LimitRange::INFO, &object.metadata().namespace);
    cache.range(&prefix, "").filter_map(|(_, object)| object.as_kind::<LimitRange>().cloned()).collect()
}

fn check_ranges(info: &KindInfo, object: &Object, ranges: &[Arc<LimitRange>]) -> Result<(), Box<Status>> {
    let mut ranges = ranges.iter();
    let refused = |why: String| Box::new(Status::forbidden(&info.gvr(), &object.metadata().name, &why));
    ranges.try_for_each(|range| limit_ranger::check(object, range).map_err(refused))
}

fn namespace_lifecycle(cache: &Cache, info: &KindInfo, object: &Object) -> Result<(), Box<Status>> {
    let (namespace, name) = (&object.metadata().namespace, &object.metadata().name);
    if !info.namespaced {
        return Ok(());
    }
    let found = cache.get(&storage::key(Namespace::INFO, "", namespace));
    let Some(found) = found.and_then(|object| object.as_kind::<Namespace>()) else {
        return Err(Box::new(Status::not_found(&Namespace::INFO.gvr(), namespace)));
    };
    if found.metadata.is_deleting() {
        let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
        let mut status = Status::forbidden(&info.gvr(), name, &why);
        let message = format!("namespace {namespace} is being terminated");
        status.details.causes.push(Cause { reason: "NamespaceTerminating", message, field: "metadata.namespace".to_owned() });
        return Err(Box::new(status));
    }
    Ok(())
}

/// Whether a request makes a Pod in a namespace that exists and has no `default` ServiceAccount yet, though the Pod needs it.
pub(crate) fn awaits_account(cache: &Cache, request: &Request) -> bool {
    let Path::Resource(path) = &request.path else { return false };
    let makes_pod = request.method == Method::Post && path.resource.resource == Pod::INFO.plural && path.resource.group.is_empty();
    let Some(namespace) = path.namespace.as_deref().filter(|_| makes_pod && path.subresource.is_empty()) else { return false };
    let account = match &request.body {
        Body::Object(Object::Pod(pod)) => pod.spec.service_account_name.as_str(),
        Body::Json(value) => value["spec"]["serviceAccountName"].as_str().unwrap_or(""),
        _ => "",
    };
    let active = |object: &Object| !object.metadata().is_deleting();
    matches!(account, "" | "default")
        && cache.get(&storage::key(Namespace::INFO, "", namespace)).is_some_and(active)
        && cache.get(&storage::key(ServiceAccount::INFO, namespace, "default")).is_none()
}

fn service_account(cache: &Cache, pod: &mut Pod) -> Result<(), Box<Status>> {
    if pod.spec.service_account_name.is_empty() {
        pod.spec.service_account_name = "default".to_owned();
    }
    pod.spec.service_account.clone_from(&pod.spec.service_account_name);
    let (namespace, account) = (&pod.metadata.namespace, &pod.spec.service_account_name);
    if cache.get(&storage::key(ServiceAccount::INFO, namespace, account)).is_none() {
        let why = format!("error looking up service account {namespace}/{account}: serviceaccount {account:?} not found");
        return Err(Box::new(Status::forbidden(&Pod::INFO.gvr(), &pod.metadata.name, &why)));
    }
    Ok(())
}

fn priority(cache: &Cache, pod: &mut Pod) -> Result<(), Box<Status>> {
    let class = pod.spec.priority_class_name.as_str();
    let (value, policy) = match class {
        "" => (0, None),
        "system-cluster-critical" => (2_000_000_000, None),
        "system-node-critical" => (2_000_001_000, None),
        name => {
            let info = find_kind("scheduling.k8s.io/v1", "PriorityClass");
            let found = info.and_then(|info| cache.get(&storage::key(info, "", name)));
            let Some(Object::Dynamic(found)) = found else {
                let why = format!("no PriorityClass with name {name} was found");
                return Err(Box::new(Status::forbidden(&Pod::INFO.gvr(), &pod.metadata.name, &why)));
            };
            let value = found.rest.get("value").and_then(serde_json::Value::as_i64).unwrap_or(0);
            let policy = found.rest.get("preemptionPolicy").and_then(serde_json::Value::as_str).map(str::to_owned);
            (i32::try_from(value).unwrap_or(0), policy)
        }
    };
    if pod.spec.priority.is_some_and(|given| given != value) {
        let why = format!(
            "the integer value of priority ({}) must not be provided in pod spec; priority admission controller computed {value} from \
             the given PriorityClass name",
            pod.spec.priority.unwrap_or(0)
        );
        return Err(Box::new(Status::forbidden(&Pod::INFO.gvr(), &pod.metadata.name, &why)));
    }
    pod.spec.priority = Some(value);
    if pod.spec.preemption_policy.is_none() {
        pod.spec.preemption_policy = Some(policy.unwrap_or_else(|| "PreemptLowerPriority".to_owned()));
    }
    Ok(())
}

/// Pods tolerate a node that is not ready or unreachable for five minutes, unless they say otherwise.
fn default_toleration_seconds(pod: &mut Pod) {
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let covers = |toleration: &Toleration| {
            (toleration.key == key || toleration.key.is_empty()) && matches!(toleration.effect.as_str(), "NoExecute" | "")
        };
        if !pod.spec.tolerations.iter().any(covers) {
            pod.spec.tolerations.push(Toleration {
                key: key.to_owned(),
                operator: "Exists".to_owned(),
                effect: "NoExecute".to_owned(),
                toleration_seconds: Some(300),
                ..Toleration::default()
            });
        }
    }
}

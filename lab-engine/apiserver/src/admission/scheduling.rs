//! RuntimeClass: what a class adds to its Pods (`plugin/pkg/admission/runtimeclass`).
//!
//! **Simplified here:** TaintNodesByCondition is left out: new nodes are tainted by the node lifecycle controller alone.

use crate::cache::Cache;
use crate::storage;
use api::core::{Pod, ResourceList, Toleration};
use api::json::decode;
use api::kinds::find_kind;
use api::status::Status;
use api::{Object, Resource};
use serde_json::Value;

/// Completes a Pod by its RuntimeClass: overhead, node selector and tolerations.
///
/// # Errors
/// 403 when there is no such class, when the Pod names an overhead of its own that is another, or a node selector that contradicts.
pub(super) fn runtime_class(cache: &Cache, pod: &mut Pod) -> Result<(), Box<Status>> {
    let refused = |pod: &Pod, why: &str| Err(Box::new(Status::forbidden(&Pod::INFO.gvr(), &pod.metadata.name, why)));
    let Some(name) = pod.spec.rest.get("runtimeClassName").and_then(Value::as_str).filter(|name| !name.is_empty()) else {
        if pod.spec.overhead.is_empty() {
            return Ok(());
        }
        return refused(pod, "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead");
    };
    let found = find_kind("node.k8s.io/v1", "RuntimeClass").and_then(|info| cache.get(&storage::key(info, "", name)));
    let Some(Object::Dynamic(class)) = found else {
        let why = format!("pod rejected: RuntimeClass {name:?} not found");
        return refused(pod, &why);
    };
    let fixed = class.rest.get("overhead").and_then(|overhead| overhead.get("podFixed"));
    let overhead: ResourceList = fixed.and_then(|value| decode(value.clone()).ok()).unwrap_or_default();
    if !pod.spec.overhead.is_empty() && pod.spec.overhead != overhead {
        let why = if overhead.is_empty() {
            "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"
        } else {
            "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"
        };
        return refused(pod, why);
    }
    pod.spec.overhead = overhead;
    let Some(scheduling) = class.rest.get("scheduling") else { return Ok(()) };
    for (key, value) in scheduling["nodeSelector"].as_object().into_iter().flatten() {
        let value = value.as_str().unwrap_or_default();
        if pod.spec.node_selector.get(key).is_some_and(|own| own != value) {
            let why = format!(
                "conflict: runtimeClass.scheduling.nodeSelector[{key}] = {value}; pod.spec.nodeSelector[{key}] = {}",
                pod.spec.node_selector[key]
            );
            return refused(pod, &why);
        }
        pod.spec.node_selector.insert(key.clone(), value.to_owned());
    }
    for toleration in scheduling["tolerations"].as_array().into_iter().flatten() {
        let Ok(toleration) = decode::<Toleration>(toleration.clone()) else { continue };
        if !pod.spec.tolerations.contains(&toleration) {
            pod.spec.tolerations.push(toleration);
        }
    }
    Ok(())
}

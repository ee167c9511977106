//! Which objects a quota is about (`pkg/quota/v1/evaluator/core/pods.go`, `persistent_volume_claims.go`).

use super::pod as usage;
use crate::Object;
use crate::core::{Pod, ResourceQuota, ScopedResourceSelectorRequirement};
use serde_json::Value;
use std::collections::BTreeSet;

/// The scopes of a quota; plain ones mean that the scope exists.
pub fn selectors(quota: &ResourceQuota) -> Vec<ScopedResourceSelectorRequirement> {
    let plain = quota.spec.scopes.iter().map(|scope| ScopedResourceSelectorRequirement {
        scope_name: scope.clone(),
        operator: "Exists".to_owned(),
        ..ScopedResourceSelectorRequirement::default()
    });
    plain.chain(quota.spec.scope_selector.iter().flat_map(|selector| selector.match_expressions.iter().cloned())).collect()
}

/// Whether an object is of a scope. Kinds without scopes are of none.
pub fn matches_scope(selector: &ScopedResourceSelectorRequirement, object: &Object) -> bool {
    match object {
        Object::Pod(pod) => pod_matches(selector, pod),
        claim if claim.kind() == "PersistentVolumeClaim" => {
            selector.scope_name == "VolumeAttributesClass" && {
                let classes = attributes_classes(&claim.to_json());
                value_matches(selector, &classes.iter().map(String::as_str).collect::<Vec<_>>())
            }
        }
        _ => false,
    }
}

fn pod_matches(selector: &ScopedResourceSelectorRequirement, pod: &Pod) -> bool {
    let terminating = pod.spec.active_deadline_seconds.is_some_and(|seconds| seconds >= 0);
    match selector.scope_name.as_str() {
        "Terminating" => terminating,
        "NotTerminating" => !terminating,
        "BestEffort" => is_best_effort(pod),
        "NotBestEffort" => !is_best_effort(pod),
        "PriorityClass" => {
            let class = Some(pod.spec.priority_class_name.as_str()).filter(|class| !class.is_empty());
            value_matches(selector, class.as_slice())
        }
        "CrossNamespacePodAffinity" => crosses_namespaces(pod),
        _ => false,
    }
}

/// Whether the values that an object has satisfy a selector, as a label would.
fn value_matches(selector: &ScopedResourceSelectorRequirement, own: &[&str]) -> bool {
    let named = || own.iter().any(|own| selector.values.iter().any(|value| value == own));
    match selector.operator.as_str() {
        "Exists" => !own.is_empty(),
        "DoesNotExist" => own.is_empty(),
        "In" => named(),
        "NotIn" => !named(),
        _ => false,
    }
}

/// Whether no container asks for CPU or memory (`qos.GetPodQOS`).
fn is_best_effort(pod: &Pod) -> bool {
    let of_pod = [usage::of_pod_itself(pod, "requests"), usage::of_pod_itself(pod, "limits")];
    let of_containers =
        pod.spec.containers.iter().chain(&pod.spec.init_containers).flat_map(|c| [&c.resources.requests, &c.resources.limits]);
    let asks =
        |list: &crate::core::ResourceList| ["cpu", "memory"].iter().any(|name| list.get(*name).is_some_and(|amount| !amount.is_zero()));
    !of_pod.iter().chain(of_containers).any(asks)
}

/// Whether an affinity of the Pod looks at other namespaces.
fn crosses_namespaces(pod: &Pod) -> bool {
    let Some(affinity) = &pod.spec.affinity else { return false };
    let mut terms = affinity
        .pod_affinity
        .iter()
        .chain(&affinity.pod_anti_affinity)
        .flat_map(|affinity| affinity.required.iter().chain(affinity.preferred.iter().map(|weighted| &weighted.pod_affinity_term)));
    terms.any(|term| !term.namespaces.is_empty() || term.namespace_selector.is_some())
}

/// The VolumeAttributesClasses that a claim has or moves to.
fn attributes_classes(claim: &Value) -> BTreeSet<String> {
    let paths = [
        "/spec/volumeAttributesClassName",
        "/status/currentVolumeAttributesClassName",
        "/status/modifyVolumeStatus/targetVolumeAttributesClassName",
    ];
    let named = paths.iter().filter_map(|path| claim.pointer(path)?.as_str());
    named.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

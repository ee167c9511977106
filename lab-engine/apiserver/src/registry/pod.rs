//! Pods (`pkg/registry/core/pod/strategy.go`).

use super::report::Report;
use super::{Strategy, pod_annotations, pod_defaults, pod_spec};
use api::core::{Container, NodeAffinity, NodeSelectorTerm, Pod, PodSpec};
use api::json::Json;
use api::meta::Condition;
use api::shared::Shared;
use api::status::FieldError;
use std::borrow::Cow;

impl Strategy for Pod {
    fn default(&mut self) {
        pod_defaults::pod_spec(&mut self.spec);
        self.spec.enable_service_links.get_or_insert(true);
    }

    fn prepare_for_create(&mut self) {
        self.metadata.generation = Some(1);
        self.status = api::core::PodStatus {
            phase: "Pending".to_owned(),
            qos_class: qos_class(self).to_owned(),
            conditions: gated_condition(self).into_iter().collect(),
            ..Default::default()
        }
        .into();
    }

    fn validate(&self, errors: &mut Vec<FieldError>) {
        pod_spec::pod(&self.metadata, &self.spec, errors);
        if !self.spec.ephemeral_containers.is_empty() {
            errors.forbidden("spec.ephemeralContainers", "cannot be set on create");
        }
        if !self.spec.node_name.is_empty() && !self.spec.scheduling_gates.is_empty() {
            errors.forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared");
        }
        pod_annotations::fields(&self.metadata, &self.spec, errors);
    }

    fn prepare_for_update(&mut self, old: &Self) {
        self.status = old.status.clone();
        if self.spec != old.spec {
            self.metadata.generation = Some(old.metadata.generation.unwrap_or(0) + 1);
        }
    }

    fn prepare_status_update(&mut self, old: &Self) {
        self.spec = old.spec.clone();
        self.metadata.owner_references = old.metadata.owner_references.clone();
        self.metadata.finalizers = old.metadata.finalizers.clone();
        if self.status.qos_class.is_empty() {
            self.status.qos_class.clone_from(&old.status.qos_class);
        }
    }

    fn validate_update(&self, old: &Self, errors: &mut Vec<FieldError>) {
        pod_spec::pod(&self.metadata, &self.spec, errors);
        update_rules(self, old, errors);
    }

    fn field(&self, name: &str) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(match name {
            "spec.nodeName" => &self.spec.node_name,
            "spec.restartPolicy" => &self.spec.restart_policy,
            "spec.schedulerName" => &self.spec.scheduler_name,
            "spec.serviceAccountName" => &self.spec.service_account_name,
            "spec.hostNetwork" => return Some(Cow::Borrowed(if self.spec.host_network == Some(true) { "true" } else { "false" })),
            "status.phase" => &self.status.phase,
            "status.podIP" => &self.status.pod_ip,
            "status.nominatedNodeName" => &self.status.nominated_node_name,
            _ => return None,
        }))
    }
}

/// What a Pod with scheduling gates says of itself (`applySchedulingGatedCondition`); the scheduler says nothing of it.
fn gated_condition(pod: &Pod) -> Option<Condition> {
    (!pod.spec.scheduling_gates.is_empty()).then(|| Condition {
        type_: "PodScheduled".to_owned(),
        status: "False".to_owned(),
        reason: "SchedulingGated".to_owned(),
        message: "Scheduling is blocked due to non-empty scheduling gates".to_owned(),
        ..Condition::default()
    })
}

/// `Guaranteed`, `Burstable` or `BestEffort` (`ComputePodQOS`).
pub(super) fn qos_class(pod: &Pod) -> &'static str {
    let all: Vec<&Container> = pod.spec.init_containers.iter().chain(&pod.spec.containers).collect();
    let amounts = |container: &&Container, requests: bool| -> Vec<(String, i64)> {
        let list = if requests { &container.resources.requests } else { &container.resources.limits };
        let counted = list.iter().filter(|(name, _)| matches!(name.as_str(), "cpu" | "memory"));
        counted.map(|(name, amount)| (name.clone(), amount.milli_value())).filter(|(_, amount)| *amount > 0).collect()
    };
    if all.iter().all(|container| amounts(container, true).is_empty() && amounts(container, false).is_empty()) {
        return "BestEffort";
    }
    let guaranteed = |container: &&Container| {
        let limits = amounts(container, false);
        limits.len() == 2 && limits == amounts(container, true)
    };
    if all.iter().all(guaranteed) { "Guaranteed" } else { "Burstable" }
}

/// Only a few fields of a Pod's spec may change (`ValidatePodUpdate`).
pub(super) fn update_rules(new: &Pod, old: &Pod, errors: &mut Vec<FieldError>) {
    pod_annotations::changes(&new.metadata.annotations, &old.metadata.annotations, errors);
    for (field, new, old) in [
        ("spec.containers", &new.spec.containers, &old.spec.containers),
        ("spec.initContainers", &new.spec.init_containers, &old.spec.init_containers),
    ] {
        if new.len() != old.len() {
            return errors.forbidden(field, "pod updates may not add or remove containers");
        }
        for (index, container) in new.iter().enumerate() {
            let path = format!("{field}[{index}].image");
            let error = match container.image.as_str() {
                "" => FieldError::required(path, ""),
                image if image.trim() != image => FieldError::invalid(path, image, "must not have leading or trailing whitespace"),
                _ => continue,
            };
            if !errors.contains(&error) {
                errors.push(error);
            }
        }
    }
    if !deadline(&new.spec, &old.spec, errors) {
        return;
    }
    tolerations(&new.spec, &old.spec, errors);
    scheduling_gates(&new.spec, &old.spec, errors);
    if new.spec == old.spec {
        return;
    }
    let munged = with_old_mutable_fields(new, old, errors);
    if munged != old.spec {
        let changed = changed_fields(&munged.to_json(), &old.spec.to_json());
        let detail = format!(
            "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,\
             `spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),\
             `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n{changed}"
        );
        errors.forbidden("spec", detail);
    }
}

/// A deadline may be set and brought nearer. Whether the other rules are worth a look.
fn deadline(new: &PodSpec, old: &PodSpec, errors: &mut Vec<FieldError>) -> bool {
    let path = "spec.activeDeadlineSeconds";
    let before = errors.len();
    match (new.active_deadline_seconds, old.active_deadline_seconds) {
        (Some(new), _) if !(0..=i64::from(i32::MAX)).contains(&new) => errors.within(path, new, 0, i64::from(i32::MAX)),
        (Some(new), Some(old)) if old < new => errors.invalid_number(path, new, "must be less than or equal to previous value"),
        (None, Some(_)) => {
            errors.invalid_json(path, &serde_json::Value::Null, "must not update from a positive integer to nil value");
            return true;
        }
        _ => {}
    }
    errors.len() == before
}

/// Tolerations may be added, and their seconds changed (`validateOnlyAddedTolerations`).
fn tolerations(new: &PodSpec, old: &PodSpec, errors: &mut Vec<FieldError>) {
    let kept = old.tolerations.iter().all(|toleration| {
        new.tolerations.iter().any(|other| {
            let mut other = other.clone();
            other.toleration_seconds = toleration.toleration_seconds;
            other == *toleration
        })
    });
    if !kept {
        return errors.forbidden("spec.tolerations", "existing toleration can not be modified except its tolerationSeconds");
    }
    let mut wrong = Vec::new();
    pod_spec::tolerations(&new.tolerations, "spec.tolerations", &mut wrong);
    for error in wrong {
        if !errors.contains(&error) {
            errors.push(error);
        }
    }
}

/// Gates may be opened (`validateOnlyDeletedSchedulingGates`).
fn scheduling_gates(new: &PodSpec, old: &PodSpec, errors: &mut Vec<FieldError>) {
    for (index, gate) in new.scheduling_gates.iter().enumerate().filter(|(_, gate)| !old.scheduling_gates.contains(gate)) {
        let detail = format!("only deletion is allowed, but found new scheduling gate '{}'", gate.name);
        errors.forbidden(format!("spec.schedulingGates[{index}].name"), detail);
    }
}

/// The new spec with the old values of all fields that may change: what differs now must not have changed.
fn with_old_mutable_fields(new: &Pod, old: &Pod, errors: &mut Vec<FieldError>) -> Shared<PodSpec> {
    let (mut munged, old) = (new.spec.clone(), &old.spec);
    let spec: &mut PodSpec = &mut munged;
    let containers = spec.containers.iter_mut().zip(&old.containers);
    for (container, old) in containers.chain(spec.init_containers.iter_mut().zip(&old.init_containers)) {
        container.image.clone_from(&old.image);
    }
    munged.active_deadline_seconds = old.active_deadline_seconds;
    munged.tolerations.clone_from(&old.tolerations);
    if munged.termination_grace_period_seconds == Some(1) && old.termination_grace_period_seconds.is_some_and(|old| old < 0) {
        munged.termination_grace_period_seconds = old.termination_grace_period_seconds;
    }
    munged.scheduling_gates.clone_from(&old.scheduling_gates);
    if !old.scheduling_gates.is_empty() {
        steer_gated(&mut munged, old, errors);
    }
    munged
}

/// A Pod that is held by gates may still be narrowed down in where it runs.
fn steer_gated(munged: &mut PodSpec, old: &PodSpec, errors: &mut Vec<FieldError>) {
    if munged.node_selector != old.node_selector {
        let kept = old.node_selector.iter().all(|(key, value)| munged.node_selector.get(key) == Some(value));
        if !kept {
            let detail = "only additions to spec.nodeSelector are allowed (no mutations or deletions)";
            errors.invalid_json("spec.nodeSelector", &munged.node_selector.to_json(), detail);
        }
        munged.node_selector.clone_from(&old.node_selector);
    }
    let node = |spec: &PodSpec| spec.affinity.as_ref().and_then(|affinity| affinity.node_affinity.clone());
    let (new_affinity, old_affinity) = (node(munged), node(old));
    if new_affinity == old_affinity {
        return;
    }
    node_affinity(new_affinity.as_ref(), old_affinity.as_ref(), errors);
    let affinity = munged.affinity.get_or_insert_default();
    affinity.node_affinity = old_affinity;
    if old.affinity.is_none() && *affinity == api::core::Affinity::default() {
        munged.affinity = None;
    }
}

/// Terms that must hold may only get more requirements (`validateNodeAffinityMutation`).
fn node_affinity(new: Option<&NodeAffinity>, old: Option<&NodeAffinity>, errors: &mut Vec<FieldError>) {
    let terms = |affinity: Option<&NodeAffinity>| {
        affinity.and_then(|affinity| affinity.required.as_ref()).map(|required| required.node_selector_terms.clone()).unwrap_or_default()
    };
    let (new, old): (Vec<NodeSelectorTerm>, Vec<NodeSelectorTerm>) = (terms(new), terms(old));
    let path = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms";
    if !old.is_empty() && old.len() != new.len() {
        let detail = "no additions/deletions to non-empty NodeSelectorTerms list are allowed";
        return errors.invalid_json(path, &new.to_json(), detail);
    }
    for (index, (new, old)) in new.iter().zip(&old).enumerate() {
        let nothing = |term: &NodeSelectorTerm| term.match_expressions.is_empty() && term.match_fields.is_empty();
        let grew = new.match_expressions.starts_with(&old.match_expressions) && new.match_fields.starts_with(&old.match_fields);
        if !grew || (nothing(old) && !nothing(new)) {
            errors.invalid_json(format!("{path}[{index}]"), &new.to_json(), "only additions are allowed (no mutations or deletions)");
        }
    }
}

/// The fields that differ, one a line.
fn changed_fields(new: &serde_json::Value, old: &serde_json::Value) -> String {
    let (Some(new), Some(old)) = (new.as_object(), old.as_object()) else { return String::new() };
    let names: std::collections::BTreeSet<&String> = new.keys().chain(old.keys()).collect();
    let show = |value: Option<&serde_json::Value>| value.map_or_else(|| "<unset>".to_owned(), ToString::to_string);
    let differing = names.into_iter().filter(|name| new.get(*name) != old.get(*name));
    differing.map(|name| format!("  {name}: {} -> {}\n", show(old.get(name)), show(new.get(name)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gated_pod_says_so_from_the_start() {
        let spec = |gates: serde_json::Value| {
            let pod = serde_json::json!({"metadata": {"name": "p"}, "spec": {"schedulingGates": gates}});
            let mut pod: Pod = api::json::decode(pod).expect("a Pod");
            pod.prepare_for_create();
            pod.status.conditions.clone()
        };
        assert_eq!(spec(serde_json::json!([])), []);
        let gated = spec(serde_json::json!([{"name": "example.com/quota"}]));
        assert_eq!((gated[0].status.as_str(), gated[0].reason.as_str()), ("False", "SchedulingGated"));
    }
}

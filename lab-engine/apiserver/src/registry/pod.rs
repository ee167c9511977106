//! Pods (`pkg/registry/core/pod/strategy.go`).

use super::{Strategy, meta, pod_defaults, pod_validation};
use api::core::{Container, Pod, PodSpec};
use api::json::Json;
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
        self.status = api::core::PodStatus { phase: "Pending".to_owned(), qos_class: qos_class(self).to_owned(), ..Default::default() };
    }

    fn validate(&self, errors: &mut Vec<FieldError>) {
        pod_validation::pod_spec(&self.spec, "spec", errors);
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
        pod_validation::pod_spec(&self.spec, "spec", errors);
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

/// `Guaranteed`, `Burstable` or `BestEffort` (`ComputePodQOS`).
fn qos_class(pod: &Pod) -> &'static str {
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
    if new.spec.containers.len() != old.spec.containers.len() {
        errors.push(FieldError::forbidden("spec.containers", "pod updates may not add or remove containers"));
        return;
    }
    if new.spec.init_containers.len() != old.spec.init_containers.len() {
        errors.push(FieldError::forbidden("spec.initContainers", "pod updates may not add or remove containers"));
        return;
    }
    for (kind, containers) in [("initContainers", &new.spec.init_containers), ("containers", &new.spec.containers)] {
        for (index, _) in containers.iter().enumerate().filter(|(_, container)| container.image.is_empty()) {
            let error = FieldError::required(format!("spec.{kind}[{index}].image"), "");
            if !errors.contains(&error) {
                errors.push(error);
            }
        }
    }
    if let Some(deadline) = new.spec.active_deadline_seconds.filter(|deadline| !(0..=i64::from(i32::MAX)).contains(deadline)) {
        let error = FieldError::invalid_number("spec.activeDeadlineSeconds", deadline, "must be between 0 and 2147483647, inclusive");
        errors.push(error);
        return;
    }
    match (old.spec.active_deadline_seconds, new.spec.active_deadline_seconds) {
        (Some(old), Some(new)) if new > old => {
            let detail = "must be less than or equal to previous value";
            errors.push(FieldError::invalid_number("spec.activeDeadlineSeconds", new, detail));
            return;
        }
        (Some(_), None) => {
            let detail = "must not update from a positive integer to nil value";
            errors.push(FieldError::new(api::status::FieldErrorKind::Invalid, "spec.activeDeadlineSeconds", "null", detail));
            return;
        }
        _ => {}
    }
    let kept = &old.spec.tolerations;
    let grew = kept.iter().all(|toleration| {
        new.spec.tolerations.iter().any(|other| {
            let mut other = other.clone();
            other.toleration_seconds = toleration.toleration_seconds;
            other == *toleration
        })
    });
    if !grew {
        let detail = "existing toleration can not be modified except its tolerationSeconds";
        errors.push(FieldError::forbidden("spec.tolerations", detail));
        return;
    }
    let munged = if new.spec.is_same(&old.spec) { old.spec.clone() } else { with_old_mutable_fields(new, old) };
    if munged != old.spec {
        let changed = changed_fields(&munged.to_json(), &old.spec.to_json());
        let detail = format!(
            "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,\
             `spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),\
             `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n{changed}"
        );
        errors.push(FieldError::forbidden("spec", detail));
    }
    meta::immutable(&new.spec.node_name, &old.spec.node_name, "spec.nodeName", errors);
}

/// The new spec with the old values of all fields that may change: what differs now must not have changed.
fn with_old_mutable_fields(new: &Pod, old: &Pod) -> Shared<PodSpec> {
    let mut munged = new.spec.clone();
    for (container, old) in munged.containers.iter_mut().zip(&old.spec.containers) {
        container.image.clone_from(&old.image);
    }
    for (container, old) in munged.init_containers.iter_mut().zip(&old.spec.init_containers) {
        container.image.clone_from(&old.image);
    }
    munged.active_deadline_seconds = old.spec.active_deadline_seconds;
    munged.tolerations = old.spec.tolerations.clone();
    if munged.termination_grace_period_seconds == Some(1) && old.spec.termination_grace_period_seconds.is_some_and(|old| old < 0) {
        munged.termination_grace_period_seconds = old.spec.termination_grace_period_seconds;
    }
    let opened = munged.scheduling_gates.iter().all(|gate| old.spec.scheduling_gates.contains(gate));
    if opened {
        munged.scheduling_gates = old.spec.scheduling_gates.clone();
        if !old.spec.scheduling_gates.is_empty() {
            // A gated Pod may still be steered.
            munged.node_selector = old.spec.node_selector.clone();
            munged.affinity = old.spec.affinity.clone();
        }
    }
    munged
}

/// The fields that differ, one a line.
fn changed_fields(new: &serde_json::Value, old: &serde_json::Value) -> String {
    let (Some(new), Some(old)) = (new.as_object(), old.as_object()) else { return String::new() };
    let names: std::collections::BTreeSet<&String> = new.keys().chain(old.keys()).collect();
    let show = |value: Option<&serde_json::Value>| value.map_or_else(|| "<unset>".to_owned(), ToString::to_string);
    let differing = names.into_iter().filter(|name| new.get(*name) != old.get(*name));
    differing.map(|name| format!("  {name}: {} -> {}\n", show(old.get(name)), show(new.get(name)))).collect()
}

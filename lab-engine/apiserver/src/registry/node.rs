//! Nodes (`pkg/registry/core/node/strategy.go`).

use super::Strategy;
use super::pod_spec::resources;
use super::report::{Report, list};
use api::core::{Node, NodeSpec, ResourceList};
use api::json::Json;
use api::names;
use api::status::{FieldError, FieldErrorKind};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeSet;

/// Which controllers' Pods shall rather run elsewhere; the scheduler no longer reads it.
const AVOID_PODS: &str = "scheduler.alpha.kubernetes.io/preferAvoidPods";

impl Strategy for Node {
    fn validate(&self, errors: &mut Vec<FieldError>) {
        if let Some(avoided) = self.metadata.annotations.get(AVOID_PODS).filter(|avoided| !avoided.is_empty()) {
            avoided_pods(avoided, errors);
        }
        for (index, taint) in self.spec.taints.iter().enumerate() {
            let path = format!("metadata.taints[{index}]");
            if self.spec.taints[..index].iter().any(|other| (&other.key, &other.effect) == (&taint.key, &taint.effect)) {
                let value = taint.to_json().to_string();
                let detail = "taints must be unique by key and effect pair";
                errors.push(FieldError::new(FieldErrorKind::Duplicate, &path, value, detail));
            }
            let wrong = names::qualified_name(&taint.key).into_iter();
            errors.extend(wrong.map(|detail| FieldError::invalid(format!("{path}.key"), &taint.key, detail)));
            let wrong = names::label_value(&taint.value).into_iter();
            errors.extend(wrong.map(|detail| FieldError::invalid(format!("{path}.value"), &taint.value, detail)));
            match taint.effect.as_str() {
                "NoSchedule" | "PreferNoSchedule" | "NoExecute" => {}
                "" => errors.push(FieldError::required(format!("{path}.effect"), "")),
                other => {
                    let allowed = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
                    errors.push(FieldError::not_supported(format!("{path}.effect"), other, &allowed));
                }
            }
        }
        amounts(&self.status.capacity, "status.capacity", errors);
        amounts(&self.status.allocatable, "status.allocatable", errors);
        pod_cidrs(&self.spec, errors);
    }

    fn prepare_for_update(&mut self, old: &Self) {
        self.status = old.status.clone();
    }

    fn prepare_status_update(&mut self, old: &Self) {
        self.spec = old.spec.clone();
    }

    fn validate_update(&self, old: &Self, errors: &mut Vec<FieldError>) {
        self.validate(errors);
        update_rules(self, old, errors);
    }

    fn field(&self, name: &str) -> Option<Cow<'_, str>> {
        let text = if self.spec.unschedulable == Some(true) { "true" } else { "false" };
        (name == "spec.unschedulable").then_some(Cow::Borrowed(text))
    }
}

/// Models `ValidateAvoidPodsInNodeAnnotations`.
fn avoided_pods(avoided: &str, errors: &mut Vec<FieldError>) {
    let avoided: Value = match serde_json::from_str(avoided) {
        Ok(avoided) => avoided,
        Err(error) => return errors.invalid("metadata.annotations.AvoidPods", AVOID_PODS, error.to_string()),
    };
    for (index, entry) in list(&avoided, "preferAvoidPods").iter().enumerate() {
        let path = format!("metadata.annotations.{AVOID_PODS}[{index}].PodSignature");
        match entry["podSignature"]["podController"].as_object() {
            None => errors.required(path, ""),
            Some(controller) if controller.get("controller") != Some(&Value::Bool(true)) => {
                errors.invalid_json(format!("{path}.PodController.Controller"), &Value::Bool(false), "must point to a controller");
            }
            Some(_) => {}
        }
    }
}

/// Models `ValidateNodeResources`.
fn amounts(amounts: &ResourceList, path: &str, errors: &mut Vec<FieldError>) {
    for (name, amount) in amounts {
        resources::amount(amount, resources::is_whole(name), &format!("{path}.{name}"), errors);
    }
}

/// The ranges of the Pods' addresses. Who writes only the single one knows of no others (`Convert_v1_NodeSpec_To_core_NodeSpec`).
fn ranges(spec: &NodeSpec) -> &[String] {
    let known = spec.pod_cidr.is_empty() || spec.pod_cidrs.first() == Some(&spec.pod_cidr);
    if known { &spec.pod_cidrs } else { std::slice::from_ref(&spec.pod_cidr) }
}

/// Appends what is wrong with the ranges, of which there is one for each family.
fn pod_cidrs(spec: &NodeSpec, errors: &mut Vec<FieldError>) {
    let (path, given) = ("spec.podCIDRs", ranges(spec));
    for (index, range) in given.iter().enumerate() {
        errors.malformed(&format!("{path}[{index}]"), range, names::cidr(range));
    }
    let families: BTreeSet<bool> = given.iter().map(|range| range.contains(':')).collect();
    if given.len() > 1 && (given.len() > 2 || families.len() < 2) {
        errors.invalid_json(path, &given.to_vec().to_json(), "may specify no more than one CIDR for each IP family");
    }
    for (index, range) in given.iter().enumerate().filter(|(index, range)| given[..*index].contains(range)) {
        errors.duplicate(format!("{path}[{index}]"), range);
    }
}

/// Models `ValidateNodeUpdate`: what a node was given once stays.
fn update_rules(new: &Node, old: &Node, errors: &mut Vec<FieldError>) {
    let addresses = &new.status.addresses;
    for (index, address) in addresses.iter().enumerate().filter(|(index, address)| addresses[..*index].contains(address)) {
        let value = address.to_json().to_string();
        errors.add(FieldError::new(FieldErrorKind::Duplicate, format!("status.addresses[{index}]"), value, ""));
    }
    if !ranges(&old.spec).is_empty() && ranges(&new.spec) != ranges(&old.spec) {
        errors.forbidden("spec.podCIDRs", "node updates may not change podCIDR except from \"\" to valid");
    }
    if !old.spec.provider_id.is_empty() && new.spec.provider_id != old.spec.provider_id {
        errors.forbidden("spec.providerID", "node updates may not change providerID except from \"\" to valid");
    }
}

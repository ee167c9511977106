//! ReplicaSets (`pkg/registry/apps/replicaset/strategy.go`).

use super::{Strategy, meta, pod_annotations, pod_spec};
use api::apps::{ReplicaSet, ReplicaSetStatus};
use api::core::PodTemplateSpec;
use api::json::Json;
use api::labels::Selector;
use api::meta::LabelSelector;
use api::status::{FieldError, FieldErrorKind};
use std::borrow::Cow;

impl Strategy for ReplicaSet {
    fn default(&mut self) {
        self.spec.replicas.get_or_insert(1);
        super::pod_defaults::pod_spec(&mut self.spec.template.spec);
    }

    fn prepare_for_create(&mut self) {
        self.status = ReplicaSetStatus::default();
        self.metadata.generation = Some(1);
    }

    fn validate(&self, errors: &mut Vec<FieldError>) {
        meta::non_negative(self.spec.replicas.map(i64::from), "spec.replicas", errors);
        meta::non_negative(self.spec.min_ready_seconds.map(i64::from), "spec.minReadySeconds", errors);
        selector_and_template("ReplicaSet", &self.spec.selector, &self.spec.template, errors);
    }

    fn prepare_for_update(&mut self, old: &Self) {
        self.status = old.status.clone();
        if self.spec != old.spec {
            self.metadata.generation = Some(old.metadata.generation.unwrap_or(0) + 1);
        }
    }

    fn prepare_status_update(&mut self, old: &Self) {
        self.spec = old.spec.clone();
    }

    fn validate_update(&self, old: &Self, errors: &mut Vec<FieldError>) {
        self.validate(errors);
        meta::immutable(&self.spec.selector, &old.spec.selector, "spec.selector", errors);
    }

    fn field(&self, name: &str) -> Option<Cow<'_, str>> {
        (name == "status.replicas").then(|| Cow::Owned(self.status.replicas.to_string()))
    }
}

/// Appends what is wrong with the selector and the Pod template of a workload that keeps Pods running.
pub(super) fn selector_and_template(kind: &str, selector: &LabelSelector, template: &PodTemplateSpec, errors: &mut Vec<FieldError>) {
    // A selector that is left out is read as an empty one; it selects nothing.
    let given = (!selector.match_labels.is_empty() || !selector.match_expressions.is_empty()).then_some(selector);
    match given {
        Some(selector) => meta::label_selector(selector, "spec.selector", errors),
        None => errors.push(FieldError::required("spec.selector", "")),
    }
    let matches = Selector::from_label_selector(given).is_ok_and(|selector| selector.matches(&template.metadata.labels));
    if !matches {
        let value = template.metadata.labels.to_json().to_string();
        let detail = "`selector` does not match template `labels`";
        errors.push(FieldError::new(FieldErrorKind::Invalid, "spec.template.metadata.labels", value, detail));
    }
    meta::labels(&template.metadata.labels, "spec.template.labels", errors);
    meta::annotations(&template.metadata, "spec.template.annotations", errors);
    pod_annotations::annotations(&template.metadata.annotations, &template.spec, "spec.template.annotations", errors);
    // Upstream does not look into the template of a StatefulSet, whose containers may mount volumes of its claims.
    if kind != "StatefulSet" {
        pod_spec::pod_spec(&template.spec, "spec.template.spec", errors);
    }
    if !matches!(template.spec.restart_policy.as_str(), "Always" | "") {
        let restart = &template.spec.restart_policy;
        errors.push(FieldError::not_supported("spec.template.spec.restartPolicy", restart, &["Always"]));
    }
    if template.spec.active_deadline_seconds.is_some() {
        let detail = format!("activeDeadlineSeconds in {kind} is not Supported");
        errors.push(FieldError::forbidden("spec.template.spec.activeDeadlineSeconds", detail));
    }
}

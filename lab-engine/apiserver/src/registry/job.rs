//! Jobs (`pkg/registry/batch/job/strategy.go`).

use super::job_validation::{job_spec, update_rules};
use super::{Strategy, meta};
use api::batch::{Job, JobSpec, JobStatus};
use api::labels::Selector;
use api::meta::{StringMap, condition_is_true};
use api::status::{FieldError, FieldErrorKind};
use std::borrow::Cow;

const CONTROLLER_UID: &str = "batch.kubernetes.io/controller-uid";

/// Sets what a Job, or the template of one, leaves out about failures.
pub(super) fn policy_defaults(spec: &mut JobSpec) {
    let rules = spec.pod_failure_policy.iter_mut().flat_map(|policy| &mut policy.rules);
    for pattern in rules.flat_map(|rule| &mut rule.on_pod_conditions).filter(|pattern| pattern.status.is_empty()) {
        pattern.status = "True".to_owned();
    }
}

/// The labels by which a Job knows its Pods.
fn own_labels(job: &Job) -> StringMap {
    let (name, uid) = (&job.metadata.name, &job.metadata.uid);
    let pairs = [("batch.kubernetes.io/job-name", name), ("job-name", name), (CONTROLLER_UID, uid), ("controller-uid", uid)];
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.clone())).collect()
}

/// Makes labels and selector that are the Job's alone (`generateSelector`).
fn generate_selector(job: &mut Job) {
    let labels = own_labels(job);
    for (key, value) in labels {
        job.spec.template.metadata.labels.entry(key).or_insert(value);
    }
    let uid = job.metadata.uid.clone();
    let selector = job.spec.selector.get_or_insert_default();
    selector.match_labels.entry(CONTROLLER_UID.to_owned()).or_insert(uid);
}

impl Strategy for Job {
    fn default(&mut self) {
        let spec = &mut self.spec;
        if spec.completions.is_none() && spec.parallelism.is_none() {
            spec.completions = Some(1);
        }
        spec.parallelism.get_or_insert(1);
        let limit = if spec.backoff_limit_per_index.is_some() { i32::MAX } else { 6 };
        spec.backoff_limit.get_or_insert(limit);
        spec.completion_mode.get_or_insert_with(|| "NonIndexed".to_owned());
        spec.suspend.get_or_insert(false);
        policy_defaults(spec);
        let replacement = if spec.pod_failure_policy.is_some() { "Failed" } else { "TerminatingOrFailed" };
        spec.pod_replacement_policy.get_or_insert_with(|| replacement.to_owned());
        super::pod_defaults::pod_spec(&mut spec.template.spec);
        if self.metadata.labels.is_empty() {
            self.metadata.labels.clone_from(&self.spec.template.metadata.labels);
        }
    }

    fn prepare_for_create(&mut self) {
        self.status = JobStatus::default();
        self.metadata.generation = Some(1);
        if self.spec.manual_selector != Some(true) {
            let shared = self.metadata.labels == self.spec.template.metadata.labels;
            generate_selector(self);
            if shared {
                self.metadata.labels.clone_from(&self.spec.template.metadata.labels);
            }
        }
    }

    fn validate(&self, errors: &mut Vec<FieldError>) {
        if self.metadata.name.len() > 63 && self.spec.completion_mode.as_deref() == Some("Indexed") {
            let detail = "will not able to create pod with invalid DNS label";
            errors.push(FieldError::invalid("metadata.name", &self.metadata.name, detail));
        }
        if self.spec.manual_selector != Some(true) && !self.metadata.uid.is_empty() {
            let expected = &self.metadata.uid;
            let generated = self.spec.selector.as_ref().is_some_and(|selector| selector.match_labels.get(CONTROLLER_UID) == Some(expected));
            if !generated {
                let detail = "`selector` not auto-generated";
                errors.push(FieldError::new(FieldErrorKind::Invalid, "spec.selector", "", detail));
            }
        }
        job_spec(&self.spec, "spec", errors);
        match &self.spec.selector {
            None => errors.push(FieldError::required("spec.selector", "")),
            Some(selector) => {
                meta::label_selector(selector, "spec.selector", errors);
                let labels = &self.spec.template.metadata.labels;
                if !Selector::from_label_selector(Some(selector)).is_ok_and(|selector| selector.matches(labels)) {
                    let value = api::json::Json::to_json(labels).to_string();
                    let detail = "`selector` does not match template `labels`";
                    errors.push(FieldError::new(FieldErrorKind::Invalid, "spec.template.metadata.labels", value, detail));
                }
            }
        }
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
        let suspended = |job: &Job| job.spec.suspend == Some(true);
        // The template of a Job that does not run may still be steered.
        let not_started = suspended(old) && old.status.start_time.is_none();
        let stopped = condition_is_true(&old.status.conditions, "Suspended") && suspended(old) && old.status.active.unwrap_or(0) == 0;
        update_rules(&self.spec, &old.spec, not_started || stopped, errors);
    }

    fn field(&self, name: &str) -> Option<Cow<'_, str>> {
        (name == "status.successful").then(|| Cow::Owned(self.status.succeeded.unwrap_or(0).to_string()))
    }
}

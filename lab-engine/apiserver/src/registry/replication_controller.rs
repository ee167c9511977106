//! ReplicationControllers (`pkg/registry/core/replicationcontroller/strategy.go`).

use super::{Strategy, meta, pod_annotations, pod_spec};
use api::core::{ReplicationController, ReplicationControllerStatus};
use api::json::Json;
use api::labels::Selector;
use api::status::{FieldError, FieldErrorKind};
use std::borrow::Cow;

impl Strategy for ReplicationController {
    fn default(&mut self) {
        let spec = &mut self.spec;
        if let Some(template) = &mut spec.template {
            let labels = &template.metadata.labels;
            if spec.selector.is_empty() {
                spec.selector.clone_from(labels);
            }
            if self.metadata.labels.is_empty() {
                self.metadata.labels.clone_from(labels);
            }
            super::pod_defaults::pod_spec(&mut template.spec);
        }
        spec.replicas.get_or_insert(1);
    }

    fn prepare_for_create(&mut self) {
        self.status = ReplicationControllerStatus::default();
        self.metadata.generation = Some(1);
    }

    fn validate(&self, errors: &mut Vec<FieldError>) {
        let spec = &self.spec;
        meta::non_negative(spec.min_ready_seconds.map(i64::from), "spec.minReadySeconds", errors);
        if spec.selector.is_empty() {
            errors.push(FieldError::required("spec.selector", ""));
        }
        meta::labels(&spec.selector, "spec.selector", errors);
        meta::non_negative(spec.replicas.map(i64::from), "spec.replicas", errors);
        let Some(template) = &spec.template else {
            return errors.push(FieldError::required("spec.template", ""));
        };
        if !spec.selector.is_empty() && !Selector::from_map(&spec.selector).matches(&template.metadata.labels) {
            let value = template.metadata.labels.to_json().to_string();
            let detail = "`selector` does not match template `labels`";
            errors.push(FieldError::new(FieldErrorKind::Invalid, "spec.template.metadata.labels", value, detail));
        }
        meta::labels(&template.metadata.labels, "spec.template.labels", errors);
        meta::annotations(&template.metadata, "spec.template.annotations", errors);
        pod_annotations::annotations(&template.metadata.annotations, &template.spec, "spec.template.annotations", errors);
        pod_spec::pod_spec(&template.spec, "spec.template.spec", errors);
        if template.spec.restart_policy != "Always" {
            errors.push(FieldError::not_supported("spec.template.spec.restartPolicy", &template.spec.restart_policy, &["Always"]));
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

    fn field(&self, name: &str) -> Option<Cow<'_, str>> {
        (name == "status.replicas").then(|| Cow::Owned(self.status.replicas.to_string()))
    }
}

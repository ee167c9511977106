//! DaemonSets (`pkg/registry/apps/daemonset/strategy.go`).

use super::{Strategy, deployment, meta, replica_set};
use api::apps::{DaemonSet, DaemonSetStatus, RollingUpdateDaemonSet};
use api::intstr::IntOrString;
use api::status::{FieldError, FieldErrorKind};

/// Counts the changes of the template.
const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

fn template_generation(set: &DaemonSet) -> i64 {
    set.metadata.annotations.get(TEMPLATE_GENERATION).and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn set_template_generation(set: &mut DaemonSet, number: i64) {
    set.metadata.annotations.insert(TEMPLATE_GENERATION.to_owned(), number.to_string());
}

impl Strategy for DaemonSet {
    fn default(&mut self) {
        let spec = &mut self.spec;
        if spec.update_strategy.type_.is_empty() {
            spec.update_strategy.type_ = "RollingUpdate".to_owned();
        }
        if spec.update_strategy.type_ == "RollingUpdate" {
            let bounds = spec.update_strategy.rolling_update.get_or_insert_with(RollingUpdateDaemonSet::default);
            bounds.max_unavailable.get_or_insert(IntOrString::Int(1));
            bounds.max_surge.get_or_insert(IntOrString::Int(0));
        }
        spec.revision_history_limit.get_or_insert(10);
        super::pod_defaults::pod_spec(&mut spec.template.spec);
    }

    fn prepare_for_create(&mut self) {
        self.status = DaemonSetStatus::default();
        self.metadata.generation = Some(1);
        let number = template_generation(self).max(1);
        set_template_generation(self, number);
    }

    fn validate(&self, errors: &mut Vec<FieldError>) {
        let spec = &self.spec;
        replica_set::selector_and_template("DaemonSet", &spec.selector, &spec.template, errors);
        meta::non_negative(spec.min_ready_seconds.map(i64::from), "spec.minReadySeconds", errors);
        update_strategy(self, errors);
        meta::non_negative(spec.revision_history_limit.map(i64::from), "spec.revisionHistoryLimit", errors);
    }

    fn prepare_for_update(&mut self, old: &Self) {
        self.status = old.status.clone();
        let changes = i64::from(self.spec.template != old.spec.template);
        set_template_generation(self, template_generation(old) + changes);
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
}

fn update_strategy(set: &DaemonSet, errors: &mut Vec<FieldError>) {
    let strategy = &set.spec.update_strategy;
    match (strategy.type_.as_str(), &strategy.rolling_update) {
        ("OnDelete", _) => {}
        ("RollingUpdate", None) => errors.push(FieldError::required("spec.updateStrategy.rollingUpdate", "")),
        ("RollingUpdate", Some(bounds)) => {
            let path = "spec.updateStrategy.rollingUpdate";
            let mut check = |bound: &Option<IntOrString>, field: &str| {
                let (bound, path) = (bound.as_ref()?, format!("{path}.{field}"));
                let number = deployment::positive(bound, &path, errors);
                deployment::at_most_all(bound, number, &path, errors);
                number
            };
            let unavailable = check(&bounds.max_unavailable, "maxUnavailable").unwrap_or(0);
            let surge = check(&bounds.max_surge, "maxSurge").unwrap_or(0);
            if unavailable == 0 && surge == 0 {
                errors.push(FieldError::required(format!("{path}.maxUnavailable"), "cannot be 0 when maxSurge is 0"));
            } else if unavailable != 0 && surge != 0 {
                let value = bounds.max_surge.as_ref().map(deployment::shown).unwrap_or_default();
                let detail = "may not be set when maxUnavailable is non-zero";
                errors.push(FieldError::new(FieldErrorKind::Invalid, format!("{path}.maxSurge"), value, detail));
            }
        }
        (other, _) => errors.push(FieldError::not_supported("spec.updateStrategy", other, &["RollingUpdate", "OnDelete"])),
    }
}

//! Deployments (`pkg/registry/apps/deployment/strategy.go`).

use super::{Strategy, meta, replica_set};
use api::apps::{Deployment, DeploymentStatus, RollingUpdateDeployment};
use api::intstr::IntOrString;
use api::status::{FieldError, FieldErrorKind};

impl Strategy for Deployment {
    fn default(&mut self) {
        let spec = &mut self.spec;
        spec.replicas.get_or_insert(1);
        if spec.strategy.type_.is_empty() {
            spec.strategy.type_ = "RollingUpdate".to_owned();
        }
        if spec.strategy.type_ == "RollingUpdate" {
            let bounds = spec.strategy.rolling_update.get_or_insert_with(RollingUpdateDeployment::default);
            let quarter = || IntOrString::String("25%".to_owned());
            bounds.max_unavailable.get_or_insert_with(quarter);
            bounds.max_surge.get_or_insert_with(quarter);
        }
        spec.revision_history_limit.get_or_insert(10);
        spec.progress_deadline_seconds.get_or_insert(600);
        super::pod_defaults::pod_spec(&mut spec.template.spec);
    }

    fn prepare_for_create(&mut self) {
        self.status = DeploymentStatus::default();
        self.metadata.generation = Some(1);
    }

    fn validate(&self, errors: &mut Vec<FieldError>) {
        let spec = &self.spec;
        meta::non_negative(spec.replicas.map(i64::from), "spec.replicas", errors);
        replica_set::selector_and_template("ReplicaSet", &spec.selector, &spec.template, errors);
        strategy(self, errors);
        meta::non_negative(spec.min_ready_seconds.map(i64::from), "spec.minReadySeconds", errors);
        meta::non_negative(spec.revision_history_limit.map(i64::from), "spec.revisionHistoryLimit", errors);
        if let Some(deadline) = spec.progress_deadline_seconds {
            meta::non_negative(Some(deadline.into()), "spec.progressDeadlineSeconds", errors);
            if deadline <= spec.min_ready_seconds.unwrap_or(0) {
                let detail = "must be greater than minReadySeconds";
                errors.push(FieldError::invalid_number("spec.progressDeadlineSeconds", deadline.into(), detail));
            }
        }
    }

    fn prepare_for_update(&mut self, old: &Self) {
        self.status = old.status.clone();
        if self.spec != old.spec || self.metadata.annotations != old.metadata.annotations {
            self.metadata.generation = Some(old.metadata.generation.unwrap_or(0) + 1);
        }
    }

    fn prepare_status_update(&mut self, old: &Self) {
        self.spec = old.spec.clone();
        self.metadata.labels = old.metadata.labels.clone();
    }

    fn validate_update(&self, old: &Self, errors: &mut Vec<FieldError>) {
        self.validate(errors);
        meta::immutable(&self.spec.selector, &old.spec.selector, "spec.selector", errors);
    }
}

fn strategy(deployment: &Deployment, errors: &mut Vec<FieldError>) {
    let strategy = &deployment.spec.strategy;
    match strategy.type_.as_str() {
        "Recreate" if strategy.rolling_update.is_some() => {
            let detail = "may not be specified when strategy `type` is 'Recreate'";
            errors.push(FieldError::forbidden("spec.strategy.rollingUpdate", detail));
        }
        "Recreate" => {}
        "RollingUpdate" => {
            let Some(bounds) = &strategy.rolling_update else {
                return errors.push(FieldError::required("spec.strategy.rollingUpdate", "this should be defaulted and never be nil"));
            };
            let path = "spec.strategy.rollingUpdate";
            let unavailable = bounds.max_unavailable.as_ref().map(|v| positive(v, &format!("{path}.maxUnavailable"), errors));
            let surge = bounds.max_surge.as_ref().map(|v| positive(v, &format!("{path}.maxSurge"), errors));
            if unavailable.flatten() == Some(0) && surge.flatten() == Some(0) {
                let value = bounds.max_unavailable.as_ref().map(shown).unwrap_or_default();
                let detail = "may not be 0 when `maxSurge` is 0";
                errors.push(FieldError::new(FieldErrorKind::Invalid, format!("{path}.maxUnavailable"), value, detail));
            }
            if let Some(bound) = &bounds.max_unavailable {
                at_most_all(bound, unavailable.flatten(), &format!("{path}.maxUnavailable"), errors);
            }
        }
        other => errors.push(FieldError::not_supported("spec.strategy.type", other, &["Recreate", "RollingUpdate"])),
    }
}

/// Appends that a bound whose number is `number` must not be more than everything (`IsNotMoreThan100Percent`).
pub(super) fn at_most_all(bound: &IntOrString, number: Option<i32>, path: &str, errors: &mut Vec<FieldError>) {
    if let (IntOrString::String(text), Some(101..)) = (bound, number) {
        errors.push(FieldError::invalid(path, text, "must not be greater than 100%"));
    }
}

/// The value as messages show it: texts in quotes, numbers plain.
pub(super) fn shown(value: &IntOrString) -> String {
    match value {
        IntOrString::Int(number) => number.to_string(),
        IntOrString::String(text) => format!("{text:?}"),
    }
}

/// The number, or that before the percent sign; appends what is wrong with it.
pub(super) fn positive(value: &IntOrString, path: &str, errors: &mut Vec<FieldError>) -> Option<i32> {
    match value {
        IntOrString::Int(number) => {
            meta::non_negative(Some(i64::from(*number)), path, errors);
            Some(*number)
        }
        IntOrString::String(text) => {
            let percent = text.strip_suffix('%').filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
            if percent.is_none() {
                let detail = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex \
                              used for validation is '[0-9]+%')";
                errors.push(FieldError::invalid(path, text, detail));
            }
            percent?.parse().ok()
        }
    }
}

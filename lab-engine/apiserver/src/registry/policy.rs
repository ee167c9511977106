//! LimitRanges and ResourceQuotas (`pkg/apis/core/v1/defaults.go`, `pkg/registry/core/{limitrange,resourcequota}`).

use super::Strategy;
use api::core::{LimitRange, ResourceList, ResourceQuota};
use api::status::FieldError;

impl Strategy for LimitRange {
    /// What a container's entry leaves out follows from the rest of it (`SetDefaults_LimitRangeItem`).
    fn default(&mut self) {
        for item in self.spec.limits.iter_mut().filter(|item| item.type_ == "Container") {
            fill(&mut item.default, &item.max);
            fill(&mut item.default_request, &item.default);
            fill(&mut item.default_request, &item.min);
        }
    }

    fn validate(&self, errors: &mut Vec<FieldError>) {
        for (index, item) in self.spec.limits.iter().enumerate() {
            let path = format!("spec.limits[{index}]");
            let mut ordered = |low: (&str, &ResourceList), high: (&str, &ResourceList)| {
                for (name, low_value) in low.1 {
                    if let Some(high_value) = high.1.get(name).filter(|high_value| low_value > *high_value) {
                        let detail = format!("{} value {low_value} is greater than {} value {high_value}", low.0, high.0);
                        let field = low.0.split(' ').next().unwrap_or_default();
                        let field = if low.0 == "default request" { "defaultRequest" } else { field };
                        errors.push(FieldError::invalid(format!("{path}.{field}[{name}]"), &low_value.to_string(), detail));
                    }
                }
            };
            ordered(("min", &item.min), ("max", &item.max));
            ordered(("min", &item.min), ("default request", &item.default_request));
            ordered(("default request", &item.default_request), ("max", &item.max));
            ordered(("default request", &item.default_request), ("default", &item.default));
            ordered(("default", &item.default), ("max", &item.max));
            if item.type_ == "Pod" && !(item.default.is_empty() && item.default_request.is_empty()) {
                errors.push(FieldError::forbidden(format!("{path}.default"), "may not be specified when `type` is 'Pod'"));
            }
        }
    }
}

/// Adds what is missing.
fn fill(list: &mut ResourceList, from: &ResourceList) {
    for (name, quantity) in from {
        list.entry(name.clone()).or_insert(*quantity);
    }
}

impl Strategy for ResourceQuota {
    fn prepare_for_create(&mut self) {
        self.status = Default::default();
    }

    fn prepare_for_update(&mut self, old: &Self) {
        self.status = old.status.clone();
    }

    fn prepare_status_update(&mut self, old: &Self) {
        self.metadata = old.metadata.clone();
        self.spec = old.spec.clone();
    }

    fn validate(&self, errors: &mut Vec<FieldError>) {
        for (name, quantity) in &self.spec.hard {
            if quantity.milli_value() < 0 {
                let detail = "must be greater than or equal to 0";
                errors.push(FieldError::invalid(format!("spec.hard[{name}]"), &quantity.to_string(), detail));
            }
        }
    }

    fn validate_update(&self, old: &Self, errors: &mut Vec<FieldError>) {
        if self.spec.scopes != old.spec.scopes {
            errors.push(FieldError::new(api::status::FieldErrorKind::Invalid, "spec.scopes", "", "field is immutable"));
        }
        self.validate(errors);
    }
}

//! LimitRanges and ResourceQuotas (`pkg/apis/core/v1/defaults.go`, `pkg/registry/core/{limitrange,resourcequota}`).

use super::Strategy;
use api::core::{LimitRange, LimitRangeItem, ResourceList, ResourceQuota};
use api::quantity::Quantity;
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
            validate_item(item, &format!("spec.limits[{index}]"), errors);
        }
    }
}

/// Models the loop of `ValidateLimitRange`.
fn validate_item(item: &LimitRangeItem, path: &str, errors: &mut Vec<FieldError>) {
    if item.type_ == "Pod" {
        for (name, list) in [("default", &item.default), ("defaultRequest", &item.default_request)] {
            if !list.is_empty() {
                errors.push(FieldError::forbidden(format!("{path}.{name}"), "may not be specified when `type` is 'Pod'"));
            }
        }
    }
    // What must not be greater than what, how both are called, and the field that is wrong if it is.
    let ordered = [
        (&item.min, "min", &item.max, "max", "min"),
        (&item.min, "min", &item.default_request, "default request", "defaultRequest"),
        (&item.default_request, "default request", &item.max, "max", "defaultRequest"),
        (&item.default_request, "default request", &item.default, "default limit", "defaultRequest"),
        (&item.min, "min", &item.default, "default", "default"),
        (&item.default, "default", &item.max, "max", "default"),
    ];
    for (low, low_name, high, high_name, field) in ordered {
        for (name, smaller) in low {
            let Some(larger) = high.get(name).filter(|larger| smaller > *larger) else { continue };
            let detail = format!("{low_name} value {smaller} is greater than {high_name} value {larger}");
            errors.push(FieldError::invalid(format!("{path}.{field}[{name}]"), &smaller.to_string(), detail));
        }
    }
}

/// The resources of a quota that are numbers of objects (`IsIntegerResourceName`).
const COUNTED: [&str; 9] = [
    "pods",
    "services",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "services.nodeports",
    "services.loadbalancers",
];

/// Models `ValidateResourceQuotaResourceName` and `ValidateResourceQuantityValue`.
fn validate_hard(name: &str, amount: &Quantity, errors: &mut Vec<FieldError>) {
    let path = format!("spec.hard[{name}]");
    let counted = COUNTED.contains(&name);
    let compute = ["cpu", "memory", "ephemeral-storage"].contains(&name.trim_start_matches("requests.").trim_start_matches("limits."));
    if !counted && !compute && name != "requests.storage" && !name.contains(['/', '-']) {
        errors.push(FieldError::invalid(&path, name, "must be a standard resource type or fully qualified"));
    }
    if *amount < Quantity::default() {
        errors.push(FieldError::invalid(&path, &amount.to_string(), "must be greater than or equal to 0"));
    }
    if counted && !amount.round_up(0).1 {
        errors.push(FieldError::invalid(&path, &amount.to_string(), "must be an integer"));
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
            validate_hard(name, quantity, errors);
        }
    }

    fn validate_update(&self, old: &Self, errors: &mut Vec<FieldError>) {
        if self.spec.scopes != old.spec.scopes {
            errors.push(FieldError::new(api::status::FieldErrorKind::Invalid, "spec.scopes", "", "field is immutable"));
        }
        self.validate(errors);
    }
}

//! LimitRanges and ResourceQuotas (`pkg/apis/core/v1/defaults.go`, `pkg/registry/core/{limitrange,resourcequota}`).

use super::Strategy;
use super::pod_spec::resources;
use super::report::Report;
use api::core::{LimitRange, LimitRangeItem, ResourceList, ResourceQuota, ResourceQuotaSpec};
use api::json::Json;
use api::names;
use api::quantity::Quantity;
use api::status::FieldError;
use serde_json::Value;
use std::collections::BTreeSet;

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
        let mut seen = BTreeSet::new();
        for (index, item) in self.spec.limits.iter().enumerate() {
            let path = format!("spec.limits[{index}]");
            limit_type(&item.type_, &format!("{path}.type"), errors);
            if !seen.insert(&item.type_) {
                errors.duplicate(format!("{path}.type"), &item.type_);
            }
            validate_item(item, &path, errors);
        }
    }
}

/// Models `validateLimitRangeTypeName`.
fn limit_type(name: &str, path: &str, errors: &mut Vec<FieldError>) {
    let wrong = names::qualified_name(name);
    if !wrong.is_empty() {
        errors.malformed(path, name, wrong);
    } else if !name.contains('/') && !matches!(name, "Pod" | "Container" | "PersistentVolumeClaim") {
        errors.invalid(path, name, "must be a standard limit type or fully qualified");
    }
}

/// Models the loop of `ValidateLimitRange`.
fn validate_item(item: &LimitRangeItem, path: &str, errors: &mut Vec<FieldError>) {
    let is_pod = item.type_ == "Pod";
    let named = |list: &ResourceList, field: &str, errors: &mut Vec<FieldError>| {
        let check = if is_pod || item.type_ == "Container" { resources::container_name } else { resources::resource_name };
        for name in list.keys() {
            check(name, &format!("{path}.{field}[{name}]"), errors);
        }
    };
    named(&item.max, "max", errors);
    named(&item.min, "min", errors);
    for (field, list) in [("default", &item.default), ("defaultRequest", &item.default_request)] {
        if !is_pod {
            named(list, field, errors);
        } else if !list.is_empty() {
            errors.forbidden(format!("{path}.{field}"), "may not be specified when `type` is 'Pod'");
        }
    }
    if item.type_ == "PersistentVolumeClaim" && ![&item.min, &item.max].iter().any(|list| list.contains_key("storage")) {
        let detail = "either minimum or maximum storage value is required, but neither was provided";
        errors.required(format!("{path}.limits"), detail);
    }
    named(&item.max_limit_request_ratio, "maxLimitRequestRatio", errors);
    let nothing = ResourceList::new();
    let (default, default_request) = if is_pod { (&nothing, &nothing) } else { (&item.default, &item.default_request) };
    // What must not be greater than what, how both are called, and the field that is wrong if it is.
    let ordered = [
        (&item.min, "min", &item.max, "max", "min"),
        (&item.min, "min", default_request, "default request", "defaultRequest"),
        (default_request, "default request", &item.max, "max", "defaultRequest"),
        (default_request, "default request", default, "default limit", "defaultRequest"),
        (&item.min, "min", default, "default", "default"),
        (default, "default", &item.max, "max", "default"),
    ];
    for (low, low_name, high, high_name, field) in ordered {
        for (name, smaller) in low {
            let Some(larger) = high.get(name).filter(|larger| smaller > *larger) else { continue };
            let detail = format!("{low_name} value {smaller} is greater than {high_name} value {larger}");
            errors.invalid(format!("{path}.{field}[{name}]"), &smaller.to_string(), detail);
        }
    }
    ratios(item, path, errors);
    for (name, request) in default_request.iter().filter(|(name, _)| !resources::can_be_overcommitted(name)) {
        let Some(limit) = default.get(name).filter(|limit| *limit != request) else { continue };
        let detail = format!("default value {limit} must equal to defaultRequest value {request} in {name}");
        errors.invalid(format!("{path}.defaultRequest[{name}]"), &request.to_string(), detail);
    }
}

/// How many times its request a limit may be: at least once, and no more often than the range of both leaves room for.
fn ratios(item: &LimitRangeItem, path: &str, errors: &mut Vec<FieldError>) {
    for (name, ratio) in &item.max_limit_request_ratio {
        let path = format!("{path}.maxLimitRequestRatio[{name}]");
        if *ratio < Quantity::from_milli(1000) {
            errors.invalid(&path, &ratio.to_string(), format!("ratio {ratio} is less than 1"));
        }
        if let (Some(min), Some(max)) = (item.min.get(name), item.max.get(name)) {
            let number = |quantity: &Quantity| quantity.decimal().parse::<f64>().unwrap_or_default();
            let most = number(max) / number(min);
            if number(ratio) > most {
                errors.invalid(path, &ratio.to_string(), format!("ratio {ratio} is greater than max/min = {most:.6}"));
            }
        }
    }
}

/// Models `ValidateResourceQuotaResourceName` and `ValidateResourceQuantityValue`.
fn validate_hard(name: &str, amount: &Quantity, errors: &mut Vec<FieldError>) {
    let path = format!("spec.hard[{name}]");
    resources::resource_name(name, &path, errors);
    if !name.contains('/') && !resources::is_quota(name) {
        errors.invalid(&path, name, "must be a standard resource for quota");
    }
    resources::amount(amount, resources::is_whole(name), &path, errors);
}

/// Whether a scope is one of those there are (`IsStandardResourceQuotaScope`).
fn is_scope(name: &str) -> bool {
    let pods = ["Terminating", "NotTerminating", "BestEffort", "NotBestEffort", "PriorityClass", "CrossNamespacePodAffinity"];
    pods.contains(&name) || name == "VolumeAttributesClass"
}

/// Whether objects of a scope use the resource (`IsResourceQuotaScopeValidForResource`).
fn concerns(scope: &str, resource: &str) -> bool {
    match (scope, resource) {
        ("Terminating" | "NotTerminating" | "NotBestEffort" | "PriorityClass" | "CrossNamespacePodAffinity", resource) => {
            let bare = resource.trim_start_matches("requests.").trim_start_matches("limits.");
            resource == "pods" || matches!(bare, "cpu" | "memory")
        }
        ("BestEffort", resource) => resource == "pods",
        ("VolumeAttributesClass", resource) => matches!(resource, "persistentvolumeclaims" | "requests.storage"),
        _ => true,
    }
}

/// Appends what is wrong with one scope; `at` is where it is named, `all` all that is said of scopes.
fn scope(name: &str, hard: &ResourceList, [at, list]: [&str; 2], all: &Value, errors: &mut Vec<FieldError>) {
    if !is_scope(name) {
        errors.invalid_json(at, all, "unsupported scope");
    }
    for _ in hard.keys().filter(|resource| resources::is_quota(resource) && !concerns(name, resource)) {
        errors.invalid_json(list, all, "unsupported scope applied to resource");
    }
}

/// Appends scopes that nothing is in.
fn conflicts(scopes: &BTreeSet<&str>, path: &str, all: &Value, errors: &mut Vec<FieldError>) {
    for (one, other) in [("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating")] {
        if scopes.contains(one) && scopes.contains(other) {
            errors.invalid_json(path, all, "conflicting scopes");
        }
    }
}

/// Models `validateResourceQuotaScopes` and `validateScopedResourceSelectorRequirement`.
fn scopes(spec: &ResourceQuotaSpec, errors: &mut Vec<FieldError>) {
    let (path, all) = ("spec.scopes", spec.scopes.to_json());
    for name in &spec.scopes {
        scope(name, &spec.hard, [path, path], &all, errors);
    }
    conflicts(&spec.scopes.iter().map(String::as_str).collect(), path, &all, errors);
    let Some(selector) = &spec.scope_selector else { return };
    let (path, all) = ("spec.scopeSelector.matchExpressions", selector.to_json());
    for one in &selector.match_expressions {
        let name = one.scope_name.as_str();
        scope(name, &spec.hard, [&format!("{path}.scopeName"), path], &all, errors);
        let (operator, values) = (format!("{path}.operator"), format!("{path}.values"));
        let only = matches!(name, "BestEffort" | "NotBestEffort" | "Terminating" | "NotTerminating" | "CrossNamespacePodAffinity");
        if only && one.operator != "Exists" {
            let detail = "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, \
                          ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity";
            errors.invalid(&operator, &one.operator, detail);
        }
        match one.operator.as_str() {
            "In" | "NotIn" if one.values.is_empty() => {
                errors.required(values, "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector");
            }
            "Exists" | "DoesNotExist" if !one.values.is_empty() => {
                let detail = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector";
                errors.invalid_json(values, &one.values.to_json(), detail);
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            other => errors.invalid(operator, other, "not a valid selector operator"),
        }
    }
    conflicts(&selector.match_expressions.iter().map(|one| one.scope_name.as_str()).collect(), path, &all, errors);
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
        scopes(&self.spec, errors);
    }

    fn validate_update(&self, old: &Self, errors: &mut Vec<FieldError>) {
        if self.spec.scopes != old.spec.scopes {
            errors.push(FieldError::new(api::status::FieldErrorKind::Invalid, "spec.scopes", "", "field is immutable"));
        }
        self.validate(errors);
    }
}

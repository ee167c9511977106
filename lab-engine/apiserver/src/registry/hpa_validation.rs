//! What is wrong with a HorizontalPodAutoscaler (`pkg/apis/autoscaling/validation/validation.go`).

use super::meta;
use super::report::Report;
use api::autoscaling::{
    CrossVersionObjectReference, HPAScalingRules, HorizontalPodAutoscalerSpec, MetricIdentifier, MetricSpec, MetricTarget,
};
use api::quantity::Quantity;
use api::status::FieldError;

/// The longest that a look back and the period of a policy may be, in seconds.
const MAX_WINDOW: i32 = 3600;
const MAX_PERIOD: i32 = 1800;

const TYPES: [&str; 5] = ["ContainerResource", "External", "Object", "Pods", "Resource"];

/// Appends what is wrong with the spec of an autoscaler.
pub(super) fn spec(spec: &HorizontalPodAutoscalerSpec, errors: &mut Vec<FieldError>) {
    if let Some(min) = spec.min_replicas.filter(|&min| min < 1) {
        errors.invalid_number("spec.minReplicas", min, "must be greater than or equal to 1");
    }
    if spec.max_replicas < 1 {
        errors.invalid_number("spec.maxReplicas", spec.max_replicas, "must be greater than 0");
    }
    if spec.min_replicas.is_some_and(|min| spec.max_replicas < min) {
        errors.invalid_number("spec.maxReplicas", spec.max_replicas, "must be greater than or equal to `minReplicas`");
    }
    reference(&spec.scale_target_ref, "spec.scaleTargetRef", errors);
    for (index, one) in spec.metrics.iter().enumerate() {
        metric(one, &format!("spec.metrics[{index}]"), errors);
    }
    if let Some(behavior) = &spec.behavior {
        for (field, rules) in [("scaleUp", &behavior.scale_up), ("scaleDown", &behavior.scale_down)] {
            if let Some(rules) = rules {
                scaling_rules(rules, &format!("spec.behavior.{field}"), errors);
            }
        }
    }
}

/// Appends that a name must be there and be a part of a path.
fn segment(path: &str, value: &str, detail: &str, errors: &mut Vec<FieldError>) {
    if value.is_empty() {
        errors.required(path, detail);
    } else {
        errors.malformed(path, value, meta::path_segment(value));
    }
}

fn reference(reference: &CrossVersionObjectReference, path: &str, errors: &mut Vec<FieldError>) {
    segment(&format!("{path}.kind"), &reference.kind, "", errors);
    segment(&format!("{path}.name"), &reference.name, "", errors);
}

fn metric(metric: &MetricSpec, path: &str, errors: &mut Vec<FieldError>) {
    let type_ = format!("{path}.type");
    if metric.type_.is_empty() {
        errors.required(&type_, "must specify a metric source type");
    }
    if !TYPES.contains(&metric.type_.as_str()) {
        errors.not_supported(type_, &metric.type_, &TYPES);
    }
    let present: Vec<(&str, &str)> = [
        ("Object", "object", metric.object.is_some()),
        ("External", "external", metric.external.is_some()),
        ("Pods", "pods", metric.pods.is_some()),
        ("Resource", "resource", metric.resource.is_some()),
        ("ContainerResource", "containerResource", metric.container_resource.is_some()),
    ]
    .into_iter()
    .filter(|(.., set)| *set)
    .map(|(type_, field, _)| (type_, field))
    .collect();
    // Only the first of several is looked into.
    if let Some((_, field)) = present.first() {
        source(metric, field, &format!("{path}.{field}"), errors);
    }
    let own = TYPES.iter().find(|known| **known == metric.type_);
    if own.is_some() && !present.iter().any(|(type_, _)| *type_ == metric.type_) {
        let field = format!("{}{}", metric.type_[..1].to_lowercase(), &metric.type_[1..]);
        errors.required(format!("{path}.{field}"), "must populate information for the given metric source");
    }
    if present.len() != 1 {
        for (_, field) in present.iter().filter(|(type_, _)| *type_ != metric.type_) {
            errors.forbidden(format!("{path}.{field}"), "must populate the given metric source only");
        }
    }
}

fn source(metric: &MetricSpec, field: &str, path: &str, errors: &mut Vec<FieldError>) {
    let at = format!("{path}.target");
    match field {
        "object" => {
            let Some(source) = &metric.object else { return };
            reference(&source.described_object, &format!("{path}.describedObject"), errors);
            identifier(&source.metric, path, errors);
            target(&source.target, &at, errors);
            if source.target.value.is_none() && source.target.average_value.is_none() {
                errors.required(format!("{at}.averageValue"), "must set either a target value or averageValue");
            }
        }
        "external" => {
            let Some(source) = &metric.external else { return };
            identifier(&source.metric, path, errors);
            target(&source.target, &at, errors);
            match (source.target.value.is_some(), source.target.average_value.is_some()) {
                (false, false) => {
                    errors.required(format!("{at}.averageValue"), "must set either a target value for metric or a per-pod target");
                }
                (true, true) => {
                    errors.forbidden(format!("{at}.value"), "may not set both a target value for metric and a per-pod target");
                }
                _ => {}
            }
        }
        "pods" => {
            let Some(source) = &metric.pods else { return };
            identifier(&source.metric, path, errors);
            target(&source.target, &at, errors);
            if source.target.average_value.is_none_or(|value| value <= Quantity::default()) {
                errors.required(format!("{at}.averageValue"), "must specify a positive target averageValue");
            }
        }
        "resource" => {
            let Some(source) = &metric.resource else { return };
            resource(&source.name, None, &source.target, path, errors);
        }
        _ => {
            let Some(source) = &metric.container_resource else { return };
            resource(&source.name, Some(&source.container), &source.target, path, errors);
        }
    }
}

fn resource(name: &str, container: Option<&str>, of: &MetricTarget, path: &str, errors: &mut Vec<FieldError>) {
    if name.is_empty() {
        errors.required(format!("{path}.name"), "must specify a resource name");
    }
    if container == Some("") {
        errors.required(format!("{path}.container"), "must specify a container");
    }
    let at = format!("{path}.target");
    target(of, &at, errors);
    match (of.average_utilization.is_some(), of.average_value.is_some()) {
        (false, false) => {
            errors.required(format!("{at}.averageUtilization"), "must set either a target raw value or a target utilization");
        }
        (true, true) => errors.forbidden(format!("{at}.averageValue"), "may not set both a target raw value and a target utilization"),
        _ => {}
    }
}

fn identifier(metric: &MetricIdentifier, path: &str, errors: &mut Vec<FieldError>) {
    segment(&format!("{path}.metric.name"), &metric.name, "must specify a metric name", errors);
}

fn target(target: &MetricTarget, path: &str, errors: &mut Vec<FieldError>) {
    let type_ = format!("{path}.type");
    match target.type_.as_str() {
        "" => errors.required(type_, "must specify a metric target type"),
        "Utilization" | "Value" | "AverageValue" => {}
        other => errors.invalid(type_, other, "must be either Utilization, Value, or AverageValue"),
    }
    for (field, value) in [("value", &target.value), ("averageValue", &target.average_value)] {
        if let Some(value) = value.filter(|value| *value <= Quantity::default()) {
            errors.invalid(format!("{path}.{field}"), &value.to_string(), "must be positive");
        }
    }
    if let Some(percent) = target.average_utilization.filter(|&percent| percent < 1) {
        errors.invalid_number(format!("{path}.averageUtilization"), percent, "must be greater than 0");
    }
}

fn scaling_rules(rules: &HPAScalingRules, path: &str, errors: &mut Vec<FieldError>) {
    let window = format!("{path}.stabilizationWindowSeconds");
    match rules.stabilization_window_seconds {
        Some(seconds) if seconds < 0 => errors.invalid_number(window, seconds, "must be greater than or equal to zero"),
        Some(seconds) if seconds > MAX_WINDOW => {
            errors.invalid_number(window, seconds, format!("must be less than or equal to {MAX_WINDOW}"));
        }
        _ => {}
    }
    let choices = ["Disabled", "Max", "Min"];
    if let Some(choice) = rules.select_policy.as_deref().filter(|choice| !choices.contains(choice)) {
        errors.not_supported(format!("{path}.selectPolicy"), choice, &choices);
    }
    if rules.policies.is_empty() {
        errors.required(format!("{path}.policies"), "must specify at least one Policy");
    }
    for (index, policy) in rules.policies.iter().enumerate() {
        let path = format!("{path}.policies[{index}]");
        if !matches!(policy.type_.as_str(), "Percent" | "Pods") {
            errors.not_supported(format!("{path}.type"), &policy.type_, &["Percent", "Pods"]);
        }
        for (field, value) in [("value", policy.value), ("periodSeconds", policy.period_seconds)] {
            if value <= 0 {
                errors.invalid_number(format!("{path}.{field}"), value, "must be greater than zero");
            }
        }
        if policy.period_seconds > MAX_PERIOD {
            let detail = format!("must be less than or equal to {MAX_PERIOD}");
            errors.invalid_number(format!("{path}.periodSeconds"), policy.period_seconds, detail);
        }
    }
    if let Some(tolerance) = rules.tolerance.filter(|tolerance| *tolerance < Quantity::default()) {
        errors.invalid(format!("{path}.tolerance"), &tolerance.to_string(), "must be greater than or equal to 0");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::json::decode;
    use serde_json::{Value, json};

    fn check(value: Value) -> Vec<String> {
        let mut errors = Vec::new();
        spec(&decode(value).unwrap(), &mut errors);
        errors.iter().map(FieldError::to_string).collect()
    }

    #[test]
    fn bounds_and_target_are_checked() {
        assert_eq!(
            check(json!({"minReplicas": 5, "maxReplicas": 3, "scaleTargetRef": {"kind": "Deployment", "name": "a/b"}})),
            [
                "spec.maxReplicas: Invalid value: 3: must be greater than or equal to `minReplicas`",
                "spec.scaleTargetRef.name: Invalid value: \"a/b\": may not contain '/'"
            ]
        );
    }

    #[test]
    fn a_metric_has_the_source_of_its_type_alone() {
        let target = json!({"type": "Utilization", "averageUtilization": 50});
        let metrics = json!([{"type": "Pods", "resource": {"name": "cpu", "target": target}}]);
        let scale = json!({"kind": "Deployment", "name": "a"});
        assert_eq!(
            check(json!({"maxReplicas": 3, "scaleTargetRef": scale, "metrics": metrics})),
            ["spec.metrics[0].pods: Required value: must populate information for the given metric source"]
        );
    }
}

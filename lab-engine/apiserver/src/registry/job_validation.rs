//! What is wrong with the spec of a Job (`pkg/apis/batch/validation/validation.go`).
//!
//! **Simplified here:** of a success policy the number of rules and that each says something is checked, not the text of its indexes.

use super::{meta, pod_annotations, pod_spec};
use api::batch::{JobSpec, PodFailurePolicyRule};
use api::status::{FieldError, FieldErrorKind};

/// So many rules a policy may have.
const MAX_RULES: usize = 20;
/// So many exit codes, and as many patterns, a rule may have.
const MAX_CODES: usize = 255;
/// The most Pods of an indexed Job with limits for each index that run at once.
const MAX_PARALLEL: i32 = 100_000;

/// Appends what is wrong with the spec of a Job or of its template (`ValidateJobTemplateSpec`, `validateJobSpec`).
pub(super) fn job_spec(spec: &JobSpec, path: &str, errors: &mut Vec<FieldError>) {
    for (field, value) in [
        ("parallelism", spec.parallelism.map(i64::from)),
        ("completions", spec.completions.map(i64::from)),
        ("activeDeadlineSeconds", spec.active_deadline_seconds),
        ("backoffLimit", spec.backoff_limit.map(i64::from)),
        ("ttlSecondsAfterFinished", spec.ttl_seconds_after_finished.map(i64::from)),
        ("backoffLimitPerIndex", spec.backoff_limit_per_index.map(i64::from)),
        ("maxFailedIndexes", spec.max_failed_indexes.map(i64::from)),
    ] {
        meta::non_negative(value, format!("{path}.{field}"), errors);
    }
    indexed(spec, path, errors);
    if let Some(policy) = &spec.pod_failure_policy {
        failure_policy(spec, &policy.rules, path, errors);
    }
    if let Some(policy) = &spec.success_policy {
        if policy.rules.is_empty() {
            let detail = "at least one rules must be specified";
            errors.push(FieldError::required(format!("{path}.successPolicy.rules"), detail));
        }
        for (index, rule) in policy.rules.iter().enumerate() {
            let path = format!("{path}.successPolicy.rules[{index}]");
            if rule.succeeded_count.is_none() && rule.succeeded_indexes.is_none() {
                errors.push(FieldError::required(&path, "at least one of succeededCount or succeededIndexes must be specified"));
            }
            meta::non_negative(rule.succeeded_count.map(i64::from), format!("{path}.succeededCount"), errors);
        }
    }
    if let Some(policy) = spec.pod_replacement_policy.as_deref() {
        let path = format!("{path}.podReplacementPolicy");
        match (spec.pod_failure_policy.is_some(), policy) {
            (_, "Failed") | (false, "TerminatingOrFailed") => {}
            (true, other) => errors.push(FieldError::not_supported(path, other, &["Failed"])),
            (false, other) => errors.push(FieldError::not_supported(path, other, &["Failed", "TerminatingOrFailed"])),
        }
    }
    let template = format!("{path}.template");
    meta::labels(&spec.template.metadata.labels, &format!("{template}.labels"), errors);
    meta::annotations(&spec.template.metadata, &format!("{template}.annotations"), errors);
    pod_annotations::annotations(&spec.template.metadata.annotations, &spec.template.spec, &format!("{template}.annotations"), errors);
    pod_spec::pod_spec(&spec.template.spec, &format!("{template}.spec"), errors);
    let restart = spec.template.spec.restart_policy.as_str();
    let path = format!("{template}.spec.restartPolicy");
    if !matches!(restart, "OnFailure" | "Never") {
        errors.push(FieldError::required(path, "valid values: \"OnFailure\", \"Never\""));
    } else if spec.pod_failure_policy.is_some() && restart != "Never" {
        let detail = "only \"Never\" is supported when podFailurePolicy is specified";
        errors.push(FieldError::invalid(path, restart, detail));
    }
}

/// What only an indexed Job may have, and what it must.
fn indexed(spec: &JobSpec, path: &str, errors: &mut Vec<FieldError>) {
    match spec.completion_mode.as_deref() {
        None | Some("NonIndexed") => {
            for (field, set) in [
                ("backoffLimitPerIndex", spec.backoff_limit_per_index.is_some()),
                ("maxFailedIndexes", spec.max_failed_indexes.is_some()),
                ("successPolicy", spec.success_policy.is_some()),
            ] {
                if set {
                    let detail = "requires indexed completion mode";
                    errors.push(FieldError::new(FieldErrorKind::Invalid, format!("{path}.{field}"), "", detail));
                }
            }
        }
        Some("Indexed") => {
            if spec.completions.is_none() {
                let detail = "when completion mode is Indexed";
                errors.push(FieldError::required(format!("{path}.completions"), detail));
            }
            if let Some(parallelism) = spec.parallelism.filter(|parallelism| *parallelism > MAX_PARALLEL) {
                let detail = format!("must be less than or equal to {MAX_PARALLEL} when completion mode is Indexed");
                errors.push(FieldError::invalid_number(format!("{path}.parallelism"), parallelism.into(), detail));
            }
            if spec.max_failed_indexes.is_some() && spec.backoff_limit_per_index.is_none() {
                let detail = "when maxFailedIndexes is specified";
                errors.push(FieldError::required(format!("{path}.backoffLimitPerIndex"), detail));
            }
            if let (Some(failed), Some(completions)) = (spec.max_failed_indexes, spec.completions)
                && failed > completions
            {
                let detail = "must be less than or equal to completions";
                errors.push(FieldError::invalid_number(format!("{path}.maxFailedIndexes"), failed.into(), detail));
            }
        }
        Some(other) => errors.push(FieldError::not_supported(format!("{path}.completionMode"), other, &["NonIndexed", "Indexed"])),
    }
}

fn failure_policy(spec: &JobSpec, rules: &[PodFailurePolicyRule], path: &str, errors: &mut Vec<FieldError>) {
    let path = format!("{path}.podFailurePolicy.rules");
    if rules.len() > MAX_RULES {
        errors.push(FieldError::new(
            FieldErrorKind::TooMany,
            &path,
            rules.len().to_string(),
            format!("must have at most {MAX_RULES} items"),
        ));
    }
    for (index, rule) in rules.iter().enumerate() {
        failure_rule(spec, rule, &format!("{path}[{index}]"), errors);
    }
}

fn failure_rule(spec: &JobSpec, rule: &PodFailurePolicyRule, path: &str, errors: &mut Vec<FieldError>) {
    match rule.action.as_str() {
        "FailIndex" if spec.backoff_limit_per_index.is_none() => {
            let detail = "requires the backoffLimitPerIndex to be set";
            errors.push(FieldError::invalid(format!("{path}.action"), &rule.action, detail));
        }
        "FailJob" | "FailIndex" | "Ignore" | "Count" => {}
        "" => {
            errors.push(FieldError::required(format!("{path}.action"), "valid values: \"Count\", \"FailIndex\", \"FailJob\", \"Ignore\""))
        }
        other => errors.push(FieldError::not_supported(format!("{path}.action"), other, &["Count", "FailIndex", "FailJob", "Ignore"])),
    }
    match (&rule.on_exit_codes, rule.on_pod_conditions.is_empty()) {
        (Some(_), false) => {
            let detail = "specifying both OnExitCodes and OnPodConditions is not supported";
            errors.push(FieldError::new(FieldErrorKind::Invalid, path, "", detail));
        }
        (None, true) => {
            let detail = "specifying one of OnExitCodes and OnPodConditions is required";
            errors.push(FieldError::new(FieldErrorKind::Invalid, path, "", detail));
        }
        _ => {}
    }
    for (index, pattern) in rule.on_pod_conditions.iter().enumerate() {
        let path = format!("{path}.onPodConditions[{index}].status");
        match pattern.status.as_str() {
            "True" | "False" | "Unknown" => {}
            "" => errors.push(FieldError::required(path, "valid values: \"False\", \"True\", \"Unknown\"")),
            other => errors.push(FieldError::not_supported(path, other, &["False", "True", "Unknown"])),
        }
    }
    let Some(codes) = &rule.on_exit_codes else { return };
    let path = format!("{path}.onExitCodes");
    if !matches!(codes.operator.as_str(), "In" | "NotIn") {
        errors.push(FieldError::not_supported(format!("{path}.operator"), &codes.operator, &["In", "NotIn"]));
    }
    let containers = spec.template.spec.containers.iter().chain(&spec.template.spec.init_containers);
    if let Some(name) = codes.container_name.as_deref().filter(|name| !containers.clone().any(|container| container.name == *name)) {
        let detail = "must be one of the container or initContainer names in the pod template";
        errors.push(FieldError::invalid(format!("{path}.containerName"), name, detail));
    }
    let path = format!("{path}.values");
    if codes.values.is_empty() {
        errors.push(FieldError::new(FieldErrorKind::Invalid, &path, "[]", "at least one value is required"));
    } else if codes.values.len() > MAX_CODES {
        errors.push(FieldError::new(
            FieldErrorKind::TooMany,
            &path,
            codes.values.len().to_string(),
            format!("must have at most {MAX_CODES} items"),
        ));
    }
    if codes.operator == "In"
        && let Some(at) = codes.values.iter().position(|code| *code == 0)
    {
        errors.push(FieldError::invalid_number(format!("{path}[{at}]"), 0, "must not be 0 for the In operator"));
    }
    if !codes.values.is_sorted_by(|a, b| a < b) {
        let list = api::json::Json::to_json(&codes.values).to_string();
        errors.push(FieldError::new(FieldErrorKind::Invalid, &path, list, "must be ordered and without duplicates"));
    }
}

/// Appends what must not change (`ValidateJobSpecUpdate`); `steerable`: the template's scheduling directives may.
pub(super) fn update_rules(new: &JobSpec, old: &JobSpec, steerable: bool, errors: &mut Vec<FieldError>) {
    let elastic = new.completion_mode.as_deref() == Some("Indexed") && new.completions == new.parallelism;
    if new.completions != old.completions && !elastic {
        meta::immutable(&new.completions, &old.completions, "spec.completions", errors);
    }
    meta::immutable(&new.selector, &old.selector, "spec.selector", errors);
    let mut template = new.template.clone();
    if steerable {
        template.metadata.labels.clone_from(&old.template.metadata.labels);
        template.metadata.annotations.clone_from(&old.template.metadata.annotations);
        template.spec.node_selector.clone_from(&old.template.spec.node_selector);
        template.spec.affinity.clone_from(&old.template.spec.affinity);
        template.spec.tolerations.clone_from(&old.template.spec.tolerations);
        template.spec.scheduling_gates.clone_from(&old.template.spec.scheduling_gates);
    }
    meta::immutable(&template, &old.template, "spec.template", errors);
    meta::immutable(&new.completion_mode, &old.completion_mode, "spec.completionMode", errors);
    meta::immutable(&new.pod_failure_policy, &old.pod_failure_policy, "spec.podFailurePolicy", errors);
    meta::immutable(&new.backoff_limit_per_index, &old.backoff_limit_per_index, "spec.backoffLimitPerIndex", errors);
    meta::immutable(&new.managed_by, &old.managed_by, "spec.managedBy", errors);
    meta::immutable(&new.success_policy, &old.success_policy, "spec.successPolicy", errors);
}

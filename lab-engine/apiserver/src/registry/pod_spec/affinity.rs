//! Where a Pod wants to run: affinity to nodes and Pods (`validateAffinity`) and tolerations (`ValidateTolerations`).

use super::super::meta;
use super::super::report::Report;
use api::core::{NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, PodAffinity, PodAffinityTerm, PodSpec, Toleration};
use api::meta::LabelSelector;
use api::names;
use api::status::FieldError;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

/// Appends what is wrong with the affinity of a Pod.
pub(super) fn affinity(spec: &PodSpec, path: &str, errors: &mut Vec<FieldError>) {
    let Some(affinity) = &spec.affinity else { return };
    if let Some(node) = &affinity.node_affinity {
        let path = format!("{path}.nodeAffinity");
        if let Some(required) = &node.required {
            node_selector(required, &format!("{path}.{REQUIRED}"), errors);
        }
        for (index, term) in node.preferred.iter().enumerate() {
            let path = format!("{path}.{PREFERRED}[{index}]");
            weight(term.weight, &path, errors);
            node_term(&term.preference, false, &format!("{path}.preference"), errors);
        }
    }
    for (name, pods) in [("podAffinity", &affinity.pod_affinity), ("podAntiAffinity", &affinity.pod_anti_affinity)] {
        if let Some(pods) = pods {
            pod_affinity(pods, &format!("{path}.{name}"), errors);
        }
    }
}

fn pod_affinity(affinity: &PodAffinity, path: &str, errors: &mut Vec<FieldError>) {
    for (index, term) in affinity.required.iter().enumerate() {
        pod_term(term, &format!("{path}.{REQUIRED}[{index}]"), errors);
    }
    for (index, term) in affinity.preferred.iter().enumerate() {
        let path = format!("{path}.{PREFERRED}[{index}]");
        weight(term.weight, &path, errors);
        pod_term(&term.pod_affinity_term, &format!("{path}.podAffinityTerm"), errors);
    }
}

fn weight(weight: i32, path: &str, errors: &mut Vec<FieldError>) {
    if !(1..=100).contains(&weight) {
        errors.invalid_number(format!("{path}.weight"), weight, "must be in the range 1-100");
    }
}

fn pod_term(term: &PodAffinityTerm, path: &str, errors: &mut Vec<FieldError>) {
    for (name, selector) in [("labelSelector", &term.label_selector), ("namespaceSelector", &term.namespace_selector)] {
        if let Some(selector) = selector {
            meta::label_selector(selector, &format!("{path}.{name}"), errors);
        }
    }
    for namespace in &term.namespaces {
        errors.label(&format!("{path}.namespace"), namespace);
    }
    label_keys(term, path, errors);
    let path = format!("{path}.topologyKey");
    if term.topology_key.is_empty() {
        errors.required(&path, "can not be empty");
    }
    errors.qualified(&path, &term.topology_key);
}

/// The keys in a list of label keys.
fn keys<'a>(term: &'a PodAffinityTerm, field: &str) -> Vec<&'a str> {
    term.rest.get(field).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

/// `matchLabelKeys` and `mismatchLabelKeys` (`validateMatchLabelKeysAndMismatchLabelKeys`).
fn label_keys(term: &PodAffinityTerm, path: &str, errors: &mut Vec<FieldError>) {
    let (matching, differing) = (keys(term, "matchLabelKeys"), keys(term, "mismatchLabelKeys"));
    for (field, keys) in [("matchLabelKeys", &matching), ("mismatchLabelKeys", &differing)] {
        let path = format!("{path}.{field}");
        if !keys.is_empty() && term.label_selector.is_none() {
            errors.forbidden(path, "must not be specified when labelSelector is not set");
            continue;
        }
        for (index, key) in keys.iter().enumerate() {
            errors.qualified(&format!("{path}[{index}]"), key);
        }
    }
    if let Some(selector) = &term.label_selector {
        let place: BTreeMap<&str, usize> = matching.iter().enumerate().map(|(index, key)| (*key, index)).collect();
        let mut seen: BTreeSet<&str> = selector.match_labels.keys().map(String::as_str).collect();
        // The server itself adds one requirement for each of the keys; a second one is the author's.
        for key in selector.match_expressions.iter().map(|requirement| requirement.key.as_str()) {
            if let (Some(index), true) = (place.get(key), seen.contains(key)) {
                errors.invalid(format!("{path}[{index}]"), key, "exists in both matchLabelKeys and labelSelector");
            }
            seen.insert(key);
        }
    }
    for (index, key) in matching.iter().enumerate().filter(|(_, key)| differing.contains(key)) {
        errors.invalid(format!("{path}.matchLabelKeys[{index}]"), key, "exists in both matchLabelKeys and mismatchLabelKeys");
    }
}

/// Appends what is wrong with terms of which a node must fulfil one (`ValidateNodeSelector`).
pub(in super::super) fn node_selector(selector: &NodeSelector, path: &str, errors: &mut Vec<FieldError>) {
    let path = format!("{path}.nodeSelectorTerms");
    if selector.node_selector_terms.is_empty() {
        errors.required(&path, "must have at least one node selector term");
    }
    for (index, term) in selector.node_selector_terms.iter().enumerate() {
        node_term(term, true, &format!("{path}[{index}]"), errors);
    }
}

/// `strict`: the values must be such as labels have. Wishes may have others: they were never refused.
fn node_term(term: &NodeSelectorTerm, strict: bool, path: &str, errors: &mut Vec<FieldError>) {
    for (index, one) in term.match_expressions.iter().enumerate() {
        let path = format!("{path}.matchExpressions[{index}]");
        label_requirement(one, &path, errors);
        for (at, value) in one.values.iter().enumerate().filter(|_| strict) {
            errors.malformed(&format!("{path}.values[{at}]"), value, names::label_value(value));
        }
    }
    for (index, one) in term.match_fields.iter().enumerate() {
        let path = format!("{path}.matchFields[{index}]");
        match one.operator.as_str() {
            "In" | "NotIn" if one.values.len() != 1 => {
                let detail = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
                errors.required(format!("{path}.values"), detail);
            }
            "In" | "NotIn" => {}
            other => errors.invalid(format!("{path}.operator"), other, "not a valid selector operator"),
        }
        if one.key == "metadata.name" {
            for (at, name) in one.values.iter().enumerate() {
                errors.subdomain(&format!("{path}.values[{at}]"), name);
            }
        } else {
            errors.invalid(format!("{path}.key"), &one.key, "not a valid field selector key");
        }
    }
}

fn label_requirement(one: &NodeSelectorRequirement, path: &str, errors: &mut Vec<FieldError>) {
    match one.operator.as_str() {
        "In" | "NotIn" if one.values.is_empty() => {
            errors.required(format!("{path}.values"), "must be specified when `operator` is 'In' or 'NotIn'");
        }
        "Exists" | "DoesNotExist" if !one.values.is_empty() => {
            errors.forbidden(format!("{path}.values"), "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
        }
        "Gt" | "Lt" if one.values.len() != 1 => {
            errors.required(format!("{path}.values"), "must be specified single value when `operator` is 'Lt' or 'Gt'");
        }
        "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => {}
        other => errors.invalid(format!("{path}.operator"), other, "not a valid selector operator"),
    }
    errors.qualified(&format!("{path}.key"), &one.key);
}

/// Appends what is wrong with tolerations.
pub(in super::super) fn tolerations(tolerations: &[Toleration], path: &str, errors: &mut Vec<FieldError>) {
    for (index, toleration) in tolerations.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let (operator, effect) = (format!("{path}.operator"), format!("{path}.effect"));
        if !toleration.key.is_empty() {
            errors.qualified(&format!("{path}.key"), &toleration.key);
        } else if toleration.operator != "Exists" {
            let detail = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
            errors.invalid(&operator, &toleration.operator, detail);
        }
        if toleration.toleration_seconds.is_some() && toleration.effect != "NoExecute" {
            errors.invalid(&effect, &toleration.effect, "effect must be 'NoExecute' when `tolerationSeconds` is set");
        }
        match toleration.operator.as_str() {
            "" | "Equal" => {
                let wrong = names::label_value(&toleration.value);
                if !wrong.is_empty() {
                    errors.invalid(operator, &toleration.value, wrong.join(";"));
                }
            }
            "Lt" | "Gt" => {}
            "Exists" if !toleration.value.is_empty() => {
                errors.invalid(operator, &toleration.value, "value must be empty when `operator` is 'Exists'");
            }
            "Exists" => {}
            other => errors.not_supported(operator, other, &["Equal", "Exists"]),
        }
        if !toleration.effect.is_empty() {
            errors.choice(effect, &toleration.effect, &["NoSchedule", "PreferNoSchedule", "NoExecute"]);
        }
    }
}

/// Appends what is wrong with how a Pod is to be spread (`validateTopologySpreadConstraints`).
pub(super) fn topology_spread(spec: &PodSpec, path: &str, errors: &mut Vec<FieldError>) {
    let constraints = &spec.topology_spread_constraints;
    for (index, one) in constraints.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let positive = "must be greater than zero";
        if one.max_skew <= 0 {
            errors.invalid_number(format!("{path}.maxSkew"), one.max_skew, positive);
        }
        if one.topology_key.is_empty() {
            errors.required(format!("{path}.topologyKey"), "can not be empty");
        }
        let actions = ["DoNotSchedule", "ScheduleAnyway"];
        if !actions.contains(&one.when_unsatisfiable.as_str()) {
            errors.not_supported(format!("{path}.whenUnsatisfiable"), &one.when_unsatisfiable, &actions);
        }
        let pair = (&one.topology_key, &one.when_unsatisfiable);
        if constraints[index + 1..].iter().any(|other| (&other.topology_key, &other.when_unsatisfiable) == pair) {
            errors.duplicate(format!("{path}.{{topologyKey, whenUnsatisfiable}}"), &format!("{{{}, {}}}", pair.0, pair.1));
        }
        if let Some(domains) = one.min_domains {
            let path = format!("{path}.minDomains");
            if domains <= 0 {
                errors.invalid_number(&path, domains, positive);
            }
            if one.when_unsatisfiable != "DoNotSchedule" {
                let detail = format!("can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {}", one.when_unsatisfiable);
                errors.invalid_number(path, domains, detail);
            }
        }
        for (field, policy) in [("nodeAffinityPolicy", &one.node_affinity_policy), ("nodeTaintsPolicy", &one.node_taints_policy)] {
            if let Some(policy) = policy.as_deref().filter(|policy| !matches!(*policy, "Honor" | "Ignore")) {
                errors.not_supported(format!("{path}.{field}"), policy, &["Honor", "Ignore"]);
            }
        }
        spread_keys(&one.match_label_keys, one.label_selector.as_ref(), &format!("{path}.matchLabelKeys"), errors);
        if let Some(selector) = &one.label_selector {
            meta::label_selector(selector, &format!("{path}.labelSelector"), errors);
        }
    }
}

fn spread_keys(keys: &[String], selector: Option<&LabelSelector>, path: &str, errors: &mut Vec<FieldError>) {
    if !keys.is_empty() && selector.is_none() {
        errors.forbidden(path, "must not be specified when labelSelector is not set");
    }
    for (index, key) in keys.iter().enumerate() {
        let path = format!("{path}[{index}]");
        errors.qualified(&path, key);
        let twice = selector.is_some_and(|selector| {
            selector.match_labels.contains_key(key) || selector.match_expressions.iter().any(|requirement| requirement.key == *key)
        });
        if twice {
            errors.invalid(path, key, "exists in both matchLabelKeys and labelSelector");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::json::decode;
    use serde_json::json;

    fn check(spec: Value) -> Vec<String> {
        let spec: PodSpec = decode(spec).unwrap();
        let mut errors = Vec::new();
        affinity(&spec, "a", &mut errors);
        topology_spread(&spec, "t", &mut errors);
        errors.iter().map(FieldError::to_string).collect()
    }

    #[test]
    fn one_kind_of_spreading_stands_once() {
        let one = json!({"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"});
        assert_eq!(
            check(json!({"topologySpreadConstraints": [one, one]})),
            ["t[0].{topologyKey, whenUnsatisfiable}: Duplicate value: \"{zone, ScheduleAnyway}\""]
        );
        let few = json!({"maxSkew": 0, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway", "minDomains": 2});
        assert_eq!(
            check(json!({"topologySpreadConstraints": [few]})),
            [
                "t[0].maxSkew: Invalid value: 0: must be greater than zero",
                "t[0].minDomains: Invalid value: 2: can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ScheduleAnyway"
            ]
        );
    }

    #[test]
    fn keys_of_labels_need_a_selector() {
        let term = json!({"topologyKey": "zone", "matchLabelKeys": ["a"]});
        let spec = json!({"affinity": {"podAffinity": {REQUIRED: [term]}}});
        let path = format!("a.podAffinity.{REQUIRED}[0]");
        assert_eq!(check(spec), [format!("{path}.matchLabelKeys: Forbidden: must not be specified when labelSelector is not set")]);
    }

    #[test]
    fn values_that_must_hold_are_label_values() {
        let term = json!({"matchExpressions": [{"key": "k", "operator": "In", "values": ["a b"]}]});
        let hard = json!({"affinity": {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [term]}}}});
        assert_eq!(check(hard).len(), 1);
        let soft = json!({"affinity": {"nodeAffinity": {PREFERRED: [{"weight": 1, "preference": term}]}}});
        assert!(check(soft).is_empty());
    }
}

//! Validation of what is kept as JSON: security contexts and projected volumes of Pods; and of affinity
//! (`pkg/apis/core/validation/validation.go`).
//!
//! **Simplified here:** SELinux, seccomp and Windows options and most volume sources are not checked.

use super::meta;
use api::core::{NodeSelector, NodeSelectorTerm, PodAffinity, PodAffinityTerm, PodSpec};
use api::names;
use api::status::{FieldError, FieldErrorKind};
use serde_json::Value;

/// The Pod's spec as JSON holds what has no struct.
pub(super) fn pod_spec(spec: &PodSpec, path: &str, errors: &mut Vec<FieldError>) {
    let rest = api::json::Json::to_json(spec);
    let context = &rest["securityContext"];
    ids(context, &format!("{path}.securityContext"), errors);
    let flag = |name: &str| rest[name] == true;
    if flag("shareProcessNamespace") && flag("hostPID") {
        let detail = "ShareProcessNamespace and HostPID cannot both be enabled";
        errors.push(FieldError::new(FieldErrorKind::Invalid, format!("{path}.securityContext.shareProcessNamespace"), "true", detail));
    }
    for kind in ["initContainers", "containers"] {
        for (index, container) in rest[kind].as_array().into_iter().flatten().enumerate() {
            ids(&container["securityContext"], &format!("{path}.{kind}[{index}].securityContext"), errors);
        }
    }
    for (index, volume) in rest["volumes"].as_array().into_iter().flatten().enumerate() {
        for (place, source) in volume["projected"]["sources"].as_array().into_iter().flatten().enumerate() {
            if source.get("serviceAccountToken").is_some() && spec.service_account_name.is_empty() {
                let path = format!("{path}.volumes[{index}].projected.sources[{place}].serviceAccountToken");
                errors.push(FieldError::forbidden(path, "must not be specified when serviceAccountName is not set"));
            }
        }
    }
    for (index, alias) in spec.host_aliases.iter().enumerate() {
        let wrong = names::ip(&alias.ip).into_iter();
        errors.extend(wrong.map(|detail| FieldError::invalid(format!("{path}.hostAliases[{index}].ip"), &alias.ip, detail)));
        for name in &alias.hostnames {
            let wrong = names::dns1123_subdomain(name).into_iter();
            errors.extend(wrong.map(|detail| FieldError::invalid(format!("{path}.hostAliases.hostnames"), name, detail)));
        }
    }
    affinity(spec, &format!("{path}.affinity"), errors);
}

/// The ids of users and groups in a security context.
fn ids(context: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let mut check = |id: &Value, path: String| {
        if let Some(id) = id.as_i64()
            && let Some(detail) = names::user_id(id)
        {
            errors.push(FieldError::invalid_number(path, id, detail));
        }
    };
    for name in ["runAsUser", "runAsGroup", "fsGroup"] {
        check(&context[name], format!("{path}.{name}"));
    }
    for (index, id) in context["supplementalGroups"].as_array().into_iter().flatten().enumerate() {
        check(id, format!("{path}.supplementalGroups[{index}]"));
    }
}

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

fn affinity(spec: &PodSpec, path: &str, errors: &mut Vec<FieldError>) {
    let Some(affinity) = &spec.affinity else { return };
    if let Some(node) = &affinity.node_affinity {
        let path = format!("{path}.nodeAffinity");
        if let Some(required) = &node.required {
            node_selector(required, &format!("{path}.{REQUIRED}"), errors);
        }
        for (index, term) in node.preferred.iter().enumerate() {
            let path = format!("{path}.{PREFERRED}[{index}]");
            weight(term.weight, &path, errors);
            node_term(&term.preference, &format!("{path}.preference"), errors);
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
        errors.push(FieldError::invalid_number(format!("{path}.weight"), weight.into(), "must be in the range 1-100"));
    }
}

fn pod_term(term: &PodAffinityTerm, path: &str, errors: &mut Vec<FieldError>) {
    for (name, selector) in [("labelSelector", &term.label_selector), ("namespaceSelector", &term.namespace_selector)] {
        if let Some(selector) = selector {
            meta::label_selector(selector, &format!("{path}.{name}"), errors);
        }
    }
    for namespace in &term.namespaces {
        let wrong = names::dns1123_label(namespace).into_iter();
        errors.extend(wrong.map(|detail| FieldError::invalid(format!("{path}.namespace"), namespace, detail)));
    }
    let path = format!("{path}.topologyKey");
    if term.topology_key.is_empty() {
        errors.push(FieldError::required(&path, "can not be empty"));
    }
    errors.extend(names::qualified_name(&term.topology_key).into_iter().map(|d| FieldError::invalid(&path, &term.topology_key, d)));
}

fn node_selector(selector: &NodeSelector, path: &str, errors: &mut Vec<FieldError>) {
    let path = format!("{path}.nodeSelectorTerms");
    if selector.node_selector_terms.is_empty() {
        errors.push(FieldError::required(&path, "must have at least one node selector term"));
    }
    for (index, term) in selector.node_selector_terms.iter().enumerate() {
        node_term(term, &format!("{path}[{index}]"), errors);
    }
}

fn node_term(term: &NodeSelectorTerm, path: &str, errors: &mut Vec<FieldError>) {
    for (index, one) in term.match_expressions.iter().enumerate() {
        let path = format!("{path}.matchExpressions[{index}]");
        match one.operator.as_str() {
            "In" | "NotIn" if one.values.is_empty() => {
                let detail = "must be specified when `operator` is 'In' or 'NotIn'";
                errors.push(FieldError::required(format!("{path}.values"), detail));
            }
            "Exists" | "DoesNotExist" if !one.values.is_empty() => {
                let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                errors.push(FieldError::forbidden(format!("{path}.values"), detail));
            }
            "Gt" | "Lt" if one.values.len() != 1 => {
                let detail = "must be specified single value when `operator` is 'Lt' or 'Gt'";
                errors.push(FieldError::required(format!("{path}.values"), detail));
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => {}
            other => errors.push(FieldError::invalid(format!("{path}.operator"), other, "not a valid selector operator")),
        }
        errors.extend(names::qualified_name(&one.key).into_iter().map(|d| FieldError::invalid(format!("{path}.key"), &one.key, d)));
    }
    for (index, one) in term.match_fields.iter().enumerate() {
        let path = format!("{path}.matchFields[{index}]");
        match one.operator.as_str() {
            "In" | "NotIn" if one.values.len() != 1 => {
                let detail = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
                errors.push(FieldError::required(format!("{path}.values"), detail));
            }
            "In" | "NotIn" => {}
            other => errors.push(FieldError::invalid(format!("{path}.operator"), other, "not a valid selector operator")),
        }
        if one.key != "metadata.name" {
            errors.push(FieldError::invalid(format!("{path}.key"), &one.key, "not a valid field selector key"));
        }
    }
}

//! Validation of metadata (`k8s.io/apimachinery/pkg/api/validation/objectmeta.go`).

use api::Object;
use api::json::Json;
use api::meta::{LabelSelector, ObjectMeta, StringMap};
use api::names;
use api::status::{FieldError, FieldErrorKind};

/// Annotations may have so many bytes together.
const MAX_ANNOTATIONS: usize = 256 * 1024;

/// Appends what is wrong with the metadata.
pub(super) fn validate(object: &Object, errors: &mut Vec<FieldError>) {
    let metadata = object.metadata();
    if metadata.name.is_empty() {
        errors.push(FieldError::required("metadata.name", "name or generateName is required"));
    } else {
        let wrong = match object.kind() {
            "Namespace" => names::dns1123_label(&metadata.name),
            "Service" => names::dns1035_label(&metadata.name),
            // RBAC names may be any path segment.
            "Role" | "ClusterRole" | "RoleBinding" | "ClusterRoleBinding" => path_segment(&metadata.name),
            "IPAddress" => names::ip(&metadata.name),
            _ => names::dns1123_subdomain(&metadata.name),
        };
        errors.extend(wrong.into_iter().map(|detail| FieldError::invalid("metadata.name", &metadata.name, detail)));
    }
    if !metadata.generate_name.is_empty() {
        let prefix = metadata.generate_name.strip_suffix('-').map_or_else(|| metadata.generate_name.clone(), |p| format!("{p}a"));
        let wrong = if object.kind() == "Service" { names::dns1035_label(&prefix) } else { names::dns1123_subdomain(&prefix) };
        errors.extend(wrong.into_iter().map(|d| FieldError::invalid("metadata.generateName", &metadata.generate_name, d)));
    }
    namespace(object, errors);
    labels(&metadata.labels, "metadata.labels", errors);
    annotations(metadata, "metadata.annotations", errors);
    for (index, owner) in metadata.owner_references.iter().enumerate() {
        let path = format!("metadata.ownerReferences[{index}]");
        let missing = [("apiVersion", &owner.api_version), ("kind", &owner.kind), ("name", &owner.name), ("uid", &owner.uid)];
        for (field, _) in missing.into_iter().filter(|(_, value)| value.is_empty()) {
            errors.push(FieldError::required(format!("{path}.{field}"), "must not be empty"));
        }
        if owner.api_version == "v1" && owner.kind == "Event" {
            let detail = "/v1, Kind=Event is disallowed from being an owner";
            errors.push(FieldError::new(FieldErrorKind::Invalid, &path, owner.to_json().to_string(), detail));
        }
    }
    let controllers: Vec<String> = metadata
        .owner_references
        .iter()
        .filter(|owner| owner.controller == Some(true))
        .map(|owner| format!("{}/{}", owner.kind, owner.name))
        .collect();
    for other in controllers.iter().skip(1) {
        let first = &controllers[0];
        let detail = format!("Only one reference can have Controller set to true. Found \"true\" in references for {first} and {other}");
        let value = metadata.owner_references.to_json().to_string();
        errors.push(FieldError::new(FieldErrorKind::Invalid, "metadata.ownerReferences", value, detail));
    }
    for finalizer in &metadata.finalizers {
        let wrong = names::qualified_name(finalizer).into_iter();
        errors.extend(wrong.map(|detail| FieldError::invalid("metadata.finalizers", finalizer, detail)));
    }
}

fn namespace(object: &Object, errors: &mut Vec<FieldError>) {
    let namespace = &object.metadata().namespace;
    let Some(kind) = object.info() else { return };
    if !kind.namespaced {
        if !namespace.is_empty() {
            errors.push(FieldError::forbidden("metadata.namespace", "not allowed on this type"));
        }
    } else if namespace.is_empty() {
        errors.push(FieldError::required("metadata.namespace", ""));
    } else {
        let wrong = names::dns1123_label(namespace).into_iter();
        errors.extend(wrong.map(|detail| FieldError::invalid("metadata.namespace", namespace, detail)));
    }
}

/// What is wrong with a part of a path (`IsPathSegmentName`).
pub(super) fn path_segment(name: &str) -> Vec<String> {
    match name {
        "." | ".." => vec![format!("may not be '{name}'")],
        name => ["/", "%"].into_iter().filter(|bad| name.contains(bad)).map(|bad| format!("may not contain '{bad}'")).collect(),
    }
}

/// Appends what is wrong with labels.
pub(super) fn labels(labels: &StringMap, path: &str, errors: &mut Vec<FieldError>) {
    for (key, value) in labels {
        errors.extend(names::qualified_name(key).into_iter().map(|detail| FieldError::invalid(path, key, detail)));
        errors.extend(names::label_value(value).into_iter().map(|detail| FieldError::invalid(path, value, detail)));
    }
}

/// Appends what is wrong with annotations.
pub(super) fn annotations(metadata: &ObjectMeta, path: &str, errors: &mut Vec<FieldError>) {
    for key in metadata.annotations.keys() {
        let wrong = names::qualified_name(&key.to_lowercase()).into_iter();
        errors.extend(wrong.map(|detail| FieldError::invalid(path, key, detail)));
    }
    if metadata.annotations.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>() > MAX_ANNOTATIONS {
        let detail = format!("may not be more than {MAX_ANNOTATIONS} bytes");
        errors.push(FieldError::new(FieldErrorKind::TooLong, path, "", detail));
    }
}

/// Appends what is wrong with a label selector (`ValidateLabelSelector`).
pub(super) fn label_selector(selector: &LabelSelector, path: &str, errors: &mut Vec<FieldError>) {
    labels(&selector.match_labels, &format!("{path}.matchLabels"), errors);
    for (index, requirement) in selector.match_expressions.iter().enumerate() {
        let path = format!("{path}.matchExpressions[{index}]");
        match requirement.operator.as_str() {
            "In" | "NotIn" if requirement.values.is_empty() => {
                let detail = "must be specified when `operator` is 'In' or 'NotIn'";
                errors.push(FieldError::required(format!("{path}.values"), detail));
            }
            "Exists" | "DoesNotExist" if !requirement.values.is_empty() => {
                let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                errors.push(FieldError::forbidden(format!("{path}.values"), detail));
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            other => errors.push(FieldError::invalid(format!("{path}.operator"), other, "not a valid selector operator")),
        }
        let wrong = names::qualified_name(&requirement.key).into_iter();
        errors.extend(wrong.map(|detail| FieldError::invalid(format!("{path}.key"), &requirement.key, detail)));
        for (at, value) in requirement.values.iter().enumerate() {
            let wrong = names::label_value(value).into_iter();
            errors.extend(wrong.map(|detail| FieldError::invalid(format!("{path}.values[{at}]"), value, detail)));
        }
    }
}

/// Appends what is wrong with a change of metadata (`ValidateObjectMetaUpdate`).
pub(super) fn validate_update(new: &Object, old: &Object, errors: &mut Vec<FieldError>) {
    let (new, old) = (new.metadata(), old.metadata());
    if let Some(seconds) = new.deletion_grace_period_seconds.filter(|seconds| old.deletion_grace_period_seconds != Some(*seconds)) {
        let detail = "field is immutable; may only be changed via deletion";
        errors.push(FieldError::invalid_number("metadata.deletionGracePeriodSeconds", seconds, detail));
    }
    immutable(&new.name, &old.name, "metadata.name", errors);
    immutable(&new.namespace, &old.namespace, "metadata.namespace", errors);
    // Who leaves these out means what is there.
    if !new.uid.is_empty() {
        immutable(&new.uid, &old.uid, "metadata.uid", errors);
    }
    if new.creation_timestamp.is_some() {
        immutable(&new.creation_timestamp, &old.creation_timestamp, "metadata.creationTimestamp", errors);
    }
    immutable(&new.deletion_timestamp, &old.deletion_timestamp, "metadata.deletionTimestamp", errors);
    if old.is_deleting() {
        let added: Vec<&String> = new.finalizers.iter().filter(|finalizer| !old.finalizers.contains(finalizer)).collect();
        if !added.is_empty() {
            let detail = format!("no new finalizers can be added if the object is being deleted, found new finalizers {added:?}");
            errors.push(FieldError::forbidden("metadata.finalizers", detail));
        }
    }
}

/// Appends that a field must not change.
pub(super) fn immutable<T: PartialEq + Json>(new: &T, old: &T, path: &str, errors: &mut Vec<FieldError>) {
    if new != old {
        let value = new.to_json().to_string();
        errors.push(FieldError::new(FieldErrorKind::Invalid, path, value, "field is immutable"));
    }
}

/// Appends that a number must not be negative.
pub(super) fn non_negative(value: Option<i64>, path: impl Into<String>, errors: &mut Vec<FieldError>) {
    if let Some(value) = value.filter(|&value| value < 0) {
        errors.push(FieldError::invalid_number(path, value, "must be greater than or equal to 0"));
    }
}

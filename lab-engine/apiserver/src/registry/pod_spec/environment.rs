//! The environment of a container (`ValidateEnv`, `ValidateEnvFrom`), and what it may take from a Pod.

use super::super::report::Report;
use api::core::{Container, EnvFromSource, EnvVar, KeySelector, ObjectFieldSelector, ResourceFieldSelector};
use api::names;
use api::quantity::Quantity;
use api::status::FieldError;

/// The fields of a Pod that can be the value of a variable (`validEnvDownwardAPIFieldPathExpressions`).
const FIELDS: [&str; 9] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];

/// What of a container's resources can be a value (`validContainerResourceFieldPathExpressions`).
const RESOURCES: [&str; 6] =
    ["limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu", "requests.ephemeral-storage", "requests.memory"];

/// The units in which bytes can be given.
const BYTE_UNITS: [&str; 13] = ["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"];

/// Appends what is wrong with the environment of a container.
pub(super) fn environment(container: &Container, path: &str, errors: &mut Vec<FieldError>) {
    for (index, variable) in container.env.iter().enumerate() {
        let path = format!("{path}.env[{index}]");
        if variable.name.is_empty() {
            errors.required(format!("{path}.name"), "");
        } else if let Some(detail) = names::env_name(&variable.name) {
            errors.invalid(format!("{path}.name"), &variable.name, detail);
        }
        value_from(variable, &format!("{path}.valueFrom"), errors);
    }
    for (index, source) in container.env_from.iter().enumerate() {
        env_from(source, &format!("{path}.envFrom"), index, errors);
    }
}

fn value_from(variable: &EnvVar, path: &str, errors: &mut Vec<FieldError>) {
    let Some(source) = &variable.value_from else { return };
    if let Some(field) = &source.field_ref {
        field_selector(field, &FIELDS, &format!("{path}.fieldRef"), errors);
    }
    if let Some(resource) = &source.resource_field_ref {
        resource_selector(resource, false, &format!("{path}.resourceFieldRef"), errors);
    }
    if let Some(key) = &source.config_map_key_ref {
        key_selector(key, &format!("{path}.configMapKeyRef"), errors);
    }
    if let Some(key) = &source.secret_key_ref {
        key_selector(key, &format!("{path}.secretKeyRef"), errors);
    }
    let set = [
        source.field_ref.is_some(),
        source.resource_field_ref.is_some(),
        source.config_map_key_ref.is_some(),
        source.secret_key_ref.is_some(),
        source.rest.get("fileKeyRef").is_some(),
    ];
    match set.iter().filter(|&&set| set).count() {
        0 => {
            let detail = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`";
            errors.invalid(path, "", detail);
        }
        _ if !variable.value.is_empty() => errors.invalid(path, "", "may not be specified when `value` is not empty"),
        1 => {}
        _ => errors.invalid(path, "", "may not have more than one field specified at a time"),
    }
}

fn key_selector(selector: &KeySelector, path: &str, errors: &mut Vec<FieldError>) {
    errors.subdomain(&format!("{path}.name"), &selector.name);
    let key = format!("{path}.key");
    if selector.key.is_empty() {
        errors.required(key, "");
    } else {
        errors.malformed(&key, &selector.key, names::config_key(&selector.key));
    }
}

fn env_from(source: &EnvFromSource, list: &str, index: usize, errors: &mut Vec<FieldError>) {
    let path = format!("{list}[{index}]");
    if let Some(detail) = Some(&source.prefix).filter(|prefix| !prefix.is_empty()).and_then(|prefix| names::env_name(prefix)) {
        errors.invalid(format!("{path}.prefix"), &source.prefix, detail);
    }
    let objects = [("configMapRef", &source.config_map_ref), ("secretRef", &source.secret_ref)];
    for (kind, object) in objects {
        let Some(object) = object else { continue };
        let name = format!("{path}.{kind}.name");
        if object.name.is_empty() {
            errors.required(name, "");
        } else {
            // A name may end as the beginning of a generated one may.
            let base = object.name.strip_suffix('-').map_or_else(|| object.name.clone(), |base| format!("{base}a"));
            errors.malformed(&name, &object.name, names::dns1123_subdomain(&base));
        }
    }
    match objects.iter().filter(|(_, object)| object.is_some()).count() {
        0 => errors.invalid(list, "", "must specify one of: `configMapRef` or `secretRef`"),
        1 => {}
        _ => errors.invalid(list, "", "may not have more than one field specified at a time"),
    }
}

/// The fields of a Pod that have a name in the API (`ConvertDownwardAPIFieldLabel`).
fn is_field(label: &str) -> bool {
    matches!(
        label,
        "metadata.annotations"
            | "metadata.labels"
            | "metadata.name"
            | "metadata.namespace"
            | "metadata.uid"
            | "spec.nodeName"
            | "spec.restartPolicy"
            | "spec.serviceAccountName"
            | "spec.schedulerName"
            | "status.phase"
            | "status.hostIP"
            | "status.hostIPs"
            | "status.podIP"
            | "status.podIPs"
    )
}

/// The path and the key of `path['key']`.
fn subscripted(label: &str) -> Option<(&str, &str)> {
    label.strip_suffix("']")?.split_once("['").filter(|(path, _)| !path.is_empty())
}

/// Appends what is wrong with the choice of a field of the Pod, of which `allowed` may be chosen (`validateObjectFieldSelector`).
pub(super) fn field_selector(selector: &ObjectFieldSelector, allowed: &[&str], path: &str, errors: &mut Vec<FieldError>) {
    if selector.api_version.is_empty() {
        return errors.required(format!("{path}.apiVersion"), "");
    }
    let (field, label) = (format!("{path}.fieldPath"), selector.field_path.as_str());
    if label.is_empty() {
        return errors.required(field, "");
    }
    if selector.api_version != "v1" {
        let detail = format!("error converting fieldPath: unsupported pod version: {}", selector.api_version);
        return errors.invalid(field, label, detail);
    }
    match subscripted(label) {
        Some(("metadata.annotations", key)) => errors.qualified(path, &key.to_lowercase()),
        Some(("metadata.labels", key)) => errors.qualified(path, key),
        Some(_) => errors.invalid(field, label, format!("error converting fieldPath: field label does not support subscript: {label}")),
        // The name of the field before v1.
        None if label == "spec.host" => {}
        None if !is_field(label) => {
            errors.invalid(field, label, format!("error converting fieldPath: field label not supported: {label}"));
        }
        None if !allowed.contains(&label) => errors.not_supported(field, label, allowed),
        None => {}
    }
}

/// Appends what is wrong with the choice of a resource (`validateContainerResourceFieldSelector`); in a volume the container must be named.
pub(super) fn resource_selector(selector: &ResourceFieldSelector, in_volume: bool, path: &str, errors: &mut Vec<FieldError>) {
    let resource = selector.resource.as_str();
    let huge_pages = resource.starts_with("requests.hugepages-") || resource.starts_with("limits.hugepages-");
    if in_volume && selector.container_name.is_empty() {
        errors.required(format!("{path}.containerName"), "");
    } else if resource.is_empty() {
        errors.required(format!("{path}.resource"), "");
    } else if !RESOURCES.contains(&resource) && !huge_pages {
        errors.not_supported(format!("{path}.resource"), resource, &RESOURCES);
    }
    let Some(divisor) = selector.divisor.filter(|divisor| *divisor != Quantity::default() && !divisor.is_zero()) else { return };
    let (units, kind): (&[&str], _) = match resource {
        "limits.cpu" | "requests.cpu" => (&["1m", "1"], "cpu"),
        "limits.memory" | "requests.memory" => (&BYTE_UNITS, "memory"),
        "limits.ephemeral-storage" | "requests.ephemeral-storage" => (&BYTE_UNITS, "local ephemeral storage"),
        _ if huge_pages => (&BYTE_UNITS, "hugepages"),
        _ => return,
    };
    if !units.contains(&divisor.to_string().as_str()) {
        let list = if kind == "cpu" { "1m and 1".to_owned() } else { units.join(", ") };
        errors.invalid(format!("{path}.divisor"), resource, format!("only divisor's values {list} are supported with the {kind} resource"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(label: &str) -> Vec<String> {
        let selector = ObjectFieldSelector { api_version: "v1".to_owned(), field_path: label.to_owned(), ..Default::default() };
        let mut errors = Vec::new();
        field_selector(&selector, &FIELDS, "f", &mut errors);
        errors.iter().map(FieldError::to_string).collect()
    }

    #[test]
    fn only_some_fields_can_be_variables() {
        assert!(field("status.podIP").is_empty() && field("metadata.labels['app']").is_empty());
        assert!(field("metadata.labels")[0].starts_with("f.fieldPath: Unsupported value: \"metadata.labels\": supported values: "));
        assert_eq!(
            field("status.start"),
            ["f.fieldPath: Invalid value: \"status.start\": error converting fieldPath: field label not supported: status.start"]
        );
        assert_eq!(
            field("spec['a']"),
            ["f.fieldPath: Invalid value: \"spec['a']\": error converting fieldPath: field label does not support subscript: spec['a']"]
        );
    }

    #[test]
    fn divisors_are_single_units() {
        let check = |resource: &str, divisor: &str| {
            let divisor = Quantity::parse(divisor).ok();
            let selector = ResourceFieldSelector { resource: resource.to_owned(), divisor, ..Default::default() };
            let mut errors = Vec::new();
            resource_selector(&selector, false, "r", &mut errors);
            errors.iter().map(FieldError::to_string).collect::<Vec<_>>()
        };
        assert!(check("limits.cpu", "1m").is_empty() && check("limits.memory", "1Mi").is_empty() && check("limits.memory", "0").is_empty());
        let expected = "r.divisor: Invalid value: \"limits.cpu\": only divisor's values 1m and 1 are supported with the cpu resource";
        assert_eq!(check("limits.cpu", "2m"), [expected]);
    }
}

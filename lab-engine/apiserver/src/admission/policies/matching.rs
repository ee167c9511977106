//! Which requests a policy or binding is about: rules and selectors (`admission/plugin/policy/matching`), and the parameters of a binding.

use super::super::{Admission, Operation};
use crate::storage;
use api::core::Namespace;
use api::json::decode;
use api::kinds::find_kind;
use api::labels::Selector;
use api::meta::{LabelSelector, StringMap};
use api::{Object, Resource};
use serde_json::Value;

/// Whether a request is one of those that `matchConstraints` or `matchResources` names.
///
/// # Errors
/// A selector that cannot be read.
pub(super) fn matches(admission: &Admission<'_>, object: Option<&Object>, constraints: &Value) -> Result<bool, String> {
    if !in_namespaces(admission, object, &constraints["namespaceSelector"])? {
        return Ok(false);
    }
    let selector = selector(&constraints["objectSelector"])?;
    if ![object, admission.old].into_iter().flatten().any(|object| selector.matches(&object.metadata().labels)) {
        return Ok(false);
    }
    let rules = |field: &str| constraints[field].as_array().map(Vec::as_slice).unwrap_or_default();
    let name = object.or(admission.old).map(|object| object.metadata().name.as_str()).unwrap_or_default();
    let named = |rule: &Value| rule_matches(admission, rule, name);
    Ok(!rules("excludeResourceRules").iter().any(named) && (rules("resourceRules").is_empty() || rules("resourceRules").iter().any(named)))
}

/// A selector that is left out selects everything (its default is the empty one).
fn selector(value: &Value) -> Result<Selector, String> {
    let selector = if value.is_null() { LabelSelector::default() } else { decode(value.clone()).map_err(|error| error.to_string())? };
    Selector::from_label_selector(Some(&selector))
}

fn in_namespaces(admission: &Admission<'_>, object: Option<&Object>, value: &Value) -> Result<bool, String> {
    let selector = selector(value)?;
    let empty = StringMap::new();
    let labels = match object.or(admission.old) {
        // A namespace is selected by its own labels, what is in none always.
        Some(namespace) if admission.info == Namespace::INFO => &namespace.metadata().labels,
        Some(object) if admission.info.namespaced => namespace(admission, object).map_or(&empty, |found| &found.metadata().labels),
        _ => return Ok(true),
    };
    Ok(selector.matches(labels))
}

/// The namespace of an object.
pub(super) fn namespace<'a>(admission: &Admission<'a>, object: &Object) -> Option<&'a Object> {
    admission.cache.get(&storage::key(Namespace::INFO, "", &object.metadata().namespace))
}

/// What a rule calls an operation.
pub(super) fn operation_name(operation: Operation) -> &'static str {
    match operation {
        Operation::Create => "CREATE",
        Operation::Update => "UPDATE",
        Operation::Delete => "DELETE",
    }
}

fn rule_matches(admission: &Admission<'_>, rule: &Value, name: &str) -> bool {
    let info = admission.info;
    let has = |field: &str, wanted: &str| rule[field].as_array().into_iter().flatten().any(|value| value == wanted || value == "*");
    let scope = match rule["scope"].as_str().unwrap_or("*") {
        "Namespaced" => info.namespaced,
        "Cluster" => !info.namespaced,
        _ => true,
    };
    let subresource = admission.subresource.as_str();
    let resource = |pattern: &str| {
        let (resource, sub) = pattern.split_once('/').unwrap_or((pattern, ""));
        (resource == "*" || resource == info.plural) && (sub == subresource || sub == "*")
    };
    let names = rule["resourceNames"].as_array().map(Vec::as_slice).unwrap_or_default();
    scope
        && has("operations", operation_name(admission.operation))
        && has("apiGroups", &info.group)
        && has("apiVersions", &info.version)
        && rule["resources"].as_array().into_iter().flatten().filter_map(Value::as_str).any(resource)
        && (names.is_empty() || names.iter().any(|one| one == name))
}

/// The objects with which a binding is evaluated, one after the other: `None` for an evaluation without parameters.
///
/// # Errors
/// What is wrong with the binding, or that there are no parameters and it asks to refuse then.
pub(super) fn params<'a>(
    admission: &Admission<'a>,
    object: Option<&Object>,
    kind: &Value,
    reference: &Value,
) -> Result<Vec<Option<&'a Object>>, String> {
    if kind.is_null() || reference.is_null() {
        return Ok(vec![None]);
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (version, kind) = (text(&kind["apiVersion"]), text(&kind["kind"]));
    let Some(info) = find_kind(&version, &kind) else { return Err(format!("paramKind kind `{version}, Kind={kind}` not known")) };
    let mut namespace = text(&reference["namespace"]);
    if !info.namespaced && !namespace.is_empty() {
        return Err("paramRef.namespace must not be provided for a cluster-scoped `paramKind`".to_owned());
    }
    if info.namespaced && namespace.is_empty() {
        if !admission.info.namespaced {
            return Err("cannot use namespaced paramRef in policy binding that matches cluster-scoped resources".to_owned());
        }
        namespace = object.or(admission.old).map(|object| object.metadata().namespace.clone()).unwrap_or_default();
    }
    let found: Vec<&Object> = match reference["name"].as_str().filter(|name| !name.is_empty()) {
        Some(name) => admission.cache.get(&storage::key(info, &namespace, name)).into_iter().collect(),
        None => {
            let selector = selector(&reference["selector"])?;
            let all = admission.cache.range_of(storage::namespace_prefix(info, if info.namespaced { &namespace } else { "" }));
            all.filter(|object| selector.matches(&object.metadata().labels)).collect()
        }
    };
    if found.is_empty() && reference["parameterNotFoundAction"] == "Deny" {
        return Err("no params found for policy binding with `Deny` parameterNotFoundAction".to_owned());
    }
    Ok(found.into_iter().map(Some).collect())
}

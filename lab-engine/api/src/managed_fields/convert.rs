//! Whether a configuration fits its kind, and which fields it names (`typed.Validate`, `typed.ToFieldSet`).

use super::atom::{Atom, ListKind, MapType, ScalarKind, TypeRef};
use super::path::PathElement;
use super::set::{Node, Set};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// The most faults that are named.
const MAX_ERRORS: usize = 100;

/// The fields that a configuration names.
pub(super) fn field_set(type_: TypeRef<'_>, value: &Value) -> Set {
    below(type_, value).1
}

/// Whether the value itself is a leaf, and the fields below it.
fn below(type_: TypeRef<'_>, value: &Value) -> (bool, Set) {
    match type_.atom(value) {
        Atom::Scalar(_) | Atom::List(ListKind::Atomic, _) | Atom::Map(MapType { atomic: true, .. }) => (true, Set::default()),
        Atom::List(kind, element) => {
            let items = value.as_array().map_or(&[][..], Vec::as_slice);
            (false, list_set(type_, kind, element, items))
        }
        Atom::Map(map) => {
            let entries = value.as_object().into_iter().flatten();
            let nodes = entries.map(|(key, value)| {
                let (element, type_, named) = map.entry(key);
                let (leaf, below) = below(type_, value);
                let empty = value.is_null() || value.as_object().is_some_and(Map::is_empty);
                Node { element, member: leaf || empty || !named, below }
            });
            (false, Set::of(nodes.collect()))
        }
    }
}

fn list_set(type_: TypeRef<'_>, kind: ListKind<'_>, element: TypeRef<'_>, items: &[Value]) -> Set {
    let mut nodes = BTreeMap::<PathElement, Set>::new();
    for item in items {
        let Ok(steps) = type_.elements(kind, std::slice::from_ref(item)) else { continue };
        for step in steps {
            // Of elements that cannot be told apart only the step is kept.
            let set = below(element, item).1;
            nodes.entry(step).and_modify(|set| *set = Set::default()).or_insert(set);
        }
    }
    Set::of(nodes.into_iter().map(|(element, below)| Node { element, member: true, below }).collect())
}

/// Checks a configuration.
///
/// # Errors
/// Upstream's message, with all that is wrong.
pub(super) fn validate(type_: TypeRef<'_>, value: &Value, allow_duplicates: bool) -> Result<(), String> {
    let mut errors = Vec::new();
    check(type_, value, allow_duplicates, &mut String::new(), &mut errors);
    match &errors[..] {
        [] => Ok(()),
        [only] => Err(only.clone()),
        several => Err(format!("errors:\n{}", several.iter().map(|error| format!("  {error}")).collect::<Vec<_>>().join("\n"))),
    }
}

fn fault(path: &str, message: String, errors: &mut Vec<String>) {
    if errors.len() < MAX_ERRORS {
        errors.push(if path.is_empty() { message } else { format!("{path}: {message}") });
    }
}

fn check(type_: TypeRef<'_>, value: &Value, allow_duplicates: bool, path: &mut String, errors: &mut Vec<String>) {
    if value.is_null() {
        return;
    }
    match type_.atom(value) {
        Atom::Scalar(kind) => {
            if let Some(message) = wrong_scalar(kind, value) {
                fault(path, message, errors);
            }
        }
        Atom::List(kind, element) => {
            let Value::Array(items) = value else { return fault(path, format!("expected list, got &{{{}}}", go(value)), errors) };
            let steps = match type_.elements(kind, items) {
                Ok(steps) => steps,
                Err((index, message)) => return fault(path, format!("element {index}: {message}"), errors),
            };
            let mut seen = BTreeSet::new();
            for (step, item) in steps.iter().zip(items) {
                if !allow_duplicates && !seen.insert(step) {
                    fault(path, format!("duplicate entries for key {step}"), errors);
                }
                within(step, path, |path| check(element, item, allow_duplicates, path, errors));
            }
        }
        Atom::Map(map) => {
            let Value::Object(fields) = value else { return fault(path, format!("expected map, got &{{{}}}", go(value)), errors) };
            for (name, value) in fields {
                let (step, type_, named) = map.entry(name);
                within(&step, path, |path| {
                    if named || map.element.is_some() {
                        check(type_, value, allow_duplicates, path, errors);
                    } else {
                        fault(path, "field not declared in schema".to_owned(), errors);
                    }
                });
            }
        }
    }
}

/// Does something with the path one step further.
fn within(step: &PathElement, path: &mut String, act: impl FnOnce(&mut String)) {
    let length = path.len();
    path.push_str(&step.to_string());
    act(path);
    path.truncate(length);
}

fn wrong_scalar(kind: ScalarKind, value: &Value) -> Option<String> {
    let go_type = match value {
        Value::String(_) => "string",
        Value::Bool(_) => "bool",
        Value::Array(_) => "[]interface {}",
        _ => "map[string]interface {}",
    };
    match kind {
        ScalarKind::Numeric if !value.is_number() => Some(format!("expected numeric (int or float), got {go_type}")),
        ScalarKind::String if !value.is_string() => Some(format!("expected string, got &value.valueUnstructured{{Value:{}}}", go(value))),
        ScalarKind::Boolean if !value.is_boolean() => Some(format!("expected boolean, got &{{{}}}", go(value))),
        ScalarKind::Any if value.is_array() || value.is_object() => Some(format!("expected any scalar, got &{{{}}}", go(value))),
        _ => None,
    }
}

/// The value as Go's `%v` shows it.
fn go(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(go).collect::<Vec<_>>().join(" ")),
        Value::Object(fields) => {
            let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}:{}", go(value))).collect();
            format!("map[{}]", fields.join(" "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::find_kind;
    use serde_json::json;

    fn type_of(api_version: &str, kind: &str) -> TypeRef<'static> {
        TypeRef::Schema(crate::schema::for_kind(find_kind(api_version, kind).unwrap()).unwrap())
    }

    #[test]
    fn a_configuration_owns_leaves_elements_and_entries() {
        let config = json!({"metadata": {"labels": {"a": "1"}}, "spec": {"selector": {"app": "web"},
            "ports": [{"port": 80}, {"port": 53, "protocol": "UDP", "name": "dns"}]}});
        assert_eq!(
            field_set(type_of("v1", "Service"), &config).to_json(),
            json!({"f:metadata": {"f:labels": {"f:a": {}}}, "f:spec": {"f:selector": {}, "f:ports": {
                r#"k:{"port":80,"protocol":"TCP"}"#: {".": {}, "f:port": {}},
                r#"k:{"port":53,"protocol":"UDP"}"#: {".": {}, "f:port": {}, "f:protocol": {}, "f:name": {}}}}})
        );
        let config = json!({"metadata": {"finalizers": ["x"]}, "spec": {"template": {"spec": {"containers": [{"name": "c", "args": ["a"],
            "resources": {"limits": {"cpu": "1"}}, "livenessProbe": {}}]}}}});
        let container = json!({".": {}, "f:name": {}, "f:args": {}, "f:resources": {"f:limits": {"f:cpu": {}}}, "f:livenessProbe": {}});
        assert_eq!(
            field_set(type_of("apps/v1", "Deployment"), &config).to_json(),
            json!({"f:metadata": {"f:finalizers": {"v:\"x\"": {}}},
                "f:spec": {"f:template": {"f:spec": {"f:containers": {r#"k:{"name":"c"}"#: container}}}}})
        );
    }

    #[test]
    fn what_does_not_fit_is_named_with_its_path() {
        let error = |config: Value| validate(type_of("apps/v1", "Deployment"), &config, false).unwrap_err();
        assert_eq!(error(json!({"spec": {"replcas": 1}})), ".spec.replcas: field not declared in schema");
        assert_eq!(error(json!({"spec": {"replicas": "3"}})), ".spec.replicas: expected numeric (int or float), got string");
        assert_eq!(error(json!({"spec": {"paused": "yes"}})), ".spec.paused: expected boolean, got &{yes}");
        let containers = |list: Value| json!({"spec": {"template": {"spec": {"containers": list}}}});
        assert_eq!(
            error(containers(json!([{"name": "a"}, {"name": "a"}]))),
            ".spec.template.spec.containers: duplicate entries for key [name=\"a\"]"
        );
        assert_eq!(error(containers(json!({}))), ".spec.template.spec.containers: expected list, got &{map[]}");
        assert_eq!(
            error(containers(json!([{"name": "a", "image": 1, "x": 1}]))),
            "errors:\n  .spec.template.spec.containers[name=\"a\"].image: expected string, got &value.valueUnstructured{Value:1}\n  \
             .spec.template.spec.containers[name=\"a\"].x: field not declared in schema"
        );
        let ok = containers(json!([{"name": "a", "resources": {"limits": {"cpu": 1}}, "env": null}]));
        assert_eq!(validate(type_of("apps/v1", "Deployment"), &ok, false), Ok(()));
    }
}

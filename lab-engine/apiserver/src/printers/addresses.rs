//! Addresses of Services and their ranges in tables.

use super::{Column, human};
use api::Dynamic;
use serde_json::Value;
use sim::Time;

pub(super) const ADDRESS: &[Column] = &[("Name", "string", 0), ("ParentRef", "string", 0)];
pub(super) const RANGE: &[Column] = &[("Name", "string", 0), ("CIDRs", "string", 0), ("Age", "string", 0)];

/// The address, and whose it is: `services/default/kubernetes`.
pub(super) fn address(object: &Dynamic) -> Vec<Value> {
    let parent = object.rest.get("spec").and_then(|spec| spec.get("parentRef"));
    let part = |field: &str| parent.and_then(|parent| parent.get(field)).and_then(Value::as_str).filter(|part| !part.is_empty());
    let group = part("group").map_or_else(String::new, |group| format!(".{group}"));
    let rest: Vec<&str> = [part("namespace"), part("name")].into_iter().flatten().collect();
    let text = format!("{}{group}/{}", part("resource").unwrap_or_default(), rest.join("/"));
    vec![object.metadata.name.as_str().into(), text.into()]
}

/// The range and its networks.
pub(super) fn range(object: &Dynamic, now: Time) -> Vec<Value> {
    let networks = object.rest.get("spec").and_then(|spec| spec.get("cidrs")).and_then(Value::as_array);
    let text = networks.into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join(",");
    vec![object.metadata.name.as_str().into(), text.into(), human::age(&object.metadata, now)]
}

//! Roles and bindings in tables.

use super::{Column, human};
use api::meta::ObjectMeta;
use api::rbac::{RoleRef, Subject};
use serde_json::Value;
use sim::Time;

pub(super) const ROLE: &[Column] = &[("Name", "string", 0), ("Created At", "string", 0)];
pub(super) const BINDING: &[Column] = &[
    ("Name", "string", 0),
    ("Role", "string", 0),
    ("Age", "string", 0),
    ("Users", "string", 1),
    ("Groups", "string", 1),
    ("ServiceAccounts", "string", 1),
];

pub(super) fn role(metadata: &ObjectMeta) -> Vec<Value> {
    vec![metadata.name.as_str().into(), metadata.creation_timestamp.map_or_else(String::new, |at| at.to_string()).into()]
}

pub(super) fn binding(metadata: &ObjectMeta, role: &RoleRef, subjects: &[Subject], now: Time) -> Vec<Value> {
    let named = |kind: &str| {
        let of_kind = subjects.iter().filter(|subject| subject.kind == kind);
        let name = |subject: &Subject| match subject.namespace.as_str() {
            "" => subject.name.clone(),
            namespace => format!("{namespace}/{}", subject.name),
        };
        Value::from(of_kind.map(name).collect::<Vec<_>>().join(", "))
    };
    let role = format!("{}/{}", role.kind, role.name);
    let age = human::age(metadata, now);
    vec![metadata.name.as_str().into(), role.into(), age, named("User"), named("Group"), named("ServiceAccount")]
}

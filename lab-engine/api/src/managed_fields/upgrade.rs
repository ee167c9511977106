//! From client-side to server-side apply: what the one owned by updating, the other owns by applying (`client-go/util/csaupgrade`).

use super::entry::{ManagedFields, ManagedFieldsEntry, Manager, Operation};
use super::path::{Name, PathElement};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The names of the managers that own the annotation `key` by updating.
pub fn last_applied_owners(fields: &ManagedFields, key: &str) -> BTreeSet<Arc<str>> {
    let path = [PathElement::field("metadata"), PathElement::field("annotations"), PathElement::Field(Name::Shared(key.into()))];
    let owners = fields.entries().iter().filter(|entry| entry.manager.operation == Operation::Update && entry.fields.has(&path));
    owners.map(|entry| entry.manager.name.clone()).collect()
}

/// The entries with what the managers of these names own by updating in the hands of `applier`; `None` when they own nothing.
pub fn upgrade(fields: &ManagedFields, names: &BTreeSet<Arc<str>>, applier: &str) -> Option<ManagedFields> {
    let is_client_side = |entry: &ManagedFieldsEntry| {
        let manager = &entry.manager;
        manager.operation == Operation::Update && manager.subresource.is_empty() && names.contains(&manager.name)
    };
    let is_applier = |entry: &ManagedFieldsEntry| {
        let manager = &entry.manager;
        manager.operation == Operation::Apply && manager.subresource.is_empty() && *manager.name == *applier
    };
    let (client_side, mut rest): (Vec<_>, Vec<_>) = fields.entries().iter().cloned().partition(is_client_side);
    let first = client_side.first()?;
    let place = rest.iter().position(is_applier).unwrap_or_else(|| {
        let manager = Manager { name: applier.into(), operation: Operation::Apply, ..Manager::clone(&first.manager) };
        rest.push(ManagedFieldsEntry { manager: Arc::new(manager), ..first.clone() });
        rest.len() - 1
    });
    for entry in client_side.iter().filter(|entry| entry.manager.api_version == rest[place].manager.api_version).collect::<Vec<_>>() {
        rest[place].fields = rest[place].fields.union(&entry.fields);
    }
    Some(rest.into())
}

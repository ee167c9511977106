//! From client-side to server-side apply: what the one owned by updating, the other owns by applying (`client-go/util/csaupgrade`).

use super::entry::{ManagedFields, ManagedFieldsEntry, Manager, Operation};
use super::path::{Name, PathElement};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The names of the managers that own the annotation `key` by the given operation (`FindFieldsOwners`).
pub fn annotation_owners(fields: &ManagedFields, key: &str, by: Operation) -> BTreeSet<Arc<str>> {
    let path = [PathElement::field("metadata"), PathElement::field("annotations"), PathElement::Field(Name::Shared(key.into()))];
    let owners = fields.entries().iter().filter(|entry| entry.manager.operation == by && entry.fields.has(&path));
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
    let target = &mut rest[place];
    for entry in client_side.iter().filter(|entry| entry.manager.api_version == target.manager.api_version) {
        target.fields = target.fields.union(&entry.fields);
    }
    Some(rest.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Json, decode};
    use serde_json::{Value, json};

    const KEY: &str = "example.com/last-applied";

    fn entry(manager: &str, operation: &str, fields: Value) -> Value {
        json!({"manager": manager, "operation": operation, "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": fields})
    }

    #[test]
    fn what_was_owned_by_updating_is_owned_by_applying() {
        let annotated = json!({"f:metadata": {"f:annotations": {format!("f:{KEY}"): {}}}, "f:data": {"f:a": {}}});
        let (client, other) = (entry("client", "Update", annotated), entry("other", "Update", json!({"f:data": {"f:b": {}}})));
        let fields: ManagedFields = decode(json!([client, other])).unwrap();
        let names = annotation_owners(&fields, KEY, Operation::Update);
        assert_eq!(names.iter().map(|name| &**name).collect::<Vec<_>>(), ["client"]);
        assert!(annotation_owners(&fields, KEY, Operation::Apply).is_empty());
        let mut applied = client.clone();
        (applied["manager"], applied["operation"]) = (json!("kubectl"), json!("Apply"));
        assert_eq!(upgrade(&fields, &names, "kubectl").unwrap().to_json(), json!([applied, other]));
        // What the applier has already stays.
        let own = entry("kubectl", "Apply", json!({"f:data": {"f:c": {}}}));
        let fields: ManagedFields = decode(json!([own, client])).unwrap();
        let upgraded = upgrade(&fields, &names, "kubectl").unwrap().to_json();
        assert_eq!(upgraded.as_array().map(Vec::len), Some(1));
        assert_eq!(upgraded[0]["fieldsV1"]["f:data"], json!({"f:a": {}, "f:c": {}}));
        assert_eq!(upgrade(&fields, &BTreeSet::new(), "kubectl"), None);
    }
}

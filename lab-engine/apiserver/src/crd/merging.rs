//! What the schema of a definition says about merging, for server-side apply (`apiextensions-apiserver/pkg/controller/openapi/builder`,
//! `k8s.io/kube-openapi/pkg/schemaconv`).

use crate::crd::schema::{Additional, ListType, Schema, Type};
use api::managed_fields::{CustomKey, CustomList, CustomMap, CustomType};
use std::collections::BTreeMap;

/// The type of the objects of a definition.
pub(crate) fn of_object(schema: &Schema) -> CustomType {
    with_metadata(of(schema))
}

/// The fields that every object has.
fn with_metadata(type_: CustomType) -> CustomType {
    let CustomType::Map(mut map) = type_ else { return CustomType::Open };
    let own = [("apiVersion", CustomType::Text), ("kind", CustomType::Text), ("metadata", CustomType::Metadata)];
    map.fields.extend(own.map(|(name, type_)| (name.to_owned(), type_)));
    CustomType::Map(map)
}

fn of(schema: &Schema) -> CustomType {
    if schema.int_or_string {
        return CustomType::Scalar;
    }
    match schema.type_ {
        Some(Type::String) => CustomType::Text,
        Some(Type::Integer | Type::Number) => CustomType::Number,
        Some(Type::Boolean) => CustomType::Boolean,
        Some(Type::Array) => {
            let element = schema.items.as_deref().map_or(CustomType::Open, of);
            CustomType::List(list(schema), Box::new(element))
        }
        Some(Type::Object) => {
            let map = map(schema);
            if schema.embedded { with_metadata(map) } else { map }
        }
        None => CustomType::Open,
    }
}

fn list(schema: &Schema) -> CustomList {
    let default = |key: &str| schema.items.as_deref()?.properties.get(key)?.default.clone();
    match schema.list_type {
        ListType::Atomic => CustomList::Atomic,
        ListType::Set => CustomList::Set,
        ListType::Map => {
            CustomList::Map(schema.map_keys.iter().map(|key| CustomKey { name: key.clone(), default: default(key) }).collect())
        }
    }
}

fn map(schema: &Schema) -> CustomType {
    let fields: BTreeMap<String, CustomType> = schema.properties.iter().map(|(name, part)| (name.clone(), of(part))).collect();
    let element = match &schema.additional {
        Additional::Schema(part) => Some(Box::new(of(part))),
        Additional::Allowed(true) => Some(Box::new(CustomType::Open)),
        _ if schema.preserve_unknown => Some(Box::new(CustomType::Open)),
        // An object of which nothing is said.
        _ if fields.is_empty() => Some(Box::new(CustomType::Open)),
        _ => None,
    };
    CustomType::Map(CustomMap { fields, element, atomic: schema.atomic_map })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lists_are_told_apart_as_the_schema_says() {
        let item = json!({"type": "object", "properties": {"name": {"type": "string"}, "protocol": {"type": "string", "default": "TCP"}}});
        let ports =
            json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name", "protocol"], "items": item});
        let schema = Schema::read(
            &json!({"type": "object", "properties": {"ports": ports, "tags": {"type": "array", "items": {"type": "string"}}}}),
        );
        let CustomType::Map(map) = of_object(&schema) else { panic!("an object") };
        assert_eq!(map.fields["metadata"], CustomType::Metadata);
        assert_eq!(map.fields["tags"], CustomType::List(CustomList::Atomic, Box::new(CustomType::Text)));
        let CustomType::List(CustomList::Map(keys), _) = &map.fields["ports"] else { panic!("a list of type map") };
        assert_eq!(
            keys.iter().map(|key| (key.name.as_str(), key.default.clone())).collect::<Vec<_>>(),
            [("name", None), ("protocol", Some(json!("TCP")))]
        );
        assert!(map.element.is_none());
    }
}

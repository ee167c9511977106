//! Pruning and defaulting: what a schema does to an object before it is looked at (`schema/pruning`, `schema/defaulting`).

use crate::crd::schema::{Additional, Schema, Type};
use api::json::join;
use serde_json::Value;

/// Takes out what the schema does not know and gives the paths, sorted. `root` tells that the value is a whole object, whose
/// `apiVersion`, `kind` and `metadata` are always known.
pub(crate) fn prune(schema: &Schema, value: &mut Value, root: bool) -> Vec<String> {
    let mut unknown = Vec::new();
    prune_at(schema, value, root, "", &mut unknown);
    unknown.sort();
    unknown
}

fn prune_at(schema: &Schema, value: &mut Value, root: bool, path: &str, unknown: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields.retain(|name, value| {
            if root && matches!(name.as_str(), "apiVersion" | "kind" | "metadata") {
                return true;
            }
            let here = join(path, name);
            match schema.field(name) {
                Some(part) => prune_at(part, value, part.embedded, &here, unknown),
                None if schema.preserve_unknown || matches!(schema.additional, Additional::Allowed(true)) => {}
                None => {
                    unknown.push(here);
                    return false;
                }
            }
            true
        }),
        Value::Array(items) => {
            let Some(part) = &schema.items else { return };
            for (index, item) in items.iter_mut().enumerate() {
                prune_at(part, item, part.embedded, &format!("{path}[{index}]"), unknown);
            }
        }
        _ => {}
    }
}

/// Takes out nulls where the schema allows none and has no default to put there.
pub(crate) fn prune_nulls(schema: &Schema, value: &mut Value) {
    match value {
        Value::Object(fields) => fields.retain(|name, value| match schema.field(name) {
            Some(part) if value.is_null() => part.nullable || part.default.is_some(),
            Some(part) => {
                prune_nulls(part, value);
                true
            }
            None => true,
        }),
        Value::Array(items) => {
            if let Some(part) = &schema.items {
                items.iter_mut().for_each(|item| prune_nulls(part, item));
            }
        }
        _ => {}
    }
}

/// Sets what is missing, or is null where it must not be, to its default.
pub(crate) fn default(schema: &Schema, value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, part) in &schema.properties {
                let Some(set) = &part.default else { continue };
                if fields.get(name).is_none_or(|now| now.is_null() && !part.nullable) {
                    fields.insert(name.clone(), set.clone());
                }
            }
            for (name, value) in fields.iter_mut() {
                if let Some(part) = schema.field(name) {
                    if let (Value::Null, false, Some(set)) = (&*value, part.nullable, &part.default) {
                        *value = set.clone();
                    }
                    default(part, value);
                }
            }
        }
        Value::Array(items) => {
            let Some(part) = &schema.items else { return };
            for item in items {
                if let (Value::Null, false, Some(set)) = (&*item, part.nullable, &part.default) {
                    *item = set.clone();
                }
                default(part, item);
            }
        }
        _ => {}
    }
}

/// Whether defaults stand anywhere in the schema, so that reading an object may change it.
pub(crate) fn has_defaults(schema: &Schema) -> bool {
    schema.default.is_some() || schema.parts().any(has_defaults)
}

/// Whether a value has the JSON type.
pub(crate) fn is_of(type_: Type, value: &Value) -> bool {
    match type_ {
        Type::Object => value.is_object(),
        Type::Array => value.is_array(),
        Type::String => value.is_string(),
        Type::Integer => value.as_i64().is_some() || value.as_u64().is_some() || value.as_f64().is_some_and(|n| n.fract() == 0.0),
        Type::Number => value.is_number(),
        Type::Boolean => value.is_boolean(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn schema() -> Schema {
        Schema::read(&json!({
            "type": "object",
            "properties": {
                "spec": {"type": "object", "properties": {
                    "replicas": {"type": "integer", "default": 1},
                    "note": {"type": "string", "nullable": true, "default": "x"},
                    "labels": {"type": "object", "additionalProperties": {"type": "object", "properties": {"a": {"type": "string"}}}},
                    "ports": {"type": "array", "items": {"type": "object", "properties": {
                        "port": {"type": "integer"}, "protocol": {"type": "string", "default": "TCP"},
                    }}},
                    "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true,
                             "properties": {"known": {"type": "object", "properties": {"b": {"type": "string"}}}}},
                    "template": {"type": "object", "x-kubernetes-embedded-resource": true, "properties": {"spec": {"type": "object"}}},
                }},
            },
        }))
    }

    #[test]
    fn unknown_fields_go_but_for_where_they_are_kept() {
        let mut value = json!({
            "apiVersion": "a/v1", "kind": "K", "metadata": {"name": "n"}, "extra": 1,
            "spec": {
                "foo": 1, "labels": {"k": {"a": "1", "z": 2}}, "ports": [{"port": 1}, {"prot": 2}],
                "free": {"any": 1, "known": {"b": "1", "c": 2}},
                "template": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "status": {}},
            },
        });
        let unknown = prune(&schema(), &mut value, true);
        let wanted = ["extra", "spec.foo", "spec.free.known.c", "spec.labels.k.z", "spec.ports[1].prot", "spec.template.status"];
        assert_eq!(unknown, wanted);
        assert_eq!(value["spec"]["free"], json!({"any": 1, "known": {"b": "1"}}));
        assert_eq!(value["spec"]["template"], json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}}));
    }

    #[test]
    fn defaults_fill_what_is_missing_or_wrongly_null() {
        let mut value = json!({"spec": {"replicas": null, "note": null, "ports": [{"port": 1}, {"protocol": null}]}});
        prune_nulls(&schema(), &mut value);
        default(&schema(), &mut value);
        let ports = json!([{"port": 1, "protocol": "TCP"}, {"protocol": "TCP"}]);
        assert_eq!(value, json!({"spec": {"replicas": 1, "note": null, "ports": ports}}));
        // An object that is absent is not made up.
        let mut empty = json!({});
        default(&schema(), &mut empty);
        assert_eq!(empty, json!({}));
    }

    #[test]
    fn nulls_without_a_default_go() {
        let mut value = json!({"spec": {"labels": null, "ports": [{"port": null}]}});
        prune_nulls(&schema(), &mut value);
        assert_eq!(value, json!({"spec": {"ports": [{}]}}));
    }
}

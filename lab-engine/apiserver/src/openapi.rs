//! OpenAPI v3: an index and one document per group and version (`k8s.io/kube-openapi/pkg/handler3`, `apiextensions-apiserver/pkg/controller/openapiv3`).
//!
//! Built-in kinds are described from the table of [`api::schema`], custom ones from the schemas of their definitions. Documents are made
//! when they are asked for.
//!
//! **Simplified here:** built-in types have no descriptions, and are named `io.k8s.NAME` where upstream names the Go package; paths have
//! those parameters that clients look for. There is no OpenAPI v2, which clients ask for only when this is missing.

use crate::crd::{CustomResources, Served};
use crate::discovery::VERSION;
use api::kinds::{KINDS, KindInfo};
use api::schema::{Type, TypeSchema, for_kind};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The index: a URL per document, which changes when the document does.
pub(crate) fn index(groups: BTreeMap<&str, Vec<&str>>, custom: &CustomResources) -> Value {
    let named = groups.into_iter().flat_map(|(group, versions)| versions.into_iter().map(move |version| (group, version)));
    let path = |(group, version): (&str, &str)| {
        let path = if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") };
        let url = format!("/openapi/v3/{path}?hash={}", hash(group, version, custom));
        (path, json!({"serverRelativeURL": url}))
    };
    let paths: Map<String, Value> = std::iter::once(("", "v1")).chain(named).map(path).collect();
    json!({ "paths": paths })
}

fn of_custom<'c>(group: &'c str, version: &'c str, custom: &'c CustomResources) -> impl Iterator<Item = &'c Served> {
    custom.all().map(|served| &**served).filter(move |served| served.kind.group == group && served.kind.version == version)
}

/// Built-in kinds change with the server, custom ones with their schemas.
fn hash(group: &str, version: &str, custom: &CustomResources) -> String {
    let mut hash = Sha256::new();
    hash.update(format!("{VERSION}/{group}/{version}"));
    for served in of_custom(group, version, custom) {
        hash.update(&*served.kind.kind);
        hash.update(served.written.to_string());
    }
    hash.finalize().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02X}");
        text
    })
}

/// The document of a group and version; `None` when there is no such group or version.
pub(crate) fn document(group: &str, version: &str, custom: &CustomResources) -> Option<Value> {
    let mut schemas = Map::new();
    let mut paths = Map::new();
    for info in KINDS.iter().filter(|info| info.group == group && info.version == version) {
        if let Some(schema) = for_kind(info) {
            describe(schema, &mut schemas);
            let named = schemas.get_mut(&component(schema.name));
            if let Some(Value::Object(fields)) = named {
                fields.insert("x-kubernetes-group-version-kind".to_owned(), json!([gvk(info)]));
            }
            add_paths(info, &component(schema.name), &mut paths);
        }
    }
    for served in of_custom(group, version, custom) {
        let name = custom_component(&served.kind);
        schemas.insert(name.clone(), custom_schema(served));
        add_paths(&served.kind, &name, &mut paths);
        if let Some(metadata) = object_meta() {
            describe(metadata, &mut schemas);
        }
    }
    (!schemas.is_empty()).then(|| {
        json!({
            "openapi": "3.0.0", "info": {"title": "Kubernetes", "version": VERSION},
            "paths": paths, "components": {"schemas": schemas},
        })
    })
}

fn gvk(info: &KindInfo) -> Value {
    json!({"group": info.group, "version": info.version, "kind": info.kind})
}

fn component(type_name: &str) -> String {
    format!("io.k8s.{}", type_name.split('.').next().unwrap_or(type_name))
}

/// `com.example.stable.v1.CronTab`.
fn custom_component(info: &KindInfo) -> String {
    let group: Vec<&str> = info.group.split('.').rev().collect();
    format!("{}.{}.{}", group.join("."), info.version, info.kind)
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn object_meta() -> Option<&'static TypeSchema> {
    let any = KINDS.iter().find(|info| info.kind == "ConfigMap")?;
    for_kind(any)?.get("metadata")?.type_.as_struct()
}

/// Adds the schema of a type, and of those that it names.
fn describe(schema: &'static TypeSchema, schemas: &mut Map<String, Value>) {
    let mut left = vec![schema];
    while let Some(schema) = left.pop() {
        let name = component(schema.name);
        if schemas.contains_key(&name) {
            continue;
        }
        let mut properties = Map::new();
        let mut required = Vec::new();
        for (field, described) in schema.fields() {
            properties.insert(field.to_owned(), type_schema(&described.type_));
            if described.required {
                required.push(field);
            }
            let mut inner = &described.type_;
            while let Some(element) = inner.element() {
                inner = element;
            }
            left.extend(inner.as_struct());
        }
        let mut value = json!({"type": "object", "properties": properties});
        if !required.is_empty() {
            value["required"] = json!(required);
        }
        schemas.insert(name, value);
    }
}

fn type_schema(type_: &Type) -> Value {
    match type_ {
        Type::String => json!({"type": "string"}),
        Type::Bytes => json!({"type": "string", "format": "byte"}),
        Type::Int32 => json!({"type": "integer", "format": "int32"}),
        Type::Int64 => json!({"type": "integer", "format": "int64"}),
        Type::Float => json!({"type": "number", "format": "double"}),
        Type::Bool => json!({"type": "boolean"}),
        Type::Quantity => json!({"oneOf": [{"type": "string"}, {"type": "number"}]}),
        Type::IntOrString => json!({"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]}),
        Type::Time | Type::MicroTime => json!({"type": "string", "format": "date-time"}),
        Type::Object => json!({"type": "object"}),
        Type::Any => json!({}),
        Type::List(element) => json!({"type": "array", "items": type_schema(element)}),
        Type::Map(element) => json!({"type": "object", "additionalProperties": type_schema(element)}),
        Type::Struct(name) => json!({"allOf": [reference(&component(name))]}),
    }
}

/// The schema of a custom resource with what all objects have.
fn custom_schema(served: &Served) -> Value {
    let mut schema = served.written.clone();
    if !schema["properties"].is_object() {
        schema["properties"] = json!({});
    }
    let own = [
        ("apiVersion", "Group and version of the schema that this object follows."),
        ("kind", "The kind of the object, in CamelCase; it cannot be changed."),
    ];
    for (name, described) in own {
        schema["properties"][name] = json!({"type": "string", "description": described});
    }
    schema["properties"]["metadata"] =
        json!({"description": "Name, labels and what else all objects have.", "allOf": [reference("io.k8s.ObjectMeta")]});
    schema["x-kubernetes-group-version-kind"] = json!([gvk(&served.kind)]);
    schema
}

/// The collection and the object of a kind, with the parameters that clients look for before they use them.
fn add_paths(info: &KindInfo, component: &str, paths: &mut Map<String, Value>) {
    let root = if info.group.is_empty() { format!("/api/{}", info.version) } else { format!("/apis/{}/{}", info.group, info.version) };
    let namespace = if info.namespaced { "/namespaces/{namespace}" } else { "" };
    let parameter = |name: &str| json!({"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}});
    let content = json!({"application/json": {"schema": reference(component)}});
    let operation = |action: &str, writes: bool| {
        let mut operation = json!({
            "x-kubernetes-action": action, "x-kubernetes-group-version-kind": gvk(info),
            "responses": {"200": {"description": "OK", "content": content}},
        });
        if writes {
            operation["parameters"] = ["dryRun", "fieldManager", "fieldValidation"].into_iter().map(parameter).collect();
        }
        operation
    };
    let collection = json!({
        "get": operation("list", false), "post": operation("post", true), "delete": operation("deletecollection", false),
    });
    let mut object = json!({
        "get": operation("get", false), "put": operation("put", true), "patch": operation("patch", true), "delete": operation("delete", false),
    });
    if let Some(parameters) = object["patch"]["parameters"].as_array_mut() {
        parameters.push(json!({"name": "force", "in": "query", "schema": {"type": "boolean", "uniqueItems": true}}));
    }
    paths.insert(format!("{root}{namespace}/{}", info.plural), collection);
    paths.insert(format!("{root}{namespace}/{}/{{name}}", info.plural), object);
}

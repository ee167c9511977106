//! Custom objects: read, defaulted, kept within their subresources, validated (`pkg/registry/customresource`, and the coercing decoder of
//! `customresource_handler.go`).
//!
//! **Simplified here:** a field that stands twice is refused where the text is read, before it comes here.

use crate::crd::{Served, check, rules, shape};
use crate::subresource::Subresource;
use crate::write::Write;
use api::decode::{Decoded, FieldValidation};
use api::json::join;
use api::kinds::find_kind;
use api::schema as builtin;
use api::status::{Cause, FieldError, FieldErrorKind, Status};
use api::{Dynamic, Object};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

type Refused<T> = Result<T, Box<Status>>;

impl Served {
    /// Reads an object of this version.
    ///
    /// # Errors
    /// 400 when it is of another kind, or strict validation finds unknown fields.
    pub(crate) fn decode(&self, mut value: Value, validation: FieldValidation) -> Refused<Decoded> {
        let (kind, api_version) = (&*self.kind.kind, self.kind.api_version());
        let bad = |message: String| Err(Box::new(Status::bad_request(message)));
        match (value["kind"].as_str(), value["apiVersion"].as_str()) {
            (None | Some(""), _) => return bad(format!("Object 'Kind' is missing in '{value}'")),
            (_, Some(other)) if other != api_version => {
                return bad(format!("the API version in the data ({other}) does not match the expected API version ({api_version})"));
            }
            (Some(other), _) if other != kind => {
                return bad(format!("the kind in the data ({other}) does not match the expected kind ({kind})"));
            }
            _ => {}
        }
        let mut unknown = shape::prune(&self.schema, &mut value, true);
        shape::prune_nulls(&self.schema, &mut value);
        unknown.extend(prune_metadata(&mut value));
        let warnings: Vec<String> = unknown.iter().map(|path| format!("unknown field {path:?}")).collect();
        if validation == FieldValidation::Strict && !unknown.is_empty() {
            let message = format!(
                "{kind} in version {:?} cannot be handled as a {kind}: strict decoding error: {}",
                self.kind.version,
                warnings.join(", ")
            );
            let mut status = Status::bad_request(message);
            let cause =
                |(path, text): (&String, &String)| Cause { reason: "FieldValueInvalid", message: text.clone(), field: path.clone() };
            status.details.causes = unknown.iter().zip(&warnings).map(cause).collect();
            return Err(Box::new(status));
        }
        shape::default(&self.schema, &mut value);
        let Value::Object(mut fields) = value else { return bad("the body of the request is no object".to_owned()) };
        fields.remove("apiVersion");
        fields.remove("kind");
        let object = Dynamic::decode(&api_version, kind, Some(self.kind.clone()), fields).map_err(|error| {
            let message = format!("{kind} in version {:?} cannot be handled as a {kind}: {error}", self.kind.version);
            Box::new(Status::bad_request(message))
        })?;
        let warnings = if validation == FieldValidation::Ignore { Vec::new() } else { warnings };
        Ok(Decoded { object: Object::Dynamic(Arc::new(object)), warnings })
    }

    /// A stored object in this version, with defaults that its schema got since it was written.
    pub(crate) fn present(&self, object: Object) -> Object {
        let Object::Dynamic(mut shared) = object else { return object };
        let version = self.kind.api_version();
        if shared.api_version == version && !self.has_defaults {
            return Object::Dynamic(shared);
        }
        let own = Arc::make_mut(&mut shared);
        own.api_version = version;
        own.info = Some(self.kind.clone());
        if self.has_defaults {
            own.rest = api::json::Rest::new(self.defaulted(own));
        }
        Object::Dynamic(shared)
    }

    fn defaulted(&self, object: &Dynamic) -> Map<String, Value> {
        let mut fields = Map::new();
        object.rest.restore(&mut fields);
        let mut value = Value::Object(fields);
        shape::default(&self.schema, &mut value);
        match value {
            Value::Object(fields) => fields,
            _ => Map::new(),
        }
    }

    /// The object in the version in which it is stored.
    pub(crate) fn to_stored(&self, object: Object) -> Object {
        let Object::Dynamic(mut shared) = object else { return object };
        if shared.info.as_ref() != Some(&self.stored) {
            let own = Arc::make_mut(&mut shared);
            own.api_version = self.stored.api_version();
            own.info = Some(self.stored.clone());
        }
        Object::Dynamic(shared)
    }

    /// Drops what only the system may set.
    pub(crate) fn prepare_for_create(&self, object: &mut Object) {
        let Object::Dynamic(object) = object else { return };
        let object = Arc::make_mut(object);
        object.metadata.generation = Some(1);
        if self.status {
            let mut fields = Map::new();
            object.rest.restore(&mut fields);
            fields.remove("status");
            object.rest = api::json::Rest::new(fields);
        }
    }

    /// Keeps what a write to the object, or to one of its subresources, must not change.
    pub(crate) fn prepare_for_update(&self, new: &mut Object, old: &Object, subresource: Subresource) {
        let (Object::Dynamic(new), Object::Dynamic(old)) = (new, old) else { return };
        let new = Arc::make_mut(new);
        if self.status {
            let (mut kept, mut status) = (Map::new(), None);
            let of_object = subresource != Subresource::Status;
            let (from, other) = if of_object { (&*new, &**old) } else { (&**old, &*new) };
            from.rest.restore(&mut kept);
            status.clone_from(&other.rest.get("status").cloned());
            kept.remove("status");
            kept.extend(status.map(|status| ("status".to_owned(), status)));
            new.rest = api::json::Rest::new(kept);
            if !of_object {
                let revision = new.metadata.resource_version;
                new.metadata = old.metadata.clone();
                new.metadata.resource_version = revision;
                return;
            }
        }
        new.metadata.generation = old.metadata.generation;
        if new.rest != old.rest {
            new.metadata.generation = Some(old.metadata.generation.unwrap_or(0) + 1);
        }
    }

    /// What is wrong with an object beyond its metadata; `old` is what an update replaces.
    pub(crate) fn validate(&self, new: &Object, old: Option<&Object>, subresource: Subresource) -> Vec<FieldError> {
        let (value, old) = (new.to_json(), old.map(Object::to_json));
        let mut errors = Vec::new();
        if subresource == Subresource::Status {
            if let (Some(schema), Some(status)) = (self.schema.at("status"), value.get("status")) {
                let before = old.as_ref().and_then(|old| old.get("status"));
                check::check(schema, status, before, "status", &mut errors);
            }
        } else {
            check::check(&self.schema, &value, old.as_ref(), "", &mut errors);
            self.validate_scale(&value, &mut errors);
        }
        self.embedded(&self.schema, &value, "", &mut errors);
        let mut already = Vec::new();
        if let Some(old) = &old {
            check::duplicates(&self.schema, old, "", &mut already);
        }
        if already.is_empty() {
            check::duplicates(&self.schema, &value, "", &mut errors);
        }
        let blocks = |error: &FieldError| {
            use FieldErrorKind::{NotSupported, Required, TooLong, TooMany, TypeInvalid};
            matches!(error.kind, NotSupported | Required | TooLong | TooMany | TypeInvalid)
        };
        if self.schema.has_rules && errors.iter().any(blocks) {
            let detail = "some validation rules were not checked because the object was invalid; correct the existing errors to complete \
                          validation";
            errors.push(FieldError::new(FieldErrorKind::Invalid, "<nil>", "null", detail));
        } else {
            rules::check(&self.schema, &value, old.as_ref(), &mut errors);
        }
        errors
    }

    /// Embedded objects say what they are.
    fn embedded(&self, schema: &crate::crd::schema::Schema, value: &Value, path: &str, errors: &mut Vec<FieldError>) {
        if schema.embedded && value.is_object() {
            for name in ["apiVersion", "kind"] {
                if value[name].as_str().is_none_or(str::is_empty) {
                    errors.push(FieldError::required(join(path, name), "must not be empty"));
                }
            }
        }
        match value {
            Value::Object(fields) => {
                for (name, field) in fields {
                    if let Some(part) = schema.field(name) {
                        self.embedded(part, field, &join(path, name), errors);
                    }
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    if let Some(part) = &schema.items {
                        self.embedded(part, item, &format!("{path}[{index}]"), errors);
                    }
                }
            }
            _ => {}
        }
    }

    fn validate_scale(&self, value: &Value, errors: &mut Vec<FieldError>) {
        let Some(scale) = &self.scale else { return };
        for path in [&scale.spec, &scale.status] {
            let Some(found) = at(value, path).filter(|found| !found.is_null()) else { continue };
            let field = format!(".{}", path.join("."));
            let wrong = match found.as_i64() {
                Some(count) if count < 0 => "should be a non-negative integer".to_owned(),
                Some(count) if count > i64::from(i32::MAX) => format!("should be less than or equal to {}", i32::MAX),
                Some(_) => continue,
                None => {
                    let shown = api::jsonpath::text(found);
                    format!("{field} accessor error: {shown} is of the type {}, expected int64", go_type(found))
                }
            };
            errors.push(FieldError::new(FieldErrorKind::Invalid, field, found.as_i64().unwrap_or(0).to_string(), wrong));
        }
    }

    /// The `autoscaling/v1` `Scale` of an object.
    ///
    /// # Errors
    /// 500 when the object does not say how many replicas it wants.
    pub(crate) fn scale_of(&self, object: &Object) -> Refused<Value> {
        let Some(scale) = &self.scale else { return Err(Box::new(Status::no_such_path())) };
        let (value, metadata) = (object.to_json(), object.metadata());
        let count = |path: &[String]| at(&value, path).and_then(Value::as_i64);
        let Some(wanted) = count(&scale.spec) else {
            return Err(Box::new(Status::internal(format!("the spec replicas field {:?} does not exist", scale.written))));
        };
        let mut status = json!({"replicas": count(&scale.status).unwrap_or(0)});
        if let Some(selector) = at(&value, &scale.selector).and_then(Value::as_str).filter(|_| !scale.selector.is_empty()) {
            status["selector"] = json!(selector);
        }
        Ok(json!({
            "apiVersion": "autoscaling/v1", "kind": "Scale",
            "metadata": {
                "name": metadata.name, "namespace": metadata.namespace, "uid": metadata.uid,
                "resourceVersion": metadata.resource_version.to_string(),
                "creationTimestamp": metadata.creation_timestamp.map(|at| at.to_string()),
            },
            "spec": {"replicas": wanted},
            "status": status,
        }))
    }

    /// The change of the object that a change of `spec.replicas` of its scale means.
    pub(crate) fn scale_patch(&self, mut patch: Value) -> Value {
        let Some(scale) = &self.scale else { return patch };
        let Some(replicas) = patch["spec"].get_mut("replicas").map(Value::take) else { return patch };
        if let Some(fields) = patch.as_object_mut() {
            fields.remove("spec");
        }
        let nested = scale.spec.iter().rev().fold(replicas, |inner, step| json!({ step: inner }));
        api::patch::merge(patch, &nested)
    }
}

impl Write {
    /// The object in the version that is written.
    pub(crate) fn present(&self, object: Object) -> Object {
        match &self.served {
            Some(served) => served.present(object),
            None => object,
        }
    }

    /// The object in the version in which it is stored.
    pub(crate) fn to_stored(&self, object: Object) -> Object {
        match &self.served {
            Some(served) => served.to_stored(object),
            None => object,
        }
    }
}

/// What the finalizers that `new` has and `old` has not are warned of.
pub(crate) fn finalizer_warnings(new: &Object, old: Option<&Object>) -> Vec<String> {
    let known = old.map(|old| &old.metadata().finalizers[..]).unwrap_or_default();
    let added: BTreeSet<&String> = new.metadata().finalizers.iter().filter(|finalizer| !known.contains(finalizer)).collect();
    let plain = added.into_iter().filter(|finalizer| !finalizer.contains('/'));
    let warned = plain.filter(|finalizer| !matches!(finalizer.as_str(), "orphan" | "foregroundDeletion" | "kubernetes"));
    warned
        .map(|finalizer| {
            let path = if finalizer.contains('.') { " including a path (/)" } else { "" };
            format!(
                "metadata.finalizers: {finalizer:?}: prefer a domain-qualified finalizer name{path} to avoid accidental conflicts with other \
                 finalizer writers"
            )
        })
        .collect()
}

/// The value at a path of fields.
fn at<'v>(value: &'v Value, path: &[String]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, step| value.get(step))
}

fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// Takes unknown fields out of `metadata` and names them.
fn prune_metadata(value: &mut Value) -> Vec<String> {
    let schema = find_kind("v1", "ConfigMap").and_then(builtin::for_kind).and_then(|schema| schema.get("metadata")?.type_.as_struct());
    let (Some(schema), Some(metadata)) = (schema, value.get_mut("metadata")) else { return Vec::new() };
    builtin::prune(schema, metadata).into_iter().map(|path| format!("metadata.{path}")).collect()
}

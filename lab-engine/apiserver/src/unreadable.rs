//! Values that lie in etcd as bytes, which somebody else has written: read where they can be, and refused in upstream's words where not.
//!
//! A value is read as the storage codec does: JSON, or YAML, of the kind that its place is for. One that cannot be read is not left out: reads of it fail,
//! and so does whatever has to read it, lists of its resource above all (`storage/etcd3/store.go`, `runtime/serializer/recognizer`).
//!
//! **Simplified here:** protobuf is not read; places of what no aggregated or custom resource serves belong to nobody.

use crate::crd::CustomResources;
use crate::storage::resource_prefix;
use api::kinds::{KINDS, Kind, find_kind};
use api::status::Status;
use api::{Dynamic, Object};
use serde_json::Value;

/// Why a value cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// It is not encrypted as it should be, or with another key.
    Transform(String),
    /// Its bytes are no object of the kind that its place is for.
    Decode(String),
}

impl Unreadable {
    /// The refusal of a read of this one value.
    pub(crate) fn of_one(&self) -> Status {
        match self {
            Unreadable::Transform(reason) => Status::internal(reason),
            Unreadable::Decode(reason) => Status::new(500, "", reason.clone()),
        }
    }

    /// The refusal of a list with the value at `key`.
    pub(crate) fn of_list(&self, key: &str) -> Status {
        match self {
            Unreadable::Transform(reason) => Status::internal(format!("unable to transform key {key:?}: {reason}")),
            Unreadable::Decode(_) => self.of_one(),
        }
    }
}

/// The refusal of what must be read from a watch cache that cannot be filled.
pub(crate) fn not_ready() -> Status {
    let mut status = Status::new(429, "TooManyRequests", "storage is (re)initializing");
    status.details.retry_after_seconds = Some(1);
    status
}

/// The kind whose objects lie at a key; `None` when that is no resource's place.
pub(crate) fn kind_at(key: &str, custom: &CustomResources) -> Option<Kind> {
    let lies_at = |prefix: String| key.strip_prefix(&prefix).is_some_and(|name| !name.is_empty());
    let builtin = KINDS.iter().find(|info| lies_at(resource_prefix(info))).map(Kind::BuiltIn);
    builtin.or_else(|| custom.all().find(|served| lies_at(resource_prefix(&served.stored))).map(|served| served.stored.clone()))
}

/// The object in the bytes at a key of this kind.
pub(crate) fn decode(kind: &Kind, bytes: &[u8], custom: &CustomResources) -> Result<Object, Unreadable> {
    let text = String::from_utf8_lossy(bytes);
    let (api_version, name, value) = type_meta(&text).map_err(Unreadable::Decode)?;
    let found = match find_kind(&api_version, &name) {
        Some(info) => Kind::BuiltIn(info),
        None => {
            let version = custom.all().find(|served| served.kind.api_version() == api_version && served.kind.kind == name);
            let scheme = "k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30";
            let unknown = || format!("no kind \"{name}\" is registered for version \"{api_version}\" in scheme \"{scheme}\"");
            version.map(|served| served.kind.clone()).ok_or_else(|| Unreadable::Decode(unknown()))?
        }
    };
    if (&found.group, &found.kind) != (&kind.group, &kind.kind) {
        // Internal types are called by their package.
        let group = if kind.group.is_empty() { "core" } else { kind.group.split('.').next().unwrap_or_default() };
        let wrong = format!("converting ({}.{}) to ({group}.{}): unknown conversion", found.version, found.kind, kind.kind);
        return Err(Unreadable::Decode(wrong));
    }
    let object = match (&found, value) {
        (Kind::Custom(_), Value::Object(mut fields)) => {
            fields.remove("apiVersion");
            fields.remove("kind");
            Dynamic::decode(&api_version, &name, Some(found.clone()), fields).map(|object| Object::Dynamic(object.into()))
        }
        (_, value) => Object::decode_as(&api_version, &name, value),
    };
    object.map_err(|error| Unreadable::Decode(error.to_string()))
}

/// `apiVersion`, `kind` and all of a text.
fn type_meta(text: &str) -> Result<(String, String, Value), String> {
    let meta = "struct { APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }";
    let value = if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(|error| format!("couldn't get version/kind; json parse error: {error}"))?
    } else {
        let documents = api::yaml::read_documents(text).map_err(|error| format!("yaml: {error}"))?;
        documents.into_iter().next().map_or(Value::Null, |document| document.value)
    };
    let found = match &value {
        Value::Object(_) | Value::Null => None,
        Value::Array(_) => Some("array"),
        Value::String(_) => Some("string"),
        Value::Number(_) => Some("number"),
        Value::Bool(_) => Some("bool"),
    };
    if let Some(found) = found {
        return Err(format!("couldn't get version/kind; json parse error: json: cannot unmarshal {found} into Go value of type {meta}"));
    }
    let part = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let (api_version, kind) = (part("apiVersion"), part("kind"));
    match (kind.is_empty(), api_version.is_empty()) {
        (true, _) => Err(format!("Object 'Kind' is missing in '{text}'")),
        (_, true) => Err(format!("Object 'apiVersion' is missing in '{text}'")),
        _ => Ok((api_version, kind, value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::Resource;
    use api::core::Pod;

    fn refused(text: &str) -> String {
        match decode(&Kind::BuiltIn(Pod::INFO), text.as_bytes(), &CustomResources::default()) {
            Err(Unreadable::Decode(reason)) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn bytes_are_read_as_json_and_as_yaml() {
        let kind = Kind::BuiltIn(Pod::INFO);
        for text in [r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}}"#, "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n"] {
            let object = decode(&kind, text.as_bytes(), &CustomResources::default()).unwrap();
            assert_eq!(object.metadata().name, "a");
        }
    }

    #[test]
    fn what_is_no_object_of_the_kind_is_refused_in_upstreams_words() {
        let words = "couldn't get version/kind; json parse error: json: cannot unmarshal string into Go value of type struct {";
        assert!(refused("hello").starts_with(words), "{}", refused("hello"));
        assert_eq!(refused("{}"), "Object 'Kind' is missing in '{}'");
        assert_eq!(refused(""), "Object 'Kind' is missing in ''");
        assert_eq!(refused(r#"{"kind":"Pod"}"#), r#"Object 'apiVersion' is missing in '{"kind":"Pod"}'"#);
        assert!(refused(r#"{"apiVersion":"v1","kind":"Pud"}"#).starts_with(r#"no kind "Pud" is registered for version "v1" in scheme"#));
        assert_eq!(refused(r#"{"apiVersion":"v1","kind":"Secret"}"#), "converting (v1.Secret) to (core.Pod): unknown conversion");
        let wrong = refused(r#"{"apiVersion":"v1","kind":"Pod","spec":{"containers":5}}"#);
        assert!(wrong.starts_with("json: cannot unmarshal number into Go struct field PodSpec.spec.containers"), "{wrong}");
    }

    #[test]
    fn a_key_belongs_to_the_resource_whose_place_it_is_in() {
        let kind = |key| kind_at(key, &CustomResources::default()).map(|kind| kind.plural.to_string());
        assert_eq!(kind("/registry/pods/default/a").as_deref(), Some("pods"));
        assert_eq!(kind("/registry/minions/node-1").as_deref(), Some("nodes"));
        assert_eq!(kind("/registry/services/specs/default/a").as_deref(), Some("services"));
        assert_eq!(kind("/registry/services/endpoints/default/a").as_deref(), Some("endpoints"));
        assert_eq!((kind("/registry/pods/"), kind("/registry/nothing/a")), (None, None));
    }
}

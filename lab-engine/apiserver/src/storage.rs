//! How objects lie in etcd: their keys and their bytes.
//!
//! **Simplified here:** bytes are JSON for every kind, where a real API server writes protobuf.

use crate::encryption::EncryptionConfig;
use crate::proposed::value_of;
use api::Object;
use api::kinds::{KINDS, KindInfo};
use api::meta::ResourceVersion;
use etcd::{Encode, Value};
use sim::Rng;
use std::any::Any;
use std::sync::Arc;

/// An object as a value that lies in etcd. It knows its `resourceVersion`, which is not among its bytes.
#[derive(Debug)]
pub(crate) struct Stored(pub(crate) Object);

impl Encode for Stored {
    fn encode(&self) -> Vec<u8> {
        bytes(&self.0)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The object as of a revision.
pub(crate) fn with_revision(mut object: Object, revision: u64) -> Object {
    object.metadata_mut().resource_version = ResourceVersion(revision);
    object
}

/// What lies in etcd: the object without its `resourceVersion`.
pub(crate) fn bytes(object: &Object) -> Vec<u8> {
    with_revision(object.clone(), 0).to_json().to_string().into_bytes()
}

/// An object as encrypted bytes: all that etcd holds of it.
#[derive(Debug)]
struct Sealed {
    bytes: Arc<[u8]>,
    revision: u64,
}

impl Encode for Sealed {
    fn encode(&self) -> Vec<u8> {
        self.bytes.to_vec()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn written_at(&self, revision: u64) -> Option<Value> {
        Some(Value::new(Sealed { bytes: self.bytes.clone(), revision }))
    }
}

/// The object in a value that is never encrypted, which only this API server writes.
pub(crate) fn object_of(value: &Value) -> Option<Object> {
    value.downcast::<Stored>().map(|stored| stored.0.clone())
}

/// Turns objects into values and back. Objects that are not encrypted are shared, never copied or written out.
#[derive(Debug)]
pub(crate) struct Codec {
    config: Option<EncryptionConfig>,
    rng: Rng,
}

impl Codec {
    /// A codec that draws its nonces from `rng`.
    pub(crate) fn new(config: Option<EncryptionConfig>, rng: Rng) -> Self {
        Codec { config, rng }
    }

    /// The value to store of an object.
    pub(crate) fn value(&mut self, info: &KindInfo, key: &str, object: Object) -> Value {
        let sealed = self.config.as_ref().and_then(|config| config.seal(info, key, &bytes(&object), &mut self.rng));
        sealed.map_or_else(|| value_of(object), |bytes| Value::new(Sealed { bytes: bytes.into(), revision: 0 }))
    }

    /// The object in a value; `None` for what nobody can read.
    pub(crate) fn object(&self, key: &str, value: &Value) -> Option<Object> {
        if let Some(object) = object_of(value) {
            return Some(object);
        }
        let sealed = value.downcast::<Sealed>()?;
        let plain = self.config.as_ref()?.open(info_at(key)?, key, &sealed.bytes)?;
        let json: serde_json::Value = serde_json::from_slice(&plain).ok()?;
        let kind = |field: &str| json[field].as_str().unwrap_or_default().to_owned();
        let mut object = Object::decode_as(&kind("apiVersion"), &kind("kind"), json).ok()?;
        object.metadata_mut().resource_version = ResourceVersion(sealed.revision);
        Some(object)
    }

    /// Whether a value is to be written anew although its object does not change.
    pub(crate) fn is_stale(&self, info: &KindInfo, value: &Value) -> bool {
        let sealed = value.downcast::<Sealed>().map(|sealed| &*sealed.bytes);
        self.config.as_ref().is_some_and(|config| config.is_stale(info, sealed))
    }
}

/// The kind of the object at a key.
fn info_at(key: &str) -> Option<&'static KindInfo> {
    KINDS.iter().find(|info| key.starts_with(&resource_prefix(info)))
}

/// Where all keys begin.
pub(crate) const ROOT: &str = "/registry/";

/// Where the keys of a resource begin, with the names that the first releases gave them.
pub(crate) fn resource_prefix(info: &KindInfo) -> String {
    match info.group_plural() {
        ("", "nodes") => "/registry/minions/".to_owned(),
        ("", "services") => "/registry/services/specs/".to_owned(),
        (group, plural) if info.custom => format!("{ROOT}{group}/{plural}/"),
        (_, plural) => format!("{ROOT}{plural}/"),
    }
}

/// Where the keys of a resource in a namespace begin; `namespace` empty for all.
pub(crate) fn namespace_prefix(info: &KindInfo, namespace: &str) -> String {
    let prefix = resource_prefix(info);
    if namespace.is_empty() { prefix } else { format!("{prefix}{namespace}/") }
}

/// The key of an object.
pub(crate) fn key(info: &KindInfo, namespace: &str, name: &str) -> Arc<str> {
    format!("{}{name}", namespace_prefix(info, if info.namespaced { namespace } else { "" })).into()
}

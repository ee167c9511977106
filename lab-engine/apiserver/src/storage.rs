//! How objects lie in etcd: their keys and their bytes.
//!
//! **Simplified here:** bytes are JSON for every kind, where a real API server writes protobuf.

use crate::crd::CustomResources;
use crate::encryption::{self, EncryptionConfig};
use crate::proposed::value_of;
use crate::unreadable::{self, Unreadable};
use api::Object;
use api::kinds::KindInfo;
use api::meta::ResourceVersion;
use etcd::{Encode, KeyValue, Value};
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
}

impl Encode for Sealed {
    fn encode(&self) -> Vec<u8> {
        self.bytes.to_vec()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The object in a value, if an API server wrote it and it is not encrypted.
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
        sealed.map_or_else(|| value_of(object), |bytes| Value::new(Sealed { bytes: bytes.into() }))
    }

    /// The object in a pair.
    ///
    /// # Errors
    /// Why it cannot be read. A pair that lies in no resource's place is no object either.
    pub(crate) fn object(&self, kv: &KeyValue, custom: &CustomResources) -> Result<Object, Unreadable> {
        if let Some(object) = object_of(&kv.value) {
            return Ok(object);
        }
        let foreign = || Unreadable::Decode("the key is in no resource's place".to_owned());
        let kind = unreadable::kind_at(&kv.key, custom).ok_or_else(foreign)?;
        let sealed = kv.value.downcast::<Sealed>().map(|sealed| sealed.bytes.to_vec());
        let bytes = sealed.unwrap_or_else(|| kv.value.0.encode());
        let plain = match &self.config {
            Some(config) => config.open(&kind, &kv.key, &bytes).map_err(Unreadable::Transform)?,
            None => encryption::open_nothing(bytes).map_err(Unreadable::Transform)?,
        };
        Ok(with_revision(unreadable::decode(&kind, &plain, custom)?, kv.mod_revision))
    }

    /// Whether a value is to be written anew although its object does not change.
    pub(crate) fn is_stale(&self, info: &KindInfo, value: &Value) -> bool {
        let bytes = || value.downcast::<Vec<u8>>().map(Vec::as_slice).filter(|bytes| encryption::is_sealed(bytes));
        let sealed = value.downcast::<Sealed>().map(|sealed| &*sealed.bytes).or_else(bytes);
        self.config.as_ref().is_some_and(|config| config.is_stale(info, sealed))
    }
}

/// Where all keys begin.
pub(crate) const ROOT: &str = "/registry/";

/// Where the keys of a resource begin, with the names that the first releases gave them (`SpecialDefaultResourcePrefixes` of
/// `pkg/kubeapiserver`). What the API servers for extensions and aggregation keep has its group in front.
pub(crate) fn resource_prefix(info: &KindInfo) -> String {
    resource_parts(info).concat()
}

/// The same in parts.
fn resource_parts(info: &KindInfo) -> [&str; 5] {
    match info.group_plural() {
        ("", "nodes") => [ROOT, "minions", "/", "", ""],
        ("", "services") => [ROOT, "services/specs", "/", "", ""],
        ("", "endpoints") => [ROOT, "services/endpoints", "/", "", ""],
        ("", "replicationcontrollers") => [ROOT, "controllers", "/", "", ""],
        ("networking.k8s.io", "ingresses") => [ROOT, "ingress", "/", "", ""],
        (group @ ("apiextensions.k8s.io" | "apiregistration.k8s.io"), plural) => [ROOT, group, "/", plural, "/"],
        (group, plural) if info.custom => [ROOT, group, "/", plural, "/"],
        (_, plural) => [ROOT, plural, "/", "", ""],
    }
}

/// Where the keys of a resource in a namespace begin; `namespace` empty for all.
pub(crate) fn namespace_prefix(info: &KindInfo, namespace: &str) -> String {
    let [a, b, c, d, e] = resource_parts(info);
    [a, b, c, d, e, namespace, if namespace.is_empty() { "" } else { "/" }].concat()
}

/// The key of an object.
pub(crate) fn key(info: &KindInfo, namespace: &str, name: &str) -> Arc<str> {
    let namespace = if info.namespaced { namespace } else { "" };
    let [a, b, c, d, e] = resource_parts(info);
    [a, b, c, d, e, namespace, if namespace.is_empty() { "" } else { "/" }, name].concat().into()
}

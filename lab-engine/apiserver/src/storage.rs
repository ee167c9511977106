//! How objects lie in etcd: their keys and their bytes.
//!
//! **Simplified here:** bytes are JSON for every kind, where a real API server writes protobuf.

use crate::encryption::EncryptionConfig;
use api::kinds::{KINDS, KindInfo, find_kind};
use api::meta::ResourceVersion;
use api::{Object, Resource};
use etcd::{Encode, Value};
use sim::Rng;
use std::any::Any;
use std::sync::Arc;

/// An object as a value of etcd.
#[derive(Debug)]
pub(crate) struct Stored(pub(crate) Object);

impl Encode for Stored {
    fn encode(&self) -> Vec<u8> {
        let mut object = self.0.clone();
        object.metadata_mut().resource_version = ResourceVersion(0);
        object.to_json().to_string().into_bytes()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn written_at(&mut self, revision: u64) {
        self.0.metadata_mut().resource_version = ResourceVersion(revision);
    }
}

/// An object as encrypted bytes: all that etcd holds of it.
#[derive(Debug)]
struct Sealed {
    bytes: Vec<u8>,
    revision: u64,
}

impl Encode for Sealed {
    fn encode(&self) -> Vec<u8> {
        self.bytes.clone()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn written_at(&mut self, revision: u64) {
        self.revision = revision;
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
        let stored = Stored(object);
        match &self.config {
            Some(config) => match config.seal(info, key, &stored.encode(), &mut self.rng) {
                Some(bytes) => Value::new(Sealed { bytes, revision: 0 }),
                None => Value::new(stored),
            },
            None => Value::new(stored),
        }
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
        let sealed = value.downcast::<Sealed>().map(|sealed| sealed.bytes.as_slice());
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
    match (info.group, info.plural) {
        ("", "nodes") => "/registry/minions/".to_owned(),
        ("", "services") => "/registry/services/specs/".to_owned(),
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

/// The kind of an object; `None` for kinds that Kubernetes does not have.
pub(crate) fn info_of(object: &Object) -> Option<&'static KindInfo> {
    use api::{apps, coordination, core, rbac};
    Some(match object {
        Object::Binding(_) => core::Binding::INFO,
        Object::ClusterRole(_) => rbac::ClusterRole::INFO,
        Object::ClusterRoleBinding(_) => rbac::ClusterRoleBinding::INFO,
        Object::ConfigMap(_) => core::ConfigMap::INFO,
        Object::Deployment(_) => apps::Deployment::INFO,
        Object::Event(_) => core::Event::INFO,
        Object::Lease(_) => coordination::Lease::INFO,
        Object::LimitRange(_) => core::LimitRange::INFO,
        Object::Namespace(_) => core::Namespace::INFO,
        Object::Node(_) => core::Node::INFO,
        Object::Pod(_) => core::Pod::INFO,
        Object::ReplicaSet(_) => apps::ReplicaSet::INFO,
        Object::ResourceQuota(_) => core::ResourceQuota::INFO,
        Object::Role(_) => rbac::Role::INFO,
        Object::RoleBinding(_) => rbac::RoleBinding::INFO,
        Object::Secret(_) => core::Secret::INFO,
        Object::Service(_) => core::Service::INFO,
        Object::ServiceAccount(_) => core::ServiceAccount::INFO,
        Object::Dynamic(object) => find_kind(&object.api_version, &object.kind)?,
    })
}

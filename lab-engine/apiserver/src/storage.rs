//! How objects lie in etcd: their keys and their bytes.
//!
//! **Simplified here:** bytes are JSON for every kind, where a real API server writes protobuf.

use api::Object;
use api::kinds::KindInfo;
use api::meta::ResourceVersion;
use etcd::{Encode, Value};
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

/// The object in a value, which only this API server writes.
pub(crate) fn object_of(value: &Value) -> Option<Object> {
    value.downcast::<Stored>().map(|stored| stored.0.clone())
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

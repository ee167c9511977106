//! Values: shared, opaque to the store, bytes only for those who ask.

use crate::Revision;
use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

/// Something that can be kept in the store.
pub trait Encode: Debug + Send + Sync {
    /// Its bytes, as `etcdctl get` prints them.
    fn encode(&self) -> Vec<u8>;

    /// Itself, for its owner to recognise.
    fn as_any(&self) -> &dyn Any;

    /// The value as it is to be kept, if it wants to know the revision at which it was written; `None` if it does not care. The API server
    /// does not store `resourceVersion` but fills it in from the pair's `mod_revision` whenever it decodes; a shared value learns it here,
    /// once for all who read it. Every member of a group that applies the same entry asks the same value for the same revision.
    fn written_at(&self, revision: Revision) -> Option<Value> {
        let _ = revision;
        None
    }
}

impl Encode for Vec<u8> {
    fn encode(&self) -> Vec<u8> {
        self.clone()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A shared value.
#[derive(Clone, Debug)]
pub struct Value(pub Arc<dyn Encode>);

impl Value {
    /// A value of its own.
    pub fn new(value: impl Encode + 'static) -> Self {
        Value(Arc::new(value))
    }

    /// The value, if it is a `T`.
    pub fn downcast<T: 'static>(&self) -> Option<&T> {
        self.0.as_any().downcast_ref()
    }

    /// The value as it is kept when it was written at `revision`.
    pub(crate) fn written_at(self, revision: Revision) -> Self {
        self.0.written_at(revision).unwrap_or(self)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::new(text.as_bytes().to_vec())
    }
}

impl PartialEq for Value {
    /// Whether the bytes are equal.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.encode() == other.0.encode()
    }
}

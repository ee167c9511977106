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

    /// Tells the value the revision at which it was written, before anyone else sees it. The API server does not store
    /// `resourceVersion` but fills it in from the pair's `mod_revision` whenever it decodes; a shared value learns it once, here.
    fn written_at(&mut self, revision: Revision) {
        let _ = revision;
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

    /// Tells the value its revision; a value that is already shared keeps what it knows.
    pub(crate) fn written_at(&mut self, revision: Revision) {
        if let Some(value) = Arc::get_mut(&mut self.0) {
            value.written_at(revision);
        }
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

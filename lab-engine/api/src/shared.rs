//! Parts of objects that copies have in common.
//!
//! Most writes change a small part of an object: a new status leaves the spec as it was. A [`Shared`] part is copied only by whoever
//! changes it, so that the many states of a Pod hold its spec once, and comparing them does not walk it.

use crate::json::{DecodeError, Json, Position};
use serde_json::Value;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// A part of an object, shared by its copies until one of them changes it. It reads and writes as the part itself; borrowing it mutably is
/// what copies it, if another copy holds it too.
#[derive(Clone, Default)]
pub struct Shared<T>(Arc<T>);

impl<T> Shared<T> {
    /// Whether both are one and need no look at what they hold.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<T> From<T> for Shared<T> {
    fn from(part: T) -> Self {
        Shared(Arc::new(part))
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Clone> DerefMut for Shared<T> {
    fn deref_mut(&mut self) -> &mut T {
        Arc::make_mut(&mut self.0)
    }
}

impl<T: PartialEq> PartialEq for Shared<T> {
    fn eq(&self, other: &Self) -> bool {
        self.is_same(other) || self.0 == other.0
    }
}

impl<T: fmt::Debug> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: Json> Json for Shared<T> {
    fn from_json(value: Value, position: &mut Position) -> Result<Self, DecodeError> {
        T::from_json(value, position).map(Shared::from)
    }

    fn to_json(&self) -> Value {
        self.0.to_json()
    }

    fn is_omitted(&self) -> bool {
        self.0.is_omitted()
    }

    fn changed(&self, new: &Self) -> (Value, Value) {
        self.0.changed(&new.0)
    }

    fn unsimulated(&self, path: &str, out: &mut Vec<String>) {
        self.0.unsimulated(path, out);
    }
}

#[cfg(test)]
mod tests {
    use crate::core::Pod;

    #[test]
    fn a_copy_shares_the_spec_until_it_changes_it() {
        let pod = Pod::default();
        let mut copy = pod.clone();
        copy.status.phase = "Running".to_owned();
        assert!(copy.spec.is_same(&pod.spec));
        copy.spec.node_name = "node-1".to_owned();
        assert_eq!((pod.spec.node_name.as_str(), copy.spec.node_name.as_str()), ("", "node-1"));
        copy.spec.node_name.clear();
        assert!(copy.spec == pod.spec && !copy.spec.is_same(&pod.spec));
    }
}

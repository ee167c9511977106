//! Parts of objects that copies have in common.
//!
//! Most writes change a small part of an object: a new status leaves the spec as it was. A [`Shared`] part is copied only by whoever
//! changes it, so that the many states of a Pod hold its spec once, and comparing them does not walk it.

use crate::json::{DecodeError, Json, Position};
use crate::managed_fields::{Marks, Place};
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

    fn compare(place: Place<'_>, old: Option<&Self>, new: Option<&Self>) -> Marks {
        T::compare(place, old.map(|old| &**old), new.map(|new| &**new))
    }

    fn unsimulated(&self, path: &str, out: &mut Vec<String>) {
        self.0.unsimulated(path, out);
    }
}

/// A list that is shared by the copies of its object until one of them changes it. It is used as the [`Vec`] itself; borrowing it mutably
/// is what copies it, if another copy holds it too. An empty one takes no memory.
#[derive(Clone)]
pub struct SharedVec<T>(Option<Arc<Vec<T>>>);

impl<T> SharedVec<T> {
    /// Whether both are one list in memory, or both empty.
    pub fn is_same(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        }
    }
}

impl<T: Clone + PartialEq> SharedVec<T> {
    /// Changes a copy of each item, and the list only where that made a difference: what was shared and right stays shared.
    pub fn amend(&mut self, change: impl FnMut(&mut T)) {
        let mut items = (**self).clone();
        items.iter_mut().for_each(change);
        if items != **self {
            *self = items.into();
        }
    }
}

impl<T> Default for SharedVec<T> {
    fn default() -> Self {
        SharedVec(None)
    }
}

impl<T> Deref for SharedVec<T> {
    type Target = Vec<T>;

    fn deref(&self) -> &Vec<T> {
        self.0.as_deref().unwrap_or(const { &Vec::new() })
    }
}

impl<T: Clone> DerefMut for SharedVec<T> {
    fn deref_mut(&mut self) -> &mut Vec<T> {
        Arc::make_mut(self.0.get_or_insert_default())
    }
}

impl<T: PartialEq> PartialEq for SharedVec<T> {
    fn eq(&self, other: &Self) -> bool {
        self.is_same(other) || **self == **other
    }
}

impl<T: fmt::Debug> fmt::Debug for SharedVec<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T> From<Vec<T>> for SharedVec<T> {
    fn from(items: Vec<T>) -> Self {
        SharedVec((!items.is_empty()).then(|| Arc::new(items)))
    }
}

impl<T> FromIterator<T> for SharedVec<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        items.into_iter().collect::<Vec<T>>().into()
    }
}

impl<T: Clone> IntoIterator for SharedVec<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.map(Arc::unwrap_or_clone).unwrap_or_default().into_iter()
    }
}

impl<'a, T> IntoIterator for &'a SharedVec<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a, T: Clone> IntoIterator for &'a mut SharedVec<T> {
    type Item = &'a mut T;
    type IntoIter = std::slice::IterMut<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

impl<T: Json> Json for SharedVec<T> {
    fn from_json(value: Value, position: &mut Position) -> Result<Self, DecodeError> {
        Vec::from_json(value, position).map(SharedVec::from)
    }

    fn to_json(&self) -> Value {
        (**self).to_json()
    }

    fn is_omitted(&self) -> bool {
        self.is_empty()
    }

    fn compare(place: Place<'_>, old: Option<&Self>, new: Option<&Self>) -> Marks {
        Vec::compare(place, old.map(|old| &**old), new.map(|new| &**new))
    }

    fn unsimulated(&self, path: &str, out: &mut Vec<String>) {
        (**self).unsimulated(path, out);
    }
}

#[cfg(test)]
mod tests {
    use super::SharedVec;
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

    #[test]
    fn a_list_is_copied_only_by_whoever_makes_it_another() {
        let list = SharedVec::from(vec![1, 2]);
        let mut copy = list.clone();
        copy.amend(|item| *item = (*item).max(1));
        assert!(copy.is_same(&list));
        copy.amend(|item| *item += 1);
        assert_eq!((list.as_slice(), copy.as_slice()), ([1, 2].as_slice(), [2, 3].as_slice()));
        assert!(SharedVec::<i32>::from(Vec::new()).is_same(&SharedVec::default()));
    }
}

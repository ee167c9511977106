//! Labels, annotations and other maps of texts.
//!
//! Whoever writes an object mostly leaves its labels as they are, and a ReplicaSet gives the same ones to all its Pods. So a [`StringMap`]
//! is shared by its copies until one of them changes it; an empty one takes no memory, and two copies of one are equal at a glance.

use crate::json::{DecodeError, Json, Position};
use crate::managed_fields::{Marks, Place};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use std::cmp::Ordering;
use std::collections::{BTreeMap, btree_map};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// What a [`StringMap`] reads and writes as.
type Map = BTreeMap<String, String>;

static EMPTY: Map = Map::new();

/// Labels or annotations, in key order. It is used as the map itself; borrowing it mutably is what copies it, if another copy holds it too.
#[derive(Clone, Default)]
pub struct StringMap(Option<Arc<Map>>);

impl StringMap {
    /// An empty map.
    pub const fn new() -> Self {
        StringMap(None)
    }

    /// Whether both are one map in memory, or both empty.
    fn is_same(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        }
    }
}

impl Deref for StringMap {
    type Target = Map;

    fn deref(&self) -> &Map {
        self.0.as_deref().unwrap_or(&EMPTY)
    }
}

impl DerefMut for StringMap {
    fn deref_mut(&mut self) -> &mut Map {
        Arc::make_mut(self.0.get_or_insert_default())
    }
}

impl PartialEq for StringMap {
    fn eq(&self, other: &Self) -> bool {
        self.is_same(other) || **self == **other
    }
}

impl Eq for StringMap {}

impl PartialOrd for StringMap {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for StringMap {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.is_same(other) { Ordering::Equal } else { (**self).cmp(&**other) }
    }
}

impl fmt::Debug for StringMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl From<Map> for StringMap {
    fn from(map: Map) -> Self {
        StringMap((!map.is_empty()).then(|| Arc::new(map)))
    }
}

impl<const N: usize> From<[(String, String); N]> for StringMap {
    fn from(pairs: [(String, String); N]) -> Self {
        Map::from(pairs).into()
    }
}

impl FromIterator<(String, String)> for StringMap {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        pairs.into_iter().collect::<Map>().into()
    }
}

impl IntoIterator for StringMap {
    type Item = (String, String);
    type IntoIter = btree_map::IntoIter<String, String>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.map(Arc::unwrap_or_clone).unwrap_or_default().into_iter()
    }
}

impl<'a> IntoIterator for &'a StringMap {
    type Item = (&'a String, &'a String);
    type IntoIter = btree_map::Iter<'a, String, String>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Serialize for StringMap {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (**self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for StringMap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Map::deserialize(deserializer).map(StringMap::from)
    }
}

impl Json for StringMap {
    fn from_json(value: Value, position: &mut Position) -> Result<Self, DecodeError> {
        Map::from_json(value, position).map(StringMap::from)
    }

    fn to_json(&self) -> Value {
        (**self).to_json()
    }

    fn is_omitted(&self) -> bool {
        self.is_empty()
    }

    fn changed(&self, new: &Self) -> (Value, Value) {
        (**self).changed(new)
    }

    fn compare(place: Place<'_>, old: Option<&Self>, new: Option<&Self>) -> Marks {
        Map::compare(place, old.map(|old| &**old), new.map(|new| &**new))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> StringMap {
        StringMap::from([("app".to_owned(), "web".to_owned())])
    }

    #[test]
    fn copies_share_a_map_until_one_changes_it() {
        let map = labels();
        let mut copy = map.clone();
        assert!(copy.is_same(&map));
        copy.insert("tier".to_owned(), "front".to_owned());
        assert_eq!((map.len(), copy.len()), (1, 2));
        copy.remove("tier");
        assert!(copy == map && !copy.is_same(&map));
    }

    #[test]
    fn maps_are_ordered_by_what_they_hold() {
        let mut emptied = labels();
        emptied.clear();
        assert_eq!((emptied.cmp(&StringMap::new()), labels().cmp(&emptied)), (Ordering::Equal, Ordering::Greater));
        assert_eq!(labels().into_iter().collect::<StringMap>(), labels());
    }
}

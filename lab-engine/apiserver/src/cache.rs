//! The watch cache: all objects as of one revision, and the latest changes of every resource (`storage/cacher`).
//!
//! **Simplified here:** the window of a resource has a fixed size, where upstream's adapts.

use crate::storage::Codec;
use api::Object;
use api::kinds::{Kind, KindInfo};
use api::meta::ResourceVersion;
use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

/// How many changes of a resource are kept for watches that start in the past.
const WINDOW: usize = 10_000;

/// One change of one object.
#[derive(Debug)]
pub(crate) struct Change {
    /// Its kind.
    pub(crate) info: Kind,
    /// Its state before; `None` if it is new.
    pub(crate) old: Option<Object>,
    /// Its state after, or its last state with the revision of the deletion.
    pub(crate) object: Object,
    /// Whether it is gone.
    pub(crate) deleted: bool,
    /// The revision.
    pub(crate) revision: u64,
}

#[derive(Debug, Default)]
struct Window {
    changes: VecDeque<Arc<Change>>,
    /// The revision of the newest change that is no longer kept.
    forgotten: u64,
}

/// All objects as of one revision.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    objects: BTreeMap<Arc<str>, Object>,
    windows: BTreeMap<(Cow<'static, str>, Cow<'static, str>), Window>,
    revision: u64,
    /// The revision that the cache was filled at: changes up to it were never seen.
    filled_at: u64,
}

impl Cache {
    /// The revision that the cache shows.
    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    /// All objects, in key order.
    pub(crate) fn objects(&self) -> impl Iterator<Item = &Object> {
        self.objects.values()
    }

    /// The object at a key.
    pub(crate) fn get(&self, key: &str) -> Option<&Object> {
        self.objects.get(key)
    }

    /// The objects whose key begins with `prefix` and lies after `after` (empty: from the first), in key order.
    pub(crate) fn range<'a>(&'a self, prefix: &'a str, after: &str) -> impl Iterator<Item = (&'a Arc<str>, &'a Object)> + use<'a> {
        let start = if after > prefix { Bound::Excluded(after) } else { Bound::Included(prefix) };
        self.objects.range::<str, _>((start, Bound::Unbounded)).take_while(move |(key, _)| key.starts_with(prefix))
    }

    /// The objects whose key begins with `prefix`, in key order.
    pub(crate) fn range_of(&self, prefix: String) -> impl Iterator<Item = &Object> {
        let start = Bound::Included(prefix.as_str());
        let from = self.objects.range::<str, _>((start, Bound::Unbounded));
        from.take_while(move |(key, _)| key.starts_with(&prefix)).map(|(_, object)| object)
    }

    /// Fills the cache anew with all that etcd holds.
    pub(crate) fn fill(&mut self, codec: &Codec, kvs: &[etcd::KeyValue], revision: u64) {
        self.objects = kvs.iter().filter_map(|kv| Some((kv.key.clone(), codec.object(&kv.key, &kv.value)?))).collect();
        self.windows.clear();
        (self.revision, self.filled_at) = (revision, revision);
    }

    /// Applies a change that etcd reports; `None` when it is no object or already known.
    pub(crate) fn apply(&mut self, codec: &Codec, event: &etcd::Event) -> Option<Arc<Change>> {
        if event.revision <= self.filled_at {
            return None;
        }
        self.revision = self.revision.max(event.revision);
        let (old, object, deleted) = match &event.kv {
            Some(kv) => {
                let object = codec.object(&event.key, &kv.value)?;
                (self.objects.insert(event.key.clone(), object.clone()), object, false)
            }
            None => {
                let old = self.objects.remove(&event.key)?;
                let mut last = old.clone();
                last.metadata_mut().resource_version = ResourceVersion(event.revision);
                (Some(old), last, true)
            }
        };
        let info = object.info()?;
        let resource = (info.group.clone(), info.plural.clone());
        let change = Arc::new(Change { info, old, object, deleted, revision: event.revision });
        let window = self.windows.entry(resource).or_default();
        if window.changes.len() == WINDOW
            && let Some(oldest) = window.changes.pop_front()
        {
            window.forgotten = oldest.revision;
        }
        window.changes.push_back(change.clone());
        Some(change)
    }

    /// The changes of a resource after `revision`, oldest first.
    ///
    /// # Errors
    /// The oldest revision from which a watch can start, when some of the changes are no longer kept.
    pub(crate) fn since(&self, info: &KindInfo, revision: u64) -> Result<impl Iterator<Item = &Arc<Change>>, u64> {
        let window = self.windows.get(&(info.group.clone(), info.plural.clone()));
        let oldest = window.map_or(0, |window| window.forgotten).max(self.filled_at);
        if revision < oldest {
            return Err(oldest);
        }
        let changes = window.map(|window| {
            let start = window.changes.partition_point(|change| change.revision <= revision);
            window.changes.range(start..)
        });
        Ok(changes.into_iter().flatten())
    }
}

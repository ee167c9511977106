//! The watch cache: all objects as of one revision, and the latest changes of every resource (`storage/cacher`).
//!
//! A value that cannot be read keeps its resource's part of the cache from being filled: upstream's reflector fails to list it. Until it is
//! gone the resource is not ready ([`Cache::is_ready`]); what the server knew of its objects before stays with its own parts.
//!
//! **Simplified here:** the window of a resource has a fixed size, where upstream's adapts.

use crate::crd::{self, CustomResources};
use crate::storage::Codec;
use crate::unreadable::{self, Unreadable};
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

/// What came of an event of etcd.
#[derive(Debug)]
pub(crate) enum Applied {
    /// Nothing that is to be told: it was known already, or is about no object.
    Nothing,
    /// An object has changed.
    Changed(Arc<Change>),
    /// A value of this kind cannot be read: its watches end.
    Unreadable(Kind),
}

/// All objects as of one revision.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    objects: BTreeMap<Arc<str>, Object>,
    windows: BTreeMap<(Cow<'static, str>, Cow<'static, str>), Window>,
    /// The keys whose values cannot be read, with their kind.
    unreadable: BTreeMap<Arc<str>, (Kind, Unreadable)>,
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

    /// Whether all values of a resource can be read, so that it is served from here.
    pub(crate) fn is_ready(&self, info: &KindInfo) -> bool {
        self.unreadable.values().all(|(kind, _)| kind.group_plural() != info.group_plural())
    }

    /// Why the value at a key cannot be read, if that is so.
    pub(crate) fn unreadable(&self, key: &str) -> Option<&Unreadable> {
        self.unreadable.get(key).map(|(_, reason)| reason)
    }

    /// Fills the cache anew with all that etcd holds; gives the custom resources among it.
    pub(crate) fn fill(&mut self, codec: &Codec, kvs: &[etcd::KeyValue], revision: u64) -> CustomResources {
        // Definitions first: they say what the values of custom resources are.
        let none = CustomResources::default();
        let definitions = kvs.iter().filter(|kv| kv.key.starts_with(crd::DEFINITIONS));
        let definitions: Vec<Object> = definitions.filter_map(|kv| codec.object(kv, &none).ok()).collect();
        let custom = CustomResources::of(definitions.iter());
        self.objects.clear();
        self.unreadable.clear();
        for kv in kvs {
            match codec.object(kv, &custom) {
                Ok(object) => drop(self.objects.insert(kv.key.clone(), object)),
                Err(reason) => drop(self.mark_unreadable(&kv.key, reason, &custom)),
            }
        }
        self.windows.clear();
        (self.revision, self.filled_at) = (revision, revision);
        custom
    }

    fn mark_unreadable(&mut self, key: &Arc<str>, reason: Unreadable, custom: &CustomResources) -> Option<Kind> {
        let kind = unreadable::kind_at(key, custom)?;
        self.unreadable.insert(key.clone(), (kind.clone(), reason));
        Some(kind)
    }

    /// A key can be read again, or is gone. Once the whole resource can, it is as if it were listed anew: of what was before nobody is told.
    fn mark_readable(&mut self, key: &str, revision: u64) {
        let Some((kind, _)) = self.unreadable.remove(key) else { return };
        if self.is_ready(&kind) {
            let resource = (kind.group.clone(), kind.plural.clone());
            self.windows.insert(resource, Window { changes: VecDeque::new(), forgotten: revision });
        }
    }

    /// Applies a change that etcd reports.
    pub(crate) fn apply(&mut self, codec: &Codec, custom: &CustomResources, event: &etcd::Event) -> Applied {
        if event.revision <= self.filled_at {
            return Applied::Nothing;
        }
        self.revision = self.revision.max(event.revision);
        let (old, object, deleted) = match &event.kv {
            Some(kv) => match codec.object(kv, custom) {
                Ok(object) => (self.objects.insert(event.key.clone(), object.clone()), object, false),
                Err(reason) => return self.mark_unreadable(&event.key, reason, custom).map_or(Applied::Nothing, Applied::Unreadable),
            },
            None => {
                let Some(old) = self.objects.remove(&event.key) else {
                    self.mark_readable(&event.key, event.revision);
                    return Applied::Nothing;
                };
                let mut last = old.clone();
                last.metadata_mut().resource_version = ResourceVersion(event.revision);
                (Some(old), last, true)
            }
        };
        self.mark_readable(&event.key, event.revision);
        let Some(info) = object.info() else { return Applied::Nothing };
        let resource = (info.group.clone(), info.plural.clone());
        let change = Arc::new(Change { info, old, object, deleted, revision: event.revision });
        let window = self.windows.entry(resource).or_default();
        if window.changes.len() == WINDOW
            && let Some(oldest) = window.changes.pop_front()
        {
            window.forgotten = oldest.revision;
        }
        window.changes.push_back(change.clone());
        Applied::Changed(change)
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

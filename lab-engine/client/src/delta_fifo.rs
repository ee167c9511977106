//! Queues of changes between a reflector and an informer's cache (`client-go/tools/cache/delta_fifo.go`, `the_real_fifo.go`).
//!
//! The reflector puts in what it learns; the informer takes it out, changes its cache and tells its handlers. Two kinds:
//!
//! - [`DeltaFifo`] gathers the changes of one key and hands them out together, in the order in which the keys first came. It was client-go's
//!   queue until v1.33.
//! - [`RealFifo`] hands out one change after the other, in the order in which they came, whatever their keys. It is what informers use
//!   now (`InOrderInformers`, locked on in v1.36).
//!
//! Both find out which objects a list no longer has, by looking at the cache and at what they hold themselves.
//!
//! **Simplified here:** nothing blocks; the cache is passed in where upstream keeps a `KnownObjects`.

use crate::reflector::Reflected;
use crate::store::{Indexer, ObjectKey};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// How an object came into the queue (`DeltaType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeltaType {
    /// A watch said that it is new.
    Added,
    /// A watch said that it changed.
    Updated,
    /// A watch said that it is gone, or a list no longer had it.
    Deleted,
    /// A list had it.
    Replaced,
    /// A resync repeats it (or a list had it, in the way of old).
    Sync,
}

/// An object, or what is left of one whose end was missed.
#[derive(Debug)]
pub enum DeltaObject<R> {
    /// The object.
    Object(Arc<R>),
    /// It is gone, and this is the last that was known of it (`DeletedFinalStateUnknown`).
    Tombstone(ObjectKey, Option<Arc<R>>),
}

impl<R> Clone for DeltaObject<R> {
    fn clone(&self) -> Self {
        match self {
            DeltaObject::Object(object) => DeltaObject::Object(object.clone()),
            DeltaObject::Tombstone(key, object) => DeltaObject::Tombstone(key.clone(), object.clone()),
        }
    }
}

impl<R: Reflected> DeltaObject<R> {
    /// The key of the object (`DeletionHandlingMetaNamespaceKeyFunc`).
    pub fn key(&self) -> ObjectKey {
        match self {
            DeltaObject::Object(object) => ObjectKey::of(object.as_ref()),
            DeltaObject::Tombstone(key, _) => key.clone(),
        }
    }

    /// The object, as far as it is known.
    pub fn object(&self) -> Option<&Arc<R>> {
        match self {
            DeltaObject::Object(object) => Some(object),
            DeltaObject::Tombstone(_, object) => object.as_ref(),
        }
    }
}

/// One change (`Delta`).
#[derive(Debug)]
pub struct Delta<R> {
    /// How it came.
    pub kind: DeltaType,
    /// Of what.
    pub object: DeltaObject<R>,
}

impl<R> Clone for Delta<R> {
    fn clone(&self) -> Self {
        Delta { kind: self.kind, object: self.object.clone() }
    }
}

impl<R> Delta<R> {
    fn new(kind: DeltaType, object: Arc<R>) -> Self {
        Delta { kind, object: DeltaObject::Object(object) }
    }

    fn tombstone(key: ObjectKey, last: Option<Arc<R>>) -> Self {
        Delta { kind: DeltaType::Deleted, object: DeltaObject::Tombstone(key, last) }
    }
}

/// The key of a list of changes is that of its newest (`KeyOf`); `None` for an empty list.
pub fn key_of<R: Reflected>(deltas: &[Delta<R>]) -> Option<ObjectKey> {
    deltas.last().map(|delta| delta.object.key())
}

/// What a queue hands out.
#[derive(Clone, Debug)]
pub struct Popped<D> {
    /// The change, or the changes of one key, oldest first.
    pub deltas: D,
    /// Whether it still belongs to the first list (`isInInitialList`).
    pub initial: bool,
}

/// Gathers the changes of each key.
#[derive(Debug)]
pub struct DeltaFifo<R> {
    items: BTreeMap<ObjectKey, Vec<Delta<R>>>,
    queue: VecDeque<ObjectKey>,
    /// Whether lists come in as [`DeltaType::Replaced`]; else as [`DeltaType::Sync`].
    emit_replaced: bool,
    populated: bool,
    /// How many keys of the first list are still to be taken.
    initial: usize,
    closed: bool,
}

impl<R: Reflected> DeltaFifo<R> {
    /// An empty queue. With `emit_replaced`, the objects of lists are marked as such (`EmitDeltaTypeReplaced`).
    pub fn new(emit_replaced: bool) -> Self {
        DeltaFifo { items: BTreeMap::new(), queue: VecDeque::new(), emit_replaced, populated: false, initial: 0, closed: false }
    }

    /// An object is new.
    pub fn add(&mut self, object: Arc<R>) {
        self.populated = true;
        self.push(Delta::new(DeltaType::Added, object));
    }

    /// An object changed.
    pub fn update(&mut self, object: Arc<R>) {
        self.populated = true;
        self.push(Delta::new(DeltaType::Updated, object));
    }

    /// An object is gone. Nothing happens when neither the queue nor the cache knows it.
    pub fn delete(&mut self, object: Arc<R>, known: Option<&Indexer<R>>) {
        self.populated = true;
        let key = ObjectKey::of(object.as_ref());
        if self.items.contains_key(&key) || known.is_some_and(|known| known.get(&key).is_some()) {
            self.push(Delta::new(DeltaType::Deleted, object));
        }
    }

    /// A list: these are all objects there are. What the queue or the cache knows besides is gone.
    pub fn replace(&mut self, list: Vec<Arc<R>>, known: Option<&Indexer<R>>) {
        let kind = if self.emit_replaced { DeltaType::Replaced } else { DeltaType::Sync };
        let present: BTreeSet<ObjectKey> = list.iter().map(|object| ObjectKey::of(object.as_ref())).collect();
        for object in list {
            self.push(Delta::new(kind, object));
        }
        let mut gone: Vec<(ObjectKey, Option<Arc<R>>)> = Vec::new();
        for key in self.queue.iter().filter(|key| !present.contains(*key)) {
            let newest = self.items.get(key).and_then(|deltas| deltas.last()).and_then(|delta| delta.object.object());
            gone.push((key.clone(), newest.cloned()));
        }
        for key in known.into_iter().flat_map(Indexer::keys) {
            if !present.contains(key) && !self.items.contains_key(key) {
                gone.push((key.clone(), known.and_then(|known| known.get(key)).cloned()));
            }
        }
        if !self.populated {
            self.populated = true;
            self.initial = present.len() + gone.len();
        }
        for (key, last) in gone {
            self.push(Delta::tombstone(key, last));
        }
    }

    /// Repeats each object of the cache for which nothing is queued.
    pub fn resync(&mut self, known: Option<&Indexer<R>>) {
        for object in known.into_iter().flat_map(Indexer::list) {
            if !self.items.contains_key(&ObjectKey::of(object.as_ref())) {
                self.push(Delta::new(DeltaType::Sync, object.clone()));
            }
        }
    }

    /// Takes the changes of the key that came first, oldest first.
    pub fn pop(&mut self) -> Option<Popped<Vec<Delta<R>>>> {
        let initial = !self.has_synced();
        let key = self.queue.pop_front()?;
        self.initial = self.initial.saturating_sub(1);
        self.items.remove(&key).map(|deltas| Popped { deltas, initial })
    }

    /// Whether the first list has been put in and taken out.
    pub fn has_synced(&self) -> bool {
        self.populated && self.initial == 0
    }

    /// The keys, in the order in which they will be taken.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &ObjectKey> {
        self.queue.iter()
    }

    /// Ends the queue: whoever waits for a key need not any more.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// Whether the queue was ended.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    fn push(&mut self, delta: Delta<R>) {
        let key = delta.object.key();
        let deltas = self.items.entry(key.clone()).or_default();
        if deltas.is_empty() {
            self.queue.push_back(key);
        }
        // Of two deletions in a row the one with the object tells more (`dedupDeltas`).
        if let Some(last) = deltas.last_mut()
            && last.kind == DeltaType::Deleted
            && delta.kind == DeltaType::Deleted
        {
            if matches!(delta.object, DeltaObject::Object(_)) {
                *last = delta;
            }
            return;
        }
        deltas.push(delta);
    }
}

/// Hands out one change after the other.
#[derive(Debug)]
pub struct RealFifo<R> {
    items: VecDeque<Delta<R>>,
    populated: bool,
    /// How many changes of the first list are still to be taken.
    initial: usize,
}

impl<R> Default for RealFifo<R> {
    fn default() -> Self {
        RealFifo { items: VecDeque::new(), populated: false, initial: 0 }
    }
}

impl<R: Reflected> RealFifo<R> {
    /// An object is new.
    pub fn add(&mut self, object: Arc<R>) {
        self.push(Delta::new(DeltaType::Added, object));
    }

    /// An object changed.
    pub fn update(&mut self, object: Arc<R>) {
        self.push(Delta::new(DeltaType::Updated, object));
    }

    /// An object is gone.
    pub fn delete(&mut self, object: Arc<R>) {
        self.push(Delta::new(DeltaType::Deleted, object));
    }

    /// A list: these are all objects there are. What the queue or the cache knows besides is gone, and that comes first
    /// (`reconcileReplacement`).
    pub fn replace(&mut self, list: Vec<Arc<R>>, known: &Indexer<R>) {
        let before = self.items.len();
        let present: BTreeSet<ObjectKey> = list.iter().map(|object| ObjectKey::of(object.as_ref())).collect();
        let mut queued: BTreeMap<ObjectKey, (bool, Option<Arc<R>>)> = BTreeMap::new();
        for delta in &self.items {
            queued.insert(delta.object.key(), (delta.kind == DeltaType::Deleted, delta.object.object().cloned()));
        }
        for key in known.keys().filter(|key| !present.contains(*key) && !queued.contains_key(*key)) {
            self.items.push_back(Delta::tombstone(key.clone(), known.get(key).cloned()));
        }
        for (key, (deleted, last)) in queued {
            if !deleted && !present.contains(&key) {
                self.items.push_back(Delta::tombstone(key, last));
            }
        }
        self.items.extend(list.into_iter().map(|object| Delta::new(DeltaType::Replaced, object)));
        if !self.populated {
            self.populated = true;
            self.initial = self.items.len() - before;
        }
    }

    /// Repeats each object of the cache for which nothing is queued.
    pub fn resync(&mut self, known: &Indexer<R>) {
        let queued: BTreeSet<ObjectKey> = self.items.iter().map(|delta| delta.object.key()).collect();
        let quiet = known.list().filter(|object| !queued.contains(&ObjectKey::of(object.as_ref())));
        self.items.extend(quiet.map(|object| Delta::new(DeltaType::Sync, object.clone())));
    }

    /// Takes the change that came first.
    pub fn pop(&mut self) -> Option<Popped<Delta<R>>> {
        let initial = !self.has_synced();
        let deltas = self.items.pop_front()?;
        self.initial = self.initial.saturating_sub(1);
        Some(Popped { deltas, initial })
    }

    /// Whether the first list has been put in and taken out.
    pub fn has_synced(&self) -> bool {
        self.populated && self.initial == 0
    }

    /// How many changes wait.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether no change waits.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    fn push(&mut self, delta: Delta<R>) {
        self.populated = true;
        self.items.push_back(delta);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::core::Pod;
    use api::meta::ResourceVersion;

    fn pod(name: &str, revision: u64) -> Arc<Pod> {
        let mut pod = Pod::default();
        pod.metadata.name = name.to_owned();
        pod.metadata.resource_version = ResourceVersion(revision);
        Arc::new(pod)
    }

    #[test]
    fn the_real_fifo_keeps_the_order_of_all_keys() {
        let mut fifo = RealFifo::default();
        fifo.add(pod("a", 1));
        fifo.add(pod("b", 2));
        fifo.update(pod("a", 3));
        let order: Vec<_> = std::iter::from_fn(|| fifo.pop()).map(|popped| popped.deltas.object.key().name).collect();
        assert_eq!(order, ["a", "b", "a"]);
    }

    #[test]
    fn the_real_fifo_tells_deletions_before_what_a_list_has() {
        let (mut fifo, mut known) = (RealFifo::default(), Indexer::default());
        known.insert(pod("cached", 1));
        known.insert(pod("kept", 1));
        fifo.replace(vec![pod("kept", 2)], &known);
        assert!(!fifo.has_synced());
        fifo.add(pod("queued", 3));
        fifo.replace(vec![pod("new", 4)], &known);
        let told: Vec<_> =
            std::iter::from_fn(|| fifo.pop()).map(|popped| (popped.deltas.kind, popped.deltas.object.key().name, popped.initial)).collect();
        let tell = |kind, name: &str, initial| (kind, name.to_owned(), initial);
        assert_eq!(
            told,
            [
                tell(DeltaType::Deleted, "cached", true),
                tell(DeltaType::Replaced, "kept", true),
                tell(DeltaType::Added, "queued", false),
                tell(DeltaType::Deleted, "kept", false),
                tell(DeltaType::Deleted, "queued", false),
                tell(DeltaType::Replaced, "new", false),
            ]
        );
        assert!(fifo.has_synced());
        fifo.resync(&known);
        assert_eq!(fifo.len(), 2);
    }
}

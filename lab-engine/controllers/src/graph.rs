//! Who owns whom: all objects of the cluster, of every kind, by UID (`pkg/controller/garbagecollector/graph_builder.go`).
//!
//! One watch per kind keeps the graph. What changed is told as [`GraphEvent`]s; who looks after it is the business of the garbage collector
//! and of the namespace controller.
//!
//! **Simplified here:** one graph for both controllers; upstream, the namespace controller asks the server each time. Owners that are not
//! in the graph have no node of their own.

use api::Object;
use api::kinds::{KINDS, KindInfo};
use api::meta::{ObjectMeta, OwnerReference};
use client::reflector::Change;
use client::{AnyObject, Input, ListOptions, Outbox, Reflector};
use sim::{Rng, Time};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Marks an owner that goes only after its dependents.
pub(crate) const FOREGROUND: &str = "foregroundDeletion";
/// Marks an owner whose dependents stay.
pub(crate) const ORPHAN: &str = "orphan";

/// Kinds of which there is nothing to keep: one is never stored, the others pass by themselves (`ignoredResources`).
const IGNORED: [&str; 2] = ["bindings", "events"];

/// An object in the graph.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// Its kind.
    pub(crate) info: &'static KindInfo,
    /// The object.
    pub(crate) object: Object,
}

impl Item {
    /// Its metadata.
    pub(crate) fn metadata(&self) -> &ObjectMeta {
        self.object.metadata()
    }

    /// Whether it is being deleted and waits for this finalizer.
    pub(crate) fn awaits(&self, finalizer: &str) -> bool {
        self.metadata().is_deleting() && self.metadata().finalizers.iter().any(|own| own == finalizer)
    }

    /// Whether the owner must wait for this dependent.
    pub(crate) fn blocks(&self, owner: &str) -> bool {
        self.metadata().owner_references.iter().any(|reference| reference.uid == owner && reference.block_owner_deletion == Some(true))
    }
}

/// What happened in the graph.
#[derive(Clone, Debug)]
pub(crate) enum GraphEvent {
    /// An object is new or has changed.
    Set(Arc<Item>),
    /// An object is gone.
    Gone(Arc<Item>),
}

/// All objects of the cluster.
#[derive(Debug)]
pub(crate) struct Graph {
    monitors: Vec<Monitor>,
    items: BTreeMap<String, Arc<Item>>,
    /// UIDs of dependents by UID of the owner, whether it exists or not.
    dependents: BTreeMap<String, BTreeSet<String>>,
    /// UIDs by namespace.
    by_namespace: BTreeMap<String, BTreeSet<String>>,
}

/// The watch of one kind.
#[derive(Debug)]
struct Monitor {
    info: &'static KindInfo,
    reflector: Reflector<AnyObject>,
    /// UIDs by namespace and name, to tell what a new list no longer holds.
    known: BTreeMap<(String, String), String>,
    synced: bool,
}

impl Graph {
    /// An empty graph. Its first input makes it ask for everything.
    pub(crate) fn new(rng: &Rng, agent: &Arc<str>) -> Self {
        let kinds = KINDS.iter().filter(|info| !IGNORED.contains(&info.plural));
        let monitors = kinds.map(|info| Monitor {
            info,
            reflector: Reflector::of_kind(info, ListOptions::default(), agent.clone(), rng.stream(&info.group_resource())),
            known: BTreeMap::new(),
            synced: false,
        });
        Graph { monitors: monitors.collect(), items: BTreeMap::new(), dependents: BTreeMap::new(), by_namespace: BTreeMap::new() }
    }

    /// Whether all kinds have been listed once.
    pub(crate) fn has_synced(&self) -> bool {
        self.monitors.iter().all(|monitor| monitor.synced)
    }

    /// The object of this UID.
    pub(crate) fn get(&self, uid: &str) -> Option<&Arc<Item>> {
        self.items.get(uid)
    }

    /// The object of this kind, namespace (empty for objects of the cluster) and name.
    pub(crate) fn find(&self, info: &KindInfo, namespace: &str, name: &str) -> Option<&Arc<Item>> {
        let monitor = self.monitors.iter().find(|monitor| monitor.info == info)?;
        self.items.get(monitor.known.get(&(namespace.to_owned(), name.to_owned()))?)
    }

    /// The objects that name this owner, by UID.
    pub(crate) fn dependents<'a>(&'a self, owner: &str) -> impl Iterator<Item = &'a Arc<Item>> {
        self.dependents.get(owner).into_iter().flatten().filter_map(|uid| self.items.get(uid))
    }

    /// The objects of a namespace, by UID.
    pub(crate) fn in_namespace<'a>(&'a self, namespace: &str) -> impl Iterator<Item = &'a Arc<Item>> {
        self.by_namespace.get(namespace).into_iter().flatten().filter_map(|uid| self.items.get(uid))
    }

    /// Applies an input; tells what changed.
    pub(crate) fn handle(&mut self, now: Time, input: &Input, out: &mut Outbox) -> Vec<GraphEvent> {
        let mut events = Vec::new();
        for index in 0..self.monitors.len() {
            let monitor = &mut self.monitors[index];
            monitor.reflector.start(out);
            let Some(changes) = monitor.reflector.handle(now, input, out) else { continue };
            for change in changes {
                self.apply(index, change, &mut events);
            }
        }
        events
    }

    /// When it wants to be woken next.
    pub(crate) fn next_wake(&self) -> Option<Time> {
        self.monitors.iter().filter_map(|monitor| monitor.reflector.next_wake()).min()
    }

    fn apply(&mut self, index: usize, change: Change<AnyObject>, events: &mut Vec<GraphEvent>) {
        match change {
            Change::Upsert(object) => self.set(index, &object, events),
            Change::Delete(object) => self.remove(index, object.0.metadata(), events),
            Change::Replace(objects) => {
                self.monitors[index].synced = true;
                let name = |metadata: &ObjectMeta| (metadata.namespace.clone(), metadata.name.clone());
                let present: BTreeSet<_> = objects.iter().map(|object| name(object.0.metadata())).collect();
                let gone: Vec<String> =
                    self.monitors[index].known.iter().filter(|(key, _)| !present.contains(*key)).map(|(_, uid)| uid.clone()).collect();
                for item in gone.iter().filter_map(|uid| self.items.get(uid).cloned()).collect::<Vec<_>>() {
                    self.remove(index, item.metadata(), events);
                }
                for object in objects {
                    self.set(index, &object, events);
                }
            }
        }
    }

    fn set(&mut self, index: usize, object: &AnyObject, events: &mut Vec<GraphEvent>) {
        let monitor = &mut self.monitors[index];
        let item = Arc::new(Item { info: monitor.info, object: object.0.clone() });
        let metadata = item.metadata();
        let key = (metadata.namespace.clone(), metadata.name.clone());
        if let Some(old) = monitor.known.insert(key, metadata.uid.clone())
            && let Some(old) = self.items.get(&old).cloned()
        {
            self.unlink(&old);
            if old.metadata().uid != metadata.uid {
                // Deleted and made again while nobody looked.
                events.push(GraphEvent::Gone(old));
            }
        }
        for owner in &metadata.owner_references {
            self.dependents.entry(owner.uid.clone()).or_default().insert(metadata.uid.clone());
        }
        if !metadata.namespace.is_empty() {
            self.by_namespace.entry(metadata.namespace.clone()).or_default().insert(metadata.uid.clone());
        }
        self.items.insert(metadata.uid.clone(), item.clone());
        events.push(GraphEvent::Set(item));
    }

    fn remove(&mut self, index: usize, metadata: &ObjectMeta, events: &mut Vec<GraphEvent>) {
        self.monitors[index].known.remove(&(metadata.namespace.clone(), metadata.name.clone()));
        if let Some(item) = self.items.get(&metadata.uid).cloned() {
            self.unlink(&item);
            events.push(GraphEvent::Gone(item));
        }
    }

    fn unlink(&mut self, item: &Item) {
        let metadata = item.metadata();
        self.items.remove(&metadata.uid);
        for OwnerReference { uid: owner, .. } in &metadata.owner_references {
            remove_from(&mut self.dependents, owner, &metadata.uid);
        }
        remove_from(&mut self.by_namespace, &metadata.namespace, &metadata.uid);
    }
}

fn remove_from(sets: &mut BTreeMap<String, BTreeSet<String>>, key: &str, uid: &str) {
    if let Some(set) = sets.get_mut(key) {
        set.remove(uid);
        if set.is_empty() {
            sets.remove(key);
        }
    }
}

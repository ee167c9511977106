//! Who owns whom: all objects of the cluster, of every kind, by UID (`pkg/controller/garbagecollector/graph_builder.go`).
//!
//! One watch per kind keeps the graph; kinds that CustomResourceDefinitions make are followed as the definitions come and go. What changed is told as [`GraphEvent`]s; who looks after it is the business of the garbage collector
//! and of the namespace controller.
//!
//! **Simplified here:** one graph for both controllers; upstream, the namespace controller asks the server each time, here only before it
//! lets a namespace go. Owners that are not in the graph have no node of their own.

use api::Object;
use api::kinds::{KINDS, Kind, KindInfo, Names};
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
    pub(crate) info: Kind,
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

    /// Whether it is of the same kind, name and owners as another state of it, and so in the same place in the graph.
    fn hangs_as(&self, other: &Item) -> bool {
        let (own, others) = (self.metadata(), other.metadata());
        let names = own.name == others.name && own.namespace == others.namespace;
        names && self.info == other.info && own.owner_references == others.owner_references
    }

    /// Whether the owner must wait for this dependent.
    pub(crate) fn blocks(&self, owner: &str) -> bool {
        self.metadata().owner_references.iter().any(|reference| reference.uid == owner && reference.block_owner_deletion == Some(true))
    }
}

/// What happened in the graph.
#[derive(Clone, Debug)]
pub(crate) enum GraphEvent {
    /// An object is new or has changed; what it was before, unless it is new.
    Set(Arc<Item>, Option<Arc<Item>>),
    /// An object is gone.
    Gone(Arc<Item>),
}

/// All objects of the cluster.
#[derive(Debug)]
pub(crate) struct Graph {
    agent: Arc<str>,
    rng: Rng,
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
    info: Kind,
    reflector: Reflector<AnyObject>,
    /// UIDs by namespace and name, to tell what a new list no longer holds.
    known: BTreeMap<(String, String), String>,
    synced: bool,
}

impl Graph {
    /// An empty graph. Its first input makes it ask for everything.
    pub(crate) fn new(rng: &Rng, agent: &Arc<str>) -> Self {
        let kinds = KINDS.iter().filter(|info| !IGNORED.contains(&&*info.plural));
        let monitors = kinds.map(|info| Monitor::new(info.into(), rng, agent));
        Graph {
            agent: agent.clone(),
            rng: rng.clone(),
            monitors: monitors.collect(),
            items: BTreeMap::new(),
            dependents: BTreeMap::new(),
            by_namespace: BTreeMap::new(),
        }
    }

    /// Whether all built-in kinds have been listed once; a custom kind that cannot be listed holds nobody up.
    pub(crate) fn has_synced(&self) -> bool {
        self.monitors.iter().all(|monitor| monitor.synced || monitor.info.custom)
    }

    /// The kind with this `apiVersion` and `kind`: a built-in one, or one that is followed, in the version that is followed.
    pub(crate) fn find_kind(&self, api_version: &str, kind: &str) -> Option<Kind> {
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        let custom = || self.monitors.iter().map(|monitor| &monitor.info).find(|info| info.custom && info.group_kind() == (group, kind));
        api::kinds::find_kind(api_version, kind).map(Kind::BuiltIn).or_else(|| custom().cloned())
    }

    /// The kinds whose objects are in namespaces.
    pub(crate) fn namespaced_kinds(&self) -> impl Iterator<Item = &Kind> {
        self.monitors.iter().map(|monitor| &monitor.info).filter(|info| info.namespaced)
    }

    /// The object of this UID.
    pub(crate) fn get(&self, uid: &str) -> Option<&Arc<Item>> {
        self.items.get(uid)
    }

    /// The object of this kind, namespace (empty for objects of the cluster) and name.
    pub(crate) fn find(&self, info: &KindInfo, namespace: &str, name: &str) -> Option<&Arc<Item>> {
        let monitor = self.monitors.iter().find(|monitor| monitor.info == *info)?;
        self.items.get(monitor.known.get(&(namespace.to_owned(), name.to_owned()))?)
    }

    /// The objects that name this owner, by UID.
    pub(crate) fn dependents<'a>(&'a self, owner: &str) -> impl Iterator<Item = &'a Arc<Item>> {
        self.dependents.get(owner).into_iter().flatten().filter_map(|uid| self.items.get(uid))
    }

    /// The objects of a kind in a namespace, by name.
    pub(crate) fn in_namespace_of_kind<'a>(&'a self, info: &KindInfo, namespace: &'a str) -> impl Iterator<Item = &'a Arc<Item>> {
        let monitor = self.monitors.iter().find(|monitor| monitor.info == *info);
        let from = (namespace.to_owned(), String::new());
        let known = monitor.into_iter().flat_map(move |monitor| monitor.known.range(from.clone()..));
        known.take_while(move |((own, _), _)| own == namespace).filter_map(|(_, uid)| self.items.get(uid))
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
        for index in 0..events.len() {
            match events[index].clone() {
                GraphEvent::Set(item, _) if is_definition(&item) => self.follow(&item, out),
                GraphEvent::Gone(item) if is_definition(&item) => self.unfollow(&item, &mut events, out),
                GraphEvent::Set(..) | GraphEvent::Gone(_) => {}
            }
        }
        events
    }

    /// Watches the kind that a definition makes, once it is served.
    fn follow(&mut self, definition: &Item, out: &mut Outbox) {
        let Some(info) = kind_of(definition) else { return };
        match self.monitors.iter_mut().find(|monitor| monitor.info.custom && monitor.info.group_plural() == info.group_plural()) {
            Some(monitor) if monitor.info == info => {}
            // Another version is served now; the objects are the same.
            Some(monitor) => {
                monitor.reflector.stop(out);
                let known = std::mem::take(&mut monitor.known);
                *monitor = Monitor { known, ..Monitor::new(info, &self.rng, &self.agent) };
                monitor.reflector.start(out);
            }
            None => {
                let mut monitor = Monitor::new(info, &self.rng, &self.agent);
                monitor.reflector.start(out);
                self.monitors.push(monitor);
            }
        }
    }

    /// Forgets the kind of a definition that is gone, and its objects.
    fn unfollow(&mut self, definition: &Item, events: &mut Vec<GraphEvent>, out: &mut Outbox) {
        let Some(info) = kind_of(definition) else { return };
        let of = |monitor: &Monitor| monitor.info.custom && monitor.info.group_plural() == info.group_plural();
        let Some(index) = self.monitors.iter().position(of) else { return };
        let mut monitor = self.monitors.remove(index);
        monitor.reflector.stop(out);
        for item in monitor.known.values().filter_map(|uid| self.items.get(uid).cloned()).collect::<Vec<_>>() {
            self.unlink(&item);
            events.push(GraphEvent::Gone(item));
        }
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
        let item = Arc::new(Item { info: monitor.info.clone(), object: object.0.clone() });
        let metadata = item.metadata();
        // Mostly only what it says of itself has changed, and not where it hangs.
        if let Some(place) = self.items.get_mut(&metadata.uid)
            && place.hangs_as(&item)
        {
            let before = std::mem::replace(place, item.clone());
            events.push(GraphEvent::Set(item, Some(before)));
            return;
        }
        let key = (metadata.namespace.clone(), metadata.name.clone());
        let mut before = monitor.known.insert(key, metadata.uid.clone()).and_then(|old| self.items.get(&old).cloned());
        if let Some(old) = &before {
            self.unlink(old);
        }
        // Deleted and made again while nobody looked.
        events.extend(before.take_if(|old| old.metadata().uid != metadata.uid).map(GraphEvent::Gone));
        for owner in &metadata.owner_references {
            self.dependents.entry(owner.uid.clone()).or_default().insert(metadata.uid.clone());
        }
        if !metadata.namespace.is_empty() {
            self.by_namespace.entry(metadata.namespace.clone()).or_default().insert(metadata.uid.clone());
        }
        self.items.insert(metadata.uid.clone(), item.clone());
        events.push(GraphEvent::Set(item, before));
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

impl Monitor {
    fn new(info: Kind, rng: &Rng, agent: &Arc<str>) -> Self {
        let rng = rng.stream(&info.group_resource());
        let reflector = Reflector::of_kind(info.clone(), ListOptions::default(), agent.clone(), rng);
        Monitor { info, reflector, known: BTreeMap::new(), synced: false }
    }
}

fn is_definition(item: &Item) -> bool {
    item.info.group_kind() == ("apiextensions.k8s.io", "CustomResourceDefinition")
}

/// The kind that a definition makes, in a version that is served; `None` while none is.
fn kind_of(definition: &Item) -> Option<Kind> {
    let Object::Dynamic(object) = &definition.object else { return None };
    let (spec, status) = (object.rest.get("spec")?, object.rest.get("status")?);
    let mut conditions = status["conditions"].as_array()?.iter();
    if !conditions.any(|condition| condition["type"] == "Established" && condition["status"] == "True") {
        return None;
    }
    let served = || spec["versions"].as_array().into_iter().flatten().filter(|version| version["served"] == true);
    let version = served().find(|version| version["storage"] == true).or_else(|| served().next())?;
    let text = |value: &serde_json::Value| value.as_str().map(|text| text.to_owned().into());
    let names = &status["acceptedNames"];
    let none = || std::iter::empty::<String>().collect::<Names>();
    Some(Kind::Custom(Arc::new(KindInfo {
        group: text(&spec["group"])?,
        version: text(&version["name"])?,
        kind: text(&names["kind"])?,
        plural: text(&names["plural"])?,
        singular: text(&names["singular"]).unwrap_or_default(),
        short_names: none(),
        namespaced: spec["scope"] == "Namespaced",
        categories: none(),
        custom: true,
    })))
}

fn remove_from(sets: &mut BTreeMap<String, BTreeSet<String>>, key: &str, uid: &str) {
    if let Some(set) = sets.get_mut(key) {
        set.remove(uid);
        if set.is_empty() {
            sets.remove(key);
        }
    }
}

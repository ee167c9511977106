//! Watches of clients: who sees which change, found without asking everyone.
//!
//! Watches stand in an index by namespace and by the value that they select of the resource's trigger field (`spec.nodeName` for Pods,
//! `metadata.name` otherwise), as in upstream's cacher (`indexedWatchers`): a change of a Pod reaches the kubelet of its node without a look
//! at the other kubelets. What a write costs grows with the watches that may see it, not with all (`benches/watch.rs`).

use crate::cache::Change;
use crate::crd::Served;
use crate::params::Filter;
use crate::registry;
use api::http::WatchEvent;
use api::kinds::{Kind, KindInfo};
use sim::Time;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The number of a client and of its request.
pub(crate) type WatcherId = (u32, u64);

/// A watch of a client.
#[derive(Debug)]
pub(crate) struct Watcher {
    /// The resource.
    pub(crate) info: Kind,
    /// What it wants to see.
    pub(crate) filter: Filter,
    /// Whether it gets bookmarks.
    pub(crate) bookmarks: bool,
    /// The revision of the last thing it was sent.
    pub(crate) sent: u64,
    /// When the server ends it.
    pub(crate) deadline: Time,
    /// How objects of custom resources are shown.
    pub(crate) served: Option<Arc<Served>>,
    /// Whether objects are sent as rows of a table, and with what in them.
    pub(crate) table: Option<crate::params::IncludeObject>,
}

/// Group and plural of a resource.
type ResourceKey = (Cow<'static, str>, Cow<'static, str>);

/// The watches of a resource in a namespace.
#[derive(Debug, Default)]
struct Places {
    /// Those that select no value of the trigger field.
    any: BTreeSet<WatcherId>,
    /// The others, by the value.
    by_value: BTreeMap<String, BTreeSet<WatcherId>>,
}

/// All watches.
#[derive(Debug, Default)]
pub(crate) struct Watchers {
    watchers: BTreeMap<WatcherId, Watcher>,
    /// By resource and namespace; the empty one is that of watches of all.
    index: BTreeMap<ResourceKey, BTreeMap<String, Places>>,
    deadlines: BTreeSet<(Time, WatcherId)>,
}

/// The field by which watches of the resource are indexed.
fn trigger_field(info: &KindInfo) -> &'static str {
    if info.group.is_empty() && info.plural == "pods" { "spec.nodeName" } else { "metadata.name" }
}

/// The value that a watch selects of its resource's trigger field.
fn selected(watcher: &Watcher) -> Option<&str> {
    let field = trigger_field(&watcher.info);
    watcher.filter.fields.requirements.iter().find(|r| r.equal && r.field == field).map(|r| r.value.as_str())
}

impl Watchers {
    /// Adds a watch.
    pub(crate) fn add(&mut self, id: WatcherId, watcher: Watcher) {
        self.deadlines.insert((watcher.deadline, id));
        let resource = self.index.entry((watcher.info.group.clone(), watcher.info.plural.clone())).or_default();
        let places = resource.entry(watcher.filter.namespace.clone()).or_default();
        match selected(&watcher) {
            None => places.any.insert(id),
            Some(value) => places.by_value.entry(value.to_owned()).or_default().insert(id),
        };
        self.watchers.insert(id, watcher);
    }

    /// Ends a watch; says whether there was one.
    pub(crate) fn remove(&mut self, id: WatcherId) -> bool {
        let Some(watcher) = self.watchers.remove(&id) else { return false };
        self.deadlines.remove(&(watcher.deadline, id));
        self.remove_from_index(id, &watcher);
        true
    }

    fn remove_from_index(&mut self, id: WatcherId, watcher: &Watcher) {
        let Some(resource) = self.index.get_mut(&(watcher.info.group.clone(), watcher.info.plural.clone())) else { return };
        let Some(places) = resource.get_mut(&watcher.filter.namespace) else { return };
        match selected(watcher) {
            None => drop(places.any.remove(&id)),
            Some(value) => {
                if let Some(ids) = places.by_value.get_mut(value) {
                    ids.remove(&id);
                    if ids.is_empty() {
                        places.by_value.remove(value);
                    }
                }
            }
        }
        if places.any.is_empty() && places.by_value.is_empty() {
            resource.remove(&watcher.filter.namespace);
        }
    }

    /// Ends all watches of a client.
    pub(crate) fn remove_client(&mut self, client: u32) {
        let ids: Vec<WatcherId> = self.watchers.range((client, 0)..=(client, u64::MAX)).map(|(&id, _)| id).collect();
        for id in ids {
            self.remove(id);
        }
    }

    /// Ends and names the watches of a resource.
    pub(crate) fn end_resource(&mut self, group: &str, plural: &str) -> Vec<WatcherId> {
        let of = |(_, watcher): (&WatcherId, &Watcher)| watcher.info.group_plural() == (group, plural);
        let ids: Vec<WatcherId> = self.watchers.iter().filter(|&entry| of(entry)).map(|(&id, _)| id).collect();
        for &id in &ids {
            self.remove(id);
        }
        ids
    }

    /// Ends and names all watches.
    pub(crate) fn clear(&mut self) -> Vec<WatcherId> {
        self.index.clear();
        self.deadlines.clear();
        std::mem::take(&mut self.watchers).into_keys().collect()
    }

    /// The time at which the first watch ends.
    pub(crate) fn next_deadline(&self) -> Option<Time> {
        self.deadlines.first().map(|&(at, _)| at)
    }

    /// Ends and names the watches whose time is up.
    pub(crate) fn expire(&mut self, now: Time) -> Vec<WatcherId> {
        let expired: Vec<WatcherId> = self.deadlines.iter().take_while(|(at, _)| *at <= now).map(|&(_, id)| id).collect();
        for &id in &expired {
            self.remove(id);
        }
        expired
    }

    /// The watches that get a bookmark at `revision` because they have not heard of it otherwise.
    pub(crate) fn bookmark(&mut self, revision: u64) -> Vec<WatcherId> {
        let due = self.watchers.iter_mut().filter(|(_, watcher)| watcher.bookmarks && watcher.sent < revision);
        due.map(|(&id, watcher)| {
            watcher.sent = revision;
            id
        })
        .collect()
    }

    /// Who sees a change, and as what. Equal views of it are shared.
    pub(crate) fn dispatch(&mut self, change: &Change, now: Time) -> Vec<(WatcherId, Arc<[WatchEvent]>)> {
        let mut sent = Vec::new();
        let Some(resource) = self.index.get(&(change.info.group.clone(), change.info.plural.clone())) else { return sent };
        let field = trigger_field(&change.info);
        let value = |object| registry::field(object, field).unwrap_or_default();
        let (after, before) = (value(&change.object), change.old.as_ref().map(value));
        let before = before.as_ref().filter(|before| **before != after);
        let mut values = [Some(&after), before];
        values.sort();
        let namespace = change.object.metadata().namespace.as_str();
        let namespaces = [Some(""), Some(namespace).filter(|namespace| !namespace.is_empty())];
        let mut shared: [Option<Arc<[WatchEvent]>>; 3] = [None, None, None];
        for places in namespaces.into_iter().flatten().filter_map(|namespace| resource.get(namespace)) {
            let selecting = values.iter().flatten().filter_map(|value| places.by_value.get(&***value));
            for &id in [&places.any].into_iter().chain(selecting).flatten() {
                let Some(watcher) = self.watchers.get_mut(&id) else { continue };
                let Some((slot, event)) = view(&watcher.filter, change) else { continue };
                watcher.sent = change.revision;
                let served = watcher.served.as_deref();
                let events = match watcher.table {
                    None if served.is_some() => Arc::new([present(event, served)]),
                    None => shared[slot].get_or_insert_with(|| Arc::new([event])).clone(),
                    Some(include) => Arc::new([crate::printers::table_event(present(event, served), served, include, now)]),
                };
                sent.push((id, events));
            }
        }
        sent
    }
}

/// The event with its object in the version that is watched.
pub(crate) fn present(event: WatchEvent, served: Option<&Served>) -> WatchEvent {
    let Some(served) = served else { return event };
    match event {
        WatchEvent::Added(object) => WatchEvent::Added(served.present(object)),
        WatchEvent::Modified(object) => WatchEvent::Modified(served.present(object)),
        WatchEvent::Deleted(object) => WatchEvent::Deleted(served.present(object)),
        other => other,
    }
}

/// How a watch sees a change: an object that begins to match is added, one that no longer matches is deleted. The number tells the
/// three kinds of views apart.
pub(crate) fn view(filter: &Filter, change: &Change) -> Option<(usize, WatchEvent)> {
    let before = change.old.as_ref().is_some_and(|old| filter.matches(old));
    let after = !change.deleted && filter.matches(&change.object);
    match (before, after) {
        (false, true) => Some((0, WatchEvent::Added(change.object.clone()))),
        (true, true) => Some((1, WatchEvent::Modified(change.object.clone()))),
        (true, false) => {
            // The last state that matched, with the revision at which it ceased to.
            let last = match &change.old {
                Some(old) if !change.deleted => {
                    let mut last = old.clone();
                    last.metadata_mut().resource_version.0 = change.revision;
                    last
                }
                _ => change.object.clone(),
            };
            Some((2, WatchEvent::Deleted(last)))
        }
        (false, false) => None,
    }
}

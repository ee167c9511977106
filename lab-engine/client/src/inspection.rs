//! What a component knows and how it learns of it, for whoever looks inside: its informers, stage by stage, and its work queues.
//!
//! It is made when somebody asks ([`Component::inspect`](crate::Component::inspect)) and costs nothing before, but for the counters that
//! the stages keep; client-go keeps most of them as metrics (`reflector_lists_total`, `workqueue_adds_total`, …). Nobody in the cluster reads it.

use crate::ListOptions;
use api::kinds::Kind;
use api::meta::ObjectMeta;
use serde::{Deserialize, Serialize};

/// How many of the newest objects of a cache are named.
pub const NEWEST: usize = 5;

/// The inside of a component.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Inspection {
    /// Its informers, in the order in which it has them.
    pub informers: Vec<InformerStatus>,
    /// Its work queues, in the order in which it has them.
    pub queues: Vec<QueueStatus>,
}

/// How an informer stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InformerStatus {
    /// The resource, with its group: `pods`, `deployments.apps`.
    pub resource: String,
    /// What it is restricted to: namespace, field and label selector; empty for nothing.
    pub restricted_to: String,
    /// What the reflector does.
    pub reflector: ReflectorState,
    /// The last revision that the reflector saw (`LastSyncResourceVersion`); `None` before the first list.
    pub resource_version: Option<u64>,
    /// What the reflector did so far.
    pub asked: ReflectorCounts,
    /// How many changes wait in the queue. It is emptied in the step that fills it.
    pub queued: usize,
    /// How many changes passed the queue.
    pub passed: u64,
    /// How many objects are in the cache.
    pub cached: usize,
    /// Whether the cache was filled once.
    pub synced: bool,
    /// The names of the indices over the cache.
    pub indices: Vec<String>,
    /// The objects of the cache with the highest resource versions, the newest first; at most [`NEWEST`].
    pub newest: Vec<CachedObject>,
    /// What handlers were told.
    pub told: HandlerCounts,
}

/// What a reflector does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ReflectorState {
    /// Nothing yet.
    #[default]
    Stopped,
    /// It receives the objects there are, as the beginning of a watch.
    WatchList,
    /// It asks for the objects there are.
    Listing,
    /// It waits for changes.
    Watching,
    /// It failed, and tries again later.
    Waiting {
        /// When, in virtual milliseconds.
        until_ms: u64,
    },
}

/// What a reflector did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReflectorCounts {
    /// How often it asked for all objects by a watch that begins with them.
    pub watch_lists: u64,
    /// How often it asked for all objects, or a page of them, by a list.
    pub lists: u64,
    /// How often it asked for the changes since a revision.
    pub watches: u64,
    /// How often it was told that a revision is too old (410).
    pub expired: u64,
    /// How often it paused after a failure.
    pub pauses: u64,
}

/// What handlers were told so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HandlerCounts {
    /// Of new objects.
    pub added: u64,
    /// Of changed objects.
    pub updated: u64,
    /// Of objects that are gone.
    pub deleted: u64,
    /// Of how many of these the deletion was missed (`DeletedFinalStateUnknown`).
    pub missed: u64,
}

/// An object of a cache.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CachedObject {
    /// `NAMESPACE/NAME`, or the name alone.
    pub key: String,
    /// Its resource version.
    pub resource_version: u64,
}

/// How a work queue stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueStatus {
    /// Whose it is, for example `replicaset-controller`.
    pub name: String,
    /// How many keys are ready to be taken.
    pub ready: usize,
    /// How many keys are being worked on.
    pub processing: usize,
    /// How many keys wait for their time.
    pub waiting: usize,
    /// How often a key was added.
    pub added: u64,
    /// How often one was there already, so that nothing was added.
    pub merged: u64,
    /// How often a key was put back after a failure.
    pub retried: u64,
}

/// The resource of a kind with its group.
pub(crate) fn resource(kind: &Kind) -> String {
    if kind.group.is_empty() { kind.plural.to_string() } else { format!("{}.{}", kind.plural, kind.group) }
}

/// What these options leave out is not there; empty when nothing is left out.
pub(crate) fn restrictions(options: &ListOptions) -> String {
    let parts = [&options.namespace, &options.field_selector, &options.label_selector];
    parts.into_iter().map(String::as_str).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

/// Of these objects those with the highest resource versions.
pub(crate) fn newest(objects: &mut dyn Iterator<Item = &ObjectMeta>) -> Vec<CachedObject> {
    let mut newest: Vec<&ObjectMeta> = Vec::with_capacity(NEWEST + 1);
    for object in objects {
        let place = newest.partition_point(|newer| newer.resource_version.0 >= object.resource_version.0);
        if place < NEWEST {
            newest.insert(place, object);
            newest.truncate(NEWEST);
        }
    }
    let key = |object: &ObjectMeta| {
        let (namespace, name) = (&object.namespace, &object.name);
        if namespace.is_empty() { name.to_string() } else { format!("{namespace}/{name}") }
    };
    newest.into_iter().map(|object| CachedObject { key: key(object), resource_version: object.resource_version.0 }).collect()
}

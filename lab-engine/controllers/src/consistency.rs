//! What a controller has written and does not see yet (`pkg/controller/util/consistency`, new in v1.36).
//!
//! A cache may be behind: a Job whose last Pods the controller has just counted can look as if it had none yet, and would get them once
//! more. So the controllers of Pods note at which revision they wrote for a key, and do not look at it again before their caches have come
//! that far. Expectations remain beside it: they also wait for deletions.
//!
//! **Simplified here:** of the writes to a kind only the last is remembered, and it is looked for in the cache first; how far the watch
//! itself has come is asked only when it is not there.

use crate::caches::Caches;
use api::apps::{DaemonSet, ReplicaSet, StatefulSet};
use api::batch::Job;
use api::core::{Pod, ReplicationController};
use api::{Object, Resource};
use client::{Informer, ObjectKey};
use std::collections::BTreeMap;

/// A write: which object, and at which revision.
type Write = (ObjectKey, u64);

/// The last writes for each key of a controller, by the kind that was written (`ConsistencyStore`).
#[derive(Debug, Default)]
pub(crate) struct ConsistencyStore {
    written: BTreeMap<ObjectKey, BTreeMap<String, Write>>,
}

/// Whether a cache has come as far as the write.
fn shows<R: Resource>(cache: &Informer<R>, (object, revision): &Write) -> bool {
    let cached = cache.lister().get(object).map(|cached| cached.metadata().resource_version.0);
    cached.is_some_and(|cached| cached >= *revision) || cache.status().resource_version >= Some(*revision)
}

/// Whether the cache of this kind has come as far as the write; nothing waits for other kinds.
fn is_seen(caches: &Caches, kind: &str, write: &Write) -> bool {
    match kind {
        _ if kind == Pod::INFO.kind => shows(&caches.pods, write),
        _ if kind == Job::INFO.kind => shows(&caches.jobs, write),
        _ if kind == ReplicaSet::INFO.kind => shows(&caches.replica_sets, write),
        _ if kind == ReplicationController::INFO.kind => shows(&caches.replication_controllers, write),
        _ if kind == StatefulSet::INFO.kind => shows(&caches.stateful_sets, write),
        _ if kind == DaemonSet::INFO.kind => shows(&caches.daemon_sets, write),
        _ => true,
    }
}

impl ConsistencyStore {
    /// For `key` an object was written, with this outcome (`WroteAt`).
    pub(crate) fn wrote(&mut self, key: &ObjectKey, object: &Object) {
        let metadata = object.metadata();
        let write = (ObjectKey::new(metadata.namespace.as_str(), metadata.name.as_str()), metadata.resource_version.0);
        let last = self.written.entry(key.clone()).or_default().entry(object.kind().to_owned()).or_default();
        if last.1 < write.1 {
            *last = write;
        }
    }

    /// Whether all that was written for the key is seen (`EnsureReady`); then it is forgotten.
    pub(crate) fn is_ready(&mut self, key: &ObjectKey, caches: &Caches) -> bool {
        let Some(writes) = self.written.get_mut(key) else { return true };
        writes.retain(|kind, write| !is_seen(caches, kind, write));
        let ready = writes.is_empty();
        if ready {
            self.written.remove(key);
        }
        ready
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::http::WatchEvent;
    use api::meta::ResourceVersion;
    use client::{Action, Input, Outbox, RequestId};
    use sim::{Seed, Time};

    fn pod(name: &str, revision: u64) -> Object {
        let mut pod = Pod::default();
        pod.metadata.name = name.to_owned();
        pod.metadata.resource_version = ResourceVersion(revision);
        pod.into()
    }

    /// Caches whose Pods are filled up to revision 5, and the request that tells of more.
    fn caches() -> (Caches, RequestId) {
        let (mut caches, mut out) = (Caches::new(&Seed(1).stream("caches"), &"test".into()), Outbox::new(1));
        caches.pods.start(Time::ZERO, &mut out);
        let Some(Action::Request(id, _)) = out.take().0.pop() else { panic!("it asks for Pods") };
        tell(&mut caches, id, vec![WatchEvent::Bookmark { resource_version: 5, initial_events_end: true }]);
        (caches, id)
    }

    fn tell(caches: &mut Caches, id: RequestId, events: Vec<WatchEvent>) {
        caches.pods.handle(Time::ZERO, &Input::Watch(id, events.into()), &mut Outbox::new(9));
    }

    #[test]
    fn a_key_waits_until_the_last_write_is_seen_or_passed_by() {
        let (mut caches, id) = caches();
        let (mut store, key) = (ConsistencyStore::default(), ObjectKey::new("default", "web"));
        store.wrote(&key, &pod("web-a", 7));
        store.wrote(&key, &pod("web-b", 6));
        assert!(store.is_ready(&ObjectKey::new("default", "other"), &caches) && !store.is_ready(&key, &caches));
        tell(&mut caches, id, vec![WatchEvent::Added(pod("web-b", 6))]);
        assert!(!store.is_ready(&key, &caches), "of two writes the later counts");
        tell(&mut caches, id, vec![WatchEvent::Added(pod("web-a", 7))]);
        assert!(store.is_ready(&key, &caches));
        // It was gone again before the cache saw it.
        store.wrote(&key, &pod("web-c", 8));
        tell(&mut caches, id, vec![WatchEvent::Added(pod("web-d", 10))]);
        assert!(store.is_ready(&key, &caches));
    }

    #[test]
    fn nobody_waits_for_a_kind_without_a_cache_of_its_own() {
        let (caches, _) = caches();
        let (mut store, key) = (ConsistencyStore::default(), ObjectKey::new("default", "web"));
        store.wrote(&key, &api::core::ConfigMap::default().into());
        assert!(store.is_ready(&key, &caches));
    }
}

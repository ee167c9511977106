//! The informer: a reflector, the queue it fills, the cache, and what changed (`client-go/tools/cache/controller.go`).
//!
//! ```text
//! API server ─▶ Reflector ─▶ RealFifo ─▶ Indexer ─▶ whoever asked for the changes
//! ```
//!
//! The cache is updated before the caller sees the changes, so a handler that looks into the cache finds at least what it was told.
//! The cache may be behind the store, never ahead, and it goes forward only.
//!
//! **Simplified here:** no transform function; the queue is emptied in the same step in which it is filled.

use crate::delta_fifo::{self, DeltaObject, DeltaType, RealFifo};
use crate::inspection::{HandlerCounts, InformerStatus, newest, resource, restrictions};
use crate::reflector::{Change, ListOptions, Reflected, Reflector};
use crate::store::{IndexFunc, Indexer};
use crate::{Input, Outbox, RequestId};
use api::Resource;
use sim::{Rng, Time};
use std::sync::Arc;

/// How an object in the cache changed (`ResourceEventHandler`).
#[derive(Debug)]
pub enum Delta<R> {
    /// It is new.
    Added(Arc<R>),
    /// It was the first, and is the second. Both can be equal after a list.
    Updated(Arc<R>, Arc<R>),
    /// It is gone. The flag says that the deletion itself was missed, so that the last state may be older than the object's true
    /// end (`DeletedFinalStateUnknown`).
    Deleted(Arc<R>, bool),
}

impl<R> Clone for Delta<R> {
    fn clone(&self) -> Self {
        match self {
            Delta::Added(object) => Delta::Added(object.clone()),
            Delta::Updated(old, object) => Delta::Updated(old.clone(), object.clone()),
            Delta::Deleted(object, missed) => Delta::Deleted(object.clone(), *missed),
        }
    }
}

impl<R> Delta<R> {
    /// The newest state.
    pub fn object(&self) -> &Arc<R> {
        match self {
            Delta::Added(object) | Delta::Updated(_, object) | Delta::Deleted(object, _) => object,
        }
    }
}

/// Brings the cache up to date with one change from the queue, and says what handlers are to be told (`processDeltas`). Whether that is an
/// addition or an update depends on the cache, not on how the change came. `None` when the change says nothing of any object.
pub fn process_delta<R: Reflected>(cache: &mut Indexer<R>, change: delta_fifo::Delta<R>) -> Option<Delta<R>> {
    match (change.kind, change.object) {
        (DeltaType::Deleted, DeltaObject::Object(object)) => {
            cache.delete(&object);
            Some(Delta::Deleted(object, false))
        }
        (DeltaType::Deleted, DeltaObject::Tombstone(key, last)) => {
            let known = cache.remove(&key);
            last.or(known).map(|last| Delta::Deleted(last, true))
        }
        (_, object) => {
            let object = object.object()?.clone();
            Some(match cache.insert(object.clone()) {
                // An object of the same name with another UID is another object, but client-go's caches too call this an update.
                Some(old) => Delta::Updated(old, object),
                None => Delta::Added(object),
            })
        }
    }
}

/// A cache of one collection that keeps itself up to date.
#[derive(Debug)]
pub struct Informer<R> {
    reflector: Reflector<R>,
    fifo: RealFifo<R>,
    cache: Indexer<R>,
    passed: u64,
    told: HandlerCounts,
}

impl<R: Resource> Informer<R> {
    /// An informer that does nothing until [`Informer::start`]. `agent` is the user agent of its requests, for example `kubelet`.
    pub fn new(options: ListOptions, agent: impl Into<Arc<str>>, rng: Rng) -> Self {
        Informer::of(Reflector::new(options, agent.into(), rng))
    }
}

impl<R: Reflected> Informer<R> {
    /// An informer that learns from this reflector.
    pub fn of(reflector: Reflector<R>) -> Self {
        Informer { reflector, fifo: RealFifo::default(), cache: Indexer::default(), passed: 0, told: HandlerCounts::default() }
    }

    /// The same informer with an index over its cache.
    #[must_use]
    pub fn with_index(mut self, name: &'static str, function: IndexFunc<R>) -> Self {
        self.cache.add_index(name, function);
        self
    }

    /// Asks for everything there is. A second call does nothing.
    pub fn start(&mut self, _now: Time, out: &mut Outbox) {
        self.reflector.start(out);
    }

    /// Applies an input; `None` when it is not for this informer. [`Input::Wake`] is for everyone and gives `None`.
    pub fn handle(&mut self, now: Time, input: &Input, out: &mut Outbox) -> Option<Vec<Delta<R>>> {
        for change in self.reflector.handle(now, input, out)? {
            match change {
                Change::Replace(objects) => self.fifo.replace(objects, &self.cache),
                Change::Upsert(object) => self.fifo.update(object),
                Change::Delete(object) => self.fifo.delete(object),
            }
        }
        Some(self.drain())
    }

    /// Repeats every object of the cache as an update (`Resync`).
    pub fn resync(&mut self) -> Vec<Delta<R>> {
        self.fifo.resync(&self.cache);
        self.drain()
    }

    fn drain(&mut self) -> Vec<Delta<R>> {
        let mut deltas = Vec::with_capacity(self.fifo.len());
        while let Some(popped) = self.fifo.pop() {
            self.passed += 1;
            let delta = process_delta(&mut self.cache, popped.deltas);
            match &delta {
                Some(Delta::Added(_)) => self.told.added += 1,
                Some(Delta::Updated(..)) => self.told.updated += 1,
                Some(Delta::Deleted(_, missed)) => {
                    self.told.deleted += 1;
                    self.told.missed += u64::from(*missed);
                }
                None => {}
            }
            deltas.extend(delta);
        }
        deltas
    }

    /// Whether the cache has been filled once. Before that, an absent object means nothing.
    pub fn has_synced(&self) -> bool {
        self.fifo.has_synced()
    }

    /// The cache.
    pub fn lister(&self) -> &Indexer<R> {
        &self.cache
    }

    /// Whether `id` is a request of this informer.
    pub fn owns(&self, id: RequestId) -> bool {
        self.reflector.owns(id)
    }

    /// When it wants to be woken next.
    pub fn next_wake(&self) -> Option<Time> {
        self.reflector.next_wake()
    }

    /// How it stands, stage by stage. It goes through the whole cache.
    pub fn status(&self) -> InformerStatus {
        let (kind, options) = self.reflector.subject();
        let cached = &mut self.cache.list().map(|object| object.metadata());
        InformerStatus {
            resource: resource(kind),
            restricted_to: restrictions(options),
            reflector: self.reflector.state(),
            resource_version: self.reflector.last_sync_resource_version(),
            asked: self.reflector.counts(),
            queued: self.fifo.len(),
            passed: self.passed,
            cached: self.cache.len(),
            synced: self.has_synced(),
            indices: self.cache.index_names().map(str::to_owned).collect(),
            newest: newest(cached),
            told: self.told,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Action;
    use crate::inspection::ReflectorState;
    use api::Object;
    use api::core::Pod;
    use api::http::{Body, List, Request, Response, WatchEvent};
    use api::meta::ResourceVersion;
    use api::status::Status;
    use sim::Seed;

    fn pod(name: &str, revision: u64) -> Object {
        let mut pod = Pod::default();
        pod.metadata.name = name.to_owned();
        pod.metadata.resource_version = ResourceVersion(revision);
        pod.into()
    }

    fn informer() -> Informer<Pod> {
        Informer::new(ListOptions::default(), "test", Seed(1).stream("informer"))
    }

    fn sent(out: &mut Outbox) -> Vec<(RequestId, Request)> {
        let (actions, _) = out.take();
        let request = |action| if let Action::Request(id, request) = action { Some((id, *request)) } else { None };
        actions.into_iter().filter_map(request).collect()
    }

    fn watch(id: RequestId, events: Vec<WatchEvent>) -> Input {
        Input::Watch(id, events.into())
    }

    fn end(revision: u64) -> WatchEvent {
        WatchEvent::Bookmark { resource_version: revision, initial_events_end: true }
    }

    #[test]
    fn a_streaming_list_ends_with_a_bookmark_and_goes_on_as_a_watch() {
        let (mut informer, mut out) = (informer(), Outbox::new(1));
        informer.start(Time::ZERO, &mut out);
        let (id, request) = sent(&mut out).remove(0);
        assert!(request.is_watch() && request.flag("sendInitialEvents"));
        let deltas = informer.handle(Time::ZERO, &watch(id, vec![WatchEvent::Added(pod("a", 3))]), &mut out).unwrap();
        assert!(deltas.is_empty() && !informer.has_synced());
        let deltas = informer.handle(Time::ZERO, &watch(id, vec![end(5), WatchEvent::Modified(pod("a", 6))]), &mut out).unwrap();
        assert!(matches!(&deltas[..], [Delta::Added(_), Delta::Updated(old, _)] if old.metadata.resource_version.0 == 3));
        assert!(informer.has_synced());
        let later = Time::from_secs(400);
        informer.handle(later, &Input::WatchEnded(id, None), &mut out).unwrap();
        let (_, request) = sent(&mut out).remove(0);
        assert_eq!((request.param("resourceVersion"), request.flag("sendInitialEvents")), (Some("6"), false));
    }

    #[test]
    fn a_compacted_revision_means_to_list_again_and_missed_deletions_are_found() {
        let (mut informer, mut out) = (informer(), Outbox::new(1));
        informer.start(Time::ZERO, &mut out);
        let (id, _) = sent(&mut out).remove(0);
        let events = vec![WatchEvent::Added(pod("a", 1)), WatchEvent::Added(pod("b", 2)), end(2)];
        informer.handle(Time::ZERO, &watch(id, events), &mut out);
        let expired = WatchEvent::Error(Box::new(Status::expired("too old resource version: 2 (9)")));
        informer.handle(Time::ZERO, &watch(id, vec![expired]), &mut out);
        assert!(sent(&mut out).is_empty());
        let wake = informer.next_wake().unwrap();
        assert!(wake >= Time::from_millis(800) && wake <= Time::from_millis(1600), "{wake}");
        assert!(informer.handle(wake, &Input::Wake, &mut out).is_none());
        let (id, request) = sent(&mut out).remove(0);
        assert_eq!(request.param("resourceVersion"), Some("2"));
        let deltas = informer.handle(wake, &watch(id, vec![WatchEvent::Added(pod("b", 2)), end(9)]), &mut out).unwrap();
        assert!(matches!(&deltas[..], [Delta::Deleted(gone, true), Delta::Updated(..)] if gone.metadata.name == "a"));
        let status = informer.status();
        let asked = status.asked;
        assert_eq!((asked.watch_lists, asked.lists, asked.watches, asked.expired, asked.pauses), (2, 0, 0, 1, 1));
        let told = status.told;
        assert_eq!((told.added, told.updated, told.deleted, told.missed), (2, 1, 1, 1));
        assert_eq!((status.resource.as_str(), status.reflector, status.resource_version), ("pods", ReflectorState::Watching, Some(9)));
        assert_eq!((status.passed, status.queued, status.cached, status.synced), (4, 0, 1, true));
    }

    #[test]
    fn the_newest_objects_of_the_cache_are_named() {
        let (mut informer, mut out) = (informer(), Outbox::new(1));
        informer.start(Time::ZERO, &mut out);
        let (id, _) = sent(&mut out).remove(0);
        let mut events: Vec<WatchEvent> = (1..=9).map(|n| WatchEvent::Added(pod(&format!("p{n}"), (n * 4) % 11))).collect();
        events.push(end(20));
        informer.handle(Time::ZERO, &watch(id, events), &mut out);
        let newest: Vec<(String, u64)> = informer.status().newest.into_iter().map(|one| (one.key, one.resource_version)).collect();
        // 4 8 1 5 9 2 6 10 3
        let expected = [("p8", 10), ("p5", 9), ("p2", 8), ("p7", 6), ("p4", 5)];
        assert_eq!(newest, expected.map(|(name, version)| (name.to_owned(), version)));
    }

    #[test]
    fn a_server_without_streaming_lists_gets_a_plain_list_in_pages() {
        let (mut informer, mut out) = (informer(), Outbox::new(1));
        informer.start(Time::ZERO, &mut out);
        let (id, _) = sent(&mut out).remove(0);
        let refusal = Status::invalid("meta.k8s.io", "ListOptions", "", &[]);
        informer.handle(Time::ZERO, &Input::Response(id, Ok(refusal.into())), &mut out);
        let page = |name: &str, token: &str| {
            let list = List {
                api_version: "v1".to_owned(),
                kind: "Pod".to_owned(),
                resource_version: 7,
                continue_token: token.to_owned(),
                remaining: None,
                items: vec![pod(name, 1)],
            };
            Ok(Response::ok(Body::List(Box::new(list))))
        };
        let (id, request) = sent(&mut out).remove(0);
        assert!(!request.is_watch());
        assert!(informer.handle(Time::ZERO, &Input::Response(id, page("a", "next")), &mut out).unwrap().is_empty());
        let (id, request) = sent(&mut out).remove(0);
        assert_eq!(request.param("continue"), Some("next"));
        let deltas = informer.handle(Time::ZERO, &Input::Response(id, page("b", "")), &mut out).unwrap();
        assert_eq!((deltas.len(), informer.lister().len()), (2, 2));
        assert_eq!(sent(&mut out)[0].1.param("resourceVersion"), Some("7"));
    }

    #[test]
    fn failures_wait_longer_each_time_up_to_the_limit() {
        let (mut informer, mut out) = (informer(), Outbox::new(1));
        informer.start(Time::ZERO, &mut out);
        let mut now = Time::ZERO;
        for attempt in 0..8_u32 {
            let (id, _) = sent(&mut out).remove(0);
            informer.handle(now, &Input::Response(id, Err(crate::Transport::Timeout)), &mut out);
            let pause = informer.next_wake().unwrap().since(now);
            let base = (crate::reflector::BACKOFF_MIN * 2_u32.pow(attempt)).min(crate::reflector::BACKOFF_MAX);
            assert!(pause >= base && pause <= base * 2, "{pause:?}");
            now = informer.next_wake().unwrap();
            informer.handle(now, &Input::Wake, &mut out);
        }
    }
}

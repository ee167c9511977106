//! The reflector: keeps up with a collection by list and watch (`client-go/tools/cache/reflector.go`).
//!
//! It begins with a streaming list (a watch with `sendInitialEvents=true`, KEP-3157) that a bookmark ends, and keeps watching on the
//! same stream. A server that refuses this gets a plain list, in pages, and a watch from the list's revision. A watch that ends goes on
//! from the last revision seen; a revision that is compacted away (410) means to begin again.
//!
//! ```text
//! Waiting ──▶ WatchList ──bookmark──▶ Watching ──ended──▶ Watching …
//!    ▲  └───▶ Listing ───last page──────▲  │
//!    └────────────── failure, 410 ─────────┘
//! ```
//!
//! **Simplified here:** no resync period, and the pause between attempts has no reset of its own: a success clears it.

use crate::{Input, ObjectKey, Outbox, RequestId, Transport};
use api::http::{Body, List, Method, Request, ResourcePath, Response, WatchEvent};
use api::kinds::Kind;
use api::meta::ObjectMeta;
use api::status::Status;
use api::{Object, Resource};
use sim::{Rng, Time};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The first pause after a failure, before jitter.
pub const BACKOFF_MIN: Duration = Duration::from_millis(800);
/// The longest pause, before jitter.
pub const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// The shortest time after which a watch asks the server to end it; the longest is twice this (`minWatchTimeout`).
const MIN_WATCH_TIMEOUT: Duration = Duration::from_secs(300);
/// A watch that ends sooner than this without an event counts as a failure.
const SHORT_WATCH: Duration = Duration::from_secs(1);
/// Objects per page of a list (`defaultPageSize` of the pager).
const PAGE_SIZE: &str = "500";

/// What to keep up with (`metav1.ListOptions`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListOptions {
    /// Only this namespace; empty for all, and for kinds of the cluster.
    pub namespace: String,
    /// Only objects that this label selector selects; empty for all.
    pub label_selector: String,
    /// Only objects that this field selector selects, for example `spec.nodeName=node-1`; empty for all.
    pub field_selector: String,
}

/// What a reflector makes of the objects that it receives.
pub trait Reflected: Sized {
    /// The object as one of these; `None` when it is none.
    fn reflect(object: &Object) -> Option<Arc<Self>>;

    /// Its metadata.
    fn metadata(&self) -> &ObjectMeta;
}

impl<R: Resource> Reflected for R {
    fn reflect(object: &Object) -> Option<Arc<Self>> {
        object.as_kind().cloned()
    }

    fn metadata(&self) -> &ObjectMeta {
        Resource::metadata(self)
    }
}

/// An object of any kind, for those who look at all kinds alike.
#[derive(Clone, Debug)]
pub struct AnyObject(pub Object);

impl Reflected for AnyObject {
    fn reflect(object: &Object) -> Option<Arc<Self>> {
        Some(Arc::new(AnyObject(object.clone())))
    }

    fn metadata(&self) -> &ObjectMeta {
        self.0.metadata()
    }
}

/// A change that the reflector learned of.
#[derive(Clone, Debug)]
pub enum Change<R> {
    /// These are all objects there are.
    Replace(Vec<Arc<R>>),
    /// This object exists, with this content.
    Upsert(Arc<R>),
    /// This object is gone; its last state.
    Delete(Arc<R>),
}

#[derive(Debug)]
enum State<R> {
    Stopped,
    Waiting { until: Time, relist: bool },
    WatchList { id: RequestId, objects: BTreeMap<ObjectKey, Arc<R>> },
    Listing { id: RequestId, objects: Vec<Arc<R>> },
    Watching { id: RequestId, since: Time, heard: bool },
}

/// Keeps up with one collection.
#[derive(Debug)]
pub struct Reflector<R> {
    info: Kind,
    options: ListOptions,
    agent: Arc<str>,
    rng: Rng,
    state: State<R>,
    /// The last revision seen; `None` before the first list and after a 410, when only the newest state will do.
    last_revision: Option<u64>,
    /// Whether the next list may come from the server's cache (`resourceVersion=0`): only until the first 410.
    any_revision: bool,
    watch_list: bool,
    failures: u32,
}

impl<R: Resource> Reflector<R> {
    /// A reflector that does nothing until [`Reflector::start`]. `agent` is the user agent of its requests.
    pub fn new(options: ListOptions, agent: Arc<str>, rng: Rng) -> Self {
        Reflector::of_kind(R::INFO.into(), options, agent, rng)
    }
}

impl<R: Reflected> Reflector<R> {
    /// A reflector of this kind that does nothing until [`Reflector::start`].
    pub fn of_kind(info: Kind, options: ListOptions, agent: Arc<str>, rng: Rng) -> Self {
        Reflector {
            info,
            options,
            agent,
            rng,
            state: State::Stopped,
            last_revision: None,
            any_revision: true,
            watch_list: true,
            failures: 0,
        }
    }

    /// Asks for everything there is, unless it already did.
    pub fn start(&mut self, out: &mut Outbox) {
        if matches!(self.state, State::Stopped) {
            self.relist(out);
        }
    }

    /// Stops keeping up: what it waits for is cancelled.
    pub fn stop(&mut self, out: &mut Outbox) {
        match std::mem::replace(&mut self.state, State::Stopped) {
            State::WatchList { id, .. } | State::Listing { id, .. } | State::Watching { id, .. } => out.cancel(id),
            State::Stopped | State::Waiting { .. } => {}
        }
    }

    /// Whether `id` is the request that it waits for.
    pub fn owns(&self, id: RequestId) -> bool {
        match self.state {
            State::WatchList { id: own, .. } | State::Listing { id: own, .. } | State::Watching { id: own, .. } => own == id,
            State::Stopped | State::Waiting { .. } => false,
        }
    }

    /// When it wants to be woken next.
    pub fn next_wake(&self) -> Option<Time> {
        match self.state {
            State::Waiting { until, .. } => Some(until),
            _ => None,
        }
    }

    /// Applies an input; `None` when it is not for this reflector. Changes are in order.
    pub fn handle(&mut self, now: Time, input: &Input, out: &mut Outbox) -> Option<Vec<Change<R>>> {
        match input {
            Input::Wake => {
                self.wake(now, out);
                None
            }
            Input::Response(id, answer) if self.owns(*id) => Some(self.answered(now, answer, out)),
            Input::Watch(id, events) if self.owns(*id) => Some(self.watched(now, *id, events)),
            Input::WatchEnded(id, error) if self.owns(*id) => {
                self.ended(now, *error, out);
                Some(Vec::new())
            }
            _ => None,
        }
    }

    fn wake(&mut self, now: Time, out: &mut Outbox) {
        if let State::Waiting { until, relist } = self.state
            && until <= now
        {
            if relist {
                self.relist(out);
            } else {
                self.watch(now, out);
            }
        }
    }

    fn request(&self) -> Request {
        let mut request = Request::new(Method::Get, ResourcePath::collection(&self.info, &self.options.namespace)).agent(&self.agent);
        for (name, value) in [("labelSelector", &self.options.label_selector), ("fieldSelector", &self.options.field_selector)] {
            if !value.is_empty() {
                request = request.query(name, value.as_str());
            }
        }
        request
    }

    /// A watch request without revision; asks the server to end it after a random time, so that load spreads.
    fn watch_request(&mut self) -> Request {
        let timeout = self.rng.duration(MIN_WATCH_TIMEOUT, MIN_WATCH_TIMEOUT * 2).as_secs();
        self.request().query("watch", "true").query("allowWatchBookmarks", "true").query("timeoutSeconds", timeout.to_string())
    }

    /// The revision with which to list: what we know at least, anything at first, the newest (empty) after a 410.
    fn list_revision(&self) -> String {
        match self.last_revision {
            Some(revision) => revision.to_string(),
            None if self.any_revision => "0".to_owned(),
            None => String::new(),
        }
    }

    fn relist(&mut self, out: &mut Outbox) {
        let revision = self.list_revision();
        if self.watch_list {
            let mut request = self.watch_request().query("sendInitialEvents", "true").query("resourceVersionMatch", "NotOlderThan");
            // A streaming list is always consistent: upstream sends no "0".
            if self.last_revision.is_some() {
                request = request.query("resourceVersion", revision);
            }
            self.state = State::WatchList { id: out.request(request), objects: BTreeMap::new() };
        } else {
            let mut request = self.request().query("limit", PAGE_SIZE);
            if !revision.is_empty() {
                request = request.query("resourceVersion", revision);
            }
            self.state = State::Listing { id: out.request(request), objects: Vec::new() };
        }
    }

    fn watch(&mut self, now: Time, out: &mut Outbox) {
        let revision = self.last_revision.unwrap_or_default().to_string();
        let request = self.watch_request().query("resourceVersion", revision);
        self.state = State::Watching { id: out.request(request), since: now, heard: false };
    }

    /// Waits before the next attempt (`wait.NewExponentialBackoffManager`: factor 2, jitter up to as much again).
    fn wait(&mut self, now: Time, relist: bool) {
        let base = (BACKOFF_MIN * 2_u32.saturating_pow(self.failures.min(10))).min(BACKOFF_MAX);
        self.failures = self.failures.saturating_add(1);
        self.state = State::Waiting { until: now + self.rng.jitter(base, 100), relist };
    }

    fn refused(&mut self, now: Time, status: &Status, out: &mut Outbox) {
        let watching = matches!(self.state, State::Watching { .. });
        if status.code == 410 {
            self.last_revision = None;
            self.any_revision = false;
            self.wait(now, true);
        } else if matches!(self.state, State::WatchList { .. }) && matches!(status.code, 400 | 405 | 415 | 422) {
            self.watch_list = false;
            self.relist(out);
        } else {
            // A server that is only busy keeps our place in its history.
            self.wait(now, !(watching && (status.code == 429 || status.code >= 500)));
        }
    }

    fn answered(&mut self, now: Time, answer: &Result<Response, Transport>, out: &mut Outbox) -> Vec<Change<R>> {
        match answer {
            Err(_) => self.wait(now, !matches!(self.state, State::Watching { .. })),
            Ok(Response { result: Err(status), .. }) => self.refused(now, status, out),
            Ok(Response { result: Ok(Body::List(list)), .. }) => return self.listed(now, list, out),
            Ok(_) => self.wait(now, true),
        }
        Vec::new()
    }

    fn listed(&mut self, now: Time, list: &List, out: &mut Outbox) -> Vec<Change<R>> {
        let State::Listing { objects, .. } = &mut self.state else {
            return Vec::new();
        };
        objects.extend(list.items.iter().filter_map(R::reflect));
        if list.continue_token.is_empty() {
            let objects = std::mem::take(objects);
            self.last_revision = Some(list.resource_version);
            self.failures = 0;
            self.watch(now, out);
            return vec![Change::Replace(objects)];
        }
        let objects = std::mem::take(objects);
        let next = self.request().query("limit", PAGE_SIZE).query("continue", list.continue_token.as_str());
        self.state = State::Listing { id: out.request(next), objects };
        Vec::new()
    }

    fn watched(&mut self, now: Time, id: RequestId, events: &[WatchEvent]) -> Vec<Change<R>> {
        let mut changes = Vec::new();
        for event in events {
            match event {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => self.changed(object, &mut changes, Change::Upsert),
                WatchEvent::Deleted(object) => self.changed(object, &mut changes, Change::Delete),
                WatchEvent::Bookmark { resource_version, initial_events_end } => {
                    self.last_revision = match (&self.state, initial_events_end) {
                        // Before the end of the initial events nothing is known for certain.
                        (State::WatchList { .. }, false) => self.last_revision,
                        _ => Some(*resource_version),
                    };
                    if let (State::WatchList { objects, .. }, true) = (&mut self.state, initial_events_end) {
                        changes.push(Change::Replace(std::mem::take(objects).into_values().collect()));
                        self.failures = 0;
                        self.state = State::Watching { id, since: now, heard: true };
                    }
                }
                WatchEvent::Error(status) => {
                    if status.code == 410 {
                        self.last_revision = None;
                        self.any_revision = false;
                    }
                    self.wait(now, true);
                    return changes;
                }
            }
        }
        if let State::Watching { heard, .. } = &mut self.state {
            *heard = true;
            self.failures = 0;
        }
        changes
    }

    fn changed(&mut self, object: &Object, changes: &mut Vec<Change<R>>, change: fn(Arc<R>) -> Change<R>) {
        let Some(reflected) = R::reflect(object) else {
            return;
        };
        let metadata = reflected.metadata();
        if let State::WatchList { objects, .. } = &mut self.state {
            let key = ObjectKey::new(metadata.namespace.as_str(), metadata.name.as_str());
            match change(reflected) {
                Change::Replace(_) => None,
                Change::Delete(_) => objects.remove(&key),
                Change::Upsert(reflected) => objects.insert(key, reflected),
            };
        } else {
            self.last_revision = Some(metadata.resource_version.0);
            changes.push(change(reflected));
        }
    }

    fn ended(&mut self, now: Time, error: Option<Transport>, out: &mut Outbox) {
        match self.state {
            State::Watching { since, heard, .. } if error.is_none() && (heard || now.since(since) >= SHORT_WATCH) => self.watch(now, out),
            State::Watching { heard, .. } => self.wait(now, error.is_none() && !heard),
            _ => self.wait(now, true),
        }
    }
}

//! The reflector: keeps up with a collection by list and watch (`client-go/tools/cache/reflector.go`).
//!
//! It begins with a streaming list (a watch with `sendInitialEvents=true`, KEP-3157) that a bookmark ends, and keeps watching on the
//! same stream. A server that refuses this gets a plain list, in pages, and a watch from the list's revision. A watch that ends goes on
//! from the last revision seen; a failed watch, or one whose revision is compacted away (410), means to list again, at the last revision
//! at least, so that the cache never goes back in time. Only when that is not to be had (410, or a server that is behind) the newest
//! state is asked for.
//!
//! ```text
//! Waiting ──▶ WatchList ──bookmark──▶ Watching ──ended──▶ Watching …
//!    ▲  └───▶ Listing ───last page──────▲  │
//!    └────────────── failure, 410 ─────────┘
//! ```
//!
//! Pauses between attempts double from 0.8 s to 30 s, each lengthened by up to as much again, and begin anew after two quiet minutes.
//!
//! **Simplified here:** a resync is the [shared informer](crate::SharedInformer)'s business.

use crate::inspection::{ReflectorCounts, ReflectorState};
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
const PAGE_SIZE: u64 = 500;
/// After so long without a pause the next is short again.
const BACKOFF_RESET: Duration = Duration::from_secs(120);
/// After so long without an internal error the time for further attempts begins anew (`minResetPeriod`).
const RETRY_RESET: Duration = Duration::from_secs(60);

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

/// How a reflector does its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReflectorConfig {
    /// Whether it begins with a streaming list (`WatchListClient`).
    pub watch_list: bool,
    /// Objects per page of a list; `None` for the pager's default, which leaves lists that the server's cache answers whole
    /// (`WatchListPageSize`).
    pub page_size: Option<u64>,
    /// How long a watch is tried again at once after internal errors of the server (`MaxInternalErrorRetryDuration`).
    pub max_internal_error_retry: Duration,
}

impl Default for ReflectorConfig {
    /// As informers use it.
    fn default() -> Self {
        ReflectorConfig { watch_list: true, page_size: None, max_internal_error_retry: Duration::ZERO }
    }
}

#[derive(Debug)]
enum State<R> {
    Stopped,
    Waiting { until: Time, next: Attempt },
    WatchList { id: RequestId, objects: BTreeMap<ObjectKey, Arc<R>> },
    Listing(Listing<R>),
    Watching { id: RequestId, since: Time, heard: bool },
}

/// What comes after a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attempt {
    Relist,
    Watch,
}

/// A list under way.
#[derive(Debug)]
struct Listing<R> {
    id: RequestId,
    objects: Vec<Arc<R>>,
    /// The revision that the first page was asked for.
    revision: String,
    limit: u64,
    /// Whether the request has a continue token.
    continued: bool,
    /// Whether it came in more than one page.
    paged: bool,
}

/// The pauses between attempts (`wait.Backoff.DelayWithReset`).
#[derive(Debug, Default)]
struct Backoff {
    failures: u32,
    last: Option<Time>,
}

impl Backoff {
    fn next(&mut self, now: Time, rng: &mut Rng) -> Duration {
        if self.last.is_some_and(|last| now.since(last) > BACKOFF_RESET) {
            self.failures = 0;
        }
        self.last = Some(now);
        let base = (BACKOFF_MIN * 2_u32.saturating_pow(self.failures.min(10))).min(BACKOFF_MAX);
        self.failures = self.failures.saturating_add(1);
        rng.jitter(base, 100)
    }
}

/// How long internal errors are met with another attempt at once (`retryWithDeadline`).
#[derive(Debug, Default)]
struct RetryWithDeadline {
    first: Option<Time>,
    last: Option<Time>,
}

impl RetryWithDeadline {
    /// An internal error came; whether to try again at once.
    fn after_error(&mut self, now: Time, limit: Duration) -> bool {
        if self.last.is_some_and(|last| now.since(last) >= RETRY_RESET) {
            self.first = None;
        }
        let first = *self.first.get_or_insert(now);
        self.last = Some(now);
        let again = !limit.is_zero() && now.since(first) <= limit;
        if !again {
            *self = RetryWithDeadline::default();
        }
        again
    }
}

/// Keeps up with one collection.
#[derive(Debug)]
pub struct Reflector<R> {
    info: Kind,
    options: ListOptions,
    config: ReflectorConfig,
    agent: Arc<str>,
    rng: Rng,
    state: State<R>,
    /// The last revision seen; `None` before the first list.
    last_revision: Option<u64>,
    /// Whether the server could not serve the last revision, so that the newest state has to do
    /// (`isLastSyncResourceVersionUnavailable`).
    unavailable: bool,
    /// Whether the first list came in pages: then later ones are asked for in pages too, since the server's cache does not answer them.
    paginated: bool,
    backoff: Backoff,
    retry: RetryWithDeadline,
    counts: ReflectorCounts,
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
            config: ReflectorConfig::default(),
            agent,
            rng,
            state: State::Stopped,
            last_revision: None,
            unavailable: false,
            paginated: false,
            backoff: Backoff::default(),
            retry: RetryWithDeadline::default(),
            counts: ReflectorCounts::default(),
        }
    }

    /// The same reflector, working in this way.
    #[must_use]
    pub fn configured(mut self, config: ReflectorConfig) -> Self {
        self.config = config;
        self
    }

    /// The same reflector, as if it had seen this revision already.
    #[must_use]
    pub fn resumed_at(mut self, revision: u64) -> Self {
        self.last_revision = Some(revision);
        self
    }

    /// The last revision seen; `None` before the first list (`LastSyncResourceVersion`).
    pub fn last_sync_resource_version(&self) -> Option<u64> {
        self.last_revision
    }

    /// How often it paused after a failure.
    pub fn pauses(&self) -> u64 {
        self.counts.pauses
    }

    /// What it did so far.
    pub fn counts(&self) -> ReflectorCounts {
        self.counts
    }

    /// What it does.
    pub fn state(&self) -> ReflectorState {
        match self.state {
            State::Stopped => ReflectorState::Stopped,
            State::WatchList { .. } => ReflectorState::WatchList,
            State::Listing(_) => ReflectorState::Listing,
            State::Watching { .. } => ReflectorState::Watching,
            State::Waiting { until, .. } => ReflectorState::Waiting { until_ms: until.as_millis() },
        }
    }

    /// What it keeps up with: the kind, and what it is restricted to.
    pub fn subject(&self) -> (&Kind, &ListOptions) {
        (&self.info, &self.options)
    }

    /// Asks for everything there is, unless it already did (`ListAndWatch`).
    pub fn start(&mut self, out: &mut Outbox) {
        if matches!(self.state, State::Stopped) {
            self.relist(out);
        }
    }

    /// Ends what it is doing. [`Reflector::start`] begins again, from the last revision seen.
    pub fn stop(&mut self, out: &mut Outbox) {
        if let Some(id) = self.awaited() {
            out.cancel(id);
        }
        self.state = State::Stopped;
    }

    fn awaited(&self) -> Option<RequestId> {
        match &self.state {
            State::WatchList { id, .. } | State::Listing(Listing { id, .. }) | State::Watching { id, .. } => Some(*id),
            State::Stopped | State::Waiting { .. } => None,
        }
    }

    /// Whether `id` is the request that it waits for.
    pub fn owns(&self, id: RequestId) -> bool {
        self.awaited() == Some(id)
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
            Input::Watch(id, events) if self.owns(*id) => Some(self.watched(now, *id, events, out)),
            Input::WatchEnded(id, error) if self.owns(*id) => {
                self.ended(now, *error, out);
                Some(Vec::new())
            }
            _ => None,
        }
    }

    fn wake(&mut self, now: Time, out: &mut Outbox) {
        if let State::Waiting { until, next } = self.state
            && until <= now
        {
            match next {
                Attempt::Relist => self.relist(out),
                Attempt::Watch => self.watch(now, out),
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

    fn relist(&mut self, out: &mut Outbox) {
        if self.config.watch_list { self.stream(out) } else { self.list(out) }
    }

    /// Asks for a streaming list, of at least the last revision (`watchList`, `rewatchResourceVersion`).
    fn stream(&mut self, out: &mut Outbox) {
        let mut request = self.watch_request().query("sendInitialEvents", "true").query("resourceVersionMatch", "NotOlderThan");
        if let Some(revision) = self.last_revision.filter(|_| !self.unavailable) {
            request = request.query("resourceVersion", revision.to_string());
        }
        self.counts.watch_lists += 1;
        self.state = State::WatchList { id: out.request(request), objects: BTreeMap::new() };
    }

    /// Asks for a list: anything at first, later at least what we know, the newest when that is not to be had (`list`,
    /// `relistResourceVersion`).
    fn list(&mut self, out: &mut Outbox) {
        let revision = match self.last_revision {
            _ if self.unavailable => String::new(),
            Some(revision) => revision.to_string(),
            None => "0".to_owned(),
        };
        let limit = match self.config.page_size {
            Some(size) => size,
            None if self.paginated || matches!(&*revision, "" | "0") => PAGE_SIZE,
            // The server answers from its cache, which has no pages.
            None => 0,
        };
        self.list_page(revision, limit, "", Vec::new(), out);
    }

    fn list_page(&mut self, revision: String, limit: u64, token: &str, objects: Vec<Arc<R>>, out: &mut Outbox) {
        let (continued, mut request) = (!token.is_empty(), self.request());
        if limit > 0 {
            request = request.query("limit", limit.to_string());
        }
        if continued {
            request = request.query("continue", token);
        } else if !revision.is_empty() {
            request = request.query("resourceVersion", revision.as_str());
        }
        let id = out.request(request);
        self.counts.lists += 1;
        self.state = State::Listing(Listing { id, objects, revision, limit, continued, paged: continued });
    }

    fn watch(&mut self, now: Time, out: &mut Outbox) {
        let revision = self.last_revision.unwrap_or_default().to_string();
        let request = self.watch_request().query("resourceVersion", revision);
        self.counts.watches += 1;
        self.state = State::Watching { id: out.request(request), since: now, heard: false };
    }

    /// Waits before the next attempt.
    fn wait(&mut self, now: Time, next: Attempt) {
        self.counts.pauses += 1;
        self.state = State::Waiting { until: now + self.backoff.next(now, &mut self.rng), next };
    }

    fn refused(&mut self, now: Time, status: &Status, out: &mut Outbox) {
        let unavailable = is_expired(status) || is_too_large(status);
        self.counts.expired += u64::from(is_expired(status));
        match std::mem::replace(&mut self.state, State::Stopped) {
            State::Listing(listing) if is_expired(status) && listing.continued => {
                // The token is too old: once more, whole (`FullListIfExpired`).
                self.list_page(listing.revision, 0, "", Vec::new(), out);
            }
            State::Listing(_) if unavailable && !self.unavailable => {
                self.unavailable = true;
                self.list(out);
            }
            State::WatchList { .. } if unavailable && !self.unavailable => {
                self.unavailable = true;
                self.stream(out);
            }
            State::WatchList { .. } if status.code != 429 => self.list(out),
            State::Watching { .. } if status.code == 429 => self.wait(now, Attempt::Watch),
            _ => self.wait(now, Attempt::Relist),
        }
    }

    fn answered(&mut self, now: Time, answer: &Result<Response, Transport>, out: &mut Outbox) -> Vec<Change<R>> {
        match answer {
            // A server that cannot be reached keeps our place in its history.
            Err(_) if matches!(self.state, State::Watching { .. }) => self.wait(now, Attempt::Watch),
            Ok(Response { result: Err(status), .. }) => self.refused(now, status, out),
            Ok(Response { result: Ok(Body::List(list)), .. }) => return self.listed(now, list, out),
            Err(_) | Ok(_) => self.wait(now, Attempt::Relist),
        }
        Vec::new()
    }

    fn listed(&mut self, now: Time, list: &List, out: &mut Outbox) -> Vec<Change<R>> {
        let State::Listing(mut listing) = std::mem::replace(&mut self.state, State::Stopped) else {
            return Vec::new();
        };
        listing.objects.extend(list.items.iter().filter_map(R::reflect));
        if !list.continue_token.is_empty() {
            self.list_page(listing.revision, listing.limit, &list.continue_token, listing.objects, out);
            return Vec::new();
        }
        self.paginated |= listing.paged && listing.revision == "0";
        self.unavailable = false;
        self.last_revision = Some(list.resource_version);
        self.watch(now, out);
        vec![Change::Replace(listing.objects)]
    }

    fn watched(&mut self, now: Time, id: RequestId, events: &[WatchEvent], out: &mut Outbox) -> Vec<Change<R>> {
        let mut changes = Vec::new();
        for event in events {
            match event {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => self.changed(object, &mut changes, Change::Upsert),
                WatchEvent::Deleted(object) => self.changed(object, &mut changes, Change::Delete),
                WatchEvent::Bookmark { resource_version, initial_events_end } => {
                    self.bookmarked(now, id, *resource_version, *initial_events_end, &mut changes);
                }
                WatchEvent::Error(status) => {
                    self.broken(now, status, out);
                    return changes;
                }
            }
        }
        if let State::Watching { heard, .. } = &mut self.state {
            *heard = true;
        }
        changes
    }

    fn bookmarked(&mut self, now: Time, id: RequestId, revision: u64, initial_events_end: bool, changes: &mut Vec<Change<R>>) {
        if let State::WatchList { objects, .. } = &mut self.state {
            // Before the end of the initial events nothing is known for certain.
            if !initial_events_end {
                return;
            }
            changes.push(Change::Replace(std::mem::take(objects).into_values().collect()));
            self.unavailable = false;
            self.state = State::Watching { id, since: now, heard: true };
        }
        self.last_revision = Some(revision);
    }

    /// An error came in the stream of a watch (`handleWatch` and what `watch` makes of it).
    fn broken(&mut self, now: Time, status: &Status, out: &mut Outbox) {
        let watching = matches!(self.state, State::Watching { .. });
        self.counts.expired += u64::from(watching && is_expired(status));
        match status.code {
            429 if watching => self.wait(now, Attempt::Watch),
            500 if watching && self.retry.after_error(now, self.config.max_internal_error_retry) => self.watch(now, out),
            // The list that follows asks for the last revision at least, so an expired watch is no reason to forget it.
            _ if watching => self.wait(now, Attempt::Relist),
            _ => self.refused(now, status, out),
        }
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
            State::Watching { heard, .. } if error.is_some() || heard => self.wait(now, Attempt::Watch),
            _ => self.wait(now, Attempt::Relist),
        }
    }
}

/// Whether a revision is compacted away (`apierrors.IsResourceExpired`, `IsGone`).
fn is_expired(status: &Status) -> bool {
    status.code == 410
}

/// Whether the server has not come to a revision yet (`apierrors.IsTooLargeResourceVersion`).
fn is_too_large(status: &Status) -> bool {
    status.code == 504 && status.details.causes.iter().any(|cause| cause.reason == "ResourceVersionTooLarge")
}

//! The state machine: inputs in, outputs out, calls to etcd in between.

use crate::admission::{TokenVolume, pod_security};
use crate::authentication::Known;
use crate::cache::{Applied, Cache};
use crate::collection::Batch;
use crate::crd::CustomResources;
use crate::encryption::EncryptionConfig;
use crate::field_manager::FieldSets;
use crate::inflight::{self, InFlight};
pub use crate::io::{Input, Output};
use crate::node_authorizer::NodeGraph;
use crate::params::Origin;
use crate::proxy::Proxies;
use crate::rbac::Rbac;
use crate::read::Read;
use crate::service_ip::ServiceAllocator;
use crate::storage::{self, Codec};
use crate::tokens::Tokens;
use crate::versions::{self, OtherVersions};
use crate::watchers::Watchers;
use crate::write::Write;
use crate::{admission, bootstrap, list_options, policy};
use api::http::{Path, Request, Response, WatchEvent};
use api::status::Status;
use api::{Object, Resource};
use etcd::{CallId, EtcdError, KeyRange, Range, Watch};
use sim::{Rng, Time, What};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// How long a request for a Pod waits for the `default` ServiceAccount of a new namespace (ten looks, 100 to 200 ms apart:
/// `plugin/pkg/admission/serviceaccount`).
const ACCOUNT_WAIT: Duration = Duration::from_millis(1500);

/// How long a read waits for a revision that does not exist yet (`blockTimeout` of `storage/cacher`).
const FRESH_WAIT: Duration = Duration::from_secs(3);

/// What can be set of an API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// After this time without an answer of etcd a request is given up (34 s: `requestTimeoutUpperBound`).
    pub request_timeout: Duration,
    /// How long Events are kept (`--event-ttl`, 1 h).
    pub event_ttl: Duration,
    /// How often etcd is told to forget old revisions (`--etcd-compaction-interval`, 5 min).
    pub compaction_interval: Duration,
    /// How often watches that want it get a bookmark (1 min).
    pub bookmark_interval: Duration,
    /// The shortest life of a watch that sets none; the longest is twice this (`--min-request-timeout`, 30 min).
    pub min_request_timeout: Duration,
    /// How values are encrypted in etcd (`--encryption-provider-config`); not at all by default.
    pub encryption: Option<EncryptionConfig>,
    /// How many requests are carried out at once; what watches and kubelets serve does not count, nor do those of `system:masters`
    /// (`--max-requests-inflight`; what API Priority and Fairness executes and queues by default).
    pub max_requests_in_flight: usize,
    /// What PodSecurity holds where namespaces say nothing, and who is exempt (`--admission-control-config-file`).
    pub pod_security: pod_security::Config,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            request_timeout: Duration::from_secs(34),
            event_ttl: Duration::from_secs(3600),
            compaction_interval: Duration::from_secs(300),
            bookmark_interval: Duration::from_secs(60),
            min_request_timeout: Duration::from_secs(1800),
            encryption: None,
            max_requests_in_flight: inflight::DEFAULT_LIMIT,
            pod_security: pod_security::Config::default(),
        }
    }
}

/// What the server waits for from etcd.
#[derive(Debug)]
pub(crate) enum Call {
    /// Everything, to fill the cache.
    Load,
    /// Nothing that matters: a compaction, the end of an Event.
    Forget,
    /// The revision that a read must see.
    Barrier(Box<Read>),
    /// The first word of a watch on etcd.
    Watch,
    /// A page of a list as of the past.
    Page(Box<Read>),
    /// The present state of an object that is to be written.
    Reread(Box<Write>),
    /// The outcome of a write.
    Write(Box<Write>),
    /// The outcome of a write of the server itself that nobody waits for.
    Own,
}

/// An API server.
#[derive(Debug)]
pub struct ApiServer {
    pub(crate) config: Config,
    pub(crate) rng: Rng,
    pub(crate) cache: Cache,
    pub(crate) codec: Codec,
    pub(crate) watchers: Watchers,
    pub(crate) proxies: Proxies,
    in_flight: InFlight,
    other_versions: OtherVersions,
    pub(crate) services: ServiceAllocator,
    pub(crate) rbac: Rbac,
    pub(crate) node_graph: NodeGraph,
    pub(crate) known: Known,
    pub(crate) tokens: Tokens,
    pub(crate) token_volume: TokenVolume,
    pub(crate) custom: CustomResources,
    pub(crate) field_sets: FieldSets,
    pub(crate) batches: BTreeMap<u64, Batch>,
    pub(crate) next_batch: u64,
    calls: BTreeMap<CallId, (Time, Call)>,
    next_call: u64,
    etcd_watch: Option<CallId>,
    /// Requests that came before the cache was filled.
    held: Vec<(u32, u64, Box<Request>)>,
    /// Requests for Pods in a namespace so new that it lacks its `default` ServiceAccount, until when they wait for it.
    awaiting_account: Vec<(Time, u32, u64, Box<Request>)>,
    /// Questions for all kinds that came while a definition was being named.
    pub(crate) awaiting_names: Vec<(u32, u64, Box<Request>)>,
    /// Reads that must see a revision which the cache has not reached, and until when those wait that named one themselves.
    behind: Vec<(u64, Option<Time>, Read)>,
    ready: bool,
    started: bool,
    next_bookmark: Time,
    next_compaction: Time,
    compact_to: u64,
    /// When which Event ends.
    pub(crate) expiries: BTreeSet<(Time, Arc<str>)>,
    pub(crate) expiry_of: BTreeMap<Arc<str>, Time>,
}

impl ApiServer {
    /// A server that fills its cache from etcd at the first [`Input::Wake`]. `seed_stream` gives names, UIDs and addresses.
    pub fn new(seed_stream: Rng, config: Config) -> Self {
        ApiServer {
            next_bookmark: Time::ZERO + config.bookmark_interval,
            next_compaction: Time::ZERO + config.compaction_interval,
            codec: Codec::new(config.encryption.clone(), seed_stream.stream("encryption")),
            config,
            tokens: Tokens::new(seed_stream.stream("service-account-key")),
            token_volume: TokenVolume::new(seed_stream.stream("service-account-volume")),
            rng: seed_stream,
            cache: Cache::default(),
            watchers: Watchers::default(),
            proxies: Proxies::default(),
            in_flight: InFlight::default(),
            other_versions: OtherVersions::default(),
            services: ServiceAllocator::default(),
            rbac: Rbac::default(),
            node_graph: NodeGraph::of([].into_iter(), policy::node_rules()),
            known: Known::default(),
            custom: CustomResources::default(),
            field_sets: FieldSets::default(),
            batches: BTreeMap::new(),
            next_batch: 1,
            calls: BTreeMap::new(),
            next_call: 1,
            etcd_watch: None,
            held: Vec::new(),
            awaiting_account: Vec::new(),
            awaiting_names: Vec::new(),
            behind: Vec::new(),
            ready: false,
            started: false,
            compact_to: 0,
            expiries: BTreeSet::new(),
            expiry_of: BTreeMap::new(),
        }
    }

    /// One of several servers of a cluster, which all have the same `seed_stream`: they sign tokens with the same key and give different
    /// names, UIDs and addresses. Servers count from 0, as do the starts of each.
    pub fn replica(seed_stream: &Rng, replica: u32, start: u32, config: Config) -> Self {
        let mut server = ApiServer::new(seed_stream.clone(), config);
        if (replica, start) != (0, 0) {
            server.rng = seed_stream.stream(&format!("replica/{replica}/{start}"));
            server.codec = Codec::new(server.config.encryption.clone(), server.rng.stream("encryption"));
        }
        server
    }

    /// The objects in the watch cache, by resource, namespace and name.
    pub fn objects(&self) -> impl Iterator<Item = &Object> {
        self.cache.objects()
    }

    /// The objects of one kind in the watch cache, by namespace and name.
    pub fn objects_of<R: Resource>(&self) -> impl Iterator<Item = &Arc<R>> {
        self.cache.range_of(storage::resource_prefix(R::INFO)).filter_map(Object::as_kind)
    }

    /// The object of this name in the watch cache; `namespace` counts for kinds that are in one.
    pub fn object<R: Resource>(&self, namespace: &str, name: &str) -> Option<&Arc<R>> {
        self.cache.get(&storage::key(R::INFO, namespace, name)).and_then(Object::as_kind)
    }

    /// The revision that the watch cache shows.
    pub fn revision(&self) -> u64 {
        self.cache.revision()
    }

    /// Whether the cache is filled, so that requests are served.
    pub fn is_ready(&self) -> bool {
        self.ready
    }

    /// When it wants to be woken next.
    pub fn next_wake(&self) -> Option<Time> {
        let call = self.calls.first_key_value().map(|(_, (deadline, _))| *deadline);
        let expiry = self.expiries.first().map(|(at, _)| *at);
        let account = self.awaiting_account.first().map(|(until, ..)| *until);
        let own = [self.watchers.next_deadline(), Some(self.next_bookmark), Some(self.next_compaction)];
        let waiting = self.behind.iter().filter_map(|(_, until, _)| *until).min();
        own.into_iter().chain([call, expiry, account, waiting]).flatten().min()
    }

    /// Applies one input at `now`. Whatever it wants done goes to `out`.
    pub fn handle(&mut self, now: Time, input: Input, out: &mut Vec<Output>) {
        let before = out.len();
        self.input(now, input, out);
        self.in_flight.answered(&out[before..]);
        self.other_versions.show(&mut out[before..]);
    }

    fn input(&mut self, now: Time, input: Input, out: &mut Vec<Output>) {
        if !self.started {
            self.started = true;
            self.load(now, out);
        }
        match input {
            Input::Wake => self.wake(now, out),
            Input::Request { client, id, request } if self.ready => {
                if admission::awaits_account(&self.cache, &request) && self.pass(now, &request).is_ok() {
                    self.awaiting_account.push((now + ACCOUNT_WAIT, client, id, request));
                } else if self.awaits_names(&request) {
                    self.awaiting_names.push((client, id, request));
                } else {
                    self.serve(now, client, id, *request, out);
                }
            }
            Input::Request { client, id, request } => self.held.push((client, id, request)),
            Input::Cancel { client, id } => {
                self.watchers.remove((client, id));
                self.proxies.cancel(client, id, out);
                self.in_flight.done(client, id);
                self.other_versions.cancel(client, id);
                self.held.retain(|held| (held.0, held.1) != (client, id));
                self.behind.retain(|(.., read)| (read.origin.client, read.origin.id) != (client, id));
                self.awaiting_account.retain(|(_, from, number, _)| (*from, *number) != (client, id));
                self.awaiting_names.retain(|held| (held.0, held.1) != (client, id));
            }
            Input::Disconnected { client } => {
                self.watchers.remove_client(client);
                self.proxies.remove_client(client, out);
                self.in_flight.remove_client(client);
                self.other_versions.remove_client(client);
                self.held.retain(|held| held.0 != client);
                self.behind.retain(|(.., read)| read.origin.client != client);
                self.awaiting_account.retain(|(_, from, ..)| *from != client);
                self.awaiting_names.retain(|held| held.0 != client);
            }
            Input::Etcd(response) => self.etcd(now, response, out),
            Input::Write { client, id, frame } => self.proxies.write(client, id, frame, out),
            Input::Kubelet { id, response } => self.proxies.answered(id, response, out),
            Input::KubeletStream { id, text, last } => self.proxies.streamed(id, text, last, out),
            Input::KubeletUnreachable { id } => self.proxies.unreachable(id, out),
        }
    }

    fn wake(&mut self, now: Time, out: &mut Vec<Output>) {
        while let Some((&id, &(deadline, _))) = self.calls.first_key_value()
            && deadline <= now
        {
            if let Some((_, call)) = self.calls.remove(&id) {
                self.timed_out(now, call, out);
            }
        }
        for (client, id) in self.watchers.expire(now) {
            out.push(Output::WatchEnded { client, id });
        }
        if now >= self.next_bookmark {
            self.next_bookmark = now + self.config.bookmark_interval;
            let revision = self.cache.revision();
            let event: Arc<[WatchEvent]> = Arc::new([WatchEvent::Bookmark { resource_version: revision, initial_events_end: false }]);
            for (client, id) in self.watchers.bookmark(revision) {
                out.push(Output::Watch { client, id, events: event.clone() });
            }
        }
        if now >= self.next_compaction {
            self.next_compaction = now + self.config.compaction_interval;
            let revision = std::mem::replace(&mut self.compact_to, self.cache.revision());
            if revision > 0 {
                let id = self.call(now, Call::Forget);
                out.push(Output::Etcd(etcd::Request::Compact(id, revision)));
            }
        }
        self.expire_events(now, out);
        self.give_up_waiting(now, out);
        self.serve_with_account(now, out);
    }

    /// Serves the requests that waited for a ServiceAccount and have it now, or have waited for long enough.
    fn serve_with_account(&mut self, now: Time, out: &mut Vec<Output>) {
        let cache = &self.cache;
        let over =
            |(until, _, _, request): &mut (Time, u32, u64, Box<Request>)| *until <= now || !admission::awaits_account(cache, request);
        for (_, client, id, request) in self.awaiting_account.extract_if(.., over).collect::<Vec<_>>() {
            self.serve(now, client, id, *request, out);
        }
    }

    /// A call to etcd whose answer leads to `call`.
    pub(crate) fn call(&mut self, now: Time, call: Call) -> CallId {
        let id = CallId(self.next_call);
        self.next_call += 1;
        self.calls.insert(id, (now + self.config.request_timeout, call));
        id
    }

    fn load(&mut self, now: Time, out: &mut Vec<Output>) {
        let id = self.call(now, Call::Load);
        out.push(Output::Etcd(etcd::Request::Range(id, Range::all(KeyRange::Prefix(storage::ROOT.into())))));
    }

    /// Watches etcd from where the cache is, in place of any watch before.
    fn watch_etcd(&mut self, now: Time, out: &mut Vec<Output>) {
        if let Some(old) = self.etcd_watch.take() {
            self.calls.remove(&old);
            out.push(Output::Etcd(etcd::Request::CancelWatch(old)));
        }
        let id = self.call(now, Call::Watch);
        self.etcd_watch = Some(id);
        let watch = Watch::new(KeyRange::Prefix(storage::ROOT.into()), self.cache.revision() + 1);
        out.push(Output::Etcd(etcd::Request::Watch(id, watch)));
    }

    fn etcd(&mut self, now: Time, response: etcd::Response, out: &mut Vec<Output>) {
        match response {
            etcd::Response::Events(id, events, _) if self.etcd_watch == Some(id) => {
                self.calls.remove(&id);
                self.changed(now, &events, out);
            }
            // A watch that was given up still speaks. When its successor has not been heard of, that one got lost.
            etcd::Response::Events(old, ..) => match self.etcd_watch {
                Some(id) if self.calls.contains_key(&id) => self.watch_etcd(now, out),
                _ => out.push(Output::Etcd(etcd::Request::CancelWatch(old))),
            },
            etcd::Response::Canceled { call, error, .. } if self.etcd_watch == Some(call) => {
                self.calls.remove(&call);
                self.etcd_watch = None;
                if error == EtcdError::Compacted {
                    self.load(now, out);
                } else {
                    self.watch_etcd(now, out);
                }
            }
            etcd::Response::Txn(id, response) => {
                if let Some((_, Call::Write(write))) = self.calls.remove(&id) {
                    self.written(now, *write, response, out);
                }
            }
            etcd::Response::Range(id, response) => match self.calls.remove(&id) {
                Some((_, Call::Load)) => self.loaded(now, &response, out),
                Some((_, Call::Barrier(read))) => self.at_least(now, response.revision, *read, out),
                Some((_, Call::Page(read))) => self.page(now, &read, &response, out),
                Some((_, Call::Reread(write))) => self.reread(now, *write, &response, out),
                _ => {}
            },
            etcd::Response::Compacted(id)
            | etcd::Response::Canceled { call: id, .. }
            | etcd::Response::Lease(id, _)
            | etcd::Response::Maintenance(id, _) => {
                self.calls.remove(&id);
            }
            etcd::Response::Error(id, _) if self.etcd_watch == Some(id) => {
                self.calls.remove(&id);
                self.watch_etcd(now, out);
            }
            etcd::Response::Error(id, error) => {
                if let Some((_, call)) = self.calls.remove(&id) {
                    self.failed(now, call, &Status::new(500, "", error.to_string()), error, out);
                }
            }
        }
    }

    /// The cache has all that etcd holds.
    fn loaded(&mut self, now: Time, response: &etcd::RangeResponse, out: &mut Vec<Output>) {
        let expired = Status::expired("The resourceVersion for the provided watch is too old.");
        for (client, id) in self.watchers.clear() {
            let events: Arc<[WatchEvent]> = Arc::new([WatchEvent::Error(Box::new(expired.clone()))]);
            out.push(Output::Watch { client, id, events });
            out.push(Output::WatchEnded { client, id });
        }
        self.custom = self.cache.fill(&self.codec, &response.kvs, response.revision);
        self.services = ServiceAllocator::of(self.cache.objects());
        self.rbac = Rbac::of(self.cache.objects());
        self.node_graph = NodeGraph::of(self.cache.objects(), policy::node_rules());
        (self.expiries, self.expiry_of) = (BTreeSet::new(), BTreeMap::new());
        let events: Vec<Arc<str>> =
            self.cache.range(&storage::resource_prefix(api::core::Event::INFO), "").map(|(k, _)| k.clone()).collect();
        for key in events {
            self.expire_at(key, now + self.config.event_ttl);
        }
        self.watch_etcd(now, out);
        if !self.ready {
            self.ready = true;
            self.bootstrap(now, out);
            for (client, id, request) in std::mem::take(&mut self.held) {
                self.serve(now, client, id, *request, out);
            }
        }
        self.catch_up(now, out);
    }

    /// etcd reports changes: into the cache, and on to those who watch.
    fn changed(&mut self, now: Time, events: &[etcd::Event], out: &mut Vec<Output>) {
        if events.first().is_some_and(|event| event.revision > self.cache.revision() + 1) {
            // Changes were lost on the way.
            return self.watch_etcd(now, out);
        }
        for event in events {
            let change = match self.cache.apply(&self.codec, &self.custom, event) {
                Applied::Nothing => continue,
                Applied::Changed(change) => change,
                Applied::Unreadable(kind) => {
                    let ended = self.watchers.end_resource(&kind.group, &kind.plural);
                    out.extend(ended.into_iter().map(|(client, id)| Output::WatchEnded { client, id }));
                    continue;
                }
            };
            if change.info == *api::core::Event::INFO {
                if change.deleted {
                    self.forget_expiry(&event.key);
                } else {
                    self.expire_at(event.key.clone(), now + self.config.event_ttl);
                }
            }
            self.services.observe(&change);
            match &change.old {
                _ if change.deleted => {
                    self.rbac.remove(&change.object);
                    self.node_graph.remove(&change.object);
                }
                Some(old) => {
                    self.rbac.put(&change.object);
                    self.node_graph.change(old, &change.object);
                }
                None => {
                    self.rbac.put(&change.object);
                    self.node_graph.add(&change.object);
                }
            }
            for ((client, id), events) in self.watchers.dispatch(&change, now) {
                out.push(Output::Watch { client, id, events });
            }
            self.observe_definition(now, &change, out);
            for object in bootstrap::consequences(&change) {
                self.create_own(now, object, Vec::new(), out);
            }
        }
        self.serve_with_account(now, out);
        self.serve_named(now, out);
        self.catch_up(now, out);
    }

    /// Serves a read as soon as the cache shows `revision`.
    fn at_least(&mut self, now: Time, revision: u64, read: Read, out: &mut Vec<Output>) {
        if self.cache.revision() >= revision {
            return self.read(now, read, out);
        }
        self.behind.push((revision, None, read));
        self.watch_etcd(now, out);
    }

    /// Lets a read wait for a revision that it names and nobody has seen yet (`waitUntilFreshAndBlock`).
    pub(crate) fn wait_for(&mut self, now: Time, revision: u64, read: Read) {
        self.behind.push((revision, Some(now + FRESH_WAIT), read));
    }

    /// Refuses the reads whose revision did not come in time.
    fn give_up_waiting(&mut self, now: Time, out: &mut Vec<Output>) {
        let over = |(_, until, _): &mut (u64, Option<Time>, Read)| until.is_some_and(|until| until <= now);
        for (revision, _, read) in self.behind.extract_if(.., over).collect::<Vec<_>>() {
            refuse(&read.origin, list_options::too_large(revision, self.cache.revision()), out);
        }
    }

    fn catch_up(&mut self, now: Time, out: &mut Vec<Output>) {
        let reached = self.cache.revision();
        for (.., read) in self.behind.extract_if(.., |(revision, ..)| *revision <= reached).collect::<Vec<_>>() {
            self.read(now, read, out);
        }
    }

    fn timed_out(&mut self, now: Time, call: Call, out: &mut Vec<Output>) {
        let message = "Timeout: request did not complete within requested timeout - context deadline exceeded";
        self.failed(now, call, &Status::timeout(message), EtcdError::Timeout, out);
        // Whatever was lost, the watch may have lost something too.
        if self.etcd_watch.is_some() {
            self.watch_etcd(now, out);
        }
    }

    fn failed(&mut self, now: Time, call: Call, status: &Status, error: EtcdError, out: &mut Vec<Output>) {
        match call {
            Call::Load => self.load(now, out),
            Call::Own | Call::Forget | Call::Watch => {}
            Call::Barrier(read) | Call::Page(read) => {
                let refusal = read.refusal(error, self.cache.revision()).unwrap_or_else(|| status.clone());
                refuse(&read.origin, refusal, out);
            }
            Call::Reread(write) | Call::Write(write) => self.finish(*write, Err(Box::new(status.clone())), out),
        }
    }

    pub(crate) fn serve(&mut self, now: Time, client: u32, id: u64, mut request: Request, out: &mut Vec<Output>) {
        let mut origin = Origin::new(client, id, &request);
        match self.pass(now, &request) {
            Ok((user, reason)) => (origin.user, origin.reason) = (user, reason),
            Err(status) => return refuse(&origin, *status, out),
        }
        if let Err(status) = self.in_flight.admit(&origin, &request, self.config.max_requests_in_flight) {
            return refuse(&origin, *status, out);
        }
        if matches!(&request.path, Path::Resource(path) if versions::is_second(&path.resource)) {
            origin.second_version = true;
            if let Err(status) = self.other_versions.turn(client, id, &mut request) {
                return refuse(&origin, *status, out);
            }
        }
        let served = match &request.path {
            Path::Other(path) => {
                let response = crate::discovery::answer(path, request.accept, &self.custom, &self.extensions());
                out.push(Output::Respond { client, id, response });
                Ok(())
            }
            Path::Resource(path) => {
                let path = path.clone();
                if crate::reviews::is_review(&path) {
                    self.review(now, &origin, request, &path, out)
                } else {
                    self.route(now, &origin, request, &path, out)
                }
            }
        };
        if let Err(status) = served {
            refuse(&origin, *status, out);
        }
    }
}

/// Answers with a refusal, and says so in the trace.
pub(crate) fn refuse(origin: &Origin, status: Status, out: &mut Vec<Output>) {
    let (reason, message) = (status.reason.into(), status.message.as_str().into());
    out.push(Output::Trace(What::Refused { code: status.code, reason, message }));
    out.push(Output::Respond { client: origin.client, id: origin.id, response: Response::from(status) });
}

//! The kubelet itself: what reaches it, what it waits for, and whom it hands that to (`pkg/kubelet/kubelet.go`).
//!
//! Every Pod has a [`PodWorker`]. The kubelet keeps one deadline per worker, in order, so that being woken
//! costs as much as there is to do, not as much as there are Pods.

use crate::calls::PodCalls;
use crate::cpu_shares::CpuClaim;
use crate::eviction::usage::NodeDisks;
use crate::eviction::{EvictionConfig, EvictionManager, MONITORING_INTERVAL};
use crate::images::ImageManager;
use crate::node;
use crate::outage::Claim;
use crate::pleg::Pleg;
use crate::pod_worker::{Addresses, Cx, PodWorker, Stage};
use crate::resize::Amounts;
use crate::runtime::ImageFiles;
use crate::runtime::fs::Tree;
use crate::serve::{Execs, Follower};
use crate::sessions::Sessions;
use crate::shutdown::{Shutdown, ShutdownGrace, grace_periods};
use crate::static_pods::{Mirror, StaticPods, is_mirror};
use crate::storage::{Disks, Storage};
use crate::tokens;
use crate::volumes::RefKind;
use api::Resource;
use api::coordination::Lease;
use api::core::{ConfigMap, Node, ObjectReference, PersistentVolumeClaim, Pod, PodStatus, Secret, Service, Taint};
use api::http::{Body, Method, Request, ResourcePath};
use api::meta::{ResourceVersion, StringMap, condition_is_true};
use client::{Component, Delta, EventRecorder, EventType, Informer, Input, Inspection, ListOptions, Outbox, RequestId};
use sim::{Rng, Time};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// The machine that a kubelet runs on.
#[derive(Clone, Debug)]
pub struct KubeletConfig {
    /// The node's name, unique in the cluster.
    pub node_name: String,
    /// The node's number, from 0: its Pods get `10.244.INDEX.0/24`, it has the address `172.18.0.(INDEX + 2)`.
    pub index: u32,
    /// CPU in thousandths of a core.
    pub cpu_milli: u64,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// How many Pods may run (`maxPods`).
    pub pods: u32,
    /// Labels besides those that every node has.
    pub labels: StringMap,
    /// Taints to register with.
    pub taints: Vec<Taint>,
    /// How fast images are pulled, in bytes per second.
    pub image_pull_bytes_per_second: u64,
    /// The size of the disk of images and containers, in bytes, where that is not the kubelet's own (`imagefs`).
    pub image_disk_bytes: Option<u64>,
    /// When Pods are evicted.
    pub eviction: EvictionConfig,
    /// How long Pods have when the node is shut down.
    pub shutdown: Vec<ShutdownGrace>,
}

impl Default for KubeletConfig {
    /// A worker with 4 cores, 8 GiB and room for 110 Pods that pulls 50 MB/s.
    fn default() -> Self {
        KubeletConfig {
            node_name: "node-1".to_owned(),
            index: 0,
            cpu_milli: 4000,
            memory_bytes: 8 << 30,
            pods: 110,
            labels: StringMap::new(),
            taints: Vec::new(),
            image_pull_bytes_per_second: 50_000_000,
            image_disk_bytes: None,
            eviction: EvictionConfig::default(),
            shutdown: grace_periods(Duration::from_secs(30), Duration::from_secs(10)),
        }
    }
}

/// What a request that is under way is for.
#[derive(Clone, Debug)]
pub(crate) enum Pending {
    RegisterNode,
    /// The Node as others see it, before a report after a silence.
    ReadNode,
    /// The Node, before it is decided whether Pods are taken.
    Admission,
    NodeStatus,
    Lease,
    /// The status of the Pod with this UID.
    PodStatus(Arc<str>),
    /// A fresh read of the Pod after a conflict.
    Refetch(Arc<str>),
    DeletePod(Arc<str>),
    /// The mirror of the static Pod with this UID.
    Mirror(Arc<str>),
    /// A mirror that is not wanted.
    MirrorGone,
    Reference(Arc<str>, RefKind, String),
}

/// A Pod and what the kubelet has to remember of it.
#[derive(Debug)]
pub(crate) struct Managed {
    pub(crate) worker: PodWorker,
    wake: Option<Time>,
    /// A status write, or a read after a conflict, is under way.
    pub(crate) writing: bool,
    /// The status has changed since the last write began.
    pub(crate) dirty: bool,
    pub(crate) deleting: bool,
    /// When a failed write is tried again.
    pub(crate) retry_at: Option<Time>,
    pub(crate) claim: Claim,
}

impl Managed {
    /// A Pod that was first seen at `now`.
    pub(crate) fn new(pod: Arc<Pod>, now: Time) -> Self {
        let worker = PodWorker::new(pod, now);
        Managed { worker, wake: None, writing: false, dirty: false, deleting: false, retry_at: None, claim: Claim::Ours }
    }

    /// Forgets what was to be written, and what is being written.
    pub(crate) fn forget_writes(&mut self) {
        (self.writing, self.dirty, self.deleting, self.retry_at) = (false, false, false, None);
    }
}

/// The agent of one node: it runs the Pods that are bound to the node and reports how they fare.
#[derive(Debug)]
pub struct Kubelet {
    pub(crate) config: KubeletConfig,
    pods: Informer<Pod>,
    services: Informer<Service>,
    recorder: EventRecorder,
    pub(crate) managed: BTreeMap<Arc<str>, Managed>,
    pub(crate) wakes: BTreeSet<(Time, Arc<str>)>,
    pub(crate) images: ImageManager,
    pub(crate) files: ImageFiles,
    pub(crate) host: Tree,
    pub(crate) statics: StaticPods,
    pub(crate) disks: Disks,
    pub(crate) rng: Rng,
    /// Decides when tokens are renewed.
    pub(crate) token_rng: Rng,
    /// The certificates of the cluster's authority that were read, by namespace.
    pub(crate) root_cas: BTreeMap<String, Arc<ConfigMap>>,
    pub(crate) addresses: Addresses,
    pub(crate) pleg: Pleg,
    pub(crate) pending: BTreeMap<RequestId, Pending>,
    /// Pods of which it is not decided yet whether they are taken.
    pub(crate) admitting: BTreeMap<Arc<str>, Arc<Pod>>,
    agent: Arc<str>,
    started: Option<Time>,
    pub(crate) node: Option<Arc<Node>>,
    node_images: usize,
    pub(crate) next_register: Option<Time>,
    pub(crate) next_lease: Time,
    next_status: Time,
    pub(crate) lease: Option<Arc<Lease>>,
    /// Whether a renewal of the Lease was lost: the Node may have been declared unreachable since.
    pub(crate) silent: bool,
    pub(crate) execs: Execs,
    pub(crate) followers: Vec<Follower>,
    pub(crate) sessions: Sessions,
    pub(crate) pod_calls: PodCalls,
    /// What the containers of each Pod ask of the node's CPU; empty while none burns it all the time.
    pub(crate) cpu_claims: BTreeMap<Arc<str>, Vec<CpuClaim>>,
    /// CPU time that Pods used which are gone.
    pub(crate) gone_cpu: Duration,
    /// Its process is not there; only the runtime is.
    pub(crate) down: bool,
    /// How often its process was started again.
    pub(crate) starts: u32,
    /// The runtime may have containers of Pods that are gone.
    pub(crate) rebuilding: bool,
    pub(crate) eviction: EvictionManager,
    pub(crate) node_disks: NodeDisks,
    pub(crate) shutdown: Option<Shutdown>,
}

/// How long the kubelet waits before it tries a failed request again.
pub(crate) const RETRY: Duration = Duration::from_secs(1);

impl Kubelet {
    /// A kubelet that registers its node with its first input. `rng` decides how long the runtime takes for things.
    pub fn new(config: KubeletConfig, mut rng: Rng) -> Self {
        let agent: Arc<str> = "kubelet".into();
        let options = ListOptions { field_selector: format!("spec.nodeName={}", config.node_name), ..ListOptions::default() };
        // Streams of their own, so that a pull does not change what the reflector draws.
        let seed = |rng: &mut Rng, name: &str| sim::Seed(rng.below(u64::MAX)).stream(name);
        let (reflector, images) = (seed(&mut rng, "reflector"), seed(&mut rng, "images"));
        Kubelet {
            pods: Informer::new(options, agent.clone(), reflector),
            services: Informer::new(ListOptions::default(), agent.clone(), rng.stream("services")),
            recorder: EventRecorder::new("kubelet", &config.node_name, agent.clone(), None),
            managed: BTreeMap::new(),
            wakes: BTreeSet::new(),
            images: ImageManager::new(config.image_pull_bytes_per_second, images),
            files: ImageFiles::default(),
            host: Tree::with_files([
                ("/etc/machine-id", "0123456789abcdef0123456789abcdef\n"),
                ("/var/log/.keep", ""),
                ("/data/.keep", ""),
            ]),
            statics: StaticPods::default(),
            disks: Disks::default(),
            token_rng: rng.stream("tokens"),
            root_cas: BTreeMap::new(),
            rng,
            addresses: Addresses::default(),
            pleg: Pleg::new(Time::ZERO),
            pending: BTreeMap::new(),
            admitting: BTreeMap::new(),
            agent,
            started: None,
            node: None,
            node_images: 0,
            next_register: None,
            next_lease: Time::ZERO,
            next_status: Time::ZERO,
            lease: None,
            silent: false,
            execs: Execs::default(),
            followers: Vec::new(),
            sessions: Sessions::default(),
            pod_calls: PodCalls::default(),
            cpu_claims: BTreeMap::new(),
            gone_cpu: Duration::ZERO,
            down: false,
            starts: 0,
            rebuilding: false,
            eviction: EvictionManager::default(),
            node_disks: NodeDisks { image: config.image_disk_bytes, ..NodeDisks::default() },
            shutdown: None,
            config,
        }
    }

    /// Whether it knows the Pods of its node.
    pub(crate) fn has_listed(&self) -> bool {
        self.pods.has_synced()
    }

    /// Records an event about the node.
    pub(crate) fn record_on_node(
        &mut self,
        now: Time,
        node: ObjectReference,
        kind: EventType,
        reason: &str,
        message: &str,
        out: &mut Outbox,
    ) {
        self.recorder.event_for(now, node, kind, reason, message, out);
    }

    /// Forgets what it has asked for, and ends what it serves: its process has ended.
    pub(crate) fn forget_requests(&mut self, out: &mut Outbox) {
        self.pending.clear();
        self.admitting.clear();
        let uids: Vec<Arc<str>> = self.managed.keys().cloned().collect();
        uids.iter().for_each(|uid| self.end_followers(uid, out));
        uids.iter().for_each(|uid| self.end_sessions(uid, out));
    }

    /// When it started; the start of the run before its first input.
    pub(crate) fn started_at(&self) -> Time {
        self.started.unwrap_or_default()
    }

    /// The same kubelet, whose PersistentVolumes lie in `storage`, which other kubelets reach, too.
    #[must_use]
    pub fn with_storage(mut self, storage: Storage) -> Self {
        self.disks = Disks::new(storage);
        self
    }

    pub(crate) fn send(&mut self, request: Request, why: Pending, out: &mut Outbox) {
        let id = out.request(request.agent(&self.agent));
        self.pending.insert(id, why);
    }

    /// Works with one Pod: `f` does, then the worker runs, and what follows is sent.
    pub(crate) fn work<T>(
        &mut self,
        uid: &Arc<str>,
        now: Time,
        out: &mut Outbox,
        f: impl FnOnce(&mut PodWorker, &mut Cx<'_>) -> T,
    ) -> Option<T> {
        let others = self.others_if_resized(uid);
        let managed = self.managed.get_mut(uid)?;
        let mut cx = Cx {
            now,
            out,
            recorder: &mut self.recorder,
            config: &self.config,
            images: &mut self.images,
            files: &mut self.files,
            host: &mut self.host,
            disks: &mut self.disks,
            rng: &mut self.rng,
            addresses: &mut self.addresses,
            pleg: self.pleg,
            others,
            services: self.services.has_synced().then(|| self.services.lister()),
            root_cas: &self.root_cas,
            wanted: Vec::new(),
        };
        let result = f(&mut managed.worker, &mut cx);
        match managed.claim {
            Claim::Unclaimed => managed.worker.run_alone(&mut cx),
            Claim::Ours | Claim::Orphan => managed.dirty |= managed.worker.run(&mut cx),
        }
        let wanted = std::mem::take(&mut cx.wanted);
        let pod = managed.worker.pod.clone();
        for (kind, name) in wanted {
            let read = |info| Request::new(Method::Get, ResourcePath::object(info, &pod.metadata.namespace, &name));
            let request = match kind {
                RefKind::ConfigMap => read(ConfigMap::INFO),
                RefKind::Secret => read(Secret::INFO),
                RefKind::Claim => read(PersistentVolumeClaim::INFO),
                RefKind::Token(seconds) => tokens::request(&pod, seconds, &name),
            };
            self.send(request, Pending::Reference(uid.clone(), kind, name), out);
        }
        self.share_cpu(uid, now);
        self.deliver_execs(uid, out);
        self.send_calls(uid, out);
        self.feed_followers(uid, out);
        self.feed_sessions(uid, out);
        self.flush(uid, now, out);
        self.reindex(uid);
        Some(result)
    }

    /// What the other Pods of the node were given; counted only when this one is to be resized.
    fn others_if_resized(&self, uid: &Arc<str>) -> Amounts {
        if !self.managed.get(uid).is_some_and(|managed| managed.worker.wants_resize()) {
            return Amounts::default();
        }
        self.others(uid)
    }

    /// What the Pods of the node hold, but this one.
    pub(crate) fn others(&self, uid: &str) -> Amounts {
        let others = self.managed.iter().filter(|(other, managed)| &***other != uid && managed.worker.stage != Stage::Finished);
        others.fold(Amounts::default(), |mut sum, (_, managed)| {
            sum.add(managed.worker.allocated());
            sum
        })
    }

    pub(crate) fn reindex(&mut self, uid: &Arc<str>) {
        let Some(managed) = self.managed.get_mut(uid) else { return };
        let wake = match managed.claim {
            Claim::Unclaimed => managed.worker.sandbox.next_wake(),
            Claim::Ours | Claim::Orphan => [managed.worker.next_wake(), managed.retry_at].into_iter().flatten().min(),
        };
        if managed.wake != wake {
            if let Some(old) = managed.wake {
                self.wakes.remove(&(old, uid.clone()));
            }
            if let Some(at) = wake {
                self.wakes.insert((at, uid.clone()));
            }
            managed.wake = wake;
        }
    }

    /// Writes the status of a Pod if it has changed and nothing is under way; deletes the Pod when it has ended and is to go.
    pub(crate) fn flush(&mut self, uid: &Arc<str>, now: Time, out: &mut Outbox) {
        let Some(managed) = self.managed.get_mut(uid) else { return };
        if managed.claim != Claim::Ours || managed.writing || managed.retry_at.is_some_and(|at| at > now) {
            return;
        }
        managed.retry_at = None;
        let worker = &managed.worker;
        // The API server knows a static Pod by its mirror.
        let shown = match self.statics.mirror(uid) {
            None => &worker.pod,
            Some(Mirror { pod: Some(mirror), .. }) => mirror,
            Some(_) => {
                if worker.is_finished() && worker.is_deleting() {
                    self.forget_static(uid, now, out);
                }
                return;
            }
        };
        let meta = &shown.metadata;
        let path = ResourcePath::object(Pod::INFO, &meta.namespace, &meta.name);
        if managed.dirty {
            managed.dirty = false;
            managed.writing = true;
            let mut pod = Pod::clone(shown);
            pod.status = worker.status.clone();
            let request = Request::new(Method::Put, path.with_subresource("status")).body(Body::Object(pod.into()));
            self.send(request, Pending::PodStatus(uid.clone()), out);
        } else if worker.stage == Stage::Finished && worker.is_deleting() && !managed.deleting {
            managed.deleting = true;
            let options = serde_json::json!({
                "apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0, "preconditions": {"uid": meta.uid},
            });
            let request = Request::new(Method::Delete, path).body(Body::Json(options));
            self.send(request, Pending::DeletePod(uid.clone()), out);
        }
    }

    fn pod_deltas(&mut self, now: Time, deltas: Vec<Delta<Pod>>, out: &mut Outbox) {
        for delta in deltas {
            let pod = delta.object().clone();
            if is_mirror(&pod) {
                match delta {
                    Delta::Deleted(..) => self.mirror_deleted(&pod, now, out),
                    Delta::Added(_) | Delta::Updated(..) => self.mirror_seen(pod, now, out),
                }
                continue;
            }
            let uid: Arc<str> = pod.metadata.uid.as_str().into();
            match delta {
                Delta::Deleted(..) => self.remove(&uid, now, out),
                Delta::Added(_) => self.observe(uid, pod, now, out),
                Delta::Updated(old, _) => {
                    if old.metadata.uid != pod.metadata.uid {
                        self.remove(&old.metadata.uid.as_str().into(), now, out);
                    }
                    self.observe(uid, pod, now, out);
                }
            }
        }
    }

    fn observe(&mut self, uid: Arc<str>, pod: Arc<Pod>, now: Time, out: &mut Outbox) {
        self.services.start(now, out);
        if self.take_over(&uid, &pod, now, out) {
            return;
        }
        if !self.managed.contains_key(&uid) {
            // A Pod that had ended before this kubelet saw it has nothing left to run.
            if matches!(pod.status.phase.as_str(), "Succeeded" | "Failed") && !pod.metadata.is_deleting() {
                return;
            }
            return self.admit(&uid, &pod, now, out);
        } else if let Some(managed) = self.managed.get_mut(&uid)
            && managed.worker.pod.spec == pod.spec
            && managed.worker.pod.metadata.deletion_timestamp == pod.metadata.deletion_timestamp
            && managed.worker.pod.metadata.deletion_grace_period_seconds == pod.metadata.deletion_grace_period_seconds
        {
            // Mostly the echo of the worker's own status: nothing to do but to remember it.
            managed.worker.update(pod);
            // Whoever took the Pod's readiness away while the node was unreachable did not know better; nor does a scheduler that never
            // learned that its binding was made (`needsReconcile`).
            let shown = |status: &PodStatus| ["Ready", "PodScheduled"].map(|type_| condition_is_true(&status.conditions, type_));
            managed.dirty |= !managed.writing && shown(&managed.worker.pod.status) != shown(&managed.worker.status);
            self.flush(&uid, now, out);
            return;
        }
        if let Some(managed) = self.managed.get_mut(&uid) {
            managed.worker.update(pod);
        }
        self.work(&uid, now, out, |_, _| ());
    }

    pub(crate) fn remove(&mut self, uid: &Arc<str>, now: Time, out: &mut Outbox) {
        self.work(uid, now, out, |worker, cx| worker.drop_sandbox(cx));
        self.end_followers(uid, out);
        self.end_sessions(uid, out);
        self.admitting.remove(uid);
        let Some(managed) = self.managed.remove(uid) else { return };
        self.gone_cpu = self.gone_cpu.saturating_add(managed.worker.cpu(now));
        self.release_cpu(uid, now);
        if let Some(wake) = managed.wake {
            self.wakes.remove(&(wake, uid.clone()));
        }
    }

    fn wake(&mut self, now: Time, out: &mut Outbox) {
        if self.started.is_none() {
            self.started = Some(now);
            self.pleg = Pleg::new(now + Pleg::phase(&mut self.rng.stream("pleg")));
            self.next_status = now + node::STATUS_PERIOD;
            self.next_lease = now;
            self.eviction.next = now + MONITORING_INTERVAL;
            self.next_register = Some(now);
            self.pods.start(now, out);
        }
        if self.next_register.is_some_and(|at| at <= now) {
            self.next_register = None;
            let node = node::node(&self.config, now, &self.images);
            let request = Request::new(Method::Post, ResourcePath::collection(Node::INFO, "")).body(Body::Object(node.into()));
            self.send(request, Pending::RegisterNode, out);
        }
        if self.next_lease <= now {
            self.renew_lease(now, out);
        }
        if self.next_status <= now {
            self.write_node_status(now, out);
        }
        self.watch_pressure(now, out);
        self.pulls(now, out);
        self.wake_workers(now, out);
    }

    /// Lets those go on whose time has come.
    pub(crate) fn wake_workers(&mut self, now: Time, out: &mut Outbox) {
        while let Some((at, uid)) = self.wakes.first().cloned().filter(|(at, _)| *at <= now) {
            self.work(&uid, now, out, |_, _| ());
            // A worker that is due again at this very instant waits for the next input, so that no worker can keep the kubelet here.
            if self.managed.get(&uid).is_some_and(|managed| managed.wake.is_some_and(|wake| wake <= at)) {
                self.postpone(&uid, now);
            }
        }
    }

    fn postpone(&mut self, uid: &Arc<str>, now: Time) {
        let Some(managed) = self.managed.get_mut(uid) else { return };
        if let Some(old) = managed.wake {
            self.wakes.remove(&(old, uid.clone()));
        }
        let later = now + Duration::from_micros(1);
        managed.wake = Some(later);
        self.wakes.insert((later, uid.clone()));
    }

    fn pulls(&mut self, now: Time, out: &mut Outbox) {
        while let Some(pulled) = self.images.finish(now) {
            let uid: Arc<str> = pulled.waiter.0.as_str().into();
            self.work(&uid, now, out, |worker, cx| worker.pull_done(pulled, cx));
        }
    }

    fn renew_lease(&mut self, now: Time, out: &mut Outbox) {
        self.next_lease = now + node::LEASE_PERIOD;
        if self.pending.values().any(|pending| matches!(pending, Pending::Lease)) {
            return;
        }
        let uid = self.node.as_ref().map_or("", |node| node.metadata.uid.as_str());
        let mut lease = node::lease(&self.config, uid, now);
        let request = match &self.lease {
            Some(known) => {
                lease.metadata = known.metadata.clone();
                let path = ResourcePath::object(Lease::INFO, node::LEASE_NAMESPACE, &self.config.node_name);
                Request::new(Method::Put, path).body(Body::Object(lease.into()))
            }
            None => {
                let path = ResourcePath::collection(Lease::INFO, node::LEASE_NAMESPACE);
                Request::new(Method::Post, path).body(Body::Object(lease.into()))
            }
        };
        self.send(request, Pending::Lease, out);
    }

    /// Writes the node's status.
    pub(crate) fn write_node_status(&mut self, now: Time, out: &mut Outbox) {
        self.next_status = now + node::STATUS_PERIOD;
        let Some(node) = &self.node else { return };
        let mut node = Node::clone(node);
        let pressure = &self.eviction.conditions;
        node.status = node::status(&self.config, now, &self.images, pressure, self.shutdown.is_some(), &node.status.conditions);
        self.node_images = node.status.images.len();
        // Without a revision the write does not conflict with a cordon or a label.
        node.metadata.resource_version = ResourceVersion(0);
        let path = ResourcePath::object(Node::INFO, "", &self.config.node_name).with_subresource("status");
        self.send(Request::new(Method::Put, path).body(Body::Object(node.into())), Pending::NodeStatus, out);
    }
}

impl Component for Kubelet {
    fn handle(&mut self, now: Time, input: Input, out: &mut Outbox) {
        if self.down {
            return self.take_without_kubelet(now, input, out);
        }
        self.take(now, input, out);
        self.look_at_manifests(now, out);
        self.end_orphans(now, out);
        self.advance_shutdown(now, out);
    }

    fn next_wake(&self) -> Option<Time> {
        let workers = self.wakes.first().map(|(at, _)| *at);
        if self.down {
            return workers;
        }
        if self.started.is_none() {
            return Some(Time::ZERO);
        }
        let shutdown = self.shutdown.as_ref().map(Shutdown::next_wake);
        let timers = [Some(self.next_lease), Some(self.next_status), Some(self.eviction.next), self.next_register, shutdown];
        let own = [workers, self.images.next_wake(), self.pods.next_wake(), self.services.next_wake()];
        timers.into_iter().chain(own).flatten().min()
    }

    fn inspect(&self) -> Inspection {
        Inspection { informers: vec![self.pods.status(), self.services.status()], queues: Vec::new() }
    }
}

impl Kubelet {
    fn take(&mut self, now: Time, input: Input, out: &mut Outbox) {
        if let Some(deltas) = self.pods.handle(now, &input, out) {
            self.pod_deltas(now, deltas, out);
            return;
        }
        if self.services.handle(now, &input, out).is_some() || self.recorder.handle(now, &input, out) {
            return;
        }
        match input {
            Input::Wake => self.wake(now, out),
            Input::Response(id, answer) => self.answered(id, answer, now, out),
            Input::Serve(id, request) => self.serve(now, id, &request, out),
            Input::ServeText(id, frame) => self.heard(id, frame.as_deref(), now, out),
            Input::Dialed(call, answer) => self.dialed(call, answer, now, out),
            Input::Incoming(caller, dial) => self.incoming(caller, &dial, now, out),
            Input::Watch(..) | Input::WatchEnded(..) | Input::Stream(..) | Input::Etcd(_) | Input::Outgoing(..) => {}
        }
    }
}

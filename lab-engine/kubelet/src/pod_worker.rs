//! A pod worker: everything the kubelet knows of one Pod, and the loop that brings it forward (`pkg/kubelet/pod_workers.go`).
//!
//! A Pod's way on its node: volumes → sandbox → init containers, one after the other → containers → termination. [`PodWorker::run`] is
//! called when something that concerns the Pod has happened: an update from the API server, a deadline, a pull that ended. It takes in what
//! the runtime did, runs the probes that are due, does what the Pod needs next, and computes the status.

use crate::hooks::Hook;
use crate::images::ImageManager;
use crate::kubelet::KubeletConfig;
use crate::pleg::{Pleg, Unseen};
use crate::probes::{ProbeType, ProbeWorker, Target, TargetState};
use crate::resize::{Amounts, Pending};
use crate::restart::restarts_all;
use crate::runtime::ImageFiles;
use crate::runtime::fs::Tree;
use crate::runtime::sandbox::{ExecResult, Happened, Sandbox, State};
use crate::status::is_sidecar;
use crate::storage::Disks;
use crate::volumes::{Objects, RefKind};
use api::core::{ConfigMap, Container, EphemeralContainer, ObjectReference, Pod, PodStatus, ResourceRequirements, Service};
use api::shared::Shared;
use client::{EventRecorder, EventType, Indexer, Outbox};
use sim::{ObjectRef, Rng, Time, What};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// What a worker may use of its kubelet.
pub(crate) struct Cx<'a> {
    pub(crate) now: Time,
    pub(crate) out: &'a mut Outbox,
    pub(crate) recorder: &'a mut EventRecorder,
    pub(crate) config: &'a KubeletConfig,
    pub(crate) images: &'a mut ImageManager,
    pub(crate) files: &'a mut ImageFiles,
    pub(crate) host: &'a mut Tree,
    pub(crate) disks: &'a mut Disks,
    pub(crate) rng: &'a mut Rng,
    pub(crate) addresses: &'a mut Addresses,
    pub(crate) pleg: Pleg,
    /// What the node's other Pods were given; known when this one is to be resized.
    pub(crate) others: Amounts,
    /// The Services, when they were read.
    pub(crate) services: Option<&'a Indexer<Service>>,
    /// The certificates of the cluster's authority that are known, by namespace.
    pub(crate) root_cas: &'a BTreeMap<String, Arc<ConfigMap>>,
    /// Objects that the worker wants to be read from the API server.
    pub(crate) wanted: Vec<(RefKind, String)>,
}

/// The Pod addresses of a node (the part of host-local IPAM).
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    taken: BTreeSet<u8>,
    last: u8,
}

impl Addresses {
    /// The next free last octet, 2 to 254, going round; `None` when all are taken.
    pub(crate) fn take(&mut self) -> Option<u8> {
        let from = self.last.max(1);
        let free = (1..=253u16).map(|step| u8::try_from((u16::from(from) + step + 251) % 253 + 2).unwrap_or(2));
        let found = free.into_iter().find(|octet| !self.taken.contains(octet))?;
        self.taken.insert(found);
        self.last = found;
        Some(found)
    }

    /// Gives an address back.
    pub(crate) fn give_back(&mut self, octet: u8) {
        self.taken.remove(&octet);
    }
}

/// What a container is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Init,
    Sidecar,
    Main,
    Ephemeral,
}

/// What happens to a container.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    /// Nothing yet, or nothing any more.
    Idle,
    /// Its image is being pulled.
    Pulling,
    /// It is being created and starts at a time.
    Creating(Time),
    /// It waits for objects that its environment is made from.
    NeedsObjects,
    /// It runs.
    Running,
    /// It waits to be tried again at a time, or for ever.
    Waits(Option<Time>),
    /// It runs its `preStop` hook, within its grace period.
    PreStop { hook: Hook, since: Time, grace: Duration },
    /// It waits for its turn to get its stop signal, with what is left of its grace period.
    Turn { since: Time, left: Duration },
    /// It was told to end.
    Stopping,
}

/// One container of the Pod.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) role: Role,
    pub(crate) step: Step,
    /// Reason and message of the waiting state; the default one when `None`.
    pub(crate) waiting: Option<(&'static str, String)>,
    /// Its runs in the sandbox, oldest first.
    pub(crate) runs: Vec<usize>,
    pub(crate) image: Option<crate::images::PresentImage>,
    pub(crate) probes: Vec<ProbeWorker>,
    /// The back-off was already told of for this run.
    pub(crate) told_back_off: Option<Time>,
    pub(crate) post_start: Option<Hook>,
    /// The kubelet has killed its present or last run, and has not looked at the back-off since.
    pub(crate) killed: bool,
    /// The resources that the node has set aside for it.
    pub(crate) allocated: ResourceRequirements,
    /// The resources that its present run has.
    pub(crate) in_force: ResourceRequirements,
    /// How many of its runs belong to an earlier life of the Pod's containers, and are as if they had never been.
    pub(crate) past_runs: usize,
    /// The image that its present run was started with, as the spec named it.
    pub(crate) started_image: String,
}

/// Where the Pod is on its way.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Stage {
    /// Waits for objects that its volumes need; since when, and when to try again.
    Volumes { retry_at: Option<Time>, failures: u32 },
    /// Its sandbox will stand at a time.
    Sandbox(Time),
    /// Its containers run.
    Containers,
    /// All containers have ended and none will start again.
    Finished,
}

/// The worker of one Pod.
#[derive(Debug)]
pub(crate) struct PodWorker {
    pub(crate) pod: Arc<Pod>,
    pub(crate) object: ObjectRef,
    pub(crate) stage: Stage,
    pub(crate) sandbox: Sandbox,
    pub(crate) octet: Option<u8>,
    /// The containers: init, regular, ephemeral.
    pub(crate) records: Vec<Record>,
    /// The specs of the ephemeral containers.
    pub(crate) ephemeral: Vec<Container>,
    pub(crate) objects: Objects,
    pub(crate) asked: BTreeSet<(RefKind, String)>,
    /// It was told that Secrets with credentials are missing.
    pub(crate) told_secrets: bool,
    /// The state of the node's files when the Pod's PersistentVolumes were last written through.
    pub(crate) host_version: u64,
    /// A change of resources that waits.
    pub(crate) resize_pending: Option<Pending>,
    /// When it is looked at again.
    pub(crate) resize_at: Option<Time>,
    /// All containers end, to start anew from the first init container.
    pub(crate) restarting_all: bool,
    /// When the files that the kubelet keeps up to date are made anew.
    pub(crate) resync_at: Option<Time>,
    /// The objects for them are being read.
    pub(crate) refreshing: bool,
    pub(crate) start_time: Time,
    /// The Pod is to end, and why: reason and message of its status when it was not the user's wish.
    pub(crate) ending: Option<Option<(&'static str, String)>>,
    pub(crate) grace: Duration,
    /// Why the kubelet ends it, when that is a disruption of the Pod.
    pub(crate) disruption: Option<String>,
    /// The kubelet has not taken it.
    pub(crate) rejected: bool,
    pub(crate) restarts: crate::backoff::Backoff<usize>,
    /// Mostly the very one that the Pod has.
    pub(crate) status: Shared<PodStatus>,
    /// Results of commands that were asked for from outside.
    pub(crate) exec_results: Vec<ExecResult>,
    /// Containers that have ended by themselves since the last relist, and still run for all that the kubelet knows.
    pub(crate) unseen: Vec<Unseen>,
}

impl PodWorker {
    /// A worker for a Pod that was first seen at `now`.
    pub(crate) fn new(pod: Arc<Pod>, now: Time) -> Self {
        let role = |container: &Container| if is_sidecar(container) { Role::Sidecar } else { Role::Init };
        let roles = pod.spec.init_containers.iter().map(role).chain(pod.spec.containers.iter().map(|_| Role::Main));
        let records = roles.zip(all_containers(&pod)).map(|(role, container)| Record::new(role, container, now)).collect();
        let sandbox = Sandbox::new(crate::env::hostname(&pod));
        let mut worker = PodWorker {
            object: ObjectRef::new("Pod", pod.metadata.namespace.as_str(), pod.metadata.name.as_str()),
            stage: Stage::Volumes { retry_at: None, failures: 0 },
            sandbox,
            octet: None,
            records,
            ephemeral: Vec::new(),
            objects: Objects::default(),
            asked: BTreeSet::new(),
            told_secrets: false,
            host_version: 0,
            resize_pending: None,
            resize_at: None,
            restarting_all: false,
            resync_at: None,
            refreshing: false,
            start_time: now,
            ending: None,
            grace: Duration::from_secs(30),
            disruption: None,
            rejected: false,
            restarts: crate::backoff::Backoff::default(),
            status: pod.status.clone(),
            exec_results: Vec::new(),
            unseen: Vec::new(),
            pod,
        };
        worker.add_ephemeral();
        worker
    }

    /// Takes in ephemeral containers that are new; those that are known never change.
    fn add_ephemeral(&mut self) {
        for container in &self.pod.spec.ephemeral_containers[self.ephemeral.len().min(self.pod.spec.ephemeral_containers.len())..] {
            let container = from_ephemeral(container);
            self.records.push(Record::new(Role::Ephemeral, &container, Time::ZERO));
            self.ephemeral.push(container);
        }
    }

    /// The spec of a container by number: init containers first.
    pub(crate) fn spec(&self, index: usize) -> &Container {
        let inits = self.pod.spec.init_containers.len();
        let mains = self.pod.spec.containers.len();
        match index {
            _ if index < inits => &self.pod.spec.init_containers[index],
            _ if index < inits + mains => &self.pod.spec.containers[index - inits],
            _ => &self.ephemeral[index - inits - mains],
        }
    }

    /// When the worker must run next.
    pub(crate) fn next_wake(&self) -> Option<Time> {
        if self.stage == Stage::Finished {
            return None;
        }
        let stage = match self.stage {
            Stage::Volumes { retry_at, .. } => retry_at,
            Stage::Sandbox(at) => Some(at),
            Stage::Containers | Stage::Finished => None,
        };
        let deadline = self.deadline().filter(|_| self.ending.is_none());
        let records = self.records.iter().enumerate().flat_map(|(index, record)| {
            let step = match record.step {
                Step::Creating(at) => Some(at),
                Step::Waits(until) => until,
                ref step => PodWorker::end_wakes(step),
            };
            let hook = if let Some(Hook::Until(at)) = record.post_start { Some(at) } else { None };
            let target = self.target(index);
            record.probes.iter().filter_map(move |probe| probe.next_wake(target)).chain(step).chain(hook)
        });
        let resync = self.resync_at.filter(|_| self.ending.is_none());
        records
            .chain(stage)
            .chain(deadline)
            .chain(resync)
            .chain(self.resize_at.filter(|_| self.ending.is_none()))
            .chain(self.sandbox.next_wake())
            .chain(self.unseen.iter().map(|unseen| unseen.relist))
            .min()
    }

    /// When the Pod has lived long enough.
    pub(crate) fn deadline(&self) -> Option<Time> {
        let seconds = self.pod.spec.active_deadline_seconds.and_then(|seconds| u64::try_from(seconds).ok())?;
        Some(self.start_time.saturating_add(Duration::from_secs(seconds)))
    }

    /// Takes a newer version of the Pod.
    pub(crate) fn update(&mut self, pod: Arc<Pod>) {
        if pod.metadata.resource_version >= self.pod.metadata.resource_version {
            // What came back as it was written is kept once.
            if !self.status.is_same(&pod.status) && self.status == pod.status {
                self.status = pod.status.clone();
            }
            self.pod = pod;
            self.add_ephemeral();
        }
    }

    /// Whether all containers have ended and none will start again.
    pub(crate) fn is_finished(&self) -> bool {
        self.stage == Stage::Finished
    }

    /// The manifest of a static Pod is gone: the Pod ends as one that is deleted does.
    pub(crate) fn end_of_manifest(&mut self, now: Time) {
        let meta = &mut Arc::make_mut(&mut self.pod).metadata;
        meta.deletion_timestamp.get_or_insert(api::meta::Timestamp(now));
    }

    /// Whether the API object is being deleted.
    pub(crate) fn is_deleting(&self) -> bool {
        self.pod.metadata.is_deleting()
    }

    /// Brings the Pod forward. True when its status changed.
    pub(crate) fn run(&mut self, cx: &mut Cx<'_>) -> bool {
        self.take_in(cx);
        self.run_probes(cx);
        self.write_through(cx);
        self.sync(cx);
        self.compute_status(cx)
    }

    /// Writes what changed in the Pod's PersistentVolumes to where they lie.
    fn write_through(&mut self, cx: &mut Cx<'_>) {
        if self.stage != Stage::Containers || self.host_version == cx.host.version() {
            return;
        }
        self.host_version = cx.host.version();
        for volume in crate::volumes::mounted(&self.pod, &self.objects) {
            cx.disks.write_through(&volume, cx.host);
        }
    }

    /// Takes in what the runtime did.
    fn take_in(&mut self, cx: &mut Cx<'_>) {
        for happened in self.sandbox.advance(cx.now, cx.host) {
            match happened {
                Happened::Exited(run) => self.container_exited(run, cx),
                Happened::ExecDone(result) => self.exec_done(result, cx),
            }
        }
        while let Some(found) = self.unseen.iter().position(|unseen| unseen.relist <= cx.now) {
            let run = self.unseen.remove(found).run;
            self.see_end(run);
        }
    }

    /// A container ended. The kubelet knows that of one that it was ending itself, and of others with the next relist.
    fn container_exited(&mut self, run: usize, cx: &mut Cx<'_>) {
        let Some(index) = self.records.iter().position(|record| record.runs.last() == Some(&run)) else { return };
        let name = self.spec(index).name.as_str().into();
        let State::Exited { code, reason, at, .. } = self.sandbox.containers[run].state else { return };
        cx.out.trace(What::ContainerExited { pod: self.object.clone(), container: name, exit_code: code, reason: reason.into() });
        if self.records[index].step == Step::Running {
            // Commands of its probes ended with it.
            self.records[index].probes.iter_mut().for_each(ProbeWorker::command_lost);
            self.unseen.push(Unseen { run, relist: cx.pleg.relist_from(at.max(cx.now)) });
        } else {
            self.see_end(run);
        }
    }

    /// The kubelet learns that a container has ended (`ContainerDied`).
    pub(crate) fn see_end(&mut self, run: usize) {
        self.unseen.retain(|unseen| unseen.run != run);
        let Some(index) = self.records.iter().position(|record| record.runs.last() == Some(&run)) else { return };
        let record = &mut self.records[index];
        record.step = Step::Idle;
        record.post_start = None;
        record.probes.iter_mut().for_each(ProbeWorker::container_ended);
        if let State::Exited { code, .. } = self.sandbox.containers[run].state {
            self.restarting_all |= self.ending.is_none() && restarts_all(self.spec(index), code);
        }
        // Of all its runs a container keeps the files of none and the logs of the last two.
        self.sandbox.forget(run, false);
        if let Some(&old) = self.records[index].runs.iter().rev().nth(1) {
            self.sandbox.forget(old, true);
        }
    }

    /// Whether the kubelet has seen the end of a run that has ended.
    pub(crate) fn has_seen(&self, run: usize) -> bool {
        !self.unseen.iter().any(|unseen| unseen.run == run)
    }

    fn exec_done(&mut self, result: ExecResult, cx: &mut Cx<'_>) {
        if !self.hook_exec_done(&result, cx) && !self.probe_exec_done(&result, cx) {
            self.exec_results.push(result);
        }
    }

    /// How a container looks to its probes.
    pub(crate) fn target(&self, index: usize) -> Target {
        let record = &self.records[index];
        let alive = record.runs.last().filter(|_| record.is_alive());
        let state = match alive {
            Some(&run) => TargetState::Running(self.sandbox.containers[run].started),
            None if self.exit_code(index).is_some() => TargetState::Terminated { restarts: self.should_restart(index) },
            None => TargetState::Waiting,
        };
        Target {
            pod_ended: self.stage == Stage::Finished,
            run: record.runs.last().copied(),
            state,
            started: record.started(),
            deleting: self.is_deleting() || self.ending.is_some(),
        }
    }

    /// Records an event about a container.
    pub(crate) fn event(&self, index: usize, kind: EventType, reason: &str, message: &str, cx: &mut Cx<'_>) {
        let field = match self.records[index].role {
            Role::Init | Role::Sidecar => "initContainers",
            Role::Main => "containers",
            Role::Ephemeral => "ephemeralContainers",
        };
        let regarding = ObjectReference { field_path: format!("spec.{field}{{{}}}", self.spec(index).name), ..self.reference() };
        cx.recorder.event_for(cx.now, regarding, kind, reason, message, cx.out);
    }

    /// Records an event about the Pod.
    pub(crate) fn pod_event(&self, kind: EventType, reason: &str, message: &str, cx: &mut Cx<'_>) {
        cx.recorder.event_for(cx.now, self.reference(), kind, reason, message, cx.out);
    }

    fn reference(&self) -> ObjectReference {
        let meta = &self.pod.metadata;
        ObjectReference {
            kind: "Pod".to_owned(),
            namespace: meta.namespace.clone(),
            name: meta.name.clone(),
            uid: meta.uid.clone(),
            api_version: "v1".to_owned(),
            resource_version: meta.resource_version.to_string(),
            ..ObjectReference::default()
        }
    }

    /// `name_namespace(uid)`, as the kubelet's messages name a Pod (`format.Pod`).
    pub(crate) fn full_name(&self) -> String {
        let meta = &self.pod.metadata;
        format!("{}_{}({})", meta.name, meta.namespace, meta.uid)
    }
}

impl Record {
    fn new(role: Role, container: &Container, now: Time) -> Self {
        let probe = |kind: ProbeType| probe_of(container, kind).map(|probe| ProbeWorker::new(kind, probe, now));
        let probed = matches!(role, Role::Main | Role::Sidecar);
        let probes = ProbeType::ALL.into_iter().filter(|_| probed).filter_map(probe).collect();
        Record {
            role,
            step: Step::Idle,
            waiting: None,
            runs: Vec::new(),
            image: None,
            probes,
            told_back_off: None,
            post_start: None,
            killed: false,
            allocated: container.resources.clone(),
            in_force: ResourceRequirements::default(),
            past_runs: 0,
            started_image: String::new(),
        }
    }

    /// Whether the startup probe has succeeded, or there is none.
    pub(crate) fn started(&self) -> bool {
        self.is_alive()
            && self.post_start.is_none()
            && self.probes.iter().all(|probe| probe.kind != ProbeType::Startup || probe.succeeded())
    }

    /// Whether the container may receive traffic.
    pub(crate) fn ready(&self) -> bool {
        self.started() && self.probes.iter().all(|probe| probe.kind != ProbeType::Readiness || probe.succeeded())
    }

    /// Whether the Pod's other containers wait for it to be started.
    pub(crate) fn holds_up_others(&self) -> bool {
        matches!(self.step, Step::Pulling | Step::Creating(_) | Step::NeedsObjects) || self.post_start.is_some()
    }

    /// Whether a process of it exists.
    pub(crate) fn is_alive(&self) -> bool {
        matches!(self.step, Step::Running | Step::PreStop { .. } | Step::Turn { .. } | Step::Stopping)
    }
}

/// The probe of a container, if it has one.
pub(crate) fn probe_of(container: &Container, kind: ProbeType) -> Option<&api::core::Probe> {
    match kind {
        ProbeType::Startup => container.startup_probe.as_ref(),
        ProbeType::Liveness => container.liveness_probe.as_ref(),
        ProbeType::Readiness => container.readiness_probe.as_ref(),
    }
}

/// The init containers and containers of a Pod, in this order.
fn all_containers(pod: &Pod) -> impl Iterator<Item = &Container> {
    pod.spec.init_containers.iter().chain(&pod.spec.containers)
}

/// An ephemeral container as a container.
fn from_ephemeral(container: &EphemeralContainer) -> Container {
    let container = container.clone();
    Container {
        name: container.name,
        image: container.image,
        image_pull_policy: container.image_pull_policy,
        command: container.command,
        args: container.args,
        working_dir: container.working_dir,
        env: container.env,
        env_from: container.env_from,
        volume_mounts: container.volume_mounts,
        termination_message_path: container.termination_message_path,
        termination_message_policy: container.termination_message_policy,
        stdin: container.stdin,
        stdin_once: container.stdin_once,
        tty: container.tty,
        ..Container::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_go_round_and_skip_those_taken() {
        let mut addresses = Addresses::default();
        assert_eq!((addresses.take(), addresses.take()), (Some(2), Some(3)));
        addresses.give_back(2);
        assert_eq!(addresses.take(), Some(4));
        let rest = std::iter::from_fn(|| addresses.take()).count();
        assert_eq!(rest, 251, "5 to 254, then 2");
    }
}

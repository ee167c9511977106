//! The component: what it learns goes to the cache and the queue; as long as the queue has a Pod, a cycle is run
//! (`pkg/scheduler/scheduler.go`, `eventhandlers.go`).

use crate::cache::Cache;
use crate::config::{Profiles, SchedulerConfig};
use crate::diagnosis::Diagnosis;
use crate::framework::events::node_changed;
use crate::framework::runtime::Scope;
use crate::framework::{ClusterEvent, CycleState, Handle, Nomination, PostFilterResult, Reservations, Status};
use crate::listers::Caches;
use crate::pod_info::{PodInfo, namespace_of};
use crate::queue::{QueuedPod, SchedulingQueue};
use crate::schedule_one::{Algorithm, Failure, refusals};
use api::Resource;
use api::core::{Node, Pod};
use api::http::{Body, Method, PatchType, Request, ResourcePath};
use api::meta::{Timestamp, condition};
use api::status::FieldError;
use client::{
    Component, Delta, EventRecorder, EventType, Informer, Input, Inspection, LeaderElector, ListOptions, ObjectKey, Outbox, RequestId,
};
use serde_json::{Value, json};
use sim::{ObjectRef, Rng, Time, What};
use std::collections::BTreeMap;
use std::sync::Arc;

mod bindings;
#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod tests;

use bindings::Binding;

/// The name by which Pods ask for this scheduler.
pub(crate) const NAME: &str = "default-scheduler";
/// The longest message of an event, in bytes (`truncateMessage`).
const MAX_MESSAGE: usize = 1024;

/// What becomes of the node on which a Pod waits for room (`NominatingInfo`).
#[derive(Debug)]
enum Nominating {
    /// It stays.
    Noop,
    /// The Pod no longer waits anywhere.
    Clear,
    /// Room is made here now.
    To(Nomination),
}

impl Nominating {
    /// What the Pod's status is to say, if that is to change.
    fn node_name(&self) -> Option<&str> {
        match self {
            Nominating::Noop => None,
            Nominating::Clear => Some(""),
            Nominating::To(nomination) => Some(&nomination.node),
        }
    }
}

/// The component kube-scheduler.
#[derive(Debug)]
pub struct Scheduler {
    pods: Informer<Pod>,
    nodes: Informer<Node>,
    caches: Caches,
    /// How often something in `caches` changed.
    others_generation: u64,
    cache: Cache,
    queue: SchedulingQueue,
    profiles: Profiles,
    algorithm: Algorithm,
    recorder: EventRecorder,
    /// Pods on their way to a node, and what they are waiting for.
    bindings: BTreeMap<ObjectKey, Binding>,
    requests: BTreeMap<RequestId, ObjectKey>,
    reservations: Reservations,
    elector: Option<LeaderElector>,
    agent: Arc<str>,
}

impl Scheduler {
    /// A scheduler with the default configuration that knows nothing yet. Its first input makes it ask the API server. Equally good nodes
    /// are told apart by `rng`.
    pub fn new(rng: Rng) -> Self {
        Scheduler::with_profiles(Profiles::default(), &SchedulerConfig::default(), rng)
    }

    /// A scheduler with this configuration.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    pub fn configured(config: &SchedulerConfig, rng: Rng) -> Result<Self, Vec<FieldError>> {
        Ok(Scheduler::with_profiles(Profiles::new(config)?, config, rng))
    }

    fn with_profiles(profiles: Profiles, config: &SchedulerConfig, rng: Rng) -> Self {
        let agent: Arc<str> = "kube-scheduler".into();
        let running = ListOptions { field_selector: "status.phase!=Succeeded,status.phase!=Failed".to_owned(), ..ListOptions::default() };
        let stream = |name: &str| rng.stream(name);
        let elector = config.leader_election.clone().map(|lease| LeaderElector::new(lease, agent.clone(), stream("leader-election")));
        Scheduler {
            pods: Informer::new(running, agent.clone(), stream("pods")),
            nodes: Informer::new(ListOptions::default(), agent.clone(), stream("nodes")),
            caches: Caches::new(&agent, &rng),
            others_generation: 0,
            cache: Cache::default(),
            queue: SchedulingQueue::default(),
            profiles,
            algorithm: Algorithm::new(stream("ties"), config.percentage_of_nodes_to_score),
            recorder: EventRecorder::new(NAME, "", agent.clone(), None),
            bindings: BTreeMap::new(),
            requests: BTreeMap::new(),
            reservations: Reservations::new(),
            elector,
            agent,
        }
    }

    fn has_synced(&self) -> bool {
        self.pods.has_synced() && self.nodes.has_synced() && self.caches.has_synced()
    }

    /// Whether it is the one of several replicas that works.
    fn leads(&self) -> bool {
        self.elector.as_ref().is_none_or(LeaderElector::is_leader)
    }

    /// Passes the input to the informers, and what changed to the cache and the queue.
    fn learn(&mut self, now: Time, input: &Input, out: &mut Outbox) {
        for delta in self.nodes.handle(now, input, out).into_iter().flatten() {
            self.node_changed(now, &delta);
        }
        for delta in self.pods.handle(now, input, out).into_iter().flatten() {
            self.pod_changed(now, &delta);
        }
        let changed = self.caches.handle(now, input, out);
        self.others_generation += u64::from(changed.any);
        for (happened, event) in [
            (changed.namespaces, ClusterEvent::NamespaceChange),
            (changed.claims, ClusterEvent::ClaimChange),
            (changed.volumes, ClusterEvent::VolumeChange),
            (changed.storage_classes, ClusterEvent::StorageClassChange),
            (changed.csi_nodes, ClusterEvent::CsiNodeChange),
        ] {
            if happened {
                self.queue.happened(now, &event, &self.profiles);
            }
        }
    }

    fn node_changed(&mut self, now: Time, delta: &Delta<Node>) {
        match delta {
            Delta::Added(node) => {
                self.cache.set_node(node.clone());
                self.queue.happened(now, &ClusterEvent::NodeAdd(node), &self.profiles);
            }
            Delta::Updated(old, node) => {
                self.cache.set_node(node.clone());
                if node_changed(old, node) {
                    self.queue.happened(now, &ClusterEvent::NodeUpdate(node), &self.profiles);
                }
            }
            Delta::Deleted(node, _) => {
                self.cache.remove_node(&node.metadata.name);
                self.queue.happened(now, &ClusterEvent::NodeDelete, &self.profiles);
            }
        }
    }

    fn pod_changed(&mut self, now: Time, delta: &Delta<Pod>) {
        match delta {
            Delta::Added(pod) => self.pod_is(now, None, pod),
            Delta::Updated(old, pod) => self.pod_is(now, Some(old), pod),
            Delta::Deleted(pod, _) => self.pod_gone(now, pod),
        }
    }

    /// A Pod is there, new or changed.
    fn pod_is(&mut self, now: Time, old: Option<&Arc<Pod>>, pod: &Arc<Pod>) {
        let known = self.cache.pod(&ObjectKey::new(namespace_of(pod), pod.metadata.name.as_str()));
        let info = Arc::new(known.map_or_else(|| PodInfo::new(pod.clone()), |(known, _)| known.renewed(pod)));
        let assumed = known.is_some_and(|(_, assumed)| assumed);
        if !pod.spec.node_name.is_empty() {
            let before = known.filter(|_| !assumed).map(|(known, _)| known.clone());
            self.queue.delete(&info.key);
            self.cache.set_pod(info.clone());
            let event = match &before {
                Some(before) => ClusterEvent::AssignedPodUpdate(before, &info),
                None => ClusterEvent::AssignedPodAdd(&info),
            };
            self.queue.happened(now, &event, &self.profiles);
        } else if self.profiles.knows(pod) && !assumed {
            match old {
                Some(old) => self.queue.update(now, &PodInfo::new(old.clone()), info, &self.profiles),
                None => self.queue.add(now, info, &self.profiles),
            }
        }
    }

    fn pod_gone(&mut self, now: Time, pod: &Arc<Pod>) {
        let key = ObjectKey::new(namespace_of(pod), pod.metadata.name.as_str());
        self.queue.delete(&key);
        if let Some(info) = self.cache.remove_pod(&key) {
            self.queue.happened(now, &ClusterEvent::AssignedPodDelete(&info), &self.profiles);
        }
    }

    /// Runs cycles until no Pod is left to try.
    fn work(&mut self, now: Time, out: &mut Outbox) {
        while let Some(queued) = self.queue.pop(now) {
            if queued.info.pod.metadata.is_deleting() {
                let message = format!("skip schedule deleting pod: {}", queued.info.key);
                self.recorder.event(now, queued.info.pod.as_ref(), EventType::Warning, "FailedScheduling", &message, out);
                continue;
            }
            self.schedule_one(now, queued, out);
        }
    }

    /// One cycle (`ScheduleOne`).
    fn schedule_one(&mut self, now: Time, queued: QueuedPod, out: &mut Outbox) {
        let handle = Handle {
            nodes: self.cache.snapshot(),
            listers: self.caches.listers(),
            nominator: &self.queue.nominator,
            reservations: &self.reservations,
        };
        let framework = self.profiles.of(&queued.info);
        let mut state = CycleState::default();
        let decision = self.algorithm.schedule_pod(framework, &mut state, &queued.info, self.others_generation, &handle);
        let reserved = decision.and_then(|decision| {
            let node = handle.nodes.get(&decision.node).ok_or(Failure::NoNodes)?;
            match framework.run_reserve(&state, &queued.info, node, &handle) {
                Ok(reserved) => Ok((decision, reserved)),
                Err(status) if status.is_rejected() => Err(unfit(&decision.node, status, handle.nodes.len())),
                Err(status) => Err(Failure::Error(status)),
            }
        });
        match reserved {
            Ok((mut decision, reserved)) => {
                let scope = std::mem::replace(&mut decision.scope, Scope::AllNodes);
                self.algorithm.remember(queued.info.clone(), state, scope, self.others_generation, &handle);
                self.assume(now, queued, decision, reserved, out);
            }
            Err(Failure::NoNodes) => {
                let nodes = Arc::from([]);
                self.unschedulable(now, queued, "no nodes available to schedule pods", nodes, Nominating::Clear, out);
            }
            Err(Failure::Unfit(mut diagnosis)) => {
                let result = framework.run_post_filter(&state, &queued.info, &diagnosis.statuses, &handle);
                let nominating = match result {
                    PostFilterResult::Nominated(nomination) => Nominating::To(nomination),
                    PostFilterResult::Refused(status, void) => {
                        diagnosis.post_filter_message = status.message();
                        if void { Nominating::Clear } else { Nominating::Noop }
                    }
                };
                let queued = queued.refused(std::mem::take(&mut diagnosis.plugins));
                self.unschedulable(now, queued, &diagnosis.message(), refusals(&diagnosis), nominating, out);
            }
            Err(Failure::Error(status)) => self.failed(now, queued, &status.message(), out),
        }
    }

    /// The Pod fits no node; perhaps room is made for it.
    fn unschedulable(
        &mut self,
        now: Time,
        queued: QueuedPod,
        message: &str,
        nodes: Arc<[sim::NodeVerdict]>,
        nominating: Nominating,
        out: &mut Outbox,
    ) {
        let info = queued.info.clone();
        out.trace(What::Scheduled { pod: object(&info), node: None, nodes, message: message.into() });
        self.report(now, &info, "Unschedulable", message, nominating.node_name(), out);
        match nominating {
            Nominating::Noop => {}
            Nominating::Clear => self.queue.nominator.remove(&info.key),
            Nominating::To(nomination) => {
                self.preempt(now, &info, &nomination, out);
                self.queue.nominator.nominate(info, &nomination.node);
            }
        }
        self.queue.add_unschedulable(now, queued, false, &self.profiles);
    }

    /// Something went wrong that is not the Pod's fault.
    fn failed(&mut self, now: Time, queued: QueuedPod, message: &str, out: &mut Outbox) {
        let current = self.pods.lister().get(&queued.info.key).cloned();
        let Some(current) = current.filter(|current| current.spec.node_name.is_empty()) else { return };
        let info = Arc::new(PodInfo::new(current));
        self.report(now, &info, "SchedulerError", message, None, out);
        self.queue.add_unschedulable(now, queued.with(info), true, &self.profiles);
    }

    /// Tells by an event and the condition `PodScheduled` why a Pod has no node (`handleSchedulingFailure`). With `nominated`, the
    /// status says on which node the Pod waits for room; nowhere if it is empty.
    fn report(&mut self, now: Time, info: &PodInfo, reason: &str, message: &str, nominated: Option<&str>, out: &mut Outbox) {
        self.recorder.event(now, info.pod.as_ref(), EventType::Warning, "FailedScheduling", truncated(message), out);
        let known = condition(&info.pod.status.conditions, "PodScheduled");
        let same = known.is_some_and(|known| known.status == "False" && known.reason == reason && known.message == message);
        let nominated = nominated.filter(|node| *node != info.pod.status.nominated_node_name);
        if same && nominated.is_none() {
            return;
        }
        let changed = known.filter(|known| known.status == "False").and_then(|known| known.last_transition_time);
        let since = changed.unwrap_or_else(|| Timestamp::from(now));
        let generation = info.pod.metadata.generation;
        let mut status = json!({"conditions": [{
            "type": "PodScheduled", "status": "False", "reason": reason, "message": message,
            "lastProbeTime": null, "lastTransitionTime": since.to_string(), "observedGeneration": generation,
        }]});
        if let Some(node) = nominated {
            status["nominatedNodeName"] = if node.is_empty() { Value::Null } else { json!(node) };
        }
        out.request(self.patch_status(&info.pod, &status));
    }

    fn patch_status(&self, pod: &Pod, status: &Value) -> Request {
        let path = ResourcePath::object(Pod::INFO, namespace_of(pod), &pod.metadata.name).with_subresource("status");
        let change = json!({"metadata": {"uid": pod.metadata.uid}, "status": status});
        Request::new(Method::Patch, path).body(Body::Patch(PatchType::StrategicMerge, change)).agent(&self.agent)
    }

    /// Asks the victims to go, and Pods of lower priority that wait for room there to look elsewhere (`prepareCandidate`).
    fn preempt(&mut self, now: Time, preemptor: &PodInfo, nomination: &Nomination, out: &mut Outbox) {
        let lower = |other: &&Arc<PodInfo>| other.priority() < preemptor.priority();
        let outdone: Vec<Arc<PodInfo>> = self.queue.nominator.on(&nomination.node).filter(lower).cloned().collect();
        for other in outdone {
            self.queue.nominator.remove(&other.key);
            out.request(self.patch_status(&other.pod, &json!({"nominatedNodeName": null})));
        }
        // Those that are going already need not be asked.
        for victim in nomination.victims.iter().filter(|victim| !victim.pod.metadata.is_deleting()) {
            let message = format!("{NAME}: preempting to accommodate a higher priority pod");
            let status = json!({"conditions": [{
                "type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler", "message": message,
                "lastTransitionTime": Timestamp::from(now).to_string(), "observedGeneration": victim.pod.metadata.generation,
            }]});
            out.request(self.patch_status(&victim.pod, &status));
            let path = ResourcePath::object(Pod::INFO, namespace_of(&victim.pod), &victim.pod.metadata.name);
            out.request(Request::new(Method::Delete, path).agent(&self.agent));
            let note = format!("Preempted by pod {} on node {}", preemptor.pod.metadata.uid, nomination.node);
            self.recorder.event(now, victim.pod.as_ref(), EventType::Normal, "Preempted", &note, out);
        }
    }
}

fn object(info: &PodInfo) -> ObjectRef {
    ObjectRef::new("Pod", namespace_of(&info.pod), info.pod.metadata.name.as_str())
}

/// The message, cut where an event has no more room.
fn truncated(message: &str) -> &str {
    if message.len() <= MAX_MESSAGE {
        return message;
    }
    let end = (0..=MAX_MESSAGE).rev().find(|&end| message.is_char_boundary(end)).unwrap_or(0);
    &message[..end]
}

/// A plugin that could not keep what the Pod needs on the node that was chosen.
fn unfit(node: &Arc<str>, status: Status, nodes: usize) -> Failure {
    let mut diagnosis = Diagnosis { nodes, ..Diagnosis::default() };
    diagnosis.plugins.insert(status.plugin);
    diagnosis.statuses.insert(node.clone(), status);
    Failure::Unfit(Box::new(diagnosis))
}

impl Component for Scheduler {
    fn handle(&mut self, now: Time, input: Input, out: &mut Outbox) {
        self.pods.start(now, out);
        self.nodes.start(now, out);
        self.caches.start(now, out);
        if let Some(elector) = &mut self.elector {
            elector.handle(now, &input, out);
        }
        self.learn(now, &input, out);
        if !self.recorder.handle(now, &input, out)
            && let Input::Response(id, answer) = &input
        {
            self.answered(now, *id, answer, out);
        }
        if self.has_synced() && self.leads() {
            self.go_on(now, out);
            self.work(now, out);
        }
    }

    fn next_wake(&self) -> Option<Time> {
        let elector = self.elector.as_ref().and_then(LeaderElector::next_wake);
        let parts = [self.pods.next_wake(), self.nodes.next_wake(), self.caches.next_wake(), elector, self.volumes_due()];
        parts.into_iter().chain([self.queue.next_wake()]).flatten().min()
    }

    fn inspect(&self) -> Inspection {
        let mut informers = vec![self.pods.status(), self.nodes.status()];
        informers.extend(self.caches.statuses());
        Inspection { informers, queues: self.queue.statuses() }
    }
}

//! The component: what it learns goes to the cache and the queue; as long as the queue has a Pod, a cycle is run
//! (`pkg/scheduler/scheduler.go`, `eventhandlers.go`).

use crate::cache::Cache;
use crate::framework::events::node_changed;
use crate::framework::runtime::Framework;
use crate::framework::{ClusterEvent, CycleState, Handle, Nomination, PostFilterResult};
use crate::listers::Listers;
use crate::pod_info::{PodInfo, namespace_of};
use crate::queue::{QueuedPod, SchedulingQueue};
use crate::registry::default_profile;
use crate::schedule_one::{Algorithm, Decision, Failure, refusals};
use api::Resource;
use api::apps::ReplicaSet;
use api::core::{Namespace, Node, Pod, Service};
use api::http::{Body, Method, PatchType, Request, ResourcePath};
use api::meta::{Timestamp, condition};
use client::{Component, Delta, EventRecorder, EventType, Informer, Input, ListOptions, ObjectKey, Outbox, RequestId};
use serde_json::{Value, json};
use sim::{ObjectRef, Rng, Time, What};
use std::collections::BTreeMap;
use std::sync::Arc;

#[cfg(test)]
mod tests;

/// The name by which Pods ask for this scheduler.
const NAME: &str = "default-scheduler";
/// The longest message of an event, in bytes (`truncateMessage`).
const MAX_MESSAGE: usize = 1024;

/// A binding under way.
#[derive(Debug)]
struct Binding {
    queued: QueuedPod,
    node: Arc<str>,
}

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
    namespaces: Informer<Namespace>,
    services: Informer<Service>,
    replica_sets: Informer<ReplicaSet>,
    cache: Cache,
    queue: SchedulingQueue,
    framework: Framework,
    algorithm: Algorithm,
    recorder: EventRecorder,
    bindings: BTreeMap<RequestId, Binding>,
    agent: Arc<str>,
}

impl Scheduler {
    /// A scheduler that knows nothing yet. Its first input makes it ask the API server. Equally good nodes are told apart by `rng`.
    pub fn new(rng: Rng) -> Self {
        let agent: Arc<str> = "kube-scheduler".into();
        let running = ListOptions { field_selector: "status.phase!=Succeeded,status.phase!=Failed".to_owned(), ..ListOptions::default() };
        let all = ListOptions::default;
        let stream = |name: &str| rng.stream(name);
        Scheduler {
            pods: Informer::new(running, agent.clone(), stream("pods")),
            nodes: Informer::new(all(), agent.clone(), stream("nodes")),
            namespaces: Informer::new(all(), agent.clone(), stream("namespaces")),
            services: Informer::new(all(), agent.clone(), stream("services")),
            replica_sets: Informer::new(all(), agent.clone(), stream("replicasets")),
            cache: Cache::default(),
            queue: SchedulingQueue::default(),
            framework: default_profile(),
            algorithm: Algorithm::new(stream("ties")),
            recorder: EventRecorder::new(NAME, "", agent.clone(), None),
            bindings: BTreeMap::new(),
            agent,
        }
    }

    fn has_synced(&self) -> bool {
        let others = self.namespaces.has_synced() && self.services.has_synced() && self.replica_sets.has_synced();
        self.pods.has_synced() && self.nodes.has_synced() && others
    }

    /// Passes the input to the informers, and what changed to the cache and the queue.
    fn learn(&mut self, now: Time, input: &Input, out: &mut Outbox) {
        for delta in self.nodes.handle(now, input, out).into_iter().flatten() {
            self.node_changed(now, &delta);
        }
        for delta in self.pods.handle(now, input, out).into_iter().flatten() {
            self.pod_changed(now, &delta);
        }
        if self.namespaces.handle(now, input, out).is_some_and(|deltas| !deltas.is_empty()) {
            self.queue.happened(now, &ClusterEvent::NamespaceChange, &self.framework);
        }
        // Nobody waits for these: they only bear on scores.
        self.services.handle(now, input, out);
        self.replica_sets.handle(now, input, out);
    }

    fn node_changed(&mut self, now: Time, delta: &Delta<Node>) {
        match delta {
            Delta::Added(node) => {
                self.cache.set_node(node.clone());
                self.queue.happened(now, &ClusterEvent::NodeAdd(node), &self.framework);
            }
            Delta::Updated(old, node) => {
                self.cache.set_node(node.clone());
                if node_changed(old, node) {
                    self.queue.happened(now, &ClusterEvent::NodeUpdate(node), &self.framework);
                }
            }
            Delta::Deleted(node, _) => {
                self.cache.remove_node(&node.metadata.name);
                self.queue.happened(now, &ClusterEvent::NodeDelete, &self.framework);
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
        let info = Arc::new(PodInfo::new(pod.clone()));
        if !pod.spec.node_name.is_empty() {
            let before = self.cache.pod(&info.key).filter(|_| !self.cache.is_assumed(&info.key)).cloned();
            self.queue.delete(&info.key);
            self.cache.set_pod(info.clone());
            let event = match &before {
                Some(before) => ClusterEvent::AssignedPodUpdate(before, &info),
                None => ClusterEvent::AssignedPodAdd(&info),
            };
            self.queue.happened(now, &event, &self.framework);
        } else if pod.spec.scheduler_name == NAME && !self.cache.is_assumed(&info.key) {
            match old {
                Some(old) => self.queue.update(now, &PodInfo::new(old.clone()), info, &self.framework),
                None => self.queue.add(now, info, &self.framework),
            }
        }
    }

    fn pod_gone(&mut self, now: Time, pod: &Arc<Pod>) {
        let key = ObjectKey::new(namespace_of(pod), pod.metadata.name.as_str());
        self.queue.delete(&key);
        if let Some(info) = self.cache.remove_pod(&key) {
            self.queue.happened(now, &ClusterEvent::AssignedPodDelete(&info), &self.framework);
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
        let listers =
            Listers { namespaces: self.namespaces.lister(), services: self.services.lister(), replica_sets: self.replica_sets.lister() };
        let handle = Handle { nodes: self.cache.snapshot(), listers, nominator: &self.queue.nominator };
        let mut state = CycleState::default();
        match self.algorithm.schedule_pod(&self.framework, &mut state, &queued.info, &handle) {
            Ok(decision) => self.bind(queued, decision, out),
            Err(Failure::NoNodes) => {
                let nodes = Arc::from([]);
                self.unschedulable(now, queued, "no nodes available to schedule pods", nodes, Nominating::Clear, out);
            }
            Err(Failure::Unfit(mut diagnosis)) => {
                let result = self.framework.run_post_filter(&state, &queued.info, &diagnosis.statuses, &handle);
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

    /// Counts the Pod on its node, and asks for the binding.
    fn bind(&mut self, queued: QueuedPod, decision: Decision, out: &mut Outbox) {
        let Decision { node, verdicts } = decision;
        let Some(request) = self.framework.run_bind(&queued.info, &node) else { return };
        out.trace(What::Scheduled { pod: object(&queued.info), node: Some(node.clone()), nodes: verdicts, message: "".into() });
        self.cache.assume(queued.info.clone(), &node);
        self.queue.nominator.remove(&queued.info.key);
        let id = out.request(request.agent(&self.agent));
        self.bindings.insert(id, Binding { queued, node });
    }

    /// The binding was answered.
    fn bound(&mut self, now: Time, binding: Binding, failure: Option<String>, out: &mut Outbox) {
        let Binding { queued, node } = binding;
        let pod = queued.info.pod.clone();
        let Some(failure) = failure else {
            let message = format!("Successfully assigned {} to {node}", queued.info.key);
            self.recorder.event(now, pod.as_ref(), EventType::Normal, "Scheduled", &message, out);
            return;
        };
        if self.cache.forget(&queued.info.key) {
            self.queue.happened(now, &ClusterEvent::AssignedPodDelete(&queued.info), &self.framework);
        }
        self.failed(now, queued, &format!("binding rejected: running Bind plugin \"DefaultBinder\": {failure}"), out);
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
        self.queue.add_unschedulable(now, queued, false, &self.framework);
    }

    /// Something went wrong that is not the Pod's fault.
    fn failed(&mut self, now: Time, queued: QueuedPod, message: &str, out: &mut Outbox) {
        let current = self.pods.lister().get(&queued.info.key).cloned();
        let Some(current) = current.filter(|current| current.spec.node_name.is_empty()) else { return };
        let info = Arc::new(PodInfo::new(current));
        self.report(now, &info, "SchedulerError", message, None, out);
        self.queue.add_unschedulable(now, queued.with(info), true, &self.framework);
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
                "lastTransitionTime": Timestamp::from(now).to_string(),
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

impl Component for Scheduler {
    fn handle(&mut self, now: Time, input: Input, out: &mut Outbox) {
        self.pods.start(now, out);
        self.nodes.start(now, out);
        self.namespaces.start(now, out);
        self.services.start(now, out);
        self.replica_sets.start(now, out);
        self.learn(now, &input, out);
        if !self.recorder.handle(now, &input, out)
            && let Input::Response(id, answer) = &input
            && let Some(binding) = self.bindings.remove(id)
        {
            let failure = match answer {
                Ok(response) => response.result.as_ref().err().map(|status| status.message.clone()),
                Err(transport) => Some(transport.to_string()),
            };
            self.bound(now, binding, failure, out);
        }
        if self.has_synced() {
            self.work(now, out);
        }
    }

    fn next_wake(&self) -> Option<Time> {
        let informers = [
            self.pods.next_wake(),
            self.nodes.next_wake(),
            self.namespaces.next_wake(),
            self.services.next_wake(),
            self.replica_sets.next_wake(),
        ];
        informers.into_iter().chain([self.queue.next_wake()]).flatten().min()
    }
}

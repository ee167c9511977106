//! The DaemonSet controller: a Pod on every node that suits it (`pkg/controller/daemon/daemon_controller.go`).
//!
//! What to do is decided in [`control`]. A Pod is pinned to its node by an affinity on `metadata.name`; the scheduler binds it. A Pod that
//! fails is replaced with back-off, so that the controller and a kubelet that refuses it do not run in circles.

pub(crate) mod control;

use crate::backoff::Backoff;
use crate::caches::{BY_CONTROLLER, Caches, orphans_of};
use crate::claims;
use crate::driver::{Answer, Call, Conclusion, Controller, Plan, Sink, succeeded_or_gone};
use crate::history::{self, HASH, Outcome, POD_REVISION, revision_of};
use crate::pod_control::{PodControl, PodWrite};
use crate::pods;
use api::Resource;
use api::apps::{ControllerRevision, DaemonSet};
use api::core::{Node, Pod};
use api::labels::Selector;
use client::{EventType, ObjectKey};
use control::{Decision, View, add_tolerations, by_node, pin, target_node};
use sim::Time;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// At most so many Pods are created or deleted at once (`BurstReplicas`).
const BURST_REPLICAS: usize = 250;
/// The label with the number of the template.
const TEMPLATE_GENERATION_LABEL: &str = "pod-template-generation";
const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

/// What a write is for.
#[derive(Clone, Debug)]
pub(crate) enum Note {
    /// Whether the set still exists.
    Recheck(Arc<DaemonSet>),
    /// A Pod or version changes hands.
    Claim,
    Pod(PodWrite<DaemonSet>),
    /// Anything without an event.
    Quiet,
}

impl From<PodWrite<DaemonSet>> for Note {
    fn from(write: PodWrite<DaemonSet>) -> Self {
        Note::Pod(write)
    }
}

/// Keeps a Pod on every node that suits it.
#[derive(Debug)]
pub(crate) struct DaemonSetController {
    pub(crate) pod_control: PodControl,
    /// Of Pods that failed, by set and node.
    failed: Backoff<(String, String)>,
}

impl Default for DaemonSetController {
    fn default() -> Self {
        let failed = Backoff::new(Duration::from_secs(1), Duration::from_secs(15 * 60));
        DaemonSetController { pod_control: PodControl::default(), failed }
    }
}

fn hash_of(version: &ControllerRevision) -> &str {
    version.metadata.labels.get(POD_REVISION).map_or("", String::as_str)
}

fn versions(caches: &Caches, set: &DaemonSet) -> Vec<Arc<ControllerRevision>> {
    history::sorted(caches.revisions.lister().by_index(BY_CONTROLLER, &set.metadata.uid))
}

fn pods_of<'c>(caches: &'c Caches, set: &DaemonSet) -> impl Iterator<Item = &'c Arc<Pod>> {
    caches.pods.lister().by_index(BY_CONTROLLER, &set.metadata.uid)
}

/// The calls that adopt and release Pods and versions.
fn claim(caches: &Caches, set: &Arc<DaemonSet>) -> Option<Plan<Note>> {
    let selector = Selector::from_label_selector(Some(&set.spec.selector)).ok()?;
    let nobodys = orphans_of(&set.metadata.namespace);
    let found = claims::claims(&selector, pods_of(caches, set), caches.pods.lister().by_index(BY_CONTROLLER, &nobodys));
    let plan = Plan::claiming(set, &found, Note::Recheck(set.clone()), &Note::Claim);
    plan.or_else(|| {
        let orphans = caches.revisions.lister().by_index(BY_CONTROLLER, &nobodys);
        let found = claims::claims(&selector, std::iter::empty(), orphans);
        Plan::claiming(set, &found, Note::Recheck(set.clone()), &Note::Claim)
    })
}

/// The Pod of the present version for a node.
fn new_pod(set: &DaemonSet, hash: &str, node: &str) -> Pod {
    let mut pod = pods::from_template(set, &set.spec.template);
    let generation = set.metadata.annotations.get(TEMPLATE_GENERATION).cloned().unwrap_or_default();
    pod.metadata.labels.insert(TEMPLATE_GENERATION_LABEL.to_owned(), generation);
    pod.metadata.labels.insert(POD_REVISION.to_owned(), hash.to_owned());
    add_tolerations(&mut pod.spec);
    pin(&mut pod.spec, node);
    pod
}

/// Under which a Pod that failed is remembered (`failedPodsBackoffKey`).
fn backoff_key(key: &ObjectKey, pod: &Pod) -> (String, String) {
    (key.to_string(), target_node(pod).unwrap_or_default().to_owned())
}

fn nodes(caches: &Caches) -> Vec<Arc<Node>> {
    caches.nodes.lister().list().cloned().collect()
}

impl DaemonSetController {
    /// What there is to do about Pods (`updateDaemonSet`): nodes that lack one or have too many come first, then the rolling update.
    fn decide(&mut self, now: Time, key: &ObjectKey, set: &DaemonSet, view: &View<'_>, sink: &mut Sink<'_>) -> Decision {
        let failed = &mut self.failed;
        let decision = view.manage(now, |pod| {
            let place = backoff_key(key, pod);
            let may = failed.remaining(now, &place).is_none();
            if may {
                failed.next(now, place);
            }
            may
        });
        for pod in &decision.ended {
            let (kind, reason, state, verb) = match pod.status.phase.as_str() {
                "Failed" => (EventType::Warning, "FailedDaemonPod", "failed", "kill"),
                _ => (EventType::Normal, "SucceededDaemonPod", "succeeded", "delete"),
            };
            let (namespace, name) = (&pod.metadata.namespace, &pod.metadata.name);
            let node = target_node(pod).unwrap_or_default();
            let message = format!("Found {state} daemon pod {namespace}/{name} on node {node}, will try to {verb} it");
            sink.event(set, kind, reason, &message);
        }
        let settled = decision.create.is_empty() && decision.delete.is_empty();
        if settled && set.spec.update_strategy.type_ == "RollingUpdate" { view.rolling_update(now) } else { decision }
    }

    /// Puts a decision into calls (`syncNodes`).
    fn plan(&mut self, now: Time, set: &Arc<DaemonSet>, hash: &str, decision: Decision) -> Plan<Note> {
        let mut plan = Plan::default();
        let (mut create, mut delete) = (decision.create, decision.delete);
        create.truncate(BURST_REPLICAS);
        delete.truncate(BURST_REPLICAS);
        if create.is_empty() && delete.is_empty() {
            return plan;
        }
        plan.decision = Some((set.object_ref(), format!("create {} and delete {} Pods", create.len(), delete.len())));
        plan.phases.extend(self.pod_control.create(now, set, create.iter().map(|node| new_pod(set, hash, node).into())));
        plan.phases.extend(self.pod_control.delete(now, set, &delete));
        plan
    }
}

impl Controller for DaemonSetController {
    type Note = Note;
    const READS_OWN_WRITES: bool = true;

    /// Models `syncDaemonSet`.
    fn reconcile(&mut self, now: Time, caches: &Caches, key: &ObjectKey, sink: &mut Sink<'_>) -> Plan<Note> {
        let mut plan = Plan { leaves_status: true, ..Plan::default() };
        let Some(set) = caches.daemon_sets.lister().get(key) else {
            self.pod_control.expectations.delete(key);
            return plan;
        };
        if set.metadata.is_deleting() {
            return plan;
        }
        if let Some(claiming) = claim(caches, set) {
            return claiming;
        }
        let versions = versions(caches, set);
        let current = match history::current(set.as_ref(), &set.spec.template, &versions, &[POD_REVISION, HASH]) {
            Outcome::Settled(current) => current,
            Outcome::Write(request, said) => {
                plan.decision = Some((set.object_ref(), said));
                plan.phases.push_back(vec![Call { request: *request, note: Note::Quiet }]);
                return plan;
            }
        };
        if !self.pod_control.expectations.satisfied(now, key) {
            return Plan::default();
        }
        let (hash, nodes) = (hash_of(&current), nodes(caches));
        let view = View { set, nodes: &nodes, pods: by_node(pods_of(caches, set).cloned()), hash };
        let decision = self.decide(now, key, set, &view, sink);
        let mut plan = self.plan(now, set, hash, decision);
        if plan.phases.is_empty() {
            let used: BTreeSet<&str> = pods_of(caches, set).map(|pod| revision_of(&pod.metadata.labels)).collect();
            let mut live: BTreeSet<String> =
                versions.iter().filter(|version| used.contains(hash_of(version))).map(|version| version.metadata.name.clone()).collect();
            live.insert(current.metadata.name.clone());
            let gone = history::truncate(&versions, &live, set.spec.revision_history_limit.unwrap_or(10));
            plan.phases.extend((!gone.is_empty()).then(|| gone.into_iter().map(|request| Call { request, note: Note::Quiet }).collect()));
        }
        plan
    }

    fn answered(&mut self, key: &ObjectKey, note: &Note, answer: Answer, sink: &mut Sink<'_>) -> Result<(), String> {
        match (note, answer) {
            (Note::Recheck(set), answer) => claims::may_adopt(set.as_ref(), answer),
            (Note::Claim, answer) => claims::claimed(answer),
            (Note::Pod(write), answer) => self.pod_control.answered(key, write, answer, sink),
            (Note::Quiet, Err(refusal)) if refusal.message.ends_with("already exists") => Ok(()),
            (Note::Quiet, answer) => succeeded_or_gone(answer),
        }
    }

    fn skipped(&mut self, key: &ObjectKey, note: &Note) {
        if let Note::Pod(write) = note {
            self.pod_control.skipped(key, write);
        }
    }

    /// Models `updateDaemonSetStatus`, and looks again when the next Pod may have become available or may be replaced.
    fn conclude(&mut self, now: Time, caches: &Caches, key: &ObjectKey, _failure: Option<&str>) -> Conclusion<Note> {
        let Some(set) = caches.daemon_sets.lister().get(key) else { return (None, None) };
        let versions = versions(caches, set);
        let Outcome::Settled(current) = history::current(set.as_ref(), &set.spec.template, &versions, &[POD_REVISION, HASH]) else {
            return (None, None);
        };
        let nodes = nodes(caches);
        let view = View { set, nodes: &nodes, pods: by_node(pods_of(caches, set).cloned()), hash: hash_of(&current) };
        let min_ready = set.spec.min_ready_seconds.unwrap_or(0);
        let available = pods_of(caches, set).filter_map(|pod| pods::remaining_until_available(pod, min_ready, now));
        let failed = pods_of(caches, set).filter(|pod| pod.status.phase == "Failed" && !pod.metadata.is_deleting());
        let replaceable = failed.filter_map(|pod| self.failed.remaining(now, &backoff_key(key, pod)));
        let again = available.chain(replaceable).min();
        let status = view.status(now);
        if status == set.status {
            return (None, again);
        }
        (Some(Call::update_status(DaemonSet { status, ..DaemonSet::clone(set) }, Note::Quiet)), again)
    }
}

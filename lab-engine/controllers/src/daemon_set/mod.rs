//! The DaemonSet controller: a Pod on every node that suits it (`pkg/controller/daemon/daemon_controller.go`).
//!
//! What to do is decided in [`control`]. A Pod is pinned to its node by an affinity on `metadata.name`; the scheduler binds it. A Pod that
//! fails is replaced with back-off, so that the controller and a kubelet that refuses it do not run in circles.

pub(crate) mod control;

use crate::backoff::Backoff;
use crate::caches::{BY_CONTROLLER, Caches, orphans_of};
use crate::claims;
use crate::driver::{Call, Controller, Plan, Refusal, Sink};
use crate::history::{self, HASH, Outcome, POD_REVISION, revision_of};
use crate::pods;
use crate::replica_set::slow_start;
use api::apps::{ControllerRevision, DaemonSet};
use api::core::{Node, Pod};
use api::http::{Body, Method, Request, ResourcePath};
use api::labels::Selector;
use api::{Object, Resource};
use client::{EventType, Expectations, ObjectKey};
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
    Create(Arc<DaemonSet>),
    Delete(Arc<DaemonSet>, Arc<Pod>),
    /// Anything without an event.
    Quiet,
}

/// Keeps a Pod on every node that suits it.
#[derive(Debug)]
pub(crate) struct DaemonSetController {
    pub(crate) expectations: Expectations,
    /// Of Pods that failed, by set and node.
    failed: Backoff<(String, String)>,
}

impl Default for DaemonSetController {
    fn default() -> Self {
        let failed = Backoff::new(Duration::from_secs(1), Duration::from_secs(15 * 60));
        DaemonSetController { expectations: Expectations::default(), failed }
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
fn create_call(set: &Arc<DaemonSet>, hash: &str, node: &str) -> Call<Note> {
    let mut pod = pods::from_template(set.as_ref(), &set.spec.template);
    let generation = set.metadata.annotations.get(TEMPLATE_GENERATION).cloned().unwrap_or_default();
    pod.metadata.labels.insert(TEMPLATE_GENERATION_LABEL.to_owned(), generation);
    pod.metadata.labels.insert(POD_REVISION.to_owned(), hash.to_owned());
    add_tolerations(&mut pod.spec);
    pin(&mut pod.spec, node);
    let path = ResourcePath::collection(Pod::INFO, &set.metadata.namespace);
    Call { request: Request::new(Method::Post, path).body(Body::Object(pod.into())), note: Note::Create(set.clone()) }
}

fn delete_call(set: &Arc<DaemonSet>, pod: &Arc<Pod>) -> Call<Note> {
    let path = ResourcePath::object(Pod::INFO, &pod.metadata.namespace, &pod.metadata.name);
    Call { request: Request::new(Method::Delete, path), note: Note::Delete(set.clone(), pod.clone()) }
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
            sink.events.event(now, set, kind, reason, &message, sink.out);
        }
        let settled = decision.create.is_empty() && decision.delete.is_empty();
        if settled && set.spec.update_strategy.type_ == "RollingUpdate" { view.rolling_update(now) } else { decision }
    }

    /// Puts a decision into calls (`syncNodes`).
    fn plan(&mut self, now: Time, key: &ObjectKey, set: &Arc<DaemonSet>, hash: &str, decision: Decision) -> Plan<Note> {
        let mut plan = Plan::default();
        let (mut create, mut delete) = (decision.create, decision.delete);
        create.truncate(BURST_REPLICAS);
        delete.truncate(BURST_REPLICAS);
        if create.is_empty() && delete.is_empty() {
            return plan;
        }
        plan.decision = Some((set.object_ref(), format!("create {} and delete {} Pods", create.len(), delete.len())));
        if !create.is_empty() {
            self.expectations.expect_creations(now, key, create.len());
        }
        if !delete.is_empty() {
            self.expectations.expect_deletions(now, key, delete.iter().map(|pod| pod.metadata.uid.clone()));
        }
        let mut calls: Vec<_> = create.iter().map(|node| create_call(set, hash, node)).collect();
        let deletions: Vec<_> = delete.iter().map(|pod| delete_call(set, pod)).collect();
        // Batches that double, so that a Pod that is refused is not tried on every node at once.
        for size in slow_start(calls.len()) {
            let rest = calls.split_off(size);
            plan.phases.push_back(std::mem::replace(&mut calls, rest));
        }
        if !deletions.is_empty() {
            plan.phases.push_back(deletions);
        }
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
            self.expectations.delete(key);
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
        if !self.expectations.satisfied(now, key) {
            return Plan::default();
        }
        let (hash, nodes) = (hash_of(&current), nodes(caches));
        let view = View { set, nodes: &nodes, pods: by_node(pods_of(caches, set).cloned()), hash };
        let decision = self.decide(now, key, set, &view, sink);
        let mut plan = self.plan(now, key, set, hash, decision);
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

    fn answered(
        &mut self,
        now: Time,
        key: &ObjectKey,
        note: &Note,
        outcome: Result<Object, Refusal>,
        sink: &mut Sink<'_>,
    ) -> Result<(), String> {
        let (set, kind, reason, message, judged) = match (note, outcome) {
            (Note::Recheck(set), outcome) => return claims::may_adopt(set.as_ref(), outcome),
            (Note::Claim, outcome) => return claims::claimed(outcome),
            (Note::Quiet, Err(refusal)) if refusal.code == 404 || refusal.message.ends_with("already exists") => return Ok(()),
            (Note::Quiet, outcome) => return outcome.map(drop).map_err(|refusal| refusal.message),
            (Note::Create(set), Ok(pod)) => {
                (set, EventType::Normal, "SuccessfulCreate", format!("Created pod: {}", pod.metadata().name), Ok(()))
            }
            (Note::Create(set), Err(refusal)) => {
                self.expectations.creation_observed(key);
                if refusal.namespace_terminating {
                    return Ok(());
                }
                (set, EventType::Warning, "FailedCreate", format!("Error creating: {}", refusal.message), Err(refusal.message))
            }
            (Note::Delete(set, pod), Ok(_)) => {
                (set, EventType::Normal, "SuccessfulDelete", format!("Deleted pod: {}", pod.metadata.name), Ok(()))
            }
            (Note::Delete(set, pod), Err(refusal)) => {
                self.expectations.deletion_observed(key, &pod.metadata.uid);
                if refusal.code == 404 {
                    return Ok(());
                }
                (set, EventType::Warning, "FailedDelete", format!("Error deleting: {}", refusal.message), Err(refusal.message))
            }
        };
        sink.events.event(now, set.as_ref(), kind, reason, &message, sink.out);
        judged
    }

    fn skipped(&mut self, key: &ObjectKey, note: &Note) {
        match note {
            Note::Create(_) => self.expectations.creation_observed(key),
            Note::Delete(_, pod) => self.expectations.deletion_observed(key, &pod.metadata.uid),
            _ => {}
        }
    }

    /// Models `updateDaemonSetStatus`, and looks again when the next Pod may have become available or may be replaced.
    fn conclude(&mut self, now: Time, caches: &Caches, key: &ObjectKey, _failure: Option<&str>) -> (Option<Call<Note>>, Option<Duration>) {
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
        let mut changed = DaemonSet::clone(set);
        changed.status = status;
        let path = ResourcePath::object(DaemonSet::INFO, &key.namespace, &key.name).with_subresource("status");
        (Some(Call { request: Request::new(Method::Put, path).body(Body::Object(changed.into())), note: Note::Quiet }), again)
    }
}

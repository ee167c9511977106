//! The ReplicaSet controller: as many Pods as asked for (`pkg/controller/replicaset/replica_set.go`).
//!
//! It creates missing Pods in batches that double, so that a Pod which is refused is not tried a thousand times at once. Of superfluous Pods it deletes those that are the least loss.
//! ReplicationControllers are kept by the same code (see [`crate::replication`]).
//! Pods that its selector selects and nobody controls are adopted; those that it no longer selects are released.

use crate::caches::{BY_CONTROLLER, Caches, orphans_of};
use crate::claims;
use crate::driver::{Answer, Call, Conclusion, Controller, Plan, Sink, succeeded};
use crate::pod_control::{PodControl, PodWrite};
use crate::pod_tally::Standing;
use crate::pods::{self, delete_rank, is_available, is_ready, remaining_until_available};
use crate::routing::Selects;
use api::Object;
use api::apps::{ReplicaSet, ReplicaSetStatus};
use api::core::{Pod, PodTemplateSpec};
use api::meta::Condition;
use client::{Indexer, ObjectKey};
use sim::Time;
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

/// At most so many Pods are created or deleted at once (`BurstReplicas`).
const BURST_REPLICAS: usize = 500;

/// What a write is for.
#[derive(Clone, Debug)]
pub(crate) enum Note<K> {
    /// Whether the ReplicaSet still exists.
    Recheck(Arc<K>),
    /// A Pod changes hands.
    Claim,
    Pod(PodWrite<K>),
    Status,
}

impl<K> From<PodWrite<K>> for Note<K> {
    fn from(write: PodWrite<K>) -> Self {
        Note::Pod(write)
    }
}

/// A kind that keeps numbers of equal Pods.
pub(crate) trait Replicates: Selects {
    /// The cache of the kind.
    fn cache(caches: &Caches) -> &Indexer<Self>;
    /// How many Pods are wanted.
    fn replicas(&self) -> i32;
    /// Seconds that a Pod must be ready before it counts as available.
    fn min_ready_seconds(&self) -> Option<i32>;
    /// What the Pods look like.
    fn template(&self) -> &PodTemplateSpec;
    /// The status, as that of a ReplicaSet.
    fn status(&self) -> ReplicaSetStatus;
    /// The same object with this status.
    fn with_status(&self, status: ReplicaSetStatus) -> Self;
}

impl Replicates for ReplicaSet {
    fn cache(caches: &Caches) -> &Indexer<Self> {
        caches.replica_sets.lister()
    }

    fn replicas(&self) -> i32 {
        self.spec.replicas.unwrap_or(1)
    }

    fn min_ready_seconds(&self) -> Option<i32> {
        self.spec.min_ready_seconds
    }

    fn template(&self) -> &PodTemplateSpec {
        &self.spec.template
    }

    fn status(&self) -> ReplicaSetStatus {
        self.status.clone()
    }

    fn with_status(&self, status: ReplicaSetStatus) -> Self {
        ReplicaSet { status, ..self.clone() }
    }
}

/// Keeps numbers of equal Pods.
#[derive(Debug)]
pub(crate) struct ReplicaSetController<K> {
    pub(crate) pod_control: PodControl,
    kind: PhantomData<K>,
}

impl<K> Default for ReplicaSetController<K> {
    fn default() -> Self {
        ReplicaSetController { pod_control: PodControl::default(), kind: PhantomData }
    }
}

fn has_not_finished(pod: &&Arc<Pod>) -> bool {
    !matches!(pod.status.phase.as_str(), "Succeeded" | "Failed")
}

/// The Pods of a ReplicaSet that have not finished.
fn unfinished<'a, K: Replicates>(caches: &'a Caches, rs: &K) -> impl Iterator<Item = &'a Arc<Pod>> {
    caches.pods.lister().by_index(BY_CONTROLLER, &rs.metadata().uid).filter(has_not_finished)
}

/// The calls that adopt and release Pods (`claimPods`).
fn claim<K: Replicates>(caches: &Caches, rs: &Arc<K>) -> Option<Plan<Note<K>>> {
    let selector = rs.selector()?;
    let nobodys = orphans_of(&rs.metadata().namespace);
    let mut orphans = caches.pods.lister().by_index(BY_CONTROLLER, &nobodys).filter(has_not_finished).peekable();
    if orphans.peek().is_none() && caches.pod_tally.of(&rs.metadata().uid).all(|(_, labels, _)| selector.matches(labels)) {
        return None;
    }
    let claims = claims::claims(&selector, unfinished(caches, rs.as_ref()), orphans);
    Plan::claiming(rs, &claims, Note::Recheck(rs.clone()), &Note::Claim)
}

/// Those of them that are not on their way out (`FilterActivePods`).
fn active<'a, K: Replicates>(caches: &'a Caches, rs: &K) -> impl Iterator<Item = &'a Arc<Pod>> {
    unfinished(caches, rs).filter(|pod| pods::is_active(pod))
}

/// How many there are.
fn active_count<K: Replicates>(caches: &Caches, rs: &K) -> usize {
    caches.pod_tally.of(&rs.metadata().uid).filter(|(standing, ..)| *standing != Standing::Terminating).map(|(_, _, count)| count).sum()
}

/// What a status counts.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    active: i32,
    labelled: i32,
    ready: i32,
    available: i32,
    terminating: i32,
    /// When the next of the ready Pods becomes available.
    next_available: Option<Duration>,
}

impl Counts {
    /// Counts the Pods that have not finished.
    fn of<K: Replicates>(now: Time, rs: &K, caches: &Caches) -> Self {
        let template = &rs.template().metadata.labels;
        let mut counts = Counts::default();
        for (standing, labels, number) in caches.pod_tally.of(&rs.metadata().uid) {
            let number = i32::try_from(number).unwrap_or(i32::MAX);
            if standing == Standing::Terminating {
                counts.terminating += number;
                continue;
            }
            counts.active += number;
            if template.iter().all(|(key, value)| labels.get(key) == Some(value)) {
                counts.labelled += number;
            }
            if standing == Standing::Ready {
                counts.ready += number;
            }
        }
        match rs.min_ready_seconds() {
            Some(min_ready @ 1..) => counts.look_for_available(now, min_ready, active(caches, rs)),
            _ => counts.available = counts.ready,
        }
        counts
    }

    /// Which of the Pods have been ready for long enough, and when the next will have been.
    fn look_for_available<'a>(&mut self, now: Time, min_ready: i32, pods: impl Iterator<Item = &'a Arc<Pod>>) {
        for pod in pods.filter(|pod| is_ready(pod)) {
            self.available += i32::from(is_available(pod, min_ready, now));
            let wait = remaining_until_available(pod, min_ready, now);
            self.next_available = self.next_available.into_iter().chain(wait).min();
        }
    }
}

/// The `count` Pods whose loss hurts least (`getPodsToDelete`).
fn pods_to_delete(now: Time, mut pods: Vec<Arc<Pod>>, count: usize) -> Vec<Arc<Pod>> {
    if count < pods.len() {
        let mut on_node: BTreeMap<String, usize> = BTreeMap::new();
        for pod in &pods {
            *on_node.entry(pod.spec.node_name.clone()).or_default() += 1;
        }
        pods.sort_by_cached_key(|pod| delete_rank(now, pod, on_node[&pod.spec.node_name]));
    }
    pods.truncate(count);
    pods
}

/// What the ReplicaSet's status should be (`calculateStatus`).
fn calculate_status<K: Replicates>(now: Time, rs: &K, counts: Counts, failure: Option<&str>) -> ReplicaSetStatus {
    let mut status = rs.status();
    status.replicas = counts.active;
    status.fully_labeled_replicas = some_unless_zero(counts.labelled);
    status.ready_replicas = some_unless_zero(counts.ready);
    status.available_replicas = some_unless_zero(counts.available);
    status.terminating_replicas = Some(counts.terminating);
    status.observed_generation = rs.metadata().generation;
    let short = status.replicas < rs.replicas();
    match failure {
        Some(message) if api::meta::condition(&status.conditions, "ReplicaFailure").is_none() => status.conditions.push(Condition {
            type_: "ReplicaFailure".to_owned(),
            status: "True".to_owned(),
            reason: if short { "FailedCreate" } else { "FailedDelete" }.to_owned(),
            message: message.to_owned(),
            last_transition_time: Some(now.into()),
            ..Condition::default()
        }),
        Some(_) => {}
        None => status.conditions.retain(|condition| condition.type_ != "ReplicaFailure"),
    }
    status
}

/// Go's `omitempty` does not write a zero.
fn some_unless_zero(count: i32) -> Option<i32> {
    (count != 0).then_some(count)
}

impl<K: Replicates> Controller for ReplicaSetController<K> {
    type Note = Note<K>;
    const READS_OWN_WRITES: bool = true;

    /// Models `syncReplicaSet` and `manageReplicas`.
    fn reconcile(&mut self, now: Time, caches: &Caches, key: &ObjectKey, _sink: &mut Sink<'_>) -> Plan<Note<K>> {
        let mut plan = Plan::default();
        let Some(rs) = K::cache(caches).get(key) else {
            self.pod_control.expectations.delete(key);
            return plan;
        };
        if rs.metadata().is_deleting() {
            return plan;
        }
        if let Some(claiming) = claim(caches, rs) {
            return claiming;
        }
        if !self.pod_control.expectations.satisfied(now, key) {
            return plan;
        }
        let present = active_count(caches, rs.as_ref());
        let wanted = usize::try_from(rs.replicas()).unwrap_or(0);
        if present < wanted {
            let missing = (wanted - present).min(BURST_REPLICAS);
            let pod = Object::from(pods::from_template(rs.as_ref(), rs.template()));
            plan.phases = self.pod_control.create(now, rs, std::iter::repeat_n(pod, missing)).collect();
            plan.decision = Some((rs.object_ref(), format!("create {missing} of {wanted} Pods")));
        } else if present > wanted {
            let excess = (present - wanted).min(BURST_REPLICAS);
            let victims = pods_to_delete(now, active(caches, rs.as_ref()).cloned().collect(), excess);
            plan.phases.extend(self.pod_control.delete(now, rs, &victims));
            plan.decision = Some((rs.object_ref(), format!("delete {excess} Pods, {wanted} stay")));
        }
        plan
    }

    fn answered(&mut self, key: &ObjectKey, note: &Note<K>, answer: Answer, sink: &mut Sink<'_>) -> Result<(), String> {
        match note {
            Note::Recheck(rs) => claims::may_adopt(rs.as_ref(), answer),
            Note::Claim => claims::claimed(answer),
            Note::Pod(write) => self.pod_control.answered(key, write, answer, sink),
            Note::Status => succeeded(answer),
        }
    }

    fn skipped(&mut self, key: &ObjectKey, note: &Note<K>) {
        if let Note::Pod(write) = note {
            self.pod_control.skipped(key, write);
        }
    }

    /// Models `updateReplicaSetStatus`, and looks again when the next Pod may have become available.
    fn conclude(&mut self, now: Time, caches: &Caches, key: &ObjectKey, failure: Option<&str>) -> Conclusion<Note<K>> {
        let Some(rs) = K::cache(caches).get(key) else {
            return (None, None);
        };
        let counts = Counts::of(now, rs.as_ref(), caches);
        let again = counts.next_available;
        let status = calculate_status(now, rs.as_ref(), counts, failure);
        if status == rs.status() {
            return (None, again);
        }
        (Some(Call::update_status(rs.with_status(status), Note::Status)), again)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_once_and_taken_back() {
        let mut rs = ReplicaSet::default();
        rs.status = calculate_status(Time::ZERO, &rs, Counts::default(), Some("no"));
        assert_eq!((rs.status.conditions.len(), rs.status.conditions[0].reason.as_str()), (1, "FailedCreate"));
        assert_eq!(calculate_status(Time::from_secs(9), &rs, Counts::default(), Some("again")), rs.status);
        assert!(calculate_status(Time::ZERO, &rs, Counts::default(), None).conditions.is_empty());
    }
}

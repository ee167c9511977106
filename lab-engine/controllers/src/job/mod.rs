//! The Job controller: Pods that run until enough of them have succeeded (`pkg/controller/job/job_controller.go`).
//!
//! What to do is decided in [`control`]. A Job's Pods carry a finalizer until they are counted, so that a Pod that someone deletes early
//! counts too. After failures new Pods wait longer and longer.
//!
//! **Simplified here:** status changes are not batched (upstream waits up to a second for more Pods to end).

pub(crate) mod control;
mod indexes;
mod pods;
mod policy;

use crate::caches::{BY_CONTROLLER, Caches, orphans_of};
use crate::claims;
use crate::driver::{Call, Controller, Plan, Refusal, Sink};
use crate::replica_set::slow_start;
use crate::routing::Selects;
use api::batch::Job;
use api::core::Pod;
use api::http::{Body, Method, PatchType, Request, ResourcePath};
use api::{Object, Resource};
use client::{EventType, Expectations, ObjectKey};
use control::{Decision, New, Record, decide, is_finished};
use serde_json::json;
use sim::Time;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What a write is for.
#[derive(Clone, Debug)]
pub(crate) enum Note {
    /// Whether the Job still exists.
    Recheck(Arc<Job>),
    /// A Pod changes hands.
    Claim,
    Create(Arc<Job>),
    Delete(Arc<Job>, Arc<Pod>),
    /// A Pod loses its finalizer.
    Release,
    /// The status, what to tell once it is written, and the failures that are counted with it.
    Status(Arc<Job>, Vec<(EventType, String, String)>, Record),
}

/// Runs Pods until enough of them have succeeded.
#[derive(Debug, Default)]
pub(crate) struct JobController {
    pub(crate) expectations: Expectations,
    records: BTreeMap<ObjectKey, Record>,
    /// When to look at a Job again whose look is under way.
    again: BTreeMap<ObjectKey, Duration>,
}

fn pods_of<'c>(caches: &'c Caches, job: &Job) -> impl Iterator<Item = &'c Arc<Pod>> {
    caches.pods.lister().by_index(BY_CONTROLLER, &job.metadata.uid)
}

/// The calls that adopt and release Pods.
fn claim(caches: &Caches, job: &Arc<Job>) -> Option<Plan<Note>> {
    let selector = job.selector()?;
    let orphans = orphans_of(&job.metadata.namespace);
    let found = claims::claims(&selector, pods_of(caches, job), caches.pods.lister().by_index(BY_CONTROLLER, &orphans));
    Plan::claiming(job, &found, Note::Recheck(job.clone()), &Note::Claim)
}

fn create_call(job: &Arc<Job>, new: &New) -> Call<Note> {
    let pod = pods::new_pod(job, new);
    let path = ResourcePath::collection(Pod::INFO, &job.metadata.namespace);
    Call { request: Request::new(Method::Post, path).body(Body::Object(pod.into())), note: Note::Create(job.clone()) }
}

fn delete_call(job: &Arc<Job>, pod: &Arc<Pod>) -> Call<Note> {
    let path = ResourcePath::object(Pod::INFO, &pod.metadata.namespace, &pod.metadata.name);
    Call { request: Request::new(Method::Delete, path), note: Note::Delete(job.clone(), pod.clone()) }
}

/// Takes the finalizer off a Pod (`removeTrackingFinalizerPatch`).
fn release_call(pod: &Pod) -> Call<Note> {
    let change = json!({"metadata": {"uid": pod.metadata.uid, "$deleteFromPrimitiveList/finalizers": [pods::TRACKING]}});
    let path = ResourcePath::object(Pod::INFO, &pod.metadata.namespace, &pod.metadata.name);
    Call { request: Request::new(Method::Patch, path).body(Body::Patch(PatchType::StrategicMerge, change)), note: Note::Release }
}

/// Pods that wait for a Job that is gone (`syncOrphanPod`): those that name it, and those that another of the same name left.
fn stranded(caches: &Caches, key: &ObjectKey, job: Option<&Job>) -> Vec<Call<Note>> {
    let of_others = |pod: &&Arc<Pod>| {
        let labelled = pod.metadata.labels.get("batch.kubernetes.io/job-name") == Some(&key.name);
        match pod.metadata.controller() {
            Some(owner) if owner.kind == Job::INFO.kind && owner.name == key.name => job.is_none_or(|job| job.metadata.uid != owner.uid),
            Some(_) => false,
            None => labelled && job.is_none(),
        }
    };
    let all = caches.pods.lister().list_namespace(&key.namespace);
    all.filter(|pod| pods::is_tracked(pod)).filter(of_others).map(|pod| release_call(pod)).collect()
}

impl JobController {
    /// Puts a decision into calls: Pods first, in batches that double, then the status, then the finalizers.
    fn plan(&mut self, now: Time, key: &ObjectKey, job: &Arc<Job>, decision: Decision) -> Plan<Note> {
        let mut plan = Plan { leaves_status: false, ..Plan::default() };
        let (create, delete) = (decision.create.len(), decision.delete.len());
        if create > 0 {
            self.expectations.expect_creations(now, key, create);
            let mut calls: Vec<_> = decision.create.iter().map(|new| create_call(job, new)).collect();
            for size in slow_start(create) {
                let rest = calls.split_off(size);
                plan.phases.push_back(std::mem::replace(&mut calls, rest));
            }
        }
        if delete > 0 {
            self.expectations.expect_deletions(now, key, decision.delete.iter().map(|pod| pod.metadata.uid.clone()));
            plan.phases.push_back(decision.delete.iter().map(|pod| delete_call(job, pod)).collect());
        }
        if decision.status != job.status {
            let mut changed = Job::clone(job);
            changed.status = decision.status;
            let path = ResourcePath::object(Job::INFO, &key.namespace, &key.name).with_subresource("status");
            let request = Request::new(Method::Put, path).body(Body::Object(changed.into()));
            plan.phases.push_back(vec![Call { request, note: Note::Status(job.clone(), decision.events, decision.record) }]);
        }
        if !decision.release.is_empty() {
            plan.phases.push_back(decision.release.iter().map(|pod| release_call(pod)).collect());
        }
        if create + delete > 0 {
            plan.decision = Some((job.object_ref(), format!("create {create} and delete {delete} Pods")));
        }
        if let Some(again) = decision.again {
            self.again.insert(key.clone(), again);
        }
        plan
    }
}

impl Controller for JobController {
    type Note = Note;

    /// Models `syncJob`.
    fn reconcile(&mut self, now: Time, caches: &Caches, key: &ObjectKey, _sink: &mut Sink<'_>) -> Plan<Note> {
        let job = caches.jobs.lister().get(key);
        // Only a Job that is gone, or has just come, can have left Pods of another of its name.
        let looks_back = job.is_none_or(|job| job.status.start_time.is_none());
        let stranded = if looks_back { stranded(caches, key, job.map(AsRef::as_ref)) } else { Vec::new() };
        let gone = job.is_none_or(|job| is_finished(job));
        if gone {
            self.expectations.delete(key);
            self.records.remove(key);
        }
        let mut plan = Plan { leaves_status: true, ..Plan::default() };
        if !stranded.is_empty() {
            plan.phases.push_back(stranded);
            return plan;
        }
        let Some(job) = job else { return plan };
        if !job.metadata.is_deleting()
            && !gone
            && let Some(claiming) = claim(caches, job)
        {
            return claiming;
        }
        let pods: Vec<Arc<Pod>> = pods_of(caches, job).cloned().collect();
        let record = self.records.get(key).cloned().unwrap_or_default();
        let decision = decide(now, job, &pods, self.expectations.satisfied(now, key), &record);
        self.plan(now, key, job, decision)
    }

    fn answered(
        &mut self,
        now: Time,
        key: &ObjectKey,
        note: &Note,
        outcome: Result<Object, Refusal>,
        sink: &mut Sink<'_>,
    ) -> Result<(), String> {
        let (job, kind, reason, message, judged) = match (note, outcome) {
            (Note::Recheck(job), outcome) => return claims::may_adopt(job.as_ref(), outcome),
            (Note::Claim | Note::Release, outcome) => return claims::claimed(outcome),
            (Note::Status(job, events, record), outcome) => {
                outcome.map_err(|refusal| refusal.message)?;
                self.records.insert(key.clone(), record.clone());
                for (kind, reason, message) in events {
                    sink.events.event(now, job.as_ref(), *kind, reason, message, sink.out);
                }
                return Ok(());
            }
            (Note::Create(job), Ok(pod)) => {
                (job, EventType::Normal, "SuccessfulCreate", format!("Created pod: {}", pod.metadata().name), Ok(()))
            }
            (Note::Create(job), Err(refusal)) => {
                self.expectations.creation_observed(key);
                if refusal.namespace_terminating {
                    return Ok(());
                }
                (job, EventType::Warning, "FailedCreate", format!("Error creating: {}", refusal.message), Err(refusal.message))
            }
            (Note::Delete(job, pod), Ok(_)) => {
                (job, EventType::Normal, "SuccessfulDelete", format!("Deleted pod: {}", pod.metadata.name), Ok(()))
            }
            (Note::Delete(job, pod), Err(refusal)) => {
                self.expectations.deletion_observed(key, &pod.metadata.uid);
                if refusal.code == 404 {
                    return Ok(());
                }
                (job, EventType::Warning, "FailedDelete", format!("Error deleting: {}", refusal.message), Err(refusal.message))
            }
        };
        sink.events.event(now, job.as_ref(), kind, reason, &message, sink.out);
        judged
    }

    fn skipped(&mut self, key: &ObjectKey, note: &Note) {
        match note {
            Note::Create(_) => self.expectations.creation_observed(key),
            Note::Delete(_, pod) => self.expectations.deletion_observed(key, &pod.metadata.uid),
            _ => {}
        }
    }

    /// The status was part of the plan; looks again when a deadline or a back-off is over.
    fn conclude(
        &mut self,
        _now: Time,
        _caches: &Caches,
        key: &ObjectKey,
        _failure: Option<&str>,
    ) -> (Option<Call<Note>>, Option<Duration>) {
        (None, self.again.remove(key))
    }
}

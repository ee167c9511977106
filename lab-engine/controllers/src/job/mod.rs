//! The Job controller: Pods that run until enough of them have succeeded (`pkg/controller/job/job_controller.go`).
//!
//! What to do is decided in [`control`]. A Job's Pods carry a finalizer until they are counted, so that a Pod that someone deletes early
//! counts too. After failures new Pods wait longer and longer.
//!
//! A look takes these steps, each after the answers to the one before: Pods are created and deleted (those that are too many lose their
//! finalizer first); what has ended is noted in the status;
//! finalizers go; the status with the new numbers is written. What happens to Pods leads to a look a second later, so that several are
//! counted at once and the caches have caught up; so does a failed write, later and later.
//!
//! **Simplified here:** a Pod of a Job that has ended, and is seen only then, loses its finalizer at the next look; upstream waits until the
//! Job changes or the Pod is deleted. Here as there nobody deletes it.

pub(crate) mod control;
mod indexes;
mod pods;
mod policy;

use crate::caches::{BY_CONTROLLER, Caches, orphans_of};
use crate::claims;
use crate::driver::{Answer, Call, Conclusion, Controller, Plan, Sink};
use crate::pod_control::{PodControl, PodWrite};
use crate::routing::{Selects, observe};
use api::Resource;
use api::batch::{Job, JobStatus};
use api::core::Pod;
use api::http::{Body, Method, PatchType, Request, ResourcePath};
use client::rate_limiter::ItemExponentialFailureRateLimiter;
use client::{Delta, ObjectKey, WorkQueue};
use control::{Decision, Record, counted, decide, is_finished, recorded};
use serde_json::json;
use sim::Time;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// How long a look waits for more of what happens to Pods (`SyncJobBatchPeriod`).
pub(crate) const BATCH_PERIOD: Duration = Duration::from_secs(1);
/// The pause after the first failed look, and the longest (`DefaultJobApiBackOff`, `MaxJobApiBackOff`).
const API_BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// The queue of the controller.
pub(crate) fn queue() -> WorkQueue<ObjectKey> {
    WorkQueue::new(Box::new(ItemExponentialFailureRateLimiter::new(API_BACKOFF.0, API_BACKOFF.1)))
}

/// What a write is for.
#[derive(Clone, Debug)]
pub(crate) enum Note {
    /// Whether the Job still exists.
    Recheck(Arc<Job>),
    /// A Pod changes hands.
    Claim,
    Pod(PodWrite<Job>),
    /// A Pod that is too many loses its finalizer, so that it counts for nothing when it is deleted.
    Untrack,
    /// A Pod of an earlier Job loses its finalizer.
    Release,
    /// A Pod that is counted loses its finalizer: its UID.
    Counted(String),
    /// The status with the Pods that are to be counted.
    Flush,
    /// The status at the end of a look.
    Status,
}

impl From<PodWrite<Job>> for Note {
    fn from(write: PodWrite<Job>) -> Self {
        Note::Pod(write)
    }
}

/// How far a look has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Pods are being created and deleted.
    Pods,
    /// The status is being written.
    Flush,
    /// Its last write before the finalizers failed, or a Pod could not be deleted that has to go first.
    Stuck,
    /// Finalizers are being removed.
    Finalizers,
}

/// A look under way.
#[derive(Debug)]
struct Look {
    /// As it was last written.
    job: Arc<Job>,
    decision: Decision,
    step: Step,
    /// UIDs of Pods whose finalizer stayed.
    kept: BTreeSet<String>,
}

/// Runs Pods until enough of them have succeeded.
#[derive(Debug, Default)]
pub(crate) struct JobController {
    pub(crate) pod_control: PodControl,
    records: BTreeMap<ObjectKey, Record>,
    looks: BTreeMap<ObjectKey, Look>,
    /// UIDs of Pods whose finalizer was removed, which is not seen yet (`uidTrackingExpectations`).
    released: BTreeMap<ObjectKey, BTreeSet<String>>,
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

fn status_call(job: &Job, status: JobStatus, note: Note) -> Call<Note> {
    Call::update_status(Job { status, ..job.clone() }, note)
}

impl JobController {
    /// Takes what happened to a Pod of the Job: pays off what was expected of it.
    pub(crate) fn observe(&mut self, key: &ObjectKey, delta: &Delta<Pod>) {
        observe(delta, key, &mut self.pod_control.expectations);
        let pod = delta.object();
        if matches!(delta, Delta::Deleted(..)) || !pods::is_tracked(pod) {
            self.removal_observed(key, &pod.metadata.uid);
        }
    }

    /// The finalizer of the Pod was seen to be gone, or stays.
    fn removal_observed(&mut self, key: &ObjectKey, uid: &str) {
        if let Some(uids) = self.released.get_mut(key) {
            uids.remove(uid);
        }
    }

    /// The Job's Pods, without the finalizers that are gone but for the cache.
    fn pods(&self, caches: &Caches, key: &ObjectKey, job: &Job) -> Vec<Arc<Pod>> {
        let released = self.released.get(key);
        let as_it_is = |pod: &Arc<Pod>| {
            let mut pod = pod.clone();
            if released.is_some_and(|uids| uids.contains(&pod.metadata.uid)) {
                Arc::make_mut(&mut pod).metadata.finalizers.retain(|finalizer| finalizer != pods::TRACKING);
            }
            pod
        };
        pods_of(caches, job).map(as_it_is).collect()
    }

    /// The first step of a decision: Pods, in batches that double.
    fn plan(&mut self, now: Time, key: &ObjectKey, job: &Arc<Job>, decision: Decision) -> Plan<Note> {
        let mut plan = Plan::default();
        let (create, delete) = (decision.create.len(), decision.delete.len());
        plan.phases.extend(self.pod_control.create(now, job, decision.create.iter().map(|new| pods::new_pod(job, new).into())));
        let tracked = decision.delete.iter().filter(|pod| !decision.counts_deleted && pods::is_tracked(pod));
        let untrack: Vec<_> = tracked.map(|pod| Call { note: Note::Untrack, ..release_call(pod) }).collect();
        plan.phases.extend((!untrack.is_empty()).then_some(untrack));
        plan.phases.extend(self.pod_control.delete(now, job, &decision.delete));
        if create + delete > 0 {
            plan.decision = Some((job.object_ref(), format!("create {create} and delete {delete} Pods")));
        }
        self.looks.insert(key.clone(), Look { job: job.clone(), decision, step: Step::Pods, kept: BTreeSet::new() });
        plan
    }

    /// A Pod was not created or deleted after all: the status that was decided says too much. While a Pod of a Job that has ended is still
    /// there, the Job cannot be said to have ended, so the look is given up.
    fn correct(&mut self, key: &ObjectKey, write: &PodWrite<Job>) {
        let Some(look) = self.looks.get_mut(key) else { return };
        let (active, terminating) = match write {
            PodWrite::Create(_) => (-1, 0),
            PodWrite::Delete(..) => (1, -1),
        };
        let status = &mut look.decision.status;
        status.active = Some(status.active.unwrap_or(0) + active).filter(|count| *count != 0);
        status.terminating = status.terminating.map(|count| count + terminating);
        if matches!(write, PodWrite::Delete(..)) && look.decision.counts_deleted {
            look.step = Step::Stuck;
        }
    }

    /// The calls that remove the finalizers of counted Pods.
    fn release(&mut self, key: &ObjectKey) -> Vec<Call<Note>> {
        let Some(look) = self.looks.get(key) else { return Vec::new() };
        let pods = &look.decision.release;
        if !pods.is_empty() {
            self.released.entry(key.clone()).or_default().extend(pods.iter().map(|pod| pod.metadata.uid.clone()));
        }
        let call = |pod: &Arc<Pod>| Call { note: Note::Counted(pod.metadata.uid.clone()), ..release_call(pod) };
        pods.iter().map(call).collect()
    }

    /// Takes the answer to a write of the status.
    fn written(&mut self, key: &ObjectKey, answer: Answer) -> Result<(), String> {
        let Some(look) = self.looks.get_mut(key) else { return Ok(()) };
        match answer {
            Ok(object) => {
                if let Some(job) = Job::from_object(&object) {
                    look.job = job.clone();
                }
                self.records.insert(key.clone(), look.decision.record.clone());
                Ok(())
            }
            Err(refusal) => {
                look.step = Step::Stuck;
                Err(refusal.message)
            }
        }
    }
}

impl Controller for JobController {
    type Note = Note;
    const PERSISTS: bool = true;
    const READS_OWN_WRITES: bool = true;

    /// Models `syncJob`.
    fn reconcile(&mut self, now: Time, caches: &Caches, key: &ObjectKey, _sink: &mut Sink<'_>) -> Plan<Note> {
        self.looks.remove(key);
        let job = caches.jobs.lister().get(key);
        // Only a Job that is gone, or has just come, can have left Pods of another of its name.
        let looks_back = job.is_none_or(|job| job.status.start_time.is_none());
        let stranded = if looks_back { stranded(caches, key, job.map(AsRef::as_ref)) } else { Vec::new() };
        let gone = job.is_none_or(|job| is_finished(job));
        if gone {
            self.pod_control.expectations.delete(key);
            self.records.remove(key);
        }
        if job.is_none() {
            self.released.remove(key);
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
        let pods = self.pods(caches, key, job);
        let record = self.records.get(key).cloned().unwrap_or_default();
        let decision = decide(now, job, &pods, self.pod_control.expectations.satisfied(now, key), &record);
        self.plan(now, key, job, decision)
    }

    fn answered(&mut self, key: &ObjectKey, note: &Note, answer: Answer, sink: &mut Sink<'_>) -> Result<(), String> {
        match note {
            Note::Recheck(job) => claims::may_adopt(job.as_ref(), answer),
            Note::Claim | Note::Release => claims::claimed(answer),
            Note::Counted(uid) => claims::claimed(answer).inspect_err(|_| {
                self.removal_observed(key, uid);
                self.looks.get_mut(key).into_iter().for_each(|look| _ = look.kept.insert(uid.clone()));
            }),
            Note::Untrack => claims::claimed(answer).map_err(|why| format!("removing completion finalizer: {why}")),
            Note::Flush => self.written(key, answer),
            Note::Status => {
                self.written(key, answer)?;
                let Some(look) = self.looks.remove(key) else { return Ok(()) };
                for (kind, reason, message) in &look.decision.events {
                    sink.event(look.job.as_ref(), *kind, reason, message);
                }
                Ok(())
            }
            Note::Pod(write) => {
                if write.failed(&answer) {
                    self.correct(key, write);
                }
                self.pod_control.answered(key, write, answer, sink)
            }
        }
    }

    fn skipped(&mut self, key: &ObjectKey, note: &Note) {
        if let Note::Pod(write) = note {
            self.correct(key, write);
            self.pod_control.skipped(key, write);
        }
    }

    /// The next step (`trackJobStatusAndRemoveFinalizers`), which is taken even if Pods could not be created or deleted.
    fn proceed(&mut self, _now: Time, _caches: &Caches, key: &ObjectKey, _sink: &mut Sink<'_>) -> Vec<Call<Note>> {
        let Some(look) = self.looks.get_mut(key) else { return Vec::new() };
        if look.step == Step::Pods {
            look.step = Step::Flush;
            if recorded(&look.decision.status) != recorded(&look.job.status) {
                return vec![status_call(&look.job, look.decision.status.clone(), Note::Flush)];
            }
        }
        if look.step == Step::Flush {
            look.step = Step::Finalizers;
            return self.release(key);
        }
        Vec::new()
    }

    /// The status with the new numbers; looks again when a deadline or a back-off is over.
    fn conclude(&mut self, now: Time, _caches: &Caches, key: &ObjectKey, _failure: Option<&str>) -> Conclusion<Note> {
        let Some(look) = self.looks.get_mut(key) else { return (None, None) };
        let again = look.decision.again;
        let (status, events) = counted(now, &look.job, &look.decision, &look.kept);
        if look.step == Step::Stuck || status == look.job.status {
            self.looks.remove(key);
            return (None, again);
        }
        look.decision.events.extend(events);
        (Some(status_call(&look.job, status, Note::Status)), again)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::json::decode;
    use serde_json::Value;

    /// The methods of each phase in which a Job of one Pod gets rid of Pods, when it has two.
    fn phases(spec: Value) -> Vec<Vec<Method>> {
        let job: Arc<Job> = Arc::new(
            decode(json!({"metadata": {"name": "pi", "uid": "j"}, "spec": spec, "status": {"startTime": "2026-05-04T08:00:00Z"}})).unwrap(),
        );
        let pod = |uid: &str| -> Arc<Pod> {
            let metadata = json!({"name": uid, "uid": uid, "finalizers": [pods::TRACKING]});
            Arc::new(decode(json!({"metadata": metadata, "status": {"phase": "Running"}})).unwrap())
        };
        let now = Time::parse_rfc3339("2026-05-04T08:01:00Z").unwrap();
        let decision = decide(now, &job, &[pod("a"), pod("b")], true, &Record::default());
        let plan = JobController::default().plan(now, &ObjectKey::new("default", "pi"), &job, decision);
        plan.phases.iter().map(|calls| calls.iter().map(|call| call.request.method).collect()).collect()
    }

    #[test]
    fn a_pod_that_is_too_many_loses_its_finalizer_first_and_one_of_a_failed_job_keeps_it() {
        let one = json!({"parallelism": 1, "completions": 1});
        assert_eq!(phases(one), [[Method::Patch], [Method::Delete]]);
        let suspended = json!({"parallelism": 2, "completions": 2, "suspend": true});
        assert_eq!(phases(suspended), [[Method::Patch; 2], [Method::Delete; 2]]);
        let late = json!({"parallelism": 2, "completions": 2, "activeDeadlineSeconds": 10});
        assert_eq!(phases(late), [[Method::Delete; 2]]);
    }
}

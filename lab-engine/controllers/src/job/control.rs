//! One look at a Job: which Pods come and go, how those that ended are counted, and whether the Job has ended (`job_controller.go`).
//!
//! A Pod that ended is counted in three steps, so that none is lost or counted twice whatever fails in between: its UID goes into the status
//! (`uncountedTerminatedPods`), its finalizer is removed, its UID leaves the status and the number rises. A look takes all three, unless
//! one fails: [`decide`] says what is to be done up to the second, [`counted`] what the status is after it.

use super::indexes::Indexes;
use super::pods::{self, finished_at, index_of, is_failed, is_tracked, replaces_failed_only};
use super::policy::{Meaning, meaning, success};
use crate::pods::{delete_rank, is_active, is_ready, is_terminating};
use api::batch::{Job, JobStatus};
use api::core::Pod;
use api::meta::{Condition, condition, condition_is_true};
use client::EventType;
use sim::Time;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// So many Pods at most are created or deleted in one look (`MaxPodCreateDeletePerSync`), and so many wait to be counted.
const MAX_PODS: usize = 500;
/// The pause after the first failure, and the longest (`DefaultJobPodFailureBackOff`, `MaxJobPodFailureBackOff`).
const FIRST_BACKOFF: Duration = Duration::from_secs(10);
const LONGEST_BACKOFF: Duration = Duration::from_secs(600);

/// Failures since the last success, and when the last of them was (`backoffRecord`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// How many.
    pub failures: u32,
    /// When the last one ended.
    pub last: Option<Time>,
}

/// A Pod to create.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct New {
    /// Its index, if the Job is indexed.
    pub index: Option<i32>,
    /// How many Pods of the index failed before.
    pub failures: i32,
    /// How many failed without counting.
    pub ignored: i32,
}

/// What a look decides.
#[derive(Debug, Default)]
pub struct Decision {
    /// Pods to create.
    pub create: Vec<New>,
    /// Pods to delete.
    pub delete: Vec<Arc<Pod>>,
    /// Whether those keep their finalizer until they are counted, as failed, because the Job has ended (`deleteActivePods`). Pods that
    /// are merely too many lose it before and count for nothing (`deleteJobPods`).
    pub counts_deleted: bool,
    /// Pods whose finalizer may go once the status is written: they are counted, or need not be.
    pub release: Vec<Arc<Pod>>,
    /// The status, with the Pods that have ended noted in it.
    pub status: JobStatus,
    /// Type, reason and message of the condition that ends the Job, once all its Pods are counted and gone.
    pub finish: Option<(&'static str, String, String)>,
    /// What to tell once the status is written: type, reason, message.
    pub events: Vec<(EventType, String, String)>,
    /// When to look again.
    pub again: Option<Duration>,
    /// Failures, once the status is written.
    pub record: Record,
}

/// Whether the Job has ended (`IsJobFinished`).
pub fn is_finished(job: &Job) -> bool {
    condition_is_true(&job.status.conditions, "Complete") || condition_is_true(&job.status.conditions, "Failed")
}

fn is_indexed(job: &Job) -> bool {
    job.spec.completion_mode.as_deref() == Some("Indexed")
}

fn is_suspended(job: &Job) -> bool {
    job.spec.suspend == Some(true)
}

/// What is known and found out during a look (`syncJobCtx`).
struct Look<'a> {
    now: Time,
    job: &'a Job,
    pods: &'a [Arc<Pod>],
    active: Vec<&'a Arc<Pod>>,
    /// UIDs that wait to be counted.
    uncounted: BTreeSet<&'a str>,
    succeeded: i32,
    failed: i32,
    succeeded_indexes: Indexes,
    failed_indexes: Option<Indexes>,
    /// The last failed Pod of each index that will be tried again: it stays until its successor is there.
    delayed: BTreeMap<i32, &'a Arc<Pod>>,
    /// Type, reason and message of the condition that ends the Job.
    finish: Option<(&'static str, String, String)>,
}

/// Decides what to do now (`syncJob`). `settled` says that all the controller did before has been seen; `record` has the failures so far.
pub fn decide(now: Time, job: &Job, pods: &[Arc<Pod>], settled: bool, record: &Record) -> Decision {
    let mut decision = Decision { status: job.status.clone(), record: record.clone(), ..Decision::default() };
    if is_finished(job) || !managed(job) {
        release_all(job, pods, &mut decision);
        return decision;
    }
    let mut look = Look::new(now, job, pods);
    let (succeeded, failed) = look.newly_finished();
    look.count(&succeeded, &failed);
    decision.record = updated(record, &succeeded, &failed);
    if !is_suspended(job) && job.status.start_time.is_none() {
        decision.status.start_time = Some(now.into());
    }
    look.look_for_failure(&decision.status);
    if is_indexed(job) {
        look.count_indexes();
    }
    decision.again = look.deadline(&decision.status);
    look.act(settled, &mut decision);
    let (active, deleted) = (look.active.len() + decision.create.len() - decision.delete.len(), decision.delete.len());
    let gone: BTreeSet<&str> = decision.delete.iter().map(|pod| pod.metadata.uid.as_str()).collect();
    let ready = look.active.iter().filter(|pod| is_ready(pod) && !gone.contains(pod.metadata.uid.as_str())).count();
    let terminating = pods.iter().filter(|pod| is_terminating(pod)).count() + deleted;
    let number = |count: usize| Some(i32::try_from(count).unwrap_or(i32::MAX));
    decision.status.active = number(active).filter(|count| *count != 0);
    decision.status.ready = number(ready);
    decision.status.terminating = number(terminating);
    look.account(&mut decision);
    decision
}

/// Whether the Job controller looks after the Job (`controllerName`).
fn managed(job: &Job) -> bool {
    job.spec.managed_by.as_deref().is_none_or(|name| name == "kubernetes.io/job-controller")
}

/// What a status says of Pods that are counted or wait for it; as long as this has not changed, no Pod need be held back for it.
pub(crate) fn recorded(status: &JobStatus) -> impl PartialEq {
    let counts = (status.succeeded, status.failed, status.completed_indexes.clone(), status.failed_indexes.clone());
    (counts, status.uncounted_terminated_pods.clone().unwrap_or_default(), status.conditions.len())
}

/// The status after the finalizers of [`Decision::release`] are gone, but for those of the Pods in `kept`, whose removal failed
/// (`flushUncountedAndRemoveFinalizers`, `enactJobFinished`). With it, what more to tell once it is written.
pub fn counted(now: Time, job: &Job, decision: &Decision, kept: &BTreeSet<String>) -> (JobStatus, Vec<(EventType, String, String)>) {
    let (mut status, mut events) = (decision.status.clone(), Vec::new());
    if !managed(job) {
        return (status, events);
    }
    settle(&mut status, is_indexed(job), |uid| kept.contains(uid));
    let uncounted = status.uncounted_terminated_pods.iter().any(|pods| !pods.succeeded.is_empty() || !pods.failed.is_empty());
    if !uncounted && kept.is_empty() && status.terminating.unwrap_or(0) == 0 {
        events.extend(decision.finish.as_ref().map(|finish| end(now, finish, &mut status)));
    }
    (status, events)
}

/// Pods that have lost their finalizer leave the list of those to count, and count (`cleanUncountedPodsWithoutFinalizers`).
fn settle(status: &mut JobStatus, indexed: bool, is_tracked: impl Fn(&str) -> bool) {
    let Some(uncounted) = &mut status.uncounted_terminated_pods else { return };
    let settle = |uids: &mut Vec<String>, counter: &mut Option<i32>, counts: bool| {
        let before = uids.len();
        uids.retain(|uid| is_tracked(uid));
        let counted = i32::try_from(before - uids.len()).unwrap_or(0);
        if counts && counted > 0 {
            *counter = Some(counter.unwrap_or(0) + counted);
        }
    };
    settle(&mut uncounted.succeeded, &mut status.succeeded, !indexed);
    settle(&mut uncounted.failed, &mut status.failed, true);
}

/// The condition that ends the Job, and what to tell of it.
fn end(now: Time, (target, reason, message): &(&'static str, String, String), status: &mut JobStatus) -> (EventType, String, String) {
    let type_ = if *target == "FailureTarget" { "Failed" } else { "Complete" };
    status.conditions.push(new_condition(now, type_, "True", reason, message));
    if type_ == "Complete" {
        status.completion_time = Some(now.into());
        (EventType::Normal, "Completed".to_owned(), "Job completed".to_owned())
    } else {
        (EventType::Warning, reason.clone(), message.clone())
    }
}

/// Lets the Pods of a Job that has ended go.
fn release_all(job: &Job, pods: &[Arc<Pod>], decision: &mut Decision) {
    if managed(job) {
        decision.release = pods.iter().filter(|pod| is_tracked(pod)).cloned().collect();
    }
}

/// The record with the Pods that have ended since: failures after the last success (`newBackoffRecord`).
fn updated(record: &Record, succeeded: &[&Arc<Pod>], failed: &[&Arc<Pod>]) -> Record {
    let last_success = succeeded.iter().filter_map(|pod| finished_at(pod)).max();
    let mut record = if succeeded.is_empty() { record.clone() } else { Record::default() };
    let times = failed.iter().filter_map(|pod| finished_at(pod)).filter(|at| last_success.is_none_or(|success| *at > success));
    for at in times {
        record.failures = record.failures.saturating_add(1);
        record.last = record.last.max(Some(at));
    }
    record
}

/// How much is left of the pause after so many failures.
fn remaining(now: Time, failures: u32, last: Option<Time>) -> Option<Duration> {
    let doublings = failures.checked_sub(1)?;
    let pause = FIRST_BACKOFF.saturating_mul(2_u32.saturating_pow(doublings)).min(LONGEST_BACKOFF);
    Some(pause.saturating_sub(now.since(last?))).filter(|left| !left.is_zero())
}

impl<'a> Look<'a> {
    fn new(now: Time, job: &'a Job, pods: &'a [Arc<Pod>]) -> Self {
        let uncounted = job.status.uncounted_terminated_pods.iter();
        Look {
            now,
            job,
            pods,
            active: pods.iter().filter(|pod| is_active(pod)).collect(),
            uncounted: uncounted.flat_map(|pods| pods.succeeded.iter().chain(&pods.failed)).map(String::as_str).collect(),
            succeeded: 0,
            failed: 0,
            succeeded_indexes: Indexes::default(),
            failed_indexes: None,
            delayed: BTreeMap::new(),
            finish: None,
        }
    }

    fn completions(&self) -> i32 {
        self.job.spec.completions.unwrap_or(0)
    }

    fn per_index(&self) -> Option<i32> {
        self.job.spec.backoff_limit_per_index.filter(|_| is_indexed(self.job))
    }

    /// The index of a Pod, if the Job has it.
    fn valid_index(&self, pod: &Pod) -> Option<i32> {
        index_of(pod).filter(|index| *index < self.completions())
    }

    fn meaning(&self, pod: &Pod) -> Meaning {
        meaning(self.job.spec.pod_failure_policy.as_ref(), pod)
    }

    /// Pods that have ended and are in no number yet (`getNewFinishedPods`).
    fn newly_finished(&self) -> (Vec<&'a Arc<Pod>>, Vec<&'a Arc<Pod>>) {
        let new = |pod: &&Arc<Pod>| {
            is_tracked(pod)
                && !self.uncounted.contains(pod.metadata.uid.as_str())
                && (!is_indexed(self.job) || self.valid_index(pod).is_some())
        };
        let succeeded = self.pods.iter().filter(new).filter(|pod| pod.status.phase == "Succeeded").collect();
        let failed = self.pods.iter().filter(new).filter(|pod| is_failed(self.job, pod)).collect();
        (succeeded, failed)
    }

    fn count(&mut self, succeeded: &[&Arc<Pod>], failed: &[&Arc<Pod>]) {
        let uncounted = self.job.status.uncounted_terminated_pods.clone().unwrap_or_default();
        let number = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
        let counted = failed.iter().filter(|pod| self.meaning(pod) != Meaning::Ignore).count();
        self.succeeded = self.job.status.succeeded.unwrap_or(0) + number(succeeded.len() + uncounted.succeeded.len());
        self.failed = self.job.status.failed.unwrap_or(0) + number(counted + uncounted.failed.len());
    }

    /// Whether the Job as a whole has failed.
    fn look_for_failure(&mut self, status: &JobStatus) {
        let job = self.job;
        let failure = |reason: &str, message: &str| Some(("FailureTarget", reason.to_owned(), message.to_owned()));
        if let Some(target) = ["FailureTarget", "SuccessCriteriaMet"].into_iter().find(|type_| condition_is_true(&status.conditions, type_))
        {
            let old = condition(&status.conditions, target).cloned().unwrap_or_default();
            self.finish = Some((target, old.reason, old.message));
            return;
        }
        let failed = self.pods.iter().filter(|pod| is_failed(job, pod));
        let fatal = failed.filter(|_| job.spec.pod_failure_policy.is_some()).find_map(|pod| match self.meaning(pod) {
            Meaning::FailJob(why) => Some(why),
            _ => None,
        });
        let limit = job.spec.backoff_limit.unwrap_or(6);
        self.finish = if let Some(why) = fatal {
            failure("PodFailurePolicy", &why)
        } else if self.failed > limit || self.restarted_too_often(limit) {
            failure("BackoffLimitExceeded", "Job has reached the specified backoff limit")
        } else if self.deadline(status) == Some(Duration::ZERO) {
            failure("DeadlineExceeded", "Job was active longer than specified deadline")
        } else {
            None
        };
    }

    /// Whether containers that restart in place have failed too often (`pastBackoffLimitOnFailure`).
    fn restarted_too_often(&self, limit: i32) -> bool {
        if self.job.spec.template.spec.restart_policy != "OnFailure" {
            return false;
        }
        let running = self.pods.iter().filter(|pod| matches!(pod.status.phase.as_str(), "Running" | "Pending"));
        let statuses = running.flat_map(|pod| pod.status.init_container_statuses.iter().chain(&pod.status.container_statuses));
        let restarts = statuses.map(|status| status.restart_count).fold(0, i32::saturating_add);
        if limit == 0 { restarts > 0 } else { restarts >= limit }
    }

    /// How long the Job may still take; `None` without a deadline.
    fn deadline(&self, status: &JobStatus) -> Option<Duration> {
        let seconds = self.job.spec.active_deadline_seconds.filter(|_| !is_suspended(self.job))?;
        let start = status.start_time?.0;
        Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)).saturating_sub(self.now.since(start)))
    }

    /// Which indexes have succeeded and failed, and what that means for the Job.
    fn count_indexes(&mut self) {
        let (job, completions) = (self.job, self.completions());
        self.succeeded_indexes = Indexes::parse(&job.status.completed_indexes, completions);
        for pod in self.pods.iter().filter(|pod| is_tracked(pod) && pod.status.phase == "Succeeded") {
            if let Some(index) = self.valid_index(pod) {
                self.succeeded_indexes.insert(index);
            }
        }
        self.succeeded = self.succeeded_indexes.total();
        if let Some(limit) = self.per_index() {
            self.count_failed_indexes(limit);
        }
        if self.finish.is_none()
            && let Some(why) = success(job.spec.success_policy.as_ref(), completions, &self.succeeded_indexes)
        {
            self.finish = Some(("SuccessCriteriaMet", "SuccessPolicy".to_owned(), why));
        }
    }

    fn count_failed_indexes(&mut self, limit: i32) {
        let (job, completions) = (self.job, self.completions());
        let mut failed = Indexes::parse(job.status.failed_indexes.as_deref().unwrap_or(""), completions);
        let ended: Vec<(i32, &Arc<Pod>)> = self
            .pods
            .iter()
            .filter(|pod| is_tracked(pod) && is_failed(job, pod))
            .filter_map(|pod| Some((self.valid_index(pod)?, pod)))
            .collect();
        for (index, pod) in &ended {
            let given_up = match self.meaning(pod) {
                Meaning::FailIndex => true,
                Meaning::Ignore => false,
                _ => pods::failures_before(pod) >= limit,
            };
            if given_up {
                failed.insert(*index);
            }
        }
        let total = failed.total();
        if self.finish.is_none() {
            let failure = |reason: &str, message: &str| Some(("FailureTarget", reason.to_owned(), message.to_owned()));
            if job.spec.max_failed_indexes.is_some_and(|most| total > most) {
                self.finish = failure("MaxFailedIndexesExceeded", "Job has exceeded the specified maximal number of failed indexes");
            } else if total > 0 && total.saturating_add(self.succeeded_indexes.total()) >= completions {
                self.finish = failure("FailedIndexes", "Job has failed indexes");
            }
        }
        let active: BTreeSet<i32> = self.active.iter().filter_map(|pod| self.valid_index(pod)).collect();
        for (index, pod) in ended {
            if failed.contains(index) || active.contains(&index) || self.succeeded_indexes.contains(index) {
                continue;
            }
            let last = self.delayed.entry(index).or_insert(pod);
            if pods::all_failures_before(pod) > pods::all_failures_before(last) {
                *last = pod;
            }
        }
        self.failed_indexes = Some(failed);
    }

    /// Creates and deletes Pods, or ends the Job.
    fn act(&mut self, settled: bool, decision: &mut Decision) {
        if self.finish.is_some() {
            decision.delete = self.active.iter().map(|pod| Arc::clone(pod)).collect();
            decision.counts_deleted = true;
            if !settled {
                // There may be Pods that are not seen yet: it is too early to say that the Job has ended.
                self.finish = None;
            }
            return;
        }
        let manages = settled && !self.job.metadata.is_deleting();
        if manages {
            self.manage(decision);
        }
        let none_left = self.active.len() + decision.create.len() == decision.delete.len();
        let complete = match self.job.spec.completions {
            None => self.succeeded > 0 && none_left,
            Some(wanted) => self.succeeded >= wanted && none_left,
        };
        if complete {
            let message = "Reached expected number of succeeded pods".to_owned();
            self.finish = Some(("SuccessCriteriaMet", "CompletionsReached".to_owned(), message));
        } else if manages {
            self.tell_of_suspension(decision);
        }
    }

    fn tell_of_suspension(&self, decision: &mut Decision) {
        let suspended = is_suspended(self.job);
        let conditions = &mut decision.status.conditions;
        let was = condition_is_true(conditions, "Suspended");
        if suspended == was {
            return;
        }
        let (status, reason, event, message) = if suspended {
            ("True", "JobSuspended", "Suspended", "Job suspended")
        } else {
            ("False", "JobResumed", "Resumed", "Job resumed")
        };
        conditions.retain(|condition| condition.type_ != "Suspended");
        conditions.push(new_condition(self.now, "Suspended", status, reason, message));
        decision.events.push((EventType::Normal, event.to_owned(), message.to_owned()));
        if !suspended {
            decision.status.start_time = Some(self.now.into());
        }
    }

    /// Models `manageJob`.
    fn manage(&self, decision: &mut Decision) {
        let active = i32::try_from(self.active.len()).unwrap_or(i32::MAX);
        if is_suspended(self.job) {
            decision.delete = self.to_remove(self.active.len());
            return;
        }
        let parallelism = self.job.spec.parallelism.unwrap_or(1);
        let wanted = match self.job.spec.completions {
            None if self.succeeded > 0 => active,
            None => parallelism,
            Some(completions) => completions.saturating_sub(self.succeeded).min(parallelism).max(0),
        };
        decision.delete = self.to_remove(usize::try_from(active - wanted).unwrap_or(0));
        decision.delete.truncate(MAX_PODS);
        if !decision.delete.is_empty() {
            return;
        }
        let terminating = if replaces_failed_only(self.job) { self.pods.iter().filter(|pod| is_terminating(pod)).count() } else { 0 };
        let room = usize::try_from(wanted - active).unwrap_or(0).saturating_sub(terminating).min(MAX_PODS);
        if room == 0 {
            return;
        }
        if self.per_index().is_none()
            && let Some(left) = remaining(self.now, decision.record.failures, decision.record.last)
        {
            decision.again = Some(decision.again.map_or(left, |again| again.min(left)));
            return;
        }
        if !is_indexed(self.job) {
            decision.create = vec![New::default(); room];
            return;
        }
        self.create_indexes(room, decision);
    }

    /// New Pods for the first indexes that have none (`firstPendingIndexes`, `getPodCreationInfoForIndependentIndexes`).
    fn create_indexes(&self, room: usize, decision: &mut Decision) {
        let busy = |pod: &&Arc<Pod>| is_active(pod) || (replaces_failed_only(self.job) && is_terminating(pod));
        let mut taken = self.succeeded_indexes.clone();
        taken.extend(self.failed_indexes.as_ref().unwrap_or(&Indexes::default()));
        self.pods.iter().filter(busy).filter_map(|pod| self.valid_index(pod)).for_each(|index| taken.insert(index));
        let mut wait: Option<Duration> = None;
        for index in taken.absent(self.completions()).take(room) {
            let Some(last) = self.delayed.get(&index) else {
                decision.create.push(New { index: Some(index), ..New::default() });
                continue;
            };
            let (failures, ignored) = pods::failures_with(last, self.meaning(last) == Meaning::Ignore);
            let all = u32::try_from(failures.saturating_add(ignored)).unwrap_or(0);
            match remaining(self.now, all, finished_at(last)) {
                Some(left) => wait = Some(wait.map_or(left, |wait| wait.min(left))),
                None => decision.create.push(New { index: Some(index), failures, ignored }),
            }
        }
        decision.again = decision.again.into_iter().chain(wait).min();
    }

    /// At least so many of the active Pods: first those whose index is not the Job's or has another Pod (`activePodsForRemoval`).
    fn to_remove(&self, at_least: usize) -> Vec<Arc<Pod>> {
        let mut ranked: Vec<&Arc<Pod>> = self.active.clone();
        ranked.sort_by_cached_key(|pod| delete_rank(self.now, pod, 0));
        let (mut remove, mut stay): (Vec<Arc<Pod>>, Vec<&Arc<Pod>>) = (Vec::new(), Vec::new());
        let mut seen = BTreeSet::new();
        // Of several Pods of an index the one whose loss would hurt most stays.
        for pod in ranked.into_iter().rev() {
            match self.valid_index(pod) {
                Some(index) if !seen.insert(index) => remove.push(pod.clone()),
                None if is_indexed(self.job) => remove.push(pod.clone()),
                _ => stay.push(pod),
            }
        }
        let more = at_least.saturating_sub(remove.len());
        remove.extend(stay.into_iter().rev().take(more).cloned());
        remove
    }

    /// Notes the Pods that have ended, and says whose finalizers may then go (`trackJobStatusAndRemoveFinalizers`).
    fn account(&self, decision: &mut Decision) {
        let job = self.job;
        let tracked: BTreeSet<&str> = self.pods.iter().filter(|pod| is_tracked(pod)).map(|pod| pod.metadata.uid.as_str()).collect();
        decision.finish = self.finish.clone();
        let status = &mut decision.status;
        settle(status, is_indexed(job), |uid| tracked.contains(uid));
        let mut uncounted = status.uncounted_terminated_pods.take().unwrap_or_default();
        let fails = self.finish.as_ref().is_some_and(|(type_, ..)| *type_ == "FailureTarget");
        for pod in self.pods.iter().filter(|pod| is_tracked(pod)) {
            let failed = is_failed(job, pod);
            if !self.may_release(pod, failed) {
                continue;
            }
            if uncounted.succeeded.len() + uncounted.failed.len() >= MAX_PODS {
                decision.finish = None;
                break;
            }
            decision.release.push(pod.clone());
            let known = |uids: &[String]| uids.contains(&pod.metadata.uid);
            if pod.status.phase == "Succeeded" && !known(&uncounted.failed) {
                if !is_indexed(job) && !known(&uncounted.succeeded) {
                    uncounted.succeeded.push(pod.metadata.uid.clone());
                }
            } else if (failed || fails)
                && !known(&uncounted.failed)
                && (!is_indexed(job) || self.valid_index(pod).is_some())
                && self.meaning(pod) != Meaning::Ignore
            {
                uncounted.failed.push(pod.metadata.uid.clone());
            }
        }
        status.uncounted_terminated_pods = Some(uncounted);
        if is_indexed(job) {
            status.succeeded = Some(self.succeeded_indexes.total()).filter(|total| *total != 0);
            status.completed_indexes = self.succeeded_indexes.to_string();
            status.failed_indexes = self.failed_indexes.as_ref().map(Indexes::to_string);
        }
        if let Some((type_, reason, message)) = &self.finish
            && !condition_is_true(&status.conditions, type_)
        {
            status.conditions.push(new_condition(self.now, type_, "True", reason, message));
        }
    }

    /// Whether a Pod's finalizer may go once the Pod is counted (`canRemoveFinalizer`).
    fn may_release(&self, pod: &Pod, failed: bool) -> bool {
        if self.job.metadata.is_deleting() || self.finish.is_some() || pod.status.phase == "Succeeded" {
            return true;
        }
        let delayed = self.valid_index(pod).and_then(|index| self.delayed.get(&index));
        failed && delayed.is_none_or(|last| last.metadata.uid != pod.metadata.uid)
    }
}

fn new_condition(now: Time, type_: &str, status: &str, reason: &str, message: &str) -> Condition {
    Condition {
        type_: type_.to_owned(),
        status: status.to_owned(),
        last_probe_time: Some(now.into()),
        last_transition_time: Some(now.into()),
        reason: reason.to_owned(),
        message: message.to_owned(),
        ..Condition::default()
    }
}

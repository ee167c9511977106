//! The CronJob controller: Jobs at set times (`pkg/controller/cronjob/cronjob_controllerv2.go`). What to do is decided in [`control`].

pub(crate) mod control;

use crate::caches::{BY_CONTROLLER, Caches};
use crate::driver::{Answer, Call, Conclusion, Controller, Plan, Sink, succeeded};
use api::Resource;
use api::batch::{CronJob, CronJobStatus, Job};
use api::core::ObjectReference;
use api::http::{Body, Method, Request, ResourcePath};
use api::meta::Timestamp;
use client::{EventType, ObjectKey};
use control::{Checked, decide, has_unlisted, unseen};
use serde_json::json;
use sim::Time;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A Job that the store has and the cache not yet is looked for again after this.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a write is for.
#[derive(Clone, Debug)]
pub(crate) enum Note {
    /// Whether the Job with this UID still exists.
    Seek(String),
    /// Which Jobs the status lists.
    Recheck,
    Create(Arc<CronJob>, Timestamp, String),
    /// What the Job is that was there already.
    Exists(Arc<CronJob>, Timestamp),
    Delete(Arc<CronJob>, Arc<Job>),
    Status,
}

/// What comes of a look under way.
#[derive(Debug, Default)]
struct Pending {
    status: Option<CronJobStatus>,
    /// For which time a Job was to be made that was there already, and its name.
    exists: Option<(Arc<CronJob>, Timestamp, String)>,
    again: Option<Duration>,
}

/// Makes Jobs at set times.
#[derive(Debug, Default)]
pub(crate) struct CronJobController {
    pending: BTreeMap<ObjectKey, Pending>,
    /// What the API server said, until a look has taken notice.
    checked: BTreeMap<ObjectKey, Checked>,
}

fn reference(job: &Job) -> ObjectReference {
    ObjectReference {
        kind: Job::INFO.kind.clone().into_owned(),
        api_version: Job::INFO.api_version(),
        namespace: job.metadata.namespace.clone(),
        name: job.metadata.name.clone(),
        uid: job.metadata.uid.clone(),
        resource_version: job.metadata.resource_version.to_string(),
        ..ObjectReference::default()
    }
}

fn delete_call(cron_job: &Arc<CronJob>, job: &Arc<Job>) -> Call<Note> {
    let path = ResourcePath::object(Job::INFO, &job.metadata.namespace, &job.metadata.name);
    let request = Request::new(Method::Delete, path).body(Body::Json(json!({"propagationPolicy": "Background"})));
    Call { request, note: Note::Delete(cron_job.clone(), job.clone()) }
}

impl CronJobController {
    /// Asks about Jobs that are said to run and are not in the cache, and about those that run and are not said to: the cache of either
    /// kind may be behind. `None` when there are none, or all was asked.
    fn check(&mut self, key: &ObjectKey, cron_job: &CronJob, jobs: &[Arc<Job>]) -> Option<Plan<Note>> {
        let checked = self.checked.get(key);
        let unknown = unseen(cron_job, jobs).into_iter().filter(|job| !checked.is_some_and(|checked| checked.gone.contains(&job.uid)));
        let seek = |job: &ObjectReference| {
            let path = ResourcePath::object(Job::INFO, &cron_job.metadata.namespace, &job.name);
            Call { request: Request::new(Method::Get, path), note: Note::Seek(job.uid.clone()) }
        };
        let mut calls: Vec<Call<Note>> = unknown.map(seek).collect();
        if has_unlisted(cron_job, jobs) && checked.is_none() {
            calls.push(Call::get(cron_job, Note::Recheck));
        }
        if calls.is_empty() {
            return None;
        }
        self.pending.insert(key.clone(), Pending { again: Some(PATIENCE), ..Pending::default() });
        Some(Plan { phases: [calls].into(), ..Plan::default() })
    }
}

impl Controller for CronJobController {
    type Note = Note;

    /// Models `syncCronJob` and `cleanupFinishedJobs`.
    fn reconcile(&mut self, now: Time, caches: &Caches, key: &ObjectKey, sink: &mut Sink<'_>) -> Plan<Note> {
        let mut plan = Plan::default();
        self.pending.remove(key);
        let Some(cron_job) = caches.cron_jobs.lister().get(key) else {
            self.checked.remove(key);
            return plan;
        };
        let jobs: Vec<Arc<Job>> = caches.jobs.lister().by_index(BY_CONTROLLER, &cron_job.metadata.uid).cloned().collect();
        if let Some(checking) = self.check(key, cron_job, &jobs) {
            return checking;
        }
        let checked = self.checked.remove(key).unwrap_or_default();
        let decision = decide(now, cron_job, &jobs, &checked);
        for (kind, reason, message) in &decision.events {
            sink.event(cron_job.as_ref(), *kind, reason, message);
        }
        let deletions: Vec<_> = decision.delete.iter().map(|job| delete_call(cron_job, job)).collect();
        let said = match &decision.create {
            Some(job) => format!("create {} and delete {} Jobs", job.metadata.name, deletions.len()),
            None => format!("delete {} Jobs", deletions.len()),
        };
        plan.decision = (!deletions.is_empty() || decision.create.is_some()).then(|| (cron_job.object_ref(), said));
        plan.phases.extend((!deletions.is_empty()).then_some(deletions));
        if let (Some(job), Some(scheduled)) = (decision.create, decision.scheduled) {
            let note = Note::Create(cron_job.clone(), scheduled, job.metadata.name.clone());
            plan.phases.push_back(vec![Call::create(*job, note)]);
        }
        self.pending.insert(key.clone(), Pending { status: Some(decision.status), exists: None, again: decision.again });
        plan
    }

    fn answered(&mut self, key: &ObjectKey, note: &Note, answer: Answer, sink: &mut Sink<'_>) -> Result<(), String> {
        match (note, answer) {
            (Note::Seek(uid), answer) => {
                let is_gone = match answer {
                    Ok(object) => object.metadata().uid != *uid,
                    Err(refusal) if refusal.code == 404 => true,
                    Err(refusal) => return Err(refusal.message),
                };
                if is_gone {
                    self.checked.entry(key.clone()).or_default().gone.insert(uid.clone());
                    self.pending.entry(key.clone()).or_default().again = Some(Duration::ZERO);
                }
                Ok(())
            }
            (Note::Recheck, answer) => {
                let live = answer.map_err(|refusal| refusal.message)?;
                let active = live.as_kind::<CronJob>().map(|live| &live.status.active);
                let listed = active.into_iter().flatten().map(|job| job.uid.clone());
                self.checked.entry(key.clone()).or_default().listed.extend(listed);
                self.pending.entry(key.clone()).or_default().again = Some(Duration::ZERO);
                Ok(())
            }
            (Note::Status, answer) => succeeded(answer),
            (Note::Create(cron_job, scheduled, _), Ok(object)) => {
                if let (Some(job), Some(status)) =
                    (object.as_kind::<Job>(), self.pending.get_mut(key).and_then(|pending| pending.status.as_mut()))
                {
                    status.active.push(reference(job));
                    status.last_schedule_time = Some(*scheduled);
                }
                let message = format!("Created job {}", object.metadata().name);
                sink.event(cron_job.as_ref(), EventType::Normal, "SuccessfulCreate", &message);
                Ok(())
            }
            (Note::Create(cron_job, scheduled, name), Err(refusal))
                if refusal.code == 409 && refusal.message.ends_with("already exists") =>
            {
                self.pending.entry(key.clone()).or_default().exists = Some((cron_job.clone(), *scheduled, name.clone()));
                Ok(())
            }
            (Note::Exists(cron_job, scheduled), answer) => {
                let live = answer.map_err(|refusal| refusal.message)?;
                let own = |job: &&Arc<Job>| job.metadata.controller().is_some_and(|owner| owner.uid == cron_job.metadata.uid);
                if let (Some(job), Some(status)) =
                    (live.as_kind::<Job>().filter(own), self.pending.get_mut(key).and_then(|pending| pending.status.as_mut()))
                    && !status.active.iter().any(|other| other.uid == job.metadata.uid)
                {
                    status.active.push(reference(job));
                    status.last_schedule_time = Some(*scheduled);
                }
                Ok(())
            }
            (Note::Create(..), Err(refusal)) if refusal.namespace_terminating => Err(refusal.message),
            (Note::Create(cron_job, ..), Err(refusal)) => {
                let message = format!("Error creating job: {}", refusal.message);
                sink.event(cron_job.as_ref(), EventType::Warning, "FailedCreate", &message);
                Err(refusal.message)
            }
            (Note::Delete(cron_job, job), Ok(_)) => {
                let message = format!("Deleted job {}", job.metadata.name);
                sink.event(cron_job.as_ref(), EventType::Normal, "SuccessfulDelete", &message);
                Ok(())
            }
            (Note::Delete(..), Err(refusal)) if refusal.code == 404 => Ok(()),
            (Note::Delete(cron_job, _), Err(refusal)) => {
                let message = format!("Deleted job: {}", refusal.message);
                sink.event(cron_job.as_ref(), EventType::Warning, "FailedDelete", &message);
                Err(refusal.message)
            }
        }
    }

    /// Asks the server about a Job that was there already: it may be one that was made before, and what came of it was lost.
    fn proceed(&mut self, _now: Time, _caches: &Caches, key: &ObjectKey, _sink: &mut Sink<'_>) -> Vec<Call<Note>> {
        let existing = self.pending.get_mut(key).and_then(|pending| pending.exists.take());
        let ask = |(cron_job, scheduled, name): (Arc<CronJob>, Timestamp, String)| {
            let path = ResourcePath::object(Job::INFO, &key.namespace, &name);
            Call { request: Request::new(Method::Get, path), note: Note::Exists(cron_job, scheduled) }
        };
        existing.map(ask).into_iter().collect()
    }

    /// Writes the status with the Job that was made, and looks again at the next time.
    fn conclude(&mut self, _now: Time, caches: &Caches, key: &ObjectKey, _failure: Option<&str>) -> Conclusion<Note> {
        let pending = self.pending.remove(key).unwrap_or_default();
        let (Some(cron_job), Some(status)) = (caches.cron_jobs.lister().get(key), pending.status) else {
            return (None, pending.again);
        };
        if status == cron_job.status {
            return (None, pending.again);
        }
        (Some(Call::update_status(CronJob { status, ..CronJob::clone(cron_job) }, Note::Status)), pending.again)
    }
}

//! One look at a CronJob: which start is due, what becomes of Jobs that still run, which old ones go (`cronjob_controllerv2.go`, `utils.go`).
//!
//! **Simplified here:** a CronJob without a time zone runs in UTC, as a controller manager in a container does.

use crate::claims::controller_reference;
use crate::job::control::is_finished;
use api::batch::{CronJob, CronJobStatus, Job};
use api::core::ObjectReference;
use api::cron::Schedule;
use api::meta::{Timestamp, condition_is_true};
use api::time_zone::TimeZone;
use client::EventType;
use sim::Time;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// A look comes so much after the time that it is for (`nextScheduleDelta`).
const DELTA: Duration = Duration::from_millis(100);
/// After so many missed starts the controller warns.
const MANY: i64 = 100;
/// The annotation with the time that a Job is for (`CronJobScheduledTimestampAnnotation`).
const SCHEDULED: &str = "batch.kubernetes.io/cronjob-scheduled-timestamp";

/// How many starts were missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missed {
    /// None.
    None,
    /// Up to a hundred.
    Few,
    /// More.
    Many,
}

/// Type, reason and message of an event.
pub type Told = (EventType, &'static str, String);

/// What the API server said when it was asked about Jobs that status and cache do not agree on.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    /// UIDs of Jobs that are certainly gone.
    pub gone: BTreeSet<String>,
    /// UIDs of the Jobs that the CronJob's status lists.
    pub listed: BTreeSet<String>,
}

/// What a look decides.
#[derive(Debug, Default)]
pub struct Decision {
    /// What to tell.
    pub events: Vec<Told>,
    /// Jobs to delete: those that are replaced, and old ones.
    pub delete: Vec<Arc<Job>>,
    /// The Job to create.
    pub create: Option<Box<Job>>,
    /// The status, but for the Job to create.
    pub status: CronJobStatus,
    /// The time that the Job to create is for.
    pub scheduled: Option<Timestamp>,
    /// When to look again.
    pub again: Option<Duration>,
}

fn instant(unix: i64) -> Option<Time> {
    Some(Time::from_secs(u64::try_from(unix - Time::EPOCH).ok()?))
}

/// The first time after the last start, the last time that is not after `now`, and how many were missed (`mostRecentScheduleTime`); in
/// seconds since 1970-01-01T00:00:00Z.
///
/// # Errors
/// When the schedule has no two times.
pub fn most_recent(
    cron_job: &CronJob,
    now: i64,
    schedule: &Schedule,
    zone: &TimeZone,
    with_deadline: bool,
) -> Result<(i64, Option<i64>, Missed), String> {
    let since = cron_job.status.last_schedule_time.or(cron_job.metadata.creation_timestamp).unwrap_or_default();
    let mut earliest = since.0.unix_seconds();
    if let Some(seconds) = cron_job.spec.starting_deadline_seconds.filter(|_| with_deadline) {
        earliest = earliest.max(now.saturating_sub(seconds));
    }
    let next = |after| schedule.next(after, zone);
    let none = || "time difference between two schedules is less than 1 second".to_owned();
    let first = next(earliest).ok_or_else(none)?;
    if now < first {
        return Ok((earliest, None, Missed::None));
    }
    let second = next(first).ok_or_else(none)?;
    if now < second {
        return Ok((earliest, Some(first), Missed::None));
    }
    let gap = second - first;
    let missed = (now - first) / gap + 1;
    // A rough guess that goes one step too far back; the schedule itself finds the way from there.
    let mut recent = None;
    let mut at = next(first + (missed - 2) * gap);
    while let Some(time) = at.filter(|time| *time <= now) {
        recent = Some(time);
        at = next(time);
    }
    let sort = if missed > MANY { Missed::Many } else { Missed::Few };
    Ok((earliest, recent, sort))
}

/// The time of the next look (`nextScheduleTimeDuration`).
pub fn next_start(cron_job: &CronJob, now: i64, schedule: &Schedule, zone: &TimeZone) -> Option<i64> {
    let from = match most_recent(cron_job, now, schedule, zone, false) {
        Ok((_, Some(recent), _)) => recent,
        Ok((earliest, None, Missed::None)) => earliest,
        _ => now,
    };
    schedule.next(from, zone)
}

/// The Jobs of a status that are not among `jobs`: they may be gone, or not be in the cache yet.
pub(crate) fn unseen<'c>(cron_job: &'c CronJob, jobs: &[Arc<Job>]) -> Vec<&'c ObjectReference> {
    let seen = |reference: &&ObjectReference| !jobs.iter().any(|job| job.metadata.uid == reference.uid);
    cron_job.status.active.iter().filter(seen).collect()
}

/// Whether there are Jobs that run and that the status does not list.
pub(crate) fn has_unlisted(cron_job: &CronJob, jobs: &[Arc<Job>]) -> bool {
    let listed = |job: &Arc<Job>| cron_job.status.active.iter().any(|reference| reference.uid == job.metadata.uid);
    jobs.iter().any(|job| !is_finished(job) && !listed(job))
}

/// Decides what to do now (`syncCronJob`, `cleanupFinishedJobs`). `jobs` are the CronJob's.
pub fn decide(now: Time, cron_job: &CronJob, jobs: &[Arc<Job>], checked: &Checked) -> Decision {
    let mut decision = Decision { status: cron_job.status.clone(), ..Decision::default() };
    look_at_jobs(cron_job, jobs, checked, &mut decision);
    if !cron_job.metadata.is_deleting() {
        start(now, cron_job, jobs, &mut decision);
    }
    decision.delete.extend(beyond_history(cron_job, jobs));
    decision
}

/// Brings the list of active Jobs up to date.
fn look_at_jobs(cron_job: &CronJob, jobs: &[Arc<Job>], checked: &Checked, decision: &mut Decision) {
    let status = &mut decision.status;
    for job in jobs {
        let listed = cron_job.status.active.iter().any(|reference| reference.uid == job.metadata.uid);
        let finished = is_finished(job);
        if !listed && !finished && !checked.listed.contains(&job.metadata.uid) {
            let message = format!("Saw a job that the controller did not create or forgot: {}", job.metadata.name);
            decision.events.push((EventType::Warning, "UnexpectedJob", message));
        } else if listed && finished {
            let state = if condition_is_true(&job.status.conditions, "Complete") { "Complete" } else { "Failed" };
            status.active.retain(|reference| reference.uid != job.metadata.uid);
            let message = format!("Saw completed job: {}, condition: {state}", job.metadata.name);
            decision.events.push((EventType::Normal, "SawCompletedJob", message));
        }
        if condition_is_true(&job.status.conditions, "Complete") && job.status.completion_time > status.last_successful_time {
            status.last_successful_time = job.status.completion_time;
        }
    }
    for reference in unseen(cron_job, jobs).into_iter().filter(|reference| checked.gone.contains(&reference.uid)) {
        status.active.retain(|other| other.uid != reference.uid);
        decision.events.push((EventType::Normal, "MissingJob", format!("Active job went missing: {}", reference.name)));
    }
}

/// Starts a Job if one is due.
fn start(now: Time, cron_job: &CronJob, jobs: &[Arc<Job>], decision: &mut Decision) {
    let spec = &cron_job.spec;
    let name = spec.time_zone.as_deref();
    let Some(zone) = TimeZone::load(name.unwrap_or_default()) else {
        let name = name.unwrap_or_default();
        let message = format!("invalid timeZone: {name:?}: unknown time zone {name}");
        return decision.events.push((EventType::Warning, "UnknownTimeZone", message));
    };
    if spec.suspend == Some(true) {
        return;
    }
    if spec.schedule.contains("TZ") {
        let message = format!(
            "CRON_TZ or TZ used in schedule {:?} is not officially supported, see \
             https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details",
            spec.schedule
        );
        decision.events.push((EventType::Warning, "UnsupportedSchedule", message));
    }
    let schedule = match Schedule::parse(&spec.schedule) {
        Ok(schedule) => schedule,
        Err(error) => {
            let message = format!("unparseable schedule: {:?} : {error}", spec.schedule);
            return decision.events.push((EventType::Warning, "UnparseableSchedule", message));
        }
    };
    let seconds = now.unix_seconds();
    let (due, missed) = match most_recent(cron_job, seconds, &schedule, &zone, true) {
        Ok((_, due, missed)) => (due, missed),
        Err(error) => {
            let message = format!("invalid schedule: {} : {error}", spec.schedule);
            return decision.events.push((EventType::Warning, "InvalidSchedule", message));
        }
    };
    let again = |cron_job: &CronJob| {
        let next = next_start(cron_job, seconds, &schedule, &zone).and_then(instant)?;
        Some(next.since(now) + DELTA)
    };
    decision.again = again(cron_job);
    let Some(at) = due.and_then(instant) else { return };
    if missed == Missed::Many {
        let message = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew".to_owned();
        decision.events.push((EventType::Warning, "TooManyMissedTimes", message));
    }
    let deadline = spec.starting_deadline_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    if deadline.is_some_and(|seconds| at + Duration::from_secs(seconds) < now) {
        let message = format!("Missed scheduled time to start a job: {}", rfc1123z(at));
        return decision.events.push((EventType::Warning, "MissSchedule", message));
    }
    let job_name = format!("{}-{}", cron_job.metadata.name, at.unix_seconds() / 60);
    let runs = decision.status.active.iter().any(|reference| reference.name == job_name);
    if runs || cron_job.status.last_schedule_time.is_some_and(|last| last.0 == at) {
        return;
    }
    match spec.concurrency_policy.as_str() {
        "Forbid" if !decision.status.active.is_empty() => {
            let message = "Not starting job because prior execution is running and concurrency policy is Forbid".to_owned();
            return decision.events.push((EventType::Normal, "JobAlreadyActive", message));
        }
        "Replace" => {
            let active = std::mem::take(&mut decision.status.active);
            let listed = |job: &&Arc<Job>| active.iter().any(|reference| reference.uid == job.metadata.uid);
            decision.delete.extend(jobs.iter().filter(listed).cloned());
        }
        _ => {}
    }
    decision.create = Some(Box::new(new_job(cron_job, job_name, at, &zone)));
    decision.scheduled = Some(at.into());
    let started = CronJob { status: CronJobStatus { last_schedule_time: Some(at.into()), ..cron_job.status.clone() }, ..cron_job.clone() };
    decision.again = again(&started);
}

/// The Job for a time (`getJobFromTemplate2`).
fn new_job(cron_job: &CronJob, name: String, at: Time, zone: &TimeZone) -> Job {
    let template = &cron_job.spec.job_template;
    let mut job = Job { spec: template.spec.clone(), ..Job::default() };
    job.metadata.name = name;
    job.metadata.namespace.clone_from(&cron_job.metadata.namespace);
    job.metadata.labels.clone_from(&template.metadata.labels);
    job.metadata.annotations.clone_from(&template.metadata.annotations);
    job.metadata.annotations.insert(SCHEDULED.to_owned(), local_rfc3339(at, zone));
    job.metadata.owner_references = vec![controller_reference(cron_job)].into();
    job
}

/// A time with the zone's offset, for example `2026-05-04T10:00:00+02:00`.
fn local_rfc3339(at: Time, zone: &TimeZone) -> String {
    let offset = zone.offset_at(at.unix_seconds());
    if offset == 0 {
        return at.rfc3339();
    }
    let local = instant(at.unix_seconds() + offset).unwrap_or(at).rfc3339();
    let (sign, size) = (if offset < 0 { '-' } else { '+' }, offset.abs() / 60);
    format!("{}{sign}{:02}:{:02}", local.trim_end_matches('Z'), size / 60, size % 60)
}

/// A time as `Mon, 04 May 2026 08:00:00 +0000`.
fn rfc1123z(at: Time) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let text = at.rfc3339();
    let weekday = usize::try_from(at.unix_seconds().div_euclid(86_400).rem_euclid(7)).unwrap_or(0);
    let part = |range: std::ops::Range<usize>| text.get(range).unwrap_or_default();
    let month = part(5..7).parse::<usize>().ok().and_then(|month| MONTHS.get(month.checked_sub(1)?)).copied().unwrap_or_default();
    format!("{}, {} {month} {} {} +0000", DAYS[weekday], part(8..10), part(0..4), part(11..19))
}

/// The oldest Jobs that have ended beyond the limits.
fn beyond_history(cron_job: &CronJob, jobs: &[Arc<Job>]) -> Vec<Arc<Job>> {
    let limits = [("Complete", cron_job.spec.successful_jobs_history_limit), ("Failed", cron_job.spec.failed_jobs_history_limit)];
    let mut all = Vec::new();
    for (type_, limit) in limits {
        let Some(limit) = limit.and_then(|limit| usize::try_from(limit).ok()) else { continue };
        let ended = |job: &&Arc<Job>| condition_is_true(&job.status.conditions, type_) && !job.metadata.is_deleting();
        let mut of_type: Vec<&Arc<Job>> = jobs.iter().filter(ended).collect();
        // Those that never started count as the youngest.
        of_type.sort_by_key(|job| (job.status.start_time.is_none(), job.status.start_time, job.metadata.name.clone()));
        let excess = of_type.len().saturating_sub(limit);
        all.extend(of_type.into_iter().take(excess).cloned());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::json::decode;
    use serde_json::{Value, json};

    fn cron_job(spec: Value, status: Value) -> CronJob {
        let mut spec = spec;
        spec["jobTemplate"] = json!({"metadata": {"labels": {"app": "tick"}}, "spec": {"template": {}}});
        decode(json!({"metadata": {"name": "tick", "namespace": "default", "uid": "u", "creationTimestamp": "2026-05-04T08:00:00Z"},
            "spec": spec, "status": status}))
        .unwrap()
    }

    fn at(text: &str) -> Time {
        Time::parse_rfc3339(text).unwrap()
    }

    fn look(spec: Value, now: &str) -> Decision {
        decide(at(now), &cron_job(spec, json!({})), &[], &Checked::default())
    }

    #[test]
    fn a_job_is_named_after_its_minute_and_says_its_time_in_its_zone() {
        let decision = look(json!({"schedule": "5 10 * * *", "timeZone": "Europe/Berlin"}), "2026-05-04T08:05:01Z");
        let job = decision.create.unwrap();
        assert_eq!(job.metadata.name, format!("tick-{}", at("2026-05-04T08:05:00Z").unix_seconds() / 60));
        assert_eq!(job.metadata.annotations[SCHEDULED], "2026-05-04T10:05:00+02:00");
        assert_eq!(decision.again, Some(Duration::from_millis(86_399_100)));
        assert_eq!(job.metadata.owner_references[0].kind, "CronJob");
    }

    #[test]
    fn a_zone_in_the_schedule_is_used_and_warned_of() {
        let decision = look(json!({"schedule": "TZ=UTC 0 * * * *"}), "2026-05-04T09:00:30Z");
        assert_eq!((decision.events[0].1, decision.create.is_some()), ("UnsupportedSchedule", true));
    }

    #[test]
    fn what_is_too_late_is_missed_and_what_is_missed_is_made_up_for_once() {
        let late = look(json!({"schedule": "0 * * * *", "startingDeadlineSeconds": 10}), "2026-05-04T11:30:00Z");
        assert!(late.create.is_none() && late.events.is_empty());
        let made_up = look(json!({"schedule": "0 * * * *"}), "2026-05-04T11:30:00Z");
        assert_eq!(made_up.scheduled, Some(at("2026-05-04T11:00:00Z").into()));
        let many = look(json!({"schedule": "* * * * *"}), "2026-05-04T11:30:00Z");
        assert_eq!((many.events[0].1, many.create.is_some()), ("TooManyMissedTimes", true));
        assert_eq!(rfc1123z(at("2026-05-04T11:30:00Z")), "Mon, 04 May 2026 11:30:00 +0000");
    }

    #[test]
    fn a_job_that_still_runs_holds_or_yields_by_the_policy() {
        let running: Arc<Job> = Arc::new(decode(json!({"metadata": {"name": "tick-1", "uid": "j"}})).unwrap());
        let with = |policy: &str| {
            let cron_job = cron_job(
                json!({"schedule": "0 * * * *", "concurrencyPolicy": policy}),
                json!({"active": [{"name": "tick-1", "uid": "j"}]}),
            );
            let decision = decide(at("2026-05-04T09:00:00Z"), &cron_job, std::slice::from_ref(&running), &Checked::default());
            (decision.create.is_some(), decision.delete.len(), decision.status.active.len())
        };
        assert_eq!((with("Allow"), with("Forbid"), with("Replace")), ((true, 0, 1), (false, 0, 1), (true, 1, 0)));
    }
}

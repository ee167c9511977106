//! CronJobs (`cronjob.json`).
//!
//! | op | input | expect |
//! | --- | --- | --- |
//! | `most-recent-schedule` | `cronJob`, `now`, `includeStartingDeadlineSeconds` | `earliestTime`, `mostRecentTime`, `missed`, or `error` |
//! | `next-schedule` | `cronJob`, `now` | `nextScheduleTime`, `secondsUntilNext` |
//! | `unmet-starts` | `cronJob`, `now` | `unmetStarts`, or `error` when they are too many |
//! | `cronjob-sync` | `cronJob`, `jobs`, `now` | what a look does: see [`sync`] |

use super::{compare, object, objects, parts, time, unknown};
use crate::read::only_keys;
use crate::{Miss, Outcome};
use api::batch::{CronJob, Job};
use api::core::ObjectReference;
use api::cron::Schedule;
use api::time_zone::TimeZone;
use client::EventType;
use controllers::facts::cron_job::{Checked, Missed, decide, most_recent, next_start};
use serde_json::{Value, json};
use sim::Time;
use std::sync::Arc;

/// The pause of upstream after the time of a start.
const DELTA_MILLIS: u128 = 100;
/// Upstream gave up beyond so many missed starts.
const MOST_STARTS: usize = 100;

/// Runs a case.
pub(crate) fn run(case: &Value) -> Outcome {
    let (op, input, expect) = parts(case)?;
    let cron_job: CronJob = object("cronJob", &input["cronJob"])?;
    let now = time("now", &input["now"])?;
    if op == "cronjob-sync" {
        only_keys("input", &input, &["cronJob", "jobs", "now"])?;
        return compare(&expect, &sync(now, &cron_job, &objects("jobs", &input["jobs"])?));
    }
    let schedule = Schedule::parse(&cron_job.spec.schedule).map_err(Miss::Malformed)?;
    let zone = TimeZone::load(cron_job.spec.time_zone.as_deref().unwrap_or_default())
        .ok_or_else(|| Miss::Malformed("the time zone is not known".to_owned()))?;
    let seconds = now.unix_seconds();
    let found = match op {
        "most-recent-schedule" => {
            let with_deadline = input["includeStartingDeadlineSeconds"] == true;
            match most_recent(&cron_job, seconds, &schedule, &zone, with_deadline) {
                Err(_) => json!({"error": true}),
                Ok((earliest, recent, missed)) => {
                    let missed = match missed {
                        Missed::None => "none",
                        Missed::Few => "few",
                        Missed::Many => "many",
                    };
                    json!({"earliestTime": shown(earliest), "mostRecentTime": recent.map(shown), "missed": missed, "error": false})
                }
            }
        }
        "next-schedule" => {
            let next = next_start(&cron_job, seconds, &schedule, &zone);
            json!({"nextScheduleTime": next.map(shown), "secondsUntilNext": next.map(|next| next - seconds)})
        }
        "unmet-starts" => {
            let since = cron_job.status.last_schedule_time.or(cron_job.metadata.creation_timestamp).unwrap_or_default();
            let deadline = cron_job.spec.starting_deadline_seconds.map_or(i64::MIN, |deadline| seconds.saturating_sub(deadline));
            let since = since.0.unix_seconds().max(deadline);
            let starts = std::iter::successors(schedule.next(since, &zone), |at| schedule.next(*at, &zone));
            let starts: Vec<String> = starts.take_while(|at| *at <= seconds).take(MOST_STARTS + 1).map(shown).collect();
            if starts.len() > MOST_STARTS { json!({"error": true}) } else { json!({"unmetStarts": starts, "error": false}) }
        }
        other => return Err(unknown(other)),
    };
    compare(&expect, &found)
}

fn shown(unix: i64) -> String {
    Time::from_secs(u64::try_from(unix - Time::EPOCH).unwrap_or(0)).rfc3339()
}

/// What a look at a CronJob does, when all that it writes succeeds: whether it makes a Job, whether it deletes one that runs, how many are
/// active then, how many warnings it gives, when it looks again, whether it writes the status.
fn sync(now: Time, cron_job: &CronJob, jobs: &[Arc<Job>]) -> Value {
    let gone = cron_job.status.active.iter().map(|job| job.uid.clone()).filter(|uid| !jobs.iter().any(|job| job.metadata.uid == *uid));
    let decision = decide(now, cron_job, jobs, &Checked { gone: gone.collect(), ..Checked::default() });
    let mut status = decision.status;
    if let Some(job) = &decision.create {
        status.active.push(ObjectReference { name: job.metadata.name.clone(), ..ObjectReference::default() });
        status.last_schedule_time = decision.scheduled;
    }
    let was_active = |job: &Arc<Job>| cron_job.status.active.iter().any(|active| active.uid == job.metadata.uid);
    let warnings = decision.events.iter().filter(|(kind, ..)| *kind == EventType::Warning).count();
    let again = decision.again.map(|again| u64::try_from(again.as_millis().saturating_sub(DELTA_MILLIS) / 1000).unwrap_or(u64::MAX));
    json!({
        "createsJob": decision.create.is_some(), "deletesActiveJob": decision.delete.iter().any(was_active),
        "activeCount": status.active.len(), "warningEvents": warnings, "requeueAfterSeconds": again,
        "statusChanged": status != cron_job.status,
        "lastSuccessfulTime": status.last_successful_time.map(|at| at.to_string()),
    })
}

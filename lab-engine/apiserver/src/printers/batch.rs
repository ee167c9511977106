//! Jobs and CronJobs in tables (`printJob`, `printCronJob`).

use super::{Column, human, workloads};
use api::batch::{CronJob, Job};
use api::meta::condition_is_true;
use serde_json::Value;
use sim::Time;

pub(super) const JOB: &[Column] = &[
    ("Name", "string", 0),
    ("Status", "string", 0),
    ("Completions", "string", 0),
    ("Duration", "string", 0),
    ("Age", "string", 0),
    ("Containers", "string", 1),
    ("Images", "string", 1),
    ("Selector", "string", 1),
];

pub(super) const CRON_JOB: &[Column] = &[
    ("Name", "string", 0),
    ("Schedule", "string", 0),
    ("Timezone", "string", 0),
    ("Suspend", "boolean", 0),
    ("Active", "integer", 0),
    ("Last Schedule", "string", 0),
    ("Age", "string", 0),
    ("Containers", "string", 1),
    ("Images", "string", 1),
    ("Selector", "string", 1),
];

pub(super) fn job(job: &Job, now: Time) -> Vec<Value> {
    let (spec, status) = (&job.spec, &job.status);
    let succeeded = status.succeeded.unwrap_or(0);
    let completions = match (spec.completions, spec.parallelism.unwrap_or(0)) {
        (Some(wanted), _) => format!("{succeeded}/{wanted}"),
        (None, parallelism @ 2..) => format!("{succeeded}/1 of {parallelism}"),
        (None, _) => format!("{succeeded}/1"),
    };
    let duration = status.start_time.map(|start| {
        let end = status.completion_time.map_or(now, |end| end.0);
        human::duration(end.since(start.0))
    });
    let mut cells = vec![
        job.metadata.name.as_str().into(),
        state(job).into(),
        completions.into(),
        duration.unwrap_or_default().into(),
        human::age(&job.metadata, now),
    ];
    cells.extend(workloads::wide(&spec.template, &spec.selector.clone().unwrap_or_default()));
    cells
}

fn state(job: &Job) -> &'static str {
    let is = |type_: &str| condition_is_true(&job.status.conditions, type_);
    let ended = ["Complete", "Failed"].into_iter().find(|type_| is(type_));
    let under_way = || ["Suspended", "SuccessCriteriaMet", "FailureTarget"].into_iter().find(|type_| is(type_));
    match ended {
        Some(state) => state,
        None if job.metadata.is_deleting() => "Terminating",
        None => under_way().unwrap_or("Running"),
    }
}

pub(super) fn cron_job(cron_job: &CronJob, now: Time) -> Vec<Value> {
    let spec = &cron_job.spec;
    let last = cron_job.status.last_schedule_time.map(|at| human::since(Some(at), now));
    let suspend = match spec.suspend {
        Some(true) => "True",
        Some(false) => "False",
        None => "<unset>",
    };
    let mut cells = vec![
        cron_job.metadata.name.as_str().into(),
        spec.schedule.as_str().into(),
        human::or_none(spec.time_zone.as_deref().unwrap_or_default()),
        suspend.into(),
        cron_job.status.active.len().into(),
        human::or_none(last.as_deref().unwrap_or_default()),
        human::age(&cron_job.metadata, now),
    ];
    let template = &spec.job_template.spec;
    cells.extend(workloads::wide(&template.template, &template.selector.clone().unwrap_or_default()));
    cells
}

//! CronJobs (`pkg/registry/batch/cronjob/strategy.go`).

use super::{Strategy, job, job_validation, meta, pod_defaults};
use api::batch::{CronJob, CronJobStatus};
use api::cron::Schedule;
use api::status::FieldError;
use api::time_zone::TimeZone;

/// Names of Jobs end with the minute they are for, eleven characters.
const MAX_NAME: usize = 63 - 11;

impl Strategy for CronJob {
    fn default(&mut self) {
        let spec = &mut self.spec;
        if spec.concurrency_policy.is_empty() {
            spec.concurrency_policy = "Allow".to_owned();
        }
        spec.suspend.get_or_insert(false);
        spec.successful_jobs_history_limit.get_or_insert(3);
        spec.failed_jobs_history_limit.get_or_insert(1);
        job::policy_defaults(&mut spec.job_template.spec);
        pod_defaults::pod_spec(&mut spec.job_template.spec.template.spec);
    }

    fn prepare_for_create(&mut self) {
        self.status = CronJobStatus::default();
        self.metadata.generation = Some(1);
    }

    fn validate(&self, errors: &mut Vec<FieldError>) {
        if self.metadata.name.len() > MAX_NAME {
            errors.push(FieldError::invalid("metadata.name", &self.metadata.name, format!("must be no more than {MAX_NAME} characters")));
        }
        spec(self, false, errors);
    }

    fn prepare_for_update(&mut self, old: &Self) {
        self.status = old.status.clone();
        if self.spec != old.spec {
            self.metadata.generation = Some(old.metadata.generation.unwrap_or(0) + 1);
        }
    }

    fn prepare_status_update(&mut self, old: &Self) {
        self.spec = old.spec.clone();
    }

    fn validate_update(&self, old: &Self, errors: &mut Vec<FieldError>) {
        spec(self, old.spec.schedule.contains("TZ"), errors);
    }
}

/// Appends what is wrong with the spec (`ValidateCronJobSpec`); `allow_zone`: the schedule may name a zone, because it did before.
fn spec(cron_job: &CronJob, allow_zone: bool, errors: &mut Vec<FieldError>) {
    let spec = &cron_job.spec;
    if spec.schedule.is_empty() {
        errors.push(FieldError::required("spec.schedule", ""));
    } else {
        let mut invalid = |detail: &str| errors.push(FieldError::invalid("spec.schedule", &spec.schedule, detail));
        if let Err(message) = Schedule::parse(&spec.schedule) {
            invalid(&message);
        }
        match (allow_zone, spec.schedule.contains("TZ")) {
            (true, true) if spec.time_zone.is_some() => invalid("cannot use both timeZone field and TZ or CRON_TZ in schedule"),
            (false, true) => invalid("cannot use TZ or CRON_TZ in schedule, use timeZone field instead"),
            _ => {}
        }
    }
    meta::non_negative(spec.starting_deadline_seconds, "spec.startingDeadlineSeconds", errors);
    if let Some(zone) = spec.time_zone.as_deref() {
        let path = "spec.timeZone";
        if zone.is_empty() {
            errors.push(FieldError::invalid(path, zone, "must be nil or non-empty string"));
        } else if zone.eq_ignore_ascii_case("Local") {
            let detail = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones";
            errors.push(FieldError::invalid(path, zone, detail));
        } else if TimeZone::load(zone).is_none() {
            errors.push(FieldError::invalid(path, zone, format!("unknown time zone {zone}")));
        }
    }
    let policies = ["Allow", "Forbid", "Replace"];
    match spec.concurrency_policy.as_str() {
        "" => errors.push(FieldError::required("spec.concurrencyPolicy", "")),
        policy if policies.contains(&policy) => {}
        other => errors.push(FieldError::not_supported("spec.concurrencyPolicy", other, &policies)),
    }
    job_validation::job_spec(&spec.job_template.spec, "spec.jobTemplate.spec", errors);
    if spec.job_template.spec.manual_selector == Some(true) {
        errors.push(FieldError::not_supported("spec.jobTemplate.spec.manualSelector", "true", &["nil", "false"]));
    }
    for (field, limit) in
        [("successfulJobsHistoryLimit", spec.successful_jobs_history_limit), ("failedJobsHistoryLimit", spec.failed_jobs_history_limit)]
    {
        meta::non_negative(limit.map(i64::from), format!("spec.{field}"), errors);
    }
}

//! The kinds of the group `batch/v1` (`k8s.io/api/batch/v1`).

use crate::core::{ObjectReference, PodTemplateSpec};
use crate::meta::{Condition, LabelSelector, ObjectMeta, Timestamp};
use crate::object;

object! {
    /// Runs Pods until enough of them have succeeded.
    pub struct Job {
        /// Name and labels.
        pub metadata: ObjectMeta = "metadata",
        /// What should be.
        pub spec: JobSpec = "spec",
        /// What is.
        pub status: JobStatus = "status",
    }

    /// What a Job should bring about.
    pub struct JobSpec {
        /// How many Pods may run at a time; 1 by default.
        pub parallelism: Option<i32> = "parallelism",
        /// How many Pods must succeed; absent: one, and then all others must end too.
        pub completions: Option<i32> = "completions",
        /// Seconds that the Job may take.
        pub active_deadline_seconds: Option<i64> = "activeDeadlineSeconds",
        /// What failed Pods mean.
        pub pod_failure_policy: Option<PodFailurePolicy> = "podFailurePolicy",
        /// When an indexed Job has succeeded before all indexes have.
        pub success_policy: Option<SuccessPolicy> = "successPolicy",
        /// How many Pods may fail; 6 by default.
        pub backoff_limit: Option<i32> = "backoffLimit",
        /// How many Pods of one index may fail.
        pub backoff_limit_per_index: Option<i32> = "backoffLimitPerIndex",
        /// How many indexes may fail.
        pub max_failed_indexes: Option<i32> = "maxFailedIndexes",
        /// Which Pods are its own; made by the API server.
        pub selector: Option<LabelSelector> = "selector",
        /// Whether the author chose labels and selector.
        pub manual_selector: Option<bool> = "manualSelector",
        /// What the Pods look like.
        pub template: PodTemplateSpec = "template",
        /// Seconds after its end at which the Job is deleted.
        pub ttl_seconds_after_finished: Option<i32> = "ttlSecondsAfterFinished",
        /// `NonIndexed` (the default) or `Indexed`.
        pub completion_mode: Option<String> = "completionMode",
        /// Whether nothing should run.
        pub suspend: Option<bool> = "suspend",
        /// When a Pod is replaced: `TerminatingOrFailed` or `Failed`.
        pub pod_replacement_policy: Option<String> = "podReplacementPolicy",
        /// Who looks after the Job, if not the Job controller.
        pub managed_by: Option<String> = "managedBy",
    }

    /// What failed Pods mean.
    pub struct PodFailurePolicy {
        /// The first rule that applies counts.
        pub rules: Vec<PodFailurePolicyRule> = "rules",
    }

    /// What a failed Pod means that meets a requirement.
    pub struct PodFailurePolicyRule {
        /// `FailJob`, `FailIndex`, `Ignore` or `Count`.
        pub action: String = "action",
        /// Exit codes of containers.
        pub on_exit_codes: Option<PodFailurePolicyOnExitCodesRequirement> = "onExitCodes",
        /// Conditions of the Pod, one of which it must have.
        pub on_pod_conditions: Vec<PodFailurePolicyOnPodConditionsPattern> = "onPodConditions",
    }

    /// Exit codes of containers.
    pub struct PodFailurePolicyOnExitCodesRequirement {
        /// The container; all by default.
        pub container_name: Option<String> = "containerName",
        /// `In` or `NotIn`.
        pub operator: String = "operator",
        /// The codes.
        pub values: Vec<i32> = "values",
    }

    /// A condition of a Pod.
    pub struct PodFailurePolicyOnPodConditionsPattern {
        /// Its type.
        pub type_: String = "type",
        /// Its status; `True` by default.
        pub status: String = "status",
    }

    /// When an indexed Job has succeeded.
    pub struct SuccessPolicy {
        /// One of the rules must hold.
        pub rules: Vec<SuccessPolicyRule> = "rules",
    }

    /// Indexes, and how many of them must have succeeded.
    pub struct SuccessPolicyRule {
        /// The indexes, for example `0,2-4`; all by default.
        pub succeeded_indexes: Option<String> = "succeededIndexes",
        /// How many of them; all by default.
        pub succeeded_count: Option<i32> = "succeededCount",
    }

    /// What a Job has brought about.
    pub struct JobStatus {
        /// `Suspended`, `FailureTarget`, `SuccessCriteriaMet`, `Complete`, `Failed`.
        pub conditions: Vec<Condition> = "conditions",
        /// When the controller began, or went on after a suspension.
        pub start_time: Option<Timestamp> = "startTime",
        /// When the Job was complete.
        pub completion_time: Option<Timestamp> = "completionTime",
        /// Pods that are pending or running.
        pub active: Option<i32> = "active",
        /// Pods that have succeeded.
        pub succeeded: Option<i32> = "succeeded",
        /// Pods that have failed.
        pub failed: Option<i32> = "failed",
        /// Pods that are on their way out.
        pub terminating: Option<i32> = "terminating",
        /// Indexes that have succeeded, for example `0,2-4`.
        pub completed_indexes: String = "completedIndexes",
        /// Indexes that have failed for good.
        pub failed_indexes: Option<String> = "failedIndexes",
        /// Pods that have ended and are not counted yet.
        pub uncounted_terminated_pods: Option<UncountedTerminatedPods> = "uncountedTerminatedPods",
        /// Active Pods that are ready.
        pub ready: Option<i32> = "ready",
    }

    /// Pods that have ended and are not counted yet, by UID.
    pub struct UncountedTerminatedPods {
        /// Those that have succeeded.
        pub succeeded: Vec<String> = "succeeded",
        /// Those that have failed.
        pub failed: Vec<String> = "failed",
    }

    /// Makes Jobs at set times.
    pub struct CronJob {
        /// Name and labels.
        pub metadata: ObjectMeta = "metadata",
        /// What should be.
        pub spec: CronJobSpec = "spec",
        /// What is.
        pub status: CronJobStatus = "status",
    }

    /// What a CronJob should bring about.
    pub struct CronJobSpec {
        /// The times, as `cron(5)` writes them.
        pub schedule: String = "schedule",
        /// The zone of the times; UTC by default, as the controller manager runs in it here.
        pub time_zone: Option<String> = "timeZone",
        /// Seconds that a Job may be late.
        pub starting_deadline_seconds: Option<i64> = "startingDeadlineSeconds",
        /// What happens when the last Job still runs: `Allow` (the default), `Forbid` or `Replace`.
        pub concurrency_policy: String = "concurrencyPolicy",
        /// Whether no more Jobs should be made.
        pub suspend: Option<bool> = "suspend",
        /// What the Jobs look like.
        pub job_template: JobTemplateSpec = "jobTemplate",
        /// How many successful Jobs are kept; 3 by default.
        pub successful_jobs_history_limit: Option<i32> = "successfulJobsHistoryLimit",
        /// How many failed Jobs are kept; 1 by default.
        pub failed_jobs_history_limit: Option<i32> = "failedJobsHistoryLimit",
    }

    /// From which a CronJob makes Jobs.
    pub struct JobTemplateSpec {
        /// Labels and annotations of the Jobs.
        pub metadata: ObjectMeta = "metadata",
        /// Their spec.
        pub spec: JobSpec = "spec",
    }

    /// What a CronJob has brought about.
    pub struct CronJobStatus {
        /// The Jobs that run.
        pub active: Vec<ObjectReference> = "active",
        /// The last time for which a Job was made.
        pub last_schedule_time: Option<Timestamp> = "lastScheduleTime",
        /// When a Job was last complete.
        pub last_successful_time: Option<Timestamp> = "lastSuccessfulTime",
    }
}

//! What the Job controller asks of a Pod, and the Pods it makes (`indexed_job_utils.go`, `tracking_utils.go`).

use super::control::New;
use crate::pods::from_template;
use api::batch::Job;
use api::core::{Container, EnvVar, EnvVarSource, ObjectFieldSelector, Pod};
use api::meta::condition;
use sim::Time;

/// The finalizer that keeps a Pod until it is counted (`JobTrackingFinalizer`).
pub(crate) const TRACKING: &str = "batch.kubernetes.io/job-tracking";
/// Annotation and label with a Pod's index.
const INDEX: &str = "batch.kubernetes.io/job-completion-index";
/// Annotation: how many Pods of the index failed before this one.
const FAILURES: &str = "batch.kubernetes.io/job-index-failure-count";
/// Annotation: how many Pods of the index failed before this one without counting.
const IGNORED_FAILURES: &str = "batch.kubernetes.io/job-index-ignored-failure-count";

pub(crate) fn is_tracked(pod: &Pod) -> bool {
    pod.metadata.finalizers.iter().any(|finalizer| finalizer == TRACKING)
}

/// The index of a Pod; `None` when it says none that is a number (`getCompletionIndex`).
pub(crate) fn index_of(pod: &Pod) -> Option<i32> {
    pod.metadata.annotations.get(INDEX)?.parse().ok().filter(|index| *index >= 0)
}

fn count(pod: &Pod, annotation: &str) -> i32 {
    pod.metadata.annotations.get(annotation).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// How many Pods of its index failed before this one.
pub(crate) fn failures_before(pod: &Pod) -> i32 {
    count(pod, FAILURES)
}

/// How many Pods of its index failed before this one, those included that do not count.
pub(crate) fn all_failures_before(pod: &Pod) -> i32 {
    failures_before(pod).saturating_add(count(pod, IGNORED_FAILURES))
}

/// Whether the Pod has ended or is on its way out without success (`IsPodFailed`).
pub(crate) fn is_failed(job: &Job, pod: &Pod) -> bool {
    let phase = pod.status.phase.as_str();
    phase == "Failed" || (!replaces_failed_only(job) && pod.metadata.is_deleting() && phase != "Succeeded")
}

/// Whether a Pod is replaced only when it has failed for good (`onlyReplaceFailedPods`).
pub(crate) fn replaces_failed_only(job: &Job) -> bool {
    job.spec.pod_replacement_policy.as_deref() == Some("Failed") || job.spec.pod_failure_policy.is_some()
}

/// When a Pod ended (`getFinishedTime`).
pub(crate) fn finished_at(pod: &Pod) -> Option<Time> {
    let ended = pod.status.container_statuses.iter().filter_map(|status| status.state.terminated.as_ref()?.finished_at);
    let ready = || condition(&pod.status.conditions, "Ready")?.last_transition_time;
    let known = ended.max().or_else(ready).or(pod.metadata.deletion_timestamp).or(pod.metadata.creation_timestamp);
    known.map(|at| at.0)
}

/// A new Pod of the Job.
pub(crate) fn new_pod(job: &Job, new: &New) -> Pod {
    let mut pod = from_template(job, &job.spec.template);
    if !is_tracked(&pod) {
        pod.metadata.finalizers.push(TRACKING.to_owned());
    }
    let Some(index) = new.index else { return pod };
    pod.metadata.generate_name = format!("{}-{index}-", job.metadata.name);
    pod.spec.hostname = format!("{}-{index}", job.metadata.name);
    pod.metadata.annotations.insert(INDEX.to_owned(), index.to_string());
    pod.metadata.labels.insert(INDEX.to_owned(), index.to_string());
    if job.spec.backoff_limit_per_index.is_some() {
        pod.metadata.annotations.insert(FAILURES.to_owned(), new.failures.to_string());
        if new.ignored > 0 {
            pod.metadata.annotations.insert(IGNORED_FAILURES.to_owned(), new.ignored.to_string());
        }
    }
    pod.spec.init_containers.iter_mut().for_each(tell_index);
    pod.spec.containers.iter_mut().for_each(tell_index);
    pod
}

/// Gives a container the variable with the index (`addCompletionIndexEnvVariable`).
fn tell_index(container: &mut Container) {
    const NAME: &str = "JOB_COMPLETION_INDEX";
    if container.env.iter().any(|variable| variable.name == NAME) {
        return;
    }
    let field = ObjectFieldSelector {
        api_version: "v1".to_owned(),
        field_path: format!("metadata.labels['{INDEX}']"),
        ..ObjectFieldSelector::default()
    };
    let source = EnvVarSource { field_ref: Some(field), ..EnvVarSource::default() };
    container.env.push(EnvVar { name: NAME.to_owned(), value_from: Some(source), ..EnvVar::default() });
}

/// How many Pods of its index failed up to and with this one: those that count, and those that do not.
pub(crate) fn failures_with(pod: &Pod, ignored: bool) -> (i32, i32) {
    let (counted, uncounted) = (failures_before(pod), count(pod, IGNORED_FAILURES));
    if ignored { (counted, uncounted + 1) } else { (counted + 1, uncounted) }
}

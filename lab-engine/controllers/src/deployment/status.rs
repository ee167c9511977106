//! The status of a Deployment (`calculateStatus` in `sync.go`, `syncRolloutStatus` in `progress.go`).

use super::rolling::{desired, max_unavailable, size};
use api::apps::{Deployment, DeploymentStatus, ReplicaSet};
use api::meta::{Condition, condition};
use sim::Time;
use std::sync::Arc;
use std::time::Duration;

/// What a condition should say.
struct Wanted<'a> {
    type_: &'a str,
    status: &'a str,
    reason: &'a str,
    message: String,
}

/// Puts a condition in; one with the same status and reason stays as it is (`SetDeploymentCondition`).
fn set(status: &mut DeploymentStatus, now: Time, wanted: Wanted<'_>) {
    let old = condition(&status.conditions, wanted.type_);
    if old.is_some_and(|old| old.status == wanted.status && old.reason == wanted.reason) {
        return;
    }
    let transition = old.filter(|old| old.status == wanted.status).and_then(|old| old.last_transition_time);
    let new = Condition {
        type_: wanted.type_.to_owned(),
        status: wanted.status.to_owned(),
        reason: wanted.reason.to_owned(),
        message: wanted.message,
        last_update_time: Some(now.into()),
        last_transition_time: transition.or(Some(now.into())),
        ..Condition::default()
    };
    status.conditions.retain(|condition| condition.type_ != new.type_);
    status.conditions.push(new);
}

/// The time in which a rollout must progress; `None` when there is no limit (`HasProgressDeadline`).
pub fn progress_deadline(deployment: &Deployment) -> Option<Duration> {
    let seconds = deployment.spec.progress_deadline_seconds.filter(|seconds| *seconds != i32::MAX)?;
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

/// Whether all Pods are of the new version and available (`DeploymentComplete`).
pub fn is_complete(deployment: &Deployment, status: &DeploymentStatus) -> bool {
    let all = Some(desired(deployment));
    let or_zero = |count: Option<i32>| Some(count.unwrap_or(0));
    or_zero(status.updated_replicas) == all && or_zero(status.replicas) == all && or_zero(status.available_replicas) == all
}

/// Whether there is more of the new or less of the old than before (`DeploymentProgressing`).
pub fn is_progressing(old: &DeploymentStatus, new: &DeploymentStatus) -> bool {
    let n = |count: Option<i32>| count.unwrap_or(0);
    let outdated = |status: &DeploymentStatus| n(status.replicas) - n(status.updated_replicas);
    n(new.updated_replicas) > n(old.updated_replicas)
        || outdated(new) < outdated(old)
        || n(new.ready_replicas) > n(old.ready_replicas)
        || n(new.available_replicas) > n(old.available_replicas)
}

/// The Deployment's status, given its new ReplicaSet and all of them.
pub(crate) fn calculate(now: Time, deployment: &Deployment, new: Option<&ReplicaSet>, all: &[Arc<ReplicaSet>]) -> DeploymentStatus {
    let sum = |count: fn(&ReplicaSet) -> i32| all.iter().map(|rs| count(rs)).fold(0_i32, i32::saturating_add);
    let shown = |count: i32| (count != 0).then_some(count);
    let available = sum(|rs| rs.status.available_replicas.unwrap_or(0));
    let mut status = deployment.status.clone();
    status.observed_generation = deployment.metadata.generation;
    status.replicas = shown(sum(|rs| rs.status.replicas));
    status.updated_replicas = shown(new.map_or(0, |rs| rs.status.replicas));
    status.ready_replicas = shown(sum(|rs| rs.status.ready_replicas.unwrap_or(0)));
    status.available_replicas = shown(available);
    status.unavailable_replicas = shown((sum(size) - available).max(0));
    status.terminating_replicas = Some(sum(|rs| rs.status.terminating_replicas.unwrap_or(0)));
    let (value, reason, message) = if available >= desired(deployment) - max_unavailable(deployment) {
        ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    } else {
        ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    };
    set(&mut status, now, Wanted { type_: "Available", status: value, reason, message: message.to_owned() });
    if let Some(deadline) = progress_deadline(deployment) {
        pause(now, deployment, &mut status);
        progress(now, deployment, new, deadline, &mut status);
    }
    match all.iter().find_map(|rs| condition(&rs.status.conditions, "ReplicaFailure")) {
        Some(failure) => {
            let message = failure.message.clone();
            set(&mut status, now, Wanted { type_: "ReplicaFailure", status: "True", reason: &failure.reason, message });
        }
        None => status.conditions.retain(|condition| condition.type_ != "ReplicaFailure"),
    }
    status
}

/// The Deployment once the ReplicaSet `name` was made for its new version; `None` if nobody looks at its progress.
pub(crate) fn begun(now: Time, deployment: &Deployment, name: &str) -> Option<Deployment> {
    progress_deadline(deployment)?;
    let mut changed = deployment.clone();
    let message = format!("Created new replica set {name:?}");
    set(&mut changed.status, now, Wanted { type_: "Progressing", status: "True", reason: "NewReplicaSetCreated", message });
    (changed.status != deployment.status).then_some(changed)
}

/// Whether a rollout that goes on has not progressed for too long (`DeploymentTimedOut`).
pub fn is_timed_out(now: Time, status: &DeploymentStatus, deadline: Duration) -> bool {
    condition(&status.conditions, "Progressing").is_some_and(|current| {
        current.reason != "NewReplicaSetAvailable"
            && (current.reason == "ProgressDeadlineExceeded" || current.last_update_time.is_some_and(|at| now.since(at.0) > deadline))
    })
}

/// Tells of a pause and of its end, unless the rollout failed before (`checkPausedConditions`).
fn pause(now: Time, deployment: &Deployment, status: &mut DeploymentStatus) {
    let current = condition(&status.conditions, "Progressing").map(|current| current.reason.as_str());
    let (reason, message) = match (deployment.spec.paused == Some(true), current) {
        (_, Some("ProgressDeadlineExceeded")) => return,
        (true, _) => ("DeploymentPaused", "Deployment is paused"),
        (false, Some("DeploymentPaused")) => ("DeploymentResumed", "Deployment is resumed"),
        _ => return,
    };
    set(status, now, Wanted { type_: "Progressing", status: "Unknown", reason, message: message.to_owned() });
}

/// Whether the ReplicaSet was made after the condition was written, which does not know of it: a new rollout has begun, and its time runs
/// anew (`getNewReplicaSet`, which writes the condition as it creates).
fn is_newer(rs: &ReplicaSet, progressing: &Condition) -> bool {
    rs.metadata.creation_timestamp >= progressing.last_update_time && !progressing.message.contains(&format!("{:?}", rs.metadata.name))
}

fn progress(now: Time, deployment: &Deployment, new: Option<&ReplicaSet>, deadline: Duration, status: &mut DeploymentStatus) {
    let current = condition(&status.conditions, "Progressing");
    let settled = status.replicas == status.updated_replicas && current.is_some_and(|c| c.reason == "NewReplicaSetAvailable");
    if settled || deployment.spec.paused == Some(true) {
        return;
    }
    let what = new.map_or_else(|| format!("Deployment {:?}", deployment.metadata.name), |rs| format!("ReplicaSet {:?}", rs.metadata.name));
    let timed_out = is_timed_out(now, status, deadline);
    let created = new.filter(|rs| current.is_none_or(|current| is_newer(rs, current)));
    let wanted = if is_complete(deployment, status) {
        ("True", "NewReplicaSetAvailable", format!("{what} has successfully progressed."))
    } else if is_progressing(&deployment.status, status) {
        // Progress restarts the clock, also when the condition said so before.
        status.conditions.retain(|condition| condition.type_ != "Progressing" || condition.reason != "ReplicaSetUpdated");
        ("True", "ReplicaSetUpdated", format!("{what} is progressing."))
    } else if let Some(rs) = created {
        ("True", "NewReplicaSetCreated", format!("Created new replica set {:?}", rs.metadata.name))
    } else if timed_out {
        ("False", "ProgressDeadlineExceeded", format!("{what} has timed out progressing."))
    } else {
        return;
    };
    set(status, now, Wanted { type_: "Progressing", status: wanted.0, reason: wanted.1, message: wanted.2 });
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::json::decode;
    use serde_json::json;

    #[test]
    fn a_rollout_is_created_progresses_completes_or_times_out() {
        let mut deployment: Deployment = decode(json!({"spec": {"replicas": 2, "progressDeadlineSeconds": 60,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}}}))
        .unwrap();
        let rs = |count: i32| -> Arc<ReplicaSet> {
            Arc::new(
                decode(json!({"metadata": {"name": "web-1"}, "spec": {"replicas": 2},
                "status": {"replicas": count, "readyReplicas": count, "availableReplicas": count}}))
                .unwrap(),
            )
        };
        let mut reason = |at, count| {
            let new = rs(count);
            deployment.status = calculate(Time::from_secs(at), &deployment, Some(&new), std::slice::from_ref(&new));
            condition(&deployment.status.conditions, "Progressing").unwrap().reason.clone()
        };
        assert_eq!(reason(0, 0), "NewReplicaSetCreated");
        assert_eq!(reason(10, 1), "ReplicaSetUpdated");
        assert_eq!(reason(70, 1), "ReplicaSetUpdated");
        assert_eq!(reason(71, 1), "ProgressDeadlineExceeded");
        assert_eq!(reason(80, 2), "NewReplicaSetAvailable");
        assert_eq!(deployment.status.conditions.len(), 2);
    }

    #[test]
    fn a_second_rollout_that_makes_no_pod_times_out_too() {
        let rs = |name: &str, made: &str, count: i32| -> Arc<ReplicaSet> {
            let status = json!({"replicas": count, "readyReplicas": count, "availableReplicas": count});
            Arc::new(
                decode(json!({"metadata": {"name": name, "creationTimestamp": made}, "spec": {"replicas": count}, "status": status}))
                    .unwrap(),
            )
        };
        let (old, new) = (rs("web-1", "2026-05-04T08:00:00Z", 2), rs("web-2", "2026-05-04T08:01:40Z", 0));
        let mut deployment: Deployment = decode(json!({"spec": {"replicas": 2, "progressDeadlineSeconds": 60}})).unwrap();
        let mut reason = |at, new: &Arc<ReplicaSet>, all: &[Arc<ReplicaSet>]| {
            deployment.status = calculate(Time::from_secs(at), &deployment, Some(new), all);
            condition(&deployment.status.conditions, "Progressing").unwrap().reason.clone()
        };
        assert_eq!(reason(10, &old, std::slice::from_ref(&old)), "NewReplicaSetAvailable");
        let both = [old.clone(), new.clone()];
        assert_eq!(reason(100, &new, &both), "NewReplicaSetCreated");
        assert_eq!(reason(160, &new, &both), "NewReplicaSetCreated");
        assert_eq!(reason(161, &new, &both), "ProgressDeadlineExceeded");
        assert_eq!(reason(200, &new, &both), "ProgressDeadlineExceeded");
        // Back to the old template: its ReplicaSet was not made anew.
        assert_eq!(reason(210, &old, &both), "NewReplicaSetAvailable");
    }

    #[test]
    fn a_pause_stops_the_clock_and_its_end_starts_it_anew() {
        let mut deployment: Deployment = decode(json!({"spec": {"replicas": 2, "progressDeadlineSeconds": 60}})).unwrap();
        let new: Arc<ReplicaSet> = Arc::new(decode(json!({"metadata": {"name": "web-1"}, "spec": {"replicas": 2}})).unwrap());
        let mut reason = |at, paused| {
            deployment.spec.paused = Some(paused);
            deployment.status = calculate(Time::from_secs(at), &deployment, Some(&new), std::slice::from_ref(&new));
            let progressing = condition(&deployment.status.conditions, "Progressing").unwrap();
            (progressing.status.clone(), progressing.reason.clone())
        };
        let unknown = |reason: &str| ("Unknown".to_owned(), reason.to_owned());
        assert_eq!(reason(0, false).1, "NewReplicaSetCreated");
        assert_eq!((reason(10, true), reason(500, true)), (unknown("DeploymentPaused"), unknown("DeploymentPaused")));
        assert_eq!((reason(600, false), reason(660, false)), (unknown("DeploymentResumed"), unknown("DeploymentResumed")));
        assert_eq!(reason(661, false).1, "ProgressDeadlineExceeded");
        assert_eq!(reason(700, true).1, "ProgressDeadlineExceeded");
    }
}

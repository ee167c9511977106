//! Pods in tables (`printPod`).

use super::{Column, human};
use api::core::{ContainerStatus, Pod};
use api::meta::{Timestamp, condition, condition_is_true};
use serde_json::Value;
use sim::Time;

pub(super) const COLUMNS: &[Column] = &[
    ("Name", "string", 0),
    ("Ready", "string", 0),
    ("Status", "string", 0),
    ("Restarts", "string", 0),
    ("Age", "string", 0),
    ("IP", "string", 1),
    ("Node", "string", 1),
    ("Nominated Node", "string", 1),
    ("Readiness Gates", "string", 1),
];

/// What the columns Ready, Status and Restarts show.
#[derive(Default)]
struct Summary {
    reason: String,
    ready: usize,
    total: usize,
    restarts: i32,
    last_restart: Option<Timestamp>,
    sidecar_restarts: i32,
    last_sidecar_restart: Option<Timestamp>,
}

pub(super) fn cells(pod: &Pod, now: Time) -> Vec<Value> {
    let summary = summarize(pod);
    let restarts = match summary.last_restart {
        Some(at) if summary.restarts != 0 => format!("{} ({} ago)", summary.restarts, human::since(Some(at), now)),
        _ => summary.restarts.to_string(),
    };
    let gates = match pod.spec.readiness_gates.as_slice() {
        [] => "<none>".to_owned(),
        gates => {
            let open = gates.iter().filter(|gate| condition_is_true(&pod.status.conditions, &gate.condition_type)).count();
            format!("{open}/{}", gates.len())
        }
    };
    vec![
        pod.metadata.name.as_str().into(),
        format!("{}/{}", summary.ready, summary.total).into(),
        summary.reason.into(),
        restarts.into(),
        human::age(&pod.metadata, now),
        human::or_none(&pod.status.pod_ip),
        human::or_none(&pod.spec.node_name),
        human::or_none(&pod.status.nominated_node_name),
        gates.into(),
    ]
}

fn is_sidecar(pod: &Pod, name: &str) -> bool {
    pod.spec.init_containers.iter().any(|container| container.name == name && container.restart_policy.as_deref() == Some("Always"))
}

fn summarize(pod: &Pod) -> Summary {
    let sidecars = pod.spec.init_containers.iter().filter(|container| container.restart_policy.as_deref() == Some("Always")).count();
    let reason = if pod.status.reason.is_empty() { pod.status.phase.clone() } else { pod.status.reason.clone() };
    let mut summary = Summary { reason, total: pod.spec.containers.len() + sidecars, ..Summary::default() };
    if condition(&pod.status.conditions, "PodScheduled").is_some_and(|condition| condition.reason == "SchedulingGated") {
        summary.reason = "SchedulingGated".to_owned();
    }
    let initializing = init_containers(pod, &mut summary);
    if !initializing || condition_is_true(&pod.status.conditions, "Initialized") {
        containers(pod, &mut summary);
    }
    if pod.metadata.is_deleting() {
        if pod.status.reason == "NodeLost" {
            summary.reason = "Unknown".to_owned();
        } else if !matches!(pod.status.phase.as_str(), "Succeeded" | "Failed") {
            summary.reason = "Terminating".to_owned();
        }
    }
    summary
}

/// When the container was last restarted.
fn restarted(status: &ContainerStatus) -> Option<Timestamp> {
    status.last_state.terminated.as_ref()?.finished_at
}

/// The first init container that is not done gives the status; says whether there is one.
fn init_containers(pod: &Pod, summary: &mut Summary) -> bool {
    for (index, status) in pod.status.init_container_statuses.iter().enumerate() {
        summary.restarts += status.restart_count;
        summary.last_restart = summary.last_restart.max(restarted(status));
        let sidecar = is_sidecar(pod, &status.name);
        if sidecar {
            summary.sidecar_restarts += status.restart_count;
            summary.last_sidecar_restart = summary.last_sidecar_restart.max(restarted(status));
        }
        let state = &status.state;
        match (&state.terminated, &state.waiting) {
            (Some(terminated), _) if terminated.exit_code == 0 => continue,
            _ if sidecar && status.started == Some(true) => {
                summary.ready += usize::from(status.ready);
                continue;
            }
            (Some(terminated), _) if !terminated.reason.is_empty() => summary.reason = format!("Init:{}", terminated.reason),
            (Some(terminated), _) => {
                summary.reason = match terminated.signal.filter(|&signal| signal != 0) {
                    Some(signal) => format!("Init:Signal:{signal}"),
                    None => format!("Init:ExitCode:{}", terminated.exit_code),
                };
            }
            (None, Some(waiting)) if !waiting.reason.is_empty() && waiting.reason != "PodInitializing" => {
                summary.reason = format!("Init:{}", waiting.reason);
            }
            _ => summary.reason = format!("Init:{index}/{}", pod.spec.init_containers.len()),
        }
        return true;
    }
    false
}

/// The containers, of which the first that is in trouble gives the status.
fn containers(pod: &Pod, summary: &mut Summary) {
    summary.restarts = summary.sidecar_restarts;
    summary.last_restart = summary.last_sidecar_restart;
    let mut running = false;
    for status in pod.status.container_statuses.iter().rev() {
        summary.restarts += status.restart_count;
        summary.last_restart = summary.last_restart.max(restarted(status));
        let state = &status.state;
        if let Some(waiting) = state.waiting.as_ref().filter(|waiting| !waiting.reason.is_empty()) {
            summary.reason.clone_from(&waiting.reason);
        } else if let Some(terminated) = &state.terminated {
            summary.reason = match terminated.signal.filter(|&signal| signal != 0) {
                _ if !terminated.reason.is_empty() => terminated.reason.clone(),
                Some(signal) => format!("Signal:{signal}"),
                None => format!("ExitCode:{}", terminated.exit_code),
            };
        } else if status.ready && state.running.is_some() {
            running = true;
            summary.ready += 1;
        }
    }
    if summary.reason == "Completed" && running {
        let ready = condition_is_true(&pod.status.conditions, "Ready");
        summary.reason = if ready { "Running" } else { "NotReady" }.to_owned();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::json::decode;
    use serde_json::json;

    fn show(mut pod: Value) -> Vec<String> {
        if pod.get("metadata").is_none() {
            pod["metadata"] = json!({"name": "web"});
        }
        let pod: Pod = decode(pod).unwrap();
        cells(&pod, Time::from_secs(60)).iter().skip(1).take(3).map(|cell| cell.as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn the_status_says_what_holds_the_pod_up() {
        let spec = json!({"containers": [{"name": "a"}, {"name": "b"}], "initContainers": [{"name": "i"}]});
        let pod = json!({"spec": spec, "status": {"phase": "Pending"}});
        assert_eq!(show(pod), ["0/2", "Pending", "0"]);
        let status = json!({"phase": "Pending", "initContainerStatuses": [{"name": "i", "state": {"running": {}}}]});
        assert_eq!(show(json!({"spec": spec, "status": status})), ["0/2", "Init:0/1", "0"]);
        let crashed = json!({"phase": "Running", "containerStatuses": [
            {"name": "a", "ready": true, "state": {"running": {}}},
            {"name": "b", "restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
             "lastState": {"terminated": {"exitCode": 1, "finishedAt": "2026-05-04T08:00:40Z"}}},
        ]});
        assert_eq!(show(json!({"spec": spec, "status": crashed})), ["1/2", "CrashLoopBackOff", "3 (20s ago)"]);
    }

    #[test]
    fn an_ended_pod_is_completed_and_a_deleted_one_terminating() {
        let ended = json!({"phase": "Succeeded", "containerStatuses": [
            {"name": "a", "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}},
        ]});
        assert_eq!(show(json!({"spec": {"containers": [{"name": "a"}]}, "status": ended})), ["0/1", "Completed", "0"]);
        let deleted = json!({
            "metadata": {"name": "web", "deletionTimestamp": "2026-05-04T08:00:30Z"},
            "spec": {"containers": [{"name": "a"}]}, "status": {"phase": "Running"},
        });
        assert_eq!(show(deleted)[1], "Terminating");
    }
}

//! A Pod's phase and conditions, from its spec and the states of its containers (`getPhase`, `pkg/kubelet/status/generate.go`).
//!
//! **Simplified here:** no readiness gates.

use api::core::{Container, ContainerStatus, PodSpec, PodStatus};
use api::meta::Condition;
use sim::Time;

/// Whether an init container is a sidecar (`IsRestartableInitContainer`).
pub(crate) fn is_sidecar(container: &Container) -> bool {
    container.restart_policy.as_deref() == Some("Always")
}

fn find<'a>(statuses: &'a [ContainerStatus], name: &str) -> Option<&'a ContainerStatus> {
    statuses.iter().find(|status| status.name == name)
}

/// The phase. `terminal` says that the Pod's containers have all ended for good.
pub(crate) fn phase(spec: &PodSpec, init: &[ContainerStatus], main: &[ContainerStatus], terminal: bool) -> &'static str {
    let (mut pending_init, mut failed_init) = (0, 0);
    for container in &spec.init_containers {
        match find(init, &container.name) {
            None => pending_init += 1,
            Some(status) if is_sidecar(container) => {
                pending_init += usize::from(status.started != Some(true) && status.state.terminated.is_none())
            }
            Some(status) => match (&status.state.terminated, &status.state.waiting, &status.last_state.terminated) {
                (Some(ended), _, _) => failed_init += usize::from(ended.exit_code != 0),
                (None, Some(_), Some(last)) if last.exit_code != 0 => failed_init += 1,
                (None, Some(_), Some(_)) => {}
                _ => pending_init += 1,
            },
        }
    }
    let (mut unknown, mut running, mut waiting, mut stopped, mut succeeded) = (0, 0, 0, 0, 0);
    for container in &spec.containers {
        let Some(status) = find(main, &container.name) else {
            unknown += 1;
            continue;
        };
        if status.state.running.is_some() {
            running += 1;
        } else if let Some(ended) = &status.state.terminated {
            stopped += 1;
            succeeded += usize::from(ended.exit_code == 0);
        } else if status.last_state.terminated.is_some() {
            stopped += 1;
        } else if status.state.waiting.is_some() {
            waiting += 1;
        } else {
            unknown += 1;
        }
    }
    let runs = |container: &Container| find(init, &container.name).is_some_and(|status| status.state.running.is_some());
    let sidecar_runs = spec.init_containers.iter().any(|container| is_sidecar(container) && runs(container));
    let never = spec.restart_policy == "Never";
    if failed_init > 0 && never {
        return "Failed";
    }
    let initialized = pending_init == 0 || running + stopped > 0;
    if !initialized || waiting > 0 && !(terminal && waiting == 0) {
        return "Pending";
    }
    match () {
        () if running > 0 && unknown == 0 => "Running",
        () if stopped > 0 && unknown == 0 => match () {
            () if !terminal && sidecar_runs => "Running",
            () if terminal && succeeded == stopped => "Succeeded",
            () if terminal => "Failed",
            () if spec.restart_policy == "Always" || spec.restart_policy.is_empty() => "Running",
            () if succeeded == stopped => "Succeeded",
            () if never => "Failed",
            () => "Running",
        },
        () => "Pending",
    }
}

/// A condition before its times are known.
pub(crate) struct Draft {
    pub(crate) type_: &'static str,
    pub(crate) status: bool,
    pub(crate) reason: String,
    pub(crate) message: String,
}

fn draft(type_: &'static str, status: bool, reason: &str, message: String) -> Draft {
    Draft { type_, status, reason: reason.to_owned(), message }
}

/// `ContainersReady`, and `Ready` by another name (`GenerateContainersReadyCondition`).
pub(crate) fn containers_ready(
    type_: &'static str,
    spec: &PodSpec,
    init: &[ContainerStatus],
    main: &[ContainerStatus],
    phase: &str,
) -> Draft {
    let (mut unknown, mut unready) = (Vec::new(), Vec::new());
    let sidecars = spec.init_containers.iter().filter(|container| is_sidecar(container)).map(|container| (container, init));
    for (container, statuses) in sidecars.chain(spec.containers.iter().map(|container| (container, main))) {
        match find(statuses, &container.name) {
            None => unknown.push(container.name.as_str()),
            Some(status) if !status.ready => unready.push(container.name.as_str()),
            Some(_) => {}
        }
    }
    match phase {
        "Succeeded" if unknown.is_empty() => return draft(type_, false, "PodCompleted", String::new()),
        "Failed" if unknown.is_empty() => return draft(type_, false, "PodFailed", String::new()),
        _ => {}
    }
    let mut messages = Vec::new();
    if !unknown.is_empty() {
        messages.push(format!("containers with unknown status: [{}]", unknown.join(" ")));
    }
    if !unready.is_empty() {
        messages.push(format!("containers with unready status: [{}]", unready.join(" ")));
    }
    let ready = messages.is_empty();
    draft(type_, ready, if ready { "" } else { "ContainersNotReady" }, messages.join(", "))
}

/// `Initialized` (`GeneratePodInitializedCondition`).
pub(crate) fn initialized(spec: &PodSpec, init: &[ContainerStatus], main: &[ContainerStatus], phase: &str) -> Draft {
    let (mut unknown, mut incomplete) = (Vec::new(), Vec::new());
    for container in &spec.init_containers {
        match find(init, &container.name) {
            None => unknown.push(container.name.as_str()),
            Some(status) if is_sidecar(container) => {
                if status.started != Some(true) {
                    incomplete.push(container.name.as_str());
                }
            }
            Some(status) if !status.ready => incomplete.push(container.name.as_str()),
            Some(_) => {}
        }
    }
    if phase == "Succeeded" && unknown.is_empty() {
        return draft("Initialized", true, "PodCompleted", String::new());
    }
    let begun = main.iter().any(|status| status.state.running.is_some() || status.state.terminated.is_some());
    if begun {
        return draft("Initialized", true, "", String::new());
    }
    let mut messages = Vec::new();
    if !unknown.is_empty() {
        messages.push(format!("containers with unknown status: [{}]", unknown.join(" ")));
    }
    if !incomplete.is_empty() {
        messages.push(format!("containers with incomplete status: [{}]", incomplete.join(" ")));
    }
    let done = messages.is_empty();
    draft("Initialized", done, if done { "" } else { "ContainersNotInitialized" }, messages.join(", "))
}

/// Sets the Pod's conditions, in upstream's order. The times of those that stay as they were are kept, and so are conditions that
/// others own (`PodScheduled`, `DisruptionTarget`).
pub(crate) fn set_conditions(status: &mut PodStatus, old: &[Condition], drafts: Vec<Draft>, generation: Option<i64>, now: Time) {
    let own: Vec<&str> = drafts.iter().map(|draft| draft.type_).collect();
    let others: Vec<Condition> = old.iter().filter(|condition| !own.contains(&condition.type_.as_str())).cloned().collect();
    status.conditions = drafts
        .into_iter()
        .map(|draft| {
            let value = if draft.status { "True" } else { "False" };
            let before = api::meta::condition(old, draft.type_).filter(|before| before.status == value);
            Condition {
                type_: draft.type_.to_owned(),
                status: value.to_owned(),
                observed_generation: generation,
                last_transition_time: before.and_then(|before| before.last_transition_time).or(Some(now.into())),
                reason: draft.reason,
                message: draft.message,
                ..Condition::default()
            }
        })
        .collect();
    status.conditions.extend(others);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pod_runs_until_its_sidecars_have_ended() {
        let spec = json!({"restartPolicy": "Never", "containers": [{"name": "main"}], "initContainers": [{"name": "side", "restartPolicy": "Always"}]});
        let spec: PodSpec = api::json::decode(spec).unwrap();
        let status = |value| api::json::decode::<Vec<ContainerStatus>>(value).unwrap();
        let main = status(json!([{"name": "main", "state": {"terminated": {"exitCode": 0}}}]));
        let running = status(json!([{"name": "side", "started": true, "state": {"running": {}}}]));
        let ended = status(json!([{"name": "side", "state": {"terminated": {"exitCode": 143}}}]));
        assert_eq!(phase(&spec, &running, &main, false), "Running");
        assert_eq!(phase(&spec, &ended, &main, true), "Succeeded");
    }
}

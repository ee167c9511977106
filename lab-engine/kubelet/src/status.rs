//! A Pod's phase and conditions, from its spec and the states of its containers (`getPhase`, `pkg/kubelet/status/generate.go`).

use crate::restart::{restarts_when_killed, should_restart};
use api::core::{Container, ContainerState, ContainerStatus, PodSpec, PodStatus};
use api::meta::Condition;
use sim::Time;

/// Whether an init container is a sidecar (`IsRestartableInitContainer`).
pub(crate) fn is_sidecar(container: &Container) -> bool {
    container.restart_policy.as_deref() == Some("Always")
}

/// The statuses of a Pod's containers.
#[derive(Clone, Copy, Debug)]
pub struct Statuses<'a> {
    /// Of the init containers.
    pub init: &'a [ContainerStatus],
    /// Of the containers.
    pub main: &'a [ContainerStatus],
    /// Whether they are known at all.
    pub known: bool,
}

impl<'a> Statuses<'a> {
    fn find(&self, container: &Container) -> Option<&'a ContainerStatus> {
        self.init.iter().chain(self.main).find(|status| status.name == container.name)
    }

    /// Whether a regular container has ever started (`HasAnyRegularContainerStarted`).
    fn begun(&self, spec: &PodSpec) -> bool {
        spec.containers
            .iter()
            .filter_map(|container| self.find(container))
            .any(|status| status.state.running.is_some() || status.state.terminated.is_some() || status.last_state.terminated.is_some())
    }
}

/// How many containers are in which state.
#[derive(Default)]
struct Tally {
    unknown: usize,
    running: usize,
    waiting: usize,
    stopped: usize,
    succeeded: usize,
}

/// The init containers that are not done: those under way, those that failed for good, sidecars that are not started.
#[derive(Default)]
struct Initialization {
    pending: usize,
    failed: usize,
    pending_sidecars: usize,
}

fn tally_init(spec: &PodSpec, statuses: Statuses<'_>) -> Initialization {
    let mut init = Initialization::default();
    for container in spec.init_containers.iter().filter(|container| !is_sidecar(container)) {
        let status = statuses.find(container);
        let state = status.map(|status| (&status.state.terminated, &status.state.waiting, &status.last_state.terminated));
        match state {
            Some((Some(ended), _, _) | (None, Some(_), Some(ended))) => {
                let for_good = ended.exit_code != 0 && !should_restart(container, spec, true, ended.exit_code);
                init.failed += usize::from(for_good);
            }
            _ => init.pending += 1,
        }
    }
    init
}

fn tally_sidecars(spec: &PodSpec, statuses: Statuses<'_>, init: &mut Initialization, tally: &mut Tally) {
    for container in spec.init_containers.iter().filter(|container| is_sidecar(container)) {
        let Some(status) = statuses.find(container) else {
            tally.unknown += 1;
            continue;
        };
        if status.state.running.is_some() {
            init.pending_sidecars += usize::from(status.started != Some(true));
            tally.running += 1;
        } else if status.state.terminated.is_some() || (status.state.waiting.is_some() && status.last_state.terminated.is_some()) {
            // One that has ended says nothing about the Pod.
        } else {
            init.pending_sidecars += 1;
            *(if status.state.waiting.is_some() { &mut tally.waiting } else { &mut tally.unknown }) += 1;
        }
    }
}

fn tally_main(spec: &PodSpec, statuses: Statuses<'_>, tally: &mut Tally) {
    for container in &spec.containers {
        let Some(status) = statuses.find(container) else {
            tally.unknown += 1;
            continue;
        };
        if status.state.running.is_some() {
            tally.running += 1;
        } else if let Some(ended) = &status.state.terminated {
            tally.stopped += 1;
            tally.succeeded += usize::from(ended.exit_code == 0);
        } else if status.state.waiting.is_some() {
            *(if status.last_state.terminated.is_some() { &mut tally.stopped } else { &mut tally.waiting }) += 1;
        } else {
            tally.unknown += 1;
        }
    }
}

/// Whether a container that has ended is to run again, or waits to.
fn will_run_again(container: &Container, spec: &PodSpec, status: &ContainerStatus) -> bool {
    let ended =
        |state: &ContainerState| state.terminated.as_ref().is_some_and(|ended| should_restart(container, spec, false, ended.exit_code));
    ended(&status.state) || (status.state.waiting.is_some() && (restarts_when_killed(container, spec) || ended(&status.last_state)))
}

/// The phase. `terminal` says that the Pod's containers have all ended for good.
pub fn phase(spec: &PodSpec, statuses: Statuses<'_>, terminal: bool) -> &'static str {
    let mut tally = Tally::default();
    let mut init = tally_init(spec, statuses);
    tally_sidecars(spec, statuses, &mut init, &mut tally);
    tally_main(spec, statuses, &mut tally);
    let Tally { unknown, running, waiting, stopped, succeeded } = tally;
    if init.failed > 0 {
        return "Failed";
    }
    if init.pending > 0 || (init.pending_sidecars > 0 && !statuses.begun(spec)) || waiting > 0 || unknown > 0 {
        return "Pending";
    }
    if running > 0 {
        return "Running";
    }
    if stopped == 0 {
        return "Pending";
    }
    let again = || {
        let ended = spec.containers.iter().filter_map(|container| Some((container, statuses.find(container)?)));
        ended.into_iter().any(|(container, status)| will_run_again(container, spec, status))
    };
    match () {
        () if terminal && stopped == succeeded => "Succeeded",
        () if terminal => "Failed",
        () if again() => "Running",
        () if stopped == succeeded => "Succeeded",
        () => "Failed",
    }
}

/// A condition before its times are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The condition's type.
    pub type_: &'static str,
    /// Whether it holds.
    pub status: bool,
    /// Why, in one word.
    pub reason: String,
    /// Why, in words.
    pub message: String,
}

impl Draft {
    fn new(type_: &'static str, status: bool, reason: &str, message: impl Into<String>) -> Self {
        Draft { type_, status, reason: reason.to_owned(), message: message.into() }
    }
}

/// A line of a condition's message, such as `containers with unready status: [web]`.
fn listed(messages: &mut Vec<String>, what: &str, names: &[&str]) {
    if !names.is_empty() {
        messages.push(format!("containers with {what} status: [{}]", names.join(" ")));
    }
}

/// `ContainersReady` (`GenerateContainersReadyCondition`).
pub fn containers_ready(spec: &PodSpec, statuses: Statuses<'_>, phase: &str) -> Draft {
    const TYPE: &str = "ContainersReady";
    if !statuses.known {
        return Draft::new(TYPE, false, "UnknownContainerStatuses", "");
    }
    let (mut unknown, mut unready) = (Vec::new(), Vec::new());
    for container in spec.init_containers.iter().filter(|container| is_sidecar(container)).chain(&spec.containers) {
        match statuses.find(container) {
            None => unknown.push(container.name.as_str()),
            Some(status) if !status.ready => unready.push(container.name.as_str()),
            Some(_) => {}
        }
    }
    match phase {
        "Succeeded" if unknown.is_empty() => return Draft::new(TYPE, false, "PodCompleted", ""),
        "Failed" if unknown.is_empty() => return Draft::new(TYPE, false, "PodFailed", ""),
        _ => {}
    }
    let mut messages = Vec::new();
    listed(&mut messages, "unknown", &unknown);
    listed(&mut messages, "unready", &unready);
    let ready = messages.is_empty();
    Draft::new(TYPE, ready, if ready { "" } else { "ContainersNotReady" }, messages.join(", "))
}

/// `Ready` (`GeneratePodReadyCondition`): the containers are ready, and the conditions of all readiness gates hold.
pub fn ready(spec: &PodSpec, conditions: &[Condition], statuses: Statuses<'_>, phase: &str) -> Draft {
    let containers = containers_ready(spec, statuses, phase);
    if !containers.status {
        return Draft { type_: "Ready", ..containers };
    }
    let mut messages = Vec::new();
    for gate in &spec.readiness_gates {
        let type_ = gate.condition_type.as_str();
        match api::meta::condition(conditions, type_) {
            None => messages.push(format!("corresponding condition of pod readiness gate {type_:?} does not exist.")),
            Some(condition) if condition.status != "True" => {
                messages.push(format!("the status of pod readiness gate {type_:?} is not \"True\", but {}", condition.status));
            }
            Some(_) => {}
        }
    }
    let open = messages.is_empty();
    Draft::new("Ready", open, if open { "" } else { "ReadinessGatesNotReady" }, messages.join(", "))
}

/// `Initialized` (`GeneratePodInitializedCondition`).
pub fn initialized(spec: &PodSpec, statuses: Statuses<'_>, phase: &str) -> Draft {
    const TYPE: &str = "Initialized";
    if !statuses.known && !spec.init_containers.is_empty() {
        return Draft::new(TYPE, false, "UnknownContainerStatuses", "");
    }
    let (mut unknown, mut incomplete) = (Vec::new(), Vec::new());
    for container in &spec.init_containers {
        match statuses.find(container) {
            None => unknown.push(container.name.as_str()),
            Some(status) => {
                let complete = if is_sidecar(container) { status.started == Some(true) } else { status.ready };
                if !complete {
                    incomplete.push(container.name.as_str());
                }
            }
        }
    }
    if phase == "Succeeded" && unknown.is_empty() {
        return Draft::new(TYPE, true, "PodCompleted", "");
    }
    if statuses.begun(spec) {
        return Draft::new(TYPE, true, "", "");
    }
    let mut messages = Vec::new();
    listed(&mut messages, "unknown", &unknown);
    listed(&mut messages, "incomplete", &incomplete);
    let done = messages.is_empty();
    Draft::new(TYPE, done, if done { "" } else { "ContainersNotInitialized" }, messages.join(", "))
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
        let of = |init| Statuses { init, main: &main, known: true };
        assert_eq!(phase(&spec, of(&running), false), "Running");
        assert_eq!(phase(&spec, of(&ended), true), "Succeeded");
    }
}

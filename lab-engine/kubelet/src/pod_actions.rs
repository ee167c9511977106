//! What a Pod needs done next, given what the runtime has of it (`computePodActions`, `computeInitContainerActions`).
//!
//! Pure: a Pod and a view of its sandbox and containers in, a list of things to do out. The pod worker carries them out.
//!
//! **Simplified here:** a container whose spec changed is told by [`Seen::changed`], not by a hash; resizes are not planned here.

use crate::probes::ProbeResult;
use crate::restart::{restarts_when_killed, should_restart};
use crate::status::is_sidecar;
use api::core::{Container, Pod, PodSpec};

/// The state of a container in the runtime (`kubecontainer.State`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuntimeState {
    /// Made, not started.
    Created,
    /// Running.
    Running,
    /// Ended with this exit code.
    Exited(i32),
    /// The runtime does not know.
    Unknown,
}

/// The newest container of a name in the runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its state.
    pub state: RuntimeState,
    /// What is recorded of its liveness probe, if anything.
    pub liveness: Option<ProbeResult>,
    /// What is recorded of its startup probe, if anything.
    pub startup: Option<ProbeResult>,
    /// Whether it is not what the spec says any more.
    pub changed: bool,
}

impl Seen {
    /// A container of which no probe said anything.
    pub fn new(state: RuntimeState) -> Self {
        Seen { state, liveness: None, startup: None, changed: false }
    }
}

/// The newest sandbox of a Pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SandboxSeen {
    /// Whether it is ready, and is the only one that is.
    pub ready: bool,
    /// Its number, from 0.
    pub attempt: u32,
    /// Whether it has an address.
    pub has_ip: bool,
}

/// What the runtime has of a Pod (`kubecontainer.PodStatus`).
#[derive(Clone, Debug, Default)]
pub struct RuntimeView {
    /// Its newest sandbox.
    pub sandbox: Option<SandboxSeen>,
    /// The init containers in the order of the spec.
    pub init: Vec<Option<Seen>>,
    /// The containers in the order of the spec.
    pub main: Vec<Option<Seen>>,
    /// The ephemeral containers in the order of the spec.
    pub ephemeral: Vec<Option<Seen>>,
}

/// Which container of a Pod: its number in the list of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Which {
    /// An init container.
    Init(usize),
    /// A container.
    Main(usize),
}

/// A container that must go while its Pod lives on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kill {
    /// The container.
    pub container: Which,
    /// As the `Killing` event says it.
    pub message: String,
    /// The probe that failed decides on the grace period.
    pub probe: Option<crate::probes::ProbeType>,
}

/// What is to be done (`podActions`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodActions {
    /// Kill the whole Pod: its containers and its sandbox.
    pub kill_pod: bool,
    /// Then make a new sandbox.
    pub create_sandbox: bool,
    /// The number of the sandbox.
    pub attempt: u32,
    /// Init containers to start, in the order of the spec.
    pub init_to_start: Vec<usize>,
    /// Containers to start.
    pub to_start: Vec<usize>,
    /// Ephemeral containers to start.
    pub ephemeral_to_start: Vec<usize>,
    /// Containers to kill.
    pub to_kill: Vec<Kill>,
}

/// Whether a new sandbox is needed, and its number (`PodSandboxChanged`).
fn sandbox_changed(spec: &PodSpec, sandbox: Option<SandboxSeen>) -> (bool, u32) {
    match sandbox {
        None => (true, 0),
        Some(sandbox) if !sandbox.ready || (!sandbox.has_ip && spec.host_network != Some(true)) => (true, sandbox.attempt + 1),
        Some(sandbox) => (false, sandbox.attempt),
    }
}

/// Whether a container must be started (`ShouldContainerBeRestarted`).
pub fn should_be_restarted(pod: &Pod, container: &Container, seen: Option<RuntimeState>) -> bool {
    if pod.metadata.is_deleting() {
        return false;
    }
    match seen {
        None | Some(RuntimeState::Unknown | RuntimeState::Created) => true,
        Some(RuntimeState::Running) => false,
        Some(RuntimeState::Exited(code)) => should_restart(container, &pod.spec, false, code),
    }
}

/// What a Pod needs done.
pub fn compute_pod_actions(pod: &Pod, view: &RuntimeView) -> PodActions {
    let (create_sandbox, attempt) = sandbox_changed(&pod.spec, view.sandbox);
    let mut actions = PodActions { kill_pod: create_sandbox, create_sandbox, attempt, ..PodActions::default() };
    if create_sandbox {
        begin_again(&pod.spec, view, &mut actions);
        return actions;
    }
    let unseen = (0..pod.spec.ephemeral_containers.len()).filter(|&index| view.ephemeral.get(index).is_none_or(Option::is_none));
    actions.ephemeral_to_start.extend(unseen);
    let initialized = init_actions(&pod.spec, &view.init, &view.main, &mut actions);
    if actions.kill_pod || !initialized {
        return actions;
    }
    main_actions(pod, &view.main, &mut actions);
    actions
}

/// Everything begins anew in a new sandbox, unless there is nothing left to run.
fn begin_again(spec: &PodSpec, view: &RuntimeView, actions: &mut PodActions) {
    let state = |index: usize| view.main.get(index).copied().flatten().map(|seen| seen.state);
    let any_seen = view.init.iter().chain(&view.main).any(Option::is_some);
    let may_restart = |(index, container): (usize, &Container)| match state(index) {
        Some(RuntimeState::Exited(code)) => should_restart(container, spec, false, code),
        _ => restarts_when_killed(container, spec),
    };
    if actions.attempt != 0 && any_seen && !spec.containers.iter().enumerate().any(may_restart) && spec.restart_policy == "Never" {
        actions.create_sandbox = false;
        return;
    }
    let done = |(index, container): (usize, &Container)| {
        let policy = container.restart_policy.as_deref().unwrap_or(&spec.restart_policy);
        policy == "OnFailure" && state(index) == Some(RuntimeState::Exited(0))
    };
    let to_start: Vec<usize> = spec.containers.iter().enumerate().filter(|entry| !done(*entry)).map(|(index, _)| index).collect();
    if to_start.is_empty() && view.main.iter().any(Option::is_some) {
        actions.create_sandbox = false;
    } else if spec.init_containers.is_empty() {
        actions.to_start = to_start;
    } else {
        actions.init_to_start = vec![0];
    }
}

/// Plans for the init containers; true when the others may run (`computeInitContainerActions`).
///
/// They are looked at from the last to the first: what has completed may be gone from the runtime, so the last one that is there tells
/// how far the Pod has come.
fn init_actions(spec: &PodSpec, init: &[Option<Seen>], main: &[Option<Seen>], actions: &mut PodActions) -> bool {
    if spec.init_containers.is_empty() {
        return true;
    }
    let lives = |seen: &Seen| matches!(seen.state, RuntimeState::Created | RuntimeState::Running);
    let mut initialized = main.iter().flatten().any(lives);
    let mut reached = initialized;
    for (index, container) in spec.init_containers.iter().enumerate().rev() {
        let sidecar = is_sidecar(container);
        let Some(seen) = init.get(index).copied().flatten() else {
            if reached && sidecar {
                actions.init_to_start.push(index);
            }
            continue;
        };
        // Once a later one has begun, only sidecars are kept running.
        if reached && !sidecar {
            continue;
        }
        let last = index + 1 == spec.init_containers.len();
        let mut done = || {
            if last {
                initialized = true;
            } else if !reached {
                actions.init_to_start.push(index + 1);
            }
        };
        match seen.state {
            RuntimeState::Created => actions.init_to_start.push(index),
            RuntimeState::Running if sidecar => {
                let started = container.startup_probe.is_none() || seen.startup == Some(ProbeResult::Success);
                if started {
                    done();
                }
                running_sidecar(container, index, seen, started, actions);
            }
            RuntimeState::Running => {}
            RuntimeState::Exited(code) if !sidecar && code == 0 => done(),
            RuntimeState::Exited(_) if sidecar => actions.init_to_start.push(index),
            RuntimeState::Exited(code) if should_restart(container, spec, true, code) => actions.init_to_start.push(index),
            RuntimeState::Unknown if sidecar || restarts_when_killed(container, spec) => {
                let message = "Init container is in \"unknown\" state, try killing it before restart".to_owned();
                actions.to_kill.push(Kill { container: Which::Init(index), message, probe: None });
                actions.init_to_start.push(index);
            }
            RuntimeState::Exited(_) | RuntimeState::Unknown => {
                actions.kill_pod = true;
                actions.init_to_start.clear();
                return false;
            }
        }
        reached = true;
    }
    if !reached {
        actions.init_to_start.push(0);
    }
    actions.init_to_start.sort_unstable();
    actions.init_to_start.dedup();
    initialized
}

/// A sidecar whose startup or liveness probe failed is replaced.
fn running_sidecar(container: &Container, index: usize, seen: Seen, started: bool, actions: &mut PodActions) {
    use crate::probes::ProbeType::{Liveness, Startup};
    let failed = match () {
        () if !started && seen.startup == Some(ProbeResult::Failure) => Startup,
        () if started && container.liveness_probe.is_some() && seen.liveness == Some(ProbeResult::Failure) => Liveness,
        () => return,
    };
    let message = format!("Init container {} failed {} probe", container.name, failed.name());
    actions.to_kill.push(Kill { container: Which::Init(index), message, probe: Some(failed) });
    actions.init_to_start.push(index);
}

fn main_actions(pod: &Pod, main: &[Option<Seen>], actions: &mut PodActions) {
    use crate::probes::ProbeType::{Liveness, Startup};
    let mut kept = 0;
    for (index, container) in pod.spec.containers.iter().enumerate() {
        let seen = main.get(index).copied().flatten();
        let Some(seen) = seen.filter(|seen| seen.state == RuntimeState::Running) else {
            if should_be_restarted(pod, container, seen.map(|seen| seen.state)) {
                actions.to_start.push(index);
                if seen.is_some_and(|seen| seen.state == RuntimeState::Unknown) {
                    // It may run after all: there must not be two of it.
                    let message = "Container is in \"unknown\" state, try killing it before restart".to_owned();
                    actions.to_kill.push(Kill { container: Which::Main(index), message, probe: None });
                }
            }
            continue;
        };
        let name = &container.name;
        let (mut message, probe, restart) = match () {
            () if seen.changed => (format!("Container {name} definition changed"), None, true),
            () if seen.liveness == Some(ProbeResult::Failure) => {
                (format!("Container {name} failed liveness probe"), Some(Liveness), restarts_when_killed(container, &pod.spec))
            }
            () if seen.startup == Some(ProbeResult::Failure) => {
                (format!("Container {name} failed startup probe"), Some(Startup), restarts_when_killed(container, &pod.spec))
            }
            () => {
                kept += 1;
                continue;
            }
        };
        if restart {
            message.push_str(", will be restarted");
            actions.to_start.push(index);
        }
        actions.to_kill.push(Kill { container: Which::Main(index), message, probe });
    }
    if kept == 0 && actions.to_start.is_empty() {
        actions.kill_pod = true;
        // Sidecars do not keep the Pod alive.
        actions.init_to_start.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pod(spec: Value) -> Pod {
        Pod { spec: api::json::decode(spec).unwrap(), ..Pod::default() }
    }

    fn view(init: &[Option<RuntimeState>], main: &[Option<RuntimeState>]) -> RuntimeView {
        let seen = |states: &[Option<RuntimeState>]| states.iter().map(|state| state.map(Seen::new)).collect();
        let sandbox = Some(SandboxSeen { ready: true, attempt: 0, has_ip: true });
        RuntimeView { sandbox, init: seen(init), main: seen(main), ephemeral: Vec::new() }
    }

    #[test]
    fn a_sidecar_lets_the_next_start_when_it_has_started() {
        use RuntimeState::Running;
        let spec = |probe: Value| {
            let side = json!({"name": "side", "restartPolicy": "Always", "startupProbe": probe});
            pod(json!({"restartPolicy": "Always", "initContainers": [side, {"name": "next"}], "containers": [{"name": "main"}]}))
        };
        let seen = view(&[Some(Running), None], &[None]);
        assert_eq!(compute_pod_actions(&spec(Value::Null), &seen).init_to_start, [1]);
        let probed = spec(json!({"tcpSocket": {"port": 1}}));
        assert_eq!(compute_pod_actions(&probed, &seen), PodActions::default(), "its startup probe has not succeeded");
        let mut failed = seen;
        failed.init[0] = Some(Seen { startup: Some(ProbeResult::Failure), ..Seen::new(Running) });
        let actions = compute_pod_actions(&probed, &failed);
        assert_eq!((actions.init_to_start, actions.to_kill.len()), (vec![0], 1));
    }

    #[test]
    fn sidecars_do_not_keep_a_pod_alive() {
        use RuntimeState::{Exited, Running};
        let side = json!({"name": "side", "restartPolicy": "Always"});
        let pod = pod(json!({"restartPolicy": "Never", "initContainers": [side], "containers": [{"name": "main"}]}));
        let actions = compute_pod_actions(&pod, &view(&[Some(Running)], &[Some(Exited(1))]));
        assert!(actions.kill_pod && actions.to_start.is_empty() && actions.init_to_start.is_empty());
        let actions = compute_pod_actions(&pod, &view(&[Some(Exited(1))], &[Some(Running)]));
        assert_eq!((actions.kill_pod, actions.init_to_start), (false, vec![0]), "it is started again beside the containers");
    }

    #[test]
    fn a_container_may_outlive_a_policy_of_the_pod_by_its_own() {
        use RuntimeState::Exited;
        let pod = pod(json!({"restartPolicy": "Never", "containers": [{"name": "a", "restartPolicy": "OnFailure"}, {"name": "b"}]}));
        let actions = compute_pod_actions(&pod, &view(&[], &[Some(Exited(1)), Some(Exited(1))]));
        assert_eq!((actions.to_start, actions.kill_pod), (vec![0], false));
    }
}

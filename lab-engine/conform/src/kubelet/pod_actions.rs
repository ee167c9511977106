//! What a Pod needs done: `pod`, its `sandbox` (or null), the runtime's `containers`, and `probeResults` by type of probe and name.
//!
//! Expected are `killPod`, `createSandbox`, `attempt`, and the names of the containers to start and to kill, as sets.

use super::lifecycle::state;
use crate::keys::only;
use crate::read::{bare, items};
use crate::{Miss, Outcome};
use ::kubelet::facts::lifecycle::{PodActions, RuntimeView, SandboxSeen, Seen, Which, compute_pod_actions};
use ::kubelet::facts::prober::ProbeResult;
use api::core::Pod;
use serde_json::{Value, json};

const EXPECT: &[&str] = &[
    "killPod",
    "createSandbox",
    "attempt",
    "initContainersToStart",
    "containersToStart",
    "ephemeralContainersToStart",
    "containersToKill",
];

/// Runs a case.
pub(super) fn run(input: &Value, expect: &Value) -> Outcome {
    only("input", input, &["pod", "sandbox", "containers", "probeResults"])?;
    only("expect", expect, EXPECT)?;
    let pod: Pod = bare("pod", &input["pod"])?;
    let found = told(&pod, &compute_pod_actions(&pod, &view(&pod, input)?));
    for (key, wanted) in expect.as_object().into_iter().flatten() {
        Miss::unless_equal(key.clone(), &sorted(wanted), &sorted(&found[key.as_str()]))?;
    }
    Ok(())
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(names) => {
            let mut names: Vec<String> = names.iter().map(Value::to_string).collect();
            names.sort();
            json!(names)
        }
        other => other.clone(),
    }
}

fn view(pod: &Pod, input: &Value) -> Result<RuntimeView, Miss> {
    let sandbox = match &input["sandbox"] {
        Value::Null => None,
        sandbox => {
            only("sandbox", sandbox, &["id", "state", "attempt", "ip"])?;
            let attempt = u32::try_from(sandbox["attempt"].as_u64().unwrap_or(0)).unwrap_or(u32::MAX);
            let has_ip = sandbox["ip"].as_str().is_some_and(|ip| !ip.is_empty());
            Some(SandboxSeen { ready: sandbox["state"] == "ready", attempt, has_ip })
        }
    };
    let containers = items("containers", &input["containers"])?;
    for container in containers {
        only("the container", container, &["name", "id", "state", "exitCode", "reason"])?;
    }
    only("probeResults", &input["probeResults"], &["liveness", "startup", "readiness"])?;
    let seen = |name: &str| -> Result<Option<Seen>, Miss> {
        let Some(container) = containers.iter().find(|container| container["name"] == name) else { return Ok(None) };
        let result = |kind: &str| match input["probeResults"][kind][name].as_str() {
            None => Ok(None),
            Some("Success") => Ok(Some(ProbeResult::Success)),
            Some("Failure") => Ok(Some(ProbeResult::Failure)),
            Some("Unknown") => Ok(Some(ProbeResult::Unknown)),
            Some(other) => Err(Miss::Malformed(format!("{other} is no result of a probe"))),
        };
        Ok(Some(Seen { liveness: result("liveness")?, startup: result("startup")?, ..Seen::new(state(container)?) }))
    };
    let names = |list: &[api::core::Container]| list.iter().map(|container| seen(&container.name)).collect::<Result<Vec<_>, _>>();
    let ephemeral = pod.spec.ephemeral_containers.iter().map(|container| seen(&container.name)).collect::<Result<Vec<_>, _>>()?;
    Ok(RuntimeView { sandbox, init: names(&pod.spec.init_containers)?, main: names(&pod.spec.containers)?, ephemeral })
}

fn told(pod: &Pod, actions: &PodActions) -> Value {
    let init = |index: &usize| pod.spec.init_containers[*index].name.as_str();
    let main = |index: &usize| pod.spec.containers[*index].name.as_str();
    let killed = |which: Which| match which {
        Which::Init(index) => init(&index),
        Which::Main(index) => main(&index),
    };
    let ephemeral = actions.ephemeral_to_start.iter().map(|index| pod.spec.ephemeral_containers[*index].name.as_str());
    json!({
        "killPod": actions.kill_pod,
        "createSandbox": actions.create_sandbox,
        "attempt": actions.attempt,
        "initContainersToStart": actions.init_to_start.iter().map(init).collect::<Vec<_>>(),
        "containersToStart": actions.to_start.iter().map(main).collect::<Vec<_>>(),
        "ephemeralContainersToStart": ephemeral.collect::<Vec<_>>(),
        "containersToKill": actions.to_kill.iter().map(|kill| killed(kill.container)).collect::<Vec<_>>(),
    })
}

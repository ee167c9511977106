//! The life of Pods (`kubelet-lifecycle.json`).
//!
//! | op | input | expect |
//! | --- | --- | --- |
//! | `should-restart` | `pod`, `container`, `runtimeStatuses`, newest first | `restart` |
//! | `expand-command` | `container`, `env` | `command`, `args` |
//! | `pod-phase` | `pod` with its status, `podIsTerminal` | `phase` |
//! | `pod-condition` | see `conditions` | |
//! | `pod-actions` | see `pod_actions` | |
//! | `back-off` | `initialSeconds`, `maxSeconds`, `steps` | `observations`, in order |

use super::{conditions, pod_actions, seconds};
use crate::keys::only;
use crate::read::{bare, items, part, text, truth};
use crate::{Miss, Outcome};
use ::kubelet::facts::lifecycle::{Backoff, RuntimeState, Statuses, expand, phase, should_be_restarted};
use api::core::{Container, EnvVar, Pod};
use serde_json::{Value, json};
use sim::Time;

/// Runs a case.
pub(crate) fn run(case: &Value) -> Outcome {
    let case = &crate::read::in_engine_time(case);
    let (input, expect) = (&case["input"], &case["expect"]);
    match text("op", &case["op"])? {
        "should-restart" => restart(input, expect),
        "expand-command" => expand_command(input, expect),
        "pod-phase" => pod_phase(input, expect),
        "pod-condition" => conditions::run(input, expect),
        "pod-actions" => pod_actions::run(input, expect),
        "back-off" => back_off(input, expect),
        op => Err(Miss::Malformed(format!("the op {op} is not known"))),
    }
}

/// The state of a container in the runtime.
pub(super) fn state(status: &Value) -> Result<RuntimeState, Miss> {
    Ok(match text("state", &status["state"])? {
        "created" => RuntimeState::Created,
        "running" => RuntimeState::Running,
        "exited" => {
            let code = i32::try_from(status["exitCode"].as_i64().unwrap_or(0)).unwrap_or(i32::MAX);
            // What the kernel ended for its memory has failed, whatever its exit code.
            RuntimeState::Exited(if code == 0 && status["reason"] == "OOMKilled" { 137 } else { code })
        }
        "unknown" => RuntimeState::Unknown,
        other => return Err(Miss::Malformed(format!("{other} is no state of a container"))),
    })
}

fn restart(input: &Value, expect: &Value) -> Outcome {
    only("input", input, &["pod", "container", "runtimeStatuses"])?;
    only("expect", expect, &["restart"])?;
    let pod: Pod = bare("pod", &input["pod"])?;
    let name = text("container", &input["container"])?;
    let container = pod.spec.containers.iter().find(|container| container.name == name);
    let container = container.ok_or_else(|| Miss::Malformed(format!("the Pod has no container {name}")))?;
    let mut newest = items("runtimeStatuses", &input["runtimeStatuses"])?.iter().filter(|status| status["name"] == name);
    let seen = newest.next().map(state).transpose()?;
    Miss::unless_equal("restart", &truth("restart", &expect["restart"])?, &should_be_restarted(&pod, container, seen))
}

fn expand_command(input: &Value, expect: &Value) -> Outcome {
    only("input", input, &["container", "env"])?;
    let container: Container = part("container", &input["container"])?;
    let env: Vec<EnvVar> = part("env", &input["env"])?;
    let lookup = |name: &str| env.iter().rev().find(|variable| variable.name == name).map(|variable| variable.value.clone());
    let expanded = |words: &[String]| words.iter().map(|word| expand(word, lookup)).collect::<Vec<_>>();
    let found = json!({"command": expanded(&container.command), "args": expanded(&container.args)});
    only("expect", expect, &["command", "args"])?;
    for (key, wanted) in expect.as_object().into_iter().flatten() {
        let wanted = if wanted.is_null() { &json!([]) } else { wanted };
        Miss::unless_equal(key.clone(), wanted, &found[key.as_str()])?;
    }
    Ok(())
}

fn pod_phase(input: &Value, expect: &Value) -> Outcome {
    only("input", input, &["pod", "podIsTerminal"])?;
    only("expect", expect, &["phase"])?;
    let pod: Pod = bare("pod", &input["pod"])?;
    let statuses = Statuses { init: &pod.status.init_container_statuses, main: &pod.status.container_statuses, known: true };
    let found = phase(&pod.spec, statuses, input["podIsTerminal"] == true);
    Miss::unless_equal("phase", &text("phase", &expect["phase"])?, &found)
}

/// A back-off of one key on a clock that is moved by hand.
fn back_off(input: &Value, expect: &Value) -> Outcome {
    only("input", input, &["initialSeconds", "maxSeconds", "steps"])?;
    only("expect", expect, &["observations"])?;
    let mut back_off = Backoff::new(seconds("initialSeconds", &input["initialSeconds"])?, seconds("maxSeconds", &input["maxSeconds"])?);
    let key = "key";
    let (mut now, mut last) = (Time::ZERO, Time::ZERO);
    let mut observed = Vec::new();
    for step in items("steps", &input["steps"])? {
        only("the step", step, &["op", "seconds"])?;
        match text("op", &step["op"])? {
            "advance" => now = now.saturating_add(seconds("seconds", &step["seconds"])?),
            "next" => {
                back_off.next(key, now, now);
                last = now;
            }
            "gc" => back_off.gc(now),
            "get" => observed.push(json!(back_off.get(&key).as_secs())),
            "inBackOff" => observed.push(json!(back_off.waits_until(&key, last, now).is_some())),
            "inBackOffSinceUpdate" => observed.push(json!(back_off.waits_since_update(&key, now).is_some())),
            "hasEntry" => observed.push(json!(back_off.has_entry(&key))),
            other => return Err(Miss::Malformed(format!("the step {other} is not known"))),
        }
    }
    let wanted = items("observations", &expect["observations"])?;
    Miss::unless_equal("observations", &wanted, &observed.as_slice())
}

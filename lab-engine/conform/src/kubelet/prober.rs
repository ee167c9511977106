//! Probe workers (`prober.json`).
//!
//! | op | input | expect |
//! | --- | --- | --- |
//! | `probe-once` | `probeType`, `probe`, `podStatus`, `podDeleted`, `restartPolicy`, `probeOutcome` | `continue`; `result`, null for none |
//! | `probe-sequence` | `steps`: `container` and `probeOutcome`; `initialResult` | `results` and `onHoldAfter`, after each step |

use crate::keys::only;
use crate::read::{items, part, text, truth};
use crate::{Miss, Outcome};
use ::kubelet::facts::lifecycle::should_restart;
use ::kubelet::facts::prober::{ProbeResult, ProbeType, ProbeWorker, Target, TargetState, Tick};
use api::core::{Container, ContainerStateTerminated, PodSpec, Probe};
use serde_json::{Value, json};
use sim::Time;

/// The present of every case: long after the start, so that containers can have run for a while.
const NOW: Time = Time::from_secs(100_000);

/// Runs a case.
pub(crate) fn run(case: &Value) -> Outcome {
    let (input, expect) = (&case["input"], &case["expect"]);
    match text("op", &case["op"])? {
        "probe-once" => once(input, expect),
        "probe-sequence" => sequence(input, expect),
        op => Err(Miss::Malformed(format!("the op {op} is not known"))),
    }
}

/// A worker and what it is told besides its container.
struct Scene<'a> {
    worker: ProbeWorker,
    ids: Vec<&'a str>,
    spec: PodSpec,
    deleted: bool,
    phase: &'a str,
}

impl<'a> Scene<'a> {
    fn new(input: &'a Value) -> Result<Self, Miss> {
        let kind = match text("probeType", &input["probeType"])? {
            "startup" => ProbeType::Startup,
            "liveness" => ProbeType::Liveness,
            "readiness" => ProbeType::Readiness,
            other => return Err(Miss::Malformed(format!("{other} is no type of probe"))),
        };
        let probe: Probe = part("probe", &input["probe"])?;
        let mut worker = ProbeWorker::new(kind, &probe, NOW);
        if let Some(result) = input["initialResult"].as_str() {
            worker.set_result(result_of(result)?);
        }
        let spec = part("spec", &json!({"restartPolicy": input["restartPolicy"]}))?;
        Ok(Scene { worker, ids: Vec::new(), spec, deleted: input["podDeleted"] == true, phase: "" })
    }

    /// The container as its probe sees it.
    fn target(&mut self, status: Option<&'a Value>) -> Result<Target, Miss> {
        let mut target = Target {
            pod_ended: matches!(self.phase, "Failed" | "Succeeded"),
            run: None,
            state: TargetState::Waiting,
            started: false,
            deleting: self.deleted,
        };
        let Some(status) = status else { return Ok(target) };
        only("the container", status, &["name", "containerID", "started", "state", "ready", "restartCount", "image"])?;
        let id = text("containerID", &status["containerID"])?;
        if id.is_empty() {
            return Ok(target);
        }
        target.run = Some(self.ids.iter().position(|known| *known == id).unwrap_or_else(|| {
            self.ids.push(id);
            self.ids.len() - 1
        }));
        target.started = status["started"] == true;
        let state = &status["state"];
        only("state", state, &["running", "waiting", "terminated"])?;
        if !state["running"].is_null() {
            only("running", &state["running"], &["startedSecondsAgo"])?;
            let ago = state["running"]["startedSecondsAgo"].as_u64().unwrap_or(0).min(NOW.as_secs());
            target.state = TargetState::Running(Time::from_secs(NOW.as_secs() - ago));
        } else if !state["terminated"].is_null() {
            let ended: ContainerStateTerminated = part("terminated", &state["terminated"])?;
            let restarts = should_restart(&Container::default(), &self.spec, false, ended.exit_code);
            target.state = TargetState::Terminated { restarts };
        }
        Ok(target)
    }

    /// One tick; false when the worker stops.
    fn tick(&mut self, target: Target, outcome: &Value) -> Result<bool, Miss> {
        match self.worker.tick(target, NOW) {
            Tick::Stop => return Ok(false),
            Tick::Wait => {}
            Tick::Probe => match text("probeOutcome", outcome)? {
                "success" => _ = self.worker.record(true),
                "failure" => _ = self.worker.record(false),
                // An error of the prober itself: the result is thrown away.
                "error" => {}
                other => return Err(Miss::Malformed(format!("{other} is no outcome of a probe"))),
            },
        }
        Ok(true)
    }
}

fn result_of(name: &str) -> Result<ProbeResult, Miss> {
    Ok(match name {
        "Unknown" => ProbeResult::Unknown,
        "Success" => ProbeResult::Success,
        "Failure" => ProbeResult::Failure,
        other => return Err(Miss::Malformed(format!("{other} is no result"))),
    })
}

fn result_name(result: Option<ProbeResult>) -> Value {
    result.map_or(Value::Null, |result| Value::String(format!("{result:?}")))
}

fn once(input: &Value, expect: &Value) -> Outcome {
    let known = ["probeType", "probe", "restartPolicy", "podDeleted", "podStatus", "probeOutcome", "initialResult"];
    only("input", input, &known)?;
    only("expect", expect, &["continue", "result"])?;
    let mut scene = Scene::new(input)?;
    let pod = &input["podStatus"];
    scene.phase = text("phase", &pod["phase"])?;
    // The container that is probed bears the name that upstream's test gives it.
    let is_it = |status: &&Value| status["name"] == "cOnTaInEr_NaMe";
    let main = items("containerStatuses", &pod["containerStatuses"])?.iter();
    let status = main.chain(items("initContainerStatuses", &pod["initContainerStatuses"])?).find(is_it);
    let target = scene.target(status)?;
    let goes_on = scene.tick(target, &input["probeOutcome"])?;
    if !expect["continue"].is_null() {
        Miss::unless_equal("continue", &truth("continue", &expect["continue"])?, &goes_on)?;
    }
    if expect.get("result").is_some() {
        Miss::unless_equal("result", &expect["result"], &result_name(scene.worker.result()))?;
    }
    Ok(())
}

fn sequence(input: &Value, expect: &Value) -> Outcome {
    only("input", input, &["probeType", "probe", "restartPolicy", "podDeleted", "initialResult", "steps"])?;
    only("expect", expect, &["results", "onHoldAfter"])?;
    let mut scene = Scene::new(input)?;
    for (number, step) in items("steps", &input["steps"])?.iter().enumerate() {
        only("the step", step, &["probeOutcome", "container", "podDeleted"])?;
        scene.deleted |= step["podDeleted"] == true;
        let target = scene.target(Some(&step["container"]).filter(|container| !container.is_null()))?;
        scene.tick(target, &step["probeOutcome"])?;
        let results = items("results", &expect["results"])?;
        if let Some(wanted) = results.get(number) {
            Miss::unless_equal(format!("results[{number}]"), wanted, &result_name(scene.worker.result()))?;
        }
        if let Some(wanted) = items("onHoldAfter", &expect["onHoldAfter"])?.get(number) {
            Miss::unless_equal(format!("onHoldAfter[{number}]"), wanted, &Value::Bool(scene.worker.on_hold()))?;
        }
    }
    Ok(())
}

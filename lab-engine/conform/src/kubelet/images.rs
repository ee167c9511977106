//! Image pulls (`image-pull.json`).
//!
//! | op | input | expect |
//! | --- | --- | --- |
//! | `ensure-image` | an image, its policy, what the runtime says, the limits; `calls` | `steps`: `pullAttempted`, `error`, `eventReasons` |
//! | `default-image-tag` | `image` | `image`, or `error` |

use super::{number, seconds};
use crate::keys::only;
use crate::read::{items, text, texts};
use crate::{Miss, Outcome};
use ::kubelet::facts::images::{Decision, ImageEvent, PullGate, apply_default_tag, pull_failure};
use serde_json::{Value, json};
use sim::Time;
use std::time::Duration;

/// Runs a case.
pub(crate) fn run(case: &Value) -> Outcome {
    let (input, expect) = (&case["input"], &case["expect"]);
    match text("op", &case["op"])? {
        "ensure-image" => ensure(input, expect),
        "default-image-tag" => default_tag(input, expect),
        op => Err(Miss::Malformed(format!("the op {op} is not known"))),
    }
}

fn default_tag(input: &Value, expect: &Value) -> Outcome {
    only("input", input, &["image"])?;
    only("expect", expect, &["image", "error"])?;
    match apply_default_tag(text("image", &input["image"])?) {
        Ok(image) if expect["image"].is_string() => Miss::unless_equal("image", &text("image", &expect["image"])?, &image.as_str()),
        Err(_) if expect["error"] == true || expect["error"].is_string() => Ok(()),
        other => Err(Miss::failed("image", expect, format!("{other:?}"))),
    }
}

/// The runtime of a case: what it has and what it says.
struct Runtime<'a> {
    present: Vec<String>,
    inspect_error: Option<&'a str>,
    pull_error: Option<&'a str>,
}

const INPUT: &[&str] = &[
    "image",
    "imagePullPolicy",
    "presentImages",
    "inspectError",
    "pullError",
    "registryPullQPS",
    "registryBurst",
    "backOff",
    "secondsBetweenCalls",
    "calls",
];

fn ensure(input: &Value, expect: &Value) -> Outcome {
    only("input", input, INPUT)?;
    only("expect", expect, &["steps"])?;
    only("backOff", &input["backOff"], &["initialSeconds", "maxSeconds"])?;
    let back_off = |key: &str| seconds(key, &input["backOff"][key]);
    let limit = |key: &str| Ok::<u32, Miss>(u32::try_from(input[key].as_i64().unwrap_or(0)).unwrap_or(0));
    let times = (back_off("initialSeconds")?, back_off("maxSeconds")?);
    let mut gate = PullGate::new(times, limit("registryPullQPS")?, limit("registryBurst")?);
    let mut runtime = Runtime {
        present: texts("presentImages", &input["presentImages"])?,
        inspect_error: input["inspectError"].as_str(),
        pull_error: input["pullError"].as_str(),
    };
    let (image, policy) = (text("image", &input["image"])?, text("imagePullPolicy", &input["imagePullPolicy"])?);
    let between = seconds("secondsBetweenCalls", &input["secondsBetweenCalls"])?;
    let calls = usize::try_from(number("calls", &input["calls"])?).unwrap_or(0);
    let steps = items("steps", &expect["steps"])?;
    let mut now = Time::from_secs(1);
    for at in 0..calls.min(1000) {
        // The clock is moved before every call.
        now = now.saturating_add(between);
        let found = call(&mut gate, &mut runtime, image, policy, now);
        let Some(step) = steps.get(at) else { continue };
        only("the step", step, &["pullAttempted", "error", "eventReasons"])?;
        for (key, wanted) in step.as_object().into_iter().flatten() {
            Miss::unless_equal(format!("steps[{at}].{key}"), wanted, &found[key.as_str()])?;
        }
    }
    Ok(())
}

/// One call of `EnsureImageExists`.
fn call(gate: &mut PullGate, runtime: &mut Runtime<'_>, image: &str, policy: &str, now: Time) -> Value {
    const UID: &str = "uid";
    let named = apply_default_tag(image).unwrap_or_default();
    let inspected = runtime.inspect_error.map_or_else(|| Ok(runtime.present.contains(&named)), |error| Err(error.to_owned()));
    let (decision, mut events) = gate.decide(UID, image, policy, inspected, now);
    let mut attempted = false;
    let error = match decision {
        Decision::Present => None,
        Decision::Waits { reason, .. } => Some(reason),
        Decision::Pull => {
            let pulled = gate.begin(now).and_then(|()| {
                attempted = true;
                runtime.pull_error.map_or(Ok(()), |error| Err(error.to_owned()))
            });
            events.push(match &pulled {
                Ok(()) => gate.pulled(UID, image, Duration::ZERO, Duration::ZERO, 0),
                Err(error) => gate.failed(UID, image, error, now),
            });
            if pulled.is_ok() && !runtime.present.contains(&named) {
                runtime.present.push(named);
            }
            pulled.err().map(|error| pull_failure(image, &error).0)
        }
    };
    let reasons: Vec<&str> = events.iter().map(|event: &ImageEvent| event.reason).collect();
    json!({"pullAttempted": attempted, "error": error, "eventReasons": reasons})
}

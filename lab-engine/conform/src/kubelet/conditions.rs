//! A Pod's conditions: `spec`, `conditions`, `phase`, `containerStatuses` of all kinds of containers in one list, null when they are not
//! known; expected are `type`, `status`, `reason` and `message`.

use crate::keys::only;
use crate::read::{part, text};
use crate::{Miss, Outcome};
use ::kubelet::facts::lifecycle::{Statuses, containers_ready, initialized, ready};
use api::core::{ContainerStatus, PodSpec};
use api::meta::Condition;
use serde_json::{Value, json};

/// Runs a case.
pub(super) fn run(input: &Value, expect: &Value) -> Outcome {
    only("input", input, &["spec", "conditions", "phase", "containerStatuses"])?;
    only("expect", expect, &["type", "status", "reason", "message"])?;
    let spec: PodSpec = part("spec", &input["spec"])?;
    let conditions: Vec<Condition> = part("conditions", &input["conditions"])?;
    let all: Vec<ContainerStatus> = part("containerStatuses", &input["containerStatuses"])?;
    let statuses = Statuses { init: &[], main: &all, known: !input["containerStatuses"].is_null() };
    let phase = text("phase", &input["phase"])?;
    let draft = match text("type", &expect["type"])? {
        "ContainersReady" => containers_ready(&spec, statuses, phase),
        "Ready" => ready(&spec, &conditions, statuses, phase),
        "Initialized" => initialized(&spec, statuses, phase),
        other => return Err(Miss::Malformed(format!("the kubelet has no condition {other}"))),
    };
    let status = if draft.status { "True" } else { "False" };
    let found = json!({"type": draft.type_, "status": status, "reason": draft.reason, "message": draft.message});
    for (key, wanted) in expect.as_object().into_iter().flatten() {
        Miss::unless_equal(key.clone(), wanted, &found[key.as_str()])?;
    }
    Ok(())
}

//! JSON merge patches (`api-jsonmergepatch.json`).

use super::open;
use crate::Outcome;
use api::patch::{merge, three_way_merge};
use serde_json::Value;

/// Runs a case.
pub(crate) fn run(case: &Value) -> Outcome {
    let case = open(case, &[])?;
    match case.op {
        "jmp-apply" => {
            case.keys(&["original", "patch"], &["result"])?;
            case.same("result", merge(case.value("original")?.clone(), case.value("patch")?))
        }
        "jmp-diff3" => {
            case.keys(&["original", "modified", "current"], &["patch"])?;
            case.same("patch", three_way_merge(case.value("original")?, case.value("modified")?, case.value("current")?))
        }
        _ => case.unknown_op(),
    }
}

//! Strategic merge patches (`api-strategicpatch.json`), on the one schema that the cases use.
//!
//! **Simplified here:** `smp-diff` is the three-way patch whose last applied and current object are the same.

use super::open;
use crate::{Miss, Outcome};
use api::patch::{FieldPlan, PatchSchema, strategic_conflict, strategic_merge_with, three_way_strategic_with};
use api::schema::PatchStrategy;
use serde_json::{Value, json};

/// The schema M of the cases.
struct M;

impl PatchSchema for M {
    fn plan(&self, name: &str) -> FieldPlan<'_> {
        let patch = |merge, merge_key, retain_keys| PatchStrategy { merge, merge_key, retain_keys, replace: false };
        let of_m = |patch| FieldPlan { below: Some(&M), patch };
        match name {
            "mergingList" | "mergeItemPtr" => of_m(patch(true, Some("name"), false)),
            "retainKeysMergingList" => of_m(patch(true, Some("name"), true)),
            "retainKeysMap" => of_m(patch(false, None, true)),
            "nonMergingList" => of_m(patch(false, None, false)),
            "mergingIntList" | "simpleMap" => FieldPlan { below: None, patch: patch(true, None, false) },
            "replacingItem" => FieldPlan { below: None, patch: PatchStrategy { replace: true, ..PatchStrategy::default() } },
            _ => FieldPlan::default(),
        }
    }
}

/// Runs a case.
pub(crate) fn run(case: &Value) -> Outcome {
    let case = open(case, &[])?;
    match case.op {
        "smp-apply" => {
            case.keys(&["original", "patch"], &["result", "error"])?;
            let result = strategic_merge_with(&M, case.value("original")?.clone(), case.value("patch")?);
            match (case.expect.get("error").and_then(Value::as_str), result) {
                (Some(piece), Err(error)) if error.contains(piece) => Ok(()),
                (Some(piece), result) => Err(Miss::failed("error", piece, format!("{result:?}"))),
                (None, Ok(result)) => case.same("result", result),
                (None, Err(error)) => Err(Miss::failed("result", "a result", error)),
            }
        }
        "smp-diff" => {
            case.keys(&["original", "modified"], &["patch"])?;
            let original = case.value("original")?;
            let patch = three_way_strategic_with(&M, original, case.value("modified")?, original);
            case.same("patch", patch.map_err(|error| Miss::failed("patch", "a patch", error))?)
        }
        "smp-diff3" => {
            case.keys(&["original", "modified", "current"], &["conflict", "patch", "patchWhenOverwriting"])?;
            let patch = three_way_strategic_with(&M, case.value("original")?, case.value("modified")?, case.value("current")?);
            let patch = patch.map_err(|error| Miss::failed("patch", "a patch", error))?;
            let conflict = strategic_conflict(&M, &patch, case.value("original")?, case.value("current")?);
            case.same("conflict", json!(conflict.map_err(|error| Miss::failed("conflict", "an answer", error))?))?;
            case.same("patch", patch.clone())?;
            case.same("patchWhenOverwriting", patch)
        }
        _ => case.unknown_op(),
    }
}

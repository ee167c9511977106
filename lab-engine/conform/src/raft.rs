//! Facts about Raft (`raft.json`).

use crate::{Miss, Outcome};
use serde_json::Value;

/// Runs a case.
pub(crate) fn run(case: &Value) -> Outcome {
    Err(Miss::Skipped(format!("{} cannot be run yet", case["kind"])))
}

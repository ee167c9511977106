//! On which nodes a DaemonSet's Pods run (`daemonset.json`).
//!
//! | op | input | expect |
//! | --- | --- | --- |
//! | `node-should-run` | `node`, `daemonSet`, `podsOnNode` | `shouldRun`, `shouldContinueRunning` |
//!
//! The Pods that are on the node do not matter: whether there is room is the scheduler's concern.

use super::{compare, object, parts, unknown};
use crate::Outcome;
use crate::read::only_keys;
use controllers::facts::daemon_set::node_should_run;
use serde_json::{Value, json};

/// Runs a case.
pub(crate) fn run(case: &Value) -> Outcome {
    let (op, input, expect) = parts(case)?;
    if op != "node-should-run" {
        return Err(unknown(op));
    }
    only_keys("input", &input, &["node", "daemonSet", "podsOnNode"])?;
    let (run, stay) = node_should_run(&object("node", &input["node"])?, &object("daemonSet", &input["daemonSet"])?);
    compare(&expect, &json!({"shouldRun": run, "shouldContinueRunning": stay}))
}

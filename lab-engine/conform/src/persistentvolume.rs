//! Facts about which PersistentVolume a claim binds to (`persistentvolume.json`).
//!
//! | op | input | expect |
//! | --- | --- | --- |
//! | `pv-match` | `claim`, `volumes`, `delayBinding` | `volumeUID`, null for none |
//! | `pv-match-node` | the same, `node`, `excludedVolumeUIDs` | `volumeUID` |
//! | `access-modes` | `volumeAccessModes`, `claimAccessModes` | `satisfied` |

use crate::read::{bare, in_engine_time, items, only_keys, text, texts, truth, unless_superseded};
use crate::{Miss, Outcome};
use api::core::{Node, PersistentVolume, PersistentVolumeClaim};
use controllers::volume::matching::{find, has_access_modes};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Cases that v1.36 answers differently, and why.
const SUPERSEDED: &[(&str, &str)] = &[];

/// Runs a case.
pub(crate) fn run(case: &Value) -> Outcome {
    unless_superseded(case, SUPERSEDED)?;
    let case = in_engine_time(case);
    let (input, expect) = (&case["input"], &case["expect"]);
    match text("op", &case["op"])? {
        "pv-match" => {
            only_keys("input", input, &["claim", "volumes", "delayBinding"])?;
            matched(input, expect)
        }
        "pv-match-node" => {
            only_keys("input", input, &["claim", "volumes", "delayBinding", "node", "excludedVolumeUIDs"])?;
            matched(input, expect)
        }
        "access-modes" => {
            only_keys("input", input, &["volumeAccessModes", "claimAccessModes"])?;
            only_keys("expect", expect, &["satisfied"])?;
            let modes = |key: &str| texts(key, &input[key]);
            let found = has_access_modes(&modes("volumeAccessModes")?, &modes("claimAccessModes")?);
            Miss::unless_equal("satisfied", &truth("satisfied", &expect["satisfied"])?, &found)
        }
        other => Err(Miss::Malformed(format!("the op {other} is not known"))),
    }
}

fn matched(input: &Value, expect: &Value) -> Outcome {
    only_keys("expect", expect, &["volumeUID"])?;
    let claim: PersistentVolumeClaim = bare("claim", &input["claim"])?;
    let volumes: Vec<Arc<PersistentVolume>> =
        items("volumes", &input["volumes"])?.iter().map(|volume| bare("volumes", volume).map(Arc::new)).collect::<Result<_, _>>()?;
    let node = (!input["node"].is_null()).then(|| bare::<Node>("node", &input["node"])).transpose()?;
    let excluded: BTreeSet<String> = texts("excludedVolumeUIDs", &input["excludedVolumeUIDs"])?.into_iter().collect();
    let delay = input["delayBinding"].as_bool().unwrap_or(false);
    let found = find(&claim, &volumes, node.as_ref(), &excluded, delay).map(|volume| volume.metadata.uid.as_str());
    Miss::unless_equal("volumeUID", &expect["volumeUID"].as_str(), &found)
}

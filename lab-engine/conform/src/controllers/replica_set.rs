//! Which Pods of a ReplicaSet count, and which go first (`replicaset.json`).
//!
//! | op | input | expect |
//! | --- | --- | --- |
//! | `deletion-rank` | `a` and `b`, each `pod` and `rank`; `now` | `order`: `a-before-b`, `equal` or `b-before-a` |
//! | `active-pods-order` | `pods`, `now` | `order`: names, the first to be deleted first |
//! | `filter-active`, `count-terminating` | `pods` | `active`: names; `count` |

use super::{compare, object, objects, parts, time, unknown};
use crate::{Miss, Outcome};
use api::core::Pod;
use controllers::facts::replica_set as facts;
use serde_json::{Value, json};
use std::cmp::Ordering;
use std::sync::Arc;

/// Runs a case.
pub(crate) fn run(case: &Value) -> Outcome {
    let (op, input, expect) = parts(case)?;
    let pods = || objects::<Pod>("pods", &input["pods"]);
    let names = |pods: &[Arc<Pod>]| pods.iter().map(|pod| pod.metadata.name.clone()).collect::<Vec<_>>();
    let found = match op {
        "deletion-rank" => {
            let now = time("now", &input["now"])?;
            let rank = |side: &str| -> Result<_, Miss> {
                let neighbours = input[side]["rank"].as_u64().and_then(|rank| usize::try_from(rank).ok()).unwrap_or(0);
                Ok(facts::delete_rank(now, &object::<Pod>(side, &input[side]["pod"])?, neighbours))
            };
            let order = match rank("a")?.cmp(&rank("b")?) {
                Ordering::Less => "a-before-b",
                Ordering::Equal => "equal",
                Ordering::Greater => "b-before-a",
            };
            json!({"order": order})
        }
        "active-pods-order" => {
            let (now, mut pods) = (time("now", &input["now"])?, pods()?);
            pods.sort_by_cached_key(|pod| facts::delete_rank(now, pod, 1));
            json!({"order": names(&pods)})
        }
        "filter-active" => {
            let mut pods = pods()?;
            pods.retain(|pod| facts::is_active(pod));
            json!({"active": names(&pods)})
        }
        "count-terminating" => {
            let count = pods()?.iter().filter(|pod| facts::is_terminating(pod)).count();
            json!({"count": count, "terminating": count})
        }
        other => return Err(unknown(other)),
    };
    compare(&expect, &found)
}

//! The arithmetic of rollouts (`deployment.json`).
//!
//! | op | input | expect |
//! | --- | --- | --- |
//! | `resolve-fenceposts` | `maxSurge`, `maxUnavailable`, `replicas` | both as numbers, or `error` |
//! | `max-unavailable`, `min-available` | `deployment` | `maxUnavailable`, `minAvailable` |
//! | `new-rs-replicas` | `deployment`, `newRS`, `allRSs` | `newRSReplicas` |
//! | `reconcile-new-rs`, `reconcile-old-rs`, `scale-down-old-rolling` | and `oldRSs` | `scaled`, the size |
//! | `cleanup-unhealthy` | and `maxCleanupCount` | the same, and `cleanupCount` |
//! | `rs-fraction`, `scale` | `replicaSet`; `newRS`, `oldRSs` | `delta`; `replicasByRS` by name |
//! | `cleanup-history` | `oldRSs` | `deletedCount`, `deleted` |
//! | `deployment-complete`, `-progressing`, `-timed-out` | `deployment`; `oldStatus`, `newStatus`; `now` | the answer |
//! | `template-equal-ignore-hash` | `former`, `latter` | `equal` |

use super::{compare, object, objects, parts, time, unknown};
use crate::{Miss, Outcome};
use api::apps::{Deployment, DeploymentStatus, ReplicaSet};
use api::core::PodTemplateSpec;
use controllers::facts::deployment as facts;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Runs a case.
pub(crate) fn run(case: &Value) -> Outcome {
    let (op, input, expect) = parts(case)?;
    compare(&expect, &found(op, &input)?)
}

fn deployment(input: &Value) -> Result<Deployment, Miss> {
    object("deployment", &input["deployment"])
}

/// The old ReplicaSets, oldest first.
fn old_sets(input: &Value) -> Result<Vec<Arc<ReplicaSet>>, Miss> {
    let mut sets: Vec<Arc<ReplicaSet>> = objects("oldRSs", &input["oldRSs"])?;
    sets.sort_by_key(|set| set.metadata.creation_timestamp);
    Ok(sets)
}

fn first_size(sets: &[Arc<ReplicaSet>]) -> i32 {
    sets.first().map_or(0, |set| facts::size(set))
}

fn found(op: &str, input: &Value) -> Result<Value, Miss> {
    let new = || object::<ReplicaSet>("newRS", &input["newRS"]);
    Ok(match op {
        "resolve-fenceposts" => {
            let bounds = json!({"rollingUpdate": {"maxSurge": input["maxSurge"], "maxUnavailable": input["maxUnavailable"]}});
            let deployment: Deployment = object("input", &json!({"spec": {"replicas": input["replicas"], "strategy": bounds}}))?;
            match facts::resolve_fenceposts(&deployment) {
                Ok((surge, unavailable)) => json!({"maxSurge": surge, "maxUnavailable": unavailable, "error": false}),
                Err(_) => json!({"error": true}),
            }
        }
        "max-unavailable" => json!({"maxUnavailable": facts::max_unavailable(&deployment(input)?)}),
        "min-available" => json!({"minAvailable": facts::min_available(&deployment(input)?)}),
        "new-rs-replicas" => {
            let all: Vec<Arc<ReplicaSet>> = objects("allRSs", &input["allRSs"])?;
            let total = all.iter().map(|set| facts::size(set)).sum();
            json!({"newRSReplicas": facts::grown_size(&deployment(input)?, facts::size(&new()?), total)})
        }
        "reconcile-new-rs" => {
            let size = facts::size(&new()?);
            let total = size + old_sets(input)?.iter().map(|set| facts::size(set)).sum::<i32>();
            let wanted = facts::new_size(&deployment(input)?, size, total);
            json!({"scaled": wanted != size, "newRSReplicas": wanted})
        }
        "reconcile-old-rs" | "cleanup-unhealthy" | "scale-down-old-rolling" => shrunk(op, input)?,
        "rs-fraction" => {
            json!({"delta": facts::fraction(&deployment(input)?, &object::<ReplicaSet>("replicaSet", &input["replicaSet"])?)})
        }
        "scale" => {
            let new = if input["newRS"].is_null() { None } else { Some(Arc::new(new()?)) };
            let old = old_sets(input)?;
            let names = old.iter().chain(&new).map(|set| (set.metadata.name.clone(), facts::size(set)));
            let mut sizes: BTreeMap<String, i32> = names.collect();
            let scaled = facts::scale(&deployment(input)?, new.as_ref(), &old);
            sizes.extend(scaled.into_iter().map(|(set, to)| (set.metadata.name.clone(), to)));
            json!({"replicasByRS": sizes})
        }
        "cleanup-history" => {
            let (deployment, old) = (deployment(input)?, old_sets(input)?);
            let gone: Vec<&str> = facts::beyond_history(&deployment, &old).into_iter().map(|set| set.metadata.name.as_str()).collect();
            json!({"deletedCount": gone.len(), "deleted": gone})
        }
        "deployment-complete" => {
            let deployment = deployment(input)?;
            json!({"complete": facts::is_complete(&deployment, &deployment.status)})
        }
        "deployment-progressing" => {
            let status = |field: &str| object::<DeploymentStatus>(field, &input[field]);
            json!({"progressing": facts::is_progressing(&status("oldStatus")?, &status("newStatus")?)})
        }
        "deployment-timed-out" => {
            let (deployment, now) = (deployment(input)?, time("now", &input["now"])?);
            let deadline = facts::progress_deadline(&deployment);
            json!({"timedOut": deadline.is_some_and(|deadline| facts::is_timed_out(now, &deployment.status, deadline))})
        }
        "template-equal-ignore-hash" => {
            let template = |field: &str| object::<PodTemplateSpec>(field, &input[field]);
            json!({"equal": facts::same_version(&template("former")?, &template("latter")?)})
        }
        other => return Err(unknown(other)),
    })
}

/// What becomes of the first old ReplicaSet.
fn shrunk(op: &str, input: &Value) -> Result<Value, Miss> {
    let (deployment, old) = (deployment(input)?, old_sets(input)?);
    let before = first_size(&old);
    let after = match op {
        "reconcile-old-rs" => facts::old_sizes(&deployment, &object("newRS", &input["newRS"])?, &old).first().copied().unwrap_or(0),
        "cleanup-unhealthy" => {
            let most = i32::try_from(input["maxCleanupCount"].as_i64().unwrap_or(0)).unwrap_or(0);
            facts::cleaned_sizes(&old, most).first().copied().unwrap_or(0)
        }
        _ => {
            let mut sizes: Vec<i32> = old.iter().map(|set| facts::size(set)).collect();
            let available: i32 = old.iter().filter_map(|set| set.status.available_replicas).sum();
            facts::scale_down(&mut sizes, available - facts::min_available(&deployment));
            sizes.first().copied().unwrap_or(0)
        }
    };
    let mut told = json!({"scaled": after != before, "oldRSReplicas": after});
    if op == "cleanup-unhealthy" {
        told["cleanupCount"] = json!(before - after);
    }
    Ok(told)
}

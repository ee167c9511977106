//! The arithmetic of rollouts against facts from Kubernetes' own unit tests, where those lie beside the project (`../shared/vectors`).

use super::revision::beyond_history;
use super::rolling::{desired, max_unavailable, new_size, old_sizes, resolve_fenceposts, scale_down, size};
use super::scaling::{fraction, scale};
use super::{canonical, status};
use api::apps::{Deployment, DeploymentStatus, ReplicaSet};
use api::json::{Json, decode};
use serde_json::{Value, json};
use sim::Time;
use std::collections::BTreeMap;
use std::sync::Arc;

fn read<T: Json>(value: &Value) -> T {
    decode(value.clone()).expect("vectors hold objects of Kubernetes")
}

/// The ReplicaSets of a list, oldest first; none when it is absent.
fn replica_sets(value: &Value) -> Vec<Arc<ReplicaSet>> {
    let mut all: Vec<Arc<ReplicaSet>> = value.as_array().into_iter().flatten().map(|rs| Arc::new(read(rs))).collect();
    all.sort_by_key(|rs| rs.metadata.creation_timestamp);
    all
}

/// What our functions make of a case; `None` for an operation that is not ours.
fn outcome(op: &str, input: &Value) -> Option<Value> {
    let deployment = || read::<Deployment>(&input["deployment"]);
    let rs = |field: &str| read::<ReplicaSet>(&input[field]);
    let old = replica_sets(&input["oldRSs"]);
    Some(match op {
        "resolve-fenceposts" => {
            let bounds = json!({"rollingUpdate": {"maxSurge": input["maxSurge"], "maxUnavailable": input["maxUnavailable"]}});
            let deployment: Deployment = read(&json!({"spec": {"replicas": input["replicas"], "strategy": bounds}}));
            match resolve_fenceposts(&deployment) {
                Ok((surge, unavailable)) => json!({"maxSurge": surge, "maxUnavailable": unavailable, "error": false}),
                Err(_) => json!({"error": true}),
            }
        }
        "max-unavailable" => json!({"maxUnavailable": max_unavailable(&deployment())}),
        "new-rs-replicas" => {
            let total = replica_sets(&input["allRSs"]).iter().map(|rs| size(rs)).sum();
            json!({"newRSReplicas": new_size(&deployment(), size(&rs("newRS")), total)})
        }
        "reconcile-new-rs" => {
            let new = rs("newRS");
            let total = size(&new) + old.iter().map(|rs| size(rs)).sum::<i32>();
            let wanted = new_size(&deployment(), size(&new), total);
            json!({"scaled": wanted != size(&new), "newRSReplicas": wanted})
        }
        "reconcile-old-rs" => {
            let sizes = old_sizes(&deployment(), &rs("newRS"), &old);
            json!({"scaled": sizes[0] != size(&old[0]), "oldRSReplicas": sizes[0]})
        }
        "scale-down-old-rolling" => {
            let mut sizes: Vec<i32> = old.iter().map(|rs| size(rs)).collect();
            let available: i32 = old.iter().filter_map(|rs| rs.status.available_replicas).sum();
            let deployment = deployment();
            scale_down(&mut sizes, available - (desired(&deployment) - max_unavailable(&deployment)));
            json!({"scaled": sizes[0] != size(&old[0]), "oldRSReplicas": sizes[0]})
        }
        "rs-fraction" => json!({"delta": fraction(&deployment(), &rs("replicaSet"))}),
        "scale" => {
            let new = (!input["newRS"].is_null()).then(|| Arc::new(rs("newRS")));
            let mut sizes: BTreeMap<String, i32> = old.iter().chain(&new).map(|rs| (rs.metadata.name.clone(), size(rs))).collect();
            sizes.extend(scale(&deployment(), new.as_ref(), &old).into_iter().map(|(rs, to)| (rs.metadata.name.clone(), to)));
            json!({"replicasByRS": sizes})
        }
        "cleanup-history" => {
            let deployment = deployment();
            let gone: Vec<&str> = beyond_history(&deployment, &old).into_iter().map(|rs| rs.metadata.name.as_str()).collect();
            json!({"deletedCount": gone.len(), "deleted": gone})
        }
        "deployment-complete" => json!({"complete": status::is_complete(&deployment(), &deployment().status)}),
        "deployment-progressing" => {
            let read = |field: &str| read::<DeploymentStatus>(&input[field]);
            json!({"progressing": status::is_progressing(&read("oldStatus"), &read("newStatus"))})
        }
        "deployment-timed-out" => {
            let deployment = deployment();
            let now = Time::parse_rfc3339(input["now"].as_str()?).expect("vectors hold times");
            let deadline = status::progress_deadline(&deployment);
            let timed_out = deadline.is_some_and(|deadline| status::is_timed_out(now, &deployment.status, deadline));
            json!({"timedOut": timed_out})
        }
        "template-equal-ignore-hash" => json!({"equal": canonical(&read(&input["former"])) == canonical(&read(&input["latter"]))}),
        _ => return None,
    })
}

#[test]
fn rollouts_reckon_as_upstream_does() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors/deployment.json");
    let Ok(text) = std::fs::read_to_string(path) else {
        eprintln!("deployment: not there, left out");
        return;
    };
    // Only differences of times matter, and the engine's begin in 2026.
    let text = text.replace("\"2016-", "\"2027-").replace("\"2024-", "\"2027-");
    let file: Value = serde_json::from_str(&text).expect("vectors are JSON");
    let (mut run, mut left, mut wrong) = (0, 0, Vec::new());
    for case in file["cases"].as_array().into_iter().flatten() {
        let Some(found) = outcome(case["op"].as_str().unwrap_or(""), &case["input"]) else {
            left += 1;
            continue;
        };
        run += 1;
        for (field, wanted) in case["expect"].as_object().into_iter().flatten() {
            if found[field] != *wanted {
                wrong.push(format!("{}: {field} is {} instead of {wanted}", case["id"], found[field]));
            }
        }
    }
    eprintln!("{run} run, {left} left out");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

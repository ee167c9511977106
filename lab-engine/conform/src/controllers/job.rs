//! One look at a Job (`job.json`).
//!
//! | op | input | expect |
//! | --- | --- | --- |
//! | `job-sync` | `job`, `pods`, `now`, `featureGates` | `creations`, `deletions`, `createdIndexes`; numbers of the status; `conditions` |
//!
//! Of `conditions` each must be there with the fields that it states; others may be. `featureGates` are on in v1.36; where
//! `JobPodReplacementPolicy` is said to be off, the conditions are those that follow once the Pods are gone.

use super::{object, objects, parts, time, unknown};
use crate::read::{items, only_keys};
use crate::{Miss, Outcome};
use api::batch::{Job, JobStatus};
use api::core::Pod;
use api::json::Json;
use controllers::facts::job::{Decision, Record, counted, decide};
use serde_json::{Value, json};
use sim::Time;
use std::collections::BTreeSet;
use std::sync::Arc;

const EXPECTED: [&str; 11] = [
    "creations",
    "deletions",
    "createdIndexes",
    "active",
    "ready",
    "succeeded",
    "failed",
    "terminating",
    "completedIndexes",
    "failedIndexes",
    "conditions",
];

/// Runs a case.
pub(crate) fn run(case: &Value) -> Outcome {
    let (op, input, expect) = parts(case)?;
    if op != "job-sync" {
        return Err(unknown(op));
    }
    only_keys("input", &input, &["job", "pods", "now", "featureGates"])?;
    only_keys("expect", &expect, &EXPECTED)?;
    let job: Job = object("job", &input["job"])?;
    let mut pods: Vec<Arc<Pod>> = objects("pods", &input["pods"])?;
    for (number, pod) in pods.iter_mut().enumerate().filter(|(_, pod)| pod.metadata.uid.is_empty()) {
        Arc::make_mut(pod).metadata.uid = format!("uid-{number}");
    }
    let now = time("now", &input["now"])?;
    let first = decide(now, &job, &pods, true, &Record::default());
    let (status, _) = counted(now, &job, &first, &BTreeSet::new());
    let waits = input["featureGates"]["JobPodReplacementPolicy"] != false;
    let last = if waits || first.finish.is_none() { status.clone() } else { ended(now, &job, &status) };
    check(&expect, &first, &status, &last)
}

/// The status once the Pods of a Job that ends are gone. With the gate off upstream did not wait for that.
fn ended(now: Time, job: &Job, status: &JobStatus) -> JobStatus {
    let job = Job { status: status.clone(), ..job.clone() };
    let last = decide(now, &job, &[], true, &Record::default());
    counted(now, &job, &last, &BTreeSet::new()).0
}

fn check(expect: &Value, first: &Decision, status: &JobStatus, last: &JobStatus) -> Outcome {
    let indexes: Vec<i32> = first.create.iter().filter_map(|new| new.index).collect();
    let number = |number: Option<i32>| json!(number.unwrap_or(0));
    let found = json!({
        "creations": first.create.len(), "deletions": first.delete.len(), "createdIndexes": indexes,
        "active": number(status.active), "ready": number(status.ready), "succeeded": number(status.succeeded),
        "failed": number(status.failed), "terminating": number(status.terminating),
        "completedIndexes": status.completed_indexes, "failedIndexes": status.failed_indexes,
    });
    let mut numbers = expect.clone();
    if let Some(fields) = numbers.as_object_mut() {
        fields.remove("conditions");
    }
    super::compare(&numbers, &found)?;
    let conditions: Vec<Value> = last.conditions.iter().map(Json::to_json).collect();
    for wanted in items("conditions", &expect["conditions"])? {
        let wanted_fields = wanted.as_object().ok_or_else(|| Miss::Malformed("a condition is no object".to_owned()))?;
        if !conditions.iter().any(|condition| wanted_fields.iter().all(|(field, value)| condition[field] == *value)) {
            return Err(Miss::failed("conditions", wanted, json!(conditions)));
        }
    }
    Ok(())
}

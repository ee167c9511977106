//! Facts about the scheduler's plugins, preemption and queue (`sched-*.json`).
//!
//! | op | input | expect |
//! | --- | --- | --- |
//! | `filter` | `plugin`, `args`, `pod`, `nodes`, `existingPods` and other objects | `nodes`: code and reasons of each; `insufficient` |
//! | `score` | the same, `normalized`, `feasibleNodes` | `scores` of each node |
//! | `prefilter` | the same | `status` of the Pod |
//! | `validate-args` | `plugin`, `args` | `valid` |
//! | `piecewise-linear` | `points` | `values` |
//! | `normalize-image-name` | `image` | `image` |
//! | `preemption-candidates`, `preemption-best-node`, `preemption-postfilter` | `filterPlugins`, `filterStatuses` | where room is made |
//! | `preemption-eligible` | `nominatedNodeStatus` | `eligible` |
//! | `queue-less` | `a`, `b` | `aBeforeB` |

use crate::read::{items, only_keys, text, texts, truth};
use crate::{Miss, Outcome};
use scheduler::dry_run::{self, Candidate, Code, Preemption, Scene, Verdict};
use serde_json::{Value, json};
use sim::Time;
use std::collections::{BTreeMap, BTreeSet};

/// Cases that v1.36 answers differently, and why.
const SUPERSEDED: &[(&str, &str)] = &[];

/// The lists of objects that a case may have, with the kind of their objects.
const OBJECTS: [(&str, &str); 12] = [
    ("nodes", "Node"),
    ("existingPods", "Pod"),
    ("namespaces", "Namespace"),
    ("services", "Service"),
    ("replicaSets", "ReplicaSet"),
    ("replicationControllers", "ReplicationController"),
    ("statefulSets", "StatefulSet"),
    ("persistentVolumes", "PersistentVolume"),
    ("persistentVolumeClaims", "PersistentVolumeClaim"),
    ("storageClasses", "StorageClass"),
    ("csiNodes", "CSINode"),
    ("podDisruptionBudgets", "PodDisruptionBudget"),
];

/// Runs a case.
pub(crate) fn run(case: &Value) -> Outcome {
    crate::read::unless_superseded(case, SUPERSEDED)?;
    let (input, expect) = (&case["input"], &case["expect"]);
    match text("op", &case["op"])? {
        "filter" => filter(input, expect),
        "score" => score(input, expect),
        "prefilter" => pre_filter(input, expect),
        "validate-args" => {
            only_keys("input", input, &["plugin", "args"])?;
            only_keys("expect", expect, &["valid"])?;
            let checked = dry_run::validate_args(text("plugin", &input["plugin"])?, &input["args"]);
            if truth("valid", &expect["valid"])? == checked.is_ok() {
                Ok(())
            } else {
                Err(Miss::failed("valid", expect, format!("{checked:?}")))
            }
        }
        "piecewise-linear" => piecewise_linear(input, expect),
        "normalize-image-name" => {
            only_keys("input", input, &["image"])?;
            only_keys("expect", expect, &["image"])?;
            let name = dry_run::normalized_image_name(text("image", &input["image"])?);
            Miss::unless_equal("image", &text("image", &expect["image"])?, &name.as_str())
        }
        "preemption-candidates" => candidates(input, expect),
        "preemption-best-node" => best_node(input, expect),
        "preemption-postfilter" => post_filter(input, expect),
        "preemption-eligible" if case["k8s_version"] == "v1.23" => eligible(&with_disruptions(input), expect),
        "preemption-eligible" => eligible(input, expect),
        "queue-less" => queue_less(input, expect),
        other => Err(Miss::Malformed(format!("the op {other} is not known"))),
    }
}

/// Times of upstream's tests lie before the engine's time begins; only their order matters, so all move by sixty years.
fn moved(value: &Value) -> Value {
    match value {
        Value::String(text) if text.starts_with("19") && text.ends_with('Z') && text.as_bytes().get(10) == Some(&b'T') => {
            let year = text[..4].parse::<u32>().unwrap_or(1970) + 60;
            json!(format!("{year}{}", &text[4..]))
        }
        Value::Array(items) => items.iter().map(moved).collect(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), moved(value))).collect(),
        other => other.clone(),
    }
}

fn malformed(why: String) -> Miss {
    Miss::Malformed(why)
}

/// The objects of the case, and its Pod. `own` are the keys that the op knows besides.
fn scene(input: &Value, own: &[&str]) -> Result<(Scene, Value), Miss> {
    let known: Vec<&str> = OBJECTS.iter().map(|(list, _)| *list).chain(["pod"]).chain(own.iter().copied()).collect();
    only_keys("input", input, &known)?;
    let mut scene = Scene::default();
    for (list, kind) in OBJECTS {
        for item in items(list, &input[list])? {
            let mut object = moved(item);
            object["kind"] = json!(kind);
            scene.add(&object).map_err(malformed)?;
        }
    }
    Ok((scene, moved(&input["pod"])))
}

fn filter(input: &Value, expect: &Value) -> Outcome {
    only_keys("expect", expect, &["nodes", "insufficient"])?;
    let (scene, pod) = scene(input, &["plugin", "args"])?;
    let (name, args) = (text("plugin", &input["plugin"])?, &input["args"]);
    let found = scene.filter(name, args, &pod).map_err(malformed)?;
    for (node, wanted) in expect["nodes"].as_object().into_iter().flatten() {
        let verdict = found.get(node).ok_or_else(|| malformed(format!("there is no node {node}")))?;
        // Since v1.31 NodeResourcesFit says when even an empty node would be too small.
        let too_small = name == "NodeResourcesFit" && verdict.code == Code::UnschedulableAndUnresolvable;
        let wanted = if too_small && wanted["code"] == "Unschedulable" {
            json!({"code": "UnschedulableAndUnresolvable", "reasons": wanted["reasons"]})
        } else {
            wanted.clone()
        };
        // The words of these changed between releases; or they are those of the lister of upstream's test.
        let of_a_lister = wanted["reasons"][0].as_str().is_some_and(|reason| name == "VolumeZone" && is_of_a_lister(reason));
        let words = !matches!(name, "TaintToleration" | "PodTopologySpread") && !of_a_lister;
        same_verdict(&format!("nodes.{node}"), &wanted, verdict, words)?;
    }
    if expect["insufficient"].is_null() { Ok(()) } else { insufficient(&scene, args, &pod, expect) }
}

/// Whether a reason says that an object is not there as only the listers of upstream's tests say it.
fn is_of_a_lister(reason: &str) -> bool {
    reason.starts_with("unable to find ") || reason.starts_with("storageclasses.storage.k8s.io ")
}

fn same_verdict(at: &str, expect: &Value, verdict: &Verdict, words: bool) -> Outcome {
    only_keys(at, expect, &["code", "reasons"])?;
    Miss::unless_equal(format!("{at}.code"), &text("code", &expect["code"])?, &verdict.code.as_str())?;
    if words && expect["reasons"].is_array() {
        Miss::unless_equal(format!("{at}.reasons"), &texts("reasons", &expect["reasons"])?, &verdict.reasons)?;
    }
    Ok(())
}

/// `insufficient` is that of the only node.
fn insufficient(scene: &Scene, args: &Value, pod: &Value, expect: &Value) -> Outcome {
    let found = scene.insufficient(args, pod).map_err(malformed)?;
    let told = |resource: &str, numbers: [i64; 3], reason: &str| format!("{resource}: {numbers:?} {reason}");
    let mut wanted = BTreeSet::new();
    for one in items("insufficient", &expect["insufficient"])? {
        only_keys("insufficient", one, &["resource", "requested", "used", "capacity", "reason"])?;
        let numbers = ["requested", "used", "capacity"].map(|key| one[key].as_i64().unwrap_or(0));
        // Of the number of Pods only that it is too large is compared: how the Pod itself counts changed.
        let numbers = if one["resource"] == "pods" { [0; 3] } else { numbers };
        wanted.insert(told(text("resource", &one["resource"])?, numbers, text("reason", &one["reason"])?));
    }
    let found = found.into_values().flatten().map(|one| {
        let numbers = if one.resource == "pods" { [0; 3] } else { [one.requested, one.used, one.capacity] };
        told(&one.resource, numbers, &one.reason)
    });
    Miss::unless_equal("insufficient", &wanted, &found.collect())
}

fn score(input: &Value, expect: &Value) -> Outcome {
    only_keys("expect", expect, &["scores"])?;
    let (scene, pod) = scene(input, &["plugin", "args", "normalized", "feasibleNodes"])?;
    let feasible = if input["feasibleNodes"].is_null() { None } else { Some(texts("feasibleNodes", &input["feasibleNodes"])?) };
    let normalized = input["normalized"] == true;
    let name = text("plugin", &input["plugin"])?;
    let found = scene.scores(name, &input["args"], &pod, feasible.as_deref(), normalized).map_err(malformed)?;
    for (node, wanted) in expect["scores"].as_object().into_iter().flatten() {
        Miss::unless_equal(format!("scores.{node}"), &wanted.as_i64(), &found.get(node).copied())?;
    }
    Ok(())
}

fn pre_filter(input: &Value, expect: &Value) -> Outcome {
    only_keys("expect", expect, &["status"])?;
    let (scene, pod) = scene(input, &["plugin", "args"])?;
    let (name, args, wanted) = (text("plugin", &input["plugin"])?, &input["args"], &expect["status"]);
    let found = scene.pre_filter(name, args, &pod).map_err(malformed)?;
    // Since v1.27 a claim that is in use refuses the Pod in Filter, on every node, so that preemption can help.
    if name == "VolumeRestrictions" && found.code == Code::Success && wanted["code"] == "UnschedulableAndUnresolvable" {
        let by_node = scene.filter(name, args, &pod).map_err(malformed)?;
        let later = json!({"code": "Unschedulable", "reasons": wanted["reasons"]});
        if !by_node.is_empty() {
            return by_node.iter().try_for_each(|(node, verdict)| same_verdict(&format!("nodes.{node}"), &later, verdict, true));
        }
    }
    same_verdict("status", wanted, &found, true)
}

fn piecewise_linear(input: &Value, expect: &Value) -> Outcome {
    only_keys("input", input, &["points"])?;
    only_keys("expect", expect, &["values"])?;
    let number = |value: &Value| value.as_i64().ok_or_else(|| malformed(format!("{value} is no number")));
    let points = items("points", &input["points"])?.iter().map(|point| Ok((number(&point["x"])?, number(&point["y"])?)));
    let points = points.collect::<Result<Vec<_>, Miss>>()?;
    for value in items("values", &expect["values"])? {
        let x = number(&value["x"])?;
        Miss::unless_equal(format!("y at {x}"), &number(&value["y"])?, &dry_run::piecewise_linear(&points, x))?;
    }
    Ok(())
}

fn candidates(input: &Value, expect: &Value) -> Outcome {
    only_keys("expect", expect, &["candidates"])?;
    let (scene, pod) = scene(input, &["filterPlugins"])?;
    let mut found = scene.candidates(&texts("filterPlugins", &input["filterPlugins"])?, &pod).map_err(malformed)?;
    found.sort_by(|a, b| a.node.cmp(&b.node));
    let mut wanted = Vec::new();
    for candidate in items("candidates", &expect["candidates"])? {
        only_keys("candidates", candidate, &["node", "victims", "numPDBViolations"])?;
        wanted.push(Candidate {
            node: text("node", &candidate["node"])?.to_owned(),
            victims: texts("victims", &candidate["victims"])?.into_iter().collect(),
            pdb_violations: candidate["numPDBViolations"].as_u64().and_then(|count| usize::try_from(count).ok()).unwrap_or(0),
        });
    }
    wanted.sort_by(|a, b| a.node.cmp(&b.node));
    Miss::unless_equal("candidates", &wanted, &found)
}

fn best_node(input: &Value, expect: &Value) -> Outcome {
    only_keys("expect", expect, &["anyOf"])?;
    let (scene, pod) = scene(input, &["filterPlugins"])?;
    let found = scene.preempt(&texts("filterPlugins", &input["filterPlugins"])?, &pod, &BTreeMap::new()).map_err(malformed)?;
    let wanted = texts("anyOf", &expect["anyOf"])?;
    if found.nominated_node.as_ref().is_some_and(|node| wanted.contains(node)) {
        return Ok(());
    }
    Err(Miss::failed("the chosen node", format!("one of {wanted:?}"), format!("{:?}", found.nominated_node)))
}

fn code(value: &Value) -> Result<Code, Miss> {
    only_keys("a status", value, &["code", "reasons"])?;
    [Code::Success, Code::Error, Code::Unschedulable, Code::UnschedulableAndUnresolvable]
        .into_iter()
        .find(|code| value["code"] == code.as_str())
        .ok_or_else(|| malformed(format!("{} is no code", value["code"])))
}

fn post_filter(input: &Value, expect: &Value) -> Outcome {
    only_keys("expect", expect, &["nominatedNode", "code"])?;
    let (scene, pod) = scene(input, &["filterPlugins", "filterStatuses"])?;
    let statuses = input["filterStatuses"].as_object().into_iter().flatten();
    let refused = statuses.map(|(node, status)| Ok((node.clone(), code(status)?))).collect::<Result<BTreeMap<_, _>, Miss>>()?;
    let Preemption { nominated_node, code } =
        scene.preempt(&texts("filterPlugins", &input["filterPlugins"])?, &pod, &refused).map_err(malformed)?;
    Miss::unless_equal("code", &text("code", &expect["code"])?, &code.as_str())?;
    // None and the empty name mean the same.
    Miss::unless_equal("nominatedNode", &text("nominatedNode", &expect["nominatedNode"])?, &nominated_node.as_deref().unwrap_or_default())
}

/// The input of a table of v1.23, in which every terminating Pod makes a preemptor wait. Since v1.26 only those do that end because of a
/// preemption, which a condition says.
fn with_disruptions(input: &Value) -> Value {
    let mut input = input.clone();
    for pod in input.get_mut("existingPods").and_then(Value::as_array_mut).into_iter().flatten() {
        let bare = pod["status"].is_null() || pod["status"].as_object().is_some_and(|status| !status.contains_key("conditions"));
        if bare && pod["metadata"]["deletionTimestamp"].is_string() {
            pod["status"]["conditions"] = json!([{"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}]);
        }
    }
    input
}

fn eligible(input: &Value, expect: &Value) -> Outcome {
    only_keys("expect", expect, &["eligible"])?;
    let (mut scene, pod) = scene(input, &["nominatedNodeStatus"])?;
    let status = &input["nominatedNodeStatus"];
    let refused = if status.is_null() { None } else { Some(code(status)?) };
    let found = scene.may_preempt(&pod, refused).map_err(malformed)?;
    Miss::unless_equal("eligible", &truth("eligible", &expect["eligible"])?, &found)
}

fn queue_less(input: &Value, expect: &Value) -> Outcome {
    only_keys("input", input, &["a", "b"])?;
    only_keys("expect", expect, &["aBeforeB"])?;
    let side = |key: &str| -> Result<(i32, Time), Miss> {
        let value = &input[key];
        only_keys(key, value, &["priority", "queuedAt"])?;
        let priority = value["priority"].as_i64().and_then(|priority| i32::try_from(priority).ok()).unwrap_or(0);
        let at = text("queuedAt", &value["queuedAt"])?;
        // Only the order of the times matters, and the engine's begin later.
        let later = at.get(..4).and_then(|year| year.parse::<u32>().ok()).map(|year| format!("{}{}", year + 60, &at[4..]));
        let time = later.and_then(|text| Time::parse_rfc3339(&text).ok());
        Ok((priority, time.ok_or_else(|| malformed(format!("{at} is no time")))?))
    };
    Miss::unless_equal("aBeforeB", &truth("aBeforeB", &expect["aBeforeB"])?, &dry_run::queued_before(side("a")?, side("b")?))
}

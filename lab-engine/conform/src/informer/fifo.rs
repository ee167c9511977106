//! `delta_fifo` and `key_of`: what a queue of changes hands out.

use super::{list, name, object, pod};
use crate::keys::only;
use crate::{Miss, Outcome};
use api::core::Pod;
use client::delta_fifo::{self, Delta, DeltaFifo, DeltaObject, DeltaType};
use client::{Indexer, ObjectKey};
use serde_json::Value;
use std::collections::BTreeSet;

/// Runs a case of kind `delta_fifo`.
pub(super) fn run(case: &Value) -> Outcome {
    let mut known = case["known"].as_array().map(|_| Indexer::default());
    if let Some(known) = &mut known {
        for pair in list(case, "known")? {
            known.insert(object(pair)?);
        }
    }
    let mut fifo = DeltaFifo::new(case["emit_replaced"] == true);
    for (number, step) in list(case, "steps")?.iter().enumerate() {
        apply(&mut fifo, known.as_ref(), step).map_err(|miss| match miss {
            Miss::Failed { at, expected, actual } => Miss::Failed { at: format!("step {number}: {at}"), expected, actual },
            other => other,
        })?;
    }
    Ok(())
}

fn apply(fifo: &mut DeltaFifo<Pod>, known: Option<&Indexer<Pod>>, step: &Value) -> Outcome {
    only("the step", step, &["op", "obj", "list", "count", "expect"])?;
    let expect = &step["expect"];
    match step["op"].as_str().unwrap_or_default() {
        "add" => fifo.add(object(&step["obj"])?),
        "update" => fifo.update(object(&step["obj"])?),
        "delete" => fifo.delete(object(&step["obj"])?, known),
        "replace" => fifo.replace(list(step, "list")?.iter().map(object).collect::<Result<_, _>>()?, known),
        "resync" => fifo.resync(known),
        "close" => fifo.close(),
        "pop" => return pop(fifo, expect),
        "pop_set" => return pop_set(fifo, step["count"].as_u64().unwrap_or(0), expect),
        "check" => {
            only("expect", expect, &["length", "keys", "has_synced"])?;
            if let Some(length) = expect["length"].as_u64() {
                Miss::unless_equal("length", &length, &(fifo.keys().len() as u64))?;
            }
            if !expect["keys"].is_null() {
                let wanted: Vec<&str> = list(expect, "keys")?.iter().map(name).collect::<Result<_, _>>()?;
                Miss::unless_equal("keys", &wanted, &fifo.keys().map(|key| key.name.as_str()).collect())?;
            }
            if let Some(synced) = expect["has_synced"].as_bool() {
                Miss::unless_equal("has_synced", &synced, &fifo.has_synced())?;
            }
        }
        other => return Err(Miss::Malformed(format!("unknown op {other:?}"))),
    }
    Ok(())
}

/// A change as text, to compare: `Added foo 2`, `Deleted tombstone foo 2`.
fn told(delta: &Delta<Pod>) -> String {
    let kind = match delta.kind {
        DeltaType::Added => "Added",
        DeltaType::Updated => "Updated",
        DeltaType::Deleted => "Deleted",
        DeltaType::Replaced => "Replaced",
        DeltaType::Sync => "Sync",
    };
    let version = delta.object.object().map_or(0, |pod| pod.metadata.resource_version.0);
    let mark = if matches!(delta.object, DeltaObject::Tombstone(..)) { "tombstone " } else { "" };
    format!("{kind} {mark}{} {version}", delta.object.key())
}

/// The same of what a case expects.
fn wanted(delta: &Value) -> Result<String, Miss> {
    only("a delta", delta, &["type", "obj", "tombstone"])?;
    let kind = name(&delta["type"])?;
    let (mark, key, pair) = match delta["tombstone"].as_object() {
        Some(tombstone) => ("tombstone ", name(&delta["tombstone"]["key"])?, tombstone.get("obj").unwrap_or(&Value::Null)),
        None => ("", name(&delta["obj"][0])?, &delta["obj"]),
    };
    let version = if pair.is_null() { 0 } else { super::version(&pair[1])? };
    Ok(format!("{kind} {mark}{key} {version}"))
}

fn wanted_list(deltas: &Value) -> Result<Vec<String>, Miss> {
    deltas.as_array().into_iter().flatten().map(wanted).collect()
}

fn pop(fifo: &mut DeltaFifo<Pod>, expect: &Value) -> Outcome {
    only("expect", expect, &["deltas", "newest", "initial", "closed"])?;
    let Some(popped) = fifo.pop() else {
        return Miss::unless_equal("closed", &expect["closed"].as_bool(), &Some(fifo.is_closed()));
    };
    if expect["closed"] == true {
        return Err(Miss::failed("pop", "closed", popped.deltas.iter().map(told).collect::<Vec<_>>().join(", ")));
    }
    if !expect["deltas"].is_null() {
        Miss::unless_equal("deltas", &wanted_list(&expect["deltas"])?, &popped.deltas.iter().map(told).collect())?;
    }
    if !expect["newest"].is_null() {
        let newest = popped.deltas.last().and_then(|delta| delta.object.object());
        let newest = newest.map(|pod| (pod.metadata.name.clone(), pod.metadata.resource_version));
        let wanted = object(&expect["newest"])?;
        Miss::unless_equal("newest", &Some((wanted.metadata.name.clone(), wanted.metadata.resource_version)), &newest)?;
    }
    match expect["initial"].as_bool() {
        Some(initial) => Miss::unless_equal("initial", &initial, &popped.initial),
        None => Ok(()),
    }
}

fn pop_set(fifo: &mut DeltaFifo<Pod>, count: u64, expect: &Value) -> Outcome {
    only("expect", expect, &["deltas_any_order", "initial"])?;
    let mut found = BTreeSet::new();
    for _ in 0..count {
        let popped = fifo.pop().ok_or_else(|| Miss::failed("pop", "a key", "an empty queue"))?;
        found.insert(popped.deltas.iter().map(told).collect::<Vec<_>>());
        if let Some(initial) = expect["initial"].as_bool() {
            Miss::unless_equal("initial", &initial, &popped.initial)?;
        }
    }
    let wanted = list(expect, "deltas_any_order")?.iter().map(wanted_list).collect::<Result<BTreeSet<_>, _>>()?;
    Miss::unless_equal("deltas_any_order", &wanted, &found)
}

/// Runs a case of kind `key_of`.
pub(super) fn key_of(case: &Value) -> Outcome {
    only("expect", &case["expect"], &["key"])?;
    let key = name(&case["input"][1])?;
    let delta = |object| Delta { kind: DeltaType::Added, object };
    let found = match name(&case["input"][0])? {
        "obj" => DeltaObject::Object(pod(key, 1)).key(),
        "tombstone" => DeltaObject::<Pod>::Tombstone(ObjectKey::new("", key), None).key(),
        "deltas-of-obj" => {
            let deltas = [delta(DeltaObject::Object(pod("older", 1))), delta(DeltaObject::Object(pod(key, 2)))];
            delta_fifo::key_of(&deltas).unwrap_or_default()
        }
        "deltas-of-tombstone" => {
            delta_fifo::key_of::<Pod>(&[delta(DeltaObject::Tombstone(ObjectKey::new("", key), None))]).unwrap_or_default()
        }
        other => return Err(Miss::Malformed(format!("unknown input {other:?}"))),
    };
    Miss::unless_equal("key", &name(&case["expect"]["key"])?, &found.name.as_str())
}

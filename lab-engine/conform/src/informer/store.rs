//! `indexer`, `store_rv`, `object_name` and `process_deltas`: the cache behind an informer.

use super::{list, name, object, pod, version};
use crate::keys::only;
use crate::{Miss, Outcome};
use api::core::Pod;
use api::meta::ResourceVersion;
use client::delta_fifo::{Delta, DeltaObject, DeltaType};
use client::{Indexer, ObjectKey, process_delta};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Index values are the Pod's finalizers.
fn index_values(pod: &Pod) -> Vec<String> {
    pod.metadata.finalizers.clone()
}

/// The indices that a case may name.
const INDICES: [&str; 3] = ["values", "again", "other"];

fn index_name(value: &Value, default: &'static str) -> Result<&'static str, Miss> {
    let Some(wanted) = value.as_str() else { return Ok(default) };
    INDICES.into_iter().find(|known| *known == wanted).ok_or_else(|| Miss::Malformed(format!("unknown index {wanted:?}")))
}

/// Runs a case of kind `indexer`.
pub(super) fn indexer(case: &Value) -> Outcome {
    let default = index_name(&case["index"], "values")?;
    let mut cache = Indexer::default();
    cache.add_index(default, index_values);
    for (number, step) in list(case, "steps")?.iter().enumerate() {
        only("the step", step, &["op", "key", "values", "name", "value", "expect"])?;
        only("expect", &step["expect"], &["keys", "values"])?;
        let texts = |value: &Value| value.as_array().into_iter().flatten().map(|text| name(text).map(str::to_owned)).collect();
        match step["op"].as_str().unwrap_or_default() {
            "add" | "update" => {
                let mut added = pod(name(&step["key"])?, 1);
                let values: Result<Vec<String>, Miss> = texts(&step["values"]);
                Arc::make_mut(&mut added).metadata.finalizers = values?;
                cache.insert(added);
            }
            "delete" => {
                cache.remove(&ObjectKey::new("", name(&step["key"])?));
            }
            "add_index" => cache.add_index(index_name(&step["name"], default)?, index_values),
            "by_index" => {
                let found = cache.by_index(index_name(&step["name"], default)?, name(&step["value"])?);
                let found: Vec<String> = found.map(|pod| pod.metadata.name.clone()).collect();
                let wanted: Result<Vec<String>, Miss> = texts(&step["expect"]["keys"]);
                Miss::unless_equal(format!("step {number}: keys"), &wanted?, &found)?;
            }
            "index_values" => {
                let found: Vec<String> = cache.index_values(index_name(&step["name"], default)?).map(str::to_owned).collect();
                let wanted: Result<Vec<String>, Miss> = texts(&step["expect"]["values"]);
                Miss::unless_equal(format!("step {number}: values"), &wanted?, &found)?;
            }
            other => return Err(Miss::Malformed(format!("unknown op {other:?}"))),
        }
    }
    Ok(())
}

/// Runs a case of kind `store_rv`.
pub(super) fn resource_version(case: &Value) -> Outcome {
    let mut cache = Indexer::default();
    for (number, step) in list(case, "steps")?.iter().enumerate() {
        only("the step", step, &["op", "key", "rv", "items", "expect"])?;
        let subject = || Ok::<_, Miss>(pod(name(&step["key"])?, version(&step["rv"])?));
        match step["op"].as_str().unwrap_or_default() {
            "add" | "update" => {
                cache.insert(subject()?);
            }
            "delete" => {
                cache.delete(subject()?.as_ref());
            }
            "replace" => {
                let items = step["items"].as_object().into_iter().flatten();
                let items = items.map(|(key, rv)| Ok(pod(key, version(rv)?))).collect::<Result<Vec<_>, Miss>>()?;
                cache.replace(items, ResourceVersion(version(&step["rv"])?));
            }
            "check" => {
                only("expect", &step["expect"], &["rv"])?;
                let found = cache.resource_version();
                Miss::unless_equal(format!("step {number}: rv"), &version(&step["expect"]["rv"])?, &found.0)?;
            }
            other => return Err(Miss::Malformed(format!("unknown op {other:?}"))),
        }
    }
    Ok(())
}

/// Runs a case of kind `object_name`.
pub(super) fn object_name(case: &Value) -> Outcome {
    let expect = &case["expect"];
    only("expect", expect, &["namespace", "name", "error"])?;
    let parsed = ObjectKey::parse(name(&case["input"])?);
    if expect["error"] == true {
        return Miss::unless_equal("error", &true, &parsed.is_err());
    }
    let wanted = ObjectKey::new(expect["namespace"].as_str().unwrap_or_default(), expect["name"].as_str().unwrap_or_default());
    Miss::unless_equal("key", &Ok(wanted), &parsed)
}

/// Runs a case of kind `process_deltas`.
pub(super) fn process_deltas(case: &Value) -> Outcome {
    let expect = &case["expect"];
    only("expect", expect, &["events", "store"])?;
    let mut cache = Indexer::default();
    for (key, rv) in case["store"].as_object().into_iter().flatten() {
        cache.insert(pod(key, version(rv)?));
    }
    let mut events = Vec::new();
    for delta in list(case, "deltas")? {
        let told = process_delta(&mut cache, change(delta)?);
        events.extend(told.map(|told| {
            let verb = match &told {
                client::Delta::Added(_) => "add",
                client::Delta::Updated(..) => "update",
                client::Delta::Deleted(..) => "delete",
            };
            let metadata = &told.object().metadata;
            format!("{verb} {} {}", metadata.name, metadata.resource_version.0)
        }));
    }
    let wanted = |event: &Value| Ok(format!("{} {} {}", name(&event[0])?, name(&event[1])?, version(&event[2])?));
    let wanted = list(expect, "events")?.iter().map(wanted).collect::<Result<Vec<_>, Miss>>()?;
    Miss::unless_equal("events", &wanted, &events)?;
    same_store("store", &expect["store"], &cache)
}

fn change(delta: &Value) -> Result<Delta<Pod>, Miss> {
    only("a delta", delta, &["type", "obj", "tombstone"])?;
    let kind = match name(&delta["type"])? {
        "Added" => DeltaType::Added,
        "Updated" => DeltaType::Updated,
        "Deleted" => DeltaType::Deleted,
        "Replaced" => DeltaType::Replaced,
        "Sync" => DeltaType::Sync,
        other => return Err(Miss::Malformed(format!("unknown type {other:?}"))),
    };
    let tombstone = &delta["tombstone"];
    let object = if tombstone.is_null() {
        DeltaObject::Object(object(&delta["obj"])?)
    } else {
        let last = if tombstone["obj"].is_null() { None } else { Some(object(&tombstone["obj"])?) };
        DeltaObject::Tombstone(ObjectKey::new("", name(&tombstone["key"])?), last)
    };
    Ok(Delta { kind, object })
}

/// Compares a cache with names and versions.
pub(super) fn same_store(at: &str, expect: &Value, cache: &Indexer<Pod>) -> Outcome {
    let Some(expect) = expect.as_object() else { return Ok(()) };
    let wanted = expect.iter().map(|(key, rv)| Ok((key.clone(), version(rv)?))).collect::<Result<BTreeMap<_, _>, Miss>>()?;
    let found = cache.list().map(|pod| (pod.metadata.name.clone(), pod.metadata.resource_version.0)).collect();
    Miss::unless_equal(at, &wanted, &found)
}

//! Facts about informers and their parts (`informer.json`).
//!
//! | kind | part |
//! | --- | --- |
//! | `delta_fifo`, `key_of` | `client::delta_fifo` |
//! | `process_deltas` | `client::process_delta` |
//! | `reflector`, `reflector_retry`, `reflector_stop` | `client::Reflector` |
//! | `indexer`, `store_rv`, `object_name` | `client::Indexer`, `client::ObjectKey` |
//! | `shared_informer`, `resync_check_period` | `client::SharedInformer` |
//!
//! Objects are Pods: the key is the name, the value the resource version.

mod fifo;
mod reflector;
mod shared;
mod store;

use crate::keys::only;
use crate::{Miss, Outcome};
use api::core::Pod;
use api::meta::ResourceVersion;
use serde_json::Value;
use std::sync::Arc;

/// Runs a case.
pub(crate) fn run(case: &Value) -> Outcome {
    const COMMON: [&str; 5] = ["id", "kind", "source", "title", "note"];
    let known = |more: &[&str]| only("the case", case, &[&COMMON, more].concat());
    match case["kind"].as_str().unwrap_or_default() {
        "delta_fifo" => known(&["known", "emit_replaced", "steps"]).and_then(|()| fifo::run(case)),
        "key_of" => known(&["input", "expect"]).and_then(|()| fifo::key_of(case)),
        "process_deltas" => known(&["store", "deltas", "expect"]).and_then(|()| store::process_deltas(case)),
        "reflector" => known(&["script", "config", "expect"]).and_then(|()| reflector::run(case)),
        "reflector_retry" => {
            known(&["max_retry_seconds", "step_seconds", "jump_at_call", "jump_seconds", "expect"]).and_then(|()| reflector::retry(case))
        }
        "reflector_stop" => known(&["stop", "expect"]).and_then(|()| reflector::stop(case)),
        "indexer" => known(&["index", "steps"]).and_then(|()| store::indexer(case)),
        "store_rv" => known(&["steps"]).and_then(|()| store::resource_version(case)),
        "object_name" => known(&["input", "expect"]).and_then(|()| store::object_name(case)),
        "shared_informer" => known(&["default_s", "handlers", "steps"]).and_then(|()| shared::run(case)),
        "resync_check_period" => known(&["default_s", "handlers_s", "expect"]).and_then(|()| shared::check_period(case)),
        other => Err(Miss::Malformed(format!("unknown kind {other:?}"))),
    }
}

/// The list under `key`; an absent one is malformed.
fn list<'a>(value: &'a Value, key: &str) -> Result<&'a [Value], Miss> {
    value[key].as_array().map(Vec::as_slice).ok_or_else(|| Miss::Malformed(format!("{key} is no list")))
}

fn name(value: &Value) -> Result<&str, Miss> {
    value.as_str().ok_or_else(|| Miss::Malformed(format!("{value} is no name")))
}

/// A version as a number or a text; null and "" are none.
fn version(value: &Value) -> Result<u64, Miss> {
    match value {
        Value::Null => Ok(0),
        Value::String(text) if text.is_empty() => Ok(0),
        Value::String(text) => text.parse().map_err(|_| Miss::Malformed(format!("{value} is no version"))),
        _ => value.as_u64().ok_or_else(|| Miss::Malformed(format!("{value} is no version"))),
    }
}

/// A Pod of this name and version.
fn pod(name: &str, version: u64) -> Arc<Pod> {
    let mut pod = Pod::default();
    pod.metadata.name = name.to_owned();
    pod.metadata.resource_version = ResourceVersion(version);
    Arc::new(pod)
}

/// The Pod that a pair `[key, value]` stands for.
fn object(pair: &Value) -> Result<Arc<Pod>, Miss> {
    Ok(pod(name(&pair[0])?, version(&pair[1])?))
}

//! The workload controllers: what they decide, as [`controllers::facts`] tells it without a cluster.
//!
//! The engine's time begins in 2026 and facts lie before it, so all times of a case are moved by 28 years: then weekdays and leap days are
//! the same again.

pub(crate) mod cron_job;
pub(crate) mod daemon_set;
pub(crate) mod deployment;
pub(crate) mod job;
pub(crate) mod replica_set;
pub(crate) mod stateful_set;

use crate::Miss;
use crate::read::part;
use api::json::Json;
use serde_json::{Map, Value};
use sim::Time;
use std::sync::Arc;

const YEARS: i64 = 28;

/// The value with every time in it moved.
fn moved(value: &Value, years: i64) -> Value {
    match value {
        Value::String(text) => Value::String(moved_text(text, years)),
        Value::Array(items) => items.iter().map(|item| moved(item, years)).collect(),
        Value::Object(fields) => Value::Object(fields.iter().map(|(name, value)| (name.clone(), moved(value, years))).collect()),
        other => other.clone(),
    }
}

fn moved_text(text: &str, years: i64) -> String {
    let bytes = text.as_bytes();
    let is_time = bytes.len() >= 20 && bytes[4] == b'-' && bytes[7] == b'-' && bytes[10] == b'T' && text.ends_with('Z');
    let year = text.get(..4).and_then(|year| year.parse::<i64>().ok()).filter(|_| is_time);
    year.map_or_else(|| text.to_owned(), |year| format!("{:04}{}", year + years, &text[4..]))
}

/// Op, input and expectation of a case, with all times moved.
fn parts(case: &Value) -> Result<(&str, Value, Value), Miss> {
    let op = crate::read::text("op", &case["op"])?;
    Ok((op, moved(&case["input"], YEARS), moved(&case["expect"], YEARS)))
}

/// Reads an object of a kind that is known; `apiVersion` and `kind` say nothing more.
fn object<T: Json + Default>(at: &str, value: &Value) -> Result<T, Miss> {
    let mut value = value.clone();
    if let Some(fields) = value.as_object_mut() {
        fields.remove("apiVersion");
        fields.remove("kind");
    }
    part(at, &value)
}

/// Reads a list of such objects; an absent one is empty.
fn objects<T: Json + Default>(at: &str, value: &Value) -> Result<Vec<Arc<T>>, Miss> {
    crate::read::items(at, value)?.iter().map(|item| object(at, item).map(Arc::new)).collect()
}

/// Reads a time that must be there.
fn time(at: &str, value: &Value) -> Result<Time, Miss> {
    let text = value.as_str().ok_or_else(|| Miss::Malformed(format!("{at} is no time")))?;
    Time::parse_rfc3339(text).map_err(|error| Miss::Malformed(format!("{at}: {error}")))
}

/// Compares what a case expects with what was found; every expectation must have been answered.
fn compare(expect: &Value, found: &Value) -> crate::Outcome {
    let none = Map::new();
    let (expect, found) = (expect.as_object().unwrap_or(&none), found.as_object().unwrap_or(&none));
    for (field, wanted) in expect {
        let Some(actual) = found.get(field) else { return Err(Miss::Malformed(format!("expect has the unknown key {field}"))) };
        if wanted != actual {
            return Err(Miss::failed(field, moved(wanted, -YEARS), moved(actual, -YEARS)));
        }
    }
    Ok(())
}

/// The refusal for an op that the area does not have.
fn unknown(op: &str) -> Miss {
    Miss::Malformed(format!("the op {op} is not known"))
}

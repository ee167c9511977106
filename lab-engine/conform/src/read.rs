//! Reading the input of a case: known keys only, objects as the engine decodes them.

use crate::{Miss, Outcome};
use api::Object;
use api::json::{Json, decode};
use serde_json::Value;

/// Refuses keys that the runner does not know.
pub(crate) fn only_keys(at: &str, value: &Value, known: &[&str]) -> Outcome {
    let Some(fields) = value.as_object() else {
        return Err(Miss::Malformed(format!("{at} is no object")));
    };
    match fields.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(Miss::Malformed(format!("{at} has the unknown key {key}"))),
        None => Ok(()),
    }
}

/// Reads a part of an object; an absent one is the default.
pub(crate) fn part<T: Json + Default>(at: &str, value: &Value) -> Result<T, Miss> {
    if value.is_null() {
        return Ok(T::default());
    }
    decode(value.clone()).map_err(|error| Miss::Malformed(format!("{at}: {error}")))
}

/// Reads a whole object. One without a namespace is in `default`.
pub(crate) fn object(at: &str, value: &Value) -> Result<Object, Miss> {
    let text = |key: &str| value[key].as_str().ok_or_else(|| Miss::Malformed(format!("{at} has no {key}")));
    let mut object =
        Object::decode_as(text("apiVersion")?, text("kind")?, value.clone()).map_err(|error| Miss::Malformed(format!("{at}: {error}")))?;
    let namespaced = api::kinds::find_kind(text("apiVersion")?, text("kind")?).is_none_or(|info| info.namespaced);
    if namespaced && object.metadata().namespace.is_empty() {
        object.metadata_mut().namespace = "default".to_owned();
    }
    Ok(object)
}

/// The items of a list; an absent one is empty.
pub(crate) fn items<'a>(at: &str, value: &'a Value) -> Result<&'a [Value], Miss> {
    match value {
        Value::Null => Ok(&[]),
        Value::Array(items) => Ok(items),
        _ => Err(Miss::Malformed(format!("{at} is no list"))),
    }
}

/// A text; absent is empty.
pub(crate) fn text<'a>(at: &str, value: &'a Value) -> Result<&'a str, Miss> {
    match value {
        Value::Null => Ok(""),
        Value::String(text) => Ok(text),
        _ => Err(Miss::Malformed(format!("{at} is no text"))),
    }
}

/// A list of texts; an absent one is empty.
pub(crate) fn texts(at: &str, value: &Value) -> Result<Vec<String>, Miss> {
    items(at, value)?.iter().map(|item| text(at, item).map(str::to_owned)).collect()
}

/// A truth that must be there.
pub(crate) fn truth(at: &str, value: &Value) -> Result<bool, Miss> {
    value.as_bool().ok_or_else(|| Miss::Malformed(format!("{at} is neither true nor false")))
}

/// Skips a case that a later release of Kubernetes no longer agrees with.
pub(crate) fn unless_superseded(case: &Value, superseded: &[(&str, &str)]) -> Outcome {
    match superseded.iter().find(|(id, _)| Some(*id) == case["id"].as_str()) {
        Some((_, why)) => Err(Miss::Skipped(format!("superseded: {why}"))),
        None => Ok(()),
    }
}

/// Reads an object of a known kind; `apiVersion` and `kind` may be there, and are not looked at.
pub(crate) fn bare<T: Json + Default>(at: &str, value: &Value) -> Result<T, Miss> {
    let mut value = value.clone();
    if let Some(fields) = value.as_object_mut() {
        fields.remove("apiVersion");
        fields.remove("kind");
    }
    number_version(&mut value);
    part(at, &value)
}

/// Resource versions are opaque to whoever reads them, the engine's are numbers: one that is no number gets one.
fn number_version(object: &mut Value) {
    if let Some(Value::String(version)) = object.pointer_mut("/metadata/resourceVersion")
        && !version.is_empty()
        && version.parse::<u64>().is_err()
    {
        let number = version.bytes().fold(0_u64, |number, byte| number.wrapping_mul(31).wrapping_add(u64::from(byte)));
        *version = number.to_string();
    }
}

/// The case with all its times moved into those that the engine knows, which begin in 2026: 28 years on, when the calendar is the same.
pub(crate) fn in_engine_time(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(later(text).unwrap_or_else(|| text.clone())),
        Value::Array(items) => Value::Array(items.iter().map(in_engine_time).collect()),
        Value::Object(fields) => Value::Object(fields.iter().map(|(key, value)| (key.clone(), in_engine_time(value))).collect()),
        other => other.clone(),
    }
}

/// A time 28 years later; `None` when the text is no time.
fn later(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let is_time = bytes.len() >= 20 && bytes[4] == b'-' && bytes[7] == b'-' && bytes[10] == b'T' && text.ends_with('Z');
    let year: u32 = text.get(..4).filter(|_| is_time)?.parse().ok()?;
    Some(format!("{}{}", year + 28, text.get(4..)?))
}

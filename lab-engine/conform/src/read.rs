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

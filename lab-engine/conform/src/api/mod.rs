//! Facts about the API machinery (`api-*.json`): one file per area, and what the runners share.
//!
//! A case is `{"id", "source", "k8s_version", "op", "input", "expect"}`; `op` chooses what is done, and only what `expect` names is
//! compared.

pub(crate) mod fields;
pub(crate) mod intstr;
pub(crate) mod json_merge_patch;
pub(crate) mod labels;
pub(crate) mod object_validation;
pub(crate) mod quantity;
pub(crate) mod strategic_patch;
pub(crate) mod syntax;

use crate::{Miss, Outcome};
use api::meta::StringMap;
use serde_json::{Map, Value, json};

const KEYS: &[&str] = &["id", "source", "k8s_version", "note", "op", "input", "expect"];

/// The parts of a case.
pub(crate) struct Case<'c> {
    /// What is done.
    pub(crate) op: &'c str,
    /// With what.
    pub(crate) input: &'c Map<String, Value>,
    /// What must come out.
    pub(crate) expect: &'c Map<String, Value>,
}

/// The refusal of a case that is not of the known format.
pub(crate) fn malformed(why: impl Into<String>) -> Miss {
    Miss::Malformed(why.into())
}

/// Takes a case apart. `superseded` names the cases that the release modelled here no longer agrees with, and why.
///
/// # Errors
/// [`Miss::Malformed`], or [`Miss::Skipped`] for a superseded case.
pub(crate) fn open<'c>(case: &'c Value, superseded: &[(&str, &str)]) -> Result<Case<'c>, Miss> {
    let map = |key: &str| case[key].as_object().ok_or_else(|| malformed(format!("no object {key:?}")));
    known(case.as_object().ok_or_else(|| malformed("no object"))?, KEYS)?;
    if let Some((_, why)) = superseded.iter().find(|(id, _)| case["id"].as_str() == Some(id)) {
        return Err(Miss::Skipped(format!("superseded: {why}")));
    }
    let op = case["op"].as_str().ok_or_else(|| malformed("no text \"op\""))?;
    Ok(Case { op, input: map("input")?, expect: map("expect")? })
}

/// Refuses keys that the runner does not know.
pub(crate) fn known(map: &Map<String, Value>, keys: &[&str]) -> Outcome {
    match map.keys().find(|key| !keys.contains(&key.as_str())) {
        Some(key) => Err(malformed(format!("unknown key {key:?}"))),
        None => Ok(()),
    }
}

impl Case<'_> {
    /// Refuses other keys than these in input and expectation.
    pub(crate) fn keys(&self, input: &[&str], expect: &[&str]) -> Outcome {
        known(self.input, input)?;
        known(self.expect, expect)
    }

    /// The refusal of an unknown operation.
    pub(crate) fn unknown_op(&self) -> Outcome {
        Err(malformed(format!("unknown op {:?}", self.op)))
    }

    /// A value of the input.
    pub(crate) fn value(&self, key: &str) -> Result<&Value, Miss> {
        self.input.get(key).ok_or_else(|| malformed(format!("no {key:?}")))
    }

    /// A text of the input.
    pub(crate) fn text(&self, key: &str) -> Result<&str, Miss> {
        self.value(key)?.as_str().ok_or_else(|| malformed(format!("no text {key:?}")))
    }

    /// An integer of the input.
    pub(crate) fn integer<N: TryFrom<i64>>(&self, key: &str) -> Result<N, Miss> {
        let number = self.value(key)?.as_i64().and_then(|number| N::try_from(number).ok());
        number.ok_or_else(|| malformed(format!("no integer {key:?}")))
    }

    /// Compares an outcome with the expectation of that name, if there is one.
    pub(crate) fn same(&self, key: &str, actual: Value) -> Outcome {
        self.expect.get(key).map_or(Ok(()), |expected| match *expected == actual {
            true => Ok(()),
            false => Err(Miss::failed(key, expected, actual)),
        })
    }

    /// Compares the validity; `Ok(None)` for what is rightly invalid.
    pub(crate) fn valid<T, E>(&self, result: Result<T, E>) -> Result<Option<T>, Miss> {
        self.same("valid", json!(result.is_ok()))?;
        Ok(result.ok())
    }
}

/// A map of texts.
pub(crate) fn string_map(value: &Value) -> Result<StringMap, Miss> {
    let map = value.as_object().ok_or_else(|| malformed("no map of texts"))?;
    let pair = |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
    map.iter().map(pair).collect::<Option<StringMap>>().ok_or_else(|| malformed("no map of texts"))
}

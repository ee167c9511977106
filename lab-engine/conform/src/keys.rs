//! Refuses what a runner does not know, so that no expectation is passed over in silence.

use crate::{Miss, Outcome};
use serde_json::Value;

/// Refuses keys of an object other than those named. Anything but an object has no keys.
///
/// # Errors
/// [`Miss::Malformed`] with the first unknown key.
pub(crate) fn only(what: &str, value: &Value, known: &[&str]) -> Outcome {
    let keys = value.as_object().into_iter().flatten().map(|(key, _)| key.as_str());
    match keys.into_iter().find(|key| !known.contains(key)) {
        Some(key) => Err(Miss::Malformed(format!("unknown key {key:?} in {what}"))),
        None => Ok(()),
    }
}

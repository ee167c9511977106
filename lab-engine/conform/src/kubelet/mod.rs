//! The kubelet: what it decides, as [`kubelet::facts`] tells it without a node.

pub(crate) mod conditions;
pub(crate) mod images;
pub(crate) mod lifecycle;
pub(crate) mod pod_actions;
pub(crate) mod prober;

use crate::Miss;
use serde_json::Value;

/// A number that must be there.
fn number(at: &str, value: &Value) -> Result<i64, Miss> {
    value.as_i64().ok_or_else(|| Miss::Malformed(format!("{at} is no number")))
}

/// A number of seconds, not negative.
fn seconds(at: &str, value: &Value) -> Result<std::time::Duration, Miss> {
    let seconds = u64::try_from(number(at, value)?).map_err(|_| Miss::Malformed(format!("{at} is negative")))?;
    Ok(std::time::Duration::from_secs(seconds))
}

//! LimitRanges and ResourceQuotas in tables.

use super::{Column, human};
use api::core::{LimitRange, ResourceQuota};
use serde_json::Value;
use sim::Time;

pub(super) const LIMIT_RANGE: &[Column] = &[("Name", "string", 0), ("Created At", "string", 0)];
pub(super) const RESOURCE_QUOTA: &[Column] =
    &[("Name", "string", 0), ("Request", "string", 0), ("Limit", "string", 0), ("Age", "string", 0)];

pub(super) fn limit_range(range: &LimitRange) -> Vec<Value> {
    let created = range.metadata.creation_timestamp.map_or_else(String::new, |at| at.to_string());
    vec![range.metadata.name.as_str().into(), created.into()]
}

/// Used and hard of each resource, those of limits in a column of their own.
pub(super) fn resource_quota(quota: &ResourceQuota, now: Time) -> Vec<Value> {
    let column = |limits: bool| {
        let of = quota.status.hard.iter().filter(|(name, _)| name.starts_with("limits") == limits);
        let text = of.map(|(name, hard)| format!("{name}: {}/{hard}", quota.status.used.get(name).copied().unwrap_or_default()));
        Value::from(text.collect::<Vec<_>>().join(", "))
    };
    vec![quota.metadata.name.as_str().into(), column(false), column(true), human::age(&quota.metadata, now)]
}

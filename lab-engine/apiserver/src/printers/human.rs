//! Durations and lists in few words (`k8s.io/apimachinery/pkg/util/duration`).

use api::meta::{ObjectMeta, StringMap, Timestamp};
use serde_json::Value;
use sim::Time;
use std::time::Duration;

/// A duration such as `45s`, `3m20s`, `5h`, `12d`.
pub(super) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    let (days, years) = (hours / 24, hours / 24 / 365);
    let two = |large: u64, unit: char, small: u64, small_unit: char| {
        if small == 0 { format!("{large}{unit}") } else { format!("{large}{unit}{small}{small_unit}") }
    };
    if seconds < 120 {
        format!("{seconds}s")
    } else if minutes < 10 {
        two(minutes, 'm', seconds % 60, 's')
    } else if minutes < 180 {
        format!("{minutes}m")
    } else if hours < 8 {
        two(hours, 'h', minutes % 60, 'm')
    } else if hours < 48 {
        format!("{hours}h")
    } else if days < 8 {
        two(days, 'd', hours % 24, 'h')
    } else if days < 730 {
        format!("{days}d")
    } else if years < 8 {
        two(years, 'y', days % 365, 'd')
    } else {
        format!("{years}y")
    }
}

/// How long ago, or `<unknown>`.
pub(crate) fn since(at: Option<Timestamp>, now: Time) -> String {
    at.map_or_else(|| "<unknown>".to_owned(), |at| duration(now.since(at.0)))
}

/// The age of an object.
pub(super) fn age(metadata: &ObjectMeta, now: Time) -> Value {
    since(metadata.creation_timestamp, now).into()
}

/// The text, or `<none>` when it is empty.
pub(super) fn or_none(text: &str) -> Value {
    if text.is_empty() { "<none>".into() } else { text.into() }
}

/// Labels as `a=1,b=2`, or `<none>`.
pub(super) fn labels(labels: &StringMap) -> String {
    if labels.is_empty() {
        return "<none>".to_owned();
    }
    labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_lose_precision_as_they_grow() {
        let show = |seconds| duration(Duration::from_secs(seconds));
        let cases = [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (200, "3m20s"),
            (600, "10m"),
            (179 * 60, "179m"),
            (180 * 60, "3h"),
            (190 * 60, "3h10m"),
            (9 * 3600, "9h"),
            (50 * 3600, "2d2h"),
            (10 * 86_400, "10d"),
            (800 * 86_400, "2y70d"),
        ];
        for (seconds, text) in cases {
            assert_eq!(show(seconds), text);
        }
    }
}

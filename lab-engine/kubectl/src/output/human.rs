//! Ages and durations in few words (`k8s.io/apimachinery/pkg/util/duration`).

use serde_json::Value;
use sim::Time;
use std::time::Duration;

/// A duration such as `45s`, `3m20s`, `5h`, `12d`.
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    let (days, years) = (hours / 24, hours / 24 / 365);
    let two = |large: u64, unit: char, small: u64, small_unit: char| {
        if small == 0 { format!("{large}{unit}") } else { format!("{large}{unit}{small}{small_unit}") }
    };
    match () {
        () if seconds < 120 => format!("{seconds}s"),
        () if minutes < 10 => two(minutes, 'm', seconds % 60, 's'),
        () if minutes < 180 => format!("{minutes}m"),
        () if hours < 8 => two(hours, 'h', minutes % 60, 'm'),
        () if hours < 48 => format!("{hours}h"),
        () if days < 8 => two(days, 'd', hours % 24, 'h'),
        () if days < 730 => format!("{days}d"),
        () if years < 8 => two(years, 'y', days % 365, 'd'),
        () => format!("{years}y"),
    }
}

/// How long ago a timestamp was, or `<unknown>`.
pub(crate) fn since(timestamp: &Value, now: Time) -> String {
    match timestamp.as_str().map(Time::parse_rfc3339) {
        Some(Ok(at)) => duration(now.since(at)),
        _ => "<unknown>".to_owned(),
    }
}

/// A timestamp as `describe` writes it (RFC 1123 with a numeric zone).
pub(crate) fn rfc1123(timestamp: &Value) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let Some(text) = timestamp.as_str() else { return "<unset>".to_owned() };
    let parts = (Time::parse_rfc3339(text), text.get(..4), text.get(5..7).and_then(|m| m.parse::<usize>().ok()), text.get(8..10));
    let (Ok(at), Some(year), Some(month), Some(day), Some(clock)) = (parts.0, parts.1, parts.2, parts.3, text.get(11..19)) else {
        return text.to_owned();
    };
    let weekday = usize::try_from(at.unix_seconds().div_euclid(86_400).rem_euclid(7)).unwrap_or(0);
    let month = MONTHS.get(month.saturating_sub(1)).copied().unwrap_or("");
    format!("{}, {day} {month} {year} {clock} +0000", DAYS[weekday])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_written_out() {
        assert_eq!(rfc1123(&"2026-05-04T08:00:05Z".into()), "Mon, 04 May 2026 08:00:05 +0000");
        assert_eq!(since(&"2026-05-04T08:00:05Z".into(), Time::from_secs(205)), "3m20s");
    }
}

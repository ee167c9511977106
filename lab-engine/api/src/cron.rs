//! Schedules of CronJobs, as `robfig/cron` reads them (`ParseStandard`), which Kubernetes uses.
//!
//! Five fields (minute, hour, day of the month, month, day of the week), `@daily` and its like, or `@every 1h30m`. A day matches when both
//! day fields do; when neither is a star, one is enough. Times are instants whose local clock matches: an hour that the clocks leave out
//! has no times, one that they go through twice has them twice.
//!
//! The parser is our own and not a library's: what Kubernetes accepts and refuses, and in which words, is what a learner sees, and the
//! crates for cron read another language (seconds, years, `L`, `#`, Sunday as 7).

use crate::time_zone::TimeZone;
use jiff_core::Timestamp;
use jiff_core::tz::Offset;

/// Marks a field that was a star.
const STAR: u64 = 1 << 63;
const DAY: i64 = 86_400;
/// The search for the next time goes so many years far.
const YEARS: i16 = 5;

struct Bounds {
    min: u32,
    max: u32,
    names: &'static [&'static str],
}

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const FIELDS: [Bounds; 5] = [
    Bounds { min: 0, max: 59, names: &[] },
    Bounds { min: 0, max: 23, names: &[] },
    Bounds { min: 1, max: 31, names: &[] },
    Bounds { min: 1, max: 12, names: &MONTHS },
    Bounds { min: 0, max: 6, names: &WEEKDAYS },
];

/// When something should happen, again and again.
#[derive(Clone, Debug)]
pub struct Schedule {
    times: Times,
    /// The zone that the schedule itself names.
    zone: Option<TimeZone>,
}

#[derive(Clone, Debug)]
enum Times {
    /// Bits of minutes, hours, days, months and weekdays.
    Spec([u64; 5]),
    /// Every so many seconds.
    Every(i64),
}

impl Schedule {
    /// Reads a schedule.
    ///
    /// # Errors
    /// The message of upstream.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("empty spec string".to_owned());
        }
        let (mut text, mut zone) = (text, None);
        if text.starts_with("TZ=") || text.starts_with("CRON_TZ=") {
            let (head, rest) = text.split_once(' ').unwrap_or((text, ""));
            let name = head.split_once('=').map_or("", |(_, name)| name);
            zone = Some(TimeZone::load(name).ok_or_else(|| format!("provided bad location {name}: unknown time zone {name}"))?);
            text = rest.trim();
        }
        let times = if text.starts_with('@') { descriptor(text)? } else { Times::Spec(spec(text)?) };
        Ok(Schedule { times, zone })
    }

    /// The first time after `after`, in seconds since 1970-01-01T00:00:00Z and in the zone, unless the schedule names another. `None` when
    /// there is none within five years.
    pub fn next(&self, after: i64, zone: &TimeZone) -> Option<i64> {
        let bits = match &self.times {
            Times::Every(seconds) => return Some(after.saturating_add(*seconds)),
            Times::Spec(bits) => bits,
        };
        let zone = self.zone.as_ref().unwrap_or(zone);
        let mut from = after.saturating_add(1);
        let last_year = year_of(from + zone.offset_at(from))?.saturating_add(YEARS);
        // Between two changes of the offset, local time and UTC go side by side.
        loop {
            let offset = zone.offset_at(from);
            let change = zone.next_transition(from);
            match next_local(bits, from + offset, change.map(|at| at + offset), last_year) {
                Found::At(local) => return Some(local - offset),
                Found::Never => return None,
                Found::Later => from = change?,
            }
        }
    }
}

enum Found {
    At(i64),
    /// Not before the offset changes.
    Later,
    Never,
}

fn year_of(local: i64) -> Option<i16> {
    Timestamp::from_second(local).ok().map(|at| at.to_datetime(Offset::UTC).date().year())
}

/// The first matching time on the local clock, not before `from` and before `until`.
fn next_local(bits: &[u64; 5], from: i64, until: Option<i64>, last_year: i16) -> Found {
    let [minutes, hours, ..] = bits;
    // Times are whole minutes.
    let from = from + (-from).rem_euclid(60);
    let mut day = from.div_euclid(DAY);
    let mut minute_of_day = from.rem_euclid(DAY) / 60;
    loop {
        if until.is_some_and(|until| day * DAY >= until) {
            return Found::Later;
        }
        let Ok(at) = Timestamp::from_second(day * DAY) else { return Found::Never };
        let date = at.to_datetime(Offset::UTC).date();
        if date.year() > last_year {
            return Found::Never;
        }
        if day_matches(bits, date.month(), date.day(), day) {
            let fits = |minute: &i64| hours & bit(minute / 60) != 0 && minutes & bit(minute % 60) != 0;
            if let Some(minute) = (minute_of_day..24 * 60).find(fits) {
                let local = day * DAY + minute * 60;
                return if until.is_some_and(|until| local >= until) { Found::Later } else { Found::At(local) };
            }
        }
        day += 1;
        minute_of_day = 0;
    }
}

fn bit(number: i64) -> u64 {
    u32::try_from(number).ok().and_then(|number| 1_u64.checked_shl(number)).unwrap_or(0)
}

/// Whether a day is one of the schedule's; `number` counts days from 1970-01-01, a Thursday.
fn day_matches(bits: &[u64; 5], month: i8, day: i8, number: i64) -> bool {
    let [_, _, days, months, weekdays] = bits;
    let of_month = days & bit(day.into()) != 0;
    let of_week = weekdays & bit((number + 4).rem_euclid(7)) != 0;
    let either = if days & STAR != 0 || weekdays & STAR != 0 { of_month && of_week } else { of_month || of_week };
    months & bit(month.into()) != 0 && either
}

fn spec(text: &str) -> Result<[u64; 5], String> {
    let fields: Vec<&str> = text.split_whitespace().collect();
    if fields.len() != FIELDS.len() {
        return Err(format!("expected exactly {} fields, found {}: [{}]", FIELDS.len(), fields.len(), fields.join(" ")));
    }
    let mut bits = [0; 5];
    for ((bits, text), bounds) in bits.iter_mut().zip(fields).zip(&FIELDS) {
        for part in text.split(',').filter(|part| !part.is_empty()) {
            *bits |= range(part, bounds)?;
        }
    }
    Ok(bits)
}

/// Reads `*`, `?`, a number or name, a range of them, each with or without a step (`getRange`).
fn range(text: &str, bounds: &Bounds) -> Result<u64, String> {
    let mut parts = text.split('/');
    let (ends, step_text) = (parts.next().unwrap_or(""), parts.next());
    let slashes = parts.next().is_some();
    let mut ends = ends.split('-');
    let (low, high, hyphens) = (ends.next().unwrap_or(""), ends.next(), ends.next().is_some());
    let is_star = matches!(low, "*" | "?");
    let (start, mut end) = if is_star {
        (bounds.min, bounds.max)
    } else {
        let start = number_or_name(low, bounds)?;
        match high {
            _ if hyphens => return Err(format!("too many hyphens: {text}")),
            Some(high) => (start, number_or_name(high, bounds)?),
            None => (start, start),
        }
    };
    if slashes {
        return Err(format!("too many slashes: {text}"));
    }
    let step = step_text.map(number).transpose()?;
    if step.is_some() && high.is_none() {
        end = bounds.max;
    }
    let star = if is_star && step.is_none_or(|step| step <= 1) { STAR } else { 0 };
    if start < bounds.min {
        return Err(format!("beginning of range ({start}) below minimum ({}): {text}", bounds.min));
    }
    if end > bounds.max {
        return Err(format!("end of range ({end}) above maximum ({}): {text}", bounds.max));
    }
    if start > end {
        return Err(format!("beginning of range ({start}) beyond end of range ({end}): {text}"));
    }
    match usize::try_from(step.unwrap_or(1)) {
        Ok(step @ 1..) => Ok((start..=end).step_by(step).fold(star, |bits, number| bits | 1 << number)),
        _ => Err(format!("step of range should be a positive number: {text}")),
    }
}

fn number_or_name(text: &str, bounds: &Bounds) -> Result<u32, String> {
    let name = text.to_lowercase();
    match bounds.names.iter().position(|known| *known == name) {
        Some(index) => Ok(bounds.min + u32::try_from(index).unwrap_or(0)),
        None => number(text),
    }
}

fn number(text: &str) -> Result<u32, String> {
    let parsed: i64 =
        text.parse().map_err(|_| format!("failed to parse int from {text}: strconv.Atoi: parsing {text:?}: invalid syntax"))?;
    if parsed < 0 {
        return Err(format!("negative number ({parsed}) not allowed: {text}"));
    }
    Ok(u32::try_from(parsed).unwrap_or(u32::MAX))
}

fn descriptor(text: &str) -> Result<Times, String> {
    let fields = match text {
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@monthly" => "0 0 1 * *",
        "@weekly" => "0 0 * * 0",
        "@daily" | "@midnight" => "0 0 * * *",
        "@hourly" => "0 * * * *",
        _ => {
            let Some(length) = text.strip_prefix("@every ") else { return Err(format!("unrecognized descriptor: {text}")) };
            let seconds = duration(length).ok_or_else(|| format!("failed to parse duration {text}: time: invalid duration {length:?}"))?;
            return Ok(Times::Every(seconds.max(1)));
        }
    };
    spec(fields).map(Times::Spec)
}

/// Whole seconds of a Go duration such as `1h30m`; `None` when it is none.
fn duration(text: &str) -> Option<i64> {
    let (negative, mut left) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if left == "0" {
        return Some(0);
    }
    if left.is_empty() {
        return None;
    }
    let mut seconds = 0.0;
    while !left.is_empty() {
        let unit_at = left.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, rest) = left.split_at(unit_at);
        let unit_end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let (unit, rest) = rest.split_at(unit_end);
        let scale = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" | "μs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * scale;
        left = rest;
    }
    // As Go: what does not fit 64 bits of nanoseconds is no duration.
    (seconds < 9.2e9).then_some(if negative { -(seconds as i64) } else { seconds as i64 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sim::Time;

    fn next(schedule: &str, after: &str, zone: &str) -> String {
        let after = Time::parse_rfc3339(after).unwrap().unix_seconds();
        let at = Schedule::parse(schedule).unwrap().next(after, &TimeZone::load(zone).unwrap());
        at.map_or_else(String::new, |at| Time::from_secs(u64::try_from(at - Time::EPOCH).unwrap()).rfc3339())
    }

    #[test]
    fn times_follow_one_another() {
        // 2026-06-05 is a Friday.
        for (schedule, after, expected) in [
            ("0 * * * *", "2026-06-05T10:00:00Z", "2026-06-05T11:00:00Z"),
            ("0 * * * ?", "2026-06-05T10:59:59Z", "2026-06-05T11:00:00Z"),
            ("30 6-16/4 * * 1-5", "2026-06-05T14:30:00Z", "2026-06-08T06:30:00Z"),
            ("*/15 * * * *", "2026-06-05T10:31:00Z", "2026-06-05T10:45:00Z"),
            ("0 0 13 * FRI", "2026-06-05T10:00:00Z", "2026-06-12T00:00:00Z"),
            ("0 0 */2 * mon", "2026-06-05T10:00:00Z", "2026-06-07T00:00:00Z"),
            ("0 0 29 2 *", "2026-06-05T10:00:00Z", "2028-02-29T00:00:00Z"),
            ("59 23 31 2 *", "2026-06-05T10:00:00Z", ""),
            ("@monthly", "2026-06-05T10:00:00Z", "2026-07-01T00:00:00Z"),
            ("@every 1h30m", "2026-06-05T10:00:07Z", "2026-06-05T11:30:07Z"),
        ] {
            assert_eq!(next(schedule, after, "UTC"), expected, "{schedule}");
        }
    }

    #[test]
    fn an_hour_that_is_left_out_has_no_times_and_one_that_comes_twice_has_them_twice() {
        let berlin = |after| next("30 2 * * *", after, "Europe/Berlin");
        // Clocks go from 02:00 to 03:00 on 2027-03-28 and from 03:00 to 02:00 on 2026-10-25.
        assert_eq!(berlin("2027-03-27T01:30:00Z"), "2027-03-29T00:30:00Z");
        assert_eq!(berlin("2026-10-24T00:30:00Z"), "2026-10-25T00:30:00Z");
        assert_eq!(berlin("2026-10-25T00:30:00Z"), "2026-10-25T01:30:00Z");
        assert_eq!(next("0 9 * * *", "2026-12-01T12:00:00Z", "Asia/Tokyo"), "2026-12-02T00:00:00Z");
        assert_eq!(next("TZ=Asia/Tokyo 0 9 * * *", "2026-12-01T12:00:00Z", "UTC"), "2026-12-02T00:00:00Z");
    }

    #[test]
    fn what_is_no_schedule_is_refused_in_upstreams_words() {
        for (schedule, message) in [
            ("", "empty spec string"),
            ("obvious error schedule", "expected exactly 5 fields, found 3: [obvious error schedule]"),
            ("60 * * * *", "end of range (60) above maximum (59): 60"),
            ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
            ("* * * * 7", "end of range (7) above maximum (6): 7"),
            ("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"),
            ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
            ("*/2/3 * * * *", "too many slashes: */2/3"),
            ("*/0 * * * *", "step of range should be a positive number: */0"),
            ("x * * * *", "failed to parse int from x: strconv.Atoi: parsing \"x\": invalid syntax"),
            ("@often", "unrecognized descriptor: @often"),
            ("@every soon", "failed to parse duration @every soon: time: invalid duration \"soon\""),
            ("TZ=Mars 0 * * * *", "provided bad location Mars: unknown time zone Mars"),
        ] {
            assert_eq!(Schedule::parse(schedule).unwrap_err(), message);
        }
    }
}

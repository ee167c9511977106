//! Virtual time: nanoseconds since the cluster started, and its rendering as the timestamps that Kubernetes writes.
//!
//! A run starts at a fixed instant of the civil calendar, [`Time::EPOCH`], so that `creationTimestamp` and friends look like those
//! of a real cluster and are the same in every run. The calendar arithmetic is the proleptic Gregorian one of RFC 3339.
//!
//! **Simplified here:** UTC only, no leap seconds.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

/// An instant of virtual time, in nanoseconds since the start of the run. The only clock in the engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

/// A text that is not an RFC 3339 timestamp in UTC, or lies before the start of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeError(String);

impl fmt::Display for TimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a timestamp such as 2026-05-04T08:00:00Z", self.0)
    }
}

impl std::error::Error for TimeError {}

const NANOS: u64 = 1_000_000_000;

impl Time {
    /// The start of every run.
    pub const ZERO: Time = Time(0);

    /// The civil instant of [`Time::ZERO`], in seconds since 1970-01-01T00:00:00Z: 2026-05-04T08:00:00Z, a Monday morning.
    pub const EPOCH: i64 = 1_777_881_600;

    /// The instant `nanos` nanoseconds after the start.
    pub const fn from_nanos(nanos: u64) -> Time {
        Time(nanos)
    }

    /// The instant `millis` milliseconds after the start.
    pub const fn from_millis(millis: u64) -> Time {
        Time(millis * 1_000_000)
    }

    /// The instant `secs` seconds after the start.
    pub const fn from_secs(secs: u64) -> Time {
        Time(secs * NANOS)
    }

    /// Nanoseconds since the start.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Whole milliseconds since the start, rounded down.
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }

    /// Whole seconds since the start, rounded down.
    pub const fn as_secs(self) -> u64 {
        self.0 / NANOS
    }

    /// Time since `earlier`, or zero if `earlier` is later.
    pub const fn since(self, earlier: Time) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// `self + delay`, at most the end of time.
    pub fn saturating_add(self, delay: Duration) -> Time {
        Time(self.0.saturating_add(u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// Milliseconds since 1970-01-01T00:00:00Z, rounded down.
    pub const fn unix_millis(self) -> u64 {
        Self::EPOCH.unsigned_abs() * 1000 + self.as_millis()
    }

    /// Seconds since 1970-01-01T00:00:00Z, rounded down.
    pub const fn unix_seconds(self) -> i64 {
        Self::EPOCH + (self.0 / NANOS) as i64
    }

    /// The instant as `metav1.Time` prints it: RFC 3339 with whole seconds, for example `2026-05-04T08:00:07Z`.
    pub fn rfc3339(self) -> String {
        let (date, secs) = self.date_and_seconds();
        format!("{date}T{:02}:{:02}:{:02}Z", secs / 3600, secs / 60 % 60, secs % 60)
    }

    /// The instant as `metav1.MicroTime` prints it, for example `2026-05-04T08:00:07.250000Z`.
    pub fn rfc3339_micro(self) -> String {
        let (date, secs) = self.date_and_seconds();
        let micros = self.0 % NANOS / 1000;
        format!("{date}T{:02}:{:02}:{:02}.{micros:06}Z", secs / 3600, secs / 60 % 60, secs % 60)
    }

    /// Reads a timestamp that [`Time::rfc3339`] or [`Time::rfc3339_micro`] could have written (offset `Z` only).
    ///
    /// # Errors
    /// [`TimeError`] when the text has another form, names no day of the calendar, or lies before the start of the run.
    pub fn parse_rfc3339(text: &str) -> Result<Time, TimeError> {
        parse(text).ok_or_else(|| TimeError(text.to_owned()))
    }

    fn date_and_seconds(self) -> (String, i64) {
        let unix = self.unix_seconds();
        let (year, month, day) = civil_from_days(unix.div_euclid(86_400));
        (format!("{year:04}-{month:02}-{day:02}"), unix.rem_euclid(86_400))
    }
}

/// The digits of `text[range]` as a number; `None` when a character is not a digit.
fn digits(text: &str, range: std::ops::Range<usize>) -> Option<i64> {
    let part = text.get(range)?;
    if part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    part.parse().ok()
}

fn parse(text: &str) -> Option<Time> {
    let body = text.strip_suffix('Z')?;
    let bytes = body.as_bytes();
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if separators.iter().any(|&(i, b)| bytes.get(i) != Some(&b)) {
        return None;
    }
    let (year, month, day) = (digits(body, 0..4)?, digits(body, 5..7)?, digits(body, 8..10)?);
    let (hour, minute, second) = (digits(body, 11..13)?, digits(body, 14..16)?, digits(body, 17..19)?);
    let days = days_from_civil(year, month, day);
    if civil_from_days(days) != (year, month, day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let nanos = match &body[19..] {
        "" => 0,
        fraction => {
            let digits_text = fraction.strip_prefix('.')?;
            if digits_text.len() > 9 {
                return None;
            }
            let value = digits(digits_text, 0..digits_text.len())?;
            value * 10_i64.pow(9 - u32::try_from(digits_text.len()).ok()?)
        }
    };
    let since_start = days * 86_400 + hour * 3600 + minute * 60 + second - Time::EPOCH;
    let secs = u64::try_from(since_start).ok()?;
    Some(Time(secs.checked_mul(NANOS)?.checked_add(u64::try_from(nanos).ok()?)?))
}

/// Year, month and day of a day number counted from 1970-01-01 (Hinnant, "chrono-compatible low-level date algorithms").
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The day number, counted from 1970-01-01, of a date; the inverse of [`civil_from_days`].
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = year - i64::from(month <= 2);
    let era = y.div_euclid(400);
    let year_of_era = y.rem_euclid(400);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

impl Add<Duration> for Time {
    type Output = Time;

    /// Saturates at the end of time, some 584 years after the start.
    fn add(self, delay: Duration) -> Time {
        self.saturating_add(delay)
    }
}

impl AddAssign<Duration> for Time {
    fn add_assign(&mut self, delay: Duration) {
        *self = *self + delay;
    }
}

impl Sub<Time> for Time {
    type Output = Duration;

    /// Saturates at zero.
    fn sub(self, earlier: Time) -> Duration {
        self.since(earlier)
    }
}

impl fmt::Display for Time {
    /// Seconds and milliseconds since the start, for example `12.250s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}s", self.as_secs(), self.as_millis() % 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_epoch_is_a_monday_morning_and_reads_back() {
        assert_eq!(Time::ZERO.rfc3339(), "2026-05-04T08:00:00Z");
        let later = Time::from_millis(86_400_000 * 365 + 7_250);
        assert_eq!(later.rfc3339_micro(), "2027-05-04T08:00:07.250000Z");
        assert_eq!(Time::parse_rfc3339(&later.rfc3339_micro()), Ok(later));
    }

    #[test]
    fn days_that_do_not_exist_are_refused() {
        for text in [
            "2027-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-05-04T24:00:00Z",
            "2026-05-04",
            "",
            "2026-05-04T08:00:00+02:00",
            "2020-01-01T00:00:00Z",
            "2026-05-04T08:00:0éZ",
        ] {
            assert!(Time::parse_rfc3339(text).is_err(), "{text}");
        }
        assert_eq!(Time::parse_rfc3339("2028-02-29T00:00:00Z").map(Time::rfc3339), Ok("2028-02-29T00:00:00Z".to_owned()));
    }
}

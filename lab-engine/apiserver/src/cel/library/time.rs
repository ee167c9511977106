//! Points in time and spans: `timestamp('2026-01-01T00:00:00Z')`, `duration('1h30m')` (the standard library of CEL).
//!
//! **Simplified here:** texts of a schema's formats `date-time` and `duration` stay texts; `timestamp` and `duration` read them.

use super::{Answer, Returned, argument, error, int, text_of};
use api::time_zone::TimeZone;
use cel::common::traits::{Adder, Comparer, Subtractor};
use cel::common::types::{CelString, STRING_TYPE, Type};
use cel::common::value::{CowVal, StaticVal, Val};
use cel::{DeclarationError, Env, ExecutionError};
use jiff_core::civil::{Date, UnixEpochDay};
use std::any::Any;
use std::cmp::Ordering;

const TIMESTAMP: Type = Type::new_unspecified_type("google.protobuf.Timestamp");
const DURATION: Type = Type::new_unspecified_type("google.protobuf.Duration");

const SECOND: i128 = 1_000_000_000;
const DAY: i128 = 86_400 * SECOND;
/// From the year 1 to the end of the year 9999, in nanoseconds since 1970.
const FIRST: i128 = -62_135_596_800 * SECOND;
const LAST: i128 = 253_402_300_800 * SECOND - 1;
/// Longer spans than Go's are refused.
const LONGEST: i128 = i64::MAX as i128;

/// A point in time, in nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Instant(i128);

/// A span, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Span(i128);

fn overload() -> ExecutionError {
    error("time", "no such overload")
}

fn instant<'b, 'v>(nanoseconds: i128) -> Returned<'b, 'v> {
    if !(FIRST..=LAST).contains(&nanoseconds) {
        return Err(error("timestamp", "timestamp overflow"));
    }
    Ok(CowVal::owned(Instant(nanoseconds)))
}

fn span<'b, 'v>(nanoseconds: i128) -> Returned<'b, 'v> {
    if !(-LONGEST..=LONGEST).contains(&nanoseconds) {
        return Err(error("duration", "duration overflow"));
    }
    Ok(CowVal::owned(Span(nanoseconds)))
}

/// The parts of [`Val`] that are alike for both types.
macro_rules! value {
    ($name:ident, $type:ident) => {
        impl Val for $name {
            fn get_type(&self) -> &Type {
                <Self as Val>::cel_type()
            }

            fn cel_type() -> &'static Type {
                static TYPE: Type = $type;
                &TYPE
            }

            fn as_adder<'b, 'v>(&'b self) -> Option<&'b (dyn Adder + 'v)>
            where
                Self: 'v,
            {
                Some(self)
            }

            fn as_comparer(&self) -> Option<&dyn Comparer> {
                Some(self)
            }

            fn as_subtractor<'b, 'v>(&'b self) -> Option<&'b (dyn Subtractor + 'v)>
            where
                Self: 'v,
            {
                Some(self)
            }

            fn equals(&self, other: &dyn Val) -> bool {
                other.downcast_ref::<Self>() == Some(self)
            }

            fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
            where
                Self: 'v,
            {
                Box::new(*self)
            }

            fn as_any(&self) -> Option<&dyn Any> {
                Some(self)
            }
        }

        impl StaticVal for $name {}

        impl Comparer for $name {
            fn compare(&self, other: &dyn Val) -> Answer<Ordering> {
                other.downcast_ref::<Self>().map(|other| self.cmp(other)).ok_or_else(overload)
            }
        }
    };
}

value!(Instant, TIMESTAMP);
value!(Span, DURATION);

impl Adder for Instant {
    fn add<'b, 'v>(&'b self, other: &(dyn Val + 'v)) -> Returned<'b, 'v>
    where
        Self: 'v,
    {
        other.downcast_ref::<Span>().ok_or_else(overload).and_then(|other| instant(self.0 + other.0))
    }
}

impl Adder for Span {
    fn add<'b, 'v>(&'b self, other: &(dyn Val + 'v)) -> Returned<'b, 'v>
    where
        Self: 'v,
    {
        match (other.downcast_ref::<Span>(), other.downcast_ref::<Instant>()) {
            (Some(other), _) => span(self.0 + other.0),
            (_, Some(other)) => instant(self.0 + other.0),
            _ => Err(overload()),
        }
    }
}

impl Subtractor for Instant {
    fn sub<'b, 'v>(&'b self, other: &(dyn Val + 'v)) -> Returned<'b, 'v>
    where
        Self: 'v,
    {
        match (other.downcast_ref::<Span>(), other.downcast_ref::<Instant>()) {
            (Some(other), _) => instant(self.0 - other.0),
            (_, Some(other)) => span(self.0 - other.0),
            _ => Err(overload()),
        }
    }
}

impl Subtractor for Span {
    fn sub<'b, 'v>(&'b self, other: &(dyn Val + 'v)) -> Returned<'b, 'v>
    where
        Self: 'v,
    {
        other.downcast_ref::<Span>().ok_or_else(overload).and_then(|other| span(self.0 - other.0))
    }
}

/// Takes so many digits off the front.
fn digits(text: &mut &str, count: usize) -> Option<i64> {
    let (head, rest) = text.split_at_checked(count)?;
    *text = rest;
    head.bytes().all(|b| b.is_ascii_digit()).then(|| head.parse().ok())?
}

/// Takes a character off the front.
fn skip(text: &mut &str, wanted: &[char]) -> Option<()> {
    *text = text.strip_prefix(wanted)?;
    Some(())
}

/// Takes the digits after a decimal point, as nanoseconds, if there is one.
fn fraction(text: &mut &str) -> Option<i64> {
    let Some(rest) = text.strip_prefix('.') else { return Some(0) };
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (head, rest) = rest.split_at(end);
    *text = rest;
    let kept: String = head.chars().chain("000000000".chars()).take(9).collect();
    (!head.is_empty()).then(|| kept.parse().ok())?
}

/// Reads a point in time as RFC 3339 writes it.
fn read_instant(text: &str) -> Option<i128> {
    let rest = &mut { text };
    let year = digits(rest, 4)?;
    skip(rest, &['-'])?;
    let month = digits(rest, 2)?;
    skip(rest, &['-'])?;
    let day = digits(rest, 2)?;
    skip(rest, &['T', 't'])?;
    let hour = digits(rest, 2)?;
    skip(rest, &[':'])?;
    let minute = digits(rest, 2)?;
    skip(rest, &[':'])?;
    let second = digits(rest, 2)?;
    let nanosecond = fraction(rest)?;
    let ahead = match rest.chars().next()? {
        'Z' | 'z' if rest.len() == 1 => 0,
        sign @ ('+' | '-') => {
            let rest = &mut &rest[1..];
            let hours = digits(rest, 2)?;
            skip(rest, &[':'])?;
            let minutes = digits(rest, 2)?;
            (rest.is_empty() && hours < 24 && minutes < 60).then_some(())?;
            (hours * 3600 + minutes * 60) * if sign == '-' { -1 } else { 1 }
        }
        _ => return None,
    };
    let date = Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    (hour < 24 && minute < 60 && second < 60).then_some(())?;
    let seconds = i64::from(date.to_unix_epoch_day().day()) * 86_400 + hour * 3600 + minute * 60 + second - ahead;
    Some(i128::from(seconds) * SECOND + i128::from(nanosecond))
}

/// Reads a span as Go writes it: `-1h30m`, `1.5s`, `0`.
fn read_span(text: &str) -> Option<i128> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let sign = if text.starts_with('-') { -1 } else { 1 };
    if unsigned == "0" {
        return Some(0);
    }
    let (mut total, mut rest) = (0_i128, unsigned);
    (!rest.is_empty()).then_some(())?;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (whole, after) = rest.split_at(end);
        let mut after = after;
        let point = after.starts_with('.');
        let part = if point && after[1..].starts_with(|c: char| c.is_ascii_digit()) { fraction(&mut after)? } else { 0 };
        (!whole.is_empty() || point).then_some(())?;
        let end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, next) = after.split_at(end);
        let size = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => SECOND,
            "m" => 60 * SECOND,
            "h" => 3600 * SECOND,
            _ => return None,
        };
        let whole: i128 = if whole.is_empty() { 0 } else { whole.get(..20.min(whole.len()))?.parse().ok()? };
        total = total.checked_add(whole.checked_mul(size)?)?.checked_add(i128::from(part) * size / SECOND)?;
        rest = next;
    }
    (total <= LONGEST).then_some(sign * total)
}

fn timestamp<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Returned<'b, 'v> {
    let text = text_of(&args, 0, "timestamp")?;
    let failed = || error("timestamp", format!("parsing time {text:?} as \"2006-01-02T15:04:05Z07:00\": cannot parse {text:?}"));
    read_instant(&text).ok_or_else(failed).and_then(instant)
}

fn duration<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Returned<'b, 'v> {
    let text = text_of(&args, 0, "duration")?;
    read_span(&text).ok_or_else(|| error("duration", format!("time: invalid duration {text:?}"))).and_then(span)
}

fn itself<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Returned<'b, 'v> {
    args.into_iter().next().ok_or_else(overload)
}

fn the_instant(args: &[CowVal<'_, '_>]) -> Answer<Instant> {
    argument(args, 0, "timestamp")?.downcast_ref::<Instant>().copied().ok_or_else(overload)
}

fn the_span(args: &[CowVal<'_, '_>]) -> Answer<Span> {
    argument(args, 0, "duration")?.downcast_ref::<Span>().copied().ok_or_else(overload)
}

/// Seconds that a zone is ahead of UTC: a name of the IANA database, or `+02:00`.
fn ahead(zone: &str, unix: i64) -> Answer<i64> {
    let fixed = || {
        let rest = &mut { zone.strip_prefix(['+', '-']).unwrap_or(zone) };
        let hours = digits(rest, 2)?;
        skip(rest, &[':'])?;
        let minutes = digits(rest, 2)?;
        rest.is_empty().then_some((hours * 60 + minutes) * if zone.starts_with('-') { -60 } else { 60 })
    };
    let named = || TimeZone::load(zone).map(|zone| zone.offset_at(unix));
    fixed().or_else(named).ok_or_else(|| error("timestamp", format!("unknown time zone {zone}")))
}

/// A date, its day since 1970, and the nanoseconds of its day, in UTC or the zone that is told.
fn local(args: &[CowVal<'_, '_>]) -> Answer<(Date, i64, i128)> {
    let mut at = the_instant(args)?.0;
    if args.len() > 1 {
        let unix = i64::try_from(at.div_euclid(SECOND)).unwrap_or(0);
        at += i128::from(ahead(&text_of(args, 1, "timestamp")?, unix)?) * SECOND;
    }
    let day = i32::try_from(at.div_euclid(DAY)).map_err(|_| overload())?;
    let date = UnixEpochDay::new(day).map_err(|_| error("timestamp", "timestamp overflow"))?.to_date();
    Ok((date, i64::from(day), at.rem_euclid(DAY)))
}

fn whole(nanoseconds: i128, unit: i128) -> i64 {
    i64::try_from(nanoseconds / unit).unwrap_or(i64::MAX)
}

/// Declares a method of points in time, with and without a zone.
macro_rules! part {
    ($env:expr, $name:literal, $read:expr) => {
        $env.add_member_overload($name, concat!("timestamp.", $name, "()"), TIMESTAMP, Vec::new(), |args| {
            local(&args).map($read).map(int)
        })?;
        $env.add_member_overload($name, concat!("timestamp.", $name, "(string)"), TIMESTAMP, vec![STRING_TYPE], |args| {
            local(&args).map($read).map(int)
        })?;
    };
}

/// Declares a method of spans.
macro_rules! length {
    ($env:expr, $name:literal, $unit:expr) => {
        $env.add_member_overload($name, concat!("duration.", $name, "()"), DURATION, Vec::new(), |args| {
            the_span(&args).map(|span| int(whole(span.0, $unit)))
        })?;
    };
}

fn text_of_instant<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Returned<'b, 'v> {
    let (date, _, of_day) = local(&args)?;
    let (seconds, nanoseconds) = (of_day / SECOND, of_day % SECOND);
    let fraction = format!(".{nanoseconds:09}");
    let fraction = if nanoseconds == 0 { "" } else { fraction.trim_end_matches('0') };
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let (year, month, day) = (date.year(), date.month(), date.day());
    Ok(CowVal::owned(CelString::from(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z"))))
}

/// Seconds, as protocol buffers write spans: `90s`, `0.5s`.
fn text_of_span<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Returned<'b, 'v> {
    let span = the_span(&args)?.0;
    let (sign, size) = (if span < 0 { "-" } else { "" }, span.abs());
    let fraction = format!(".{:09}", size % SECOND);
    let fraction = if size % SECOND == 0 { "" } else { fraction.trim_end_matches('0') };
    Ok(CowVal::owned(CelString::from(format!("{sign}{}{fraction}s", size / SECOND))))
}

/// Declares the types and functions.
pub(super) fn declare(env: &mut Env) -> Result<(), DeclarationError> {
    env.add_overload("timestamp", "timestamp(string)", vec![STRING_TYPE], timestamp)?;
    env.add_overload("timestamp", "timestamp(timestamp)", vec![TIMESTAMP], itself)?;
    env.add_overload("duration", "duration(string)", vec![STRING_TYPE], duration)?;
    env.add_overload("duration", "duration(duration)", vec![DURATION], itself)?;
    env.add_overload("string", "string(timestamp)", vec![TIMESTAMP], text_of_instant)?;
    env.add_overload("string", "string(duration)", vec![DURATION], text_of_span)?;
    env.add_overload("int", "int(timestamp)", vec![TIMESTAMP], |args| {
        the_instant(&args).map(|at| int(i64::try_from(at.0.div_euclid(SECOND)).unwrap_or(0)))
    })?;
    part!(env, "getFullYear", |(date, ..)| i64::from(date.year()));
    part!(env, "getMonth", |(date, ..)| i64::from(date.month()) - 1);
    part!(env, "getDate", |(date, ..)| i64::from(date.day()));
    part!(env, "getDayOfMonth", |(date, ..)| i64::from(date.day()) - 1);
    part!(env, "getDayOfYear", |(date, ..)| i64::from(date.day_of_year()) - 1);
    // 1970-01-01 was a Thursday; Sunday is 0.
    part!(env, "getDayOfWeek", |(_, day, _)| (day + 4).rem_euclid(7));
    part!(env, "getHours", |(.., of_day)| whole(of_day, 3600 * SECOND));
    part!(env, "getMinutes", |(.., of_day)| whole(of_day, 60 * SECOND) % 60);
    part!(env, "getSeconds", |(.., of_day)| whole(of_day, SECOND) % 60);
    part!(env, "getMilliseconds", |(.., of_day)| whole(of_day % SECOND, SECOND / 1000));
    length!(env, "getHours", 3600 * SECOND);
    length!(env, "getMinutes", 60 * SECOND);
    length!(env, "getSeconds", SECOND);
    length!(env, "getMilliseconds", SECOND / 1000);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_go_reads_them() {
        assert_eq!(read_instant("1970-01-02T00:00:00Z"), Some(DAY));
        assert_eq!(read_instant("1970-01-01T01:00:00.5+01:00"), Some(SECOND / 2));
        for bad in ["1970-01-01", "1970-02-30T00:00:00Z", "1970-01-01T24:00:00Z", "1970-01-01T00:00:00", "1970-01-01T00:00:00Zx"] {
            assert_eq!(read_instant(bad), None, "{bad}");
        }
        assert_eq!(read_span("1h30m"), Some(5400 * SECOND));
        assert_eq!(read_span("-1.5s"), Some(-3 * SECOND / 2));
        assert_eq!(read_span(".5ms"), Some(500_000));
        for bad in ["", "1", "h", "1x", "1h1", ".s", "99999999999999999999999999h"] {
            assert_eq!(read_span(bad), None, "{bad}");
        }
    }
}

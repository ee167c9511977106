//! The small values that cards are written in: a text in both languages, a length of time, a range of numbers to deal from.
//!
//! A length of time is written as Go writes durations (`time.ParseDuration`): `500ms`, `30s`, `1m30s`, `2h`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A text in both languages of the book.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// English.
    pub en: String,
    /// Simplified Chinese.
    pub zh: String,
}

impl Text {
    /// A text given in both languages.
    pub fn new(en: impl Into<String>, zh: impl Into<String>) -> Self {
        Text { en: en.into(), zh: zh.into() }
    }
}

/// A length of virtual time, at most [`Span::MAX`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(Duration);

/// A length of time that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpanError {
    /// It is not written as a duration.
    #[error("time: invalid duration {0:?}; write it like 500ms, 30s, 1m30s or 2h")]
    Invalid(String),
    /// It exceeds [`Span::MAX`].
    #[error("{0} is too long: at most 24h")]
    TooLong(String),
}

impl Span {
    /// The longest: a day.
    pub const MAX: Span = Span(Duration::from_secs(24 * 60 * 60));

    /// So many seconds, at most [`Span::MAX`].
    pub fn from_secs(seconds: u64) -> Self {
        Span(Duration::from_secs(seconds)).min(Span::MAX)
    }

    /// As the standard library counts it.
    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        let invalid = || SpanError::Invalid(text.chars().take(40).collect());
        let mut total_ms: u64 = 0;
        let mut rest = text;
        if rest.is_empty() || rest.len() > 40 {
            return Err(invalid());
        }
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(invalid)?;
            let number: u64 = rest[..digits].parse().map_err(|_| invalid())?;
            rest = &rest[digits..];
            let unit = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
            let unit_ms = match &rest[..unit] {
                "ms" => 1,
                "s" => 1000,
                "m" => 60_000,
                "h" => 3_600_000,
                _ => return Err(invalid()),
            };
            rest = &rest[unit..];
            total_ms = number.checked_mul(unit_ms).and_then(|ms| total_ms.checked_add(ms)).ok_or_else(invalid)?;
        }
        let span = Span(Duration::from_millis(total_ms));
        if span > Span::MAX { Err(SpanError::TooLong(text.to_owned())) } else { Ok(span) }
    }
}

impl fmt::Display for Span {
    /// The shortest form that reads back as the same length: `1m30s`, `500ms`, `0s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.as_millis();
        let parts = [(ms / 3_600_000, "h"), (ms / 60_000 % 60, "m"), (ms / 1000 % 60, "s"), (ms % 1000, "ms")];
        if ms == 0 {
            return f.write_str("0s");
        }
        parts.iter().filter(|(count, _)| *count > 0).try_for_each(|(count, unit)| write!(f, "{count}{unit}"))
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_read_and_print_alike() {
        for (text, ms) in [("0s", 0), ("500ms", 500), ("30s", 30_000), ("1m30s", 90_000), ("2h", 7_200_000), ("24h", 86_400_000)] {
            let span: Span = text.parse().unwrap();
            assert_eq!(span.duration(), Duration::from_millis(ms), "{text}");
            assert_eq!(span.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_length_of_time_is_refused() {
        for text in ["", "30", "s", "1x", "-1s", "99999999999999999999s", "18446744073709551615h", "1.5s"] {
            assert!(matches!(text.parse::<Span>(), Err(SpanError::Invalid(_))), "{text}");
        }
        assert_eq!("25h".parse::<Span>().unwrap_err().to_string(), "25h is too long: at most 24h");
    }
}

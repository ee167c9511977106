//! Quantities: `500m`, `1.5Gi`, `2e3` (`k8s.io/apimachinery/pkg/api/resource`).
//!
//! Amounts are exact to one billionth, rounded away from zero; those with a binary suffix end at 2⁶³ − 1 in magnitude. They are written in their
//! canonical form: no fraction, and the largest suffix that loses nothing.
//!
//! **Simplified here:** of the digits after the point of a binary amount the nineteenth and later ones only round up; decimal amounts, which have
//! no end upstream, end at 10²⁸; a text that is canonical already but for a `+`, an `E` or zeros after the point is written anew, not kept.

use crate::json::{DecodeError, Json, Position};
use serde_json::Value;
use std::cmp::Ordering;
use std::fmt;

const NANO: i128 = 1_000_000_000;
const MAX: i128 = i64::MAX as i128 * NANO;
/// 10²⁸ units.
const LARGEST: i128 = 10_i128.pow(37);
const WRONG_FORM: &str = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
const WRONG_NUMBER: &str = "unable to parse numeric part of quantity";
const WRONG_SUFFIX: &str = "unable to parse quantity's suffix";

/// How a quantity is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// With `m`, `k`, `M`, …: powers of 1000.
    #[default]
    DecimalSi,
    /// With `Ki`, `Mi`, …: powers of 1024.
    BinarySi,
    /// With `e3`, `e6`, …
    DecimalExponent,
}

/// An amount of a resource. Two are equal when their amounts are, however they are written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quantity {
    nanos: i128,
    format: Format,
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

/// The suffixes of 10⁻⁹, 10⁻⁶, … 10¹⁸.
const DECIMAL: [&str; 10] = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];

/// What a suffix multiplies by.
enum Scale {
    /// Ten to this power.
    Ten(i64, Format),
    /// Two to this power.
    Two(u32),
}

fn scale(suffix: &str) -> Option<Scale> {
    const BINARY: [&str; 6] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    if let Some(index) = DECIMAL.iter().position(|s| *s == suffix) {
        return Some(Scale::Ten(index as i64 * 3 - 9, Format::DecimalSi));
    }
    if let Some(index) = BINARY.iter().position(|s| *s == suffix) {
        return Some(Scale::Two((index as u32 + 1) * 10));
    }
    let exponent = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    Some(Scale::Ten(exponent, Format::DecimalExponent))
}

impl Quantity {
    /// Reads a quantity.
    ///
    /// # Errors
    /// The message of upstream.
    pub fn parse(text: &str) -> Result<Self, String> {
        let negative = text.starts_with('-');
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let (number, suffix) = unsigned.split_at(unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len()));
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let letters = suffix.trim_start_matches(|c| "eEinumkKMGTP".contains(c));
        let digits = letters.strip_prefix(['+', '-']).unwrap_or(letters);
        if text.is_empty() || fraction.contains('.') || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(WRONG_FORM.to_owned());
        }
        if whole.is_empty() && fraction.is_empty() {
            return Err(WRONG_NUMBER.to_owned());
        }
        let (magnitude, format) = match scale(suffix).ok_or(WRONG_SUFFIX)? {
            Scale::Ten(exponent, format) => (decimal(whole, fraction, exponent), format),
            Scale::Two(power) => {
                let magnitude = binary(whole, fraction, power);
                // Less than one unit has no binary form.
                (magnitude, if (1..NANO).contains(&magnitude) { Format::DecimalSi } else { Format::BinarySi })
            }
        };
        Ok(Quantity { nanos: if negative { -magnitude } else { magnitude }, format })
    }

    /// This many thousandths, for example of a CPU.
    pub fn from_milli(thousandths: i64) -> Self {
        Quantity { nanos: i128::from(thousandths) * 1_000_000, format: Format::DecimalSi }
    }

    /// This many whole units.
    pub fn new(value: i64, format: Format) -> Self {
        Quantity { nanos: i128::from(value) * NANO, format }
    }

    /// `value` times ten to the power of `scale`, in the decimal form (`NewScaledQuantity`). Rounded up below one billionth.
    pub fn from_scaled(value: i64, scale: i32) -> Self {
        let zero = Quantity { nanos: 0, format: Format::DecimalSi };
        Quantity::parse(&format!("{value}e{scale}")).map_or(zero, |quantity| quantity.with_format(Format::DecimalSi))
    }

    /// The same amount in another form.
    pub fn with_format(self, format: Format) -> Self {
        Quantity { format, ..self }
    }

    /// The amount below nothing, or above it (`Neg`).
    pub fn negated(self) -> Self {
        Quantity { nanos: -self.nanos, ..self }
    }

    /// The amount rounded away from zero to ten to the power of `scale`, and whether nothing was lost (`RoundUp`).
    pub fn round_up(self, scale: i32) -> (Self, bool) {
        let step = u32::try_from(scale.saturating_add(9)).unwrap_or(0);
        let Some(step) = 10_i128.checked_pow(step) else {
            return (self, self.is_zero());
        };
        let lost = self.nanos % step;
        let nanos = if lost == 0 { self.nanos } else { (self.nanos - lost).saturating_add(step * self.nanos.signum()) };
        (Quantity { nanos, ..self }, lost == 0)
    }

    /// The amount in units of ten to the power of `scale`, rounded up (`ScaledValue`).
    pub fn scaled_value(&self, scale: i32) -> i64 {
        match u32::try_from(scale.saturating_add(9)) {
            Ok(step) => 10_i128.checked_pow(step).map_or(i64::from(self.nanos > 0), |step| self.units(step)),
            Err(_) => {
                let factor = 10_i128.checked_pow(scale.saturating_add(9).unsigned_abs());
                let scaled = factor.and_then(|factor| self.nanos.checked_mul(factor)).and_then(|scaled| i64::try_from(scaled).ok());
                scaled.unwrap_or(if self.nanos < 0 { i64::MIN } else { i64::MAX })
            }
        }
    }

    /// The amount as a plain decimal number (`AsDec`), for example `-0.5`.
    pub fn decimal(&self) -> String {
        let (whole, part) = (self.nanos.unsigned_abs() / NANO.unsigned_abs(), self.nanos.unsigned_abs() % NANO.unsigned_abs());
        let sign = if self.nanos < 0 { "-" } else { "" };
        let text = format!("{sign}{whole}.{part:09}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }

    /// How it is written.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Whether it is nothing.
    pub fn is_zero(&self) -> bool {
        self.nanos == 0
    }

    /// The amount in whole units, rounded up.
    pub fn value(&self) -> i64 {
        self.units(NANO)
    }

    /// The amount in thousandths, rounded up.
    pub fn milli_value(&self) -> i64 {
        self.units(1_000_000)
    }

    fn units(&self, nanos: i128) -> i64 {
        let up = self.nanos.div_euclid(nanos) + i128::from(self.nanos.rem_euclid(nanos) != 0);
        i64::try_from(up).unwrap_or(if up < 0 { i64::MIN } else { i64::MAX })
    }

    /// Adds another; nothing takes on the other's format.
    pub fn add(&mut self, other: Quantity) {
        self.change(other, other.nanos);
    }

    /// Takes another away; nothing takes on the other's format.
    pub fn sub(&mut self, other: Quantity) {
        self.change(other, -other.nanos);
    }

    fn change(&mut self, other: Quantity, by: i128) {
        if self.is_zero() {
            self.format = other.format;
        }
        self.nanos = self.nanos.saturating_add(by);
    }
}

/// The digit characters as a number; `None` when it is beyond every limit here.
fn digits(text: &str) -> Option<i128> {
    let text = text.trim_start_matches('0');
    if text.is_empty() { Some(0) } else { text.parse().ok().filter(|number| *number <= LARGEST) }
}

/// `whole.fraction` times ten to the power of `exponent`, in billionths.
fn decimal(whole: &str, fraction: &str, exponent: i64) -> i128 {
    let all = format!("{whole}{fraction}");
    if all.bytes().all(|b| b == b'0') {
        return 0;
    }
    // Where the digits end that count whole billionths.
    let end = (whole.len() as i64).saturating_add(exponent).saturating_add(9);
    let Ok(end) = usize::try_from(end) else { return 1 };
    let (counted, rest) = all.split_at(end.min(all.len()));
    let up = i128::from(rest.bytes().any(|b| b != b'0'));
    let zeros = u32::try_from(end - counted.len()).unwrap_or(u32::MAX);
    let power = 10_i128.checked_pow(zeros);
    digits(counted).zip(power).and_then(|(number, power)| number.checked_mul(power)).map_or(LARGEST, |nanos| (nanos + up).min(LARGEST))
}

/// `whole.fraction` times two to the power of `power`, in billionths.
fn binary(whole: &str, fraction: &str, power: u32) -> i128 {
    const DIGITS: usize = 18;
    let factor = 1_i128 << power;
    let Some(whole) = digits(whole).and_then(|number| number.checked_mul(factor)).filter(|number| *number <= MAX / NANO) else {
        return MAX;
    };
    let (counted, rest) = fraction.split_at(fraction.len().min(DIGITS));
    let counted = digits(&format!("{counted:0<DIGITS$}")).unwrap_or(0) * factor;
    let exact = counted % NANO == 0 && rest.bytes().all(|b| b == b'0');
    (whole * NANO + counted / NANO + i128::from(!exact)).min(MAX)
}

/// The canonical form.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_zero() {
            return f.write_str("0");
        }
        let is_whole = self.nanos % NANO == 0;
        if self.format == Format::BinarySi && is_whole && self.nanos.abs() >= 1024 * NANO {
            let (mut number, mut step) = (self.nanos / NANO, 0);
            while number % 1024 == 0 && step < 6 {
                (number, step) = (number / 1024, step + 1);
            }
            return write!(f, "{number}{}", ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"][step]);
        }
        let (mut number, mut step) = (self.nanos, 0);
        while number % 1000 == 0 {
            (number, step) = (number / 1000, step + 1);
        }
        match (self.format, DECIMAL.get(step)) {
            (Format::DecimalExponent, Some(&"")) => write!(f, "{number}"),
            (Format::DecimalSi | Format::BinarySi, Some(suffix)) => write!(f, "{number}{suffix}"),
            // Above `E` no suffix is left.
            _ => write!(f, "{number}e{}", step as i32 * 3 - 9),
        }
    }
}

impl Json for Quantity {
    fn from_json(value: Value, position: &mut Position) -> Result<Self, DecodeError> {
        let text = match &value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            other => return Err(position.wrong_type(other, "resource.Quantity")),
        };
        Quantity::parse(text.trim()).map_err(|message| position.meaningless(message))
    }

    fn to_json(&self) -> Value {
        Value::String(self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> String {
        Quantity::parse(text).map_or_else(|error| error, |quantity| quantity.to_string())
    }

    #[test]
    fn quantities_are_written_in_their_canonical_form() {
        for (text, expected) in [
            ("0.1", "100m"),
            ("1500m", "1500m"),
            ("1.5Gi", "1536Mi"),
            ("1024", "1024"),
            ("512Ki", "512Ki"),
            ("0.5Ki", "512"),
            ("2e3", "2e3"),
            ("2000", "2k"),
            ("1E", "1E"),
            ("-1.1n", "-2n"),
            ("1e-20", "1e-9"),
            ("12E", "12E"),
            ("1234567890123456789012", "1234567890123456789012"),
            ("922337203685477581E07", "9223372036854775810e6"),
            ("9223372036854775810e6", "9223372036854775810e6"),
            ("1200E", "1200E"),
            ("1000E", "1e21"),
            ("1e40", "10e27"),
            ("100Ei", "9223372036854775807"),
            (".5", "500m"),
            ("+3.", "3"),
            ("0Ki", "0"),
            ("", WRONG_FORM),
            ("1.2.3", WRONG_FORM),
            ("1 ", WRONG_FORM),
            (".", WRONG_NUMBER),
            ("1mm", WRONG_SUFFIX),
            ("1e", WRONG_SUFFIX),
        ] {
            assert_eq!(canonical(text), expected, "{text}");
        }
    }

    #[test]
    fn amounts_compare_and_add_whatever_their_form() {
        let quantity = |text| Quantity::parse(text).unwrap();
        assert_eq!(quantity("1Ki"), quantity("1024"));
        assert!(quantity("100m") < quantity("0.2"));
        let formats = ["0Ki", "0.5Ki", "0.0005Ki", "-0.0005Ki"].map(|text| quantity(text).format());
        assert_eq!(formats, [Format::BinarySi, Format::BinarySi, Format::DecimalSi, Format::DecimalSi]);
        let mut sum = Quantity::default();
        sum.add(quantity("1Gi"));
        sum.sub(quantity("512Mi"));
        assert_eq!(sum.to_string(), "512Mi");
        assert_eq!((quantity("1.1").value(), quantity("0.1m").milli_value(), quantity("-1.5").value()), (2, 1, -1));
    }

    #[test]
    fn upstreams_cases_hold() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors/api-quantity.json");
        let Ok(text) = std::fs::read_to_string(&path) else {
            eprintln!("skipped: no api-quantity.json");
            return;
        };
        let vectors: Value = serde_json::from_str(&text).unwrap();
        let mut failures = Vec::new();
        for case in vectors["cases"].as_array().unwrap().iter().filter(|case| case["op"] == "quantity-parse") {
            let (input, expect) = (case["input"]["text"].as_str().unwrap(), &case["expect"]);
            let parsed = Quantity::parse(input);
            let canonical = parsed.as_ref().ok().map(Quantity::to_string);
            let wanted = expect["canonical"].as_str();
            if parsed.is_ok() != expect["valid"] || (wanted.is_some() && wanted != canonical.as_deref()) {
                failures.push(format!("{input:?}: {parsed:?} {canonical:?}, expected {expect}"));
            }
        }
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_reads_back_the_same(text in "[-+]?[0-9]{0,25}[.]?[0-9]{0,25}(Ki|Ei|m|n|E|e[-+]?[0-9]{1,20}|)") {
            if let Ok(quantity) = Quantity::parse(&text) {
                proptest::prop_assert_eq!(Quantity::parse(&quantity.to_string()), Ok(quantity));
            }
        }
    }
}

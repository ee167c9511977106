//! Which value a scalar stands for (go-yaml v2, `resolve.go`).

use serde_json::{Number, Value};

/// The value of a scalar without quotes and tag.
///
/// # Errors
/// Infinity and not-a-number, which JSON lacks.
pub(super) fn resolve(text: &str) -> Result<Value, String> {
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Value::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Value::Bool(false),
        _ => match text.as_bytes()[0] {
            b'0'..=b'9' | b'+' | b'-' | b'.' => number(text)?.map_or_else(|| Value::String(text.to_owned()), Value::Number),
            _ => Value::String(text.to_owned()),
        },
    })
}

/// The value of a scalar with the tag `!!name`.
///
/// # Errors
/// Unknown tags, and texts that are not what the tag says.
pub(super) fn resolve_tagged(name: &str, text: &str) -> Result<Value, String> {
    let value = match name {
        "str" | "binary" | "timestamp" => return Ok(Value::String(text.to_owned())),
        "int" | "float" | "bool" | "null" => resolve(text)?,
        _ => return Err(format!("unknown tag !!{name}")),
    };
    let found = match &value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "int",
        _ => "str",
    };
    if found == name || (found == "int" && name == "float") {
        Ok(value)
    } else {
        Err(format!("cannot decode !!{found} `{text}` as a !!{name}"))
    }
}

fn number(text: &str) -> Result<Option<Number>, String> {
    if let ".nan" | ".NaN" | ".NAN" = text {
        return Err(format!("json: unsupported value: {text}"));
    }
    if let ".inf" | ".Inf" | ".INF" = text.strip_prefix(['+', '-']).unwrap_or(text) {
        return Err(format!("json: unsupported value: {text}"));
    }
    let plain = text.replace('_', "");
    if let Some(number) = integer(&plain) {
        return Ok(Some(number));
    }
    Ok(looks_like_float(&plain).then(|| float(&plain)).flatten())
}

/// Go's `ParseInt` with base 0: `0x`, `0o`, `0b`, and octal after a leading zero.
fn integer(plain: &str) -> Option<Number> {
    let (negative, digits) = match plain.as_bytes().first()? {
        b'-' => (true, &plain[1..]),
        b'+' => (false, &plain[1..]),
        _ => (false, plain),
    };
    let lower = digits.get(..2).map(str::to_ascii_lowercase);
    let (digits, radix) = match lower.as_deref() {
        Some("0x") => (&digits[2..], 16),
        Some("0o") => (&digits[2..], 8),
        Some("0b") => (&digits[2..], 2),
        Some(_) if digits.starts_with('0') => (&digits[1..], 8),
        _ => (digits, 10),
    };
    // Another sign here would be taken by the parser below.
    if !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    match negative {
        true => i64::try_from(-i128::from(magnitude)).ok().map(Number::from),
        false => Some(Number::from(magnitude)),
    }
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn looks_like_float(plain: &str) -> bool {
    let all_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let unsigned = plain.strip_prefix(['+', '-']).unwrap_or(plain);
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).map_or((unsigned, None), |(m, e)| (m, Some(e)));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent_is_good = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !digits.is_empty() && all_digits(digits)
    });
    !(whole.is_empty() && fraction.is_empty()) && all_digits(whole) && all_digits(fraction) && exponent_is_good
}

/// A float as Go writes it to JSON: whole numbers without a fraction.
fn float(plain: &str) -> Option<Number> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let value: f64 = plain.parse().ok().filter(|value: &f64| value.is_finite())?;
    if value.fract() == 0.0 && value.abs() < EXACT { Some(Number::from(value as i64)) } else { Number::from_f64(value) }
}

//! `intstr.IntOrString`: a number or a text such as `25%` (`k8s.io/apimachinery/pkg/util/intstr`).

use crate::json::{DecodeError, Json, Position};
use serde_json::Value;
use std::fmt;

/// A number, or a text that is a percentage or a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IntOrString {
    /// A number.
    Int(i32),
    /// A text, for example `25%` or `http`.
    String(String),
}

impl Default for IntOrString {
    fn default() -> Self {
        IntOrString::Int(0)
    }
}

impl IntOrString {
    /// The number, and whether it is a percentage (`getIntOrPercentValueSafely`).
    ///
    /// # Errors
    /// The message of upstream when a text is not a percentage.
    pub fn number(&self) -> Result<(i32, bool), String> {
        match self {
            IntOrString::Int(number) => Ok((*number, false)),
            IntOrString::String(text) => Ok((percent(text)?, true)),
        }
    }

    /// The number, or the percentage of `total`, rounded up or down (`GetScaledValueFromIntOrPercent`).
    ///
    /// # Errors
    /// The message of upstream when a text is not a percentage.
    pub fn scaled(&self, total: i32, round_up: bool) -> Result<i32, String> {
        match self {
            IntOrString::Int(number) => Ok(*number),
            IntOrString::String(text) => {
                let percent = percent(text)?;
                let product = i64::from(percent) * i64::from(total);
                let scaled =
                    if round_up { product.div_euclid(100) + i64::from(product.rem_euclid(100) != 0) } else { product.div_euclid(100) };
                Ok(i32::try_from(scaled).unwrap_or(i32::MAX))
            }
        }
    }
}

/// The number before the percent sign.
fn percent(text: &str) -> Result<i32, String> {
    let Some(digits) = text.strip_suffix('%') else {
        return Err("invalid value for IntOrString: invalid type: string is not a percentage".to_owned());
    };
    digits
        .parse()
        .map_err(|_| format!("invalid value for IntOrString: invalid value {text:?}: strconv.Atoi: parsing {digits:?}: invalid syntax"))
}

impl fmt::Display for IntOrString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IntOrString::Int(number) => number.fmt(f),
            IntOrString::String(text) => f.write_str(text),
        }
    }
}

impl Json for IntOrString {
    fn from_json(value: Value, position: &mut Position) -> Result<Self, DecodeError> {
        match value {
            Value::String(text) => Ok(IntOrString::String(text)),
            Value::Number(_) => i32::from_json(value, position).map(IntOrString::Int),
            other => Err(position.wrong_type(&other, "intstr.IntOrString")),
        }
    }

    fn to_json(&self) -> Value {
        match self {
            IntOrString::Int(number) => Value::from(*number),
            IntOrString::String(text) => Value::String(text.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_scale_and_round_both_ways() {
        let quarter = IntOrString::String("25%".to_owned());
        assert_eq!((quarter.scaled(10, true), quarter.scaled(10, false)), (Ok(3), Ok(2)));
        assert_eq!(IntOrString::Int(7).scaled(10, true), Ok(7));
        assert!(IntOrString::String("25".to_owned()).scaled(10, true).is_err());
        assert!(IntOrString::String("x%".to_owned()).scaled(10, true).is_err());
    }
}

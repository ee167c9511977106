//! Quantities: `500m`, `1.5Gi`, `2e3` (`k8s.io/apimachinery/pkg/api/resource`).

use crate::json::{DecodeError, Json, Position};
use serde_json::Value;
use std::fmt;

/// An amount of a resource, exact to one billionth.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quantity {
    nanos: i128,
    text: String,
}

impl Quantity {
    /// Reads a quantity.
    ///
    /// # Errors
    /// The message of upstream.
    pub fn parse(text: &str) -> Result<Self, String> {
        const BAD: &str = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
        let split = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '+' | '-'))).unwrap_or(text.len());
        let (number, suffix) = text.split_at(split);
        let scale: f64 = match suffix {
            "" => 1.0,
            "m" => 1e-3,
            "k" => 1e3,
            "M" => 1e6,
            "G" => 1e9,
            "Ki" => 1024.0,
            "Mi" => 1_048_576.0,
            "Gi" => 1_073_741_824.0,
            _ => return Err(BAD.to_owned()),
        };
        let number: f64 = number.parse().map_err(|_| BAD.to_owned())?;
        Ok(Quantity { nanos: (number * scale * 1e9) as i128, text: text.to_owned() })
    }

    /// The amount in whole units, rounded up.
    pub fn value(&self) -> i64 {
        i64::try_from(self.nanos.div_euclid(1_000_000_000) + i128::from(self.nanos.rem_euclid(1_000_000_000) != 0)).unwrap_or(i64::MAX)
    }

    /// The amount in thousandths, rounded up.
    pub fn milli_value(&self) -> i64 {
        i64::try_from(self.nanos.div_euclid(1_000_000) + i128::from(self.nanos.rem_euclid(1_000_000) != 0)).unwrap_or(i64::MAX)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Json for Quantity {
    fn from_json(value: Value, position: &mut Position) -> Result<Self, DecodeError> {
        let text = match &value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            other => return Err(position.wrong_type(other, "resource.Quantity")),
        };
        Quantity::parse(&text).map_err(|message| position.meaningless(message))
    }

    fn to_json(&self) -> Value {
        Value::String(self.text.clone())
    }
}

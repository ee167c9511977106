//! Quantities (`api-quantity.json`).

use super::{Case, malformed, open};
use crate::{Miss, Outcome};
use api::json::{Json, Position};
use api::quantity::{Format, Quantity};
use serde_json::{Value, json};

const FORMATS: [(&str, Format); 3] =
    [("DecimalSI", Format::DecimalSi), ("BinarySI", Format::BinarySi), ("DecimalExponent", Format::DecimalExponent)];

fn parsed(text: &Value) -> Result<Quantity, Miss> {
    Quantity::parse(text.as_str().ok_or_else(|| malformed("no text"))?).map_err(malformed)
}

/// Two amounts of which the plain numbers are multiplied by the same power of ten, so that no digit is finer than one billionth: upstream's
/// table has such amounts, which no text gives.
fn comparable(a: &Value, b: &Value) -> Result<(Quantity, Quantity), Miss> {
    const DIGITS: usize = 9;
    let finer = |text: &Value| {
        let fraction = text.as_str().and_then(|text| text.split_once('.')).map_or("", |(_, fraction)| fraction);
        if fraction.bytes().all(|digit| digit.is_ascii_digit()) { fraction.len().saturating_sub(DIGITS) } else { 0 }
    };
    let power = finer(a).max(finer(b));
    let raised = |text: &Value| match text.as_str() {
        Some(plain) if power > 0 => parsed(&json!(format!("{plain}e{power}"))),
        _ => parsed(text),
    };
    Ok((raised(a)?, raised(b)?))
}

/// A quantity written as `{value, format}`.
fn formatted(value: &Value, format: &Value) -> Result<Quantity, Miss> {
    let format = FORMATS.iter().find(|(name, _)| format.as_str() == Some(name)).ok_or_else(|| malformed("no format"))?;
    Ok(parsed(value)?.with_format(format.1))
}

/// Compares plain decimal numbers.
fn same_value(case: &Case<'_>, actual: &Quantity) -> Outcome {
    let Some(expected) = case.expect.get("value") else { return Ok(()) };
    let text = expected.as_str().ok_or_else(|| malformed("no text \"value\""))?;
    let plain = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text };
    let plain = if plain == "-0" { "0" } else { plain };
    if plain == actual.decimal() { Ok(()) } else { Err(Miss::failed("value", text, actual.decimal())) }
}

fn parse(case: &Case<'_>) -> Outcome {
    case.keys(&["text"], &["valid", "value", "format", "canonical"])?;
    let Some(quantity) = case.valid(Quantity::parse(case.text("text")?))? else { return Ok(()) };
    same_value(case, &quantity)?;
    let format = FORMATS.iter().find(|(_, format)| *format == quantity.format()).map(|(name, _)| *name);
    case.same("format", json!(format))?;
    case.same("canonical", json!(quantity.to_string()))
}

fn arithmetic(case: &Case<'_>) -> Outcome {
    case.keys(&["a", "b"], &["value", "canonical"])?;
    let operand = |key| case.value(key).and_then(|operand| formatted(&operand["value"], &operand["format"]));
    let mut a = operand("a")?;
    match case.op {
        "quantity-add" => a.add(operand("b")?),
        "quantity-sub" => a.sub(operand("b")?),
        _ => a = a.negated(),
    }
    same_value(case, &a)?;
    case.same("canonical", json!(a.to_string()))
}

/// Runs a case.
pub(crate) fn run(case: &Value) -> Outcome {
    let case = open(case, &[])?;
    match case.op {
        "quantity-parse" => parse(&case),
        "quantity-format" => {
            case.keys(&["value", "format"], &["canonical"])?;
            case.same("canonical", json!(formatted(case.value("value")?, case.value("format")?)?.to_string()))
        }
        "quantity-compare" => {
            case.keys(&["a", "b"], &["cmp"])?;
            let (a, b) = comparable(case.value("a")?, case.value("b")?)?;
            case.same("cmp", json!(a.cmp(&b) as i8))
        }
        "quantity-add" | "quantity-sub" | "quantity-neg" => arithmetic(&case),
        "quantity-roundup" => {
            case.keys(&["text", "scale"], &["value", "exact"])?;
            let (rounded, exact) = parsed(case.value("text")?)?.round_up(case.integer("scale")?);
            same_value(&case, &rounded)?;
            case.same("exact", json!(exact))
        }
        "quantity-scaled-value" => {
            case.keys(&["value", "fromScale", "toScale"], &["scaled"])?;
            let value = case.text("value")?.parse().map_err(|_| malformed("no integer \"value\""))?;
            let quantity = Quantity::from_scaled(value, case.integer("fromScale")?);
            case.same("scaled", json!(quantity.scaled_value(case.integer("toScale")?)))
        }
        "quantity-from-json" => {
            case.keys(&["json"], &["canonical"])?;
            let value = serde_json::from_str(case.text("json")?).map_err(|error| malformed(error.to_string()))?;
            let quantity = Quantity::from_json(value, &mut Position::default()).map_err(|error| malformed(error.to_string()))?;
            case.same("canonical", json!(quantity.to_string()))
        }
        _ => case.unknown_op(),
    }
}

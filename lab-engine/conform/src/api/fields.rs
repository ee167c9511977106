//! Field selectors (`api-fields.json`).

use super::{malformed, open, string_map};
use crate::Outcome;
use api::fields::{FieldRequirement, FieldSelector, escape, terms, unescape};
use serde_json::{Value, json};

/// Runs a case.
pub(crate) fn run(case: &Value) -> Outcome {
    let case = open(case, &[])?;
    match case.op {
        "fieldselector-parse" => {
            case.keys(&["selector"], &["valid", "canonical"])?;
            let Some(selector) = case.valid(FieldSelector::parse(case.text("selector")?))? else { return Ok(()) };
            case.same("canonical", json!(selector.to_string()))
        }
        "fieldselector-match" => {
            case.keys(&["selector", "equals", "fields"], &["match"])?;
            let selector = if let Some(equals) = case.input.get("equals") {
                let requirement = |(field, value)| FieldRequirement { field, value, equal: true };
                FieldSelector { requirements: string_map(equals)?.into_iter().map(requirement).collect() }
            } else {
                FieldSelector::parse(case.text("selector")?).map_err(malformed)?
            };
            let fields = string_map(case.value("fields")?)?;
            case.same("match", json!(selector.matches(|field| fields.get(field).map(String::as_str))))
        }
        "fieldselector-split" => {
            case.keys(&["selector"], &["terms"])?;
            let terms = terms(case.text("selector")?);
            // No terms may be written as a list that is not there.
            if terms.is_empty() && case.expect.get("terms").is_some_and(Value::is_null) { Ok(()) } else { case.same("terms", json!(terms)) }
        }
        "fieldselector-escape" => {
            case.keys(&["value"], &["escaped"])?;
            case.same("escaped", json!(escape(case.text("value")?)))
        }
        "fieldselector-unescape" => {
            case.keys(&["escaped"], &["valid", "value"])?;
            let Some(value) = case.valid(unescape(case.text("escaped")?))? else { return Ok(()) };
            case.same("value", json!(value))
        }
        _ => case.unknown_op(),
    }
}

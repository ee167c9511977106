//! Label selectors (`api-labels.json`).

use super::{Case, malformed, open, string_map};
use crate::{Miss, Outcome};
use api::json::{Json, Position};
use api::labels::{Operator, Requirement, Selector};
use api::meta::LabelSelector;
use api::status::FieldError;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const OPERATORS: [(&str, &str, Operator); 9] = [
    ("In", "in", Operator::In),
    ("NotIn", "notin", Operator::NotIn),
    ("Exists", "exists", Operator::Exists),
    ("DoesNotExist", "!", Operator::DoesNotExist),
    ("Equals", "=", Operator::Equals),
    ("DoubleEquals", "==", Operator::DoubleEquals),
    ("NotEquals", "!=", Operator::NotEquals),
    ("GreaterThan", "gt", Operator::GreaterThan),
    ("LessThan", "lt", Operator::LessThan),
];

fn texts(value: &Value) -> Result<BTreeSet<String>, Miss> {
    let list = value.as_array().ok_or_else(|| malformed("no list of texts"))?;
    list.iter().map(|text| text.as_str().map(str::to_owned).ok_or_else(|| malformed("no text"))).collect()
}

fn checked(key: &Value, operator: &Value, values: &Value) -> Result<Result<Requirement, Vec<FieldError>>, Miss> {
    let (Some(key), Some(operator)) = (key.as_str(), operator.as_str()) else { return Err(malformed("no requirement")) };
    let written = OPERATORS.iter().find(|(name, ..)| *name == operator).map_or(operator, |(_, written, _)| written);
    Ok(Requirement::checked(key, written, texts(values)?))
}

fn selector(case: &Case<'_>) -> Result<Selector, Miss> {
    if let Some(labels) = case.input.get("matchLabels") {
        return Ok(Selector::from_map(&string_map(labels)?));
    }
    if let Some(list) = case.input.get("requirements") {
        let list = list.as_array().ok_or_else(|| malformed("no list \"requirements\""))?;
        let one = |r: &Value| checked(&r["key"], &r["operator"], &r["values"])?.map_err(|errors| malformed(format!("{errors:?}")));
        let requirements = list.iter().map(one).collect::<Result<_, _>>()?;
        return Ok(Selector { requirements, nothing: false });
    }
    Selector::parse(case.text("selector")?).map_err(malformed)
}

fn errors_as_data(errors: &[FieldError]) -> Value {
    errors.iter().map(|error| json!({"type": error.kind.reason(), "field": error.field})).collect()
}

/// The requirements in the form of the cases; values are sorted on both sides.
fn same_requirements(case: &Case<'_>, selector: &Selector) -> Outcome {
    let Some(expected) = case.expect.get("requirements") else { return Ok(()) };
    let mut expected = expected.clone();
    for one in expected.as_array_mut().into_iter().flatten() {
        one["values"] = json!(texts(&one["values"])?);
    }
    let name = |operator| OPERATORS.iter().find(|(.., known)| *known == operator).map(|(name, ..)| *name);
    let one = |r: &Requirement| json!({"key": r.key, "operator": name(r.operator), "values": r.values});
    let actual: Value = selector.requirements.iter().map(one).collect();
    if expected == actual { Ok(()) } else { Err(Miss::failed("requirements", expected, actual)) }
}

fn convert(case: &Case<'_>) -> Outcome {
    case.keys(&["labelSelector"], &["valid", "matches", "requirements"])?;
    let written = case.value("labelSelector")?;
    let decoded = (!written.is_null()).then(|| LabelSelector::from_json(written.clone(), &mut Position::default())).transpose();
    let decoded = decoded.map_err(|error| malformed(error.to_string()))?;
    let Some(selector) = case.valid(Selector::from_label_selector(decoded.as_ref()))? else { return Ok(()) };
    let all = if selector.nothing { "nothing" } else { "everything" };
    let all = if selector.requirements.is_empty() { json!(all) } else { Value::Null };
    case.same("matches", all)?;
    same_requirements(case, &selector)
}

/// Runs a case.
pub(crate) fn run(case: &Value) -> Outcome {
    let case = open(case, &[])?;
    match case.op {
        "selector-parse" => {
            case.keys(&["selector"], &["valid", "canonical", "requirements"])?;
            let Some(selector) = case.valid(Selector::parse(case.text("selector")?))? else { return Ok(()) };
            case.same("canonical", json!(selector.to_string()))?;
            same_requirements(&case, &selector)
        }
        "selector-match" => {
            case.keys(&["selector", "matchLabels", "requirements", "labels"], &["match"])?;
            case.same("match", json!(selector(&case)?.matches(&string_map(case.value("labels")?)?)))
        }
        "selector-format" => {
            case.keys(&["requirements"], &["canonical"])?;
            case.same("canonical", json!(selector(&case)?.to_string()))
        }
        "requirement-validate" => {
            case.keys(&["key", "operator", "values"], &["errors"])?;
            let errors = checked(case.value("key")?, case.value("operator")?, case.value("values")?)?.err().unwrap_or_default();
            case.same("errors", errors_as_data(&errors))
        }
        "selector-exact-value" => {
            case.keys(&["requirements", "label"], &["found", "value"])?;
            let selector = selector(&case)?;
            let value = selector.exact_value(case.text("label")?);
            case.same("found", json!(value.is_some()))?;
            case.same("value", json!(value.unwrap_or_default()))
        }
        "selector-from-set" => {
            case.keys(&["matchLabels"], &["valid", "requirements", "errors"])?;
            match Selector::from_map_checked(&string_map(case.value("matchLabels")?)?) {
                Ok(selector) => {
                    case.same("valid", json!(true))?;
                    same_requirements(&case, &selector)
                }
                Err(errors) => {
                    case.same("valid", json!(false))?;
                    case.same("errors", errors_as_data(&errors))
                }
            }
        }
        "labelselector-convert" => convert(&case),
        _ => case.unknown_op(),
    }
}

//! Numbers or texts (`api-intstr.json`).

use super::{Case, malformed, open};
use crate::{Miss, Outcome};
use api::intstr::IntOrString;
use api::json::{Json, Position};
use serde_json::{Value, json};

fn decoded(value: &Value) -> Result<IntOrString, Miss> {
    IntOrString::from_json(value.clone(), &mut Position::default()).map_err(|error| malformed(error.to_string()))
}

fn number(case: &Case<'_>) -> Outcome {
    if case.value("value")?.is_null() {
        return case.valid(Err::<(), _>("nil value specified")).map(|_| ());
    }
    let value = decoded(case.value("value")?)?;
    if case.op == "intstr-scaled" {
        case.keys(&["value", "total", "roundUp"], &["valid", "number"])?;
        let up = case.value("roundUp")?.as_bool().ok_or_else(|| malformed("no boolean \"roundUp\""))?;
        let Some(number) = case.valid(value.scaled(case.integer("total")?, up))? else { return Ok(()) };
        return case.same("number", json!(number));
    }
    case.keys(&["value"], &["valid", "number", "isPercent"])?;
    let Some((number, percent)) = case.valid(value.number())? else { return Ok(()) };
    case.same("number", json!(number))?;
    case.same("isPercent", json!(percent))
}

/// Runs a case.
pub(crate) fn run(case: &Value) -> Outcome {
    let case = open(case, &[])?;
    match case.op {
        "intstr-decode" => {
            case.keys(&["json"], &["val"])?;
            let value: Value = serde_json::from_str(case.text("json")?).map_err(|error| malformed(error.to_string()))?;
            case.same("val", decoded(&value["val"])?.to_json())
        }
        "intstr-parse" | "intstr-scaled" => number(&case),
        _ => case.unknown_op(),
    }
}

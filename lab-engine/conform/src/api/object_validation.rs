//! Validation of objects (`api-object-validation.json`): the code that requests to the API server go through.

use super::{Case, malformed, open};
use crate::{Miss, Outcome};
use api::Object;
use api::status::FieldError;
use serde_json::{Value, json};

/// Cases of the old release that v1.36 no longer agrees with.
const SUPERSEDED: &[(&str, &str)] = &[(
    "validate/pod/invalid-labelselector-in-preferredduringschedulingignoredduringexecution-in-podaffinity-annotations-values-sho",
    "the path of a label selector in a Pod affinity term is labelSelector.matchExpressions now, no longer matchExpressions.matchExpressions",
)];

fn object(case: &Case<'_>, key: &str) -> Result<Object, Miss> {
    let value = case.value(key)?;
    let (Some(version), Some(kind)) = (value["apiVersion"].as_str(), value["kind"].as_str()) else {
        return Err(malformed("no apiVersion and kind"));
    };
    Object::decode_as(version, kind, value.clone()).map_err(|error| malformed(error.to_string()))
}

/// `a` is the field or above it or below it: paths gain detail with the releases.
fn related(a: &str, b: &str) -> bool {
    let within = |inner: &str, outer: &str| inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
    within(a, b) || within(b, a)
}

fn judge(case: &Case<'_>, errors: &[FieldError]) -> Outcome {
    let texts: Vec<String> = errors.iter().map(FieldError::to_string).collect();
    case.same("valid", json!(errors.is_empty())).map_err(|_| Miss::failed("valid", json!(case.expect["valid"]), texts.join("; ")))?;
    let listed = case.expect.get("errors").and_then(Value::as_array);
    if let Some(listed) = listed.filter(|listed| !listed.is_empty()) {
        let hit = |error: &FieldError| listed.iter().any(|one| one["field"].as_str().is_some_and(|field| related(&error.field, field)));
        if !errors.iter().any(hit) {
            return Err(Miss::failed("errors", json!(listed), texts.join("; ")));
        }
    }
    match case.expect.get("mustMention").and_then(Value::as_str) {
        Some(piece) if !texts.iter().any(|text| text.contains(piece)) => Err(Miss::failed("mustMention", piece, texts.join("; "))),
        _ => Ok(()),
    }
}

/// Runs a case.
pub(crate) fn run(case: &Value) -> Outcome {
    let case = open(case, SUPERSEDED)?;
    let expect = &["valid", "errors", "mustMention"];
    match case.op {
        "validate" => {
            case.keys(&["object"], expect)?;
            judge(&case, &apiserver::validation::validate(&object(&case, "object")?))
        }
        "validate-podspec" => {
            case.keys(&["object"], expect)?;
            let Object::Pod(pod) = object(&case, "object")? else { return Err(malformed("no Pod")) };
            judge(&case, &apiserver::validation::validate_pod_spec(&pod.spec))
        }
        "validate-update" => {
            case.keys(&["object", "oldObject"], expect)?;
            judge(&case, &apiserver::validation::validate_update_rules(&object(&case, "object")?, &object(&case, "oldObject")?))
        }
        _ => case.unknown_op(),
    }
}

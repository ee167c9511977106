//! A policy over one request with one parameter: conditions, variables, validations, messages (`policy/validating/validator.go`).

use super::super::Admission;
use super::matching::{namespace, operation_name};
use crate::cel::{EvalError, Program, Scope, from_fields, weight};
use api::core::Namespace;
use api::{Object, Resource};
use cel::Value as CelValue;
use serde_json::{Value, json};

/// The names that every expression knows.
pub(crate) const VARIABLES: &[&str] = &["object", "oldObject", "request", "params", "namespaceObject", "variables"];
/// The longest message that an expression may give (`MaxEvaluatedMessageExpressionSizeBytes`).
const MAX_MESSAGE: usize = 5 * 1024;
/// How much all variables of a policy may hold together.
const MAX_WEIGHT: usize = 100_000;

/// What a validation has against the request.
#[derive(Debug)]
pub(super) struct Denial {
    pub(super) message: String,
    /// `Invalid` by default.
    pub(super) reason: Option<String>,
}

impl Denial {
    fn error(message: String) -> Self {
        Denial { message, reason: None }
    }
}

/// What a policy has against the request; empty when it is allowed, or not looked at. An error counts as a denial, unless the policy says
/// that failures are to be ignored.
pub(super) fn denials(admission: &Admission<'_>, object: Option<&Object>, spec: &Value, params: Option<&Object>) -> Vec<Denial> {
    let ignores = spec["failurePolicy"] == "Ignore";
    let failed = |message: String| if ignores { Vec::new() } else { vec![Denial::error(message)] };
    let mut scope = scope(admission, object, params);
    let failures = set_variables(&mut scope, &spec["variables"]);
    let failures = match failures {
        Ok(failures) => failures,
        Err(message) => return failed(message),
    };
    match conditions_hold(&scope, &spec["matchConditions"], &failures) {
        Ok(true) => {}
        Ok(false) => return Vec::new(),
        Err(message) => return failed(message),
    }
    let mut denials = Vec::new();
    for validation in items(&spec["validations"]) {
        match evaluate(&scope, text(&validation["expression"]), &failures) {
            Ok(CelValue::Bool(true)) => {}
            Ok(_) => {
                let reason = validation["reason"].as_str().map(str::to_owned);
                denials.push(Denial { message: message(&scope, validation, &failures), reason });
            }
            Err(message) => denials.extend(failed(message)),
        }
    }
    // What audit annotations say is not kept, but an expression without a value refuses all the same.
    for annotation in items(&spec["auditAnnotations"]) {
        let source = text(&annotation["valueExpression"]);
        match evaluate(&scope, source, &failures) {
            Ok(CelValue::String(_) | CelValue::Null) => {}
            Ok(_) => denials.extend(failed(format!(
                "valueExpression '{source}' resulted in unsupported return type. Return type must be either string or null."
            ))),
            Err(message) => denials.extend(failed(message)),
        }
    }
    denials
}

/// A variable that has no value, and why.
type Failures = Vec<(String, String)>;

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// What the names stand for (`admission/plugin/cel/activation.go`).
fn scope(admission: &Admission<'_>, object: Option<&Object>, params: Option<&Object>) -> Scope {
    let mut scope = Scope::new();
    let json = |object: Option<&Object>| object.map_or(Value::Null, Object::to_json);
    scope.set("object", json(object));
    scope.set("oldObject", json(admission.old));
    scope.set("params", json(params));
    let subject = object.or(admission.old);
    let inside = subject.filter(|_| admission.info.namespaced && admission.info != Namespace::INFO);
    scope.set("namespaceObject", json(inside.and_then(|subject| namespace(admission, subject))));
    let info = admission.info;
    let kind = json!({"group": info.group, "version": info.version, "kind": info.kind});
    let resource = json!({"group": info.group, "version": info.version, "resource": info.plural});
    let user = admission.user.map(|user| json!({"username": user.name, "uid": user.uid, "groups": user.groups, "extra": user.extra}));
    let metadata = subject.map(Object::metadata);
    let request = json!({
        "kind": kind, "resource": resource, "subResource": admission.subresource.as_str(),
        "requestKind": kind, "requestResource": resource, "requestSubResource": admission.subresource.as_str(),
        "name": metadata.map(|metadata| metadata.name.as_str()).unwrap_or_default(),
        "namespace": metadata.map(|metadata| metadata.namespace.as_str()).unwrap_or_default(),
        "operation": operation_name(admission.operation),
        "userInfo": user.unwrap_or_else(|| json!({"username": "system:apiserver", "groups": ["system:masters"]})),
        "dryRun": admission.dry_run,
    });
    scope.set("request", request);
    scope
}

/// Gives the variables of a policy their values, each after those before it. Who names one that has no value fails, nobody else.
fn set_variables(scope: &mut Scope, variables: &Value) -> Result<Failures, String> {
    let mut fields: Vec<(String, CelValue)> = Vec::new();
    let mut failures = Failures::new();
    let mut held = 0;
    scope.set_value("variables", from_fields([]));
    for variable in items(variables) {
        let name = text(&variable["name"]).to_owned();
        match evaluate(scope, text(&variable["expression"]), &failures) {
            Ok(value) => {
                held += weight(&value, MAX_WEIGHT);
                if held >= MAX_WEIGHT {
                    return Err(format!("composited variable {name:?} fails to evaluate: operation cancelled: actual cost limit exceeded"));
                }
                fields.push((name, value));
                scope.set_value("variables", from_fields(fields.iter().cloned()));
            }
            Err(message) => failures.push((name.clone(), format!("composited variable {name:?} fails to evaluate: {message}"))),
        }
    }
    Ok(failures)
}

fn evaluate(scope: &Scope, source: &str, failures: &Failures) -> Result<CelValue, String> {
    let source = source.trim();
    let program = Program::compile(source, VARIABLES).map_err(|error| error.to_string())?;
    program.evaluate(scope).map_err(|error| {
        let why = match &error {
            EvalError::NoSuchKey(key) => failures.iter().find(|(name, _)| name == key).map(|(_, why)| why.clone()),
            EvalError::Other(_) => None,
        };
        format!("expression '{source}' resulted in error: {}", why.unwrap_or_else(|| error.to_string()))
    })
}

/// Whether all conditions hold. One that does not decides; otherwise one without a value is an error.
fn conditions_hold(scope: &Scope, conditions: &Value, failures: &Failures) -> Result<bool, String> {
    let mut errors = Vec::new();
    for condition in items(conditions) {
        match evaluate(scope, text(&condition["expression"]), failures) {
            Ok(CelValue::Bool(false)) => return Ok(false),
            Ok(_) => {}
            Err(message) => errors.push(message),
        }
    }
    match errors.as_slice() {
        [] => Ok(true),
        [only] => Err(only.clone()),
        several => Err(format!("[{}]", several.join(", "))),
    }
}

/// The message of a validation that failed: what its expression gives, what it says, or the expression itself.
fn message(scope: &Scope, validation: &Value, failures: &Failures) -> String {
    if let Some(source) = validation["messageExpression"].as_str().filter(|source| !source.is_empty())
        && let Ok(CelValue::String(message)) = evaluate(scope, source, failures)
    {
        let message = message.trim();
        if !message.is_empty() && message.len() <= MAX_MESSAGE && !message.contains('\n') {
            return message.to_owned();
        }
    }
    match text(&validation["message"]).trim() {
        "" => format!("failed expression: {}", text(&validation["expression"]).trim()),
        said => said.to_owned(),
    }
}

//! What the OpenAPI of Kubernetes asks of every schema, and its extensions and rules (the schema half of
//! `pkg/apis/apiextensions/validation`).
//!
//! **Simplified here:** of the costs of rules that of each rule is bounded, not their sum.

use crate::crd::cel::Expression;
use crate::crd::cost::Range;
use crate::crd::rules;
use crate::crd::schema::{Additional, Schema};
use crate::crd::structural::{Errors, invalid, invalid_text, list, on, properties, text};
use api::status::FieldError;
use serde_json::{Map, Value};

/// What one rule may cost by the sizes that its schema allows (`StaticEstimatedCostLimit`).
const RULE_COST_LIMIT: u64 = 10_000_000;

/// The reasons that a rule may give.
const REASONS: [&str; 4] = ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];

/// Appends what is wrong with a schema at `path`, and with those inside it; with its rules only if `with_rules`.
pub(crate) fn validate(value: &Value, schema: &Schema, with_rules: bool, path: &str, errors: &mut Errors) {
    let mut walk = Walk { with_rules, schema_errors: Vec::new(), rule_errors: Vec::new() };
    walk.schema(value, Some(schema), path, &Place { root: true, ..Place::default() });
    errors.extend(walk.schema_errors);
    errors.extend(walk.rule_errors);
}

/// What a schema's surroundings ask of it.
#[derive(Clone, Default)]
struct Place {
    root: bool,
    /// Why no default may stand here.
    no_defaults: Option<String>,
    /// The part of the schema in which old and new values cannot be told to belong together.
    uncorrelated: Option<String>,
    /// How often a value of this schema may stand in an object; 0 for once.
    times: u64,
}

/// The walk over all schemas, also nested ones.
struct Walk {
    with_rules: bool,
    schema_errors: Errors,
    rule_errors: Errors,
}

impl Walk {
    /// `schema` is the same schema, read; `None` in nested ones, whose rules are forbidden anyway.
    fn schema(&mut self, value: &Value, schema: Option<&Schema>, path: &str, place: &Place) {
        let Value::Object(fields) = value else { return };
        let before = self.schema_errors.len();
        standards(value, fields, path, place, &mut self.schema_errors);
        self.children(value, schema, path, place);
        lists_and_maps(value, path, &mut self.schema_errors);
        let validations = list(value, "x-kubernetes-validations");
        for (index, rule) in validations.iter().enumerate() {
            rule_form(rule, value, &format!("{path}.x-kubernetes-validations[{index}]"), &mut self.schema_errors);
        }
        if let (Some(schema), true) = (schema, self.with_rules && self.schema_errors.len() == before) {
            for (index, (rule, written)) in schema.rules.iter().zip(validations).enumerate() {
                let at = format!("{path}.x-kubernetes-validations[{index}]");
                rule_errors(rule, written, schema, place, &at, &mut self.rule_errors);
            }
        }
    }

    fn children(&mut self, value: &Value, schema: Option<&Schema>, path: &str, place_of: &Place) {
        let inner = Place { root: false, ..place_of.clone() };
        let times = || inner.times.max(1).saturating_mul(Range::Schema(schema).size());
        let additional = &value["additionalProperties"];
        if additional.is_object() {
            let part = schema.and_then(|schema| match &schema.additional {
                Additional::Schema(part) => Some(&**part),
                _ => None,
            });
            let place = Place { times: times(), ..inner.clone() };
            self.schema(additional, part, &format!("{path}.additionalProperties"), &place);
        }
        for (name, part) in properties(value) {
            let mut place = inner.clone();
            if text(value, "x-kubernetes-map-type") == "atomic" {
                place.uncorrelated = Some(path.to_owned());
            }
            if place_of.root && matches!(name.as_str(), "metadata" | "kind" | "apiVersion") {
                place.no_defaults = Some(format!("in top-level {name}"));
            }
            let read = schema.and_then(|schema| schema.properties.get(name));
            self.schema(part, read, &format!("{path}.properties[{name}]"), &place);
        }
        for name in ["not", "allOf", "oneOf", "anyOf"] {
            match &value[name] {
                Value::Array(parts) => {
                    for (index, part) in parts.iter().enumerate() {
                        self.schema(part, None, &format!("{path}.{name}[{index}]"), &inner);
                    }
                }
                part => self.schema(part, None, &format!("{path}.{name}"), &inner),
            }
        }
        if value["items"].is_object() {
            let mut place = Place { times: times(), ..inner };
            if text(value, "x-kubernetes-list-type") != "map" {
                place.uncorrelated = Some(path.to_owned());
            }
            self.schema(&value["items"], schema.and_then(|schema| schema.items.as_deref()), &format!("{path}.items"), &place);
        }
    }
}

/// What the OpenAPI of Kubernetes does not have.
fn standards(value: &Value, fields: &Map<String, Value>, path: &str, place: &Place, errors: &mut Errors) {
    let type_ = text(value, "type");
    const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];
    if !type_.is_empty() && !TYPES.contains(&type_) {
        errors.push(FieldError::not_supported(format!("{path}.type"), type_, &TYPES));
    }
    if let Some(why) = place.no_defaults.as_ref().filter(|_| fields.get("default").is_some_and(|default| !default.is_null())) {
        errors.push(FieldError::forbidden(format!("{path}.default"), format!("must not be set {why}")));
    }
    for name in ["id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref"] {
        if fields.get(name).is_some_and(|part| !part.is_null() && part.as_str() != Some("")) {
            errors.push(FieldError::forbidden(format!("{path}.{name}"), format!("{name} is not supported")));
        }
    }
    if type_ == "null" {
        errors.push(FieldError::forbidden(format!("{path}.type"), "type cannot be set to null, use nullable as an alternative"));
    }
    if value["items"].is_array() {
        errors.push(FieldError::forbidden(format!("{path}.items"), "items must be a schema object and not an array"));
    }
    if on(value, "uniqueItems") {
        let detail = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
        errors.push(FieldError::forbidden(format!("{path}.uniqueItems"), detail));
    }
    let additional = &value["additionalProperties"];
    if properties(value).next().is_some() && (additional.is_object() || *additional == Value::Bool(false)) {
        let detail = "additionalProperties and properties are mutual exclusive";
        errors.push(FieldError::forbidden(format!("{path}.additionalProperties"), detail));
    }
    if value["x-kubernetes-preserve-unknown-fields"] == Value::Bool(false) {
        let at = format!("{path}.x-kubernetes-preserve-unknown-fields");
        errors.push(invalid(at, &Value::Bool(false), "must be true or undefined"));
    }
}

/// `x-kubernetes-map-type`, `x-kubernetes-list-type` and `x-kubernetes-list-map-keys`.
fn lists_and_maps(value: &Value, path: &str, errors: &mut Errors) {
    let type_ = text(value, "type");
    let mut of_type = |extension: &str, wanted: &str, allowed: &[&str]| {
        let set = text(value, extension);
        if value[extension].is_null() {
            return;
        }
        if type_ != wanted {
            let (at, detail) = (format!("{path}.type"), format!("must be {wanted} if {extension} is specified"));
            errors.push(if type_.is_empty() { FieldError::required(at, detail) } else { invalid_text(at, type_, detail) });
        }
        if !allowed.contains(&set) {
            errors.push(FieldError::not_supported(format!("{path}.{extension}"), set, allowed));
        }
    };
    of_type("x-kubernetes-map-type", "object", &["atomic", "granular"]);
    of_type("x-kubernetes-list-type", "array", &["atomic", "set", "map"]);
    let (list_type, items) = (text(value, "x-kubernetes-list-type"), &value["items"]);
    let keys = list(value, "x-kubernetes-list-map-keys");
    if !keys.is_empty() && list_type != "map" {
        let (at, detail) = (format!("{path}.x-kubernetes-list-type"), "must be map if x-kubernetes-list-map-keys is non-empty");
        let missing = value["x-kubernetes-list-type"].is_null();
        errors.push(if missing { FieldError::required(at, detail) } else { invalid_text(at, list_type, detail) });
    }
    if list_type == "set" && items.is_object() {
        let atomic = |extension: &str| text(items, extension) == "atomic";
        let unset = items["x-kubernetes-list-type"].is_null();
        let wrong = match text(items, "type") {
            "array" if !unset && !atomic("x-kubernetes-list-type") => "x-kubernetes-list-type",
            "object" if !atomic("x-kubernetes-map-type") => "x-kubernetes-map-type",
            _ => "",
        };
        if !wrong.is_empty() {
            let detail = "must be atomic as item of a list with x-kubernetes-list-type=set";
            errors.push(invalid(format!("{path}.items.{wrong}"), &items["x-kubernetes-list-type"], detail));
        }
    }
    if list_type == "map" {
        map_list(value, keys, path, errors);
    }
    if matches!(list_type, "set" | "map") && on(items, "nullable") {
        let detail = format!("cannot be nullable when x-kubernetes-list-type is {list_type}");
        errors.push(FieldError::forbidden(format!("{path}.items.nullable"), detail));
    }
}

fn map_list(value: &Value, keys: &[Value], path: &str, errors: &mut Errors) {
    let items = &value["items"];
    let at_keys = format!("{path}.x-kubernetes-list-map-keys");
    if keys.is_empty() {
        errors.push(FieldError::required(at_keys.clone(), "must not be empty if x-kubernetes-list-type is map"));
    }
    if items.is_null() {
        errors.push(FieldError::required(format!("{path}.items"), "must have a schema if x-kubernetes-list-type is map"));
        return;
    }
    let type_ = text(items, "type");
    if type_ != "object" {
        let detail = "must be object if parent array's x-kubernetes-list-type is map";
        errors.push(invalid_text(format!("{path}.items.type"), type_, detail));
        return;
    }
    let written = Value::Array(keys.to_vec());
    let required = list(items, "required");
    for (index, key) in keys.iter().enumerate() {
        let name = key.as_str().unwrap_or_default();
        let (part, at) = (&items["properties"][name], format!("{path}.items.properties[{name}]"));
        if matches!(text(part, "type"), "array" | "object") {
            let detail = "must be a scalar type if parent array's x-kubernetes-list-type is map";
            errors.push(invalid_text(format!("{at}.type"), type_, detail));
        }
        if part.is_null() {
            errors.push(invalid(at_keys.clone(), &written, "entries must all be names of item properties"));
        } else if part["default"].is_null() && !required.contains(key) {
            let detail = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
            errors.push(FieldError::required(format!("{at}.default"), detail));
        }
        if on(part, "nullable") {
            let detail = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable";
            errors.push(FieldError::forbidden(format!("{at}.nullable"), detail));
        }
        if keys[..index].contains(key) {
            errors.push(invalid(at_keys.clone(), &written, "must not contain duplicate entries"));
        }
    }
}

/// What is wrong with the words of a rule.
fn rule_form(rule: &Value, schema: &Value, path: &str, errors: &mut Errors) {
    let (text, message) = (text(rule, "rule"), &rule["message"]);
    let message = message.as_str().unwrap_or_default();
    let broken = |text: &str| text.contains(['\n', '\r']);
    if text.trim().is_empty() {
        errors.push(FieldError::required(format!("{path}.rule"), "rule is not specified"));
    } else if !message.is_empty() && message.trim().is_empty() {
        errors.push(invalid_text(format!("{path}.message"), message, "must be non-empty if specified"));
    } else if broken(message.trim()) {
        errors.push(invalid_text(format!("{path}.message"), message, "must not contain line breaks"));
    } else if broken(text.trim()) && message.trim().is_empty() {
        errors.push(FieldError::required(format!("{path}.message"), "message must be specified if rule contains line breaks"));
    }
    if rule["messageExpression"].as_str().is_some_and(|text| !text.is_empty() && text.trim().is_empty()) {
        errors.push(FieldError::required(format!("{path}.messageExpression"), "messageExpression must be non-empty if specified"));
    }
    if let Some(reason) = rule["reason"].as_str().filter(|reason| !REASONS.contains(reason)) {
        errors.push(FieldError::not_supported(format!("{path}.reason"), reason, &REASONS));
    }
    let field_path = rule["fieldPath"].as_str().unwrap_or_default();
    if field_path.is_empty() {
        return;
    }
    if field_path.trim().is_empty() {
        errors.push(invalid_text(format!("{path}.fieldPath"), field_path, "must be non-empty if specified"));
    }
    let steps = field_path.strip_prefix('.').map(|path| path.split('.').try_fold(schema, |schema, step| schema["properties"].get(step)));
    // Keys of maps in brackets are taken as they are.
    if !field_path.contains('[') && steps.flatten().is_none() {
        errors.push(invalid_text(format!("{path}.fieldPath"), field_path, "must be a valid path"));
    }
}

/// What is wrong with the CEL of a rule.
fn rule_errors(rule: &rules::Rule, written: &Value, schema: &Schema, place: &Place, path: &str, errors: &mut Errors) {
    let expression = match &rule.expression {
        Ok(expression) => expression,
        Err(error) => return errors.push(invalid(format!("{path}.rule"), written, error.clone())),
    };
    let undefined = |field: String, source: &str| {
        let column = source.find(&format!(".{field}")).unwrap_or(0);
        format!("compilation failed: ERROR: <input>:1:{}: undefined field '{field}'\n | {source}\n | {}^", column + 1, ".".repeat(column))
    };
    if let Some(field) = expression.undefined_field(schema, place.root) {
        errors.push(invalid(format!("{path}.rule"), written, undefined(field, &rule.text)));
        return;
    }
    expensive(expression, schema, place, "estimated rule cost", &format!("{path}.rule"), errors);
    match &rule.message_expression {
        Some(Err(error)) => errors.push(invalid(format!("{path}.messageExpression"), written, error.clone())),
        Some(Ok(message)) => {
            let at = format!("{path}.messageExpression");
            match message.undefined_field(schema, place.root) {
                Some(field) => errors.push(invalid(at, written, undefined(field, &rule.message_text))),
                None => expensive(message, schema, &Place::default(), "estimated messageExpression cost", &at, errors),
            }
        }
        None => {}
    }
    if expression.uses("oldSelf") {
        if let Some(within) = &place.uncorrelated {
            let detail = format!("oldSelf cannot be used on the uncorrelatable portion of the schema within {within}");
            errors.push(invalid_text(format!("{path}.rule"), &rule.text, detail));
        }
    } else if let Some(optional) = rule.optional_old_self {
        let detail = "may not be set if oldSelf is not used in rule";
        errors.push(invalid(format!("{path}.optionalOldSelf"), &Value::Bool(optional), detail));
    }
}

fn expensive(expression: &Expression, schema: &Schema, place: &Place, what: &str, path: &str, errors: &mut Errors) {
    let once = expression.cost(&|_| Range::Schema(Some(schema)));
    let cost = once.saturating_mul(place.times.max(1));
    if cost > RULE_COST_LIMIT {
        let factor = cost as f64 / RULE_COST_LIMIT as f64;
        let factor = match factor {
            factor if factor > 100.0 => "more than 100x".to_owned(),
            factor if factor < 1.5 => format!("{factor:.6}x"),
            factor => format!("{factor:.1}x"),
        };
        let detail = format!(
            "{what} exceeds budget by factor of {factor} (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where \
             arrays, maps, and strings are declared)"
        );
        errors.push(FieldError::forbidden(path, detail));
    }
}

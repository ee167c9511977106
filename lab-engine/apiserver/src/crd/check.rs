//! Validation of values against a schema, in the words of `kube-openapi/pkg/validation`, and the uniqueness of list elements
//! (`schema/listtype`).
//!
//! On an update what did not change is not looked at again (`CRDValidationRatcheting`): properties and the elements of `map` lists are
//! compared with what they were.
//!
//! **Simplified here:** several wrong properties are told in the order of their names; upstream's order is random.

use crate::crd::formats;
use crate::crd::schema::{Additional, Checks, ListType, MAX_MATCH_STEPS, Schema, Type};
use crate::crd::shape::is_of;
use api::json::join;
use api::status::{FieldError, FieldErrorKind};
use serde_json::Value;
use std::collections::BTreeSet;

/// How many errors are told of one object; a hostile one could have thousands.
const MAX_ERRORS: usize = 100;

/// How many steps one object may take: looking at one value with one schema is a step.
const MAX_STEPS: u64 = 1_000_000;

/// Appends what is wrong with a value at `path`; `old` is what it was before, if it can be compared.
pub(crate) fn check(schema: &Schema, value: &Value, old: Option<&Value>, path: &str, errors: &mut Vec<FieldError>) {
    let mut found = Findings { errors: std::mem::take(errors), left: MAX_STEPS };
    visit(schema, value, old, path, &mut found);
    *errors = found.errors;
    if found.left == 0 {
        let detail = "the object is too large to be validated against its schema here";
        errors.push(FieldError::forbidden(named(path), detail));
    }
}

/// What was found, and how much may still be looked at.
struct Findings {
    errors: Vec<FieldError>,
    left: u64,
}

impl Findings {
    /// Takes steps; `false` when there are not enough left, after which nothing is looked at any more.
    fn spend(&mut self, steps: u64) -> bool {
        let enough = self.left > steps;
        self.left = if enough { self.left - steps } else { 0 };
        enough
    }
}

fn visit(schema: &Schema, value: &Value, old: Option<&Value>, path: &str, found: &mut Findings) {
    if found.errors.len() >= MAX_ERRORS || old == Some(value) || !found.spend(1) {
        return;
    }
    wrong_type(schema, value, path, found);
    if value.is_null() {
        return;
    }
    compositions(&schema.checks, value, path, found);
    scalar(&schema.checks, value, path, found);
    match value {
        Value::Array(items) => list(schema, items, old, path, found),
        Value::Object(_) => map(schema, value, old, path, found),
        _ => {}
    }
    allowed(&schema.checks, value, path, found);
}

fn invalid(path: &str, value: &Value, detail: impl std::fmt::Display) -> FieldError {
    FieldError::new(FieldErrorKind::Invalid, named(path), shown(value), format!("{path} in body {detail}"))
}

/// A path as errors name it; there is none for the whole object.
pub(crate) fn named(path: &str) -> &str {
    if path.is_empty() { "<nil>" } else { path }
}

/// A value as errors show it.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::Number(number) if number.is_f64() => go_float(number.as_f64().unwrap_or_default()),
        Value::String(text) => format!("{text:?}"),
        other => other.to_string(),
    }
}

/// A float as Go's `%v` writes it: with an exponent from a million on, or below a ten-thousandth.
pub(crate) fn go_float(number: f64) -> String {
    let size = number.abs();
    if size != 0.0 && !(1e-4..1e6).contains(&size) {
        let text = format!("{number:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
        return format!("{digits}e{sign}{exponent:0>2}");
    }
    number.to_string()
}

fn wrong_type(schema: &Schema, value: &Value, path: &str, found: &mut Findings) {
    let wanted = match schema.type_ {
        _ if schema.int_or_string => "integer,string",
        Some(type_) => type_.as_str(),
        None => return,
    };
    let fits = match (value, schema.type_) {
        (Value::Null, _) => schema.nullable,
        _ if schema.int_or_string => value.is_string() || is_of(Type::Integer, value),
        (value, Some(type_)) => is_of(type_, value),
        (_, None) => true,
    };
    if !fits {
        let is = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) if is_of(Type::Integer, value) => "integer",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        let detail = format!("{path} in body must be of type {wanted}: {is:?}");
        found.errors.push(FieldError::new(FieldErrorKind::TypeInvalid, named(path), format!("{is:?}"), detail));
    }
}

/// `allOf`, `anyOf`, `oneOf` and `not`.
fn compositions(checks: &Checks, value: &Value, path: &str, found: &mut Findings) {
    let wrong = |schema: &Schema, found: &mut Findings| {
        let mut inner = Findings { errors: Vec::new(), left: found.left };
        visit(schema, value, None, path, &mut inner);
        found.left = inner.left;
        inner.errors
    };
    let composed = |detail: String| FieldError::new(FieldErrorKind::Invalid, "<nil>", "\"\"", detail);
    let fewest = |each: Vec<Vec<FieldError>>| each.into_iter().min_by_key(Vec::len).unwrap_or_default();
    if !checks.any_of.is_empty() {
        let each: Vec<_> = checks.any_of.iter().map(|schema| wrong(schema, found)).collect();
        if each.iter().all(|errors| !errors.is_empty()) {
            found.errors.push(composed(format!("{path:?} must validate at least one schema (anyOf)")));
            found.errors.extend(fewest(each));
        }
    }
    if !checks.one_of.is_empty() {
        let each: Vec<_> = checks.one_of.iter().map(|schema| wrong(schema, found)).collect();
        match each.iter().filter(|errors| errors.is_empty()).count() {
            1 => {}
            0 => {
                found.errors.push(composed(format!("{path:?} must validate one and only one schema (oneOf). Found none valid")));
                found.errors.extend(fewest(each));
            }
            many => {
                let detail = format!("{path:?} must validate one and only one schema (oneOf). Found {many} valid alternatives");
                found.errors.push(composed(detail));
            }
        }
    }
    if !checks.all_of.is_empty() {
        let each: Vec<_> = checks.all_of.iter().map(|schema| wrong(schema, found)).collect();
        let valid = each.iter().filter(|errors| errors.is_empty()).count();
        found.errors.extend(each.into_iter().flatten());
        if valid != checks.all_of.len() {
            let none = if valid == 0 { ". None validated" } else { "" };
            found.errors.push(composed(format!("{path:?} must validate all the schemas (allOf){none}")));
        }
    }
    if checks.not.as_ref().is_some_and(|not| wrong(not, found).is_empty()) {
        found.errors.push(composed(format!("{path:?} must not validate the schema (not)")));
    }
}

fn scalar(checks: &Checks, value: &Value, path: &str, found: &mut Findings) {
    match value {
        Value::String(text) => {
            let length = text.chars().count() as u64;
            if let Some(max) = checks.max_length.filter(|max| length > *max) {
                let bytes = if max == 1 { "byte" } else { "bytes" };
                let detail = format!("may not be more than {max} {bytes}");
                found.errors.push(FieldError::new(FieldErrorKind::TooLong, named(path), "", detail));
            }
            if let Some(min) = checks.min_length.filter(|min| length < *min) {
                found.errors.push(invalid(path, value, format_args!("should be at least {min} chars long")));
            }
            if let Some(pattern) = checks.pattern.as_ref().filter(|pattern| pattern.regex.is_ok()) {
                if pattern.steps(text) <= MAX_MATCH_STEPS && !found.spend(pattern.steps(text) / 64) {
                    return;
                }
                match pattern.matches(text) {
                    Ok(true) => {}
                    Ok(false) => found.errors.push(invalid(path, value, format_args!("should match '{}'", pattern.text))),
                    Err(why) => {
                        let detail = format!("{path} in body {why}");
                        found.errors.push(FieldError::new(FieldErrorKind::Invalid, named(path), "", detail));
                    }
                }
            }
            if !formats::holds(&checks.format, text) {
                let detail = format!("{path} in body must be of type {}: {text:?}", checks.format);
                found.errors.push(FieldError::new(FieldErrorKind::TypeInvalid, named(path), format!("{text:?}"), detail));
            }
        }
        Value::Number(number) => {
            if let Some(number) = number.as_f64() {
                numeric(checks, number, value, path, found);
            }
        }
        _ => {}
    }
}

fn numeric(checks: &Checks, number: f64, value: &Value, path: &str, found: &mut Findings) {
    if let Some(factor) = checks.multiple_of.filter(|factor| *factor > 0.0 && (number / factor).fract() != 0.0) {
        found.errors.push(invalid(path, value, format_args!("should be a multiple of {}", go_float(factor))));
    }
    // Beside a whole number a bound is written as one.
    let whole = |bound: f64| value.is_i64() && bound.fract() == 0.0 && bound.abs() < 1e15;
    let written = |bound: f64| if whole(bound) { format!("{bound:.0}") } else { go_float(bound) };
    if let Some(max) = checks.maximum {
        let max_text = written(max);
        if checks.exclusive_maximum && number >= max {
            found.errors.push(invalid(path, value, format_args!("should be less than {max_text}")));
        } else if number > max {
            found.errors.push(invalid(path, value, format_args!("should be less than or equal to {max_text}")));
        }
    }
    if let Some(min) = checks.minimum {
        let min_text = written(min);
        if checks.exclusive_minimum && number <= min {
            found.errors.push(invalid(path, value, format_args!("should be greater than {min_text}")));
        } else if number < min {
            found.errors.push(invalid(path, value, format_args!("should be greater than or equal to {min_text}")));
        }
    }
}

/// More, or fewer, parts than allowed.
fn quantity(count: usize, bounds: (Option<u64>, Option<u64>), what: &str, path: &str, found: &mut Findings) {
    let count = count as u64;
    if let Some(min) = bounds.0.filter(|min| count < *min) {
        found.errors.push(invalid(path, &Value::from(count), format_args!("should have at least {min} {what}")));
    }
    if let Some(max) = bounds.1.filter(|max| count > *max) {
        let items = if max == 1 { "item" } else { "items" };
        let detail = format!("must have at most {max} {items}");
        found.errors.push(FieldError::new(FieldErrorKind::TooMany, named(path), count.to_string(), detail));
    }
}

fn list(schema: &Schema, items: &[Value], old: Option<&Value>, path: &str, found: &mut Findings) {
    let checks = &schema.checks;
    if let Some(part) = &schema.items {
        for (index, item) in items.iter().enumerate() {
            visit(part, item, same_element(schema, item, old), &format!("{path}[{index}]"), found);
        }
    }
    quantity(items.len(), (checks.min_items, checks.max_items), "items", path, found);
}

/// What an element of a `map` list was before.
pub(crate) fn same_element<'v>(schema: &Schema, item: &Value, old: Option<&'v Value>) -> Option<&'v Value> {
    if schema.list_type != ListType::Map {
        return None;
    }
    old?.as_array()?.iter().find(|other| schema.map_keys.iter().all(|key| other.get(key) == item.get(key)))
}

fn map(schema: &Schema, value: &Value, old: Option<&Value>, path: &str, found: &mut Findings) {
    let Value::Object(fields) = value else { return };
    let checks = &schema.checks;
    quantity(fields.len(), (checks.min_properties, checks.max_properties), "properties", path, found);
    let old = old.filter(|_| !schema.atomic_map);
    for (name, value) in fields {
        let here = join(path, name);
        match schema.field(name) {
            Some(part) => visit(part, value, old.and_then(|old| old.get(name)), &here, found),
            None if matches!(schema.additional, Additional::Allowed(false)) => {
                let detail = format!("{here} in body is a forbidden property");
                found.errors.push(FieldError::new(FieldErrorKind::Invalid, here.clone(), shown(value), detail));
            }
            None => {}
        }
    }
    for name in checks.required.iter().filter(|name| !fields.contains_key(*name)) {
        found.errors.push(FieldError::required(join(path, name), ""));
    }
}

fn allowed(checks: &Checks, value: &Value, path: &str, found: &mut Findings) {
    let Some(allowed) = &checks.allowed else { return };
    if !found.spend(allowed.len() as u64 / 64) {
        return;
    }
    if !allowed.iter().any(|one| same(one, value)) {
        let text = |value: &Value| match value {
            Value::String(text) => format!("{text:?}"),
            other => format!("{:?}", other.to_string()),
        };
        let list: Vec<String> = allowed.iter().map(text).collect();
        let detail = format!("supported values: {}", list.join(", "));
        found.errors.push(FieldError::new(FieldErrorKind::NotSupported, named(path), shown(value), detail));
    }
}

/// Whether two values are the same to JSON Schema: `1` and `1.0` are.
fn same(a: &Value, b: &Value) -> bool {
    a == b || a.as_f64().zip(b.as_f64()).is_some_and(|(a, b)| a == b)
}

/// Appends the elements of `set` and `map` lists that stand twice.
pub(crate) fn duplicates(schema: &Schema, value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    if errors.len() >= MAX_ERRORS {
        return;
    }
    match value {
        Value::Array(items) => {
            let mut seen = BTreeSet::new();
            for (index, item) in items.iter().enumerate() {
                let here = format!("{path}[{index}]");
                if let Some(key) = identity(schema, item)
                    && !seen.insert(key.to_string())
                {
                    errors.push(FieldError::new(FieldErrorKind::Duplicate, here.clone(), shown(&key), ""));
                }
                if let Some(part) = &schema.items {
                    duplicates(part, item, &here, errors);
                }
            }
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                if let Some(part) = schema.properties.get(name) {
                    duplicates(part, value, &join(path, name), errors);
                } else if let Additional::Schema(part) = &schema.additional {
                    duplicates(part, value, &format!("{path}[{name}]"), errors);
                }
            }
        }
        _ => {}
    }
}

/// What tells an element of a list from the others; `None` where nothing needs to. A missing key counts as its default.
fn identity(schema: &Schema, item: &Value) -> Option<Value> {
    match schema.list_type {
        ListType::Atomic => None,
        ListType::Set => Some(item.clone()),
        ListType::Map => {
            let default = |key: &str| schema.items.as_ref()?.properties.get(key)?.default.as_ref();
            let keys = schema.map_keys.iter().filter_map(|key| Some((key.clone(), item.get(key).or_else(|| default(key))?.clone())));
            item.is_object().then(|| Value::Object(keys.collect()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn wrong(schema: Value, value: Value) -> Vec<String> {
        let mut errors = Vec::new();
        let schema = json!({"type": "object", "properties": {"spec": schema}});
        check(&Schema::read(&schema), &json!({"spec": value}), None, "", &mut errors);
        errors.iter().map(FieldError::to_string).collect()
    }

    #[test]
    fn every_rule_has_its_words() {
        let cases = [
            (json!({"type": "integer"}), json!("3"), "Invalid value: \"string\": spec in body must be of type integer: \"string\""),
            (json!({"type": "string"}), json!(null), "Invalid value: \"null\": spec in body must be of type string: \"null\""),
            (
                json!({"x-kubernetes-int-or-string": true}),
                json!(true),
                "Invalid value: \"boolean\": spec in body must be of type integer,string: \"boolean\"",
            ),
            (json!({"type": "integer", "maximum": 10}), json!(11), "Invalid value: 11: spec in body should be less than or equal to 10"),
            (
                json!({"type": "integer", "minimum": 1, "exclusiveMinimum": true}),
                json!(1),
                "Invalid value: 1: spec in body should be greater than 1",
            ),
            (json!({"type": "number", "multipleOf": 0.5}), json!(0.7), "Invalid value: 0.7: spec in body should be a multiple of 0.5"),
            (json!({"type": "string", "maxLength": 2}), json!("abc"), "Too long: may not be more than 2 bytes"),
            (json!({"type": "string", "minLength": 2}), json!("a"), "Invalid value: \"a\": spec in body should be at least 2 chars long"),
            (json!({"type": "string", "pattern": "^a+$"}), json!("ab"), "Invalid value: \"ab\": spec in body should match '^a+$'"),
            (json!({"type": "string", "enum": ["a", "b"]}), json!("c"), "Unsupported value: \"c\": supported values: \"a\", \"b\""),
            (
                json!({"type": "string", "format": "date-time"}),
                json!("now"),
                "Invalid value: \"now\": spec in body must be of type date-time: \"now\"",
            ),
            (json!({"type": "array", "maxItems": 1}), json!([1, 2]), "Too many: 2: must have at most 1 item"),
            (json!({"type": "array", "minItems": 1}), json!([]), "Invalid value: 0: spec in body should have at least 1 items"),
            (json!({"type": "object", "maxProperties": 0}), json!({"a": 1}), "Too many: 1: must have at most 0 items"),
        ];
        for (schema, value, wanted) in cases {
            assert_eq!(wrong(schema.clone(), value), [format!("spec: {wanted}")], "{schema}");
        }
    }

    #[test]
    fn what_is_right_passes() {
        for (schema, value) in [
            (json!({"type": "integer"}), json!(3.0)),
            (json!({"type": "string", "nullable": true}), json!(null)),
            (json!({"x-kubernetes-int-or-string": true}), json!("50%")),
            (json!({"enum": [1, "a"]}), json!(1.0)),
            (json!({"type": "string", "format": "unheard-of"}), json!("x")),
            (json!({"type": "object", "additionalProperties": {"type": "string"}}), json!({"a": "b"})),
        ] {
            assert_eq!(wrong(schema.clone(), value), Vec::<String>::new(), "{schema}");
        }
    }

    #[test]
    fn maps_and_lists_are_walked() {
        let schema = json!({"type": "object", "required": ["name"], "properties": {
            "ports": {"type": "array", "items": {"type": "object", "required": ["port"]}},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        }});
        assert_eq!(
            wrong(schema, json!({"ports": [{"port": 1}, {}], "labels": {"a.b": 1}})),
            [
                "spec.labels.a.b: Invalid value: \"integer\": spec.labels.a.b in body must be of type string: \"integer\"",
                "spec.ports[1].port: Required value",
                "spec.name: Required value",
            ]
        );
    }

    #[test]
    fn compositions_tell_what_came_closest() {
        let either = json!({"type": "object", "oneOf": [{"required": ["a"]}, {"required": ["b"]}]});
        assert_eq!(
            wrong(either.clone(), json!({})),
            [
                "<nil>: Invalid value: \"\": \"spec\" must validate one and only one schema (oneOf). Found none valid",
                "spec.a: Required value",
            ]
        );
        assert_eq!(
            wrong(either, json!({"a": 1, "b": 1})),
            ["<nil>: Invalid value: \"\": \"spec\" must validate one and only one schema (oneOf). Found 2 valid alternatives"]
        );
        let none = json!({"type": "integer", "not": {"minimum": 5}, "anyOf": [{"maximum": 1}, {"maximum": 2}]});
        assert_eq!(
            wrong(none, json!(7)),
            [
                "<nil>: Invalid value: \"\": \"spec\" must validate at least one schema (anyOf)",
                "spec: Invalid value: 7: spec in body should be less than or equal to 1",
                "<nil>: Invalid value: \"\": \"spec\" must not validate the schema (not)",
            ]
        );
    }

    #[test]
    fn elements_of_sets_and_maps_are_unique() {
        let schema = Schema::read(&json!({"type": "object", "properties": {
            "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
            "ports": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["port", "protocol"],
                      "items": {"type": "object", "properties": {"port": {}, "protocol": {"default": "TCP"}}}},
        }}));
        let value =
            json!({"tags": ["a", "b", "a"], "ports": [{"port": 1}, {"port": 1, "protocol": "UDP"}, {"port": 1, "protocol": "TCP"}]});
        let mut errors = Vec::new();
        duplicates(&schema, &value, "", &mut errors);
        let texts: Vec<String> = errors.iter().map(FieldError::to_string).collect();
        assert_eq!(texts, ["ports[2]: Duplicate value: {\"port\":1,\"protocol\":\"TCP\"}", "tags[2]: Duplicate value: \"a\""]);
    }

    #[test]
    fn what_did_not_change_is_not_looked_at_again() {
        let schema =
            Schema::read(&json!({"type": "object", "properties": {"a": {"type": "string", "maxLength": 1}, "b": {"type": "integer"}}}));
        let (old, new) = (json!({"a": "long", "b": 1}), json!({"a": "long", "b": 2}));
        let mut errors = Vec::new();
        check(&schema, &new, Some(&old), "", &mut errors);
        assert!(errors.is_empty());
        check(&schema, &json!({"a": "other", "b": 1}), Some(&old), "", &mut errors);
        assert_eq!(errors.len(), 1);
    }

    #[test]
    fn floats_are_written_as_go_writes_them() {
        for (number, text) in
            [(10.0, "10"), (0.5, "0.5"), (1e6, "1e+06"), (1_234_567.0, "1.234567e+06"), (0.00001, "1e-05"), (-3.25, "-3.25")]
        {
            assert_eq!(go_float(number), text);
        }
    }
}

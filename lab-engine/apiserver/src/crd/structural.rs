//! What a schema in a CustomResourceDefinition must fulfil (`schema/validation.go`, `schema/complete.go`,
//! `schema/defaulting/validation.go`).
//!
//! A structural schema says of every field where it is and what type it has; `allOf`, `anyOf`, `oneOf` and `not` only add to that.

use crate::crd::schema::Schema;
use crate::crd::{check, extensions, rules, shape};
use api::status::{FieldError, FieldErrorKind};
use serde_json::Value;

/// How deep a schema may nest.
const MAX_DEPTH: usize = 40;

/// How many schemas a schema may hold. The largest in wide use have some ten thousand.
const MAX_SCHEMAS: usize = 50_000;

/// The fields, in Go and in JSON, that may stand at the root when the status has a subresource.
const AT_ROOT: [(&str, &str); 22] = [
    ("Description", "description"),
    ("Type", "type"),
    ("Format", "format"),
    ("Title", "title"),
    ("Maximum", "maximum"),
    ("ExclusiveMaximum", "exclusiveMaximum"),
    ("Minimum", "minimum"),
    ("ExclusiveMinimum", "exclusiveMinimum"),
    ("MaxLength", "maxLength"),
    ("MinLength", "minLength"),
    ("Pattern", "pattern"),
    ("MaxItems", "maxItems"),
    ("MinItems", "minItems"),
    ("UniqueItems", "uniqueItems"),
    ("MultipleOf", "multipleOf"),
    ("Required", "required"),
    ("Items", "items"),
    ("Properties", "properties"),
    ("ExternalDocs", "externalDocs"),
    ("Example", "example"),
    ("XPreserveUnknownFields", "x-kubernetes-preserve-unknown-fields"),
    ("XValidations", "x-kubernetes-validations"),
];

/// Where a schema stands in the whole.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    Item,
    Field,
}

pub(super) type Errors = Vec<FieldError>;

pub(super) fn invalid(path: String, value: &Value, detail: impl Into<String>) -> FieldError {
    FieldError::new(FieldErrorKind::Invalid, path, check::shown(value), detail)
}

pub(super) fn invalid_text(path: String, value: &str, detail: impl Into<String>) -> FieldError {
    FieldError::new(FieldErrorKind::Invalid, path, format!("{value:?}"), detail)
}

/// Appends what is wrong with the schema of a version at `path`; `status` tells whether the version has the status subresource.
pub(crate) fn validate(value: &Value, status: bool, path: &str, errors: &mut Errors) {
    let before = errors.len();
    let mut left = MAX_SCHEMAS;
    if !is_bounded(value, MAX_DEPTH, &mut left) {
        let detail = format!("must not nest deeper than {MAX_DEPTH} nor hold more than {MAX_SCHEMAS} schemas here");
        errors.push(FieldError::forbidden(path, detail));
        return;
    }
    if status {
        root_with_status(value, path, errors);
    }
    if value["nullable"] == Value::Bool(true) {
        errors.push(FieldError::forbidden(format!("{path}.nullable"), "nullable cannot be true at the root"));
    }
    let mut structure = Vec::new();
    invariants(value, Level::Root, path, &mut structure);
    completeness(value, value, path, path, &mut structure);
    structure.sort_by_key(FieldError::to_string);
    let schema = Schema::read(value);
    if structure.is_empty() {
        defaults(&schema, true, path, &mut structure);
    }
    errors.extend(structure);
    let with_rules = errors.len() == before;
    extensions::validate(value, &schema, with_rules, path, errors);
}

/// Whether a schema is small enough to be walked.
fn is_bounded(value: &Value, depth: usize, left: &mut usize) -> bool {
    if depth == 0 || *left == 0 {
        return false;
    }
    *left -= 1;
    let Value::Object(fields) = value else { return true };
    fields.iter().all(|(name, part)| match (name.as_str(), part) {
        ("properties" | "patternProperties" | "definitions", Value::Object(parts)) => {
            parts.values().all(|part| is_bounded(part, depth - 1, left))
        }
        ("allOf" | "anyOf" | "oneOf", Value::Array(parts)) => parts.iter().all(|part| is_bounded(part, depth - 1, left)),
        ("items" | "additionalProperties" | "not", part) => is_bounded(part, depth - 1, left),
        _ => true,
    })
}

fn root_with_status(value: &Value, path: &str, errors: &mut Errors) {
    let type_ = value["type"].as_str().unwrap_or_default();
    if !type_.is_empty() && type_ != "object" {
        let detail = "only \"object\" is allowed as the type at the root of the schema if the status subresource is enabled";
        errors.push(invalid_text(format!("{path}.type"), type_, detail));
        return;
    }
    let fields = value.as_object().into_iter().flatten();
    if fields.into_iter().any(|(name, _)| !AT_ROOT.iter().any(|(_, allowed)| allowed == name)) {
        let allowed: Vec<&str> = AT_ROOT.iter().map(|(name, _)| *name).collect();
        let detail =
            format!("only [{}] fields are allowed at the root of the schema if the status subresource is enabled", allowed.join(" "));
        errors.push(invalid(path.to_owned(), value, detail));
    }
}

pub(super) fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

pub(super) fn on(value: &Value, name: &str) -> bool {
    value[name] == Value::Bool(true)
}

pub(super) fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value[name].as_array().map(Vec::as_slice).unwrap_or_default()
}

pub(super) fn properties(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value["properties"].as_object().into_iter().flatten()
}

/// Appends what makes a schema not structural.
fn invariants(value: &Value, level: Level, path: &str, errors: &mut Errors) {
    let type_ = text(value, "type");
    if type_ == "array" && !value["items"].is_object() {
        errors.push(FieldError::required(format!("{path}.items"), "must be specified"));
    }
    if value["items"].is_object() {
        invariants(&value["items"], Level::Item, &format!("{path}.items"), errors);
    }
    for (name, part) in properties(value) {
        invariants(part, Level::Field, &format!("{path}.properties[{name}]"), errors);
    }
    let additional = &value["additionalProperties"];
    if !additional.is_null() {
        if level == Level::Root {
            errors.push(FieldError::forbidden(format!("{path}.additionalProperties"), "must not be used at the root"));
        }
        if additional.is_object() {
            invariants(additional, Level::Field, &format!("{path}.additionalProperties"), errors);
        }
    }
    int_or_string(value, path, errors);
    let (any_of, first_all_of) = int_or_string_patterns(value);
    nested_validations(value, any_of, first_all_of, path, errors);
    type_invariants(value, type_, level, path, errors);
    metadata_invariants(value, level, path, errors);
}

fn int_or_string(value: &Value, path: &str, errors: &mut Errors) {
    if on(value, "x-kubernetes-int-or-string") {
        for name in ["x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"] {
            if on(value, name) {
                let detail = "must be false if x-kubernetes-int-or-string is true";
                errors.push(invalid(format!("{path}.{name}"), &value[name], detail));
            }
        }
    }
}

fn type_invariants(value: &Value, type_: &str, level: Level, path: &str, errors: &mut Errors) {
    let embedded = on(value, "x-kubernetes-embedded-resource");
    let preserves = on(value, "x-kubernetes-preserve-unknown-fields");
    let at = format!("{path}.type");
    if embedded && type_ != "object" {
        let detail = "must be object if x-kubernetes-embedded-resource is true";
        errors.push(if type_.is_empty() { FieldError::required(at, detail) } else { invalid_text(at, type_, detail) });
    } else if type_.is_empty() && !on(value, "x-kubernetes-int-or-string") && !preserves {
        errors.push(FieldError::required(
            at,
            match level {
                Level::Root => "must not be empty at the root",
                Level::Item => "must not be empty for specified array items",
                Level::Field => "must not be empty for specified object fields",
            },
        ));
    }
    if embedded && !value["additionalProperties"].is_null() {
        let detail = "must not be used if x-kubernetes-embedded-resource is set";
        errors.push(FieldError::forbidden(format!("{path}.additionalProperties"), detail));
    }
    if level == Level::Root && !type_.is_empty() && type_ != "object" {
        errors.push(invalid_text(format!("{path}.type"), type_, "must be object at the root"));
    }
    if embedded && !preserves && properties(value).next().is_none() {
        let detail = "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields";
        errors.push(FieldError::required(format!("{path}.properties"), detail));
    }
}

fn metadata_invariants(value: &Value, level: Level, path: &str, errors: &mut Errors) {
    let whole_object = level == Level::Root || on(value, "x-kubernetes-embedded-resource");
    for name in ["kind", "apiVersion"] {
        let part = &value["properties"][name];
        if whole_object && part.is_object() && text(part, "type") != "string" {
            errors.push(invalid_text(format!("{path}.properties[{name}].type"), text(part, "type"), "must be string"));
        }
    }
    let metadata = &value["properties"]["metadata"];
    let Value::Object(fields) = metadata else { return };
    let path = format!("{path}.properties[metadata]");
    if whole_object && text(metadata, "type") != "object" {
        errors.push(invalid_text(format!("{path}.type"), text(metadata, "type"), "must be object"));
    }
    if level == Level::Root {
        let names_only = properties(metadata).all(|(name, _)| matches!(name.as_str(), "name" | "generateName"));
        // Names alone may be restricted; titles and descriptions are no restriction but may not stand here either.
        if !names_only || fields.keys().any(|name| !matches!(name.as_str(), "type" | "properties" | "default")) {
            let detail = "must not specify anything other than name and generateName, but metadata is implicitly specified";
            errors.push(FieldError::forbidden(path, detail));
        }
    }
}

/// Whether `anyOf`, or that of the first `allOf`, is the one that `x-kubernetes-int-or-string` may have.
fn int_or_string_patterns(value: &Value) -> (bool, bool) {
    let is_pattern = |any_of: &[Value]| {
        let only_type = |part: &Value, type_: &str| part.as_object().is_some_and(|fields| fields.len() == 1) && text(part, "type") == type_;
        matches!(any_of, [one, other] if only_type(one, "integer") && only_type(other, "string"))
    };
    let first = list(value, "allOf").first();
    (is_pattern(list(value, "anyOf")), first.is_some_and(|first| is_pattern(list(first, "anyOf"))))
}

/// What stands in `allOf`, `anyOf`, `oneOf` and `not`.
fn nested_validations(value: &Value, skip_any_of: bool, skip_first_all_of: bool, path: &str, errors: &mut Errors) {
    for name in ["anyOf", "allOf", "oneOf"] {
        if name == "anyOf" && skip_any_of {
            continue;
        }
        for (index, part) in list(value, name).iter().enumerate() {
            nested(part, name == "allOf" && index == 0 && skip_first_all_of, &format!("{path}.{name}[{index}]"), errors);
        }
    }
    if value["not"].is_object() {
        nested(&value["not"], false, &format!("{path}.not"), errors);
    }
    let pattern = text(value, "pattern");
    if !pattern.is_empty()
        && let Err(error) = crate::crd::schema::Pattern::new(pattern).regex
    {
        let detail = format!("must be a valid regular expression, but isn't: {error}");
        errors.push(invalid_text(format!("{path}.pattern"), pattern, detail));
    }
}

fn nested(value: &Value, skip_any_of: bool, path: &str, errors: &mut Errors) {
    nested_validations(value, skip_any_of, false, path, errors);
    if value["items"].is_object() {
        nested(&value["items"], false, &format!("{path}.items"), errors);
    }
    for (name, part) in properties(value) {
        nested(part, false, &format!("{path}.properties[{name}]"), errors);
    }
    let forbidden = [
        ("type", "must be empty to be structural"),
        ("additionalProperties", "must be undefined to be structural"),
        ("default", "must be undefined to be structural"),
        ("title", "must be empty to be structural"),
        ("description", "must be empty to be structural"),
        ("nullable", "must be false to be structural"),
        ("x-kubernetes-preserve-unknown-fields", "must be false to be structural"),
        ("x-kubernetes-embedded-resource", "must be false to be structural"),
        ("x-kubernetes-int-or-string", "must be false to be structural"),
        ("x-kubernetes-list-map-keys", "must be empty to be structural"),
        ("x-kubernetes-list-type", "must be undefined to be structural"),
        ("x-kubernetes-map-type", "must be undefined to be structural"),
        ("x-kubernetes-validations", "must be empty to be structural"),
    ];
    let is_set = |part: &Value| !matches!(part, Value::Null | Value::Bool(false)) && part.as_str() != Some("");
    for (name, detail) in forbidden {
        if is_set(&value[name]) {
            errors.push(FieldError::forbidden(format!("{path}.{name}"), detail));
        }
    }
    if value["properties"]["metadata"].is_object() {
        errors.push(FieldError::forbidden(format!("{path}.properties[metadata]"), "must not be specified in a nested context"));
    }
}

/// Appends the fields that a nested schema speaks of and that the structure does not have.
fn completeness(nested: &Value, structure: &Value, path: &str, nested_path: &str, errors: &mut Errors) {
    for name in ["allOf", "anyOf", "oneOf"] {
        for (index, part) in list(nested, name).iter().enumerate() {
            complete_part(part, structure, path, &format!("{nested_path}.{name}[{index}]"), errors);
        }
    }
    if nested["not"].is_object() {
        complete_part(&nested["not"], structure, path, &format!("{nested_path}.not"), errors);
    }
}

fn complete_part(nested: &Value, structure: &Value, path: &str, nested_path: &str, errors: &mut Errors) {
    let missing = |at: &str| FieldError::required(at, format!("because it is defined in {nested_path}"));
    if structure.is_null() {
        errors.push(missing(path));
        return;
    }
    completeness(nested, structure, path, nested_path, errors);
    if nested["items"].is_object() {
        complete_part(&nested["items"], &structure["items"], &format!("{path}.items"), &format!("{nested_path}.items"), errors);
    }
    for (name, part) in properties(nested) {
        let (at, from) = (format!("{path}.properties[{name}]"), format!("{nested_path}.properties[{name}]"));
        complete_part(part, &structure["properties"][name], &at, &from, errors);
    }
}

/// Appends the defaults that are not valid themselves.
fn defaults(schema: &Schema, root: bool, path: &str, errors: &mut Errors) {
    if let Some(default) = &schema.default {
        let at = format!("{path}.default");
        let mut pruned = default.clone();
        if !shape::prune(schema, &mut pruned, schema.embedded).is_empty() {
            errors.push(invalid(at.clone(), default, "must not have unknown fields"));
        }
        let before = errors.len();
        check::check(schema, default, None, &at, errors);
        if errors.len() == before {
            let mut found = Vec::new();
            rules::check(schema, default, Some(default), &mut found);
            let placed = |error: FieldError| {
                let field = if error.field == "<nil>" { at.clone() } else { format!("{at}.{}", error.field) };
                FieldError { field, ..error }
            };
            errors.extend(found.into_iter().map(placed));
        }
    }
    if let Some(items) = &schema.items {
        defaults(items, false, &format!("{path}.items"), errors);
    }
    for (name, part) in &schema.properties {
        // What may not stand in metadata is told elsewhere.
        if !(root && name == "metadata") {
            defaults(part, false, &format!("{path}.properties[{name}]"), errors);
        }
    }
}

//! What a schema in a CustomResourceDefinition must fulfil (`schema/validation.go`, `schema/complete.go`, `schema/defaulting/validation.go`
//! and the schema half of `pkg/apis/apiextensions/validation`).
//!
//! A structural schema says of every field where it is and what type it has; `allOf`, `anyOf`, `oneOf` and `not` only add to that.
//!
//! **Simplified here:** of the costs of rules that of each rule is bounded, not their sum.

use crate::crd::cel::{Expression, Range};
use crate::crd::schema::{Additional, Schema};
use crate::crd::{check, rules, shape};
use api::status::{FieldError, FieldErrorKind};
use serde_json::{Map, Value};

/// How deep a schema may nest.
const MAX_DEPTH: usize = 40;

/// How many schemas a schema may hold. The largest in wide use have some ten thousand.
const MAX_SCHEMAS: usize = 50_000;

/// What one rule may cost by the sizes that its schema allows (`StaticEstimatedCostLimit`).
const RULE_COST_LIMIT: u64 = 10_000_000;

/// The reasons that a rule may give.
const REASONS: [&str; 4] = ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];

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

type Errors = Vec<FieldError>;

fn invalid(path: String, value: &Value, detail: impl Into<String>) -> FieldError {
    FieldError::new(FieldErrorKind::Invalid, path, check::shown(value), detail)
}

fn invalid_text(path: String, value: &str, detail: impl Into<String>) -> FieldError {
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
    let mut walk = Walk { with_rules, schema_errors: Vec::new(), rule_errors: Vec::new() };
    walk.schema(value, Some(&schema), path, &Place { root: true, ..Place::default() });
    errors.extend(walk.schema_errors);
    errors.extend(walk.rule_errors);
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

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

fn on(value: &Value, name: &str) -> bool {
    value[name] == Value::Bool(true)
}

fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value[name].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn properties(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
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
    extensions(value, path, errors);
    let (any_of, first_all_of) = int_or_string_patterns(value);
    nested_validations(value, any_of, first_all_of, path, errors);
    type_invariants(value, type_, level, path, errors);
    metadata_invariants(value, level, path, errors);
}

fn extensions(value: &Value, path: &str, errors: &mut Errors) {
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
        let times = |most: Option<u64>| inner.times.max(1).saturating_mul(most.unwrap_or(RULE_COST_LIMIT));
        let additional = &value["additionalProperties"];
        if additional.is_object() {
            let part = schema.and_then(|schema| match &schema.additional {
                Additional::Schema(part) => Some(&**part),
                _ => None,
            });
            let place = Place { times: times(schema.and_then(|schema| schema.checks.max_properties)), ..inner.clone() };
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
            let mut place = Place { times: times(schema.and_then(|schema| schema.checks.max_items)), ..inner };
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

//! Structural schemas: `spec.versions[*].schema.openAPIV3Schema`, read once and then walked over every object
//! (`apiextensions-apiserver/pkg/apiserver/schema`).
//!
//! Reading never fails: what is wrong with a schema is told by [`structural`](super::structural) when the definition is written.
//! Size and depth are bounded there, too, before anything is read.

use crate::crd::rules::Rule;
use regex_lite::{Regex, RegexBuilder};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The largest compiled pattern, in bytes, and smaller sizes to tell patterns apart by.
const PATTERN_BYTES: [usize; 4] = [1024, 4 * 1024, 16 * 1024, 64 * 1024];

/// What a state of a compiled pattern takes, in bytes.
const STATE_BYTES: usize = 32;

/// How many steps one match may take: `regex-lite` takes at most one per state and byte of the text.
pub(crate) const MAX_MATCH_STEPS: u64 = 20_000_000;

/// A JSON type that a schema can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Object,
    Array,
    String,
    Integer,
    Number,
    Boolean,
}

impl Type {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "object" => Type::Object,
            "array" => Type::Array,
            "string" => Type::String,
            "integer" => Type::Integer,
            "number" => Type::Number,
            "boolean" => Type::Boolean,
            _ => return None,
        })
    }

    /// The word in schemas and messages.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Type::Object => "object",
            Type::Array => "array",
            Type::String => "string",
            Type::Integer => "integer",
            Type::Number => "number",
            Type::Boolean => "boolean",
        }
    }
}

/// What a map may hold besides its properties.
#[derive(Debug, Default)]
pub(crate) enum Additional {
    /// Nothing is said.
    #[default]
    Unsaid,
    /// Anything, or nothing.
    Allowed(bool),
    /// Values of this schema.
    Schema(Box<Schema>),
}

/// How the elements of a list are told apart (`x-kubernetes-list-type`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ListType {
    #[default]
    Atomic,
    Set,
    Map,
}

/// A regular expression that values must match.
#[derive(Debug)]
pub(crate) struct Pattern {
    pub(crate) text: String,
    /// Compiled; the message when it is none.
    pub(crate) regex: Result<Regex, String>,
    states: u64,
}

impl Pattern {
    pub(crate) fn new(text: &str) -> Self {
        let build = |bytes: usize| RegexBuilder::new(text).size_limit(bytes).nest_limit(50).build();
        let mut size = PATTERN_BYTES[0];
        let mut built = build(size);
        for bytes in &PATTERN_BYTES[1..] {
            if built.is_err() {
                size = *bytes;
                built = build(size);
            }
        }
        Pattern { text: text.to_owned(), regex: built.map_err(|error| error.to_string()), states: (size / STATE_BYTES) as u64 }
    }

    /// At most how many steps matching a text takes.
    pub(crate) fn steps(&self, text: &str) -> u64 {
        self.states.saturating_mul(text.len() as u64 + 1)
    }

    /// Whether a text matches.
    ///
    /// # Errors
    /// The pattern is none, or would take too long for a text of this length.
    pub(crate) fn matches(&self, text: &str) -> Result<bool, String> {
        let regex = self.regex.as_ref().map_err(String::clone)?;
        if self.steps(text) > MAX_MATCH_STEPS {
            return Err(format!("has {} bytes, too many to be matched with '{}' here", text.len(), self.text));
        }
        Ok(regex.is_match(text))
    }
}

/// What values must fulfil besides their structure.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    pub(crate) required: Vec<String>,
    /// The allowed values; `None` for any.
    pub(crate) allowed: Option<Vec<Value>>,
    pub(crate) pattern: Option<Pattern>,
    pub(crate) format: String,
    pub(crate) minimum: Option<f64>,
    pub(crate) exclusive_minimum: bool,
    pub(crate) maximum: Option<f64>,
    pub(crate) exclusive_maximum: bool,
    pub(crate) multiple_of: Option<f64>,
    pub(crate) min_length: Option<u64>,
    pub(crate) max_length: Option<u64>,
    pub(crate) min_items: Option<u64>,
    pub(crate) max_items: Option<u64>,
    pub(crate) min_properties: Option<u64>,
    pub(crate) max_properties: Option<u64>,
    pub(crate) all_of: Vec<Schema>,
    pub(crate) any_of: Vec<Schema>,
    pub(crate) one_of: Vec<Schema>,
    pub(crate) not: Option<Box<Schema>>,
}

/// A schema.
#[derive(Debug, Default)]
pub(crate) struct Schema {
    /// The type; `None` where none is asked for.
    pub(crate) type_: Option<Type>,
    pub(crate) int_or_string: bool,
    pub(crate) nullable: bool,
    pub(crate) preserve_unknown: bool,
    pub(crate) embedded: bool,
    pub(crate) properties: BTreeMap<String, Schema>,
    pub(crate) additional: Additional,
    pub(crate) items: Option<Box<Schema>>,
    pub(crate) default: Option<Value>,
    pub(crate) list_type: ListType,
    pub(crate) map_keys: Vec<String>,
    /// `x-kubernetes-map-type: atomic`.
    pub(crate) atomic_map: bool,
    pub(crate) checks: Box<Checks>,
    pub(crate) rules: Vec<Rule>,
    /// Whether a rule stands here or below.
    pub(crate) has_rules: bool,
}

fn words(value: Option<&Value>) -> Vec<String> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn schemas(value: Option<&Value>) -> Vec<Schema> {
    value.and_then(Value::as_array).into_iter().flatten().map(Schema::read).collect()
}

fn flag(fields: &Map<String, Value>, name: &str) -> bool {
    fields.get(name).and_then(Value::as_bool).unwrap_or(false)
}

impl Schema {
    /// Reads a `JSONSchemaProps`.
    pub(crate) fn read(value: &Value) -> Schema {
        let Value::Object(fields) = value else { return Schema::default() };
        let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
        let properties: BTreeMap<String, Schema> = match fields.get("properties") {
            Some(Value::Object(properties)) => properties.iter().map(|(name, schema)| (name.clone(), Schema::read(schema))).collect(),
            _ => BTreeMap::new(),
        };
        let additional = match fields.get("additionalProperties") {
            Some(Value::Bool(allowed)) => Additional::Allowed(*allowed),
            Some(schema @ Value::Object(_)) => Additional::Schema(Box::new(Schema::read(schema))),
            _ => Additional::Unsaid,
        };
        let mut schema = Schema {
            type_: Type::parse(text("type")),
            int_or_string: flag(fields, "x-kubernetes-int-or-string"),
            nullable: flag(fields, "nullable"),
            preserve_unknown: flag(fields, "x-kubernetes-preserve-unknown-fields"),
            embedded: flag(fields, "x-kubernetes-embedded-resource"),
            properties,
            additional,
            items: fields.get("items").filter(|items| items.is_object()).map(|items| Box::new(Schema::read(items))),
            default: fields.get("default").filter(|default| !default.is_null()).cloned(),
            list_type: match text("x-kubernetes-list-type") {
                "set" => ListType::Set,
                "map" => ListType::Map,
                _ => ListType::Atomic,
            },
            map_keys: words(fields.get("x-kubernetes-list-map-keys")),
            atomic_map: text("x-kubernetes-map-type") == "atomic",
            checks: Box::new(Checks::read(fields)),
            rules: fields.get("x-kubernetes-validations").and_then(Value::as_array).into_iter().flatten().map(Rule::read).collect(),
            has_rules: false,
        };
        schema.has_rules = !schema.rules.is_empty() || schema.parts().any(|part| part.has_rules);
        schema
    }

    /// The schemas of what lies within values: properties, elements, values of maps.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &Schema> {
        let additional = match &self.additional {
            Additional::Schema(schema) => Some(&**schema),
            _ => None,
        };
        self.properties.values().chain(self.items.as_deref()).chain(additional)
    }

    /// The schema of the field `name` of a map: a property, or what all its values have in common.
    pub(crate) fn field(&self, name: &str) -> Option<&Schema> {
        self.properties.get(name).or(match &self.additional {
            Additional::Schema(schema) => Some(schema),
            _ => None,
        })
    }

    /// The schema at a path of properties, such as `spec.replicas`.
    pub(crate) fn at(&self, path: &str) -> Option<&Schema> {
        path.split('.').filter(|step| !step.is_empty()).try_fold(self, |schema, step| schema.properties.get(step))
    }
}

impl Checks {
    fn read(fields: &Map<String, Value>) -> Checks {
        let number = |name: &str| fields.get(name).and_then(Value::as_f64);
        let count = |name: &str| fields.get(name).and_then(Value::as_u64);
        Checks {
            required: words(fields.get("required")),
            allowed: fields.get("enum").and_then(Value::as_array).filter(|allowed| !allowed.is_empty()).cloned(),
            pattern: fields.get("pattern").and_then(Value::as_str).filter(|text| !text.is_empty()).map(Pattern::new),
            format: fields.get("format").and_then(Value::as_str).unwrap_or_default().to_owned(),
            minimum: number("minimum"),
            exclusive_minimum: flag(fields, "exclusiveMinimum"),
            maximum: number("maximum"),
            exclusive_maximum: flag(fields, "exclusiveMaximum"),
            multiple_of: number("multipleOf"),
            min_length: count("minLength"),
            max_length: count("maxLength"),
            min_items: count("minItems"),
            max_items: count("maxItems"),
            min_properties: count("minProperties"),
            max_properties: count("maxProperties"),
            all_of: schemas(fields.get("allOf")),
            any_of: schemas(fields.get("anyOf")),
            one_of: schemas(fields.get("oneOf")),
            not: fields.get("not").filter(|not| not.is_object()).map(|not| Box::new(Schema::read(not))),
        }
    }
}

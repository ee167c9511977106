//! From JSON to an [`Object`], as the API server reads the body of a create or update.
//!
//! Field validation is that of the `fieldValidation` parameter: unknown fields are refused, warned of, or dropped in silence; the object
//! never keeps them. What is known but not modelled stays, and [`unsimulated_warnings`](crate::unsimulated::unsimulated_warnings) names it.
//!
//! **Simplified here:** types are checked before unknown fields are reported, and of several wrong types the first is named.

use crate::Object;
use crate::json::{join, type_name};
use crate::kinds::{KindInfo, find_kind};
use crate::schema::{self, Type, TypeSchema};
use crate::status::{Cause, Status};
use serde_json::Value;

/// What becomes of fields that the kind does not have (`metav1.CreateOptions.fieldValidation`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FieldValidation {
    /// The object is refused.
    Strict,
    /// They are dropped with a warning; what the API server does when not told.
    #[default]
    Warn,
    /// They are dropped.
    Ignore,
}

/// An object that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// The object, without unknown fields.
    pub object: Object,
    /// Texts for `Warning` headers, in the order of the fields.
    pub warnings: Vec<String>,
}

/// Reads an object that names its `apiVersion` and `kind`.
///
/// # Errors
/// 400 `BadRequest` in the API server's words; where one field is at fault its path, with indices, is in `details.causes[0].field`.
pub fn decode_object(mut value: Value, validation: FieldValidation) -> Result<Decoded, Box<Status>> {
    let (info, api_version, kind) = kind_of(&value)?;
    let unknown = schema::for_kind(info).map(|schema| schema::prune(schema, &mut value)).unwrap_or_default();
    let wrong = schema::for_kind(info).and_then(|schema| check_struct(schema, &value, ""));
    let refused = |message: String, field: String| {
        let message = format!("{kind} in version {:?} cannot be handled as a {kind}: {message}", info.version);
        let cause = Cause { reason: "FieldValueInvalid", message: message.clone(), field };
        let mut status = Status::bad_request(message);
        status.details.causes.push(cause);
        Box::new(status)
    };
    let object = Object::decode_as(&api_version, &kind, value).map_err(|error| refused(error.to_string(), error.path))?;
    if let Some((message, field)) = wrong {
        return Err(refused(message, field));
    }
    let mut warnings: Vec<String> = unknown.iter().map(|path| format!("unknown field {path:?}")).collect();
    match validation {
        FieldValidation::Strict if !warnings.is_empty() => {
            let mut status = Status::bad_request(format!(
                "{kind} in version {:?} cannot be handled as a {kind}: strict decoding error: {}",
                info.version,
                warnings.join(", ")
            ));
            let cause =
                |(path, text): (&String, &String)| Cause { reason: "FieldValueInvalid", message: text.clone(), field: path.clone() };
            status.details.causes = unknown.iter().zip(&warnings).map(cause).collect();
            return Err(Box::new(status));
        }
        FieldValidation::Ignore => warnings.clear(),
        FieldValidation::Strict | FieldValidation::Warn => {}
    }
    Ok(Decoded { object, warnings })
}

fn kind_of(value: &Value) -> Result<(&'static KindInfo, String, String), Box<Status>> {
    let text = |name: &str| value.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    let kind = text("kind").ok_or_else(|| Status::bad_request(format!("Object 'Kind' is missing in '{value}'")))?;
    let api_version = text("apiVersion").ok_or_else(|| Status::bad_request(format!("Object 'apiVersion' is missing in '{value}'")))?;
    let info = find_kind(&api_version, &kind).ok_or_else(|| {
        let scheme = "pkg/api/legacyscheme/scheme.go:30";
        Status::bad_request(format!("no kind {kind:?} is registered for version {api_version:?} in scheme {scheme:?}"))
    })?;
    Ok((info, api_version, kind))
}

/// The first value of a wrong JSON type: the message and the path with indices.
fn check_struct(schema: &'static TypeSchema, value: &Value, path: &str) -> Option<(String, String)> {
    let fields = value.as_object()?;
    fields.iter().find_map(|(name, value)| {
        let field = schema.get(name)?;
        check(&field.type_, value, schema.name, &join(path, name))
    })
}

fn check(type_: &Type, value: &Value, structure: &str, path: &str) -> Option<(String, String)> {
    let fits = match (type_, value) {
        (_, Value::Null) | (Type::Any, _) => true,
        (Type::List(element), Value::Array(items)) => {
            return items.iter().enumerate().find_map(|(index, item)| check(element, item, structure, &format!("{path}[{index}]")));
        }
        (Type::Map(element), Value::Object(entries)) => {
            return entries.iter().find_map(|(key, value)| check(element, value, structure, &join(path, key)));
        }
        (Type::Struct(_), Value::Object(_)) => return type_.as_struct().and_then(|schema| check_struct(schema, value, path)),
        (Type::Object, value) => value.is_object(),
        (Type::String | Type::Bytes | Type::Time | Type::MicroTime, value) => value.is_string(),
        (Type::Quantity, value) => value.is_string() || value.is_number(),
        (Type::IntOrString, value) => value.is_string() || value.is_i64(),
        (Type::Int32, value) => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
        (Type::Int64, value) => value.is_i64(),
        (Type::Float, value) => value.is_number(),
        (Type::Bool, value) => value.is_boolean(),
        (Type::List(_) | Type::Map(_) | Type::Struct(_), _) => false,
    };
    (!fits).then(|| {
        let found = match value {
            Value::Number(number) if matches!(type_, Type::Int32 | Type::Int64) => format!("number {number}"),
            value => type_name(value).to_owned(),
        };
        let (structure, go_path) = (structure.split('.').next().unwrap_or(structure), without_indices(path));
        let message = format!("json: cannot unmarshal {found} into Go struct field {structure}.{go_path} of type {}", go_type(type_));
        (message, path.to_owned())
    })
}

fn without_indices(path: &str) -> String {
    path.split('[').enumerate().map(|(i, part)| if i == 0 { part } else { part.split_once(']').map_or("", |(_, rest)| rest) }).collect()
}

/// The type's name in Go, as errors of `encoding/json` give it.
fn go_type(type_: &Type) -> String {
    match type_ {
        Type::String => "string".to_owned(),
        Type::Bytes => "[]uint8".to_owned(),
        Type::Int32 => "int32".to_owned(),
        Type::Int64 => "int64".to_owned(),
        Type::Float => "float64".to_owned(),
        Type::Bool => "bool".to_owned(),
        Type::Quantity => "resource.Quantity".to_owned(),
        Type::IntOrString => "intstr.IntOrString".to_owned(),
        Type::Time => "v1.Time".to_owned(),
        Type::MicroTime => "v1.MicroTime".to_owned(),
        Type::Object | Type::Any => "map[string]interface {}".to_owned(),
        Type::List(element) => format!("[]{}", go_type(element)),
        Type::Map(element) => format!("map[string]{}", go_type(element)),
        Type::Struct(name) => format!("v1.{}", name.split('.').next().unwrap_or(name)),
    }
}

/// The field that was probably meant by the unknown field at `path`: one that stands there and differs by a few letters.
pub fn suggest(info: &KindInfo, path: &str) -> Option<&'static str> {
    let (parent, name) = path.rsplit_once('.').unwrap_or(("", path));
    let root = schema::for_kind(info)?;
    let schema = if parent.is_empty() {
        root
    } else {
        let mut type_ = &root.field(parent)?.type_;
        while let Some(element) = type_.element() {
            type_ = element;
        }
        type_.as_struct()?
    };
    // Names longer than any field are no misspelling, and would make the comparison slow.
    if name.len() > 80 {
        return None;
    }
    let allowed = (name.len() / 3).clamp(1, 3);
    let near = schema.fields().map(|(field, _)| (distance(&name.to_lowercase(), &field.to_lowercase()), field));
    near.filter(|(distance, _)| *distance <= allowed).min().map(|(_, field)| field)
}

/// How many letters must be added, dropped or changed to make `b` of `a` (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.iter().enumerate() {
            let changed = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn deployment(spec: Value) -> Value {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec})
    }

    fn refusal(value: Value) -> Status {
        *decode_object(value, FieldValidation::Strict).unwrap_err()
    }

    #[test]
    fn an_object_must_say_what_it_is() {
        assert_eq!(refusal(json!({"apiVersion": "v1"})).message, "Object 'Kind' is missing in '{\"apiVersion\":\"v1\"}'");
        assert_eq!(refusal(json!({"kind": "Pod"})).message, "Object 'apiVersion' is missing in '{\"kind\":\"Pod\"}'");
        assert!(
            refusal(json!({"kind": "Foo", "apiVersion": "v1"})).message.starts_with("no kind \"Foo\" is registered for version \"v1\"")
        );
        assert_eq!(refusal(json!([1])).code, 400);
    }

    #[test]
    fn wrong_types_are_named_with_their_place_also_in_fields_without_a_struct() {
        let status = refusal(deployment(json!({"replicas": "3"})));
        assert_eq!(
            status.message,
            "Deployment in version \"v1\" cannot be handled as a Deployment: \
             json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32"
        );
        let container = json!({"name": "a", "securityContext": {"runAsUser": "root"}});
        let status = refusal(deployment(json!({"template": {"spec": {"containers": [container]}}})));
        assert!(status.message.ends_with(
            "cannot unmarshal string into Go struct field SecurityContext.spec.template.spec.containers.securityContext.runAsUser of type int64"
        ));
        assert_eq!(status.details.causes[0].field, "spec.template.spec.containers[0].securityContext.runAsUser");
    }

    #[test]
    fn unknown_fields_are_refused_warned_of_or_dropped() {
        let value = deployment(json!({"foo": 1, "template": {"spec": {"containers": [{"name": "a", "imagePullPolcy": "Always"}]}}}));
        assert_eq!(
            refusal(value.clone()).message,
            "Deployment in version \"v1\" cannot be handled as a Deployment: strict decoding error: \
             unknown field \"spec.foo\", unknown field \"spec.template.spec.containers[0].imagePullPolcy\""
        );
        let warned = decode_object(value.clone(), FieldValidation::Warn).unwrap();
        assert_eq!(warned.warnings.len(), 2);
        assert!(!warned.object.to_json().to_string().contains("foo"));
        assert!(decode_object(value, FieldValidation::Ignore).unwrap().warnings.is_empty());
    }

    #[test]
    fn kept_fields_are_named_and_misspelt_ones_understood() {
        let value = deployment(json!({"template": {"spec": {"containers": [{"name": "a", "securityContext": {"runAsUser": 1}}]}}}));
        let decoded = decode_object(value, FieldValidation::Strict).unwrap();
        let warning = "spec.template.spec.containers[0].securityContext: accepted, but not simulated here";
        assert!(crate::unsimulated::unsimulated_warnings(&decoded.object).contains(&warning.to_owned()));
        let info = find_kind("apps/v1", "Deployment").unwrap();
        assert_eq!(suggest(info, "spec.template.spec.containers[0].imagePullPolcy"), Some("imagePullPolicy"));
        assert_eq!(suggest(info, "spec.replica"), Some("replicas"));
        assert_eq!(suggest(info, "spec.banana"), None);
    }
}

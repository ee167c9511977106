//! From JSON to typed objects and back, keeping what the engine does not model.
//!
//! Every API type is declared with [`object!`](macro@crate::object). Decoding takes the fields that the type models out of the JSON object
//! and keeps the others, untouched, in the type's [`Rest`]; encoding puts them back. So a field that Kubernetes has and the engine
//! does not simulate survives every round trip, also through a Pod template, and [`Json::unsimulated`] can name it.
//!
//! Errors are those of Go's `encoding/json`, since they are what a Kubernetes user reads:
//! `json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32`. They also carry the path with
//! indices, from which the reader of a manifest finds line and column.
//!
//! Fields are omitted as Go's `omitempty` omits them: `None`, empty strings, lists and maps do not appear; everything else does.
//!
//! **Simplified here:** field names match exactly, where `encoding/json` would also take them in another case (the API server's
//! strict decoder does not).

use crate::managed_fields::{Marks, Place};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A value could not be read as the type its field has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// The Go struct that has the field, for example `DeploymentSpec`; empty at the root.
    pub structure: &'static str,
    /// The field's path without indices, as Go prints it: `spec.template.spec.containers.image`.
    pub go_path: String,
    /// The field's path with indices: `spec.template.spec.containers[0].image`.
    pub path: String,
    /// What was wrong.
    pub problem: Problem,
}

/// What was wrong with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// It has another JSON type.
    Type {
        /// The JSON type found: `string`, `number`, `bool`, `object` or `array`.
        found: &'static str,
        /// The Go type expected, for example `int32`.
        expected: &'static str,
    },
    /// It is a number that does not fit the Go type.
    Range {
        /// The number as written.
        number: String,
        /// The Go type expected.
        expected: &'static str,
    },
    /// It has the right JSON type but no meaning, for example a quantity `1x`.
    Meaning(String),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field =
            if self.structure.is_empty() { "Go value".to_owned() } else { format!("Go struct field {}.{}", self.structure, self.go_path) };
        match &self.problem {
            Problem::Type { found, expected } => write!(f, "json: cannot unmarshal {found} into {field} of type {expected}"),
            Problem::Range { number, expected } => write!(f, "json: cannot unmarshal number {number} into {field} of type {expected}"),
            Problem::Meaning(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for DecodeError {}

/// Where decoding is: the structs and fields from the root to here.
#[derive(Debug, Default)]
pub struct Position {
    steps: Vec<Step>,
}

#[derive(Debug)]
enum Step {
    Field { structure: &'static str, name: &'static str },
    Key(String),
    Index(usize),
}

impl Position {
    fn error(&self, problem: Problem) -> DecodeError {
        let mut structure = "";
        let (mut go_path, mut path) = (String::new(), String::new());
        for step in &self.steps {
            match step {
                Step::Field { structure: owner, name } => {
                    structure = owner;
                    for text in [&mut go_path, &mut path] {
                        if !text.is_empty() {
                            text.push('.');
                        }
                        text.push_str(name);
                    }
                }
                Step::Key(key) => push_key(&mut path, key),
                Step::Index(index) => path.push_str(&format!("[{index}]")),
            }
        }
        DecodeError { structure, go_path, path, problem }
    }

    /// The error for a value of the wrong JSON type at this position.
    pub fn wrong_type(&self, found: &Value, expected: &'static str) -> DecodeError {
        self.error(Problem::Type { found: type_name(found), expected })
    }

    /// The error for a value that has the right type but no meaning at this position.
    pub fn meaningless(&self, message: impl Into<String>) -> DecodeError {
        self.error(Problem::Meaning(message.into()))
    }

    /// Decodes the field `name` of `structure`.
    ///
    /// # Errors
    /// The first [`DecodeError`] in it.
    pub fn field<T: Json>(&mut self, structure: &'static str, name: &'static str, value: Value) -> Result<T, DecodeError> {
        self.steps.push(Step::Field { structure, name });
        let decoded = T::from_json(value, self);
        self.steps.pop();
        decoded
    }
}

/// Appends a map key to a field path: `.key`, or `[key]` when it has a dot of its own, as Kubernetes writes `labels[app.kubernetes.io/name]`.
fn push_key(path: &mut String, key: &str) {
    if key.contains('.') {
        path.push_str(&format!("[{key}]"));
    } else {
        path.push('.');
        path.push_str(key);
    }
}

pub(crate) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// A type that Kubernetes sends as JSON.
pub trait Json: Sized + PartialEq {
    /// Reads the type. `null` never arrives here for a field: it counts as absent.
    ///
    /// # Errors
    /// The first [`DecodeError`] in the value.
    fn from_json(value: Value, position: &mut Position) -> Result<Self, DecodeError>;

    /// Writes the type.
    fn to_json(&self) -> Value;

    /// Whether a field that holds this value is left out.
    fn is_omitted(&self) -> bool {
        false
    }

    /// Two values that differ, as JSON, without what is the same in both where that can be left out.
    fn changed(&self, new: &Self) -> (Value, Value) {
        (self.to_json(), new.to_json())
    }

    /// The field with this name as JSON, unless it is left out or the type has no fields.
    fn field(&self, name: &str) -> Option<Value> {
        let _ = name;
        None
    }

    /// What differs between two values, or the one that is there, for the record of field owners.
    fn compare(place: Place<'_>, old: Option<&Self>, new: Option<&Self>) -> Marks {
        place.as_json(old, new)
    }

    /// Appends the paths of all fields that are kept but not simulated, with `path` before each.
    fn unsimulated(&self, path: &str, out: &mut Vec<String>) {
        let _ = (path, out);
    }
}

/// Reads a whole value.
///
/// # Errors
/// The first [`DecodeError`] in the value.
pub fn decode<T: Json>(value: Value) -> Result<T, DecodeError> {
    T::from_json(value, &mut Position::default())
}

/// The fields of a JSON object that its type does not model, shared by the copies of the object. One pointer wide.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rest(Option<Arc<Map<String, Value>>>);

impl Rest {
    /// Keeps what is left of an object once the modelled fields were taken out; nulls are dropped, they mean absence.
    pub fn new(mut left: Map<String, Value>) -> Self {
        left.retain(|_, value| !value.is_null());
        Rest((!left.is_empty()).then(|| Arc::new(left)))
    }

    /// The kept fields, in name order.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.0.iter().flat_map(|map| map.iter())
    }

    /// The kept field `name`.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.as_ref()?.get(name)
    }

    /// Puts the kept fields back into an object.
    pub fn restore(&self, into: &mut Map<String, Value>) {
        for (name, value) in self.iter() {
            into.insert(name.clone(), value.clone());
        }
    }

    /// Puts the kept fields that differ from those of `new` into the two objects.
    pub fn changed(&self, new: &Rest, sides: &mut (Map<String, Value>, Map<String, Value>)) {
        for (side, fields, others) in [(&mut sides.0, self, new), (&mut sides.1, new, self)] {
            let differing = fields.iter().filter(|(name, value)| others.get(name) != Some(value));
            side.extend(differing.map(|(name, value)| (name.clone(), value.clone())));
        }
    }

    /// The kept fields as a map, if there are any.
    pub(crate) fn as_map(&self) -> Option<&Map<String, Value>> {
        self.0.as_deref()
    }

    /// Appends the paths of the kept fields.
    pub fn paths(&self, path: &str, out: &mut Vec<String>) {
        out.extend(self.iter().map(|(name, _)| join(path, name)));
    }
}

/// `path` and a field name, joined by a dot unless `path` is empty.
pub fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// Puts a field that differs into two objects, unless it is left out there.
pub fn insert_changed<T: Json>(sides: &mut (Map<String, Value>, Map<String, Value>), name: &str, old: &T, new: &T) {
    let (left, right) = old.changed(new);
    if !old.is_omitted() {
        sides.0.insert(name.to_owned(), left);
    }
    if !new.is_omitted() {
        sides.1.insert(name.to_owned(), right);
    }
}

macro_rules! scalar {
    ($type:ty, $go:literal, $value:pat => $read:expr, $write:expr, $omitted:expr) => {
        impl Json for $type {
            fn from_json(value: Value, position: &mut Position) -> Result<Self, DecodeError> {
                match value {
                    $value => $read(position),
                    other => Err(position.wrong_type(&other, $go)),
                }
            }

            fn to_json(&self) -> Value {
                $write(self)
            }

            fn is_omitted(&self) -> bool {
                $omitted(self)
            }

            fn compare(_: Place<'_>, old: Option<&Self>, new: Option<&Self>) -> Marks {
                Place::scalars(old, new)
            }
        }
    };
}

scalar!(String, "string", Value::String(text) => |_: &mut Position| Ok(text), |s: &String| Value::String(s.clone()), String::is_empty);
scalar!(bool, "bool", Value::Bool(flag) => |_: &mut Position| Ok(flag), |b: &bool| Value::Bool(*b), |_: &bool| false);

macro_rules! integer {
    ($type:ty, $go:literal) => {
        scalar!($type, $go, Value::Number(number) => |position: &mut Position| {
            number
                .as_i64()
                .and_then(|wide| <$type>::try_from(wide).ok())
                .ok_or_else(|| position.error(Problem::Range { number: number.to_string(), expected: $go }))
        }, |n: &$type| Value::from(*n), |_: &$type| false);
    };
}

integer!(i32, "int32");
integer!(i64, "int64");

impl Json for Value {
    fn from_json(value: Value, _: &mut Position) -> Result<Self, DecodeError> {
        Ok(value)
    }

    fn to_json(&self) -> Value {
        self.clone()
    }
}

impl<T: Json> Json for Option<T> {
    fn from_json(value: Value, position: &mut Position) -> Result<Self, DecodeError> {
        T::from_json(value, position).map(Some)
    }

    fn to_json(&self) -> Value {
        self.as_ref().map_or(Value::Null, Json::to_json)
    }

    fn is_omitted(&self) -> bool {
        self.is_none()
    }

    fn changed(&self, new: &Self) -> (Value, Value) {
        match (self, new) {
            (Some(old), Some(new)) => old.changed(new),
            (old, new) => (old.to_json(), new.to_json()),
        }
    }

    fn compare(place: Place<'_>, old: Option<&Self>, new: Option<&Self>) -> Marks {
        T::compare(place, old.and_then(Option::as_ref), new.and_then(Option::as_ref))
    }

    fn unsimulated(&self, path: &str, out: &mut Vec<String>) {
        if let Some(inner) = self {
            inner.unsimulated(path, out);
        }
    }
}

impl<T: Json> Json for Box<T> {
    fn from_json(value: Value, position: &mut Position) -> Result<Self, DecodeError> {
        T::from_json(value, position).map(Box::new)
    }

    fn to_json(&self) -> Value {
        (**self).to_json()
    }

    fn is_omitted(&self) -> bool {
        (**self).is_omitted()
    }

    fn changed(&self, new: &Self) -> (Value, Value) {
        (**self).changed(new)
    }

    fn compare(place: Place<'_>, old: Option<&Self>, new: Option<&Self>) -> Marks {
        T::compare(place, old.map(|old| &**old), new.map(|new| &**new))
    }

    fn unsimulated(&self, path: &str, out: &mut Vec<String>) {
        (**self).unsimulated(path, out);
    }
}

impl<T: Json> Json for Vec<T> {
    fn from_json(value: Value, position: &mut Position) -> Result<Self, DecodeError> {
        let Value::Array(items) = value else {
            return Err(position.wrong_type(&value, "[]"));
        };
        let mut decoded = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            position.steps.push(Step::Index(index));
            let item = T::from_json(item, position);
            position.steps.pop();
            decoded.push(item?);
        }
        Ok(decoded)
    }

    fn to_json(&self) -> Value {
        Value::Array(self.iter().map(Json::to_json).collect())
    }

    fn is_omitted(&self) -> bool {
        self.is_empty()
    }

    fn compare(place: Place<'_>, old: Option<&Self>, new: Option<&Self>) -> Marks {
        place.list(old.map(Vec::as_slice), new.map(Vec::as_slice))
    }

    fn unsimulated(&self, path: &str, out: &mut Vec<String>) {
        for (index, item) in self.iter().enumerate() {
            item.unsimulated(&format!("{path}[{index}]"), out);
        }
    }
}

impl<T: Json> Json for BTreeMap<String, T> {
    fn from_json(value: Value, position: &mut Position) -> Result<Self, DecodeError> {
        let Value::Object(entries) = value else {
            return Err(position.wrong_type(&value, "map"));
        };
        let mut decoded = BTreeMap::new();
        for (key, entry) in entries {
            position.steps.push(Step::Key(key.clone()));
            let entry = T::from_json(entry, position);
            position.steps.pop();
            decoded.insert(key, entry?);
        }
        Ok(decoded)
    }

    fn to_json(&self) -> Value {
        Value::Object(self.iter().map(|(key, value)| (key.clone(), value.to_json())).collect())
    }

    fn is_omitted(&self) -> bool {
        self.is_empty()
    }

    fn compare(place: Place<'_>, old: Option<&Self>, new: Option<&Self>) -> Marks {
        place.map(old, new)
    }

    fn unsimulated(&self, path: &str, out: &mut Vec<String>) {
        for (key, value) in self {
            value.unsimulated(&join(path, key), out);
        }
    }
}

/// Declares an API struct: its fields with their JSON names, and a [`Rest`] for the others.
///
/// ```
/// api::object! {
///     /// A port.
///     pub struct Port {
///         /// Its number.
///         pub container_port: i32 = "containerPort",
///         /// Its name.
///         pub name: String = "name",
///     }
/// }
/// let port: Port = api::json::decode(serde_json::json!({"containerPort": 80, "hostIP": "10.0.0.1"})).unwrap();
/// assert_eq!(port.container_port, 80);
/// assert_eq!(port.rest.get("hostIP"), Some(&"10.0.0.1".into()));
/// ```
#[macro_export]
macro_rules! object {
    ($($(#[$attribute:meta])* pub struct $name:ident {
        $($(#[$field_attribute:meta])* pub $field:ident: $type:ty = $json:literal,)*
    })*) => {$(
        $(#[$attribute])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $name {
            $($(#[$field_attribute])* pub $field: $type,)*
            /// Fields that are kept but not simulated.
            pub rest: $crate::json::Rest,
        }

        impl $crate::json::Json for $name {
            fn from_json(
                value: ::serde_json::Value,
                position: &mut $crate::json::Position,
            ) -> Result<Self, $crate::json::DecodeError> {
                let ::serde_json::Value::Object(mut fields) = value else {
                    return Err(position.wrong_type(&value, concat!("v1.", stringify!($name))));
                };
                let mut decoded = $name::default();
                $(if let Some(value) = fields.remove($json).filter(|value| !value.is_null()) {
                    decoded.$field = position.field(stringify!($name), $json, value)?;
                })*
                decoded.rest = $crate::json::Rest::new(fields);
                Ok(decoded)
            }

            fn to_json(&self) -> ::serde_json::Value {
                let mut fields = ::serde_json::Map::new();
                $(if !$crate::json::Json::is_omitted(&self.$field) {
                    fields.insert($json.to_owned(), $crate::json::Json::to_json(&self.$field));
                })*
                self.rest.restore(&mut fields);
                ::serde_json::Value::Object(fields)
            }

            fn changed(&self, new: &Self) -> (::serde_json::Value, ::serde_json::Value) {
                let mut sides = (::serde_json::Map::new(), ::serde_json::Map::new());
                $(if self.$field != new.$field {
                    $crate::json::insert_changed(&mut sides, $json, &self.$field, &new.$field);
                })*
                self.rest.changed(&new.rest, &mut sides);
                (::serde_json::Value::Object(sides.0), ::serde_json::Value::Object(sides.1))
            }

            fn field(&self, name: &str) -> Option<::serde_json::Value> {
                match name {
                    $($json => (!$crate::json::Json::is_omitted(&self.$field)).then(|| $crate::json::Json::to_json(&self.$field)),)*
                    name => self.rest.get(name).cloned(),
                }
            }

            fn compare(place: $crate::managed_fields::Place<'_>, old: Option<&Self>, new: Option<&Self>) -> $crate::managed_fields::Marks {
                let Some(mut fields) = place.fields(old.is_some(), new.is_some()) else { return place.as_json(old, new) };
                $(fields.compare($json, old.map(|old| &old.$field), new.map(|new| &new.$field));)*
                fields.compare_rest(old.map(|old| &old.rest), new.map(|new| &new.rest));
                fields.finish()
            }

            fn unsimulated(&self, path: &str, out: &mut Vec<String>) {
                $($crate::json::Json::unsimulated(&self.$field, &$crate::json::join(path, $json), out);)*
                self.rest.paths(path, out);
            }
        }
    )*};
}

#[cfg(test)]
#[expect(unreachable_pub, reason = "`object!` declares public structs")]
mod tests {
    use super::*;
    use serde_json::json;

    crate::object! {
        /// Inner.
        pub struct DeploymentSpec {
            /// Replicas.
            pub replicas: Option<i32> = "replicas",
            /// Names.
            pub names: Vec<String> = "names",
        }

        /// Outer.
        pub struct Deployment {
            /// Spec.
            pub spec: DeploymentSpec = "spec",
            /// Labels.
            pub labels: BTreeMap<String, String> = "labels",
        }
    }

    #[test]
    fn errors_read_as_those_of_go_and_keep_the_place() {
        let error = decode::<Deployment>(json!({"spec": {"replicas": "three"}})).unwrap_err();
        assert_eq!(error.to_string(), "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32");
        let error = decode::<Deployment>(json!({"spec": {"names": ["a", 1]}})).unwrap_err();
        assert_eq!((error.path.as_str(), error.go_path.as_str()), ("spec.names[1]", "spec.names"));
        let error = decode::<Deployment>(json!({"spec": {"replicas": 3_000_000_000_i64}})).unwrap_err();
        assert!(error.to_string().contains("number 3000000000 into Go struct field DeploymentSpec.spec.replicas of type int32"));
        let error = decode::<Deployment>(json!({"labels": {"a.b/c": true}})).unwrap_err();
        assert_eq!(error.path, "labels[a.b/c]");
    }

    #[test]
    fn what_is_not_modelled_survives_and_is_named() {
        let value = json!({"spec": {"replicas": 1, "paused": true}, "kind": "Deployment"});
        let decoded: Deployment = decode(value.clone()).unwrap();
        assert_eq!(decoded.to_json(), value);
        let mut paths = Vec::new();
        decoded.unsimulated("", &mut paths);
        assert_eq!(paths, ["spec.paused", "kind"]);
    }

    #[test]
    fn null_is_absence() {
        let decoded: Deployment = decode(json!({"spec": {"replicas": null, "names": null, "paused": null}})).unwrap();
        assert_eq!(decoded, Deployment::default());
        assert_eq!(decoded.to_json(), json!({"spec": {}}));
    }
}

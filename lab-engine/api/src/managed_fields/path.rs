//! The steps of field paths (`fieldpath.PathElement`), as paths show them and as `FieldsV1` writes them.

use serde_json::Value;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A field's name: one of the schema's, or a map's own key.
#[derive(Clone, Debug)]
pub enum Name {
    /// From the schema.
    Static(&'static str),
    /// From an object.
    Shared(Arc<str>),
}

impl Name {
    /// The text.
    pub fn as_str(&self) -> &str {
        match self {
            Name::Static(text) => text,
            Name::Shared(text) => text,
        }
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Name {}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

/// A value that tells the elements of a list apart. Numbers come before texts, as upstream sorts them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scalar {
    /// An integer.
    Int(i64),
    /// A text.
    Text(Arc<str>),
    /// A boolean.
    Bool(bool),
    /// Anything else, as JSON: fractions, and what no valid object has.
    Json(Arc<str>),
}

impl From<&Value> for Scalar {
    fn from(value: &Value) -> Self {
        match value {
            Value::String(text) => Scalar::Text(text.as_str().into()),
            Value::Bool(flag) => Scalar::Bool(*flag),
            Value::Number(number) => number.as_i64().map_or_else(|| Scalar::Json(number.to_string().into()), Scalar::Int),
            other => Scalar::Json(other.to_string().into()),
        }
    }
}

impl Scalar {
    fn to_json(&self) -> Value {
        match self {
            Scalar::Int(number) => Value::from(*number),
            Scalar::Text(text) => Value::from(&**text),
            Scalar::Bool(flag) => Value::from(*flag),
            Scalar::Json(text) => serde_json::from_str(text).unwrap_or(Value::Null),
        }
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scalar::Int(number) => number.fmt(f),
            Scalar::Text(text) => write!(f, "{text:?}"),
            Scalar::Bool(flag) => flag.fmt(f),
            Scalar::Json(text) => f.write_str(text),
        }
    }
}

/// One step of a path. Fields come before keys, values and indices.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathElement {
    /// A field of a struct, or an entry of a map.
    Field(Name),
    /// The element of a list with these fields, in name order.
    Key(Arc<[(Name, Scalar)]>),
    /// An element of a set.
    Value(Scalar),
    /// An element of a list, by its place.
    Index(u64),
}

impl PathElement {
    /// A field with a name from the schema.
    pub fn field(name: &'static str) -> Self {
        PathElement::Field(Name::Static(name))
    }

    /// Reads the form in `FieldsV1`: `f:NAME`, `k:{…}`, `v:VALUE` or `i:INDEX`.
    ///
    /// # Errors
    /// Upstream's message for a text that is none of these.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some((kind, rest)) = text.split_at_checked(2) else { return Err("key must be 2 characters long:".to_owned()) };
        if !kind.ends_with(':') {
            return Err(format!("missing colon: {text}"));
        }
        let json = || serde_json::from_str::<Value>(rest).map_err(|error| error.to_string());
        match kind {
            "f:" => Ok(PathElement::Field(Name::Shared(rest.into()))),
            "k:" => match json()? {
                Value::Object(fields) => {
                    let fields = fields.iter().map(|(name, value)| (Name::Shared(name.as_str().into()), Scalar::from(value)));
                    Ok(PathElement::Key(fields.collect()))
                }
                other => Err(format!("expected an object of key fields, got {other}")),
            },
            "v:" => Ok(PathElement::Value(Scalar::from(&json()?))),
            "i:" => rest.parse().map(PathElement::Index).map_err(|_| format!("strconv.Atoi: parsing {rest:?}: invalid syntax")),
            _ => Err("unknown path element type".to_owned()),
        }
    }

    /// The form in `FieldsV1`.
    pub fn text(&self) -> String {
        match self {
            PathElement::Field(name) => format!("f:{}", name.as_str()),
            PathElement::Key(fields) => {
                let fields = fields.iter().map(|(name, value)| (name.as_str().to_owned(), value.to_json()));
                format!("k:{}", Value::Object(fields.collect()))
            }
            PathElement::Value(value) => format!("v:{}", value.to_json()),
            PathElement::Index(index) => format!("i:{index}"),
        }
    }
}

/// As paths show it: `.spec`, `[name="web"]`, `[="a"]`, `[3]`.
impl fmt::Display for PathElement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PathElement::Field(name) => write!(f, ".{}", name.as_str()),
            PathElement::Key(fields) => {
                let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{}={value}", name.as_str())).collect();
                write!(f, "[{}]", fields.join(","))
            }
            PathElement::Value(value) => write!(f, "[={value}]"),
            PathElement::Index(index) => write!(f, "[{index}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_read_as_they_are_written() {
        for (text, shown) in [
            ("f:spec", ".spec"),
            (r#"k:{"containerPort":80,"protocol":"TCP"}"#, r#"[containerPort=80,protocol="TCP"]"#),
            (r#"v:"kubernetes""#, r#"[="kubernetes"]"#),
            ("v:1.5", "[=1.5]"),
            ("i:3", "[3]"),
        ] {
            let element = PathElement::parse(text).unwrap();
            assert_eq!((element.text().as_str(), element.to_string().as_str()), (text, shown));
        }
        for text in ["", "f", "spec", "x:1", "k:[]", "k:{", "i:x"] {
            assert!(PathElement::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn elements_sort_by_kind_then_by_number_or_text() {
        let mut elements = ["i:1", r#"v:"b""#, "v:10", "v:9", r#"k:{"port":443}"#, r#"k:{"port":80}"#, "f:b", "f:a"]
            .map(|text| PathElement::parse(text).unwrap());
        elements.sort();
        let sorted = ["f:a", "f:b", r#"k:{"port":80}"#, r#"k:{"port":443}"#, "v:9", "v:10", r#"v:"b""#, "i:1"];
        assert_eq!(elements.map(|element| element.text()), sorted);
    }
}

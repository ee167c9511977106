//! The columns of custom resources in tables (`customresource/tableconvertor`).

use api::Object;
use api::jsonpath::{self, JsonPath};
use api::meta::Timestamp;
use serde_json::{Value, json};
use sim::Time;

#[derive(Debug)]
struct Column {
    name: String,
    type_: String,
    format: String,
    description: String,
    priority: i64,
    path: Option<JsonPath>,
}

/// The columns after `Name`.
#[derive(Debug)]
pub(crate) struct Columns(Vec<Column>);

impl Columns {
    /// Reads `additionalPrinterColumns`; without any there is the age.
    pub(crate) fn read(value: &Value) -> Columns {
        let age = json!([{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}]);
        let given = value.as_array().filter(|columns| !columns.is_empty()).or(age.as_array());
        let text = |column: &Value, name: &str| column[name].as_str().unwrap_or_default().to_owned();
        let column = |column: &Value| {
            let path = text(column, "jsonPath");
            let own = text(column, "description");
            let described = format!("Custom resource definition column (in JSONPath format): {path}");
            Column {
                name: text(column, "name"),
                type_: text(column, "type"),
                format: text(column, "format"),
                description: if own.is_empty() { described } else { own },
                priority: column["priority"].as_i64().unwrap_or(0),
                path: JsonPath::parse(&format!("{{{path}}}")).ok(),
            }
        };
        Columns(given.into_iter().flatten().map(column).collect())
    }

    /// The column definitions of a table, after that of `Name`.
    pub(crate) fn definitions(&self) -> impl Iterator<Item = Value> {
        self.0.iter().map(|column| {
            json!({
                "name": column.name, "type": column.type_, "format": column.format, "description": column.description,
                "priority": column.priority,
            })
        })
    }

    /// The cells of an object, with its name first.
    pub(crate) fn cells(&self, object: &Object, now: Time) -> Vec<Value> {
        let whole = object.to_json();
        let cell = |column: &Column| {
            let found = column.path.as_ref().and_then(|path| path.select(&whole).ok()).unwrap_or_default();
            found.first().map_or(Value::Null, |value| cell_of(&column.type_, value, now))
        };
        std::iter::once(Value::from(object.metadata().name.as_str())).chain(self.0.iter().map(cell)).collect()
    }
}

/// A value as a cell of a column of this type; null when it has another.
fn cell_of(type_: &str, value: &Value, now: Time) -> Value {
    match (type_, value) {
        (_, Value::Null) => Value::Null,
        ("string", value) => Value::from(jsonpath::text(value)),
        #[expect(clippy::cast_possible_truncation, reason = "as upstream cuts floats in columns of integers")]
        ("integer", Value::Number(number)) => {
            number.as_i64().or_else(|| number.as_f64().map(|float| float as i64)).map_or(Value::Null, Value::from)
        }
        ("number", Value::Number(_)) | ("boolean", Value::Bool(_)) => value.clone(),
        ("date", Value::String(text)) => match Time::parse_rfc3339(text) {
            Ok(at) => crate::printers::since(Some(Timestamp::from(at)), now).into(),
            Err(_) => "<invalid>".into(),
        },
        _ => Value::Null,
    }
}

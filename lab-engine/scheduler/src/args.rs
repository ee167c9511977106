//! Reading and checking the arguments of plugins (`pkg/scheduler/apis/config/validation/validation_pluginargs.go`).

use api::json::{Json, decode};
use api::status::FieldError;
use serde_json::Value;
use std::ops::RangeInclusive;

/// Reads the arguments of one plugin, and gathers what is wrong with them.
#[derive(Debug)]
pub(crate) struct ArgsReader<'a> {
    args: &'a Value,
    errors: Vec<FieldError>,
}

impl<'a> ArgsReader<'a> {
    /// A reader of arguments that may have these fields; null for none at all.
    pub(crate) fn new(args: &'a Value, known: &[&str]) -> Self {
        let meta = ["apiVersion", "kind"];
        let fields = args.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
        let unknown = fields.filter(|name| !known.contains(name) && !meta.contains(name));
        let errors = unknown.map(|name| FieldError::forbidden(name, "unknown field")).collect();
        ArgsReader { args, errors }
    }

    /// Notes something that is wrong.
    pub(crate) fn wrong(&mut self, error: FieldError) {
        self.errors.push(error);
    }

    /// A field as it stands; null when it is absent.
    pub(crate) fn value(&self, field: &str) -> &'a Value {
        self.args.get(field).unwrap_or(&Value::Null)
    }

    /// A number within bounds; `default` when it is absent.
    pub(crate) fn number(&mut self, field: &str, default: i64, bounds: RangeInclusive<i64>) -> i64 {
        let value = self.value(field);
        let number = if value.is_null() { Some(default) } else { value.as_i64() };
        match number.filter(|number| bounds.contains(number)) {
            Some(number) => number,
            None => {
                let detail = format!("not in valid range [{}, {}]", bounds.start(), bounds.end());
                self.wrong(FieldError::invalid(field, &value.to_string(), detail));
                default
            }
        }
    }

    /// Yes or no; no when it is absent.
    pub(crate) fn truth(&mut self, field: &str) -> bool {
        let value = self.value(field);
        if !value.is_null() && !value.is_boolean() {
            self.wrong(FieldError::invalid(field, &value.to_string(), "must be true or false"));
        }
        value == &Value::Bool(true)
    }

    /// A list of texts; empty when it is absent.
    pub(crate) fn texts(&mut self, field: &str) -> Vec<String> {
        self.part(field)
    }

    /// A part of an object; the default when it is absent.
    pub(crate) fn part<T: Json + Default>(&mut self, field: &str) -> T {
        let value = self.value(field);
        if value.is_null() {
            return T::default();
        }
        decode(value.clone()).unwrap_or_else(|error| {
            self.wrong(FieldError::invalid(field, &value.to_string(), error.to_string()));
            T::default()
        })
    }

    /// What was read.
    ///
    /// # Errors
    /// All that is wrong.
    pub(crate) fn finish<T>(self, read: T) -> Result<T, Vec<FieldError>> {
        if self.errors.is_empty() { Ok(read) } else { Err(self.errors) }
    }
}

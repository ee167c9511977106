//! Writing down what is wrong with an object: short names for the errors of `k8s.io/apimachinery/pkg/util/validation/field`, and reading
//! fields that are kept as JSON.

use api::names;
use api::status::{FieldError, FieldErrorKind};
use serde_json::Value;

/// A list of what is wrong, in the order in which it is found.
pub(super) trait Report {
    /// Appends an error.
    fn add(&mut self, error: FieldError);

    /// A value is missing.
    fn required(&mut self, field: impl Into<String>, detail: &str) {
        self.add(FieldError::required(field, detail));
    }

    /// A text is malformed.
    fn invalid(&mut self, field: impl Into<String>, value: &str, detail: impl Into<String>) {
        self.add(FieldError::invalid(field, value, detail));
    }

    /// A number is not allowed.
    fn invalid_number(&mut self, field: impl Into<String>, value: impl Into<i64>, detail: impl Into<String>) {
        self.add(FieldError::invalid_number(field, value.into(), detail));
    }

    /// A value that is neither a text nor a number is not allowed; messages show it as JSON.
    fn invalid_json(&mut self, field: impl Into<String>, value: &Value, detail: impl Into<String>) {
        self.add(FieldError::new(FieldErrorKind::Invalid, field, value.to_string(), detail));
    }

    /// A text is malformed in each of these ways.
    fn malformed(&mut self, field: &str, value: &str, details: Vec<String>) {
        for detail in details {
            self.invalid(field, value, detail);
        }
    }

    /// A text is not one of those allowed.
    fn not_supported(&mut self, field: impl Into<String>, value: &str, allowed: &[&str]) {
        self.add(FieldError::not_supported(field, value, allowed));
    }

    /// A value is not allowed here.
    fn forbidden(&mut self, field: impl Into<String>, detail: impl Into<String>) {
        self.add(FieldError::forbidden(field, detail));
    }

    /// A text stands twice.
    fn duplicate(&mut self, field: impl Into<String>, value: &str) {
        self.add(FieldError::new(FieldErrorKind::Duplicate, field, format!("{value:?}"), ""));
    }

    /// A text names something that is not there.
    fn not_found(&mut self, field: impl Into<String>, value: &str) {
        self.add(FieldError::new(FieldErrorKind::NotFound, field, format!("{value:?}"), ""));
    }

    /// A text is longer than so many bytes.
    fn too_long(&mut self, field: impl Into<String>, max: usize) {
        self.add(FieldError::new(FieldErrorKind::TooLong, field, "", format!("may not be more than {max} bytes")));
    }

    /// A list has more than so many entries.
    fn too_many(&mut self, field: impl Into<String>, actual: usize, max: usize) {
        self.add(FieldError::new(FieldErrorKind::TooMany, field, actual.to_string(), format!("must have at most {max} items")));
    }

    /// A text that must be one of those allowed, and must be there.
    fn choice(&mut self, field: impl Into<String>, value: &str, allowed: &[&str]) {
        if value.is_empty() {
            self.required(field, "");
        } else if !allowed.contains(&value) {
            self.not_supported(field, value, allowed);
        }
    }

    /// A text that must be a DNS-1123 label.
    fn label(&mut self, field: &str, value: &str) {
        self.malformed(field, value, names::dns1123_label(value));
    }

    /// A text that must be a DNS-1123 subdomain.
    fn subdomain(&mut self, field: &str, value: &str) {
        self.malformed(field, value, names::dns1123_subdomain(value));
    }

    /// A text that must be a qualified name.
    fn qualified(&mut self, field: &str, value: &str) {
        self.malformed(field, value, names::qualified_name(value));
    }

    /// A number that must not be negative.
    fn non_negative(&mut self, field: impl Into<String>, value: impl Into<i64>) {
        let value = value.into();
        if value < 0 {
            self.invalid_number(field, value, "must be greater than or equal to 0");
        }
    }

    /// A number that must lie between two others.
    fn within(&mut self, field: impl Into<String>, value: impl Into<i64>, min: i64, max: i64) {
        let value = value.into();
        if let Some(detail) = names::in_range(value, min, max) {
            self.invalid_number(field, value, detail);
        }
    }
}

impl Report for Vec<FieldError> {
    fn add(&mut self, error: FieldError) {
        self.push(error);
    }
}

/// The text in a field; empty when it is absent.
pub(super) fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// The number in a field; 0 when it is absent.
pub(super) fn number(value: &Value, field: &str) -> i64 {
    value.get(field).and_then(Value::as_i64).unwrap_or(0)
}

/// Whether a field is there and true.
pub(super) fn flag(value: &Value, field: &str) -> bool {
    value.get(field) == Some(&Value::Bool(true))
}

/// The entries of the list in a field.
pub(super) fn list<'v>(value: &'v Value, field: &str) -> &'v [Value] {
    value.get(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A path that must not be absolute and must not lead upwards (`validateLocalDescendingPath`).
pub(super) fn descending_path(field: &str, path: &str, errors: &mut Vec<FieldError>) {
    if path.starts_with('/') {
        errors.invalid(field, path, "must be a relative path");
    }
    no_backsteps(field, path, errors);
}

/// A path that must not lead upwards (`validatePathNoBacksteps`).
pub(super) fn no_backsteps(field: &str, path: &str, errors: &mut Vec<FieldError>) {
    if path.split('/').any(|part| part == "..") {
        errors.invalid(field, path, "must not contain '..'");
    }
}

/// A path for a file in a volume, where names that begin with `..` are the kubelet's (`ValidateLocalNonReservedPath`).
pub(super) fn local_path(field: &str, path: &str, errors: &mut Vec<FieldError>) {
    descending_path(field, path, errors);
    if path.starts_with("..") && !path.starts_with("../") {
        errors.invalid(field, path, "must not start with '..'");
    }
}

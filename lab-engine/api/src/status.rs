//! `metav1.Status`: how the API server refuses (`k8s.io/apimachinery/pkg/api/errors`).

use crate::kinds::Gvr;
use serde_json::{Value, json};
use std::fmt;

/// A refusal: code, reason and message, exactly as Kubernetes words them.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// The HTTP status code.
    pub code: u16,
    /// The reason in one word, for example `NotFound`.
    pub reason: &'static str,
    /// The message.
    pub message: String,
    /// What the refusal is about.
    pub details: Details,
}

/// What a refusal is about.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Details {
    /// Name of the object.
    pub name: String,
    /// Group of its resource.
    pub group: String,
    /// Its resource (in most errors) or kind (in `Invalid`).
    pub kind: String,
    /// What is wrong with which field.
    pub causes: Vec<Cause>,
    /// Seconds after which trying again makes sense.
    pub retry_after_seconds: Option<u32>,
}

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// For example `FieldValueInvalid`.
    pub reason: &'static str,
    /// The message.
    pub message: String,
    /// The field's path, for example `spec.containers[0].image`.
    pub field: String,
}

/// One thing that validation found (`field.Error`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// What kind of error it is.
    pub kind: FieldErrorKind,
    /// The field's path.
    pub field: String,
    /// The value as the message shows it: texts in quotes, numbers plain; empty where the kind shows none.
    pub value: String,
    /// The detail after the colon; may be empty.
    pub detail: String,
}

/// The kinds of [`FieldError`] (`field.ErrorType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldErrorKind {
    /// A value is missing.
    Required,
    /// A value is malformed.
    Invalid,
    /// A value is not one of those allowed.
    NotSupported,
    /// A value stands twice.
    Duplicate,
    /// A value is not allowed here.
    Forbidden,
    /// Something referred to does not exist.
    NotFound,
    /// A text is too long.
    TooLong,
    /// A list has too many entries.
    TooMany,
    /// A value has another type than its schema says.
    TypeInvalid,
}

impl FieldErrorKind {
    /// The words of the message.
    pub fn words(self) -> &'static str {
        match self {
            FieldErrorKind::Required => "Required value",
            FieldErrorKind::Invalid | FieldErrorKind::TypeInvalid => "Invalid value",
            FieldErrorKind::NotSupported => "Unsupported value",
            FieldErrorKind::Duplicate => "Duplicate value",
            FieldErrorKind::Forbidden => "Forbidden",
            FieldErrorKind::NotFound => "Not found",
            FieldErrorKind::TooLong => "Too long",
            FieldErrorKind::TooMany => "Too many",
        }
    }

    /// The reason of the cause.
    pub fn reason(self) -> &'static str {
        match self {
            FieldErrorKind::Required => "FieldValueRequired",
            FieldErrorKind::Invalid => "FieldValueInvalid",
            FieldErrorKind::NotSupported => "FieldValueNotSupported",
            FieldErrorKind::Duplicate => "FieldValueDuplicate",
            FieldErrorKind::Forbidden => "FieldValueForbidden",
            FieldErrorKind::NotFound => "FieldValueNotFound",
            FieldErrorKind::TooLong => "FieldValueTooLong",
            FieldErrorKind::TooMany => "FieldValueTooMany",
            FieldErrorKind::TypeInvalid => "FieldValueTypeInvalid",
        }
    }
}

impl FieldError {
    /// An error of `kind` at `field`. `value` as the message shows it: empty where the kind shows none.
    pub fn new(kind: FieldErrorKind, field: impl Into<String>, value: impl Into<String>, detail: impl Into<String>) -> Self {
        FieldError { kind, field: field.into(), value: value.into(), detail: detail.into() }
    }

    /// A value is missing.
    pub fn required(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(FieldErrorKind::Required, field, "", detail)
    }

    /// A text is malformed.
    pub fn invalid(field: impl Into<String>, value: &str, detail: impl Into<String>) -> Self {
        Self::new(FieldErrorKind::Invalid, field, format!("{value:?}"), detail)
    }

    /// A number is out of range.
    pub fn invalid_number(field: impl Into<String>, value: i64, detail: impl Into<String>) -> Self {
        Self::new(FieldErrorKind::Invalid, field, value.to_string(), detail)
    }

    /// A text is not one of those allowed, which the message lists.
    pub fn not_supported(field: impl Into<String>, value: &str, allowed: &[&str]) -> Self {
        let allowed: Vec<String> = allowed.iter().map(|value| format!("{value:?}")).collect();
        Self::new(FieldErrorKind::NotSupported, field, format!("{value:?}"), format!("supported values: {}", allowed.join(", ")))
    }

    /// A value is not allowed here.
    pub fn forbidden(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(FieldErrorKind::Forbidden, field, "", detail)
    }

    /// The message without the field: `Invalid value: "x": must be y`.
    pub fn body(&self) -> String {
        let mut body = self.kind.words().to_owned();
        for part in [&self.value, &self.detail] {
            if !part.is_empty() {
                body.push_str(": ");
                body.push_str(part);
            }
        }
        body
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.body())
    }
}

impl Status {
    /// Any refusal that is about no object.
    pub fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Status { code, reason, message: message.into(), details: Details::default() }
    }

    fn about(code: u16, reason: &'static str, resource: &Gvr, name: &str, message: String) -> Self {
        let details =
            Details { name: name.to_owned(), group: resource.group.to_string(), kind: resource.resource.to_string(), ..Details::default() };
        Status { code, reason, message, details }
    }

    /// 404: `pods "web" not found`.
    pub fn not_found(resource: &Gvr, name: &str) -> Self {
        Self::about(404, "NotFound", resource, name, format!("{resource} {name:?} not found"))
    }

    /// 409: `pods "web" already exists`.
    pub fn already_exists(resource: &Gvr, name: &str) -> Self {
        Self::about(409, "AlreadyExists", resource, name, format!("{resource} {name:?} already exists"))
    }

    /// 409: `Operation cannot be fulfilled on pods "web": …`.
    pub fn conflict(resource: &Gvr, name: &str, why: &str) -> Self {
        Self::about(409, "Conflict", resource, name, format!("Operation cannot be fulfilled on {resource} {name:?}: {why}"))
    }

    /// 403: `pods "web" is forbidden: …`.
    pub fn forbidden(resource: &Gvr, name: &str, why: &str) -> Self {
        let message =
            if name.is_empty() { format!("{resource} is forbidden: {why}") } else { format!("{resource} {name:?} is forbidden: {why}") };
        Self::about(403, "Forbidden", resource, name, message)
    }

    /// 401: nobody is known who sends this.
    pub fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    /// 422: `Pod "web" is invalid: spec.containers: Required value`, or a list in brackets when there are several errors.
    pub fn invalid(group: &str, kind: &str, name: &str, errors: &[FieldError]) -> Self {
        let qualified = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
        let list = match errors {
            [only] => only.to_string(),
            several => format!("[{}]", several.iter().map(FieldError::to_string).collect::<Vec<_>>().join(", ")),
        };
        let causes = errors.iter().map(|e| Cause { reason: e.kind.reason(), message: e.body(), field: e.field.clone() }).collect();
        Status {
            code: 422,
            reason: "Invalid",
            message: format!("{qualified} {name:?} is invalid: {list}"),
            details: Details { name: name.to_owned(), group: group.to_owned(), kind: kind.to_owned(), causes, retry_after_seconds: None },
        }
    }

    /// 400.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// 405: the verb does not exist for the resource.
    pub fn method_not_allowed() -> Self {
        Self::new(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
    }

    /// 410: the revision asked for is compacted away.
    pub fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    /// 404 for a path that leads nowhere.
    pub fn no_such_path() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource")
    }

    /// 500.
    pub fn internal(message: impl fmt::Display) -> Self {
        Self::new(500, "InternalError", format!("Internal error occurred: {message}"))
    }

    /// 504: the store did not answer in time.
    pub fn timeout(message: impl Into<String>) -> Self {
        Self::new(504, "Timeout", message)
    }

    /// The body that goes over the wire.
    pub fn to_json(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code,
        });
        let details = &self.details;
        if *details != Details::default() {
            let mut value = json!({});
            for (key, text) in [("name", &details.name), ("group", &details.group), ("kind", &details.kind)] {
                if !text.is_empty() {
                    value[key] = json!(text);
                }
            }
            if !details.causes.is_empty() {
                let causes = details.causes.iter().map(|c| json!({"reason": c.reason, "message": c.message, "field": c.field}));
                value["causes"] = causes.collect();
            }
            if let Some(seconds) = details.retry_after_seconds {
                value["retryAfterSeconds"] = json!(seconds);
            }
            status["details"] = value;
        }
        status
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Status {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::find_resource;

    #[test]
    fn messages_are_those_of_upstream() {
        let deployments = find_resource("apps", "v1", "deployments").unwrap().gvr();
        assert_eq!(Status::not_found(&deployments, "web").message, "deployments.apps \"web\" not found");
        let one = [FieldError::required("spec.containers", "")];
        assert_eq!(Status::invalid("", "Pod", "web", &one).message, "Pod \"web\" is invalid: spec.containers: Required value");
        let two = [one[0].clone(), FieldError::not_supported("spec.restartPolicy", "never", &["Always", "Never"])];
        assert_eq!(
            Status::invalid("apps", "Deployment", "web", &two).message,
            "Deployment.apps \"web\" is invalid: [spec.containers: Required value, \
             spec.restartPolicy: Unsupported value: \"never\": supported values: \"Always\", \"Never\"]"
        );
    }

    #[test]
    fn a_status_is_an_object_of_kind_status() {
        let pods = find_resource("", "v1", "pods").unwrap().gvr();
        let body = Status::not_found(&pods, "web").to_json();
        assert_eq!(body["details"], json!({"name": "web", "kind": "pods"}));
        assert_eq!(body["code"], 404);
    }
}

//! CertificateSigningRequests in tables.

use super::{Column, human};
use api::Dynamic;
use serde_json::Value;
use sim::Time;
use std::time::Duration;

pub(super) const REQUEST: &[Column] = &[
    ("Name", "string", 0),
    ("Age", "string", 0),
    ("SignerName", "string", 0),
    ("Requestor", "string", 0),
    ("RequestedDuration", "string", 0),
    ("Condition", "string", 0),
];

/// What became of a request (`extractCSRStatus`).
fn condition(status: &Value) -> String {
    let conditions = status["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let has = |type_: &str| conditions.iter().any(|condition| condition["type"] == type_);
    let mut text = if has("Denied") {
        "Denied".to_owned()
    } else if has("Approved") {
        "Approved".to_owned()
    } else {
        "Pending".to_owned()
    };
    if has("Failed") {
        text.push_str(",Failed");
    }
    if status["certificate"].as_str().is_some_and(|certificate| !certificate.is_empty()) {
        text.push_str(",Issued");
    }
    text
}

pub(super) fn request(request: &Dynamic, now: Time) -> Vec<Value> {
    let part = |name: &str| request.rest.get(name).unwrap_or(&Value::Null);
    let spec = part("spec");
    let text = |field: &str| Value::from(spec[field].as_str().unwrap_or_default());
    let seconds = spec["expirationSeconds"].as_u64();
    let duration = seconds.map_or_else(|| "<none>".to_owned(), |seconds| human::duration(Duration::from_secs(seconds)));
    vec![
        request.metadata.name.as_str().into(),
        human::age(&request.metadata, now),
        text("signerName"),
        text("username"),
        duration.into(),
        condition(part("status")).into(),
    ]
}

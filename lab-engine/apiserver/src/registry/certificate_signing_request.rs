//! CertificateSigningRequests (`pkg/apis/certificates/validation`, `pkg/registry/certificates/certificates/strategy.go`).
//!
//! Who asks is written down by the server, the spec never changes, the subresource `approval` changes conditions only, and `status`
//! neither approves nor denies.

use super::dynamic::Rules;
use super::report::{Report, list, number, text};
use crate::subresource::Subresource;
use api::meta::ObjectMeta;
use api::names;
use api::status::{FieldError, FieldErrorKind};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use sim::Time;

/// The rules of CertificateSigningRequests.
pub(super) const RULES: Rules = Rules { default: |_| {}, validate, status: true, counted: false, fixed: true };

/// The signer that the API no longer accepts.
const LEGACY: &str = "kubernetes.io/legacy-unknown";
/// The fewest seconds that a certificate may be asked for.
const FEWEST_SECONDS: i64 = 600;
/// Conditions that stay once they are there.
const FINAL: [&str; 3] = ["Approved", "Denied", "Failed"];

/// The bytes that a field of a request holds in base64.
pub(crate) fn bytes(value: &Value) -> Vec<u8> {
    value.as_str().and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default()
}

fn validate(_: &ObjectMeta, value: &Value, _: Option<&Value>, errors: &mut Vec<FieldError>) {
    let spec = &value["spec"];
    if let Err(why) = pki::Request::read(&bytes(&spec["request"])) {
        // Go writes bytes as it would in a program.
        let written: Vec<String> = bytes(&spec["request"]).iter().map(|byte| format!("{byte:#x}")).collect();
        let shown = format!("[]byte{{{}}}", written.join(", "));
        errors.push(FieldError::new(FieldErrorKind::Invalid, "spec.request", shown, why.to_string()));
    }
    let usages = list(spec, "usages");
    if usages.is_empty() {
        errors.required("spec.usages", "usages must be specified");
    }
    for (index, usage) in usages.iter().enumerate() {
        let (path, name) = (format!("spec.usages[{index}]"), usage.as_str().unwrap_or_default());
        if !pki::is_known_usage(name) {
            errors.not_supported(path, name, &pki::known_usages());
        } else if usages[..index].contains(usage) {
            errors.duplicate(path, name);
        }
    }
    match text(spec, "signerName") {
        LEGACY => errors.invalid("spec.signerName", LEGACY, "the legacy signerName is not allowed via this API version"),
        name => signer_name("spec.signerName", name, errors),
    }
    if !spec["expirationSeconds"].is_null() && number(spec, "expirationSeconds") < FEWEST_SECONDS {
        let detail = "may not specify a duration less than 600 seconds (10 minutes)";
        errors.invalid_number("spec.expirationSeconds", number(spec, "expirationSeconds"), detail);
    }
}

/// What is wrong with the name of a signer (`ValidateSignerName`).
fn signer_name(path: &str, name: &str, errors: &mut Vec<FieldError>) {
    if name.is_empty() {
        return errors.required(path, "");
    }
    let Some((domain, rest)) = name.split_once('/').filter(|(_, rest)| !rest.contains('/')) else {
        return errors.invalid(path, name, "must be a fully qualified domain and path of the form 'example.com/signer-name'");
    };
    let mut labels = |part: &str, check: fn(&str) -> Vec<String>| {
        for label in part.split('.') {
            for why in check(label) {
                errors.invalid(path, part, format!("validating label {label:?}: {why}"));
            }
        }
    };
    labels(domain, names::dns1123_label);
    labels(rest, names::dns1123_subdomain);
    if !domain.contains('.') {
        errors.invalid(path, domain, "should be a domain with at least two segments separated by dots");
    }
    for (part, most) in [(domain, 253), (rest, 253 + 63 + 1)] {
        if part.len() > most {
            errors.too_long(path, most);
        }
    }
}

/// Keeps what an update of a subresource must not change.
pub(super) fn prepare(is: &mut Map<String, Value>, was: &Map<String, Value>, subresource: Subresource) {
    if subresource == Subresource::Approval {
        let conditions = is.get("status").map(|status| status["conditions"].clone()).unwrap_or_default();
        let mut status = was.get("status").and_then(Value::as_object).cloned().unwrap_or_default();
        status.insert("conditions".to_owned(), conditions);
        is.insert("status".to_owned(), Value::Object(status));
    }
}

/// Gives new conditions their times (`populateConditionTimestamps`).
pub(super) fn stamp(is: &mut Map<String, Value>, was: &Map<String, Value>, now: Time) {
    let old = was.get("status").map(|status| status["conditions"].clone()).unwrap_or_default();
    let Some(conditions) = is.get_mut("status").and_then(|status| status.get_mut("conditions")).and_then(Value::as_array_mut) else {
        return;
    };
    for condition in conditions.iter_mut().filter(|condition| condition.is_object()) {
        if condition["lastUpdateTime"].is_null() {
            condition["lastUpdateTime"] = now.rfc3339().into();
        }
        if condition["lastTransitionTime"].is_null() {
            let same = |old: &&Value| old["type"] == condition["type"] && old["status"] == condition["status"];
            let since = old.as_array().into_iter().flatten().find(same).map(|old| old["lastTransitionTime"].clone());
            condition["lastTransitionTime"] = since.filter(|at| !at.is_null()).unwrap_or_else(|| now.rfc3339().into());
        }
    }
}

/// Appends what is wrong with a change of a subresource (`validateCertificateSigningRequestUpdate`).
pub(super) fn validate_subresource(is: &Value, was: &Value, subresource: Subresource, errors: &mut Vec<FieldError>) {
    const PATH: &str = "status.conditions";
    let conditions = list(&is["status"], "conditions");
    let of = |object: &Value, type_: &str| list(&object["status"], "conditions").iter().filter(|one| one["type"] == type_).count();
    for type_ in FINAL {
        if of(is, type_) < of(was, type_) {
            errors.forbidden(PATH, format!("updates may not remove a condition of type {type_:?}"));
        }
        if subresource != Subresource::Approval && type_ != "Failed" && of(is, type_) > of(was, type_) {
            errors.forbidden(PATH, format!("updates may not add a condition of type {type_:?}"));
        }
    }
    if of(is, "Approved") > 0 && of(is, "Denied") > 0 && (of(was, "Approved") == 0 || of(was, "Denied") == 0) {
        let second = conditions.iter().rposition(|one| one["type"] == "Approved" || one["type"] == "Denied").unwrap_or(0);
        let detail = "Approved and Denied conditions are mutually exclusive";
        errors.invalid(format!("{PATH}[{second}].type"), text(&conditions[second], "type"), detail);
    }
    for (index, condition) in conditions.iter().enumerate() {
        let (path, type_, status) = (format!("{PATH}[{index}]"), text(condition, "type"), text(condition, "status"));
        match (type_, status) {
            ("", _) => errors.required(format!("{path}.type"), ""),
            (_, "") => errors.required(format!("{path}.status"), ""),
            (type_, status) if FINAL.contains(&type_) => errors.choice(format!("{path}.status"), status, &["True"]),
            (_, status) => errors.choice(format!("{path}.status"), status, &["True", "False", "Unknown"]),
        }
        if conditions[..index].iter().any(|earlier| earlier["type"] == condition["type"]) {
            errors.duplicate(format!("{path}.type"), type_);
        }
    }
    let certificate = |object: &Value| text(&object["status"], "certificate").to_owned();
    let (is, was) = (certificate(is), certificate(was));
    if !was.is_empty() && is != was {
        errors.forbidden("status.certificate", "updates may not change an existing certificate");
    } else if !is.is_empty() && is != was && !String::from_utf8_lossy(&bytes(&is.into())).contains("-----BEGIN CERTIFICATE-----") {
        errors.invalid("status.certificate", "<certificate data>", "must contain at least one CERTIFICATE PEM block");
    }
}

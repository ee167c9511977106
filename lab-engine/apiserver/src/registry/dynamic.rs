//! Built-in kinds without a struct that have rules of their own: which file has them.
//!
//! **Simplified here:** the kinds that are not in the table are stored as they come.

use super::{certificate_signing_request, ip_address, priority_class, runtime_class};
use crate::subresource::Subresource;
use api::Object;
use api::json::Rest;
use api::meta::ObjectMeta;
use api::status::FieldError;
use serde_json::{Map, Value};
use sim::Time;
use std::sync::Arc;

/// What such a kind does at the stages of a write. Objects are given as JSON without `apiVersion`, `kind` and `metadata`; the rules of some kinds with a struct have this form, too.
pub(super) struct Rules {
    /// Sets what the author left out.
    pub(super) default: fn(&mut Map<String, Value>),
    /// Appends what is wrong with an object; with the object before, if it takes the place of one.
    pub(super) validate: fn(&ObjectMeta, &Value, Option<&Value>, &mut Vec<FieldError>),
    /// Whether it has a status, which only its subresource changes.
    pub(super) status: bool,
    /// Whether changes of its spec are counted.
    pub(super) counted: bool,
    /// Whether its spec never changes.
    pub(super) fixed: bool,
}

fn rules(object: &Object) -> Option<&'static Rules> {
    let Object::Dynamic(object) = object else { return None };
    let info = object.info.as_ref().filter(|info| !info.is_custom())?;
    Some(match info.group_kind() {
        ("certificates.k8s.io", "CertificateSigningRequest") => &certificate_signing_request::RULES,
        ("networking.k8s.io", "IPAddress") => &ip_address::ADDRESS,
        ("networking.k8s.io", "ServiceCIDR") => &ip_address::RANGE,
        ("scheduling.k8s.io", "PriorityClass") => &priority_class::RULES,
        ("node.k8s.io", "RuntimeClass") => &runtime_class::RULES,
        _ => return None,
    })
}

fn fields(object: &Object) -> Map<String, Value> {
    let mut fields = Map::new();
    if let Object::Dynamic(object) = object {
        object.rest.restore(&mut fields);
    }
    fields
}

fn set_fields(object: &mut Object, fields: Map<String, Value>) {
    if let Object::Dynamic(object) = object {
        Arc::make_mut(object).rest = Rest::new(fields);
    }
}

/// Sets what the author left out.
pub(super) fn default(object: &mut Object) {
    if let Some(rules) = rules(object) {
        let mut fields = fields(object);
        (rules.default)(&mut fields);
        set_fields(object, fields);
    }
}

/// Drops what only the system may set.
pub(super) fn prepare_for_create(object: &mut Object) {
    let Some(rules) = rules(object) else { return };
    if rules.status {
        let mut fields = fields(object);
        fields.insert("status".to_owned(), Value::Object(Map::new()));
        set_fields(object, fields);
    }
    if rules.counted {
        object.metadata_mut().generation = Some(1);
    }
}

/// Keeps what an update of the object must not change.
pub(super) fn prepare_for_update(new: &mut Object, old: &Object) {
    let Some(rules) = rules(new) else { return };
    let (mut is, was) = (fields(new), fields(old));
    if rules.status {
        match was.get("status") {
            Some(status) => is.insert("status".to_owned(), status.clone()),
            None => is.remove("status"),
        };
    }
    if rules.fixed {
        is.extend(was.get("spec").map(|spec| ("spec".to_owned(), spec.clone())));
    }
    if rules.counted {
        let changed = i64::from(is.get("spec") != was.get("spec"));
        new.metadata_mut().generation = Some(old.metadata().generation.unwrap_or(0) + changed);
    }
    set_fields(new, is);
}

/// Keeps what an update of the status must not change.
pub(super) fn prepare_status_update(new: &mut Object, old: &Object, subresource: Subresource) {
    if rules(new).is_some_and(|rules| rules.status) {
        let (mut is, mut was) = (fields(new), fields(old));
        if is_signing_request(new) {
            certificate_signing_request::prepare(&mut is, &was, subresource);
        }
        match is.get("status") {
            Some(status) => was.insert("status".to_owned(), status.clone()),
            None => was.remove("status"),
        };
        set_fields(new, was);
    }
}

fn is_signing_request(object: &Object) -> bool {
    object.info().is_some_and(|info| info.group_kind() == ("certificates.k8s.io", "CertificateSigningRequest"))
}

/// Sets times that a change of a subresource leaves out, and appends what is wrong with it.
pub(super) fn status_rules(new: &mut Object, old: &Object, subresource: Subresource, now: Time, errors: &mut Vec<FieldError>) {
    if is_signing_request(new) {
        let (mut is, was) = (fields(new), fields(old));
        certificate_signing_request::stamp(&mut is, &was, now);
        certificate_signing_request::validate_subresource(&Value::Object(is.clone()), &Value::Object(was), subresource, errors);
        set_fields(new, is);
    }
}

/// Appends what is wrong with an object, and with the change of `old`.
pub(super) fn validate(object: &Object, old: Option<&Object>, errors: &mut Vec<FieldError>) {
    if let (Some(rules), Object::Dynamic(dynamic)) = (rules(object), object) {
        let old = old.map(|old| Value::Object(fields(old)));
        (rules.validate)(&dynamic.metadata, &Value::Object(fields(object)), old.as_ref(), errors);
    }
}

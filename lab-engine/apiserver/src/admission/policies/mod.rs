//! ValidatingAdmissionPolicy: policies that learners write in CEL (`k8s.io/apiserver/pkg/admission/plugin/policy/validating`).
//!
//! ```text
//! request ─► matchConstraints of the policy ─► matchResources of each binding ─► for each parameter:
//!              matchConditions ─► variables ─► validations ─► Deny: 422 │ Warn: a warning │ Audit
//! ```
//!
//! A policy without a binding does nothing. The first denial is the answer.
//!
//! **Simplified here:** policies are looked up and read at each request that a kind's rules may match, so that there is no delay as with
//! informers; the action `Audit` and audit annotations leave no trace, as there is no audit log; `status.typeChecking` stays empty;
//! `matchPolicy: Equivalent` finds nothing more than `Exact`, as every kind has one version.

mod evaluate;
mod matching;

use super::Admission;
use crate::storage;
use crate::subresource::Subresource;
use api::Object;
use api::kinds::find_kind;
use api::status::{Cause, Status};
use evaluate::{Denial, denials};
use serde_json::Value;

const GROUP: &str = "admissionregistration.k8s.io";

/// Lets all policies judge a request; `object` is `None` for a deletion. Warnings go to `admission`.
///
/// # Errors
/// The first denial of a binding that denies.
pub(super) fn validate(admission: &mut Admission<'_>, object: Option<&Object>) -> Result<(), Box<Status>> {
    // Nobody may lock himself out: policies do not judge policies.
    if admission.user.is_none() || admission.info.group == GROUP || admission.subresource == Subresource::Scale {
        return Ok(());
    }
    let policies = all(admission, "ValidatingAdmissionPolicy");
    let mut first = None;
    let bindings = if policies.is_empty() { Vec::new() } else { all(admission, "ValidatingAdmissionPolicyBinding") };
    for policy in policies {
        judge(admission, object, policy, &bindings, &mut first);
    }
    first.map_or(Ok(()), |(message, reason)| Err(refusal(admission, object, &message, reason.as_deref())))
}

/// All objects of a kind of the group, by name.
fn all<'a>(admission: &Admission<'a>, kind: &str) -> Vec<&'a Object> {
    let Some(info) = find_kind("admissionregistration.k8s.io/v1", kind) else { return Vec::new() };
    admission.cache.range_of(storage::resource_prefix(info)).collect()
}

fn spec(object: &Object) -> &Value {
    match object {
        Object::Dynamic(object) => object.rest.get("spec").unwrap_or(&Value::Null),
        _ => &Value::Null,
    }
}

fn name(object: &Object) -> &str {
    &object.metadata().name
}

/// Message and reason of the first denial.
type First = Option<(String, Option<String>)>;

/// Lets one policy judge, by each of its bindings.
fn judge(admission: &mut Admission<'_>, object: Option<&Object>, policy: &Object, bindings: &[&Object], first: &mut First) {
    let rules = spec(policy);
    let of_policy = |message: &str| format!("ValidatingAdmissionPolicy '{}' denied request: {message}", name(policy));
    let fails = rules["failurePolicy"] != "Ignore";
    match matching::matches(admission, object, &rules["matchConstraints"]) {
        Ok(true) => {}
        Ok(false) => return,
        Err(why) => {
            deny(first, fails.then(|| (of_policy(&format!("failed to configure policy: {why}")), None)));
            return;
        }
    }
    let kind = &rules["paramKind"];
    if !kind.is_null() && find_kind(kind["apiVersion"].as_str().unwrap_or_default(), kind["kind"].as_str().unwrap_or_default()).is_none() {
        let version = kind["apiVersion"].as_str().unwrap_or_default();
        let slash = if version.contains('/') { "" } else { "/" };
        let kind = format!("{slash}{version}, Kind={}", kind["kind"].as_str().unwrap_or_default());
        let why = format!("failed to configure policy: failed to find resource referenced by paramKind: '{kind}'");
        deny(first, fails.then(|| (of_policy(&why), None)));
        return;
    }
    for binding in bindings.iter().filter(|binding| spec(binding)["policyName"] == name(policy)) {
        let bound = spec(binding);
        let by = format!("ValidatingAdmissionPolicy '{}' with binding '{}'", name(policy), name(binding));
        let params = match matching::matches(admission, object, &bound["matchResources"]) {
            Ok(false) => continue,
            Ok(true) => matching::params(admission, object, kind, &bound["paramRef"]),
            Err(why) => Err(why),
        };
        let params = match params {
            Ok(params) => params,
            Err(why) => {
                deny(first, fails.then(|| (format!("{by} denied request: failed to configure binding: {why}"), None)));
                continue;
            }
        };
        let found: Vec<Denial> = params.into_iter().flat_map(|params| denials(admission, object, rules, params)).collect();
        for denial in found {
            for action in bound["validationActions"].as_array().into_iter().flatten() {
                match action.as_str() {
                    Some("Deny") => deny(first, Some((format!("{by} denied request: {}", denial.message), denial.reason.clone()))),
                    Some("Warn") => admission.warn(format!("Validation failed for {by}: {}", denial.message)),
                    _ => {}
                }
            }
        }
    }
}

fn deny(first: &mut First, denial: First) {
    if first.is_none() {
        *first = denial;
    }
}

/// The words of a refusal are those of a forbidden request, its reason and code those of the validation.
fn refusal(admission: &Admission<'_>, object: Option<&Object>, message: &str, reason: Option<&str>) -> Box<Status> {
    let name = object.or(admission.old).map(name).unwrap_or_default();
    let mut status = Status::forbidden(&admission.info.gvr(), name, message);
    (status.code, status.reason) = match reason {
        Some("Forbidden") => (403, "Forbidden"),
        Some("Unauthorized") => (401, "Unauthorized"),
        Some("RequestEntityTooLarge") => (413, "RequestEntityTooLarge"),
        _ => (422, "Invalid"),
    };
    status.details.causes.push(Cause { reason: "", message: message.to_owned(), field: String::new() });
    Box::new(status)
}

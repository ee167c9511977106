//! Validation, for whoever wants to know what the API server would say without asking it (`pkg/apis/*/validation`).
//!
//! These are the very functions that requests go through, after defaults are set; nothing is defaulted here:
//! `validate(&pod)` gives `spec.containers[0].image: Required value` as data.
//!
//! **Simplified here:** of the kinds without a struct only the metadata is checked.

use api::Object;
use api::core::PodSpec;
use api::status::FieldError;

/// What is wrong with a new object, in the order in which it is found.
pub fn validate(object: &Object) -> Vec<FieldError> {
    crate::registry::validate(object)
}

/// What is wrong with a change of an object.
pub fn validate_update(new: &Object, old: &Object) -> Vec<FieldError> {
    crate::registry::validate_update(new, old)
}

/// What is wrong with a change of an object by the rules for changes alone (`ValidatePodUpdate`); for kinds other than Pods, the whole
/// validation of a change.
pub fn validate_update_rules(new: &Object, old: &Object) -> Vec<FieldError> {
    crate::registry::update_rules(new, old)
}

/// What is wrong with the spec of a Pod (`ValidatePodSpec`); paths begin with `spec`.
pub fn validate_pod_spec(spec: &PodSpec) -> Vec<FieldError> {
    let mut errors = Vec::new();
    crate::registry::pod_spec(spec, &mut errors);
    errors
}

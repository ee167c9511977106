//! Ingresses, their classes, and NetworkPolicies: kinds with a struct, whose rules are those of [`ingress`] and
//! [`network_policy`], which read JSON (`pkg/registry/networking`).
//!
//! **Simplified here:** no resource backends.

use super::dynamic::Rules;
use super::{Strategy, ingress, network_policy};
use api::Resource;
use api::json::{Json, decode};
use api::networking::{Ingress, IngressClass, IngressStatus, NetworkPolicy};
use api::status::FieldError;
use serde_json::{Map, Value};

/// The object without its metadata.
fn fields<R: Json>(object: &R) -> Map<String, Value> {
    let Value::Object(mut fields) = object.to_json() else { return Map::new() };
    fields.remove("metadata");
    fields
}

/// Sets what the author left out.
fn set_defaults<R: Resource + Json>(object: &mut R, rules: &Rules) {
    let mut fields = fields(object);
    (rules.default)(&mut fields);
    // What the rules add fits into the struct; the author's fields came from it.
    if let Ok(mut defaulted) = decode::<R>(Value::Object(fields)) {
        std::mem::swap(defaulted.metadata_mut(), object.metadata_mut());
        *object = defaulted;
    }
}

fn check<R: Resource + Json>(object: &R, old: Option<&R>, rules: &Rules, errors: &mut Vec<FieldError>) {
    let old = old.map(|old| Value::Object(fields(old)));
    (rules.validate)(object.metadata(), &Value::Object(fields(object)), old.as_ref(), errors);
}

/// Counts a change of the spec.
fn count<R: Resource>(new: &mut R, old: &R, changed: bool) {
    new.metadata_mut().generation = Some(old.metadata().generation.unwrap_or(0) + i64::from(changed));
}

impl Strategy for Ingress {
    fn prepare_for_create(&mut self) {
        self.metadata.generation = Some(1);
        self.status = IngressStatus::default();
    }

    fn prepare_for_update(&mut self, old: &Self) {
        self.status = old.status.clone();
        let changed = self.spec != old.spec;
        count(self, old, changed);
    }

    fn prepare_status_update(&mut self, old: &Self) {
        self.spec = old.spec.clone();
    }

    fn validate(&self, errors: &mut Vec<FieldError>) {
        check(self, None, &ingress::INGRESS, errors);
    }

    fn validate_update(&self, old: &Self, errors: &mut Vec<FieldError>) {
        check(self, Some(old), &ingress::INGRESS, errors);
    }
}

/// A kind that has no status, whose defaults and checks are those of the rules.
macro_rules! by_rules {
    ($kind:ty, $rules:expr) => {
        impl Strategy for $kind {
            fn default(&mut self) {
                set_defaults(self, &$rules);
            }

            fn prepare_for_create(&mut self) {
                self.metadata.generation = Some(1);
            }

            fn prepare_for_update(&mut self, old: &Self) {
                let changed = self.spec != old.spec;
                count(self, old, changed);
            }

            fn validate(&self, errors: &mut Vec<FieldError>) {
                check(self, None, &$rules, errors);
            }

            fn validate_update(&self, old: &Self, errors: &mut Vec<FieldError>) {
                check(self, Some(old), &$rules, errors);
            }
        }
    };
}

by_rules!(IngressClass, ingress::CLASS);
by_rules!(NetworkPolicy, network_policy::RULES);

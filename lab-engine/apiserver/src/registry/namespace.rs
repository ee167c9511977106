//! Namespaces (`pkg/registry/core/namespace/strategy.go`).

use super::Strategy;
use super::report::Report;
use api::core::Namespace;
use api::names;
use api::status::FieldError;
use std::borrow::Cow;

const NAME_LABEL: &str = "kubernetes.io/metadata.name";
const FINALIZER: &str = "kubernetes";

impl Strategy for Namespace {
    fn default(&mut self) {
        self.metadata.labels.insert(NAME_LABEL.to_owned(), self.metadata.name.clone());
    }

    fn prepare_for_create(&mut self) {
        self.status.phase = "Active".to_owned();
        if !self.spec.finalizers.iter().any(|finalizer| finalizer == FINALIZER) {
            self.spec.finalizers.push(FINALIZER.to_owned());
        }
    }

    fn validate(&self, errors: &mut Vec<FieldError>) {
        for name in &self.spec.finalizers {
            let wrong = names::qualified_name(name);
            if wrong.is_empty() && !name.contains('/') && !matches!(name.as_str(), FINALIZER | "orphan" | "foregroundDeletion") {
                errors.invalid("spec.finalizers", name, "name is neither a standard finalizer name nor is it fully qualified");
            }
            errors.malformed("spec.finalizers", name, wrong);
        }
    }

    fn prepare_for_update(&mut self, old: &Self) {
        self.spec.finalizers = old.spec.finalizers.clone();
        self.status = old.status.clone();
    }

    fn prepare_status_update(&mut self, old: &Self) {
        self.spec = old.spec.clone();
    }

    fn field(&self, name: &str) -> Option<Cow<'_, str>> {
        (name == "status.phase").then_some(Cow::Borrowed(self.status.phase.as_str()))
    }
}

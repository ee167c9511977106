//! ControllerRevisions (`pkg/registry/apps/controllerrevision/strategy.go`).

use super::{Strategy, meta};
use api::apps::ControllerRevision;
use api::status::FieldError;

impl Strategy for ControllerRevision {
    fn validate(&self, errors: &mut Vec<FieldError>) {
        if self.data.is_none() {
            errors.push(FieldError::required("data", "data is mandatory"));
        }
        meta::non_negative(Some(self.revision), "revision", errors);
    }

    fn validate_update(&self, old: &Self, errors: &mut Vec<FieldError>) {
        self.validate(errors);
        meta::immutable(&self.data, &old.data, "data", errors);
    }
}

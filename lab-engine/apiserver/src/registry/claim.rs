//! PersistentVolumeClaims (`pkg/registry/core/persistentvolumeclaim/strategy.go`).
//!
//! **Simplified here:** validation looks for access modes and a size, and not at what may change.

use super::Strategy;
use api::core::{PersistentVolumeClaim, PersistentVolumeClaimStatus};
use api::status::FieldError;

/// Sets what a claim, or a template of one, leaves out.
pub(super) fn defaults(claim: &mut PersistentVolumeClaim) {
    claim.spec.volume_mode.get_or_insert_with(|| "Filesystem".to_owned());
}

/// Appends what is wrong with the wish of a claim.
pub(super) fn spec(claim: &PersistentVolumeClaim, path: &str, errors: &mut Vec<FieldError>) {
    if claim.spec.access_modes.is_empty() {
        errors.push(FieldError::required(format!("{path}.accessModes"), "at least 1 access mode is required"));
    }
    let modes = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
    for mode in claim.spec.access_modes.iter().filter(|mode| !modes.contains(&mode.as_str())) {
        errors.push(FieldError::not_supported(format!("{path}.accessModes"), mode, &modes));
    }
    if !claim.spec.resources.requests.contains_key("storage") {
        errors.push(FieldError::required(format!("{path}.resources[storage]"), ""));
    }
}

impl Strategy for PersistentVolumeClaim {
    fn default(&mut self) {
        defaults(self);
        if self.status.phase.is_empty() {
            self.status.phase = "Pending".to_owned();
        }
    }

    fn prepare_for_create(&mut self) {
        self.status = PersistentVolumeClaimStatus { phase: "Pending".to_owned(), ..PersistentVolumeClaimStatus::default() };
    }

    fn validate(&self, errors: &mut Vec<FieldError>) {
        spec(self, "spec", errors);
    }

    fn prepare_for_update(&mut self, old: &Self) {
        self.status = old.status.clone();
    }

    fn prepare_status_update(&mut self, old: &Self) {
        self.spec = old.spec.clone();
    }
}

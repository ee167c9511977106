//! Leases (`pkg/registry/coordination/lease/strategy.go`).

use super::Strategy;
use api::coordination::Lease;
use api::status::FieldError;

impl Strategy for Lease {
    fn validate(&self, errors: &mut Vec<FieldError>) {
        if let Some(seconds) = self.spec.lease_duration_seconds.filter(|&seconds| seconds <= 0) {
            errors.push(FieldError::invalid_number("spec.leaseDurationSeconds", seconds.into(), "must be greater than 0"));
        }
        if let Some(count) = self.spec.lease_transitions.filter(|&count| count < 0) {
            errors.push(FieldError::invalid_number("spec.leaseTransitions", count.into(), "must be greater than or equal to 0"));
        }
    }
}

//! PodDisruptionBudgets (`pkg/registry/policy/poddisruptionbudget/strategy.go`).

use super::Strategy;
use api::policy::{PodDisruptionBudget, PodDisruptionBudgetStatus};

impl Strategy for PodDisruptionBudget {
    fn prepare_for_create(&mut self) {
        self.status = PodDisruptionBudgetStatus::default();
        self.metadata.generation = Some(1);
    }

    fn prepare_for_update(&mut self, old: &Self) {
        self.status = old.status.clone();
        if self.spec != old.spec {
            self.metadata.generation = Some(old.metadata.generation.unwrap_or(0) + 1);
        }
    }

    fn prepare_status_update(&mut self, old: &Self) {
        self.spec = old.spec.clone();
    }
}

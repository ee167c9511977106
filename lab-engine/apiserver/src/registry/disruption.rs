//! PodDisruptionBudgets (`pkg/registry/policy/poddisruptionbudget/strategy.go`, `pkg/apis/policy/validation`).

use super::report::Report;
use super::{Strategy, deployment, meta};
use api::json::Json;
use api::policy::{PodDisruptionBudget, PodDisruptionBudgetStatus};
use api::status::FieldError;

impl Strategy for PodDisruptionBudget {
    fn prepare_for_create(&mut self) {
        self.status = PodDisruptionBudgetStatus::default();
        self.metadata.generation = Some(1);
    }

    fn validate(&self, errors: &mut Vec<FieldError>) {
        let spec = &self.spec;
        if spec.min_available.is_some() && spec.max_unavailable.is_some() {
            errors.invalid_json("spec", &spec.to_json(), "minAvailable and maxUnavailable cannot be both set");
        }
        for (path, bound) in [("spec.minAvailable", &spec.min_available), ("spec.maxUnavailable", &spec.max_unavailable)] {
            let Some(bound) = bound else { continue };
            let number = deployment::positive(bound, path, errors);
            deployment::at_most_all(bound, number, path, errors);
        }
        if let Some(selector) = &spec.selector {
            meta::label_selector(selector, "spec.selector", errors);
        }
        let policies = ["AlwaysAllow", "IfHealthyBudget"];
        if let Some(policy) = spec.unhealthy_pod_eviction_policy.as_deref().filter(|policy| !policies.contains(policy)) {
            errors.not_supported("spec.unhealthyPodEvictionPolicy", policy, &policies);
        }
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

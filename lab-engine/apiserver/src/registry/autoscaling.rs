//! HorizontalPodAutoscalers (`pkg/apis/autoscaling/v2/defaults.go`, `pkg/registry/autoscaling/horizontalpodautoscaler/strategy.go`).

use super::{Strategy, hpa_validation};
use api::autoscaling::{
    HPAScalingPolicy, HPAScalingRules, HorizontalPodAutoscaler, HorizontalPodAutoscalerStatus, MetricSpec, MetricTarget,
    ResourceMetricSource,
};
use api::status::FieldError;

/// The percentage of the requested CPU that Pods should use when nothing is said (`autoscaling.DefaultCPUUtilization`).
const DEFAULT_CPU_UTILIZATION: i32 = 80;

fn policy(type_: &str, value: i32, period_seconds: i32) -> HPAScalingPolicy {
    HPAScalingPolicy { type_: type_.to_owned(), value, period_seconds, ..HPAScalingPolicy::default() }
}

/// Sets what the rules leave out (`GenerateHPAScaleUpRules`, `GenerateHPAScaleDownRules`).
fn fill(rules: &mut Option<HPAScalingRules>, window: Option<i32>, policies: Vec<HPAScalingPolicy>) {
    let rules = rules.get_or_insert_default();
    rules.stabilization_window_seconds = rules.stabilization_window_seconds.or(window);
    rules.select_policy.get_or_insert_with(|| "Max".to_owned());
    if rules.policies.is_empty() {
        rules.policies = policies;
    }
}

impl Strategy for HorizontalPodAutoscaler {
    fn default(&mut self) {
        self.spec.min_replicas.get_or_insert(1);
        if self.spec.metrics.is_empty() {
            let target = MetricTarget {
                type_: "Utilization".to_owned(),
                average_utilization: Some(DEFAULT_CPU_UTILIZATION),
                ..MetricTarget::default()
            };
            let resource = Some(ResourceMetricSource { name: "cpu".to_owned(), target, ..ResourceMetricSource::default() });
            self.spec.metrics.push(MetricSpec { type_: "Resource".to_owned(), resource, ..MetricSpec::default() });
        }
        if let Some(behavior) = &mut self.spec.behavior {
            fill(&mut behavior.scale_up, Some(0), vec![policy("Pods", 4, 15), policy("Percent", 100, 15)]);
            fill(&mut behavior.scale_down, None, vec![policy("Percent", 100, 15)]);
        }
    }

    fn prepare_for_create(&mut self) {
        self.status = HorizontalPodAutoscalerStatus::default();
    }

    fn validate(&self, errors: &mut Vec<FieldError>) {
        hpa_validation::spec(&self.spec, errors);
    }

    fn prepare_for_update(&mut self, old: &Self) {
        self.status = old.status.clone();
    }

    fn prepare_status_update(&mut self, old: &Self) {
        self.spec = old.spec.clone();
    }
}

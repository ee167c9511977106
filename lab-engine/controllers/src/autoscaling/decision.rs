//! What an autoscaler makes of its target and metrics (`reconcileAutoscaler` and `computeReplicasForMetrics` in
//! `pkg/controller/podautoscaler/horizontal.go`), with the conditions that say so.

use super::behavior::{
    self, DOWNSCALE_STABILIZATION, Judged, Limits, Recommendation, ScaleEvent, limit, limit_with_behavior, longest_period, stabilize,
    stabilize_with_behavior,
};
use super::metrics::MetricsClient;
use super::proposals::{Proposal, Question, Unavailable, propose};
use super::replica_calculator::{ReplicaCalculator, Tolerances};
use api::autoscaling::{HPAScalingRules, HorizontalPodAutoscaler, MetricStatus};
use api::meta::Condition;
use api::quantity::Quantity;
use sim::Time;
use std::time::Duration;

/// What is remembered of an autoscaler between two looks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    pub(crate) recommendations: Vec<Recommendation>,
    ups: Vec<ScaleEvent>,
    downs: Vec<ScaleEvent>,
}

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Decision {
    /// How many replicas there should be.
    pub(crate) desired: i32,
    /// How many the metrics want, before stabilisation and limits.
    pub(crate) proposed: Option<i32>,
    /// Why the number changes; empty when it stays.
    pub(crate) reason: String,
    /// What the metrics are.
    pub(crate) metrics: Vec<MetricStatus>,
    /// What went wrong with the metrics.
    pub(crate) error: Option<String>,
    /// Whether nothing could be decided.
    pub(crate) failed: bool,
}

/// Sets a condition (`setConditionInList`).
pub(crate) fn set_condition(hpa: &mut HorizontalPodAutoscaler, now: Time, type_: &str, status: bool, reason: &str, message: &str) {
    let conditions = &mut hpa.status.conditions;
    let status = if status { "True" } else { "False" };
    let index = conditions.iter().position(|condition| condition.type_ == type_).unwrap_or_else(|| {
        conditions.push(Condition { type_: type_.to_owned(), ..Condition::default() });
        conditions.len() - 1
    });
    let condition = &mut conditions[index];
    if condition.status != status {
        condition.last_transition_time = Some(now.into());
    }
    status.clone_into(&mut condition.status);
    reason.clone_into(&mut condition.reason);
    message.clone_into(&mut condition.message);
}

impl Memory {
    /// Notes a change, for the policies of later ones (`storeScaleEvent`).
    pub(crate) fn scaled(&mut self, now: Time, hpa: &HorizontalPodAutoscaler, from: i32, to: i32) {
        let Some(rules) = &hpa.spec.behavior else { return };
        let (events, rules) = if to > from { (&mut self.ups, &rules.scale_up) } else { (&mut self.downs, &rules.scale_down) };
        let longest = rules.as_ref().map_or(Duration::ZERO, longest_period);
        events.retain(|event| now.since(event.at) < longest);
        events.push(ScaleEvent { change: (to - from).abs(), at: now });
    }

    /// Notes a recommendation, and forgets those that no window reaches any more.
    fn recommend(&mut self, now: Time, replicas: i32, longest: Duration) {
        self.recommendations.retain(|recommendation| now.since(recommendation.at) <= longest);
        self.recommendations.push(Recommendation { replicas, at: now });
    }
}

/// The calculator with the autoscaler's own tolerances.
fn calculator(hpa: &HorizontalPodAutoscaler) -> ReplicaCalculator {
    let mut calculator = ReplicaCalculator::default();
    let of = |rules: Option<&HPAScalingRules>| rules.and_then(|rules| rules.tolerance.as_ref()).and_then(fraction);
    if let Some(behavior) = &hpa.spec.behavior {
        let Tolerances { scale_down, scale_up } = &mut calculator.tolerances;
        *scale_down = of(behavior.scale_down.as_ref()).unwrap_or(*scale_down);
        *scale_up = of(behavior.scale_up.as_ref()).unwrap_or(*scale_up);
    }
    calculator
}

fn fraction(quantity: &Quantity) -> Option<f64> {
    quantity.decimal().parse().ok()
}

/// Decides, and writes down why in the conditions of the autoscaler.
pub(crate) fn decide(
    hpa: &mut HorizontalPodAutoscaler,
    memory: &mut Memory,
    metrics: &dyn MetricsClient,
    question: Question<'_>,
    ambiguous: Option<(&'static str, String)>,
) -> Decision {
    let Question { now, spec_replicas: current, .. } = question;
    let (min, max) = (hpa.spec.min_replicas.unwrap_or(1), hpa.spec.max_replicas);
    if memory.recommendations.is_empty() {
        memory.recommendations.push(Recommendation { replicas: current, at: now });
    }
    let keep = Decision { desired: current, ..Decision::default() };
    if current == 0 && min != 0 {
        let message = "scaling is disabled since the replica count of the target is zero";
        set_condition(hpa, now, "ScalingActive", false, "ScalingDisabled", message);
        return keep;
    }
    if current > max {
        return Decision { desired: max, reason: "Current number of replicas above Spec.MaxReplicas".to_owned(), ..keep };
    }
    if current < min {
        return Decision { desired: min, reason: "Current number of replicas below Spec.MinReplicas".to_owned(), ..keep };
    }
    if let Some((reason, message)) = ambiguous {
        set_condition(hpa, now, "ScalingActive", false, reason, &message);
        return Decision { error: Some(message), failed: true, ..keep };
    }
    let measured = measure(hpa, metrics, question);
    let Some(proposal) = measured.proposal else {
        return Decision { metrics: measured.statuses, error: measured.error, failed: true, ..keep };
    };
    let normal = normalize(hpa, memory, now, current, proposal.replicas, (min, max));
    let reason = match proposal.replicas {
        more if more > current => format!("{} above target", proposal.name),
        fewer if fewer < current => "All metrics below target".to_owned(),
        _ => String::new(),
    };
    let reason = if normal == current { String::new() } else { reason };
    let proposed = Some(proposal.replicas);
    Decision { desired: normal, proposed, reason, metrics: measured.statuses, error: measured.error, failed: false }
}

/// What all metrics say together.
struct Measured {
    statuses: Vec<MetricStatus>,
    proposal: Option<Proposal>,
    error: Option<String>,
}

/// Takes the highest proposal of all metrics; where one is missing, the number does not fall (`computeReplicasForMetrics`).
fn measure(hpa: &mut HorizontalPodAutoscaler, metrics: &dyn MetricsClient, question: Question<'_>) -> Measured {
    let calculator = calculator(hpa);
    let (mut statuses, mut invalid): (Vec<MetricStatus>, Vec<Unavailable>) = Default::default();
    let mut highest: Option<Proposal> = None;
    for spec in &hpa.spec.metrics {
        match propose(&calculator, metrics, question, spec) {
            Ok(proposal) => {
                statuses.push(proposal.status.clone());
                if highest.as_ref().is_none_or(|highest| highest.replicas == 0 || proposal.replicas > highest.replicas) {
                    highest = Some(proposal);
                }
            }
            Err(unavailable) => {
                // Keeps each metric at its place.
                statuses.push(MetricStatus::default());
                invalid.push(unavailable);
            }
        }
    }
    let error = invalid.first().map(|first| {
        let (count, all) = (invalid.len(), hpa.spec.metrics.len());
        format!("invalid metrics ({count} invalid out of {all}), first error is: {}", first.error)
    });
    let falls = highest.as_ref().is_none_or(|highest| highest.replicas < question.spec_replicas);
    if let Some(first) = invalid.first().filter(|_| falls) {
        set_condition(hpa, question.now, "ScalingActive", false, first.reason, &first.message);
        return Measured { statuses, proposal: None, error };
    }
    if let Some(highest) = &highest {
        let message = format!("the HPA was able to successfully calculate a replica count from {}", highest.name);
        set_condition(hpa, question.now, "ScalingActive", true, "ValidMetricFound", &message);
    }
    Measured { statuses, proposal: highest, error }
}

/// Stabilises and limits a recommendation (`normalizeDesiredReplicas`, `normalizeDesiredReplicasWithBehaviors`).
fn normalize(
    hpa: &mut HorizontalPodAutoscaler,
    memory: &mut Memory,
    now: Time,
    current: i32,
    proposed: i32,
    (min, max): (i32, i32),
) -> i32 {
    let (stabilized, limited) = match &hpa.spec.behavior {
        None => {
            let stabilized = stabilize(now, proposed, &memory.recommendations, DOWNSCALE_STABILIZATION);
            memory.recommend(now, proposed, DOWNSCALE_STABILIZATION);
            (stabilized, limit(current, stabilized.replicas, min, max))
        }
        Some(behavior) => {
            let (up, down) = (behavior.scale_up.clone().unwrap_or_default(), behavior.scale_down.clone().unwrap_or_default());
            let stabilized = stabilize_with_behavior(now, current, proposed, &memory.recommendations, &up, &down);
            memory.recommend(now, proposed, behavior::up_window(&up).max(behavior::down_window(&down)));
            let limits = Limits { min, max, up: &up, down: &down, ups: &memory.ups, downs: &memory.downs };
            (stabilized, limit_with_behavior(now, current, stabilized.replicas, limits))
        }
    };
    let Judged { replicas, reason, message } = stabilized;
    if replicas == proposed {
        set_condition(hpa, now, "AbleToScale", true, "ReadyForNewScale", "recommended size matches current size");
    } else {
        set_condition(hpa, now, "AbleToScale", true, reason, message);
    }
    set_condition(hpa, now, "ScalingLimited", limited.replicas != replicas, limited.reason, limited.message);
    limited.replicas
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::autoscaling::metrics::NoMetrics;
    use api::json::decode;
    use api::labels::Selector;
    use serde_json::json;

    fn question(current: i32, selector: &Selector) -> Question<'_> {
        Question { now: Time::from_secs(60), namespace: "default", selector, pods: &[], spec_replicas: current, status_replicas: current }
    }

    fn hpa() -> HorizontalPodAutoscaler {
        let target = json!({"type": "Utilization", "averageUtilization": 50});
        let metrics = json!([{"type": "Resource", "resource": {"name": "cpu", "target": target}}]);
        decode(json!({"spec": {"minReplicas": 2, "maxReplicas": 5, "metrics": metrics}})).unwrap()
    }

    fn decided(current: i32) -> (Decision, HorizontalPodAutoscaler) {
        let (selector, mut hpa) = (Selector::default(), hpa());
        let decision = decide(&mut hpa, &mut Memory::default(), &NoMetrics, question(current, &selector), None);
        (decision, hpa)
    }

    #[test]
    fn bounds_hold_without_any_metrics() {
        assert_eq!((decided(1).0.desired, decided(9).0.desired, decided(0).0.desired), (2, 5, 0));
        assert_eq!(decided(9).0.reason, "Current number of replicas above Spec.MaxReplicas");
        assert_eq!(decided(0).1.status.conditions[0].reason, "ScalingDisabled");
    }

    #[test]
    fn without_metrics_the_number_stays_and_the_condition_says_why() {
        let (decision, hpa) = decided(3);
        assert_eq!(decision.desired, 3);
        let error = decision.error.unwrap();
        assert!(
            error.starts_with("invalid metrics (1 invalid out of 1), first error is: failed to get cpu utilization: unable to get"),
            "{error}"
        );
        assert_eq!(hpa.status.conditions[0].reason, "FailedGetResourceMetric");
    }
}

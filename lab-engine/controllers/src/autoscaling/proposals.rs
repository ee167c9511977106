//! What one metric of an autoscaler proposes (`computeReplicasForMetric` and `computeStatusFor…Metric` in
//! `pkg/controller/podautoscaler/horizontal.go`).

use super::metrics::MetricsClient;
use super::replica_calculator::{Calculated, ReplicaCalculator};
use api::autoscaling::{
    ContainerResourceMetricStatus, ExternalMetricStatus, MetricSpec, MetricStatus, MetricTarget, MetricValueStatus, ObjectMetricStatus,
    PodsMetricStatus, ResourceMetricStatus,
};
use api::core::Pod;
use api::labels::Selector;
use api::meta::LabelSelector;
use api::quantity::Quantity;
use sim::Time;
use std::sync::Arc;

/// What a proposal is made from.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The present.
    pub now: Time,
    /// The namespace of autoscaler and Pods.
    pub namespace: &'a str,
    /// Which Pods the target has.
    pub selector: &'a Selector,
    /// Those Pods.
    pub pods: &'a [Arc<Pod>],
    /// How many replicas the target should have.
    pub spec_replicas: i32,
    /// How many it says it has.
    pub status_replicas: i32,
}

/// What a metric proposes.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// How many replicas.
    pub replicas: i32,
    /// What the metric is called in messages.
    pub name: String,
    /// What the status shows of it.
    pub status: MetricStatus,
}

/// Why there is no proposal: the reason of the condition `ScalingActive`, its message, and the error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unavailable {
    /// For example `FailedGetResourceMetric`.
    pub reason: &'static str,
    /// The message of the condition.
    pub message: String,
    /// The error, as events and other messages tell it.
    pub error: String,
}

fn unavailable(reason: &'static str, error: String) -> Unavailable {
    Unavailable { reason, message: format!("the HPA was unable to compute the replica count: {error}"), error }
}

fn milli(value: i64) -> Option<Quantity> {
    Some(Quantity::from_milli(value))
}

/// How Go prints a pointer to a label selector.
fn go_selector(selector: Option<&LabelSelector>) -> String {
    let Some(selector) = selector else { return "nil".to_owned() };
    let labels: String = selector.match_labels.iter().map(|(key, value)| format!("{key}: {value},")).collect();
    let one = |requirement: &api::meta::LabelSelectorRequirement| {
        let values = requirement.values.join(" ");
        format!("LabelSelectorRequirement{{Key:{},Operator:{},Values:[{values}],}},", requirement.key, requirement.operator)
    };
    let expressions: String = selector.match_expressions.iter().map(one).collect();
    format!("&LabelSelector{{MatchLabels:map[string]string{{{labels}}},MatchExpressions:[]LabelSelectorRequirement{{{expressions}}},}}")
}

/// What a metric proposes.
///
/// # Errors
/// There is no metric, or nothing to compare it with.
pub fn propose(
    calculator: &ReplicaCalculator,
    metrics: &dyn MetricsClient,
    question: Question<'_>,
    spec: &MetricSpec,
) -> Result<Proposal, Unavailable> {
    let proposal = match spec.type_.as_str() {
        "Object" => object(calculator, metrics, question, spec),
        "Pods" => pods(calculator, metrics, question, spec),
        "Resource" => resource(calculator, metrics, question, spec),
        "ContainerResource" => container_resource(calculator, metrics, question, spec),
        "External" => external(calculator, metrics, question, spec),
        _ => None,
    };
    let unknown = || {
        let error = format!("unknown metric source type {:?}", spec.type_);
        Err(unavailable("InvalidMetricSourceType", error))
    };
    proposal.unwrap_or_else(unknown)
}

type Answer = Option<Result<Proposal, Unavailable>>;

fn status(spec: &MetricSpec) -> MetricStatus {
    MetricStatus { type_: spec.type_.clone(), ..MetricStatus::default() }
}

/// The use of a resource, compared with a value or with what is requested (`computeStatusForResourceMetricGeneric`).
fn usage(
    calculator: &ReplicaCalculator,
    metrics: &dyn MetricsClient,
    question: Question<'_>,
    resource: &str,
    container: &str,
    target: &MetricTarget,
) -> Result<(i32, String, MetricValueStatus), String> {
    let Question { now, namespace, selector, pods, spec_replicas, .. } = question;
    let fetch = || {
        let info = metrics.resource(resource, namespace, selector, container);
        info.map_err(|why| format!("unable to get metrics for resource {resource}: {why}"))
    };
    if let Some(average) = &target.average_value {
        let calculated = fetch().and_then(|info| calculator.by_value(now, spec_replicas, average.milli_value(), resource, pods, info));
        let Calculated { replicas, value, .. } = calculated.map_err(|why| format!("failed to get {resource} usage: {why}"))?;
        let current = MetricValueStatus { average_value: milli(value), ..MetricValueStatus::default() };
        return Ok((replicas, format!("{resource} resource"), current));
    }
    let Some(percent) = target.average_utilization else {
        let why = "invalid resource metric source: neither an average utilization target nor an average value (usage) target was set";
        return Err(why.to_owned());
    };
    let calculated = fetch().and_then(|info| calculator.by_utilization(now, spec_replicas, percent, resource, container, pods, info));
    let Calculated { replicas, utilization, value } = calculated.map_err(|why| format!("failed to get {resource} utilization: {why}"))?;
    let current = MetricValueStatus { average_utilization: Some(utilization), average_value: milli(value), ..MetricValueStatus::default() };
    Ok((replicas, format!("{resource} resource utilization (percentage of request)"), current))
}

fn resource(calculator: &ReplicaCalculator, metrics: &dyn MetricsClient, question: Question<'_>, spec: &MetricSpec) -> Answer {
    let source = spec.resource.as_ref()?;
    let usage = usage(calculator, metrics, question, &source.name, "", &source.target);
    Some(usage.map_err(|error| unavailable("FailedGetResourceMetric", error)).map(|(replicas, name, current)| {
        let resource = Some(ResourceMetricStatus { name: source.name.clone(), current, ..ResourceMetricStatus::default() });
        Proposal { replicas, name, status: MetricStatus { resource, ..status(spec) } }
    }))
}

fn container_resource(calculator: &ReplicaCalculator, metrics: &dyn MetricsClient, question: Question<'_>, spec: &MetricSpec) -> Answer {
    let source = spec.container_resource.as_ref()?;
    let usage = usage(calculator, metrics, question, &source.name, &source.container, &source.target);
    Some(usage.map_err(|error| unavailable("FailedGetContainerResourceMetric", error)).map(|(replicas, name, current)| {
        let container_resource = Some(ContainerResourceMetricStatus {
            name: source.name.clone(),
            container: source.container.clone(),
            current,
            ..ContainerResourceMetricStatus::default()
        });
        Proposal { replicas, name, status: MetricStatus { container_resource, ..status(spec) } }
    }))
}

fn pods(calculator: &ReplicaCalculator, metrics: &dyn MetricsClient, question: Question<'_>, spec: &MetricSpec) -> Answer {
    let source = spec.pods.as_ref()?;
    let target = source.target.average_value.map_or(0, |value| value.milli_value());
    let info = metrics.raw(&source.metric, question.namespace, question.selector);
    let info = info.map_err(|why| format!("unable to get metric {}: {why}", source.metric.name));
    let calculated = info.and_then(|info| calculator.by_value(question.now, question.spec_replicas, target, "", question.pods, info));
    let failed = |why| unavailable("FailedGetPodsMetric", format!("failed to get pods metric value: {why}"));
    Some(calculated.map_err(failed).map(|calculated| {
        let current = MetricValueStatus { average_value: milli(calculated.value), ..MetricValueStatus::default() };
        let pods = Some(PodsMetricStatus { metric: source.metric.clone(), current, ..PodsMetricStatus::default() });
        let name = format!("pods metric {}", source.metric.name);
        Proposal { replicas: calculated.replicas, name, status: MetricStatus { pods, ..status(spec) } }
    }))
}

/// The number for a value that is of all Pods together, or shared among them.
fn of_total(
    calculator: &ReplicaCalculator,
    question: Question<'_>,
    target: &MetricTarget,
    usage: i64,
) -> Result<(i32, MetricValueStatus), String> {
    if let Some(average) = &target.average_value {
        let Calculated { replicas, value, .. } = calculator.by_share(question.status_replicas, average.milli_value(), usage);
        return Ok((replicas, MetricValueStatus { average_value: milli(value), ..MetricValueStatus::default() }));
    }
    let wanted = target.value.map_or(0, |value| value.milli_value());
    let Calculated { replicas, value, .. } = calculator.by_total(question.spec_replicas, wanted, usage, question.pods)?;
    Ok((replicas, MetricValueStatus { value: milli(value), ..MetricValueStatus::default() }))
}

fn object(calculator: &ReplicaCalculator, metrics: &dyn MetricsClient, question: Question<'_>, spec: &MetricSpec) -> Answer {
    let source = spec.object.as_ref()?;
    let described = &source.described_object;
    if source.target.value.is_none() && source.target.average_value.is_none() {
        let error = "invalid object metric source: neither a value target nor an average value target was set".to_owned();
        return Some(Err(unavailable("FailedGetObjectMetric", error)));
    }
    let usage = metrics.object(&source.metric, question.namespace, described).map_err(|why| {
        let (metric, namespace) = (&source.metric.name, question.namespace);
        format!("unable to get metric {metric}: {} on {namespace} {}/{why}", described.kind, described.name)
    });
    let calculated = usage.and_then(|usage| of_total(calculator, question, &source.target, usage));
    let failed = |why| unavailable("FailedGetObjectMetric", format!("failed to get object metric value: {why}"));
    Some(calculated.map_err(failed).map(|(replicas, current)| {
        let object = Some(ObjectMetricStatus {
            metric: source.metric.clone(),
            described_object: described.clone(),
            current,
            ..ObjectMetricStatus::default()
        });
        let name = format!("{} metric {}", described.kind, source.metric.name);
        Proposal { replicas, name, status: MetricStatus { object, ..status(spec) } }
    }))
}

fn external(calculator: &ReplicaCalculator, metrics: &dyn MetricsClient, question: Question<'_>, spec: &MetricSpec) -> Answer {
    let source = spec.external.as_ref()?;
    let selector = go_selector(source.metric.selector.as_ref());
    if source.target.value.is_none() && source.target.average_value.is_none() {
        let error = "invalid external metric source: neither a value target nor an average value target was set".to_owned();
        return Some(Err(unavailable("FailedGetExternalMetric", error)));
    }
    let usage = metrics.external(&source.metric, question.namespace);
    let usage = usage.map(|series| series.into_iter().fold(0, i64::saturating_add));
    let usage =
        usage.map_err(|why| format!("unable to get external metric {}/{}/{selector}: {why}", question.namespace, source.metric.name));
    let calculated = usage.and_then(|usage| of_total(calculator, question, &source.target, usage));
    let failed = |why| unavailable("FailedGetExternalMetric", format!("failed to get {} external metric: {why}", source.metric.name));
    Some(calculated.map_err(failed).map(|(replicas, current)| {
        let external = Some(ExternalMetricStatus { metric: source.metric.clone(), current, ..ExternalMetricStatus::default() });
        let name = format!("external metric {}({selector})", source.metric.name);
        Proposal { replicas, name, status: MetricStatus { external, ..status(spec) } }
    }))
}

//! Facts about HorizontalPodAutoscalers (`hpa.json`).
//!
//! | op | input | expect |
//! | --- | --- | --- |
//! | `replica-calc` | `config`, `now`, `currentReplicas`, `metricSpec`, `pods`, `podMetrics` or `metricValues` | `desiredReplicas`, `current…`, or `error` |
//! | `normalize-no-behavior` | `currentReplicas`, `desiredReplicas`, `minReplicas`, `maxReplicas` | `replicas`, `reason` |
//! | `scale-up-limit`, `scale-down-limit` | `currentReplicas`, recent events, rules | `limit` |
//! | `stabilize` | `recommendations`, a window, `desiredReplicas` | `stabilizedReplicas` |
//! | `stabilize-behavior` | the same with `behavior` and `currentReplicas` | `stabilizedReplicas` |
//! | `normalize-behavior` | as `normalize-no-behavior`, with `behavior` and recent events | `replicas`, `reason` |

use crate::read::{bare, in_engine_time, items, only_keys, part, text, unless_superseded};
use crate::{Miss, Outcome};
use api::autoscaling::{CrossVersionObjectReference, HPAScalingRules, HorizontalPodAutoscalerBehavior, MetricIdentifier, MetricSpec};
use api::core::{Pod, ResourceList};
use api::labels::Selector;
use api::quantity::Quantity;
use controllers::autoscaling::behavior::{
    DOWNSCALE_STABILIZATION, Judged, Limits, Recommendation, ScaleEvent, limit, limit_with_behavior, scale_down_limit, scale_up_limit,
    stabilize, stabilize_with_behavior,
};
use controllers::autoscaling::metrics::{MetricsClient, PodMetric, PodMetricsInfo, PodUsage, usage_of};
use controllers::autoscaling::proposals::{Proposal, Question, propose};
use controllers::autoscaling::replica_calculator::{ReplicaCalculator, Tolerances};
use serde_json::Value;
use sim::Time;
use std::sync::Arc;
use std::time::Duration;

/// Cases that v1.36 answers differently, and why.
const SUPERSEDED: &[(&str, &str)] = &[];

/// The present of cases that tell times as `secondsAgo`.
const NOW: Time = Time::from_secs(1_000_000);

/// Runs a case.
pub(crate) fn run(case: &Value) -> Outcome {
    unless_superseded(case, SUPERSEDED)?;
    let case = in_engine_time(case);
    let (input, expect) = (&case["input"], &case["expect"]);
    match text("op", &case["op"])? {
        "replica-calc" => replica_calc(input, expect),
        "normalize-no-behavior" => {
            only_keys("input", input, &["currentReplicas", "desiredReplicas", "minReplicas", "maxReplicas"])?;
            let of = |key: &str| number(key, &input[key]);
            judged(expect, limit(of("currentReplicas")?, of("desiredReplicas")?, of("minReplicas")?, of("maxReplicas")?))
        }
        "scale-up-limit" => change_limit(input, expect, "scaleUp", scale_up_limit),
        "scale-down-limit" => change_limit(input, expect, "scaleDown", scale_down_limit),
        "stabilize" => {
            only_keys("input", input, &["downscaleStabilizationWindowSeconds", "recommendations", "desiredReplicas"])?;
            let window = match &input["downscaleStabilizationWindowSeconds"] {
                Value::Null => DOWNSCALE_STABILIZATION,
                seconds => ago("downscaleStabilizationWindowSeconds", seconds)?,
            };
            let desired = number("desiredReplicas", &input["desiredReplicas"])?;
            stabilized(expect, stabilize(NOW, desired, &recommendations(input)?, window))
        }
        "stabilize-behavior" => {
            only_keys("input", input, &["currentReplicas", "desiredReplicas", "recommendations", "behavior"])?;
            let of = |key: &str| number(key, &input[key]);
            let (up, down) = rules(input)?;
            let recent = recommendations(input)?;
            let found = stabilize_with_behavior(NOW, of("currentReplicas")?, of("desiredReplicas")?, &recent, &up, &down);
            stabilized(expect, found)
        }
        "normalize-behavior" => normalize_behavior(input, expect),
        other => Err(Miss::Malformed(format!("the op {other} is not known"))),
    }
}

fn number(at: &str, value: &Value) -> Result<i32, Miss> {
    let number = value.as_i64().and_then(|number| i32::try_from(number).ok());
    number.ok_or_else(|| Miss::Malformed(format!("{at} is no number of replicas")))
}

fn ago(at: &str, value: &Value) -> Result<Duration, Miss> {
    let seconds = value.as_u64().map(Duration::from_secs).or_else(|| value.as_f64().and_then(|s| Duration::try_from_secs_f64(s).ok()));
    seconds.ok_or_else(|| Miss::Malformed(format!("{at} is no number of seconds")))
}

fn moment(at: &str, value: &Value) -> Result<Time, Miss> {
    let past = NOW.since(Time::ZERO).saturating_sub(ago(at, value)?);
    Ok(Time::ZERO + past)
}

fn recommendations(input: &Value) -> Result<Vec<Recommendation>, Miss> {
    let read = |value: &Value| {
        only_keys("recommendation", value, &["recommendation", "secondsAgo"])?;
        let replicas = number("recommendation", &value["recommendation"])?;
        Ok(Recommendation { replicas, at: moment("secondsAgo", &value["secondsAgo"])? })
    };
    items("recommendations", &input["recommendations"])?.iter().map(read).collect()
}

fn events(input: &Value, key: &str) -> Result<Vec<ScaleEvent>, Miss> {
    let read = |value: &Value| {
        only_keys(key, value, &["replicaChange", "secondsAgo"])?;
        let change = number("replicaChange", &value["replicaChange"])?;
        Ok(ScaleEvent { change, at: moment("secondsAgo", &value["secondsAgo"])? })
    };
    items(key, &input[key])?.iter().map(read).collect()
}

/// The rules for scaling up and down.
fn rules(input: &Value) -> Result<(HPAScalingRules, HPAScalingRules), Miss> {
    let behavior: HorizontalPodAutoscalerBehavior = part("behavior", &input["behavior"])?;
    Ok((behavior.scale_up.unwrap_or_default(), behavior.scale_down.unwrap_or_default()))
}

fn judged(expect: &Value, found: Judged) -> Outcome {
    only_keys("expect", expect, &["replicas", "reason"])?;
    Miss::unless_equal("replicas", &number("replicas", &expect["replicas"])?, &found.replicas)?;
    if expect["reason"].is_null() { Ok(()) } else { Miss::unless_equal("reason", &text("reason", &expect["reason"])?, &found.reason) }
}

fn stabilized(expect: &Value, found: Judged) -> Outcome {
    only_keys("expect", expect, &["stabilizedReplicas"])?;
    Miss::unless_equal("stabilizedReplicas", &number("stabilizedReplicas", &expect["stabilizedReplicas"])?, &found.replicas)
}

type Limit = fn(Time, i32, &[ScaleEvent], &[ScaleEvent], &HPAScalingRules) -> i32;

fn change_limit(input: &Value, expect: &Value, key: &str, limit: Limit) -> Outcome {
    only_keys("input", input, &["currentReplicas", "scaleUpEvents", "scaleDownEvents", key])?;
    only_keys("expect", expect, &["limit"])?;
    let current = number("currentReplicas", &input["currentReplicas"])?;
    let found = limit(NOW, current, &events(input, "scaleUpEvents")?, &events(input, "scaleDownEvents")?, &part(key, &input[key])?);
    Miss::unless_equal("limit", &number("limit", &expect["limit"])?, &found)
}

fn normalize_behavior(input: &Value, expect: &Value) -> Outcome {
    let known = ["currentReplicas", "desiredReplicas", "minReplicas", "maxReplicas", "behavior", "scaleUpEvents", "scaleDownEvents"];
    only_keys("input", input, &known)?;
    let of = |key: &str| number(key, &input[key]);
    let (up, down) = rules(input)?;
    let (ups, downs) = (events(input, "scaleUpEvents")?, events(input, "scaleDownEvents")?);
    let limits = Limits { min: of("minReplicas")?, max: of("maxReplicas")?, up: &up, down: &down, ups: &ups, downs: &downs };
    judged(expect, limit_with_behavior(NOW, of("currentReplicas")?, of("desiredReplicas")?, limits))
}

/// The metrics of a case.
#[derive(Debug, Default)]
struct CaseMetrics {
    pods: Vec<PodUsage>,
    /// The Pod, time and value of each.
    values: Vec<(String, Time, i64)>,
}

impl MetricsClient for CaseMetrics {
    fn resource(&self, resource: &str, namespace: &str, _: &Selector, container: &str) -> Result<PodMetricsInfo, String> {
        usage_of(&self.pods, resource, namespace, container)
    }

    fn raw(&self, _: &MetricIdentifier, _: &str, _: &Selector) -> Result<PodMetricsInfo, String> {
        let window = Duration::from_secs(60);
        let metric =
            |(pod, timestamp, value): &(String, Time, i64)| (pod.clone(), PodMetric { timestamp: *timestamp, window, value: *value });
        Ok(self.values.iter().map(metric).collect())
    }

    fn object(&self, metric: &MetricIdentifier, _: &str, _: &CrossVersionObjectReference) -> Result<i64, String> {
        self.values.first().map(|(.., value)| *value).ok_or_else(|| format!("no metrics for {}", metric.name))
    }

    fn external(&self, metric: &MetricIdentifier, _: &str) -> Result<Vec<i64>, String> {
        let all: Vec<i64> = self.values.iter().map(|(.., value)| *value).collect();
        if all.is_empty() { Err(format!("no metrics for {}", metric.name)) } else { Ok(all) }
    }
}

fn time(at: &str, value: &Value) -> Result<Time, Miss> {
    Time::parse_rfc3339(text(at, value)?).map_err(|error| Miss::Malformed(format!("{at}: {error}")))
}

/// A duration as Go prints it: `1m0s`.
fn go_duration(at: &str, value: &Value) -> Result<Duration, Miss> {
    let malformed = || Miss::Malformed(format!("{at} is no duration"));
    let (mut total, mut digits) = (0.0, String::new());
    for c in text(at, value)?.chars() {
        let unit = match c {
            'h' => 3600.0,
            'm' => 60.0,
            's' => 1.0,
            _ => {
                digits.push(c);
                continue;
            }
        };
        total += std::mem::take(&mut digits).parse::<f64>().map_err(|_| malformed())? * unit;
    }
    Duration::try_from_secs_f64(total).map_err(|_| malformed())
}

fn quantity(at: &str, value: &Value) -> Result<Quantity, Miss> {
    part(at, value)
}

fn case_metrics(input: &Value) -> Result<CaseMetrics, Miss> {
    let mut metrics = CaseMetrics::default();
    for value in items("podMetrics", &input["podMetrics"])? {
        let container = |container: &Value| -> Result<(String, ResourceList), Miss> {
            Ok((text("container.name", &container["name"])?.to_owned(), part("container.usage", &container["usage"])?))
        };
        metrics.pods.push(PodUsage {
            name: text("podMetrics.name", &value["metadata"]["name"])?.to_owned(),
            timestamp: time("podMetrics.timestamp", &value["timestamp"])?,
            window: go_duration("podMetrics.window", &value["window"])?,
            containers: items("podMetrics.containers", &value["containers"])?.iter().map(container).collect::<Result<_, _>>()?,
        });
    }
    for value in items("metricValues", &input["metricValues"])? {
        let name = text("describedObject.name", &value["describedObject"]["name"])?.to_owned();
        let at = if value["timestamp"].is_null() { Time::ZERO } else { time("metricValues.timestamp", &value["timestamp"])? };
        metrics.values.push((name, at, quantity("metricValues.value", &value["value"])?.milli_value()));
    }
    Ok(metrics)
}

fn calculator(config: &Value) -> Result<ReplicaCalculator, Miss> {
    only_keys("config", config, &["tolerance", "cpuInitializationPeriodSeconds", "delayOfInitialReadinessStatusSeconds"])?;
    let tolerance = config["tolerance"].as_f64().unwrap_or(0.1);
    Ok(ReplicaCalculator {
        tolerances: Tolerances { scale_down: tolerance, scale_up: tolerance },
        cpu_initialization_period: ago("cpuInitializationPeriodSeconds", &config["cpuInitializationPeriodSeconds"])?,
        delay_of_initial_readiness_status: ago("delayOfInitialReadinessStatusSeconds", &config["delayOfInitialReadinessStatusSeconds"])?,
    })
}

fn replica_calc(input: &Value, expect: &Value) -> Outcome {
    let known = ["config", "now", "currentReplicas", "metricSpec", "pods", "podMetrics", "metricValues"];
    only_keys("input", input, &known)?;
    only_keys("expect", expect, &["desiredReplicas", "currentAverageUtilization", "currentAverageValue", "currentMetricValue", "error"])?;
    let pods: Vec<Arc<Pod>> = items("pods", &input["pods"])?.iter().map(|pod| bare("pods", pod).map(Arc::new)).collect::<Result<_, _>>()?;
    let spec: MetricSpec = part("metricSpec", &input["metricSpec"])?;
    let current = number("currentReplicas", &input["currentReplicas"])?;
    let selector = Selector::default();
    let question = Question {
        now: time("now", &input["now"])?,
        namespace: "test-namespace",
        selector: &selector,
        pods: &pods,
        spec_replicas: current,
        status_replicas: current,
    };
    let found = propose(&calculator(&input["config"])?, &case_metrics(input)?, question, &spec);
    if expect["error"] == Value::Bool(true) {
        return found.map_or(Ok(()), |proposal| Err(Miss::failed("error", "an error", format!("{} replicas", proposal.replicas))));
    }
    compare(expect, &found.map_err(|unavailable| Miss::failed("error", "none", unavailable.error))?)
}

fn compare(expect: &Value, found: &Proposal) -> Outcome {
    let status = &found.status;
    let currents = [
        status.resource.as_ref().map(|status| &status.current),
        status.container_resource.as_ref().map(|status| &status.current),
        status.pods.as_ref().map(|status| &status.current),
        status.object.as_ref().map(|status| &status.current),
        status.external.as_ref().map(|status| &status.current),
    ];
    let current = currents.into_iter().flatten().next().cloned().unwrap_or_default();
    Miss::unless_equal("desiredReplicas", &number("desiredReplicas", &expect["desiredReplicas"])?, &found.replicas)?;
    if let Some(percent) = expect["currentAverageUtilization"].as_i64() {
        Miss::unless_equal("currentAverageUtilization", &Some(percent), &current.average_utilization.map(i64::from))?;
    }
    for (key, value) in [("currentAverageValue", current.average_value), ("currentMetricValue", current.value.or(current.average_value))] {
        if !expect[key].is_null() {
            Miss::unless_equal(key, &Some(quantity(key, &expect[key])?), &value)?;
        }
    }
    Ok(())
}

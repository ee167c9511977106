//! From metrics to a number of replicas (`pkg/controller/podautoscaler/replica_calculator.go`).
//!
//! The number is `ready Pods × present ÷ wanted`, rounded up. Pods that are being deleted or have failed do not count. Those that are not
//! ready yet, and those without metrics, are first left out; then they count as what makes the change smaller, and if that would turn its
//! direction around, nothing changes.
//!
//! **Simplified here:** requests at the level of the Pod are not looked at.

use super::metrics::PodMetricsInfo;
use crate::pods::is_ready;
use api::core::Pod;
use api::meta::condition;
use sim::Time;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// How far off a metric may be without any change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerances {
    /// Below the target.
    pub scale_down: f64,
    /// Above it.
    pub scale_up: f64,
}

impl Tolerances {
    fn is_within(self, ratio: f64) -> bool {
        (1.0 - self.scale_down) <= ratio && ratio <= (1.0 + self.scale_up)
    }
}

/// The settings of the calculation, with the controller manager's defaults.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReplicaCalculator {
    /// `--horizontal-pod-autoscaler-tolerance`.
    pub tolerances: Tolerances,
    /// So long after its start, the CPU of a Pod counts only if it is ready and was measured since it is
    /// (`--horizontal-pod-autoscaler-cpu-initialization-period`).
    pub cpu_initialization_period: Duration,
    /// A Pod that became unready so shortly after its start has never been ready
    /// (`--horizontal-pod-autoscaler-initial-readiness-delay`).
    pub delay_of_initial_readiness_status: Duration,
}

impl Default for ReplicaCalculator {
    fn default() -> Self {
        ReplicaCalculator {
            tolerances: Tolerances { scale_down: 0.1, scale_up: 0.1 },
            cpu_initialization_period: Duration::from_secs(300),
            delay_of_initial_readiness_status: Duration::from_secs(30),
        }
    }
}

/// A number of replicas, and the present value of what led to it, in thousandths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calculated {
    /// How many replicas there should be.
    pub replicas: i32,
    /// The percentage of the requests that is used.
    pub utilization: i32,
    /// The present value: for each Pod, or in all.
    pub value: i64,
}

/// Pods by what their metrics are good for.
#[derive(Debug, Default)]
struct Groups {
    ready: usize,
    unready: BTreeSet<String>,
    missing: BTreeSet<String>,
    ignored: BTreeSet<String>,
}

/// Rounds up to a number of replicas.
fn replicas(amount: f64) -> i32 {
    amount.ceil().clamp(0.0, f64::from(i32::MAX)) as i32
}

const NO_PODS: &str = "no pods returned by selector while calculating replica count";
const NO_METRICS: &str = "did not receive metrics for targeted pods (pods might be unready)";

/// The requests of the Pods in thousandths, of all containers or of the named one (`calculateRequests`).
fn requests(pods: &[Arc<Pod>], resource: &str, container: &str) -> Result<BTreeMap<String, i64>, String> {
    let mut all = BTreeMap::new();
    for pod in pods {
        let sidecars = pod.spec.init_containers.iter().filter(|container| container.restart_policy.as_deref() == Some("Always"));
        let own = pod.spec.containers.iter().chain(sidecars).filter(|own| container.is_empty() || own.name == container);
        let mut sum = 0_i64;
        for own in own {
            let missing = || format!("missing request for {resource} in container {} of Pod {}", own.name, pod.metadata.name);
            sum = sum.saturating_add(own.resources.requests.get(resource).ok_or_else(missing)?.milli_value());
        }
        all.insert(pod.metadata.name.clone(), sum);
    }
    Ok(all)
}

/// The ratio of the present to the wanted utilisation, the present one in percent, and the use of each Pod on average
/// (`GetResourceUtilizationRatio`).
fn utilization_ratio(metrics: &PodMetricsInfo, requests: &BTreeMap<String, i64>, target: i32) -> Result<(f64, i32, i64), String> {
    let known: Vec<(i64, i64)> =
        metrics.iter().filter_map(|(pod, metric)| requests.get(pod).map(|request| (metric.value, *request))).collect();
    let used: i128 = known.iter().map(|(value, _)| i128::from(*value)).sum();
    let requested: i128 = known.iter().map(|(_, request)| i128::from(*request)).sum();
    if requested == 0 {
        return Err("no metrics returned matched known pods".to_owned());
    }
    let percent = i32::try_from(used * 100 / requested).unwrap_or(i32::MAX);
    let average = i64::try_from(used / known.len() as i128).unwrap_or(i64::MAX);
    Ok((f64::from(percent) / f64::from(target), percent, average))
}

/// The ratio of the present to the wanted value, and the present one of each Pod on average (`GetMetricUsageRatio`).
fn usage_ratio(metrics: &PodMetricsInfo, target: i64) -> (f64, i64) {
    let total: i128 = metrics.values().map(|metric| i128::from(metric.value)).sum();
    let average = i64::try_from(total / metrics.len().max(1) as i128).unwrap_or(i64::MAX);
    (average as f64 / target as f64, average)
}

impl ReplicaCalculator {
    /// Models `groupPods`. Readiness counts for the CPU only: that is what starting takes.
    fn group(&self, now: Time, pods: &[Arc<Pod>], metrics: &PodMetricsInfo, resource: &str) -> Groups {
        let mut groups = Groups::default();
        for pod in pods {
            let name = pod.metadata.name.clone();
            if pod.metadata.is_deleting() || pod.status.phase == "Failed" {
                groups.ignored.insert(name);
            } else if pod.status.phase == "Pending" {
                groups.unready.insert(name);
            } else if let Some(metric) = metrics.get(&name) {
                if resource == "cpu" && self.is_unready(now, pod, metric.timestamp, metric.window) {
                    groups.unready.insert(name);
                } else {
                    groups.ready += 1;
                }
            } else {
                groups.missing.insert(name);
            }
        }
        groups
    }

    fn is_unready(&self, now: Time, pod: &Pod, measured: Time, window: Duration) -> bool {
        let (Some(ready), Some(started)) = (condition(&pod.status.conditions, "Ready"), pod.status.start_time) else { return true };
        let changed = ready.last_transition_time.map_or(Time::ZERO, |at| at.0);
        if started.0 + self.cpu_initialization_period > now {
            ready.status == "False" || measured < changed + window
        } else {
            ready.status == "False" && started.0 + self.delay_of_initial_readiness_status > changed
        }
    }

    /// The number for a wanted percentage of what the Pods request (`GetResourceReplicas`).
    ///
    /// # Errors
    /// There are no Pods, no metrics of ready ones, or a container requests nothing of the resource.
    #[expect(clippy::too_many_arguments, reason = "the question has that many parts")]
    pub fn by_utilization(
        &self,
        now: Time,
        current: i32,
        target: i32,
        resource: &str,
        container: &str,
        pods: &[Arc<Pod>],
        mut metrics: PodMetricsInfo,
    ) -> Result<Calculated, String> {
        let groups = self.usable(now, pods, &mut metrics, resource)?;
        let requests = requests(pods, resource, container)?;
        let (ratio, utilization, value) = utilization_ratio(&metrics, &requests, target)?;
        let result = |replicas| Ok(Calculated { replicas, utilization, value });
        let with_unready = !groups.unready.is_empty() && ratio > 1.0;
        if !with_unready && groups.missing.is_empty() {
            return result(self.plain(current, ratio, groups.ready));
        }
        let fallback = i64::from(target.max(100));
        let full = |pod: &String| requests.get(pod).copied().unwrap_or(0).saturating_mul(fallback) / 100;
        fill_in(&mut metrics, &groups, ratio, with_unready, full);
        let (new_ratio, ..) = utilization_ratio(&metrics, &requests, target)?;
        result(self.cautious(current, ratio, new_ratio, metrics.len()))
    }

    /// The number for a wanted value of each Pod (`calcPlainMetricReplicas`). `resource` is empty for a metric that is no resource.
    ///
    /// # Errors
    /// There are no Pods, or no metrics of ready ones.
    pub fn by_value(
        &self,
        now: Time,
        current: i32,
        target: i64,
        resource: &str,
        pods: &[Arc<Pod>],
        mut metrics: PodMetricsInfo,
    ) -> Result<Calculated, String> {
        let groups = self.usable(now, pods, &mut metrics, resource)?;
        let (ratio, value) = usage_ratio(&metrics, target);
        let result = |replicas| Ok(Calculated { replicas, utilization: 0, value });
        let with_unready = !groups.unready.is_empty() && ratio > 1.0;
        if !with_unready && groups.missing.is_empty() {
            return result(self.plain(current, ratio, groups.ready));
        }
        fill_in(&mut metrics, &groups, ratio, with_unready, |_| target);
        let (new_ratio, _) = usage_ratio(&metrics, target);
        result(self.cautious(current, ratio, new_ratio, metrics.len()))
    }

    /// Groups the Pods, and leaves in the metrics those of ready ones.
    fn usable(&self, now: Time, pods: &[Arc<Pod>], metrics: &mut PodMetricsInfo, resource: &str) -> Result<Groups, String> {
        if pods.is_empty() {
            return Err(NO_PODS.to_owned());
        }
        let groups = self.group(now, pods, metrics, resource);
        metrics.retain(|pod, _| !groups.ignored.contains(pod) && !groups.unready.contains(pod));
        if metrics.is_empty() { Err(NO_METRICS.to_owned()) } else { Ok(groups) }
    }

    fn plain(&self, current: i32, ratio: f64, ready: usize) -> i32 {
        if self.tolerances.is_within(ratio) { current } else { replicas(ratio * ready as f64) }
    }

    /// The number once all Pods count in some way; the present one if the direction has turned around.
    fn cautious(&self, current: i32, ratio: f64, new_ratio: f64, pods: usize) -> i32 {
        let turned = (ratio < 1.0 && new_ratio > 1.0) || (ratio > 1.0 && new_ratio < 1.0);
        if self.tolerances.is_within(new_ratio) || turned {
            return current;
        }
        let wanted = replicas(new_ratio * pods as f64);
        let against = (new_ratio < 1.0 && wanted > current) || (new_ratio > 1.0 && wanted < current);
        if against { current } else { wanted }
    }

    /// The number for a wanted value in all (`GetObjectMetricReplicas`, `GetExternalMetricReplicas`).
    ///
    /// # Errors
    /// There are no Pods.
    pub fn by_total(&self, current: i32, target: i64, usage: i64, pods: &[Arc<Pod>]) -> Result<Calculated, String> {
        let ratio = usage as f64 / target as f64;
        let wanted = if current == 0 {
            // Any need at all takes the target away from zero.
            replicas(ratio)
        } else if self.tolerances.is_within(ratio) {
            current
        } else {
            if pods.is_empty() {
                return Err(format!("unable to calculate ready pods: {NO_PODS}"));
            }
            let ready = pods.iter().filter(|pod| pod.status.phase == "Running" && is_ready(pod)).count();
            replicas(ratio * ready as f64)
        };
        Ok(Calculated { replicas: wanted, utilization: 0, value: usage })
    }

    /// The number for a wanted share of each replica in a value (`GetObjectPerPodMetricReplicas`, `GetExternalPerPodMetricReplicas`).
    pub fn by_share(&self, status_replicas: i32, target: i64, usage: i64) -> Calculated {
        let ratio = usage as f64 / (target as f64 * f64::from(status_replicas));
        let keep = self.tolerances.is_within(ratio);
        let wanted = if keep { status_replicas } else { replicas(usage as f64 / target as f64) };
        let share = if status_replicas == 0 { 0.0 } else { (usage as f64 / f64::from(status_replicas)).ceil() };
        Calculated { replicas: wanted, utilization: 0, value: share as i64 }
    }
}

/// Lets Pods count that have no usable metrics: as full where that keeps the number from falling, as idle where it keeps it from rising.
fn fill_in(metrics: &mut PodMetricsInfo, groups: &Groups, ratio: f64, with_unready: bool, full: impl Fn(&String) -> i64) {
    let metric = |value| super::metrics::PodMetric { timestamp: Time::ZERO, window: Duration::ZERO, value };
    for pod in &groups.missing {
        if ratio < 1.0 {
            metrics.insert(pod.clone(), metric(full(pod)));
        } else if ratio > 1.0 {
            metrics.insert(pod.clone(), metric(0));
        }
    }
    for pod in groups.unready.iter().filter(|_| with_unready) {
        metrics.insert(pod.clone(), metric(0));
    }
}

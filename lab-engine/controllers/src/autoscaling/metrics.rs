//! Where the autoscaler's metrics come from (`pkg/controller/podautoscaler/metrics`).

use api::autoscaling::{CrossVersionObjectReference, MetricIdentifier};
use api::core::ResourceList;
use api::labels::Selector;
use sim::Time;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

/// A metric of one Pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PodMetric {
    /// When the time over which it was measured ended.
    pub timestamp: Time,
    /// How long that time was.
    pub window: Duration,
    /// The value, in thousandths.
    pub value: i64,
}

/// The metrics of Pods, by their names.
pub type PodMetricsInfo = BTreeMap<String, PodMetric>;

/// What gives metrics (`MetricsClient`): the three metrics APIs.
///
/// Every call answers at once from what the source has collected. Errors are the words that the autoscaler shows to its user.
pub trait MetricsClient: Debug {
    /// What the Pods of a namespace that the selector selects use of a resource: in all their containers, or in the named one.
    ///
    /// # Errors
    /// There is no such API, or it has nothing.
    fn resource(&self, resource: &str, namespace: &str, selector: &Selector, container: &str) -> Result<PodMetricsInfo, String>;

    /// A metric that the Pods of a namespace have of themselves.
    ///
    /// # Errors
    /// There is no such API, or it has nothing.
    fn raw(&self, metric: &MetricIdentifier, namespace: &str, selector: &Selector) -> Result<PodMetricsInfo, String>;

    /// A metric of one object, in thousandths.
    ///
    /// # Errors
    /// There is no such API, or it has nothing.
    fn object(&self, metric: &MetricIdentifier, namespace: &str, object: &CrossVersionObjectReference) -> Result<i64, String>;

    /// The series of a metric from outside the cluster, in thousandths.
    ///
    /// # Errors
    /// There is no such API, or it has nothing.
    fn external(&self, metric: &MetricIdentifier, namespace: &str) -> Result<Vec<i64>, String>;
}

/// A cluster without any metrics API.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoMetrics;

impl MetricsClient for NoMetrics {
    fn resource(&self, _: &str, _: &str, _: &Selector, _: &str) -> Result<PodMetricsInfo, String> {
        let why = "the server could not find the requested resource (get pods.metrics.k8s.io)";
        Err(format!("unable to fetch metrics from resource metrics API: {why}"))
    }

    fn raw(&self, _: &MetricIdentifier, _: &str, _: &Selector) -> Result<PodMetricsInfo, String> {
        let why = "no custom metrics API (custom.metrics.k8s.io) registered";
        Err(format!("unable to fetch metrics from custom metrics API: {why}"))
    }

    fn object(&self, metric: &MetricIdentifier, namespace: &str, _: &CrossVersionObjectReference) -> Result<i64, String> {
        self.raw(metric, namespace, &Selector::default()).map(|_| 0)
    }

    fn external(&self, _: &MetricIdentifier, _: &str) -> Result<Vec<i64>, String> {
        let why = "no external metrics API (external.metrics.k8s.io) registered";
        Err(format!("unable to fetch metrics from external metrics API: {why}"))
    }
}

/// What a Pod used, as `metrics.k8s.io` tells it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodUsage {
    /// The Pod.
    pub name: String,
    /// When the time over which it was measured ended.
    pub timestamp: Time,
    /// How long that time was.
    pub window: Duration,
    /// What each container used.
    pub containers: Vec<(String, ResourceList)>,
}

/// The use of one resource in all containers, or in the named one if `container` is not empty (`getPodMetrics`, `getContainerMetrics`).
/// A Pod of which a container has not told the resource is left out.
///
/// # Errors
/// A Pod does not have the container.
pub fn usage_of(pods: &[PodUsage], resource: &str, namespace: &str, container: &str) -> Result<PodMetricsInfo, String> {
    let mut info = PodMetricsInfo::new();
    for pod in pods {
        let value = if container.is_empty() {
            pod.containers.iter().map(|(_, usage)| usage.get(resource).map(api::quantity::Quantity::milli_value)).sum::<Option<i64>>()
        } else {
            let missing = || format!("container {container} not present in metrics for pod {namespace}/{}", pod.name);
            let (_, usage) = pod.containers.iter().find(|(name, _)| name == container).ok_or_else(missing)?;
            usage.get(resource).map(api::quantity::Quantity::milli_value)
        };
        if let Some(value) = value {
            info.insert(pod.name.clone(), PodMetric { timestamp: pod.timestamp, window: pod.window, value });
        }
    }
    Ok(info)
}

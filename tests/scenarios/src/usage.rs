//! What Pods use, as a scenario says: the metrics that autoscalers go by.

use crate::expect::fits;
use api::autoscaling::{CrossVersionObjectReference, MetricIdentifier};
use api::core::Pod;
use api::labels::Selector;
use api::quantity::Quantity;
use cluster::Cluster;
use controllers::autoscaling::metrics::{MetricsClient, NoMetrics, PodMetricsInfo, PodUsage, usage_of};
use sim::Time;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// How often the metrics server asks (`--metric-resolution`).
const RESOLUTION: Duration = Duration::from_secs(15);

/// What the metrics server knows.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    /// Patterns of names of Pods, with what their first container uses; the last that fits counts.
    pub(crate) rules: Vec<(String, Vec<(String, Quantity)>)>,
    pods: Vec<Arc<Pod>>,
    asked: Option<Time>,
}

impl Usage {
    /// Looks at the Pods that run, as often as a metrics server does.
    pub(crate) fn look(&mut self, cluster: &Cluster) {
        let now = cluster.now();
        if self.rules.is_empty() || self.asked.is_some_and(|asked| now < asked + RESOLUTION) {
            return;
        }
        let running = cluster.objects().filter_map(|object| object.as_kind::<Pod>()).filter(|pod| &*pod.status.phase == "Running");
        self.pods = running.cloned().collect();
        self.asked = Some(now);
    }

    fn of(&self, pod: &Pod) -> Option<PodUsage> {
        let (_, amounts) = self.rules.iter().rev().find(|(pattern, _)| fits(pattern, &pod.metadata.name))?;
        let usage = amounts.iter().map(|(resource, amount)| (resource.as_str().into(), amount.clone())).collect();
        let container = pod.spec.containers.first()?.name.to_string();
        let containers = vec![(container, usage)];
        Some(PodUsage { name: pod.metadata.name.clone(), timestamp: self.asked?, window: RESOLUTION, containers })
    }
}

/// The metrics API in front of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics(pub(crate) Rc<RefCell<Usage>>);

impl MetricsClient for Metrics {
    fn resource(&self, resource: &str, namespace: &str, selector: &Selector, container: &str) -> Result<PodMetricsInfo, String> {
        let usage = self.0.borrow();
        let selected = usage.pods.iter().filter(|pod| pod.metadata.namespace == namespace && selector.matches(&pod.metadata.labels));
        let pods: Vec<PodUsage> = selected.filter_map(|pod| usage.of(pod)).collect();
        if pods.is_empty() {
            return Err("unable to get metrics for resource cpu: no metrics returned from resource metrics API".to_owned());
        }
        usage_of(&pods, resource, namespace, container)
    }

    fn raw(&self, metric: &MetricIdentifier, namespace: &str, selector: &Selector) -> Result<PodMetricsInfo, String> {
        NoMetrics.raw(metric, namespace, selector)
    }

    fn object(&self, metric: &MetricIdentifier, namespace: &str, object: &CrossVersionObjectReference) -> Result<i64, String> {
        NoMetrics.object(metric, namespace, object)
    }

    fn external(&self, metric: &MetricIdentifier, namespace: &str) -> Result<Vec<i64>, String> {
        NoMetrics.external(metric, namespace)
    }
}

//! What Pods use, as a scenario says: the metrics that autoscalers go by.

use crate::expect::fits;
use api::core::Pod;
use api::http::{Body, Path, Request, Response};
use api::labels::Selector;
use api::quantity::Quantity;
use cluster::Cluster;
use serde_json::{Map, Value, json};
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

    /// The `PodMetrics` of a Pod.
    fn of(&self, pod: &Pod) -> Option<Value> {
        let (_, amounts) = self.rules.iter().rev().find(|(pattern, _)| fits(pattern, &pod.metadata.name))?;
        let usage: Map<String, Value> = amounts.iter().map(|(resource, amount)| (resource.clone(), amount.to_string().into())).collect();
        let containers = json!([{"name": pod.spec.containers.first()?.name.to_string(), "usage": usage}]);
        let window = format!("{}s", RESOLUTION.as_secs());
        Some(
            json!({"metadata": {"name": pod.metadata.name}, "timestamp": self.asked?.rfc3339(), "window": window, "containers": containers}),
        )
    }
}

/// The resource metrics API in front of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics(pub(crate) Rc<RefCell<Usage>>);

impl Metrics {
    /// What the API answers to a request, if it is one for the use of Pods.
    pub(crate) fn answer(&self, request: &Request) -> Option<Response> {
        let Path::Resource(path) = &request.path else { return None };
        if (&*path.resource.group, &*path.resource.resource) != ("metrics.k8s.io", "pods") {
            return None;
        }
        let namespace = path.namespace.as_deref()?;
        let wanted = request.query.iter().find(|(name, _)| name == "labelSelector").map_or("", |(_, text)| text);
        let selector = Selector::parse(wanted).ok()?;
        let usage = self.0.borrow();
        let selected = usage.pods.iter().filter(|pod| pod.metadata.namespace == namespace && selector.matches(&pod.metadata.labels));
        let items: Vec<Value> = selected.filter_map(|pod| usage.of(pod)).collect();
        Some(Response::ok(Body::Json(json!({"kind": "PodMetricsList", "apiVersion": "metrics.k8s.io/v1beta1", "items": items}))))
    }
}

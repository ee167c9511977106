//! What `custom.metrics.k8s.io/v1beta2` and `external.metrics.k8s.io/v1beta1` answer (`kubernetes-sigs/custom-metrics-apiserver`).

use super::series::{Store, Value as Measured};
use crate::points::PodKey;
use api::core::{Pod, Service};
use api::http::{Body, Method, Path, Request, ResourcePath, Response};
use api::labels::Selector;
use api::quantity::Quantity;
use api::status::Status;
use client::{Indexer, ObjectKey};
use serde_json::{Value, json};

/// What is known, to answer from.
pub(crate) struct Known<'a> {
    pub(crate) pods: &'a Indexer<Pod>,
    pub(crate) services: &'a Indexer<Service>,
    pub(crate) store: &'a Store,
}

fn selector(request: &Request, name: &str) -> Result<Selector, Box<Status>> {
    Selector::parse(request.param(name).unwrap_or_default()).map_err(|error| Box::new(Status::bad_request(error.to_string())))
}

fn no_metric(metric: &str, of: &str) -> Box<Status> {
    Box::new(Status::new(404, "NotFound", format!("the server could not find the metric {metric} for {of}")))
}

fn key(pod: &Pod) -> PodKey {
    (pod.metadata.namespace.clone(), pod.metadata.name.clone())
}

/// A question for a metric of objects.
struct Question<'a> {
    namespace: &'a str,
    metric: &'a str,
    /// Which series count.
    series: Selector,
}

impl Question<'_> {
    fn item(&self, kind: &str, name: &str, value: Measured) -> Value {
        json!({
            "describedObject": {"kind": kind, "namespace": self.namespace, "name": name, "apiVersion": "/v1"},
            "metric": {"name": self.metric, "selector": null}, "timestamp": value.at.rfc3339(),
            "value": Quantity::from_milli(value.milli).to_string(),
        })
    }
}

impl Known<'_> {
    /// Answers a request.
    pub(crate) fn answer(&self, request: &Request) -> Response {
        match self.answered(request) {
            Ok(value) => Response::ok(Body::Json(value)),
            Err(status) => (*status).into(),
        }
    }

    fn answered(&self, request: &Request) -> Result<Value, Box<Status>> {
        let Path::Resource(path) = &request.path else { return Err(Box::new(Status::no_such_path())) };
        if request.method != Method::Get || request.is_watch() {
            return Err(Box::new(Status::method_not_allowed()));
        }
        let Some(namespace) = path.namespace.as_deref() else { return Err(Box::new(Status::no_such_path())) };
        match (&*path.resource.group, path.name.as_deref()) {
            ("custom.metrics.k8s.io", Some(name)) if !path.subresource.is_empty() => self.custom(request, path, namespace, name),
            ("external.metrics.k8s.io", None) => self.external(request, namespace, &path.resource.resource),
            _ => Err(Box::new(Status::no_such_path())),
        }
    }

    fn custom(&self, request: &Request, path: &ResourcePath, namespace: &str, name: &str) -> Result<Value, Box<Status>> {
        let metric = &*path.subresource;
        let question = Question { namespace, metric, series: selector(request, "metricLabelSelector")? };
        let resource = &*path.resource.resource;
        let items = match (resource, name) {
            (_, _) if !self.store.knows(metric) => return Err(no_metric(metric, resource)),
            ("pods", "*") => self.pods(&question, &selector(request, "labelSelector")?),
            ("pods", name) => {
                let value = self.store.of_pod(&(namespace.to_owned(), name.to_owned()), metric, &question.series);
                value.map(|value| question.item("Pod", name, value)).into_iter().collect()
            }
            ("services", "*") => self.services(&question, &selector(request, "labelSelector")?),
            ("services", name) => {
                let service = self.services.get(&ObjectKey::new(namespace, name));
                service.and_then(|service| self.service(&question, service)).into_iter().collect()
            }
            _ => return Err(no_metric(metric, resource)),
        };
        if items.is_empty() && name != "*" {
            return Err(no_metric(metric, &format!("{resource} {name}")));
        }
        Ok(json!({"kind": "MetricValueList", "apiVersion": "custom.metrics.k8s.io/v1beta2", "metadata": {}, "items": items}))
    }

    fn pods(&self, question: &Question<'_>, wanted: &Selector) -> Vec<Value> {
        let pods = self.pods.list_namespace(question.namespace).filter(|pod| wanted.matches(&pod.metadata.labels));
        let value = |pod: &Pod| self.store.of_pod(&key(pod), question.metric, &question.series);
        pods.filter_map(|pod| Some(question.item("Pod", &pod.metadata.name, value(pod)?))).collect()
    }

    fn services(&self, question: &Question<'_>, wanted: &Selector) -> Vec<Value> {
        let services = self.services.list_namespace(question.namespace).filter(|service| wanted.matches(&service.metadata.labels));
        services.filter_map(|service| self.service(question, service)).collect()
    }

    /// The sum over the Pods behind a Service.
    fn service(&self, question: &Question<'_>, service: &Service) -> Option<Value> {
        let picked = &service.spec.selector;
        let is_behind = |pod: &&std::sync::Arc<Pod>| {
            !picked.is_empty() && picked.iter().all(|(name, value)| pod.metadata.labels.get(name) == Some(value))
        };
        let pods = self.pods.list_namespace(question.namespace).filter(is_behind);
        let values = pods.filter_map(|pod| self.store.of_pod(&key(pod), question.metric, &question.series));
        Some(question.item("Service", &service.metadata.name, values.reduce(Measured::plus)?))
    }

    fn external(&self, request: &Request, namespace: &str, metric: &str) -> Result<Value, Box<Status>> {
        let wanted = selector(request, "labelSelector")?;
        if !self.store.knows(metric) {
            return Err(no_metric(metric, "namespaces"));
        }
        let values = self.store.of_namespace(namespace, metric, &wanted);
        let items: Vec<Value> = values
            .iter()
            .map(|(labels, value)| {
                json!({
                    "metricName": metric, "metricLabels": labels, "timestamp": value.at.rfc3339(),
                    "value": Quantity::from_milli(value.milli).to_string(),
                })
            })
            .collect();
        Ok(json!({"kind": "ExternalMetricValueList", "apiVersion": "external.metrics.k8s.io/v1beta1", "metadata": {}, "items": items}))
    }
}

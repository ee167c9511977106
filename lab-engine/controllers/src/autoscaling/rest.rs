//! The metrics APIs as an autoscaler asks them (`pkg/controller/podautoscaler/metrics/client.go`, `k8s.io/metrics/pkg/client`).
//!
//! | metric | API | path below `/apis` |
//! | --- | --- | --- |
//! | `Resource`, `ContainerResource` | resource metrics | `metrics.k8s.io/v1beta1/namespaces/NS/pods` |
//! | `Pods` | custom metrics | `custom.metrics.k8s.io/v1beta2/namespaces/NS/pods/*/METRIC` |
//! | `Object` | custom metrics | `custom.metrics.k8s.io/v1beta2/namespaces/NS/RESOURCE/NAME/METRIC` |
//! | `External` | external metrics | `external.metrics.k8s.io/v1beta1/namespaces/NS/METRIC` |
//!
//! A look first collects [`queries`], asks them all, and then decides from the [`Answers`].
//!
//! **Simplified here:** one version of each API, where upstream asks which one the server prefers.

use super::metrics::{MetricsClient, PodMetric, PodMetricsInfo, PodUsage, usage_of};
use api::autoscaling::{CrossVersionObjectReference, HorizontalPodAutoscaler, MetricIdentifier};
use api::core::ResourceList;
use api::http::{Method, Request, ResourcePath};
use api::kinds::{Gvr, KINDS};
use api::labels::Selector;
use api::meta::LabelSelector;
use api::quantity::Quantity;
use serde_json::Value;
use sim::Time;
use std::borrow::Cow;
use std::time::Duration;

/// A question to one of the metrics APIs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Query {
    /// What the Pods of the target use.
    Resource,
    /// A metric of the Pods of the target.
    Pods(MetricIdentifier),
    /// A metric of an object.
    Object(MetricIdentifier, CrossVersionObjectReference),
    /// A metric from outside the cluster.
    External(MetricIdentifier),
}

/// What has to be asked for an autoscaler, each question once.
pub(crate) fn queries(hpa: &HorizontalPodAutoscaler) -> Vec<Query> {
    let mut queries = Vec::new();
    for spec in &hpa.spec.metrics {
        let query = match spec.type_.as_str() {
            "Resource" | "ContainerResource" => Some(Query::Resource),
            "Pods" => spec.pods.as_ref().map(|source| Query::Pods(source.metric.clone())),
            "Object" => spec.object.as_ref().map(|source| Query::Object(source.metric.clone(), source.described_object.clone())),
            "External" => spec.external.as_ref().map(|source| Query::External(source.metric.clone())),
            _ => None,
        };
        queries.extend(query.filter(|query| !queries.contains(query)));
    }
    queries
}

/// The text of a label selector; empty for none.
fn selector_text(selector: Option<&LabelSelector>) -> String {
    let selector = selector.map(|selector| Selector::from_label_selector(Some(selector)));
    selector.and_then(Result::ok).map_or(String::new(), |selector| selector.to_string())
}

/// `services`, or `ingresses.networking.k8s.io`.
fn resource_of(object: &CrossVersionObjectReference) -> String {
    let group = object.api_version.split_once('/').map_or("", |(group, _)| group);
    let info = KINDS.iter().find(|info| info.group == group && info.kind == object.kind);
    info.map_or_else(|| object.kind.to_lowercase(), |info| info.group_resource())
}

impl Query {
    /// The request; `selector` is the text of that of the target's Pods.
    pub(crate) fn request(&self, namespace: &str, selector: &str) -> Request {
        let path = |group: &'static str, version: &'static str, resource: String, name: Option<&str>, metric: &str| ResourcePath {
            resource: Gvr { group: Cow::Borrowed(group), version: Cow::Borrowed(version), resource: Cow::Owned(resource) },
            namespace: Some(namespace.to_owned()),
            name: name.map(str::to_owned),
            subresource: Cow::Owned(metric.to_owned()),
        };
        let custom = |resource: String, name: &str, metric: &str| path(CUSTOM, "v1beta2", resource, Some(name), metric);
        let get = |path| Request::new(Method::Get, path);
        let with = |request: Request, name: &'static str, text: String| if text.is_empty() { request } else { request.query(name, text) };
        let of_metric = |metric: &MetricIdentifier| selector_text(metric.selector.as_ref());
        match self {
            Query::Resource => with(get(path(RESOURCE, "v1beta1", "pods".to_owned(), None, "")), "labelSelector", selector.to_owned()),
            Query::Pods(metric) => {
                let request = with(get(custom("pods".to_owned(), "*", &metric.name)), "labelSelector", selector.to_owned());
                with(request, "metricLabelSelector", of_metric(metric))
            }
            Query::Object(metric, object) => {
                with(get(custom(resource_of(object), &object.name, &metric.name)), "metricLabelSelector", of_metric(metric))
            }
            Query::External(metric) => {
                with(get(path(EXTERNAL, "v1beta1", metric.name.clone(), None, "")), "labelSelector", of_metric(metric))
            }
        }
    }

    /// A refusal in the client's words.
    pub(crate) fn refusal(&self, code: u16, message: &str) -> String {
        let group = match self {
            Query::Resource if code == 404 && message == NO_SUCH_PATH => return format!("{message} (get pods.{RESOURCE})"),
            Query::Pods(_) | Query::Object(..) => ("custom", CUSTOM),
            Query::External(_) => ("external", EXTERNAL),
            Query::Resource => return message.to_owned(),
        };
        if code == 404 && message == NO_SUCH_PATH {
            format!("no {} metrics API ({}) registered", group.0, group.1)
        } else {
            message.to_owned()
        }
    }
}

const RESOURCE: &str = "metrics.k8s.io";
const CUSTOM: &str = "custom.metrics.k8s.io";
const EXTERNAL: &str = "external.metrics.k8s.io";

/// What the server says of a path that leads nowhere.
const NO_SUCH_PATH: &str = "the server could not find the requested resource";

/// What the APIs answered: JSON, or why not.
#[derive(Debug, Default)]
pub(crate) struct Answers(Vec<(Query, Result<Value, String>)>);

impl Answers {
    /// Notes an answer.
    pub(crate) fn put(&mut self, query: Query, answer: Result<Value, String>) {
        self.0.push((query, answer));
    }

    /// The items of an answer; there is at least one.
    fn items(&self, query: &Query, api: &str) -> Result<&[Value], String> {
        let failed = |why: &str| format!("unable to fetch metrics from {api} metrics API: {why}");
        let found = self.0.iter().find(|(asked, _)| asked == query).map(|(_, answer)| answer);
        let items = match found {
            Some(Ok(list)) => list["items"].as_array().map_or(&[][..], Vec::as_slice),
            Some(Err(why)) => return Err(failed(why)),
            None => return Err(failed("it was not asked")),
        };
        if items.is_empty() { Err(format!("no metrics returned from {api} metrics API")) } else { Ok(items) }
    }
}

fn milli(value: &Value) -> Option<i64> {
    Quantity::parse(value.as_str()?).ok().map(|quantity| quantity.milli_value())
}

fn time(value: &Value) -> Time {
    value.as_str().and_then(|text| Time::parse_rfc3339(text).ok()).unwrap_or_default()
}

/// A window as Go writes it: `15s`, `15.02s`, `1m30s`.
fn window(text: &str) -> Duration {
    let mut total = 0.0;
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_ascii_alphabetic()) {
        let unit = rest[at..].find(|c: char| !c.is_ascii_alphabetic()).map_or(rest.len(), |end| at + end);
        let seconds = match &rest[at..unit] {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 0.001,
            _ => 0.0,
        };
        total += rest[..at].parse::<f64>().unwrap_or(0.0) * seconds;
        rest = &rest[unit..];
    }
    Duration::from_secs_f64(total.clamp(0.0, 1e6))
}

fn usage_list(usage: &Value) -> ResourceList {
    let entries = usage.as_object().into_iter().flatten();
    entries.filter_map(|(name, text)| Some((name.clone(), Quantity::parse(text.as_str()?).ok()?))).collect()
}

/// An item of a `PodMetricsList`.
fn pod_usage(item: &Value) -> PodUsage {
    let containers = item["containers"].as_array().into_iter().flatten();
    PodUsage {
        name: item["metadata"]["name"].as_str().unwrap_or_default().to_owned(),
        timestamp: time(&item["timestamp"]),
        window: window(item["window"].as_str().unwrap_or_default()),
        containers: containers.map(|one| (one["name"].as_str().unwrap_or_default().to_owned(), usage_list(&one["usage"]))).collect(),
    }
}

impl MetricsClient for Answers {
    fn resource(&self, resource: &str, namespace: &str, _: &Selector, container: &str) -> Result<PodMetricsInfo, String> {
        let pods: Vec<PodUsage> = self.items(&Query::Resource, "resource")?.iter().map(pod_usage).collect();
        usage_of(&pods, resource, namespace, container)
    }

    fn raw(&self, metric: &MetricIdentifier, _: &str, _: &Selector) -> Result<PodMetricsInfo, String> {
        let items = self.items(&Query::Pods(metric.clone()), "custom")?;
        let one = |item: &Value| {
            let window = Duration::from_secs(item["windowSeconds"].as_u64().unwrap_or(60));
            let metric = PodMetric { timestamp: time(&item["timestamp"]), window, value: milli(&item["value"])? };
            Some((item["describedObject"]["name"].as_str()?.to_owned(), metric))
        };
        Ok(items.iter().filter_map(one).collect())
    }

    fn object(&self, metric: &MetricIdentifier, _: &str, object: &CrossVersionObjectReference) -> Result<i64, String> {
        let items = self.items(&Query::Object(metric.clone(), object.clone()), "custom")?;
        items.first().and_then(|item| milli(&item["value"])).ok_or_else(|| "no metrics returned from custom metrics API".to_owned())
    }

    fn external(&self, metric: &MetricIdentifier, _: &str) -> Result<Vec<i64>, String> {
        let items = self.items(&Query::External(metric.clone()), "external")?;
        Ok(items.iter().filter_map(|item| milli(&item["value"])).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::json::decode;
    use serde_json::json;

    fn metric(name: &str) -> MetricIdentifier {
        MetricIdentifier { name: name.to_owned(), ..MetricIdentifier::default() }
    }

    #[test]
    fn each_question_is_asked_once_at_its_path() {
        let cpu = json!({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}});
        let memory = json!({"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}}});
        let queue = json!({"type": "External", "external": {
            "metric": {"name": "queue_length", "selector": {"matchLabels": {"queue": "orders"}}}, "target": {"type": "Value", "value": "30"}}});
        let ingress = json!({"type": "Object", "object": {
            "metric": {"name": "rps"}, "describedObject": {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "name": "main"},
            "target": {"type": "Value", "value": "2k"}}});
        let pods =
            json!({"type": "Pods", "pods": {"metric": {"name": "packets"}, "target": {"type": "AverageValue", "averageValue": "1k"}}});
        let hpa = decode(json!({"spec": {"metrics": [cpu, memory, queue, ingress, pods]}})).unwrap();
        let asked: Vec<String> = queries(&hpa)
            .iter()
            .map(|query| {
                let request = query.request("shop", "app=web");
                let api::http::Path::Resource(path) = &request.path else { panic!("a resource") };
                let query: Vec<String> = request.query.iter().map(|(name, text)| format!(" {name}={text}")).collect();
                format!("{path}{}", query.concat())
            })
            .collect();
        assert_eq!(
            asked,
            [
                "/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods labelSelector=app=web",
                "/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/queue_length labelSelector=queue=orders",
                "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/ingresses.networking.k8s.io/main/rps",
                "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*/packets labelSelector=app=web",
            ]
        );
    }

    #[test]
    fn answers_are_read_as_the_apis_give_them() {
        let mut answers = Answers::default();
        let pod = json!({
            "metadata": {"name": "web-1"}, "timestamp": "2026-05-04T08:01:00Z", "window": "1m0.5s",
            "containers": [{"name": "app", "usage": {"cpu": "150000000n", "memory": "3Mi"}}, {"name": "log", "usage": {"cpu": "1m"}}],
        });
        answers.put(Query::Resource, Ok(json!({"items": [pod]})));
        answers.put(Query::External(metric("queue")), Ok(json!({"items": [{"value": "4"}, {"value": "500m"}]})));
        answers.put(Query::Pods(metric("rps")), Ok(json!({"items": []})));
        let cpu = answers.resource("cpu", "default", &Selector::default(), "").unwrap();
        let wanted = PodMetric { timestamp: Time::from_secs(60), window: Duration::from_millis(60_500), value: 151 };
        assert_eq!(cpu["web-1"], wanted);
        assert!(answers.resource("memory", "default", &Selector::default(), "").unwrap().is_empty(), "one container does not tell");
        assert_eq!(answers.external(&metric("queue"), ""), Ok(vec![4000, 500]));
        let none = answers.raw(&metric("rps"), "", &Selector::default());
        assert_eq!(none.unwrap_err(), "no metrics returned from custom metrics API");
    }

    #[test]
    fn a_missing_api_is_named_as_clients_name_it() {
        let missing = |query: Query| query.refusal(404, NO_SUCH_PATH);
        assert_eq!(missing(Query::Resource), "the server could not find the requested resource (get pods.metrics.k8s.io)");
        assert_eq!(missing(Query::External(metric("x"))), "no external metrics API (external.metrics.k8s.io) registered");
        assert_eq!(Query::Resource.refusal(503, "busy"), "busy");
    }
}

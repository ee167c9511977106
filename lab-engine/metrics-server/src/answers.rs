//! What `metrics.k8s.io/v1beta1` answers (`pkg/api`).

use crate::points::{PodUsage, Points, Usage};
use api::Resource;
use api::core::{Node, Pod, ResourceList};
use api::fields::FieldSelector;
use api::http::{Accept, Body, Method, Path, Request, Response};
use api::kinds::Gvr;
use api::labels::Selector;
use api::meta::{ObjectMeta, StringMap};
use api::status::Status;
use client::{Indexer, ObjectKey};
use serde_json::{Map, Value, json};
use sim::Time;
use std::borrow::Cow;
use std::time::Duration;

const GROUP: &str = "metrics.k8s.io";

/// What is known, to answer from.
pub(crate) struct Known<'a> {
    pub(crate) now: Time,
    pub(crate) nodes: &'a Indexer<Node>,
    pub(crate) pods: &'a Indexer<Pod>,
    pub(crate) points: &'a Points,
}

/// Which objects a request is about.
struct Wanted {
    labels: Selector,
    fields: FieldSelector,
}

impl Wanted {
    fn read(request: &Request) -> Result<Self, Box<Status>> {
        let bad = |message: String| Box::new(Status::bad_request(message));
        let labels = Selector::parse(request.param("labelSelector").unwrap_or_default())
            .map_err(|error| bad(format!("unable to parse requirement: {error}")))?;
        let fields = FieldSelector::parse(request.param("fieldSelector").unwrap_or_default()).map_err(bad)?;
        Ok(Wanted { labels, fields })
    }

    fn matches(&self, meta: &ObjectMeta) -> bool {
        self.labels.matches(&meta.labels)
            && self.fields.requirements.iter().all(|requirement| {
                let own = match requirement.field.as_str() {
                    "metadata.name" => meta.name.as_str(),
                    "metadata.namespace" => meta.namespace.as_str(),
                    _ => "",
                };
                (own == requirement.value) == requirement.equal
            })
    }
}

/// How Go prints the window: whole milliseconds, `15s`, `15.023s`, `1m0s`.
fn go_window(window: Duration) -> String {
    let (seconds, millis) = (window.as_secs(), window.subsec_millis());
    let minutes = if seconds >= 60 { format!("{}m", seconds / 60) } else { String::new() };
    let fraction = if millis == 0 { String::new() } else { format!(".{millis:03}").trim_end_matches('0').to_owned() };
    format!("{minutes}{}{fraction}s", seconds % 60)
}

fn usage_json(usage: &ResourceList) -> Value {
    Value::Object(usage.iter().map(|(name, quantity)| (name.clone(), json!(quantity.to_string()))).collect::<Map<_, _>>())
}

fn metadata(namespace: &str, name: &str, labels: &StringMap, now: Time) -> Value {
    let mut metadata = json!({"name": name, "creationTimestamp": now.rfc3339()});
    if !namespace.is_empty() {
        metadata["namespace"] = json!(namespace);
    }
    if !labels.is_empty() {
        metadata["labels"] = Value::Object(labels.iter().map(|(key, value)| (key.to_string(), json!(value))).collect());
    }
    metadata
}

impl Known<'_> {
    fn node(&self, node: &Node) -> Option<Value> {
        let Usage { timestamp, window, usage } = self.points.node(&node.metadata.name)?;
        let metadata = metadata("", &node.metadata.name, &node.metadata.labels, self.now);
        Some(json!({
            "kind": "NodeMetrics", "apiVersion": "metrics.k8s.io/v1beta1", "metadata": metadata,
            "timestamp": timestamp.rfc3339(), "window": go_window(window), "usage": usage_json(&usage),
        }))
    }

    fn pod(&self, pod: &Pod) -> Option<Value> {
        let meta = &pod.metadata;
        let PodUsage { timestamp, window, containers } = self.points.pod(&(meta.namespace.clone(), meta.name.clone()))?;
        let containers: Vec<Value> = containers.iter().map(|(name, usage)| json!({"name": name, "usage": usage_json(usage)})).collect();
        let metadata = metadata(&meta.namespace, &meta.name, &meta.labels, self.now);
        Some(json!({
            "kind": "PodMetrics", "apiVersion": "metrics.k8s.io/v1beta1", "metadata": metadata,
            "timestamp": timestamp.rfc3339(), "window": go_window(window), "containers": containers,
        }))
    }

    fn answered(&self, request: &Request) -> Result<Value, Box<Status>> {
        let Path::Resource(path) = &request.path else { return Err(Box::new(Status::no_such_path())) };
        if path.resource.group != GROUP || !path.subresource.is_empty() {
            return Err(Box::new(Status::no_such_path()));
        }
        if request.method != Method::Get || request.is_watch() {
            return Err(Box::new(Status::method_not_allowed()));
        }
        let not_found = |kind: &'static str, name: &str| {
            let gvr = Gvr { group: Cow::Borrowed(GROUP), version: Cow::Borrowed(""), resource: Cow::Borrowed(kind) };
            Box::new(Status::not_found(&gvr, name))
        };
        let namespace = path.namespace.as_deref().unwrap_or_default();
        match (&*path.resource.resource, &path.name) {
            ("nodes", Some(name)) => {
                let node = self.nodes.get(&ObjectKey::new("", name.as_str()));
                node.and_then(|node| self.node(node)).ok_or_else(|| not_found("nodemetrics", name))
            }
            ("pods", Some(name)) if !namespace.is_empty() => {
                let pod = self.pods.get(&ObjectKey::new(namespace, name.as_str()));
                pod.and_then(|pod| self.pod(pod)).ok_or_else(|| not_found("podmetrics", &format!("{namespace}/{name}")))
            }
            ("nodes", None) => {
                let wanted = Wanted::read(request)?;
                let mut nodes: Vec<&Node> = self.nodes.list().map(AsRef::as_ref).collect();
                nodes.retain(|node| wanted.matches(&node.metadata));
                Ok(list("NodeMetricsList", nodes.iter().filter_map(|node| self.node(node)).collect()))
            }
            ("pods", None) => {
                let wanted = Wanted::read(request)?;
                let mut pods: Vec<&Pod> = self.pods.list().map(AsRef::as_ref).collect();
                pods.retain(|pod| (namespace.is_empty() || pod.metadata.namespace == namespace) && wanted.matches(pod.metadata()));
                Ok(list("PodMetricsList", pods.iter().filter_map(|pod| self.pod(pod)).collect()))
            }
            _ => Err(Box::new(Status::no_such_path())),
        }
    }

    /// Answers a request.
    pub(crate) fn answer(&self, request: &Request) -> Response {
        match self.answered(request) {
            Ok(value) if request.accept == Accept::Table => Response::ok(Body::Json(table(&value))),
            Ok(value) => Response::ok(Body::Json(value)),
            Err(status) => (*status).into(),
        }
    }
}

fn list(kind: &str, items: Vec<Value>) -> Value {
    json!({"kind": kind, "apiVersion": "metrics.k8s.io/v1beta1", "metadata": {}, "items": items})
}

/// The table that `kubectl get` prints: name, CPU, memory, window.
fn table(value: &Value) -> Value {
    let column = |name: &str, format: &str| json!({"name": name, "type": "string", "format": format, "description": "", "priority": 0});
    let columns = [column("Name", "name"), column("cpu", ""), column("memory", ""), column("Window", "")];
    let one = std::slice::from_ref(value);
    let items = value["items"].as_array().map_or(one, Vec::as_slice);
    let rows: Vec<Value> = items
        .iter()
        .map(|item| {
            let total = |resource: &str| {
                let parts = item["containers"].as_array().map_or(std::slice::from_ref(item), Vec::as_slice);
                let texts = parts.iter().filter_map(|part| part["usage"][resource].as_str());
                let mut sum: Option<api::quantity::Quantity> = None;
                for quantity in texts.filter_map(|text| api::quantity::Quantity::parse(text).ok()) {
                    match &mut sum {
                        Some(sum) => sum.add(quantity),
                        None => sum = Some(quantity),
                    }
                }
                sum.map(|sum| sum.to_string()).unwrap_or_default()
            };
            let cells = json!([item["metadata"]["name"], total("cpu"), total("memory"), item["window"]]);
            let object = json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": item["metadata"]});
            json!({"cells": cells, "object": object})
        })
        .collect();
    json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {}, "columnDefinitions": columns, "rows": rows})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_read_as_go_prints_them() {
        let shown = [15_000, 15_020, 61_500].map(|millis| go_window(Duration::from_millis(millis)));
        assert_eq!(shown, ["15s", "15.02s", "1m1.5s"]);
    }
}

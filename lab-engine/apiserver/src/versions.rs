//! Kinds that are served in a second version besides the one in which everything inside works with them and etcd keeps them: conversion at
//! the door (`pkg/apis/autoscaling/v1/conversion.go`).
//!
//! A request for the second version is turned into one for the first before it is routed, and what leaves the server for whoever asked is
//! turned back (`OtherVersions`). A patch alone is carried out on the second version's form (`registry::patch`).
//!
//! - `autoscaling/v1` HorizontalPodAutoscaler, which knows one metric. What it cannot say travels in annotations, as upstream.
//!
//! **Simplified here:** these annotations hold metrics in the form of `autoscaling/v2`; the fields of the second version are not in the
//! OpenAPI documents; who owns which field is recorded in terms of the first.

use crate::io::Output;
use api::decode::FieldValidation;
use api::http::{Body, List, PatchType, Request, Response, WatchEvent};
use api::kinds::{Gvr, KindInfo, Names};
use api::status::Status;
use api::{Dynamic, Object};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The second versions, as discovery shows them.
pub(crate) static OTHERS: [KindInfo; 1] = [KindInfo {
    group: Cow::Borrowed("autoscaling"),
    version: Cow::Borrowed("v1"),
    kind: Cow::Borrowed("HorizontalPodAutoscaler"),
    plural: Cow::Borrowed("horizontalpodautoscalers"),
    singular: Cow::Borrowed("horizontalpodautoscaler"),
    short_names: Names::BuiltIn(&["hpa"]),
    namespaced: true,
    categories: Names::BuiltIn(&["all"]),
    custom: false,
}];

/// What the version of [`OTHERS`] is called, and the one that stands behind it.
const SECOND: &str = "autoscaling/v1";
const FIRST: &str = "autoscaling/v2";
/// The version in URLs behind which [`FIRST`] stands.
const FIRST_VERSION: &str = "v2";

/// What `autoscaling/v1` keeps in annotations: their names, and where `autoscaling/v2` has it.
const IN_ANNOTATIONS: [(&str, &str, &str); 4] = [
    ("autoscaling.alpha.kubernetes.io/metrics", "spec", "metrics"),
    ("autoscaling.alpha.kubernetes.io/behavior", "spec", "behavior"),
    ("autoscaling.alpha.kubernetes.io/conditions", "status", "conditions"),
    ("autoscaling.alpha.kubernetes.io/current-metrics", "status", "currentMetrics"),
];

/// Whether a resource is served in its second version.
pub(crate) fn is_second(gvr: &Gvr) -> bool {
    OTHERS.iter().any(|other| other.group == gvr.group && other.version == gvr.version && other.plural == gvr.resource)
}

/// Who has asked for a second version and has not been answered: the client and its request.
#[derive(Debug, Default)]
pub(crate) struct OtherVersions {
    asked: BTreeSet<(u32, u64)>,
}

impl OtherVersions {
    /// Forgets a request.
    pub(crate) fn cancel(&mut self, client: u32, id: u64) {
        self.asked.remove(&(client, id));
    }

    /// Forgets a client.
    pub(crate) fn remove_client(&mut self, client: u32) {
        self.asked.retain(|(of, _)| *of != client);
    }

    /// Turns what leaves the server into the version that was asked for.
    pub(crate) fn show(&mut self, out: &mut [Output]) {
        if self.asked.is_empty() {
            return;
        }
        for output in out {
            match output {
                Output::Respond { client, id, response } if self.asked.remove(&(*client, *id)) => show_body(response),
                Output::Watch { client, id, events } if self.asked.contains(&(*client, *id)) => {
                    *events = events.iter().map(show_event).collect();
                }
                Output::WatchEnded { client, id } => self.cancel(*client, *id),
                _ => {}
            }
        }
    }
}

impl OtherVersions {
    /// Turns a request for a second version into one for the first.
    ///
    /// # Errors
    /// 400 for an object that is not one of the second version.
    pub(crate) fn turn(&mut self, client: u32, id: u64, request: &mut Request) -> Result<(), Box<Status>> {
        let validation = crate::params::field_validation(request)?;
        if let api::http::Path::Resource(path) = &mut request.path {
            path.resource.version = FIRST_VERSION.into();
        }
        match &mut request.body {
            Body::Json(value) if value["kind"] != "DeleteOptions" => *value = to_first(value.take(), validation)?,
            Body::Object(object) => request.body = Body::Json(to_first(object.to_json(), validation)?),
            Body::Patch(PatchType::Apply, config) => *config = to_first(config.take(), validation)?,
            _ => {}
        }
        self.asked.insert((client, id));
        Ok(())
    }
}

fn show_body(response: &mut Response) {
    let Ok(body) = &mut response.result else { return };
    match body {
        Body::Object(object) => *body = Body::Json(to_second(object.to_json())),
        Body::List(list) => **list = show_list(list),
        Body::Json(value) if value["apiVersion"] == FIRST => *value = to_second(value.take()),
        _ => {}
    }
}

fn show_list(list: &List) -> List {
    List { api_version: SECOND.to_owned(), items: list.items.iter().map(show_object).collect(), ..list.clone() }
}

fn show_event(event: &WatchEvent) -> WatchEvent {
    match event {
        WatchEvent::Added(object) => WatchEvent::Added(show_object(object)),
        WatchEvent::Modified(object) => WatchEvent::Modified(show_object(object)),
        WatchEvent::Deleted(object) => WatchEvent::Deleted(show_object(object)),
        other => other.clone(),
    }
}

/// The object in the second version; what is no object of the first, such as a row of a table, stays.
fn show_object(object: &Object) -> Object {
    if object.api_version() != FIRST {
        return object.clone();
    }
    let Value::Object(mut fields) = to_second(object.to_json()) else { return object.clone() };
    fields.remove("apiVersion");
    fields.remove("kind");
    match Dynamic::decode(SECOND, object.kind(), None, fields) {
        Ok(shown) => Object::Dynamic(Arc::new(shown)),
        Err(_) => object.clone(),
    }
}

/// An autoscaler of `autoscaling/v2` in the words of `autoscaling/v1`.
pub(crate) fn to_second(mut value: Value) -> Value {
    value["apiVersion"] = json!(SECOND);
    let mut kept = Map::new();
    let is_cpu = |metric: &Value| metric["type"] == "Resource" && metric["resource"]["name"] == "cpu";
    if let Some(Value::Array(metrics)) = take(&mut value, "spec", "metrics") {
        let utilization = |metric: &Value| metric["resource"]["target"].get("averageUtilization").cloned();
        let at = metrics.iter().position(|metric| is_cpu(metric) && utilization(metric).is_some());
        let others: Vec<Value> =
            metrics.iter().enumerate().filter(|(index, _)| Some(*index) != at).map(|(_, metric)| metric.clone()).collect();
        if let Some(percent) = at.and_then(|at| utilization(&metrics[at])) {
            value["spec"]["targetCPUUtilizationPercentage"] = percent;
        }
        if !others.is_empty() {
            kept.insert("metrics".to_owned(), json!(others));
        }
    }
    if let Some(Value::Array(metrics)) = take(&mut value, "status", "currentMetrics") {
        let current =
            metrics.iter().find(|metric| is_cpu(metric)).and_then(|metric| metric["resource"]["current"].get("averageUtilization"));
        if let Some(percent) = current {
            value["status"]["currentCPUUtilizationPercentage"] = percent.clone();
        }
        kept.insert("currentMetrics".to_owned(), json!(metrics));
    }
    for (part, field) in [("spec", "behavior"), ("status", "conditions")] {
        if let Some(part) = take(&mut value, part, field) {
            kept.insert(field.to_owned(), part);
        }
    }
    for (annotation, _, field) in IN_ANNOTATIONS {
        if let Some(part) = kept.get(field) {
            value["metadata"]["annotations"][annotation] = json!(part.to_string());
        }
    }
    value
}

/// An autoscaler of `autoscaling/v1` in the words of `autoscaling/v2`.
///
/// # Errors
/// 400 when it says that it is something else, and for fields of the other version where validation is strict; else these are dropped.
pub(crate) fn to_first(mut value: Value, validation: FieldValidation) -> Result<Value, Box<Status>> {
    let kind = &OTHERS[0].kind;
    if let Some(other) = value["apiVersion"].as_str().filter(|version| *version != SECOND) {
        let message = format!("the API version in the data ({other}) does not match the expected API version ({SECOND})");
        return Err(Box::new(Status::bad_request(message)));
    }
    if !value.is_object() {
        return Err(Box::new(Status::bad_request("the body of the request is no object")));
    }
    value["apiVersion"] = json!(FIRST);
    for (_, part, field) in IN_ANNOTATIONS {
        if take(&mut value, part, field).is_some() && validation == FieldValidation::Strict {
            let message =
                format!("{kind} in version \"v1\" cannot be handled as a {kind}: strict decoding error: unknown field \"{part}.{field}\"");
            return Err(Box::new(Status::bad_request(message)));
        }
    }
    let mut metrics = Vec::new();
    if let Some(percent) = take(&mut value, "spec", "targetCPUUtilizationPercentage").filter(|percent| !percent.is_null()) {
        let target = json!({"type": "Utilization", "averageUtilization": percent});
        metrics.push(json!({"type": "Resource", "resource": {"name": "cpu", "target": target}}));
    }
    take(&mut value, "status", "currentCPUUtilizationPercentage");
    for (annotation, part, field) in IN_ANNOTATIONS {
        let text = value.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut).and_then(|all| all.remove(annotation));
        // What cannot be read is dropped, as upstream drops it.
        let Some(told) = text.and_then(|text| serde_json::from_str::<Value>(text.as_str()?).ok()) else { continue };
        match told {
            Value::Array(others) if field == "metrics" => metrics.extend(others),
            told if value[part].is_object() => value[part][field] = told,
            _ => {}
        }
    }
    if !metrics.is_empty() && value["spec"].is_object() {
        value["spec"]["metrics"] = json!(metrics);
    }
    Ok(value)
}

/// Takes a field out of a part of an object.
fn take(value: &mut Value, part: &str, field: &str) -> Option<Value> {
    value.get_mut(part)?.as_object_mut()?.remove(field)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(spec: Value) -> Value {
        json!({"apiVersion": FIRST, "kind": "HorizontalPodAutoscaler", "metadata": {"name": "a"}, "spec": spec})
    }

    #[test]
    fn what_the_older_version_cannot_say_survives_in_annotations() {
        let cpu = json!({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}});
        let pods = json!({"type": "Pods", "pods": {"metric": {"name": "m"}, "target": {"type": "AverageValue", "averageValue": "1"}}});
        let behavior = json!({"scaleDown": {"stabilizationWindowSeconds": 5}});
        let whole = first(json!({"maxReplicas": 3, "metrics": [cpu, pods], "behavior": behavior}));
        let shown = to_second(whole.clone());
        assert_eq!(shown["spec"], json!({"maxReplicas": 3, "targetCPUUtilizationPercentage": 50}));
        assert_eq!(shown["metadata"]["annotations"].as_object().map(Map::len), Some(2));
        let mut back = to_first(shown, FieldValidation::Strict).unwrap();
        assert_eq!(take(&mut back, "metadata", "annotations"), Some(json!({})));
        assert_eq!(back, whole);
    }

    #[test]
    fn fields_of_the_newer_version_are_unknown_to_the_older() {
        let mut value = first(json!({"maxReplicas": 3, "behavior": {}}));
        value["apiVersion"] = json!(SECOND);
        let refused = to_first(value.clone(), FieldValidation::Strict).unwrap_err();
        assert!(refused.message.ends_with("strict decoding error: unknown field \"spec.behavior\""), "{}", refused.message);
        assert_eq!(to_first(value, FieldValidation::Warn).unwrap()["spec"], json!({"maxReplicas": 3}));
        assert!(to_first(first(json!({})), FieldValidation::Warn).unwrap_err().message.contains("does not match the expected API version"));
    }
}

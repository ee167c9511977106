//! Lists, watches and tables.

mod common;

use api::http::{Accept, Body, Method, PatchType, WatchEvent};
use apiserver::Input;
use common::{Harness, json, refusal, request};
use serde_json::{Value, json};
use std::time::Duration;

const PODS: &str = "/api/v1/namespaces/default/pods";

fn pod(name: &str, app: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": app}},
           "spec": {"containers": [{"name": "c", "image": "nginx"}]}})
}

fn bind(h: &mut Harness, name: &str, node: &str) {
    let binding = json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": {"kind": "Node", "name": node}});
    assert_eq!(h.post(&format!("{PODS}/{name}/binding"), binding).code, 201);
}

#[test]
fn a_watch_begins_with_what_there_is() {
    let mut h = Harness::new();
    h.post(PODS, pod("a", "x"));
    let plain = h.watch(PODS);
    assert_eq!(h.seen(plain), ["ADDED a"]);
    let url = format!("{PODS}?sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan");
    let streaming = h.watch(&url);
    assert_eq!(h.seen(streaming), ["ADDED a", "SYNCED"]);
    h.post(PODS, pod("b", "x"));
    h.delete(&format!("{PODS}/a"));
    assert_eq!(h.seen(plain), ["ADDED b", "DELETED a"]);
    assert_eq!(h.seen(streaming), ["ADDED b", "DELETED a"]);
    h.handle(Input::Cancel { client: 0, id: plain });
    h.post(PODS, pod("c", "x"));
    assert!(h.seen(plain).is_empty());
}

#[test]
fn a_watch_goes_on_from_a_revision() {
    let mut h = Harness::new();
    h.post(PODS, pod("a", "x"));
    let revision = json(h.get(PODS))["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    h.post(PODS, pod("b", "x"));
    let id = h.watch(&format!("{PODS}?resourceVersion={revision}"));
    assert_eq!(h.seen(id), ["ADDED b"]);
}

#[test]
fn a_revision_that_is_forgotten_is_expired() {
    let mut h = Harness::new();
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"n": "0"}});
    h.post("/api/v1/namespaces/default/configmaps", map);
    let revision = h.server.revision();
    for n in 1..=10_001 {
        h.patch("/api/v1/namespaces/default/configmaps/m", PatchType::Merge, json!({"data": {"n": n.to_string()}}));
    }
    let id = h.watch(&format!("/api/v1/configmaps?resourceVersion={}", revision - 1));
    let seen = h.seen(id);
    assert!(seen[0].starts_with("ERROR 410 too old resource version"), "{seen:?}");
    assert_eq!(h.ended, [id]);
}

#[test]
fn selectors_turn_changes_into_arrivals_and_departures() {
    let mut h = Harness::new();
    let by_label = h.watch(&format!("{PODS}?labelSelector=app=x"));
    let node_1 = h.watch("/api/v1/pods?fieldSelector=spec.nodeName=node-1");
    let node_2 = h.watch("/api/v1/pods?fieldSelector=spec.nodeName=node-2");
    let unbound = h.watch("/api/v1/pods?fieldSelector=spec.nodeName=");
    h.post(PODS, pod("a", "x"));
    bind(&mut h, "a", "node-1");
    h.patch(&format!("{PODS}/a"), PatchType::Merge, json!({"metadata": {"labels": {"app": "y"}}}));
    assert_eq!(h.seen(by_label), ["ADDED a", "MODIFIED a", "DELETED a"]);
    assert_eq!(h.seen(node_1), ["ADDED a", "MODIFIED a"]);
    assert_eq!(h.seen(unbound), ["ADDED a", "DELETED a"]);
    assert!(h.seen(node_2).is_empty());
}

#[test]
fn watches_end_and_get_bookmarks() {
    let mut h = Harness::new();
    let id = h.watch(&format!("{PODS}?timeoutSeconds=100&allowWatchBookmarks=true"));
    h.post("/api/v1/namespaces", json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}));
    h.advance(Duration::from_secs(61));
    let revision = h.server.revision();
    let events = h.events.remove(&id).unwrap();
    assert!(matches!(events[..], [WatchEvent::Bookmark { resource_version, initial_events_end: false }] if resource_version == revision));
    h.advance(Duration::from_secs(60));
    assert_eq!(h.ended, [id]);
}

#[test]
fn pages_show_the_list_as_it_was() {
    let mut h = Harness::new();
    for name in ["a", "b", "c", "d"] {
        h.post(PODS, pod(name, "x"));
    }
    let first = json(h.get(&format!("{PODS}?limit=2")));
    assert_eq!((first["items"].as_array().map(Vec::len), &first["metadata"]["remainingItemCount"]), (Some(2), &json!(2)));
    h.delete(&format!("{PODS}/d"));
    let token = first["metadata"]["continue"].as_str().unwrap();
    let second = json(h.get(&format!("{PODS}?limit=2&continue={token}")));
    let names: Vec<&str> = second["items"].as_array().unwrap().iter().filter_map(|item| item["metadata"]["name"].as_str()).collect();
    assert_eq!(names, ["c", "d"], "as of the first page's revision");
    assert_eq!(second["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);
    assert!(second["metadata"].get("continue").is_none());
    h.advance(Duration::from_secs(900));
    assert_eq!(refusal(h.get(&format!("{PODS}?limit=2&continue={token}"))).0, 410);
    assert_eq!(refusal(h.get(&format!("{PODS}?limit=2&continue=nonsense"))).0, 400);
}

#[test]
fn a_cut_from_etcd_loses_no_change() {
    let mut h = Harness::new();
    let id = h.watch(PODS);
    h.etcd_cut = true;
    let lost = h.send(request(Method::Post, PODS).body(Body::Json(pod("a", "x"))));
    h.advance(Duration::from_secs(40));
    assert_eq!(refusal(h.answers.remove(&lost).unwrap()).0, 504);
    h.etcd_cut = false;
    h.post(PODS, pod("b", "x"));
    h.post(PODS, pod("c", "x"));
    assert_eq!(h.seen(id), ["ADDED b", "ADDED c"]);
}

#[test]
fn events_are_forgotten_after_an_hour() {
    let mut h = Harness::new();
    let event = json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e"}, "reason": "Started", "type": "Normal",
                       "involvedObject": {"kind": "Pod", "namespace": "default", "name": "web"}});
    let path = "/api/v1/namespaces/default/events";
    h.post(path, event);
    h.advance(Duration::from_secs(3599));
    assert_eq!(h.get(&format!("{path}/e")).code, 200);
    h.advance(Duration::from_secs(2));
    assert_eq!(h.get(&format!("{path}/e")).code, 404);
}

#[test]
fn tables_have_the_columns_of_kubectl_get() {
    let mut h = Harness::new();
    h.post(PODS, pod("web", "x"));
    h.advance(Duration::from_secs(90));
    let table = h.table(PODS);
    let names: Vec<&str> = table["columnDefinitions"].as_array().unwrap().iter().filter_map(|column| column["name"].as_str()).collect();
    assert_eq!(names[..5], ["Name", "Ready", "Status", "Restarts", "Age"]);
    let cells = json!(["web", "0/1", "Pending", "0", "90s", "<none>", "<none>", "<none>", "<none>"]);
    assert_eq!(table["rows"][0]["cells"], cells);
    assert_eq!(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");
    let services = h.table("/api/v1/namespaces/default/services");
    assert_eq!(services["rows"][0]["cells"], json!(["kubernetes", "ClusterIP", "10.96.0.1", "<none>", "443/TCP", "90s", "<none>"]));
}

#[test]
fn logs_are_the_kubelets_business() {
    let mut h = Harness::new();
    h.post(PODS, pod("web", "x"));
    bind(&mut h, "web", "node-1");
    let id = h.send(request(Method::Get, &format!("{PODS}/web/log?follow=true")));
    let (node, number, _) = h.kubelet.pop().unwrap();
    assert_eq!(node, "node-1");
    h.handle(Input::Kubelet { id: number, response: api::http::Response::ok(Body::Empty) });
    h.handle(Input::KubeletStream { id: number, text: "hello\n".into(), last: true });
    assert_eq!(h.answers.remove(&id).map(|response| response.code), Some(200));
    assert_eq!(h.streamed, [(id, "hello\n".to_owned(), true)]);
    let bad = refusal(h.get(&format!("{PODS}/web/log?container=x")));
    assert_eq!(bad, (400, "container x is not valid for pod web".to_owned()));
}

#[test]
fn what_a_client_says_goes_to_the_kubelet_until_it_is_gone() {
    let mut h = Harness::new();
    h.post(PODS, pod("web", "x"));
    bind(&mut h, "web", "node-1");
    let mut exec = request(Method::Post, &format!("{PODS}/web/exec?command=sh"));
    exec.accept = Accept::Channels;
    let id = h.send(exec);
    let (_, number, _) = h.kubelet.pop().unwrap();
    h.handle(Input::Kubelet { id: number, response: api::http::Response::ok(Body::Empty) });
    h.handle(Input::Write { client: 0, id, frame: "ls".into() });
    h.handle(Input::Write { client: 1, id, frame: "not mine".into() });
    h.handle(Input::Cancel { client: 0, id });
    h.handle(Input::Write { client: 0, id, frame: "too late".into() });
    assert_eq!(h.passed_on, [(number, Some("ls".to_owned())), (number, None)]);
    // An answer that is all there is leaves nothing to close.
    let log = h.send(request(Method::Get, &format!("{PODS}/web/log")));
    h.handle(Input::Cancel { client: 0, id: log });
    assert_eq!(h.passed_on.len(), 2);
}

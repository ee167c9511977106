//! LimitRanges and ResourceQuotas: what a namespace may ask for, and what it may use together.

mod common;

use api::http::{Body, Method};
use common::{Harness, json, refusal, request};
use serde_json::{Value, json};

const PODS: &str = "/api/v1/namespaces/default/pods";
const QUOTAS: &str = "/api/v1/namespaces/default/resourcequotas";

fn pod(name: &str, resources: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
           "spec": {"containers": [{"name": "c", "image": "nginx", "resources": resources}]}})
}

fn quota(name: &str, hard: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": name}, "spec": {"hard": hard}})
}

fn used(h: &mut Harness, name: &str) -> Value {
    json(h.get(&format!("{QUOTAS}/{name}")))["status"]["used"].clone()
}

#[test]
fn a_limit_range_fills_in_what_a_container_leaves_out() {
    let mut h = Harness::new();
    let item = json!({"type": "Container", "max": {"cpu": "1"}, "defaultRequest": {"cpu": "100m"}});
    let range = json!({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "cpu"}, "spec": {"limits": [item]}});
    let made = json(h.post("/api/v1/namespaces/default/limitranges", range));
    assert_eq!(made["spec"]["limits"][0]["default"]["cpu"], "1", "the default follows from the maximum");

    let made = json(h.post(PODS, pod("web", json!({}))));
    assert_eq!(made["spec"]["containers"][0]["resources"], json!({"limits": {"cpu": "1"}, "requests": {"cpu": "100m"}}));
    assert_eq!(
        made["metadata"]["annotations"]["kubernetes.io/limit-ranger"],
        "LimitRanger plugin set: cpu request for container c; cpu limit for container c"
    );

    let (code, message) = refusal(h.post(PODS, pod("big", json!({"limits": {"cpu": "1500m"}}))));
    assert_eq!(code, 403);
    assert_eq!(message, "pods \"big\" is forbidden: maximum cpu usage per Container is 1, but limit is 1500m");
}

#[test]
fn defaults_come_before_validation_and_bounds_after_it() {
    let mut h = Harness::new();
    let item = json!({"type": "Container", "max": {"cpu": "1"}, "defaultRequest": {"cpu": "100m"}});
    let range = json!({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "cpu"}, "spec": {"limits": [item]}});
    h.post("/api/v1/namespaces/default/limitranges", range);
    let made = json(h.post(PODS, pod("web", json!({}))));
    assert_eq!(made["status"]["qosClass"], "Burstable", "the class follows from what was filled in");
    let (code, message) = refusal(h.post(PODS, pod("Big_Pod", json!({"limits": {"cpu": "2"}}))));
    assert_eq!(code, 422, "an object must be valid before its size matters: {message}");
}

#[test]
fn a_quota_is_charged_and_refuses_what_is_too_much() {
    let mut h = Harness::new();
    h.post(PODS, pod("first", json!({"requests": {"cpu": "600m"}})));
    h.post(QUOTAS, quota("cpu", json!({"pods": "5", "requests.cpu": "1"})));
    h.count("cpu", json!({"pods": "1", "requests.cpu": "600m"}));

    h.post(PODS, pod("second", json!({"requests": {"cpu": "300m"}})));
    assert_eq!(used(&mut h, "cpu"), json!({"pods": "2", "requests.cpu": "900m"}));

    let (code, message) = refusal(h.post(PODS, pod("third", json!({"requests": {"cpu": "200m"}}))));
    assert_eq!(code, 403);
    assert_eq!(
        message,
        "pods \"third\" is forbidden: exceeded quota: cpu, requested: requests.cpu=200m, used: requests.cpu=900m, limited: requests.cpu=1"
    );
    let (_, message) = refusal(h.post(PODS, pod("mute", json!({}))));
    assert_eq!(message, "pods \"mute\" is forbidden: failed quota: cpu: must specify requests.cpu for: c");

    h.delete(&format!("{PODS}/first"));
    assert_eq!(used(&mut h, "cpu"), json!({"pods": "2", "requests.cpu": "900m"}), "the controller gives back what is gone");
}

#[test]
fn two_who_want_the_last_place_do_not_both_get_it() {
    let mut h = Harness::new();
    h.post(QUOTAS, quota("one", json!({"count/configmaps": "1"})));
    h.count("one", json!({"count/configmaps": "0"}));
    // Both are decided before etcd answers either: the second finds the quota changed, and looks again.
    let make = |name: &str| {
        let body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
        request(Method::Post, "/api/v1/namespaces/default/configmaps").body(Body::Json(body))
    };
    let answers = h.race([make("a"), make("b")]);
    let codes: Vec<u16> = answers.iter().map(|answer| answer.code).collect();
    assert_eq!(codes, [201, 403], "{answers:?}");
    assert_eq!(used(&mut h, "one"), json!({"count/configmaps": "1"}));
}

#[test]
fn a_dry_run_is_judged_but_not_charged() {
    let mut h = Harness::new();
    h.post(QUOTAS, quota("few", json!({"pods": "1"})));
    h.count("few", json!({"pods": "0"}));
    assert_eq!(h.post(&format!("{PODS}?dryRun=All"), pod("a", json!({}))).code, 201);
    assert_eq!(used(&mut h, "few"), json!({"pods": "0"}));
    h.post(PODS, pod("a", json!({})));
    assert_eq!(refusal(h.post(&format!("{PODS}?dryRun=All"), pod("b", json!({})))).0, 403);
}

#[test]
fn a_service_that_becomes_a_node_port_is_charged_for_its_ports() {
    let mut h = Harness::new();
    h.post(QUOTAS, quota("ports", json!({"services.nodeports": "0"})));
    h.count("ports", json!({"services.nodeports": "0"}));
    let service = |kind: &str| json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"type": kind, "ports": [{"port": 80}]}});
    let services = "/api/v1/namespaces/default/services";
    assert_eq!(h.post(services, service("ClusterIP")).code, 201);
    let (code, message) = refusal(h.put(&format!("{services}/web"), service("NodePort")));
    assert_eq!(code, 403);
    assert!(message.contains("exceeded quota: ports, requested: services.nodeports=1"), "{message}");
}

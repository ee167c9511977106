//! Addresses and node ports of Services with several API servers, and requests in flight.

mod common;

use api::http::Body;
use api::http::{Method, PatchType};
use apiserver::{ApiServer, Config, Input};
use common::{Harness, certificate, json, refusal, request};
use serde_json::{Value, json};
use sim::Seed;

const SERVICES: &str = "/api/v1/namespaces/default/services";

fn service(name: &str, spec: &Value) -> Value {
    let mut spec = spec.clone();
    spec["ports"] = json!([{"port": 80, "nodePort": spec["nodePort"]}]);
    if let Some(fields) = spec.as_object_mut() {
        fields.remove("nodePort");
    }
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec})
}

/// Two servers of one cluster with the same luck, the second of which has not seen what the first wrote.
fn two_servers() -> (Harness, ApiServer) {
    let mut harness = Harness::new();
    let fresh = || ApiServer::new(Seed(9).stream("kube-apiserver"), Config::default());
    harness.server = fresh();
    harness.handle(Input::Wake);
    let behind = std::mem::replace(&mut harness.server, fresh());
    harness.handle(Input::Wake);
    (harness, behind)
}

#[test]
fn two_servers_never_give_one_address_twice() {
    let (mut harness, behind) = two_servers();
    let drawn = json(harness.post(SERVICES, service("a", &json!({}))));
    let ours = json(harness.get("/apis/networking.k8s.io/v1/ipaddresses/10.96.0.1"));
    assert_eq!(ours["spec"]["parentRef"], json!({"resource": "services", "namespace": "default", "name": "kubernetes"}));
    harness.server = behind;
    let other = json(harness.post(SERVICES, service("b", &json!({}))));
    assert_ne!(drawn["spec"]["clusterIP"], other["spec"]["clusterIP"]);
    let wanted = json!({"clusterIP": drawn["spec"]["clusterIP"]});
    let (_, message) = refusal(harness.post(SERVICES, service("c", &wanted)));
    assert!(message.ends_with("provided IP is already allocated"), "{message}");
}

#[test]
fn two_servers_never_give_one_node_port_twice() {
    let (mut harness, behind) = two_servers();
    let of = |port: i32| json!({"type": "NodePort", "nodePort": port});
    let first = json(harness.post(SERVICES, service("a", &of(0))));
    let port = first["spec"]["ports"][0]["nodePort"].as_i64().unwrap();
    harness.server = behind;
    let second = json(harness.post(SERVICES, service("b", &of(0))));
    assert_ne!(second["spec"]["ports"][0]["nodePort"], port);
    let (_, message) = refusal(harness.post(SERVICES, service("c", &of(i32::try_from(port).unwrap()))));
    assert!(message.ends_with("provided port is already allocated"), "{message}");
}

#[test]
fn what_a_service_held_is_free_when_it_is_gone() {
    let mut harness = Harness::new();
    let wanted = json!({"type": "NodePort", "clusterIP": "10.96.7.7", "nodePort": 30_777});
    json(harness.post(SERVICES, service("a", &wanted)));
    let address = "/apis/networking.k8s.io/v1/ipaddresses/10.96.7.7";
    assert!(harness.get(address).result.is_ok());
    harness.delete(&format!("{SERVICES}/a"));
    assert!(harness.get(address).result.is_err());
    json(harness.post(SERVICES, service("b", &wanted)));
    let range = json(harness.get("/apis/networking.k8s.io/v1/servicecidrs/kubernetes"));
    assert_eq!(range["spec"]["cidrs"], json!(["10.96.0.0/12"]));
}

#[test]
fn a_port_for_health_checks_is_held_as_long_as_it_is_needed() {
    let mut harness = Harness::new();
    let local = json!({"type": "LoadBalancer", "externalTrafficPolicy": "Local"});
    let drawn = json(harness.post(SERVICES, service("a", &local)));
    let port = drawn["spec"]["healthCheckNodePort"].as_i64().unwrap();
    assert!((30_000..32_768).contains(&port) && drawn["spec"]["ports"][0]["nodePort"] != port, "{drawn}");
    let wanted = json!({"type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": port});
    let (_, message) = refusal(harness.post(SERVICES, service("b", &wanted)));
    assert!(message.ends_with("provided port is already allocated"), "{message}");
    let own = format!("{SERVICES}/a");
    let other = json!({"spec": {"healthCheckNodePort": port + 1}});
    let (_, message) = refusal(harness.patch(&own, PatchType::Merge, other));
    assert!(message.contains("spec.healthCheckNodePort: Invalid value: ") && message.contains("field is immutable"), "{message}");
    let open = json(harness.patch(&own, PatchType::Merge, json!({"spec": {"externalTrafficPolicy": "Cluster"}})));
    assert!(open["spec"].get("healthCheckNodePort").is_none(), "{open}");
    json(harness.post(SERVICES, service("b", &wanted)));
}

#[test]
fn a_request_too_many_is_told_to_come_again() {
    let mut harness = Harness::with(Config { max_requests_in_flight: 1, ..Config::default() });
    let as_someone = |name: &str| {
        let body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
        let request = request(Method::Post, "/api/v1/namespaces/default/configmaps").body(Body::Json(body));
        request.credentials(certificate("someone", &["admins"]))
    };
    let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"});
    let subject = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "admins"});
    let url = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
    json(harness.post(url, json!({"metadata": {"name": "all"}, "roleRef": role, "subjects": [subject]})));
    harness.etcd_cut = true;
    harness.send(as_someone("a"));
    let refused = harness.ask(as_someone("b")).result.unwrap_err();
    assert_eq!((refused.code, refused.reason, refused.details.retry_after_seconds), (429, "TooManyRequests", Some(1)));
    // What gives up makes room.
    harness.handle(Input::Disconnected { client: 0 });
    let waiting = harness.send(as_someone("c"));
    assert!(!harness.answers.contains_key(&waiting));
}

#[test]
fn a_load_balancer_can_do_without_node_ports() {
    let mut harness = Harness::new();
    let with = json(harness.post(SERVICES, service("with", &json!({"type": "LoadBalancer"}))));
    assert_eq!(with["spec"]["allocateLoadBalancerNodePorts"], true);
    assert!(with["spec"]["ports"][0]["nodePort"].as_i64() >= Some(30_000));
    let without =
        json(harness.post(SERVICES, service("without", &json!({"type": "LoadBalancer", "allocateLoadBalancerNodePorts": false}))));
    assert!(without["spec"]["ports"][0]["nodePort"].is_null(), "{without}");
    assert!(without["spec"]["clusterIP"].is_string());
}

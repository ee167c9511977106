//! Objects through the API server: create, read, update, delete, and what it says when it refuses.

mod common;

use api::http::{Body, Method, PatchType};
use common::{Harness, json, refusal, request};
use serde_json::{Value, json};
use sim::{Verb, What};
use std::time::Duration;

const PODS: &str = "/api/v1/namespaces/default/pods";

fn pod(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}},
           "spec": {"containers": [{"name": "c", "image": "nginx"}]}})
}

fn deployment(name: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {
        "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": "nginx:1.27"}]}},
    }})
}

#[test]
fn the_server_makes_what_every_cluster_has() {
    let mut h = Harness::new();
    let names: Vec<String> = h.server.objects().map(|object| object.object_ref().to_string()).collect();
    for expected in ["Namespace default", "Namespace kube-system", "Service default/kubernetes", "ServiceAccount kube-public/default"] {
        assert!(names.iter().any(|name| name == expected), "{expected} in {names:?}");
    }
    let service = json(h.get("/api/v1/namespaces/default/services/kubernetes"));
    assert_eq!(service["spec"]["clusterIP"], "10.96.0.1");
    let namespace = json(h.get("/api/v1/namespaces/default"));
    assert_eq!(namespace["metadata"]["labels"]["kubernetes.io/metadata.name"], "default");
    assert_eq!((&namespace["status"]["phase"], &namespace["spec"]["finalizers"][0]), (&json!("Active"), &json!("kubernetes")));
}

#[test]
fn a_pod_gets_its_defaults() {
    let mut h = Harness::new();
    let response = h.post(PODS, pod("web"));
    assert_eq!(response.code, 201);
    let made = json(response);
    let spec = &made["spec"];
    for (field, value) in [
        ("restartPolicy", json!("Always")),
        ("dnsPolicy", json!("ClusterFirst")),
        ("schedulerName", json!("default-scheduler")),
        ("serviceAccountName", json!("default")),
        ("terminationGracePeriodSeconds", json!(30)),
        ("enableServiceLinks", json!(true)),
        ("priority", json!(0)),
        ("preemptionPolicy", json!("PreemptLowerPriority")),
        ("securityContext", json!({})),
    ] {
        assert_eq!(spec[field], value, "{field}");
    }
    assert_eq!(spec["tolerations"][1]["key"], "node.kubernetes.io/unreachable");
    assert_eq!(spec["containers"][0]["imagePullPolicy"], "Always");
    assert_eq!(spec["containers"][0]["terminationMessagePath"], "/dev/termination-log");
    assert_eq!((&made["status"]["phase"], &made["status"]["qosClass"]), (&json!("Pending"), &json!("BestEffort")));
    assert_eq!(made["metadata"]["uid"].as_str().map(str::len), Some(36));
    assert_eq!(json(h.get(&format!("{PODS}/web"))), made);
}

#[test]
fn a_write_is_requested_then_stored() {
    let mut h = Harness::new();
    h.trace.clear();
    h.post(PODS, pod("web"));
    assert!(matches!(&h.trace[..], [
        What::Request { verb: "create", object, .. },
        What::Stored { verb: Verb::Create, object: stored, .. },
    ] if object == stored && object.to_string() == "Pod default/web"));
}

#[test]
fn refusals_are_worded_as_upstream_words_them() {
    let mut h = Harness::new();
    h.post(PODS, pod("web"));
    assert_eq!(refusal(h.post(PODS, pod("web"))), (409, "pods \"web\" already exists".to_owned()));
    assert_eq!(refusal(h.get(&format!("{PODS}/db"))), (404, "pods \"db\" not found".to_owned()));
    assert_eq!(refusal(h.post("/api/v1/namespaces/shop/pods", pod("web"))), (404, "namespaces \"shop\" not found".to_owned()));
    let mut bad = pod("Web");
    bad["spec"]["containers"][0]["image"] = json!("");
    bad["spec"]["restartPolicy"] = json!("always");
    let (code, message) = refusal(h.post(PODS, bad));
    assert_eq!(code, 422);
    assert!(message.starts_with("Pod \"Web\" is invalid: [metadata.name: Invalid value: \"Web\": a lowercase RFC 1123 subdomain"));
    assert!(message.contains("spec.containers[0].image: Required value"));
    assert!(message.contains("spec.restartPolicy: Unsupported value: \"always\": supported values: \"Always\", \"OnFailure\", \"Never\""));
    let mut unknown = pod("x");
    unknown["spec"]["replica"] = json!(3);
    let strict = request(Method::Post, &format!("{PODS}?fieldValidation=Strict")).body(Body::Json(unknown));
    assert!(refusal(h.ask(strict)).1.contains("strict decoding error: unknown field \"spec.replica\""));
    assert_eq!(refusal(h.get("/api/v1/namespaces/default/gadgets")), (404, "the server could not find the requested resource".to_owned()));
    let (code, message) = refusal(h.get(&format!("{PODS}?fieldSelector=spec.x=1")));
    assert_eq!((code, message.as_str()), (400, "field label not supported: spec.x"));
}

#[test]
fn an_update_conflicts_only_when_it_names_an_old_revision() {
    let mut h = Harness::new();
    let first = json(h.post(PODS, pod("web")));
    let path = format!("{PODS}/web");
    let mut labelled = first.clone();
    labelled["metadata"]["labels"]["tier"] = json!("front");
    let second = json(h.put(&path, labelled.clone()));
    assert_ne!(second["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);
    assert_eq!(second["metadata"]["generation"], 1, "labels are no part of the spec");
    let (code, message) = refusal(h.put(&path, labelled.clone()));
    assert_eq!(code, 409);
    assert_eq!(
        message,
        "Operation cannot be fulfilled on pods \"web\": the object has been modified; please apply your changes to the latest version \
         and try again"
    );
    labelled["metadata"]["resourceVersion"] = Value::Null;
    assert_eq!(h.put(&path, labelled).code, 200);
}

#[test]
fn most_of_a_pods_spec_is_immutable() {
    let mut h = Harness::new();
    h.post(PODS, pod("web"));
    let path = format!("{PODS}/web");
    let image = json!({"spec": {"containers": [{"name": "c", "image": "nginx:1.27"}]}});
    let patched = json(h.patch(&path, PatchType::StrategicMerge, image));
    assert_eq!((&patched["spec"]["containers"][0]["image"], &patched["metadata"]["generation"]), (&json!("nginx:1.27"), &json!(2)));
    let (code, message) = refusal(h.patch(&path, PatchType::Merge, json!({"spec": {"restartPolicy": "Never"}})));
    assert_eq!(code, 422);
    assert!(message.contains("spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`"), "{message}");
}

#[test]
fn status_and_spec_are_written_apart() {
    let mut h = Harness::new();
    let path = "/apis/apps/v1/namespaces/default/deployments";
    let made = json(h.post(path, deployment("web")));
    assert_eq!(made["metadata"]["generation"], 1);
    let bounds = json!({"maxSurge": "25%", "maxUnavailable": "25%"});
    assert_eq!((&made["spec"]["replicas"], &made["spec"]["strategy"]["rollingUpdate"]), (&json!(1), &bounds));
    let path = format!("{path}/web");
    let both = json!({"spec": {"replicas": 5}, "status": {"replicas": 5}});
    let status = json(h.patch(&format!("{path}/status"), PatchType::Merge, both.clone()));
    assert_eq!((&status["spec"]["replicas"], &status["status"]["replicas"]), (&json!(1), &json!(5)));
    let spec = json(h.patch(&path, PatchType::Merge, json!({"spec": {"replicas": 3}, "status": {"replicas": 9}})));
    assert_eq!(
        (&spec["spec"]["replicas"], &spec["status"]["replicas"], &spec["metadata"]["generation"]),
        (&json!(3), &json!(5), &json!(2))
    );
    let (_, message) = refusal(h.patch(&path, PatchType::Merge, json!({"spec": {"selector": {"matchLabels": {"app": "x"}}}})));
    assert!(message.contains("field is immutable") && message.contains("`selector` does not match template `labels`"), "{message}");
    let scale = json(h.get(&format!("{path}/scale")));
    assert_eq!((&scale["spec"]["replicas"], &scale["status"]["selector"]), (&json!(3), &json!("app=web")));
    let scaled = json(h.patch(&format!("{path}/scale"), PatchType::Merge, json!({"spec": {"replicas": 0}})));
    assert_eq!((&scaled["kind"], &scaled["spec"]["replicas"]), (&json!("Scale"), &json!(0)));
    let (_, message) = refusal(h.patch(&format!("{path}/scale"), PatchType::Merge, json!({"spec": {"replicas": -1}})));
    assert_eq!(message, "Scale.autoscaling \"web\" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0");
}

#[test]
fn a_pod_on_no_node_goes_at_once_and_one_on_a_node_takes_its_time() {
    let mut h = Harness::new();
    h.post(PODS, pod("a"));
    h.delete(&format!("{PODS}/a"));
    assert_eq!(refusal(h.get(&format!("{PODS}/a"))).0, 404);
    h.post(PODS, pod("b"));
    let binding = json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "b"}, "target": {"kind": "Node", "name": "node-1"}});
    assert_eq!(h.post(&format!("{PODS}/b/binding"), binding.clone()).code, 201);
    let (code, message) = refusal(h.post(&format!("{PODS}/b/binding"), binding));
    assert_eq!(code, 409);
    assert!(message.ends_with("pod b is already assigned to node \"node-1\""));
    let bound = json(h.get(&format!("{PODS}/b")));
    assert_eq!((&bound["spec"]["nodeName"], &bound["status"]["conditions"][0]["type"]), (&json!("node-1"), &json!("PodScheduled")));
    let marked = json(h.delete(&format!("{PODS}/b")));
    assert_eq!(marked["metadata"]["deletionGracePeriodSeconds"], 30);
    assert_eq!(marked["metadata"]["deletionTimestamp"], "2026-05-04T08:00:30Z");
    h.delete(&format!("{PODS}/b?gracePeriodSeconds=0"));
    assert_eq!(refusal(h.get(&format!("{PODS}/b"))).0, 404);
}

#[test]
fn finalizers_hold_a_deletion_up() {
    let mut h = Harness::new();
    let maps = "/api/v1/namespaces/default/configmaps";
    h.post(maps, json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "finalizers": ["example.com/hold"]}}));
    h.delete(&format!("{maps}/m"));
    assert!(json(h.get(&format!("{maps}/m")))["metadata"]["deletionTimestamp"].is_string());
    h.patch(&format!("{maps}/m"), PatchType::Merge, json!({"metadata": {"finalizers": null}}));
    assert_eq!(refusal(h.get(&format!("{maps}/m"))).0, 404);
}

#[test]
fn a_terminating_namespace_takes_nothing_new() {
    let mut h = Harness::new();
    h.post("/api/v1/namespaces", json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}));
    assert_eq!(h.post("/api/v1/namespaces/shop/pods", pod("web")).code, 201);
    h.delete("/api/v1/namespaces/shop");
    let (code, message) = refusal(h.post("/api/v1/namespaces/shop/pods", pod("db")));
    assert_eq!(code, 403);
    assert_eq!(message, "pods \"db\" is forbidden: unable to create new content in namespace shop because it is being terminated");
    let finalized = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}, "spec": {"finalizers": []}});
    h.put("/api/v1/namespaces/shop/finalize", finalized);
    assert_eq!(refusal(h.get("/api/v1/namespaces/shop")).0, 404);
}

#[test]
fn services_get_addresses_and_ports_of_their_own() {
    let mut h = Harness::new();
    let path = "/api/v1/namespaces/default/services";
    let service = |name: &str, type_: &str, ip: &str| {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
               "spec": {"type": type_, "clusterIP": ip, "ports": [{"port": 80}], "selector": {"app": "web"}}})
    };
    let a = json(h.post(path, service("a", "NodePort", "")));
    let port = a["spec"]["ports"][0]["nodePort"].as_i64().unwrap();
    assert!((30_000..=32_767).contains(&port));
    assert_eq!(a["spec"]["ports"][0]["targetPort"], 80);
    let ip = a["spec"]["clusterIP"].as_str().unwrap().to_owned();
    let (code, message) = refusal(h.post(path, service("b", "ClusterIP", &ip)));
    assert_eq!(code, 422);
    let detail = format!("failed to allocate IP {ip}: provided IP is already allocated");
    assert_eq!(message, format!("Service \"b\" is invalid: spec.clusterIPs: Invalid value: [{ip:?}]: {detail}"));
    h.delete(&format!("{path}/a"));
    assert_eq!(h.post(path, service("b", "ClusterIP", &ip)).code, 201, "the address is free again");
    assert_eq!(json(h.post(path, service("c", "ClusterIP", "None")))["spec"]["clusterIP"], "None");
}

#[test]
fn secrets_encode_texts_and_dry_runs_store_nothing() {
    let mut h = Harness::new();
    let path = "/api/v1/namespaces/default/secrets";
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"key": "value"}});
    let dry = request(Method::Post, &format!("{path}?dryRun=All")).body(Body::Json(secret.clone()));
    assert_eq!(json(h.ask(dry))["data"]["key"], "dmFsdWU=");
    assert_eq!(refusal(h.get(&format!("{path}/s"))).0, 404);
    assert_eq!(json(h.post(path, secret))["type"], "Opaque");
}

#[test]
fn names_are_generated_and_collections_deleted() {
    let mut h = Harness::new();
    for _ in 0..3 {
        let mut generated = pod("");
        generated["metadata"] = json!({"generateName": "web-", "labels": {"app": "web"}});
        let name = json(h.post(PODS, generated))["metadata"]["name"].as_str().unwrap().to_owned();
        assert!(name.starts_with("web-") && name.len() == 9, "{name}");
    }
    h.post(PODS, pod("other"));
    let deleted = json(h.delete(&format!("{PODS}?labelSelector=app=web")));
    assert_eq!(deleted["items"].as_array().map(Vec::len), Some(3));
    assert_eq!(json(h.get(PODS))["items"].as_array().map(Vec::len), Some(1));
}

/// As the StatefulSet controller writes its Pods: a name of their own beside a `generateName`.
#[test]
fn a_name_that_is_given_is_not_drawn_anew_when_it_is_taken() {
    let mut h = Harness::new();
    let mut named = pod("web-0");
    named["metadata"]["generateName"] = json!("web-");
    assert_eq!(json(h.post(PODS, named.clone()))["metadata"]["name"], "web-0");
    assert_eq!(refusal(h.post(PODS, named)), (409, "pods \"web-0\" already exists".to_owned()));
}

#[test]
fn a_list_from_the_future_waits_three_seconds_for_it() {
    let mut h = Harness::new();
    let future = h.server.revision() + 5;
    let early = h.send(request(Method::Get, &format!("{PODS}?resourceVersion={future}")));
    let never = h.send(request(Method::Get, &format!("{PODS}?resourceVersion={}", future + 100)));
    assert!(h.answers.is_empty(), "both wait");
    h.advance(Duration::from_secs(1));
    (0..5).for_each(|index| drop(h.post(PODS, pod(&format!("p{index}")))));
    assert_eq!(json(h.answers.remove(&early).unwrap())["items"].as_array().map(Vec::len), Some(5));
    h.advance(Duration::from_secs(2));
    let status = h.answers.remove(&never).unwrap().result.expect_err("a refusal");
    let current = h.server.revision();
    assert_eq!((status.code, status.reason), (504, "Timeout"));
    assert_eq!(status.message, format!("Too large resource version: {}, current: {current}", future + 100));
    assert_eq!(status.details.retry_after_seconds, Some(1));
    assert_eq!(status.details.causes[0].reason, "ResourceVersionTooLarge");
}

#[test]
fn what_is_not_simulated_is_said() {
    let mut h = Harness::new();
    let mut custom = pod("web");
    custom["spec"]["shareProcessNamespace"] = json!(true);
    custom["spec"]["setHostnameAsFQDN"] = json!(true);
    let warnings = h.post(PODS, custom).warnings;
    assert!(warnings.contains(&"spec.setHostnameAsFQDN: accepted, but not simulated here".to_owned()), "{warnings:?}");
    assert!(h.post(PODS, pod("plain")).warnings.is_empty());
    let template = json!({"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "pi"}, "template": {"spec": {}}});
    let warnings = h.post("/api/v1/namespaces/default/podtemplates", template).warnings;
    assert_eq!(warnings, ["v1 PodTemplate: stored, but nothing acts on it here yet"]);
}

#[test]
fn without_etcd_requests_time_out() {
    let mut h = Harness::new();
    h.etcd_cut = true;
    let write = h.send(request(Method::Post, PODS).body(Body::Json(pod("web"))));
    let read = h.send(request(Method::Get, PODS));
    let cached = h.send(request(Method::Get, &format!("{PODS}?resourceVersion=0")));
    assert!(h.answers.remove(&cached).is_some_and(|response| response.code == 200), "the cache needs no etcd");
    h.advance(Duration::from_secs(33));
    assert!(h.answers.is_empty());
    h.advance(Duration::from_secs(2));
    for id in [write, read] {
        let (code, message) = refusal(h.answers.remove(&id).unwrap());
        assert_eq!(code, 504);
        assert_eq!(message, "Timeout: request did not complete within requested timeout - context deadline exceeded");
    }
    h.etcd_cut = false;
    assert_eq!(h.post(PODS, pod("web")).code, 201);
    assert_eq!(json(h.get(&format!("{PODS}/web")))["metadata"]["name"], "web");
}

#[test]
fn discovery_lists_what_there_is() {
    let mut h = Harness::new();
    assert_eq!(json(h.get("/version"))["gitVersion"], "v1.36.0");
    let apps = json(h.get("/apis/apps/v1"));
    let names: Vec<&str> = apps["resources"].as_array().unwrap().iter().filter_map(|resource| resource["name"].as_str()).collect();
    assert!(names.contains(&"deployments") && names.contains(&"deployments/scale"));
    assert_eq!(refusal(h.get("/apis/apps/v9")).0, 404);
}

#[test]
fn an_autoscaler_is_served_in_two_versions() {
    const V1: &str = "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers";
    const V2: &str = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers";
    let mut h = Harness::new();
    let target = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"});
    let spec = json!({"scaleTargetRef": target, "maxReplicas": 5, "targetCPUUtilizationPercentage": 60});
    let value = json!({"apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"}, "spec": spec});
    let made = json(h.post(V1, value));
    assert_eq!((&made["apiVersion"], &made["spec"]["targetCPUUtilizationPercentage"]), (&json!("autoscaling/v1"), &json!(60)));
    let second = json(h.get(&format!("{V2}/web")));
    assert_eq!(second["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"], 60);
    let change = json!({"spec": {"targetCPUUtilizationPercentage": 70, "minReplicas": 2}});
    let patched = json(h.patch(&format!("{V1}/web"), PatchType::Merge, change));
    assert_eq!((&patched["spec"]["targetCPUUtilizationPercentage"], &patched["spec"]["minReplicas"]), (&json!(70), &json!(2)));
    let list = json(h.get(V1));
    assert_eq!((&list["apiVersion"], &list["items"][0]["spec"]["targetCPUUtilizationPercentage"]), (&json!("autoscaling/v1"), &json!(70)));
    let versions = json(h.get("/apis/autoscaling"));
    assert_eq!((&versions["preferredVersion"]["version"], &versions["versions"][1]["version"]), (&json!("v2"), &json!("v1")));
}

//! What writes cost with the record of who owns which field: new objects, patches of a status, applied configurations.

#[path = "../tests/common/mod.rs"]
mod common;

use api::http::{Body, Method, PatchType, Request};
use common::{Harness, request};
use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::{Value, json};
use std::hint::black_box;

const WEB: &str = "/apis/apps/v1/namespaces/default/deployments/web?fieldManager=bench";

fn deployment(image: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "labels": {"app": "web"}}, "spec": {
        "replicas": 3, "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [
            {"name": "c", "image": image, "ports": [{"containerPort": 80}], "resources": {"requests": {"cpu": "100m"}}}]}},
    }})
}

fn apply(image: &str) -> Request {
    request(Method::Patch, WEB).body(Body::Patch(PatchType::Apply, deployment(image)))
}

fn applied(criterion: &mut Criterion) {
    let mut harness = Harness::new();
    black_box(harness.ask(apply("nginx:0")));
    criterion.bench_function("apply a Deployment that is as it was", |bencher| bencher.iter(|| harness.ask(apply("nginx:0"))));
    let mut number = 0;
    criterion.bench_function("apply a Deployment with another image", |bencher| {
        bencher.iter(|| {
            number += 1;
            harness.ask(apply(&format!("nginx:{number}")))
        });
    });
}

fn patched(criterion: &mut Criterion) {
    let mut harness = Harness::new();
    harness.post("/api/v1/namespaces/default/serviceaccounts", json!({"metadata": {"name": "default"}}));
    let pod = json!({"metadata": {"name": "web"}, "spec": {"containers": [{"name": "c", "image": "nginx"}]}});
    assert_eq!(harness.post("/api/v1/namespaces/default/pods", pod).code, 201);
    let mut number = 0;
    criterion.bench_function("patch the status of a Pod", |bencher| {
        bencher.iter(|| {
            number += 1;
            let ready = if number % 2 == 0 { "True" } else { "False" };
            let status = json!({"status": {"phase": "Running", "podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}],
                "conditions": [{"type": "Ready", "status": ready}, {"type": "PodScheduled", "status": "True"}]}});
            let url = "/api/v1/namespaces/default/pods/web/status?fieldManager=kubelet";
            harness.ask(request(Method::Patch, url).body(Body::Patch(PatchType::StrategicMerge, status)))
        });
    });
}

fn created(criterion: &mut Criterion) {
    let mut harness = Harness::new();
    let mut number = 0;
    criterion.bench_function("create a ConfigMap", |bencher| {
        bencher.iter(|| {
            number += 1;
            let map = json!({"metadata": {"name": format!("map-{number}")}, "data": {"key": "value"}});
            harness.post("/api/v1/namespaces/default/configmaps?fieldManager=bench", map)
        });
    });
}

criterion_group!(benches, applied, patched, created);
criterion_main!(benches);

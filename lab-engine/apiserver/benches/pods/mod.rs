//! Pods as a cluster holds them, for the benches of this folder.

#![allow(dead_code, reason = "each bench uses a part of it")]

use crate::common::Harness;
use api::http::{Body, Method, PatchType};
use serde_json::{Value, json};

/// The status that a kubelet reports of a Pod that runs.
pub(crate) fn running(number: usize) -> Value {
    let ip = format!("10.{}.{}.{}", number >> 16 & 255, number >> 8 & 255, number & 255);
    let condition = |name: &str| json!({"type": name, "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"});
    json!({"status": {"phase": "Running", "hostIP": "192.168.0.1", "podIP": ip, "podIPs": [{"ip": ip}], "startTime": "2026-01-01T00:00:00Z",
        "conditions": [condition("PodScheduled"), condition("Initialized"), condition("ContainersReady"), condition("Ready")],
        "containerStatuses": [{"name": "web", "image": "nginx:1.29", "imageID": "", "ready": true, "restartCount": 0, "started": true,
            "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}]}})
}

/// Creates a Pod on a node, of a Deployment's kind.
pub(crate) fn create(harness: &mut Harness, number: usize, node: &str) {
    let pod = json!({"metadata": {"name": format!("web-{number}"), "labels": {"app": "web", "pod-template-hash": "5d9c7b8f4c"}}, "spec": {
        "nodeName": node,
        "containers": [{"name": "web", "image": "nginx:1.29", "ports": [{"containerPort": 80}],
            "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}}}]}});
    let created = harness.post("/api/v1/namespaces/default/pods?fieldManager=kube-controller-manager", pod);
    assert_eq!(created.code, 201, "{created:?}");
}

/// Reports that a Pod runs.
pub(crate) fn run(harness: &mut Harness, number: usize) {
    patch_status(harness, number, running(number));
}

/// Changes the status of a Pod as a kubelet does.
pub(crate) fn patch_status(harness: &mut Harness, number: usize, status: Value) {
    let url = format!("/api/v1/namespaces/default/pods/web-{number}/status?fieldManager=kubelet");
    let patched = harness.ask(crate::common::request(Method::Patch, &url).body(Body::Patch(PatchType::StrategicMerge, status)));
    assert_eq!(patched.code, 200, "{patched:?}");
}

/// A server whose namespace `default` has its ServiceAccount, so that Pods are admitted.
pub(crate) fn server() -> Harness {
    let mut harness = Harness::new();
    harness.post("/api/v1/namespaces/default/serviceaccounts", json!({"metadata": {"name": "default"}}));
    harness
}

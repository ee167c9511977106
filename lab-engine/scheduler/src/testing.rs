//! Builders of nodes and Pods for tests.

use crate::node_info::NodeInfo;
use crate::pod_info::PodInfo;
use api::core::{Node, Pod};
use api::json::decode;
use serde_json::{Value, json};
use std::sync::Arc;

/// A node of 4 CPUs and 8 GiB that holds 110 Pods.
pub(crate) fn node(name: &str) -> NodeBuilder {
    let allocatable = json!({"cpu": "4", "memory": "8Gi", "pods": "110"});
    NodeBuilder(json!({"metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}}, "status": {"allocatable": allocatable}}))
}

pub(crate) struct NodeBuilder(Value);

impl NodeBuilder {
    pub(crate) fn label(mut self, key: &str, value: &str) -> Self {
        if !value.is_empty() {
            self.0["metadata"]["labels"][key] = json!(value);
        }
        self
    }

    pub(crate) fn image(mut self, name: &str, bytes: i64) -> Self {
        self.0["status"]["images"] = json!([{"names": [name], "sizeBytes": bytes}]);
        self
    }

    pub(crate) fn cpu(mut self, milli: i64) -> Self {
        self.0["status"]["allocatable"]["cpu"] = json!(format!("{milli}m"));
        self
    }

    pub(crate) fn unschedulable(mut self) -> Self {
        self.0["spec"]["unschedulable"] = json!(true);
        self
    }

    pub(crate) fn build(self) -> Arc<Node> {
        Arc::new(decode(self.0).expect("the builder makes nodes"))
    }
}

/// A node with Pods on it.
pub(crate) fn node_info(name: &str, cpu_milli: i64, pods: &[Arc<PodInfo>]) -> NodeInfo {
    let mut info = NodeInfo::new(node(name).cpu(cpu_milli).build());
    for pod in pods {
        info.add_pod(pod.clone());
    }
    info
}

/// A Pod in the namespace `default` without wishes.
pub(crate) fn pod(name: &str) -> PodBuilder {
    let metadata = json!({"name": name, "namespace": "default", "uid": format!("uid-{name}")});
    PodBuilder(
        json!({"metadata": metadata, "spec": {"schedulerName": "default-scheduler", "containers": [{"name": "c", "image": "nginx"}]}}),
    )
}

pub(crate) struct PodBuilder(Value);

impl PodBuilder {
    pub(crate) fn cpu(mut self, milli: i64) -> Self {
        self.0["spec"]["containers"][0]["resources"]["requests"]["cpu"] = json!(format!("{milli}m"));
        self
    }

    pub(crate) fn on(self, node: &str) -> Self {
        self.spec("nodeName", json!(node))
    }

    pub(crate) fn spec(mut self, field: &str, value: Value) -> Self {
        self.0["spec"][field] = value;
        self
    }

    pub(crate) fn priority(self, priority: i32) -> Self {
        self.spec("priority", json!(priority))
    }

    pub(crate) fn metadata(mut self, field: &str, value: Value) -> Self {
        self.0["metadata"][field] = value;
        self
    }

    pub(crate) fn status(mut self, status: Value) -> Self {
        self.0["status"] = status;
        self
    }

    pub(crate) fn build(self) -> Arc<Pod> {
        Arc::new(decode(self.0).expect("the builder makes Pods"))
    }

    pub(crate) fn info(self) -> Arc<PodInfo> {
        Arc::new(PodInfo::new(self.build()))
    }
}

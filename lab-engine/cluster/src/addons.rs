//! What is installed into a cluster that has more than Kubernetes itself: the objects that an administrator would apply.
//!
//! The installer creates them one after the other, as `kubernetes-admin`, as soon as the API server answers; what is there already stays
//! as it is.
//!
//! **Simplified here:** an add-on runs beside the cluster, not in a Pod, so it has no Deployment.

use api::http::{Body, Method, Path, Request, ResourcePath, Response};
use client::{Component, Input, Outbox, RequestId, Transport};
use serde_json::{Value, json};
use sim::Time;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// How long the installer waits before it tries again.
const RETRY: Duration = Duration::from_secs(1);

/// Creates objects.
#[derive(Debug)]
pub(crate) struct Installer {
    agent: Arc<str>,
    /// Collections and what is to be created in them, in order.
    left: VecDeque<(&'static str, Value)>,
    waiting: Option<RequestId>,
    next: Time,
}

impl Installer {
    /// Installs what metrics-server needs (`components.yaml` of its release).
    pub(crate) fn metrics_server() -> Self {
        Installer { agent: "kubectl-client-side-apply".into(), left: metrics_server().into(), waiting: None, next: Time::ZERO }
    }

    fn answered(&mut self, now: Time, answer: Result<Response, Transport>) {
        match answer.map(|response| response.code) {
            Ok(200..=299 | 409) => drop(self.left.pop_front()),
            // What is refused for good would be refused for ever.
            Ok(400..=499) => drop(self.left.pop_front()),
            _ => self.next = now + RETRY,
        }
    }
}

impl Component for Installer {
    fn handle(&mut self, now: Time, input: Input, out: &mut Outbox) {
        if let Input::Response(id, answer) = input
            && self.waiting.take_if(|waiting| *waiting == id).is_some()
        {
            self.answered(now, answer);
        }
        if self.waiting.is_none()
            && self.next <= now
            && let Some((path, object)) = self.left.front()
            && let Some(path) = ResourcePath::parse(path)
        {
            let request = Request { path: Path::Resource(path.clone()), ..Request::new(Method::Post, path) };
            self.waiting = Some(out.request(request.body(Body::Json(object.clone())).agent(&self.agent)));
        }
    }

    fn next_wake(&self) -> Option<Time> {
        (self.waiting.is_none() && !self.left.is_empty()).then_some(self.next)
    }
}

fn metrics_server() -> Vec<(&'static str, Value)> {
    let labels = json!({"k8s-app": "metrics-server"});
    let reader_labels = json!({
        "k8s-app": "metrics-server", "rbac.authorization.k8s.io/aggregate-to-admin": "true",
        "rbac.authorization.k8s.io/aggregate-to-edit": "true", "rbac.authorization.k8s.io/aggregate-to-view": "true",
    });
    let of_system = |kind: &str, version: &str| {
        let metadata = json!({"name": "metrics-server", "namespace": "kube-system", "labels": labels});
        json!({"apiVersion": version, "kind": kind, "metadata": metadata})
    };
    let role = |name: &str, labels: &Value, rules: Value| {
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name, "labels": labels}, "rules": rules,
        })
    };
    let reader = json!([{"apiGroups": ["metrics.k8s.io"], "resources": ["pods", "nodes"], "verbs": ["get", "list", "watch"]}]);
    let server = json!([
        {"apiGroups": [""], "resources": ["nodes/metrics", "nodes/proxy"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["pods", "nodes"], "verbs": ["get", "list", "watch"]},
    ]);
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": "system:metrics-server", "labels": labels},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:metrics-server"},
        "subjects": [{"kind": "ServiceAccount", "name": "metrics-server", "namespace": "kube-system"}],
    });
    let mut service = of_system("Service", "v1");
    service["spec"] = json!({
        "selector": labels, "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": "https", "appProtocol": "https"}],
    });
    let api_service = json!({
        "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
        "metadata": {"name": "v1beta1.metrics.k8s.io", "labels": labels},
        "spec": {
            "group": "metrics.k8s.io", "version": "v1beta1", "groupPriorityMinimum": 100, "versionPriority": 100,
            "insecureSkipTLSVerify": true, "service": {"name": "metrics-server", "namespace": "kube-system", "port": 443},
        },
        "status": {"conditions": [{"type": "Available", "status": "True", "reason": "Passed", "message": "all checks passed"}]},
    });
    const ROLES: &str = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
    vec![
        ("/api/v1/namespaces/kube-system/serviceaccounts", of_system("ServiceAccount", "v1")),
        (ROLES, role("system:aggregated-metrics-reader", &reader_labels, reader)),
        (ROLES, role("system:metrics-server", &labels, server)),
        ("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding),
        ("/api/v1/namespaces/kube-system/services", service),
        ("/apis/apiregistration.k8s.io/v1/apiservices", api_service),
    ]
}

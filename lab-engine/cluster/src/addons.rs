//! What is installed into a cluster that has more than Kubernetes itself: the objects that an administrator would apply.
//!
//! The installer creates them one after the other, as `kubernetes-admin`, as soon as the API server answers; what is there already stays
//! as it is.
//!
//! **Simplified here:** an add-on runs beside the cluster, not in a Pod, so it has no Deployment. CoreDNS has one, and is reached through its Pods
//! alone; but what it knows is kept beside them, once for all, and what its Corefile says changes nothing.

use crate::config::ClusterConfig;
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
    /// Installs what the add-ons of a cluster need; `None` when it has none.
    pub(crate) fn of(config: &ClusterConfig) -> Option<Self> {
        let mut objects = Vec::new();
        if config.metrics_server {
            objects.extend(metrics_server());
        }
        if config.prometheus_adapter {
            objects.extend(prometheus_adapter());
        }
        if config.core_dns {
            objects.extend(core_dns());
        }
        if config.ingress_controller {
            objects.push(ingress_class());
        }
        if config.gateway_controller {
            objects.extend(gateway_api());
        }
        let agent = "kubectl-client-side-apply".into();
        (!objects.is_empty()).then(|| Installer { agent, left: objects.into(), waiting: None, next: Time::ZERO })
    }

    fn answered(&mut self, now: Time, answer: Result<Response, Transport>) {
        match answer.map(|response| response.code) {
            Ok(200..=299 | 409) => drop(self.left.pop_front()),
            // A kind is not served in the moment in which its definition is created.
            Ok(404) => self.next = now + RETRY,
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

/// CoreDNS as `kubeadm` installs it (`cmd/kubeadm/app/phases/addons/dns`).
fn core_dns() -> Vec<(&'static str, Value)> {
    let metadata = |name: &str, labels: Value| json!({"name": name, "namespace": "kube-system", "labels": labels});
    let labels = json!({"k8s-app": "kube-dns"});
    let corefile = ".:53 {\n    errors\n    health {\n       lameduck 5s\n    }\n    ready\n    kubernetes cluster.local in-addr.arpa ip6.arpa {\n       \
                    pods insecure\n       fallthrough in-addr.arpa ip6.arpa\n       ttl 30\n    }\n    prometheus :9153\n    \
                    forward . /etc/resolv.conf {\n       max_concurrent 1000\n    }\n    cache 30 {\n       disable success cluster.local\n       \
                    disable denial cluster.local\n    }\n    loop\n    reload\n    loadbalance\n}\n";
    let port = |name: &str, number: u16, protocol: &str| json!({"name": name, "containerPort": number, "protocol": protocol});
    let container = json!({
        "name": "coredns", "image": "registry.k8s.io/coredns/coredns:v1.13.1", "imagePullPolicy": "IfNotPresent",
        "args": ["-conf", "/etc/coredns/Corefile"],
        "resources": {"limits": {"memory": "170Mi"}, "requests": {"cpu": "100m", "memory": "70Mi"}},
        "volumeMounts": [{"name": "config-volume", "mountPath": "/etc/coredns", "readOnly": true}],
        "ports": [
            port("dns", 53, "UDP"), port("dns-tcp", 53, "TCP"), port("metrics", 9153, "TCP"), port("liveness-probe", 8080, "TCP"),
            port("readiness-probe", 8181, "TCP"),
        ],
        "livenessProbe": {
            "httpGet": {"path": "/health", "port": "liveness-probe", "scheme": "HTTP"}, "initialDelaySeconds": 60, "timeoutSeconds": 5,
            "successThreshold": 1, "failureThreshold": 5,
        },
        "readinessProbe": {"httpGet": {"path": "/ready", "port": "readiness-probe", "scheme": "HTTP"}},
    });
    let volume = json!({"name": "config-volume", "configMap": {"name": "coredns", "items": [{"key": "Corefile", "path": "Corefile"}]}});
    let pod = json!({
        "priorityClassName": "system-cluster-critical", "serviceAccountName": "coredns", "dnsPolicy": "Default",
        "tolerations": [
            {"key": "CriticalAddonsOnly", "operator": "Exists"}, {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"},
        ],
        "nodeSelector": {"kubernetes.io/os": "linux"}, "containers": [container], "volumes": [volume],
    });
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata("coredns", labels.clone()),
        "spec": {
            "replicas": 2, "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}}, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    });
    let service_labels = json!({"k8s-app": "kube-dns", "kubernetes.io/cluster-service": "true", "kubernetes.io/name": "CoreDNS"});
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": metadata("kube-dns", service_labels),
        "spec": {
            "clusterIP": "10.96.0.10", "selector": labels,
            "ports": [
                {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 53}, {"name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": 53},
                {"name": "metrics", "port": 9153, "protocol": "TCP", "targetPort": 9153},
            ],
        },
    });
    vec![
        (
            "/api/v1/namespaces/kube-system/serviceaccounts",
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata("coredns", json!({}))}),
        ),
        (
            "/api/v1/namespaces/kube-system/configmaps",
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata("coredns", json!({})), "data": {"Corefile": corefile}}),
        ),
        ("/api/v1/namespaces/kube-system/services", service),
        ("/apis/apps/v1/namespaces/kube-system/deployments", deployment),
    ]
}

/// The class of Ingresses that comes with the controller, as its release installs it.
fn ingress_class() -> (&'static str, Value) {
    let labels = json!({
        "app.kubernetes.io/component": "controller", "app.kubernetes.io/instance": "ingress-nginx", "app.kubernetes.io/name": "ingress-nginx",
    });
    let class = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": "nginx", "labels": labels},
        "spec": {"controller": "k8s.io/ingress-nginx"},
    });
    ("/apis/networking.k8s.io/v1/ingressclasses", class)
}

/// The kinds of the Gateway API, and the class of Gateways that comes with the controller, as NGINX Gateway Fabric installs it.
fn gateway_api() -> Vec<(&'static str, Value)> {
    let definitions = api::yaml::read_documents(include_str!("../addons/gateway-api.yaml")).unwrap_or_default();
    let definitions = definitions.into_iter().map(|document| ("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", document.value));
    let class = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass", "metadata": {"name": "nginx"},
        "spec": {"controllerName": "gateway.nginx.org/nginx-gateway-controller"},
    });
    definitions.chain([("/apis/gateway.networking.k8s.io/v1/gatewayclasses", class)]).collect()
}

/// The objects of metrics-server (`components.yaml` of its release).
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
    vec![
        ("/api/v1/namespaces/kube-system/serviceaccounts", of_system("ServiceAccount", "v1")),
        (ROLES, role("system:aggregated-metrics-reader", &reader_labels, reader)),
        (ROLES, role("system:metrics-server", &labels, server)),
        (BINDINGS, binding),
        ("/api/v1/namespaces/kube-system/services", service),
        (API_SERVICES, api_service),
    ]
}

const ROLES: &str = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
const BINDINGS: &str = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
const API_SERVICES: &str = "/apis/apiregistration.k8s.io/v1/apiservices";

/// The objects of the adapter, as its chart installs them, with what stands for Prometheus' own access to Pods.
fn prometheus_adapter() -> Vec<(&'static str, Value)> {
    const NAME: &str = "prometheus-adapter";
    let metadata = json!({"name": NAME, "namespace": "monitoring", "labels": {"app.kubernetes.io/name": NAME}});
    let namespaced = |kind: &str, version: &str| json!({"apiVersion": version, "kind": kind, "metadata": metadata});
    let rbac = |kind: &str| json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": NAME}});
    let mut role = rbac("ClusterRole");
    role["rules"] = json!([
        {"apiGroups": [""], "resources": ["pods", "services"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": [""], "resources": ["pods/portforward"], "verbs": ["create"]},
    ]);
    let mut binding = rbac("ClusterRoleBinding");
    binding["roleRef"] = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": NAME});
    binding["subjects"] = json!([{"kind": "ServiceAccount", "name": NAME, "namespace": "monitoring"}]);
    let mut service = namespaced("Service", "v1");
    service["spec"] = json!({
        "selector": {"app.kubernetes.io/name": NAME}, "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": "https"}],
    });
    let api_service = |group: &str, version: &str| {
        json!({
            "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": format!("{version}.{group}")},
            "spec": {
                "group": group, "version": version, "groupPriorityMinimum": 100, "versionPriority": 100, "insecureSkipTLSVerify": true,
                "service": {"name": NAME, "namespace": "monitoring", "port": 443},
            },
            "status": {"conditions": [{"type": "Available", "status": "True", "reason": "Passed", "message": "all checks passed"}]},
        })
    };
    vec![
        ("/api/v1/namespaces", json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "monitoring"}})),
        ("/api/v1/namespaces/monitoring/serviceaccounts", namespaced("ServiceAccount", "v1")),
        (ROLES, role),
        (BINDINGS, binding),
        ("/api/v1/namespaces/monitoring/services", service),
        (API_SERVICES, api_service("custom.metrics.k8s.io", "v1beta2")),
        (API_SERVICES, api_service("external.metrics.k8s.io", "v1beta1")),
    ]
}

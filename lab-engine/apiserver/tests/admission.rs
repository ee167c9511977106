//! What admission refuses, completes and warns of.

mod common;

use common::{Harness, json, refusal};
use serde_json::{Value, json};

const NAMESPACES: &str = "/api/v1/namespaces";
const PODS: &str = "/api/v1/namespaces/team/pods";

fn namespace(labels: &[(&str, &str)]) -> Value {
    let labels: serde_json::Map<String, Value> =
        labels.iter().map(|(mode, value)| (format!("pod-security.kubernetes.io/{mode}"), json!(value))).collect();
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team", "labels": labels}})
}

fn pod(name: &str, spec: Value) -> Value {
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"serviceAccountName": "runner", "containers": [{"name": "c", "image": "nginx"}]}});
    for (field, value) in spec.as_object().into_iter().flatten() {
        pod["spec"][field] = value.clone();
    }
    pod
}

/// A cluster with the namespace `team` and the ServiceAccount `runner` in it.
fn team(labels: &[(&str, &str)]) -> Harness {
    let mut h = Harness::new();
    assert_eq!(h.post(NAMESPACES, namespace(labels)).code, 201);
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "runner"}});
    assert_eq!(h.post("/api/v1/namespaces/team/serviceaccounts", account).code, 201);
    h
}

fn hardened() -> Value {
    json!({
        "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{"name": "c", "image": "nginx",
            "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}}}],
    })
}

#[test]
fn a_restricted_namespace_refuses_a_plain_pod_in_upstreams_words() {
    let mut h = team(&[("enforce", "restricted")]);
    let (code, message) = refusal(h.post(PODS, pod("web", json!({}))));
    assert_eq!(code, 403);
    assert_eq!(
        message,
        "pods \"web\" is forbidden: violates PodSecurity \"restricted:latest\": allowPrivilegeEscalation != false (container \"c\" must \
         set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container \"c\" must set \
         securityContext.capabilities.drop=[\"ALL\"]), runAsNonRoot != true (pod or container \"c\" must set \
         securityContext.runAsNonRoot=true), seccompProfile (pod or container \"c\" must set securityContext.seccompProfile.type to \
         \"RuntimeDefault\" or \"Localhost\")"
    );
    assert_eq!(h.post(PODS, pod("web", hardened())).code, 201);
}

#[test]
fn the_baseline_names_each_thing_that_reaches_the_node() {
    let mut h = team(&[("enforce", "baseline")]);
    let mut refused = |spec: Value| {
        let (_, message) = refusal(h.post(PODS, pod("web", spec)));
        message.strip_prefix("pods \"web\" is forbidden: violates PodSecurity \"baseline:latest\": ").unwrap().to_owned()
    };
    let container = |fields: Value| {
        let mut container = json!({"name": "c", "image": "nginx"});
        container.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        json!({"containers": [container]})
    };
    let context = |context: Value| container(json!({"securityContext": context}));
    let cases = [
        (json!({"hostPID": true, "hostIPC": true}), "host namespaces (hostPID=true, hostIPC=true)"),
        (context(json!({"privileged": true})), "privileged (container \"c\" must not set securityContext.privileged=true)"),
        (
            context(json!({"capabilities": {"add": ["SYS_ADMIN", "NET_ADMIN", "CHOWN"]}})),
            "non-default capabilities (container \"c\" must not include \"NET_ADMIN\", \"SYS_ADMIN\" in \
             securityContext.capabilities.add)",
        ),
        (json!({"volumes": [{"name": "logs", "hostPath": {"path": "/var/log"}}]}), "hostPath volumes (volume \"logs\")"),
        (container(json!({"ports": [{"containerPort": 80, "hostPort": 80}]})), "hostPort (container \"c\" uses hostPort 80)"),
        (
            container(json!({"livenessProbe": {"httpGet": {"port": 80, "host": "10.0.0.1"}}})),
            "probe or lifecycle host (container \"c\" uses probe or lifecycle host \"10.0.0.1\")",
        ),
        (
            json!({"securityContext": {"seLinuxOptions": {"type": "spc_t", "user": "u"}}}),
            "seLinuxOptions (pod set forbidden securityContext.seLinuxOptions: type \"spc_t\"; user may not be set)",
        ),
        (json!({"securityContext": {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}}), "forbidden sysctls (kernel.msgmax)"),
        (
            context(json!({"seccompProfile": {"type": "Unconfined"}})),
            "seccompProfile (container \"c\" must not set securityContext.seccompProfile.type to \"Unconfined\")",
        ),
    ];
    for (spec, wanted) in cases {
        assert_eq!(refused(spec), wanted);
    }
}

#[test]
fn a_version_pins_the_rules() {
    let mut h = team(&[("enforce", "baseline"), ("enforce-version", "v1.33")]);
    // The check on probes' hosts came with v1.34.
    let probe = json!({"name": "c", "image": "nginx", "livenessProbe": {"tcpSocket": {"port": 80, "host": "10.0.0.1"}}});
    assert_eq!(h.post(PODS, pod("web", json!({"containers": [probe]}))).code, 201);
}

#[test]
fn a_workload_is_made_with_a_warning() {
    let mut h = team(&[("enforce", "baseline")]);
    let template =
        json!({"metadata": {"labels": {"app": "x"}}, "spec": {"hostNetwork": true, "containers": [{"name": "c", "image": "nginx"}]}});
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"},
        "spec": {"selector": {"matchLabels": {"app": "x"}}, "template": template}});
    let response = h.post("/apis/apps/v1/namespaces/team/deployments", deployment);
    assert_eq!(response.code, 201);
    assert_eq!(response.warnings, ["would violate PodSecurity \"baseline:latest\": host namespaces (hostNetwork=true)"]);
}

#[test]
fn a_stricter_label_tells_of_the_pods_that_are_there() {
    let mut h = team(&[]);
    for name in ["b", "a", "c"] {
        h.post(PODS, pod(name, json!({"hostPID": true})));
    }
    let mut labelled = json(h.get("/api/v1/namespaces/team"));
    labelled["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] = json!("baseline");
    let response = h.put("/api/v1/namespaces/team", labelled.clone());
    assert_eq!(response.code, 200);
    assert_eq!(
        response.warnings,
        [
            "existing pods in namespace \"team\" violate the new PodSecurity enforce level \"baseline:latest\"",
            "a (and 2 other pods): host namespaces",
        ]
    );
    labelled["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] = json!("strict");
    labelled["metadata"]["resourceVersion"] = json!("");
    let (code, message) = refusal(h.put("/api/v1/namespaces/team", labelled));
    assert_eq!(code, 422);
    assert_eq!(
        message,
        "Namespace \"team\" is invalid: metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: \"strict\": must be one of \
         privileged, baseline, restricted"
    );
}

#[test]
fn a_claim_gets_the_newest_default_class() {
    let mut h = team(&[]);
    let class = |name: &str| {
        json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "provisioner": "x",
        "metadata": {"name": name, "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}})
    };
    let claim = |name: &str, class: Option<&str>| {
        let mut claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}});
        if let Some(class) = class {
            claim["spec"]["storageClassName"] = json!(class);
        }
        claim
    };
    let claims = "/api/v1/namespaces/team/persistentvolumeclaims";
    let chosen = |response| json(response)["spec"]["storageClassName"].clone();
    assert_eq!(chosen(h.post(claims, claim("before", None))), Value::Null);
    h.post("/apis/storage.k8s.io/v1/storageclasses", class("old"));
    h.advance(std::time::Duration::from_secs(5));
    h.post("/apis/storage.k8s.io/v1/storageclasses", class("young"));
    assert_eq!(chosen(h.post(claims, claim("one", None))), "young");
    assert_eq!(chosen(h.post(claims, claim("none", Some("")))), "", "nothing is a choice too");
}

#[test]
fn a_runtime_class_brings_its_overhead() {
    let mut h = team(&[]);
    let (_, message) = refusal(h.post(PODS, pod("web", json!({"runtimeClassName": "kata"}))));
    assert_eq!(message, "pods \"web\" is forbidden: pod rejected: RuntimeClass \"kata\" not found");
    let class = json!({"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "kata"}, "handler": "kata",
        "overhead": {"podFixed": {"memory": "120Mi"}}});
    h.post("/apis/node.k8s.io/v1/runtimeclasses", class);
    let made = json(h.post(PODS, pod("web", json!({"runtimeClassName": "kata"}))));
    assert_eq!(made["spec"]["overhead"], json!({"memory": "120Mi"}));
}

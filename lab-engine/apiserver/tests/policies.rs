//! ValidatingAdmissionPolicies: what learners write in CEL is held against every request.

mod common;

use api::http::{Body, Method};
use common::{Harness, certificate, json, refusal, request};
use serde_json::{Value, json};

const POLICIES: &str = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies";
const BINDINGS: &str = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings";
const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn rules(operations: &[&str], group: &str, resource: &str) -> Value {
    json!({"resourceRules": [{"apiGroups": [group], "apiVersions": ["v1"], "operations": operations, "resources": [resource]}]})
}

/// A policy and its binding, both with more of a spec.
fn set_up(h: &mut Harness, policy: Value, binding: Value) {
    let policy = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "demo-policy.example.com"}, "spec": policy});
    let mut binding = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "demo-binding"}, "spec": binding});
    binding["spec"]["policyName"] = json!("demo-policy.example.com");
    assert_eq!(h.post(POLICIES, policy).code, 201);
    assert_eq!(h.post(BINDINGS, binding).code, 201);
}

fn map(name: &str, data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})
}

#[test]
fn the_policy_of_the_documentation_refuses_in_its_words() {
    let mut h = Harness::new();
    let policy = json!({"failurePolicy": "Fail", "matchConstraints": rules(&["CREATE", "UPDATE"], "apps", "deployments"),
        "validations": [{"expression": "object.spec.replicas <= 5"}]});
    set_up(&mut h, policy, json!({"validationActions": ["Deny"]}));
    let deployment = |replicas: u32| {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "x"}},
            "template": {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "c", "image": "nginx"}]}}}})
    };
    let deployments = "/apis/apps/v1/namespaces/default/deployments";
    let response = h.post(deployments, deployment(6));
    let status = response.result.expect_err("a refusal");
    assert_eq!((status.code, status.reason), (422, "Invalid"));
    assert_eq!(
        status.message,
        "deployments.apps \"web\" is forbidden: ValidatingAdmissionPolicy 'demo-policy.example.com' with binding 'demo-binding' denied \
         request: failed expression: object.spec.replicas <= 5"
    );
    assert_eq!(h.post(deployments, deployment(5)).code, 201);
    assert_eq!(refusal(h.put(&format!("{deployments}/web"), deployment(7))).0, 422);
}

#[test]
fn variables_messages_and_reasons_are_used() {
    let mut h = Harness::new();
    let policy = json!({"matchConstraints": rules(&["CREATE"], "", "configmaps"),
        "matchConditions": [{"name": "not-system", "expression": "!object.metadata.name.startsWith('system-')"}],
        "variables": [{"name": "keys", "expression": "has(object.data) ? object.data.map(k, k) : []"},
            {"name": "count", "expression": "size(variables.keys)"}],
        "validations": [{"expression": "variables.count < 2", "reason": "Forbidden", "message": "too many",
            "messageExpression": "'at most 1 key, not ' + string(variables.count) + ', says ' + request.userInfo.username"}]});
    set_up(&mut h, policy, json!({"validationActions": ["Deny"]}));
    let two = json!({"a": "1", "b": "2"});
    let (code, message) = refusal(h.post(MAPS, map("m", two.clone())));
    assert_eq!(code, 403);
    assert!(message.ends_with("denied request: at most 1 key, not 2, says kubernetes-admin"), "{message}");
    assert_eq!(h.post(MAPS, map("system-m", two)).code, 201, "a condition that does not hold spares the request");
    assert_eq!(h.post(MAPS, map("one", json!({"a": "1"}))).code, 201);
}

#[test]
fn warnings_warn_and_errors_follow_the_failure_policy() {
    for (failure_policy, code) in [("Fail", 422), ("Ignore", 201)] {
        let mut h = Harness::new();
        let policy = json!({"failurePolicy": failure_policy, "matchConstraints": rules(&["CREATE"], "", "configmaps"),
            "validations": [{"expression": "object.data.mode == 'safe'", "message": "unsafe"}]});
        set_up(&mut h, policy, json!({"validationActions": ["Deny"]}));
        let response = h.post(MAPS, map("m", json!({"x": "y"})));
        assert_eq!(response.code, code);
        if let Err(status) = response.result {
            assert!(status.message.ends_with("expression 'object.data.mode == 'safe'' resulted in error: no such key: mode"), "{status}");
        }
    }
    let mut h = Harness::new();
    let policy =
        json!({"matchConstraints": rules(&["*"], "*", "*"), "validations": [{"expression": "object == null || has(object.data.a)"}]});
    set_up(&mut h, policy, json!({"validationActions": ["Warn"]}));
    let response = h.post(MAPS, map("m", json!({"b": "1"})));
    assert_eq!(response.code, 201);
    assert_eq!(
        response.warnings,
        ["Validation failed for ValidatingAdmissionPolicy 'demo-policy.example.com' with binding 'demo-binding': failed expression: \
          object == null || has(object.data.a)"]
    );
}

#[test]
fn parameters_come_from_an_object() {
    let mut h = Harness::new();
    let policy = json!({"paramKind": {"apiVersion": "v1", "kind": "ConfigMap"}, "matchConstraints": rules(&["CREATE"], "", "secrets"),
        "validations": [{"expression": "size(object.data) <= int(params.data.most)"}]});
    let reference = json!({"name": "limits", "namespace": "default", "parameterNotFoundAction": "Deny"});
    set_up(&mut h, policy, json!({"validationActions": ["Deny"], "paramRef": reference}));
    let secret = |name: &str| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"a": "1", "b": "2"}});
    let secrets = "/api/v1/namespaces/default/secrets";
    let (_, message) = refusal(h.post(secrets, secret("s")));
    assert!(
        message.ends_with(
            "denied request: failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction"
        ),
        "{message}"
    );
    h.post(MAPS, map("limits", json!({"most": "1"})));
    assert!(refusal(h.post(secrets, secret("s"))).1.ends_with("failed expression: size(object.data) <= int(params.data.most)"));
    let mut limits = map("limits", json!({"most": "2"}));
    limits["metadata"]["namespace"] = json!("default");
    h.put(&format!("{MAPS}/limits"), limits);
    assert_eq!(h.post(secrets, secret("s")).code, 201);
}

#[test]
fn deletions_are_judged_by_what_is_deleted() {
    let mut h = Harness::new();
    let policy = json!({"matchConstraints": rules(&["DELETE"], "", "configmaps"),
        "validations": [{"expression": "object == null && !('keep' in oldObject.metadata.labels)", "message": "it is kept"}]});
    set_up(&mut h, policy, json!({"validationActions": ["Deny"]}));
    let mut kept = map("kept", json!({}));
    kept["metadata"]["labels"] = json!({"keep": "yes"});
    h.post(MAPS, kept);
    let (_, message) = refusal(h.delete(&format!("{MAPS}/kept")));
    assert!(message.ends_with("denied request: it is kept"), "{message}");
    assert!(json(h.get(&format!("{MAPS}/kept")))["metadata"]["uid"].is_string());
}

#[test]
fn a_namespace_selector_bounds_a_binding() {
    let mut h = Harness::new();
    let policy = json!({"matchConstraints": rules(&["CREATE"], "", "configmaps"), "validations": [{"expression": "false"}]});
    let resources = json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "prod"}}});
    set_up(&mut h, policy, json!({"validationActions": ["Deny"], "matchResources": resources}));
    h.post("/api/v1/namespaces", json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "prod"}}));
    assert_eq!(h.post(MAPS, map("m", json!({}))).code, 201);
    assert_eq!(h.post("/api/v1/namespaces/prod/configmaps", map("m", json!({}))).code, 422);
}

#[test]
fn nobody_locks_himself_out() {
    let mut h = Harness::new();
    let policy = json!({"matchConstraints": rules(&["*"], "*", "*"), "validations": [{"expression": "false"}]});
    set_up(&mut h, policy, json!({"validationActions": ["Deny"]}));
    let admin = certificate("kubernetes-admin", &["system:masters"]);
    let body = Body::Json(map("m", json!({})));
    assert_eq!(h.ask(request(Method::Post, MAPS).body(body).credentials(admin)).code, 422);
    assert_eq!(h.delete(&format!("{BINDINGS}/demo-binding")).code, 200);
    assert_eq!(h.post(MAPS, map("m", json!({}))).code, 201);
}

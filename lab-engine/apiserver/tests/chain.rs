//! The chain of a request: who sends it, whether that user may, and what nobody may grant.

mod common;

use api::http::{Body, Credentials, Impersonation, Method, Request, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::{Harness, certificate, json, refusal, request};
use serde_json::{Value, json};
use sim::What;
use std::time::Duration;

const ROLES: &str = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles";
const BINDINGS: &str = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings";
const ACCOUNTS: &str = "/api/v1/namespaces/default/serviceaccounts";
const PODS: &str = "/api/v1/namespaces/default/pods";

/// A request of someone with a certificate of this name.
fn by(name: &str, method: Method, url: &str) -> Request {
    request(method, url).credentials(certificate(name, &[]))
}

fn post_by(h: &mut Harness, name: &str, url: &str, body: Value) -> Response {
    h.ask(by(name, Method::Post, url).body(Body::Json(body)))
}

fn role(name: &str, verbs: &[&str], resources: &[&str]) -> Value {
    let rule = json!({"verbs": verbs, "apiGroups": [""], "resources": resources});
    json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": name}, "rules": [rule]})
}

fn binding(name: &str, kind: &str, role: &str, subject: Value) -> Value {
    json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": name},
           "subjects": [subject], "roleRef": {"kind": kind, "name": role}})
}

fn user(name: &str) -> Value {
    json!({"kind": "User", "name": name})
}

fn pod_on(node: &str, name: &str, volumes: &Value) -> Value {
    let container = json!({"name": "c", "image": "nginx"});
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
           "spec": {"nodeName": node, "containers": [container], "volumes": volumes}})
}

#[test]
fn nobody_known_is_anonymous_and_may_read_little() {
    let mut h = Harness::new();
    let mut list = request(Method::Get, PODS);
    list.credentials = Credentials::None;
    let (code, message) = refusal(h.ask(list));
    assert_eq!(code, 403);
    assert_eq!(
        message,
        "pods is forbidden: User \"system:anonymous\" cannot list resource \"pods\" in API group \"\" in the namespace \"default\""
    );
    let mut version = request(Method::Get, "/version");
    version.credentials = Credentials::None;
    assert_eq!(h.ask(version).code, 200);
    let mut apis = request(Method::Get, "/apis");
    apis.credentials = Credentials::None;
    assert_eq!(refusal(h.ask(apis)).1, "forbidden: User \"system:anonymous\" cannot get path \"/apis\"");
}

#[test]
fn a_token_that_is_not_valid_is_401() {
    let mut h = Harness::new();
    let response = h.ask(request(Method::Get, PODS).credentials(Credentials::Bearer("not.a.token".into())));
    assert_eq!(refusal(response), (401, "Unauthorized".to_owned()));
}

#[test]
fn a_user_may_what_a_binding_grants_and_no_more() {
    let mut h = Harness::new();
    let (code, message) = refusal(h.ask(by("jane", Method::Get, PODS)));
    assert_eq!(
        (code, message.as_str()),
        (403, "pods is forbidden: User \"jane\" cannot list resource \"pods\" in API group \"\" in the namespace \"default\"")
    );
    h.post(ROLES, role("reader", &["get", "list"], &["pods"]));
    h.post(BINDINGS, binding("jane", "Role", "reader", user("jane")));
    assert_eq!(h.ask(by("jane", Method::Get, PODS)).code, 200);
    assert!(h.trace.iter().any(|what| matches!(what, What::Request { user, reason, .. }
        if &**user == "jane" && &**reason == "RBAC: allowed by RoleBinding \"jane/default\" of Role \"reader\" to User \"jane\"")));
    let (_, message) = refusal(h.ask(by("jane", Method::Delete, &format!("{PODS}/web"))));
    assert_eq!(
        message,
        "pods \"web\" is forbidden: User \"jane\" cannot delete resource \"pods\" in API group \"\" in the namespace \"default\""
    );
    let (_, message) = refusal(h.ask(by("jane", Method::Get, "/api/v1/nodes")));
    assert_eq!(message, "nodes is forbidden: User \"jane\" cannot list resource \"nodes\" in API group \"\" at the cluster scope");
    h.delete(&format!("{BINDINGS}/jane"));
    assert_eq!(h.ask(by("jane", Method::Get, PODS)).code, 403);
}

#[test]
fn view_edit_and_admin_have_from_the_start_what_they_collect() {
    let mut h = Harness::new();
    let role = |h: &mut Harness, name: &str| json(h.get(&format!("/apis/rbac.authorization.k8s.io/v1/clusterroles/{name}")));
    let rules = |role: &Value| role["rules"].as_array().map_or(0, Vec::len);
    let (view, edit, admin) = (role(&mut h, "view"), role(&mut h, "edit"), role(&mut h, "admin"));
    assert!(0 < rules(&view) && rules(&view) < rules(&edit) && rules(&edit) < rules(&admin));
}

#[test]
fn nobody_grants_what_he_does_not_have() {
    let mut h = Harness::new();
    h.post(BINDINGS, binding("admin", "ClusterRole", "admin", user("jane")));
    let secrets = |verbs: &[&str]| role("nodes", verbs, &["nodes"]);
    let (code, message) = refusal(post_by(&mut h, "jane", ROLES, secrets(&["get", "delete"])));
    assert_eq!(code, 403);
    assert_eq!(
        message,
        "roles.rbac.authorization.k8s.io \"nodes\" is forbidden: user \"jane\" (groups=[\"system:authenticated\"]) is attempting to grant \
         RBAC permissions not currently held:\n{APIGroups:[\"\"], Resources:[\"nodes\"], Verbs:[\"get\" \"delete\"]}"
    );
    assert_eq!(post_by(&mut h, "jane", ROLES, role("pods", &["get"], &["pods"])).code, 201, "what she has she may give");
    assert_eq!(post_by(&mut h, "jane", BINDINGS, binding("joe", "Role", "pods", user("joe"))).code, 201);
    let (_, message) = refusal(post_by(&mut h, "jane", BINDINGS, binding("all", "ClusterRole", "cluster-admin", user("joe"))));
    assert!(message.contains("attempting to grant RBAC permissions not currently held"), "{message}");

    // With the verb `bind` on that very role she may bind what she does not have.
    let bind = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "binder"}, "rules": [
        {"verbs": ["bind"], "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"], "resourceNames": ["cluster-admin"]}]});
    h.post(ROLES, bind);
    h.post(BINDINGS, binding("binder", "Role", "binder", user("jane")));
    assert_eq!(post_by(&mut h, "jane", BINDINGS, binding("all", "ClusterRole", "cluster-admin", user("joe"))).code, 201);
}

#[test]
fn an_update_that_creates_needs_leave_to_create() {
    let mut h = Harness::new();
    let rule = json!({"verbs": ["get", "update"], "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"]});
    h.post(ROLES, json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "changer"}, "rules": [rule]}));
    h.post(BINDINGS, binding("jane", "Role", "changer", user("jane")));
    let empty = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "new"}, "rules": []});
    let put = by("jane", Method::Put, &format!("{ROLES}/new")).body(Body::Json(empty.clone()));
    let (code, message) = refusal(h.ask(put));
    assert_eq!(code, 403);
    assert!(message.contains("User \"jane\" cannot create resource \"roles\""), "{message}");
    assert_eq!(h.put(&format!("{ROLES}/new"), empty).code, 201);
}

#[test]
fn a_service_account_shows_its_token_until_it_ends() {
    let mut h = Harness::new();
    h.post(ROLES, role("reader", &["list"], &["pods"]));
    h.post(BINDINGS, binding("robot", "Role", "reader", json!({"kind": "ServiceAccount", "name": "robot"})));
    h.post(ACCOUNTS, json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot"}}));
    let asked = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}});
    let token = json(h.post(&format!("{ACCOUNTS}/robot/token"), asked))["status"]["token"].as_str().expect("a token").to_owned();
    let list = || request(Method::Get, PODS).credentials(Credentials::Bearer(token.as_str().into()));
    assert_eq!(h.ask(list()).code, 200);

    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}});
    let status = json(h.post("/apis/authentication.k8s.io/v1/tokenreviews", review))["status"].clone();
    assert_eq!(status["user"]["username"], "system:serviceaccount:default:robot");
    let groups = json!(["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"]);
    assert_eq!((&status["authenticated"], &status["user"]["groups"]), (&json!(true), &groups));
    let other = json!({"spec": {"token": token, "audiences": ["vault"]}});
    let status = json(h.post("/apis/authentication.k8s.io/v1/tokenreviews", other))["status"].clone();
    assert!(status["error"].as_str().is_some_and(|error| error.contains("is invalid for the target audiences")), "{status}");

    h.advance(Duration::from_secs(601));
    assert_eq!(refusal(h.ask(list())), (401, "Unauthorized".to_owned()), "it has ended");
    let again = json(h.post(&format!("{ACCOUNTS}/robot/token"), json!({"spec": {}})))["status"]["token"].as_str().map(str::to_owned);
    h.delete(&format!("{ACCOUNTS}/robot"));
    let token = again.expect("a token");
    assert_eq!(h.ask(request(Method::Get, PODS).credentials(Credentials::Bearer(token.as_str().into()))).code, 401, "its account is gone");
}

#[test]
fn a_kubelet_asks_for_tokens_of_its_own_pods_only() {
    let mut h = Harness::new();
    let vault = json!({"serviceAccountToken": {"path": "vault", "audience": "vault", "expirationSeconds": 7200}});
    let pod = json(h.post(PODS, pod_on("node-1", "web", &json!([{"name": "t", "projected": {"sources": [vault]}}]))));
    let uid = pod["metadata"]["uid"].as_str().expect("a UID").to_owned();
    let mut ask = |node: &str, audiences: Value, seconds: u64, reference: Value| {
        let spec = json!({"audiences": audiences, "expirationSeconds": seconds, "boundObjectRef": reference});
        let kubelet = certificate(&format!("system:node:{node}"), &["system:nodes"]);
        h.ask(request(Method::Post, &format!("{ACCOUNTS}/default/token")).credentials(kubelet).body(Body::Json(json!({"spec": spec}))))
    };
    let bound = |uid: &str| json!({"kind": "Pod", "apiVersion": "v1", "name": "web", "uid": uid});
    let forbidden = |why: &str| (403, format!("serviceaccounts \"default\" is forbidden: {why}"));
    assert_eq!(refusal(ask("node-1", json!([]), 3607, Value::Null)), forbidden("node requested token not bound to a pod"));
    let nameless = "node requested token with a pod binding without a uid";
    assert_eq!(refusal(ask("node-1", json!([]), 3607, bound(""))), forbidden(nameless));
    let other = "audience \"other\" not found in pod spec volume, system:node:node-1 is not authorized to request tokens for this audience";
    assert_eq!(refusal(ask("node-1", json!(["other"]), 3607, bound(&uid))), forbidden(other));
    let (code, message) = refusal(ask("node-2", json!([]), 3607, bound(&uid)));
    assert!(code == 403 && message.ends_with("no relationship found between node 'node-2' and this object"), "{message}");
    assert_eq!(ask("node-1", json!(["vault"]), 7200, bound(&uid)).code, 201);

    // The token of the volume that every Pod has is told to hold for an hour, and holds for a year.
    let answer = json(ask("node-1", json!([]), 3607, bound(&uid)));
    let token = answer["status"]["token"].as_str().expect("a token").to_owned();
    let claims = token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok()).expect("base64");
    let claims: Value = serde_json::from_slice(&claims).expect("JSON");
    let own = &claims["kubernetes.io"];
    let lasts = |end: &Value| end.as_u64().expect("a time") - claims["iat"].as_u64().expect("a time");
    assert_eq!((lasts(&own["warnafter"]), lasts(&claims["exp"])), (3607, 365 * 24 * 3600));
    assert_eq!((&own["pod"]["uid"], &own["node"]["name"]), (&json!(uid), &json!("node-1")));
    let review = json!({"spec": {"token": token}});
    let extra = json(h.post("/apis/authentication.k8s.io/v1/tokenreviews", review))["status"]["user"]["extra"].clone();
    assert_eq!(extra["authentication.kubernetes.io/node-name"], json!(["node-1"]));
}

#[test]
fn acting_as_someone_else_needs_leave() {
    let mut h = Harness::new();
    h.post(ROLES, role("reader", &["list"], &["pods"]));
    h.post(BINDINGS, binding("joe", "Role", "reader", user("joe")));
    let as_joe = |mut request: Request| {
        request.impersonation = Some(Box::new(Impersonation { user: "joe".to_owned(), ..Impersonation::default() }));
        request
    };
    assert_eq!(h.ask(as_joe(request(Method::Get, PODS))).code, 200, "the administrator may");
    assert_eq!(h.ask(as_joe(request(Method::Get, "/api/v1/nodes"))).code, 403, "but has joe's rights only");
    let (code, message) = refusal(h.ask(as_joe(by("jane", Method::Get, PODS))));
    assert_eq!(code, 403);
    assert_eq!(
        message,
        "users \"joe\" is forbidden: User \"jane\" cannot impersonate resource \"users\" in API group \"\" at the cluster scope"
    );
}

#[test]
fn a_kubelet_sees_what_its_pods_use_and_writes_what_is_its_own() {
    let mut h = Harness::new();
    for name in ["tls", "other"] {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": {}});
        h.post("/api/v1/namespaces/default/secrets", secret);
    }
    h.post(PODS, pod_on("node-1", "web", &json!([{"name": "v", "secret": {"secretName": "tls"}}])));
    h.post(PODS, pod_on("node-2", "db", &json!([])));
    let kubelet = |node: &str, method: Method, url: &str| {
        request(method, url).credentials(certificate(&format!("system:node:{node}"), &["system:nodes"]))
    };
    let secret = "/api/v1/namespaces/default/secrets/tls";
    assert_eq!(h.ask(kubelet("node-1", Method::Get, secret)).code, 200);
    let (code, message) = refusal(h.ask(kubelet("node-2", Method::Get, secret)));
    assert_eq!(code, 403);
    assert_eq!(
        message,
        "secrets \"tls\" is forbidden: User \"system:node:node-2\" cannot get resource \"secrets\" in API group \"\" in the namespace \
         \"default\": no relationship found between node 'node-2' and this object"
    );
    let own = "/api/v1/pods?fieldSelector=spec.nodeName=node-1";
    assert_eq!(h.ask(kubelet("node-1", Method::Get, own)).code, 200);
    assert_eq!(h.ask(kubelet("node-2", Method::Get, own)).code, 403, "the Pods of another node");
    let (_, message) = refusal(h.ask(kubelet("node-2", Method::Delete, &format!("{PODS}/web"))));
    assert_eq!(message, "pods \"web\" is forbidden: node \"node-2\" can only delete pods with spec.nodeName set to itself");
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1"}});
    let (_, message) = refusal(h.ask(kubelet("node-2", Method::Post, "/api/v1/nodes").body(Body::Json(node.clone()))));
    assert_eq!(message, "nodes \"node-1\" is forbidden: node \"node-2\" is not allowed to modify node \"node-1\"");
    assert_eq!(h.ask(kubelet("node-1", Method::Post, "/api/v1/nodes").body(Body::Json(node))).code, 201);
}

#[test]
fn reviews_answer_and_are_not_kept() {
    let mut h = Harness::new();
    h.post(BINDINGS, binding("jane", "ClusterRole", "view", user("jane")));
    let asked = json!({"spec": {"resourceAttributes": {"namespace": "default", "verb": "list", "resource": "pods"}}});
    let own = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    assert_eq!(json(post_by(&mut h, "jane", own, asked.clone()))["status"]["allowed"], true);
    assert_eq!(json(post_by(&mut h, "joe", own, asked))["status"], json!({"allowed": false}));
    let asked = json!({"spec": {"user": "jane", "resourceAttributes": {"namespace": "default", "verb": "get", "resource": "secrets"}}});
    let of_others = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    assert_eq!(json(h.post(of_others, asked.clone()))["status"]["allowed"], false);
    assert_eq!(post_by(&mut h, "jane", of_others, asked).code, 403, "she may ask only about herself");
    let rules = json!({"spec": {"namespace": "default"}});
    let answer = json(post_by(&mut h, "jane", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", rules));
    assert!(answer["status"]["resourceRules"].to_string().contains("pods/log"), "{answer}");
    let answer = json(post_by(&mut h, "jane", "/apis/authentication.k8s.io/v1/selfsubjectreviews", json!({})));
    assert_eq!(answer["status"]["userInfo"], json!({"username": "jane", "groups": ["system:authenticated"]}));
}

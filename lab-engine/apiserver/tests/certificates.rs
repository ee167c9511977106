//! CertificateSigningRequests: what the server writes into them, who may decide about them, and what a certificate is good for.

mod common;

use api::http::{Body, Credentials, Method, Request};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::{Harness, certificate, json, refusal, request};
use serde_json::{Value, json};

const REQUESTS: &str = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
const JANE: &str = "/apis/certificates.k8s.io/v1/certificatesigningrequests/jane";

/// What `openssl req -new -key KEY -subj "/O=dev/CN=jane"` prints for a key on the curve prime256v1.
const PEM: &str = "-----BEGIN CERTIFICATE REQUEST-----
MIHWMH8CAQAwHTEMMAoGA1UECgwDZGV2MQ0wCwYDVQQDDARqYW5lMFkwEwYHKoZI
zj0CAQYIKoZIzj0DAQcDQgAEe8cQ3CGN2gFcsmdmEsfjZAe0zAwB0NtEZLTJT0c1
BDfH9u1IyMd+U5XVzgdyWyJmJ56xkL7rezhGfI8xFpTu4KAAMAoGCCqGSM49BAMC
A0cAMEQCIAlVkNpGaiQtx8fAHdvt/v1ikRbHF8MvydobcYkgHfsnAiA6dS0Ia53K
LIIS1MsRHK9nBeasxZWqKN3Eec9Xmw/D3g==
-----END CERTIFICATE REQUEST-----
";

fn signing_request(change: impl FnOnce(&mut Value)) -> Value {
    let mut spec = json!({"request": STANDARD.encode(PEM), "signerName": "kubernetes.io/kube-apiserver-client",
        "usages": ["client auth"], "username": "somebody-else"});
    change(&mut spec);
    json!({"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": "jane"}, "spec": spec})
}

fn send(h: &mut Harness, request: Request, body: Value) -> api::http::Response {
    h.ask(request.body(Body::Json(body)))
}

/// The request as it is stored, with a condition more.
fn with_condition(h: &mut Harness, type_: &str) -> Value {
    let mut live = json(h.ask(request(Method::Get, JANE)));
    live["status"]["conditions"] = json!([{"type": type_, "status": "True", "reason": "Test"}]);
    live
}

#[test]
fn the_server_writes_down_who_asks_and_nobody_changes_that() {
    let mut h = Harness::new();
    let made = json(send(&mut h, request(Method::Post, REQUESTS), signing_request(|_| {})));
    assert_eq!(made["spec"]["username"], "kubernetes-admin");
    assert_eq!(made["spec"]["groups"], json!(["system:masters", "system:authenticated"]));
    let mut changed = made.clone();
    changed["spec"]["username"] = json!("jane");
    let kept = json(send(&mut h, request(Method::Put, JANE), changed));
    assert_eq!(kept["spec"], made["spec"]);
}

#[test]
fn a_request_must_be_one_for_a_signer_with_known_usages() {
    let mut h = Harness::new();
    let bad = signing_request(|spec| {
        spec["request"] = json!("aGk=");
        spec["signerName"] = json!("mysigner");
        spec["usages"] = json!(["client auth", "client auth", "flying"]);
        spec["expirationSeconds"] = json!(599);
    });
    let (code, message) = refusal(send(&mut h, request(Method::Post, REQUESTS), bad));
    assert_eq!(code, 422);
    for part in [
        "spec.request: Invalid value: []byte{0x68, 0x69}: PEM block type must be CERTIFICATE REQUEST",
        "spec.signerName: Invalid value: \"mysigner\": must be a fully qualified domain and path of the form 'example.com/signer-name'",
        "spec.usages[1]: Duplicate value: \"client auth\"",
        "spec.usages[2]: Unsupported value: \"flying\": supported values: \"any\", \"cert sign\"",
        "spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 600 seconds (10 minutes)",
    ] {
        assert!(message.contains(part), "{part} is missing in {message}");
    }
}

#[test]
fn only_who_may_approve_for_the_signer_approves() {
    let mut h = Harness::new();
    send(&mut h, request(Method::Post, REQUESTS), signing_request(|_| {}));
    let rule = |verbs: &[&str], resource: &str| json!({"apiGroups": ["certificates.k8s.io"], "resources": [resource], "verbs": verbs});
    let roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
    let mut role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "approver"},
        "rules": [rule(&["update"], "certificatesigningrequests/approval")]});
    send(&mut h, request(Method::Post, roles), role.clone());
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "approver"},
        "subjects": [{"kind": "User", "name": "paul"}], "roleRef": {"kind": "ClusterRole", "name": "approver"}});
    send(&mut h, request(Method::Post, "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"), binding);
    let approved = with_condition(&mut h, "Approved");
    let approve = || request(Method::Put, &format!("{JANE}/approval")).credentials(certificate("paul", &[]));
    let (code, message) = refusal(send(&mut h, approve(), approved.clone()));
    let why = "user not permitted to approve requests with signerName \"kubernetes.io/kube-apiserver-client\"";
    let forbidden = format!("certificatesigningrequests.certificates.k8s.io \"jane\" is forbidden: {why}");
    assert_eq!((code, message), (403, forbidden));
    let mut signer = rule(&["approve"], "signers");
    signer["resourceNames"] = json!(["kubernetes.io/*"]);
    role["rules"].as_array_mut().unwrap().push(signer);
    send(&mut h, request(Method::Put, &format!("{roles}/approver")), role);
    assert_eq!(json(send(&mut h, approve(), approved))["status"]["conditions"][0]["type"], "Approved");
    let denied = with_condition(&mut h, "Denied");
    let (code, message) = refusal(send(&mut h, request(Method::Put, &format!("{JANE}/approval")), denied));
    assert_eq!(code, 422);
    assert!(message.contains("status.conditions: Forbidden: updates may not remove a condition of type \"Approved\""), "{message}");
}

#[test]
fn the_status_neither_approves_nor_names_masters() {
    let mut h = Harness::new();
    send(&mut h, request(Method::Post, REQUESTS), signing_request(|_| {}));
    let approved = with_condition(&mut h, "Approved");
    let (code, message) = refusal(send(&mut h, request(Method::Put, &format!("{JANE}/status")), approved));
    assert_eq!(code, 422);
    assert!(message.contains("status.conditions: Forbidden: updates may not add a condition of type \"Approved\""), "{message}");
}

#[test]
fn an_issued_certificate_says_who_a_client_is_while_it_holds() {
    let mut h = Harness::new();
    let asked = pki::Request::read(PEM.as_bytes()).unwrap();
    let issue =
        |from: i64| pki::issue(&asked, &["client auth".to_owned()], "1", sim::Time::EPOCH + from, sim::Time::EPOCH + from + 3600).unwrap();
    let whoami = |pem: &str| {
        let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
        let ask = request(Method::Post, "/apis/authentication.k8s.io/v1/selfsubjectreviews");
        ask.credentials(Credentials::Issued(pem.into())).body(Body::Json(review))
    };
    let user = &json(h.ask(whoami(&issue(0))))["status"]["userInfo"];
    assert_eq!((&user["username"], &user["groups"]), (&json!("jane"), &json!(["dev", "system:authenticated"])));
    assert!(user["extra"]["authentication.kubernetes.io/credential-id"][0].as_str().unwrap().starts_with("X509SHA256="));
    assert_eq!(h.ask(whoami(&issue(7200))).code, 401, "not yet");
    assert_eq!(h.ask(whoami("nothing")).code, 401);
}

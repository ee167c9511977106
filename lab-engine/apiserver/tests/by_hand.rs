//! Values that were written into etcd by hand: objects are seen, and what is no object is not passed over.

mod common;

use common::{Harness, json, refusal, request};
use etcd::{CallId, KeyRange, Op, Txn};
use serde_json::json;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

/// What `etcdctl` does, past the API server.
fn by_hand(h: &mut Harness, op: Op) {
    let mut out = Vec::new();
    let request = etcd::Request::Txn(CallId(1), Txn { success: vec![op], ..Txn::default() });
    h.etcd.handle(h.now, etcd::server::Input::Request { from: 7, request }, &mut out);
    for output in out {
        if let etcd::server::Output::Respond { to: 0, response } = output {
            h.handle(apiserver::Input::Etcd(response));
        }
    }
}

fn put(h: &mut Harness, key: &str, value: &str) {
    by_hand(h, Op::put(key, value));
}

#[test]
fn an_object_that_was_put_by_hand_is_one_like_any_other() {
    let mut h = Harness::new();
    let watch = h.watch(&format!("{MAPS}?resourceVersion=1"));
    h.seen(watch);
    let map = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"default"},"data":{"k":"v"}}"#;
    put(&mut h, "/registry/configmaps/default/a", map);
    assert_eq!(h.seen(watch), ["ADDED a"]);
    let read = json(h.get(&format!("{MAPS}/a")));
    assert_eq!(read["data"]["k"], "v");
    let revision = h.etcd.store().revision().to_string();
    assert_eq!(read["metadata"]["resourceVersion"], *revision, "the revision is that of the pair");
    let changed = h.patch(&format!("{MAPS}/a"), api::http::PatchType::Merge, json!({"data": {"k": "w"}}));
    assert_eq!(json(changed)["data"]["k"], "w");
    by_hand(&mut h, Op::Delete(KeyRange::One("/registry/configmaps/default/a".into())));
    assert_eq!(h.seen(watch), ["MODIFIED a", "DELETED a"]);
}

#[test]
fn a_value_that_is_no_object_spoils_the_lists_of_its_resource_until_it_is_gone() {
    let mut h = Harness::new();
    h.post(MAPS, json!({"metadata": {"name": "good"}}));
    let watch = h.watch(MAPS);
    put(&mut h, "/registry/configmaps/default/bad", "hello");
    assert_eq!(h.ended, [watch], "the watch cache begins anew");

    let (code, message) = refusal(h.get(&format!("{MAPS}/bad")));
    assert!(code == 500 && message.starts_with("couldn't get version/kind; json parse error"), "{code} {message}");
    assert_eq!(json(h.get(&format!("{MAPS}/good")))["metadata"]["name"], "good");
    let (code, message) = refusal(h.get(&format!("{MAPS}?limit=500")));
    assert!(code == 500 && message.starts_with("couldn't get version/kind"), "a short list is read from etcd: {code} {message}");
    assert_eq!(refusal(h.get(MAPS)), (429, "storage is (re)initializing".to_owned()));
    let watched = h.ask(request(api::http::Method::Get, MAPS).query("watch", "true"));
    assert_eq!(refusal(watched).0, 429);
    assert_eq!(refusal(h.delete(&format!("{MAPS}/bad"))).0, 500, "it cannot be deleted by the API");
    assert_eq!(refusal(h.post(MAPS, json!({"metadata": {"name": "bad"}}))).0, 409);
    assert_eq!(json(h.get("/api/v1/namespaces/kube-system/configmaps?limit=9"))["kind"], "ConfigMapList", "other namespaces are read");
    assert_eq!(json(h.get("/api/v1/namespaces/default/secrets"))["kind"], "SecretList", "other resources are not concerned");

    by_hand(&mut h, Op::Delete(KeyRange::One("/registry/configmaps/default/bad".into())));
    assert!(!json(h.get(MAPS))["items"].as_array().unwrap().is_empty());
    let late = h.watch(&format!("{MAPS}?resourceVersion=2"));
    assert!(h.seen(late)[0].starts_with("ERROR 410 too old resource version"), "what was before nobody has seen");
}

#[test]
fn a_server_that_starts_finds_what_is_there() {
    let mut h = Harness::new();
    h.post(MAPS, json!({"metadata": {"name": "good"}}));
    put(&mut h, "/registry/configmaps/default/bad", "{}");
    put(&mut h, "/registry/secrets/default/s", "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: default}\n");
    h.restart(apiserver::Config::default());
    assert_eq!(refusal(h.get(&format!("{MAPS}/bad"))), (500, "Object 'Kind' is missing in '{}'".to_owned()));
    assert_eq!(refusal(h.get(MAPS)).0, 429);
    assert_eq!(json(h.get("/api/v1/namespaces/default/secrets"))["items"][0]["metadata"]["name"], "s");
    put(&mut h, "/registry/secrets/default/t", "k8s:enc:aescbc:v1:key1:????");
    let (_, message) = refusal(h.get("/api/v1/namespaces/default/secrets/t"));
    assert_eq!(message, "Internal error occurred: identity transformer tried to read encrypted data");
}

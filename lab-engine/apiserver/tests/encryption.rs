//! What etcd holds of Secrets, with encryption at rest and without.

mod common;

use apiserver::{Config, EncryptionConfig};
use common::{Harness, json, refusal};
use serde_json::{Value, json};

const SECRETS: &str = "/api/v1/namespaces/default/secrets";

fn config(providers: &Value) -> Config {
    let document = json!({"apiVersion": "apiserver.config.k8s.io/v1", "kind": "EncryptionConfiguration",
        "resources": [{"resources": ["secrets"], "providers": providers}]});
    Config { encryption: Some(EncryptionConfig::parse(&document).expect("it can be read")), ..Config::default() }
}

/// A provider with the keys of these names; the bytes of a key are its own.
fn provider(kind: &str, names: &[&str]) -> Value {
    // 32 bytes each: "0123456789abcdef" twice, and "fedcba9876543210" twice.
    let secret = |name: &str| match name {
        "key1" => "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
        _ => "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=",
    };
    let keys: Vec<Value> = names.iter().map(|name| json!({"name": name, "secret": secret(name)})).collect();
    json!({kind: {"keys": keys}})
}

fn secret(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"password": "swordfish"}})
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

// "swordfish" in base64, as it stands in the JSON of a Secret.
const PLAIN: &str = "c3dvcmRmaXNo";

#[test]
fn secrets_lie_open_without_encryption_and_closed_with_it() {
    let mut h = Harness::new();
    h.post(SECRETS, secret("old"));
    assert!(holds(&h.stored("/registry/secrets/default/old"), PLAIN));

    h.restart(config(&json!([provider("aescbc", &["key1"]), {"identity": {}}])));
    h.post(SECRETS, secret("new"));
    let bytes = h.stored("/registry/secrets/default/new");
    assert!(bytes.starts_with(b"k8s:enc:aescbc:v1:key1:") && !holds(&bytes, PLAIN));
    let read = json(h.get(&format!("{SECRETS}/new")));
    assert_eq!(read["data"]["password"], PLAIN, "who may read it reads it");
    assert!(holds(&h.stored("/registry/secrets/default/old"), PLAIN), "what is old stays as it is");

    // `kubectl get secrets -o json | kubectl replace -f -` changes nothing, and encrypts.
    let old = json(h.get(&format!("{SECRETS}/old")));
    let replaced = json(h.put(&format!("{SECRETS}/old"), old.clone()));
    assert_ne!(replaced["metadata"]["resourceVersion"], old["metadata"]["resourceVersion"]);
    assert!(h.stored("/registry/secrets/default/old").starts_with(b"k8s:enc:aescbc:v1:key1:"));
    let again = json(h.put(&format!("{SECRETS}/old"), replaced.clone()));
    assert_eq!(again["metadata"]["resourceVersion"], replaced["metadata"]["resourceVersion"], "once is enough");

    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"k": "open"}});
    h.post("/api/v1/namespaces/default/configmaps", map);
    assert!(holds(&h.stored("/registry/configmaps/default/m"), "open"));
}

#[test]
fn a_key_is_rotated_by_writing_with_a_new_one_first() {
    let mut h = Harness::with(config(&json!([provider("aesgcm", &["key1"])])));
    h.post(SECRETS, secret("s"));
    h.restart(config(&json!([provider("aesgcm", &["key2", "key1"])])));
    let read = json(h.get(&format!("{SECRETS}/s")));
    assert_eq!(read["data"]["password"], PLAIN);
    h.put(&format!("{SECRETS}/s"), read);
    assert!(h.stored("/registry/secrets/default/s").starts_with(b"k8s:enc:aesgcm:v1:key2:"));
    h.restart(config(&json!([provider("aesgcm", &["key1"])])));
    let unreadable = refusal(h.get(&format!("{SECRETS}/s")));
    assert_eq!(unreadable, (500, "Internal error occurred: no matching prefix found".to_owned()), "without its key nobody reads it");
}

#[test]
fn a_watch_sees_what_is_encrypted() {
    let mut h = Harness::with(config(&json!([provider("aescbc", &["key1"])])));
    let watch = h.watch(SECRETS);
    h.post(SECRETS, secret("s"));
    assert_eq!(h.seen(watch), ["ADDED s"]);
}

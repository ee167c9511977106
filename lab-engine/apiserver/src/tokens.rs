//! Tokens of ServiceAccounts: made by `TokenRequest`, checked when they are shown (`pkg/serviceaccount`).
//!
//! A token is a JSON Web Token: header, claims and signature, each in base64 and joined by points. It is bound to its ServiceAccount and,
//! if asked, to a Pod: when these are gone, or others of the same name have come, it is no longer valid.
//!
//! A token for the volume that admission gives to Pods holds for a year, though its kubelet is told of an hour: clients of old, which never
//! read the file again, go on (`--service-account-extend-token-expiration`). The claim `warnafter` tells when they should have.
//!
//! **Simplified here:** signed with HMAC-SHA-256 by a key of the run where a real server signs with RSA or ECDSA; no annotation warns of
//! tokens that are older than `warnafter`; binding to Secrets and Nodes is not done.

use crate::admission::TOKEN_SECONDS;
use crate::cache::Cache;
use crate::storage;
use crate::user::Info;
use api::Resource;
use api::core::{Pod, ServiceAccount};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use sim::{Rng, Time};

/// Who issues the tokens, and whom they are for unless told.
pub(crate) const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

/// Whom a token must be for.
#[derive(Clone, Debug)]
pub(crate) struct Audience(pub(crate) Vec<String>);

impl Audience {
    /// The API server itself.
    pub(crate) fn server() -> Self {
        Audience(vec![ISSUER.to_owned()])
    }
}

/// A token that holds.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) user: Info,
    /// Those of the audiences asked for that the token names.
    pub(crate) audiences: Vec<String>,
}

/// What a token shall be.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) account: &'a ServiceAccount,
    pub(crate) audiences: Vec<String>,
    pub(crate) seconds: u64,
    pub(crate) pod: Option<&'a Pod>,
    /// The name and UID of that Pod's node; the UID is empty when the node is not there.
    pub(crate) node: Option<(&'a str, &'a str)>,
}

/// How long a token that is extended holds, in seconds (`ExpirationExtensionSeconds`).
const EXTENDED_SECONDS: u64 = 365 * 24 * 3600;

/// Makes and checks tokens.
#[derive(Debug)]
pub(crate) struct Tokens {
    key: Vec<u8>,
    /// Gives each token its own number.
    ids: Rng,
}

impl Tokens {
    /// With a key of the run.
    pub(crate) fn new(mut rng: Rng) -> Self {
        let ids = rng.stream("ids");
        Tokens { key: (0..32).map(|_| u8::try_from(rng.below(256)).unwrap_or(0)).collect(), ids }
    }

    fn mac(&self, text: &str) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).ok()?;
        mac.update(text.as_bytes());
        Some(mac)
    }

    /// A token.
    pub(crate) fn issue(&mut self, now: Time, wanted: &Wanted<'_>) -> String {
        let seconds = unix(now);
        let id = self.ids.uuid();
        let metadata = &wanted.account.metadata;
        let mut own = json!({"namespace": metadata.namespace, "serviceaccount": {"name": metadata.name, "uid": metadata.uid}});
        if let Some(pod) = wanted.pod {
            own["pod"] = json!({"name": pod.metadata.name, "uid": pod.metadata.uid});
        }
        if let Some((name, uid)) = wanted.node {
            own["node"] = if uid.is_empty() { json!({"name": name}) } else { json!({"name": name, "uid": uid}) };
        }
        let extended = wanted.pod.is_some() && i64::try_from(wanted.seconds) == Ok(TOKEN_SECONDS) && wanted.audiences == [ISSUER];
        let mut ends = seconds + wanted.seconds;
        if extended {
            own["warnafter"] = json!(ends);
            ends = seconds + EXTENDED_SECONDS;
        }
        let claims = json!({
            "aud": wanted.audiences, "exp": ends, "iat": seconds, "nbf": seconds, "iss": ISSUER, "jti": id,
            "kubernetes.io": own, "sub": format!("system:serviceaccount:{}:{}", metadata.namespace, metadata.name),
        });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", part(&json!({"alg": "HS256", "kid": "clusterbook"})), part(&claims));
        let signature = self.mac(&text).map(|mac| URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())).unwrap_or_default();
        format!("{text}.{signature}")
    }

    /// Whose token this is.
    ///
    /// # Errors
    /// Why it does not hold, in upstream's words where it has some.
    pub(crate) fn check(&self, cache: &Cache, now: Time, token: &str, audience: &Audience) -> Result<Checked, String> {
        let claims = self.claims(token).ok_or("invalid bearer token")?;
        let number = |name: &str| claims[name].as_u64().unwrap_or(0);
        if unix(now) >= number("exp") {
            return Err("service account token has expired".to_owned());
        }
        let named: Vec<&str> = claims["aud"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let audiences: Vec<String> = audience.0.iter().filter(|wanted| named.contains(&wanted.as_str())).cloned().collect();
        if audiences.is_empty() {
            return Err(format!("token audiences {named:?} is invalid for the target audiences {:?}", audience.0));
        }
        let own = &claims["kubernetes.io"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (namespace, name, uid) = (text(&own["namespace"]), text(&own["serviceaccount"]["name"]), text(&own["serviceaccount"]["uid"]));
        let account = cache.get(&storage::key(ServiceAccount::INFO, &namespace, &name));
        if account.is_none_or(|account| account.metadata().uid != uid || account.metadata().is_deleting()) {
            return Err("service account token has been invalidated".to_owned());
        }
        let mut user = Info::service_account(&namespace, &name, &uid);
        let mut tell = |key: &str, value: String| user.extra.insert(format!("authentication.kubernetes.io/{key}"), vec![value]);
        tell("credential-id", format!("JTI={}", text(&claims["jti"])));
        if let Some(pod) = own["pod"].as_object() {
            let (pod_name, pod_uid) = (text(&pod["name"]), text(&pod["uid"]));
            let found = cache.get(&storage::key(Pod::INFO, &namespace, &pod_name)).filter(|found| found.metadata().uid == pod_uid);
            if found.is_none() {
                return Err("service account token has been invalidated".to_owned());
            }
            tell("pod-name", pod_name);
            tell("pod-uid", pod_uid);
        }
        for (key, value) in [("node-name", text(&own["node"]["name"])), ("node-uid", text(&own["node"]["uid"]))] {
            if !value.is_empty() {
                tell(key, value);
            }
        }
        Ok(Checked { user, audiences })
    }

    /// The claims of a token whose signature is right.
    fn claims(&self, token: &str) -> Option<Value> {
        let (text, signature) = token.rsplit_once('.')?;
        self.mac(text)?.verify_slice(&URL_SAFE_NO_PAD.decode(signature).ok()?).ok()?;
        let (_, claims) = text.split_once('.')?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
    }
}

/// Seconds since 1970, as tokens tell time.
fn unix(now: Time) -> u64 {
    u64::try_from(now.unix_seconds()).unwrap_or(0)
}

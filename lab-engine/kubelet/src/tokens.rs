//! Tokens of ServiceAccounts for the files of Pods (`pkg/kubelet/token/token_manager.go`).
//!
//! A Pod whose volumes want a token waits for it. The token is bound to the Pod: the API server takes it for valid only as long as this very
//! Pod is there. When 80 % of its time is over, or a day, the next sync of the Pod asks for another, which takes its place in the file;
//! until that comes, the old one stays.
//!
//! **Simplified here:** the sync is the Pod's own, up to a minute and a half later, drawn when the token comes; a token is asked for once
//! for each Pod, not kept from one start of the kubelet to the next.

use crate::kubelet::Kubelet;
use api::Resource;
use api::core::{Pod, ServiceAccount};
use api::http::{Body, Method, Request, ResourcePath, Response};
use serde_json::{Value, json};
use sim::{Rng, Time};
use std::time::Duration;

/// The longest that a token is used (`maxTTL`).
const MAX_AGE: Duration = Duration::from_secs(24 * 3600);
/// By how much earlier than told a token is renewed at most, in seconds (`maxJitter`).
const JITTER_SECONDS: u64 = 10;
/// The next sync of a Pod comes after so long at most (`syncFrequency` and its jitter).
const SYNC_MAX: Duration = Duration::from_secs(90);

/// A token.
#[derive(Debug)]
pub(crate) struct Token {
    pub(crate) text: String,
    /// When another one is to take its place.
    pub(crate) renew_at: Time,
}

impl Token {
    /// The token in an answer to a `TokenRequest` for so many seconds; `rng` draws when it is renewed (`requiresRefresh`).
    pub(crate) fn read(answer: &Value, now: Time, seconds: u64, rng: &mut Rng) -> Option<Token> {
        let text = answer["status"]["token"].as_str()?.to_owned();
        let fresh = Duration::from_secs(seconds - seconds * 20 / 100).min(MAX_AGE);
        let jitter = Duration::from_secs(rng.below(JITTER_SECONDS));
        let renew_at = now.saturating_add(fresh.saturating_sub(jitter)).saturating_add(rng.duration(Duration::ZERO, SYNC_MAX));
        Some(Token { text, renew_at })
    }
}

/// The request for a token of the Pod's account, bound to the Pod.
pub(crate) fn request(pod: &Pod, seconds: u64, audience: &str) -> Request {
    let meta = &pod.metadata;
    let audiences: Vec<&str> = Some(audience).filter(|audience| !audience.is_empty()).into_iter().collect();
    let reference = json!({"kind": "Pod", "apiVersion": "v1", "name": meta.name, "uid": meta.uid});
    let body = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "metadata": {},
        "spec": {"audiences": audiences, "expirationSeconds": seconds, "boundObjectRef": reference},
    });
    let path = ResourcePath::object(ServiceAccount::INFO, &meta.namespace, &pod.spec.service_account_name);
    Request::new(Method::Post, path.with_subresource("token")).body(Body::Json(body))
}

impl Kubelet {
    /// The token in a response.
    pub(crate) fn token_of(&mut self, response: &Response, seconds: u64, now: Time) -> Option<Token> {
        let Ok(Body::Json(answer)) = &response.result else { return None };
        Token::read(answer, now, seconds, &mut self.token_rng)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_renewed_when_four_fifths_of_its_time_or_a_day_are_over() {
        let mut rng = sim::Seed(1).stream("test");
        let answer = json!({"status": {"token": "abc"}});
        for (seconds, earliest, latest) in [(3607, 2886 - 9, 2886 + 90), (600, 480 - 9, 480 + 90), (1 << 32, 86_400 - 9, 86_400 + 90)] {
            let token = Token::read(&answer, Time::ZERO, seconds, &mut rng).unwrap();
            let at = token.renew_at.since(Time::ZERO).as_secs();
            assert!((earliest..=latest).contains(&at), "{seconds}: {at}");
        }
        assert!(Token::read(&json!({"status": {}}), Time::ZERO, 600, &mut rng).is_none());
    }
}

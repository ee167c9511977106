//! Deletes Pods after a word about it in their status, for the controllers that do so (`PatchPodStatus` and `Delete`, one after the other).

use api::Resource;
use api::core::Pod;
use api::http::{Body, Method, PatchType, Request, ResourcePath};
use api::meta::{Timestamp, condition};
use client::{Input, ObjectKey, Outbox, RequestId};
use serde_json::{Value, json};
use sim::Time;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What is said before the deletion.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Word {
    /// Whether the Pod becomes Failed, unless it has ended already.
    pub(crate) fail: bool,
    /// Reason and message of the condition `DisruptionTarget`.
    pub(crate) disruption: Option<(&'static str, &'static str)>,
}

/// Deletions under way, each Pod at most once.
#[derive(Debug)]
pub(crate) struct PodDeletions {
    agent: Arc<str>,
    under_way: BTreeSet<ObjectKey>,
    /// The Pod of each request, and the deletion if that is still to come.
    requests: BTreeMap<RequestId, (ObjectKey, Option<Request>)>,
}

impl PodDeletions {
    pub(crate) fn new(agent: &Arc<str>) -> Self {
        PodDeletions { agent: agent.clone(), under_way: BTreeSet::new(), requests: BTreeMap::new() }
    }

    /// Begins a deletion, unless one of this Pod is under way; `force` grants the Pod no time. Says whether it began.
    pub(crate) fn start(&mut self, now: Time, pod: &Pod, word: Word, force: bool, out: &mut Outbox) -> bool {
        let key = ObjectKey::of(pod);
        if !self.under_way.insert(key.clone()) {
            return false;
        }
        let mut deletion = Request::new(Method::Delete, ResourcePath::object(Pod::INFO, &key.namespace, &key.name));
        if force {
            deletion = deletion.body(Body::Json(json!({"gracePeriodSeconds": 0})));
        }
        match status_patch(now, pod, word) {
            Some(patch) => self.send(patch, key, Some(deletion), out),
            None => self.send(deletion, key, None, out),
        }
        true
    }

    fn send(&mut self, request: Request, key: ObjectKey, then: Option<Request>, out: &mut Outbox) {
        let id = out.request(request.agent(&self.agent));
        self.requests.insert(id, (key, then));
    }

    /// Takes an answer; `None` when it is for someone else. Otherwise the Pod whose deletion ended with it, if it did, and whether it is
    /// done; a Pod that is gone already counts as done.
    pub(crate) fn handle(&mut self, input: &Input, out: &mut Outbox) -> Option<Option<(ObjectKey, bool)>> {
        let Input::Response(id, answer) = input else { return None };
        let (key, then) = self.requests.remove(id)?;
        let code = answer.as_ref().map_or(0, |response| response.code);
        match then {
            Some(deletion) if (200..300).contains(&code) => {
                self.send(deletion, key, None, out);
                Some(None)
            }
            _ => {
                self.under_way.remove(&key);
                Some(Some((key, (200..300).contains(&code) || code == 404)))
            }
        }
    }
}

/// The change of the Pod's status; `None` when it says so already.
fn status_patch(now: Time, pod: &Pod, word: Word) -> Option<Request> {
    let ended = matches!(pod.status.phase.as_str(), "Succeeded" | "Failed");
    let mut status = serde_json::Map::new();
    if word.fail {
        if ended {
            return None;
        }
        status.insert("phase".to_owned(), json!("Failed"));
    }
    let old = condition(&pod.status.conditions, "DisruptionTarget");
    let news =
        |(reason, message): &(&str, &str)| old.is_none_or(|old| old.status != "True" || old.reason != *reason || old.message != *message);
    if let Some((reason, message)) = word.disruption.filter(news) {
        let since = old.filter(|old| old.status == "True").and_then(|old| old.last_transition_time);
        let since = since.unwrap_or_else(|| Timestamp::from(now)).to_string();
        let target = json!({"type": "DisruptionTarget", "status": "True", "reason": reason, "message": message,
            "lastProbeTime": null, "lastTransitionTime": since, "observedGeneration": pod.metadata.generation});
        status.insert("conditions".to_owned(), json!([target]));
    }
    if status.is_empty() {
        return None;
    }
    let change = json!({"metadata": {"uid": pod.metadata.uid}, "status": Value::Object(status)});
    let path = ResourcePath::object(Pod::INFO, &pod.metadata.namespace, &pod.metadata.name).with_subresource("status");
    Some(Request::new(Method::Patch, path).body(Body::Patch(PatchType::StrategicMerge, change)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::http::Response;
    use api::json::decode;
    use client::Action;

    const EVICTED: Word = Word { fail: false, disruption: Some(("Why", "because")) };

    fn sent(out: &mut Outbox) -> Option<(RequestId, Request)> {
        out.take().0.into_iter().find_map(|action| if let Action::Request(id, request) = action { Some((id, *request)) } else { None })
    }

    #[test]
    fn a_deletion_follows_its_word_and_happens_once_at_a_time() {
        let pod: Pod = decode(json!({"metadata": {"namespace": "default", "name": "web", "uid": "1"}})).unwrap();
        let (mut deletions, mut out) = (PodDeletions::new(&"test".into()), Outbox::new(1));
        assert!(deletions.start(Time::ZERO, &pod, EVICTED, true, &mut out));
        assert!(!deletions.start(Time::ZERO, &pod, EVICTED, true, &mut out));
        let (id, word) = sent(&mut out).unwrap();
        assert_eq!(word.method, Method::Patch);
        let answer = |id| Input::Response(id, Ok(Response::ok(Body::Json(json!({})))));
        assert_eq!(deletions.handle(&answer(id), &mut out), Some(None));
        let (id, deletion) = sent(&mut out).unwrap();
        assert_eq!(deletion.method, Method::Delete);
        assert_eq!(deletions.handle(&answer(id), &mut out), Some(Some((ObjectKey::of(&pod), true))));
        assert!(deletions.start(Time::ZERO, &pod, EVICTED, true, &mut out));
    }

    #[test]
    fn nothing_is_said_twice() {
        let said = json!([{"type": "DisruptionTarget", "status": "True", "reason": "Why", "message": "because"}]);
        let pod: Pod = decode(json!({"metadata": {"name": "web"}, "status": {"phase": "Failed", "conditions": said}})).unwrap();
        assert!(status_patch(Time::ZERO, &pod, EVICTED).is_none());
        assert!(status_patch(Time::ZERO, &pod, Word { fail: true, disruption: None }).is_none());
        assert!(status_patch(Time::ZERO, &pod, Word { fail: false, disruption: Some(("Other", "because")) }).is_some());
    }
}

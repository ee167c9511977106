//! The taint eviction controller: deletes Pods from nodes with `NoExecute` taints that they do not, or no longer, tolerate
//! (`pkg/controller/tainteviction`).
//!
//! A Pod that tolerates all taints, some of them for a time, is deleted when the shortest of these times is over; if the taints go
//! before that, it stays.
//!
//! **Simplified here:** what is said in a Pod's status is by the cache, where upstream reads the Pod again.

use crate::caches::{BY_NODE, Caches};
use crate::pod_deletion::{PodDeletions, Word};
use crate::taints::{NO_EXECUTE, matching};
use api::Resource;
use api::core::{Node, ObjectReference, Pod, Taint, Toleration};
use client::{Delta, EventRecorder, EventType, Input, ObjectKey, Outbox};
use sim::{Time, What};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// How often a deletion is tried.
const RETRIES: u32 = 5;
/// The pause between two tries.
const RETRY_PAUSE: Duration = Duration::from_millis(10);

/// What is said in the Pod's status before it is deleted.
const WORD: Word = Word { fail: false, disruption: Some(("DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint")) };

/// A deletion of a Pod (`TimedWorker`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Eviction {
    /// It is to happen at `fire_at`.
    Scheduled { created: Time, fire_at: Time },
    /// It began; so often it was tried. No other is scheduled until the Pod is gone.
    Begun { tries: u32 },
}

/// Evicts Pods from tainted nodes.
#[derive(Debug)]
pub(crate) struct TaintEvictionController {
    name: Arc<str>,
    events: EventRecorder,
    /// The `NoExecute` taints of nodes that have some.
    tainted: BTreeMap<String, Vec<Taint>>,
    evictions: BTreeMap<ObjectKey, Eviction>,
    /// Evictions that are to happen or to be tried again, by time.
    due: BTreeSet<(Time, ObjectKey)>,
    deletions: PodDeletions,
}

impl TaintEvictionController {
    /// A controller that knows no taint.
    pub(crate) fn new(agent: &Arc<str>) -> Self {
        let name: Arc<str> = "taint-eviction-controller".into();
        TaintEvictionController {
            events: EventRecorder::new(&name, "", agent.clone(), Some(name.clone())),
            name,
            tainted: BTreeMap::new(),
            evictions: BTreeMap::new(),
            due: BTreeSet::new(),
            deletions: PodDeletions::new(agent),
        }
    }

    /// Looks at a node's taints (`handleNodeUpdate`).
    pub(crate) fn node_changed(&mut self, now: Time, caches: &Caches, delta: &Delta<Node>, out: &mut Outbox) {
        let name = delta.object().metadata.name.clone();
        if matches!(delta, Delta::Deleted(..)) {
            self.tainted.remove(&name);
            return;
        }
        let taints: Vec<Taint> = delta.object().spec.taints.iter().filter(|taint| taint.effect == NO_EXECUTE).cloned().collect();
        if self.tainted.get(&name).map_or(&[][..], Vec::as_slice) == taints {
            return;
        }
        let pods = caches.pods.lister().by_index(BY_NODE, &name);
        if taints.is_empty() {
            self.tainted.remove(&name);
            for pod in pods {
                self.cancel(now, &ObjectKey::of(pod.as_ref()), out);
            }
            return;
        }
        for pod in pods {
            self.judge(now, pod, &taints, out);
        }
        self.tainted.insert(name, taints);
    }

    /// Looks at a Pod that is new, or has another node or other tolerations than before (`handlePodUpdate`).
    pub(crate) fn pod_changed(&mut self, now: Time, delta: &Delta<Pod>, out: &mut Outbox) {
        let pod = match delta {
            Delta::Deleted(pod, _) => return self.cancel(now, &ObjectKey::of(pod.as_ref()), out),
            Delta::Updated(old, pod) if old.spec.tolerations == pod.spec.tolerations && old.spec.node_name == pod.spec.node_name => return,
            Delta::Added(pod) | Delta::Updated(_, pod) => pod,
        };
        if let Some(taints) = self.tainted.get(&pod.spec.node_name).cloned() {
            self.judge(now, pod, &taints, out);
        }
    }

    /// Decides whether and when a Pod goes (`processPodOnNode`).
    fn judge(&mut self, now: Time, pod: &Arc<Pod>, taints: &[Taint], out: &mut Outbox) {
        let key = ObjectKey::of(pod.as_ref());
        let Some(used) = matching(taints, &pod.spec.tolerations) else {
            self.cancel(now, &key, out);
            return self.schedule(key, now, now);
        };
        let Some(tolerated) = tolerated_for(&used) else {
            return self.cancel(now, &key, out);
        };
        let (mut created, fire_at) = (now, now.saturating_add(tolerated));
        if let Some(Eviction::Scheduled { created: before, .. }) = self.evictions.get(&key) {
            created = *before;
            if created.saturating_add(tolerated) < fire_at {
                return;
            }
            self.cancel(now, &key, out);
        }
        self.schedule(key, created, fire_at);
    }

    /// Has a Pod deleted at a time, unless that is so already (`AddWork`).
    fn schedule(&mut self, key: ObjectKey, created: Time, fire_at: Time) {
        if !self.evictions.contains_key(&key) {
            self.evictions.insert(key.clone(), Eviction::Scheduled { created, fire_at });
            self.due.insert((fire_at, key));
        }
    }

    /// Takes an eviction back; tells of it if it had not begun (`cancelWorkWithEvent`).
    fn cancel(&mut self, now: Time, key: &ObjectKey, out: &mut Outbox) {
        if let Some(Eviction::Scheduled { fire_at, .. }) = self.evictions.remove(key) {
            self.due.remove(&(fire_at, key.clone()));
            self.event(now, key, &format!("Cancelling deletion of Pod {key}"), out);
        }
    }

    fn event(&mut self, now: Time, key: &ObjectKey, message: &str, out: &mut Outbox) {
        // As upstream, the reference has no UID.
        let regarding = ObjectReference {
            kind: Pod::INFO.kind.to_string(),
            namespace: key.namespace.clone(),
            name: key.name.clone(),
            api_version: Pod::INFO.api_version(),
            ..ObjectReference::default()
        };
        self.events.event_for(now, regarding, EventType::Normal, "TaintManagerEviction", message, out);
    }

    /// Takes an answer; whether it was for this controller.
    pub(crate) fn handle(&mut self, now: Time, input: &Input, out: &mut Outbox) -> bool {
        if self.events.handle(now, input, out) {
            return true;
        }
        let Some(ended) = self.deletions.handle(input, out) else { return false };
        let Some((key, false)) = ended else { return true };
        match self.evictions.get(&key) {
            Some(Eviction::Begun { tries }) if *tries < RETRIES => {
                self.due.insert((now + RETRY_PAUSE, key));
            }
            Some(Eviction::Begun { .. }) => {
                self.evictions.remove(&key);
            }
            _ => {}
        }
        true
    }

    /// Deletes the Pods whose time is over (`deletePodHandler`).
    pub(crate) fn work(&mut self, now: Time, caches: &Caches, out: &mut Outbox) {
        while let Some((at, key)) = self.due.pop_first() {
            if at > now {
                self.due.insert((at, key));
                return;
            }
            let tries = match self.evictions.get(&key) {
                Some(Eviction::Begun { tries }) => *tries,
                Some(Eviction::Scheduled { .. }) => {
                    self.event(now, &key, &format!("Marking for deletion Pod {key}"), out);
                    0
                }
                None => continue,
            };
            self.evictions.insert(key.clone(), Eviction::Begun { tries: tries + 1 });
            let Some(pod) = caches.pods.lister().get(&key) else { continue };
            let decision = "delete it: it does not tolerate its node's taints any more";
            out.trace_as(&self.name, What::Reconciled { object: pod.object_ref(), decision: decision.into() });
            self.deletions.start(now, pod, WORD, false, out);
        }
    }

    /// When it wants to be woken next.
    pub(crate) fn next_wake(&self) -> Option<Time> {
        self.due.first().map(|(at, _)| *at)
    }
}

/// For how long the used tolerations tolerate; `None` for ever (`getMinTolerationTime`).
fn tolerated_for(used: &[&Toleration]) -> Option<Duration> {
    let seconds = used.iter().filter_map(|toleration| toleration.toleration_seconds).min()?;
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::json::decode;
    use serde_json::{Value, json};

    const SECOND: fn(u64) -> Time = Time::from_secs;

    fn taint(key: &str) -> Taint {
        Taint { key: key.to_owned(), effect: NO_EXECUTE.to_owned(), ..Taint::default() }
    }

    fn pod(tolerations: Value) -> Arc<Pod> {
        let spec = json!({"nodeName": "a", "containers": [], "tolerations": tolerations});
        Arc::new(decode(json!({"metadata": {"namespace": "default", "name": "web"}, "spec": spec})).unwrap())
    }

    fn tolerating(seconds: Value) -> Arc<Pod> {
        pod(json!([{"key": "broken", "operator": "Exists", "tolerationSeconds": seconds}]))
    }

    /// When the Pod is evicted that a node's taint is found on at 10 s.
    fn fires(pod: &Arc<Pod>, taints: &[Taint]) -> Option<Time> {
        let mut controller = TaintEvictionController::new(&"test".into());
        controller.judge(SECOND(10), pod, taints, &mut Outbox::new(1));
        controller.next_wake()
    }

    #[test]
    fn a_pod_goes_when_the_shortest_time_is_over() {
        assert_eq!(fires(&pod(json!([])), &[taint("broken")]), Some(SECOND(10)));
        assert_eq!(fires(&tolerating(json!(60)), &[taint("broken")]), Some(SECOND(70)));
        assert_eq!(fires(&tolerating(json!(60)), &[taint("broken"), taint("other")]), Some(SECOND(10)));
        assert_eq!(fires(&tolerating(json!(-1)), &[taint("broken")]), Some(SECOND(10)));
        assert_eq!(fires(&tolerating(Value::Null), &[taint("broken")]), None);
        let both =
            pod(json!([{"key": "broken", "operator": "Exists", "tolerationSeconds": 60}, {"operator": "Exists", "tolerationSeconds": 20}]));
        assert_eq!(fires(&both, &[taint("broken"), taint("other")]), Some(SECOND(30)));
        assert_eq!(fires(&both, &[taint("broken")]), Some(SECOND(70)), "the first that fits counts");
    }

    #[test]
    fn a_new_look_does_not_make_a_pod_wait_longer() {
        let (mut controller, mut out) = (TaintEvictionController::new(&"test".into()), Outbox::new(1));
        controller.judge(SECOND(10), &tolerating(json!(60)), &[taint("broken")], &mut out);
        controller.judge(SECOND(50), &tolerating(json!(60)), &[taint("broken")], &mut out);
        assert_eq!(controller.next_wake(), Some(SECOND(70)));
        controller.cancel(SECOND(55), &ObjectKey::new("default", "web"), &mut out);
        assert_eq!(controller.next_wake(), None);
        let told = out.take().0.into_iter().any(|action| {
            matches!(action, client::Action::Trace(_, What::EventRecorded { message, .. }) if &*message == "Cancelling deletion of Pod default/web")
        });
        assert!(told);
    }
}

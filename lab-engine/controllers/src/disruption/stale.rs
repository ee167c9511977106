//! Takes the condition `DisruptionTarget` back from a Pod that was to go and is still there after two minutes
//! (`syncStalePodDisruption`).
//!
//! Whoever disrupts a Pod first says so in its status and then deletes it. When the second fails, or is given up, the first is no longer
//! true: a Job's policy would take the Pod's later failure for a disruption.

use crate::caches::Caches;
use crate::driver::{Answer, Call, Conclusion, Controller, Plan, Sink, succeeded};
use api::Resource;
use api::core::Pod;
use api::meta::{Condition, condition};
use client::{Delta, ObjectKey, WorkQueue};
use sim::Time;
use std::time::Duration;

/// After this time a Pod that is to go should be on its way out (`stalePodDisruptionTimeout`).
const TIMEOUT: Duration = Duration::from_secs(120);

/// Corrects the status of Pods that were not disrupted after all.
#[derive(Debug, Default)]
pub(crate) struct StaleDisruptions;

/// How long the Pod may still have the condition; `None` if it has none that can become stale
/// (`nonTerminatingPodHasStaleDisruptionCondition`). A kubelet ends a Pod before it is deleted, and may take as long as it likes.
fn time_left(now: Time, pod: &Pod) -> Option<Duration> {
    let target = condition(&pod.status.conditions, "DisruptionTarget").filter(|target| target.status == "True")?;
    let ended = matches!(pod.status.phase.as_str(), "Succeeded" | "Failed");
    if ended || pod.metadata.is_deleting() || target.reason == "TerminationByKubelet" {
        return None;
    }
    Some(target.last_transition_time.map_or(Duration::ZERO, |since| (since.0 + TIMEOUT).since(now)))
}

/// Queues a Pod that has the condition, for when it is stale.
pub(crate) fn enqueue(now: Time, delta: &Delta<Pod>, queue: &mut WorkQueue<ObjectKey>) {
    let pod = delta.object();
    if !matches!(delta, Delta::Deleted(..))
        && let Some(left) = time_left(now, pod)
    {
        queue.add_after(now, ObjectKey::of(pod.as_ref()), left);
    }
}

/// The Pod with a status that says it is not to go.
fn reset(now: Time, pod: &Pod) -> Pod {
    let mut pod = pod.clone();
    if let Some(target) = pod.status.conditions.iter_mut().find(|condition| condition.type_ == "DisruptionTarget") {
        *target = Condition {
            type_: "DisruptionTarget".to_owned(),
            status: "False".to_owned(),
            observed_generation: pod.metadata.generation,
            last_transition_time: Some(now.into()),
            ..Condition::default()
        };
    }
    pod
}

impl Controller for StaleDisruptions {
    type Note = ();

    fn reconcile(&mut self, now: Time, caches: &Caches, key: &ObjectKey, _sink: &mut Sink<'_>) -> Plan<()> {
        let mut plan = Plan::default();
        let Some(pod) = caches.pods.lister().get(key).filter(|pod| time_left(now, pod) == Some(Duration::ZERO)) else { return plan };
        plan.phases.push_back(vec![Call::update_status(reset(now, pod), ())]);
        plan.decision = Some((pod.object_ref(), "take back its DisruptionTarget: it was not disrupted".to_owned()));
        plan
    }

    fn answered(&mut self, _: &ObjectKey, _: &(), answer: Answer, _: &mut Sink<'_>) -> Result<(), String> {
        succeeded(answer)
    }

    fn conclude(&mut self, now: Time, caches: &Caches, key: &ObjectKey, _: Option<&str>) -> Conclusion<()> {
        let left = caches.pods.lister().get(key).and_then(|pod| time_left(now, pod));
        (None, left.filter(|left| !left.is_zero()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::Object;
    use api::json::decode;
    use serde_json::{Value, json};

    fn at(text: &str) -> Time {
        Time::parse_rfc3339(text).unwrap()
    }

    /// A Pod that runs and was to go at 08:10, with changes.
    fn pod(target: &Value, rest: &Value) -> Pod {
        let mut condition = json!({"type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager",
            "message": "why", "lastTransitionTime": "2026-05-04T08:10:00Z"});
        condition.as_object_mut().unwrap().extend(target.as_object().unwrap().clone());
        let pod = json!({"metadata": {"name": "web", "generation": 2}, "status": {"phase": "Running"}});
        let mut pod = api::patch::merge(pod, rest);
        pod["status"]["conditions"] = json!([{"type": "Ready", "status": "True"}, condition]);
        decode(pod).unwrap()
    }

    #[test]
    fn two_minutes_after_it_was_said_and_not_done_it_is_stale() {
        let left = |target: Value, rest: Value| time_left(at("2026-05-04T08:11:30Z"), &pod(&target, &rest));
        assert_eq!(left(json!({}), json!({})), Some(Duration::from_secs(30)));
        assert_eq!(left(json!({"lastTransitionTime": "2026-05-04T08:09:00Z"}), json!({})), Some(Duration::ZERO));
        assert_eq!(left(json!({"lastTransitionTime": null}), json!({})), Some(Duration::ZERO));
        assert_eq!(left(json!({"status": "False"}), json!({})), None);
        assert_eq!(left(json!({"reason": "TerminationByKubelet"}), json!({})), None);
        assert_eq!(left(json!({}), json!({"status": {"phase": "Failed"}})), None);
        assert_eq!(left(json!({}), json!({"metadata": {"deletionTimestamp": "2026-05-04T08:00:00Z"}})), None);
    }

    #[test]
    fn it_is_said_to_be_false_without_the_old_reason() {
        let changed = reset(at("2026-05-04T08:12:00Z"), &pod(&json!({}), &json!({})));
        let wanted = json!([{"type": "Ready", "status": "True"}, {"type": "DisruptionTarget", "status": "False", "observedGeneration": 2,
            "lastTransitionTime": "2026-05-04T08:12:00Z"}]);
        assert_eq!(Object::from(changed).to_json()["status"]["conditions"], wanted);
    }
}

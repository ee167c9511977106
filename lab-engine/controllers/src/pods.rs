//! What controllers ask of a Pod (`pkg/api/v1/pod/util.go`, `pkg/controller/controller_utils.go`).

use crate::claims::controller_reference;
use api::Resource;
use api::core::{Pod, PodTemplateSpec};
use api::meta::{condition, condition_is_true};
use sim::Time;
use std::cmp::Reverse;
use std::time::Duration;

/// Annotation by which a Pod says what its deletion costs; the cheapest goes first.
const POD_DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// A new Pod of a controller, made from a template (`GetPodFromTemplate`).
pub(crate) fn from_template<C: Resource>(controller: &C, template: &PodTemplateSpec) -> Pod {
    let mut pod = Pod { spec: template.spec.clone(), ..Pod::default() };
    pod.metadata.generate_name = format!("{}-", controller.metadata().name);
    pod.metadata.namespace.clone_from(&controller.metadata().namespace);
    pod.metadata.labels.clone_from(&template.metadata.labels);
    pod.metadata.annotations.clone_from(&template.metadata.annotations);
    pod.metadata.finalizers.clone_from(&template.metadata.finalizers);
    pod.metadata.owner_references = vec![controller_reference(controller)].into();
    pod
}

/// Whether the Pod's condition `Ready` is true.
pub(crate) fn is_ready(pod: &Pod) -> bool {
    condition_is_true(&pod.status.conditions, "Ready")
}

/// Whether a Pod has neither ended nor is on its way out (`IsPodActive`).
pub fn is_active(pod: &Pod) -> bool {
    !has_ended(pod) && !pod.metadata.is_deleting()
}

/// Whether a Pod is on its way out and has not ended (`IsPodTerminating`).
pub fn is_terminating(pod: &Pod) -> bool {
    !has_ended(pod) && pod.metadata.is_deleting()
}

fn has_ended(pod: &Pod) -> bool {
    matches!(pod.status.phase.as_str(), "Succeeded" | "Failed")
}

/// Whether a change of a Pod can matter to the ReplicaSet that owns it. Upstream looks at the ReplicaSet after each change; after most of
/// them, such as a new condition or the node, there is nothing to do.
pub(crate) fn matters(old: &Pod, new: &Pod) -> bool {
    let look = |pod: &Pod| (is_ready(pod), ready_since(pod), pod.metadata.deletion_timestamp);
    look(old) != look(new)
        || old.status.phase != new.status.phase
        || old.metadata.labels != new.metadata.labels
        || old.metadata.owner_references != new.metadata.owner_references
        || old.metadata.uid != new.metadata.uid
}

/// Whether a change of a Pod can matter to a controller that looks at its node, its finalizers or why it ends.
pub(crate) fn matters_more(old: &Pod, new: &Pod) -> bool {
    matters(old, new)
        || old.spec.node_name != new.spec.node_name
        || old.metadata.finalizers != new.metadata.finalizers
        || condition_is_true(&old.status.conditions, "DisruptionTarget") != condition_is_true(&new.status.conditions, "DisruptionTarget")
}

/// Since when the Pod is ready.
fn ready_since(pod: &Pod) -> Option<Time> {
    condition(&pod.status.conditions, "Ready").filter(|ready| ready.status == "True")?.last_transition_time.map(|at| at.0)
}

/// How long the ready Pod still has to stay so before it is available; `None` when it is not ready or is available.
pub(crate) fn remaining_until_available(pod: &Pod, min_ready_seconds: i32, now: Time) -> Option<Duration> {
    let needed = Duration::from_secs(u64::try_from(min_ready_seconds).unwrap_or(0));
    let remaining = needed.saturating_sub(now.since(ready_since(pod)?));
    (!remaining.is_zero()).then_some(remaining)
}

/// Whether the Pod has been ready for long enough (`IsPodAvailable`).
pub(crate) fn is_available(pod: &Pod, min_ready_seconds: i32, now: Time) -> bool {
    is_ready(pod)
        && (min_ready_seconds <= 0 || (ready_since(pod).is_some() && remaining_until_available(pod, min_ready_seconds, now).is_none()))
}

/// The order in which Pods are deleted, the first first (`ActivePodsWithRanks`): unassigned, then by phase, not ready, cheap, on a node
/// with many of its kind, ready since the shortest time (on a logarithmic scale), often restarted, young.
pub fn delete_rank(now: Time, pod: &Pod, on_same_node: usize) -> impl Ord + use<> {
    let assigned = !pod.spec.node_name.is_empty();
    let phase = match pod.status.phase.as_str() {
        "Pending" => 0,
        "Running" => 2,
        _ => 1,
    };
    let cost: i32 = pod.metadata.annotations.get(POD_DELETION_COST).and_then(|cost| cost.parse().ok()).unwrap_or(0);
    let ready_age = ready_since(pod).map(|since| age_rank(now, since));
    let restarts = pod.status.container_statuses.iter().map(|status| status.restart_count).max().unwrap_or(0);
    let age = pod.metadata.creation_timestamp.map(|at| age_rank(now, at.0));
    (assigned, phase, is_ready(pod), cost, Reverse(on_same_node), ready_age, (Reverse(restarts), age, pod.metadata.uid.clone()))
}

/// The logarithm of an age, so that Pods of about the same age count as equal (`LogarithmicScaleDown`).
fn age_rank(now: Time, since: Time) -> u32 {
    now.since(since).as_secs().checked_ilog2().map_or(0, |log| log + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::json::decode;
    use serde_json::{Value, json};

    fn pod(node: &str, ready: &str, annotations: Value) -> Pod {
        decode(json!({
            "metadata": {"annotations": annotations, "creationTimestamp": "2026-05-04T08:00:00Z"},
            "spec": {"nodeName": node, "containers": []},
            "status": {"phase": "Running",
                "conditions": [{"type": "Ready", "status": ready, "lastTransitionTime": "2026-05-04T08:00:10Z"}]},
        }))
        .unwrap()
    }

    #[test]
    fn availability_needs_readiness_for_a_while() {
        let pod = pod("n", "True", json!({}));
        assert!(is_available(&pod, 0, Time::from_secs(10)));
        assert!(!is_available(&pod, 30, Time::from_secs(39)) && is_available(&pod, 30, Time::from_secs(40)));
        assert_eq!(remaining_until_available(&pod, 30, Time::from_secs(15)), Some(Duration::from_secs(25)));
    }

    #[test]
    fn the_least_loss_goes_first() {
        let now = Time::from_secs(100);
        let ready = pod("n", "True", json!({}));
        let first = |a: &Pod, a_rank, b: &Pod, b_rank| delete_rank(now, a, a_rank) < delete_rank(now, b, b_rank);
        assert!(first(&pod("", "False", json!({})), 1, &pod("n", "False", json!({})), 1));
        assert!(first(&pod("n", "False", json!({})), 1, &ready, 1));
        assert!(first(&pod("n", "True", json!({POD_DELETION_COST: "-5"})), 1, &ready, 3));
        assert!(first(&ready, 2, &ready, 1));
    }
}

//! One look at a StatefulSet: which Pods to create, delete and mend now, and what its status is (`stateful_set_control.go`).
//!
//! With `OrderedReady` Pods come one by one, each when those before it are available, and go one by one from the last; with `Parallel`
//! nothing waits. An update deletes Pods of another version from the last to the partition, as many as may be unavailable; they come back
//! in the version that their number has.

use super::names::{in_range, new_pod, ordinal_of, start_ordinal};
use crate::history::revision_of;
use crate::pods::{is_available, is_ready};
use api::apps::{StatefulSet, StatefulSetStatus};
use api::core::{Pod, PodTemplateSpec};
use sim::Time;
use std::cmp::Reverse;
use std::sync::Arc;

/// A version: its name and its Pods' template.
#[derive(Clone, Debug)]
pub struct Version {
    /// The name of its ControllerRevision.
    pub name: String,
    /// What its Pods look like.
    pub template: PodTemplateSpec,
}

/// A StatefulSet as its controller sees it.
#[derive(Debug)]
pub struct View<'a> {
    /// The set.
    pub set: &'a StatefulSet,
    /// Its Pods, in any order.
    pub pods: &'a [Arc<Pod>],
    /// The version that is being left.
    pub current: &'a Version,
    /// The version that is being rolled out.
    pub update: &'a Version,
}

/// What to do with a Pod.
#[derive(Clone, Debug)]
pub enum Step {
    /// Make it.
    Create(Box<Pod>),
    /// Mend its identity, and its claims and who owns them.
    Mend(Arc<Pod>),
    /// See to who owns the claims of a Pod that will go.
    MendClaims(Arc<Pod>),
    /// Delete it.
    Delete(Arc<Pod>),
    /// Delete it, because it has ended and must come again.
    Recreate(Arc<Pod>),
}

/// A Pod there is, or one there should be.
enum Replica {
    Live(Arc<Pod>),
    Missing(Box<Pod>),
}

fn is_terminating(pod: &Pod) -> bool {
    pod.metadata.is_deleting()
}

fn has_ended(pod: &Pod) -> bool {
    matches!(pod.status.phase.as_str(), "Failed" | "Succeeded")
}

fn is_running_and_available(now: Time, set: &StatefulSet, pod: &Pod) -> bool {
    pod.status.phase == "Running" && is_available(pod, set.spec.min_ready_seconds.unwrap_or(0), now)
}

/// Neither available nor about to stay so (`isUnavailable`).
fn is_unavailable(now: Time, set: &StatefulSet, pod: &Pod) -> bool {
    is_terminating(pod) || !is_running_and_available(now, set, pod)
}

/// How many of the first numbers get Pods of the version that is being left (`newVersionedStatefulSetPod`): those below the partition, or, of
/// a set without bounds, as many as there are still.
fn kept_current(view: &View<'_>) -> i32 {
    let strategy = &view.set.spec.update_strategy;
    match &strategy.rolling_update {
        _ if strategy.type_ != "RollingUpdate" => 0,
        Some(bounds) => bounds.partition.unwrap_or(0),
        None => {
            let is_current = |pod: &&Arc<Pod>| revision_of(&pod.metadata.labels) == view.current.name && !is_terminating(pod);
            i32::try_from(view.pods.iter().filter(is_current).count()).unwrap_or(i32::MAX)
        }
    }
}

/// Decides what to do now, in order (`updateStatefulSet`). `is_kept` tells of a Pod whether its identity and claims are as they should be.
pub fn decide(now: Time, view: &View<'_>, is_kept: impl Fn(&Pod) -> bool) -> Vec<Step> {
    let set = view.set;
    if set.metadata.is_deleting() {
        return Vec::new();
    }
    let (replicas, condemned) = sort(view);
    let monotonic = set.spec.pod_management_policy != "Parallel";
    let mut steps = Vec::new();
    for replica in &replicas {
        if process_replica(now, set, replica, monotonic, &is_kept, &mut steps) && monotonic {
            return steps;
        }
    }
    steps.extend(condemned.iter().filter(|pod| !is_kept(pod)).map(|pod| Step::MendClaims(pod.clone())));
    let live = || replicas.iter().filter_map(|replica| if let Replica::Live(pod) = replica { Some(pod) } else { None });
    let unavailable = |pod: &&Arc<Pod>| is_unavailable(now, set, pod);
    let first = live().find(unavailable).or_else(|| condemned.iter().rev().find(unavailable)).map(|pod| pod.metadata.uid.as_str());
    for pod in &condemned {
        let is_first = first == Some(pod.metadata.uid.as_str());
        if is_terminating(pod) {
            if monotonic {
                return steps;
            }
            continue;
        }
        if monotonic && !is_first && !is_running_and_available(now, set, pod) {
            return steps;
        }
        steps.push(Step::Delete(pod.clone()));
        if monotonic {
            return steps;
        }
    }
    if set.spec.update_strategy.type_ != "OnDelete" {
        let missing = replicas.len() - live().count();
        let outdated: Vec<&Arc<Pod>> = live().collect();
        steps.extend(to_update(now, view, &outdated, missing).into_iter().cloned().map(Step::Delete));
    }
    steps
}

/// The Pods by number, with those that are missing, and the Pods that are too many, the highest number first.
fn sort(view: &View<'_>) -> (Vec<Replica>, Vec<Arc<Pod>>) {
    let set = view.set;
    let mut condemned: Vec<Arc<Pod>> = Vec::new();
    let mut by_ordinal = std::collections::BTreeMap::new();
    for pod in view.pods {
        match ordinal_of(pod) {
            ordinal if in_range(set, ordinal) => drop(by_ordinal.insert(ordinal, pod.clone())),
            0.. => condemned.push(pod.clone()),
            _ => {}
        }
    }
    condemned.sort_by_key(|pod| Reverse(ordinal_of(pod)));
    let (mut next, end) = (start_ordinal(set), start_ordinal(set).saturating_add(set.spec.replicas.unwrap_or(1)));
    // A set of a million Pods is made step by step: what is beyond the first gaps waits for a later look.
    let (mut gaps, mut replicas) = (0, Vec::new());
    let first_updated = next.saturating_add(kept_current(view));
    let mut fill = |from: i32, to: i32, replicas: &mut Vec<Replica>| {
        for ordinal in (from..to).take(MAX_CREATIONS - gaps) {
            gaps += 1;
            let version = if ordinal < first_updated { view.current } else { view.update };
            replicas.push(Replica::Missing(Box::new(new_pod(set, &version.template, &version.name, ordinal))));
        }
    };
    for (ordinal, pod) in by_ordinal {
        fill(next, ordinal, &mut replicas);
        replicas.push(Replica::Live(pod));
        next = ordinal + 1;
    }
    fill(next, end, &mut replicas);
    (replicas, condemned)
}

/// So many Pods at most are made in one look.
const MAX_CREATIONS: usize = 500;

/// What one Pod needs; whether those after it must wait (`processReplica`).
fn process_replica(
    now: Time,
    set: &StatefulSet,
    replica: &Replica,
    monotonic: bool,
    is_kept: &impl Fn(&Pod) -> bool,
    steps: &mut Vec<Step>,
) -> bool {
    let pod = match replica {
        Replica::Missing(pod) => {
            steps.push(Step::Create(pod.clone()));
            return true;
        }
        Replica::Live(pod) => pod,
    };
    if has_ended(pod) {
        if !is_terminating(pod) {
            steps.push(Step::Recreate(pod.clone()));
        }
        return true;
    }
    if monotonic && is_unavailable(now, set, pod) {
        // A Pod that waits may wait for a claim that someone has deleted.
        if pod.status.phase == "Pending" && !is_terminating(pod) && !is_kept(pod) {
            steps.push(Step::Mend(pod.clone()));
        }
        return true;
    }
    if !is_kept(pod) {
        steps.push(Step::Mend(pod.clone()));
    }
    false
}

/// The Pods that an update deletes now (`updateStatefulSetAfterInvariantEstablished`); `live` is in the order of their numbers.
fn to_update<'p>(now: Time, view: &View<'_>, live: &[&'p Arc<Pod>], missing: usize) -> Vec<&'p Arc<Pod>> {
    let set = view.set;
    let bounds = set.spec.update_strategy.rolling_update.as_ref();
    let partition = bounds.and_then(|bounds| bounds.partition).unwrap_or(0);
    let wanted = set.spec.replicas.unwrap_or(1);
    let bound = bounds.and_then(|bounds| bounds.max_unavailable.as_ref());
    // Rounded up, and never none (`getStatefulSetMaxUnavailable`).
    let allowed = bound.map_or(1, |bound| bound.scaled(wanted, true).unwrap_or(1).max(1));
    let unavailable = missing + live.iter().filter(|pod| is_unavailable(now, set, pod)).count();
    let may_go = usize::try_from(allowed).unwrap_or(1).saturating_sub(unavailable);
    let first = start_ordinal(set).saturating_add(partition);
    let outdated =
        |pod: &&&Arc<Pod>| ordinal_of(pod) >= first && revision_of(&pod.metadata.labels) != view.update.name && !is_terminating(pod);
    live.iter().rev().filter(outdated).take(may_go).copied().collect()
}

/// What the set's status should be (`updateStatus`, `completeRollingUpdate`).
pub fn status(now: Time, view: &View<'_>) -> StatefulSetStatus {
    let set = view.set;
    let mut status = StatefulSetStatus {
        observed_generation: set.metadata.generation,
        current_revision: view.current.name.clone(),
        update_revision: view.update.name.clone(),
        collision_count: Some(set.status.collision_count.unwrap_or(0)),
        conditions: set.status.conditions.clone(),
        rest: set.status.rest.clone(),
        ..StatefulSetStatus::default()
    };
    let (mut ready, mut current, mut updated) = (0, 0, 0);
    for pod in view.pods.iter().filter(|pod| ordinal_of(pod) >= 0) {
        status.replicas += 1;
        if pod.status.phase == "Running" && is_ready(pod) {
            ready += 1;
            status.available_replicas += i32::from(is_running_and_available(now, set, pod));
        }
        let revision = revision_of(&pod.metadata.labels);
        if !is_terminating(pod) {
            current += i32::from(revision == view.current.name);
            updated += i32::from(revision == view.update.name);
        }
    }
    let all = set.spec.replicas.unwrap_or(1);
    if set.spec.update_strategy.type_ == "RollingUpdate" && updated == all && ready == all && status.replicas == all {
        current = updated;
        status.current_revision.clone_from(&status.update_revision);
    }
    let shown = |count: i32| (count != 0).then_some(count);
    (status.ready_replicas, status.current_replicas, status.updated_replicas) = (shown(ready), shown(current), shown(updated));
    status
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::json::decode;
    use serde_json::{Value, json};

    fn set(replicas: i32, policy: &str, strategy: Value) -> StatefulSet {
        decode(json!({"metadata": {"name": "web", "namespace": "default", "uid": "1"}, "spec": {"replicas": replicas,
            "podManagementPolicy": policy, "updateStrategy": strategy, "selector": {"matchLabels": {"app": "web"}}}}))
        .unwrap()
    }

    fn pod(name: &str, revision: &str, ready: bool) -> Arc<Pod> {
        let conditions =
            json!([{"type": "Ready", "status": if ready { "True" } else { "False" }, "lastTransitionTime": "2026-05-04T08:00:00Z"}]);
        Arc::new(
            decode(json!({"metadata": {"name": name, "uid": name, "labels": {"controller-revision-hash": revision}},
                "status": {"phase": "Running", "conditions": conditions}}))
            .unwrap(),
        )
    }

    /// The steps in short.
    fn steps(set: &StatefulSet, pods: &[Arc<Pod>]) -> Vec<String> {
        let version = |name: &str| Version { name: name.to_owned(), template: PodTemplateSpec::default() };
        let view = View { set, pods, current: &version("old"), update: &version("new") };
        let show = |step| match step {
            Step::Create(pod) => format!("+{} {}", pod.metadata.name, revision_of(&pod.metadata.labels)),
            Step::Delete(pod) => format!("-{}", pod.metadata.name),
            Step::Recreate(pod) => format!("!{}", pod.metadata.name),
            Step::Mend(pod) | Step::MendClaims(pod) => format!("~{}", pod.metadata.name),
        };
        decide(Time::from_secs(60), &view, |_| true).into_iter().map(show).collect()
    }

    fn rolling(partition: i32, unavailable: Value) -> Value {
        json!({"type": "RollingUpdate", "rollingUpdate": {"partition": partition, "maxUnavailable": unavailable}})
    }

    #[test]
    fn pods_come_and_go_one_by_one_or_all_at_once() {
        let ordered = set(3, "OrderedReady", rolling(0, json!(1)));
        assert_eq!(steps(&ordered, &[]), ["+web-0 new"]);
        assert_eq!(steps(&ordered, &[pod("web-0", "new", false)]), [""; 0]);
        assert_eq!(steps(&ordered, &[pod("web-0", "new", true)]), ["+web-1 new"]);
        assert_eq!(steps(&set(2, "Parallel", rolling(0, json!(1))), &[]), ["+web-0 new", "+web-1 new"]);
        let many: Vec<_> = (0..4).map(|n| pod(&format!("web-{n}"), "new", true)).collect();
        assert_eq!(steps(&set(1, "OrderedReady", rolling(0, json!(1))), &many), ["-web-3"]);
        assert_eq!(steps(&set(1, "Parallel", rolling(0, json!(1))), &many), ["-web-3", "-web-2", "-web-1"]);
    }

    #[test]
    fn what_is_unavailable_holds_a_scale_down_unless_it_goes_itself() {
        let two = set(1, "OrderedReady", rolling(0, json!(1)));
        assert_eq!(steps(&two, &[pod("web-0", "new", false), pod("web-1", "new", true)]), [""; 0]);
        assert_eq!(steps(&two, &[pod("web-0", "new", true), pod("web-1", "new", false), pod("web-2", "new", true)]), ["-web-2"]);
        assert_eq!(steps(&two, &[pod("web-0", "new", true), pod("web-1", "new", true), pod("web-2", "new", false)]), ["-web-2"]);
    }

    #[test]
    fn an_update_goes_from_the_last_to_the_partition() {
        let old: Vec<_> = (0..4).map(|n| pod(&format!("web-{n}"), "old", true)).collect();
        assert_eq!(steps(&set(4, "OrderedReady", rolling(0, json!(1))), &old), ["-web-3"]);
        assert_eq!(steps(&set(4, "OrderedReady", rolling(0, json!("50%"))), &old), ["-web-3", "-web-2"]);
        assert_eq!(steps(&set(4, "OrderedReady", rolling(3, json!("50%"))), &old), ["-web-3"]);
        assert_eq!(steps(&set(4, "OrderedReady", json!({"type": "OnDelete"})), &old), [""; 0]);
        // Below the partition Pods come back as they were.
        assert_eq!(steps(&set(4, "OrderedReady", rolling(2, json!(1))), &old[1..]), ["+web-0 old"]);
    }
}

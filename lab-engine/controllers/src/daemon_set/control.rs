//! One look at a DaemonSet: on which nodes Pods come and go (`daemon_controller.go`, `update.go`).

use crate::history::revision_of;
use crate::pods::{is_available, is_ready};
use crate::taints::{NO_EXECUTE, NO_SCHEDULE, NOT_READY, UNREACHABLE, UNSCHEDULABLE, untolerated};
use api::apps::{DaemonSet, DaemonSetStatus};
use api::core::{Affinity, Node, NodeAffinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, Pod, PodSpec, Toleration};
use api::intstr::IntOrString;
use api::node_affinity::matches_required;
use sim::Time;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Taints that a DaemonSet's Pods tolerate whatever their template says (`AddOrUpdateDaemonPodTolerations`).
const TOLERATED: [(&str, &str); 6] = [
    (NOT_READY, NO_EXECUTE),
    (UNREACHABLE, NO_EXECUTE),
    ("node.kubernetes.io/disk-pressure", NO_SCHEDULE),
    ("node.kubernetes.io/memory-pressure", NO_SCHEDULE),
    ("node.kubernetes.io/pid-pressure", NO_SCHEDULE),
    (UNSCHEDULABLE, NO_SCHEDULE),
];
const NETWORK_UNAVAILABLE: &str = "node.kubernetes.io/network-unavailable";

/// Adds the tolerations that every Pod of a DaemonSet has.
pub(crate) fn add_tolerations(spec: &mut PodSpec) {
    let network = (NETWORK_UNAVAILABLE, NO_SCHEDULE);
    let more = (spec.host_network == Some(true)).then_some(network);
    for (key, effect) in TOLERATED.into_iter().chain(more) {
        let wanted = Toleration { key: key.to_owned(), operator: "Exists".to_owned(), effect: effect.to_owned(), ..Toleration::default() };
        let same = |own: &&mut Toleration| own.key == key && own.effect == effect && own.operator == "Exists" && own.value.is_empty();
        match spec.tolerations.iter_mut().find(same) {
            Some(own) => *own = wanted,
            None => spec.tolerations.push(wanted),
        }
    }
}

/// Pins a Pod to a node, and leaves it to the scheduler to bind it (`ReplaceDaemonSetPodNodeNameNodeAffinity`).
pub(crate) fn pin(spec: &mut PodSpec, node: &str) {
    let requirement = NodeSelectorRequirement {
        key: "metadata.name".to_owned(),
        operator: "In".to_owned(),
        values: vec![node.to_owned()],
        ..NodeSelectorRequirement::default()
    };
    let term = NodeSelectorTerm { match_fields: vec![requirement], ..NodeSelectorTerm::default() };
    let affinity = spec.affinity.get_or_insert_with(Affinity::default);
    let affinity = affinity.node_affinity.get_or_insert_with(NodeAffinity::default);
    affinity.required.get_or_insert_with(NodeSelector::default).node_selector_terms = vec![term];
}

/// The node that a Pod is on or meant for (`GetTargetNodeName`).
pub(crate) fn target_node(pod: &Pod) -> Option<&str> {
    if !pod.spec.node_name.is_empty() {
        return Some(&pod.spec.node_name);
    }
    let required = pod.spec.affinity.as_ref()?.node_affinity.as_ref()?.required.as_ref()?;
    let mut fields = required.node_selector_terms.iter().flat_map(|term| &term.match_fields);
    let named = fields.find(|field| field.key == "metadata.name" && field.operator == "In" && field.values.len() == 1)?;
    named.values.first().map(String::as_str)
}

/// Whether a node should have a Pod of the set, and whether one that it has may stay (`NodeShouldRunDaemonPod`). Resources and ports are the
/// scheduler's concern.
pub fn node_should_run(node: &Node, set: &DaemonSet) -> (bool, bool) {
    let template = &set.spec.template.spec;
    if !template.node_name.is_empty() && template.node_name != node.metadata.name {
        return (false, false);
    }
    let mut pod = Pod { spec: template.clone(), ..Pod::default() };
    add_tolerations(&mut pod.spec);
    if !matches_required(&pod, node) {
        return (false, false);
    }
    let bars = |effects: &[&str]| untolerated(node, &pod.spec.tolerations, effects);
    if bars(&[NO_SCHEDULE, NO_EXECUTE]) { (false, !bars(&[NO_EXECUTE])) } else { (true, true) }
}

/// A DaemonSet as its controller sees it.
pub(crate) struct View<'a> {
    pub(crate) set: &'a DaemonSet,
    pub(crate) nodes: &'a [Arc<Node>],
    /// Its Pods by the node that they are on or meant for, the oldest first.
    pub(crate) pods: BTreeMap<String, Vec<Arc<Pod>>>,
    /// The hash of the present version.
    pub(crate) hash: &'a str,
}

/// Groups Pods by node, those with a node first, then the oldest (`podByCreationTimestampAndPhase`).
pub(crate) fn by_node(pods: impl Iterator<Item = Arc<Pod>>) -> BTreeMap<String, Vec<Arc<Pod>>> {
    let mut groups: BTreeMap<String, Vec<Arc<Pod>>> = BTreeMap::new();
    for pod in pods {
        if let Some(node) = target_node(&pod) {
            groups.entry(node.to_owned()).or_default().push(pod);
        }
    }
    for group in groups.values_mut() {
        group.sort_by_cached_key(|pod| (pod.spec.node_name.is_empty(), pod.metadata.creation_timestamp, pod.metadata.name.clone()));
    }
    groups
}

/// The new and the old Pod of a node.
type Pair<'p> = (Option<&'p Arc<Pod>>, Option<&'p Arc<Pod>>);

/// What should happen.
#[derive(Debug, Default)]
pub(crate) struct Decision {
    /// Nodes that get a Pod.
    pub(crate) create: Vec<String>,
    /// Pods that go.
    pub(crate) delete: Vec<Arc<Pod>>,
    /// Pods among them that have ended.
    pub(crate) ended: Vec<Arc<Pod>>,
}

impl View<'_> {
    fn bound(&self, of: impl Fn(&api::apps::RollingUpdateDaemonSet) -> Option<&IntOrString>, desired: i32) -> i32 {
        let strategy = &self.set.spec.update_strategy;
        let bounds = strategy.rolling_update.as_ref().filter(|_| strategy.type_ == "RollingUpdate");
        bounds.and_then(of).map_or(0, |bound| bound.scaled(desired, true).unwrap_or(0))
    }

    fn is_new(&self, pod: &Pod) -> bool {
        revision_of(&pod.metadata.labels) == self.hash
    }

    fn is_available(&self, now: Time, pod: &Pod) -> bool {
        is_available(pod, self.set.spec.min_ready_seconds.unwrap_or(0), now)
    }

    /// Brings every node its Pod, and takes away what is too much (`manage`). `may_fail` says whether a Pod that failed may be replaced yet.
    pub(crate) fn manage(&self, now: Time, mut may_fail: impl FnMut(&Pod) -> bool) -> Decision {
        let mut decision = Decision::default();
        let surges = self.bound(|bounds| bounds.max_surge.as_ref(), 100) > 0;
        for node in self.nodes {
            let (should_run, may_stay) = node_should_run(node, self.set);
            let Some(pods) = self.pods.get(&node.metadata.name) else {
                if should_run {
                    decision.create.push(node.metadata.name.clone());
                }
                continue;
            };
            let live = pods.iter().filter(|pod| !pod.metadata.is_deleting());
            if !may_stay {
                decision.delete.extend(live.cloned());
                continue;
            }
            let mut running = Vec::new();
            for pod in live {
                match pod.status.phase.as_str() {
                    "Failed" if !may_fail(pod) => {}
                    "Failed" | "Succeeded" => {
                        decision.delete.push(pod.clone());
                        decision.ended.push(pod.clone());
                    }
                    _ => running.push(pod),
                }
            }
            if surges {
                self.prune_surged(now, &running, &mut decision);
            } else {
                decision.delete.extend(running.into_iter().skip(1).cloned());
            }
        }
        // A Pod that waits for a node that is gone waits in vain.
        let names: BTreeSet<&String> = self.nodes.iter().map(|node| &node.metadata.name).collect();
        let stranded = self.pods.iter().filter(|(node, _)| !names.contains(node)).flat_map(|(_, pods)| pods);
        decision.delete.extend(stranded.filter(|pod| pod.spec.node_name.is_empty() && !pod.metadata.is_deleting()).cloned());
        decision
    }

    /// Of several Pods on a node an old and a new one may stay until the new one is available.
    fn prune_surged(&self, now: Time, running: &[&Arc<Pod>], decision: &mut Decision) {
        let (mut new, mut old): (Option<&Arc<Pod>>, Option<&Arc<Pod>>) = (None, None);
        for pod in running {
            let place = if self.is_new(pod) { &mut new } else { &mut old };
            match place {
                None => *place = Some(pod),
                Some(_) => decision.delete.push((*pod).clone()),
            }
        }
        if let (Some(new), Some(old)) = (new, old)
            && (!is_ready(old) || self.is_available(now, new))
        {
            decision.delete.push(old.clone());
        }
    }

    /// The next step of a rolling update (`rollingUpdate`).
    pub(crate) fn rolling_update(&self, now: Time) -> Decision {
        let desired = self.nodes.iter().filter(|node| node_should_run(node, self.set).0).count();
        let desired = i32::try_from(desired).unwrap_or(i32::MAX);
        let surge = self.bound(|bounds| bounds.max_surge.as_ref(), desired);
        let unavailable = self.bound(|bounds| bounds.max_unavailable.as_ref(), desired);
        if surge == 0 { self.replace(now, unavailable.max(1)) } else { self.surge(now, surge) }
    }

    /// The new and the old Pod of a node; `None` when there are several of one sort (`findUpdatedPodsOnNode`).
    fn pair<'p>(&self, pods: &'p [Arc<Pod>]) -> Option<Pair<'p>> {
        let (new, old): (Vec<_>, Vec<_>) = pods.iter().filter(|pod| !pod.metadata.is_deleting()).partition(|pod| self.is_new(pod));
        (new.len() <= 1 && old.len() <= 1).then(|| (new.first().copied(), old.first().copied()))
    }

    /// Deletes old Pods, so many that no more than `allowed` nodes are without an available one.
    fn replace(&self, now: Time, allowed: i32) -> Decision {
        let (mut unavailable, mut replaced, mut candidates) = (0, Vec::new(), Vec::new());
        for pods in self.pods.values() {
            match self.pair(pods) {
                Some((Some(new), None)) => unavailable += i32::from(!self.is_available(now, new)),
                Some((None, Some(old))) if !self.is_available(now, old) => replaced.push(old.clone()),
                Some((None, Some(old))) => candidates.push(old.clone()),
                _ => unavailable += 1,
            }
        }
        let may_go = usize::try_from(allowed - unavailable).unwrap_or(0);
        replaced.extend(candidates.into_iter().take(may_go));
        Decision { delete: replaced, ..Decision::default() }
    }

    /// Creates new Pods beside old ones, so many that no more than `allowed` nodes have both, and deletes old ones whose new is available.
    fn surge(&self, now: Time, allowed: i32) -> Decision {
        let (mut surging, mut decision, mut candidates) = (0, Decision::default(), Vec::new());
        for (node, pods) in &self.pods {
            match self.pair(pods) {
                None => surging += 1,
                Some((_, None)) => {}
                Some((None, Some(old))) if !self.is_available(now, old) => decision.create.push(node.clone()),
                Some((None, Some(_))) => candidates.push(node.clone()),
                Some((Some(new), Some(_))) if !self.is_available(now, new) => surging += 1,
                Some((Some(_), Some(old))) => decision.delete.push(old.clone()),
            }
        }
        let may_come = usize::try_from(allowed - surging).unwrap_or(0);
        decision.create.extend(candidates.into_iter().take(may_come));
        decision
    }

    /// What the set's status should be (`updateDaemonSetStatus`).
    pub(crate) fn status(&self, now: Time) -> DaemonSetStatus {
        let mut status = DaemonSetStatus {
            observed_generation: self.set.metadata.generation,
            collision_count: self.set.status.collision_count,
            conditions: self.set.status.conditions.clone(),
            rest: self.set.status.rest.clone(),
            ..DaemonSetStatus::default()
        };
        let (mut updated, mut available) = (0, 0);
        for node in self.nodes {
            let pod = self.pods.get(&node.metadata.name).and_then(|pods| pods.first());
            if !node_should_run(node, self.set).0 {
                status.number_misscheduled += i32::from(pod.is_some());
                continue;
            }
            status.desired_number_scheduled += 1;
            let Some(pod) = pod else { continue };
            status.current_number_scheduled += 1;
            status.number_ready += i32::from(is_ready(pod));
            available += i32::from(self.is_available(now, pod));
            updated += i32::from(self.is_new(pod));
        }
        let shown = |count: i32| (count != 0).then_some(count);
        status.updated_number_scheduled = shown(updated);
        status.number_available = shown(available);
        status.number_unavailable = shown(status.desired_number_scheduled - available);
        status
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::json::decode;
    use serde_json::{Value, json};

    fn set(bounds: Value) -> DaemonSet {
        decode(json!({"metadata": {"name": "log", "namespace": "default"},
            "spec": {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": bounds}, "template": {"spec": {}}}}))
        .unwrap()
    }

    fn nodes(count: usize) -> Vec<Arc<Node>> {
        (1..=count).map(|n| Arc::new(decode(json!({"metadata": {"name": format!("n{n}")}})).unwrap())).collect()
    }

    fn pod(node: &str, hash: &str, ready: bool) -> Arc<Pod> {
        let ready = if ready { "True" } else { "False" };
        Arc::new(
            decode(json!({"metadata": {"name": format!("{node}-{hash}"), "labels": {"controller-revision-hash": hash}},
                "spec": {"nodeName": node},
                "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": ready, "lastTransitionTime": "2026-05-04T08:00:00Z"}]}}))
            .unwrap(),
        )
    }

    fn names(pods: &[Arc<Pod>]) -> Vec<&str> {
        pods.iter().map(|pod| pod.metadata.name.as_str()).collect()
    }

    #[test]
    fn every_node_that_suits_gets_one_and_keeps_one() {
        let (set, nodes) = (set(json!({"maxUnavailable": 1})), nodes(3));
        let pods = [pod("n1", "new", true), pod("n1", "old", true), pod("n9", "new", true)];
        let view = View { set: &set, nodes: &nodes, pods: by_node(pods.into_iter()), hash: "new" };
        let decision = view.manage(Time::ZERO, |_| true);
        assert_eq!((decision.create, names(&decision.delete)), (vec!["n2".to_owned(), "n3".to_owned()], vec!["n1-old"]));
        let status = view.status(Time::ZERO);
        assert_eq!((status.desired_number_scheduled, status.current_number_scheduled, status.number_unavailable), (3, 1, Some(2)));
    }

    #[test]
    fn an_update_replaces_what_may_be_missing_and_what_is_broken_anyway() {
        let nodes = nodes(4);
        let replaced = |bounds, pods: &[Arc<Pod>]| {
            let set = set(bounds);
            let view = View { set: &set, nodes: &nodes, pods: by_node(pods.iter().cloned()), hash: "new" };
            let decision = view.rolling_update(Time::ZERO);
            (decision.create.join(" "), names(&decision.delete).join(" "))
        };
        let old = |broken: &str| ["n1", "n2", "n3", "n4"].map(|node| pod(node, "old", node != broken));
        let none = String::new;
        assert_eq!(replaced(json!({"maxUnavailable": 1}), &old("")), (none(), "n1-old".to_owned()));
        assert_eq!(replaced(json!({"maxUnavailable": "50%"}), &old("")), (none(), "n1-old n2-old".to_owned()));
        assert_eq!(replaced(json!({"maxUnavailable": 1}), &old("n3")), (none(), "n3-old n1-old".to_owned()));
        let mut half = old("").to_vec();
        half[0] = pod("n1", "new", false);
        assert_eq!(replaced(json!({"maxUnavailable": 1}), &half), (none(), none()));
        assert_eq!(replaced(json!({"maxSurge": 2, "maxUnavailable": 0}), &old("")), ("n1 n2".to_owned(), none()));
        half.push(pod("n2", "new", true));
        assert_eq!(replaced(json!({"maxSurge": 1, "maxUnavailable": 0}), &half), ("n3".to_owned(), "n2-old".to_owned()));
    }

    #[test]
    fn taints_keep_pods_away_or_drive_them_out() {
        let on = |taints: Value| {
            let node: Node = decode(json!({"metadata": {"name": "n"}, "spec": {"taints": taints}})).unwrap();
            node_should_run(&node, &set(json!({})))
        };
        assert_eq!(on(json!([{"key": UNSCHEDULABLE, "effect": "NoSchedule"}, {"key": NOT_READY, "effect": "NoExecute"}])), (true, true));
        assert_eq!(on(json!([{"key": "gpu", "effect": "NoSchedule"}])), (false, true));
        assert_eq!(on(json!([{"key": "gpu", "effect": "NoExecute"}])), (false, false));
    }
}

//! `InterPodAffinity`: near some Pods, far from others (`plugins/interpodaffinity`).
//!
//! Both sides have a say: the Pod's own terms about the Pods that are there, and the terms of those about the Pod. Terms are counted once
//! per cycle, by topology key and value; each node then only looks up its own values.

use crate::args::ArgsReader;
use crate::framework::{
    ClusterEvent, CycleState, Filter, Handle, MAX_NODE_SCORE, NodeScore, Plugin, PreFilter, PreFilterResult, PreScoreResult, QueueingHint,
    Score, Status, node_of, own_update,
};
use crate::node_info::NodeInfo;
use crate::pod_info::{AffinityTerm, PodInfo, namespace_of};
use api::meta::StringMap;
use api::status::FieldError;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The plugin.
#[derive(Debug)]
pub(crate) struct InterPodAffinity {
    /// How much a required affinity of a Pod that is there counts for the score (`hardPodAffinityWeight`).
    hard_weight: i64,
    /// Whether the preferences of Pods that are there do not count for a Pod that has none itself.
    ignores_preferences_of_others: bool,
}

impl Default for InterPodAffinity {
    fn default() -> Self {
        InterPodAffinity { hard_weight: 1, ignores_preferences_of_others: false }
    }
}

impl InterPodAffinity {
    /// The plugin with these arguments (`InterPodAffinityArgs`).
    pub(crate) fn new(args: &Value) -> Result<Self, Vec<FieldError>> {
        let mut reader = ArgsReader::new(args, &["hardPodAffinityWeight", "ignorePreferredTermsOfExistingPods"]);
        let hard_weight = reader.number("hardPodAffinityWeight", 1, 0..=100);
        let ignores_preferences_of_others = reader.truth("ignorePreferredTermsOfExistingPods");
        reader.finish(InterPodAffinity { hard_weight, ignores_preferences_of_others })
    }
}

/// Numbers by topology key and value.
#[derive(Clone, Debug, Default)]
struct Topologies(BTreeMap<String, BTreeMap<String, i64>>);

impl Topologies {
    /// Adds to the topology of a node; to none when it lacks the label.
    fn add(&mut self, key: &str, node: &NodeInfo, amount: i64) {
        let Some(value) = node.label(key) else { return };
        // Keys are only made for what is new.
        if !self.0.contains_key(key) {
            self.0.insert(key.to_owned(), BTreeMap::new());
        }
        let Some(values) = self.0.get_mut(key) else { return };
        let Some(number) = values.get_mut(value) else {
            if amount != 0 {
                values.insert(value.to_owned(), amount);
            }
            return;
        };
        *number += amount;
        if *number == 0 {
            values.remove(value);
            if values.is_empty() {
                self.0.remove(key);
            }
        }
    }

    /// The number of the node's topology.
    fn of(&self, key: &str, node: &NodeInfo) -> i64 {
        node.label(key).and_then(|value| self.0.get(key)?.get(value)).copied().unwrap_or(0)
    }
}

/// What the filter remembers of the Pods that are there (`preFilterState`).
#[derive(Clone, Debug, Default)]
struct Counts {
    /// Pods that do not want the Pod near them.
    existing_anti: Topologies,
    /// Pods that the Pod must be near.
    affinity: Topologies,
    /// Pods that the Pod must be far from.
    anti: Topologies,
}

impl Counts {
    /// Counts a Pod that is there, or with -1 no longer.
    fn count(&mut self, pod: &PodInfo, other: &PodInfo, node: &NodeInfo, handle: &Handle<'_>, amount: i64) {
        let own_labels = handle.listers.namespace_labels(namespace_of(&pod.pod));
        for term in other.required_anti_affinity.iter().filter(|term| term.matches(&pod.pod, own_labels)) {
            self.existing_anti.add(&term.topology_key, node, amount);
        }
        if pod.required_affinity.is_empty() && pod.required_anti_affinity.is_empty() {
            return;
        }
        let labels = labels_of_namespace(pod, other, own_labels, handle);
        if !pod.required_affinity.is_empty() && pod.required_affinity.iter().all(|term| term.matches(&other.pod, labels)) {
            for term in &pod.required_affinity {
                self.affinity.add(&term.topology_key, node, amount);
            }
        }
        for term in pod.required_anti_affinity.iter().filter(|term| term.matches(&other.pod, labels)) {
            self.anti.add(&term.topology_key, node, amount);
        }
    }
}

/// The labels of the other Pod's namespace, which mostly is that of the Pod.
fn labels_of_namespace<'a>(pod: &PodInfo, other: &PodInfo, own: &'a StringMap, handle: &Handle<'a>) -> &'a StringMap {
    let namespace = namespace_of(&other.pod);
    if namespace == namespace_of(&pod.pod) { own } else { handle.listers.namespace_labels(namespace) }
}

/// The scores by topology (`preScoreState`).
#[derive(Clone, Debug)]
struct Scores(Topologies);

impl Plugin for InterPodAffinity {
    fn name(&self) -> &'static str {
        "InterPodAffinity"
    }

    fn queueing_hint(&self, pod: &PodInfo, event: &ClusterEvent<'_>) -> QueueingHint {
        let helps = match event {
            ClusterEvent::AssignedPodAdd(_) => !pod.required_affinity.is_empty(),
            ClusterEvent::AssignedPodUpdate(old, new) => old.pod.metadata.labels != new.pod.metadata.labels,
            ClusterEvent::AssignedPodDelete(gone) => !pod.required_anti_affinity.is_empty() || !gone.required_anti_affinity.is_empty(),
            ClusterEvent::NamespaceChange => pod.has_affinity(),
            other => node_of(other).is_some() || own_update(other, |old, new| old.metadata.labels != new.metadata.labels),
        };
        helps.into()
    }

    fn as_pre_filter(&self) -> Option<&dyn PreFilter> {
        Some(self)
    }

    fn as_filter(&self) -> Option<&dyn Filter> {
        Some(self)
    }

    fn as_score(&self) -> Option<&dyn Score> {
        Some(self)
    }
}

impl PreFilter for InterPodAffinity {
    fn pre_filter(&self, state: &mut CycleState, pod: &PodInfo, handle: &Handle<'_>) -> Result<PreFilterResult, Status> {
        if let Some(error) = &pod.affinity_error {
            return Err(Status::unresolvable(format!("parsing pod: {error}")));
        }
        let mut counts = Counts::default();
        let wishless = pod.required_affinity.is_empty() && pod.required_anti_affinity.is_empty();
        if wishless {
            // Without wishes of its own only the wishes of others matter.
            for node in handle.nodes.with_required_anti_affinity() {
                for other in &node.pods_with_required_anti_affinity {
                    counts.count(pod, other, node, handle, 1);
                }
            }
        } else {
            for node in handle.nodes.iter() {
                for other in &node.pods {
                    counts.count(pod, other, node, handle, 1);
                }
            }
        }
        if wishless && counts.existing_anti.0.is_empty() {
            return Ok(PreFilterResult::Skip);
        }
        state.write(counts);
        Ok(PreFilterResult::AllNodes)
    }

    fn add_pod(&self, state: &mut CycleState, pod: &PodInfo, added: &PodInfo, node: &NodeInfo, handle: &Handle<'_>) {
        if let Some(counts) = state.read_mut::<Counts>() {
            counts.count(pod, added, node, handle, 1);
        }
    }

    fn remove_pod(&self, state: &mut CycleState, pod: &PodInfo, removed: &PodInfo, node: &NodeInfo, handle: &Handle<'_>) {
        if let Some(counts) = state.read_mut::<Counts>() {
            counts.count(pod, removed, node, handle, -1);
        }
    }
}

impl Filter for InterPodAffinity {
    fn filter(&self, state: &CycleState, pod: &PodInfo, node: &NodeInfo, handle: &Handle<'_>) -> Result<(), Status> {
        let Some(counts) = state.read::<Counts>() else { return Ok(()) };
        if !is_near(counts, pod, node, handle) {
            return Err(Status::unresolvable("node(s) didn't match pod affinity rules"));
        }
        if pod.required_anti_affinity.iter().any(|term| counts.anti.of(&term.topology_key, node) > 0) {
            return Err(Status::unschedulable("node(s) didn't match pod anti-affinity rules"));
        }
        if counts.existing_anti.0.keys().any(|key| counts.existing_anti.of(key, node) > 0) {
            return Err(Status::unschedulable("node(s) didn't satisfy existing pods anti-affinity rules"));
        }
        Ok(())
    }
}

/// Whether the Pods that the Pod must be near are there (`satisfyPodAffinity`). The first of a group of Pods that want to be near each
/// other may go anywhere.
fn is_near(counts: &Counts, pod: &PodInfo, node: &NodeInfo, handle: &Handle<'_>) -> bool {
    let terms = &pod.required_affinity;
    if terms.iter().any(|term| node.label(&term.topology_key).is_none()) {
        return false;
    }
    let matches_itself = |term: &AffinityTerm| term.matches(&pod.pod, handle.listers.namespace_labels(namespace_of(&pod.pod)));
    terms.iter().all(|term| counts.affinity.of(&term.topology_key, node) > 0)
        || (counts.affinity.0.is_empty() && terms.iter().all(matches_itself))
}

impl InterPodAffinity {
    /// Counts what the Pod thinks of another, and the other of it (`processExistingPod`); with -1 no longer.
    #[expect(clippy::too_many_arguments, reason = "two Pods, where they are, and what is counted")]
    fn count<'a>(
        &self,
        pod: &PodInfo,
        other: &PodInfo,
        node: &NodeInfo,
        own_labels: &'a StringMap,
        handle: &Handle<'a>,
        scores: &mut Topologies,
        amount: i64,
    ) {
        if !(pod.preferred_affinity.is_empty() && pod.preferred_anti_affinity.is_empty()) {
            let labels = labels_of_namespace(pod, other, own_labels, handle);
            for (terms, sign) in [(&pod.preferred_affinity, 1), (&pod.preferred_anti_affinity, -1)] {
                for wish in terms.iter().filter(|wish| wish.term.matches(&other.pod, labels)) {
                    scores.add(&wish.term.topology_key, node, amount * sign * wish.weight);
                }
            }
        }
        if self.hard_weight > 0 {
            for term in other.required_affinity.iter().filter(|term| term.matches(&pod.pod, own_labels)) {
                scores.add(&term.topology_key, node, amount * self.hard_weight);
            }
        }
        for (terms, sign) in [(&other.preferred_affinity, 1), (&other.preferred_anti_affinity, -1)] {
            for wish in terms.iter().filter(|wish| wish.term.matches(&pod.pod, own_labels)) {
                scores.add(&wish.term.topology_key, node, amount * sign * wish.weight);
            }
        }
    }
}

impl Score for InterPodAffinity {
    fn pre_score(&self, state: &mut CycleState, pod: &PodInfo, _nodes: &[&NodeInfo], handle: &Handle<'_>) -> PreScoreResult {
        let wishless = pod.preferred_affinity.is_empty() && pod.preferred_anti_affinity.is_empty();
        let own_labels = handle.listers.namespace_labels(namespace_of(&pod.pod));
        if wishless && self.ignores_preferences_of_others {
            return PreScoreResult::Skip;
        }
        // A Pod that was alike has counted already.
        if state.read::<Scores>().is_none() {
            let mut scores = Topologies::default();
            let mut look = |node: &NodeInfo, others: &[Arc<PodInfo>]| {
                for other in others {
                    self.count(pod, other, node, own_labels, handle, &mut scores, 1);
                }
            };
            if wishless {
                handle.nodes.with_affinity().for_each(|node| look(node, &node.pods_with_affinity));
            } else {
                handle.nodes.iter().for_each(|node| look(node, &node.pods));
            }
            state.write(Scores(scores));
        }
        if state.read::<Scores>().is_none_or(|Scores(scores)| scores.0.is_empty()) {
            return PreScoreResult::Skip;
        }
        PreScoreResult::Score
    }

    fn update(&self, state: &mut CycleState, pod: &PodInfo, other: &PodInfo, node: &NodeInfo, handle: &Handle<'_>, amount: i64) {
        let own_labels = handle.listers.namespace_labels(namespace_of(&pod.pod));
        if let Some(Scores(scores)) = state.read_mut::<Scores>() {
            self.count(pod, other, node, own_labels, handle, scores, amount);
        }
    }

    fn score(&self, state: &CycleState, _pod: &PodInfo, node: &NodeInfo, _handle: &Handle<'_>) -> i64 {
        state.read::<Scores>().map_or(0, |Scores(scores)| scores.0.keys().map(|key| scores.of(key, node)).sum())
    }

    fn normalize(&self, _state: &CycleState, scores: &mut [NodeScore<'_>]) {
        let all = || scores.iter().map(|score| score.score);
        let (Some(min), Some(max)) = (all().min(), all().max()) else { return };
        for score in scores {
            score.score = if max == min { 0 } else { MAX_NODE_SCORE * (score.score - min) / (max - min) };
        }
    }
}

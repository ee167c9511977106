//! `PodTopologySpread`: Pods spread evenly over zones, hosts and other domains (`plugins/podtopologyspread`).
//!
//! Pods without constraints of their own that belong to a Service or a controller get the system's: hosts with a skew of 3, zones with
//! one of 5, both only preferred.

use super::node_affinity::matches_required;
use super::taint_toleration::untolerated;
use crate::args::ArgsReader;
use crate::framework::{
    ClusterEvent, CycleState, Filter, Handle, MAX_NODE_SCORE, NodeScore, Plugin, PreFilter, PreFilterResult, PreScoreResult, QueueingHint,
    Score, Status, node_of, own_update,
};
use crate::node_info::{Alike, NodeInfo};
use crate::pod_info::{PodInfo, add_label_keys, namespace_of, selector_or_nothing};
use api::core::{Pod, TopologySpreadConstraint};
use api::labels::{Operator, Selector};
use api::status::FieldError;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The plugin.
#[derive(Debug, Default)]
pub(crate) struct PodTopologySpread {
    /// The constraints of Pods without their own; `None` for the system's.
    defaults: Option<Vec<TopologySpreadConstraint>>,
}

const HOSTNAME: &str = "kubernetes.io/hostname";
/// Key and skew of the constraints of Pods without their own (`systemDefaultConstraints`).
const SYSTEM_DEFAULTS: [(&str, i64); 2] = [(HOSTNAME, 3), ("topology.kubernetes.io/zone", 5)];

impl PodTopologySpread {
    /// The plugin with these arguments (`PodTopologySpreadArgs`).
    pub(crate) fn new(args: &Value) -> Result<Self, Vec<FieldError>> {
        let mut reader = ArgsReader::new(args, &["defaultConstraints", "defaultingType"]);
        let constraints: Vec<TopologySpreadConstraint> = reader.part("defaultConstraints");
        for (index, constraint) in constraints.iter().enumerate() {
            let at = |field: &str| format!("defaultConstraints[{index}].{field}");
            if constraint.max_skew <= 0 {
                reader.wrong(FieldError::invalid_number(at("maxSkew"), constraint.max_skew.into(), "not in valid range (0, inf)"));
            }
            if constraint.topology_key.is_empty() {
                reader.wrong(FieldError::required(at("topologyKey"), "can not be empty"));
            }
            if !matches!(constraint.when_unsatisfiable.as_str(), "DoNotSchedule" | "ScheduleAnyway") {
                let known = ["DoNotSchedule", "ScheduleAnyway"];
                reader.wrong(FieldError::not_supported(at("whenUnsatisfiable"), &constraint.when_unsatisfiable, &known));
            }
            if constraint.label_selector.is_some() {
                let detail = "constraint must not define a selector, as they deduced for each pod";
                reader.wrong(FieldError::forbidden(at("labelSelector"), detail));
            }
        }
        // A list that is given without a type is meant.
        let default_type = if constraints.is_empty() { "System" } else { "List" };
        let defaults = match reader.value("defaultingType").as_str().unwrap_or(default_type) {
            "System" if constraints.is_empty() => None,
            "System" => {
                reader.wrong(FieldError::invalid("defaultingType", "System", "when .defaultConstraints are not empty"));
                None
            }
            "List" => Some(constraints),
            other => {
                reader.wrong(FieldError::not_supported("defaultingType", other, &["System", "List"]));
                None
            }
        };
        reader.finish(PodTopologySpread { defaults })
    }

    /// The constraints of this kind that count for the Pod: its own, or the list's with what the Pod's owners select.
    fn constraints(&self, pod: &Pod, kind: &str, handle: &Handle<'_>) -> Vec<Constraint> {
        if !pod.spec.topology_spread_constraints.is_empty() {
            return own_constraints(pod, kind);
        }
        let wanted = |constraint: &&TopologySpreadConstraint| constraint.when_unsatisfiable == kind;
        let mut defaults = self.defaults.iter().flatten().filter(wanted).peekable();
        let Some(selector) = defaults.peek().and_then(|_| handle.listers.default_selector(pod)) else { return Vec::new() };
        defaults.map(|constraint| Constraint { selector: selector.clone(), ..Constraint::new(pod, constraint) }).collect()
    }
}

/// A constraint, ready to compare with.
#[derive(Clone, Debug)]
struct Constraint {
    max_skew: i64,
    key: String,
    selector: Selector,
    min_domains: usize,
    honors_affinity: bool,
    honors_taints: bool,
}

impl Constraint {
    fn new(pod: &Pod, constraint: &TopologySpreadConstraint) -> Self {
        let mut selector = selector_or_nothing(Selector::from_label_selector(constraint.label_selector.as_ref()));
        add_label_keys(&mut selector, constraint.match_label_keys.iter().map(String::as_str), Operator::In, &pod.metadata.labels);
        Constraint {
            max_skew: i64::from(constraint.max_skew),
            key: constraint.topology_key.clone(),
            selector,
            min_domains: constraint.min_domains.and_then(|count| usize::try_from(count).ok()).unwrap_or(1),
            honors_affinity: constraint.node_affinity_policy.as_deref() != Some("Ignore"),
            honors_taints: constraint.node_taints_policy.as_deref() == Some("Honor"),
        }
    }

    /// Whether the node's Pods count (`matchNodeInclusionPolicies`).
    fn includes(&self, pod: &Pod, node: &NodeInfo) -> bool {
        (!self.honors_affinity || matches_required(pod, &node.node))
            && (!self.honors_taints || untolerated(&node.node.spec.taints, &pod.spec.tolerations).is_none())
    }

    /// How many of the node's Pods are meant (`countPodsMatchSelector`).
    fn count(&self, pod: &Pod, node: &NodeInfo) -> i64 {
        let meant = |alike: &&Alike| {
            let other = &alike.pod.pod;
            !other.metadata.is_deleting() && namespace_of(other) == namespace_of(pod) && self.selector.matches(&other.metadata.labels)
        };
        node.alike.iter().filter(meant).map(|alike| alike.count).sum()
    }
}

fn own_constraints(pod: &Pod, kind: &str) -> Vec<Constraint> {
    let constraints = pod.spec.topology_spread_constraints.iter().filter(|constraint| constraint.when_unsatisfiable == kind);
    constraints.map(|constraint| Constraint::new(pod, constraint)).collect()
}

/// The domains of one constraint, numbered, so that a cycle that looks at hundreds of nodes compares no labels. The numbers hold until a
/// node changes.
#[derive(Clone, Debug)]
struct Domains {
    /// The domain of each node, by its place; `None` for those without the label.
    of: Arc<[Option<usize>]>,
    /// How many there are.
    count: usize,
}

impl Domains {
    /// Numbers the values of the label; with `hosts` each node that has it is a domain of its own, whatever the value.
    fn new(key: &str, hosts: bool, handle: &Handle<'_>) -> Self {
        let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
        let mut of = vec![None; handle.nodes.len()];
        for node in handle.nodes.iter() {
            let next = numbers.len();
            let number = |value| if hosts { node.place } else { *numbers.entry(value).or_insert(next) };
            of[node.place] = node.label(key).map(number);
        }
        let count = if hosts { of.len() } else { numbers.len() };
        Domains { of: of.into(), count }
    }

    fn of(&self, node: &NodeInfo) -> Option<usize> {
        self.of.get(node.place).copied().flatten()
    }

    /// In how many domains these nodes are. Those without the label are one of their own.
    fn among<'n>(&self, nodes: impl Iterator<Item = &'n NodeInfo>) -> usize {
        let (mut seen, mut without, mut count) = (vec![false; self.count], false, 0);
        for node in nodes {
            let seen = self.of(node).map_or(&mut without, |domain| &mut seen[domain]);
            count += usize::from(!std::mem::replace(seen, true));
        }
        count
    }
}

/// What the filter remembers (`preFilterState`).
#[derive(Clone, Debug)]
struct Hard {
    constraints: Vec<HardConstraint>,
}

#[derive(Clone, Debug)]
struct HardConstraint {
    constraint: Constraint,
    domains: Domains,
    /// The Pods of each domain; `None` for those none of whose nodes count.
    pods: Vec<Option<i64>>,
    /// Whether the Pod itself would count (`selfMatchNum`).
    itself: i64,
    /// The fewest Pods in a domain; 0 when there are too few domains (`minMatchNum`).
    fewest: i64,
}

impl HardConstraint {
    fn new(constraint: Constraint, pod: &Pod, handle: &Handle<'_>) -> Self {
        let domains = Domains::new(&constraint.key, false, handle);
        let itself = i64::from(constraint.selector.matches(&pod.metadata.labels));
        HardConstraint { pods: vec![None; domains.count], constraint, domains, itself, fewest: 0 }
    }

    fn add(&mut self, pod: &Pod, node: &NodeInfo, amount: i64) {
        if let Some(domain) = self.domains.of(node)
            && self.constraint.includes(pod, node)
        {
            *self.pods[domain].get_or_insert(0) += amount;
        }
    }

    fn find_fewest(&mut self) {
        let counted = self.pods.iter().flatten();
        let enough = counted.clone().count() >= self.constraint.min_domains;
        self.fewest = if enough { counted.min().copied().unwrap_or(0) } else { 0 };
    }
}

impl Hard {
    fn new(constraints: Vec<Constraint>, pod: &Pod, handle: &Handle<'_>) -> Self {
        let constraints = constraints.into_iter().map(|constraint| HardConstraint::new(constraint, pod, handle)).collect();
        let mut hard = Hard { constraints };
        for node in handle.nodes.iter().filter(|node| hard.has_all_keys(node)).collect::<Vec<_>>() {
            for constraint in &mut hard.constraints {
                constraint.add(pod, node, constraint.constraint.count(pod, node));
            }
        }
        hard.constraints.iter_mut().for_each(HardConstraint::find_fewest);
        hard
    }

    fn has_all_keys(&self, node: &NodeInfo) -> bool {
        self.constraints.iter().all(|constraint| constraint.domains.of(node).is_some())
    }

    fn count(&mut self, pod: &Pod, other: &PodInfo, node: &NodeInfo, amount: i64) {
        // Pods that are going do not count, neither before nor after.
        let counts = namespace_of(pod) == namespace_of(&other.pod) && !other.pod.metadata.is_deleting();
        if !counts || !self.has_all_keys(node) {
            return;
        }
        for constraint in &mut self.constraints {
            if constraint.constraint.selector.matches(&other.pod.metadata.labels) {
                constraint.add(pod, node, amount);
                constraint.find_fewest();
            }
        }
    }
}

/// What the scoring of one Pod remembers (`preScoreState`).
#[derive(Clone, Debug)]
struct Soft {
    /// How much each constraint weighs: more, the more domains there are.
    weights: Vec<f64>,
    ignored: BTreeSet<Arc<str>>,
}

/// The Pods of all domains that the preferred constraints know of, whichever nodes the Pod fits. It holds for Pods that are alike.
#[derive(Clone, Debug)]
struct SoftCounts {
    all_keys: bool,
    constraints: Vec<SoftConstraint>,
}

#[derive(Clone, Debug)]
struct SoftConstraint {
    constraint: Constraint,
    /// Whether each host is a domain, whatever its label says.
    hosts: bool,
    domains: Domains,
    /// The Pods of each domain.
    pods: Vec<i64>,
}

impl SoftConstraint {
    fn new(constraint: Constraint, handle: &Handle<'_>) -> Self {
        let hosts = constraint.key == HOSTNAME;
        let domains = Domains::new(&constraint.key, hosts, handle);
        SoftConstraint { pods: vec![0; domains.count], constraint, hosts, domains }
    }
}

impl SoftCounts {
    fn new(constraints: Vec<Constraint>, all_keys: bool, pod: &Pod, handle: &Handle<'_>) -> Self {
        let constraints = constraints.into_iter().map(|constraint| SoftConstraint::new(constraint, handle)).collect();
        let mut counts = SoftCounts { all_keys, constraints };
        for node in handle.nodes.iter().filter(|node| !node.pods.is_empty()) {
            counts.add(pod, node, |constraint| constraint.count(pod, node));
        }
        counts
    }

    /// Whether the node takes no part: it lacks a label that it must have.
    fn ignores(&self, node: &NodeInfo) -> bool {
        self.all_keys && self.constraints.iter().any(|constraint| constraint.domains.of(node).is_none())
    }

    /// Counts on one node what `amount` says for each constraint. A host knows all of its own Pods; another domain has those of the nodes
    /// that take part.
    fn add(&mut self, pod: &Pod, node: &NodeInfo, amount: impl Fn(&Constraint) -> i64) {
        let ignored = self.ignores(node);
        for SoftConstraint { constraint, hosts, domains, pods } in &mut self.constraints {
            if let Some(domain) = domains.of(node)
                && (*hosts || !ignored && constraint.includes(pod, node))
            {
                pods[domain] += amount(constraint);
            }
        }
    }
}

impl Plugin for PodTopologySpread {
    fn name(&self) -> &'static str {
        "PodTopologySpread"
    }

    fn queueing_hint(&self, pod: &PodInfo, event: &ClusterEvent<'_>) -> QueueingHint {
        let same_namespace = |other: &PodInfo| namespace_of(&pod.pod) == namespace_of(&other.pod);
        let helps = match event {
            ClusterEvent::AssignedPodAdd(other) | ClusterEvent::AssignedPodDelete(other) => same_namespace(other),
            ClusterEvent::AssignedPodUpdate(old, new) => same_namespace(new) && old.pod.metadata.labels != new.pod.metadata.labels,
            ClusterEvent::NodeDelete => true,
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

impl PreFilter for PodTopologySpread {
    fn pre_filter(&self, state: &mut CycleState, pod: &PodInfo, handle: &Handle<'_>) -> Result<PreFilterResult, Status> {
        let constraints = self.constraints(&pod.pod, "DoNotSchedule", handle);
        if constraints.is_empty() {
            return Ok(PreFilterResult::Skip);
        }
        state.write(Hard::new(constraints, &pod.pod, handle));
        Ok(PreFilterResult::AllNodes)
    }

    fn add_pod(&self, state: &mut CycleState, pod: &PodInfo, added: &PodInfo, node: &NodeInfo, _handle: &Handle<'_>) {
        if let Some(hard) = state.read_mut::<Hard>() {
            hard.count(&pod.pod, added, node, 1);
        }
    }

    fn remove_pod(&self, state: &mut CycleState, pod: &PodInfo, removed: &PodInfo, node: &NodeInfo, _handle: &Handle<'_>) {
        if let Some(hard) = state.read_mut::<Hard>() {
            hard.count(&pod.pod, removed, node, -1);
        }
    }
}

impl Filter for PodTopologySpread {
    fn filter(&self, state: &CycleState, _pod: &PodInfo, node: &NodeInfo, _handle: &Handle<'_>) -> Result<(), Status> {
        let Some(hard) = state.read::<Hard>() else { return Ok(()) };
        for HardConstraint { constraint, domains, pods, itself, fewest } in &hard.constraints {
            let Some(domain) = domains.of(node) else {
                return Err(Status::unresolvable("node(s) didn't match pod topology spread constraints (missing required label)"));
            };
            if pods[domain].unwrap_or(0) + itself - fewest > constraint.max_skew {
                return Err(Status::unschedulable("node(s) didn't match pod topology spread constraints"));
            }
        }
        Ok(())
    }
}

impl PodTopologySpread {
    /// The preferred constraints of a Pod, and whether a node must have all their labels to be scored.
    fn soft_constraints(&self, pod: &Pod, handle: &Handle<'_>) -> (Vec<Constraint>, bool) {
        if !pod.spec.topology_spread_constraints.is_empty() || self.defaults.is_some() {
            return (self.constraints(pod, "ScheduleAnyway", handle), true);
        }
        let Some(selector) = handle.listers.default_selector(pod) else { return (Vec::new(), false) };
        let constraint = |(key, max_skew): (&str, i64)| Constraint {
            max_skew,
            key: key.to_owned(),
            selector: selector.clone(),
            min_domains: 1,
            honors_affinity: true,
            honors_taints: false,
        };
        (SYSTEM_DEFAULTS.map(constraint).into(), false)
    }
}

impl Score for PodTopologySpread {
    fn pre_score(&self, state: &mut CycleState, pod: &PodInfo, nodes: &[&NodeInfo], handle: &Handle<'_>) -> PreScoreResult {
        // A Pod that was alike has counted already.
        if state.read::<SoftCounts>().is_none() {
            let (constraints, all_keys) = self.soft_constraints(&pod.pod, handle);
            if constraints.is_empty() {
                return PreScoreResult::Skip;
            }
            state.write(SoftCounts::new(constraints, all_keys, &pod.pod, handle));
        }
        let Some(counts) = state.read::<SoftCounts>() else { return PreScoreResult::Skip };
        let ignored: BTreeSet<Arc<str>> = nodes.iter().filter(|node| counts.ignores(node)).map(|node| node.name.clone()).collect();
        let weight = |constraint: &SoftConstraint| {
            let scored = nodes.iter().copied().filter(|node| ignored.is_empty() || !ignored.contains(&node.name));
            let size = if constraint.hosts { nodes.len() - ignored.len() } else { constraint.domains.among(scored) };
            // `libm` gives the same bits on every platform.
            libm::log(f64::from(u32::try_from(size).unwrap_or(u32::MAX)) + 2.0)
        };
        let weights = counts.constraints.iter().map(weight).collect();
        state.write(Soft { weights, ignored });
        PreScoreResult::Score
    }

    fn update(&self, state: &mut CycleState, pod: &PodInfo, other: &PodInfo, node: &NodeInfo, _handle: &Handle<'_>, amount: i64) {
        if namespace_of(&pod.pod) != namespace_of(&other.pod) || other.pod.metadata.is_deleting() {
            return;
        }
        if let Some(counts) = state.read_mut::<SoftCounts>() {
            let labels = &other.pod.metadata.labels;
            counts.add(&pod.pod, node, |constraint| if constraint.selector.matches(labels) { amount } else { 0 });
        }
    }

    /// How many of the Pods share the node's domains, weighted: the fewer the better.
    fn score(&self, state: &CycleState, _pod: &PodInfo, node: &NodeInfo, _handle: &Handle<'_>) -> i64 {
        let Some(soft) = state.read::<Soft>().filter(|soft| !soft.ignored.contains(&node.name)) else { return 0 };
        let Some(counts) = state.read::<SoftCounts>() else { return 0 };
        let mut score = 0.0;
        for (SoftConstraint { constraint, domains, pods, .. }, weight) in counts.constraints.iter().zip(&soft.weights) {
            let Some(domain) = domains.of(node) else { continue };
            #[expect(clippy::cast_precision_loss, reason = "counts of Pods are small")]
            let part = pods[domain] as f64 * weight + (constraint.max_skew - 1) as f64;
            score += part;
        }
        #[expect(clippy::cast_possible_truncation, reason = "counts of Pods are small")]
        let rounded = score.round() as i64;
        rounded
    }

    fn normalize(&self, state: &CycleState, scores: &mut [NodeScore<'_>]) {
        let Some(soft) = state.read::<Soft>() else { return };
        let counted = |score: &&NodeScore<'_>| !soft.ignored.contains(&score.node.name);
        let min = scores.iter().filter(counted).map(|score| score.score).min().unwrap_or(0);
        let max = scores.iter().filter(counted).map(|score| score.score).max().unwrap_or(0);
        for score in scores {
            score.score = match max {
                _ if soft.ignored.contains(&score.node.name) => 0,
                0 => MAX_NODE_SCORE,
                max => MAX_NODE_SCORE * (max + min - score.score) / max,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Cache;
    use crate::framework::Reservations;
    use crate::listers::Caches;
    use crate::queue::Nominator;
    use crate::testing::{node, pod};
    use serde_json::json;
    use sim::Seed;

    /// Hosts and zones weigh ln(3 + 2) and ln(2 + 2): two Pods on `a1` and one on `b1` make 2·1.61 + 2·1.39 = 6 for `a1`, 2·1.39 = 2.8 for
    /// its neighbour and 1.61 + 1.39 = 3 for `b1`; less is better. `c1`, which has no zone, takes no part, and its Pods do not count.
    #[test]
    fn the_fewer_pods_in_its_host_and_zone_the_better_is_a_node() {
        let mut cache = Cache::default();
        for (name, zone) in [("a1", "a"), ("a2", "a"), ("b1", "b")] {
            cache.set_node(node(name).label("zone", zone).build());
        }
        cache.set_node(node("c1").build());
        let like = |name: &str| pod(name).metadata("labels", json!({"app": "x"}));
        for (name, on) in [("one", "a1"), ("two", "a1"), ("three", "b1"), ("four", "c1")] {
            cache.set_pod(like(name).on(on).info());
        }
        cache.set_pod(pod("other").metadata("labels", json!({"app": "y"})).on("a2").info());
        let constraint = |key: &str| json!({"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {"matchLabels": {"app": "x"}}});
        let new = like("new").spec("topologySpreadConstraints", json!([constraint("zone"), constraint(HOSTNAME)])).info();
        let caches = Caches::new(&"test".into(), &Seed(1).stream("spread"));
        let (nominator, reservations) = (Nominator::default(), Reservations::new());
        let handle = Handle { nodes: cache.snapshot(), listers: caches.listers(), nominator: &nominator, reservations: &reservations };
        let nodes: Vec<&NodeInfo> = ["a1", "a2", "b1", "c1"].iter().filter_map(|name| handle.nodes.get(name)).collect();
        let (plugin, mut state) = (PodTopologySpread::default(), CycleState::default());
        assert_eq!(plugin.pre_score(&mut state, &new, &nodes, &handle), PreScoreResult::Score);
        let score = |node| NodeScore { node, score: plugin.score(&state, &new, node, &handle) };
        let mut scores: Vec<NodeScore<'_>> = nodes.iter().map(|node| score(node)).collect();
        assert_eq!(scores.iter().map(|score| score.score).collect::<Vec<_>>(), [6, 3, 3, 0]);
        plugin.normalize(&state, &mut scores);
        assert_eq!(scores.iter().map(|score| score.score).collect::<Vec<_>>(), [50, 100, 100, 0]);
    }
}

//! `NodeAffinity`: node selectors and node affinity (`plugins/nodeaffinity`; `component-helpers/scheduling/corev1/nodeaffinity`).

use crate::args::ArgsReader;
use crate::framework::{
    ClusterEvent, CycleState, Filter, Handle, NodeScore, Plugin, PreFilter, PreFilterResult, PreScoreResult, QueueingHint, Score, Status,
    default_normalize, node_of, own_update,
};
use crate::node_info::NodeInfo;
use crate::pod_info::PodInfo;
use api::core::{Node, NodeSelectorTerm, Pod, PreferredSchedulingTerm};
pub(crate) use api::node_affinity::matches_required;
use api::node_affinity::{matches_term, required_terms};
use api::status::FieldError;
use serde_json::Value;
use std::collections::BTreeSet;

/// The plugin.
#[derive(Debug, Default)]
pub(crate) struct NodeAffinity {
    /// Affinity that all Pods of the profile have besides their own.
    added: api::core::NodeAffinity,
}

const REASON: &str = "node(s) didn't match Pod's node affinity/selector";
const ENFORCED: &str = "node(s) didn't match scheduler-enforced node affinity";

impl NodeAffinity {
    /// The plugin with these arguments (`NodeAffinityArgs`).
    pub(crate) fn new(args: &Value) -> Result<Self, Vec<FieldError>> {
        let mut reader = ArgsReader::new(args, &["addedAffinity"]);
        let added = reader.part("addedAffinity");
        reader.finish(NodeAffinity { added })
    }

    fn added_terms(&self) -> Option<&[NodeSelectorTerm]> {
        self.added.required.as_ref().map(|required| required.node_selector_terms.as_slice())
    }

    fn preferred<'a>(&'a self, pod: &'a Pod) -> impl Iterator<Item = &'a PreferredSchedulingTerm> {
        preferred_terms(pod).iter().chain(&self.added.preferred)
    }
}

fn preferred_terms(pod: &Pod) -> &[PreferredSchedulingTerm] {
    let affinity = pod.spec.affinity.as_ref().and_then(|affinity| affinity.node_affinity.as_ref());
    affinity.map_or(&[], |affinity| affinity.preferred.as_slice())
}

/// Whether a node fulfils one of the terms (`nodeaffinity.NewNodeSelector(…).Match`).
pub(crate) fn matches_terms(terms: &[NodeSelectorTerm], node: &Node) -> bool {
    terms.iter().any(|term| matches_term(term, node))
}

/// The names that the terms allow when every term names nodes; `None` when one does not.
fn named_nodes(terms: &[NodeSelectorTerm]) -> Option<BTreeSet<String>> {
    let mut all = BTreeSet::new();
    for term in terms {
        let mut names: Option<BTreeSet<String>> = None;
        for field in term.match_fields.iter().filter(|field| field.key == "metadata.name" && field.operator == "In") {
            let values: BTreeSet<String> = field.values.iter().cloned().collect();
            names = Some(names.map_or(values.clone(), |names| names.intersection(&values).cloned().collect()));
        }
        all.extend(names?);
    }
    Some(all)
}

impl Plugin for NodeAffinity {
    fn name(&self) -> &'static str {
        "NodeAffinity"
    }

    fn queueing_hint(&self, pod: &PodInfo, event: &ClusterEvent<'_>) -> QueueingHint {
        let wishes = |pod: &Pod| (pod.spec.node_selector.clone(), pod.spec.affinity.as_ref().and_then(|all| all.node_affinity.clone()));
        let enforced = |node: &Node| self.added_terms().is_none_or(|terms| matches_terms(terms, node));
        let fits = node_of(event).is_some_and(|node| enforced(node) && matches_required(&pod.pod, node));
        (fits || own_update(event, |old, new| wishes(old) != wishes(new))).into()
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

impl PreFilter for NodeAffinity {
    fn pre_filter(&self, _state: &mut CycleState, pod: &PodInfo, _handle: &Handle<'_>) -> Result<PreFilterResult, Status> {
        let Some(terms) = required_terms(&pod.pod) else {
            let wishless = pod.pod.spec.node_selector.is_empty() && self.added.required.is_none();
            return Ok(if wishless { PreFilterResult::Skip } else { PreFilterResult::AllNodes });
        };
        match named_nodes(terms) {
            Some(names) if names.is_empty() && !terms.is_empty() => Err(Status::unresolvable("pod affinity terms conflict")),
            Some(names) if !terms.is_empty() => Ok(PreFilterResult::Nodes(names)),
            _ => Ok(PreFilterResult::AllNodes),
        }
    }
}

impl Filter for NodeAffinity {
    fn filter(&self, _state: &CycleState, pod: &PodInfo, node: &NodeInfo, _handle: &Handle<'_>) -> Result<(), Status> {
        if self.added_terms().is_some_and(|terms| !matches_terms(terms, &node.node)) {
            return Err(Status::unresolvable(ENFORCED));
        }
        if matches_required(&pod.pod, &node.node) { Ok(()) } else { Err(Status::unresolvable(REASON)) }
    }
}

impl Score for NodeAffinity {
    fn pre_score(&self, _state: &mut CycleState, pod: &PodInfo, _nodes: &[&NodeInfo], _handle: &Handle<'_>) -> PreScoreResult {
        if self.preferred(&pod.pod).next().is_none() { PreScoreResult::Skip } else { PreScoreResult::Score }
    }

    /// The weights of the preferred terms that the node fulfils.
    fn score(&self, _state: &CycleState, pod: &PodInfo, node: &NodeInfo, _handle: &Handle<'_>) -> i64 {
        let fulfilled = self.preferred(&pod.pod).filter(|term| term.weight != 0 && matches_term(&term.preference, &node.node));
        fulfilled.map(|term| i64::from(term.weight)).sum()
    }

    fn normalize(&self, _state: &CycleState, scores: &mut [NodeScore<'_>]) {
        default_normalize(scores, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{node, pod};
    use serde_json::json;

    fn required(terms: Value) -> std::sync::Arc<PodInfo> {
        let affinity = json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}});
        pod("web").spec("affinity", affinity).info()
    }

    #[test]
    fn one_term_is_enough_and_all_its_requirements_count() {
        let disk = node("a").label("disk", "ssd").label("cores", "8").build();
        let ssd = json!({"key": "disk", "operator": "In", "values": ["ssd", "nvme"]});
        let many = json!({"key": "cores", "operator": "Gt", "values": ["16"]});
        for (terms, fits) in [
            (json!([{"matchExpressions": [ssd]}]), true),
            (json!([{"matchExpressions": [ssd, many]}]), false),
            (json!([{"matchExpressions": [many]}, {"matchExpressions": [ssd]}]), true),
            (json!([{}]), false),
            (json!([{"matchExpressions": [{"key": "gpu", "operator": "NotIn", "values": ["x"]}]}]), true),
            (json!([{"matchExpressions": [{"key": "gpu", "operator": "NotIn", "values": ["no label!"]}]}]), false),
            (json!([{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["a"]}]}]), true),
        ] {
            assert_eq!(matches_required(&required(terms.clone()).pod, &disk), fits, "{terms}");
        }
    }

    #[test]
    fn names_in_every_term_narrow_the_search() {
        let by_name = |name: &str| json!({"matchFields": [{"key": "metadata.name", "operator": "In", "values": [name]}]});
        let names = |terms: Value| named_nodes(required_terms(&required(terms).pod).expect("it has terms"));
        assert_eq!(names(json!([by_name("a"), by_name("b")])), Some(BTreeSet::from(["a".to_owned(), "b".to_owned()])));
        assert_eq!(names(json!([by_name("a"), {"matchExpressions": [{"key": "x", "operator": "Exists"}]}])), None);
    }
}

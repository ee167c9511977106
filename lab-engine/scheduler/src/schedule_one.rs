//! One cycle: finds the node for a Pod (`pkg/scheduler/schedule_one.go`).
//!
//! In a big cluster not all nodes are looked at: once enough fit, the best of those is taken, and the next cycle goes on from there, so
//! that all nodes get their turn.

use crate::diagnosis::{Diagnosis, NodeStatuses};
use crate::framework::runtime::{Filters, Framework, Scope, Scores};
use crate::framework::{CycleState, Handle, Status};
use crate::memo::Memos;
use crate::node_info::NodeInfo;
use crate::pod_info::PodInfo;
use sim::{NodeVerdict, PluginScore, Rng};
use std::collections::BTreeSet;
use std::sync::Arc;

/// In a cluster of fewer nodes than this all are looked at (`minFeasibleNodesToFind`).
const MIN_FEASIBLE_NODES: usize = 100;
/// Of the nodes of a big cluster at least this many percent must fit before the search ends (`minFeasibleNodesPercentageToFind`).
const MIN_FEASIBLE_PERCENT: usize = 5;
/// The trace tells of at most so many nodes per cycle.
const MAX_VERDICTS: usize = 20;

/// A Pod was found a node.
#[derive(Debug)]
pub(crate) struct Decision {
    /// The node.
    pub(crate) node: Arc<str>,
    /// What the plugins said of the nodes, for the trace; the chosen one is always among them.
    pub(crate) verdicts: Arc<[NodeVerdict]>,
    /// On which nodes it was looked at.
    pub(crate) scope: Scope,
}

/// A Pod was found none.
#[derive(Debug)]
pub(crate) enum Failure {
    /// There are no nodes at all (`ErrNoNodesAvailable`).
    NoNodes,
    /// It fits none.
    Unfit(Box<Diagnosis>),
    /// A plugin could not do its work.
    Error(Status),
}

/// How many nodes must fit before the search ends (`numFeasibleNodesToFind`).
fn nodes_to_find(nodes: usize, percentage: usize) -> usize {
    if nodes < MIN_FEASIBLE_NODES || percentage >= 100 {
        return nodes;
    }
    let percent = if percentage > 0 { percentage } else { 50_usize.saturating_sub(nodes / 125).max(MIN_FEASIBLE_PERCENT) };
    (nodes * percent / 100).max(MIN_FEASIBLE_NODES)
}

/// Finds nodes; remembers where the last search ended.
#[derive(Debug)]
pub(crate) struct Algorithm {
    rng: Rng,
    next_start: usize,
    memos: Memos,
    /// Of how many nodes that fit the best is chosen, in percent; 0 for a share that falls with the size of the cluster.
    percentage: usize,
}

/// The nodes that fit, and why others do not.
struct Found<'a> {
    feasible: Vec<&'a NodeInfo>,
    /// In the order in which they were looked at: that of names is only needed for a Pod that fits none, and for the trace.
    refused: Vec<(Arc<str>, Status)>,
    looked_at: usize,
}

impl Algorithm {
    /// An algorithm that begins with the first node. Ties are broken by `rng`; `percentage` is `percentageOfNodesToScore`.
    pub(crate) fn new(rng: Rng, percentage: u32) -> Self {
        Algorithm { rng, next_start: 0, memos: Memos::default(), percentage: usize::try_from(percentage).unwrap_or(100) }
    }

    /// Finds the best node for a Pod (`schedulePod`). The state is left for the plugins that come later; `others` is the generation of
    /// all objects besides Pods and nodes.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) fn schedule_pod(
        &mut self,
        framework: &Framework,
        state: &mut CycleState,
        pod: &PodInfo,
        others: u64,
        handle: &Handle<'_>,
    ) -> Result<Decision, Failure> {
        if handle.nodes.len() == 0 {
            return Err(Failure::NoNodes);
        }
        let scope = match self.memos.recall(framework, pod, others, handle) {
            Some((recalled, scope)) => {
                *state = recalled;
                scope
            }
            None => framework.run_pre_filter(state, pod, handle).map_err(|status| unfit_everywhere(status, handle))?,
        };
        let found = self.find_feasible(framework, state, pod, &scope, handle)?;
        if found.feasible.is_empty() {
            let mut plugins: BTreeSet<&'static str> = found.refused.iter().map(|(_, status)| status.plugin).collect();
            let mut statuses = NodeStatuses { by_node: found.refused.into_iter().collect(), ..NodeStatuses::default() };
            if let Scope::Nodes(_, by) = scope {
                let names: Vec<&str> = by.iter().copied().collect();
                statuses.absent = Status::unresolvable(format!("node(s) didn't satisfy plugin(s) [{}]", names.join(" ")));
                plugins.extend(by);
            }
            let nodes = handle.nodes.len();
            return Err(Failure::Unfit(Box::new(Diagnosis { nodes, statuses, plugins, ..Diagnosis::default() })));
        }
        let (node, verdicts) = self.choose(framework, state, pod, found, handle);
        Ok(Decision { node, verdicts, scope })
    }

    /// Keeps the state for Pods that are alike. The Pod is not counted on its node yet.
    pub(crate) fn remember(&mut self, pod: Arc<PodInfo>, state: CycleState, scope: Scope, others: u64, handle: &Handle<'_>) {
        self.memos.remember(pod, state, scope, others, handle);
    }

    /// The nodes that pass all filters (`findNodesThatFitPod`): the one on which room was made for the Pod, or as many as are needed.
    fn find_feasible<'a>(
        &mut self,
        framework: &Framework,
        state: &CycleState,
        pod: &PodInfo,
        scope: &Scope,
        handle: &Handle<'a>,
    ) -> Result<Found<'a>, Failure> {
        let filters = framework.filters(state);
        let mut found = Found { feasible: Vec::new(), refused: Vec::new(), looked_at: 0 };
        if let Some(node) = handle.nominator.node_of(&pod.key).and_then(|node| handle.nodes.get(node))
            && framework.run_filters_with_nominated(&filters, state, pod, node, handle).is_ok()
        {
            found.feasible.push(node);
            return Ok(found);
        }
        match scope {
            Scope::AllNodes => {
                let (count, start) = (handle.nodes.len(), self.next_start % handle.nodes.len());
                let nodes = (start..count).chain(0..start).map(|place| handle.nodes.at(place));
                self.look(framework, &filters, state, pod, nodes, nodes_to_find(count, self.percentage), handle, &mut found)?;
                self.next_start = (start + found.looked_at) % count;
            }
            Scope::Nodes(names, _) => {
                let nodes = handle.nodes.iter().filter(|node| names.contains(&*node.name));
                self.look(framework, &filters, state, pod, nodes, nodes_to_find(names.len(), self.percentage), handle, &mut found)?;
            }
        }
        Ok(found)
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one search, used twice")]
    fn look<'a>(
        &self,
        framework: &Framework,
        filters: &Filters<'_>,
        state: &CycleState,
        pod: &PodInfo,
        nodes: impl Iterator<Item = &'a NodeInfo>,
        enough: usize,
        handle: &Handle<'_>,
        found: &mut Found<'a>,
    ) -> Result<(), Failure> {
        for node in nodes {
            found.looked_at += 1;
            match framework.run_filters_with_nominated(filters, state, pod, node, handle) {
                Ok(()) => found.feasible.push(node),
                Err(status) if status.is_rejected() => found.refused.push((node.name.clone(), status)),
                Err(status) => return Err(Failure::Error(status)),
            }
            if found.feasible.len() >= enough {
                break;
            }
        }
        Ok(())
    }

    /// The best of the nodes that fit; of equally good ones any (`prioritizeNodes`, `selectHost`).
    fn choose(
        &mut self,
        framework: &Framework,
        state: &mut CycleState,
        pod: &PodInfo,
        mut found: Found<'_>,
        handle: &Handle<'_>,
    ) -> (Arc<str>, Arc<[NodeVerdict]>) {
        let feasible = &found.feasible;
        let scored = if feasible.len() > 1 { framework.run_scores(state, pod, feasible, handle) } else { Scores::default() };
        let best = scored.totals.iter().copied().max();
        let ties: Vec<usize> = (0..scored.totals.len()).filter(|&index| Some(scored.totals[index]) == best).collect();
        let winner = ties.get(self.rng.index(ties.len())).copied().unwrap_or(0);
        let mut fits: Vec<NodeVerdict> = Vec::new();
        let mut scores: Arc<[PluginScore]> = Arc::default();
        for (index, node) in feasible.iter().enumerate() {
            if index == winner || fits.len() < MAX_VERDICTS {
                if !scored.of(index).eq(scores.iter().copied()) {
                    scores = scored.of(index).collect();
                }
                let total = scored.totals.get(index).copied().unwrap_or(0);
                fits.push(NodeVerdict { node: node.name.clone(), rejected_by: None, scores: scores.clone(), total });
            }
        }
        let room = MAX_VERDICTS.saturating_sub(fits.len());
        if room > 0 {
            found.refused.sort_by(|(a, _), (b, _)| a.cmp(b));
            fits.extend(found.refused.iter().take(room).map(|(node, status)| verdict(node, status)));
        }
        fits.sort_by(|a, b| a.node.cmp(&b.node));
        (feasible[winner].name.clone(), fits.into())
    }
}

/// A PreFilter plugin refused the Pod as a whole.
fn unfit_everywhere(status: Status, handle: &Handle<'_>) -> Failure {
    if !status.is_rejected() {
        return Failure::Error(status);
    }
    let mut diagnosis = Diagnosis { nodes: handle.nodes.len(), pre_filter_message: status.message(), ..Diagnosis::default() };
    diagnosis.plugins.insert(status.plugin);
    diagnosis.statuses.absent = status;
    Failure::Unfit(Box::new(diagnosis))
}

/// The refusal of a node as the trace tells it.
fn verdict(node: &Arc<str>, status: &Status) -> NodeVerdict {
    let rejected_by = Some((status.plugin, status.message().into()));
    NodeVerdict { node: node.clone(), rejected_by, scores: Arc::default(), total: 0 }
}

/// What the trace tells of a Pod that fits no node.
pub(crate) fn refusals(diagnosis: &Diagnosis) -> Arc<[NodeVerdict]> {
    diagnosis.statuses.by_node.iter().take(MAX_VERDICTS).map(|(node, status)| verdict(node, status)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_nodes_are_enough_the_bigger_the_cluster_is() {
        let expected = [(10, 10), (99, 99), (100, 100), (1000, 420), (5000, 500), (10_000, 500)];
        assert_eq!(expected.map(|(nodes, _)| (nodes, nodes_to_find(nodes, 0))), expected);
    }
}

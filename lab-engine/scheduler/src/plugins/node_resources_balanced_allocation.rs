//! `NodeResourcesBalancedAllocation`: prefers nodes whose CPU and memory would be used alike
//! (`plugins/noderesources/balanced_allocation.go`).

use crate::framework::{ClusterEvent, CycleState, Handle, MAX_NODE_SCORE, Plugin, PreScoreResult, QueueingHint, Score};
use crate::node_info::NodeInfo;
use crate::pod_info::PodInfo;

/// The plugin.
#[derive(Debug)]
pub(crate) struct NodeResourcesBalancedAllocation;

/// 100 less the standard deviation of the used fractions, in percent (`balancedResourceScorer`).
///
/// `f64` is what upstream computes with; each operation is exact or correctly rounded, so all machines agree.
fn balance(fractions: &[f64]) -> i64 {
    let deviation = match *fractions {
        [one, other] => ((one - other) / 2.0).abs(),
        _ => 0.0,
    };
    // The deviation of fractions is at most one half.
    #[expect(clippy::cast_possible_truncation, reason = "between 50 and 100")]
    let score = ((1.0 - deviation) * MAX_NODE_SCORE as f64) as i64;
    score
}

impl Plugin for NodeResourcesBalancedAllocation {
    fn name(&self) -> &'static str {
        "NodeResourcesBalancedAllocation"
    }

    fn queueing_hint(&self, _pod: &PodInfo, _event: &ClusterEvent<'_>) -> QueueingHint {
        QueueingHint::Skip
    }

    fn as_score(&self) -> Option<&dyn Score> {
        Some(self)
    }
}

impl Score for NodeResourcesBalancedAllocation {
    fn pre_score(&self, _state: &mut CycleState, pod: &PodInfo, _nodes: &[&NodeInfo], _handle: &Handle<'_>) -> PreScoreResult {
        // A Pod that requests neither changes no balance.
        let requests = &pod.requests;
        if requests.cpu_milli == 0 && requests.memory_bytes == 0 { PreScoreResult::Skip } else { PreScoreResult::Score }
    }

    fn score(&self, _state: &CycleState, pod: &PodInfo, node: &NodeInfo, _handle: &Handle<'_>) -> i64 {
        let (used, wanted, has) = (&node.requested, &pod.requests, &node.allocatable);
        let amounts = [
            (used.cpu_milli.saturating_add(wanted.cpu_milli), has.cpu_milli),
            (used.memory_bytes.saturating_add(wanted.memory_bytes), has.memory_bytes),
        ];
        #[expect(clippy::cast_precision_loss, reason = "upstream computes so")]
        let fraction = |(used, has): (i64, i64)| (used as f64 / has as f64).min(1.0);
        let fractions: Vec<f64> = amounts.into_iter().filter(|(_, has)| *has > 0).map(fraction).collect();
        balance(&fractions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_fractions_are_best() {
        assert_eq!((balance(&[0.5, 0.5]), balance(&[1.0, 0.0]), balance(&[0.6, 0.4]), balance(&[])), (100, 50, 90, 100));
    }
}

//! `NodeResourcesBalancedAllocation`: prefers nodes whose CPU and memory would be used alike
//! (`plugins/noderesources/balanced_allocation.go`).

use super::resource_allocation::{ResourceSpec, allocation, default_resources, read_resources};
use crate::args::ArgsReader;
use crate::framework::{ClusterEvent, CycleState, Handle, MAX_NODE_SCORE, Plugin, PreScoreResult, QueueingHint, Score};
use crate::node_info::NodeInfo;
use crate::pod_info::PodInfo;
use api::status::FieldError;
use serde_json::Value;

/// The plugin.
#[derive(Debug)]
pub(crate) struct NodeResourcesBalancedAllocation {
    resources: Vec<ResourceSpec>,
}

impl Default for NodeResourcesBalancedAllocation {
    fn default() -> Self {
        NodeResourcesBalancedAllocation { resources: default_resources() }
    }
}

impl NodeResourcesBalancedAllocation {
    /// The plugin with these arguments (`NodeResourcesBalancedAllocationArgs`).
    pub(crate) fn new(args: &Value) -> Result<Self, Vec<FieldError>> {
        let mut reader = ArgsReader::new(args, &["resources"]);
        let list = reader.value("resources");
        let resources = read_resources(&mut reader, "resources", list);
        for (index, resource) in resources.iter().enumerate().filter(|(_, resource)| resource.weight != 1) {
            let at = format!("resources[{index}].weight");
            reader.wrong(FieldError::invalid_number(at, resource.weight, "resource weight must be 1"));
        }
        reader.finish(NodeResourcesBalancedAllocation { resources })
    }
}

/// 100 less the standard deviation of the used fractions, in percent (`balancedResourceScorer`).
///
/// `f64` is what upstream computes with; each operation is exact or correctly rounded, so all machines agree.
fn balance(mut fractions: impl Iterator<Item = f64> + Clone) -> i64 {
    let all = fractions.clone();
    let deviation = match (fractions.next(), fractions.next(), fractions.next()) {
        (Some(one), Some(other), None) => ((one - other) / 2.0).abs(),
        (_, _, Some(_)) => {
            let (count, total) = all.clone().fold((0.0, 0.0), |(count, total), fraction| (count + 1.0, total + fraction));
            let mean = total / count;
            libm::sqrt(all.map(|fraction| (fraction - mean) * (fraction - mean)).sum::<f64>() / count)
        }
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
        // A Pod that requests none of the resources changes no balance.
        let requests_any = self.resources.iter().any(|resource| resource.name.requested_by(pod) != 0);
        if requests_any { PreScoreResult::Score } else { PreScoreResult::Skip }
    }

    fn score(&self, _state: &CycleState, pod: &PodInfo, node: &NodeInfo, _handle: &Handle<'_>) -> i64 {
        let amounts = self.resources.iter().filter_map(|resource| allocation(&resource.name, pod, node, true));
        #[expect(clippy::cast_precision_loss, reason = "upstream computes so")]
        let fraction = |(capacity, requested): (i64, i64)| (requested as f64 / capacity as f64).min(1.0);
        balance(amounts.map(fraction))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_fractions_are_best() {
        let of = |fractions: &[f64]| balance(fractions.iter().copied());
        assert_eq!((of(&[0.5, 0.5]), of(&[1.0, 0.0]), of(&[0.6, 0.4]), of(&[]), of(&[0.2, 0.2, 0.2])), (100, 50, 90, 100, 100));
    }
}

//! `NodeResourcesFit`: what a Pod requests must be free on the node, and emptier nodes are better (`plugins/noderesources/fit.go`,
//! `least_allocated.go`).
//!
//! **Simplified here:** the scoring strategy is `LeastAllocated` over CPU and memory, as in the default profile.

use crate::framework::{
    ClusterEvent, Code, CycleState, Filter, Handle, MAX_NODE_SCORE, Plugin, QueueingHint, Score, Status, node_of, own_update,
};
use crate::node_info::NodeInfo;
use crate::pod_info::PodInfo;
use crate::resources::Resources;
use std::borrow::Cow;

/// The plugin.
#[derive(Debug)]
pub(crate) struct NodeResourcesFit;

/// A resource of which the node has too little left.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Insufficient {
    reason: Cow<'static, str>,
    /// Whether the Pod requests more than the whole node has, so that no preemption helps.
    never: bool,
}

/// What a node has too little of (`fitsRequest`). `pods` more Pods are to fit: one, or none for a comparison of capacities.
fn insufficient(requests: &Resources, node: &NodeInfo) -> Vec<Insufficient> {
    let (mut found, used, has) = (Vec::new(), &node.requested, &node.allocatable);
    let count = i64::try_from(node.pods.len()).unwrap_or(i64::MAX);
    if count.saturating_add(1) > has.pods {
        found.push(Insufficient { reason: "Too many pods".into(), never: false });
    }
    let mut check = |reason: Cow<'static, str>, wanted: i64, used: i64, has: i64| {
        if wanted > 0 && wanted > has.saturating_sub(used) {
            found.push(Insufficient { reason, never: wanted > has });
        }
    };
    check("Insufficient cpu".into(), requests.cpu_milli, used.cpu_milli, has.cpu_milli);
    check("Insufficient memory".into(), requests.memory_bytes, used.memory_bytes, has.memory_bytes);
    let storage = (requests.ephemeral_storage_bytes, used.ephemeral_storage_bytes, has.ephemeral_storage_bytes);
    check("Insufficient ephemeral-storage".into(), storage.0, storage.1, storage.2);
    for (name, wanted) in &requests.scalars {
        check(format!("Insufficient {name}").into(), *wanted, used.get(name), has.get(name));
    }
    found
}

impl Plugin for NodeResourcesFit {
    fn name(&self) -> &'static str {
        "NodeResourcesFit"
    }

    fn queueing_hint(&self, pod: &PodInfo, event: &ClusterEvent<'_>) -> QueueingHint {
        let helps = match event {
            ClusterEvent::AssignedPodDelete(_) => true,
            ClusterEvent::AssignedPodUpdate(old, new) => old.requests != new.requests,
            other => match node_of(other) {
                Some(node) => insufficient(&pod.requests, &NodeInfo::new(node.clone().into())).is_empty(),
                None => own_update(other, |old, new| old.spec.containers != new.spec.containers),
            },
        };
        helps.into()
    }

    fn as_filter(&self) -> Option<&dyn Filter> {
        Some(self)
    }

    fn as_score(&self) -> Option<&dyn Score> {
        Some(self)
    }
}

impl Filter for NodeResourcesFit {
    fn filter(&self, _state: &CycleState, pod: &PodInfo, node: &NodeInfo) -> Result<(), Status> {
        let found = insufficient(&pod.requests, node);
        if found.is_empty() {
            return Ok(());
        }
        let never = found.iter().any(|resource| resource.never);
        let code = if never { Code::UnschedulableAndUnresolvable } else { Code::Unschedulable };
        Err(Status { code, reasons: found.into_iter().map(|resource| resource.reason).collect(), plugin: "" })
    }
}

/// How much of a capacity is free after a request, 0 to 100 (`leastRequestedScore`).
fn least_requested(requested: i64, capacity: i64) -> i64 {
    if capacity == 0 || requested > capacity { 0 } else { (capacity - requested) * MAX_NODE_SCORE / capacity }
}

impl Score for NodeResourcesFit {
    /// The mean over CPU and memory of what would be free (`leastResourceScorer`).
    fn score(&self, _state: &CycleState, pod: &PodInfo, node: &NodeInfo, _handle: &Handle<'_>) -> i64 {
        let amounts = [
            (node.non_zero_cpu_milli.saturating_add(pod.non_zero_cpu_milli), node.allocatable.cpu_milli),
            (node.non_zero_memory_bytes.saturating_add(pod.non_zero_memory_bytes), node.allocatable.memory_bytes),
        ];
        let known: Vec<i64> = amounts.into_iter().filter(|(_, has)| *has > 0).map(|(used, has)| least_requested(used, has)).collect();
        let count = i64::try_from(known.len()).unwrap_or(1).max(1);
        known.iter().sum::<i64>() / count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{node_info, pod};

    fn refusal(cpu: i64, taken: i64) -> Option<(Code, String)> {
        let node = node_info("n", 4000, &[pod("other").cpu(taken).info()]);
        NodeResourcesFit.filter(&CycleState::default(), &pod("web").cpu(cpu).info(), &node).err().map(|s| (s.code, s.message()))
    }

    #[test]
    fn requests_must_be_free() {
        assert_eq!(refusal(1000, 3000), None);
        assert_eq!(refusal(1001, 3000), Some((Code::Unschedulable, "Insufficient cpu".to_owned())));
        assert_eq!(refusal(4001, 0), Some((Code::UnschedulableAndUnresolvable, "Insufficient cpu".to_owned())));
    }

    #[test]
    fn a_node_holds_so_many_pods() {
        let pods: Vec<_> = (0..110).map(|number| pod(&format!("p{number}")).info()).collect();
        let node = node_info("n", 4000, &pods);
        let status = NodeResourcesFit.filter(&CycleState::default(), &pod("web").info(), &node).expect_err("it is full");
        assert_eq!(status.message(), "Too many pods");
    }

    #[test]
    fn the_score_is_what_is_left() {
        assert_eq!((least_requested(1000, 4000), least_requested(4000, 4000), least_requested(1, 0)), (75, 0, 0));
    }
}

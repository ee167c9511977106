//! `NodeUnschedulable`: stays away from cordoned nodes (`plugins/nodeunschedulable`).

use super::taint_toleration::tolerates;
use crate::framework::{ClusterEvent, CycleState, Filter, Handle, Plugin, QueueingHint, Status, node_of, own_update};
use crate::node_info::NodeInfo;
use crate::pod_info::PodInfo;
use api::core::{Node, Pod, Taint};

/// The plugin.
#[derive(Debug)]
pub(crate) struct NodeUnschedulable;

/// Whether the Pod may go to the node as far as cordoning goes: a Pod that tolerates the taint of cordoned nodes may.
fn is_open(pod: &Pod, node: &Node) -> bool {
    if !node.spec.unschedulable.unwrap_or(false) {
        return true;
    }
    let taint = Taint { key: "node.kubernetes.io/unschedulable".to_owned(), effect: "NoSchedule".to_owned(), ..Taint::default() };
    tolerates(&pod.spec.tolerations, &taint)
}

impl Plugin for NodeUnschedulable {
    fn name(&self) -> &'static str {
        "NodeUnschedulable"
    }

    fn queueing_hint(&self, pod: &PodInfo, event: &ClusterEvent<'_>) -> QueueingHint {
        let opened = node_of(event).is_some_and(|node| is_open(&pod.pod, node));
        (opened || own_update(event, |old, new| old.spec.tolerations != new.spec.tolerations)).into()
    }

    fn as_filter(&self) -> Option<&dyn Filter> {
        Some(self)
    }
}

impl Filter for NodeUnschedulable {
    fn filter(&self, _state: &CycleState, pod: &PodInfo, node: &NodeInfo, _handle: &Handle<'_>) -> Result<(), Status> {
        if !node.unschedulable || is_open(&pod.pod, &node.node) { Ok(()) } else { Err(Status::unresolvable("node(s) were unschedulable")) }
    }
}

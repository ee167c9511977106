//! `NodeName`: a Pod that names its node fits no other (`plugins/nodename`).
//!
//! Such a Pod is normally bound already and never comes into the queue; the filter matters to those who ask it directly.

use crate::framework::{ClusterEvent, CycleState, Filter, Handle, Plugin, QueueingHint, Status, node_of};
use crate::node_info::NodeInfo;
use crate::pod_info::PodInfo;

/// The plugin.
#[derive(Debug)]
pub(crate) struct NodeName;

impl Plugin for NodeName {
    fn name(&self) -> &'static str {
        "NodeName"
    }

    fn queueing_hint(&self, pod: &PodInfo, event: &ClusterEvent<'_>) -> QueueingHint {
        node_of(event).is_some_and(|node| pod.pod.spec.node_name == node.metadata.name).into()
    }

    fn as_filter(&self) -> Option<&dyn Filter> {
        Some(self)
    }
}

impl Filter for NodeName {
    fn filter(&self, _state: &CycleState, pod: &PodInfo, node: &NodeInfo, _handle: &Handle<'_>) -> Result<(), Status> {
        let wanted = pod.pod.spec.node_name.as_str();
        if wanted.is_empty() || wanted == &*node.name {
            return Ok(());
        }
        Err(Status::unresolvable("node(s) didn't match the requested node name"))
    }
}

//! `NodePorts`: the ports of the node that a Pod wants must be free (`plugins/nodeports`).

use crate::framework::{ClusterEvent, CycleState, Filter, Handle, Plugin, PreFilter, PreFilterResult, QueueingHint, Status, node_of};
use crate::node_info::NodeInfo;
use crate::pod_info::PodInfo;

/// The plugin.
#[derive(Debug)]
pub(crate) struct NodePorts;

/// Whether the Pods would want the same port on one node.
fn collide(one: &PodInfo, other: &PodInfo) -> bool {
    one.host_ports.iter().any(|port| other.host_ports.iter().any(|taken| port.conflicts(taken)))
}

impl Plugin for NodePorts {
    fn name(&self) -> &'static str {
        "NodePorts"
    }

    fn queueing_hint(&self, pod: &PodInfo, event: &ClusterEvent<'_>) -> QueueingHint {
        match event {
            ClusterEvent::AssignedPodDelete(gone) => collide(pod, gone).into(),
            other => node_of(other).is_some().into(),
        }
    }

    fn as_pre_filter(&self) -> Option<&dyn PreFilter> {
        Some(self)
    }

    fn as_filter(&self) -> Option<&dyn Filter> {
        Some(self)
    }
}

impl PreFilter for NodePorts {
    fn pre_filter(&self, _state: &mut CycleState, pod: &PodInfo, _handle: &Handle<'_>) -> Result<PreFilterResult, Status> {
        Ok(if pod.host_ports.is_empty() { PreFilterResult::Skip } else { PreFilterResult::AllNodes })
    }
}

impl Filter for NodePorts {
    fn filter(&self, _state: &CycleState, pod: &PodInfo, node: &NodeInfo, _handle: &Handle<'_>) -> Result<(), Status> {
        let taken = pod.host_ports.iter().any(|port| node.used_ports.iter().any(|used| port.conflicts(used)));
        if taken { Err(Status::unschedulable("node(s) didn't have free ports for the requested pod ports")) } else { Ok(()) }
    }
}

//! `DynamicResources`: devices that Pods claim (`plugins/dynamicresources`).
//!
//! **Simplified here:** claims are not modelled. What is left is what the plugin says of Pods without claims that fit no node, which
//! stands in the message of every such Pod.

use crate::diagnosis::NodeStatuses;
use crate::framework::runtime::Framework;
use crate::framework::{ClusterEvent, CycleState, Handle, Plugin, PostFilter, PostFilterResult, QueueingHint, Status};
use crate::pod_info::PodInfo;

/// The plugin.
#[derive(Debug)]
pub(crate) struct DynamicResources;

impl Plugin for DynamicResources {
    fn name(&self) -> &'static str {
        "DynamicResources"
    }

    fn queueing_hint(&self, _pod: &PodInfo, _event: &ClusterEvent<'_>) -> QueueingHint {
        QueueingHint::Skip
    }

    fn as_post_filter(&self) -> Option<&dyn PostFilter> {
        Some(self)
    }
}

impl PostFilter for DynamicResources {
    fn post_filter(
        &self,
        _state: &CycleState,
        _pod: &PodInfo,
        _statuses: &NodeStatuses,
        _runtime: &Framework,
        _handle: &Handle<'_>,
    ) -> PostFilterResult {
        PostFilterResult::Refused(Status::unschedulable("no new claims to deallocate"), false)
    }
}

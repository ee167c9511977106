//! The default profile: which plugins take part, in which order, and how much their scores weigh
//! (`pkg/scheduler/apis/config/v1/default_plugins.go`).
//!
//! A new plugin is a file below `plugins/` and a line here.

use crate::framework::Plugin;
use crate::framework::runtime::{Enabled, Framework};
use crate::plugins::{
    DefaultBinder, DefaultPreemption, DynamicResources, ImageLocality, InterPodAffinity, NodeAffinity, NodeName, NodePorts,
    NodeResourcesBalancedAllocation, NodeResourcesFit, NodeUnschedulable, PodTopologySpread, SchedulingGates, TaintToleration,
};

fn enabled(plugin: impl Plugin + 'static, weight: i64) -> Enabled {
    Enabled { plugin: Box::new(plugin), weight }
}

/// The framework with the default profile.
pub(crate) fn default_profile() -> Framework {
    Framework::new(vec![
        enabled(SchedulingGates, 0),
        enabled(NodeUnschedulable, 0),
        enabled(NodeName, 0),
        enabled(TaintToleration, 3),
        enabled(NodeAffinity, 2),
        enabled(NodePorts, 0),
        enabled(NodeResourcesFit, 1),
        enabled(PodTopologySpread, 2),
        enabled(InterPodAffinity, 2),
        enabled(DynamicResources, 0),
        enabled(DefaultPreemption, 0),
        enabled(NodeResourcesBalancedAllocation, 1),
        enabled(ImageLocality, 1),
        enabled(DefaultBinder, 0),
    ])
}

//! What happens in the cluster that can make a Pod schedulable (`framework.ClusterEvent`), and what a plugin thinks of it.
//!
//! A Pod that does not fit waits for an event of which a plugin that refused it says that it may help. The events carry the objects,
//! so that a plugin can look closely.

use crate::pod_info::PodInfo;
use api::core::{Node, Pod};
use std::sync::Arc;

/// Something that happened.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ClusterEvent<'a> {
    /// A Pod is on a node now.
    AssignedPodAdd(&'a PodInfo),
    /// A Pod on a node changed: before, after.
    AssignedPodUpdate(&'a PodInfo, &'a PodInfo),
    /// A Pod on a node is gone.
    AssignedPodDelete(&'a PodInfo),
    /// The waiting Pod itself changed: before, after.
    TargetPodUpdate(&'a Pod, &'a Pod),
    /// A node is new.
    NodeAdd(&'a Node),
    /// A node changed.
    NodeUpdate(&'a Node),
    /// A node is gone.
    NodeDelete,
    /// A namespace came or changed its labels.
    NamespaceChange,
    /// A PersistentVolumeClaim came or changed.
    ClaimChange,
    /// A PersistentVolume came or changed.
    VolumeChange,
    /// A StorageClass came or changed.
    StorageClassChange,
    /// The drivers of a node came or changed.
    CsiNodeChange,
}

/// Whether a waiting Pod should be tried again (`QueueingHint`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QueueingHint {
    /// The event changes nothing for the Pod.
    Skip,
    /// The event may help.
    Queue,
}

impl From<bool> for QueueingHint {
    fn from(helps: bool) -> Self {
        if helps { QueueingHint::Queue } else { QueueingHint::Skip }
    }
}

/// A change of a node that can matter to scheduling. The heartbeats of kubelets are none
/// (`nodeSchedulingPropertiesChange`).
pub(crate) fn node_changed(old: &Arc<Node>, new: &Arc<Node>) -> bool {
    let status = |node: &Node| -> Vec<(String, String)> {
        node.status.conditions.iter().map(|condition| (condition.type_.clone(), condition.status.clone())).collect()
    };
    old.status.allocatable != new.status.allocatable
        || old.metadata.labels != new.metadata.labels
        || old.metadata.annotations != new.metadata.annotations
        || old.spec.taints != new.spec.taints
        || old.spec.unschedulable.unwrap_or(false) != new.spec.unschedulable.unwrap_or(false)
        || status(old) != status(new)
}

//! `NodeVolumeLimits`: a CSI driver can attach only so many volumes to a node (`plugins/nodevolumelimits/csi.go`).
//!
//! **Simplified here:** in-tree volumes are not translated to their CSI drivers, and volumes that are still attached without a Pod
//! (VolumeAttachments) are not counted.

use crate::framework::{
    ClusterEvent, CycleState, Filter, Handle, Plugin, PreFilter, PreFilterResult, QueueingHint, Status, node_of, own_update,
};
use crate::node_info::NodeInfo;
use crate::pod_info::{PodInfo, namespace_of};
use crate::pod_volume::PodVolume;
use client::ObjectKey;
use std::collections::{BTreeMap, BTreeSet};

/// The plugin.
#[derive(Debug)]
pub(crate) struct NodeVolumeLimits;

const TOO_MANY: &str = "node(s) exceed max volume count";

/// Adds the CSI volumes of a Pod, by driver. A volume that several Pods share counts once.
fn add_volumes(pod: &PodInfo, handle: &Handle<'_>, volumes: &mut BTreeMap<String, BTreeSet<String>>) {
    let namespace = namespace_of(&pod.pod);
    for volume in &pod.volumes {
        let found = match volume {
            PodVolume::Claim(name) | PodVolume::Ephemeral(name) => csi_of(namespace, name, handle),
            PodVolume::InlineCsi(driver, name) => Some((driver.clone(), format!("{}/{name}", pod.key))),
            PodVolume::Disk(_) => None,
        };
        if let Some((driver, volume)) = found {
            volumes.entry(driver).or_default().insert(volume);
        }
    }
}

/// The driver of a claim, and what its volume is called: that of the volume, or of the class that will make it.
fn csi_of(namespace: &str, name: &str, handle: &Handle<'_>) -> Option<(String, String)> {
    let claim = handle.listers.claims.get(&ObjectKey::new(namespace, name))?;
    if let Some(volume) = handle.listers.volumes.get(&ObjectKey::new("", claim.volume.as_str())) {
        return volume.csi.clone();
    }
    let class = handle.listers.storage_classes.get(&ObjectKey::new("", claim.class.as_deref()?))?;
    Some((class.provisioner.clone(), format!("{namespace}/{name}")))
}

impl Plugin for NodeVolumeLimits {
    fn name(&self) -> &'static str {
        "NodeVolumeLimits"
    }

    fn queueing_hint(&self, _pod: &PodInfo, event: &ClusterEvent<'_>) -> QueueingHint {
        let helps = match event {
            ClusterEvent::AssignedPodDelete(gone) => !gone.volumes.is_empty(),
            ClusterEvent::CsiNodeChange | ClusterEvent::ClaimChange => true,
            other => node_of(other).is_some() || own_update(other, |old, new| old.spec.volumes != new.spec.volumes),
        };
        helps.into()
    }

    fn as_pre_filter(&self) -> Option<&dyn PreFilter> {
        Some(self)
    }

    fn as_filter(&self) -> Option<&dyn Filter> {
        Some(self)
    }
}

impl PreFilter for NodeVolumeLimits {
    fn pre_filter(&self, _state: &mut CycleState, pod: &PodInfo, _handle: &Handle<'_>) -> Result<PreFilterResult, Status> {
        let counts = pod.volumes.iter().any(|volume| !matches!(volume, PodVolume::Disk(_)));
        Ok(if counts { PreFilterResult::AllNodes } else { PreFilterResult::Skip })
    }
}

impl Filter for NodeVolumeLimits {
    fn filter(&self, _state: &CycleState, pod: &PodInfo, node: &NodeInfo, handle: &Handle<'_>) -> Result<(), Status> {
        let Some(csi_node) = handle.listers.csi_nodes.get(&ObjectKey::new("", &*node.name)) else { return Ok(()) };
        let (mut wanted, mut attached) = (BTreeMap::new(), BTreeMap::new());
        add_volumes(pod, handle, &mut wanted);
        if wanted.is_empty() {
            return Ok(());
        }
        for other in &node.pods {
            add_volumes(other, handle, &mut attached);
        }
        for (driver, new) in wanted {
            let Some(Some(limit)) = csi_node.limits.get(&driver).copied() else { continue };
            let there = attached.remove(&driver).unwrap_or_default();
            let added = new.difference(&there).count();
            let total = i64::try_from(there.len() + added).unwrap_or(i64::MAX);
            if added > 0 && total > limit {
                return Err(Status::unschedulable(TOO_MANY));
            }
        }
        Ok(())
    }
}

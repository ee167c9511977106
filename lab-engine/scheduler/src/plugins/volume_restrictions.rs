//! `VolumeRestrictions`: disks that one machine can write to are not on one node twice, and a claim that is for one Pod only gets no second
//! (`plugins/volumerestrictions`).

use crate::framework::{
    ClusterEvent, CycleState, Filter, Handle, Plugin, PreFilter, PreFilterResult, QueueingHint, Status, node_of, own_update,
};
use crate::node_info::NodeInfo;
use crate::pod_info::{PodInfo, namespace_of};
use crate::pod_volume::{Disk, PodVolume};
use client::ObjectKey;
use std::collections::BTreeSet;

/// The plugin.
#[derive(Debug)]
pub(crate) struct VolumeRestrictions;

const DISK_CONFLICT: &str = "node(s) had no available disk";
const CLAIM_CONFLICT: &str = "node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode";

/// The claims of the Pod that are for one Pod only, and how many other Pods use them (`preFilterState`).
#[derive(Clone, Debug)]
struct Exclusive {
    claims: BTreeSet<String>,
    users: i64,
}

impl Exclusive {
    fn count(&mut self, pod: &PodInfo, other: &PodInfo, amount: i64) {
        self.users += amount * used_by(&self.claims, pod, other);
    }
}

/// How many of the claims the other Pod uses.
fn used_by(claims: &BTreeSet<String>, pod: &PodInfo, other: &PodInfo) -> i64 {
    if namespace_of(&pod.pod) != namespace_of(&other.pod) {
        return 0;
    }
    let used = other.volumes.iter().filter(|volume| matches!(volume, PodVolume::Claim(name) if claims.contains(name)));
    i64::try_from(used.count()).unwrap_or(i64::MAX)
}

/// The Pod's disks that can be in conflict.
fn disks(pod: &PodInfo) -> impl Iterator<Item = &Disk> {
    pod.volumes.iter().filter_map(|volume| match volume {
        PodVolume::Disk(disk) => Some(disk),
        _ => None,
    })
}

impl Plugin for VolumeRestrictions {
    fn name(&self) -> &'static str {
        "VolumeRestrictions"
    }

    fn queueing_hint(&self, pod: &PodInfo, event: &ClusterEvent<'_>) -> QueueingHint {
        let helps = match event {
            ClusterEvent::AssignedPodDelete(gone) => {
                disks(pod).any(|disk| disks(gone).any(|other| disk.conflicts(other)))
                    || pod.volumes.iter().filter_map(PodVolume::claim).any(|claim| gone.volumes.iter().any(|v| v.claim() == Some(claim)))
            }
            ClusterEvent::ClaimChange => true,
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

impl PreFilter for VolumeRestrictions {
    fn pre_filter(&self, state: &mut CycleState, pod: &PodInfo, handle: &Handle<'_>) -> Result<PreFilterResult, Status> {
        let mut claims = BTreeSet::new();
        for volume in &pod.volumes {
            let PodVolume::Claim(name) = volume else { continue };
            let claim = handle.listers.claims.get(&ObjectKey::new(namespace_of(&pod.pod), name.as_str()));
            let claim = claim.ok_or_else(|| Status::unresolvable(format!("persistentvolumeclaim {name:?} not found")))?;
            if claim.access_modes.contains("ReadWriteOncePod") {
                claims.insert(name.clone());
            }
        }
        if claims.is_empty() {
            return Ok(if disks(pod).next().is_none() { PreFilterResult::Skip } else { PreFilterResult::AllNodes });
        }
        let users = handle.nodes.iter().flat_map(|node| &node.pods).map(|other| used_by(&claims, pod, other)).sum();
        state.write(Exclusive { claims, users });
        Ok(PreFilterResult::AllNodes)
    }

    fn add_pod(&self, state: &mut CycleState, pod: &PodInfo, added: &PodInfo, _node: &NodeInfo, _handle: &Handle<'_>) {
        if let Some(exclusive) = state.read_mut::<Exclusive>() {
            exclusive.count(pod, added, 1);
        }
    }

    fn remove_pod(&self, state: &mut CycleState, pod: &PodInfo, removed: &PodInfo, _node: &NodeInfo, _handle: &Handle<'_>) {
        if let Some(exclusive) = state.read_mut::<Exclusive>() {
            exclusive.count(pod, removed, -1);
        }
    }
}

impl Filter for VolumeRestrictions {
    fn filter(&self, state: &CycleState, pod: &PodInfo, node: &NodeInfo, _handle: &Handle<'_>) -> Result<(), Status> {
        if disks(pod).any(|disk| node.pods.iter().flat_map(|other| disks(other)).any(|other| disk.conflicts(other))) {
            return Err(Status::unschedulable(DISK_CONFLICT));
        }
        match state.read::<Exclusive>() {
            Some(exclusive) if exclusive.users > 0 => Err(Status::unschedulable(CLAIM_CONFLICT)),
            _ => Ok(()),
        }
    }
}

//! `VolumeZone`: a Pod goes where the volumes of its claims are (`plugins/volumezone`).

use crate::framework::{
    ClusterEvent, CycleState, Filter, Handle, Plugin, PreFilter, PreFilterResult, QueueingHint, Status, node_of, own_update,
};
use crate::node_info::NodeInfo;
use crate::pod_info::{PodInfo, namespace_of};
use crate::pod_volume::PodVolume;
use client::ObjectKey;
use std::collections::BTreeSet;

/// The plugin.
#[derive(Debug)]
pub(crate) struct VolumeZone;

const CONFLICT: &str = "node(s) had no available volume zone";

/// Labels that say where a volume or a node is, those of old with what they are called now.
const TOPOLOGY_LABELS: [(&str, &str); 4] = [
    ("failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone"),
    ("failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region"),
    ("topology.kubernetes.io/zone", "topology.kubernetes.io/zone"),
    ("topology.kubernetes.io/region", "topology.kubernetes.io/region"),
];

/// Where one volume of the Pod is (`pvTopology`).
#[derive(Clone, Debug)]
struct Topology {
    key: &'static str,
    current_key: &'static str,
    values: BTreeSet<String>,
}

#[derive(Clone, Debug)]
struct Topologies(Vec<Topology>);

impl Plugin for VolumeZone {
    fn name(&self) -> &'static str {
        "VolumeZone"
    }

    fn queueing_hint(&self, _pod: &PodInfo, event: &ClusterEvent<'_>) -> QueueingHint {
        let storage = matches!(event, ClusterEvent::ClaimChange | ClusterEvent::VolumeChange | ClusterEvent::StorageClassChange);
        (storage || node_of(event).is_some() || own_update(event, |old, new| old.spec.volumes != new.spec.volumes)).into()
    }

    fn as_pre_filter(&self) -> Option<&dyn PreFilter> {
        Some(self)
    }

    fn as_filter(&self) -> Option<&dyn Filter> {
        Some(self)
    }
}

/// The volume of a claim; `None` when it is to be chosen or made for the node (`getPVbyPod`).
fn volume_of(pod: &PodInfo, claim_name: &str, handle: &Handle<'_>) -> Result<Option<String>, Status> {
    if claim_name.is_empty() {
        return Err(Status::unresolvable("PersistentVolumeClaim had no name"));
    }
    let claim = handle.listers.claims.get(&ObjectKey::new(namespace_of(&pod.pod), claim_name));
    let claim = claim.ok_or_else(|| Status::unresolvable(format!("persistentvolumeclaim {claim_name:?} not found")))?;
    if !claim.volume.is_empty() {
        return Ok(Some(claim.volume.clone()));
    }
    let class_name = claim.class.as_deref().unwrap_or_default();
    if class_name.is_empty() {
        return Err(Status::unresolvable("PersistentVolumeClaim had no pv name and storageClass name"));
    }
    let class = handle.listers.storage_classes.get(&ObjectKey::new("", class_name));
    let class = class.ok_or_else(|| Status::unresolvable(format!("storageclass.storage.k8s.io {class_name:?} not found")))?;
    match class.binding_mode.as_deref() {
        None => Err(Status::unresolvable(format!("VolumeBindingMode not set for StorageClass {class_name:?}"))),
        Some("WaitForFirstConsumer") => Ok(None),
        Some(_) => Err(Status::unresolvable("PersistentVolume had no name")),
    }
}

impl PreFilter for VolumeZone {
    fn pre_filter(&self, state: &mut CycleState, pod: &PodInfo, handle: &Handle<'_>) -> Result<PreFilterResult, Status> {
        let mut topologies = Vec::new();
        for volume in &pod.volumes {
            let PodVolume::Claim(claim) = volume else { continue };
            let Some(name) = volume_of(pod, claim, handle)? else { continue };
            let volume = handle.listers.volumes.get(&ObjectKey::new("", name.as_str()));
            let volume = volume.ok_or_else(|| Status::unresolvable(format!("persistentvolume {name:?} not found")))?;
            for (key, current_key) in TOPOLOGY_LABELS {
                let Some(zones) = volume.metadata.labels.get(key) else { continue };
                // Several zones stand with two underscores between them; an empty one makes the label void.
                let values: BTreeSet<String> = zones.split("__").map(|zone| zone.trim().to_owned()).collect();
                if !values.contains("") {
                    topologies.push(Topology { key, current_key, values });
                }
            }
        }
        if topologies.is_empty() {
            return Ok(PreFilterResult::Skip);
        }
        state.write(Topologies(topologies));
        Ok(PreFilterResult::AllNodes)
    }
}

impl Filter for VolumeZone {
    fn filter(&self, state: &CycleState, _pod: &PodInfo, node: &NodeInfo, _handle: &Handle<'_>) -> Result<(), Status> {
        let Some(Topologies(topologies)) = state.read::<Topologies>() else { return Ok(()) };
        // Of a node that says nothing of where it is nothing is asked: a cluster in one place.
        if TOPOLOGY_LABELS.iter().all(|(key, _)| node.label(key).is_none()) {
            return Ok(());
        }
        let there = |topology: &Topology| {
            let value = node.label(topology.key).or_else(|| node.label(topology.current_key));
            value.is_some_and(|value| topology.values.contains(value))
        };
        if topologies.iter().all(there) { Ok(()) } else { Err(Status::unresolvable(CONFLICT)) }
    }
}

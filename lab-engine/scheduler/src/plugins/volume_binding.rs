//! `VolumeBinding`: the volumes of a Pod's claims must be reachable from the node; claims that wait for their first consumer get a volume
//! for the node that was chosen (`plugins/volumebinding`).
//!
//! ```text
//! PreFilter  the claims: bound, or waiting for a node (one that is neither is refused)
//! Filter     per node: bound volumes reach it, and each waiting claim finds a volume or a class that can make one there
//! Reserve    the volumes that were found are kept for the Pod
//! PreBind    volumes get their claim (claimRef), claims to provision for their node (annotation); then all must be bound
//! ```
//!
//! **Simplified here:** capacity that drivers report (CSIStorageCapacity) is not looked at, and nodes are not scored by how well volumes
//! fill them (`StorageCapacityScoring`, off by default).

use super::node_affinity::matches_terms;
use crate::framework::{
    ClusterEvent, CycleState, Filter, Handle, Plugin, PreBind, PreBindProgress, PreFilter, PreFilterResult, QueueingHint, Reservations,
    Reserve, Status, node_of, own_update,
};
use crate::listers::Listers;
use crate::node_info::NodeInfo;
use crate::pod_info::{PodInfo, namespace_of};
use crate::pod_volume::PodVolume;
use crate::views::{Claim, StorageClass, Volume};
use api::core::Pod;
use api::http::{Body, Method, PatchType, Request, ResourcePath};
use api::kinds::find_resource;
use client::ObjectKey;
use serde_json::{Value, json};
use std::sync::Arc;

/// The plugin.
#[derive(Debug)]
pub(crate) struct VolumeBinding;

const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";
const BIND_CONFLICT: &str = "node(s) didn't find available persistent volumes to bind";
const NODE_CONFLICT: &str = "node(s) had volume node affinity conflict";
const VOLUME_GONE: &str = "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)";

/// The Pod's claims (`PodVolumeClaims`).
#[derive(Clone, Debug, Default)]
struct PodClaims {
    bound: Vec<Arc<Claim>>,
    /// Those that wait for a node, with their class.
    waiting: Vec<(Arc<Claim>, Arc<StorageClass>)>,
}

/// What becomes of a waiting claim on a node.
enum Found {
    /// It gets this volume.
    Volume(Arc<Volume>),
    /// A volume is made for it.
    Provision,
}

fn not_found(kind: &str, name: &str) -> Status {
    Status::unresolvable(format!("{kind} {name:?} not found"))
}

/// The claims of the Pod's volumes, in order.
fn claims_of<'a>(pod: &'a PodInfo, listers: &'a Listers<'_>) -> impl Iterator<Item = Result<&'a Arc<Claim>, Status>> {
    pod.volumes.iter().filter_map(|volume| volume.claim().map(|name| (volume, name))).map(move |(volume, name)| {
        let namespace = namespace_of(&pod.pod);
        let claim = listers.claims.get(&ObjectKey::new(namespace, name));
        match (volume, claim) {
            (PodVolume::Ephemeral(_), None) => {
                let message = format!("waiting for ephemeral volume controller to create the persistentvolumeclaim {name:?}");
                Err(Status::unresolvable(message))
            }
            // `VolumeIsForPod`: somebody's claim may have the name.
            (PodVolume::Ephemeral(_), Some(claim)) if !is_owned_by(claim, &pod.pod) => {
                let owner = &pod.pod.metadata.name;
                let (claim, owner) = (format!("{namespace}/{name}"), format!("{namespace}/{owner}"));
                Err(Status::unresolvable(format!("PVC {claim:?} was not created for pod {owner:?} (pod is not owner)")))
            }
            (_, claim) => claim.ok_or_else(|| not_found("persistentvolumeclaim", name)),
        }
    })
}

/// Whether a claim was made for the Pod.
fn is_owned_by(claim: &Claim, pod: &Pod) -> bool {
    claim.metadata.controller().is_some_and(|owner| *owner.uid == *pod.metadata.uid)
}

/// Whether a claim is wholly bound: to a volume, and the controller has said so (`isPVCFullyBound`).
fn is_bound(claim: &Claim) -> bool {
    !claim.volume.is_empty() && claim.metadata.annotations.contains_key("pv.kubernetes.io/bind-completed")
}

/// Sorts the claims (`GetPodVolumeClaims`).
fn sort_claims(pod: &PodInfo, listers: &Listers<'_>) -> Result<PodClaims, Status> {
    let (mut claims, mut immediate) = (PodClaims::default(), false);
    for claim in claims_of(pod, listers) {
        let claim = claim?;
        let name = &claim.metadata.name;
        if claim.phase == "Lost" {
            let volume = &claim.volume;
            return Err(Status::unresolvable(format!("persistentvolumeclaim {name:?} bound to non-existent persistentvolume {volume:?}")));
        }
        if claim.metadata.is_deleting() {
            return Err(Status::unresolvable(format!("persistentvolumeclaim {name:?} is being deleted")));
        }
        if is_bound(claim) {
            claims.bound.push(claim.clone());
            continue;
        }
        let class_name = claim.class.as_deref().unwrap_or_default();
        let class = listers.storage_classes.get(&ObjectKey::new("", class_name));
        if class.is_none() && !class_name.is_empty() {
            return Err(not_found("storageclass.storage.k8s.io", class_name));
        }
        match class.filter(|class| class.binding_mode.as_deref() == Some("WaitForFirstConsumer")) {
            // One that names its volume already is the controller's business.
            Some(class) if claim.volume.is_empty() => claims.waiting.push((claim.clone(), class.clone())),
            _ => immediate = true,
        }
    }
    if immediate {
        return Err(Status::unresolvable("pod has unbound immediate PersistentVolumeClaims"));
    }
    Ok(claims)
}

/// Whether the volume can be reached from the node (`CheckNodeAffinity`).
fn reaches(volume: &Volume, node: &NodeInfo) -> bool {
    volume.node_affinity.as_ref().is_none_or(|terms| matches_terms(terms, &node.node))
}

/// The smallest free volume that will do for the claim on the node (`FindMatchingVolume`).
fn match_volume(claim: &Claim, node: &NodeInfo, taken: &[String], handle: &Handle<'_>) -> Option<Arc<Volume>> {
    let own = &claim.metadata;
    let class = claim.class.as_deref().unwrap_or_default();
    let reserved_for_other = |volume: &Volume| {
        let kept = handle.reservations.get(&volume.metadata.name);
        kept.is_some_and(|by| *by != ObjectKey::of(claim))
    };
    let fits = |volume: &&Arc<Volume>| {
        let free = match &volume.claim {
            // One that was made for this claim; its UID may not be filled in yet.
            Some((namespace, name, uid)) => *namespace == own.namespace && *name == own.name && (uid.is_empty() || *uid == own.uid),
            None => {
                (volume.phase.is_empty() || volume.phase == "Available")
                    && claim.selector.as_ref().is_none_or(|selector| selector.matches(&volume.metadata.labels))
            }
        };
        free && volume.class == class
            && volume.mode == claim.mode
            && volume.capacity >= claim.request
            && claim.access_modes.is_subset(&volume.access_modes)
            && !volume.metadata.is_deleting()
            && !taken.contains(&volume.metadata.name)
            && !reserved_for_other(volume)
            && reaches(volume, node)
    };
    let rank = |volume: &&Arc<Volume>| (volume.claim.is_none(), volume.capacity);
    handle.listers.volumes.list().filter(fits).min_by_key(rank).cloned()
}

/// Whether the class can make a volume that is reached from the node (`checkVolumeProvisions`).
fn can_provision(class: &StorageClass, node: &NodeInfo) -> bool {
    let allowed = &class.allowed_topologies;
    let there = |term: &std::collections::BTreeMap<String, std::collections::BTreeSet<String>>| {
        term.iter().all(|(key, values)| node.label(key).is_some_and(|value| values.contains(value)))
    };
    !class.provisioner.is_empty()
        && class.provisioner != "kubernetes.io/no-provisioner"
        && (allowed.is_empty() || allowed.iter().any(there))
}

/// What each waiting claim gets on the node (`FindPodVolumes`).
fn find(claims: &PodClaims, node: &NodeInfo, handle: &Handle<'_>) -> Result<Vec<Found>, Status> {
    for claim in &claims.bound {
        let volume = handle.listers.volumes.get(&ObjectKey::new("", claim.volume.as_str()));
        let volume = volume.ok_or_else(|| Status::unresolvable(VOLUME_GONE))?;
        if !reaches(volume, node) {
            return Err(Status::unresolvable(NODE_CONFLICT));
        }
    }
    let (mut found, mut taken) = (Vec::with_capacity(claims.waiting.len()), Vec::new());
    for (claim, class) in &claims.waiting {
        let selected = claim.metadata.annotations.get(SELECTED_NODE);
        if let Some(selected) = selected {
            // A volume is being made for a node already.
            if **selected != *node.name {
                return Err(Status::unresolvable(BIND_CONFLICT));
            }
            found.push(Found::Provision);
        } else if let Some(volume) = match_volume(claim, node, &taken, handle) {
            taken.push(volume.metadata.name.clone());
            found.push(Found::Volume(volume));
        } else if can_provision(class, node) {
            found.push(Found::Provision);
        } else {
            return Err(Status::unresolvable(BIND_CONFLICT));
        }
    }
    Ok(found)
}

impl Plugin for VolumeBinding {
    fn name(&self) -> &'static str {
        "VolumeBinding"
    }

    fn queueing_hint(&self, _pod: &PodInfo, event: &ClusterEvent<'_>) -> QueueingHint {
        let storage = matches!(
            event,
            ClusterEvent::ClaimChange | ClusterEvent::VolumeChange | ClusterEvent::StorageClassChange | ClusterEvent::CsiNodeChange
        );
        (storage || node_of(event).is_some() || own_update(event, |old, new| old.spec.volumes != new.spec.volumes)).into()
    }

    fn as_pre_filter(&self) -> Option<&dyn PreFilter> {
        Some(self)
    }

    fn as_filter(&self) -> Option<&dyn Filter> {
        Some(self)
    }

    fn as_reserve(&self) -> Option<&dyn Reserve> {
        Some(self)
    }

    fn as_pre_bind(&self) -> Option<&dyn PreBind> {
        Some(self)
    }
}

impl PreFilter for VolumeBinding {
    fn pre_filter(&self, state: &mut CycleState, pod: &PodInfo, handle: &Handle<'_>) -> Result<PreFilterResult, Status> {
        if pod.volumes.iter().all(|volume| volume.claim().is_none()) {
            return Ok(PreFilterResult::Skip);
        }
        state.write(sort_claims(pod, &handle.listers)?);
        Ok(PreFilterResult::AllNodes)
    }
}

impl Filter for VolumeBinding {
    fn filter(&self, state: &CycleState, _pod: &PodInfo, node: &NodeInfo, handle: &Handle<'_>) -> Result<(), Status> {
        state.read::<PodClaims>().map_or(Ok(()), |claims| find(claims, node, handle).map(drop))
    }
}

impl Reserve for VolumeBinding {
    fn reserve(&self, state: &CycleState, _pod: &PodInfo, node: &NodeInfo, handle: &Handle<'_>) -> Result<Reservations, Status> {
        let Some(claims) = state.read::<PodClaims>() else { return Ok(Reservations::new()) };
        let found = find(claims, node, handle)?;
        let kept = claims.waiting.iter().zip(found).filter_map(|((claim, _), found)| match found {
            Found::Volume(volume) => Some((volume.metadata.name.clone(), ObjectKey::of(claim.as_ref()))),
            Found::Provision => None,
        });
        Ok(kept.collect())
    }
}

fn patch(plural: &str, key: &ObjectKey, change: Value) -> Option<Request> {
    let path = ResourcePath::object(find_resource("", "v1", plural)?, &key.namespace, &key.name);
    Some(Request::new(Method::Patch, path).body(Body::Patch(PatchType::Merge, change)))
}

impl PreBind for VolumeBinding {
    /// Writes the claim into each volume that was kept, and the node into each claim for which one is to be made (`bindAPIUpdate`).
    fn pre_bind(&self, pod: &PodInfo, node: &str, reserved: &Reservations, handle: &Handle<'_>) -> Vec<Request> {
        let mut requests = Vec::new();
        for claim in claims_of(pod, &handle.listers).flatten().filter(|claim| !is_bound(claim)) {
            let key = ObjectKey::of(claim.as_ref());
            match reserved.iter().find(|(_, by)| **by == key) {
                Some((volume, _)) => {
                    let reference = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": key.namespace,
                        "name": key.name, "uid": claim.metadata.uid});
                    let annotation = json!({"pv.kubernetes.io/bound-by-controller": "yes"});
                    let change = json!({"metadata": {"annotations": annotation}, "spec": {"claimRef": reference}});
                    requests.extend(patch("persistentvolumes", &ObjectKey::new("", volume.as_str()), change));
                }
                None if claim.metadata.annotations.get(SELECTED_NODE).is_none_or(|selected| selected != node) => {
                    let change = json!({"metadata": {"uid": claim.metadata.uid, "annotations": {SELECTED_NODE: node}}});
                    requests.extend(patch("persistentvolumeclaims", &key, change));
                }
                None => {}
            }
        }
        requests
    }

    /// Whether all claims are bound (`checkBindings`). One whose provisioner gave the node up makes the Pod look for another.
    fn progress(&self, pod: &PodInfo, _node: &str, handle: &Handle<'_>) -> Result<PreBindProgress, Status> {
        for claim in claims_of(pod, &handle.listers) {
            let claim = claim?;
            if claim.metadata.is_deleting() {
                return Err(Status::unresolvable(format!("persistentvolumeclaim {:?} is being deleted", claim.metadata.name)));
            }
            if !is_bound(claim) {
                return Ok(PreBindProgress::Waiting);
            }
        }
        Ok(PreBindProgress::Ready)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dry_run::Scene;
    use serde_json::json;

    fn claim(name: &str, class: &str, bound_to: &str) -> Value {
        let annotations = if bound_to.is_empty() { json!({}) } else { json!({"pv.kubernetes.io/bind-completed": "yes"}) };
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": name, "namespace": "default", "annotations": annotations},
            "spec": {"accessModes": ["ReadWriteOnce"], "volumeName": bound_to, "storageClassName": class,
                "resources": {"requests": {"storage": "1Gi"}}}})
    }

    fn volume(name: &str, class: &str, size: &str, node: &str) -> Value {
        let term = json!({"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]});
        json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": {"accessModes": ["ReadWriteOnce"],
            "capacity": {"storage": size}, "storageClassName": class, "nodeAffinity": {"required": {"nodeSelectorTerms": [term]}}}})
    }

    fn class(name: &str, provisioner: &str, mode: &str) -> Value {
        json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name}, "provisioner": provisioner,
            "volumeBindingMode": mode})
    }

    /// What the plugin says of `a` and `b` for a Pod with this claim.
    fn verdicts(objects: &[Value]) -> Vec<String> {
        let mut scene = Scene::default();
        let nodes = ["a", "b"].map(|name| json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}));
        for object in objects.iter().chain(&nodes) {
            scene.add(object).unwrap();
        }
        let volumes = json!([{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]);
        let pod = json!({"metadata": {"name": "p", "namespace": "default"}, "spec": {"volumes": volumes}});
        let found = scene.filter("VolumeBinding", &Value::Null, &pod).unwrap();
        found.into_values().map(|verdict| verdict.reasons.join(", ")).collect()
    }

    #[test]
    fn a_bound_volume_decides_where_the_pod_can_go() {
        let objects = [claim("data", "local", "disk"), volume("disk", "local", "1Gi", "b"), class("local", "x", "Immediate")];
        assert_eq!(verdicts(&objects), [NODE_CONFLICT, ""]);
        assert_eq!(verdicts(&[claim("data", "local", "gone")]), [VOLUME_GONE, VOLUME_GONE]);
        assert_eq!(verdicts(&[]), ["persistentvolumeclaim \"data\" not found"; 2]);
    }

    #[test]
    fn a_claim_that_waits_takes_what_the_node_has_or_can_make() {
        let wait = |provisioner| class("local", provisioner, "WaitForFirstConsumer");
        let objects = [claim("data", "local", ""), volume("small", "local", "1Mi", "a"), volume("disk", "local", "2Gi", "b")];
        let with = |class: Value| verdicts(&[&objects[..], &[class]].concat());
        assert_eq!(with(wait("kubernetes.io/no-provisioner")), [BIND_CONFLICT, ""]);
        assert_eq!(with(wait("example.com/csi")), ["", ""]);
        assert_eq!(with(class("local", "example.com/csi", "Immediate")), ["pod has unbound immediate PersistentVolumeClaims"; 2]);
    }
}

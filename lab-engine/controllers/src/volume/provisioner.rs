//! Stands for the controllers that come with storage drivers: makes, grows and deletes volumes
//! (`kubernetes-csi/external-provisioner`, `external-resizer`).
//!
//! It serves the drivers in [`DRIVERS`]; claims of other provisioners wait, as they do in a cluster where such a driver is not installed.
//!
//! **Simplified here:** volumes of classes that name a provisioner inside Kubernetes are CSI volumes, not translated back to its source; a
//! volume is there at once and holds what was asked for; growing needs no node.

use super::matching::claim_class;
use super::{PROVISIONED_BY, SELECTED_NODE, STORAGE_PROVISIONER, driver_of};
use crate::caches::Caches;
use crate::driver::{Answer, Call, Controller, Plan, Sink};
use api::Resource;
use api::core::{
    CsiPersistentVolumeSource, HostPathVolumeSource, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, ObjectReference,
    PersistentVolume, PersistentVolumeClaim, VolumeNodeAffinity,
};
use api::meta::Condition;
use api::storage::StorageClass;
use client::{EventType, ObjectKey};
use sim::Time;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The drivers that are installed, and whether their volumes are on one node only.
pub(crate) const DRIVERS: [(&str, bool); 7] = [
    ("csi.simulated.example", false),
    ("hostpath.csi.k8s.io", true),
    ("rancher.io/local-path", true),
    ("k8s.io/minikube-hostpath", false),
    ("ebs.csi.aws.com", false),
    ("pd.csi.storage.gke.io", false),
    ("disk.csi.azure.com", false),
];

/// Keeps a volume until its driver has deleted the storage.
const FINALIZER: &str = "external-provisioner.volume.kubernetes.io/finalizer";
const HOSTNAME: &str = "kubernetes.io/hostname";

/// Makes, grows and deletes volumes.
#[derive(Debug, Default)]
pub(crate) struct Provisioner {
    /// Keys whose look has not yet been taken.
    due: BTreeSet<ObjectKey>,
}

/// What a write is for.
#[derive(Clone, Debug)]
pub(crate) enum Note {
    /// The claim gets this volume.
    Provision(Arc<PersistentVolumeClaim>, String),
    /// The claim has grown.
    Grown(Arc<PersistentVolumeClaim>),
    Other,
}

fn driver(name: &str) -> Option<(&'static str, bool)> {
    DRIVERS.iter().find(|(driver, _)| *driver == name).copied()
}

/// The directory of the node that is the volume, for provisioners that are no CSI drivers.
fn directory(provisioner: &str, claim: &PersistentVolumeClaim, volume: &str) -> Option<String> {
    let (namespace, name) = (&claim.metadata.namespace, &claim.metadata.name);
    match provisioner {
        "rancher.io/local-path" => Some(format!("/opt/local-path-provisioner/{volume}_{namespace}_{name}")),
        "k8s.io/minikube-hostpath" => Some(format!("/tmp/hostpath-provisioner/{namespace}/{name}")),
        _ => None,
    }
}

/// The volume that a claim gets.
fn volume(claim: &PersistentVolumeClaim, class: &StorageClass, local: bool) -> PersistentVolume {
    let name = format!("pvc-{}", claim.metadata.uid);
    let mut volume = PersistentVolume::default();
    volume.metadata.name.clone_from(&name);
    volume.metadata.annotations.insert(PROVISIONED_BY.to_owned(), driver_of(&class.provisioner).to_owned());
    volume.metadata.finalizers.push(FINALIZER.to_owned());
    let spec = &mut volume.spec;
    spec.capacity.extend(claim.spec.resources.requests.get_key_value("storage").map(|(name, size)| (name.clone(), *size)));
    spec.access_modes.clone_from(&claim.spec.access_modes);
    spec.claim_ref = Some(ObjectReference {
        kind: PersistentVolumeClaim::INFO.kind.clone().into_owned(),
        api_version: "v1".to_owned(),
        namespace: claim.metadata.namespace.clone(),
        name: claim.metadata.name.clone(),
        uid: claim.metadata.uid.clone(),
        resource_version: claim.metadata.resource_version.to_string(),
        ..ObjectReference::default()
    });
    spec.persistent_volume_reclaim_policy = class.reclaim_policy.clone().unwrap_or_else(|| "Delete".to_owned());
    spec.storage_class_name.clone_from(&class.metadata.name);
    spec.mount_options.clone_from(&class.mount_options);
    spec.volume_mode.clone_from(&claim.spec.volume_mode);
    match directory(&class.provisioner, claim, &name) {
        Some(path) => {
            spec.host_path = Some(HostPathVolumeSource { path, type_: Some("DirectoryOrCreate".to_owned()), ..Default::default() });
        }
        None => {
            let driver = driver_of(&class.provisioner).to_owned();
            spec.csi = Some(CsiPersistentVolumeSource { driver, volume_handle: name, ..Default::default() });
        }
    }
    if let Some(node) = claim.metadata.annotations.get(SELECTED_NODE).filter(|_| local) {
        let requirement = NodeSelectorRequirement {
            key: HOSTNAME.to_owned(),
            operator: "In".to_owned(),
            values: vec![node.clone()],
            ..NodeSelectorRequirement::default()
        };
        let term = NodeSelectorTerm { match_expressions: vec![requirement], ..NodeSelectorTerm::default() };
        let required = Some(NodeSelector { node_selector_terms: vec![term], ..NodeSelector::default() });
        spec.node_affinity = Some(VolumeNodeAffinity { required, ..VolumeNodeAffinity::default() });
    }
    volume
}

/// Makes a volume for a claim that waits for one.
fn provision(_now: Time, caches: &Caches, claim: &Arc<PersistentVolumeClaim>, sink: &mut Sink<'_>) -> Option<Call<Note>> {
    let annotations = &claim.metadata.annotations;
    let (name, local) = annotations.get(STORAGE_PROVISIONER).and_then(|name| driver(name))?;
    let class =
        caches.classes.lister().get(&ObjectKey::new("", claim_class(claim))).filter(|class| driver_of(&class.provisioner) == name)?;
    let waits = class.volume_binding_mode.as_deref() == Some("WaitForFirstConsumer") && !annotations.contains_key(SELECTED_NODE);
    let volume = volume(claim, class, local);
    let made = caches.volumes.lister().get(&ObjectKey::new("", volume.metadata.name.as_str())).is_some();
    if claim.metadata.is_deleting() || !claim.spec.volume_name.is_empty() || waits || made {
        return None;
    }
    let (namespace, own) = (&claim.metadata.namespace, &claim.metadata.name);
    let message = format!("External provisioner is provisioning volume for claim \"{namespace}/{own}\"");
    sink.event(claim.as_ref(), EventType::Normal, "Provisioning", &message);
    let note = Note::Provision(claim.clone(), volume.metadata.name.clone());
    Some(Call::create(volume, note))
}

/// Grows the volume of a claim that asks for more, then tells the claim.
fn grow(now: Time, caches: &Caches, claim: &Arc<PersistentVolumeClaim>, sink: &mut Sink<'_>) -> Option<Call<Note>> {
    let wanted = *claim.spec.resources.requests.get("storage")?;
    let has = claim.status.capacity.get("storage").copied().unwrap_or_default();
    if claim.status.phase != "Bound" || claim.metadata.is_deleting() || wanted <= has {
        return None;
    }
    let volume = caches.volumes.lister().get(&ObjectKey::new("", claim.spec.volume_name.as_str()))?;
    driver(&volume.spec.csi.as_ref()?.driver)?;
    if !claim.status.conditions.iter().any(|condition| condition.type_ == "Resizing") {
        let message = format!("External resizer is resizing volume {}", volume.metadata.name);
        sink.event(claim.as_ref(), EventType::Normal, "Resizing", &message);
        let mut changed = PersistentVolumeClaim::clone(claim);
        changed.status.allocated_resources.insert("storage".to_owned(), wanted);
        changed.status.conditions.push(Condition {
            type_: "Resizing".to_owned(),
            status: "True".to_owned(),
            last_transition_time: Some(now.into()),
            ..Condition::default()
        });
        return Some(Call::update_status(changed, Note::Other));
    }
    if volume.spec.capacity.get("storage").is_none_or(|size| *size < wanted) {
        let mut changed = PersistentVolume::clone(volume);
        changed.spec.capacity.insert("storage".to_owned(), wanted);
        return Some(Call::update(changed, Note::Other));
    }
    let mut changed = PersistentVolumeClaim::clone(claim);
    changed.status.capacity.insert("storage".to_owned(), wanted);
    changed.status.conditions.retain(|condition| condition.type_ != "Resizing");
    Some(Call::update_status(changed, Note::Grown(claim.clone())))
}

/// Deletes a volume that was made for a claim which is gone, or that someone deletes.
fn clean_up(volume: &Arc<PersistentVolume>) -> Option<Call<Note>> {
    driver(volume.metadata.annotations.get(PROVISIONED_BY)?)?;
    if volume.metadata.is_deleting() {
        let free = volume.status.phase != "Bound" && volume.metadata.finalizers.iter().any(|own| own == FINALIZER);
        let mut changed = PersistentVolume::clone(volume);
        changed.metadata.finalizers.retain(|own| own != FINALIZER);
        return free.then(|| Call::update(changed, Note::Other));
    }
    let released = volume.status.phase == "Released" && volume.spec.persistent_volume_reclaim_policy == "Delete";
    released.then(|| Call::delete(volume.as_ref(), Note::Other))
}

impl Controller for Provisioner {
    type Note = Note;

    fn reconcile(&mut self, _now: Time, _caches: &Caches, key: &ObjectKey, _sink: &mut Sink<'_>) -> Plan<Note> {
        self.due.insert(key.clone());
        Plan::default()
    }

    fn proceed(&mut self, now: Time, caches: &Caches, key: &ObjectKey, sink: &mut Sink<'_>) -> Vec<Call<Note>> {
        if !self.due.remove(key) {
            return Vec::new();
        }
        let next = if key.namespace.is_empty() {
            caches.volumes.lister().get(key).and_then(clean_up)
        } else {
            let claim = caches.claims.lister().get(key);
            claim.and_then(|claim| provision(now, caches, claim, sink).or_else(|| grow(now, caches, claim, sink)))
        };
        next.into_iter().collect()
    }

    fn answered(&mut self, _key: &ObjectKey, note: &Note, answer: Answer, sink: &mut Sink<'_>) -> Result<(), String> {
        let mut tell = |claim: &Arc<PersistentVolumeClaim>, kind, reason: &str, message: &str| {
            sink.event(claim.as_ref(), kind, reason, message);
        };
        match (note, answer) {
            (Note::Provision(claim, name), Ok(_)) => {
                tell(claim, EventType::Normal, "ProvisioningSucceeded", &format!("Successfully provisioned volume {name}"));
                Ok(())
            }
            (Note::Provision(..), Err(refusal)) if refusal.code == 409 => Ok(()),
            (Note::Provision(claim, _), Err(refusal)) => {
                let message = format!("failed to provision volume with StorageClass {:?}: {}", claim_class(claim), refusal.message);
                tell(claim, EventType::Warning, "ProvisioningFailed", &message);
                Err(refusal.message)
            }
            (Note::Grown(claim), Ok(_)) => {
                tell(claim, EventType::Normal, "VolumeResizeSuccessful", "Resize volume succeeded");
                Ok(())
            }
            (_, Err(refusal)) if refusal.code != 404 => Err(refusal.message),
            _ => Ok(()),
        }
    }
}

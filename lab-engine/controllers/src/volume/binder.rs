//! The PersistentVolume controller: binds claims and volumes, and reclaims volumes
//! (`pkg/controller/volume/persistentvolume/pv_controller.go`).
//!
//! A binding takes four writes: the volume names the claim, the volume is `Bound`, the claim names the volume, the claim is `Bound`. Each look
//! makes the next of them, from what the caches show, so that a binding can be taken up where it was left.
//!
//! **Simplified here:** recycling is done at once, without a Pod that scrubs the directory.

use super::matching::{claim_class, find, is_bound_to, leaves_class_open, mismatch};
use super::{BIND_COMPLETED, BOUND_BY_CONTROLLER, PROVISIONED_BY, SELECTED_NODE, STORAGE_PROVISIONER, driver_of};
use crate::caches::Caches;
use crate::driver::{Answer, Call, Controller, Plan, Sink, succeeded_or_gone};
use api::Resource;
use api::core::{ObjectReference, PersistentVolume, PersistentVolumeClaim};
use api::storage::StorageClass;
use client::{EventType, ObjectKey};
use sim::Time;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Class annotations that make a class the default one.
const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";
/// The prefix of provisioners inside Kubernetes; those from which no driver has taken over make no volumes any more.
const IN_TREE: &str = "kubernetes.io/";

/// Binds claims and volumes.
#[derive(Debug, Default)]
pub(crate) struct VolumeBinder {
    /// Keys whose look has not yet been taken.
    due: BTreeSet<ObjectKey>,
}

type Next = Option<Call<()>>;

/// Puts the volume into a phase, if it is not in it (`updateVolumePhase`).
fn volume_phase(now: Time, volume: &PersistentVolume, phase: &str, message: &str) -> Next {
    if volume.status.phase == phase && volume.status.message == message {
        return None;
    }
    let mut changed = volume.clone();
    if volume.status.phase != phase {
        changed.status.last_phase_transition_time = Some(now.into());
    }
    phase.clone_into(&mut changed.status.phase);
    message.clone_into(&mut changed.status.message);
    Some(Call::update_status(changed, ()))
}

/// Puts the claim into a phase with what its volume has (`updateClaimStatus`).
fn claim_phase(claim: &PersistentVolumeClaim, phase: &str, volume: Option<&PersistentVolume>) -> Next {
    let mut changed = claim.clone();
    phase.clone_into(&mut changed.status.phase);
    match volume {
        None => {
            changed.status.access_modes.clear();
            changed.status.capacity.clear();
        }
        Some(volume) => {
            changed.status.access_modes.clone_from(&volume.spec.access_modes);
            // Once bound, the capacity grows only as an expansion goes on.
            if claim.status.phase != "Bound"
                && let Some(storage) = volume.spec.capacity.get("storage")
            {
                changed.status.capacity.insert("storage".to_owned(), *storage);
            }
        }
    }
    if changed.status == claim.status { None } else { Some(Call::update_status(changed, ())) }
}

/// The next write of a binding (`bind`).
fn bind(now: Time, volume: &PersistentVolume, claim: &PersistentVolumeClaim) -> Next {
    let uid = volume.spec.claim_ref.as_ref().map(|reference| reference.uid.as_str());
    if uid != Some(claim.metadata.uid.as_str()) {
        let mut changed = volume.clone();
        if volume.spec.claim_ref.is_none() {
            changed.metadata.annotations.insert(BOUND_BY_CONTROLLER.to_owned(), "yes".to_owned());
        }
        changed.spec.claim_ref = Some(ObjectReference {
            kind: PersistentVolumeClaim::INFO.kind.clone().into_owned(),
            api_version: "v1".to_owned(),
            namespace: claim.metadata.namespace.clone(),
            name: claim.metadata.name.clone(),
            uid: claim.metadata.uid.clone(),
            resource_version: claim.metadata.resource_version.to_string(),
            ..ObjectReference::default()
        });
        return Some(Call::update(changed, ()));
    }
    if let Some(call) = volume_phase(now, volume, "Bound", "") {
        return Some(call);
    }
    let mut changed = claim.clone();
    if claim.spec.volume_name.is_empty() {
        changed.spec.volume_name.clone_from(&volume.metadata.name);
        changed.metadata.annotations.insert(BOUND_BY_CONTROLLER.to_owned(), "yes".to_owned());
    }
    changed.metadata.annotations.entry(BIND_COMPLETED.to_owned()).or_insert_with(|| "yes".to_owned());
    if changed != *claim {
        return Some(Call::update(changed, ()));
    }
    claim_phase(claim, "Bound", Some(volume))
}

/// Takes a volume back from a claim; what a user reserved stays reserved for a claim of that name (`unbindVolume`).
fn unbind(now: Time, volume: &PersistentVolume) -> Next {
    let mut changed = volume.clone();
    if changed.metadata.annotations.remove(BOUND_BY_CONTROLLER).is_some() {
        changed.spec.claim_ref = None;
    } else if let Some(reference) = &mut changed.spec.claim_ref {
        reference.uid.clear();
        reference.resource_version.clear();
    }
    if changed == *volume { volume_phase(now, volume, "Available", "") } else { Some(Call::update(changed, ())) }
}

/// One look at one object.
struct Look<'a, 'b> {
    now: Time,
    caches: &'a Caches,
    sink: &'a mut Sink<'b>,
}

impl Look<'_, '_> {
    fn tell<R: Resource>(&mut self, about: &Arc<R>, kind: EventType, reason: &str, message: &str) {
        self.sink.events.event(self.now, about.as_ref(), kind, reason, message, self.sink.out);
    }

    fn volume(&self, name: &str) -> Option<Arc<PersistentVolume>> {
        self.caches.volumes.lister().get(&ObjectKey::new("", name)).cloned()
    }

    fn class(&self, claim: &PersistentVolumeClaim) -> Option<&Arc<StorageClass>> {
        self.caches.classes.lister().get(&ObjectKey::new("", claim_class(claim)))
    }

    /// Models `syncClaim`.
    fn claim(&mut self, claim: &Arc<PersistentVolumeClaim>) -> Next {
        if claim.metadata.annotations.contains_key(BIND_COMPLETED) {
            return self.bound_claim(claim);
        }
        if claim.metadata.is_deleting() {
            return None;
        }
        if !claim.spec.volume_name.is_empty() {
            return self.claim_of_volume(claim);
        }
        let waits = self.class(claim).is_some_and(|class| class.volume_binding_mode.as_deref() == Some("WaitForFirstConsumer"));
        let delayed = waits && !claim.metadata.annotations.contains_key(SELECTED_NODE);
        if let Some(volume) = find(claim, self.caches.volumes.lister().list(), None, &BTreeSet::new(), waits) {
            return bind(self.now, volume, claim);
        }
        if let Some(call) = self.default_class(claim) {
            return Some(call);
        }
        if delayed {
            let message = "waiting for first consumer to be created before binding";
            self.tell(claim, EventType::Normal, "WaitForFirstConsumer", message);
        } else if !claim_class(claim).is_empty() {
            return self.provision(claim);
        } else {
            let message = "no persistent volumes available for this claim and no storage class is set";
            self.tell(claim, EventType::Normal, "FailedBinding", message);
        }
        claim_phase(claim, "Pending", None)
    }

    /// Gives a claim that leaves its class open the default class that has appeared since (`assignDefaultStorageClass`).
    fn default_class(&self, claim: &PersistentVolumeClaim) -> Next {
        if !leaves_class_open(claim) {
            return None;
        }
        let is_default = |class: &&Arc<StorageClass>| class.metadata.annotations.get(DEFAULT_CLASS).is_some_and(|value| value == "true");
        let newest = |class: &&Arc<StorageClass>| (class.metadata.creation_timestamp, std::cmp::Reverse(class.metadata.name.clone()));
        let class = self.caches.classes.lister().list().filter(is_default).max_by_key(newest)?;
        let mut changed = claim.clone();
        changed.spec.storage_class_name = Some(class.metadata.name.clone());
        Some(Call::update(changed, ()))
    }

    /// Asks for a volume (`provisionClaim`): names the provisioner, which does the rest.
    fn provision(&mut self, claim: &Arc<PersistentVolumeClaim>) -> Next {
        let Some(class) = self.class(claim).cloned() else {
            let message = format!("storageclass.storage.k8s.io {:?} not found", claim_class(claim));
            self.tell(claim, EventType::Warning, "ProvisioningFailed", &message);
            return claim_phase(claim, "Pending", None);
        };
        let provisioner = driver_of(&class.provisioner);
        if provisioner.starts_with(IN_TREE) {
            let message = format!("no volume plugin matched name: {provisioner}");
            self.tell(claim, EventType::Warning, "ProvisioningFailed", &message);
            return claim_phase(claim, "Pending", None);
        }
        if claim.metadata.annotations.get(STORAGE_PROVISIONER).is_none_or(|named| named != provisioner) {
            let mut changed = PersistentVolumeClaim::clone(claim);
            for key in ["volume.beta.kubernetes.io/storage-provisioner", STORAGE_PROVISIONER] {
                changed.metadata.annotations.insert(key.to_owned(), provisioner.to_owned());
            }
            return Some(Call::update(changed, ()));
        }
        let message = format!(
            "Waiting for a volume to be created either by the external provisioner '{provisioner}' or manually by the system administrator. \
             If volume creation is delayed, please verify that the provisioner is running and correctly registered."
        );
        self.tell(claim, EventType::Normal, "ExternalProvisioning", &message);
        claim_phase(claim, "Pending", None)
    }

    /// The claim asks for one volume, or is half bound to it (the second half of `syncUnboundClaim`).
    fn claim_of_volume(&mut self, claim: &Arc<PersistentVolumeClaim>) -> Next {
        let name = &claim.spec.volume_name;
        let Some(volume) = self.volume(name) else { return claim_phase(claim, "Pending", None) };
        if is_bound_to(&volume, claim) {
            return bind(self.now, &volume, claim);
        }
        if volume.spec.claim_ref.is_none() {
            let Some(why) = mismatch(&volume, claim) else { return bind(self.now, &volume, claim) };
            let message = format!("Cannot bind to requested volume {name:?}: {why}");
            self.tell(claim, EventType::Warning, "VolumeMismatch", &message);
        } else {
            let message = format!("volume {name:?} already bound to a different claim.");
            self.tell(claim, EventType::Warning, "FailedBinding", &message);
        }
        claim_phase(claim, "Pending", None)
    }

    /// Models `syncBoundClaim`.
    fn bound_claim(&mut self, claim: &Arc<PersistentVolumeClaim>) -> Next {
        let lost = |look: &mut Self, reason: &str, message: &str| {
            if claim.status.phase != "Lost" {
                look.tell(claim, EventType::Warning, reason, message);
            }
            claim_phase(claim, "Lost", None)
        };
        if claim.spec.volume_name.is_empty() {
            return lost(self, "ClaimLost", "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!");
        }
        let Some(volume) = self.volume(&claim.spec.volume_name) else {
            return lost(self, "ClaimLost", "Bound claim has lost its PersistentVolume. Data on the volume is lost!");
        };
        match &volume.spec.claim_ref {
            Some(reference) if reference.uid != claim.metadata.uid => {
                lost(self, "ClaimMisbound", "Two claims are bound to the same volume, this one is bound incorrectly")
            }
            _ => bind(self.now, &volume, claim),
        }
    }

    /// Models `syncVolume`.
    fn volume_look(&mut self, volume: &Arc<PersistentVolume>) -> Next {
        let Some(reference) = volume.spec.claim_ref.as_ref().filter(|reference| !reference.uid.is_empty()) else {
            return volume_phase(self.now, volume, "Available", "");
        };
        let key = ObjectKey::new(reference.namespace.as_str(), reference.name.as_str());
        let claim = self.caches.claims.lister().get(&key).filter(|claim| claim.metadata.uid == reference.uid);
        match claim {
            None => {
                if !matches!(volume.status.phase.as_str(), "Released" | "Failed") {
                    return volume_phase(self.now, volume, "Released", "");
                }
                self.reclaim(volume)
            }
            // Its own look goes on with the binding.
            Some(claim) if claim.spec.volume_name.is_empty() => None,
            Some(claim) if claim.spec.volume_name == volume.metadata.name => volume_phase(self.now, volume, "Bound", ""),
            Some(_) if volume.metadata.annotations.contains_key(PROVISIONED_BY) && policy(volume) == "Delete" => {
                volume_phase(self.now, volume, "Released", "")
            }
            Some(_) => unbind(self.now, volume),
        }
    }

    /// What becomes of a volume whose claim is gone (`reclaimVolume`).
    fn reclaim(&mut self, volume: &Arc<PersistentVolume>) -> Next {
        if volume.status.phase == "Failed" || volume.metadata.is_deleting() {
            return None;
        }
        let fail = |look: &mut Self, reason: &str, message: &str| {
            look.tell(volume, EventType::Warning, reason, message);
            volume_phase(look.now, volume, "Failed", message)
        };
        match policy(volume) {
            // The driver's own controller deletes what it made.
            "Delete" if volume.metadata.annotations.contains_key(PROVISIONED_BY) || volume.spec.csi.is_some() => None,
            "Delete" => match &volume.spec.host_path {
                Some(path) if path.path.starts_with("/tmp/") => self.delete(volume),
                Some(path) => fail(
                    self,
                    "VolumeFailedDelete",
                    &format!("host_path deleter only supports /tmp/.+ but received provided {}", path.path),
                ),
                None => {
                    let name = &volume.metadata.name;
                    let why = format!("error getting deleter volume plugin for volume {name:?}: no deletable volume plugin matched");
                    fail(self, "VolumeFailedDelete", &why)
                }
            },
            "Recycle" if volume.spec.host_path.is_some() || volume.spec.nfs.is_some() => {
                self.tell(volume, EventType::Normal, "VolumeRecycled", "Volume recycled");
                // Recycled volumes are free for everyone.
                let mut changed = PersistentVolume::clone(volume);
                changed.metadata.annotations.insert(BOUND_BY_CONTROLLER.to_owned(), "yes".to_owned());
                unbind(self.now, &changed)
            }
            "Recycle" => fail(self, "VolumeFailedRecycle", "no volume plugin matched"),
            _ => None,
        }
    }

    fn delete(&self, volume: &PersistentVolume) -> Next {
        Some(Call::delete(volume, ()))
    }
}

fn policy(volume: &PersistentVolume) -> &str {
    &volume.spec.persistent_volume_reclaim_policy
}

impl Controller for VolumeBinder {
    type Note = ();

    fn reconcile(&mut self, _now: Time, _caches: &Caches, key: &ObjectKey, _sink: &mut Sink<'_>) -> Plan<()> {
        self.due.insert(key.clone());
        Plan::default()
    }

    /// Takes the look, once.
    fn proceed(&mut self, now: Time, caches: &Caches, key: &ObjectKey, sink: &mut Sink<'_>) -> Vec<Call<()>> {
        if !self.due.remove(key) {
            return Vec::new();
        }
        let mut look = Look { now, caches, sink };
        let next = if key.namespace.is_empty() {
            caches.volumes.lister().get(key).and_then(|volume| look.volume_look(volume))
        } else {
            caches.claims.lister().get(key).and_then(|claim| look.claim(claim))
        };
        next.into_iter().collect()
    }

    fn answered(&mut self, _: &ObjectKey, (): &(), answer: Answer, _: &mut Sink<'_>) -> Result<(), String> {
        succeeded_or_gone(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::Object;
    use api::http::Body;
    use api::json::decode;
    use serde_json::json;

    fn volume() -> PersistentVolume {
        let spec = json!({"capacity": {"storage": "2Gi"}, "accessModes": ["ReadWriteOnce"]});
        decode(json!({"metadata": {"name": "v"}, "spec": spec, "status": {"phase": "Available"}})).unwrap()
    }

    fn claim() -> PersistentVolumeClaim {
        decode(json!({"metadata": {"namespace": "d", "name": "c", "uid": "1"}, "status": {"phase": "Pending"}})).unwrap()
    }

    /// The object that a call writes, and the part of it.
    fn written(next: Next) -> (Object, String) {
        let request = next.unwrap().request;
        let api::http::Path::Resource(path) = &request.path else { panic!("no resource") };
        let part = path.subresource.to_string();
        let Body::Object(object) = request.body else { panic!("no object") };
        (object, part)
    }

    #[test]
    fn a_binding_takes_four_writes() {
        let (mut volume, mut claim, mut parts) = (volume(), claim(), Vec::new());
        while let Some(call) = bind(Time::ZERO, &volume, &claim) {
            let (object, part) = written(Some(call));
            parts.push(format!("{} {part}", object.kind()));
            match object {
                Object::PersistentVolume(new) => volume = PersistentVolume::clone(&new),
                Object::PersistentVolumeClaim(new) => claim = PersistentVolumeClaim::clone(&new),
                _ => panic!("another kind"),
            }
        }
        let expected = ["PersistentVolume ", "PersistentVolume status", "PersistentVolumeClaim ", "PersistentVolumeClaim status"];
        assert_eq!(parts, expected);
        assert_eq!((claim.status.phase.as_str(), claim.spec.volume_name.as_str()), ("Bound", "v"));
        assert_eq!(claim.status.capacity.get("storage").map(ToString::to_string).as_deref(), Some("2Gi"));
    }

    #[test]
    fn what_a_user_reserved_stays_reserved() {
        let mut reserved = volume();
        reserved.spec.claim_ref = Some(ObjectReference { name: "c".to_owned(), uid: "1".to_owned(), ..ObjectReference::default() });
        let (Object::PersistentVolume(freed), _) = written(unbind(Time::ZERO, &reserved)) else { panic!("another kind") };
        assert_eq!(freed.spec.claim_ref.as_ref().map(|reference| (reference.name.as_str(), reference.uid.as_str())), Some(("c", "")));
        reserved.metadata.annotations.insert(BOUND_BY_CONTROLLER.to_owned(), "yes".to_owned());
        let (Object::PersistentVolume(freed), _) = written(unbind(Time::ZERO, &reserved)) else { panic!("another kind") };
        assert_eq!(freed.spec.claim_ref, None);
    }
}

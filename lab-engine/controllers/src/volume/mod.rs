//! PersistentVolumes and claims: binding, provisioning, protection, expansion (`pkg/controller/volume`).
//!
//! - [`matching`]: which volume a claim binds to;
//! - `binder`: binds claims and volumes, and reclaims volumes whose claims are gone;
//! - `provisioner`: stands for the storage drivers' own controllers, which make, grow and delete volumes;
//! - `protection`: keeps claims that Pods use and volumes that are bound from going;
//! - `ephemeral`: makes the claims of Pods' ephemeral volumes.

mod binder;
mod ephemeral;
pub mod matching;
mod protection;
mod provisioner;

use crate::caches::{BY_CLAIM, Caches};
use crate::driver::Driver;
use api::core::{PersistentVolume, PersistentVolumeClaim, Pod, Volume};
use api::storage::StorageClass;
use binder::VolumeBinder;
use client::{Delta, Input, ObjectKey, Outbox, QueueStatus};
use ephemeral::EphemeralVolumeController;
use protection::ProtectionController;
use provisioner::Provisioner;
use sim::Time;
use std::sync::Arc;
use std::time::Duration;

/// Says that the controller chose the other side of a binding, not a user.
const BOUND_BY_CONTROLLER: &str = "pv.kubernetes.io/bound-by-controller";
/// Says that a claim is bound for good.
const BIND_COMPLETED: &str = "pv.kubernetes.io/bind-completed";
/// Says who made a volume.
const PROVISIONED_BY: &str = "pv.kubernetes.io/provisioned-by";
/// Says who is to make a volume for a claim.
const STORAGE_PROVISIONER: &str = "volume.kubernetes.io/storage-provisioner";
/// Says on which node the Pod of a claim will run.
const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";

/// The drivers that have taken over from provisioners inside Kubernetes (`k8s.io/csi-translation-lib`).
const MIGRATED: [(&str, &str); 7] = [
    ("kubernetes.io/aws-ebs", "ebs.csi.aws.com"),
    ("kubernetes.io/azure-disk", "disk.csi.azure.com"),
    ("kubernetes.io/azure-file", "file.csi.azure.com"),
    ("kubernetes.io/cinder", "cinder.csi.openstack.org"),
    ("kubernetes.io/gce-pd", "pd.csi.storage.gke.io"),
    ("kubernetes.io/portworx-volume", "pxd.portworx.com"),
    ("kubernetes.io/vsphere-volume", "csi.vsphere.vmware.com"),
];

/// The driver that makes the volumes of a provisioner: another that has taken over from it, or itself.
fn driver_of(provisioner: &str) -> &str {
    MIGRATED.iter().find(|(old, _)| *old == provisioner).map_or(provisioner, |(_, driver)| driver)
}

/// How often the binder looks at everything (`PVClaimBinderSyncPeriod`).
const RESYNC: Duration = Duration::from_secs(15);

/// The controllers of volumes. Claims are named by namespace and name, volumes by their name alone.
#[derive(Debug)]
pub(crate) struct VolumeControllers {
    binder: Driver<VolumeBinder>,
    provisioner: Driver<Provisioner>,
    protection: Driver<ProtectionController>,
    ephemeral: Driver<EphemeralVolumeController>,
    /// When the binder looks at everything again; `None` while there is nothing to look at.
    resync_at: Option<Time>,
}

impl VolumeControllers {
    pub(crate) fn new(agent: &Arc<str>) -> Self {
        VolumeControllers {
            binder: Driver::new("persistentvolume-controller", agent, VolumeBinder::default()),
            provisioner: Driver::new("csi-provisioner", agent, Provisioner::default()),
            protection: Driver::new("pvc-protection-controller", agent, ProtectionController),
            ephemeral: Driver::new("ephemeral_volume", agent, EphemeralVolumeController),
            resync_at: None,
        }
    }

    /// How their work queues stand.
    pub(crate) fn statuses(&self) -> [QueueStatus; 4] {
        [self.binder.status(), self.provisioner.status(), self.protection.status(), self.ephemeral.status()]
    }

    pub(crate) fn volume_changed(&mut self, caches: &Caches, delta: &Delta<PersistentVolume>) {
        let volume = delta.object();
        let key = ObjectKey::of(volume.as_ref());
        for queue in [&mut self.binder.queue, &mut self.provisioner.queue, &mut self.protection.queue] {
            queue.add(key.clone());
        }
        if let Some(claim) = &volume.spec.claim_ref {
            self.binder.queue.add(ObjectKey::new(claim.namespace.as_str(), claim.name.as_str()));
        }
        for claim in caches.claims.lister().by_index(crate::caches::BY_VOLUME, &volume.metadata.name) {
            self.claim_concerned(claim);
        }
        if volume.status.phase == "Available" {
            self.unbound_concerned(caches);
        }
    }

    fn claim_concerned(&mut self, claim: &PersistentVolumeClaim) {
        let key = ObjectKey::of(claim);
        self.binder.queue.add(key.clone());
        self.provisioner.queue.add(key);
    }

    /// Queues the claims that still wait for a volume.
    fn unbound_concerned(&mut self, caches: &Caches) {
        for claim in caches.claims.lister().by_index(crate::caches::BY_VOLUME, "") {
            self.claim_concerned(claim);
        }
    }

    pub(crate) fn claim_changed(&mut self, caches: &Caches, delta: &Delta<PersistentVolumeClaim>) {
        let claim = delta.object();
        if matches!(delta, Delta::Deleted(..)) {
            // Its Pod gets another one; or a Pod whose claim had its name already gets its own.
            let key = ObjectKey::of(claim.as_ref()).to_string();
            let users = caches.pods.lister().by_index(BY_CLAIM, &key);
            users.for_each(|pod| self.ephemeral.queue.add(ObjectKey::of(pod.as_ref())));
        }
        self.claim_concerned(claim);
        self.protection.queue.add(ObjectKey::of(claim.as_ref()));
        if !claim.spec.volume_name.is_empty() {
            self.binder.queue.add(ObjectKey::new("", claim.spec.volume_name.as_str()));
        }
    }

    pub(crate) fn class_changed(&mut self, caches: &Caches, _delta: &Delta<StorageClass>) {
        self.unbound_concerned(caches);
    }

    pub(crate) fn pod_changed(&mut self, delta: &Delta<Pod>) {
        let pod = delta.object();
        for name in pod.spec.volumes.iter().filter_map(|volume| claim_name(pod, volume)) {
            self.protection.queue.add(ObjectKey::new(pod.metadata.namespace.as_str(), name));
        }
        if matches!(delta, Delta::Added(_)) && pod.spec.volumes.iter().any(|volume| volume.ephemeral.is_some()) {
            self.ephemeral.queue.add(ObjectKey::of(pod.as_ref()));
        }
    }

    pub(crate) fn handle(&mut self, now: Time, input: &Input, caches: &Caches, out: &mut Outbox) -> bool {
        self.binder.handle(now, input, caches, out)
            || self.provisioner.handle(now, input, caches, out)
            || self.protection.handle(now, input, caches, out)
            || self.ephemeral.handle(now, input, caches, out)
    }

    /// Looks at all claims and volumes from time to time (`resync`): a claim that is gone before anybody wrote down its volume is missed by
    /// that volume otherwise.
    fn resync(&mut self, now: Time, caches: &Caches) {
        let claims = caches.claims.lister().list().map(|claim| ObjectKey::of(claim.as_ref()));
        let mut keys = claims.chain(caches.volumes.lister().list().map(|volume| ObjectKey::of(volume.as_ref()))).peekable();
        if keys.peek().is_none() {
            self.resync_at = None;
        } else if *self.resync_at.get_or_insert(now + RESYNC) <= now {
            self.resync_at = Some(now + RESYNC);
            keys.for_each(|key| self.binder.queue.add(key));
        }
    }

    pub(crate) fn work(&mut self, now: Time, caches: &Caches, out: &mut Outbox) {
        self.resync(now, caches);
        self.binder.work(now, caches, out);
        self.provisioner.work(now, caches, out);
        self.protection.work(now, caches, out);
        self.ephemeral.work(now, caches, out);
    }

    pub(crate) fn next_wake(&self) -> Option<Time> {
        let wakes = [self.binder.next_wake(), self.provisioner.next_wake(), self.protection.next_wake(), self.ephemeral.next_wake()];
        wakes.into_iter().flatten().chain(self.resync_at).min()
    }
}

/// The claim of a Pod's volume, if it has one.
pub(crate) fn claim_name(pod: &Pod, volume: &Volume) -> Option<String> {
    let named = volume.persistent_volume_claim.as_ref().map(|source| source.claim_name.clone());
    named.or_else(|| volume.ephemeral.is_some().then(|| format!("{}-{}", pod.metadata.name, volume.name)))
}

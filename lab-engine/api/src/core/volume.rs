//! PersistentVolumes.

use super::{NodeSelector, ObjectReference, ResourceList};
use crate::meta::{ObjectMeta, StringMap, Timestamp};
use crate::object;
use serde_json::Value;

object! {
    /// A piece of storage.
    pub struct PersistentVolume {
        /// Name and labels.
        pub metadata: ObjectMeta = "metadata",
        /// What it is.
        pub spec: PersistentVolumeSpec = "spec",
        /// How it is.
        pub status: PersistentVolumeStatus = "status",
    }

    /// What a volume is.
    pub struct PersistentVolumeSpec {
        /// How much it holds.
        pub capacity: ResourceList = "capacity",
        /// A directory of a node.
        pub host_path: Option<super::HostPathVolumeSource> = "hostPath",
        /// A disk or directory of one node.
        pub local: Option<LocalVolumeSource> = "local",
        /// A directory of an NFS server.
        pub nfs: Option<Value> = "nfs",
        /// A volume of a CSI driver.
        pub csi: Option<CsiPersistentVolumeSource> = "csi",
        /// How it may be used.
        pub access_modes: Vec<String> = "accessModes",
        /// The claim that it belongs to, or is to belong to.
        pub claim_ref: Option<ObjectReference> = "claimRef",
        /// What becomes of it after its claim: `Retain` (the default), `Delete` or `Recycle` (deprecated).
        pub persistent_volume_reclaim_policy: String = "persistentVolumeReclaimPolicy",
        /// Its class.
        pub storage_class_name: String = "storageClassName",
        /// Options for mounting it.
        pub mount_options: Vec<String> = "mountOptions",
        /// `Filesystem` (the default) or `Block`.
        pub volume_mode: Option<String> = "volumeMode",
        /// From where it can be reached.
        pub node_affinity: Option<VolumeNodeAffinity> = "nodeAffinity",
        /// The class of attributes that it has.
        pub volume_attributes_class_name: Option<String> = "volumeAttributesClassName",
    }

    /// A disk or directory of one node.
    pub struct LocalVolumeSource {
        /// Where it is.
        pub path: String = "path",
        /// How it is formatted.
        pub fs_type: Option<String> = "fsType",
    }

    /// A volume of a CSI driver.
    pub struct CsiPersistentVolumeSource {
        /// The driver.
        pub driver: String = "driver",
        /// What the driver calls it.
        pub volume_handle: String = "volumeHandle",
        /// How it is formatted.
        pub fs_type: String = "fsType",
        /// What the driver was told at creation.
        pub volume_attributes: StringMap = "volumeAttributes",
    }

    /// From where a volume can be reached.
    pub struct VolumeNodeAffinity {
        /// From nodes that these terms select.
        pub required: Option<NodeSelector> = "required",
    }

    /// How a volume is.
    pub struct PersistentVolumeStatus {
        /// `Pending`, `Available`, `Bound`, `Released` or `Failed`.
        pub phase: String = "phase",
        /// Why it is so, in words.
        pub message: String = "message",
        /// Why it is so, in one CamelCase word.
        pub reason: String = "reason",
        /// When the phase last changed.
        pub last_phase_transition_time: Option<Timestamp> = "lastPhaseTransitionTime",
    }
}

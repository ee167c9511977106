//! PersistentVolumeClaims.

use super::ResourceRequirements;
use crate::meta::{Condition, LabelSelector, ObjectMeta};
use crate::object;
use serde_json::Value;

object! {
    /// A wish for storage.
    pub struct PersistentVolumeClaim {
        /// Name and labels.
        pub metadata: ObjectMeta = "metadata",
        /// What is wished for.
        pub spec: PersistentVolumeClaimSpec = "spec",
        /// What there is.
        pub status: PersistentVolumeClaimStatus = "status",
    }

    /// What a claim wishes for.
    pub struct PersistentVolumeClaimSpec {
        /// `ReadWriteOnce`, `ReadOnlyMany`, `ReadWriteMany` or `ReadWriteOncePod`.
        pub access_modes: Vec<String> = "accessModes",
        /// Which volumes will do.
        pub selector: Option<LabelSelector> = "selector",
        /// How much of it.
        pub resources: ResourceRequirements = "resources",
        /// The volume, once there is one.
        pub volume_name: String = "volumeName",
        /// The class; absent for the default one, empty for none.
        pub storage_class_name: Option<String> = "storageClassName",
        /// `Filesystem` (the default) or `Block`.
        pub volume_mode: Option<String> = "volumeMode",
    }

    /// What a claim has.
    pub struct PersistentVolumeClaimStatus {
        /// `Pending`, `Bound` or `Lost`.
        pub phase: String = "phase",
        /// How the volume may be used.
        pub access_modes: Vec<String> = "accessModes",
        /// How much there is.
        pub capacity: Option<Value> = "capacity",
        /// What is going on with it.
        pub conditions: Vec<Condition> = "conditions",
    }
}

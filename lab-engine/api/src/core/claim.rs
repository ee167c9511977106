//! PersistentVolumeClaims.

use super::{ResourceList, ResourceRequirements};
use crate::meta::{Condition, LabelSelector, ObjectMeta, StringMap};
use crate::object;

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
        /// The class of attributes that the volume should have.
        pub volume_attributes_class_name: Option<String> = "volumeAttributesClassName",
    }

    /// What a claim has.
    pub struct PersistentVolumeClaimStatus {
        /// `Pending`, `Bound` or `Lost`.
        pub phase: String = "phase",
        /// How the volume may be used.
        pub access_modes: Vec<String> = "accessModes",
        /// How much there is.
        pub capacity: ResourceList = "capacity",
        /// What is going on with it.
        pub conditions: Vec<Condition> = "conditions",
        /// How much will be there when the expansion under way is done.
        pub allocated_resources: ResourceList = "allocatedResources",
        /// How far the expansion of each resource is.
        pub allocated_resource_statuses: StringMap = "allocatedResourceStatuses",
    }

    /// A claim to be made, as volumes of Pods hold it.
    pub struct PersistentVolumeClaimTemplate {
        /// Labels and annotations.
        pub metadata: ObjectMeta = "metadata",
        /// What is wished for.
        pub spec: PersistentVolumeClaimSpec = "spec",
    }
}

//! StorageClasses (`k8s.io/api/storage/v1`).

use crate::meta::{ObjectMeta, StringMap};
use crate::object;
use serde_json::Value;

object! {
    /// A kind of storage, and who makes it.
    pub struct StorageClass {
        /// Name and labels.
        pub metadata: ObjectMeta = "metadata",
        /// Who makes volumes of the class.
        pub provisioner: String = "provisioner",
        /// What the provisioner is told.
        pub parameters: StringMap = "parameters",
        /// The reclaim policy of its volumes; `Delete` by default.
        pub reclaim_policy: Option<String> = "reclaimPolicy",
        /// Options for mounting its volumes.
        pub mount_options: Vec<String> = "mountOptions",
        /// Whether claims of the class may grow.
        pub allow_volume_expansion: Option<bool> = "allowVolumeExpansion",
        /// `Immediate` (the default) or `WaitForFirstConsumer`.
        pub volume_binding_mode: Option<String> = "volumeBindingMode",
        /// Where volumes may be made.
        pub allowed_topologies: Vec<Value> = "allowedTopologies",
    }
}

//! ReplicationControllers, the elder brothers of ReplicaSets.

use super::PodTemplateSpec;
use crate::meta::{Condition, ObjectMeta, StringMap};
use crate::object;

object! {
    /// Keeps a number of equal Pods.
    pub struct ReplicationController {
        /// Name and labels.
        pub metadata: ObjectMeta = "metadata",
        /// What should be.
        pub spec: ReplicationControllerSpec = "spec",
        /// What is.
        pub status: ReplicationControllerStatus = "status",
    }

    /// What a ReplicationController should bring about.
    pub struct ReplicationControllerSpec {
        /// How many Pods; 1 by default.
        pub replicas: Option<i32> = "replicas",
        /// Seconds that a Pod must be ready before it counts as available.
        pub min_ready_seconds: Option<i32> = "minReadySeconds",
        /// Labels of the Pods that are its own; those of the template by default.
        pub selector: StringMap = "selector",
        /// What they look like.
        pub template: Option<PodTemplateSpec> = "template",
    }

    /// What a ReplicationController has brought about.
    pub struct ReplicationControllerStatus {
        /// Pods that match the selector.
        pub replicas: i32 = "replicas",
        /// Pods that have the template's labels.
        pub fully_labeled_replicas: Option<i32> = "fullyLabeledReplicas",
        /// Pods that are ready.
        pub ready_replicas: Option<i32> = "readyReplicas",
        /// Pods that are available.
        pub available_replicas: Option<i32> = "availableReplicas",
        /// The generation that this status was computed for.
        pub observed_generation: Option<i64> = "observedGeneration",
        /// `ReplicaFailure`.
        pub conditions: Vec<Condition> = "conditions",
    }
}

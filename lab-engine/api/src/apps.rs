//! The kinds of the group `apps/v1` that the engine simulates (`k8s.io/api/apps/v1`).

use crate::core::PodTemplateSpec;
use crate::intstr::IntOrString;
use crate::meta::{Condition, LabelSelector, ObjectMeta};
use crate::object;

object! {
    /// Rolls out versions of a Pod template by means of ReplicaSets.
    pub struct Deployment {
        /// Name and labels.
        pub metadata: ObjectMeta = "metadata",
        /// What should be.
        pub spec: DeploymentSpec = "spec",
        /// What is.
        pub status: DeploymentStatus = "status",
    }

    /// What a Deployment should bring about.
    pub struct DeploymentSpec {
        /// How many Pods; 1 by default.
        pub replicas: Option<i32> = "replicas",
        /// Which Pods are its own.
        pub selector: LabelSelector = "selector",
        /// What they look like.
        pub template: PodTemplateSpec = "template",
        /// How to go from one version to the next.
        pub strategy: DeploymentStrategy = "strategy",
        /// Seconds that a Pod must be ready before it counts as available.
        pub min_ready_seconds: Option<i32> = "minReadySeconds",
        /// How many old ReplicaSets are kept; 10 by default.
        pub revision_history_limit: Option<i32> = "revisionHistoryLimit",
        /// Whether rollouts are held.
        pub paused: Option<bool> = "paused",
        /// Seconds without progress after which a rollout counts as failed; 600 by default.
        pub progress_deadline_seconds: Option<i32> = "progressDeadlineSeconds",
    }

    /// How to go from one version to the next.
    pub struct DeploymentStrategy {
        /// `RollingUpdate` (the default) or `Recreate`.
        pub type_: String = "type",
        /// Bounds of a rolling update.
        pub rolling_update: Option<RollingUpdateDeployment> = "rollingUpdate",
    }

    /// Bounds of a rolling update.
    pub struct RollingUpdateDeployment {
        /// How many Pods may be missing; 25% by default, rounded down.
        pub max_unavailable: Option<IntOrString> = "maxUnavailable",
        /// How many Pods may be too many; 25% by default, rounded up.
        pub max_surge: Option<IntOrString> = "maxSurge",
    }

    /// What a Deployment has brought about.
    pub struct DeploymentStatus {
        /// The generation that this status was computed for.
        pub observed_generation: Option<i64> = "observedGeneration",
        /// Pods of all versions.
        pub replicas: Option<i32> = "replicas",
        /// Pods of the present version.
        pub updated_replicas: Option<i32> = "updatedReplicas",
        /// Pods that are ready.
        pub ready_replicas: Option<i32> = "readyReplicas",
        /// Pods that are available.
        pub available_replicas: Option<i32> = "availableReplicas",
        /// Pods that are missing.
        pub unavailable_replicas: Option<i32> = "unavailableReplicas",
        /// Pods that are on their way out.
        pub terminating_replicas: Option<i32> = "terminatingReplicas",
        /// `Progressing`, `Available`, `ReplicaFailure`.
        pub conditions: Vec<Condition> = "conditions",
        /// Counts collisions of the template hash.
        pub collision_count: Option<i32> = "collisionCount",
    }

    /// Keeps a number of equal Pods.
    pub struct ReplicaSet {
        /// Name and labels.
        pub metadata: ObjectMeta = "metadata",
        /// What should be.
        pub spec: ReplicaSetSpec = "spec",
        /// What is.
        pub status: ReplicaSetStatus = "status",
    }

    /// What a ReplicaSet should bring about.
    pub struct ReplicaSetSpec {
        /// How many Pods; 1 by default.
        pub replicas: Option<i32> = "replicas",
        /// Seconds that a Pod must be ready before it counts as available.
        pub min_ready_seconds: Option<i32> = "minReadySeconds",
        /// Which Pods are its own.
        pub selector: LabelSelector = "selector",
        /// What they look like.
        pub template: PodTemplateSpec = "template",
    }

    /// What a ReplicaSet has brought about.
    pub struct ReplicaSetStatus {
        /// Pods that match the selector.
        pub replicas: i32 = "replicas",
        /// Pods that have the template's labels.
        pub fully_labeled_replicas: Option<i32> = "fullyLabeledReplicas",
        /// Pods that are ready.
        pub ready_replicas: Option<i32> = "readyReplicas",
        /// Pods that are available.
        pub available_replicas: Option<i32> = "availableReplicas",
        /// Pods that are on their way out.
        pub terminating_replicas: Option<i32> = "terminatingReplicas",
        /// The generation that this status was computed for.
        pub observed_generation: Option<i64> = "observedGeneration",
        /// `ReplicaFailure`.
        pub conditions: Vec<Condition> = "conditions",
    }
}

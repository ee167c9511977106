//! The kinds of the group `apps/v1` that the engine simulates (`k8s.io/api/apps/v1`).

use crate::core::{PersistentVolumeClaim, PodTemplateSpec};
use crate::intstr::IntOrString;
use crate::meta::{Condition, LabelSelector, ObjectMeta};
use crate::object;
use serde_json::Value;

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

    /// Keeps Pods with names, volumes and an order of their own.
    pub struct StatefulSet {
        /// Name and labels.
        pub metadata: ObjectMeta = "metadata",
        /// What should be.
        pub spec: StatefulSetSpec = "spec",
        /// What is.
        pub status: StatefulSetStatus = "status",
    }

    /// What a StatefulSet should bring about.
    pub struct StatefulSetSpec {
        /// How many Pods; 1 by default.
        pub replicas: Option<i32> = "replicas",
        /// Which Pods are its own.
        pub selector: LabelSelector = "selector",
        /// What they look like.
        pub template: PodTemplateSpec = "template",
        /// Claims of which every Pod gets its own.
        pub volume_claim_templates: Vec<PersistentVolumeClaim> = "volumeClaimTemplates",
        /// The headless Service that gives the Pods their host names.
        pub service_name: String = "serviceName",
        /// `OrderedReady` (the default) or `Parallel`.
        pub pod_management_policy: String = "podManagementPolicy",
        /// How to go from one version to the next.
        pub update_strategy: StatefulSetUpdateStrategy = "updateStrategy",
        /// How many old versions are kept; 10 by default.
        pub revision_history_limit: Option<i32> = "revisionHistoryLimit",
        /// Seconds that a Pod must be ready before it counts as available.
        pub min_ready_seconds: Option<i32> = "minReadySeconds",
        /// What becomes of the claims.
        pub persistent_volume_claim_retention_policy: Option<StatefulSetPersistentVolumeClaimRetentionPolicy> =
            "persistentVolumeClaimRetentionPolicy",
        /// Where the numbers of the Pods begin.
        pub ordinals: Option<StatefulSetOrdinals> = "ordinals",
    }

    /// How a StatefulSet goes from one version to the next.
    pub struct StatefulSetUpdateStrategy {
        /// `RollingUpdate` (the default) or `OnDelete`.
        pub type_: String = "type",
        /// Bounds of a rolling update.
        pub rolling_update: Option<RollingUpdateStatefulSetStrategy> = "rollingUpdate",
    }

    /// Bounds of a rolling update of a StatefulSet.
    pub struct RollingUpdateStatefulSetStrategy {
        /// Pods with a lower ordinal keep their version; 0 by default.
        pub partition: Option<i32> = "partition",
        /// How many Pods may be unavailable; 1 by default, percentages rounded up.
        pub max_unavailable: Option<IntOrString> = "maxUnavailable",
    }

    /// What becomes of the claims of a StatefulSet.
    pub struct StatefulSetPersistentVolumeClaimRetentionPolicy {
        /// When the set is deleted: `Retain` (the default) or `Delete`.
        pub when_deleted: String = "whenDeleted",
        /// When their Pod is scaled away: `Retain` (the default) or `Delete`.
        pub when_scaled: String = "whenScaled",
    }

    /// Where the numbers of the Pods begin.
    pub struct StatefulSetOrdinals {
        /// The first number; 0 by default.
        pub start: i32 = "start",
    }

    /// What a StatefulSet has brought about.
    pub struct StatefulSetStatus {
        /// The generation that this status was computed for.
        pub observed_generation: Option<i64> = "observedGeneration",
        /// Pods.
        pub replicas: i32 = "replicas",
        /// Pods that are ready.
        pub ready_replicas: Option<i32> = "readyReplicas",
        /// Pods of the present version.
        pub current_replicas: Option<i32> = "currentReplicas",
        /// Pods of the version that is being rolled out.
        pub updated_replicas: Option<i32> = "updatedReplicas",
        /// The present version.
        pub current_revision: String = "currentRevision",
        /// The version that is being rolled out.
        pub update_revision: String = "updateRevision",
        /// Counts collisions of the hash of versions.
        pub collision_count: Option<i32> = "collisionCount",
        /// Whatever others say about the set.
        pub conditions: Vec<Condition> = "conditions",
        /// Pods that are available.
        pub available_replicas: i32 = "availableReplicas",
    }

    /// Keeps a Pod on every node that suits it.
    pub struct DaemonSet {
        /// Name and labels.
        pub metadata: ObjectMeta = "metadata",
        /// What should be.
        pub spec: DaemonSetSpec = "spec",
        /// What is.
        pub status: DaemonSetStatus = "status",
    }

    /// What a DaemonSet should bring about.
    pub struct DaemonSetSpec {
        /// Which Pods are its own.
        pub selector: LabelSelector = "selector",
        /// What they look like, and which nodes suit them.
        pub template: PodTemplateSpec = "template",
        /// How to go from one version to the next.
        pub update_strategy: DaemonSetUpdateStrategy = "updateStrategy",
        /// Seconds that a Pod must be ready before it counts as available.
        pub min_ready_seconds: Option<i32> = "minReadySeconds",
        /// How many old versions are kept; 10 by default.
        pub revision_history_limit: Option<i32> = "revisionHistoryLimit",
    }

    /// How a DaemonSet goes from one version to the next.
    pub struct DaemonSetUpdateStrategy {
        /// `RollingUpdate` (the default) or `OnDelete`.
        pub type_: String = "type",
        /// Bounds of a rolling update.
        pub rolling_update: Option<RollingUpdateDaemonSet> = "rollingUpdate",
    }

    /// Bounds of a rolling update of a DaemonSet.
    pub struct RollingUpdateDaemonSet {
        /// On how many nodes the Pod may be unavailable; 1 by default, percentages rounded up.
        pub max_unavailable: Option<IntOrString> = "maxUnavailable",
        /// On how many nodes there may be an old and a new Pod; 0 by default, percentages rounded up.
        pub max_surge: Option<IntOrString> = "maxSurge",
    }

    /// What a DaemonSet has brought about.
    pub struct DaemonSetStatus {
        /// Nodes that have a Pod and should.
        pub current_number_scheduled: i32 = "currentNumberScheduled",
        /// Nodes that have a Pod and should not.
        pub number_misscheduled: i32 = "numberMisscheduled",
        /// Nodes that should have a Pod.
        pub desired_number_scheduled: i32 = "desiredNumberScheduled",
        /// Nodes whose Pod is ready.
        pub number_ready: i32 = "numberReady",
        /// The generation that this status was computed for.
        pub observed_generation: Option<i64> = "observedGeneration",
        /// Nodes whose Pod is of the present version.
        pub updated_number_scheduled: Option<i32> = "updatedNumberScheduled",
        /// Nodes whose Pod is available.
        pub number_available: Option<i32> = "numberAvailable",
        /// Nodes that should have an available Pod and have none.
        pub number_unavailable: Option<i32> = "numberUnavailable",
        /// Counts collisions of the hash of versions.
        pub collision_count: Option<i32> = "collisionCount",
        /// Whatever others say about the set.
        pub conditions: Vec<Condition> = "conditions",
    }

    /// A version of a StatefulSet or DaemonSet, as a patch of the set.
    pub struct ControllerRevision {
        /// Name and labels.
        pub metadata: ObjectMeta = "metadata",
        /// The patch.
        pub data: Option<Value> = "data",
        /// The number of the version.
        pub revision: i64 = "revision",
    }
}

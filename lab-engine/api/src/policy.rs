//! PodDisruptionBudgets (`k8s.io/api/policy/v1`).

use crate::intstr::IntOrString;
use crate::meta::{Condition, LabelSelector, ObjectMeta, Timestamp};
use crate::object;
use std::collections::BTreeMap;

object! {
    /// How many of some Pods may be evicted at a time.
    pub struct PodDisruptionBudget {
        /// Name and labels.
        pub metadata: ObjectMeta = "metadata",
        /// What is wanted.
        pub spec: PodDisruptionBudgetSpec = "spec",
        /// What is.
        pub status: PodDisruptionBudgetStatus = "status",
    }

    /// Which Pods, and how many of them.
    pub struct PodDisruptionBudgetSpec {
        /// So many must stay.
        pub min_available: Option<IntOrString> = "minAvailable",
        /// Which Pods; all of the namespace when it is empty, none when it is absent.
        pub selector: Option<LabelSelector> = "selector",
        /// So many may be missing.
        pub max_unavailable: Option<IntOrString> = "maxUnavailable",
        /// `IfHealthyBudget` (the default) or `AlwaysAllow`: which Pods that are not healthy may be evicted.
        pub unhealthy_pod_eviction_policy: Option<String> = "unhealthyPodEvictionPolicy",
    }

    /// How many Pods there are, and how many may go.
    pub struct PodDisruptionBudgetStatus {
        /// The generation that this status was computed for.
        pub observed_generation: Option<i64> = "observedGeneration",
        /// Pods whose eviction was granted and that still seem to be there, with the time of the grant.
        pub disrupted_pods: BTreeMap<String, Timestamp> = "disruptedPods",
        /// How many may be evicted now.
        pub disruptions_allowed: i32 = "disruptionsAllowed",
        /// How many are healthy.
        pub current_healthy: i32 = "currentHealthy",
        /// How many must be healthy.
        pub desired_healthy: i32 = "desiredHealthy",
        /// How many there should be.
        pub expected_pods: i32 = "expectedPods",
        /// `DisruptionAllowed`.
        pub conditions: Vec<Condition> = "conditions",
    }
}

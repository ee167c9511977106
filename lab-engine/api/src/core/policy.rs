//! LimitRanges and ResourceQuotas.

use super::ResourceList;
use crate::meta::ObjectMeta;
use crate::object;

object! {
    /// What single Pods, containers and claims of a namespace may ask for.
    pub struct LimitRange {
        /// Name and labels.
        pub metadata: ObjectMeta = "metadata",
        /// The limits.
        pub spec: LimitRangeSpec = "spec",
    }

    /// The limits of a LimitRange.
    pub struct LimitRangeSpec {
        /// One entry per kind of thing.
        pub limits: Vec<LimitRangeItem> = "limits",
    }

    /// The limits of one kind of thing.
    pub struct LimitRangeItem {
        /// `Container`, `Pod` or `PersistentVolumeClaim`.
        pub type_: String = "type",
        /// The most.
        pub max: ResourceList = "max",
        /// The least.
        pub min: ResourceList = "min",
        /// The limit of a container that states none.
        pub default: ResourceList = "default",
        /// The request of a container that states none.
        pub default_request: ResourceList = "defaultRequest",
        /// How many times the request the limit may be.
        pub max_limit_request_ratio: ResourceList = "maxLimitRequestRatio",
    }

    /// What the objects of a namespace may use together.
    pub struct ResourceQuota {
        /// Name and labels.
        pub metadata: ObjectMeta = "metadata",
        /// What is wanted.
        pub spec: ResourceQuotaSpec = "spec",
        /// What is in force, and used.
        pub status: ResourceQuotaStatus = "status",
    }

    /// What a quota limits.
    pub struct ResourceQuotaSpec {
        /// The most of each resource.
        pub hard: ResourceList = "hard",
        /// Only objects of all these scopes count.
        pub scopes: Vec<String> = "scopes",
        /// The same, with values.
        pub scope_selector: Option<ScopeSelector> = "scopeSelector",
    }

    /// Scopes that must all hold.
    pub struct ScopeSelector {
        /// The scopes.
        pub match_expressions: Vec<ScopedResourceSelectorRequirement> = "matchExpressions",
    }

    /// A scope with an operator and values.
    pub struct ScopedResourceSelectorRequirement {
        /// `Terminating`, `NotTerminating`, `BestEffort`, `NotBestEffort`, `PriorityClass`, `CrossNamespacePodAffinity` or
        /// `VolumeAttributesClass`.
        pub scope_name: String = "scopeName",
        /// `In`, `NotIn`, `Exists` or `DoesNotExist`.
        pub operator: String = "operator",
        /// The values.
        pub values: Vec<String> = "values",
    }

    /// What is in force, and used.
    pub struct ResourceQuotaStatus {
        /// The most of each resource.
        pub hard: ResourceList = "hard",
        /// What is used of it.
        pub used: ResourceList = "used",
    }
}

//! Roles and their bindings (`k8s.io/api/rbac/v1`).

use crate::labels::Selector;
use crate::meta::{LabelSelector, ObjectMeta};
use crate::object;

/// The API group of the kinds in this module.
pub const GROUP: &str = "rbac.authorization.k8s.io";

object! {
    /// Rights in one namespace.
    pub struct Role {
        /// Name and labels.
        pub metadata: ObjectMeta = "metadata",
        /// The rights.
        pub rules: Vec<PolicyRule> = "rules",
    }

    /// Rights in the cluster, or in whichever namespace a RoleBinding grants them.
    pub struct ClusterRole {
        /// Name and labels.
        pub metadata: ObjectMeta = "metadata",
        /// Where the rights are collected from; then `rules` is filled by the cluster.
        pub aggregation_rule: Option<AggregationRule> = "aggregationRule",
        /// The rights.
        pub rules: Vec<PolicyRule> = "rules",
    }

    /// Grants a role in one namespace.
    pub struct RoleBinding {
        /// Name and labels.
        pub metadata: ObjectMeta = "metadata",
        /// Who gets the rights.
        pub subjects: Vec<Subject> = "subjects",
        /// A Role of the same namespace, or a ClusterRole.
        pub role_ref: RoleRef = "roleRef",
    }

    /// Grants a ClusterRole in all namespaces and for the cluster.
    pub struct ClusterRoleBinding {
        /// Name and labels.
        pub metadata: ObjectMeta = "metadata",
        /// Who gets the rights.
        pub subjects: Vec<Subject> = "subjects",
        /// A ClusterRole.
        pub role_ref: RoleRef = "roleRef",
    }

    /// What may be done: verbs on resources, or on paths that are no resources.
    pub struct PolicyRule {
        /// `get`, `list`, …; `*` for all.
        pub verbs: Vec<String> = "verbs",
        /// The resources' groups; empty text for the core group, `*` for all.
        pub api_groups: Vec<String> = "apiGroups",
        /// `pods`, `pods/log`, `*/scale`, `*`.
        pub resources: Vec<String> = "resources",
        /// The only objects that are meant; none means all.
        pub resource_names: Vec<String> = "resourceNames",
        /// Paths, `*` at the end for all that begin so.
        pub non_resource_urls: Vec<String> = "nonResourceURLs",
    }

    /// Which ClusterRoles are collected.
    pub struct AggregationRule {
        /// Those whose labels match any of these.
        pub cluster_role_selectors: Vec<LabelSelector> = "clusterRoleSelectors",
    }

    /// Someone who gets rights.
    pub struct Subject {
        /// `User`, `Group` or `ServiceAccount`.
        pub kind: String = "kind",
        /// The group of the kind; empty for ServiceAccounts.
        pub api_group: String = "apiGroup",
        /// The name.
        pub name: String = "name",
        /// The namespace of a ServiceAccount.
        pub namespace: String = "namespace",
    }

    /// The role that a binding grants.
    pub struct RoleRef {
        /// The group of the kind.
        pub api_group: String = "apiGroup",
        /// `Role` or `ClusterRole`.
        pub kind: String = "kind",
        /// The name.
        pub name: String = "name",
    }
}

/// The rules of a ClusterRole with an `aggregationRule`: those of all others that a selector means, by name, each rule once. `None` when
/// it has no `aggregationRule` (`pkg/controller/clusterroleaggregation`).
///
/// `all` is every ClusterRole, in the order of names.
pub fn aggregated<'a>(role: &ClusterRole, all: impl Iterator<Item = &'a ClusterRole> + Clone) -> Option<Vec<PolicyRule>> {
    let mut rules: Vec<PolicyRule> = Vec::new();
    for selector in &role.aggregation_rule.as_ref()?.cluster_role_selectors {
        let Ok(selector) = Selector::from_label_selector(Some(selector)) else { continue };
        for other in all.clone().filter(|other| other.metadata.name != role.metadata.name && selector.matches(&other.metadata.labels)) {
            for rule in &other.rules {
                if !rules.contains(rule) {
                    rules.push(rule.clone());
                }
            }
        }
    }
    Some(rules)
}

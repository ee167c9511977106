//! ClusterRoles that are made of others (`pkg/controller/clusterroleaggregation`).

use api::labels::Selector;
use api::rbac::{ClusterRole, PolicyRule};

/// The rules of a ClusterRole with an `aggregationRule`: those of all others that a selector means, by name, each rule once. `None` when
/// it has no `aggregationRule`.
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

//! Whether someone's rules include other rules: the check against raising one's own rights
//! (`k8s.io/component-helpers/auth/rbac/validation/policy_comparator.go`, `pkg/registry/rbac/validation/policy_compact.go`).

use super::rules::{ALL, path_matches};
use api::rbac::PolicyRule;

/// The pieces of `requested` that no rule of `owned` includes; none when all is covered.
pub fn covers(owned: &[PolicyRule], requested: &[PolicyRule]) -> Vec<PolicyRule> {
    let pieces = requested.iter().flat_map(breakdown);
    pieces.filter(|piece| !owned.iter().any(|rule| rule_covers(rule, piece))).collect()
}

/// The rule as rules of one verb, one group, one resource and at most one name, or of one verb and one path.
pub fn breakdown(rule: &PolicyRule) -> Vec<PolicyRule> {
    let mut pieces = Vec::new();
    for group in &rule.api_groups {
        for resource in &rule.resources {
            for verb in &rule.verbs {
                let piece = PolicyRule {
                    verbs: vec![verb.clone()],
                    api_groups: vec![group.clone()],
                    resources: vec![resource.clone()],
                    ..PolicyRule::default()
                };
                if rule.resource_names.is_empty() {
                    pieces.push(piece);
                } else {
                    let named = |name: &String| PolicyRule { resource_names: vec![name.clone()], ..piece.clone() };
                    pieces.extend(rule.resource_names.iter().map(named));
                }
            }
        }
    }
    for url in &rule.non_resource_urls {
        for verb in &rule.verbs {
            pieces.push(PolicyRule { verbs: vec![verb.clone()], non_resource_urls: vec![url.clone()], ..PolicyRule::default() });
        }
    }
    pieces
}

/// Whether a rule includes a piece.
fn rule_covers(rule: &PolicyRule, piece: &PolicyRule) -> bool {
    let names = if piece.resource_names.is_empty() {
        rule.resource_names.is_empty()
    } else {
        rule.resource_names.is_empty() || has_all(&rule.resource_names, &piece.resource_names)
    };
    names
        && has_all(&rule.verbs, &piece.verbs)
        && has_all(&rule.api_groups, &piece.api_groups)
        && piece.resources.iter().all(|resource| resource_covered(&rule.resources, resource))
        && piece.non_resource_urls.iter().all(|url| rule.non_resource_urls.iter().any(|owned| url_covers(owned, url)))
}

fn has_all(owned: &[String], requested: &[String]) -> bool {
    owned.iter().any(|owned| owned == ALL) || requested.iter().all(|value| owned.contains(value))
}

fn resource_covered(owned: &[String], resource: &str) -> bool {
    let of_all = resource.split_once('/').map(|(_, part)| format!("*/{part}"));
    owned.iter().any(|owned| owned == ALL || owned == resource || of_all.as_deref() == Some(owned))
}

/// Whether a path of a rule, with `*` at the end for all that begin so, includes another.
pub fn url_covers(owned: &str, requested: &str) -> bool {
    path_matches(owned, requested)
}

/// Rules of one group and one resource, joined where only their verbs differ. The order is that of the first of each.
pub fn compact(rules: &[PolicyRule]) -> Vec<PolicyRule> {
    let simple = |rule: &PolicyRule| {
        rule.api_groups.len() == 1 && rule.resources.len() == 1 && rule.resource_names.len() <= 1 && rule.non_resource_urls.is_empty()
    };
    let mut joined: Vec<PolicyRule> = Vec::new();
    for rule in rules {
        let same = |other: &&mut PolicyRule| {
            simple(other)
                && (&other.api_groups, &other.resources, &other.resource_names) == (&rule.api_groups, &rule.resources, &rule.resource_names)
        };
        match joined.iter_mut().find(|other| simple(rule) && same(other)) {
            Some(found) => found.verbs.extend(rule.verbs.iter().cloned()),
            None => joined.push(rule.clone()),
        }
    }
    joined
}

/// A rule in one line, as refusals show it: `{APIGroups:[""], Resources:["pods"], Verbs:["get"]}` (`rbacv1helpers.CompactString`).
pub fn describe(rule: &PolicyRule) -> String {
    let parts = [
        ("APIGroups", &rule.api_groups),
        ("Resources", &rule.resources),
        ("NonResourceURLs", &rule.non_resource_urls),
        ("ResourceNames", &rule.resource_names),
        ("Verbs", &rule.verbs),
    ];
    let parts: Vec<String> =
        parts.iter().filter(|(_, values)| !values.is_empty()).map(|(name, values)| format!("{name}:{}", quoted(values))).collect();
    format!("{{{}}}", parts.join(", "))
}

/// Texts in quotes and brackets, as Go's `%q` prints a slice.
pub(crate) fn quoted(values: &[String]) -> String {
    format!("[{}]", values.iter().map(|value| format!("{value:?}")).collect::<Vec<_>>().join(" "))
}

//! Whether a rule allows a request, and whether a binding means a user (`pkg/apis/rbac/v1/evaluation_helpers.go`,
//! `pkg/registry/rbac/validation/rule.go`).

use super::Attributes;
use crate::user;
use api::rbac::{PolicyRule, Subject};

/// Stands for everything.
pub(super) const ALL: &str = "*";

/// Whether a rule allows what the attributes describe.
pub fn rule_allows(rule: &PolicyRule, attributes: &Attributes<'_>) -> bool {
    match attributes {
        Attributes::Resource { verb, group, resource, subresource, name, .. } => {
            has(&rule.verbs, verb)
                && has(&rule.api_groups, group)
                && resource_matches(&rule.resources, resource, subresource)
                && (rule.resource_names.is_empty() || rule.resource_names.iter().any(|allowed| allowed == name))
        }
        Attributes::Path { verb, path } => has(&rule.verbs, verb) && rule.non_resource_urls.iter().any(|url| path_matches(url, path)),
    }
}

/// Whether a list names the value or everything.
fn has(allowed: &[String], value: &str) -> bool {
    allowed.iter().any(|allowed| allowed == ALL || allowed == value)
}

/// `*` means everything, `pods` the object, `pods/log` its part, `*/scale` that part of all objects.
fn resource_matches(allowed: &[String], resource: &str, subresource: &str) -> bool {
    allowed.iter().any(|allowed| {
        if allowed == ALL || (subresource.is_empty() && allowed == resource) {
            return true;
        }
        let part = allowed.split_once('/').filter(|(_, part)| !subresource.is_empty() && *part == subresource);
        part.is_some_and(|(of, _)| of == ALL || of == resource)
    })
}

/// Whether a path of a rule, with `*` at the end for all that begin so, means a path.
pub(super) fn path_matches(allowed: &str, path: &str) -> bool {
    allowed == ALL || allowed == path || (allowed.ends_with('*') && path.starts_with(allowed.trim_end_matches('*')))
}

/// The place of the first subject that means the user; `namespace` is that of the binding, empty for a ClusterRoleBinding.
pub fn applies_to(user: &user::Info, subjects: &[Subject], namespace: &str) -> Option<usize> {
    subjects.iter().position(|subject| match subject.kind.as_str() {
        "User" => user.name == subject.name,
        "Group" => user.is_in(&subject.name),
        "ServiceAccount" => {
            let of = if subject.namespace.is_empty() { namespace } else { &subject.namespace };
            !of.is_empty() && user.name == user::service_account_name(of, &subject.name)
        }
        _ => false,
    })
}

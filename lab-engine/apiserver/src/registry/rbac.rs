//! Roles and bindings (`pkg/apis/rbac/{v1/defaults,validation/validation}.go`, `pkg/registry/rbac`).

use super::Strategy;
use api::json::Json;
use api::rbac::{ClusterRole, ClusterRoleBinding, GROUP, PolicyRule, Role, RoleBinding, RoleRef, Subject};
use api::status::{FieldError, FieldErrorKind};

/// Sets the groups of those whom a binding names.
fn default_binding(subjects: &mut [Subject], role_ref: &mut RoleRef) {
    if role_ref.api_group.is_empty() {
        role_ref.api_group = GROUP.to_owned();
    }
    for subject in subjects {
        if subject.api_group.is_empty() && matches!(subject.kind.as_str(), "User" | "Group") {
            subject.api_group = GROUP.to_owned();
        }
    }
}

fn rules(rules: &[PolicyRule], namespaced: bool, errors: &mut Vec<FieldError>) {
    for (index, rule) in rules.iter().enumerate() {
        let path = format!("rules[{index}]");
        if rule.verbs.is_empty() {
            errors.push(FieldError::required(format!("{path}.verbs"), "verbs must contain at least one value"));
        }
        if !rule.non_resource_urls.is_empty() {
            if namespaced {
                let detail = "namespaced rules cannot apply to non-resource URLs";
                errors.push(list_invalid(format!("{path}.nonResourceURLs"), &rule.non_resource_urls, detail));
            }
            if !rule.api_groups.is_empty() || !rule.resources.is_empty() || !rule.resource_names.is_empty() {
                let detail = "rules cannot apply to both regular resources and non-resource URLs";
                errors.push(list_invalid(format!("{path}.nonResourceURLs"), &rule.non_resource_urls, detail));
            }
            continue;
        }
        if rule.api_groups.is_empty() {
            errors.push(FieldError::required(format!("{path}.apiGroups"), "resource rules must supply at least one api group"));
        }
        if rule.resources.is_empty() {
            errors.push(FieldError::required(format!("{path}.resources"), "resource rules must supply at least one resource"));
        }
    }
}

fn list_invalid(path: String, values: &[String], detail: &str) -> FieldError {
    let values = values.to_vec().to_json().to_string();
    FieldError::new(FieldErrorKind::Invalid, path, values, detail)
}

fn binding(subjects: &[Subject], role_ref: &RoleRef, kinds: &[&str], errors: &mut Vec<FieldError>) {
    if role_ref.api_group != GROUP {
        errors.push(FieldError::not_supported("roleRef.apiGroup", &role_ref.api_group, &[GROUP]));
    }
    if !kinds.contains(&role_ref.kind.as_str()) {
        errors.push(FieldError::not_supported("roleRef.kind", &role_ref.kind, kinds));
    }
    if role_ref.name.is_empty() {
        errors.push(FieldError::required("roleRef.name", ""));
    }
    for (index, subject) in subjects.iter().enumerate() {
        let path = format!("subjects[{index}]");
        if subject.name.is_empty() {
            errors.push(FieldError::required(format!("{path}.name"), ""));
        }
        match subject.kind.as_str() {
            "ServiceAccount" => {
                if !subject.api_group.is_empty() {
                    errors.push(FieldError::not_supported(format!("{path}.apiGroup"), &subject.api_group, &[""]));
                }
                if subject.namespace.is_empty() {
                    errors.push(FieldError::required(format!("{path}.namespace"), ""));
                }
            }
            "User" | "Group" => {
                if subject.api_group != GROUP {
                    errors.push(FieldError::not_supported(format!("{path}.apiGroup"), &subject.api_group, &[GROUP]));
                }
            }
            other => errors.push(FieldError::not_supported(format!("{path}.kind"), other, &["Group", "ServiceAccount", "User"])),
        }
    }
}

fn role_ref_update(new: &RoleRef, old: &RoleRef, errors: &mut Vec<FieldError>) {
    if new != old {
        errors.push(FieldError::new(FieldErrorKind::Invalid, "roleRef", new.to_json().to_string(), "cannot change roleRef"));
    }
}

impl Strategy for Role {
    fn validate(&self, errors: &mut Vec<FieldError>) {
        rules(&self.rules, true, errors);
    }
}

impl Strategy for ClusterRole {
    fn validate(&self, errors: &mut Vec<FieldError>) {
        rules(&self.rules, false, errors);
        if let Some(aggregation) = &self.aggregation_rule
            && aggregation.cluster_role_selectors.is_empty()
        {
            let detail = "at least one clusterRoleSelector required if aggregationRule is non-nil";
            errors.push(FieldError::required("aggregationRule.clusterRoleSelectors", detail));
        }
    }
}

impl Strategy for RoleBinding {
    fn default(&mut self) {
        default_binding(&mut self.subjects, &mut self.role_ref);
        for subject in &mut self.subjects {
            if subject.kind == "ServiceAccount" && subject.namespace.is_empty() {
                subject.namespace.clone_from(&self.metadata.namespace);
            }
        }
    }

    fn validate(&self, errors: &mut Vec<FieldError>) {
        binding(&self.subjects, &self.role_ref, &["ClusterRole", "Role"], errors);
    }

    fn validate_update(&self, old: &Self, errors: &mut Vec<FieldError>) {
        role_ref_update(&self.role_ref, &old.role_ref, errors);
        self.validate(errors);
    }
}

impl Strategy for ClusterRoleBinding {
    fn default(&mut self) {
        default_binding(&mut self.subjects, &mut self.role_ref);
    }

    fn validate(&self, errors: &mut Vec<FieldError>) {
        binding(&self.subjects, &self.role_ref, &["ClusterRole"], errors);
    }

    fn validate_update(&self, old: &Self, errors: &mut Vec<FieldError>) {
        role_ref_update(&self.role_ref, &old.role_ref, errors);
        self.validate(errors);
    }
}

//! Nobody grants what he does not have: the check when roles and bindings are written (`pkg/registry/rbac/*/policybased`).
//!
//! The author must have all rights that a role holds or a binding grants, or the verb `escalate` on the role or `bind` on what is bound.
//!
//! **Simplified here:** nothing known.

use crate::rbac::{Attributes, compact, covers, describe, quoted};
use crate::server::ApiServer;
use crate::user::{self, Info};
use crate::write::Write;
use api::Object;
use api::kinds::KindInfo;
use api::rbac::{ClusterRole, GROUP, PolicyRule, RoleRef};
use api::status::Status;
use std::collections::BTreeSet;

impl ApiServer {
    /// Checks what the author of a role or binding grants with it; `old` is what an update replaces.
    ///
    /// # Errors
    /// 403 with the rights that he lacks; 404 for a binding to a role that does not exist.
    pub(crate) fn check_escalation(&self, write: &Write, new: &Object, old: Option<&Object>) -> Result<(), Box<Status>> {
        let Some(user) = write.origin.as_ref().map(|origin| &origin.user) else { return Ok(()) };
        if user.is_in(user::MASTERS) || (old.is_some_and(|old| grants(old) == grants(new))) {
            return Ok(());
        }
        let info = &write.info;
        match new {
            Object::Role(role) => self.check_role(user, info, &write.namespace, &write.name, &role.rules),
            Object::ClusterRole(role) => {
                if self.may_escalate(user, info, "", &write.name) {
                    return Ok(());
                }
                let collects = |role: &ClusterRole| role.aggregation_rule.is_some();
                let collected = old.and_then(|old| old.as_kind::<ClusterRole>()).is_some_and(|old| collects(old));
                if (collects(role) || collected) && !covers(&self.rbac.rules_for(user, "").rules, &everything()).is_empty() {
                    let why = "must have cluster-admin privileges to use the aggregationRule";
                    return Err(Box::new(Status::forbidden(&info.gvr(), &write.name, why)));
                }
                self.check_role(user, info, "", &write.name, &role.rules)
            }
            Object::RoleBinding(binding) => self.check_binding(user, info, &write.namespace, &write.name, &binding.role_ref),
            Object::ClusterRoleBinding(binding) => self.check_binding(user, info, "", &write.name, &binding.role_ref),
            _ => Ok(()),
        }
    }

    /// Whether the user may grant in this role what he does not have (`RoleEscalationAuthorized`).
    fn may_escalate(&self, user: &Info, info: &KindInfo, namespace: &str, name: &str) -> bool {
        self.authorize(user, &Attributes::resource("escalate", GROUP, &info.plural).on(namespace, name)).is_ok()
    }

    fn check_role(&self, user: &Info, info: &KindInfo, namespace: &str, name: &str, rules: &[PolicyRule]) -> Result<(), Box<Status>> {
        if self.may_escalate(user, info, namespace, name) {
            return Ok(());
        }
        self.check_rules(user, info, namespace, name, rules)
    }

    fn check_binding(&self, user: &Info, info: &KindInfo, namespace: &str, name: &str, role: &RoleRef) -> Result<(), Box<Status>> {
        let (plural, of) = if role.kind == "Role" { ("roles", namespace) } else { ("clusterroles", "") };
        if self.authorize(user, &Attributes::resource("bind", GROUP, plural).on(namespace, &role.name)).is_ok() {
            return Ok(());
        }
        let rules = self.rbac.rules_of(role, of).map_err(|_| {
            let gvr = api::kinds::find_resource(GROUP, "v1", plural).unwrap_or(info).gvr();
            Box::new(Status::not_found(&gvr, &role.name))
        })?;
        self.check_rules(user, info, namespace, name, rules)
    }

    /// Whether the user has all these rights (`ConfirmNoEscalation`).
    fn check_rules(&self, user: &Info, info: &KindInfo, namespace: &str, name: &str, rules: &[PolicyRule]) -> Result<(), Box<Status>> {
        let own = self.rbac.rules_for(user, namespace);
        let missing = covers(&own.rules, rules);
        if missing.is_empty() {
            return Ok(());
        }
        let lines: BTreeSet<String> = compact(&missing).iter().map(describe).collect();
        let mut why = format!(
            "user {:?} (groups={}) is attempting to grant RBAC permissions not currently held:\n{}",
            user.name,
            quoted(&user.groups),
            lines.into_iter().collect::<Vec<_>>().join("\n")
        );
        if !own.errors.is_empty() {
            why.push_str(&format!("; resolution errors: [{}]", own.errors.join(", ")));
        }
        Err(Box::new(Status::forbidden(&info.gvr(), name, &why)))
    }
}

/// What a role or binding grants, for comparison.
fn grants(object: &Object) -> Option<(Vec<PolicyRule>, Option<RoleRef>, Vec<String>)> {
    Some(match object {
        Object::Role(role) => (role.rules.clone(), None, Vec::new()),
        Object::ClusterRole(role) => (role.rules.clone(), None, vec![format!("{:?}", role.aggregation_rule)]),
        Object::RoleBinding(binding) => (Vec::new(), Some(binding.role_ref.clone()), vec![format!("{:?}", binding.subjects)]),
        Object::ClusterRoleBinding(binding) => (Vec::new(), Some(binding.role_ref.clone()), vec![format!("{:?}", binding.subjects)]),
        _ => return None,
    })
}

/// All rights there are.
fn everything() -> [PolicyRule; 2] {
    let all = || vec!["*".to_owned()];
    [
        PolicyRule { verbs: all(), api_groups: all(), resources: all(), ..PolicyRule::default() },
        PolicyRule { verbs: all(), non_resource_urls: all(), ..PolicyRule::default() },
    ]
}

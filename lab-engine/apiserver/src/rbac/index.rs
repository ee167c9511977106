//! All roles and bindings, and who is bound by what.

use super::Attributes;
use super::rules::rule_allows;
use crate::user;
use api::Object;
use api::rbac::{ClusterRole, PolicyRule, Role, RoleRef, Subject, aggregated};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// Why a request is allowed; prints in the words of upstream: `RBAC: allowed by RoleBinding "…" of Role "…" to User "…"`.
#[derive(Clone, Copy, Debug)]
pub struct Granted<'a> {
    place: &'a Place,
    bound: &'a Bound,
}

impl fmt::Display for Granted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (namespace, name) = self.place;
        if namespace.is_empty() {
            write!(f, "RBAC: allowed by ClusterRoleBinding {name:?}")?;
        } else {
            write!(f, "RBAC: allowed by RoleBinding {:?}", format!("{name}/{namespace}"))?;
        }
        let Subject { kind, name, namespace, .. } = &self.bound.subject;
        let subject = if kind == "ServiceAccount" { format!("{name}/{namespace}") } else { name.clone() };
        write!(f, " of {} {:?} to {kind} {subject:?}", self.bound.role.kind, self.bound.role.name)
    }
}

/// The rules of a user in a namespace.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RulesFor {
    /// The rules, those of ClusterRoleBindings first.
    pub rules: Vec<PolicyRule>,
    /// Why some may be missing: bindings to roles that do not exist.
    pub errors: Vec<String>,
}

/// Where a binding is: its namespace, empty for a ClusterRoleBinding, and its name.
type Place = (String, String);

/// What binds each subject of a kind, by the subject's name.
type ByName = BTreeMap<String, BTreeMap<Place, Bound>>;

/// One subject of one binding.
#[derive(Clone, Debug)]
struct Bound {
    role: RoleRef,
    subject: Subject,
}

/// The roles and bindings of a cluster.
#[derive(Debug, Default)]
pub struct Rbac {
    roles: BTreeMap<String, BTreeMap<String, Arc<Role>>>,
    cluster_roles: BTreeMap<String, Arc<ClusterRole>>,
    users: ByName,
    groups: ByName,
    /// The subjects of every binding, to take it out again.
    bindings: BTreeMap<Place, Vec<Subject>>,
}

impl Rbac {
    /// The roles and bindings among these objects.
    pub fn of<'a>(objects: impl Iterator<Item = &'a Object>) -> Self {
        let mut rbac = Rbac::default();
        objects.for_each(|object| rbac.put(object));
        rbac
    }

    /// Adds a role or binding, in place of one of the same name. Other objects change nothing.
    pub fn put(&mut self, object: &Object) {
        match object {
            Object::Role(role) => {
                let of = self.roles.entry(role.metadata.namespace.clone()).or_default();
                of.insert(role.metadata.name.clone(), role.clone());
            }
            Object::ClusterRole(role) => {
                self.cluster_roles.insert(role.metadata.name.clone(), role.clone());
            }
            Object::RoleBinding(binding) => {
                self.bind((binding.metadata.namespace.clone(), binding.metadata.name.clone()), &binding.subjects, &binding.role_ref);
            }
            Object::ClusterRoleBinding(binding) => {
                self.bind((String::new(), binding.metadata.name.clone()), &binding.subjects, &binding.role_ref);
            }
            _ => {}
        }
    }

    /// Takes a role or binding out.
    pub fn remove(&mut self, object: &Object) {
        let metadata = object.metadata();
        match object {
            Object::Role(_) => {
                if let Some(of) = self.roles.get_mut(&metadata.namespace) {
                    of.remove(&metadata.name);
                }
            }
            Object::ClusterRole(_) => drop(self.cluster_roles.remove(&metadata.name)),
            Object::RoleBinding(_) => self.unbind(&(metadata.namespace.clone(), metadata.name.clone())),
            Object::ClusterRoleBinding(_) => self.unbind(&(String::new(), metadata.name.clone())),
            _ => {}
        }
    }

    /// The index of a subject's kind, and the subject's name in it.
    fn slot(&mut self, subject: &Subject, namespace: &str) -> Option<(&mut ByName, String)> {
        match subject.kind.as_str() {
            "User" => Some((&mut self.users, subject.name.clone())),
            "Group" => Some((&mut self.groups, subject.name.clone())),
            "ServiceAccount" => {
                let of = if subject.namespace.is_empty() { namespace } else { &subject.namespace };
                (!of.is_empty()).then(|| user::service_account_name(of, &subject.name)).map(|name| (&mut self.users, name))
            }
            _ => None,
        }
    }

    fn bind(&mut self, place: Place, subjects: &[Subject], role: &RoleRef) {
        self.unbind(&place);
        for subject in subjects {
            if let Some((index, name)) = self.slot(subject, &place.0) {
                let bound = Bound { role: role.clone(), subject: subject.clone() };
                index.entry(name).or_default().entry(place.clone()).or_insert(bound);
            }
        }
        self.bindings.insert(place, subjects.to_vec());
    }

    fn unbind(&mut self, place: &Place) {
        for subject in self.bindings.remove(place).unwrap_or_default() {
            if let Some((index, name)) = self.slot(&subject, &place.0)
                && let Some(of) = index.get_mut(&name)
            {
                of.remove(place);
                if of.is_empty() {
                    index.remove(&name);
                }
            }
        }
    }

    /// What binds a user in a namespace; that of the cluster for an empty one.
    fn bound<'a>(&'a self, user: &'a user::Info, namespace: &'a str) -> impl Iterator<Item = (&'a Place, &'a Bound)> {
        let own = self.users.get(&user.name);
        let groups = user.groups.iter().filter_map(|group| self.groups.get(group));
        let start = (namespace.to_owned(), String::new());
        own.into_iter().chain(groups).flat_map(move |of| of.range(start.clone()..).take_while(move |(place, _)| place.0 == namespace))
    }

    /// The rules of a role; `namespace` is that of the binding.
    ///
    /// # Errors
    /// That the role does not exist, in upstream's words.
    pub fn rules_of(&self, role: &RoleRef, namespace: &str) -> Result<&[PolicyRule], String> {
        let name = &role.name;
        if role.kind == "Role" {
            let found = self.roles.get(namespace).and_then(|of| of.get(name));
            return found.map(|role| role.rules.as_slice()).ok_or_else(|| format!("role.rbac.authorization.k8s.io {name:?} not found"));
        }
        let found = self.cluster_roles.get(name);
        found.map(|role| role.rules.as_slice()).ok_or_else(|| format!("clusterrole.rbac.authorization.k8s.io {name:?} not found"))
    }

    /// Whether a rule of the user allows the request. Rules of ClusterRoleBindings are looked at first.
    ///
    /// # Errors
    /// What the refusal should add: bindings to roles that do not exist; mostly empty.
    pub fn authorize<'a>(&'a self, user: &'a user::Info, attributes: &Attributes<'a>) -> Result<Granted<'a>, Vec<String>> {
        let mut errors = Vec::new();
        let namespace = attributes.namespace();
        let scopes: &[&str] = if namespace.is_empty() { &[""] } else { &["", namespace] };
        for &scope in scopes {
            for (place, bound) in self.bound(user, scope) {
                match self.rules_of(&bound.role, scope) {
                    Ok(rules) if rules.iter().any(|rule| rule_allows(rule, attributes)) => return Ok(Granted { place, bound }),
                    Ok(_) => {}
                    Err(error) => errors.push(error),
                }
            }
        }
        Err(errors)
    }

    /// All rules of a user in a namespace; for an empty one those of the cluster.
    pub fn rules_for(&self, user: &user::Info, namespace: &str) -> RulesFor {
        let mut found = RulesFor::default();
        let mut seen = BTreeSet::new();
        let scopes: &[&str] = if namespace.is_empty() { &[""] } else { &["", namespace] };
        for &scope in scopes {
            for (place, bound) in self.bound(user, scope) {
                if !seen.insert(place) {
                    continue;
                }
                match self.rules_of(&bound.role, scope) {
                    Ok(rules) => found.rules.extend_from_slice(rules),
                    Err(error) => found.errors.push(error),
                }
            }
        }
        found
    }

    /// The ClusterRoles whose collected rules are not what they should be, with the right ones.
    pub fn to_aggregate(&self) -> Vec<Arc<ClusterRole>> {
        let all = || self.cluster_roles.values().map(|role| &**role);
        let wrong = |role: &Arc<ClusterRole>| {
            let rules = aggregated(role, all())?;
            (rules != role.rules).then(|| Arc::new(ClusterRole { rules, ..ClusterRole::clone(role) }))
        };
        self.cluster_roles.values().filter_map(wrong).collect()
    }
}

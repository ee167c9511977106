//! Role-based access control: which rules a user has, and whether one of them allows a request.
//!
//! [`Rbac`] holds all roles and bindings and an index from subjects to what binds them, so that a request looks only at the bindings of
//! its user and of the user's groups. Rules only ever allow; what no rule allows is refused by whoever asks last.
//!
//! ```text
//! user jane, groups [dev]          index                         roles
//!   User jane  ──────────►  RoleBinding prod/jane  ──────►  Role prod/reader: get, list pods
//!   Group dev  ──────────►  ClusterRoleBinding dev ──────►  ClusterRole view: get …
//! ```
//!
//! Models `plugin/pkg/auth/authorizer/rbac` and `pkg/registry/rbac/validation`.
//!
//! **Simplified here:** nothing known.

mod covers;
mod index;
mod rules;

pub(crate) use covers::quoted;
pub use covers::{breakdown, compact, covers, describe, url_covers};
pub use index::{Granted, Rbac, RulesFor};
pub use rules::{applies_to, rule_allows};

/// What a request wants to do (`authorizer.Attributes`), without who sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attributes<'a> {
    /// Something with a resource.
    Resource {
        /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`, or a verb of its own such as `bind`.
        verb: &'a str,
        /// The group; empty for the core group.
        group: &'a str,
        /// The plural name.
        resource: &'a str,
        /// The subresource, or empty.
        subresource: &'a str,
        /// The namespace; empty for the cluster or all namespaces.
        namespace: &'a str,
        /// The object; empty for collections and creations.
        name: &'a str,
    },
    /// A path that is no resource.
    Path {
        /// The HTTP method in small letters.
        verb: &'a str,
        /// The path.
        path: &'a str,
    },
}

impl<'a> Attributes<'a> {
    /// A verb on a resource of a group.
    pub fn resource(verb: &'a str, group: &'a str, resource: &'a str) -> Self {
        Attributes::Resource { verb, group, resource, subresource: "", namespace: "", name: "" }
    }

    /// The same in a namespace, on an object.
    pub fn on(mut self, in_namespace: &'a str, of_name: &'a str) -> Self {
        if let Attributes::Resource { namespace, name, .. } = &mut self {
            (*namespace, *name) = (in_namespace, of_name);
        }
        self
    }

    /// The verb.
    pub fn verb(&self) -> &'a str {
        match self {
            Attributes::Resource { verb, .. } | Attributes::Path { verb, .. } => verb,
        }
    }

    /// The namespace; empty where there is none.
    pub fn namespace(&self) -> &'a str {
        match self {
            Attributes::Resource { namespace, .. } => namespace,
            Attributes::Path { .. } => "",
        }
    }
}

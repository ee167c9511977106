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

mod aggregation;
mod covers;
mod index;
mod rules;

pub use aggregation::aggregated;
pub use covers::{breakdown, compact, covers, describe, url_covers};
pub use index::{Granted, Rbac, RulesFor};
pub use rules::{applies_to, rule_allows};

/// What a request wants to do (`authorizer.Attributes`), without who sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attributes {
    /// Something with a resource.
    Resource {
        /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`, or a verb of its own such as `bind`.
        verb: String,
        /// The group; empty for the core group.
        group: String,
        /// The version.
        version: String,
        /// The plural name.
        resource: String,
        /// The subresource, or empty.
        subresource: String,
        /// The namespace; empty for the cluster or all namespaces.
        namespace: String,
        /// The object; empty for collections and creations.
        name: String,
    },
    /// A path that is no resource.
    Path {
        /// The HTTP method in small letters.
        verb: String,
        /// The path.
        path: String,
    },
}

impl Attributes {
    /// A verb on a resource of a group.
    pub fn resource(verb: &str, group: &str, resource: &str) -> Self {
        Attributes::Resource {
            verb: verb.to_owned(),
            group: group.to_owned(),
            version: "*".to_owned(),
            resource: resource.to_owned(),
            subresource: String::new(),
            namespace: String::new(),
            name: String::new(),
        }
    }

    /// The same in a namespace, on an object.
    pub fn on(mut self, in_namespace: &str, of_name: &str) -> Self {
        if let Attributes::Resource { namespace, name, .. } = &mut self {
            in_namespace.clone_into(namespace);
            of_name.clone_into(name);
        }
        self
    }

    /// The verb.
    pub fn verb(&self) -> &str {
        match self {
            Attributes::Resource { verb, .. } | Attributes::Path { verb, .. } => verb,
        }
    }

    /// The namespace; empty where there is none.
    pub fn namespace(&self) -> &str {
        match self {
            Attributes::Resource { namespace, .. } => namespace,
            Attributes::Path { .. } => "",
        }
    }
}

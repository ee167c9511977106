//! Who sends a request (`k8s.io/apiserver/pkg/authentication/user`).
//!
//! **Simplified here:** nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

/// The group of everyone who was authenticated.
pub const AUTHENTICATED: &str = "system:authenticated";
/// The group of everyone who was not.
pub const UNAUTHENTICATED: &str = "system:unauthenticated";
/// The name of whoever was not authenticated.
pub const ANONYMOUS: &str = "system:anonymous";
/// The group that may do everything, whatever RBAC says.
pub const MASTERS: &str = "system:masters";
/// The group of all kubelets.
pub const NODES: &str = "system:nodes";
/// What the names of kubelets begin with.
pub const NODE_PREFIX: &str = "system:node:";
/// What the names of ServiceAccounts begin with.
pub const SERVICE_ACCOUNT_PREFIX: &str = "system:serviceaccount:";
/// The group of all ServiceAccounts.
pub const SERVICE_ACCOUNTS: &str = "system:serviceaccounts";

/// A user: a person, a component, a ServiceAccount, or nobody known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Info {
    /// The name.
    pub name: String,
    /// Distinguishes users of one name over time; empty for certificates.
    pub uid: String,
    /// The groups, in the order in which the authenticator gave them.
    pub groups: Vec<String>,
    /// What else the authenticator told.
    pub extra: BTreeMap<String, Vec<String>>,
}

impl Info {
    /// A user with a name and groups.
    pub fn new(name: impl Into<String>, groups: &[&str]) -> Self {
        Info { name: name.into(), groups: groups.iter().map(|&group| group.to_owned()).collect(), ..Info::default() }
    }

    /// Whoever shows no credentials.
    pub fn anonymous() -> Self {
        Info::new(ANONYMOUS, &[UNAUTHENTICATED])
    }

    /// A ServiceAccount, with the groups of all of them and of those of its namespace.
    pub fn service_account(namespace: &str, name: &str, uid: &str) -> Self {
        let groups = [SERVICE_ACCOUNTS.to_owned(), format!("{SERVICE_ACCOUNTS}:{namespace}"), AUTHENTICATED.to_owned()];
        Info { name: service_account_name(namespace, name), uid: uid.to_owned(), groups: groups.into(), ..Info::default() }
    }

    /// Whether the user is in a group.
    pub fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|own| own == group)
    }

    /// The name of the node, if this is its kubelet (`nodeidentifier.NodeIdentity`).
    pub fn node(&self) -> Option<&str> {
        self.name.strip_prefix(NODE_PREFIX).filter(|name| !name.is_empty() && self.is_in(NODES))
    }
}

/// The user name of a ServiceAccount.
pub fn service_account_name(namespace: &str, name: &str) -> String {
    format!("{SERVICE_ACCOUNT_PREFIX}{namespace}:{name}")
}

/// A user as the authorizer's caller holds it.
pub type Shared = Arc<Info>;

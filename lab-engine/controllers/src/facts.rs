//! What the controllers decide, as functions of objects, for whoever wants to know an answer without a cluster.
//!
//! These are the very functions that the controllers call; nothing here reads a cache or writes anything.

/// Of the StatefulSet controller.
pub mod stateful_set {
    pub use crate::stateful_set::control::{Step, Version, View, decide, status};
    pub use crate::stateful_set::names::{claim_owners, claim_pod_name, identity_matches, is_member_of, parent_and_ordinal};
}

/// Of the DaemonSet controller.
pub mod daemon_set {
    pub use crate::daemon_set::control::node_should_run;
}

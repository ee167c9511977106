//! What the controllers decide, as functions of objects, for whoever wants to know an answer without a cluster.
//!
//! These are the very functions that the controllers call; nothing here reads a cache or writes anything.

/// Of the Deployment controller.
pub mod deployment {
    pub use crate::deployment::revision::beyond_history;
    pub use crate::deployment::rolling::{
        cleaned_sizes, desired, grown_size, max_unavailable, min_available, new_size, old_sizes, resolve_fenceposts, scale_down, size,
    };
    pub use crate::deployment::same_version;
    pub use crate::deployment::scaling::{fraction, scale};
    pub use crate::deployment::status::{is_complete, is_progressing, is_timed_out, progress_deadline};
}

/// Of the ReplicaSet controller.
pub mod replica_set {
    pub use crate::pods::{delete_rank, is_active, is_terminating};
}

/// Of the StatefulSet controller.
pub mod stateful_set {
    pub use crate::stateful_set::control::{Step, Version, View, decide, status};
    pub use crate::stateful_set::names::{claim_owners, claim_pod_name, identity_matches, is_member_of, parent_and_ordinal};
}

/// Of the DaemonSet controller.
pub mod daemon_set {
    pub use crate::daemon_set::control::node_should_run;
}

/// Of the Job controller.
pub mod job {
    pub use crate::job::control::{Decision, New, Record, counted, decide, is_finished};
}

/// Of the CronJob controller.
pub mod cron_job {
    pub use crate::cron_job::control::{Checked, Decision, Missed, Told, decide, most_recent, next_start};
}

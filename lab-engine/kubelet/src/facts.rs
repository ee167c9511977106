//! What the kubelet decides, as functions and small machines, for whoever wants to know an answer without a node.
//!
//! These are the very parts that the pod workers use; nothing here talks to an API server or runs anything.

/// When containers are started and killed, and what their Pod's status says.
pub mod lifecycle {
    pub use crate::backoff::Backoff;
    pub use crate::env::expand;
    pub use crate::pod_actions::{
        Kill, PodActions, RuntimeState, RuntimeView, SandboxSeen, Seen, Which, compute_pod_actions, should_be_restarted,
    };
    pub use crate::restart::should_restart;
    pub use crate::status::{Draft, Statuses, containers_ready, initialized, phase, ready};
}

/// What a probe's results add up to.
pub mod prober {
    pub use crate::probes::{ProbeResult, ProbeType, ProbeWorker, Target, TargetState, Tick, Verdict};
}

/// Whether images are pulled.
pub mod images {
    pub use crate::image_pull::{Decision, ImageEvent, PullGate, pull_failure};
    pub use crate::runtime::reference::apply_default_tag;
}

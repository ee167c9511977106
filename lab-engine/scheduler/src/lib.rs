//! kube-scheduler: finds a node for every Pod that has none.
//!
//! ```text
//! informers ─▶ cache (nodes with their Pods)          ┌─ fits ──▶ assume ─▶ bind
//!          └─▶ queue (Pods without a node) ─▶ cycle ──┴─ does not ─▶ preempt?, condition, event ─▶ queue
//! ```
//!
//! - [`Scheduler`]: the component; feeds cache and queue from its informers, runs the cycles, writes bindings.
//! - `queue`: which Pod is next, and which Pods wait for what (`pkg/scheduler/backend/queue`).
//! - `cache`: the nodes as a cycle sees them (`pkg/scheduler/backend/cache`).
//! - `schedule_one`: one cycle (`pkg/scheduler/schedule_one.go`).
//! - `framework`: the points at which plugins take part; `plugins`: one file per plugin; `registry`: the default profile.
//!
//! - [`dry_run`]: asks single plugins what they think, without a cluster.
//!
//! **Simplified here:** no extenders; devices (`DynamicResources`) are not modelled.

mod args;
mod cache;
mod config;
mod diagnosis;
pub mod dry_run;
mod framework;
mod listers;
mod memo;
mod node_info;
mod plugins;
mod pod_info;
mod pod_volume;
mod queue;
mod registry;
mod resources;
mod schedule_one;
mod scheduler;
#[cfg(test)]
mod testing;
mod views;

pub use config::{SchedulerConfig, SchedulerProfile};
pub use scheduler::Scheduler;

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
//! **Simplified here:** one profile; no extenders; no volumes and devices, whose plugins are left out.

mod cache;
mod diagnosis;
mod framework;
mod listers;
mod node_info;
mod plugins;
mod pod_info;
mod queue;
mod registry;
mod resources;
mod schedule_one;
mod scheduler;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod vectors;

pub use scheduler::Scheduler;

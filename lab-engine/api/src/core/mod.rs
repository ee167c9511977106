//! The kinds of the core group, `v1` (`k8s.io/api/core/v1`).

mod claim;
mod config;
mod container;
mod endpoints;
mod event;
mod node;
mod pod;
mod policy;
mod replication;
mod service;
mod volume;

pub use claim::*;
pub use config::*;
pub use container::*;
pub use endpoints::*;
pub use event::*;
pub use node::*;
pub use pod::*;
pub use policy::*;
pub use replication::*;
pub use service::*;
pub use volume::*;

//! Assembles the parts into a cluster and drives them through virtual time.
//!
//! - [`ClusterConfig`]: its shape.
//! - [`Cluster`]: the cluster; a terminal of its own, and time.
//! - [`Fault`]: what can be done to it.
//! - `host`: carries requests between the parts; `connection`: the client's end of a connection; `message`: what crosses the network.

mod addons;
mod candidate;
mod cluster;
mod config;
mod connection;
mod fault;
mod fault_line;
mod host;
mod identity;
mod message;
mod network_parts;
mod node_fault;

pub use client::inspection::{CachedObject, HandlerCounts, InformerStatus, Inspection, QueueStatus, ReflectorCounts, ReflectorState};
pub use cluster::{Advanced, Cluster, CommandResult, ComponentStatus};
pub use config::{ClusterConfig, ConfigError, Encryption, EtcdConfig, NodeConfig};
pub use fault::{Fault, FaultError, FaultSyntaxError};
pub use host::MemberStatus;
pub use network::ProxyMode;
pub use node_fault::NodeFault;

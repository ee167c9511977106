//! Assembles the parts into a cluster and drives them through virtual time.
//!
//! - [`ClusterConfig`]: its shape.
//! - [`Cluster`]: the cluster; a terminal of its own, faults, and time.
//! - `host`: carries requests between the parts; `connection`: the client's end of a connection; `message`: what crosses the network.

mod cluster;
mod config;
mod connection;
mod host;
mod identity;
mod message;

pub use cluster::{Advanced, Cluster, CommandResult, Fault};
pub use config::{ClusterConfig, ConfigError, Encryption, NodeConfig};

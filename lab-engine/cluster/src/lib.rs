//! Assembles the parts into a cluster and drives them through virtual time.
//!
//! What stands: the shape of a cluster ([`ClusterConfig`]) and the client's end of a component's connection to the API server
//! ([`Connection`]). `message.rs`, `host.rs` and `cluster.rs` beside this file are written against the interfaces of `apiserver`, `etcd`,
//! `kubectl` and `kubelet` that `ARCHITECTURE.md` lists, and become modules when those parts stand.

mod config;
mod connection;

pub use config::{ClusterConfig, ConfigError, NodeConfig};
pub use connection::{Broken, Connection};

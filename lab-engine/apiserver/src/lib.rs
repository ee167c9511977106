//! The API server: objects over HTTP-shaped requests, kept in etcd and watched (`k8s.io/apiserver`, `pkg/registry`).
//!
//! [`ApiServer`] is a state machine. A write is decoded, defaulted, admitted and validated, then sent to etcd as a transaction that
//! compares the object's revision; it is answered when etcd has answered, and computed anew when someone else was faster
//! (`GuaranteedUpdate`). Reads and watches are served from the watch cache, which one watch on etcd feeds; a read that must be current
//! asks etcd for its revision first.
//!
//! Every request passes the chain first: who sends it (`authentication`), whether that user may (`authorization`, [`rbac`]), and for writes
//! the plugins of [`admission`].
//!
//! **Simplified here:** no OpenAPI v2; one watch on etcd for all resources; one limit for all requests in flight (`inflight`).

pub mod admission;
mod aggregator;
mod authentication;
mod authorization;
mod bootstrap;
mod cache;
mod cel;
mod chain;
mod collection;
mod continue_token;
mod crd;
mod decide;
mod discovery;
mod encryption;
mod escalation;
mod eviction;
mod expiry;
mod field_manager;
mod holds;
mod inflight;
mod io;
mod list_options;
mod node_authorizer;
mod openapi;
mod own;
mod params;
mod policy;
mod printers;
mod proposed;
mod proxy;
mod quota;
pub mod rbac;
mod read;
mod registry;
mod reviews;
mod server;
mod service_ip;
mod signers;
mod storage;
mod subresource;
mod tokens;
mod unreadable;
pub mod user;
pub mod validation;
mod versions;
mod watchers;
mod write;

pub use bootstrap::{ADVERTISE_ADDRESS, SECURE_PORT};
pub use continue_token::Continue;
pub use encryption::EncryptionConfig;
pub use list_options::parse_resource_version;
pub use server::{ApiServer, Config, Input, Output};

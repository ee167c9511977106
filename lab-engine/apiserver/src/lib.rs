//! The API server: objects over HTTP-shaped requests, kept in etcd and watched (`k8s.io/apiserver`, `pkg/registry`).
//!
//! [`ApiServer`] is a state machine. A write is decoded, defaulted, admitted and validated, then sent to etcd as a transaction that
//! compares the object's revision; it is answered when etcd has answered, and computed anew when someone else was faster
//! (`GuaranteedUpdate`). Reads and watches are served from the watch cache, which one watch on etcd feeds; a read that must be current
//! asks etcd for its revision first.
//!
//! **Simplified here:** no authentication and authorisation; no server-side apply; no OpenAPI document; one watch on etcd for all
//! resources; requests are not limited (API Priority and Fairness).

mod admission;
mod bootstrap;
mod cache;
mod collection;
mod discovery;
mod params;
mod printers;
mod proxy;
mod read;
mod registry;
mod server;
mod service_ip;
mod storage;
mod subresource;
pub mod validation;
mod watchers;
mod write;

pub use server::{ApiServer, Config, Input, Output};

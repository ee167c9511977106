//! etcd: the revisioned key-value store under the API server.
//!
//! [`Store`] is the MVCC key space (`go.etcd.io/etcd/server/v3/storage/mvcc`): every write makes a new revision, old revisions can be
//! read until they are compacted away, and a watch can start in the past. An [`EtcdServer`](server::EtcdServer) is a member of a group that
//! agrees on it by Raft; it keeps a write-ahead log and snapshots on a simulated disk and serves clients that it knows only by number over
//! messages ([`Request`], [`Response`]). A [`Client`] spreads requests over the members of a group.
//!
//! Values are shared ([`Value`]): what the API server writes, what the store keeps and what every watcher gets is one object. Whoever
//! wants bytes asks for them with [`Encode::encode`].
//!
//! **Simplified here:** keys are text; no users and roles of etcd's own.

mod client;
pub mod disk;
mod error;
pub mod lease;
pub mod maintenance;
mod message;
mod pb;
pub mod server;
pub mod snap;
mod store;
mod value;
pub mod wal;

pub use client::{Client, ClientOutput};
pub use error::EtcdError;
pub use lease::LeaseId;
pub use message::{
    CallId, Compare, CompareResult, CompareTarget, Event, EventKind, KeyRange, KeyValue, Op, OpResponse, Put, Range, RangeResponse,
    Request, Response, Revision, Revisions, Sort, SortTarget, Txn, TxnResponse, Watch,
};
pub use store::{Restored, Store};
pub use value::{Encode, Value};

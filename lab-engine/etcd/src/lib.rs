//! etcd: the revisioned key-value store under the API server.
//!
//! [`Store`] is the MVCC key space (`go.etcd.io/etcd/server/v3/storage/mvcc`): every write makes a new revision, old revisions can be
//! read until they are compacted away, and a watch can start in the past. [`Member`] serves it over messages ([`Request`],
//! [`Response`]) to clients that it knows only by number.
//!
//! Values are shared ([`Value`]): what the API server writes, what the store keeps and what every watcher gets is one object. Whoever
//! wants bytes asks for them with [`Encode::encode`].
//!
//! [`server::EtcdServer`] is a member of a group: it agrees with the others by Raft, and keeps what it promises in a write-ahead log
//! ([`wal`]) and snapshots ([`snap`]) on a simulated disk ([`disk`]), with etcd's bytes and checksums.
//!
//! **Simplified here:** [`Member`] is alone and has no disk; no leases; keys are text; the response to a put carries the pair as it was
//! written; no quota.

pub mod disk;
mod error;
mod member;
mod message;
mod pb;
pub mod server;
pub mod snap;
mod store;
mod value;
pub mod wal;

pub use error::EtcdError;
pub use member::{Input, Member, Output};
pub use message::{
    CallId, Compare, CompareResult, CompareTarget, Event, EventKind, KeyRange, KeyValue, Op, OpResponse, Range, RangeResponse, Request,
    Response, Revision, Txn, TxnResponse, Watch,
};
pub use store::Store;
pub use value::{Encode, Value};

//! What clients say to etcd and what it answers (`etcdserverpb`: `KV`, `Watch`).

use crate::{EtcdError, Value};
use sim::{ObjectRef, Verb};
use std::sync::Arc;

/// The number of a change of the key space. The empty store is at revision 1.
pub type Revision = u64;

/// A call of a client, unique within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallId(pub u64);

/// What a client asks.
#[derive(Clone, Debug)]
pub enum Request {
    /// Changes keys if conditions hold. Answered by [`Response::Txn`].
    Txn(CallId, Txn),
    /// Reads keys. Answered by [`Response::Range`].
    Range(CallId, Range),
    /// Starts a watch, which answers with [`Response::Events`] until it is cancelled.
    Watch(CallId, Watch),
    /// Ends the watch of that call.
    CancelWatch(CallId),
    /// Forgets what only revisions before this one can see. Answered by [`Response::Compacted`].
    Compact(CallId, Revision),
}

impl Request {
    /// The call.
    pub fn call(&self) -> CallId {
        match self {
            Request::Txn(call, _)
            | Request::Range(call, _)
            | Request::Watch(call, _)
            | Request::CancelWatch(call)
            | Request::Compact(call, _) => *call,
        }
    }
}

/// What etcd answers.
#[derive(Clone, Debug)]
pub enum Response {
    /// A transaction was carried out.
    Txn(CallId, TxnResponse),
    /// Keys were read.
    Range(CallId, RangeResponse),
    /// What a watch saw, in revision order, and the store's revision. No events: the watch has caught up.
    Events(CallId, Vec<Event>, Revision),
    /// The store was compacted.
    Compacted(CallId),
    /// The call was refused; a watch has ended.
    Error(CallId, EtcdError),
}

impl Response {
    /// The call that it answers.
    pub fn call(&self) -> CallId {
        match self {
            Response::Txn(call, _)
            | Response::Range(call, _)
            | Response::Events(call, ..)
            | Response::Compacted(call)
            | Response::Error(call, _) => *call,
        }
    }
}

/// Some keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyRange {
    /// One key.
    One(Arc<str>),
    /// All keys that begin so.
    Prefix(Arc<str>),
    /// Keys from the first, up to but without the second.
    Between(Arc<str>, Arc<str>),
    /// All keys from this one on.
    From(Arc<str>),
}

impl KeyRange {
    /// Whether the key is in the range.
    pub fn contains(&self, key: &str) -> bool {
        match self {
            KeyRange::One(one) => &**one == key,
            KeyRange::Prefix(prefix) => key.starts_with(&**prefix),
            KeyRange::Between(start, end) => (&**start..&**end).contains(&key),
            KeyRange::From(start) => key >= &**start,
        }
    }

    /// The first key that can be in the range.
    pub fn start(&self) -> &Arc<str> {
        match self {
            KeyRange::One(start) | KeyRange::Prefix(start) | KeyRange::Between(start, _) | KeyRange::From(start) => start,
        }
    }
}

/// A transaction: if all compares hold, the `success` operations, else the `failure` ones, at one revision.
#[derive(Clone, Debug, Default)]
pub struct Txn {
    /// The conditions.
    pub compares: Vec<Compare>,
    /// What to do when they hold.
    pub success: Vec<Op>,
    /// What to do otherwise.
    pub failure: Vec<Op>,
    /// What the trace says of the success.
    pub subject: Option<(Verb, ObjectRef)>,
}

/// A condition on one key. An absent key has revision and version 0.
#[derive(Clone, Debug)]
pub struct Compare {
    /// The key.
    pub key: Arc<str>,
    /// How the two sides must relate.
    pub result: CompareResult,
    /// What is compared with what.
    pub target: CompareTarget,
}

/// A relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompareResult {
    /// Equal.
    Equal,
    /// Not equal.
    NotEqual,
    /// Greater than the given value.
    Greater,
    /// Less than the given value.
    Less,
}

/// What is compared, with the given value.
#[derive(Clone, Debug)]
pub enum CompareTarget {
    /// The revision of the last write.
    Mod(Revision),
    /// The revision of the creation.
    Create(Revision),
    /// The number of writes since the creation.
    Version(u64),
    /// The bytes of the value; never holds for an absent key.
    Value(Value),
}

/// One operation of a transaction.
#[derive(Clone, Debug)]
pub enum Op {
    /// Writes a key.
    Put(Arc<str>, Value),
    /// Deletes keys.
    Delete(KeyRange),
    /// Reads keys.
    Range(Range),
}

/// A read.
#[derive(Clone, Debug)]
pub struct Range {
    /// Which keys.
    pub keys: KeyRange,
    /// At which revision; 0 for the present.
    pub revision: Revision,
    /// At most how many pairs; 0 for all.
    pub limit: usize,
    /// Whether only the number is wanted.
    pub count_only: bool,
}

impl Range {
    /// All pairs of the range, at present.
    pub fn all(keys: KeyRange) -> Self {
        Range { keys, revision: 0, limit: 0, count_only: false }
    }
}

/// A watch.
#[derive(Clone, Debug)]
pub struct Watch {
    /// Which keys.
    pub keys: KeyRange,
    /// The first revision of interest; 0 for the next one.
    pub start_revision: Revision,
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyValue {
    /// The key.
    pub key: Arc<str>,
    /// The revision at which the key came into being.
    pub create_revision: Revision,
    /// The revision of the last write.
    pub mod_revision: Revision,
    /// How often it was written since it came into being.
    pub version: u64,
    /// The value.
    pub value: Value,
}

/// What a transaction did.
#[derive(Clone, Debug)]
pub struct TxnResponse {
    /// Whether the compares held.
    pub succeeded: bool,
    /// The store's revision afterwards.
    pub revision: Revision,
    /// One answer per operation.
    pub responses: Vec<OpResponse>,
}

/// What one operation of a transaction did.
#[derive(Clone, Debug)]
pub enum OpResponse {
    /// The pair as it was written.
    Put(KeyValue),
    /// The pairs that were deleted, as they were before.
    Delete(Vec<KeyValue>),
    /// What was read.
    Range(RangeResponse),
}

/// What was read.
#[derive(Clone, Debug, Default)]
pub struct RangeResponse {
    /// The store's revision at the time of the read.
    pub revision: Revision,
    /// The pairs, in key order.
    pub kvs: Vec<KeyValue>,
    /// Whether `limit` left some out.
    pub more: bool,
    /// How many keys are in the range.
    pub count: usize,
}

/// One change that a watch saw.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// The revision.
    pub revision: Revision,
    /// The key.
    pub key: Arc<str>,
    /// The pair after a put.
    pub kv: Option<KeyValue>,
    /// The pair before, if there was one.
    pub prev: Option<KeyValue>,
}

/// The kind of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// The key was written.
    Put,
    /// The key was deleted.
    Delete,
}

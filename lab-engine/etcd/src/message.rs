//! What clients say to etcd about keys, and what it answers (`etcdserverpb`: `KV`, `Watch`). What else there is to say is in
//! [`crate::maintenance`] and [`crate::lease`].

use crate::lease::{LeaseAnswer, LeaseId, LeaseRequest};
use crate::maintenance::{Maintenance, MaintenanceAnswer};
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
    /// Asks how far the watch of that call is. Answered by [`Response::Events`] without events (`WatchProgressRequest`).
    WatchProgress(CallId),
    /// Forgets what only revisions before this one can see. Answered by [`Response::Compacted`].
    Compact(CallId, Revision),
    /// Something about leases. Answered by [`Response::Lease`].
    Lease(CallId, LeaseRequest),
    /// Something about the members and their data. Answered by [`Response::Maintenance`].
    Maintenance(CallId, Maintenance),
}

impl Request {
    /// The call.
    pub fn call(&self) -> CallId {
        match self {
            Request::Txn(call, _)
            | Request::Range(call, _)
            | Request::Watch(call, _)
            | Request::CancelWatch(call)
            | Request::WatchProgress(call)
            | Request::Compact(call, _)
            | Request::Lease(call, _)
            | Request::Maintenance(call, _) => *call,
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
    Events(CallId, Arc<[Event]>, Revision),
    /// A watch has ended.
    Canceled {
        /// The watch.
        call: CallId,
        /// Why.
        error: EtcdError,
        /// The revision of the last compaction, if the watch wanted to begin before it; else 0.
        compact_revision: Revision,
    },
    /// The store was compacted.
    Compacted(CallId),
    /// What was asked about leases.
    Lease(CallId, LeaseAnswer),
    /// What was asked about the members and their data.
    Maintenance(CallId, Box<MaintenanceAnswer>),
    /// The call was refused.
    Error(CallId, EtcdError),
}

impl Response {
    /// The call that it answers.
    pub fn call(&self) -> CallId {
        match self {
            Response::Txn(call, _)
            | Response::Range(call, _)
            | Response::Events(call, ..)
            | Response::Canceled { call, .. }
            | Response::Compacted(call)
            | Response::Lease(call, _)
            | Response::Maintenance(call, _)
            | Response::Error(call, _) => *call,
        }
    }
}

/// Some keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
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

    /// Whether no key can be in the range.
    pub fn is_empty(&self) -> bool {
        matches!(self, KeyRange::Between(start, end) if start >= end)
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

impl Txn {
    /// Whether it only reads, whatever holds (`IsTxnReadonly`). One with a transaction within counts as one that writes.
    pub(crate) fn is_read_only(&self) -> bool {
        self.success.iter().chain(&self.failure).all(|op| matches!(op, Op::Range(_)))
    }
}

/// A condition on keys, which must hold for each of them. An absent key has revisions, version and lease 0.
#[derive(Clone, Debug)]
pub struct Compare {
    /// The keys.
    pub keys: KeyRange,
    /// How the two sides must relate.
    pub result: CompareResult,
    /// What is compared with what.
    pub target: CompareTarget,
}

impl Compare {
    /// Whether the key was last written at this revision; 0: whether it is absent.
    pub fn at_revision(key: Arc<str>, revision: Revision) -> Self {
        Compare { keys: KeyRange::One(key), result: CompareResult::Equal, target: CompareTarget::Mod(revision) }
    }
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
    /// The lease that the key is attached to.
    Lease(LeaseId),
}

/// One operation of a transaction.
#[derive(Clone, Debug)]
pub enum Op {
    /// Writes a key.
    Put(Put),
    /// Deletes keys.
    Delete(KeyRange),
    /// Reads keys.
    Range(Range),
    /// A transaction within the transaction, at the same revision.
    Txn(Txn),
}

impl Op {
    /// Writes a key that no lease ends.
    pub fn put(key: impl Into<Arc<str>>, value: impl Into<Value>) -> Self {
        Op::Put(Put::new(key, value))
    }
}

/// A write.
#[derive(Clone, Debug)]
pub struct Put {
    /// The key.
    pub key: Arc<str>,
    /// The value; empty if the one that is there stays.
    pub value: Value,
    /// The lease that the key ends with; none if the one that is there stays.
    pub lease: LeaseId,
    /// Whether the value that is there stays.
    pub ignore_value: bool,
    /// Whether the lease that is there stays.
    pub ignore_lease: bool,
}

impl Put {
    /// Writes a key that no lease ends.
    pub fn new(key: impl Into<Arc<str>>, value: impl Into<Value>) -> Self {
        Put { key: key.into(), value: value.into(), lease: LeaseId::NONE, ignore_value: false, ignore_lease: false }
    }
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
    /// Whether values are left out.
    pub keys_only: bool,
    /// In which order the pairs come, and which of them `limit` keeps.
    pub sort: Sort,
    /// Only pairs that were last written at these revisions.
    pub mod_revisions: Revisions,
    /// Only pairs that came into being at these revisions.
    pub create_revisions: Revisions,
    /// Whether the answer may be older than the question (`serializable`): it is given by the member alone.
    pub serializable: bool,
}

impl Range {
    /// All pairs of the range, at present.
    pub fn all(keys: KeyRange) -> Self {
        Range {
            keys,
            revision: 0,
            limit: 0,
            count_only: false,
            keys_only: false,
            sort: Sort::default(),
            mod_revisions: Revisions::default(),
            create_revisions: Revisions::default(),
            serializable: false,
        }
    }

    /// Whether pairs must be seen before any of them can be left out.
    pub(crate) fn looks_at_all(&self) -> bool {
        self.sort != Sort::default() || self.mod_revisions != Revisions::default() || self.create_revisions != Revisions::default()
    }
}

/// Revisions from the first to the last, both included; 0 for no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Revisions {
    /// The first.
    pub min: Revision,
    /// The last.
    pub max: Revision,
}

impl Revisions {
    /// Whether the revision is among them.
    pub fn contains(self, revision: Revision) -> bool {
        revision >= self.min && (self.max == 0 || revision <= self.max)
    }
}

/// An order of pairs. Those that are alike in it stay in the order of their keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sort {
    /// What is compared.
    pub by: SortTarget,
    /// Whether the greatest comes first.
    pub descending: bool,
}

/// What is compared when pairs are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SortTarget {
    /// The key.
    #[default]
    Key,
    /// The number of writes since the creation.
    Version,
    /// The revision of the creation.
    Create,
    /// The revision of the last write.
    Mod,
    /// The bytes of the value.
    Value,
}

/// A watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// Which keys.
    pub keys: KeyRange,
    /// The first revision of interest; 0 for the next one.
    pub start_revision: Revision,
    /// Whether puts are left out.
    pub no_put: bool,
    /// Whether deletions are left out.
    pub no_delete: bool,
    /// Whether events carry the pair as it was before.
    pub prev_kv: bool,
}

impl Watch {
    /// A watch of all changes of the keys.
    pub fn new(keys: KeyRange, start_revision: Revision) -> Self {
        Watch { keys, start_revision, no_put: false, no_delete: false, prev_kv: false }
    }
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
    /// The lease that it ends with.
    pub lease: LeaseId,
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
    /// A key was written.
    Put {
        /// The pair as it is now.
        kv: KeyValue,
        /// The pair as it was before, if there was one.
        prev: Option<KeyValue>,
    },
    /// The pairs that were deleted, as they were before.
    Delete(Vec<KeyValue>),
    /// What was read.
    Range(RangeResponse),
    /// What the transaction within did.
    Txn(TxnResponse),
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
    /// How many keys are in the range, whatever `limit` and the bounds on revisions leave out.
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

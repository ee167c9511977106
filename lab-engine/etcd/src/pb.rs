//! The messages that etcd writes to its disk, with etcd's field numbers: `raftpb`, `walpb`, `snappb`, and the requests in an entry
//! (`etcdserverpb`, written only).
//!
//! Fields that etcd writes even when they are zero are `required` here, which in `prost` means just that.

use prost::Message;

/// The kind of an entry (`raftpb.EntryType`): a request to the owner.
pub const ENTRY_NORMAL: i32 = 0;
/// The kind of an entry: a change of the members (`raftpb.ConfChangeV2`).
pub const ENTRY_CONF_CHANGE_V2: i32 = 2;

/// A record of the log file (`walpb.Record`).
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Record {
    #[prost(int64, required, tag = "1")]
    pub(crate) kind: i64,
    #[prost(uint32, required, tag = "2")]
    pub(crate) crc: u32,
    #[prost(bytes = "vec", optional, tag = "3")]
    pub(crate) data: Option<Vec<u8>>,
}

/// An entry of the log (`raftpb.Entry`).
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Entry {
    /// [`ENTRY_NORMAL`] or [`ENTRY_CONF_CHANGE_V2`].
    #[prost(int32, required, tag = "1")]
    pub kind: i32,
    /// Its term.
    #[prost(uint64, required, tag = "2")]
    pub term: u64,
    /// Its place.
    #[prost(uint64, required, tag = "3")]
    pub index: u64,
    /// What it says; nothing in a new leader's first entry.
    #[prost(bytes = "vec", optional, tag = "4")]
    pub data: Option<Vec<u8>>,
}

/// What a member must not forget (`raftpb.HardState`).
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct HardState {
    /// The term.
    #[prost(uint64, required, tag = "1")]
    pub term: u64,
    /// The vote in that term; 0 for none.
    #[prost(uint64, required, tag = "2")]
    pub vote: u64,
    /// The commit index.
    #[prost(uint64, required, tag = "3")]
    pub commit: u64,
}

/// A configuration (`raftpb.ConfState`).
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ConfState {
    /// The voters.
    #[prost(uint64, repeated, packed = "false", tag = "1")]
    pub voters: Vec<u64>,
    /// The learners.
    #[prost(uint64, repeated, packed = "false", tag = "2")]
    pub learners: Vec<u64>,
    /// The voters of the outgoing half.
    #[prost(uint64, repeated, packed = "false", tag = "3")]
    pub voters_outgoing: Vec<u64>,
    /// Who learns once the outgoing half is left.
    #[prost(uint64, repeated, packed = "false", tag = "4")]
    pub learners_next: Vec<u64>,
    /// Whether that happens by itself.
    #[prost(bool, required, tag = "5")]
    pub auto_leave: bool,
}

/// That a snapshot was written (`walpb.Snapshot`).
#[derive(Clone, PartialEq, Eq, Message)]
pub struct SnapshotMark {
    /// The last entry that it covers.
    #[prost(uint64, required, tag = "1")]
    pub index: u64,
    /// That entry's term.
    #[prost(uint64, required, tag = "2")]
    pub term: u64,
    /// The configuration as of that entry.
    #[prost(message, optional, tag = "3")]
    pub conf_state: Option<ConfState>,
}

/// A snapshot (`raftpb.Snapshot`).
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Snapshot {
    #[prost(bytes = "vec", optional, tag = "1")]
    pub(crate) data: Option<Vec<u8>>,
    #[prost(message, required, tag = "2")]
    pub(crate) metadata: SnapshotMetadata,
}

/// What a snapshot is of (`raftpb.SnapshotMetadata`).
#[derive(Clone, PartialEq, Message)]
pub(crate) struct SnapshotMetadata {
    #[prost(message, required, tag = "1")]
    pub(crate) conf_state: ConfState,
    #[prost(uint64, required, tag = "2")]
    pub(crate) index: u64,
    #[prost(uint64, required, tag = "3")]
    pub(crate) term: u64,
}

/// A snapshot file (`snappb.Snapshot`).
#[derive(Clone, PartialEq, Message)]
pub(crate) struct SnapshotFile {
    #[prost(uint32, required, tag = "1")]
    pub(crate) crc: u32,
    #[prost(bytes = "vec", optional, tag = "2")]
    pub(crate) data: Option<Vec<u8>>,
}

/// A change of the members (`raftpb.ConfChangeV2`).
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ConfChange {
    #[prost(int32, required, tag = "1")]
    pub(crate) transition: i32,
    #[prost(message, repeated, tag = "2")]
    pub(crate) changes: Vec<ConfChangeSingle>,
    #[prost(bytes = "vec", optional, tag = "3")]
    pub(crate) context: Option<Vec<u8>>,
}

/// One step of it (`raftpb.ConfChangeSingle`).
#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct ConfChangeSingle {
    #[prost(int32, required, tag = "1")]
    pub(crate) kind: i32,
    #[prost(uint64, required, tag = "2")]
    pub(crate) node_id: u64,
}

/// What every log file begins with (`etcdserverpb.Metadata`).
#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct Metadata {
    #[prost(uint64, required, tag = "1")]
    pub(crate) node_id: u64,
    #[prost(uint64, required, tag = "2")]
    pub(crate) cluster_id: u64,
}

/// A key and its value (`mvccpb.KeyValue`).
#[derive(Clone, PartialEq, Message)]
pub(crate) struct KeyValue {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) key: Vec<u8>,
    #[prost(int64, tag = "2")]
    pub(crate) create_revision: i64,
    #[prost(int64, tag = "3")]
    pub(crate) mod_revision: i64,
    #[prost(int64, tag = "4")]
    pub(crate) version: i64,
    #[prost(bytes = "vec", tag = "5")]
    pub(crate) value: Vec<u8>,
    #[prost(int64, tag = "6")]
    pub(crate) lease: i64,
}

/// A change of a key (`mvccpb.Event`), in a snapshot.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Event {
    /// 0 for a put, 1 for a deletion.
    #[prost(int32, tag = "1")]
    pub(crate) kind: i32,
    #[prost(message, required, tag = "2")]
    pub(crate) kv: KeyValue,
}

/// The key space in a snapshot. etcd has a database file in this place.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct KeySpace {
    #[prost(int64, tag = "1")]
    pub(crate) revision: i64,
    #[prost(int64, tag = "2")]
    pub(crate) compact_revision: i64,
    /// The pairs as of the compaction.
    #[prost(message, repeated, tag = "3")]
    pub(crate) pairs: Vec<KeyValue>,
    /// What has changed since.
    #[prost(message, repeated, tag = "4")]
    pub(crate) events: Vec<Event>,
    /// The leases.
    #[prost(message, repeated, tag = "5")]
    pub(crate) leases: Vec<LeaseGrantRequest>,
    /// The alarms that are on.
    #[prost(message, repeated, tag = "6")]
    pub(crate) alarms: Vec<AlarmRequest>,
    /// The highest number that a member has had.
    #[prost(uint64, tag = "7")]
    pub(crate) highest_member: u64,
}

/// What members agree on (`etcdserverpb.InternalRaftRequest`).
#[derive(Clone, PartialEq, Message)]
pub(crate) struct InternalRaftRequest {
    #[prost(message, optional, tag = "6")]
    pub(crate) txn: Option<TxnRequest>,
    #[prost(message, optional, tag = "7")]
    pub(crate) compaction: Option<CompactionRequest>,
    #[prost(message, optional, tag = "8")]
    pub(crate) lease_grant: Option<LeaseGrantRequest>,
    #[prost(message, optional, tag = "9")]
    pub(crate) lease_revoke: Option<LeaseRequest>,
    #[prost(message, optional, tag = "10")]
    pub(crate) alarm: Option<AlarmRequest>,
    /// A keep-alive. etcd has checkpoints of leases in this place.
    #[prost(message, optional, tag = "11")]
    pub(crate) lease_keep_alive: Option<LeaseRequest>,
    #[prost(message, required, tag = "100")]
    pub(crate) header: RequestHeader,
}

/// Who waits for it (`etcdserverpb.RequestHeader`).
#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct RequestHeader {
    #[prost(uint64, tag = "1")]
    pub(crate) id: u64,
}

/// `etcdserverpb.CompactionRequest`.
#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct CompactionRequest {
    #[prost(int64, tag = "1")]
    pub(crate) revision: i64,
}

/// `etcdserverpb.LeaseGrantRequest`.
#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct LeaseGrantRequest {
    #[prost(int64, tag = "1")]
    pub(crate) ttl: i64,
    #[prost(int64, tag = "2")]
    pub(crate) id: i64,
}

/// `etcdserverpb.LeaseRevokeRequest`, and others with the lease alone.
#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct LeaseRequest {
    #[prost(int64, tag = "1")]
    pub(crate) id: i64,
}

/// `etcdserverpb.AlarmRequest`.
#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct AlarmRequest {
    /// 1 to turn it on, 2 to turn all off.
    #[prost(int32, tag = "1")]
    pub(crate) action: i32,
    #[prost(uint64, tag = "2")]
    pub(crate) member: u64,
    /// 1 for NOSPACE, 2 for CORRUPT.
    #[prost(int32, tag = "3")]
    pub(crate) alarm: i32,
}

/// `etcdserverpb.TxnRequest`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct TxnRequest {
    #[prost(message, repeated, tag = "1")]
    pub(crate) compare: Vec<Compare>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) success: Vec<RequestOp>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) failure: Vec<RequestOp>,
}

/// `etcdserverpb.Compare`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Compare {
    #[prost(int32, tag = "1")]
    pub(crate) result: i32,
    #[prost(int32, tag = "2")]
    pub(crate) target: i32,
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) key: Vec<u8>,
    #[prost(oneof = "TargetUnion", tags = "4, 5, 6, 7, 8")]
    pub(crate) target_union: Option<TargetUnion>,
    #[prost(bytes = "vec", tag = "64")]
    pub(crate) range_end: Vec<u8>,
}

/// `etcdserverpb.Compare.target_union`.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum TargetUnion {
    #[prost(int64, tag = "4")]
    Version(i64),
    #[prost(int64, tag = "5")]
    CreateRevision(i64),
    #[prost(int64, tag = "6")]
    ModRevision(i64),
    #[prost(bytes = "vec", tag = "7")]
    Value(Vec<u8>),
    #[prost(int64, tag = "8")]
    Lease(i64),
}

/// `etcdserverpb.RequestOp`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RequestOp {
    #[prost(oneof = "Request", tags = "1, 2, 3, 4")]
    pub(crate) request: Option<Request>,
}

/// `etcdserverpb.RequestOp.request`.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum Request {
    #[prost(message, tag = "1")]
    Range(RangeRequest),
    #[prost(message, tag = "2")]
    Put(PutRequest),
    #[prost(message, tag = "3")]
    DeleteRange(DeleteRangeRequest),
    #[prost(message, tag = "4")]
    Txn(TxnRequest),
}

/// `etcdserverpb.RangeRequest`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RangeRequest {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) range_end: Vec<u8>,
    #[prost(int64, tag = "3")]
    pub(crate) limit: i64,
    #[prost(int64, tag = "4")]
    pub(crate) revision: i64,
    /// 0 for none, 1 for ascending, 2 for descending.
    #[prost(int32, tag = "5")]
    pub(crate) sort_order: i32,
    /// 0 for the key, 1 for the version, 2 and 3 for the revisions of creation and last write, 4 for the value.
    #[prost(int32, tag = "6")]
    pub(crate) sort_target: i32,
    #[prost(bool, tag = "8")]
    pub(crate) keys_only: bool,
    #[prost(bool, tag = "9")]
    pub(crate) count_only: bool,
    #[prost(int64, tag = "10")]
    pub(crate) min_mod_revision: i64,
    #[prost(int64, tag = "11")]
    pub(crate) max_mod_revision: i64,
    #[prost(int64, tag = "12")]
    pub(crate) min_create_revision: i64,
    #[prost(int64, tag = "13")]
    pub(crate) max_create_revision: i64,
}

/// `etcdserverpb.PutRequest`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct PutRequest {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) value: Vec<u8>,
    #[prost(int64, tag = "3")]
    pub(crate) lease: i64,
    #[prost(bool, tag = "5")]
    pub(crate) ignore_value: bool,
    #[prost(bool, tag = "6")]
    pub(crate) ignore_lease: bool,
}

/// `etcdserverpb.DeleteRangeRequest`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct DeleteRangeRequest {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) range_end: Vec<u8>,
}

//! What etcd refuses, in its own words (`go.etcd.io/etcd/api/v3/v3rpc/rpctypes`).

use thiserror::Error;

/// A refusal of etcd.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EtcdError {
    /// The key is empty.
    #[error("etcdserver: key is not provided")]
    EmptyKey,
    /// A transaction writes a key twice.
    #[error("etcdserver: duplicate key given in txn request")]
    DuplicateKey,
    /// A transaction has more than [`MAX_TXN_OPS`](crate::EtcdError::MAX_TXN_OPS) operations in one branch.
    #[error("etcdserver: too many operations in txn request")]
    TooManyOps,
    /// The revision asked for is compacted away.
    #[error("etcdserver: mvcc: required revision has been compacted")]
    Compacted,
    /// The revision asked for does not exist yet.
    #[error("etcdserver: mvcc: required revision is a future revision")]
    FutureRev,
    /// The store holds as much as it may (`--quota-backend-bytes`); only deletions and compactions go on.
    #[error("etcdserver: mvcc: database space exceeded")]
    NoSpace,
    /// A write that keeps the value or the lease of a key that is not there.
    #[error("etcdserver: key not found")]
    KeyNotFound,
    /// A write that keeps the value of a key and brings one.
    #[error("etcdserver: value is provided")]
    ValueProvided,
    /// A write that keeps the lease of a key and brings one.
    #[error("etcdserver: lease is provided")]
    LeaseProvided,
    /// There is no such lease.
    #[error("etcdserver: requested lease not found")]
    LeaseNotFound,
    /// There is such a lease already.
    #[error("etcdserver: lease already exists")]
    LeaseExist,
    /// The lease would live too long.
    #[error("etcdserver: too large lease TTL")]
    LeaseTtlTooLarge,
    /// A watch of a range that no key is in.
    #[error("mvcc: watcher range is empty")]
    EmptyWatcherRange,
    /// Only the leader can do this.
    #[error("etcdserver: not leader")]
    NotLeader,
    /// Nobody leads.
    #[error("etcdserver: no leader")]
    NoLeader,
    /// The leadership cannot go to that member.
    #[error("etcdserver: bad leader transferee")]
    BadLeaderTransferee,
    /// The leadership has not moved in time.
    #[error("etcdserver: request timed out, leader transfer took too long")]
    TimeoutLeaderTransfer,
    /// There is no such member.
    #[error("etcdserver: member not found")]
    MemberNotFound,
    /// The member votes already.
    #[error("etcdserver: can only promote a learner member")]
    MemberNotLearner,
    /// The learner lags too far behind the leader to vote.
    #[error("etcdserver: can only promote a learner member which is in sync with leader")]
    LearnerNotReady,
    /// There may be only one learner.
    #[error("etcdserver: too many learner members in cluster")]
    TooManyLearners,
    /// The group would lose its quorum.
    #[error("etcdserver: re-configuration failed due to not enough started members")]
    NotEnoughStartedMembers,
    /// The group has an unhealthy member, which must be seen to first.
    #[error("etcdserver: unhealthy cluster")]
    Unhealthy,
    /// A learner serves only reads from its own state.
    #[error("etcdserver: rpc not supported for learner")]
    NotSupportedForLearner,
    /// The members' data differs.
    #[error("etcdserver: corrupt cluster")]
    Corrupt,
    /// The process of the member runs already, so that another one cannot listen where it does.
    #[error("listen tcp 0.0.0.0:2380: bind: address already in use")]
    AddressInUse,
    /// The members could not agree in time.
    #[error("etcdserver: request timed out")]
    Timeout,
    /// The connection to the member that was asked broke before its answer (`rpc error: code = Unavailable`).
    #[error("rpc error: code = Unavailable desc = error reading from server: EOF")]
    Unavailable,
}

impl EtcdError {
    /// How many operations a branch of a transaction may have (`--max-txn-ops`).
    pub const MAX_TXN_OPS: usize = 128;
}

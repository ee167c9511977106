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

//! What members agree on: the entries of the log.

use crate::{Revision, Txn};
use raft::{NodeId, Payload};

/// A change of the key space, and who waits for it (`InternalRaftRequest` with its header, `etcdserverpb/raft_internal.proto`).
#[derive(Clone, Debug)]
pub struct Proposal {
    /// The member that a client asked.
    pub member: NodeId,
    /// The number of the request there. Members count from another number after each start, so that no number comes twice.
    pub request: u64,
    /// What shall change.
    pub change: Change,
}

/// A change of the key space.
#[derive(Clone, Debug)]
pub enum Change {
    /// A transaction.
    Txn(Txn),
    /// A compaction.
    Compact(Revision),
}

impl Payload for Proposal {
    /// An estimate: values are not encoded to be counted.
    fn size_bytes(&self) -> u64 {
        /// What an object of Kubernetes takes on average.
        const VALUE: u64 = 1024;
        match &self.change {
            Change::Txn(txn) => VALUE * (txn.success.len().max(txn.failure.len()) as u64).max(1),
            Change::Compact(_) => 8,
        }
    }
}

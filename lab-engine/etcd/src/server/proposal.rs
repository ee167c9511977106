//! What members agree on: the entries of the log.

use crate::lease::LeaseId;
use crate::maintenance::Alarm;
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

/// A change of the key space and what belongs to it.
#[derive(Clone, Debug)]
pub enum Change {
    /// A transaction.
    Txn(Txn),
    /// A compaction.
    Compact(Revision),
    /// A new lease, of this life in seconds.
    Grant(LeaseId, i64),
    /// The end of a lease.
    Revoke(LeaseId),
    /// A lease has its full time again.
    KeepAlive(LeaseId),
    /// A member raises an alarm.
    Raise(NodeId, Alarm),
    /// All alarms are taken away.
    Disarm,
    /// Nothing: the context of a change of the members, which says who waits for it.
    Members,
}

impl Payload for Proposal {
    /// An estimate: values are not encoded to be counted.
    fn size_bytes(&self) -> u64 {
        /// What an object of Kubernetes takes on average.
        const VALUE: u64 = 1024;
        match &self.change {
            Change::Txn(txn) => VALUE * (txn.success.len().max(txn.failure.len()) as u64).max(1),
            _ => 16,
        }
    }
}

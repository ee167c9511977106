//! What clients ask about the members and their data (`etcdserverpb`: `Cluster`, `Maintenance`).
//!
//! **Simplified here:** members have numbers and the names of their endpoints instead of URLs; a snapshot is the key space itself.

use crate::{Revision, Store};
use raft::NodeId;
use std::sync::Arc;

/// The version that members report.
pub const VERSION: &str = "3.6.6";

/// What a client asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Maintenance {
    /// Who is a member? Answered by [`MaintenanceAnswer::Members`].
    MemberList,
    /// Adds a member, which starts as a learner or as a voter. Answered by [`MaintenanceAnswer::Members`].
    MemberAdd {
        /// Whether it only learns at first.
        learner: bool,
    },
    /// Removes a member. Answered by [`MaintenanceAnswer::Members`].
    MemberRemove(NodeId),
    /// Makes a learner a voter. Answered by [`MaintenanceAnswer::Members`].
    MemberPromote(NodeId),
    /// Moves the leadership; only the leader can. Answered by [`MaintenanceAnswer::Done`].
    MoveLeader(NodeId),
    /// How does this member stand? Answered by [`MaintenanceAnswer::Status`].
    Status,
    /// A checksum of the key space up to a revision; 0 for the present. Answered by [`MaintenanceAnswer::Hash`].
    HashKv(Revision),
    /// Which alarms are on? Answered by [`MaintenanceAnswer::Alarms`].
    AlarmList,
    /// Takes all alarms away. Answered by [`MaintenanceAnswer::Alarms`] with those that were on.
    AlarmDisarm,
    /// Gives the space back that compactions have made free. Answered by [`MaintenanceAnswer::Done`].
    Defragment,
    /// Gives the key space to keep. Answered by [`MaintenanceAnswer::Snapshot`].
    Snapshot,
}

/// What etcd answers.
#[derive(Clone, Debug)]
pub enum MaintenanceAnswer {
    /// The members, in the order of their numbers.
    Members(Vec<Member>),
    /// It is done.
    Done,
    /// How the member stands.
    Status(Status),
    /// A checksum.
    Hash {
        /// The CRC-32C of the versions from the last compaction to the revision.
        hash: u32,
        /// The revision that it is of.
        hash_revision: Revision,
        /// The revision of the last compaction.
        compact_revision: Revision,
    },
    /// The alarms that are on, in the order of the members.
    Alarms(Vec<(NodeId, Alarm)>),
    /// The key space.
    Snapshot(Arc<Store>),
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its number.
    pub id: NodeId,
    /// Whether it does not vote.
    pub learner: bool,
}

/// How a member stands (`StatusResponse`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The member.
    pub id: NodeId,
    /// The bytes that its key space takes on disk.
    pub db_size: u64,
    /// The bytes of them that are used.
    pub db_size_in_use: u64,
    /// The most bytes that it may take; 0 for no limit.
    pub db_size_quota: u64,
    /// The leader, if it knows one.
    pub leader: Option<NodeId>,
    /// Whether it does not vote.
    pub learner: bool,
    /// Its term.
    pub term: u64,
    /// Its commit index.
    pub index: u64,
    /// What it has applied.
    pub applied: u64,
    /// The revision of its key space.
    pub revision: Revision,
    /// The alarms and faults that it knows, in etcd's words.
    pub errors: Vec<String>,
}

/// Something that is wrong with a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Alarm {
    /// Its key space takes as much as it may.
    NoSpace,
    /// Its data differs from that of the others.
    Corrupt,
}

impl Alarm {
    /// As etcd prints it.
    pub fn name(self) -> &'static str {
        match self {
            Alarm::NoSpace => "NOSPACE",
            Alarm::Corrupt => "CORRUPT",
        }
    }
}

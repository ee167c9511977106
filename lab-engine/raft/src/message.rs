//! What members say to each other.
//!
//! Every message of the protocol carries its sender's term; one that is older than the receiver's is stale, one that is newer makes the
//! receiver a follower of that term (Raft paper §5.1). Two carry a term of 0 because they are requests of a client that a member passes on:
//! [`Body::Propose`] and [`Body::ReadIndex`].
//!
//! Two answers are promises: a vote, and the receipt of entries. They leave a member only after what they promise is on its disk; see
//! [`Write`](crate::Write).
//!
//! Models `raftpb.Message` of etcd/raft; each variant names its message type there.

use crate::{Entry, EntryData, EntryId, Index, NodeId, Snapshot, Term};

/// A message from one member to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message<D, S> {
    /// The sender; of what is passed on for a client, the member that the client has asked, however often it was passed on.
    pub from: NodeId,
    /// The receiver.
    pub to: NodeId,
    /// The sender's term, except: a pre-vote and the consent to it carry the term that the candidate would campaign for, and what is
    /// passed on for a client carries 0.
    pub term: Term,
    /// What it says.
    pub body: Body<D, S>,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body<D, S> {
    /// The leader's entries (AppendEntries, Raft paper §5.3; `MsgApp`).
    Append {
        /// The entry before the first of `entries`, which the receiver must have.
        prev: EntryId,
        /// Entries with consecutive indexes; none in a probe, or when only `commit` is news.
        entries: Vec<Entry<D>>,
        /// The leader's commit index.
        commit: Index,
    },
    /// The answer to [`Body::Append`] and to [`Body::Snapshot`] (`MsgAppResp`).
    AppendResponse {
        /// The last index up to which the sender's log is the leader's, or the `prev` that it does not have.
        index: Index,
        /// The sender does not have `prev`. This is its guess at the last entry that both logs may share.
        rejected: Option<EntryId>,
    },
    /// The leader lives (`MsgHeartbeat`).
    Heartbeat {
        /// The leader's commit index, but not further than it knows the receiver's log to be its own.
        commit: Index,
        /// The number of reads that the answer confirms; 0 when none wait.
        reads: u64,
    },
    /// The answer to [`Body::Heartbeat`] (`MsgHeartbeatResp`).
    HeartbeatResponse {
        /// As in the heartbeat.
        reads: u64,
    },
    /// A candidate asks for a vote (RequestVote, Raft paper §5.2; `MsgVote`).
    Vote {
        /// The last entry of the candidate's log.
        last: EntryId,
        /// Whether the leader itself wants the candidate elected, so that its lease is no reason to refuse (thesis §3.10).
        transfer: bool,
    },
    /// The answer to [`Body::Vote`] (`MsgVoteResp`).
    VoteResponse {
        /// Whether the vote is refused.
        reject: bool,
    },
    /// Would the receiver vote for the sender (thesis §9.6; `MsgPreVote`)?
    PreVote {
        /// The last entry of the sender's log.
        last: EntryId,
    },
    /// The answer to [`Body::PreVote`] (`MsgPreVoteResp`).
    PreVoteResponse {
        /// Whether it would not.
        reject: bool,
    },
    /// State in place of a log that the leader no longer has (InstallSnapshot, Raft paper §7; `MsgSnap`).
    Snapshot(Snapshot<S>),
    /// The leader asks the receiver to campaign at once (thesis §3.10; `MsgTimeoutNow`).
    TimeoutNow,
    /// Proposals passed on to the leader (`MsgProp`).
    Propose(Vec<EntryData<D>>),
    /// A read passed on to the leader (`MsgReadIndex`).
    ReadIndex(ReadContext),
    /// The answer to [`Body::ReadIndex`] (`MsgReadIndexResp`).
    ReadIndexResponse {
        /// As in the request.
        context: ReadContext,
        /// The read may be served once this index is applied.
        index: Index,
    },
    /// A wish to move the leadership, passed on to the leader (`MsgTransferLeader`).
    TransferLeader {
        /// Who shall lead.
        transferee: NodeId,
    },
}

/// What tells the reads of an owner apart. Raft returns it and never looks into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReadContext(pub u64);

impl<D, S> Body<D, S> {
    /// Whether it comes from whom the sender takes for the leader of its own term: only the leader sends these.
    pub(crate) fn is_from_leader(&self) -> bool {
        matches!(self, Body::Append { .. } | Body::Heartbeat { .. } | Body::Snapshot(_))
    }

    /// Whether it is passed on for a client and stands outside of all terms.
    pub(crate) fn is_passed_on(&self) -> bool {
        matches!(self, Body::Propose(_) | Body::ReadIndex(_))
    }

    /// Whether it may leave a member only after all that the member knew when it wrote it is on disk.
    ///
    /// Answers to votes and appends are promises (thesis §3.8). A candidate's request waits too: if it could lead before its term is on
    /// disk, it might lead the same term twice, with another log.
    pub(crate) fn waits_for_disk(&self) -> bool {
        matches!(self, Body::AppendResponse { .. } | Body::VoteResponse { .. } | Body::PreVoteResponse { .. } | Body::Vote { .. })
    }
}

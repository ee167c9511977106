//! Reads that need no entry in the log (thesis §6.4).
//!
//! A read may be served from any state that has applied what was committed when the read was made, if the leader was still the leader
//! then. The leader notes its commit index and makes sure: it counts the reads it has taken, sends the count with its heartbeats, and
//! once a quorum has answered a heartbeat with a count, all reads up to that count are confirmed ([`ReadOnlyOption::Safe`]); or it
//! trusts its lease ([`ReadOnlyOption::LeaseBased`]). A new leader does not know what is committed until an entry of its own term is;
//! until then reads wait.
//!
//! Models `read_only.go` and `MsgReadIndex` in `raft.go` of etcd/raft.
//!
//! **Simplified here:** reads that wait are forgotten when the leadership ends; etcd/raft keeps some until the member leads again. On the
//! safe side of etcd/raft, which answers at once: a single voter waits for an entry of its term too, and a leader that was removed asks the
//! one voter that is left.

use crate::node::{RaftNode, Role, StepError};
use crate::{Body, CommitBound, Index, JointConfig, NodeId, Payload, ReadContext, ReadOnlyOption, ReadState};
use std::collections::{BTreeMap, VecDeque};

/// A read and who asked for it.
#[derive(Clone, Copy, Debug)]
struct Read {
    from: NodeId,
    context: ReadContext,
    /// What was committed when it was taken.
    index: Index,
}

/// The reads of a leader.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReadOnly {
    /// Reads that are not confirmed, oldest first.
    waiting: VecDeque<Read>,
    /// How many were confirmed before those.
    confirmed: u64,
    /// Per member the highest count that it has answered.
    acks: BTreeMap<NodeId, u64>,
    /// Reads that came before the leader knew what is committed.
    postponed: Vec<(NodeId, ReadContext)>,
}

impl ReadOnly {
    /// The count that confirms all reads taken so far; 0 when none wait.
    pub(crate) fn position(&self) -> u64 {
        if self.waiting.is_empty() { 0 } else { self.confirmed + self.waiting.len() as u64 }
    }

    fn acknowledge(&mut self, from: NodeId, position: u64) {
        let ack = self.acks.entry(from).or_default();
        *ack = position.max(*ack);
    }

    /// Takes the reads that a quorum has confirmed.
    fn take_confirmed(&mut self, voters: &JointConfig) -> Vec<Read> {
        let acked = |id| self.acks.get(&id).map(|&position| Index(position));
        let CommitBound::UpTo(Index(position)) = voters.committed_index(acked) else { return Vec::new() };
        let count = usize::try_from(position.saturating_sub(self.confirmed)).unwrap_or(usize::MAX).min(self.waiting.len());
        self.confirmed += count as u64;
        self.waiting.drain(..count).collect()
    }
}

impl<D: Payload, S: Clone> RaftNode<D, S> {
    /// Asks from which index on a read sees all that was committed when it was made. The answer comes in [`Ready::reads`](crate::Ready::reads)
    /// with the same context, or never, if a leader or a message is lost.
    ///
    /// # Errors
    /// [`StepError::NoLeader`] when there is nobody to ask.
    pub fn read_index(&mut self, context: ReadContext) -> Result<(), StepError> {
        self.read_index_for(self.config.id, context)
    }

    pub(crate) fn read_index_for(&mut self, from: NodeId, context: ReadContext) -> Result<(), StepError> {
        match (self.role, self.leader) {
            (Role::Leader, _) if self.has_committed_in_term() => self.take_read(from, context),
            (Role::Leader, _) => self.read_only.postponed.push((from, context)),
            // The leader answers to whom the request comes from, however often it was passed on.
            (Role::Follower, Some(leader)) => self.pass_on(from, leader, Body::ReadIndex(context)),
            _ => return Err(StepError::NoLeader(self.term)),
        }
        Ok(())
    }

    /// The leader knows what is committed now.
    pub(crate) fn release_postponed_reads(&mut self) {
        for (from, context) in std::mem::take(&mut self.read_only.postponed) {
            self.take_read(from, context);
        }
    }

    fn take_read(&mut self, from: NodeId, context: ReadContext) {
        let read = Read { from, context, index: self.log.committed() };
        if self.tracker.is_singleton(self.config.id) || self.config.read_only == ReadOnlyOption::LeaseBased {
            return self.answer_read(read);
        }
        self.read_only.waiting.push_back(read);
        let position = self.read_only.position();
        self.read_only.acknowledge(self.config.id, position);
        self.heartbeat();
    }

    /// A member has answered a heartbeat with this count.
    pub(crate) fn reads_acknowledged(&mut self, from: NodeId, position: u64) {
        if position == 0 {
            return;
        }
        self.read_only.acknowledge(from, position);
        for read in self.read_only.take_confirmed(&self.tracker.conf_state.voters) {
            self.answer_read(read);
        }
    }

    fn answer_read(&mut self, read: Read) {
        let Read { from, context, index } = read;
        if from == self.config.id {
            self.outbox.reads.push(ReadState { context, index });
        } else {
            self.send(from, Body::ReadIndexResponse { context, index });
        }
    }
}

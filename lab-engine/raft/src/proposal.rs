//! Proposals: what the owner wants in the log, and changes of the configuration.
//!
//! A leader appends what is proposed; a follower passes it on. A proposal that is taken may still be lost, if the leader is: the owner
//! finds out by applying it, or not, and proposes again.
//!
//! At most one change of the configuration is under way. One that comes too early leaves an empty entry in its place. It takes effect
//! when it is applied (thesis §4.1 has it take effect when it is appended; etcd/raft differs so that a member need never go back to an
//! older configuration).
//!
//! Models `MsgProp`, `applyConfChange` and `switchToConfig` in `raft.go` of etcd/raft.

use crate::node::{RaftNode, Role};
use crate::{Body, ConfChange, ConfChangeError, ConfState, EntryData, Index, NodeId, Payload, Term};
use thiserror::Error;

/// Why a proposal is not taken. The owner may try again later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProposalDropped {
    /// Nobody is known to lead.
    #[error("raft proposal dropped: no leader at term {0}")]
    NoLeader(Term),
    /// The member does not lead and does not pass proposals on.
    #[error("raft proposal dropped: not forwarding to leader {0}")]
    NotForwarding(NodeId),
    /// The leader is handing over.
    #[error("raft proposal dropped: transfer leadership to {0} is in progress")]
    TransferInProgress(NodeId),
    /// The leader is no longer a member.
    #[error("raft proposal dropped: the leader is removed")]
    Removed,
    /// Too much waits already.
    #[error("raft proposal dropped: {waiting} bytes wait to be applied, and {max} may")]
    TooMuchUncommitted {
        /// What waits, in bytes.
        waiting: u64,
        /// How much may, in bytes.
        max: u64,
    },
}

impl<D: Payload, S: Clone> RaftNode<D, S> {
    /// Proposes a command.
    ///
    /// # Errors
    /// When it is dropped at once. If it was passed on, that can happen later without notice.
    pub fn propose(&mut self, data: D) -> Result<(), ProposalDropped> {
        self.propose_for(self.config.id, vec![EntryData::Normal(data)])
    }

    /// Proposes a change of the configuration. `context` travels with it and means nothing to Raft.
    ///
    /// # Errors
    /// As [`RaftNode::propose`]. A change that cannot be made now (another may be under way; a joint configuration must be left first, or
    /// there is none to leave) is taken as an empty entry.
    pub fn propose_conf_change(&mut self, change: ConfChange, context: Option<D>) -> Result<(), ProposalDropped> {
        self.propose_for(self.config.id, vec![EntryData::ConfChange(change, context)])
    }

    pub(crate) fn propose_for(&mut self, from: NodeId, mut entries: Vec<EntryData<D>>) -> Result<(), ProposalDropped> {
        match (self.role, self.leader) {
            (Role::Leader, _) => {}
            (Role::Follower, Some(leader)) if self.config.disable_proposal_forwarding => {
                return Err(ProposalDropped::NotForwarding(leader));
            }
            (Role::Follower, Some(leader)) => {
                self.pass_on(from, leader, Body::Propose(entries));
                return Ok(());
            }
            _ => return Err(ProposalDropped::NoLeader(self.term)),
        }
        if !self.tracker.progress.contains_key(&self.config.id) {
            return Err(ProposalDropped::Removed);
        }
        if let Some(transferee) = self.transferee {
            return Err(ProposalDropped::TransferInProgress(transferee));
        }
        let pending_before = self.pending_conf_index;
        self.admit_conf_changes(&mut entries);
        if let Err(dropped) = self.increase_uncommitted(&entries) {
            self.pending_conf_index = pending_before;
            return Err(dropped);
        }
        self.append_own(entries);
        self.broadcast_append();
        Ok(())
    }

    /// Puts empty entries in the place of changes that cannot be made now.
    fn admit_conf_changes(&mut self, entries: &mut [EntryData<D>]) {
        for (place, entry) in entries.iter_mut().enumerate() {
            let EntryData::ConfChange(change, _) = entry else { continue };
            let pending = self.pending_conf_index > self.log.applied();
            if pending || self.tracker.conf_state.voters.is_joint() != change.leaves_joint() {
                *entry = EntryData::Empty;
            } else {
                self.pending_conf_index = self.log.last_index().plus(place + 1);
            }
        }
    }

    /// Makes room for a proposal. One that finds nothing waiting is always taken, whatever its size, and so is one without a size.
    fn increase_uncommitted(&mut self, entries: &[EntryData<D>]) -> Result<(), ProposalDropped> {
        let bytes: u64 = entries.iter().map(EntryData::size_bytes).sum();
        let (waiting, max) = (self.uncommitted_bytes, self.config.max_uncommitted_bytes);
        if waiting > 0 && bytes > 0 && waiting.saturating_add(bytes) > max {
            return Err(ProposalDropped::TooMuchUncommitted { waiting, max });
        }
        self.uncommitted_bytes += bytes;
        Ok(())
    }

    /// So many bytes of entries are applied. Entries of earlier leaders were never counted.
    pub(crate) fn reduce_uncommitted(&mut self, bytes: u64) {
        self.uncommitted_bytes = self.uncommitted_bytes.saturating_sub(bytes);
    }

    /// Puts a change into force whose entry is applied. One that does not fit the configuration has no effect on any member, because all
    /// have the same configuration at this index. One that a snapshot has overtaken is in force already.
    pub(crate) fn apply_conf_change(&mut self, index: Index, change: &ConfChange) -> Result<ConfState, ConfChangeError> {
        if index > self.conf_index {
            let next = self.tracker.conf_state.changed(change)?;
            self.conf_index = index;
            self.switch_to(next);
        }
        Ok(self.tracker.conf_state.clone())
    }

    /// Works with another configuration from now on.
    pub(crate) fn switch_to(&mut self, conf_state: ConfState) {
        self.tracker.switch_to(&self.config, conf_state, self.log.last_index());
        if self.role != Role::Leader {
            return;
        }
        if !self.tracker.conf_state.voters.contains(self.config.id) {
            if self.config.step_down_on_removal {
                self.become_follower(self.term, None);
            }
            return;
        }
        if self.maybe_commit() {
            // Fewer may be needed to commit than before.
            self.broadcast_append();
        } else {
            // New members should not have to wait for a heartbeat.
            for id in self.other_members() {
                self.send_append(id, false);
            }
        }
        self.drop_transfer_to_non_voter();
    }

    /// A leader leaves a joint configuration that wants to be left, once it is in force. A hand-over may refuse that; the next entry that
    /// is applied tries again.
    pub(crate) fn maybe_leave_joint(&mut self) {
        let due = self.role == Role::Leader && self.tracker.conf_state.auto_leave && self.log.applied() >= self.pending_conf_index;
        if due && let Err(dropped) = self.propose_conf_change(ConfChange::leave_joint(), None) {
            assert!(
                matches!(dropped, ProposalDropped::TransferInProgress(_) | ProposalDropped::Removed),
                "a change without a size is never too much: {dropped}"
            );
        }
    }
}

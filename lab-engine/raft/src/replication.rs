//! Replication: how a leader brings the others' logs to its own, and when an entry is committed.
//!
//! A leader sends each member what follows the entry that it believes to be the last common one; a member that does not have that entry
//! refuses and says where the logs may still be the same, and the leader tries there (Raft paper §5.3). Both skip whole terms, so that one
//! exchange per differing term is enough.
//!
//! An entry is committed when a quorum has it on disk *and* it is of the leader's own term ([`commit_rule`]); what lies before it is
//! committed with it (§5.4.2, figure 8).
//!
//! Models `raft.go` of etcd/raft (`maybeSendAppend`, `stepLeader`, `handleAppendEntries` and their neighbours).

use crate::log::{Appended, RaftLog};
use crate::node::{RaftNode, Role, StepError};
use crate::{Body, CommitBound, Entry, EntryData, EntryId, Index, NodeId, Payload, ProgressState, Term};

/// The index up to which a leader of `term` commits its log, if that is news. `quorum` is up to where a quorum has the log.
///
/// An entry of an earlier term is not committed by counting, even if everybody has it: another leader may still replace it (Raft paper,
/// figure 8).
pub fn commit_rule<D: Payload>(log: &RaftLog<D>, term: Term, quorum: CommitBound) -> Option<Index> {
    match quorum {
        CommitBound::UpTo(index) if index > log.committed() && log.term(index) == Some(term) => Some(index),
        _ => None,
    }
}

impl<D: Payload, S: Clone> RaftNode<D, S> {
    /// Tells all members that the leader lives, as if the heartbeat interval had passed. Only a leader does anything.
    pub fn heartbeat(&mut self) {
        if self.role != Role::Leader {
            return;
        }
        let reads = self.read_only.position();
        for id in self.other_members() {
            let progress = self.tracker.progress.get_mut(&id).expect("every member has a progress");
            // The member's log beyond what matches may be another one.
            let commit = progress.matched.min(self.log.committed());
            progress.sent_commit(commit);
            self.send(id, Body::Heartbeat { commit, reads });
        }
    }

    /// The transport could not deliver to a member: what was sent ahead is taken to be lost.
    pub fn report_unreachable(&mut self, id: NodeId) {
        if let Some(progress) = self.tracker.progress.get_mut(&id).filter(|_| self.role == Role::Leader)
            && progress.state == ProgressState::Replicate
        {
            progress.become_probe();
        }
    }

    pub(crate) fn other_members(&self) -> Vec<NodeId> {
        self.tracker.progress.keys().copied().filter(|&id| id != self.config.id).collect()
    }

    /// Appends entries of the current term to the own log. They count for the quorum once they are on disk.
    pub(crate) fn append_own(&mut self, data: Vec<EntryData<D>>) {
        assert_eq!(self.role, Role::Leader, "only a leader makes entries");
        let last = self.log.last_index();
        let entries = data.into_iter().enumerate().map(|(place, data)| Entry { id: EntryId::new(self.term, last.plus(place + 1)), data });
        self.log.append(entries);
    }

    /// The own disk has caught up: a leader counts itself.
    pub(crate) fn acknowledge_own_entries(&mut self) {
        let stable = self.log.stable();
        if self.role == Role::Leader
            && let Some(own) = self.tracker.progress.get_mut(&self.config.id)
            && own.maybe_update(stable)
            && self.maybe_commit()
        {
            self.broadcast_append();
        }
    }

    /// Commits what the rule allows. True if that is news; the others must hear of it.
    pub(crate) fn maybe_commit(&mut self) -> bool {
        let Some(index) = commit_rule(&self.log, self.term, self.tracker.committed_index()) else { return false };
        self.log.commit_to(index);
        self.release_postponed_reads();
        true
    }

    /// Whether an entry of the current term is committed, so that the leader knows all that is (Raft paper §8).
    pub(crate) fn has_committed_in_term(&self) -> bool {
        self.log.term(self.log.committed()) == Some(self.term)
    }

    /// Sends to all members, be it only the commit index.
    pub(crate) fn broadcast_append(&mut self) {
        for id in self.other_members() {
            self.send_append(id, true);
        }
    }

    /// Sends what the member lacks. Without entries to send it sends the commit index, if `even_if_empty`. True if it sent.
    pub(crate) fn send_append(&mut self, to: NodeId, even_if_empty: bool) -> bool {
        let Some(progress) = self.tracker.progress.get_mut(&to) else { return false };
        if progress.is_paused() {
            return false;
        }
        let prev = progress.next.prev();
        let Some(prev_term) = self.log.term(prev) else {
            self.want_snapshot(to);
            return false;
        };
        let last = self.log.last_index();
        let room = progress.takes_entries() && progress.next <= last;
        let entries = if room { self.log.slice(progress.next, last, self.config.max_message_bytes) } else { Vec::new() };
        if entries.is_empty() && !even_if_empty {
            return false;
        }
        let commit = self.log.committed();
        progress.sent_entries(entries.len(), entries.iter().map(|entry| entry.data.size_bytes()).sum());
        progress.sent_commit(commit);
        self.send(to, Body::Append { prev: EntryId::new(prev_term, prev), entries, commit });
        true
    }

    /// Entries, or a probe, of the leader.
    pub(crate) fn handle_append(&mut self, from: NodeId, prev: EntryId, entries: Vec<Entry<D>>, commit: Index) -> Result<(), StepError> {
        let committed = self.log.committed();
        if prev.index < committed {
            // All of this is old news: what is committed here is in every leader's log.
            self.send(from, Body::AppendResponse { index: committed, rejected: None });
            return Ok(());
        }
        match self.log.append_from_leader(prev, entries, commit) {
            Appended::Matches(index) => self.send(from, Body::AppendResponse { index, rejected: None }),
            Appended::NoPrev => {
                let hint = self.log.find_conflict_by_term(prev.index.min(self.log.last_index()), prev.term);
                self.send(from, Body::AppendResponse { index: prev.index, rejected: Some(hint) });
            }
            Appended::CommittedConflict(index) => return Err(StepError::CommittedConflict { index, committed }),
        }
        Ok(())
    }

    /// The leader lives.
    pub(crate) fn handle_heartbeat(&mut self, from: NodeId, commit: Index, reads: u64) -> Result<(), StepError> {
        let last = self.log.last_index();
        if commit > last {
            return Err(StepError::LogLost { commit, last });
        }
        self.log.commit_to(commit);
        self.send(from, Body::HeartbeatResponse { reads });
        Ok(())
    }

    /// A member has taken entries up to `index`, or refused those after it.
    pub(crate) fn handle_append_response(&mut self, from: NodeId, index: Index, rejected: Option<EntryId>) {
        let Some(progress) = self.tracker.progress.get_mut(&from) else { return };
        progress.recent_active = true;
        match rejected {
            Some(hint) => self.append_rejected(from, index, hint),
            None => self.append_accepted(from, index),
        }
    }

    fn append_rejected(&mut self, from: NodeId, index: Index, hint: EntryId) {
        // Where the member's log has an older term than the leader's, the logs cannot be the same.
        let hint = if hint.term > Term(0) { self.log.find_conflict_by_term(hint.index, hint.term).index } else { hint.index };
        let Some(progress) = self.tracker.progress.get_mut(&from) else { return };
        if progress.maybe_decrease_to(index, hint) {
            if progress.state == ProgressState::Replicate {
                progress.become_probe();
            }
            self.send_append(from, true);
        }
    }

    fn append_accepted(&mut self, from: NodeId, index: Index) {
        let (first, last) = (self.log.first_index(), self.log.last_index());
        // Who has more than the leader has all of the leader's log.
        let index = index.min(last);
        let Some(progress) = self.tracker.progress.get_mut(&from) else { return };
        let probed = progress.state == ProgressState::Probe && progress.matched == index;
        if !progress.maybe_update(index) && !probed {
            return;
        }
        match progress.state {
            ProgressState::Probe => progress.become_replicate(),
            // Whatever snapshot has reached the member, the log goes on from there.
            ProgressState::Snapshot { .. } if progress.matched.next() >= first => progress.become_replicate(),
            ProgressState::Snapshot { .. } => {}
            ProgressState::Replicate => progress.free_inflights(index),
        }
        let (matched, wants_commit) = (progress.matched, progress.can_bump_commit(self.log.committed()));
        if self.maybe_commit() {
            self.broadcast_append();
        } else if wants_commit {
            self.send_append(from, true);
        }
        while self.send_append(from, false) {}
        self.maybe_time_out_transferee(from, matched);
    }

    /// A member has answered a heartbeat: it may have missed what was sent.
    pub(crate) fn handle_heartbeat_response(&mut self, from: NodeId, reads: u64) {
        let last = self.log.last_index();
        let Some(progress) = self.tracker.progress.get_mut(&from) else { return };
        progress.recent_active = true;
        progress.flow_paused = false;
        if progress.matched < last || progress.state == ProgressState::Probe {
            self.send_append(from, true);
        }
        self.reads_acknowledged(from, reads);
    }
}

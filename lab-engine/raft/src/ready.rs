//! What a member wants done, and the order in which it must be done.
//!
//! After any input the owner takes a [`Ready`] and does, in this order or with the first three at the same time:
//!
//! 1. send [`Ready::messages`] and answer [`Ready::reads`] whose index is applied;
//! 2. write [`Ready::write`] to disk and, once it is there, give it back to [`RaftNode::persisted`], which returns the messages that
//!    promise what is now on disk; send those;
//! 3. apply [`Ready::committed`] and give it back to [`RaftNode::applied`];
//! 4. make a snapshot for each of [`Ready::snapshot_requests`] and hand it to [`RaftNode::send_snapshot`].
//!
//! The order is held by types. A [`Write`] contains the messages that wait for it and yields them only to [`RaftNode::persisted`]; it
//! cannot be copied, and a member that crashes before it is on disk loses them with it. No second write is handed out while one is on its
//! way to the disk: what comes meanwhile shares the next one. Likewise no second batch of entries is handed out before the first is
//! applied, and no entry twice.
//!
//! A leader's appends are among the messages that need not wait: it writes to its own disk while its followers write to theirs (thesis
//! §10.2.1), and counts itself once its own disk has the entries.
//!
//! Models `Ready` and the asynchronous storage writes of etcd/raft (`node.go`, `rawnode.go`, `doc.go`).
//!
//! **Simplified here:** one write and one batch at a time, where etcd/raft can have several under way; committed entries are handed out
//! once they are on the own disk, as etcd/raft does with asynchronous writes.

use crate::node::RaftNode;
use crate::{
    ConfChangeError, ConfState, Entry, EntryData, EntryId, HardState, Index, Message, NodeId, Payload, ReadContext, Role, Snapshot, Term,
};
use std::collections::BTreeSet;

/// What can change without being kept: who leads, and what the member is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SoftState {
    /// The leader of the current term, if known.
    pub leader: Option<NodeId>,
    /// What the member is.
    pub role: Role,
}

/// A read that may be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadState {
    /// Which one.
    pub context: ReadContext,
    /// It may be served from any state that has applied this index.
    pub index: Index,
}

/// What the owner shall do.
#[derive(Debug)]
#[must_use = "what is not done here is never asked for again"]
pub struct Ready<D, S> {
    /// News of the leader and the role.
    pub soft_state: Option<SoftState>,
    /// Messages that may leave at once.
    pub messages: Vec<Message<D, S>>,
    /// Reads that may be served.
    pub reads: Vec<ReadState>,
    /// What must be written to disk.
    pub write: Option<Write<D, S>>,
    /// What must be applied.
    pub committed: Option<Committed<D>>,
    /// Members that need a snapshot.
    pub snapshot_requests: Vec<SnapshotRequest>,
}

/// What must be written to disk, and the messages that wait for it.
///
/// The parts belong together: the owner writes the snapshot, then the entries, then the hard state, and reports all of it.
#[derive(Debug)]
#[must_use = "the member waits until it is reported as persisted"]
pub struct Write<D, S> {
    hard_state: Option<HardState>,
    snapshot: Option<Snapshot<S>>,
    entries: Vec<Entry<D>>,
    must_sync: bool,
    last: EntryId,
    after: Vec<Message<D, S>>,
    self_vote: Option<Term>,
}

impl<D, S> Write<D, S> {
    /// The new hard state, if it has changed.
    pub fn hard_state(&self) -> Option<HardState> {
        self.hard_state
    }

    /// A snapshot that replaces the owner's state and the whole log; the owner installs it before it reports the write.
    pub fn snapshot(&self) -> Option<&Snapshot<S>> {
        self.snapshot.as_ref()
    }

    /// Entries for the log. They replace whatever the disk has from the first one's index on.
    pub fn entries(&self) -> &[Entry<D>] {
        &self.entries
    }

    /// Whether it must survive a crash. A commit index alone need not: it is found out again.
    pub fn must_sync(&self) -> bool {
        self.must_sync
    }
}

/// Committed entries, to be applied in order.
#[derive(Debug)]
#[must_use = "no more is handed out until it is reported as applied"]
pub struct Committed<D> {
    entries: Vec<Entry<D>>,
    refused: BTreeSet<Index>,
}

impl<D> Committed<D> {
    /// The entries, with consecutive indexes; at least one.
    pub fn entries(&self) -> &[Entry<D>] {
        &self.entries
    }

    /// Says that the configuration change at the index shall have no effect. All members must say so of the same changes, as a
    /// consequence of what they have applied before (`ValidateConfigurationChange` in etcd's `membership/cluster.go`).
    pub fn refuse(&mut self, index: Index) {
        self.refused.insert(index);
    }
}

/// What became of a configuration change that was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppliedConfChange {
    /// The entry's index.
    pub index: Index,
    /// The configuration in force after it, or why it had no effect; `None` when the owner has refused it.
    pub result: Option<Result<ConfState, ConfChangeError>>,
}

/// A member needs a snapshot of what the owner has applied.
#[derive(Debug, PartialEq, Eq)]
pub struct SnapshotRequest {
    to: NodeId,
}

impl SnapshotRequest {
    /// Who needs it.
    pub fn to(&self) -> NodeId {
        self.to
    }
}

/// What waits to be taken by the owner, and what the owner has taken.
#[derive(Clone, Debug)]
pub(crate) struct Outbox<D, S> {
    pub(crate) messages: Vec<Message<D, S>>,
    /// Messages that wait for the disk.
    pub(crate) after: Vec<Message<D, S>>,
    /// A candidate's vote for itself in this term, which counts once it is on disk.
    pub(crate) self_vote: Option<Term>,
    pub(crate) reads: Vec<ReadState>,
    pub(crate) snapshots_wanted: BTreeSet<NodeId>,
    write_under_way: bool,
    told_hard_state: HardState,
    told_soft_state: SoftState,
}

impl<D, S> Outbox<D, S> {
    pub(crate) fn new(hard_state: HardState) -> Self {
        Outbox {
            messages: Vec::new(),
            after: Vec::new(),
            self_vote: None,
            reads: Vec::new(),
            snapshots_wanted: BTreeSet::new(),
            write_under_way: false,
            told_hard_state: hard_state,
            told_soft_state: SoftState::default(),
        }
    }
}

impl<D: Payload, S: Clone> RaftNode<D, S> {
    /// Whether [`RaftNode::ready`] has anything.
    pub fn has_ready(&self) -> bool {
        let outbox = &self.outbox;
        self.soft_state() != outbox.told_soft_state
            || !outbox.messages.is_empty()
            || !outbox.reads.is_empty()
            || self.may_write()
            || self.may_release()
            || self.has_batch()
            || self.may_request_snapshots()
    }

    /// What shall be done now. What is handed out here is not handed out again.
    pub fn ready(&mut self) -> Ready<D, S> {
        let soft_state = self.soft_state();
        let news = (soft_state != self.outbox.told_soft_state).then_some(soft_state);
        self.outbox.told_soft_state = soft_state;
        if self.may_release() {
            let free = std::mem::take(&mut self.outbox.after);
            self.outbox.messages.extend(free);
        }
        let write = self.may_write().then(|| self.next_write());
        let snapshots_wanted =
            if self.may_request_snapshots() { std::mem::take(&mut self.outbox.snapshots_wanted) } else { BTreeSet::new() };
        let committed = self.has_batch().then(|| {
            let entries = self.log.next_committed(self.config.max_batch_bytes);
            Committed { entries, refused: BTreeSet::new() }
        });
        Ready {
            soft_state: news,
            messages: std::mem::take(&mut self.outbox.messages),
            reads: std::mem::take(&mut self.outbox.reads),
            write,
            committed,
            snapshot_requests: snapshots_wanted.into_iter().map(|to| SnapshotRequest { to }).collect(),
        }
    }

    /// The write is on disk, all of it. Returns the messages that had to wait for it.
    ///
    /// # Panics
    /// When the write is another member's.
    #[must_use = "these messages must be sent"]
    pub fn persisted(&mut self, write: Write<D, S>) -> Vec<Message<D, S>> {
        assert!(self.outbox.write_under_way, "a write is reported that was not handed out by this member");
        self.outbox.write_under_way = false;
        if let Some(snapshot) = &write.snapshot {
            self.snapshot_persisted(snapshot.last);
        }
        self.log.stable_to(write.last);
        if write.self_vote == Some(self.term) && self.role == Role::Candidate {
            self.count_vote(self.config.id, true);
        }
        self.acknowledge_own_entries();
        write.after
    }

    /// The batch is applied. Configuration changes in it come into force now, in order; the owner is told how each ended.
    #[must_use = "the owner must know the configuration"]
    pub fn applied(&mut self, batch: Committed<D>) -> Vec<AppliedConfChange> {
        let mut changes = Vec::new();
        for entry in &batch.entries {
            let index = entry.id.index;
            if let EntryData::ConfChange(change, _) = &entry.data {
                let result = (!batch.refused.contains(&index)).then(|| self.apply_conf_change(index, change));
                changes.push(AppliedConfChange { index, result });
            }
        }
        let bytes = batch.entries.iter().map(|entry| entry.data.size_bytes()).sum();
        self.reduce_uncommitted(bytes);
        if let Some(last) = batch.entries.last() {
            self.applied_to(last.id.index);
        }
        changes
    }

    fn soft_state(&self) -> SoftState {
        SoftState { leader: self.leader, role: self.role }
    }

    /// Whether the member knows something that its disk does not.
    fn is_dirty(&self) -> bool {
        self.hard_state() != self.outbox.told_hard_state || self.pending_snapshot.is_some() || !self.log.unstable().is_empty()
    }

    /// A snapshot must not overtake entries that the owner is still applying.
    fn may_write(&self) -> bool {
        !self.outbox.write_under_way && self.is_dirty() && !(self.pending_snapshot.is_some() && self.log.is_applying())
    }

    /// Messages that wait for the disk are free when the disk has everything.
    fn may_release(&self) -> bool {
        !self.outbox.write_under_way && !self.is_dirty() && !self.outbox.after.is_empty()
    }

    fn has_batch(&self) -> bool {
        self.pending_snapshot.is_none() && !self.log.is_applying() && self.log.has_next_committed()
    }

    /// A snapshot is of what is applied; it is asked for while that stands still.
    fn may_request_snapshots(&self) -> bool {
        !self.outbox.snapshots_wanted.is_empty() && !self.log.is_applying() && !self.has_batch()
    }

    fn next_write(&mut self) -> Write<D, S> {
        let hard_state = self.hard_state();
        let told = std::mem::replace(&mut self.outbox.told_hard_state, hard_state);
        let entries = self.log.unstable().to_vec();
        let snapshot = self.pending_snapshot.clone();
        let promises = (hard_state.term, hard_state.vote) != (told.term, told.vote);
        self.outbox.write_under_way = true;
        Write {
            hard_state: (hard_state != told).then_some(hard_state),
            must_sync: promises || snapshot.is_some() || !entries.is_empty(),
            snapshot,
            entries,
            last: self.log.last_id(),
            after: std::mem::take(&mut self.outbox.after),
            self_vote: self.outbox.self_vote.take(),
        }
    }
}

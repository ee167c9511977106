//! Snapshots: state in place of a log that the leader has compacted away (Raft paper §7).
//!
//! A leader that finds the entry before a member's next one gone asks its owner for a snapshot of what is applied
//! ([`SnapshotRequest`]); the owner gives it when it can ([`RaftNode::send_snapshot`]). The configuration and the last entry are Raft's
//! to add. The member that gets it puts it in the place of its log, and works on once its owner has installed it.
//!
//! Models `raft.go` of etcd/raft (`maybeSendSnapshot`, `handleSnapshot`, `restore`).
//!
//! **Simplified here:** a snapshot is one message; etcd sends it as a stream outside of Raft.

use crate::node::{RaftNode, Role};
use crate::{Body, EntryId, NodeId, Payload, ProgressState, Snapshot, SnapshotRequest};

impl<D: Payload, S: Clone> RaftNode<D, S> {
    /// Asks the owner for a snapshot for a member that has been heard of lately.
    pub(crate) fn want_snapshot(&mut self, to: NodeId) {
        if self.tracker.progress.get(&to).is_some_and(|progress| progress.recent_active) {
            self.outbox.snapshots_wanted.insert(to);
        }
    }

    /// A snapshot of the owner's state as of the last applied entry, with what belongs to it, to be kept on the owner's disk. `None` while
    /// the owner's state is on its way to another index: it is applying entries, or installing a snapshot.
    pub fn snapshot(&self, data: S) -> Option<Snapshot<S>> {
        if self.log.is_applying() || self.pending_snapshot.is_some() {
            return None;
        }
        let applied = self.log.applied();
        let term = self.log.term(applied).expect("the log knows the term of what is applied");
        Some(Snapshot { last: EntryId::new(term, applied), conf_state: self.tracker.conf_state.clone(), data })
    }

    /// Sends a member the owner's state as of the last applied entry. False if the member no longer needs it, or if this member no longer
    /// leads or is about to apply more; a member that still needs one is asked for again.
    pub fn send_snapshot(&mut self, request: SnapshotRequest, data: S) -> bool {
        let to = request.to();
        let Some(snapshot) = self.snapshot(data).filter(|_| self.role == Role::Leader) else { return false };
        let Some(progress) = self.tracker.progress.get_mut(&to) else { return false };
        if progress.is_paused() || self.log.term(progress.next.prev()).is_some() {
            return false;
        }
        progress.become_snapshot(snapshot.last.index);
        self.send(to, Body::Snapshot(snapshot));
        true
    }

    /// The transport knows what became of the snapshot for a member. Sending goes on after the next answer.
    pub fn report_snapshot(&mut self, id: NodeId, arrived: bool) {
        let Some(progress) = self.tracker.progress.get_mut(&id).filter(|_| self.role == Role::Leader) else { return };
        if matches!(progress.state, ProgressState::Snapshot { .. }) {
            if !arrived {
                progress.forget_snapshot();
            }
            progress.become_probe();
            progress.flow_paused = true;
        }
    }

    /// The leader has sent a snapshot. The answer says up to where the log is now the leader's.
    pub(crate) fn handle_snapshot(&mut self, from: NodeId, snapshot: Snapshot<S>) {
        let index = if self.restore(snapshot) { self.log.last_index() } else { self.log.committed() };
        self.send(from, Body::AppendResponse { index, rejected: None });
    }

    /// Puts the snapshot in the place of the log. False if it is not needed: it is old, or the log has all that it covers, or it is of a
    /// group that this member is not of.
    fn restore(&mut self, snapshot: Snapshot<S>) -> bool {
        if snapshot.last.index <= self.log.committed() || !snapshot.conf_state.contains(self.config.id) {
            return false;
        }
        if self.log.matches(snapshot.last) {
            self.log.commit_to(snapshot.last.index);
            return false;
        }
        let Ok(conf_state) = snapshot.conf_state.clone().checked() else { return false };
        self.log.restore(snapshot.last);
        self.conf_index = snapshot.last.index;
        self.switch_to(conf_state);
        self.pending_snapshot = Some(snapshot);
        true
    }

    /// A snapshot is on disk and installed.
    pub(crate) fn snapshot_persisted(&mut self, last: EntryId) {
        if self.pending_snapshot.as_ref().is_some_and(|pending| pending.last == last) {
            self.pending_snapshot = None;
        }
        self.applied_to(last.index);
    }
}

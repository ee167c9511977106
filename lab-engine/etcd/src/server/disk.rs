//! A member's disk: what survives a crash.
//!
//! It takes one write at a time, in the order of the WAL: a snapshot, entries, the hard state. A write is safe when it was synced; of a
//! write that a crash interrupts any first part may be there, as the records of a log file reach the disk in their order.
//!
//! **Simplified here:** records instead of bytes: a half-written record is as good as none, which is what the checksums of the WAL
//! achieve.

use crate::Store;
use crate::server::Proposal;
use raft::{ConfState, Entry, HardState, Index, InitialState, NodeId, Snapshot};
use sim::Rng;
use std::sync::Arc;

/// What an entry carries.
pub(crate) type Data = Arc<Proposal>;
/// What a snapshot carries.
pub(crate) type State = Arc<Store>;
/// What members send each other.
pub type PeerMessage = raft::Message<Data, State>;
/// What a member of the group wants written.
pub(crate) type Write = raft::Write<Data, State>;

/// A record of the log file.
#[derive(Clone, Debug)]
enum Record {
    Snapshot(Snapshot<State>),
    Entry(Entry<Data>),
    HardState(HardState),
}

/// The disk of a member.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    hard_state: HardState,
    snapshot: Option<Snapshot<State>>,
    entries: Vec<Entry<Data>>,
    /// What is written and not synced.
    unsynced: Vec<Record>,
}

impl Disk {
    /// The disk of a first member of a new group of these members.
    pub fn for_new_group(members: &[NodeId]) -> Self {
        let initial: InitialState<Data> = InitialState::bootstrap(members.iter().map(|id| (*id, None)));
        Disk { hard_state: initial.hard_state, entries: initial.entries, ..Disk::default() }
    }

    /// Begins a write. It is not safe before [`Disk::sync`].
    pub(crate) fn write(&mut self, write: &Write) {
        self.unsynced.extend(write.snapshot().cloned().map(Record::Snapshot));
        self.unsynced.extend(write.entries().iter().cloned().map(Record::Entry));
        self.unsynced.extend(write.hard_state().map(Record::HardState));
    }

    /// Begins the write of the member's own snapshot.
    pub(crate) fn write_snapshot(&mut self, snapshot: Snapshot<State>) {
        self.unsynced.push(Record::Snapshot(snapshot));
    }

    /// Makes everything that was written safe.
    pub(crate) fn sync(&mut self) {
        for record in std::mem::take(&mut self.unsynced) {
            self.apply(record);
        }
    }

    /// The machine stops. Of what was not synced, a first part that `rng` deals is there after all.
    pub(crate) fn crash(&mut self, rng: &mut Rng) {
        let kept = rng.below(self.unsynced.len() as u64 + 1);
        self.unsynced.truncate(usize::try_from(kept).unwrap_or(usize::MAX));
        self.sync();
    }

    fn apply(&mut self, record: Record) {
        match record {
            Record::HardState(hard_state) => self.hard_state = hard_state,
            Record::Entry(entry) => {
                let keep = self.entries.partition_point(|known| known.id.index < entry.id.index);
                self.entries.truncate(keep);
                self.entries.push(entry);
            }
            Record::Snapshot(snapshot) => {
                let index = snapshot.last.index;
                let has_it = self.entries.iter().any(|entry| entry.id == snapshot.last);
                self.entries.retain(|entry| has_it && entry.id.index > index);
                self.hard_state.commit = self.hard_state.commit.max(index);
                self.snapshot = Some(snapshot);
            }
        }
    }

    /// What a member finds when it starts.
    pub(crate) fn initial_state(&self) -> InitialState<Data> {
        let (last, conf_state) = match &self.snapshot {
            Some(snapshot) => (snapshot.last, snapshot.conf_state.clone()),
            None => (raft::EntryId::default(), ConfState::default()),
        };
        InitialState { hard_state: self.hard_state, snapshot: last, entries: self.entries.clone(), applied: last.index, conf_state }
    }

    /// The key space as of the snapshot.
    pub(crate) fn store(&self) -> Option<State> {
        self.snapshot.as_ref().map(|snapshot| snapshot.data.clone())
    }

    /// How many entries lie after the snapshot.
    pub fn entries(&self) -> usize {
        self.entries.len()
    }

    /// The last entry that the snapshot covers; 0 without one.
    pub fn snapshot_index(&self) -> Index {
        self.snapshot.as_ref().map_or(Index(0), |snapshot| snapshot.last.index)
    }
}

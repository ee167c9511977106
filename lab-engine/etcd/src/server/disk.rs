//! A member's disk: its log and its snapshots, and how it starts from them (`server/storage/storage.go`, `server/etcdserver/bootstrap.go`).
//!
//! ```text
//! member/wal/0000000000000003-0000000000000065.wal    entries, hard states, marks of snapshots (crate::wal)
//! member/snap/0000000000000002-0000000000000064.snap  the key space up to entry 0x64 of term 2 (crate::snap)
//! ```
//!
//! It takes one write at a time, in the order of the log: a snapshot, entries, the hard state. A write is safe when it was synced. When a
//! snapshot is safe, a new segment is begun, and what the snapshot makes needless is removed.
//!
//! **Bytes when they are looked at.** A cluster writes thousands of objects a second, each on every member, and nobody looks at most of
//! them on a disk. So what is done to the disk is noted first ([`Step`]: a handle to the entry, no copy) and becomes bytes, in the same
//! order, once bytes matter: at a crash, at a start, and for whoever reads or damages the files. What a snapshot has made needless by then
//! never does. What a crash leaves is decided on the bytes alone.
//!
//! **Values that are found again.** A start reads the log's bytes. An entry whose bytes are those of the entry that was written with this
//! index and term gives that entry's value, which is shared, so that nothing must make an object of the API server out of bytes. Bytes that
//! pass the checksum and are of no entry that was written are refused.
//!
//! **The database.** What a member has applied is in its database as of a crash (`member/snap/db`, with its `consistent_index` and the
//! configuration), so that it starts from there and applies nothing twice, and damage to it outlives the crash.
//!
//! **Simplified here:** the database has all that was applied before a crash (etcd commits it ten times a second, and applies what it lacks
//! from the log again), and nobody sees its bytes; a segment ends with each snapshot, and only the newest snapshot is kept: etcd begins one every 64 MB, and keeps five
//! of each. Segments that were removed before anybody looked have no checksum, so that the next one begins a chain of its own.

use super::codec;
use crate::disk::SimDisk;
use crate::server::Proposal;
use crate::wal::{self, Contents, Repaired, SnapshotMark, Wal, WalError};
use crate::{Store, pb, snap};
use prost::Message;
use raft::{ConfState, Entry, EntryId, HardState, Index, InitialState, NodeId, Snapshot, Term};
use sim::Rng;
use std::collections::BTreeMap;
use std::sync::Arc;
use thiserror::Error;

/// What an entry carries.
pub(crate) type Data = Arc<Proposal>;
/// What a snapshot carries.
pub(crate) type State = Arc<Store>;
/// What members send each other.
pub type PeerMessage = raft::Message<Data, State>;
/// What a member of the group wants written.
pub(crate) type Write = raft::Write<Data, State>;

/// Where the log is.
const WAL: &str = "member/wal";
/// Where the snapshots are.
const SNAP: &str = "member/snap";

/// Why a member cannot start from its disk.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StartError {
    /// The log cannot be read, and must not be repaired.
    #[error("failed to read WAL, cannot be repaired: {0}")]
    Wal(#[from] WalError),
    /// What passes as an entry or a snapshot is none that this member has written.
    #[error("index {0} of term {1} on the disk is not what was written there")]
    NotWritten(u64, u64),
    /// The parts do not fit together.
    #[error(transparent)]
    Raft(#[from] raft::StartError),
}

/// Something that was done to the disk.
#[derive(Clone, Debug)]
enum Step {
    /// The log goes on with this segment; so many were begun and removed before it.
    Fresh {
        cuts: u64,
        first: Index,
        state: HardState,
    },
    /// A snapshot's file is written, and not synced.
    SnapshotFile(Snapshot<State>),
    /// It is synced, and the log says so.
    Snapshot(Snapshot<State>),
    Entry(Entry<Data>),
    HardState(HardState),
    Sync,
    /// A segment begins, at this hard state, for entries from this one on.
    Cut {
        first: Index,
        state: HardState,
    },
    /// What this entry's snapshot makes needless is removed.
    Release(EntryId),
}

/// The disk of a member.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    files: SimDisk,
    /// The log, while the member runs.
    wal: Option<Wal>,
    /// Whose it is.
    id: NodeId,
    /// What was done and is not in `files` yet.
    steps: Vec<Step>,
    /// What was written into `files`, by index and term: no two entries of a group share both.
    entries: BTreeMap<(u64, u64), Entry<Data>>,
    /// The snapshots in `files`, by term and index.
    snapshots: BTreeMap<(u64, u64), Snapshot<State>>,
    /// The last hard state and the last entry that were written.
    hard_state: HardState,
    last_index: Index,
    /// A snapshot that is not synced.
    new_snapshot: Option<EntryId>,
    /// The key space as the member left it, while the member does not run.
    database: Option<Snapshot<State>>,
    repaired: Option<Repaired>,
}

/// What a member finds when it starts.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) initial: InitialState<Data>,
    /// The key space as of what is applied.
    pub(crate) store: Option<State>,
}

impl Disk {
    /// The disk of a first member of a new group of these members.
    pub fn for_new_group(members: &[NodeId]) -> Self {
        let initial: InitialState<Data> = InitialState::bootstrap(members.iter().map(|id| (*id, None)));
        let mut disk = Disk::default();
        disk.write_parts(None, &initial.entries, Some(initial.hard_state));
        disk.sync();
        disk
    }

    /// The disk of a member of a new group of these members that begins with a key space (`etcdutl snapshot restore`): the log is empty but
    /// for the mark of the snapshot, in which these and no others are members. All members must begin with the same.
    pub fn restored(members: &[NodeId], store: Store) -> Self {
        let mut store = store;
        members.iter().for_each(|id| store.note_member(*id));
        // As if each of them had been added by an entry.
        let last = EntryId::new(Term(1), Index(members.len() as u64));
        let mut conf_state = ConfState::default();
        conf_state.voters.incoming = members.iter().copied().collect();
        let mut disk = Disk::default();
        let state = HardState { term: last.term, vote: None, commit: last.index };
        disk.write_parts(Some(&Snapshot { last, conf_state, data: Arc::new(store) }), &[], Some(state));
        disk.sync();
        disk
    }

    /// Begins a write. It is not safe before [`Disk::sync`].
    pub(crate) fn write(&mut self, write: &Write) {
        self.write_parts(write.snapshot(), write.entries(), write.hard_state());
    }

    /// Begins the write of the member's own snapshot.
    pub(crate) fn write_snapshot(&mut self, snapshot: Snapshot<State>) {
        self.write_parts(Some(&snapshot), &[], None);
    }

    fn write_parts(&mut self, snapshot: Option<&Snapshot<State>>, entries: &[Entry<Data>], hard_state: Option<HardState>) {
        if let Some(snapshot) = snapshot {
            // A snapshot counts once the log says that it is committed, whether or not the entries behind it get there.
            let commit = self.hard_state.commit.max(snapshot.last.index);
            self.steps.extend([Step::SnapshotFile(snapshot.clone()), Step::Snapshot(snapshot.clone())]);
            self.write_hard_state(HardState { commit, ..hard_state.unwrap_or(self.hard_state) });
            self.last_index = self.last_index.max(snapshot.last.index);
            self.new_snapshot = Some(snapshot.last);
        }
        self.steps.extend(entries.iter().cloned().map(Step::Entry));
        self.last_index = entries.last().map_or(self.last_index, |entry| entry.id.index);
        hard_state.into_iter().for_each(|state| self.write_hard_state(state));
    }

    fn write_hard_state(&mut self, state: HardState) {
        if state != self.hard_state {
            self.hard_state = state;
            self.steps.push(Step::HardState(state));
        }
    }

    /// Makes everything that was written safe, and removes what a new snapshot has made needless.
    pub(crate) fn sync(&mut self) {
        self.steps.push(Step::Sync);
        if let Some(last) = self.new_snapshot.take() {
            self.steps.push(Step::Cut { first: self.last_index.next(), state: self.hard_state });
            self.steps.push(Step::Release(last));
            self.forget_steps_before(last.index);
        }
    }

    /// Drops the steps of segments that are not needed any more, as [`Wal::release_to`] removes their files.
    fn forget_steps_before(&mut self, index: Index) {
        let cut = self.steps.iter().enumerate().rev().find_map(|(place, step)| match step {
            Step::Cut { first, state } if *first < index => Some((place, *first, *state)),
            _ => None,
        });
        let Some((place, first, state)) = cut else { return };
        let cuts = self.steps.drain(..=place).map(|step| match step {
            Step::Fresh { cuts, .. } => cuts,
            Step::Cut { .. } => 1,
            _ => 0,
        });
        let cuts = cuts.sum();
        self.steps.insert(0, Step::Fresh { cuts, first, state });
    }

    /// What the database has of the key space when the machine stops.
    pub(crate) fn leave_database(&mut self, database: Option<Snapshot<State>>) {
        self.database = database;
    }

    /// Damages the value of a key in the database of a member that does not run ([`EtcdServer::damage`](super::EtcdServer::damage)). False if
    /// there is no such key.
    pub fn damage(&mut self, key: &str) -> bool {
        self.database.as_mut().is_some_and(|database| Arc::make_mut(&mut database.data).damage(key))
    }

    /// The machine stops. Of what was not synced, the first part that was on its way is lost or kept sector by sector; `rng` deals it.
    pub(crate) fn crash(&mut self, rng: &mut Rng) {
        let is_safe = |step: &Step| matches!(step, Step::Sync | Step::Cut { .. } | Step::Release(_));
        let safe = self.steps.iter().rposition(is_safe).map_or(0, |last| last + 1);
        if rng.chance(500_000) {
            self.steps.truncate(safe + rng.index(self.steps.len() - safe + 1));
        }
        self.settle();
        self.files.crash(rng);
        (self.wal, self.new_snapshot) = (None, None);
    }

    /// The files as they are, unsynced writes included.
    pub fn files(&mut self) -> &SimDisk {
        self.settle();
        &self.files
    }

    /// Turns over one bit of a record of the log, as a disk does that rots; `rng` deals which. Says where, or nothing if there is no record
    /// that could be read. Records that end in a zero byte are spared: their last sector may look as if it had never been written.
    pub fn rot(&mut self, rng: &mut Rng) -> Option<String> {
        self.settle();
        let mut records = wal::data_of_records(&self.files, WAL).ok()?;
        let ends_in_zero = |file: &str, end: u64| {
            let last = usize::try_from(end).ok().and_then(|end| self.files.read(file)?.bytes.get(end.checked_sub(1)?).copied());
            last == Some(0)
        };
        records.retain(|(file, at, len)| !ends_in_zero(file, at + len));
        let (file, at, len) = records.get(rng.index(records.len()))?;
        let byte = at + rng.below(*len);
        self.files.flip_bit(file, byte, u32::try_from(rng.below(8)).unwrap_or(0));
        Some(format!("{file} at {byte}"))
    }

    /// What was repaired at the last start.
    pub fn repaired(&self) -> Option<&Repaired> {
        self.repaired.as_ref()
    }

    /// The last entry that the newest snapshot covers; 0 without one.
    pub fn snapshot_index(&self) -> Index {
        let noted = self.steps.iter().rev().find_map(|step| match step {
            Step::Snapshot(snapshot) => Some(snapshot.last.index),
            _ => None,
        });
        noted.or_else(|| self.snapshots.values().map(|snapshot| snapshot.last.index).max()).unwrap_or_default()
    }

    /// Makes bytes of what was noted.
    fn settle(&mut self) {
        if self.steps.is_empty() {
            return;
        }
        let metadata = pb::Metadata { node_id: self.id.0, cluster_id: 0 }.encode_to_vec();
        let wal = self.wal.take().map_or_else(|| Wal::create(&mut self.files, WAL, metadata.clone()), Ok);
        // A log that is there and not open belongs to a member that does not run, and does not write.
        let Ok(mut wal) = wal else { return };
        for step in std::mem::take(&mut self.steps) {
            match step {
                Step::Fresh { cuts, first, state } => {
                    let (seq, state) = (wal.seq() + cuts, codec::hard_state(state));
                    wal = Wal::begin(&mut self.files, WAL, seq, first.0, metadata.clone(), state);
                    self.entries.clear();
                }
                Step::SnapshotFile(snapshot) => snap::write(&mut self.files, SNAP, &codec::snapshot(&snapshot)),
                Step::Snapshot(snapshot) => {
                    snap::sync(&mut self.files, SNAP, snapshot.last.term.0, snapshot.last.index.0);
                    wal.save_snapshot(&mut self.files, &codec::mark(&snapshot));
                    self.snapshots.insert((snapshot.last.term.0, snapshot.last.index.0), snapshot);
                }
                Step::Entry(entry) => {
                    wal.save(&mut self.files, None, &[codec::entry(&entry)]);
                    self.entries.insert((entry.id.index.0, entry.id.term.0), entry);
                }
                Step::HardState(state) => wal.save(&mut self.files, Some(codec::hard_state(state)), &[]),
                Step::Sync => wal.sync(&mut self.files),
                Step::Cut { .. } => wal.cut(&mut self.files),
                Step::Release(last) => {
                    wal.release_to(&mut self.files, last.index.0);
                    snap::release(&mut self.files, SNAP, last.term.0, last.index.0);
                    self.snapshots.retain(|(_, index), _| *index >= last.index.0);
                    let first = wal::first_index(&self.files, WAL);
                    self.entries = self.entries.split_off(&(first, 0));
                }
            }
        }
        self.wal = Some(wal);
    }

    /// Reads what a member starts from: the newest snapshot that the log tells of, and the log behind it. A torn end is cut off.
    ///
    /// # Errors
    /// [`StartError::Wal`] and [`StartError::NotWritten`].
    pub(crate) fn open(&mut self, id: NodeId) -> Result<Found, StartError> {
        self.id = id;
        // A disk without a log is that of a member that joins.
        self.steps.push(Step::Sync);
        self.settle();
        self.steps.clear();
        let marks = wal::valid_snapshots(&self.files, WAL)?;
        let snapshot = match snap::load_newest(&mut self.files, SNAP, &marks) {
            Ok(file) => Some(self.written_snapshot(&file)?),
            Err(_) => None,
        };
        let mark = snapshot.as_ref().map(codec::mark).unwrap_or_default();
        let (wal, contents) = self.open_log(&mark)?;
        self.wal = Some(wal);
        let entries = self.written_entries(contents.entries)?;
        self.hard_state = codec::read_hard_state(contents.state);
        let last = snapshot.as_ref().map_or_else(EntryId::default, |snapshot| snapshot.last);
        self.last_index = entries.last().map_or(last.index, |entry| entry.id.index);
        self.snapshots.retain(|_, known| known.last == last);
        // The database is older than a snapshot that came from the leader last. What it has that the log lacks counts for nothing.
        let is_of_log = |database: &Snapshot<State>| database.last == last || entries.iter().any(|entry| entry.id == database.last);
        let state = self.database.take().filter(is_of_log).or(snapshot);
        let (applied, conf_state) = match &state {
            Some(state) => (state.last.index, state.conf_state.clone()),
            None => (Index(0), ConfState::default()),
        };
        // What is applied is committed, whether or not the log was told so in time.
        let hard_state = HardState { commit: self.hard_state.commit.max(applied), ..self.hard_state };
        let initial = InitialState { hard_state, snapshot: last, entries, applied, conf_state };
        Ok(Found { initial, store: state.map(|state| state.data) })
    }

    /// Opens the log; a torn end is cut off, once.
    fn open_log(&mut self, mark: &SnapshotMark) -> Result<(Wal, Contents), WalError> {
        self.repaired = None;
        let opened = Wal::open(&mut self.files, WAL, mark);
        let (wal, mut contents) = match opened {
            Err(WalError::Torn { .. }) => {
                self.repaired = Some(wal::repair(&mut self.files, WAL)?);
                Wal::open(&mut self.files, WAL, mark)?
            }
            opened => opened?,
        };
        if contents.unrelated {
            contents.entries.clear();
        }
        Ok((wal, contents))
    }

    fn written_snapshot(&self, file: &pb::Snapshot) -> Result<Snapshot<State>, StartError> {
        let (term, index) = (file.metadata.term, file.metadata.index);
        let known = self.snapshots.get(&(term, index)).filter(|known| codec::snapshot(known) == *file);
        known.cloned().ok_or(StartError::NotWritten(index, term))
    }

    fn written_entries(&self, entries: Vec<pb::Entry>) -> Result<Vec<Entry<Data>>, StartError> {
        let written = |entry: pb::Entry| {
            let known = self.entries.get(&(entry.index, entry.term)).filter(|known| codec::entry(known) == entry);
            known.cloned().ok_or(StartError::NotWritten(entry.index, entry.term))
        };
        entries.into_iter().map(written).collect()
    }
}

#[cfg(test)]
mod tests;

//! The vocabulary of the log: members, terms, indexes, entries, and the state that a member keeps on disk.
//!
//! An entry is known by its index and its term ([`EntryId`]). Two logs that agree on one entry's id agree on everything up to it (the Log
//! Matching Property, Raft paper §5.3), so that an id stands for a whole prefix of the log.
//!
//! Models `raftpb` of etcd/raft (`raftpb/raft.proto`).

use crate::{ConfChange, ConfState};
use std::fmt;

/// A member of the group. Zero is nobody: a change of the configuration that names it changes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

/// A period with at most one leader, counted from 1; 0 before the first election (Raft paper §5.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Term(pub u64);

/// A place in the log, counted from 1; 0 is the place before the first entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Index(pub u64);

impl Term {
    /// The term after this one.
    pub fn next(self) -> Term {
        Term(self.0 + 1)
    }
}

impl Index {
    /// The place after this one.
    pub fn next(self) -> Index {
        Index(self.0 + 1)
    }

    /// The place before this one; 0 before 0.
    pub fn prev(self) -> Index {
        Index(self.0.saturating_sub(1))
    }

    /// The place `count` entries after this one.
    pub fn plus(self, count: usize) -> Index {
        Index(self.0 + count as u64)
    }

    /// How many entries lie after `earlier` up to this place; 0 if it is not earlier.
    pub fn since(self, earlier: Index) -> usize {
        usize::try_from(self.0.saturating_sub(earlier.0)).expect("a log in memory has fewer entries than a usize counts")
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What identifies an entry: no two entries of a group that share it differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct EntryId {
    /// The term of the leader that made it.
    pub term: Term,
    /// Its place in the log.
    pub index: Index,
}

impl EntryId {
    /// The id of the entry with this term at this place.
    pub fn new(term: Term, index: Index) -> Self {
        EntryId { term, index }
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.term, self.index)
    }
}

/// What the owner puts into entries. Raft never looks into it; it copies it often, so that a clone should be cheap (an `Arc`).
pub trait Payload: Clone {
    /// Its size, for the limits on messages and on what waits to be committed.
    fn size_bytes(&self) -> u64;
}

impl Payload for String {
    fn size_bytes(&self) -> u64 {
        self.len() as u64
    }
}

impl<P: Payload> Payload for std::sync::Arc<P> {
    fn size_bytes(&self) -> u64 {
        P::size_bytes(self)
    }
}

/// What an entry says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryData<D> {
    /// Nothing: a new leader's first entry, or what stands in the place of a refused configuration change.
    Empty,
    /// The owner's command.
    Normal(D),
    /// A change of the configuration, which takes effect when the entry is applied, and what the owner wants to know of it.
    ConfChange(ConfChange, Option<D>),
}

impl<D: Payload> EntryData<D> {
    /// The size of what it carries. Empty entries and the one that leaves a joint configuration count nothing, so that no limit ever
    /// holds them back.
    pub fn size_bytes(&self) -> u64 {
        match self {
            EntryData::Empty => 0,
            EntryData::Normal(data) => data.size_bytes(),
            EntryData::ConfChange(change, context) => {
                let context = context.as_ref().map_or(0, Payload::size_bytes);
                context + (size_of::<crate::ConfChangeSingle>() * change.changes.len()) as u64
            }
        }
    }
}

/// An entry of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<D> {
    /// Its term and place.
    pub id: EntryId,
    /// What it says.
    pub data: EntryData<D>,
}

/// What a member must not forget (Raft paper, figure 2: "Persistent state on all servers"), beside its log. `commit` is there so that a
/// restarted member need not wait for a leader to know again what is committed; it may be behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HardState {
    /// The latest term that the member has seen.
    pub term: Term,
    /// Whom it voted for in that term.
    pub vote: Option<NodeId>,
    /// The highest index that it knows to be committed.
    pub commit: Index,
}

/// The owner's state up to an entry, which replaces the log up to there (Raft paper §7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot<S> {
    /// The last entry that it covers.
    pub last: EntryId,
    /// The configuration as of that entry.
    pub conf_state: ConfState,
    /// The owner's state.
    pub data: S,
}

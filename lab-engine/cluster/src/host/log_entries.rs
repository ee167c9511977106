//! What caused what on an entry's way through the group.
//!
//! Members write and commit entries in batches, but each entry has a way of its own: its append at the leader leads to its writes on the
//! disks, and the write that completes a quorum to its commitment. This finds, for an event of an entry, the event that led to it.

use sim::{Endpoint, EventId, What};
use std::collections::BTreeMap;

/// How many entries are remembered; what is still under way is among the newest.
const REMEMBERED: usize = 2_000;

/// What is known of one entry.
#[derive(Debug, Default)]
struct Entry {
    appended: Option<EventId>,
    persisted: BTreeMap<Endpoint, EventId>,
    committed: Option<EventId>,
}

/// The entries, by index.
#[derive(Debug, Default)]
pub(crate) struct LogEntries {
    entries: BTreeMap<u64, Entry>,
}

impl LogEntries {
    /// The event that led to `what` at member `at`, if it is an event of an entry. `incoming` is what made the member act, and `from` who did
    /// that.
    pub(crate) fn cause(&self, what: &What, at: Endpoint, incoming: Option<EventId>, from: Option<Endpoint>) -> Option<Option<EventId>> {
        let entry = |index: &u64| self.entries.get(index);
        match what {
            What::LogAppended { .. } => Some(incoming),
            What::LogPersisted { index, .. } => Some(entry(index).and_then(|entry| entry.appended).or(incoming)),
            What::LogCommitted { index, .. } => {
                let by = |member: Endpoint| entry(index)?.persisted.get(&member).copied();
                Some(from.and_then(by).or_else(|| by(at)).or(incoming))
            }
            _ => None,
        }
    }

    /// The commitment of the entry with this index, if it was told.
    pub(crate) fn committed(&self, index: u64) -> Option<EventId> {
        self.entries.get(&index)?.committed
    }

    /// An event was recorded.
    pub(crate) fn recorded(&mut self, what: &What, at: Endpoint, id: EventId) {
        match what {
            What::LogAppended { index, .. } => {
                self.entries.insert(*index, Entry { appended: Some(id), ..Entry::default() });
            }
            What::LogCommitted { index, .. } => self.entries.entry(*index).or_default().committed = Some(id),
            What::LogPersisted { index, .. } => {
                self.entries.entry(*index).or_default().persisted.insert(at, id);
            }
            _ => return,
        }
        while self.entries.len() > REMEMBERED {
            self.entries.pop_first();
        }
    }
}

//! The log, as far as it is in memory.
//!
//! ```text
//!      compacted │ entries
//!  ──────────────┼──────────────────────────────────────
//!   in snapshots │ 5   6   7   8   9  10  11
//!                │     ▲       ▲       ▲    ▲
//!                │  applied    │    stable  last
//!                │         committed
//! ```
//!
//! `applied` ≤ `committed` ≤ last, and `stable` ≤ last: entries after `stable` are not on the member's disk yet. Entries up to `committed`
//! never change. `applying` is the last entry that was handed to the owner to be applied.
//!
//! Models `log.go` and `log_unstable.go` of etcd/raft.
//!
//! **Simplified here:** all entries after the last compaction stay in memory; etcd/raft keeps those that are not on disk and reads the
//! others from its storage.

use crate::{Entry, EntryId, Index, Payload, Term};

/// What a follower's log says of a leader's entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Appended {
    /// The logs are the same up to this index.
    Matches(Index),
    /// The log does not have the entry before the leader's first.
    NoPrev,
    /// An entry that is committed here differs from the leader's at this index: one of the two logs is not what Raft has made it.
    CommittedConflict(Index),
}

/// A log.
#[derive(Clone, Debug)]
pub struct RaftLog<D> {
    compacted: EntryId,
    entries: Vec<Entry<D>>,
    stable: Index,
    committed: Index,
    applying: Index,
    applied: Index,
}

impl<D: Payload> RaftLog<D> {
    /// A log on disk: these entries after the last one that was compacted away, which is committed and applied.
    ///
    /// # Panics
    /// When the indexes are not consecutive.
    pub fn new(compacted: EntryId, entries: Vec<Entry<D>>) -> Self {
        let consecutive = (1..).zip(&entries).all(|(place, entry)| entry.id.index == compacted.index.plus(place));
        assert!(consecutive, "entries follow {compacted} without a gap");
        let stable = compacted.index.plus(entries.len());
        let at = compacted.index;
        RaftLog { compacted, entries, stable, committed: at, applying: at, applied: at }
    }

    /// The entries that are in memory, in the order of their indexes.
    pub fn entries(&self) -> &[Entry<D>] {
        &self.entries
    }

    /// The last entry that was compacted away; its term is still known.
    pub fn compacted(&self) -> EntryId {
        self.compacted
    }

    /// The index of the first entry in memory, or of the next one if there are none.
    pub fn first_index(&self) -> Index {
        self.compacted.index.next()
    }

    /// The index of the last entry.
    pub fn last_index(&self) -> Index {
        self.compacted.index.plus(self.entries.len())
    }

    /// The last entry.
    pub fn last_id(&self) -> EntryId {
        self.entries.last().map_or(self.compacted, |entry| entry.id)
    }

    /// Up to where the log is on the member's disk.
    pub fn stable(&self) -> Index {
        self.stable
    }

    /// Up to where the log is known to be committed.
    pub fn committed(&self) -> Index {
        self.committed
    }

    /// Up to where the owner has applied the log.
    pub fn applied(&self) -> Index {
        self.applied
    }

    /// Whether the owner has entries that it has not applied yet.
    pub(crate) fn is_applying(&self) -> bool {
        self.applying > self.applied
    }

    /// The term of the entry at the index, if that is known: neither after the last entry nor before the last compaction.
    pub fn term(&self, index: Index) -> Option<Term> {
        if index == self.compacted.index {
            return Some(self.compacted.term);
        }
        (index > self.compacted.index).then(|| self.entries.get(index.since(self.compacted.index) - 1)).flatten().map(|entry| entry.id.term)
    }

    /// Whether it has this entry.
    pub fn matches(&self, id: EntryId) -> bool {
        self.term(id.index) == Some(id.term)
    }

    /// Whether a log that ends in `theirs` is at least as up to date as this one: a later last term, or the same one and no shorter
    /// (Raft paper §5.4.1). A vote for a candidate whose log is not would break Leader Completeness.
    pub fn is_up_to_date(&self, theirs: EntryId) -> bool {
        let ours = self.last_id();
        theirs.term > ours.term || theirs.term == ours.term && theirs.index >= ours.index
    }

    /// Entries from `from` up to `to`, both included, as many as fit into `max_bytes` and at least one if there is one; with 0 never more, as
    /// each has a term and an index even if it carries nothing.
    pub(crate) fn slice(&self, from: Index, to: Index, max_bytes: u64) -> Vec<Entry<D>> {
        assert!(from >= self.first_index(), "entries from {from} on are compacted away");
        let wanted = &self.entries
            [from.prev().since(self.compacted.index)..to.since(self.compacted.index).max(from.prev().since(self.compacted.index))];
        let mut bytes = 0_u64;
        let fit = wanted.iter().enumerate().take_while(|(place, entry)| {
            bytes = bytes.saturating_add(entry.data.size_bytes());
            *place == 0 || (max_bytes > 0 && bytes <= max_bytes)
        });
        fit.map(|(_, entry)| entry.clone()).collect()
    }

    /// The last place at or before `index` whose term is not above `term`, where a log whose entry at `index` has `term` can still be the
    /// same; the term is 0 where it is not known. Both sides skip whole terms with it when they look for where their logs part (Raft
    /// paper §5.3, at the end).
    pub fn find_conflict_by_term(&self, index: Index, term: Term) -> EntryId {
        let mut at = index;
        while at > Index(0) {
            match self.term(at) {
                Some(ours) if ours > term => at = at.prev(),
                known => return EntryId::new(known.unwrap_or_default(), at),
            }
        }
        EntryId::default()
    }

    /// Appends entries that follow the last one.
    pub(crate) fn append(&mut self, entries: impl IntoIterator<Item = Entry<D>>) {
        for entry in entries {
            assert_eq!(entry.id.index, self.last_index().next(), "a log has no gap");
            self.entries.push(entry);
        }
    }

    /// Makes the log the leader's from `prev` on (AppendEntries, rules 2 to 5 of figure 2): it must have `prev`; an entry that differs
    /// goes, with all after it; entries that it has stay, even those after the leader's last; the commit index follows the leader's,
    /// but not beyond what the leader has shown.
    pub(crate) fn append_from_leader(&mut self, prev: EntryId, entries: Vec<Entry<D>>, leader_commit: Index) -> Appended {
        if !self.matches(prev) {
            return Appended::NoPrev;
        }
        let last_new = prev.index.plus(entries.len());
        if let Some(place) = entries.iter().position(|entry| !self.matches(entry.id)) {
            let conflict = entries[place].id.index;
            if conflict <= self.committed {
                return Appended::CommittedConflict(conflict);
            }
            self.truncate_from(conflict);
            self.append(entries.into_iter().skip(place));
        }
        self.commit_to(leader_commit.min(last_new));
        Appended::Matches(last_new)
    }

    fn truncate_from(&mut self, index: Index) {
        assert!(index > self.committed, "entry {index} is committed (up to {}) and stays", self.committed);
        self.entries.truncate(index.prev().since(self.compacted.index));
        self.stable = self.stable.min(index.prev());
    }

    /// Entries up to the index are committed; an index that is not ahead changes nothing.
    pub(crate) fn commit_to(&mut self, index: Index) {
        assert!(index <= self.last_index(), "commit index {index} is beyond the last entry {}: has the log been lost?", self.last_index());
        self.committed = self.committed.max(index);
    }

    /// The log is on disk up to this entry, unless the entry has been replaced since.
    pub(crate) fn stable_to(&mut self, id: EntryId) {
        if self.matches(id) {
            self.stable = self.stable.max(id.index);
        }
    }

    /// Entries that are not on disk.
    pub(crate) fn unstable(&self) -> &[Entry<D>] {
        &self.entries[self.stable.since(self.compacted.index)..]
    }

    /// Whether entries wait to be applied: committed, on this disk, and not handed out yet.
    pub(crate) fn has_next_committed(&self) -> bool {
        self.applying < self.committed.min(self.stable)
    }

    /// Those entries, as many as fit; they count as handed out.
    pub(crate) fn next_committed(&mut self, max_bytes: u64) -> Vec<Entry<D>> {
        let entries = self.slice(self.applying.next(), self.committed.min(self.stable), max_bytes);
        self.applying = entries.last().map_or(self.applying, |entry| entry.id.index);
        entries
    }

    /// Committed entries that are not applied.
    pub(crate) fn unapplied(&self) -> &[Entry<D>] {
        let start = self.applied.since(self.compacted.index);
        &self.entries[start..self.committed.since(self.compacted.index).max(start)]
    }

    /// Entries up to the index are applied.
    pub(crate) fn applied_to(&mut self, index: Index) {
        assert!(index <= self.committed, "entry {index} is applied, but only {} are committed", self.committed);
        self.applied = self.applied.max(index);
        self.applying = self.applying.max(self.applied);
    }

    /// Drops entries up to the index, which must be applied. An index that is not ahead changes nothing.
    pub(crate) fn compact(&mut self, index: Index) {
        assert!(index <= self.applied, "entry {index} is compacted away, but only {} are applied", self.applied);
        if let Some(term) = self.term(index).filter(|_| index > self.compacted.index) {
            self.entries.drain(..index.since(self.compacted.index));
            self.compacted = EntryId::new(term, index);
            // What is applied is in the owner's snapshot, whatever the disk holds of the log.
            self.stable = self.stable.max(index);
        }
    }

    /// A snapshot up to this entry, which is ahead of the commit index, takes the place of the log.
    pub(crate) fn restore(&mut self, last: EntryId) {
        assert!(last.index > self.committed, "a snapshot up to {last} is behind the commit index {}", self.committed);
        self.entries.clear();
        self.compacted = last;
        self.stable = last.index;
        self.committed = last.index;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EntryData;

    fn entries(first: u64, terms: &[u64]) -> Vec<Entry<String>> {
        (first..).zip(terms).map(|(index, &term)| Entry { id: id(term, index), data: EntryData::Empty }).collect()
    }

    fn id(term: u64, index: u64) -> EntryId {
        EntryId::new(Term(term), Index(index))
    }

    fn log(terms: &[u64]) -> RaftLog<String> {
        RaftLog::new(EntryId::default(), entries(1, terms))
    }

    fn terms(log: &RaftLog<String>) -> Vec<u64> {
        log.entries().iter().map(|entry| entry.id.term.0).collect()
    }

    #[test]
    fn entries_that_differ_go_and_entries_that_match_stay() {
        let mut log = log(&[1, 1, 2, 2]);
        assert_eq!(log.append_from_leader(id(1, 2), entries(3, &[2]), Index(9)), Appended::Matches(Index(3)));
        assert_eq!((terms(&log), log.committed()), (vec![1, 1, 2, 2], Index(3)));
        assert_eq!(log.append_from_leader(id(2, 3), entries(4, &[3, 3]), Index(3)), Appended::Matches(Index(5)));
        assert_eq!((terms(&log), log.stable()), (vec![1, 1, 2, 3, 3], Index(3)));
        assert_eq!(log.append_from_leader(id(2, 5), vec![], Index(5)), Appended::NoPrev);
        assert_eq!(log.append_from_leader(id(1, 2), entries(3, &[4]), Index(3)), Appended::CommittedConflict(Index(3)));
    }

    #[test]
    fn a_write_that_was_overtaken_makes_nothing_stable() {
        let mut log = log(&[1]);
        log.append(entries(2, &[1, 1]));
        log.append_from_leader(id(1, 1), entries(2, &[2]), Index(0));
        log.stable_to(id(1, 3));
        assert_eq!((log.stable(), log.unstable().len()), (Index(1), 1));
        log.stable_to(id(2, 2));
        assert_eq!(log.stable(), Index(2));
    }

    #[test]
    fn committed_entries_are_handed_out_once_they_are_on_disk() {
        let mut log = log(&[1]);
        log.append(entries(2, &[1, 1]));
        log.commit_to(Index(2));
        assert_eq!(log.next_committed(u64::MAX).len(), 1);
        assert!(!log.has_next_committed());
        log.stable_to(id(1, 3));
        assert_eq!(log.next_committed(u64::MAX), entries(2, &[1]));
        log.applied_to(Index(2));
        log.compact(Index(2));
        assert_eq!(
            (log.first_index(), log.last_index(), log.term(Index(2)), log.term(Index(1))),
            (Index(3), Index(3), Some(Term(1)), None)
        );
    }

    #[test]
    fn the_search_for_a_conflict_skips_terms() {
        let log = log(&[1, 3, 3, 5, 5]);
        assert_eq!(log.find_conflict_by_term(Index(5), Term(4)), id(3, 3));
        assert_eq!(log.find_conflict_by_term(Index(5), Term(2)), id(1, 1));
        assert_eq!(log.find_conflict_by_term(Index(5), Term(0)), id(0, 0));
        assert_eq!(log.find_conflict_by_term(Index(9), Term(1)), id(0, 9));
    }

    #[test]
    fn messages_carry_one_entry_at_least() {
        let data = |text: &str| EntryData::Normal(text.to_owned());
        let entry = |index, text| Entry { id: id(1, index), data: data(text) };
        let log = RaftLog::new(EntryId::default(), vec![entry(1, "four"), entry(2, "four"), entry(3, "x")]);
        assert_eq!(log.slice(Index(1), Index(3), 0).len(), 1);
        assert_eq!(RaftLog::new(EntryId::default(), entries(1, &[1, 2])).slice(Index(1), Index(2), 0).len(), 1, "nor empty ones together");
        assert_eq!(log.slice(Index(1), Index(3), 8).len(), 2);
        assert_eq!(log.slice(Index(2), Index(3), 9).len(), 2);
        assert!(log.slice(Index(4), Index(3), 9).is_empty());
    }

    #[test]
    #[should_panic(expected = "is committed")]
    fn committed_entries_are_never_truncated() {
        let mut log = log(&[1, 1]);
        log.commit_to(Index(2));
        log.truncate_from(Index(2));
    }
}

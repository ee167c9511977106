//! The MVCC key space: keys, their generations, and the log of changes that watches read.
//!
//! A key's life from its creation to its deletion is a generation; a key that is made again begins a new one with version 1
//! (`keyIndex` of etcd's mvcc). Compaction at revision R drops what no read at R or later can see, and a whole generation that ended
//! before R. The changes of revision R itself can still be watched, without what was before them.
//!
//! A store holds so much and no more. [`Store::with_limit`] counts keys and changes: a bound on memory, which deletions and compactions
//! lift by themselves. [`Store::with_quota`] counts bytes as etcd's `--quota-backend-bytes` does: what compactions free can be used again,
//! but only a defragmentation makes the size smaller, and a member that finds it exceeded raises an alarm.
//!
//! **Simplified here:** versions hang on their keys instead of in a tree by revision, so a historical range walks the keys in range. Sizes
//! are those of keys and values with etcd's estimate for what a record adds, not those of pages of a database file.

mod check;
mod damage;
mod read;
mod restore;

pub use restore::Restored;

use crate::lease::{Lease, LeaseId, Leases};
use crate::maintenance::Alarm;
use crate::message::{Event, EventKind, KeyRange, KeyValue, Op, OpResponse, Put, Range};
use crate::{EtcdError, Revision, Txn, TxnResponse};
use imbl::{OrdMap, Vector};
use raft::NodeId;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

/// What a pair takes besides its key and value (`kvOverhead` in `server/storage/quota.go`).
const PAIR_OVERHEAD: u64 = 256;

/// A write or, without a pair, the deletion of a key.
#[derive(Clone, Debug)]
struct Version {
    revision: Revision,
    kv: Option<KeyValue>,
    /// What it takes, if bytes are counted.
    bytes: u64,
}

/// The revisioned key space. A copy, as a snapshot is one, shares all that neither changes.
#[derive(Clone, Debug)]
pub struct Store {
    revision: Revision,
    compacted: Revision,
    /// All versions of each key that are not compacted away, oldest first.
    keys: OrdMap<Arc<str>, Arc<Vec<Version>>>,
    /// All changes from `compacted` on, oldest first.
    log: Vector<Event>,
    leases: Leases,
    alarms: BTreeSet<(NodeId, Alarm)>,
    /// The highest number that a member has had.
    highest_member: NodeId,
    /// See [`Store::with_limit`].
    limit: usize,
    size: Size,
}

/// The bytes of a store that counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Size {
    /// The most there may be; 0 if they are not counted.
    quota: u64,
    /// What the versions take that are held.
    in_use: u64,
    /// What was taken at most since the last defragmentation.
    taken: u64,
}

impl Size {
    fn add(&mut self, bytes: u64) {
        self.in_use += bytes;
        self.taken = self.taken.max(self.in_use);
    }
}

impl Default for Store {
    fn default() -> Self {
        Store {
            revision: 1,
            compacted: 0,
            keys: OrdMap::new(),
            log: Vector::new(),
            leases: Leases::default(),
            alarms: BTreeSet::new(),
            highest_member: NodeId::default(),
            limit: usize::MAX,
            size: Size::default(),
        }
    }
}

impl Store {
    /// An empty store that takes no more writes while it holds `limit` keys and changes since the last compaction.
    pub fn with_limit(limit: usize) -> Self {
        Store { limit, ..Store::default() }
    }

    /// The store, which takes no more writes while it holds `limit` keys and changes.
    #[must_use]
    pub fn within(self, limit: usize) -> Self {
        Store { limit, ..self }
    }

    /// The store with a quota in bytes. It costs each write the making of its bytes.
    #[must_use]
    pub fn with_quota(self, bytes: u64) -> Self {
        Store { size: Size { quota: bytes, ..self.size }, ..self }
    }

    /// The present revision.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The revision of the last compaction; 0 before the first.
    pub fn compacted_revision(&self) -> Revision {
        self.compacted
    }

    /// The bytes of all keys and values that are held, old ones included (`dbSizeInUse`). Walks everything unless bytes are counted.
    pub fn size_in_use(&self) -> u64 {
        if self.size.quota > 0 {
            return self.size.in_use;
        }
        self.keys.values().flat_map(|versions| versions.iter()).filter_map(|version| version.kv.as_ref()).map(bytes_of).sum()
    }

    /// The bytes that were taken at most since the last defragmentation (`dbSize`).
    pub fn size(&self) -> u64 {
        if self.size.quota > 0 { self.size.taken } else { self.size_in_use() }
    }

    /// The quota in bytes; 0 for none.
    pub fn quota(&self) -> u64 {
        self.size.quota
    }

    /// Gives back what compactions have made free (`defrag`).
    pub fn defragment(&mut self) {
        self.size.taken = self.size.in_use;
    }

    /// Whether the writes of a transaction would exceed the quota (`quota.Available`), whatever branch is taken.
    pub(crate) fn would_exceed(&self, txn: &Txn) -> bool {
        fn cost(ops: &[Op]) -> u64 {
            let of = |op: &Op| match op {
                Op::Put(put) => PAIR_OVERHEAD + put.key.len() as u64 + put.value.0.encode().len() as u64,
                Op::Txn(inner) => cost(&inner.success).max(cost(&inner.failure)),
                _ => 0,
            };
            ops.iter().map(of).sum()
        }
        let cost = || cost(&txn.success).max(cost(&txn.failure));
        self.size.quota > 0 && writes(&txn.success, &txn.failure) && self.size.taken + cost() >= self.size.quota
    }

    /// The alarms that are on, in the order of the members.
    pub fn alarms(&self) -> impl Iterator<Item = (NodeId, Alarm)> {
        self.alarms.iter().copied()
    }

    /// Turns an alarm on. False if it was on.
    pub(crate) fn raise(&mut self, member: NodeId, alarm: Alarm) -> bool {
        self.alarms.insert((member, alarm))
    }

    /// Turns all alarms off; gives those that were on.
    pub(crate) fn disarm(&mut self) -> Vec<(NodeId, Alarm)> {
        std::mem::take(&mut self.alarms).into_iter().collect()
    }

    /// Refuses what an alarm forbids while members differ (`applierV3Corrupt`).
    ///
    /// # Errors
    /// [`EtcdError::Corrupt`].
    pub(crate) fn check_corrupt(&self) -> Result<(), EtcdError> {
        let corrupt = self.alarms.iter().any(|(_, alarm)| *alarm == Alarm::Corrupt);
        if corrupt { Err(EtcdError::Corrupt) } else { Ok(()) }
    }

    /// The highest number that a member has had.
    pub(crate) fn highest_member(&self) -> NodeId {
        self.highest_member
    }

    /// A member has this number.
    pub(crate) fn note_member(&mut self, id: NodeId) {
        self.highest_member = self.highest_member.max(id);
    }

    fn is_full(&self) -> bool {
        self.log.len() + self.keys.len() >= self.limit || self.alarms.iter().any(|(_, alarm)| *alarm == Alarm::NoSpace)
    }

    /// The leases with their lives in seconds, by number.
    pub fn lease_lives(&self) -> impl Iterator<Item = (LeaseId, i64)> {
        self.leases.iter().map(|(id, lease)| (id, lease.ttl))
    }

    /// The leases.
    pub(crate) fn leases(&self) -> &Leases {
        &self.leases
    }

    /// Makes a lease; gives its life in seconds.
    ///
    /// # Errors
    /// As [`Leases::grant`]; [`EtcdError::NoSpace`].
    pub(crate) fn grant(&mut self, id: LeaseId, ttl: i64) -> Result<i64, EtcdError> {
        if self.is_full() {
            return Err(EtcdError::NoSpace);
        }
        self.leases.grant(id, ttl)
    }

    /// Ends a lease: what is attached to it is deleted, all at one revision, in the order of the keys.
    ///
    /// # Errors
    /// [`EtcdError::LeaseNotFound`].
    pub(crate) fn revoke(&mut self, id: LeaseId) -> Result<(), EtcdError> {
        let Lease { keys, .. } = self.leases.revoke(id).ok_or(EtcdError::LeaseNotFound)?;
        let revision = self.revision + 1;
        for key in keys {
            self.delete(&KeyRange::One(key), revision);
        }
        self.finish(revision);
        Ok(())
    }

    /// The present pair of a key.
    pub fn get(&self, key: &str) -> Option<&KeyValue> {
        self.keys.get(key).and_then(|versions| versions.last()).and_then(|version| version.kv.as_ref())
    }

    /// Carries out a transaction. All its writes have one revision; a transaction that writes nothing makes none. A read behind a write
    /// sees it.
    ///
    /// # Errors
    /// [`EtcdError::TooManyOps`], [`EtcdError::DuplicateKey`], [`EtcdError::EmptyKey`], [`EtcdError::ValueProvided`],
    /// [`EtcdError::LeaseProvided`], [`EtcdError::NoSpace`], [`EtcdError::KeyNotFound`], [`EtcdError::LeaseNotFound`] and those of
    /// [`Store::range`]; then nothing was changed.
    pub fn txn(&mut self, txn: Txn) -> Result<TxnResponse, EtcdError> {
        check::check_txn(&txn)?;
        if writes(&txn.success, &txn.failure) && self.is_full() {
            return Err(EtcdError::NoSpace);
        }
        let chosen = self.choose(txn)?;
        let revision = self.revision + 1;
        let response = self.carry_out(chosen, revision)?;
        self.finish(revision);
        Ok(TxnResponse { revision: self.revision, ..response })
    }

    /// Decides which branch is taken, here and within, by what there is before the first write (`compareToPath`), and checks what it does.
    fn choose(&self, txn: Txn) -> Result<Chosen, EtcdError> {
        let succeeded = txn.compares.iter().all(|compare| self.holds(compare));
        let ops = if succeeded { txn.success } else { txn.failure };
        let ops = ops.into_iter().map(|op| {
            Ok(match op {
                Op::Txn(inner) => Step::Txn(self.choose(inner)?),
                Op::Put(put) => {
                    self.check_put(&put)?;
                    Step::Put(put)
                }
                Op::Range(range) => {
                    self.check_revision(range.revision)?;
                    Step::Range(range)
                }
                Op::Delete(keys) => Step::Delete(keys),
            })
        });
        Ok(Chosen { succeeded, steps: ops.collect::<Result<_, EtcdError>>()? })
    }

    fn check_put(&self, put: &Put) -> Result<(), EtcdError> {
        if (put.ignore_value || put.ignore_lease) && self.get(&put.key).is_none() {
            return Err(EtcdError::KeyNotFound);
        }
        if put.lease != LeaseId::NONE && self.leases.get(put.lease).is_none() {
            return Err(EtcdError::LeaseNotFound);
        }
        Ok(())
    }

    fn carry_out(&mut self, chosen: Chosen, revision: Revision) -> Result<TxnResponse, EtcdError> {
        let mut responses = Vec::with_capacity(chosen.steps.len());
        for step in chosen.steps {
            responses.push(match step {
                Step::Put(put) => self.put(put, revision),
                Step::Delete(keys) => OpResponse::Delete(self.delete(&keys, revision)),
                Step::Range(range) => OpResponse::Range(self.range(&range)?),
                Step::Txn(inner) => OpResponse::Txn(self.carry_out(inner, revision)?),
            });
        }
        Ok(TxnResponse { succeeded: chosen.succeeded, revision: self.current(), responses })
    }

    /// The revision that a read sees: within a transaction that has written, the one it makes.
    fn current(&self) -> Revision {
        self.log.back().map_or(self.revision, |event| event.revision.max(self.revision))
    }

    /// The store is at `revision` if something was written there.
    fn finish(&mut self, revision: Revision) {
        if self.log.back().is_some_and(|event| event.revision == revision) {
            self.revision = revision;
        }
    }

    /// The changes of the keys in range from revision `from` on.
    ///
    /// # Errors
    /// [`EtcdError::Compacted`] when some of them are compacted away.
    pub fn changes<'a>(&'a self, keys: &'a KeyRange, from: Revision) -> Result<impl Iterator<Item = &'a Event>, EtcdError> {
        if from < self.compacted && from > 0 {
            return Err(EtcdError::Compacted);
        }
        Ok(self.log_from(from).filter(|event| keys.contains(&event.key)))
    }

    /// All changes from revision `from` on that are held.
    pub(crate) fn log_from(&self, from: Revision) -> impl Iterator<Item = &Event> {
        self.log.focus().narrow(self.changes_before(from)..).into_iter()
    }

    /// How many of the changes that are held came before a revision.
    fn changes_before(&self, revision: Revision) -> usize {
        let side = |event: &Event| if event.revision < revision { Ordering::Less } else { Ordering::Greater };
        self.log.binary_search_by(side).unwrap_or_else(|place| place)
    }

    /// Forgets what no read at `revision` or later can see. Costs as much as was changed since the last compaction.
    ///
    /// # Errors
    /// [`EtcdError::Compacted`] when that was done already, [`EtcdError::FutureRev`] when the revision does not exist yet. Revision 0 forgets
    /// nothing, and is refused only once there was a compaction.
    pub fn compact(&mut self, revision: Revision) -> Result<(), EtcdError> {
        if revision <= self.compacted && self.compacted > 0 {
            return Err(EtcdError::Compacted);
        }
        if revision > self.revision {
            return Err(EtcdError::FutureRev);
        }
        let (start, after) = (self.changes_before(revision), self.changes_before(revision + 1));
        let touched: BTreeSet<Arc<str>> = self.log.iter().take(after).map(|event| event.key.clone()).collect();
        self.log = self.log.split_off(start);
        for place in 0..after - start {
            if let Some(event) = self.log.get_mut(place) {
                event.prev = None;
            }
        }
        for key in touched {
            let Some(versions) = self.keys.get_mut(&key).map(Arc::make_mut) else { continue };
            let after = versions.partition_point(|version| version.revision <= revision);
            let keep_last = after > 0 && versions[after - 1].kv.is_some();
            let gone = versions.drain(..after - usize::from(keep_last));
            self.size.in_use -= gone.map(|version| version.bytes).sum::<u64>();
            if versions.is_empty() {
                self.keys.remove(&key);
            } else {
                versions.shrink_to_fit();
            }
        }
        self.compacted = revision;
        Ok(())
    }

    /// How many versions of keys are held.
    pub fn versions(&self) -> usize {
        self.keys.values().map(|versions| versions.len()).sum()
    }

    fn in_range<'a>(&'a self, keys: &'a KeyRange) -> impl Iterator<Item = &'a Arc<Vec<Version>>> {
        let start: Bound<&str> = Bound::Included(keys.start());
        self.keys
            .range::<(Bound<&str>, Bound<&str>), str>((start, Bound::Unbounded))
            .take_while(|(key, _)| keys.contains(key))
            .map(|(_, versions)| versions)
    }

    fn keep(&mut self, key: &Arc<str>, version: Version) {
        match self.keys.get_mut(key) {
            Some(versions) => Arc::make_mut(versions).push(version),
            None => drop(self.keys.insert(key.clone(), Arc::new(vec![version]))),
        }
    }

    fn put(&mut self, put: Put, revision: Revision) -> OpResponse {
        let Put { key, value, lease, ignore_value, ignore_lease } = put;
        let prev = self.get(&key).cloned();
        let (create_revision, version) = prev.as_ref().map_or((revision, 1), |kv| (kv.create_revision, kv.version + 1));
        let before = prev.as_ref().map_or(LeaseId::NONE, |kv| kv.lease);
        let kept = prev.as_ref().filter(|_| ignore_value).map(|kv| kv.value.clone());
        let value = kept.unwrap_or(value);
        let lease = if ignore_lease { before } else { lease };
        let value = value.written_at(revision);
        let kv = KeyValue { key: key.clone(), create_revision, mod_revision: revision, version, value, lease };
        let bytes = if self.size.quota > 0 { bytes_of(&kv) } else { 0 };
        self.size.add(bytes);
        self.leases.attach(&key, before, lease);
        self.keep(&key, Version { revision, kv: Some(kv.clone()), bytes });
        self.log.push_back(Event { kind: EventKind::Put, revision, key, kv: Some(kv.clone()), prev: prev.clone() });
        OpResponse::Put { kv, prev }
    }

    fn delete(&mut self, keys: &KeyRange, revision: Revision) -> Vec<KeyValue> {
        let gone: Vec<KeyValue> = self.in_range(keys).filter_map(|versions| versions.last()?.kv.clone()).collect();
        for kv in &gone {
            self.leases.attach(&kv.key, kv.lease, LeaseId::NONE);
            self.keep(&kv.key, Version { revision, kv: None, bytes: 0 });
            let event = Event { kind: EventKind::Delete, revision, key: kv.key.clone(), kv: None, prev: Some(kv.clone()) };
            self.log.push_back(event);
        }
        gone
    }
}

/// The branch of a transaction that is taken.
struct Chosen {
    succeeded: bool,
    steps: Vec<Step>,
}

/// What is done in it.
enum Step {
    Put(Put),
    Delete(KeyRange),
    Range(Range),
    Txn(Chosen),
}

/// Whether a branch writes a key.
fn writes(success: &[Op], failure: &[Op]) -> bool {
    success.iter().chain(failure).any(|op| match op {
        Op::Put(_) => true,
        Op::Txn(inner) => writes(&inner.success, &inner.failure),
        _ => false,
    })
}

/// What a pair takes on disk.
fn bytes_of(kv: &KeyValue) -> u64 {
    PAIR_OVERHEAD + (kv.key.len() + kv.value.0.encode().len()) as u64
}

#[cfg(test)]
mod tests;

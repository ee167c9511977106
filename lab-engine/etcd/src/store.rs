//! The MVCC key space: keys, their generations, and the log of changes that watches read.
//!
//! A key's life from its creation to its deletion is a generation; a key that is made again begins a new one with version 1
//! (`keyIndex` of etcd's mvcc). Compaction at revision R drops what no read at R or later can see, and a whole generation that ended
//! by R.
//!
//! A store holds so much and no more ([`Store::with_quota`]). It frees itself by deletions and compactions alone: there is no alarm to
//! disarm and nothing to defragment.
//!
//! **Simplified here:** the quota counts versions and keys, not bytes. Versions hang on their keys instead of in a tree by revision, so a historical range walks the keys in range.

use crate::message::{Compare, CompareResult, CompareTarget, Event, EventKind, KeyRange, KeyValue, Op, OpResponse, Range, RangeResponse};
use crate::{EtcdError, Revision, Txn, TxnResponse, Value};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

/// A write or, without a pair, the deletion of a key.
#[derive(Clone, Debug)]
struct Version {
    revision: Revision,
    kv: Option<KeyValue>,
}

/// The revisioned key space.
#[derive(Clone, Debug)]
pub struct Store {
    revision: Revision,
    compacted: Revision,
    /// All versions of each key that are not compacted away, oldest first.
    keys: BTreeMap<Arc<str>, Vec<Version>>,
    /// All changes after `compacted`, oldest first.
    log: VecDeque<Event>,
    /// See [`Store::with_quota`].
    quota: usize,
}

impl Default for Store {
    fn default() -> Self {
        Store { revision: 1, compacted: 0, keys: BTreeMap::new(), log: VecDeque::new(), quota: usize::MAX }
    }
}

impl Store {
    /// An empty store that takes no more writes while it holds `quota` keys and changes since the last compaction.
    pub fn with_quota(quota: usize) -> Self {
        Store { quota, ..Store::default() }
    }

    /// The present revision.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The revision of the last compaction; 0 before the first.
    pub fn compacted_revision(&self) -> Revision {
        self.compacted
    }

    /// The bytes of all keys and values that are held, old ones included (`dbSizeInUse`). Walks everything.
    pub fn size_in_use(&self) -> usize {
        let pairs = self.keys.values().flatten().filter_map(|version| version.kv.as_ref());
        pairs.map(|kv| kv.key.len() + kv.value.0.encode().len()).sum()
    }

    /// Reads keys.
    ///
    /// # Errors
    /// [`EtcdError::FutureRev`], [`EtcdError::Compacted`], [`EtcdError::EmptyKey`].
    pub fn range(&self, range: &Range) -> Result<RangeResponse, EtcdError> {
        check_range(&range.keys)?;
        let at = if range.revision == 0 { self.revision } else { range.revision };
        if at > self.revision {
            return Err(EtcdError::FutureRev);
        }
        if at < self.compacted {
            return Err(EtcdError::Compacted);
        }
        let mut response = RangeResponse { revision: self.revision, ..RangeResponse::default() };
        for versions in self.in_range(&range.keys) {
            let Some(kv) = visible(versions, at) else { continue };
            response.count += 1;
            if range.count_only {
                continue;
            }
            if range.limit > 0 && response.kvs.len() == range.limit {
                response.more = true;
            } else {
                response.kvs.push(kv.clone());
            }
        }
        Ok(response)
    }

    /// The present pair of a key.
    pub fn get(&self, key: &str) -> Option<&KeyValue> {
        self.keys.get(key).and_then(|versions| versions.last()).and_then(|version| version.kv.as_ref())
    }

    /// Carries out a transaction. All its writes have one revision; a transaction that writes nothing makes none.
    ///
    /// # Errors
    /// [`EtcdError::TooManyOps`], [`EtcdError::DuplicateKey`], [`EtcdError::EmptyKey`], [`EtcdError::NoSpace`] and those of
    /// [`Store::range`]; then nothing was changed.
    pub fn txn(&mut self, txn: Txn) -> Result<TxnResponse, EtcdError> {
        for branch in [&txn.success, &txn.failure] {
            check_branch(branch)?;
        }
        let succeeded = txn.compares.iter().all(|compare| self.holds(compare));
        let ops = if succeeded { txn.success } else { txn.failure };
        for op in &ops {
            if let Op::Range(range) = op {
                self.range(&Range { limit: 1, ..range.clone() })?;
            }
        }
        if self.log.len() + self.keys.len() >= self.quota && ops.iter().any(|op| matches!(op, Op::Put(..))) {
            return Err(EtcdError::NoSpace);
        }
        let revision = self.revision + 1;
        let mut responses = Vec::with_capacity(ops.len());
        for op in ops {
            responses.push(match op {
                Op::Put(key, value) => OpResponse::Put(self.put(key, value, revision)),
                Op::Delete(keys) => OpResponse::Delete(self.delete(&keys, revision)),
                Op::Range(range) => OpResponse::Range(self.range(&range)?),
            });
        }
        if self.log.back().is_some_and(|event| event.revision == revision) {
            self.revision = revision;
        }
        Ok(TxnResponse { succeeded, revision: self.revision, responses })
    }

    /// The changes of the keys in range from revision `from` on.
    ///
    /// # Errors
    /// [`EtcdError::Compacted`] when some of them are compacted away.
    pub fn changes<'a>(&'a self, keys: &'a KeyRange, from: Revision) -> Result<impl Iterator<Item = &'a Event>, EtcdError> {
        if from <= self.compacted && from > 0 {
            return Err(EtcdError::Compacted);
        }
        let start = self.log.partition_point(|event| event.revision < from);
        Ok(self.log.range(start..).filter(|event| keys.contains(&event.key)))
    }

    /// Forgets what no read at `revision` or later can see.
    ///
    /// # Errors
    /// [`EtcdError::Compacted`] when that was done already, [`EtcdError::FutureRev`] when the revision does not exist yet.
    pub fn compact(&mut self, revision: Revision) -> Result<(), EtcdError> {
        if revision <= self.compacted {
            return Err(EtcdError::Compacted);
        }
        if revision > self.revision {
            return Err(EtcdError::FutureRev);
        }
        let start = self.log.partition_point(|event| event.revision <= revision);
        let touched: BTreeSet<Arc<str>> = self.log.drain(..start).map(|event| event.key).collect();
        for key in touched {
            let Some(versions) = self.keys.get_mut(&key) else { continue };
            let after = versions.partition_point(|version| version.revision <= revision);
            let keep_last = after > 0 && versions[after - 1].kv.is_some();
            versions.drain(..after - usize::from(keep_last));
            if versions.is_empty() {
                self.keys.remove(&key);
            }
        }
        self.compacted = revision;
        Ok(())
    }

    fn in_range<'a>(&'a self, keys: &'a KeyRange) -> impl Iterator<Item = &'a Vec<Version>> {
        let start: Bound<&str> = Bound::Included(keys.start());
        self.keys.range::<str, _>((start, Bound::Unbounded)).take_while(|(key, _)| keys.contains(key)).map(|(_, versions)| versions)
    }

    fn put(&mut self, key: Arc<str>, value: Value, revision: Revision) -> KeyValue {
        let value = value.written_at(revision);
        let prev = self.get(&key).cloned();
        let (create_revision, version) = prev.as_ref().map_or((revision, 1), |kv| (kv.create_revision, kv.version + 1));
        let kv = KeyValue { key: key.clone(), create_revision, mod_revision: revision, version, value };
        self.keys.entry(key.clone()).or_default().push(Version { revision, kv: Some(kv.clone()) });
        self.log.push_back(Event { kind: EventKind::Put, revision, key, kv: Some(kv.clone()), prev });
        kv
    }

    fn delete(&mut self, keys: &KeyRange, revision: Revision) -> Vec<KeyValue> {
        let gone: Vec<KeyValue> = self.in_range(keys).filter_map(|versions| versions.last()?.kv.clone()).collect();
        for kv in &gone {
            self.keys.entry(kv.key.clone()).or_default().push(Version { revision, kv: None });
            let event = Event { kind: EventKind::Delete, revision, key: kv.key.clone(), kv: None, prev: Some(kv.clone()) };
            self.log.push_back(event);
        }
        gone
    }

    fn holds(&self, compare: &Compare) -> bool {
        let kv = self.get(&compare.key);
        let ordering = match &compare.target {
            CompareTarget::Mod(revision) => kv.map_or(0, |kv| kv.mod_revision).cmp(revision),
            CompareTarget::Create(revision) => kv.map_or(0, |kv| kv.create_revision).cmp(revision),
            CompareTarget::Version(version) => kv.map_or(0, |kv| kv.version).cmp(version),
            CompareTarget::Value(value) => match kv {
                Some(kv) => kv.value.0.encode().cmp(&value.0.encode()),
                None => return false,
            },
        };
        match compare.result {
            CompareResult::Equal => ordering.is_eq(),
            CompareResult::NotEqual => ordering.is_ne(),
            CompareResult::Greater => ordering.is_gt(),
            CompareResult::Less => ordering.is_lt(),
        }
    }
}

/// The pair of a key that a read at `at` sees.
fn visible(versions: &[Version], at: Revision) -> Option<&KeyValue> {
    let after = versions.partition_point(|version| version.revision <= at);
    versions[..after].last()?.kv.as_ref()
}

fn check_range(keys: &KeyRange) -> Result<(), EtcdError> {
    match keys {
        KeyRange::One(key) if key.is_empty() => Err(EtcdError::EmptyKey),
        _ => Ok(()),
    }
}

/// Refuses a branch that is too long, or writes a key more than once (`checkTxnRequest`, `checkIntervals`).
fn check_branch(ops: &[Op]) -> Result<(), EtcdError> {
    if ops.len() > EtcdError::MAX_TXN_OPS {
        return Err(EtcdError::TooManyOps);
    }
    let mut puts = BTreeSet::new();
    for op in ops {
        match op {
            Op::Put(key, _) if key.is_empty() => return Err(EtcdError::EmptyKey),
            Op::Put(key, _) if !puts.insert(key.clone()) => return Err(EtcdError::DuplicateKey),
            Op::Put(..) => {}
            Op::Delete(keys) => check_range(keys)?,
            Op::Range(range) => check_range(&range.keys)?,
        }
    }
    let deletes = ops.iter().filter_map(|op| if let Op::Delete(keys) = op { Some(keys) } else { None });
    let overlap = deletes.into_iter().any(|keys| puts.iter().any(|key| keys.contains(key)));
    if overlap { Err(EtcdError::DuplicateKey) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(store: &mut Store, key: &str, value: &str) -> Revision {
        let txn = Txn { success: vec![Op::Put(key.into(), value.into())], ..Txn::default() };
        store.txn(txn).unwrap().revision
    }

    fn delete(store: &mut Store, key: &str) -> Revision {
        let txn = Txn { success: vec![Op::Delete(KeyRange::One(key.into()))], ..Txn::default() };
        store.txn(txn).unwrap().revision
    }

    fn read(store: &Store, prefix: &str, revision: Revision) -> Result<Vec<String>, EtcdError> {
        let response = store.range(&Range { revision, ..Range::all(KeyRange::Prefix(prefix.into())) })?;
        Ok(response.kvs.iter().map(|kv| format!("{}={}", kv.key, String::from_utf8(kv.value.0.encode()).unwrap())).collect())
    }

    #[test]
    fn the_past_can_be_read_until_it_is_compacted() {
        let mut store = Store::default();
        assert_eq!(put(&mut store, "a", "1"), 2);
        assert_eq!(put(&mut store, "a", "2"), 3);
        assert_eq!(put(&mut store, "ab", "x"), 4);
        assert_eq!(delete(&mut store, "a"), 5);
        assert_eq!(read(&store, "a", 2).unwrap(), ["a=1"]);
        assert_eq!(read(&store, "a", 4).unwrap(), ["a=2", "ab=x"]);
        assert_eq!(read(&store, "a", 0).unwrap(), ["ab=x"]);
        assert_eq!(read(&store, "a", 6).unwrap_err(), EtcdError::FutureRev);
        store.compact(4).unwrap();
        assert_eq!(read(&store, "a", 3).unwrap_err(), EtcdError::Compacted);
        assert_eq!(read(&store, "a", 4).unwrap(), ["a=2", "ab=x"]);
        store.compact(5).unwrap();
        assert_eq!(read(&store, "", 5).unwrap(), ["ab=x"]);
        assert!(!store.keys.contains_key("a"), "the ended generation is gone");
        assert_eq!(store.compact(5), Err(EtcdError::Compacted));
        assert_eq!(store.compact(6), Err(EtcdError::FutureRev));
    }

    #[test]
    fn a_key_that_is_made_again_begins_a_new_generation() {
        let mut store = Store::default();
        put(&mut store, "k", "1");
        put(&mut store, "k", "2");
        assert_eq!(store.get("k").map(|kv| (kv.create_revision, kv.mod_revision, kv.version)), Some((2, 3, 2)));
        delete(&mut store, "k");
        assert!(store.get("k").is_none());
        put(&mut store, "k", "3");
        assert_eq!(store.get("k").map(|kv| (kv.create_revision, kv.mod_revision, kv.version)), Some((5, 5, 1)));
    }

    #[test]
    fn a_full_store_takes_only_deletions_until_it_is_compacted() {
        let mut store = Store::with_quota(6);
        for key in ["a", "b", "c"] {
            put(&mut store, key, "1");
        }
        let write = || Txn { success: vec![Op::Put("a".into(), "2".into())], ..Txn::default() };
        assert_eq!(store.txn(write()).unwrap_err(), EtcdError::NoSpace);
        assert_eq!(read(&store, "a", 0).unwrap(), ["a=1"], "nothing was changed");
        let deleted = delete(&mut store, "c");
        assert_eq!(store.txn(write()).unwrap_err(), EtcdError::NoSpace);
        store.compact(deleted).unwrap();
        assert_eq!(put(&mut store, "a", "2"), deleted + 1);
    }

    #[test]
    fn a_transaction_takes_one_branch_at_one_revision() {
        let mut store = Store::default();
        let absent = Compare { key: "k".into(), result: CompareResult::Equal, target: CompareTarget::Mod(0) };
        let txn = Txn {
            compares: vec![absent],
            success: vec![Op::Put("k".into(), "1".into()), Op::Put("l".into(), "1".into())],
            failure: vec![Op::Range(Range::all(KeyRange::One("k".into())))],
            subject: None,
        };
        let first = store.txn(txn.clone()).unwrap();
        assert!(first.succeeded);
        assert_eq!((first.revision, store.get("k").unwrap().mod_revision, store.get("l").unwrap().mod_revision), (2, 2, 2));
        let second = store.txn(txn).unwrap();
        assert!(!second.succeeded);
        assert_eq!(second.revision, 2, "a branch that only reads makes no revision");
        assert!(matches!(&second.responses[..], [OpResponse::Range(range)] if range.kvs.len() == 1));
    }

    #[test]
    fn malformed_transactions_change_nothing() {
        let mut store = Store::default();
        let twice = vec![Op::Put("k".into(), "1".into()), Op::Put("k".into(), "2".into())];
        assert_eq!(store.txn(Txn { success: twice, ..Txn::default() }).unwrap_err(), EtcdError::DuplicateKey);
        let overlap = vec![Op::Put("k1".into(), "1".into()), Op::Delete(KeyRange::Prefix("k".into()))];
        assert_eq!(store.txn(Txn { failure: overlap, ..Txn::default() }).unwrap_err(), EtcdError::DuplicateKey);
        let many = (0..129).map(|i| Op::Put(format!("k{i}").into(), "1".into())).collect();
        assert_eq!(store.txn(Txn { success: many, ..Txn::default() }).unwrap_err(), EtcdError::TooManyOps);
        let empty = vec![Op::Put("".into(), "1".into())];
        assert_eq!(store.txn(Txn { success: empty, ..Txn::default() }).unwrap_err(), EtcdError::EmptyKey);
        assert_eq!((store.revision(), store.size_in_use()), (1, 0));
    }

    #[test]
    fn a_limited_range_says_that_there_is_more() {
        let mut store = Store::default();
        for key in ["a", "b", "c"] {
            put(&mut store, key, "1");
        }
        let response = store.range(&Range { limit: 2, ..Range::all(KeyRange::From("a".into())) }).unwrap();
        assert_eq!((response.kvs.len(), response.more, response.count), (2, true, 3));
        let count = store.range(&Range { count_only: true, ..Range::all(KeyRange::Between("a".into(), "c".into())) }).unwrap();
        assert_eq!((count.kvs.len(), count.count), (0, 2));
    }
}

//! A key space that is made of a snapshot's pairs (`etcdutl/snapshot/v3_snapshot.go`).
//!
//! **Simplified here:** of the past only the pairs come along: the revision of the snapshot counts as compacted, so that nothing before it
//! can be read or watched. In etcd's database the history since the last compaction is kept.

use super::{Store, Version};
use crate::lease::LeaseId;
use crate::message::{Event, EventKind, KeyValue};
use crate::{EtcdError, Revision};
use std::sync::Arc;

/// What a snapshot holds.
#[derive(Clone, Debug, Default)]
pub struct Restored {
    /// The pairs, in any order.
    pub pairs: Vec<KeyValue>,
    /// The leases with their lives in seconds.
    pub leases: Vec<(LeaseId, i64)>,
    /// The revision of the snapshot.
    pub revision: Revision,
    /// By how much the revision shall be higher than the snapshot's (`--bump-revision`), so that no client has seen a higher one. What is before
    /// the higher one counts as compacted (`--mark-compacted`): watches that have seen more than the snapshot are told to begin anew.
    pub bump: u64,
}

impl Store {
    /// The key space of a snapshot. Alarms do not come along.
    ///
    /// # Errors
    /// [`EtcdError::FutureRev`] when a pair is newer than the snapshot or a revision is out of range; [`EtcdError::LeaseExist`],
    /// [`EtcdError::LeaseTtlTooLarge`] for leases that cannot be.
    pub fn restored(from: Restored) -> Result<Store, EtcdError> {
        let revision = from.revision.checked_add(from.bump).ok_or(EtcdError::FutureRev)?;
        let mut store = Store { revision: revision.max(1), compacted: revision, ..Store::default() };
        for (id, ttl) in from.leases {
            store.leases.grant(id, ttl)?;
        }
        for mut kv in from.pairs {
            if kv.mod_revision > from.revision {
                return Err(EtcdError::FutureRev);
            }
            if store.leases.get(kv.lease).is_none() {
                kv.lease = LeaseId::NONE;
            }
            store.leases.attach(&kv.key, LeaseId::NONE, kv.lease);
            let bytes = super::bytes_of(&kv);
            store.size.add(bytes);
            // The changes of the compacted revision itself can be watched.
            if kv.mod_revision == revision {
                let event = Event { kind: EventKind::Put, revision, key: kv.key.clone(), kv: Some(kv.clone()), prev: None };
                store.log.push_back(event);
            }
            store.keys.insert(kv.key.clone(), Arc::new(vec![Version { revision: kv.mod_revision, kv: Some(kv), bytes }]));
        }
        Ok(store)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{KeyRange, Op, Range, Txn};

    fn written() -> Store {
        let mut store = Store::default();
        for value in ["1", "2"] {
            store.txn(Txn { success: vec![Op::put("a", value), Op::put(format!("b{value}"), "x")], ..Txn::default() }).unwrap();
        }
        store
    }

    fn pairs(store: &Store) -> Vec<KeyValue> {
        store.range(&Range::all(KeyRange::Prefix("".into()))).unwrap().kvs
    }

    #[test]
    fn what_is_restored_is_what_was_saved_and_goes_on() {
        let old = written();
        let restored = Restored { pairs: pairs(&old), revision: old.revision(), ..Restored::default() };
        let mut store = Store::restored(restored).unwrap();
        assert_eq!((pairs(&store), store.revision()), (pairs(&old), 3));
        let seen: Vec<String> = store.changes(&KeyRange::Prefix("".into()), 3).unwrap().map(|event| event.key.to_string()).collect();
        assert_eq!(seen, ["a", "b2"], "the newest changes can be watched");
        assert!(store.changes(&KeyRange::Prefix("".into()), 2).is_err(), "those before are gone");
        let next = store.txn(Txn { success: vec![Op::put("a", "3")], ..Txn::default() }).unwrap();
        assert_eq!((next.revision, store.get("a").unwrap().version), (4, 3));
    }

    #[test]
    fn a_bumped_revision_is_compacted_up_to_there() {
        let old = written();
        let restored = Restored { pairs: pairs(&old), revision: 3, bump: 1000, ..Restored::default() };
        let store = Store::restored(restored).unwrap();
        assert_eq!((store.revision(), store.compacted_revision()), (1003, 1003));
        assert_eq!(store.changes(&KeyRange::Prefix("".into()), 500).err(), Some(EtcdError::Compacted));
        assert_eq!(pairs(&store), pairs(&old));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let pairs = pairs(&written());
        assert_eq!(Store::restored(Restored { pairs, revision: 2, ..Restored::default() }).err(), Some(EtcdError::FutureRev));
        let endless = Restored { revision: u64::MAX, bump: 1, ..Restored::default() };
        assert_eq!(Store::restored(endless).err(), Some(EtcdError::FutureRev));
    }
}

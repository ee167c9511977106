//! What a transaction may not be (`checkTxnRequest` and `checkIntervals` of `server/etcdserver/api/v3rpc/key.go`).

use crate::message::{KeyRange, Op, Put};
use crate::{EtcdError, LeaseId, Txn};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Checks the form of a transaction: its size, its keys, and that it writes no key twice.
pub(super) fn check_txn(txn: &Txn) -> Result<(), EtcdError> {
    check_size(txn, EtcdError::MAX_TXN_OPS)?;
    Writes::of(&txn.success)?;
    Writes::of(&txn.failure)?;
    Ok(())
}

/// Refuses a range without a key.
pub(super) fn check_keys(keys: &KeyRange) -> Result<(), EtcdError> {
    match keys {
        KeyRange::One(key) | KeyRange::Between(key, _) if key.is_empty() => Err(EtcdError::EmptyKey),
        _ => Ok(()),
    }
}

/// A transaction within another one has what the longest list of that one leaves.
fn check_size(txn: &Txn, most: usize) -> Result<(), EtcdError> {
    let longest = txn.compares.len().max(txn.success.len()).max(txn.failure.len());
    let left = most.checked_sub(longest).ok_or(EtcdError::TooManyOps)?;
    txn.compares.iter().try_for_each(|compare| check_keys(&compare.keys))?;
    txn.success.iter().chain(&txn.failure).try_for_each(|op| match op {
        Op::Put(put) if put.key.is_empty() => Err(EtcdError::EmptyKey),
        Op::Put(put) if put.ignore_value && !put.value.0.encode().is_empty() => Err(EtcdError::ValueProvided),
        Op::Put(put) if put.ignore_lease && put.lease != LeaseId::NONE => Err(EtcdError::LeaseProvided),
        Op::Put(_) => Ok(()),
        Op::Delete(keys) => check_keys(keys),
        Op::Range(range) => check_keys(&range.keys),
        Op::Txn(inner) => check_size(inner, left),
    })
}

/// What operations write. Of the two branches of a transaction only one is taken, so that both may put the same key.
#[derive(Default)]
struct Writes<'a> {
    puts: BTreeSet<&'a Arc<str>>,
    deletes: Vec<&'a KeyRange>,
}

impl<'a> Writes<'a> {
    fn of(ops: &'a [Op]) -> Result<Self, EtcdError> {
        let mut writes = Writes::default();
        writes.deletes.extend(ops.iter().filter_map(|op| if let Op::Delete(keys) = op { Some(keys) } else { None }));
        for inner in ops.iter().filter_map(|op| if let Op::Txn(inner) = op { Some(inner) } else { None }) {
            let (then, or_else) = (Writes::of(&inner.success)?, Writes::of(&inner.failure)?);
            then.puts.iter().try_for_each(|key| writes.put(key))?;
            or_else.puts.iter().filter(|key| !then.puts.contains(*key)).try_for_each(|key| writes.put(key))?;
            writes.deletes.extend(then.deletes.into_iter().chain(or_else.deletes));
        }
        for Put { key, .. } in ops.iter().filter_map(|op| if let Op::Put(put) = op { Some(put) } else { None }) {
            writes.put(key)?;
        }
        Ok(writes)
    }

    fn put(&mut self, key: &'a Arc<str>) -> Result<(), EtcdError> {
        let is_new = self.puts.insert(key) && !self.deletes.iter().any(|keys| keys.contains(key));
        if is_new { Ok(()) } else { Err(EtcdError::DuplicateKey) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(ops: Vec<Op>) -> Result<(), EtcdError> {
        check_txn(&Txn { success: ops, ..Txn::default() })
    }

    fn branches(then: Vec<Op>, or_else: Vec<Op>) -> Op {
        Op::Txn(Txn { success: then, failure: or_else, ..Txn::default() })
    }

    fn delete(start: &str, end: &str) -> Op {
        Op::Delete(KeyRange::Between(start.into(), end.into()))
    }

    #[test]
    fn a_key_is_put_once_and_not_deleted_beside_it() {
        assert_eq!(checked(vec![Op::put("k", "1"), Op::put("k", "2")]), Err(EtcdError::DuplicateKey));
        assert_eq!(checked(vec![Op::put("k", "1"), delete("a", "z")]), Err(EtcdError::DuplicateKey));
        assert_eq!(checked(vec![Op::put("k", "1"), delete("a", "k")]), Ok(()));
        assert_eq!(checked(vec![delete("a", "z"), delete("k", "m")]), Ok(()));
    }

    #[test]
    fn branches_exclude_each_other() {
        let both = || branches(vec![Op::put("k", "1")], vec![Op::put("k", "2")]);
        assert_eq!(checked(vec![both()]), Ok(()));
        assert_eq!(checked(vec![both(), Op::put("k", "3")]), Err(EtcdError::DuplicateKey));
        assert_eq!(checked(vec![both(), both()]), Err(EtcdError::DuplicateKey));
        assert_eq!(checked(vec![branches(vec![delete("a", "z")], vec![]), Op::put("k", "1")]), Err(EtcdError::DuplicateKey));
    }

    #[test]
    fn the_size_counts_through_all_levels() {
        let put = |number: usize| Op::put(format!("k{number}"), "v");
        assert_eq!(checked((0..128).map(put).collect()), Ok(()));
        assert_eq!(checked((0..129).map(put).collect()), Err(EtcdError::TooManyOps));
        let inner = |count| branches((0..count).map(put).collect(), vec![]);
        assert_eq!(checked(vec![inner(127)]), Ok(()));
        assert_eq!(checked(vec![inner(128)]), Err(EtcdError::TooManyOps));
    }

    #[test]
    fn keys_are_not_empty() {
        assert_eq!(checked(vec![Op::put("", "v")]), Err(EtcdError::EmptyKey));
        assert_eq!(checked(vec![Op::Delete(KeyRange::One("".into()))]), Err(EtcdError::EmptyKey));
    }
}

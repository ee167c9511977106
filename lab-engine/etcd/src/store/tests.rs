//! What the key space promises.

use super::*;
use crate::message::{Compare, CompareResult, CompareTarget};
use crate::{Revisions, Sort, SortTarget};

fn put(store: &mut Store, key: &str, value: &str) -> Revision {
    let txn = Txn { success: vec![Op::put(key, value)], ..Txn::default() };
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
    store.compact(0).unwrap();
    assert_eq!(read(&store, "a", 2).unwrap(), ["a=1"], "nothing came before revision 0");
    store.compact(4).unwrap();
    assert_eq!(store.compact(0), Err(EtcdError::Compacted));
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
    let mut store = Store::with_limit(6);
    for key in ["a", "b", "c"] {
        put(&mut store, key, "1");
    }
    let write = || Txn { success: vec![Op::put("a", "2")], ..Txn::default() };
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
    let absent = Compare::at_revision("k".into(), 0);
    let txn = Txn {
        compares: vec![absent],
        success: vec![Op::put("k", "1"), Op::put("l", "1")],
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
    let twice = vec![Op::put("k", "1"), Op::put("k", "2")];
    assert_eq!(store.txn(Txn { success: twice, ..Txn::default() }).unwrap_err(), EtcdError::DuplicateKey);
    let overlap = vec![Op::put("k1", "1"), Op::Delete(KeyRange::Prefix("k".into()))];
    assert_eq!(store.txn(Txn { failure: overlap, ..Txn::default() }).unwrap_err(), EtcdError::DuplicateKey);
    let many = (0..129).map(|i| Op::put(format!("k{i}"), "1")).collect();
    assert_eq!(store.txn(Txn { success: many, ..Txn::default() }).unwrap_err(), EtcdError::TooManyOps);
    let empty = vec![Op::put("", "1")];
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

fn keys(store: &Store, range: Range) -> String {
    store.range(&range).unwrap().kvs.iter().map(|kv| kv.key.to_string()).collect::<Vec<_>>().join(" ")
}

#[test]
fn pairs_are_sorted_and_filtered_before_they_are_limited() {
    let mut store = Store::default();
    for (key, value) in [("b", "1"), ("a", "3"), ("c", "2"), ("a", "2")] {
        put(&mut store, key, value);
    }
    let all = || Range::all(KeyRange::Prefix("".into()));
    let sorted = |by, descending| Range { sort: Sort { by, descending }, ..all() };
    assert_eq!(keys(&store, sorted(SortTarget::Create, false)), "b a c");
    assert_eq!(keys(&store, sorted(SortTarget::Mod, true)), "a c b");
    assert_eq!(keys(&store, sorted(SortTarget::Value, false)), "b a c");
    assert_eq!(keys(&store, sorted(SortTarget::Version, false)), "b c a");
    let last = store.range(&Range { limit: 1, ..sorted(SortTarget::Key, true) }).unwrap();
    assert_eq!((last.kvs.len(), &*last.kvs[0].key, last.more, last.count), (1, "c", true, 3));
    let early = Range { create_revisions: Revisions { min: 0, max: 3 }, ..all() };
    assert_eq!(keys(&store, early), "a b");
    let late = store.range(&Range { mod_revisions: Revisions { min: 4, max: 0 }, ..all() }).unwrap();
    assert_eq!((late.kvs.len(), late.count), (2, 3), "the count is of all");
    let names = store.range(&Range { keys_only: true, ..all() }).unwrap();
    assert!(names.kvs.iter().all(|kv| kv.value.0.encode().is_empty()));
}

#[test]
fn a_read_in_a_transaction_sees_what_was_written_before_it() {
    let mut store = Store::default();
    put(&mut store, "k", "old");
    let read = || Op::Range(Range::all(KeyRange::One("k".into())));
    let inner = Txn { success: vec![Op::put("k", "new"), read()], ..Txn::default() };
    let done = store.txn(Txn { success: vec![read(), Op::Txn(inner), read()], ..Txn::default() }).unwrap();
    let values: Vec<(String, Revision)> = done
        .responses
        .iter()
        .flat_map(|response| if let OpResponse::Txn(inner) = response { inner.responses.iter().collect() } else { vec![response] })
        .filter_map(|response| if let OpResponse::Range(range) = response { Some(range) } else { None })
        .map(|range| (String::from_utf8(range.kvs[0].value.0.encode()).unwrap(), range.revision))
        .collect();
    assert_eq!(values, [("old".to_owned(), 2), ("new".to_owned(), 3), ("new".to_owned(), 3)]);
}

#[test]
fn the_branch_within_is_chosen_by_what_there_was_before() {
    let mut store = Store::default();
    let absent = Txn {
        compares: vec![Compare::at_revision("k".into(), 0)],
        success: vec![Op::put("was", "absent")],
        failure: vec![Op::put("was", "there")],
        ..Txn::default()
    };
    store.txn(Txn { success: vec![Op::put("k", "1"), Op::Txn(absent)], ..Txn::default() }).unwrap();
    assert_eq!(read(&store, "was", 0).unwrap(), ["was=absent"]);
}

#[test]
fn a_condition_on_a_range_holds_for_every_key() {
    let mut store = Store::default();
    put(&mut store, "a1", "x");
    put(&mut store, "a2", "x");
    put(&mut store, "a2", "x");
    let holds =
        |prefix: &str, target| store.holds(&Compare { keys: KeyRange::Prefix(prefix.into()), result: CompareResult::Equal, target });
    assert!(holds("a", CompareTarget::Value("x".into())));
    assert!(!holds("a", CompareTarget::Version(1)));
    assert!(holds("b", CompareTarget::Version(0)), "over no key it is compared with one that is absent");
    assert!(!holds("b", CompareTarget::Value("".into())), "an absent key has no value");
    assert!(holds("a", CompareTarget::Lease(LeaseId::NONE)));
}

#[test]
fn a_put_can_keep_the_value_or_the_lease() {
    let mut store = Store::default();
    store.grant(LeaseId(7), 60).unwrap();
    let write = |store: &mut Store, value: Option<&str>, lease: Option<LeaseId>| {
        let (ignore_value, ignore_lease) = (value.is_none(), lease.is_none());
        let lease = lease.unwrap_or_default();
        let put = Put { lease, ignore_value, ignore_lease, ..Put::new("k", value.unwrap_or_default()) };
        store.txn(Txn { success: vec![Op::Put(put)], ..Txn::default() }).map(|_| store.get("k").cloned().unwrap())
    };
    assert_eq!(write(&mut store, None, Some(LeaseId(7))).unwrap_err(), EtcdError::KeyNotFound);
    assert_eq!(write(&mut store, Some("1"), Some(LeaseId(8))).unwrap_err(), EtcdError::LeaseNotFound);
    write(&mut store, Some("1"), Some(LeaseId(7))).unwrap();
    let kept = write(&mut store, Some("2"), None).unwrap();
    assert_eq!((kept.lease, kept.value), (LeaseId(7), "2".into()));
    let kept = write(&mut store, None, Some(LeaseId::NONE)).unwrap();
    assert_eq!((kept.lease, kept.value), (LeaseId::NONE, "2".into()));
    let both = |put: Put| store.clone().txn(Txn { success: vec![Op::Put(put)], ..Txn::default() }).unwrap_err();
    assert_eq!(both(Put { ignore_value: true, ..Put::new("k", "3") }), EtcdError::ValueProvided);
    assert_eq!(both(Put { ignore_lease: true, lease: LeaseId(7), ..Put::new("k", "3") }), EtcdError::LeaseProvided);
}

#[test]
fn the_end_of_a_lease_deletes_what_is_attached_to_it_at_one_revision() {
    let mut store = Store::default();
    store.grant(LeaseId(7), 60).unwrap();
    for key in ["b", "a", "c"] {
        let put = Put { lease: LeaseId(7), ..Put::new(key, "v") };
        store.txn(Txn { success: vec![Op::Put(put)], ..Txn::default() }).unwrap();
    }
    delete(&mut store, "c");
    let before = store.revision();
    store.revoke(LeaseId(7)).unwrap();
    assert_eq!(store.revision(), before + 1);
    let gone: Vec<(&str, Revision)> = store.log_from(before + 1).map(|event| (&*event.key, event.revision)).collect();
    assert_eq!(gone, [("a", before + 1), ("b", before + 1)]);
    assert_eq!(store.revoke(LeaseId(7)), Err(EtcdError::LeaseNotFound));
    store.grant(LeaseId(8), 60).unwrap();
    store.revoke(LeaseId(8)).unwrap();
    assert_eq!(store.revision(), before + 1, "nothing was attached to it");
}

#[test]
fn bytes_are_counted_freed_and_given_back() {
    let mut store = Store::default().with_quota(1_000);
    let big = Txn { success: vec![Op::put("k", "x".repeat(400).as_str())], ..Txn::default() };
    assert!(!store.would_exceed(&big));
    store.txn(big.clone()).unwrap();
    assert_eq!((store.size(), store.size_in_use()), (657, 657), "256 for the pair, 1 for the key, 400 for the value");
    assert!(store.would_exceed(&big));
    let last = delete(&mut store, "k");
    store.compact(last).unwrap();
    assert_eq!((store.size(), store.size_in_use()), (657, 0));
    assert!(store.would_exceed(&big), "free space counts until it is given back");
    store.defragment();
    assert!(!store.would_exceed(&big));
}

#[test]
fn a_checksum_is_of_what_can_be_read() {
    let (mut one, mut other) = (Store::default(), Store::default());
    for store in [&mut one, &mut other] {
        put(store, "a", "1");
        put(store, "b", "1");
    }
    assert_eq!(one.hash_kv(0), other.hash_kv(3));
    let early = one.hash_kv(2).unwrap();
    put(&mut other, "b", "2");
    assert_ne!(one.hash_kv(0).unwrap().0, other.hash_kv(0).unwrap().0);
    assert_eq!(other.hash_kv(2).unwrap(), early);
    assert_eq!(one.hash_kv(9), Err(EtcdError::FutureRev));
}

#[test]
fn memory_does_not_grow_with_updates_that_are_compacted() {
    let mut store = Store::default();
    for round in 0..100 {
        for update in 0..1_000 {
            put(&mut store, &format!("k{}", update % 50), &round.to_string());
        }
        store.compact(store.revision()).unwrap();
        assert_eq!((store.versions(), store.log.len()), (50, 1), "after {} updates", (round + 1) * 1_000);
    }
}

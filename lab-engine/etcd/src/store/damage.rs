//! Damage to a key space: what a faulty disk or a bug does to one member's data, behind the back of the log.

use super::Store;
use crate::Value;
use std::sync::Arc;

impl Store {
    /// Turns over the lowest bit of the last letter or digit of a key's present value; of its last byte if it has none. Nothing else changes, so
    /// that only whoever looks at the value can tell. False if there is no such key or nothing in it.
    pub(crate) fn damage(&mut self, key: &str) -> bool {
        let Some(version) = self.keys.get_mut(key).and_then(|versions| Arc::make_mut(versions).last_mut()) else { return false };
        let Some(kv) = &mut version.kv else { return false };
        let mut bytes = kv.value.0.encode();
        let place = bytes.iter().rposition(u8::is_ascii_alphanumeric).or(bytes.len().checked_sub(1));
        let Some(place) = place else { return false };
        bytes[place] ^= 1;
        kv.value = Value::new(bytes);
        // In etcd's database the version and the change that made it are one record.
        let (revision, damaged) = (version.revision, version.kv.clone());
        for place in self.changes_before(revision)..self.log.len() {
            match self.log.get_mut(place) {
                Some(event) if event.revision > revision => break,
                Some(event) if *event.key == *key => event.kv.clone_from(&damaged),
                _ => {}
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{KeyRange, Op, Txn};

    #[test]
    fn one_bit_of_one_value_differs_and_the_checksum_tells() {
        let mut store = Store::default();
        for (key, value) in [("a", "{\"x\":\"7\"}"), ("b", "--"), ("c", "")] {
            store.txn(Txn { success: vec![Op::put(key, value)], ..Txn::default() }).unwrap();
        }
        let whole = store.clone();
        assert!(store.damage("a") && store.damage("b"));
        assert_eq!(
            (store.get("a").unwrap().value.0.encode(), store.get("b").unwrap().value.0.encode()),
            (b"{\"x\":\"6\"}".into(), b"-,".into())
        );
        assert_eq!((store.damage("c"), store.damage("d")), (false, false), "there is nothing to damage");
        assert_ne!(store.hash_kv(0), whole.hash_kv(0));
        assert_eq!(store.hash_kv(1), whole.hash_kv(1), "before them nothing differs");
        let seen = store.changes(&KeyRange::One("a".into()), 1).unwrap().map(|event| event.kv.clone()).collect::<Vec<_>>();
        assert_eq!(seen, [store.get("a").cloned()], "who watches sees what is kept");
        assert_eq!(store.get("a").unwrap().mod_revision, whole.get("a").unwrap().mod_revision);
    }
}

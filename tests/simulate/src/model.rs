//! The key space as it should be: the simplest that can be built from the committed entries.

use etcd::server::Change;
use etcd::{Compare, CompareResult, CompareTarget, Op, Put};
use std::collections::BTreeMap;

/// A key's value, when it was made and when it was last written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The value.
    pub value: Vec<u8>,
    /// The revision of the creation.
    pub create_revision: u64,
    /// The revision of the last write.
    pub mod_revision: u64,
}

/// A change: the revision, the key, and the value, or none for a deletion.
pub type ChangeOfKey = (u64, String, Option<Vec<u8>>);

/// The key space.
#[derive(Clone, Debug)]
pub struct Model {
    /// The pairs by key.
    pub pairs: BTreeMap<String, Pair>,
    /// The revision.
    pub revision: u64,
    /// All changes there ever were, oldest first.
    pub changes: Vec<ChangeOfKey>,
}

impl Default for Model {
    fn default() -> Self {
        Model { pairs: BTreeMap::new(), revision: 1, changes: Vec::new() }
    }
}

impl Model {
    /// Applies an entry. Compactions change nothing that can be read at present.
    pub fn apply(&mut self, change: &Change) {
        let Change::Txn(txn) = change else { return };
        let holds = txn.compares.iter().all(|compare| self.holds(compare));
        let ops = if holds { &txn.success } else { &txn.failure };
        let revision = self.revision + 1;
        for op in ops {
            self.apply_op(op, revision);
        }
        if self.changes.last().is_some_and(|(changed, ..)| *changed == revision) {
            self.revision = revision;
        }
    }

    fn apply_op(&mut self, op: &Op, revision: u64) {
        match op {
            Op::Put(Put { key, value, ignore_value: false, .. }) => {
                let key = key.to_string();
                let create_revision = self.pairs.get(&key).map_or(revision, |pair| pair.create_revision);
                let value = value.0.encode();
                self.changes.push((revision, key.clone(), Some(value.clone())));
                self.pairs.insert(key, Pair { value, create_revision, mod_revision: revision });
            }
            Op::Delete(keys) => {
                let gone: Vec<String> = self.pairs.keys().filter(|key| keys.contains(key)).cloned().collect();
                for key in gone {
                    self.pairs.remove(&key);
                    self.changes.push((revision, key, None));
                }
            }
            Op::Range(_) => {}
            Op::Put(_) | Op::Txn(_) => panic!("clients here write plainly"),
        }
    }

    fn holds(&self, compare: &Compare) -> bool {
        let pair = self.pairs.get(&**compare.keys.start());
        let CompareTarget::Mod(wanted) = compare.target else { panic!("clients here compare the last write only") };
        let found = pair.map_or(0, |pair| pair.mod_revision);
        match compare.result {
            CompareResult::Equal => found == wanted,
            CompareResult::NotEqual => found != wanted,
            CompareResult::Greater => found > wanted,
            CompareResult::Less => found < wanted,
        }
    }
}

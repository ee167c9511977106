//! Equal sets of fields kept once: the Pods of a ReplicaSet own the same fields.

use super::entry::{ManagedFieldsEntry, Manager};
use super::set::{Node, Set};
use rustc_hash::FxBuildHasher;
use std::collections::{BTreeSet, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// So many sets are kept before those that nobody uses are dropped.
const FIRST_SWEEP: usize = 1024;

/// Keeps one of each set, and one of each manager. Parts of sets are shared too.
#[derive(Debug)]
pub struct Interner {
    sets: HashSet<Interned, FxBuildHasher>,
    /// The addresses of the sets that are kept.
    known: HashSet<usize, FxBuildHasher>,
    managers: BTreeSet<Arc<Manager>>,
    sweep_at: usize,
}

impl Default for Interner {
    fn default() -> Self {
        Interner { sets: HashSet::default(), known: HashSet::default(), managers: BTreeSet::new(), sweep_at: FIRST_SWEEP }
    }
}

/// A set whose parts are interned, so that they are compared by address.
#[derive(Clone, Debug)]
struct Interned(Arc<[Node]>);

fn address(nodes: &Arc<[Node]>) -> usize {
    Arc::as_ptr(nodes).cast::<Node>().addr()
}

impl PartialEq for Interned {
    fn eq(&self, other: &Self) -> bool {
        self.0.len() == other.0.len()
            && self
                .0
                .iter()
                .zip(&*other.0)
                .all(|(left, right)| left.member == right.member && left.below.is_same(&right.below) && left.element == right.element)
    }
}

impl Eq for Interned {}

impl Hash for Interned {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for node in &*self.0 {
            node.element.hash(state);
            node.member.hash(state);
            node.below.as_shared().map(address).hash(state);
        }
    }
}

impl Interner {
    /// Puts the kept sets and managers in the place of equal ones.
    pub fn intern(&mut self, entries: &mut [ManagedFieldsEntry]) {
        for entry in entries {
            entry.fields = self.set(&entry.fields);
            match self.managers.get(&entry.manager) {
                Some(kept) => entry.manager = kept.clone(),
                None => drop(self.managers.insert(entry.manager.clone())),
            }
        }
    }

    fn set(&mut self, set: &Set) -> Set {
        let Some(nodes) = set.as_shared() else { return Set::default() };
        if self.known.contains(&address(nodes)) {
            return set.clone();
        }
        let parts = nodes.iter().map(|node| {
            let below = self.set(&node.below);
            Node { below, ..node.clone() }
        });
        let candidate = Interned(parts.collect());
        if let Some(kept) = self.sets.get(&candidate) {
            return Set::shared(kept.0.clone());
        }
        if self.sets.len() >= self.sweep_at {
            self.sweep();
        }
        self.known.insert(address(&candidate.0));
        self.sets.insert(candidate.clone());
        Set::shared(candidate.0)
    }

    /// Drops what nobody else uses; parts follow their wholes at the next sweep.
    fn sweep(&mut self) {
        let known = &mut self.known;
        self.sets.retain(|Interned(nodes)| {
            let used = Arc::strong_count(nodes) > 1;
            if !used {
                known.remove(&address(nodes));
            }
            used
        });
        self.managers.retain(|manager| Arc::strong_count(manager) > 1);
        self.sweep_at = (self.sets.len() * 2).max(FIRST_SWEEP);
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::Operation;
    use super::*;
    use serde_json::json;

    fn entry(ip: &str) -> ManagedFieldsEntry {
        let fields = json!({"f:status": {"f:phase": {}, "f:conditions": {"f:a": {}},
            "f:podIPs": {format!("k:{{\"ip\":\"{ip}\"}}"): {".": {}, "f:ip": {}}}}});
        let manager = Manager { name: "kubelet".into(), operation: Operation::Update, api_version: "v1".into(), subresource: "".into() };
        ManagedFieldsEntry { manager: Arc::new(manager), time: None, fields: Set::from_json(&fields).unwrap() }
    }

    #[test]
    fn equal_sets_and_equal_parts_are_one() {
        let mut interner = Interner::default();
        let mut entries = [entry("10.0.0.1"), entry("10.0.0.1"), entry("10.0.0.2")];
        interner.intern(&mut entries);
        let [a, b, c] = &entries;
        assert!(a.fields.is_same(&b.fields) && Arc::ptr_eq(&a.manager, &c.manager));
        assert!(!a.fields.is_same(&c.fields));
        let conditions = |entry: &ManagedFieldsEntry| entry.fields.nodes()[0].below.nodes()[0].below.clone();
        assert!(conditions(a).is_same(&conditions(c)));
        assert_eq!(a.fields, entry("10.0.0.1").fields);
    }

    #[test]
    fn unused_sets_are_dropped() {
        let mut interner = Interner::default();
        let mut kept = [entry("10.0.0.0")];
        interner.intern(&mut kept);
        for round in 0..FIRST_SWEEP {
            interner.intern(&mut [entry(&format!("10.1.{}.{}", round / 256, round % 256))]);
        }
        assert!(interner.sets.len() < 2 * FIRST_SWEEP && interner.sets.len() == interner.known.len());
        let before = kept[0].fields.clone();
        interner.intern(&mut kept);
        assert!(before.is_same(&kept[0].fields));
    }
}

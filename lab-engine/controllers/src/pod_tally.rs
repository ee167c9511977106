//! How many Pods of each controller stand how: counted as they change, so that nobody walks a thousand Pods after the change of one.
//!
//! It is an index over the cache of Pods, fed by the same changes: for each controller the number of its unfinished Pods by [`Standing`]
//! and labels. Pods of one controller nearly always have the same labels, so a look costs a few steps whatever the number of Pods.
//! Upstream counts a controller's Pods anew at each sync (`pkg/controller/replicaset/replica_set_utils.go`), with the same result.

use crate::pods::is_ready;
use api::core::Pod;
use api::meta::StringMap;
use client::{Delta, ObjectKey};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How an unfinished Pod stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// Neither ready nor on its way out.
    Waiting,
    /// Its condition `Ready` is true.
    Ready,
    /// On its way out.
    Terminating,
}

impl Standing {
    /// `None` for a Pod whose containers have ended for good.
    fn of(pod: &Pod) -> Option<Self> {
        match pod.status.phase.as_str() {
            "Succeeded" | "Failed" => None,
            _ if pod.metadata.is_deleting() => Some(Standing::Terminating),
            _ if is_ready(pod) => Some(Standing::Ready),
            _ => Some(Standing::Waiting),
        }
    }
}

/// The numbers of all controllers.
#[derive(Debug, Default)]
pub(crate) struct PodTally {
    /// By the UID of the controller.
    controllers: BTreeMap<String, BTreeMap<Standing, BTreeMap<StringMap, usize>>>,
    /// Each Pod as it was counted.
    counted: BTreeMap<ObjectKey, Arc<Pod>>,
}

impl PodTally {
    /// Takes a change of the cache of Pods in.
    pub(crate) fn learn(&mut self, delta: &Delta<Pod>) {
        // The last state of a Pod that is gone need not be the one that was counted.
        let key = ObjectKey::of(delta.object().as_ref());
        let (old, new) = match delta {
            Delta::Added(new) | Delta::Updated(_, new) => (self.counted.insert(key, new.clone()), Some(new)),
            Delta::Deleted(..) => (self.counted.remove(&key), None),
        };
        if let (Some(old), Some(new)) = (&old, new)
            && Standing::of(old) == Standing::of(new)
            && old.metadata.labels == new.metadata.labels
            && old.metadata.controller() == new.metadata.controller()
        {
            return;
        }
        if let Some(pod) = old {
            self.remove(&pod);
        }
        if let Some(pod) = new {
            self.add(pod);
        }
    }

    /// How many Pods the controller with this UID has, by standing and labels, in that order.
    pub(crate) fn of(&self, uid: &str) -> impl Iterator<Item = (Standing, &StringMap, usize)> {
        let standings = self.controllers.get(uid).into_iter().flatten();
        standings.flat_map(|(standing, groups)| groups.iter().map(|(labels, count)| (*standing, labels, *count)))
    }

    fn add(&mut self, pod: &Pod) {
        if let (Some(standing), Some(owner)) = (Standing::of(pod), pod.metadata.controller()) {
            let groups = self.controllers.entry(owner.uid.clone()).or_default().entry(standing).or_default();
            match groups.get_mut(&pod.metadata.labels) {
                Some(count) => *count += 1,
                None => drop(groups.insert(pod.metadata.labels.clone(), 1)),
            }
        }
    }

    fn remove(&mut self, pod: &Pod) {
        let (Some(standing), Some(owner)) = (Standing::of(pod), pod.metadata.controller()) else { return };
        let Some(standings) = self.controllers.get_mut(&owner.uid) else { return };
        let Some(groups) = standings.get_mut(&standing) else { return };
        let Some(count) = groups.get_mut(&pod.metadata.labels) else { return };
        *count -= 1;
        if *count == 0 {
            groups.remove(&pod.metadata.labels);
        }
        if groups.is_empty() {
            standings.remove(&standing);
        }
        if standings.is_empty() {
            self.controllers.remove(&owner.uid);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::json::decode;
    use serde_json::json;

    fn pod(name: &str, phase: &str, ready: &str, app: &str, owner: &str) -> Arc<Pod> {
        let pod = json!({
            "metadata": {"name": name, "labels": {"app": app},
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": owner, "uid": owner, "controller": true}]},
            "spec": {"containers": []},
            "status": {"phase": phase, "conditions": [{"type": "Ready", "status": ready}]},
        });
        Arc::new(decode(pod).unwrap())
    }

    fn counts(tally: &PodTally, uid: &str) -> Vec<(Standing, String, usize)> {
        tally.of(uid).map(|(standing, labels, count)| (standing, labels["app"].clone(), count)).collect()
    }

    #[test]
    fn pods_are_counted_as_they_change() {
        let mut tally = PodTally::default();
        let waiting = |name| pod(name, "Pending", "False", "a", "rs");
        let ready = pod("p", "Running", "True", "a", "rs");
        tally.learn(&Delta::Added(waiting("p")));
        tally.learn(&Delta::Added(waiting("q")));
        assert_eq!(counts(&tally, "rs"), [(Standing::Waiting, "a".to_owned(), 2)]);
        tally.learn(&Delta::Updated(waiting("p"), ready.clone()));
        assert_eq!(counts(&tally, "rs"), [(Standing::Waiting, "a".to_owned(), 1), (Standing::Ready, "a".to_owned(), 1)]);
        tally.learn(&Delta::Updated(waiting("q"), pod("q", "Pending", "False", "b", "rs")));
        tally.learn(&Delta::Updated(ready, pod("p", "Succeeded", "False", "a", "rs")));
        assert_eq!(counts(&tally, "rs"), [(Standing::Waiting, "b".to_owned(), 1)]);
    }

    #[test]
    fn a_pod_that_changes_hands_is_counted_at_the_new_ones() {
        let mut tally = PodTally::default();
        let (mine, yours) = (pod("p", "Running", "True", "a", "mine"), pod("p", "Running", "True", "a", "yours"));
        tally.learn(&Delta::Added(mine.clone()));
        tally.learn(&Delta::Updated(mine, yours));
        assert_eq!((counts(&tally, "mine").len(), counts(&tally, "yours").len()), (0, 1));
        // What is told at its end was never in the cache.
        tally.learn(&Delta::Deleted(pod("p", "Running", "False", "a", "yours"), true));
        assert!(tally.controllers.is_empty(), "nothing is left behind");
    }
}

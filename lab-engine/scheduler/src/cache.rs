//! What the scheduler knows of nodes and of the Pods on them (`pkg/scheduler/backend/cache`).
//!
//! A Pod is *assumed* on its node from the decision on, before the binding is written and comes back by the watch, so that the next
//! cycle counts it. If the binding fails it is forgotten again. Nodes and sums change in place, Pod by Pod; nothing is computed anew
//! for a cycle.
//!
//! Generations and a log of Pods say what changed, so that what a cycle computed can be brought up to date (`memo`).
//!
//! **Simplified here:** a cycle reads the cache itself, not a snapshot of it: nothing changes the cache while a cycle runs, so copies
//! are not needed. Assumed Pods do not expire, as in upstream's default.

use crate::node_info::NodeInfo;
use crate::pod_info::PodInfo;
use api::core::Node;
use client::ObjectKey;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// The nodes, in the order in which a cycle looks at them: one of each zone in turn (`nodeTree`).
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    infos: Vec<NodeInfo>,
    by_name: BTreeMap<Arc<str>, usize>,
    /// The order, computed when it is needed: nodes come by the thousand when a cluster starts, and between two cycles only the last
    /// order counts.
    order: OnceCell<Vec<usize>>,
    /// On how many nodes each image is.
    images: BTreeMap<String, i64>,
    /// The nodes that have Pods with wishes about other Pods, and those with Pods that must be far from others: most have none, and a
    /// cycle need not look for them.
    with_affinity: BTreeSet<usize>,
    with_required_anti_affinity: BTreeSet<usize>,
    /// How often a node came, changed or went.
    generation: u64,
    /// The Pods that came to nodes and left them last, and how many did before those.
    log: VecDeque<PodChange>,
    log_start: u64,
}

/// A Pod came to this node (true) or left it.
pub(crate) type PodChange = (Arc<str>, Arc<PodInfo>, bool);

/// So many changes are remembered.
const MAX_LOG: usize = 1024;

impl Snapshot {
    /// How many nodes there are.
    pub(crate) fn len(&self) -> usize {
        self.infos.len()
    }

    /// The node at a place of the order; `place` is below [`Snapshot::len`].
    pub(crate) fn at(&self, place: usize) -> &NodeInfo {
        &self.infos[self.order()[place]]
    }

    /// All nodes, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &NodeInfo> {
        self.order().iter().map(|&index| &self.infos[index])
    }

    /// The node of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&NodeInfo> {
        self.by_name.get(name).map(|&index| &self.infos[index])
    }

    fn get_mut(&mut self, name: &str) -> Option<&mut NodeInfo> {
        self.by_name.get(name).map(|&index| &mut self.infos[index])
    }

    /// The nodes that have Pods with wishes about other Pods (`HavePodsWithAffinityList`).
    pub(crate) fn with_affinity(&self) -> impl Iterator<Item = &NodeInfo> {
        self.with_affinity.iter().map(|&index| &self.infos[index])
    }

    /// The nodes that have Pods which must be far from others (`HavePodsWithRequiredAntiAffinityList`).
    pub(crate) fn with_required_anti_affinity(&self) -> impl Iterator<Item = &NodeInfo> {
        self.with_required_anti_affinity.iter().map(|&index| &self.infos[index])
    }

    /// How often a node came, changed or went.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// How many times a Pod came to a node or left it so far.
    pub(crate) fn log_end(&self) -> u64 {
        self.log_start + self.log.len() as u64
    }

    /// The Pods that came to nodes and left them since then; `None` when that is too long ago.
    pub(crate) fn changes_since(&self, at: u64) -> Option<impl Iterator<Item = &PodChange>> {
        let skipped = usize::try_from(at.checked_sub(self.log_start)?).ok()?;
        Some(self.log.iter().skip(skipped))
    }

    fn note_change(&mut self, change: PodChange) {
        if self.log.len() >= MAX_LOG {
            self.log.pop_front();
            self.log_start += 1;
        }
        self.log.push_back(change);
    }

    /// Notes whether the node has Pods with wishes.
    fn note_wishes(&mut self, index: usize) {
        let info = &self.infos[index];
        for (set, none) in [
            (&mut self.with_affinity, info.pods_with_affinity.is_empty()),
            (&mut self.with_required_anti_affinity, info.pods_with_required_anti_affinity.is_empty()),
        ] {
            if none {
                set.remove(&index);
            } else {
                set.insert(index);
            }
        }
    }

    /// Adds a Pod to its node; gives it back when the node is not known.
    fn add_pod(&mut self, node: &str, pod: Arc<PodInfo>) -> Result<(), Arc<PodInfo>> {
        let Some(&index) = self.by_name.get(node) else { return Err(pod) };
        let wishes = pod.has_affinity();
        self.note_change((self.infos[index].name.clone(), pod.clone(), true));
        self.infos[index].add_pod(pod);
        if wishes {
            self.note_wishes(index);
        }
        Ok(())
    }

    /// Takes a Pod from its node; whether the node is known.
    fn remove_pod(&mut self, node: &str, key: &ObjectKey) -> bool {
        let Some(&index) = self.by_name.get(node) else { return false };
        if let Some(pod) = self.infos[index].remove_pod(key) {
            if pod.has_affinity() {
                self.note_wishes(index);
            }
            self.note_change((self.infos[index].name.clone(), pod, false));
        }
        true
    }

    /// Puts a newer state of a Pod in the place of the old one, which takes the same; whether the node has it.
    fn renew_pod(&mut self, node: &str, old: &Arc<PodInfo>, new: &Arc<PodInfo>) -> bool {
        self.get_mut(node).is_some_and(|info| info.renew_pod(old, new))
    }

    /// Whether any node has told of any image.
    pub(crate) fn has_images(&self) -> bool {
        !self.images.is_empty()
    }

    /// On how many nodes the image of this name is.
    pub(crate) fn nodes_with_image(&self, name: &str) -> i64 {
        self.images.get(name).copied().unwrap_or(0)
    }

    fn count_images(&mut self, node: &Node, change: i64) {
        for name in node.status.images.iter().flat_map(|image| &image.names) {
            let count = self.images.entry(name.clone()).or_default();
            *count += change;
            if *count <= 0 {
                self.images.remove(name);
            }
        }
    }

    /// The nodes by place: the first of each zone, then the second of each, and so on. Zones are in the order of their first nodes.
    fn order(&self) -> &[usize] {
        self.order.get_or_init(|| {
            let mut zones: Vec<Vec<usize>> = Vec::new();
            let mut zone_of: BTreeMap<String, usize> = BTreeMap::new();
            for (index, info) in self.infos.iter().enumerate() {
                let zone = *zone_of.entry(zone_key(&info.node)).or_insert(zones.len());
                if zone == zones.len() {
                    zones.push(Vec::new());
                }
                zones[zone].push(index);
            }
            let rounds = zones.iter().map(Vec::len).max().unwrap_or(0);
            (0..rounds).flat_map(|round| zones.iter().filter_map(move |nodes| nodes.get(round).copied())).collect()
        })
    }
}

/// Region and zone of a node as one text; empty when it has neither (`GetZoneKey`).
fn zone_key(node: &Node) -> String {
    let label = |key: &str| node.metadata.labels.get(key).map_or("", String::as_str);
    let (region, zone) = (label("topology.kubernetes.io/region"), label("topology.kubernetes.io/zone"));
    if region.is_empty() && zone.is_empty() { String::new() } else { format!("{region}\0{zone}") }
}

#[derive(Debug)]
struct CachedPod {
    info: Arc<PodInfo>,
    node: Arc<str>,
    assumed: bool,
}

/// Nodes, the Pods on them, and the Pods on their way.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    snapshot: Snapshot,
    pods: BTreeMap<ObjectKey, CachedPod>,
    /// Pods on nodes that are not known (any more, or yet).
    strays: BTreeMap<Arc<str>, Vec<Arc<PodInfo>>>,
}

impl Cache {
    /// The nodes as a cycle sees them.
    pub(crate) fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Adds a node, or replaces it.
    pub(crate) fn set_node(&mut self, node: Arc<Node>) {
        self.snapshot.generation += 1;
        self.snapshot.count_images(&node, 1);
        if let Some(info) = self.snapshot.get_mut(&node.metadata.name) {
            let moved = zone_key(&info.node) != zone_key(&node);
            let old = info.node.clone();
            info.set_node(node);
            self.snapshot.count_images(&old, -1);
            if moved {
                self.snapshot.order.take();
            }
            return;
        }
        let index = self.snapshot.infos.len();
        let mut info = NodeInfo { place: index, ..NodeInfo::new(node) };
        for pod in self.strays.remove(&info.name).unwrap_or_default() {
            info.add_pod(pod);
        }
        self.snapshot.by_name.insert(info.name.clone(), index);
        self.snapshot.infos.push(info);
        self.snapshot.note_wishes(index);
        self.snapshot.order.take();
    }

    /// Takes a node away. Its Pods are remembered until they are gone too.
    pub(crate) fn remove_node(&mut self, name: &str) {
        let Some(index) = self.snapshot.by_name.remove(name) else {
            return;
        };
        self.snapshot.generation += 1;
        let info = self.snapshot.infos.remove(index);
        for later in self.snapshot.by_name.values_mut().filter(|later| **later > index) {
            *later -= 1;
        }
        self.snapshot.infos[index..].iter_mut().for_each(|later| later.place -= 1);
        self.snapshot.count_images(&info.node, -1);
        self.snapshot.with_affinity.clear();
        self.snapshot.with_required_anti_affinity.clear();
        (0..self.snapshot.infos.len()).for_each(|index| self.snapshot.note_wishes(index));
        self.snapshot.order.take();
        if !info.pods.is_empty() {
            self.strays.insert(info.name, info.pods);
        }
    }

    /// Counts a Pod on a node before the API server knows (`AssumePod`).
    pub(crate) fn assume(&mut self, info: Arc<PodInfo>, node: &Arc<str>) {
        self.insert(info, node.clone(), true);
    }

    /// Takes an assumed Pod back (`ForgetPod`); whether there was one.
    pub(crate) fn forget(&mut self, key: &ObjectKey) -> bool {
        let assumed = self.is_assumed(key);
        if assumed {
            self.remove_pod(key);
        }
        assumed
    }

    /// Whether the Pod is assumed and the API server has not said so yet.
    pub(crate) fn is_assumed(&self, key: &ObjectKey) -> bool {
        self.pods.get(key).is_some_and(|pod| pod.assumed)
    }

    /// The Pod, if it is on a node, and whether it is only assumed there.
    pub(crate) fn pod(&self, key: &ObjectKey) -> Option<(&Arc<PodInfo>, bool)> {
        self.pods.get(key).map(|pod| (&pod.info, pod.assumed))
    }

    /// Counts a Pod on the node that its spec names, in place of what was known of it (`AddPod`, `UpdatePod`). Mostly only its status is
    /// new, and nothing needs to be counted.
    pub(crate) fn set_pod(&mut self, info: Arc<PodInfo>) {
        if let Some(known) = self.pods.get_mut(&info.key)
            && known.info.counts_as(&info)
            && self.snapshot.renew_pod(&known.node, &known.info, &info)
        {
            (known.info, known.assumed) = (info, false);
            return;
        }
        let node: Arc<str> = info.pod.spec.node_name.as_str().into();
        self.insert(info, node, false);
    }

    /// Forgets a Pod, and gives what was known of it (`RemovePod`).
    pub(crate) fn remove_pod(&mut self, key: &ObjectKey) -> Option<Arc<PodInfo>> {
        let pod = self.pods.remove(key)?;
        if !self.snapshot.remove_pod(&pod.node, key)
            && let Some(strays) = self.strays.get_mut(&pod.node)
        {
            strays.retain(|stray| stray.key != *key);
            if strays.is_empty() {
                self.strays.remove(&pod.node);
            }
        }
        Some(pod.info)
    }

    fn insert(&mut self, info: Arc<PodInfo>, node: Arc<str>, assumed: bool) {
        self.remove_pod(&info.key);
        if let Err(stray) = self.snapshot.add_pod(&node, info.clone()) {
            self.strays.entry(node.clone()).or_default().push(stray);
        }
        self.pods.insert(info.key.clone(), CachedPod { info, node, assumed });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{node, pod};

    fn requested(cache: &Cache, name: &str) -> i64 {
        cache.snapshot().get(name).unwrap().requested.cpu_milli
    }

    #[test]
    fn zones_take_turns() {
        let mut cache = Cache::default();
        for (name, zone) in [("a1", "a"), ("a2", "a"), ("a3", "a"), ("b1", "b"), ("c1", ""), ("b2", "b")] {
            cache.set_node(node(name).label("topology.kubernetes.io/zone", zone).build());
        }
        let names = |cache: &Cache| cache.snapshot().iter().map(|info| info.name.to_string()).collect::<Vec<_>>().join(" ");
        assert_eq!(names(&cache), "a1 b1 c1 a2 b2 a3");
        cache.remove_node("a1");
        assert_eq!(names(&cache), "a2 b1 c1 a3 b2");
        assert!(cache.snapshot().get("b2").is_some_and(|info| &*info.name == "b2"));
    }

    #[test]
    fn an_assumed_pod_counts_until_it_is_forgotten_and_once_only_when_it_is_confirmed() {
        let mut cache = Cache::default();
        cache.set_node(node("n").build());
        let info = pod("web").cpu(500).info();
        cache.assume(info.clone(), &"n".into());
        assert_eq!((requested(&cache, "n"), cache.is_assumed(&info.key)), (500, true));
        assert!(cache.forget(&info.key));
        assert_eq!(requested(&cache, "n"), 0);
        cache.assume(info.clone(), &"n".into());
        cache.set_pod(pod("web").cpu(500).on("n").info());
        assert_eq!((requested(&cache, "n"), cache.is_assumed(&info.key)), (500, false));
        assert!(!cache.forget(&info.key));
    }

    #[test]
    fn a_new_status_takes_the_place_of_the_old_one_and_counts_nothing() {
        let mut cache = Cache::default();
        cache.set_node(node("n").build());
        let info = pod("web").cpu(500).on("n").info();
        cache.set_pod(info.clone());
        let mut running = api::core::Pod::clone(&info.pod);
        running.status.phase = "Running".to_owned();
        let running = Arc::new(info.renewed(&Arc::new(running)));
        let changes = cache.snapshot().log_end();
        cache.set_pod(running.clone());
        let pods = &cache.snapshot().get("n").unwrap().pods;
        assert!(pods.len() == 1 && Arc::ptr_eq(&pods[0], &running));
        assert_eq!((requested(&cache, "n"), cache.snapshot().log_end()), (500, changes));
        let mut relabelled = api::core::Pod::clone(&running.pod);
        relabelled.metadata.labels.insert("app".to_owned(), "web".to_owned());
        cache.set_pod(Arc::new(running.renewed(&Arc::new(relabelled))));
        assert_eq!((requested(&cache, "n"), cache.snapshot().log_end()), (500, changes + 2));
        cache.remove_pod(&info.key);
        assert_eq!(requested(&cache, "n"), 0);
    }

    #[test]
    fn pods_of_a_node_that_is_away_are_counted_when_it_comes_back() {
        let mut cache = Cache::default();
        cache.set_pod(pod("early").cpu(100).on("n").info());
        cache.set_node(node("n").build());
        assert_eq!(requested(&cache, "n"), 100);
        cache.remove_node("n");
        cache.remove_pod(&pod("early").info().key);
        cache.set_pod(pod("late").cpu(200).on("n").info());
        cache.set_node(node("n").build());
        assert_eq!(requested(&cache, "n"), 200);
    }

    #[test]
    fn images_are_counted_by_node() {
        let mut cache = Cache::default();
        cache.set_node(node("a").image("nginx:1", 10).build());
        cache.set_node(node("b").image("nginx:1", 10).build());
        assert_eq!(cache.snapshot().nodes_with_image("nginx:1"), 2);
        cache.set_node(node("b").build());
        cache.remove_node("a");
        assert_eq!(cache.snapshot().nodes_with_image("nginx:1"), 0);
    }
}

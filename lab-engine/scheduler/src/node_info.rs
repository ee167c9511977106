//! A node with what its Pods take of it (`pkg/scheduler/framework/types.go`: `NodeInfo`).

use crate::pod_info::{HostPort, PodInfo, namespace_of};
use crate::resources::Resources;
use api::core::Node;
use client::ObjectKey;
use std::sync::Arc;

/// Pods of a node that selectors cannot tell apart: they have the same namespace and labels, and are all going or all staying.
#[derive(Clone, Debug)]
pub(crate) struct Alike {
    /// One of them, or one that was.
    pub(crate) pod: Arc<PodInfo>,
    /// How many they are; at least one.
    pub(crate) count: i64,
}

/// A node, its Pods, and sums over them that are kept up to date Pod by Pod.
#[derive(Clone, Debug)]
pub(crate) struct NodeInfo {
    /// The node.
    pub(crate) node: Arc<Node>,
    /// Its name, shared.
    pub(crate) name: Arc<str>,
    /// Its place in the list of nodes, which stays while no node goes: where others keep a number for each node.
    pub(crate) place: usize,
    /// Whether it is cordoned; beside the sums, so that most nodes need not be looked at closely.
    pub(crate) unschedulable: bool,
    /// Whether it has any taint.
    pub(crate) has_taints: bool,
    /// The Pods that run on it or are about to, in the order of their coming.
    pub(crate) pods: Vec<Arc<PodInfo>>,
    /// The same Pods, counted by what selectors see of them.
    pub(crate) alike: Vec<Alike>,
    /// Those of them that have wishes about other Pods.
    pub(crate) pods_with_affinity: Vec<Arc<PodInfo>>,
    /// Those of them that must be far from other Pods.
    pub(crate) pods_with_required_anti_affinity: Vec<Arc<PodInfo>>,
    /// Ports that they take.
    pub(crate) used_ports: Vec<HostPort>,
    /// What they request.
    pub(crate) requested: Resources,
    /// CPU that they count with in scores, in thousandths.
    pub(crate) non_zero_cpu_milli: i64,
    /// Memory that they count with in scores, in bytes.
    pub(crate) non_zero_memory_bytes: i64,
    /// What Pods may have of the node.
    pub(crate) allocatable: Resources,
}

impl NodeInfo {
    /// A node without Pods, at the first place.
    pub(crate) fn new(node: Arc<Node>) -> Self {
        NodeInfo {
            name: node.metadata.name.as_str().into(),
            place: 0,
            allocatable: Resources::from_list(&node.status.allocatable),
            unschedulable: node.spec.unschedulable.unwrap_or(false),
            has_taints: !node.spec.taints.is_empty(),
            node,
            pods: Vec::new(),
            alike: Vec::new(),
            pods_with_affinity: Vec::new(),
            pods_with_required_anti_affinity: Vec::new(),
            used_ports: Vec::new(),
            requested: Resources::default(),
            non_zero_cpu_milli: 0,
            non_zero_memory_bytes: 0,
        }
    }

    /// Replaces the node; its Pods stay (`SetNode`).
    pub(crate) fn set_node(&mut self, node: Arc<Node>) {
        self.allocatable = Resources::from_list(&node.status.allocatable);
        self.unschedulable = node.spec.unschedulable.unwrap_or(false);
        self.has_taints = !node.spec.taints.is_empty();
        self.node = node;
    }

    /// The node's label; `None` when it has none of that key.
    pub(crate) fn label(&self, key: &str) -> Option<&str> {
        self.node.metadata.labels.get(key).map(String::as_str)
    }

    /// Adds a Pod (`AddPodInfo`).
    pub(crate) fn add_pod(&mut self, pod: Arc<PodInfo>) {
        self.requested.add(&pod.requests);
        self.non_zero_cpu_milli += pod.non_zero_cpu_milli;
        self.non_zero_memory_bytes += pod.non_zero_memory_bytes;
        self.used_ports.extend(pod.host_ports.iter().cloned());
        if pod.has_affinity() {
            self.pods_with_affinity.push(pod.clone());
        }
        if !pod.required_anti_affinity.is_empty() {
            self.pods_with_required_anti_affinity.push(pod.clone());
        }
        match self.alike.iter_mut().find(|alike| are_alike(&alike.pod, &pod)) {
            Some(alike) => alike.count += 1,
            None => self.alike.push(Alike { pod: pod.clone(), count: 1 }),
        }
        self.pods.push(pod);
    }

    /// Puts a newer state of a Pod in the place of the old one, as which it counts ([`PodInfo::counts_as`]); whether the old one was there.
    pub(crate) fn renew_pod(&mut self, old: &Arc<PodInfo>, new: &Arc<PodInfo>) -> bool {
        let mut renewed = false;
        for list in [&mut self.pods, &mut self.pods_with_affinity, &mut self.pods_with_required_anti_affinity] {
            for pod in list.iter_mut().filter(|pod| Arc::ptr_eq(pod, old)) {
                *pod = new.clone();
                renewed = true;
            }
        }
        renewed
    }

    /// Takes a Pod away again, and gives it (`RemovePod`).
    pub(crate) fn remove_pod(&mut self, key: &ObjectKey) -> Option<Arc<PodInfo>> {
        let position = self.pods.iter().position(|pod| pod.key == *key)?;
        let pod = self.pods.remove(position);
        if let Some(place) = self.alike.iter().position(|alike| are_alike(&alike.pod, &pod)) {
            self.alike[place].count -= 1;
            if self.alike[place].count == 0 {
                self.alike.swap_remove(place);
            }
        }
        self.requested.sub(&pod.requests);
        self.non_zero_cpu_milli -= pod.non_zero_cpu_milli;
        self.non_zero_memory_bytes -= pod.non_zero_memory_bytes;
        for port in &pod.host_ports {
            if let Some(position) = self.used_ports.iter().position(|used| used == port) {
                self.used_ports.swap_remove(position);
            }
        }
        self.pods_with_affinity.retain(|other| other.key != *key);
        self.pods_with_required_anti_affinity.retain(|other| other.key != *key);
        Some(pod)
    }
}

/// Whether no selector tells the two apart, and both count or neither does.
fn are_alike(one: &PodInfo, other: &PodInfo) -> bool {
    let (one, other) = (&one.pod, &other.pod);
    one.metadata.is_deleting() == other.metadata.is_deleting()
        && one.metadata.labels == other.metadata.labels
        && namespace_of(one) == namespace_of(other)
}

#[cfg(test)]
mod tests {
    use crate::testing::{node_info, pod};
    use serde_json::json;

    #[test]
    fn pods_are_counted_by_what_selectors_see_of_them() {
        let labelled = |name: &str, app: &str| pod(name).metadata("labels", json!({"app": app})).info();
        let going = pod("gone").metadata("labels", json!({"app": "a"})).metadata("deletionTimestamp", json!("2026-05-04T08:00:01Z")).info();
        let pods = [labelled("one", "a"), labelled("two", "a"), labelled("three", "b"), going];
        let mut node = node_info("n", 1000, &pods);
        let counts = |node: &super::NodeInfo| node.alike.iter().map(|alike| alike.count).collect::<Vec<_>>();
        assert_eq!(counts(&node), [2, 1, 1]);
        node.remove_pod(&pods[0].key);
        assert_eq!(counts(&node), [1, 1, 1]);
        node.remove_pod(&pods[1].key);
        assert_eq!(counts(&node), [1, 1]);
        assert_eq!(node.alike[1].pod.key, pods[2].key);
    }
}

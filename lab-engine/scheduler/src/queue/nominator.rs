//! The Pods for which preemption is making room, by node (`pkg/scheduler/backend/queue/nominator.go`).

use crate::pod_info::PodInfo;
use client::ObjectKey;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Which Pod waits for room on which node.
#[derive(Debug, Default)]
pub(crate) struct Nominator {
    by_node: BTreeMap<Arc<str>, Vec<Arc<PodInfo>>>,
    nodes: BTreeMap<ObjectKey, Arc<str>>,
}

impl Nominator {
    /// Whether no Pod waits for room.
    pub(crate) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The Pods that wait for room on a node, in the order of their nomination.
    pub(crate) fn on(&self, node: &str) -> impl Iterator<Item = &Arc<PodInfo>> {
        self.by_node.get(node).into_iter().flatten()
    }

    /// The node on which the Pod waits for room.
    pub(crate) fn node_of(&self, key: &ObjectKey) -> Option<&Arc<str>> {
        self.nodes.get(key)
    }

    /// Makes the Pod wait for room on this node and no other.
    pub(crate) fn nominate(&mut self, pod: Arc<PodInfo>, node: &Arc<str>) {
        self.remove(&pod.key);
        self.nodes.insert(pod.key.clone(), node.clone());
        self.by_node.entry(node.clone()).or_default().push(pod);
    }

    /// The Pod no longer waits for room anywhere.
    pub(crate) fn remove(&mut self, key: &ObjectKey) {
        let Some(node) = self.nodes.remove(key) else {
            return;
        };
        if let Some(pods) = self.by_node.get_mut(&node) {
            pods.retain(|pod| pod.key != *key);
            if pods.is_empty() {
                self.by_node.remove(&node);
            }
        }
    }
}

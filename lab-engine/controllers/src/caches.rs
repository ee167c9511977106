//! The caches that all controllers share: one informer per kind.

use api::Resource;
use api::apps::{Deployment, ReplicaSet};
use api::core::Pod;
use client::{Informer, ListOptions};
use sim::{Rng, Time};
use std::sync::Arc;

/// Index of dependents by the UID of their managing controller; objects without one are under `orphan/NAMESPACE`.
pub(crate) const BY_CONTROLLER: &str = "controller";

/// What the controllers know of the cluster.
#[derive(Debug)]
pub(crate) struct Caches {
    pub(crate) deployments: Informer<Deployment>,
    pub(crate) replica_sets: Informer<ReplicaSet>,
    pub(crate) pods: Informer<Pod>,
}

fn controller_index<R: Resource>(object: &R) -> Vec<String> {
    let metadata = object.metadata();
    vec![metadata.controller().map_or_else(|| orphans_of(&metadata.namespace), |owner| owner.uid.clone())]
}

/// The index value under which the objects of a namespace without a managing controller are found.
pub(crate) fn orphans_of(namespace: &str) -> String {
    format!("orphan/{namespace}")
}

impl Caches {
    pub(crate) fn new(rng: &Rng, agent: &Arc<str>) -> Self {
        Caches {
            deployments: Informer::new(ListOptions::default(), agent.clone(), rng.stream("deployments")),
            replica_sets: Informer::new(ListOptions::default(), agent.clone(), rng.stream("replicasets"))
                .with_index(BY_CONTROLLER, controller_index),
            pods: Informer::new(ListOptions::default(), agent.clone(), rng.stream("pods")).with_index(BY_CONTROLLER, controller_index),
        }
    }

    /// Whether every cache was filled once (`WaitForCacheSync`).
    pub(crate) fn synced(&self) -> bool {
        self.deployments.has_synced() && self.replica_sets.has_synced() && self.pods.has_synced()
    }

    pub(crate) fn next_wake(&self) -> Option<Time> {
        [self.deployments.next_wake(), self.replica_sets.next_wake(), self.pods.next_wake()].into_iter().flatten().min()
    }
}

//! The caches that all controllers share: one informer per kind.

use crate::pod_tally::PodTally;
use api::Resource;
use api::apps::{ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet};
use api::batch::{CronJob, Job};
use api::coordination::Lease;
use api::core::{Node, PersistentVolumeClaim, Pod, ReplicationController};
use client::{Informer, ListOptions, Outbox};
use sim::{Rng, Time};
use std::sync::Arc;

/// Index of dependents by the UID of their managing controller; objects without one are under `orphan/NAMESPACE`.
pub(crate) const BY_CONTROLLER: &str = "controller";

/// Index of Pods by the name of their node; Pods without a node are not in it.
pub(crate) const BY_NODE: &str = "spec.nodeName";

/// Index of Pods by what may be a reason to clean them up: [`TERMINATED`] and [`TERMINATING`].
pub(crate) const BY_END: &str = "end";
/// Pods whose containers have ended for good.
pub(crate) const TERMINATED: &str = "terminated";
/// Pods that are being deleted.
pub(crate) const TERMINATING: &str = "terminating";

/// What the controllers know of the cluster.
#[derive(Debug)]
pub(crate) struct Caches {
    pub(crate) deployments: Informer<Deployment>,
    pub(crate) replica_sets: Informer<ReplicaSet>,
    pub(crate) replication_controllers: Informer<ReplicationController>,
    pub(crate) stateful_sets: Informer<StatefulSet>,
    pub(crate) daemon_sets: Informer<DaemonSet>,
    pub(crate) revisions: Informer<ControllerRevision>,
    pub(crate) claims: Informer<PersistentVolumeClaim>,
    pub(crate) jobs: Informer<Job>,
    pub(crate) cron_jobs: Informer<CronJob>,
    pub(crate) pods: Informer<Pod>,
    /// What `pods` holds, counted.
    pub(crate) pod_tally: PodTally,
    pub(crate) nodes: Informer<Node>,
    pub(crate) leases: Informer<Lease>,
}

fn controller_index<R: Resource>(object: &R) -> Vec<String> {
    let metadata = object.metadata();
    vec![metadata.controller().map_or_else(|| orphans_of(&metadata.namespace), |owner| owner.uid.clone())]
}

fn node_index(pod: &Pod) -> Vec<String> {
    let node = &pod.spec.node_name;
    if node.is_empty() { Vec::new() } else { vec![node.clone()] }
}

fn end_index(pod: &Pod) -> Vec<String> {
    let terminated = !matches!(pod.status.phase.as_str(), "Pending" | "Running" | "Unknown");
    let reasons = [(terminated, TERMINATED), (pod.metadata.is_deleting(), TERMINATING)];
    reasons.into_iter().filter(|(holds, _)| *holds).map(|(_, reason)| reason.to_owned()).collect()
}

/// The index value under which the objects of a namespace without a managing controller are found.
pub(crate) fn orphans_of(namespace: &str) -> String {
    format!("orphan/{namespace}")
}

impl Caches {
    pub(crate) fn new(rng: &Rng, agent: &Arc<str>) -> Self {
        let everything = ListOptions::default;
        let plain = |name: &str| (everything(), agent.clone(), rng.stream(name));
        fn informer<R: Resource>((options, agent, rng): (ListOptions, Arc<str>, Rng)) -> Informer<R> {
            Informer::new(options, agent, rng)
        }
        Caches {
            deployments: Informer::new(everything(), agent.clone(), rng.stream("deployments")),
            replica_sets: Informer::new(everything(), agent.clone(), rng.stream("replicasets")).with_index(BY_CONTROLLER, controller_index),
            replication_controllers: informer(plain("replicationcontrollers")),
            stateful_sets: informer(plain("statefulsets")),
            daemon_sets: informer(plain("daemonsets")),
            revisions: informer(plain("controllerrevisions")).with_index(BY_CONTROLLER, controller_index),
            claims: informer(plain("persistentvolumeclaims")),
            jobs: informer(plain("jobs")).with_index(BY_CONTROLLER, controller_index),
            cron_jobs: informer(plain("cronjobs")),
            pods: Informer::new(everything(), agent.clone(), rng.stream("pods"))
                .with_index(BY_CONTROLLER, controller_index)
                .with_index(BY_NODE, node_index)
                .with_index(BY_END, end_index),
            pod_tally: PodTally::default(),
            nodes: Informer::new(everything(), agent.clone(), rng.stream("nodes")),
            leases: Informer::new(everything(), agent.clone(), rng.stream("leases")),
        }
    }

    /// Asks for everything there is, once.
    pub(crate) fn start(&mut self, now: Time, out: &mut Outbox) {
        self.deployments.start(now, out);
        self.replica_sets.start(now, out);
        self.pods.start(now, out);
        self.nodes.start(now, out);
        self.leases.start(now, out);
        self.replication_controllers.start(now, out);
        self.stateful_sets.start(now, out);
        self.daemon_sets.start(now, out);
        self.revisions.start(now, out);
        self.claims.start(now, out);
        self.jobs.start(now, out);
        self.cron_jobs.start(now, out);
    }

    /// Whether the caches of the workload controllers were filled once (`WaitForCacheSync`).
    pub(crate) fn synced(&self) -> bool {
        let elder = [self.deployments.has_synced(), self.replica_sets.has_synced(), self.replication_controllers.has_synced()];
        let sets = [self.stateful_sets.has_synced(), self.daemon_sets.has_synced(), self.revisions.has_synced(), self.claims.has_synced()];
        let batch = [self.jobs.has_synced(), self.cron_jobs.has_synced()];
        self.pods.has_synced() && self.nodes.has_synced() && elder.into_iter().chain(sets).chain(batch).all(|synced| synced)
    }

    /// Whether the caches of the controllers of nodes were filled once.
    pub(crate) fn nodes_synced(&self) -> bool {
        self.pods.has_synced() && self.nodes.has_synced() && self.leases.has_synced()
    }

    pub(crate) fn next_wake(&self) -> Option<Time> {
        let elder = [self.deployments.next_wake(), self.replica_sets.next_wake(), self.replication_controllers.next_wake()];
        let sets = [self.stateful_sets.next_wake(), self.daemon_sets.next_wake(), self.revisions.next_wake(), self.claims.next_wake()];
        let batch = [self.jobs.next_wake(), self.cron_jobs.next_wake(), self.pods.next_wake()];
        let nodes = [self.nodes.next_wake(), self.leases.next_wake()];
        elder.into_iter().chain(sets).chain(batch).chain(nodes).flatten().min()
    }
}

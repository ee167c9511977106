//! The caches that all controllers share: one informer per kind.

use crate::endpoints::SERVICE_NAME;
use crate::graph::Graph;
use crate::namespace_content::ROOT_CA;
use crate::pod_tally::PodTally;
use crate::volume::claim_name;
use api::Resource;
use api::apps::{ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet};
use api::autoscaling::HorizontalPodAutoscaler;
use api::batch::{CronJob, Job};
use api::coordination::Lease;
use api::core::{
    ConfigMap, Endpoints, Namespace, Node, PersistentVolume, PersistentVolumeClaim, Pod, ReplicationController, Service, ServiceAccount,
};
use api::discovery::EndpointSlice;
use api::policy::PodDisruptionBudget;
use api::rbac::ClusterRole;
use api::storage::StorageClass;
use client::{Informer, InformerStatus, ListOptions, Outbox};
use sim::{Rng, Time};
use std::sync::Arc;

/// Index of dependents by the UID of their managing controller; objects without one are under `orphan/NAMESPACE`.
pub(crate) const BY_CONTROLLER: &str = "controller";

/// Index of Pods by the name of their node; Pods without a node are not in it.
pub(crate) const BY_NODE: &str = "spec.nodeName";

/// Index of EndpointSlices by `NAMESPACE/NAME` of their Service.
pub(crate) const BY_SERVICE: &str = "service";

/// Index of Pods by `NAMESPACE/NAME` of the claims of their volumes.
pub(crate) const BY_CLAIM: &str = "claim";

/// Index of claims by the name of their volume; those that wait for one are under the empty name.
pub(crate) const BY_VOLUME: &str = "volume";

/// Index of Pods by what may be a reason to clean them up: [`TERMINATED`] and [`TERMINATING`].
pub(crate) const BY_END: &str = "end";
/// Pods whose containers have ended for good.
pub(crate) const TERMINATED: &str = "terminated";
/// Pods that are being deleted.
pub(crate) const TERMINATING: &str = "terminating";

/// What the controllers know of the cluster.
#[derive(Debug)]
pub(crate) struct Caches {
    /// All objects, of every kind, with their owners.
    pub(crate) graph: Graph,
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
    pub(crate) services: Informer<Service>,
    pub(crate) endpoint_slices: Informer<EndpointSlice>,
    pub(crate) endpoints: Informer<Endpoints>,
    pub(crate) autoscalers: Informer<HorizontalPodAutoscaler>,
    pub(crate) budgets: Informer<PodDisruptionBudget>,
    pub(crate) volumes: Informer<PersistentVolume>,
    pub(crate) classes: Informer<StorageClass>,
    pub(crate) namespaces: Informer<Namespace>,
    pub(crate) service_accounts: Informer<ServiceAccount>,
    pub(crate) cluster_roles: Informer<ClusterRole>,
    /// The ConfigMaps `kube-root-ca.crt`.
    pub(crate) root_cas: Informer<ConfigMap>,
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

fn service_index(slice: &EndpointSlice) -> Vec<String> {
    let service = slice.metadata.labels.get(SERVICE_NAME).into_iter();
    service.map(|service| format!("{}/{service}", slice.metadata.namespace)).collect()
}

fn volume_index(claim: &PersistentVolumeClaim) -> Vec<String> {
    vec![claim.spec.volume_name.clone()]
}

fn claim_index(pod: &Pod) -> Vec<String> {
    let names = pod.spec.volumes.iter().filter_map(|volume| claim_name(pod, volume));
    names.map(|name| format!("{}/{name}", pod.metadata.namespace)).collect()
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
            graph: Graph::new(&rng.stream("graph"), agent),
            cluster_roles: informer(plain("clusterroles")),
            deployments: Informer::new(everything(), agent.clone(), rng.stream("deployments")),
            replica_sets: Informer::new(everything(), agent.clone(), rng.stream("replicasets")).with_index(BY_CONTROLLER, controller_index),
            replication_controllers: informer(plain("replicationcontrollers")),
            stateful_sets: informer(plain("statefulsets")),
            daemon_sets: informer(plain("daemonsets")),
            revisions: informer(plain("controllerrevisions")).with_index(BY_CONTROLLER, controller_index),
            claims: informer(plain("persistentvolumeclaims")).with_index(BY_VOLUME, volume_index),
            jobs: informer(plain("jobs")).with_index(BY_CONTROLLER, controller_index),
            cron_jobs: informer(plain("cronjobs")),
            pods: Informer::new(everything(), agent.clone(), rng.stream("pods"))
                .with_index(BY_CONTROLLER, controller_index)
                .with_index(BY_NODE, node_index)
                .with_index(BY_END, end_index)
                .with_index(BY_CLAIM, claim_index),
            pod_tally: PodTally::default(),
            nodes: Informer::new(everything(), agent.clone(), rng.stream("nodes")),
            leases: Informer::new(everything(), agent.clone(), rng.stream("leases")),
            services: Informer::new(everything(), agent.clone(), rng.stream("services")),
            endpoint_slices: Informer::new(everything(), agent.clone(), rng.stream("endpointslices")).with_index(BY_SERVICE, service_index),
            endpoints: Informer::new(everything(), agent.clone(), rng.stream("endpoints")),
            volumes: Informer::new(everything(), agent.clone(), rng.stream("persistentvolumes")),
            classes: Informer::new(everything(), agent.clone(), rng.stream("storageclasses")),
            namespaces: Informer::new(everything(), agent.clone(), rng.stream("namespaces")),
            service_accounts: Informer::new(everything(), agent.clone(), rng.stream("serviceaccounts")),
            root_cas: Informer::new(
                ListOptions { field_selector: format!("metadata.name={ROOT_CA}"), ..everything() },
                agent.clone(),
                rng.stream("configmaps"),
            ),
            budgets: Informer::new(everything(), agent.clone(), rng.stream("poddisruptionbudgets")),
            autoscalers: Informer::new(everything(), agent.clone(), rng.stream("horizontalpodautoscalers")),
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
        self.services.start(now, out);
        self.endpoint_slices.start(now, out);
        self.endpoints.start(now, out);
        self.autoscalers.start(now, out);
        self.budgets.start(now, out);
        self.volumes.start(now, out);
        self.classes.start(now, out);
        self.namespaces.start(now, out);
        self.service_accounts.start(now, out);
        self.cluster_roles.start(now, out);
        self.root_cas.start(now, out);
    }

    /// How the informers stand, in the order in which they are started.
    pub(crate) fn statuses(&self) -> Vec<InformerStatus> {
        vec![
            self.deployments.status(),
            self.replica_sets.status(),
            self.pods.status(),
            self.nodes.status(),
            self.leases.status(),
            self.replication_controllers.status(),
            self.stateful_sets.status(),
            self.daemon_sets.status(),
            self.revisions.status(),
            self.claims.status(),
            self.jobs.status(),
            self.cron_jobs.status(),
            self.services.status(),
            self.endpoint_slices.status(),
            self.endpoints.status(),
            self.autoscalers.status(),
            self.budgets.status(),
            self.volumes.status(),
            self.classes.status(),
            self.namespaces.status(),
            self.service_accounts.status(),
            self.root_cas.status(),
        ]
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

    /// Whether the caches of the controllers of endpoints were filled once.
    pub(crate) fn endpoints_synced(&self) -> bool {
        let own = self.services.has_synced() && self.endpoint_slices.has_synced() && self.endpoints.has_synced();
        own && self.pods.has_synced() && self.nodes.has_synced()
    }

    /// Whether the caches of the autoscalers were filled once.
    pub(crate) fn autoscalers_synced(&self) -> bool {
        self.autoscalers.has_synced() && self.pods.has_synced()
    }

    /// Whether the caches of the disruption controller were filled once.
    pub(crate) fn budgets_synced(&self) -> bool {
        self.budgets.has_synced() && self.synced()
    }

    /// Whether the caches of the controllers of volumes were filled once.
    pub(crate) fn volumes_synced(&self) -> bool {
        self.volumes.has_synced() && self.claims.has_synced() && self.classes.has_synced() && self.pods.has_synced()
    }

    /// Whether what belongs to namespaces was listed once.
    pub(crate) fn namespaces_synced(&self) -> bool {
        self.namespaces.has_synced() && self.service_accounts.has_synced() && self.root_cas.has_synced()
    }

    pub(crate) fn next_wake(&self) -> Option<Time> {
        let elder = [self.deployments.next_wake(), self.replica_sets.next_wake(), self.replication_controllers.next_wake()];
        let sets = [self.stateful_sets.next_wake(), self.daemon_sets.next_wake(), self.revisions.next_wake(), self.claims.next_wake()];
        let batch = [self.jobs.next_wake(), self.cron_jobs.next_wake(), self.pods.next_wake()];
        let nodes = [self.nodes.next_wake(), self.leases.next_wake()];
        let services = [self.services.next_wake(), self.endpoint_slices.next_wake(), self.endpoints.next_wake()];
        let others = [
            self.autoscalers.next_wake(),
            self.budgets.next_wake(),
            self.volumes.next_wake(),
            self.classes.next_wake(),
            self.namespaces.next_wake(),
            self.service_accounts.next_wake(),
            self.cluster_roles.next_wake(),
            self.root_cas.next_wake(),
        ];
        elder.into_iter().chain(sets).chain(batch).chain(nodes).chain(services).chain(others).flatten().min()
    }
}

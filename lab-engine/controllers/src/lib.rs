//! kube-controller-manager: the controllers, and the caches they share.
//!
//! A controller is a function from the caches to writes: it compares what is with what should be and plans the next step. What the
//! writes change comes back by the watch and leads to the next look. Controllers do not know each other; the Deployment controller
//! makes ReplicaSets, and it is the ReplicaSet controller that makes Pods of them.
//!
//! **Simplified here:** no leader election.

pub mod autoscaling;
mod backoff;
mod caches;
mod certificates;
mod claims;
mod cluster_role_aggregation;
mod consistency;
mod cron_job;
mod daemon_set;
mod deployment;
mod disruption;
mod driver;
pub mod endpoints;
pub mod facts;
mod garbage_collector;
mod graph;
mod history;
mod job;
mod namespace;
mod namespace_content;
mod node_lifecycle;
mod pod_control;
mod pod_deletion;
mod pod_gc;
mod pod_tally;
mod pods;
mod replica_set;
mod replication;
mod resource_quota;
mod routing;
mod service_lb;
mod stateful_set;
mod taint_eviction;
mod taints;
mod ttl_after_finished;
pub mod volume;

use api::Resource;
use api::apps::{Deployment, ReplicaSet};
use api::batch::{CronJob, Job};
use api::core::{Node, PersistentVolumeClaim, Pod, ReplicationController};
use autoscaling::{AutoscalerController, SYNC_PERIOD};
use caches::Caches;
use certificates::CertificateControllers;
use client::{Component, Delta, Expectations, Input, Inspection, ObjectKey, Outbox, WorkQueue};
use cluster_role_aggregation::ClusterRoleAggregation;
use cron_job::CronJobController;
use daemon_set::DaemonSetController;
use deployment::DeploymentController;
use disruption::DisruptionController;
use disruption::stale::{self, StaleDisruptions};
use driver::Driver;
use endpoints::EndpointControllers;
use garbage_collector::GarbageCollector;
use job::JobController;
use namespace::NamespaceController;
pub use namespace_content::CERTIFICATE;
use namespace_content::{NamespaceContent, SETTLING};
use node_lifecycle::NodeLifecycleController;
use pod_gc::PodGc;
use replica_set::ReplicaSetController;
use resource_quota::ResourceQuotaController;
use routing::{concerned, controller_key, observe, owners, route};
use service_lb::ServiceLoadBalancers;
use sim::{Rng, Time};
use stateful_set::StatefulSetController;
use std::sync::Arc;
use taint_eviction::TaintEvictionController;
use ttl_after_finished::TtlAfterFinishedController;
use volume::VolumeControllers;

/// The component kube-controller-manager.
#[derive(Debug)]
pub struct ControllerManager {
    caches: Caches,
    deployments: Driver<DeploymentController>,
    replica_sets: Driver<ReplicaSetController<ReplicaSet>>,
    replication: Driver<ReplicaSetController<ReplicationController>>,
    stateful_sets: Driver<StatefulSetController>,
    daemon_sets: Driver<DaemonSetController>,
    jobs: Driver<JobController>,
    ttl_after_finished: Driver<TtlAfterFinishedController>,
    cron_jobs: Driver<CronJobController>,
    garbage: GarbageCollector,
    namespaces: NamespaceController,
    node_lifecycle: NodeLifecycleController,
    taint_eviction: TaintEvictionController,
    pod_gc: PodGc,
    endpoints: EndpointControllers,
    autoscalers: Driver<AutoscalerController>,
    disruption: Driver<DisruptionController>,
    stale_disruptions: Driver<StaleDisruptions>,
    volumes: VolumeControllers,
    load_balancers: Driver<ServiceLoadBalancers>,
    namespace_content: Driver<NamespaceContent>,
    quotas: Driver<ResourceQuotaController>,
    cluster_roles: Driver<ClusterRoleAggregation>,
    certificates: CertificateControllers,
}

impl ControllerManager {
    /// A controller manager that knows nothing yet. Its first input makes it ask the API server.
    pub fn new(rng: Rng) -> Self {
        let agent: Arc<str> = "kube-controller-manager".into();
        ControllerManager {
            caches: Caches::new(&rng, &agent),
            deployments: Driver::new("deployment-controller", &agent, DeploymentController::default()),
            replica_sets: Driver::new("replicaset-controller", &agent, ReplicaSetController::default()),
            replication: Driver::new("replication-controller", &agent, ReplicaSetController::default()),
            stateful_sets: Driver::new("statefulset-controller", &agent, StatefulSetController),
            daemon_sets: Driver::new("daemonset-controller", &agent, DaemonSetController::default()),
            jobs: Driver::new("job-controller", &agent, JobController::default()).with_queue(job::queue()),
            ttl_after_finished: Driver::new("ttl-after-finished-controller", &agent, TtlAfterFinishedController),
            cron_jobs: Driver::new("cronjob-controller", &agent, CronJobController::default()),
            garbage: GarbageCollector::new(&agent),
            namespaces: NamespaceController::new(&agent),
            node_lifecycle: NodeLifecycleController::new(&agent),
            taint_eviction: TaintEvictionController::new(&agent),
            pod_gc: PodGc::new(&agent),
            endpoints: EndpointControllers::new(&agent),
            autoscalers: Driver::new("horizontal-pod-autoscaler", &agent, AutoscalerController::default()),
            disruption: Driver::new("controllermanager", &agent, DisruptionController::default()),
            stale_disruptions: Driver::new("disruption-controller", &agent, StaleDisruptions),
            volumes: VolumeControllers::new(&agent),
            load_balancers: Driver::new("service-controller", &agent, ServiceLoadBalancers::default()),
            namespace_content: Driver::new("root-ca-cert-publisher", &agent, NamespaceContent),
            quotas: Driver::new("resourcequota-controller", &agent, ResourceQuotaController),
            cluster_roles: Driver::new("clusterrole-aggregation-controller", &agent, ClusterRoleAggregation),
            certificates: CertificateControllers::new(&agent),
        }
    }

    /// Passes the input to the informers, and what changed to the queues of those whom it concerns.
    fn learn(&mut self, now: Time, input: &Input, out: &mut Outbox) {
        for delta in self.caches.deployments.handle(now, input, out).into_iter().flatten() {
            self.deployments.queue.add(ObjectKey::of(delta.object().as_ref()));
        }
        for delta in self.caches.replica_sets.handle(now, input, out).into_iter().flatten() {
            changed(&delta, &mut self.replica_sets.queue, Some(&mut self.replica_sets.controller.pod_control.expectations));
            route(&delta, self.caches.deployments.lister(), &mut self.deployments.queue);
        }
        for delta in self.caches.replication_controllers.handle(now, input, out).into_iter().flatten() {
            let expectations = &mut self.replication.controller.pod_control.expectations;
            changed(&delta, &mut self.replication.queue, Some(expectations));
        }
        for delta in self.caches.stateful_sets.handle(now, input, out).into_iter().flatten() {
            changed(&delta, &mut self.stateful_sets.queue, None);
        }
        for delta in self.caches.daemon_sets.handle(now, input, out).into_iter().flatten() {
            changed(&delta, &mut self.daemon_sets.queue, Some(&mut self.daemon_sets.controller.pod_control.expectations));
        }
        for delta in self.caches.revisions.handle(now, input, out).into_iter().flatten() {
            route(&delta, self.caches.stateful_sets.lister(), &mut self.stateful_sets.queue);
            route(&delta, self.caches.daemon_sets.lister(), &mut self.daemon_sets.queue);
        }
        for delta in self.caches.claims.handle(now, input, out).into_iter().flatten() {
            self.claim_changed(&delta);
            self.volumes.claim_changed(&self.caches, &delta);
        }
        for delta in self.caches.pods.handle(now, input, out).into_iter().flatten() {
            self.caches.pod_tally.learn(&delta);
            self.pod_changed(now, &delta);
            self.node_lifecycle.pod_changed(&delta);
            self.taint_eviction.pod_changed(now, &delta, out);
            self.endpoints.pod_changed(&self.caches, &delta);
            self.budgeted_pod_changed(&delta);
            stale::enqueue(now, &delta, &mut self.stale_disruptions.queue);
            self.volumes.pod_changed(&delta);
        }
        for delta in self.caches.nodes.handle(now, input, out).into_iter().flatten() {
            self.node_changed(&delta);
            self.node_lifecycle.node_changed(&delta);
            self.taint_eviction.node_changed(now, &self.caches, &delta, out);
            self.endpoints.node_changed(&self.caches, &delta);
        }
        self.caches.leases.handle(now, input, out);
        for delta in self.caches.jobs.handle(now, input, out).into_iter().flatten() {
            self.job_changed(now, &delta);
            changed(&delta, &mut self.ttl_after_finished.queue, None);
            let (former, owner) = owners(&delta, &CronJob::INFO.kind);
            former.into_iter().chain(owner).for_each(|key| self.cron_jobs.queue.add(key));
        }
        for delta in self.caches.cron_jobs.handle(now, input, out).into_iter().flatten() {
            changed(&delta, &mut self.cron_jobs.queue, None);
        }
        self.learn_of_services(now, input, out);
        self.learn_of_volumes(now, input, out);
        self.learn_of_namespaces(now, input, out);
        if self.caches.cluster_roles.handle(now, input, out).is_some_and(|deltas| !deltas.is_empty()) {
            cluster_role_aggregation::enqueue(self.caches.cluster_roles.lister(), &mut self.cluster_roles.queue);
        }
    }

    /// The same for Services and what follows from them.
    fn learn_of_services(&mut self, now: Time, input: &Input, out: &mut Outbox) {
        for delta in self.caches.services.handle(now, input, out).into_iter().flatten() {
            self.endpoints.service_changed(&delta);
            self.load_balancers.queue.add(ObjectKey::of(delta.object().as_ref()));
        }
        for delta in self.caches.endpoint_slices.handle(now, input, out).into_iter().flatten() {
            self.endpoints.slice_changed(&delta);
        }
        for delta in self.caches.endpoints.handle(now, input, out).into_iter().flatten() {
            self.endpoints.endpoints_changed(&delta);
        }
        for delta in self.caches.budgets.handle(now, input, out).into_iter().flatten() {
            self.disruption.queue.add(ObjectKey::of(delta.object().as_ref()));
        }
        for delta in self.caches.autoscalers.handle(now, input, out).into_iter().flatten() {
            self.autoscalers.queue.add_after(now, ObjectKey::of(delta.object().as_ref()), SYNC_PERIOD);
        }
    }

    /// The same for storage.
    fn learn_of_volumes(&mut self, now: Time, input: &Input, out: &mut Outbox) {
        for delta in self.caches.volumes.handle(now, input, out).into_iter().flatten() {
            self.volumes.volume_changed(&self.caches, &delta);
        }
        for delta in self.caches.classes.handle(now, input, out).into_iter().flatten() {
            self.volumes.class_changed(&self.caches, &delta);
        }
    }

    /// The same for namespaces and what each of them has.
    fn learn_of_namespaces(&mut self, now: Time, input: &Input, out: &mut Outbox) {
        let content = &mut self.namespace_content.queue;
        for delta in self.caches.namespaces.handle(now, input, out).into_iter().flatten() {
            if matches!(delta, Delta::Added(_)) {
                content.add(ObjectKey::of(delta.object().as_ref()));
            }
            content.add_after(now, ObjectKey::of(delta.object().as_ref()), SETTLING);
        }
        for delta in self.caches.service_accounts.handle(now, input, out).into_iter().flatten() {
            if matches!(delta, Delta::Deleted(..)) {
                content.add(ObjectKey::new("", delta.object().metadata.namespace.as_str()));
            }
        }
        for delta in self.caches.root_cas.handle(now, input, out).into_iter().flatten() {
            if !matches!(delta, Delta::Added(_)) {
                content.add(ObjectKey::new("", delta.object().metadata.namespace.as_str()));
            }
        }
    }

    /// Queues the budgets of a Pod that has changed.
    fn budgeted_pod_changed(&mut self, delta: &Delta<Pod>) {
        if disruption::matters(delta) {
            for key in disruption::budgets_of(&self.caches, delta.object()) {
                self.disruption.queue.add(key);
            }
        }
    }

    /// A claim that is gone or has other owners may be one that a Pod of a StatefulSet waits for.
    fn claim_changed(&mut self, delta: &Delta<PersistentVolumeClaim>) {
        let claim = delta.object();
        let owners = |claim: &PersistentVolumeClaim| claim.metadata.owner_references.clone();
        if let Delta::Updated(old, new) = delta
            && owners(old) == owners(new)
        {
            return;
        }
        let sets = self.caches.stateful_sets.lister().list_namespace(&claim.metadata.namespace);
        for set in sets.filter(|set| stateful_set::names::claim_pod_name(&set.metadata.name, &claim.metadata.name).is_some()) {
            self.stateful_sets.queue.add(ObjectKey::of(set.as_ref()));
        }
    }

    /// DaemonSets look at a node that comes, goes, or has other labels or taints (`shouldIgnoreNodeUpdate`).
    fn node_changed(&mut self, delta: &Delta<Node>) {
        let look = |node: &Node| (node.metadata.labels.clone(), node.spec.taints.clone());
        if let Delta::Updated(old, new) = delta
            && look(old) == look(new)
        {
            return;
        }
        for set in self.caches.daemon_sets.lister().list() {
            self.daemon_sets.queue.add(ObjectKey::of(set.as_ref()));
        }
    }

    /// A Job is looked at, at once if it is new or has another spec (`updateJob`).
    fn job_changed(&mut self, now: Time, delta: &Delta<Job>) {
        match delta {
            Delta::Updated(old, new) if old.metadata.generation == new.metadata.generation => {
                self.jobs.queue.add_after(now, ObjectKey::of(new.as_ref()), job::BATCH_PERIOD);
            }
            _ => changed(delta, &mut self.jobs.queue, Some(&mut self.jobs.controller.pod_control.expectations)),
        }
    }

    /// Models `addPod`, `updatePod` and `deletePod` of the controllers of Pods.
    fn pod_changed(&mut self, now: Time, delta: &Delta<Pod>) {
        if let Delta::Updated(old, new) = delta
            && !pods::matters_more(old, new)
        {
            return;
        }
        let caches = &self.caches;
        route(delta, caches.stateful_sets.lister(), &mut self.stateful_sets.queue);
        if let Some(key) = route(delta, caches.daemon_sets.lister(), &mut self.daemon_sets.queue) {
            observe(delta, &key, &mut self.daemon_sets.controller.pod_control.expectations);
        }
        for key in concerned(delta, caches.jobs.lister()) {
            self.jobs.queue.add_after(now, key, job::BATCH_PERIOD);
        }
        if let Some(key) = controller_key(delta.object().as_ref(), &Job::INFO.kind) {
            self.jobs.controller.observe(&key, delta);
        }
        if let Delta::Updated(old, new) = delta
            && !pods::matters(old, new)
        {
            return;
        }
        if let Some(key) = route(delta, caches.replication_controllers.lister(), &mut self.replication.queue) {
            observe(delta, &key, &mut self.replication.controller.pod_control.expectations);
        }
        let Some(key) = route(delta, caches.replica_sets.lister(), &mut self.replica_sets.queue) else { return };
        observe(delta, &key, &mut self.replica_sets.controller.pod_control.expectations);
        // A Deployment with the strategy Recreate waits for the last old Pod.
        if matches!(delta, Delta::Deleted(..))
            && let Some(rs) = caches.replica_sets.lister().get(&key)
            && let Some(owner) = controller_key(rs.as_ref(), &Deployment::INFO.kind)
        {
            self.deployments.queue.add(owner);
        }
    }

    /// Lets every controller whose caches are filled do what is due.
    fn work(&mut self, now: Time, out: &mut Outbox) {
        if self.caches.synced() {
            self.deployments.work(now, &self.caches, out);
            self.replica_sets.work(now, &self.caches, out);
            self.replication.work(now, &self.caches, out);
            self.stateful_sets.work(now, &self.caches, out);
            self.daemon_sets.work(now, &self.caches, out);
            self.jobs.work(now, &self.caches, out);
            self.ttl_after_finished.work(now, &self.caches, out);
            self.cron_jobs.work(now, &self.caches, out);
        }
        if self.caches.nodes_synced() {
            self.node_lifecycle.work(now, &self.caches, out);
            self.taint_eviction.work(now, &self.caches, out);
            self.pod_gc.work(now, &self.caches, out);
        }
        if self.caches.namespaces_synced() {
            self.namespace_content.work(now, &self.caches, out);
        }
        if self.caches.endpoints_synced() {
            self.endpoints.work(now, &self.caches, out);
            self.load_balancers.work(now, &self.caches, out);
        }
        if self.caches.volumes_synced() {
            self.volumes.work(now, &self.caches, out);
        }
        if self.caches.budgets_synced() {
            self.disruption.work(now, &self.caches, out);
            self.stale_disruptions.work(now, &self.caches, out);
        }
        if self.caches.autoscalers_synced() {
            self.autoscalers.work(now, &self.caches, out);
        }
        if self.caches.cluster_roles.has_synced() {
            self.cluster_roles.work(now, &self.caches, out);
        }
        if self.caches.graph.has_synced() {
            self.garbage.work(now, &self.caches.graph, out);
            self.namespaces.work(now, &self.caches.graph, out);
            self.quotas.work(now, &self.caches, out);
            self.certificates.work(now, &self.caches, out);
        }
    }
}

/// Queues an object that has changed; what was expected of one that is gone is forgotten.
fn changed<R: Resource>(delta: &Delta<R>, queue: &mut WorkQueue<ObjectKey>, expectations: Option<&mut Expectations>) {
    let key = ObjectKey::of(delta.object().as_ref());
    if let (Delta::Deleted(..), Some(expectations)) = (delta, expectations) {
        expectations.delete(&key);
    }
    queue.add(key);
}

impl Component for ControllerManager {
    fn handle(&mut self, now: Time, input: Input, out: &mut Outbox) {
        self.caches.start(now, out);
        self.learn(now, &input, out);
        for event in self.caches.graph.handle(now, &input, out) {
            let graph = &self.caches.graph;
            self.garbage.observe(graph, &event);
            self.namespaces.observe(graph, &event);
            resource_quota::observe(graph, &event, &mut self.quotas.queue);
            self.certificates.observe(&event);
        }
        let _taken = self.deployments.handle(now, &input, &self.caches, out)
            || self.replica_sets.handle(now, &input, &self.caches, out)
            || self.replication.handle(now, &input, &self.caches, out)
            || self.stateful_sets.handle(now, &input, &self.caches, out)
            || self.daemon_sets.handle(now, &input, &self.caches, out)
            || self.jobs.handle(now, &input, &self.caches, out)
            || self.ttl_after_finished.handle(now, &input, &self.caches, out)
            || self.cron_jobs.handle(now, &input, &self.caches, out)
            || self.garbage.handle(now, &input, out)
            || self.namespaces.handle(now, &input)
            || self.node_lifecycle.handle(now, &input, &self.caches, out)
            || self.taint_eviction.handle(now, &input, out)
            || self.pod_gc.handle(now, &input, &self.caches, out)
            || self.endpoints.handle(now, &input, &self.caches, out)
            || self.autoscalers.handle(now, &input, &self.caches, out)
            || self.disruption.handle(now, &input, &self.caches, out)
            || self.stale_disruptions.handle(now, &input, &self.caches, out)
            || self.volumes.handle(now, &input, &self.caches, out)
            || self.load_balancers.handle(now, &input, &self.caches, out)
            || self.namespace_content.handle(now, &input, &self.caches, out)
            || self.quotas.handle(now, &input, &self.caches, out)
            || self.cluster_roles.handle(now, &input, &self.caches, out)
            || self.certificates.handle(now, &input, &self.caches, out);
        self.work(now, out);
    }

    fn next_wake(&self) -> Option<Time> {
        // Before its caches are filled, a controller cannot do what is due, and a wake that is not served would come again at once.
        let workloads = [
            self.deployments.next_wake(),
            self.replica_sets.next_wake(),
            self.replication.next_wake(),
            self.stateful_sets.next_wake(),
            self.daemon_sets.next_wake(),
            self.jobs.next_wake(),
            self.ttl_after_finished.next_wake(),
            self.cron_jobs.next_wake(),
        ];
        let workloads = workloads.into_iter().filter(|_| self.caches.synced());
        let caches = [self.caches.next_wake(), self.caches.graph.next_wake()];
        let of_graph = [self.garbage.next_wake(), self.namespaces.next_wake(), self.quotas.next_wake(), self.certificates.next_wake()];
        let of_graph = of_graph.into_iter().flatten().min().filter(|_| self.caches.graph.has_synced());
        let roles = self.cluster_roles.next_wake().filter(|_| self.caches.cluster_roles.has_synced());
        let of_nodes = [self.node_lifecycle.next_wake(), self.taint_eviction.next_wake(), self.pod_gc.next_wake()];
        let nodes = of_nodes.into_iter().filter(|_| self.caches.nodes_synced());
        let of_disruption = [self.disruption.next_wake(), self.stale_disruptions.next_wake()];
        let disruption = of_disruption.into_iter().flatten().min().filter(|_| self.caches.budgets_synced());
        let endpoints = self.endpoints.next_wake().filter(|_| self.caches.endpoints_synced());
        let autoscalers = self.autoscalers.next_wake().filter(|_| self.caches.autoscalers_synced());
        let volumes = self.volumes.next_wake().filter(|_| self.caches.volumes_synced());
        let load_balancers = self.load_balancers.next_wake().filter(|_| self.caches.endpoints_synced());
        let content = self.namespace_content.next_wake().filter(|_| self.caches.namespaces_synced());
        let others = [disruption, endpoints, autoscalers, volumes, load_balancers, content, of_graph, roles];
        workloads.chain(caches).chain(nodes).chain(others).flatten().min()
    }

    /// The queues of the controllers that work through one, but for those of the collector and of nodes.
    fn inspect(&self) -> Inspection {
        let mut queues = vec![
            self.deployments.status(),
            self.replica_sets.status(),
            self.replication.status(),
            self.stateful_sets.status(),
            self.daemon_sets.status(),
            self.jobs.status(),
            self.ttl_after_finished.status(),
            self.cron_jobs.status(),
        ];
        queues.extend(self.endpoints.statuses());
        queues.extend([self.autoscalers.status(), self.disruption.status(), self.stale_disruptions.status()]);
        queues.extend(self.volumes.statuses());
        queues.extend([self.load_balancers.status(), self.namespace_content.status()]);
        Inspection { informers: self.caches.statuses(), queues }
    }
}

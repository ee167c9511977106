//! kube-controller-manager: the controllers, and the caches they share.
//!
//! A controller is a function from the caches to writes: it compares what is with what should be and plans the next step. What the
//! writes change comes back by the watch and leads to the next look. Controllers do not know each other; the Deployment controller
//! makes ReplicaSets, and it is the ReplicaSet controller that makes Pods of them.
//!
//! **Simplified here:** no leader election. The controllers of other workloads are not here yet.

pub mod autoscaling;
mod caches;
mod claims;
mod deployment;
mod disruption;
mod driver;
pub mod endpoints;
mod garbage_collector;
mod graph;
mod namespace;
mod namespace_content;
mod node_lifecycle;
mod pod_deletion;
mod pod_gc;
mod pod_tally;
mod pods;
mod replica_set;
mod service_lb;
mod taint_eviction;
mod taints;
pub mod volume;

use api::Resource;
use api::apps::{Deployment, ReplicaSet};
use api::core::Pod;
use api::labels::Selector;
use api::meta::{LabelSelector, StringMap};
use autoscaling::metrics::MetricsClient;
use autoscaling::{AutoscalerController, SYNC_PERIOD};
use caches::Caches;
use client::{Component, Delta, Input, ObjectKey, Outbox};
use deployment::DeploymentController;
use disruption::DisruptionController;
use driver::Driver;
use endpoints::EndpointControllers;
use garbage_collector::GarbageCollector;
use graph::Graph;
use namespace::NamespaceController;
use namespace_content::{NamespaceContent, SETTLING};
use node_lifecycle::NodeLifecycleController;
use pod_gc::PodGc;
use replica_set::ReplicaSetController;
use service_lb::ServiceLoadBalancers;
use sim::{Rng, Time};
use std::sync::Arc;
use taint_eviction::TaintEvictionController;
use volume::VolumeControllers;

/// The component kube-controller-manager.
#[derive(Debug)]
pub struct ControllerManager {
    caches: Caches,
    deployments: Driver<DeploymentController>,
    replica_sets: Driver<ReplicaSetController>,
    graph: Graph,
    garbage: GarbageCollector,
    namespaces: NamespaceController,
    node_lifecycle: NodeLifecycleController,
    taint_eviction: TaintEvictionController,
    pod_gc: PodGc,
    endpoints: EndpointControllers,
    autoscalers: Driver<AutoscalerController>,
    disruption: Driver<DisruptionController>,
    volumes: VolumeControllers,
    load_balancers: Driver<ServiceLoadBalancers>,
    namespace_content: Driver<NamespaceContent>,
}

impl ControllerManager {
    /// A controller manager that knows nothing yet. Its first input makes it ask the API server.
    pub fn new(rng: Rng) -> Self {
        let agent: Arc<str> = "kube-controller-manager".into();
        ControllerManager {
            caches: Caches::new(&rng, &agent),
            deployments: Driver::new("deployment-controller", &agent, DeploymentController),
            replica_sets: Driver::new("replicaset-controller", &agent, ReplicaSetController::default()),
            graph: Graph::new(&rng.stream("graph"), &agent),
            garbage: GarbageCollector::new(&agent),
            namespaces: NamespaceController::new(&agent),
            node_lifecycle: NodeLifecycleController::new(&agent),
            taint_eviction: TaintEvictionController::new(&agent),
            pod_gc: PodGc::new(&agent),
            endpoints: EndpointControllers::new(&agent),
            autoscalers: Driver::new("horizontal-pod-autoscaler", &agent, AutoscalerController::default()),
            disruption: Driver::new("controllermanager", &agent, DisruptionController::default()),
            volumes: VolumeControllers::new(&agent),
            load_balancers: Driver::new("service-controller", &agent, ServiceLoadBalancers::default()),
            namespace_content: Driver::new("root-ca-cert-publisher", &agent, NamespaceContent),
        }
    }

    /// Takes the metrics of autoscalers from this source from now on; before, there are none.
    pub fn set_metrics(&mut self, metrics: Box<dyn MetricsClient>) {
        self.autoscalers.controller.set_metrics(metrics);
    }

    /// Passes the input to the informers, and what changed to the queues of those whom it concerns.
    fn learn(&mut self, now: Time, input: &Input, out: &mut Outbox) {
        for delta in self.caches.deployments.handle(now, input, out).into_iter().flatten() {
            self.deployments.queue.add(ObjectKey::of(delta.object().as_ref()));
        }
        for delta in self.caches.replica_sets.handle(now, input, out).into_iter().flatten() {
            self.replica_set_changed(&delta);
        }
        for delta in self.caches.pods.handle(now, input, out).into_iter().flatten() {
            self.caches.pod_tally.learn(&delta);
            self.pod_changed(&delta);
            self.node_lifecycle.pod_changed(&delta);
            self.taint_eviction.pod_changed(now, &delta, out);
            self.endpoints.pod_changed(&self.caches, &delta);
            self.budgeted_pod_changed(&delta);
            self.volumes.pod_changed(&delta);
        }
        for delta in self.caches.nodes.handle(now, input, out).into_iter().flatten() {
            self.node_lifecycle.node_changed(&delta);
            self.taint_eviction.node_changed(now, &self.caches, &delta, out);
            self.endpoints.node_changed(&self.caches, &delta);
        }
        self.caches.leases.handle(now, input, out);
        self.learn_of_services(now, input, out);
        self.learn_of_volumes(now, input, out);
        self.learn_of_namespaces(now, input, out);
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
        for delta in self.caches.claims.handle(now, input, out).into_iter().flatten() {
            self.volumes.claim_changed(&delta);
        }
        for delta in self.caches.classes.handle(now, input, out).into_iter().flatten() {
            self.volumes.class_changed(&self.caches, &delta);
        }
    }

    /// The same for namespaces and what each of them has.
    fn learn_of_namespaces(&mut self, now: Time, input: &Input, out: &mut Outbox) {
        let content = &mut self.namespace_content.queue;
        for delta in self.caches.namespaces.handle(now, input, out).into_iter().flatten() {
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

    /// Models the handlers of both controllers for ReplicaSets.
    fn replica_set_changed(&mut self, delta: &Delta<ReplicaSet>) {
        let rs = delta.object();
        let key = ObjectKey::of(rs.as_ref());
        if matches!(delta, Delta::Deleted(..)) {
            self.replica_sets.controller.expectations.delete(&key);
        }
        self.replica_sets.queue.add(key);
        let (former, owner) = owners(delta, &Deployment::INFO.kind);
        if let Some(former) = former {
            self.deployments.queue.add(former);
        }
        if let Some(owner) = owner {
            self.deployments.queue.add(owner);
        } else if may_be_adopted(delta) {
            let candidates = self.caches.deployments.lister().list_namespace(&rs.metadata.namespace);
            for candidate in candidates.filter(|candidate| selects(&candidate.spec.selector, &rs.metadata.labels)) {
                self.deployments.queue.add(ObjectKey::of(candidate.as_ref()));
            }
        }
    }

    /// Models `addPod`, `updatePod` and `deletePod` of the ReplicaSet controller.
    fn pod_changed(&mut self, delta: &Delta<Pod>) {
        if let Delta::Updated(old, new) = delta
            && !pods::matters(old, new)
        {
            return;
        }
        let pod = delta.object();
        let (former, owner) = owners(delta, &ReplicaSet::INFO.kind);
        if let Some(former) = former {
            self.replica_sets.queue.add(former);
        }
        let Some(key) = owner else {
            if may_be_adopted(delta) {
                let candidates = self.caches.replica_sets.lister().list_namespace(&pod.metadata.namespace);
                for candidate in candidates.filter(|candidate| selects(&candidate.spec.selector, &pod.metadata.labels)) {
                    self.replica_sets.queue.add(ObjectKey::of(candidate.as_ref()));
                }
            }
            return;
        };
        let expectations = &mut self.replica_sets.controller.expectations;
        if matches!(delta, Delta::Added(_)) {
            expectations.creation_observed(&key);
        }
        if pod.metadata.is_deleting() || matches!(delta, Delta::Deleted(..)) {
            expectations.deletion_observed(&key, &pod.metadata.uid);
        }
        // A Deployment with the strategy Recreate waits for the last old Pod.
        if matches!(delta, Delta::Deleted(..))
            && let Some(rs) = self.caches.replica_sets.lister().get(&key)
            && let Some(owner) = controller_key(rs.as_ref(), &Deployment::INFO.kind)
        {
            self.deployments.queue.add(owner);
        }
        self.replica_sets.queue.add(key);
    }
}

/// The key of the managing controller, if it is of this kind.
fn controller_key<R: Resource>(object: &R, kind: &str) -> Option<ObjectKey> {
    let owner = object.metadata().controller().filter(|owner| owner.kind == kind)?;
    Some(ObjectKey::new(object.metadata().namespace.as_str(), owner.name.as_str()))
}

/// The former managing controller, if it was of this kind and is it no more, and the present one, if it is of this kind.
fn owners<R: Resource>(delta: &Delta<R>, kind: &str) -> (Option<ObjectKey>, Option<ObjectKey>) {
    let owner = controller_key(delta.object().as_ref(), kind);
    let former = match delta {
        Delta::Updated(old, new) if old.metadata().controller() != new.metadata().controller() => controller_key(old.as_ref(), kind),
        _ => None,
    };
    (former, owner)
}

/// Whether a controller could now make the object its own that could not before.
fn may_be_adopted<R: Resource>(delta: &Delta<R>) -> bool {
    let news = match delta {
        Delta::Added(_) => true,
        Delta::Updated(old, new) => {
            let (old, new) = (old.metadata(), new.metadata());
            old.labels != new.labels || old.controller() != new.controller()
        }
        Delta::Deleted(..) => false,
    };
    let metadata = delta.object().metadata();
    news && !metadata.is_deleting() && metadata.controller().is_none() && !metadata.labels.is_empty()
}

fn selects(selector: &LabelSelector, labels: &StringMap) -> bool {
    Selector::from_label_selector(Some(selector)).is_ok_and(|selector| selector.matches(labels))
}

impl Component for ControllerManager {
    fn handle(&mut self, now: Time, input: Input, out: &mut Outbox) {
        self.caches.start(now, out);
        self.learn(now, &input, out);
        for event in self.graph.handle(now, &input, out) {
            self.garbage.observe(&self.graph, &event);
            self.namespaces.observe(&self.graph, &event);
        }
        let _taken = self.deployments.handle(now, &input, &self.caches, out)
            || self.replica_sets.handle(now, &input, &self.caches, out)
            || self.garbage.handle(now, &input, out)
            || self.namespaces.handle(now, &input)
            || self.node_lifecycle.handle(now, &input, &self.caches, out)
            || self.taint_eviction.handle(now, &input, out)
            || self.pod_gc.handle(now, &input, &self.caches, out)
            || self.endpoints.handle(now, &input, &self.caches, out)
            || self.autoscalers.handle(now, &input, &self.caches, out)
            || self.disruption.handle(now, &input, &self.caches, out)
            || self.volumes.handle(now, &input, &self.caches, out)
            || self.load_balancers.handle(now, &input, &self.caches, out)
            || self.namespace_content.handle(now, &input, &self.caches, out);
        if self.caches.synced() {
            self.deployments.work(now, &self.caches, out);
            self.replica_sets.work(now, &self.caches, out);
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
        }
        if self.caches.autoscalers_synced() {
            self.autoscalers.work(now, &self.caches, out);
        }
        if self.graph.has_synced() {
            self.garbage.work(now, &self.graph, out);
            self.namespaces.work(now, &self.graph, out);
        }
    }

    fn next_wake(&self) -> Option<Time> {
        let workloads = [self.caches.next_wake(), self.deployments.next_wake(), self.replica_sets.next_wake()];
        let cleaners = [self.graph.next_wake(), self.garbage.next_wake(), self.namespaces.next_wake()];
        // Before its caches are filled, a controller of nodes cannot do what is due.
        let of_nodes = [self.node_lifecycle.next_wake(), self.taint_eviction.next_wake(), self.pod_gc.next_wake()];
        let nodes = of_nodes.into_iter().filter(|_| self.caches.nodes_synced());
        let disruption = self.disruption.next_wake().filter(|_| self.caches.budgets_synced());
        let endpoints = self.endpoints.next_wake().filter(|_| self.caches.endpoints_synced());
        let autoscalers = self.autoscalers.next_wake().filter(|_| self.caches.autoscalers_synced());
        let volumes = self.volumes.next_wake().filter(|_| self.caches.volumes_synced());
        let load_balancers = self.load_balancers.next_wake().filter(|_| self.caches.endpoints_synced());
        let content = self.namespace_content.next_wake().filter(|_| self.caches.namespaces_synced());
        let others = [disruption, endpoints, autoscalers, volumes, load_balancers, content];
        workloads.into_iter().chain(cleaners).chain(nodes).chain(others).flatten().min()
    }
}

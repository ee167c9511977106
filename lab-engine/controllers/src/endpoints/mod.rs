//! Which addresses are behind a Service, as EndpointSlices and as Endpoints.
//!
//! - [`pods`]: what a Pod contributes (`k8s.io/endpointslice/util`);
//! - [`slices`]: how endpoints are packed into slices (`k8s.io/endpointslice/reconciler.go`);
//! - [`subsets`]: how they are grouped in an Endpoints object (`pkg/api/v1/endpoints`);
//! - three controllers: of EndpointSlices, of Endpoints, and the one that mirrors Endpoints which someone else wrote.

pub(crate) mod endpoints_controller;
pub(crate) mod hints;
pub(crate) mod mirroring;
pub mod pods;
pub(crate) mod slice_controller;
pub mod slices;
pub mod subsets;

use crate::caches::Caches;
use crate::driver::Driver;
use api::Resource;
use api::core::{Endpoints, Node, Pod, Service};
use api::discovery::EndpointSlice;
use client::{Delta, Input, ObjectKey, Outbox, QueueStatus};
use endpoints_controller::EndpointsController;
use mirroring::MirroringController;
use sim::Time;
use slice_controller::EndpointSliceController;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The Service of a slice (`discovery.LabelServiceName`).
pub(crate) const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// Who keeps a slice (`discovery.LabelManagedBy`).
pub(crate) const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
/// Marks what belongs to a headless Service (`v1.IsHeadlessService`).
pub(crate) const HEADLESS: &str = "service.kubernetes.io/headless";

/// Marks Endpoints that are no more than the record of an election (`LeaderElectionRecordAnnotationKey`).
pub(crate) const LEADER: &str = "control-plane.alpha.kubernetes.io/leader";

/// The three controllers.
#[derive(Debug)]
pub(crate) struct EndpointControllers {
    slices: Driver<EndpointSliceController>,
    endpoints: Driver<EndpointsController>,
    mirroring: Driver<MirroringController>,
    /// Whether what a predecessor left was looked for.
    looked_for_leftovers: bool,
}

impl EndpointControllers {
    pub(crate) fn new(agent: &Arc<str>) -> Self {
        EndpointControllers {
            slices: Driver::new("endpoint-slice-controller", agent, EndpointSliceController::default()),
            endpoints: Driver::new("endpoint-controller", agent, EndpointsController::default()),
            mirroring: Driver::new("endpoint-slice-mirroring-controller", agent, MirroringController::default()),
            looked_for_leftovers: false,
        }
    }

    /// How their work queues stand.
    pub(crate) fn statuses(&self) -> [QueueStatus; 3] {
        [self.slices.status(), self.endpoints.status(), self.mirroring.status()]
    }

    pub(crate) fn service_changed(&mut self, delta: &Delta<Service>) {
        let key = ObjectKey::of(delta.object().as_ref());
        self.slices.queue.add(key.clone());
        self.endpoints.queue.add(key.clone());
        self.mirroring.queue.add(key);
    }

    /// Queues the Services that select the Pod, or did (`GetServicesToUpdateOnPodChange`).
    pub(crate) fn pod_changed(&mut self, caches: &Caches, delta: &Delta<Pod>) {
        let mut keys = BTreeSet::new();
        match delta {
            Delta::Updated(old, new) => {
                let (pod_changed, labels_changed) = pods::pod_endpoints_changed(old, new);
                if !pod_changed && !labels_changed {
                    return;
                }
                let (was, is) = (selecting(caches, old), selecting(caches, new));
                keys.extend(if pod_changed {
                    was.union(&is).cloned().collect::<Vec<_>>()
                } else {
                    was.symmetric_difference(&is).cloned().collect()
                });
            }
            Delta::Added(pod) | Delta::Deleted(pod, ..) => keys.extend(selecting(caches, pod)),
        }
        for key in keys {
            self.slices.queue.add(key.clone());
            self.endpoints.queue.add(key);
        }
    }

    /// Zones are in the slices: Services with Pods on the node are looked at when its labels change.
    pub(crate) fn node_changed(&mut self, caches: &Caches, delta: &Delta<Node>) {
        let node = match delta {
            Delta::Updated(old, new) if hints::same_topology(old, new) => return,
            _ => delta.object(),
        };
        for pod in caches.pods.lister().by_index(crate::caches::BY_NODE, &node.metadata.name) {
            for key in selecting(caches, pod) {
                self.slices.queue.add(key);
            }
        }
        for service in caches.services.lister().list().filter(|service| hints::wants_topology(service)) {
            self.slices.queue.add(ObjectKey::of(service.as_ref()));
        }
    }

    pub(crate) fn slice_changed(&mut self, delta: &Delta<EndpointSlice>) {
        let slice = delta.object();
        let Some(service) = slice.metadata.labels.get(SERVICE_NAME) else { return };
        let key = ObjectKey::new(slice.metadata.namespace.as_str(), service.as_str());
        match slice.metadata.labels.get(MANAGED_BY).map(String::as_str) {
            Some(slice_controller::NAME) => self.slices.queue.add(key),
            Some(mirroring::NAME) => self.mirroring.queue.add(key),
            _ => {}
        }
    }

    pub(crate) fn endpoints_changed(&mut self, delta: &Delta<Endpoints>) {
        let key = ObjectKey::of(delta.object().as_ref());
        // What someone changes in them stays until the next look; what someone deletes is made again.
        if matches!(delta, Delta::Deleted(..)) {
            self.endpoints.queue.add(key.clone());
        }
        self.mirroring.queue.add(key);
    }

    pub(crate) fn handle(&mut self, now: Time, input: &Input, caches: &Caches, out: &mut Outbox) -> bool {
        self.slices.handle(now, input, caches, out)
            || self.endpoints.handle(now, input, caches, out)
            || self.mirroring.handle(now, input, caches, out)
    }

    /// Works on what is due; to be called when the caches are filled.
    pub(crate) fn work(&mut self, now: Time, caches: &Caches, out: &mut Outbox) {
        if !std::mem::replace(&mut self.looked_for_leftovers, true) {
            // A Service may have gone while nobody was there to delete its Endpoints (`checkLeftoverEndpoints`).
            let elected = |endpoints: &&Arc<Endpoints>| endpoints.metadata.annotations.contains_key(LEADER);
            for endpoints in caches.endpoints.lister().list().filter(|endpoints| !elected(endpoints)) {
                self.endpoints.queue.add(ObjectKey::of(endpoints.as_ref()));
            }
        }
        self.slices.work(now, caches, out);
        self.endpoints.work(now, caches, out);
        self.mirroring.work(now, caches, out);
    }

    pub(crate) fn next_wake(&self) -> Option<Time> {
        [self.slices.next_wake(), self.endpoints.next_wake(), self.mirroring.next_wake()].into_iter().flatten().min()
    }
}

/// An object of which nothing but the name is known.
fn named<R: Resource + Default>(key: &ObjectKey) -> R {
    let mut object = R::default();
    object.metadata_mut().namespace.clone_from(&key.namespace);
    object.metadata_mut().name.clone_from(&key.name);
    object
}

/// Whether the Service selects the Pod. Called for each change of a Pod, so that nothing is built for it.
fn selects(service: &Service, pod: &Pod) -> bool {
    has_selector(service) && service.spec.selector.iter().all(|(key, value)| pod.metadata.labels.get(key) == Some(value))
}

/// The Services of the Pod's namespace that select it.
fn selecting(caches: &Caches, pod: &Pod) -> BTreeSet<ObjectKey> {
    let services = caches.services.lister().list_namespace(&pod.metadata.namespace);
    services.filter(|service| selects(service, pod)).map(|service| ObjectKey::of(service.as_ref())).collect()
}

/// Whether its endpoints follow from Pods.
pub(crate) fn has_selector(service: &Service) -> bool {
    !service.spec.selector.is_empty()
}

/// The Pods that a Service selects.
pub(crate) fn selected<'a>(caches: &'a Caches, service: &'a Service) -> impl Iterator<Item = &'a Arc<Pod>> {
    caches.pods.lister().list_namespace(&service.metadata.namespace).filter(|pod| selects(service, pod))
}

/// Whether the Service has a virtual IP (`helper.IsServiceIPSet`).
pub(crate) fn has_cluster_ip(service: &Service) -> bool {
    !matches!(service.spec.cluster_ip.as_str(), "" | "None")
}

/// The reference to an object as the target of an endpoint.
pub(crate) fn target_of(pod: &Pod) -> api::core::ObjectReference {
    api::core::ObjectReference {
        kind: Pod::INFO.kind.clone().into_owned(),
        namespace: pod.metadata.namespace.clone(),
        name: pod.metadata.name.clone(),
        uid: pod.metadata.uid.clone(),
        ..api::core::ObjectReference::default()
    }
}

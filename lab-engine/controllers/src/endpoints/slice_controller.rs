//! The EndpointSlice controller: slices for every Service with a selector (`pkg/controller/endpointslice`).
//!
//! **Simplified here:** no annotation `endpoints.kubernetes.io/last-change-trigger-time`.

use super::slices::{self, DesiredEndpoints, MAX_ENDPOINTS_PER_SLICE, SliceChanges};
use super::{HEADLESS, MANAGED_BY, SERVICE_NAME, has_cluster_ip, has_selector, hints, named, pods, selected};
use crate::caches::{BY_SERVICE, Caches};
use crate::claims::controller_reference;
use crate::driver::{Answer, Call, Conclusion, Controller, Plan, Sink};
use api::Resource;
use api::core::{Node, Service};
use api::discovery::EndpointSlice;
use api::meta::{ObjectMeta, StringMap};
use client::{EventType, ObjectKey};
use sim::Time;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What the label of its slices says.
pub(crate) const NAME: &str = "endpointslice-controller.k8s.io";
/// After this time, a write that does not show in the cache is no longer waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// Keeps the slices of Services with selectors.
#[derive(Debug, Default)]
pub(crate) struct EndpointSliceController {
    tracker: SliceTracker,
}

/// What a write of a slice is for.
#[derive(Clone, Debug)]
pub(crate) enum Note {
    Create,
    Update,
    /// The name of the slice.
    Delete(String),
}

/// Writes that the cache does not show yet (`EndpointSliceTracker`): looked at before, the same endpoints would be added twice.
#[derive(Debug, Default)]
pub(crate) struct SliceTracker {
    /// By Service and slice: the revision, 0 for a deletion, and since when.
    expected: BTreeMap<ObjectKey, BTreeMap<String, (u64, Time)>>,
}

impl SliceTracker {
    /// Whether the cache is behind the own writes.
    pub(crate) fn is_stale(&mut self, now: Time, caches: &Caches, service: &ObjectKey) -> bool {
        let Some(expected) = self.expected.get_mut(service) else { return false };
        expected.retain(|name, (revision, since)| {
            let cached = caches.endpoint_slices.lister().get(&ObjectKey::new(service.namespace.as_str(), name.as_str()));
            let shown = match cached {
                Some(slice) => *revision != 0 && slice.metadata.resource_version.0 >= *revision,
                None => *revision == 0,
            };
            !shown && now.since(*since) < PATIENCE
        });
        let stale = !expected.is_empty();
        if !stale {
            self.expected.remove(service);
        }
        stale
    }

    /// Whether it waits for anything of the Service.
    pub(crate) fn waits(&self, service: &ObjectKey) -> bool {
        self.expected.contains_key(service)
    }

    /// Forgets a Service.
    pub(crate) fn forget(&mut self, service: &ObjectKey) {
        self.expected.remove(service);
    }

    /// Takes an answer; tells why it counts as a failure, if it does.
    pub(crate) fn answered(&mut self, now: Time, service: &ObjectKey, note: &Note, answer: Answer) -> Result<(), String> {
        let mut expect = |name: String, revision: u64| {
            self.expected.entry(service.clone()).or_default().insert(name, (revision, now));
        };
        match (note, answer) {
            (Note::Create | Note::Update, Ok(slice)) => expect(slice.metadata().name.clone(), slice.metadata().resource_version.0),
            (Note::Delete(name), Ok(_)) => expect(name.clone(), 0),
            (Note::Create, Err(refusal)) if refusal.namespace_terminating => {}
            (Note::Delete(_), Err(refusal)) if refusal.code == 404 => {}
            (note, Err(refusal)) => {
                let verb = match note {
                    Note::Create => "create",
                    Note::Update => "update",
                    Note::Delete(_) => "delete",
                };
                return Err(format!("failed to {verb} EndpointSlice for Service {service}: {}", refusal.message));
            }
        }
        Ok(())
    }
}

/// The calls for the changes.
pub(crate) fn calls(changes: SliceChanges) -> Vec<Call<Note>> {
    let create = changes.create.into_iter().map(|slice| Call::create(slice, Note::Create));
    let update = changes.update.into_iter().map(|slice| Call::update(slice, Note::Update));
    let delete = changes.delete.iter().map(|slice| Call::delete(slice, Note::Delete(slice.metadata.name.clone())));
    create.chain(update).chain(delete).collect()
}

/// Adds the changes of one address type to those of others.
pub(crate) fn merge(all: &mut SliceChanges, more: SliceChanges) {
    all.create.extend(more.create);
    all.update.extend(more.update);
    all.delete.extend(more.delete);
}

/// The slices of a Service that a controller keeps and that are not on their way out.
pub(crate) fn kept_by(caches: &Caches, service: &ObjectKey, keeper: &str) -> Vec<Arc<EndpointSlice>> {
    let service = service.to_string();
    let all = caches.endpoint_slices.lister().by_index(BY_SERVICE, &service);
    let kept = all.filter(|slice| slice.metadata.labels.get(MANAGED_BY).is_some_and(|by| by == keeper) && !slice.metadata.is_deleting());
    kept.cloned().collect()
}

/// The labels of a Service's slices (`setEndpointSliceLabels`).
fn labels(service: &Service) -> StringMap {
    let mut labels = service.metadata.labels.clone();
    labels.remove(HEADLESS);
    if !has_cluster_ip(service) {
        labels.insert(HEADLESS.to_owned(), String::new());
    }
    labels.insert(SERVICE_NAME.to_owned(), service.metadata.name.clone());
    labels.insert(MANAGED_BY.to_owned(), NAME.to_owned());
    labels
}

/// A slice without endpoints (`newEndpointSlice`).
fn template(service: &Service, family: &str) -> EndpointSlice {
    EndpointSlice {
        metadata: ObjectMeta {
            generate_name: format!("{}-", service.metadata.name),
            namespace: service.metadata.namespace.clone(),
            labels: labels(service),
            owner_references: vec![controller_reference(service)].into(),
            ..ObjectMeta::default()
        },
        address_type: family.to_owned(),
        ..EndpointSlice::default()
    }
}

/// The endpoints of one family that a Service should have.
fn desired(caches: &Caches, service: &Service, family: &str) -> DesiredEndpoints {
    let mut desired = DesiredEndpoints::default();
    let published = service.spec.publish_not_ready_addresses == Some(true);
    for pod in selected(caches, service).filter(|pod| pods::should_be_in_endpoints(pod, true)) {
        let node: Option<&Arc<Node>> = caches.nodes.lister().get(&ObjectKey::new("", pod.spec.node_name.as_str()));
        // A Pod whose node is gone is about to be collected.
        if node.is_none() && !published {
            continue;
        }
        let endpoint = pods::pod_to_endpoint(pod, node.map(AsRef::as_ref), service, family);
        desired.add(pods::endpoint_ports(service, pod), endpoint);
    }
    hints::apply(service, &mut desired, caches.nodes.lister().list());
    desired
}

/// What makes the slices of a Service what they should be.
fn changes(caches: &Caches, service: &Service, key: &ObjectKey) -> SliceChanges {
    let mut all = SliceChanges::default();
    let families = pods::service_address_types(service);
    for family in ["IPv4", "IPv6"] {
        let existing: Vec<Arc<EndpointSlice>> =
            kept_by(caches, key, NAME).into_iter().filter(|slice| slice.address_type == family).collect();
        if families.contains(&family) {
            let desired = desired(caches, service, family);
            let template = template(service, family);
            merge(&mut all, slices::reconcile(desired, &existing, &template, MAX_ENDPOINTS_PER_SLICE, true));
        } else {
            all.delete.extend(existing.iter().map(|slice| EndpointSlice::clone(slice)));
        }
    }
    all
}

impl Controller for EndpointSliceController {
    type Note = Note;

    /// Models `syncService`.
    fn reconcile(&mut self, now: Time, caches: &Caches, key: &ObjectKey, _sink: &mut Sink<'_>) -> Plan<Note> {
        let mut plan = Plan::default();
        let Some(service) = caches.services.lister().get(key) else {
            self.tracker.forget(key);
            return plan;
        };
        if service.spec.type_ == "ExternalName" || !has_selector(service) || service.metadata.is_deleting() {
            return plan;
        }
        if self.tracker.is_stale(now, caches, key) {
            return plan;
        }
        let changes = changes(caches, service, key);
        let (create, update, delete) = (changes.create.len(), changes.update.len(), changes.delete.len());
        let calls = calls(changes);
        if !calls.is_empty() {
            let decision = format!("create {create}, update {update}, delete {delete} EndpointSlices");
            plan.decision = Some((service.object_ref(), decision));
            plan.phases.push_back(calls);
        }
        plan
    }

    fn answered(&mut self, key: &ObjectKey, note: &Note, answer: Answer, sink: &mut Sink<'_>) -> Result<(), String> {
        let conflict = answer.as_ref().is_err_and(|refusal| refusal.code == 409);
        let judged = self.tracker.answered(sink.now, key, note, answer);
        if let (Err(message), false) = (&judged, conflict) {
            let message = format!("Error updating Endpoint Slices for Service {key}: {message}");
            sink.event(&named::<Service>(key), EventType::Warning, "FailedToUpdateEndpointSlices", &message);
        }
        judged
    }

    /// Looks again soon while the cache is behind.
    fn conclude(&mut self, _now: Time, _caches: &Caches, key: &ObjectKey, _failure: Option<&str>) -> Conclusion<Note> {
        (None, self.tracker.waits(key).then_some(Duration::from_secs(1)))
    }
}

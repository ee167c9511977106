//! The EndpointSliceMirroring controller: slices for Endpoints that someone wrote for a Service without a selector
//! (`pkg/controller/endpointslicemirroring`).

use super::slice_controller::{Note, SliceTracker, calls, kept_by, merge};
use super::slices::{self, DesiredEndpoints, MAX_ENDPOINTS_PER_SLICE, SliceChanges};
use super::{LEADER, MANAGED_BY, SERVICE_NAME, has_selector, named};
use crate::caches::Caches;
use crate::claims::controller_reference;
use crate::driver::{Answer, Conclusion, Controller, Plan, Sink};
use api::Resource;
use api::core::{EndpointAddress, EndpointSubset, Endpoints};
use api::discovery::{Endpoint, EndpointConditions, EndpointPort, EndpointSlice};
use api::meta::ObjectMeta;
use client::ObjectKey;
use sim::Time;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// What the label of its slices says.
pub(crate) const NAME: &str = "endpointslicemirroring-controller.k8s.io";
/// Says that Endpoints are not to be mirrored (`discovery.LabelSkipMirror`).
const SKIP_MIRROR: &str = "endpointslice.kubernetes.io/skip-mirror";
/// Annotations that are not mirrored.
const OWN_ANNOTATIONS: [&str; 2] = ["kubectl.kubernetes.io/last-applied-configuration", "endpoints.kubernetes.io/last-change-trigger-time"];
/// So many addresses of a subset are mirrored (`--mirroring-max-endpoints-per-subset`).
const MAX_PER_SUBSET: usize = 1000;

/// Mirrors Endpoints.
#[derive(Debug, Default)]
pub(crate) struct MirroringController {
    tracker: SliceTracker,
}

fn should_mirror(endpoints: &Endpoints) -> bool {
    let metadata = &endpoints.metadata;
    metadata.labels.get(SKIP_MIRROR).is_none_or(|skip| skip != "true") && !metadata.annotations.contains_key(LEADER)
}

fn endpoint(address: &EndpointAddress, ready: bool) -> Endpoint {
    Endpoint {
        addresses: vec![address.ip.clone()],
        conditions: EndpointConditions { ready: Some(ready), ..EndpointConditions::default() },
        hostname: Some(address.hostname.clone()).filter(|name| !name.is_empty()),
        target_ref: address.target_ref.clone(),
        node_name: address.node_name.clone(),
        ..Endpoint::default()
    }
}

/// The endpoints of one family in a subset.
fn add_subset(desired: &mut DesiredEndpoints, subset: &EndpointSubset, ipv4: bool) {
    let ports: Vec<EndpointPort> = subset
        .ports
        .iter()
        .map(|port| EndpointPort {
            name: Some(port.name.clone()),
            port: Some(port.port),
            protocol: Some(port.protocol.clone()),
            app_protocol: port.app_protocol.clone(),
            ..EndpointPort::default()
        })
        .collect();
    let ready = subset.addresses.iter().map(|address| (address, true));
    let all = ready.chain(subset.not_ready_addresses.iter().map(|address| (address, false)));
    for (address, ready) in all.take(MAX_PER_SUBSET) {
        if address.ip.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv4() == ipv4) {
            desired.add(ports.clone(), endpoint(address, ready));
        }
    }
}

fn template(endpoints: &Endpoints, family: &str) -> EndpointSlice {
    let mut metadata = ObjectMeta {
        generate_name: format!("{}-", endpoints.metadata.name),
        namespace: endpoints.metadata.namespace.clone(),
        labels: endpoints.metadata.labels.clone(),
        annotations: endpoints.metadata.annotations.clone(),
        owner_references: vec![controller_reference(endpoints)].into(),
        ..ObjectMeta::default()
    };
    metadata.annotations.retain(|key, _| !OWN_ANNOTATIONS.contains(&key.as_str()));
    metadata.labels.insert(SERVICE_NAME.to_owned(), endpoints.metadata.name.clone());
    metadata.labels.insert(MANAGED_BY.to_owned(), NAME.to_owned());
    EndpointSlice { metadata, address_type: family.to_owned(), ..EndpointSlice::default() }
}

fn changes(caches: &Caches, endpoints: Option<&Arc<Endpoints>>, key: &ObjectKey) -> SliceChanges {
    let mut all = SliceChanges::default();
    for family in ["IPv4", "IPv6"] {
        let existing: Vec<Arc<EndpointSlice>> =
            kept_by(caches, key, NAME).into_iter().filter(|slice| slice.address_type == family).collect();
        let Some(endpoints) = endpoints else {
            all.delete.extend(existing.iter().map(|slice| EndpointSlice::clone(slice)));
            continue;
        };
        let mut desired = DesiredEndpoints::default();
        endpoints.subsets.iter().for_each(|subset| add_subset(&mut desired, subset, family == "IPv4"));
        merge(&mut all, slices::reconcile(desired, &existing, &template(endpoints, family), MAX_ENDPOINTS_PER_SLICE, false));
    }
    all
}

impl Controller for MirroringController {
    type Note = Note;

    /// Models `syncEndpoints`.
    fn reconcile(&mut self, now: Time, caches: &Caches, key: &ObjectKey, _sink: &mut Sink<'_>) -> Plan<Note> {
        let mut plan = Plan::default();
        if self.tracker.is_stale(now, caches, key) {
            return plan;
        }
        let manual = caches.services.lister().get(key).is_some_and(|service| !has_selector(service));
        let endpoints = caches.endpoints.lister().get(key).filter(|endpoints| manual && should_mirror(endpoints));
        let calls = calls(changes(caches, endpoints, key));
        if !calls.is_empty() {
            plan.decision = Some((named::<Endpoints>(key).object_ref(), format!("write {} EndpointSlices that mirror it", calls.len())));
            plan.phases.push_back(calls);
        }
        plan
    }

    fn answered(&mut self, key: &ObjectKey, note: &Note, answer: Answer, sink: &mut Sink<'_>) -> Result<(), String> {
        self.tracker.answered(sink.now, key, note, answer)
    }

    fn conclude(&mut self, _now: Time, _caches: &Caches, key: &ObjectKey, _failure: Option<&str>) -> Conclusion<Note> {
        (None, self.tracker.waits(key).then_some(Duration::from_secs(1)))
    }
}

//! The Endpoints controller: one Endpoints object for every Service with a selector (`pkg/controller/endpoint/endpoints_controller.go`).
//!
//! **Simplified here:** no annotation `endpoints.kubernetes.io/last-change-trigger-time`.

use super::{HEADLESS, has_cluster_ip, has_selector, named, pods, selected, subsets, target_of};
use crate::caches::Caches;
use crate::driver::{Answer, Call, Conclusion, Controller, Plan, Sink};
use crate::pods::is_ready;
use api::Resource;
use api::core::{EndpointAddress, EndpointSubset, Endpoints, Pod, Service, SubsetPort};
use api::meta::ResourceVersion;
use client::{EventType, ObjectKey};
use sim::Time;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Says who keeps an Endpoints object.
const MANAGED_BY: &str = "endpoints.kubernetes.io/managed-by";
/// Says that there are more addresses than fit (`v1.EndpointsOverCapacity`).
const OVER_CAPACITY: &str = "endpoints.kubernetes.io/over-capacity";

/// Keeps the Endpoints of Services with selectors.
#[derive(Debug, Default)]
pub(crate) struct EndpointsController {
    /// Versions that it has replaced: what the cache holds of such a Service is out of date (`staleEndpointsTracker`).
    replaced: BTreeMap<ObjectKey, ResourceVersion>,
}

/// How soon it looks again whether its cache has caught up.
const CATCH_UP: Duration = Duration::from_secs(1);

/// What a write is for.
#[derive(Clone, Debug)]
pub(crate) enum Note {
    Create(Arc<Service>),
    /// In place of this version.
    Update(Arc<Service>, ResourceVersion),
    Delete,
}

/// The address that a Pod is for a Service (`podToEndpointAddressForService`).
fn address(pod: &Pod, service: &Service) -> Option<EndpointAddress> {
    let family = pods::service_address_types(service).first().copied().unwrap_or("IPv4");
    let endpoint = pods::pod_to_endpoint(pod, None, service, family);
    Some(EndpointAddress {
        ip: endpoint.addresses.into_iter().next()?,
        hostname: endpoint.hostname.unwrap_or_default(),
        node_name: endpoint.node_name,
        target_ref: Some(target_of(pod)),
        ..EndpointAddress::default()
    })
}

/// The addresses of a Service with all their ports, grouped.
fn wanted_subsets(caches: &Caches, service: &Service) -> Vec<EndpointSubset> {
    let published = service.spec.publish_not_ready_addresses == Some(true);
    let mut all = Vec::new();
    for pod in selected(caches, service).filter(|pod| pods::should_be_in_endpoints(pod, published)) {
        let Some(address) = address(pod, service) else { continue };
        let mut add = |port: Option<SubsetPort>| {
            let ready = published || is_ready(pod);
            let (yes, no) = if ready { (vec![address.clone()], Vec::new()) } else { (Vec::new(), vec![address.clone()]) };
            let ports = port.into_iter().collect();
            all.push(EndpointSubset { addresses: yes, not_ready_addresses: no, ports, ..EndpointSubset::default() });
        };
        if service.spec.ports.is_empty() && service.spec.cluster_ip == "None" {
            add(None);
        }
        for port in &service.spec.ports {
            let Some(number) = pods::find_port(pod, port) else { continue };
            add(Some(SubsetPort {
                name: port.name.clone(),
                port: number,
                protocol: port.protocol.clone(),
                app_protocol: port.app_protocol.clone(),
                ..SubsetPort::default()
            }));
        }
    }
    subsets::repack(&all)
}

/// The Endpoints that a Service should have, in place of the present ones.
fn wanted(caches: &Caches, service: &Service, current: Option<&Endpoints>) -> Endpoints {
    let mut endpoints = current.cloned().unwrap_or_default();
    endpoints.metadata.name.clone_from(&service.metadata.name);
    endpoints.metadata.namespace.clone_from(&service.metadata.namespace);
    endpoints.metadata.labels.clone_from(&service.metadata.labels);
    endpoints.metadata.labels.insert(MANAGED_BY.to_owned(), "endpoint-controller".to_owned());
    endpoints.metadata.labels.remove(HEADLESS);
    if !has_cluster_ip(service) {
        endpoints.metadata.labels.insert(HEADLESS.to_owned(), String::new());
    }
    endpoints.subsets = wanted_subsets(caches, service);
    if subsets::truncate(&mut endpoints.subsets) {
        endpoints.metadata.annotations.insert(OVER_CAPACITY.to_owned(), "truncated".to_owned());
    } else {
        endpoints.metadata.annotations.remove(OVER_CAPACITY);
    }
    endpoints
}

impl EndpointsController {
    /// Whether the cache still holds a version that was replaced.
    fn is_stale(&self, key: &ObjectKey, current: Option<&Endpoints>) -> bool {
        current.zip(self.replaced.get(key)).is_some_and(|(current, replaced)| current.metadata.resource_version == *replaced)
    }
}

impl Controller for EndpointsController {
    type Note = Note;

    /// Models `syncService`.
    fn reconcile(&mut self, _now: Time, caches: &Caches, key: &ObjectKey, _sink: &mut Sink<'_>) -> Plan<Note> {
        let mut plan = Plan::default();
        let current = caches.endpoints.lister().get(key);
        let Some(service) = caches.services.lister().get(key) else {
            self.replaced.remove(key);
            plan.decision = current.map(|endpoints| (endpoints.object_ref(), "delete it: its Service is gone".to_owned()));
            // Even if the cache has none: it may be behind, and nobody would ever ask again.
            plan.phases.push_back(vec![Call::delete(&named::<Endpoints>(key), Note::Delete)]);
            return plan;
        };
        if service.spec.type_ == "ExternalName" || !has_selector(service) {
            return plan;
        }
        if self.is_stale(key, current.map(AsRef::as_ref)) {
            return plan;
        }
        let wanted = wanted(caches, service, current.map(AsRef::as_ref));
        let count: usize = wanted.subsets.iter().map(|subset| subset.addresses.len()).sum();
        let (call, verb) = match current {
            Some(current) if wanted == **current => return plan,
            Some(current) => (Call::update(wanted, Note::Update(service.clone(), current.metadata.resource_version)), "update"),
            None => (Call::create(wanted, Note::Create(service.clone())), "create"),
        };
        plan.decision = Some((service.object_ref(), format!("{verb} its Endpoints, with {count} ready addresses")));
        plan.phases.push_back(vec![call]);
        plan
    }

    fn answered(&mut self, key: &ObjectKey, note: &Note, answer: Answer, sink: &mut Sink<'_>) -> Result<(), String> {
        let refusal = match (answer, note) {
            (Ok(updated), Note::Update(_, old)) if updated.metadata().resource_version != *old => {
                self.replaced.insert(key.clone(), *old);
                return Ok(());
            }
            (Ok(_), _) => return Ok(()),
            (Err(refusal), _) => refusal,
        };
        let (service, reason, verb) = match note {
            Note::Delete if refusal.code == 404 => return Ok(()),
            Note::Create(_) if refusal.namespace_terminating => return Ok(()),
            Note::Delete => return Err(refusal.message),
            Note::Create(service) => (service, "FailedToCreateEndpoint", "create"),
            Note::Update(service, _) => (service, "FailedToUpdateEndpoint", "update"),
        };
        // Someone was faster: the next look tells.
        if refusal.code != 409 {
            let message = format!("Failed to {verb} endpoint for service {key}: {}", refusal.message);
            sink.event(service.as_ref(), EventType::Warning, reason, &message);
        }
        Err(refusal.message)
    }

    fn conclude(&mut self, _now: Time, caches: &Caches, key: &ObjectKey, _failure: Option<&str>) -> Conclusion<Note> {
        let current = caches.endpoints.lister().get(key);
        (None, self.is_stale(key, current.map(AsRef::as_ref)).then_some(CATCH_UP))
    }
}

//! The service controller of a cloud: addresses for Services of type LoadBalancer (`k8s.io/cloud-provider/controllers/service`).
//!
//! The cloud is simulated: a load balancer is there ten seconds after it was asked for, with an address of 203.0.113.0/24, which is set aside
//! for documentation.
//!
//! **Simplified here:** the nodes behind a load balancer are not told to the cloud; only IPv4.

use crate::caches::Caches;
use crate::driver::{Answer, Call, Conclusion, Controller, Plan, Sink};
use api::core::{LoadBalancerIngress, LoadBalancerStatus, Service};
use client::{EventType, ObjectKey};
use sim::Time;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

/// Keeps a Service until its load balancer is gone (`LoadBalancerCleanupFinalizer`).
const FINALIZER: &str = "service.kubernetes.io/load-balancer-cleanup";
/// How long the cloud takes to make a load balancer.
const CREATION: Duration = Duration::from_secs(10);
/// The addresses of the cloud: these three numbers, then 1 to 254.
const NETWORK: [u8; 3] = [203, 0, 113];

/// What a write is for.
#[derive(Clone, Debug)]
pub(crate) enum Note {
    /// The finalizer is put on or taken off.
    Finalizer,
    /// The Service has its address.
    Ensured(Arc<Service>),
    /// The Service has no address any more.
    Deleted(Arc<Service>),
}

/// Gives Services load balancers.
#[derive(Debug, Default)]
pub(crate) struct ServiceLoadBalancers {
    /// Load balancers that the cloud makes or has made: the UID of the Service, since when, and the address.
    cloud: BTreeMap<ObjectKey, (String, Time, Option<Ipv4Addr>)>,
    /// Keys whose look has not yet been taken.
    due: BTreeSet<ObjectKey>,
}

/// Whether this cloud is to make a load balancer for the Service.
fn wants(service: &Service) -> bool {
    service.spec.type_ == "LoadBalancer" && service.spec.load_balancer_class.is_none() && !service.metadata.is_deleting()
}

fn has_finalizer(service: &Service) -> bool {
    service.metadata.finalizers.iter().any(|own| own == FINALIZER)
}

impl ServiceLoadBalancers {
    /// The address for a Service: the one that it wants, if that is free, else the lowest free one.
    fn allocate(&self, caches: &Caches, service: &Service) -> Option<Ipv4Addr> {
        let mut taken: BTreeSet<Ipv4Addr> = self.cloud.values().filter_map(|(.., address)| *address).collect();
        let told = caches.services.lister().list().flat_map(|other| &other.status.load_balancer.ingress);
        taken.extend(told.filter_map(|ingress| ingress.ip.parse::<Ipv4Addr>().ok()));
        let [a, b, c] = NETWORK;
        let mut free = (1..=254).map(|last| Ipv4Addr::new(a, b, c, last)).filter(|address| !taken.contains(address));
        match service.spec.load_balancer_ip.parse::<Ipv4Addr>() {
            Ok(wanted) => free.find(|address| *address == wanted),
            Err(_) => free.next(),
        }
    }

    /// Models `syncLoadBalancerIfNeeded`.
    fn look(&mut self, now: Time, caches: &Caches, service: &Arc<Service>, sink: &mut Sink<'_>) -> Option<Call<Note>> {
        let key = ObjectKey::of(service.as_ref());
        let mut tell = |kind, reason: &str, message: &str| sink.event(service.as_ref(), kind, reason, message);
        if !wants(service) {
            return self.without(service, &mut tell);
        }
        if !has_finalizer(service) {
            let mut changed = Service::clone(service);
            changed.metadata.finalizers.push(FINALIZER.to_owned());
            return Some(Call::update(changed, Note::Finalizer));
        }
        if !service.status.load_balancer.ingress.is_empty() {
            return None;
        }
        let known = self.cloud.get(&key).filter(|(uid, ..)| *uid == service.metadata.uid).cloned();
        let Some((uid, since, address)) = known else {
            tell(EventType::Normal, "EnsuringLoadBalancer", "Ensuring load balancer");
            self.cloud.insert(key, (service.metadata.uid.clone(), now, None));
            return None;
        };
        if now.since(since) < CREATION {
            return None;
        }
        let Some(address) = address.or_else(|| self.allocate(caches, service)) else {
            let message = "Error syncing load balancer: failed to ensure load balancer: no free address in the cloud";
            tell(EventType::Warning, "SyncLoadBalancerFailed", message);
            return None;
        };
        self.cloud.insert(key, (uid, since, Some(address)));
        let mut changed = Service::clone(service);
        let ingress = LoadBalancerIngress { ip: address.to_string(), ip_mode: Some("VIP".to_owned()), ..LoadBalancerIngress::default() };
        changed.status.load_balancer = LoadBalancerStatus { ingress: vec![ingress], ..LoadBalancerStatus::default() };
        Some(Call::update_status(changed, Note::Ensured(service.clone())))
    }

    /// Takes the load balancer of a Service away that is to have none.
    fn without(&mut self, service: &Arc<Service>, tell: &mut dyn FnMut(EventType, &str, &str)) -> Option<Call<Note>> {
        self.cloud.remove(&ObjectKey::of(service.as_ref()));
        if !has_finalizer(service) {
            return None;
        }
        if service.status.load_balancer.ingress.is_empty() || service.metadata.is_deleting() {
            let mut changed = Service::clone(service);
            changed.metadata.finalizers.retain(|own| own != FINALIZER);
            return Some(Call::update(changed, Note::Finalizer));
        }
        tell(EventType::Normal, "DeletingLoadBalancer", "Deleting load balancer");
        let mut changed = Service::clone(service);
        changed.status.load_balancer = LoadBalancerStatus::default();
        Some(Call::update_status(changed, Note::Deleted(service.clone())))
    }
}

impl Controller for ServiceLoadBalancers {
    type Note = Note;

    fn reconcile(&mut self, _now: Time, caches: &Caches, key: &ObjectKey, _sink: &mut Sink<'_>) -> Plan<Note> {
        if caches.services.lister().get(key).is_none() {
            self.cloud.remove(key);
        }
        self.due.insert(key.clone());
        Plan::default()
    }

    fn proceed(&mut self, now: Time, caches: &Caches, key: &ObjectKey, sink: &mut Sink<'_>) -> Vec<Call<Note>> {
        if !self.due.remove(key) {
            return Vec::new();
        }
        let service = caches.services.lister().get(key);
        service.and_then(|service| self.look(now, caches, service, sink)).into_iter().collect()
    }

    fn answered(&mut self, _key: &ObjectKey, note: &Note, answer: Answer, sink: &mut Sink<'_>) -> Result<(), String> {
        match answer {
            Err(refusal) if refusal.code == 404 => return Ok(()),
            Err(refusal) => return Err(refusal.message),
            Ok(_) => {}
        }
        let (service, reason, message) = match note {
            Note::Finalizer => return Ok(()),
            Note::Ensured(service) => (service, "EnsuredLoadBalancer", "Ensured load balancer"),
            Note::Deleted(service) => (service, "DeletedLoadBalancer", "Deleted load balancer"),
        };
        sink.event(service.as_ref(), EventType::Normal, reason, message);
        Ok(())
    }

    /// Looks again when the cloud will be done.
    fn conclude(&mut self, now: Time, caches: &Caches, key: &ObjectKey, _failure: Option<&str>) -> Conclusion<Note> {
        let waits = caches.services.lister().get(key).is_some_and(|service| service.status.load_balancer.ingress.is_empty());
        let since = self.cloud.get(key).filter(|_| waits).map(|(_, since, _)| *since);
        (None, since.map(|since| CREATION.saturating_sub(now.since(since)).max(Duration::from_secs(1))))
    }
}

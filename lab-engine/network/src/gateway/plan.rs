//! What the controller makes of all GatewayClasses, Gateways and HTTPRoutes: which route is attached to which listener, and what is said about
//! each in its status.
//!
//! [`plan`] is a pure function of the caches. A Gateway is the controller's when its class is, and a class when its `controllerName` is one of
//! [`GATEWAY_CONTROLLERS`]. What others act on is left alone, and so is a route's reference to a Gateway that is not there.

use super::listeners::{self, listeners};
use super::matching::{Attached, Route};
use super::routes::{self, HttpRoute};
use super::types::{Gateway, GatewayClass, GatewaySpec, ParentReference, ReferenceGrant};
use api::core::{Namespace, Secret, Service};
use api::meta::Timestamp;
use client::{Indexer, ObjectKey};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// The controllers of GatewayClasses that this one is; the last is the one that Kubernetes' documentation has in its examples.
pub const GATEWAY_CONTROLLERS: [&str; 3] =
    ["clusterbook.dev/gateway", "gateway.nginx.org/nginx-gateway-controller", "example.com/gateway-controller"];

/// The caches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    pub(crate) classes: &'a Indexer<GatewayClass>,
    pub(crate) gateways: &'a Indexer<Gateway>,
    pub(crate) routes: &'a Indexer<HttpRoute>,
    pub(crate) grants: &'a Indexer<ReferenceGrant>,
    pub(crate) namespaces: &'a Indexer<Namespace>,
    pub(crate) services: &'a Indexer<Service>,
    pub(crate) secrets: &'a Indexer<Secret>,
    /// The addresses that the load balancer has for Gateways.
    pub(crate) addresses: &'a [Ipv4Addr],
}

/// What is said about something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Condition {
    /// The type, for example `Accepted`.
    pub(crate) kind: &'static str,
    /// Whether it holds.
    pub(crate) holds: bool,
    /// Why, in one word.
    pub(crate) reason: &'static str,
    /// Why, in words.
    pub(crate) message: String,
}

impl Condition {
    pub(crate) fn yes(kind: &'static str, reason: &'static str, message: impl Into<String>) -> Self {
        Condition { kind, holds: true, reason, message: message.into() }
    }

    pub(crate) fn no(kind: &'static str, reason: &'static str, message: impl Into<String>) -> Self {
        Condition { kind, holds: false, reason, message: message.into() }
    }
}

/// What comes of everything.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// The controller's classes.
    pub(crate) classes: Vec<(Arc<GatewayClass>, Vec<Condition>)>,
    /// Its Gateways, oldest first.
    pub(crate) gateways: Vec<GatewayPlan>,
    /// The routes that refer to one of them, or did, oldest first.
    pub(crate) routes: Vec<RoutePlan>,
}

/// What comes of a Gateway.
#[derive(Debug)]
pub(crate) struct GatewayPlan {
    pub(crate) gateway: Arc<Gateway>,
    /// The controller, as its class names it.
    pub(crate) controller: &'static str,
    pub(crate) address: Option<IpAddr>,
    pub(crate) conditions: Vec<Condition>,
    pub(crate) listeners: Vec<ListenerPlan>,
}

/// What comes of a listener.
#[derive(Debug)]
pub(crate) struct ListenerPlan {
    pub(crate) name: String,
    pub(crate) port: u16,
    /// Whether it speaks TLS.
    pub(crate) tls: bool,
    pub(crate) hostname: String,
    /// Whether it takes requests.
    pub(crate) usable: bool,
    /// Whether HTTPRoutes may attach to it.
    pub(crate) takes_http_routes: bool,
    pub(crate) conditions: Vec<Condition>,
    /// The Secrets with its certificates.
    pub(crate) certificates: Vec<ObjectKey>,
    /// The routes that are attached, oldest first.
    pub(crate) routes: Vec<Attached>,
}

/// What comes of a route.
#[derive(Debug)]
pub(crate) struct RoutePlan {
    pub(crate) route: Arc<HttpRoute>,
    /// What is said for each of its references to a Gateway of the controller, with the controller's name.
    pub(crate) parents: Vec<(ParentReference, &'static str, Vec<Condition>)>,
}

/// Sorts by age, then by name.
fn oldest_first<T>(list: &mut [T], metadata: impl Fn(&T) -> (Option<Timestamp>, ObjectKey)) {
    list.sort_by_cached_key(metadata);
}

/// The controller's name that a class has, if it is this one.
fn own_controller(class: &GatewayClass) -> Option<&'static str> {
    GATEWAY_CONTROLLERS.into_iter().find(|name| *name == class.spec.controller_name)
}

/// Looks at everything.
pub(crate) fn plan(view: View<'_>) -> Plan {
    let mut plan = Plan::default();
    for class in view.classes.list().filter(|class| own_controller(class).is_some()) {
        plan.classes.push((class.clone(), vec![Condition::yes("Accepted", "Accepted", "The GatewayClass is accepted")]));
    }
    let mut gateways: Vec<(Arc<Gateway>, &'static str)> = Vec::new();
    for gateway in view.gateways.list().filter(|gateway| !gateway.metadata().is_deleting()) {
        let class = view.classes.get(&ObjectKey::new("", gateway.spec.gateway_class_name.as_str()));
        gateways.extend(class.and_then(|class| own_controller(class)).map(|controller| (gateway.clone(), controller)));
    }
    oldest_first(&mut gateways, |(gateway, _)| (gateway.metadata().creation_timestamp, ObjectKey::of(&**gateway)));
    let mut addresses = assign(&gateways, view.addresses);
    for (gateway, controller) in gateways {
        let address = addresses.remove(&ObjectKey::of(&*gateway));
        let listeners = listeners(view, &gateway);
        let conditions = listeners::of_gateway(&gateway, address, &listeners);
        let address = address.map(IpAddr::V4).filter(|_| conditions.iter().all(|one| one.kind != "Accepted" || one.holds));
        plan.gateways.push(GatewayPlan { gateway, controller, address, conditions, listeners });
    }
    let mut routes: Vec<&Arc<HttpRoute>> = view.routes.list().filter(|route| !route.metadata().is_deleting()).collect();
    oldest_first(&mut routes, |route| (route.metadata().creation_timestamp, ObjectKey::of(&***route)));
    for route in routes {
        let parents = routes::attach(view, route, &mut plan.gateways);
        if !parents.is_empty() || routes::has_own_parents(route) {
            plan.routes.push(RoutePlan { route: route.clone(), parents });
        }
    }
    plan
}

/// The address that a Gateway wants, or has already.
fn wanted(gateway: &Gateway) -> Option<Ipv4Addr> {
    let GatewaySpec { addresses, .. } = &gateway.spec;
    let told = || gateway.status()["addresses"][0]["value"].as_str().and_then(|address| address.parse().ok());
    match addresses.iter().find(|address| !address.value.is_empty()) {
        Some(address) => address.value.parse().ok(),
        None => told(),
    }
}

/// Gives Gateways addresses: the one that each wants or has, if it is free, else the lowest free one to who wants none in particular.
fn assign(gateways: &[(Arc<Gateway>, &'static str)], pool: &[Ipv4Addr]) -> BTreeMap<ObjectKey, Ipv4Addr> {
    let mut free: BTreeSet<Ipv4Addr> = pool.iter().copied().collect();
    let mut given = BTreeMap::new();
    for (gateway, _) in gateways {
        if let Some(address) = wanted(gateway).filter(|address| free.remove(address)) {
            given.insert(ObjectKey::of(&**gateway), address);
        }
    }
    for (gateway, _) in gateways.iter().filter(|(gateway, _)| gateway.spec.addresses.iter().all(|address| address.value.is_empty())) {
        let key = ObjectKey::of(&**gateway);
        if !given.contains_key(&key)
            && let Some(address) = free.pop_first()
        {
            given.insert(key, address);
        }
    }
    given
}

impl Attached {
    /// A route, attached for these hosts.
    pub(crate) fn new(route: &Arc<Route>, hostnames: Vec<String>) -> Self {
        Attached { route: route.clone(), hostnames }
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;

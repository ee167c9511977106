//! HTTPRoutes: to which listeners one is attached, and what is said about it for each Gateway that it refers to.

use super::filters;
use super::hosts::attached_hostnames;
use super::matching::{Attached, Route};
use super::plan::{Condition, GATEWAY_CONTROLLERS, GatewayPlan, View};
use super::references::permitted;
use super::types::{Custom, GROUP, HTTPBackendRef, HTTPRouteSpec, Listener, ParentReference};
use api::Object;
use api::labels::Selector;
use api::meta::ObjectMeta;
use client::{ObjectKey, Reflected};
use std::ops::Deref;
use std::sync::Arc;

/// A route, the rules of which were read when it came.
#[derive(Debug)]
pub(crate) struct HttpRoute {
    object: Custom<HTTPRouteSpec>,
    /// The rules, or what of them is not supported.
    rules: Result<Arc<Route>, String>,
}

impl Deref for HttpRoute {
    type Target = Custom<HTTPRouteSpec>;

    fn deref(&self) -> &Custom<HTTPRouteSpec> {
        &self.object
    }
}

impl Reflected for HttpRoute {
    fn reflect(object: &Object) -> Option<Arc<Self>> {
        let object = Custom::<HTTPRouteSpec>::read(object)?;
        let rules = supported(&object);
        Some(Arc::new(HttpRoute { object, rules }))
    }

    fn metadata(&self) -> &ObjectMeta {
        self.object.metadata()
    }
}

/// Attaches a route to the listeners of its Gateways, and gives what is said about it for each.
pub(crate) fn attach(
    view: View<'_>,
    route: &HttpRoute,
    gateways: &mut [GatewayPlan],
) -> Vec<(ParentReference, &'static str, Vec<Condition>)> {
    let resolved = resolved(view, route);
    let mut said = Vec::new();
    for parent in &route.spec.parent_refs {
        let namespace = if parent.namespace.is_empty() { &route.metadata().namespace } else { &parent.namespace };
        let key = ObjectKey::new(namespace.as_str(), parent.name.as_str());
        let of_gateway = (parent.group.as_str(), parent.kind.as_str()) == (GROUP, "Gateway");
        let found = gateways.iter_mut().find(|plan| of_gateway && ObjectKey::of(&*plan.gateway) == key);
        let Some(gateway) = found else { continue };
        let accepted = match listeners_for(view, route, parent, gateway) {
            Err(refused) => refused,
            Ok(listeners) => match &route.rules {
                Err(problem) => Condition::no("Accepted", "UnsupportedValue", problem.as_str()),
                Ok(rules) => {
                    for (at, hostnames) in listeners {
                        let attached = &mut gateway.listeners[at].routes;
                        // Two references may lead to the same listener.
                        if attached.last().is_none_or(|last| last.route.key != rules.key) {
                            attached.push(Attached::new(rules, hostnames));
                        }
                    }
                    Condition::yes("Accepted", "Accepted", "The Route is accepted")
                }
            },
        };
        said.push((parent.clone(), gateway.controller, vec![accepted, resolved.clone()]));
    }
    said
}

/// Whether the controller has said something about a route.
pub(crate) fn has_own_parents(route: &HttpRoute) -> bool {
    let told = route.status()["parents"].as_array().into_iter().flatten();
    told.into_iter().any(|parent| parent["controllerName"].as_str().is_some_and(|name| GATEWAY_CONTROLLERS.contains(&name)))
}

/// The rules of a route, or what of them is not supported.
fn supported(route: &Custom<HTTPRouteSpec>) -> Result<Arc<Route>, String> {
    let rules = &route.spec.rules;
    let mut all = rules.iter().flat_map(|rule| rule.filters.iter().chain(rule.backend_refs.iter().flat_map(|backend| &backend.filters)));
    if let Some(filter) = all.find(|filter| !filters::SUPPORTED.contains(&filter.type_.as_str())) {
        let list = filters::SUPPORTED.map(|kind| format!("{kind:?}")).join(", ");
        return Err(format!("The filter {:?} is not supported; supported are {list}", filter.type_));
    }
    Route::read(ObjectKey::of(route), rules).map(Arc::new)
}

/// The listeners of a Gateway to which a route is attached, by their places, and the hosts for which it is.
fn listeners_for(
    view: View<'_>,
    route: &HttpRoute,
    parent: &ParentReference,
    plan: &GatewayPlan,
) -> Result<Vec<(usize, Vec<String>)>, Condition> {
    let refused = |reason, message: &str| Err(Condition::no("Accepted", reason, message));
    let listeners = plan.gateway.spec.listeners.iter().enumerate();
    let meant: Vec<(usize, &Listener)> = listeners
        .filter(|(_, listener)| parent.section_name.is_empty() || listener.name == parent.section_name)
        .filter(|(_, listener)| parent.port.is_none_or(|port| listener.port == port))
        .collect();
    if meant.is_empty() {
        return refused("NoMatchingParent", "No Listener of the Gateway has this sectionName and port");
    }
    let home = plan.gateway.metadata().namespace.as_str();
    let allowed: Vec<(usize, &Listener)> =
        meant.into_iter().filter(|(at, listener)| plan.listeners[*at].takes_http_routes && allows(view, listener, home, route)).collect();
    if allowed.is_empty() {
        return refused("NotAllowedByListeners", "The Route is not allowed by any Listener");
    }
    let small: Vec<String> = route.spec.hostnames.iter().map(|hostname| hostname.to_ascii_lowercase()).collect();
    let common = |at: usize| attached_hostnames(&plan.listeners[at].hostname, &small).map(|hostnames| (at, hostnames));
    let attached: Vec<(usize, Vec<String>)> = allowed.into_iter().filter_map(|(at, _)| common(at)).collect();
    if attached.is_empty() {
        return refused("NoMatchingListenerHostname", "The hostnames of the Listeners and of the Route have nothing in common");
    }
    Ok(attached)
}

/// Whether routes from a route's namespace may attach to a listener of a Gateway in the namespace `home`.
fn allows(view: View<'_>, listener: &Listener, home: &str, route: &HttpRoute) -> bool {
    let namespace = route.metadata().namespace.as_str();
    let from = &listener.allowed_routes.namespaces;
    match from.from.as_str() {
        "All" => true,
        "Selector" => {
            let labels = view.namespaces.get(&ObjectKey::new("", namespace)).map(|namespace| &namespace.metadata.labels);
            let selector = Selector::from_label_selector(from.selector.as_ref());
            labels.is_some_and(|labels| selector.is_ok_and(|selector| selector.matches(labels)))
        }
        _ => namespace == home,
    }
}

/// Why a backend cannot be used, as reason and message; `None` when it can. Whether it has endpoints is another question.
pub(crate) fn invalid_backend(view: View<'_>, namespace: &str, backend: &HTTPBackendRef) -> Option<(&'static str, String)> {
    let HTTPBackendRef { group, kind, name, .. } = backend;
    if (group.as_str(), kind.as_str()) != ("", "Service") {
        return Some(("InvalidKind", format!("The backend {name:?} is a {kind:?}; supported is \"Service\"")));
    }
    let key = backend_key(namespace, backend);
    if !permitted(view.grants, ("HTTPRoute", namespace), ("", "Service"), &key) {
        return Some(("RefNotPermitted", format!("Backend ref to Service {key} not permitted by any ReferenceGrant")));
    }
    let Some(service) = view.services.get(&key) else {
        return Some(("BackendNotFound", format!("Service {key} not found")));
    };
    let has_port = service.spec.ports.iter().any(|port| Some(port.port) == backend.port);
    (!has_port).then(|| ("BackendNotFound", format!("Service {key} has no port {}", backend.port.unwrap_or(0))))
}

/// The Service of a backend of a route in this namespace.
pub(crate) fn backend_key(namespace: &str, backend: &HTTPBackendRef) -> ObjectKey {
    let namespace = if backend.namespace.is_empty() { namespace } else { &backend.namespace };
    ObjectKey::new(namespace, backend.name.as_str())
}

/// Whether all backends of a route are there.
fn resolved(view: View<'_>, route: &HttpRoute) -> Condition {
    let mut backends = route.spec.rules.iter().flat_map(|rule| &rule.backend_refs);
    match backends.find_map(|backend| invalid_backend(view, &route.metadata().namespace, backend)) {
        Some((reason, message)) => Condition::no("ResolvedRefs", reason, message),
        None => Condition::yes("ResolvedRefs", "ResolvedRefs", "All references are resolved"),
    }
}

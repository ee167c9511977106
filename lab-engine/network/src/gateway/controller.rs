//! The component: watches, writes statuses, and takes requests at the addresses of the Gateways.

use super::filters::{self, Spread};
use super::hosts;
use super::matching::{Hit, best};
use super::plan::{GatewayPlan, ListenerPlan, Plan, View, plan};
use super::routes::{HttpRoute, backend_key, invalid_backend};
use super::status::{Target, writes};
use super::types::{
    CustomKind, Gateway, GatewayClass, GatewayClassSpec, GatewaySpec, HTTPBackendRef, HTTPHeaderFilter, HTTPRouteRule, HTTPRouteSpec,
    ReferenceGrant, ReferenceGrantSpec,
};
use crate::reverse_proxy::{Learned, ReverseProxy, certificate, forwarded, host_name, page, redirect};
use api::core::Namespace;
use client::dial::{Caller, Dial, DialError, HttpCall, Payload, Reply, Trust};
use client::{Component, Informer, Input, ListOptions, ObjectKey, Outbox, Reflected, Reflector, RequestId};
use sim::{ObjectRef, PacketStep, Rng, Time};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// How long it waits before it looks again at what it could not write.
const RETRY: Duration = Duration::from_secs(1);

/// The most spreads that are remembered; beyond that all begin anew.
const MAX_SPREADS: usize = 4_096;

/// The controller, and the proxies of its Gateways.
#[derive(Debug)]
pub struct GatewayController {
    agent: Arc<str>,
    addresses: Vec<Ipv4Addr>,
    classes: Informer<GatewayClass>,
    gateways: Informer<Gateway>,
    routes: Informer<HttpRoute>,
    grants: Informer<ReferenceGrant>,
    namespaces: Informer<Namespace>,
    proxy: ReverseProxy<Vec<HTTPHeaderFilter>>,
    started: bool,
    plan: Arc<Plan>,
    /// Statuses that are being written.
    writing: BTreeMap<RequestId, Target>,
    retry_at: Option<Time>,
    /// How the requests that met a rule, by route and place, are spread over its backends.
    spreads: BTreeMap<(ObjectKey, usize), Spread>,
}

/// What becomes of a request.
#[derive(Debug)]
enum Outcome {
    /// It goes on, so changed, to this endpoint; the headers of the answer are changed, too.
    To(SocketAddr, Box<HttpCall>, Vec<HTTPHeaderFilter>),
    /// It is answered here.
    Status(u16),
    /// The client is sent elsewhere.
    Redirect(u16, String),
    /// Its client does not believe the certificate.
    Untrusted,
}

fn informer<S: CustomKind, R: Reflected>(agent: &Arc<str>, rng: &Rng) -> Informer<R> {
    Informer::of(Reflector::of_kind(S::kind(), ListOptions::default(), agent.clone(), rng.stream(S::NAMES[1])))
}

impl GatewayController {
    /// A controller whose load balancer has these addresses for Gateways.
    pub fn new(addresses: Vec<Ipv4Addr>, rng: &Rng) -> Self {
        let agent: Arc<str> = "gateway-controller".into();
        GatewayController {
            addresses,
            classes: informer::<GatewayClassSpec, _>(&agent, rng),
            gateways: informer::<GatewaySpec, _>(&agent, rng),
            routes: informer::<HTTPRouteSpec, _>(&agent, rng),
            grants: informer::<ReferenceGrantSpec, _>(&agent, rng),
            namespaces: Informer::new(ListOptions::default(), agent.clone(), rng.stream("namespaces")),
            proxy: ReverseProxy::new(&agent, rng),
            agent,
            started: false,
            plan: Arc::default(),
            writing: BTreeMap::new(),
            retry_at: None,
            spreads: BTreeMap::new(),
        }
    }

    fn start(&mut self, now: Time, out: &mut Outbox) {
        self.classes.start(now, out);
        self.gateways.start(now, out);
        self.routes.start(now, out);
        self.grants.start(now, out);
        self.namespaces.start(now, out);
        self.proxy.start(now, out);
    }

    fn has_synced(&self) -> bool {
        self.classes.has_synced()
            && self.gateways.has_synced()
            && self.routes.has_synced()
            && self.grants.has_synced()
            && self.namespaces.has_synced()
            && self.proxy.has_synced()
    }

    fn view(&self) -> View<'_> {
        View {
            classes: self.classes.lister(),
            gateways: self.gateways.lister(),
            routes: self.routes.lister(),
            grants: self.grants.lister(),
            namespaces: self.namespaces.lister(),
            services: self.proxy.services(),
            secrets: self.proxy.secrets(),
            addresses: &self.addresses,
        }
    }

    /// Looks at everything again and writes the statuses that changed.
    fn reconcile(&mut self, now: Time, out: &mut Outbox) {
        let plan = plan(self.view());
        for (target, request) in writes(&plan, now) {
            if self.writing.values().any(|other| *other == target) {
                // The answer to that write may come after the last event.
                self.retry_at.get_or_insert(now + RETRY);
            } else {
                self.writing.insert(out.request(request.agent(&self.agent)), target);
            }
        }
        self.plan = Arc::new(plan);
    }

    /// Whether a client believes one of a listener's certificates.
    fn believed(&self, listener: &ListenerPlan, trust: &Trust) -> bool {
        let mut certificates = listener.certificates.iter().filter_map(|key| certificate(self.proxy.secrets(), key));
        certificates.any(|pem| trust.believes(&pem))
    }

    /// Decides on a request that came to a port of a Gateway on which it listens.
    fn decide(&mut self, gateway: &GatewayPlan, port: u16, call: &HttpCall, client: IpAddr) -> Outcome {
        let listener = listener_for(gateway, port, call);
        if let Some(trust) = &call.tls
            && *trust != Trust::Any
            && !listener.is_some_and(|listener| self.believed(listener, trust))
        {
            return Outcome::Untrusted;
        }
        let Some(hit) = listener.and_then(|listener| best(&listener.routes, call)) else { return Outcome::Status(404) };
        let HTTPRouteRule { filters, backend_refs: backends, .. } = &hit.rule.spec;
        if let Some((status, location)) = filters::redirection(filters, call, hit.prefix, port) {
            return Outcome::Redirect(status, location);
        }
        let Some(backend) = self.next_backend(&hit, backends) else { return Outcome::Status(500) };
        if let Some((status, location)) = filters::redirection(&backend.filters, call, hit.prefix, port) {
            return Outcome::Redirect(status, location);
        }
        let service = backend_key(&hit.route.key.namespace, backend);
        let Some(endpoint) = self.proxy.next_endpoint(&service, |own| Some(own.port) == backend.port) else { return Outcome::Status(503) };
        let all = || filters.iter().chain(&backend.filters);
        let mut onward = forwarded(call, client);
        filters::change_request(all(), &mut onward, hit.prefix);
        Outcome::To(endpoint, Box::new(onward), filters::response_changes(all()))
    }

    /// The backend to which the next request goes that meets a rule; `None` when that one cannot be used, or there is none.
    fn next_backend<'a>(&mut self, hit: &Hit<'_>, backends: &'a [HTTPBackendRef]) -> Option<&'a HTTPBackendRef> {
        if self.spreads.len() >= MAX_SPREADS {
            self.spreads.clear();
        }
        let spread = self.spreads.entry((hit.route.key.clone(), hit.index)).or_default();
        let backend = spread.next(backends).and_then(|at| backends.get(at))?;
        invalid_backend(self.view(), &hit.route.key.namespace, backend).is_none().then_some(backend)
    }

    fn incoming(&mut self, caller: Caller, dial: &Dial, out: &mut Outbox) {
        let plan = self.plan.clone();
        let (ip, port) = (dial.destination.ip(), dial.destination.port());
        let Some(gateway) = plan.gateways.iter().find(|gateway| gateway.address == Some(ip)) else {
            // The load balancer has the address, and gave it to nobody: nobody answers.
            let step = PacketStep::Dropped { reason: "no Gateway has this address".into(), isolation: None };
            return dial.hop(step).into_iter().for_each(|hop| out.trace(hop));
        };
        let metadata = gateway.gateway.metadata();
        let at = ObjectRef::new("Gateway", metadata.namespace.as_str(), metadata.name.as_str());
        dial.hop(PacketStep::Arrived { at }).into_iter().for_each(|hop| out.trace(hop));
        let listener = gateway.listeners.iter().find(|listener| listener.usable && listener.port == port && !dial.udp);
        let Some(listener) = listener else { return out.answer(caller, Err(DialError::Refused)) };
        let call = match &dial.payload {
            Payload::Http(call) if call.tls.is_some() == listener.tls => call,
            Payload::Http(_) if listener.tls => return out.answer(caller, Ok(page(400))),
            _ => return out.answer(caller, Ok(Reply::Connected)),
        };
        match self.decide(gateway, port, call, dial.source) {
            Outcome::Untrusted => out.answer(caller, Ok(Reply::Untrusted)),
            Outcome::Status(status) => out.answer(caller, Ok(page(status))),
            Outcome::Redirect(status, location) => out.answer(caller, Ok(redirect(status, location))),
            Outcome::To(endpoint, onward, changes) => {
                if !self.proxy.send(ip, caller, changes, *onward, endpoint, out) {
                    out.answer(caller, Ok(page(503)));
                }
            }
        }
    }
}

/// The listener that a request is for: of those with the port the one whose hostname fits best.
fn listener_for<'a>(gateway: &'a GatewayPlan, port: u16, call: &HttpCall) -> Option<&'a ListenerPlan> {
    let host = host_name(call.header("Host").unwrap_or_default()).to_ascii_lowercase();
    let listening = gateway.listeners.iter().filter(|listener| listener.usable && listener.port == port);
    let fitting = listening.filter_map(|listener| hosts::fit(&listener.hostname, &host).map(|fit| (fit, listener)));
    fitting.max_by_key(|(fit, _)| *fit).map(|(_, listener)| listener)
}

/// An answer with changed headers.
fn changed(reply: Reply, changes: &[HTTPHeaderFilter]) -> Reply {
    let Reply::Http { status, server, mut headers, body, delay } = reply else { return reply };
    if !server.is_empty() {
        headers.insert(0, ("Server".to_owned(), server));
    }
    changes.iter().for_each(|change| filters::change_headers(change, &mut headers));
    let at = headers.iter().position(|(name, _)| name.eq_ignore_ascii_case("Server"));
    let server = at.map(|at| headers.remove(at).1).unwrap_or_default();
    Reply::Http { status, server, headers, body, delay }
}

impl Component for GatewayController {
    fn handle(&mut self, now: Time, input: Input, out: &mut Outbox) {
        if !std::mem::replace(&mut self.started, true) {
            self.start(now, out);
        }
        let of_kinds = self.classes.handle(now, &input, out).is_some()
            || self.gateways.handle(now, &input, out).is_some()
            || self.routes.handle(now, &input, out).is_some()
            || self.grants.handle(now, &input, out).is_some()
            || self.namespaces.handle(now, &input, out).is_some();
        let changed_kinds = of_kinds || self.proxy.handle(now, &input, out) == Some(Learned::Configuration);
        match input {
            Input::Incoming(caller, dial) => self.incoming(caller, &dial, out),
            Input::Dialed(call, answer) => {
                if let Some((caller, changes, reply)) = self.proxy.answered(call, answer) {
                    out.answer(caller, Ok(changed(reply, &changes)));
                }
            }
            Input::Response(id, answer) => {
                let written = self.writing.remove(&id).is_some();
                if written && !answer.is_ok_and(|response| response.result.is_ok()) {
                    self.retry_at = Some(now + RETRY);
                }
            }
            _ => {}
        }
        let again = self.retry_at.take_if(|at| *at <= now).is_some();
        if (changed_kinds || again) && self.has_synced() {
            self.reconcile(now, out);
        }
    }

    fn next_wake(&self) -> Option<Time> {
        let parts = [
            self.classes.next_wake(),
            self.gateways.next_wake(),
            self.routes.next_wake(),
            self.grants.next_wake(),
            self.namespaces.next_wake(),
            self.proxy.next_wake(),
            self.retry_at,
        ];
        parts.into_iter().flatten().min()
    }
}

//! A controller of Ingresses: takes HTTP requests at an address of its own and sends them to Pods, as the rules of Ingresses say.
//!
//! It acts on the Ingresses of the IngressClasses whose `spec.controller` is one of [`INGRESS_CONTROLLERS`], and on those with the older
//! annotation `kubernetes.io/ingress.class: nginx`. Into the status of each it writes its address. Requests go to endpoints straight, one after
//! the other, past kube-proxy. It models ingress-nginx:
//!
//! | request | answer |
//! | --- | --- |
//! | no rule matches, and there is no default backend | 404 |
//! | the backend's Service, its port or a ready endpoint is not there | 503 |
//! | the endpoint refuses, or speaks no HTTP | 502 |
//! | the endpoint does not answer in time | 504 |
//! | plain HTTP for a host that is served over TLS | 308 |
//!
//! **Simplified here:** it runs beside the Pods and not in one, so that NetworkPolicies know it by its address alone; no annotations
//! (`rewrite-target` and its kin); a certificate is believed by who names the Secret's `tls.crt` itself.

use crate::addr::{IpFamily, Protocol};
use crate::ingress::route;
use crate::proxy::{ServicePortName, endpoints_of};
use api::Resource;
use api::core::{LoadBalancerIngress, Secret, Service};
use api::discovery::EndpointSlice;
use api::http::{Body, Method, Request, ResourcePath};
use api::networking::{Ingress, IngressBackend, IngressClass};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use client::dial::{CallId, Caller, Dial, DialError, HttpCall, Payload, Reply, Trust};
use client::{Component, Informer, Input, ListOptions, ObjectKey, Outbox, RequestId};
use sim::{ObjectRef, PacketStep, Rng, Time};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// The controllers of IngressClasses that this one is.
pub const INGRESS_CONTROLLERS: [&str; 2] = ["clusterbook.dev/ingress", "k8s.io/ingress-nginx"];

/// The annotation that named a class before there were IngressClasses, and the class that it must name.
const CLASS_ANNOTATION: (&str, &str) = ("kubernetes.io/ingress.class", "nginx");

/// How long it waits for an endpoint (`proxy-connect-timeout`).
const PATIENCE: Duration = Duration::from_secs(5);

/// How long it waits before it writes a status again that could not be written.
const RETRY: Duration = Duration::from_secs(1);

/// How many requests it has under way; more are not answered.
const MAX_WAITING: usize = 1_024;

/// The first port from which it calls endpoints.
const FIRST_PORT: u16 = 32_768;

/// The controller.
#[derive(Debug)]
pub struct IngressController {
    address: IpAddr,
    agent: Arc<str>,
    ingresses: Informer<Ingress>,
    classes: Informer<IngressClass>,
    services: Informer<Service>,
    slices: Informer<EndpointSlice>,
    secrets: Informer<Secret>,
    started: bool,
    /// Statuses that are being written.
    writing: BTreeMap<RequestId, ObjectKey>,
    retry_at: Option<Time>,
    /// Who waits for the answer of an endpoint.
    waiting: BTreeMap<CallId, Caller>,
    /// The next endpoint of each port of a Service.
    turns: BTreeMap<ServicePortName, usize>,
    next_port: u16,
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    /// It goes to this endpoint.
    To(SocketAddr),
    /// It is answered here.
    Status(u16),
    /// Its client does not believe the certificate.
    Untrusted,
}

impl IngressController {
    /// A controller with this address.
    pub fn new(address: IpAddr, rng: &Rng) -> Self {
        let agent: Arc<str> = "nginx-ingress-controller".into();
        let all = ListOptions::default;
        let tls = ListOptions { field_selector: "type=kubernetes.io/tls".to_owned(), ..all() };
        IngressController {
            address,
            ingresses: Informer::new(all(), agent.clone(), rng.stream("ingresses")),
            classes: Informer::new(all(), agent.clone(), rng.stream("ingressclasses")),
            services: Informer::new(all(), agent.clone(), rng.stream("services")),
            slices: Informer::new(all(), agent.clone(), rng.stream("endpointslices")),
            secrets: Informer::new(tls, agent.clone(), rng.stream("secrets")),
            agent,
            started: false,
            writing: BTreeMap::new(),
            retry_at: None,
            waiting: BTreeMap::new(),
            turns: BTreeMap::new(),
            next_port: FIRST_PORT,
        }
    }

    fn has_synced(&self) -> bool {
        self.ingresses.has_synced()
            && self.classes.has_synced()
            && self.services.has_synced()
            && self.slices.has_synced()
            && self.secrets.has_synced()
    }

    /// Whether the controller acts on an Ingress.
    fn is_own(&self, ingress: &Ingress) -> bool {
        let annotated = || ingress.metadata.annotations.get(CLASS_ANNOTATION.0).is_some_and(|class| class == CLASS_ANNOTATION.1);
        match &ingress.spec.ingress_class_name {
            Some(name) => {
                let class = self.classes.lister().get(&ObjectKey::new("", name.as_str()));
                class.is_some_and(|class| INGRESS_CONTROLLERS.contains(&class.spec.controller.as_str()))
            }
            None => annotated(),
        }
    }

    /// Its Ingresses, oldest first.
    fn own(&self) -> Vec<&Ingress> {
        let mut own: Vec<&Ingress> =
            self.ingresses.lister().list().map(|ingress| &**ingress).filter(|ingress| self.is_own(ingress)).collect();
        own.sort_by_key(|ingress| ingress.metadata.creation_timestamp);
        own
    }

    /// Writes its address into the status of each of its Ingresses that lacks it.
    fn write_statuses(&mut self, out: &mut Outbox) {
        let wanted = vec![LoadBalancerIngress { ip: self.address.to_string(), ..LoadBalancerIngress::default() }];
        let under_way: BTreeSet<&ObjectKey> = self.writing.values().collect();
        let lacking = self.own().into_iter().filter(|ingress| ingress.status.load_balancer.ingress != wanted);
        let lacking: Vec<Ingress> = lacking.filter(|ingress| !under_way.contains(&ObjectKey::of(*ingress))).cloned().collect();
        for mut ingress in lacking {
            let key = ObjectKey::of(&ingress);
            ingress.status.load_balancer.ingress = wanted.clone();
            let path = ResourcePath::object(Ingress::INFO, &ingress.metadata.namespace, &ingress.metadata.name).with_subresource("status");
            let request = Request::new(Method::Put, path).body(Body::Object(ingress.into())).agent(&self.agent);
            self.writing.insert(out.request(request), key);
        }
    }

    /// Decides on a request.
    fn decide(&mut self, call: &HttpCall) -> Outcome {
        let host = call.header("Host").unwrap_or_default().to_owned();
        let own = self.own();
        let certificate = self.certificate(&own, &host);
        if call.tls.as_ref().is_some_and(|trust| *trust != Trust::Any && !certificate.as_deref().is_some_and(|pem| trust.believes(pem))) {
            return Outcome::Untrusted;
        }
        let Some(routed) = route(own.iter().copied(), &host, &call.path) else { return Outcome::Status(404) };
        if call.tls.is_none() && routed.matched && served_over_tls(routed.ingress, &host) {
            return Outcome::Status(308);
        }
        match self.endpoints(&routed.ingress.metadata.namespace, routed.backend) {
            Some((port, endpoints)) if !endpoints.is_empty() => {
                let turn = self.turns.entry(port).or_default();
                *turn = turn.wrapping_add(1);
                Outcome::To(endpoints[(*turn - 1) % endpoints.len()])
            }
            _ => Outcome::Status(503),
        }
    }

    /// The certificate for a host: that of the first Ingress that names a Secret for it which is there.
    fn certificate(&self, own: &[&Ingress], host: &str) -> Option<String> {
        let entries = own.iter().flat_map(|ingress| ingress.spec.tls.iter().map(move |tls| (ingress, tls)));
        let mut of_host = entries.filter(|(_, tls)| tls.hosts.iter().any(|own| covers(own, host)));
        of_host.find_map(|(ingress, tls)| {
            let secret = self.secrets.lister().get(&ObjectKey::new(ingress.metadata.namespace.as_str(), tls.secret_name.as_str()))?;
            let encoded = secret.data.get("tls.crt")?;
            String::from_utf8(STANDARD.decode(encoded.as_bytes()).ok()?).ok()
        })
    }

    /// The port of a Service that a backend names, and where its requests go: its ready endpoints, or those that still serve.
    fn endpoints(&self, namespace: &str, backend: &IngressBackend) -> Option<(ServicePortName, Vec<SocketAddr>)> {
        let wanted = backend.service.as_ref()?;
        let service = self.services.lister().get(&ObjectKey::new(namespace, wanted.name.as_str()))?;
        let port = service
            .spec
            .ports
            .iter()
            .find(|port| if wanted.port.name.is_empty() { port.port == wanted.port.number } else { port.name == wanted.port.name })?;
        let name = ServicePortName {
            namespace: namespace.to_owned(),
            name: wanted.name.clone(),
            port: port.name.clone(),
            protocol: Protocol::parse(&port.protocol)?,
        };
        let slices = self.slices.lister().list_namespace(namespace).map(|slice| &**slice);
        let all = endpoints_of(slices, IpFamily::V4, "").remove(&name).unwrap_or_default();
        let with = |usable: fn(&crate::proxy::Endpoint) -> bool| -> Vec<SocketAddr> {
            all.iter().filter(|endpoint| usable(endpoint)).map(|endpoint| endpoint.address).collect()
        };
        let ready = with(|endpoint| endpoint.ready);
        Some((name, if ready.is_empty() { with(|endpoint| endpoint.serving && endpoint.terminating) } else { ready }))
    }

    fn incoming(&mut self, caller: Caller, dial: &Dial, out: &mut Outbox) {
        let at = ObjectRef::new("Server", "", "ingress-controller");
        dial.hop(PacketStep::Arrived { at }).into_iter().for_each(|hop| out.trace(hop));
        let call = match (&dial.payload, dial.destination.port(), dial.udp) {
            (Payload::Http(call), 80, false) if call.tls.is_none() => call,
            (Payload::Http(call), 443, false) if call.tls.is_some() => call,
            (Payload::Http(_), 443, false) => return out.answer(caller, Ok(page(400))),
            (_, 80 | 443, false) => return out.answer(caller, Ok(Reply::Connected)),
            _ => return out.answer(caller, Err(DialError::Refused)),
        };
        if call.path == "/healthz" {
            return out.answer(caller, Ok(Reply::Http { status: 200, server: String::new(), body: String::new(), delay: Duration::ZERO }));
        }
        match self.decide(call) {
            Outcome::Untrusted => out.answer(caller, Ok(Reply::Untrusted)),
            Outcome::Status(status) => out.answer(caller, Ok(page(status))),
            Outcome::To(_) if self.waiting.len() >= MAX_WAITING => out.answer(caller, Ok(page(503))),
            Outcome::To(endpoint) => {
                let payload = Payload::Http(Box::new(forwarded(call, dial.source)));
                let mut onward = Dial::new(self.address, endpoint, false, payload, PATIENCE);
                onward.source_port = self.next_port;
                self.next_port = if self.next_port == u16::MAX { FIRST_PORT } else { self.next_port + 1 };
                self.waiting.insert(out.dial(onward), caller);
            }
        }
    }
}

/// Whether an Ingress serves a host over TLS.
fn served_over_tls(ingress: &Ingress, host: &str) -> bool {
    ingress.spec.tls.iter().any(|tls| tls.hosts.iter().any(|own| covers(own, host)))
}

/// Whether a name of a certificate covers a host, which may have a port.
fn covers(name: &str, host: &str) -> bool {
    let host = host.split(':').next().unwrap_or_default().to_ascii_lowercase();
    let name = name.to_ascii_lowercase();
    match name.strip_prefix("*.") {
        Some(suffix) => host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == suffix),
        None => name == host,
    }
}

/// A request as it goes on, with the headers that say where it came from.
fn forwarded(call: &HttpCall, client: IpAddr) -> HttpCall {
    let mut onward = HttpCall { tls: None, ..call.clone() };
    let own = ["X-Real-IP", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Scheme"];
    onward.headers.retain(|(name, _)| !own.iter().any(|known| known.eq_ignore_ascii_case(name)));
    let scheme = if call.tls.is_some() { "https" } else { "http" };
    let host = call.header("Host").unwrap_or_default().to_owned();
    let values = [client.to_string(), client.to_string(), host, scheme.to_owned(), scheme.to_owned()];
    onward.headers.extend(own.map(str::to_owned).into_iter().zip(values));
    onward
}

/// A page that tells a status.
fn page(status: u16) -> Reply {
    let title = match status {
        308 => "308 Permanent Redirect",
        400 => "400 The plain HTTP request was sent to HTTPS port",
        404 => "404 Not Found",
        502 => "502 Bad Gateway",
        504 => "504 Gateway Time-out",
        _ => "503 Service Temporarily Unavailable",
    };
    let body = format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    );
    Reply::Http { status, server: "nginx".to_owned(), body, delay: Duration::ZERO }
}

/// What an endpoint's answer becomes.
fn relayed(answer: Result<Box<Reply>, DialError>) -> Reply {
    match answer.map(|reply| *reply) {
        Ok(reply @ Reply::Http { .. }) => reply,
        Err(DialError::TimedOut) => page(504),
        _ => page(502),
    }
}

impl Component for IngressController {
    fn handle(&mut self, now: Time, input: Input, out: &mut Outbox) {
        if !std::mem::replace(&mut self.started, true) {
            self.ingresses.start(now, out);
            self.classes.start(now, out);
            self.services.start(now, out);
            self.slices.start(now, out);
            self.secrets.start(now, out);
        }
        let of_rules = self.ingresses.handle(now, &input, out).is_some() || self.classes.handle(now, &input, out).is_some();
        let mine = of_rules
            || self.services.handle(now, &input, out).is_some()
            || self.slices.handle(now, &input, out).is_some()
            || self.secrets.handle(now, &input, out).is_some();
        match input {
            Input::Incoming(caller, dial) => self.incoming(caller, &dial, out),
            Input::Dialed(call, answer) => {
                if let Some(caller) = self.waiting.remove(&call) {
                    out.answer(caller, Ok(relayed(answer)));
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
        if (of_rules || (mine && self.has_synced()) || again) && self.retry_at.is_none() && self.has_synced() {
            self.write_statuses(out);
        }
    }

    fn next_wake(&self) -> Option<Time> {
        let informers = [
            self.ingresses.next_wake(),
            self.classes.next_wake(),
            self.services.next_wake(),
            self.slices.next_wake(),
            self.secrets.next_wake(),
        ];
        informers.into_iter().flatten().chain(self.retry_at).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_cover_hosts_and_one_label() {
        assert!(covers("shop.example", "SHOP.example:443") && covers("*.shop.example", "www.shop.example"));
        assert!(!covers("*.shop.example", "a.b.shop.example") && !covers("*.shop.example", "shop.example"));
    }

    #[test]
    fn an_endpoint_that_fails_is_a_bad_gateway() {
        let status = |answer| match relayed(answer) {
            Reply::Http { status, .. } => status,
            _ => 0,
        };
        let ok = Reply::Http { status: 418, server: String::new(), body: String::new(), delay: Duration::ZERO };
        assert_eq!(status(Ok(Box::new(ok))), 418);
        assert_eq!([Ok(Box::new(Reply::Connected)), Err(DialError::Refused), Err(DialError::TimedOut)].map(status), [502, 502, 504]);
    }
}

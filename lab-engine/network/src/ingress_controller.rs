//! A controller of Ingresses: takes HTTP requests at an address of its own and sends them to Pods, as the rules of Ingresses say.
//!
//! It acts on the Ingresses of the IngressClasses whose `spec.controller` is one of [`INGRESS_CONTROLLERS`], and on those with the older
//! annotation `kubernetes.io/ingress.class: nginx`. Into the status of each it writes its address. Requests go to endpoints straight, one after
//! the other (`reverse_proxy`). It models ingress-nginx:
//!
//! | request | answer |
//! | --- | --- |
//! | no rule matches, and there is no default backend | 404 |
//! | the backend's Service, its port or a ready endpoint is not there | 503 |
//! | plain HTTP for a host that is served over TLS | 308 |
//!
//! **Simplified here:** it runs beside the Pods and not in one, so that NetworkPolicies know it by its address alone; no annotations
//! (`rewrite-target` and its kin).

use crate::ingress::route;
use crate::reverse_proxy::{ReverseProxy, certificate, forwarded, host_name, page, redirect};
use api::Resource;
use api::core::{LoadBalancerIngress, ServicePort};
use api::http::{Body, Method, Request, ResourcePath};
use api::networking::{Ingress, IngressClass};
use client::dial::{Caller, Dial, DialError, HttpCall, Payload, Reply, Trust};
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

/// How long it waits before it writes a status again that could not be written.
const RETRY: Duration = Duration::from_secs(1);

/// The controller.
#[derive(Debug)]
pub struct IngressController {
    address: IpAddr,
    agent: Arc<str>,
    ingresses: Informer<Ingress>,
    classes: Informer<IngressClass>,
    proxy: ReverseProxy<()>,
    started: bool,
    /// Statuses that are being written.
    writing: BTreeMap<RequestId, ObjectKey>,
    retry_at: Option<Time>,
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    /// It goes to this endpoint.
    To(SocketAddr),
    /// It is answered here.
    Status(u16),
    /// It is to be asked here, over TLS.
    ToHttps(String),
    /// Its client does not believe the certificate.
    Untrusted,
}

impl IngressController {
    /// A controller with this address.
    pub fn new(address: IpAddr, rng: &Rng) -> Self {
        let agent: Arc<str> = "nginx-ingress-controller".into();
        let all = ListOptions::default;
        IngressController {
            address,
            ingresses: Informer::new(all(), agent.clone(), rng.stream("ingresses")),
            classes: Informer::new(all(), agent.clone(), rng.stream("ingressclasses")),
            proxy: ReverseProxy::new(&agent, rng),
            agent,
            started: false,
            writing: BTreeMap::new(),
            retry_at: None,
        }
    }

    fn has_synced(&self) -> bool {
        self.ingresses.has_synced() && self.classes.has_synced() && self.proxy.has_synced()
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
            return Outcome::ToHttps(format!("https://{}{}", host_name(&host), call.path));
        }
        let Some(wanted) = &routed.backend.service else { return Outcome::Status(503) };
        let service = ObjectKey::new(routed.ingress.metadata.namespace.as_str(), wanted.name.as_str());
        let wanted = wanted.port.clone();
        let is_port = |port: &ServicePort| if wanted.name.is_empty() { port.port == wanted.number } else { port.name == wanted.name };
        self.proxy.next_endpoint(&service, is_port).map_or(Outcome::Status(503), Outcome::To)
    }

    /// The certificate for a host: that of the first Ingress that names a Secret for it which is there.
    fn certificate(&self, own: &[&Ingress], host: &str) -> Option<String> {
        let entries = own.iter().flat_map(|ingress| ingress.spec.tls.iter().map(move |tls| (ingress, tls)));
        let mut of_host = entries.filter(|(_, tls)| tls.hosts.iter().any(|own| covers(own, host)));
        of_host.find_map(|(ingress, tls)| {
            let key = ObjectKey::new(ingress.metadata.namespace.as_str(), tls.secret_name.as_str());
            certificate(self.proxy.secrets(), &key)
        })
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
            return out.answer(
                caller,
                Ok(Reply::Http { status: 200, server: String::new(), headers: Vec::new(), body: String::new(), delay: Duration::ZERO }),
            );
        }
        match self.decide(call) {
            Outcome::Untrusted => out.answer(caller, Ok(Reply::Untrusted)),
            Outcome::Status(status) => out.answer(caller, Ok(page(status))),
            Outcome::ToHttps(location) => out.answer(caller, Ok(redirect(308, location))),
            Outcome::To(endpoint) => {
                let onward = forwarded(call, dial.source);
                if !self.proxy.send(self.address, caller, (), onward, endpoint, out) {
                    out.answer(caller, Ok(page(503)));
                }
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

impl Component for IngressController {
    fn handle(&mut self, now: Time, input: Input, out: &mut Outbox) {
        if !std::mem::replace(&mut self.started, true) {
            self.ingresses.start(now, out);
            self.classes.start(now, out);
            self.proxy.start(now, out);
        }
        let of_rules = self.ingresses.handle(now, &input, out).is_some() || self.classes.handle(now, &input, out).is_some();
        let mine = of_rules || self.proxy.handle(now, &input, out).is_some();
        match input {
            Input::Incoming(caller, dial) => self.incoming(caller, &dial, out),
            Input::Dialed(call, answer) => {
                if let Some((caller, (), reply)) = self.proxy.answered(call, answer) {
                    out.answer(caller, Ok(reply));
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
        let parts = [self.ingresses.next_wake(), self.classes.next_wake(), self.proxy.next_wake(), self.retry_at];
        parts.into_iter().flatten().min()
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
}

//! The HTTP proxy that the controllers of Ingresses and of Gateways are: requests come in, and go on to endpoints of Services, past kube-proxy.
//!
//! Which Service a request goes to is the controller's business; this part knows its endpoints from EndpointSlices, takes one after the other,
//! calls it, and makes an answer of what comes back. It answers as nginx does:
//!
//! | what happens | answer |
//! | --- | --- |
//! | the endpoint refuses, or speaks no HTTP | 502 |
//! | the endpoint does not answer in time | 504 |
//!
//! **Simplified here:** a certificate is believed by who names the Secret's `tls.crt` itself.

use crate::addr::{IpFamily, Protocol};
use crate::proxy::{Endpoint, ServicePortName, endpoints_of};
use api::core::{Secret, Service, ServicePort};
use api::discovery::EndpointSlice;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use client::dial::{CallId, Caller, Dial, DialError, HttpCall, Payload, Reply};
use client::{Indexer, Informer, Input, ListOptions, ObjectKey, Outbox};
use sim::{Rng, Time};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// How long it waits for an endpoint (`proxy-connect-timeout`).
const PATIENCE: Duration = Duration::from_secs(5);

/// How many requests it has under way; more are not answered.
const MAX_WAITING: usize = 1_024;

/// The first port from which it calls endpoints.
const FIRST_PORT: u16 = 32_768;

/// A proxy, which remembers an `N` of each request under way.
#[derive(Debug)]
pub(crate) struct ReverseProxy<N> {
    services: Informer<Service>,
    slices: Informer<EndpointSlice>,
    secrets: Informer<Secret>,
    /// Who waits for the answer of an endpoint.
    waiting: BTreeMap<CallId, (Caller, N)>,
    /// The next endpoint of each port of a Service.
    turns: BTreeMap<ServicePortName, usize>,
    next_port: u16,
}

/// What an input was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Learned {
    /// A Service or a certificate: something that decides where requests go.
    Configuration,
    /// Endpoints.
    Endpoints,
}

impl<N> ReverseProxy<N> {
    /// A proxy that watches nothing yet.
    pub(crate) fn new(agent: &Arc<str>, rng: &Rng) -> Self {
        let all = ListOptions::default;
        let tls = ListOptions { field_selector: "type=kubernetes.io/tls".to_owned(), ..all() };
        ReverseProxy {
            services: Informer::new(all(), agent.clone(), rng.stream("services")),
            slices: Informer::new(all(), agent.clone(), rng.stream("endpointslices")),
            secrets: Informer::new(tls, agent.clone(), rng.stream("secrets")),
            waiting: BTreeMap::new(),
            turns: BTreeMap::new(),
            next_port: FIRST_PORT,
        }
    }

    pub(crate) fn start(&mut self, now: Time, out: &mut Outbox) {
        self.services.start(now, out);
        self.slices.start(now, out);
        self.secrets.start(now, out);
    }

    pub(crate) fn has_synced(&self) -> bool {
        self.services.has_synced() && self.slices.has_synced() && self.secrets.has_synced()
    }

    pub(crate) fn next_wake(&self) -> Option<Time> {
        [self.services.next_wake(), self.slices.next_wake(), self.secrets.next_wake()].into_iter().flatten().min()
    }

    /// Applies an input; `None` when it is not for this part.
    pub(crate) fn handle(&mut self, now: Time, input: &Input, out: &mut Outbox) -> Option<Learned> {
        if self.services.handle(now, input, out).is_some() || self.secrets.handle(now, input, out).is_some() {
            return Some(Learned::Configuration);
        }
        self.slices.handle(now, input, out).map(|_| Learned::Endpoints)
    }

    /// The Services.
    pub(crate) fn services(&self) -> &Indexer<Service> {
        self.services.lister()
    }

    /// The Secrets with certificates.
    pub(crate) fn secrets(&self) -> &Indexer<Secret> {
        self.secrets.lister()
    }

    /// The next of the endpoints of a Service's port: of those that are ready, or else of those that still serve. `None` when there is none,
    /// or no such port.
    pub(crate) fn next_endpoint(&mut self, service: &ObjectKey, is_port: impl Fn(&ServicePort) -> bool) -> Option<SocketAddr> {
        let found = self.services.lister().get(service)?;
        let port = found.spec.ports.iter().find(|port| is_port(port))?;
        let name = ServicePortName {
            namespace: service.namespace.clone(),
            name: service.name.clone(),
            port: port.name.clone(),
            protocol: Protocol::parse(&port.protocol)?,
        };
        let slices = self.slices.lister().list_namespace(&service.namespace).map(|slice| &**slice);
        let all = endpoints_of(slices, IpFamily::V4, "").remove(&name).unwrap_or_default();
        let with = |usable: fn(&Endpoint) -> bool| -> Vec<SocketAddr> {
            all.iter().filter(|endpoint| usable(endpoint)).map(|endpoint| endpoint.address).collect()
        };
        let ready = with(|endpoint| endpoint.ready);
        let endpoints = if ready.is_empty() { with(|endpoint| endpoint.serving && endpoint.terminating) } else { ready };
        if endpoints.is_empty() {
            return None;
        }
        let turn = self.turns.entry(name).or_default();
        *turn = turn.wrapping_add(1);
        Some(endpoints[(*turn - 1) % endpoints.len()])
    }

    /// Sends a request from `address` to an endpoint. `false` when there are too many under way.
    pub(crate) fn send(
        &mut self,
        address: IpAddr,
        caller: Caller,
        note: N,
        call: HttpCall,
        endpoint: SocketAddr,
        out: &mut Outbox,
    ) -> bool {
        if self.waiting.len() >= MAX_WAITING {
            return false;
        }
        let mut onward = Dial::new(address, endpoint, false, Payload::Http(Box::new(call)), PATIENCE);
        onward.source_port = self.next_port;
        self.next_port = if self.next_port == u16::MAX { FIRST_PORT } else { self.next_port + 1 };
        self.waiting.insert(out.dial(onward), (caller, note));
        true
    }

    /// An endpoint answered, or did not: who waits for it, what was remembered, and the answer for them.
    pub(crate) fn answered(&mut self, call: CallId, answer: Result<Box<Reply>, DialError>) -> Option<(Caller, N, Reply)> {
        self.waiting.remove(&call).map(|(caller, note)| (caller, note, relayed(answer)))
    }
}

/// The certificate that a Secret holds, in PEM.
pub(crate) fn certificate(secrets: &Indexer<Secret>, key: &ObjectKey) -> Option<String> {
    let encoded = secrets.get(key)?.data.get("tls.crt")?;
    String::from_utf8(STANDARD.decode(encoded.as_bytes()).ok()?).ok()
}

/// The host that a request is for, without a port.
pub(crate) fn host_name(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.contains(':') => name,
        _ => host,
    }
}

/// A request as it goes on, with the headers that say where it came from.
pub(crate) fn forwarded(call: &HttpCall, client: IpAddr) -> HttpCall {
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
pub(crate) fn page(status: u16) -> Reply {
    let title = match status {
        301 => "301 Moved Permanently",
        302 => "302 Found",
        303 => "303 See Other",
        307 => "307 Temporary Redirect",
        308 => "308 Permanent Redirect",
        400 => "400 The plain HTTP request was sent to HTTPS port",
        404 => "404 Not Found",
        500 => "500 Internal Server Error",
        502 => "502 Bad Gateway",
        504 => "504 Gateway Time-out",
        _ => "503 Service Temporarily Unavailable",
    };
    let body = format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    );
    Reply::Http { status, server: "nginx".to_owned(), headers: Vec::new(), body, delay: Duration::ZERO }
}

/// A page that sends the client elsewhere.
pub(crate) fn redirect(status: u16, location: String) -> Reply {
    let mut page = page(status);
    if let Reply::Http { headers, .. } = &mut page {
        headers.push(("Location".to_owned(), location));
    }
    page
}

/// What an endpoint's answer becomes.
fn relayed(answer: Result<Box<Reply>, DialError>) -> Reply {
    match answer.map(|reply| *reply) {
        Ok(reply @ Reply::Http { .. }) => reply,
        Err(DialError::TimedOut) => page(504),
        _ => page(502),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_that_fails_is_a_bad_gateway() {
        let status = |answer| match relayed(answer) {
            Reply::Http { status, .. } => status,
            _ => 0,
        };
        assert_eq!(status(Ok(Box::new(page(404)))), 404);
        assert_eq!([Ok(Box::new(Reply::Connected)), Err(DialError::Refused), Err(DialError::TimedOut)].map(status), [502, 502, 504]);
    }
}

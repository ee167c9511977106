//! Requests that the API server passes on: to a kubelet (logs, exec, attach, its own pages), or to an extension server.

use crate::aggregator;
use crate::authorization::verb;
use crate::params::Origin;
use crate::server::Output;
use api::http::{Request, ResourcePath, Response};
use api::status::Status;
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Debug)]
struct Proxy {
    client: u32,
    id: u64,
    /// What the client is told when nobody is there to pass the request on to.
    unreachable: Box<Status>,
    /// Whether text follows a successful answer: a log is followed.
    streams: bool,
}

/// The requests under way.
#[derive(Debug, Default)]
pub(crate) struct Proxies {
    proxies: BTreeMap<u64, Proxy>,
    next: u64,
}

impl Proxies {
    fn add(&mut self, client: u32, id: u64, unreachable: Status, streams: bool) -> u64 {
        self.next += 1;
        self.proxies.insert(self.next, Proxy { client, id, unreachable: Box::new(unreachable), streams });
        self.next
    }

    /// Passes a request on to the kubelet of a node.
    pub(crate) fn send(&mut self, client: u32, id: u64, node: Arc<str>, request: Request, out: &mut Vec<Output>) {
        let unreachable = Status::internal(format!("dial tcp: lookup {node} on 10.96.0.10:53: no such host"));
        let id = self.add(client, id, unreachable, request.flag("follow"));
        out.push(Output::Kubelet { node, id, request: Box::new(request) });
    }

    /// Passes a request on to the server behind a Service.
    pub(crate) fn send_to_service(
        &mut self,
        origin: &Origin,
        service: Arc<str>,
        request: Request,
        path: &ResourcePath,
        out: &mut Vec<Output>,
    ) {
        let id = self.add(origin.client, origin.id, aggregator::unavailable(verb(&request, path), path), false);
        out.push(Output::Extension { service, id, request: Box::new(request) });
    }

    /// The kubelet answers; of a log that is followed, more text comes after a success.
    pub(crate) fn answered(&mut self, number: u64, response: Response, out: &mut Vec<Output>) {
        let Some(proxy) = self.proxies.get(&number) else { return };
        let (client, id) = (proxy.client, proxy.id);
        if !proxy.streams || response.result.is_err() {
            self.proxies.remove(&number);
        }
        out.push(Output::Respond { client, id, response });
    }

    /// The kubelet sends text.
    pub(crate) fn streamed(&mut self, number: u64, text: Arc<str>, last: bool, out: &mut Vec<Output>) {
        let Some(proxy) = self.proxies.get(&number) else { return };
        out.push(Output::Stream { client: proxy.client, id: proxy.id, text, last });
        if last {
            self.proxies.remove(&number);
        }
    }

    /// There is nobody to pass it on to.
    pub(crate) fn unreachable(&mut self, number: u64, out: &mut Vec<Output>) {
        let Some(proxy) = self.proxies.remove(&number) else { return };
        out.push(Output::Respond { client: proxy.client, id: proxy.id, response: Response::from(*proxy.unreachable) });
    }

    /// The client no longer waits.
    pub(crate) fn cancel(&mut self, client: u32, id: u64) {
        self.proxies.retain(|_, proxy| (proxy.client, proxy.id) != (client, id));
    }

    /// The client is gone.
    pub(crate) fn remove_client(&mut self, client: u32) {
        self.proxies.retain(|_, proxy| proxy.client != client);
    }
}

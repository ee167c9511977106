//! Requests that the API server passes on: to a kubelet (logs, exec, attach, its own pages), or to an extension server.

use crate::aggregator;
use crate::authorization::verb;
use crate::params::Origin;
use crate::server::Output;
use api::http::{Accept, Request, ResourcePath, Response};
use api::status::Status;
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Debug)]
struct Proxy {
    client: u32,
    id: u64,
    /// What the client is told when nobody is there to pass the request on to.
    unreachable: Box<Status>,
    /// The node whose kubelet sends text after a successful answer: a log is followed, or a connection stays open.
    streams: Option<Arc<str>>,
}

/// The requests under way.
#[derive(Debug, Default)]
pub(crate) struct Proxies {
    proxies: BTreeMap<u64, Proxy>,
    next: u64,
}

impl Proxies {
    fn add(&mut self, client: u32, id: u64, unreachable: Status, streams: Option<Arc<str>>) -> u64 {
        self.next += 1;
        self.proxies.insert(self.next, Proxy { client, id, unreachable: Box::new(unreachable), streams });
        self.next
    }

    /// Passes a request on to the kubelet of a node.
    pub(crate) fn send(&mut self, client: u32, id: u64, node: Arc<str>, request: Request, out: &mut Vec<Output>) {
        let unreachable = Status::internal(format!("dial tcp: lookup {node} on 10.96.0.10:53: no such host"));
        let streams = request.flag("follow") || request.accept == Accept::Channels;
        let id = self.add(client, id, unreachable, streams.then(|| node.clone()));
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
        let id = self.add(origin.client, origin.id, aggregator::unavailable(verb(&request, path), path), None);
        out.push(Output::Extension { service, id, request: Box::new(request) });
    }

    /// The kubelet answers; of a log that is followed, more text comes after a success.
    pub(crate) fn answered(&mut self, number: u64, response: Response, out: &mut Vec<Output>) {
        let Some(proxy) = self.proxies.get(&number) else { return };
        let (client, id) = (proxy.client, proxy.id);
        if proxy.streams.is_none() || response.result.is_err() {
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

    /// The client sends a frame on a connection that is open.
    pub(crate) fn write(&mut self, client: u32, id: u64, frame: Arc<str>, out: &mut Vec<Output>) {
        let open = self.proxies.iter().find(|(_, proxy)| (proxy.client, proxy.id) == (client, id));
        if let Some((&number, Proxy { streams: Some(node), .. })) = open {
            out.push(Output::KubeletText { node: node.clone(), id: number, frame: Some(frame) });
        }
    }

    /// The client no longer waits.
    pub(crate) fn cancel(&mut self, client: u32, id: u64, out: &mut Vec<Output>) {
        self.close(|proxy| (proxy.client, proxy.id) == (client, id), out);
    }

    /// The client is gone.
    pub(crate) fn remove_client(&mut self, client: u32, out: &mut Vec<Output>) {
        self.close(|proxy| proxy.client == client, out);
    }

    /// Forgets requests; a kubelet that sends text for one is told that nobody reads it.
    fn close(&mut self, is: impl Fn(&Proxy) -> bool, out: &mut Vec<Output>) {
        self.proxies.retain(|&id, proxy| {
            let gone = is(proxy);
            if let Some(node) = proxy.streams.as_ref().filter(|_| gone) {
                out.push(Output::KubeletText { node: node.clone(), id, frame: None });
            }
            !gone
        });
    }
}

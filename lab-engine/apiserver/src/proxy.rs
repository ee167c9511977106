//! Requests that the API server passes on to a kubelet: logs, exec, attach.

use crate::server::Output;
use api::http::{Request, Response};
use api::status::Status;
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Debug)]
struct Proxy {
    client: u32,
    id: u64,
    node: Arc<str>,
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
    /// Passes a request on.
    pub(crate) fn send(&mut self, client: u32, id: u64, node: Arc<str>, request: Request, out: &mut Vec<Output>) {
        self.next += 1;
        self.proxies.insert(self.next, Proxy { client, id, node: node.clone(), streams: request.flag("follow") });
        out.push(Output::Kubelet { node, id: self.next, request: Box::new(request) });
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

    /// There is no such kubelet.
    pub(crate) fn unreachable(&mut self, number: u64, out: &mut Vec<Output>) {
        let Some(proxy) = self.proxies.remove(&number) else { return };
        let message = format!("dial tcp: lookup {} on 10.96.0.10:53: no such host", proxy.node);
        out.push(Output::Respond { client: proxy.client, id: proxy.id, response: Response::from(Status::internal(message)) });
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

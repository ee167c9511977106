//! What goes into the state machine of an API server, and what comes out.

use api::http::{Request, Response, WatchEvent};
use sim::What;
use std::sync::Arc;

/// Something that reaches the API server.
#[derive(Clone, Debug)]
pub enum Input {
    /// A time came that it asked for; also the first input of its life.
    Wake,
    /// A client asks.
    Request {
        /// The client.
        client: u32,
        /// The number of the request, unique to the client.
        id: u64,
        /// What it asks.
        request: Box<Request>,
    },
    /// A client no longer waits for an answer, or ends a watch.
    Cancel {
        /// The client.
        client: u32,
        /// The request.
        id: u64,
    },
    /// A client sends a frame on the open connection of a request.
    Write {
        /// The client.
        client: u32,
        /// The request.
        id: u64,
        /// The frame.
        frame: Arc<str>,
    },
    /// The connection of a client broke.
    Disconnected {
        /// The client.
        client: u32,
    },
    /// etcd answers, or reports changes.
    Etcd(etcd::Response),
    /// A kubelet answers a request that was passed on to it.
    Kubelet {
        /// The number under which it was passed on.
        id: u64,
        /// The answer.
        response: Response,
    },
    /// A kubelet sends more text of a streamed answer.
    KubeletStream {
        /// The number under which the request was passed on.
        id: u64,
        /// The text.
        text: Arc<str>,
        /// Whether it is the last.
        last: bool,
    },
    /// There is no such kubelet, or no such extension server, to pass a request on to.
    KubeletUnreachable {
        /// The number under which it was passed on.
        id: u64,
    },
}

/// Something that the API server wants done, in order.
#[derive(Clone, Debug)]
pub enum Output {
    /// Answer a request. A watch is answered only when it is refused.
    Respond {
        /// The client.
        client: u32,
        /// Its request.
        id: u64,
        /// The answer.
        response: Response,
    },
    /// Send events of a watch, at least one.
    Watch {
        /// The client.
        client: u32,
        /// Its request.
        id: u64,
        /// The events, in order.
        events: Arc<[WatchEvent]>,
    },
    /// A watch ends.
    WatchEnded {
        /// The client.
        client: u32,
        /// Its request.
        id: u64,
    },
    /// Send more text of a streamed answer.
    Stream {
        /// The client.
        client: u32,
        /// Its request.
        id: u64,
        /// The text.
        text: Arc<str>,
        /// Whether it is the last.
        last: bool,
    },
    /// Ask etcd.
    Etcd(etcd::Request),
    /// Pass a request on to the kubelet of a node.
    Kubelet {
        /// The node.
        node: Arc<str>,
        /// The number under which the answer shall come.
        id: u64,
        /// The request.
        request: Box<Request>,
    },
    /// Pass a client's frame on to the kubelet that serves its request.
    KubeletText {
        /// The node.
        node: Arc<str>,
        /// The number under which the request was passed on.
        id: u64,
        /// The frame; `None` when the client is gone.
        frame: Option<Arc<str>>,
    },
    /// Pass a request on to the extension server behind a Service; answered as by a kubelet.
    Extension {
        /// The Service.
        service: Arc<str>,
        /// The number under which the answer shall come.
        id: u64,
        /// The request.
        request: Box<Request>,
    },
    /// Add an event to the trace. It is the cause of what follows.
    Trace(What),
}

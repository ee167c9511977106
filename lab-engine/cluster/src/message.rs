//! What crosses the simulated network between the parts of a cluster.

use api::http::{Request, Response, WatchEvent};
use client::{RequestId, ServeId};
use std::sync::Arc;

/// A message between two endpoints.
#[derive(Clone, Debug)]
pub(crate) enum Message {
    /// A component asks the API server.
    Ask(RequestId, Box<Request>),
    /// A component forgets a request or ends a watch.
    Forget(RequestId),
    /// The API server answers.
    Answer(RequestId, Box<Response>),
    /// The API server sends events of a watch.
    Events(RequestId, Arc<[WatchEvent]>),
    /// The API server ends a watch.
    End(RequestId),
    /// The API server sends more text of a streamed answer.
    Text(RequestId, Arc<str>, bool),
    /// The API server asks the store.
    Store(Box<etcd::Request>),
    /// The store answers.
    Stored(Box<etcd::Response>),
    /// The API server asks a kubelet on behalf of a client.
    Serve(ServeId, Box<Request>),
    /// A kubelet answers.
    Served(ServeId, Box<Response>),
    /// A kubelet sends more text of a streamed answer.
    ServedText(ServeId, Arc<str>, bool),
}

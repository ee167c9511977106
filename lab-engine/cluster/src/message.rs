//! What crosses the simulated network between the parts of a cluster.

use api::http::{Request, Response, WatchEvent};
use client::dial::{CallId, Caller, Dial, DialError, Reply};
use client::{RequestId, ServeId};
use etcd::server::{HashMessage, PeerMessage};
use std::sync::Arc;

/// A message between two endpoints.
#[derive(Clone, Debug)]
pub(crate) enum Message {
    /// A component asks the API server.
    Ask(RequestId, Box<Request>),
    /// A component forgets a request or ends a watch.
    Forget(RequestId),
    /// A component sends a frame on the open connection of a request.
    Write(RequestId, Arc<str>),
    /// Nobody listens where the request was sent.
    Refused(RequestId),
    /// The API server answers.
    Answer(RequestId, Box<Response>),
    /// The API server sends events of a watch.
    Events(RequestId, Arc<[WatchEvent]>),
    /// The API server ends a watch.
    End(RequestId),
    /// The API server sends more text of a streamed answer.
    Text(RequestId, Arc<str>, bool),
    /// A client of etcd asks a member.
    Store(Box<etcd::Request>),
    /// The member answers.
    Stored(Box<etcd::Response>),
    /// Members of etcd talk to each other.
    Peer(Box<PeerMessage>),
    /// Members of etcd compare what they hold.
    Hash(HashMessage),
    /// The API server asks a kubelet on behalf of a client.
    Serve(ServeId, Box<Request>),
    /// The API server passes a client's frame on to a kubelet; `None` when the client is gone.
    ServeText(ServeId, Option<Arc<str>>),
    /// A kubelet answers.
    Served(ServeId, Box<Response>),
    /// A kubelet sends more text of a streamed answer.
    ServedText(ServeId, Arc<str>, bool),
    /// A container of the node calls somebody.
    Outgoing(Caller, Box<Dial>),
    /// Somebody calls an address that is here.
    Incoming(Caller, Box<Dial>),
    /// The answer to a call.
    Dialed(CallId, Result<Box<Reply>, DialError>),
}

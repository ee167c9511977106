//! The contract of everything that talks to the API server: the scheduler, controllers, kubelets, `kubectl`.
//!
//! A component is a state machine. The host ([`cluster`]) hands it one [`Input`] at a time, with the present, and an [`Outbox`] that
//! collects what it wants done. Requests, answers and watch events cross the simulated network, so an answer comes later, or never:
//! then the host gives [`Transport`] errors after the client's time-out. A component never blocks, and asks to be woken by
//! [`Component::next_wake`]; being woken too early is harmless.
//!
//! Causality: what a component does is caused by what it learned last. [`Outbox::trace`] adds an event to the trace; requests that
//! follow it in the same outbox are caused by that event.
//!
//! **Simplified here:** no client-side rate limits (`--kube-api-qps`).
//!
//! [`cluster`]: https://kubernetes.io/docs/concepts/architecture/

use crate::dial::{CallId, Caller, Dial, DialError, Reply};
use crate::inspection::Inspection;
use api::http::{Request, Response, WatchEvent};
use sim::{Time, What};
use std::fmt;
use std::sync::Arc;

/// A request of a component, unique within it for its whole life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// A request that a component serves (a kubelet: logs, exec), unique within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServeId(pub u64);

/// The answer never came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Nothing came back in time.
    Timeout,
    /// The connection broke.
    Closed,
    /// Nobody listens at the address of the API server.
    Refused,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Transport::Timeout => "net/http: request canceled (Client.Timeout exceeded while awaiting headers)",
            Transport::Closed => "http2: client connection lost",
            Transport::Refused => "dial tcp 127.0.0.1:6443: connect: connection refused",
        })
    }
}

/// Something that reaches a component.
#[derive(Clone, Debug)]
pub enum Input {
    /// A time came that it asked for.
    Wake,
    /// The answer to a request that is no watch, or the refusal of a watch. Comes exactly once per request that was not cancelled.
    Response(RequestId, Result<Response, Transport>),
    /// Events of a watch, in order, at least one.
    Watch(RequestId, Arc<[WatchEvent]>),
    /// A watch ended: by the server's time-out (`None`, quite normal) or because the connection broke.
    WatchEnded(RequestId, Option<Transport>),
    /// More text of a streamed answer (`logs -f`); the flag says whether it is the last.
    Stream(RequestId, Arc<str>, bool),
    /// A member of etcd answers, for whoever talks to it itself.
    Etcd(Box<etcd::Response>),
    /// A request to serve (kubelets only): the API server forwards `log`, `exec` and `attach`.
    Serve(ServeId, Box<Request>),
    /// The client sends a frame on the open connection of a request that is being served; `None` when it is gone (kubelets only).
    ServeText(ServeId, Option<Arc<str>>),
    /// The answer to a call over the Pod network (kubelets only).
    Dialed(CallId, Result<Box<Reply>, DialError>),
    /// A container of this node calls somebody (the node's network only).
    Outgoing(Caller, Box<Dial>),
    /// Somebody calls an address that is here.
    Incoming(Caller, Box<Dial>),
}

/// A member of etcd that is to start from a restored snapshot.
#[derive(Clone, Debug)]
pub struct StartMember {
    /// Its name: `etcd-1`.
    pub name: Arc<str>,
    /// The numbers of the members of its new cluster; none if it is the only one.
    pub members: Vec<u64>,
    /// What tells its cluster from others: the members and the token that it was restored with.
    pub cluster: Arc<str>,
    /// What it begins with.
    pub store: Arc<etcd::Store>,
}

/// Something that a component wants done.
#[derive(Clone, Debug)]
pub enum Action {
    /// Send a request.
    Request(RequestId, Box<Request>),
    /// Forget a request; end a watch.
    Cancel(RequestId),
    /// Send a frame on the open connection of a request (`exec`, `attach`).
    Write(RequestId, Arc<str>),
    /// Ask the member of etcd of this name. Only `etcdctl` does; components know the API server alone.
    Etcd(Arc<str>, Box<etcd::Request>),
    /// Start the process of a member of etcd from a restored snapshot. Answered as a request to etcd is: by an answer without content, or an
    /// error. Only the `etcd` of a terminal does this.
    StartEtcd(etcd::CallId, StartMember),
    /// Answer a request that it serves.
    Respond(ServeId, Response),
    /// Send more text of a streamed answer, after a first `Respond`; the flag says whether it is the last.
    Stream(ServeId, Arc<str>, bool),
    /// Call somebody over the Pod network.
    Dial(CallId, Box<Dial>),
    /// Send a call on to where it now goes.
    Forward(Caller, Box<Dial>),
    /// Answer a call.
    Answer(Caller, Result<Box<Reply>, DialError>),
    /// Add an event to the trace, in the name of a part of the component if one is given; what follows is caused by it.
    Trace(Option<Arc<str>>, What),
}

/// What a component wants done, in order.
#[derive(Debug)]
pub struct Outbox {
    actions: Vec<Action>,
    next_request: u64,
}

impl Outbox {
    /// An empty outbox whose first request gets the number `next_request`.
    pub fn new(next_request: u64) -> Self {
        Outbox { actions: Vec::new(), next_request }
    }

    /// Sends a request to the API server.
    pub fn request(&mut self, request: Request) -> RequestId {
        let id = RequestId(self.next_request);
        self.next_request += 1;
        self.actions.push(Action::Request(id, Box::new(request)));
        id
    }

    /// Asks a member of etcd; gives the call.
    pub fn etcd(&mut self, member: &Arc<str>, request: impl FnOnce(etcd::CallId) -> etcd::Request) -> etcd::CallId {
        let call = etcd::CallId(self.next_request);
        self.next_request += 1;
        self.actions.push(Action::Etcd(member.clone(), Box::new(request(call))));
        call
    }

    /// Starts a member of etcd from a restored snapshot; gives the call that the answer carries.
    pub fn start_etcd(&mut self, start: StartMember) -> etcd::CallId {
        let call = etcd::CallId(self.next_request);
        self.next_request += 1;
        self.actions.push(Action::StartEtcd(call, start));
        call
    }

    /// Forgets a request: its answer will not come; a watch ends.
    pub fn cancel(&mut self, id: RequestId) {
        self.actions.push(Action::Cancel(id));
    }

    /// Sends a frame on the open connection of a request.
    pub fn write(&mut self, id: RequestId, frame: Arc<str>) {
        self.actions.push(Action::Write(id, frame));
    }

    /// Answers a request that the component serves.
    pub fn respond(&mut self, id: ServeId, response: Response) {
        self.actions.push(Action::Respond(id, response));
    }

    /// Sends more text of a streamed answer.
    pub fn stream(&mut self, id: ServeId, text: impl Into<Arc<str>>, last: bool) {
        self.actions.push(Action::Stream(id, text.into(), last));
    }

    /// Calls somebody over the Pod network.
    pub fn dial(&mut self, dial: Dial) -> CallId {
        let call = CallId(self.next_request);
        self.next_request += 1;
        self.actions.push(Action::Dial(call, Box::new(dial)));
        call
    }

    /// Sends a call on to where it now goes.
    pub fn forward(&mut self, caller: Caller, dial: Box<Dial>) {
        self.actions.push(Action::Forward(caller, dial));
    }

    /// Answers a call.
    pub fn answer(&mut self, caller: Caller, answer: Result<Reply, DialError>) {
        self.actions.push(Action::Answer(caller, answer.map(Box::new)));
    }

    /// Adds an event to the trace.
    pub fn trace(&mut self, what: What) {
        self.actions.push(Action::Trace(None, what));
    }

    /// Adds an event to the trace in the name of a part of the component, for example `deployment-controller`.
    pub fn trace_as(&mut self, actor: &Arc<str>, what: What) {
        self.actions.push(Action::Trace(Some(actor.clone()), what));
    }

    /// What has been collected so far.
    pub fn actions(&self) -> impl Iterator<Item = &Action> {
        self.actions.iter()
    }

    /// Takes all actions out, and says which number the next request gets.
    pub fn take(&mut self) -> (Vec<Action>, u64) {
        (std::mem::take(&mut self.actions), self.next_request)
    }
}

/// A state machine that talks to the API server.
pub trait Component {
    /// Applies one input at `now`. Whatever it wants done goes to `out`. The first input of its life is [`Input::Wake`].
    fn handle(&mut self, now: Time, input: Input, out: &mut Outbox);

    /// When it wants to be woken next; `None` if only an input can wake it.
    fn next_wake(&self) -> Option<Time>;

    /// What it knows and how it learns of it. For views; nothing in the cluster may depend on it.
    fn inspect(&self) -> Inspection {
        Inspection::default()
    }
}

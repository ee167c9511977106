//! The host of the parts: carries their requests over the network, wakes them, and writes their trace.
//!
//! Every part is a state machine; this is the one place that executes what they want done. Endpoints are called as in the trace:
//! `etcd-1`, `kube-apiserver`, `kube-scheduler`, `kube-controller-manager`, `kubelet/node-1`, `kubectl`.
//!
//! **Simplified here:** one API server and one etcd member. When a cut link heals, connections over it are made anew at once; while it is
//! cut, clients notice after their time-out.

use crate::connection::{Broken, Connection};
use crate::identity;
use crate::message::Message;
use api::http::Credentials;
use apiserver::ApiServer;
use client::{Action, Component, Input, Outbox, RequestId, ServeId};
use sim::{Endpoint, EventId, Kernel, LinkFault, Occurrence, Payload, Time, What};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A component and its connection to the API server.
struct Slot<C> {
    endpoint: Endpoint,
    actor: Arc<str>,
    component: C,
    connection: Connection,
    /// How its connection shows who it is.
    credentials: Credentials,
    next_request: u64,
}

/// The parts of a cluster, and the kernel that drives them. `C` is any component that talks to the API server.
pub(crate) struct Host<C> {
    kernel: Kernel<Message>,
    apiserver: ApiServer,
    apiserver_at: Endpoint,
    etcd: etcd::Member,
    etcd_at: Endpoint,
    slots: Vec<Slot<C>>,
    by_endpoint: BTreeMap<Endpoint, usize>,
}

impl<C: Component> Host<C> {
    /// A host with an API server and its store, and no components yet.
    pub(crate) fn new(seed: u64, etcd: etcd::Member, apiserver: impl FnOnce(&Kernel<Message>) -> ApiServer) -> Self {
        let mut kernel = Kernel::new(seed);
        let etcd_at = kernel.endpoint("etcd-1");
        let apiserver_at = kernel.endpoint("kube-apiserver");
        let apiserver = apiserver(&kernel);
        kernel.wake(etcd_at, Time::ZERO, None);
        kernel.wake(apiserver_at, Time::ZERO, None);
        Host { kernel, apiserver, apiserver_at, etcd, etcd_at, slots: Vec::new(), by_endpoint: BTreeMap::new() }
    }

    /// Adds a component, which is woken for the first time at `start`. Gives its number.
    pub(crate) fn add(&mut self, name: &str, component: C, start: Time) -> usize {
        let endpoint = self.kernel.endpoint(name);
        let actor = self.kernel.name(endpoint).clone();
        let credentials = identity::of(name);
        self.slots.push(Slot { endpoint, actor, component, connection: Connection::default(), credentials, next_request: 1 });
        self.by_endpoint.insert(endpoint, self.slots.len() - 1);
        self.kernel.wake(endpoint, start, None);
        self.slots.len() - 1
    }

    pub(crate) fn kernel(&self) -> &Kernel<Message> {
        &self.kernel
    }

    pub(crate) fn kernel_mut(&mut self) -> &mut Kernel<Message> {
        &mut self.kernel
    }

    pub(crate) fn apiserver(&self) -> &ApiServer {
        &self.apiserver
    }

    pub(crate) fn component(&self, number: usize) -> &C {
        &self.slots[number].component
    }

    pub(crate) fn component_mut(&mut self, number: usize) -> &mut C {
        &mut self.slots[number].component
    }

    /// Lets a component act outside of any input, for example when the learner types a line.
    pub(crate) fn act(&mut self, number: usize, cause: Option<EventId>, act: impl FnOnce(&mut C, Time, &mut Outbox)) {
        let now = self.kernel.now();
        let slot = &mut self.slots[number];
        let mut out = Outbox::new(slot.next_request);
        act(&mut slot.component, now, &mut out);
        self.carry_out(number, &mut out, cause);
    }

    /// Handles the next occurrence, if it happens by `limit`; says whether there was one.
    pub(crate) fn step(&mut self, limit: Time) -> bool {
        let Some(occurrence) = self.kernel.next_until(limit) else {
            return false;
        };
        let Occurrence { to, payload, cause, .. } = occurrence;
        if to == self.etcd_at {
            self.step_etcd(payload, cause);
        } else if to == self.apiserver_at {
            self.step_apiserver(payload, cause);
        } else if let Some(&number) = self.by_endpoint.get(&to) {
            self.step_component(number, payload, cause);
        }
        true
    }

    fn step_etcd(&mut self, payload: Payload<Message>, cause: Option<EventId>) {
        let input = match payload {
            Payload::Wake => etcd::Input::Wake,
            Payload::Message { message: Message::Store(request), .. } => etcd::Input::Request { from: 0, request: *request },
            Payload::Message { .. } => return,
        };
        let mut outputs = Vec::new();
        self.etcd.handle(self.kernel.now(), input, &mut outputs);
        let mut cause = cause;
        for output in outputs {
            match output {
                etcd::Output::Respond { response, .. } => {
                    self.kernel.send(self.etcd_at, self.apiserver_at, Message::Stored(Box::new(response)), cause);
                }
                etcd::Output::Trace(what) => cause = Some(self.record(self.etcd_at, what, cause)),
            }
        }
        if let Some(at) = self.etcd.next_wake() {
            self.kernel.wake(self.etcd_at, at, cause);
        }
    }

    fn step_apiserver(&mut self, payload: Payload<Message>, cause: Option<EventId>) {
        let input = match payload {
            Payload::Wake => apiserver::Input::Wake,
            Payload::Message { from, message } => match (message, self.client_of(from)) {
                (Message::Stored(response), _) => apiserver::Input::Etcd(*response),
                (Message::Ask(id, request), Some(client)) => apiserver::Input::Request { client, id: id.0, request },
                (Message::Forget(id), Some(client)) => apiserver::Input::Cancel { client, id: id.0 },
                (Message::Served(id, response), _) => apiserver::Input::Kubelet { id: id.0, response: *response },
                (Message::ServedText(id, text, last), _) => apiserver::Input::KubeletStream { id: id.0, text, last },
                _ => return,
            },
        };
        self.drive_apiserver(input, cause);
    }

    fn drive_apiserver(&mut self, input: apiserver::Input, cause: Option<EventId>) {
        let mut outputs = Vec::new();
        self.apiserver.handle(self.kernel.now(), input, &mut outputs);
        let mut cause = cause;
        let mut unreachable = Vec::new();
        for output in outputs {
            match output {
                apiserver::Output::Trace(what) => cause = Some(self.record(self.apiserver_at, what, cause)),
                apiserver::Output::Etcd(request) => {
                    self.kernel.send(self.apiserver_at, self.etcd_at, Message::Store(Box::new(request)), cause);
                }
                apiserver::Output::Kubelet { node, id, request } => match self.kernel.find(&format!("kubelet/{node}")) {
                    Some(to) => self.kernel.send(self.apiserver_at, to, Message::Serve(ServeId(id), request), cause),
                    None => unreachable.push(id),
                },
                apiserver::Output::Respond { client, id, response } => {
                    self.answer_client(client, Message::Answer(RequestId(id), Box::new(response)), cause);
                }
                apiserver::Output::Watch { client, id, events } => {
                    self.answer_client(client, Message::Events(RequestId(id), events), cause)
                }
                apiserver::Output::WatchEnded { client, id } => self.answer_client(client, Message::End(RequestId(id)), cause),
                apiserver::Output::Stream { client, id, text, last } => {
                    self.answer_client(client, Message::Text(RequestId(id), text, last), cause);
                }
            }
        }
        if let Some(at) = self.apiserver.next_wake() {
            self.kernel.wake(self.apiserver_at, at, cause);
        }
        for id in unreachable {
            self.drive_apiserver(apiserver::Input::KubeletUnreachable { id }, cause);
        }
    }

    fn answer_client(&mut self, client: u32, message: Message, cause: Option<EventId>) {
        if let Some(slot) = self.slots.get(client as usize) {
            self.kernel.send(self.apiserver_at, slot.endpoint, message, cause);
        }
    }

    fn step_component(&mut self, number: usize, payload: Payload<Message>, cause: Option<EventId>) {
        let slot = &mut self.slots[number];
        let input = match payload {
            Payload::Wake => {
                let expired = slot.connection.expired(self.kernel.now());
                self.broken(number, expired, cause);
                Some(Input::Wake)
            }
            Payload::Message { message, .. } => receive(&mut slot.connection, message),
        };
        if let Some(input) = input {
            self.deliver(number, input, cause);
        } else {
            self.rearm(number, cause);
        }
    }

    fn broken(&mut self, number: usize, broken: Vec<Broken>, cause: Option<EventId>) {
        for end in broken {
            let input = match end {
                Broken::Request(id, transport) => Input::Response(id, Err(transport)),
                Broken::Watch(id, transport) => Input::WatchEnded(id, Some(transport)),
            };
            self.deliver(number, input, cause);
        }
    }

    fn deliver(&mut self, number: usize, input: Input, cause: Option<EventId>) {
        self.act(number, cause, |component, now, out| component.handle(now, input, out));
    }

    fn carry_out(&mut self, number: usize, out: &mut Outbox, cause: Option<EventId>) {
        let (actions, next_request) = out.take();
        let now = self.kernel.now();
        let slot = &mut self.slots[number];
        slot.next_request = next_request;
        let (endpoint, actor) = (slot.endpoint, slot.actor.clone());
        let mut cause = cause;
        for action in actions {
            let message = match action {
                Action::Trace(part, what) => {
                    let id = self.kernel.trace_mut().record(now, part.as_ref().unwrap_or(&actor), cause, what);
                    cause = Some(id);
                    continue;
                }
                Action::Request(id, mut request) => {
                    if request.credentials == Credentials::None {
                        request.credentials = self.slots[number].credentials.clone();
                    }
                    self.slots[number].connection.sent(now, id, &request);
                    Message::Ask(id, request)
                }
                Action::Cancel(id) => {
                    self.slots[number].connection.ended(id);
                    Message::Forget(id)
                }
                Action::Respond(id, response) => Message::Served(id, Box::new(response)),
                Action::Stream(id, text, last) => Message::ServedText(id, text, last),
            };
            self.kernel.send(endpoint, self.apiserver_at, message, cause);
        }
        self.rearm(number, cause);
    }

    /// Arranges the next wake of a component: its own wish, or the first time-out of its requests.
    fn rearm(&mut self, number: usize, cause: Option<EventId>) {
        let slot = &self.slots[number];
        let wish = [slot.component.next_wake(), slot.connection.next_deadline()].into_iter().flatten().min();
        if let Some(at) = wish {
            self.kernel.wake(slot.endpoint, at, cause);
        }
    }

    fn client_of(&self, endpoint: Endpoint) -> Option<u32> {
        self.by_endpoint.get(&endpoint).and_then(|&number| u32::try_from(number).ok())
    }

    fn record(&mut self, endpoint: Endpoint, what: What, cause: Option<EventId>) -> EventId {
        let (now, actor) = (self.kernel.now(), self.kernel.name(endpoint).clone());
        self.kernel.trace_mut().record(now, &actor, cause, what)
    }

    /// Cuts a component off from everyone.
    pub(crate) fn isolate(&mut self, number: usize) {
        let endpoint = self.slots[number].endpoint;
        self.kernel.network().inject(LinkFault::Isolate(endpoint));
    }

    /// Reconnects a component; what was under way is lost, and both sides learn it.
    pub(crate) fn reconnect(&mut self, number: usize, cause: Option<EventId>) {
        let endpoint = self.slots[number].endpoint;
        self.kernel.network().reconnect(endpoint);
        self.disconnect(number, cause);
    }

    fn disconnect(&mut self, number: usize, cause: Option<EventId>) {
        if let Ok(client) = u32::try_from(number) {
            self.drive_apiserver(apiserver::Input::Disconnected { client }, cause);
        }
        let broken = self.slots[number].connection.broke();
        self.broken(number, broken, cause);
    }
}

/// Turns a message into the component's input; `None` when nobody waits for it any more.
fn receive(connection: &mut Connection, message: Message) -> Option<Input> {
    match message {
        Message::Answer(id, response) => connection.answered(id, &response).then_some(Input::Response(id, Ok(*response))),
        Message::Events(id, events) => connection.is_open(id).then_some(Input::Watch(id, events)),
        Message::End(id) => connection.ended(id).then_some(Input::WatchEnded(id, None)),
        Message::Text(id, text, last) => {
            let wanted = if last { connection.ended(id) } else { connection.is_open(id) };
            wanted.then_some(Input::Stream(id, text, last))
        }
        Message::Serve(id, request) => Some(Input::Serve(id, request)),
        _ => None,
    }
}

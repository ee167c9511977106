//! The host of the parts: carries their requests over the network, wakes them, and writes their trace.
//!
//! Every part is a state machine; this is the one place that executes what they want done. Endpoints are called as in the trace:
//! `etcd-1`, `kube-apiserver`, `kube-scheduler`, `kube-controller-manager`, `kubelet/node-1`, `kubectl`. Of several API servers the others
//! are called `kube-apiserver-2` and so on; components are spread over them as by a load balancer.
//!
//! **Simplified here:** when a cut link heals, connections over it are made anew at once; while it is cut, clients notice after their
//! time-out.

mod control_plane;
mod etcd_group;
mod log_entries;
mod packet_trace;
mod pod_network;

use crate::config::EtcdConfig;
use crate::connection::{Broken, Connection};
use crate::identity;
use crate::message::Message;
use api::http::Credentials;
use client::dial::DialError;
use client::{Action, Component, Input, Outbox, Transport};
use control_plane::ServerSlot;
use etcd::maintenance::MaintenanceAnswer;
use etcd_group::EtcdGroup;
pub use etcd_group::MemberStatus;
pub(crate) use pod_network::NodeNetwork;
use pod_network::PodNetwork;
use sim::{Endpoint, EventId, Kernel, LinkFault, Occurrence, Payload, Time, What};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long it takes to learn that nobody listens at an address.
const REFUSAL: Duration = Duration::from_micros(500);

/// A component and its connection to the API server.
struct Slot<C> {
    endpoint: Endpoint,
    actor: Arc<str>,
    component: C,
    /// The API server that it is connected to.
    server: usize,
    connection: Connection,
    /// How its connection shows who it is.
    credentials: Credentials,
    next_request: u64,
}

/// The parts of a cluster, and the kernel that drives them. `C` is any component that talks to the API server.
pub(crate) struct Host<C> {
    kernel: Kernel<Message>,
    etcd: EtcdGroup,
    servers: Vec<ServerSlot>,
    slots: Vec<Slot<C>>,
    by_endpoint: BTreeMap<Endpoint, usize>,
    pod_network: PodNetwork,
}

impl<C: Component> Host<C> {
    /// A host with the control plane's store and API servers, and no components yet.
    pub(crate) fn new(seed: u64, etcd: &EtcdConfig, quota: usize, api_servers: u32, settings: &apiserver::Config) -> Self {
        let mut kernel = Kernel::new(seed);
        let etcd = EtcdGroup::new(&mut kernel, etcd, quota);
        let servers = (0..api_servers.max(1)).map(|replica| ServerSlot::new(&mut kernel, replica, etcd.len(), settings)).collect();
        Host { kernel, etcd, servers, slots: Vec::new(), by_endpoint: BTreeMap::new(), pod_network: PodNetwork::default() }
    }

    /// Adds a component, which is woken for the first time at `start`. Gives its number.
    pub(crate) fn add(&mut self, name: &str, component: C, start: Time) -> usize {
        let endpoint = self.kernel.endpoint(name);
        let actor = self.kernel.name(endpoint).clone();
        let credentials = identity::of(name);
        let server = self.slots.len() % self.servers.len();
        self.slots.push(Slot { endpoint, actor, component, server, connection: Connection::default(), credentials, next_request: 1 });
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
        if let Some(member) = self.etcd.place_of(to) {
            self.step_etcd(member, payload, cause);
        } else if let Some(server) = self.servers.iter().position(|server| server.endpoint == to) {
            self.step_server(server, payload, cause);
        } else if let Some(&number) = self.by_endpoint.get(&to) {
            self.step_component(number, payload, cause);
        }
        true
    }

    fn step_component(&mut self, number: usize, payload: Payload<Message>, mut cause: Option<EventId>) {
        let slot = &mut self.slots[number];
        let input = match payload {
            Payload::Wake => {
                let expired = slot.connection.expired(self.kernel.now());
                self.broken(number, expired, cause);
                Some(Input::Wake)
            }
            Payload::Message { message, .. } => {
                if let Message::Dialed(call, Err(DialError::TimedOut)) = &message {
                    cause = self.note_timeout(number, *call, cause);
                }
                receive(&mut self.slots[number].connection, message)
            }
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
        // Whoever is not running learns nothing.
        if self.kernel.is_down(self.slots[number].endpoint) {
            return;
        }
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
                    let connection = packet_trace::connection_of(&what);
                    let id = self.kernel.trace_mut().record(now, part.as_ref().unwrap_or(&actor), cause, what);
                    connection.into_iter().for_each(|connection| self.pod_network.flows.passed(connection, id));
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
                Action::Write(id, frame) => Message::Write(id, frame),
                Action::Etcd(member, request) => {
                    if let Some(to) = self.kernel.find(&member) {
                        self.kernel.send(endpoint, to, Message::Store(request), cause);
                    }
                    continue;
                }
                call @ (Action::Dial(..) | Action::Forward(..) | Action::Answer(..)) => {
                    self.carry_call(number, call, cause);
                    continue;
                }
                Action::StartEtcd(call, start) => {
                    let answer = match self.start_restored(&start, cause) {
                        Ok(()) => etcd::Response::Maintenance(call, Box::new(MaintenanceAnswer::Done)),
                        Err(error) => etcd::Response::Error(call, error),
                    };
                    self.kernel.deliver_at(now, endpoint, endpoint, Message::Stored(Box::new(answer)), cause);
                    continue;
                }
                Action::Respond(id, response) => {
                    self.serve_back(endpoint, id, |id| Message::Served(id, Box::new(response)), cause);
                    continue;
                }
                Action::Stream(id, text, last) => {
                    self.serve_back(endpoint, id, |id| Message::ServedText(id, text, last), cause);
                    continue;
                }
            };
            let server = self.servers[self.slots[number].server].endpoint;
            match message {
                Message::Ask(id, _) if self.kernel.is_down(server) => {
                    self.kernel.deliver_at(now + REFUSAL, server, endpoint, Message::Refused(id), cause);
                }
                message => self.kernel.send(endpoint, server, message, cause),
            }
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

    /// The components with their names, in the order in which they were added.
    pub(crate) fn components(&self) -> impl Iterator<Item = (&str, &C)> {
        self.slots.iter().map(|slot| (&*slot.actor, &slot.component))
    }

    /// The component of this name.
    pub(crate) fn component_named(&self, name: &str) -> Option<usize> {
        self.slots.iter().position(|slot| &*slot.actor == name)
    }

    /// How a component is called.
    pub(crate) fn component_name(&self, number: usize) -> &str {
        &self.slots[number].actor
    }

    /// Whether a component runs.
    pub(crate) fn runs(&self, number: usize) -> bool {
        !self.kernel.is_down(self.slots[number].endpoint)
    }

    /// The process of a component is killed: its connection breaks, and what it knew is lost.
    pub(crate) fn crash_component(&mut self, number: usize, cause: Option<EventId>) {
        self.kernel.take_down(self.slots[number].endpoint);
        self.disconnect(number, cause);
    }

    /// The connection of a component to the API server breaks, as when its process ends.
    pub(crate) fn break_connection(&mut self, number: usize, cause: Option<EventId>) {
        self.disconnect(number, cause);
    }

    /// Starts a component again, as `component`, which knows nothing.
    pub(crate) fn restart_component(&mut self, number: usize, component: C, cause: Option<EventId>) {
        let now = self.kernel.now();
        let slot = &mut self.slots[number];
        slot.component = component;
        let endpoint = slot.endpoint;
        self.kernel.bring_up(endpoint);
        self.kernel.wake(endpoint, now, cause);
    }

    /// Wakes a component at once.
    pub(crate) fn wake_now(&mut self, number: usize, cause: EventId) {
        let (now, endpoint) = (self.kernel.now(), self.slots[number].endpoint);
        self.kernel.wake(endpoint, now, Some(cause));
    }

    fn client_of(&self, endpoint: Endpoint) -> Option<u32> {
        self.by_endpoint.get(&endpoint).and_then(|&number| u32::try_from(number).ok())
    }

    fn record(&mut self, endpoint: Endpoint, what: What, cause: Option<EventId>) -> EventId {
        let (now, actor) = (self.kernel.now(), self.kernel.name(endpoint).clone());
        self.kernel.trace_mut().record(now, &actor, cause, what)
    }

    /// Cuts an endpoint off from another one, or from everyone.
    pub(crate) fn isolate(&mut self, name: &str, other: Option<&str>, cause: Option<EventId>) {
        let Some(endpoint) = self.kernel.find(name) else { return };
        let fault = match other.map(|other| self.kernel.find(other)) {
            None => LinkFault::Isolate(endpoint),
            Some(Some(other)) => LinkFault::Cut(endpoint, other),
            Some(None) => return,
        };
        self.kernel.network().inject(fault);
        self.refresh_links(cause);
    }

    /// Takes such a cut away. What was under way is lost, and both sides learn it.
    pub(crate) fn reconnect(&mut self, name: &str, other: Option<&str>, cause: Option<EventId>) {
        let Some(endpoint) = self.kernel.find(name) else { return };
        let severed: Vec<usize> = (0..self.slots.len()).filter(|number| !self.reaches_server(*number)).collect();
        match other.map(|other| self.kernel.find(other)) {
            None => self.kernel.network().reconnect(endpoint),
            Some(Some(other)) => self.kernel.network().heal(endpoint, other),
            Some(None) => return,
        }
        for number in severed {
            if self.reaches_server(number) {
                self.disconnect(number, cause);
            }
        }
        self.refresh_links(cause);
    }

    fn reaches_server(&mut self, number: usize) -> bool {
        let slot = &self.slots[number];
        self.kernel.network().connected(slot.endpoint, self.servers[slot.server].endpoint)
    }

    pub(crate) fn disconnect(&mut self, number: usize, cause: Option<EventId>) {
        if let Ok(client) = u32::try_from(number) {
            self.drive_server(self.slots[number].server, apiserver::Input::Disconnected { client }, cause);
        }
        let broken = self.slots[number].connection.broke();
        self.broken(number, broken, cause);
    }
}

/// Turns a message into the component's input; `None` when nobody waits for it any more.
fn receive(connection: &mut Connection, message: Message) -> Option<Input> {
    match message {
        Message::Answer(id, response) => connection.answered(id, &response).then_some(Input::Response(id, Ok(*response))),
        Message::Refused(id) => connection.refused(id).map(|watch| {
            let transport = Transport::Refused;
            if watch { Input::WatchEnded(id, Some(transport)) } else { Input::Response(id, Err(transport)) }
        }),
        Message::Events(id, events) => connection.is_open(id).then_some(Input::Watch(id, events)),
        Message::End(id) => connection.ended(id).then_some(Input::WatchEnded(id, None)),
        Message::Text(id, text, last) => {
            let wanted = if last { connection.ended(id) } else { connection.is_open(id) };
            wanted.then_some(Input::Stream(id, text, last))
        }
        Message::Serve(id, request) => Some(Input::Serve(id, request)),
        Message::ServeText(id, frame) => Some(Input::ServeText(id, frame)),
        Message::Stored(response) => Some(Input::Etcd(response)),
        Message::Outgoing(caller, dial) => Some(Input::Outgoing(caller, dial)),
        Message::Incoming(caller, dial) => Some(Input::Incoming(caller, dial)),
        Message::Dialed(call, answer) => Some(Input::Dialed(call, answer)),
        _ => None,
    }
}

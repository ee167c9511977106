//! The API servers of a host, and their connections to the members of etcd.
//!
//! An API server is connected to every member ([`etcd::Client`]). A connection whose other end is cut off is noticed when something that
//! was sent stays without an acknowledgement for ten seconds, or by the next keep-alive when nothing is sent.

use crate::connection::Broken;
use crate::host::Host;
use crate::message::Message;
use apiserver::ApiServer;
use client::{Component, RequestId, ServeId};
use etcd::ClientOutput;
use sim::{Endpoint, EventId, Kernel, Payload, Rng, Time};
use std::time::Duration;

/// After how long without an acknowledgement a connection counts as broken (`DialKeepAliveTimeout`, which gRPC makes `TCP_USER_TIMEOUT`).
const UNACKNOWLEDGED: Duration = Duration::from_secs(10);

/// How often a connection on which nothing is sent is tried (`DialKeepAliveTime`).
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// The components that serve groups of their own, called as their Services.
const EXTENSION_SERVERS: &[&str] = &["metrics-server", "prometheus-adapter"];

/// A connection to a member of etcd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    /// It works.
    Up,
    /// Nothing comes through, which is noticed at this time.
    Stalled(Time),
    /// It is known to be broken.
    Broken,
}

/// An API server and where it is.
pub(crate) struct ServerSlot {
    pub(crate) endpoint: Endpoint,
    server: ApiServer,
    settings: apiserver::Config,
    /// What it starts from again after a crash.
    rng: Rng,
    replica: u32,
    starts: u32,
    store: etcd::Client,
    links: Vec<Link>,
}

impl ServerSlot {
    /// The API server of this number, counted from 0, in a cluster with so many members of etcd.
    pub(crate) fn new<M>(kernel: &mut Kernel<M>, replica: u32, members: usize, settings: &apiserver::Config) -> Self {
        let name = if replica == 0 { "kube-apiserver".to_owned() } else { format!("kube-apiserver-{}", replica + 1) };
        let endpoint = kernel.endpoint(&name);
        kernel.wake(endpoint, Time::ZERO, None);
        let rng = kernel.rng("kube-apiserver");
        let server = ApiServer::replica(&rng, replica, 0, settings.clone());
        let (store, links) = (etcd::Client::new(members), vec![Link::Up; members]);
        ServerSlot { endpoint, server, settings: settings.clone(), rng, replica, starts: 0, store, links }
    }

    pub(crate) fn server(&self) -> &ApiServer {
        &self.server
    }

    fn next_wake(&self) -> Option<Time> {
        let noticed = self.links.iter().filter_map(|link| if let Link::Stalled(at) = link { Some(*at) } else { None });
        noticed.chain(self.server.next_wake()).min()
    }
}

impl<C: Component> Host<C> {
    /// The first API server that runs, or the first.
    pub(crate) fn apiserver(&self) -> &ApiServer {
        let running = self.servers.iter().find(|slot| !self.kernel.is_down(slot.endpoint));
        running.unwrap_or(&self.servers[0]).server()
    }

    pub(crate) fn step_server(&mut self, number: usize, payload: Payload<Message>, cause: Option<EventId>) {
        let input = match payload {
            Payload::Wake => {
                self.notice_broken_links(number, cause);
                apiserver::Input::Wake
            }
            Payload::Message { from, message } => match (message, self.client_of(from)) {
                (Message::Stored(response), _) => return self.stored(number, from, *response, cause),
                (Message::Ask(id, request), Some(client)) => apiserver::Input::Request { client, id: id.0, request },
                (Message::Forget(id), Some(client)) => apiserver::Input::Cancel { client, id: id.0 },
                (Message::Write(id, frame), Some(client)) => apiserver::Input::Write { client, id: id.0, frame },
                (Message::Served(id, response), _) => apiserver::Input::Kubelet { id: id.0, response: *response },
                (Message::ServedText(id, text, last), _) => apiserver::Input::KubeletStream { id: id.0, text, last },
                _ => return,
            },
        };
        self.drive_server(number, input, cause);
    }

    /// A member of etcd answered an API server.
    fn stored(&mut self, number: usize, from: Endpoint, response: etcd::Response, cause: Option<EventId>) {
        let Some(member) = self.etcd.place_of(from) else { return };
        let mut out = Vec::new();
        self.servers[number].store.receive(member, response, &mut out);
        self.carry_out_store(number, out, cause);
    }

    pub(crate) fn drive_server(&mut self, number: usize, input: apiserver::Input, cause: Option<EventId>) {
        let mut outputs = Vec::new();
        let now = self.kernel.now();
        self.servers[number].server.handle(now, input, &mut outputs);
        let endpoint = self.servers[number].endpoint;
        let mut cause = cause;
        let mut unreachable = Vec::new();
        for output in outputs {
            match output {
                apiserver::Output::Trace(what) => cause = Some(self.record(endpoint, what, cause)),
                apiserver::Output::Etcd(request) => {
                    let mut out = Vec::new();
                    self.servers[number].store.send(request, &mut out);
                    self.carry_out_store(number, out, cause);
                }
                apiserver::Output::Kubelet { node, id, request } => match self.kernel.find(&format!("kubelet/{node}")) {
                    Some(to) => self.kernel.send(endpoint, to, Message::Serve(self.serve_id(number, id), request), cause),
                    None => unreachable.push(id),
                },
                apiserver::Output::KubeletText { node, id, frame } => {
                    if let Some(to) = self.kernel.find(&format!("kubelet/{node}")) {
                        self.kernel.send(endpoint, to, Message::ServeText(self.serve_id(number, id), frame), cause);
                    }
                }
                apiserver::Output::Extension { service, id, request } => match self.extension_server(&service) {
                    Some(to) => self.kernel.send(endpoint, to, Message::Serve(self.serve_id(number, id), request), cause),
                    None => unreachable.push(id),
                },
                apiserver::Output::Respond { client, id, response } => {
                    self.answer_client(number, client, Message::Answer(RequestId(id), Box::new(response)), cause);
                }
                apiserver::Output::Watch { client, id, events } => {
                    self.answer_client(number, client, Message::Events(RequestId(id), events), cause);
                }
                apiserver::Output::WatchEnded { client, id } => self.answer_client(number, client, Message::End(RequestId(id)), cause),
                apiserver::Output::Stream { client, id, text, last } => {
                    self.answer_client(number, client, Message::Text(RequestId(id), text, last), cause);
                }
            }
        }
        self.rearm_server(number, cause);
        for id in unreachable {
            self.drive_server(number, apiserver::Input::KubeletUnreachable { id }, cause);
        }
    }

    /// The extension server that a Service leads to, if it runs.
    fn extension_server(&self, service: &str) -> Option<Endpoint> {
        let known = EXTENSION_SERVERS.contains(&service).then(|| self.kernel.find(service)).flatten();
        known.filter(|endpoint| !self.kernel.is_down(*endpoint))
    }

    fn rearm_server(&mut self, number: usize, cause: Option<EventId>) {
        let slot = &self.servers[number];
        if let Some(at) = slot.next_wake() {
            self.kernel.wake(slot.endpoint, at, cause);
        }
    }

    fn answer_client(&mut self, number: usize, client: u32, message: Message, cause: Option<EventId>) {
        if let Some(slot) = self.slots.get(client as usize) {
            self.kernel.send(self.servers[number].endpoint, slot.endpoint, message, cause);
        }
    }

    /// The number under which a kubelet serves the request `id` of an API server: it says of which one.
    fn serve_id(&self, number: usize, id: u64) -> ServeId {
        ServeId(id * self.servers.len() as u64 + number as u64)
    }

    /// Sends what a kubelet says of a request that it serves back to the API server that has passed it on.
    pub(crate) fn serve_back(&mut self, from: Endpoint, id: ServeId, message: impl FnOnce(ServeId) -> Message, cause: Option<EventId>) {
        let servers = self.servers.len() as u64;
        let number = usize::try_from(id.0 % servers).unwrap_or(0);
        self.kernel.send(from, self.servers[number].endpoint, message(ServeId(id.0 / servers)), cause);
    }

    fn carry_out_store(&mut self, number: usize, outputs: Vec<ClientOutput>, cause: Option<EventId>) {
        for output in outputs {
            match output {
                ClientOutput::Send { member, request } => {
                    let (from, to) = (self.servers[number].endpoint, self.etcd.endpoint(member));
                    if !self.kernel.network().connected(from, to) {
                        self.stall(number, member, UNACKNOWLEDGED);
                        self.rearm_server(number, cause);
                    }
                    self.kernel.send(from, to, Message::Store(Box::new(request)), cause);
                }
                ClientOutput::Deliver(response) => self.drive_server(number, apiserver::Input::Etcd(response), cause),
            }
        }
    }

    /// Nothing passes between an API server and a member any more; it is noticed within `time`.
    fn stall(&mut self, number: usize, member: usize, time: Duration) {
        let at = self.kernel.now() + time;
        let link = &mut self.servers[number].links[member];
        *link = match *link {
            Link::Up => Link::Stalled(at),
            Link::Stalled(earlier) => Link::Stalled(earlier.min(at)),
            Link::Broken => Link::Broken,
        };
    }

    fn notice_broken_links(&mut self, number: usize, cause: Option<EventId>) {
        let now = self.kernel.now();
        for member in 0..self.servers[number].links.len() {
            if matches!(self.servers[number].links[member], Link::Stalled(at) if at <= now) {
                self.break_link(number, member, cause);
            }
        }
    }

    fn break_link(&mut self, number: usize, member: usize, cause: Option<EventId>) {
        if std::mem::replace(&mut self.servers[number].links[member], Link::Broken) == Link::Broken {
            return;
        }
        self.drive_etcd(member, etcd::server::Input::Disconnected { from: client_number(number) }, cause);
        let mut out = Vec::new();
        self.servers[number].store.lost(member, &mut out);
        self.carry_out_store(number, out, cause);
    }

    /// Looks at the connections between API servers and members after the network or one of them has changed.
    pub(crate) fn refresh_links(&mut self, cause: Option<EventId>) {
        for number in 0..self.servers.len() {
            let from = self.servers[number].endpoint;
            for member in 0..self.servers[number].links.len() {
                let to = self.etcd.endpoint(member);
                let up = !self.kernel.is_down(from) && !self.kernel.is_down(to);
                let connected = self.kernel.network().connected(from, to);
                match self.servers[number].links[member] {
                    Link::Up if !up => self.break_link(number, member, cause),
                    Link::Up if !connected => self.stall(number, member, KEEP_ALIVE + UNACKNOWLEDGED),
                    Link::Stalled(_) if !up => self.break_link(number, member, cause),
                    // What was sent while nothing came through is lost.
                    Link::Stalled(_) if connected => {
                        self.break_link(number, member, cause);
                        self.mend_link(number, member, cause);
                    }
                    Link::Broken if up && connected => self.mend_link(number, member, cause),
                    _ => {}
                }
            }
            self.rearm_server(number, cause);
        }
    }

    fn mend_link(&mut self, number: usize, member: usize, cause: Option<EventId>) {
        self.servers[number].links[member] = Link::Up;
        let mut out = Vec::new();
        self.servers[number].store.regained(member, &mut out);
        self.carry_out_store(number, out, cause);
    }

    /// The process of an API server is killed. Components that are connected to it go to another one that runs.
    pub(crate) fn crash_server(&mut self, number: usize, cause: Option<EventId>) {
        self.kernel.take_down(self.servers[number].endpoint);
        self.refresh_links(cause);
        let next = (0..self.servers.len()).find(|other| !self.kernel.is_down(self.servers[*other].endpoint)).unwrap_or(number);
        for component in 0..self.slots.len() {
            if self.slots[component].server == number {
                self.slots[component].server = next;
                let broken: Vec<Broken> = self.slots[component].connection.broke();
                self.broken(component, broken, cause);
            }
        }
    }

    /// Starts an API server again, with nothing in memory. Components without one come to it.
    pub(crate) fn restart_server(&mut self, number: usize, cause: Option<EventId>) {
        let slot = &mut self.servers[number];
        slot.starts += 1;
        slot.server = ApiServer::replica(&slot.rng, slot.replica, slot.starts, slot.settings.clone());
        slot.store = etcd::Client::new(slot.links.len());
        (0..slot.links.len()).for_each(|member| slot.store.lost(member, &mut Vec::new()));
        slot.links.fill(Link::Broken);
        let (endpoint, now) = (slot.endpoint, self.kernel.now());
        self.kernel.bring_up(endpoint);
        self.kernel.wake(endpoint, now, cause);
        self.refresh_links(cause);
        for component in 0..self.slots.len() {
            if self.kernel.is_down(self.servers[self.slots[component].server].endpoint) {
                self.slots[component].server = number;
            }
        }
    }

    /// The API server of this name.
    pub(crate) fn server_named(&self, name: &str) -> Option<usize> {
        self.servers.iter().position(|slot| &**self.kernel.name(slot.endpoint) == name)
    }
}

/// How a member of etcd knows an API server.
pub(crate) fn client_number(server: usize) -> u32 {
    u32::try_from(server).unwrap_or(u32::MAX)
}

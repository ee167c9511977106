//! kube-proxy on a node, and the network of that node (`cmd/kube-proxy`, `pkg/proxy`).
//!
//! It watches Services, EndpointSlices and its own Node. When one changes it writes the node's rules anew, at most once a second
//! (`minSyncPeriod`). What the node's containers send goes through those rules as they stand at that moment.
//!
//! When its process is killed, the rules stay as they are and go stale; whoever asks a health-check node port is refused.
//!
//! **Simplified here:** it begins to watch when the first container of its node connects somewhere; that connection waits for its first sync.
//! So a cluster in which nobody connects anywhere costs nothing. It runs beside the Pods and not in one. IPv4 only.

use crate::addr::{Cidr, IpFamily, Packet, Protocol};
use crate::data_plane::{DataPlane, ProxyMode};
use crate::health_check::HealthChecks;
use crate::netfilter::walk::Verdict;
use crate::proxy::{LocalTrafficDetector, ProxyConfig, ProxyState};
use api::core::{Node, Service};
use api::discovery::EndpointSlice;
use client::dial::{Caller, Dial, DialError, Payload, Reply};
use client::{Component, Informer, Input, Inspection, ListOptions, Outbox};
use sim::{ObjectRef, PacketStep, Rng, Time};
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// The shortest time between two syncs (`iptables.minSyncPeriod`).
const MIN_SYNC_PERIOD: Duration = Duration::from_secs(1);

/// How many connections may wait for the first sync; more are not answered.
const MAX_WAITING: usize = 256;

/// The range from which connections take their source ports (`net.ipv4.ip_local_port_range`).
const FIRST_PORT: u16 = 32_768;
const LAST_PORT: u16 = 60_999;

/// kube-proxy on a node, with the node's network.
#[derive(Debug)]
pub struct KubeProxy {
    config: ProxyConfig,
    services: Informer<Service>,
    slices: Informer<EndpointSlice>,
    node: Informer<Node>,
    plane: DataPlane,
    started: bool,
    /// Whether its process is killed; the kernel goes on without it.
    killed: bool,
    health_checks: HealthChecks,
    synced_at: Option<Time>,
    sync_at: Option<Time>,
    next_port: u16,
    waiting: VecDeque<(Caller, Box<Dial>)>,
}

impl KubeProxy {
    /// The kube-proxy of a node with this address whose Pods have addresses of this range.
    pub fn new(mode: ProxyMode, node_name: &str, node_ip: IpAddr, pods: Cidr, rng: &Rng) -> Self {
        let agent: Arc<str> = "kube-proxy".into();
        let config = ProxyConfig { local_detector: LocalTrafficDetector::Cidr(pods), ..ProxyConfig::new(IpFamily::V4, node_name, node_ip) };
        let own = ListOptions { field_selector: format!("metadata.name={node_name}"), ..ListOptions::default() };
        KubeProxy {
            services: Informer::new(ListOptions::default(), agent.clone(), rng.stream("services")),
            slices: Informer::new(ListOptions::default(), agent.clone(), rng.stream("endpointslices")),
            node: Informer::new(own, agent, rng.stream("node")),
            killed: false,
            health_checks: HealthChecks::default(),
            plane: DataPlane::new(mode, &config, rng.stream("kernel")),
            config,
            started: false,
            synced_at: None,
            sync_at: None,
            next_port: FIRST_PORT,
            waiting: VecDeque::new(),
        }
    }

    /// Its process is killed. The rules stay in the kernel as they are, and the node's containers go on by them.
    pub fn kill(&mut self) {
        self.killed = true;
        self.health_checks = HealthChecks::default();
        self.waiting.clear();
        self.sync_at = None;
    }

    /// Its process starts again: it lists everything and writes the rules anew.
    pub fn restart(&mut self, rng: &Rng, now: Time, out: &mut Outbox) {
        let agent: Arc<str> = "kube-proxy".into();
        let own = ListOptions { field_selector: format!("metadata.name={}", self.config.node_name), ..ListOptions::default() };
        self.services = Informer::new(ListOptions::default(), agent.clone(), rng.stream("services"));
        self.slices = Informer::new(ListOptions::default(), agent.clone(), rng.stream("endpointslices"));
        self.node = Informer::new(own, agent, rng.stream("node"));
        self.killed = false;
        if std::mem::take(&mut self.started) {
            self.start(now, out);
            self.sync_at = Some(now);
        }
    }

    fn start(&mut self, now: Time, out: &mut Outbox) {
        if !std::mem::replace(&mut self.started, true) {
            self.services.start(now, out);
            self.slices.start(now, out);
            self.node.start(now, out);
        }
    }

    fn has_synced(&self) -> bool {
        self.services.has_synced() && self.slices.has_synced() && self.node.has_synced()
    }

    /// Arranges a sync: at once, unless the last one was a moment ago.
    fn request_sync(&mut self, now: Time) {
        let earliest = self.synced_at.map_or(now, |at| at + MIN_SYNC_PERIOD);
        self.sync_at.get_or_insert(earliest.max(now));
    }

    fn sync_if_due(&mut self, now: Time, out: &mut Outbox) {
        if !self.has_synced() || self.sync_at.is_none_or(|at| at > now) {
            return;
        }
        (self.sync_at, self.synced_at) = (None, Some(now));
        if let Some(node) = self.node.lister().list().next() {
            self.config.node_labels = node.metadata.labels.clone();
        }
        let (services, slices) = (self.services.lister().list().map(|s| &**s), self.slices.lister().list().map(|s| &**s));
        let state = ProxyState::build(&self.config, services, slices);
        self.plane.install(&self.config, &state);
        self.health_checks = HealthChecks::of(&state);
        for (caller, dial) in std::mem::take(&mut self.waiting) {
            self.send(caller, dial, now, out);
        }
    }

    fn outgoing(&mut self, caller: Caller, dial: Box<Dial>, now: Time, out: &mut Outbox) {
        if !self.killed {
            self.start(now, out);
        }
        if self.synced_at.is_some() || self.killed {
            self.send(caller, dial, now, out);
        } else if self.waiting.len() < MAX_WAITING {
            self.waiting.push_back((caller, dial));
        }
    }

    /// Sends a connection on its way.
    fn send(&mut self, caller: Caller, mut dial: Box<Dial>, now: Time, out: &mut Outbox) {
        if let Payload::Node(argv) = &dial.payload {
            let (text, status) = self.plane.command(argv, now);
            return out.answer(caller, Ok(Reply::Node(text, status)));
        }
        if dial.source_port == 0 {
            dial.source_port = self.next_port;
            self.next_port = if self.next_port >= LAST_PORT { FIRST_PORT } else { self.next_port + 1 };
        }
        let source = SocketAddr::new(dial.source, dial.source_port);
        let protocol = if dial.udp { Protocol::Udp } else { Protocol::Tcp };
        let packet = Packet { protocol, source, destination: dial.destination };
        let walk = self.plane.send(packet, now, dial.connection.is_some());
        dial.unmasqueraded = walk.masqueraded.then_some(dial.source);
        (dial.source, dial.source_port, dial.destination) = (walk.packet.source.ip(), walk.packet.source.port(), walk.packet.destination);
        let routed = || PacketStep::Routed(self.plane.routing(&self.config.node_name, &packet, &walk));
        dial.connection.and_then(|_| dial.hop(routed())).into_iter().for_each(|hop| out.trace(hop));
        match walk.verdict {
            Verdict::Accept | Verdict::Policy => match self.health_check(&dial) {
                Some(reply) => {
                    let at = ObjectRef::new("Node", "", self.config.node_name.as_str());
                    dial.hop(PacketStep::Arrived { at }).into_iter().for_each(|hop| out.trace(hop));
                    out.answer(caller, Ok(reply));
                }
                None => out.forward(caller, dial),
            },
            Verdict::Reject => out.answer(caller, Err(DialError::Refused)),
            Verdict::Drop => {
                let reason = "a rule of kube-proxy says DROP".into();
                dial.hop(PacketStep::Dropped { reason, isolation: None }).into_iter().for_each(|hop| out.trace(hop));
            }
        }
    }
}

impl KubeProxy {
    /// What it answers itself: whether a Service has endpoints on this node.
    fn health_check(&self, dial: &Dial) -> Option<Reply> {
        let own = self.config.node_ips.contains(&dial.destination.ip()) && !dial.udp;
        own.then(|| self.health_checks.answer(dial.destination.port(), &dial.payload)).flatten()
    }
}

impl Component for KubeProxy {
    fn handle(&mut self, now: Time, input: Input, out: &mut Outbox) {
        if self.killed {
            if let Input::Outgoing(caller, dial) = input {
                self.outgoing(caller, dial, now, out);
            }
            return;
        }
        let changed = self.services.handle(now, &input, out).map(|deltas| !deltas.is_empty());
        let changed = changed.or_else(|| self.slices.handle(now, &input, out).map(|deltas| !deltas.is_empty()));
        let changed = changed.or_else(|| self.node.handle(now, &input, out).map(|_| false));
        if changed == Some(true) || (self.started && self.synced_at.is_none() && self.has_synced()) {
            self.request_sync(now);
        }
        self.sync_if_due(now, out);
        if let Input::Outgoing(caller, dial) = input {
            self.outgoing(caller, dial, now, out);
        }
    }

    fn next_wake(&self) -> Option<Time> {
        if self.killed {
            return None;
        }
        let sync = self.sync_at.filter(|_| self.has_synced());
        [sync, self.services.next_wake(), self.slices.next_wake(), self.node.next_wake()].into_iter().flatten().min()
    }

    fn inspect(&self) -> Inspection {
        Inspection { informers: vec![self.services.status(), self.slices.status(), self.node.status()], queues: Vec::new() }
    }
}

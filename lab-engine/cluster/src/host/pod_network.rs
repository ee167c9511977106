//! The Pod network: carries what containers send to the network of their node, and from there to whoever has the address.
//!
//! ```text
//! kubelet ─► kube-proxy's rules ─► policy agent ══ link ══► policy agent of the other node ─► kubelet ─► back
//!                                       └─► CoreDNS, the API server, a controller of Ingresses
//! ```
//!
//! Between nodes a call crosses the links between their kubelets, so that a cut, slow or lossy link is one for Pods too. A call that nobody
//! answers in time ends for the caller. What happens on the way is told in the trace, hop by hop (`packet_trace`).
//!
//! **Simplified here:** every node has routes to the Pods of all others, as with a bridge and static routes; an address that nobody has never
//! answers. Lost packets of a TCP connection are sent again ([`sim::Network::stream`]), those of a question over UDP are not.

use super::Host;
use super::packet_trace::Flows;
use crate::message::Message;
use client::dial::{Caller, Dial, DialError, Payload};
use client::{Action, Component};
use sim::{EventId, PacketStep};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// What a packet needs from one Pod to another on the same node.
const ON_NODE: Duration = Duration::from_micros(50);

/// The parts of a node's network; components by their numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NodeNetwork {
    /// Its kubelet.
    pub(crate) kubelet: usize,
    /// Its kube-proxy.
    pub(crate) proxy: usize,
    /// Its agent of NetworkPolicies.
    pub(crate) agent: usize,
}

/// Who has which addresses; components by their numbers.
#[derive(Debug, Default)]
pub(super) struct PodNetwork {
    /// The network of each kubelet's node.
    nodes: BTreeMap<usize, NodeNetwork>,
    /// The kubelet of the node that a part of a network is of.
    kubelets: BTreeMap<usize, usize>,
    addresses: BTreeMap<IpAddr, usize>,
    /// By the first three octets.
    ranges: BTreeMap<[u8; 3], usize>,
    pub(super) flows: Flows,
}

impl PodNetwork {
    fn owner(&self, ip: IpAddr) -> Option<usize> {
        let by_range = || match ip {
            IpAddr::V4(ip) => self.ranges.get(&[ip.octets()[0], ip.octets()[1], ip.octets()[2]]),
            IpAddr::V6(_) => None,
        };
        self.addresses.get(&ip).or_else(by_range).copied()
    }

    /// The node that a component is a part of.
    fn node_of(&self, component: usize) -> Option<NodeNetwork> {
        self.kubelets.get(&component).and_then(|kubelet| self.nodes.get(kubelet)).copied()
    }
}

impl<C: Component> Host<C> {
    /// Says which components are the network of a node, and which addresses it has: its own, and a range of 256 for Pods.
    pub(crate) fn add_node_network(&mut self, node: NodeNetwork, node_ip: IpAddr, pods: [u8; 3]) {
        let network = &mut self.pod_network;
        network.nodes.insert(node.kubelet, node);
        for part in [node.kubelet, node.proxy, node.agent] {
            network.kubelets.insert(part, node.kubelet);
        }
        network.addresses.insert(node_ip, node.kubelet);
        network.ranges.insert(pods, node.kubelet);
    }

    /// Says that a component has an address.
    pub(crate) fn add_address(&mut self, ip: IpAddr, component: usize) {
        self.pod_network.addresses.insert(ip, component);
    }

    /// Carries out what a component wants done with a call.
    pub(super) fn carry_call(&mut self, number: usize, action: Action, cause: Option<EventId>) {
        match action {
            Action::Dial(call, dial) => self.dial(Caller { component: number, call }, dial, cause),
            Action::Forward(caller, dial) => match self.pod_network.node_of(number) {
                // What passed the rules of its node meets the policies.
                Some(node) if node.proxy == number => self.on_node(node.agent, Message::Incoming(caller, dial), cause),
                _ => self.forward(number, caller, dial, cause),
            },
            Action::Answer(caller, answer) => {
                let cause = self.note_answer(number, caller, &answer, cause);
                // What the caller's own node says does not leave the node.
                let here = self.pod_network.kubelets.get(&number) == Some(&caller.component);
                let message = Message::Dialed(caller.call, answer);
                let (from, to) = (self.slots[number].endpoint, self.slots[caller.component].endpoint);
                if here {
                    self.kernel.deliver_at(self.kernel.now() + ON_NODE, from, to, message, cause);
                } else {
                    let from = self.pod_network.kubelets.get(&number).map_or(from, |kubelet| self.slots[*kubelet].endpoint);
                    self.kernel.send(from, to, message, cause);
                }
            }
            _ => {}
        }
    }

    fn dial(&mut self, caller: Caller, mut dial: Box<Dial>, cause: Option<EventId>) {
        let (now, own) = (self.kernel.now(), self.slots[caller.component].endpoint);
        let timed_out = Message::Dialed(caller.call, Err(DialError::TimedOut));
        self.kernel.deliver_at(now + dial.patience, own, own, timed_out, cause);
        let cause = if matches!(dial.payload, Payload::Node(_)) { cause } else { self.note_sent(caller, &mut dial, cause) };
        match self.pod_network.node_of(caller.component) {
            Some(node) => self.on_node(node.proxy, Message::Outgoing(caller, dial), cause),
            None => self.forward(caller.component, caller, dial, cause),
        }
    }

    /// Hands something to a part of the node's network, on the node itself.
    fn on_node(&mut self, part: usize, message: Message, cause: Option<EventId>) {
        let (now, to) = (self.kernel.now(), self.slots[part].endpoint);
        self.kernel.deliver_at(now, to, to, message, cause);
    }

    /// Sends a packet from a node whose rules and policies it has passed, or from a part of the cluster, to whoever has its address.
    fn forward(&mut self, number: usize, caller: Caller, mut dial: Box<Dial>, cause: Option<EventId>) {
        let Some(owner) = self.pod_network.owner(dial.destination.ip()) else {
            self.note_drop(number, &dial, "no route: nobody has this address".into(), cause);
            return;
        };
        let here = self.pod_network.node_of(number);
        let there = self.pod_network.nodes.get(&owner).copied();
        if let Some(node) = here.filter(|node| node.kubelet == owner) {
            // What came to a port of the node that a Pod has meets the policies on its way there.
            let part = if number == owner { node.agent } else { owner };
            let (now, to) = (self.kernel.now(), self.slots[part].endpoint);
            return self.kernel.deliver_at(now + ON_NODE, to, to, Message::Incoming(caller, dial), cause);
        }
        dial.unmasqueraded = None;
        let from = here.map_or(number, |node| node.kubelet);
        let (from_end, to_end) = (self.slots[from].endpoint, self.slots[owner].endpoint);
        let names = [self.place(from), self.place(owner)];
        let hop = dial.hop(PacketStep::Forwarded { from: names[0].into(), to: names[1].into() });
        let lost = dial.hop(PacketStep::Dropped { reason: format!("lost between {} and {}", names[0], names[1]).into(), isolation: None });
        let cause = hop.map(|hop| self.note_hop(number, hop, cause)).or(cause);
        let udp = dial.udp;
        let (to, message) = match there {
            // What comes to a node's own address passes that node's rules: it may be for a node port.
            Some(node) if self.pod_network.addresses.contains_key(&dial.destination.ip()) => (node.proxy, Message::Outgoing(caller, dial)),
            Some(node) => (node.agent, Message::Incoming(caller, dial)),
            None => (owner, Message::Incoming(caller, dial)),
        };
        let part = self.slots[to].endpoint;
        let arrives = self.kernel.carry(from_end, to_end, udp, part, message, cause);
        if !arrives && let Some(lost) = lost {
            self.note_hop(number, lost, cause);
        }
    }

    /// How a component is called where packets go: a node by its name.
    fn place(&self, number: usize) -> &str {
        let actor = &*self.slots[number].actor;
        actor.strip_prefix("kubelet/").unwrap_or(actor)
    }
}

//! The Pod network: carries what containers send to the network of their node, and from there to whoever has the address.
//!
//! ```text
//! kubelet ─► the node's network (its kube-proxy's rules) ─► the kubelet of the node that has the address, or CoreDNS ─► back
//! ```
//!
//! Between nodes a call crosses the links between their kubelets, so that a cut or slow link is one for Pods too. A call that nobody answers
//! in time ends for the caller.
//!
//! **Simplified here:** every node has routes to the Pods of all others, as with a bridge and static routes; an address that nobody has never
//! answers.

use super::Host;
use crate::message::Message;
use client::dial::{Caller, DialError};
use client::{Action, Component};
use sim::{Endpoint, EventId};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// What a packet needs from one Pod to another on the same node.
const ON_NODE: Duration = Duration::from_micros(50);

/// Who has which addresses; components by their numbers.
#[derive(Debug, Default)]
pub(super) struct PodNetwork {
    /// The network of each kubelet's node.
    proxies: BTreeMap<usize, usize>,
    addresses: BTreeMap<IpAddr, usize>,
    /// By the first three octets.
    ranges: BTreeMap<[u8; 3], usize>,
}

impl PodNetwork {
    fn owner(&self, ip: IpAddr) -> Option<usize> {
        let by_range = || match ip {
            IpAddr::V4(ip) => self.ranges.get(&[ip.octets()[0], ip.octets()[1], ip.octets()[2]]),
            IpAddr::V6(_) => None,
        };
        self.addresses.get(&ip).or_else(by_range).copied()
    }

    /// The network of a node whose own address this is, if it is not the network `here`.
    fn other_node(&self, kubelet: usize, ip: IpAddr, here: usize) -> Option<usize> {
        self.addresses.get(&ip)?;
        self.proxies.get(&kubelet).copied().filter(|network| *network != here)
    }
}

impl<C: Component> Host<C> {
    /// Says which component is the network of a kubelet's node, and which addresses the node has: its own, and a range of 256.
    pub(crate) fn add_node_network(&mut self, kubelet: usize, network: usize, node_ip: IpAddr, pods: [u8; 3]) {
        self.pod_network.proxies.insert(kubelet, network);
        self.pod_network.addresses.insert(node_ip, kubelet);
        self.pod_network.ranges.insert(pods, kubelet);
    }

    /// Says that a component has an address.
    pub(crate) fn add_address(&mut self, ip: IpAddr, component: usize) {
        self.pod_network.addresses.insert(ip, component);
    }

    /// Carries out what a component wants done with a call.
    pub(super) fn carry_call(&mut self, number: usize, action: Action, cause: Option<EventId>) {
        let (now, own) = (self.kernel.now(), self.slots[number].endpoint);
        match action {
            Action::Dial(call, dial) => {
                let timed_out = Message::Dialed(call, Err(DialError::TimedOut));
                self.kernel.deliver_at(now + dial.patience, own, own, timed_out, cause);
                if let Some(&network) = self.pod_network.proxies.get(&number) {
                    let message = Message::Outgoing(Caller { component: number, call }, dial);
                    self.kernel.deliver_at(now, own, self.slots[network].endpoint, message, cause);
                }
            }
            Action::Forward(caller, dial) => {
                let Some(owner) = self.pod_network.owner(dial.destination.ip()) else { return };
                let (from, to) = (self.slots[caller.component].endpoint, self.slots[owner].endpoint);
                match self.pod_network.other_node(owner, dial.destination.ip(), number) {
                    // What comes to a node from outside passes that node's rules: it may be for a node port.
                    Some(network) if self.kernel.network().connected(from, to) => {
                        self.kernel.send(from, self.slots[network].endpoint, Message::Outgoing(caller, dial), cause);
                    }
                    Some(_) => {}
                    None => self.pass(from, to, Message::Incoming(caller, dial), cause),
                }
            }
            Action::Answer(caller, answer) => {
                let to = self.slots[caller.component].endpoint;
                // What the node's own network says does not leave the node.
                let from = if self.pod_network.proxies.get(&caller.component) == Some(&number) { to } else { own };
                self.pass(from, to, Message::Dialed(caller.call, answer), cause);
            }
            _ => {}
        }
    }

    fn pass(&mut self, from: Endpoint, to: Endpoint, message: Message, cause: Option<EventId>) {
        if from == to {
            self.kernel.deliver_at(self.kernel.now() + ON_NODE, from, to, message, cause);
        } else {
            self.kernel.send(from, to, message, cause);
        }
    }
}

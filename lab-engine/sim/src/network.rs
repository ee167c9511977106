//! The simulated network: what a message needs to cross from one endpoint to another, and what can go wrong on the way.
//!
//! Two services are offered, as the real network offers two to Kubernetes. A *stream* ([`Network::stream`]) is a TCP connection: what
//! is sent arrives once and in order; loss shows as the delay of a retransmission, and only a cut makes it vanish. A *datagram*
//! ([`Network::datagram`]) can be lost, doubled and overtaken.
//!
//! **Simplified here:** no bandwidth, and a stream that was cut loses what was in flight instead of retrying for minutes; the parties
//! notice by their own time-outs, as they do when a connection hangs.

use crate::{Endpoint, Rng, Seed, Time};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How messages travel between two endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The shortest time a message takes.
    pub latency: Duration,
    /// What chance adds to it, uniformly from zero.
    pub jitter: Duration,
    /// Chance that a packet is lost, in parts per million.
    pub loss_ppm: u32,
    /// Chance that a datagram arrives twice, in parts per million.
    pub duplicate_ppm: u32,
}

impl Default for Link {
    /// A quiet data-centre network: 250 µs to 500 µs each way, nothing lost.
    fn default() -> Self {
        Link { latency: Duration::from_micros(250), jitter: Duration::from_micros(250), loss_ppm: 0, duplicate_ppm: 0 }
    }
}

/// A fault that can be put on the network and taken away again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkFault {
    /// Nothing passes between the two, in either direction.
    Cut(Endpoint, Endpoint),
    /// Nothing passes between the endpoint and anyone else.
    Isolate(Endpoint),
    /// Messages between the two follow another link.
    Shape(Endpoint, Endpoint, Link),
}

/// What becomes of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// It arrives at this time.
    Arrives(Time),
    /// It arrives at both times: the network doubled it.
    ArrivesTwice(Time, Time),
    /// It never arrives.
    Lost,
}

/// The links between all endpoints, and the faults on them.
#[derive(Debug)]
pub struct Network {
    default_link: Link,
    shaped: BTreeMap<(Endpoint, Endpoint), Link>,
    cuts: BTreeSet<(Endpoint, Endpoint)>,
    isolated: BTreeSet<Endpoint>,
    /// The last arrival of each stream, so that what is sent later does not overtake.
    last_arrival: BTreeMap<(Endpoint, Endpoint), Time>,
    rng: Rng,
}

/// What a lost packet costs a stream: TCP's minimal retransmission time-out on Linux (`TCP_RTO_MIN`).
const RETRANSMISSION: Duration = Duration::from_millis(200);

/// After so many losses in a row a stream gives up on the packet, as if the link were cut.
const MAX_RETRANSMISSIONS: u32 = 15;

impl Network {
    /// A network without faults whose links all behave like `default_link`.
    pub fn new(seed: Seed, default_link: Link) -> Self {
        Network {
            default_link,
            shaped: BTreeMap::new(),
            cuts: BTreeSet::new(),
            isolated: BTreeSet::new(),
            last_arrival: BTreeMap::new(),
            rng: seed.stream("network"),
        }
    }

    /// Puts a fault on the network. Putting the same one twice changes nothing.
    pub fn inject(&mut self, fault: LinkFault) {
        match fault {
            LinkFault::Cut(a, b) => {
                self.cuts.insert(pair(a, b));
            }
            LinkFault::Isolate(endpoint) => {
                self.isolated.insert(endpoint);
            }
            LinkFault::Shape(a, b, link) => {
                self.shaped.insert(pair(a, b), link);
            }
        }
    }

    /// Takes away the faults between the two endpoints.
    pub fn heal(&mut self, a: Endpoint, b: Endpoint) {
        self.cuts.remove(&pair(a, b));
        self.shaped.remove(&pair(a, b));
    }

    /// Gives the two endpoints their usual link again; what cuts them off stays.
    pub fn unshape(&mut self, a: Endpoint, b: Endpoint) {
        self.shaped.remove(&pair(a, b));
    }

    /// Takes away the isolation of the endpoint.
    pub fn reconnect(&mut self, endpoint: Endpoint) {
        self.isolated.remove(&endpoint);
    }

    /// Takes away every fault.
    pub fn heal_all(&mut self) {
        self.cuts.clear();
        self.shaped.clear();
        self.isolated.clear();
    }

    /// Whether messages between the two can arrive at all. An endpoint always reaches itself.
    pub fn connected(&self, a: Endpoint, b: Endpoint) -> bool {
        a == b || !(self.cuts.contains(&pair(a, b)) || self.isolated.contains(&a) || self.isolated.contains(&b))
    }

    /// Sends over the stream between two endpoints: in order, once, late if packets are lost.
    pub fn stream(&mut self, now: Time, from: Endpoint, to: Endpoint) -> Route {
        if !self.connected(from, to) {
            return Route::Lost;
        }
        let link = link_of(&self.shaped, &self.default_link, from, to);
        let mut delay = link.latency + self.rng.duration(Duration::ZERO, link.jitter);
        let mut losses = 0;
        while link.loss_ppm > 0 && self.rng.chance(link.loss_ppm) {
            losses += 1;
            if losses > MAX_RETRANSMISSIONS {
                return Route::Lost;
            }
            delay += RETRANSMISSION;
        }
        let last = self.last_arrival.entry((from, to)).or_default();
        *last = (now + delay).max(*last);
        Route::Arrives(*last)
    }

    /// Sends a datagram: it can be lost, doubled and overtaken.
    pub fn datagram(&mut self, now: Time, from: Endpoint, to: Endpoint) -> Route {
        let link = link_of(&self.shaped, &self.default_link, from, to);
        if !self.connected(from, to) || self.rng.chance(link.loss_ppm) {
            return Route::Lost;
        }
        let first = now + link.latency + self.rng.duration(Duration::ZERO, link.jitter);
        if self.rng.chance(link.duplicate_ppm) {
            let second = now + link.latency + self.rng.duration(Duration::ZERO, link.jitter);
            return Route::ArrivesTwice(first, second);
        }
        Route::Arrives(first)
    }
}

fn link_of<'a>(shaped: &'a BTreeMap<(Endpoint, Endpoint), Link>, default: &'a Link, a: Endpoint, b: Endpoint) -> &'a Link {
    shaped.get(&pair(a, b)).unwrap_or(default)
}

fn pair(a: Endpoint, b: Endpoint) -> (Endpoint, Endpoint) {
    (a.min(b), a.max(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kernel;

    fn two() -> (Network, Endpoint, Endpoint) {
        let mut kernel: Kernel<()> = Kernel::new(1);
        let (a, b) = (kernel.endpoint("a"), kernel.endpoint("b"));
        (Network::new(Seed(1), Link::default()), a, b)
    }

    #[test]
    fn a_stream_never_overtakes_itself() {
        let (mut network, a, b) = two();
        network.inject(LinkFault::Shape(a, b, Link { jitter: Duration::from_secs(1), loss_ppm: 200_000, ..Link::default() }));
        let mut last = Time::ZERO;
        for i in 0..500 {
            match network.stream(Time::from_millis(i), a, b) {
                Route::Arrives(at) => {
                    assert!(at >= last, "{at} overtakes {last}");
                    last = at;
                }
                other => panic!("a stream delivers: {other:?}"),
            }
        }
    }

    #[test]
    fn a_cut_stops_both_directions_until_healed() {
        let (mut network, a, b) = two();
        network.inject(LinkFault::Cut(b, a));
        assert_eq!(network.stream(Time::ZERO, a, b), Route::Lost);
        assert_eq!(network.datagram(Time::ZERO, b, a), Route::Lost);
        network.heal(a, b);
        assert!(matches!(network.stream(Time::ZERO, a, b), Route::Arrives(_)));
    }

    #[test]
    fn an_isolated_endpoint_still_reaches_itself() {
        let (mut network, a, b) = two();
        network.inject(LinkFault::Isolate(a));
        assert_eq!(network.stream(Time::ZERO, b, a), Route::Lost);
        assert!(matches!(network.stream(Time::ZERO, a, a), Route::Arrives(_)));
    }

    #[test]
    fn datagrams_can_be_lost_and_doubled() {
        let (mut network, a, b) = two();
        network.inject(LinkFault::Shape(a, b, Link { loss_ppm: 500_000, duplicate_ppm: 500_000, ..Link::default() }));
        let routes: Vec<_> = (0..100).map(|_| network.datagram(Time::ZERO, a, b)).collect();
        assert!(routes.contains(&Route::Lost));
        assert!(routes.iter().any(|r| matches!(r, Route::ArrivesTwice(..))));
    }
}

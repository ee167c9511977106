//! CoreDNS with its plugin `kubernetes`: answers names of Services and Pods from what it watches.
//!
//! **Simplified here:** it answers at the cluster's DNS address itself, and only where a cluster asks for it from Pods behind the Service
//! `kube-dns`, which hand it their questions. It begins to watch with the first question, which waits. Names outside the cluster do not exist.

use crate::dns;
use api::core::Service;
use api::discovery::EndpointSlice;
use client::dial::{Caller, Dial, DialError, Payload, Reply};
use client::{Component, Informer, Input, Inspection, ListOptions, Outbox};
use sim::{ObjectRef, PacketStep, Rng, Time};
use std::collections::VecDeque;

/// How many questions may wait until everything is known; more are not answered.
const MAX_WAITING: usize = 256;

/// The cluster's DNS server.
#[derive(Debug)]
pub struct CoreDns {
    services: Informer<Service>,
    slices: Informer<EndpointSlice>,
    started: bool,
    fails: bool,
    waiting: VecDeque<(Caller, Box<Dial>)>,
}

impl CoreDns {
    /// A server that has not watched anything yet.
    pub fn new(rng: &Rng) -> Self {
        CoreDns {
            services: Informer::new(ListOptions::default(), "CoreDNS", rng.stream("services")),
            slices: Informer::new(ListOptions::default(), "CoreDNS", rng.stream("endpointslices")),
            started: false,
            fails: false,
            waiting: VecDeque::new(),
        }
    }

    /// From now on it answers every question with `SERVFAIL`, or again with what it knows.
    pub fn fail(&mut self, fails: bool) {
        self.fails = fails;
    }

    fn answer(&self, dial: &Dial) -> Result<Reply, DialError> {
        let Payload::Dns { name, kind } = &dial.payload else { return Err(DialError::Refused) };
        if self.fails {
            return Ok(Reply::DnsFailure);
        }
        let services = self.services.lister().list().map(|service| &**service);
        let slices = self.slices.lister().list().map(|slice| &**slice);
        Ok(Reply::Dns(dns::answer(services, slices, name, *kind)))
    }
}

impl Component for CoreDns {
    fn handle(&mut self, now: Time, input: Input, out: &mut Outbox) {
        if self.services.handle(now, &input, out).is_none() {
            self.slices.handle(now, &input, out);
        }
        if let Input::Incoming(caller, dial) = input {
            let at = ObjectRef::new("Server", "", "coredns");
            dial.hop(PacketStep::Arrived { at }).into_iter().for_each(|hop| out.trace(hop));
            if !std::mem::replace(&mut self.started, true) {
                self.services.start(now, out);
                self.slices.start(now, out);
            }
            if self.waiting.len() < MAX_WAITING {
                self.waiting.push_back((caller, dial));
            }
        }
        if self.services.has_synced() && self.slices.has_synced() {
            for (caller, dial) in std::mem::take(&mut self.waiting) {
                out.answer(caller, self.answer(&dial));
            }
        }
    }

    fn next_wake(&self) -> Option<Time> {
        [self.services.next_wake(), self.slices.next_wake()].into_iter().flatten().min()
    }

    fn inspect(&self) -> Inspection {
        Inspection { informers: vec![self.services.status(), self.slices.status()], queues: Vec::new() }
    }
}

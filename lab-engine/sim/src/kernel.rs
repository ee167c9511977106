//! The kernel: one queue of messages and wakes for all endpoints, and the trace that they write.
//!
//! **Simplified here:** an endpoint that is down does not refuse connections; what is sent to it disappears.

use crate::network::{Link, Network, Route};
use crate::{EventId, EventQueue, Rng, Seed, Time, Trace};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A party on the network: an etcd member, an API server, a kubelet, a client. Ordered by when it was first named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint(u32);

/// Something that happens to one endpoint at one instant.
#[derive(Debug)]
pub struct Occurrence<M> {
    /// When.
    pub at: Time,
    /// To whom.
    pub to: Endpoint,
    /// What.
    pub payload: Payload<M>,
    /// The trace event that led to it, if one did.
    pub cause: Option<EventId>,
}

/// What an occurrence brings.
#[derive(Debug)]
pub enum Payload<M> {
    /// A message from another endpoint arrives.
    Message {
        /// The sender.
        from: Endpoint,
        /// The message.
        message: M,
    },
    /// A time comes that the endpoint asked to be woken at.
    Wake,
}

/// Virtual time, the queue, the network and the trace of one run. `M` is the type of messages.
#[derive(Debug)]
pub struct Kernel<M> {
    now: Time,
    queue: EventQueue<Occurrence<M>>,
    network: Network,
    trace: Trace,
    seed: Seed,
    names: Vec<Arc<str>>,
    by_name: BTreeMap<Arc<str>, Endpoint>,
    /// The earliest wake that each endpoint waits for, so that asking again costs nothing.
    pending_wake: BTreeMap<Endpoint, Time>,
    down: BTreeSet<Endpoint>,
    steps: u64,
}

impl<M> Kernel<M> {
    /// A run at time zero with no endpoints, a default network and an empty trace.
    pub fn new(seed: u64) -> Self {
        Kernel {
            now: Time::ZERO,
            queue: EventQueue::default(),
            network: Network::new(Seed(seed), Link::default()),
            trace: Trace::default(),
            seed: Seed(seed),
            names: Vec::new(),
            by_name: BTreeMap::new(),
            pending_wake: BTreeMap::new(),
            down: BTreeSet::new(),
            steps: 0,
        }
    }

    /// The present.
    pub fn now(&self) -> Time {
        self.now
    }

    /// How many occurrences were handed out so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The random stream of the component `name`.
    pub fn rng(&self, name: &str) -> Rng {
        self.seed.stream(name)
    }

    /// The endpoint called `name`, made when it is first asked for.
    pub fn endpoint(&mut self, name: &str) -> Endpoint {
        if let Some(&endpoint) = self.by_name.get(name) {
            return endpoint;
        }
        let endpoint = Endpoint(u32::try_from(self.names.len()).expect("fewer than 2^32 endpoints"));
        let name: Arc<str> = name.into();
        self.names.push(name.clone());
        self.by_name.insert(name, endpoint);
        endpoint
    }

    /// The endpoint called `name`, if there is one.
    pub fn find(&self, name: &str) -> Option<Endpoint> {
        self.by_name.get(name).copied()
    }

    /// The name of an endpoint of this kernel.
    pub fn name(&self, endpoint: Endpoint) -> &Arc<str> {
        &self.names[endpoint.0 as usize]
    }

    /// The names of all endpoints, in the order of their making.
    pub fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.names.iter()
    }

    /// The network, for faults.
    pub fn network(&mut self) -> &mut Network {
        &mut self.network
    }

    /// The trace, to read.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// The trace, to write.
    pub fn trace_mut(&mut self) -> &mut Trace {
        &mut self.trace
    }

    /// Takes an endpoint down: what waits for it or is sent to it is dropped, its wakes too.
    pub fn take_down(&mut self, endpoint: Endpoint) {
        self.down.insert(endpoint);
        self.pending_wake.remove(&endpoint);
    }

    /// Brings an endpoint up again. What was sent to it while it was down stays lost.
    pub fn bring_up(&mut self, endpoint: Endpoint) {
        self.down.remove(&endpoint);
    }

    /// Whether the endpoint is down.
    pub fn is_down(&self, endpoint: Endpoint) -> bool {
        self.down.contains(&endpoint)
    }

    /// Sends `message` over the stream between the two endpoints. It is lost when the stream is cut or the sender is down.
    pub fn send(&mut self, from: Endpoint, to: Endpoint, message: M, cause: Option<EventId>) {
        self.carry(from, to, false, to, message, cause);
    }

    /// Sends `message` over the link between two endpoints to a third one that is where the second is: over their stream, or as a datagram,
    /// which may be lost. Says whether it will arrive.
    pub fn carry(&mut self, from: Endpoint, to: Endpoint, datagram: bool, part: Endpoint, message: M, cause: Option<EventId>) -> bool {
        let route = match datagram {
            _ if self.down.contains(&from) => Route::Lost,
            true => self.network.datagram(self.now, from, to),
            false => self.network.stream(self.now, from, to),
        };
        // What is doubled on the way is answered once: those who ask take the first answer.
        let (Route::Arrives(at) | Route::ArrivesTwice(at, _)) = route else { return false };
        self.queue.push(at, Occurrence { at, to: part, payload: Payload::Message { from, message }, cause });
        true
    }

    /// Hands `message` to `to` at `at` without crossing the network: for work inside one endpoint that takes time.
    pub fn deliver_at(&mut self, at: Time, from: Endpoint, to: Endpoint, message: M, cause: Option<EventId>) {
        let at = at.max(self.now);
        self.queue.push(at, Occurrence { at, to, payload: Payload::Message { from, message }, cause });
    }

    /// Wakes `endpoint` at `at`, or now if that is past. Only the earliest wake is kept: an endpoint that is woken says anew when it
    /// wants to be woken next.
    pub fn wake(&mut self, endpoint: Endpoint, at: Time, cause: Option<EventId>) {
        let at = at.max(self.now);
        if self.down.contains(&endpoint) || self.pending_wake.get(&endpoint).is_some_and(|&pending| pending <= at) {
            return;
        }
        self.pending_wake.insert(endpoint, at);
        self.queue.push(at, Occurrence { at, to: endpoint, payload: Payload::Wake, cause });
    }

    /// The time of the next occurrence (which may turn out to be stale and be skipped).
    pub fn next_time(&self) -> Option<Time> {
        self.queue.peek_time()
    }

    /// Moves time forward to `at` without anything happening; never backwards and never past the next occurrence.
    pub fn idle_until(&mut self, at: Time) {
        let limit = self.next_time().map_or(at, |next| next.min(at));
        self.now = self.now.max(limit);
    }

    /// Moves to the next occurrence and hands it out; `None` when nothing is left to happen.
    #[expect(clippy::should_implement_trait, reason = "a kernel is not an iterator: it is changed between the calls")]
    pub fn next(&mut self) -> Option<Occurrence<M>> {
        self.next_until(Time::from_nanos(u64::MAX))
    }

    /// Like [`Kernel::next`], but leaves what happens after `limit` alone.
    pub fn next_until(&mut self, limit: Time) -> Option<Occurrence<M>> {
        while self.queue.peek_time()? <= limit {
            let (at, occurrence) = self.queue.pop()?;
            self.now = at;
            if self.down.contains(&occurrence.to) {
                continue;
            }
            if matches!(occurrence.payload, Payload::Wake) {
                // A wake that an earlier one has replaced.
                if self.pending_wake.get(&occurrence.to) != Some(&at) {
                    continue;
                }
                self.pending_wake.remove(&occurrence.to);
            }
            self.steps += 1;
            return Some(occurrence);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LinkFault;
    use std::time::Duration;

    #[test]
    fn an_endpoint_keeps_only_its_earliest_wake() {
        let mut kernel: Kernel<()> = Kernel::new(1);
        let a = kernel.endpoint("a");
        for secs in [5, 2, 9] {
            kernel.wake(a, Time::from_secs(secs), None);
        }
        assert_eq!(kernel.next().map(|o| o.at), Some(Time::from_secs(2)));
        assert!(kernel.next().is_none(), "later wakes were replaced by the earlier one");
    }

    #[test]
    fn what_is_sent_to_an_endpoint_that_is_down_is_lost() {
        let mut kernel: Kernel<u8> = Kernel::new(1);
        let (a, b) = (kernel.endpoint("a"), kernel.endpoint("b"));
        kernel.send(a, b, 1, None);
        kernel.take_down(b);
        assert!(kernel.next().is_none());
        kernel.bring_up(b);
        kernel.send(a, b, 2, None);
        assert!(matches!(kernel.next().map(|o| o.payload), Some(Payload::Message { message: 2, .. })));
    }

    #[test]
    fn a_partition_drops_messages_and_heals() {
        let mut kernel: Kernel<u8> = Kernel::new(1);
        let (a, b) = (kernel.endpoint("a"), kernel.endpoint("b"));
        kernel.network().inject(LinkFault::Cut(a, b));
        kernel.send(a, b, 1, None);
        assert!(kernel.next().is_none());
        kernel.network().heal_all();
        kernel.send(a, b, 2, None);
        assert!(kernel.next().is_some());
    }

    #[test]
    fn time_stops_at_the_limit() {
        let mut kernel: Kernel<u8> = Kernel::new(1);
        let a = kernel.endpoint("a");
        kernel.wake(a, Time::from_secs(10), None);
        assert!(kernel.next_until(Time::from_secs(5)).is_none());
        kernel.idle_until(Time::from_secs(5));
        assert_eq!(kernel.now(), Time::from_secs(5));
        kernel.idle_until(Time::from_secs(50));
        assert_eq!(kernel.now(), Time::from_secs(10), "never past what is still to happen");
        assert_eq!(kernel.next().map(|o| o.at), Some(Time::ZERO + Duration::from_secs(10)));
    }
}

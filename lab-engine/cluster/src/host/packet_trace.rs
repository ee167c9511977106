//! The way of packets in the trace: the hops that the host sees. The others are told by the parts that decide them: kube-proxy its rules, the
//! policy agent its policies, and whoever has the address the arrival.
//!
//! A container that calls in a loop would push everything else out of the trace. So a node may trace a hundred connections at once and then ten a
//! second; how many went untold is said with the next one.

use super::Host;
use client::Component;
use client::dial::{CallId, Caller, Dial, DialError, Reply};
use sim::{EventId, PacketStep, Time, What};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How many connections of a node may be traced at once.
const BURST: u64 = 100;
/// After how long one more may be.
const REFILL: Duration = Duration::from_millis(100);
/// How many traced connections may wait for their answers.
const MAX_FLOWS: usize = 4_096;

/// A connection whose way is told.
#[derive(Debug)]
struct Flow {
    /// The call as it was sent.
    dial: Dial,
    since: Time,
    /// Its last hop so far.
    last: EventId,
}

/// How many connections a node may still trace.
#[derive(Debug, Default)]
struct Budget {
    used: u64,
    since: Time,
    skipped: u64,
}

impl Budget {
    /// Takes one; `None` when there is none, else how many were skipped before.
    fn take(&mut self, now: Time) -> Option<u64> {
        let regained = u64::try_from(now.since(self.since).as_nanos() / REFILL.as_nanos()).unwrap_or(u64::MAX);
        self.used = self.used.saturating_sub(regained);
        self.since = if self.used == 0 { now } else { self.since + REFILL * u32::try_from(regained).unwrap_or(u32::MAX) };
        if self.used < BURST {
            self.used += 1;
            return Some(std::mem::take(&mut self.skipped));
        }
        self.skipped += 1;
        None
    }
}

/// The connections whose ways are told.
#[derive(Debug, Default)]
pub(super) struct Flows {
    next: u64,
    flows: BTreeMap<u64, Flow>,
    callers: BTreeMap<Caller, u64>,
    budgets: BTreeMap<usize, Budget>,
}

impl Flows {
    fn remove(&mut self, caller: Caller) -> Option<Flow> {
        self.callers.remove(&caller).and_then(|connection| self.flows.remove(&connection))
    }

    /// Notes the last hop of a connection.
    pub(super) fn passed(&mut self, connection: u64, id: EventId) {
        if let Some(flow) = self.flows.get_mut(&connection) {
            flow.last = id;
        }
    }
}

impl<C: Component> Host<C> {
    /// Writes a hop into the trace.
    pub(super) fn note_hop(&mut self, number: usize, hop: What, cause: Option<EventId>) -> EventId {
        let endpoint = self.slots[number].endpoint;
        let connection = connection_of(&hop);
        let id = self.record(endpoint, hop, cause);
        connection.into_iter().for_each(|connection| self.pod_network.flows.passed(connection, id));
        id
    }

    /// A call begins. Gives the cause of what follows.
    pub(super) fn note_sent(&mut self, caller: Caller, dial: &mut Dial, cause: Option<EventId>) -> Option<EventId> {
        let now = self.kernel.now();
        let flows = &mut self.pod_network.flows;
        if flows.flows.len() >= MAX_FLOWS {
            return cause;
        }
        let Some(skipped) = flows.budgets.entry(caller.component).or_default().take(now) else { return cause };
        flows.next += 1;
        let connection = flows.next;
        dial.connection = Some(connection);
        let Some(hop) = dial.hop(PacketStep::Sent { pod: dial.sender.clone(), asks: dial.payload.summary(), skipped }) else {
            return cause;
        };
        let id = self.note_hop(caller.component, hop, cause);
        let flows = &mut self.pod_network.flows;
        flows.flows.insert(connection, Flow { dial: dial.clone(), since: now, last: id });
        flows.callers.insert(caller, connection);
        Some(id)
    }

    /// A packet vanishes.
    pub(super) fn note_drop(&mut self, number: usize, dial: &Dial, reason: Arc<str>, cause: Option<EventId>) {
        if let Some(hop) = dial.hop(PacketStep::Dropped { reason, isolation: None }) {
            self.note_hop(number, hop, cause);
        }
    }

    /// A call is answered. Gives the cause of what follows.
    pub(super) fn note_answer(
        &mut self,
        number: usize,
        caller: Caller,
        answer: &Result<Box<Reply>, DialError>,
        cause: Option<EventId>,
    ) -> Option<EventId> {
        let Some(flow) = self.pod_network.flows.remove(caller) else { return cause };
        let step = match answer {
            Ok(reply) => PacketStep::Answered { with: reply.summary() },
            Err(DialError::Refused) => PacketStep::Refused { reason: "connection refused".into() },
            Err(DialError::Unreachable) => PacketStep::Refused { reason: "host unreachable".into() },
            Err(DialError::TimedOut) => PacketStep::TimedOut { waited_ms: millis(self.kernel.now(), flow.since) },
        };
        let hop = if answer.is_ok() { reply(&flow.dial, step) } else { flow.dial.hop(step) };
        let hop = hop?;
        Some(self.note_hop(number, hop, cause))
    }

    /// The time of a call is up. Gives the cause of what follows.
    pub(super) fn note_timeout(&mut self, number: usize, call: CallId, cause: Option<EventId>) -> Option<EventId> {
        let Some(flow) = self.pod_network.flows.remove(Caller { component: number, call }) else { return cause };
        let waited_ms = millis(self.kernel.now(), flow.since);
        let hop = flow.dial.hop(PacketStep::TimedOut { waited_ms });
        hop.map(|hop| self.note_hop(number, hop, Some(flow.last))).or(cause)
    }
}

/// The connection that a hop is of.
pub(super) fn connection_of(what: &What) -> Option<u64> {
    if let What::Packet(hop) = what { Some(hop.connection) } else { None }
}

fn millis(now: Time, since: Time) -> u64 {
    u64::try_from(now.since(since).as_millis()).unwrap_or(u64::MAX)
}

/// A hop of the answer to a call, as the caller sees it.
fn reply(dial: &Dial, step: PacketStep) -> Option<What> {
    let back = Dial {
        source: dial.destination.ip(),
        source_port: dial.destination.port(),
        destination: (dial.source, dial.source_port).into(),
        ..dial.clone()
    };
    back.hop(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_traces_a_burst_and_then_ten_a_second() {
        let mut budget = Budget::default();
        let at = Time::from_secs(1);
        assert_eq!((0..250).filter(|_| budget.take(at).is_some()).count(), 100);
        assert_eq!(budget.take(at + REFILL / 2), None);
        assert_eq!(budget.take(at + REFILL), Some(151), "those that went untold are told");
        assert_eq!(budget.take(at + REFILL), None);
        let later = at + Duration::from_secs(60);
        assert_eq!((0..250).filter(|_| budget.take(later).is_some()).count(), 100);
    }
}

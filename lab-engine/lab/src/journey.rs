//! The ways of packets, connection by connection, as a view shows them: read from the events of the trace, nothing is computed anew.
//!
//! A view that has [`EventView`]s makes [`Journey`]s of them with [`Journey::of`]. A page shows a journey as a row of hops: who sent it, what the rules of
//! the node did (each rule with its table, chain and place), what policies said, which nodes it crossed, where it arrived, and what came back.

use crate::snapshot::EventView;
use serde::{Deserialize, Serialize};
use sim::{ObjectRef, PacketHop, PacketStep};
use std::collections::BTreeMap;

/// The way of one connection's first packet and of its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Journey {
    /// Its number.
    pub connection: u64,
    /// The Pod that sent it; none for a part of the cluster, or when its beginning is no longer held.
    pub pod: Option<ObjectRef>,
    /// What is asked, for example `GET http://web/`.
    pub asks: String,
    /// What became of it so far.
    pub outcome: Outcome,
    /// Its hops, in order.
    pub hops: Vec<Hop>,
}

/// One hop, with the event that tells of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hop {
    /// The number of the event.
    pub event: u64,
    /// When, in virtual milliseconds since the cluster began.
    pub at_ms: u64,
    /// Who tells of it, for example `kube-proxy/node-1`.
    pub actor: String,
    /// What happened.
    pub packet: PacketHop,
}

/// What became of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// It is under way.
    Underway,
    /// It was answered.
    Answered,
    /// Its sender was told that nothing is there.
    Refused,
    /// It vanished on the way.
    Dropped,
    /// Nothing came back in time.
    TimedOut,
}

impl Outcome {
    /// What it is after another hop.
    fn after(self, step: &PacketStep) -> Self {
        match step {
            PacketStep::Answered { .. } => Outcome::Answered,
            PacketStep::Refused { .. } => Outcome::Refused,
            PacketStep::Dropped { .. } => Outcome::Dropped,
            // A sender that has waited long enough says nothing of why.
            PacketStep::TimedOut { .. } if self == Outcome::Underway => Outcome::TimedOut,
            _ => self,
        }
    }
}

impl Journey {
    /// The journeys that events tell of, by their numbers. Events come in the order of the trace.
    pub fn of<'a>(events: impl IntoIterator<Item = &'a EventView>) -> Vec<Journey> {
        let mut journeys: BTreeMap<u64, Journey> = BTreeMap::new();
        for event in events {
            let Some(packet) = hop_of(event) else { continue };
            let journey = journeys.entry(packet.connection).or_insert_with(|| Journey {
                connection: packet.connection,
                pod: None,
                asks: String::new(),
                outcome: Outcome::Underway,
                hops: Vec::new(),
            });
            if let PacketStep::Sent { pod, asks, .. } = &packet.step {
                journey.pod.clone_from(pod);
                journey.asks = asks.to_string();
            }
            journey.outcome = journey.outcome.after(&packet.step);
            journey.hops.push(Hop { event: event.id, at_ms: event.at_ms, actor: event.actor.clone(), packet });
        }
        journeys.into_values().collect()
    }
}

/// The hop that an event tells of, if it does.
fn hop_of(event: &EventView) -> Option<PacketHop> {
    let is_packet = event.what.get("type").is_some_and(|kind| kind == "packet");
    is_packet.then(|| serde_json::from_value(event.what.clone()).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sim::{Routing, Time, Trace, What};

    #[test]
    fn journeys_are_read_from_the_trace() {
        let mut trace = Trace::default();
        let mut hop = |connection: u64, step: PacketStep| {
            let (source, destination) = ("10.244.0.5".into(), "10.96.0.20:80".into());
            let what = What::Packet(Box::new(PacketHop { connection, protocol: "tcp".into(), source, destination, step }));
            trace.record(Time::from_millis(7), &"kubelet/node-1".into(), None, what);
        };
        let pod = ObjectRef::new("Pod", "default", "client");
        hop(1, PacketStep::Sent { pod: Some(pod.clone()), asks: "GET http://web/".into(), skipped: 0 });
        hop(2, PacketStep::Sent { pod: None, asks: "connect".into(), skipped: 3 });
        hop(1, PacketStep::Routed(Routing { dnat: Some("10.244.1.3:8080".into()), ..Routing::default() }));
        hop(2, PacketStep::Dropped { reason: "no route".into(), isolation: None });
        hop(1, PacketStep::Answered { with: "HTTP 200".into() });
        hop(2, PacketStep::TimedOut { waited_ms: 5 });
        let journeys = Journey::of(&EventView::of(&trace, sim::EventId(0), 100));
        assert_eq!(
            journeys.iter().map(|one| (one.hops.len(), one.outcome)).collect::<Vec<_>>(),
            [(3, Outcome::Answered), (3, Outcome::Dropped)]
        );
        assert_eq!((journeys[0].pod.as_ref(), journeys[0].asks.as_str()), (Some(&pod), "GET http://web/"));
        let json = serde_json::to_string(&journeys).unwrap();
        assert_eq!(serde_json::from_str::<Vec<Journey>>(&json).unwrap(), journeys);
    }
}

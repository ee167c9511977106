//! How fast nodes are tainted, zone by zone: slower the more of a zone is lost, so that a broken network does not drive every Pod out
//! (`handleDisruption`, `ComputeZoneState`, `scheduler/rate_limited_queue.go`).

use api::core::Node;
use sim::Time;
use std::collections::BTreeMap;
use std::time::Duration;

/// The pause between two nodes of a healthy zone (`--node-eviction-rate` 0.1 per second).
const EVICTION_PAUSE: Duration = Duration::from_secs(10);
/// The pause in a large zone of which much is lost (`--secondary-node-eviction-rate` 0.01 per second).
const SECONDARY_PAUSE: Duration = Duration::from_secs(100);
/// A zone with more nodes is large (`--large-cluster-size-threshold`).
const LARGE_ZONE: usize = 50;
/// From this share of lost nodes on, in percent, a zone is partially disrupted (`--unhealthy-zone-threshold` 0.55).
const UNHEALTHY_PERCENT: usize = 55;

/// How much of a zone is lost (`ZoneState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Initial,
    Normal,
    Full,
    Partial,
}

impl State {
    /// Judges a zone by which of its nodes are ready.
    fn of(ready: &[bool]) -> State {
        let lost = ready.iter().filter(|ready| !**ready).count();
        match () {
            () if lost > 0 && lost == ready.len() => State::Full,
            () if lost > 2 && lost * 100 >= ready.len() * UNHEALTHY_PERCENT => State::Partial,
            () => State::Normal,
        }
    }

    /// The pause between two nodes; `None` stops.
    fn pause(self, size: usize) -> Option<Duration> {
        match self {
            State::Partial if size > LARGE_ZONE => Some(SECONDARY_PAUSE),
            State::Partial => None,
            State::Initial | State::Normal | State::Full => Some(EVICTION_PAUSE),
        }
    }
}

/// A token bucket with room for one.
#[derive(Debug)]
struct Limiter {
    pause: Option<Duration>,
    next: Time,
}

impl Limiter {
    fn try_accept(&mut self, now: Time) -> bool {
        let Some(pause) = self.pause.filter(|_| self.next <= now) else { return false };
        self.next = now + pause;
        true
    }

    /// Goes on at another rate; who had to wait waits anew (`SwapLimiter`).
    fn swap(&mut self, now: Time, pause: Option<Duration>) {
        let waiting = !self.try_accept(now);
        self.next = if waiting { now + pause.unwrap_or_default() } else { now };
        self.pause = pause;
    }
}

#[derive(Debug)]
struct Zone {
    state: State,
    limiter: Limiter,
    line: Line,
}

/// Nodes that wait for their turn, each once.
#[derive(Debug, Default)]
struct Line {
    places: BTreeMap<String, u64>,
    nodes: BTreeMap<u64, String>,
    last: u64,
}

impl Line {
    fn push(&mut self, node: &str) {
        if !self.places.contains_key(node) {
            self.last += 1;
            self.places.insert(node.to_owned(), self.last);
            self.nodes.insert(self.last, node.to_owned());
        }
    }

    fn remove(&mut self, node: &str) {
        if let Some(place) = self.places.remove(node) {
            self.nodes.remove(&place);
        }
    }

    fn pop(&mut self) -> Option<String> {
        let (_, node) = self.nodes.pop_first()?;
        self.places.remove(&node);
        Some(node)
    }

    fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }
}

/// A change that concerns all nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disruption {
    /// No node is ready any more: it may be the control plane that is cut off.
    Entered,
    /// Some are ready again.
    Left,
}

/// The zones of the cluster.
#[derive(Debug, Default)]
pub(crate) struct Zones(BTreeMap<String, Zone>);

/// The zone of a node: region and zone (`GetZoneKey`).
pub(crate) fn zone_of(node: &Node) -> String {
    let label = |names: [&str; 2]| names.iter().find_map(|name| node.metadata.labels.get(*name)).map_or("", String::as_str);
    let region = label(["topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/region"]);
    let zone = label(["topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone"]);
    if region.is_empty() && zone.is_empty() { String::new() } else { format!("{region}:\0:{zone}") }
}

impl Zones {
    fn zone(&mut self, name: &str) -> &mut Zone {
        let new =
            || Zone { state: State::Initial, limiter: Limiter { pause: Some(EVICTION_PAUSE), next: Time::ZERO }, line: Line::default() };
        self.0.entry(name.to_owned()).or_insert_with(new)
    }

    /// Lines a node up to be tainted.
    pub(crate) fn enqueue(&mut self, zone: &str, node: &str) {
        self.zone(zone).line.push(node);
    }

    /// Takes a node out of the line.
    pub(crate) fn remove(&mut self, zone: &str, node: &str) {
        if let Some(zone) = self.0.get_mut(zone) {
            zone.line.remove(node);
        }
    }

    /// The next node whose turn it is.
    pub(crate) fn next(&mut self, now: Time) -> Option<String> {
        self.0.values_mut().find_map(|zone| if zone.line.is_empty() || !zone.limiter.try_accept(now) { None } else { zone.line.pop() })
    }

    /// When it is the next node's turn.
    pub(crate) fn next_wake(&self) -> Option<Time> {
        let waiting = self.0.values().filter(|zone| !zone.line.is_empty() && zone.limiter.pause.is_some());
        waiting.map(|zone| zone.limiter.next).min()
    }

    /// Judges all zones anew, given which of their nodes are ready (`handleDisruption`).
    pub(crate) fn judge(&mut self, now: Time, ready: &BTreeMap<String, Vec<bool>>) -> Option<Disruption> {
        for name in ready.keys() {
            self.zone(name);
        }
        self.0.retain(|name, _| ready.contains_key(name));
        let all_are_lost = ready.values().all(|ready| State::of(ready) == State::Full);
        let all_were_lost = self.0.values().all(|zone| zone.state == State::Full);
        if all_are_lost && all_were_lost {
            return None;
        }
        for (name, ready) in ready {
            let zone = self.zone(name);
            let state = State::of(ready);
            if all_are_lost {
                zone.limiter.swap(now, None);
            } else if all_were_lost || state != zone.state {
                zone.limiter.swap(now, state.pause(ready.len()));
            }
            zone.state = state;
        }
        match (all_are_lost, all_were_lost) {
            (true, _) => Some(Disruption::Entered),
            (_, true) => Some(Disruption::Left),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(lost: usize, healthy: usize) -> BTreeMap<String, Vec<bool>> {
        [(String::new(), [vec![false; lost], vec![true; healthy]].concat())].into()
    }

    #[test]
    fn a_zone_is_partially_disrupted_from_three_lost_nodes_and_55_percent_on() {
        let state = |lost, healthy| State::of(&ready(lost, healthy)[""]);
        assert_eq!((state(0, 3), state(2, 1), state(3, 3)), (State::Normal, State::Normal, State::Normal));
        assert_eq!((state(3, 2), state(11, 9), state(3, 0)), (State::Partial, State::Partial, State::Full));
        assert_eq!((State::Partial.pause(50), State::Partial.pause(51)), (None, Some(SECONDARY_PAUSE)));
    }

    #[test]
    fn nodes_have_their_turn_every_ten_seconds() {
        let mut zones = Zones::default();
        assert_eq!(zones.judge(Time::ZERO, &ready(2, 8)), None);
        for node in ["a", "b", "a"] {
            zones.enqueue("", node);
        }
        let second = Time::from_secs;
        assert_eq!((zones.next(second(1)).as_deref(), zones.next(second(1))), (Some("a"), None));
        assert_eq!((zones.next_wake(), zones.next(second(11)).as_deref()), (Some(second(11)), Some("b")));
        assert_eq!(zones.next_wake(), None);
    }

    #[test]
    fn nobody_is_driven_out_while_all_nodes_are_lost() {
        let mut zones = Zones::default();
        assert_eq!(zones.judge(Time::ZERO, &ready(0, 3)), None);
        assert_eq!(zones.judge(Time::from_secs(5), &ready(3, 0)), Some(Disruption::Entered));
        assert_eq!(zones.judge(Time::from_secs(10), &ready(3, 0)), None);
        zones.enqueue("", "a");
        assert_eq!((zones.next(Time::from_secs(100)), zones.next_wake()), (None, None));
        assert_eq!(zones.judge(Time::from_secs(100), &ready(1, 2)), Some(Disruption::Left));
        assert_eq!((zones.next(Time::from_secs(100)), zones.next_wake()), (None, Some(Time::from_secs(110))));
    }
}

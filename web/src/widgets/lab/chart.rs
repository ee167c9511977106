//! The timeline's drawing: which events are shown, in which lane each stands, and from which other it comes. No elements here.
//!
//! An arrow goes from a cause to its effect. Where a cause is not shown itself, its own cause stands for it, and so on.

use super::curve::Curves;
use super::packets::Walks;
use super::strips::Strips;
use lab::EventView;
use std::collections::{BTreeSet, VecDeque};
use std::fmt::Write as _;

/// How many events are kept.
const MAX_EVENTS: usize = 8000;

/// How many events are shown at once: the newest.
pub(crate) const MAX_ROWS: usize = 150;

/// Above how many kubelets they share a lane.
const MAX_KUBELETS: usize = 4;

/// How far a cause is looked for through events that are not shown.
const MAX_HOPS: usize = 64;

/// The height of a row, in pixels; `style.css` has it, too.
pub(crate) const ROW: usize = 26;

/// The width of a lane, in pixels.
pub(crate) const LANE: usize = 16;

/// The newest events, by number.
#[derive(Clone, Debug, Default)]
pub(crate) struct Events {
    kept: VecDeque<EventView>,
    /// How often the lab has begun: events of different runs may have the same number.
    run: u64,
    /// What autoscalers did; kept longer than the events.
    pub(crate) curves: Curves,
    /// What probes said of containers; kept longer than the events, too.
    pub(crate) strips: Strips,
    /// The ways of packets.
    pub(crate) walks: Walks,
    /// Whether older ones were dropped.
    pub(crate) dropped: bool,
}

impl Events {
    /// Forgets all events, because the lab begins.
    pub(crate) fn begin(&mut self) {
        *self = Events { run: self.run + 1, ..Events::default() };
    }

    /// Adds newer events. When too much happens, not all of them come.
    pub(crate) fn add(&mut self, events: Vec<EventView>) {
        let next = self.kept.back().map(|last| last.id + 1);
        self.dropped |= events.first().is_some_and(|first| next.is_some_and(|next| next < first.id));
        for event in &events {
            self.curves.add(event);
            self.strips.add(event);
            self.walks.add(event);
        }
        self.kept.extend(events);
        let excess = self.kept.len().saturating_sub(MAX_EVENTS);
        self.dropped |= excess > 0;
        self.kept.drain(..excess);
    }

    /// The event with this number.
    pub(crate) fn get(&self, id: u64) -> Option<&EventView> {
        self.kept.binary_search_by_key(&id, |event| event.id).ok().and_then(|index| self.kept.get(index))
    }

    /// The numbers of the newest events that are wanted, at most `limit`, the newest first.
    pub(crate) fn newest(&self, wanted: impl Fn(&EventView) -> bool, limit: usize) -> Vec<u64> {
        self.kept.iter().rev().filter(|event| wanted(event)).take(limit).map(|event| event.id).collect()
    }

    /// An event and everything that led to it, the first cause first.
    pub(crate) fn chain(&self, id: u64) -> Vec<&EventView> {
        let mut chain = Vec::new();
        let mut next = self.get(id);
        while let Some(event) = next {
            chain.push(event);
            // A cause always is older than its effect, so this ends.
            next = event.cause.filter(|_| chain.len() < MAX_HOPS).and_then(|cause| self.get(cause));
        }
        chain.reverse();
        chain
    }
}

/// A row of the timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) id: u64,
    pub(crate) run: u64,
    pub(crate) at_ms: u64,
    pub(crate) actor: String,
    /// The type of what happened.
    pub(crate) kind: String,
    pub(crate) text: String,
    pub(crate) lane: usize,
    /// The row of its cause.
    pub(crate) cause: Option<usize>,
}

/// The rows and the names of the lanes, from left to right.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Chart {
    pub(crate) lanes: Vec<String>,
    pub(crate) rows: Vec<Row>,
}

impl Chart {
    /// The newest of the events; without `all`, only those that tell the story.
    pub(crate) fn new(events: &Events, all: bool) -> Self {
        let mut shown: Vec<&EventView> = events.kept.iter().rev().filter(|event| all || tells(event)).take(MAX_ROWS).collect();
        shown.reverse();
        let lanes = lanes(&shown);
        let rows = shown.iter().map(|event| {
            let lane = lanes.binary_search_by_key(&key(&event.actor), |lane| key(lane));
            let shared = || lanes.iter().position(|lane| lane == part(&event.actor));
            Row {
                id: event.id,
                run: events.run,
                at_ms: event.at_ms,
                actor: event.actor.clone(),
                kind: event.what.get("type").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned(),
                text: event.text.clone(),
                lane: lane.ok().or_else(shared).unwrap_or(0),
                cause: cause(events, &shown, event),
            }
        });
        Chart { rows: rows.collect(), lanes }
    }

    /// The arrows and dots as SVG. `chosen` events are drawn on top of the others.
    pub(crate) fn svg(&self, chosen: &BTreeSet<u64>) -> String {
        let x = |row: &Row| row.lane * LANE + LANE / 2;
        let y = |place: usize| place * ROW + ROW / 2;
        let mut svg = String::new();
        for on in [false, true] {
            for (place, row) in self.rows.iter().enumerate().filter(|(_, row)| chosen.contains(&row.id) == on) {
                let class = if on { " class=\"on\"" } else { "" };
                if let Some(cause) = row.cause
                    && let Some(from) = self.rows.get(cause)
                {
                    let (x1, y1, x2, y2) = (x(from), y(cause), x(row), y(place));
                    // Down in the lane of the effect: crossings then stand near the cause.
                    let bend = (y1 + ROW).min(y2);
                    let _ = write!(svg, "<path{class} d=\"M{x1} {y1}C{x1} {bend} {x2} {y1} {x2} {bend}V{y2}\"/>");
                }
                let _ = write!(svg, "<circle{class} cx=\"{}\" cy=\"{}\" r=\"4\"/>", x(row), y(place));
            }
        }
        svg
    }
}

/// Whether an event is part of the story; requests, leases and the bookkeeping of events are not.
fn tells(event: &EventView) -> bool {
    let kind = event.what.pointer("/object/kind").and_then(serde_json::Value::as_str).unwrap_or_default();
    match event.what.get("type").and_then(serde_json::Value::as_str) {
        Some("request") => false,
        // A look that changes nothing is in the curve.
        Some("autoscaled") => event.what.get("current") != event.what.get("desired"),
        // What lies between is in the view of packets.
        Some("packet") => !matches!(
            event.what.pointer("/step/kind").and_then(serde_json::Value::as_str),
            Some("routed" | "allowed" | "forwarded" | "arrived")
        ),
        Some("logAppended" | "logPersisted" | "logCommitted") if kind.is_empty() => false,
        Some("stored" | "logAppended" | "logPersisted" | "logCommitted") => !matches!(kind, "Event" | "Lease" | "Node"),
        _ => true,
    }
}

fn cause(events: &Events, shown: &[&EventView], event: &EventView) -> Option<usize> {
    let mut next = event.cause;
    for _ in 0..MAX_HOPS {
        let id = next?;
        if let Ok(place) = shown.binary_search_by_key(&id, |event| event.id) {
            return Some(place);
        }
        next = events.get(id)?.cause;
    }
    None
}

fn lanes(shown: &[&EventView]) -> Vec<String> {
    let actors: BTreeSet<&str> = shown.iter().map(|event| event.actor.as_str()).collect();
    let kubelets = actors.iter().filter(|actor| part(actor) == "kubelet").count();
    let shared = |actor: &str| kubelets > MAX_KUBELETS && part(actor) == "kubelet";
    let names: BTreeSet<&str> = actors.into_iter().map(|actor| if shared(actor) { part(actor) } else { actor }).collect();
    let mut lanes: Vec<String> = names.into_iter().map(str::to_owned).collect();
    lanes.sort_by(|a, b| key(a).cmp(&key(b)));
    lanes
}

/// The kind of component: `kubelet` of `kubelet/node-1`.
fn part(actor: &str) -> &str {
    actor.split_once('/').map_or(actor, |(part, _)| part)
}

/// The place of a lane: in the order in which a request goes through the cluster.
fn key(actor: &str) -> (usize, &str) {
    let order = [
        "learner",
        "user",
        "kubectl",
        "kube-apiserver",
        "etcd",
        "kube-controller-manager",
        "deployment-controller",
        "replicaset-controller",
    ];
    let rank = match part(actor) {
        part if part.starts_with("etcd-") => 4,
        part if part.starts_with("kube-apiserver") => 3,
        "kube-scheduler" | "default-scheduler" | "scheduler" => order.len() + 1,
        "kubelet" => order.len() + 2,
        part => order.iter().position(|known| *known == part).unwrap_or(order.len()),
    };
    (rank, actor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(id: u64, actor: &str, cause: u64, type_: &str) -> EventView {
        let cause = Some(cause).filter(|&cause| cause > 0);
        EventView { id, at_ms: id * 10, actor: actor.to_owned(), cause, text: format!("event {id}"), what: json!({"type": type_}) }
    }

    fn story() -> Events {
        let mut events = Events::default();
        events.add(vec![
            event(1, "kubectl", 0, "command"),
            event(2, "kube-apiserver", 1, "request"),
            event(3, "kube-apiserver", 2, "stored"),
            event(4, "kubelet/node-2", 3, "sandboxReady"),
            event(5, "kubelet/node-1", 9, "sandboxReady"),
        ]);
        events
    }

    #[test]
    fn a_hidden_cause_is_stood_for_by_its_own() {
        let chart = Chart::new(&story(), false);
        assert_eq!(chart.lanes, ["kubectl", "kube-apiserver", "kubelet/node-1", "kubelet/node-2"]);
        let rows: Vec<(u64, usize, Option<usize>)> = chart.rows.iter().map(|row| (row.id, row.lane, row.cause)).collect();
        assert_eq!(rows, [(1, 0, None), (3, 1, Some(0)), (4, 3, Some(1)), (5, 2, None)]);
        assert_eq!(Chart::new(&story(), true).rows[2].cause, Some(1));
    }

    #[test]
    fn a_chain_leads_from_the_first_cause_to_the_event() {
        let events = story();
        assert_eq!(events.chain(4).iter().map(|event| event.id).collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert_eq!(events.chain(5).len(), 1, "a cause that was dropped ends the chain");
        assert!(events.chain(77).is_empty());
    }

    #[test]
    fn many_kubelets_share_a_lane() {
        let mut events = story();
        events.add((6..12).map(|id| event(id, &format!("kubelet/node-{id}"), 0, "probe")).collect());
        let chart = Chart::new(&events, false);
        assert_eq!(chart.lanes, ["kubectl", "kube-apiserver", "kubelet"]);
        assert!(chart.rows.iter().filter(|row| row.actor.starts_with("kubelet")).all(|row| row.lane == 2));
    }

    #[test]
    fn only_the_newest_are_kept_and_shown() {
        let mut events = Events::default();
        events.add((1..=9000).map(|id| event(id, "etcd", id - 1, "probe")).collect());
        assert!(events.dropped && events.get(1).is_none() && events.get(9000).is_some());
        let chart = Chart::new(&events, false);
        assert_eq!((chart.rows.len(), chart.rows[0].cause, chart.rows[1].cause), (MAX_ROWS, None, Some(0)));
        assert_eq!(events.chain(9000).len(), MAX_HOPS);
    }

    #[test]
    fn chosen_events_are_drawn_last() {
        let svg = Chart::new(&story(), false).svg(&BTreeSet::from([1]));
        assert!(svg.ends_with("<circle class=\"on\" cx=\"8\" cy=\"13\" r=\"4\"/>"), "{svg}");
        assert_eq!(svg.matches("<path").count(), 2);
    }
}

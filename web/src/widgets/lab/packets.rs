//! The ways of packets: for each connection its hops from the sender to the answer, with the rules that it matched on a node and what was
//! rewritten. Everything is read from the trace.

use super::controls::clock;
use super::desk::Desk;
use crate::i18n::{Words, fill};
use lab::EventView;
use leptos::prelude::*;
use serde::Deserialize;
use std::collections::BTreeMap;

/// How many connections are kept: the newest.
const MAX_WALKS: usize = 60;

/// How many hops of a connection are kept.
const MAX_HOPS: usize = 40;

/// What a card is about that has the view open from the start, among its tags.
const ABOUT: [&str; 8] = ["iptables", "ipvs", "nftables", "kube-proxy", "networkpolicy", "service", "conntrack", "ingress"];

/// One hop of a connection's first packet, or of its answer (`sim::PacketHop` as data).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Hop {
    connection: u64,
    protocol: String,
    source: String,
    destination: String,
    step: Step,
}

/// What happened to it. Steps that this page does not know are told by the text of their event alone.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
enum Step {
    Sent {
        pod: Option<Object>,
        asks: String,
        #[serde(default)]
        skipped: u64,
    },
    Routed(Routing),
    Allowed {
        isolation: Isolation,
    },
    Forwarded {
        from: String,
        to: String,
    },
    Arrived {
        at: Object,
    },
    Answered {
        with: String,
    },
    Refused {
        reason: String,
    },
    Dropped {
        reason: String,
        isolation: Option<Isolation>,
    },
    TimedOut {
        waited_ms: u64,
    },
    #[serde(other)]
    Other,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Object {
    kind: String,
    namespace: String,
    name: String,
}

impl Object {
    fn text(&self) -> String {
        let Object { kind, namespace, name } = self;
        if namespace.is_empty() { format!("{kind} {name}") } else { format!("{kind} {namespace}/{name}") }
    }
}

/// What the rules of a node did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Routing {
    node: String,
    mode: String,
    known: bool,
    rules: Vec<RuleHit>,
    compared: usize,
    virtual_server: Option<String>,
    dnat: Option<String>,
    masquerade: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct RuleHit {
    table: String,
    chain: String,
    number: usize,
    rule: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Isolation {
    direction: String,
    pod: Object,
    policies: Vec<String>,
}

impl Step {
    /// The name of the kind, as the trace has it.
    fn name(&self) -> &'static str {
        match self {
            Step::Sent { .. } => "sent",
            Step::Routed(_) => "routed",
            Step::Allowed { .. } => "allowed",
            Step::Forwarded { .. } => "forwarded",
            Step::Arrived { .. } => "arrived",
            Step::Answered { .. } => "answered",
            Step::Refused { .. } => "refused",
            Step::Dropped { .. } => "dropped",
            Step::TimedOut { .. } => "timedOut",
            Step::Other => "other",
        }
    }

    /// How a connection with this as its last step ended: well, badly, or not yet.
    fn end(&self) -> Option<bool> {
        match self {
            Step::Answered { .. } => Some(true),
            Step::Refused { .. } | Step::Dropped { .. } | Step::TimedOut { .. } => Some(false),
            _ => None,
        }
    }
}

/// A hop, when it was, and its event in words.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    at_ms: u64,
    text: String,
    hop: Hop,
}

/// The way of one connection, oldest hop first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Walk(Vec<Told>);

impl Walk {
    /// What it asked, and how it ended.
    fn title(&self) -> String {
        let asks = self.0.iter().find_map(|told| if let Step::Sent { asks, .. } = &told.hop.step { Some(asks.as_str()) } else { None });
        let destination = self.0.first().map_or("", |told| &*told.hop.destination);
        let mark = match self.0.iter().rev().find_map(|told| told.hop.step.end()) {
            Some(true) => "✓",
            Some(false) => "✗",
            None => "…",
        };
        format!("{mark} {} → {destination}", asks.unwrap_or_default())
    }
}

/// The newest connections, by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Walks(BTreeMap<u64, Walk>);

impl Walks {
    /// Takes what an event says, if it is of a packet.
    pub(crate) fn add(&mut self, event: &EventView) {
        if event.what.get("type").is_none_or(|kind| kind != "packet") {
            return;
        }
        let Ok(hop) = serde_json::from_value::<Hop>(event.what.clone()) else { return };
        let walk = self.0.entry(hop.connection).or_default();
        if walk.0.len() < MAX_HOPS {
            walk.0.push(Told { at_ms: event.at_ms, text: event.text.clone(), hop });
        }
        if self.0.len() > MAX_WALKS {
            self.0.pop_first();
        }
    }

    /// The connections with when they began and what they asked, the newest first.
    fn titles(&self) -> Vec<(u64, String)> {
        let title = |(number, walk): (&u64, &Walk)| {
            let began = walk.0.first().map_or(0, |told| told.at_ms);
            (*number, format!("{} {}", clock(began), walk.title()))
        };
        self.0.iter().rev().map(title).collect()
    }
}

/// The view; hidden until a packet was sent.
#[expect(non_snake_case, reason = "views are named like the elements they make")]
pub(crate) fn PacketsView(desk: Desk) -> impl IntoView {
    let context = desk.context();
    let words = context.words;
    let open = context.card.tags.iter().any(|tag| ABOUT.contains(&&*tag.to_ascii_lowercase()));
    let id = format!("card-{}-connection", context.card.id);
    let chosen = RwSignal::new(None::<u64>);
    let titles = Memo::new(move |_| desk.events.with(|events| events.walks.titles()));
    let walk = Memo::new(move |_| {
        desk.events.with(|events| {
            let walks = &events.walks.0;
            let number = chosen.get().filter(|number| walks.contains_key(number)).or(walks.keys().next_back().copied());
            number.and_then(|number| Some((number, walks.get(&number)?.clone())))
        })
    });
    let option = move |(number, title): (u64, String)| {
        view! { <option value=number.to_string() selected=move || chosen.get() == Some(number)>{title}</option> }
    };
    view! {
        <details class="cb-panel cb-packets" open=open hidden=move || titles.with(Vec::is_empty)>
            <summary>{words.packets}</summary>
            <p class="cb-decision-choice">
                <label for=id.clone()>{words.connection}</label>" "
                <select id=id on:change=move |event| chosen.set(event_target_value(&event).parse().ok())>
                    <option value="" selected=move || chosen.get().is_none()>{words.newest_connection}</option>
                    {move || titles.get().into_iter().map(option).collect_view()}
                </select>
            </p>
            {move || walk.get().map(|(number, walk)| walk_view(number, &walk, words))}
        </details>
    }
}

fn walk_view(number: u64, walk: &Walk, words: &'static Words) -> impl IntoView + use<> {
    let began = walk.0.first().map_or(0, |told| told.at_ms);
    let mut before: Option<(&str, &str)> = None;
    let mut hops = Vec::with_capacity(walk.0.len());
    for told in &walk.0 {
        let ends = (told.hop.source.as_str(), told.hop.destination.as_str());
        hops.push(hop_view(told, before, began, words));
        before = Some(ends);
    }
    view! {
        <p class="cb-why" data-connection=number.to_string()><strong>{walk.title()}</strong></p>
        <ol class="cb-walk" aria-label=words.packets>{hops}</ol>
    }
}

fn hop_view(told: &Told, before: Option<(&str, &str)>, began: u64, words: &'static Words) -> impl IntoView + use<> {
    let Hop { protocol, source, destination, step, .. } = &told.hop;
    let (place, said) = describe(step, &told.text, words);
    let tone = match step.end() {
        Some(true) => "cb-hop cb-hop-good",
        Some(false) => "cb-hop cb-hop-bad",
        None => "cb-hop",
    };
    // What was rewritten stands out.
    let end = |now: &str, before: Option<&str>| match before {
        Some(before) if before != now => view! { <mark>{now.to_owned()}</mark> }.into_any(),
        _ => now.to_owned().into_any(),
    };
    let (source, destination) = (end(source, before.map(|ends| ends.0)), end(destination, before.map(|ends| ends.1)));
    let routing = if let Step::Routed(routing) = step { Some(routing_view(routing, words)) } else { None };
    view! {
        <li class=tone data-step=step.name()>
            <p><strong>{place}</strong>" "{said}" "<span class="cb-note">{fill(words.after_ms, &[&told.at_ms.saturating_sub(began).to_string()])}</span></p>
            <p class="cb-packet">{protocol.clone()}" "{source}" → "{destination}</p>
            {routing}
        </li>
    }
}

/// Where a step happens, and what it is, in words.
fn describe(step: &Step, text: &str, words: &Words) -> (String, String) {
    let isolated =
        |isolation: &Isolation| fill(words.hop_isolated, &[&isolation.direction, &isolation.pod.text(), &isolation.policies.join(", ")]);
    match step {
        Step::Sent { pod, asks, skipped } => {
            let skipped = if *skipped > 0 { format!(" ({})", fill(words.hop_skipped, &[&skipped.to_string()])) } else { String::new() };
            (pod.as_ref().map(Object::text).unwrap_or_default(), format!("{}{skipped}", fill(words.hop_sent, &[asks])))
        }
        Step::Routed(routing) if routing.known => (routing.node.clone(), words.hop_known.to_owned()),
        Step::Routed(routing) => (routing.node.clone(), fill(words.hop_routed, &[&routing.mode, &routing.compared.to_string()])),
        Step::Allowed { isolation } => ("NetworkPolicy".to_owned(), format!("{}: {}", words.hop_allowed, isolated(isolation))),
        Step::Forwarded { from, to } => (from.clone(), fill(words.hop_forwarded, &[to])),
        Step::Arrived { at } => (at.text(), words.hop_arrived.to_owned()),
        Step::Answered { with } => (String::new(), fill(words.hop_answered, &[with])),
        Step::Refused { reason } => (String::new(), fill(words.hop_refused, &[reason])),
        Step::Dropped { reason, isolation } => {
            let why = isolation.as_ref().map(|isolation| format!(": {}", isolated(isolation))).unwrap_or_default();
            (String::new(), format!("{}{why}", fill(words.hop_dropped, &[reason])))
        }
        Step::TimedOut { waited_ms } => (String::new(), fill(words.hop_timed_out, &[&waited_ms.to_string()])),
        Step::Other => (String::new(), text.to_owned()),
    }
}

fn routing_view(routing: &Routing, words: &'static Words) -> impl IntoView + use<> {
    let rewritten = [("DNAT", &routing.dnat), ("SNAT", &routing.masquerade), (words.virtual_server, &routing.virtual_server)];
    let rewritten = rewritten.into_iter().filter_map(|(name, to)| to.as_ref().map(|to| format!("{name} → {to}")));
    let rewritten = rewritten.map(|text| view! { <li>{text}</li> }).collect_view();
    let rule = |hit: &RuleHit| {
        let place = format!(" ({}, {})", hit.table, hit.number);
        view! { <li><p><strong>{hit.chain.clone()}</strong><span class="cb-note">{place}</span></p><code>{hit.rule.clone()}</code></li> }
    };
    let rules = routing.rules.iter().map(rule).collect_view();
    let matched = (!routing.rules.is_empty()).then(|| {
        view! { <p>{words.rules_matched}</p><ol class="cb-rules">{rules}</ol> }
    });
    view! { <ul class="cb-rewritten">{rewritten}</ul>{matched} }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::i18n::words;
    use exercises::lang::Lang;
    use serde_json::{Value, json};

    fn event(connection: u64, destination: &str, step: Value) -> EventView {
        let what = json!({"type": "packet", "connection": connection, "protocol": "tcp", "source": "10.244.0.3", "destination": destination, "step": step});
        EventView { id: 1, at_ms: connection * 1000, actor: String::new(), cause: None, text: "in words".to_owned(), what }
    }

    fn sent(connection: u64) -> EventView {
        let pod = json!({"kind": "Pod", "namespace": "default", "name": "client"});
        event(connection, "10.96.0.20:80", json!({"kind": "sent", "pod": pod, "asks": "GET http://web/", "skipped": 0}))
    }

    #[test]
    fn the_hops_of_a_connection_are_kept_together_and_tell_how_it_ended() {
        let mut walks = Walks::default();
        let rule = json!({"table": "nat", "chain": "KUBE-SERVICES", "number": 2, "rule": "-A KUBE-SERVICES -j KUBE-SVC-X"});
        let routed = json!({
            "kind": "routed", "node": "node-1", "mode": "iptables", "known": false, "rules": [rule], "compared": 9,
            "virtualServer": null, "dnat": "10.244.1.2:80", "masquerade": null,
        });
        walks.add(&sent(7));
        walks.add(&sent(8));
        walks.add(&event(7, "10.244.1.2:80", routed));
        assert_eq!(walks.titles()[1].1, "0:07.000 … GET http://web/ → 10.96.0.20:80");
        walks.add(&event(7, "10.96.0.20:80", json!({"kind": "answered", "with": "HTTP 200"})));
        walks.add(&event(8, "10.96.0.20:80", json!({"kind": "dropped", "reason": "no policy allows it", "isolation": null})));
        let titles: Vec<String> = walks.titles().into_iter().map(|(_, title)| title).collect();
        assert_eq!(titles, ["0:08.000 ✗ GET http://web/ → 10.96.0.20:80", "0:07.000 ✓ GET http://web/ → 10.96.0.20:80"]);
        let Step::Routed(routing) = &walks.0[&7].0[1].hop.step else { panic!("the second hop passed rules") };
        assert_eq!((routing.rules[0].chain.as_str(), routing.dnat.as_deref()), ("KUBE-SERVICES", Some("10.244.1.2:80")));
        let said = describe(&walks.0[&7].0[1].hop.step, "", words(Lang::En));
        assert_eq!(said, ("node-1".to_owned(), "passes the rules (iptables): 9 compared".to_owned()));
    }

    #[test]
    fn a_step_that_is_not_known_is_told_by_its_event() {
        let mut walks = Walks::default();
        walks.add(&event(1, "10.0.0.1:1", json!({"kind": "teleported", "by": "magic"})));
        assert_eq!(describe(&walks.0[&1].0[0].hop.step, &walks.0[&1].0[0].text, words(Lang::En)).1, "in words");
    }

    #[test]
    fn the_oldest_connections_make_room() {
        let mut walks = Walks::default();
        (0..100).for_each(|connection| walks.add(&sent(connection)));
        walks.add(&EventView { what: json!({"type": "stored"}), ..sent(500) });
        assert_eq!((walks.0.len(), walks.titles()[0].0), (MAX_WALKS, 99));
    }
}

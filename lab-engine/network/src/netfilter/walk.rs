//! The walk of a connection's first packet through a node's tables.
//!
//! ```text
//!  from outside ─► nat PREROUTING ─► routing ─► filter INPUT                          (for the host)
//!                                          └──► filter FORWARD ─► nat POSTROUTING ─►  (for others)
//!  from the host ─► nat OUTPUT ─► filter OUTPUT ─► nat POSTROUTING ─►
//! ```
//!
//! Where rules leave something to chance, [`Walker::walk`] draws it; [`explore`] walks every way that chance could take.
//!
//! **Simplified here:** later packets of a connection do not pass here: [`crate::conntrack`] sends them the way of the first. Nothing is
//! RELATED. A chain that calls itself, which the kernel would refuse, ends the walk as a drop.

use super::text::rule_text;
use super::{Chains, CtState, End, IpSet, Match, Rule, Ruleset, SetPart, Table, Target};
use crate::addr::{Cidr, IpFamily, Packet};
use crate::ipvs::Fate;
use sim::{MAX_RULE_HITS, Rng, RuleHit, Time};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// What the kernel knows of its own host.
#[derive(Clone, Debug, Default)]
pub struct HostAddresses {
    /// The addresses of its interfaces. Those of the loopback need not be named.
    pub local: BTreeSet<IpAddr>,
    /// The address that masqueraded packets get.
    pub egress: Option<IpAddr>,
}

impl HostAddresses {
    /// Whether an address is one of the host's own.
    pub fn is_local(&self, ip: IpAddr) -> bool {
        IpFamily::of(ip).loopback().contains(ip) || self.local.contains(&ip)
    }
}

/// The lists of the `recent` match: who connected last, and when (`xt_recent`).
#[derive(Clone, Debug, Default)]
pub struct RecentLists {
    lists: BTreeMap<Arc<str>, BTreeMap<IpAddr, Time>>,
}

/// How many addresses a list keeps (`ip_list_tot` of `xt_recent`); the one seen longest ago goes first.
pub const RECENT_LIST_MAX: usize = 100;

impl RecentLists {
    pub(crate) fn seen_within(&self, list: &str, ip: IpAddr, now: Time, seconds: u32) -> bool {
        let seen = self.lists.get(list).and_then(|list| list.get(&ip));
        seen.is_some_and(|seen| now.since(*seen) < Duration::from_secs(u64::from(seconds)))
    }

    /// Notes that an address was seen; of more than `max` the one seen longest ago goes.
    pub(crate) fn set(&mut self, list: &Arc<str>, ip: IpAddr, now: Time, max: usize) {
        let list = self.lists.entry(list.clone()).or_default();
        if list.len() >= max && !list.contains_key(&ip) {
            let oldest = list.iter().min_by_key(|(_, seen)| **seen).map(|(ip, _)| *ip);
            oldest.map(|ip| list.remove(&ip));
        }
        list.insert(ip, now);
    }
}

/// Where chance comes from.
#[derive(Debug)]
pub enum Chance<'a> {
    /// It is drawn.
    Drawn(&'a mut Rng),
    /// It follows a script and is true beyond its end.
    Scripted(&'a mut Script),
}

/// Answers to questions of chance, in the order in which they come up.
#[derive(Clone, Debug, Default)]
pub struct Script {
    answers: Vec<bool>,
    asked: usize,
}

impl Script {
    fn next(&mut self) -> bool {
        if self.asked == self.answers.len() {
            self.answers.push(true);
        }
        self.asked += 1;
        self.answers[self.asked - 1]
    }

    /// Moves to the next way that chance could take; false when all were taken.
    pub(crate) fn advance(&mut self) -> bool {
        self.asked = 0;
        while self.answers.pop_if(|answer| !*answer).is_some() {}
        match self.answers.last_mut() {
            Some(last) => {
                *last = false;
                true
            }
            None => false,
        }
    }
}

impl Chance<'_> {
    /// One of `n`, each with the same chance.
    pub(crate) fn pick(&mut self, n: usize) -> usize {
        match self {
            Chance::Drawn(rng) => rng.index(n),
            Chance::Scripted(script) => (0..n.saturating_sub(1)).find(|_| script.next()).unwrap_or(n.saturating_sub(1)),
        }
    }

    fn happens(&mut self, parts_of_2_31: u32) -> bool {
        match self {
            Chance::Drawn(rng) => rng.below(1 << 31) < u64::from(parts_of_2_31),
            Chance::Scripted(script) => script.next(),
        }
    }
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A rule lets it pass.
    Accept,
    /// It passes because no rule says otherwise.
    Policy,
    /// It vanishes.
    Drop,
    /// Its sender is told that the port cannot be reached.
    Reject,
}

impl Verdict {
    /// Whether it goes on.
    pub fn passes(self) -> bool {
        matches!(self, Verdict::Accept | Verdict::Policy)
    }
}

/// The way of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walk {
    /// What became of it.
    pub verdict: Verdict,
    /// The packet as it goes on.
    pub packet: Packet,
    /// Where its destination was rewritten to.
    pub dnat: Option<SocketAddr>,
    /// Whether its source was rewritten.
    pub masqueraded: bool,
    /// Whether it is for the host itself.
    pub local: bool,
    /// How many rules were compared with it.
    pub compared: usize,
    /// Whether it belongs to a known connection.
    pub known: bool,
    /// The rules that it matched, in order, at most [`MAX_RULE_HITS`]; empty unless asked for.
    pub hops: Vec<RuleHit>,
}

impl Walk {
    /// The way of a packet of a known connection: it is compared with no rule of `nat`.
    pub fn of_connection(packet: &Packet, translated: Packet, local: bool) -> Self {
        let dnat = (packet.destination != translated.destination).then_some(translated.destination);
        let masqueraded = packet.source != translated.source;
        Walk { verdict: Verdict::Policy, packet: translated, dnat, masqueraded, local, compared: 0, known: true, hops: Vec::new() }
    }
}

/// What a chain says.
enum ChainEnd {
    Fell,
    Decided(Verdict),
}

/// Sends packets through a node's tables.
pub struct Walker<'a> {
    /// The rules.
    pub rules: &'a Ruleset,
    /// The host.
    pub host: &'a HostAddresses,
    /// The lists of the `recent` match.
    pub recent: &'a mut RecentLists,
    /// Where chance comes from.
    pub chance: Chance<'a>,
    /// The present.
    pub now: Time,
    /// Whether to note the rules that matched.
    pub note_hops: bool,
    /// What else the kernel asks about a packet that is for the host: IPVS.
    pub divert: Option<&'a mut dyn FnMut(&Packet) -> Fate>,
}

/// A packet under way.
struct Flight {
    packet: Packet,
    mark: u32,
    dnat: Option<SocketAddr>,
    masqueraded: bool,
    compared: usize,
    hops: Vec<RuleHit>,
}

/// How deep chains may call one another.
const MAX_DEPTH: usize = 16;

impl Walker<'_> {
    /// Walks the first packet of a connection.
    pub fn walk(&mut self, packet: Packet) -> Walk {
        let mut flight = Flight { packet, mark: 0, dnat: None, masqueraded: false, compared: 0, hops: Vec::new() };
        let from_host = self.host.is_local(packet.source.ip());
        let first = if from_host { "OUTPUT" } else { "PREROUTING" };
        let mut verdict = self.base_chain(Table::Nat, first, &mut flight);
        let local = self.host.is_local(flight.packet.destination.ip());
        let filters: &[&str] = match (from_host, local) {
            (true, true) => &["OUTPUT", "INPUT"],
            (true, false) => &["OUTPUT"],
            (false, true) => &["INPUT"],
            (false, false) => &["FORWARD"],
        };
        for chain in filters {
            if verdict.passes() {
                verdict = self.base_chain(Table::Filter, chain, &mut flight);
            }
        }
        let local = self.divert(local, &mut verdict, &mut flight);
        if verdict.passes() && (from_host || !local) {
            let after = self.base_chain(Table::Nat, "POSTROUTING", &mut flight);
            if !after.passes() {
                verdict = after;
            }
        }
        let Flight { packet, dnat, masqueraded, compared, hops, .. } = flight;
        Walk { verdict, packet, dnat, masqueraded, local, compared, known: false, hops }
    }

    /// Lets IPVS have what is for the host; says whether it still is.
    fn divert(&mut self, local: bool, verdict: &mut Verdict, flight: &mut Flight) -> bool {
        let Some(divert) = self.divert.as_mut().filter(|_| local && verdict.passes()) else { return local };
        match divert(&flight.packet) {
            Fate::NotOurs => local,
            Fate::Refused => {
                *verdict = Verdict::Reject;
                local
            }
            Fate::To(real) => {
                flight.packet.destination = real;
                flight.dnat = Some(real);
                self.host.is_local(real.ip())
            }
        }
    }

    fn base_chain(&mut self, table: Table, name: &str, flight: &mut Flight) -> Verdict {
        let rules = self.rules;
        let chains = rules.table(table);
        let Some(chain) = chains.find(name) else { return Verdict::Policy };
        match self.chain(table, chains, chain, flight, 0) {
            ChainEnd::Fell => Verdict::Policy,
            ChainEnd::Decided(verdict) => verdict,
        }
    }

    fn chain(&mut self, table: Table, chains: &Chains, id: super::ChainId, flight: &mut Flight, depth: usize) -> ChainEnd {
        if depth > MAX_DEPTH {
            return ChainEnd::Decided(Verdict::Drop);
        }
        let chain = chains.chain(id);
        for (index, rule) in chain.rules.iter().enumerate() {
            flight.compared += 1;
            if !self.matches(rule, flight) {
                continue;
            }
            if self.note_hops && flight.hops.len() < MAX_RULE_HITS {
                let rule = rule_text(rule, chains, self.rules.family).trim_start().into();
                flight.hops.push(RuleHit { table: table.name().into(), chain: chain.name.clone(), number: index + 1, rule });
            }
            match &rule.target {
                None => {}
                Some(Target::Jump(next)) => {
                    if let ChainEnd::Decided(verdict) = self.chain(table, chains, *next, flight, depth + 1) {
                        return ChainEnd::Decided(verdict);
                    }
                }
                Some(Target::Return) => return ChainEnd::Fell,
                Some(Target::Accept) => return ChainEnd::Decided(Verdict::Accept),
                Some(Target::Drop) => return ChainEnd::Decided(Verdict::Drop),
                Some(Target::Reject) => return ChainEnd::Decided(Verdict::Reject),
                Some(Target::Dnat(to)) => {
                    flight.packet.destination = *to;
                    flight.dnat = Some(*to);
                    return ChainEnd::Decided(Verdict::Policy);
                }
                Some(Target::Masquerade) => {
                    flight.masqueraded = true;
                    if let Some(egress) = self.host.egress {
                        flight.packet.source.set_ip(egress);
                    }
                    return ChainEnd::Decided(Verdict::Policy);
                }
                Some(Target::Mark { value, mask }) => flight.mark = flight.mark & !mask ^ value,
            }
        }
        ChainEnd::Fell
    }

    fn matches(&mut self, rule: &Rule, flight: &Flight) -> bool {
        let packet = &flight.packet;
        rule.protocol.is_none_or(|protocol| protocol == packet.protocol)
            && rule.destination.is_none_or(|range| range.value.contains(packet.destination.ip()) != range.not)
            && rule.source.is_none_or(|range| range.value.contains(packet.source.ip()) != range.not)
            && rule.matches.iter().all(|condition| self.holds(condition, flight))
    }

    fn holds(&mut self, condition: &Match, flight: &Flight) -> bool {
        let packet = &flight.packet;
        match condition {
            Match::Comment(_) | Match::Module(_) => true,
            Match::DestinationPort(protocol, port) => *protocol == packet.protocol && *port == packet.destination.port(),
            Match::Conntrack(states) => {
                let holds = states.value.contains(&CtState::New) || (flight.dnat.is_some() && states.value.contains(&CtState::Dnat));
                holds != states.not
            }
            Match::Mark(mark) => (flight.mark & mark.value.1 == mark.value.0) != mark.not,
            Match::Local(End::Source) => self.host.is_local(packet.source.ip()),
            Match::Local(End::Destination) => self.host.is_local(packet.destination.ip()),
            Match::Random(parts) => self.chance.happens(*parts),
            Match::RecentCheck(list, seconds) => self.recent.seen_within(list, packet.source.ip(), self.now, *seconds),
            Match::RecentSet(list) => {
                self.recent.set(list, packet.source.ip(), self.now, RECENT_LIST_MAX);
                true
            }
            Match::Set(name, parts) => self.rules.sets.get(name).is_some_and(|set| in_set(set, parts, packet)),
        }
    }
}

/// Whether an ipset has what the packet has at these places.
fn in_set(set: &IpSet, parts: &[SetPart], packet: &Packet) -> bool {
    let fields = set.kind.split_once(':').map_or("", |(_, fields)| fields);
    let ends = parts.iter().map(|part| match part {
        SetPart::Source => packet.source,
        SetPart::Destination => packet.destination,
    });
    let texts: Vec<String> = fields
        .split(',')
        .zip(ends)
        .map(|(field, end)| match field {
            "port" if set.kind.starts_with("bitmap") => end.port().to_string(),
            "port" => format!("{}:{}", packet.protocol.lower(), end.port()),
            _ => end.ip().to_string(),
        })
        .collect();
    if !fields.ends_with(",net") {
        return set.entries.contains(&texts.join(","));
    }
    let (head, ip) = (format!("{},", texts[..texts.len() - 1].join(",")), texts[texts.len() - 1].parse::<IpAddr>());
    let ranges = set.entries.iter().filter_map(|entry| entry.strip_prefix(&head)?.parse::<Cidr>().ok());
    ip.is_ok_and(|ip| ranges.into_iter().any(|range| range.contains(ip)))
}

/// Every way that a packet could take, each once: what chance decides is tried both ways.
pub fn explore(rules: &Ruleset, host: &HostAddresses, packet: Packet) -> Vec<Walk> {
    let mut script = Script::default();
    let mut walks = Vec::new();
    loop {
        let mut recent = RecentLists::default();
        let chance = Chance::Scripted(&mut script);
        let mut walker = Walker { rules, host, recent: &mut recent, chance, now: Time::ZERO, note_hops: true, divert: None };
        walks.push(walker.walk(packet));
        if !script.advance() {
            return walks;
        }
    }
}

//! The walk of a connection's first packet through the table.
//!
//! It is the kernel's way of [`crate::netfilter::walk`], with chains of one hook called in the order of their priorities.

use super::text::rule_text;
use super::{Expr, KubeProxyTable, Verdict};
use crate::addr::{IpFamily, Packet};
use crate::netfilter::walk::{self, Chance, HostAddresses, RecentLists, Script, Walk};
use crate::netfilter::{CtState, End};
use sim::{MAX_RULE_HITS, RuleHit, Time};

/// How many clients a set of affinity keeps.
const AFFINITY_SET_MAX: usize = 65_535;

/// How deep chains may call one another.
const MAX_DEPTH: usize = 16;

/// A packet under way, and what it meets.
struct Flight<'a, 'b> {
    table: &'a KubeProxyTable,
    host: &'a HostAddresses,
    recent: &'a mut RecentLists,
    chance: &'a mut Chance<'b>,
    now: Time,
    mark: u32,
    note_hops: bool,
    walk: Walk,
}

/// What a chain says.
enum ChainEnd {
    Fell,
    Decided(walk::Verdict),
}

/// What a part of a rule says.
enum Step {
    /// The rule does not match.
    Miss,
    /// The next part is looked at.
    On,
    /// A verdict.
    Says(Verdict),
    /// The packet was rewritten, and leaves the hook.
    Rewritten,
}

impl Step {
    fn when(holds: bool) -> Self {
        if holds { Step::On } else { Step::Miss }
    }
}

impl KubeProxyTable {
    /// Walks the first packet of a connection; `note_hops` says whether to note the rules that it matched.
    pub fn walk(
        &self,
        host: &HostAddresses,
        recent: &mut RecentLists,
        chance: &mut Chance<'_>,
        now: Time,
        packet: Packet,
        note_hops: bool,
    ) -> Walk {
        let walk = Walk { known: false, ..Walk::of_connection(&packet, packet, false) };
        let mut flight = Flight { table: self, host, recent, chance, now, mark: 0, note_hops, walk };
        let from_host = host.is_local(packet.source.ip());
        let before: &[&str] =
            if from_host { &["filter-output-pre-dnat", "nat-output"] } else { &["filter-prerouting-pre-dnat", "nat-prerouting"] };
        flight.hooks(before);
        let local = host.is_local(flight.walk.packet.destination.ip());
        flight.walk.local = local;
        flight.hooks(match (from_host, local) {
            (true, true) => &["filter-output", "filter-input"],
            (true, false) => &["filter-output"],
            (false, true) => &["filter-input"],
            (false, false) => &["filter-forward"],
        });
        if from_host || !local {
            flight.hooks(&["nat-postrouting"]);
        }
        flight.walk
    }

    /// Every way that a packet could take, each once.
    pub fn explore(&self, host: &HostAddresses, packet: Packet) -> Vec<Walk> {
        let mut script = Script::default();
        let mut walks = Vec::new();
        loop {
            let mut recent = RecentLists::default();
            walks.push(self.walk(host, &mut recent, &mut Chance::Scripted(&mut script), Time::ZERO, packet, true));
            if !script.advance() {
                return walks;
            }
        }
    }
}

impl Flight<'_, '_> {
    /// Calls base chains until one decides against the packet.
    fn hooks(&mut self, chains: &[&str]) {
        for chain in chains {
            if !self.walk.verdict.passes() {
                return;
            }
            if let ChainEnd::Decided(verdict) = self.chain(chain, 0) {
                self.walk.verdict = verdict;
            }
        }
    }

    fn chain(&mut self, name: &str, depth: usize) -> ChainEnd {
        if depth > MAX_DEPTH {
            return ChainEnd::Decided(walk::Verdict::Drop);
        }
        let table = self.table;
        let Some(chain) = table.chains.get(name) else { return ChainEnd::Fell };
        for (index, rule) in chain.rules.iter().enumerate() {
            self.walk.compared += 1;
            let step = self.rule(&rule.exprs);
            if self.note_hops && !matches!(step, Step::Miss) && self.walk.hops.len() < MAX_RULE_HITS {
                let text = rule_text(rule, if table.family == IpFamily::V4 { "ip" } else { "ip6" });
                self.walk.hops.push(RuleHit { table: "kube-proxy".into(), chain: name.into(), number: index + 1, rule: text.into() });
            }
            match step {
                Step::Miss | Step::On => {}
                Step::Rewritten => return ChainEnd::Decided(walk::Verdict::Policy),
                Step::Says(Verdict::Return) => return ChainEnd::Fell,
                Step::Says(Verdict::Drop) => return ChainEnd::Decided(walk::Verdict::Drop),
                Step::Says(Verdict::Reject) => return ChainEnd::Decided(walk::Verdict::Reject),
                Step::Says(Verdict::Goto(next)) => return self.chain(&next, depth + 1),
                Step::Says(Verdict::Jump(next)) => {
                    if let ChainEnd::Decided(verdict) = self.chain(&next, depth + 1) {
                        return ChainEnd::Decided(verdict);
                    }
                }
            }
        }
        ChainEnd::Fell
    }

    /// Looks at the parts of a rule, until one does not match or says what becomes of the packet.
    fn rule(&mut self, exprs: &[Expr]) -> Step {
        for expr in exprs {
            match self.expr(expr) {
                Step::On => {}
                end => return end,
            }
        }
        Step::On
    }

    fn expr(&mut self, expr: &Expr) -> Step {
        let packet = self.walk.packet;
        let (from, to) = (packet.source.ip(), packet.destination.ip());
        let table = self.table;
        match expr {
            Expr::State(state) => Step::when(*state == CtState::New),
            Expr::To(range) => Step::when(range.value.contains(to) != range.not),
            Expr::From(range) => Step::when(range.value.contains(from) != range.not),
            Expr::ToSet(set) => Step::when(table.sets.get(set).is_some_and(|set| set.contains(&to))),
            Expr::NotFrom(ranges) => Step::when(!ranges.iter().any(|range| range.contains(from))),
            Expr::FromSet(set) => {
                let seconds = table.affinity.get(set).copied().unwrap_or(0);
                Step::when(self.recent.seen_within(set, from, self.now, seconds))
            }
            Expr::Local(End::Source) => Step::when(self.host.is_local(from)),
            Expr::Local(End::Destination) => Step::when(self.host.is_local(to)),
            Expr::Protocol(protocol) => Step::when(packet.protocol == *protocol),
            Expr::Unmarked(bits) => Step::when(self.mark & bits == 0),
            Expr::ServiceMap(map) => {
                let found = table.service_maps.get(map).and_then(|map| map.get(&(to, packet.protocol, packet.destination.port())));
                found.map_or(Step::Miss, |(verdict, _)| Step::Says(verdict.clone()))
            }
            Expr::PortMap(map) => {
                let found = table.port_maps.get(map).and_then(|map| map.get(&(packet.protocol, packet.destination.port())));
                found.map_or(Step::Miss, |(verdict, _)| Step::Says(verdict.clone()))
            }
            Expr::Random(targets) => {
                targets.get(self.chance.pick(targets.len())).map_or(Step::Miss, |target| Step::Says(Verdict::Goto(target.clone())))
            }
            Expr::Verdict(verdict) => Step::Says(verdict.clone()),
            Expr::Update(_) | Expr::Mark(_) | Expr::Unmark(_) | Expr::Dnat(_) | Expr::Masquerade => self.change(expr),
        }
    }

    /// Carries out what a rule changes.
    fn change(&mut self, expr: &Expr) -> Step {
        match expr {
            Expr::Update(set) => self.recent.set(set, self.walk.packet.source.ip(), self.now, AFFINITY_SET_MAX),
            Expr::Mark(bits) => self.mark |= bits,
            Expr::Unmark(bits) => self.mark ^= bits,
            Expr::Dnat(to) => {
                self.walk.packet.destination = *to;
                self.walk.dnat = Some(*to);
                return Step::Rewritten;
            }
            Expr::Masquerade => {
                self.walk.masqueraded = true;
                if let Some(egress) = self.host.egress {
                    self.walk.packet.source.set_ip(egress);
                }
                return Step::Rewritten;
            }
            _ => {}
        }
        Step::On
    }
}

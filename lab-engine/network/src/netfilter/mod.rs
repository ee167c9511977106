//! netfilter as `iptables` shows it: tables of chains of rules, and the walk of a packet through them.
//!
//! [`Ruleset`] is what the kernel holds for one family. [`text`] prints it as `iptables-save` does and reads it back; [`walk`] sends a
//! packet through it. Rules are plain data: what is printed is what is walked.
//!
//! It models the tables `filter` and `nat` of `iptables-nft` 1.8 and Linux' `xt_*` matches as far as kube-proxy uses them.
//!
//! **Simplified here:** no tables `raw`, `mangle` and `security`, no interfaces, no counters of packets and bytes.

pub mod text;
pub mod walk;

use crate::addr::{Cidr, IpFamily, Protocol};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// A table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// What may pass.
    Filter,
    /// Where it goes, and from whom it seems to come.
    Nat,
}

impl Table {
    /// Both, in the order in which `iptables-save` prints them.
    pub const ALL: [Table; 2] = [Table::Filter, Table::Nat];

    /// `filter` or `nat`.
    pub fn name(self) -> &'static str {
        match self {
            Table::Filter => "filter",
            Table::Nat => "nat",
        }
    }

    /// The chains that the kernel calls itself.
    pub fn base_chains(self) -> &'static [&'static str] {
        match self {
            Table::Filter => &["INPUT", "FORWARD", "OUTPUT"],
            Table::Nat => &["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"],
        }
    }
}

/// The number of a chain in its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChainId(usize);

/// A state of a connection, as the `conntrack` match names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CtState {
    /// The packet belongs to no connection.
    Invalid,
    /// It begins one.
    New,
    /// It belongs to one that answered.
    Established,
    /// It begins one that belongs to another.
    Related,
    /// The connection's destination was rewritten.
    Dnat,
}

impl CtState {
    /// All states with their names, in the order in which `iptables` prints them.
    pub const NAMES: [(CtState, &'static str); 5] = [
        (CtState::Invalid, "INVALID"),
        (CtState::New, "NEW"),
        (CtState::Related, "RELATED"),
        (CtState::Established, "ESTABLISHED"),
        (CtState::Dnat, "DNAT"),
    ];
}

/// A condition with an optional `!` before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Maybe<T> {
    /// Whether it must not hold.
    pub not: bool,
    /// What must hold.
    pub value: T,
}

impl<T> Maybe<T> {
    /// It must hold.
    pub fn is(value: T) -> Self {
        Maybe { not: false, value }
    }

    /// It must not hold.
    pub fn is_not(value: T) -> Self {
        Maybe { not: true, value }
    }
}

/// Which end of a packet a match looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Where it comes from.
    Source,
    /// Where it goes.
    Destination,
}

/// A condition of a rule beyond addresses and protocol (`-m`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// No condition: words for whoever reads the rules.
    Comment(Arc<str>),
    /// No condition: the module of a protocol, loaded without an option.
    Module(Protocol),
    /// The destination port.
    DestinationPort(Protocol, u16),
    /// The connection is in one of the states.
    Conntrack(Maybe<BTreeSet<CtState>>),
    /// The packet's mark under the mask is the value.
    Mark(Maybe<(u32, u32)>),
    /// The address is one of the host's own.
    Local(End),
    /// Chance, in parts of 2^31.
    Random(u32),
    /// The source is on the list since at most this many seconds.
    RecentCheck(Arc<str>, u32),
    /// Puts the source on the list; always true.
    RecentSet(Arc<str>),
    /// An ipset has what the packet has at these places.
    Set(Arc<str>, Arc<[SetPart]>),
}

/// What of a packet is compared with an ipset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetPart {
    /// The source.
    Source,
    /// The destination; the first `dst` of a set with ports is the address, the second the port.
    Destination,
}

/// What a rule does with a packet that it matches (`-j`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Goes on in another chain, and comes back unless that decides.
    Jump(ChainId),
    /// Lets it pass this table's chain.
    Accept,
    /// Makes it vanish.
    Drop,
    /// Goes back to the calling chain.
    Return,
    /// Answers that the port cannot be reached.
    Reject,
    /// Rewrites the destination of the connection.
    Dnat(SocketAddr),
    /// Rewrites the source of the connection to the host's own address.
    Masquerade,
    /// Sets the bits of the mark: `mark = mark & !mask ^ value`.
    Mark {
        /// What is put in.
        value: u32,
        /// What is cleared before.
        mask: u32,
    },
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Rule {
    /// From where (`-s`).
    pub source: Option<Maybe<Cidr>>,
    /// To where (`-d`).
    pub destination: Option<Maybe<Cidr>>,
    /// The protocol (`-p`).
    pub protocol: Option<Protocol>,
    /// Further conditions, in order.
    pub matches: Vec<Match>,
    /// What is done; a rule without a target only counts.
    pub target: Option<Target>,
}

impl Rule {
    /// A rule with a comment.
    pub fn comment(text: impl Into<Arc<str>>) -> Self {
        Rule { matches: vec![Match::Comment(text.into())], ..Rule::default() }
    }

    /// The same for packets from there.
    #[must_use]
    pub fn from(mut self, source: Maybe<Cidr>) -> Self {
        self.source = Some(source);
        self
    }

    /// The same for packets to there.
    #[must_use]
    pub fn to(mut self, destination: IpAddr) -> Self {
        self.destination = Some(Maybe::is(Cidr::host(destination)));
        self
    }

    /// The same for packets of a protocol to a port.
    #[must_use]
    pub fn port(mut self, protocol: Protocol, port: u16) -> Self {
        self.protocol = Some(protocol);
        self.matches.push(Match::DestinationPort(protocol, port));
        self
    }

    /// The same with a further condition.
    #[must_use]
    pub fn and(mut self, condition: Match) -> Self {
        self.matches.push(condition);
        self
    }

    /// The same for connections in one of the states.
    #[must_use]
    pub fn state(self, states: &[CtState]) -> Self {
        self.and(Match::Conntrack(Maybe::is(states.iter().copied().collect())))
    }

    /// The same with what it does.
    #[must_use]
    pub fn then(mut self, target: Target) -> Self {
        self.target = Some(target);
        self
    }
}

/// A chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Its name.
    pub name: Arc<str>,
    /// Its rules, in order.
    pub rules: Vec<Rule>,
}

/// The chains of a table: first those that the kernel calls, then the others in the order of their making.
#[derive(Clone, Debug)]
pub struct Chains {
    chains: Vec<Chain>,
    by_name: BTreeMap<Arc<str>, ChainId>,
}

impl Chains {
    fn new(table: Table) -> Self {
        let mut chains = Chains { chains: Vec::new(), by_name: BTreeMap::new() };
        for name in table.base_chains() {
            chains.id(name);
        }
        chains
    }

    /// The chain of this name, made empty when there is none.
    pub fn id(&mut self, name: &str) -> ChainId {
        if let Some(id) = self.by_name.get(name) {
            return *id;
        }
        let id = ChainId(self.chains.len());
        let name: Arc<str> = name.into();
        self.chains.push(Chain { name: name.clone(), rules: Vec::new() });
        self.by_name.insert(name, id);
        id
    }

    /// The chain of this name, if there is one.
    pub fn find(&self, name: &str) -> Option<ChainId> {
        self.by_name.get(name).copied()
    }

    /// A chain.
    pub fn chain(&self, id: ChainId) -> &Chain {
        &self.chains[id.0]
    }

    /// Appends a rule to a chain (`-A`).
    pub fn append(&mut self, chain: ChainId, rule: Rule) {
        self.chains[chain.0].rules.push(rule);
    }

    /// Puts a rule at the head of a chain (`-I`).
    pub fn prepend(&mut self, chain: ChainId, rule: Rule) {
        self.chains[chain.0].rules.insert(0, rule);
    }

    /// All chains, in the order of their making.
    pub fn iter(&self) -> impl Iterator<Item = &Chain> {
        self.chains.iter()
    }
}

/// A set of addresses and ports (`ipset`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpSet {
    /// `hash:ip,port`, `hash:ip,port,ip`, `hash:ip`, `bitmap:port` or `hash:ip,port,net`.
    pub kind: &'static str,
    /// Its entries, as `ipset list` prints them, for example `10.96.0.1,tcp:443`.
    pub entries: BTreeSet<String>,
}

/// What a node's kernel holds for one family: the tables, and the ipsets that their rules name.
#[derive(Clone, Debug)]
pub struct Ruleset {
    /// The family.
    pub family: IpFamily,
    filter: Chains,
    nat: Chains,
    /// The ipsets by name.
    pub sets: BTreeMap<Arc<str>, IpSet>,
}

impl Ruleset {
    /// Tables without rules: everything passes.
    pub fn new(family: IpFamily) -> Self {
        Ruleset { family, filter: Chains::new(Table::Filter), nat: Chains::new(Table::Nat), sets: BTreeMap::new() }
    }

    /// The chains of a table.
    pub fn table(&self, table: Table) -> &Chains {
        match table {
            Table::Filter => &self.filter,
            Table::Nat => &self.nat,
        }
    }

    /// The chains of a table, to change.
    pub fn table_mut(&mut self, table: Table) -> &mut Chains {
        match table {
            Table::Filter => &mut self.filter,
            Table::Nat => &mut self.nat,
        }
    }

    /// How many rules there are: what each update of an `iptables` table has to carry through.
    pub fn rule_count(&self) -> usize {
        Table::ALL.iter().flat_map(|table| self.table(*table).iter()).map(|chain| chain.rules.len()).sum()
    }
}

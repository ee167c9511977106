//! kube-proxy in mode `nftables`: the table `kube-proxy` of a node (`pkg/proxy/nftables/proxier.go`, KEP-3866).
//!
//! ```text
//! nat-prerouting, nat-output ─► services ─┬─ address . protocol . port in map service-ips   ─► service-… or external-…
//!                                         └─ protocol . port in map service-nodeports       ─► external-…
//! service-… ─► by chance, in one step ─► endpoint-… ─► dnat
//! ```
//!
//! The maps are looked up by hash, so a new connection costs the same however many Services there are; an update carries only what changed.
//! What goes to an address without endpoints is refused by further maps, before its destination would be rewritten.
//!
//! **Simplified here:** the sets are shown without their flags; the check for packets to unknown ports of cluster IPs is there, that for
//! unallocated addresses of the Service range is not.

mod service;
mod text;
mod walk;

pub use text::list_ruleset;

use crate::addr::{Cidr, IpFamily, Protocol};
use crate::hash::base32_sha256;
use crate::netfilter::{CtState, End, Maybe};
use crate::proxy::{ProxyConfig, ProxyState, ServicePortName, categorize_endpoints};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// The name of a chain or set.
pub type Name = Arc<str>;

/// What a rule or a map's element says of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Goes on in another chain, and comes back.
    Jump(Name),
    /// Goes on in another chain, and does not come back.
    Goto(Name),
    /// Goes back to the calling chain.
    Return,
    /// Vanishes.
    Drop,
    /// Its sender is told that the port cannot be reached.
    Reject,
}

/// A part of a rule, in the order of evaluation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expr {
    /// `ct state`.
    State(CtState),
    /// `ip daddr ADDRESS`.
    To(Maybe<Cidr>),
    /// `ip daddr @SET`.
    ToSet(Name),
    /// `ip saddr RANGE`, or `!= RANGE`.
    From(Maybe<Cidr>),
    /// `ip saddr != { … }`.
    NotFrom(Arc<[Cidr]>),
    /// `ip saddr @SET`, of a set that forgets.
    FromSet(Name),
    /// `fib saddr type local`, `fib daddr type local`.
    Local(End),
    /// `meta l4proto`.
    Protocol(Protocol),
    /// `update @SET { ip saddr }`.
    Update(Name),
    /// `mark and VALUE == 0`.
    Unmarked(u32),
    /// `mark set mark or VALUE`.
    Mark(u32),
    /// `mark set mark xor VALUE`.
    Unmark(u32),
    /// `ip daddr . meta l4proto . th dport vmap @MAP`.
    ServiceMap(Name),
    /// `meta l4proto . th dport vmap @MAP`.
    PortMap(Name),
    /// `numgen random mod N vmap { 0 : goto …, … }`.
    Random(Arc<[Name]>),
    /// `dnat to ADDRESS`.
    Dnat(SocketAddr),
    /// `masquerade fully-random`.
    Masquerade,
    /// A verdict.
    Verdict(Verdict),
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its parts.
    pub exprs: Vec<Expr>,
    /// Words for whoever reads it; may be empty.
    pub comment: &'static str,
}

/// Where the kernel calls a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hook {
    /// `filter` or `nat`.
    pub kind: &'static str,
    /// `prerouting`, `input`, `forward`, `output` or `postrouting`.
    pub hook: &'static str,
    /// When, among chains of the same hook.
    pub priority: &'static str,
}

/// A chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// Where the kernel calls it, if it does.
    pub hook: Option<Hook>,
    /// Its rules.
    pub rules: Vec<Rule>,
}

/// The key of a map of addresses.
pub type ServiceKey = (IpAddr, Protocol, u16);
/// The key of a map of ports.
pub type PortKey = (Protocol, u16);

/// The table `kube-proxy` of one family.
#[derive(Clone, Debug)]
pub struct KubeProxyTable {
    /// The family.
    pub family: IpFamily,
    /// The chains by name.
    pub chains: BTreeMap<Name, Chain>,
    /// Sets of addresses: `cluster-ips`, `nodeport-ips`.
    pub sets: BTreeMap<Name, BTreeSet<IpAddr>>,
    /// Sets of clients that forget, with the time after which they do, in seconds.
    pub affinity: BTreeMap<Name, u32>,
    /// Maps of addresses.
    pub service_maps: BTreeMap<Name, BTreeMap<ServiceKey, (Verdict, Name)>>,
    /// Maps of ports.
    pub port_maps: BTreeMap<Name, BTreeMap<PortKey, (Verdict, Name)>>,
}

/// The chains that the kernel calls.
const BASE_CHAINS: &[(&str, Hook)] = &[
    ("filter-prerouting-pre-dnat", Hook { kind: "filter", hook: "prerouting", priority: "dstnat - 10" }),
    // `nft` knows the name `dstnat` in prerouting only.
    ("filter-output-pre-dnat", Hook { kind: "filter", hook: "output", priority: "-110" }),
    ("filter-input", Hook { kind: "filter", hook: "input", priority: "filter" }),
    ("filter-forward", Hook { kind: "filter", hook: "forward", priority: "filter" }),
    ("filter-output", Hook { kind: "filter", hook: "output", priority: "filter" }),
    ("nat-prerouting", Hook { kind: "nat", hook: "prerouting", priority: "dstnat" }),
    ("nat-output", Hook { kind: "nat", hook: "output", priority: "-100" }),
    ("nat-postrouting", Hook { kind: "nat", hook: "postrouting", priority: "srcnat" }),
];

/// The name of a chain or set of a Service's port: a hash, and words that say what it is of.
pub fn service_name(prefix: &str, name: &ServicePortName) -> Name {
    let words = format!("{}/{}/{}/{}", name.namespace, name.name, name.protocol.lower(), name.port);
    named(prefix, &words)
}

/// The name of a chain or set of an endpoint.
pub fn endpoint_name(prefix: &str, name: &ServicePortName, endpoint: SocketAddr) -> Name {
    let ip = endpoint.ip().to_string().replace(':', ".");
    let words = format!("{}/{}/{}/{}__{ip}/{}", name.namespace, name.name, name.protocol.lower(), name.port, endpoint.port());
    named(prefix, &words)
}

/// How long a name may be (`NFT_NAME_MAXLEN` and room for a prefix); a longer one ends in three dots.
const MAX_NAME: usize = 240;

fn named(prefix: &str, words: &str) -> Name {
    let hashed = format!("{prefix}{}-{words}", base32_sha256(&[words], 8));
    let cut: String = if hashed.len() > MAX_NAME { hashed.chars().take(MAX_NAME - 3).chain("...".chars()).collect() } else { hashed };
    cut.into()
}

impl KubeProxyTable {
    fn rule(&mut self, chain: &str, exprs: Vec<Expr>, comment: &'static str) {
        self.chains.entry(chain.into()).or_default().rules.push(Rule { exprs, comment });
    }

    fn service_entry(&mut self, map: &str, key: ServiceKey, verdict: Verdict, of: &str) {
        self.service_maps.entry(map.into()).or_default().insert(key, (verdict, of.into()));
    }

    fn port_entry(&mut self, map: &str, key: PortKey, verdict: Verdict, of: &str) {
        self.port_maps.entry(map.into()).or_default().insert(key, (verdict, of.into()));
    }

    /// How many rules there are.
    pub fn rule_count(&self) -> usize {
        self.chains.values().map(|chain| chain.rules.len()).sum()
    }
}

/// The table of a node.
pub fn build(config: &ProxyConfig, state: &ProxyState) -> KubeProxyTable {
    let mut table = KubeProxyTable {
        family: config.family,
        chains: BTreeMap::new(),
        sets: BTreeMap::new(),
        affinity: BTreeMap::new(),
        service_maps: ["firewall-ips", "no-endpoint-services", "service-ips"].map(|name| (name.into(), BTreeMap::new())).into(),
        port_maps: ["no-endpoint-nodeports", "service-nodeports"].map(|name| (name.into(), BTreeMap::new())).into(),
    };
    base(&mut table, config);
    for (name, port) in &state.services {
        let endpoints = categorize_endpoints(state.endpoints(name), port, config);
        service::write(&mut table, config, name, port, &endpoints);
    }
    table
}

/// The chains and rules that do not depend on Services.
fn base(table: &mut KubeProxyTable, config: &ProxyConfig) {
    for (name, hook) in BASE_CHAINS {
        table.chains.insert((*name).into(), Chain { hook: Some(*hook), rules: Vec::new() });
    }
    let loopback = config.family.loopback();
    let node_ips = config.node_port_ips().into_iter().filter(|ip| !loopback.contains(*ip)).collect();
    table.sets.insert("nodeport-ips".into(), node_ips);
    table.sets.insert("cluster-ips".into(), BTreeSet::new());
    let jump = |chain: &str| Expr::Verdict(Verdict::Jump(chain.into()));
    for (from, to, only_new) in [
        ("filter-prerouting-pre-dnat", "firewall-check", true),
        ("filter-output-pre-dnat", "firewall-check", true),
        ("filter-input", "nodeport-endpoints-check", true),
        ("filter-input", "service-endpoints-check", true),
        ("filter-forward", "service-endpoints-check", true),
        ("filter-forward", "cluster-ips-check", true),
        ("filter-output", "service-endpoints-check", true),
        ("filter-output", "cluster-ips-check", true),
        ("nat-output", "services", false),
        ("nat-prerouting", "services", false),
        ("nat-postrouting", "masquerading", false),
    ] {
        let state = only_new.then_some(Expr::State(CtState::New));
        table.rule(from, state.into_iter().chain([jump(to)]).collect(), "");
    }
    let to_node = || {
        if config.all_have_node_ports() {
            vec![Expr::Local(End::Destination), Expr::To(Maybe::is_not(loopback))]
        } else {
            vec![Expr::ToSet("nodeport-ips".into())]
        }
    };
    let with = |mut exprs: Vec<Expr>, last: Expr| {
        exprs.push(last);
        exprs
    };
    table.rule("firewall-check", vec![Expr::ServiceMap("firewall-ips".into())], "");
    table.rule("service-endpoints-check", vec![Expr::ServiceMap("no-endpoint-services".into())], "");
    table.rule("nodeport-endpoints-check", with(to_node(), Expr::PortMap("no-endpoint-nodeports".into())), "");
    let reject = Expr::Verdict(Verdict::Reject);
    table.rule(
        "cluster-ips-check",
        vec![Expr::ToSet("cluster-ips".into()), reject.clone()],
        "Reject traffic to invalid ports of ClusterIPs",
    );
    table.rule("reject-chain", vec![reject], "");
    table.rule("services", vec![Expr::ServiceMap("service-ips".into())], "");
    table.rule("services", with(to_node(), Expr::PortMap("service-nodeports".into())), "");
    let mark = config.masquerade_mark();
    table.rule("mark-for-masquerade", vec![Expr::Mark(mark)], "");
    table.rule("masquerading", vec![Expr::Unmarked(mark), Expr::Verdict(Verdict::Return)], "");
    table.rule("masquerading", vec![Expr::Unmark(mark)], "");
    table.rule("masquerading", vec![Expr::Masquerade], "");
}

//! A node's network as its kernel has it: the rules of kube-proxy, the connections, and what the node prints of them.

use crate::addr::{IpFamily, Packet};
use crate::conntrack::Conntrack;
use crate::iptables;
use crate::ipvs::{self, Director, Ipvs, Scheduler, ipvsadm};
use crate::netfilter::walk::{Chance, HostAddresses, RecentLists, Walk, Walker};
use crate::netfilter::{Ruleset, text};
use crate::nftables::{self, KubeProxyTable, list_ruleset};
use crate::proxy::{ProxyConfig, ProxyState};
use sim::{Rng, Routing, Time};

/// How kube-proxy does its work (`--proxy-mode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProxyMode {
    /// By rules of netfilter.
    #[default]
    Iptables,
    /// By the kernel's load balancer; deprecated since v1.35.
    Ipvs,
    /// By maps of nftables; stable since v1.33.
    Nftables,
}

impl ProxyMode {
    /// Its name: `iptables`, `ipvs` or `nftables`.
    pub fn name(self) -> &'static str {
        match self {
            ProxyMode::Iptables => "iptables",
            ProxyMode::Ipvs => "ipvs",
            ProxyMode::Nftables => "nftables",
        }
    }
}

/// What kube-proxy has put into the kernel.
#[derive(Debug)]
enum Installed {
    Iptables(Ruleset),
    Ipvs(Box<Ipvs>),
    Nftables(Box<KubeProxyTable>),
}

/// A node's network.
#[derive(Debug)]
pub struct DataPlane {
    mode: ProxyMode,
    installed: Installed,
    host: HostAddresses,
    recent: RecentLists,
    director: Director,
    conntrack: Conntrack,
    rng: Rng,
}

impl DataPlane {
    /// The network of a node before kube-proxy's first sync.
    pub fn new(mode: ProxyMode, config: &ProxyConfig, rng: Rng) -> Self {
        let host = HostAddresses { local: config.node_ips.iter().copied().collect(), egress: config.node_ip() };
        DataPlane {
            mode,
            installed: Installed::Iptables(Ruleset::new(config.family)),
            host,
            recent: RecentLists::default(),
            director: Director::default(),
            conntrack: Conntrack::default(),
            rng,
        }
    }

    /// Puts the rules for this state into the kernel.
    pub fn install(&mut self, config: &ProxyConfig, state: &ProxyState) {
        self.installed = match self.mode {
            ProxyMode::Iptables => Installed::Iptables(iptables::build(config, state)),
            ProxyMode::Ipvs => {
                let ipvs = ipvs::build(config, state, Scheduler::RoundRobin);
                self.host.local = config.node_ips.iter().copied().chain(ipvs.bound.iter().copied()).collect();
                Installed::Ipvs(Box::new(ipvs))
            }
            ProxyMode::Nftables => Installed::Nftables(Box::new(nftables::build(config, state))),
        };
        let endpoints: Vec<_> = state.endpoints.values().flat_map(|list| list.iter().map(|endpoint| endpoint.address)).collect();
        self.conntrack.clean_stale(|packet| !endpoints.contains(&packet.destination));
    }

    /// Sends a packet on its way. One that belongs to a known connection goes the way of its first packet.
    pub fn send(&mut self, packet: Packet, now: Time, note_hops: bool) -> Walk {
        if let Some(known) = self.conntrack.find(&packet, now).copied() {
            return Walk::of_connection(&packet, known.translated, self.host.is_local(known.translated.destination.ip()));
        }
        let mut chance = Chance::Drawn(&mut self.rng);
        let (host, recent) = (&self.host, &mut self.recent);
        let walk = match &self.installed {
            Installed::Nftables(table) => table.walk(host, recent, &mut chance, now, packet, note_hops),
            Installed::Iptables(rules) => Walker { rules, host, recent, chance, now, note_hops, divert: None }.walk(packet),
            Installed::Ipvs(ipvs) => {
                let director = &mut self.director;
                let mut divert = |packet: &Packet| director.schedule(ipvs, packet, now);
                let divert = Some(&mut divert as &mut dyn FnMut(&Packet) -> ipvs::Fate);
                Walker { rules: &ipvs.rules, host, recent, chance, now, note_hops, divert }.walk(packet)
            }
        };
        if walk.verdict.passes() {
            self.conntrack.insert(packet, walk.packet, now);
        }
        walk
    }

    /// What the rules did with a packet, for the trace.
    pub fn routing(&self, node: &str, original: &Packet, walk: &Walk) -> Routing {
        let server = match &self.installed {
            Installed::Ipvs(ipvs) if !walk.known && walk.dnat.is_some() => ipvs.servers.get(&(original.protocol, original.destination)),
            _ => None,
        };
        let server =
            server.map(|server| format!("{} {} {}", original.protocol.upper(), original.destination, server.scheduler.name()).into());
        Routing {
            node: node.into(),
            mode: self.mode.name().into(),
            known: walk.known,
            rules: walk.hops.clone(),
            compared: walk.compared,
            virtual_server: server,
            dnat: walk.dnat.map(|to| to.to_string().into()),
            masquerade: walk.masqueraded.then(|| walk.packet.source.to_string().into()),
        }
    }

    /// Runs a command that looks at the network; gives what it prints and its exit status.
    pub fn command(&self, argv: &[String], now: Time) -> (String, i32) {
        let none = Ruleset::new(IpFamily::V4);
        let rules = match &self.installed {
            Installed::Iptables(rules) => rules,
            Installed::Ipvs(ipvs) => &ipvs.rules,
            Installed::Nftables(_) => &none,
        };
        let words: Vec<&str> = argv.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["iptables-save"] => (text::save(rules), 0),
            ["iptables-save", "-t", table] => match crate::netfilter::Table::ALL.into_iter().find(|known| known.name() == *table) {
                Some(table) => {
                    let mut saved = String::new();
                    text::save_table(rules, table, &mut saved);
                    (saved, 0)
                }
                None => (format!("iptables-save: table '{table}' does not exist\n"), 1),
            },
            ["ipvsadm", "-Ln" | "-ln" | "-L" | "-l"] | ["ipvsadm", "-L" | "-l", "-n"] => match &self.installed {
                Installed::Ipvs(ipvs) => (ipvsadm(ipvs, &self.director), 0),
                _ => (ipvsadm(&Ipvs::empty(rules.family), &self.director), 0),
            },
            ["nft", "list", "ruleset"] | ["nft", "list", "table", "ip", "kube-proxy"] => match &self.installed {
                Installed::Nftables(table) => (list_ruleset(table), 0),
                _ => (String::new(), 0),
            },
            ["conntrack", "-L" | "--dump"] => (self.conntrack.list(now), 0),
            ["ipset", "list"] => (text::sets(rules), 0),
            [program, ..] => (
                format!(
                    "{program}: of this tool the lab has only: iptables-save [-t TABLE], ipvsadm -Ln, ipset list, nft list ruleset, conntrack -L\n"
                ),
                2,
            ),
            [] => (String::new(), 2),
        }
    }
}

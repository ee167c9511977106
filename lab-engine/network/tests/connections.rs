//! A million connections through a Service, and what its rules cost.

use network::addr::{IpFamily, Packet, Protocol};
use network::iptables::{self, sync_cost};
use network::ipvs::{self, Director, Fate, Scheduler};
use network::netfilter::Ruleset;
use network::netfilter::walk::{Chance, HostAddresses, RecentLists, Walk, Walker};
use network::proxy::{ProxyConfig, ProxyState};
use serde_json::json;
use sim::{Rng, Seed, Time};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// A million; unoptimised, where each draw of chance costs a microsecond, a tenth of that.
const CONNECTIONS: u32 = if cfg!(debug_assertions) { 100_000 } else { 1_000_000 };
const ENDPOINTS: usize = 100;

fn config() -> ProxyConfig {
    ProxyConfig::new(IpFamily::V4, "node-1", IpAddr::from([172, 18, 0, 2]))
}

/// `services` Services with cluster IPs `10.96.0.1`, …, each with `endpoints` endpoints.
fn state(services: usize, endpoints: usize, affinity_seconds: Option<u32>) -> ProxyState {
    let service = |number: usize| {
        let affinity = affinity_seconds.map(|seconds| json!({"clientIP": {"timeoutSeconds": seconds}}));
        api::json::decode(json!({
            "metadata": {"name": format!("svc-{number}"), "namespace": "default"},
            "spec": {
                "clusterIP": format!("10.96.{}.{}", number / 250, number % 250 + 1), "ports": [{"port": 80, "protocol": "TCP"}],
                "sessionAffinity": if affinity.is_some() { "ClientIP" } else { "None" }, "sessionAffinityConfig": affinity,
            },
        }))
        .expect("the text is right")
    };
    let slice = |number: usize| {
        let endpoints: Vec<_> = (0..endpoints).map(|i| json!({"addresses": [format!("10.244.{}.{}", number % 250, i + 1)]})).collect();
        api::json::decode(json!({
            "metadata": {"name": format!("svc-{number}-a"), "namespace": "default", "labels": {"kubernetes.io/service-name": format!("svc-{number}")}},
            "addressType": "IPv4", "ports": [{"name": "", "port": 8080, "protocol": "TCP"}], "endpoints": endpoints,
        }))
        .expect("the text is right")
    };
    let (services, slices): (Vec<_>, Vec<_>) = (0..services).map(|number| (service(number), slice(number))).unzip();
    ProxyState::build(&config(), &services, &slices)
}

fn packet(client: u32, service: usize) -> Packet {
    let destination: IpAddr = format!("10.96.{}.{}", service / 250, service % 250 + 1).parse().expect("the text is right");
    let source = IpAddr::from(0x0b00_0000_u32.wrapping_add(client).to_be_bytes());
    Packet { protocol: Protocol::Tcp, source: SocketAddr::new(source, 40_000), destination: SocketAddr::new(destination, 80) }
}

/// A node in mode `iptables`.
struct Node {
    rules: Ruleset,
    host: HostAddresses,
    recent: RecentLists,
    rng: Rng,
}

impl Node {
    fn new(state: &ProxyState) -> Self {
        let host = HostAddresses { local: [IpAddr::from([172, 18, 0, 2])].into(), egress: None };
        Node { rules: iptables::build(&config(), state), host, recent: RecentLists::default(), rng: Seed(1).stream("kernel") }
    }

    fn connect(&mut self, packet: Packet, now: Time) -> Walk {
        let chance = Chance::Drawn(&mut self.rng);
        Walker { rules: &self.rules, host: &self.host, recent: &mut self.recent, chance, now, note_hops: false, divert: None }.walk(packet)
    }
}

#[test]
fn a_million_connections_spread_over_a_hundred_endpoints() {
    let state = state(1, ENDPOINTS, None);
    let mut node = Node::new(&state);
    let mut counts: BTreeMap<SocketAddr, u32> = BTreeMap::new();
    for client in 0..CONNECTIONS {
        let walk = node.connect(packet(client, 0), Time::ZERO);
        *counts.entry(walk.dnat.expect("it is for the Service")).or_default() += 1;
    }
    assert_eq!(counts.len(), ENDPOINTS);
    let expected = f64::from(CONNECTIONS) / ENDPOINTS as f64;
    let chi_squared: f64 = counts.values().map(|count| (f64::from(*count) - expected).powi(2) / expected).sum();
    // 99 degrees of freedom: one spread in a thousand is above 148.2, one in a thousand below 61.1.
    assert!((61.1..148.2).contains(&chi_squared), "chi-squared is {chi_squared}");

    let ipvs = ipvs::build(&config(), &state, Scheduler::RoundRobin);
    let mut director = Director::default();
    let mut counts: BTreeMap<SocketAddr, u32> = BTreeMap::new();
    for client in 0..CONNECTIONS {
        let Fate::To(real) = director.schedule(&ipvs, &packet(client, 0), Time::ZERO) else { panic!("it is for the Service") };
        *counts.entry(real).or_default() += 1;
    }
    assert!(counts.len() == ENDPOINTS && counts.values().all(|count| *count == CONNECTIONS / ENDPOINTS as u32), "round robin is exact");
}

#[test]
fn a_client_keeps_its_endpoint_for_the_time_of_its_affinity() {
    let state = state(1, 10, Some(60));
    let mut node = Node::new(&state);
    let ipvs = ipvs::build(&config(), &state, Scheduler::RoundRobin);
    let mut director = Director::default();
    let mut changed = (0, 0);
    for client in 0..40 {
        let at = |seconds| Time::from_secs(u64::from(client) * 1_000 + seconds);
        let mut by_rules = |seconds| node.connect(packet(client, 0), at(seconds)).dnat;
        // Each connection within the time begins it anew: 0, 59, 118, and then a pause of 61.
        let first = by_rules(0);
        assert_eq!((by_rules(59), by_rules(118)), (first, first));
        changed.0 += usize::from(by_rules(179) != first);
        let mut by_ipvs = |seconds| director.schedule(&ipvs, &packet(client, 0), at(seconds));
        let first = by_ipvs(0);
        assert_eq!((by_ipvs(59), by_ipvs(118)), (first, first));
        changed.1 += usize::from(by_ipvs(179) != first);
    }
    assert!(changed.0 > 25, "nine of ten draw another endpoint: {changed:?}");
    assert_eq!(changed.1, 40, "round robin goes on to the next");
}

#[test]
fn iptables_compares_one_rule_after_the_other_and_ipvs_looks_up() {
    let compared = |services: usize| {
        let mut node = Node::new(&state(services, 1, None));
        node.connect(packet(1, services - 1), Time::ZERO).compared
    };
    let (few, many) = (compared(10), compared(1_000));
    assert!(many - few >= 990 - 10, "{few} and {many} rules");
    let rules = |services: usize| ipvs::build(&config(), &state(services, 1, None), Scheduler::RoundRobin).rules.rule_count();
    assert_eq!(rules(10), rules(1_000), "the rules beside IPVS do not grow");
    let thousand = state(1_000, 3, None);
    let changed = thousand.services.keys().next().unwrap();
    let cost = sync_cost(&iptables::build(&config(), &thousand), changed);
    assert!(cost.full > 10 * 1_000 && cost.partial < cost.full / 5, "{cost:?}");
}

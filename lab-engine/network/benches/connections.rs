//! How many new connections a node's rules take per second, how many packets of known ones its network, and what it costs to make the rules.
//!
//! `rates` prints both numbers for a Service with 100 endpoints: a connection is one walk of the rules and a new entry in the table of
//! connections, a packet one look into that table.
#![expect(clippy::disallowed_types, clippy::print_stdout, reason = "a bench measures time and prints it")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use network::addr::{IpFamily, Packet, Protocol};
use network::conntrack::MAX_ENTRIES;
use network::data_plane::{DataPlane, ProxyMode};
use network::ipvs::{self, Director, Scheduler};
use network::netfilter::walk::{Chance, HostAddresses, RecentLists, Walker};
use network::proxy::{ProxyConfig, ProxyState};
use network::{iptables, nftables};
use serde_json::json;
use sim::{Seed, Time};
use std::hint::black_box;
use std::net::IpAddr;
use std::time::{Duration, Instant};

fn config() -> ProxyConfig {
    ProxyConfig::new(IpFamily::V4, "node-1", IpAddr::from([172, 18, 0, 2]))
}

/// Services with so many endpoints each.
fn state(services: usize, endpoints: usize) -> ProxyState {
    let service = |number: usize| {
        let ip = format!("10.96.{}.{}", number / 250, number % 250 + 1);
        json!({"metadata": {"name": format!("svc-{number}"), "namespace": "default"}, "spec": {"clusterIP": ip, "ports": [{"port": 80}]}})
    };
    let slice = |number: usize| {
        let endpoints: Vec<_> = (0..endpoints).map(|i| json!({"addresses": [format!("10.244.{}.{}", number % 250, i + 1)]})).collect();
        let labels = json!({"kubernetes.io/service-name": format!("svc-{number}")});
        json!({
            "metadata": {"name": format!("svc-{number}-a"), "namespace": "default", "labels": labels},
            "addressType": "IPv4", "ports": [{"port": 8080}], "endpoints": endpoints,
        })
    };
    let services: (Vec<_>, Vec<_>) = (0..services)
        .map(|number| (api::json::decode(service(number)).expect("a Service"), api::json::decode(slice(number)).expect("a slice")))
        .unzip();
    ProxyState::build(&config(), &services.0, &services.1)
}

/// A packet to the last Service.
fn packet(services: usize) -> Packet {
    let last = services - 1;
    let destination = format!("10.96.{}.{}:80", last / 250, last % 250 + 1);
    Packet { protocol: Protocol::Tcp, source: ([10, 244, 0, 9], 40_000).into(), destination: destination.parse().expect("an address") }
}

fn connect(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("connect");
    group.throughput(Throughput::Elements(1));
    let host = HostAddresses { local: [IpAddr::from([172, 18, 0, 2])].into(), egress: None };
    for services in [10, 1_000] {
        let (state, packet) = (state(services, 10), packet(services));
        let rules = iptables::build(&config(), &state);
        let (mut recent, mut rng) = (RecentLists::default(), Seed(1).stream("kernel"));
        group.bench_function(BenchmarkId::new("iptables", services), |bencher| {
            bencher.iter(|| {
                let chance = Chance::Drawn(&mut rng);
                let mut walker =
                    Walker { rules: &rules, host: &host, recent: &mut recent, chance, now: Time::ZERO, note_hops: false, divert: None };
                black_box(walker.walk(packet))
            });
        });
        let ipvs = ipvs::build(&config(), &state, Scheduler::RoundRobin);
        let mut director = Director::default();
        group.bench_function(BenchmarkId::new("ipvs", services), |bencher| {
            bencher.iter(|| black_box(director.schedule(&ipvs, &packet, Time::ZERO)));
        });
        let table = nftables::build(&config(), &state);
        group.bench_function(BenchmarkId::new("nftables", services), |bencher| {
            bencher.iter(|| black_box(table.walk(&host, &mut recent, &mut Chance::Drawn(&mut rng), Time::ZERO, packet, false)));
        });
    }
    group.finish();
    rates();
}

/// How often something can be done in a second; it is told how often it was done before.
fn per_second(mut work: impl FnMut(u64)) -> f64 {
    let (start, mut done) = (Instant::now(), 0);
    while start.elapsed() < Duration::from_secs(1) {
        (0..1_000).for_each(|step| work(done + step));
        done += 1_000;
    }
    done as f64 / start.elapsed().as_secs_f64()
}

/// Prints connections and packets per second through a Service with 100 endpoints, with a full table of connections.
fn rates() {
    let (state, first) = (state(1, 100), packet(1));
    for mode in [ProxyMode::Iptables, ProxyMode::Ipvs, ProxyMode::Nftables] {
        let fresh = || {
            let mut plane = DataPlane::new(mode, &config(), Seed(1).stream("kernel"));
            plane.install(&config(), &state);
            plane
        };
        let mut plane = fresh();
        let client = |number: u64| {
            let [.., host, high, low] = number.to_be_bytes();
            Packet { source: ([10, 244, 200, host], u16::from_be_bytes([high, low])).into(), ..first }
        };
        let connections = per_second(|number| {
            black_box(plane.send(client(number), Time::ZERO + Duration::from_micros(number), false));
        });
        let mut plane = fresh();
        let known = MAX_ENTRIES as u64;
        (0..known).for_each(|number| drop(plane.send(client(number), Time::ZERO, false)));
        let packets = per_second(|number| {
            assert!(black_box(plane.send(client(number % known), Time::ZERO, false)).known);
        });
        println!("{:<8} 100 endpoints: {connections:.0} connections/s, {packets:.0} packets/s", mode.name());
    }
}

fn sync(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sync");
    for services in [10, 1_000] {
        let state = state(services, 10);
        group.bench_function(BenchmarkId::new("iptables", services), |bencher| {
            bencher.iter(|| black_box(iptables::build(&config(), &state).rule_count()));
        });
    }
    group.finish();
}

criterion_group!(benches, connect, sync);
criterion_main!(benches);

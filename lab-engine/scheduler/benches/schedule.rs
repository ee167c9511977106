//! What scheduling costs: 1,000 Pods that come at once onto 100, 1,000 and 5,000 nodes of three zones, with the default plugins, on one
//! core. The goal is 10,000 Pods per second at 5,000 nodes (DESIGN §12). Plain Pods; Pods of a Service, which spread over hosts and zones;
//! Pods that should not share a host; Pods that must share a zone; Pods that must spread over zones. The price counts everything from the
//! list of Pods to the requests that bind them: informer, queue, cycles, trace, events.
//!
//! How the price of a Pod grows with the nodes, and with the Pods that are there already, is printed as an exponent: 0 means not at all, 1 in
//! proportion.

#![expect(clippy::disallowed_types, clippy::print_stdout, reason = "a bench measures time and prints it")]

use api::Object;
use api::core::{Node, Pod, Service};
use api::http::{Path, WatchEvent};
use api::json::{Json, decode};
use client::{Action, Component, Input, Outbox, RequestId};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use mimalloc::MiMalloc;
use scheduler::Scheduler;
use serde_json::{Value, json};
use sim::{Seed, Time};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// As in the program.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Sizes of the cluster.
const NODES: [usize; 3] = [100, 1_000, 5_000];
const PODS: usize = 1_000;
/// Pods that run already, on nodes of [`FULL_NODES`].
const RUNNING: [usize; 3] = [1_000, 10_000, 50_000];
const FULL_NODES: usize = 1_000;
/// The numbers in their names begin here.
const RUNNING_FROM: usize = 1_000_000;
/// The goal at the largest size, in Pods per second.
const GOAL: f64 = 10_000.0;

fn object<T: Json>(value: Value, wrap: fn(Arc<T>) -> Object) -> WatchEvent {
    WatchEvent::Added(wrap(Arc::new(decode(value).expect("the bench writes right objects"))))
}

fn node(number: usize) -> WatchEvent {
    let (name, zone) = (format!("node-{number}"), format!("zone-{}", number % 3));
    let labels = json!({"kubernetes.io/hostname": name, "topology.kubernetes.io/zone": zone});
    let allocatable = json!({"cpu": "8", "memory": "32Gi", "pods": "110"});
    object::<Node>(json!({"metadata": {"name": name, "labels": labels}, "status": {"allocatable": allocatable}}), Object::Node)
}

fn pod(number: usize, spec: &Value) -> WatchEvent {
    let mut spec = spec.clone();
    spec["schedulerName"] = json!("default-scheduler");
    spec["containers"] = json!([{"name": "web", "image": "nginx", "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}}}]);
    let metadata = json!({"name": format!("web-{number}"), "namespace": "default", "labels": {"app": "web"}});
    object::<Pod>(json!({"metadata": metadata, "spec": spec}), Object::Pod)
}

/// A Pod of that kind that runs on one of [`FULL_NODES`] nodes.
fn running_pod(number: usize, spec: &Value) -> WatchEvent {
    let mut spec = spec.clone();
    spec["nodeName"] = json!(format!("node-{}", number % FULL_NODES));
    pod(RUNNING_FROM + number, &spec)
}

fn service() -> WatchEvent {
    let metadata = json!({"name": "web", "namespace": "default"});
    object::<Service>(json!({"metadata": metadata, "spec": {"selector": {"app": "web"}}}), Object::Service)
}

/// A scheduler that knows everything but Pods, and what ends its list of Pods.
struct Bench {
    scheduler: Scheduler,
    pods: RequestId,
    next_request: u64,
}

fn prepare(nodes: usize, services: &[WatchEvent]) -> Bench {
    let (mut scheduler, mut out) = (Scheduler::new(Seed(1).stream("kube-scheduler")), Outbox::new(1));
    scheduler.handle(Time::ZERO, Input::Wake, &mut out);
    let (actions, next_request) = out.take();
    let watch = |action| match action {
        Action::Request(id, request) => match &request.path {
            Path::Resource(path) => Some((path.resource.resource.to_string(), id)),
            Path::Other(_) => None,
        },
        _ => None,
    };
    let mut watches: BTreeMap<String, RequestId> = actions.into_iter().filter_map(watch).collect();
    let pods = watches.remove("pods").expect("it watches Pods");
    for (resource, id) in watches {
        let events: Vec<WatchEvent> = match resource.as_str() {
            "nodes" => (0..nodes).map(node).collect(),
            "services" => services.to_vec(),
            _ => Vec::new(),
        };
        scheduler.handle(Time::ZERO, list(id, &events), &mut out);
    }
    Bench { scheduler, pods, next_request }
}

fn list(id: RequestId, events: &[WatchEvent]) -> Input {
    let end = WatchEvent::Bookmark { resource_version: 1, initial_events_end: true };
    Input::Watch(id, events.iter().cloned().chain([end]).collect())
}

/// Gives the Pods to a scheduler; how many bindings it asked for.
fn run(bench: &mut Bench, pods: &[WatchEvent]) -> usize {
    let mut out = Outbox::new(bench.next_request);
    bench.scheduler.handle(Time::ZERO, list(bench.pods, pods), &mut out);
    let is_binding = |action: &Action| matches!(action, Action::Request(_, request) if matches!(&request.path, Path::Resource(path) if path.subresource == "binding"));
    let (actions, next_request) = out.take();
    bench.next_request = next_request;
    actions.iter().filter(|action| is_binding(action)).count()
}

/// A kind of Pods: its name, what its Pods have in their specs, and the Services.
type Case = (&'static str, Value, Vec<WatchEvent>);

fn cases() -> [Case; 5] {
    let term = json!({"labelSelector": {"matchLabels": {"app": "web"}}, "topologyKey": "kubernetes.io/hostname"});
    let apart = json!({"affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution":
        [{"weight": 100, "podAffinityTerm": term}]}}});
    let zone = json!({"labelSelector": {"matchLabels": {"app": "web"}}, "topologyKey": "topology.kubernetes.io/zone"});
    let together = json!({"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [zone]}}});
    let spread = json!({"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone",
        "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {"matchLabels": {"app": "web"}}}]});
    [
        ("plain", json!({}), Vec::new()),
        ("of a Service", json!({}), vec![service()]),
        ("keeping apart", apart, Vec::new()),
        ("sharing a zone", together, Vec::new()),
        ("spread over zones", spread, Vec::new()),
    ]
}

/// The exponent with which `y` grows with `x`: the slope of the line through the logarithms (least squares).
fn exponent(points: &[(f64, f64)]) -> f64 {
    let logs: Vec<(f64, f64)> = points.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
    let count = logs.len() as f64;
    let (mean_x, mean_y) = (logs.iter().map(|log| log.0).sum::<f64>() / count, logs.iter().map(|log| log.1).sum::<f64>() / count);
    let covariance: f64 = logs.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    covariance / logs.iter().map(|(x, _)| (x - mean_x).powi(2)).sum::<f64>()
}

/// Sizes, with the seconds that a Pod costs there, by the name of the case.
type Prices = BTreeMap<&'static str, Vec<(f64, f64)>>;

fn tell_growth(prices: &Prices, with: &str) {
    for (name, points) in prices.iter().filter(|(_, points)| points.len() > 1) {
        println!("{name}: the cost of a Pod grows with the {with} to the power of {:.2}", exponent(points));
    }
}

/// Measures the Pods of a case onto what `make` prepares; the seconds for one at best, unless it was not asked for.
fn measure(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, pods: &[WatchEvent], make: impl Fn() -> Bench) -> Option<f64> {
    let mut best = Duration::MAX;
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|rounds| {
            let mut total = Duration::ZERO;
            for _ in 0..rounds {
                let mut bench = make();
                let started = Instant::now();
                assert_eq!(run(&mut bench, pods), PODS);
                let took = started.elapsed();
                best = best.min(took);
                total += took;
            }
            total
        });
    });
    (best < Duration::MAX).then(|| best.as_secs_f64() / PODS as f64)
}

fn schedule(criterion: &mut Criterion) {
    let mut prices = Prices::new();
    for nodes in NODES {
        let mut group = criterion.benchmark_group(format!("{PODS} Pods onto {nodes} nodes"));
        group.sample_size(10).throughput(Throughput::Elements(PODS as u64)).measurement_time(Duration::from_secs(3));
        for (name, spec, services) in cases() {
            let pods: Vec<WatchEvent> = (0..PODS).map(|number| pod(number, &spec)).collect();
            if let Some(price) = measure(&mut group, name, &pods, || prepare(nodes, &services)) {
                println!("{nodes} nodes, {name}: {:.0} Pods/s at best, {:.0} % of the goal", 1.0 / price, 100.0 / price / GOAL);
                prices.entry(name).or_default().push((nodes as f64, price));
            }
        }
        group.finish();
    }
    tell_growth(&prices, "nodes");
}

/// The same where many Pods run already.
fn schedule_among_many(criterion: &mut Criterion) {
    let mut prices = Prices::new();
    for running in RUNNING {
        let mut group = criterion.benchmark_group(format!("{PODS} Pods onto {FULL_NODES} nodes with {running} Pods"));
        group.sample_size(10).throughput(Throughput::Elements(PODS as u64)).measurement_time(Duration::from_secs(3));
        for (name, spec, services) in cases() {
            let others: Vec<WatchEvent> = (0..running).map(|number| running_pod(number, &spec)).collect();
            let pods: Vec<WatchEvent> = (0..PODS).map(|number| pod(number, &spec)).collect();
            let make = || {
                let mut bench = prepare(FULL_NODES, &services);
                assert_eq!(run(&mut bench, &others), 0);
                bench
            };
            if let Some(price) = measure(&mut group, name, &pods, make) {
                println!("{running} Pods on {FULL_NODES} nodes, {name}: {:.0} Pods/s at best", 1.0 / price);
                prices.entry(name).or_default().push((running as f64, price));
            }
        }
        group.finish();
    }
    tell_growth(&prices, "Pods");
}

criterion_group!(benches, schedule, schedule_among_many);
criterion_main!(benches);

//! What scheduling costs: 1,000 Pods that come at once onto 100, 1,000 and 5,000 nodes of three zones, with the default plugins, on one
//! core. The goal is 10,000 Pods per second at 5,000 nodes. Plain Pods; Pods of a Service, which spread over hosts and zones; Pods that
//! should not share a host; Pods that must spread over zones. The price counts everything from the list of Pods to the requests that
//! bind them: informer, queue, cycles, trace, events.

#![expect(clippy::disallowed_types, clippy::print_stdout, reason = "a bench measures time and prints it")]

use api::Object;
use api::core::{Node, Pod, Service};
use api::http::{Path, WatchEvent};
use api::json::{Json, decode};
use client::{Action, Component, Input, Outbox, RequestId};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use scheduler::Scheduler;
use serde_json::{Value, json};
use sim::{Seed, Time};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Sizes of the cluster.
const NODES: [usize; 3] = [100, 1_000, 5_000];
const PODS: usize = 1_000;
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
    out.take().0.iter().filter(|action| is_binding(action)).count()
}

fn schedule(criterion: &mut Criterion) {
    let term = json!({"labelSelector": {"matchLabels": {"app": "web"}}, "topologyKey": "kubernetes.io/hostname"});
    let apart = json!({"affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution":
        [{"weight": 100, "podAffinityTerm": term}]}}});
    let spread = json!({"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone",
        "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {"matchLabels": {"app": "web"}}}]});
    let cases = [
        ("plain", json!({}), Vec::new()),
        ("of a Service", json!({}), vec![service()]),
        ("keeping apart", apart, Vec::new()),
        ("spread over zones", spread, Vec::new()),
    ];
    for nodes in NODES {
        let mut group = criterion.benchmark_group(format!("{PODS} Pods onto {nodes} nodes"));
        group.sample_size(10).throughput(Throughput::Elements(PODS as u64)).measurement_time(Duration::from_secs(3));
        for (name, spec, services) in &cases {
            let pods: Vec<WatchEvent> = (0..PODS).map(|number| pod(number, spec)).collect();
            let mut best = Duration::MAX;
            group.bench_function(*name, |bencher| {
                bencher.iter_custom(|rounds| {
                    let mut total = Duration::ZERO;
                    for _ in 0..rounds {
                        let mut bench = prepare(nodes, services);
                        let started = Instant::now();
                        assert_eq!(run(&mut bench, &pods), pods.len());
                        let took = started.elapsed();
                        best = best.min(took);
                        total += took;
                    }
                    total
                });
            });
            // One that was not asked for was not measured.
            if best == Duration::MAX {
                continue;
            }
            let rate = PODS as f64 / best.as_secs_f64();
            println!("{nodes} nodes, {name}: {rate:.0} Pods/s at best, {:.0} % of the goal", 100.0 * rate / GOAL);
        }
        group.finish();
    }
}

criterion_group!(benches, schedule);
criterion_main!(benches);

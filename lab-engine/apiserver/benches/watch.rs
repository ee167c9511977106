//! What a write costs with many watches: the kubelet of each node watches the Pods of its node, and a change of a Pod must cost as much as
//! the watches that it reaches, not as all there are.

#[path = "../tests/common/mod.rs"]
mod common;
mod pods;

use common::Harness;
use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::json;

/// How many watches there are at most.
const MANY: usize = 10_000;

/// A server with a Pod on each of `nodes` nodes, and the watch of each node's kubelet.
fn watched(nodes: usize) -> Harness {
    let mut harness = pods::server();
    for number in 0..nodes {
        let node = format!("node-{number}");
        pods::create(&mut harness, number, &node);
        harness.watch(&format!("/api/v1/pods?fieldSelector=spec.nodeName={node}"));
    }
    harness.events.clear();
    harness
}

/// Changes the status of a Pod back and forth; checks that so many watches see each change.
fn patches(criterion: &mut Criterion, name: &str, mut harness: Harness, reached: usize) {
    let mut number = 0;
    criterion.bench_function(name, |bencher| {
        bencher.iter(|| {
            number += 1;
            pods::patch_status(&mut harness, 0, json!({"status": {"message": number.to_string()}}));
            assert_eq!(harness.events.len(), reached, "as many watches as are reached");
            harness.events.clear();
        });
    });
}

fn fan_out(criterion: &mut Criterion) {
    patches(criterion, "a change of a Pod, 1 watch by node", watched(1), 1);
    patches(criterion, "a change of a Pod, 10000 watches by node", watched(MANY), 1);
    let mut elsewhere = watched(1);
    for number in 0..MANY {
        elsewhere.watch(&format!("/api/v1/namespaces/team-{number}/pods"));
    }
    patches(criterion, "a change of a Pod, 10000 watches of other namespaces", elsewhere, 1);
    let mut everyone = watched(1);
    for _ in 0..MANY {
        everyone.watch("/api/v1/pods?fieldSelector=spec.nodeName=node-0");
    }
    everyone.events.clear();
    patches(criterion, "a change of a Pod, 10000 watches of its node", everyone, MANY + 1);
}

criterion_group!(benches, fan_out);
criterion_main!(benches);

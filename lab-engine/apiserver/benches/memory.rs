//! How many bytes a Pod takes: printed, not timed. `cargo bench -p apiserver --bench memory`.
//!
//! **Method.** The global allocator counts (`stats_alloc` over the system's) what is allocated and not freed. Numbers are the bytes that were
//! asked for; what an allocator adds for its own order is not among them. Pods are created through the API server with their node, and a
//! kubelet's status is written for each, so that every field has an owner. Then parts are dropped one after the other, and what is left,
//! without what there was before the first Pod, is divided by the number of Pods.
//!
//! | line | what is held for each Pod |
//! |---|---|
//! | cluster | all that follows, the watch cache and its window of changes |
//! | member | all that follows, the entries of the log and the disk, which keep the versions that they wrote |
//! | key space | two versions of the object, and the changes that led to them in etcd's history |
//! | compacted | the object alone, with its key |
//!
//! Parts share objects: a watch cache costs a tree of keys besides them, as does another member of the group.

#[path = "../tests/common/mod.rs"]
mod common;
mod pods;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const PODS: usize = 10_000;

/// The bytes that are allocated now.
fn held() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

#[expect(clippy::print_stdout, reason = "it is what the program is for")]
fn main() {
    let mut harness = pods::server();
    harness.trace = Vec::new();
    let before = held();
    let print = |part: &str| println!("{part}: {} bytes per Pod", held().saturating_sub(before) / PODS);
    for number in 0..PODS {
        pods::create(&mut harness, number, &format!("node-{}", number / 100));
        pods::run(&mut harness, number);
        harness.trace.clear();
    }
    harness.trace = Vec::new();
    print("cluster");
    let common::Harness { etcd, server, .. } = harness;
    drop(server);
    print("member");
    let mut store = etcd.store().clone();
    drop(etcd);
    print("key space");
    store.compact(store.revision()).expect("nothing was compacted before");
    print("compacted");
}

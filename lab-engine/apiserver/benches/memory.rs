//! How many bytes a Pod takes in the store: printed, not timed. `cargo bench -p apiserver --bench memory`.
//!
//! **Method.** The global allocator counts (`stats_alloc` over the system's): what is allocated and not freed. Numbers are the bytes that
//! were asked for; what an allocator adds for its own order is not among them. Pods are created through the API server with their node, and a kubelet's
//! status is written for each, so that they have an owner of every field. Then the difference to the empty server is divided by their number.
//!
//! | line | what is held for each Pod |
//! |---|---|
//! | written | the object in the key space and the watch cache, its version before, both changes in etcd's history and in the window of the watch cache, and their entries of the log |
//! | compacted | the same after the API server has had etcd forget old revisions (twice five minutes): the object, the last change |
//! | restarted | the same under an API server that was started anew: its watch cache has no window |
//!
//! A group has one member; another one shares the objects and has its own tree of keys.

#[path = "../tests/common/mod.rs"]
mod common;
mod pods;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::time::Duration;

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
    harness.trace.clear();
    let before = held();
    let print = |harness: &mut common::Harness, state: &str| {
        harness.trace = Vec::new();
        harness.events.clear();
        println!("{state}: {} bytes per Pod", (held() - before) / PODS);
    };
    for number in 0..PODS {
        pods::create(&mut harness, number, &format!("node-{}", number / 100));
        pods::run(&mut harness, number);
    }
    print(&mut harness, "written");
    harness.advance(Duration::from_secs(601));
    print(&mut harness, "compacted");
    harness.restart(apiserver::Config::default());
    print(&mut harness, "restarted");
}

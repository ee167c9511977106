//! What it costs to list 10,000 Pods, from the request to the bytes of the answer: from the watch cache, and page by page.

#[path = "../tests/common/mod.rs"]
mod common;
mod pods;

use api::http::{Body, Response};
use common::Harness;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mimalloc::MiMalloc;
use std::hint::black_box;

/// As in the program.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const PODS: usize = 10_000;

/// The bytes of a list, and where it goes on.
fn bytes(response: Response) -> (Vec<u8>, String) {
    let Ok(Body::List(list)) = response.result else { panic!("a list") };
    (serde_json::to_vec(&list).expect("a list becomes JSON"), list.continue_token)
}

/// All Pods in pages of so many; gives the number of bytes.
fn pages(harness: &mut Harness, limit: usize) -> usize {
    let (mut total, mut token) = (0, String::new());
    loop {
        let (page, next) = bytes(harness.get(&format!("/api/v1/pods?limit={limit}&continue={token}")));
        total += page.len();
        if next.is_empty() {
            return total;
        }
        token = next;
    }
}

fn lists(criterion: &mut Criterion) {
    let mut harness = pods::server();
    for number in 0..PODS {
        pods::create(&mut harness, number, &format!("node-{}", number / 100));
        pods::run(&mut harness, number);
    }
    let (whole, _) = bytes(harness.get("/api/v1/pods?resourceVersion=0"));
    let mut group = criterion.benchmark_group("list 10000 Pods");
    group.sample_size(10).throughput(Throughput::Bytes(whole.len() as u64));
    group.bench_function("resourceVersion=0, objects", |bencher| {
        bencher.iter(|| black_box(harness.get("/api/v1/pods?resourceVersion=0")));
    });
    group.bench_function("resourceVersion=0, JSON", |bencher| {
        bencher.iter(|| black_box(bytes(harness.get("/api/v1/pods?resourceVersion=0"))));
    });
    group.bench_function("pages of 500, JSON", |bencher| bencher.iter(|| black_box(pages(&mut harness, 500))));
    group.bench_function("the 100 Pods of a node, JSON", |bencher| {
        bencher.iter(|| black_box(bytes(harness.get("/api/v1/pods?resourceVersion=0&fieldSelector=spec.nodeName=node-7"))));
    });
    group.finish();
}

criterion_group!(benches, lists);
criterion_main!(benches);

//! What a cluster costs: a big rollout, and a big cluster that has nothing to do (DESIGN §12 of the project's goals: under 0.2 s; over
//! 1,000 virtual seconds in a real one).

use cluster::{Cluster, ClusterConfig};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

fn booted(nodes: usize) -> Cluster {
    Cluster::booted(&ClusterConfig::with_nodes(nodes)).expect("the default configuration is right")
}

/// From `kubectl create` to all Ready. Ten nodes, as a node takes 110 Pods.
fn rollout(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rollout");
    group.sample_size(10);
    group.bench_function("1000 replicas on 10 nodes", |bencher| {
        bencher.iter_batched(
            || booted(10),
            |mut cluster| {
                cluster.run_line("kubectl create deployment web --image=nginx --replicas=1000", MINUTE);
                let result = cluster.run_line("kubectl rollout status deployment/web", 10 * MINUTE);
                assert!(result.stdout.ends_with("successfully rolled out\n"), "{}", result.stdout);
                black_box(cluster)
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// A virtual minute of 100 nodes that only report that they are well.
fn idle(criterion: &mut Criterion) {
    let mut cluster = booted(100);
    criterion.bench_function("60 virtual seconds of 100 idle nodes", |bencher| {
        bencher.iter(|| cluster.advance(MINUTE, u64::MAX));
    });
}

criterion_group!(benches, rollout, idle);
criterion_main!(benches);

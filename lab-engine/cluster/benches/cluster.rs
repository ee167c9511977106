//! What a cluster costs: rollouts of 1,000 replicas on 10 nodes, of 100, 1,000 and 10,000 on 100 nodes, and a big cluster that has nothing to
//! do. The goals (DESIGN §12): a rollout of 1,000 replicas in under 0.2 s; over 1,000 virtual seconds in a real one at 100 idle nodes; and a
//! rollout that costs a hundred times as much when it has a hundred times the replicas, to an exponent of at most 1.05. What is measured is
//! processor time: all is done by one thread.

#![expect(clippy::disallowed_types, clippy::print_stdout, reason = "a bench measures time and prints it")]

mod measure;

use cluster::{Cluster, ClusterConfig};
use criterion::{BenchmarkId, Criterion, SamplingMode, criterion_group, criterion_main};
use measure::cpu_time;
use std::hint::black_box;
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);
/// Replicas and nodes of the rollouts, of which a node takes 110: the first is the one of the goal, in a cluster of few nodes; between the
/// others only the replicas differ, so that their growth is that of the price.
const ROLLOUTS: [(u32, usize); 4] = [(1_000, 10), (100, GROWTH_NODES), (1_000, GROWTH_NODES), (10_000, GROWTH_NODES)];
/// Nodes of the rollouts between which the growth is measured.
const GROWTH_NODES: usize = 100;
/// The goal for 1,000 replicas, in seconds.
const ROLLOUT_GOAL: f64 = 0.2;
/// The goal for how the cost of a rollout grows with its replicas: the exponent.
const GROWTH_GOAL: f64 = 1.05;
/// The goal for 100 idle nodes: virtual seconds in a real one.
const IDLE_GOAL: f64 = 1_000.0;

fn booted(nodes: usize) -> Cluster {
    Cluster::booted(&ClusterConfig::with_nodes(nodes)).expect("the default configuration is right")
}

/// The processor time that `work` takes, so that a machine that does other things as well does not count; by the clock where the system does
/// not tell.
fn timed(work: impl FnOnce()) -> Duration {
    let (started, before) = (Instant::now(), cpu_time());
    work();
    before.and_then(|before| cpu_time()?.checked_sub(before)).unwrap_or_else(|| started.elapsed())
}

/// From `kubectl create` to all Ready.
fn roll_out(cluster: &mut Cluster, replicas: u32) {
    cluster.run_line(&format!("kubectl create deployment web --image=nginx --replicas={replicas}"), MINUTE);
    let result = cluster.run_line("kubectl rollout status deployment/web", 60 * MINUTE);
    assert!(result.stdout.ends_with("successfully rolled out\n"), "{}{}", result.stdout, result.stderr);
}

/// The exponent with which `y` grows with `x`: the slope of the line through the logarithms (least squares).
fn exponent(points: &[(f64, f64)]) -> f64 {
    let logs: Vec<(f64, f64)> = points.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
    let count = logs.len() as f64;
    let (mean_x, mean_y) = (logs.iter().map(|log| log.0).sum::<f64>() / count, logs.iter().map(|log| log.1).sum::<f64>() / count);
    let covariance: f64 = logs.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    covariance / logs.iter().map(|(x, _)| (x - mean_x).powi(2)).sum::<f64>()
}

fn rollout(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rollout");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    let mut measured = Vec::new();
    for (replicas, nodes) in ROLLOUTS {
        let mut best = Duration::MAX;
        group.bench_function(BenchmarkId::from_parameter(format!("{replicas} replicas on {nodes} nodes")), |bencher| {
            bencher.iter_custom(|rounds| {
                let mut total = Duration::ZERO;
                for _ in 0..rounds {
                    let mut cluster = booted(nodes);
                    let took = timed(|| roll_out(&mut cluster, replicas));
                    black_box(cluster);
                    best = best.min(took);
                    total += took;
                }
                total
            });
        });
        // One that was not asked for was not measured.
        if best < Duration::MAX {
            measured.push((replicas, nodes, best.as_secs_f64()));
        }
    }
    group.finish();
    for (replicas, nodes, seconds) in &measured {
        println!("{replicas} replicas on {nodes} nodes: {seconds:.3} s at best, {:.0} us each", 1e6 * seconds / f64::from(*replicas));
    }
    if let Some((.., seconds)) = measured.iter().find(|(replicas, nodes, _)| (*replicas, *nodes) == ROLLOUTS[0]) {
        println!("goal for 1000 replicas: {ROLLOUT_GOAL} s; it takes {:.1} times as long", seconds / ROLLOUT_GOAL);
    }
    let grown = measured.iter().filter(|(_, nodes, _)| *nodes == GROWTH_NODES);
    let points: Vec<(f64, f64)> = grown.map(|(replicas, _, seconds)| (f64::from(*replicas), *seconds)).collect();
    if points.len() > 1 {
        let power = exponent(&points);
        println!("on {GROWTH_NODES} nodes the cost grows with the replicas to the power of {power:.3}; goal: at most {GROWTH_GOAL}");
    }
}

/// A virtual minute of 100 nodes that only report that they are well.
fn idle(criterion: &mut Criterion) {
    let mut cluster = None;
    let mut best = Duration::MAX;
    criterion.bench_function("60 virtual seconds of 100 idle nodes", |bencher| {
        let cluster = cluster.get_or_insert_with(|| booted(100));
        bencher.iter_custom(|rounds| {
            let took = timed(|| {
                for _ in 0..rounds {
                    cluster.advance(MINUTE, u64::MAX);
                }
            });
            best = best.min(took / u32::try_from(rounds).unwrap_or(u32::MAX));
            took
        });
    });
    if best < Duration::MAX {
        let rate = MINUTE.as_secs_f64() / best.as_secs_f64();
        println!("100 idle nodes: {rate:.0} virtual seconds in a real one at best; goal: {IDLE_GOAL}");
    }
}

criterion_group!(benches, rollout, idle);
criterion_main!(benches);

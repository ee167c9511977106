//! A cluster of 5,000 nodes with 150,000 running Pods in one process: how long it takes to build, and the most memory that the process
//! had. The goals (DESIGN §12): under 60 s and under 2 GiB.
//!
//! `cargo bench -p cluster --bench big` builds it whole; `cargo bench -p cluster --bench big -- 500 15000` builds one of that many nodes and
//! Pods. It runs once and prints, as a second run would start with the memory of the first.

#![expect(clippy::disallowed_types, clippy::print_stdout, reason = "a bench measures time and prints it")]

mod measure;

use api::Object;
use cluster::{Cluster, ClusterConfig};
use measure::{cpu_time, memory_now, peak_memory};
use std::time::{Duration, Instant};

const NODES: u32 = 5_000;
const PODS: u32 = 150_000;
/// So many Pods belong to one Deployment.
const PODS_PER_DEPLOYMENT: u32 = 5_000;
/// The goals at the full size.
const GOAL_SECONDS: f64 = 60.0;
const GOAL_BYTES: u64 = 2 << 30;
const MINUTE: Duration = Duration::from_secs(60);

fn told(started: Instant, cluster: &Cluster, what: &str) {
    let memory = peak_memory().map_or_else(|| "unknown".to_owned(), |bytes| format!("{} MiB", bytes >> 20));
    let cpu = cpu_time().unwrap_or_default().as_secs_f64();
    println!("{:>8.1} s  {cpu:>8.1} s of CPU  {:>8} virtual  {memory:>10}  {what}", started.elapsed().as_secs_f64(), cluster.now());
}

fn running(cluster: &Cluster) -> usize {
    cluster.objects().filter(|object| matches!(object, Object::Pod(pod) if pod.status.phase == "Running")).count()
}

fn main() {
    // `cargo bench` adds an argument of its own.
    let sizes: Vec<u32> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let (nodes, pods) = (sizes.first().copied().unwrap_or(NODES), sizes.get(1).copied().unwrap_or(PODS));
    let started = Instant::now();
    let config = ClusterConfig::with_nodes(usize::try_from(nodes).unwrap_or(usize::MAX));
    let mut cluster = Cluster::booted(&config).expect("the default configuration is right");
    told(started, &cluster, &format!("{nodes} nodes are ready"));
    let mut made = 0;
    while made < pods {
        let replicas = PODS_PER_DEPLOYMENT.min(pods - made);
        let name = format!("web-{made}");
        cluster.run_line(&format!("kubectl create deployment {name} --image=nginx --replicas={replicas}"), MINUTE);
        let result = cluster.run_line(&format!("kubectl rollout status deployment/{name}"), 60 * MINUTE);
        assert!(result.stdout.ends_with("successfully rolled out\n"), "{}{}", result.stdout, result.stderr);
        made += replicas;
        told(started, &cluster, &format!("{made} Pods are ready"));
    }
    let (seconds, running) = (started.elapsed().as_secs_f64(), running(&cluster));
    assert_eq!(running, usize::try_from(pods).unwrap_or(usize::MAX));
    let cpu = cpu_time().map_or(seconds, |cpu| cpu.as_secs_f64());
    let each = 1e6 * cpu / f64::from(pods.max(1));
    println!(
        "{nodes} nodes and {running} running Pods: built in {seconds:.1} s, {cpu:.1} s of CPU ({each:.0} us a Pod); goal: {GOAL_SECONDS} s"
    );
    if let (Some(peak), Some(now)) = (peak_memory(), memory_now()) {
        let (each, goal) = (peak / u64::from(pods.max(1)), GOAL_BYTES >> 20);
        println!("peak memory: {} MiB ({each} bytes a Pod), {} MiB at the end; goal: {goal} MiB", peak >> 20, now >> 20);
    }
    if (nodes, pods) != (NODES, PODS) {
        println!("the goals are for {NODES} nodes and {PODS} Pods");
    }
}

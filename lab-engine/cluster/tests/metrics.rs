//! The use of CPU and memory, from the programs in containers to `kubectl top`.

use cluster::{Cluster, ClusterConfig};
use std::time::Duration;

fn with_metrics() -> Cluster {
    let mut config = ClusterConfig::with_nodes(2);
    config.metrics_server = true;
    Cluster::booted(&config).unwrap()
}

fn pass(cluster: &mut Cluster, seconds: u64) {
    cluster.advance(Duration::from_secs(seconds), 50_000_000);
}

fn run(cluster: &mut Cluster, line: &str) -> String {
    let result = cluster.run_line(line, Duration::from_secs(60));
    result.stdout + &result.stderr
}

/// The cells of the row that begins so.
fn row(table: &str, name: &str) -> Vec<String> {
    let line = table.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {table}"));
    line.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn without_metrics_server_there_is_no_metrics_api() {
    let mut cluster = Cluster::booted(&ClusterConfig::with_nodes(1)).unwrap();
    assert_eq!(run(&mut cluster, "kubectl top nodes"), "error: Metrics API not available\n");
    assert_eq!(run(&mut cluster, "kubectl top pod -A"), "error: Metrics API not available\n");
    assert_eq!(run(&mut cluster, "kubectl top pod --sort-by name"), "error: --sort-by accepts only cpu or memory\n");
}

#[test]
fn a_busy_loop_uses_its_core_and_a_limit_holds_it() {
    let mut cluster = with_metrics();
    run(&mut cluster, "kubectl run busy --image=busybox --labels=app=burn -- sh -c 'while true; do :; done'");
    run(&mut cluster, "kubectl run idle --image=busybox --labels=app=rest -- sleep 3600");
    let limited = r#"{"spec":{"containers":[{"name":"limited","image":"busybox","command":["sh","-c","while true; do :; done"],"resources":{"limits":{"cpu":"250m"}}}]}}"#;
    run(&mut cluster, &format!("kubectl run limited --image=busybox --overrides='{limited}'"));
    assert_eq!(run(&mut cluster, "kubectl top pods"), "error: metrics not available yet\n");
    pass(&mut cluster, 60);
    let top = run(&mut cluster, "kubectl top pods");
    assert_eq!(top.lines().next(), Some("NAME      CPU(cores)   MEMORY(bytes)   "));
    assert_eq!((row(&top, "busy")[1].as_str(), row(&top, "idle")[1].as_str()), ("1000m", "0m"), "{top}");
    // Thousandths are rounded up.
    assert!(["250m", "251m"].contains(&row(&top, "limited")[1].as_str()), "{top}");
    assert_eq!(run(&mut cluster, "kubectl top pods -l app=rest --no-headers"), "idle   0m    1Mi   \n");
    let first = run(&mut cluster, "kubectl top pods -A --sort-by cpu --containers");
    assert_eq!(row(&first, "default")[1], "busy", "{first}");
    assert!(run(&mut cluster, "kubectl top pod ghost").contains("podmetrics.metrics.k8s.io \"default/ghost\" not found"));
    let nodes = run(&mut cluster, "kubectl top nodes");
    let total: u64 = ["node-1", "node-2"].iter().map(|name| row(&nodes, name)[1].trim_end_matches('m').parse::<u64>().unwrap()).sum();
    assert!((1360..1390).contains(&total), "{nodes}");
}

#[test]
fn the_metrics_api_is_found_read_and_guarded_like_any_other() {
    let mut cluster = with_metrics();
    run(&mut cluster, "kubectl run web --image=nginx");
    pass(&mut cluster, 60);
    let services = run(&mut cluster, "kubectl get apiservices");
    assert_eq!(row(&services, "v1beta1.metrics.k8s.io")[1..3], ["kube-system/metrics-server", "True"], "{services}");
    let pods = run(&mut cluster, "kubectl get pods.metrics.k8s.io");
    assert_eq!(row(&pods, "NAME"), ["NAME", "CPU", "MEMORY", "WINDOW"], "{pods}");
    assert_eq!(row(&pods, "web")[3], "15s", "{pods}");
    let raw = run(&mut cluster, "kubectl get --raw /apis/metrics.k8s.io/v1beta1/namespaces/default/pods/web");
    assert!(raw.contains("\"kind\":\"PodMetrics\"") && raw.contains("\"memory\":\"8Mi\""), "{raw}");
    let page = run(&mut cluster, "kubectl get --raw /api/v1/nodes/node-1/proxy/metrics/resource");
    assert!(page.contains("# TYPE node_cpu_usage_seconds_total counter\nnode_cpu_usage_seconds_total "), "{page}");
    let refused = run(&mut cluster, "kubectl get pods.metrics.k8s.io --as=jane");
    assert!(refused.contains("User \"jane\" cannot list resource \"pods\" in API group \"metrics.k8s.io\""), "{refused}");
    run(&mut cluster, "kubectl delete apiservice v1beta1.metrics.k8s.io");
    assert_eq!(run(&mut cluster, "kubectl top pods"), "error: Metrics API not available\n");
}

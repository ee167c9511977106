//! Manifests as people write them, applied through the terminal: what needs nothing that is not simulated becomes Ready.

use cluster::Cluster;
use lab::Snapshot;
use std::time::Duration;
use tests::{apply, booted, files_below, root, run};

/// How long a workload may take until it is Ready, in virtual time.
const PATIENCE: Duration = Duration::from_secs(300);

/// How many steps of the simulation a manifest may cost.
const MAX_STEPS: u64 = 5_000_000;

fn snapshot(cluster: &Cluster) -> Snapshot {
    Snapshot::of(cluster)
}

/// What is not Ready yet, in words; empty when all is.
fn not_ready(cluster: &Cluster) -> Vec<String> {
    let snapshot = snapshot(cluster);
    let pods = snapshot.nodes.iter().flat_map(|node| &node.pods).chain(&snapshot.unscheduled);
    let waiting = pods.filter(|pod| pod.ready < pod.containers || pod.phase != "Running");
    let mut left: Vec<String> =
        waiting.map(|pod| format!("Pod {} is {} ({}/{})", pod.name, pod.status, pod.ready, pod.containers)).collect();
    let behind = snapshot.deployments.iter().filter(|deployment| i64::from(deployment.ready) < i64::from(deployment.desired));
    left.extend(
        behind.map(|deployment| format!("Deployment {} has {} of {} ready", deployment.name, deployment.ready, deployment.desired)),
    );
    if snapshot.deployments.is_empty() && snapshot.nodes.iter().all(|node| node.pods.is_empty()) && snapshot.unscheduled.is_empty() {
        left.push("nothing was created".to_owned());
    }
    left
}

/// What the documentation has its readers do before they apply a manifest.
const PREPARED: &[(&str, &str)] = &[
    ("pods/config/redis-pod.yaml", "kubectl create configmap example-redis-config --from-literal=redis-config=maxmemory"),
    ("pods/pod-nginx-required-affinity.yaml", "kubectl label nodes node-2 disktype=ssd"),
    ("pods/pod-nginx.yaml", "kubectl label nodes node-2 disktype=ssd"),
    ("pods/pod-with-node-affinity.yaml", "kubectl label nodes node-2 topology.kubernetes.io/zone=antarctica-east1"),
    (
        "pods/pod-with-pod-affinity.yaml",
        "kubectl label nodes --all topology.kubernetes.io/zone=v && kubectl run first --image=nginx --labels=security=S1",
    ),
    ("pods/qos/qos-pod-3.yaml", "kubectl create namespace qos-example"),
    ("pods/qos/qos-pod.yaml", "kubectl create namespace qos-example"),
    ("pods/resource/memory-request-limit.yaml", "kubectl create namespace mem-example"),
    ("pods/resource/pod-level-cpu-request-limit.yaml", "kubectl create namespace pod-resources-example"),
    ("pods/resource/pod-level-memory-request-limit.yaml", "kubectl create namespace pod-resources-example"),
    ("pods/resource/pod-level-resources.yaml", "kubectl create namespace pod-resources-example"),
    (
        "pods/storage/projected-secrets-nondefault-permission-mode.yaml",
        "kubectl create secret generic mysecret --from-literal=username=a && kubectl create secret generic mysecret2 --from-literal=password=b",
    ),
    (
        "pods/storage/projected.yaml",
        "kubectl create secret generic user --from-literal=username=a && kubectl create secret generic pass --from-literal=password=b",
    ),
    ("service/networking/curlpod.yaml", "kubectl create secret generic nginxsecret --from-literal=tls.crt=a"),
];

/// What must not become Ready on three Linux nodes, and what kubectl's answer or the Pod's description says about it.
const HELD_BACK: &[(&str, &str)] = &[
    // A Pod waits as long as it has scheduling gates; the page applies the same Pod without them next.
    ("pods/pod-with-scheduling-gates.yaml", "SchedulingGated"),
    // The image of nginx has no program `stress`.
    ("pods/resource/pod-level-memory-request-limit.yaml", "CrashLoopBackOff"),
    // Only one node of the page's cluster has dongles, and the first Pod took them.
    ("pods/resource/extended-resource-pod-2.yaml", "Insufficient example.com/dongle"),
    // The page makes the class before.
    ("policy/high-priority-pod.yaml", "no PriorityClass with name high was found"),
    // These want a node with Windows.
    ("windows/emptydir-pod.yaml", "didn't match Pod's node affinity/selector"),
    ("windows/hostpath-volume-pod.yaml", "didn't match Pod's node affinity/selector"),
    ("windows/run-as-username-container.yaml", "didn't match Pod's node affinity/selector"),
    ("windows/run-as-username-pod.yaml", "didn't match Pod's node affinity/selector"),
    ("windows/simple-pod.yaml", "didn't match Pod's node affinity/selector"),
];

/// What `table` says about a file.
fn entry(table: &'static [(&str, &str)], path: &str) -> Option<&'static str> {
    table.iter().find(|(name, _)| *name == path).map(|(_, text)| *text)
}

/// Whether a file holds nothing but Pods and Deployments.
fn is_plain(text: &str) -> bool {
    let mut kinds = text.lines().filter_map(|line| line.strip_prefix("kind:")).map(str::trim).peekable();
    kinds.peek().is_some() && kinds.all(|kind| matches!(kind, "Pod" | "Deployment"))
}

/// Applies a manifest to a fresh cluster; the complaint, if it does not end as it must.
fn complaint(path: &str, text: &str) -> Option<String> {
    let mut cluster = booted(1);
    if let Some(line) = entry(PREPARED, path) {
        let prepared = run(&mut cluster, line);
        if prepared.exit_code != 0 {
            return Some(format!("{path}: `{line}` fails: {}", prepared.stderr));
        }
    }
    let applied = apply(&mut cluster, "manifest.yaml", text);
    let limit = cluster.now() + PATIENCE;
    let ready = cluster.advance_until(limit, MAX_STEPS, |cluster| not_ready(cluster).is_empty());
    match (entry(HELD_BACK, path), ready) {
        (None, true) => None,
        (None, false) => Some(format!("{path}: {:?}; {}", not_ready(&cluster), applied.stderr)),
        (Some(_), true) => Some(format!("{path} becomes Ready; take it off the list")),
        (Some(why), false) => {
            let said = applied.stderr + &run(&mut cluster, "kubectl get pods -A && kubectl get events -A").stdout;
            (!said.contains(why)).then(|| format!("{path}: `{why}` is not said in: {said}"))
        }
    }
}

#[test]
fn our_own_examples_become_ready() {
    let folder = root().join("tests/fixtures/ready");
    let files = files_below(&[folder], "yaml");
    assert!(files.len() >= 4, "{files:?}");
    let complaints: Vec<String> =
        files.iter().filter_map(|file| complaint(&file.display().to_string(), &std::fs::read_to_string(file).unwrap())).collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
}

#[test]
fn the_examples_of_the_documentation_become_ready() {
    let corpus = root().join("../shared/corpus/k8s-docs-examples");
    if !corpus.is_dir() {
        eprintln!("skipped: {} is not here", corpus.display());
        return;
    }
    let (mut plain, mut complaints) = (Vec::new(), Vec::new());
    for file in files_below(std::slice::from_ref(&corpus), "yaml") {
        let text = std::fs::read_to_string(&file).unwrap();
        let path = file.strip_prefix(&corpus).unwrap().display().to_string();
        if is_plain(&text) {
            complaints.extend(complaint(&path, &text));
            plain.push(path);
        }
    }
    assert!(complaints.is_empty(), "{complaints:#?}");
    assert!(plain.len() > 60 && plain.iter().any(|path| path == "controllers/nginx-deployment.yaml"), "{plain:?}");
    let listed = PREPARED.iter().chain(HELD_BACK).map(|(path, _)| *path);
    let gone: Vec<&str> = listed.filter(|path| !plain.iter().any(|known| known == path)).collect();
    assert!(gone.is_empty(), "listed, but not among the plain Pods and Deployments: {gone:?}");
}

#[test]
fn what_is_not_simulated_is_said() {
    let text = std::fs::read_to_string(root().join("tests/fixtures/ready/pod-unsimulated.yaml")).unwrap();
    let applied = apply(&mut booted(1), "pod.yaml", &text);
    assert_eq!((applied.exit_code, applied.stdout.as_str()), (0, "pod/unsimulated created\n"));
    assert_eq!(applied.stderr, "Warning: spec.dnsConfig: accepted, but not simulated here\n");
}

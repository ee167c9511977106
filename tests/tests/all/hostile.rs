//! A learner's worst inputs end in clear messages, within a bounded number of steps of the simulation.

use cluster::{Advanced, Cluster, CommandResult};
use lab::{FromEngine, ToEngine};
use std::time::Duration;
use tests::{apply, booted, run};

/// How many steps a bad input may cost: what a machine does in some seconds.
const MAX_STEPS: u64 = 2_000_000;

/// What a command says that must fail.
fn refused(result: &CommandResult) -> &str {
    assert_ne!(result.exit_code, 0, "{}", result.stdout);
    assert!(result.stderr.len() < 4 * 1024 * 1024, "at most what was typed, some times over: {} bytes", result.stderr.len());
    &result.stderr
}

/// The cluster still does its work.
fn assert_alive(cluster: &mut Cluster) {
    let nodes = run(cluster, "kubectl get nodes -o name");
    assert_eq!((nodes.exit_code, nodes.stdout.as_str()), (0, "node/node-1\nnode/node-2\nnode/node-3\n"), "{}", nodes.stderr);
}

#[test]
fn a_line_of_a_megabyte() {
    let mut cluster = booted(1);
    let long = "x".repeat(1024 * 1024);
    let told = run(&mut cluster, &format!("kubectl get pods {long}"));
    assert_eq!(refused(&told), "sh: the line is too long (at most 1 MiB)\n");
    let word = run(&mut cluster, &long);
    assert!(refused(&word).ends_with(": command not found\n"), "{}", &word.stderr[word.stderr.len() - 100..]);
    assert_alive(&mut cluster);
}

#[test]
fn a_manifest_with_a_line_of_a_megabyte() {
    let mut cluster = booted(1);
    let long = "x".repeat(1_000_000);
    let told = apply(&mut cluster, "long.yaml", &format!("apiVersion: v1\nkind: Pod\nmetadata:\n  name: {long}\n"));
    assert!(refused(&told).contains("metadata.name"), "{}", &told.stderr[..100]);
    let unread = apply(&mut cluster, "unread.yaml", &format!("apiVersion: v1\n{long}\n"));
    assert!(refused(&unread).contains("unread.yaml"), "{}", &unread.stderr[..100]);
    assert_alive(&mut cluster);
}

#[test]
fn a_yaml_bomb() {
    let mut cluster = booted(1);
    let mut bomb = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for level in 1..12 {
        let before = vec![format!("*a{}", level - 1); 9].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{before}]\n"));
    }
    let told = apply(&mut cluster, "bomb.yaml", &bomb);
    assert!(refused(&told).contains("bomb.yaml:"), "the place is named: {}", told.stderr);
    let deep = apply(&mut cluster, "deep.yaml", &"[".repeat(100_000));
    assert!(refused(&deep).contains("deep.yaml"), "{}", deep.stderr);
    assert_alive(&mut cluster);
}

#[test]
fn a_billion_replicas() {
    let mut cluster = booted(1);
    let shop = include_str!("../../fixtures/ready/deployment.yaml").replace("replicas: 4", "replicas: 1000000000");
    assert_eq!(apply(&mut cluster, "shop.yaml", &shop).stdout, "deployment.apps/shop created\n");
    let limit = cluster.now() + Duration::from_secs(60);
    cluster.advance_until(limit, MAX_STEPS, |_| false);
    let pods = cluster.objects().count();
    assert!(pods < 100_000, "{pods} objects");
    let described = run(&mut cluster, "kubectl describe deployment shop").stdout;
    assert!(described.contains("1000000000 desired"), "it can be seen what was asked for: {described}");
    let gone = run(&mut cluster, "kubectl delete deployment shop --wait=false");
    assert_eq!(gone.exit_code, 0, "{}", gone.stderr);
    assert_alive(&mut cluster);
}

#[test]
fn an_endless_loop_in_a_container() {
    let mut cluster = booted(1);
    let started = run(&mut cluster, "kubectl run spinner --image=busybox -- sh -c 'while true; do :; done'");
    assert_eq!(started.stdout, "pod/spinner created\n");
    assert_eq!(cluster.advance(Duration::from_secs(120), MAX_STEPS), Advanced::Reached, "a busy loop costs virtual time");
    let pods = run(&mut cluster, "kubectl get pod spinner --no-headers").stdout;
    assert!(pods.contains("Running"), "{pods}");
    let noisy = run(&mut cluster, "kubectl run noisy --image=busybox -- sh -c 'while true; do echo noise; done'");
    assert_eq!(noisy.exit_code, 0);
    assert_eq!(cluster.advance(Duration::from_secs(60), MAX_STEPS), Advanced::Reached);
    let log = run(&mut cluster, "kubectl logs noisy").stdout;
    assert!(log.starts_with("noise\n") && log.len() < 64 * 1024 * 1024, "{} bytes", log.len());
    assert_alive(&mut cluster);
}

#[test]
fn an_endless_loop_in_the_terminal() {
    let mut cluster = booted(1);
    for line in ["while true; do kubectl get pods; done", "while :; do :; done", "kubectl get pods -w", "sleep 1000000000"] {
        let before = cluster.now();
        let told = run(&mut cluster, line);
        let explained = told.exit_code == 124 || told.stderr.contains("is not supported in this terminal");
        assert!(told.exit_code != 0 && explained, "{line}: {} {}", told.exit_code, told.stderr);
        assert!(told.stdout.len() + told.stderr.len() < 16 * 1024 * 1024, "{line}");
        assert!(cluster.now().since(before) <= Duration::from_secs(600), "{line}: {}", cluster.now());
        assert!(!cluster.terminal().is_busy(), "{line}");
    }
    assert_alive(&mut cluster);
}

#[test]
fn the_page_is_told_why_a_message_cannot_be_done() {
    let mut engine = lab::Engine::default();
    let told = engine.handle(ToEngine::Line { line: "kubectl get pods".to_owned() });
    assert_eq!(told, [FromEngine::Error { message: "no lab is loaded".to_owned() }]);
}

//! The same seed and the same inputs give the same trace, byte for byte. `browser::trace` compares natively with the page's program.

use cluster::{Cluster, Fault};
use std::fmt::Write as _;
use std::time::Duration;
use tests::{apply, booted, run};

const SHOP: &str = include_str!("../../fixtures/ready/deployment.yaml");

/// A rollout, a fault, a crashing container and a deletion, so that all parts have their say.
fn lived(seed: u64) -> Cluster {
    let mut cluster = booted(seed);
    apply(&mut cluster, "shop.yaml", SHOP);
    run(&mut cluster, "kubectl rollout status deployment/shop && kubectl scale deployment/shop --replicas=6");
    run(&mut cluster, "kubectl run crasher --image=busybox -- sh -c 'sleep 3; exit 1'");
    let fault = Fault::CutNode("node-2".to_owned());
    cluster.inject(&fault).expect("there is a node-2");
    cluster.advance(Duration::from_secs(90), u64::MAX);
    cluster.heal(&fault).expect("there is a node-2");
    run(&mut cluster, "kubectl set image deployment/shop nginx=nginx:1.28 && kubectl delete pod crasher");
    cluster.advance(Duration::from_secs(60), u64::MAX);
    cluster
}

/// The trace, a line an event, and then what the API server holds.
fn written(cluster: &Cluster) -> String {
    let mut text = String::new();
    for event in cluster.trace().iter() {
        let _ = writeln!(text, "{event}");
    }
    for object in cluster.objects() {
        let _ = writeln!(text, "{object:?}");
    }
    text
}

#[test]
fn one_seed_gives_one_trace() {
    let (first, second) = (written(&lived(7)), written(&lived(7)));
    let differing = first.lines().zip(second.lines()).find(|(one, other)| one != other);
    assert_eq!(differing, None);
    assert_eq!(first.len(), second.len());
    assert!(first.lines().count() > 500, "the scenario is long enough to say something: {}", first.lines().count());
}

#[test]
fn another_seed_gives_another_trace() {
    assert_ne!(written(&lived(7)), written(&lived(8)), "the seed reaches the parts");
}

#[test]
fn slices_of_time_do_not_show() {
    let (mut whole, mut sliced) = (booted(3), booted(3));
    for cluster in [&mut whole, &mut sliced] {
        apply(cluster, "shop.yaml", SHOP);
    }
    whole.advance(Duration::from_secs(30), u64::MAX);
    for _ in 0..3000 {
        sliced.advance(Duration::from_millis(10), u64::MAX);
    }
    assert_eq!(written(&whole), written(&sliced));
}

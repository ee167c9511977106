//! Components of the control plane that are killed, and replicas that take over.

use api::coordination::Lease;
use api::core::Pod;
use cluster::{Cluster, ClusterConfig, Fault};
use std::time::Duration;

fn pass(cluster: &mut Cluster, seconds: u64) {
    cluster.advance(Duration::from_secs(seconds), 50_000_000);
}

fn run(cluster: &mut Cluster, line: &str) -> String {
    let result = cluster.run_line(line, Duration::from_secs(60));
    result.stdout + &result.stderr
}

fn crash(name: &str) -> Fault {
    Fault::Crash(name.to_owned())
}

fn running(cluster: &Cluster) -> usize {
    cluster.objects().filter_map(|object| object.as_kind::<Pod>()).filter(|pod| pod.status.phase == "Running").count()
}

fn holder(cluster: &Cluster, name: &str) -> String {
    let mut leases = cluster.objects().filter_map(|object| object.as_kind::<Lease>());
    let lease = leases.find(|lease| lease.metadata.name == name && lease.metadata.namespace == "kube-system");
    let identity = lease.and_then(|lease| lease.spec.holder_identity.clone()).unwrap_or_default();
    identity.split('_').next().unwrap_or_default().to_owned()
}

#[test]
fn without_a_scheduler_pods_wait_and_without_controllers_there_are_none() {
    let mut cluster = Cluster::booted(&ClusterConfig::with_nodes(1)).unwrap();
    cluster.inject(&crash("kube-scheduler")).unwrap();
    run(&mut cluster, "kubectl create deployment web --image=nginx --replicas=2");
    pass(&mut cluster, 30);
    let pods = run(&mut cluster, "kubectl get pods");
    assert_eq!(pods.matches("Pending").count(), 2, "{pods}");
    cluster.heal(&crash("kube-scheduler")).unwrap();
    pass(&mut cluster, 30);
    assert_eq!(running(&cluster), 2, "the scheduler lists what waits when it starts");
    cluster.inject(&crash("kube-controller-manager")).unwrap();
    run(&mut cluster, "kubectl scale deployment web --replicas=3");
    run(&mut cluster, "kubectl delete pod --all");
    pass(&mut cluster, 60);
    assert_eq!(running(&cluster), 0);
    cluster.heal(&crash("kube-controller-manager")).unwrap();
    pass(&mut cluster, 60);
    assert_eq!(running(&cluster), 3);
    let refused = cluster.inject(&crash("kubectl")).unwrap_err().to_string();
    assert!(
        refused.contains("those that can are etcd-1, kube-apiserver, kube-scheduler, kube-controller-manager, ")
            && refused.contains("kubelet/node-1")
            && refused.contains("kube-proxy/node-1"),
        "{refused}"
    );
}

#[test]
fn another_replica_leads_when_the_lease_of_the_dead_one_has_run_out() {
    let mut config = ClusterConfig::with_nodes(1);
    (config.schedulers, config.controller_managers) = (2, 2);
    let mut cluster = Cluster::booted(&config).unwrap();
    let leaders = |cluster: &Cluster| {
        let all = cluster.components();
        all.iter().filter(|one| one.leads == Some(true)).map(|one| one.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(leaders(&cluster), ["kube-scheduler", "kube-controller-manager"]);
    assert_eq!(holder(&cluster, "kube-scheduler"), "kube-scheduler");
    cluster.inject(&crash("kube-scheduler")).unwrap();
    cluster.inject(&crash("kube-controller-manager")).unwrap();
    run(&mut cluster, "kubectl create deployment web --image=nginx");
    pass(&mut cluster, 8);
    assert!(leaders(&cluster).is_empty() && running(&cluster) == 0, "the leases still hold");
    pass(&mut cluster, 40);
    assert_eq!(leaders(&cluster), ["kube-scheduler-2", "kube-controller-manager-2"]);
    assert_eq!(running(&cluster), 1);
    let leases = run(&mut cluster, "kubectl get leases -n kube-system");
    assert!(leases.contains("kube-scheduler-2_"), "{leases}");
    let events = run(&mut cluster, "kubectl get events -n kube-system");
    assert!(events.contains("LeaderElection") && events.contains("became leader"), "{events}");
    // The old ones come back and stand by.
    cluster.heal(&crash("kube-scheduler")).unwrap();
    cluster.heal(&crash("kube-controller-manager")).unwrap();
    pass(&mut cluster, 30);
    assert_eq!(leaders(&cluster), ["kube-scheduler-2", "kube-controller-manager-2"]);
}

#[test]
fn a_leader_that_cannot_renew_stops_before_another_begins() {
    let mut config = ClusterConfig::with_nodes(1);
    config.schedulers = 2;
    let mut cluster = Cluster::booted(&config).unwrap();
    cluster.inject(&Fault::Isolate("kube-scheduler".to_owned())).unwrap();
    let mut both = 0;
    for _ in 0..60 {
        pass(&mut cluster, 1);
        both += usize::from(cluster.components().iter().filter(|one| one.leads == Some(true)).count() > 1);
    }
    assert_eq!(both, 0);
    assert_eq!(holder(&cluster, "kube-scheduler"), "kube-scheduler-2");
}

//! Members of etcd whose data differs: who finds out, what the API server's clients see of it, and how it is mended.

use cluster::{Cluster, ClusterConfig, CommandResult, EtcdConfig, Fault};
use sim::What;
use std::time::Duration;

const KEY: &str = "/registry/configmaps/default/note";
const ALL: &str = "--endpoints=etcd-1,etcd-2,etcd-3";

fn with(etcd: EtcdConfig) -> Cluster {
    let etcd = EtcdConfig { members: 3, ..etcd };
    let mut cluster = Cluster::booted(&ClusterConfig { etcd, ..ClusterConfig::with_nodes(1) }).expect("the configuration is right");
    assert_eq!(run(&mut cluster, "kubectl create configmap note --from-literal=text=hello").exit_code, 0);
    cluster
}

fn run(cluster: &mut Cluster, line: &str) -> CommandResult {
    cluster.run_line(line, Duration::from_secs(120))
}

fn pass(cluster: &mut Cluster, seconds: u64) {
    cluster.advance(Duration::from_secs(seconds), 5_000_000);
}

fn corrupt(member: &str) -> Fault {
    Fault::Corrupt(member.to_owned(), KEY.to_owned())
}

/// A member that does not lead.
fn follower(cluster: &Cluster) -> String {
    cluster.etcd_members().into_iter().find(|member| member.role == "follower").expect("somebody follows").name
}

#[test]
fn the_leader_raises_an_alarm_and_kubernetes_refuses_changes_until_it_is_disarmed() {
    let mut cluster = with(EtcdConfig { corrupt_check_seconds: 30, ..EtcdConfig::default() });
    let wrong = follower(&cluster);
    let id = wrong.strip_prefix("etcd-").unwrap().to_owned();
    let value = |cluster: &mut Cluster, member: &str| {
        run(cluster, &format!("etcdctl get {KEY} --print-value-only --consistency=s --endpoints={member}")).stdout
    };
    cluster.inject(&corrupt(&wrong)).unwrap();
    let others: Vec<String> = ["etcd-1", "etcd-2", "etcd-3"].into_iter().filter(|name| **name != wrong).map(str::to_owned).collect();
    let (right, differs) = (value(&mut cluster, &others[0]), value(&mut cluster, &wrong));
    assert_eq!(value(&mut cluster, &others[1]), right);
    let different = right.chars().zip(differs.chars()).filter(|(one, other)| one != other).count();
    assert_eq!((right.len(), different), (differs.len(), 1), "{right}\n{differs}");
    pass(&mut cluster, 35);
    assert_eq!(run(&mut cluster, &format!("etcdctl alarm list {ALL}")).stdout, format!("memberID:{id} alarm:CORRUPT \n"));
    assert!(cluster.etcd_members().iter().all(|member| member.alarms == [format!("memberID:{id} alarm:CORRUPT")]));
    let refused = run(&mut cluster, "kubectl create configmap other");
    assert_eq!((refused.exit_code, refused.stderr.contains("etcdserver: corrupt cluster")), (1, true), "{}", refused.stderr);
    assert_eq!(run(&mut cluster, &format!("etcdctl put a b {ALL}")).stderr.matches("etcdserver: corrupt cluster").count(), 1);
    assert_eq!(run(&mut cluster, "kubectl get configmap note").exit_code, 0, "reads are answered");
    let health = run(&mut cluster, "etcdctl endpoint health --endpoints=etcd-1");
    let unhealthy = "etcd-1 is unhealthy: failed to commit proposal: Active Alarm(s): CORRUPT \n";
    assert!(health.stdout.ends_with(unhealthy) && health.exit_code == 1, "{health:?}");
    let raised = cluster.trace().iter().filter(|event| matches!(event.what, What::AlarmRaised { .. })).count();
    assert_eq!(raised, 1, "it is raised once, however often the check finds it");

    assert_eq!(
        cluster.heal(&corrupt(&wrong)).unwrap_err().to_string().split(';').next(),
        Some(&*format!("the data of {wrong} stays as it is"))
    );
    let ask = others.iter().map(String::as_str).collect::<Vec<_>>().join(",");
    for line in [format!("member remove {id}"), "member add etcd-4".to_owned(), "alarm disarm".to_owned()] {
        let done = run(&mut cluster, &format!("etcdctl {line} --endpoints={ask}"));
        assert_eq!(done.exit_code, 0, "{line}: {}", done.stderr);
        pass(&mut cluster, 3);
    }
    pass(&mut cluster, 60);
    assert_eq!(run(&mut cluster, &format!("etcdctl alarm list --endpoints={ask}")).stdout, "", "the new member has what the others have");
    assert_eq!(run(&mut cluster, "kubectl create configmap other").exit_code, 0);
}

#[test]
fn a_member_whose_data_differs_does_not_start() {
    let mut cluster = with(EtcdConfig { initial_corrupt_check: true, ..EtcdConfig::default() });
    let name = follower(&cluster);
    cluster.inject(&Fault::Crash(name.clone())).unwrap();
    cluster.inject(&corrupt(&name)).unwrap();
    cluster.heal(&Fault::Crash(name.clone())).unwrap();
    pass(&mut cluster, 2);
    let running = |cluster: &Cluster| cluster.etcd_members().into_iter().filter(|member| member.running).count();
    assert_eq!(running(&cluster), 2);
    let last_words = cluster.trace().iter().find_map(|event| match &event.what {
        What::Exited { message } => Some((event.actor.to_string(), message.to_string())),
        _ => None,
    });
    let id = name.strip_prefix("etcd-").unwrap();
    assert_eq!(last_words, Some((name.clone(), format!("{id} found data inconsistency with peers"))));
    assert_eq!(run(&mut cluster, "kubectl create configmap other").exit_code, 0, "the others go on");
    cluster.heal(&Fault::Crash(name.clone())).unwrap();
    pass(&mut cluster, 2);
    assert_eq!(running(&cluster), 2, "nor does it the second time");
}

#[test]
fn a_member_without_the_key_cannot_be_damaged() {
    let mut cluster = with(EtcdConfig::default());
    let missing = cluster.inject(&Fault::Corrupt("etcd-1".to_owned(), "/nothing".to_owned())).unwrap_err().to_string();
    assert!(missing.starts_with("etcd-1 has no key \"/nothing\""), "{missing}");
    assert!(cluster.inject(&Fault::Corrupt("kube-apiserver".to_owned(), KEY.to_owned())).is_err());
    assert!(cluster.faults().is_empty());
}

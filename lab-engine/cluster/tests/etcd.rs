//! The control plane on a group of etcd members: elections, lost members, lost quorum, and several API servers.

use cluster::{Cluster, ClusterConfig, CommandResult, EtcdConfig, Fault};
use sim::{TraceEvent, What};
use std::time::Duration;

fn with(members: u32, api_servers: u32) -> Cluster {
    let etcd = EtcdConfig { members, ..EtcdConfig::default() };
    Cluster::booted(&ClusterConfig { etcd, api_servers, ..ClusterConfig::with_nodes(1) }).expect("the configuration is right")
}

fn run(cluster: &mut Cluster, line: &str) -> CommandResult {
    cluster.run_line(line, Duration::from_secs(120))
}

fn ok(cluster: &mut Cluster, line: &str) -> String {
    let result = run(cluster, line);
    assert_eq!((result.exit_code, result.stderr.as_str()), (0, ""), "{line}");
    result.stdout
}

fn pass(cluster: &mut Cluster, seconds: u64) {
    cluster.advance(Duration::from_secs(seconds), 5_000_000);
}

fn leader(cluster: &Cluster) -> String {
    let members = cluster.etcd_members();
    let leaders: Vec<_> = members.iter().filter(|member| member.role == "leader").map(|member| &member.name).collect();
    assert_eq!(leaders.len(), 1, "{members:?}");
    leaders[0].clone()
}

fn followers(cluster: &Cluster) -> Vec<String> {
    let leader = leader(cluster);
    cluster.etcd_members().into_iter().map(|member| member.name).filter(|name| *name != leader).collect()
}

#[test]
fn a_group_elects_a_leader_and_all_members_hold_what_is_written() {
    let mut cluster = with(3, 1);
    assert_eq!(ok(&mut cluster, "kubectl create configmap a --from-literal=k=v"), "configmap/a created\n");
    pass(&mut cluster, 2);
    let members = cluster.etcd_members();
    assert_eq!(members.len(), 3);
    let leader = leader(&cluster);
    for member in &members {
        assert_eq!((member.leader.as_ref(), member.applied), (Some(&leader), members[0].applied), "{member:?}");
        assert_eq!(member.revision, members[0].revision);
    }
    let mut voted = cluster.trace().iter().filter(|event| matches!(event.what, What::RaftVote { granted: true, pre: false, .. }));
    assert!(voted.next().is_some(), "somebody voted for {leader}");
}

#[test]
fn a_write_can_be_followed_to_the_disks_and_back() {
    let mut cluster = with(3, 1);
    let before = cluster.trace().last_id();
    ok(&mut cluster, "kubectl create configmap traced");
    let is_of = |event: &&TraceEvent, name: &str| match &event.what {
        What::LogAppended { object: Some(object), .. }
        | What::LogPersisted { object: Some(object), .. }
        | What::LogCommitted { object: Some(object), .. }
        | What::Stored { object, .. } => &*object.name == name,
        _ => false,
    };
    let story: Vec<&TraceEvent> = cluster.trace().after(before).filter(|event| is_of(event, "traced")).collect();
    let at = |wanted: fn(&What) -> bool| story.iter().position(|event| wanted(&event.what)).unwrap();
    let appended = at(|what| matches!(what, What::LogAppended { .. }));
    let persisted = at(|what| matches!(what, What::LogPersisted { .. }));
    let committed = at(|what| matches!(what, What::LogCommitted { .. }));
    let stored = at(|what| matches!(what, What::Stored { .. }));
    assert!(appended < persisted && persisted < committed && committed < stored, "{story:?}");
    let disks = story[..committed].iter().filter(|event| matches!(event.what, What::LogPersisted { .. })).count();
    assert!(disks >= 2, "a quorum has it on disk before it is committed");
    let chain: Vec<String> = cluster.trace().why(story[stored].id).map(|event| event.what.to_string()).collect();
    let has = |part: &str| chain.iter().any(|text| text.contains(part));
    assert!(has("committed: ConfigMap default/traced") && has("on disk: ConfigMap default/traced"), "{chain:#?}");
    assert!(has("create ConfigMap default/traced") && has("$ kubectl create configmap traced"), "{chain:#?}");
}

#[test]
fn the_loss_of_one_member_is_borne() {
    let mut cluster = with(3, 1);
    let lost = leader(&cluster);
    cluster.inject(&Fault::Crash(lost.clone())).unwrap();
    pass(&mut cluster, 5);
    assert_ne!(leader(&cluster), lost);
    ok(&mut cluster, "kubectl create configmap without");
    cluster.heal(&Fault::Crash(lost)).unwrap();
    pass(&mut cluster, 2);
    let members = cluster.etcd_members();
    assert!(members.iter().all(|member| member.running && member.revision == members[0].revision), "{members:?}");
    assert!(ok(&mut cluster, "kubectl get configmap without").contains("without"));
}

#[test]
fn without_a_quorum_nothing_is_written_and_nothing_is_lost() {
    let mut cluster = with(3, 1);
    ok(&mut cluster, "kubectl create configmap before");
    let lost = followers(&cluster);
    lost.iter().for_each(|name| cluster.inject(&Fault::Crash(name.clone())).unwrap());
    let refused = run(&mut cluster, "kubectl create configmap during");
    assert_eq!((refused.exit_code, refused.stdout.as_str()), (1, ""));
    assert!(refused.stderr.contains("etcdserver: request timed out"), "{}", refused.stderr);
    lost.iter().for_each(|name| cluster.heal(&Fault::Crash(name.clone())).unwrap());
    pass(&mut cluster, 10);
    assert!(ok(&mut cluster, "kubectl get configmap before").contains("before"));
    ok(&mut cluster, "kubectl create configmap after");
    pass(&mut cluster, 60);
    assert_eq!(cluster.ready_nodes(), 1);
}

#[test]
fn a_member_that_is_cut_off_catches_up() {
    let mut cluster = with(5, 1);
    let lost = followers(&cluster)[0].clone();
    cluster.inject(&Fault::Isolate(lost.clone())).unwrap();
    pass(&mut cluster, 45);
    ok(&mut cluster, "kubectl create configmap meanwhile");
    let revision = |cluster: &Cluster| cluster.etcd_members().into_iter().find(|member| member.name == lost).unwrap().revision;
    let behind = revision(&cluster);
    cluster.heal(&Fault::Isolate(lost.clone())).unwrap();
    pass(&mut cluster, 3);
    let newest = cluster.etcd_members().iter().map(|member| member.revision).max();
    assert!(revision(&cluster) > behind);
    assert_eq!(Some(revision(&cluster)), newest);
}

#[test]
fn several_api_servers_serve_one_cluster() {
    let mut cluster = with(3, 3);
    ok(&mut cluster, "kubectl create deployment web --image=nginx --replicas=3");
    pass(&mut cluster, 20);
    assert!(ok(&mut cluster, "kubectl get deployment web").contains("3/3"));
    for server in ["kube-apiserver", "kube-apiserver-2"] {
        cluster.inject(&Fault::Crash(server.to_owned())).unwrap();
    }
    pass(&mut cluster, 60);
    ok(&mut cluster, "kubectl scale deployment web --replicas=4");
    pass(&mut cluster, 20);
    assert!(ok(&mut cluster, "kubectl get deployment web").contains("4/4"));
    cluster.heal(&Fault::Crash("kube-apiserver".to_owned())).unwrap();
    cluster.inject(&Fault::Crash("kube-apiserver-3".to_owned())).unwrap();
    pass(&mut cluster, 60);
    assert!(ok(&mut cluster, "kubectl get deployment web").contains("4/4"));
}

#[test]
fn without_an_api_server_connections_are_refused() {
    let mut cluster = with(1, 1);
    cluster.inject(&Fault::Crash("kube-apiserver".to_owned())).unwrap();
    let refused = run(&mut cluster, "kubectl get nodes");
    assert_eq!(refused.exit_code, 1);
    assert!(refused.stderr.contains("was refused - did you specify the right host or port?"), "{}", refused.stderr);
    cluster.heal(&Fault::Crash("kube-apiserver".to_owned())).unwrap();
    pass(&mut cluster, 30);
    assert!(ok(&mut cluster, "kubectl get nodes").contains("Ready"));
}

#[test]
fn a_slow_disk_makes_writes_slow() {
    let time = |fsync_us| {
        let etcd = EtcdConfig { members: 3, fsync_us: Some(fsync_us), ..EtcdConfig::default() };
        let mut cluster = Cluster::booted(&ClusterConfig { etcd, ..ClusterConfig::with_nodes(1) }).unwrap();
        let start = cluster.now();
        ok(&mut cluster, "kubectl create configmap timed");
        cluster.now().since(start)
    };
    assert!(time(200_000) >= time(0) + Duration::from_millis(200));
}

#[test]
fn faults_of_what_is_not_there_are_refused() {
    let mut cluster = with(1, 1);
    let error = cluster.inject(&Fault::Crash("etcd-2".to_owned())).unwrap_err().to_string();
    assert!(error.starts_with("the cluster has no \"etcd-2\"; its parts are etcd-1, kube-apiserver, "), "{error}");
    let error = cluster.inject(&Fault::SlowDisk("kube-apiserver".to_owned(), 5)).unwrap_err().to_string();
    assert_eq!(error, "\"kube-apiserver\" cannot have this fault; those that can are etcd-1");
    let two = EtcdConfig { members: 2, ..EtcdConfig::default() };
    let error = Cluster::new(&ClusterConfig { etcd: two, ..ClusterConfig::default() }).err().unwrap().to_string();
    assert_eq!(error, "etcd: members: \"2\": must be 1, 3 or 5");
}

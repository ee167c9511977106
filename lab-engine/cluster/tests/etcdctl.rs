//! `etcdctl` in the terminal, against the members under a cluster.

use cluster::{Cluster, ClusterConfig, CommandResult, EtcdConfig, Fault};
use std::time::Duration;

fn with(members: u32) -> Cluster {
    let etcd = EtcdConfig { members, ..EtcdConfig::default() };
    Cluster::booted(&ClusterConfig { etcd, ..ClusterConfig::with_nodes(1) }).expect("the configuration is right")
}

fn run(cluster: &mut Cluster, line: &str) -> CommandResult {
    cluster.run_line(line, Duration::from_secs(60))
}

fn ok(cluster: &mut Cluster, line: &str) -> String {
    let result = run(cluster, line);
    assert_eq!((result.exit_code, result.stderr.as_str()), (0, ""), "{line}");
    result.stdout
}

fn fails(cluster: &mut Cluster, line: &str) -> String {
    let result = run(cluster, line);
    assert_ne!(result.exit_code, 0, "{line}: {}", result.stdout);
    result.stderr
}

/// The number of the leader.
fn leader(cluster: &Cluster) -> String {
    let members = cluster.etcd_members();
    let leader = members.iter().find(|member| member.role == "leader").expect("somebody leads");
    leader.name.trim_start_matches("etcd-").to_owned()
}

#[test]
fn keys_are_put_read_and_deleted() {
    let mut cluster = with(1);
    assert_eq!(ok(&mut cluster, "etcdctl put greeting hello"), "OK\n");
    assert_eq!(ok(&mut cluster, "etcdctl put greeting hi --prev-kv"), "OK\ngreeting\nhello\n");
    ok(&mut cluster, "etcdctl put greeting2 you");
    assert_eq!(ok(&mut cluster, "etcdctl get greeting"), "greeting\nhi\n");
    assert_eq!(ok(&mut cluster, "etcdctl get greeting --prefix"), "greeting\nhi\ngreeting2\nyou\n");
    assert_eq!(ok(&mut cluster, "etcdctl get --prefix greet --keys-only"), "greeting\n\ngreeting2\n\n");
    assert_eq!(ok(&mut cluster, "etcdctl get --prefix greet --print-value-only --order=descend --limit=1"), "you\n");
    assert!(ok(&mut cluster, "etcdctl get --prefix greet --count-only -w fields").ends_with("\"More\" : false\n\"Count\" : 2\n"));
    let json = ok(&mut cluster, "etcdctl get greeting -w json");
    assert!(json.contains(r#""key":"Z3JlZXRpbmc=""#) && json.contains(r#""value":"aGk=""#) && json.contains(r#""raft_term":"#), "{json}");
    assert_eq!(ok(&mut cluster, "etcdctl del greeting --prefix"), "2\n");
    assert_eq!(ok(&mut cluster, "etcdctl get greeting"), "");
}

#[test]
fn what_kubernetes_keeps_lies_in_the_open() {
    let mut cluster = with(3);
    ok(&mut cluster, "kubectl create secret generic db --from-literal=password=s3cret");
    let stored = ok(&mut cluster, "etcdctl get /registry/secrets/default/db --print-value-only");
    assert!(stored.contains(r#""kind":"Secret""#) && stored.contains("czNjcmV0"), "base64 is no encryption: {stored}");
    assert!(!stored.contains("resourceVersion"), "it is the revision of the key: {stored}");
    let names = ok(&mut cluster, "etcdctl get /registry/namespaces/ --prefix --keys-only");
    assert!(names.contains("/registry/namespaces/kube-system\n"), "{names}");
}

#[test]
fn a_past_revision_can_be_read_until_it_is_compacted() {
    let mut cluster = with(1);
    ok(&mut cluster, "etcdctl put k one");
    let json: serde_json::Value = serde_json::from_str(&ok(&mut cluster, "etcdctl get k -w json")).expect("JSON");
    let first = json["kvs"][0]["mod_revision"].as_u64().expect("a revision");
    ok(&mut cluster, "etcdctl put k two");
    assert_eq!(ok(&mut cluster, &format!("etcdctl get k --rev={first}")), "k\none\n");
    let next = first + 1;
    assert_eq!(ok(&mut cluster, &format!("etcdctl compaction {next}")), format!("compacted revision {next}\n"));
    let refused = fails(&mut cluster, &format!("etcdctl get k --rev={first}"));
    assert_eq!(refused, "Error: etcdserver: mvcc: required revision has been compacted\n");
    let watched = run(&mut cluster, &format!("etcdctl watch k --rev={first}"));
    assert_eq!(watched.stdout, "watch was canceled (etcdserver: mvcc: required revision has been compacted)\n");
    assert_eq!(watched.stderr, "Error: watch is canceled by the server\n");
}

#[test]
fn a_watch_shows_changes_until_ctrl_c() {
    let mut cluster = with(1);
    ok(&mut cluster, "etcdctl put w zero");
    let json: serde_json::Value = serde_json::from_str(&ok(&mut cluster, "etcdctl get w -w json")).expect("JSON");
    let first = json["kvs"][0]["mod_revision"].as_u64().expect("a revision");
    ok(&mut cluster, "etcdctl del w");
    let watched = cluster.run_line(&format!("etcdctl watch w --rev={first}"), Duration::from_secs(5));
    assert_eq!((watched.stdout.as_str(), watched.exit_code), ("PUT\nw\nzero\nDELETE\nw\n\n", 124));
}

#[test]
fn a_transaction_compares_and_then_acts() {
    let mut cluster = with(1);
    let line = "etcdctl txn <<EOF\nversion(\"lock\") = \"0\"\n\nput lock \"held by me\"\n\nget lock\nEOF";
    assert_eq!(ok(&mut cluster, line), "SUCCESS\n\nOK\n");
    assert_eq!(ok(&mut cluster, line), "FAILURE\n\nlock\nheld by me\n");
    assert_eq!(fails(&mut cluster, "etcdctl txn <<EOF\nwhat\nEOF"), "Error: malformed comparison: what\n");
}

#[test]
fn a_lease_ends_its_keys() {
    let mut cluster = with(3);
    let granted = ok(&mut cluster, "etcdctl lease grant 10");
    let id = granted.split(' ').nth(1).expect("a number").to_owned();
    assert_eq!(granted, format!("lease {id} granted with TTL(10s)\n"));
    ok(&mut cluster, &format!("etcdctl put mine here --lease={id}"));
    let left = ok(&mut cluster, &format!("etcdctl lease timetolive {id} --keys"));
    assert_eq!(left, format!("lease {id} granted with TTL(10s), remaining(9s), attached keys([mine])\n"));
    assert_eq!(ok(&mut cluster, &format!("etcdctl lease keep-alive {id} --once")), format!("lease {id} keepalived with TTL(10)\n"));
    assert_eq!(ok(&mut cluster, "etcdctl lease list"), format!("found 1 leases\n{id}\n"));
    ok(&mut cluster, "sleep 12");
    assert_eq!(ok(&mut cluster, "etcdctl get mine"), "");
    assert_eq!(ok(&mut cluster, &format!("etcdctl lease timetolive {id}")), format!("lease {id} already expired\n"));
    assert_eq!(fails(&mut cluster, &format!("etcdctl lease revoke {id}")), "Error: etcdserver: requested lease not found\n");
}

#[test]
fn the_members_and_their_state_are_told() {
    let mut cluster = with(3);
    let members = ok(&mut cluster, "etcdctl member list");
    assert_eq!(members.lines().nth(1), Some("2, started, etcd-2, https://etcd-2:2380, https://etcd-2:2379, false"));
    let table = ok(&mut cluster, "etcdctl endpoint status --cluster -w table");
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[1].starts_with("|      ENDPOINT       | ID | VERSION | STORAGE VERSION |"), "{table}");
    assert_eq!(lines.iter().filter(|line| line.contains("https://etcd-")).count(), 3, "{table}");
    assert_eq!(lines.iter().filter(|line| line.contains("|      true |")).count(), 1, "one leads: {table}");
    let healthy = ok(&mut cluster, "etcdctl endpoint health --endpoints=etcd-1,etcd-2,etcd-3");
    assert_eq!(healthy.matches("is healthy: successfully committed proposal: took = ").count(), 3, "{healthy}");
    cluster.inject(&Fault::Crash("etcd-2".to_owned())).expect("there is an etcd-2");
    let result = run(&mut cluster, "etcdctl endpoint health --endpoints=etcd-1,etcd-2,etcd-3");
    assert_eq!((result.exit_code, result.stderr.as_str()), (1, "Error: unhealthy cluster\n"));
    assert!(result.stdout.contains("etcd-2 is unhealthy: failed to commit proposal: context deadline exceeded"), "{}", result.stdout);
}

#[test]
fn the_leadership_is_moved() {
    let mut cluster = with(3);
    let old = leader(&cluster);
    let new = ["1", "2", "3"].into_iter().find(|id| *id != old).expect("another one");
    let moved = ok(&mut cluster, &format!("etcdctl move-leader {new} --endpoints=etcd-1,etcd-2,etcd-3"));
    assert_eq!(moved, format!("Leadership transferred from {old} to {new}\n"));
    assert_eq!(leader(&cluster), new);
    let refused = fails(&mut cluster, &format!("etcdctl move-leader {old} --endpoints=etcd-{old}"));
    assert_eq!(refused, format!("Error: no leader endpoint given at [etcd-{old}]\n"));
}

#[test]
fn a_snapshot_is_saved_and_looked_at() {
    let mut cluster = with(1);
    ok(&mut cluster, "etcdctl put a 1");
    assert_eq!(ok(&mut cluster, "etcdctl snapshot save backup.db"), "Snapshot saved at backup.db\nServer version 3.6.6\n");
    let status = ok(&mut cluster, "etcdutl snapshot status backup.db -w table");
    assert!(status.contains("TOTAL KEYS") && status.lines().count() == 5, "{status}");
    assert_eq!(fails(&mut cluster, "etcdutl snapshot status nothing.db"), "Error: stat nothing.db: no such file or directory\n");
}

#[test]
fn without_a_quorum_only_serializable_reads_are_answered() {
    let mut cluster = with(3);
    ok(&mut cluster, "etcdctl put k v");
    cluster.advance(Duration::from_secs(1), 1_000_000);
    let keep = leader(&cluster);
    for lost in ["1", "2", "3"].into_iter().filter(|id| *id != keep) {
        cluster.inject(&Fault::Crash(format!("etcd-{lost}"))).expect("there is such a member");
    }
    let one = format!("--endpoints=etcd-{keep}");
    assert_eq!(fails(&mut cluster, &format!("etcdctl get k {one}")), "Error: context deadline exceeded\n");
    assert_eq!(fails(&mut cluster, &format!("etcdctl put k w {one} --command-timeout=10s")), "Error: etcdserver: request timed out\n");
    assert_eq!(ok(&mut cluster, &format!("etcdctl get k {one} --consistency=s")), "k\nv\n");
}

#[test]
fn what_is_wrong_with_a_line_is_said() {
    let mut cluster = with(1);
    for (line, message) in [
        ("etcdctl gett k", "Error: unknown command \"gett\" for \"etcdctl\"\nRun 'etcdctl --help' for usage.\n"),
        ("etcdctl get", "Error: get command needs one argument as key and an optional argument as range_end\n"),
        ("etcdctl get k --nope", "Error: unknown flag: --nope\n"),
        ("etcdctl put k", "Error: put command needs 1 argument and input from stdin or 2 arguments\n"),
        ("etcdctl get k --count-only", "Error: --count-only is only for `--write-out=fields`\n"),
        ("etcdctl get k --rev=100000", "Error: etcdserver: mvcc: required revision is a future revision\n"),
        ("etcdctl lease revoke xyz", "Error: bad lease ID arg (strconv.ParseInt: parsing \"xyz\": invalid syntax), expecting ID in Hex\n"),
        ("etcdctl member remove 9", "Error: etcdserver: member not found\n"),
        ("etcdctl member remove 1", "Error: etcdserver: re-configuration failed due to not enough started members\n"),
    ] {
        assert_eq!(fails(&mut cluster, line), message, "{line}");
    }
}

/// Runs `etcdutl snapshot restore`, which says what it does on its log.
fn restore(cluster: &mut Cluster, arguments: &str) {
    let result = run(cluster, &format!("etcdutl snapshot restore {arguments}"));
    let told = result.stderr.lines().last().is_some_and(|line| line.contains("restored snapshot"));
    assert!(result.exit_code == 0 && told, "{}", result.stderr);
}

#[test]
fn a_lost_cluster_is_restored_from_a_snapshot() {
    let mut cluster = with(3);
    ok(&mut cluster, "kubectl create configmap before --from-literal=k=v");
    ok(&mut cluster, "etcdctl snapshot save backup.db");
    ok(&mut cluster, "kubectl create configmap after --from-literal=k=v");
    assert_eq!(fails(&mut cluster, "etcd --name etcd-1 --data-dir none").lines().count(), 1);
    let group = "etcd-1=https://etcd-1:2380,etcd-2=https://etcd-2:2380,etcd-3=https://etcd-3:2380";
    for id in 1..=3 {
        cluster.inject(&Fault::Crash(format!("etcd-{id}"))).expect("there is such a member");
        let member = format!("backup.db --data-dir new-{id} --name etcd-{id} --initial-cluster {group}");
        restore(&mut cluster, &format!("{member} --bump-revision 1000000 --mark-compacted"));
    }
    assert_eq!(fails(&mut cluster, "etcd --name etcd-2 --data-dir new-1").lines().count(), 1, "each has its own directory");
    for id in 1..=3 {
        ok(&mut cluster, &format!("etcd --name etcd-{id} --data-dir new-{id}"));
    }
    assert_eq!(
        fails(&mut cluster, "etcd --name etcd-1 --data-dir new-1"),
        "Error: listen tcp 0.0.0.0:2380: bind: address already in use\n"
    );
    cluster.advance(Duration::from_secs(60), 10_000_000);
    assert_eq!(cluster.etcd_members().iter().filter(|member| member.running && member.leader.is_some()).count(), 3);
    let names = ok(&mut cluster, "kubectl get configmaps -o name");
    assert!(names.contains("configmap/before\n") && !names.contains("configmap/after\n"), "{names}");
    ok(&mut cluster, "kubectl create configmap again --from-literal=k=v");
    assert_eq!(cluster.ready_nodes(), 1, "kubelets report again");
    let revision: u64 = ok(&mut cluster, "kubectl get configmap again -o jsonpath={.metadata.resourceVersion}").parse().expect("a number");
    assert!(revision > 1_000_000, "no client has seen a higher one: {revision}");
    let crash = Fault::Crash("etcd-2".to_owned());
    cluster.inject(&crash).expect("it runs");
    cluster.heal(&crash).expect("it starts again from its disk");
    cluster.advance(Duration::from_secs(10), 10_000_000);
    let members = cluster.etcd_members();
    assert!(members.iter().all(|member| member.running && member.revision == members[0].revision), "{members:?}");
}

#[test]
fn a_member_that_is_left_of_the_old_cluster_does_not_meddle() {
    let mut cluster = with(3);
    ok(&mut cluster, "etcdctl snapshot save backup.db");
    let others = ["etcd-2", "etcd-3"];
    cluster.inject(&Fault::Crash("etcd-1".to_owned())).expect("there is an etcd-1");
    restore(&mut cluster, "backup.db --data-dir alone");
    ok(&mut cluster, "etcd --name etcd-1 --data-dir alone");
    cluster.advance(Duration::from_secs(10), 10_000_000);
    let members = ok(&mut cluster, "etcdctl member list");
    assert_eq!(members.lines().count(), 1, "it is a cluster of its own: {members}");
    ok(&mut cluster, "etcdctl put new 1");
    for other in others {
        assert_eq!(ok(&mut cluster, &format!("etcdctl get new --endpoints={other}")), "", "the old cluster goes on without it");
    }
}

#[test]
fn what_restores_and_saves_says_what_is_wrong() {
    let mut cluster = with(1);
    ok(&mut cluster, "etcdctl snapshot save backup.db");
    for (line, message) in [
        ("etcdctl snapshot restore backup.db", "unknown command \"restore\" for \"etcdctl snapshot\"\nSince etcd v3.6 only etcdutl has it"),
        ("etcdctl snapshot status backup.db", "unknown command \"status\" for \"etcdctl snapshot\"\nSince etcd v3.6 only etcdutl has it"),
        ("etcdutl snapshot restore backup.db", "required flag(s) \"data-dir\" not set"),
        ("etcdutl snapshot restore --data-dir d", "snapshot restore requires exactly one argument"),
        ("etcdutl snapshot restore nothing.db --data-dir d", "stat nothing.db: no such file or directory"),
        ("etcdutl snapshot restore backup.db --data-dir d --bump-revision 5", "--mark-compacted required if --revision-bump > 0"),
        (
            "etcdutl snapshot restore backup.db --data-dir d --name etcd-1",
            "couldn't find local name \"etcd-1\" in the initial cluster configuration",
        ),
        ("etcdutl get k", "unknown command \"get\" for \"etcdutl\""),
    ] {
        let refused = fails(&mut cluster, line);
        assert!(refused.starts_with(&format!("Error: {message}")), "{line}: {refused}");
    }
    restore(&mut cluster, "backup.db --data-dir d");
    assert_eq!(
        fails(&mut cluster, "etcdutl snapshot restore backup.db --data-dir d"),
        "Error: data-dir \"d\" not empty or could not be read\n"
    );
}

#[test]
fn a_member_that_is_added_runs_learns_is_promoted_and_stops_when_it_is_removed() {
    let mut cluster = with(3);
    ok(&mut cluster, "etcdctl put k v");
    let added = ok(&mut cluster, "etcdctl member add etcd-4 --learner --peer-urls=https://etcd-4:2380");
    assert!(added.contains("ETCD_NAME=\"etcd-4\"\n"), "{added}");
    cluster.advance(Duration::from_secs(5), 10_000_000);
    let members = ok(&mut cluster, "etcdctl member list");
    assert_eq!(members.lines().last(), Some("4, started, etcd-4, https://etcd-4:2380, https://etcd-4:2379, true"));
    assert_eq!(ok(&mut cluster, "etcdctl get k --consistency=s --endpoints=etcd-4"), "k\nv\n", "it has the data");
    assert_eq!(fails(&mut cluster, "etcdctl put k w --endpoints=etcd-4"), "Error: etcdserver: rpc not supported for learner\n");
    let leader = leader(&cluster);
    let promoted = ok(&mut cluster, &format!("etcdctl member promote 4 --endpoints=etcd-{leader}"));
    assert!(promoted.starts_with("Member                4 promoted in cluster"), "{promoted}");
    assert_eq!(ok(&mut cluster, "etcdctl put k w --endpoints=etcd-4"), "OK\n");
    // Four voters bear the loss of one, and not of two.
    ok(&mut cluster, "etcdctl member remove 4 --endpoints=etcd-1");
    cluster.advance(Duration::from_secs(5), 10_000_000);
    assert_eq!(cluster.etcd_members().iter().map(|member| member.running).collect::<Vec<_>>(), [true, true, true, false]);
    assert_eq!(ok(&mut cluster, "etcdctl get k"), "k\nw\n");
    let crashed = Fault::Crash("etcd-4".to_owned());
    let again = cluster.heal(&crashed).expect_err("it was removed").to_string();
    assert_eq!(again, "etcd-4 does not start: the member has been permanently removed from the cluster");
}

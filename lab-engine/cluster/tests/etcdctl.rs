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

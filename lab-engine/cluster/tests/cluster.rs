//! A whole cluster, from its boot to what runs on it.

use cluster::{Cluster, ClusterConfig, CommandResult, Fault, NodeConfig};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

fn booted() -> Cluster {
    Cluster::booted(&ClusterConfig::default()).expect("the default configuration is right")
}

fn run(cluster: &mut Cluster, line: &str) -> CommandResult {
    cluster.run_line(line, 2 * MINUTE)
}

/// What a command prints that must succeed.
fn printed(cluster: &mut Cluster, line: &str) -> String {
    let result = run(cluster, line);
    assert_eq!((result.exit_code, result.stderr.as_str()), (0, ""), "{line}");
    result.stdout
}

const ON_NODE_1: &str = r#"--overrides='{"spec":{"nodeName":"node-1"}}'"#;

/// Runs a Pod `talker` on node-1 that says a number every second.
fn start_talker(cluster: &mut Cluster, shell: &str) {
    let line = format!("kubectl run talker --image=busybox {ON_NODE_1} --restart=Never --command -- sh -c '{shell}'");
    assert_eq!(printed(cluster, &line), "pod/talker created\n");
    printed(cluster, "kubectl wait --for=condition=Ready pod/talker --timeout=60s");
}

#[test]
fn all_nodes_become_ready() {
    let mut cluster = booted();
    assert_eq!(cluster.ready_nodes(), 3);
    assert_eq!(printed(&mut cluster, "kubectl get nodes -o name"), "node/node-1\nnode/node-2\nnode/node-3\n");
}

#[test]
fn a_pod_on_a_node_runs_and_logs() {
    let mut cluster = booted();
    start_talker(&mut cluster, "echo hello; sleep 3600");
    assert_eq!(printed(&mut cluster, "kubectl logs talker"), "hello\n");
}

#[test]
fn a_pod_can_follow_its_namespace_at_once() {
    let mut cluster = booted();
    printed(&mut cluster, "kubectl create namespace shop");
    assert_eq!(printed(&mut cluster, "kubectl run web --image=nginx -n shop"), "pod/web created\n");
    // The account is made again, and the Pod waits for it.
    printed(&mut cluster, "kubectl delete serviceaccount default -n shop");
    assert_eq!(printed(&mut cluster, "kubectl run late --image=nginx -n shop"), "pod/late created\n");
    let pod =
        "apiVersion: v1\nkind: Pod\nmetadata: {name: lost}\nspec: {serviceAccountName: robot, containers: [{name: c, image: nginx}]}\n";
    cluster.terminal_mut().files_mut().write("lost.yaml", pod).expect("the file is small");
    let result = run(&mut cluster, "kubectl create -f lost.yaml -n shop");
    assert_eq!(result.exit_code, 1);
    assert!(result.stderr.contains("error looking up service account shop/robot"), "{}", result.stderr);
}

#[test]
fn a_followed_log_shows_lines_as_they_come_and_ends_with_the_container() {
    let mut cluster = booted();
    start_talker(&mut cluster, "for i in 1 2 3 4 5; do echo $i; sleep 60; done");
    let started = cluster.now();
    let result = cluster.run_line("kubectl logs -f talker", 10 * MINUTE);
    assert_eq!((result.exit_code, result.stdout.as_str()), (0, "1\n2\n3\n4\n5\n"), "{}", result.stderr);
    assert!(cluster.now().since(started) > 4 * MINUTE, "it waited for the lines: {}", cluster.now());
}

#[test]
fn a_followed_log_ends_with_ctrl_c() {
    let mut cluster = booted();
    start_talker(&mut cluster, "while true; do date +%s; sleep 1; done");
    cluster.start_line("kubectl logs -f talker");
    cluster.advance(MINUTE, u64::MAX);
    assert!(cluster.terminal().is_busy());
    cluster.interrupt();
    assert!(!cluster.terminal().is_busy());
    let lines = cluster.terminal_mut().take_output().len();
    assert!((55..=65).contains(&lines), "a line a second: {lines}");
}

#[test]
fn a_command_in_a_container_may_take_longer_than_a_request() {
    let mut cluster = booted();
    start_talker(&mut cluster, "sleep 3600");
    assert_eq!(printed(&mut cluster, "kubectl exec talker -- sh -c 'sleep 45; echo done'"), "done\n");
    let result = run(&mut cluster, "kubectl exec talker -- sh -c 'exit 3'");
    assert_eq!((result.exit_code, result.stderr.as_str()), (3, "command terminated with exit code 3\n"));
}

#[test]
fn a_node_that_is_cut_off_misses_what_happens_until_it_is_back() {
    let mut cluster = booted();
    let cut = Fault::CutNode("node-1".to_owned());
    cluster.inject(&cut).unwrap();
    printed(&mut cluster, &format!("kubectl run web --image=nginx {ON_NODE_1}"));
    cluster.advance(MINUTE, u64::MAX);
    assert!(printed(&mut cluster, "kubectl get pod web").contains("Pending"));
    cluster.heal(&cut).unwrap();
    printed(&mut cluster, "kubectl wait --for=condition=Ready pod/web --timeout=60s");
}

#[test]
fn a_deployment_rolls_out_and_on_to_the_next_image() {
    let mut cluster = booted();
    printed(&mut cluster, "kubectl create deployment web --image=nginx:1.28 --replicas=3");
    let told = printed(&mut cluster, "kubectl rollout status deployment/web --timeout=60s");
    assert!(told.ends_with("deployment \"web\" successfully rolled out\n"), "{told}");
    let nodes = printed(&mut cluster, "kubectl get pods -o jsonpath='{range .items[*]}{.spec.nodeName}{\"\\n\"}{end}' | sort");
    assert_eq!(nodes, "node-1\nnode-2\nnode-3\n", "one Pod on each node");
    printed(&mut cluster, "kubectl set image deployment/web nginx=nginx:1.29");
    printed(&mut cluster, "kubectl rollout status deployment/web --timeout=120s");
    cluster.advance(MINUTE, u64::MAX);
    let images = printed(&mut cluster, "kubectl get pods -o jsonpath='{.items[*].spec.containers[0].image}'");
    assert_eq!(images.trim(), "nginx:1.29 nginx:1.29 nginx:1.29");
    let sets = printed(&mut cluster, "kubectl get rs -o jsonpath='{.items[*].status.replicas}'");
    assert!(sets.trim() == "0 3" || sets.trim() == "3 0", "the old ReplicaSet is empty: {sets}");
}

#[test]
fn a_pod_that_fits_no_node_says_why() {
    let mut cluster = booted();
    let big = r#"--overrides='{"spec":{"containers":[{"name":"big","image":"nginx","resources":{"requests":{"cpu":"64"}}}]}}'"#;
    printed(&mut cluster, &format!("kubectl run big --image=nginx {big}"));
    cluster.advance(Duration::from_secs(1), u64::MAX);
    let message = printed(&mut cluster, "kubectl get pod big -o jsonpath='{.status.conditions[?(@.type==\"PodScheduled\")].message}'");
    let expected = "0/3 nodes are available: 3 Insufficient cpu. no new claims to deallocate, ";
    assert!(message.starts_with(expected.trim_end_matches(", ")), "{message}");
    printed(&mut cluster, "kubectl get events | grep FailedScheduling");
}

/// A Pod that requests 700m of CPU, with a priority class if one is given.
fn hungry(name: &str, class: &str) -> String {
    let class = if class.is_empty() { String::new() } else { format!(r#""priorityClassName":"{class}","#) };
    let spec =
        format!(r#"{{"spec":{{{class}"containers":[{{"name":"c","image":"nginx","resources":{{"requests":{{"cpu":"700m"}}}}}}]}}}}"#);
    format!("kubectl run {name} --image=nginx --overrides='{spec}'")
}

#[test]
fn a_pod_of_higher_priority_takes_the_place_of_a_lower_one() {
    let node = NodeConfig { cpu: "1".to_owned(), ..NodeConfig::default() };
    let mut cluster =
        Cluster::booted(&ClusterConfig { nodes: vec![node], ..ClusterConfig::default() }).expect("the configuration is right");
    printed(&mut cluster, &hungry("low", ""));
    printed(&mut cluster, "kubectl wait --for=condition=Ready pod/low --timeout=60s");
    printed(&mut cluster, &hungry("equal", ""));
    cluster.advance(MINUTE, u64::MAX);
    let message = printed(&mut cluster, "kubectl get pod equal -o jsonpath='{.status.conditions[0].message}'");
    let expected = "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes are available: \
                    1 No preemption victims found for incoming pod.";
    assert_eq!(message.trim(), expected);
    printed(&mut cluster, "kubectl create priorityclass high --value=1000");
    printed(&mut cluster, &hungry("high", "high"));
    cluster.advance(2 * MINUTE, u64::MAX);
    assert_eq!(printed(&mut cluster, "kubectl get pods -o name"), "pod/equal\npod/high\n");
    assert!(printed(&mut cluster, "kubectl get pod high").contains("Running"));
    let events = printed(&mut cluster, "kubectl get events -A");
    assert!(events.contains("Preempted by pod"), "{events}");
}

#[test]
fn a_waiting_pod_goes_where_room_comes() {
    let node = NodeConfig { cpu: "1".to_owned(), ..NodeConfig::default() };
    let mut cluster =
        Cluster::booted(&ClusterConfig { nodes: vec![node], ..ClusterConfig::default() }).expect("the configuration is right");
    printed(&mut cluster, &hungry("first", ""));
    printed(&mut cluster, &hungry("second", ""));
    printed(&mut cluster, "kubectl wait --for=condition=Ready pod/first --timeout=60s");
    printed(&mut cluster, "kubectl delete pod first");
    printed(&mut cluster, "kubectl wait --for=condition=Ready pod/second --timeout=30s");
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_one_another() {
    let story = |seed: u64| {
        let mut cluster = Cluster::booted(&ClusterConfig { seed, ..ClusterConfig::default() }).expect("the configuration is right");
        printed(&mut cluster, "kubectl create deployment web --image=nginx --replicas=3");
        cluster.advance(MINUTE, u64::MAX);
        let events: Vec<String> = cluster.trace().after(sim::EventId(0)).map(|event| format!("{event:?}")).collect();
        events
    };
    assert_eq!(story(7), story(7));
    assert_ne!(story(7), story(8));
}

#[test]
fn a_configuration_that_cannot_be_built_says_why() {
    let refused = |node: NodeConfig| {
        let config = ClusterConfig { nodes: vec![node], ..ClusterConfig::default() };
        Cluster::new(&config).map(|_| ()).expect_err("it is wrong").to_string()
    };
    let message = refused(NodeConfig { cpu: "many".to_owned(), ..NodeConfig::default() });
    assert!(message.starts_with("node node-1: cpu: \"many\": "), "{message}");
    let message = refused(NodeConfig { memory: "-1Gi".to_owned(), ..NodeConfig::default() });
    assert_eq!(message, "node node-1: memory: \"-1Gi\": must not be negative");
    let message = refused(NodeConfig { taints: vec!["dedicated".to_owned()], ..NodeConfig::default() });
    assert_eq!(message, "node node-1: taints: \"dedicated\": a taint is written key=value:Effect or key:Effect");
}

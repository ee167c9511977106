//! What controllers do on a whole cluster: lost nodes, evictions, Pods that nobody else removes, adoption, scaling in a rollout.

use api::core::{Node, Pod};
use api::meta::condition;
use cluster::{Cluster, ClusterConfig, Fault};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

fn booted() -> Cluster {
    Cluster::booted(&ClusterConfig::default()).expect("the default configuration is right")
}

/// What a command prints that must succeed.
fn printed(cluster: &mut Cluster, line: &str) -> String {
    let result = cluster.run_line(line, 3 * MINUTE);
    assert_eq!(result.exit_code, 0, "{line}: {}", result.stderr);
    result.stdout
}

fn advance(cluster: &mut Cluster, seconds: u64) {
    cluster.advance(Duration::from_secs(seconds), u64::MAX);
}

fn node(cluster: &Cluster, name: &str) -> Node {
    let mut nodes = cluster.objects().filter_map(|object| object.as_kind::<Node>());
    Node::clone(nodes.find(|node| node.metadata.name == name).expect("the node exists"))
}

fn pods(cluster: &Cluster) -> Vec<Pod> {
    cluster.objects().filter_map(|object| object.as_kind::<Pod>()).map(|pod| Pod::clone(pod)).collect()
}

fn taints(cluster: &Cluster, name: &str) -> Vec<String> {
    node(cluster, name).spec.taints.iter().map(|taint| format!("{}:{}", taint.key, taint.effect)).collect()
}

fn status_of(conditions: &[api::meta::Condition], type_: &str) -> String {
    condition(conditions, type_).map(|condition| format!("{} {}", condition.status, condition.reason)).unwrap_or_default()
}

/// A cluster with a Pod of a Deployment on node-1, which has just been cut off.
fn cut() -> Cluster {
    let mut cluster = booted();
    printed(&mut cluster, "kubectl cordon node-2");
    printed(&mut cluster, "kubectl cordon node-3");
    printed(&mut cluster, "kubectl create deployment web --image=nginx");
    printed(&mut cluster, "kubectl rollout status deployment/web");
    printed(&mut cluster, "kubectl uncordon node-2");
    printed(&mut cluster, "kubectl uncordon node-3");
    advance(&mut cluster, 10);
    cluster.inject(&Fault::CutNode("node-1".to_owned())).expect("there is a node-1");
    cluster
}

const UNREACHABLE: [&str; 2] = ["node.kubernetes.io/unreachable:NoSchedule", "node.kubernetes.io/unreachable:NoExecute"];

#[test]
fn a_cordon_is_a_taint() {
    let mut cluster = booted();
    assert_eq!(taints(&cluster, "node-1"), [""; 0]);
    printed(&mut cluster, "kubectl cordon node-1");
    advance(&mut cluster, 1);
    assert_eq!(taints(&cluster, "node-1"), ["node.kubernetes.io/unschedulable:NoSchedule"]);
    printed(&mut cluster, "kubectl uncordon node-1");
    advance(&mut cluster, 1);
    assert_eq!(taints(&cluster, "node-1"), [""; 0]);
}

#[test]
fn a_silent_node_becomes_unknown_is_tainted_and_loses_its_pods() {
    let mut cluster = cut();
    advance(&mut cluster, 38);
    assert_eq!(status_of(&node(&cluster, "node-1").status.conditions, "Ready"), "True KubeletReady");
    advance(&mut cluster, 23);
    let lost = node(&cluster, "node-1");
    for type_ in ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"] {
        assert_eq!(status_of(&lost.status.conditions, type_), "Unknown NodeStatusUnknown", "{type_}");
    }
    assert_eq!(taints(&cluster, "node-1")[0], UNREACHABLE[0]);
    assert!(status_of(&pods(&cluster)[0].status.conditions, "Ready").starts_with("False"));
    advance(&mut cluster, 6);
    assert_eq!(taints(&cluster, "node-1"), UNREACHABLE);
    let events = printed(&mut cluster, "kubectl get events");
    for message in ["Node node-1 status is now: NodeNotReady", "Node is not ready", "Registered Node node-1 in Controller"] {
        assert!(events.contains(message), "{message}: {events}");
    }
    // Pods tolerate this for five minutes.
    advance(&mut cluster, 270);
    assert_eq!(pods(&cluster).len(), 1);
    advance(&mut cluster, 45);
    let pods = pods(&cluster);
    let (old, new): (Vec<&Pod>, Vec<&Pod>) = pods.iter().partition(|pod| pod.spec.node_name == "node-1");
    assert!(old[0].metadata.is_deleting(), "it waits for its kubelet");
    assert_eq!(status_of(&old[0].status.conditions, "DisruptionTarget"), "True DeletionByTaintManager");
    assert!(status_of(&new[0].status.conditions, "Ready").starts_with("True"), "the ReplicaSet made another");
    let message = format!("Marking for deletion Pod default/{}", old[0].metadata.name);
    let events = printed(&mut cluster, "kubectl get events");
    assert!(events.contains("TaintManagerEviction") && events.contains(&message), "{events}");
}

#[test]
fn a_node_that_comes_back_in_time_keeps_its_pods() {
    let mut cluster = cut();
    advance(&mut cluster, 120);
    assert_eq!(taints(&cluster, "node-1"), UNREACHABLE);
    cluster.heal(&Fault::CutNode("node-1".to_owned())).unwrap();
    advance(&mut cluster, 30);
    assert_eq!(taints(&cluster, "node-1"), [""; 0]);
    assert_eq!(cluster.ready_nodes(), 3);
    let events = printed(&mut cluster, "kubectl get events");
    assert!(events.contains("Cancelling deletion of Pod default/web"), "{events}");
    advance(&mut cluster, 600);
    let pods = pods(&cluster);
    assert_eq!((pods.len(), pods[0].spec.node_name.as_str()), (1, "node-1"));
    assert!(status_of(&pods[0].status.conditions, "Ready").starts_with("True"), "{:?}", pods[0].status.conditions);
}

#[test]
fn nobody_is_driven_out_while_all_nodes_are_lost() {
    let mut cluster = cut();
    for name in ["node-2", "node-3"] {
        cluster.inject(&Fault::CutNode(name.to_owned())).unwrap();
    }
    advance(&mut cluster, 600);
    assert_eq!(cluster.ready_nodes(), 0);
    for name in ["node-1", "node-2", "node-3"] {
        assert_eq!(taints(&cluster, name), UNREACHABLE[..1], "{name}");
    }
    assert!(pods(&cluster).iter().all(|pod| !pod.metadata.is_deleting()));
}

#[test]
fn pods_leave_a_node_that_is_tainted_unless_they_tolerate_it() {
    let mut cluster = booted();
    let pod = |name: &str, tolerations: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec:\n  nodeName: node-1\n  terminationGracePeriodSeconds: 0\n  \
             containers: [{{name: main, image: nginx}}]\n  tolerations: [{tolerations}]\n---\n"
        )
    };
    let text = pod("gone", "")
        + &pod("later", "{key: sick, operator: Exists, effect: NoExecute, tolerationSeconds: 60}")
        + &pod("stays", "{key: sick, value: badly}");
    cluster.terminal_mut().files_mut().write("pods.yaml", &text).expect("the file is small");
    printed(&mut cluster, "kubectl apply -f pods.yaml");
    printed(&mut cluster, "kubectl wait --for=condition=Ready pod --all --timeout=60s");
    printed(&mut cluster, "kubectl taint nodes node-1 sick=badly:NoExecute");
    advance(&mut cluster, 10);
    assert_eq!(printed(&mut cluster, "kubectl get pods -o name"), "pod/later\npod/stays\n");
    advance(&mut cluster, 60);
    assert_eq!(printed(&mut cluster, "kubectl get pods -o name"), "pod/stays\n");
}

#[test]
fn pods_of_a_node_that_is_gone_go_too() {
    let mut cluster = cut();
    printed(&mut cluster, "kubectl delete node node-1");
    advance(&mut cluster, 20);
    assert_eq!(pods(&cluster)[0].spec.node_name, "node-1", "the node may show up again");
    advance(&mut cluster, 70);
    let pods = pods(&cluster);
    assert_eq!(pods.len(), 1);
    assert_ne!(pods[0].spec.node_name, "node-1");
    let events = printed(&mut cluster, "kubectl get events");
    assert!(events.contains("Removing Node node-1 from Controller"), "{events}");
}

#[test]
fn pods_on_their_way_out_are_given_up_when_their_node_is_said_to_be_off() {
    let mut cluster = cut();
    advance(&mut cluster, 60);
    printed(&mut cluster, "kubectl delete pod -l app=web --wait=false");
    advance(&mut cluster, 60);
    assert_eq!(pods(&cluster).len(), 2);
    printed(&mut cluster, "kubectl taint nodes node-1 node.kubernetes.io/out-of-service=nodeshutdown:NoExecute");
    advance(&mut cluster, 30);
    assert_eq!(pods(&cluster).len(), 1);
}

/// The names of the objects of a kind, in order.
fn names(cluster: &mut Cluster, kind: &str) -> Vec<String> {
    printed(cluster, &format!("kubectl get {kind} -o name")).lines().map(str::to_owned).collect()
}

#[test]
fn a_pod_that_loses_its_labels_is_released_and_one_that_gets_them_adopted() {
    let mut cluster = booted();
    printed(&mut cluster, "kubectl create deployment web --image=nginx --replicas=2");
    printed(&mut cluster, "kubectl rollout status deployment/web");
    let before = names(&mut cluster, "pods");
    printed(&mut cluster, &format!("kubectl label {} app=debug --overwrite", before[0]));
    advance(&mut cluster, 10);
    assert_eq!(names(&mut cluster, "pods").len(), 3, "another took its place");
    let owners = printed(&mut cluster, &format!("kubectl get {} -o jsonpath={{.metadata.ownerReferences}}", before[0]));
    assert_eq!(owners.trim(), "");
    printed(&mut cluster, &format!("kubectl label {} app=web --overwrite", before[0]));
    advance(&mut cluster, 60);
    assert_eq!(names(&mut cluster, "pods").len(), 2, "it was adopted, and one is too many");
    let owners = printed(&mut cluster, "kubectl get pods -o jsonpath={.items[*].metadata.ownerReferences[*].kind}");
    assert_eq!(owners.trim(), "ReplicaSet ReplicaSet");
}

#[test]
fn what_was_orphaned_is_adopted_by_the_next_of_its_kind() {
    let mut cluster = booted();
    printed(&mut cluster, "kubectl create deployment web --image=nginx --replicas=2");
    printed(&mut cluster, "kubectl rollout status deployment/web");
    let (sets, pods) = (names(&mut cluster, "rs"), names(&mut cluster, "pods"));
    printed(&mut cluster, "kubectl delete deployment web --cascade=orphan");
    advance(&mut cluster, 5);
    printed(&mut cluster, "kubectl create deployment web --image=nginx --replicas=2");
    printed(&mut cluster, "kubectl rollout status deployment/web");
    assert_eq!((names(&mut cluster, "rs"), names(&mut cluster, "pods")), (sets, pods));
    printed(&mut cluster, "kubectl delete deployment web");
    advance(&mut cluster, 60);
    assert_eq!(names(&mut cluster, "pods"), [""; 0], "they are its own");
}

#[test]
fn a_rollout_that_hangs_is_scaled_in_proportion() {
    let mut cluster = booted();
    printed(&mut cluster, "kubectl create deployment web --image=nginx --replicas=8");
    printed(&mut cluster, "kubectl rollout status deployment/web");
    printed(&mut cluster, "kubectl set image deployment/web nginx=nosuchimage:1");
    advance(&mut cluster, 30);
    let sizes = |cluster: &mut Cluster| {
        let mut sizes: Vec<i32> = printed(cluster, "kubectl get rs -o jsonpath={.items[*].spec.replicas}")
            .split_whitespace()
            .map(|size| size.parse().expect("sizes are numbers"))
            .collect();
        sizes.sort_unstable();
        sizes
    };
    assert_eq!(sizes(&mut cluster), [4, 6], "two may be missing, two too many");
    printed(&mut cluster, "kubectl scale deployment web --replicas=16");
    advance(&mut cluster, 30);
    assert_eq!(sizes(&mut cluster), [8, 12], "20 in proportion");
    printed(&mut cluster, "kubectl rollout undo deployment/web");
    printed(&mut cluster, "kubectl rollout status deployment/web");
    assert_eq!(sizes(&mut cluster), [0, 16]);
    let history =
        printed(&mut cluster, r"kubectl get rs -o jsonpath='{.items[*].metadata.annotations.deployment\.kubernetes\.io/revision-history}'");
    assert_eq!(history.trim(), "1");
}

#[test]
fn a_paused_deployment_scales_but_does_not_roll_out() {
    let mut cluster = booted();
    printed(&mut cluster, "kubectl create deployment web --image=nginx");
    printed(&mut cluster, "kubectl rollout status deployment/web");
    printed(&mut cluster, "kubectl rollout pause deployment/web");
    printed(&mut cluster, "kubectl set image deployment/web nginx=nginx:1.27");
    printed(&mut cluster, "kubectl scale deployment web --replicas=3");
    advance(&mut cluster, 30);
    assert_eq!((names(&mut cluster, "rs").len(), names(&mut cluster, "pods").len()), (1, 3));
    let reason = "kubectl get deployment web -o jsonpath='{.status.conditions[?(@.type==\"Progressing\")].reason}'";
    assert_eq!(printed(&mut cluster, reason).trim(), "DeploymentPaused");
    printed(&mut cluster, "kubectl rollout resume deployment/web");
    printed(&mut cluster, "kubectl rollout status deployment/web");
    assert_eq!(names(&mut cluster, "rs").len(), 2);
    assert_eq!(printed(&mut cluster, reason).trim(), "NewReplicaSetAvailable");
}

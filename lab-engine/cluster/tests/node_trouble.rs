//! Nodes in trouble: kubelets that are killed, processes that are killed, full disks, memory that runs out, shutdowns.

use api::core::{Node, Pod};
use api::meta::condition;
use cluster::{Cluster, ClusterConfig, Fault, NodeConfig};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

fn cluster(node: NodeConfig) -> Cluster {
    Cluster::booted(&ClusterConfig { nodes: vec![node], ..ClusterConfig::default() }).expect("the configuration is right")
}

fn run(cluster: &mut Cluster, line: &str) -> String {
    let result = cluster.run_line(line, 5 * MINUTE);
    assert_eq!(result.exit_code, 0, "{line}: {}{}", result.stdout, result.stderr);
    result.stdout
}

fn apply(cluster: &mut Cluster, manifest: &str) {
    run(cluster, &format!("kubectl apply -f - <<'EOF'\n{manifest}\nEOF"));
}

fn pass(cluster: &mut Cluster, seconds: u64) {
    cluster.advance(Duration::from_secs(seconds), u64::MAX);
}

fn find_pod(cluster: &Cluster, name: &str) -> Option<Pod> {
    let all = cluster.objects().filter_map(|object| object.as_kind::<Pod>());
    all.filter(|pod| pod.metadata.name == name).map(|pod| Pod::clone(pod)).next()
}

fn pod(cluster: &Cluster, name: &str) -> Pod {
    find_pod(cluster, name).expect("a Pod")
}

fn node_condition(cluster: &Cluster, type_: &str) -> String {
    let node = cluster.objects().filter_map(|object| object.as_kind::<Node>()).next().expect("a node");
    condition(&node.status.conditions, type_).map_or(String::new(), |condition| format!("{} {}", condition.status, condition.reason))
}

fn taints(cluster: &Cluster) -> Vec<String> {
    let node = cluster.objects().filter_map(|object| object.as_kind::<Node>()).next().expect("a node");
    node.spec.taints.iter().map(|taint| format!("{}:{}", taint.key, taint.effect)).collect()
}

fn fault(text: &str) -> Fault {
    text.parse().expect("a fault")
}

fn events(cluster: &mut Cluster, reason: &str) -> String {
    run(cluster, &format!("kubectl get events -A --field-selector reason={reason} -o jsonpath='{{range .items[*]}}{{.message}}|{{end}}'"))
}

#[test]
fn containers_outlive_their_kubelet_and_are_taken_over() {
    let mut cluster = cluster(NodeConfig::default());
    run(&mut cluster, "kubectl run web --image=nginx:1.27");
    run(&mut cluster, "kubectl run job --image=busybox --restart=OnFailure -- sh -c 'sleep 100; exit 3'");
    run(&mut cluster, "kubectl run gone --image=nginx:1.27");
    run(&mut cluster, "kubectl wait --for=condition=Ready pod --all");
    let before = pod(&cluster, "web").status.container_statuses[0].clone();
    let crash = fault("crash kubelet/node-1");
    cluster.inject(&crash).unwrap();
    pass(&mut cluster, 70);
    assert_eq!(node_condition(&cluster, "Ready"), "Unknown NodeStatusUnknown");
    let log = cluster.run_line("kubectl logs web", MINUTE);
    assert_eq!(
        log.stderr,
        "Error from server: Get \"https://172.18.0.2:10250/containerLogs/default/web/web\": dial tcp 172.18.0.2:10250: connect: connection \
         refused\n"
    );
    cluster.run_line("kubectl delete pod gone --wait=false", MINUTE);
    pass(&mut cluster, 60);
    assert!(find_pod(&cluster, "gone").is_some(), "nobody ends it");
    cluster.heal(&crash).unwrap();
    pass(&mut cluster, 10);
    assert_eq!(node_condition(&cluster, "Ready"), "True KubeletReady");
    let after = pod(&cluster, "web").status.container_statuses[0].clone();
    assert_eq!((&after.container_id, &after.state, after.restart_count), (&before.container_id, &before.state, 0), "nothing starts twice");
    let job = pod(&cluster, "job").status.container_statuses[0].clone();
    assert_eq!(job.restart_count, 1, "what ended meanwhile is started again");
    assert_eq!(job.last_state.terminated.map(|ended| ended.exit_code), Some(3));
    pass(&mut cluster, 5);
    assert!(find_pod(&cluster, "gone").is_none(), "what was deleted meanwhile is ended");
}

#[test]
fn a_kubelet_that_starts_again_ends_containers_of_pods_that_are_gone() {
    let mut cluster = cluster(NodeConfig::default());
    run(&mut cluster, "kubectl run web --image=nginx:1.27");
    run(&mut cluster, "kubectl wait --for=condition=Ready pod/web");
    let crash = fault("crash kubelet/node-1");
    cluster.inject(&crash).unwrap();
    run(&mut cluster, "kubectl delete pod web --force --grace-period=0");
    pass(&mut cluster, 1);
    assert!(find_pod(&cluster, "web").is_none());
    run(&mut cluster, "kubectl run web --image=nginx:1.27");
    cluster.heal(&crash).unwrap();
    pass(&mut cluster, 10);
    let killed =
        |cluster: &Cluster| cluster.trace().iter().filter(|event| matches!(&event.what, sim::What::ContainerKilling { .. })).count();
    assert_eq!(killed(&cluster), 1, "the old one");
    assert_eq!(pod(&cluster, "web").status.phase, "Running");
}

#[test]
fn a_killed_process_is_started_again_and_a_registry_that_is_silent_is_waited_for() {
    let mut cluster = cluster(NodeConfig::default());
    run(&mut cluster, "kubectl run web --image=nginx:1.27");
    run(&mut cluster, "kubectl wait --for=condition=Ready pod/web");
    assert_eq!(run(&mut cluster, "fault kill web"), "killed the first container of web\n");
    pass(&mut cluster, 3);
    let status = pod(&cluster, "web").status.container_statuses[0].clone();
    let ended = status.last_state.terminated.clone().expect("an end");
    assert_eq!((status.restart_count, ended.exit_code, ended.reason.as_str()), (1, 137, "Error"));
    assert!(cluster.faults().is_empty(), "it was over at once");
    let error = cluster.run_line("fault kill nobody", MINUTE);
    assert_eq!((error.exit_code, error.stderr.as_str()), (1, "error: there is no Pod default/nobody\n"));
    run(&mut cluster, "fault fail-pulls node-1");
    run(&mut cluster, "kubectl run late --image=redis:7.4");
    pass(&mut cluster, 35);
    let waiting = pod(&cluster, "late").status.container_statuses[0].state.waiting.clone().expect("a reason");
    assert!(waiting.message.contains("dial tcp: lookup registry-1.docker.io: i/o timeout"), "{}: {}", waiting.reason, waiting.message);
    assert_eq!(run(&mut cluster, "heal fail-pulls node-1"), "registries answer node-1 again\n");
    run(&mut cluster, "kubectl wait --for=condition=Ready pod/late --timeout=120s");
    assert!(run(&mut cluster, "fault").contains("fill-disk NODE PERCENT [imagefs]"));
}

const HOG: &str = "apiVersion: v1
kind: Pod
metadata: {name: hog}
spec:
  containers:
  - name: hog
    image: polinux/stress
    command: [stress, --vm, '1', --vm-bytes, 1250M]
";

#[test]
fn memory_pressure_evicts_who_exceeds_its_request_and_lasts_five_minutes() {
    let mut cluster = cluster(NodeConfig { memory: "2Gi".to_owned(), ..NodeConfig::default() });
    run(&mut cluster, "kubectl run quiet --image=nginx:1.27");
    apply(
        &mut cluster,
        "apiVersion: v1\nkind: Pod\nmetadata: {name: promised}\nspec:\n  containers:\n  - {name: c, image: demo-app, env: [{name: MEMORY, value: 150M}], resources: {requests: {memory: 200Mi}}}\n",
    );
    run(&mut cluster, "kubectl wait --for=condition=Ready pod --all");
    pass(&mut cluster, 20);
    assert_eq!(node_condition(&cluster, "MemoryPressure"), "False KubeletHasSufficientMemory");
    apply(&mut cluster, HOG);
    pass(&mut cluster, 30);
    let hog = pod(&cluster, "hog");
    assert_eq!((hog.status.phase.as_str(), hog.status.reason.as_str()), ("Failed", "Evicted"), "{}", hog.status.message);
    let message = &hog.status.message;
    assert!(message.starts_with("The node was low on resource: memory. Threshold quantity: 100Mi, available: "), "{message}");
    assert!(message.ends_with("Container hog was using 1251Mi, request is 0, has larger consumption of memory. "), "{message}");
    let disruption = condition(&hog.status.conditions, "DisruptionTarget").expect("a condition");
    assert_eq!(disruption.reason, "TerminationByKubelet");
    assert_eq!(node_condition(&cluster, "MemoryPressure"), "True KubeletHasInsufficientMemory");
    assert_eq!(taints(&cluster), ["node.kubernetes.io/memory-pressure:NoSchedule"]);
    assert_eq!(events(&mut cluster, "EvictionThresholdMet"), "Attempting to reclaim memory|");
    assert_eq!((pod(&cluster, "quiet").status.phase, pod(&cluster, "promised").status.phase), ("Running".into(), "Running".into()));
    pass(&mut cluster, 310);
    assert_eq!(node_condition(&cluster, "MemoryPressure"), "False KubeletHasSufficientMemory");
    assert_eq!(taints(&cluster), [""; 0]);
}

#[test]
fn a_full_disk_costs_unused_images_first_and_then_pods_but_not_critical_ones() {
    let mut cluster = cluster(NodeConfig::default());
    run(&mut cluster, "kubectl run once --image=redis:7.4 --restart=Never -- true");
    run(&mut cluster, "kubectl run web --image=nginx:1.27");
    apply(
        &mut cluster,
        "apiVersion: v1\nkind: Pod\nmetadata: {name: vital, namespace: kube-system}\nspec: {priorityClassName: system-node-critical, containers: [{name: c, image: 'nginx:1.27'}]}\n",
    );
    run(&mut cluster, "kubectl wait --for=condition=Ready pod/web");
    run(&mut cluster, "kubectl delete pod once");
    run(&mut cluster, "fault fill-disk node-1 95");
    pass(&mut cluster, 25);
    assert_eq!(node_condition(&cluster, "DiskPressure"), "True KubeletHasDiskPressure");
    assert_eq!(taints(&cluster), ["node.kubernetes.io/disk-pressure:NoSchedule"]);
    let web = pod(&cluster, "web");
    assert_eq!((web.status.phase.as_str(), web.status.reason.as_str()), ("Failed", "Evicted"));
    assert!(
        web.status.message.starts_with("The node was low on resource: ephemeral-storage. Threshold quantity: 10737418400, available: "),
        "{}",
        web.status.message
    );
    assert_eq!(pod(&cluster, "vital").status.phase, "Running");
    let node = cluster.objects().filter_map(|object| object.as_kind::<Node>()).next().unwrap();
    assert!(node.status.images.iter().all(|image| !image.names[1].contains("redis")), "{:?}", node.status.images);
    run(&mut cluster, "kubectl run tolerant --image=nginx:1.27 --overrides='{\"spec\":{\"nodeName\":\"node-1\"}}'");
    pass(&mut cluster, 2);
    let refused = pod(&cluster, "tolerant").status;
    assert_eq!(
        (refused.reason.as_str(), refused.message.as_str()),
        ("Evicted", "Pod was rejected: The node had condition: [DiskPressure]. ")
    );
    run(&mut cluster, "heal fill-disk node-1 95");
    pass(&mut cluster, 320);
    assert_eq!(node_condition(&cluster, "DiskPressure"), "False KubeletHasNoDiskPressure");
}

#[test]
fn pods_that_write_more_than_they_may_are_evicted() {
    let mut cluster = cluster(NodeConfig::default());
    apply(
        &mut cluster,
        "apiVersion: v1\nkind: Pod\nmetadata: {name: cache}\nspec:\n  volumes: [{name: data, emptyDir: {sizeLimit: 100Mi}}]\n  containers:\n  - {name: c, image: busybox, command: [sleep, '1000'], volumeMounts: [{name: data, mountPath: /data}]}\n",
    );
    apply(
        &mut cluster,
        "apiVersion: v1\nkind: Pod\nmetadata: {name: own}\nspec:\n  containers:\n  - {name: c, image: busybox, command: [sleep, '1000'], resources: {limits: {ephemeral-storage: 1Gi}}}\n",
    );
    run(&mut cluster, "kubectl wait --for=condition=Ready pod --all");
    run(&mut cluster, "kubectl exec cache -- dd if=/dev/zero of=/data/big bs=1M count=90");
    run(&mut cluster, "kubectl exec own -- fallocate -l 900M /tmp/big");
    pass(&mut cluster, 20);
    assert_eq!((pod(&cluster, "cache").status.phase, pod(&cluster, "own").status.phase), ("Running".into(), "Running".into()));
    run(&mut cluster, "kubectl exec cache -- fallocate -l 20M /data/more");
    run(&mut cluster, "kubectl exec own -- fallocate -l 200M /more");
    pass(&mut cluster, 15);
    assert_eq!(pod(&cluster, "cache").status.message, "Usage of EmptyDir volume \"data\" exceeds the limit \"100Mi\". ");
    assert_eq!(pod(&cluster, "own").status.message, "Pod ephemeral local storage usage exceeds the total limit of containers 1Gi. ");
    assert_eq!(node_condition(&cluster, "DiskPressure"), "False KubeletHasNoDiskPressure");
}

#[test]
fn a_node_is_shut_down_in_the_order_of_priorities_and_comes_back() {
    let mut cluster = cluster(NodeConfig::default());
    let stubborn = |name: &str, more: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec: {{{more} terminationGracePeriodSeconds: 60, containers: [{{name: c, image: demo-app, args: [--ignore-sigterm]}}]}}\n"
        )
    };
    apply(&mut cluster, &stubborn("plain", ""));
    apply(&mut cluster, &stubborn("vital", "priorityClassName: system-node-critical,"));
    run(&mut cluster, "kubectl wait --for=condition=Ready pod --all");
    run(&mut cluster, "fault shut-down node-1");
    pass(&mut cluster, 2);
    assert_eq!(node_condition(&cluster, "Ready"), "False KubeletNotReady");
    assert_eq!(pod(&cluster, "plain").status.phase, "Failed");
    assert_eq!(pod(&cluster, "vital").status.phase, "Running", "its turn comes later");
    pass(&mut cluster, 20);
    let vital = pod(&cluster, "vital").status;
    assert_eq!((vital.phase.as_str(), vital.reason.as_str()), ("Failed", "Terminated"));
    assert_eq!(vital.message, "Pod was terminated in response to imminent node shutdown.");
    pass(&mut cluster, 100);
    assert_eq!(node_condition(&cluster, "Ready"), "Unknown NodeStatusUnknown");
    run(&mut cluster, "heal shut-down node-1");
    pass(&mut cluster, 10);
    assert_eq!(node_condition(&cluster, "Ready"), "True KubeletReady");
    run(&mut cluster, "kubectl run again --image=nginx:1.27");
    run(&mut cluster, "kubectl wait --for=condition=Ready pod/again");
}

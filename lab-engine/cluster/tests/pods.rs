//! What happens inside Pods, on a whole cluster: debugging, resizing, data that moves, files that change.

use api::core::Pod;
use cluster::{Cluster, ClusterConfig};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

fn booted() -> Cluster {
    Cluster::booted(&ClusterConfig::default()).expect("the default configuration is right")
}

/// What a command prints that must succeed.
fn printed(cluster: &mut Cluster, line: &str) -> String {
    let result = cluster.run_line(line, 5 * MINUTE);
    assert_eq!(result.exit_code, 0, "{line}: {}", result.stderr);
    result.stdout
}

/// What a command complains about that must fail.
fn refused(cluster: &mut Cluster, line: &str) -> String {
    let result = cluster.run_line(line, 5 * MINUTE);
    assert_ne!(result.exit_code, 0, "{line}: {}", result.stdout);
    result.stderr
}

fn apply(cluster: &mut Cluster, manifest: &str) {
    let result = cluster.run_line(&format!("kubectl apply -f - <<'EOF'\n{manifest}\nEOF"), MINUTE);
    assert_eq!(result.exit_code, 0, "{}", result.stderr);
}

fn pod(cluster: &Cluster, name: &str) -> Pod {
    let all = cluster.objects().filter_map(|object| object.as_kind::<Pod>());
    all.filter(|pod| pod.metadata.name == name).map(|pod| Pod::clone(pod)).next().expect("a Pod")
}

#[test]
fn an_ephemeral_container_sees_the_processes_of_its_target() {
    let mut cluster = booted();
    printed(&mut cluster, "kubectl run web --image=nginx:1.27");
    printed(&mut cluster, "kubectl wait --for=condition=Ready pod/web");
    let seen = printed(&mut cluster, "kubectl debug web --image=busybox:1.36 --target=web -c look -i -- ps");
    assert!(seen.contains("    1 root      0:00 ") && seen.contains("nginx"), "{seen}");
    let described =
        printed(&mut cluster, "kubectl get pod web -o jsonpath={.status.ephemeralContainerStatuses[0].state.terminated.reason}");
    assert_eq!(described, "Completed");
    let again = refused(&mut cluster, "kubectl debug web --image=busybox:1.36 -c web -- true");
    assert!(again.contains("spec.ephemeralContainers[1].name: Duplicate value: \"web\""), "{again}");
    let target = refused(&mut cluster, "kubectl debug web --image=busybox:1.36 --target=none -- true");
    assert!(target.contains("targetContainerName: Not found: \"none\""), "{target}");
}

#[test]
fn a_resize_changes_what_is_in_force_but_not_the_class() {
    let mut cluster = booted();
    apply(
        &mut cluster,
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - name: c\n    image: nginx:1.27\n    resources: {requests: {cpu: 100m}, limits: {cpu: 200m}}",
    );
    printed(&mut cluster, "kubectl wait --for=condition=Ready pod/p");
    let patch = |cpu: &str, limit: &str| {
        format!(
            "kubectl patch pod p --subresource resize -p '{{\"spec\":{{\"containers\":[{{\"name\":\"c\",\"resources\":{{\"requests\":{{\"cpu\":\"{cpu}\"}},\"limits\":{{\"cpu\":\"{limit}\"}}}}}}]}}}}'"
        )
    };
    printed(&mut cluster, &patch("150m", "300m"));
    cluster.advance(Duration::from_secs(3), u64::MAX);
    let resized = pod(&cluster, "p");
    let status = &resized.status.container_statuses[0];
    assert_eq!((status.resources.as_ref().unwrap().requests["cpu"].to_string(), status.restart_count), ("150m".to_owned(), 0));
    printed(&mut cluster, &patch("100", "100"));
    cluster.advance(Duration::from_secs(3), u64::MAX);
    let waits = pod(&cluster, "p");
    assert_eq!(api::meta::condition(&waits.status.conditions, "PodResizePending").map(|one| one.reason.as_str()), Some("Infeasible"));
    let plain = refused(
        &mut cluster,
        "kubectl patch pod p -p '{\"spec\":{\"containers\":[{\"name\":\"c\",\"resources\":{\"requests\":{\"cpu\":\"1m\"}}}]}}'",
    );
    assert!(plain.contains("pod updates may not change fields other than"), "{plain}");
}

#[test]
fn the_data_of_a_claim_follows_its_pod_to_another_node() {
    let mut cluster = booted();
    let nodes: Vec<String> =
        printed(&mut cluster, "kubectl get nodes -o name").lines().map(|line| line.trim_start_matches("node/").to_owned()).collect();
    apply(&mut cluster, "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: disk}\nprovisioner: ebs.csi.aws.com");
    apply(
        &mut cluster,
        "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data}\nspec: {accessModes: [ReadWriteOnce], storageClassName: disk, resources: {requests: {storage: 1Gi}}}",
    );
    let on = |name: &str, node: &str, script: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec:\n  nodeSelector: {{kubernetes.io/hostname: {node}}}\n  restartPolicy: Never\n  tolerations: [{{operator: Exists}}]\n  containers:\n  - name: c\n    image: busybox:1.36\n    command: [sh, -c, \"{script}\"]\n    volumeMounts: [{{name: d, mountPath: /data}}]\n  volumes: [{{name: d, persistentVolumeClaim: {{claimName: data}}}}]"
        )
    };
    apply(&mut cluster, &on("writer", &nodes[0], "echo kept > /data/f"));
    printed(&mut cluster, "kubectl wait --for=jsonpath={.status.phase}=Succeeded pod/writer");
    printed(&mut cluster, "kubectl delete pod writer");
    apply(&mut cluster, &on("reader", nodes.last().unwrap(), "cat /data/f"));
    printed(&mut cluster, "kubectl wait --for=jsonpath={.status.phase}=Succeeded pod/reader");
    assert_eq!(printed(&mut cluster, "kubectl logs reader"), "kept\n");
}

#[test]
fn a_changed_config_map_reaches_mounted_files() {
    let mut cluster = booted();
    printed(&mut cluster, "kubectl create configmap settings --from-literal=color=red");
    apply(
        &mut cluster,
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - name: c\n    image: busybox:1.36\n    command: [sleep, '3600']\n    volumeMounts: [{name: v, mountPath: /etc/v}]\n  volumes: [{name: v, configMap: {name: settings}}]",
    );
    printed(&mut cluster, "kubectl wait --for=condition=Ready pod/p");
    printed(&mut cluster, "kubectl patch configmap settings --type=merge -p '{\"data\":{\"color\":\"blue\"}}'");
    assert_eq!(printed(&mut cluster, "kubectl exec p -- cat /etc/v/color"), "red");
    cluster.advance(Duration::from_secs(100), u64::MAX);
    assert_eq!(printed(&mut cluster, "kubectl exec p -- cat /etc/v/color"), "blue");
}

#[test]
fn a_container_learns_of_the_services_that_are_there_when_it_starts() {
    let mut cluster = Cluster::booted(&ClusterConfig::with_nodes(1)).expect("the configuration is right");
    let run = |cluster: &mut Cluster, line: &str| {
        let result = cluster.run_line(line, Duration::from_secs(300));
        assert_eq!(result.exit_code, 0, "{line}: {}{}", result.stdout, result.stderr);
        result.stdout
    };
    run(&mut cluster, "kubectl create service clusterip redis-primary --tcp=6379 --clusterip=10.96.0.11");
    for (name, links) in [("one", "true"), ("two", "false")] {
        let overrides = format!("{{\"spec\": {{\"enableServiceLinks\": {links}}}}}");
        run(&mut cluster, &format!("kubectl run {name} --image=busybox --overrides='{overrides}' -- sleep 100000"));
        run(&mut cluster, &format!("kubectl wait --for=condition=Ready pod/{name}"));
    }
    run(&mut cluster, "kubectl create service clusterip late --tcp=80");
    let told = run(&mut cluster, "kubectl exec one -- sh -c 'env | grep -E \"REDIS|LATE|KUBERNETES_SERVICE_HOST\"'");
    let lines = [
        "KUBERNETES_SERVICE_HOST=10.96.0.1",
        "REDIS_PRIMARY_PORT=tcp://10.96.0.11:6379",
        "REDIS_PRIMARY_PORT_6379_TCP=tcp://10.96.0.11:6379",
        "REDIS_PRIMARY_PORT_6379_TCP_ADDR=10.96.0.11",
        "REDIS_PRIMARY_PORT_6379_TCP_PORT=6379",
        "REDIS_PRIMARY_PORT_6379_TCP_PROTO=tcp",
        "REDIS_PRIMARY_SERVICE_HOST=10.96.0.11",
        "REDIS_PRIMARY_SERVICE_PORT=6379",
        "REDIS_PRIMARY_SERVICE_PORT_6379=6379",
    ];
    assert_eq!(told.lines().collect::<std::collections::BTreeSet<_>>(), lines.into());
    assert_eq!(run(&mut cluster, "kubectl exec two -- sh -c 'env | grep -c -E \"REDIS|KUBERNETES_SERVICE_HOST\"'"), "1\n");
}

#[test]
fn files_in_memory_count_as_memory_of_the_container() {
    let mut cluster = Cluster::booted(&ClusterConfig::with_nodes(1)).expect("the configuration is right");
    let pod = "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: c, image: busybox, command: [sleep, '100000'], \
               resources: {limits: {memory: 64Mi}}, volumeMounts: [{name: m, mountPath: /m}, {name: s, mountPath: /s}]}], \
               volumes: [{name: m, emptyDir: {medium: Memory}}, {name: s, emptyDir: {medium: Memory, sizeLimit: 8Mi}}]}}\n";
    cluster.terminal_mut().files_mut().write("p.yaml", pod).expect("the file is small");
    let mut line = |line: &str| cluster.run_line(line, Duration::from_secs(300));
    assert!(!line("kubectl apply -f p.yaml").stderr.contains("not simulated"));
    assert_eq!(line("kubectl wait --for=condition=Ready pod/p").exit_code, 0);
    let full = line("kubectl exec p -- dd if=/dev/zero of=/s/f bs=1M count=9");
    assert!(full.stderr.contains("dd: error writing '/s/f': No space left on device"), "{}", full.stderr);
    assert_eq!(line("kubectl exec p -- sh -c 'rm /s/f; dd if=/dev/zero of=/m/f bs=1M count=32; rm /m/f'").exit_code, 0);
    assert_eq!(line("kubectl exec p -- dd if=/dev/zero of=/m/f bs=1M count=60").exit_code, 0, "60 of 64 MiB");
    line("kubectl exec p -- dd if=/dev/zero of=/s/f bs=1M count=8");
    assert_eq!(line("kubectl wait --for=jsonpath='{.status.containerStatuses[0].restartCount}'=1 pod/p").exit_code, 0);
    let last = line("kubectl get pod p -o jsonpath='{.status.containerStatuses[0].lastState.terminated.reason}'").stdout;
    assert_eq!(last, "OOMKilled");
    assert_eq!(line("kubectl exec p -- sh -c 'ls /m'").stdout, "f\n", "the volume outlives the container");
}

#[test]
fn a_node_takes_no_pod_for_which_it_has_no_room() {
    let mut cluster = booted();
    let on_node = |name: &str, cpu: &str| {
        let resources = format!("resources: {{requests: {{cpu: {cpu}}}}}");
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec:\n  nodeName: node-1\n  containers: [{{name: app, image: nginx, {resources}}}]"
        )
    };
    apply(&mut cluster, &on_node("first", "3"));
    printed(&mut cluster, "kubectl wait --for=condition=Ready pod/first");
    apply(&mut cluster, &on_node("second", "1500m"));
    apply(&mut cluster, &on_node("third", "1"));
    printed(&mut cluster, "kubectl wait --for=condition=Ready pod/third");
    let second = pod(&cluster, "second");
    let message = "Pod was rejected: Node didn't have enough resource: cpu, requested: 1500, used: 3000, capacity: 4000";
    assert_eq!(
        (second.status.phase.as_str(), second.status.reason.as_str(), second.status.message.as_str()),
        ("Failed", "OutOfcpu", message)
    );
    let shown = printed(&mut cluster, "kubectl get pod second --no-headers");
    assert!(shown.contains("OutOfcpu"), "{shown}");
}

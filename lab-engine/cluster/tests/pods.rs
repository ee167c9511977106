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

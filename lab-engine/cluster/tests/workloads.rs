//! The workload controllers on a whole cluster: their normal life, failures, and a controller manager that was away.

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

fn apply(cluster: &mut Cluster, manifest: &str) -> String {
    cluster.terminal_mut().files_mut().write("manifest.yaml", manifest).expect("the file is small");
    printed(cluster, "kubectl apply -f manifest.yaml")
}

fn advance(cluster: &mut Cluster, seconds: u64) {
    cluster.advance(Duration::from_secs(seconds), u64::MAX);
}

const WEB: &str = "
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: web}
spec:
  serviceName: nginx
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: nginx, image: 'nginx:1.27', volumeMounts: [{name: www, mountPath: /data}]}]
  volumeClaimTemplates:
  - metadata: {name: www}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
";

#[test]
fn scratch() {
    let mut cluster = booted();
    println!("{}", apply(&mut cluster, WEB));
    advance(&mut cluster, 60);
    for line in ["kubectl get sts,pods,pvc,controllerrevisions -o wide", "kubectl get events", "kubectl get sts web -o yaml", "kubectl get pod web-1 -o yaml"] {
        println!("{}", printed(&mut cluster, line));
    }
    printed(&mut cluster, "kubectl set image sts/web nginx=nginx:1.28");
    advance(&mut cluster, 60);
    printed(&mut cluster, "kubectl scale sts web --replicas=1");
    advance(&mut cluster, 60);
    for line in ["kubectl get sts,pods,pvc,controllerrevisions -o wide", "kubectl get events"] {
        println!("{}", printed(&mut cluster, line));
    }
}

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
    let job = "
apiVersion: batch/v1
kind: Job
metadata: {name: pi}
spec:
  completions: 3
  parallelism: 2
  template:
    spec:
      restartPolicy: Never
      containers: [{name: c, image: busybox, command: [sh, -c, 'sleep 5']}]
---
apiVersion: batch/v1
kind: Job
metadata: {name: bad}
spec:
  backoffLimit: 2
  ttlSecondsAfterFinished: 200
  template:
    spec:
      restartPolicy: Never
      containers: [{name: c, image: busybox, command: [sh, -c, 'exit 3']}]
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: tick}
spec:
  schedule: '*/1 * * * *'
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: OnFailure
          containers: [{name: c, image: busybox, command: [date]}]
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: log}
spec:
  selector: {matchLabels: {app: log}}
  template:
    metadata: {labels: {app: log}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: c, image: 'nginx:1.27'}]
";
    println!("{}", apply(&mut cluster, job));
    for wait in [3, 15, 60, 240] {
        advance(&mut cluster, wait);
        println!("{}", printed(&mut cluster, "kubectl get jobs,cronjobs,ds,pods"));
    }
    printed(&mut cluster, "kubectl set image ds/log c=nginx:1.28");
    advance(&mut cluster, 30);
    println!("{}", printed(&mut cluster, "kubectl get job pi -o yaml"));
    println!("{}", printed(&mut cluster, "kubectl get ds,pods,controllerrevisions -o wide"));
    println!("{}", printed(&mut cluster, "kubectl get events"));
}

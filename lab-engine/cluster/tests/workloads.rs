//! The workload controllers on a whole cluster: their normal life, failures, and a controller manager that was away.

use cluster::{Cluster, ClusterConfig, Fault};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

/// What makes the volumes of claims, as in a cluster that `kind` makes.
const STANDARD: &str = "
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: standard, annotations: {storageclass.kubernetes.io/is-default-class: 'true'}}
provisioner: rancher.io/local-path
volumeBindingMode: WaitForFirstConsumer
";

fn booted() -> Cluster {
    let mut cluster = Cluster::booted(&ClusterConfig::default()).expect("the default configuration is right");
    apply(&mut cluster, STANDARD);
    cluster
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

/// The words of a command's output.
fn words(cluster: &mut Cluster, line: &str) -> Vec<String> {
    printed(cluster, line).split_whitespace().map(str::to_owned).collect()
}

/// A part of an object.
fn field(cluster: &mut Cluster, object: &str, path: &str) -> String {
    printed(cluster, &format!("kubectl get {object} -o jsonpath='{{{path}}}'")).trim().to_owned()
}

const POD_NAMES: &str = "kubectl get pods -o jsonpath={.items[*].metadata.name}";
const POD_IMAGES: &str = "kubectl get pods -o jsonpath={.items[*].spec.containers[0].image}";
const CLAIM_NAMES: &str = "kubectl get pvc -o jsonpath={.items[*].metadata.name}";

#[test]
fn a_stateful_set_comes_in_order_updates_backwards_and_keeps_its_claims() {
    let mut cluster = booted();
    apply(&mut cluster, WEB);
    let said = printed(&mut cluster, "kubectl rollout status sts/web");
    assert!(said.contains("Waiting for 3 pods to be ready...\n"), "{said}");
    assert!(said.ends_with("partitioned roll out complete: 3 new pods have been updated...\n"), "{said}");
    assert_eq!(words(&mut cluster, POD_NAMES), ["web-0", "web-1", "web-2"]);
    assert_eq!(field(&mut cluster, "pod web-1", ".spec.volumes[0].persistentVolumeClaim.claimName"), "www-web-1");
    assert_eq!(field(&mut cluster, "pod web-1", ".spec.volumes[0].emptyDir"), "");
    assert_eq!(words(&mut cluster, CLAIM_NAMES), ["www-web-0", "www-web-1", "www-web-2"]);
    let events = printed(&mut cluster, "kubectl get events");
    assert!(events.contains("create Claim www-web-2 Pod web-2 in StatefulSet web success"), "{events}");
    assert!(events.contains("create Pod web-2 in StatefulSet web successful"), "{events}");

    let partition = r#"kubectl patch sts web -p '{"spec":{"updateStrategy":{"rollingUpdate":{"partition":2}}}}'"#;
    printed(&mut cluster, partition);
    printed(&mut cluster, "kubectl set image sts/web nginx=nginx:1.28");
    printed(&mut cluster, "kubectl rollout status sts/web");
    assert_eq!(words(&mut cluster, POD_IMAGES), ["nginx:1.27", "nginx:1.27", "nginx:1.28"]);
    printed(&mut cluster, "kubectl delete pod web-0");
    advance(&mut cluster, 20);
    assert_eq!(words(&mut cluster, POD_IMAGES)[0], "nginx:1.27", "below the partition a Pod comes back as it was");
    printed(&mut cluster, &partition.replace(":2}", ":0}"));
    advance(&mut cluster, 30);
    assert_eq!(words(&mut cluster, POD_IMAGES), ["nginx:1.28"; 3]);
    assert_eq!(field(&mut cluster, "sts web", ".status.currentRevision"), field(&mut cluster, "sts web", ".status.updateRevision"));

    let history = printed(&mut cluster, "kubectl rollout history sts/web");
    assert_eq!(history, "statefulset.apps/web \nREVISION  CHANGE-CAUSE\n1         <none>\n2         <none>\n\n");
    assert_eq!(printed(&mut cluster, "kubectl rollout undo sts/web"), "statefulset.apps/web rolled back\n");
    advance(&mut cluster, 30);
    assert_eq!(words(&mut cluster, POD_IMAGES), ["nginx:1.27"; 3]);

    printed(&mut cluster, "kubectl scale sts web --replicas=1");
    advance(&mut cluster, 20);
    assert_eq!(words(&mut cluster, POD_NAMES), ["web-0"]);
    assert_eq!(words(&mut cluster, CLAIM_NAMES).len(), 3, "claims stay");
}

#[test]
fn a_stateful_set_waits_for_a_pod_that_is_broken() {
    let mut cluster = booted();
    apply(&mut cluster, &WEB.replace("nginx:1.27", "nosuchimage:1"));
    advance(&mut cluster, 60);
    assert_eq!(words(&mut cluster, POD_NAMES), ["web-0"]);
    assert_eq!(field(&mut cluster, "sts web", ".status.replicas"), "1");
    // As upstream: the broken Pod must be deleted by hand.
    printed(&mut cluster, "kubectl set image sts/web nginx=nginx:1.27");
    advance(&mut cluster, 60);
    assert_eq!(words(&mut cluster, POD_IMAGES), ["nosuchimage:1"]);
    printed(&mut cluster, "kubectl delete pod web-0");
    printed(&mut cluster, "kubectl rollout status sts/web");
    assert_eq!(words(&mut cluster, POD_IMAGES), ["nginx:1.27"; 3]);
}

#[test]
fn claims_go_with_their_pods_where_the_set_says_so() {
    let mut cluster = booted();
    let policy = "  podManagementPolicy: Parallel\n  persistentVolumeClaimRetentionPolicy: {whenScaled: Delete, whenDeleted: Delete}\n  volumeClaimTemplates:";
    apply(&mut cluster, &WEB.replace("  volumeClaimTemplates:", policy));
    advance(&mut cluster, 30);
    printed(&mut cluster, "kubectl scale sts web --replicas=1");
    advance(&mut cluster, 30);
    assert_eq!(words(&mut cluster, CLAIM_NAMES), ["www-web-0"]);
    printed(&mut cluster, "kubectl delete sts web");
    advance(&mut cluster, 30);
    assert_eq!(words(&mut cluster, CLAIM_NAMES), [""; 0]);
}

const LOG: &str = "
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: log}
spec:
  selector: {matchLabels: {app: log}}
  template:
    metadata: {labels: {app: log}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: log, image: 'nginx:1.27'}]
";

#[test]
fn a_daemon_set_runs_where_it_may_and_rolls_from_node_to_node() {
    let mut cluster = booted();
    printed(&mut cluster, "kubectl cordon node-1");
    printed(&mut cluster, "kubectl taint nodes node-3 gpu=yes:NoSchedule");
    apply(&mut cluster, LOG);
    printed(&mut cluster, "kubectl rollout status ds/log");
    let mut nodes = words(&mut cluster, "kubectl get pods -o jsonpath={.items[*].spec.nodeName}");
    nodes.sort();
    assert_eq!(nodes, ["node-1", "node-2"], "a cordon does not keep it away, a taint does");
    printed(&mut cluster, "kubectl taint nodes node-3 gpu-");
    advance(&mut cluster, 10);
    assert_eq!(field(&mut cluster, "ds log", ".status.numberReady"), "3");
    printed(&mut cluster, "kubectl set image ds/log log=nginx:1.28");
    let said = printed(&mut cluster, "kubectl rollout status ds/log");
    assert!(said.contains("Waiting for daemon set \"log\" rollout to finish: 1 out of 3 new pods have been updated...\n"), "{said}");
    assert!(said.ends_with("daemon set \"log\" successfully rolled out\n"), "{said}");
    assert_eq!(words(&mut cluster, POD_IMAGES), ["nginx:1.28"; 3]);
    printed(&mut cluster, "kubectl rollout undo ds/log");
    printed(&mut cluster, "kubectl rollout status ds/log");
    assert_eq!(words(&mut cluster, POD_IMAGES), ["nginx:1.27"; 3]);
    printed(&mut cluster, "kubectl label nodes node-2 disk=ssd");
    let selector = r#"kubectl patch ds log -p '{"spec":{"template":{"spec":{"nodeSelector":{"disk":"ssd"}}}}}'"#;
    printed(&mut cluster, selector);
    advance(&mut cluster, 30);
    assert_eq!(words(&mut cluster, "kubectl get pods -o jsonpath={.items[*].spec.nodeName}"), ["node-2"]);
}

fn job(name: &str, spec: &str, script: &str) -> String {
    format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata: {{name: {name}}}\nspec:\n{spec}  template:\n    spec:\n      restartPolicy: Never\n      \
         containers: [{{name: c, image: busybox, command: [sh, -c, '{script}']}}]\n"
    )
}

#[test]
fn a_job_completes_and_its_pods_lose_their_finalizer() {
    let mut cluster = booted();
    apply(&mut cluster, &job("pi", "  completions: 3\n  parallelism: 2\n", "sleep 5"));
    printed(&mut cluster, "kubectl wait --for=condition=Complete job/pi --timeout=60s");
    assert_eq!(field(&mut cluster, "job pi", ".status.succeeded"), "3");
    assert_eq!(field(&mut cluster, "job pi", ".status.conditions[*].type"), "SuccessCriteriaMet Complete");
    assert_eq!(words(&mut cluster, "kubectl get pods -o jsonpath={.items[*].metadata.finalizers}"), [""; 0]);
    let described = printed(&mut cluster, "kubectl describe job pi");
    assert!(described.contains("Pods Statuses:    0 Active (0 Ready) / 3 Succeeded / 0 Failed"), "{described}");
    assert!(described.contains("Job completed"), "{described}");
    printed(&mut cluster, "kubectl delete job pi");
    advance(&mut cluster, 60);
    assert_eq!(words(&mut cluster, POD_NAMES), [""; 0]);
}

#[test]
fn a_job_that_fails_waits_longer_each_time_and_gives_up() {
    let mut cluster = booted();
    apply(&mut cluster, &job("bad", "  backoffLimit: 2\n  ttlSecondsAfterFinished: 100\n", "exit 3"));
    advance(&mut cluster, 60);
    let ages =
        words(&mut cluster, "kubectl get pods --sort-by=.metadata.creationTimestamp -o jsonpath={.items[*].metadata.creationTimestamp}");
    let at: Vec<u64> = ages.iter().map(|at| sim::Time::parse_rfc3339(at).expect("it is a time").as_secs()).collect();
    assert_eq!(at.len(), 3);
    assert!((10..13).contains(&(at[1] - at[0])) && (20..23).contains(&(at[2] - at[1])), "{at:?}");
    assert_eq!(field(&mut cluster, "job bad", ".status.conditions[?(@.type==\"Failed\")].reason"), "BackoffLimitExceeded");
    advance(&mut cluster, 120);
    assert!(!printed(&mut cluster, "kubectl get jobs").contains("bad"), "its time after its end is up");
}

#[test]
fn an_indexed_job_fails_by_index_and_a_policy_can_end_a_job_at_once() {
    let mut cluster = booted();
    let spec = "  completionMode: Indexed\n  completions: 4\n  parallelism: 4\n  backoffLimitPerIndex: 1\n";
    apply(&mut cluster, &job("parts", spec, "[ $JOB_COMPLETION_INDEX != 2 ]"));
    printed(&mut cluster, "kubectl wait --for=condition=Failed job/parts --timeout=120s");
    assert_eq!(field(&mut cluster, "job parts", ".status.completedIndexes"), "0,1,3");
    assert_eq!(field(&mut cluster, "job parts", ".status.failedIndexes"), "2");
    assert_eq!(field(&mut cluster, "job parts", ".status.conditions[?(@.type==\"Failed\")].reason"), "FailedIndexes");
    let spec = "  podFailurePolicy:\n    rules:\n    - {action: FailJob, onExitCodes: {operator: In, values: [42]}}\n";
    apply(&mut cluster, &job("fatal", spec, "exit 42"));
    printed(&mut cluster, "kubectl wait --for=condition=Failed job/fatal --timeout=60s");
    assert_eq!(field(&mut cluster, "job fatal", ".status.failed"), "1");
    let why = field(&mut cluster, "job fatal", ".status.conditions[?(@.type==\"Failed\")].message");
    assert!(why.ends_with("failed with exit code 42 matching FailJob rule at index 0"), "{why}");
}

#[test]
fn a_suspended_job_has_no_pods_until_it_goes_on() {
    let mut cluster = booted();
    apply(&mut cluster, &job("later", "  suspend: true\n", "sleep 1"));
    advance(&mut cluster, 20);
    assert_eq!(words(&mut cluster, POD_NAMES), [""; 0]);
    assert!(printed(&mut cluster, "kubectl get job later").contains("Suspended"));
    printed(&mut cluster, r#"kubectl patch job later -p '{"spec":{"suspend":false}}'"#);
    printed(&mut cluster, "kubectl wait --for=condition=Complete job/later --timeout=60s");
}

fn cron_job(schedule: &str, more: &str, script: &str) -> String {
    format!(
        "apiVersion: batch/v1\nkind: CronJob\nmetadata: {{name: tick}}\nspec:\n  schedule: '{schedule}'\n{more}  jobTemplate:\n    spec:\n      \
         template:\n        spec:\n          restartPolicy: Never\n          terminationGracePeriodSeconds: 0\n          \
         containers: [{{name: c, image: busybox, command: [sh, -c, '{script}']}}]\n"
    )
}

#[test]
fn a_cron_job_starts_jobs_and_keeps_the_last_three() {
    let mut cluster = booted();
    apply(&mut cluster, &cron_job("* * * * *", "", "date"));
    advance(&mut cluster, 5 * 60 + 10);
    let jobs = words(&mut cluster, "kubectl get jobs -o jsonpath={.items[*].metadata.name}");
    let minute = sim::Time::from_secs(300).unix_seconds() / 60;
    assert_eq!(jobs, [-2, -1, 0].map(|ago| format!("tick-{}", minute + ago)));
    let events = printed(&mut cluster, "kubectl get events");
    assert!(events.contains("Created job tick-") && events.contains("Saw completed job: tick-"), "{events}");
    assert!(!events.contains("UnexpectedJob"), "{events}");
}

#[test]
fn jobs_of_a_cron_job_that_overlap_are_held_or_replaced() {
    let mut cluster = booted();
    apply(&mut cluster, &cron_job("* * * * *", "  concurrencyPolicy: Forbid\n", "sleep 90"));
    advance(&mut cluster, 130);
    assert_eq!(words(&mut cluster, "kubectl get jobs -o name").len(), 1);
    assert!(printed(&mut cluster, "kubectl get events").contains("JobAlreadyActive"));
    printed(&mut cluster, r#"kubectl patch cronjob tick -p '{"spec":{"concurrencyPolicy":"Replace"}}'"#);
    advance(&mut cluster, 120);
    assert_eq!(words(&mut cluster, "kubectl get cronjob tick -o jsonpath={.status.active[*].name}").len(), 1);
}

#[test]
fn a_replication_controller_keeps_its_pods() {
    let mut cluster = booted();
    let controller = "apiVersion: v1\nkind: ReplicationController\nmetadata: {name: web}\nspec:\n  replicas: 2\n  template:\n    \
                      metadata: {labels: {app: web}}\n    spec: {containers: [{name: c, image: nginx}], terminationGracePeriodSeconds: 0}\n";
    apply(&mut cluster, controller);
    advance(&mut cluster, 20);
    assert!(printed(&mut cluster, "kubectl get rc web").contains("web    2         2         2"));
    printed(&mut cluster, "kubectl delete pod -l app=web");
    printed(&mut cluster, "kubectl scale rc web --replicas=3");
    advance(&mut cluster, 20);
    assert_eq!(field(&mut cluster, "rc web", ".status.readyReplicas"), "3");
}

/// A manager that was away finds what happened meanwhile, and does everything once.
#[test]
fn a_controller_manager_that_was_cut_off_catches_up() {
    let mut cluster = booted();
    apply(&mut cluster, WEB);
    apply(&mut cluster, LOG);
    apply(&mut cluster, &job("pi", "  completions: 4\n  parallelism: 2\n", "sleep 5"));
    apply(&mut cluster, &cron_job("* * * * *", "", "date"));
    advance(&mut cluster, 3);
    let fault = Fault::Isolate("kube-controller-manager".to_owned());
    cluster.inject(&fault).unwrap();
    printed(&mut cluster, "kubectl delete pod -l app=log --wait=false");
    printed(&mut cluster, "kubectl scale sts web --replicas=2");
    advance(&mut cluster, 150);
    assert!(words(&mut cluster, "kubectl get pods -l app=log -o name").is_empty());
    cluster.heal(&fault).unwrap();
    advance(&mut cluster, 120);
    assert_eq!(field(&mut cluster, "job pi", ".status.conditions[*].type"), "SuccessCriteriaMet Complete");
    assert_eq!(field(&mut cluster, "job pi", ".status.succeeded"), "4");
    assert_eq!(words(&mut cluster, "kubectl get pods -l job-name=pi -o name").len(), 4, "none was made twice");
    assert_eq!(field(&mut cluster, "sts web", ".status.readyReplicas"), "2");
    assert_eq!(field(&mut cluster, "ds log", ".status.numberReady"), "3");
    assert!(!words(&mut cluster, "kubectl get jobs -o name").is_empty());
}

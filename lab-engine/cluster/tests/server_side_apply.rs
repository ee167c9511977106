//! Two people and the controllers of a cluster share objects by server-side apply.

use cluster::{Cluster, ClusterConfig, CommandResult};
use serde_json::Value;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

const WEB: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: nginx}]}
";

struct Desk(Cluster);

impl Desk {
    fn new() -> Self {
        let mut desk = Desk(Cluster::booted(&ClusterConfig::default()).expect("the default configuration is right"));
        desk.write("web.yaml", WEB);
        desk.write("scale.yaml", "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {replicas: 3}}");
        desk
    }

    fn write(&mut self, name: &str, text: &str) {
        self.0.terminal_mut().files_mut().write(name, text).expect("a file");
    }

    fn run(&mut self, line: &str) -> CommandResult {
        self.0.run_line(line, 2 * MINUTE)
    }

    fn printed(&mut self, line: &str) -> String {
        let result = self.run(line);
        assert_eq!((result.exit_code, result.stderr.as_str()), (0, ""), "{line}");
        result.stdout
    }

    /// Manager, operation and subresource of the entries of an object, and whether each has a path.
    fn owners(&mut self, object: &str, pointer: &str) -> Vec<String> {
        let text = self.printed(&format!("kubectl get {object} -o json --show-managed-fields"));
        let object: Value = serde_json::from_str(&text).expect("JSON");
        let entries = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
        let has = |entry: &&Value| entry["fieldsV1"].pointer(pointer).is_some();
        let text = |entry: &Value, field: &str| entry[field].as_str().unwrap_or_default().to_owned();
        let line = |entry: &Value| format!("{} {} {}", text(entry, "manager"), text(entry, "operation"), text(entry, "subresource"));
        entries.iter().filter(has).map(|entry| line(entry).trim_end().to_owned()).collect()
    }
}

#[test]
fn a_conflict_is_told_forced_and_shared() {
    let mut desk = Desk::new();
    assert_eq!(desk.printed("kubectl apply --server-side -f web.yaml --field-manager=alice"), "deployment.apps/web serverside-applied\n");
    assert_eq!(desk.printed("kubectl rollout status deployment/web").lines().last(), Some("deployment \"web\" successfully rolled out"));
    let refused = desk.run("kubectl apply --server-side -f scale.yaml --field-manager=bob");
    assert_eq!((refused.exit_code, refused.stdout.as_str()), (1, ""));
    let (first, hint) = refused.stderr.split_once('\n').expect("a hint");
    assert_eq!(first, "error: Apply failed with 1 conflict: conflict with \"alice\": .spec.replicas");
    assert!(hint.starts_with("Please review the fields above--they currently have other managers. Here\nare the ways"), "{hint}");
    assert!(hint.ends_with("\nSee https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts\n"), "{hint}");

    let forced = "kubectl apply --server-side -f scale.yaml --field-manager=bob --force-conflicts";
    assert_eq!(desk.printed(forced), "deployment.apps/web serverside-applied\n");
    assert_eq!(desk.owners("deployment/web", "/f:spec/f:replicas"), ["bob Apply"]);
    // Who names the value that is there shares it.
    desk.write("web.yaml", &WEB.replace("replicas: 2", "replicas: 3"));
    desk.printed("kubectl apply --server-side -f web.yaml --field-manager=alice");
    assert_eq!(desk.owners("deployment/web", "/f:spec/f:replicas"), ["alice Apply", "bob Apply"]);
    // `scale` asks nobody.
    desk.printed("kubectl scale deployment/web --replicas=1");
    assert_eq!(desk.owners("deployment/web", "/f:spec/f:replicas"), ["kubectl Update scale"]);
    let refused = desk.run("kubectl diff --server-side -f web.yaml --field-manager=alice");
    let conflict = "conflict with \"kubectl\" with subresource \"scale\" using apps/v1: .spec.replicas";
    assert_eq!(refused.stderr, format!("Error from server (Conflict): Apply failed with 1 conflict: {conflict}\n"));
}

#[test]
fn what_each_component_writes_is_its_own() {
    let mut desk = Desk::new();
    desk.printed("kubectl create deployment web --image=nginx");
    desk.printed("kubectl rollout status deployment/web");
    desk.printed("kubectl label deployment/web tier=front");
    assert_eq!(desk.owners("deployment/web", "/f:spec"), ["kubectl-create Update"]);
    assert_eq!(desk.owners("deployment/web", "/f:metadata/f:labels/f:tier"), ["kubectl-label Update"]);
    assert_eq!(desk.owners("deployment/web", "/f:status"), ["kube-controller-manager Update status"]);
    let pod = desk.printed("kubectl get pods -o name").trim().to_owned();
    assert_eq!(desk.owners(&pod, "/f:spec/f:containers"), ["kube-controller-manager Update"]);
    assert_eq!(desk.owners(&pod, "/f:metadata/f:ownerReferences"), ["kube-controller-manager Update"]);
    assert_eq!(desk.owners(&pod, "/f:status/f:containerStatuses"), ["kubelet Update status"]);
    assert_eq!(desk.owners(&pod, "/f:spec/f:nodeName"), Vec::<String>::new(), "a binding owns nothing");
    assert!(!desk.printed("kubectl get deployment/web -o yaml").contains("managedFields"));
}

#[test]
fn an_object_moves_from_client_side_to_server_side_apply() {
    let mut desk = Desk::new();
    desk.write("web.yaml", &WEB.replace("metadata: {name: web}", "metadata: {name: web, labels: {old: label}}"));
    assert_eq!(desk.printed("kubectl apply -f web.yaml"), "deployment.apps/web created\n");
    assert_eq!(desk.owners("deployment/web", "/f:metadata/f:labels/f:old"), ["kubectl-client-side-apply Update"]);
    desk.write("web.yaml", &WEB.replace("replicas: 2", "replicas: 3"));
    assert_eq!(desk.printed("kubectl apply --server-side -f web.yaml"), "deployment.apps/web serverside-applied\n");
    // The label is in the old configuration and not in the new one.
    let labels = desk.printed("kubectl get deployment/web -o jsonpath={.metadata.labels}{.spec.replicas}");
    assert_eq!(labels, "3");
    assert_eq!(desk.owners("deployment/web", "/f:spec"), ["kubectl Apply"]);
    // The server keeps the annotation right, so that there is a way back; only its text is another (kubectl writes `"annotations":{}`).
    assert_eq!(desk.printed("kubectl diff -f web.yaml"), "");
    assert_eq!(desk.printed("kubectl apply -f web.yaml"), "deployment.apps/web configured\n");
    assert_eq!(desk.printed("kubectl apply -f web.yaml"), "deployment.apps/web unchanged\n");
}

#[test]
fn flags_that_do_not_go_together_are_refused() {
    let mut desk = Desk::new();
    for (flags, message) in [
        ("--force-conflicts", "--force-conflicts only works with --server-side"),
        ("--server-side --dry-run=client", "--dry-run=client doesn't work with --server-side (did you mean --dry-run=server instead?)"),
        ("--server-side --force", "--force cannot be used with --server-side"),
    ] {
        assert_eq!(desk.run(&format!("kubectl apply -f web.yaml {flags}")).stderr, format!("error: {message}\n"));
    }
    let tried = desk.printed("kubectl apply -f web.yaml --server-side --dry-run=server");
    assert_eq!(tried, "deployment.apps/web serverside-applied (server dry run)\n");
    assert_eq!(desk.run("kubectl get deployment/web").exit_code, 1);
    desk.write("wrong.yaml", &WEB.replace("replicas: 2", "replcas: 2"));
    let message =
        "failed to create typed patch object (default/web; apps/v1, Kind=Deployment): .spec.replcas: field not declared in schema";
    assert_eq!(desk.run("kubectl apply -f wrong.yaml --server-side").stderr, format!("Error from server: {message}\n"));
}

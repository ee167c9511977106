//! `clusterbook kubectl`: one command, a script, a session.

use super::Book;

const DEPLOYMENT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: nginx, image: \"nginx:1.29\"}]}
";

#[test]
fn a_script_rolls_a_deployment_out() {
    let book = Book::new();
    book.write("web.yaml", DEPLOYMENT);
    let script = "# a rollout\nkubectl apply -f ./web.yaml\nkubectl rollout status deployment/web\nwait 5s\nkubectl get deployment web\n";
    book.write("script.txt", script);
    let run = book.run(&["kubectl", "--script", "script.txt"]).good();
    assert!(run.stdout.starts_with("deployment.apps/web created\n") && run.stdout.contains("successfully rolled out"), "{run:?}");
    assert!(run.stdout.lines().last().unwrap().starts_with("web    3/3     3            3"), "{run:?}");
    assert_eq!(run.stderr, "");
    assert_eq!(book.run_with(&["kubectl", "--script", "-"], script.as_bytes()).good().stdout, run.stdout, "the same every time");
}

#[test]
fn one_command_takes_its_words_and_standard_input() {
    let book = Book::new();
    book.run(&["kubectl", "--nodes", "2", "get", "nodes", "-o", "name"]).good().says("node/node-1\nnode/node-2\n");
    book.run_with(&["kubectl", "apply", "-f", "-"], DEPLOYMENT.as_bytes()).good().says("deployment.apps/web created");
    book.run(&["kubectl", "create", "configmap", "x", "--from-literal=a=it's $HOME", "-o", "jsonpath={.data.a}"]).good().says("it's $HOME");
}

#[test]
fn a_session_reads_lines_until_its_input_ends() {
    let book = Book::new();
    let input =
        format!("kubectl apply -f - <<EOF\n{DEPLOYMENT}EOF\nwait 30s\nkubectl get pods -o name | wc -l\n\nexit\nkubectl get nothing\n");
    let run = book.run_with(&["kubectl"], input.as_bytes()).good();
    assert!(run.stdout.starts_with("deployment.apps/web created\n") && run.stdout.trim_end().ends_with('3'), "{run:?}");
}

#[test]
fn the_exit_status_is_that_of_the_first_failure() {
    let book = Book::new();
    book.run(&["kubectl", "get", "nosuch"]).bad(1, "error: the server doesn't have a resource type \"nosuch\"");
    book.run(&["kubectl", "apply", "-f", "none.yaml"]).bad(1, "error: the path \"none.yaml\" does not exist");
    let run = book.run_with(&["kubectl"], b"nosuch\nkubectl get nosuch\nkubectl get nodes\nwait x\n");
    assert_eq!(run.code, 127, "{run:?}");
    assert!(run.stdout.contains("node-3") && run.stderr.contains("wait: time: invalid duration \"x\""), "{run:?}");
    book.run_with(&["kubectl"], b"kubectl apply -f - <<EOF\na: 1\n").bad(2, "the input ended within a here-document");
    book.run(&["kubectl", "--nodes", "0", "get", "nodes"]).bad(2, "0 is not in 1..=500");
}

#[test]
fn a_command_that_never_ends_is_stopped() {
    let book = Book::new();
    let run = book.run(&["kubectl", "--time-limit", "1m", "get", "nodes", "-w"]).bad(124, "had not ended after 1m of the cluster's time");
    assert!(run.stdout.contains("node-1"), "{run:?}");
}

const CRON_TAB: &str = "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: crontabs.stable.example.com}
spec:
  group: stable.example.com
  scope: Namespaced
  names: {plural: crontabs, kind: CronTab, shortNames: [ct]}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              cronSpec: {type: string}
              replicas: {type: integer, maximum: 10, default: 1}
    subresources:
      scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas}
    additionalPrinterColumns:
    - {name: Spec, type: string, jsonPath: .spec.cronSpec}
    - {name: Replicas, type: integer, jsonPath: .spec.replicas}
";

#[test]
fn custom_resources_are_made_scaled_and_deleted() {
    let book = Book::new();
    book.write("crd.yaml", CRON_TAB);
    let tab = |spec: &str| format!("apiVersion: stable.example.com/v1\nkind: CronTab\nmetadata: {{name: mine}}\nspec: {{{spec}}}\n");
    book.write("good.yaml", tab("cronSpec: '* * * * *'"));
    book.write("typo.yaml", tab("cronSpecs: '* * * * *'"));
    book.write("many.yaml", tab("replicas: 11"));
    let script = "kubectl apply -f crd.yaml\nkubectl wait --for=condition=established crd/crontabs.stable.example.com\n\
                  kubectl apply -f good.yaml\nkubectl scale ct/mine --replicas=3\nkubectl get ct\n\
                  kubectl delete crd crontabs.stable.example.com\n";
    book.write("script.txt", script);
    book.run(&["kubectl", "--script", "script.txt"])
        .good()
        .says("crontab.stable.example.com/mine created\ncrontab.stable.example.com/mine scaled\n")
        .says("NAME   SPEC        REPLICAS\nmine   * * * * *   3\n")
        .says("\"crontabs.stable.example.com\" deleted\n");
    for (file, wanted) in [
        ("typo.yaml", "strict decoding error: unknown field \"spec.cronSpecs\""),
        ("many.yaml", "spec.replicas: Invalid value: 11: spec.replicas in body should be less than or equal to 10"),
    ] {
        let input = format!("kubectl apply -f crd.yaml\nkubectl apply -f {file}\n");
        let run = book.run_with(&["kubectl"], input.as_bytes());
        assert!(run.stderr.contains(wanted), "{run:?}");
    }
}

#[test]
fn a_script_takes_the_quorum_from_etcd_and_gives_it_back() {
    let book = Book::new();
    let lines = "fault crash etcd-1\nfault crash etcd-2\nkubectl create configmap lost\nheal crash etcd-1\nwait 10s\n\
                 kubectl create configmap kept\nfault crash etcd-4\n";
    book.write("quorum.txt", lines);
    let run = book.run(&["kubectl", "--etcd-members", "3", "--script", "quorum.txt"]);
    assert!(run.stderr.contains("etcdserver: request timed out"), "{run:?}");
    assert!(run.stderr.contains("error: the cluster has no \"etcd-4\"; its parts are "), "{run:?}");
    assert_eq!(run.stdout, "configmap/kept created\n");
    book.run(&["kubectl", "--etcd-members", "2", "get", "nodes"]).bad(2, "etcd has 1, 3 or 5 members");
}

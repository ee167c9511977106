//! Lines of the terminal against canned answers: what is asked, and what is printed.

use crate::terminal::{Stream, Terminal};
use api::Object;
use api::channels::{Channel, exit_frame};
use api::http::{Accept, Body, Credentials, Method, Path, Request, Response, WatchEvent};
use api::kinds::find_resource;
use api::status::{FieldError, Status};
use client::{Action, Component, Input, Outbox};
use serde_json::json;
use sim::Time;

struct Run {
    stdout: String,
    stderr: String,
    code: i32,
    requests: Vec<Request>,
}

fn run_in(terminal: &mut Terminal, line: &str, answers: Vec<Response>) -> Run {
    let mut outbox = Outbox::new(1);
    let mut answers = answers.into_iter();
    let mut requests = Vec::new();
    terminal.run(Time::ZERO, line, &mut outbox);
    loop {
        let (actions, next) = outbox.take();
        outbox = Outbox::new(next);
        let mut asked = false;
        for action in actions {
            if let Action::Request(id, request) = action {
                requests.push(*request);
                let answer = answers.next().expect("an answer for every request");
                terminal.handle(Time::ZERO, Input::Response(id, Ok(answer)), &mut outbox);
                asked = true;
            }
        }
        if !asked {
            break;
        }
    }
    assert!(!terminal.is_busy() && answers.next().is_none());
    let output = terminal.take_output();
    let of = |stream| output.iter().filter(|o| o.stream == stream).map(|o| o.text.as_str()).collect();
    Run { stdout: of(Stream::Stdout), stderr: of(Stream::Stderr), code: terminal.exit_code(), requests }
}

fn run(line: &str, answers: Vec<Response>) -> Run {
    run_in(&mut Terminal::new(), line, answers)
}

fn path(request: &Request) -> String {
    match &request.path {
        Path::Resource(path) => path.to_string(),
        Path::Other(path) => path.clone(),
    }
}

fn refused(plural: &str) -> Response {
    Status::not_found(&find_resource("", "v1", plural).unwrap().gvr(), "web").into()
}

fn pod() -> Body {
    let value = json!({"metadata": {"name": "web", "namespace": "default"}, "spec": {"containers": [{"name": "c", "image": "nginx"}]}});
    Body::Object(Object::decode_as("v1", "Pod", value).unwrap())
}

fn table(rows: &[[&str; 2]]) -> Response {
    let rows: Vec<_> =
        rows.iter().map(|r| json!({"cells": [r[0], r[1], "10.0.0.1"], "object": {"metadata": {"namespace": "prod"}}})).collect();
    Response::ok(Body::Json(json!({"kind": "Table", "rows": rows, "columnDefinitions": [
        {"name": "Name", "priority": 0}, {"name": "Ready", "priority": 0}, {"name": "IP", "priority": 1}]})))
}

#[test]
fn get_prints_the_tables_of_the_server() {
    let result = run("kubectl get po -l app=web", vec![table(&[["web-1", "1/1"], ["a", "0/1"]])]);
    assert_eq!(result.stdout, "NAME    READY\nweb-1   1/1\na       0/1\n");
    assert_eq!(
        (path(&result.requests[0]).as_str(), result.requests[0].param("labelSelector")),
        ("/api/v1/namespaces/default/pods", Some("app=web"))
    );
    assert_eq!(&*result.requests[0].user_agent, "kubectl");
    let result = run("k get pods -A -owide", vec![table(&[["web-1", "1/1"]])]);
    assert_eq!(result.stdout, "NAMESPACE   NAME    READY   IP\nprod        web-1   1/1     10.0.0.1\n");
    let result = run("k get pods,svc", vec![table(&[["a", "1/1"]]), table(&[["b", "x"]])]);
    assert_eq!(result.stdout, "NAME    READY\npod/a   1/1\n\nNAME        READY\nservice/b   x\n");
}

#[test]
fn get_says_when_there_is_nothing() {
    let result = run("kubectl get pods", vec![table(&[])]);
    assert_eq!((result.stderr.as_str(), result.code), ("No resources found in default namespace.\n", 0));
    let result = run("kubectl get nodes", vec![table(&[])]);
    assert_eq!(result.stderr, "No resources found\n");
    let result = run("kubectl get pod web", vec![refused("pods")]);
    assert_eq!((result.stderr.as_str(), result.code), ("Error from server (NotFound): pods \"web\" not found\n", 1));
    let result = run("kubectl get foo", vec![kinds(&[])]);
    assert_eq!(result.stderr, "error: the server doesn't have a resource type \"foo\"\n");
}

/// The answer to discovery when the server has these namespaced kinds of `example.com/v1` beside the built-in ones.
fn kinds(custom: &[(&str, &str)]) -> Response {
    let resource = |(plural, kind): &(&str, &str)| {
        json!({"resource": plural, "responseKind": {"group": "example.com", "version": "v1", "kind": kind}, "scope": "Namespaced",
               "singularResource": kind.to_lowercase(), "verbs": ["get", "list"], "shortNames": [&plural[..2]]})
    };
    let resources: Vec<_> = custom.iter().map(resource).collect();
    let group = json!({"metadata": {"name": "example.com"}, "versions": [{"version": "v1", "resources": resources}]});
    Response::ok(Body::Json(json!({"kind": "APIGroupDiscoveryList", "items": [group]})))
}

#[test]
fn a_kind_that_is_not_built_in_is_asked_for_once() {
    let found = run("kubectl get fo,foos", vec![kinds(&[("foos", "Foo")]), table(&[]), table(&[])]);
    assert_eq!(found.requests.iter().map(path).collect::<Vec<_>>()[..2], ["/apis", "/apis/example.com/v1/namespaces/default/foos"]);
    assert_eq!(found.requests[0].accept, Accept::Discovery);
    assert_eq!((found.stderr.as_str(), found.code), ("No resources found in default namespace.\n", 0));
    let cut = run("kubectl get foos", vec![Status::new(403, "Forbidden", "forbidden: no").into()]);
    assert_eq!((cut.stderr.as_str(), cut.code), ("Error from server (Forbidden): forbidden: no\n", 1));
}

#[test]
fn get_prints_objects() {
    let result = run("kubectl get pod/web -o yaml > out.yaml && cat out.yaml", vec![Response::ok(pod())]);
    let head =
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\n  namespace: default\nspec:\n  containers:\n  - image: nginx\n    name: c\n";
    assert!(result.stdout.starts_with(head), "{}", result.stdout);
    assert_eq!(run("kubectl get pod web -o name", vec![Response::ok(pod())]).stdout, "pod/web\n");
}

const MANIFEST: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  containers:\n  - {name: c, image: nginx}\n";

#[test]
fn apply_creates_then_finds_nothing_to_change_then_patches() {
    let mut terminal = Terminal::new();
    terminal.files_mut().write("web.yaml", MANIFEST).unwrap();
    let result = run_in(&mut terminal, "kubectl apply -f web.yaml", vec![refused("pods"), Response::created(pod())]);
    assert_eq!((result.stdout.as_str(), result.requests[1].method), ("pod/web created\n", Method::Post));
    let Body::Json(created) = result.requests[1].body.clone() else { panic!("a JSON body") };
    let object = |value: &serde_json::Value| Body::Object(Object::decode_as("v1", "Pod", value.clone()).unwrap());
    let result = run_in(&mut terminal, "kubectl apply -f ./web.yaml", vec![Response::ok(object(&created))]);
    assert_eq!(result.stdout, "pod/web unchanged\n");
    terminal.files_mut().write("web.yaml", MANIFEST.replace("nginx", "nginx:2")).unwrap();
    let result = run_in(&mut terminal, "kubectl apply -f web.yaml", vec![Response::ok(object(&created)), Response::ok(pod())]);
    assert_eq!((result.stdout.as_str(), result.requests[1].method), ("pod/web configured\n", Method::Patch));
    let Body::Patch(_, patch) = &result.requests[1].body else { panic!("a patch") };
    let order = json!([{"name": "c"}]);
    assert_eq!(patch["spec"], json!({"$setElementOrder/containers": order, "containers": [{"name": "c", "image": "nginx:2"}]}));
}

#[test]
fn an_invalid_field_is_shown_in_its_file() {
    let errors = [FieldError::required("spec.containers[0].image", "")];
    let line = format!("kubectl create -f - <<EOF\n{MANIFEST}EOF\n");
    let result = run(&line, vec![Status::invalid("", "Pod", "web", &errors).into()]);
    assert_eq!(
        result.stderr,
        "The Pod \"web\" is invalid: spec.containers[0].image: Required value\n  --> STDIN:6:15  spec.containers[0].image\n      \
         \u{20} - {name: c, image: nginx}\n                    ^\n"
    );
}

#[test]
fn deleting_scaling_and_logs() {
    let result = run("kubectl delete pod web", vec![Response::ok(pod()), refused("pods")]);
    assert_eq!(result.stdout, "pod \"web\" deleted from default namespace\n");
    assert_eq!((result.requests[1].method, path(&result.requests[1])), (Method::Get, "/api/v1/namespaces/default/pods/web".to_owned()));
    let result = run("kubectl delete pod web --wait=false -n x", vec![Response::ok(pod())]);
    assert_eq!(result.stdout, "pod \"web\" deleted from x namespace\n");
    let deployment = json!({"metadata": {"name": "web", "namespace": "prod"}, "spec": {"replicas": 1}});
    let result =
        run("kubectl scale deploy/web --replicas=3 -n prod", vec![Response::ok(Body::Json(deployment)), Response::ok(Body::Empty)]);
    assert_eq!(result.stdout, "deployment.apps/web scaled\n");
    assert_eq!(path(&result.requests[1]), "/apis/apps/v1/namespaces/prod/deployments/web/scale");
    let result = run("kubectl logs web -c c --tail=2", vec![Response::ok(pod()), Response::ok(Body::Text("a\nb\n".into()))]);
    assert_eq!((result.stdout.as_str(), result.requests[1].param("tailLines")), ("a\nb\n", Some("2")));
}

#[test]
fn words_that_make_no_command() {
    let result = run("kubectl gte pods; nope", vec![]);
    assert_eq!(
        result.stderr,
        "error: unknown command \"gte\" for \"kubectl\"\n\nDid you mean this?\n\tget\n\nsh: nope: command not found\n"
    );
    assert_eq!(result.code, 127);
    assert_eq!(Terminal::new().complete("kubectl get deplo", 17), ["deployments"]);
    assert!(run(&"x".repeat(2_000_000), vec![]).stderr.contains("too long"));
}

#[test]
fn an_interrupted_line_forgets_its_request() {
    let mut terminal = Terminal::new();
    let mut outbox = Outbox::new(1);
    terminal.run(Time::ZERO, "kubectl get pods; echo more", &mut outbox);
    assert_eq!(terminal.exit_code(), -1);
    terminal.interrupt(Time::ZERO, &mut outbox);
    assert_eq!((terminal.exit_code(), terminal.is_busy()), (130, false));
    assert!(matches!(outbox.take().0[..], [Action::Request(asked, _), Action::Cancel(forgotten)] if asked == forgotten));
}

#[test]
fn a_watch_prints_rows_under_those_before() {
    let mut terminal = Terminal::new();
    let mut outbox = Outbox::new(1);
    terminal.run(Time::ZERO, "kubectl get pods -w", &mut outbox);
    let list = table(&[["web", "0/1"]]);
    terminal.handle(Time::ZERO, Input::Response(client::RequestId(1), Ok(list)), &mut outbox);
    let row = json!({"rows": [{"cells": ["web", "1/1", "x"], "object": {}}], "columnDefinitions": [
        {"name": "Name", "priority": 0}, {"name": "Ready", "priority": 0}, {"name": "IP", "priority": 1}]});
    let object = Object::decode_as("meta.k8s.io/v1", "Table", row).unwrap();
    let events = [WatchEvent::Modified(object)].into();
    terminal.handle(Time::ZERO, Input::Watch(client::RequestId(2), events), &mut outbox);
    assert!(terminal.is_busy());
    let (actions, next) = outbox.take();
    let Some(Action::Request(_, watch)) = actions.last() else { panic!("a watch") };
    assert!(watch.is_watch() && watch.accept == Accept::Table);
    let mut outbox = Outbox::new(next);
    terminal.interrupt(Time::ZERO, &mut outbox);
    assert!(matches!(outbox.take().0[..], [Action::Cancel(client::RequestId(2))]));
    let printed: String = terminal.take_output().iter().map(|output| output.text.as_str()).collect();
    assert_eq!(printed, "NAME   READY\nweb    0/1\nweb    1/1\n");
}

#[test]
fn generators_write_what_they_would_create() {
    let result = run("kubectl create deployment web --image=nginx:1.27 --dry-run=client -o yaml", vec![]);
    let expected = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  labels:\n    app: web\n  name: web\nspec:\n  replicas: 1\n  selector:\n    \
                    matchLabels:\n      app: web\n  strategy: {}\n  template:\n    metadata:\n      labels:\n        app: web\n    spec:\n      \
                    containers:\n      - image: nginx:1.27\n        name: nginx\n        resources: {}\nstatus: {}\n";
    assert_eq!(result.stdout, expected);
    let result = run("kubectl run web --image=nginx --dry-run=client", vec![]);
    assert_eq!(result.stdout, "pod/web created (dry run)\n");
    let result = run("kubectl create secret generic s --from-literal=a=hi --dry-run=client -o jsonpath='{.data.a}' | base64 -d", vec![]);
    assert_eq!(result.stdout, "hi");
    let result = run("kubectl create deployment web", vec![]);
    assert_eq!(result.stderr, "error: required flag(s) \"image\" not set\n");
}

#[test]
fn a_command_in_a_container_prints_as_it_goes_and_ends_with_its_status() {
    let (mut terminal, mut outbox) = (Terminal::new(), Outbox::new(1));
    terminal.run(Time::ZERO, "kubectl exec web -- sh -c 'exit 3'", &mut outbox);
    terminal.handle(Time::ZERO, Input::Response(client::RequestId(1), Ok(Response::ok(pod()))), &mut outbox);
    let (actions, next) = outbox.take();
    let Some(Action::Request(id, exec)) = actions.last() else { panic!("a request") };
    let words: Vec<&str> = exec.query.iter().filter(|(key, _)| key == "command").map(|(_, value)| value.as_str()).collect();
    assert_eq!((exec.accept, words), (Accept::Channels, vec!["sh", "-c", "exit 3"]));
    let mut outbox = Outbox::new(next);
    terminal.handle(Time::ZERO, Input::Response(*id, Ok(Response::ok(Body::Empty))), &mut outbox);
    let mut printed = |frame, last| {
        terminal.handle(Time::ZERO, Input::Stream(*id, frame, last), &mut outbox);
        terminal.take_output().into_iter().map(|output| (output.stream, output.text)).collect::<Vec<_>>()
    };
    assert_eq!(printed(Channel::Stdout.frame("out\n"), false), [(Stream::Stdout, "out\n".to_owned())]);
    assert_eq!(printed(Channel::Stderr.frame("err\n"), false), [(Stream::Stderr, "err\n".to_owned())]);
    assert_eq!(printed(exit_frame(3), true), [(Stream::Stderr, "command terminated with exit code 3\n".to_owned())]);
    assert_eq!((terminal.exit_code(), terminal.is_busy()), (3, false));
}

#[test]
fn labels_are_changed_by_a_patch() {
    let result = run("kubectl label pod web app=x", vec![Response::ok(pod()), Response::ok(pod())]);
    assert_eq!(result.stdout, "pod/web labeled\n");
    assert_eq!(result.requests[1].body, Body::Patch(api::http::PatchType::StrategicMerge, json!({"metadata": {"labels": {"app": "x"}}})));
    let result = run("kubectl set image pod/web d=nginx", vec![Response::ok(pod())]);
    assert_eq!((result.stderr.as_str(), result.code), ("error: unable to find container named \"d\"\n", 1));
}

#[test]
fn a_description_is_laid_out_as_kubectl_does() {
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "default"}, "type": "Opaque", "data": {"password": "aHVudGVyMg=="}});
    let result = run("kubectl describe secret s", vec![Response::ok(Body::Json(secret))]);
    let expected = "Name:         s\nNamespace:    default\nLabels:       <none>\nAnnotations:  <none>\n\nType:  Opaque\n\nData\n====\npassword:  7 bytes\n";
    assert_eq!(result.stdout, expected);
    let events = Response::ok(Body::Json(json!({"items": []})));
    let result = run("kubectl describe pod web", vec![Response::ok(pod()), events]);
    let expected = [
        "Name:             web\nNamespace:        default\nPriority:         0\nService Account:  \nNode:             <none>\n",
        "Labels:           <none>\nAnnotations:      <none>\nStatus:           \nIP:               \nIPs:              <none>\n",
        "Containers:\n  c:\n    Image:        nginx\n    Port:         <none>\n    Host Port:    <none>\n",
        "    Environment:  <none>\n    Mounts:       <none>\nVolumes:          <none>\nQoS Class:        \n",
        "Node-Selectors:   <none>\nTolerations:      <none>\nEvents:           <none>\n",
    ];
    assert_eq!(result.stdout, expected.concat());
}

#[test]
fn lines_of_any_shape_end() {
    let mut terminal = Terminal::new();
    let deep = format!("kubectl get pods -o jsonpath='{}'", "{range .a[*]}".repeat(10_000));
    for line in [
        deep.as_str(),
        &"$".repeat(100_000),
        &"a|".repeat(100_000),
        &"echo x > /dev/null;".repeat(10_000),
        "X=1 ls",
        "|",
        "kubectl",
        "k -n",
    ] {
        run_in(&mut terminal, line, vec![]);
    }
    assert_eq!(run("A=b; echo $A | wc -c && false || echo $?", vec![]).stdout, "2\n1\n");
    assert_eq!(
        run("kubectl config set-context --current --namespace=x; kubectl get pods", vec![table(&[])]).stderr,
        "No resources found in x namespace.\n"
    );
    assert_eq!(run("kubectl get foo 2>&1 | grep -c type", vec![kinds(&[])]).stdout, "1\n");
    let mut outbox = Outbox::new(1);
    terminal.run(Time::ZERO, "sleep 5; echo done", &mut outbox);
    assert_eq!(terminal.next_wake(), Some(Time::from_secs(5)));
    terminal.handle(Time::from_secs(5), Input::Wake, &mut outbox);
    assert!(!terminal.is_busy());
}

#[test]
fn contexts_join_users_and_clusters() {
    let mut terminal = Terminal::new();
    let mut line = |line: &str, answers: Vec<Response>| run_in(&mut terminal, line, answers);
    assert!(line("echo PEM > alice.crt; echo KEY > alice.key", vec![]).stderr.is_empty());
    let told = line(
        "kubectl config set-credentials alice --client-certificate=alice.crt --client-key=alice.key --embed-certs=true
         kubectl config set-credentials bot --token=abc
         kubectl config set-context alice --cluster=kubernetes --user=alice -n dev
         kubectl config set-context alice --cluster kubernetes
         kubectl config use-context alice
         kubectl config get-contexts",
        vec![],
    );
    let expected = [
        "User \"alice\" set.\n",
        "User \"bot\" set.\n",
        "Context \"alice\" created.\n",
        "Context \"alice\" modified.\n",
        "Switched to context \"alice\".\n",
        "CURRENT   NAME                          CLUSTER      AUTHINFO           NAMESPACE\n",
        "*         alice                         kubernetes   alice              dev\n",
        "          kubernetes-admin@kubernetes   kubernetes   kubernetes-admin   \n",
    ];
    assert_eq!(told.stdout, expected.concat());
    let asked =
        line("kubectl get pods; kubectl --user=bot get pods; kubectl --context=kubernetes-admin@kubernetes get pods", vec![table(&[]); 3]);
    let sent: Vec<_> = asked.requests.iter().map(|request| (path(request), request.credentials.clone())).collect();
    let of = |namespace: &str| format!("/api/v1/namespaces/{namespace}/pods");
    let wanted = [
        (of("dev"), Credentials::Issued("PEM\n".into())),
        (of("dev"), Credentials::Bearer("abc".into())),
        (of("default"), Credentials::None),
    ];
    assert_eq!(sent, wanted);
    let view = line("kubectl config view --minify", vec![]).stdout;
    let user = "users:\n- name: alice\n  user:\n    client-certificate-data: DATA+OMITTED\n    client-key-data: DATA+OMITTED\n";
    assert!(view.ends_with(user) && view.contains("namespace: dev") && !view.contains("bot"), "{view}");
    let gone = line("kubectl config delete-user alice; kubectl config delete-context alice; kubectl get pods", vec![]);
    assert_eq!(gone.stdout, "deleted user alice from /home/learner/.kube/config\ndeleted context alice from /home/learner/.kube/config\n");
    let warned = "warning: this removed your active context, use \"kubectl config use-context\" to select a different one\n\
                  Error in configuration: context was not found for specified context: alice\n";
    assert_eq!((gone.stderr.as_str(), gone.code), (warned, 1));
}

#[test]
fn a_context_that_leads_nowhere_is_told_before_anything_is_asked() {
    let mut terminal = Terminal::new();
    let mut stderr = |line: &str| run_in(&mut terminal, line, vec![]).stderr;
    assert_eq!(stderr("kubectl config use-context dev"), "error: no context exists with the name: \"dev\"\n");
    assert_eq!(
        stderr("kubectl config set-context dev; kubectl --context dev get pods"),
        "The connection to the server localhost:8080 was refused - did you specify the right host or port?\n"
    );
    assert_eq!(
        stderr("kubectl config set-context dev --cluster=kubernetes --user=nobody; kubectl --context dev get crontabs"),
        "Please enter Username: error: EOF\n"
    );
    assert_eq!(
        stderr("kubectl config set-credentials eve --client-certificate=e.crt; kubectl --user=eve get pods"),
        "Error in configuration: \n* client-key-data or client-key must be specified for eve to use the clientCert authentication method.\n\
         * unable to read client-cert /home/learner/e.crt for eve due to open /home/learner/e.crt: no such file or directory\n"
    );
    assert_eq!(
        stderr("kubectl config set-credentials eve --client-key=e.key --embed-certs"),
        "error: could not stat client-key file e.key: stat e.key: no such file or directory\n"
    );
    assert_eq!(
        stderr("kubectl config set-cluster far --server=https://example.com; kubectl --cluster=far version"),
        "The connection to the server example.com was refused - did you specify the right host or port?\n"
    );
}

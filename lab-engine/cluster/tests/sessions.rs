//! Sessions in containers: what is typed into `kubectl exec -it`, `attach`, `run -it` and `debug -it`, and what comes back.

use cluster::{Cluster, ClusterConfig, CommandResult};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(120);

fn cluster() -> Cluster {
    Cluster::booted(&ClusterConfig::with_nodes(1)).expect("the default configuration is right")
}

fn run(cluster: &mut Cluster, line: &str) -> CommandResult {
    cluster.run_line(line, LIMIT)
}

fn prints(cluster: &mut Cluster, line: &str) -> String {
    let result = run(cluster, line);
    assert_eq!((result.exit_code, result.stderr.as_str()), (0, ""), "{line}");
    result.stdout
}

fn with_pod(image: &str) -> Cluster {
    let mut cluster = cluster();
    run(&mut cluster, &format!("kubectl run web --image={image} -- sh -c 'while true; do sleep 5; done'"));
    assert_eq!(run(&mut cluster, "kubectl wait --for=condition=Ready pod/web").exit_code, 0);
    cluster
}

#[test]
fn a_shell_keeps_its_directory_and_variables_and_ends_with_its_code() {
    let mut cluster = with_pod("busybox");
    assert_eq!(prints(&mut cluster, "kubectl exec -it web -- sh"), "");
    assert_eq!(cluster.terminal().prompt(), Some("/ # "));
    assert_eq!(prints(&mut cluster, "cd /tmp; X=5"), "");
    assert_eq!(cluster.terminal().prompt(), Some("/tmp # "));
    assert_eq!(prints(&mut cluster, "echo $X > f; cat f; pwd"), "5\n/tmp\n");
    assert_eq!(prints(&mut cluster, "for i in 1 2"), "");
    assert_eq!(cluster.terminal().prompt(), Some("> "));
    assert_eq!(prints(&mut cluster, "do echo $i; done"), "1\n2\n");
    assert_eq!(prints(&mut cluster, "fi"), "sh: syntax error: unexpected \"fi\"\n", "a terminal has one output");
    assert_eq!(prints(&mut cluster, "read name"), "");
    assert_eq!(prints(&mut cluster, "Ada"), "");
    assert_eq!(prints(&mut cluster, "echo hello $name"), "hello Ada\n");
    let end = run(&mut cluster, "exit 3");
    assert_eq!((end.exit_code, end.stderr.as_str()), (3, "command terminated with exit code 3\n"));
    assert_eq!((cluster.terminal().prompt(), cluster.terminal().is_busy()), (None, false));
    assert_eq!(prints(&mut cluster, "kubectl exec web -- cat /tmp/f"), "5\n", "the files stay");
}

#[test]
fn control_c_and_control_d_go_to_the_other_end() {
    let mut cluster = with_pod("nginx");
    prints(&mut cluster, "kubectl exec -it web -- bash");
    assert_eq!(cluster.terminal().prompt(), Some("root@web:/# "));
    cluster.start_line("sleep 1000");
    cluster.advance(Duration::from_secs(5), u64::MAX);
    assert!(!cluster.terminal().awaits_line() || cluster.terminal().prompt() == Some(""));
    cluster.interrupt();
    cluster.advance(Duration::from_secs(1), u64::MAX);
    assert_eq!(cluster.terminal().prompt(), Some("root@web:/# "));
    assert_eq!(prints(&mut cluster, "echo $?"), "130\n");
    let end = run(&mut cluster, "\u{4}");
    assert_eq!((end.exit_code, cluster.terminal().is_busy()), (0, false), "{end:?}");
}

#[test]
fn output_comes_as_it_is_printed_and_an_interrupted_command_ends() {
    let mut cluster = with_pod("busybox");
    cluster.start_line("kubectl exec web -- sh -c 'while true; do echo tick; sleep 1; done'");
    cluster.advance(Duration::from_millis(2500), u64::MAX);
    let ticks: String = cluster.terminal_mut().take_output().into_iter().map(|output| output.text).collect();
    assert_eq!(ticks, "tick\ntick\ntick\n");
    cluster.interrupt();
    assert_eq!(cluster.terminal().exit_code(), 130);
    assert_eq!(prints(&mut cluster, "echo in | kubectl exec -i web -- cat"), "in\n");
}

#[test]
fn a_pod_that_is_run_with_a_terminal_is_attached_and_removed() {
    let mut cluster = cluster();
    let begin = run(&mut cluster, "kubectl run -it --rm box --image=busybox --restart=Never");
    assert_eq!(begin.stderr, "If you don't see a command prompt, try pressing enter.\n");
    assert_eq!(cluster.terminal().prompt(), Some("/ # "));
    assert_eq!(prints(&mut cluster, "hostname"), "box\n");
    let end = run(&mut cluster, "exit 2");
    assert_eq!((end.exit_code, end.stdout.as_str()), (2, "pod \"box\" deleted from default namespace\n"));
}

#[test]
fn attaching_again_finds_the_same_shell() {
    let mut cluster = cluster();
    run(&mut cluster, "kubectl run -it box --image=busybox");
    prints(&mut cluster, "x=7");
    cluster.hang_up();
    cluster.advance(Duration::from_secs(1), u64::MAX);
    cluster.terminal_mut().take_output();
    // `run -i` sets `stdinOnce`: the first client's end was the shell's, which was then started anew.
    assert_eq!(prints(&mut cluster, "kubectl get pod box -o jsonpath='{.status.containerStatuses[0].restartCount}'"), "1");
    run(&mut cluster, "kubectl attach -it box");
    assert_eq!(prints(&mut cluster, "echo x=$x"), "x=\n");
    let end = run(&mut cluster, "exit");
    assert_eq!(end.stdout, "Session ended, resume using 'kubectl attach box -c box -i -t' command when the pod is running\n");
}

#[test]
fn a_debugger_gets_a_terminal() {
    let mut cluster = with_pod("nginx");
    let begin = run(&mut cluster, "kubectl debug -it web --image=busybox --target=web -c dbg");
    assert!(begin.stderr.ends_with("If you don't see a command prompt, try pressing enter.\n"), "{}", begin.stderr);
    assert!(prints(&mut cluster, "ps").contains("sleep 5"), "it sees the processes of its target");
    assert_eq!(run(&mut cluster, "exit").exit_code, 0);
}

#[test]
fn a_port_of_the_terminal_leads_to_a_pod_or_to_one_behind_a_service() {
    let mut cluster = cluster();
    prints(&mut cluster, "kubectl create deployment web --image=nginx:1.27 --port=80");
    prints(&mut cluster, "kubectl expose deployment web --port=8000 --target-port=80");
    prints(&mut cluster, "kubectl rollout status deployment web");
    // Without a probe a Pod is ready before its server listens.
    prints(&mut cluster, "sleep 1");
    let forward = run(&mut cluster, "kubectl port-forward svc/web 8080:8000");
    assert_eq!(forward.stdout, "Forwarding from 127.0.0.1:8080 -> 80\nForwarding from [::1]:8080 -> 80\n");
    assert!(prints(&mut cluster, "curl -s localhost:8080").contains("Welcome to nginx!"));
    assert_eq!(prints(&mut cluster, "curl -s -o /dev/null -w '%{http_code}' localhost:8080/none"), "404");
    let taken = run(&mut cluster, "kubectl port-forward deploy/web 8080:80");
    assert!(taken.stderr.ends_with("error: unable to listen on any of the requested ports: [{8080 80}]\n"), "{}", taken.stderr);
    run(&mut cluster, "kubectl port-forward deploy/web 9000:81");
    let refused = run(&mut cluster, "curl localhost:9000");
    assert_eq!(refused.exit_code, 52);
    assert!(refused.stderr.contains("dial tcp4 127.0.0.1:81: connect: connection refused"), "{}", refused.stderr);
    assert_eq!(prints(&mut cluster, "jobs").lines().count(), 2);
    prints(&mut cluster, "kill %1");
    let gone = run(&mut cluster, "curl localhost:8080");
    let message = "curl: (7) Failed to connect to localhost port 8080 after 0 ms: Could not connect to server\n";
    assert_eq!((gone.exit_code, gone.stderr.as_str()), (7, message));
}

#[test]
fn files_are_copied_through_tar_where_there_is_one() {
    let mut cluster = with_pod("busybox");
    prints(&mut cluster, "echo one > a.txt; echo two > conf/b.txt");
    prints(&mut cluster, "kubectl cp a.txt web:/tmp/copied.txt");
    assert_eq!(prints(&mut cluster, "kubectl exec web -- cat /tmp/copied.txt"), "one\n");
    prints(&mut cluster, "kubectl cp conf web:/etc/conf");
    assert_eq!(prints(&mut cluster, "kubectl exec web -- cat /etc/conf/b.txt"), "two\n");
    let from = run(&mut cluster, "kubectl cp default/web:/etc/conf back");
    assert_eq!((from.exit_code, from.stderr.as_str()), (0, "tar: removing leading '/' from member names\n"));
    assert_eq!(prints(&mut cluster, "cat back/b.txt"), "two\n");
    let none = run(&mut cluster, "kubectl cp web:/none here");
    assert_eq!(none.exit_code, 1);
    assert!(none.stderr.contains("tar: /none: No such file or directory"), "{}", none.stderr);
    run(&mut cluster, "kubectl run bare --image=registry.k8s.io/pause:3.10");
    run(&mut cluster, "kubectl wait --for=condition=Ready pod/bare");
    let without = run(&mut cluster, "kubectl cp a.txt bare:/a.txt");
    assert_ne!(without.exit_code, 0);
    assert!(without.stderr.contains("exec: \"tar\": executable file not found in $PATH"), "{}", without.stderr);
}

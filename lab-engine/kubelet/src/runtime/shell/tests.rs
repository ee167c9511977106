//! Scripts and what they print.

use super::Machine;
use crate::runtime::ImageFiles;
use crate::runtime::fs::Tree;
use crate::runtime::log::LogOptions;
use crate::runtime::registry;
use crate::runtime::sandbox::{ContainerConfig, Sandbox, State};
use sim::Time;

/// Runs a script for at most `limit_secs`; its log, its exit code if it ended, and when it stopped.
fn run_for(script: &str, limit_secs: u64) -> (String, Option<i32>, Time) {
    let image = registry::find("docker.io/library/busybox").unwrap();
    let mut sandbox = Sandbox::new("pod-1".to_owned());
    let config = ContainerConfig {
        ports: Vec::new(),
        name: "c".to_owned(),
        image,
        argv: ["sh", "-c", script].map(str::to_owned).to_vec(),
        env: vec![("NAME".to_owned(), "value".to_owned()), ("HOME".to_owned(), "/root".to_owned())],
        cwd: "/".to_owned(),
        mounts: Vec::new(),
        memory_limit: None,
        cpu_milli: None,
        pid_namespace: crate::runtime::sandbox::PidNamespace::Own,
        termination_message_path: String::new(),
        stdin: false,
        tty: false,
        privileged: false,
    };
    let mut host = Tree::default();
    sandbox.start(config, ImageFiles::default().root(image), Time::ZERO).unwrap();
    let mut now = Time::ZERO;
    while let Some(at) = sandbox.next_wake().filter(|at| *at <= Time::from_secs(limit_secs)) {
        now = at;
        sandbox.advance(now, &mut host);
    }
    let code = match sandbox.containers[0].state {
        State::Exited { code, .. } => Some(code),
        State::Running => None,
    };
    (sandbox.containers[0].log.read(now, &LogOptions::default()), code, now)
}

fn check(script: &str, output: &str, code: i32) {
    let (text, exit, _) = run_for(script, 3600);
    assert_eq!((text.as_str(), exit), (output, Some(code)), "{script}");
}

#[test]
fn scripts_print_what_ash_prints() {
    for (script, output) in [
        ("echo hello", "hello\n"),
        ("echo $NAME \"$NAME x\" '$NAME'", "value value x $NAME\n"),
        ("a=1; b=$((a + 2)); echo $a$b", "13\n"),
        ("echo $(echo in $(echo deep))", "in deep\n"),
        ("x='a  b'; echo $x; echo \"$x\"", "a b\na  b\n"),
        ("for i in 1 2 3; do echo -n $i; done", "123"),
        ("echo 'a  b   c' | tr -s ' '", "a b c\n"),
        ("echo 'a  b   c' | awk '{print $2}'", "b\n"),
        ("echo aabbcc | tr -s ab xy", "xycc\n"),
        ("echo 'a-b_c' | tr -d '_-' | tr '[:lower:]' '[:upper:]'", "ABC\n"),
        ("echo 'a1b2' | tr -cd '[:digit:]'", "12"),
        ("echo 'key=old' | sed -e 's/old/new/' -e 's/=/: /'", "key: new\n"),
        ("echo b > /tmp/f; sed -i 's/b/c/' /tmp/f; cat /tmp/f", "c\n"),
        (
            "sleep 50 & (sleep 60; true) & sleep 1; ps; pgrep sleep; kill $! 99",
            "PID   USER     TIME  COMMAND\n    1 root      0:00 sh -c sleep 50 & (sleep 60; true) & sleep 1; ps; pgrep sleep; kill $! 99\n    \
             2 root      0:00 sleep 50\n    3 root      0:00 sh -c sleep 50 & (sleep 60; true) & sleep 1; ps; pgrep sleep; kill $! 99\n    \
             9 root      0:00 ps\n2\nsh: can't kill pid 99: No such process\n",
        ),
        ("i=0; while [ $i -lt 3 ]; do echo $i; i=$((i+1)); done", "0\n1\n2\n"),
        ("i=3; until [ $i -eq 0 ]; do i=$((i-1)); done; echo $i", "0\n"),
        ("if false; then echo a; elif true; then echo b; else echo c; fi", "b\n"),
        ("case abc in x) echo x;; a*|b) echo a;; *) echo any;; esac", "a\n"),
        ("a=(x 'y z' $(echo w)); echo ${a[1]} $a ${#a[@]}; a=(\n1\n); echo ${a[0]}${a[1]}", "y z x 3\n1\n"),
        ("a=(b c); i=1; for x in \"${a[@]}\" d; do echo -n \"$x,\"; done; echo ${a[$i]}${a[i-1]}${a[-1]}${#a[1]}", "b,c,d,cbc1\n"),
        ("f() { echo \"f $1\"; return 3; }; f x; echo $?", "f x\n3\n"),
        ("false && echo no || echo yes", "yes\n"),
        ("! false; echo $?", "0\n"),
        ("echo one > /tmp/f; echo two >> /tmp/f; cat /tmp/f", "one\ntwo\n"),
        ("printf '%s-%03d\\n' a 7 b 8", "a-007\nb-008\n"),
        ("seq 5 | head -n 2 | wc -l", "2\n"),
        ("printf 'b\\na\\n' | sort | tr a-z A-Z", "A\nB\n"),
        ("echo a:b:c | cut -d: -f2", "b\n"),
        ("echo hello | grep -q ell && echo found", "found\n"),
        ("(cd /tmp; pwd); pwd", "/tmp\n/\n"),
        ("echo ${X:-none} ${NAME%ue} ${#NAME}", "none val 5\n"),
        ("cat <<EOF\nhi $NAME\nEOF\necho end", "hi value\nend\n"),
        ("for i in 1 2 3 4; do [ $i = 2 ] && continue; [ $i = 4 ] && break; echo $i; done", "1\n3\n"),
        ("printf 'x 1\\ny 2\\n' | while read a b; do echo $b$a; done", "1x\n2y\n"),
        ("mkdir -p /a/b; touch /a/b/c; ls /a/b; rm -r /a; ls /a", "c\nls: /a: No such file or directory\n"),
        ("[[ -e /etc/passwd ]] && echo yes # comment", "yes\n"),
        ("echo `echo old`", "old\n"),
        ("hostname; whoami; basename /a/b.txt .txt; dirname /a/b", "pod-1\nroot\nb\n/a\n"),
        ("sleep 1 & sleep 2; wait; echo done", "done\n"),
        ("wget -qO- http://localhost:80", "wget: can't connect to remote host (127.0.0.1): Connection refused\n"),
        ("echo a; echo b 1>&2; echo c 2>/dev/null", "a\nb\nc\n"),
        ("date +%Y-%m-%d", "2026-05-04\n"),
    ] {
        let (text, _, _) = run_for(script, 60);
        assert_eq!(text, output, "{script}");
    }
}

#[test]
fn errors_are_those_of_the_shell() {
    check("nosuch", "sh: nosuch: not found\n", 127);
    check("exit 3", "", 3);
    check("echo 'x", "sh: syntax error: unterminated quoted string\n", 2);
    check("if true; then echo a", "sh: syntax error: unexpected end of file (expecting \"fi\")\n", 2);
    check("done", "sh: syntax error: unexpected \"done\"\n", 2);
    check("cat /nosuch", "cat: can't open '/nosuch': No such file or directory\n", 1);
    check("set -e; false; echo never", "", 1);
    check("trap 'echo bye' EXIT; exit 4", "bye\n", 4);
}

#[test]
fn time_passes_as_the_script_says() {
    let (text, code, at) = run_for("sleep 10 && echo Sleep expired", 60);
    assert_eq!((text.as_str(), code, at.as_secs()), ("Sleep expired\n", Some(0), 10));
    let (text, code, _) = run_for("while true; do date +%s; sleep 5; done", 22);
    assert_eq!((text.lines().count(), code), (5, None));
}

#[test]
fn endless_scripts_cost_virtual_time_only() {
    for script in
        ["while true; do :; done", "f() { f; }; f", "while true; do echo x; done", "x=a; while true; do x=$x$x; done", ":(){ :|:& };:"]
    {
        let (_, _, at) = run_for(script, 120);
        assert!(at.as_secs() <= 120, "{script}");
    }
    let deep = format!("echo {}x{}", "$(echo ".repeat(500), ")".repeat(500));
    assert_eq!(run_for(&deep, 10).1, Some(2));
    assert!(Machine::has_tool("sh"));
}

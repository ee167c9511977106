//! What a container sees of its namespaces: processes (`ps`, `kill`) and addresses (`ip`).
//!
//! The containers of a Pod share one network namespace, and so one `eth0`. Each has a PID namespace of its own, in which its first process is
//! number 1, unless the Pod sets `shareProcessNamespace`: then number 1 is the sandbox's `/pause`, and all see one another's processes.
//!
//! **Simplified here:** of each container the first process is seen, and of commands the one that looks; `ip` knows `addr` and `route`.

use super::super::sandbox::Ctx;
use std::fmt::Write as _;

/// `ps`, as busybox prints it.
pub(super) fn ps(jobs: usize, ctx: &Ctx<'_>) -> String {
    let mut text = "PID   USER     TIME  COMMAND\n".to_owned();
    let processes = ctx.processes();
    for process in &processes {
        let user = if process.command == "/pause" { "65535" } else { "root" };
        let minutes = ctx.now().since(process.started).as_secs() / 60;
        let _ = writeln!(text, "{:>5} {user:<8} {minutes:>2}:00 {}", process.pid, process.command);
    }
    let own = processes.iter().map(|process| process.pid).max().unwrap_or(0) + 6 + jobs;
    let _ = writeln!(text, "{own:>5} root      0:00 ps");
    text
}

/// `ip addr` and `ip route`; `None` when it is asked for something else.
pub(super) fn ip(args: &[String], ctx: &Ctx<'_>) -> Option<String> {
    let object = args.iter().find(|arg| !arg.starts_with('-')).map_or("", String::as_str);
    let address = ctx.ip();
    let octets: Vec<u8> = address.split('.').filter_map(|octet| octet.parse().ok()).collect();
    let [a, b, c, d] = octets[..] else { return None };
    match object {
        "a" | "addr" | "address" => Some(format!(
            "1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue qlen 1000\n    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00\n    \
             inet 127.0.0.1/8 scope host lo\n       valid_lft forever preferred_lft forever\n2: eth0@if{}: \
             <BROADCAST,MULTICAST,UP,LOWER_UP,M-DOWN> mtu 1500 qdisc noqueue\n    link/ether 0a:58:{a:02x}:{b:02x}:{c:02x}:{d:02x} brd \
             ff:ff:ff:ff:ff:ff\n    inet {address}/24 brd {a}.{b}.{c}.255 scope global eth0\n       valid_lft forever preferred_lft forever\n",
            u16::from(d) + 3
        )),
        "r" | "route" => Some(format!("default via {a}.{b}.{c}.1 dev eth0\n{a}.{b}.{c}.0/24 dev eth0 scope link  src {address}\n")),
        _ => None,
    }
}

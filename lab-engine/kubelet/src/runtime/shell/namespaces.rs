//! What a container sees of its namespaces: processes (`ps`, `kill`) and addresses (`ip`).
//!
//! The containers of a Pod share one network namespace, and so one `eth0`. Each has a PID namespace of its own, in which its first process is
//! number 1, unless the Pod sets `shareProcessNamespace`: then number 1 is the sandbox's `/pause`, and all see one another's processes.
//!
//! **Simplified here:** of each container the first process and its background jobs are seen, and of commands the one that looks with its
//! own; `ip` knows `addr` and `route`; of `/proc` there is `/proc/PID/root` alone, for those that read files (`cat`, `head`, `grep`, `ls`, `test`),
//! without a look at capabilities.

use super::super::fs::View;
use super::super::sandbox::Ctx;
use super::machine::Child;
use super::sed;
use sim::Time;
use std::fmt::Write as _;

/// The files that a path leads to, and the path there: below `/proc/PID/root` those of that process, if the container sees it.
pub(super) fn files_at<'a>(path: &str, ctx: &'a mut Ctx<'_>) -> (View<'a>, String) {
    match root_of_process(path, ctx) {
        Some((container, rest)) => (ctx.files_of(container), rest),
        None => (ctx.files(), path.to_owned()),
    }
}

/// The container of the process whose root a path goes through, and what is left of the path.
fn root_of_process(path: &str, ctx: &Ctx<'_>) -> Option<(usize, String)> {
    let (pid, rest) = path.strip_prefix("/proc/")?.split_once('/')?;
    let pid: usize = pid.parse().ok()?;
    let rest = rest.strip_prefix("root").filter(|rest| rest.is_empty() || rest.starts_with('/'))?;
    let process = ctx.processes().into_iter().find(|process| process.pid == pid)?;
    Some((process.container?, if rest.is_empty() { "/" } else { rest }.to_owned()))
}

/// The processes that a shell of the container sees, with its own jobs, by number: number, user, minutes since the start, command.
fn processes(jobs: Vec<Child>, ctx: &Ctx<'_>) -> Vec<(usize, &'static str, u64, String)> {
    let user = |command: &str| if command == "/pause" { "65535" } else { "root" };
    let minutes = |started: Time| ctx.now().since(started).as_secs() / 60;
    let seen = ctx.processes().into_iter();
    let mut all: Vec<_> = seen.map(|one| (one.pid, user(&one.command), minutes(one.started), one.command)).collect();
    let shell = all.first().map_or_else(String::new, |(.., command)| command.clone());
    for job in jobs {
        let command = job.command.map_or_else(|| shell.clone(), |command| command.to_string());
        all.push((job.pid, "root", minutes(job.started), command));
    }
    all.sort_by_key(|(pid, ..)| *pid);
    all.dedup_by_key(|(pid, ..)| *pid);
    all
}

/// `ps`, as busybox prints it.
pub(super) fn ps(jobs: Vec<Child>, ctx: &Ctx<'_>) -> String {
    let mut text = "PID   USER     TIME  COMMAND\n".to_owned();
    let processes = processes(jobs, ctx);
    let own = processes.last().map_or(0, |(pid, ..)| *pid) + 6;
    for (pid, user, minutes, command) in processes {
        let _ = writeln!(text, "{pid:>5} {user:<8} {minutes:>2}:00 {command}");
    }
    let _ = writeln!(text, "{own:>5} root      0:00 ps");
    text
}

/// `pgrep`: the numbers of the processes whose name, or with `-f` whose command line, a pattern matches.
///
/// # Errors
/// What it complains about.
pub(super) fn pgrep(args: &[String], jobs: Vec<Child>, ctx: &Ctx<'_>) -> Result<String, String> {
    let flags: String = args.iter().filter_map(|arg| arg.strip_prefix('-')).collect();
    let Some(pattern) = args.iter().find(|arg| !arg.starts_with('-')) else {
        return Err("pgrep: no pattern was given".to_owned());
    };
    let exact = flags.contains('x');
    let pattern = if exact { format!("^({pattern})$") } else { pattern.clone() };
    let regex = sed::regex(&pattern, true, false).map_err(|error| format!("pgrep: {error}"))?;
    let mut text = String::new();
    for (pid, _, _, command) in processes(jobs, ctx) {
        let program = command.split(' ').next().unwrap_or_default();
        let name = program.rsplit('/').next().unwrap_or_default();
        if regex.is_match(if flags.contains('f') { &command } else { name }) {
            let _ = if flags.contains('l') { writeln!(text, "{pid} {name}") } else { writeln!(text, "{pid}") };
        }
    }
    Ok(text)
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

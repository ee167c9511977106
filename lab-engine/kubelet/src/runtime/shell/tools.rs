//! The usual tools, each in its simplest true form (BusyBox applets).
//!
//! **Simplified here:** of each tool only the options that scripts in manifests use; an unknown option is ignored.

use super::machine::{Frame, Thread};
use super::{namespaces, net, sed, tar, test, text_tools};
use crate::runtime::disk::large_file;
use crate::runtime::fs::{FsError, normalize};
use crate::runtime::programs::{Output, seconds};
use crate::runtime::sandbox::Ctx;
use sim::Time;
use std::time::Duration;

/// What becomes of a tool.
pub(super) enum Outcome {
    /// It has ended.
    Done(i32),
    /// It goes on with this.
    Then(Frame),
    /// It runs another command in its place.
    Run(Vec<String>),
}

const NAMES: &[&str] = &[
    "echo",
    "printf",
    "cat",
    "ls",
    "env",
    "printenv",
    "sleep",
    "touch",
    "rm",
    "mkdir",
    "rmdir",
    "cp",
    "mv",
    "test",
    "[",
    "[[",
    "grep",
    "wget",
    "curl",
    "nslookup",
    "ps",
    "kill",
    "date",
    "hostname",
    "head",
    "tail",
    "wc",
    "seq",
    "expr",
    "true",
    "false",
    "id",
    "whoami",
    "sync",
    "tee",
    "sort",
    "cut",
    "awk",
    "basename",
    "dirname",
    "uname",
    "pwd",
    "chmod",
    "chown",
    "uniq",
    "tr",
    "rev",
    "timeout",
    "stat",
    "df",
    "ln",
    "which",
    "nproc",
    "ping",
    "nc",
    "command",
    "type",
    "usleep",
    "sysctl",
    "ip",
    "iptables-save",
    "ipvsadm",
    "conntrack",
    "nft",
    "ipset",
    "dd",
    "fallocate",
    "tar",
    "sed",
    "pgrep",
];

/// Whether there is a tool of this name.
pub(super) fn exists(name: &str) -> bool {
    NAMES.contains(&name)
}

/// Runs a tool; `None` when there is none of this name.
pub(super) fn run(thread: &mut Thread, name: &str, args: &[String], ctx: &mut Ctx<'_>, out: &mut Output) -> Option<Outcome> {
    if let Some(status) = text_tools::run(thread, name, args, ctx, out) {
        return Some(Outcome::Done(status));
    }
    let arg = |index: usize| args.get(index).map_or("", String::as_str);
    let plain: Vec<&str> = args.iter().map(String::as_str).filter(|arg| !arg.starts_with('-')).collect();
    let mut say = |thread: &mut Thread, text: String| thread.write(1, &text, ctx, out);
    let status = match name {
        "true" | "sync" | "chown" | "ln" => 0,
        "false" => 1,
        "echo" => {
            say(thread, echo(args));
            0
        }
        "printf" => {
            say(thread, printf(arg(0), args.get(1..).unwrap_or_default()));
            0
        }
        "env" if plain.is_empty() => {
            let text = thread.environment().into_iter().map(|(name, value)| format!("{name}={value}\n")).collect();
            say(thread, text);
            0
        }
        "env" => return env(thread, args),
        "printenv" => printenv(thread, args, ctx, out),
        "pwd" => {
            say(thread, format!("{}\n", thread.cwd));
            0
        }
        "seq" => {
            say(thread, seq(&plain));
            0
        }
        "whoami" => {
            say(thread, "root\n".to_owned());
            0
        }
        "id" => {
            say(thread, if args.is_empty() { "uid=0(root) gid=0(root) groups=0(root)\n" } else { "0\n" }.to_owned());
            0
        }
        "nproc" => {
            say(thread, "4\n".to_owned());
            0
        }
        "basename" => {
            let name = arg(0).trim_end_matches('/').rsplit('/').next().unwrap_or("");
            say(thread, format!("{}\n", name.strip_suffix(arg(1)).filter(|name| !name.is_empty()).unwrap_or(name)));
            0
        }
        "dirname" => {
            let parent =
                arg(0).trim_end_matches('/').rsplit_once('/').map_or(".", |(parent, _)| if parent.is_empty() { "/" } else { parent });
            say(thread, format!("{parent}\n"));
            0
        }
        "test" | "[" | "[[" => return Some(Outcome::Done(test::run(thread, name, args, ctx, out))),
        "command" if arg(0) != "-v" && !args.is_empty() => return Some(Outcome::Run(args.to_vec())),
        "command" | "type" | "which" => {
            let wanted = plain.first().copied().unwrap_or("");
            let found = exists(wanted) || matches!(wanted, "sh" | "cd" | "exit");
            if found {
                say(thread, format!("/bin/{wanted}\n"));
            }
            i32::from(!found)
        }
        "sleep" | "usleep" => return Some(sleep(thread, name, args, ctx, out)),
        "timeout" => return Some(Outcome::Run(plain.get(1..).unwrap_or(&["true"]).iter().map(|word| (*word).to_owned()).collect())),
        "date" | "hostname" | "uname" | "ps" => {
            let text = about(thread, name, args, ctx);
            thread.write(1, &text, ctx, out);
            0
        }
        "ip" => match namespaces::ip(args, ctx) {
            Some(text) => {
                thread.write(1, &text, ctx, out);
                0
            }
            None => {
                thread.write(2, "ip: this one knows 'ip addr' and 'ip route'\n", ctx, out);
                1
            }
        },
        "sysctl" => sysctl(thread, args, ctx, out),
        "kill" => kill(thread, args, ctx, out),
        "pgrep" => match namespaces::pgrep(args, thread.family(), ctx) {
            Ok(found) => {
                thread.write(1, &found, ctx, out);
                i32::from(found.is_empty())
            }
            Err(error) => {
                thread.write(2, &format!("{error}\n"), ctx, out);
                2
            }
        },
        "df" => {
            thread.write(1, "Filesystem           1K-blocks      Used Available Use% Mounted on\noverlay              104857600         0 104857600   0% /\n", ctx, out);
            0
        }
        "sed" => sed::run(thread, args, ctx, out),
        "awk" => super::awk::run(thread, args, ctx, out),
        "tar" => tar::run(thread, args, ctx, out),
        "dd" | "fallocate" => allocate(thread, name, args, ctx, out),
        "ls" => ls(thread, args, ctx, out),
        "touch" | "rm" | "mkdir" | "rmdir" | "cp" | "mv" | "chmod" | "stat" => files(thread, name, args, &plain, ctx, out),
        "tail" if args.iter().any(|arg| matches!(arg.as_str(), "-f" | "-F")) => {
            let path = normalize(&thread.cwd, plain.iter().rfind(|word| word.parse::<u32>().is_err()).copied().unwrap_or("/dev/null"));
            return Some(Outcome::Then(Frame::Follow { path, at: 0 }));
        }
        "wget" | "curl" | "nslookup" | "ping" | "nc" | "iptables-save" | "ipvsadm" | "conntrack" | "ipset" | "nft" => {
            return Some(net::run(thread, name, args, ctx, out));
        }
        _ => return None,
    };
    Some(Outcome::Done(status))
}

/// `dd` and `fallocate`.
fn allocate(thread: &mut Thread, name: &str, args: &[String], ctx: &mut Ctx<'_>, out: &mut Output) -> i32 {
    let done = large_file(name, args).and_then(|(file, bytes, told)| {
        let made = ctx.files().allocate(&normalize(&thread.cwd, &file), bytes);
        made.map(|()| told).map_err(|error| match error {
            FsError::NoSpace if name == "dd" => format!("dd: error writing '{file}': {error}"),
            FsError::NoSpace => format!("fallocate: fallocate failed: {error}"),
            _ => format!("{name}: can't open '{file}': {error}"),
        })
    });
    match done {
        Ok(told) => {
            thread.write(2, &told, ctx, out);
            0
        }
        Err(error) => {
            thread.write(2, &format!("{error}\n"), ctx, out);
            1
        }
    }
}

/// What `date`, `hostname`, `uname` and `ps` print.
fn about(thread: &Thread, name: &str, args: &[String], ctx: &Ctx<'_>) -> String {
    let arg = args.first().map_or("", String::as_str);
    let host = ctx.hostname();
    match (name, arg) {
        ("date", _) => date(ctx.now(), args),
        ("hostname", "-i" | "-I") => format!("{}\n", ctx.ip()),
        ("hostname", _) | ("uname", "-n") => format!("{host}\n"),
        ("uname", "-a") => format!("Linux {host} 6.12.0 #1 SMP x86_64 GNU/Linux\n"),
        ("uname", "-r") => "6.12.0\n".to_owned(),
        ("uname", "-m") => "x86_64\n".to_owned(),
        ("uname", _) => "Linux\n".to_owned(),
        _ => namespaces::ps(thread.family(), ctx),
    }
}

fn echo(args: &[String]) -> String {
    let flags = args.iter().take_while(|arg| arg.len() > 1 && arg.starts_with('-') && arg[1..].chars().all(|c| "neE".contains(c))).count();
    let set: String = args[..flags].concat();
    let text = args[flags..].join(" ");
    let text = if set.contains('e') { unescape(&text) } else { text };
    if set.contains('n') { text } else { text + "\n" }
}

fn unescape(text: &str) -> String {
    let mut result = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, if c == '\\' { chars.next() } else { None }) {
            ('\\', Some('n')) => result.push('\n'),
            ('\\', Some('t')) => result.push('\t'),
            ('\\', Some('r')) => result.push('\r'),
            ('\\', Some('\\')) => result.push('\\'),
            ('\\', Some(other)) => result.extend(['\\', other]),
            (c, _) => result.push(c),
        }
    }
    result
}

/// `printf`: the format is used again while there are arguments.
pub(super) fn printf(format: &str, args: &[String]) -> String {
    let format = unescape(format);
    let mut args = args.iter();
    let mut result = String::new();
    loop {
        let before = args.len();
        let mut chars = format.chars().peekable();
        while let Some(c) = chars.next() {
            if c != '%' {
                result.push(c);
                continue;
            }
            let mut width = String::new();
            while let Some(c) = chars.next_if(|c| c.is_ascii_digit() || matches!(c, '-' | '.')) {
                width.push(c);
            }
            let zero = width.starts_with('0');
            let left = width.starts_with('-');
            let size =
                width.trim_start_matches(['-', '0']).split('.').next().and_then(|size| size.parse::<usize>().ok()).unwrap_or(0).min(200);
            let text = match chars.next() {
                Some('%') => "%".to_owned(),
                Some('d' | 'i' | 'u') => args.next().and_then(|arg| arg.trim().parse::<i64>().ok()).unwrap_or(0).to_string(),
                Some('b') => unescape(args.next().map_or("", String::as_str)),
                _ => args.next().cloned().unwrap_or_default(),
            };
            result.push_str(&match (left, zero) {
                (true, _) => format!("{text:<size$}"),
                (_, true) => format!("{text:0>size$}"),
                _ => format!("{text:>size$}"),
            });
        }
        if args.len() == 0 || args.len() == before || result.len() > 1 << 20 {
            return result;
        }
    }
}

fn env(thread: &mut Thread, args: &[String]) -> Option<Outcome> {
    let split = args.iter().take_while(|arg| arg.contains('=') || arg.starts_with('-')).count();
    for (name, value) in args[..split].iter().filter_map(|arg| arg.split_once('=')) {
        thread.vars.insert(name.to_owned(), value.to_owned());
    }
    Some(if split < args.len() { Outcome::Run(args[split..].to_vec()) } else { Outcome::Done(0) })
}

fn printenv(thread: &mut Thread, args: &[String], ctx: &mut Ctx<'_>, out: &mut Output) -> i32 {
    let env = thread.environment();
    if args.is_empty() {
        let text: String = env.into_iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        thread.write(1, &text, ctx, out);
        return 0;
    }
    let mut status = 0;
    for wanted in args {
        match env.iter().find(|(name, _)| name == wanted) {
            Some((_, value)) => thread.write(1, &format!("{value}\n"), ctx, out),
            None => status = 1,
        }
    }
    status
}

fn seq(args: &[&str]) -> String {
    let number = |text: &str| text.parse::<i64>().unwrap_or(1);
    let (first, step, last) = match args {
        [last] => (1, 1, number(last)),
        [first, last] => (number(first), 1, number(last)),
        [first, step, last, ..] => (number(first), number(step), number(last)),
        [] => return String::new(),
    };
    let mut text = String::new();
    let mut value = first;
    while step != 0 && (if step > 0 { value <= last } else { value >= last }) && text.len() < 256 << 10 {
        text.push_str(&format!("{value}\n"));
        value = value.saturating_add(step);
    }
    text
}

fn sleep(thread: &mut Thread, name: &str, args: &[String], ctx: &mut Ctx<'_>, out: &mut Output) -> Outcome {
    let mut total = Duration::ZERO;
    if args.is_empty() {
        thread.write(2, "sleep: missing operand\n", ctx, out);
        return Outcome::Done(1);
    }
    for arg in args {
        if name == "usleep" {
            total += Duration::from_micros(arg.parse().unwrap_or(0));
        } else if matches!(arg.as_str(), "infinity" | "inf") {
            total = Duration::from_secs(1_000_000_000);
        } else if let Some(time) = seconds(arg) {
            total = total.saturating_add(time);
        } else {
            thread.write(2, &format!("sleep: invalid number '{arg}'\n"), ctx, out);
            return Outcome::Done(1);
        }
    }
    Outcome::Then(Frame::Sleep(ctx.now().saturating_add(total)))
}

/// `sysctl KEY=VALUE`: a container may set the kernel's parameters when it is privileged. What they are set to matters to nobody here.
fn sysctl(thread: &mut Thread, args: &[String], ctx: &mut Ctx<'_>, out: &mut Output) -> i32 {
    let mut status = 0;
    for word in args.iter().filter(|arg| !arg.starts_with('-')) {
        match word.split_once('=') {
            Some((key, value)) if ctx.is_privileged() => thread.write(1, &format!("{key} = {value}\n"), ctx, out),
            Some((key, _)) => {
                thread.write(2, &format!("sysctl: error setting key '{key}': Read-only file system\n"), ctx, out);
                status = 1;
            }
            None => {
                thread.write(2, &format!("sysctl: error: '{word}' is an unknown key\n"), ctx, out);
                status = 1;
            }
        }
    }
    status
}

fn kill(thread: &mut Thread, args: &[String], ctx: &mut Ctx<'_>, out: &mut Output) -> i32 {
    let signal = args.iter().find_map(|arg| arg.strip_prefix('-')).unwrap_or("TERM").trim_start_matches("SIG");
    let signal = match signal {
        "15" | "s" => "TERM",
        "2" => "INT",
        "3" => "QUIT",
        "9" => "KILL",
        "0" => "",
        signal => signal,
    };
    let seen: Vec<usize> = ctx.processes().iter().map(|process| process.pid).collect();
    let words: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-') && arg.parse::<i64>().is_ok()).collect();
    if words.is_empty() {
        thread.kill_jobs();
        return 0;
    }
    let mut status = 0;
    for word in words {
        let pid = word.parse().unwrap_or(0);
        let is_job = thread.family().iter().any(|child| child.pid == pid);
        if is_job && !signal.is_empty() {
            thread.kill_job(pid);
        } else if seen.contains(&pid) {
            ctx.signal(pid, signal);
        } else if !is_job {
            thread.write(2, &format!("sh: can't kill pid {pid}: No such process\n"), ctx, out);
            status = 1;
        }
    }
    status
}

fn date(now: Time, args: &[String]) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let text = now.rfc3339();
    let unix = now.unix_seconds();
    let day = usize::try_from(unix.div_euclid(86_400).rem_euclid(7)).unwrap_or(0);
    let month = text[5..7].parse::<usize>().map_or("Jan", |month| MONTHS[(month - 1) % 12]);
    let format = args.iter().find_map(|arg| arg.strip_prefix('+'));
    let default = format!("{} {month} {:>2} {} UTC {}\n", DAYS[day], text[8..10].trim_start_matches('0'), &text[11..19], &text[..4]);
    let Some(format) = format else { return default };
    let pairs = [
        ("%Y", &text[..4]),
        ("%m", &text[5..7]),
        ("%d", &text[8..10]),
        ("%H", &text[11..13]),
        ("%M", &text[14..16]),
        ("%S", &text[17..19]),
        ("%F", &text[..10]),
        ("%T", &text[11..19]),
        ("%a", DAYS[day]),
        ("%b", month),
        ("%Z", "UTC"),
    ];
    let result = pairs.iter().fold(format.to_owned(), |format, (key, value)| format.replace(key, value));
    result.replace("%s", &unix.to_string()).replace("%N", &format!("{:09}", now.as_nanos() % 1_000_000_000)) + "\n"
}

fn ls(thread: &mut Thread, args: &[String], ctx: &mut Ctx<'_>, out: &mut Output) -> i32 {
    let flags: String = args.iter().filter(|arg| arg.starts_with('-')).map(String::as_str).collect();
    let paths: Vec<&str> = args.iter().map(String::as_str).filter(|arg| !arg.starts_with('-')).collect();
    let paths = if paths.is_empty() { vec!["."] } else { paths };
    let mut status = 0;
    for path in &paths {
        let (view, full) = namespaces::files_at(&normalize(&thread.cwd, path), ctx);
        let names = match view.list(&full) {
            Ok(names) => names,
            Err(FsError::NotDirectory) => vec![String::new()],
            Err(error) => {
                thread.write(2, &format!("ls: {path}: {error}\n"), ctx, out);
                status = 1;
                continue;
            }
        };
        let mut text = if paths.len() > 1 && view.is_dir(&full) { format!("{path}:\n") } else { String::new() };
        for name in names.iter().filter(|name| !name.starts_with('.') || flags.contains('a')) {
            let file = if name.is_empty() { full.clone() } else { format!("{}/{name}", full.trim_end_matches('/')) };
            let shown = if name.is_empty() { path } else { name.as_str() };
            if flags.contains('l') {
                let kind = if view.is_dir(&file) { 'd' } else { '-' };
                let size = view.read(&file).map_or(4096, str::len);
                text.push_str(&format!("{kind}{}    1 root     root     {size:>9} {shown}\n", permissions(view.mode(&file))));
            } else {
                text.push_str(&format!("{shown}\n"));
            }
        }
        thread.write(1, &text, ctx, out);
    }
    status
}

fn permissions(mode: u32) -> String {
    (0..9).rev().map(|bit| if mode >> bit & 1 == 1 { ['x', 'w', 'r'][bit % 3] } else { '-' }).collect()
}

fn files(thread: &mut Thread, name: &str, args: &[String], plain: &[&str], ctx: &mut Ctx<'_>, out: &mut Output) -> i32 {
    let flags: String = args.iter().filter(|arg| arg.starts_with('-')).map(String::as_str).collect();
    let full = |path: &str| normalize(&thread.cwd, path);
    let mut errors = Vec::new();
    if matches!(name, "cp" | "mv") {
        let [sources @ .., to] = plain else { return 1 };
        for source in sources {
            let mut target = full(to);
            if ctx.files().is_dir(&target) {
                target = format!("{}/{}", target.trim_end_matches('/'), source.rsplit('/').next().unwrap_or(""));
            }
            let copied = ctx.files().read(&full(source)).map(str::to_owned).and_then(|text| ctx.files().write(&target, &text, false));
            let done = if name == "mv" { copied.and_then(|()| ctx.files().remove(&full(source), true)) } else { copied };
            errors.extend(done.err().map(|error| format!("{name}: can't stat '{source}': {error}\n")));
        }
    } else {
        let (mode, paths) = if name == "chmod" { plain.split_at(plain.len().min(1)) } else { plain.split_at(0) };
        for path in paths {
            let target = full(path);
            let mut view = ctx.files();
            let done = match name {
                "touch" => view.write(&target, "", true),
                "mkdir" => view.make_dir(&target, flags.contains('p')),
                "chmod" => match mode.first().and_then(|mode| u32::from_str_radix(mode, 8).ok()) {
                    Some(mode) if !view.is_dir(&target) => view.set_mode(&target, mode),
                    _ => Ok(()),
                },
                "stat" => {
                    if view.exists(&target) {
                        Ok(())
                    } else {
                        Err(FsError::NotFound)
                    }
                }
                _ if view.is_dir(&target) && name == "rm" && !flags.contains(['r', 'R']) => Err(FsError::IsDirectory),
                _ => match view.remove(&target, name == "rm") {
                    Err(FsError::NotFound) if flags.contains('f') => Ok(()),
                    done => done,
                },
            };
            errors.extend(done.err().map(|error| match name {
                "rm" => format!("rm: can't remove '{path}': {error}\n"),
                "mkdir" => format!("mkdir: can't create directory '{path}': {error}\n"),
                _ => format!("{name}: {path}: {error}\n"),
            }));
        }
    }
    errors.iter().for_each(|error| thread.write(2, error, ctx, out));
    i32::from(!errors.is_empty())
}

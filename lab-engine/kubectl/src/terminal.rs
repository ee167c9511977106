//! The learner's terminal: runs one line at a time and keeps files and exit status.
//!
//! **Simplified here:** only `kubectl` (or `k`), `etcdctl`, `etcdutl`, `etcd`, `cat`, `clear`, `curl`,
//! `echo`, `export`, `help`, `jobs`, `kill`, `ls`, `rm`, `sleep`, `true`, `false` and the tools of a pipe exist.

use crate::commands;
use crate::curl::{Call, Curl};
use crate::etcdctl::{self, Etcdctl};
use crate::files::Files;
use crate::forward::Forwards;
use crate::invocation::{Environment, Kubectl, Usage};
use crate::keyboard::Session;
use crate::kubeconfig::Kubeconfig;
use crate::shell::{self, Simple};
use crate::tools;
use client::{Component, Input, Outbox};
use sim::Time;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// The longest line, with its here-document, in bytes.
pub const MAX_LINE_BYTES: usize = 1024 * 1024;

/// Where text was printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Something printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Where.
    pub stream: Stream,
    /// What; lines end with `\n`. `clear` prints the control sequence that real terminals get.
    pub text: String,
}

impl Default for Terminal {
    fn default() -> Self {
        Self::new()
    }
}

/// A program that runs until it has its answers.
#[derive(Debug)]
pub(crate) enum Program {
    Kubectl(Kubectl),
    Etcdctl(Etcdctl),
    Curl(Curl),
}

impl Program {
    fn interrupt(&mut self, out: &mut Outbox) {
        match self {
            Program::Kubectl(kubectl) => kubectl.interrupt(out),
            Program::Etcdctl(etcdctl) => etcdctl.interrupt(out),
            Program::Curl(curl) => curl.interrupt(),
        }
    }

    fn take_output(&mut self) -> Vec<Output> {
        match self {
            Program::Kubectl(kubectl) => kubectl.take_output(),
            Program::Etcdctl(etcdctl) => etcdctl.take_output(),
            Program::Curl(curl) => curl.take_output(),
        }
    }

    pub(crate) fn reads(&self) -> Option<bool> {
        match self {
            Program::Kubectl(kubectl) => kubectl.reads(),
            Program::Etcdctl(_) | Program::Curl(_) => None,
        }
    }

    fn next_wake(&self) -> Option<Time> {
        match self {
            Program::Kubectl(kubectl) => kubectl.next_wake(),
            Program::Etcdctl(etcdctl) => etcdctl.next_wake(),
            Program::Curl(_) => None,
        }
    }
}

/// The learner's terminal.
#[derive(Debug)]
pub struct Terminal {
    config: Kubeconfig,
    files: Files,
    queue: VecDeque<Simple>,
    pub(crate) running: Option<(Program, Simple)>,
    /// Until when `sleep` sleeps.
    sleeping: Option<Time>,
    /// What a command printed into its pipe.
    piped: String,
    variables: BTreeMap<String, String>,
    pub(crate) output: Vec<Output>,
    code: i32,
    pub(crate) session: Session,
    forwards: Forwards,
}

impl Terminal {
    /// A terminal with an empty home.
    pub fn new() -> Self {
        Terminal {
            config: Kubeconfig::default(),
            files: Files::default(),
            queue: VecDeque::new(),
            running: None,
            sleeping: None,
            piped: String::new(),
            variables: BTreeMap::new(),
            output: Vec::new(),
            code: 0,
            session: Session::default(),
            forwards: Forwards::default(),
        }
    }

    /// The learner's files.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// The learner's files, to change.
    pub fn files_mut(&mut self) -> &mut Files {
        &mut self.files
    }

    /// Starts a line, after which the lines of a here-document may follow. While a line runs, a new one goes to what reads the keyboard, and
    /// is refused when nothing does.
    pub fn run(&mut self, now: Time, line: &str, out: &mut Outbox) {
        if self.reads().is_some() {
            return self.type_line(now, line, out);
        }
        if self.is_busy() {
            return self.complain("sh: a command is still running; Ctrl-C ends it");
        }
        if line.len() > MAX_LINE_BYTES {
            self.code = 2;
            return self.complain("sh: the line is too long (at most 1 MiB)");
        }
        match shell::parse(line) {
            Ok(commands) => self.queue = commands.into(),
            Err(message) => {
                self.code = 2;
                return self.complain(&message);
            }
        }
        self.proceed(now, out);
    }

    /// Whether a line is running.
    pub fn is_busy(&self) -> bool {
        self.running.is_some() || self.sleeping.is_some()
    }

    /// Ctrl-C: ends the line, or goes to the terminal that the line is connected to.
    pub fn interrupt(&mut self, now: Time, out: &mut Outbox) {
        if self.reads() == Some(true) {
            self.send(now, Some("\u{3}"), out);
        } else {
            self.hang_up(out);
        }
    }

    /// Ends the line, also one that is connected to another terminal.
    pub fn hang_up(&mut self, out: &mut Outbox) {
        self.release();
        self.queue.clear();
        self.piped.clear();
        if self.sleeping.take().is_some() {
            self.code = 130;
        }
        if let Some((mut program, _)) = self.running.take() {
            program.interrupt(out);
            self.output.extend(program.take_output());
            self.code = 130;
        }
    }

    /// What was printed since the last call, in order. The beginning of a line that a session prompts with is left out: it is
    /// [`Terminal::prompt`].
    pub fn take_output(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.output)
    }

    /// Shows something that is not the work of a command, and sets the exit status.
    pub fn show(&mut self, output: Output, code: i32) {
        self.output.push(output);
        self.code = code;
    }

    /// A variable of the shell.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// Sets a variable of the shell, for example `LANG`.
    pub fn set_variable(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), value.to_owned());
    }

    /// The exit status of the last command; -1 while one runs.
    pub fn exit_code(&self) -> i32 {
        if self.is_busy() { -1 } else { self.code }
    }

    /// What the word at `cursor` (a byte position) can become: commands of `kubectl`, kinds, files. In order.
    pub fn complete(&self, line: &str, cursor: usize) -> Vec<String> {
        let before = line.get(..cursor).unwrap_or(line);
        let word = before.rsplit(' ').next().unwrap_or("");
        let earlier: Vec<&str> = before[..before.len() - word.len()].split_whitespace().collect();
        let candidates: Vec<&str> = match earlier[..] {
            [] | [.., "|" | ";" | "&&" | "||"] => {
                ["kubectl", "etcd", "etcdctl", "etcdutl", "fault", "heal"].iter().chain(&OWN).chain(&tools::NAMES).copied().collect()
            }
            ["kubectl" | "k"] => commands::names(),
            ["etcdctl"] => etcdctl::COMMANDS.to_vec(),
            ["etcdutl"] => vec!["snapshot", "version"],
            [.., "-f" | "--filename"] | ["cat" | "rm", ..] => self.files.iter().map(|(path, _)| path).collect(),
            ["kubectl" | "k", group] if !commands::below(group).is_empty() => commands::below(group),
            ["kubectl" | "k", "get" | "delete" | "scale" | "describe" | "explain" | "label" | "annotate" | "patch" | "expose" | "wait"] => {
                api::kinds::KINDS.iter().map(|info| &*info.plural).collect()
            }
            _ => Vec::new(),
        };
        candidates.into_iter().filter(|candidate| candidate.starts_with(word)).map(str::to_owned).collect()
    }

    fn complain(&mut self, line: &str) {
        self.output.push(Output { stream: Stream::Stderr, text: format!("{line}\n") });
    }

    /// Runs commands of the line until one has to wait.
    fn proceed(&mut self, now: Time, out: &mut Outbox) {
        while !self.is_busy()
            && let Some(mut command) = self.queue.pop_front()
        {
            if !command.when.holds(self.code) {
                self.skip(&command);
                continue;
            }
            if let Err(message) = self.prepare(&mut command) {
                self.code = 1;
                self.complain(&message);
                continue;
            }
            match command.words.first().map(String::as_str) {
                Some("kubectl" | "k" | "etcd" | "etcdctl" | "etcdutl" | "curl") => match self.program(&command) {
                    Ok(program) => {
                        self.running = Some((program, command));
                        self.feed(now, Input::Wake, out);
                    }
                    Err(usage) => {
                        self.code = 1;
                        self.emit(&mut command, vec![Output { stream: Stream::Stderr, text: format!("{}\n", usage.0) }]);
                    }
                },
                Some("sleep") => self.sleep(now, &command.words[1..]),
                _ => self.builtin(&mut command),
            }
        }
    }

    /// Makes a program ready to run.
    fn program(&self, command: &Simple) -> Result<Program, Usage> {
        let (name, args) = command.words.split_first().map_or(("", &[][..]), |(name, args)| (name.as_str(), args));
        if matches!(name, "kubectl" | "k") {
            let ports = self.forwards.taken();
            let environment = Environment { files: &self.files, stdin: &command.stdin, config: &self.config, ports: &ports };
            return Ok(Program::Kubectl(Kubectl::start(args, &environment)?));
        }
        if name == "curl" {
            let call = Call::read(args).map_err(Usage)?;
            return Ok(match call.address() {
                Some(to) => Program::Curl(Curl::to(call, to)),
                None => Program::Kubectl(Kubectl::of(self.forwards.curl(call))),
            });
        }
        let endpoints = self.variables.get("ETCDCTL_ENDPOINTS").map(String::as_str);
        let read = |path: &str| self.files.read(path).map(str::to_owned);
        Ok(Program::Etcdctl(Etcdctl::start(name, args, &command.stdin, endpoints, read)?))
    }

    /// Leaves out the rest of a pipe whose first command does not run.
    fn skip(&mut self, command: &Simple) {
        let mut pipes = command.pipes;
        while pipes && let Some(next) = self.queue.pop_front() {
            pipes = next.pipes;
        }
    }

    /// Puts in variables and the text on standard input.
    fn prepare(&mut self, command: &mut Simple) -> Result<(), String> {
        let expand = |text: &str| shell::expand(text, &self.variables, self.code);
        command.words = command.words.iter().map(|word| expand(word)).collect();
        command.stdin = expand(&command.stdin);
        for (path, _) in [&mut command.redirect, &mut command.errors].into_iter().flatten() {
            *path = expand(path);
        }
        if !self.piped.is_empty() {
            command.stdin = std::mem::take(&mut self.piped);
        }
        if let Some(path) = &command.input {
            command.stdin = self.files.read(path).ok_or_else(|| format!("sh: {path}: No such file or directory"))?.to_owned();
        }
        Ok(())
    }

    fn sleep(&mut self, now: Time, args: &[String]) {
        let text = args.first().map_or("", String::as_str);
        let (number, unit) = text.strip_suffix('s').map_or((text, 1), |number| (number, 1));
        let (number, unit) = number.strip_suffix('m').map_or((number, unit), |number| (number, 60));
        match number.parse::<u32>() {
            Ok(seconds) => self.sleeping = Some(now + Duration::from_secs(u64::from(seconds) * unit)),
            Err(_) => {
                self.code = 1;
                self.complain(&format!("sleep: invalid time interval '{text}'"));
            }
        }
    }

    fn feed(&mut self, now: Time, input: Input, out: &mut Outbox) {
        let Some((mut program, mut command)) = self.running.take() else { return };
        let ended = match &mut program {
            Program::Kubectl(kubectl) => {
                kubectl.handle(now, input, out);
                let effects = kubectl.take_effects();
                self.forwards.add(effects.forwards);
                effects.files.into_iter().for_each(|(path, text)| self.write(&path, false, &text));
                if let Some(config) = effects.config {
                    self.config = *config;
                }
                kubectl.exit_code()
            }
            Program::Etcdctl(etcdctl) => {
                etcdctl.handle(now, input, out);
                if let Some((path, text)) = etcdctl.take_file() {
                    self.write(&path, false, &text);
                }
                etcdctl.exit_code()
            }
            Program::Curl(curl) => {
                curl.handle(input, out);
                curl.exit_code()
            }
        };
        let printed = program.take_output();
        let printed = self.hold_prompt(now, program.reads().is_some() && ended.is_none(), printed);
        self.emit(&mut command, printed);
        match ended {
            Some(code) => self.code = code,
            None => self.running = Some((program, command)),
        }
    }

    /// Sends what a command printed where it belongs: the next command, a file, or the screen.
    fn emit(&mut self, command: &mut Simple, printed: Vec<Output>) {
        for mut output in printed {
            if command.merges_errors {
                output.stream = Stream::Stdout;
            }
            let to_file = match output.stream {
                Stream::Stdout if command.pipes => {
                    let room = MAX_LINE_BYTES.saturating_sub(self.piped.len());
                    self.piped.extend(output.text.chars().take(room));
                    continue;
                }
                Stream::Stdout => &mut command.redirect,
                Stream::Stderr => &mut command.errors,
            };
            match to_file {
                Some((path, append)) => {
                    let (path, append) = (path.clone(), std::mem::replace(append, true));
                    self.write(&path, append, &output.text);
                }
                None => self.output.push(output),
            }
        }
    }

    fn write(&mut self, path: &str, append: bool, text: &str) {
        if path == "/dev/null" {
            return;
        }
        let mut whole = if append { self.files.read(path).unwrap_or("").to_owned() } else { String::new() };
        whole.push_str(text);
        if let Err(error) = self.files.write(path, whole) {
            self.code = 1;
            self.complain(&format!("sh: {error}"));
        }
    }

    /// Runs a command of the shell itself.
    fn builtin(&mut self, command: &mut Simple) {
        let words = std::mem::take(&mut command.words);
        let Some((name, args)) = words.split_first() else { return };
        if let Some(()) = self.assign(name, args) {
            return;
        }
        self.code = 0;
        let mut text = String::new();
        match name.as_str() {
            "true" => {}
            "false" => self.code = 1,
            "echo" => match args.split_first() {
                Some((flag, rest)) if flag == "-n" => text = rest.join(" "),
                _ => text = args.join(" ") + "\n",
            },
            "ls" => text = self.files.iter().map(|(path, _)| format!("{path}\n")).collect(),
            "clear" => text = "\u{1b}[2J\u{1b}[H".to_owned(),
            "help" => {
                text = format!(
                    "kubectl ({}), etcdctl ({}), fault, heal, {}\n",
                    commands::names().join(", "),
                    etcdctl::COMMANDS.join(", "),
                    OWN.join(", ")
                )
            }
            "jobs" => text = self.forwards.list(),
            "kill" => self.kill_job(args.first().map_or("", String::as_str)),
            "cat" if args.is_empty() => text.clone_from(&command.stdin),
            "cat" | "rm" => text = self.cat_or_rm(name, args),
            name if tools::NAMES.contains(&name) => match tools::run(name, args, &command.stdin) {
                Ok((printed, code)) => (text, self.code) = (printed, code),
                Err(message) => {
                    self.code = 2;
                    self.complain(&message);
                }
            },
            other => {
                self.code = 127;
                self.complain(&format!("sh: {other}: command not found"));
            }
        }
        if text.is_empty() && command.redirect.is_none() {
            return;
        }
        self.emit(command, vec![Output { stream: Stream::Stdout, text }]);
    }

    fn kill_job(&mut self, job: &str) {
        if !self.forwards.kill(job) {
            self.code = 1;
            self.complain(&format!("sh: kill: {job}: no such job"));
        }
    }

    /// `NAME=value`, with or without `export`.
    fn assign(&mut self, name: &str, args: &[String]) -> Option<()> {
        let pair = match args {
            [] => name,
            [pair] if name == "export" => pair,
            _ => return None,
        };
        let (name, value) = pair.split_once('=')?;
        let good = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !good || (self.variables.len() >= MAX_VARIABLES && !self.variables.contains_key(name)) {
            return None;
        }
        self.variables.insert(name.to_owned(), value.to_owned());
        self.code = 0;
        Some(())
    }

    /// The texts of files, or nothing once they are removed.
    fn cat_or_rm(&mut self, name: &str, args: &[String]) -> String {
        let mut text = String::new();
        for path in args.iter().filter(|arg| name == "cat" || !arg.starts_with('-')) {
            let found = match (name, self.files.read(path)) {
                ("cat", Some(content)) => {
                    text.push_str(content);
                    true
                }
                _ => name == "rm" && self.files.remove(path),
            };
            if !found {
                self.code = 1;
                self.complain(&format!("{name}: {path}: No such file or directory"));
            }
        }
        text
    }
}

/// What the shell knows besides `kubectl` and the tools of a pipe.
const OWN: [&str; 13] = ["cat", "clear", "curl", "echo", "export", "false", "help", "jobs", "kill", "ls", "rm", "sleep", "true"];

/// How many variables fit.
const MAX_VARIABLES: usize = 256;

impl Component for Terminal {
    fn handle(&mut self, now: Time, input: Input, out: &mut Outbox) {
        if self.sleeping.is_some_and(|until| until <= now) {
            self.sleeping = None;
            self.code = 0;
            self.proceed(now, out);
        } else if self.running.is_some() {
            self.feed(now, input, out);
            self.proceed(now, out);
        }
    }

    fn next_wake(&self) -> Option<Time> {
        let session = self.session.quiet_at().filter(|_| self.reads().is_some());
        self.sleeping.or_else(|| self.running.as_ref().and_then(|(program, _)| program.next_wake())).into_iter().chain(session).min()
    }
}

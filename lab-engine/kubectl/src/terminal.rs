//! The learner's terminal: runs one line at a time and keeps files and exit status.
//!
//! **Simplified here:** only `kubectl` (or `k`), `cat`, `echo`, `ls`, `rm`, `clear` and `help` exist.

use crate::commands;
use crate::files::Files;
use crate::invocation::{Environment, Kubectl};
use crate::shell::{self, Simple};
use client::{Component, Input, Outbox};
use sim::Time;
use std::collections::VecDeque;

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

/// The learner's terminal.
#[derive(Debug)]
pub struct Terminal {
    /// The namespace of the current context.
    namespace: String,
    files: Files,
    queue: VecDeque<Simple>,
    running: Option<(Kubectl, Simple)>,
    output: Vec<Output>,
    code: i32,
}

impl Terminal {
    /// A terminal with an empty home.
    pub fn new() -> Self {
        Terminal {
            namespace: "default".to_owned(),
            files: Files::default(),
            queue: VecDeque::new(),
            running: None,
            output: Vec::new(),
            code: 0,
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

    /// Starts a line, after which the lines of a here-document may follow. While a line runs, a new one is refused.
    pub fn run(&mut self, now: Time, line: &str, out: &mut Outbox) {
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
        self.running.is_some()
    }

    /// Ctrl-C: ends the line.
    pub fn interrupt(&mut self, out: &mut Outbox) {
        self.queue.clear();
        if let Some((mut kubectl, _)) = self.running.take() {
            kubectl.interrupt(out);
            self.output.extend(kubectl.take_output());
            self.code = 130;
        }
    }

    /// What was printed since the last call, in order.
    pub fn take_output(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.output)
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
            [] => vec!["kubectl", "cat", "clear", "echo", "help", "ls", "rm"],
            ["kubectl" | "k"] => commands::names(),
            [.., "-f" | "--filename"] | ["cat" | "rm", ..] => self.files.iter().map(|(path, _)| path).collect(),
            ["kubectl" | "k", "get" | "delete" | "scale"] => api::kinds::KINDS.iter().map(|info| info.plural).collect(),
            _ => Vec::new(),
        };
        candidates.into_iter().filter(|candidate| candidate.starts_with(word)).map(str::to_owned).collect()
    }

    fn complain(&mut self, line: &str) {
        self.output.push(Output { stream: Stream::Stderr, text: format!("{line}\n") });
    }

    /// Runs commands of the line until one has to wait.
    fn proceed(&mut self, now: Time, out: &mut Outbox) {
        while self.running.is_none()
            && let Some(command) = self.queue.pop_front()
        {
            if command.only_after_success && self.code != 0 {
                continue;
            }
            match command.words[0].as_str() {
                "kubectl" | "k" => {
                    let environment = Environment { files: &self.files, stdin: &command.stdin, namespace: &self.namespace };
                    match Kubectl::start(&command.words[1..], &environment) {
                        Ok(kubectl) => {
                            self.running = Some((kubectl, command));
                            self.feed(now, Input::Wake, out);
                        }
                        Err(usage) => {
                            self.code = 1;
                            self.complain(&usage.0);
                        }
                    }
                }
                _ => self.builtin(&command),
            }
        }
    }

    fn feed(&mut self, now: Time, input: Input, out: &mut Outbox) {
        let Some((kubectl, command)) = &mut self.running else { return };
        kubectl.handle(now, input, out);
        let mut printed = kubectl.take_output();
        let ended = kubectl.exit_code();
        if let Some(namespace) = kubectl.take_namespace() {
            self.namespace = namespace;
        }
        let redirect = command.redirect.clone();
        if let Some((path, append)) = redirect {
            let stdout: String = printed.iter().filter(|o| o.stream == Stream::Stdout).map(|o| o.text.as_str()).collect();
            printed.retain(|o| o.stream == Stream::Stderr);
            // What comes later in the same run follows what came first.
            command.redirect = Some((path.clone(), true));
            self.write(&path, append, &stdout);
        }
        self.output.extend(printed);
        if let Some(code) = ended {
            self.running = None;
            self.code = code;
        }
    }

    fn write(&mut self, path: &str, append: bool, text: &str) {
        let mut whole = if append { self.files.read(path).unwrap_or("").to_owned() } else { String::new() };
        whole.push_str(text);
        if let Err(error) = self.files.write(path, whole) {
            self.code = 1;
            self.complain(&format!("sh: {error}"));
        }
    }

    fn builtin(&mut self, command: &Simple) {
        self.code = 0;
        let args = &command.words[1..];
        let mut text = String::new();
        match command.words[0].as_str() {
            "echo" => text = args.join(" ") + "\n",
            "ls" => text = self.files.iter().map(|(path, _)| format!("{path}\n")).collect(),
            "clear" => text = "\u{1b}[2J\u{1b}[H".to_owned(),
            "help" => text = format!("kubectl ({}), cat, clear, echo, help, ls, rm\n", commands::names().join(", ")),
            "cat" if args.is_empty() => text.clone_from(&command.stdin),
            name @ ("cat" | "rm") => {
                for path in args {
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
            }
            other => {
                self.code = 127;
                self.complain(&format!("sh: {other}: command not found"));
            }
        }
        match &command.redirect {
            Some((path, append)) => self.write(path, *append, &text),
            None if text.is_empty() => {}
            None => self.output.push(Output { stream: Stream::Stdout, text }),
        }
    }
}

impl Component for Terminal {
    fn handle(&mut self, now: Time, input: Input, out: &mut Outbox) {
        if self.running.is_some() {
            self.feed(now, input, out);
            self.proceed(now, out);
        }
    }

    fn next_wake(&self) -> Option<Time> {
        self.running.as_ref().and_then(|(kubectl, _)| kubectl.next_wake())
    }
}

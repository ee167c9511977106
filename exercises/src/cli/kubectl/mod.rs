//! `clusterbook kubectl`: a fresh cluster for one command, a script or a session, gone when it ends.
//!
//! The cluster's terminal has files of its own; those of the disk that a line names (`-f`, `--from-file`, `cat`, `< file` …) are put there
//! before the line runs. What a line writes with `>` stays in that terminal.

mod host_files;

use std::io::{self, BufRead, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use ::kubectl::Stream;
use anyhow::{Result, bail};
use clap::Args;
use cluster::{Cluster, ClusterConfig, EtcdConfig, Fault, FaultError};
use lab::{Does, Script, ScriptError, Span};

use super::input::{Line, read_line};
use super::say;
use super::screen::{FAINT, paint, written};
use crate::disk::{plain, read_bounded, read_text};
use host_files::{HostFiles, reads_stdin};

/// How long a line may take on this machine's clock. A cluster that is asked for a thousand million Pods would never be done.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many occurrences in the cluster pass between two looks at this machine's clock.
const STEPS_AT_ONCE: u64 = 2_000;

/// The exit status of a command whose time was up, as of timeout(1).
const TIMED_OUT: i32 = 124;

/// Ctrl-D, as a session in a container reads it.
const END_OF_INPUT: &str = "\u{4}";

/// The file that stands for standard input in the cluster's terminal.
const STDIN_FILE: &str = "/dev/stdin";

/// Arguments of `kubectl`.
#[derive(Debug, Args)]
#[command(
    after_help = "Without a script and words, lines are read from standard input. `wait 30s` lets time pass in the cluster, as it does\n\
                        while a command runs; `fault crash etcd-2` puts a fault on it, `heal crash etcd-2` takes it away, and `fault` lists them. The exit status is that of the first command that failed."
)]
pub(super) struct Kubectl {
    /// A file with a command a line, such as `kubectl apply -f web.yaml`; `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "words")]
    script: Option<PathBuf>,
    /// How many worker nodes the cluster has
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=500))]
    nodes: u16,
    /// How many members its etcd has: 1, 3 or 5
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = odd_members)]
    etcd_members: u32,
    /// The seed of everything random in it
    #[arg(long, value_name = "N", default_value_t = lab::DEFAULT_SEED)]
    seed: u64,
    /// How long a command may take, in the cluster's time; then it is stopped, with exit status 124
    #[arg(long, value_name = "TIME", default_value = "10m")]
    time_limit: Span,
    /// What follows `kubectl`, as for the real one
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
    words: Vec<String>,
}

impl Kubectl {
    pub(super) fn run(self) -> Result<ExitCode> {
        let etcd = EtcdConfig { members: self.etcd_members, ..EtcdConfig::default() };
        let config = ClusterConfig { seed: self.seed, etcd, ..ClusterConfig::with_nodes(usize::from(self.nodes)) };
        let boot = || -> Result<Runner> {
            let mut cluster = Cluster::booted(&config)?;
            if let Ok(language) = std::env::var("LANG") {
                cluster.terminal_mut().set_variable("LANG", &language);
            }
            Ok(Runner { cluster, host: HostFiles::default(), time_limit: self.time_limit, echo: false, failed: 0 })
        };
        if !self.words.is_empty() {
            let line = line_of(&self.words)?;
            let mut runner = boot()?;
            runner.command(&line, Some(&mut io::stdin().lock()))?;
            return Ok(runner.exit_code());
        }
        if let Some(path) = self.script.filter(|path| path != Path::new("-")) {
            let text = read_text(&path)?;
            let script = Script::parse(&text).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
            let mut runner = boot()?;
            runner.echo = io::stderr().is_terminal();
            let mut stdin = io::stdin().lock();
            for line in script.lines {
                runner.line(&line.does, Some(&mut stdin))?;
            }
            return Ok(runner.exit_code());
        }
        let mut runner = boot()?;
        converse(&mut runner, &mut io::stdin().lock())?;
        Ok(runner.exit_code())
    }
}

/// How many members etcd may have.
fn odd_members(text: &str) -> Result<u32, String> {
    text.parse().ok().filter(|members| matches!(members, 1 | 3 | 5)).ok_or_else(|| "etcd has 1, 3 or 5 members".to_owned())
}

/// The words as a line of the terminal.
fn line_of(words: &[String]) -> Result<String> {
    let mut line = "kubectl".to_owned();
    for word in words {
        let Ok(quoted) = shlex::try_quote(word) else { bail!("a word of the command has a zero byte in it") };
        line.push(' ');
        line.push_str(&quoted);
    }
    Ok(line)
}

/// Reads lines from a person or a pipe and runs them until there are no more.
fn converse(runner: &mut Runner, input: &mut impl BufRead) -> Result<()> {
    let person = io::stdin().is_terminal();
    if person {
        say("A cluster is up. Type commands, such as `kubectl get nodes` or `wait 30s`; `exit` or Ctrl-D ends it.");
    }
    let mut pending = String::new();
    loop {
        if person {
            let own = if pending.is_empty() { "$ " } else { "> " };
            show(&mut io::stderr(), &runner.cluster.terminal().prompt().map_or_else(|| own.to_owned(), super::screen::visible))?;
        }
        let in_session = runner.cluster.terminal().prompt().is_some();
        let line = match read_line(input) {
            // Ctrl-D ends the session first.
            Line::End if in_session => {
                runner.command(END_OF_INPUT, None::<&mut io::Empty>)?;
                if person && runner.cluster.terminal().prompt().is_none() {
                    continue;
                }
                break;
            }
            Line::End => break,
            Line::TooLong => {
                runner.complain("clusterbook: the line is too long (at most 1 MiB)", 2);
                pending.clear();
                continue;
            }
            Line::Text(line) => line,
        };
        if in_session {
            runner.command(&line, None::<&mut io::Empty>)?;
            continue;
        }
        if pending.is_empty() && matches!(line.trim(), "exit" | "quit" | "logout") {
            return Ok(());
        }
        pending.push_str(&line);
        pending.push('\n');
        if pending.len() > super::input::MAX_LINE_BYTES {
            runner.complain("clusterbook: the here-document is too long (at most 1 MiB)", 2);
            pending.clear();
            continue;
        }
        match Script::parse(&pending) {
            // Its end is still to come.
            Err(ScriptError::OpenHereDocument { .. }) => continue,
            Err(ScriptError::Wait { error, .. }) => runner.complain(&format!("wait: {error}"), 2),
            Err(ScriptError::Fault { error, .. }) => runner.complain(&format!("clusterbook: {error}"), 2),
            Err(error) => runner.complain(&format!("clusterbook: {error}"), 2),
            Ok(script) => {
                for line in script.lines {
                    runner.line(&line.does, None::<&mut io::Empty>)?;
                }
            }
        }
        pending.clear();
    }
    if !pending.is_empty() {
        runner.complain("clusterbook: the input ended within a here-document", 2);
    }
    Ok(())
}

/// Writes text as it is, at once.
fn show(stream: &mut impl io::Write, text: &str) -> Result<()> {
    written(stream.write_all(text.as_bytes()).and_then(|()| stream.flush()))
}

/// How letting time pass ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Passed {
    /// What was waited for is there.
    Done,
    /// All of the time passed.
    TimeUp,
    /// This machine worked for [`PATIENCE`].
    OutOfPatience,
}

/// A cluster and the lines that run on it.
struct Runner {
    cluster: Cluster,
    host: HostFiles,
    time_limit: Span,
    /// Whether each line is shown before it runs.
    echo: bool,
    /// The exit status of the first command that failed.
    failed: i32,
}

impl Runner {
    fn exit_code(&self) -> ExitCode {
        ExitCode::from(u8::try_from(self.failed).unwrap_or(1))
    }

    fn fail(&mut self, code: i32) {
        if self.failed == 0 {
            self.failed = code;
        }
    }

    fn complain(&mut self, message: &str, code: i32) {
        say(message);
        self.fail(code);
    }

    /// Runs a line of a script. `stdin` is what `-f -` reads, if it may.
    fn line(&mut self, does: &Does, stdin: Option<&mut impl io::Read>) -> Result<()> {
        match does {
            Does::Command(command) => {
                if self.echo {
                    say(&paint(FAINT, format!("$ {}", super::screen::visible(command))));
                }
                self.command(command, stdin)
            }
            Does::Wait(span) => {
                if self.echo {
                    say(&paint(FAINT, format!("$ wait {span}")));
                }
                if self.pass(*span, |_| false) == Passed::OutOfPatience {
                    self.too_much("waiting");
                }
                Ok(())
            }
            Does::Inject(fault) => {
                self.fault("fault", fault, Cluster::inject);
                Ok(())
            }
            Does::Heal(fault) => {
                self.fault("heal", fault, Cluster::heal);
                Ok(())
            }
        }
    }

    /// Puts a fault on the cluster, or takes it away.
    fn fault(&mut self, word: &str, fault: &Fault, set: impl Fn(&mut Cluster, &Fault) -> Result<(), FaultError>) {
        if self.echo {
            say(&paint(FAINT, format!("$ {word} {}", super::screen::visible(&fault.in_script()))));
        }
        if let Err(error) = set(&mut self.cluster, fault) {
            self.complain(&format!("error: {error}"), 1);
        }
    }

    /// Runs one command and prints what it prints.
    fn command(&mut self, line: &str, stdin: Option<&mut impl io::Read>) -> Result<()> {
        let mut line = line.to_owned();
        if let Err(message) = self.give_files(&mut line, stdin) {
            self.complain(&format!("error: {message}"), 1);
            return Ok(());
        }
        self.cluster.start_line(&line);
        let passed = self.pass(self.time_limit, |cluster| cluster.terminal().awaits_line());
        if passed != Passed::Done {
            self.cluster.hang_up();
        }
        for output in self.cluster.terminal_mut().take_output() {
            match output.stream {
                Stream::Stdout => show(&mut io::stdout().lock(), &output.text)?,
                Stream::Stderr => show(&mut io::stderr().lock(), &output.text)?,
            }
        }
        match passed {
            // A session that awaits the next line has no status yet.
            Passed::Done => self.fail(self.cluster.terminal().exit_code().max(0)),
            Passed::TimeUp => {
                let limit = self.time_limit;
                let message = format!(
                    "clusterbook: the command had not ended after {limit} of the cluster's time and was stopped (`--time-limit` sets how long it may take)"
                );
                self.complain(&message, TIMED_OUT);
            }
            Passed::OutOfPatience => self.too_much("the command"),
        }
        Ok(())
    }

    /// Lets at most `span` of the cluster's time pass, until `done`.
    fn pass(&mut self, span: Span, done: impl Fn(&Cluster) -> bool) -> Passed {
        let (limit, began) = (self.cluster.now() + span.duration(), Instant::now());
        loop {
            if self.cluster.advance_until(limit, STEPS_AT_ONCE, &done) {
                return Passed::Done;
            }
            if self.cluster.now() >= limit {
                return Passed::TimeUp;
            }
            if began.elapsed() > PATIENCE {
                return Passed::OutOfPatience;
            }
        }
    }

    fn too_much(&mut self, what: &str) {
        let (seconds, objects) = (PATIENCE.as_secs(), self.cluster.objects().count());
        let at = self.cluster.now().as_secs();
        let message = format!(
            "clusterbook: {what} was stopped after {seconds} s on this machine, {at} s in the cluster, which holds {objects} objects by now\n\
             help: so much happens in it that it would take very long; is a number such as `replicas` far too large?"
        );
        self.complain(&message, TIMED_OUT);
    }

    /// Puts the files of the disk that the line names into the cluster's terminal, and standard input if the line reads it.
    fn give_files(&mut self, line: &mut String, stdin: Option<&mut impl io::Read>) -> Result<(), String> {
        self.host.give(line, Path::new(""), self.cluster.terminal_mut().files_mut())?;
        let Some(stdin) = stdin.filter(|_| reads_stdin(line)) else { return Ok(()) };
        let bytes = read_bounded(stdin).map_err(|error| format!("cannot read standard input: {}", plain(&error)))?;
        let bytes = bytes.ok_or("standard input is too large: at most 1 MiB of text is read")?;
        let text = String::from_utf8(bytes).map_err(|error| {
            format!("standard input is not UTF-8 text: the byte at offset {} fits no character", error.utf8_error().valid_up_to())
        })?;
        self.cluster.terminal_mut().files_mut().write(STDIN_FILE, text).map_err(|error| error.to_string())?;
        line.push_str(" < ");
        line.push_str(STDIN_FILE);
        Ok(())
    }
}

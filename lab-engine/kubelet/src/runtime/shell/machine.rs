//! The interpreter: a stack of frames that can stop at any command and go on later.

mod builtins;
mod commands;
mod interactive;
mod jobs;

use super::ast::{Command, Kind, List, Pipeline};
use super::net;
use super::parser::parse;
use super::tools;
use crate::runtime::programs::{Output, Program, Step};
use crate::runtime::registry::Image;
use crate::runtime::sandbox::Ctx;
use interactive::Keyboard;
pub(crate) use jobs::Child;
use jobs::Job;
use sim::Time;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// What a command inside the shell costs.
const BUILTIN: Duration = Duration::from_micros(50);
/// What a command of its own costs: fork and exec.
const EXTERNAL: Duration = Duration::from_millis(1);
/// What a command costs in a loop that never sleeps.
const BUSY: Duration = Duration::from_millis(20);
/// After so many commands without a pause a loop counts as busy.
const BUSY_AFTER: u32 = 5_000;
/// How much virtual time one step may use.
const SLICE: Duration = Duration::from_millis(2);
/// How many frames one step may run through.
const MAX_OPERATIONS: usize = 2_000;
/// How deep functions may call one another.
const MAX_FRAMES: usize = 1_000;
/// How deep subshells may nest at run time.
const MAX_NESTING: usize = 20;
/// How much a pipe or a substitution holds.
const MAX_CAPTURE: usize = 256 << 10;
/// How many background jobs a shell may have.
const MAX_JOBS: usize = 32;

/// Where a descriptor of the shell leads.
#[derive(Clone, Debug)]
pub(super) enum Sink {
    Inherit(u8),
    File(String),
}

/// What is left to do.
#[derive(Clone, Debug)]
pub(super) enum Frame {
    List {
        list: List,
        at: usize,
    },
    AndOr {
        list: List,
        item: usize,
        at: usize,
    },
    Pipe {
        pipeline: Arc<Pipeline>,
        at: usize,
        child: Option<Box<Thread>>,
        captured: String,
    },
    /// Runs the substitutions of a command, then the command.
    Expand {
        command: Arc<Command>,
        subs: Vec<List>,
        results: Vec<String>,
        child: Option<Box<Thread>>,
        captured: String,
    },
    If {
        command: Arc<Command>,
        clause: usize,
    },
    Loop {
        command: Arc<Command>,
        in_body: bool,
    },
    For {
        name: String,
        values: Vec<String>,
        at: usize,
        body: List,
    },
    Subshell(Box<Thread>),
    Restore {
        fds: [Sink; 2],
        stdin: Option<String>,
    },
    Call {
        params: Vec<String>,
    },
    Sleep(Time),
    Follow {
        path: String,
        at: usize,
    },
    Program(Box<Program>),
    /// A tool that waits for the network.
    Network(Box<net::Exchange>),
    WaitJobs,
    /// Reads the next command from the keyboard.
    Interactive,
    /// `read` waits for a line.
    Read(Vec<String>),
    /// `cat` prints what is typed.
    Copy,
    Exit,
    /// The status that was there before a trap.
    Status(i32),
}

/// One flow of control: a shell, a subshell, a job.
#[derive(Clone, Debug)]
pub(super) struct Thread {
    frames: Vec<Frame>,
    pub(super) vars: BTreeMap<String, String>,
    exported: BTreeSet<String>,
    functions: BTreeMap<String, Arc<Command>>,
    params: Vec<String>,
    pub(super) cwd: String,
    pub(super) status: i32,
    fds: [Sink; 2],
    pub(super) stdin: Option<String>,
    jobs: Vec<Job>,
    /// The jobs of the shells that this one was forked from.
    around: Vec<Child>,
    /// The command that it runs, of a job that is one command.
    running: Option<Arc<str>>,
    tells_command: bool,
    /// The number of the process that was started last.
    last_job: u32,
    traps: BTreeMap<String, String>,
    pending: Vec<String>,
    errexit: bool,
    nesting: usize,
    busy: u32,
    image: &'static Image,
    keyboard: Option<Box<Keyboard>>,
}

/// Where a thread stands.
enum Poll {
    Wait(Option<Time>),
    Done(i32),
}

/// A running shell or tool.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    thread: Thread,
    argv: Option<Vec<String>>,
}

impl Machine {
    /// Whether the shell or its tools can run a program of this name.
    pub(crate) fn has_tool(name: &str) -> bool {
        is_shell(name) || tools::exists(name)
    }

    /// A machine that runs one command line.
    pub(crate) fn run(argv: Vec<String>, env: Vec<(String, String)>, image: &'static Image) -> Self {
        let exported = env.iter().map(|(name, _)| name.clone()).collect();
        let thread = Thread {
            frames: Vec::new(),
            vars: env.into_iter().collect(),
            exported,
            functions: BTreeMap::new(),
            params: Vec::new(),
            cwd: "/".to_owned(),
            status: 0,
            fds: Thread::own_fds(),
            stdin: None,
            jobs: Vec::new(),
            around: Vec::new(),
            running: None,
            tells_command: false,
            last_job: 1,
            traps: BTreeMap::new(),
            pending: Vec::new(),
            errexit: false,
            nesting: 0,
            busy: 0,
            image,
            keyboard: None,
        };
        Machine { thread, argv: Some(argv) }
    }

    /// Gives the command its standard input.
    pub(crate) fn set_stdin(&mut self, text: String) {
        self.thread.stdin = Some(text);
    }

    /// Delivers a signal; true when there is a trap for it.
    pub(crate) fn signal(&mut self, signal: &str) -> bool {
        self.thread.signal(signal)
    }

    /// Runs until the script waits or ends.
    pub(crate) fn step(&mut self, ctx: &mut Ctx<'_>, out: &mut Output) -> Step {
        if let Some(argv) = self.argv.take() {
            self.thread.cwd = ctx.cwd().to_owned();
            self.thread.execute(argv, ctx, out);
        }
        match self.thread.run(ctx, out) {
            Poll::Wait(until) => Step::Wait(until),
            Poll::Done(status) => Step::Exit(status & 0xff),
        }
    }
}

/// Whether a program is a shell.
fn is_shell(name: &str) -> bool {
    matches!(name, "sh" | "ash" | "bash" | "dash")
}

impl Thread {
    fn signal(&mut self, signal: &str) -> bool {
        if self.traps.contains_key(signal) {
            self.pending.push(signal.to_owned());
            return true;
        }
        // The last command of a script takes the shell's place.
        let over = |frame: &Frame| match frame {
            Frame::List { list, at } => *at >= list.len(),
            Frame::AndOr { list, item, at } => *at >= list[*item].parts.len(),
            Frame::Restore { .. } | Frame::Exit => true,
            _ => false,
        };
        match self.frames.split_last_mut() {
            Some((Frame::Program(program), rest)) if rest.iter().all(over) => program.signal(signal, Time::ZERO),
            _ => false,
        }
    }

    /// Where a shell writes that was redirected nowhere.
    fn own_fds() -> [Sink; 2] {
        [Sink::Inherit(1), Sink::Inherit(2)]
    }

    /// A thread that begins like this one.
    fn fork(&self, list: Option<&List>) -> Box<Thread> {
        let frames = list.map(|list| Frame::List { list: list.clone(), at: 0 }).into_iter().collect();
        let fds = Thread::own_fds();
        let (jobs, around) = (Vec::new(), self.family());
        Box::new(Thread { frames, fds, jobs, around, pending: Vec::new(), nesting: self.nesting + 1, ..self.clone_state() })
    }

    fn clone_state(&self) -> Thread {
        Thread {
            frames: Vec::new(),
            jobs: Vec::new(),
            around: Vec::new(),
            running: None,
            tells_command: false,
            vars: self.vars.clone(),
            exported: self.exported.clone(),
            functions: self.functions.clone(),
            params: self.params.clone(),
            cwd: self.cwd.clone(),
            stdin: self.stdin.clone(),
            traps: BTreeMap::new(),
            pending: Vec::new(),
            fds: self.fds.clone(),
            keyboard: None,
            ..*self
        }
    }

    /// Writes to a descriptor of the shell.
    pub(super) fn write(&mut self, fd: u8, text: &str, ctx: &mut Ctx<'_>, out: &mut Output) {
        match self.fds[usize::from(fd == 2)].clone() {
            Sink::Inherit(fd) => out.push(ctx.now(), fd, text),
            Sink::File(path) => match path.as_str() {
                "/dev/stdout" | "/proc/1/fd/1" | "/proc/self/fd/1" => out.push(ctx.now(), 1, text),
                "/dev/stderr" | "/proc/1/fd/2" => out.push(ctx.now(), 2, text),
                path => {
                    if let Err(error) = ctx.files().write(path, text, true) {
                        out.push(ctx.now(), 2, format!("sh: write error: {error}\n"));
                    }
                }
            },
        }
    }

    fn complain(&mut self, message: &str, ctx: &mut Ctx<'_>, out: &mut Output) {
        self.write(2, &format!("sh: {message}\n"), ctx, out);
    }

    /// Runs until the thread waits or ends.
    fn run(&mut self, ctx: &mut Ctx<'_>, out: &mut Output) -> Poll {
        let jobs = self.run_jobs(ctx, out);
        for _ in 0..MAX_OPERATIONS {
            self.run_traps();
            if ctx.spent >= SLICE {
                return Poll::Wait(Some(ctx.now()));
            }
            let Some(frame) = self.frames.pop() else {
                if let Some(command) = self.traps.remove("EXIT") {
                    self.frames.push(Frame::Status(self.status));
                    self.source(&command, ctx, out);
                    continue;
                }
                return Poll::Done(self.status);
            };
            if let Some(until) = self.step(frame, ctx, out) {
                self.busy = 0;
                let wake = [until, jobs].into_iter().flatten().min();
                return Poll::Wait(wake);
            }
        }
        ctx.spent += Duration::from_millis(1);
        Poll::Wait(Some(ctx.now()))
    }

    /// Begins the traps of signals that have come. A command in the foreground is waited for first; `wait` is not.
    fn run_traps(&mut self) {
        if self.pending.is_empty()
            || matches!(self.frames.last(), Some(Frame::Sleep(_) | Frame::Program(_) | Frame::Follow { .. } | Frame::Network(_)))
        {
            return;
        }
        if matches!(self.frames.last(), Some(Frame::WaitJobs)) {
            self.frames.pop();
        }
        for signal in std::mem::take(&mut self.pending) {
            if let Some(list) = self.traps.get(&signal).and_then(|command| parse(command).ok()) {
                self.frames.push(Frame::List { list, at: 0 });
            }
        }
    }

    fn source(&mut self, script: &str, ctx: &mut Ctx<'_>, out: &mut Output) {
        match parse(script) {
            Ok(list) => self.frames.push(Frame::List { list, at: 0 }),
            Err(error) => {
                self.complain(&error, ctx, out);
                self.abandon();
                self.status = 2;
            }
        }
    }

    /// Runs one frame; `Some` when the thread has to wait: until a time, or for a signal.
    fn step(&mut self, frame: Frame, ctx: &mut Ctx<'_>, out: &mut Output) -> Option<Option<Time>> {
        match frame {
            Frame::List { list, at } => self.step_list(list, at, ctx),
            Frame::AndOr { list, item, at } => self.step_and_or(list, item, at),
            Frame::Pipe { pipeline, at, child, captured } => return self.step_pipe(pipeline, at, child, captured, ctx, out),
            Frame::Expand { command, subs, results, child, captured } => {
                return self.step_expand(command, subs, results, child, captured, ctx, out);
            }
            Frame::If { command, clause } => self.step_if(command, clause),
            Frame::Loop { command, in_body } => self.step_loop(command, in_body, ctx),
            Frame::For { name, values, at, body } => {
                if let Some(value) = values.get(at) {
                    self.vars.insert(name.clone(), value.clone());
                    self.charge(BUILTIN, ctx);
                    let next = Frame::For { name, at: at + 1, body: body.clone(), values };
                    self.frames.extend([next, Frame::List { list: body, at: 0 }]);
                }
            }
            Frame::Subshell(mut child) => match self.run_child(&mut child, None, ctx, out) {
                Poll::Done(status) => {
                    self.status = status;
                    self.keyboard = self.keyboard.take().or(child.keyboard);
                }
                Poll::Wait(until) => {
                    self.frames.push(Frame::Subshell(child));
                    return Some(until);
                }
            },
            Frame::Restore { fds, stdin } => {
                self.fds = fds;
                self.stdin = stdin;
            }
            Frame::Call { params } => self.params = params,
            Frame::Sleep(until) => {
                if until > ctx.now() {
                    self.frames.push(Frame::Sleep(until));
                    return Some(Some(until));
                }
            }
            Frame::Follow { path, at } => return Some(self.step_follow(path, at, ctx, out)),
            Frame::Program(program) => return self.step_program(program, ctx, out),
            Frame::Network(mut exchange) => match net::poll(self, &mut exchange, ctx, out) {
                Some(status) => self.status = status,
                None => {
                    self.frames.push(Frame::Network(exchange));
                    return Some(None);
                }
            },
            Frame::WaitJobs => {
                if !self.jobs.is_empty() {
                    self.frames.push(Frame::WaitJobs);
                    return Some(None);
                }
            }
            Frame::Interactive => return self.step_interactive(ctx, out),
            Frame::Read(args) => return self.step_read(args),
            Frame::Copy => return self.step_copy(ctx, out),
            Frame::Exit => self.frames.clear(),
            Frame::Status(status) => self.status = status,
        }
        None
    }

    fn step_list(&mut self, list: List, at: usize, ctx: &Ctx<'_>) {
        let Some(item) = list.get(at) else { return };
        // A job that is one command takes the place of its shell.
        let one = matches!(item.parts.as_slice(), [(_, pipeline)] if matches!(pipeline.commands.as_slice(), [command]
            if matches!(command.kind, Kind::Simple { .. })));
        let background = item.background;
        self.frames.push(Frame::List { list: list.clone(), at: at + 1 });
        let frame = Frame::AndOr { list, item: at, at: 0 };
        if !background {
            self.frames.push(frame);
        } else if self.jobs.len() < MAX_JOBS && self.nesting < MAX_NESTING {
            self.start_job(frame, one, ctx);
            self.status = 0;
        }
    }

    fn step_and_or(&mut self, list: List, item: usize, at: usize) {
        let Some((condition, pipeline)) = list[item].parts.get(at) else { return };
        let pipeline = pipeline.clone();
        let runs = condition.is_none_or(|wanted| (self.status == 0) == wanted);
        let last = at + 1 == list[item].parts.len();
        if !last {
            self.frames.push(Frame::AndOr { list, item, at: at + 1 });
        }
        if runs {
            self.frames.push(Frame::Pipe { pipeline, at: 0, child: None, captured: String::new() });
        }
    }

    fn step_pipe(
        &mut self,
        pipeline: Arc<Pipeline>,
        at: usize,
        child: Option<Box<Thread>>,
        mut captured: String,
        ctx: &mut Ctx<'_>,
        out: &mut Output,
    ) -> Option<Option<Time>> {
        let count = pipeline.commands.len();
        if at >= count {
            if pipeline.negated {
                self.status = i32::from(self.status == 0);
            }
            return None;
        }
        if count == 1 {
            self.frames.push(Frame::Pipe { pipeline: pipeline.clone(), at: 1, child: None, captured: String::new() });
            self.begin(pipeline.commands[0].clone(), ctx, out);
            return None;
        }
        let mut child = child.unwrap_or_else(|| {
            let mut child = self.fork(None);
            if at > 0 {
                child.stdin = Some(std::mem::take(&mut captured));
            }
            child.begin(pipeline.commands[at].clone(), ctx, out);
            child
        });
        let last = at + 1 == count;
        match self.run_child(&mut child, (!last).then_some(&mut captured), ctx, out) {
            Poll::Done(status) => {
                self.status = status;
                self.frames.push(Frame::Pipe { pipeline, at: at + 1, child: None, captured });
                None
            }
            // Whoever writes more than a pipe holds while nobody reads is ended by SIGPIPE here.
            Poll::Wait(_) if !last && captured.len() >= MAX_CAPTURE => {
                self.frames.push(Frame::Pipe { pipeline, at: at + 1, child: None, captured });
                None
            }
            Poll::Wait(until) => {
                self.frames.push(Frame::Pipe { pipeline, at, child: Some(child), captured });
                Some(until)
            }
        }
    }

    /// Runs a child; what it writes to descriptor 1 goes to `capture` if there is one.
    fn run_child(&mut self, child: &mut Thread, mut capture: Option<&mut String>, ctx: &mut Ctx<'_>, out: &mut Output) -> Poll {
        if child.nesting > MAX_NESTING {
            self.complain("can't fork: Resource temporarily unavailable", ctx, out);
            return Poll::Done(2);
        }
        let mut output = Output::default();
        child.busy = self.busy;
        let poll = child.run(ctx, &mut output);
        self.busy = child.busy;
        for chunk in output.0 {
            match &mut capture {
                Some(text) if chunk.fd == 1 => {
                    if text.len() < MAX_CAPTURE {
                        text.push_str(&chunk.text);
                    }
                }
                _ => self.write(chunk.fd, &chunk.text, ctx, out),
            }
        }
        poll
    }

    fn step_follow(&mut self, path: String, at: usize, ctx: &mut Ctx<'_>, out: &mut Output) -> Option<Time> {
        let text = ctx.files().read(&path).map(str::to_owned).unwrap_or_default();
        let at = if text.len() < at { 0 } else { at };
        if let Some(new) = text.get(at..).filter(|new| !new.is_empty()) {
            self.write(1, new, ctx, out);
        }
        self.frames.push(Frame::Follow { path, at: text.len() });
        Some(ctx.now() + Duration::from_secs(1))
    }

    fn step_program(&mut self, mut program: Box<Program>, ctx: &mut Ctx<'_>, out: &mut Output) -> Option<Option<Time>> {
        let mut output = Output::default();
        let step = program.step(ctx, &mut output);
        for chunk in output.0 {
            self.write(chunk.fd, &chunk.text, ctx, out);
        }
        match step {
            Step::Exit(status) => self.status = status,
            Step::OutOfMemory => self.status = 137,
            Step::Wait(until) => {
                self.frames.push(Frame::Program(program));
                return Some(until);
            }
        }
        None
    }

    fn step_if(&mut self, command: Arc<Command>, clause: usize) {
        let Kind::If { clauses, otherwise } = &command.kind else { return };
        // The frame comes back after each condition: `clause` counts those that were run.
        if clause > 0 && self.status == 0 {
            self.frames.push(Frame::List { list: clauses[clause - 1].1.clone(), at: 0 });
        } else if let Some((condition, _)) = clauses.get(clause) {
            let list = condition.clone();
            self.frames.extend([Frame::If { command: command.clone(), clause: clause + 1 }, Frame::List { list, at: 0 }]);
        } else {
            self.status = 0;
            self.frames.extend(otherwise.as_ref().map(|list| Frame::List { list: list.clone(), at: 0 }));
        }
    }

    fn step_loop(&mut self, command: Arc<Command>, after_condition: bool, ctx: &mut Ctx<'_>) {
        let Kind::While { until, condition, body } = &command.kind else { return };
        self.charge(BUILTIN, ctx);
        if !after_condition {
            let list = condition.clone();
            self.frames.extend([Frame::Loop { command: command.clone(), in_body: true }, Frame::List { list, at: 0 }]);
        } else if (self.status == 0) != *until {
            let list = body.clone();
            self.frames.extend([Frame::Loop { command: command.clone(), in_body: false }, Frame::List { list, at: 0 }]);
        } else {
            self.status = 0;
        }
    }

    /// Counts a command's cost.
    fn charge(&mut self, cost: Duration, ctx: &mut Ctx<'_>) {
        self.busy = self.busy.saturating_add(1);
        ctx.spent += if self.busy > BUSY_AFTER { BUSY } else { cost };
    }

    /// The variables that commands see.
    pub(super) fn environment(&self) -> Vec<(String, String)> {
        self.vars.iter().filter(|(name, _)| self.exported.contains(*name)).map(|(name, value)| (name.clone(), value.clone())).collect()
    }
}

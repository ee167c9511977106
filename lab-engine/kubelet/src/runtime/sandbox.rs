//! A Pod's sandbox: one network, its volumes, its containers and the commands that run in them.

use super::calls::{Answer, Calls};
use super::disk::InMemory;
use super::fs::{Mount, Tree, View};
use super::http::{HttpRequest, HttpResponse, Service};
use super::log::Log;
use super::programs::{self, Output, Program, Step};
use super::registry::Image;
use super::shell::Child;
use super::usage::Meter;
use client::dial::Dial;
use sim::Time;
use std::time::Duration;

/// How a container stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Running,
    Exited { code: i32, reason: &'static str, message: String, at: Time },
}

/// Whose processes a container sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PidNamespace {
    /// Its own.
    Own,
    /// Those of all containers of its Pod (`shareProcessNamespace`).
    Pod,
    /// Its own and those of another container (`targetContainerName`).
    Of(usize),
}

/// A process as a container sees it.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    pub(crate) pid: usize,
    pub(crate) command: String,
    pub(crate) started: Time,
    /// The container that it is a process of; `None` for the sandbox's own.
    pub(crate) container: Option<usize>,
    /// Whether it is a background job of that container's first process.
    pub(crate) is_job: bool,
}

/// What a container is made from (`runtimeapi.ContainerConfig`).
#[derive(Clone, Debug)]
pub(crate) struct ContainerConfig {
    pub(crate) name: String,
    pub(crate) image: &'static Image,
    pub(crate) argv: Vec<String>,
    /// The ports that it declares.
    pub(crate) ports: Vec<u16>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) cwd: String,
    pub(crate) mounts: Vec<Mount>,
    pub(crate) memory_limit: Option<u64>,
    /// How much CPU it may use, in thousandths of a core: its limit, or what the node has.
    pub(crate) cpu_milli: Option<u64>,
    pub(crate) pid_namespace: PidNamespace,
    pub(crate) termination_message_path: String,
    /// Whether its standard input stays open for whoever attaches (`stdin`).
    pub(crate) stdin: bool,
    /// Whether that is a terminal (`tty`).
    pub(crate) tty: bool,
    /// Whether it may do to the node what the node's root may (`securityContext.privileged`).
    pub(crate) privileged: bool,
}

/// One run of a container.
#[derive(Debug)]
pub(crate) struct Container {
    pub(crate) config: ContainerConfig,
    pub(crate) started: Time,
    pub(crate) state: State,
    pub(crate) log: Log,
    pub(crate) meter: Meter,
    pub(super) root: Tree,
    /// What its image had of that: bytes and entries.
    pub(super) image_bytes: u64,
    pub(super) image_entries: u64,
    pub(super) program: Option<Program>,
    pub(super) wake: Option<Time>,
    kill_at: Option<Time>,
    /// The exit code that this leads to, and the reason.
    kill_code: i32,
    kill_reason: &'static str,
    /// What it printed, by descriptor, since somebody who is attached took it.
    pub(super) tap: Option<Vec<(u8, String)>>,
    /// Whether somebody was ever attached.
    pub(super) tapped: bool,
}

impl Container {
    /// SIGKILL from outside of its PID namespace.
    pub(super) fn kill_now(&mut self, now: Time) {
        (self.kill_at, self.kill_code) = (Some(now), 137);
    }

    /// The kernel's killer ends all its processes (`memory.oom.group`).
    fn kill_for_memory(&mut self, now: Time) {
        (self.kill_at, self.kill_code, self.kill_reason) = (Some(now), 137, "OOMKilled");
    }

    /// Delivers a signal to the first process. Number 1 of a PID namespace is not ended by a signal that it has no handler for; a process
    /// below the sandbox's own number 1 is, like any other.
    pub(super) fn signal(&mut self, signal: &str, now: Time) {
        let handled = self.program.as_mut().is_some_and(|program| program.signal(signal, now));
        // Without a program it is the process itself that runs this step, and signals itself.
        self.wake = Some(now);
        let code = match signal {
            "KILL" => 137,
            "TERM" => 143,
            "INT" => 130,
            "QUIT" => 131,
            "HUP" => 129,
            _ => return,
        };
        if !handled && self.config.pid_namespace == PidNamespace::Pod {
            self.kill_at = Some(now);
            self.kill_code = code;
        }
    }
}

/// A command that runs in a container beside its first process.
#[derive(Debug)]
pub(super) struct Exec {
    pub(super) id: u64,
    container: usize,
    pub(super) program: Program,
    pub(super) wake: Option<Time>,
    pub(super) tty: bool,
    pub(super) stdout: String,
    pub(super) stderr: String,
    /// The exit code that a signal led to.
    pub(super) killed: Option<i32>,
}

/// What a command is given to read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stdin {
    /// All of its standard input, when that is known.
    pub(crate) text: Option<String>,
    /// Whether somebody types.
    pub(crate) keyboard: bool,
    /// Whether that is done on a terminal, to which the command prints, too.
    pub(crate) tty: bool,
}

/// What came of a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ExecResult {
    pub(crate) id: u64,
    pub(crate) exit_code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Something that happened in a sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Happened {
    /// The container with this index ended.
    Exited(usize),
    /// A command ended.
    ExecDone(ExecResult),
}

#[derive(Debug)]
struct Listener {
    port: u16,
    container: usize,
    service: Service,
    since: Time,
}

/// Work for a request that is done faster than this makes no answer late.
const NOTICED: Duration = Duration::from_millis(1);

/// A shell that is started in a container numbers its jobs so far apart from those of others.
const MAX_JOBS: usize = 32;

/// What a command may print, in bytes; more is dropped.
const MAX_EXEC_OUTPUT: usize = 1 << 20;

/// A sandbox. Containers are kept in the order of their creation and never removed; [`Sandbox::forget`] frees what old ones hold.
#[derive(Debug, Default)]
pub(crate) struct Sandbox {
    pub(crate) ip: String,
    pub(crate) hostname: String,
    pub(crate) containers: Vec<Container>,
    pub(crate) volumes: Vec<Tree>,
    /// Those of them that lie in memory.
    pub(crate) in_memory: Vec<InMemory>,
    listeners: Vec<Listener>,
    pub(super) execs: Vec<Exec>,
    next_exec: u64,
    pub(crate) calls: Calls,
}

/// What a program sees while it runs.
pub(crate) struct Ctx<'a> {
    sandbox: &'a mut Sandbox,
    host: &'a mut Tree,
    container: usize,
    now: Time,
    /// Virtual time that this step has used so far.
    pub(crate) spent: Duration,
    /// How much of that it waited for something.
    waited: Duration,
}

impl Ctx<'_> {
    /// The present, with the time that this step has used.
    pub(crate) fn now(&self) -> Time {
        self.now + self.spent
    }

    /// Waits for an answer: time passes without any work.
    pub(crate) fn wait(&mut self, time: Duration) {
        self.spent += time;
        self.waited += time;
    }

    /// The counters of the container.
    pub(crate) fn meter(&mut self) -> &mut Meter {
        &mut self.sandbox.containers[self.container].meter
    }

    /// The container's files.
    pub(crate) fn files(&mut self) -> View<'_> {
        self.files_of(self.container)
    }

    /// The files of a container of the Pod.
    pub(crate) fn files_of(&mut self, container: usize) -> View<'_> {
        let container = &mut self.sandbox.containers[container];
        View { root: &mut container.root, mounts: &container.config.mounts, volumes: &mut self.sandbox.volumes, host: self.host }
    }

    pub(crate) fn memory_limit(&self) -> Option<u64> {
        self.sandbox.containers[self.container].config.memory_limit
    }

    pub(crate) fn hostname(&self) -> &str {
        &self.sandbox.hostname
    }

    pub(crate) fn ip(&self) -> &str {
        &self.sandbox.ip
    }

    /// The processes that the container sees. Of its own first process the jobs are missing while that itself looks.
    pub(crate) fn processes(&self) -> Vec<Process> {
        let first = |index: usize| {
            let container = &self.sandbox.containers[index];
            let (pid, command) = (self.sandbox.first_pid(index), container.config.argv.join(" "));
            let own = Process { pid, command: command.clone(), started: container.started, container: Some(index), is_job: false };
            let job = move |child: Child| Process {
                pid: child.pid,
                command: child.command.map_or_else(|| command.clone(), |own| own.to_string()),
                started: child.started,
                container: Some(index),
                is_job: true,
            };
            let jobs = container.program.as_ref().map(Program::children).unwrap_or_default();
            std::iter::once(own).chain(jobs.into_iter().map(job))
        };
        match self.sandbox.containers[self.container].config.pid_namespace {
            PidNamespace::Own => first(self.container).collect(),
            PidNamespace::Of(target) => first(target).chain(first(self.container)).collect(),
            PidNamespace::Pod => {
                let running = self.sandbox.containers.iter().enumerate().filter(|(_, container)| container.state == State::Running);
                let started = self.sandbox.containers.first().map_or(self.now, |container| container.started);
                let pause = Process { pid: 1, command: "/pause".to_owned(), started, container: None, is_job: false };
                std::iter::once(pause).chain(running.flat_map(|(index, _)| first(index))).collect()
            }
        }
    }

    pub(crate) fn image(&self) -> &'static Image {
        self.sandbox.containers[self.container].config.image
    }

    pub(crate) fn is_privileged(&self) -> bool {
        self.sandbox.containers[self.container].config.privileged
    }

    pub(crate) fn cwd(&self) -> &str {
        &self.sandbox.containers[self.container].config.cwd
    }

    /// Begins to listen on a port; false when it is taken.
    pub(crate) fn listen(&mut self, port: u16, service: Service) -> bool {
        let since = self.now();
        if self.sandbox.listeners.iter().any(|listener| listener.port == port) {
            return false;
        }
        self.sandbox.listeners.push(Listener { port, container: self.container, service, since });
        true
    }

    /// Begins a call over the network; gives its number.
    pub(crate) fn dial(&mut self, dial: Dial) -> u64 {
        self.sandbox.calls.begin(dial)
    }

    /// The answer to a call, once.
    pub(crate) fn take_answer(&mut self, call: u64) -> Option<Answer> {
        self.sandbox.calls.take(call)
    }

    /// Sends a signal to a process that the container sees.
    pub(crate) fn signal(&mut self, pid: usize, signal: &str) {
        let found = self.processes().into_iter().find(|process| process.pid == pid);
        let Some((process, target)) = found.and_then(|process| process.container.map(|target| (process, target))) else { return };
        let (now, container) = (self.now(), &mut self.sandbox.containers[target]);
        if !process.is_job {
            return container.signal(signal, now);
        }
        if let Some(Program::Shell(machine)) = &mut container.program {
            machine.kill_job(pid);
            container.wake = Some(now);
        }
    }

    /// Asks a listener of the Pod over HTTP; `None` when nothing listens.
    pub(crate) fn http(&mut self, port: u16, request: &HttpRequest) -> Option<Option<HttpResponse>> {
        let now = self.now();
        self.sandbox.http(port, request, now, self.host)
    }
}

impl Sandbox {
    /// The number of a container's first process where it is seen.
    fn first_pid(&self, index: usize) -> usize {
        if self.containers[index].config.pid_namespace == PidNamespace::Own { 1 } else { 7 + 7 * index }
    }

    /// A sandbox without an address.
    pub(crate) fn new(hostname: String) -> Self {
        Sandbox { hostname, ..Sandbox::default() }
    }

    /// An answer to a call came: whoever may wait for it looks.
    pub(crate) fn answered(&mut self, call: u64, answer: Answer, now: Time) {
        self.calls.answered(call, answer);
        let shells = self.containers.iter_mut().filter(|container| matches!(container.program, Some(Program::Shell(_))));
        shells.for_each(|container| container.wake = Some(now));
        self.execs.iter_mut().for_each(|exec| exec.wake = Some(now));
    }

    /// Whether something listens on the port.
    pub(crate) fn listens(&self, port: u16) -> bool {
        self.listeners.iter().any(|listener| listener.port == port)
    }

    /// Whether a gRPC health service listens on the port.
    pub(crate) fn speaks_grpc(&self, port: u16) -> bool {
        self.listeners.iter().any(|listener| listener.port == port && matches!(listener.service, Service::Grpc))
    }

    /// Asks over HTTP: `None` when nothing listens, `Some(None)` when the listener speaks something else.
    pub(crate) fn http(&mut self, port: u16, request: &HttpRequest, now: Time, host: &mut Tree) -> Option<Option<HttpResponse>> {
        let at = self.listeners.iter().position(|listener| listener.port == port)?;
        let (owner, since, service) = (self.listeners[at].container, self.listeners[at].since, self.listeners[at].service.clone());
        let container = &mut self.containers[owner];
        let view = View { root: &mut container.root, mounts: &container.config.mounts, volumes: &mut self.volumes, host };
        let mut response = match &service {
            Service::Demo(_) if request.path == "/metrics" => Some(HttpResponse::metrics(container.meter.requests)),
            service => service.respond(now, since, request, &view),
        };
        let took = container.meter.serve(now);
        if let Some(response) = response.as_mut().filter(|_| took >= NOTICED) {
            response.delay += took;
        }
        if let Some(response) = &response
            && response.server.starts_with("nginx")
        {
            let agent = request.headers.iter().find(|(name, _)| name == "User-Agent").map_or("-", |(_, value)| value.as_str());
            let line = format!(
                "{} - - [{}] \"{} {} HTTP/1.1\" {} {} \"-\" \"{agent}\" \"-\"\n",
                request.client_ip,
                now.rfc3339(),
                request.method,
                request.path,
                response.status,
                response.body.len()
            );
            container.log.write(now, false, &line);
        }
        Some(response)
    }

    /// Creates and starts a container.
    ///
    /// # Errors
    /// The runtime's message when the program does not exist.
    pub(crate) fn start(&mut self, config: ContainerConfig, mut root: Tree, now: Time) -> Result<usize, String> {
        let mut program = programs::launch(config.image, &config.argv, &config.env, &self.hostname, Some(&config.ports));
        if let Some(Program::Shell(machine)) = &mut program {
            if config.pid_namespace != PidNamespace::Own {
                machine.number_jobs_after(7 + 7 * self.containers.len());
            }
            if config.stdin {
                machine.attach(config.tty);
            }
        }
        for mount in &config.mounts {
            // A mount point that cannot be made shows when the program looks for it.
            let _ = root.make_dirs(&mount.at);
        }
        let failed = program.is_none().then(|| start_error(&config.argv));
        let state = match &failed {
            Some(message) => State::Exited { code: 128, reason: "StartError", message: message.clone(), at: now },
            None => State::Running,
        };
        let meter = Meter::new(now, config.cpu_milli);
        let (log, wake) = (Log::default(), Some(now));
        let (image_bytes, image_entries) = (root.size(), root.entry_count());
        // Most Pods have one container, which is large.
        self.containers.reserve_exact(1);
        self.containers.push(Container {
            config,
            started: now,
            state,
            log,
            meter,
            root,
            image_bytes,
            image_entries,
            program,
            wake,
            kill_at: None,
            kill_code: 137,
            kill_reason: "Error",
            tap: None,
            tapped: false,
        });
        failed.map_or(Ok(self.containers.len() - 1), Err)
    }

    /// Sends SIGTERM (or another stop signal) to a container and kills it at `kill_at`.
    pub(crate) fn stop(&mut self, index: usize, signal: &str, now: Time, kill_at: Time) {
        let container = &mut self.containers[index];
        container.signal(signal, now);
        container.kill_at = Some(container.kill_at.map_or(kill_at, |old| old.min(kill_at)));
    }

    /// Starts a command in a container; `None` when it has ended or has no such program.
    pub(crate) fn exec(&mut self, index: usize, argv: &[String], stdin: Stdin, now: Time) -> Option<u64> {
        let container = &self.containers[index];
        if container.state != State::Running {
            return None;
        }
        let mut program = programs::launch(container.config.image, argv, &container.config.env, &self.hostname, None)?;
        self.next_exec += 1;
        if let Program::Shell(machine) = &mut program {
            machine.number_jobs_after(usize::try_from(self.next_exec).unwrap_or(1).saturating_mul(MAX_JOBS).saturating_add(20));
            if let Some(text) = stdin.text {
                machine.set_stdin(text);
            } else if stdin.keyboard {
                machine.attach(stdin.tty);
            }
        }
        self.execs.push(Exec {
            id: self.next_exec,
            container: index,
            program,
            wake: Some(now),
            tty: stdin.tty,
            stdout: String::new(),
            stderr: String::new(),
            killed: None,
        });
        Some(self.next_exec)
    }

    /// Forgets a command that takes too long.
    pub(crate) fn cancel_exec(&mut self, id: u64) {
        self.execs.retain(|exec| exec.id != id);
    }

    /// When something in the sandbox happens next.
    pub(crate) fn next_wake(&self) -> Option<Time> {
        let containers = self.containers.iter().filter(|container| container.state == State::Running);
        let containers = containers.flat_map(|container| [container.wake, container.kill_at]);
        containers.chain(self.execs.iter().map(|exec| exec.wake)).flatten().min()
    }

    /// Runs everything that is due.
    pub(crate) fn advance(&mut self, now: Time, host: &mut Tree) -> Vec<Happened> {
        let mut happened = Vec::new();
        for index in 0..self.containers.len() {
            if self.containers[index].state == State::Running && self.step_container(index, now, host) {
                happened.push(Happened::Exited(index));
            }
        }
        let mut at = 0;
        while at < self.execs.len() {
            match self.step_exec(at, now, host) {
                Some(result) => {
                    self.execs.remove(at);
                    happened.push(Happened::ExecDone(result));
                }
                None => at += 1,
            }
        }
        happened
    }

    /// Steps the first process of a container if it is due; true when it ended.
    fn step_container(&mut self, index: usize, now: Time, host: &mut Tree) -> bool {
        let container = &mut self.containers[index];
        if container.kill_at.is_some_and(|at| at <= now) {
            let (code, reason) = (container.kill_code, container.kill_reason);
            self.ended(index, code, reason, now, host);
            return true;
        }
        if container.wake.is_none_or(|wake| wake > now) {
            return false;
        }
        let Some(mut program) = container.program.take() else { return false };
        container.wake = None;
        let mut out = Output::default();
        let mut ctx = Ctx { sandbox: self, host, container: index, now, spent: Duration::ZERO, waited: Duration::ZERO };
        let step = program.step(&mut ctx, &mut out);
        let (spent, waited) = (ctx.spent, ctx.waited);
        let container = &mut self.containers[index];
        // A program that is throttled goes on later.
        let rested = now + waited + container.meter.run(now, spent.saturating_sub(waited));
        for chunk in out.0 {
            container.print(chunk);
        }
        self.charge_memory(index);
        let step = if self.is_out_of_memory(index) { Step::OutOfMemory } else { step };
        let container = &mut self.containers[index];
        match step {
            Step::Wait(wake) => {
                container.program = Some(program);
                let wake = wake.map(|at| at.max(rested));
                container.wake = [container.wake, wake].into_iter().flatten().min().map(|at| at.max(now + Duration::from_micros(1)));
                false
            }
            Step::Exit(code) => {
                self.ended(index, code, if code == 0 { "Completed" } else { "Error" }, now + spent, host);
                true
            }
            Step::OutOfMemory => {
                self.ended(index, 137, "OOMKilled", now, host);
                true
            }
        }
    }

    fn ended(&mut self, index: usize, code: i32, reason: &'static str, at: Time, host: &mut Tree) {
        self.listeners.retain(|listener| listener.container != index);
        self.execs.retain(|exec| exec.container != index);
        let container = &mut self.containers[index];
        let view = View { root: &mut container.root, mounts: &container.config.mounts, volumes: &mut self.volumes, host };
        let path = &container.config.termination_message_path;
        let message = view.read(if path.is_empty() { "/dev/termination-log" } else { path }).unwrap_or("");
        let end = (0..=message.len().min(4096)).rev().find(|at| message.is_char_boundary(*at)).unwrap_or(0);
        let message = message[..end].to_owned();
        container.program = None;
        container.meter.stop(at);
        container.state = State::Exited { code, reason, message, at };
    }

    fn step_exec(&mut self, at: usize, now: Time, host: &mut Tree) -> Option<ExecResult> {
        let exec = &mut self.execs[at];
        if exec.wake.is_none_or(|wake| wake > now) {
            return None;
        }
        let mut program = exec.program.clone();
        let (id, container) = (exec.id, exec.container);
        let mut out = Output::default();
        let mut ctx = Ctx { sandbox: self, host, container, now, spent: Duration::ZERO, waited: Duration::ZERO };
        let step = program.step(&mut ctx, &mut out);
        let (spent, waited) = (ctx.spent, ctx.waited);
        let rested = now + waited + self.containers[container].meter.run(now, spent.saturating_sub(waited));
        self.charge_memory(container);
        if self.is_out_of_memory(container) {
            // The whole control group is killed, and the container at its next step.
            self.containers[container].kill_for_memory(now);
        }
        let exec = self.execs.iter_mut().find(|exec| exec.id == id)?;
        for chunk in out.0 {
            let stream = if chunk.fd == 2 && !exec.tty { &mut exec.stderr } else { &mut exec.stdout };
            if stream.len() + chunk.text.len() <= MAX_EXEC_OUTPUT {
                stream.push_str(&chunk.text);
            }
        }
        let exit_code = match step {
            _ if exec.killed.is_some() => exec.killed.unwrap_or_default(),
            Step::Wait(wake) => {
                exec.program = program;
                exec.wake = wake.map(|at| at.max(rested).max(now + Duration::from_micros(1)));
                return None;
            }
            Step::Exit(code) => code,
            Step::OutOfMemory => 137,
        };
        Some(ExecResult { id, exit_code, stdout: std::mem::take(&mut exec.stdout), stderr: std::mem::take(&mut exec.stderr) })
    }

    /// Frees the files of a container that ended; its log stays.
    pub(crate) fn forget(&mut self, index: usize, log_too: bool) {
        let container = &mut self.containers[index];
        container.root = Tree::default();
        if log_too {
            container.log = Log::default();
        }
    }
}

/// What the runtime says when a container's program does not exist.
pub(crate) fn start_error(argv: &[String]) -> String {
    let name = argv.first().map_or("", String::as_str);
    let why = if name.contains('/') {
        format!("stat {name}: no such file or directory")
    } else {
        "executable file not found in $PATH".to_owned()
    };
    format!(
        "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start \
         container process: error during container init: exec: {name:?}: {why}"
    )
}

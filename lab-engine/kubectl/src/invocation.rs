//! One run of `kubectl`: from its words to its exit status.

use crate::command::{Answer, Effects, Failure, Io, Job, Keyboard, News, On, Step, Then, json_of};
use crate::commands;
use crate::discovery::{self, Discovery};
use crate::files::Files;
use crate::identity::Identity;
use crate::kubeconfig::Kubeconfig;
use crate::terminal::{Output, Stream};
use api::channels::{Channel, close_stdin};
use api::http::{Request, Response};
use client::{Component, Input, Outbox, RequestId, Transport};
use sim::Time;
use std::collections::VecDeque;
use std::fmt;

/// How many steps one input may cause; far more than any command takes.
const MAX_STEPS: usize = 100_000;

/// What a run can see of the terminal.
#[derive(Clone, Copy, Debug)]
pub struct Environment<'a> {
    /// The learner's files.
    pub files: &'a Files,
    /// What stands on standard input.
    pub stdin: &'a str,
    /// The kubeconfig.
    pub config: &'a Kubeconfig,
    /// The local ports that are taken.
    pub ports: &'a [u16],
}

/// A command line that `kubectl` refuses: what it prints to stderr, without the last line's end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// What a run waits for.
enum Waiting {
    Start(Job),
    /// Words that name kinds which only the server knows; the question, once it is sent.
    Kinds(Box<Held>, Option<RequestId>),
    Answer(RequestId, Then),
    Watch {
        open: Vec<Option<RequestId>>,
        deadline: Option<Time>,
        on: On,
    },
    Sleep(Time, Job),
    Nothing,
}

/// A command line to be read again.
struct Held {
    args: Vec<String>,
    files: Files,
    stdin: String,
    config: Kubeconfig,
    ports: Vec<u16>,
}

impl Held {
    fn new(args: &[String], environment: &Environment<'_>) -> Self {
        Held {
            args: args.to_vec(),
            files: environment.files.clone(),
            stdin: environment.stdin.to_owned(),
            config: environment.config.clone(),
            ports: environment.ports.to_vec(),
        }
    }
}

/// One run of `kubectl`. The first input is [`Input::Wake`].
pub struct Kubectl {
    identity: Identity,
    waiting: Waiting,
    queue: VecDeque<Job>,
    output: Vec<Output>,
    keyboard: Option<Keyboard>,
    effects: Effects,
    worst: i32,
    code: Option<i32>,
}

impl fmt::Debug for Kubectl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kubectl").field("queued", &self.queue.len()).field("code", &self.code).finish_non_exhaustive()
    }
}

impl Kubectl {
    /// Reads the words after `kubectl` and makes the run ready.
    ///
    /// # Errors
    /// [`Usage`] when the words make no command.
    pub fn start(args: &[String], environment: &Environment<'_>) -> Result<Self, Usage> {
        let kinds = Discovery::default();
        let (job, identity) = commands::build(args, environment, &kinds);
        let waiting =
            if kinds.wants_answer() { Waiting::Kinds(Box::new(Held::new(args, environment)), None) } else { Waiting::Start(job?) };
        Ok(Kubectl::waiting(identity, waiting))
    }

    fn waiting(identity: Identity, waiting: Waiting) -> Self {
        Kubectl {
            identity,
            waiting,
            queue: VecDeque::new(),
            output: Vec::new(),
            keyboard: None,
            effects: Effects::default(),
            worst: 0,
            code: None,
        }
    }

    /// A run of a job that is no command of `kubectl`.
    pub(crate) fn of(job: Job) -> Self {
        Kubectl::waiting(Identity::default(), Waiting::Start(job))
    }

    /// What the run does to the terminal, once.
    pub(crate) fn take_effects(&mut self) -> Effects {
        std::mem::take(&mut self.effects)
    }

    /// The exit status, once the run ended.
    pub fn exit_code(&self) -> Option<i32> {
        self.code
    }

    /// What was printed since the last call.
    pub fn take_output(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.output)
    }

    /// Ends the run as Ctrl-C does, with exit status 130.
    pub fn interrupt(&mut self, out: &mut Outbox) {
        match std::mem::replace(&mut self.waiting, Waiting::Nothing) {
            Waiting::Answer(id, _) | Waiting::Kinds(_, Some(id)) => out.cancel(id),
            Waiting::Watch { open, .. } => open.into_iter().flatten().for_each(|id| out.cancel(id)),
            _ => {}
        }
        self.code.get_or_insert(130);
    }

    /// Whether it reads what is typed: whether that is done on a terminal.
    pub fn reads(&self) -> Option<bool> {
        self.keyboard.map(|keyboard| keyboard.tty)
    }

    /// Somebody types; `None` is the end of what is typed (`^D`).
    pub fn type_text(&mut self, text: Option<&str>, out: &mut Outbox) {
        if let (Some(_), Waiting::Watch { open, .. }) = (self.keyboard, &self.waiting)
            && let Some(Some(id)) = open.first()
        {
            out.write(*id, text.map_or_else(close_stdin, |text| Channel::Stdin.frame(text)));
        }
    }

    /// Runs a part of the command with what it prints to.
    fn io<R>(&mut self, now: Time, part: impl FnOnce(&mut Io<'_>) -> R) -> R {
        part(&mut Io { now, output: &mut self.output, queue: &mut self.queue, effects: &mut self.effects, keyboard: &mut self.keyboard })
    }

    fn send(&self, request: Request, out: &mut Outbox) -> RequestId {
        out.request(self.identity.send(request.agent(&"kubectl".into())))
    }

    /// Ends the run if no request of it can be sent.
    fn is_blocked(&mut self) -> bool {
        let Some(why) = self.identity.blocked.take() else { return false };
        self.output.push(Output { stream: Stream::Stderr, text: format!("{why}\n") });
        self.code = Some(1);
        true
    }

    /// Follows steps until one waits or nothing is left.
    fn follow(&mut self, now: Time, mut step: Step, out: &mut Outbox) {
        for _ in 0..MAX_STEPS {
            match step {
                Step::Ask(..) | Step::Watch(..) if self.is_blocked() => return,
                Step::Ask(request, then) => {
                    self.waiting = Waiting::Answer(self.send(*request, out), then);
                    return;
                }
                Step::Watch(requests, deadline, on) => {
                    let open = requests.into_iter().map(|request| Some(self.send(request, out))).collect();
                    self.waiting = Waiting::Watch { open, deadline, on };
                    return;
                }
                Step::Sleep(until, job) => {
                    self.waiting = Waiting::Sleep(until, job);
                    return;
                }
                Step::Done(code) => {
                    self.worst = self.worst.max(code);
                    match self.queue.pop_front() {
                        Some(job) => step = self.io(now, job),
                        None => break,
                    }
                }
            }
        }
        self.code = Some(self.worst);
    }

    /// Something of a watch arrived.
    fn news(&mut self, now: Time, number: usize, news: News, out: &mut Outbox) {
        let Waiting::Watch { open, deadline, mut on } = std::mem::replace(&mut self.waiting, Waiting::Nothing) else { return };
        match self.io(now, |io| on(number, news, io)) {
            None => self.waiting = Waiting::Watch { open, deadline, on },
            Some(step) => {
                open.into_iter().flatten().for_each(|id| out.cancel(id));
                self.follow(now, step, out);
            }
        }
    }

    /// Which of the watched requests this is; it is closed when nothing more comes.
    fn watched(&mut self, id: RequestId, last: bool) -> Option<usize> {
        let Waiting::Watch { open, .. } = &mut self.waiting else { return None };
        let number = open.iter().position(|other| *other == Some(id))?;
        if last {
            open[number] = None;
        }
        Some(number)
    }

    fn wake(&mut self, now: Time, out: &mut Outbox) {
        match std::mem::replace(&mut self.waiting, Waiting::Nothing) {
            Waiting::Start(job) => {
                let step = self.io(now, job);
                self.follow(now, step, out);
            }
            Waiting::Kinds(_, None) if self.is_blocked() => {}
            Waiting::Kinds(held, None) => self.waiting = Waiting::Kinds(held, Some(self.send(discovery::request(), out))),
            Waiting::Sleep(until, job) if until <= now => {
                let step = self.io(now, job);
                self.follow(now, step, out);
            }
            Waiting::Watch { open, deadline: Some(deadline), on } if deadline <= now => {
                self.waiting = Waiting::Watch { open, deadline: None, on };
                self.news(now, 0, News::Deadline, out);
            }
            other => self.waiting = other,
        }
    }

    fn response(&mut self, now: Time, id: RequestId, result: Result<Response, Transport>, out: &mut Outbox) {
        let mine = match &self.waiting {
            Waiting::Answer(waiting, _) | Waiting::Kinds(_, Some(waiting)) => *waiting == id,
            Waiting::Watch { open, .. } => open.contains(&Some(id)),
            _ => false,
        };
        if !mine {
            return;
        }
        let answer: Answer = match result {
            Ok(response) => {
                let warnings = response.warnings.iter().map(|warning| format!("Warning: {warning}\n"));
                self.output.extend(warnings.map(|text| Output { stream: Stream::Stderr, text }));
                response.result.map_err(Failure::Refused)
            }
            Err(error) => Err(Failure::Transport(error)),
        };
        match std::mem::replace(&mut self.waiting, Waiting::Nothing) {
            Waiting::Answer(_, then) => {
                let step = self.io(now, |io| then(answer, io));
                self.follow(now, step, out);
            }
            Waiting::Kinds(held, _) => self.discovered(now, &held, answer, out),
            other => {
                self.waiting = other;
                if let Some(number) = self.watched(id, answer.is_err()) {
                    self.news(now, number, News::Answer(answer), out);
                }
            }
        }
    }
}

impl Kubectl {
    /// The server told its kinds: reads the words again.
    fn discovered(&mut self, now: Time, held: &Held, answer: Answer, out: &mut Outbox) {
        let kinds = match answer {
            Ok(body) => Discovery::read(&json_of(body)),
            Err(failure) => {
                let step = self.io(now, |io| io.fail(&failure));
                return self.follow(now, step, out);
            }
        };
        let environment = Environment { files: &held.files, stdin: &held.stdin, config: &held.config, ports: &held.ports };
        let step = match commands::build(&held.args, &environment, &kinds).0 {
            Ok(job) => self.io(now, job),
            Err(usage) => self.io(now, |io| {
                io.complain(&usage.0);
                Step::Done(1)
            }),
        };
        self.follow(now, step, out);
    }
}

impl Component for Kubectl {
    fn handle(&mut self, now: Time, input: Input, out: &mut Outbox) {
        if self.code.is_some() {
            return;
        }
        match input {
            Input::Wake => self.wake(now, out),
            Input::Response(id, result) => self.response(now, id, result, out),
            Input::Watch(id, events) => {
                if let Some(number) = self.watched(id, false) {
                    self.news(now, number, News::Events(events), out);
                }
            }
            Input::WatchEnded(id, _) => {
                if let Some(number) = self.watched(id, true) {
                    self.news(now, number, News::Ended, out);
                }
            }
            Input::Stream(id, text, last) => {
                if let Some(number) = self.watched(id, last) {
                    self.news(now, number, News::Text(text, last), out);
                }
            }
            Input::Serve(..) | Input::ServeText(..) | Input::Etcd(_) | Input::Dialed(..) | Input::Outgoing(..) | Input::Incoming(..) => {}
        }
    }

    fn next_wake(&self) -> Option<Time> {
        match &self.waiting {
            Waiting::Start(_) | Waiting::Kinds(_, None) => Some(Time::ZERO),
            Waiting::Sleep(until, _) => Some(*until),
            Waiting::Watch { deadline, .. } => *deadline,
            _ => None,
        }
    }
}

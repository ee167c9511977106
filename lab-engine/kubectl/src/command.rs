//! How the commands of `kubectl` run: a command is a [`Job`] that ends in a [`Step`], and a step that waits says what follows.
//!
//! Written so, a command reads from top to bottom although each answer comes as an input of its own: the state between two answers is what
//! the closure of [`Step::Ask`] or [`Step::Watch`] holds.

use crate::forward::Forward;
use crate::kubeconfig::Kubeconfig;
use crate::terminal::{Output, Stream};
use api::http::{Body, Request, WatchEvent};
use api::status::Status;
use client::Transport;
use serde_json::Value;
use sim::Time;
use std::collections::VecDeque;
use std::sync::Arc;

/// Why a question got no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The server refused.
    Refused(Box<Status>),
    /// The server could not be reached.
    Transport(Transport),
}

impl Failure {
    /// What `kubectl` prints to stderr (`cmdutil.StandardErrorMessage`), without the line's end.
    ///
    /// `doing` names what was tried and from where, for example `creating "web.yaml"`; it may be empty.
    pub(crate) fn text(&self, doing: &str) -> String {
        let status = match self {
            Failure::Transport(Transport::Refused) => {
                return "The connection to the server 127.0.0.1:6443 was refused - did you specify the right host or port?".to_owned();
            }
            Failure::Transport(error) => return format!("Unable to connect to the server: {error}"),
            Failure::Refused(status) => status,
        };
        if status.reason == "Invalid" && !status.details.causes.is_empty() {
            let causes: Vec<String> = status.details.causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
            let list = if let [only] = &causes[..] { only.clone() } else { format!("\n* {}", causes.join("\n* ")) };
            return format!("The {} {:?} is invalid: {list}", status.details.kind, status.details.name);
        }
        if status.reason == "Unauthorized" {
            return format!("error: You must be logged in to the server ({})", status.message);
        }
        let message = if doing.is_empty() { status.message.clone() } else { format!("error when {doing}: {}", status.message) };
        if status.reason.is_empty() {
            return format!("Error from server: {message}");
        }
        format!("Error from server ({}): {message}", status.reason)
    }

    /// As a command words a failure that it wraps itself: `error: failed to create deployment: …`.
    pub(crate) fn message(&self) -> String {
        match self {
            Failure::Transport(error) => error.to_string(),
            Failure::Refused(status) => status.message.clone(),
        }
    }

    /// Whether somebody else was faster.
    pub(crate) fn is_conflict(&self) -> bool {
        matches!(self, Failure::Refused(status) if status.reason == "Conflict")
    }

    /// Whether the object does not exist.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Failure::Refused(status) if status.reason == "NotFound")
    }
}

/// What comes back from a question.
pub(crate) type Answer = Result<Body, Failure>;

/// Work that can begin at once.
pub(crate) type Job = Box<dyn FnOnce(&mut Io<'_>) -> Step>;

/// What follows an answer.
pub(crate) type Then = Box<dyn FnOnce(Answer, &mut Io<'_>) -> Step>;

/// What is done with what a watch or a stream brings; `None` goes on with it. The number tells which of the requests it comes from.
pub(crate) type On = Box<dyn FnMut(usize, News, &mut Io<'_>) -> Option<Step>>;

/// What a watch or a stream of text brings.
#[derive(Debug)]
pub(crate) enum News {
    /// The first text of a stream, or a refusal.
    Answer(Answer),
    /// Events of a watch.
    Events(Arc<[WatchEvent]>),
    /// More text of a stream; whether it is the last.
    Text(Arc<str>, bool),
    /// The watch ended.
    Ended,
    /// The time is up.
    Deadline,
}

/// What a command does next.
pub(crate) enum Step {
    /// It asks one question and waits for the answer.
    Ask(Box<Request>, Then),
    /// It watches, at most until the time given.
    Watch(Vec<Request>, Option<Time>, On),
    /// It sleeps until then.
    Sleep(Time, Job),
    /// It ended with this exit status; work that was put off with [`Io::later`] follows.
    Done(i32),
}

impl Step {
    /// Asks, and goes on with the answer.
    pub(crate) fn ask(request: Request, then: impl FnOnce(Answer, &mut Io<'_>) -> Step + 'static) -> Step {
        Step::Ask(Box::new(request), Box::new(then))
    }

    /// Asks, and goes on with the JSON of the answer; a failure is printed and ends the step with status 1.
    pub(crate) fn json(request: Request, then: impl FnOnce(Value, &mut Io<'_>) -> Step + 'static) -> Step {
        Step::ask(request, move |answer, io| match answer {
            Ok(body) => then(json_of(body), io),
            Err(failure) => io.fail(&failure),
        })
    }
}

/// Standard input of a command that is typed into while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Keyboard {
    /// Whether `^C` and `^D` go to the other end.
    pub(crate) tty: bool,
}

/// What a command does to the terminal that it runs in.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// Local ports that lead to Pods from now on.
    pub(crate) forwards: Vec<(u16, Forward)>,
    /// Files to write: paths and texts.
    pub(crate) files: Vec<(String, String)>,
    /// The kubeconfig from now on.
    pub(crate) config: Option<Box<Kubeconfig>>,
}

/// What a command prints to and reads from.
pub(crate) struct Io<'a> {
    /// The present.
    pub(crate) now: Time,
    /// Takes what is printed.
    pub(crate) output: &'a mut Vec<Output>,
    /// Work that follows when the present work is done.
    pub(crate) queue: &'a mut VecDeque<Job>,
    /// What it does to the terminal.
    pub(crate) effects: &'a mut Effects,
    /// Whether what is typed goes to the first request of the present [`Step::Watch`].
    pub(crate) keyboard: &'a mut Option<Keyboard>,
}

impl Io<'_> {
    /// Prints to stdout.
    pub(crate) fn print(&mut self, text: impl Into<String>) {
        let text = text.into();
        if !text.is_empty() {
            self.output.push(Output { stream: Stream::Stdout, text });
        }
    }

    /// Prints to stderr as it stands.
    pub(crate) fn print_error(&mut self, text: impl Into<String>) {
        let text = text.into();
        if !text.is_empty() {
            self.output.push(Output { stream: Stream::Stderr, text });
        }
    }

    /// Prints a line to stderr.
    pub(crate) fn complain(&mut self, line: &str) {
        self.print_error(format!("{line}\n"));
    }

    /// Prints a refusal and ends the step with status 1.
    pub(crate) fn fail(&mut self, failure: &Failure) -> Step {
        self.complain(&failure.text(""));
        Step::Done(1)
    }

    /// Prints `error: …` and ends the step with status 1.
    pub(crate) fn error(&mut self, message: &str) -> Step {
        self.complain(&format!("error: {message}"));
        Step::Done(1)
    }

    /// Puts work off until the present work is done; pieces of work follow each other in order.
    pub(crate) fn later(&mut self, job: impl FnOnce(&mut Io<'_>) -> Step + 'static) {
        self.queue.push_back(Box::new(job));
    }
}

/// A body as JSON; `null` when it has none.
pub(crate) fn json_of(body: Body) -> Value {
    match body {
        Body::Object(object) => object.to_json(),
        Body::List(list) => list.to_json(),
        Body::Json(value) | Body::Patch(_, value) => value,
        Body::Empty | Body::Text(_) => Value::Null,
    }
}

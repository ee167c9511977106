//! What the commands of `kubectl` have in common: one question to the API server after the other, and text that is printed.

use crate::terminal::{Output, Stream};
use api::http::{Body, Request};
use api::status::Status;
use client::{Outbox, RequestId, Transport};
use serde_json::Value;

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
            Failure::Transport(error) => return format!("Unable to connect to the server: {error}"),
            Failure::Refused(status) => status,
        };
        if status.reason == "Invalid" && !status.details.causes.is_empty() {
            let causes: Vec<String> = status.details.causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
            let list = if let [only] = &causes[..] { only.clone() } else { format!("\n* {}", causes.join("\n* ")) };
            return format!("The {} {:?} is invalid: {list}", status.details.kind, status.details.name);
        }
        let message = if doing.is_empty() { status.message.clone() } else { format!("error when {doing}: {}", status.message) };
        format!("Error from server ({}): {message}", status.reason)
    }

    /// Whether the object does not exist.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Failure::Refused(status) if status.reason == "NotFound")
    }
}

/// What a command learns.
#[derive(Debug)]
pub(crate) enum Event {
    /// It may begin.
    Start,
    /// The answer to its question.
    Answer(Result<Body, Failure>),
}

/// What a command does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// It waits for the answer to this question.
    Wait(RequestId),
    /// It ended with this exit status.
    Done(i32),
}

/// A command of `kubectl` while it runs.
pub(crate) trait Command: std::fmt::Debug {
    /// Goes on after an event.
    fn advance(&mut self, event: Event, io: &mut Io<'_>) -> Flow;
}

/// Where a command asks and prints.
pub(crate) struct Io<'a> {
    /// Takes requests.
    pub(crate) out: &'a mut Outbox,
    /// Takes what is printed.
    pub(crate) output: &'a mut Vec<Output>,
}

impl Io<'_> {
    /// Asks the API server.
    pub(crate) fn ask(&mut self, request: Request) -> Flow {
        Flow::Wait(self.out.request(request.agent(&"kubectl".into())))
    }

    /// Prints to stdout.
    pub(crate) fn print(&mut self, text: impl Into<String>) {
        self.output.push(Output { stream: Stream::Stdout, text: text.into() });
    }

    /// Prints a line to stderr.
    pub(crate) fn complain(&mut self, line: &str) {
        self.output.push(Output { stream: Stream::Stderr, text: format!("{line}\n") });
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

//! One run of `kubectl`: from its words to its exit status.

use crate::command::{Command, Event, Failure, Flow, Io};
use crate::commands;
use crate::files::Files;
use crate::terminal::Output;
use client::{Component, Input, Outbox, RequestId};
use sim::Time;

/// What a run can see of the terminal.
#[derive(Clone, Copy, Debug)]
pub struct Environment<'a> {
    /// The learner's files.
    pub files: &'a Files,
    /// What stands on standard input.
    pub stdin: &'a str,
}

/// A command line that `kubectl` refuses: what it prints to stderr, without the last line's end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// One run of `kubectl`. The first input is [`Input::Wake`].
#[derive(Debug)]
pub struct Kubectl {
    command: Box<dyn Command>,
    waiting: Option<RequestId>,
    output: Vec<Output>,
    code: Option<i32>,
}

impl Kubectl {
    /// Reads the words after `kubectl` and makes the run ready.
    ///
    /// # Errors
    /// [`Usage`] when the words make no command.
    pub fn start(args: &[String], environment: &Environment<'_>) -> Result<Self, Usage> {
        let command = commands::build(args, environment)?;
        Ok(Kubectl { command, waiting: None, output: Vec::new(), code: None })
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
        if let Some(id) = self.waiting.take() {
            out.cancel(id);
        }
        self.code.get_or_insert(130);
    }

    fn advance(&mut self, event: Event, out: &mut Outbox) {
        match self.command.advance(event, &mut Io { out, output: &mut self.output }) {
            Flow::Wait(id) => self.waiting = Some(id),
            Flow::Done(code) => {
                self.code = Some(code);
                self.waiting = None;
            }
        }
    }
}

impl Component for Kubectl {
    fn handle(&mut self, _: Time, input: Input, out: &mut Outbox) {
        if self.code.is_some() {
            return;
        }
        match input {
            Input::Wake if self.waiting.is_none() => self.advance(Event::Start, out),
            Input::Response(id, result) if self.waiting == Some(id) => {
                self.waiting = None;
                let answer = match result {
                    Ok(response) => {
                        for warning in &response.warnings {
                            Io { out, output: &mut self.output }.complain(&format!("Warning: {warning}"));
                        }
                        response.result.map_err(Failure::Refused)
                    }
                    Err(error) => Err(Failure::Transport(error)),
                };
                self.advance(Event::Answer(answer), out);
            }
            _ => {}
        }
    }

    fn next_wake(&self) -> Option<Time> {
        None
    }
}

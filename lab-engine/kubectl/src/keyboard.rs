//! A line of the terminal that reads what is typed: `kubectl exec -it POD -- sh`.
//!
//! What the other end prints last, without the end of a line, is its prompt. The terminal holds it back, so that whoever shows the terminal
//! puts it before what is typed.

use crate::terminal::{Output, Program, Stream, Terminal};
use client::Outbox;
use sim::Time;
use std::time::Duration;

/// After how long without any output a session without a prompt counts as waiting for a line.
const QUIET: Duration = Duration::from_secs(1);

/// How long a prompt may be, in bytes; what is longer is output.
const MAX_PROMPT: usize = 256;

/// The state of a line that reads the keyboard.
#[derive(Debug, Default)]
pub(crate) struct Session {
    /// The prompt, once there is one.
    prompt: String,
    /// When something was last typed or printed.
    active: Option<Time>,
    /// It was seen to be quiet.
    quiet: bool,
}

impl Session {
    /// When it will count as quiet.
    pub(crate) fn quiet_at(&self) -> Option<Time> {
        self.active.filter(|_| !self.quiet && self.prompt.is_empty()).map(|at| at + QUIET)
    }
}

impl Terminal {
    /// Whether what is typed goes to the line that runs; if so, whether it is on a terminal there.
    pub fn reads(&self) -> Option<bool> {
        self.running.as_ref().and_then(|(program, _)| program.reads())
    }

    /// The prompt of the session that reads what is typed; empty when it has none. `None` without such a session.
    pub fn prompt(&self) -> Option<&str> {
        self.reads().map(|_| self.session.prompt.as_str())
    }

    /// Whether the terminal waits for a line: nothing runs, or what runs has prompted for one, or reads and was quiet for a second.
    pub fn awaits_line(&self) -> bool {
        !self.is_busy() || (self.reads().is_some() && (!self.session.prompt.is_empty() || self.session.quiet))
    }

    /// Types a line into what reads; `^D` alone is the end of the input.
    pub(crate) fn type_line(&mut self, now: Time, line: &str, out: &mut Outbox) {
        if line != "\u{4}" {
            self.send(now, Some(&format!("{line}\n")), out);
        } else {
            let text = self.reads().unwrap_or_default().then_some("\u{4}");
            self.send(now, text, out);
        }
    }

    /// Sends typed text to what reads, or that nothing more will be typed.
    pub(crate) fn send(&mut self, now: Time, text: Option<&str>, out: &mut Outbox) {
        self.session = Session { active: Some(now), ..Session::default() };
        if let Some((Program::Kubectl(kubectl), _)) = &mut self.running {
            kubectl.type_text(text, out);
        }
    }

    /// Prints a prompt that is held back.
    pub(crate) fn release(&mut self) {
        let text = std::mem::take(&mut self.session.prompt);
        if !text.is_empty() {
            self.output.push(Output { stream: Stream::Stdout, text });
        }
        self.session = Session::default();
    }

    /// Takes the beginning of a line off what a session printed last; all that is held back is given out when the session has ended.
    pub(crate) fn hold_prompt(&mut self, now: Time, reads: bool, mut printed: Vec<Output>) -> Vec<Output> {
        let held = std::mem::take(&mut self.session.prompt);
        if !held.is_empty() {
            match printed.first_mut().filter(|first| first.stream == Stream::Stdout) {
                Some(first) => first.text.insert_str(0, &held),
                None => printed.insert(0, Output { stream: Stream::Stdout, text: held.clone() }),
            }
        }
        if !reads {
            self.session = Session::default();
            return printed;
        }
        if printed.is_empty() {
            self.session.quiet = self.session.active.is_some_and(|at| at + QUIET <= now);
            self.session.active.get_or_insert(now);
            return printed;
        }
        if printed.len() > 1 || held.is_empty() || printed[0].text != held {
            (self.session.active, self.session.quiet) = (Some(now), false);
        }
        if let Some(last) = printed.last_mut().filter(|last| last.stream == Stream::Stdout) {
            let begin = last.text.rfind('\n').map_or(0, |at| at + 1);
            if last.text.len() - begin <= MAX_PROMPT {
                self.session.prompt = last.text.split_off(begin);
            }
        }
        printed.retain(|output| !output.text.is_empty());
        printed
    }
}

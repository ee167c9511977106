//! `etcdctl`, `etcdutl` and `etcd`: the command lines of etcd. `etcdctl` talks to the members directly (`etcdctl/ctlv3`), `etcdutl` works on
//! files, and `etcd` starts a member.
//!
//! A run is a state machine: it asks one member after the other, prints each answer, and ends. `watch` and `lease keep-alive` go on until
//! Ctrl-C. Without `--endpoints` it asks the member on the machine where it runs, as the real one does: the first.
//!
//! | file | what |
//! |---|---|
//! | `args` | the commands and their flags |
//! | `keys` | `get`, `put`, `del`, `watch`, `txn`, `compaction` |
//! | `cluster` | `member`, `endpoint`, `lease`, `alarm`, `move-leader`, `defrag` |
//! | `snapshot` | `snapshot`, all of `etcdutl`, and `etcd` |
//! | `print` | how answers are printed: `simple`, `fields`, `json`, `table` |
//!
//! **Simplified here:** no TLS and no users, so that certificates and passwords are not asked for; endpoints are the names of members, with or
//! without scheme and port; no `elect`, `lock`, `make-mirror`, `check` and `downgrade`.

mod args;
mod cluster;
mod keys;
mod print;
mod snapshot;

use crate::invocation::Usage;
use crate::terminal::{Output, Stream};
use client::{Input, Outbox, StartMember};
use etcd::maintenance::{Maintenance, MaintenanceAnswer};
use etcd::{CallId, EtcdError, Request, Response};
use sim::Time;
use std::sync::Arc;
use std::time::Duration;

/// How long an answer may take (`--command-timeout`).
const TIMEOUT: Duration = Duration::from_secs(5);

/// What a step of a run makes of an answer.
type Then = Box<dyn FnOnce(Result<Response, Lost>, &mut Io<'_>) -> Next>;

/// What a watch makes of an answer.
type On = Box<dyn FnMut(Response, &mut Io<'_>) -> Option<Next>>;

/// A part of a run that begins without an answer.
type Job = Box<dyn FnOnce(&mut Io<'_>) -> Next>;

/// A request that still needs its number.
type Ask = Box<dyn FnOnce(CallId) -> Request>;

/// No answer came in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lost;

/// What comes next.
enum Next {
    /// Ask a member.
    Ask(Arc<str>, Ask, Then),
    /// Start a member.
    Start(StartMember, Then),
    /// Ask a member and take whatever it says, until that is enough.
    Follow(Arc<str>, Ask, On),
    /// Wait.
    Sleep(Time, Job),
    /// The run has ended.
    Done(i32),
}

/// What a step prints to.
struct Io<'a> {
    now: Time,
    output: &'a mut Vec<Output>,
    /// A file to write.
    file: &'a mut Option<(String, String)>,
}

impl Io<'_> {
    fn print(&mut self, text: impl Into<String>) {
        self.output.push(Output { stream: Stream::Stdout, text: text.into() });
    }

    /// Prints lines of a log.
    fn log(&mut self, text: impl Into<String>) {
        self.output.push(Output { stream: Stream::Stderr, text: text.into() });
    }

    /// Prints an error as cobra does, and ends.
    fn fail(&mut self, code: i32, message: impl std::fmt::Display) -> Next {
        self.output.push(Output { stream: Stream::Stderr, text: format!("Error: {message}\n") });
        Next::Done(code)
    }
}

enum Waiting {
    Start(Job),
    Answer(CallId, Time, Then),
    Follow(Arc<str>, CallId, On),
    Sleep(Time, Job),
    Nothing,
}

/// A run of `etcdctl`.
pub(crate) struct Etcdctl {
    waiting: Waiting,
    output: Vec<Output>,
    file: Option<(String, String)>,
    timeout: Duration,
    code: Option<i32>,
}

impl std::fmt::Debug for Etcdctl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Etcdctl").field("code", &self.code).finish_non_exhaustive()
    }
}

/// The commands, in the order of `etcdctl help`.
pub(crate) const COMMANDS: [&str; 13] =
    ["alarm", "compaction", "defrag", "del", "endpoint", "get", "lease", "member", "move-leader", "put", "snapshot", "txn", "watch"];

impl Etcdctl {
    /// Reads the words after `program`, which is `etcdctl`, `etcdutl` or `etcd`, and makes the run ready. `stdin` is what `txn` and `put` read, `read` reads a file, and `endpoints` is what
    /// `ETCDCTL_ENDPOINTS` says.
    ///
    /// # Errors
    /// When the words make no command.
    pub(crate) fn start(
        program: &str,
        words: &[String],
        stdin: &str,
        endpoints: Option<&str>,
        read: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Usage> {
        let line = args::Line::read(program, words, endpoints)?;
        let timeout = line.timeout()?.unwrap_or(TIMEOUT);
        let start = match (program, line.command()) {
            ("etcd", _) => snapshot::start_member(&line, &read)?,
            ("etcdutl", _) => snapshot::build_utl(&line, &read)?,
            (_, "alarm" | "defrag" | "endpoint" | "lease" | "member" | "move-leader") => cluster::build(&line)?,
            (_, "snapshot") => snapshot::build(&line)?,
            _ => keys::build(&line, stdin)?,
        };
        Ok(Etcdctl { waiting: Waiting::Start(start), output: Vec::new(), file: None, timeout, code: None })
    }

    /// The exit status, once the run ended.
    pub(crate) fn exit_code(&self) -> Option<i32> {
        self.code
    }

    /// What was printed since the last call.
    pub(crate) fn take_output(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.output)
    }

    /// The file that the run has written, as path and text, once.
    pub(crate) fn take_file(&mut self) -> Option<(String, String)> {
        self.file.take()
    }

    /// Ends the run as Ctrl-C does.
    pub(crate) fn interrupt(&mut self, out: &mut Outbox) {
        if let Waiting::Follow(member, call, _) = std::mem::replace(&mut self.waiting, Waiting::Nothing) {
            out.etcd(&member, |_| Request::CancelWatch(call));
        }
        self.code.get_or_insert(130);
    }

    /// When it wants to be woken next.
    pub(crate) fn next_wake(&self) -> Option<Time> {
        match &self.waiting {
            Waiting::Start(_) => Some(Time::ZERO),
            Waiting::Answer(_, deadline, _) => Some(*deadline),
            Waiting::Sleep(until, _) => Some(*until),
            _ => None,
        }
    }

    /// Applies one input at `now`.
    pub(crate) fn handle(&mut self, now: Time, input: Input, out: &mut Outbox) {
        match (std::mem::replace(&mut self.waiting, Waiting::Nothing), input) {
            (Waiting::Start(start), Input::Wake) => self.step(now, start, out),
            (Waiting::Sleep(until, then), Input::Wake) if until <= now => self.step(now, then, out),
            (Waiting::Answer(_, deadline, then), Input::Wake) if deadline <= now => self.step(now, |io| then(Err(Lost), io), out),
            (Waiting::Answer(call, _, then), Input::Etcd(response)) if response.call() == call => {
                self.step(now, |io| then(Ok(*response), io), out);
            }
            (Waiting::Follow(member, call, mut on), Input::Etcd(response)) if response.call() == call => {
                let mut next = None;
                self.io(now, |io| next = on(*response, io));
                match next {
                    None => self.waiting = Waiting::Follow(member, call, on),
                    Some(next) => self.step(now, |_| next, out),
                }
            }
            (waiting, _) => self.waiting = waiting,
        }
    }

    fn io<R>(&mut self, now: Time, part: impl FnOnce(&mut Io<'_>) -> R) -> R {
        part(&mut Io { now, output: &mut self.output, file: &mut self.file })
    }

    fn step(&mut self, now: Time, first: impl FnOnce(&mut Io<'_>) -> Next, out: &mut Outbox) {
        match self.io(now, first) {
            Next::Ask(member, request, then) => {
                let call = out.etcd(&member, request);
                self.waiting = Waiting::Answer(call, now + self.timeout, then);
            }
            Next::Start(start, then) => {
                let call = out.start_etcd(start);
                self.waiting = Waiting::Answer(call, now + self.timeout, then);
            }
            Next::Follow(member, request, on) => {
                let call = out.etcd(&member, request);
                self.waiting = Waiting::Follow(member, call, on);
            }
            Next::Sleep(until, then) => {
                self.waiting = Waiting::Sleep(until, then);
            }
            Next::Done(code) => self.code = Some(code),
        }
    }
}

/// Asks one member and does something with its answer; a refusal or a lost answer ends the run in etcd's words.
fn ask(
    member: &Arc<str>,
    request: impl FnOnce(CallId) -> Request + 'static,
    then: impl FnOnce(Response, &mut Io<'_>) -> Next + 'static,
) -> Next {
    let then: Then = Box::new(|answer, io| match answer {
        Ok(Response::Error(_, error)) => refused(error, io),
        Ok(response) => then(response, io),
        Err(Lost) => io.fail(1, "context deadline exceeded"),
    });
    Next::Ask(member.clone(), Box::new(request), then)
}

/// Starts a member, and says why when it does not start.
fn ask_to_start(start: StartMember) -> Next {
    let then: Then = Box::new(|answer, io| match answer {
        Ok(Response::Error(_, error)) => refused(error, io),
        Ok(_) => Next::Done(0),
        Err(Lost) => io.fail(1, "context deadline exceeded"),
    });
    Next::Start(start, then)
}

/// Asks about members and data.
fn maintain(member: &Arc<str>, what: Maintenance, then: impl FnOnce(MaintenanceAnswer, &mut Io<'_>) -> Next + 'static) -> Next {
    ask(
        member,
        |call| Request::Maintenance(call, what),
        |answer, io| match answer {
            Response::Maintenance(_, answer) => then(*answer, io),
            _ => unexpected(io),
        },
    )
}

fn refused(error: EtcdError, io: &mut Io<'_>) -> Next {
    io.fail(1, error)
}

/// An answer to something else than was asked, which no member gives.
fn unexpected(io: &mut Io<'_>) -> Next {
    io.fail(1, "etcdserver: unexpected answer")
}

//! A connection into a container that stays open: what comes is printed, what is typed is sent (`remotecommand.StreamOptions`).

use crate::command::{Failure, Io, Keyboard, News, Step};
use api::channels::{Channel, exit_code};
use api::http::{Accept, Body, Request};

/// What is said of a connection that breaks.
const ABNORMAL_CLOSURE: &str = "error reading from error stream: websocket: close 1006 (abnormal closure): unexpected EOF";

/// What is given to the other end.
#[derive(Clone, Debug, Default)]
pub(super) struct Streams {
    /// Whether it reads (`--stdin`).
    pub(super) stdin: bool,
    /// Whether it reads from a terminal (`--tty`).
    pub(super) tty: bool,
    /// What stands on standard input; typed when it is empty.
    pub(super) text: String,
}

impl Streams {
    /// As `--stdin` and `--tty` say. Where text stands on standard input, that is no terminal.
    pub(super) fn new(stdin: bool, tty: bool, text: String, io: &mut Io<'_>) -> Self {
        let is_terminal = text.is_empty();
        if stdin && tty && !is_terminal {
            io.complain("Unable to use a TTY - input is not a terminal or the right kind of file");
        }
        Streams { stdin, tty: tty && is_terminal, text }
    }

    fn types(&self) -> bool {
        self.stdin && self.text.is_empty()
    }
}

/// Why a connection has no exit code.
#[derive(Debug)]
pub(super) enum Broken {
    /// It was never opened.
    Refused(Failure),
    /// It ended early.
    Lost(String),
}

impl Broken {
    /// Prints why, and ends the step with status 1.
    pub(super) fn fail(&self, io: &mut Io<'_>) -> Step {
        match self {
            Broken::Refused(failure) => io.fail(failure),
            Broken::Lost(message) => io.error(message),
        }
    }

    /// Why, in short.
    pub(super) fn message(&self) -> String {
        match self {
            Broken::Refused(failure) => failure.message(),
            Broken::Lost(message) => message.clone(),
        }
    }
}

/// Opens a connection, and goes on with how it ended: the exit code, or why there is none.
pub(super) fn connect(
    mut request: Request,
    streams: Streams,
    then: impl FnOnce(Result<i32, Broken>, &mut Io<'_>) -> Step + 'static,
) -> Step {
    request.accept = Accept::Channels;
    for (on, name) in [(true, "stdout"), (!streams.tty, "stderr"), (streams.stdin, "stdin"), (streams.tty, "tty")] {
        if on {
            request = request.query(name, "true");
        }
    }
    let types = streams.types();
    if streams.stdin && !types {
        request = request.body(Body::Text(streams.text.into()));
    }
    let tty = streams.tty;
    let mut then = Some(then);
    let on = move |_: usize, news: News, io: &mut Io<'_>| {
        let end = match news {
            News::Answer(Ok(_)) => {
                *io.keyboard = types.then_some(Keyboard { tty });
                return None;
            }
            News::Answer(Err(failure)) => Err(Broken::Refused(failure)),
            News::Text(frame, last) => match Channel::read(&frame) {
                Some((Channel::Error, data)) => exit_code(data).map_err(Broken::Lost),
                Some((Channel::Stderr, text)) => {
                    io.print_error(text);
                    return None;
                }
                Some((Channel::Stdout, text)) => {
                    io.print(text);
                    return None;
                }
                _ if last => Err(Broken::Lost("the connection was closed".to_owned())),
                _ => return None,
            },
            News::Ended => Err(Broken::Lost(ABNORMAL_CLOSURE.to_owned())),
            News::Events(_) | News::Deadline => return None,
        };
        *io.keyboard = None;
        then.take().map(|then| then(end, io))
    };
    Step::Watch(vec![request], None, Box::new(on))
}

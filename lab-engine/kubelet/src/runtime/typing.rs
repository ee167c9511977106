//! What goes into and comes out of a container while somebody is there: typed text, and output as it is printed.
//!
//! A [`Session`] is either a command that runs in the container or its first process, to which one attaches.

use super::log::LogOptions;
use super::programs::{Chunk, Program};
use super::sandbox::{Container, Sandbox, State};
use sim::Time;

/// What somebody is connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Session {
    /// A command, by its number.
    Exec(u64),
    /// The first process of a container, by its run.
    Attach(usize),
}

/// `^C` and `^D` as a terminal sends them.
const INTERRUPT: char = '\u{3}';
const END: char = '\u{4}';

/// How much output is kept for whoever is attached, in pieces; more is dropped, as nobody reads it.
const MAX_TAPPED: usize = 4096;

/// How many sessions a sandbox has at most.
pub(crate) const MAX_SESSIONS: usize = 32;

impl Container {
    /// Its first process prints something.
    pub(super) fn print(&mut self, chunk: Chunk) {
        self.log.write(chunk.at, chunk.fd == 2, &chunk.text);
        if let Some(tap) = self.tap.as_mut().filter(|tap| tap.len() < MAX_TAPPED) {
            tap.push((if self.config.tty { 1 } else { chunk.fd }, chunk.text));
        }
    }
}

impl Sandbox {
    /// From now on the output of the container's first process is kept for whoever is attached; the first time also what was printed before.
    pub(crate) fn tap(&mut self, run: usize, on: bool) {
        let Some(container) = self.containers.get_mut(run) else { return };
        if on && container.tap.is_none() && !std::mem::replace(&mut container.tapped, true) {
            container.tap = Some(vec![(1, container.log.read(Time::ZERO, &LogOptions::default()))]);
        }
        container.tap = on.then(|| container.tap.take().unwrap_or_default());
    }

    /// What was printed since the last call, by descriptor.
    pub(crate) fn take_printed(&mut self, session: Session) -> Vec<(u8, String)> {
        match session {
            Session::Attach(run) => self.containers.get_mut(run).and_then(|c| c.tap.as_mut()).map(std::mem::take).unwrap_or_default(),
            Session::Exec(id) => {
                let Some(exec) = self.execs.iter_mut().find(|exec| exec.id == id) else { return Vec::new() };
                let both = [(1, std::mem::take(&mut exec.stdout)), (2, std::mem::take(&mut exec.stderr))];
                both.into_iter().filter(|(_, text)| !text.is_empty()).collect()
            }
        }
    }

    /// SIGKILL for the first process of a container.
    pub(crate) fn kill(&mut self, run: usize, now: Time) {
        self.containers[run].kill_now(now);
    }

    /// Ends all commands: whoever waits for them is gone.
    pub(crate) fn end_execs(&mut self) {
        self.execs.clear();
    }

    /// Whether a command runs.
    pub(crate) fn has_exec(&self, id: u64) -> bool {
        self.execs.iter().any(|exec| exec.id == id)
    }

    /// Whether a container runs.
    pub(crate) fn runs(&self, run: usize) -> bool {
        self.containers.get(run).is_some_and(|container| container.state == State::Running)
    }

    fn program(&mut self, session: Session) -> Option<(&mut Program, &mut Option<Time>, bool)> {
        match session {
            Session::Attach(run) => {
                let container = self.containers.get_mut(run)?;
                Some((container.program.as_mut()?, &mut container.wake, container.config.tty))
            }
            Session::Exec(id) => {
                let exec = self.execs.iter_mut().find(|exec| exec.id == id)?;
                Some((&mut exec.program, &mut exec.wake, exec.tty))
            }
        }
    }

    /// Somebody types. On a terminal `^C` interrupts and `^D` ends the input.
    pub(crate) fn type_text(&mut self, session: Session, text: &str, now: Time) {
        let Some((program, wake, tty)) = self.program(session) else { return };
        *wake = Some(now);
        let mut interrupted = false;
        if let Program::Shell(machine) = program {
            for piece in text.split_inclusive([INTERRUPT, END]) {
                let typed = piece.trim_end_matches([INTERRUPT, END]);
                machine.type_text(if tty { typed } else { piece });
                if tty && piece.ends_with(END) {
                    machine.close_keyboard();
                } else if tty && piece.ends_with(INTERRUPT) {
                    interrupted |= !machine.interrupt();
                }
            }
        } else {
            interrupted = tty && text.contains(INTERRUPT);
        }
        if interrupted {
            self.interrupt(session, now);
        }
    }

    /// `^C` for a program that is no shell with a prompt.
    fn interrupt(&mut self, session: Session, now: Time) {
        match session {
            Session::Attach(run) => self.containers[run].signal("INT", now),
            Session::Exec(id) => {
                if let Some(exec) = self.execs.iter_mut().find(|exec| exec.id == id)
                    && !exec.program.signal("INT", now)
                {
                    exec.killed = Some(130);
                }
            }
        }
    }

    /// Nobody will type any more.
    pub(crate) fn close_stdin(&mut self, session: Session, now: Time) {
        if let Some((Program::Shell(machine), wake, _)) = self.program(session) {
            machine.close_keyboard();
            *wake = Some(now);
        }
    }
}

//! A shell that somebody types into: it prompts, reads a line, runs it, and prompts again.
//!
//! The [`Keyboard`] belongs to the shell in the foreground: one that is started within another takes it along and gives it back when it
//! ends.
//!
//! **Simplified here:** of the commands, `read` and `cat` wait for lines; the others find an empty standard input. Nothing is echoed and no
//! line can be edited: that is done where it is typed. There is no job control.

use super::super::parser::parse;
use super::{Frame, Machine, Thread};
use crate::runtime::programs::Output;
use crate::runtime::sandbox::Ctx;
use sim::Time;

/// How much may be typed ahead, in bytes; more is dropped.
const MAX_TYPED: usize = 64 << 10;

/// What a shell reads from while somebody types.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keyboard {
    /// What was typed and not read.
    typed: String,
    /// Nothing more will come (`^D`).
    closed: bool,
    /// It is a terminal: whoever reads commands from it prompts.
    tty: bool,
    /// The lines so far of a command that goes on.
    command: String,
    /// It was prompted for the line that is awaited.
    prompted: bool,
    /// The name of the shell that reads it.
    shell: String,
}

impl Keyboard {
    /// A keyboard on which nothing was typed.
    pub(crate) fn new(tty: bool) -> Self {
        Keyboard { tty, ..Keyboard::default() }
    }

    /// The next line, with its end; what is left without one when nothing more will come.
    fn take_line(&mut self) -> Option<String> {
        let end = match self.typed.find('\n') {
            Some(at) => at + 1,
            None if self.closed && !self.typed.is_empty() => self.typed.len(),
            None => return None,
        };
        Some(self.typed.drain(..end).collect())
    }
}

impl Machine {
    /// Lets somebody type; before the first step.
    pub(crate) fn attach(&mut self, tty: bool) {
        self.thread.keyboard = Some(Box::new(Keyboard::new(tty)));
    }

    /// Somebody types. False when nobody reads that.
    pub(crate) fn type_text(&mut self, text: &str) -> bool {
        let Some(keyboard) = self.thread.foreground().and_then(|thread| thread.keyboard.as_mut()) else { return false };
        let room = MAX_TYPED.saturating_sub(keyboard.typed.len());
        let end = (0..=room.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        keyboard.typed.push_str(&text[..end]);
        true
    }

    /// Nobody will type any more.
    pub(crate) fn close_keyboard(&mut self) {
        if let Some(keyboard) = self.thread.foreground().and_then(|thread| thread.keyboard.as_mut()) {
            keyboard.closed = true;
        }
    }

    /// `^C` on a terminal: what runs in the foreground ends, and the shell prompts again. False when there is no shell that prompts.
    pub(crate) fn interrupt(&mut self) -> bool {
        let Some(thread) = self.thread.foreground().filter(|thread| thread.is_interactive()) else { return false };
        thread.abandon();
        thread.status = 130;
        if let Some(keyboard) = &mut thread.keyboard {
            keyboard.typed.clear();
            keyboard.command.clear();
            keyboard.prompted = false;
        }
        true
    }
}

impl Thread {
    /// The thread that has the keyboard.
    fn foreground(&mut self) -> Option<&mut Thread> {
        if self.keyboard.is_some() {
            return Some(self);
        }
        self.frames.iter_mut().rev().find_map(|frame| match frame {
            Frame::Subshell(child) => child.foreground(),
            _ => None,
        })
    }

    /// Whether it reads its commands from a keyboard.
    pub(super) fn is_interactive(&self) -> bool {
        self.frames.iter().any(|frame| matches!(frame, Frame::Interactive))
    }

    /// Becomes a shell that reads its commands from its keyboard.
    pub(super) fn read_commands(&mut self, shell: &str) {
        if let Some(keyboard) = &mut self.keyboard {
            shell.clone_into(&mut keyboard.shell);
            keyboard.prompted = false;
        }
        self.frames.push(Frame::Interactive);
    }

    /// Gives up what runs: all of it, or all up to the next command that is read.
    pub(super) fn abandon(&mut self) {
        match self.frames.iter().rposition(|frame| matches!(frame, Frame::Interactive)) {
            None => self.frames.clear(),
            Some(at) => {
                self.frames.truncate(at + 1);
                self.fds = Thread::own_fds();
                self.stdin = None;
            }
        }
    }

    /// Reads and begins the next command.
    pub(super) fn step_interactive(&mut self, ctx: &mut Ctx<'_>, out: &mut Output) -> Option<Option<Time>> {
        let keyboard = self.keyboard.as_mut()?;
        if let Some(line) = keyboard.take_line() {
            keyboard.prompted = false;
            keyboard.command.push_str(&line);
            let goes_on = keyboard.command.trim_end_matches('\n').ends_with('\\');
            let parsed = if goes_on { Err(String::new()) } else { parse(&keyboard.command) };
            if parsed.as_ref().is_err_and(|error| goes_on || is_incomplete(error)) && !keyboard.closed {
                self.frames.push(Frame::Interactive);
                return None;
            }
            keyboard.command.clear();
            self.frames.push(Frame::Interactive);
            match parsed {
                Ok(list) => self.frames.push(Frame::List { list, at: 0 }),
                Err(error) => {
                    self.complain(&error, ctx, out);
                    self.status = 2;
                }
            }
            return None;
        }
        if keyboard.closed {
            return None;
        }
        if keyboard.tty && !std::mem::replace(&mut keyboard.prompted, true) {
            let prompt = if keyboard.command.is_empty() { self.prompt(ctx) } else { "> ".to_owned() };
            out.push(ctx.now(), 1, prompt);
        }
        self.frames.push(Frame::Interactive);
        Some(None)
    }

    /// The prompt of a shell of root: ash shows the directory, bash more, dash nothing.
    fn prompt(&self, ctx: &Ctx<'_>) -> String {
        let home = self.vars.get("HOME").map(String::as_str);
        let place = if home == Some(self.cwd.as_str()) { "~" } else { self.cwd.as_str() };
        let shell = self.keyboard.as_ref().map_or("", |keyboard| keyboard.shell.as_str());
        let is_ash = matches!(self.image.repository.rsplit('/').next(), Some("busybox" | "alpine" | "curl"));
        match shell {
            "bash" => format!("root@{}:{place}# ", ctx.hostname()),
            "ash" => format!("{place} # "),
            _ if is_ash => format!("{place} # "),
            _ => "# ".to_owned(),
        }
    }

    /// Waits for the line that `read` reads.
    pub(super) fn step_read(&mut self, args: Vec<String>) -> Option<Option<Time>> {
        let line = match &mut self.keyboard {
            Some(keyboard) => match keyboard.take_line() {
                None if !keyboard.closed => {
                    self.frames.push(Frame::Read(args));
                    return Some(None);
                }
                line => line,
            },
            None => None,
        };
        self.stdin = line;
        self.status = self.read(&args);
        self.stdin = None;
        None
    }

    /// `cat` on a keyboard: prints each line that is typed, until nothing more comes.
    pub(super) fn step_copy(&mut self, ctx: &mut Ctx<'_>, out: &mut Output) -> Option<Option<Time>> {
        let keyboard = self.keyboard.as_mut()?;
        let Some(line) = keyboard.take_line() else {
            if std::mem::take(&mut keyboard.closed) {
                // On a terminal `^D` ends what reads now; a pipe stays closed.
                keyboard.closed = !keyboard.tty;
                self.status = 0;
                return None;
            }
            self.frames.push(Frame::Copy);
            return Some(None);
        };
        self.frames.push(Frame::Copy);
        self.write(1, &line, ctx, out);
        None
    }
}

/// Whether a command is only not complete: the next line may end it.
fn is_incomplete(error: &str) -> bool {
    ["unexpected end of file", "unterminated quoted string", "EOF in", "missing '))'"].iter().any(|part| error.contains(part))
}

//! What only the shell itself can do: `cd`, `exit`, `read`, `trap`, …

use super::super::parser::is_name;
use super::{BUILTIN, Frame, Thread};
use crate::runtime::fs::normalize;
use crate::runtime::programs::Output;
use crate::runtime::sandbox::Ctx;

impl Thread {
    /// Runs what only the shell itself can do; false when it is something else.
    pub(super) fn builtin(&mut self, argv: &[String], ctx: &mut Ctx<'_>, out: &mut Output) -> bool {
        let arg = |index: usize| argv.get(index).map_or("", String::as_str);
        let mut status = 0;
        match argv[0].as_str() {
            ":" => {}
            "exit" => {
                self.status = arg(1).parse().unwrap_or(self.status);
                self.frames.clear();
                return true;
            }
            "return" => {
                self.status = arg(1).parse().unwrap_or(self.status);
                self.unwind(|frame| matches!(frame, Frame::Call { .. }), true, ctx, out);
                return true;
            }
            "break" | "continue" => {
                let again = argv[0] == "continue";
                self.unwind(|frame| matches!(frame, Frame::Loop { .. } | Frame::For { .. }), again, ctx, out);
            }
            "trap" => {
                for signal in argv.iter().skip(2) {
                    let signal = match signal.trim_start_matches("SIG") {
                        "0" => "EXIT",
                        "15" => "TERM",
                        "2" => "INT",
                        "3" => "QUIT",
                        name => name,
                    };
                    if arg(1) == "-" {
                        self.traps.remove(signal)
                    } else {
                        self.traps.insert(signal.to_owned(), arg(1).to_owned())
                    };
                }
            }
            "wait" => self.frames.push(Frame::WaitJobs),
            "eval" => self.source(&argv[1..].join(" "), ctx, out),
            "." | "source" => match ctx.files().read(&normalize(&self.cwd, arg(1))).map(str::to_owned) {
                Ok(text) => self.source(&text, ctx, out),
                Err(_) => {
                    self.complain(&format!(".: can't open '{}': No such file or directory", arg(1)), ctx, out);
                    status = 2;
                }
            },
            "exec" if argv.len() > 1 => {
                self.frames.push(Frame::Exit);
                self.execute(argv[1..].to_vec(), ctx, out);
                return true;
            }
            "exec" => {}
            "read" if self.stdin.is_none() && self.keyboard.is_some() => self.frames.push(Frame::Read(argv[1..].to_vec())),
            "read" => status = self.read(&argv[1..]),
            _ => match self.set_state(argv, ctx, out) {
                Some(done) => status = done,
                None => return false,
            },
        }
        self.charge(BUILTIN, ctx);
        self.status = status;
        true
    }

    /// Runs what changes variables, options or the directory; `None` when it is something else.
    fn set_state(&mut self, argv: &[String], ctx: &mut Ctx<'_>, out: &mut Output) -> Option<i32> {
        let arg = |index: usize| argv.get(index).map_or("", String::as_str);
        let mut status = 0;
        match argv[0].as_str() {
            "cd" => {
                let path = normalize(&self.cwd, if arg(1).is_empty() { self.vars.get("HOME").map_or("/", String::as_str) } else { arg(1) });
                if ctx.files().is_dir(&path) {
                    self.vars.insert("PWD".to_owned(), path.clone());
                    self.cwd = path;
                } else {
                    self.complain(&format!("cd: can't cd to {}: No such file or directory", arg(1)), ctx, out);
                    status = 2;
                }
            }
            "export" | "readonly" | "local" | "declare" => {
                for word in &argv[1..] {
                    let (name, value) = word.split_once('=').map_or((word.as_str(), None), |(name, value)| (name, Some(value)));
                    if is_name(name) {
                        self.exported.insert(name.to_owned());
                        self.vars.extend(value.map(|value| (name.to_owned(), value.to_owned())));
                    }
                }
            }
            "unset" => argv[1..].iter().for_each(|name| {
                self.vars.remove(name);
                self.functions.remove(name);
            }),
            "set" => {
                for (at, word) in argv.iter().enumerate().skip(1) {
                    match word.as_str() {
                        "--" => {
                            self.params = argv[at + 1..].to_vec();
                            break;
                        }
                        flags if flags.starts_with('-') => self.errexit |= flags.contains('e'),
                        flags if flags.starts_with('+') => self.errexit &= !flags.contains('e'),
                        _ => {}
                    }
                }
            }
            "shift" => {
                let count = arg(1).parse().unwrap_or(1).min(self.params.len());
                self.params.drain(..count);
            }
            _ => return None,
        }
        Some(status)
    }

    pub(super) fn read(&mut self, args: &[String]) -> i32 {
        let names: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
        let Some(text) = self.stdin.as_mut().filter(|text| !text.is_empty()) else {
            names.iter().for_each(|name| {
                self.vars.insert((*name).clone(), String::new());
            });
            return 1;
        };
        let end = text.find('\n').map_or(text.len(), |at| at + 1);
        let line: String = text.drain(..end).collect();
        let mut rest = line.trim_end_matches('\n');
        for (index, name) in names.iter().enumerate() {
            rest = rest.trim_start();
            let at = if index + 1 == names.len() { rest.len() } else { rest.find(char::is_whitespace).unwrap_or(rest.len()) };
            self.vars.insert((*name).clone(), rest[..at].trim_end().to_owned());
            rest = &rest[at..];
        }
        0
    }

    /// Drops frames down to one that `is` the target, restoring what they changed; `keep` leaves the target in place.
    pub(super) fn unwind(&mut self, is: impl Fn(&Frame) -> bool, keep: bool, ctx: &mut Ctx<'_>, out: &mut Output) {
        if !self.frames.iter().any(&is) {
            return;
        }
        while let Some(frame) = self.frames.pop() {
            if is(&frame) {
                if keep {
                    // A loop goes on with its condition, a function call ends.
                    self.frames.push(match frame {
                        Frame::Loop { command, .. } => Frame::Loop { command, in_body: false },
                        frame => frame,
                    });
                }
                return;
            }
            if matches!(frame, Frame::Restore { .. }) {
                self.step(frame, ctx, out);
            }
        }
    }
}

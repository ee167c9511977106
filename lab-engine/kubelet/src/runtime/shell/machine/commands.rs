//! Commands: expanding their words, redirecting, and finding what a name stands for.

use super::super::ast::{Command, Kind, List, Redirect, Target, Word};
use super::super::expand::{Expander, matches, substitutions};
use super::super::tools::{self, Outcome};
use super::{BUILTIN, EXTERNAL, Frame, MAX_FRAMES, Poll, Sink, Thread, is_shell};
use crate::runtime::fs::normalize;
use crate::runtime::programs::{self, Output};
use crate::runtime::sandbox::Ctx;
use sim::Time;
use std::sync::Arc;

/// The words of a command, expanded.
struct Expanded {
    assigned: Vec<(String, String)>,
    /// The fields; the flag says that one has quoted parts.
    fields: Vec<(String, bool)>,
    /// The patterns of each arm of a `case`.
    arms: Vec<Vec<String>>,
    /// The other side of each redirection.
    targets: Vec<String>,
}

impl Thread {
    /// Begins a command: its substitutions first.
    pub(super) fn begin(&mut self, command: Arc<Command>, ctx: &mut Ctx<'_>, out: &mut Output) {
        if self.frames.len() > MAX_FRAMES {
            self.complain("maximum recursion depth exceeded", ctx, out);
            self.frames.clear();
            self.status = 2;
            return;
        }
        let mut subs = Vec::new();
        let mut scan = |word: &Word| substitutions(word, &mut subs);
        match &command.kind {
            Kind::Simple { assignments, words } => {
                assignments.iter().for_each(|(_, word)| scan(word));
                words.iter().for_each(&mut scan);
            }
            Kind::For { words: Some(words), .. } => words.iter().for_each(&mut scan),
            Kind::Case { word, .. } => scan(word),
            _ => {}
        }
        for redirect in &command.redirects {
            match &redirect.to {
                Target::Read(word) | Target::Write(word) | Target::Append(word) | Target::Here(word) => scan(word),
                Target::Duplicate(_) => {}
            }
        }
        self.frames.push(Frame::Expand { command, subs, results: Vec::new(), child: None, captured: String::new() });
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of one frame")]
    pub(super) fn step_expand(
        &mut self,
        command: Arc<Command>,
        subs: Vec<List>,
        mut results: Vec<String>,
        child: Option<Box<Thread>>,
        mut captured: String,
        ctx: &mut Ctx<'_>,
        out: &mut Output,
    ) -> Option<Option<Time>> {
        let Some(next) = subs.get(results.len()) else {
            self.dispatch(&command, results, ctx, out);
            return None;
        };
        let mut child = child.unwrap_or_else(|| self.fork(Some(next)));
        match self.run_child(&mut child, Some(&mut captured), ctx, out) {
            Poll::Done(status) => {
                self.status = status;
                results.push(captured);
                self.frames.push(Frame::Expand { command, subs, results, child: None, captured: String::new() });
                None
            }
            Poll::Wait(until) => {
                self.frames.push(Frame::Expand { command, subs, results, child: Some(child), captured });
                Some(until)
            }
        }
    }

    /// Expands the words of a command.
    fn expand(&mut self, command: &Command, results: Vec<String>) -> Result<Expanded, String> {
        let name = "sh".to_owned();
        let params = self.params.clone();
        let mut expander = Expander {
            vars: &mut self.vars,
            params: &params,
            name: &name,
            status: self.status,
            last_job: self.last_job,
            results: results.into(),
            error: None,
        };
        let mut assigned = Vec::new();
        let mut fields = Vec::new();
        match &command.kind {
            Kind::Simple { assignments, words } => {
                assigned = assignments.iter().flat_map(|(name, word)| expander.assigned(name, word)).collect();
                fields = words.iter().flat_map(|word| expander.fields(word)).collect();
            }
            Kind::For { words: Some(words), .. } => fields = words.iter().flat_map(|word| expander.fields(word)).collect(),
            Kind::For { words: None, .. } => fields = params.iter().map(|param| (param.clone(), true)).collect(),
            Kind::Case { word, .. } => fields = vec![(expander.text(word), true)],
            _ => {}
        }
        let arms: Vec<Vec<String>> = match &command.kind {
            Kind::Case { arms, .. } => arms.iter().map(|(patterns, _)| patterns.iter().map(|word| expander.text(word)).collect()).collect(),
            _ => Vec::new(),
        };
        let targets: Vec<String> = command
            .redirects
            .iter()
            .map(|redirect| match &redirect.to {
                Target::Read(word) | Target::Write(word) | Target::Append(word) | Target::Here(word) => expander.text(word),
                Target::Duplicate(_) => String::new(),
            })
            .collect();
        match expander.error {
            Some(error) => Err(error),
            None => Ok(Expanded { assigned, fields, arms, targets }),
        }
    }

    /// Runs a command whose substitutions are known.
    pub(super) fn dispatch(&mut self, command: &Arc<Command>, results: Vec<String>, ctx: &mut Ctx<'_>, out: &mut Output) {
        let substituted = !results.is_empty();
        let Expanded { assigned, fields, arms, targets } = match self.expand(command, results) {
            Ok(expanded) => expanded,
            Err(error) => {
                self.complain(&error, ctx, out);
                self.abandon();
                self.status = 2;
                return;
            }
        };
        let fields = self.glob(fields, ctx);
        if !command.redirects.is_empty() {
            let saved = Frame::Restore { fds: self.fds.clone(), stdin: self.stdin.clone() };
            if !self.redirect(&command.redirects, &targets, ctx, out) {
                self.status = 1;
                self.step(saved, ctx, out);
                return;
            }
            self.frames.push(saved);
        }
        match &command.kind {
            Kind::Simple { .. } => self.simple(assigned, fields, substituted, ctx, out),
            Kind::If { .. } => self.frames.push(Frame::If { command: command.clone(), clause: 0 }),
            Kind::While { .. } => self.frames.push(Frame::Loop { command: command.clone(), in_body: false }),
            Kind::For { name, body, .. } => {
                self.frames.push(Frame::For { name: name.clone(), values: fields, at: 0, body: body.clone() });
            }
            Kind::Case { arms: bodies, .. } => {
                let subject = fields.first().map_or("", String::as_str);
                self.status = 0;
                if let Some(at) = arms.iter().position(|patterns| patterns.iter().any(|pattern| matches(pattern, subject))) {
                    self.frames.push(Frame::List { list: bodies[at].1.clone(), at: 0 });
                }
            }
            Kind::Group(list) => self.frames.push(Frame::List { list: list.clone(), at: 0 }),
            Kind::Subshell(list) => {
                let child = self.fork(Some(list));
                self.frames.push(Frame::Subshell(child));
            }
            Kind::Function { name, body } => {
                self.functions.insert(name.clone(), body.clone());
                self.status = 0;
            }
        }
    }

    /// Replaces unquoted patterns by the files that match them.
    pub(super) fn glob(&self, fields: Vec<(String, bool)>, ctx: &mut Ctx<'_>) -> Vec<String> {
        let mut expanded = Vec::new();
        for (field, quoted) in fields {
            if quoted || !field.contains(['*', '?']) || field.len() > 4096 {
                expanded.push(field);
                continue;
            }
            let (directory, pattern) = field.rsplit_once('/').map_or(("", field.as_str()), |(directory, pattern)| (directory, pattern));
            let base = if field.starts_with('/') && directory.is_empty() { "/".to_owned() } else { normalize(&self.cwd, directory) };
            let names = ctx.files().list(&base).unwrap_or_default();
            let prefix = &field[..field.len() - pattern.len()];
            let before = expanded.len();
            expanded.extend(
                names.into_iter().filter(|name| !name.starts_with('.') && matches(pattern, name)).map(|name| format!("{prefix}{name}")),
            );
            if expanded.len() == before {
                expanded.push(field);
            }
        }
        expanded
    }

    pub(super) fn redirect(&mut self, redirects: &[Redirect], targets: &[String], ctx: &mut Ctx<'_>, out: &mut Output) -> bool {
        for (redirect, target) in redirects.iter().zip(targets) {
            let path = normalize(&self.cwd, target);
            match &redirect.to {
                Target::Here(_) => self.stdin = Some(target.clone()),
                Target::Read(_) => match ctx.files().read(&path).map(str::to_owned) {
                    Ok(text) => self.stdin = Some(text),
                    Err(error) => {
                        self.complain(&format!("can't open {target}: {}", error.to_string().to_lowercase()), ctx, out);
                        return false;
                    }
                },
                Target::Duplicate(other) => {
                    let sink = self.fds[usize::from(*other == 2)].clone();
                    self.fds[usize::from(redirect.fd == 2)] = sink;
                }
                Target::Write(_) | Target::Append(_) => {
                    let append = matches!(redirect.to, Target::Append(_));
                    let device = path.starts_with("/dev/std") || path.starts_with("/proc/");
                    if !device && let Err(error) = ctx.files().write(&path, "", append) {
                        self.complain(&format!("can't create {target}: {error}"), ctx, out);
                        return false;
                    }
                    if redirect.fd != 2 {
                        self.fds[0] = Sink::File(path.clone());
                    }
                    if redirect.fd >= 2 {
                        self.fds[1] = Sink::File(path);
                    }
                }
            }
        }
        true
    }

    pub(super) fn simple(
        &mut self,
        assigned: Vec<(String, String)>,
        argv: Vec<String>,
        substituted: bool,
        ctx: &mut Ctx<'_>,
        out: &mut Output,
    ) {
        if argv.is_empty() {
            self.charge(BUILTIN, ctx);
            self.vars.extend(assigned);
            if !substituted {
                self.status = 0;
            }
            return;
        }
        for (name, value) in assigned {
            self.exported.insert(name.clone());
            self.vars.insert(name, value);
        }
        if let Some(body) = self.functions.get(&argv[0]).cloned() {
            self.charge(BUILTIN, ctx);
            let params = std::mem::replace(&mut self.params, argv[1..].to_vec());
            self.frames.push(Frame::Call { params });
            self.begin(body, ctx, out);
        } else if !self.builtin(&argv, ctx, out) {
            self.execute(argv, ctx, out);
        }
        if self.errexit && self.status != 0 && matches!(self.frames.last(), Some(Frame::Pipe { at: 1, .. })) && !self.in_condition() {
            self.frames.clear();
        }
    }

    /// Whether the present command is a condition, whose failure `set -e` forgives.
    pub(super) fn in_condition(&self) -> bool {
        self.frames.iter().any(|frame| match frame {
            Frame::If { clause, .. } => *clause > 0,
            Frame::Loop { in_body, .. } => *in_body,
            Frame::AndOr { .. } => true,
            Frame::Pipe { pipeline, .. } => pipeline.negated,
            _ => false,
        })
    }

    /// Runs a command line: a shell, a tool, a program of the image.
    pub(super) fn execute(&mut self, argv: Vec<String>, ctx: &mut Ctx<'_>, out: &mut Output) {
        let name = argv[0].rsplit('/').next().unwrap_or("").to_owned();
        self.charge(EXTERNAL, ctx);
        if self.tells_command {
            self.running = Some(argv.join(" ").into());
        }
        if is_shell(&name) {
            return self.shell(&name, &argv[1..], ctx, out);
        }
        if name == "cat" && argv.len() == 1 && self.stdin.is_none() && self.keyboard.is_some() {
            return self.frames.push(Frame::Copy);
        }
        if let Some(outcome) = tools::run(self, &name, &argv[1..], ctx, out) {
            match outcome {
                Outcome::Done(status) => self.status = status,
                Outcome::Then(frame) => {
                    self.status = 0;
                    self.frames.push(frame);
                }
                Outcome::Run(argv) => self.execute(argv, ctx, out),
            }
            return;
        }
        let hostname = ctx.hostname().to_owned();
        match programs::launch(self.image, &argv, &self.environment(), &hostname, Some(&[])) {
            Some(program) => self.frames.push(Frame::Program(Box::new(program))),
            None => {
                let path = normalize(&self.cwd, &argv[0]);
                if argv[0].contains('/')
                    && let Ok(script) = ctx.files().read(&path).map(str::to_owned)
                {
                    return self.shell("sh", &["-c".to_owned(), script], ctx, out);
                }
                self.complain(&format!("{}: not found", argv[0]), ctx, out);
                self.status = 127;
            }
        }
    }

    /// `sh -c SCRIPT`, `sh FILE`, or a shell that reads its standard input.
    pub(super) fn shell(&mut self, name: &str, args: &[String], ctx: &mut Ctx<'_>, out: &mut Output) {
        let mut child = self.fork(None);
        child.params.clear();
        let mut rest = args;
        let mut script = None;
        while let [flag, tail @ ..] = rest
            && flag.starts_with('-')
        {
            child.errexit |= flag.contains('e');
            rest = tail;
            if flag.contains('c') {
                let [text, tail @ ..] = tail else {
                    self.complain("option requires an argument -- 'c'", ctx, out);
                    self.status = 2;
                    return;
                };
                script = Some(text.clone());
                // The first word after the script is `$0`.
                child.params = tail.get(1..).unwrap_or_default().to_vec();
                break;
            }
        }
        let script = match (script, rest.first()) {
            (Some(script), _) => script,
            (None, Some(file)) => match ctx.files().read(&normalize(&self.cwd, file)).map(str::to_owned) {
                Ok(text) => text,
                Err(_) => {
                    self.complain(&format!("can't open '{file}': No such file or directory"), ctx, out);
                    self.status = 2;
                    return;
                }
            },
            (None, None) if child.stdin.is_none() && self.keyboard.is_some() => {
                if self.is_first_process() {
                    self.params.clear();
                    return self.read_commands(name);
                }
                child.keyboard = self.keyboard.take();
                child.read_commands(name);
                return self.frames.push(Frame::Subshell(child));
            }
            (None, None) => child.stdin.take().unwrap_or_default(),
        };
        if self.is_first_process() {
            // The first process: this machine is that shell.
            (self.params, self.errexit) = (child.params, child.errexit);
            self.source(&script, ctx, out);
            return;
        }
        child.source(&script, ctx, out);
        self.frames.push(Frame::Subshell(child));
    }

    /// Whether nothing has run yet, so that the machine itself becomes what is to run.
    fn is_first_process(&self) -> bool {
        self.frames.is_empty() && self.nesting == 0 && matches!(self.fds, [Sink::Inherit(1), Sink::Inherit(2)])
    }
}

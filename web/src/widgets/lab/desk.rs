//! The state of a lab on the page, and everything that changes it: what the learner does, and what the engine tells.
//!
//! The learner's files are kept in the browser as they are typed, as what differs from the card's. A file goes to the engine as soon as the
//! engine has answered for its last text, so that typing never piles up there, and always before a command that may read it.

use super::chart::Events;
use super::informers::Inside;
use super::screen::{Completion, History, Kind, Screen, complete};
use super::work::{answer_of, changes, dealt, first_file, prediction_key, with_changes};
use crate::i18n::fill;
use crate::link::Link;
use crate::message::FromWorker;
use crate::widgets::CardContext;
use crate::widgets::inputs::Given;
use exercises::card::in_lang;
use lab::{DEFAULT_SEED, EventView, Fault, FileProblem, FromEngine, Lab, PredictionResult, Snapshot, Span, TaskResult, ToEngine};
use leptos::prelude::*;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// How often the page asks how the checks stand, in milliseconds.
const CHECK_EVERY_MS: f64 = 500.0;

/// How many events at once are very many.
const MANY_EVENTS: usize = 60;

/// How often the timeline is drawn when there are very many, in milliseconds.
const DRAW_EVERY_MS: f64 = 500.0;

/// How the engine is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Not asked for yet.
    #[default]
    Off,
    /// On its way.
    Starting,
    /// The lab runs.
    Running,
    /// It ended by itself, for this reason.
    Crashed(String),
}

/// What is not shown, only needed.
struct Inner {
    context: CardContext,
    link: RefCell<Option<Link>>,
    /// Files whose text the engine has not answered for, and whether there is a newer one.
    sent: RefCell<BTreeMap<String, bool>>,
    /// Commands that wait for the terminal.
    queue: RefCell<VecDeque<String>>,
    /// When the checks were last asked for.
    checked_ms: Cell<f64>,
    /// Whether it will ask when the time has come.
    check_waits: Cell<bool>,
    next_completion: Cell<u64>,
    /// When the timeline was last drawn, and whether it soon will be.
    drawn_ms: Cell<f64>,
    drawing_soon: Cell<bool>,
    /// The component that is looked into.
    inspected: RefCell<Option<String>>,
}

/// The lab on the page; cheap to copy.
#[derive(Clone, Copy)]
pub(crate) struct Desk {
    inner: StoredValue<Inner, LocalStorage>,
    pub(crate) phase: RwSignal<Phase>,
    pub(crate) seed: RwSignal<u64>,
    /// With the numbers of the seed.
    pub(crate) lab: RwSignal<Arc<Lab>>,
    pub(crate) playing: RwSignal<bool>,
    pub(crate) speed: RwSignal<f64>,
    pub(crate) snapshot: RwSignal<Arc<Snapshot>>,
    pub(crate) events: RwSignal<Events>,
    /// The component that is looked into, while one is.
    pub(crate) inside: RwSignal<Inside>,
    pub(crate) tasks: RwSignal<Vec<TaskResult>>,
    pub(crate) passed: RwSignal<bool>,
    /// Whether a command was run since the lab began.
    pub(crate) tried: RwSignal<bool>,
    pub(crate) files: RwSignal<BTreeMap<String, String>>,
    pub(crate) open: RwSignal<String>,
    pub(crate) problems: RwSignal<BTreeMap<String, Vec<FileProblem>>>,
    pub(crate) screen: RwSignal<Screen>,
    pub(crate) busy: RwSignal<bool>,
    /// The prompt of the session in a container that takes what is typed.
    pub(crate) session: RwSignal<Option<String>>,
    pub(crate) input: RwSignal<String>,
    /// The lines before the input that belong to the same command.
    pub(crate) pending: RwSignal<String>,
    /// Where the cursor of the terminal's input is to be put.
    pub(crate) cursor: RwSignal<Option<usize>>,
    pub(crate) history: RwSignal<History>,
    /// What is said to those who listen.
    pub(crate) news: RwSignal<String>,
    /// What the engine could not do.
    pub(crate) error: RwSignal<Option<String>>,
}

impl Desk {
    /// A lab whose engine is off, with what the learner left behind.
    pub(crate) fn new(context: &CardContext) -> Self {
        let seed = Some(context.store.read::<u64>("lab/seed")).filter(|&seed| seed != 0).unwrap_or(DEFAULT_SEED);
        let lab = dealt(&context.card.lab, seed);
        let inner = Inner {
            context: context.clone(),
            link: RefCell::default(),
            sent: RefCell::default(),
            queue: RefCell::default(),
            checked_ms: Cell::new(0.0),
            check_waits: Cell::new(false),
            next_completion: Cell::new(0),
            drawn_ms: Cell::new(0.0),
            drawing_soon: Cell::new(false),
            inspected: RefCell::default(),
        };
        let files = with_changes(&lab.files, &context.store.read("lab/files"));
        let open = first_file(&lab, &files);
        Desk {
            inner: StoredValue::new_local(inner),
            phase: RwSignal::default(),
            seed: RwSignal::new(seed),
            lab: RwSignal::new(Arc::new(lab)),
            playing: RwSignal::new(true),
            speed: RwSignal::new(1.0),
            snapshot: RwSignal::default(),
            events: RwSignal::default(),
            inside: RwSignal::default(),
            tasks: RwSignal::default(),
            passed: RwSignal::new(false),
            tried: RwSignal::new(false),
            open: RwSignal::new(open),
            files: RwSignal::new(files),
            problems: RwSignal::default(),
            screen: RwSignal::default(),
            busy: RwSignal::new(false),
            session: RwSignal::default(),
            input: RwSignal::default(),
            pending: RwSignal::default(),
            cursor: RwSignal::default(),
            history: RwSignal::new(context.store.read("lab/history")),
            news: RwSignal::default(),
            error: RwSignal::default(),
        }
    }

    /// The card.
    pub(crate) fn context(self) -> CardContext {
        self.inner.with_value(|inner| inner.context.clone())
    }

    /// Whether the learner has left work behind.
    pub(crate) fn has_work(self) -> bool {
        self.files.with_untracked(|files| self.lab.with_untracked(|lab| *files != lab.files))
    }

    /// Starts the engine, or starts it anew.
    pub(crate) fn start(self) {
        self.inner.with_value(|inner| drop(inner.link.take()));
        self.phase.set(Phase::Starting);
        match Link::start(move |message| self.hear(message)) {
            Ok(link) => {
                let lab = self.inner.with_value(|inner| Box::new(inner.context.card.lab.clone()));
                let language = self.inner.with_value(|inner| inner.context.lang.code().to_owned());
                link.send(&ToEngine::Language { language });
                link.send(&ToEngine::Load { lab, seed: self.seed.get_untracked() });
                self.inner.with_value(|inner| inner.link.replace(Some(link)));
            }
            Err(why) => self.phase.set(Phase::Crashed(why)),
        }
    }

    fn send(self, message: &ToEngine) {
        self.inner.with_value(|inner| {
            if let Some(link) = inner.link.borrow().as_ref() {
                link.send(message);
            }
        });
    }

    fn hear(self, message: FromWorker) {
        match message {
            FromWorker::Told(messages) => messages.into_iter().for_each(|message| self.apply(message)),
            // The first reason is the true one; what the browser adds comes after it.
            FromWorker::Crashed(why) => self.phase.update(|phase| {
                if !matches!(phase, Phase::Crashed(_)) {
                    *phase = Phase::Crashed(why);
                }
            }),
        }
    }

    fn apply(self, message: FromEngine) {
        match message {
            FromEngine::Ready { seed, lab } => self.begin(seed, *lab),
            FromEngine::Output { stderr, text } => {
                self.screen.update(|screen| screen.print(if stderr { Kind::Error } else { Kind::Output }, &text));
            }
            FromEngine::Prompt { text, .. } => {
                self.session.set(text);
                self.busy.set(false);
                self.run_next();
            }
            FromEngine::Completions { id, candidates } => self.completed(id, &candidates),
            FromEngine::Files { files } => self.files_changed(files),
            FromEngine::Problems { name, problems } => self.answered_for(&name, problems),
            FromEngine::Snapshot { snapshot } => {
                self.snapshot.set(Arc::from(snapshot));
                self.check_soon();
            }
            FromEngine::Inspection { components, component, inspection } => {
                let now_ms = self.snapshot.with_untracked(|snapshot| snapshot.now_ms);
                self.inside.update(|inside| inside.take(components, component, *inspection, now_ms));
            }
            FromEngine::Events { events } => self.add_events(events),
            FromEngine::Checks { passed, tasks } => self.judged(passed, tasks),
            FromEngine::Prediction { .. } => {}
            FromEngine::Error { message } => {
                if self.phase.get_untracked() == Phase::Starting {
                    self.phase.set(Phase::Crashed(message));
                } else {
                    self.error.set(Some(message));
                    self.send_newer_files();
                    // A file that was refused gets no other answer.
                    self.inner.with_value(|inner| inner.sent.take());
                }
            }
        }
    }

    /// Drawing the timeline takes the page some time: when very much happens, it is drawn twice a second.
    fn add_events(self, events: Vec<EventView>) {
        let wait = if events.len() < MANY_EVENTS { 0.0 } else { DRAW_EVERY_MS };
        self.events.update_untracked(|kept| kept.add(events));
        let now = js_sys::Date::now();
        let (drawn, waiting) = self.inner.with_value(|inner| (inner.drawn_ms.get(), inner.drawing_soon.get()));
        if waiting {
            return;
        }
        let draw = move || {
            self.inner.with_value(|inner| {
                inner.drawn_ms.set(js_sys::Date::now());
                inner.drawing_soon.set(false);
            });
            self.events.notify();
        };
        let left = (drawn + wait - now).clamp(0.0, DRAW_EVERY_MS);
        if left > 0.0 {
            self.inner.with_value(|inner| inner.drawing_soon.set(true));
            set_timeout(draw, Duration::from_secs_f64(left / 1000.0));
        } else {
            draw();
        }
    }

    /// The lab has begun, for the first time or anew: the learner's work is put back into it.
    fn begin(self, seed: u64, lab: Lab) {
        self.inner.with_value(|inner| {
            inner.sent.take();
            inner.queue.take();
            let changes: BTreeMap<String, Option<String>> = inner.context.store.read("lab/files");
            self.files.set(with_changes(&lab.files, &changes));
            for name in changes.iter().filter(|(_, text)| text.is_none()).map(|(name, _)| name) {
                self.send(&ToEngine::RemoveFile { name: name.clone() });
            }
        });
        self.seed.set(seed);
        self.lab.set(Arc::new(lab));
        self.events.update(Events::begin);
        self.problems.set(BTreeMap::new());
        self.tried.set(false);
        self.busy.set(false);
        self.session.set(None);
        self.error.set(None);
        self.phase.set(Phase::Running);
        self.open_a_file();
        self.files.with_untracked(|files| files.keys().cloned().collect::<Vec<_>>()).iter().for_each(|name| self.send_file(name));
        self.inside.set(Inside::default());
        self.inspect(self.inner.with_value(|inner| inner.inspected.borrow().clone()));
        self.send(&ToEngine::Speed { factor: self.speed.get_untracked() });
        self.send(&ToEngine::Play { on: self.playing.get_untracked() && !document().hidden() });
        for task in &self.lab.get_untracked().tasks {
            let given: Given = self.inner.with_value(|inner| inner.context.store.read(&prediction_key(&task.id)));
            if given.checked {
                self.predict(&task.id, &given);
            }
        }
    }

    /// Begins the same lab anew; with another `seed`, other numbers are dealt, and the predictions are open again.
    pub(crate) fn reset(self, seed: Option<u64>) {
        if let Some(seed) = seed {
            self.inner.with_value(|inner| inner.context.store.write("lab/seed", &seed));
            self.seed.set(seed);
        }
        let words = self.context().words;
        self.screen.update(|screen| screen.print_line(Kind::Note, words.was_reset));
        match self.phase.get_untracked() {
            Phase::Running => self.send(&ToEngine::Reset { seed: Some(self.seed.get_untracked()) }),
            _ => self.start(),
        }
    }

    // Time.

    /// Lets virtual time pass, or stand still. While the page is hidden it stands still anyway.
    pub(crate) fn play(self, on: bool) {
        self.playing.set(on);
        self.send(&ToEngine::Play { on });
    }

    /// Tells the engine whether the page can be seen.
    pub(crate) fn seen(self, visible: bool) {
        if self.playing.get_untracked() {
            self.send(&ToEngine::Play { on: visible });
        }
    }

    /// Changes how fast virtual time passes.
    pub(crate) fn set_speed(self, factor: f64) {
        self.speed.set(factor);
        self.send(&ToEngine::Speed { factor });
    }

    /// Goes to the next event; time stands still before and after.
    pub(crate) fn step(self) {
        self.play(false);
        self.send(&ToEngine::Step);
    }

    /// Lets so many virtual seconds pass at once.
    pub(crate) fn advance(self, seconds: u64) {
        self.send(&ToEngine::Advance { by: Span::from_secs(seconds) });
    }

    /// Whether the cluster has a fault.
    pub(crate) fn has_fault(self, fault: Fault) -> Memo<bool> {
        Memo::new(move |_| self.snapshot.with(|snapshot| snapshot.faults.contains(&fault)))
    }

    /// Puts a fault on the cluster, or takes it away.
    pub(crate) fn set_fault(self, fault: Fault, on: bool) {
        self.send(&ToEngine::Fault { fault, on });
    }

    /// Looks into a component from now on, or away.
    pub(crate) fn inspect(self, component: Option<String>) {
        self.inner.with_value(|inner| inner.inspected.replace(component.clone()));
        self.send(&ToEngine::Inspect { component });
    }

    // Files.

    /// The learner changed a file.
    pub(crate) fn edit(self, name: &str, text: String) {
        self.files.update(|files| {
            files.insert(name.to_owned(), text);
        });
        self.keep_files();
        self.send_file(name);
    }

    /// Gives a file the card's text again, or removes it when the card has none.
    pub(crate) fn restore(self, name: &str) {
        match self.lab.with_untracked(|lab| lab.files.get(name).cloned()) {
            Some(text) => self.edit(name, text),
            None => {
                self.files.update(|files| {
                    files.remove(name);
                });
                self.keep_files();
                self.send(&ToEngine::RemoveFile { name: name.to_owned() });
                self.open_a_file();
            }
        }
    }

    /// Makes an empty file, and opens it. A name that is taken is only opened.
    pub(crate) fn new_file(self, name: &str) {
        if !self.files.with_untracked(|files| files.contains_key(name)) {
            self.edit(name, String::new());
        }
        self.open.set(name.to_owned());
    }

    fn send_file(self, name: &str) {
        let text = self.files.with_untracked(|files| files.get(name).cloned());
        let Some(text) = text.filter(|_| self.phase.get_untracked() == Phase::Running) else { return };
        let first = self.inner.with_value(|inner| {
            let mut sent = inner.sent.borrow_mut();
            let newer = sent.get(name).is_some();
            sent.insert(name.to_owned(), newer);
            !newer
        });
        if first {
            self.send(&ToEngine::SetFile { name: name.to_owned(), text });
        }
    }

    fn answered_for(self, name: &str, problems: Vec<FileProblem>) {
        let newer = self.inner.with_value(|inner| inner.sent.borrow_mut().remove(name));
        self.error.set(None);
        self.problems.update(|all| {
            all.insert(name.to_owned(), problems);
        });
        if newer == Some(true) {
            self.send_file(name);
        }
    }

    /// Sends what was typed since the engine last answered, because a command follows.
    fn send_newer_files(self) {
        let newer: Vec<String> = self.inner.with_value(|inner| {
            let mut sent = inner.sent.borrow_mut();
            let newer = sent.iter_mut().filter(|(_, newer)| **newer);
            newer.map(|(name, newer)| (*newer = false, name.clone()).1).collect()
        });
        for name in newer {
            if let Some(text) = self.files.with_untracked(|files| files.get(&name).cloned()) {
                self.send(&ToEngine::SetFile { name, text });
            }
        }
    }

    /// The terminal changed files; what the learner is just typing stays.
    fn files_changed(self, mut files: BTreeMap<String, String>) {
        let typing: Vec<String> = self.inner.with_value(|inner| inner.sent.borrow().keys().cloned().collect());
        self.files.with_untracked(|old| {
            for name in typing {
                if let Some(text) = old.get(&name) {
                    files.insert(name, text.clone());
                }
            }
        });
        self.files.set(files);
        self.keep_files();
        self.open_a_file();
    }

    fn keep_files(self) {
        let changes = self.files.with_untracked(|files| self.lab.with_untracked(|lab| changes(&lab.files, files)));
        self.inner.with_value(|inner| inner.context.store.write("lab/files", &changes));
    }

    /// Opens another file when the open one is gone.
    fn open_a_file(self) {
        let there = self.files.with_untracked(|files| files.contains_key(&self.open.get_untracked()));
        if !there {
            self.open.set(self.lab.with_untracked(|lab| self.files.with_untracked(|files| first_file(lab, files))));
        }
    }

    // The terminal.

    /// Runs commands, one after the other.
    pub(crate) fn run(self, commands: Vec<String>) {
        self.inner.with_value(|inner| inner.queue.borrow_mut().extend(commands));
        self.run_next();
    }

    fn run_next(self) {
        if self.busy.get_untracked() || self.phase.get_untracked() != Phase::Running {
            return;
        }
        let Some(line) = self.inner.with_value(|inner| inner.queue.borrow_mut().pop_front()) else { return };
        match self.session.get_untracked() {
            Some(prompt) => self.screen.update(|screen| screen.print_line(Kind::Session, &format!("{prompt}{line}"))),
            None => self.screen.update(|screen| screen.print_line(Kind::Typed, &line.replace('\n', "\n> "))),
        }
        self.history.update(|history| history.add(&line));
        self.inner.with_value(|inner| inner.context.store.write("lab/history", &self.history.get_untracked()));
        self.busy.set(true);
        self.tried.set(true);
        self.send_newer_files();
        self.send(&ToEngine::Line { line });
    }

    /// Ctrl-C.
    pub(crate) fn interrupt(self) {
        self.inner.with_value(|inner| inner.queue.borrow_mut().clear());
        let session = self.session.get_untracked();
        if self.busy.get_untracked() || session.is_some() {
            let line = format!("{}{}^C", session.unwrap_or_default(), self.input.get_untracked());
            self.screen.update(|screen| screen.print_line(Kind::Note, &line));
            self.input.set(String::new());
            self.busy.set(true);
            self.send(&ToEngine::Interrupt);
        } else {
            let line = format!("{}{}^C", self.pending.get_untracked(), self.input.get_untracked());
            self.screen.update(|screen| screen.print_line(Kind::Typed, &line));
            self.input.set(String::new());
            self.pending.set(String::new());
        }
    }

    /// Ctrl-D: ends the session in a container, where there is one.
    pub(crate) fn end_of_input(self) {
        if self.session.with_untracked(Option::is_some) && !self.busy.get_untracked() {
            self.busy.set(true);
            self.send(&ToEngine::Line { line: "\u{4}".to_owned() });
        }
    }

    /// Asks how the word before `cursor`, a byte position, goes on.
    pub(crate) fn complete(self, cursor: usize) {
        let id = self.inner.with_value(|inner| inner.next_completion.replace(inner.next_completion.get() + 1));
        self.cursor.set(Some(cursor));
        self.send(&ToEngine::Complete { id: id + 1, line: self.input.get_untracked(), cursor });
    }

    fn completed(self, id: u64, candidates: &[String]) {
        let line = self.input.get_untracked();
        let Some(cursor) = self.cursor.get_untracked().filter(|_| self.inner.with_value(|inner| inner.next_completion.get()) == id) else {
            return;
        };
        match complete(&line, cursor, candidates) {
            Completion::Line(line, cursor) => {
                self.input.set(line);
                self.cursor.set(Some(cursor));
            }
            Completion::Choices(choices) => self.screen.update(|screen| screen.print_line(Kind::Note, &choices)),
            Completion::Nothing => {}
        }
    }

    // The tasks.

    /// Commits to a prediction.
    pub(crate) fn predict(self, task: &str, given: &Given) {
        let answer = self.lab.with_untracked(|lab| lab.task(task).and_then(|task| answer_of(&task.kind, given)));
        if let Some(answer) = answer {
            self.send(&ToEngine::Predict { task: task.to_owned(), answer });
        }
    }

    /// The result of a prediction, once it is there.
    pub(crate) fn prediction(self, task: &str) -> Option<PredictionResult> {
        self.tasks.with(|tasks| tasks.iter().find(|result| result.id == task).and_then(|result| result.prediction.clone()))
    }

    /// Asks how the checks stand: now, or when it has been long enough since the last time, so that no change stays unjudged.
    fn check_soon(self) {
        if self.passed.get_untracked() {
            return;
        }
        let now = js_sys::Date::now();
        let left = self.inner.with_value(|inner| inner.checked_ms.get() + CHECK_EVERY_MS - now);
        if left <= 0.0 {
            self.inner.with_value(|inner| inner.checked_ms.set(now));
            self.send(&ToEngine::Check);
        } else if self.inner.with_value(|inner| !inner.check_waits.replace(true)) {
            let ask = move || {
                // The page may have gone on without the lab.
                if self.inner.try_with_value(|inner| inner.check_waits.set(false)).is_some() {
                    self.check_soon();
                }
            };
            set_timeout(ask, Duration::from_secs_f64(left.min(CHECK_EVERY_MS) / 1000.0));
        }
    }

    fn judged(self, passed: bool, tasks: Vec<TaskResult>) {
        let context = self.context();
        let words = context.words;
        let before = self.tasks.get_untracked();
        let was = |id: &str| before.iter().any(|old| old.id == id && old.passed);
        if passed && !self.passed.get_untracked() {
            self.news.set(words.lab_passed.to_owned());
        } else if let Some(new) = tasks.iter().find(|task| task.passed && !was(&task.id)) {
            let title = self.lab.with_untracked(|lab| lab.task(&new.id).map(|task| in_lang(&task.title, context.lang).to_owned()));
            self.news.set(fill(words.task_passed, &[&title.unwrap_or_default()]));
        }
        self.passed.set(passed);
        if before != tasks {
            self.tasks.set(tasks);
        }
    }
}

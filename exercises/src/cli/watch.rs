//! `clusterbook watch`: grades a lab whenever one of its files is saved, and goes on to the next when it is passed.
//!
//! Commands are lines on stdin, so that the same works in every terminal and through a pipe.

use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

use super::desk::{Desk, Language};
use super::grading::{describe, grade};
use super::hint::{give_hint, show_solution};
use super::input::{Line, read_line};
use super::screen::{CODE, FAINT, STRONG, Status, paint, print};
use crate::card::Card;
use crate::lang::Lang;
use crate::workspace::short;

/// Editors write in several steps; a lab is graded when nothing has changed for this long.
const QUIET: Duration = Duration::from_millis(200);

/// Clears the screen and what scrolled off it.
const CLEAR: &str = "\u{1b}[H\u{1b}[2J\u{1b}[3J";

/// Arguments of `watch`.
#[derive(Debug, Args)]
pub(super) struct Watch {
    /// The card to begin with [default: the one you are at]
    card: Option<String>,
    #[command(flatten)]
    language: Language,
}

/// What happens while a lab is watched.
enum News {
    /// A file was saved.
    Saved,
    /// A line was typed.
    Typed(String),
    /// Nothing more will be typed.
    Ended,
}

/// How watching one lab ended.
enum Outcome {
    Next,
    Quit,
}

impl Watch {
    pub(super) fn run(self) -> Result<ExitCode> {
        let mut desk = Desk::open(&self.language)?;
        let (tell, told) = mpsc::channel();
        let mut card = match &self.card {
            Some(id) => Some(desk.card(id)?.clone()),
            None => desk.next_card().cloned(),
        };
        read_stdin(tell.clone());
        let mut last = None;
        while let Some(present) = card {
            let (outcome, passed) = watch_card(&mut desk, &present, &tell, &told)?;
            last = Some(passed);
            card = match outcome {
                Outcome::Quit => return Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }),
                Outcome::Next => next_after(&desk, &present),
            };
        }
        print(desk.lang.pick("Every lab is passed. `quiz` asks you about them.\n", "所有实验都已通过。可以用 `quiz` 测验一下。\n"))?;
        Ok(if last == Some(false) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

/// The next card that is not passed, in the order of the deck and from its beginning after its end; `present` itself is the last.
fn next_after(desk: &Desk, present: &Card) -> Option<Card> {
    let (before, after): (Vec<&Card>, Vec<&Card>) = desk.deck.iter().partition(|card| card.id <= present.id);
    let mut open = after.into_iter().chain(before).filter(|card| desk.progress.passed_tasks(card) < card.lab.tasks.len());
    open.next().cloned()
}

/// Watches one lab until the learner goes on or ends it. Says whether the lab was passed when last graded.
fn watch_card(desk: &mut Desk, card: &Card, tell: &Sender<News>, told: &Receiver<News>) -> Result<(Outcome, bool)> {
    let folder = desk.workspace.folder(&card.id);
    if !desk.workspace.is_started(&card.id) {
        desk.workspace.start(card, desk.workspace.seed(&card.id), desk.lang)?;
    }
    let _watcher = watch_folder(&folder, tell.clone())
        .with_context(|| format!("cannot watch `{}`\nhelp: `check {}` grades it once", short(&folder), card.id))?;
    let mut passed = show_grade(desk, card)?;
    loop {
        match told.recv().unwrap_or(News::Ended) {
            News::Saved => {
                if let Some(typed) = wait_for_quiet(told) {
                    // What was typed meanwhile comes after the grading.
                    let _ = tell.send(typed);
                }
                passed = show_grade(desk, card)?;
            }
            News::Ended => return Ok((Outcome::Quit, passed)),
            News::Typed(line) => match line.trim() {
                "q" | "quit" | "exit" => return Ok((Outcome::Quit, passed)),
                "n" | "next" => return Ok((Outcome::Next, passed)),
                "h" | "hint" => print(&give_hint(desk, card, None, false)?)?,
                "s" | "solution" => print(&show_solution(desk, card))?,
                "c" | "check" => passed = show_grade(desk, card)?,
                "" => print(&menu(passed, desk.lang))?,
                _ => {
                    print(desk.lang.pick("That is none of the keys.\n", "没有这个按键。\n"))?;
                    print(&menu(passed, desk.lang))?;
                }
            },
        }
    }
}

/// Grades the lab and shows how it stands.
fn show_grade(desk: &mut Desk, card: &Card) -> Result<bool> {
    let status = Status::new();
    status.set(desk.lang.pick("running the lab…", "正在运行实验……"));
    let report = grade(desk, card);
    drop(status);
    let clear = if io::stdout().is_terminal() { CLEAR } else { "" };
    let folder = short(&desk.workspace.folder(&card.id)).to_string();
    let watched = desk.lang.pick(format!("watching {folder}"), format!("正在监视 {folder}"));
    print(&format!("{clear}{}\n{}\n{}", describe(desk, card, &report), paint(FAINT, watched), menu(report.passed, desk.lang)))?;
    Ok(report.passed)
}

/// The keys.
fn menu(passed: bool, lang: Lang) -> String {
    let keys = [
        ("h", lang.pick("hint", "提示")),
        ("s", lang.pick("solution", "答案")),
        ("c", lang.pick("check", "检查")),
        ("n", lang.pick("next lab", "下一个")),
        ("q", lang.pick("quit", "退出")),
    ];
    let keys = keys.map(|(key, what)| {
        let style = if passed && key == "n" { STRONG } else { FAINT };
        format!("{} {}", paint(CODE, key), paint(style, what))
    });
    format!("{}  {}\n", keys.join("  "), paint(FAINT, lang.pick("(then Enter)", "（按回车确认）")))
}

/// Waits until nothing was saved for [`QUIET`]; gives back what else came first.
fn wait_for_quiet(told: &Receiver<News>) -> Option<News> {
    loop {
        match told.recv_timeout(QUIET) {
            Ok(News::Saved) => {}
            Ok(other) => return Some(other),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return None,
        }
    }
}

/// Tells of every file that is saved in the folder, as long as the returned value lives.
fn watch_folder(folder: &Path, tell: Sender<News>) -> notify::Result<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let Ok(event) = event else { return };
        let hidden = |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let changes = matches!(event.kind, EventKind::Any | EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_));
        if changes && !event.paths.iter().all(|path| hidden(path)) {
            // When the receiver is gone, nobody wants to know.
            let _ = tell.send(News::Saved);
        }
    })?;
    watcher.watch(folder, RecursiveMode::Recursive)?;
    Ok(watcher)
}

/// Reads lines on a thread of its own; it ends with the input or the process.
fn read_stdin(tell: Sender<News>) {
    thread::spawn(move || {
        let mut input = io::stdin().lock();
        loop {
            let news = match read_line(&mut input) {
                Line::Text(line) => News::Typed(line),
                Line::TooLong => continue,
                Line::End => News::Ended,
            };
            let ended = matches!(news, News::Ended);
            if tell.send(news).is_err() || ended {
                return;
            }
        }
    });
}

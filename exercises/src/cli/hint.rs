//! `clusterbook hint` and `clusterbook solution`.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;
use lab::{Task, TaskKind, Variables};

use super::PROGRAM;
use super::desk::{Desk, Language};
use super::screen::{CODE, FAINT, STRONG, indent, markdown, paint, print};
use crate::card::{Card, in_lang};

/// Arguments of `hint`.
#[derive(Debug, Args)]
pub(super) struct Hint {
    /// The card
    card: String,
    /// The task [default: the first that is not passed]
    task: Option<String>,
    /// All hints at once
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    language: Language,
}

/// Arguments of `solution`.
#[derive(Debug, Args)]
pub(super) struct Solution {
    /// The card
    card: String,
    #[command(flatten)]
    language: Language,
}

impl Hint {
    pub(super) fn run(self) -> Result<ExitCode> {
        let mut desk = Desk::open(&self.language)?;
        let card = desk.card(&self.card)?.clone();
        print(&give_hint(&mut desk, &card, self.task.as_deref(), self.all)?)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Solution {
    pub(super) fn run(self) -> Result<ExitCode> {
        let mut desk = Desk::open(&self.language)?;
        let card = desk.card(&self.card)?.clone();
        print(&show_solution(&mut desk, &card))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// One hint more than the last time, of the task asked for or else of the first that is not passed; it is remembered.
///
/// # Errors
/// There is no such task.
pub(super) fn give_hint(desk: &mut Desk, card: &Card, task: Option<&str>, all: bool) -> Result<String> {
    let lab = Variables::deal(&card.lab, desk.workspace.seed(&card.id)).fill_all(&card.lab);
    let task = match task {
        Some(id) => match lab.task(id) {
            Some(task) => task,
            None => {
                let ids: Vec<&str> = lab.tasks.iter().map(|task| task.id.as_str()).collect();
                bail!("there is no task `{id}` in `{}`\nhelp: its tasks are {}", card.id, ids.join(", "));
            }
        },
        None => match lab.tasks.iter().find(|task| !desk.progress.passed(&card.id, &task.id)) {
            Some(task) => task,
            None => return Ok(desk.lang.pick("Every task of this lab is passed.\n", "本实验的任务都已通过。\n").to_owned()),
        },
    };
    let given = desk.progress.cards.get(&card.id).and_then(|done| done.hints.get(&task.id)).copied().unwrap_or(0);
    let now = if all { task.hints.len() } else { (given + 1).min(task.hints.len()) };
    if now > given {
        desk.save(|progress| {
            progress.card_mut(&card.id).hints.insert(task.id.clone(), now);
        });
    }
    Ok(hints(desk, card, task, now))
}

/// The first `count` hints of a task.
fn hints(desk: &Desk, card: &Card, task: &Task, count: usize) -> String {
    let lang = desk.lang;
    let mut text = format!("{} {}\n\n", paint(STRONG, in_lang(&task.title, lang)), paint(FAINT, format!("({})", task.id)));
    for (number, hint) in (1..).zip(task.hints.iter().take(count)) {
        let _ = writeln!(text, "{}", indent(&format!("{number}. {}", markdown(in_lang(hint, lang))), 2).trim_end());
    }
    let more = task.hints.len() - count;
    let next = if more > 0 {
        lang.pick(format!("{more} more: ask again."), format!("还有 {more} 条，可以再问一次。"))
    } else {
        let how = format!("{PROGRAM} solution {}", card.id);
        lang.pick(format!("That was the last hint. `{how}` shows the solution."), format!("提示到此为止。`{how}` 显示答案。"))
    };
    let _ = writeln!(text, "\n{}", paint(FAINT, next));
    text
}

/// The reference solution with the numbers of the learner's lab; that it was seen is remembered.
pub(super) fn show_solution(desk: &mut Desk, card: &Card) -> String {
    let lang = desk.lang;
    let solution = Variables::deal(&card.lab, desk.workspace.seed(&card.id)).fill_all(&card.solution);
    let mut text = String::new();
    for (name, content) in &solution.files {
        let _ = writeln!(text, "{}\n{}", paint(CODE, name), indent(content, 2));
    }
    let _ = writeln!(text, "{}\n{}", paint(CODE, crate::workspace::COMMANDS), indent(&solution.commands, 2));
    let _ = writeln!(text, "{}", markdown(in_lang(&solution.explanation, lang)));
    if card.lab.tasks.iter().any(|task| matches!(task.kind, TaskKind::Predict(_))) {
        let note = lang.pick(
            "The truth of a prediction is in no file: the engine finds it when you check.",
            "预测的真实结果不写在任何文件里：检查时由引擎给出。",
        );
        let _ = writeln!(text, "\n{}", paint(FAINT, note));
    }
    desk.save(|progress| progress.card_mut(&card.id).solution_seen = true);
    text
}

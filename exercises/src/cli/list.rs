//! `clusterbook list` and `clusterbook progress`.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use super::desk::{Desk, Language};
use super::screen::{CODE, FAINT, Format, GOOD, STRONG, paint, print, print_json};
use crate::card::{Card, in_lang};
use crate::progress::Stage;

/// Arguments of `list`.
#[derive(Debug, Args)]
pub(super) struct List {
    /// Only the cards of this topic
    #[arg(long)]
    topic: Option<String>,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    language: Language,
}

/// Arguments of `progress`.
#[derive(Debug, Args)]
pub(super) struct Progress {
    /// How to print; `json` gives everything that is kept
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    language: Language,
}

/// A card in the list for programs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    id: &'a str,
    topic: &'a str,
    level: u8,
    question: &'a str,
    started: bool,
    stage: Stage,
    tasks: usize,
    tasks_passed: usize,
    questions: usize,
    questions_known: usize,
}

impl<'a> Entry<'a> {
    fn new(desk: &Desk, card: &'a Card) -> Self {
        Entry {
            id: &card.id,
            topic: &card.topic,
            level: card.level,
            question: in_lang(&card.question, desk.lang),
            started: desk.workspace.is_started(&card.id),
            stage: desk.progress.stage(card),
            tasks: card.lab.tasks.len(),
            tasks_passed: desk.progress.passed_tasks(card),
            questions: card.quiz.len(),
            questions_known: desk.progress.known_questions(card),
        }
    }

    fn mark(&self) -> String {
        match self.stage {
            Stage::Passed => paint(GOOD, "✓"),
            Stage::Begun => paint(STRONG, "◐"),
            Stage::New => paint(FAINT, "·"),
        }
    }
}

/// All cards as entries, topics together, easy ones first.
fn entries<'a>(desk: &'a Desk, topic: Option<&str>) -> Vec<Entry<'a>> {
    let wanted = desk.deck.iter().filter(|card| topic.is_none_or(|topic| card.topic == topic));
    let mut entries: Vec<Entry<'a>> = wanted.map(|card| Entry::new(desk, card)).collect();
    entries.sort_by_key(|entry| (entry.topic, entry.level, entry.id));
    entries
}

impl List {
    pub(super) fn run(self) -> Result<ExitCode> {
        let desk = Desk::open(&self.language)?;
        let entries = entries(&desk, self.topic.as_deref());
        if self.format == Format::Json {
            print_json(&entries)?;
            return Ok(ExitCode::SUCCESS);
        }
        let mut text = String::new();
        if let Some(topic) = self.topic.as_ref().filter(|_| entries.is_empty()) {
            let mut topics: Vec<&str> = desk.deck.iter().map(|card| card.topic.as_str()).collect();
            topics.sort_unstable();
            topics.dedup();
            anyhow::bail!("there is no topic `{topic}`\nhelp: the topics are {}", topics.join(", "));
        }
        let width = entries.iter().map(|entry| entry.id.len()).max().unwrap_or(0);
        let mut topic = "";
        for entry in &entries {
            if entry.topic != topic {
                topic = entry.topic;
                let _ = writeln!(text, "{}{}", if text.is_empty() { "" } else { "\n" }, paint(STRONG, topic));
            }
            let id = paint(CODE, format!("{:width$}", entry.id));
            let level = desk.lang.pick("level", "难度");
            let _ = writeln!(text, "  {} {id}  {level} {}  {}", entry.mark(), entry.level, entry.question);
        }
        if let Some(next) = desk.next_step() {
            let _ = writeln!(text, "\n{}{next}", desk.lang.pick("Next: ", "下一步："));
        }
        print(&text)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Progress {
    pub(super) fn run(self) -> Result<ExitCode> {
        let desk = Desk::open(&self.language)?;
        if self.format == Format::Json {
            print_json(&desk.progress)?;
            return Ok(ExitCode::SUCCESS);
        }
        let lang = desk.lang;
        let entries = entries(&desk, None);
        let sum = |part: fn(&Entry<'_>) -> usize| entries.iter().map(part).sum::<usize>();
        let (tasks, questions) = (sum(|entry| entry.tasks), sum(|entry| entry.questions));
        let (passed, known) = (sum(|entry| entry.tasks_passed), sum(|entry| entry.questions_known));
        let mut text = String::new();
        let _ = writeln!(
            text,
            "{}",
            lang.pick(
                format!("Tasks      {}  {passed} of {tasks} passed", bar(passed, tasks)),
                format!("任务  {}  通过 {passed}/{tasks}", bar(passed, tasks))
            )
        );
        let _ = writeln!(
            text,
            "{}",
            lang.pick(
                format!("Questions  {}  {known} of {questions} right", bar(known, questions)),
                format!("测验  {}  答对 {known}/{questions}", bar(known, questions))
            )
        );
        text.push('\n');
        let width = entries.iter().map(|entry| entry.id.len()).max().unwrap_or(0);
        for entry in &entries {
            let (id, done) =
                (paint(CODE, format!("{:width$}", entry.id)), (entry.tasks_passed, entry.tasks, entry.questions_known, entry.questions));
            let (passed, tasks, known, questions) = done;
            let counts = lang.pick(
                format!("tasks {passed}/{tasks}   questions {known}/{questions}"),
                format!("任务 {passed}/{tasks}   测验 {known}/{questions}"),
            );
            let _ = writeln!(text, "  {} {id}  {counts}{}", entry.mark(), self.helped(&desk, entry.id));
        }
        match desk.next_step() {
            Some(next) => {
                let _ = writeln!(text, "\n{}{next}", lang.pick("Next: ", "下一步："));
            }
            None => {
                let _ = writeln!(text, "\n{}", lang.pick("Every lab is passed.", "所有实验都已通过。"));
            }
        }
        if let Some(path) = desk.kept_in() {
            let _ = writeln!(text, "{}", paint(FAINT, format!("{}{}", lang.pick("Kept in ", "保存在 "), path.display())));
        }
        print(&text)?;
        Ok(ExitCode::SUCCESS)
    }

    /// Which help was taken for a card.
    fn helped(&self, desk: &Desk, id: &str) -> String {
        let Some(done) = desk.progress.cards.get(id) else { return String::new() };
        let mut help = Vec::new();
        let hints: usize = done.hints.values().sum();
        if hints > 0 {
            help.push(desk.lang.pick(format!("hints {hints}"), format!("提示 {hints}")));
        }
        if done.solution_seen {
            help.push(desk.lang.pick("solution seen", "看过答案").to_owned());
        }
        if help.is_empty() { String::new() } else { paint(FAINT, format!("   {}", help.join(", "))) }
    }
}

/// A bar of twenty places.
fn bar(part: usize, whole: usize) -> String {
    const PLACES: usize = 20;
    let full = (part * PLACES).checked_div(whole).unwrap_or(0);
    format!("{}{}", paint(GOOD, "█".repeat(full)), paint(FAINT, "░".repeat(PLACES - full)))
}

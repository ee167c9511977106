//! `clusterbook check`: grades a learner's labs, or all reference solutions and wrong attempts of the cards.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;
use serde::Serialize;

use super::PROGRAM;
use super::desk::{Desk, Language};
use super::grading::{Report, describe, grade};
use super::screen::{BAD, CODE, FAINT, Format, GOOD, STRONG, Status, indent, paint, print, print_json};
use crate::card::Card;
use crate::card::grade::{GradeReport, Graded, grade_card};

/// Arguments of `check`.
#[derive(Debug, Args)]
pub(super) struct Check {
    /// The cards whose labs to check [default: all that were started]
    cards: Vec<String>,
    /// Grade the cards themselves: every reference solution must pass, every wrong attempt fail on the check it names
    #[arg(long)]
    solutions: bool,
    /// With --solutions: with how many deals of the labs' numbers
    #[arg(long, value_name = "N", default_value_t = 1, requires = "solutions", value_parser = clap::value_parser!(u64).range(1..=1000))]
    deals: u64,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    language: Language,
}

/// What `check --format json` prints.
#[derive(Serialize)]
struct Checked {
    version: u32,
    passed: bool,
    cards: Vec<Report>,
}

/// What `check --solutions --format json` prints.
#[derive(Serialize)]
struct CheckedSolutions {
    version: u32,
    passed: bool,
    attempts: Vec<AttemptReport>,
}

/// One graded attempt of a card.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AttemptReport {
    card: String,
    attempt: String,
    seed: u64,
    /// Whether it was graded as the card says.
    passed: bool,
    complaint: Option<String>,
}

impl Check {
    pub(super) fn run(self) -> Result<ExitCode> {
        let mut desk = Desk::open(&self.language)?;
        let mut named = Vec::new();
        for id in &self.cards {
            named.push(desk.card(id)?.clone());
        }
        if self.solutions {
            let cards = if named.is_empty() { desk.deck.iter().cloned().collect() } else { named };
            return self.check_solutions(&cards);
        }
        let cards = if named.is_empty() { started(&desk)? } else { named };
        if let Some(card) = cards.iter().find(|card| !desk.workspace.is_started(&card.id)) {
            bail!("the lab of `{}` was not started yet\nhelp: `{PROGRAM} start {}` lays its files", card.id, card.id);
        }
        let mut reports = Vec::new();
        for card in &cards {
            let status = Status::new();
            status.set(&desk.lang.pick(format!("running the lab of {}…", card.id), format!("正在运行 {} 的实验……", card.id)));
            let report = grade(&mut desk, card);
            drop(status);
            if self.format == Format::Text {
                let blank = if reports.is_empty() { "" } else { "\n" };
                print(&format!("{blank}{}", describe(&desk, card, &report)))?;
            }
            reports.push(report);
        }
        let passed = reports.iter().all(|report| report.passed);
        if self.format == Format::Json {
            print_json(&Checked { version: 1, passed, cards: reports })?;
        } else if reports.len() > 1 {
            let (good, all) = (reports.iter().filter(|report| report.passed).count(), reports.len());
            let sum = desk.lang.pick(format!("{good} of {all} labs passed."), format!("已通过 {good}/{all} 个实验。"));
            print(&format!("\n{}\n", paint(STRONG, sum)))?;
        }
        Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn check_solutions(&self, cards: &[Card]) -> Result<ExitCode> {
        let mut all = Vec::new();
        for card in cards {
            for seed in (lab::DEFAULT_SEED..).take(usize::try_from(self.deals).unwrap_or(usize::MAX)) {
                let status = Status::new();
                status.set(&format!("grading the attempts of {} (seed {seed})…", card.id));
                let reports = grade_card(card, seed);
                drop(status);
                if self.format == Format::Text {
                    print(&told_attempts(card, &reports))?;
                }
                all.extend(reports);
            }
        }
        let passed = all.iter().all(|report| report.complaint.is_none());
        match self.format {
            Format::Json => {
                print_json(&CheckedSolutions { version: 1, passed, attempts: all.into_iter().map(AttemptReport::new).collect() })?
            }
            Format::Text => print(&totals(cards.len(), &all))?,
        }
        Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

impl AttemptReport {
    fn new(report: GradeReport) -> Self {
        let attempt = name(&report.attempt);
        AttemptReport { card: report.card, attempt, seed: report.seed, passed: report.complaint.is_none(), complaint: report.complaint }
    }
}

/// The cards whose labs were started.
fn started(desk: &Desk) -> Result<Vec<Card>> {
    let started: Vec<Card> = desk.deck.iter().filter(|card| desk.workspace.is_started(&card.id)).cloned().collect();
    if started.is_empty() {
        let example = desk.next_card().map_or("CARD", |card| &card.id);
        bail!("no lab was started yet\nhelp: `{PROGRAM} start {example}` lays the files of one, `{PROGRAM} list` shows all");
    }
    Ok(started)
}

fn name(attempt: &Graded) -> String {
    match attempt {
        Graded::Solution => "solution".to_owned(),
        Graded::Empty => "empty".to_owned(),
        Graded::Wrong(id) => format!("wrong/{id}"),
    }
}

/// The attempts of a card, a line each.
fn told_attempts(card: &Card, reports: &[GradeReport]) -> String {
    let mut text = String::new();
    if let Some(first) = reports.first() {
        let _ = writeln!(text, "{} {}", paint(STRONG, &card.id), paint(FAINT, format!("(seed {})", first.seed)));
    }
    for report in reports {
        let (mark, outcome) = match (&report.complaint, &report.attempt) {
            (Some(_), _) => (paint(BAD, "✗"), "not graded as the card says".to_owned()),
            (None, Graded::Solution) => (paint(GOOD, "✓"), "passes".to_owned()),
            (None, Graded::Empty) => (paint(GOOD, "✓"), "fails".to_owned()),
            (None, Graded::Wrong(id)) => {
                let caught_by = card.wrong.iter().find(|wrong| wrong.id == *id).map_or("", |wrong| &wrong.caught_by);
                (paint(GOOD, "✓"), format!("fails on {}", paint(CODE, caught_by)))
            }
        };
        let _ = writeln!(text, "  {mark} {}: {outcome}", name(&report.attempt));
        if let Some(complaint) = &report.complaint {
            text.push_str(&indent(complaint, 6));
        }
    }
    text
}

/// The totals of all attempts.
fn totals(cards: usize, all: &[GradeReport]) -> String {
    let of = |wanted: fn(&Graded) -> bool| {
        let of_kind = || all.iter().filter(|report| wanted(&report.attempt));
        (of_kind().filter(|report| report.complaint.is_none()).count(), of_kind().count())
    };
    let (solved, solutions) = of(|attempt| *attempt == Graded::Solution);
    let (empty, empties) = of(|attempt| *attempt == Graded::Empty);
    let (caught, wrong) = of(|attempt| matches!(attempt, Graded::Wrong(_)));
    let good = (solved, empty, caught) == (solutions, empties, wrong);
    let word = if cards == 1 { "card" } else { "cards" };
    let sum = format!(
        "{cards} {word}: {solved} of {solutions} solutions pass, {caught} of {wrong} wrong attempts are caught, {empty} of {empties} empty attempts fail."
    );
    format!("\n{}\n", paint(if good { GOOD } else { BAD }, sum))
}

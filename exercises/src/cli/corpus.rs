//! `clusterbook corpus`: applies manifests, each to a fresh cluster, and says how each fared.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;

use super::screen::{BAD, FAINT, Format, GOOD, STRONG, Status, indent, paint, print, print_json, visible};
use crate::corpus::prepared::Prepared;
use crate::corpus::{Report, Verdict, files, run};

/// Arguments of `corpus`.
#[derive(Debug, Args)]
#[command(
    after_help = "A manifest is refused (an object was not accepted), waiting (something did not come to its state within ten minutes of the\n\
    cluster's time) or has reached its state. Warnings name the fields that are accepted but not simulated. The exit status is 1 if one was\n\
    refused or waits."
)]
pub(super) struct Corpus {
    /// Manifests, or folders of them
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Only manifests whose path has this text
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Name those that reached their state, too, and all warnings
    #[arg(long)]
    all: bool,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Corpus {
    /// Applies them in the order of their paths.
    pub(super) fn run(&self) -> Result<ExitCode> {
        let (prepared, status) = (Prepared::with_program()?, Status::new());
        let mut reports = Vec::new();
        for path in &self.paths {
            let manifests = files::read(path)?;
            if manifests.is_empty() {
                bail!("{}: there are no manifests (*.yaml, *.yml) here", path.display());
            }
            let chosen: Vec<_> =
                manifests.iter().filter(|manifest| self.only.as_ref().is_none_or(|text| manifest.path.contains(text))).collect();
            for (index, manifest) in chosen.iter().enumerate() {
                status.set(&format!("{} of {}: {}", index + 1, chosen.len(), manifest.path));
                let report = run(manifest, &manifests, &prepared)?;
                if matches!(self.format, Format::Text) {
                    status.set("");
                    print(&self.lines(&report))?;
                }
                reports.push(report);
            }
        }
        let totals = Totals::of(&reports);
        match self.format {
            Format::Text => print(&totals.text())?,
            Format::Json => print_json(&serde_json::json!({"manifests": reports, "accepted": totals.accepted, "reached": totals.reached,
                "warned": totals.warned, "refused": totals.refused, "waiting": totals.waiting, "setAside": totals.set_aside}))?,
        }
        Ok(if totals.refused + totals.waiting == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// What is printed of one manifest.
    fn lines(&self, report: &Report) -> String {
        let (head, why) = match &report.verdict {
            Verdict::Reached if !self.all => return String::new(),
            Verdict::Reached => (paint(GOOD, "reached"), String::new()),
            Verdict::Waiting { why } => (paint(BAD, "waiting"), why.join("\n")),
            Verdict::Refused { why } => (paint(BAD, "refused"), why.clone()),
            Verdict::SetAside { why } if self.all => (paint(FAINT, "set aside"), why.clone()),
            Verdict::SetAside { .. } => return String::new(),
        };
        let warnings: String =
            report.warnings.iter().filter(|_| self.all).map(|warning| format!("    warning: {}\n", visible(warning))).collect();
        format!("{head} {}\n{}{warnings}", visible(&report.path), indent(&visible(&why), 4))
    }
}

/// How many fared how.
#[derive(Debug, Default)]
struct Totals {
    applied: usize,
    accepted: usize,
    reached: usize,
    warned: usize,
    refused: usize,
    waiting: usize,
    set_aside: usize,
}

impl Totals {
    fn of(reports: &[Report]) -> Self {
        let mut totals = Totals::default();
        for report in reports {
            totals.accepted += usize::from(report.accepted);
            totals.warned += usize::from(!report.warnings.is_empty());
            match report.verdict {
                Verdict::Reached => totals.reached += 1,
                Verdict::Waiting { .. } => totals.waiting += 1,
                Verdict::Refused { .. } => totals.refused += 1,
                Verdict::SetAside { .. } => totals.set_aside += 1,
            }
        }
        totals.applied = reports.len() - totals.set_aside;
        totals
    }

    fn text(&self) -> String {
        let percent = (1000 * self.accepted).checked_div(self.applied).unwrap_or(0);
        let first = format!("{} applied, {} accepted ({}.{} %)", self.applied, self.accepted, percent / 10, percent % 10);
        format!(
            "{}: {} reached their state, {} waiting, {} refused; {} with warnings about what is not simulated; {} set aside\n",
            paint(STRONG, first),
            self.reached,
            self.waiting,
            self.refused,
            self.warned,
            self.set_aside
        )
    }
}

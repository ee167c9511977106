//! `clusterbook corpus`: applies manifests, each to a fresh cluster, and says how each fared.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;

use super::screen::{BAD, FAINT, Format, GOOD, STRONG, Status, indent, paint, print, print_json, visible};
use crate::corpus::prepared::Prepared;
use crate::corpus::totals::Totals;
use crate::corpus::{Report, Verdict, files, trial};

/// Arguments of `corpus`.
#[derive(Debug, Args)]
#[command(
    after_help = "Each file counts once. What was applied is accepted, refused here and not by Kubernetes v1.36, or refused as that refuses it:\n\
    versions that were removed, fields that are misspelt, parts of objects that a page shows. What was accepted has reached its state, has\n\
    ended as its author means it to (a Pod that is broken on purpose), or waits: something did not come to its state within ten minutes of\n\
    the cluster's time. Files that are no Kubernetes manifests (files of a component, answers of a server, templates that are no YAML) are\n\
    set aside and in no share. Warnings name the fields that are accepted but not simulated. The exit status is 1 if one was refused or waits."
)]
pub(super) struct Corpus {
    /// Manifests, or folders of them
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Only manifests whose path has this text
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// A table of what comes before which manifest and how it ends, in place of the one that comes along
    #[arg(long, value_name = "FILE")]
    prepared: Option<PathBuf>,
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
        let prepared = match &self.prepared {
            Some(file) => {
                let text = std::fs::read_to_string(file).with_context(|| format!("{}: cannot be read", file.display()))?;
                Prepared::parse(&text).with_context(|| file.display().to_string())?
            }
            None => Prepared::with_program()?,
        };
        let status = Status::new();
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
                let report = trial::run(manifest, &manifests, &prepared)?;
                if matches!(self.format, Format::Text) {
                    status.set("");
                    print(&self.lines(&report))?;
                }
                reports.push(report);
            }
        }
        let (all, folders) = Totals::of(&reports);
        match self.format {
            Format::Text => print(&(table(&folders) + &summary(&all)))?,
            Format::Json => {
                let collections = Totals::of_collections(&folders);
                print_json(&serde_json::json!({"manifests": reports, "totals": all, "collections": collections, "folders": folders}))?;
            }
        }
        Ok(if all.refused + all.waiting == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// What is printed of one manifest.
    fn lines(&self, report: &Report) -> String {
        let meant = |says: &String, why: &String| format!("{says}\n({why})");
        let (head, why) = match &report.verdict {
            Verdict::Waiting { why, limit } => (
                paint(BAD, "waiting"),
                why.iter().cloned().chain(limit.iter().map(|limit| format!("({limit})"))).collect::<Vec<_>>().join("\n"),
            ),
            Verdict::Refused { why } => (paint(BAD, "refused"), why.clone()),
            _ if !self.all => return String::new(),
            Verdict::Reached => (paint(GOOD, "reached"), String::new()),
            Verdict::Ended { says, why } => (paint(GOOD, "ended as meant"), meant(says, why)),
            Verdict::RefusedToo { says, why } => (paint(GOOD, "refused as Kubernetes does"), meant(says, why)),
            Verdict::SetAside { why } => (paint(FAINT, "set aside"), why.clone()),
        };
        let warnings: String =
            report.warnings.iter().filter(|_| self.all).map(|warning| format!("    warning: {}\n", visible(warning))).collect();
        format!("{head} {}\n{}{warnings}", visible(&report.path), indent(&visible(&why), 4))
    }
}

/// `96.8 %` of thousandths.
fn percent(per_mille: usize) -> String {
    format!("{}.{} %", per_mille / 10, per_mille % 10)
}

/// A line for each folder, and below them one for each collection of folders; nothing when there is only one.
fn table(folders: &BTreeMap<String, Totals>) -> String {
    if folders.len() < 2 {
        return String::new();
    }
    let width = folders.keys().map(|name| visible(name).chars().count()).max().unwrap_or(0).max("FOLDER".len());
    let columns = ["APPLIED", "ACCEPTED", "OF ACCEPTABLE", "REACHED", "ENDED", "WAITING", "REFUSED", "REFUSED TOO", "WARNED", "SET ASIDE"];
    let mut text = format!("{:width$}  {}\n", "FOLDER", columns.join("  "));
    for (name, of) in folders.iter().chain(&Totals::of_collections(folders)) {
        let (all, acceptable) = of.per_mille();
        let cells = [
            of.applied.to_string(),
            percent(all),
            percent(acceptable),
            of.reached.to_string(),
            of.ended.to_string(),
            of.waiting.to_string(),
            of.refused.to_string(),
            of.refused_too.to_string(),
            of.warned.to_string(),
            of.set_aside.to_string(),
        ];
        let cells: Vec<String> = cells.iter().zip(columns).map(|(cell, column)| format!("{cell:>0$}", column.len())).collect();
        text += &format!("{:width$}  {}\n", visible(name), cells.join("  "));
    }
    text
}

/// The totals in words.
fn summary(all: &Totals) -> String {
    let (of_all, of_acceptable) = all.per_mille();
    let first = format!("{} applied, {} accepted ({})", all.applied, all.accepted, percent(of_all));
    format!(
        "{}: {} reached their state, {} ended as they are meant to, {} waiting; {} with warnings about what is not simulated\n\
         {} refused as Kubernetes v1.36 refuses them (without them {} are accepted); {} refused only here; {} set aside, no Kubernetes manifests\n",
        paint(STRONG, first),
        all.reached,
        all.ended,
        all.waiting,
        all.warned,
        all.refused_too,
        percent(of_acceptable),
        all.refused,
        all.set_aside
    )
}

//! `clusterbook conform`: runs files of facts about Kubernetes, etcd and Raft against the engine.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use conform::{AreaReport, CaseReport, Verdict};

use super::screen::{BAD, FAINT, Format, GOOD, paint, print, print_json};
use crate::site::fingerprint::files_below;

/// Arguments of `conform`.
#[derive(Debug, Args)]
pub(super) struct Conform {
    /// Vector files, or folders of them
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Name the cases that were skipped, too
    #[arg(long)]
    skipped: bool,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// The vector files of a path: itself, or what lies below it, in alphabetical order.
fn vector_files(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let mut files = files_below(path)?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    Ok(files)
}

/// What is printed of one case; empty for one that passed.
fn case_line(area: &str, case: &CaseReport, with_skipped: bool) -> String {
    match &case.verdict {
        Verdict::Failed { at, expected, actual } => {
            format!("{} {area}/{} at {at}\n    expected {expected}\n    actual   {actual}\n", paint(BAD, "failed"), case.id)
        }
        Verdict::Skipped { why } if with_skipped => format!("{} {area}/{}: {why}\n", paint(FAINT, "skipped"), case.id),
        Verdict::Skipped { .. } | Verdict::Passed => String::new(),
    }
}

fn totals_line((passed, failed, skipped): (usize, usize, usize)) -> String {
    format!("{passed} passed, {failed} failed, {skipped} skipped")
}

impl Conform {
    /// Runs the files in their order.
    pub(super) fn run(&self) -> Result<ExitCode> {
        let mut reports: Vec<AreaReport> = Vec::new();
        for path in &self.paths {
            let files = vector_files(path)?;
            if files.is_empty() {
                bail!("{}: there are no vector files (*.json) in this folder", path.display());
            }
            for file in files {
                let text = std::fs::read_to_string(&file).with_context(|| format!("{}: cannot be read", file.display()))?;
                let report = conform::run_file(&file.to_string_lossy(), &text)?;
                if matches!(self.format, Format::Text) {
                    print(&self.area_text(&report))?;
                }
                reports.push(report);
            }
        }
        let sum = reports.iter().map(AreaReport::totals).fold((0, 0, 0), |a, b| (a.0 + b.0, a.1 + b.1, a.2 + b.2));
        match self.format {
            Format::Text => print(&format!("{}\n", totals_line(sum)))?,
            Format::Json => print_json(&serde_json::json!({"passed": sum.0, "failed": sum.1, "skipped": sum.2, "areas": reports}))?,
        }
        Ok(if sum.1 == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn area_text(&self, report: &AreaReport) -> String {
        let mut text: String = report.cases.iter().map(|case| case_line(&report.area, case, self.skipped)).collect();
        let totals = report.totals();
        let style = if totals.1 == 0 { GOOD } else { BAD };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{} {}", paint(style, &report.area), totals_line(totals));
        text
    }
}

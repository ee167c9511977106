//! `cargo xtask test`: everything that must hold of a change, in the order in which failures are cheapest to learn of.
//!
//! Stages: format, lints, documentation, tests, the reference solutions, the site, and the page in a browser. All run to their end even if
//! an earlier one failed, and the totals say which did. The last needs Chromium and its driver, which are installed where that is allowed
//! (`browser`).

use crate::browser;
use anyhow::{Context, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// A stage: its name and the arguments to cargo.
const STAGES: &[(&str, &[&str])] = &[
    ("format", &["fmt", "--all", "--check"]),
    ("lints", &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]),
    ("documentation", &["doc", "--workspace", "--no-deps", "--document-private-items", "--locked"]),
    ("tests", &["test", "--workspace", "--locked", "--no-fail-fast"]),
    ("solutions", &["run", "--quiet", "--locked", "--", "check", "--solutions"]),
];

/// What the tests in the browser look at.
const SITE: (&str, &[&str]) = ("site", &["run", "--quiet", "--locked", "--", "build", "--out", "target/test-site"]);

/// The tests in the browser.
const BROWSER: (&str, &[&str]) = ("browser", &["test", "--package", "tests", "--locked", "--test", "all", "browser", "--", "--ignored"]);

/// What came of the tests of all crates together.
#[derive(Debug, Default, PartialEq, Eq)]
struct Totals {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Totals {
    /// Adds the numbers of a line such as `test result: ok. 12 passed; 0 failed; 1 ignored; …`; other lines count nothing.
    fn add(&mut self, line: &str) {
        let Some(rest) = line.trim().strip_prefix("test result:") else { return };
        let mut words = rest.split([' ', ';']).filter(|word| !word.is_empty()).peekable();
        while let Some(word) = words.next() {
            let Ok(count) = word.parse::<u64>() else { continue };
            match words.peek() {
                Some(&"passed") => self.passed += count,
                Some(&"failed") => self.failed += count,
                Some(&"ignored") => self.ignored += count,
                _ => {}
            }
        }
    }
}

/// Runs all stages.
///
/// # Errors
/// Names the stages that failed.
pub(crate) fn run() -> anyhow::Result<()> {
    let mut totals = Totals::default();
    let mut failed = Vec::new();
    let mut stages = STAGES.to_vec();
    stages.push(SITE);
    let driver = browser::find_or_install();
    match &driver {
        Ok(_) => stages.push(BROWSER),
        Err(why) => eprintln!("== browser: LEFT OUT: {why:#}"),
    }
    for (name, arguments) in stages {
        eprintln!("== {name}: cargo {}", arguments.join(" "));
        let start = Instant::now();
        let ok = stage(arguments, driver.as_deref().ok(), &mut totals).with_context(|| format!("stage {name}"))?;
        eprintln!("== {name}: {} in {:.0} s", if ok { "passed" } else { "FAILED" }, start.elapsed().as_secs_f64());
        if !ok {
            failed.push(name);
        }
    }
    eprintln!("tests: {} passed, {} failed, {} ignored", totals.passed, totals.failed, totals.ignored);
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

/// Builds the site and prints what the page costs in a browser.
///
/// # Errors
/// When there is no browser, or the page fails.
pub(crate) fn measure() -> anyhow::Result<()> {
    let driver = browser::find_or_install()?;
    let measured = ["test", "--package", "tests", "--locked", "--test", "all", "measure", "--", "--ignored", "--nocapture"];
    for (name, arguments) in [SITE, ("measure", &measured[..])] {
        if !stage(arguments, Some(&driver), &mut Totals::default())? {
            bail!("stage {name} failed");
        }
    }
    Ok(())
}

/// The program, where cargo builds it.
fn program() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    std::path::absolute(&target).unwrap_or(target).join("debug").join(format!("clusterbook{}", std::env::consts::EXE_SUFFIX))
}

/// Runs one stage, passing its output on; says whether it succeeded.
fn stage(arguments: &[&str], driver: Option<&Path>, totals: &mut Totals) -> anyhow::Result<bool> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(arguments)
        .env("RUSTDOCFLAGS", "-D warnings")
        .env("CLUSTERBOOK_PROGRAM", program())
        .envs(driver.map(|driver| ("CHROMEDRIVER", driver)))
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cargo could not be started")?;
    let text = String::from_utf8_lossy(&output.stdout);
    eprint!("{text}");
    text.lines().for_each(|line| totals.add(line));
    Ok(output.status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_add_up_over_crates() {
        let mut totals = Totals::default();
        totals.add("running 3 tests");
        totals.add("test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s");
        totals.add("test result: FAILED. 2 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out");
        assert_eq!(totals, Totals { passed: 14, failed: 3, ignored: 1 });
    }
}

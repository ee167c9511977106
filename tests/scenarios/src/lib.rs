//! Scenarios of all controllers, in text files, and crashes between any two of their writes.
//!
//! `scenarios/CONTROLLER/NAME.txt` tells a story that a reader of Kubernetes' documentation can follow ([`script`]). [`check()`] runs it
//! undisturbed and checks everything that it says. [`crash()`] runs it again with something going wrong in the controllers
//! ([`disturbed`]): once the dust has settled, what the file says of the end must hold, and the state must be the same as that of
//! the undisturbed run, in normal form ([`normal`]).
//!
//! A run is its scenario and its seed; whatever goes wrong, when and for how long is dealt from the seed. [`every_write()`] is for going through
//! all writes, one after the other.
//!
//! The controller that crashes takes all others of its process with it, as upstream.

pub mod disturbed;
pub mod expect;
pub mod normal;
pub mod run;
pub mod script;
mod usage;

use disturbed::Disturbance;
use run::Outcome;
use script::Scenario;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The folder of the scenarios.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")
}

/// Reads all scenarios whose names begin with one of the prefixes (all, if there are none), in the order of their names.
///
/// # Errors
/// The first file that cannot be read, in words.
pub fn load(folder: &Path, prefixes: &[String]) -> Result<Vec<Scenario>, String> {
    let list = |folder: &Path| -> Result<Vec<PathBuf>, String> {
        let entries = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let mut paths: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
        paths.sort();
        Ok(paths)
    };
    let mut scenarios = Vec::new();
    for controller in list(folder)?.into_iter().filter(|path| path.is_dir()) {
        for file in list(&controller)? {
            let part = |path: &Path| path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            let name = format!("{}/{}", part(&controller), part(&file));
            if prefixes.is_empty() || prefixes.iter().any(|prefix| name.starts_with(prefix.as_str())) {
                let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
                scenarios.push(Scenario::parse(&name, &text).map_err(|error| error.to_string())?);
            }
        }
    }
    Ok(scenarios)
}

/// Runs the scenario undisturbed; what it showed.
///
/// # Errors
/// What did not hold, in words.
pub fn check(scenario: &Scenario, seed: u64) -> Result<Outcome, String> {
    let outcome = run::run(scenario, seed, &[], false)?;
    if outcome.failures.is_empty() { Ok(outcome) } else { Err(outcome.failures.join("\n")) }
}

/// Runs the scenario with these disturbances. The end must be that of `base`, an undisturbed run, or of the undisturbed run of this seed.
///
/// # Errors
/// What did not hold, in words.
pub fn crash(scenario: &Scenario, seed: u64, disturbances: &[Disturbance], base: &Outcome) -> Result<Outcome, String> {
    let outcome = run::run(scenario, seed, disturbances, false)?;
    let mut failures = outcome.failures.clone();
    let mut difference = outcome.state.difference(&base.state);
    if !difference.is_empty() {
        let own = run::run(scenario, seed, &[], false)?;
        difference = outcome.state.difference(&own.state);
    }
    failures.extend(difference);
    if failures.is_empty() {
        return Ok(outcome);
    }
    let told = outcome.happened.iter().map(|(what, write)| format!("{what}: {write}"));
    Err(told.chain(failures).collect::<Vec<_>>().join("\n"))
}

/// A crash before and after each of so many writes.
pub fn every_write(writes: u64) -> impl Iterator<Item = Disturbance> {
    let crash = |write, sent| Disturbance::Crash { write, sent, down: Duration::from_secs(1) };
    (1..=writes).flat_map(move |write| [crash(write, false), crash(write, true)])
}

//! `cargo xtask scenarios`: scenarios of the controllers, and crashes between any two of their writes (`tests/scenarios`). Arguments are
//! passed on.

use anyhow::{Context, ensure};
use std::process::Command;

/// Runs the task with the arguments of this process.
///
/// # Errors
/// When a scenario does not come out as it says, or not as without the crash.
pub(crate) fn run() -> anyhow::Result<()> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["run", "--quiet", "--release", "--locked", "--package", "scenarios", "--"]).args(std::env::args().skip(2));
    let status = command.status().context("cargo could not be started")?;
    ensure!(status.success(), "a scenario failed");
    Ok(())
}

//! `cargo xtask fuzz`: random inputs for everything that reads (`tests/fuzz`). Arguments are passed on.

use anyhow::{Context, ensure};
use std::process::Command;

/// Runs the task with the arguments of this process.
///
/// # Errors
/// When something does not hold of an input.
pub(crate) fn run() -> anyhow::Result<()> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["run", "--quiet", "--release", "--locked", "--package", "fuzz", "--"]).args(std::env::args().skip(2));
    let status = command.status().context("cargo could not be started")?;
    ensure!(status.success(), "an input was found that a reader does not bear");
    Ok(())
}

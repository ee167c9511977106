//! `cargo xtask TASK`: what plain cargo commands do not cover.
//!
//! One module per task; `cargo xtask` alone lists them.

mod test;

use std::process::ExitCode;

/// The tasks: name, what it does, and the function that does it.
const TASKS: &[(&str, &str, fn() -> anyhow::Result<()>)] =
    &[("test", "format, lints, documentation, tests: all that must hold", test::run)];

fn main() -> ExitCode {
    let name = std::env::args().nth(1).unwrap_or_default();
    let Some((_, _, run)) = TASKS.iter().find(|(task, _, _)| *task == name) else {
        eprintln!("usage: cargo xtask TASK\n");
        for (task, what, _) in TASKS {
            eprintln!("  {task:<10} {what}");
        }
        return ExitCode::from(2);
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cargo xtask {name}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

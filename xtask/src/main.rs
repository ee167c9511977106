//! `cargo xtask TASK`: what plain cargo commands do not cover.
//!
//! One module per task; `cargo xtask` alone lists them.

mod browser;
mod fuzz;
mod scenarios;
mod schema;
mod simulate;
mod test;

use std::process::ExitCode;

/// A task of this program.
struct Task {
    name: &'static str,
    what: &'static str,
    run: fn() -> anyhow::Result<()>,
}

const TASKS: &[Task] = &[
    Task { name: "fuzz", what: "random inputs for all readers: --seconds N, --case C --cases K, TARGET…", run: fuzz::run },
    Task { name: "measure", what: "how long the page takes to run a lab and a big rollout, in a browser", run: test::measure },
    Task {
        name: "scenarios",
        what: "scenarios of the controllers with crashes: --seeds N, --seed S, --every-write, --jobs N, SCENARIO…",
        run: scenarios::run,
    },
    Task { name: "schema", what: "the fields of all built-in kinds, for the api crate", run: schema::run },
    Task {
        name: "simulate",
        what: "etcd groups under random faults: --seeds N, --seed S; --broken breaks the code first, to see that it is noticed",
        run: simulate::run,
    },
    Task { name: "test", what: "format, lints, documentation, tests: all that must hold", run: test::run },
];

fn main() -> ExitCode {
    let name = std::env::args().nth(1).unwrap_or_default();
    let Some(task) = TASKS.iter().find(|task| task.name == name) else {
        eprintln!("usage: cargo xtask TASK\n");
        for task in TASKS {
            eprintln!("  {:<10} {}", task.name, task.what);
        }
        return ExitCode::from(2);
    };
    match (task.run)() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cargo xtask {name}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

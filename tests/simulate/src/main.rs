//! `simulate`: runs seeds and says which promise was broken, and how to see it again.

use clap::Parser;
use std::io::Write as _;
use std::panic;
use std::process::ExitCode;

/// Fault simulation of etcd groups.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many seeds to run
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Go on after a seed that breaks a promise
    #[arg(long)]
    keep_going: bool,
}

/// Runs a seed; an assertion of the engine that fails is a broken promise, too.
fn guarded(seed: u64) -> Result<simulate::Report, String> {
    match panic::catch_unwind(|| simulate::run(seed)) {
        Ok(result) => result.map_err(|broken| broken.to_string()),
        Err(payload) => {
            let text = payload.downcast_ref::<String>().cloned().or_else(|| payload.downcast_ref::<&str>().map(|&text| text.to_owned()));
            Err(format!("seed {seed}: {}", text.unwrap_or_default()))
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // What is told of a panic is told with its seed.
    panic::set_hook(Box::new(|_| {}));
    let mut out = std::io::stdout().lock();
    let (mut broken, mut steps, mut committed, mut answered, mut crashes, mut terms) = (0_u64, 0, 0, 0, 0, 0);
    let (mut torn, mut rotten) = (0, 0);
    let mut done = 0_u64;
    for seed in arguments.seed..arguments.seed.saturating_add(arguments.seeds) {
        done += 1;
        match guarded(seed) {
            Ok(report) => {
                steps += report.steps;
                committed += report.committed;
                answered += report.answered;
                crashes += report.crashes;
                terms += report.terms;
                torn += report.torn;
                rotten += report.rotten;
            }
            Err(failure) => {
                broken += 1;
                let _ = writeln!(out, "{failure}\nrepeat it with: cargo xtask simulate --seeds 1 --seed {seed}");
                if !arguments.keep_going {
                    break;
                }
            }
        }
    }
    let _ = writeln!(
        out,
        "{done} seeds: {steps} steps, {committed} entries committed, {answered} requests answered, {crashes} crashes, {torn} torn logs, \
         {rotten} rotten disks, {terms} terms"
    );
    let _ = writeln!(out, "{} passed, {broken} failed", done - broken);
    if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

//! `fuzz`: tries cases for some time, and says how to try a failing one again.
//!
//! Cases run in a process of their own, some at a time, with bounded memory: what ends it (memory, the stack) or does not end costs that
//! process only, and the case is then looked for one by one.

use anyhow::{Context, bail};
use clap::Parser;
use fuzz::{TARGETS, Target, try_case};
use std::panic;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// How many cases a process tries.
const BATCH: u64 = 500;
/// How long it may take.
const BATCH_LIMIT: Duration = Duration::from_secs(120);
/// How much memory it may have, in KiB.
const MEMORY: u64 = 1024 * 1024;

/// Random inputs for everything that reads.
#[derive(Debug, Parser)]
struct Arguments {
    /// How long to go on, all targets together
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// The first case
    #[arg(long, default_value_t = 0)]
    case: u64,
    /// Try only so many cases, in this process
    #[arg(long)]
    cases: Option<u64>,
    /// The targets; all when none is named
    target: Vec<String>,
}

/// Tries cases here; the first that fails, and why.
fn try_cases(target: &Target, from: u64, count: u64) -> Result<(), (u64, String)> {
    for case in from..from.saturating_add(count) {
        let tried = panic::catch_unwind(|| try_case(target, case));
        let tried = tried.unwrap_or_else(|payload| {
            let text = payload.downcast_ref::<String>().cloned().or_else(|| payload.downcast_ref::<&str>().map(|&text| text.to_owned()));
            Err(format!("panic: {}", text.unwrap_or_default()))
        });
        tried.map_err(|why| (case, why))?;
    }
    Ok(())
}

/// Tries cases in a process of their own; whether all held.
fn in_child(target: &Target, from: u64, count: u64) -> anyhow::Result<bool> {
    let this = std::env::current_exe().context("this program is not found")?;
    let mut child = Command::new("sh")
        .args(["-c", &format!("ulimit -v {MEMORY}; exec \"$0\" \"$@\"")])
        .arg(this)
        .args(["--case", &from.to_string(), "--cases", &count.to_string(), target.name])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("a process for the cases cannot be started")?;
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.success());
        }
        if begun.elapsed() > BATCH_LIMIT {
            child.kill()?;
            child.wait()?;
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Tries for some time; how many cases there were.
fn hunt(targets: &[&Target], from: u64, limit: Duration) -> anyhow::Result<Vec<u64>> {
    let begun = Instant::now();
    let mut tried = vec![0; targets.len()];
    while begun.elapsed() < limit {
        for (target, tried) in targets.iter().zip(&mut tried) {
            let first = from + *tried;
            if !in_child(target, first, BATCH)? {
                let one = (first..first + BATCH).find(|case| in_child(target, *case, 1).is_ok_and(|held| !held));
                match one {
                    Some(case) => bail!("repeat it with: cargo xtask fuzz --case {case} --cases 1 {}", target.name),
                    None => bail!("together only: cargo xtask fuzz --case {first} --cases {BATCH} {}", target.name),
                }
            }
            *tried += BATCH;
        }
    }
    Ok(tried)
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let known: Vec<&Target> =
        TARGETS.iter().filter(|target| arguments.target.is_empty() || arguments.target.iter().any(|name| name == target.name)).collect();
    if known.is_empty() {
        let names: Vec<String> = TARGETS.iter().map(|target| format!("  {:<16} {}", target.name, target.what)).collect();
        eprintln!("there is no such target; there are:\n{}", names.join("\n"));
        return ExitCode::from(2);
    }
    let said = match arguments.cases {
        Some(count) => {
            panic::set_hook(Box::new(|_| {}));
            let failed = known.iter().find_map(|target| try_cases(target, arguments.case, count).err().map(|failed| (target.name, failed)));
            failed.map_or(Ok(()), |(name, (case, why))| Err(anyhow::anyhow!("{name}, case {case}: {why}")))
        }
        None => hunt(&known, arguments.case, Duration::from_secs(arguments.seconds)).map(|tried| {
            known.iter().zip(tried).for_each(|(target, tried)| eprintln!("{:<16} {tried} cases held", target.name));
        }),
    };
    match said {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Of a process of cases this is all that is heard.
            let text: String = format!("{error:#}").chars().take(2_000).collect();
            let _ = std::io::Write::write_all(&mut std::io::stdout(), format!("{text}\n").as_bytes());
            ExitCode::FAILURE
        }
    }
}

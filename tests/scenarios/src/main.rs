//! `scenarios`: runs scenarios, and seeds of things going wrong; says what did not hold, and how to see it again.

use clap::Parser;
use scenarios::disturbed::Disturbance;
use scenarios::run::{Outcome, deal, run};
use scenarios::script::Scenario;
use std::collections::BTreeSet;
use std::io::Write as _;
use std::panic;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Scenarios of the controllers, and crashes between any two of their writes.
#[derive(Debug, Parser)]
struct Arguments {
    /// Which scenarios: the beginnings of their names, such as `deployment` or `job/ttl`; all by default
    scenarios: Vec<String>,
    /// How many seeds of things going wrong to run, for each scenario
    #[arg(long, default_value_t = 10)]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Crash before and after every single write, with seed 1
    #[arg(long)]
    every_write: bool,
    /// The one disturbance to make: `before N`, `after N` for a crash at a write
    #[arg(long, num_args = 2, value_names = ["WHEN", "WRITE"])]
    at: Vec<String>,
    /// Print the trace of each run
    #[arg(long)]
    trace: bool,
    /// Print the writes of the undisturbed run
    #[arg(long)]
    writes: bool,
    /// How many scenarios run at a time
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// How many failures of a scenario to tell of
    #[arg(long, default_value_t = 3)]
    failures: usize,
}

/// What came of the runs of a scenario.
#[derive(Debug, Default)]
struct Tally {
    runs: u64,
    writes: u64,
    crashes: u64,
    pauses: u64,
    cuts: u64,
    lost_answers: u64,
    failed: u64,
    told: Vec<String>,
}

impl Tally {
    fn add(&mut self, other: &Tally) {
        self.runs += other.runs;
        self.writes += other.writes;
        self.crashes += other.crashes;
        self.pauses += other.pauses;
        self.cuts += other.cuts;
        self.lost_answers += other.lost_answers;
        self.failed += other.failed;
    }

    fn take(&mut self, result: Result<Outcome, String>, repeat: &str, limit: usize) {
        self.runs += 1;
        match result {
            Ok(outcome) => {
                for (what, _) in outcome.happened {
                    match what {
                        Disturbance::Crash { .. } => self.crashes += 1,
                        Disturbance::Pause { .. } => self.pauses += 1,
                        Disturbance::Cut { .. } => self.cuts += 1,
                        Disturbance::LostAnswer { .. } => self.lost_answers += 1,
                        Disturbance::Lag { .. } => {}
                    }
                }
            }
            Err(why) => {
                self.failed += 1;
                if self.told.len() < limit {
                    self.told.push(format!("{}\nrepeat it with: cargo xtask scenarios {repeat}", why.replace('\n', "\n    ")));
                }
            }
        }
    }
}

/// Runs something; an assertion of the engine that fails is a failure, too.
fn guarded(what: impl FnOnce() -> Result<Outcome, String>) -> Result<Outcome, String> {
    panic::catch_unwind(panic::AssertUnwindSafe(what)).unwrap_or_else(|payload| {
        let text = payload.downcast_ref::<String>().cloned().or_else(|| payload.downcast_ref::<&str>().map(|&text| text.to_owned()));
        Err(format!("panicked: {}", text.unwrap_or_default()))
    })
}

/// All runs of a scenario that the arguments ask for.
fn runs(scenario: &Scenario, arguments: &Arguments) -> Tally {
    let name = &scenario.name;
    let mut tally = Tally::default();
    let base = match guarded(|| scenarios::check(scenario, 1)) {
        Ok(base) => base,
        Err(why) => {
            tally.take(Err(why), &format!("{name} --seeds 0 --trace"), arguments.failures);
            return tally;
        }
    };
    tally.runs += 1;
    let writes = base.writes.len() as u64;
    tally.writes = writes;
    let crash = |seed, dealt: Vec<Disturbance>| guarded(|| scenarios::crash(scenario, seed, &dealt, &base));
    if arguments.every_write {
        for disturbance in scenarios::every_write(writes) {
            let Disturbance::Crash { write, sent, .. } = disturbance else { continue };
            let when = if sent { "after" } else { "before" };
            tally.take(crash(1, vec![disturbance]), &format!("{name} --at {when} {write}"), arguments.failures);
        }
    }
    for seed in (arguments.seed..).take(usize::try_from(arguments.seeds).unwrap_or(usize::MAX)) {
        tally.take(crash(seed, deal(seed, writes)), &format!("{name} --seeds 1 --seed {seed}"), arguments.failures);
    }
    tally
}

/// Prints what one run of each scenario showed.
fn show(scenarios: &[Scenario], arguments: &Arguments, out: &mut impl std::io::Write) -> Result<(), String> {
    for scenario in scenarios {
        let base = run(scenario, 1, &[], false)?;
        if arguments.writes {
            for (index, write) in base.writes.iter().enumerate() {
                let _ = writeln!(out, "{:>4} {write}", index + 1);
            }
            continue;
        }
        let writes = base.writes.len() as u64;
        let crash = match &arguments.at[..] {
            [when, write] => {
                let write: u64 = write.parse().map_err(|_| format!("--at {when} {write}: the write is a number"))?;
                scenarios::every_write(write).nth(usize::try_from(2 * write - 2).unwrap_or(0) + usize::from(when == "after"))
            }
            _ => None,
        };
        let (seed, dealt) = match crash {
            Some(crash) => (1, vec![crash]),
            None if arguments.seeds == 0 => (1, Vec::new()),
            None => (arguments.seed, deal(arguments.seed, writes)),
        };
        let outcome = run(scenario, seed, &dealt, arguments.trace)?;
        for line in &outcome.trace {
            let _ = writeln!(out, "{line}");
        }
        for line in outcome.failures.iter().chain(&outcome.state.difference(&base.state)) {
            let _ = writeln!(out, "{line}");
        }
        for (what, write) in outcome.happened {
            let _ = writeln!(out, "{what}: {write}");
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let scenarios = match scenarios::load(&scenarios::folder(), &arguments.scenarios) {
        Ok(scenarios) if !scenarios.is_empty() => scenarios,
        Ok(_) => return complain("no scenario has such a name"),
        Err(why) => return complain(&why),
    };
    let mut out = std::io::stdout();
    if arguments.trace || arguments.writes || !arguments.at.is_empty() {
        return match show(&scenarios, &arguments, &mut out) {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => complain(&why),
        };
    }
    // What is told of a panic is told with its seed.
    panic::set_hook(Box::new(|_| {}));
    let (next, total) = (AtomicUsize::new(0), Mutex::new(Tally::default()));
    std::thread::scope(|scope| {
        for _ in 0..arguments.jobs.max(1) {
            scope.spawn(|| {
                while let Some(scenario) = scenarios.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let tally = runs(scenario, &arguments);
                    let mut out = std::io::stdout().lock();
                    let verdict = if tally.failed == 0 { "ok" } else { "FAILED" };
                    let (name, runs, writes) = (&scenario.name, tally.runs, tally.writes);
                    let _ = writeln!(
                        out,
                        "{name}: {runs} runs, {writes} writes, {} crashes, {} failed: {verdict}",
                        tally.crashes, tally.failed
                    );
                    tally.told.iter().for_each(|told| {
                        let _ = writeln!(out, "    {told}");
                    });
                    if let Ok(mut total) = total.lock() {
                        total.add(&tally);
                    }
                }
            });
        }
    });
    let total = total.into_inner().unwrap_or_default();
    let controllers: BTreeSet<&str> = scenarios.iter().filter_map(|scenario| scenario.name.split('/').next()).collect();
    let _ = writeln!(
        out,
        "{} scenarios of {} controllers, {} seeds: {} runs, {} crashes, {} lost answers, {} pauses, {} cuts; {} failed",
        scenarios.len(),
        controllers.len(),
        arguments.seeds,
        total.runs,
        total.crashes,
        total.lost_answers,
        total.pauses,
        total.cuts,
        total.failed
    );
    if total.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn complain(why: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "{why}");
    ExitCode::from(2)
}

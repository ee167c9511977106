//! A run of a scenario: with or without something going wrong.

use crate::disturbed::{Disturbance, Disturbed, Ledger};
use crate::expect;
use crate::normal::State;
use crate::script::{Does, Scenario, Step};
use crate::usage::Metrics;
use api::quantity::Quantity;
use client::Component;
use cluster::{Cluster, Fault};
use controllers::ControllerManager;
use scheduler::Scheduler;
use sim::{EventId, Rng, Seed, Time};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// How many occurrences a step of a scenario may cost before it counts as hanging.
const STEPS: u64 = 2_000_000;

/// How long a command may take, in virtual time.
const COMMAND_LIMIT: Duration = Duration::from_secs(15 * 60);

/// After the last step nothing goes wrong any more once this time is over.
const LAST_DISTURBANCE: Duration = Duration::from_secs(20);

/// What a run showed.
#[derive(Debug)]
pub struct Outcome {
    /// What did not hold, with the line of the scenario.
    pub failures: Vec<String>,
    /// The state at the end.
    pub state: State,
    /// The writes of the part that crashes, in words, in order.
    pub writes: Vec<String>,
    /// What went wrong, and at which write.
    pub happened: Vec<(Disturbance, String)>,
    /// The trace, if it was asked for.
    pub trace: Vec<String>,
}

struct Run<'s> {
    scenario: &'s Scenario,
    cluster: Cluster,
    ledger: Rc<RefCell<Ledger>>,
    metrics: Metrics,
    cut_until: Option<Time>,
    since: EventId,
    disturbed: bool,
    failures: Vec<String>,
}

/// Runs a scenario. Without disturbances everything that it says is checked, with them what it says of the end.
///
/// # Errors
/// When the cluster cannot be made.
pub fn run(scenario: &Scenario, seed: u64, disturbances: &[Disturbance], keep_trace: bool) -> Result<Outcome, String> {
    let counts = |one: &&Disturbance| scenario.lags || !matches!(one, Disturbance::Lag { .. });
    let pending = disturbances.iter().filter(counts).copied().collect();
    let ledger = Rc::new(RefCell::new(Ledger { open: scenario.from_boot, pending, ..Ledger::default() }));
    let metrics = Metrics::default();
    let substitute = |name: &str, rng: &Rng| -> Option<Box<dyn Component>> {
        if name != scenario.part && !(name == "kube-controller-manager" && scenario.uses_metrics()) {
            return None;
        }
        let ledger = if name == scenario.part { ledger.clone() } else { Rc::default() };
        Some(match name {
            "kube-scheduler" => Box::new(Disturbed::new(rng, Box::new(Scheduler::new), ledger)),
            _ => {
                let metrics = metrics.clone();
                let manager = Disturbed::new(rng, Box::new(ControllerManager::new), ledger);
                Box::new(manager.behind(Box::new(move |request| metrics.answer(request))))
            }
        })
    };
    let cluster = Cluster::with_control_plane(&scenario.cluster(seed), substitute).map_err(|error| error.to_string())?;
    let disturbed = !disturbances.is_empty();
    let mut run = Run { scenario, cluster, ledger, metrics, cut_until: None, since: EventId(0), disturbed, failures: Vec::new() };
    run.live();
    let state = State::of(run.cluster.objects().collect::<Vec<_>>().into_iter(), &scenario.ignored);
    let trace = if keep_trace { run.cluster.trace().iter().map(ToString::to_string).collect() } else { Vec::new() };
    let ledger = run.ledger.take();
    Ok(Outcome { failures: run.failures, state, writes: ledger.writes, happened: ledger.happened, trace })
}

impl Scenario {
    fn uses_metrics(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.does, Does::Usage(..)))
    }
}

impl Run<'_> {
    fn live(&mut self) {
        self.boot();
        self.ledger.borrow_mut().open = true;
        self.since = self.cluster.trace().last_id();
        for step in &self.scenario.steps {
            self.step(step, !self.disturbed);
        }
        self.pass(LAST_DISTURBANCE.min(self.scenario.dust / 2));
        self.ledger.borrow_mut().open = false;
        self.pass(self.scenario.dust - LAST_DISTURBANCE.min(self.scenario.dust / 2));
        for step in &self.scenario.end {
            self.step(step, true);
        }
    }

    fn boot(&mut self) {
        let nodes = self.scenario.nodes.len();
        let limit = self.cluster.now() + Duration::from_secs(120);
        if !self.drive(limit, |cluster| cluster.ready_nodes() == nodes) {
            self.failures.push("the nodes did not become Ready".to_owned());
        }
    }

    fn pass(&mut self, time: Duration) {
        let limit = self.cluster.now() + time;
        self.drive(limit, |_| false);
    }

    /// Lets time pass until `stop` says so, at most to the limit, with the cuts that are due; says whether `stop` did.
    fn drive(&mut self, limit: Time, stop: impl Fn(&Cluster) -> bool) -> bool {
        loop {
            let (ledger, metrics) = (self.ledger.clone(), self.metrics.clone());
            let until = self.cut_until.map_or(limit, |end| end.min(limit));
            let mut stopped = false;
            self.cluster.advance_until(until, STEPS, |cluster| {
                metrics.0.borrow_mut().look(cluster);
                stopped = stop(cluster);
                stopped || ledger.borrow().cut.is_some()
            });
            let fault = Fault::Isolate(self.scenario.part.clone());
            let wanted = self.ledger.borrow_mut().cut.take();
            if let Some(time) = wanted {
                self.cut_until = Some(self.cluster.now() + time);
                self.cluster.inject(&fault).unwrap_or_else(|error| self.failures.push(error.to_string()));
            } else if self.cut_until.is_some_and(|end| end <= self.cluster.now()) {
                self.cut_until = None;
                self.cluster.heal(&fault).unwrap_or_else(|error| self.failures.push(error.to_string()));
            } else {
                if !stopped && self.cluster.now() < until {
                    self.failures.push(format!("{STEPS} occurrences did not lead from {} to {until}", self.cluster.now()));
                }
                return stopped;
            }
            if stopped {
                return true;
            }
        }
    }

    fn step(&mut self, step: &Step, strict: bool) {
        let done = match &step.does {
            Does::Command { line, fails, prints } => self.command(line, *fails, prints, strict),
            Does::Wait(time) => {
                self.pass(*time);
                Ok(())
            }
            Does::Usage(pods, amounts) => self.uses(pods, amounts),
            Does::Inject(fault) => self.cluster.inject(fault).map_err(|error| error.to_string()),
            Does::Heal(fault) => self.cluster.heal(fault).map_err(|error| error.to_string()),
            Does::Trace(lines) if strict => expect::traced(lines, self.cluster.trace(), self.since),
            Does::Never(lines) if strict => expect::never(lines, self.cluster.trace(), self.since),
            Does::Trace(_) | Does::Never(_) => Ok(()),
        };
        if let Err(why) = done {
            self.failures.push(format!("line {}: {why}", step.line));
        }
    }

    fn uses(&mut self, pods: &str, amounts: &[(String, String)]) -> Result<(), String> {
        let read = |(resource, amount): &(String, String)| Quantity::parse(amount).map(|amount| (resource.clone(), amount));
        let amounts = amounts.iter().map(read).collect::<Result<_, _>>().map_err(|error| error.to_string())?;
        self.metrics.0.borrow_mut().rules.push((pods.to_owned(), amounts));
        Ok(())
    }

    fn command(&mut self, line: &str, fails: bool, prints: &[String], strict: bool) -> Result<(), String> {
        self.cluster.start_line(line);
        let deadline = self.cluster.now() + COMMAND_LIMIT;
        let done = self.drive(deadline, |cluster| !cluster.terminal().is_busy());
        if !done {
            self.cluster.interrupt();
        }
        let (mut stdout, mut stderr) = (String::new(), String::new());
        for output in self.cluster.terminal_mut().take_output() {
            match output.stream {
                kubectl::Stream::Stdout => stdout.push_str(&output.text),
                kubectl::Stream::Stderr => stderr.push_str(&output.text),
            }
        }
        let shown = line.lines().next().unwrap_or_default();
        if !done {
            return Err(format!("`{shown}` did not end"));
        }
        if !strict {
            return Ok(());
        }
        if (self.cluster.terminal().exit_code() != 0) != fails {
            return Err(format!("`{shown}` {}: {stderr}{stdout}", if fails { "should have failed" } else { "failed" }));
        }
        let output = if stdout.is_empty() { &stderr } else { &stdout };
        expect::printed(prints, output).map_err(|why| format!("`{shown}`: {why}"))
    }
}

/// What goes wrong in the run of a seed, in a scenario with so many writes.
pub fn deal(seed: u64, writes: u64) -> Vec<Disturbance> {
    let mut rng = Seed(seed).stream("disturbances");
    let write = 1 + rng.below(writes);
    let second = |millis| Duration::from_millis(millis);
    let down = |rng: &mut Rng| second([50, 1_000, 5_000, 15_000][rng.index(4)] + rng.below(500));
    match rng.below(100) {
        kind @ 0..80 => {
            let mut dealt = vec![Disturbance::Crash { write, sent: kind >= 40, down: down(&mut rng) }];
            if rng.below(4) == 0 {
                let later = write + 1 + rng.below(6);
                dealt.push(Disturbance::Crash { write: later, sent: rng.below(2) == 0, down: down(&mut rng) });
            }
            if rng.below(3) == 0 {
                dealt.push(Disturbance::Lag { most: second(1 + rng.below(3_000)) });
            }
            dealt
        }
        80..87 => vec![Disturbance::LostAnswer { write }, Disturbance::LostAnswer { write: write + 1 + rng.below(5) }],
        87..93 => vec![Disturbance::Pause { write, time: second(rng.below(20_000)) }],
        _ => vec![Disturbance::Cut { write, time: second(rng.below(25_000)) }],
    }
}

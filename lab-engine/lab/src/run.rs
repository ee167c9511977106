//! A lab's cluster on its way: booted, set up, and driven with a judge looking on.
//!
//! The judge looks whenever the store changed. When the cluster holds many objects it looks less often (a virtual millisecond apart for
//! each object), so that a learner's thousand replicas cost no more than they are worth. Both depend on virtual time alone: however the
//! page cuts its time into slices, the judge sees the same moments.

use crate::evidence::{Evidence, TraceLog};
use crate::expr::Expression;
use crate::judge::Judge;
use crate::session::LabError;
use crate::spec::{Lab, Step};
use crate::variables::Variables;
use cel::Value;
use cluster::{Cluster, CommandResult, Fault};
use kubectl::Stream;
use sim::{EventId, Time, Trace, What};
use std::time::Duration;

/// How long a command may take, in virtual time.
const COMMAND_LIMIT: Duration = Duration::from_secs(660);

/// How many occurrences one call may cost before it ends early: a bound on real time.
const MAX_STEPS: u64 = 5_000_000;

/// Up to how many objects the judge sees every change.
const FEW_OBJECTS: usize = 200;

/// How many of the learner's lines are remembered.
const MAX_COMMANDS: usize = 10_000;

/// How far [`Run::advance`] came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// What was waited for came.
    Stopped,
    /// To the time asked for.
    Reached,
    /// The budget of steps ran out.
    OutOfSteps,
}

/// A cluster with a lab on it.
pub(crate) struct Run {
    pub(crate) cluster: Cluster,
    pub(crate) commands: Vec<String>,
    variables: Variables,
    log: TraceLog,
    /// The newest event that was looked through for writes.
    seen: EventId,
    /// Whether something was written since the judge last looked.
    changed: bool,
    /// The earliest moment at which the judge looks again.
    next_look: Time,
    /// How many more occurrences [`Run::advance`] may cost, all in all; `None` without a bound.
    pub(crate) budget: Option<u64>,
}

impl Run {
    /// Boots the lab's cluster, writes its files and does its setup. `lab` has its numbers filled in.
    pub(crate) fn new(lab: &Lab, variables: &Variables, seed: u64) -> Result<Self, LabError> {
        let cluster = Cluster::booted(&lab.cluster.config(seed))?;
        let log = TraceLog::new(cluster.now(), cluster.trace().last_id());
        let (seen, next_look) = (cluster.trace().last_id(), cluster.now());
        let variables = variables.clone();
        let mut run = Run { cluster, commands: Vec::new(), variables, log, seen, changed: false, next_look, budget: None };
        for (name, text) in &lab.files {
            run.cluster.terminal_mut().files_mut().write(name, text.as_str())?;
        }
        run.steps(&lab.setup)?;
        run.commands.clear();
        run.log = TraceLog::new(run.cluster.now(), run.cluster.trace().last_id());
        Ok(run)
    }

    /// Does the steps of a script, one after the other.
    pub(crate) fn steps(&mut self, steps: &[Step]) -> Result<(), LabError> {
        for step in steps {
            match step {
                Step::Apply(file) => {
                    self.command(&format!("kubectl apply -f {file}"), &mut Judge::default());
                }
                Step::Command(line) => {
                    self.command(line, &mut Judge::default());
                }
                Step::Advance(span) => {
                    let limit = self.cluster.now() + span.duration();
                    self.cluster.advance_until(limit, MAX_STEPS, |_| false);
                }
                Step::Until(until) => {
                    let expression = Expression::parse(&until.cel)?;
                    let limit = self.cluster.now() + until.within.duration();
                    if !self.until(&expression, limit) {
                        return Err(LabError::NeverCame { cel: until.cel.clone(), within: until.within });
                    }
                }
                Step::CutNode(node) => self.cluster.inject(&Fault::CutNode(node.clone()))?,
                Step::HealNode(node) => self.cluster.heal(&Fault::CutNode(node.clone()))?,
                Step::Inject(fault) => self.cluster.inject(fault)?,
                Step::Heal(fault) => self.cluster.heal(fault)?,
            }
        }
        Ok(())
    }

    /// Waits until an expression is true; looks after each write, and after each step of the members of etcd towards one.
    fn until(&mut self, expression: &Expression, limit: Time) -> bool {
        loop {
            if self.evidence().evaluate(expression) == Ok(Value::Bool(true)) {
                return true;
            }
            let mut seen = self.seen;
            let wrote = self.cluster.advance_until(limit, MAX_STEPS, |cluster| moved_since(cluster.trace(), &mut seen));
            self.seen = seen;
            if !wrote {
                return self.evidence().evaluate(expression) == Ok(Value::Bool(true));
            }
        }
    }

    /// What there is to judge by now.
    pub(crate) fn evidence(&mut self) -> Evidence<'_> {
        self.log.update(self.cluster.trace());
        Evidence {
            objects: self.cluster.objects().collect(),
            members: self.cluster.etcd_members(),
            log: &self.log,
            now: self.cluster.now(),
            variables: &self.variables,
            files: self.cluster.terminal().files().iter().collect(),
            commands: &self.commands,
        }
    }

    /// Lets the judge look at the present.
    pub(crate) fn look(&mut self, judge: &mut Judge) {
        let evidence = self.evidence();
        judge.observe(&evidence);
        let count = evidence.objects.len();
        let pause_ms = if count > FEW_OBJECTS { u64::try_from(count).unwrap_or(u64::MAX) } else { 0 };
        self.changed = false;
        self.next_look = self.cluster.now() + Duration::from_millis(pause_ms);
    }

    /// Lets time pass up to `limit`, at most `max_steps` occurrences, until `stop` says so of the cluster and the judge.
    pub(crate) fn advance(
        &mut self,
        limit: Time,
        max_steps: u64,
        judge: &mut Judge,
        mut stop: impl FnMut(&Cluster, &Judge) -> bool,
    ) -> Progress {
        let mut used = 0;
        let max_steps = self.budget.map_or(max_steps, |budget| budget.min(max_steps));
        let progress = loop {
            let (mut seen, mut changed, next_look) = (self.seen, self.changed, self.next_look);
            let mut stopped = false;
            let paused = self.cluster.advance_until(limit, max_steps.saturating_sub(used), |cluster| {
                used += 1;
                changed |= wrote_since(cluster.trace(), &mut seen);
                stopped = stop(cluster, judge);
                stopped || (changed && cluster.now() >= next_look)
            });
            (self.seen, self.changed) = (seen, changed);
            if self.changed && self.cluster.now() >= self.next_look {
                self.look(judge);
            }
            if stopped {
                break Progress::Stopped;
            }
            if !paused {
                break if self.cluster.now() >= limit { Progress::Reached } else { Progress::OutOfSteps };
            }
        };
        self.budget = self.budget.map(|budget| budget.saturating_sub(used));
        progress
    }

    /// Types a line; it runs as time passes.
    pub(crate) fn start_line(&mut self, line: &str) {
        if self.commands.len() < MAX_COMMANDS {
            self.commands.push(line.to_owned());
        }
        self.cluster.start_line(line);
    }

    /// Types a line and lets time pass until it is done, or waits for the next line.
    pub(crate) fn command(&mut self, line: &str, judge: &mut Judge) -> CommandResult {
        self.start_line(line);
        let limit = self.cluster.now() + COMMAND_LIMIT;
        let done = self.advance(limit, MAX_STEPS, judge, |cluster, _| cluster.terminal().awaits_line()) == Progress::Stopped;
        let mut result =
            CommandResult { exit_code: if done { self.cluster.terminal().exit_code().max(0) } else { 124 }, ..CommandResult::default() };
        if !done {
            self.cluster.hang_up();
        }
        for output in self.cluster.terminal_mut().take_output() {
            match output.stream {
                Stream::Stdout => result.stdout.push_str(&output.text),
                Stream::Stderr => result.stderr.push_str(&output.text),
            }
        }
        self.look(judge);
        result
    }

    /// Lets time pass until the judge has passed everything, at most to `limit`.
    pub(crate) fn settle(&mut self, limit: Time, judge: &mut Judge) {
        self.advance(limit, MAX_STEPS, judge, |_, judge| judge.all_passed());
        self.look(judge);
    }
}

/// Whether something was written to the store after the event `seen`, or a member of etcd has changed its role or its log; `seen` moves on to the
/// newest.
fn moved_since(trace: &Trace, seen: &mut EventId) -> bool {
    happened_since(trace, seen, |what| {
        let of_a_member =
            matches!(what, What::RaftRole { .. } | What::RaftVote { .. } | What::LogPersisted { .. } | What::LogCommitted { .. });
        of_a_member || matches!(what, What::Stored { .. } | What::AlarmRaised { .. } | What::Exited { .. })
    })
}

/// Whether something was written to the store after the event `seen`, which moves on to the newest.
fn wrote_since(trace: &Trace, seen: &mut EventId) -> bool {
    happened_since(trace, seen, |what| matches!(what, What::Stored { .. }))
}

fn happened_since(trace: &Trace, seen: &mut EventId, is_of_interest: impl Fn(&What) -> bool) -> bool {
    if *seen == trace.last_id() {
        return false;
    }
    let happened = trace.after(*seen).any(|event| is_of_interest(&event.what));
    *seen = trace.last_id();
    happened
}

//! Probe workers (`pkg/kubelet/prober/worker.go`): when a probe runs, and what its results add up to.
//!
//! A worker ticks every `periodSeconds` from the moment the Pod was added, so the first probe after `initialDelaySeconds` comes at the next
//! tick. The delay counts from the container's `startedAt`, which has whole seconds. A startup probe that has not succeeded holds the
//! others back. A failed liveness or startup probe, and a startup probe that succeeded, put their worker on hold until there is a new
//! container. While a container is not ready, starting it and the success of its startup probe trigger its readiness probe at once, and the
//! ticks go on from there. Results in a row are counted across a crash of the container; only a hold begins anew.
//!
//! A tick that falls due while a probe is under way is kept, one at most: the next probe follows at once, as from the channel of Go's ticker.
//!
//! **Simplified here:** results that are errors of the prober itself are not repeated (`maxProbeRetries`). The random part of a period that a
//! worker waits when its kubelet has just been started is left out. A readiness probe is triggered by the two events named above only, not by
//! every sync of its Pod.

use api::core::Probe;
use sim::Time;
use std::time::Duration;

/// Which of a container's three probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProbeType {
    /// Holds the others back.
    Startup,
    /// Kills its container.
    Liveness,
    /// Takes its container out of service.
    Readiness,
}

impl ProbeType {
    /// All three.
    pub(crate) const ALL: [ProbeType; 3] = [ProbeType::Startup, ProbeType::Liveness, ProbeType::Readiness];

    /// As events begin: `Liveness probe failed: …`.
    pub(crate) fn title(self) -> &'static str {
        match self {
            ProbeType::Startup => "Startup",
            ProbeType::Liveness => "Liveness",
            ProbeType::Readiness => "Readiness",
        }
    }

    /// As the trace names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            ProbeType::Startup => "startup",
            ProbeType::Liveness => "liveness",
            ProbeType::Readiness => "readiness",
        }
    }

    /// What counts before the first result.
    pub(crate) fn initial(self) -> ProbeResult {
        match self {
            ProbeType::Startup => ProbeResult::Unknown,
            ProbeType::Liveness => ProbeResult::Success,
            ProbeType::Readiness => ProbeResult::Failure,
        }
    }
}

/// What counts of a probe (`results.Result`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeResult {
    /// Neither.
    Unknown,
    /// It succeeded often enough in a row.
    Success,
    /// It failed often enough in a row.
    Failure,
}

/// A probe that has begun and not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Flight {
    /// A command runs in the container.
    Exec(u64),
    /// The answer is known and comes at a time.
    Answer { at: Time, success: bool, output: String },
}

/// The state of a container as its status tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetState {
    /// There is no container yet, or it waits to run.
    Waiting,
    /// It runs since then.
    Running(Time),
    /// It has ended, and is to be started again or not.
    Terminated {
        /// Whether it is started again.
        restarts: bool,
    },
}

/// How a container looks to its probe workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Whether the Pod has succeeded or failed.
    pub pod_ended: bool,
    /// Tells the container's runs apart; `None` before the first.
    pub run: Option<usize>,
    /// Whether it runs.
    pub state: TargetState,
    /// Whether its startup probe has succeeded, or it has none.
    pub started: bool,
    /// Whether the Pod is being deleted.
    pub deleting: bool,
}

impl Target {
    fn running_since(self) -> Option<Time> {
        match self.state {
            TargetState::Running(since) => Some(since),
            TargetState::Waiting | TargetState::Terminated { .. } => None,
        }
    }
}

/// What a tick leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tick {
    /// The worker is done.
    Stop,
    /// It waits for the next tick.
    Wait,
    /// The probe must run now; [`ProbeWorker::record`] takes its result.
    Probe,
}

/// What follows from a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Too few of the same in a row.
    Undecided,
    /// The recorded result is this, as before.
    Same,
    /// The recorded result is now this.
    Changed(bool),
}

/// The worker of one probe of one container.
#[derive(Clone, Debug)]
pub struct ProbeWorker {
    pub(crate) kind: ProbeType,
    initial_delay: Duration,
    period: Duration,
    pub(crate) timeout: Duration,
    success_threshold: i32,
    failure_threshold: i32,
    next_tick: Option<Time>,
    run: Option<usize>,
    on_hold: bool,
    last: Option<bool>,
    in_a_row: i32,
    result: Option<ProbeResult>,
    pub(crate) flight: Option<(Flight, Time)>,
}

fn secs(value: Option<i32>, default: u64) -> Duration {
    Duration::from_secs(value.map_or(default, |value| u64::try_from(value).unwrap_or(0)))
}

impl ProbeWorker {
    /// A worker that begins to tick at `now`.
    pub fn new(kind: ProbeType, probe: &Probe, now: Time) -> Self {
        ProbeWorker {
            kind,
            initial_delay: secs(probe.initial_delay_seconds, 0),
            period: secs(probe.period_seconds, 10).max(Duration::from_secs(1)),
            timeout: secs(probe.timeout_seconds, 1).max(Duration::from_secs(1)),
            success_threshold: probe.success_threshold.unwrap_or(1).max(1),
            failure_threshold: probe.failure_threshold.unwrap_or(3).max(1),
            next_tick: Some(now),
            run: None,
            on_hold: false,
            last: None,
            in_a_row: 0,
            result: None,
            flight: None,
        }
    }

    /// What is recorded for the present container; `None` before it was looked at.
    pub fn result(&self) -> Option<ProbeResult> {
        self.result
    }

    /// Whether the worker waits for a new container.
    pub fn on_hold(&self) -> bool {
        self.on_hold
    }

    /// Sets what is recorded, as if earlier probes had led to it.
    pub fn set_result(&mut self, result: ProbeResult) {
        self.result = Some(result);
    }

    /// Goes on with a run that an earlier kubelet probed.
    pub(crate) fn resume(&mut self, run: usize, result: ProbeResult) {
        (self.run, self.result) = (Some(run), Some(result));
    }

    /// What is recorded for a run of the container; nothing when another one was looked at last.
    pub(crate) fn result_for(&self, run: usize) -> Option<ProbeResult> {
        self.result.filter(|_| self.run == Some(run))
    }

    /// Whether the probe has succeeded for the present container.
    pub(crate) fn succeeded(&self) -> bool {
        self.result == Some(ProbeResult::Success)
    }

    /// When the worker has something to do, given its container.
    pub(crate) fn next_wake(&self, target: Target) -> Option<Time> {
        match &self.flight {
            Some((Flight::Exec(_), deadline)) => return Some(*deadline),
            Some((Flight::Answer { at, .. }, deadline)) => return Some((*at).min(*deadline)),
            None => {}
        }
        let since = target.running_since().filter(|_| !self.idles(target))?;
        self.tick_from(self.next_tick?, since.max(Time::from_secs(since.as_secs()) + self.initial_delay))
    }

    /// Whether ticks lead to nothing, whenever they come.
    fn idles(&self, target: Target) -> bool {
        let waits = (self.on_hold && self.run == target.run) || (self.kind == ProbeType::Startup) == target.started;
        waits || target.pod_ended || target.running_since().is_none() || (target.deleting && self.kind != ProbeType::Readiness)
    }

    /// Lets ticks pass that have led to nothing up to now. A tick that coincides with what lets the worker go on has passed, too.
    pub(crate) fn pass_over(&mut self, target: Target, now: Time) {
        if self.flight.is_none() && self.idles(target) {
            self.next_tick = self.next_tick.and_then(|tick| self.tick_from(tick, now + Duration::from_nanos(1)));
        }
    }

    /// The first tick at or after `earliest`.
    fn tick_from(&self, tick: Time, earliest: Time) -> Option<Time> {
        if tick >= earliest {
            return Some(tick);
        }
        let behind = earliest.since(tick).as_nanos();
        let periods = behind.div_ceil(self.period.as_nanos());
        Some(tick + self.period * u32::try_from(periods).ok()?)
    }

    /// Makes the next tick come at once.
    pub(crate) fn trigger(&mut self, now: Time) {
        self.next_tick = Some(now);
    }

    /// Ticks if it is time; true when the probe must run now.
    pub(crate) fn tick_if_due(&mut self, target: Target, now: Time) -> bool {
        if self.flight.is_some() || self.next_tick.is_none() {
            return false;
        }
        if target.running_since().is_some() && self.run != target.run {
            self.look_at(target);
        }
        let deleted = target.deleting && self.kind != ProbeType::Readiness && target.running_since().is_some();
        let due = self.next_wake(target).filter(|due| *due <= now);
        if due.is_none() && !deleted {
            return false;
        }
        // Of the ticks that came while the last probe ran one is left.
        self.next_tick = due.and_then(|due| self.tick_from(due + self.period, now + Duration::from_nanos(1)));
        match self.tick(target, now) {
            Tick::Probe => true,
            Tick::Wait => false,
            Tick::Stop => {
                self.next_tick = None;
                false
            }
        }
    }

    /// A new container begins with the probe's initial result.
    fn look_at(&mut self, target: Target) {
        self.run = target.run;
        self.result = Some(self.kind.initial());
        self.on_hold = false;
    }

    /// The first half of a tick: what the worker does with what it sees (`doProbe`).
    pub fn tick(&mut self, target: Target, now: Time) -> Tick {
        if target.pod_ended {
            return Tick::Stop;
        }
        if target.run.is_none() {
            return Tick::Wait;
        }
        if self.run != target.run {
            self.look_at(target);
        }
        if self.on_hold {
            return Tick::Wait;
        }
        let since = match target.state {
            TargetState::Running(since) => since,
            TargetState::Waiting | TargetState::Terminated { restarts: true } => {
                self.result = Some(ProbeResult::Failure);
                return Tick::Wait;
            }
            TargetState::Terminated { restarts: false } => {
                self.result = Some(ProbeResult::Failure);
                return Tick::Stop;
            }
        };
        if target.deleting && self.kind != ProbeType::Readiness {
            // A last result, so that the end is quiet.
            self.result = Some(ProbeResult::Success);
            return Tick::Stop;
        }
        if now.since(Time::from_secs(since.as_secs())) < self.initial_delay || (self.kind == ProbeType::Startup) == target.started {
            return Tick::Wait;
        }
        Tick::Probe
    }

    /// The container ended, and the kubelet does not know it: a command that ran in it gives no result.
    pub(crate) fn command_lost(&mut self) {
        if matches!(self.flight, Some((Flight::Exec(_), _))) {
            self.flight = None;
        }
    }

    /// The container ended: what ran is void.
    pub(crate) fn container_ended(&mut self) {
        self.flight = None;
        self.result = Some(ProbeResult::Failure);
    }

    /// How many results in a row count as one, of this kind.
    fn threshold(&self, success: bool) -> i32 {
        if success { self.success_threshold } else { self.failure_threshold }
    }

    /// How many results like this one there are in a row if it is the next, and how many of them count.
    pub(crate) fn count_with(&self, success: bool) -> (u32, u32) {
        let before = if self.last == Some(success) { self.in_a_row } else { 0 };
        (before.saturating_add(1).unsigned_abs(), self.threshold(success).unsigned_abs())
    }

    /// The second half of a tick: takes a result in.
    pub fn record(&mut self, success: bool) -> Verdict {
        if self.last == Some(success) {
            self.in_a_row = self.in_a_row.saturating_add(1);
        } else {
            self.last = Some(success);
            self.in_a_row = 1;
        }
        if self.in_a_row < self.threshold(success) {
            return Verdict::Undecided;
        }
        let result = if success { ProbeResult::Success } else { ProbeResult::Failure };
        let changed = self.result.replace(result) != Some(result);
        if self.kind == ProbeType::Startup || (self.kind == ProbeType::Liveness && !success) {
            self.on_hold = true;
            self.in_a_row = 0;
        }
        if changed { Verdict::Changed(success) } else { Verdict::Same }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(since: u64) -> Target {
        let state = TargetState::Running(Time::from_millis(since));
        Target { pod_ended: false, run: Some(0), state, started: true, deleting: false }
    }

    /// The times in milliseconds at which the probe runs until `until_ms`, when `answer` says how each ends.
    fn timeline(probe: &Probe, kind: ProbeType, started_ms: u64, until_ms: u64, answer: impl Fn(u64) -> bool) -> Vec<(u64, Verdict)> {
        let mut worker = ProbeWorker::new(kind, probe, Time::ZERO);
        let mut runs = Vec::new();
        let target = Target { started: kind != ProbeType::Startup, ..target(started_ms) };
        while let Some(at) = worker.next_wake(target).filter(|at| at.as_millis() <= until_ms) {
            assert!(worker.tick_if_due(target, at));
            runs.push((at.as_millis(), worker.record(answer(at.as_millis()))));
        }
        runs
    }

    #[test]
    fn the_documented_exec_liveness_probe_kills_after_the_third_failure() {
        let probe = Probe { initial_delay_seconds: Some(5), period_seconds: Some(5), ..Probe::default() };
        let runs = timeline(&probe, ProbeType::Liveness, 1_200, 60_000, |at| at < 31_200);
        let times: Vec<u64> = runs.iter().map(|(at, _)| *at).collect();
        assert_eq!(
            times,
            [10_000, 15_000, 20_000, 25_000, 30_000, 35_000, 40_000, 45_000],
            "ticks count from the Pod, not from the container"
        );
        assert_eq!(runs.last().map(|(_, verdict)| *verdict), Some(Verdict::Changed(false)), "then it is on hold");
    }

    #[test]
    fn thresholds_count_results_in_a_row() {
        let probe = Probe { period_seconds: Some(1), failure_threshold: Some(2), success_threshold: Some(2), ..Probe::default() };
        let answers = [true, false, true, true, false, true, false, false];
        let runs = timeline(&probe, ProbeType::Readiness, 0, 7_000, |at| answers[(at / 1000) as usize]);
        let verdicts: Vec<Verdict> = runs.into_iter().map(|(_, verdict)| verdict).collect();
        use Verdict::{Changed, Undecided};
        assert_eq!(verdicts, [Undecided, Undecided, Undecided, Changed(true), Undecided, Undecided, Undecided, Changed(false)]);
        let mut worker = ProbeWorker::new(ProbeType::Readiness, &Probe { success_threshold: Some(4), ..probe }, Time::ZERO);
        let counts = answers.map(|answer| {
            let count = worker.count_with(answer);
            worker.record(answer);
            count
        });
        assert_eq!(counts, [(1, 4), (1, 2), (1, 4), (2, 4), (1, 2), (1, 4), (1, 2), (2, 2)]);
    }

    #[test]
    fn other_probes_wait_for_the_startup_probe() {
        let probe = Probe::default();
        let worker = ProbeWorker::new(ProbeType::Liveness, &probe, Time::ZERO);
        assert_eq!(worker.next_wake(Target { started: false, ..target(0) }), None);
        let worker = ProbeWorker::new(ProbeType::Startup, &probe, Time::ZERO);
        assert_eq!(worker.next_wake(target(0)), None, "it has succeeded");
    }

    #[test]
    fn a_new_container_releases_the_hold() {
        let probe = Probe { failure_threshold: Some(1), ..Probe::default() };
        let mut worker = ProbeWorker::new(ProbeType::Liveness, &probe, Time::ZERO);
        assert!(worker.tick_if_due(target(0), Time::ZERO));
        assert_eq!(worker.record(false), Verdict::Changed(false));
        assert_eq!(worker.next_wake(target(0)), None);
        let next = Target { run: Some(1), ..target(12_000) };
        assert!(!worker.tick_if_due(next, Time::from_secs(12)));
        assert_eq!((worker.result, worker.next_wake(next)), (Some(ProbeResult::Success), Some(Time::from_secs(20))));
    }
}

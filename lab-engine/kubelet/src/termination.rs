//! How containers and Pods end: hooks, turns, signals, grace periods (`killContainer`, `killPodWithSyncResult`, `syncTerminatingPod`).
//!
//! A container that is killed gets its `Killing` event, runs its `preStop` hook, waits for its turn if it is a sidecar of a Pod that ends,
//! and gets its stop signal; what hook and turn took, in whole seconds, is taken off the grace period, of which two seconds are left at least
//! before SIGKILL. All containers of a Pod that ends begin this at once; a sidecar's turn comes when every container after it has ended.

use crate::hooks::Hook;
use crate::pod_worker::{Cx, PodWorker, Role, Stage, Step};
use crate::probes::ProbeType;
use client::EventType::Normal;
use sim::{Time, What};
use std::time::Duration;

/// What every container gets between its stop signal and SIGKILL (`minimumGracePeriodInSeconds`).
const MINIMUM_GRACE: Duration = Duration::from_secs(2);

/// The whole seconds of a time span.
fn whole_seconds(duration: Duration) -> Duration {
    Duration::from_secs(duration.as_secs())
}

impl PodWorker {
    /// Finds out whether the Pod is to end.
    pub(crate) fn look_for_end(&mut self, cx: &mut Cx<'_>) {
        if self.is_deleting() {
            let seconds = self.pod.metadata.deletion_grace_period_seconds.or(self.pod.spec.termination_grace_period_seconds).unwrap_or(30);
            // Whoever asks for less gets a second (`calculateEffectiveGracePeriod`).
            let grace = Duration::from_secs(u64::try_from(seconds).unwrap_or(0).max(1));
            if self.ending.is_none() {
                self.ending = Some(None);
                self.grace = grace;
            } else if grace < self.grace {
                self.grace = grace;
                self.hurry(cx);
            }
        } else if self.ending.is_none() && self.deadline().is_some_and(|deadline| deadline <= cx.now) {
            let message = "Pod was active on the node longer than the specified deadline";
            self.pod_event(Normal, "DeadlineExceeded", message, cx);
            self.end_because(Some(("DeadlineExceeded", message.to_owned())), self.pod_grace());
        }
    }

    /// Lets the Pod end: reason and message of its status when it failed by somebody's decision.
    pub(crate) fn end_because(&mut self, why: Option<(&'static str, String)>, grace: Duration) {
        self.ending = Some(why);
        self.grace = grace;
    }

    /// The Pod's own grace period.
    pub(crate) fn pod_grace(&self) -> Duration {
        Duration::from_secs(self.pod.spec.termination_grace_period_seconds.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(30))
    }

    /// A shorter grace period was asked for: containers that are ending end sooner.
    fn hurry(&mut self, cx: &mut Cx<'_>) {
        for index in 0..self.records.len() {
            if self.records[index].is_alive() {
                self.signal(index, self.grace, cx);
            }
        }
    }

    /// The grace period of a container that is killed while its Pod lives on.
    pub(crate) fn grace_of(&self, index: usize, probe: Option<ProbeType>) -> Duration {
        let spec = self.spec(index);
        let probe = match probe {
            Some(ProbeType::Liveness) => spec.liveness_probe.as_ref(),
            Some(ProbeType::Startup) => spec.startup_probe.as_ref(),
            _ => None,
        };
        let seconds = probe.and_then(|probe| probe.termination_grace_period_seconds).and_then(|seconds| u64::try_from(seconds).ok());
        seconds.map_or_else(|| self.pod_grace(), Duration::from_secs)
    }

    /// Ends the Pod: its containers, then its sandbox.
    pub(crate) fn end(&mut self, cx: &mut Cx<'_>) {
        for index in 0..self.records.len() {
            if self.records[index].is_alive() {
                let message = format!("Stopping container {}", self.spec(index).name);
                self.kill(index, &message, self.grace, cx);
            } else if self.records[index].step != Step::Idle {
                self.records[index].step = Step::Idle;
            }
        }
        // From the last to the first, so that turns are passed on within one look.
        for index in (0..self.records.len()).rev() {
            self.advance_end(index, cx);
        }
        if self.records.iter().any(|record| record.is_alive()) {
            return;
        }
        if let Some(octet) = self.octet.take() {
            cx.addresses.give_back(octet);
        }
        if !self.sandbox.ip.is_empty() {
            cx.out.trace(What::SandboxRemoved { pod: self.object.clone() });
        }
        self.stage = Stage::Finished;
        cx.images.forget(&self.pod.metadata.uid);
    }

    /// Begins to end a running container. Does nothing when that has begun.
    pub(crate) fn kill(&mut self, index: usize, message: &str, grace: Duration, cx: &mut Cx<'_>) {
        if self.records[index].step != Step::Running {
            return;
        }
        let name = self.spec(index).name.as_str().into();
        cx.out.trace(What::ContainerKilling { pod: self.object.clone(), container: name, reason: message.into() });
        self.event(index, Normal, "Killing", message, cx);
        self.records[index].killed = true;
        let hook = self.spec(index).lifecycle.as_ref().and_then(|lifecycle| lifecycle.pre_stop.clone()).filter(|_| !grace.is_zero());
        let hook = hook.map_or(Hook::Done, |hook| self.begin_pre_stop(index, &hook, cx));
        self.records[index].step = Step::PreStop { hook, since: cx.now, grace };
        self.advance_end(index, cx);
    }

    /// Ends a running container without its hook, and with the least grace period there is.
    pub(crate) fn stop_now(&mut self, index: usize, cx: &mut Cx<'_>) {
        let message = format!("Stopping container {}", self.spec(index).name);
        let name = self.spec(index).name.as_str().into();
        cx.out.trace(What::ContainerKilling { pod: self.object.clone(), container: name, reason: message.as_str().into() });
        self.event(index, Normal, "Killing", &message, cx);
        self.signal(index, Duration::ZERO, cx);
    }

    /// Goes on with a container that ends: hook, turn, signal.
    pub(crate) fn advance_end(&mut self, index: usize, cx: &mut Cx<'_>) {
        if let Step::PreStop { hook, since, grace } = self.records[index].step {
            let over = match hook {
                Hook::Done => true,
                Hook::Exec(_) => false,
                Hook::Until(at) => at <= cx.now,
            };
            if !over && since + grace > cx.now {
                return;
            }
            let left = grace.saturating_sub(whole_seconds(cx.now.since(since)));
            self.records[index].step = Step::Turn { since: cx.now, left };
        }
        if let Step::Turn { since, left } = self.records[index].step
            && (self.is_its_turn(index) || since + left <= cx.now)
        {
            self.signal(index, left.saturating_sub(whole_seconds(cx.now.since(since))), cx);
        }
    }

    /// A sidecar of a Pod that ends comes after all containers that started after it.
    fn is_its_turn(&self, index: usize) -> bool {
        let waits = self.records[index].role == Role::Sidecar && self.ending.is_some();
        let later = |role: Role| matches!(role, Role::Main | Role::Sidecar);
        !waits || !self.records[index + 1..].iter().any(|record| later(record.role) && record.is_alive())
    }

    /// The container gets its stop signal, and SIGKILL when the rest of its grace period is over.
    fn signal(&mut self, index: usize, left: Duration, cx: &mut Cx<'_>) {
        let Some(&run) = self.records[index].runs.last() else { return };
        let signal = self.spec(index).lifecycle.as_ref().and_then(|lifecycle| lifecycle.stop_signal.clone());
        let signal = signal.as_deref().map_or("TERM", |signal| signal.trim_start_matches("SIG"));
        self.sandbox.stop(run, signal, cx.now, cx.now + left.max(MINIMUM_GRACE));
        self.records[index].step = Step::Stopping;
        // One that has ended since the last relist: the runtime says so at once.
        if !self.sandbox.runs(run) {
            self.see_end(run);
        }
    }

    /// When a container that ends must be looked at again.
    pub(crate) fn end_wakes(step: &Step) -> Option<Time> {
        match *step {
            Step::PreStop { hook: Hook::Until(at), since, grace } => Some(at.min(since + grace)),
            Step::PreStop { since, grace, .. } => Some(since + grace),
            Step::Turn { since, left } => Some(since + left),
            _ => None,
        }
    }

    /// Goes on with containers that end while the Pod lives on.
    pub(crate) fn advance_ends(&mut self, cx: &mut Cx<'_>) {
        for index in 0..self.records.len() {
            self.advance_end(index, cx);
        }
    }
}

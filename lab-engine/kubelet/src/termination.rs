//! How containers and Pods end: hooks, signals, grace periods (`killContainer`, `syncTerminatingPod`).

use crate::pod_worker::{Cx, PodWorker, Role, Stage, Step};
use crate::probes::ProbeType;
use crate::runtime::http::HttpRequest;
use api::core::LifecycleHandler;
use client::EventType::{Normal, Warning};
use sim::What;
use std::time::Duration;

/// What is left for SIGTERM when a `preStop` hook has used up the grace period (`minimumGracePeriodInSeconds`).
const MINIMUM_GRACE: Duration = Duration::from_secs(2);

impl PodWorker {
    /// Finds out whether the Pod is to end.
    pub(crate) fn look_for_end(&mut self, cx: &mut Cx<'_>) {
        if self.is_deleting() {
            let seconds = self.pod.metadata.deletion_grace_period_seconds.or(self.pod.spec.termination_grace_period_seconds).unwrap_or(30);
            let grace = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
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
            self.ending = Some(Some(("DeadlineExceeded", message.to_owned())));
            self.grace = self.pod_grace();
        }
    }

    fn pod_grace(&self) -> Duration {
        Duration::from_secs(self.pod.spec.termination_grace_period_seconds.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(30))
    }

    /// A shorter grace period was asked for: containers that are ending end sooner.
    fn hurry(&mut self, cx: &mut Cx<'_>) {
        for index in 0..self.records.len() {
            let Some(&run) = self.records[index].runs.last() else { continue };
            if self.records[index].is_alive() {
                self.sandbox.stop(run, "TERM", cx.now, cx.now + self.grace);
                self.records[index].step = Step::Stopping;
            }
        }
    }

    /// The grace period of a container that is killed while its Pod lives on.
    pub(crate) fn grace_of(&self, index: usize) -> Duration {
        let record = &self.records[index];
        let spec = self.spec(index);
        let probe = match record.failed_probe {
            Some(ProbeType::Liveness) => spec.liveness_probe.as_ref(),
            Some(ProbeType::Startup) => spec.startup_probe.as_ref(),
            _ => None,
        };
        let seconds = probe.and_then(|probe| probe.termination_grace_period_seconds).and_then(|seconds| u64::try_from(seconds).ok());
        seconds.map_or_else(|| self.pod_grace(), Duration::from_secs)
    }

    /// Ends the Pod: its containers, then its sidecars, then its sandbox.
    pub(crate) fn end(&mut self, cx: &mut Cx<'_>) {
        for index in 0..self.records.len() {
            if !self.records[index].is_alive() {
                if self.records[index].step != Step::Idle {
                    self.records[index].step = Step::Idle;
                }
            } else if self.records[index].role != Role::Sidecar {
                self.end_container(index, cx);
            }
        }
        let alive = |worker: &Self, role: fn(Role) -> bool| worker.records.iter().any(|record| role(record.role) && record.is_alive());
        if alive(self, |role| role != Role::Sidecar) {
            return;
        }
        for index in (0..self.records.len()).rev() {
            if self.records[index].is_alive() {
                self.end_container(index, cx);
            }
        }
        if alive(self, |_| true) {
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

    fn end_container(&mut self, index: usize, cx: &mut Cx<'_>) {
        let message = format!("Stopping container {}", self.spec(index).name);
        self.kill(index, &message, self.grace, cx);
        self.hook_is_due(index, cx);
    }

    /// Goes on when a `preStop` hook that only waits has waited.
    fn hook_is_due(&mut self, index: usize, cx: &mut Cx<'_>) {
        if let Step::PreStop { until, kill_at, .. } = self.records[index].step
            && until.unwrap_or(kill_at) <= cx.now
        {
            self.hook_done(index, cx);
        }
    }

    /// Begins to end a running container: `preStop`, SIGTERM, and SIGKILL after `grace`. Does nothing when that has begun.
    pub(crate) fn kill(&mut self, index: usize, message: &str, grace: Duration, cx: &mut Cx<'_>) {
        if self.records[index].step != Step::Running {
            return;
        }
        let name = self.spec(index).name.as_str().into();
        cx.out.trace(What::ContainerKilling { pod: self.object.clone(), container: name, reason: message.into() });
        self.event(index, Normal, "Killing", message, cx);
        let kill_at = cx.now + grace;
        self.records[index].step = Step::PreStop { exec: None, until: Some(cx.now), kill_at };
        let hook = self.spec(index).lifecycle.as_ref().and_then(|lifecycle| lifecycle.pre_stop.clone()).filter(|_| !grace.is_zero());
        match hook {
            Some(hook) => self.pre_stop(index, &hook, kill_at, cx),
            None => self.hook_done(index, cx),
        }
    }

    fn pre_stop(&mut self, index: usize, hook: &LifecycleHandler, kill_at: sim::Time, cx: &mut Cx<'_>) {
        let Some(&run) = self.records[index].runs.last() else { return };
        if let Some(exec) = &hook.exec {
            let id = self.sandbox.exec(run, &exec.command, None, cx.now);
            if id.is_none() {
                self.event(index, Warning, "FailedPreStopHook", "PreStopHook failed", cx);
            }
            let until = id.map_or(Some(cx.now), |_| None);
            self.records[index].step = Step::PreStop { exec: id, until, kill_at };
        } else if let Some(sleep) = &hook.sleep {
            let seconds = Duration::from_secs(u64::try_from(sleep.seconds).unwrap_or(0));
            self.records[index].step = Step::PreStop { exec: None, until: Some((cx.now.saturating_add(seconds)).min(kill_at)), kill_at };
        } else if let Some(get) = &hook.http_get {
            let port = self.port_number(index, &get.port);
            let answer = port.and_then(|port| self.sandbox.http(port, &HttpRequest::get(&get.path, ""), cx.now, cx.host));
            if answer.is_none() {
                self.event(index, Warning, "FailedPreStopHook", "PreStopHook failed", cx);
            }
        }
        self.hook_is_due(index, cx);
    }

    /// The hook is over: the container gets its signal.
    pub(crate) fn hook_done(&mut self, index: usize, cx: &mut Cx<'_>) {
        let Step::PreStop { kill_at, .. } = self.records[index].step else { return };
        let Some(&run) = self.records[index].runs.last() else { return };
        let signal = self.spec(index).lifecycle.as_ref().and_then(|lifecycle| lifecycle.stop_signal.clone());
        let signal = signal.as_deref().map_or("TERM", |signal| signal.trim_start_matches("SIG"));
        let hooked = self.spec(index).lifecycle.as_ref().is_some_and(|lifecycle| lifecycle.pre_stop.is_some());
        let kill_at = if hooked { kill_at.max(cx.now + MINIMUM_GRACE) } else { kill_at };
        self.sandbox.stop(run, signal, cx.now, kill_at);
        self.records[index].step = Step::Stopping;
    }

    /// Kills a container because of its liveness or startup probe.
    pub(crate) fn kill_for_probe(&mut self, index: usize, probe: ProbeType, cx: &mut Cx<'_>) {
        self.records[index].failed_probe = Some(probe);
        let message = format!("Container {} failed {} probe, will be restarted", self.spec(index).name, probe.name());
        self.kill(index, &message, self.grace_of(index), cx);
    }

    /// Goes on with `preStop` hooks of containers that end while the Pod lives on.
    pub(crate) fn advance_hooks(&mut self, cx: &mut Cx<'_>) {
        for index in 0..self.records.len() {
            self.hook_is_due(index, cx);
        }
    }
}

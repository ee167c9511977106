//! The way of a Pod from the decision to its node (`bindingCycle` of `schedule_one.go`).
//!
//! ```text
//! assume, reserve ─▶ PreBind: requests out ─▶ answered ─▶ claims bound ─▶ Bind ─▶ bound
//!                        └────────── refused, too late ─────────┴──────────┴──▶ forgotten, back to the queue
//! ```
//!
//! Nothing of this survives a restart, and nothing needs to: what was written before the end is found in the caches by the next attempt.

use super::{Scheduler, object};
use crate::framework::{ClusterEvent, Handle, PreBindProgress, Reservations};
use crate::queue::QueuedPod;
use crate::schedule_one::Decision;
use api::http::Response;
use client::{EventType, ObjectKey, Outbox, RequestId, Transport};
use sim::{Time, What};
use std::sync::Arc;
use std::time::Duration;

/// How long a Pod waits for its volumes (`bindTimeoutSeconds` of `VolumeBindingArgs`).
const BIND_TIMEOUT: Duration = Duration::from_secs(600);

/// How far a Pod is on its way.
#[derive(Debug)]
enum Stage {
    /// The requests of PreBind are out; so many were not answered. Then claims must become bound.
    PreBind { outstanding: usize, until: Time },
    /// The binding is out.
    Bind,
}

/// A Pod on its way to a node.
#[derive(Debug)]
pub(super) struct Binding {
    queued: QueuedPod,
    node: Arc<str>,
    reserved: Reservations,
    stage: Stage,
}

impl Scheduler {
    fn handle_of(&self) -> Handle<'_> {
        Handle {
            nodes: self.cache.snapshot(),
            listers: self.caches.listers(),
            nominator: &self.queue.nominator,
            reservations: &self.reservations,
        }
    }

    /// Counts the Pod on its node, keeps what it needs there, and begins to bind it.
    pub(super) fn assume(&mut self, now: Time, queued: QueuedPod, decision: Decision, reserved: Reservations, out: &mut Outbox) {
        let Decision { node, verdicts, .. } = decision;
        let (info, key) = (queued.info.clone(), queued.info.key.clone());
        out.trace(What::Scheduled { pod: object(&info), node: Some(node.clone()), nodes: verdicts, message: "".into() });
        self.cache.assume(info.clone(), &node);
        self.queue.nominator.remove(&key);
        let requests = self.profiles.of(&info).run_pre_bind(&info, &node, &reserved, &self.handle_of());
        let outstanding = requests.len();
        for request in requests {
            let id = out.request(request.agent(&self.agent));
            self.requests.insert(id, key.clone());
        }
        self.reservations.extend(reserved.clone());
        let stage = Stage::PreBind { outstanding, until: now + BIND_TIMEOUT };
        self.advance(now, key, Binding { queued, node, reserved, stage }, out);
    }

    /// Binds the Pod if nothing is left to be done before; else keeps it waiting.
    fn advance(&mut self, now: Time, key: ObjectKey, mut binding: Binding, out: &mut Outbox) {
        let Stage::PreBind { outstanding, until } = binding.stage else {
            self.bindings.insert(key, binding);
            return;
        };
        let info = binding.queued.info.clone();
        let progress = self.profiles.of(&info).pre_bind_progress(&info, &binding.node, &self.handle_of());
        match progress {
            Err(status) => {
                let failure = format!("running PreBind plugin {:?}: {}", status.plugin, status.message());
                self.abort(now, binding, &failure, out);
            }
            Ok(PreBindProgress::Waiting) if now >= until => {
                self.abort(now, binding, "running PreBind plugin \"VolumeBinding\": binding volumes: context deadline exceeded", out);
            }
            Ok(PreBindProgress::Ready) if outstanding == 0 => {
                let Some(request) = self.profiles.of(&info).run_bind(&info, &binding.node) else { return };
                let id = out.request(request.agent(&self.agent));
                self.requests.insert(id, key.clone());
                binding.stage = Stage::Bind;
                self.bindings.insert(key, binding);
            }
            Ok(_) => {
                self.bindings.insert(key, binding);
            }
        }
    }

    /// Looks at the Pods that wait for their volumes: perhaps they are there, or it is too late.
    pub(super) fn go_on(&mut self, now: Time, out: &mut Outbox) {
        let waits =
            |(key, binding): (&ObjectKey, &Binding)| matches!(binding.stage, Stage::PreBind { outstanding: 0, .. }).then(|| key.clone());
        for key in self.bindings.iter().filter_map(waits).collect::<Vec<_>>() {
            if let Some(binding) = self.bindings.remove(&key) {
                self.advance(now, key, binding, out);
            }
        }
    }

    /// When a Pod has waited too long for its volumes.
    pub(super) fn volumes_due(&self) -> Option<Time> {
        let until = |binding: &Binding| match binding.stage {
            Stage::PreBind { until, .. } => Some(until),
            Stage::Bind => None,
        };
        self.bindings.values().filter_map(until).min()
    }

    /// A request was answered, or will not be.
    pub(super) fn answered(&mut self, now: Time, id: RequestId, answer: &Result<Response, Transport>, out: &mut Outbox) {
        let Some(key) = self.requests.remove(&id) else { return };
        let Some(mut binding) = self.bindings.remove(&key) else { return };
        let failure = match answer {
            Ok(response) => response.result.as_ref().err().map(|status| status.message.clone()),
            Err(transport) => Some(transport.to_string()),
        };
        match (&mut binding.stage, failure) {
            (Stage::Bind, None) => self.bound(now, binding, out),
            (Stage::Bind, Some(failure)) => {
                self.abort(now, binding, &format!("binding rejected: running Bind plugin \"DefaultBinder\": {failure}"), out);
            }
            (Stage::PreBind { outstanding, .. }, None) => {
                *outstanding = outstanding.saturating_sub(1);
                self.advance(now, key, binding, out);
            }
            (Stage::PreBind { .. }, Some(failure)) => {
                self.abort(now, binding, &format!("running PreBind plugin \"VolumeBinding\": binding volumes: {failure}"), out);
            }
        }
    }

    /// The Pod is on its node.
    fn bound(&mut self, now: Time, binding: Binding, out: &mut Outbox) {
        let Binding { queued, node, reserved, .. } = binding;
        self.release(&reserved);
        let message = format!("Successfully assigned {} to {node}", queued.info.key);
        self.recorder.event(now, queued.info.pod.as_ref(), EventType::Normal, "Scheduled", &message, out);
    }

    /// The Pod does not get to its node (`handleBindingCycleError`).
    fn abort(&mut self, now: Time, binding: Binding, failure: &str, out: &mut Outbox) {
        let Binding { queued, reserved, .. } = binding;
        self.release(&reserved);
        if self.cache.forget(&queued.info.key) {
            self.queue.happened(now, &ClusterEvent::AssignedPodDelete(&queued.info), &self.profiles);
        }
        self.failed(now, queued, failure, out);
    }

    fn release(&mut self, reserved: &Reservations) {
        for (volume, claim) in reserved {
            if self.reservations.get(volume) == Some(claim) {
                self.reservations.remove(volume);
            }
        }
    }
}

//! A kubelet whose process is killed, and one that starts again (`HandlePodCleanups`, `kubeGenericRuntimeManager.GetPods`).
//!
//! Containers belong to the runtime: while there is no kubelet they run on, serve, end, and are not started again. A kubelet that starts
//! lists its Pods anew and takes over the containers that the runtime has for them, so nothing starts twice; what the runtime has for Pods
//! that are gone is ended with a second of grace (`SyncTerminatingRuntimePod`). What only the old process knew is lost: back-offs, what
//! probes found in a row, hooks under way. Readiness is kept as the API server shows it (`ChangeContainerStatusOnKubeletRestart` is off
//! since v1.35).
//!
//! **Simplified here:** the checkpoint of allocated resources (`allocated_pods_state`) and the annotations of containers are the old worker's
//! records, of which nothing else is looked at.

use crate::kubelet::{Kubelet, Managed};
use crate::pod_worker::{Cx, PodWorker, Record, Stage, Step};
use crate::probes::{ProbeResult, ProbeType};
use crate::runtime::sandbox::State;
use api::core::{ContainerStatus, Pod};
use api::http::{Path, Request};
use api::status::Status;
use client::{Input, Outbox, ServeId};
use sim::{Time, What};
use std::sync::Arc;
use std::time::Duration;

/// Whose a Pod's containers are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Claim {
    /// The kubelet works for the Pod.
    #[default]
    Ours,
    /// Only the runtime has it: there is no kubelet, or it has not listed its Pods yet.
    Unclaimed,
    /// The Pod is gone; its containers are being ended.
    Orphan,
}

/// The grace period of containers whose Pod is gone.
const ORPHAN_GRACE: Duration = Duration::from_secs(1);

impl Kubelet {
    /// The kubelet's process is killed. Containers run on.
    pub fn stop(&mut self, out: &mut Outbox) {
        if self.down {
            return;
        }
        self.down = true;
        self.forget_requests(out);
        let uids: Vec<Arc<str>> = self.managed.keys().cloned().collect();
        for uid in uids {
            if let Some(managed) = self.managed.get_mut(&uid) {
                managed.leave();
                managed.worker.sandbox.end_execs();
            }
            self.reindex(&uid);
        }
    }

    /// Whether its process runs.
    pub fn is_down(&self) -> bool {
        self.down
    }

    /// The process starts again. Its first input is [`Input::Wake`].
    pub fn start_again(&mut self) {
        if !self.down {
            return;
        }
        let starts = self.starts + 1;
        let mut fresh = Kubelet::new(self.config.clone(), self.rng.stream(&format!("start/{starts}")));
        std::mem::swap(self, &mut fresh);
        let mut old = fresh;
        self.starts = starts;
        self.rebuilding = true;
        self.images.take_over(&mut old.images);
        (self.managed, self.wakes, self.pod_calls) = (old.managed, old.wakes, old.pod_calls);
        (self.files, self.host, self.disks, self.addresses) = (old.files, old.host, old.disks, old.addresses);
        (self.rng, self.gone_cpu, self.node_disks) = (old.rng, old.gone_cpu, old.node_disks);
    }

    /// What reaches the node while there is no kubelet: only the runtime and the network are there.
    pub(crate) fn take_without_kubelet(&mut self, now: Time, input: Input, out: &mut Outbox) {
        match input {
            Input::Wake => self.wake_workers(now, out),
            Input::Serve(id, request) => self.refuse_connection(id, &request, out),
            Input::Dialed(call, answer) => self.dialed(call, answer, now, out),
            Input::Incoming(caller, dial) => self.incoming(caller, &dial, now, out),
            _ => {}
        }
    }

    /// Nobody listens on the kubelet's port.
    fn refuse_connection(&self, id: ServeId, request: &Request, out: &mut Outbox) {
        let refused = format!("dial tcp {}:10250: connect: connection refused", crate::node::node_ip(self.config.index));
        let message = match &request.path {
            Path::Resource(path) if matches!(path.subresource.as_ref(), "exec" | "attach" | "portforward") => {
                format!("error dialing backend: {refused}")
            }
            Path::Resource(path) if path.subresource == "log" => {
                let (namespace, name) = (path.namespace.as_deref().unwrap_or(""), path.name.as_deref().unwrap_or(""));
                let container = request.param("container").unwrap_or(name);
                let address = crate::node::node_ip(self.config.index);
                format!("Get \"https://{address}:10250/containerLogs/{namespace}/{name}/{container}\": {refused}")
            }
            _ => format!("error trying to reach service: {refused}"),
        };
        out.respond(id, Status::new(500, "", message).into());
    }

    /// Takes over what the runtime has of a Pod. False when there is nothing to take over.
    pub(crate) fn take_over(&mut self, uid: &Arc<str>, pod: &Arc<Pod>, now: Time, out: &mut Outbox) -> bool {
        let Some(managed) = self.managed.get_mut(uid).filter(|managed| managed.claim == Claim::Unclaimed) else { return false };
        let terminal = matches!(pod.status.phase.as_str(), "Succeeded" | "Failed") && !pod.metadata.is_deleting();
        managed.claim = if terminal { Claim::Orphan } else { Claim::Ours };
        managed.worker.take_over(pod.clone(), now);
        if terminal && !managed.worker.is_finished() {
            managed.worker.end_because(None, ORPHAN_GRACE);
        }
        self.work(uid, now, out, |worker, cx| worker.tell_ends(cx));
        true
    }

    /// Ends what the runtime has of Pods that are not in the list.
    pub(crate) fn end_orphans(&mut self, now: Time, out: &mut Outbox) {
        if !self.rebuilding || !self.has_listed() {
            return;
        }
        let mut left = false;
        let uids: Vec<(Arc<str>, Claim)> = self.managed.iter().map(|(uid, managed)| (uid.clone(), managed.claim)).collect();
        for (uid, claim) in uids {
            let Some(managed) = self.managed.get_mut(&uid).filter(|_| claim != Claim::Ours) else { continue };
            if claim == Claim::Unclaimed {
                managed.claim = Claim::Orphan;
                let pod = managed.worker.pod.clone();
                managed.worker.take_over(pod, now);
                managed.worker.end_because(None, ORPHAN_GRACE);
                self.work(&uid, now, out, |_, _| ());
            }
            if self.managed.get(&uid).is_some_and(|managed| managed.worker.is_finished()) {
                self.remove(&uid, now, out);
            } else {
                left = true;
            }
        }
        self.rebuilding = left;
    }
}

impl Managed {
    /// The kubelet's process has ended: nothing is under way any more.
    fn leave(&mut self) {
        self.claim = Claim::Unclaimed;
        self.forget_writes();
    }
}

impl PodWorker {
    /// Lets the runtime go on without anybody who looks.
    pub(crate) fn run_alone(&mut self, cx: &mut Cx<'_>) {
        self.sandbox.advance(cx.now, cx.host);
    }

    /// Becomes the worker of a kubelet that has just started and finds this in the runtime.
    fn take_over(&mut self, pod: Arc<Pod>, now: Time) {
        let mut new = PodWorker::new(pod, now);
        std::mem::swap(&mut self.sandbox, &mut new.sandbox);
        new.octet = self.octet;
        new.start_time = new.pod.status.start_time.map_or(self.start_time, |at| at.0);
        // A sandbox that was not complete is made anew.
        if matches!(self.stage, Stage::Containers | Stage::Finished) {
            new.stage = self.stage.clone();
            // What files are made of is not known any more.
            new.resync_at = Some(now).filter(|_| !crate::volumes::file_references(&new.pod).is_empty());
        }
        for (index, old) in self.records.iter_mut().enumerate().take(new.records.len()) {
            let status = status_of(&new.pod, &new.spec(index).name);
            new.records[index].take_over(old, &new.sandbox.containers, status);
        }
        // The trace knows of those that ended just before the old process did.
        new.unseen = std::mem::take(&mut self.unseen);
        *self = new;
    }

    /// Tells the trace of containers that ended while nobody looked.
    fn tell_ends(&mut self, cx: &mut Cx<'_>) {
        let seen = |name: &str| status_of(&self.pod, name).map_or(0, ended_runs);
        let (mut ended, told) = (Vec::new(), std::mem::take(&mut self.unseen));
        for (index, record) in self.records.iter().enumerate() {
            let name = &self.spec(index).name;
            let untold = |run: &&usize| record.runs.len() > seen(name) && !told.iter().any(|unseen| unseen.run == **run);
            let Some(&run) = record.runs.last().filter(untold) else { continue };
            if let State::Exited { code, reason, .. } = self.sandbox.containers[run].state {
                ended.push(What::ContainerExited {
                    pod: self.object.clone(),
                    container: name.as_str().into(),
                    exit_code: code,
                    reason: reason.into(),
                });
            }
        }
        ended.into_iter().for_each(|what| cx.out.trace(what));
    }
}

impl Record {
    /// Takes over the runs of a container, and what the API server was told of it.
    fn take_over(&mut self, old: &mut Record, containers: &[crate::runtime::sandbox::Container], status: Option<&ContainerStatus>) {
        self.runs = std::mem::take(&mut old.runs);
        self.past_runs = old.past_runs;
        self.image = old.image.take();
        self.started_image = std::mem::take(&mut old.started_image);
        (self.allocated, self.in_force) = (old.allocated.clone(), old.in_force.clone());
        let Some(&run) = self.runs.last().filter(|run| containers[**run].state == State::Running) else { return };
        self.step = Step::Running;
        for probe in &mut self.probes {
            let held = match probe.kind {
                ProbeType::Startup => status.is_some_and(|status| status.started == Some(true)),
                ProbeType::Readiness => status.is_some_and(|status| status.ready),
                ProbeType::Liveness => true,
            };
            probe.resume(run, if held { ProbeResult::Success } else { probe.kind.initial() });
        }
    }
}

fn status_of<'a>(pod: &'a Pod, name: &str) -> Option<&'a ContainerStatus> {
    let status = &pod.status;
    let all = status.init_container_statuses.iter().chain(&status.container_statuses).chain(&status.ephemeral_container_statuses);
    all.into_iter().find(|status| status.name == name)
}

/// How many runs of a container the API server knows the end of.
fn ended_runs(status: &ContainerStatus) -> usize {
    let runs = usize::try_from(status.restart_count).unwrap_or(0);
    runs + usize::from(status.state.terminated.is_some())
}

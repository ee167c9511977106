//! The status of a Pod, computed from what its worker knows (`generateAPIPodStatus`, `convertToAPIContainerStatuses`).

use crate::node::node_ip;
use crate::pod_worker::{Cx, PodWorker, Role, Stage};
use crate::runtime::registry::hex_id;
use crate::runtime::sandbox::State;
use crate::status::{self, Draft, Statuses};
use api::core::{
    ContainerState, ContainerStateRunning, ContainerStateTerminated, ContainerStateWaiting, ContainerStatus, PodIp, PodStatus,
    ResourceRequirements,
};
use api::meta::Condition;
use sim::What;

impl PodWorker {
    /// Computes the status anew; true when it differs from the one before.
    pub(crate) fn compute_status(&mut self, cx: &mut Cx<'_>) -> bool {
        if self.rejected {
            return self.rejected_status();
        }
        let inits = self.pod.spec.init_containers.len();
        let mut statuses: Vec<ContainerStatus> = (0..self.records.len()).map(|index| self.container_status(index)).collect();
        let (init, rest) = statuses.split_at(inits);
        let mains = self.pod.spec.containers.len();
        let main = &rest[..mains];
        let finished = self.stage == Stage::Finished;
        let spec = &self.pod.spec;
        let forced = self.ending.as_ref().and_then(|why| why.as_ref());
        let known = Statuses { init, main, known: true };
        let phase = if forced.is_some() { "Failed" } else { status::phase(spec, known, finished) };
        let generation = self.pod.metadata.generation;
        let sandbox = !self.sandbox.ip.is_empty() && !finished;
        let ready_to_start = Draft { type_: "PodReadyToStartContainers", status: sandbox, reason: String::new(), message: String::new() };
        let mut drafts = vec![
            ready_to_start,
            status::initialized(spec, known, phase),
            status::ready(spec, &self.pod.status.conditions, known, phase),
            status::containers_ready(spec, known, phase),
            // A Pod that is here was scheduled, whatever its scheduler thinks of it.
            Draft { type_: "PodScheduled", status: true, reason: String::new(), message: String::new() },
        ];
        drafts.extend(self.resize_conditions());
        if let Some(message) = &self.disruption {
            let (reason, message) = ("TerminationByKubelet".to_owned(), message.clone());
            drafts.push(Draft { type_: "DisruptionTarget", status: true, reason, message });
        }
        let rules = spec.init_containers.iter().chain(&spec.containers).flat_map(|container| &container.restart_policy_rules);
        if rules.into_iter().any(|rule| rule.action == "RestartAllContainers") {
            let (reason, message) = (String::new(), String::new());
            drafts.push(Draft { type_: "AllContainersRestarting", status: self.restarting_all, reason, message });
        }
        let host_ip = node_ip(cx.config.index);
        let ip = |ip: &String| PodIp { ip: ip.clone(), ..PodIp::default() };
        let old = &self.pod.status;
        let mut new = PodStatus {
            phase: phase.to_owned(),
            reason: forced.map_or_else(String::new, |(reason, _)| (*reason).to_owned()),
            message: forced.map_or_else(String::new, |(_, message)| message.clone()),
            host_ips: vec![ip(&host_ip)],
            host_ip,
            pod_ips: if self.sandbox.ip.is_empty() { Vec::new() } else { vec![ip(&self.sandbox.ip)] },
            pod_ip: self.sandbox.ip.clone(),
            start_time: Some(self.start_time.into()),
            qos_class: old.qos_class.clone(),
            nominated_node_name: String::new(),
            observed_generation: generation,
            rest: old.rest.clone(),
            ..PodStatus::default()
        };
        // What others own comes from the API server's version, what the worker owns from its own last status.
        let drafted = |condition: &&Condition| drafts.iter().any(|draft| draft.type_ == condition.type_);
        let own = |type_: &str| matches!(type_, "PodResizePending" | "PodResizeInProgress");
        let others = old.conditions.iter().filter(|condition| !drafted(condition) && !own(&condition.type_));
        let conditions: Vec<Condition> = self.status.conditions.iter().filter(drafted).chain(others).cloned().collect();
        status::set_conditions(&mut new, &conditions, drafts, generation, cx.now);
        new.ephemeral_container_statuses = statuses.split_off(inits + mains);
        new.container_statuses = statuses.split_off(inits);
        new.init_container_statuses = statuses;
        let changed = new != *self.status;
        if changed {
            self.status = new.into();
        }
        changed
    }

    /// The status of a Pod that the kubelet has not taken (`rejectPod`).
    fn rejected_status(&mut self) -> bool {
        let Some((reason, message)) = self.ending.as_ref().and_then(|why| why.as_ref()) else { return false };
        let new = PodStatus {
            phase: "Failed".to_owned(),
            reason: (*reason).to_owned(),
            message: message.clone(),
            conditions: self.pod.status.conditions.clone(),
            start_time: Some(self.start_time.into()),
            qos_class: self.pod.status.qos_class.clone(),
            observed_generation: self.pod.metadata.generation,
            ..PodStatus::default()
        };
        let changed = new != *self.status;
        self.status = new.into();
        changed
    }

    fn container_status(&self, index: usize) -> ContainerStatus {
        let spec = self.spec(index);
        let record = &self.records[index];
        let (state, last) = self.states(index);
        let id = record.runs.last().map(|run| self.container_id(*run)).unwrap_or_default();
        // The runtime tells the image of a container once there is one.
        let image = record.image.as_ref().filter(|_| !record.runs.is_empty());
        let ready = match record.role {
            Role::Init => self.exit_code(index) == Some(0),
            Role::Ephemeral => false,
            _ => record.ready(),
        };
        ContainerStatus {
            name: spec.name.clone(),
            last_state: last.map_or_else(ContainerState::default, |run| self.terminated(run, index)),
            state,
            ready,
            restart_count: i32::try_from(record.runs.len().saturating_sub(1)).unwrap_or(i32::MAX),
            image: image.map_or_else(|| spec.image.clone(), |image| image.name.clone()),
            image_id: image.map(crate::images::PresentImage::id).unwrap_or_default(),
            container_id: id,
            started: (record.role != Role::Ephemeral).then(|| record.started()),
            allocated_resources: record.allocated.requests.clone(),
            resources: given(&record.in_force).then(|| record.in_force.clone()),
            ..ContainerStatus::default()
        }
    }

    /// The present state, and the run that `lastState` tells of.
    fn states(&self, index: usize) -> (ContainerState, Option<usize>) {
        let record = &self.records[index];
        let mut runs = record.runs.iter().rev().copied();
        let latest = runs.next();
        let waiting = |reason: &str, message: &str| ContainerState {
            waiting: Some(ContainerStateWaiting {
                reason: reason.to_owned(),
                message: message.to_owned(),
                ..ContainerStateWaiting::default()
            }),
            ..ContainerState::default()
        };
        match (latest, &record.waiting) {
            (Some(run), _) if record.is_alive() => {
                let started_at = Some(self.sandbox.containers[run].started.into());
                let running = Some(ContainerStateRunning { started_at, ..ContainerStateRunning::default() });
                (ContainerState { running, ..ContainerState::default() }, runs.next())
            }
            (latest, Some((reason, message))) if self.stage != Stage::Finished => (waiting(reason, message), latest),
            (Some(run), _) => (self.terminated(run, index), runs.next()),
            (None, _) if self.stage == Stage::Finished && self.is_deleting() => (never_started(), None),
            (None, _) if self.pod.spec.init_containers.is_empty() || record.role == Role::Ephemeral => {
                (waiting("ContainerCreating", ""), None)
            }
            (None, _) => (waiting("PodInitializing", ""), None),
        }
    }

    fn terminated(&self, run: usize, index: usize) -> ContainerState {
        let container = &self.sandbox.containers[run];
        let State::Exited { code, reason, message, at } = &container.state else { return ContainerState::default() };
        let fallback = self.spec(index).termination_message_policy == "FallbackToLogsOnError" && *code != 0 && message.is_empty();
        let terminated = ContainerStateTerminated {
            exit_code: *code,
            reason: (*reason).to_owned(),
            message: if fallback { container.log.tail_for_termination() } else { message.clone() },
            started_at: Some(container.started.into()),
            finished_at: Some((*at).into()),
            container_id: self.container_id(run),
            ..ContainerStateTerminated::default()
        };
        ContainerState { terminated: Some(terminated), ..ContainerState::default() }
    }

    /// The id of a run of a container.
    pub(crate) fn container_id(&self, run: usize) -> String {
        format!("containerd://{}", hex_id(&format!("{} {run}", self.pod.metadata.uid)))
    }

    /// Tells the trace that the worker is gone with a sandbox that nobody stopped.
    pub(crate) fn drop_sandbox(&mut self, cx: &mut Cx<'_>) {
        if self.stage == Stage::Finished {
            return;
        }
        if let Some(octet) = self.octet.take() {
            cx.addresses.give_back(octet);
        }
        if !self.sandbox.ip.is_empty() {
            cx.out.trace(What::SandboxRemoved { pod: self.object.clone() });
        }
        cx.images.forget(&self.pod.metadata.uid);
    }
}

/// Whether a container has resources to tell of.
fn given(resources: &ResourceRequirements) -> bool {
    !resources.requests.is_empty() || !resources.limits.is_empty()
}

/// The state of a container that was never started when its Pod ended.
fn never_started() -> ContainerState {
    let terminated = ContainerStateTerminated {
        exit_code: 137,
        reason: "ContainerStatusUnknown".to_owned(),
        message: "The container could not be located when the pod was terminated".to_owned(),
        ..ContainerStateTerminated::default()
    };
    ContainerState { terminated: Some(terminated), ..ContainerState::default() }
}

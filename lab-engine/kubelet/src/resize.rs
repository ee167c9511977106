//! In-place resizes: changes of a running Pod's requests and limits (`pkg/kubelet/allocation`, `computePodResizeAction`).
//!
//! A change is first allocated: if the node could never hold it, the Pod's condition `PodResizePending` says `Infeasible`; if it cannot hold
//! it beside the other Pods now, `Deferred`, and the kubelet looks again later. What is allocated is put in force at once, or with a restart
//! of the container where its `resizePolicy` asks for one. `status.containerStatuses[*].resources` tells what is in force.
//!
//! **Simplified here:** putting a change in force takes no time and never fails, so `PodResizeInProgress` is seen only while a container
//! is being restarted; deferred changes are looked at every thirty seconds, in no order of priority.

use crate::kubelet::KubeletConfig;
use crate::pod_worker::{Cx, PodWorker, Role, Step};
use crate::status::Draft;
use api::core::{Container, Pod, ResourceRequirements};
use std::time::Duration;

/// When a deferred change is looked at again.
const RETRY: Duration = Duration::from_secs(30);

/// Requests for CPU, in thousandths of a core, and memory, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Amounts {
    pub(crate) cpu_milli: u64,
    pub(crate) memory: u64,
}

impl Amounts {
    fn of(resources: &ResourceRequirements) -> Self {
        let amount = |name: &str, milli: bool| {
            let quantity = resources.requests.get(name).or_else(|| resources.limits.get(name));
            quantity.map_or(0, |quantity| u64::try_from(if milli { quantity.milli_value() } else { quantity.value() }).unwrap_or(0))
        };
        Amounts { cpu_milli: amount("cpu", true), memory: amount("memory", false) }
    }

    /// What a new Pod asks for: its containers and sidecars together, or an init container that asks for more.
    pub(crate) fn of_pod(pod: &Pod) -> Self {
        let (mut sum, mut most) = (Amounts::default(), Amounts::default());
        pod.spec.containers.iter().for_each(|container| sum.add(Amounts::of(&container.resources)));
        for container in &pod.spec.init_containers {
            let own = Amounts::of(&container.resources);
            if crate::status::is_sidecar(container) {
                sum.add(own);
            }
            most = Amounts { cpu_milli: most.cpu_milli.max(own.cpu_milli), memory: most.memory.max(own.memory) };
        }
        Amounts { cpu_milli: sum.cpu_milli.max(most.cpu_milli), memory: sum.memory.max(most.memory) }
    }

    pub(crate) fn add(&mut self, other: Amounts) {
        self.cpu_milli = self.cpu_milli.saturating_add(other.cpu_milli);
        self.memory = self.memory.saturating_add(other.memory);
    }
}

/// A change that is not in force yet: why it must wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pending {
    reason: &'static str,
    message: String,
    /// The Pod's generation that it was found for.
    generation: Option<i64>,
}

impl PodWorker {
    /// Whether the spec asks for other resources than were allocated.
    pub(crate) fn wants_resize(&self) -> bool {
        self.ending.is_none() && (0..self.records.len()).any(|index| self.is_resized(index))
    }

    fn is_resized(&self, index: usize) -> bool {
        let record = &self.records[index];
        record.role != Role::Ephemeral && record.is_alive() && record.allocated != self.spec(index).resources
    }

    /// What the Pod's containers and sidecars were given.
    pub(crate) fn allocated(&self) -> Amounts {
        let mut sum = Amounts::default();
        for record in self.records.iter().filter(|record| matches!(record.role, Role::Main | Role::Sidecar)) {
            sum.add(Amounts::of(&record.allocated));
        }
        sum
    }

    /// Allocates a change of resources if the node can hold it, and puts it in force.
    pub(crate) fn resize(&mut self, cx: &mut Cx<'_>) {
        if !self.wants_resize() {
            self.resize_pending = None;
            self.resize_at = None;
            return;
        }
        let generation = self.pod.metadata.generation;
        let seen = self.resize_pending.as_ref().is_some_and(|pending| pending.generation == generation);
        if seen && self.resize_at.is_none_or(|at| at > cx.now) {
            return;
        }
        let mut wanted = Amounts::default();
        let sidecars = self.pod.spec.init_containers.iter().filter(|container| crate::status::is_sidecar(container));
        sidecars.chain(&self.pod.spec.containers).for_each(|container| wanted.add(Amounts::of(&container.resources)));
        let refused = refusal(wanted, cx.others, cx.config);
        self.resize_at = refused.as_ref().filter(|(reason, _)| *reason == "Deferred").map(|_| cx.now + RETRY);
        self.resize_pending = refused.map(|(reason, message)| Pending { reason, message, generation });
        if self.resize_pending.is_none() {
            for index in 0..self.records.len() {
                if self.is_resized(index) {
                    self.put_in_force(index, cx);
                }
            }
        }
    }

    fn put_in_force(&mut self, index: usize, cx: &mut Cx<'_>) {
        let spec = self.spec(index);
        let (name, wanted) = (spec.name.clone(), spec.resources.clone());
        let restarts = needs_restart(spec, &self.records[index].allocated);
        self.records[index].allocated = wanted;
        if restarts {
            let message = format!("Container {name} resize requires restart, will be restarted");
            self.kill(index, &message, self.grace_of(index, None), cx);
            return;
        }
        self.records[index].in_force = self.records[index].allocated.clone();
        let limit = memory_limit(&self.records[index].allocated);
        if let Some(&run) = self.records[index].runs.last() {
            self.sandbox.containers[run].config.memory_limit = limit;
        }
    }

    /// The conditions of a resize that waits or is under way.
    pub(crate) fn resize_conditions(&self) -> Vec<Draft> {
        let draft =
            |type_, reason: &str, message: &str| Draft { type_, status: true, reason: reason.to_owned(), message: message.to_owned() };
        let pending = self.resize_pending.iter().map(|pending| draft("PodResizePending", pending.reason, &pending.message));
        let under_way = |record: &crate::pod_worker::Record| record.step != Step::Idle && record.in_force != record.allocated;
        let under_way = self.records.iter().any(|record| record.role != Role::Ephemeral && !record.runs.is_empty() && under_way(record));
        pending.chain(under_way.then(|| draft("PodResizeInProgress", "", ""))).collect()
    }
}

/// Whether a change of resources takes a restart of the container.
fn needs_restart(container: &Container, allocated: &ResourceRequirements) -> bool {
    container.resize_policy.iter().any(|policy| {
        let name = policy.resource_name.as_str();
        let changed = container.resources.limits.get(name) != allocated.limits.get(name)
            || container.resources.requests.get(name) != allocated.requests.get(name);
        policy.restart_policy == "RestartContainer" && changed
    })
}

/// The limit on a container's memory, in bytes.
pub(crate) fn memory_limit(resources: &ResourceRequirements) -> Option<u64> {
    resources.limits.get("memory").and_then(|quantity| u64::try_from(quantity.value()).ok())
}

/// Why a resize must wait on a node, beside what others use: reason and message.
fn refusal(wanted: Amounts, others: Amounts, config: &KubeletConfig) -> Option<(&'static str, String)> {
    for (name, wanted, capacity) in [("cpu", wanted.cpu_milli, config.cpu_milli), ("memory", wanted.memory, config.memory_bytes)] {
        if wanted > capacity {
            return Some(("Infeasible", format!("Node didn't have enough capacity: {name}, requested: {wanted}, capacity: {capacity}")));
        }
    }
    lack(wanted, others, config).map(|(_, message)| ("Deferred", message))
}

/// What a node has too little of, beside what others use: the resource and the message (`InsufficientResourceError`).
pub(crate) fn lack(wanted: Amounts, others: Amounts, config: &KubeletConfig) -> Option<(&'static str, String)> {
    let kinds =
        [("cpu", wanted.cpu_milli, others.cpu_milli, config.cpu_milli), ("memory", wanted.memory, others.memory, config.memory_bytes)];
    let is_short = |(_, wanted, used, capacity): &(&str, u64, u64, u64)| *wanted > 0 && wanted.saturating_add(*used) > *capacity;
    let (name, wanted, used, capacity) = kinds.into_iter().find(is_short)?;
    let message = format!("Node didn't have enough resource: {name}, requested: {wanted}, used: {used}, capacity: {capacity}");
    Some((name, message))
}

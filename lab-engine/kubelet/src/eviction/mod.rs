//! Eviction under node pressure (`pkg/kubelet/eviction/eviction_manager.go`).
//!
//! Every ten seconds the manager looks at what is left of memory, disks and processes. Thresholds that are met make conditions of the node,
//! which last five minutes longer and from which the node lifecycle controller makes taints; and, when their grace period is over, the
//! eviction of one Pod: the first of those ranked. Before Pods, unused images are removed where that helps. Then the manager waits until the
//! Pod is gone, half a minute at most, and looks again. Pods that hold more of the disk than they may are evicted whatever is left.
//!
//! **Simplified here:** there is no notice from the kernel between two looks (as by default), and no killing by the kernel when memory is
//! used up: a node can promise more than it has for ten seconds. `allocatableMemory.available` is not watched, as nothing is reserved.
//! Inodes are not told apart by disk. Images are collected only under pressure, not above `imageGCHighThresholdPercent`.

pub mod rank;
pub mod threshold;
pub(crate) mod usage;

use crate::kubelet::Kubelet;
use crate::pod_worker::{Cx, PodWorker};
use api::core::{ObjectReference, Pod};
use client::EventType::{Normal, Warning};
use client::Outbox;
use rank::{PodUse, message, over_its_limits, rank};
use sim::Time;
use std::sync::Arc;
use std::time::Duration;
use threshold::{Pressure, Signal, Threshold, default_thresholds, thresholds_met};

/// How often the manager looks (`monitoringInterval`).
pub(crate) const MONITORING_INTERVAL: Duration = Duration::from_secs(10);
/// How long a condition lasts after it was last observed (`evictionPressureTransitionPeriod`).
const TRANSITION_PERIOD: Duration = Duration::from_secs(300);
/// How long it waits for an evicted Pod to be gone, and how often it looks.
const CLEANUP: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(1));
/// What a Pod gets to end when there is no time (`immediateEvictionGracePeriodSeconds`).
const IMMEDIATE: Duration = Duration::from_secs(1);

/// How a kubelet evicts.
#[derive(Clone, Debug)]
pub struct EvictionConfig {
    /// The thresholds, hard and soft.
    pub thresholds: Vec<Threshold>,
    /// The longest grace period of a Pod that a soft threshold evicts (`evictionMaxPodGracePeriod`).
    pub max_pod_grace: Duration,
}

impl Default for EvictionConfig {
    fn default() -> Self {
        EvictionConfig { thresholds: default_thresholds(), max_pod_grace: Duration::ZERO }
    }
}

/// The state of the manager.
#[derive(Debug, Default)]
pub(crate) struct EvictionManager {
    pressure: Pressure,
    /// The conditions of the node that hold.
    pub(crate) conditions: Vec<&'static str>,
    /// When it looks again.
    pub(crate) next: Time,
    /// Evicted Pods that it waits for, and until when.
    waits_for: Option<(Vec<Arc<str>>, Time)>,
}

impl Kubelet {
    /// Looks at the node if it is time.
    pub(crate) fn watch_pressure(&mut self, now: Time, out: &mut Outbox) {
        if self.eviction.next > now {
            return;
        }
        if let Some((pods, until)) = &self.eviction.waits_for {
            let is_gone = |uid: &Arc<str>| self.managed.get(uid).is_none_or(|managed| managed.worker.is_finished());
            if *until > now && !pods.iter().all(is_gone) {
                self.eviction.next = now + CLEANUP.1;
                return;
            }
            self.eviction.waits_for = None;
        }
        let evicted = self.synchronize(now, out);
        if evicted.is_empty() {
            self.eviction.next = now + MONITORING_INTERVAL;
        } else {
            self.eviction.next = now + CLEANUP.1;
            self.eviction.waits_for = Some((evicted, now + CLEANUP.0));
        }
    }

    /// One look; the Pods that are evicted.
    fn synchronize(&mut self, now: Time, out: &mut Outbox) -> Vec<Arc<str>> {
        let seen = self.observe_node(now);
        let thresholds = std::mem::take(&mut self.config.eviction.thresholds);
        let due = self.eviction.pressure.observe(&thresholds, &seen, now);
        self.config.eviction.thresholds = thresholds;
        self.tell_conditions(now, out);
        let dedicated = self.has_image_disk();
        let mut evicted = Vec::new();
        for pod in self.pods_in_use(true) {
            if let Some(message) = over_its_limits(&pod, dedicated)
                && self.evict(&pod, message, false, IMMEDIATE, now, out)
            {
                evicted.push(pod.uid);
            }
        }
        let Some(first) = due.first().filter(|_| evicted.is_empty()) else { return evicted };
        let signal = first.signal;
        let node = self.node_reference();
        let attempt = format!("Attempting to reclaim {}", signal.resource());
        self.record_on_node(now, node, Warning, "EvictionThresholdMet", &attempt, out);
        if self.reclaim(signal, now, out) {
            return Vec::new();
        }
        let mut pods = self.pods_in_use(false);
        rank(&mut pods, signal, dedicated);
        // A Pod has no longer than its own grace period in any case.
        let grace = if first.is_hard() { IMMEDIATE } else { self.config.eviction.max_pod_grace };
        let evicted = pods.into_iter().find(|pod| {
            let message = message(signal, pod, &due, &seen);
            self.evict(pod, message, true, grace, now, out)
        });
        evicted.map(|pod| pod.uid).into_iter().collect()
    }

    /// Frees what can be freed without Pods. True when no threshold is met any more.
    fn reclaim(&mut self, signal: Signal, now: Time, out: &mut Outbox) -> bool {
        let helps =
            rank::Disks::of(signal, self.has_image_disk()).image && !matches!(signal, Signal::MemoryAvailable | Signal::PidAvailable);
        if !helps {
            return false;
        }
        if self.free_image_disk() {
            self.write_node_status(now, out);
        }
        thresholds_met(&self.config.eviction.thresholds, &self.observe_node(now), true).is_empty()
    }

    /// Evicts a Pod; false when it is critical.
    fn evict(&mut self, pod: &PodUse, message: String, as_disruption: bool, grace: Duration, now: Time, out: &mut Outbox) -> bool {
        if pod.critical {
            return false;
        }
        self.work(&pod.uid, now, out, |worker, cx| {
            worker.pod_event(Warning, "Evicted", &message, cx);
            worker.end_abnormally("Evicted", message, as_disruption, grace);
        });
        true
    }

    /// Tells of the node's conditions where they have changed.
    fn tell_conditions(&mut self, now: Time, out: &mut Outbox) {
        let conditions = self.eviction.pressure.conditions(TRANSITION_PERIOD, now);
        let before = std::mem::replace(&mut self.eviction.conditions, conditions);
        let mut changed = false;
        for (condition, with, without) in [
            ("MemoryPressure", "NodeHasInsufficientMemory", "NodeHasSufficientMemory"),
            ("DiskPressure", "NodeHasDiskPressure", "NodeHasNoDiskPressure"),
            ("PIDPressure", "NodeHasInsufficientPID", "NodeHasSufficientPID"),
        ] {
            let holds = self.eviction.conditions.contains(&condition);
            if holds != before.contains(&condition) {
                changed = true;
                self.tell_node_status(now, if holds { with } else { without }, out);
            }
        }
        if changed {
            self.write_node_status(now, out);
        }
    }

    /// An event that says how the node stands now.
    pub(crate) fn tell_node_status(&mut self, now: Time, reason: &str, out: &mut Outbox) {
        let message = format!("Node {} status is now: {reason}", self.config.node_name);
        let node = self.node_reference();
        self.record_on_node(now, node, Normal, reason, &message, out);
    }

    /// The node, as its own kubelet's events refer to it: the name stands for the UID.
    pub(crate) fn node_reference(&self) -> ObjectReference {
        let name = self.config.node_name.clone();
        ObjectReference { kind: "Node".to_owned(), uid: name.clone(), name, ..ObjectReference::default() }
    }

    /// Why a node that is under pressure does not take a Pod.
    pub(crate) fn is_under_pressure_for(&self, pod: &Pod) -> Option<(&'static str, String)> {
        let conditions = &self.eviction.conditions;
        if conditions.is_empty() || usage::is_critical(pod) {
            return None;
        }
        if conditions[..] == ["MemoryPressure"] {
            let tolerates = pod.spec.tolerations.iter().any(|toleration| {
                let key = toleration.key == "node.kubernetes.io/memory-pressure"
                    || (toleration.key.is_empty() && toleration.operator == "Exists");
                key && matches!(toleration.effect.as_str(), "" | "NoSchedule")
            });
            if pod.status.qos_class != "BestEffort" || tolerates {
                return None;
            }
        }
        Some(("Evicted", format!("The node had condition: [{}]. ", conditions.join(" "))))
    }
}

impl PodWorker {
    /// Ends the Pod by the kubelet's own decision; a disruption is shown as a condition, too.
    pub(crate) fn end_abnormally(&mut self, reason: &'static str, message: String, as_disruption: bool, grace: Duration) {
        if as_disruption {
            self.disruption = Some(message.clone());
        }
        let grace = grace.min(self.pod_grace()).max(Duration::from_secs(1));
        self.end_because(Some((reason, message)), grace);
    }

    /// The kubelet does not take the Pod.
    pub(crate) fn reject(&mut self, reason: &'static str, message: &str, cx: &mut Cx<'_>) {
        self.pod_event(Warning, reason, message, cx);
        self.end_because(Some((reason, format!("Pod was rejected: {message}"))), Duration::ZERO);
        self.rejected = true;
        self.stage = crate::pod_worker::Stage::Finished;
    }
}

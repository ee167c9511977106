//! What a node and its Pods use, for the eviction manager (the part of the summary API that it reads).

use super::rank::{ContainerUse, PodUse, VolumeUse};
use super::threshold::{Observations, Signal};
use crate::kubelet::Kubelet;
use crate::pod_worker::{PodWorker, Role, Stage};
use crate::status::is_sidecar;
use api::core::{Container, Pod, ResourceList};
use sim::Time;
use std::sync::Arc;

/// What the operating system takes of the disk.
const SYSTEM_DISK: u64 = 6 << 30;
/// Inodes of a disk, and those that the system uses.
const INODES: (u64, u64) = (6_553_600, 120_000);
/// Processes that there may be (`/proc/sys/kernel/pid_max`), and those of the system.
const PIDS: (u64, u64) = (4_194_304, 160);
/// A priority from which on a Pod is critical (`SystemCriticalPriority`).
const CRITICAL: i32 = 2_000_000_000;

/// The disks of a node, and what fills them besides images and Pods.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NodeDisks {
    /// The size of the kubelet's file system.
    pub(crate) node: u64,
    /// The size of the disk of images and containers, where that is another one.
    pub(crate) image: Option<u64>,
    /// What somebody has put onto them: of the kubelet's file system, and of that of images.
    pub(crate) ballast: (u64, u64),
}

impl Default for NodeDisks {
    /// One disk of 100 GiB for everything.
    fn default() -> Self {
        NodeDisks { node: 100 << 30, image: None, ballast: (0, 0) }
    }
}

/// Whether a Pod is never evicted (`IsCriticalPod`).
pub(crate) fn is_critical(pod: &Pod) -> bool {
    let annotations = &pod.metadata.annotations;
    let is_static = annotations.get("kubernetes.io/config.source").is_some_and(|source| source != "api");
    is_static || annotations.contains_key("kubernetes.io/config.mirror") || pod.spec.priority.unwrap_or(0) >= CRITICAL
}

fn amount(list: &ResourceList, name: &str) -> Option<u64> {
    list.get(name).map(|quantity| u64::try_from(quantity.value()).unwrap_or(0))
}

/// The effective request of a Pod: containers and sidecars together, or the largest init container with the sidecars before it.
fn pod_request(pod: &Pod, name: &str) -> u64 {
    let of = |container: &Container| amount(&container.resources.requests, name).unwrap_or(0);
    let main: u64 = pod.spec.containers.iter().map(of).fold(0, u64::saturating_add);
    let (mut sidecars, mut largest) = (0_u64, 0);
    for container in &pod.spec.init_containers {
        let with = sidecars.saturating_add(of(container));
        if is_sidecar(container) {
            sidecars = with;
        }
        largest = with.max(largest);
    }
    main.saturating_add(sidecars).max(largest)
}

impl PodWorker {
    /// What the Pod uses.
    pub(crate) fn pod_use(&self) -> PodUse {
        let pod = &self.pod;
        let running = self.records.iter().enumerate().filter(|(_, record)| record.is_alive());
        let containers = running.filter_map(|(index, record)| {
            let (spec, run) = (self.spec(index), *record.runs.last()?);
            let container = self.sandbox.containers.get(run)?;
            Some(ContainerUse {
                name: spec.name.clone(),
                memory: container.meter.memory_bytes,
                memory_request: amount(&spec.resources.requests, "memory").unwrap_or(0),
                rootfs: self.sandbox.rootfs(run),
                logs: container.log.size(),
                storage_request: amount(&spec.resources.requests, "ephemeral-storage").unwrap_or(0),
                storage_limit: amount(&spec.resources.limits, "ephemeral-storage").filter(|_| self.records[index].role == Role::Main),
            })
        });
        let containers: Vec<ContainerUse> = containers.collect();
        let volumes = pod.spec.volumes.iter().zip(&self.sandbox.volumes).filter_map(|(volume, tree)| {
            let empty_dir = volume.empty_dir.as_ref()?;
            let limit = empty_dir.size_limit.as_ref().map(|limit| u64::try_from(limit.value()).unwrap_or(0));
            Some(VolumeUse { name: volume.name.clone(), used: tree.size(), limit, in_memory: empty_dir.medium == "Memory" })
        });
        let limited = pod.spec.containers.iter().chain(pod.spec.init_containers.iter().filter(|container| is_sidecar(container)));
        let limits: Vec<u64> = limited.filter_map(|container| amount(&container.resources.limits, "ephemeral-storage")).collect();
        let runs = self.records.iter().filter(|record| record.is_alive()).filter_map(|record| record.runs.last());
        PodUse {
            uid: pod.metadata.uid.as_str().into(),
            priority: pod.spec.priority.unwrap_or(0),
            critical: is_critical(pod),
            memory_request: pod_request(pod, "memory"),
            storage_request: pod_request(pod, "ephemeral-storage"),
            storage_limit: (!limits.is_empty()).then(|| limits.into_iter().fold(0, u64::saturating_add)),
            processes: u64::try_from(containers.len()).unwrap_or(u64::MAX).saturating_add(1),
            inodes: runs.map(|run| self.sandbox.inodes(*run)).fold(0, u64::saturating_add),
            containers,
            volumes: volumes.collect(),
        }
    }

    /// Whether it may hold more of the disk than it is allowed to: only of such a Pod is that looked up.
    fn has_storage_limits(&self) -> bool {
        let limited = |container: &Container| container.resources.limits.contains_key("ephemeral-storage");
        let sized = |volume: &api::core::Volume| volume.empty_dir.as_ref().is_some_and(|empty| empty.size_limit.is_some());
        self.pod.spec.containers.iter().any(limited) || self.pod.spec.volumes.iter().any(sized)
    }

    /// Whether it can be evicted: something of it runs, and it does not end anyway.
    fn is_active(&self) -> bool {
        self.stage != Stage::Finished && self.ending.is_none()
    }

    /// What it takes of the disks: its containers' own files, and logs and volumes; and how many files it has made.
    fn disk(&self) -> (u64, u64, u64) {
        let (mut root, mut rest, mut inodes) = (0_u64, 0_u64, 0_u64);
        for run in 0..self.sandbox.containers.len() {
            root = root.saturating_add(self.sandbox.rootfs(run));
            rest = rest.saturating_add(self.sandbox.containers[run].log.size());
            inodes = inodes.saturating_add(self.sandbox.inodes(run));
        }
        for (volume, tree) in self.pod.spec.volumes.iter().zip(&self.sandbox.volumes) {
            if volume.empty_dir.as_ref().is_some_and(|empty| empty.medium != "Memory") {
                rest = rest.saturating_add(tree.size());
            }
        }
        (root, rest, inodes)
    }
}

impl Kubelet {
    /// Whether images and containers have a disk of their own.
    pub(crate) fn has_image_disk(&self) -> bool {
        self.node_disks.image.is_some()
    }

    /// What is seen of the node.
    pub(crate) fn observe_node(&self, now: Time) -> Observations {
        let used = self.memory_in_use(now);
        let (mut root, mut rest, mut inodes, mut processes) = (0_u64, 0_u64, INODES.1, PIDS.1);
        for managed in self.managed.values() {
            let (own, other, files) = managed.worker.disk();
            (root, rest, inodes) = (root.saturating_add(own), rest.saturating_add(other), inodes.saturating_add(files));
            let alive = managed.worker.records.iter().filter(|record| record.is_alive()).count();
            processes = processes.saturating_add(u64::try_from(alive).unwrap_or(0)).saturating_add(1);
        }
        let images: u64 = self.images.present().map(|image| image.size_bytes).fold(0, u64::saturating_add);
        let disks = self.node_disks;
        let on_images = images.saturating_add(root);
        let on_node = SYSTEM_DISK.saturating_add(rest).saturating_add(disks.ballast.0);
        let (node_used, image_size, image_used) = match disks.image {
            Some(size) => (on_node, size, on_images.saturating_add(disks.ballast.1)),
            None => {
                let both = on_node.saturating_add(on_images).saturating_add(disks.ballast.1);
                (both, disks.node, both)
            }
        };
        Observations::default()
            .with(Signal::MemoryAvailable, self.config.memory_bytes.saturating_sub(used), self.config.memory_bytes)
            .with(Signal::NodeFsAvailable, disks.node.saturating_sub(node_used), disks.node)
            .with(Signal::NodeFsInodesFree, INODES.0.saturating_sub(inodes), INODES.0)
            .with(Signal::ImageFsAvailable, image_size.saturating_sub(image_used), image_size)
            .with(Signal::ImageFsInodesFree, INODES.0.saturating_sub(inodes), INODES.0)
            .with(Signal::PidAvailable, PIDS.0.saturating_sub(processes), PIDS.0)
    }

    /// The Pods that can be evicted: all of them, or those with limits of storage.
    pub(crate) fn pods_in_use(&self, with_limits_only: bool) -> Vec<PodUse> {
        let all = self.managed.values().map(|managed| &managed.worker).filter(|worker| worker.is_active());
        all.filter(|worker| !with_limits_only || worker.has_storage_limits()).map(PodWorker::pod_use).collect()
    }

    /// Removes the files of containers that have ended and the images that no container needs. True when there was something to remove.
    pub(crate) fn free_image_disk(&mut self) -> bool {
        let needed: Vec<Arc<str>> = self
            .managed
            .values()
            .flat_map(|managed| &managed.worker.records)
            .filter(|record| record.is_alive())
            .filter_map(|record| record.image.as_ref().map(|image| image.name.as_str().into()))
            .collect();
        self.images.remove_unused(|name| needed.iter().any(|image| &**image == name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_those_of_containers_and_sidecars_or_of_the_largest_init_container() {
        let pod = |init: serde_json::Value| -> Pod {
            let main = serde_json::json!([{"name": "a", "resources": {"requests": {"memory": "100"}}}, {"name": "b"}]);
            api::json::decode(serde_json::json!({"spec": {"containers": main, "initContainers": init}})).unwrap()
        };
        let init = |amount: &str, sidecar: bool| {
            let policy = if sidecar { "Always" } else { "" };
            serde_json::json!({"name": "i", "restartPolicy": policy, "resources": {"requests": {"memory": amount}}})
        };
        assert_eq!(pod_request(&pod(serde_json::json!([])), "memory"), 100);
        assert_eq!(pod_request(&pod(serde_json::json!([init("30", true), init("90", false)])), "memory"), 130);
        assert_eq!(pod_request(&pod(serde_json::json!([init("30", true), init("200", false)])), "memory"), 230);
    }
}

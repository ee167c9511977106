//! Which Pod is evicted first, and what is said of it (`rankMemoryPressure`, `rankDiskPressureFunc`, `rankPIDPressure`, `evictionMessage`).

use super::threshold::{Observations, Signal, Threshold};
use std::cmp::{Ordering, Reverse};
use std::sync::Arc;

/// What a container uses, and what it was promised.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerUse {
    /// Its name.
    pub name: String,
    /// Its working set, in bytes.
    pub memory: u64,
    /// Its request of memory.
    pub memory_request: u64,
    /// What it has written into its own files, in bytes.
    pub rootfs: u64,
    /// Its logs.
    pub logs: u64,
    /// Its request of ephemeral storage.
    pub storage_request: u64,
    /// Its limit of ephemeral storage.
    pub storage_limit: Option<u64>,
}

/// An emptyDir volume on disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VolumeUse {
    /// Its name.
    pub name: String,
    /// What it holds, in bytes.
    pub used: u64,
    /// What it may hold (`sizeLimit`).
    pub limit: Option<u64>,
    /// Whether it lies in memory, and not on the disk.
    pub in_memory: bool,
}

/// A Pod that runs, as the eviction manager sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodUse {
    /// Its UID.
    pub uid: Arc<str>,
    /// Its priority.
    pub priority: i32,
    /// Whether it is never evicted: a static or mirror Pod, or one of a system priority (`IsCriticalPod`).
    pub critical: bool,
    /// The effective request of memory.
    pub memory_request: u64,
    /// The effective request of ephemeral storage.
    pub storage_request: u64,
    /// The sum of the containers' limits of ephemeral storage; `None` when none has one.
    pub storage_limit: Option<u64>,
    /// The containers that run.
    pub containers: Vec<ContainerUse>,
    /// The emptyDir volumes.
    pub volumes: Vec<VolumeUse>,
    /// How many files and directories it has made.
    pub inodes: u64,
    /// How many processes it has.
    pub processes: u64,
}

impl PodUse {
    /// Its working set.
    pub fn memory(&self) -> u64 {
        let volumes = self.volumes.iter().filter(|volume| volume.in_memory).map(|volume| volume.used);
        self.containers.iter().map(|container| container.memory).chain(volumes).fold(0, u64::saturating_add)
    }

    /// What it has on the file systems that are meant: files of containers, and logs and volumes.
    pub fn storage(&self, disks: Disks) -> u64 {
        let of_container = |container: &ContainerUse| {
            let logs = if disks.node { container.logs } else { 0 };
            if disks.image { container.rootfs.saturating_add(logs) } else { logs }
        };
        let volumes = self.volumes.iter().filter(|volume| disks.node && !volume.in_memory).map(|volume| volume.used);
        self.containers.iter().map(of_container).chain(volumes).fold(0, u64::saturating_add)
    }
}

/// Which file systems a signal is about: where images and containers share the kubelet's, both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disks {
    /// The kubelet's: logs and volumes.
    pub node: bool,
    /// That of images and of what containers write.
    pub image: bool,
}

impl Disks {
    /// Those that a signal is about, on a node with or without a disk of its own for images.
    pub fn of(signal: Signal, dedicated: bool) -> Self {
        let image = matches!(signal, Signal::ImageFsAvailable | Signal::ImageFsInodesFree);
        Disks { node: !dedicated || !image, image: !dedicated || image }
    }
}

/// Puts the Pods in the order in which they are evicted.
pub fn rank(pods: &mut [PodUse], signal: Signal, dedicated: bool) {
    let disks = Disks::of(signal, dedicated);
    let amounts = |pod: &PodUse| match signal {
        Signal::MemoryAvailable => (pod.memory(), pod.memory_request),
        Signal::PidAvailable => (pod.processes, 0),
        Signal::NodeFsInodesFree | Signal::ImageFsInodesFree => (pod.inodes, 0),
        Signal::NodeFsAvailable | Signal::ImageFsAvailable => (pod.storage(disks), pod.storage_request),
    };
    let over = |pod: &PodUse| {
        let (used, requested) = amounts(pod);
        i128::from(used) - i128::from(requested)
    };
    pods.sort_by(|a, b| {
        // For processes there are no requests that one could exceed.
        let exceeds = match signal {
            Signal::PidAvailable => Ordering::Equal,
            _ => Reverse(over(a) > 0).cmp(&Reverse(over(b) > 0)),
        };
        exceeds.then(a.priority.cmp(&b.priority)).then(over(b).cmp(&over(a)))
    });
}

/// Why a Pod is evicted (`evictionMessage`).
pub fn message(signal: Signal, pod: &PodUse, due: &[Threshold], seen: &Observations) -> String {
    let resource = signal.resource();
    let mut message = format!("The node was low on resource: {resource}. ");
    let of_resource = due.iter().find(|threshold| threshold.signal.resource() == resource);
    if let Some((threshold, observed)) = of_resource.and_then(|threshold| Some((threshold, seen.get(threshold.signal)?))) {
        let quantity = Signal::MemoryAvailable.quantity(threshold.value.of(observed.capacity));
        message.push_str(&format!("Threshold quantity: {quantity}, available: {}. ", threshold.signal.quantity(observed.available)));
    }
    for container in &pod.containers {
        let (used, requested) = match resource {
            "memory" => (container.memory, container.memory_request),
            "ephemeral-storage" => (container.rootfs.saturating_add(container.logs), container.storage_request),
            _ => continue,
        };
        if used > requested {
            let show = |amount| Signal::MemoryAvailable.quantity(amount);
            let (used, requested) = (show(used), show(requested));
            message.push_str(&format!(
                "Container {} was using {used}, request is {requested}, has larger consumption of {resource}. ",
                container.name
            ));
        }
    }
    message
}

/// Why a Pod is evicted that holds more of the disk than it may (`localStorageEviction`); `None` when it does not.
pub fn over_its_limits(pod: &PodUse, dedicated: bool) -> Option<String> {
    let show = |amount| Signal::MemoryAvailable.quantity(amount);
    for volume in &pod.volumes {
        if let Some(limit) = volume.limit.filter(|limit| *limit > 0 && volume.used > *limit) {
            return Some(format!("Usage of EmptyDir volume {:?} exceeds the limit \"{}\". ", volume.name, show(limit)));
        }
    }
    // What is in its volumes counts, too.
    if let Some(limit) = pod.storage_limit.filter(|limit| pod.storage(Disks { node: true, image: true }) > *limit) {
        return Some(format!("Pod ephemeral local storage usage exceeds the total limit of containers {}. ", show(limit)));
    }
    pod.containers.iter().find_map(|container| {
        let used = if dedicated { container.logs } else { container.logs.saturating_add(container.rootfs) };
        let limit = container.storage_limit.filter(|limit| *limit > 0 && used > *limit)?;
        Some(format!("Container {} exceeded its local ephemeral storage limit \"{}\". ", container.name, show(limit)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eviction::threshold::default_thresholds;

    const MI: u64 = 1 << 20;

    fn pod(name: &str, priority: i32, used: u64, requested: u64) -> PodUse {
        let container = ContainerUse {
            name: "c".to_owned(),
            memory: used * MI,
            memory_request: requested * MI,
            rootfs: used * MI,
            ..Default::default()
        };
        PodUse {
            uid: name.into(),
            priority,
            memory_request: requested * MI,
            storage_request: requested * MI,
            containers: vec![container],
            processes: used,
            ..PodUse::default()
        }
    }

    fn order(signal: Signal) -> Vec<String> {
        let mut pods = vec![
            pod("within", 0, 900, 1000),
            pod("over-high", 10, 500, 100),
            pod("over-low", 0, 200, 100),
            pod("over-low-more", 0, 400, 100),
            pod("best-effort", 0, 350, 0),
        ];
        rank(&mut pods, signal, false);
        pods.into_iter().map(|pod| pod.uid.to_string()).collect()
    }

    #[test]
    fn who_exceeds_its_request_goes_first_then_low_priority_then_the_larger_excess() {
        let wanted = ["best-effort", "over-low-more", "over-low", "over-high", "within"];
        assert_eq!(order(Signal::MemoryAvailable), wanted);
        assert_eq!(order(Signal::NodeFsAvailable), wanted);
        assert_eq!(
            order(Signal::PidAvailable),
            ["within", "over-low-more", "best-effort", "over-low", "over-high"],
            "requests do not count"
        );
    }

    #[test]
    fn a_message_names_the_threshold_and_who_used_more_than_requested() {
        let seen = Observations::default().with(Signal::MemoryAvailable, 50 * MI, 8 << 30);
        let stress = pod("stress", 0, 500, 0);
        assert_eq!(
            message(Signal::MemoryAvailable, &stress, &default_thresholds(), &seen),
            "The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. Container c was using 500Mi, request is 0, has \
             larger consumption of memory. "
        );
        assert!(message(Signal::MemoryAvailable, &pod("quiet", 0, 5, 10), &default_thresholds(), &seen).ends_with("available: 50Mi. "));
    }

    #[test]
    fn limits_of_volumes_containers_and_pods_are_kept() {
        let mut pod = pod("p", 0, 10, 0);
        assert_eq!(over_its_limits(&pod, false), None);
        (pod.containers[0].storage_limit, pod.storage_limit) = (Some(10 * MI), Some(10 * MI));
        assert_eq!(over_its_limits(&pod, false), None, "as much as it may");
        pod.volumes = vec![VolumeUse { name: "cache".to_owned(), used: MI, limit: Some(2 * MI), in_memory: false }];
        let whole = "Pod ephemeral local storage usage exceeds the total limit of containers 10Mi. ";
        assert_eq!(over_its_limits(&pod, false).as_deref(), Some(whole));
        pod.volumes[0].used = 3 * MI;
        assert_eq!(over_its_limits(&pod, false).as_deref(), Some("Usage of EmptyDir volume \"cache\" exceeds the limit \"2Mi\". "));
        pod.volumes.clear();
        pod.containers[0].rootfs = 11 * MI;
        // Another container may have more, so that the Pod as a whole is within its limit.
        pod.storage_limit = Some(30 * MI);
        let one = "Container c exceeded its local ephemeral storage limit \"10Mi\". ";
        assert_eq!(over_its_limits(&pod, false).as_deref(), Some(one));
        assert_eq!(over_its_limits(&pod, true), None, "what containers write lies on a disk of its own");
    }
}

//! Amounts of resources as the scheduler counts them, and what a Pod requests
//! (`pkg/scheduler/framework/types.go`: `Resource`; `k8s.io/component-helpers/resource`).
//!
//! Amounts are integers: CPU in thousandths, memory and storage in bytes, everything else in whole units.
//!
//! **Simplified here:** the resources that a resized Pod still holds (`status.containerStatuses[*].resources`) are not looked at.

use api::core::{Container, Pod, ResourceList, ResourceRequirements};
use api::json::decode;
use std::collections::BTreeMap;

/// CPU that a container without a request counts with when nodes are scored, in thousandths (`DefaultMilliCPURequest`).
pub(crate) const DEFAULT_CPU_MILLI: i64 = 100;
/// Memory that a container without a request counts with when nodes are scored, in bytes (`DefaultMemoryRequest`).
pub(crate) const DEFAULT_MEMORY_BYTES: i64 = 200 * 1024 * 1024;

/// Amounts by resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Resources {
    /// CPU, in thousandths.
    pub(crate) cpu_milli: i64,
    /// Memory, in bytes.
    pub(crate) memory_bytes: i64,
    /// Storage on the node's disk, in bytes.
    pub(crate) ephemeral_storage_bytes: i64,
    /// Pods; only of a node, as what it may hold.
    pub(crate) pods: i64,
    /// Extended resources and huge pages, by name.
    pub(crate) scalars: BTreeMap<String, i64>,
}

impl Resources {
    /// The amounts of a list.
    pub(crate) fn from_list(list: &ResourceList) -> Self {
        let mut resources = Resources::default();
        for (name, quantity) in list {
            match name.as_str() {
                "cpu" => resources.cpu_milli = quantity.milli_value(),
                "memory" => resources.memory_bytes = quantity.value(),
                "ephemeral-storage" => resources.ephemeral_storage_bytes = quantity.value(),
                "pods" => resources.pods = quantity.value(),
                // Attachable volumes and the like are no business of the plugins here, but harmless.
                _ => {
                    resources.scalars.insert(name.clone(), quantity.value());
                }
            }
        }
        resources
    }

    /// The amount of one resource; 0 when there is none.
    pub(crate) fn get(&self, name: &str) -> i64 {
        match name {
            "cpu" => self.cpu_milli,
            "memory" => self.memory_bytes,
            "ephemeral-storage" => self.ephemeral_storage_bytes,
            "pods" => self.pods,
            _ => self.scalars.get(name).copied().unwrap_or(0),
        }
    }

    /// Adds the other amounts.
    pub(crate) fn add(&mut self, other: &Resources) {
        self.combine(other, i64::saturating_add);
    }

    /// Takes the other amounts away.
    pub(crate) fn sub(&mut self, other: &Resources) {
        self.combine(other, i64::saturating_sub);
    }

    /// Raises each amount to the other's where that is larger (`SetMaxResource`).
    pub(crate) fn raise_to(&mut self, other: &Resources) {
        self.combine(other, i64::max);
    }

    fn combine(&mut self, other: &Resources, with: fn(i64, i64) -> i64) {
        self.cpu_milli = with(self.cpu_milli, other.cpu_milli);
        self.memory_bytes = with(self.memory_bytes, other.memory_bytes);
        self.ephemeral_storage_bytes = with(self.ephemeral_storage_bytes, other.ephemeral_storage_bytes);
        self.pods = with(self.pods, other.pods);
        for (name, amount) in &other.scalars {
            match self.scalars.get_mut(name) {
                Some(own) => *own = with(*own, *amount),
                None => {
                    self.scalars.insert(name.clone(), with(0, *amount));
                }
            }
        }
    }
}

/// What a container requests. With `defaults`, CPU and memory that it does not state count as the defaults.
fn container_requests(container: &Container, defaults: bool) -> Resources {
    let requests = &container.resources.requests;
    let mut resources = Resources::from_list(requests);
    if defaults {
        if !requests.contains_key("cpu") {
            resources.cpu_milli = DEFAULT_CPU_MILLI;
        }
        if !requests.contains_key("memory") {
            resources.memory_bytes = DEFAULT_MEMORY_BYTES;
        }
    }
    resources
}

/// What the containers of a Pod request together: all that run side by side, or more while an init container runs
/// (`AggregateContainerRequests`).
fn containers_requests(pod: &Pod, defaults: bool) -> Resources {
    let mut running = Resources::default();
    for container in &pod.spec.containers {
        running.add(&container_requests(container, defaults));
    }
    let (mut sidecars, mut starting) = (Resources::default(), Resources::default());
    for container in &pod.spec.init_containers {
        let mut requests = container_requests(container, defaults);
        if container.restart_policy.as_deref() == Some("Always") {
            running.add(&requests);
            sidecars.add(&requests);
            starting.raise_to(&sidecars);
        } else {
            requests.add(&sidecars);
            starting.raise_to(&requests);
        }
    }
    running.raise_to(&starting);
    running
}

/// Requests of the Pod as a whole (`spec.resources`), which take the place of its containers'.
fn pod_level_requests(pod: &Pod) -> Option<ResourceList> {
    let value = pod.spec.rest.get("resources")?.clone();
    decode::<ResourceRequirements>(value).ok().map(|resources| resources.requests).filter(|requests| !requests.is_empty())
}

/// What a Pod requests (`PodRequests`). With `defaults`, CPU and memory that a container does not state count as the defaults, so that
/// many Pods without requests do not end up on one node.
pub(crate) fn pod_requests(pod: &Pod, defaults: bool) -> Resources {
    let mut requests = containers_requests(pod, defaults);
    if let Some(whole) = pod_level_requests(pod) {
        let amounts = Resources::from_list(&whole);
        for name in whole.keys() {
            match name.as_str() {
                "cpu" => requests.cpu_milli = amounts.cpu_milli,
                "memory" => requests.memory_bytes = amounts.memory_bytes,
                _ => {
                    requests.scalars.insert(name.clone(), amounts.get(name));
                }
            }
        }
    }
    requests.add(&Resources::from_list(&pod.spec.overhead));
    requests
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn requests(spec: Value, defaults: bool) -> (i64, i64) {
        let pod: Pod = decode(json!({"spec": spec})).unwrap();
        let resources = pod_requests(&pod, defaults);
        (resources.cpu_milli, resources.memory_bytes)
    }

    fn container(cpu: &str, memory: &str) -> Value {
        json!({"resources": {"requests": {"cpu": cpu, "memory": memory}}})
    }

    #[test]
    fn the_largest_init_container_counts_and_sidecars_add_up() {
        let mut sidecar = container("2", "1");
        sidecar["restartPolicy"] = json!("Always");
        let spec = json!({
            "initContainers": [container("4", "1"), sidecar, container("3", "10")],
            "containers": [container("1", "2"), container("1", "2")],
            "overhead": {"cpu": "500m"},
        });
        // CPU: max(1 + 1 + 2, 4, 3 + 2) and the overhead; memory: max(2 + 2 + 1, 1, 10 + 1).
        assert_eq!(requests(spec, false), (5500, 11));
    }

    #[test]
    fn what_is_not_stated_counts_only_for_scores() {
        let spec = json!({"containers": [{}, container("0", "0")]});
        assert_eq!(requests(spec.clone(), false), (0, 0));
        assert_eq!(requests(spec, true), (DEFAULT_CPU_MILLI, DEFAULT_MEMORY_BYTES));
        assert_eq!(requests(json!({}), true), (0, 0));
    }

    #[test]
    fn requests_of_the_whole_pod_take_the_place_of_its_containers() {
        let spec = json!({"containers": [container("1", "2")], "resources": {"requests": {"cpu": "3"}}});
        assert_eq!(requests(spec, false), (3000, 2));
    }
}

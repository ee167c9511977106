//! What the two plugins that score by resources share: the resources that count, and what a node would have of them
//! (`plugins/noderesources/resource_allocation.go`, `least_allocated.go`, `most_allocated.go`, `requested_to_capacity_ratio.go`).

use crate::args::ArgsReader;
use crate::framework::MAX_NODE_SCORE;
use crate::node_info::NodeInfo;
use crate::pod_info::PodInfo;
use api::status::FieldError;
use serde_json::Value;

/// A resource, told apart once and not again for each node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ResourceName {
    /// `cpu`.
    Cpu,
    /// `memory`.
    Memory,
    /// `ephemeral-storage`.
    EphemeralStorage,
    /// An extended resource or huge pages.
    Scalar(String),
}

impl From<&str> for ResourceName {
    fn from(name: &str) -> Self {
        match name {
            "cpu" => ResourceName::Cpu,
            "memory" => ResourceName::Memory,
            "ephemeral-storage" => ResourceName::EphemeralStorage,
            other => ResourceName::Scalar(other.to_owned()),
        }
    }
}

impl ResourceName {
    /// How much of it the Pod requests.
    pub(crate) fn requested_by(&self, pod: &PodInfo) -> i64 {
        match self {
            ResourceName::Cpu => pod.requests.cpu_milli,
            ResourceName::Memory => pod.requests.memory_bytes,
            ResourceName::EphemeralStorage => pod.requests.ephemeral_storage_bytes,
            ResourceName::Scalar(name) => pod.requests.get(name),
        }
    }
}

/// A resource that counts, and how much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResourceSpec {
    /// Its name.
    pub(crate) name: ResourceName,
    /// 1 to 100.
    pub(crate) weight: i64,
}

/// CPU and memory, alike.
pub(crate) fn default_resources() -> Vec<ResourceSpec> {
    [ResourceName::Cpu, ResourceName::Memory].map(|name| ResourceSpec { name, weight: 1 }).into()
}

/// Reads a list of resources; an empty one means the default.
pub(crate) fn read_resources(reader: &mut ArgsReader<'_>, at: &str, value: &Value) -> Vec<ResourceSpec> {
    let mut resources: Vec<ResourceSpec> = Vec::new();
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        let text = item["name"].as_str().unwrap_or_default();
        let name = ResourceName::from(text);
        // A weight that is not stated counts as 1.
        let weight = if item["weight"].is_null() { 1 } else { item["weight"].as_i64().unwrap_or(0) };
        if !(1..=100).contains(&weight) {
            let detail = format!("resource weight of {text} not in valid range [1, 100]");
            reader.wrong(FieldError::invalid_number(format!("{at}[{index}].weight"), weight, detail));
        }
        if text.is_empty() {
            reader.wrong(FieldError::required(format!("{at}[{index}].name"), ""));
        }
        if resources.iter().any(|known| known.name == name) {
            reader.wrong(FieldError::invalid(format!("{at}[{index}].name"), text, "duplicate resource"));
        }
        resources.push(ResourceSpec { name, weight });
    }
    if resources.is_empty() { default_resources() } else { resources }
}

/// What the node has of a resource, and what of it would be requested with the Pod. `None` when the resource does not count: the node has
/// none, or it is an extended one that the Pod does not request (`calculateResourceAllocatableRequest`).
///
/// With `stated`, only requests that are stated count; else a container without a request counts with the default.
pub(crate) fn allocation(resource: &ResourceName, pod: &PodInfo, node: &NodeInfo, stated: bool) -> Option<(i64, i64)> {
    let (capacity, used, wanted) = match resource {
        ResourceName::Cpu if stated => (node.allocatable.cpu_milli, node.requested.cpu_milli, pod.requests.cpu_milli),
        ResourceName::Cpu => (node.allocatable.cpu_milli, node.non_zero_cpu_milli, pod.non_zero_cpu_milli),
        ResourceName::Memory if stated => (node.allocatable.memory_bytes, node.requested.memory_bytes, pod.requests.memory_bytes),
        ResourceName::Memory => (node.allocatable.memory_bytes, node.non_zero_memory_bytes, pod.non_zero_memory_bytes),
        ResourceName::EphemeralStorage => {
            (node.allocatable.ephemeral_storage_bytes, node.requested.ephemeral_storage_bytes, pod.requests.ephemeral_storage_bytes)
        }
        ResourceName::Scalar(name) => {
            let wanted = pod.requests.get(name);
            if wanted == 0 {
                return None;
            }
            (node.allocatable.get(name), node.requested.get(name), wanted)
        }
    };
    (capacity != 0).then_some((capacity, used.saturating_add(wanted)))
}

/// How a node is scored by what would be requested of it (`ScoringStrategy`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Strategy {
    /// The more is left, the better.
    LeastAllocated,
    /// The less is left, the better.
    MostAllocated,
    /// As a line through these points says: use in percent, score in percent.
    RequestedToCapacityRatio(Vec<(i64, i64)>),
}

impl Strategy {
    /// The score of one resource, 0 to 100.
    fn score(&self, requested: i64, capacity: i64) -> i64 {
        let capacity = capacity.max(1);
        // Amounts so large that a hundred times as much is no number any more lose two digits, which no score shows.
        let share = |amount: i64| match amount.checked_mul(MAX_NODE_SCORE) {
            Some(hundredfold) => hundredfold / capacity,
            None => amount / (capacity / MAX_NODE_SCORE).max(1),
        };
        match self {
            Strategy::LeastAllocated if requested > capacity => 0,
            Strategy::LeastAllocated => share(capacity - requested),
            Strategy::MostAllocated => share(requested.min(capacity)),
            Strategy::RequestedToCapacityRatio(shape) => piecewise_linear(shape, share(requested.min(capacity))),
        }
    }

    /// The weighted mean over the resources.
    pub(crate) fn mean(&self, resources: &[ResourceSpec], pod: &PodInfo, node: &NodeInfo) -> i64 {
        let (mut sum, mut weights) = (0, 0);
        for resource in resources {
            let Some((capacity, requested)) = allocation(&resource.name, pod, node, false) else { continue };
            let score = self.score(requested, capacity);
            if score > 0 || !matches!(self, Strategy::RequestedToCapacityRatio(_)) {
                sum += score * resource.weight;
                weights += resource.weight;
            }
        }
        match self {
            _ if weights == 0 => 0,
            // Rounded to the nearest, halves up: neither is negative.
            Strategy::RequestedToCapacityRatio(_) => (2 * sum + weights) / (2 * weights),
            _ => sum / weights,
        }
    }
}

/// The value at `x` of the line through the points, which are in order of x; level outside (`BuildBrokenLinearFunction`).
pub(crate) fn piecewise_linear(points: &[(i64, i64)], x: i64) -> i64 {
    let Some(after) = points.iter().position(|(at, _)| x <= *at) else {
        return points.last().map_or(0, |(_, score)| *score);
    };
    let (right, high) = points[after];
    match after.checked_sub(1).map(|before| points[before]) {
        None => high,
        Some((left, low)) => low + (high - low) * (x - left) / (right - left).max(1),
    }
}

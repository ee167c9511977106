//! `NodeResourcesFit`: what a Pod requests must be free on the node, and emptier nodes are better (`plugins/noderesources/fit.go`,
//! `least_allocated.go`).

use super::resource_allocation::{ResourceSpec, Strategy, default_resources, read_resources};
use crate::args::ArgsReader;
use crate::framework::{ClusterEvent, Code, CycleState, Filter, Handle, Plugin, QueueingHint, Score, Status, node_of, own_update};
use crate::node_info::NodeInfo;
use crate::pod_info::PodInfo;
use crate::resources::Resources;
use api::status::FieldError;
use serde_json::Value;
use std::borrow::Cow;

/// The plugin.
#[derive(Debug)]
pub(crate) struct NodeResourcesFit {
    /// Extended resources that are not looked at, and groups of them.
    ignored: Vec<String>,
    ignored_groups: Vec<String>,
    strategy: Strategy,
    resources: Vec<ResourceSpec>,
}

impl Default for NodeResourcesFit {
    fn default() -> Self {
        let (ignored, ignored_groups) = (Vec::new(), Vec::new());
        NodeResourcesFit { ignored, ignored_groups, strategy: Strategy::LeastAllocated, resources: default_resources() }
    }
}

impl NodeResourcesFit {
    /// The plugin with these arguments (`NodeResourcesFitArgs`).
    pub(crate) fn new(args: &Value) -> Result<Self, Vec<FieldError>> {
        let mut reader = ArgsReader::new(args, &["ignoredResources", "ignoredResourceGroups", "scoringStrategy"]);
        let (ignored, ignored_groups) = (reader.texts("ignoredResources"), reader.texts("ignoredResourceGroups"));
        for (index, group) in ignored_groups.iter().enumerate().filter(|(_, group)| group.contains('/')) {
            reader.wrong(FieldError::invalid(format!("ignoredResourceGroups[{index}]"), group, "resource group name can't contain '/'"));
        }
        let scoring = reader.value("scoringStrategy");
        let resources = read_resources(&mut reader, "scoringStrategy.resources", &scoring["resources"]);
        let strategy = match scoring["type"].as_str().unwrap_or("LeastAllocated") {
            "LeastAllocated" => Strategy::LeastAllocated,
            "MostAllocated" => Strategy::MostAllocated,
            "RequestedToCapacityRatio" => {
                Strategy::RequestedToCapacityRatio(read_shape(&mut reader, &scoring["requestedToCapacityRatio"]["shape"]))
            }
            other => {
                let known = ["LeastAllocated", "MostAllocated", "RequestedToCapacityRatio"];
                reader.wrong(FieldError::not_supported("scoringStrategy.type", other, &known));
                Strategy::LeastAllocated
            }
        };
        reader.finish(NodeResourcesFit { ignored, ignored_groups, strategy, resources })
    }

    fn ignores(&self, resource: &str) -> bool {
        self.ignored.iter().any(|ignored| ignored == resource)
            || resource.split_once('/').is_some_and(|(group, _)| self.ignored_groups.iter().any(|ignored| ignored == group))
    }
}

/// Reads the points of a line: use in percent, score from 0 to 10.
fn read_shape(reader: &mut ArgsReader<'_>, value: &Value) -> Vec<(i64, i64)> {
    const AT: &str = "scoringStrategy.requestedToCapacityRatio.shape";
    let number = |value: &Value| value.as_i64().unwrap_or(0);
    let point = |point: &Value| (number(&point["utilization"]), number(&point["score"]));
    let points: Vec<(i64, i64)> = value.as_array().into_iter().flatten().map(point).collect();
    if points.is_empty() {
        reader.wrong(FieldError::required(AT, "at least one point must be specified"));
    }
    for (index, (utilization, score)) in points.iter().copied().enumerate() {
        if !(0..=100).contains(&utilization) {
            reader.wrong(FieldError::invalid_number(format!("{AT}[{index}].utilization"), utilization, "not in valid range [0, 100]"));
        }
        if !(0..=10).contains(&score) {
            reader.wrong(FieldError::invalid_number(format!("{AT}[{index}].score"), score, "not in valid range [0, 10]"));
        }
        if index > 0 && points[index - 1].0 >= utilization {
            let detail = "utilization values must be sorted in increasing order";
            reader.wrong(FieldError::invalid_number(format!("{AT}[{index}].utilization"), utilization, detail));
        }
    }
    points.into_iter().map(|(utilization, score)| (utilization, score * 10)).collect()
}

/// A resource of which the node has too little left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Insufficient {
    /// The resource.
    pub(crate) resource: String,
    /// What the Pod requests of it, what others do, and what the node has.
    pub(crate) amounts: (i64, i64, i64),
    /// In the words of the event.
    pub(crate) reason: Cow<'static, str>,
    /// Whether the Pod requests more than the whole node has, so that no preemption helps.
    pub(crate) never: bool,
}

impl NodeResourcesFit {
    /// What a node has too little of (`fitsRequest`).
    pub(crate) fn insufficient(&self, requests: &Resources, node: &NodeInfo) -> Vec<Insufficient> {
        let (mut found, used, has) = (Vec::new(), &node.requested, &node.allocatable);
        let count = i64::try_from(node.pods.len()).unwrap_or(i64::MAX);
        if count.saturating_add(1) > has.pods {
            let amounts = (1, count, has.pods);
            found.push(Insufficient { resource: "pods".to_owned(), amounts, reason: "Too many pods".into(), never: false });
        }
        let mut check = |resource: &str, reason: Option<&'static str>, wanted: i64, used: i64, has: i64| {
            if wanted > 0 && wanted > has.saturating_sub(used) {
                let reason = reason.map_or_else(|| Cow::Owned(format!("Insufficient {resource}")), Cow::Borrowed);
                found.push(Insufficient { resource: resource.to_owned(), amounts: (wanted, used, has), reason, never: wanted > has });
            }
        };
        check("cpu", Some("Insufficient cpu"), requests.cpu_milli, used.cpu_milli, has.cpu_milli);
        check("memory", Some("Insufficient memory"), requests.memory_bytes, used.memory_bytes, has.memory_bytes);
        let storage = (requests.ephemeral_storage_bytes, used.ephemeral_storage_bytes, has.ephemeral_storage_bytes);
        check("ephemeral-storage", Some("Insufficient ephemeral-storage"), storage.0, storage.1, storage.2);
        for (name, wanted) in requests.scalars.iter().filter(|(name, _)| !self.ignores(name)) {
            check(name, None, *wanted, used.get(name), has.get(name));
        }
        found
    }
}

impl Plugin for NodeResourcesFit {
    fn name(&self) -> &'static str {
        "NodeResourcesFit"
    }

    fn queueing_hint(&self, pod: &PodInfo, event: &ClusterEvent<'_>) -> QueueingHint {
        let helps = match event {
            ClusterEvent::AssignedPodDelete(_) => true,
            ClusterEvent::AssignedPodUpdate(old, new) => old.requests != new.requests,
            other => match node_of(other) {
                Some(node) => self.insufficient(&pod.requests, &NodeInfo::new(node.clone().into())).is_empty(),
                None => own_update(other, |old, new| old.spec.containers != new.spec.containers),
            },
        };
        helps.into()
    }

    fn as_filter(&self) -> Option<&dyn Filter> {
        Some(self)
    }

    fn as_score(&self) -> Option<&dyn Score> {
        Some(self)
    }
}

impl Filter for NodeResourcesFit {
    fn filter(&self, _state: &CycleState, pod: &PodInfo, node: &NodeInfo, _handle: &Handle<'_>) -> Result<(), Status> {
        let found = self.insufficient(&pod.requests, node);
        if found.is_empty() {
            return Ok(());
        }
        let never = found.iter().any(|resource| resource.never);
        let code = if never { Code::UnschedulableAndUnresolvable } else { Code::Unschedulable };
        Err(Status { code, reasons: found.into_iter().map(|resource| resource.reason).collect(), plugin: "" })
    }
}

impl Score for NodeResourcesFit {
    /// What would be free, or used, or as the shape says: the mean over the resources that count.
    fn score(&self, _state: &CycleState, pod: &PodInfo, node: &NodeInfo, _handle: &Handle<'_>) -> i64 {
        self.strategy.mean(&self.resources, pod, node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{node_info, pod};

    fn refusal(cpu: i64, taken: i64) -> Option<(bool, String)> {
        let node = node_info("n", 4000, &[pod("other").cpu(taken).info()]);
        let found = NodeResourcesFit::default().insufficient(&pod("web").cpu(cpu).info().requests, &node);
        found.first().map(|first| (first.never, first.reason.to_string()))
    }

    #[test]
    fn requests_must_be_free() {
        assert_eq!(refusal(1000, 3000), None);
        assert_eq!(refusal(1001, 3000), Some((false, "Insufficient cpu".to_owned())));
        assert_eq!(refusal(4001, 0), Some((true, "Insufficient cpu".to_owned())));
    }

    #[test]
    fn a_node_holds_so_many_pods() {
        let pods: Vec<_> = (0..110).map(|number| pod(&format!("p{number}")).info()).collect();
        let node = node_info("n", 4000, &pods);
        let found = NodeResourcesFit::default().insufficient(&pod("web").info().requests, &node);
        assert_eq!(found.iter().map(|found| found.reason.as_ref()).collect::<Vec<_>>(), ["Too many pods"]);
    }
}

//! Why a Pod fits no node, node by node, and the message that says so (`framework.Diagnosis`, `FitError`).

use crate::framework::{Code, Status};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The refusals by node (`NodeToStatus`).
#[derive(Clone, Debug)]
pub(crate) struct NodeStatuses {
    /// The refusals of the nodes that were looked at, by node name.
    pub(crate) by_node: BTreeMap<Arc<str>, Status>,
    /// What counts for nodes that were not looked at.
    pub(crate) absent: Status,
}

impl Default for NodeStatuses {
    fn default() -> Self {
        NodeStatuses {
            by_node: BTreeMap::new(),
            absent: Status { code: Code::UnschedulableAndUnresolvable, reasons: Vec::new(), plugin: "" },
        }
    }
}

impl NodeStatuses {
    /// The refusal of a node.
    pub(crate) fn get(&self, node: &str) -> &Status {
        self.by_node.get(node).unwrap_or(&self.absent)
    }

    /// Notes the refusal of a node.
    pub(crate) fn insert(&mut self, node: Arc<str>, status: Status) {
        self.by_node.insert(node, status);
    }

    /// How often each reason came, as `2 Insufficient cpu, 1 node(s) were unschedulable`, sorted as text; of `nodes` nodes in all.
    fn histogram(&self, nodes: usize) -> String {
        let mut reasons: BTreeMap<&Cow<'static, str>, usize> = BTreeMap::new();
        for reason in self.by_node.values().flat_map(|status| &status.reasons) {
            *reasons.entry(reason).or_default() += 1;
        }
        let absent = nodes.saturating_sub(self.by_node.len());
        if absent > 0 {
            for reason in &self.absent.reasons {
                *reasons.entry(reason).or_default() += absent;
            }
        }
        let mut lines: Vec<String> = reasons.into_iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        lines.sort();
        lines.join(", ")
    }
}

/// Why a Pod fits no node.
#[derive(Clone, Debug, Default)]
pub(crate) struct Diagnosis {
    /// How many nodes there are.
    pub(crate) nodes: usize,
    /// What was said of each.
    pub(crate) statuses: NodeStatuses,
    /// The plugins that refused: their events can wake the Pod.
    pub(crate) plugins: BTreeSet<&'static str>,
    /// What a PreFilter plugin said, if one refused the Pod as a whole.
    pub(crate) pre_filter_message: String,
    /// What the PostFilter plugins said.
    pub(crate) post_filter_message: String,
}

impl Diagnosis {
    /// The message of the `FailedScheduling` event (`FitError.Error`).
    pub(crate) fn message(&self) -> String {
        let mut message = format!("0/{} nodes are available:", self.nodes);
        if self.pre_filter_message.is_empty() {
            let histogram = self.statuses.histogram(self.nodes);
            if !histogram.is_empty() {
                message.push_str(&format!(" {histogram}."));
            }
        } else {
            message.push_str(&format!(" {}.", self.pre_filter_message));
        }
        if !self.post_filter_message.is_empty() {
            message.push(' ');
            message.push_str(&self.post_filter_message);
        }
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_counted_and_sorted_as_text() {
        let mut diagnosis = Diagnosis { nodes: 12, ..Diagnosis::default() };
        for node in ["a", "b"] {
            diagnosis.statuses.by_node.insert(node.into(), Status::unschedulable("Insufficient cpu"));
        }
        diagnosis.statuses.absent = Status::unresolvable("elsewhere");
        diagnosis.post_filter_message = "preemption: no.".to_owned();
        assert_eq!(diagnosis.message(), "0/12 nodes are available: 10 elsewhere, 2 Insufficient cpu. preemption: no.");
        diagnosis.pre_filter_message = "never".to_owned();
        assert_eq!(diagnosis.message(), "0/12 nodes are available: never. preemption: no.");
    }
}

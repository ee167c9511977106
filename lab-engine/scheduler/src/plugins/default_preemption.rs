//! `DefaultPreemption`: makes room for a Pod that fits nowhere, by Pods of lower priority (`plugins/defaultpreemption`,
//! `framework/preemption`; kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption).
//!
//! On each node where it may help, all Pods of lower priority are thought away; if the Pod fits then, they come back one by one, the most
//! important first, as long as it still fits; those that a PodDisruptionBudget protects come back before all others. Those that cannot come
//! back are the victims. Of all candidates the one whose victims matter least is taken, first of all the one that violates the fewest
//! budgets.
//!
//! **Simplified here:** the search begins with the first node, not with a random one.

use crate::args::ArgsReader;
use crate::diagnosis::{Diagnosis, NodeStatuses};
use crate::framework::runtime::Framework;
use crate::framework::{ClusterEvent, Code, CycleState, Handle, Nomination, Plugin, PostFilter, PostFilterResult, QueueingHint, Status};
use crate::node_info::NodeInfo;
use crate::pod_info::{PodInfo, namespace_of};
use api::meta::{Timestamp, condition};
use api::status::FieldError;
use serde_json::Value;
use std::cmp::Reverse;
use std::sync::Arc;

/// The plugin.
#[derive(Debug)]
pub(crate) struct DefaultPreemption {
    /// At least so many candidates are compared if there are as many (`minCandidateNodesAbsolute`).
    min_candidates: usize,
    /// In a big cluster at least this percentage of the nodes (`minCandidateNodesPercentage`).
    min_candidates_percent: usize,
}

impl Default for DefaultPreemption {
    fn default() -> Self {
        DefaultPreemption { min_candidates: 100, min_candidates_percent: 10 }
    }
}

impl DefaultPreemption {
    /// The plugin with these arguments (`DefaultPreemptionArgs`).
    pub(crate) fn new(args: &Value) -> Result<Self, Vec<FieldError>> {
        let mut reader = ArgsReader::new(args, &["minCandidateNodesPercentage", "minCandidateNodesAbsolute"]);
        let percent = reader.number("minCandidateNodesPercentage", 10, 0..=100);
        let absolute = reader.number("minCandidateNodesAbsolute", 100, 0..=i64::from(i32::MAX));
        if percent == 0 && absolute == 0 {
            let detail = "cannot be zero at the same time as minCandidateNodesAbsolute";
            reader.wrong(FieldError::invalid_number("minCandidateNodesPercentage", 0, detail));
        }
        let size = |number: i64| usize::try_from(number).unwrap_or(0);
        reader.finish(DefaultPreemption { min_candidates: size(absolute), min_candidates_percent: size(percent) })
    }

    /// The nodes on which preemption would help, those that violate no budget first; and why the others are none
    /// (`DryRunPreemption`). `may_help` says of which nodes it is to be tried.
    pub(crate) fn candidates(
        &self,
        state: &CycleState,
        pod: &PodInfo,
        may_help: impl Fn(&NodeInfo) -> bool,
        runtime: &Framework,
        handle: &Handle<'_>,
    ) -> (Vec<Candidate>, NodeStatuses) {
        let (mut kept, mut violating, mut refusals) = (Vec::new(), Vec::new(), NodeStatuses::default());
        let enough = (handle.nodes.len() * self.min_candidates_percent / 100).max(self.min_candidates);
        for node in handle.nodes.iter().filter(|node| may_help(node)) {
            match victims_on(state, pod, node, runtime, handle) {
                Ok(candidate) if candidate.victims.is_empty() => {
                    let reason = format!("expected at least one victim pod on node {:?}", node.name);
                    refusals.insert(node.name.clone(), Status::new(Code::Error, reason));
                }
                Ok(candidate) if candidate.violations == 0 => kept.push(candidate),
                Ok(candidate) => violating.push(candidate),
                Err(status) => refusals.insert(node.name.clone(), status),
            }
            if !kept.is_empty() && kept.len() + violating.len() >= enough {
                break;
            }
        }
        kept.append(&mut violating);
        (kept, refusals)
    }
}

/// What went wrong on the nodes themselves, all together; `None` when each node merely does not help (the error of `DryRunPreemption`).
pub(crate) fn failure(refusals: &NodeStatuses) -> Option<String> {
    let failed = refusals.by_node.values().filter(|status| status.code == Code::Error);
    match failed.map(Status::message).collect::<Vec<_>>().as_slice() {
        [] => None,
        [only] => Some(only.clone()),
        several => Some(format!("[{}]", several.join(", "))),
    }
}

/// A node on which the Pod fits without these Pods, the most important first.
#[derive(Debug)]
pub(crate) struct Candidate {
    /// The node.
    pub(crate) node: Arc<str>,
    /// The Pods that would have to go.
    pub(crate) victims: Vec<Arc<PodInfo>>,
    /// How many of them a budget protects (`NumPDBViolations`).
    pub(crate) violations: usize,
}

impl Plugin for DefaultPreemption {
    fn name(&self) -> &'static str {
        "DefaultPreemption"
    }

    fn queueing_hint(&self, _pod: &PodInfo, _event: &ClusterEvent<'_>) -> QueueingHint {
        QueueingHint::Skip
    }

    fn as_post_filter(&self) -> Option<&dyn PostFilter> {
        Some(self)
    }
}

/// When the Pod started, to compare by: one that has not comes after all others (`GetPodStartTime`).
fn started_or_never(pod: &PodInfo) -> (bool, Option<Timestamp>) {
    let time = pod.pod.status.start_time;
    (time.is_none(), time)
}

/// Whether the Pod may push others away now; else why not (`PodEligibleToPreemptOthers`).
pub(crate) fn eligible(pod: &PodInfo, statuses: &NodeStatuses, handle: &Handle<'_>) -> Result<(), &'static str> {
    if pod.pod.spec.preemption_policy.as_deref() == Some("Never") {
        return Err("not eligible due to preemptionPolicy=Never.");
    }
    let nominated = handle.nominator.node_of(&pod.key).and_then(|node| handle.nodes.get(node));
    let Some(node) = nominated.filter(|node| statuses.get(&node.name).code != Code::UnschedulableAndUnresolvable) else { return Ok(()) };
    let makes_room = |other: &Arc<PodInfo>| {
        other.priority() < pod.priority()
            && other.pod.metadata.is_deleting()
            && condition(&other.pod.status.conditions, "DisruptionTarget")
                .is_some_and(|condition| condition.status == "True" && condition.reason == "PreemptionByScheduler")
    };
    if node.pods.iter().any(makes_room) { Err("not eligible due to a terminating pod on the nominated node.") } else { Ok(()) }
}

/// The Pods whose end would violate a budget, and the others, each in the order given (`filterPodsWithPDBViolation`).
fn by_budget(pods: Vec<Arc<PodInfo>>, handle: &Handle<'_>) -> (Vec<Arc<PodInfo>>, Vec<Arc<PodInfo>>) {
    let mut budgets: Vec<_> = handle.listers.budgets.list().map(|budget| (budget, budget.allowed)).collect();
    pods.into_iter().partition(|pod| {
        let (labels, name) = (&pod.pod.metadata.labels, &pod.pod.metadata.name);
        let mut violates = false;
        // A Pod without labels is protected by none.
        for (budget, allowed) in budgets.iter_mut().filter(|_| !labels.is_empty()) {
            let other_namespace = budget.metadata.namespace != namespace_of(&pod.pod);
            if other_namespace || budget.selector.requirements.is_empty() || !budget.selector.matches(labels) {
                continue;
            }
            // The end of one that is going already was counted when it was granted.
            if !budget.disrupted.contains(name) {
                *allowed -= 1;
                violates |= *allowed < 0;
            }
        }
        violates
    })
}

/// Which Pods would have to leave a node (`SelectVictimsOnNode`).
fn victims_on(state: &CycleState, pod: &PodInfo, node: &NodeInfo, runtime: &Framework, handle: &Handle<'_>) -> Result<Candidate, Status> {
    let mut lower: Vec<Arc<PodInfo>> = node.pods.iter().filter(|other| other.priority() < pod.priority()).cloned().collect();
    if lower.is_empty() {
        return Err(Status::unresolvable("No preemption victims found for incoming pod"));
    }
    let (mut state, mut node) = (state.clone(), node.clone());
    for other in &lower {
        node.remove_pod(&other.key);
        runtime.remove_pod(&mut state, pod, other, &node, handle);
    }
    let filters = runtime.filters(&state);
    runtime.run_filters_with_nominated(&filters, &state, pod, &node, handle)?;
    lower.sort_by_key(|other| importance(other));
    let (protected, others) = by_budget(lower, handle);
    let (mut victims, mut violations) = (Vec::new(), 0);
    for (other, protected) in protected.into_iter().map(|pod| (pod, true)).chain(others.into_iter().map(|pod| (pod, false))) {
        node.add_pod(other.clone());
        runtime.add_pod(&mut state, pod, &other, &node, handle);
        if runtime.run_filters_with_nominated(&filters, &state, pod, &node, handle).is_err() {
            node.remove_pod(&other.key);
            runtime.remove_pod(&mut state, pod, &other, &node, handle);
            victims.push(other);
            violations += usize::from(protected);
        }
    }
    victims.sort_by_key(|victim| importance(victim));
    Ok(Candidate { node: node.name.clone(), victims, violations })
}

/// To sort Pods by, the most important first (`MoreImportantPod`).
fn importance(pod: &PodInfo) -> (Reverse<i32>, (bool, Option<Timestamp>)) {
    (Reverse(pod.priority()), started_or_never(pod))
}

/// The candidate whose victims matter least (`pickOneNodeForPreemption`).
pub(crate) fn pick(candidates: Vec<Candidate>) -> Option<Candidate> {
    let rank = |candidate: &Candidate| {
        let priorities = || candidate.victims.iter().map(|victim| i64::from(victim.priority()));
        let highest = priorities().max();
        let sum: i64 = priorities().map(|priority| priority - i64::from(i32::MIN)).sum();
        let most_important = candidate.victims.iter().filter(|victim| Some(i64::from(victim.priority())) == highest);
        // The one whose most important victims started last.
        let earliest = most_important.map(|victim| started_or_never(victim)).min();
        (candidate.violations, highest, sum, candidate.victims.len(), Reverse(earliest))
    };
    // Of equally good ones the first.
    candidates.into_iter().min_by_key(rank)
}

impl PostFilter for DefaultPreemption {
    fn post_filter(
        &self,
        state: &CycleState,
        pod: &PodInfo,
        statuses: &NodeStatuses,
        runtime: &Framework,
        handle: &Handle<'_>,
    ) -> PostFilterResult {
        if let Err(why) = eligible(pod, statuses, handle) {
            return PostFilterResult::Refused(Status::unschedulable(format!("preemption: {why}")), false);
        }
        let may_help = |node: &NodeInfo| statuses.get(&node.name).code == Code::Unschedulable;
        let (candidates, mut refusals) = self.candidates(state, pod, may_help, runtime, handle);
        if let Some(Candidate { node, victims, .. }) = pick(candidates) {
            return PostFilterResult::Nominated(Nomination { node, victims });
        }
        if let Some(failure) = failure(&refusals) {
            return PostFilterResult::Refused(Status::new(Code::Error, format!("preemption: {failure}")), false);
        }
        refusals.absent = Status::unresolvable("Preemption is not helpful for scheduling");
        let diagnosis = Diagnosis { nodes: handle.nodes.len(), statuses: refusals, ..Diagnosis::default() };
        PostFilterResult::Refused(Status::unschedulable(format!("preemption: {}", diagnosis.message())), true)
    }
}

//! `DefaultPreemption`: makes room for a Pod that fits nowhere, by Pods of lower priority (`plugins/defaultpreemption`,
//! `framework/preemption`; kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption).
//!
//! On each node where it may help, all Pods of lower priority are thought away; if the Pod fits then, they come back one by one, the most
//! important first, as long as it still fits. Those that cannot come back are the victims.
//!
//! **Simplified here:** PodDisruptionBudgets are not looked at; the search begins with the first node, not with a random one.

use crate::diagnosis::{Diagnosis, NodeStatuses};
use crate::framework::runtime::Framework;
use crate::framework::{ClusterEvent, Code, CycleState, Handle, Nomination, Plugin, PostFilter, PostFilterResult, QueueingHint, Status};
use crate::node_info::NodeInfo;
use crate::pod_info::PodInfo;
use api::meta::{Timestamp, condition};
use std::cmp::Reverse;
use std::sync::Arc;

/// The plugin.
#[derive(Debug)]
pub(crate) struct DefaultPreemption;

/// At least so many candidates are compared if there are as many (`minCandidateNodesAbsolute`).
const MIN_CANDIDATES: usize = 100;
/// In a big cluster at least this percentage of the nodes (`minCandidateNodesPercentage`).
const MIN_CANDIDATES_PERCENT: usize = 10;

/// A node on which the Pod fits without these Pods, the most important first.
#[derive(Debug)]
struct Candidate {
    node: Arc<str>,
    victims: Vec<Arc<PodInfo>>,
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
fn eligible(pod: &PodInfo, statuses: &NodeStatuses, handle: &Handle<'_>) -> Result<(), &'static str> {
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

/// Which Pods would have to leave a node (`SelectVictimsOnNode`).
fn victims_on(
    state: &CycleState,
    pod: &PodInfo,
    node: &NodeInfo,
    runtime: &Framework,
    handle: &Handle<'_>,
) -> Result<Vec<Arc<PodInfo>>, Status> {
    let (mut state, mut node) = (state.clone(), node.clone());
    let mut lower: Vec<Arc<PodInfo>> = node.pods.iter().filter(|other| other.priority() < pod.priority()).cloned().collect();
    if lower.is_empty() {
        return Err(Status::unresolvable("No preemption victims found for incoming pod"));
    }
    for other in &lower {
        node.remove_pod(&other.key);
        runtime.remove_pod(&mut state, pod, other, &node, handle);
    }
    let filters = runtime.filters(&state);
    runtime.run_filters_with_nominated(&filters, &state, pod, &node, handle)?;
    lower.sort_by_key(|other| (Reverse(other.priority()), started_or_never(other)));
    let mut victims = Vec::new();
    for other in lower {
        node.add_pod(other.clone());
        runtime.add_pod(&mut state, pod, &other, &node, handle);
        if runtime.run_filters_with_nominated(&filters, &state, pod, &node, handle).is_err() {
            node.remove_pod(&other.key);
            runtime.remove_pod(&mut state, pod, &other, &node, handle);
            victims.push(other);
        }
    }
    Ok(victims)
}

/// The candidate whose victims matter least (`pickOneNodeForPreemption`).
fn pick(candidates: Vec<Candidate>) -> Option<Candidate> {
    let rank = |candidate: &Candidate| {
        let priorities = || candidate.victims.iter().map(|victim| i64::from(victim.priority()));
        let highest = priorities().max();
        let sum: i64 = priorities().map(|priority| priority - i64::from(i32::MIN)).sum();
        let most_important = candidate.victims.iter().filter(|victim| Some(i64::from(victim.priority())) == highest);
        // The one whose most important victims started last.
        let earliest = most_important.map(|victim| started_or_never(victim)).min();
        (highest, sum, candidate.victims.len(), Reverse(earliest))
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
        let enough = (handle.nodes.len() * MIN_CANDIDATES_PERCENT / 100).max(MIN_CANDIDATES);
        let (mut candidates, mut refusals) = (Vec::new(), NodeStatuses::default());
        for node in handle.nodes.iter().filter(|node| statuses.get(&node.name).code == Code::Unschedulable) {
            match victims_on(state, pod, node, runtime, handle) {
                Ok(victims) if victims.is_empty() => {
                    let reason = format!("expected at least one victim pod on node {:?}", node.name);
                    refusals.by_node.insert(node.name.clone(), Status::new(Code::Error, reason));
                }
                Ok(victims) => candidates.push(Candidate { node: node.name.clone(), victims }),
                Err(status) => {
                    refusals.by_node.insert(node.name.clone(), status);
                }
            }
            if candidates.len() >= enough {
                break;
            }
        }
        if let Some(Candidate { node, victims }) = pick(candidates) {
            return PostFilterResult::Nominated(Nomination { node, victims });
        }
        refusals.absent = Status::unresolvable("Preemption is not helpful for scheduling");
        let diagnosis = Diagnosis { nodes: handle.nodes.len(), statuses: refusals, ..Diagnosis::default() };
        PostFilterResult::Refused(Status::unschedulable(format!("preemption: {}", diagnosis.message())), true)
    }
}

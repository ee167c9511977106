//! The scheduling framework: the points at which plugins take part in a cycle (`k8s.io/kube-scheduler/framework`).
//!
//! ```text
//! queue ─PreEnqueue─▶ │ PreFilter ▶ Filter (each node) ─▶ PreScore ▶ Score (each node) ▶ Normalize ─▶ Reserve ▶ PreBind ▶ Bind
//!                     │                └─ no node ──▶ PostFilter (preemption)
//! ```
//!
//! A plugin is one file below `plugins/`. It implements [`Plugin`], which names it and says at which points it takes part, and the trait
//! of each of those points. `registry.rs` puts it into the profile. Plugins know nothing of the trace: [`runtime`] sees what they say.
//!
//! **Simplified here:** no Permit and PostBind, which no plugin of the default profile uses.

pub(crate) mod cycle_state;
pub(crate) mod events;
pub(crate) mod runtime;
pub(crate) mod status;

pub(crate) use cycle_state::CycleState;
pub(crate) use events::{ClusterEvent, QueueingHint};
pub(crate) use status::{Code, Status};

use crate::cache::Snapshot;
use crate::diagnosis::NodeStatuses;
use crate::listers::Listers;
use crate::node_info::NodeInfo;
use crate::pod_info::PodInfo;
use crate::queue::Nominator;
use api::http::Request;
use client::ObjectKey;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// The best score that a plugin can give a node.
pub(crate) const MAX_NODE_SCORE: i64 = 100;

/// What plugins can look at besides the Pod and the node (`framework.Handle`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Handle<'a> {
    /// All nodes with their Pods.
    pub(crate) nodes: &'a Snapshot,
    /// Other objects.
    pub(crate) listers: Listers<'a>,
    /// Pods for which preemption is making room.
    pub(crate) nominator: &'a Nominator,
    /// Volumes that Pods on their way are to get.
    pub(crate) reservations: &'a Reservations,
}

/// Volumes that Pods on their way to a node are to get, by name, with the claim that gets each: what VolumeBinding assumed and the API
/// server does not say yet (`AssumeCache`).
pub(crate) type Reservations = BTreeMap<String, ObjectKey>;

/// A plugin: its name, and the points at which it takes part.
pub(crate) trait Plugin: fmt::Debug {
    /// Its name, as in the component's configuration and in upstream's `names.go`.
    fn name(&self) -> &'static str;

    /// Whether an event may make a Pod schedulable that this plugin refused.
    fn queueing_hint(&self, pod: &PodInfo, event: &ClusterEvent<'_>) -> QueueingHint;

    /// The plugin, if it decides whether a Pod may enter the queue.
    fn as_pre_enqueue(&self) -> Option<&dyn PreEnqueue> {
        None
    }

    /// The plugin, if it looks at the Pod before any node.
    fn as_pre_filter(&self) -> Option<&dyn PreFilter> {
        None
    }

    /// The plugin, if it filters nodes.
    fn as_filter(&self) -> Option<&dyn Filter> {
        None
    }

    /// The plugin, if it can help a Pod that fits no node.
    fn as_post_filter(&self) -> Option<&dyn PostFilter> {
        None
    }

    /// The plugin, if it scores nodes.
    fn as_score(&self) -> Option<&dyn Score> {
        None
    }

    /// The plugin, if it keeps something for a Pod from the decision on.
    fn as_reserve(&self) -> Option<&dyn Reserve> {
        None
    }

    /// The plugin, if something has to be done before a Pod is bound.
    fn as_pre_bind(&self) -> Option<&dyn PreBind> {
        None
    }

    /// The plugin, if it binds Pods.
    fn as_bind(&self) -> Option<&dyn Bind> {
        None
    }
}

/// Decides whether a Pod may enter the queue.
pub(crate) trait PreEnqueue {
    /// # Errors
    /// The Pod has to wait; the status says why.
    fn pre_enqueue(&self, pod: &PodInfo) -> Result<(), Status>;
}

/// On which nodes a plugin wants the Pod to be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PreFilterResult {
    /// On all.
    AllNodes,
    /// On these only.
    Nodes(BTreeSet<String>),
    /// On all, and the plugin's filter need not be asked.
    Skip,
}

/// Looks at a Pod before any node.
pub(crate) trait PreFilter {
    /// # Errors
    /// No node will do.
    fn pre_filter(&self, state: &mut CycleState, pod: &PodInfo, handle: &Handle<'_>) -> Result<PreFilterResult, Status>;

    /// Accounts in the state for `added`, a Pod that would be on `node` as well.
    fn add_pod(&self, state: &mut CycleState, pod: &PodInfo, added: &PodInfo, node: &NodeInfo, handle: &Handle<'_>) {
        let _ = (state, pod, added, node, handle);
    }

    /// Accounts in the state for `removed`, a Pod that would no longer be on `node`.
    fn remove_pod(&self, state: &mut CycleState, pod: &PodInfo, removed: &PodInfo, node: &NodeInfo, handle: &Handle<'_>) {
        let _ = (state, pod, removed, node, handle);
    }
}

/// Filters nodes.
pub(crate) trait Filter {
    /// # Errors
    /// The Pod does not fit the node.
    fn filter(&self, state: &CycleState, pod: &PodInfo, node: &NodeInfo, handle: &Handle<'_>) -> Result<(), Status>;
}

/// What is to be done so that the Pod fits later (`PostFilterResult`).
#[derive(Clone, Debug)]
pub(crate) struct Nomination {
    /// The node on which room is made.
    pub(crate) node: Arc<str>,
    /// The Pods that have to go.
    pub(crate) victims: Vec<Arc<PodInfo>>,
}

/// What came of an attempt to help a Pod that fits no node.
#[derive(Clone, Debug)]
pub(crate) enum PostFilterResult {
    /// There is a way.
    Nominated(Nomination),
    /// There is none; the status says why. With the flag, what was arranged for the Pod before is void.
    Refused(Status, bool),
}

/// Helps a Pod that fits no node.
pub(crate) trait PostFilter {
    /// Looks for a way. `statuses` are the refusals by node; `runtime` can filter with changed nodes.
    fn post_filter(
        &self,
        state: &CycleState,
        pod: &PodInfo,
        statuses: &NodeStatuses,
        runtime: &runtime::Framework,
        handle: &Handle<'_>,
    ) -> PostFilterResult;
}

/// Whether a plugin has something to score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PreScoreResult {
    /// It has.
    Score,
    /// All nodes are alike to it.
    Skip,
}

/// What one plugin gave one node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NodeScore<'a> {
    /// The node.
    pub(crate) node: &'a NodeInfo,
    /// Its score, before or after normalisation.
    pub(crate) score: i64,
}

/// Scores nodes.
pub(crate) trait Score {
    /// Prepares the scoring of `nodes`, those that the Pod fits.
    fn pre_score(&self, state: &mut CycleState, pod: &PodInfo, nodes: &[&NodeInfo], handle: &Handle<'_>) -> PreScoreResult {
        let _ = (state, pod, nodes, handle);
        PreScoreResult::Score
    }

    /// Accounts in what PreScore counted over all nodes for `other`, a Pod that came to `node` (`amount` 1) or left it (-1).
    fn update(&self, state: &mut CycleState, pod: &PodInfo, other: &PodInfo, node: &NodeInfo, handle: &Handle<'_>, amount: i64) {
        let _ = (state, pod, other, node, handle, amount);
    }

    /// The score of one node, in any scale.
    fn score(&self, state: &CycleState, pod: &PodInfo, node: &NodeInfo, handle: &Handle<'_>) -> i64;

    /// Brings the scores of all nodes to 0 to [`MAX_NODE_SCORE`].
    fn normalize(&self, state: &CycleState, scores: &mut [NodeScore<'_>]) {
        let _ = (state, scores);
    }
}

/// Keeps something for a Pod from the decision on, until it is bound or fails. What is kept is in [`Handle::reservations`].
pub(crate) trait Reserve {
    /// What is to be kept for the Pod on this node.
    ///
    /// # Errors
    /// It is not to be had any more.
    fn reserve(&self, state: &CycleState, pod: &PodInfo, node: &NodeInfo, handle: &Handle<'_>) -> Result<Reservations, Status>;
}

/// How far the work before a binding is.
#[derive(Clone, Debug)]
pub(crate) enum PreBindProgress {
    /// Done.
    Ready,
    /// Others have to do their part; the caches will tell.
    Waiting,
}

/// Does something before a Pod is bound.
pub(crate) trait PreBind {
    /// The requests to send, once; none if nothing is to be done. `reserved` is what was kept for the Pod.
    fn pre_bind(&self, pod: &PodInfo, node: &str, reserved: &Reservations, handle: &Handle<'_>) -> Vec<Request>;

    /// Whether the Pod can be bound, as the caches are now.
    ///
    /// # Errors
    /// It never can.
    fn progress(&self, pod: &PodInfo, node: &str, handle: &Handle<'_>) -> Result<PreBindProgress, Status>;
}

/// Binds Pods to nodes.
pub(crate) trait Bind {
    /// The request that binds the Pod.
    fn bind(&self, pod: &PodInfo, node: &str) -> Request;
}

/// Scales scores so that the best gets [`MAX_NODE_SCORE`] (`helper.DefaultNormalizeScore`); with `reverse`, the lowest is the best.
pub(crate) fn default_normalize(scores: &mut [NodeScore<'_>], reverse: bool) {
    let max = scores.iter().map(|score| score.score).max().unwrap_or(0);
    for score in scores {
        let scaled = if max == 0 { 0 } else { MAX_NODE_SCORE * score.score / max };
        score.score = if reverse { MAX_NODE_SCORE - scaled } else { scaled };
    }
}

/// Whether an event is one of a node that came or changed; the plugin then looks at the node as it is now.
pub(crate) fn node_of<'a>(event: &ClusterEvent<'a>) -> Option<&'a api::core::Node> {
    match event {
        ClusterEvent::NodeAdd(node) | ClusterEvent::NodeUpdate(node) => Some(node),
        _ => None,
    }
}

/// Whether an event is a change of the waiting Pod itself that `matters`.
pub(crate) fn own_update(event: &ClusterEvent<'_>, matters: impl Fn(&api::core::Pod, &api::core::Pod) -> bool) -> bool {
    matches!(event, ClusterEvent::TargetPodUpdate(old, new) if matters(old, new))
}

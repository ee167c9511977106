//! The runtime: calls the plugins of a profile at their points, in the order of the profile (`pkg/scheduler/framework/runtime`).

use super::{
    ClusterEvent, CycleState, Filter, Handle, MAX_NODE_SCORE, NodeScore, Plugin, PostFilterResult, PreBindProgress, PreFilterResult,
    PreScoreResult, QueueingHint, Reservations, Status,
};
use crate::diagnosis::NodeStatuses;
use crate::node_info::NodeInfo;
use crate::pod_info::PodInfo;
use api::http::Request;
use sim::PluginScore;
use std::collections::BTreeSet;

/// A plugin of a profile, and how much its scores weigh.
#[derive(Debug)]
pub(crate) struct Enabled {
    /// The plugin.
    pub(crate) plugin: Box<dyn Plugin>,
    /// By what its scores are multiplied.
    pub(crate) weight: i64,
}

/// The plugins of a profile.
#[derive(Debug)]
pub(crate) struct Framework {
    plugins: Vec<Enabled>,
}

/// The filters of one cycle, with their names.
pub(crate) type Filters<'a> = Vec<(&'static str, &'a dyn Filter)>;

/// On which nodes a Pod is to be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// On all.
    AllNodes,
    /// On these only, as these plugins want it.
    Nodes(BTreeSet<String>, BTreeSet<&'static str>),
}

/// The scores of some nodes, plugin by plugin.
#[derive(Debug, Default)]
pub(crate) struct Scores {
    /// Each plugin with its weight and its score of each node, in the order of the profile.
    by_plugin: Vec<(&'static str, i64, Vec<i64>)>,
    /// The sum of the weighted scores for each node.
    pub(crate) totals: Vec<i64>,
}

impl Scores {
    /// What each plugin gave the node at this place, in the order of the profile.
    pub(crate) fn of(&self, place: usize) -> impl Iterator<Item = PluginScore> {
        let of = move |(plugin, weight, scores): &(&'static str, i64, Vec<i64>)| PluginScore {
            plugin,
            score: scores.get(place).copied().unwrap_or(0),
            weight: *weight,
        };
        self.by_plugin.iter().map(of)
    }
}

impl Framework {
    /// A framework with these plugins.
    pub(crate) fn new(plugins: Vec<Enabled>) -> Self {
        Framework { plugins }
    }

    fn plugins(&self) -> impl Iterator<Item = &dyn Plugin> {
        self.plugins.iter().map(|enabled| enabled.plugin.as_ref())
    }

    /// The plugin that keeps the Pod out of the queue, if one does.
    pub(crate) fn run_pre_enqueue(&self, pod: &PodInfo) -> Option<&'static str> {
        let refuses = |plugin: &&dyn Plugin| plugin.as_pre_enqueue().is_some_and(|point| point.pre_enqueue(pod).is_err());
        self.plugins().find(refuses).map(Plugin::name)
    }

    /// Whether the event may make a Pod schedulable that these plugins refused (`isPodWorthRequeuing`).
    pub(crate) fn queueing_hint(&self, pod: &PodInfo, refused_by: &BTreeSet<&'static str>, event: &ClusterEvent<'_>) -> QueueingHint {
        let helps = |plugin: &dyn Plugin| refused_by.contains(plugin.name()) && plugin.queueing_hint(pod, event) == QueueingHint::Queue;
        QueueingHint::from(refused_by.is_empty() || self.plugins().any(helps))
    }

    /// Asks each PreFilter plugin (`RunPreFilterPlugins`).
    ///
    /// # Errors
    /// The first refusal, or that the plugins want the Pod on different nodes.
    pub(crate) fn run_pre_filter(&self, state: &mut CycleState, pod: &PodInfo, handle: &Handle<'_>) -> Result<Scope, Status> {
        let mut scope = Scope::AllNodes;
        for plugin in self.plugins() {
            let Some(point) = plugin.as_pre_filter() else {
                continue;
            };
            match point.pre_filter(state, pod, handle).map_err(|status| status.by(plugin.name()))? {
                PreFilterResult::AllNodes => {}
                PreFilterResult::Skip => state.skip_filter(plugin.name()),
                PreFilterResult::Nodes(nodes) => {
                    let (mut nodes, mut by) = match scope {
                        Scope::AllNodes => (nodes, BTreeSet::new()),
                        Scope::Nodes(others, by) => (nodes.intersection(&others).cloned().collect(), by),
                    };
                    by.insert(plugin.name());
                    nodes.retain(|node| !node.is_empty());
                    if nodes.is_empty() {
                        let names: Vec<&str> = by.iter().copied().collect();
                        let reason = match names[..] {
                            [only] => format!("node(s) didn't satisfy plugin {only}"),
                            _ => format!("node(s) didn't satisfy plugin(s) [{}] simultaneously", names.join(" ")),
                        };
                        return Err(Status::unresolvable(reason).by(plugin.name()));
                    }
                    scope = Scope::Nodes(nodes, by);
                }
            }
        }
        Ok(scope)
    }

    /// The filters that have something to say in this cycle.
    pub(crate) fn filters(&self, state: &CycleState) -> Filters<'_> {
        self.plugins()
            .filter(|plugin| !state.skips_filter(plugin.name()))
            .filter_map(|plugin| plugin.as_filter().map(|filter| (plugin.name(), filter)))
            .collect()
    }

    /// Asks the filters about one node, until one refuses (`RunFilterPlugins`).
    ///
    /// # Errors
    /// The first refusal.
    pub(crate) fn run_filters(
        filters: &Filters<'_>,
        state: &CycleState,
        pod: &PodInfo,
        node: &NodeInfo,
        handle: &Handle<'_>,
    ) -> Result<(), Status> {
        for (name, filter) in filters {
            filter.filter(state, pod, node, handle).map_err(|status| status.by(name))?;
        }
        Ok(())
    }

    /// Asks the filters about one node, also for the case that Pods of at least the same priority for which room is being made on it
    /// are there already (`RunFilterPluginsWithNominatedPods`).
    ///
    /// # Errors
    /// The first refusal.
    pub(crate) fn run_filters_with_nominated(
        &self,
        filters: &Filters<'_>,
        state: &CycleState,
        pod: &PodInfo,
        node: &NodeInfo,
        handle: &Handle<'_>,
    ) -> Result<(), Status> {
        if handle.nominator.is_empty() {
            return Self::run_filters(filters, state, pod, node, handle);
        }
        let mut nominated = handle.nominator.on(&node.name).filter(|other| other.priority() >= pod.priority() && other.key != pod.key);
        if let Some(first) = nominated.next() {
            let (mut state, mut crowded) = (state.clone(), node.clone());
            for other in std::iter::once(first).chain(nominated) {
                crowded.add_pod(other.clone());
                self.add_pod(&mut state, pod, other, &crowded, handle);
            }
            Self::run_filters(filters, &state, pod, &crowded, handle)?;
        }
        Self::run_filters(filters, state, pod, node, handle)
    }

    /// Accounts for a Pod that would be on a node (`RunPreFilterExtensionAddPod`).
    pub(crate) fn add_pod(&self, state: &mut CycleState, pod: &PodInfo, added: &PodInfo, node: &NodeInfo, handle: &Handle<'_>) {
        for plugin in self.plugins().filter(|plugin| !state.skips_filter(plugin.name())).collect::<Vec<_>>() {
            if let Some(point) = plugin.as_pre_filter() {
                point.add_pod(state, pod, added, node, handle);
            }
        }
    }

    /// Accounts for a Pod that would no longer be on a node (`RunPreFilterExtensionRemovePod`).
    pub(crate) fn remove_pod(&self, state: &mut CycleState, pod: &PodInfo, removed: &PodInfo, node: &NodeInfo, handle: &Handle<'_>) {
        for plugin in self.plugins().filter(|plugin| !state.skips_filter(plugin.name())).collect::<Vec<_>>() {
            if let Some(point) = plugin.as_pre_filter() {
                point.remove_pod(state, pod, removed, node, handle);
            }
        }
    }

    /// Accounts in what PreScore counted for a Pod that came to a node (`amount` 1) or left it (-1).
    pub(crate) fn update_scores(
        &self,
        state: &mut CycleState,
        pod: &PodInfo,
        other: &PodInfo,
        node: &NodeInfo,
        handle: &Handle<'_>,
        amount: i64,
    ) {
        for point in self.plugins().filter_map(Plugin::as_score) {
            point.update(state, pod, other, node, handle, amount);
        }
    }

    /// Asks the PostFilter plugins until one has a way; else their reasons together (`RunPostFilterPlugins`).
    pub(crate) fn run_post_filter(
        &self,
        state: &CycleState,
        pod: &PodInfo,
        statuses: &NodeStatuses,
        handle: &Handle<'_>,
    ) -> PostFilterResult {
        let (mut all, mut clear) = (Status { reasons: Vec::new(), ..Status::unschedulable("") }, false);
        for point in self.plugins().filter_map(Plugin::as_post_filter) {
            match point.post_filter(state, pod, statuses, self, handle) {
                PostFilterResult::Refused(status, void) if status.is_rejected() => {
                    all.reasons.extend(status.reasons);
                    clear |= void;
                }
                other => return other,
            }
        }
        PostFilterResult::Refused(all, clear)
    }

    /// Scores nodes that the Pod fits (`RunPreScorePlugins`, `RunScorePlugins`), in their order.
    pub(crate) fn run_scores(&self, state: &mut CycleState, pod: &PodInfo, nodes: &[&NodeInfo], handle: &Handle<'_>) -> Scores {
        let mut all = Scores { by_plugin: Vec::new(), totals: vec![0; nodes.len()] };
        for plugin in self.plugins() {
            if plugin.as_score().is_some_and(|point| point.pre_score(state, pod, nodes, handle) == PreScoreResult::Skip) {
                state.skip_score(plugin.name());
            }
        }
        let mut scores: Vec<NodeScore<'_>> = Vec::with_capacity(nodes.len());
        for Enabled { plugin, weight } in &self.plugins {
            let Some(point) = plugin.as_score().filter(|_| !state.skips_score(plugin.name())) else {
                continue;
            };
            scores.clear();
            scores.extend(nodes.iter().map(|node| NodeScore { node, score: point.score(state, pod, node, handle) }));
            point.normalize(state, &mut scores);
            let given: Vec<i64> = scores.iter().map(|score| score.score.clamp(0, MAX_NODE_SCORE)).collect();
            for (total, score) in all.totals.iter_mut().zip(&given) {
                *total += score * weight;
            }
            all.by_plugin.push((plugin.name(), *weight, given));
        }
        all
    }

    /// Asks the Reserve plugins what is to be kept for the Pod on the node (`RunReservePluginsReserve`).
    ///
    /// # Errors
    /// The first refusal.
    pub(crate) fn run_reserve(
        &self,
        state: &CycleState,
        pod: &PodInfo,
        node: &NodeInfo,
        handle: &Handle<'_>,
    ) -> Result<Reservations, Status> {
        let mut all = Reservations::new();
        for plugin in self.plugins() {
            if let Some(point) = plugin.as_reserve() {
                all.extend(point.reserve(state, pod, node, handle).map_err(|status| status.by(plugin.name()))?);
            }
        }
        Ok(all)
    }

    /// The requests of the PreBind plugins (`RunPreBindPlugins`).
    pub(crate) fn run_pre_bind(&self, pod: &PodInfo, node: &str, reserved: &Reservations, handle: &Handle<'_>) -> Vec<Request> {
        self.plugins().filter_map(Plugin::as_pre_bind).flat_map(|point| point.pre_bind(pod, node, reserved, handle)).collect()
    }

    /// Whether all PreBind plugins are done.
    ///
    /// # Errors
    /// The first failure.
    pub(crate) fn pre_bind_progress(&self, pod: &PodInfo, node: &str, handle: &Handle<'_>) -> Result<PreBindProgress, Status> {
        for plugin in self.plugins() {
            let Some(point) = plugin.as_pre_bind() else { continue };
            if let PreBindProgress::Waiting = point.progress(pod, node, handle).map_err(|status| status.by(plugin.name()))? {
                return Ok(PreBindProgress::Waiting);
            }
        }
        Ok(PreBindProgress::Ready)
    }

    /// The request that binds the Pod, from the first plugin that can.
    pub(crate) fn run_bind(&self, pod: &PodInfo, node: &str) -> Option<Request> {
        self.plugins().find_map(Plugin::as_bind).map(|point| point.bind(pod, node))
    }
}

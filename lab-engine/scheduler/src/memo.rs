//! What PreFilter and PreScore computed for Pods that are alike is used again.
//!
//! The Pods of one ReplicaSet differ in nothing that these look at but their names. So the state that one of them leaves behind is kept
//! and brought up to date with the Pods that came to nodes and left them since, by the same extension points with which preemption tries
//! out what would be (`PreFilterExtensions`). That costs what changed, not what there is. Whenever something else changed (a node, a
//! namespace, a Service, …) all is computed anew.
//!
//! Upstream computes all anew for each Pod, on sixteen cores.

use crate::framework::runtime::{Framework, Scope};
use crate::framework::{CycleState, Handle};
use crate::pod_info::PodInfo;
use std::sync::Arc;

/// So many kinds of Pods are remembered.
const MAX_KINDS: usize = 8;

/// What one Pod left behind.
#[derive(Debug)]
struct Memo {
    pod: Arc<PodInfo>,
    state: CycleState,
    scope: Scope,
    /// The generations of the nodes and of all other objects that the state is of, and the place in the log of Pods up to which it is.
    nodes: u64,
    others: u64,
    at: u64,
}

/// What Pods left behind, the kind that was used last at the end.
#[derive(Debug, Default)]
pub(crate) struct Memos {
    all: Vec<Memo>,
}

/// Whether PreFilter and PreScore cannot tell the two apart. Pods with volumes always differ: their claims may carry their names.
fn alike(a: &PodInfo, b: &PodInfo) -> bool {
    let (one, other) = (&a.pod, &b.pod);
    let owner = |pod: &PodInfo| pod.pod.metadata.controller().map(|owner| (owner.kind.clone(), owner.name.clone()));
    a.volumes.is_empty()
        && b.volumes.is_empty()
        && a.key.namespace == b.key.namespace
        && a.host_ports == b.host_ports
        && one.metadata.labels == other.metadata.labels
        && one.spec.scheduler_name == other.spec.scheduler_name
        && one.spec.node_name == other.spec.node_name
        && one.spec.node_selector == other.spec.node_selector
        && one.spec.affinity == other.spec.affinity
        && one.spec.tolerations == other.spec.tolerations
        && one.spec.topology_spread_constraints == other.spec.topology_spread_constraints
        && owner(a) == owner(b)
}

impl Memos {
    /// The state after PreFilter for a Pod, if one that is alike left one that can be brought up to date.
    pub(crate) fn recall(&mut self, framework: &Framework, pod: &PodInfo, others: u64, handle: &Handle<'_>) -> Option<(CycleState, Scope)> {
        let place = self.all.iter().rposition(|memo| alike(&memo.pod, pod))?;
        let Memo { mut state, scope, nodes, others: own_others, at, .. } = self.all.remove(place);
        if nodes != handle.nodes.generation() || own_others != others {
            return None;
        }
        // A Pod that must be far from others may be one that this Pod has to look out for.
        let skipped = state.skips_filter("InterPodAffinity");
        for (node, other, added) in handle.nodes.changes_since(at)? {
            if skipped && !other.required_anti_affinity.is_empty() {
                return None;
            }
            let node = handle.nodes.get(node)?;
            if *added {
                framework.add_pod(&mut state, pod, other, node, handle);
            } else {
                framework.remove_pod(&mut state, pod, other, node, handle);
            }
            framework.update_scores(&mut state, pod, other, node, handle, if *added { 1 } else { -1 });
        }
        state.forget_scoring();
        Some((state, scope))
    }

    /// Keeps what a Pod left behind, before it is counted on its node.
    pub(crate) fn remember(&mut self, pod: Arc<PodInfo>, state: CycleState, scope: Scope, others: u64, handle: &Handle<'_>) {
        if !pod.volumes.is_empty() {
            return;
        }
        if self.all.len() >= MAX_KINDS {
            self.all.remove(0);
        }
        let (nodes, at) = (handle.nodes.generation(), handle.nodes.log_end());
        self.all.push(Memo { pod, state, scope, nodes, others, at });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Cache;
    use crate::framework::Reservations;
    use crate::listers::Caches;
    use crate::queue::Nominator;
    use crate::registry::default_profile;
    use crate::testing::{node, pod};
    use serde_json::json;
    use sim::Seed;

    /// A Pod of one of four kinds: spread over zones, rather spread and near its like, far from its like, and plain.
    fn kind(number: usize, name: &str) -> Arc<PodInfo> {
        let selector = json!({"matchLabels": {"app": format!("app-{number}")}});
        let spread = json!([{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": selector}]);
        let term = json!({"labelSelector": selector, "topologyKey": "kubernetes.io/hostname"});
        let apart = json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}});
        let pod = pod(name).metadata("labels", json!({"app": format!("app-{number}")}));
        let near = json!({"podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 5, "podAffinityTerm": term}]}});
        let soft = |key: &str| json!({"maxSkew": 2, "topologyKey": key, "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": selector});
        let soft = json!([soft("zone"), soft("kubernetes.io/hostname")]);
        match number {
            3 => pod.spec("topologySpreadConstraints", soft).spec("affinity", near).info(),
            0 => pod.spec("topologySpreadConstraints", spread).info(),
            1 => pod.spec("affinity", apart).info(),
            _ => pod.info(),
        }
    }

    #[test]
    fn what_is_recalled_decides_like_what_is_computed_anew() {
        let (framework, mut rng, mut cache, mut memos) = (default_profile(), Seed(7).stream("memo"), Cache::default(), Memos::default());
        let caches = Caches::new(&"test".into(), &rng);
        let (nominator, reservations) = (Nominator::default(), Reservations::new());
        for number in 0..9 {
            cache.set_node(node(&format!("n{number}")).label("zone", ["a", "b", "c"][number % 3]).build());
        }
        let (mut placed, mut recalled) = (Vec::new(), 0);
        for number in 0..300 {
            let pod = kind(rng.index(4), &format!("p{number}"));
            let handle = Handle { nodes: cache.snapshot(), listers: caches.listers(), nominator: &nominator, reservations: &reservations };
            let mut fresh = CycleState::default();
            let scope = framework.run_pre_filter(&mut fresh, &pod, &handle).unwrap();
            let told = |state: &mut CycleState| {
                let filters = framework.filters(state);
                let verdict = |node| Framework::run_filters(&filters, state, &pod, node, &handle);
                let verdicts = handle.nodes.iter().map(verdict).collect::<Vec<_>>();
                let nodes: Vec<_> =
                    handle.nodes.iter().zip(&verdicts).filter(|(_, verdict)| verdict.is_ok()).map(|(node, _)| node).collect();
                let totals = framework.run_scores(state, &pod, &nodes, &handle).totals;
                (verdicts, totals)
            };
            let (expected, totals) = told(&mut fresh);
            let state = match memos.recall(&framework, &pod, 0, &handle) {
                Some((mut state, _)) => {
                    recalled += 1;
                    assert_eq!(told(&mut state), (expected.clone(), totals), "Pod {number}");
                    state
                }
                None => fresh,
            };
            memos.remember(pod.clone(), state, scope, 0, &handle);
            let fits: Vec<usize> = (0..expected.len()).filter(|&place| expected[place].is_ok()).collect();
            if let Some(&place) = fits.get(rng.index(fits.len())) {
                let node = handle.nodes.at(place).name.clone();
                cache.assume(pod.clone(), &node);
                placed.push(pod.key.clone());
            }
            if placed.len() > 12 || (fits.is_empty() && !placed.is_empty()) {
                cache.remove_pod(&placed.swap_remove(rng.index(placed.len())));
            }
            if number % 50 == 49 {
                cache.set_node(node("n0").label("zone", "c").build());
            }
        }
        assert!(recalled > 100, "{recalled} of 300");
    }
}

//! `TaintToleration`: stays away from nodes with taints that the Pod does not tolerate, and prefers those without
//! (`plugins/tainttoleration`; `component-helpers/scheduling/corev1`).

use crate::framework::{
    ClusterEvent, CycleState, Filter, Handle, NodeScore, Plugin, PreScoreResult, QueueingHint, Score, Status, default_normalize, node_of,
    own_update,
};
use crate::node_info::NodeInfo;
use crate::pod_info::PodInfo;
use api::core::{Taint, Toleration};

/// The plugin.
#[derive(Debug)]
pub(crate) struct TaintToleration;

/// The tolerations that can make up for `PreferNoSchedule`.
#[derive(Clone, Debug)]
struct Preferences(Vec<Toleration>);

/// Whether one of the tolerations tolerates the taint (`TolerationsTolerateTaint`).
pub(crate) fn tolerates(tolerations: &[Toleration], taint: &Taint) -> bool {
    tolerations.iter().any(|toleration| api::taints::tolerates(toleration, taint))
}

/// The first taint that keeps new Pods away and is not tolerated (`FindMatchingUntoleratedTaint`).
pub(crate) fn untolerated<'t>(taints: &'t [Taint], tolerations: &[Toleration]) -> Option<&'t Taint> {
    let keeps_away = |taint: &&Taint| matches!(taint.effect.as_str(), "NoSchedule" | "NoExecute");
    taints.iter().filter(keeps_away).find(|taint| !tolerates(tolerations, taint))
}

impl Plugin for TaintToleration {
    fn name(&self) -> &'static str {
        "TaintToleration"
    }

    fn queueing_hint(&self, pod: &PodInfo, event: &ClusterEvent<'_>) -> QueueingHint {
        let tolerated = node_of(event).is_some_and(|node| untolerated(&node.spec.taints, &pod.pod.spec.tolerations).is_none());
        (tolerated || own_update(event, |old, new| old.spec.tolerations != new.spec.tolerations)).into()
    }

    fn as_filter(&self) -> Option<&dyn Filter> {
        Some(self)
    }

    fn as_score(&self) -> Option<&dyn Score> {
        Some(self)
    }
}

impl Filter for TaintToleration {
    fn filter(&self, _state: &CycleState, pod: &PodInfo, node: &NodeInfo, _handle: &Handle<'_>) -> Result<(), Status> {
        if !node.has_taints {
            return Ok(());
        }
        match untolerated(&node.node.spec.taints, &pod.pod.spec.tolerations) {
            None => Ok(()),
            Some(_) => Err(Status::unresolvable("node(s) had untolerated taint(s)")),
        }
    }
}

impl Score for TaintToleration {
    fn pre_score(&self, state: &mut CycleState, pod: &PodInfo, _nodes: &[&NodeInfo], _handle: &Handle<'_>) -> PreScoreResult {
        let prefers = |toleration: &&Toleration| matches!(toleration.effect.as_str(), "" | "PreferNoSchedule");
        state.write(Preferences(pod.pod.spec.tolerations.iter().filter(prefers).cloned().collect()));
        PreScoreResult::Score
    }

    /// How many `PreferNoSchedule` taints are not tolerated.
    fn score(&self, state: &CycleState, _pod: &PodInfo, node: &NodeInfo, _handle: &Handle<'_>) -> i64 {
        if !node.has_taints {
            return 0;
        }
        let tolerations = state.read::<Preferences>().map_or(&[][..], |preferences| &preferences.0);
        let soft = node.node.spec.taints.iter().filter(|taint| taint.effect == "PreferNoSchedule");
        i64::try_from(soft.filter(|taint| !tolerates(tolerations, taint)).count()).unwrap_or(i64::MAX)
    }

    fn normalize(&self, _state: &CycleState, scores: &mut [NodeScore<'_>]) {
        default_normalize(scores, true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn toleration(key: &str, operator: &str, value: &str, effect: &str) -> Toleration {
        let [key, operator, value, effect] = [key, operator, value, effect].map(str::to_owned);
        Toleration { key, operator, value, effect, toleration_seconds: None, ..Toleration::default() }
    }

    fn taint(key: &str, value: &str, effect: &str) -> Taint {
        let [key, value, effect] = [key, value, effect].map(str::to_owned);
        Taint { key, value, effect, ..Taint::default() }
    }

    #[test]
    fn tolerations_are_compared_by_key_value_and_effect() {
        let gpu = taint("gpu", "a100", "NoSchedule");
        for (toleration, tolerated) in [
            (toleration("gpu", "", "a100", ""), true),
            (toleration("gpu", "Equal", "h100", ""), false),
            (toleration("gpu", "Exists", "", "NoSchedule"), true),
            (toleration("gpu", "Exists", "", "NoExecute"), false),
            (toleration("", "Exists", "", ""), true),
            (toleration("cpu", "Exists", "", ""), false),
        ] {
            assert_eq!(tolerates(std::slice::from_ref(&toleration), &gpu), tolerated, "{toleration:?}");
        }
        let level = taint("level", "5", "NoSchedule");
        assert!(tolerates(&[toleration("level", "Lt", "6", "")], &level));
        assert!(!tolerates(&[toleration("level", "Gt", "5", "")], &level));
    }

    #[test]
    fn only_hard_taints_keep_pods_away() {
        let soft = taint("a", "", "PreferNoSchedule");
        let hard = taint("b", "", "NoExecute");
        assert_eq!(untolerated(std::slice::from_ref(&soft), &[]), None);
        assert_eq!(untolerated(&[soft, hard.clone()], &[]), Some(&hard));
    }
}

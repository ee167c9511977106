//! Taints of nodes and tolerations of Pods (`pkg/util/taints`, `pkg/apis/core/v1/helper`).

use api::Resource;
use api::core::{Node, Taint, Toleration};
use api::http::{Body, Method, PatchType, Request, ResourcePath};
use api::json::Json;
use api::taints::tolerates;
use serde_json::json;
use sim::Time;

/// The node's kubelet reports that the node is not ready.
pub(crate) const NOT_READY: &str = "node.kubernetes.io/not-ready";
/// The node's kubelet reports nothing.
pub(crate) const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
/// The node is cordoned.
pub(crate) const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";
/// Someone knows that the node is off, so that what ran there may be given up.
pub(crate) const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";

/// Keeps new Pods away.
pub(crate) const NO_SCHEDULE: &str = "NoSchedule";
/// Drives Pods out.
pub(crate) const NO_EXECUTE: &str = "NoExecute";

/// Key and effect: what tells taints of a node apart (`MatchTaint`).
pub(crate) type TaintId<'a> = (&'a str, &'a str);

/// Key and effect of a taint.
pub(crate) fn id(taint: &Taint) -> TaintId<'_> {
    (&taint.key, &taint.effect)
}

/// Whether the node has such a taint (`TaintExists`).
pub(crate) fn has(node: &Node, wanted: TaintId<'_>) -> bool {
    node.spec.taints.iter().any(|taint| id(taint) == wanted)
}

/// The write that gives a node taints and takes others away; `None` when that changes nothing. It fails when the node has changed
/// meanwhile (`SwapNodeControllerTaint`).
pub(crate) fn swap(now: Time, node: &Node, add: &[TaintId<'_>], remove: &[TaintId<'_>]) -> Option<Request> {
    let missing = add.iter().filter(|wanted| !has(node, **wanted));
    let added = missing.map(|(key, effect)| Taint {
        key: (*key).to_owned(),
        effect: (*effect).to_owned(),
        time_added: Some(now.into()),
        ..Taint::default()
    });
    let kept = node.spec.taints.iter().filter(|taint| !remove.contains(&id(taint))).cloned();
    let taints: Vec<Taint> = kept.chain(added).collect();
    if taints == node.spec.taints {
        return None;
    }
    let taints = if taints.is_empty() { serde_json::Value::Null } else { taints.to_json() };
    let change = json!({"metadata": {"resourceVersion": node.metadata.resource_version.to_string()}, "spec": {"taints": taints}});
    let path = ResourcePath::object(Node::INFO, "", &node.metadata.name);
    Some(Request::new(Method::Patch, path).body(Body::Patch(PatchType::StrategicMerge, change)))
}

/// For each taint the first toleration that tolerates it; `None` when one is not tolerated (`GetMatchingTolerations`).
pub(crate) fn matching<'t>(taints: &[Taint], tolerations: &'t [Toleration]) -> Option<Vec<&'t Toleration>> {
    taints.iter().map(|taint| tolerations.iter().find(|toleration| tolerates(toleration, taint))).collect()
}

/// Whether the node has a taint of one of these effects that none of the tolerations tolerates (`FindMatchingUntoleratedTaint`).
pub(crate) fn untolerated(node: &Node, tolerations: &[Toleration], effects: &[&str]) -> bool {
    let counts = |taint: &&Taint| effects.contains(&taint.effect.as_str());
    node.spec.taints.iter().filter(counts).any(|taint| !tolerations.iter().any(|toleration| tolerates(toleration, taint)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taint(key: &str, effect: &str) -> Taint {
        Taint { key: key.to_owned(), effect: effect.to_owned(), ..Taint::default() }
    }

    #[test]
    fn taints_are_told_apart_by_key_and_effect() {
        let mut node = Node::default();
        node.spec.taints = vec![taint(NOT_READY, NO_SCHEDULE), taint(NOT_READY, NO_EXECUTE)];
        assert!(swap(Time::ZERO, &node, &[(NOT_READY, NO_EXECUTE)], &[(UNREACHABLE, NO_EXECUTE)]).is_none());
        let swapped = swap(Time::from_secs(5), &node, &[(UNREACHABLE, NO_EXECUTE)], &[(NOT_READY, NO_EXECUTE)]).unwrap();
        let Body::Patch(_, change) = swapped.body else { panic!("a swap is a patch") };
        let expected = json!([
            {"key": NOT_READY, "effect": NO_SCHEDULE},
            {"key": UNREACHABLE, "effect": NO_EXECUTE, "timeAdded": "2026-05-04T08:00:05Z"},
        ]);
        assert_eq!(change["spec"]["taints"], expected);
        let none = swap(Time::ZERO, &node, &[], &[(NOT_READY, NO_EXECUTE), (NOT_READY, NO_SCHEDULE)]).unwrap();
        let Body::Patch(_, change) = none.body else { panic!("a swap is a patch") };
        assert!(change["spec"]["taints"].is_null());
    }

    #[test]
    fn every_taint_needs_a_toleration() {
        let exists = Toleration { key: NOT_READY.to_owned(), operator: "Exists".to_owned(), ..Toleration::default() };
        let tolerations = [exists];
        assert_eq!(matching(&[taint(NOT_READY, NO_EXECUTE)], &tolerations).map(|used| used.len()), Some(1));
        assert_eq!(matching(&[taint(NOT_READY, NO_EXECUTE), taint(UNREACHABLE, NO_EXECUTE)], &tolerations), None);
        assert_eq!(matching(&[], &[]).map(|used| used.len()), Some(0));
    }
}

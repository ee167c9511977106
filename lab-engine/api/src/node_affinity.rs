//! Which nodes a Pod's node selector and node affinity want (`component-helpers/scheduling/corev1/nodeaffinity`).

use crate::core::{Node, NodeSelectorRequirement, NodeSelectorTerm, Pod};

/// Whether a value fulfils a requirement; `None` when there is no such label or field.
fn fulfils(requirement: &NodeSelectorRequirement, value: Option<&str>) -> bool {
    let among = |value: &str| requirement.values.iter().any(|wanted| wanted == value);
    let compared = || {
        let bound = requirement.values.first()?.parse::<i64>().ok()?;
        Some((value?.parse::<i64>().ok()?, bound))
    };
    match requirement.operator.as_str() {
        "In" => value.is_some_and(among),
        "NotIn" => !value.is_some_and(among),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => compared().is_some_and(|(value, bound)| value > bound),
        "Lt" => compared().is_some_and(|(value, bound)| value < bound),
        _ => false,
    }
}

/// Whether a node fulfils all requirements of a term. An empty term is fulfilled by none.
pub fn matches_term(term: &NodeSelectorTerm, node: &Node) -> bool {
    let field = |key: &str| (key == "metadata.name").then_some(node.metadata.name.as_str());
    let label = |key: &str| node.metadata.labels.get(key).map(String::as_str);
    let empty = term.match_expressions.is_empty() && term.match_fields.is_empty();
    !empty
        && term.match_expressions.iter().all(|requirement| fulfils(requirement, label(&requirement.key)))
        && term.match_fields.iter().all(|requirement| fulfils(requirement, field(&requirement.key)))
}

/// The terms of which a node must fulfil one; `None` when the Pod states none.
pub fn required_terms(pod: &Pod) -> Option<&[NodeSelectorTerm]> {
    let affinity = pod.spec.affinity.as_ref()?.node_affinity.as_ref()?;
    affinity.required.as_ref().map(|required| required.node_selector_terms.as_slice())
}

/// Whether a node is one that the Pod's node selector and required node affinity want (`GetRequiredNodeAffinity(pod).Match`).
pub fn matches_required(pod: &Pod, node: &Node) -> bool {
    pod.spec.node_selector.iter().all(|(key, value)| node.metadata.labels.get(key) == Some(value))
        && required_terms(pod).is_none_or(|terms| terms.iter().any(|term| matches_term(term, node)))
}

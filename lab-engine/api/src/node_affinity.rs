//! Which nodes a Pod's node selector and node affinity want (`component-helpers/scheduling/corev1/nodeaffinity`).

use crate::core::{Node, NodeSelectorRequirement, NodeSelectorTerm, Pod};
use crate::names;

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

/// Whether a requirement on a label is one that makes sense (`labels.NewRequirement`).
fn is_valid(requirement: &NodeSelectorRequirement) -> bool {
    let values = requirement.values.as_slice();
    let counted = match requirement.operator.as_str() {
        "In" | "NotIn" => !values.is_empty(),
        "Exists" | "DoesNotExist" => values.is_empty(),
        "Gt" | "Lt" => matches!(values, [bound] if bound.parse::<i64>().is_ok()),
        _ => false,
    };
    counted && names::qualified_name(&requirement.key).is_empty() && values.iter().all(|value| names::label_value(value).is_empty())
}

/// Whether a requirement on a field is one that makes sense (`nodeSelectorRequirementsAsFieldSelector`).
fn is_valid_field(requirement: &NodeSelectorRequirement) -> bool {
    matches!(requirement.operator.as_str(), "In" | "NotIn") && requirement.values.len() == 1
}

/// Whether a node fulfils all requirements of a term. An empty term is fulfilled by none, nor is one with a requirement that makes no
/// sense (`nodeSelectorTerm.match`).
pub fn matches_term(term: &NodeSelectorTerm, node: &Node) -> bool {
    let field = |key: &str| (key == "metadata.name").then_some(node.metadata.name.as_str());
    let label = |key: &str| node.metadata.labels.get(key).map(String::as_str);
    let empty = term.match_expressions.is_empty() && term.match_fields.is_empty();
    !empty
        && term.match_expressions.iter().all(|requirement| fulfils(requirement, label(&requirement.key)))
        && term.match_fields.iter().all(|requirement| fulfils(requirement, field(&requirement.key)))
        // Looked at last: nearly all terms are valid, and most are not fulfilled.
        && term.match_expressions.iter().all(is_valid)
        && term.match_fields.iter().all(is_valid_field)
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

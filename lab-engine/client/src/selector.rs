//! Label selectors (`metav1.LabelSelectorAsSelector`).

use api::meta::{LabelSelector, LabelSelectorRequirement, StringMap};

/// Whether the selector selects these labels. An empty selector selects everything; a requirement with an unknown operator nothing.
pub fn matches(selector: &LabelSelector, labels: &StringMap) -> bool {
    selector.match_labels.iter().all(|(key, value)| labels.get(key) == Some(value))
        && selector.match_expressions.iter().all(|requirement| requirement_holds(requirement, labels))
}

/// Whether the selector selects everything, as an empty one does.
pub fn is_empty(selector: &LabelSelector) -> bool {
    selector.match_labels.is_empty() && selector.match_expressions.is_empty()
}

fn requirement_holds(requirement: &LabelSelectorRequirement, labels: &StringMap) -> bool {
    let value = labels.get(&requirement.key);
    match requirement.operator.as_str() {
        "In" => value.is_some_and(|value| requirement.values.contains(value)),
        "NotIn" => value.is_none_or(|value| !requirement.values.contains(value)),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::json::decode;
    use serde_json::json;

    #[test]
    fn requirements_hold_as_upstream_reads_them() {
        let labels = StringMap::from([("app".to_owned(), "web".to_owned())]);
        let holds = |selector| matches(&decode(selector).unwrap(), &labels);
        assert!(holds(json!({})));
        assert!(holds(json!({"matchLabels": {"app": "web"}})));
        assert!(!holds(json!({"matchLabels": {"app": "web", "tier": "x"}})));
        assert!(holds(json!({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web", "db"]}]})));
        assert!(holds(json!({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["x"]}]})));
        assert!(!holds(json!({"matchExpressions": [{"key": "tier", "operator": "Exists"}]})));
    }
}

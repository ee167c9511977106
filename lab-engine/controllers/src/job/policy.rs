//! What failed Pods mean, and when enough indexes have succeeded (`pod_failure_policy.go`, `success_policy.go`).

use super::indexes::Indexes;
use api::batch::{PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement, SuccessPolicy};
use api::core::{ContainerStatus, Pod};

/// What a failed Pod means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// One failure more.
    Count,
    /// No failure.
    Ignore,
    /// Its index has failed.
    FailIndex,
    /// The Job has failed; why.
    FailJob(String),
}

/// What a failed Pod means by the policy (`matchPodFailurePolicy`); without one it counts.
pub(crate) fn meaning(policy: Option<&PodFailurePolicy>, pod: &Pod) -> Meaning {
    for (index, rule) in policy.into_iter().flat_map(|policy| policy.rules.iter().enumerate()) {
        let why = if let Some(codes) = &rule.on_exit_codes {
            matching_container(pod, codes).map(|(name, code)| {
                let (namespace, pod) = (&pod.metadata.namespace, &pod.metadata.name);
                format!(
                    "Container {name} for pod {namespace}/{pod} failed with exit code {code} matching {} rule at index {index}",
                    rule.action
                )
            })
        } else {
            let conditions = pod.status.conditions.iter();
            let matched = |type_: &str, status: &str| rule.on_pod_conditions.iter().any(|p| p.type_ == type_ && p.status == status);
            conditions.clone().find(|condition| matched(&condition.type_, &condition.status)).map(|condition| {
                let (namespace, pod) = (&pod.metadata.namespace, &pod.metadata.name);
                format!("Pod {namespace}/{pod} has condition {} matching {} rule at index {index}", condition.type_, rule.action)
            })
        };
        if let Some(why) = why {
            return match rule.action.as_str() {
                "Ignore" => Meaning::Ignore,
                "FailIndex" => Meaning::FailIndex,
                "FailJob" => Meaning::FailJob(why),
                _ => Meaning::Count,
            };
        }
    }
    Meaning::Count
}

/// The first container that ended with one of the codes, and its code.
fn matching_container<'p>(pod: &'p Pod, codes: &PodFailurePolicyOnExitCodesRequirement) -> Option<(&'p str, i32)> {
    let all = pod.status.container_statuses.iter().chain(&pod.status.init_container_statuses);
    let named = |status: &&ContainerStatus| codes.container_name.as_ref().is_none_or(|name| *name == status.name);
    all.filter(named).find_map(|status| {
        let code = status.state.terminated.as_ref()?.exit_code;
        let among = codes.values.contains(&code);
        (code != 0 && (codes.operator == "In") == among).then_some((status.name.as_str(), code))
    })
}

/// The rule that is fulfilled, in words (`matchSuccessPolicy`).
pub(crate) fn success(policy: Option<&SuccessPolicy>, completions: i32, succeeded: &Indexes) -> Option<String> {
    let mut rules = policy?.rules.iter();
    let index = rules.position(|rule| match (&rule.succeeded_indexes, rule.succeeded_count) {
        (Some(text), count) => {
            let wanted = Indexes::parse(text, completions);
            wanted.common(succeeded) >= count.unwrap_or_else(|| wanted.total())
        }
        (None, Some(count)) => succeeded.total() >= count,
        (None, None) => false,
    })?;
    Some(format!("Matched rules at index {index}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::json::decode;
    use serde_json::json;

    #[test]
    fn the_first_rule_that_applies_counts() {
        let policy: PodFailurePolicy = decode(json!({"rules": [
            {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
            {"action": "FailJob", "onExitCodes": {"containerName": "main", "operator": "In", "values": [42]}},
            {"action": "FailIndex", "onExitCodes": {"operator": "NotIn", "values": [1, 2]}},
        ]}))
        .unwrap();
        let pod = |code: i32, disrupted: &str| -> Pod {
            decode(json!({"metadata": {"namespace": "default", "name": "p"}, "status": {
                "conditions": [{"type": "DisruptionTarget", "status": disrupted}],
                "containerStatuses": [{"name": "main", "state": {"terminated": {"exitCode": code}}}]}}))
            .unwrap()
        };
        let of = |code, disrupted| meaning(Some(&policy), &pod(code, disrupted));
        assert_eq!(of(42, "True"), Meaning::Ignore);
        let why = "Container main for pod default/p failed with exit code 42 matching FailJob rule at index 1";
        assert_eq!(of(42, "False"), Meaning::FailJob(why.to_owned()));
        assert_eq!((of(1, "False"), of(3, "False"), of(0, "False")), (Meaning::Count, Meaning::FailIndex, Meaning::Count));
        assert_eq!(meaning(None, &pod(42, "True")), Meaning::Count);
    }

    #[test]
    fn a_success_policy_may_want_some_of_some_indexes() {
        let policy: SuccessPolicy =
            decode(json!({"rules": [{"succeededIndexes": "0,2-4", "succeededCount": 2}, {"succeededCount": 5}]})).unwrap();
        let met = |text| success(Some(&policy), 10, &Indexes::parse(text, 10));
        assert_eq!(
            (met("1,3,5-7"), met("3-4")),
            (Some("Matched rules at index 1".to_owned()), Some("Matched rules at index 0".to_owned()))
        );
        assert_eq!(met("0,5"), None);
    }
}

//! Which containers are started again when they have ended (`ContainerShouldRestart`, `ShouldContainerBeRestarted`).
//!
//! A rule of `restartPolicyRules` that matches the exit code comes first, then the container's own `restartPolicy`, then the Pod's. The
//! action `RestartAllContainers` ends all containers, without `preStop` hooks, and begins with the first init container again; sandbox,
//! address and volumes stay.
//!
//! **Simplified here:** containers that are ended by `RestartAllContainers` get two seconds.

use crate::status::is_sidecar;
use api::core::{Container, ContainerRestartRule, PodSpec};

/// The rule of a container for an exit code, if it has one.
fn rule(container: &Container, exit_code: i32) -> Option<&ContainerRestartRule> {
    container.restart_policy_rules.iter().find(|rule| {
        rule.exit_codes.as_ref().is_some_and(|codes| match codes.operator.as_str() {
            "In" => codes.values.contains(&exit_code),
            "NotIn" => !codes.values.contains(&exit_code),
            _ => false,
        })
    })
}

/// Whether all containers of the Pod start anew because this one ended so.
pub(crate) fn restarts_all(container: &Container, exit_code: i32) -> bool {
    rule(container, exit_code).is_some_and(|rule| rule.action == "RestartAllContainers")
}

/// Whether a container that ended with `exit_code` is started again; `init` says that it is an init container.
pub fn should_restart(container: &Container, spec: &PodSpec, init: bool, exit_code: i32) -> bool {
    if rule(container, exit_code).is_some_and(|rule| rule.action == "Restart") {
        return true;
    }
    let own = container.restart_policy.as_deref();
    match own.unwrap_or(&spec.restart_policy) {
        "Never" => false,
        "OnFailure" => exit_code != 0,
        // An init container that succeeded has done its work.
        _ => !init || is_sidecar(container) || exit_code != 0,
    }
}

/// Whether a container that is killed because of a probe is started again. Its exit code is not known yet, so rules say nothing.
pub(crate) fn restarts_when_killed(container: &Container, spec: &PodSpec) -> bool {
    container.restart_policy.as_deref().unwrap_or(&spec.restart_policy) != "Never"
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn rules_come_before_policies() {
        let spec: PodSpec = api::json::decode(json!({"restartPolicy": "Always"})).unwrap();
        let container = |value: Value| api::json::decode::<Container>(value).unwrap();
        let rules = json!([{"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}]);
        let ruled = container(json!({"name": "c", "restartPolicy": "Never", "restartPolicyRules": rules}));
        assert!(should_restart(&ruled, &spec, false, 42));
        assert!(!should_restart(&ruled, &spec, false, 1));
        assert!(!restarts_when_killed(&ruled, &spec));
        let plain = container(json!({"name": "c"}));
        assert!(should_restart(&plain, &spec, false, 0));
        assert!(!should_restart(&plain, &spec, true, 0));
        let sidecar = container(json!({"name": "c", "restartPolicy": "Always"}));
        let never: PodSpec = api::json::decode(json!({"restartPolicy": "Never"})).unwrap();
        assert!(should_restart(&sidecar, &never, true, 0));
        let all = json!([{"action": "RestartAllContainers", "exitCodes": {"operator": "NotIn", "values": [0, 1]}}]);
        let all = container(json!({"name": "c", "restartPolicy": "Never", "restartPolicyRules": all}));
        assert_eq!((restarts_all(&all, 88), restarts_all(&all, 1)), (true, false));
    }
}

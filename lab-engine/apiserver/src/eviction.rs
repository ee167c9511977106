//! Evictions: deletions that ask the PodDisruptionBudgets (`pkg/registry/core/pod/storage/eviction.go`).
//!
//! **Simplified here:** the budget is charged in the transaction that deletes the Pod; upstream writes the budget, then the Pod's condition,
//! then deletes.

use crate::params::DeleteOptions;
use crate::quota::Rider;
use crate::registry::delete;
use crate::server::ApiServer;
use crate::storage;
use crate::write::{Decision, Write};
use api::core::Pod;
use api::labels::Selector;
use api::meta::{Condition, condition, condition_is_true};
use api::policy::{PodDisruptionBudget, PodDisruptionBudgetStatus};
use api::status::{Cause, Status};
use api::{Object, Resource};
use sim::Time;

/// So many evictions may wait for the controller to notice them (`MaxDisruptedPodSize`).
const MAX_DISRUPTED_PODS: usize = 2000;

impl ApiServer {
    /// What an eviction does to a Pod; the budget that it uses up rides along.
    ///
    /// # Errors
    /// 429 when a budget forbids it now, 500 when several budgets have the Pod.
    pub(crate) fn evict(&self, now: Time, write: &mut Write, current: &Object, options: &DeleteOptions) -> Result<Decision, Box<Status>> {
        let Some(pod) = current.as_kind::<Pod>() else {
            return Err(Box::new(Status::internal("only Pods are evicted")));
        };
        write.riders.clear();
        if !ignores_budgets(pod) {
            let budgets = self.budgets_of(write, pod);
            match &budgets[..] {
                [] => {}
                [budget] if may_go_unhealthy(pod, budget) => {}
                [budget] => {
                    let status = decrement(now, &pod.metadata.name, budget)?;
                    let key = storage::key(PodDisruptionBudget::INFO, &write.namespace, &budget.metadata.name);
                    let object = PodDisruptionBudget { status, ..budget.clone() }.into();
                    write.riders.push(Rider { key, revision: Some(budget.metadata.resource_version.0), object: Some(object) });
                }
                _ => {
                    let message = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
                    return Err(Box::new(Status::new(500, "", message)));
                }
            }
        }
        let mut evicted = Pod::clone(pod);
        let target = Condition {
            type_: "DisruptionTarget".to_owned(),
            status: "True".to_owned(),
            observed_generation: pod.metadata.generation,
            reason: "EvictionByEvictionAPI".to_owned(),
            message: "Eviction API: evicting".to_owned(),
            last_transition_time: Some(now.into()),
            ..Condition::default()
        };
        match evicted.status.conditions.iter_mut().find(|condition| condition.type_ == target.type_) {
            Some(old) if old.status == "True" => {}
            Some(old) => *old = target,
            None => evicted.status.conditions.push(target),
        }
        delete::decide(now, &write.info, &evicted.into(), options)
    }

    /// The budgets that a Pod counts in: those of the cache, or later ones that etcd has told.
    fn budgets_of(&self, write: &Write, pod: &Pod) -> Vec<PodDisruptionBudget> {
        let prefix = storage::namespace_prefix(PodDisruptionBudget::INFO, &write.namespace);
        let cached = self.cache.range(&prefix, "").filter_map(|(_, object)| object.as_kind::<PodDisruptionBudget>());
        let newest = |budget: &std::sync::Arc<PodDisruptionBudget>| {
            let told = write.told.iter().filter_map(|object| object.as_kind::<PodDisruptionBudget>());
            let same = told.filter(|told| told.metadata.name == budget.metadata.name);
            let newest = same.chain([budget]).max_by_key(|budget| budget.metadata.resource_version.0);
            PodDisruptionBudget::clone(newest.unwrap_or(budget))
        };
        let selects = |budget: &PodDisruptionBudget| {
            let selector = budget.spec.selector.as_ref();
            selector.is_some_and(|selector| Selector::from_label_selector(Some(selector)).is_ok_and(|s| s.matches(&pod.metadata.labels)))
        };
        cached.map(newest).filter(selects).collect()
    }
}

/// Whether no budget guards the Pod: it does not run, or goes anyway (`canIgnorePDB`).
fn ignores_budgets(pod: &Pod) -> bool {
    matches!(pod.status.phase.as_str(), "Succeeded" | "Failed" | "Pending") || pod.metadata.is_deleting()
}

/// Whether the Pod may go without using the budget up, because it is not healthy.
fn may_go_unhealthy(pod: &Pod, budget: &PodDisruptionBudget) -> bool {
    let status = &budget.status;
    let always = budget.spec.unhealthy_pod_eviction_policy.as_deref() == Some("AlwaysAllow");
    let budget_is_healthy = status.current_healthy >= status.desired_healthy && status.desired_healthy > 0;
    !condition_is_true(&pod.status.conditions, "Ready") && (always || budget_is_healthy)
}

fn too_many(cause: String, retry_after_seconds: Option<u32>) -> Box<Status> {
    let mut status = Status::new(429, "TooManyRequests", "Cannot evict pod as it would violate the pod's disruption budget.");
    status.details.retry_after_seconds = retry_after_seconds;
    status.details.causes.push(Cause { reason: "DisruptionBudget", message: cause, field: String::new() });
    Box::new(status)
}

/// The status of the budget after one more eviction (`checkAndDecrement`).
fn decrement(now: Time, pod: &str, budget: &PodDisruptionBudget) -> Result<PodDisruptionBudgetStatus, Box<Status>> {
    let (name, status) = (&budget.metadata.name, &budget.status);
    let forbidden = |why: &str| Err(Box::new(Status::forbidden(&PodDisruptionBudget::INFO.gvr(), name, why)));
    if status.observed_generation.unwrap_or(0) < budget.metadata.generation.unwrap_or(0) {
        return Err(too_many(format!("The disruption budget {name} is still being processed by the server."), Some(10)));
    }
    if status.disruptions_allowed < 0 {
        return forbidden("pdb disruptions allowed is negative");
    }
    if status.disrupted_pods.len() > MAX_DISRUPTED_PODS {
        return forbidden("DisruptedPods map too big - too many evictions not confirmed by PDB controller");
    }
    if status.disruptions_allowed == 0 {
        let failed = condition(&status.conditions, "DisruptionAllowed").filter(|condition| condition.reason == "SyncFailed");
        let why = match failed {
            Some(failed) => {
                let why = &failed.message;
                format!("The disruption budget {name} does not allow evicting pods currently because it failed sync: {why}")
            }
            None => {
                let (needs, has) = (status.desired_healthy, status.current_healthy);
                format!("The disruption budget {name} needs {needs} healthy pods and has {has} currently")
            }
        };
        return Err(too_many(why, None));
    }
    let mut after = status.clone();
    after.disruptions_allowed -= 1;
    if after.disruptions_allowed == 0
        && let Some(allowed) = after.conditions.iter_mut().find(|condition| condition.type_ == "DisruptionAllowed")
    {
        "False".clone_into(&mut allowed.status);
        "InsufficientPods".clone_into(&mut allowed.reason);
        allowed.last_transition_time = Some(now.into());
    }
    after.disrupted_pods.insert(pod.to_owned(), now.into());
    Ok(after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::json::decode;
    use serde_json::{Value, json};

    fn budget(status: Value) -> PodDisruptionBudget {
        decode(json!({"metadata": {"name": "web", "generation": 1}, "status": status})).unwrap()
    }

    fn cause(budget: &PodDisruptionBudget) -> String {
        decrement(Time::ZERO, "a", budget).unwrap_err().details.causes[0].message.clone()
    }

    #[test]
    fn a_budget_is_used_up_and_then_says_what_it_needs() {
        let fresh = budget(json!({"observedGeneration": 1, "disruptionsAllowed": 1, "desiredHealthy": 2, "currentHealthy": 3}));
        let status = decrement(Time::ZERO, "a", &fresh).unwrap();
        assert_eq!((status.disruptions_allowed, status.disrupted_pods.len()), (0, 1));
        let used = PodDisruptionBudget { status, ..fresh };
        assert_eq!(cause(&used), "The disruption budget web needs 2 healthy pods and has 3 currently");
        let unseen = budget(json!({"disruptionsAllowed": 1}));
        assert_eq!(cause(&unseen), "The disruption budget web is still being processed by the server.");
        let failed = json!([{"type": "DisruptionAllowed", "reason": "SyncFailed", "message": "no scale"}]);
        let failed = budget(json!({"observedGeneration": 1, "conditions": failed}));
        assert!(cause(&failed).ends_with("because it failed sync: no scale"));
    }

    #[test]
    fn pods_that_are_not_healthy_go_if_the_budget_is_or_the_policy_says_so() {
        let pod = Pod::default();
        let status = |current: i32| json!({"currentHealthy": current, "desiredHealthy": 2});
        assert!(may_go_unhealthy(&pod, &budget(status(2))) && !may_go_unhealthy(&pod, &budget(status(1))));
        let mut always = budget(status(1));
        always.spec.unhealthy_pod_eviction_policy = Some("AlwaysAllow".to_owned());
        assert!(may_go_unhealthy(&pod, &always));
    }
}

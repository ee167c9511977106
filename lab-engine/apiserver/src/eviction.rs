//! Eviction: a Pod is deleted only if its PodDisruptionBudget allows it (`pkg/registry/core/pod/storage/eviction.go`).
//!
//! ```text
//! Pending, Succeeded, Failed, on its way out ─► deleted without a question
//! no budget                                  ─► deleted
//! not ready, and enough others are healthy   ─► deleted
//! disruptionsAllowed > 0                     ─► decremented and deleted, in one transaction
//! otherwise                                  ─► 429, try again
//! ```
//!
//! **Simplified here:** the budget is charged in the transaction that deletes the Pod, where upstream writes it before.

use crate::quota::Rider;
use crate::server::ApiServer;
use crate::storage;
use crate::write::Write;
use api::core::Pod;
use api::json::{Json, Rest, decode};
use api::kinds::{Gvr, KindInfo, find_kind};
use api::labels::Selector;
use api::meta::{LabelSelector, Timestamp};
use api::status::{Cause, Status};
use api::{Dynamic, Object};
use serde_json::{Map, Value, json};
use sim::Time;
use std::sync::Arc;

/// So many evictions may be under way that the controller has not confirmed (`MaxDisruptedPodSize`).
const MAX_DISRUPTED: usize = 2000;

impl ApiServer {
    /// Charges the budget of a Pod for its eviction.
    ///
    /// # Errors
    /// 429 when the budget allows no disruption now; 500 when the Pod has several budgets.
    pub(crate) fn charge_budget(&self, now: Time, write: &mut Write, pod: &Pod) -> Result<(), Box<Status>> {
        write.riders.clear();
        let over = matches!(pod.status.phase.as_str(), "Succeeded" | "Failed" | "Pending" | "") || pod.metadata.is_deleting();
        let Some(info) = find_kind("policy/v1", "PodDisruptionBudget").filter(|_| !over) else { return Ok(()) };
        let budgets = self.budgets(info, write, pod);
        let budget = match budgets.as_slice() {
            [] => return Ok(()),
            [only] => only,
            _ => {
                let message = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
                return Err(Box::new(Status::new(500, "", message)));
            }
        };
        let number = |of: &str, field: &str| budget.rest.get(of).and_then(|value| value[field].as_i64()).unwrap_or(0);
        let (healthy, wanted) = (number("status", "currentHealthy"), number("status", "desiredHealthy"));
        if !is_ready(pod) {
            let always = budget.rest.get("spec").is_some_and(|spec| spec["unhealthyPodEvictionPolicy"] == "AlwaysAllow");
            if always || (healthy >= wanted && wanted > 0) {
                return Ok(());
            }
        }
        let name = &budget.metadata.name;
        if number("status", "observedGeneration") < budget.metadata.generation.unwrap_or(0) {
            let detail = format!("The disruption budget {name} is still being processed by the server.");
            return Err(too_many(detail, Some(10)));
        }
        let allowed = number("status", "disruptionsAllowed");
        let gvr = Gvr { resource: "poddisruptionbudget".into(), ..info.gvr() };
        if allowed < 0 {
            return Err(Box::new(Status::forbidden(&gvr, name, "pdb disruptions allowed is negative")));
        }
        let status = budget.rest.get("status").cloned().unwrap_or_default();
        if status["disruptedPods"].as_object().is_some_and(|pods| pods.len() > MAX_DISRUPTED) {
            let why = "DisruptedPods map too big - too many evictions not confirmed by PDB controller";
            return Err(Box::new(Status::forbidden(&gvr, name, why)));
        }
        if allowed == 0 {
            return Err(too_many(format!("The disruption budget {name} needs {wanted} healthy pods and has {healthy} currently"), None));
        }
        if !write.dry_run {
            let key = storage::key(info, &write.namespace, name);
            let object = Object::Dynamic(Arc::new(charged(budget, status, &pod.metadata.name, now)));
            write.riders.push(Rider { key, revision: budget.metadata.resource_version.0, object });
        }
        Ok(())
    }

    /// The budgets that select a Pod: those of the cache, or later ones that etcd has told.
    fn budgets(&self, info: &KindInfo, write: &Write, pod: &Pod) -> Vec<Arc<Dynamic>> {
        let selects = |budget: &Arc<Dynamic>| {
            let selector = budget.rest.get("spec").and_then(|spec| decode::<LabelSelector>(spec["selector"].clone()).ok());
            let empty = selector.as_ref().is_none_or(|selector| *selector == LabelSelector::default());
            !empty && Selector::from_label_selector(selector.as_ref()).is_ok_and(|selector| selector.matches(&pod.metadata.labels))
        };
        let dynamic = |object: &Object| match object {
            Object::Dynamic(object) => Some(object.clone()),
            _ => None,
        };
        let newest = |budget: Arc<Dynamic>| {
            let told = write.told_quotas.iter().filter_map(dynamic).filter(|told| told.metadata.name == budget.metadata.name);
            let later = told.filter(|told| told.metadata.resource_version.0 > budget.metadata.resource_version.0);
            later.max_by_key(|told| told.metadata.resource_version.0).unwrap_or(budget)
        };
        let cached = self.cache.range_of(storage::namespace_prefix(info, &write.namespace)).filter_map(dynamic);
        cached.map(newest).filter(selects).collect()
    }
}

fn is_ready(pod: &Pod) -> bool {
    pod.status.conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

fn too_many(detail: String, retry_after: Option<u32>) -> Box<Status> {
    let message = "Cannot evict pod as it would violate the pod's disruption budget.";
    let mut status = Status::new(429, "TooManyRequests", message);
    status.details.retry_after_seconds = retry_after;
    status.details.causes.push(Cause { reason: "DisruptionBudget", message: detail, field: String::new() });
    Box::new(status)
}

/// The budget with one disruption less, which the Pod takes.
fn charged(budget: &Dynamic, mut status: Value, pod: &str, now: Time) -> Dynamic {
    let left = status["disruptionsAllowed"].as_i64().unwrap_or(1) - 1;
    status["disruptionsAllowed"] = json!(left);
    if !status["disruptedPods"].is_object() {
        status["disruptedPods"] = json!({});
    }
    status["disruptedPods"][pod] = Timestamp::from(now).to_json();
    if left == 0 {
        for condition in status["conditions"].as_array_mut().into_iter().flatten() {
            if condition["type"] == "DisruptionAllowed" {
                condition["status"] = json!("False");
                condition["reason"] = json!("InsufficientPods");
                condition["lastTransitionTime"] = Timestamp::from(now).to_json();
            }
        }
    }
    let mut fields = Map::new();
    budget.rest.restore(&mut fields);
    fields.insert("status".to_owned(), status);
    Dynamic { rest: Rest::new(fields), ..budget.clone() }
}

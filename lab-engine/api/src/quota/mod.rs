//! What objects use of a quota, as its admission and its controller both count it (`k8s.io/apiserver/pkg/quota/v1`,
//! `pkg/quota/v1/evaluator/core`).

mod evaluator;
pub mod pod;
mod scopes;

use crate::Object;
use crate::core::{ResourceList, ResourceQuota, ResourceQuotaStatus};
use crate::quantity::Quantity;

pub use evaluator::{constraints, counts_updates, is_counted, is_negative, limited, mask, names, plural_of, replenishes, usage};
pub use scopes::{matches_scope, selectors};

/// What a quota's status should be, counted from all objects of its namespace (`ResourceQuotaController.syncResourceQuota`).
pub fn status<'a>(quota: &ResourceQuota, objects: impl Iterator<Item = &'a Object>) -> ResourceQuotaStatus {
    let hard = quota.spec.hard.clone();
    let mut used: ResourceList = hard.iter().map(|(name, limit)| (name.clone(), Quantity::new(0, limit.format()))).collect();
    let selectors = selectors(quota);
    for object in objects.filter(|object| selectors.iter().all(|selector| matches_scope(selector, object))) {
        for (name, amount) in usage(object) {
            if let Some(sum) = used.get_mut(&name) {
                sum.add(amount);
            }
        }
    }
    ResourceQuotaStatus { hard, used, ..quota.status.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::decode;
    use serde_json::json;

    #[test]
    fn a_pod_that_has_ended_keeps_its_place_only() {
        let pod = |name: &str, phase: &str| {
            let value = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "team", "name": name}, "status": {"phase": phase},
                "spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "200m"}}}]}});
            Object::decode_as("v1", "Pod", value).unwrap()
        };
        let quota: ResourceQuota = decode(json!({"spec": {"hard": {"pods": "5", "requests.cpu": "1", "count/pods": "9"}}})).unwrap();
        let (running, ended) = (pod("a", "Running"), pod("b", "Succeeded"));
        let counted = status(&quota, [&running, &ended].into_iter());
        let used: Vec<String> = counted.used.iter().map(|(name, amount)| format!("{name}={amount}")).collect();
        assert_eq!(used, ["count/pods=2", "pods=1", "requests.cpu=200m"]);
        assert!(replenishes(&running, &pod("a", "Failed")) && !replenishes(&running, &running));
    }
}

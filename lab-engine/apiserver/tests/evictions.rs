//! Evictions, which ask the PodDisruptionBudget.

mod common;

use common::{Harness, json};
use serde_json::{Value, json};

const PODS: &str = "/api/v1/namespaces/default/pods";
const BUDGETS: &str = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";

/// Two running Pods, and a budget that allows `allowed` disruptions.
fn two_pods(allowed: u32) -> Harness {
    let mut h = Harness::new();
    for name in ["a", "b"] {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": "web"}},
            "spec": {"containers": [{"name": "c", "image": "nginx"}]}});
        let mut made = json(h.post(PODS, pod));
        made["status"] = json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]});
        assert_eq!(h.put(&format!("{PODS}/{name}/status"), made).code, 200);
    }
    let budget = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "pdb"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}});
    let mut made = json(h.post(BUDGETS, budget));
    made["status"] = json!({"observedGeneration": made["metadata"]["generation"], "disruptionsAllowed": allowed, "currentHealthy": 2,
        "desiredHealthy": 1, "expectedPods": 2});
    assert_eq!(h.put(&format!("{BUDGETS}/pdb/status"), made).code, 200);
    h
}

fn evict(h: &mut Harness, name: &str) -> Result<(), (u16, String, Value)> {
    let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}});
    let response = h.post(&format!("{PODS}/{name}/eviction"), eviction);
    response.result.map(drop).map_err(|status| (status.code, status.message.clone(), status.to_json()["details"]["causes"][0].clone()))
}

#[test]
fn one_may_go_and_the_next_must_wait() {
    let mut h = two_pods(1);
    assert_eq!(evict(&mut h, "a"), Ok(()));
    let budget = json(h.get(&format!("{BUDGETS}/pdb")));
    assert_eq!(budget["status"]["disruptionsAllowed"], 0);
    assert!(budget["status"]["disruptedPods"]["a"].is_string());
    let (code, message, cause) = evict(&mut h, "b").unwrap_err();
    assert_eq!((code, message.as_str()), (429, "Cannot evict pod as it would violate the pod's disruption budget."));
    assert_eq!(cause["reason"], "DisruptionBudget");
    assert_eq!(cause["message"], "The disruption budget pdb needs 1 healthy pods and has 2 currently");
    assert_eq!(h.delete(&format!("{PODS}/b")).code, 200, "who deletes asks nobody");
}

#[test]
fn a_pod_that_does_not_run_goes_at_once() {
    let mut h = two_pods(0);
    let mut pod = json(h.get(&format!("{PODS}/a")));
    pod["status"]["phase"] = json!("Failed");
    h.put(&format!("{PODS}/a/status"), pod);
    assert_eq!(evict(&mut h, "a"), Ok(()));
    assert_eq!(evict(&mut h, "b").unwrap_err().0, 429);
}

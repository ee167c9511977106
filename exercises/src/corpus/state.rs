//! Whether an object has come to rest in the state that its author means it to have.
//!
//! The conditions are those that `kubectl wait` and `kubectl rollout status` look at: a Pod is ready or has succeeded, a workload has all its
//! replicas, a claim is bound, a Job is complete.

use serde_json::Value;

/// Why the object is not there yet; `None` when it is. Kinds that nothing acts on are there once they are stored.
pub fn missing(object: &Value) -> Option<String> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let name = format!("{} {}", object["kind"].as_str().unwrap_or_default(), object["metadata"]["name"].as_str().unwrap_or_default());
    let want = spec["replicas"].as_i64().unwrap_or(1);
    let count = |field: &str| status[field].as_i64().unwrap_or(0);
    let all = |fields: &[&str], want: i64| {
        let behind = fields.iter().find(|field| count(field) != want)?;
        Some(format!("{name}: {behind} is {} of {want}", count(behind)))
    };
    // Other add-ons have a kind `Gateway`, too.
    let of_gateway_api = object["apiVersion"].as_str().is_some_and(|version| version.starts_with("gateway.networking.k8s.io/"));
    match object["kind"].as_str().unwrap_or_default() {
        "Pod" => pod(status).map(|why| format!("{name}: {why}")),
        "Deployment" => all(&["updatedReplicas", "availableReplicas"], want).filter(|_| spec["paused"] != true),
        "ReplicaSet" | "ReplicationController" => all(&["availableReplicas"], want),
        "StatefulSet" => all(&["readyReplicas", "updatedReplicas"], want),
        "DaemonSet" => {
            let seen = status["observedGeneration"].is_i64();
            if seen {
                all(&["updatedNumberScheduled", "numberAvailable"], count("desiredNumberScheduled"))
            } else {
                Some(format!("{name}: not seen yet"))
            }
        }
        "Job" => {
            let done = has(status, "Complete") || has(status, "Suspended");
            (!done).then(|| format!("{name}: {} succeeded, {} failed, {} active", count("succeeded"), count("failed"), count("active")))
        }
        "PersistentVolumeClaim" => phase(&name, status, &["Bound"]),
        "PersistentVolume" => phase(&name, status, &["Available", "Bound"]),
        "Namespace" => phase(&name, status, &["Active"]),
        "CustomResourceDefinition" => (!has(status, "Established")).then(|| format!("{name}: not established")),
        "GatewayClass" if of_gateway_api => (!has(status, "Accepted")).then(|| format!("{name}: not accepted")),
        "Gateway" if of_gateway_api => (!has(status, "Programmed")).then(|| format!("{name}: not programmed")),
        "HTTPRoute" if of_gateway_api => {
            let parents = status["parents"].as_array().map(Vec::as_slice).unwrap_or_default();
            let good = !parents.is_empty() && parents.iter().all(|parent| has(parent, "Accepted") && has(parent, "ResolvedRefs"));
            (!good).then(|| format!("{name}: not accepted by its Gateways, or with backends that are not there"))
        }
        "Service" if spec["type"] == "LoadBalancer" => {
            status["loadBalancer"]["ingress"].is_null().then(|| format!("{name}: no address of a load balancer"))
        }
        _ => None,
    }
}

fn phase(name: &str, status: &Value, good: &[&str]) -> Option<String> {
    let phase = status["phase"].as_str().unwrap_or_default();
    (!good.contains(&phase)).then(|| format!("{name}: {phase}"))
}

/// Whether a condition of this type is true.
fn has(status: &Value, condition: &str) -> bool {
    let conditions = status["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    conditions.iter().any(|entry| entry["type"] == condition && entry["status"] == "True")
}

fn pod(status: &Value) -> Option<String> {
    if status["phase"] == "Succeeded" || has(status, "Ready") {
        return None;
    }
    let conditions = status["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let unscheduled = conditions.iter().find(|entry| entry["type"] == "PodScheduled" && entry["status"] == "False");
    let containers = ["initContainerStatuses", "containerStatuses"].iter().flat_map(|list| status[*list].as_array().into_iter().flatten());
    let reasons: Vec<String> = containers
        .filter(|container| container["ready"] != true)
        .map(|container| {
            let state = ["waiting", "terminated"].iter().find_map(|kind| container["state"][*kind]["reason"].as_str());
            format!("{} {}", container["name"].as_str().unwrap_or_default(), state.unwrap_or("not ready"))
        })
        .collect();
    let why = unscheduled.map_or_else(|| reasons.join(", "), |entry| entry["message"].as_str().unwrap_or_default().to_owned());
    Some(format!("{} ({why})", status["phase"].as_str().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pod_is_there_when_it_is_ready_or_has_succeeded() {
        let with = |status: Value| missing(&json!({"kind": "Pod", "metadata": {"name": "p"}, "status": status}));
        assert_eq!(with(json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]})), None);
        assert_eq!(with(json!({"phase": "Succeeded"})), None);
        let waiting = json!({"phase": "Pending", "containerStatuses": [{"name": "c", "ready": false, "state": {"waiting": {"reason": "ErrImagePull"}}}]});
        assert_eq!(with(waiting).as_deref(), Some("Pod p: Pending (c ErrImagePull)"));
    }

    #[test]
    fn a_workload_is_there_with_all_its_replicas() {
        let set = |ready: i64| json!({"kind": "StatefulSet", "metadata": {"name": "s"}, "spec": {"replicas": 2}, "status": {"readyReplicas": ready, "updatedReplicas": 2}});
        assert_eq!(missing(&set(1)).as_deref(), Some("StatefulSet s: readyReplicas is 1 of 2"));
        assert_eq!(missing(&set(2)), None);
        assert!(missing(&json!({"kind": "DaemonSet", "metadata": {"name": "d"}, "status": {}})).is_some());
    }
}

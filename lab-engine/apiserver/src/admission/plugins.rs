//! The plugins that look at namespaces and complete Pods: NamespaceLifecycle, Priority, DefaultTolerationSeconds
//! (`plugin/pkg/admission`).

use crate::cache::Cache;
use crate::storage;
use api::core::{Namespace, Pod, Toleration};
use api::kinds::{KindInfo, find_kind};
use api::status::{Cause, Status};
use api::{Object, Resource};

/// NamespaceLifecycle: nothing is made in a namespace that is not there, or on its way out.
pub(super) fn namespace_lifecycle(cache: &Cache, info: &KindInfo, object: &Object) -> Result<(), Box<Status>> {
    let (namespace, name) = (&object.metadata().namespace, &object.metadata().name);
    if !info.namespaced {
        return Ok(());
    }
    let found = cache.get(&storage::key(Namespace::INFO, "", namespace));
    let Some(found) = found.and_then(|object| object.as_kind::<Namespace>()) else {
        return Err(Box::new(Status::not_found(&Namespace::INFO.gvr(), namespace)));
    };
    if found.metadata.is_deleting() {
        let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
        let mut status = Status::forbidden(&info.gvr(), name, &why);
        let message = format!("namespace {namespace} is being terminated");
        status.details.causes.push(Cause { reason: "NamespaceTerminating", message, field: "metadata.namespace".to_owned() });
        return Err(Box::new(status));
    }
    Ok(())
}

/// Priority: the number and the preemption policy of a class.
pub(super) fn priority(cache: &Cache, pod: &mut Pod) -> Result<(), Box<Status>> {
    let class = pod.spec.priority_class_name.as_str();
    let (value, policy) = match class {
        "" => (0, None),
        "system-cluster-critical" => (2_000_000_000, None),
        "system-node-critical" => (2_000_001_000, None),
        name => {
            let info = find_kind("scheduling.k8s.io/v1", "PriorityClass");
            let found = info.and_then(|info| cache.get(&storage::key(info, "", name)));
            let Some(Object::Dynamic(found)) = found else {
                let why = format!("no PriorityClass with name {name} was found");
                return Err(Box::new(Status::forbidden(&Pod::INFO.gvr(), &pod.metadata.name, &why)));
            };
            let value = found.rest.get("value").and_then(serde_json::Value::as_i64).unwrap_or(0);
            let policy = found.rest.get("preemptionPolicy").and_then(serde_json::Value::as_str).map(str::to_owned);
            (i32::try_from(value).unwrap_or(0), policy)
        }
    };
    if pod.spec.priority.is_some_and(|given| given != value) {
        let why = format!(
            "the integer value of priority ({}) must not be provided in pod spec; priority admission controller computed {value} from \
             the given PriorityClass name",
            pod.spec.priority.unwrap_or(0)
        );
        return Err(Box::new(Status::forbidden(&Pod::INFO.gvr(), &pod.metadata.name, &why)));
    }
    pod.spec.priority = Some(value);
    if pod.spec.preemption_policy.is_none() {
        pod.spec.preemption_policy = Some(policy.unwrap_or_else(|| "PreemptLowerPriority".to_owned()));
    }
    Ok(())
}

/// DefaultTolerationSeconds: Pods tolerate a node that is not ready or unreachable for five minutes, unless they say otherwise.
pub(super) fn default_toleration_seconds(pod: &mut Pod) {
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let covers = |toleration: &Toleration| {
            (toleration.key == key || toleration.key.is_empty()) && matches!(toleration.effect.as_str(), "NoExecute" | "")
        };
        if !pod.spec.tolerations.iter().any(covers) {
            pod.spec.tolerations.push(Toleration {
                key: key.to_owned(),
                operator: "Exists".to_owned(),
                effect: "NoExecute".to_owned(),
                toleration_seconds: Some(300),
                ..Toleration::default()
            });
        }
    }
}

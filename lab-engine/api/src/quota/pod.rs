//! What a Pod asks for in all (`k8s.io/component-helpers/resource`).
//!
//! Containers and sidecars run together, ordinary init containers one after the other before them: the Pod needs the larger of both.
//!
//! **Simplified here:** resizes under way are not looked at.

use crate::core::{Container, Pod, ResourceList};
use crate::json::decode;
use crate::quantity::Quantity;
use serde_json::Value;

/// Adds the amounts of `more`.
pub(super) fn add(sum: &mut ResourceList, more: &ResourceList) {
    for (name, quantity) in more {
        sum.entry(name.clone()).or_default().add(*quantity);
    }
}

/// The larger amount of each resource.
fn at_least(list: &mut ResourceList, other: &ResourceList) {
    for (name, quantity) in other {
        let own = list.entry(name.clone()).or_insert(*quantity);
        *own = (*own).max(*quantity);
    }
}

fn sidecar(container: &Container) -> bool {
    container.restart_policy.as_deref() == Some("Always")
}

/// The amounts of the containers of a Pod together; `of` chooses requests or limits.
pub fn of_containers(pod: &Pod, of: impl Fn(&Container) -> &ResourceList) -> ResourceList {
    let mut sum = ResourceList::new();
    pod.spec.containers.iter().for_each(|container| add(&mut sum, of(container)));
    let (mut sidecars, mut peak) = (ResourceList::new(), ResourceList::new());
    for container in &pod.spec.init_containers {
        if sidecar(container) {
            add(&mut sum, of(container));
            add(&mut sidecars, of(container));
            at_least(&mut peak, &sidecars);
        } else {
            let mut step = sidecars.clone();
            add(&mut step, of(container));
            at_least(&mut peak, &step);
        }
    }
    at_least(&mut sum, &peak);
    sum
}

/// What the Pod itself states in `spec.resources` (KEP-2837); `field` is `requests` or `limits`.
pub fn of_pod_itself(pod: &Pod, field: &str) -> ResourceList {
    let stated = pod.spec.rest.get("resources").and_then(|resources| resources.get(field));
    stated.cloned().and_then(|value: Value| decode(value).ok()).unwrap_or_default()
}

/// What the Pod requests in all, with what the Pod itself states in place of its containers', and its overhead.
pub fn requests(pod: &Pod) -> ResourceList {
    let mut sum = of_containers(pod, |container| &container.resources.requests);
    sum.extend(of_pod_itself(pod, "requests"));
    add(&mut sum, &pod.spec.overhead);
    sum
}

/// What the Pod is limited to in all; its overhead is added to what is limited.
pub fn limits(pod: &Pod) -> ResourceList {
    let mut sum = of_containers(pod, |container| &container.resources.limits);
    sum.extend(of_pod_itself(pod, "limits"));
    for (name, quantity) in &pod.spec.overhead {
        if let Some(limit) = sum.get_mut(name).filter(|limit: &&mut Quantity| !limit.is_zero()) {
            limit.add(*quantity);
        }
    }
    sum
}

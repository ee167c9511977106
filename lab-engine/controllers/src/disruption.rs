//! The disruption controller: how many Pods of a PodDisruptionBudget may be evicted (`pkg/controller/disruption/disruption.go`).
//!
//! Its other half, [`stale`], looks at Pods that were to be disrupted and are still there.

pub(crate) mod stale;

use crate::caches::Caches;
use crate::driver::{Answer, Call, Conclusion, Controller, Plan, Sink, succeeded};
use crate::pods::is_ready;
use api::Resource;
use api::apps::{Deployment, ReplicaSet};
use api::core::Pod;
use api::http::{Method, Request, ResourcePath};
use api::intstr::IntOrString;
use api::kinds::{KINDS, KindInfo};
use api::labels::Selector;
use api::meta::{Condition, OwnerReference, Timestamp};
use api::policy::{PodDisruptionBudget, PodDisruptionBudgetStatus};
use client::{Delta, EventType, ObjectKey};
use sim::Time;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A Pod whose eviction was granted should be on its way out after this time (`DeletionTimeout`).
const DELETION_TIMEOUT: Duration = Duration::from_secs(120);

/// What a request is for.
#[derive(Clone, Debug)]
pub(crate) enum Note {
    /// The scale of the controller with this UID.
    Scale(String),
    Status,
}

/// A budget that is being looked at.
#[derive(Debug, Default)]
struct Look {
    /// The scales that were asked for, by UID.
    scales: BTreeMap<String, i32>,
    done: bool,
}

/// Keeps the status of budgets.
#[derive(Debug, Default)]
pub(crate) struct DisruptionController {
    looks: BTreeMap<ObjectKey, Look>,
}

/// The budgets of the Pod's namespace that select it.
pub(crate) fn budgets_of<'a>(caches: &'a Caches, pod: &'a Pod) -> impl Iterator<Item = ObjectKey> + 'a {
    let all = caches.budgets.lister().list_namespace(&pod.metadata.namespace);
    all.filter(|budget| selects(budget, pod)).map(|budget| ObjectKey::of(budget.as_ref()))
}

/// Whether the change of a Pod can matter to a budget.
pub(crate) fn matters(delta: &Delta<Pod>) -> bool {
    let look = |pod: &Pod| (is_ready(pod), pod.metadata.is_deleting(), pod.metadata.labels.clone(), pod.metadata.owner_references.clone());
    !matches!(delta, Delta::Updated(old, new) if look(old) == look(new))
}

/// A budget without a selector selects nothing, one with an empty one everything.
fn selects(budget: &PodDisruptionBudget, pod: &Pod) -> bool {
    let selector = budget.spec.selector.as_ref();
    selector.is_some_and(|selector| Selector::from_label_selector(Some(selector)).is_ok_and(|s| s.matches(&pod.metadata.labels)))
}

fn pods_of<'a>(caches: &'a Caches, budget: &'a PodDisruptionBudget) -> impl Iterator<Item = &'a Arc<Pod>> {
    caches.pods.lister().list_namespace(&budget.metadata.namespace).filter(|pod| selects(budget, pod))
}

/// Whether the numbers of the controllers' scales are needed.
fn needs_scales(budget: &PodDisruptionBudget) -> bool {
    budget.spec.max_unavailable.is_some() || matches!(budget.spec.min_available, Some(IntOrString::String(_)))
}

/// The scale of a controller that the caches know: a ReplicaSet's own, or that of its Deployment.
fn known_scale(caches: &Caches, namespace: &str, owner: &OwnerReference) -> Option<(String, i32)> {
    if owner.kind != ReplicaSet::INFO.kind {
        return None;
    }
    let rs = caches.replica_sets.lister().get(&ObjectKey::new(namespace, owner.name.as_str())).filter(|rs| rs.metadata.uid == owner.uid)?;
    let Some(deployment) = rs.metadata.controller().filter(|owner| owner.kind == Deployment::INFO.kind) else {
        return Some((rs.metadata.uid.clone(), rs.spec.replicas.unwrap_or(1)));
    };
    let found = caches.deployments.lister().get(&ObjectKey::new(namespace, deployment.name.as_str()))?;
    Some((found.metadata.uid.clone(), found.spec.replicas.unwrap_or(1)))
}

/// The kind of a controller, for its scale.
fn kind_of(owner: &OwnerReference) -> Option<&'static KindInfo> {
    let group = owner.api_version.split_once('/').map_or("", |(group, _)| group);
    KINDS.iter().find(|info| info.group == group && info.kind == owner.kind)
}

/// How many Pods there should be and how many must be healthy, and the Pods that nobody controls (`getExpectedPodCount`). `scale` gives the
/// UID and the scale of what a Pod's controller is scaled by.
fn expected(
    pods: &[Arc<Pod>],
    budget: &PodDisruptionBudget,
    scale: impl Fn(&OwnerReference) -> Option<(String, i32)>,
) -> Result<(i32, i32, Vec<String>), String> {
    if let (None, Some(IntOrString::Int(min))) = (&budget.spec.max_unavailable, &budget.spec.min_available) {
        return Ok((i32::try_from(pods.len()).unwrap_or(i32::MAX), *min, Vec::new()));
    }
    let (mut total, mut unmanaged) = (BTreeMap::new(), Vec::new());
    for pod in pods {
        let Some(owner) = pod.metadata.controller() else {
            unmanaged.push(pod.metadata.name.clone());
            continue;
        };
        let (uid, scale) = scale(owner).ok_or_else(|| format!("found no controllers for pod {:?}", pod.metadata.name))?;
        total.insert(uid, scale);
    }
    let total = total.into_values().fold(0, i32::saturating_add);
    let healthy = match (&budget.spec.max_unavailable, &budget.spec.min_available) {
        (Some(max), _) => total.saturating_sub(max.scaled(total, true)?).max(0),
        (None, Some(min)) => min.scaled(total, true)?,
        (None, None) => 0,
    };
    Ok((total, healthy, unmanaged))
}

/// The granted evictions that are still to show, and when the first of them is overdue (`buildDisruptedPodMap`).
fn disrupted(now: Time, caches: &Caches, budget: &PodDisruptionBudget, mut overdue: impl FnMut(&Pod)) -> BTreeMap<String, Timestamp> {
    let mut still = BTreeMap::new();
    if budget.status.disrupted_pods.is_empty() {
        return still;
    }
    for pod in pods_of(caches, budget).filter(|pod| !pod.metadata.is_deleting()) {
        let Some(granted) = budget.status.disrupted_pods.get(&pod.metadata.name) else { continue };
        if granted.0 + DELETION_TIMEOUT < now {
            overdue(pod);
        } else {
            still.insert(pod.metadata.name.clone(), *granted);
        }
    }
    still
}

fn set_allowed(status: &mut PodDisruptionBudgetStatus, now: Time, generation: Option<i64>, reason: &str, message: &str) {
    let value = if status.disruptions_allowed > 0 { "True" } else { "False" };
    let index = status.conditions.iter().position(|condition| condition.type_ == "DisruptionAllowed").unwrap_or_else(|| {
        status.conditions.push(Condition { type_: "DisruptionAllowed".to_owned(), ..Condition::default() });
        status.conditions.len() - 1
    });
    let condition = &mut status.conditions[index];
    if condition.status != value {
        condition.last_transition_time = Some(now.into());
    }
    value.clone_into(&mut condition.status);
    reason.clone_into(&mut condition.reason);
    message.clone_into(&mut condition.message);
    condition.observed_generation = generation;
}

impl DisruptionController {
    /// The status that the budget should have (`trySync`, `failSafe`).
    fn status(&self, now: Time, caches: &Caches, budget: &Arc<PodDisruptionBudget>, sink: &mut Sink<'_>) -> PodDisruptionBudgetStatus {
        let mut tell = |kind, reason: &str, message: &str| sink.event(budget.as_ref(), kind, reason, message);
        let look = self.looks.get(&ObjectKey::of(budget.as_ref()));
        let scale = |owner: &OwnerReference| {
            let asked = || look.and_then(|look| look.scales.get(&owner.uid)).map(|scale| (owner.uid.clone(), *scale));
            known_scale(caches, &budget.metadata.namespace, owner).or_else(asked)
        };
        let pods: Vec<Arc<Pod>> = pods_of(caches, budget).cloned().collect();
        let generation = budget.metadata.generation;
        let mut status = budget.status.clone();
        if pods.is_empty() {
            tell(EventType::Normal, "NoPods", "No matching pods found");
        }
        let (expected, desired, unmanaged) = match expected(&pods, budget, scale) {
            Ok(found) => found,
            Err(why) => {
                let message = format!("Failed to calculate the number of expected pods: {why}");
                tell(EventType::Warning, "CalculateExpectedPodCountFailed", &message);
                status.disruptions_allowed = 0;
                set_allowed(&mut status, now, generation, "SyncFailed", &why);
                return status;
            }
        };
        if !unmanaged.is_empty() {
            let selector = Selector::from_label_selector(budget.spec.selector.as_ref()).map(|selector| selector.to_string());
            let message = format!(
                "Pods selected by this PodDisruptionBudget (selector: {}) were found to be unmanaged. As a result, the status of the PDB \
                 cannot be calculated correctly, which may result in undefined behavior. To account for these pods please set \
                 \".spec.minAvailable\" field of the PDB to an integer value.",
                selector.unwrap_or_default()
            );
            tell(EventType::Warning, "UnmanagedPods", &message);
        }
        let mut overdue = Vec::new();
        status.disrupted_pods = disrupted(now, caches, budget, |pod| overdue.push(pod.clone()));
        for pod in overdue {
            // Upstream names the namespace twice, and not the budget.
            let namespace = &budget.metadata.namespace;
            let message = format!("Pod was expected by PDB {namespace}/{namespace} to be deleted but it wasn't");
            sink.event(&pod, EventType::Warning, "NotDeleted", &message);
        }
        let goes = |pod: &Pod| pod.metadata.is_deleting() || status.disrupted_pods.contains_key(&pod.metadata.name);
        let healthy = pods.iter().filter(|pod| !goes(pod) && is_ready(pod)).count();
        status.current_healthy = i32::try_from(healthy).unwrap_or(i32::MAX);
        (status.desired_healthy, status.expected_pods) = (desired, expected);
        // Without Pods nothing may go: the first ones must not be evicted before they were counted.
        let allowed = status.current_healthy.saturating_sub(desired);
        status.disruptions_allowed = if expected <= 0 { 0 } else { allowed.max(0) };
        status.observed_generation = generation;
        let reason = if status.disruptions_allowed > 0 { "SufficientPods" } else { "InsufficientPods" };
        set_allowed(&mut status, now, generation, reason, "");
        status
    }
}

impl Controller for DisruptionController {
    type Note = Note;

    /// Asks for the scales that the caches do not know.
    fn reconcile(&mut self, _now: Time, caches: &Caches, key: &ObjectKey, _sink: &mut Sink<'_>) -> Plan<Note> {
        let mut plan = Plan::default();
        let Some(budget) = caches.budgets.lister().get(key) else {
            self.looks.remove(key);
            return plan;
        };
        self.looks.insert(key.clone(), Look::default());
        if !needs_scales(budget) {
            return plan;
        }
        let mut questions = BTreeMap::new();
        for owner in pods_of(caches, budget).filter_map(|pod| pod.metadata.controller()) {
            if known_scale(caches, &key.namespace, owner).is_some() {
                continue;
            }
            if let Some(info) = kind_of(owner).filter(|info| info.kind != ReplicaSet::INFO.kind) {
                let path = ResourcePath::object(info, &key.namespace, &owner.name).with_subresource("scale");
                questions.insert(owner.uid.clone(), Request::new(Method::Get, path));
            }
        }
        let calls: Vec<Call<Note>> = questions.into_iter().map(|(uid, request)| Call { request, note: Note::Scale(uid) }).collect();
        plan.phases.push_back(calls);
        plan
    }

    fn answered(&mut self, key: &ObjectKey, note: &Note, answer: Answer, _sink: &mut Sink<'_>) -> Result<(), String> {
        match note {
            Note::Status => succeeded(answer),
            Note::Scale(uid) => {
                if let (Some(look), Ok(scale)) = (self.looks.get_mut(key), answer) {
                    let scale = scale.to_json();
                    let same = scale["metadata"]["uid"].as_str().is_none_or(|found| found == uid);
                    if let Some(replicas) = scale["spec"]["replicas"].as_i64().filter(|_| same) {
                        look.scales.insert(uid.clone(), i32::try_from(replicas).unwrap_or(i32::MAX));
                    }
                }
                Ok(())
            }
        }
    }

    fn proceed(&mut self, now: Time, caches: &Caches, key: &ObjectKey, sink: &mut Sink<'_>) -> Vec<Call<Note>> {
        let Some(budget) = caches.budgets.lister().get(key) else { return Vec::new() };
        if self.looks.get_mut(key).is_none_or(|look| std::mem::replace(&mut look.done, true)) {
            return Vec::new();
        }
        let status = self.status(now, caches, budget, sink);
        if status == budget.status {
            return Vec::new();
        }
        let changed = PodDisruptionBudget { status, ..PodDisruptionBudget::clone(budget) };
        vec![Call::update_status(changed, Note::Status)]
    }

    /// Looks again when a granted eviction is overdue.
    fn conclude(&mut self, now: Time, caches: &Caches, key: &ObjectKey, _failure: Option<&str>) -> Conclusion<Note> {
        let granted = caches.budgets.lister().get(key).and_then(|budget| budget.status.disrupted_pods.values().min().copied());
        (None, granted.map(|granted| (granted.0 + DELETION_TIMEOUT + Duration::from_secs(1)).since(now).max(Duration::from_secs(1))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::json::decode;
    use serde_json::{Value, json};

    fn bounds(spec: Value) -> Result<(i32, i32), String> {
        let owner = json!([{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": "s", "controller": true}]);
        let pod: Arc<Pod> = Arc::new(decode(json!({"metadata": {"name": "db-0", "ownerReferences": owner}})).unwrap());
        let budget: PodDisruptionBudget = decode(json!({"spec": spec})).unwrap();
        let scale = |owner: &OwnerReference| Some((owner.uid.clone(), 7));
        expected(&[pod.clone(), pod.clone(), pod], &budget, scale).map(|(expected, desired, _)| (expected, desired))
    }

    #[test]
    fn percentages_are_of_the_scale_and_rounded_up_and_numbers_of_the_pods() {
        assert_eq!(bounds(json!({"minAvailable": 2})), Ok((3, 2)));
        assert_eq!(bounds(json!({"minAvailable": "50%"})), Ok((7, 4)));
        assert_eq!(bounds(json!({"maxUnavailable": "50%"})), Ok((7, 3)));
        assert_eq!(bounds(json!({"maxUnavailable": 9})), Ok((7, 0)));
        assert!(bounds(json!({"maxUnavailable": "x"})).is_err());
    }
}

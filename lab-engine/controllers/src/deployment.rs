//! The Deployment controller: versions of a Pod template, one ReplicaSet each (`pkg/controller/deployment/deployment_controller.go`).
//!
//! The ReplicaSet with the Deployment's own template is the new one, the others are old. Each look at a Deployment takes one step:
//! create the new ReplicaSet, or make it larger, or make old ones smaller, or remove old ones that are beyond the history limit.
//!
//! A change of the Deployment's size in the midst of a rollout is spread over the versions in proportion. ReplicaSets are adopted and
//! released by the Deployment's selector.
//!
//! **Simplified here:** `pod-template-hash` is FNV-1a over the template's JSON, where upstream hashes a dump of the Go struct, so hashes
//! differ from those of a real cluster. Hash collisions are not resolved.

pub(crate) mod revision;
pub(crate) mod rolling;
pub(crate) mod scaling;
pub(crate) mod status;

use crate::caches::{BY_CONTROLLER, Caches, orphans_of};
use crate::claims::{self, controller_reference};
use crate::driver::{Answer, Call, Conclusion, Controller, Plan, Sink};
use crate::history::safe_hash;
use api::Resource;
use api::apps::{Deployment, ReplicaSet};
use api::core::PodTemplateSpec;
use api::json::Json;
use api::labels::Selector;
use client::{EventType, ObjectKey};
use revision::{REVISION, beyond_history, next_revision, revision};
use rolling::{desired, is_rolling, max_surge, new_size, old_sizes, size};
use sim::Time;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const HASH_LABEL: &str = "pod-template-hash";
const DESIRED_REPLICAS: &str = "deployment.kubernetes.io/desired-replicas";
const MAX_REPLICAS: &str = "deployment.kubernetes.io/max-replicas";

/// What a write is for.
#[derive(Clone, Debug)]
pub(crate) enum Note {
    /// Whether the Deployment still exists.
    Recheck(Arc<Deployment>),
    /// A ReplicaSet changes hands.
    Claim,
    /// The ReplicaSet of a new version comes, with this size.
    Create { deployment: Arc<Deployment>, name: String, to: i32 },
    /// A ReplicaSet of this name changes its size.
    Scale { deployment: Arc<Deployment>, name: String, from: i32, to: i32 },
    /// Anything without an event.
    Quiet,
}

/// Rolls out versions of a Pod template.
#[derive(Debug, Default)]
pub(crate) struct DeploymentController {
    /// The ReplicaSet that the look under way has made.
    created: BTreeMap<ObjectKey, String>,
}

/// The ReplicaSets of a Deployment.
struct Versions {
    new: Option<Arc<ReplicaSet>>,
    /// Oldest first.
    old: Vec<Arc<ReplicaSet>>,
    all: Vec<Arc<ReplicaSet>>,
}

/// The value of `pod-template-hash` (`ComputeHash`): of the template as JSON, without that label.
fn template_hash(template: &PodTemplateSpec) -> String {
    let mut template = template.clone();
    template.metadata.labels.remove(HASH_LABEL);
    safe_hash(&template.to_json().to_string())
}

/// Whether the two are one version: they differ in nothing but the label that tells versions apart (`EqualIgnoreHash`). Amounts that are
/// written in different ways are equal.
pub fn same_version(one: &PodTemplateSpec, other: &PodTemplateSpec) -> bool {
    let unmarked = |template: &PodTemplateSpec| {
        let mut metadata = template.metadata.clone();
        metadata.labels.remove(HASH_LABEL);
        metadata
    };
    one.spec == other.spec && one.rest == other.rest && unmarked(one) == unmarked(other)
}

fn versions(caches: &Caches, deployment: &Deployment) -> Versions {
    let own = caches.replica_sets.lister().by_index(BY_CONTROLLER, &deployment.metadata.uid);
    let mut all: Vec<_> = own.cloned().collect();
    all.sort_by(|a, b| (a.metadata.creation_timestamp, &a.metadata.name).cmp(&(b.metadata.creation_timestamp, &b.metadata.name)));
    let new = all.iter().find(|rs| same_version(&rs.spec.template, &deployment.spec.template)).cloned();
    let old = all.iter().filter(|rs| new.as_ref().is_none_or(|new| new.metadata.uid != rs.metadata.uid)).cloned().collect();
    Versions { new, old, all }
}

/// The calls that adopt and release ReplicaSets (`getReplicaSetsForDeployment`).
fn claim(caches: &Caches, deployment: &Arc<Deployment>) -> Option<Plan<Note>> {
    let selector = Selector::from_label_selector(Some(&deployment.spec.selector)).ok()?;
    let all = caches.replica_sets.lister();
    let nobodys = orphans_of(&deployment.metadata.namespace);
    let own = all.by_index(BY_CONTROLLER, &deployment.metadata.uid);
    let claims = claims::claims(&selector, own, all.by_index(BY_CONTROLLER, &nobodys));
    Plan::claiming(deployment, &claims, Note::Recheck(deployment.clone()), &Note::Claim)
}

/// Annotations of a ReplicaSet that tell of its Deployment's size (`SetReplicasAnnotations`).
fn annotate(rs: &mut ReplicaSet, deployment: &Deployment) {
    let desired = desired(deployment);
    let most = desired.saturating_add(max_surge(deployment));
    rs.metadata.annotations.insert(DESIRED_REPLICAS.to_owned(), desired.to_string());
    rs.metadata.annotations.insert(MAX_REPLICAS.to_owned(), most.to_string());
}

/// Models `getNewReplicaSet` where there is none yet.
fn create(deployment: &Arc<Deployment>, replicas: i32, revision: i64) -> Call<Note> {
    let hash = template_hash(&deployment.spec.template);
    let mut rs = ReplicaSet::default();
    rs.metadata.name = format!("{}-{hash}", deployment.metadata.name);
    rs.metadata.namespace = deployment.metadata.namespace.clone();
    rs.metadata.owner_references = vec![controller_reference(deployment.as_ref())].into();
    rs.spec.replicas = Some(replicas);
    rs.spec.min_ready_seconds = deployment.spec.min_ready_seconds;
    rs.spec.selector = deployment.spec.selector.clone();
    rs.spec.selector.match_labels.insert(HASH_LABEL.to_owned(), hash.clone());
    rs.spec.template = deployment.spec.template.clone();
    rs.spec.template.metadata.labels.insert(HASH_LABEL.to_owned(), hash);
    rs.metadata.labels = rs.spec.template.metadata.labels.clone();
    revision::annotate(deployment, &mut rs, revision);
    annotate(&mut rs, deployment);
    let note = Note::Create { deployment: deployment.clone(), name: rs.metadata.name.clone(), to: replicas };
    Call::create(rs, note)
}

/// Brings a ReplicaSet's size and the annotations about the Deployment's size up to date; `None` when they are (`scaleReplicaSet`).
fn resize(deployment: &Arc<Deployment>, rs: &ReplicaSet, to: i32) -> Option<Call<Note>> {
    let mut annotated = rs.clone();
    annotate(&mut annotated, deployment);
    (size(rs) != to || annotated.metadata.annotations != rs.metadata.annotations).then(|| scale(deployment, rs, to))
}

/// Models `scaleReplicaSet`.
fn scale(deployment: &Arc<Deployment>, rs: &ReplicaSet, to: i32) -> Call<Note> {
    let mut changed = rs.clone();
    changed.spec.replicas = Some(to);
    annotate(&mut changed, deployment);
    let note = Note::Scale { deployment: deployment.clone(), name: rs.metadata.name.clone(), from: size(rs), to };
    Call::update(changed, note)
}

/// The calls that bring annotations and `minReadySeconds` of the new version, and the Deployment's revision, up to date; empty when they
/// are (`getNewReplicaSet` where there is one).
fn revise(deployment: &Deployment, new: &ReplicaSet, wanted: i64) -> Vec<Call<Note>> {
    let mut calls = Vec::new();
    let mut changed = new.clone();
    revision::annotate(deployment, &mut changed, wanted);
    changed.spec.min_ready_seconds = deployment.spec.min_ready_seconds;
    let shown = revision(&changed).to_string();
    if changed != *new {
        calls.push(Call::update(changed, Note::Quiet));
    }
    if deployment.metadata.annotations.get(REVISION) != Some(&shown) {
        let mut changed = deployment.clone();
        changed.metadata.annotations.insert(REVISION.to_owned(), shown);
        calls.push(Call::update(changed, Note::Quiet));
    }
    calls
}

/// Removes the old ReplicaSets beyond the history limit (`cleanupDeployment`).
fn cleanup(deployment: &Deployment, versions: &Versions) -> (Vec<Call<Note>>, String) {
    let gone = beyond_history(deployment, &versions.old);
    let calls = gone.iter().map(|rs| Call::delete(rs.as_ref(), Note::Quiet)).collect();
    (calls, "remove old ReplicaSets beyond the history limit".to_owned())
}

/// The step of a Deployment that is paused or whose size has changed: the versions' sizes follow, no new version comes (`sync`).
fn follow_size(deployment: &Arc<Deployment>, versions: &Versions) -> (Vec<Call<Note>>, String) {
    if let Some(new) = &versions.new {
        let wanted = next_revision(&versions.old);
        let calls = revise(deployment, new, wanted);
        if !calls.is_empty() {
            return (calls, format!("note revision {}", revision(new).max(wanted)));
        }
    }
    let sizes = scaling::scale(deployment, versions.new.as_ref(), &versions.old);
    let calls: Vec<_> = sizes.into_iter().filter_map(|(rs, to)| resize(deployment, &rs, to)).collect();
    if calls.is_empty() && deployment.spec.paused == Some(true) {
        return cleanup(deployment, versions);
    }
    (calls, format!("spread {} replicas over the versions", desired(deployment)))
}

/// The next step of the rollout (`rolloutRolling`, `rolloutRecreate`): calls, and words for them.
fn step(caches: &Caches, deployment: &Arc<Deployment>, versions: &Versions) -> (Vec<Call<Note>>, String) {
    let total = versions.all.iter().map(|rs| size(rs)).fold(0_i32, i32::saturating_add);
    let wanted_revision = next_revision(&versions.old);
    if !is_rolling(deployment) {
        let calls: Vec<_> = versions.old.iter().filter(|rs| size(rs) > 0).map(|rs| scale(deployment, rs, 0)).collect();
        if !calls.is_empty() {
            return (calls, "scale down all old ReplicaSets".to_owned());
        }
        let finished = |phase: &str| matches!(phase, "Succeeded" | "Failed");
        let mut pods = versions.old.iter().flat_map(|rs| caches.pods.lister().by_index(BY_CONTROLLER, &rs.metadata.uid));
        if pods.any(|pod| !finished(&pod.status.phase)) {
            return (Vec::new(), String::new());
        }
    }
    let Some(new) = &versions.new else {
        let replicas = new_size(deployment, 0, total);
        return (vec![create(deployment, replicas, wanted_revision)], format!("create a ReplicaSet for revision {wanted_revision}"));
    };
    let calls = revise(deployment, new, wanted_revision);
    if !calls.is_empty() {
        return (calls, format!("note revision {}", revision(new).max(wanted_revision)));
    }
    let wanted = new_size(deployment, size(new), total);
    if wanted != size(new) {
        return (vec![scale(deployment, new, wanted)], format!("scale {} from {} to {wanted}", new.metadata.name, size(new)));
    }
    let sizes = old_sizes(deployment, new, &versions.old);
    let smaller = versions.old.iter().zip(sizes).filter(|(rs, wanted)| size(rs) != *wanted);
    let calls: Vec<_> = smaller.map(|(rs, wanted)| scale(deployment, rs, wanted)).collect();
    if !calls.is_empty() {
        return (calls, "scale down old ReplicaSets".to_owned());
    }
    if !status::is_complete(deployment, &deployment.status) {
        return (Vec::new(), String::new());
    }
    cleanup(deployment, versions)
}

impl Controller for DeploymentController {
    type Note = Note;

    /// Models `syncDeployment`.
    fn reconcile(&mut self, _now: Time, caches: &Caches, key: &ObjectKey, _sink: &mut Sink<'_>) -> Plan<Note> {
        let mut plan = Plan::default();
        let Some(deployment) = caches.deployments.lister().get(key) else {
            return plan;
        };
        if deployment.metadata.is_deleting() {
            return plan;
        }
        if let Some(claiming) = claim(caches, deployment) {
            return claiming;
        }
        let versions = versions(caches, deployment);
        let follows = deployment.spec.paused == Some(true) || scaling::is_scaling_event(deployment, &versions.all);
        let (calls, decision) = if follows { follow_size(deployment, &versions) } else { step(caches, deployment, &versions) };
        if !calls.is_empty() {
            plan.decision = Some((deployment.object_ref(), decision));
            plan.phases.push_back(calls);
        }
        plan
    }

    fn answered(&mut self, key: &ObjectKey, note: &Note, answer: Answer, sink: &mut Sink<'_>) -> Result<(), String> {
        let (deployment, name, from, to) = match (note, answer) {
            (Note::Recheck(deployment), answer) => return claims::may_adopt(deployment.as_ref(), answer),
            (Note::Claim, answer) => return claims::claimed(answer),
            (_, Err(refusal)) => return Err(refusal.message),
            (Note::Quiet, Ok(_)) => return Ok(()),
            (Note::Create { deployment, name, to }, Ok(_)) => {
                self.created.insert(key.clone(), name.clone());
                (deployment, name, 0, *to)
            }
            (Note::Scale { deployment, name, from, to }, Ok(_)) => (deployment, name, *from, *to),
        };
        if from != to {
            let direction = if to > from { "up" } else { "down" };
            let message = format!("Scaled {direction} replica set {name} from {from} to {to}");
            sink.event(deployment.as_ref(), EventType::Normal, "ScalingReplicaSet", &message);
        }
        Ok(())
    }

    /// Models `syncRolloutStatus`, and looks again when the rollout would have failed.
    fn conclude(&mut self, now: Time, caches: &Caches, key: &ObjectKey, failure: Option<&str>) -> Conclusion<Note> {
        let created = self.created.remove(key);
        let Some(deployment) = caches.deployments.lister().get(key).filter(|_| failure.is_none()) else {
            return (None, None);
        };
        if let Some(name) = created {
            // Before anything else is known of the new version: its rollout begins (the end of `getNewReplicaSet`).
            return (status::begun(now, deployment, &name).map(|begun| Call::update_status(begun, Note::Quiet)), None);
        }
        let versions = versions(caches, deployment);
        let shown = deployment.metadata.annotations.get(REVISION);
        let paused = deployment.spec.paused == Some(true);
        // A write of this very run is not in the cache yet: its watch event brings us back.
        let current = versions.new.as_ref().is_some_and(|new| shown == Some(&revision(new).to_string()));
        if !current && !paused && is_rolling(deployment) {
            return (None, None);
        }
        let status = status::calculate(now, deployment, versions.new.as_deref(), &versions.all);
        let unfinished = !paused && !status::is_complete(deployment, &status);
        let progressing = api::meta::condition(&status.conditions, "Progressing").filter(|c| c.status == "True" && unfinished);
        let again = progressing.and_then(|condition| {
            let due = condition.last_update_time?.0 + status::progress_deadline(deployment)?;
            Some(due.since(now) + Duration::from_secs(1))
        });
        if status == deployment.status {
            return (None, again);
        }
        let mut changed = Deployment::clone(deployment);
        changed.status = status;
        (Some(Call::update_status(changed, Note::Quiet)), again)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_version_is_known_without_its_label_and_however_amounts_are_written() {
        let template = |labels: serde_json::Value, cpu: &str, image: &str| -> PodTemplateSpec {
            let container = json!({"name": "web", "image": image, "resources": {"requests": {"cpu": cpu}}});
            api::json::decode(json!({"metadata": {"labels": labels}, "spec": {"containers": [container]}})).unwrap()
        };
        let one = template(json!({"app": "web"}), "1", "nginx");
        assert!(same_version(&one, &template(json!({"app": "web", HASH_LABEL: "abc"}), "1000m", "nginx")));
        assert!(!same_version(&one, &template(json!({"app": "web"}), "1", "httpd")));
        assert!(!same_version(&one, &template(json!({"app": "shop"}), "1", "nginx")));
    }
}

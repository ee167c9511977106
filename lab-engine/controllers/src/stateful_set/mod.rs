//! The StatefulSet controller: Pods with names, volumes and an order of their own (`pkg/controller/statefulset`).
//!
//! What to do is decided in [`control`]; what follows from a Pod's name is in [`names`]. Before a Pod comes its claims. A Pod that waits for
//! the volume of a claim waits in the scheduler or on its node, not here.
//!
//! **Simplified here:** of a Pod that lost its identity the labels are mended and not the volumes, which cannot change; claims are only
//! seen to when a look at a Pod finds one missing or with other owners.

pub(crate) mod control;
pub(crate) mod names;

use crate::caches::{BY_CONTROLLER, Caches, orphans_of};
use crate::claims;
use crate::driver::{Answer, Call, Conclusion, Controller, Plan, Sink};
use crate::history::{self, HASH, Outcome, revision_of};
use api::Resource;
use api::apps::{ControllerRevision, StatefulSet};
use api::core::{PersistentVolumeClaim, Pod};
use api::labels::Selector;
use client::{EventType, ObjectKey};
use control::{Step, Version, View};
use names::{claims_of, identity_matches, is_member_of, is_stale, ordinal_of, with_owners};
use sim::Time;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a write is for.
#[derive(Clone, Debug)]
pub(crate) enum Note {
    /// Whether the set still exists.
    Recheck(Arc<StatefulSet>),
    /// A Pod or version changes hands.
    Claim,
    /// The claim of this name, for the Pod of that name.
    CreateClaim(Arc<StatefulSet>, String, String),
    /// A Pod is created, updated or deleted.
    Pod(Arc<StatefulSet>, Verb, String),
    /// Anything without an event.
    Quiet,
}

/// What is done to a Pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Create,
    Update,
    Delete,
}

impl Verb {
    fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Verb::Create => ("create", "SuccessfulCreate", "FailedCreate"),
            Verb::Update => ("update", "SuccessfulUpdate", "FailedUpdate"),
            Verb::Delete => ("delete", "SuccessfulDelete", "FailedDelete"),
        }
    }
}

/// Keeps Pods that are not equal.
#[derive(Debug, Default)]
pub(crate) struct StatefulSetController;

/// What the caches hold about a set.
struct Known {
    pods: Vec<Arc<Pod>>,
    versions: Vec<Arc<ControllerRevision>>,
}

fn known(caches: &Caches, set: &StatefulSet) -> Known {
    let pods = caches.pods.lister().by_index(BY_CONTROLLER, &set.metadata.uid);
    let versions = caches.revisions.lister().by_index(BY_CONTROLLER, &set.metadata.uid);
    Known { pods: pods.filter(|pod| is_member_of(set, pod)).cloned().collect(), versions: history::sorted(versions) }
}

/// The calls that adopt and release Pods and versions.
fn claim(caches: &Caches, set: &Arc<StatefulSet>) -> Option<Plan<Note>> {
    let selector = Selector::from_label_selector(Some(&set.spec.selector)).ok()?;
    let nobodys = orphans_of(&set.metadata.namespace);
    let pods = caches.pods.lister();
    let orphans = pods.by_index(BY_CONTROLLER, &nobodys).filter(|pod| is_member_of(set, pod));
    let pods = claims::claims(&selector, pods.by_index(BY_CONTROLLER, &set.metadata.uid), orphans);
    let plan = Plan::claiming(set, &pods, Note::Recheck(set.clone()), &Note::Claim);
    plan.or_else(|| {
        let versions = caches.revisions.lister();
        let adopt = claims::claims(&selector, std::iter::empty(), versions.by_index(BY_CONTROLLER, &nobodys));
        Plan::claiming(set, &adopt, Note::Recheck(set.clone()), &Note::Claim)
    })
}

/// The version that is being left: the one that the status names, else the newest.
fn current_version(set: &StatefulSet, versions: &[Arc<ControllerRevision>], update: &Arc<ControllerRevision>) -> Arc<ControllerRevision> {
    let named = versions.iter().find(|version| version.metadata.name == set.status.current_revision);
    named.unwrap_or(update).clone()
}

fn version(set: &StatefulSet, revision: &ControllerRevision) -> Version {
    let template = history::template_of(revision).unwrap_or_else(|| set.spec.template.clone());
    Version { name: revision.metadata.name.clone(), template }
}

fn claim_in_cache<'c>(caches: &'c Caches, claim: &PersistentVolumeClaim) -> Option<&'c Arc<PersistentVolumeClaim>> {
    caches.claims.lister().get(&ObjectKey::of(claim))
}

/// Whether a Pod has its identity, its claims, and these the owners that they should have.
fn is_kept(caches: &Caches, set: &StatefulSet, pod: &Pod) -> bool {
    let claims_kept = claims_of(set, ordinal_of(pod))
        .all(|claim| claim_in_cache(caches, &claim).is_some_and(|claim| with_owners(set, pod, claim).is_none()));
    identity_matches(set, pod) && claims_kept
}

/// The calls that make the claims of a Pod that are missing (`createPersistentVolumeClaims`).
fn missing_claims(caches: &Caches, set: &Arc<StatefulSet>, pod: &Pod) -> Vec<Call<Note>> {
    let missing = claims_of(set, ordinal_of(pod)).filter(|claim| claim_in_cache(caches, claim).is_none());
    let create = |claim: PersistentVolumeClaim| {
        let note = Note::CreateClaim(set.clone(), claim.metadata.name.clone(), pod.metadata.name.clone());
        Call::create(claim, note)
    };
    missing.map(create).collect()
}

/// The calls that give a Pod's claims the owners that they should have.
fn owned_claims(caches: &Caches, set: &StatefulSet, pod: &Pod) -> Vec<Call<Note>> {
    let known = claims_of(set, ordinal_of(pod));
    let changed = known.filter_map(|claim| with_owners(set, pod, claim_in_cache(caches, &claim)?));
    changed.map(|claim| Call::update(claim, Note::Quiet)).collect()
}

/// The phases of one step.
fn phases(caches: &Caches, set: &Arc<StatefulSet>, step: &Step) -> Vec<Vec<Call<Note>>> {
    let note = |verb, pod: &Pod| Note::Pod(set.clone(), verb, pod.metadata.name.clone());
    match step {
        Step::Create(pod) => {
            let blocked =
                claims_of(set, ordinal_of(pod)).any(|claim| claim_in_cache(caches, &claim).is_some_and(|claim| is_stale(claim, pod)));
            if blocked {
                return Vec::new();
            }
            vec![missing_claims(caches, set, pod), vec![Call::create(Pod::clone(pod), note(Verb::Create, pod))]]
        }
        Step::Mend(pod) => {
            let mut calls = missing_claims(caches, set, pod);
            calls.extend(owned_claims(caches, set, pod));
            if !identity_matches(set, pod) {
                let mut changed = Pod::clone(pod);
                names::set_identity(set, &mut changed);
                calls.push(Call::update(changed, note(Verb::Update, pod)));
            }
            vec![calls]
        }
        Step::MendClaims(pod) => vec![owned_claims(caches, set, pod)],
        Step::Delete(pod) | Step::Recreate(pod) => vec![vec![Call::delete(pod.as_ref(), note(Verb::Delete, pod))]],
    }
}

fn words(step: &Step) -> String {
    match step {
        Step::Create(pod) => format!("create {}", pod.metadata.name),
        Step::Mend(pod) => format!("mend {}", pod.metadata.name),
        Step::MendClaims(pod) => format!("see to the claims of {}", pod.metadata.name),
        Step::Delete(pod) => format!("delete {}", pod.metadata.name),
        Step::Recreate(pod) => format!("delete {}, which has ended, to make it again", pod.metadata.name),
    }
}

impl StatefulSetController {
    /// Tells of Pods that are deleted because they have ended.
    pub(crate) fn recreated(_now: Time, set: &StatefulSet, pod: &Pod, sink: &mut Sink<'_>) {
        let (kind, reason, state) = match pod.status.phase.as_str() {
            "Failed" => (EventType::Warning, "RecreatingFailedPod", "failed"),
            _ => (EventType::Normal, "RecreatingTerminatedPod", "terminated"),
        };
        let message =
            format!("StatefulSet {}/{} is recreating {state} Pod {}", set.metadata.namespace, set.metadata.name, pod.metadata.name);
        sink.event(set, kind, reason, &message);
    }
}

impl Controller for StatefulSetController {
    type Note = Note;
    const READS_OWN_WRITES: bool = true;

    /// Models `syncStatefulSet`.
    fn reconcile(&mut self, now: Time, caches: &Caches, key: &ObjectKey, sink: &mut Sink<'_>) -> Plan<Note> {
        let mut plan = Plan::default();
        let Some(set) = caches.stateful_sets.lister().get(key) else { return plan };
        if !set.metadata.is_deleting()
            && let Some(claiming) = claim(caches, set)
        {
            return claiming;
        }
        let known = known(caches, set);
        let update = match history::current(set.as_ref(), &set.spec.template, &known.versions, &[HASH]) {
            Outcome::Settled(update) => update,
            Outcome::Write(_, _) if set.metadata.is_deleting() => return Plan { leaves_status: true, ..plan },
            Outcome::Write(request, said) => {
                plan.decision = Some((set.object_ref(), said));
                plan.phases.push_back(vec![Call { request: *request, note: Note::Quiet }]);
                plan.leaves_status = true;
                return plan;
            }
        };
        let current = version(set, &current_version(set, &known.versions, &update));
        let view = View { set, pods: &known.pods, current: &current, update: &version(set, &update) };
        let steps = control::decide(now, &view, |pod| is_kept(caches, set, pod));
        for step in &steps {
            if let Step::Recreate(pod) = step {
                Self::recreated(now, set, pod, sink);
            }
        }
        let said: Vec<String> = steps.iter().take(3).map(words).collect();
        let more = steps.len().saturating_sub(said.len());
        let mut said = said.join(", ");
        if more > 0 {
            said.push_str(&format!(" and {more} more"));
        }
        plan.decision = (!steps.is_empty()).then(|| (set.object_ref(), said));
        // Claims of all first, then the Pods side by side.
        let mut all: [Vec<Call<Note>>; 2] = [Vec::new(), Vec::new()];
        for step in &steps {
            let mut of_step = phases(caches, set, step);
            let last = of_step.pop();
            all[0].extend(of_step.into_iter().flatten());
            all[1].extend(last.into_iter().flatten());
        }
        plan.phases.extend(all.into_iter().filter(|phase| !phase.is_empty()));
        if steps.is_empty() {
            let mut live: BTreeSet<String> = known.pods.iter().map(|pod| revision_of(&pod.metadata.labels).to_owned()).collect();
            live.extend([current.name, update.metadata.name.clone()]);
            let gone = history::truncate(&known.versions, &live, set.spec.revision_history_limit.unwrap_or(10));
            plan.phases.extend((!gone.is_empty()).then(|| gone.into_iter().map(|request| Call { request, note: Note::Quiet }).collect()));
        }
        plan
    }

    fn answered(&mut self, _key: &ObjectKey, note: &Note, answer: Answer, sink: &mut Sink<'_>) -> Result<(), String> {
        let failed = answer.as_ref().err().map(|refusal| refusal.message.clone());
        let exists = answer.as_ref().is_err_and(|refusal| refusal.code == 409 && refusal.message.ends_with("already exists"));
        match note {
            Note::Recheck(set) => claims::may_adopt(set.as_ref(), answer),
            Note::Claim => claims::claimed(answer),
            Note::Quiet => match answer {
                Err(refusal) if refusal.code != 404 && !exists => Err(refusal.message),
                _ => Ok(()),
            },
            Note::CreateClaim(set, claim, pod) => {
                let name = &set.metadata.name;
                let (kind, reason, message) = match &failed {
                    None => {
                        (EventType::Normal, "SuccessfulCreate", format!("create Claim {claim} Pod {pod} in StatefulSet {name} success"))
                    }
                    Some(_) if exists => return Ok(()),
                    Some(error) => {
                        let message = format!("create Claim {claim} for Pod {pod} in StatefulSet {name} failed error: {error}");
                        (EventType::Warning, "FailedCreate", message)
                    }
                };
                sink.event(set.as_ref(), kind, reason, &message);
                failed.map_or(Ok(()), Err)
            }
            Note::Pod(set, verb, pod) => {
                let (word, success, failure) = verb.words();
                let what = format!("{word} Pod {pod} in StatefulSet {}", set.metadata.name);
                let gone = *verb == Verb::Delete && answer.as_ref().is_err_and(|refusal| refusal.code == 404);
                match failed {
                    None => sink.event(set.as_ref(), EventType::Normal, success, &format!("{what} successful")),
                    Some(_) if gone => {}
                    Some(error) if exists => return Err(error),
                    Some(error) => {
                        let message = format!("{what} failed error: {error}");
                        sink.event(set.as_ref(), EventType::Warning, failure, &message);
                        return Err(error);
                    }
                }
                Ok(())
            }
        }
    }

    /// Models `updateStatefulSetStatus`, and looks again when the next Pod may have become available.
    fn conclude(&mut self, now: Time, caches: &Caches, key: &ObjectKey, _failure: Option<&str>) -> Conclusion<Note> {
        let Some(set) = caches.stateful_sets.lister().get(key) else { return (None, None) };
        let known = known(caches, set);
        let Outcome::Settled(update) = history::current(set.as_ref(), &set.spec.template, &known.versions, &[HASH]) else {
            return (None, None);
        };
        let current = version(set, &current_version(set, &known.versions, &update));
        let status = control::status(now, &View { set, pods: &known.pods, current: &current, update: &version(set, &update) });
        let min_ready = set.spec.min_ready_seconds.unwrap_or(0);
        let wait = known.pods.iter().filter_map(|pod| crate::pods::remaining_until_available(pod, min_ready, now)).min();
        if status == set.status {
            return (None, wait);
        }
        let mut changed = StatefulSet::clone(set);
        changed.status = status;
        (Some(Call::update_status(changed, Note::Quiet)), wait)
    }
}

//! The claims of Pods' ephemeral volumes (`pkg/controller/volume/ephemeral`).

use super::claim_name;
use crate::caches::Caches;
use crate::claims::controller_reference;
use crate::driver::{Answer, Call, Controller, Plan, Sink};
use api::Resource;
use api::core::{PersistentVolumeClaim, Pod};
use api::meta::ObjectMeta;
use client::{EventType, ObjectKey};
use sim::Time;
use std::sync::Arc;

/// Makes a claim for each ephemeral volume; it goes with its Pod by garbage collection.
#[derive(Debug)]
pub(crate) struct EphemeralVolumeController;

/// What a claim is made for, or why it is not.
#[derive(Clone, Debug)]
pub(crate) struct Note(Arc<Pod>);

impl Controller for EphemeralVolumeController {
    type Note = Note;

    fn reconcile(&mut self, _now: Time, caches: &Caches, key: &ObjectKey, _sink: &mut Sink<'_>) -> Plan<Note> {
        let mut plan = Plan::default();
        let Some(pod) = caches.pods.lister().get(key).filter(|pod| !pod.metadata.is_deleting()) else { return plan };
        let mut calls = Vec::new();
        for volume in &pod.spec.volumes {
            let template = volume.ephemeral.as_ref().and_then(|source| source.volume_claim_template.as_ref());
            let (Some(template), Some(name)) = (template, claim_name(pod, volume)) else { continue };
            if caches.claims.lister().get(&ObjectKey::new(key.namespace.as_str(), name.as_str())).is_some() {
                continue;
            }
            let metadata = ObjectMeta {
                name,
                namespace: key.namespace.clone(),
                labels: template.metadata.labels.clone(),
                annotations: template.metadata.annotations.clone(),
                owner_references: vec![controller_reference(pod.as_ref())].into(),
                ..ObjectMeta::default()
            };
            let claim = PersistentVolumeClaim { metadata, spec: template.spec.clone(), ..PersistentVolumeClaim::default() };
            calls.push(Call::create(claim, Note(pod.clone())));
        }
        if !calls.is_empty() {
            plan.decision = Some((pod.object_ref(), format!("create {} claims for its ephemeral volumes", calls.len())));
            plan.phases.push_back(calls);
        }
        plan
    }

    fn answered(&mut self, _key: &ObjectKey, Note(pod): &Note, answer: Answer, sink: &mut Sink<'_>) -> Result<(), String> {
        let Err(refusal) = answer else { return Ok(()) };
        if refusal.namespace_terminating || refusal.code == 409 {
            return Ok(());
        }
        let message = format!("ephemeral volume: create PVC: {}", refusal.message);
        sink.event(pod.as_ref(), EventType::Warning, "EphemeralVolumeCreateFailed", &message);
        Err(refusal.message)
    }
}

//! Finalizers that keep claims while Pods use them and volumes while they are bound
//! (`pkg/controller/volume/{pvcprotection,pvprotection}`).

use super::claim_name;
use crate::caches::{BY_CLAIM, Caches};
use crate::driver::{Answer, Call, Controller, Plan, Sink, succeeded_or_gone};
use api::Resource;
use api::core::{PersistentVolume, PersistentVolumeClaim, Pod};
use api::http::{Body, Method, Request, ResourcePath};
use client::ObjectKey;
use sim::Time;
use std::sync::Arc;

const CLAIM_FINALIZER: &str = "kubernetes.io/pvc-protection";
const VOLUME_FINALIZER: &str = "kubernetes.io/pv-protection";

/// Adds and takes away the finalizers.
#[derive(Debug)]
pub(crate) struct ProtectionController;

/// Whether the Pod uses the claim: one without a node does not yet, one that has ended does not any more.
fn uses(pod: &Pod, claim: &str) -> bool {
    let active = !pod.spec.node_name.is_empty() && !matches!(pod.status.phase.as_str(), "Succeeded" | "Failed");
    active && pod.spec.volumes.iter().any(|volume| claim_name(pod, volume).is_some_and(|name| name == claim))
}

/// The request that makes the finalizer be there if, and only if, it should.
fn call<R: Resource>(object: &Arc<R>, finalizer: &str, in_use: impl FnOnce() -> bool) -> Option<(Request, &'static str)> {
    let metadata = object.metadata();
    let has = metadata.finalizers.iter().any(|own| own == finalizer);
    let mut changed = R::clone(object);
    let decision = match (metadata.is_deleting(), has) {
        (false, false) => {
            changed.metadata_mut().finalizers.push(finalizer.to_owned());
            "protect it from deletion while it is in use"
        }
        (true, true) if !in_use() => {
            changed.metadata_mut().finalizers.retain(|own| own != finalizer);
            "let it go: nothing uses it"
        }
        _ => return None,
    };
    let path = ResourcePath::object(R::INFO, &metadata.namespace, &metadata.name);
    let request = Request::new(Method::Put, path).body(Body::Object(Arc::new(changed).into_object()));
    Some((request, decision))
}

impl Controller for ProtectionController {
    type Note = ();

    fn reconcile(&mut self, _now: Time, caches: &Caches, key: &ObjectKey, _sink: &mut Sink<'_>) -> Plan<()> {
        let mut plan = Plan::default();
        let found = if key.namespace.is_empty() {
            let volume: Option<&Arc<PersistentVolume>> = caches.volumes.lister().get(key);
            volume.and_then(|volume| Some((volume.object_ref(), call(volume, VOLUME_FINALIZER, || volume.status.phase == "Bound")?)))
        } else {
            let claim: Option<&Arc<PersistentVolumeClaim>> = caches.claims.lister().get(key);
            let index = key.to_string();
            let used = || caches.pods.lister().by_index(BY_CLAIM, &index).any(|pod| uses(pod, &key.name));
            claim.and_then(|claim| Some((claim.object_ref(), call(claim, CLAIM_FINALIZER, used)?)))
        };
        if let Some((object, (request, decision))) = found {
            plan.decision = Some((object, decision.to_owned()));
            plan.phases.push_back(vec![Call { request, note: () }]);
        }
        plan
    }

    fn answered(&mut self, _: &ObjectKey, (): &(), answer: Answer, _: &mut Sink<'_>) -> Result<(), String> {
        succeeded_or_gone(answer)
    }
}

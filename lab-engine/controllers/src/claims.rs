//! Which objects a controller makes its own and which it lets go (`pkg/controller/controller_ref_manager.go`).
//!
//! An object without a controller that the selector selects is adopted; one of the controller's own that it no longer selects is
//! released. Before it adopts, a controller asks the API server whether it still exists itself: its cache may be behind, and what a
//! dead controller adopts the garbage collector removes.
//!
//! **Simplified here:** a look that adopts or releases does nothing else; what that changes leads to the next look.

use crate::driver::Answer;
use api::Resource;
use api::http::{Body, Method, PatchType, Request, ResourcePath};
use api::labels::Selector;
use api::meta::OwnerReference;
use serde_json::json;
use std::sync::Arc;

/// What a controller should do about ownership.
#[derive(Debug)]
pub(crate) struct Claims<R> {
    /// Objects to take.
    pub(crate) adopt: Vec<Arc<R>>,
    /// Objects to let go.
    pub(crate) release: Vec<Arc<R>>,
}

/// Compares the selector with the controller's own objects and with those that nobody controls (`claimObject`).
pub(crate) fn claims<'a, R: Resource>(
    selector: &Selector,
    own: impl Iterator<Item = &'a Arc<R>>,
    orphans: impl Iterator<Item = &'a Arc<R>>,
) -> Claims<R> {
    let selected = |object: &&Arc<R>| selector.matches(&object.metadata().labels);
    Claims {
        adopt: orphans.filter(|object| !object.metadata().is_deleting()).filter(selected).cloned().collect(),
        release: own.filter(|object| !selected(object)).cloned().collect(),
    }
}

/// The reference by which an object names its controller (`metav1.NewControllerRef`).
pub(crate) fn controller_reference<C: Resource>(controller: &C) -> OwnerReference {
    OwnerReference {
        api_version: C::INFO.api_version(),
        kind: C::INFO.kind.to_string(),
        name: controller.metadata().name.clone(),
        uid: controller.metadata().uid.clone(),
        controller: Some(true),
        block_owner_deletion: Some(true),
        ..OwnerReference::default()
    }
}

fn patch<R: Resource>(object: &R, reference: serde_json::Value) -> Request {
    let metadata = object.metadata();
    let change = json!({"metadata": {"ownerReferences": [reference], "uid": metadata.uid}});
    let path = ResourcePath::object(R::INFO, &metadata.namespace, &metadata.name);
    Request::new(Method::Patch, path).body(Body::Patch(PatchType::StrategicMerge, change))
}

/// Takes an object.
pub(crate) fn adopt<C: Resource, R: Resource>(controller: &C, object: &R) -> Request {
    let owner = controller_reference(controller);
    let reference = json!({"apiVersion": owner.api_version, "kind": owner.kind, "name": owner.name, "uid": owner.uid,
        "controller": true, "blockOwnerDeletion": true});
    patch(object, reference)
}

/// Lets an object go.
pub(crate) fn release<C: Resource, R: Resource>(controller: &C, object: &R) -> Request {
    patch(object, json!({"$patch": "delete", "uid": controller.metadata().uid}))
}

/// Asks whether the controller still exists.
pub(crate) fn recheck<C: Resource>(controller: &C) -> Request {
    let metadata = controller.metadata();
    Request::new(Method::Get, ResourcePath::object(C::INFO, &metadata.namespace, &metadata.name))
}

/// Judges the answer to [`recheck`] (`RecheckDeletionTimestamp`).
///
/// # Errors
/// Why the controller must not adopt.
pub(crate) fn may_adopt<C: Resource>(controller: &C, answer: Answer) -> Result<(), String> {
    let known = controller.metadata();
    let cannot = |why: String| Err(format!("can't recheck DeletionTimestamp: {why}"));
    match answer {
        Ok(object) if object.metadata().uid != known.uid => {
            let (kind, found) = (&C::INFO.kind, &object.metadata().uid);
            cannot(format!("original {kind} {}/{} is gone: got uid {found}, wanted {}", known.namespace, known.name, known.uid))
        }
        Ok(object) => match object.metadata().deletion_timestamp {
            Some(at) => Err(format!("{}/{} has just been deleted at {at}", known.namespace, known.name)),
            None => Ok(()),
        },
        Err(refusal) => cannot(refusal.message),
    }
}

/// Judges the answer to [`adopt`] or [`release`]: what is gone, or is another object by now, needs neither.
///
/// # Errors
/// The refusal.
pub(crate) fn claimed(answer: Answer) -> Result<(), String> {
    match answer {
        Err(refusal) if !matches!(refusal.code, 404 | 422) => Err(refusal.message),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::apps::ReplicaSet;
    use api::core::Pod;
    use api::json::decode;
    use api::meta::StringMap;

    #[test]
    fn orphans_are_adopted_and_strangers_released_by_their_labels() {
        let pod = |name: &str, app: &str, deleted: Option<&str>| -> Arc<Pod> {
            Arc::new(decode(json!({"metadata": {"name": name, "labels": {"app": app}, "deletionTimestamp": deleted}})).unwrap())
        };
        let selector = Selector::from_map(&StringMap::from([("app".to_owned(), "web".to_owned())]));
        let own = [pod("a", "web", None), pod("b", "db", None)];
        let orphans = [pod("c", "web", None), pod("d", "db", None), pod("e", "web", Some("2026-05-04T08:00:00Z"))];
        let found = claims(&selector, own.iter(), orphans.iter());
        let names = |pods: &[Arc<Pod>]| pods.iter().map(|pod| pod.metadata.name.clone()).collect::<Vec<_>>();
        assert_eq!((names(&found.adopt), names(&found.release)), (vec!["c".to_owned()], vec!["b".to_owned()]));
    }

    #[test]
    fn only_a_controller_that_lives_adopts() {
        let rs = |uid: &str, deleted: Option<&str>| -> ReplicaSet {
            decode(json!({"metadata": {"namespace": "default", "name": "web", "uid": uid, "deletionTimestamp": deleted}})).unwrap()
        };
        let known = rs("1", None);
        assert_eq!(may_adopt(&known, Ok(rs("1", None).into())), Ok(()));
        let deleted = may_adopt(&known, Ok(rs("1", Some("2026-05-04T08:00:09Z")).into()));
        assert_eq!(deleted.unwrap_err(), "default/web has just been deleted at 2026-05-04T08:00:09Z");
        let other = may_adopt(&known, Ok(rs("2", None).into())).unwrap_err();
        assert_eq!(other, "can't recheck DeletionTimestamp: original ReplicaSet default/web is gone: got uid 2, wanted 1");
    }
}

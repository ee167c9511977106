//! Whom a change concerns: the controlling object, the one that was, and those that may now adopt
//! (`addPod`, `updatePod`, `deletePod` and their likes, the same in every controller).

use api::Resource;
use api::labels::Selector;
use client::{Delta, Expectations, Indexer, ObjectKey, WorkQueue};

/// The key of the managing controller, if it is of this kind.
pub(crate) fn controller_key<R: Resource>(object: &R, kind: &str) -> Option<ObjectKey> {
    let owner = object.metadata().controller().filter(|owner| owner.kind == kind)?;
    Some(ObjectKey::new(object.metadata().namespace.as_str(), owner.name.as_str()))
}

/// The former managing controller, if it was of this kind and is it no more, and the present one, if it is of this kind.
pub(crate) fn owners<R: Resource>(delta: &Delta<R>, kind: &str) -> (Option<ObjectKey>, Option<ObjectKey>) {
    let owner = controller_key(delta.object().as_ref(), kind);
    let former = match delta {
        Delta::Updated(old, new) if old.metadata().controller() != new.metadata().controller() => controller_key(old.as_ref(), kind),
        _ => None,
    };
    (former, owner)
}

/// Whether a controller could now make the object its own that could not before.
pub(crate) fn may_be_adopted<R: Resource>(delta: &Delta<R>) -> bool {
    let news = match delta {
        Delta::Added(_) => true,
        Delta::Updated(old, new) => {
            let (old, new) = (old.metadata(), new.metadata());
            old.labels != new.labels || old.controller() != new.controller()
        }
        Delta::Deleted(..) => false,
    };
    let metadata = delta.object().metadata();
    news && !metadata.is_deleting() && metadata.controller().is_none() && !metadata.labels.is_empty()
}

/// A kind whose objects select what they control.
pub(crate) trait Selects: Resource {
    /// The selector; `None` when it cannot be read.
    fn selector(&self) -> Option<Selector>;
}

macro_rules! by_label_selector {
    ($($kind:ty),*) => {
        $(impl Selects for $kind {
            fn selector(&self) -> Option<Selector> {
                Selector::from_label_selector(Some(&self.spec.selector)).ok()
            }
        })*
    };
}

by_label_selector!(api::apps::Deployment, api::apps::ReplicaSet, api::apps::StatefulSet, api::apps::DaemonSet);

impl Selects for api::core::ReplicationController {
    fn selector(&self) -> Option<Selector> {
        (!self.spec.selector.is_empty()).then(|| Selector::from_map(&self.spec.selector))
    }
}

impl Selects for api::batch::Job {
    fn selector(&self) -> Option<Selector> {
        Selector::from_label_selector(self.spec.selector.as_ref()).ok()
    }
}

/// Those whom the change of something that they may control concerns: the former controller of this kind and the present one, or those
/// that may now adopt it.
pub(crate) fn concerned<O: Selects, R: Resource>(delta: &Delta<R>, owners_of: &Indexer<O>) -> Vec<ObjectKey> {
    let (former, owner) = owners(delta, &O::INFO.kind);
    let mut keys: Vec<ObjectKey> = former.into_iter().collect();
    if let Some(owner) = owner {
        keys.push(owner);
    } else if may_be_adopted(delta) {
        let metadata = delta.object().metadata();
        let candidates = owners_of.list_namespace(&metadata.namespace);
        let selecting = candidates.filter(|one| one.selector().is_some_and(|selector| selector.matches(&metadata.labels)));
        keys.extend(selecting.map(|candidate| ObjectKey::of(candidate.as_ref())));
    }
    keys
}

/// Queues those whom the change concerns; the present controller of this kind, if it has one.
pub(crate) fn route<O: Selects, R: Resource>(
    delta: &Delta<R>,
    owners_of: &Indexer<O>,
    queue: &mut WorkQueue<ObjectKey>,
) -> Option<ObjectKey> {
    concerned(delta, owners_of).into_iter().for_each(|key| queue.add(key));
    controller_key(delta.object().as_ref(), &O::INFO.kind)
}

/// Pays off what the controller of an object expected to see of it.
pub(crate) fn observe<R: Resource>(delta: &Delta<R>, owner: &ObjectKey, expectations: &mut Expectations) {
    let metadata = delta.object().metadata();
    if matches!(delta, Delta::Added(_)) {
        expectations.creation_observed(owner);
    }
    if metadata.is_deleting() || matches!(delta, Delta::Deleted(..)) {
        expectations.deletion_observed(owner, &metadata.uid);
    }
}

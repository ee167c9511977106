//! Deletion (`rest.BeforeDelete`, `registry.Store.Delete`): at once, after a grace period, or when the finalizers are done.

use crate::params::DeleteOptions;
use crate::write::Decision;
use api::Object;
use api::core::Namespace;
use api::kinds::KindInfo;
use api::status::Status;
use sim::Time;
use std::sync::Arc;
use std::time::Duration;

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";

/// What a delete does to an object.
///
/// # Errors
/// 409 when a precondition does not hold.
pub(crate) fn decide(now: Time, info: &KindInfo, current: &Object, options: &DeleteOptions) -> Result<Decision, Box<Status>> {
    let metadata = current.metadata();
    let conflict = |why: String| Err(Box::new(Status::conflict(&info.gvr(), &metadata.name, &why)));
    if let Some(uid) = options.uid.as_ref().filter(|uid| **uid != metadata.uid) {
        return conflict(format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {}", metadata.uid));
    }
    let revision = metadata.resource_version.to_string();
    if let Some(wanted) = options.resource_version.as_ref().filter(|wanted| **wanted != revision) {
        let why = format!("Precondition failed: ResourceVersion in precondition: {wanted}, ResourceVersion in object meta: {revision}");
        return conflict(why);
    }
    let mut object = current.clone();
    set_propagation(&mut object, options);
    let grace = grace_period(current, options);
    if let Object::Namespace(namespace) = &object {
        return Ok(terminate(now, namespace.clone()));
    }
    if grace == 0 && object.metadata().finalizers.is_empty() {
        return Ok(Decision::Remove(object));
    }
    let pending = metadata.deletion_grace_period_seconds;
    if metadata.is_deleting() && pending.is_some_and(|pending| pending <= grace) {
        // A later deletion can only shorten the grace period.
        return Ok(if object == *current { Decision::Keep(object) } else { Decision::Put(object) });
    }
    let marked = object.metadata_mut();
    marked.deletion_timestamp = Some((now + Duration::from_secs(u64::try_from(grace).unwrap_or(0))).into());
    marked.deletion_grace_period_seconds = Some(grace);
    if let Some(generation) = marked.generation.as_mut().filter(|generation| **generation > 0) {
        *generation += 1;
    }
    Ok(Decision::Put(object))
}

/// Seconds that the object is granted: only Pods take time to end (`podStrategy.CheckGracefulDelete`).
fn grace_period(object: &Object, options: &DeleteOptions) -> i64 {
    let Object::Pod(pod) = object else { return 0 };
    // A Pod that is on no node, or that has ended, has nothing to end.
    if pod.spec.node_name.is_empty() || matches!(pod.status.phase.as_str(), "Succeeded" | "Failed") {
        return 0;
    }
    let period = options.grace_period.or(pod.spec.termination_grace_period_seconds).unwrap_or(0);
    if period < 0 { 1 } else { period }
}

/// Notes in the finalizers what shall become of the dependents.
fn set_propagation(object: &mut Object, options: &DeleteOptions) {
    let wanted = match options.propagation.as_deref() {
        Some("Foreground") => Some(FOREGROUND),
        Some("Orphan") => Some(ORPHAN),
        Some(_) => None,
        None => return,
    };
    let finalizers = &object.metadata().finalizers;
    let other = |finalizer: &String| matches!(finalizer.as_str(), FOREGROUND | ORPHAN) && Some(finalizer.as_str()) != wanted;
    if finalizers.iter().any(other) || wanted.is_some_and(|wanted| !finalizers.iter().any(|finalizer| finalizer == wanted)) {
        let finalizers = &mut object.metadata_mut().finalizers;
        finalizers.retain(|finalizer| !matches!(finalizer.as_str(), FOREGROUND | ORPHAN));
        finalizers.extend(wanted.map(str::to_owned));
    }
}

/// A namespace ends when its finalizers are done: until then it is Terminating.
fn terminate(now: Time, namespace: Arc<Namespace>) -> Decision {
    let mut namespace = namespace;
    if namespace.metadata.is_deleting() {
        let done = namespace.spec.finalizers.is_empty() && namespace.metadata.finalizers.is_empty();
        return if done { Decision::Remove(Object::Namespace(namespace)) } else { Decision::Keep(Object::Namespace(namespace)) };
    }
    let changed = Arc::make_mut(&mut namespace);
    changed.metadata.deletion_timestamp = Some(now.into());
    changed.status.phase = "Terminating".to_owned();
    if changed.spec.finalizers.is_empty() && changed.metadata.finalizers.is_empty() {
        return Decision::Remove(Object::Namespace(namespace));
    }
    Decision::Put(Object::Namespace(namespace))
}

/// Whether an update took away the last thing that a deletion waited for (`ShouldDeleteDuringUpdate`).
pub(crate) fn is_done(new: &Object, old: &Object) -> bool {
    let spec_done = match new {
        Object::Namespace(namespace) => namespace.spec.finalizers.is_empty(),
        _ => true,
    };
    let old = old.metadata();
    old.is_deleting() && spec_done && new.metadata().finalizers.is_empty() && old.deletion_grace_period_seconds.unwrap_or(0) == 0
}

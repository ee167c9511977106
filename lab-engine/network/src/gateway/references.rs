//! References to other namespaces, which hold when a ReferenceGrant there permits them.

use super::types::{GROUP, ReferenceGrant};
use client::{Indexer, ObjectKey};

/// Whether an object of the Gateway API, of this kind and namespace, may refer to an object of this group and kind.
pub(crate) fn permitted(grants: &Indexer<ReferenceGrant>, from: (&str, &str), to: (&str, &str), object: &ObjectKey) -> bool {
    let (kind, namespace) = from;
    if namespace == object.namespace {
        return true;
    }
    let mut own = grants.list_namespace(&object.namespace).map(|grant| &grant.spec);
    own.any(|grant| {
        let mut sources = grant.from.iter();
        let mut targets = grant.to.iter().filter(|target| (target.group.as_str(), target.kind.as_str()) == to);
        sources.any(|source| (source.group.as_str(), source.kind.as_str(), source.namespace.as_str()) == (GROUP, kind, namespace))
            && targets.any(|target| target.name.is_empty() || target.name == object.name)
    })
}

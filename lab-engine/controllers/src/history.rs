//! Versions of StatefulSets and DaemonSets, kept as ControllerRevisions (`pkg/controller/history/controller_history.go`).
//!
//! A version is a patch that puts a Pod template back. The newest version that equals the present template is the one that is rolled out;
//! if it is an older one, it gets the next number (a rollback). The oldest beyond the limit that nothing uses go.
//!
//! **Simplified here:** the hash in a version's name is FNV-1a over the template's JSON, where upstream hashes the bytes of the patch with
//! the same function, so hashes differ from those of a real cluster. Hash collisions are not resolved.

use crate::claims::controller_reference;
use api::Resource;
use api::apps::ControllerRevision;
use api::core::PodTemplateSpec;
use api::http::{Body, Method, Request, ResourcePath};
use api::json::{Json, decode};
use api::meta::StringMap;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The label with the hash of a version (`ControllerRevisionHashLabel`); Pods carry the same name with what tells their version.
pub(crate) const HASH: &str = "controller.kubernetes.io/hash";
/// The label by which a Pod tells its version.
pub(crate) const POD_REVISION: &str = "controller-revision-hash";
/// The longest prefix of a version's name.
const MAX_PREFIX: usize = 223;

/// A decimal hash of a JSON text, in an alphabet without vowels (`SafeEncodeString`).
pub(crate) fn safe_hash(text: &str) -> String {
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let hash = text.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash.to_string().bytes().map(|byte| char::from(ALPHABET[usize::from(byte) % ALPHABET.len()])).collect()
}

/// The patch that a version of the template is (`getPatch`).
fn patch(template: &PodTemplateSpec) -> Value {
    let mut template = template.to_json();
    template["$patch"] = json!("replace");
    json!({"spec": {"template": template}})
}

/// The template that a version puts back (`ApplyRevision`); `None` when its data is no such patch.
pub(crate) fn template_of(revision: &ControllerRevision) -> Option<PodTemplateSpec> {
    let mut template = revision.data.as_ref()?.pointer("/spec/template")?.clone();
    template.as_object_mut()?.remove("$patch");
    decode(template).ok()
}

/// What a set's versions come to.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The newest version is the present one.
    Settled(Arc<ControllerRevision>),
    /// The present version has to be written first: it is new, or an old one that comes back.
    Write(Box<Request>, String),
}

/// The version of a set's present template, given its versions, oldest first (`getStatefulSetRevisions`, `constructHistory`).
/// `hash_labels` are labels besides the template's, given the hash.
pub(crate) fn current<C: Resource>(
    set: &C,
    template: &PodTemplateSpec,
    versions: &[Arc<ControllerRevision>],
    hash_labels: &[&str],
) -> Outcome {
    let data = patch(template);
    let next = versions.last().map_or(1, |newest| newest.revision.saturating_add(1));
    if let Some(equal) = versions.iter().rev().find(|version| version.data.as_ref() == Some(&data)) {
        if versions.last().is_some_and(|newest| newest.metadata.uid == equal.metadata.uid) {
            return Outcome::Settled(equal.clone());
        }
        let mut again = ControllerRevision::clone(equal);
        again.revision = next;
        let path = ResourcePath::object(ControllerRevision::INFO, &again.metadata.namespace, &again.metadata.name);
        let said = format!("bring back version {} as {next}", equal.metadata.name);
        return Outcome::Write(Box::new(Request::new(Method::Put, path).body(Body::Object(again.into()))), said);
    }
    let hash = safe_hash(&data.to_string());
    let mut version = ControllerRevision { revision: next, data: Some(data), ..ControllerRevision::default() };
    let prefix: String = set.metadata().name.chars().take(MAX_PREFIX).collect();
    version.metadata.name = format!("{prefix}-{hash}");
    version.metadata.namespace.clone_from(&set.metadata().namespace);
    version.metadata.labels.clone_from(&template.metadata.labels);
    version.metadata.labels.extend(hash_labels.iter().map(|label| ((*label).to_owned(), hash.clone())));
    version.metadata.annotations.clone_from(&set.metadata().annotations);
    version.metadata.owner_references = vec![controller_reference(set)].into();
    let said = format!("write down version {next}, {}", version.metadata.name);
    let path = ResourcePath::collection(ControllerRevision::INFO, &set.metadata().namespace);
    Outcome::Write(Box::new(Request::new(Method::Post, path).body(Body::Object(version.into()))), said)
}

/// Versions in the order of their numbers (`SortControllerRevisions`).
pub(crate) fn sorted<'a>(versions: impl Iterator<Item = &'a Arc<ControllerRevision>>) -> Vec<Arc<ControllerRevision>> {
    let mut versions: Vec<_> = versions.cloned().collect();
    versions.sort_by(|a, b| {
        let key = |version: &ControllerRevision| (version.revision, version.metadata.creation_timestamp);
        (key(a), &a.metadata.name).cmp(&(key(b), &b.metadata.name))
    });
    versions
}

/// The deletions of the oldest versions beyond the limit, apart from those in `live`, which are names (`truncateHistory`).
pub(crate) fn truncate(versions: &[Arc<ControllerRevision>], live: &BTreeSet<String>, limit: i32) -> Vec<Request> {
    let unused: Vec<_> = versions.iter().filter(|version| !live.contains(&version.metadata.name)).collect();
    let excess = unused.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
    let delete = |version: &&Arc<ControllerRevision>| {
        let path = ResourcePath::object(ControllerRevision::INFO, &version.metadata.namespace, &version.metadata.name);
        Request::new(Method::Delete, path)
    };
    unused.iter().take(excess).map(delete).collect()
}

/// What a Pod's labels say of its version.
pub(crate) fn revision_of(labels: &StringMap) -> &str {
    labels.get(POD_REVISION).map_or("", String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::apps::StatefulSet;

    fn set(image: &str) -> StatefulSet {
        decode(json!({"metadata": {"name": "web", "namespace": "default", "uid": "1"},
            "spec": {"template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": image}]}}}}))
        .unwrap()
    }

    fn write(set: &StatefulSet, versions: &[Arc<ControllerRevision>]) -> ControllerRevision {
        match current(set, &set.spec.template, versions, &[HASH]) {
            Outcome::Write(request, _) => match request.body {
                Body::Object(object) => ControllerRevision::clone(object.as_kind::<ControllerRevision>().unwrap()),
                other => panic!("{other:?}"),
            },
            Outcome::Settled(version) => panic!("{} is there already", version.metadata.name),
        }
    }

    #[test]
    fn a_template_that_was_comes_back_under_the_next_number() {
        let (mut first, mut second) = (write(&set("a"), &[]), write(&set("b"), &[]));
        (first.metadata.uid, second.metadata.uid) = ("a".to_owned(), "b".to_owned());
        second.revision = 2;
        let versions = sorted([Arc::new(second.clone()), Arc::new(first.clone())].iter());
        assert_eq!(template_of(&first).unwrap(), set("a").spec.template);
        assert!(matches!(current(&set("b"), &set("b").spec.template, &versions, &[HASH]), Outcome::Settled(found) if found.revision == 2));
        let back = write(&set("a"), &versions);
        assert_eq!((back.metadata.name, back.revision), (first.metadata.name, 3));
        assert_eq!(second.metadata.name, format!("web-{}", second.metadata.labels[HASH]));
    }

    #[test]
    fn only_what_nothing_uses_goes_and_the_oldest_first() {
        let version = |name: &str, revision: i64| -> Arc<ControllerRevision> {
            Arc::new(decode(json!({"metadata": {"name": name}, "revision": revision})).unwrap())
        };
        let versions = [version("a", 1), version("b", 2), version("c", 3), version("d", 4)];
        let live = BTreeSet::from(["a".to_owned(), "d".to_owned()]);
        assert_eq!(truncate(&versions, &live, 1).len(), 1);
        assert_eq!(truncate(&versions, &live, 2).len(), 0);
    }
}

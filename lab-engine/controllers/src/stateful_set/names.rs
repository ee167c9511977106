//! Names of a StatefulSet's Pods and claims, and what of a Pod follows from its name (`stateful_set_utils.go`).

use crate::claims::controller_reference;
use crate::history::POD_REVISION;
use crate::pods;
use api::Resource;
use api::apps::StatefulSet;
use api::core::{PersistentVolumeClaim, PersistentVolumeClaimVolumeSource, Pod, PodTemplateSpec, Volume};
use api::meta::OwnerReference;

/// The label with a Pod's own name.
const POD_NAME: &str = "statefulset.kubernetes.io/pod-name";
/// The label with a Pod's number.
const POD_INDEX: &str = "apps.kubernetes.io/pod-index";

/// The set and the number in a Pod's name; `None` when the name has no number (`getParentNameAndOrdinal`).
pub fn parent_and_ordinal(name: &str) -> Option<(&str, i32)> {
    let (parent, ordinal) = name.rsplit_once('-')?;
    let digits = !ordinal.is_empty() && ordinal.bytes().all(|b| b.is_ascii_digit());
    if !digits {
        return None;
    }
    Some((parent, ordinal.parse().ok()?))
}

/// The number in a Pod's name; -1 when there is none.
pub(crate) fn ordinal_of(pod: &Pod) -> i32 {
    parent_and_ordinal(&pod.metadata.name).map_or(-1, |(_, ordinal)| ordinal)
}

/// The name of a set's Pod.
pub(crate) fn pod_name(set: &StatefulSet, ordinal: i32) -> String {
    format!("{}-{ordinal}", set.metadata.name)
}

/// The name of a Pod's claim.
pub(crate) fn claim_name(set: &StatefulSet, template: &PersistentVolumeClaim, ordinal: i32) -> String {
    format!("{}-{}-{ordinal}", template.metadata.name, set.metadata.name)
}

/// The Pod of the set whose claim has this name; `None` when the name is not that of a claim of the set (`getClaimPodName`).
pub fn claim_pod_name(set: &str, claim: &str) -> Option<String> {
    let (head, ordinal) = parent_and_ordinal(claim)?;
    let volume = head.strip_suffix(set)?.strip_suffix('-')?;
    (!volume.is_empty()).then(|| format!("{set}-{ordinal}"))
}

/// Whether a Pod has the name of one of the set's (`isMemberOf`).
pub fn is_member_of(set: &StatefulSet, pod: &Pod) -> bool {
    parent_and_ordinal(&pod.metadata.name).is_some_and(|(parent, _)| parent == set.metadata.name)
}

/// The first number.
pub(crate) fn start_ordinal(set: &StatefulSet) -> i32 {
    set.spec.ordinals.as_ref().map_or(0, |ordinals| ordinals.start)
}

/// Whether the set should have the Pod with this number.
pub(crate) fn in_range(set: &StatefulSet, ordinal: i32) -> bool {
    let start = start_ordinal(set);
    ordinal >= start && ordinal < start.saturating_add(set.spec.replicas.unwrap_or(1))
}

/// The claims of the Pod with this number (`getPersistentVolumeClaims`).
pub(crate) fn claims_of(set: &StatefulSet, ordinal: i32) -> impl Iterator<Item = PersistentVolumeClaim> + '_ {
    set.spec.volume_claim_templates.iter().map(move |template| {
        let mut claim = template.clone();
        claim.metadata.name = claim_name(set, template, ordinal);
        claim.metadata.namespace.clone_from(&set.metadata.namespace);
        claim.metadata.labels.extend(set.spec.selector.match_labels.clone());
        claim
    })
}

/// The Pod with this number, of this version (`newStatefulSetPod`, `setPodRevision`).
pub(crate) fn new_pod(set: &StatefulSet, template: &PodTemplateSpec, revision: &str, ordinal: i32) -> Pod {
    let mut pod = pods::from_template(set, template);
    pod.metadata.name = pod_name(set, ordinal);
    pod.spec.hostname.clone_from(&pod.metadata.name);
    pod.spec.subdomain.clone_from(&set.spec.service_name);
    pod.metadata.labels.insert(POD_REVISION.to_owned(), revision.to_owned());
    set_identity(set, &mut pod);
    set_storage(set, &mut pod);
    pod
}

/// Gives a Pod the labels that follow from its name (`updateIdentity`).
pub(crate) fn set_identity(set: &StatefulSet, pod: &mut Pod) {
    pod.metadata.namespace.clone_from(&set.metadata.namespace);
    let ordinal = ordinal_of(pod).to_string();
    pod.metadata.labels.insert(POD_NAME.to_owned(), pod.metadata.name.clone());
    pod.metadata.labels.insert(POD_INDEX.to_owned(), ordinal);
}

/// Whether a Pod is the set's by name, namespace and the label with its name (`identityMatches`). The label with its number does not
/// count: a Pod from before there was one is left as it is.
pub fn identity_matches(set: &StatefulSet, pod: &Pod) -> bool {
    is_member_of(set, pod)
        && pod.metadata.namespace == set.metadata.namespace
        && pod.metadata.labels.get(POD_NAME) == Some(&pod.metadata.name)
}

/// Gives a Pod the volumes of its claims (`updateStorage`).
fn set_storage(set: &StatefulSet, pod: &mut Pod) {
    let ordinal = ordinal_of(pod);
    let claimed = set.spec.volume_claim_templates.iter().map(|template| Volume {
        name: template.metadata.name.clone(),
        persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
            claim_name: claim_name(set, template, ordinal),
            read_only: Some(false),
            ..PersistentVolumeClaimVolumeSource::default()
        }),
        ..Volume::default()
    });
    let mut volumes: Vec<Volume> = claimed.collect();
    let own = |volume: &Volume| set.spec.volume_claim_templates.iter().any(|template| template.metadata.name == volume.name);
    volumes.extend(pod.spec.volumes.iter().filter(|volume| !own(volume)).cloned());
    pod.spec.volumes = volumes.into();
}

/// Whether a claim should be its Pod's and whether it should be the set's, by the retention policy (`isClaimOwnerUpToDate`); otherwise
/// others' references stay.
pub fn claim_owners(set: &StatefulSet, pod_ordinal: i32) -> (bool, bool) {
    let policy = set.spec.persistent_volume_claim_retention_policy.as_ref();
    let deletes = |policy: Option<&String>| policy.is_some_and(|policy| policy == "Delete");
    let scaled = deletes(policy.map(|policy| &policy.when_scaled));
    let deleted = deletes(policy.map(|policy| &policy.when_deleted));
    let condemned = !in_range(set, pod_ordinal);
    (scaled && condemned, deleted && !(scaled && condemned))
}

/// The claim with the owners that it should have; `None` when it has them (`updateClaimOwnerRefForSetAndPod`).
pub(crate) fn with_owners(set: &StatefulSet, pod: &Pod, claim: &PersistentVolumeClaim) -> Option<PersistentVolumeClaim> {
    let (pods, sets) = claim_owners(set, ordinal_of(pod));
    let mut wanted: Vec<OwnerReference> = Vec::new();
    let others = |owner: &&OwnerReference| owner.uid != set.metadata.uid && owner.uid != pod.metadata.uid;
    wanted.extend(claim.metadata.owner_references.iter().filter(others).cloned());
    if pods {
        wanted.push(controller_reference(pod));
    }
    if sets {
        wanted.push(controller_reference(set));
    }
    let has = |uid: &str| claim.metadata.owner_references.iter().any(|owner| owner.uid == uid);
    if has(&pod.metadata.uid) == pods && has(&set.metadata.uid) == sets {
        return None;
    }
    let mut changed = claim.clone();
    changed.metadata.owner_references = wanted.into();
    Some(changed)
}

/// Whether a claim belongs to a Pod of this name that was there before: it goes with it (`isClaimOwnerStale`).
pub(crate) fn is_stale(claim: &PersistentVolumeClaim, pod: &Pod) -> bool {
    let owners = claim.metadata.owner_references.iter();
    owners.filter(|owner| owner.kind == Pod::INFO.kind && owner.name == pod.metadata.name).any(|owner| owner.uid != pod.metadata.uid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::json::decode;
    use serde_json::json;

    #[test]
    fn a_pod_of_a_set_knows_its_name_number_and_claims() {
        let set: StatefulSet = decode(json!({"metadata": {"name": "web", "namespace": "default"}, "spec": {"serviceName": "nginx",
            "selector": {"matchLabels": {"app": "web"}}, "volumeClaimTemplates": [{"metadata": {"name": "www"}}],
            "template": {"spec": {"volumes": [{"name": "www"}, {"name": "tmp"}]}}}}))
        .unwrap();
        let pod = new_pod(&set, &set.spec.template, "web-abc", 2);
        assert_eq!((pod.metadata.name.as_str(), pod.spec.hostname.as_str(), pod.spec.subdomain.as_str()), ("web-2", "web-2", "nginx"));
        assert_eq!(pod.metadata.labels["apps.kubernetes.io/pod-index"], "2");
        let claims: Vec<_> = pod.spec.volumes.iter().map(|v| v.persistent_volume_claim.as_ref().map(|c| c.claim_name.as_str())).collect();
        assert_eq!(claims, [Some("www-web-2"), None]);
        assert!(identity_matches(&set, &pod));
        let labelled = |key: &str| {
            let mut pod = pod.clone();
            pod.metadata.labels.remove(key);
            identity_matches(&set, &pod)
        };
        assert_eq!((labelled(POD_INDEX), labelled(POD_NAME)), (true, false));
        assert_eq!(claims_of(&set, 2).next().unwrap().metadata.labels["app"], "web");
    }

    #[test]
    fn names_tell_whose_they_are() {
        assert_eq!(parent_and_ordinal("a-b-3"), Some(("a-b", 3)));
        assert_eq!((parent_and_ordinal("a-b-"), parent_and_ordinal("a-b3"), parent_and_ordinal("7")), (None, None, None));
        assert_eq!(claim_pod_name("my-set", "data-my-set-20"), Some("my-set-20".to_owned()));
        assert_eq!((claim_pod_name("my-set", "my-set-20"), claim_pod_name("my-set", "data-other-1")), (None, None));
    }
}

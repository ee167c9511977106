//! Which volume a claim binds to (`pkg/controller/volume/persistentvolume/index.go`,
//! `k8s.io/component-helpers/storage/volume/pv_helpers.go`).

use api::core::{Node, NodeSelectorRequirement, NodeSelectorTerm, PersistentVolume, PersistentVolumeClaim};
use api::labels::Selector;
use api::quantity::Quantity;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The class from before the field was there.
const BETA_CLASS: &str = "volume.beta.kubernetes.io/storage-class";

/// The class of a claim (`GetPersistentVolumeClaimClass`).
pub fn claim_class(claim: &PersistentVolumeClaim) -> &str {
    claim.metadata.annotations.get(BETA_CLASS).or(claim.spec.storage_class_name.as_ref()).map_or("", String::as_str)
}

/// Whether the claim says nothing about its class, not even that it wants none (`PersistentVolumeClaimHasClass`).
pub(crate) fn leaves_class_open(claim: &PersistentVolumeClaim) -> bool {
    !claim.metadata.annotations.contains_key(BETA_CLASS) && claim.spec.storage_class_name.is_none()
}

/// The class of a volume (`GetPersistentVolumeClass`).
pub fn volume_class(volume: &PersistentVolume) -> &str {
    volume.metadata.annotations.get(BETA_CLASS).unwrap_or(&volume.spec.storage_class_name)
}

/// Whether the volume is bound to the claim, or reserved for it (`IsVolumeBoundToClaim`).
pub fn is_bound_to(volume: &PersistentVolume, claim: &PersistentVolumeClaim) -> bool {
    volume.spec.claim_ref.as_ref().is_some_and(|reference| {
        reference.name == claim.metadata.name
            && reference.namespace == claim.metadata.namespace
            && (reference.uid.is_empty() || reference.uid == claim.metadata.uid)
    })
}

/// Whether a volume may be used in all the ways that a claim wants (`CheckAccessModes`).
pub fn has_access_modes(volume: &[String], claim: &[String]) -> bool {
    claim.iter().all(|mode| volume.contains(mode))
}

fn mode(mode: Option<&String>) -> &str {
    mode.map_or("Filesystem", String::as_str)
}

fn storage(list: &api::core::ResourceList) -> Quantity {
    list.get("storage").copied().unwrap_or_default()
}

/// Why the claim cannot have this volume, in upstream's words; `None` if it can (`checkVolumeSatisfyClaim`).
pub(crate) fn mismatch(volume: &PersistentVolume, claim: &PersistentVolumeClaim) -> Option<&'static str> {
    if volume.metadata.is_deleting() {
        Some("the volume is marked for deletion")
    } else if storage(&volume.spec.capacity) < storage(&claim.spec.resources.requests) {
        Some("requested PV is too small")
    } else if volume_class(volume) != claim_class(claim) {
        Some("storageClassName does not match")
    } else if mode(volume.spec.volume_mode.as_ref()) != mode(claim.spec.volume_mode.as_ref()) {
        Some("incompatible volumeMode")
    } else if !has_access_modes(&volume.spec.access_modes, &claim.spec.access_modes) {
        Some("incompatible accessMode")
    } else {
        None
    }
}

/// Whether the requirement holds for a node's labels.
fn holds(requirement: &NodeSelectorRequirement, value: Option<&String>) -> bool {
    let listed = |value: &String| requirement.values.contains(value);
    let number = |text: &String| text.parse::<i64>().ok();
    let compared = || Some((number(value?)?, number(requirement.values.first()?)?));
    match requirement.operator.as_str() {
        "In" => value.is_some_and(listed),
        "NotIn" => !value.is_some_and(listed),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => compared().is_some_and(|(own, bound)| own > bound),
        "Lt" => compared().is_some_and(|(own, bound)| own < bound),
        _ => false,
    }
}

/// Whether the volume can be reached from the node (`CheckNodeAffinity`): one of the terms must hold, and one that is empty does not.
pub fn reaches(volume: &PersistentVolume, node: &Node) -> bool {
    let Some(required) = volume.spec.node_affinity.as_ref().and_then(|affinity| affinity.required.as_ref()) else { return true };
    let term = |term: &NodeSelectorTerm| {
        let name = |requirement: &NodeSelectorRequirement| Some(&node.metadata.name).filter(|_| requirement.key == "metadata.name");
        let empty = term.match_expressions.is_empty() && term.match_fields.is_empty();
        !empty
            && term.match_expressions.iter().all(|requirement| holds(requirement, node.metadata.labels.get(&requirement.key)))
            && term.match_fields.iter().all(|requirement| holds(requirement, name(requirement)))
    };
    required.node_selector_terms.iter().any(term)
}

/// The volume among those of equal access modes (`FindMatchingVolume`): the one that is reserved for the claim, else the smallest that fits.
/// `node` is where the Pod is to run, if it is the scheduler that asks.
fn find_among<'a>(
    claim: &PersistentVolumeClaim,
    volumes: &[&'a Arc<PersistentVolume>],
    node: Option<&Node>,
    excluded: &BTreeSet<String>,
    delay_binding: bool,
) -> Option<&'a Arc<PersistentVolume>> {
    let selector = claim.spec.selector.as_ref().map(|selector| Selector::from_label_selector(Some(selector)));
    let requested = storage(&claim.spec.resources.requests);
    let mut smallest: Option<&Arc<PersistentVolume>> = None;
    for &volume in volumes {
        let taken = volume.spec.claim_ref.is_some() && !is_bound_to(volume, claim);
        let too_small = storage(&volume.spec.capacity) < requested;
        let other_mode = mode(volume.spec.volume_mode.as_ref()) != mode(claim.spec.volume_mode.as_ref());
        if excluded.contains(&volume.metadata.uid) || taken || too_small || other_mode || volume.metadata.is_deleting() {
            continue;
        }
        let reached = node.is_none_or(|node| reaches(volume, node));
        if is_bound_to(volume, claim) {
            return reached.then_some(volume);
        }
        // The scheduler will choose, with the node of the Pod.
        if node.is_none() && delay_binding {
            continue;
        }
        let selected = match &selector {
            None => true,
            Some(selector) => selector.as_ref().is_ok_and(|selector| selector.matches(&volume.metadata.labels)),
        };
        let same_class = volume_class(volume) == claim_class(claim);
        let same_attributes = volume.spec.volume_attributes_class_name.as_deref().unwrap_or_default()
            == claim.spec.volume_attributes_class_name.as_deref().unwrap_or_default();
        if volume.status.phase != "Available" || !selected || !same_class || !same_attributes || !reached {
            continue;
        }
        if smallest.is_none_or(|smallest| storage(&volume.spec.capacity) < storage(&smallest.spec.capacity)) {
            smallest = Some(volume);
        }
    }
    smallest
}

/// The volume that a claim binds to (`findByClaim`): among those with the fewest access modes that do. `excluded` are UIDs of volumes that
/// other claims of the same Pod get.
pub fn find<'a>(
    claim: &PersistentVolumeClaim,
    volumes: impl IntoIterator<Item = &'a Arc<PersistentVolume>>,
    node: Option<&Node>,
    excluded: &BTreeSet<String>,
    delay_binding: bool,
) -> Option<&'a Arc<PersistentVolume>> {
    let mut by_modes: BTreeMap<(usize, Vec<String>), Vec<&Arc<PersistentVolume>>> = BTreeMap::new();
    for volume in volumes {
        let mut modes = volume.spec.access_modes.clone();
        modes.sort();
        modes.dedup();
        if has_access_modes(&modes, &claim.spec.access_modes) {
            by_modes.entry((modes.len(), modes)).or_default().push(volume);
        }
    }
    by_modes.values().find_map(|volumes| find_among(claim, volumes, node, excluded, delay_binding))
}

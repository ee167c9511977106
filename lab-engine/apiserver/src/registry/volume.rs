//! PersistentVolumes (`pkg/registry/core/persistentvolume/strategy.go`, `ValidatePersistentVolumeSpec`).
//!
//! **Simplified here:** `lastPhaseTransitionTime` is set by whoever writes the phase, as strategies do not know the time.

use super::pod_spec::node_selector;
use super::pod_spec::sources::{self, PERSISTENT};
use super::report::Report;
use super::{Strategy, claim, meta};
use api::core::{PersistentVolume, PersistentVolumeSpec, PersistentVolumeStatus, VolumeNodeAffinity};
use api::json::Json;
use api::quantity::Quantity;
use api::status::{FieldError, FieldErrorKind};
use serde_json::{Map, Value};

/// Labels of nodes that have a new name: a volume may be changed to it.
const RENAMED: [(&str, &str); 5] = [
    ("failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone"),
    ("failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region"),
    ("beta.kubernetes.io/os", "kubernetes.io/os"),
    ("beta.kubernetes.io/arch", "kubernetes.io/arch"),
    ("beta.kubernetes.io/instance-type", "node.kubernetes.io/instance-type"),
];

impl Strategy for PersistentVolume {
    fn default(&mut self) {
        if self.status.phase.is_empty() {
            self.status.phase = "Pending".to_owned();
        }
        if self.spec.persistent_volume_reclaim_policy.is_empty() {
            self.spec.persistent_volume_reclaim_policy = "Retain".to_owned();
        }
        self.spec.volume_mode.get_or_insert_with(|| "Filesystem".to_owned());
        if let Some(path) = &mut self.spec.host_path {
            path.type_.get_or_insert_default();
        }
    }

    fn prepare_for_create(&mut self) {
        self.status = PersistentVolumeStatus { phase: "Pending".to_owned(), ..PersistentVolumeStatus::default() };
    }

    fn validate(&self, errors: &mut Vec<FieldError>) {
        spec(&self.spec, &self.metadata.name, errors);
    }

    fn prepare_for_update(&mut self, old: &Self) {
        self.status = old.status.clone();
    }

    fn prepare_status_update(&mut self, old: &Self) {
        self.spec = old.spec.clone();
    }

    fn validate_update(&self, old: &Self, errors: &mut Vec<FieldError>) {
        self.validate(errors);
        update_rules(&self.spec, &old.spec, errors);
    }
}

fn spec(spec: &PersistentVolumeSpec, name: &str, errors: &mut Vec<FieldError>) {
    if spec.access_modes.is_empty() {
        errors.required("spec.accessModes", "");
    }
    claim::access_modes(&spec.access_modes, "spec.accessModes", errors);
    capacity(spec, errors);
    let policies = ["Delete", "Recycle", "Retain"];
    let policy = spec.persistent_volume_reclaim_policy.as_str();
    if !policy.is_empty() && !policies.contains(&policy) {
        errors.not_supported("spec.persistentVolumeReclaimPolicy", policy, &policies);
    }
    match &spec.node_affinity {
        None => {}
        Some(VolumeNodeAffinity { required: Some(required), .. }) => node_selector(required, "spec.nodeAffinity.required", errors),
        Some(_) => errors.required("spec.nodeAffinity.required", "must specify required node constraints"),
    }
    let json = spec.to_json();
    let source = sources::one_of(PERSISTENT, &json, "spec", errors);
    if source == Some("local") && spec.node_affinity.is_none() {
        errors.required("spec.nodeAffinity", "Local volume requires node affinity");
    }
    if let Some(iscsi) = json.get("iscsi").filter(|iscsi| iscsi.get("initiatorName").is_some()) {
        let portal = super::report::text(iscsi, "targetPortal");
        if name.len() + 1 + portal.len() > 64 {
            let detail =
                "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.";
            errors.invalid("spec.iscsi.targetportal", portal, detail);
        }
    }
    let root = |path: &str| !path.is_empty() && path.split('/').all(|part| matches!(part, "" | "."));
    if policy == "Recycle" && spec.host_path.as_ref().is_some_and(|host| root(&host.path)) {
        errors.forbidden("spec.persistentVolumeReclaimPolicy", "may not be 'recycle' for a hostPath mount of '/'");
    }
    if !spec.storage_class_name.is_empty() {
        errors.subdomain("spec.storageClassName", &spec.storage_class_name);
    }
    claim::volume_mode(spec.volume_mode.as_deref(), "spec.volumeMode", errors);
    if let Some(class) = &spec.volume_attributes_class_name {
        if class.is_empty() {
            errors.required("spec.volumeAttributesClassName", "an empty string is disallowed");
        } else {
            errors.subdomain("spec.volumeAttributesClassName", class);
        }
        if spec.csi.is_none() {
            errors.required("spec.csi", "has to be specified when using volumeAttributesClassName");
        }
    }
}

fn capacity(spec: &PersistentVolumeSpec, errors: &mut Vec<FieldError>) {
    if spec.capacity.is_empty() {
        errors.required("spec.capacity", "");
    }
    if !spec.capacity.contains_key("storage") || spec.capacity.len() > 1 {
        let value = spec.capacity.to_json().to_string();
        errors.add(FieldError::new(FieldErrorKind::NotSupported, "spec.capacity", value, "supported values: \"storage\""));
    }
    for (name, amount) in &spec.capacity {
        let path = format!("spec.capacity[{name}]");
        if amount.value() < 0 {
            errors.invalid_number(&path, amount.value(), "must be a valid resource quantity");
        }
        if *amount <= Quantity::default() {
            errors.invalid(path, &amount.to_string(), "must be greater than zero");
        }
    }
}

/// The source of a volume.
fn source_of(spec: &PersistentVolumeSpec) -> Map<String, Value> {
    let json = spec.to_json();
    let fields = json.as_object().into_iter().flatten();
    fields.filter(|(field, _)| PERSISTENT.iter().any(|source| source.field == *field)).map(|(f, v)| (f.clone(), v.clone())).collect()
}

/// Appends what a change of a volume must not do (`ValidatePersistentVolumeUpdate`).
fn update_rules(new: &PersistentVolumeSpec, old: &PersistentVolumeSpec, errors: &mut Vec<FieldError>) {
    let (mut is, was) = (source_of(new), source_of(old));
    if let (Some(Value::Object(is)), Some(was)) = (is.get_mut("csi"), was.get("csi"))
        && was.get("controllerExpandSecretRef").is_none()
    {
        is.remove("controllerExpandSecretRef");
    }
    if is != was {
        let detail =
            format!("spec.persistentvolumesource is immutable after creation\n  {} -> {}\n", Value::Object(was), Value::Object(is));
        errors.forbidden("spec.persistentvolumesource", detail);
    }
    meta::immutable(&new.volume_mode, &old.volume_mode, "volumeMode", errors);
    if old.node_affinity.is_some() && !same_but_renamed(new.node_affinity.as_ref(), old.node_affinity.as_ref()) {
        let detail = "field is immutable, except for updating from beta label to GA";
        errors.invalid_json("nodeAffinity", &new.node_affinity.to_json(), detail);
    }
    if old.volume_attributes_class_name.is_some() && new.volume_attributes_class_name.is_none() {
        errors.forbidden("spec.volumeAttributesClassName", "update from non-nil value to nil is forbidden");
    }
}

/// Whether the nodes are the same, but for labels that go by their new names now.
fn same_but_renamed(new: Option<&VolumeNodeAffinity>, old: Option<&VolumeNodeAffinity>) -> bool {
    let mut old = old.cloned();
    let terms = |affinity: Option<&VolumeNodeAffinity>| {
        affinity.and_then(|affinity| affinity.required.as_ref()).map(|required| required.node_selector_terms.clone()).unwrap_or_default()
    };
    let news = terms(new);
    let olds = old.iter_mut().filter_map(|affinity| affinity.required.as_mut()).flat_map(|required| &mut required.node_selector_terms);
    for (old, new) in olds.zip(&news) {
        for (old, new) in old.match_expressions.iter_mut().zip(&new.match_expressions) {
            if RENAMED.contains(&(old.key.as_str(), new.key.as_str())) {
                old.key.clone_from(&new.key);
            }
        }
    }
    old.as_ref() == new
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::json::decode;
    use serde_json::json;

    fn volume(spec: Value) -> PersistentVolume {
        decode(json!({"metadata": {"name": "pv"}, "spec": spec})).unwrap()
    }

    fn texts(errors: &[FieldError]) -> Vec<String> {
        errors.iter().map(FieldError::to_string).collect()
    }

    #[test]
    fn a_local_volume_says_where_it_is() {
        let mut errors = Vec::new();
        let spec = json!({"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "local": {"path": "/a"}});
        volume(spec).validate(&mut errors);
        assert_eq!(texts(&errors), ["spec.nodeAffinity: Required value: Local volume requires node affinity"]);
    }

    #[test]
    fn a_volume_has_a_size_above_zero_and_a_source() {
        let mut errors = Vec::new();
        volume(json!({"capacity": {"storage": "0"}, "accessModes": ["ReadWriteOncePod", "ReadWriteOnce"]})).validate(&mut errors);
        assert_eq!(
            texts(&errors),
            [
                "spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes",
                "spec.capacity[storage]: Invalid value: \"0\": must be greater than zero",
                "spec: Required value: must specify a volume type"
            ]
        );
    }

    #[test]
    fn the_source_does_not_change_and_labels_of_nodes_are_renamed() {
        let affinity = |key: &str| json!({"required": {"nodeSelectorTerms": [{"matchExpressions": [{"key": key, "operator": "Exists"}]}]}});
        let of = |path: &str, key: &str| {
            volume(
                json!({"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "local": {"path": path}, "nodeAffinity": affinity(key)}),
            )
        };
        let mut errors = Vec::new();
        of("/a", "topology.kubernetes.io/zone").validate_update(&of("/a", "failure-domain.beta.kubernetes.io/zone"), &mut errors);
        assert!(errors.is_empty(), "{errors:?}");
        of("/b", "x").validate_update(&of("/a", "y"), &mut errors);
        let fields: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["spec.persistentvolumesource", "nodeAffinity"]);
    }
}

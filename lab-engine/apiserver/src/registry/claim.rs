//! PersistentVolumeClaims (`pkg/registry/core/persistentvolumeclaim/strategy.go`, `ValidatePersistentVolumeClaimSpec`).

use super::report::{Report, text};
use super::{Strategy, meta};
use api::core::{PersistentVolumeClaim, PersistentVolumeClaimSpec, PersistentVolumeClaimStatus, PersistentVolumeClaimTemplate};
use api::json::Json;
use api::meta::StringMap;
use api::quantity::Quantity;
use api::status::FieldError;
use serde_json::Value;

/// The annotation that named the class before there was a field for it.
const OLD_CLASS: &str = "volume.beta.kubernetes.io/storage-class";

/// How volumes can be used.
const ACCESS_MODES: [&str; 4] = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];

/// Sets what a claim, or a template of one, leaves out.
pub(super) fn defaults(claim: &mut PersistentVolumeClaim) {
    claim.spec.volume_mode.get_or_insert_with(|| "Filesystem".to_owned());
}

/// Appends what is wrong with access modes, of which there may be none here.
pub(super) fn access_modes(modes: &[String], path: &str, errors: &mut Vec<FieldError>) {
    for mode in modes.iter().filter(|mode| !ACCESS_MODES.contains(&mode.as_str())) {
        errors.not_supported(path, mode, &ACCESS_MODES);
    }
    let others = modes.iter().any(|mode| mode != "ReadWriteOncePod" && ACCESS_MODES.contains(&mode.as_str()));
    if others && modes.iter().any(|mode| mode == "ReadWriteOncePod") {
        errors.forbidden(path, "may not use ReadWriteOncePod with other access modes");
    }
}

/// Appends what is wrong with a choice between files and blocks.
pub(super) fn volume_mode(mode: Option<&str>, path: &str, errors: &mut Vec<FieldError>) {
    if let Some(mode) = mode.filter(|mode| !matches!(*mode, "Block" | "Filesystem")) {
        errors.not_supported(path, mode, &["Block", "Filesystem"]);
    }
}

/// Appends what is wrong with the wish of a claim.
pub(super) fn spec(spec: &PersistentVolumeClaimSpec, path: &str, errors: &mut Vec<FieldError>) {
    if spec.access_modes.is_empty() {
        errors.required(format!("{path}.accessModes"), "at least 1 access mode is required");
    }
    if let Some(selector) = &spec.selector {
        meta::label_selector(selector, &format!("{path}.selector"), errors);
    }
    access_modes(&spec.access_modes, &format!("{path}.accessModes"), errors);
    let size = format!("{path}.resources[storage]");
    match spec.resources.requests.get("storage") {
        None => errors.required(size, ""),
        Some(amount) if *amount <= Quantity::default() => errors.invalid(size, &amount.to_string(), "must be greater than zero"),
        Some(_) => {}
    }
    for (field, class) in
        [("storageClassName", &spec.storage_class_name), ("volumeAttributesClassName", &spec.volume_attributes_class_name)]
    {
        if let Some(class) = class.as_deref().filter(|class| !class.is_empty()) {
            errors.subdomain(&format!("{path}.{field}"), class);
        }
    }
    volume_mode(spec.volume_mode.as_deref(), &format!("{path}.volumeMode"), errors);
    data_sources(spec, path, errors);
}

/// What the volume shall be filled with.
fn data_sources(spec: &PersistentVolumeClaimSpec, path: &str, errors: &mut Vec<FieldError>) {
    let (old, new) = (spec.rest.get("dataSource"), spec.rest.get("dataSourceRef"));
    for (field, source) in [("dataSource", old), ("dataSourceRef", new)] {
        if let Some(source) = source {
            data_source(source, &format!("{path}.{field}"), errors);
        }
    }
    let (Some(old), Some(new)) = (old, new) else { return };
    let mut invalid = |detail: &str| errors.invalid(path, &format!("{path}.dataSource"), detail);
    if text(new, "namespace").is_empty() {
        if ["apiGroup", "kind", "name"].iter().any(|field| old.get(*field) != new.get(*field)) {
            invalid("must match dataSourceRef");
        }
    } else {
        invalid("may not be specified when dataSourceRef.namespace is specified");
    }
}

fn data_source(source: &Value, path: &str, errors: &mut Vec<FieldError>) {
    for field in ["name", "kind"].into_iter().filter(|field| text(source, field).is_empty()) {
        errors.required(format!("{path}.{field}"), "");
    }
    match text(source, "apiGroup") {
        "" if text(source, "kind") != "PersistentVolumeClaim" => {
            errors.invalid(path, text(source, "kind"), "must be 'PersistentVolumeClaim' when referencing the default apiGroup");
        }
        "" => {}
        group => errors.subdomain(&format!("{path}.apiGroup"), group),
    }
    let namespace = text(source, "namespace");
    if !namespace.is_empty() {
        errors.label(&format!("{path}.namespace"), namespace);
    }
}

/// Appends what is wrong with a claim to be made (`ValidatePersistentVolumeClaimTemplate`).
pub(super) fn template(template: &PersistentVolumeClaimTemplate, path: &str, errors: &mut Vec<FieldError>) {
    let own = format!("{path}.metadata");
    meta::annotations(&template.metadata, &format!("{own}.annotations"), errors);
    meta::labels(&template.metadata.labels, &format!("{own}.labels"), errors);
    let metadata = template.metadata.to_json();
    let others = metadata.as_object().into_iter().flat_map(|fields| fields.keys());
    for field in others.filter(|field| !matches!(field.as_str(), "annotations" | "labels" | "creationTimestamp")) {
        errors.forbidden(format!("{own}.{field}"), "cannot be set");
    }
    spec(&template.spec, &format!("{path}.spec"), errors);
}

impl Strategy for PersistentVolumeClaim {
    fn default(&mut self) {
        defaults(self);
        if self.status.phase.is_empty() {
            self.status.phase = "Pending".to_owned();
        }
    }

    fn prepare_for_create(&mut self) {
        self.status = PersistentVolumeClaimStatus { phase: "Pending".to_owned(), ..PersistentVolumeClaimStatus::default() };
    }

    fn validate(&self, errors: &mut Vec<FieldError>) {
        spec(&self.spec, "spec", errors);
    }

    fn prepare_for_update(&mut self, old: &Self) {
        self.status = old.status.clone();
    }

    fn prepare_status_update(&mut self, old: &Self) {
        self.spec = old.spec.clone();
    }

    fn validate_update(&self, old: &Self, errors: &mut Vec<FieldError>) {
        self.validate(errors);
        update_rules(self, old, errors);
    }
}

/// Appends what a change of a claim must not do (`ValidatePersistentVolumeClaimUpdate`).
fn update_rules(new: &PersistentVolumeClaim, old: &PersistentVolumeClaim, errors: &mut Vec<FieldError>) {
    let mut munged = new.spec.clone();
    if old.spec.volume_name.is_empty() {
        // The binder writes the volume, once.
        munged.volume_name.clear();
    }
    class_rules(new, old, &mut munged, errors);
    let bound = new.status.phase == "Bound";
    if bound && !munged.resources.requests.is_empty() {
        match old.spec.resources.requests.get("storage") {
            Some(size) => drop(munged.resources.requests.insert("storage".to_owned(), *size)),
            None => drop(munged.resources.requests.remove("storage")),
        }
    }
    if bound && munged.volume_attributes_class_name.is_some() {
        munged.volume_attributes_class_name.clone_from(&old.spec.volume_attributes_class_name);
    }
    if munged != old.spec {
        let (was, is) = old.spec.changed(&munged);
        let detail = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
        errors.forbidden("spec", format!("{detail}\n  {was} -> {is}\n"));
    }
    let size = |list: &api::core::ResourceList| list.get("storage").copied().unwrap_or_default();
    let (wanted, before) = (size(&new.spec.resources.requests), size(&old.spec.resources.requests));
    if wanted < before && wanted <= size(&old.status.capacity) {
        errors.forbidden("spec.resources.requests.storage", "field can not be less than status.capacity");
    }
    meta::immutable(&new.spec.volume_mode, &old.spec.volume_mode, "volumeMode", errors);
    let path = "spec.volumeAttributesClassName";
    match (&old.spec.volume_attributes_class_name, &new.spec.volume_attributes_class_name) {
        (Some(_), None) => errors.forbidden(path, "update from non-nil value to nil is forbidden"),
        (Some(old), Some(new)) if old != new && new.is_empty() => {
            errors.forbidden(path, "update from non-nil value to an empty string is forbidden");
        }
        _ => {}
    }
}

/// The class may move from the old annotation into its field, and be set where there was none; puts it back in `munged` then.
fn class_rules(
    new: &PersistentVolumeClaim,
    old: &PersistentVolumeClaim,
    munged: &mut PersistentVolumeClaimSpec,
    errors: &mut Vec<FieldError>,
) {
    let annotation = |annotations: &StringMap| annotations.get(OLD_CLASS).cloned();
    let (was, is) = (annotation(&old.metadata.annotations), annotation(&new.metadata.annotations));
    let class = new.spec.storage_class_name.as_ref();
    let moved = was.is_some() && old.spec.storage_class_name.is_none() && class == was.as_ref() && (is.is_none() || is == was);
    if moved {
        munged.storage_class_name = None;
        return;
    }
    if was.clone().unwrap_or_default() != is.clone().unwrap_or_default() {
        let path = format!("metadata.annotations.{OLD_CLASS}");
        errors.invalid(path, &is.unwrap_or_default(), "field is immutable");
    }
    if class.is_some() && old.spec.storage_class_name.is_none() && (was.is_none() || class == was.as_ref()) {
        munged.storage_class_name = None;
    }
}

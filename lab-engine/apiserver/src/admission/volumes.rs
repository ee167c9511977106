//! Classes, sizes and protection: DefaultStorageClass, DefaultIngressClass, PersistentVolumeClaimResize, StorageObjectInUseProtection
//! (`plugin/pkg/admission/{storage,network}`).

use crate::cache::Cache;
use crate::storage;
use api::core::PersistentVolumeClaim;
use api::kinds::{KindInfo, find_kind};
use api::meta::ObjectMeta;
use api::status::Status;
use api::storage::StorageClass;
use api::{Dynamic, Object, Resource};
use serde_json::{Map, Value};
use std::cmp::Reverse;

const DEFAULT_STORAGE_CLASS: &str = "storageclass.kubernetes.io/is-default-class";
const DEFAULT_STORAGE_CLASS_BETA: &str = "storageclass.beta.kubernetes.io/is-default-class";
const DEFAULT_INGRESS_CLASS: &str = "ingressclass.kubernetes.io/is-default-class";
const STORAGE_CLASS_BETA: &str = "volume.beta.kubernetes.io/storage-class";
const INGRESS_CLASS: &str = "kubernetes.io/ingress.class";

/// Fills in the class that a new claim leaves out: the newest default; of those as old as each other the first by name.
pub(super) fn default_storage_class(cache: &Cache, claim: &mut PersistentVolumeClaim) {
    // Set to nothing means: no class, and no default either.
    if claim.spec.storage_class_name.is_some() || claim.metadata.annotations.contains_key(STORAGE_CLASS_BETA) {
        return;
    }
    let mut defaults = marked(cache, StorageClass::INFO, &[DEFAULT_STORAGE_CLASS, DEFAULT_STORAGE_CLASS_BETA]);
    defaults.sort_by_key(|class| (Reverse(class.metadata().creation_timestamp), class.metadata().name.clone()));
    claim.spec.storage_class_name = defaults.first().map(|class| class.metadata().name.clone());
}

/// What keeps claims and volumes from going while they are used; their controllers take it off (StorageObjectInUseProtection).
pub(super) fn protect(metadata: &mut ObjectMeta, kind: &str) {
    let finalizer = format!("kubernetes.io/{kind}-protection");
    if !metadata.finalizers.contains(&finalizer) {
        metadata.finalizers.push(finalizer);
    }
}

/// Fills in the class that a new Ingress leaves out.
pub(super) fn default_ingress_class(cache: &Cache, object: &mut Dynamic) {
    if (object.api_version.as_str(), object.kind.as_str()) != ("networking.k8s.io/v1", "Ingress") {
        return;
    }
    let chosen = field(object, "ingressClassName").is_some() || object.metadata.annotations.contains_key(INGRESS_CLASS);
    let Some(info) = find_kind("networking.k8s.io/v1", "IngressClass").filter(|_| !chosen) else { return };
    let mut defaults = marked(cache, info, &[DEFAULT_INGRESS_CLASS]);
    defaults.sort_by_key(|class| (Reverse(class.metadata().creation_timestamp), class.metadata().name.clone()));
    if let Some(class) = defaults.first() {
        set_field(object, "ingressClassName", &class.metadata().name);
    }
}

fn field<'a>(object: &'a Dynamic, name: &str) -> Option<&'a Value> {
    object.rest.get("spec")?.get(name).filter(|value| !value.is_null())
}

fn set_field(object: &mut Dynamic, name: &str, value: &str) {
    let mut fields = Map::new();
    object.rest.restore(&mut fields);
    let spec = fields.entry("spec").or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(spec) = spec {
        spec.insert(name.to_owned(), Value::String(value.to_owned()));
    }
    object.rest = api::json::Rest::new(fields);
}

/// The classes of a kind that an annotation marks as the default.
fn marked<'a>(cache: &'a Cache, info: &KindInfo, annotations: &[&str]) -> Vec<&'a Object> {
    let is_marked =
        |object: &&Object| annotations.iter().any(|&key| object.metadata().annotations.get(key).is_some_and(|value| value == "true"));
    cache.range_of(storage::resource_prefix(info)).filter(is_marked).collect()
}

/// Refuses that a claim grows whose class does not allow it.
///
/// # Errors
/// 403.
pub(super) fn check_resize(cache: &Cache, object: &Object, old: Option<&Object>) -> Result<(), Box<Status>> {
    let (Object::PersistentVolumeClaim(new), Some(Object::PersistentVolumeClaim(old))) = (object, old) else { return Ok(()) };
    let size = |claim: &PersistentVolumeClaim| claim.spec.resources.requests.get("storage").cloned();
    let (Some(wanted), Some(had)) = (size(new), size(old)) else { return Ok(()) };
    if wanted <= had || old.status.phase != "Bound" {
        return Ok(());
    }
    let class = old.spec.storage_class_name.as_deref().unwrap_or_default();
    let found = cache.get(&storage::key(StorageClass::INFO, "", class)).and_then(|object| object.as_kind::<StorageClass>());
    if found.is_some_and(|class| class.allow_volume_expansion == Some(true)) {
        return Ok(());
    }
    let why = "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize";
    Err(Box::new(Status::forbidden(&PersistentVolumeClaim::INFO.gvr(), &new.metadata.name, why)))
}

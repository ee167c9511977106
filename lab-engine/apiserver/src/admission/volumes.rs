//! Classes and sizes: DefaultStorageClass, DefaultIngressClass, PersistentVolumeClaimResize (`plugin/pkg/admission/{storage,network}`).
//!
//! **Simplified here:** StorageObjectInUseProtection is left out, since no controller would take its finalizers off again.

use crate::cache::Cache;
use crate::storage;
use api::Dynamic;
use api::Object;
use api::kinds::{KindInfo, find_kind};
use api::quantity::Quantity;
use api::status::Status;
use serde_json::{Map, Value};
use std::cmp::Reverse;

const DEFAULT_STORAGE_CLASS: &str = "storageclass.kubernetes.io/is-default-class";
const DEFAULT_STORAGE_CLASS_BETA: &str = "storageclass.beta.kubernetes.io/is-default-class";
const DEFAULT_INGRESS_CLASS: &str = "ingressclass.kubernetes.io/is-default-class";
const STORAGE_CLASS_BETA: &str = "volume.beta.kubernetes.io/storage-class";
const INGRESS_CLASS: &str = "kubernetes.io/ingress.class";

/// Fills in the class that a new claim or Ingress leaves out.
///
/// # Errors
/// 500 when several IngressClasses say that they are the default.
pub(super) fn complete(cache: &Cache, object: &mut Dynamic) -> Result<(), Box<Status>> {
    match (object.api_version.as_str(), object.kind.as_str()) {
        ("v1", "PersistentVolumeClaim") => {
            // Set to nothing means: no class, and no default either.
            let chosen = field(object, "storageClassName").is_some() || object.metadata.annotations.contains_key(STORAGE_CLASS_BETA);
            let marks = [DEFAULT_STORAGE_CLASS, DEFAULT_STORAGE_CLASS_BETA];
            let mut defaults = if chosen { Vec::new() } else { marked(cache, "storage.k8s.io/v1", "StorageClass", &marks) };
            // The newest; of those as old as each other the first by name.
            defaults.sort_by_key(|class| (Reverse(class.metadata().creation_timestamp), class.metadata().name.clone()));
            if let Some(class) = defaults.first() {
                set_field(object, "storageClassName", &class.metadata().name);
            }
        }
        ("networking.k8s.io/v1", "Ingress") => {
            let chosen = field(object, "ingressClassName").is_some() || object.metadata.annotations.contains_key(INGRESS_CLASS);
            let mut defaults =
                if chosen { Vec::new() } else { marked(cache, "networking.k8s.io/v1", "IngressClass", &[DEFAULT_INGRESS_CLASS]) };
            defaults.sort_by_key(|class| (Reverse(class.metadata().creation_timestamp), class.metadata().name.clone()));
            if let Some(class) = defaults.first() {
                set_field(object, "ingressClassName", &class.metadata().name);
            }
        }
        _ => {}
    }
    Ok(())
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
fn marked<'a>(cache: &'a Cache, api_version: &str, kind: &str, annotations: &[&str]) -> Vec<&'a Object> {
    let Some(info) = find_kind(api_version, kind) else { return Vec::new() };
    let is_marked =
        |object: &&Object| annotations.iter().any(|&key| object.metadata().annotations.get(key).is_some_and(|value| value == "true"));
    cache.range_of(storage::resource_prefix(info)).filter(is_marked).collect()
}

/// Refuses that a claim grows whose class does not allow it.
///
/// # Errors
/// 403.
pub(super) fn check_resize(cache: &Cache, info: &KindInfo, object: &Object, old: Option<&Object>) -> Result<(), Box<Status>> {
    let (Object::Dynamic(new), Some(Object::Dynamic(old))) = (object, old) else { return Ok(()) };
    if info.group_kind() != ("", "PersistentVolumeClaim") {
        return Ok(());
    }
    let size = |claim: &Dynamic| -> Option<Quantity> {
        claim.rest.get("spec")?.pointer("/resources/requests/storage")?.as_str().and_then(|text| Quantity::parse(text).ok())
    };
    let (Some(wanted), Some(had)) = (size(new), size(old)) else { return Ok(()) };
    let bound = old.rest.get("status").is_some_and(|status| status["phase"] == "Bound");
    if wanted <= had || !bound {
        return Ok(());
    }
    let class = field(old, "storageClassName").and_then(Value::as_str).unwrap_or_default();
    let found = find_kind("storage.k8s.io/v1", "StorageClass").and_then(|info| cache.get(&storage::key(info, "", class)));
    let grows = matches!(found, Some(Object::Dynamic(class)) if class.rest.get("allowVolumeExpansion") == Some(&Value::Bool(true)));
    if grows {
        return Ok(());
    }
    let why = "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize";
    Err(Box::new(Status::forbidden(&info.gvr(), &new.metadata.name, why)))
}

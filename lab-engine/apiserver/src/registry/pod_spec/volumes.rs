//! Volumes of Pods: their names, and the sources whose files a Pod or its cluster gives (`ValidateVolumes`).

use super::super::report::{Report, list, local_path, number, text};
use super::environment::{field_selector, resource_selector};
use super::{claim, sources};
use crate::registry::meta;
use api::core::{ObjectFieldSelector, ResourceFieldSelector, Volume};
use api::json::{Json, decode};
use api::meta::{LabelSelector, ObjectMeta};
use api::names;
use api::status::FieldError;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The fields of a Pod that can be a file (`validVolumeDownwardAPIFieldPathExpressions`).
const FIELDS: [&str; 5] = ["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"];

/// The volumes of a Pod by name, and the field of the source of each.
pub(super) type Known<'a> = BTreeMap<&'a str, &'static str>;

/// Appends what is wrong with the volumes of a Pod, and gives those in which nothing is. `pod` is the Pod itself, if this is no template.
pub(super) fn volumes<'a>(volumes: &'a [Volume], pod: Option<&ObjectMeta>, path: &str, errors: &mut Vec<FieldError>) -> Known<'a> {
    let pod = pod.filter(|pod| !pod.name.is_empty());
    let made: BTreeSet<String> = pod
        .into_iter()
        .flat_map(|pod| volumes.iter().filter(|volume| volume.ephemeral.is_some()).map(|volume| format!("{}-{}", pod.name, volume.name)))
        .collect();
    let mut known = Known::new();
    for (index, volume) in volumes.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let before = errors.len();
        let source = one(volume, pod, &path, errors);
        let name = format!("{path}.name");
        if volume.name.is_empty() {
            errors.required(&name, "");
        } else {
            errors.label(&name, &volume.name);
        }
        if known.contains_key(volume.name.as_str()) {
            errors.duplicate(name, &volume.name);
        }
        if let (true, Some(source)) = (errors.len() == before, source) {
            known.insert(&volume.name, source);
        }
        if let Some(claim) = volume.persistent_volume_claim.as_ref().filter(|claim| made.contains(&claim.claim_name)) {
            let detail = "must not reference a PVC that gets created for an ephemeral volume";
            errors.invalid(format!("{path}.persistentVolumeClaim.claimName"), &claim.claim_name, detail);
        }
    }
    known
}

fn one(volume: &Volume, pod: Option<&ObjectMeta>, path: &str, errors: &mut Vec<FieldError>) -> Option<&'static str> {
    let json = volume.to_json();
    let found = sources::one_of(sources::POD, &json, path, errors);
    if let Some(iscsi) = json.get("iscsi").filter(|iscsi| iscsi.get("initiatorName").is_some())
        && volume.name.len() + 1 + text(iscsi, "targetPortal").len() > 64
    {
        let detail = "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.";
        errors.invalid(format!("{path}.name"), &volume.name, detail);
    }
    if let (Some("ephemeral"), Some(ephemeral)) = (found, &volume.ephemeral) {
        let template = format!("{path}.ephemeral.volumeClaimTemplate");
        match &ephemeral.volume_claim_template {
            None => errors.required(template, ""),
            Some(wish) => claim::template(wish, &template, errors),
        }
        if let Some(pod) = pod.filter(|_| !volume.name.is_empty()) {
            let claim = format!("{}-{}", pod.name, volume.name);
            for wrong in names::dns1123_subdomain(&claim) {
                errors.invalid(format!("{path}.name"), &volume.name, format!("PVC name {claim:?}: {wrong}"));
            }
        }
    }
    found
}

fn mode(value: &Value, field: &str, path: &str, errors: &mut Vec<FieldError>) {
    if let Some(mode) = value.get(field).and_then(Value::as_i64).filter(|mode| !(0..=0o777).contains(mode)) {
        errors.invalid_number(format!("{path}.{field}"), mode, "must be a number between 0 and 0777 (octal), both inclusive");
    }
}

fn key_to_path(item: &Value, path: &str, errors: &mut Vec<FieldError>) {
    if text(item, "key").is_empty() {
        errors.required(format!("{path}.key"), "");
    }
    let file = format!("{path}.path");
    if text(item, "path").is_empty() {
        errors.required(&file, "");
    }
    local_path(&file, text(item, "path"), errors);
    mode(item, "mode", path, errors);
}

/// A source that names an object, and the keys of it that become files.
fn keyed(value: &Value, name: &str, path: &str, errors: &mut Vec<FieldError>) {
    if text(value, name).is_empty() {
        errors.required(format!("{path}.{name}"), "");
    }
    mode(value, "defaultMode", path, errors);
    for (index, item) in list(value, "items").iter().enumerate() {
        key_to_path(item, &format!("{path}.items[{index}]"), errors);
    }
}

/// Appends what is wrong with a Secret as a volume.
pub(super) fn secret(value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    keyed(value, "secretName", path, errors);
}

/// Appends what is wrong with a ConfigMap as a volume.
pub(super) fn config_map(value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    keyed(value, "name", path, errors);
}

/// Appends what is wrong with fields of the Pod as a volume.
pub(super) fn downward_api(value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    mode(value, "defaultMode", path, errors);
    for item in list(value, "items") {
        downward_file(item, path, errors);
    }
}

fn downward_file(file: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let own = format!("{path}.path");
    if text(file, "path").is_empty() {
        errors.required(&own, "");
    }
    local_path(&own, text(file, "path"), errors);
    let (field, resource) = (file.get("fieldRef"), file.get("resourceFieldRef"));
    match (field, resource) {
        (None, None) => errors.required(path, "one of fieldRef and resourceFieldRef is required"),
        (Some(field), other) => {
            let selector: ObjectFieldSelector = decode(field.clone()).unwrap_or_default();
            field_selector(&selector, &FIELDS, &format!("{path}.fieldRef"), errors);
            if other.is_some() {
                errors.invalid(path, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously");
            }
        }
        (None, Some(resource)) => {
            let selector: ResourceFieldSelector = decode(resource.clone()).unwrap_or_default();
            resource_selector(&selector, true, &format!("{path}.resourceFieldRef"), errors);
        }
    }
    mode(file, "mode", path, errors);
}

/// Appends what is wrong with several sources in one volume (`validateProjectionSources`).
pub(super) fn projected(value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    mode(value, "defaultMode", path, errors);
    let mut taken = BTreeSet::new();
    for (index, source) in list(value, "sources").iter().enumerate() {
        let own = format!("{path}.sources[{index}]");
        for kind in ["secret", "configMap"] {
            if let Some(object) = source.get(kind) {
                projected_object(object, &format!("{own}.{kind}"), path, &mut taken, errors);
            }
        }
        if let Some(fields) = source.get("downwardAPI") {
            for file in list(fields, "items") {
                downward_file(file, &format!("{own}.downwardAPI"), errors);
                let file = text(file, "path");
                if !file.is_empty() && !taken.insert(file) {
                    errors.invalid(path, file, "conflicting duplicate paths");
                }
            }
        }
        if let Some(token) = source.get("serviceAccountToken") {
            account_token(token, &format!("{own}.serviceAccountToken"), path, errors);
        }
        if let Some(bundle) = source.get("clusterTrustBundle") {
            trust_bundle(bundle, &format!("{own}.clusterTrustBundle"), errors);
            let file = text(bundle, "path");
            if !taken.insert(file) {
                errors.invalid(path, file, "conflicting duplicate paths");
            }
        }
        let kinds = ["secret", "configMap", "downwardAPI", "serviceAccountToken", "clusterTrustBundle", "podCertificate"];
        if kinds.iter().filter(|kind| source.get(**kind).is_some()).count() > 1 {
            errors.forbidden(own, "may not specify more than 1 volume type per source");
        }
    }
}

fn projected_object<'v>(object: &'v Value, own: &str, path: &str, taken: &mut BTreeSet<&'v str>, errors: &mut Vec<FieldError>) {
    let name = text(object, "name");
    if name.is_empty() {
        errors.required(format!("{own}.name"), "");
    }
    for (index, item) in list(object, "items").iter().enumerate() {
        key_to_path(item, &format!("{own}.items[{index}]"), errors);
        let file = text(item, "path");
        if !file.is_empty() && !taken.insert(file) {
            errors.invalid(path, name, "conflicting duplicate paths");
        }
    }
}

fn account_token(token: &Value, own: &str, path: &str, errors: &mut Vec<FieldError>) {
    let seconds = number(token, "expirationSeconds");
    if seconds < 10 * 60 {
        errors.invalid_number(format!("{own}.expirationSeconds"), seconds, "may not specify a duration less than 10 minutes");
    }
    if seconds > 1 << 32 {
        errors.invalid_number(format!("{own}.expirationSeconds"), seconds, "may not specify a duration larger than 2^32 seconds");
    }
    match text(token, "path") {
        "" => errors.required(format!("{path}.path"), ""),
        file => local_path(&format!("{path}.path"), file, errors),
    }
}

fn trust_bundle(bundle: &Value, own: &str, errors: &mut Vec<FieldError>) {
    let selector = bundle.get("labelSelector");
    match (bundle.get("name").and_then(Value::as_str), bundle.get("signerName").and_then(Value::as_str)) {
        (Some(_), Some(_)) => errors.invalid_json(own, bundle, "only one of name and signerName may be used"),
        (Some(name), None) => {
            if name.is_empty() {
                errors.required(format!("{own}.name"), "must be a valid object name");
            }
            // Names of bundles of a signer are its name, with colons for slashes, a colon, and a name.
            let plain = name.rsplit_once(':').map_or(name, |(_, last)| last);
            for wrong in names::dns1123_subdomain(plain) {
                errors.invalid(format!("{own}.name"), name, format!("not a valid clustertrustbundlename: {wrong}"));
            }
            if let Some(selector) = selector {
                errors.invalid_json(format!("{own}.labelSelector"), selector, "labelSelector must be unset if name is specified");
            }
        }
        (None, Some(signer)) => {
            let field = format!("{own}.signerName");
            if signer.is_empty() {
                errors.required(&field, "must be a valid signer name");
            }
            if !signer.contains('/') {
                errors.invalid(field, signer, "must be a fully qualified domain and path of the form 'example.com/signer-name'");
            }
            if let Some(selector) = selector {
                let selector: LabelSelector = decode(selector.clone()).unwrap_or_default();
                meta::label_selector(&selector, &format!("{own}.labelSelector"), errors);
            }
        }
        (None, None) => errors.required(own, "either name or signerName must be specified"),
    }
    let file = format!("{own}.path");
    if text(bundle, "path").is_empty() {
        errors.required(&file, "");
    }
    local_path(&file, text(bundle, "path"), errors);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(check: sources::Check, value: &Value) -> Vec<String> {
        let mut errors = Vec::new();
        check(value, "v", &mut errors);
        errors.iter().map(FieldError::to_string).collect()
    }

    #[test]
    fn two_files_of_a_projection_must_not_have_one_path() {
        let item = |key: &str| json!({"key": key, "path": "same"});
        let sources =
            json!({"sources": [{"secret": {"name": "a", "items": [item("x")]}}, {"configMap": {"name": "b", "items": [item("y")]}}]});
        assert_eq!(check(projected, &sources), ["v: Invalid value: \"b\": conflicting duplicate paths"]);
    }

    #[test]
    fn modes_and_paths_of_files_are_checked() {
        let value = json!({"name": "a", "defaultMode": 512, "items": [{"key": "k", "path": "../x"}, {"key": "k", "path": "..x"}]});
        assert_eq!(
            check(config_map, &value),
            [
                "v.defaultMode: Invalid value: 512: must be a number between 0 and 0777 (octal), both inclusive",
                "v.items[0].path: Invalid value: \"../x\": must not contain '..'",
                "v.items[1].path: Invalid value: \"..x\": must not start with '..'",
            ]
        );
    }

    #[test]
    fn tokens_live_for_ten_minutes_at_least() {
        let token = json!({"sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": 599}}]});
        let expected =
            "v.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 599: may not specify a duration less than 10 minutes";
        assert_eq!(check(projected, &token), [expected]);
    }
}

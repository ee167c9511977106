//! The sources of volumes, of Pods and of PersistentVolumes (`pkg/apis/core/validation/validation.go`).
//!
//! Most of them nothing acts on, so that they have no struct: they are checked as JSON, which both kinds write alike.

use super::super::report::{Report, descending_path, flag, list, no_backsteps, number, text};
use super::volumes;
use api::names;
use api::quantity::Quantity;
use api::status::FieldError;
use serde_json::Value;

/// Appends what is wrong with the JSON of a source at a path.
pub(super) type Check = fn(&Value, &str, &mut Vec<FieldError>);

/// A source of volumes.
#[derive(Clone, Copy)]
pub(in super::super) struct Source {
    /// The field that holds it.
    pub(in super::super) field: &'static str,
    /// How the error about a second source calls the field.
    second: &'static str,
    /// How errors about what is in it call the field.
    own: &'static str,
    check: Check,
}

const fn source(field: &'static str, check: Check) -> Source {
    Source { field, second: field, own: field, check }
}

/// The sources of a Pod's volume, in the order in which they are looked at; the odd names of fields in errors are upstream's.
pub(super) const POD: &[Source] = &[
    source("emptyDir", empty_dir),
    source("hostPath", host_path),
    source("gitRepo", git_repo),
    Source { own: "persistentDisk", ..source("gcePersistentDisk", gce_disk) },
    source("awsElasticBlockStore", aws_disk),
    source("secret", volumes::secret),
    source("nfs", nfs),
    source("iscsi", iscsi),
    source("glusterfs", glusterfs),
    source("flocker", flocker),
    source("persistentVolumeClaim", claim),
    source("rbd", rbd),
    source("cinder", cinder),
    Source { second: "cephFS", ..source("cephfs", monitors) },
    source("quobyte", quobyte),
    Source { second: "downwarAPI", ..source("downwardAPI", volumes::downward_api) },
    source("fc", fibre_channel),
    source("flexVolume", flex),
    source("configMap", volumes::config_map),
    source("azureFile", azure_file),
    source("vsphereVolume", vsphere),
    source("photonPersistentDisk", photon),
    source("portworxVolume", portworx),
    source("azureDisk", azure_disk),
    source("storageos", storage_os),
    source("projected", volumes::projected),
    source("scaleIO", scale_io),
    source("csi", csi_inline),
    source("ephemeral", nothing),
    source("image", nothing),
];

/// The sources of a PersistentVolume, in the order in which they are looked at.
pub(in super::super) const PERSISTENT: &[Source] = &[
    source("hostPath", host_path),
    Source { own: "persistentDisk", ..source("gcePersistentDisk", gce_disk) },
    source("awsElasticBlockStore", aws_disk),
    source("glusterfs", glusterfs_persistent),
    source("flocker", flocker),
    source("nfs", nfs),
    source("rbd", rbd),
    source("quobyte", quobyte),
    Source { second: "cephFS", ..source("cephfs", monitors) },
    source("iscsi", iscsi_persistent),
    source("cinder", cinder_persistent),
    source("fc", fibre_channel),
    source("flexVolume", flex),
    source("azureFile", azure_file_persistent),
    source("vsphereVolume", vsphere),
    source("photonPersistentDisk", photon),
    source("portworxVolume", portworx),
    source("azureDisk", azure_disk),
    source("scaleIO", scale_io),
    source("local", local),
    source("storageos", storage_os_persistent),
    source("csi", csi_persistent),
];

/// Appends what is wrong with the source of a volume: there must be exactly one. Gives the field that counts.
pub(in super::super) fn one_of(sources: &[Source], volume: &Value, path: &str, errors: &mut Vec<FieldError>) -> Option<&'static str> {
    let mut found = None;
    for source in sources {
        let Some(value) = volume.get(source.field).filter(|value| !value.is_null()) else { continue };
        if found.is_some() {
            errors.forbidden(format!("{path}.{}", source.second), "may not specify more than 1 volume type");
        } else {
            found = Some(source.field);
            (source.check)(value, &format!("{path}.{}", source.own), errors);
        }
    }
    if found.is_none() {
        errors.required(path, "must specify a volume type");
    }
    found
}

fn nothing(_: &Value, _: &str, _: &mut Vec<FieldError>) {}

/// The texts that must be there.
fn needs(value: &Value, path: &str, fields: &[&str], errors: &mut Vec<FieldError>) {
    for field in fields.iter().filter(|field| text(value, field).is_empty()) {
        errors.required(format!("{path}.{field}"), "");
    }
}

fn empty_dir(value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    if Quantity::parse(text(value, "sizeLimit")).is_ok_and(|limit| limit < Quantity::default()) {
        errors.forbidden(format!("{path}.sizeLimit"), "SizeLimit field must be a valid resource quantity");
    }
}

const HOST_PATH_TYPES: [&str; 8] = ["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];

fn host_path(value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    if text(value, "path").is_empty() {
        return errors.required(format!("{path}.path"), "");
    }
    no_backsteps(&format!("{path}.path"), text(value, "path"), errors);
    if !HOST_PATH_TYPES.contains(&text(value, "type")) {
        errors.not_supported(format!("{path}.type"), text(value, "type"), &HOST_PATH_TYPES);
    }
}

fn git_repo(value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    needs(value, path, &["repository"], errors);
    descending_path(&format!("{path}.directory"), text(value, "directory"), errors);
}

fn gce_disk(value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    needs(value, path, &["pdName"], errors);
    errors.within(format!("{path}.partition"), number(value, "partition"), 0, 255);
}

fn aws_disk(value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    needs(value, path, &["volumeID"], errors);
    errors.within(format!("{path}.partition"), number(value, "partition"), 0, 255);
}

fn nfs(value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    needs(value, path, &["server", "path"], errors);
    if !text(value, "path").starts_with('/') {
        errors.invalid(format!("{path}.path"), text(value, "path"), "must be an absolute path");
    }
}

/// Whether the text is an iSCSI name of the form that its first three letters say; `None` for other letters.
fn iscsi_name(name: &str) -> Option<bool> {
    let alphanumeric = |text: &str, length: usize| text.len() == length && text.bytes().all(|b| b.is_ascii_alphanumeric());
    let (form, rest) = name.split_at_checked(3)?;
    match form {
        "iqn" => Some(qualified_iscsi_name(rest)),
        // The dot of upstream's pattern stands for any character.
        "eui" => Some(rest.char_indices().nth(1).is_some_and(|(at, _)| alphanumeric(&rest[at..], 16))),
        "naa" => Some(rest.char_indices().nth(1).is_some_and(|(at, _)| alphanumeric(&rest[at..], 32))),
        _ => None,
    }
}

/// The part after `iqn`: `.YYYY-MM.naming-authority:unique-name`.
fn qualified_iscsi_name(rest: &str) -> bool {
    let Some((host, unique)) = rest.split_once(':') else { return false };
    let digits = |text: &str, length: usize| text.len() == length && text.bytes().all(|b| b.is_ascii_digit());
    let mut parts = host.splitn(3, '.');
    let date = (parts.next() == Some("")).then(|| parts.next()).flatten().and_then(|date| date.split_once('-'));
    let authority = parts.next().unwrap_or_default();
    let dated = date.is_some_and(|(year, month)| digits(year, 4) && digits(month, 2));
    let named = !authority.is_empty() && authority.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'));
    dated && named && !unique.is_empty() && !unique.contains(|c: char| ",;*&$|".contains(c) || c.is_whitespace())
}

fn iscsi_common(value: &Value, path: &str, unknown_form: &str, errors: &mut Vec<FieldError>) {
    let mut check = |field: &str, name: &str| match iscsi_name(name) {
        None => errors.invalid(format!("{path}.{field}"), name, unknown_form),
        Some(false) => errors.invalid(format!("{path}.{field}"), name, "must be valid format"),
        Some(true) => {}
    };
    match text(value, "iqn") {
        "" => errors.required(format!("{path}.iqn"), ""),
        name => check("iqn", name),
    }
    errors.within(format!("{path}.lun"), number(value, "lun"), 0, 255);
    if (flag(value, "chapAuthDiscovery") || flag(value, "chapAuthSession")) && value.get("secretRef").is_none() {
        errors.required(format!("{path}.secretRef"), "");
    }
}

fn iscsi_initiator(value: &Value, path: &str, unknown_form: &str, errors: &mut Vec<FieldError>) {
    let Some(name) = value.get("initiatorName").and_then(Value::as_str) else { return };
    match iscsi_name(name) {
        None => errors.invalid(format!("{path}.initiatorname"), name, unknown_form),
        Some(false) => errors.invalid(format!("{path}.initiatorname"), name, "must be valid format"),
        Some(true) => {}
    }
}

fn iscsi(value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let unknown_form = "must be valid format starting with iqn, eui, or naa";
    needs(value, path, &["targetPortal"], errors);
    iscsi_common(value, path, unknown_form, errors);
    iscsi_initiator(value, path, unknown_form, errors);
}

fn iscsi_persistent(value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let unknown_form = "must be valid format";
    needs(value, path, &["targetPortal"], errors);
    iscsi_common(value, path, unknown_form, errors);
    if let Some(secret) = value.get("secretRef") {
        needs(secret, &format!("{path}.secretRef"), &["name"], errors);
    }
    iscsi_initiator(value, path, unknown_form, errors);
}

fn glusterfs(value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    needs(value, path, &["endpoints", "path"], errors);
}

fn glusterfs_persistent(value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    glusterfs(value, path, errors);
    let path = format!("{path}.endpointsNamespace");
    match value.get("endpointsNamespace").and_then(Value::as_str) {
        None => {}
        Some("") => errors.invalid(path, "", "if the endpointnamespace is set, it must be a valid namespace name"),
        Some(namespace) => errors.label(&path, namespace),
    }
}

fn flocker(value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let (name, uuid) = (text(value, "datasetName"), text(value, "datasetUUID"));
    match (name.is_empty(), uuid.is_empty()) {
        (true, true) => errors.required(path, "one of datasetName and datasetUUID is required"),
        (false, false) => errors.invalid(path, "resource", "datasetName and datasetUUID can not be specified simultaneously"),
        _ => {}
    }
    if name.contains('/') {
        errors.invalid(format!("{path}.datasetName"), name, "must not contain '/'");
    }
}

fn claim(value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    needs(value, path, &["claimName"], errors);
}

fn monitors(value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    if list(value, "monitors").is_empty() {
        errors.required(format!("{path}.monitors"), "");
    }
}

fn rbd(value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    monitors(value, path, errors);
    needs(value, path, &["image"], errors);
}

/// A Secret whose name must be given, and in a PersistentVolume its namespace too.
fn secret_ref(value: &Value, path: &str, fields: &[&str], errors: &mut Vec<FieldError>) {
    if let Some(secret) = value.get("secretRef") {
        needs(secret, &format!("{path}.secretRef"), fields, errors);
    }
}

fn cinder(value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    needs(value, path, &["volumeID"], errors);
    secret_ref(value, path, &["name"], errors);
}

fn cinder_persistent(value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    needs(value, path, &["volumeID"], errors);
    secret_ref(value, path, &["name", "namespace"], errors);
}

fn quobyte(value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let pairs = "must be a host:port pair or multiple pairs separated by commas";
    let (registry, tenant) = (text(value, "registry"), text(value, "tenant"));
    if registry.is_empty() {
        errors.required(format!("{path}.registry"), pairs);
    } else if tenant.len() >= 65 {
        errors.required(format!("{path}.tenant"), "must be a UUID and may not exceed a length of 64 characters");
    } else {
        let is_pair = |pair: &str| pair.rsplit_once(':').is_some_and(|(host, _)| !host.contains(':') || host.starts_with('['));
        for _ in registry.split(',').filter(|pair| !is_pair(pair)) {
            errors.invalid(format!("{path}.registry"), registry, pairs);
        }
    }
    needs(value, path, &["volume"], errors);
}

fn fibre_channel(value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let (targets, ids) = (list(value, "targetWWNs"), list(value, "wwids"));
    if targets.is_empty() && ids.is_empty() {
        errors.required(format!("{path}.targetWWNs"), "must specify either targetWWNs or wwids, but not both");
    }
    if !targets.is_empty() && !ids.is_empty() {
        let detail = "targetWWNs and wwids can not be specified simultaneously";
        errors.invalid_json(format!("{path}.targetWWNs"), &value["targetWWNs"], detail);
    }
    if !targets.is_empty() {
        match value.get("lun").and_then(Value::as_i64) {
            None => errors.required(format!("{path}.lun"), "lun is required if targetWWNs is specified"),
            Some(lun) => errors.within(format!("{path}.lun"), lun, 0, 255),
        }
    }
}

fn flex(value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    needs(value, path, &["driver"], errors);
    for key in value.get("options").and_then(Value::as_object).into_iter().flat_map(|options| options.keys()) {
        let namespace = format!(".{}", key.split_once('/').map_or(key.as_str(), |(namespace, _)| namespace).to_lowercase());
        if namespace.ends_with(".kubernetes.io") || namespace.ends_with(".k8s.io") {
            errors.invalid(format!("{path}.options[{key}]"), key, "kubernetes.io and k8s.io namespaces are reserved");
        }
    }
}

fn azure_file(value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    needs(value, path, &["secretName", "shareName"], errors);
}

fn azure_file_persistent(value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    azure_file(value, path, errors);
    if value.get("secretNamespace").and_then(Value::as_str) == Some("") {
        errors.required(format!("{path}.secretNamespace"), "");
    }
}

fn azure_disk(value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    needs(value, path, &["diskName", "diskURI"], errors);
    for (field, allowed) in [("cachingMode", ["None", "ReadOnly", "ReadWrite"]), ("kind", ["Dedicated", "Managed", "Shared"])] {
        if let Some(chosen) = value.get(field).and_then(Value::as_str).filter(|chosen| !allowed.contains(chosen)) {
            errors.not_supported(format!("{path}.{field}"), chosen, &allowed);
        }
    }
    let (uri, path) = (text(value, "diskURI"), format!("{path}.diskURI"));
    match value.get("kind").and_then(Value::as_str) {
        Some("Managed") if !uri.starts_with("/subscriptions/") => {
            let form = "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}";
            errors.not_supported(path, uri, &[form]);
        }
        Some(kind) if kind != "Managed" && !uri.starts_with("https://") => {
            errors.not_supported(path, uri, &["https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"]);
        }
        _ => {}
    }
}

fn vsphere(value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    needs(value, path, &["volumePath"], errors);
}

fn photon(value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    needs(value, path, &["pdID"], errors);
}

fn portworx(value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    needs(value, path, &["volumeID"], errors);
}

fn scale_io(value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    needs(value, path, &["gateway", "system", "volumeName"], errors);
}

fn local(value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    needs(value, path, &["path"], errors);
    no_backsteps(&format!("{path}.path"), text(value, "path"), errors);
}

fn storage_os_common(value: &Value, path: &str, secret: &[&str], errors: &mut Vec<FieldError>) {
    match text(value, "volumeName") {
        "" => errors.required(format!("{path}.volumeName"), ""),
        name => errors.label(&format!("{path}.volumeName"), name),
    }
    match text(value, "volumeNamespace") {
        "" => {}
        name => errors.label(&format!("{path}.volumeNamespace"), name),
    }
    secret_ref(value, path, secret, errors);
}

fn storage_os(value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    storage_os_common(value, path, &["name"], errors);
}

fn storage_os_persistent(value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    storage_os_common(value, path, &["name", "namespace"], errors);
}

/// The name of a CSI driver (`ValidateCSIDriverName`).
pub(in super::super) fn csi_driver(name: &str, path: &str, errors: &mut Vec<FieldError>) {
    if name.is_empty() {
        errors.required(path, "");
    }
    if name.len() > 63 {
        errors.too_long(path, 63);
    }
    errors.malformed(path, name, names::dns1123_subdomain(&name.to_lowercase()));
}

fn csi_inline(value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    csi_driver(text(value, "driver"), &format!("{path}.driver"), errors);
    if let Some(secret) = value.get("nodePublishSecretRef") {
        match text(secret, "name") {
            "" => errors.required(format!("{path}.nodePublishSecretRef.name"), ""),
            name => errors.subdomain(&format!("{path}.name"), name),
        }
    }
}

fn csi_persistent(value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    csi_driver(text(value, "driver"), &format!("{path}.driver"), errors);
    needs(value, path, &["volumeHandle"], errors);
    for field in ["controllerPublishSecretRef", "controllerExpandSecretRef", "nodePublishSecretRef", "nodeExpandSecretRef"] {
        let Some(secret) = value.get(field) else { continue };
        let path = format!("{path}.{field}");
        match text(secret, "name") {
            "" => errors.required(format!("{path}.name"), ""),
            name => errors.subdomain(&format!("{path}.name"), name),
        }
        match text(secret, "namespace") {
            "" => errors.required(format!("{path}.namespace"), ""),
            name => errors.label(&format!("{path}.namespace"), name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(volume: &Value) -> Vec<String> {
        let mut errors = Vec::new();
        one_of(POD, volume, "v", &mut errors);
        errors.iter().map(FieldError::to_string).collect()
    }

    #[test]
    fn a_volume_has_exactly_one_source() {
        assert_eq!(pod(&json!({})), ["v: Required value: must specify a volume type"]);
        assert_eq!(pod(&json!({"emptyDir": {}, "nfs": {}})), ["v.nfs: Forbidden: may not specify more than 1 volume type"]);
        assert_eq!(pod(&json!({"emptyDir": {}, "downwardAPI": {}})), ["v.downwarAPI: Forbidden: may not specify more than 1 volume type"]);
    }

    #[test]
    fn names_of_iscsi_have_three_forms() {
        for good in ["iqn.2015-02.example.com:storage.kube.sys1.xyz", "eui.0123456789ABCDEF", "naa.62004567BA64678D0123456789ABCDEF"] {
            assert_eq!(iscsi_name(good), Some(true), "{good}");
        }
        for bad in ["iqn.2015-02.example.com:", "iqn.15-02.example.com:a", "iqn.2015-02.example.com:a b", "eui.0123", "naa.0123", "iqn"] {
            assert_eq!(iscsi_name(bad), Some(false), "{bad}");
        }
        assert_eq!(iscsi_name("wwn.1"), None);
        assert_eq!(iscsi_name("iq"), None);
    }

    #[test]
    fn host_paths_do_not_lead_upwards() {
        assert_eq!(pod(&json!({"hostPath": {"path": "/a/../b"}})), ["v.hostPath.path: Invalid value: \"/a/../b\": must not contain '..'"]);
        assert!(pod(&json!({"hostPath": {"path": "/a..b", "type": "File"}})).is_empty());
    }
}

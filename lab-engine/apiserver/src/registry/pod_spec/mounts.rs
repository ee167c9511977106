//! Where volumes appear in a container (`ValidateVolumeMounts`, `ValidateVolumeDevices`).

use super::super::report::{Report, descending_path, flag, text};
use super::volumes::Known;
use api::core::{Container, VolumeMount};
use api::status::FieldError;
use serde_json::Value;
use std::collections::BTreeSet;

/// Appends what is wrong with the mounts and block devices of a container.
pub(super) fn mounts(container: &Container, volumes: &Known<'_>, path: &str, errors: &mut Vec<FieldError>) {
    let devices = container.rest.get("volumeDevices").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let privileged = container.rest.get("securityContext").is_some_and(|context| flag(context, "privileged"));
    let list = format!("{path}.volumeMounts");
    let mut seen = BTreeSet::new();
    for (index, mount) in container.volume_mounts.iter().enumerate() {
        let path = format!("{list}[{index}]");
        if mount.name.is_empty() {
            errors.required(format!("{path}.name"), "");
        }
        let source = volumes.get(mount.name.as_str());
        if source.is_none() {
            errors.not_found(format!("{path}.name"), &mount.name);
        }
        if mount.mount_path.is_empty() {
            errors.required(format!("{path}.mountPath"), "");
        }
        if !seen.insert(mount.mount_path.as_str()) {
            errors.invalid(format!("{path}.mountPath"), &mount.mount_path, "must be unique");
        }
        if devices.iter().any(|device| text(device, "name") == mount.name) {
            errors.invalid(format!("{path}.name"), &mount.name, "must not already exist in volumeDevices");
        }
        if devices.iter().any(|device| text(device, "devicePath") == mount.mount_path) {
            errors.invalid(format!("{path}.mountPath"), &mount.mount_path, "must not already exist as a path in volumeDevices");
        }
        parts(mount, source == Some(&"image"), &path, &list, errors);
        propagation(mount, privileged, &list, errors);
    }
    block_devices(devices, container, volumes, &format!("{path}.volumeDevices"), errors);
}

/// The part of the volume that appears. Upstream names some fields without the index of the mount: `volumeMounts.subPath`.
fn parts(mount: &VolumeMount, image: bool, path: &str, list: &str, errors: &mut Vec<FieldError>) {
    let expression = mount.rest.get("subPathExpr").and_then(Value::as_str).unwrap_or_default();
    for (field, part) in [("subPath", mount.sub_path.as_str()), ("subPathExpr", expression)] {
        if image && !part.is_empty() {
            errors.invalid(format!("{path}.{field}"), part, "not allowed in image volume sources");
        }
    }
    if !mount.sub_path.is_empty() {
        descending_path(&format!("{list}.subPath"), &mount.sub_path, errors);
    }
    if !expression.is_empty() {
        if !mount.sub_path.is_empty() {
            errors.invalid(format!("{path}.subPathExpr"), expression, "subPathExpr and subPath are mutually exclusive");
        }
        descending_path(&format!("{list}.subPathExpr"), expression, errors);
    }
}

fn propagation(mount: &VolumeMount, privileged: bool, list: &str, errors: &mut Vec<FieldError>) {
    let chosen = mount.rest.get("mountPropagation").and_then(Value::as_str);
    if let Some(mode) = chosen {
        let path = format!("{list}.mountPropagation");
        let modes = ["Bidirectional", "HostToContainer", "None"];
        if !modes.contains(&mode) {
            errors.not_supported(&path, mode, &modes);
        }
        if mode == "Bidirectional" && !privileged {
            errors.forbidden(path, "Bidirectional mount propagation is available only to privileged containers");
        }
    }
    let path = format!("{list}.recursiveReadOnly");
    match mount.rest.get("recursiveReadOnly").and_then(Value::as_str) {
        None | Some("Disabled") => {}
        Some("Enabled" | "IfPossible") => {
            if mount.read_only != Some(true) {
                errors.forbidden(&path, "may only be specified when readOnly is true");
            }
            if chosen.is_some_and(|mode| mode != "None") {
                errors.forbidden(path, "may only be specified when mountPropagation is None or not specified");
            }
        }
        Some(other) => errors.not_supported(path, other, &["Disabled", "Enabled", "IfPossible"]),
    }
}

fn block_devices(devices: &[Value], container: &Container, volumes: &Known<'_>, path: &str, errors: &mut Vec<FieldError>) {
    let (mut names, mut paths) = (BTreeSet::new(), BTreeSet::new());
    for (index, device) in devices.iter().enumerate() {
        let own = format!("{path}[{index}]");
        let (name, at) = (text(device, "name"), text(device, "devicePath"));
        let (name_path, device_path) = (format!("{own}.name"), format!("{own}.devicePath"));
        if name.is_empty() {
            errors.required(&name_path, "");
        } else if !names.insert(name) {
            errors.invalid(&name_path, name, "must be unique");
        }
        match volumes.get(name) {
            Some(&("persistentVolumeClaim" | "ephemeral")) => {}
            Some(_) => {
                let detail = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode";
                errors.invalid(&name_path, name, detail);
            }
            None => errors.not_found(&name_path, name),
        }
        if at.is_empty() {
            errors.required(&device_path, "");
        }
        if paths.contains(at) {
            errors.invalid(&device_path, at, "must be unique");
        }
        if at.split('/').any(|part| part == "..") {
            errors.invalid(&device_path, at, "can not contain backsteps ('..')");
        } else {
            paths.insert(at);
        }
        if container.volume_mounts.iter().any(|mount| mount.name == name) {
            errors.invalid(&name_path, name, "must not already exist in volumeMounts");
        }
        if container.volume_mounts.iter().any(|mount| mount.mount_path == at) {
            errors.invalid(&device_path, at, "must not already exist as a path in volumeMounts");
        }
    }
}

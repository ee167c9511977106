//! Volumes: which objects a Pod refers to, and the trees that its containers mount (`pkg/kubelet/volumemanager`, `pkg/volume`).
//!
//! ConfigMaps and Secrets are read through the API when a Pod starts and when something that it needs is missing.
//!
//! **Simplified here:** a mounted ConfigMap does not follow later changes; kinds of volumes other than emptyDir, hostPath, configMap,
//! secret, downwardAPI and projected are empty directories; modes are kept, not enforced.

use crate::env::{Source, field_value, resource_value};
use crate::runtime::fs::{Mount, MountSource, Tree};
use api::core::{ConfigMap, Container, DownwardApiVolumeFile, KeyToPath, Pod, Secret, Volume};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The kinds of objects that Pods refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RefKind {
    ConfigMap,
    Secret,
}

/// What is known of an object that a Pod refers to.
#[derive(Clone, Debug)]
pub(crate) enum Known {
    ConfigMap(Arc<ConfigMap>),
    Secret(Arc<Secret>),
    /// The API server's message, for example `configmaps "settings" not found`.
    Missing(String),
}

/// The objects that a Pod refers to, as far as they are known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Objects {
    pub(crate) known: BTreeMap<(RefKind, String), Known>,
}

impl Objects {
    fn missing(&self, kind: RefKind, name: &str) -> String {
        match (self.known.get(&(kind, name.to_owned())), kind) {
            (Some(Known::Missing(message)), _) if !message.contains("not found") => message.clone(),
            (_, RefKind::ConfigMap) => format!("configmap {name:?} not found"),
            (_, RefKind::Secret) => format!("secret {name:?} not found"),
        }
    }

    /// The texts of a ConfigMap.
    pub(crate) fn config_map_data(&self, name: &str, optional: bool) -> Result<Vec<(String, String)>, String> {
        match self.known.get(&(RefKind::ConfigMap, name.to_owned())) {
            Some(Known::ConfigMap(map)) => {
                let binary = map.binary_data.iter().map(|(key, value)| (key.clone(), decode_base64(value)));
                Ok(map.data.iter().map(|(key, value)| (key.clone(), value.clone())).chain(binary).collect())
            }
            _ if optional => Ok(Vec::new()),
            _ => Err(self.missing(RefKind::ConfigMap, name)),
        }
    }

    /// The decoded values of a Secret.
    pub(crate) fn secret_data(&self, name: &str, optional: bool) -> Result<Vec<(String, String)>, String> {
        match self.known.get(&(RefKind::Secret, name.to_owned())) {
            Some(Known::Secret(secret)) => Ok(secret.data.iter().map(|(key, value)| (key.clone(), decode_base64(value))).collect()),
            _ if optional => Ok(Vec::new()),
            _ => Err(self.missing(RefKind::Secret, name)),
        }
    }

    /// One key of a ConfigMap; `None` when it is optional and missing.
    pub(crate) fn config_map_key(&self, name: &str, key: &str, optional: bool, namespace: &str) -> Result<Option<String>, String> {
        let found = self.config_map_data(name, optional)?.into_iter().find(|(have, _)| have == key).map(|(_, value)| value);
        if found.is_none() && !optional { Err(format!("couldn't find key {key} in ConfigMap {namespace}/{name}")) } else { Ok(found) }
    }

    /// One key of a Secret; `None` when it is optional and missing.
    pub(crate) fn secret_key(&self, name: &str, key: &str, optional: bool, namespace: &str) -> Result<Option<String>, String> {
        let found = self.secret_data(name, optional)?.into_iter().find(|(have, _)| have == key).map(|(_, value)| value);
        if found.is_none() && !optional { Err(format!("couldn't find key {key} in Secret {namespace}/{name}")) } else { Ok(found) }
    }
}

/// The objects that a Pod refers to, in volumes and in environments.
pub(crate) fn references(pod: &Pod) -> BTreeSet<(RefKind, String)> {
    let mut found = BTreeSet::new();
    let mut add = |kind, name: &str| {
        if !name.is_empty() {
            found.insert((kind, name.to_owned()));
        }
    };
    for volume in &pod.spec.volumes {
        if let Some(map) = &volume.config_map {
            add(RefKind::ConfigMap, &map.name);
        }
        if let Some(secret) = &volume.secret {
            add(RefKind::Secret, &secret.secret_name);
        }
        for source in volume.projected.iter().flat_map(|projected| &projected.sources) {
            source.config_map.iter().for_each(|map| add(RefKind::ConfigMap, &map.name));
            source.secret.iter().for_each(|secret| add(RefKind::Secret, &secret.name));
        }
    }
    for container in pod.spec.init_containers.iter().chain(&pod.spec.containers) {
        for from in &container.env_from {
            from.config_map_ref.iter().for_each(|map| add(RefKind::ConfigMap, &map.name));
            from.secret_ref.iter().for_each(|secret| add(RefKind::Secret, &secret.name));
        }
        for source in container.env.iter().filter_map(|variable| variable.value_from.as_ref()) {
            source.config_map_key_ref.iter().for_each(|key| add(RefKind::ConfigMap, &key.name));
            source.secret_key_ref.iter().for_each(|key| add(RefKind::Secret, &key.name));
        }
    }
    found
}

/// Makes what `hostPath` volumes find missing on their node, or refuses (`pkg/volume/hostpath`). A path without a type is made as a
/// directory, which is the container runtime's doing.
///
/// # Errors
/// The name of the first volume whose path is not what its type says, and why.
pub(crate) fn make_host_paths(pod: &Pod, host: &mut Tree) -> Result<(), (String, String)> {
    for volume in &pod.spec.volumes {
        let Some(source) = &volume.host_path else { continue };
        let path = crate::runtime::fs::normalize("/", &source.path);
        let (exists, is_dir) = (host.exists(&path), host.is_dir(&path));
        let wrong = |what: &str| Err((volume.name.clone(), format!("hostPath type check failed: {} is not a {what}", source.path)));
        // A path below a file cannot be made: then the mount is what it is, and the program that looks for it says so.
        match source.type_.as_deref().unwrap_or_default() {
            "" | "DirectoryOrCreate" if !exists => drop(host.make_dirs(&path)),
            "FileOrCreate" if !exists => drop(host.write(&path, "", false)),
            "DirectoryOrCreate" | "Directory" if !is_dir => return wrong("directory"),
            "FileOrCreate" | "File" if !exists || is_dir => return wrong("file"),
            _ => {}
        }
    }
    Ok(())
}

/// The tree of each volume of the Pod, in the order of the spec.
///
/// # Errors
/// The name of the first volume that cannot be set up, and why: the end of a `FailedMount` message.
pub(crate) fn set_up(source: &Source<'_>) -> Result<Vec<Tree>, (String, String)> {
    let volumes = &source.pod.spec.volumes;
    volumes.iter().map(|volume| tree(volume, source).map_err(|error| (volume.name.clone(), error))).collect()
}

fn tree(volume: &Volume, source: &Source<'_>) -> Result<Tree, String> {
    let mut tree = Tree::default();
    if let Some(map) = &volume.config_map {
        let data = source.objects.config_map_data(&map.name, map.optional == Some(true))?;
        project(&mut tree, data, &map.items, map.default_mode, map.optional == Some(true))?;
    }
    if let Some(secret) = &volume.secret {
        let data = source.objects.secret_data(&secret.secret_name, secret.optional == Some(true))?;
        project(&mut tree, data, &secret.items, secret.default_mode, secret.optional == Some(true))?;
    }
    if let Some(downward) = &volume.downward_api {
        downward_files(&mut tree, &downward.items, source)?;
    }
    for part in volume.projected.iter().flat_map(|projected| &projected.sources) {
        let mode = volume.projected.as_ref().and_then(|projected| projected.default_mode);
        if let Some(map) = &part.config_map {
            let data = source.objects.config_map_data(&map.name, map.optional == Some(true))?;
            project(&mut tree, data, &map.items, mode, map.optional == Some(true))?;
        }
        if let Some(secret) = &part.secret {
            let data = source.objects.secret_data(&secret.name, secret.optional == Some(true))?;
            project(&mut tree, data, &secret.items, mode, secret.optional == Some(true))?;
        }
        if let Some(downward) = &part.downward_api {
            downward_files(&mut tree, &downward.items, source)?;
        }
    }
    Ok(tree)
}

fn project(tree: &mut Tree, data: Vec<(String, String)>, items: &[KeyToPath], mode: Option<i32>, optional: bool) -> Result<(), String> {
    let mode_of = |own: Option<i32>| own.or(mode).and_then(|mode| u32::try_from(mode).ok()).unwrap_or(0o644);
    let mut put = |path: &str, text: String, mode| {
        let path = crate::runtime::fs::normalize("/", path);
        tree.put(&path, text, mode).map_err(|error| format!("{path}: {error}"))
    };
    if items.is_empty() {
        return data.into_iter().try_for_each(|(key, value)| put(&key, value, mode_of(None)));
    }
    for item in items {
        match data.iter().find(|(key, _)| *key == item.key) {
            Some((_, value)) => put(&item.path, value.clone(), mode_of(item.mode))?,
            None if optional => {}
            None => return Err(format!("references non-existent config key: {}", item.key)),
        }
    }
    Ok(())
}

fn downward_files(tree: &mut Tree, items: &[DownwardApiVolumeFile], source: &Source<'_>) -> Result<(), String> {
    let nobody = Container::default();
    for item in items {
        let text = match (&item.field_ref, &item.resource_field_ref) {
            (Some(field), _) => field_value(field, source)?,
            (_, Some(resource)) => resource_value(resource, &nobody, source)?,
            _ => String::new(),
        };
        let path = crate::runtime::fs::normalize("/", &item.path);
        tree.put(&path, text, 0o644).map_err(|error| format!("{path}: {error}"))?;
    }
    Ok(())
}

/// The mounts of a container.
pub(crate) fn mounts(pod: &Pod, container: &Container, lookup: impl Fn(&str) -> Option<String>) -> Vec<Mount> {
    let mount = |mount: &api::core::VolumeMount| {
        let index = pod.spec.volumes.iter().position(|volume| volume.name == mount.name)?;
        let volume = &pod.spec.volumes[index];
        let sub_path = mount.rest.get("subPathExpr").and_then(|expr| expr.as_str()).map(|expr| crate::env::expand(expr, &lookup));
        let sub_path = sub_path.unwrap_or_else(|| mount.sub_path.clone());
        let (source, base) = match &volume.host_path {
            Some(host) => (MountSource::Host, host.path.as_str()),
            None => (MountSource::Volume(index), ""),
        };
        let path = if base.is_empty() && sub_path.is_empty() { String::new() } else { crate::runtime::fs::normalize(base, &sub_path) };
        let written_by_kubelet =
            volume.config_map.is_some() || volume.secret.is_some() || volume.downward_api.is_some() || volume.projected.is_some();
        let at = crate::runtime::fs::normalize("/", &mount.mount_path);
        Some(Mount { at, source, path, read_only: mount.read_only == Some(true) || written_by_kubelet })
    };
    container.volume_mounts.iter().filter_map(mount).collect()
}

/// Decodes standard base64; what is not text becomes replacement characters, what is not base64 ends the text.
pub(crate) fn decode_base64(text: &str) -> String {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => Some(u32::from(byte - b'A')),
        b'a'..=b'z' => Some(u32::from(byte - b'a') + 26),
        b'0'..=b'9' => Some(u32::from(byte - b'0') + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let digits: Vec<u32> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).map_while(digit).collect();
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    for group in digits.chunks(4) {
        let bits = group.iter().fold(0, |bits, digit| bits << 6 | digit) << (6 * (4 - group.len()));
        bytes.extend_from_slice(&bits.to_be_bytes()[1..=group.len().saturating_sub(1)]);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_decoded() {
        for (coded, plain) in [("YWRtaW4=", "admin"), ("", ""), ("MQ==", "1"), ("MTI=", "12"), ("MTIz", "123")] {
            assert_eq!(decode_base64(coded), plain);
        }
    }
}

//! Volumes: which objects a Pod refers to, and the trees that its containers mount (`pkg/kubelet/volumemanager`, `pkg/volume`).
//!
//! ConfigMaps and Secrets are read through the API when a Pod starts, when something that it needs is missing, and with every resync of a
//! Pod that mounts some (`configMapAndSecretChangeDetectionStrategy: Get`): so a change reaches the files within the sync period, a minute
//! and up to half as much again. Variables and `subPath` mounts keep what the container was started with.
//!
//! A claim is the directory of its PersistentVolume, whose data outlives the Pod (`storage`).
//!
//! A token of a ServiceAccount is asked for when the Pod starts and again when most of its time is over (`tokens`). What the volume that
//! admission gives to every Pod holds besides never changes, so it is read once.
//!
//! **Simplified here:** other kinds of volumes than emptyDir, hostPath, claims, configMap, secret, downwardAPI and projected are empty
//! directories; modes are kept, not enforced.

use crate::env::{Source, field_value, resource_value};
use crate::runtime::fs::{Mount, MountSource, Tree};
use crate::storage::{Disks, mount_path};
use crate::tokens::Token;
use api::core::{
    ConfigMap, Container, DownwardApiVolumeFile, HostPathVolumeSource, KeyToPath, PersistentVolumeClaim, Pod, Secret,
    ServiceAccountTokenProjection, Volume, VolumeProjection,
};
use sim::Time;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The kinds of objects that Pods refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RefKind {
    ConfigMap,
    Secret,
    Claim,
    /// A token that holds for so many seconds; its name is whom it is for.
    Token(u64),
}

/// The ConfigMap with the certificate of the cluster's authority. Its publisher sees to it that it never changes.
pub(crate) const ROOT_CA: &str = "kube-root-ca.crt";

/// What is known of an object that a Pod refers to.
#[derive(Clone, Debug)]
pub(crate) enum Known {
    ConfigMap(Arc<ConfigMap>),
    Secret(Arc<Secret>),
    Claim(Arc<PersistentVolumeClaim>),
    Token(Arc<Token>),
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
            (_, RefKind::Claim) => format!("persistentvolumeclaims {name:?} not found"),
            (Some(Known::Missing(message)), RefKind::Token(_)) => message.clone(),
            (_, RefKind::Token(_)) => "token not found".to_owned(),
        }
    }

    /// A token for a file.
    fn token(&self, projection: &ServiceAccountTokenProjection) -> Result<&Arc<Token>, String> {
        let (kind, audience) = token_reference(projection);
        match self.known.get(&(kind, audience.clone())) {
            Some(Known::Token(token)) => Ok(token),
            _ => Err(format!("failed to fetch token: {}", self.missing(kind, &audience))),
        }
    }

    /// The tokens that are known.
    pub(crate) fn tokens(&self) -> impl Iterator<Item = &Token> {
        self.known.values().filter_map(|known| if let Known::Token(token) = known { Some(&**token) } else { None })
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
    let (mut found, mut tokens) = (BTreeSet::new(), Vec::new());
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
        if let Some(claim) = claim_name(pod, volume) {
            add(RefKind::Claim, &claim);
        }
        for source in volume.projected.iter().flat_map(|projected| &projected.sources) {
            source.config_map.iter().for_each(|map| add(RefKind::ConfigMap, &map.name));
            source.secret.iter().for_each(|secret| add(RefKind::Secret, &secret.name));
            tokens.extend(source.service_account_token.as_ref().map(token_reference));
        }
    }
    pod.spec.image_pull_secrets.iter().for_each(|secret| add(RefKind::Secret, &secret.name));
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
    found.extend(tokens);
    found
}

/// The token that a file shall hold.
fn token_reference(projection: &ServiceAccountTokenProjection) -> (RefKind, String) {
    let seconds = projection.expiration_seconds.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(3600);
    (RefKind::Token(seconds), projection.audience.clone())
}

/// The claim that a volume names, or that is made for it.
fn claim_name(pod: &Pod, volume: &Volume) -> Option<String> {
    let own = || volume.ephemeral.as_ref().map(|_| format!("{}-{}", pod.metadata.name, volume.name));
    volume.persistent_volume_claim.as_ref().map(|claim| claim.claim_name.clone()).or_else(own)
}

/// Whether the kubelet writes the files of a volume, and keeps them up to date.
fn is_written_by_kubelet(volume: &Volume) -> bool {
    volume.config_map.is_some() || volume.secret.is_some() || volume.downward_api.is_some() || volume.projected.is_some()
}

/// Whether what a projected volume holds of this source may become something else. A token does so at its own time.
fn can_change(source: &VolumeProjection) -> bool {
    let fixed = |item: &DownwardApiVolumeFile| {
        let field = item.field_ref.as_ref().map(|field| field.field_path.as_str());
        matches!(field, Some("metadata.name" | "metadata.namespace" | "metadata.uid"))
    };
    source.secret.is_some()
        || source.config_map.as_ref().is_some_and(|map| map.name != ROOT_CA)
        || source.downward_api.as_ref().is_some_and(|fields| !fields.items.iter().all(fixed))
}

/// Whether something of which a file of the Pod is made may change, apart from tokens.
pub(crate) fn is_live(pod: &Pod) -> bool {
    pod.spec.volumes.iter().any(|volume| match &volume.projected {
        Some(projected) => projected.sources.iter().any(can_change),
        None => is_written_by_kubelet(volume),
    })
}

/// The objects and tokens of which the files of the Pod are made.
pub(crate) fn file_references(pod: &Pod) -> BTreeSet<(RefKind, String)> {
    let volumes = pod.spec.volumes.iter().filter(|volume| is_written_by_kubelet(volume)).cloned().collect();
    let spec = api::core::PodSpec { volumes, ..api::core::PodSpec::default() };
    references(&Pod { spec: spec.into(), ..Pod::default() })
}

/// The tree of each volume of the Pod, in the order of the spec. What is on the node is made there.
///
/// # Errors
/// The message of a `FailedMount` event.
pub(crate) fn set_up(source: &Source<'_>, host: &mut Tree, disks: &mut Disks) -> Result<Vec<Tree>, String> {
    let volumes = &source.pod.spec.volumes;
    volumes.iter().map(|volume| set_up_one(volume, source, host, disks)).collect()
}

/// The PersistentVolumes that a Pod has mounted.
pub(crate) fn mounted(pod: &Pod, objects: &Objects) -> Vec<String> {
    let claims = pod.spec.volumes.iter().filter_map(|volume| claim_name(pod, volume));
    claims.filter_map(|claim| bound_volume(objects, &claim).ok()).collect()
}

fn set_up_one(volume: &Volume, source: &Source<'_>, host: &mut Tree, disks: &mut Disks) -> Result<Tree, String> {
    let name = &volume.name;
    if let Some(claim) = claim_name(source.pod, volume) {
        let namespace = &source.pod.metadata.namespace;
        let bound = bound_volume(source.objects, &claim).map_err(|error| {
            format!(
                "Unable to attach or mount volumes: unmounted volumes=[{name}], unattached volumes=[], failed to process volumes=[{name}]: \
                 error processing PVC {namespace}/{claim}: {error}"
            )
        })?;
        disks.mount(&bound, host);
        return Ok(Tree::default());
    }
    let result = match &volume.host_path {
        Some(path) => check_host_path(path, host).map(|()| Tree::default()),
        None => tree(volume, source).map(|tree| tree.with_capacity(memory_size(volume, source))),
    };
    result.map_err(|error| format!("MountVolume.SetUp failed for volume {name:?} : {error}"))
}

/// Whether a volume lies in memory.
pub(crate) fn is_in_memory(volume: &Volume) -> bool {
    volume.empty_dir.as_ref().is_some_and(|empty| empty.medium == "Memory")
}

/// How large a volume that lies in memory is made: as its limit says, or else as much as the Pod may have if each of its containers has a
/// limit, or else as the node has (`calculateEmptyDirMemorySize`).
fn memory_size(volume: &Volume, source: &Source<'_>) -> Option<u64> {
    let empty = volume.empty_dir.as_ref().filter(|_| is_in_memory(volume))?;
    let positive = |bytes: i64| u64::try_from(bytes).ok().filter(|bytes| *bytes > 0);
    let limit = |container: &Container| container.resources.limits.get("memory").map_or(0, |quantity| quantity.value());
    let spec = &source.pod.spec;
    let add = |sum: i64, one| sum.checked_add(one).filter(|_| one > 0);
    let main = spec.containers.iter().map(limit).try_fold(0, add);
    let inits = spec.init_containers.iter().map(limit);
    let of_pod = main.filter(|_| inits.clone().all(|one| one > 0)).map(|main| inits.fold(main, i64::max));
    let node = positive(source.node_memory_bytes)?;
    let most = of_pod.and_then(positive).map_or(node, |bytes| bytes.min(node));
    Some(empty.size_limit.as_ref().and_then(|size| positive(size.value())).map_or(most, |bytes| bytes.min(most)))
}

/// Whether a claim has its volume.
pub(crate) fn is_bound(claim: &PersistentVolumeClaim) -> bool {
    claim.status.phase == "Bound" && !claim.spec.volume_name.is_empty()
}

/// The volume of a claim.
fn bound_volume(objects: &Objects, claim: &str) -> Result<String, String> {
    match objects.known.get(&(RefKind::Claim, claim.to_owned())) {
        Some(Known::Claim(found)) if !is_bound(found) => Err("PVC is not bound".to_owned()),
        Some(Known::Claim(found)) => Ok(found.spec.volume_name.clone()),
        _ => Err(format!("failed to fetch PVC from API server: {}", objects.missing(RefKind::Claim, claim))),
    }
}

/// Whether what is known of an object is to be read anew, to bring files up to date.
pub(crate) fn is_stale(known: Option<&Known>, now: Time) -> bool {
    match known {
        None | Some(Known::Missing(_)) => true,
        Some(Known::ConfigMap(map)) => map.immutable != Some(true) && map.metadata.name != ROOT_CA,
        Some(Known::Secret(secret)) => secret.immutable != Some(true),
        Some(Known::Claim(_)) => false,
        Some(Known::Token(token)) => token.renew_at <= now,
    }
}

/// Makes sure that a path of the node is what the volume wants (`pkg/volume/hostpath`).
fn check_host_path(source: &HostPathVolumeSource, host: &mut Tree) -> Result<(), String> {
    let path = crate::runtime::fs::normalize("/", &source.path);
    let failed = |what: &str| Err(format!("hostPath type check failed: {} is not {what}", source.path));
    let (dir, there) = (host.is_dir(&path), host.exists(&path));
    match source.type_.as_deref().unwrap_or_default() {
        // Without a type nothing is checked, and the runtime makes a missing directory.
        "" if there => Ok(()),
        "Directory" if dir => Ok(()),
        "Directory" => failed("a directory"),
        "DirectoryOrCreate" if there && !dir => failed("a directory"),
        "" | "DirectoryOrCreate" => host.make_dirs(&path).map_err(|error| format!("mkdir {path}: {error}")),
        "File" if there && !dir => Ok(()),
        "FileOrCreate" if !there => host.write(&path, "", false).map_err(|error| format!("open {path}: {error}")),
        "FileOrCreate" if !dir => Ok(()),
        "File" | "FileOrCreate" => failed("a file"),
        "Socket" => failed("a socket file"),
        "CharDevice" => failed("a character device"),
        "BlockDevice" => failed("a block device"),
        other => Err(format!("{other} is an invalid volume type")),
    }
}

/// Replaces the files that the kubelet keeps up to date. What cannot be made keeps what it has.
pub(crate) fn refresh(source: &Source<'_>, trees: &mut [Tree]) {
    for (volume, old) in source.pod.spec.volumes.iter().zip(trees).filter(|(volume, _)| is_written_by_kubelet(volume)) {
        if let Ok(new) = tree(volume, source) {
            *old = new;
        }
    }
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
        if let Some(projection) = &part.service_account_token {
            let path = crate::runtime::fs::normalize("/", &projection.path);
            let mode = mode.and_then(|mode| u32::try_from(mode).ok()).unwrap_or(0o644);
            let token = source.objects.token(projection)?;
            tree.put(&path, token.text.clone(), mode).map_err(|error| format!("{path}: {error}"))?;
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

/// The mounts of a container. A `subPath` of files that the kubelet writes is a copy of its own, put after `trees`.
pub(crate) fn mounts(
    pod: &Pod,
    container: &Container,
    objects: &Objects,
    trees: &mut Vec<Tree>,
    lookup: impl Fn(&str) -> Option<String>,
) -> Vec<Mount> {
    let mut mounts = Vec::new();
    for mount in &container.volume_mounts {
        let Some(index) = pod.spec.volumes.iter().position(|volume| volume.name == mount.name) else { continue };
        let volume = &pod.spec.volumes[index];
        let sub_path = mount.rest.get("subPathExpr").and_then(|expr| expr.as_str()).map(|expr| crate::env::expand(expr, &lookup));
        let sub_path = sub_path.unwrap_or_else(|| mount.sub_path.clone());
        let claim = claim_name(pod, volume).and_then(|claim| bound_volume(objects, &claim).ok());
        let claim = claim.map(|bound| mount_path(&bound));
        let (mut source, base) = match (&volume.host_path, &claim) {
            (Some(host), _) => (MountSource::Host, host.path.as_str()),
            (None, Some(path)) => (MountSource::Host, path.as_str()),
            (None, None) => (MountSource::Volume(index), ""),
        };
        let written = is_written_by_kubelet(volume);
        if written && !sub_path.is_empty() {
            let copy = trees.get(index).cloned().unwrap_or_default();
            source = MountSource::Volume(trees.len());
            trees.push(copy);
        }
        let path = if base.is_empty() && sub_path.is_empty() { String::new() } else { crate::runtime::fs::normalize(base, &sub_path) };
        let at = crate::runtime::fs::normalize("/", &mount.mount_path);
        let claimed_read_only = volume.persistent_volume_claim.as_ref().is_some_and(|claim| claim.read_only == Some(true));
        mounts.push(Mount { at, source, path, read_only: mount.read_only == Some(true) || written || claimed_read_only });
    }
    mounts
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

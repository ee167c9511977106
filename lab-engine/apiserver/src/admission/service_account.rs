//! ServiceAccount: a Pod runs as an account, whose token its containers find in a file (`plugin/pkg/admission/serviceaccount`).
//!
//! Each container that mounts nothing at `/var/run/secrets/kubernetes.io/serviceaccount` is given a mount of a projected volume with three
//! files: the account's token, the certificate of the cluster's authority, and the name of the namespace.
//!
//! **Simplified here:** the annotation `kubernetes.io/enforce-mountable-secrets` (deprecated) is not looked at; of a mirror Pod only its
//! account and its tokens are.

use crate::cache::Cache;
use crate::storage;
use api::core::{
    ConfigMapVolumeSource, Container, DownwardApiVolumeFile, DownwardApiVolumeSource, KeyToPath, LocalObjectReference, Namespace,
    ObjectFieldSelector, Pod, ProjectedVolumeSource, ServiceAccount, ServiceAccountTokenProjection, Volume, VolumeMount, VolumeProjection,
};
use api::http::{Body, Method, Path, Request};
use api::shared::SharedVec;
use api::status::Status;
use api::{Object, Resource};
use sim::Rng;

/// The annotation of Pods that show a static Pod (`kubelet`).
const MIRROR: &str = "kubernetes.io/config.mirror";

/// Whether a request makes a Pod in a namespace that exists and has no `default` ServiceAccount yet, though the Pod needs it.
pub(crate) fn awaits_account(cache: &Cache, request: &Request) -> bool {
    let Path::Resource(path) = &request.path else { return false };
    let makes_pod = request.method == Method::Post && path.resource.resource == Pod::INFO.plural && path.resource.group.is_empty();
    let Some(namespace) = path.namespace.as_deref().filter(|_| makes_pod && path.subresource.is_empty()) else { return false };
    let (account, mirror) = match &request.body {
        Body::Object(Object::Pod(pod)) => (pod.spec.service_account_name.as_str(), pod.metadata.annotations.contains_key(MIRROR)),
        Body::Json(value) => {
            (value["spec"]["serviceAccountName"].as_str().unwrap_or(""), value["metadata"]["annotations"].get(MIRROR).is_some())
        }
        _ => ("", false),
    };
    let active = |object: &Object| !object.metadata().is_deleting();
    !mirror
        && matches!(account, "" | "default")
        && cache.get(&storage::key(Namespace::INFO, "", namespace)).is_some_and(active)
        && cache.get(&storage::key(ServiceAccount::INFO, namespace, "default")).is_none()
}

/// Where containers find their token (`DefaultAPITokenMountPath`).
const MOUNT_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// What the names of the volumes begin with (`ServiceAccountVolumeName`).
const VOLUME_PREFIX: &str = "kube-api-access-";
/// How long the token of a volume is good, in seconds: an hour, and seven seconds by which the server tells it from others
/// (`WarnOnlyBoundTokenExpirationPeriod`).
pub(crate) const TOKEN_SECONDS: i64 = 3607;

/// The volume that Pods are given. What it holds is one list in memory, whatever the number of Pods.
#[derive(Debug)]
pub(crate) struct TokenVolume {
    sources: SharedVec<VolumeProjection>,
    /// Gives the names.
    rng: Rng,
}

impl TokenVolume {
    /// A volume whose names `rng` gives (`TokenVolumeSource`).
    pub(crate) fn new(rng: Rng) -> Self {
        let token = ServiceAccountTokenProjection {
            expiration_seconds: Some(TOKEN_SECONDS),
            path: "token".to_owned(),
            ..ServiceAccountTokenProjection::default()
        };
        let certificate = KeyToPath { key: "ca.crt".to_owned(), path: "ca.crt".to_owned(), ..KeyToPath::default() };
        let authority =
            ConfigMapVolumeSource { name: "kube-root-ca.crt".to_owned(), items: vec![certificate], ..ConfigMapVolumeSource::default() };
        let field = ObjectFieldSelector { api_version: "v1".to_owned(), field_path: "metadata.namespace".to_owned(), ..Default::default() };
        let file = DownwardApiVolumeFile { path: "namespace".to_owned(), field_ref: Some(field), ..DownwardApiVolumeFile::default() };
        let namespace = DownwardApiVolumeSource { items: vec![file], ..DownwardApiVolumeSource::default() };
        let sources = vec![
            VolumeProjection { service_account_token: Some(token), ..VolumeProjection::default() },
            VolumeProjection { config_map: Some(authority), ..VolumeProjection::default() },
            VolumeProjection { downward_api: Some(namespace), ..VolumeProjection::default() },
        ];
        TokenVolume { sources: sources.into(), rng }
    }

    /// Gives the volume to a Pod, and a mount of it to each container that has none (`mountServiceAccountToken`).
    fn mount(&self, pod: &mut Pod) {
        let own = |volume: &&Volume| volume.name.starts_with(VOLUME_PREFIX);
        let present = pod.spec.volumes.iter().find(own).map(|volume| volume.name.clone());
        let drawn = || format!("{VOLUME_PREFIX}{}", self.rng.stream(&pod.metadata.uid).name_suffix(5));
        let name = present.clone().unwrap_or_else(drawn);
        let mut mounted = false;
        let mut add = |container: &mut Container| {
            if container.volume_mounts.iter().all(|mount| mount.mount_path != MOUNT_PATH) {
                mounted = true;
                container.volume_mounts.push(VolumeMount {
                    name: name.clone(),
                    mount_path: MOUNT_PATH.to_owned(),
                    read_only: Some(true),
                    ..VolumeMount::default()
                });
            }
        };
        pod.spec.init_containers.amend(&mut add);
        pod.spec.containers.amend(&mut add);
        if mounted && present.is_none() {
            let projected = ProjectedVolumeSource { sources: self.sources.clone(), default_mode: Some(0o644), ..Default::default() };
            // Room for one more and no others: most Pods have no other volume, and each keeps its list.
            pod.spec.volumes.reserve_exact(1);
            pod.spec.volumes.push(Volume { name, projected: Some(projected), ..Volume::default() });
        }
    }
}

/// A Pod runs as an account that is there, and is given its token and its credentials for registries. A mirror Pod runs as none: it only
/// shows what a kubelet runs by itself.
///
/// # Errors
/// 403 when there is no such account, or a mirror Pod names one.
pub(super) fn admit(cache: &Cache, volume: &TokenVolume, pod: &mut Pod) -> Result<(), Box<Status>> {
    let refused = |pod: &Pod, why: &str| Err(Box::new(Status::forbidden(&Pod::INFO.gvr(), &pod.metadata.name, why)));
    if pod.metadata.annotations.contains_key(MIRROR) {
        let mut sources = pod.spec.volumes.iter().filter_map(|volume| volume.projected.as_ref()).flat_map(|projected| &projected.sources);
        if !pod.spec.service_account_name.is_empty() {
            return refused(pod, "a mirror pod may not reference service accounts");
        }
        if sources.any(|source| source.service_account_token.is_some()) {
            return refused(pod, "a mirror pod may not use ServiceAccountToken volume projections");
        }
        return Ok(());
    }
    if pod.spec.service_account_name.is_empty() {
        pod.spec.service_account_name = "default".to_owned();
    }
    pod.spec.service_account = pod.spec.service_account_name.clone();
    let (namespace, name) = (&pod.metadata.namespace, &pod.spec.service_account_name);
    let found = cache.get(&storage::key(ServiceAccount::INFO, namespace, name));
    let Some(account) = found.and_then(|object| object.as_kind::<ServiceAccount>()) else {
        let why = format!("error looking up service account {namespace}/{name}: serviceaccount {name:?} not found");
        return refused(pod, &why);
    };
    // The Pod's word counts before the account's (`shouldAutomount`).
    if pod.spec.automount_service_account_token.or(account.automount_service_account_token) != Some(false) {
        volume.mount(pod);
    }
    if pod.spec.image_pull_secrets.is_empty() && !account.image_pull_secrets.is_empty() {
        let secrets = account.image_pull_secrets.iter().filter_map(|secret| secret["name"].as_str());
        let reference = |name: &str| LocalObjectReference { name: name.to_owned(), ..LocalObjectReference::default() };
        pod.spec.image_pull_secrets = secrets.map(reference).collect();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::decode::{FieldValidation, decode_object};
    use serde_json::{Value, json};

    fn pod(spec: Value) -> Pod {
        let value = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "uid": "1"}, "spec": spec});
        match decode_object(value, FieldValidation::Strict).unwrap().object {
            Object::Pod(pod) => Pod::clone(&pod),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_container_that_mounts_something_there_keeps_it() {
        let volume = TokenVolume::new(sim::Seed(1).stream("test"));
        let own = json!([{"name": "own", "mountPath": MOUNT_PATH}]);
        let mut both = pod(json!({"containers": [{"name": "a", "volumeMounts": own}, {"name": "b"}], "initContainers": [{"name": "i"}],
            "volumes": [{"name": "own", "emptyDir": {}}]}));
        volume.mount(&mut both);
        let names: Vec<&str> = both.spec.volumes.iter().map(|volume| volume.name.as_str()).collect();
        let name = names[1];
        assert!(name.starts_with(VOLUME_PREFIX) && name.len() == VOLUME_PREFIX.len() + 5, "{name}");
        let of = |container: &Container| container.volume_mounts.iter().map(|mount| mount.name.clone()).collect::<Vec<_>>();
        assert_eq!(of(&both.spec.containers[0]), ["own"]);
        assert_eq!((of(&both.spec.containers[1]), of(&both.spec.init_containers[0])), (vec![name.to_owned()], vec![name.to_owned()]));

        let mut copy = both.clone();
        volume.mount(&mut copy);
        assert_eq!(copy, both, "a copy of a Pod keeps the volume that it has");
    }

    #[test]
    fn pods_have_the_sources_of_their_volumes_in_common() {
        let volume = TokenVolume::new(sim::Seed(1).stream("test"));
        let mut pods = [pod(json!({"containers": [{"name": "a"}]})), pod(json!({"containers": [{"name": "a"}]}))];
        pods[1].metadata.uid = "2".to_owned();
        pods.iter_mut().for_each(|pod| volume.mount(pod));
        let [one, other] = pods.map(|pod| pod.spec.volumes[0].clone());
        assert_ne!(one.name, other.name);
        assert!(one.projected.unwrap().sources.is_same(&other.projected.unwrap().sources));
    }
}

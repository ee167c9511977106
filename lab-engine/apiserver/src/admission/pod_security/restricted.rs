//! The checks that the level `restricted` makes besides those of `baseline` (`k8s.io/pod-security-admission/policy/check_*.go`).

use super::baseline::{added_capabilities, allowed_seccomp, volumes as volumes_of};
use super::checks::{PodView, Refusal, Words, containers, name, plural, quoted, setters};
use serde_json::Value;

pub(super) fn privilege_escalation(pod: &PodView<'_>) -> Option<Refusal> {
    let names = pod.names(|container| container["securityContext"]["allowPrivilegeEscalation"] != false);
    let detail = || format!("{} must set securityContext.allowPrivilegeEscalation=false", containers(&names));
    (!names.is_empty()).then(|| ("allowPrivilegeEscalation != false".to_owned(), detail()))
}

/// Since v1.25 nothing is said of Pods for Windows, where the field cannot be set.
pub(super) fn privilege_escalation_linux(pod: &PodView<'_>) -> Option<Refusal> {
    if pod.is_windows() { None } else { privilege_escalation(pod) }
}

pub(super) fn capabilities(pod: &PodView<'_>) -> Option<Refusal> {
    let mut forbidden = Words::new();
    let dropped_all = |container: &Value| {
        let dropped = &container["securityContext"]["capabilities"]["drop"];
        dropped.as_array().is_some_and(|dropped| dropped.iter().any(|capability| capability == "ALL"))
    };
    let keeping = pod.names(|container| !dropped_all(container));
    let adding = pod.names(|container| {
        let added: Vec<&str> = added_capabilities(container).filter(|&capability| capability != "NET_BIND_SERVICE").collect();
        forbidden.extend(added.iter().map(|&capability| capability.to_owned()));
        !added.is_empty()
    });
    let mut details = Vec::new();
    if !keeping.is_empty() {
        details.push(format!("{} must set securityContext.capabilities.drop=[\"ALL\"]", containers(&keeping)));
    }
    if !adding.is_empty() {
        details.push(format!("{} must not include {} in securityContext.capabilities.add", containers(&adding), quoted(&forbidden)));
    }
    (!details.is_empty()).then(|| ("unrestricted capabilities".to_owned(), details.join("; ")))
}

/// Since v1.25 nothing is said of Pods for Windows.
pub(super) fn capabilities_linux(pod: &PodView<'_>) -> Option<Refusal> {
    if pod.is_windows() { None } else { capabilities(pod) }
}

const ALLOWED_VOLUMES: &[&str] =
    &["configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected", "secret"];

/// In the order in which a volume of several types is told.
const RESTRICTED_VOLUMES: &[&str] = &[
    "hostPath",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "gitRepo",
    "nfs",
    "iscsi",
    "glusterfs",
    "rbd",
    "flexVolume",
    "cinder",
    "cephfs",
    "flocker",
    "fc",
    "azureFile",
    "vsphereVolume",
    "quobyte",
    "azureDisk",
    "photonPersistentDisk",
    "portworxVolume",
    "scaleIO",
    "storageos",
];

pub(super) fn volumes(pod: &PodView<'_>) -> Option<Refusal> {
    let has = |volume: &Value, types: &[&'static str]| types.iter().find(|&&type_| !volume[type_].is_null()).copied();
    let bad: Vec<&Value> = volumes_of(pod).filter(|volume| has(volume, ALLOWED_VOLUMES).is_none()).collect();
    let types: Words = bad.iter().map(|volume| has(volume, RESTRICTED_VOLUMES).unwrap_or("unknown").to_owned()).collect();
    let names = quoted(bad.iter().map(|volume| name(volume)));
    let (volumes, uses) = (plural("volume", "volumes", bad.len()), plural("uses", "use", bad.len()));
    let what = plural("restricted volume type", "restricted volume types", types.len());
    (!bad.is_empty()).then(|| ("restricted volume types".to_owned(), format!("{volumes} {names} {uses} {what} {}", quoted(&types))))
}

pub(super) fn run_as_non_root(pod: &PodView<'_>) -> Option<Refusal> {
    let reason = "runAsNonRoot != true".to_owned();
    let own = pod.context("runAsNonRoot");
    let of = |container: &Value| container["securityContext"]["runAsNonRoot"].as_bool();
    if let Some(who) = setters(*own == false, &pod.names(|container| of(container) == Some(false))) {
        return Some((reason, format!("{who} must not set securityContext.runAsNonRoot=false")));
    }
    let silent = pod.names(|container| of(container).is_none() && *own != true);
    (!silent.is_empty()).then(|| (reason, format!("pod or {} must set securityContext.runAsNonRoot=true", containers(&silent))))
}

/// Since v1.35 nothing is said of Pods with a user namespace of their own, where root is nobody on the node.
pub(super) fn run_as_non_root_relaxed(pod: &PodView<'_>) -> Option<Refusal> {
    if pod.has_user_namespace() { None } else { run_as_non_root(pod) }
}

pub(super) fn run_as_user(pod: &PodView<'_>) -> Option<Refusal> {
    let names = pod.names(|container| container["securityContext"]["runAsUser"] == 0);
    let who = setters(*pod.context("runAsUser") == 0, &names)?;
    Some(("runAsUser=0".to_owned(), format!("{who} must not set runAsUser=0")))
}

/// Since v1.35 nothing is said of Pods with a user namespace of their own.
pub(super) fn run_as_user_relaxed(pod: &PodView<'_>) -> Option<Refusal> {
    if pod.has_user_namespace() { None } else { run_as_user(pod) }
}

pub(super) fn seccomp(pod: &PodView<'_>) -> Option<Refusal> {
    if let Some(refusal) = super::baseline::seccomp(pod) {
        return Some(refusal);
    }
    // What is set is allowed by now.
    let own = allowed_seccomp(pod.context("seccompProfile"));
    let silent = pod.names(|container| !own && !container["securityContext"]["seccompProfile"].is_object());
    let detail = || {
        let who = containers(&silent);
        format!("pod or {who} must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\"")
    };
    (!silent.is_empty()).then(|| ("seccompProfile".to_owned(), detail()))
}

/// Since v1.25 nothing is said of Pods for Windows.
pub(super) fn seccomp_linux(pod: &PodView<'_>) -> Option<Refusal> {
    if pod.is_windows() { None } else { seccomp(pod) }
}

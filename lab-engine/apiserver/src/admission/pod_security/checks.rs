//! Which checks a level makes in which version, and the answer of them all (`k8s.io/pod-security-admission/policy/registry.go`).
//!
//! Pods are looked at as JSON, so that Pods and all templates of workloads, with or without a struct, are read alike.

use super::level::{Level, LevelVersion, Version};
use super::{baseline, restricted};
use serde_json::Value;
use std::collections::BTreeSet;

/// The newest version that rules are told apart for: this server's.
const NEWEST: u32 = 36;

/// A Pod or the template of one.
#[derive(Clone, Copy, Debug)]
pub(super) struct PodView<'a> {
    /// `metadata.annotations`.
    pub(super) annotations: &'a Value,
    /// `spec`.
    pub(super) spec: &'a Value,
}

/// Why a check refuses: the reason in short, and the detail in brackets.
pub(super) type Refusal = (String, String);

/// A check; `None` when it has nothing against the Pod.
type Check = fn(&PodView<'_>) -> Option<Refusal>;

/// A check as of versions: from which minor version on, which code. In the order in which messages name them.
struct Versioned {
    id: &'static str,
    level: Level,
    versions: &'static [(u32, Check)],
    /// Checks of the baseline that a check of the restricted level makes superfluous.
    overrides: &'static [&'static str],
}

const fn check(id: &'static str, level: Level, versions: &'static [(u32, Check)], overrides: &'static [&'static str]) -> Versioned {
    Versioned { id, level, versions, overrides }
}

const CHECKS: &[Versioned] = &[
    check("appArmorProfile", Level::Baseline, &[(0, baseline::app_armor)], &[]),
    check("capabilities_baseline", Level::Baseline, &[(0, baseline::capabilities)], &[]),
    check("hostNamespaces", Level::Baseline, &[(0, baseline::host_namespaces)], &[]),
    check("hostPathVolumes", Level::Baseline, &[(0, baseline::host_path_volumes)], &[]),
    check("hostPorts", Level::Baseline, &[(0, baseline::host_ports)], &[]),
    check("hostProbesAndHostLifecycle", Level::Baseline, &[(34, baseline::host_probes)], &[]),
    check("privileged", Level::Baseline, &[(0, baseline::privileged)], &[]),
    check("procMount", Level::Baseline, &[(0, baseline::proc_mount), (35, baseline::proc_mount_relaxed)], &[]),
    check("seLinuxOptions", Level::Baseline, &[(0, baseline::se_linux_1_0), (31, baseline::se_linux_1_31)], &[]),
    check("seccompProfile_baseline", Level::Baseline, &[(0, baseline::seccomp_annotations), (19, baseline::seccomp)], &[]),
    check(
        "sysctls",
        Level::Baseline,
        &[(0, baseline::sysctls_1_0), (27, baseline::sysctls_1_27), (29, baseline::sysctls_1_29), (32, baseline::sysctls_1_32)],
        &[],
    ),
    check("windowsHostProcess", Level::Baseline, &[(0, baseline::windows_host_process)], &[]),
    check(
        "allowPrivilegeEscalation",
        Level::Restricted,
        &[(8, restricted::privilege_escalation), (25, restricted::privilege_escalation_linux)],
        &[],
    ),
    check(
        "capabilities_restricted",
        Level::Restricted,
        &[(22, restricted::capabilities), (25, restricted::capabilities_linux)],
        &["capabilities_baseline"],
    ),
    check("procMount_restricted", Level::Restricted, &[(35, baseline::proc_mount)], &["procMount"]),
    check("restrictedVolumes", Level::Restricted, &[(0, restricted::volumes)], &["hostPathVolumes"]),
    check("runAsNonRoot", Level::Restricted, &[(0, restricted::run_as_non_root), (35, restricted::run_as_non_root_relaxed)], &[]),
    check("runAsUser", Level::Restricted, &[(23, restricted::run_as_user), (35, restricted::run_as_user_relaxed)], &[]),
    check(
        "seccompProfile_restricted",
        Level::Restricted,
        &[(19, restricted::seccomp), (25, restricted::seccomp_linux)],
        &["seccompProfile_baseline"],
    ),
];

impl Versioned {
    /// The code in force at a minor version.
    fn at(&self, minor: u32) -> Option<Check> {
        self.versions.iter().rev().find(|(from, _)| *from <= minor).map(|(_, check)| *check)
    }
}

/// What a level as of a version has against a Pod, in the order of messages; empty when the Pod is allowed.
pub(super) fn evaluate(at: LevelVersion, pod: &PodView<'_>) -> Vec<Refusal> {
    let minor = match at.version {
        Version::Minor(minor) => minor.min(NEWEST),
        Version::Latest => NEWEST,
    };
    let in_force = || CHECKS.iter().filter(|check| check.level <= at.level && at.level != Level::Privileged);
    let overridden = |id: &str| in_force().any(|check| check.overrides.contains(&id) && check.at(minor).is_some());
    in_force().filter(|check| !overridden(check.id)).filter_map(|check| check.at(minor)?(pod)).collect()
}

/// The reasons with their details: `host namespaces (hostPID=true), privileged (…)`.
pub(super) fn details(refusals: &[Refusal]) -> String {
    let text = |(reason, detail): &Refusal| if detail.is_empty() { reason.clone() } else { format!("{reason} ({detail})") };
    refusals.iter().map(text).collect::<Vec<_>>().join(", ")
}

/// The reasons alone.
pub(super) fn reasons(refusals: &[Refusal]) -> String {
    refusals.iter().map(|(reason, _)| reason.as_str()).collect::<Vec<_>>().join(", ")
}

impl<'a> PodView<'a> {
    /// All containers, as checks visit them: init, ordinary, ephemeral.
    pub(super) fn containers(&self) -> impl Iterator<Item = &'a Value> + use<'a> {
        let spec = self.spec;
        let lists = ["initContainers", "containers", "ephemeralContainers"];
        lists.into_iter().filter_map(move |list| spec[list].as_array()).flatten()
    }

    /// The names of the containers of which something holds.
    pub(super) fn names(&self, holds: impl FnMut(&&'a Value) -> bool) -> Vec<&'a str> {
        self.containers().filter(holds).map(name).collect()
    }

    /// A field of the Pod's security context.
    pub(super) fn context(&self, field: &str) -> &'a Value {
        &self.spec["securityContext"][field]
    }

    /// Whether the Pod says that it is for Windows.
    pub(super) fn is_windows(&self) -> bool {
        self.spec["os"]["name"] == "windows"
    }

    /// Whether the Pod has a user namespace of its own, in which root is nobody on the node.
    pub(super) fn has_user_namespace(&self) -> bool {
        self.spec["hostUsers"] == false
    }

    /// An annotation.
    pub(super) fn annotation(&self, key: &str) -> Option<&'a str> {
        self.annotations[key].as_str()
    }
}

/// The name of a container or volume.
pub(super) fn name(value: &Value) -> &str {
    value["name"].as_str().unwrap_or_default()
}

/// Texts in quotes, separated by commas.
pub(super) fn quoted<T: AsRef<str>>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| format!("\"{}\"", item.as_ref())).collect::<Vec<_>>().join(", ")
}

/// The word for one or for several.
pub(super) fn plural(one: &'static str, several: &'static str, count: usize) -> &'static str {
    if count == 1 { one } else { several }
}

/// `container "a"` or `containers "a", "b"`.
pub(super) fn containers(names: &[&str]) -> String {
    format!("{} {}", plural("container", "containers", names.len()), quoted(names))
}

/// Who set something: `pod`, `container "a"`, or `pod and containers "a", "b"`; `None` for nobody.
pub(super) fn setters(pod: bool, names: &[&str]) -> Option<String> {
    match (pod, names.is_empty()) {
        (false, true) => None,
        (true, true) => Some("pod".to_owned()),
        (false, false) => Some(containers(names)),
        (true, false) => Some(format!("pod and {}", containers(names))),
    }
}

/// Words, sorted and each once.
pub(super) type Words = BTreeSet<String>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_the_checks_of_each_level_in_the_order_of_their_ids() {
        for level in [Level::Baseline, Level::Restricted] {
            let ids: Vec<&str> = CHECKS.iter().filter(|check| check.level == level).map(|check| check.id).collect();
            assert!(ids.is_sorted(), "{ids:?}");
        }
        assert!(CHECKS.iter().all(|check| check.versions.is_sorted_by_key(|(from, _)| *from)));
    }
}

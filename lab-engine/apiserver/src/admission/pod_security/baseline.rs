//! The checks of the level `baseline` (`k8s.io/pod-security-admission/policy/check_*.go`).

use super::checks::{PodView, Refusal, Words, containers, name, plural, quoted, setters};
use serde_json::Value;

const APP_ARMOR_ANNOTATION: &str = "container.apparmor.security.beta.kubernetes.io/";

fn allowed_app_armor(type_: &str) -> bool {
    matches!(type_, "RuntimeDefault" | "Localhost")
}

pub(super) fn app_armor(pod: &PodView<'_>) -> Option<Refusal> {
    let mut values = Words::new();
    let mut bad = |profile: &Value| {
        let type_ = profile["type"].as_str().unwrap_or_default();
        let bad = profile.is_object() && !allowed_app_armor(type_);
        if bad {
            values.insert(type_.to_owned());
        }
        bad
    };
    let own = bad(pod.context("appArmorProfile"));
    let names = pod.names(|container| bad(&container["securityContext"]["appArmorProfile"]));
    let fine = |value: &str| value.is_empty() || value == "runtime/default" || value.starts_with("localhost/");
    let annotations: Vec<String> = pod
        .annotations
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key, value.as_str()?)))
        .filter(|(key, value)| key.starts_with(APP_ARMOR_ANNOTATION) && !fine(value))
        .map(|(key, value)| format!("{key}={value:?}"))
        .collect();
    let mut who: Vec<String> = setters(own, &names).into_iter().collect();
    if !annotations.is_empty() {
        who.push(plural("annotation", "annotations", annotations.len()).to_owned());
    }
    let values: Vec<String> = values.into_iter().chain(annotations).collect();
    let reason = plural("forbidden AppArmor profile", "forbidden AppArmor profiles", values.len()).to_owned();
    (!who.is_empty()).then(|| (reason, format!("{} must not set AppArmor profile type to {}", who.join(" and "), quoted(&values))))
}

/// What the container runtimes give by themselves, without `NET_RAW`.
const CAPABILITIES: &[&str] = &[
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

pub(super) fn capabilities(pod: &PodView<'_>) -> Option<Refusal> {
    let mut added = Words::new();
    let names = pod.names(|container| {
        let foreign = added_capabilities(container).filter(|capability| !CAPABILITIES.contains(capability));
        let before: Vec<String> = foreign.map(str::to_owned).collect();
        let bad = !before.is_empty();
        added.extend(before);
        bad
    });
    let detail = || format!("{} must not include {} in securityContext.capabilities.add", containers(&names), quoted(&added));
    (!names.is_empty()).then(|| ("non-default capabilities".to_owned(), detail()))
}

/// What a container wants to be able to besides what it has by itself.
pub(super) fn added_capabilities(container: &Value) -> impl Iterator<Item = &str> {
    container["securityContext"]["capabilities"]["add"].as_array().into_iter().flatten().filter_map(Value::as_str)
}

pub(super) fn host_namespaces(pod: &PodView<'_>) -> Option<Refusal> {
    let shared: Vec<String> = ["hostNetwork", "hostPID", "hostIPC"]
        .into_iter()
        .filter(|&field| pod.spec[field] == true)
        .map(|field| format!("{field}=true"))
        .collect();
    (!shared.is_empty()).then(|| ("host namespaces".to_owned(), shared.join(", ")))
}

/// The volumes of a Pod.
pub(super) fn volumes<'a>(pod: &PodView<'a>) -> impl Iterator<Item = &'a Value> + use<'a> {
    pod.spec["volumes"].as_array().into_iter().flatten()
}

pub(super) fn host_path_volumes(pod: &PodView<'_>) -> Option<Refusal> {
    let names: Vec<&str> = volumes(pod).filter(|volume| !volume["hostPath"].is_null()).map(name).collect();
    let detail = || format!("{} {}", plural("volume", "volumes", names.len()), quoted(&names));
    (!names.is_empty()).then(|| ("hostPath volumes".to_owned(), detail()))
}

pub(super) fn host_ports(pod: &PodView<'_>) -> Option<Refusal> {
    let mut ports = Words::new();
    let names = pod.names(|container| {
        let list = container["ports"].as_array().into_iter().flatten();
        let taken: Vec<i64> = list.filter_map(|port| port["hostPort"].as_i64()).filter(|&port| port != 0).collect();
        ports.extend(taken.iter().map(i64::to_string));
        !taken.is_empty()
    });
    let uses = plural("uses", "use", names.len());
    let what = plural("hostPort", "hostPorts", ports.len());
    let list = ports.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    (!names.is_empty()).then(|| ("hostPort".to_owned(), format!("{} {uses} {what} {list}", containers(&names))))
}

pub(super) fn host_probes(pod: &PodView<'_>) -> Option<Refusal> {
    let (mut names, mut hosts) = (Words::new(), Words::new());
    for container in pod.containers() {
        let lifecycle = &container["lifecycle"];
        let probes = ["livenessProbe", "readinessProbe", "startupProbe"].map(|probe| &container[probe]);
        let handlers = probes.into_iter().chain([&lifecycle["postStart"], &lifecycle["preStop"]]);
        for host in handlers.flat_map(|handler| ["httpGet", "tcpSocket"].map(|action| &handler[action]["host"])) {
            if let Some(host) = host.as_str().filter(|host| !host.is_empty()) {
                names.insert(name(container).to_owned());
                hosts.insert(host.to_owned());
            }
        }
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let uses = plural("uses", "use", names.len());
    let what = plural("probe or lifecycle host", "probe or lifecycle hosts", hosts.len());
    let detail = || format!("{} {uses} {what} {}", containers(&names), quoted(&hosts));
    (!names.is_empty()).then(|| ("probe or lifecycle host".to_owned(), detail()))
}

pub(super) fn privileged(pod: &PodView<'_>) -> Option<Refusal> {
    let names = pod.names(|container| container["securityContext"]["privileged"] == true);
    let detail = || format!("{} must not set securityContext.privileged=true", containers(&names));
    (!names.is_empty()).then(|| ("privileged".to_owned(), detail()))
}

pub(super) fn proc_mount(pod: &PodView<'_>) -> Option<Refusal> {
    let mut types = Words::new();
    let names = pod.names(|container| {
        let type_ = container["securityContext"]["procMount"].as_str().filter(|&type_| type_ != "Default");
        types.extend(type_.map(str::to_owned));
        type_.is_some()
    });
    let detail = || format!("{} must not set securityContext.procMount to {}", containers(&names), quoted(&types));
    (!names.is_empty()).then(|| ("procMount".to_owned(), detail()))
}

/// Since v1.35 nothing is said of Pods with a user namespace of their own.
pub(super) fn proc_mount_relaxed(pod: &PodView<'_>) -> Option<Refusal> {
    if pod.has_user_namespace() { None } else { proc_mount(pod) }
}

pub(super) fn se_linux_1_0(pod: &PodView<'_>) -> Option<Refusal> {
    se_linux(pod, &["", "container_t", "container_init_t", "container_kvm_t"])
}

pub(super) fn se_linux_1_31(pod: &PodView<'_>) -> Option<Refusal> {
    se_linux(pod, &["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"])
}

fn se_linux(pod: &PodView<'_>, allowed: &[&str]) -> Option<Refusal> {
    let (mut types, mut user, mut role) = (Words::new(), false, false);
    let mut bad = |options: &Value| {
        let text = |field: &str| options[field].as_str().unwrap_or_default();
        let bad_type = !allowed.contains(&text("type"));
        if bad_type {
            types.insert(text("type").to_owned());
        }
        let (sets_user, sets_role) = (!text("user").is_empty(), !text("role").is_empty());
        (user, role) = (user || sets_user, role || sets_role);
        bad_type || sets_user || sets_role
    };
    let own = bad(pod.context("seLinuxOptions"));
    let names = pod.names(|container| bad(&container["securityContext"]["seLinuxOptions"]));
    let who = setters(own, &names)?;
    let mut what = Vec::new();
    if !types.is_empty() {
        what.push(format!("{} {}", plural("type", "types", types.len()), quoted(&types)));
    }
    what.extend(user.then(|| "user may not be set".to_owned()));
    what.extend(role.then(|| "role may not be set".to_owned()));
    Some(("seLinuxOptions".to_owned(), format!("{who} set forbidden securityContext.seLinuxOptions: {}", what.join("; "))))
}

/// Before v1.19 seccomp profiles were annotations.
pub(super) fn seccomp_annotations(pod: &PodView<'_>) -> Option<Refusal> {
    let fine = |value: &str| value == "runtime/default" || value == "docker/default" || value.starts_with("localhost/");
    let keys = std::iter::once("seccomp.security.alpha.kubernetes.io/pod".to_owned())
        .chain(pod.containers().map(|container| format!("container.seccomp.security.alpha.kubernetes.io/{}", name(container))));
    let forbidden: Words =
        keys.filter_map(|key| pod.annotation(&key).filter(|value| !fine(value)).map(|value| format!("{key}={value:?}"))).collect();
    let list = forbidden.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let what = plural("annotation", "annotations", forbidden.len());
    (!forbidden.is_empty()).then(|| ("seccompProfile".to_owned(), format!("forbidden {what} {list}")))
}

/// Whether a seccomp profile is of a type that is allowed.
pub(super) fn allowed_seccomp(profile: &Value) -> bool {
    matches!(profile["type"].as_str(), Some("RuntimeDefault" | "Localhost"))
}

pub(super) fn seccomp(pod: &PodView<'_>) -> Option<Refusal> {
    let mut types = Words::new();
    let mut bad = |profile: &Value| {
        let bad = profile.is_object() && !allowed_seccomp(profile);
        if bad {
            types.insert(profile["type"].as_str().unwrap_or_default().to_owned());
        }
        bad
    };
    let own = bad(pod.context("seccompProfile"));
    let names = pod.names(|container| bad(&container["securityContext"]["seccompProfile"]));
    let who = setters(own, &names)?;
    Some(("seccompProfile".to_owned(), format!("{who} must not set securityContext.seccompProfile.type to {}", quoted(&types))))
}

/// Kernel parameters that are of the Pod alone, and since which minor version they are allowed.
const SYSCTLS: &[(u32, &str)] = &[
    (0, "kernel.shm_rmid_forced"),
    (0, "net.ipv4.ip_local_port_range"),
    (0, "net.ipv4.tcp_syncookies"),
    (0, "net.ipv4.ping_group_range"),
    (0, "net.ipv4.ip_unprivileged_port_start"),
    (27, "net.ipv4.ip_local_reserved_ports"),
    (29, "net.ipv4.tcp_keepalive_time"),
    (29, "net.ipv4.tcp_fin_timeout"),
    (29, "net.ipv4.tcp_keepalive_intvl"),
    (29, "net.ipv4.tcp_keepalive_probes"),
    (32, "net.ipv4.tcp_rmem"),
    (32, "net.ipv4.tcp_wmem"),
];

pub(super) fn sysctls_1_0(pod: &PodView<'_>) -> Option<Refusal> {
    sysctls(pod, 0)
}

pub(super) fn sysctls_1_27(pod: &PodView<'_>) -> Option<Refusal> {
    sysctls(pod, 27)
}

pub(super) fn sysctls_1_29(pod: &PodView<'_>) -> Option<Refusal> {
    sysctls(pod, 29)
}

pub(super) fn sysctls_1_32(pod: &PodView<'_>) -> Option<Refusal> {
    sysctls(pod, 32)
}

fn sysctls(pod: &PodView<'_>, minor: u32) -> Option<Refusal> {
    let allowed = |name: &str| SYSCTLS.iter().any(|(since, sysctl)| *since <= minor && *sysctl == name);
    let set = pod.context("sysctls").as_array().into_iter().flatten().map(name);
    let forbidden: Vec<&str> = set.filter(|name| !allowed(name)).collect();
    (!forbidden.is_empty()).then(|| ("forbidden sysctls".to_owned(), forbidden.join(", ")))
}

pub(super) fn windows_host_process(pod: &PodView<'_>) -> Option<Refusal> {
    let names = pod.names(|container| container["securityContext"]["windowsOptions"]["hostProcess"] == true);
    let who = setters(pod.context("windowsOptions")["hostProcess"] == true, &names)?;
    Some(("hostProcess".to_owned(), format!("{who} must not set securityContext.windowsOptions.hostProcess=true")))
}

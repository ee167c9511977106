//! Security contexts of Pods and containers (`validatePodSpecSecurityContext`, `ValidateSecurityContext`), and what an operating system
//! has not (`validateLinux`, `validateWindows`).
//!
//! **Simplified here:** of Windows options only that they are used on Windows is checked.

use super::super::report::{Report, descending_path, flag, list, text};
use api::core::PodSpec;
use api::names;
use api::status::FieldError;
use serde_json::Value;
use std::collections::BTreeSet;

/// Longest path of a profile, without the final zero byte.
const MAX_PROFILE: usize = 4095;
const MAX_SYSCTL: usize = 253;

fn id(context: &Value, field: &str, path: &str, errors: &mut Vec<FieldError>) {
    if let Some(id) = context.get(field).and_then(Value::as_i64)
        && let Some(detail) = names::user_id(id)
    {
        errors.invalid_number(format!("{path}.{field}"), id, detail);
    }
}

fn one_of(context: &Value, field: &str, allowed: &[&str], path: &str, errors: &mut Vec<FieldError>) {
    if let Some(chosen) = context.get(field).and_then(Value::as_str).filter(|chosen| !allowed.contains(chosen)) {
        errors.not_supported(format!("{path}.{field}"), chosen, allowed);
    }
}

/// Appends what is wrong with the security context of a Pod.
pub(super) fn pod(spec: &PodSpec, path: &str, errors: &mut Vec<FieldError>) {
    let field = |name: &str| spec.rest.get(name) == Some(&Value::Bool(true));
    let own = format!("{path}.securityContext");
    if let Some(context) = spec.rest.get("securityContext") {
        for name in ["fsGroup", "runAsUser", "runAsGroup"] {
            id(context, name, &own, errors);
        }
        for (index, group) in list(context, "supplementalGroups").iter().enumerate() {
            if let Some(group) = group.as_i64()
                && let Some(detail) = names::user_id(group)
            {
                errors.invalid_number(format!("{own}.supplementalGroups[{index}]"), group, detail);
            }
        }
        sysctls(context, spec.host_network == Some(true), field("hostIPC"), &format!("{own}.sysctls"), errors);
        one_of(context, "fsGroupChangePolicy", &["Always", "OnRootMismatch"], &own, errors);
        seccomp(context, &own, errors);
        app_armor(context, &own, errors);
        one_of(context, "supplementalGroupsPolicy", &["Merge", "Strict"], &own, errors);
        one_of(context, "seLinuxChangePolicy", &["MountOption", "Recursive"], &own, errors);
    }
    if spec.share_process_namespace == Some(true) && field("hostPID") {
        let detail = "ShareProcessNamespace and HostPID cannot both be enabled";
        errors.invalid_json(format!("{own}.shareProcessNamespace"), &Value::Bool(true), detail);
    }
}

/// Appends what is wrong with the security context of a container; `own_users`: the Pod has a user namespace of its own.
pub(super) fn container(context: Option<&Value>, own_users: bool, path: &str, errors: &mut Vec<FieldError>) {
    let Some(context) = context else { return };
    id(context, "runAsUser", path, errors);
    id(context, "runAsGroup", path, errors);
    one_of(context, "procMount", &["Default", "Unmasked"], path, errors);
    if text(context, "procMount") == "Unmasked" && !own_users {
        errors.invalid(format!("{path}.procMount"), "Unmasked", "`hostUsers` must be false to use `Unmasked`");
    }
    seccomp(context, path, errors);
    if context.get("allowPrivilegeEscalation") == Some(&Value::Bool(false)) {
        if flag(context, "privileged") {
            errors.invalid_json(path, context, "cannot set `allowPrivilegeEscalation` to false and `privileged` to true");
        }
        let added = context.get("capabilities").map_or(&[][..], |capabilities| list(capabilities, "add"));
        for _ in added.iter().filter(|added| added.as_str() == Some("CAP_SYS_ADMIN")) {
            let detail = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN";
            errors.invalid_json(path, context, detail);
        }
    }
    app_armor(context, path, errors);
}

fn seccomp(context: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let Some(profile) = context.get("seccompProfile") else { return };
    let path = format!("{path}.seccompProfile");
    let kinds = ["Localhost", "RuntimeDefault", "Unconfined"];
    let kind = text(profile, "type");
    if kind.is_empty() {
        errors.required(format!("{path}.type"), "type is required when seccompProfile is set");
    } else if !kinds.contains(&kind) {
        errors.not_supported(format!("{path}.type"), kind, &kinds);
    }
    let own = format!("{path}.localhostProfile");
    match (kind, profile.get("localhostProfile").and_then(Value::as_str)) {
        ("Localhost", None) => errors.required(own, "must be set when seccomp type is Localhost"),
        ("Localhost", Some(file)) => descending_path(&own, file, errors),
        (_, Some(_)) => errors.invalid_json(own, profile, "can only be set when seccomp type is Localhost"),
        (_, None) => {}
    }
}

fn app_armor(context: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let Some(profile) = context.get("appArmorProfile") else { return };
    let path = format!("{path}.appArmorProfile");
    let own = format!("{path}.localhostProfile");
    let name = profile.get("localhostProfile").and_then(Value::as_str);
    let missing = "must be set when AppArmor type is Localhost";
    match (text(profile, "type"), name) {
        ("Localhost", None) => errors.required(own, missing),
        ("Localhost", Some(name)) => {
            if name.trim() != name {
                errors.invalid(&own, name, "must not be padded with whitespace");
            } else if name.is_empty() {
                errors.required(&own, missing);
            }
            if name.len() > MAX_PROFILE {
                errors.too_long(own, MAX_PROFILE);
            }
        }
        ("RuntimeDefault" | "Unconfined", Some(name)) => errors.invalid(own, name, "can only be set when AppArmor type is Localhost"),
        ("RuntimeDefault" | "Unconfined", None) => {}
        ("", _) => errors.required(format!("{path}.type"), "type is required when appArmorProfile is set"),
        (other, _) => errors.not_supported(format!("{path}.type"), other, &["Localhost", "RuntimeDefault", "Unconfined"]),
    }
}

/// Whether a text is the name of a kernel parameter: words of letters and digits, `-` and `_` inside, between dots or slashes.
fn is_sysctl(name: &str) -> bool {
    let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let word = |word: &str| {
        let inner = word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'));
        inner && edge(word.bytes().next()) && edge(word.bytes().last())
    };
    name.len() <= MAX_SYSCTL && name.split(['.', '/']).all(word)
}

/// Which namespace of a Pod a kernel parameter belongs to, as the start of its name tells.
fn sysctl_namespace(name: &str) -> Option<&'static str> {
    let name = name.replace('/', ".");
    let ipc = ["kernel.sem", "kernel.shm_rmid_forced", "kernel.shmmax", "kernel.shmall", "kernel.shmmni"];
    match name.as_str() {
        name if name.starts_with("net.") => Some("net"),
        name if name.starts_with("fs.mqueue.") || name.starts_with("kernel.msg") || ipc.contains(&name) => Some("ipc"),
        _ => None,
    }
}

fn sysctls(context: &Value, host_network: bool, host_ipc: bool, path: &str, errors: &mut Vec<FieldError>) {
    let mut seen = BTreeSet::new();
    for (index, one) in list(context, "sysctls").iter().enumerate() {
        let (name, path) = (text(one, "name"), format!("{path}[{index}].name"));
        if name.is_empty() {
            errors.required(&path, "");
        } else if !is_sysctl(name) {
            let form = r"^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";
            errors.invalid(&path, name, format!("must have at most {MAX_SYSCTL} characters and match regex {form}"));
        } else if seen.contains(name) {
            errors.duplicate(&path, name);
        }
        match sysctl_namespace(name) {
            Some("net") if host_network => errors.invalid(path, name, "may not be specified when 'hostNetwork' is true"),
            Some("ipc") if host_ipc => errors.invalid(path, name, "may not be specified when 'hostIPC' is true"),
            _ => {}
        }
        seen.insert(name);
    }
}

/// Appends what a Pod with a user namespace of its own must not share with the node (`validateHostUsers`).
pub(super) fn host_users(spec: &PodSpec, path: &str, errors: &mut Vec<FieldError>) {
    if spec.rest.get("hostUsers") != Some(&Value::Bool(false)) {
        return;
    }
    let set = |name: &str| spec.rest.get(name) == Some(&Value::Bool(true));
    for (field, shared) in [("hostNetwork", spec.host_network == Some(true)), ("HostPID", set("hostPID")), ("HostIPC", set("hostIPC"))] {
        if shared {
            errors.forbidden(format!("{path}.{field}"), "when `pod.Spec.HostUsers` is false");
        }
    }
}

/// What a Pod's security context may not have on Windows.
const NOT_ON_WINDOWS: [&str; 11] = [
    "appArmorProfile",
    "seLinuxOptions",
    "seccompProfile",
    "fsGroup",
    "fsGroupChangePolicy",
    "sysctls",
    "runAsUser",
    "runAsGroup",
    "supplementalGroups",
    "supplementalGroupsPolicy",
    "seLinuxChangePolicy",
];

/// What a container's security context may not have on Windows.
const NOT_IN_WINDOWS: [&str; 10] = [
    "appArmorProfile",
    "seLinuxOptions",
    "seccompProfile",
    "capabilities",
    "readOnlyRootFilesystem",
    "privileged",
    "allowPrivilegeEscalation",
    "procMount",
    "runAsUser",
    "runAsGroup",
];

/// Appends what is wrong with the operating system that a Pod asks for.
pub(super) fn operating_system(spec: &PodSpec, path: &str, errors: &mut Vec<FieldError>) {
    let Some(os) = spec.rest.get("os") else { return };
    let windows = match text(os, "name") {
        "" => return errors.required(format!("{path}.os.name"), "cannot be empty"),
        "linux" => false,
        "windows" => true,
        other => return errors.not_supported(format!("{path}.os"), other, &["linux", "windows"]),
    };
    let (detail, fields): (_, [&[&str]; 2]) = match windows {
        true => ("cannot be set for a windows pod", [&NOT_ON_WINDOWS, &NOT_IN_WINDOWS]),
        false => ("windows options cannot be set for a linux pod", [&["windowsOptions"], &["windowsOptions"]]),
    };
    let mut refuse = |context: Option<&Value>, fields: &[&str], path: String| {
        for field in fields.iter().filter(|field| context.is_some_and(|context| context.get(**field).is_some())) {
            errors.forbidden(format!("{path}.{field}"), detail);
        }
    };
    refuse(spec.rest.get("securityContext"), fields[0], format!("{path}.securityContext"));
    for (kind, containers) in [("initContainers", &spec.init_containers), ("containers", &spec.containers)] {
        for (index, one) in containers.iter().enumerate() {
            refuse(one.rest.get("securityContext"), fields[1], format!("{path}.{kind}[{index}].securityContext"));
        }
    }
    if windows {
        let set = |name: &str| spec.rest.get(name) == Some(&Value::Bool(true));
        for (field, set) in [
            ("hostUsers", spec.rest.get("hostUsers").is_some()),
            ("hostPID", set("hostPID")),
            ("hostIPC", set("hostIPC")),
            ("shareProcessNamespace", spec.share_process_namespace.is_some()),
        ] {
            if set {
                errors.forbidden(format!("{path}.{field}"), detail);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::json::decode;
    use serde_json::json;

    fn check(spec: Value) -> Vec<String> {
        let spec: PodSpec = decode(spec).unwrap();
        let mut errors = Vec::new();
        pod(&spec, "spec", &mut errors);
        host_users(&spec, "spec", &mut errors);
        operating_system(&spec, "spec", &mut errors);
        errors.iter().map(FieldError::to_string).collect()
    }

    #[test]
    fn kernel_parameters_of_shared_namespaces_are_refused() {
        let sysctls = json!([{"name": "net.core.somaxconn", "value": "1"}, {"name": "kernel.msgmax", "value": "1"}]);
        assert_eq!(
            check(json!({"hostNetwork": true, "securityContext": {"sysctls": sysctls}})),
            [
                "spec.securityContext.sysctls[0].name: Invalid value: \"net.core.somaxconn\": may not be specified when 'hostNetwork' is true"
            ]
        );
        assert!(is_sysctl("net/ipv4/conf.eth0-1.x") && !is_sysctl("_a") && !is_sysctl("a..b") && !is_sysctl("A"));
    }

    #[test]
    fn a_profile_of_the_node_must_be_named() {
        let profile = json!({"securityContext": {"seccompProfile": {"type": "Localhost"}}});
        let expected = "spec.securityContext.seccompProfile.localhostProfile: Required value: must be set when seccomp type is Localhost";
        assert_eq!(check(profile), [expected]);
    }

    #[test]
    fn windows_has_no_users_by_number() {
        let spec = json!({"os": {"name": "windows"}, "securityContext": {"runAsUser": 1}});
        assert_eq!(check(spec), ["spec.securityContext.runAsUser: Forbidden: cannot be set for a windows pod"]);
    }
}

//! The environment of a container and `$(NAME)` in its command (`makeEnvironmentVariables`, `expansion.Expand`, `fieldpath`).

use crate::volumes::Objects;
use api::core::{Container, EnvVar, EnvVarSource, ObjectFieldSelector, Pod, ResourceFieldSelector};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What the environment of a container is made from.
pub(crate) struct Source<'a> {
    pub(crate) pod: &'a Pod,
    pub(crate) pod_ip: &'a str,
    pub(crate) host_ip: &'a str,
    /// What limits default to: the node's CPU in thousandths and its memory in bytes.
    pub(crate) node_cpu_milli: i64,
    pub(crate) node_memory_bytes: i64,
    pub(crate) objects: &'a Objects,
}

/// The environment of a container, in the order in which it is set. `links` are the variables of Services, which its own hide.
///
/// # Errors
/// The message of `CreateContainerConfigError`, for example `configmap "settings" not found`.
pub(crate) fn environment(
    container: &Container,
    source: &Source<'_>,
    links: Vec<(String, String)>,
) -> Result<Vec<(String, String)>, String> {
    let mut env: Vec<(String, String)> = vec![
        ("PATH".into(), "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into()),
        ("HOSTNAME".into(), hostname(source.pod)),
        ("HOME".into(), "/root".into()),
    ];
    let set = |env: &mut Vec<(String, String)>, name: &str, value: String| match env.iter_mut().find(|(key, _)| key == name) {
        Some((_, old)) => *old = value,
        None => env.push((name.to_owned(), value)),
    };
    let linked: BTreeMap<String, String> = links.iter().cloned().collect();
    env.extend(links);
    let mut declared: BTreeMap<String, String> = BTreeMap::new();
    for from in &container.env_from {
        let data = match (&from.config_map_ref, &from.secret_ref) {
            (Some(map), _) => source.objects.config_map_data(&map.name, map.optional == Some(true))?,
            (_, Some(secret)) => source.objects.secret_data(&secret.name, secret.optional == Some(true))?,
            _ => continue,
        };
        for (key, value) in data {
            let name = format!("{}{key}", from.prefix);
            declared.insert(name.clone(), value.clone());
            set(&mut env, &name, value);
        }
    }
    for variable in &container.env {
        let lookup = |name: &str| declared.get(name).or_else(|| linked.get(name)).cloned();
        if let Some(value) = value_of(variable, container, source, lookup)? {
            declared.insert(variable.name.clone(), value.clone());
            set(&mut env, &variable.name, value);
        }
    }
    Ok(env)
}

fn value_of(
    variable: &EnvVar,
    container: &Container,
    source: &Source<'_>,
    lookup: impl Fn(&str) -> Option<String>,
) -> Result<Option<String>, String> {
    let Some(from) = &variable.value_from else {
        return Ok(Some(expand(&variable.value, lookup)));
    };
    match from {
        EnvVarSource { field_ref: Some(field), .. } => field_value(field, source).map(Some),
        EnvVarSource { resource_field_ref: Some(resource), .. } => resource_value(resource, container, source).map(Some),
        EnvVarSource { config_map_key_ref: Some(key), .. } => {
            source.objects.config_map_key(&key.name, &key.key, key.optional == Some(true), &source.pod.metadata.namespace)
        }
        EnvVarSource { secret_key_ref: Some(key), .. } => {
            source.objects.secret_key(&key.name, &key.key, key.optional == Some(true), &source.pod.metadata.namespace)
        }
        _ => Ok(Some(String::new())),
    }
}

/// The host name of a Pod's containers.
pub(crate) fn hostname(pod: &Pod) -> String {
    let name = if pod.spec.hostname.is_empty() { &pod.metadata.name } else { &pod.spec.hostname };
    name.chars().take(63).collect::<String>().trim_end_matches(['-', '.']).to_owned()
}

/// The value of a field of the Pod (`fieldpath.ExtractFieldPathAsString` and `podFieldSelectorRuntimeValue`).
///
/// # Errors
/// Upstream's message when there is no such field.
pub(crate) fn field_value(field: &ObjectFieldSelector, source: &Source<'_>) -> Result<String, String> {
    let meta = &source.pod.metadata;
    let path = field.field_path.as_str();
    if let Some((map, key)) = path.strip_suffix(']').and_then(|path| path.split_once("['")) {
        let key = key.trim_end_matches('\'');
        return match map {
            "metadata.annotations" => Ok(meta.annotations.get(key).cloned().unwrap_or_default()),
            "metadata.labels" => Ok(meta.labels.get(key).cloned().unwrap_or_default()),
            _ => Err(format!("fieldPath {path:?} does not support subscript")),
        };
    }
    Ok(match path {
        "metadata.name" => meta.name.clone(),
        "metadata.namespace" => meta.namespace.clone(),
        "metadata.uid" => meta.uid.clone(),
        "metadata.labels" => format_map(&meta.labels),
        "metadata.annotations" => format_map(&meta.annotations),
        "spec.nodeName" => source.pod.spec.node_name.clone(),
        "spec.serviceAccountName" => match source.pod.spec.service_account_name.as_str() {
            "" => "default".to_owned(),
            name => name.to_owned(),
        },
        "status.hostIP" | "status.hostIPs" => source.host_ip.to_owned(),
        "status.podIP" | "status.podIPs" => source.pod_ip.to_owned(),
        _ => return Err(format!("unsupported fieldPath: {path}")),
    })
}

/// A map as a downward API file shows it: one `key="value"` per line (`FormatMap`).
fn format_map(map: &BTreeMap<String, String>) -> String {
    let mut text = String::new();
    for (key, value) in map {
        let _ = writeln!(text, "{key}={value:?}");
    }
    text.trim_end_matches('\n').to_owned()
}

/// The value of a resource of a container (`resource.ExtractContainerResourceValue`); limits default to the node's.
///
/// # Errors
/// Upstream's message when there is no such container or resource.
pub(crate) fn resource_value(resource: &ResourceFieldSelector, own: &Container, source: &Source<'_>) -> Result<String, String> {
    let container = match resource.container_name.as_str() {
        "" => own,
        name => {
            let all = source.pod.spec.containers.iter().chain(&source.pod.spec.init_containers);
            all.into_iter().find(|container| container.name == name).ok_or_else(|| format!("container {name} not found"))?
        }
    };
    let (list, name) = match resource.resource.split_once('.') {
        Some(("limits", name)) => (&container.resources.limits, name),
        Some(("requests", name)) => (&container.resources.requests, name),
        _ => return Err(format!("unsupported container resource : {}", resource.resource)),
    };
    let limits = resource.resource.starts_with("limits");
    let quantity = list.get(name);
    let ceil = |amount: i64, divisor: i64| (amount.max(0) as u64).div_ceil(divisor.max(1) as u64).to_string();
    Ok(if name == "cpu" {
        let divisor = resource.divisor.as_ref().map_or(1000, |divisor| divisor.milli_value()).max(1);
        let default = if limits { source.node_cpu_milli } else { 0 };
        ceil(quantity.map_or(default, |quantity| quantity.milli_value()), if divisor == 0 { 1000 } else { divisor })
    } else {
        let divisor = resource.divisor.as_ref().map_or(1, |divisor| divisor.value()).max(1);
        let default = if limits && name == "memory" { source.node_memory_bytes } else { 0 };
        ceil(quantity.map_or(default, |quantity| quantity.value()), divisor)
    })
}

/// Replaces `$(NAME)` by what `lookup` knows; `$$` stands for a dollar, unknown names stay as they are.
pub fn expand(text: &str, lookup: impl Fn(&str) -> Option<String>) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        result.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            result.push('$');
            rest = after;
        } else if let Some((name, after)) = rest.strip_prefix('(').and_then(|inner| inner.split_once(')')) {
            match lookup(name) {
                Some(value) => result.push_str(&value),
                None => {
                    let _ = write!(result, "$({name})");
                }
            }
            rest = after;
        } else {
            result.push('$');
        }
    }
    result.push_str(rest);
    result
}

/// The `/etc/hosts` of a Pod's containers (`managedHostsFileContent`).
pub(crate) fn hosts_file(pod: &Pod, ip: &str) -> String {
    let mut text = "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n\
         fe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n"
        .to_owned();
    text.push_str(&format!("{ip}\t{}\n", hostname(pod)));
    if !pod.spec.host_aliases.is_empty() {
        text.push_str("\n# Entries added by HostAliases.\n");
    }
    for alias in &pod.spec.host_aliases {
        text.push_str(&format!("{}\t{}\n", alias.ip, alias.hostnames.join("\t")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_expanded_as_upstream_does() {
        let lookup = |name: &str| (name == "A").then(|| "1".to_owned());
        for (text, expanded) in [("$(A)-$(A)", "1-1"), ("$$(A)", "$(A)"), ("$(B)", "$(B)"), ("$A $", "$A $"), ("$(A", "$(A")] {
            assert_eq!(expand(text, lookup), expanded);
        }
    }
}

//! Validation of Pod specs, of Pods and of templates (`ValidatePodSpec` of `pkg/apis/core/validation/validation.go`): what is checked
//! in which order. One file for each part.
//!
//! **Simplified here:** the rules of fields that came after v1.34 and that nothing simulates (`podCertificate`, `hostnameOverride`,
//! restart rules of containers) are not checked.

mod affinity;
mod environment;
mod mounts;
mod probes;
pub(super) mod resources;
mod security;
pub(super) mod sources;
mod volumes;

pub(super) use affinity::{node_selector, tolerations};
pub(super) use probes::port;

use super::report::{Report, list, text};
use super::{claim, meta, pod_annotations};
use api::core::{Container, ContainerPort, PodSpec};
use api::json::{Json, decode};
use api::meta::ObjectMeta;
use api::names;
use api::status::FieldError;
use serde_json::Value;
use std::collections::BTreeSet;

/// Limits of the C library's resolver.
const MAX_NAMESERVERS: usize = 3;
const MAX_SEARCHES: usize = 32;
const MAX_SEARCH_CHARACTERS: usize = 2048;

/// What the containers of a Pod have in common.
struct Around<'a> {
    volumes: volumes::Known<'a>,
    claims: BTreeSet<&'a str>,
    /// The Pod's grace period in seconds.
    grace: Option<i64>,
    /// Whether nothing is started again.
    never: bool,
    /// Whether the Pod has a user namespace of its own.
    own_users: bool,
}

/// Appends what is wrong with the spec of a Pod (`validatePodMetadataAndSpec`).
pub(super) fn pod(metadata: &ObjectMeta, spec: &PodSpec, errors: &mut Vec<FieldError>) {
    pod_annotations::annotations(&metadata.annotations, spec, "metadata.annotations", errors);
    check(spec, Some(metadata), "spec", errors);
    if spec.service_account_name.is_empty() {
        for (index, volume) in spec.volumes.iter().enumerate() {
            let sources = volume.projected.iter().flat_map(|projected| &projected.sources).enumerate();
            for (place, _) in sources.filter(|(_, source)| source.service_account_token.is_some()) {
                let path = format!("spec.volumes[{index}].projected.sources[{place}].serviceAccountToken");
                errors.forbidden(path, "must not be specified when serviceAccountName is not set");
            }
        }
    }
    for (kind, containers) in [("containers", &spec.containers), ("initContainers", &spec.init_containers)] {
        for (index, one) in containers.iter().enumerate().filter(|(_, one)| one.image.trim() != one.image) {
            errors.invalid(format!("spec.{kind}[{index}].image"), &one.image, "must not have leading or trailing whitespace");
        }
    }
}

/// Appends what is wrong with the spec in a template.
pub(super) fn pod_spec(spec: &PodSpec, path: &str, errors: &mut Vec<FieldError>) {
    check(spec, None, path, errors);
    if !spec.ephemeral_containers.is_empty() {
        errors.forbidden(format!("{path}.ephemeralContainers"), "ephemeral containers not allowed in pod template");
    }
}

fn check(spec: &PodSpec, pod: Option<&ObjectMeta>, path: &str, errors: &mut Vec<FieldError>) {
    let around = Around {
        volumes: volumes::volumes(&spec.volumes, pod, &format!("{path}.volumes"), errors),
        claims: resources::pod_claims(spec.rest.get("resourceClaims"), &format!("{path}.resourceClaims"), errors),
        grace: spec.termination_grace_period_seconds,
        never: spec.restart_policy == "Never",
        own_users: spec.rest.get("hostUsers") == Some(&Value::Bool(false)),
    };
    containers(spec, &around, path, errors);
    init_containers(spec, &around, path, errors);
    ephemeral_containers(spec, &around, path, errors);
    host_network_ports(spec, pod.is_some(), path, errors);
    errors.choice(format!("{path}.restartPolicy"), &spec.restart_policy, &["Always", "OnFailure", "Never"]);
    let policies = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    errors.choice(format!("{path}.dnsPolicy"), &spec.dns_policy, &policies);
    meta::labels(&spec.node_selector, &format!("{path}.nodeSelector"), errors);
    security::pod(spec, path, errors);
    for (index, secret) in spec.image_pull_secrets.iter().map(Json::to_json).enumerate() {
        if secret.as_object().is_some_and(|fields| fields.keys().any(|field| field != "name")) {
            errors.invalid_json(format!("{path}.imagePullSecrets[{index}]"), &secret, "only name may be set");
        }
    }
    affinity::affinity(spec, &format!("{path}.affinity"), errors);
    dns_config(spec, &format!("{path}.dnsConfig"), errors);
    gates(spec, path, errors);
    affinity::topology_spread(spec, &format!("{path}.topologySpreadConstraints"), errors);
    security::host_users(spec, path, errors);
    scalars(spec, path, errors);
    tolerations(&spec.tolerations, &format!("{path}.tolerations"), errors);
    for (index, alias) in spec.host_aliases.iter().enumerate() {
        let path = format!("{path}.hostAliases[{index}]");
        errors.malformed(&format!("{path}.ip"), &alias.ip, names::ip(&alias.ip));
        for (at, name) in alias.hostnames.iter().enumerate() {
            errors.subdomain(&format!("{path}.hostnames[{at}]"), name);
        }
    }
    if !spec.overhead.is_empty() {
        resources::overhead(&spec.overhead, &format!("{path}.overhead"), errors);
    }
    security::operating_system(spec, path, errors);
}

/// Names, numbers and words of the spec itself.
fn scalars(spec: &PodSpec, path: &str, errors: &mut Vec<FieldError>) {
    let runtime_class = spec.rest.get("runtimeClassName").and_then(Value::as_str);
    for (field, name) in [
        ("serviceAccountName", spec.service_account_name.as_str()),
        ("nodeName", &spec.node_name),
        ("priorityClassName", &spec.priority_class_name),
    ] {
        if !name.is_empty() {
            errors.subdomain(&format!("{path}.{field}"), name);
        }
    }
    if let Some(class) = runtime_class {
        errors.subdomain(&format!("{path}.runtimeClassName"), class);
    }
    if let Some(deadline) = spec.active_deadline_seconds {
        errors.within(format!("{path}.activeDeadlineSeconds"), deadline, 1, i64::from(i32::MAX));
    }
    for (field, name) in [("hostname", &spec.hostname), ("subdomain", &spec.subdomain)] {
        if !name.is_empty() {
            errors.label(&format!("{path}.{field}"), name);
        }
    }
    if let Some(policy) = &spec.preemption_policy {
        errors.choice(format!("{path}.preemptionPolicy"), policy, &["PreemptLowerPriority", "Never"]);
    }
}

fn containers(spec: &PodSpec, around: &Around<'_>, path: &str, errors: &mut Vec<FieldError>) {
    let path = format!("{path}.containers");
    if spec.containers.is_empty() {
        return errors.required(path, "");
    }
    let mut seen = BTreeSet::new();
    for (index, one) in spec.containers.iter().enumerate() {
        let path = format!("{path}[{index}]");
        container(one, around, &path, errors);
        if !seen.insert(one.name.as_str()) {
            errors.duplicate(format!("{path}.name"), &one.name);
        }
        probes::probes(one, around.grace, &path, errors);
        restart_policy(one, &path, errors);
    }
    host_ports(spec.containers.iter().enumerate(), &path, errors);
}

fn init_containers(spec: &PodSpec, around: &Around<'_>, path: &str, errors: &mut Vec<FieldError>) {
    let path = format!("{path}.initContainers");
    let mut seen: BTreeSet<&str> = spec.containers.iter().map(|container| container.name.as_str()).collect();
    for (index, one) in spec.init_containers.iter().enumerate() {
        let own = format!("{path}[{index}]");
        container(one, around, &own, errors);
        restart_policy(one, &own, errors);
        if !one.name.is_empty() && !seen.insert(&one.name) {
            errors.duplicate(format!("{own}.name"), &one.name);
        }
        // They run one after the other: only the ports of each by itself collide, and upstream counts each as the first.
        host_ports(std::iter::once((0, one)), &path, errors);
        if one.restart_policy.as_deref() == Some("Always") {
            probes::probes(one, around.grace, &own, errors);
        } else {
            probes::none(one, &own, errors);
        }
    }
}

/// When a container itself is started again, whatever holds for the Pod; every container may say since v1.35.
fn restart_policy(container: &Container, path: &str, errors: &mut Vec<FieldError>) {
    let policies = ["Always", "Never", "OnFailure"];
    if let Some(policy) = container.restart_policy.as_deref().filter(|policy| !policies.contains(policy)) {
        errors.not_supported(format!("{path}.restartPolicy"), policy, &policies);
    }
}

/// What a container for looking into a Pod may have (`allowedEphemeralContainerFields`).
const EPHEMERAL_FIELDS: [&str; 18] = [
    "name",
    "image",
    "command",
    "args",
    "workingDir",
    "envFrom",
    "env",
    "volumeMounts",
    "volumeDevices",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "imagePullPolicy",
    "securityContext",
    "stdin",
    "stdinOnce",
    "tty",
    "targetContainerName",
    "resources",
];

fn ephemeral_containers(spec: &PodSpec, around: &Around<'_>, path: &str, errors: &mut Vec<FieldError>) {
    let path = format!("{path}.ephemeralContainers");
    let others: BTreeSet<&str> = spec.containers.iter().chain(&spec.init_containers).map(|container| container.name.as_str()).collect();
    let mut seen = others.clone();
    let given: Vec<Value> = spec.ephemeral_containers.iter().map(Json::to_json).collect();
    for (index, json) in given.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let one: Container = decode(json.clone()).unwrap_or_default();
        container(&one, around, &path, errors);
        if one.image.trim() != one.image {
            errors.invalid(format!("{path}.image"), &one.image, "must not have leading or trailing whitespace");
        }
        if !seen.insert(text(json, "name")) {
            errors.duplicate(format!("{path}.name"), &one.name);
        }
        let target = text(json, "targetContainerName");
        if !target.is_empty() && !others.contains(target) {
            errors.not_found(format!("{path}.targetContainerName"), target);
        }
        let set = json.as_object().into_iter().flatten().filter(|(field, value)| match field.as_str() {
            "resources" => value.as_object().is_some_and(|amounts| !amounts.is_empty()),
            field => !EPHEMERAL_FIELDS.contains(&field),
        });
        for (field, _) in set {
            errors.forbidden(format!("{path}.{field}"), "cannot be set for an Ephemeral Container");
        }
        for (at, mount) in list(json, "volumeMounts").iter().enumerate() {
            for field in ["subPath", "subPathExpr"].into_iter().filter(|field| !text(mount, field).is_empty()) {
                errors.forbidden(format!("{path}.volumeMounts[{at}].{field}"), "cannot be set for an Ephemeral Container");
            }
        }
    }
}

/// What holds for containers of all sorts (`validateContainerCommon`).
fn container(container: &Container, around: &Around<'_>, path: &str, errors: &mut Vec<FieldError>) {
    let name = format!("{path}.name");
    if container.name.is_empty() {
        errors.required(name, "");
    } else {
        errors.label(&name, &container.name);
    }
    if container.image.is_empty() {
        errors.required(format!("{path}.image"), "");
    }
    let policies = ["File", "FallbackToLogsOnError"];
    errors.choice(format!("{path}.terminationMessagePolicy"), &container.termination_message_policy, &policies);
    ports(&container.ports, &format!("{path}.ports"), errors);
    environment::environment(container, path, errors);
    mounts::mounts(container, &around.volumes, path, errors);
    errors.choice(format!("{path}.imagePullPolicy"), &container.image_pull_policy, &["Always", "IfNotPresent", "Never"]);
    resources::requirements(&container.resources, &around.claims, &format!("{path}.resources"), errors);
    resources::resize_policy(&container.resize_policy, around.never, &format!("{path}.resizePolicy"), errors);
    security::container(container.rest.get("securityContext"), around.own_users, &format!("{path}.securityContext"), errors);
}

fn ports(ports: &[ContainerPort], path: &str, errors: &mut Vec<FieldError>) {
    let mut seen = BTreeSet::new();
    for (index, port) in ports.iter().enumerate() {
        let path = format!("{path}[{index}]");
        if !port.name.is_empty() {
            let wrong = names::port_name(&port.name);
            if wrong.is_empty() && !seen.insert(port.name.as_str()) {
                errors.duplicate(format!("{path}.name"), &port.name);
            }
            errors.malformed(&format!("{path}.name"), &port.name, wrong);
        }
        if port.container_port == 0 {
            errors.required(format!("{path}.containerPort"), "");
        } else if let Some(detail) = names::port_number(port.container_port) {
            errors.invalid_number(format!("{path}.containerPort"), port.container_port, detail);
        }
        if let Some(number) = port.host_port.filter(|&number| number != 0)
            && let Some(detail) = names::port_number(number)
        {
            errors.invalid_number(format!("{path}.hostPort"), number, detail);
        }
        errors.choice(format!("{path}.protocol"), &port.protocol, &["SCTP", "TCP", "UDP"]);
    }
}

/// Two containers that run side by side cannot have the same port of the node (`AccumulateUniqueHostPorts`).
fn host_ports<'a>(containers: impl Iterator<Item = (usize, &'a Container)>, path: &str, errors: &mut Vec<FieldError>) {
    let mut seen = BTreeSet::new();
    for (index, container) in containers {
        for (at, port) in container.ports.iter().enumerate().filter(|(_, port)| port.host_port.unwrap_or(0) != 0) {
            let address = port.rest.get("hostIP").and_then(Value::as_str).unwrap_or_default();
            let key = format!("{}/{address}/{}", port.protocol, port.host_port.unwrap_or(0));
            if seen.contains(&key) {
                errors.duplicate(format!("{path}[{index}].ports[{at}].hostPort"), &key);
            }
            seen.insert(key);
        }
    }
}

/// On the node's network a port is that of the node (`validatePodHostNetworkDeps`); a template may leave it out.
fn host_network_ports(spec: &PodSpec, is_pod: bool, path: &str, errors: &mut Vec<FieldError>) {
    if spec.host_network != Some(true) {
        return;
    }
    for (index, container) in spec.containers.iter().enumerate() {
        for (at, port) in container.ports.iter().enumerate() {
            let number = port.host_port.unwrap_or(0);
            if (is_pod || number != 0) && number != port.container_port {
                let path = format!("{path}.containers[{index}].ports[{at}].hostPort");
                errors.invalid_number(path, number, "must match `containerPort` when `hostNetwork` is true");
            }
        }
    }
}

fn gates(spec: &PodSpec, path: &str, errors: &mut Vec<FieldError>) {
    for (index, gate) in spec.readiness_gates.iter().enumerate() {
        errors.qualified(&format!("{path}.readinessGates[{index}].conditionType"), &gate.condition_type);
    }
    let mut seen = BTreeSet::new();
    for (index, gate) in spec.scheduling_gates.iter().enumerate() {
        let path = format!("{path}.schedulingGates[{index}]");
        errors.qualified(&path, &gate.name);
        if !seen.insert(&gate.name) {
            errors.duplicate(path, &gate.name);
        }
    }
}

fn dns_config(spec: &PodSpec, path: &str, errors: &mut Vec<FieldError>) {
    let config = spec.rest.get("dnsConfig");
    let servers = config.map_or(&[][..], |config| list(config, "nameservers"));
    if spec.dns_policy == "None" {
        if config.is_none() {
            return errors.required(path, "must provide `dnsConfig` when `dnsPolicy` is None");
        }
        if servers.is_empty() {
            return errors.required(format!("{path}.nameservers"), "must provide at least one DNS nameserver when `dnsPolicy` is None");
        }
    }
    let Some(config) = config else { return };
    if servers.len() > MAX_NAMESERVERS {
        let detail = format!("must not have more than {MAX_NAMESERVERS} nameservers");
        errors.invalid_json(format!("{path}.nameservers"), &config["nameservers"], detail);
    }
    for (index, server) in servers.iter().enumerate() {
        let server = server.as_str().unwrap_or_default();
        errors.malformed(&format!("{path}.nameservers[{index}]"), server, names::ip(server));
    }
    let searches: Vec<&str> = list(config, "searches").iter().filter_map(Value::as_str).collect();
    if searches.len() > MAX_SEARCHES {
        let detail = format!("must not have more than {MAX_SEARCHES} search paths");
        errors.invalid_json(format!("{path}.searches"), &config["searches"], detail);
    }
    if searches.join(" ").len() > MAX_SEARCH_CHARACTERS {
        let detail = format!("must not have more than {MAX_SEARCH_CHARACTERS} characters (including spaces) in the search list");
        errors.invalid_json(format!("{path}.searches"), &config["searches"], detail);
    }
    for (index, search) in searches.iter().enumerate().filter(|(_, search)| **search != ".") {
        let search = search.strip_suffix('.').unwrap_or(search);
        errors.malformed(&format!("{path}.searches[{index}]"), search, names::dns1123_subdomain_with_underscore(search));
    }
    for (index, _) in list(config, "options").iter().enumerate().filter(|(_, option)| text(option, "name").is_empty()) {
        errors.required(format!("{path}.options[{index}]"), "must not be empty");
    }
}

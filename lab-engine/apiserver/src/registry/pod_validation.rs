//! Validation of Pod specs (`pkg/apis/core/validation/validation.go`).
//!
//! **Simplified here:** topology spread and volume sources that are not simulated are not checked; affinity and what has no struct: see
//! `more_checks`.

use super::meta;
use api::core::{Container, ContainerPort, EnvVar, PodSpec, Probe, ResourceRequirements, Volume};
use api::intstr::IntOrString;
use api::names;
use api::status::{FieldError, FieldErrorKind};
use std::collections::BTreeSet;

/// Appends what is wrong with a Pod spec.
pub(super) fn pod_spec(spec: &PodSpec, path: &str, errors: &mut Vec<FieldError>) {
    let volumes = volumes(&spec.volumes, &format!("{path}.volumes"), errors);
    if spec.containers.is_empty() {
        errors.push(FieldError::required(format!("{path}.containers"), ""));
    }
    let mut seen = BTreeSet::new();
    for (kind, containers) in [("initContainers", &spec.init_containers), ("containers", &spec.containers)] {
        for (index, one) in containers.iter().enumerate() {
            let path = format!("{path}.{kind}[{index}]");
            if !one.name.is_empty() && !seen.insert(one.name.as_str()) {
                errors.push(FieldError::new(FieldErrorKind::Duplicate, format!("{path}.name"), format!("{:?}", one.name), ""));
            }
            container(one, kind == "initContainers", &volumes, &path, errors);
        }
    }
    if spec.restart_policy.is_empty() {
        errors.push(FieldError::required(format!("{path}.restartPolicy"), ""));
    } else {
        one_of(&spec.restart_policy, &["Always", "OnFailure", "Never"], format!("{path}.restartPolicy"), errors);
    }
    one_of(&spec.dns_policy, &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"], format!("{path}.dnsPolicy"), errors);
    meta::labels(&spec.node_selector, &format!("{path}.nodeSelector"), errors);
    meta::non_negative(spec.termination_grace_period_seconds, format!("{path}.terminationGracePeriodSeconds"), errors);
    if let Some(deadline) = spec.active_deadline_seconds.filter(|deadline| !(1..=i64::from(i32::MAX)).contains(deadline)) {
        let detail = "must be between 1 and 2147483647, inclusive";
        errors.push(FieldError::invalid_number(format!("{path}.activeDeadlineSeconds"), deadline, detail));
    }
    for (field, name) in [
        ("serviceAccountName", &spec.service_account_name),
        ("nodeName", &spec.node_name),
        ("priorityClassName", &spec.priority_class_name),
    ] {
        if !name.is_empty() {
            let wrong = names::dns1123_subdomain(name).into_iter();
            errors.extend(wrong.map(|detail| FieldError::invalid(format!("{path}.{field}"), name, detail)));
        }
    }
    for (field, name) in [("hostname", &spec.hostname), ("subdomain", &spec.subdomain)] {
        if !name.is_empty() {
            let wrong = names::dns1123_label(name).into_iter();
            errors.extend(wrong.map(|detail| FieldError::invalid(format!("{path}.{field}"), name, detail)));
        }
    }
    tolerations(spec, path, errors);
    super::more_checks::pod_spec(spec, path, errors);
}

fn one_of(value: &str, allowed: &[&str], path: String, errors: &mut Vec<FieldError>) {
    if !value.is_empty() && !allowed.contains(&value) {
        errors.push(FieldError::not_supported(path, value, allowed));
    }
}

fn tolerations(spec: &PodSpec, path: &str, errors: &mut Vec<FieldError>) {
    for (index, toleration) in spec.tolerations.iter().enumerate() {
        let path = format!("{path}.tolerations[{index}]");
        if !toleration.key.is_empty() {
            let wrong = names::qualified_name(&toleration.key).into_iter();
            errors.extend(wrong.map(|detail| FieldError::invalid(format!("{path}.key"), &toleration.key, detail)));
        }
        if toleration.key.is_empty() && toleration.operator != "Exists" {
            let detail = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
            errors.push(FieldError::invalid(format!("{path}.operator"), &toleration.operator, detail));
        }
        if toleration.toleration_seconds.is_some() && toleration.effect != "NoExecute" {
            let detail = "effect must be 'NoExecute' when `tolerationSeconds` is set";
            errors.push(FieldError::invalid(format!("{path}.effect"), &toleration.effect, detail));
        }
        match toleration.operator.as_str() {
            "" | "Equal" | "Lt" | "Gt" => {}
            "Exists" if !toleration.value.is_empty() => {
                let detail = "value must be empty when `operator` is 'Exists'";
                errors.push(FieldError::invalid(format!("{path}.operator"), &toleration.value, detail));
            }
            other => one_of(other, &["Equal", "Exists"], format!("{path}.operator"), errors),
        }
        one_of(&toleration.effect, &["NoSchedule", "PreferNoSchedule", "NoExecute"], format!("{path}.effect"), errors);
    }
}

fn volumes<'a>(volumes: &'a [Volume], path: &str, errors: &mut Vec<FieldError>) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    for (index, volume) in volumes.iter().enumerate() {
        let path = format!("{path}[{index}]");
        if volume.name.is_empty() {
            errors.push(FieldError::required(format!("{path}.name"), ""));
        } else {
            let wrong = names::dns1123_label(&volume.name).into_iter();
            errors.extend(wrong.map(|detail| FieldError::invalid(format!("{path}.name"), &volume.name, detail)));
            if !seen.insert(volume.name.as_str()) {
                errors.push(FieldError::new(FieldErrorKind::Duplicate, format!("{path}.name"), format!("{:?}", volume.name), ""));
            }
        }
        if volume.config_map.as_ref().is_some_and(|source| source.name.is_empty()) {
            errors.push(FieldError::required(format!("{path}.configMap.name"), ""));
        }
        if volume.secret.as_ref().is_some_and(|source| source.secret_name.is_empty()) {
            errors.push(FieldError::required(format!("{path}.secret.secretName"), ""));
        }
        if volume.host_path.as_ref().is_some_and(|source| source.path.is_empty()) {
            errors.push(FieldError::required(format!("{path}.hostPath.path"), ""));
        }
    }
    seen
}

fn container(container: &Container, init: bool, volumes: &BTreeSet<&str>, path: &str, errors: &mut Vec<FieldError>) {
    if container.name.is_empty() {
        errors.push(FieldError::required(format!("{path}.name"), ""));
    } else {
        let wrong = names::dns1123_label(&container.name).into_iter();
        errors.extend(wrong.map(|detail| FieldError::invalid(format!("{path}.name"), &container.name, detail)));
    }
    if container.image.is_empty() {
        errors.push(FieldError::required(format!("{path}.image"), ""));
    } else if container.image.trim() != container.image {
        let detail = "must not have leading or trailing whitespace";
        errors.push(FieldError::invalid(format!("{path}.image"), &container.image, detail));
    }
    one_of(&container.image_pull_policy, &["Always", "IfNotPresent", "Never"], format!("{path}.imagePullPolicy"), errors);
    let policies = ["File", "FallbackToLogsOnError"];
    one_of(&container.termination_message_policy, &policies, format!("{path}.terminationMessagePolicy"), errors);
    ports(&container.ports, &format!("{path}.ports"), errors);
    environment(container, path, errors);
    mounts(container, volumes, path, errors);
    resources(&container.resources, &format!("{path}.resources"), errors);
    let sidecar = container.restart_policy.as_deref() == Some("Always");
    for (field, one) in [
        ("livenessProbe", &container.liveness_probe),
        ("readinessProbe", &container.readiness_probe),
        ("startupProbe", &container.startup_probe),
    ] {
        let Some(one) = one else { continue };
        if init && !sidecar {
            let detail = "must not be set for init containers without restartPolicy=Always";
            errors.push(FieldError::forbidden(format!("{path}.{field}"), detail));
        } else {
            probe(one, &format!("{path}.{field}"), field != "readinessProbe", errors);
        }
    }
    if init && !sidecar && container.lifecycle.is_some() {
        errors.push(FieldError::forbidden(format!("{path}.lifecycle"), "must not be set for init containers without restartPolicy=Always"));
    }
}

fn ports(ports: &[ContainerPort], path: &str, errors: &mut Vec<FieldError>) {
    let mut seen = BTreeSet::new();
    for (index, port) in ports.iter().enumerate() {
        let path = format!("{path}[{index}]");
        if !port.name.is_empty() {
            let wrong = names::port_name(&port.name);
            if wrong.is_empty() && !seen.insert(port.name.as_str()) {
                errors.push(FieldError::new(FieldErrorKind::Duplicate, format!("{path}.name"), format!("{:?}", port.name), ""));
            }
            errors.extend(wrong.into_iter().map(|detail| FieldError::invalid(format!("{path}.name"), &port.name, detail)));
        }
        if port.container_port == 0 {
            errors.push(FieldError::required(format!("{path}.containerPort"), ""));
        } else if let Some(detail) = names::port_number(port.container_port) {
            errors.push(FieldError::invalid_number(format!("{path}.containerPort"), port.container_port.into(), detail));
        }
        if let Some(number) = port.host_port.filter(|&number| number != 0)
            && let Some(detail) = names::port_number(number)
        {
            errors.push(FieldError::invalid_number(format!("{path}.hostPort"), number.into(), detail));
        }
        one_of(&port.protocol, &["SCTP", "TCP", "UDP"], format!("{path}.protocol"), errors);
    }
}

fn environment(container: &Container, path: &str, errors: &mut Vec<FieldError>) {
    for (index, variable) in container.env.iter().enumerate() {
        let path = format!("{path}.env[{index}]");
        if variable.name.is_empty() {
            errors.push(FieldError::required(format!("{path}.name"), ""));
        } else if let Some(detail) = names::env_name(&variable.name) {
            errors.push(FieldError::invalid(format!("{path}.name"), &variable.name, detail));
        }
        env_source(variable, &path, errors);
    }
}

fn env_source(variable: &EnvVar, path: &str, errors: &mut Vec<FieldError>) {
    let Some(source) = &variable.value_from else { return };
    let path = format!("{path}.valueFrom");
    let sources = [
        source.field_ref.is_some(),
        source.resource_field_ref.is_some(),
        source.config_map_key_ref.is_some(),
        source.secret_key_ref.is_some(),
        source.rest.iter().next().is_some(),
    ];
    match sources.iter().filter(|&&set| set).count() {
        0 => {
            let detail = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`";
            errors.push(FieldError::new(FieldErrorKind::Invalid, &path, "\"\"", detail));
        }
        1 => {}
        _ => {
            let detail = "may not have more than one field specified at a time";
            errors.push(FieldError::new(FieldErrorKind::Invalid, &path, "\"\"", detail));
        }
    }
    if !variable.value.is_empty() {
        errors.push(FieldError::new(FieldErrorKind::Invalid, &path, "\"\"", "may not be specified when `value` is not empty"));
    }
    for (kind, selector) in [("configMapKeyRef", &source.config_map_key_ref), ("secretKeyRef", &source.secret_key_ref)] {
        let Some(selector) = selector else { continue };
        if selector.name.is_empty() {
            errors.push(FieldError::required(format!("{path}.{kind}.name"), ""));
        }
        if selector.key.is_empty() {
            errors.push(FieldError::required(format!("{path}.{kind}.key"), ""));
        }
    }
    if source.field_ref.as_ref().is_some_and(|field| field.field_path.is_empty()) {
        errors.push(FieldError::required(format!("{path}.fieldRef.fieldPath"), ""));
    }
    if source.resource_field_ref.as_ref().is_some_and(|field| field.resource.is_empty()) {
        errors.push(FieldError::required(format!("{path}.resourceFieldRef.resource"), ""));
    }
}

fn mounts(container: &Container, volumes: &BTreeSet<&str>, path: &str, errors: &mut Vec<FieldError>) {
    let mut seen = BTreeSet::new();
    for (index, mount) in container.volume_mounts.iter().enumerate() {
        let path = format!("{path}.volumeMounts[{index}]");
        if mount.name.is_empty() {
            errors.push(FieldError::required(format!("{path}.name"), ""));
        } else if !volumes.contains(mount.name.as_str()) {
            let value = format!("{:?}", mount.name);
            errors.push(FieldError::new(FieldErrorKind::NotFound, format!("{path}.name"), value, ""));
        }
        if mount.mount_path.is_empty() {
            errors.push(FieldError::required(format!("{path}.mountPath"), ""));
        } else if !seen.insert(mount.mount_path.as_str()) {
            errors.push(FieldError::invalid(format!("{path}.mountPath"), &mount.mount_path, "must be unique"));
        }
        if mount.sub_path.starts_with('/') {
            errors.push(FieldError::invalid(format!("{path}.subPath"), &mount.sub_path, "must be a relative path"));
        } else if mount.sub_path.split('/').any(|part| part == "..") {
            errors.push(FieldError::invalid(format!("{path}.subPath"), &mount.sub_path, "must not contain '..'"));
        }
    }
}

fn resources(resources: &ResourceRequirements, path: &str, errors: &mut Vec<FieldError>) {
    for (kind, list) in [("limits", &resources.limits), ("requests", &resources.requests)] {
        for (name, amount) in list {
            let path = format!("{path}.{kind}[{name}]");
            let known = matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage") || name.starts_with("hugepages-");
            if !known && !name.contains('/') {
                let detail = "must be a standard resource type or fully qualified";
                errors.push(FieldError::invalid(&path, name, detail));
                errors.push(FieldError::invalid(&path, name, "must be a standard resource for containers"));
            }
            if amount.milli_value() < 0 {
                errors.push(FieldError::invalid(&path, &amount.to_string(), "must be greater than or equal to 0"));
            }
        }
    }
    for (name, request) in &resources.requests {
        let Some(limit) = resources.limits.get(name) else { continue };
        if request.milli_value() > limit.milli_value() {
            let detail = format!("must be less than or equal to {name} limit of {limit}");
            errors.push(FieldError::invalid(format!("{path}.requests"), &request.to_string(), detail));
        }
    }
}

fn probe(probe: &Probe, path: &str, one_success: bool, errors: &mut Vec<FieldError>) {
    let handlers = [probe.exec.is_some(), probe.http_get.is_some(), probe.tcp_socket.is_some(), probe.grpc.is_some()];
    match handlers.iter().filter(|&&set| set).count() {
        0 => errors.push(FieldError::required(path, "must specify a handler type")),
        1 => {}
        _ => {
            let names = ["exec", "httpGet", "tcpSocket", "grpc"];
            for (name, _) in names.iter().zip(handlers).filter(|(_, set)| *set).skip(1) {
                errors.push(FieldError::forbidden(format!("{path}.{name}"), "may not specify more than 1 handler type"));
            }
        }
    }
    if probe.exec.as_ref().is_some_and(|exec| exec.command.is_empty()) {
        errors.push(FieldError::required(format!("{path}.exec.command"), ""));
    }
    if let Some(get) = &probe.http_get {
        if get.path.is_empty() {
            errors.push(FieldError::required(format!("{path}.httpGet.path"), ""));
        }
        port_number_or_name(&get.port, &format!("{path}.httpGet.port"), errors);
        one_of(&get.scheme, &["HTTP", "HTTPS"], format!("{path}.httpGet.scheme"), errors);
    }
    if let Some(socket) = &probe.tcp_socket {
        port_number_or_name(&socket.port, &format!("{path}.tcpSocket.port"), errors);
    }
    for (field, value) in [
        ("initialDelaySeconds", probe.initial_delay_seconds),
        ("timeoutSeconds", probe.timeout_seconds),
        ("periodSeconds", probe.period_seconds),
        ("successThreshold", probe.success_threshold),
        ("failureThreshold", probe.failure_threshold),
    ] {
        meta::non_negative(value.map(i64::from), format!("{path}.{field}"), errors);
    }
    if one_success && let Some(successes) = probe.success_threshold.filter(|&successes| successes != 1) {
        errors.push(FieldError::invalid_number(format!("{path}.successThreshold"), successes.into(), "must be 1"));
    }
}

/// Appends what is wrong with a port that may be a number or a name.
pub(super) fn port_number_or_name(port: &IntOrString, path: &str, errors: &mut Vec<FieldError>) {
    match port {
        IntOrString::Int(number) => {
            if let Some(detail) = names::port_number(*number) {
                errors.push(FieldError::invalid_number(path, i64::from(*number), detail));
            }
        }
        IntOrString::String(name) => {
            errors.extend(names::port_name(name).into_iter().map(|detail| FieldError::invalid(path, name, detail)));
        }
    }
}

//! Defaults of Pods and Pod templates (`pkg/apis/core/v1/defaults.go`).

use api::core::{Container, LifecycleHandler, PodSpec, Probe, Volume, VolumeProjection};
use api::json::Rest;
use api::quantity::Quantity;
use serde_json::Map;

/// How long a token in a volume is good, in seconds.
const TOKEN_SECONDS: i64 = 3600;

/// `field = default` where the author left the field empty.
fn text(field: &mut String, default: &str) {
    if field.is_empty() {
        field.push_str(default);
    }
}

/// Sets what a Pod spec leaves out.
pub(super) fn pod_spec(spec: &mut PodSpec) {
    text(&mut spec.restart_policy, "Always");
    text(&mut spec.dns_policy, "ClusterFirst");
    text(&mut spec.scheduler_name, "default-scheduler");
    spec.termination_grace_period_seconds.get_or_insert(30);
    if spec.rest.get("securityContext").is_none() {
        // An empty security context is what a Pod without one is given.
        let mut rest = Map::new();
        spec.rest.restore(&mut rest);
        rest.insert("securityContext".to_owned(), serde_json::json!({}));
        spec.rest = Rest::new(rest);
    }
    let on_host = spec.host_network == Some(true);
    for list in [&mut spec.init_containers, &mut spec.containers] {
        // The Pods of a template have their defaults from there, and share its containers.
        list.amend(|one| {
            for port in one.ports.iter_mut().filter(|port| on_host && port.host_port.unwrap_or(0) == 0) {
                port.host_port = Some(port.container_port);
            }
            container(one);
        });
    }
    for one in &mut spec.ephemeral_containers {
        if one.image_pull_policy.is_empty() {
            one.image_pull_policy = pull_policy(&one.image).to_owned();
        }
        text(&mut one.termination_message_path, "/dev/termination-log");
        text(&mut one.termination_message_policy, "File");
    }
    for constraint in &mut spec.topology_spread_constraints {
        constraint.node_affinity_policy.get_or_insert_with(|| "Honor".to_owned());
        constraint.node_taints_policy.get_or_insert_with(|| "Ignore".to_owned());
    }
    spec.volumes.amend(volume);
    if spec.service_account_name.is_empty() {
        spec.service_account_name.clone_from(&spec.service_account);
    }
    spec.service_account.clone_from(&spec.service_account_name);
}

/// `Always` for `:latest` and for images without a tag, else `IfNotPresent`.
fn pull_policy(image: &str) -> &'static str {
    let name = image.rsplit('/').next().unwrap_or(image);
    if image.contains('@') {
        return "IfNotPresent";
    }
    match name.split_once(':') {
        None | Some((_, "latest")) => "Always",
        Some(_) => "IfNotPresent",
    }
}

fn container(container: &mut Container) {
    if container.image_pull_policy.is_empty() {
        container.image_pull_policy = pull_policy(&container.image).to_owned();
    }
    text(&mut container.termination_message_path, "/dev/termination-log");
    text(&mut container.termination_message_policy, "File");
    for port in &mut container.ports {
        text(&mut port.protocol, "TCP");
    }
    let limits = container.resources.limits.clone();
    for (name, limit) in limits {
        container.resources.requests.entry(name).or_insert(limit);
    }
    for source in container.env.iter_mut().filter_map(|variable| variable.value_from.as_mut()) {
        if let Some(field) = &mut source.field_ref {
            text(&mut field.api_version, "v1");
        }
        if let Some(field) = &mut source.resource_field_ref {
            field.divisor.get_or_insert_with(|| Quantity::parse("0").unwrap_or_default());
        }
    }
    for one in [&mut container.liveness_probe, &mut container.readiness_probe, &mut container.startup_probe].into_iter().flatten() {
        probe(one);
    }
    if let Some(lifecycle) = &mut container.lifecycle {
        for handler in [&mut lifecycle.post_start, &mut lifecycle.pre_stop].into_iter().flatten() {
            hook(handler);
        }
    }
}

fn probe(probe: &mut Probe) {
    for (field, default) in [
        (&mut probe.timeout_seconds, 1),
        (&mut probe.period_seconds, 10),
        (&mut probe.success_threshold, 1),
        (&mut probe.failure_threshold, 3),
    ] {
        if field.unwrap_or(0) == 0 {
            *field = Some(default);
        }
    }
    if let Some(get) = &mut probe.http_get {
        text(&mut get.path, "/");
        text(&mut get.scheme, "HTTP");
    }
    if let Some(grpc) = &mut probe.grpc {
        grpc.service.get_or_insert_default();
    }
}

fn hook(handler: &mut LifecycleHandler) {
    if let Some(get) = &mut handler.http_get {
        text(&mut get.path, "/");
        text(&mut get.scheme, "HTTP");
    }
}

fn volume(volume: &mut Volume) {
    const MODE: i32 = 0o644;
    if let Some(source) = &mut volume.config_map {
        source.default_mode.get_or_insert(MODE);
    }
    if let Some(source) = &mut volume.secret {
        source.default_mode.get_or_insert(MODE);
    }
    if let Some(source) = &mut volume.downward_api {
        source.default_mode.get_or_insert(MODE);
        for field in source.items.iter_mut().filter_map(|item| item.field_ref.as_mut()) {
            text(&mut field.api_version, "v1");
        }
    }
    if let Some(source) = &mut volume.projected {
        source.default_mode.get_or_insert(MODE);
        source.sources.amend(projection);
    }
    if let Some(source) = &mut volume.host_path {
        source.type_.get_or_insert_default();
    }
    let nothing = volume.empty_dir.is_none()
        && volume.host_path.is_none()
        && volume.config_map.is_none()
        && volume.secret.is_none()
        && volume.downward_api.is_none()
        && volume.projected.is_none()
        && volume.persistent_volume_claim.is_none()
        && volume.ephemeral.is_none()
        && volume.rest.iter().next().is_none();
    if nothing {
        volume.empty_dir = Some(api::core::EmptyDirVolumeSource::default());
    }
}

fn projection(source: &mut VolumeProjection) {
    for field in source.downward_api.iter_mut().flat_map(|fields| &mut fields.items).filter_map(|item| item.field_ref.as_mut()) {
        text(&mut field.api_version, "v1");
    }
    if let Some(token) = &mut source.service_account_token {
        token.expiration_seconds.get_or_insert(TOKEN_SECONDS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pull_policy_follows_the_tag() {
        for (image, policy) in [
            ("nginx", "Always"),
            ("nginx:latest", "Always"),
            ("nginx:1.27", "IfNotPresent"),
            ("localhost:5000/nginx", "Always"),
            ("nginx@sha256:abc", "IfNotPresent"),
        ] {
            assert_eq!(pull_policy(image), policy, "{image}");
        }
    }
}

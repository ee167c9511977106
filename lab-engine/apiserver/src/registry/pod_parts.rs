//! The parts of a Pod's spec that change by subresources of their own: `resize` and `ephemeralcontainers`
//! (`ValidatePodResize`, `ValidatePodEphemeralContainersUpdate`).

use super::{pod, pod_spec};
use crate::subresource::Subresource;
use api::core::{Container, Pod, ResourceRequirements};
use api::status::FieldError;

/// Takes of `new` what the subresource may change, and all else from `old`; what is wrong with it.
pub(super) fn update(new: &mut Pod, old: &Pod, subresource: Subresource) -> Vec<FieldError> {
    let wanted = std::mem::replace(&mut new.spec, old.spec.clone());
    new.status = old.status.clone();
    let mut errors = Vec::new();
    if subresource == Subresource::Resize {
        let resized = |into: &mut [Container], from: &[Container]| {
            for container in into {
                if let Some(wanted) = from.iter().find(|wanted| wanted.name == container.name) {
                    container.resources = wanted.resources.clone();
                    container.resize_policy.clone_from(&wanted.resize_policy);
                }
            }
        };
        resized(&mut new.spec.containers, &wanted.containers);
        resized(&mut new.spec.init_containers, &wanted.init_containers);
        resize(new, old, &mut errors);
    } else {
        new.spec.ephemeral_containers = wanted.ephemeral_containers.clone();
        ephemeral(new, old, &mut errors);
    }
    if new.spec != old.spec {
        new.metadata.generation = Some(old.metadata.generation.unwrap_or(0) + 1);
    }
    errors
}

fn resize(new: &Pod, old: &Pod, errors: &mut Vec<FieldError>) {
    if old.metadata.annotations.contains_key("kubernetes.io/config.source") {
        errors.push(FieldError::forbidden("", "static pods cannot be resized"));
        return;
    }
    let lists = [
        ("containers", &new.spec.containers, &old.spec.containers),
        ("initContainers", &new.spec.init_containers, &old.spec.init_containers),
    ];
    for (kind, new, old) in lists {
        for (index, (new, old)) in new.iter().zip(old).enumerate() {
            let path = format!("spec.{kind}[{index}].resources");
            if kind == "initContainers" && new.resources != old.resources && old.restart_policy.as_deref() != Some("Always") {
                errors.push(FieldError::forbidden(&path, "resources for non-sidecar init containers cannot be changed"));
            }
            amounts(&new.resources, &old.resources, &path, errors);
        }
    }
    let class = |pod: &Pod| pod::qos_class(pod);
    if errors.is_empty() && class(new) != class(old) {
        let detail = "Pod QOS Class may not change as a result of resizing";
        errors.push(FieldError::invalid("spec", class(new), detail));
    }
    pod_spec::pod(&new.metadata, &new.spec, errors);
}

/// Only CPU and memory change, and none of them is taken away.
fn amounts(new: &ResourceRequirements, old: &ResourceRequirements, path: &str, errors: &mut Vec<FieldError>) {
    let mutable = |name: &str| matches!(name, "cpu" | "memory");
    for (what, new, old) in [("limits", &new.limits, &old.limits), ("requests", &new.requests, &old.requests)] {
        let others = |list: &api::core::ResourceList| {
            list.iter().filter(|(name, _)| !mutable(name)).map(|(name, amount)| (name.clone(), *amount)).collect::<Vec<_>>()
        };
        if others(new) != others(old) {
            errors.push(FieldError::forbidden(format!("{path}.{what}"), "only cpu and memory resources are mutable"));
        }
        if old.keys().any(|name| mutable(name) && !new.contains_key(name)) {
            errors.push(FieldError::forbidden(format!("{path}.{what}"), format!("resource {what} cannot be removed")));
        }
    }
}

fn ephemeral(new: &Pod, old: &Pod, errors: &mut Vec<FieldError>) {
    const PATH: &str = "spec.ephemeralContainers";
    let containers = &new.spec.ephemeral_containers;
    for known in &old.spec.ephemeral_containers {
        match containers.iter().find(|container| container.name == known.name) {
            None => {
                errors.push(FieldError::forbidden(PATH, format!("existing ephemeral containers {:?} may not be removed\n", known.name)))
            }
            Some(same) if same != known => {
                errors.push(FieldError::forbidden(PATH, format!("existing ephemeral containers {:?} may not be changed\n", known.name)));
            }
            Some(_) => {}
        }
    }
    pod_spec::pod(&new.metadata, &new.spec, errors);
}

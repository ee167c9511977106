//! Amounts of resources (`ValidateContainerResourceRequirements`, `ValidateResourceQuantityValue`).

use super::super::report::{Report, text};
use api::core::{ContainerResizePolicy, ResourceList, ResourceRequirements};
use api::names;
use api::quantity::Quantity;
use api::status::{FieldError, FieldErrorKind};
use serde_json::Value;
use std::collections::BTreeSet;

/// Resources without a prefix that mean something somewhere (`standardResources`).
const STANDARD: [&str; 21] = [
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "storage",
    "requests.storage",
    "services.nodeports",
    "services.loadbalancers",
    "hugepages",
];

/// Resources that are numbers of objects (`integerResources`).
const COUNTED: [&str; 9] = [
    "pods",
    "services",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "services.nodeports",
    "services.loadbalancers",
];

/// Whether an amount of the resource is a number of things (`IsIntegerResourceName`).
pub(in super::super) fn is_whole(name: &str) -> bool {
    COUNTED.contains(&name) || is_extended(name)
}

/// Whether a quota can limit the resource (`IsStandardQuotaResourceName`).
pub(in super::super) fn is_quota(name: &str) -> bool {
    let huge_pages = is_huge_pages(name.strip_prefix("requests.").unwrap_or(name));
    huge_pages || (STANDARD.contains(&name) && !matches!(name, "storage" | "hugepages"))
}

/// Appends what is wrong with the name of a resource (`validateResourceName`).
pub(in super::super) fn resource_name(name: &str, path: &str, errors: &mut Vec<FieldError>) {
    let wrong = names::qualified_name(name);
    if !wrong.is_empty() {
        return errors.malformed(path, name, wrong);
    }
    if !name.contains('/') && !STANDARD.contains(&name) && !is_quota(name) {
        errors.invalid(path, name, "must be a standard resource type or fully qualified");
    }
}

/// Whether the resource is one of Kubernetes itself (`IsNativeResource`).
fn is_native(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

/// Whether the resource is one that a device plugin brings (`IsExtendedResourceName`).
pub(in super::super) fn is_extended(name: &str) -> bool {
    !is_native(name) && !name.starts_with("requests.") && names::qualified_name(&format!("requests.{name}")).is_empty()
}

fn is_huge_pages(name: &str) -> bool {
    name.starts_with("hugepages-")
}

/// Whether more may be asked for than there is (`IsOvercommitAllowed`).
pub(in super::super) fn can_be_overcommitted(name: &str) -> bool {
    is_native(name) && !is_huge_pages(name)
}

/// Appends what is wrong with the name of a container's resource (`validateContainerResourceName`).
pub(in super::super) fn container_name(name: &str, path: &str, errors: &mut Vec<FieldError>) {
    let wrong = names::qualified_name(name);
    if !wrong.is_empty() {
        return errors.malformed(path, name, wrong);
    }
    if name.contains('/') {
        if !is_native(name) && !is_extended(name) {
            errors.invalid(path, name, "doesn't follow extended resource name standard");
        }
        return;
    }
    if !STANDARD.contains(&name) && !is_huge_pages(name) {
        errors.invalid(path, name, "must be a standard resource type or fully qualified");
    }
    if !matches!(name, "cpu" | "memory" | "ephemeral-storage") && !is_huge_pages(name) {
        errors.invalid(path, name, "must be a standard resource for containers");
    }
}

/// Appends what is wrong with an amount of a resource (`ValidateResourceQuantityValue`); `whole`: it counts things.
pub(in super::super) fn amount(amount: &Quantity, whole: bool, path: &str, errors: &mut Vec<FieldError>) {
    if *amount < Quantity::default() {
        errors.invalid(path, &amount.to_string(), "must be greater than or equal to 0");
    }
    if whole && !amount.round_up(0).1 {
        errors.invalid(path, &amount.to_string(), "must be an integer");
    }
}

/// Whether the amount of huge pages is so many whole pages.
fn are_pages(name: &str, amount: &Quantity) -> bool {
    let size = name.strip_prefix("hugepages-").and_then(|size| Quantity::parse(size).ok()).filter(|size| size.round_up(0).1);
    size.map(|size| size.value()).filter(|size| *size > 0).is_some_and(|size| amount.value() % size == 0)
}

fn one(name: &str, quantity: &Quantity, path: &str, errors: &mut Vec<FieldError>) {
    container_name(name, path, errors);
    amount(quantity, is_extended(name), path, errors);
    if is_huge_pages(name) && !are_pages(name, quantity) {
        errors.invalid(path, &quantity.to_string(), format!("{quantity} is not positive integer multiple of {name}"));
    }
}

/// Appends what is wrong with limits and requests. `claims`: the names of the Pod's claims of devices.
pub(in super::super) fn requirements(of: &ResourceRequirements, claims: &BTreeSet<&str>, path: &str, errors: &mut Vec<FieldError>) {
    for (name, quantity) in &of.limits {
        one(name, quantity, &format!("{path}.limits[{name}]"), errors);
    }
    for (name, quantity) in &of.requests {
        one(name, quantity, &format!("{path}.requests[{name}]"), errors);
        match of.limits.get(name) {
            Some(limit) if quantity != limit && !can_be_overcommitted(name) => {
                errors.invalid(format!("{path}.requests"), &quantity.to_string(), format!("must be equal to {name} limit of {limit}"));
            }
            Some(limit) if quantity > limit => {
                let detail = format!("must be less than or equal to {name} limit of {limit}");
                errors.invalid(format!("{path}.requests"), &quantity.to_string(), detail);
            }
            None if !can_be_overcommitted(name) => {
                errors.required(format!("{path}.limits"), "Limit must be set for non overcommitable resources");
            }
            _ => {}
        }
    }
    let any = |wanted: fn(&str) -> bool| of.limits.keys().chain(of.requests.keys()).any(|name| wanted(name));
    if any(is_huge_pages) && !any(|name| matches!(name, "cpu" | "memory")) {
        errors.forbidden(path, "HugePages require cpu or memory");
    }
    if let Some(used) = of.rest.get("claims").and_then(Value::as_array) {
        used_claims(used, claims, &format!("{path}.claims"), errors);
    }
}

/// Appends what is wrong with what the sandbox itself costs (`validateOverhead`).
pub(in super::super) fn overhead(overhead: &ResourceList, path: &str, errors: &mut Vec<FieldError>) {
    let limits = ResourceRequirements { limits: overhead.clone(), ..ResourceRequirements::default() };
    requirements(&limits, &BTreeSet::new(), path, errors);
}

fn used_claims(used: &[Value], claims: &BTreeSet<&str>, path: &str, errors: &mut Vec<FieldError>) {
    let mut seen: BTreeSet<(&str, &str)> = BTreeSet::new();
    for (index, claim) in used.iter().enumerate() {
        let (path, name, request) = (format!("{path}[{index}]"), text(claim, "name"), text(claim, "request"));
        if name.is_empty() {
            errors.required(path, "");
            continue;
        }
        if seen.contains(&(name, "")) {
            errors.duplicate(&path, name);
        } else {
            if !request.is_empty() {
                errors.label(&format!("{path}.request"), request);
            }
            if seen.contains(&(name, request)) {
                errors.duplicate(&path, &format!("{name}/{request}"));
            } else if request.is_empty() && seen.iter().any(|(other, _)| *other == name) {
                errors.duplicate(&path, name);
            }
            seen.insert((name, request));
        }
        if !claims.contains(name) {
            let known = claims.iter().copied().collect::<Vec<_>>().join(", ");
            let which = if claims.is_empty() { " which is empty".to_owned() } else { format!(": {known}") };
            let detail = format!("must be one of the names in pod.spec.resourceClaims{which}");
            errors.add(FieldError::new(FieldErrorKind::NotFound, path, format!("{name:?}"), detail));
        }
    }
}

/// Appends what is wrong with a Pod's claims of devices, and gives their names (`validatePodResourceClaims`).
pub(super) fn pod_claims<'v>(claims: Option<&'v Value>, path: &str, errors: &mut Vec<FieldError>) -> BTreeSet<&'v str> {
    let mut seen = BTreeSet::new();
    for (index, claim) in claims.and_then(Value::as_array).into_iter().flatten().enumerate() {
        let path = format!("{path}[{index}]");
        match text(claim, "name") {
            "" => errors.required(format!("{path}.name"), ""),
            name if !seen.insert(name) => errors.duplicate(format!("{path}.name"), name),
            name => errors.label(&format!("{path}.name"), name),
        }
        let names = ["resourceClaimName", "resourceClaimTemplateName"];
        match names.iter().filter(|field| claim.get(**field).is_some()).count() {
            0 => errors.invalid_json(&path, claim, "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"),
            1 => {}
            _ => {
                let detail = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified";
                errors.invalid_json(&path, claim, detail);
            }
        }
        for field in names {
            if let Some(name) = claim.get(field).and_then(Value::as_str) {
                errors.subdomain(&format!("{path}.{field}"), name);
            }
        }
    }
    seen
}

/// Appends what is wrong with what is to happen at a change of resources (`validateResizePolicy`).
pub(super) fn resize_policy(policies: &[ContainerResizePolicy], never: bool, path: &str, errors: &mut Vec<FieldError>) {
    let mut seen = BTreeSet::new();
    for (index, policy) in policies.iter().enumerate() {
        let (resource, restart) = (policy.resource_name.as_str(), policy.restart_policy.as_str());
        if !seen.insert(resource) {
            errors.duplicate(format!("{path}[{index}]"), resource);
        }
        errors.choice(path, resource, &["cpu", "memory"]);
        errors.choice(path, restart, &["NotRequired", "RestartContainer"]);
        if never && restart != "NotRequired" {
            errors.invalid(path, restart, "must be 'NotRequired' when `restartPolicy` is 'Never'");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::json::decode;
    use serde_json::json;

    fn check(of: Value) -> Vec<String> {
        let of: ResourceRequirements = decode(of).unwrap();
        let mut errors = Vec::new();
        requirements(&of, &BTreeSet::from(["gpu"]), "r", &mut errors);
        errors.iter().map(FieldError::to_string).collect()
    }

    #[test]
    fn devices_are_asked_for_as_they_are_limited() {
        assert!(check(json!({"limits": {"example.com/gpu": "2"}, "requests": {"example.com/gpu": "2"}})).is_empty());
        assert_eq!(
            check(json!({"requests": {"example.com/gpu": "1"}})),
            ["r.limits: Required value: Limit must be set for non overcommitable resources"]
        );
        assert_eq!(
            check(json!({"limits": {"example.com/gpu": "500m"}})),
            ["r.limits[example.com/gpu]: Invalid value: \"500m\": must be an integer"]
        );
    }

    #[test]
    fn huge_pages_come_whole_and_not_alone() {
        assert_eq!(
            check(json!({"limits": {"hugepages-2Mi": "3Mi"}})),
            [
                "r.limits[hugepages-2Mi]: Invalid value: \"3Mi\": 3Mi is not positive integer multiple of hugepages-2Mi",
                "r: Forbidden: HugePages require cpu or memory"
            ]
        );
    }

    #[test]
    fn claims_must_be_those_of_the_pod() {
        assert!(check(json!({"claims": [{"name": "gpu", "request": "a"}]})).is_empty());
        assert_eq!(
            check(json!({"claims": [{"name": "fpga"}]})),
            ["r.claims[0]: Not found: \"fpga\": must be one of the names in pod.spec.resourceClaims: gpu"]
        );
    }
}

//! LimitRanger: fills in what containers leave out, and refuses what a LimitRange does not allow
//! (`plugin/pkg/admission/limitranger`).
//!
//! ```text
//! LimitRange: Container default cpu=200m, max cpu=1      Pod: container c, no resources
//!   fill in   ─► c: limits.cpu=200m, and the annotation "LimitRanger plugin set: cpu limit for container c"
//!   check     ─► c: 200m ≤ 1: allowed
//! ```
//!
//! Defaults of all LimitRanges of the namespace are filled in before any is checked; LimitRanges are taken in the order of their names.
//!
//! **Simplified here:** resizes of running Pods are not checked, as there are none.

use api::Object;
use api::core::{LimitRange, LimitRangeItem, Pod, ResourceList, ResourceRequirements};
use api::json::decode;
use api::quantity::Quantity;
use api::quota::pod;

/// Where a Pod says what was filled in.
pub const ANNOTATION: &str = "kubernetes.io/limit-ranger";

/// Fills in the requests and limits that the containers of a Pod leave out (`mergePodResourceRequirements`).
pub fn set_defaults(pod: &mut Pod, range: &LimitRange) {
    let mut defaults = ResourceRequirements::default();
    for item in range.spec.limits.iter().filter(|item| item.type_ == "Container") {
        defaults.requests.extend(item.default_request.clone());
        defaults.limits.extend(item.default.clone());
    }
    let mut notes = Vec::new();
    for container in &mut pod.spec.containers {
        let requests = fill(&mut container.resources.requests, &defaults.requests);
        let limits = fill(&mut container.resources.limits, &defaults.limits);
        for (set, what) in [(requests, "request"), (limits, "limit")] {
            if !set.is_empty() {
                notes.push(format!("{} {what} for container {}", set.join(", "), container.name));
            }
        }
    }
    // What init containers get is not told.
    for container in &mut pod.spec.init_containers {
        fill(&mut container.resources.requests, &defaults.requests);
        fill(&mut container.resources.limits, &defaults.limits);
    }
    if !notes.is_empty() {
        pod.metadata.annotations.insert(ANNOTATION.to_owned(), format!("LimitRanger plugin set: {}", notes.join("; ")));
    }
}

/// Adds what is missing; gives the names of what was.
fn fill(list: &mut ResourceList, defaults: &ResourceList) -> Vec<String> {
    let missing: Vec<String> = defaults.keys().filter(|name| !list.contains_key(*name)).cloned().collect();
    for name in &missing {
        list.insert(name.clone(), defaults[name]);
    }
    missing
}

/// Checks a Pod or PersistentVolumeClaim; other objects are always allowed.
///
/// # Errors
/// What follows `is forbidden: `: one text, or several in brackets.
pub fn check(object: &Object, range: &LimitRange) -> Result<(), String> {
    let mut errors: Vec<String> = Vec::new();
    match object {
        Object::Pod(pod) => range.spec.limits.iter().for_each(|item| check_pod(pod, item, &mut errors)),
        claim if claim.kind() == "PersistentVolumeClaim" => {
            let requests = claim.to_json().pointer("/spec/resources/requests").cloned();
            let requests: ResourceList = requests.and_then(|value| decode(value).ok()).unwrap_or_default();
            for item in range.spec.limits.iter().filter(|item| item.type_ == "PersistentVolumeClaim") {
                check_claim(&requests, item, &mut errors);
            }
        }
        _ => {}
    }
    let mut seen = Vec::new();
    errors.retain(|error| {
        let new = !seen.contains(error);
        seen.push(error.clone());
        new
    });
    match errors.as_slice() {
        [] => Ok(()),
        [only] => Err(only.clone()),
        several => Err(format!("[{}]", several.join(", "))),
    }
}

fn check_pod(pod: &Pod, item: &LimitRangeItem, errors: &mut Vec<String>) {
    match item.type_.as_str() {
        "Container" => {
            for container in pod.spec.containers.iter().chain(&pod.spec.init_containers) {
                check_amounts(&container.resources.requests, &container.resources.limits, item, errors);
            }
        }
        "Pod" => {
            let mut requests = pod::of_containers(pod, |container| &container.resources.requests);
            let mut limits = pod::of_containers(pod, |container| &container.resources.limits);
            requests.extend(pod::of_pod_itself(pod, "requests"));
            limits.extend(pod::of_pod_itself(pod, "limits"));
            check_amounts(&requests, &limits, item, errors);
        }
        _ => {}
    }
}

fn check_amounts(requests: &ResourceList, limits: &ResourceList, item: &LimitRangeItem, errors: &mut Vec<String>) {
    let type_ = &item.type_;
    for (name, min) in &item.min {
        errors.extend(minimum(type_, name, *min, requests.get(name), limits.get(name)));
    }
    for (name, max) in &item.max {
        let text = format!("maximum {name} usage per {type_} is {max}");
        match (limits.get(name), requests.get(name)) {
            (None, _) => errors.push(format!("{text}.  No limit is specified")),
            (Some(limit), _) if limit > max => errors.push(format!("{text}, but limit is {limit}")),
            (_, Some(request)) if request > max => errors.push(format!("{text}, but request is {request}")),
            _ => {}
        }
    }
    for (name, most) in &item.max_limit_request_ratio {
        errors.extend(ratio(type_, name, *most, requests.get(name), limits.get(name)));
    }
}

fn minimum(type_: &str, name: &str, min: Quantity, request: Option<&Quantity>, limit: Option<&Quantity>) -> Option<String> {
    let text = format!("minimum {name} usage per {type_} is {min}");
    match (request, limit) {
        (None, _) => Some(format!("{text}.  No request is specified")),
        (Some(request), _) if *request < min => Some(format!("{text}, but request is {request}")),
        (_, Some(limit)) if *limit < min => Some(format!("{text}, but limit is {limit}")),
        _ => None,
    }
}

/// How many times the request the limit may be (`limitRequestRatioConstraint`).
fn ratio(type_: &str, name: &str, most: Quantity, request: Option<&Quantity>, limit: Option<&Quantity>) -> Option<String> {
    let text = format!("{name} max limit to request ratio per {type_} is {most}");
    let stated = |quantity: Option<&Quantity>| quantity.filter(|quantity| !quantity.is_zero()).map(Quantity::milli_value);
    let Some(request) = stated(request) else {
        return Some(format!("{text}, but no request is specified or request is 0"));
    };
    let Some(limit) = stated(limit) else {
        return Some(format!("{text}, but no limit is specified or limit is 0"));
    };
    // Compared as whole numbers, which no rounding can turn.
    let too_much = i128::from(limit) * 1000 > i128::from(most.milli_value()) * i128::from(request);
    too_much.then(|| format!("{text}, but provided ratio is {:.6}", limit as f64 / request as f64))
}

fn check_claim(requests: &ResourceList, item: &LimitRangeItem, errors: &mut Vec<String>) {
    let type_ = &item.type_;
    for (name, min) in &item.min {
        errors.extend(minimum(type_, name, *min, requests.get(name), None));
    }
    for (name, max) in &item.max {
        let text = format!("maximum {name} usage per {type_} is {max}");
        match requests.get(name) {
            None => errors.push(format!("{text}.  No request is specified")),
            Some(request) if request > max => errors.push(format!("{text}, but request is {request}")),
            Some(_) => {}
        }
    }
}

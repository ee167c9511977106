//! Annotations of Pods that mean something to the server: those of static Pods, the cost of a deletion, and the profiles of seccomp and
//! AppArmor, which fields have replaced (`ValidatePodSpecificAnnotations`, `ValidatePodSpecificAnnotationUpdates`).
//!
//! **Simplified here:** tolerations in annotations, of before v1.6, are not read.

use super::report::{Report, descending_path, text};
use api::core::PodSpec;
use api::json::Json;
use api::meta::{ObjectMeta, StringMap};
use api::status::FieldError;
use serde_json::Value;

/// Stands on what the API server shows of a static Pod.
const MIRROR: &str = "kubernetes.io/config.mirror";
/// How much it costs to delete a Pod, beside others of its set.
const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";
/// The seccomp profile of a whole Pod.
const SECCOMP: &str = "seccomp.security.alpha.kubernetes.io/pod";
/// Before the name of the container whose seccomp profile it is.
const SECCOMP_OF: &str = "container.seccomp.security.alpha.kubernetes.io/";
/// Before the name of the container whose AppArmor profile it is.
const APP_ARMOR_OF: &str = "container.apparmor.security.beta.kubernetes.io/";
/// Before the name of a profile that lies on the node.
const ON_NODE: &str = "localhost/";

/// Appends what is wrong with the annotations of a Pod or of a template.
pub(super) fn annotations(annotations: &StringMap, spec: &PodSpec, path: &str, errors: &mut Vec<FieldError>) {
    if let Some(value) = annotations.get(MIRROR).filter(|_| spec.node_name.is_empty()) {
        errors.invalid(format!("{path}[{MIRROR}]"), value, "must set spec.nodeName if mirror pod annotation is set");
    }
    if let Some(value) = annotations.get(DELETION_COST).filter(|value| !is_cost(value)) {
        errors.invalid(format!("{path}[{DELETION_COST}]"), value, "must be a 32bit integer");
    }
    for (key, value) in annotations {
        if key == SECCOMP || key.starts_with(SECCOMP_OF) {
            seccomp(value, &format!("{path}.{key}"), errors);
        } else if let Some(container) = key.strip_prefix(APP_ARMOR_OF) {
            app_armor(value, container, spec, &format!("{path}[{key}]"), errors);
        }
    }
}

/// Whether a text is a number as the server writes it: no plus sign, no zeros in front.
fn is_cost(value: &str) -> bool {
    let plain = value == "0" || value.starts_with(|first: char| matches!(first, '-' | '1'..='9'));
    plain && value.parse::<i32>().is_ok()
}

fn seccomp(profile: &str, path: &str, errors: &mut Vec<FieldError>) {
    match (profile, profile.strip_prefix(ON_NODE)) {
        ("runtime/default" | "docker/default" | "unconfined", _) => {}
        (_, Some(file)) => descending_path(path, file, errors),
        (_, None) => errors.invalid(path, profile, "must be a valid seccomp profile"),
    }
}

fn app_armor(profile: &str, container: &str, spec: &PodSpec, path: &str, errors: &mut Vec<FieldError>) {
    let debugs = || spec.ephemeral_containers.iter().map(Json::to_json).any(|one| text(&one, "name") == container);
    if !spec.init_containers.iter().chain(spec.containers.iter()).any(|one| one.name == container) && !debugs() {
        errors.invalid(path, container, "container not found");
    }
    if !matches!(profile, "" | "runtime/default" | "unconfined") && !profile.starts_with(ON_NODE) {
        errors.invalid(path, profile, format!("invalid AppArmor profile name: {profile:?}"));
    }
}

/// Appends where annotations of a new Pod say something else than the fields that have replaced them
/// (`validateSeccompAnnotationsAndFields`, `validateAppArmorAnnotationsAndFieldsMatchOnCreate`).
pub(super) fn fields(metadata: &ObjectMeta, spec: &PodSpec, errors: &mut Vec<FieldError>) {
    let annotations = &metadata.annotations;
    let of_pod = spec.rest.get("securityContext");
    if let (Some(annotation), Some(profile)) = (annotations.get(SECCOMP), profile(of_pod, "seccompProfile")) {
        agree("seccomp", annotation, profile, "spec.securityContext.seccompProfile", errors);
    }
    let windows = spec.rest.get("os").is_some_and(|os| text(os, "name") == "windows");
    for (kind, containers) in [("initContainers", &spec.init_containers), ("containers", &spec.containers)] {
        for (index, one) in containers.iter().enumerate() {
            let own = one.rest.get("securityContext");
            let path = format!("spec.{kind}[{index}].securityContext");
            let key = format!("{SECCOMP_OF}{}", one.name);
            if let (Some(annotation), Some(profile)) = (annotations.get(key.as_str()), profile(own, "seccompProfile")) {
                agree("seccomp", annotation, profile, &format!("{path}.seccompProfile"), errors);
            }
            let key = format!("{APP_ARMOR_OF}{}", one.name);
            let armor = profile(own, "appArmorProfile").or_else(|| profile(of_pod, "appArmorProfile"));
            if let (Some(annotation), Some(profile), false) = (annotations.get(key.as_str()), armor, windows) {
                agree("apparmor", annotation, profile, &format!("{path}.appArmorProfile"), errors);
            }
        }
    }
}

/// A profile in a security context.
fn profile<'v>(context: Option<&'v Value>, field: &str) -> Option<&'v Value> {
    context?.get(field)
}

fn agree(what: &str, annotation: &str, profile: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let file = annotation.strip_prefix(ON_NODE);
    let kind = text(profile, "type");
    let same = match kind {
        "Unconfined" => annotation == "unconfined",
        "RuntimeDefault" => annotation == "runtime/default" || (what == "seccomp" && annotation == "docker/default"),
        "Localhost" => file.is_some(),
        _ => true,
    };
    if !same {
        errors.forbidden(format!("{path}.type"), format!("{what} type in annotation and field must match"));
    } else if kind == "Localhost" && file != profile.get("localhostProfile").and_then(Value::as_str) {
        errors.forbidden(format!("{path}.localhostProfile"), format!("{what} profile in annotation and field must match"));
    }
}

/// Appends changes of annotations that stay as they were made.
pub(super) fn changes(new: &StringMap, old: &StringMap, errors: &mut Vec<FieldError>) {
    for (key, value) in old {
        if new.get(key.as_str()) != Some(value) {
            fixed(key, "remove or update", errors);
        }
    }
    for key in new.keys().filter(|key| !old.contains_key(key.as_str())) {
        fixed(key, "add", errors);
    }
}

fn fixed(key: &str, change: &str, errors: &mut Vec<FieldError>) {
    let what = match key {
        MIRROR => "mirror pod annotation",
        key if key.starts_with(APP_ARMOR_OF) => "AppArmor annotations",
        _ => return,
    };
    errors.forbidden(format!("metadata.annotations[{key}]"), format!("may not {change} {what}"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(of: Value) -> Vec<String> {
        let pod: api::core::Pod = api::json::decode(of).unwrap();
        let mut errors = Vec::new();
        annotations(&pod.metadata.annotations, &pod.spec, "metadata.annotations", &mut errors);
        fields(&pod.metadata, &pod.spec, &mut errors);
        errors.iter().map(FieldError::to_string).collect()
    }

    #[test]
    fn costs_are_plain_numbers() {
        assert!(["0", "-100", "100"].into_iter().all(is_cost));
        assert!(!["", "008", "+10", "-", "text", "2147483648"].into_iter().any(is_cost));
    }

    #[test]
    fn annotations_say_what_fields_say() {
        let key = format!("{APP_ARMOR_OF}c");
        let pod = |profile: Value| {
            json!({"metadata": {"annotations": {key.as_str(): "localhost/a"}},
                "spec": {"containers": [{"name": "c"}], "securityContext": {"appArmorProfile": profile}}})
        };
        assert!(check(pod(json!({"type": "Localhost", "localhostProfile": "a"}))).is_empty());
        assert_eq!(
            check(pod(json!({"type": "Unconfined"}))),
            ["spec.containers[0].securityContext.appArmorProfile.type: Forbidden: apparmor type in annotation and field must match"]
        );
    }

    #[test]
    fn a_mirror_stays_one() {
        let (mirror, none) = (StringMap::from([(MIRROR.to_owned(), "a".to_owned())]), StringMap::default());
        let mut errors = Vec::new();
        changes(&none, &mirror, &mut errors);
        changes(&mirror, &none, &mut errors);
        let errors: Vec<String> = errors.iter().map(FieldError::to_string).collect();
        let path = format!("metadata.annotations[{MIRROR}]: Forbidden: may not");
        assert_eq!(errors, [format!("{path} remove or update mirror pod annotation"), format!("{path} add mirror pod annotation")]);
    }
}

//! What of an object is accepted and kept, and acted on by nobody.
//!
//! Fields that no type models lie in the `rest` of their struct and are named as they are found. A few others are modelled because they
//! are validated, or because the scheduler looks at them; they stand in a table here. Whoever makes one do something takes it out.

use crate::Object;
use serde_json::Value;

/// Fields of Pods.
const OF_PODS: &[&str] = &["volumes[].emptyDir.medium"];

/// Fields of other kinds.
const OF_KINDS: &[(&str, &str)] = &[
    ("PersistentVolume", "spec.csi.fsType"),
    ("PersistentVolume", "spec.csi.volumeAttributes"),
    ("PersistentVolume", "spec.local.fsType"),
    ("PersistentVolume", "spec.mountOptions"),
    ("StorageClass", "parameters"),
];

/// Fields that no type models, and that are acted on all the same.
const SIMULATED: &[&str] = &[".hostIP", ".subPathExpr"];

/// A line for each field of the object that is kept and read back, but that nothing here acts on.
pub fn unsimulated_warnings(object: &Object) -> Vec<String> {
    let mut paths = object.unsimulated();
    paths.retain(|path| !SIMULATED.iter().any(|end| path.ends_with(end)));
    let own: Vec<&str> = OF_KINDS.iter().filter(|(kind, _)| *kind == object.kind()).map(|(_, path)| *path).collect();
    let pods = pod_spec(object.kind());
    if !own.is_empty() || pods.is_some() {
        let value = object.to_json_without_managed_fields();
        own.iter().for_each(|path| find(&value, path, "", &mut paths));
        if let Some(base) = pods {
            let spec = base.split('.').fold(&value, |value, step| &value[step]);
            OF_PODS.iter().for_each(|path| find(spec, path, base, &mut paths));
        }
    }
    paths.iter().map(|path| format!("{path}: accepted, but not simulated here")).collect()
}

/// Where objects of the kind have the spec of their Pods.
fn pod_spec(kind: &str) -> Option<&'static str> {
    match kind {
        "Pod" => Some("spec"),
        "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" | "ReplicationController" | "Job" => Some("spec.template.spec"),
        "CronJob" => Some("spec.jobTemplate.spec.template.spec"),
        _ => None,
    }
}

/// Adds the places below `at` to which a path leads, where something is set that asks for anything.
fn find(value: &Value, path: &str, at: &str, found: &mut Vec<String>) {
    let (step, rest) = path.split_once('.').unwrap_or((path, ""));
    let name = step.trim_end_matches("[]");
    let place = if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
    let value = &value[name];
    match value {
        Value::Array(items) if step.ends_with("[]") => {
            items.iter().enumerate().for_each(|(index, item)| find(item, rest, &format!("{place}[{index}]"), found));
        }
        Value::Null | Value::Bool(false) => {}
        // Of the media of an emptyDir only huge pages are not simulated.
        Value::String(text) if matches!(text.as_str(), "" | "Memory") => {}
        _ if rest.is_empty() => found.push(place),
        value => find(value, rest, &place, found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{FieldValidation, decode_object};
    use serde_json::json;

    fn warned(value: Value) -> Vec<String> {
        let warnings = unsimulated_warnings(&decode_object(value, FieldValidation::Strict).unwrap().object);
        warnings.into_iter().map(|text| text.split(':').next().unwrap_or_default().to_owned()).collect()
    }

    #[test]
    fn modelled_fields_without_effect_are_named_with_their_place() {
        let container = json!({"name": "c", "volumeMounts": [{"name": "v", "mountPath": "/v", "subPathExpr": "$(A)"}]});
        let media = ["", "Memory", "HugePages-2Mi"].map(|medium| json!({"name": "v", "emptyDir": {"medium": medium, "sizeLimit": "1Mi"}}));
        let pod = json!({"containers": [container], "volumes": media, "enableServiceLinks": false});
        let deployment =
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {"template": {"spec": pod}}});
        assert_eq!(warned(deployment), ["spec.template.spec.volumes[2].emptyDir.medium"]);
        let class = json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "s"}, "provisioner": "a",
            "parameters": {"type": "io1"}});
        assert_eq!(warned(class), ["parameters"]);
    }
}

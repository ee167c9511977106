//! PersistentVolumes, PersistentVolumeClaims and StorageClasses.

use super::kinds::list;
use super::pod::line;
use super::{Related, annotations, head, labels, multiline};
use crate::output::go_text;
use crate::output::human::since;
use serde_json::Value;
use sim::Time;
use std::fmt::Write as _;

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}

/// Access modes in few letters.
fn access_modes(modes: &Value) -> String {
    let short = [("ReadWriteOnce", "RWO"), ("ReadOnlyMany", "ROX"), ("ReadWriteMany", "RWX"), ("ReadWriteOncePod", "RWOP")];
    let has = |long: &str| list(modes).iter().any(|mode| mode == long);
    short.iter().filter(|(long, _)| has(long)).map(|(_, short)| *short).collect::<Vec<_>>().join(",")
}

fn finalizers(metadata: &Value) -> String {
    let names: Vec<String> = list(&metadata["finalizers"]).iter().map(go_text).collect();
    format!("[{}]", names.join(" "))
}

/// The phase, or since when the object is on its way out.
fn status(live: &Value, now: Time) -> String {
    match &live["metadata"]["deletionTimestamp"] {
        Value::Null => text(&live["status"]["phase"]).to_owned(),
        since_when => format!("Terminating (lasts {})", since(since_when, now)),
    }
}

fn class(live: &Value) -> &str {
    let annotation = &live["metadata"]["annotations"]["volume.beta.kubernetes.io/storage-class"];
    annotation.as_str().unwrap_or_else(|| text(&live["spec"]["storageClassName"]))
}

pub(super) fn volume(live: &Value, now: Time) -> String {
    let (metadata, spec) = (&live["metadata"], &live["spec"]);
    let mut out = head(live);
    out.push_str(&labels("Labels", &metadata["labels"]));
    out.push_str(&annotations("Annotations", &metadata["annotations"]));
    line!(out, "Finalizers:\t{}", finalizers(metadata));
    line!(out, "StorageClass:\t{}", class(live));
    line!(out, "Status:\t{}", status(live, now));
    let claim = &spec["claimRef"];
    let claim = if claim.is_null() { String::new() } else { format!("{}/{}", text(&claim["namespace"]), text(&claim["name"])) };
    line!(out, "Claim:\t{claim}");
    line!(out, "Reclaim Policy:\t{}", text(&spec["persistentVolumeReclaimPolicy"]));
    line!(out, "Access Modes:\t{}", access_modes(&spec["accessModes"]));
    line!(out, "VolumeMode:\t{}", text(&spec["volumeMode"]));
    line!(out, "Capacity:\t{}", text(&spec["capacity"]["storage"]));
    node_affinity(&mut out, &spec["nodeAffinity"]["required"]["nodeSelectorTerms"]);
    line!(out, "Message:\t{}\nSource:", text(&live["status"]["message"]));
    source(&mut out, spec);
    out
}

fn node_affinity(out: &mut String, terms: &Value) {
    if list(terms).is_empty() {
        line!(out, "Node Affinity:\t<none>");
        return;
    }
    line!(out, "Node Affinity:\t\n  Required Terms:\t");
    for (index, term) in list(terms).iter().enumerate() {
        let requirement = |requirement: &Value| {
            let values: Vec<String> = list(&requirement["values"]).iter().map(go_text).collect();
            let operator = text(&requirement["operator"]).to_lowercase();
            let values = if values.is_empty() { String::new() } else { format!(" [{}]", values.join(", ")) };
            format!("{} {operator}{values}", text(&requirement["key"]))
        };
        let all = list(&term["matchExpressions"]).iter().chain(list(&term["matchFields"])).map(requirement);
        out.push_str(&multiline(&format!("    Term {index}"), all));
    }
}

fn source(out: &mut String, spec: &Value) {
    let (host_path, csi, local) = (&spec["hostPath"], &spec["csi"], &spec["local"]);
    if host_path.is_object() {
        line!(out, "    Type:\tHostPath (bare host directory volume)");
        line!(out, "    Path:\t{}\n    HostPathType:\t{}", text(&host_path["path"]), text(&host_path["type"]));
    } else if csi.is_object() {
        line!(out, "    Type:\tCSI (a Container Storage Interface (CSI) volume source)");
        line!(out, "    Driver:\t{}\n    FSType:\t{}", text(&csi["driver"]), text(&csi["fsType"]));
        line!(out, "    VolumeHandle:\t{}\n    ReadOnly:\t{}", text(&csi["volumeHandle"]), csi["readOnly"] == true);
        let attributes = csi["volumeAttributes"].as_object().into_iter().flatten();
        out.push_str(&multiline("    VolumeAttributes", attributes.map(|(key, value)| format!("{key}={}", go_text(value)))));
    } else if local.is_object() {
        line!(out, "    Type:\tLocalVolume (a persistent volume backed by local storage on a node)");
        line!(out, "    Path:\t{}", text(&local["path"]));
    } else if spec["nfs"].is_object() {
        line!(out, "    Type:\tNFS (an NFS mount that lasts the lifetime of a pod)");
        line!(out, "    Server:\t{}\n    Path:\t{}", text(&spec["nfs"]["server"]), text(&spec["nfs"]["path"]));
        line!(out, "    ReadOnly:\t{}", spec["nfs"]["readOnly"] == true);
    } else {
        line!(out, "    <unknown>");
    }
}

/// The Pods that have a volume of the claim.
fn used_by(claim: &str, related: &Related) -> Vec<String> {
    let uses = |pod: &&Value| {
        let name = text(&pod["metadata"]["name"]);
        list(&pod["spec"]["volumes"]).iter().any(|volume| {
            let ephemeral = volume["ephemeral"].is_object() && format!("{name}-{}", text(&volume["name"])) == claim;
            text(&volume["persistentVolumeClaim"]["claimName"]) == claim || ephemeral
        })
    };
    related.first().into_iter().flatten().filter(uses).map(|pod| text(&pod["metadata"]["name"]).to_owned()).collect()
}

pub(super) fn claim(live: &Value, related: &Related, now: Time) -> String {
    let (metadata, spec) = (&live["metadata"], &live["spec"]);
    let mut out = head(live);
    line!(out, "StorageClass:\t{}", class(live));
    line!(out, "Status:\t{}", status(live, now));
    line!(out, "Volume:\t{}", text(&spec["volumeName"]));
    out.push_str(&labels("Labels", &metadata["labels"]));
    out.push_str(&annotations("Annotations", &metadata["annotations"]));
    line!(out, "Finalizers:\t{}", finalizers(metadata));
    let bound = !text(&spec["volumeName"]).is_empty();
    let (capacity, modes) = match bound {
        true => (text(&live["status"]["capacity"]["storage"]).to_owned(), access_modes(&live["status"]["accessModes"])),
        false => Default::default(),
    };
    line!(out, "Capacity:\t{capacity}\nAccess Modes:\t{modes}");
    line!(out, "VolumeMode:\t{}", text(&spec["volumeMode"]));
    out.push_str(&multiline("Used By", used_by(text(&metadata["name"]), related).into_iter()));
    if !list(&live["status"]["conditions"]).is_empty() {
        line!(out, "Conditions:\n  Type\tStatus\tLastProbeTime\tLastTransitionTime\tReason\tMessage");
        line!(out, "  ----\t------\t-----------------\t------------------\t------\t-------");
        for condition in list(&live["status"]["conditions"]) {
            let time = |field: &str| crate::output::human::rfc1123(&condition[field]);
            let of = |field: &str| text(&condition[field]).to_owned();
            let times = format!("{}\t{}", time("lastProbeTime"), time("lastTransitionTime"));
            line!(out, "  {}\t{}\t{times}\t{}\t{}", of("type"), of("status"), of("reason"), of("message"));
        }
    }
    out
}

pub(super) fn storage_class(live: &Value) -> String {
    let metadata = &live["metadata"];
    let default = metadata["annotations"]["storageclass.kubernetes.io/is-default-class"] == "true";
    let mut out = head(live);
    line!(out, "IsDefaultClass:\t{}", if default { "Yes" } else { "No" });
    out.push_str(&annotations("Annotations", &metadata["annotations"]));
    line!(out, "Provisioner:\t{}", text(&live["provisioner"]));
    let parameters: Vec<String> =
        live["parameters"].as_object().into_iter().flatten().map(|(key, value)| format!("{key}={}", go_text(value))).collect();
    line!(out, "Parameters:\t{}", if parameters.is_empty() { "<none>".to_owned() } else { parameters.join(",") });
    let expansion = match live["allowVolumeExpansion"].as_bool() {
        None => "<unset>",
        Some(true) => "True",
        Some(false) => "False",
    };
    line!(out, "AllowVolumeExpansion:\t{expansion}");
    let options: Vec<String> = list(&live["mountOptions"]).iter().map(go_text).collect();
    if options.is_empty() {
        line!(out, "MountOptions:\t<none>");
    } else {
        line!(out, "MountOptions:\n  {}", options.join("\n  "));
    }
    line!(out, "ReclaimPolicy:\t{}", text(&live["reclaimPolicy"]));
    line!(out, "VolumeBindingMode:\t{}", text(&live["volumeBindingMode"]));
    out
}

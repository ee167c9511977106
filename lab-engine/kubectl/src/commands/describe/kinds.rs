//! Deployments, ReplicaSets, Services, ConfigMaps, Secrets, Namespaces, ServiceAccounts, and the describer of all other kinds.

use super::pod::{line, pod_template};
use super::{Related, annotations, controlled_by, head, labels, or_none};
use crate::output::go_text;
use crate::output::human::rfc1123;
use serde_json::Value;
use std::fmt::Write as _;

pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[][..], Vec::as_slice)
}

pub(super) fn number(live: &Value, pointer: &str) -> i64 {
    live.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

pub(super) fn selector(live: &Value) -> String {
    let text = crate::commands::pods_of::selector(live);
    if text.is_empty() { "<none>".to_owned() } else { text }
}

pub(super) fn deployment(live: &Value, related: &Related) -> String {
    let (metadata, spec) = (&live["metadata"], &live["spec"]);
    let mut out = head(live);
    line!(out, "CreationTimestamp:\t{}", rfc1123(&metadata["creationTimestamp"]));
    out.push_str(&labels("Labels", &metadata["labels"]));
    out.push_str(&annotations("Annotations", &metadata["annotations"]));
    line!(out, "Selector:\t{}", selector(live));
    let status = |field: &str| number(live, &format!("/status/{field}"));
    line!(
        out,
        "Replicas:\t{} desired | {} updated | {} total | {} available | {} unavailable",
        spec["replicas"].as_i64().unwrap_or(1),
        status("updatedReplicas"),
        status("replicas"),
        status("availableReplicas"),
        status("unavailableReplicas")
    );
    line!(out, "StrategyType:\t{}", spec["strategy"]["type"].as_str().unwrap_or(""));
    line!(out, "MinReadySeconds:\t{}", number(spec, "/minReadySeconds"));
    let rolling = &spec["strategy"]["rollingUpdate"];
    if rolling.is_object() {
        let of = |field: &str| go_text(&rolling[field]);
        line!(out, "RollingUpdateStrategy:\t{} max unavailable, {} max surge", of("maxUnavailable"), of("maxSurge"));
    }
    out.push_str(&pod_template(&spec["template"], 0));
    if !list(&live["status"]["conditions"]).is_empty() {
        line!(out, "Conditions:\n  Type\tStatus\tReason\n  ----\t------\t------");
        for condition in list(&live["status"]["conditions"]) {
            let text = |field: &str| condition[field].as_str().unwrap_or("").to_owned();
            line!(out, "  {} \t{}\t{}", text("type"), text("status"), text("reason"));
        }
    }
    replica_sets(&mut out, live, related);
    out
}

/// The ReplicaSets of a Deployment: the new one has the Deployment's template.
fn replica_sets(out: &mut String, live: &Value, related: &Related) {
    let uid = &live["metadata"]["uid"];
    let revision = &live["metadata"]["annotations"]["deployment.kubernetes.io/revision"];
    let owned = |set: &&Value| list(&set["metadata"]["ownerReferences"]).iter().any(|owner| owner["uid"] == *uid);
    let sets: Vec<&Value> = related.first().into_iter().flatten().filter(owned).collect();
    let is_new = |set: &&&Value| set["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == *revision;
    let show = |set: &&Value| {
        let (name, ready, wanted) =
            (set["metadata"]["name"].as_str().unwrap_or(""), number(set, "/status/replicas"), number(set, "/spec/replicas"));
        format!("{name} ({ready}/{wanted} replicas created)")
    };
    let old: Vec<String> = sets.iter().filter(|set| !is_new(set)).map(show).collect();
    let new: Vec<String> = sets.iter().filter(is_new).map(show).collect();
    let join = |sets: Vec<String>| if sets.is_empty() { "<none>".to_owned() } else { sets.join(", ") };
    line!(out, "OldReplicaSets:\t{}\nNewReplicaSet:\t{}", join(old), join(new));
}

pub(super) fn replica_set(live: &Value, related: &Related) -> String {
    let metadata = &live["metadata"];
    let mut out = head(live);
    line!(out, "Selector:\t{}", selector(live));
    out.push_str(&labels("Labels", &metadata["labels"]));
    out.push_str(&annotations("Annotations", &metadata["annotations"]));
    if let Some(owner) = controlled_by(live) {
        line!(out, "Controlled By:\t{owner}");
    }
    line!(out, "Replicas:\t{} current / {} desired", number(live, "/status/replicas"), number(live, "/spec/replicas"));
    line!(out, "Pods Status:\t{}", pods_status(live, related));
    out.push_str(&pod_template(&live["spec"]["template"], 0));
    out
}

/// How many of a workload's Pods are in which phase.
pub(super) fn pods_status(live: &Value, related: &Related) -> String {
    let pods = related.first().map_or(&[][..], Vec::as_slice);
    let uid = &live["metadata"]["uid"];
    let mine = |pod: &&Value| list(&pod["metadata"]["ownerReferences"]).iter().any(|owner| owner["uid"] == *uid);
    let count = |phase: &str| pods.iter().filter(mine).filter(|pod| pod["status"]["phase"] == phase).count();
    let counts = ["Running", "Pending", "Succeeded", "Failed"].map(count);
    format!("{} Running / {} Waiting / {} Succeeded / {} Failed", counts[0], counts[1], counts[2], counts[3])
}

pub(super) fn service(live: &Value, related: &Related) -> String {
    let (metadata, spec) = (&live["metadata"], &live["spec"]);
    let text = |field: &str| spec[field].as_str().unwrap_or("").to_owned();
    let join = |field: &str| list(&spec[field]).iter().map(go_text).collect::<Vec<_>>().join(",");
    let mut out = head(live);
    out.push_str(&labels("Labels", &metadata["labels"]));
    out.push_str(&annotations("Annotations", &metadata["annotations"]));
    line!(out, "Selector:\t{}", selector(live));
    line!(out, "Type:\t{}", text("type"));
    for (title, value) in [("IP Family Policy", text("ipFamilyPolicy")), ("IP Families", join("ipFamilies"))] {
        if !value.is_empty() {
            line!(out, "{title}:\t{value}");
        }
    }
    line!(out, "IP:\t{}", text("clusterIP"));
    line!(out, "IPs:\t{}", if join("clusterIPs").is_empty() { "<none>".to_owned() } else { join("clusterIPs") });
    for (title, value) in [("External IPs", join("externalIPs")), ("External Name", text("externalName"))] {
        if !value.is_empty() {
            line!(out, "{title}:\t{value}");
        }
    }
    for port in list(&spec["ports"]) {
        let (name, protocol) =
            (port["name"].as_str().filter(|name| !name.is_empty()).unwrap_or("<unset>"), port["protocol"].as_str().unwrap_or("TCP"));
        line!(out, "Port:\t{name}\t{}/{protocol}", number(port, "/port"));
        line!(out, "TargetPort:\t{}/{protocol}", go_text(&port["targetPort"]));
        if number(port, "/nodePort") != 0 {
            line!(out, "NodePort:\t{name}\t{}/{protocol}", number(port, "/nodePort"));
        }
        line!(out, "Endpoints:\t{}", endpoints(related, port));
    }
    line!(out, "Session Affinity:\t{}", text("sessionAffinity"));
    for (title, field) in [("External Traffic Policy", "externalTrafficPolicy"), ("Internal Traffic Policy", "internalTrafficPolicy")] {
        if !text(field).is_empty() {
            line!(out, "{title}:\t{}", text(field));
        }
    }
    out
}

/// The ready addresses of a Service's port, at most three of them by name.
fn endpoints(related: &Related, port: &Value) -> String {
    let mut addresses = Vec::new();
    for slice in related.first().into_iter().flatten() {
        let wanted = port["name"].as_str().unwrap_or("");
        let Some(target) = list(&slice["ports"]).iter().find(|other| other["name"].as_str().unwrap_or("") == wanted) else { continue };
        for endpoint in list(&slice["endpoints"]).iter().filter(|endpoint| endpoint["conditions"]["ready"] != false) {
            addresses
                .extend(list(&endpoint["addresses"]).iter().map(|address| format!("{}:{}", go_text(address), number(target, "/port"))));
        }
    }
    let more = addresses.len().saturating_sub(3);
    addresses.truncate(3);
    match (addresses.is_empty(), more) {
        (true, _) => String::new(),
        (false, 0) => addresses.join(","),
        (false, more) => format!("{} + {more} more...", addresses.join(",")),
    }
}

pub(super) fn config_map(live: &Value) -> String {
    let mut out = head(live);
    out.push_str(&labels("Labels", &live["metadata"]["labels"]));
    out.push_str(&annotations("Annotations", &live["metadata"]["annotations"]));
    line!(out, "\nData\n====");
    for (key, value) in live["data"].as_object().into_iter().flatten() {
        line!(out, "{key}:\n----\n{}\n", value.as_str().unwrap_or(""));
    }
    line!(out, "\nBinaryData\n====");
    for (key, value) in live["binaryData"].as_object().into_iter().flatten() {
        line!(out, "{key}: {} bytes", bytes(value));
    }
    line!(out, "");
    out
}

/// How many bytes a base64 text stands for.
fn bytes(value: &Value) -> usize {
    let text = value.as_str().unwrap_or("");
    text.len() / 4 * 3 - text.bytes().rev().take_while(|b| *b == b'=').count().min(text.len() / 4 * 3)
}

pub(super) fn secret(live: &Value) -> String {
    let mut out = head(live);
    out.push_str(&labels("Labels", &live["metadata"]["labels"]));
    out.push_str(&annotations("Annotations", &live["metadata"]["annotations"]));
    line!(out, "\nType:\t{}\n\nData\n====", or_none(&live["type"]));
    for (key, value) in live["data"].as_object().into_iter().flatten() {
        line!(out, "{key}:\t{} bytes", bytes(value));
    }
    out
}

pub(super) fn namespace(live: &Value) -> String {
    let mut out = head(live);
    out.push_str(&labels("Labels", &live["metadata"]["labels"]));
    out.push_str(&annotations("Annotations", &live["metadata"]["annotations"]));
    line!(out, "Status:\t{}", live["status"]["phase"].as_str().unwrap_or(""));
    line!(out, "\nNo resource quota.\n\nNo LimitRange resource.");
    out
}

pub(super) fn service_account(live: &Value) -> String {
    let mut out = head(live);
    out.push_str(&labels("Labels", &live["metadata"]["labels"]));
    out.push_str(&annotations("Annotations", &live["metadata"]["annotations"]));
    let names = |field: &str| {
        let names: Vec<&str> = list(&live[field]).iter().filter_map(|entry| entry["name"].as_str()).collect();
        if names.is_empty() { "<none>".to_owned() } else { names.join(", ") }
    };
    line!(out, "Image pull secrets:\t{}", names("imagePullSecrets"));
    line!(out, "Mountable secrets:\t{}", names("secrets"));
    line!(out, "Tokens:\t<none>");
    out
}

/// Any object, field by field (`genericDescriber`).
pub(super) fn generic(live: &Value) -> String {
    let mut out = format!("Name:\t{}\n", live["metadata"]["name"].as_str().unwrap_or(""));
    line!(out, "Namespace:\t{}", live["metadata"]["namespace"].as_str().unwrap_or(""));
    out.push_str(&labels("Labels", &live["metadata"]["labels"]));
    out.push_str(&annotations("Annotations", &live["metadata"]["annotations"]));
    let mut rest = live.clone();
    if let Some(metadata) = rest["metadata"].as_object_mut() {
        metadata.retain(|name, _| !matches!(name.as_str(), "name" | "namespace" | "labels" | "annotations" | "managedFields"));
    }
    fields(&mut out, &rest, 0);
    out
}

fn fields(out: &mut String, value: &Value, level: usize) {
    let pad = "  ".repeat(level);
    for (name, value) in value.as_object().into_iter().flatten() {
        let title = words(name);
        match value {
            Value::Object(_) => {
                line!(out, "{pad}{title}:");
                fields(out, value, level + 1);
            }
            Value::Array(items) => {
                line!(out, "{pad}{title}:");
                for item in items {
                    if item.is_object() {
                        fields(out, item, level + 1);
                    } else {
                        line!(out, "{pad}  {}", go_text(item));
                    }
                }
            }
            other => line!(out, "{pad}{title}:\t{}", go_text(other)),
        }
    }
}

/// `podCIDRs` as `Pod CID Rs`, `apiVersion` as `API Version`, `maxReplicas` as `Max Replicas`; names that are no identifiers stay.
fn words(name: &str) -> String {
    if name == "apiVersion" {
        return "API Version".to_owned();
    }
    if name.contains(|c: char| !c.is_ascii_alphanumeric()) {
        return name.to_owned();
    }
    let mut out = String::new();
    for (index, c) in name.chars().enumerate() {
        if index == 0 {
            out.push(c.to_ascii_uppercase());
            continue;
        }
        if c.is_ascii_uppercase() && !out.ends_with(|last: char| last.is_ascii_uppercase()) {
            out.push(' ');
        }
        out.push(c);
    }
    if out == "Uid" { "UID".to_owned() } else { out }
}

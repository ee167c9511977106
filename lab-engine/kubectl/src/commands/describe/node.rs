//! Nodes: conditions, capacity, and what their Pods ask for.

use super::pod::line;
use super::{Related, annotations, labels, multiline};
use crate::output::go_text;
use crate::output::human::{rfc1123, since};
use api::quantity::{Format, Quantity};
use serde_json::Value;
use sim::Time;
use std::fmt::Write as _;

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[][..], Vec::as_slice)
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field].as_str().unwrap_or("")
}

/// The description of a node, without Events; `related` has its Pods and its Lease.
pub(super) fn node(live: &Value, related: &Related, now: Time) -> String {
    let (metadata, spec, status) = (&live["metadata"], &live["spec"], &live["status"]);
    let mut out = format!("Name:\t{}\n", text(metadata, "name"));
    line!(out, "Roles:\t{}", roles(&metadata["labels"]));
    out.push_str(&labels("Labels", &metadata["labels"]));
    out.push_str(&annotations("Annotations", &metadata["annotations"]));
    line!(out, "CreationTimestamp:\t{}", rfc1123(&metadata["creationTimestamp"]));
    out.push_str(&multiline("Taints", list(&spec["taints"]).iter().map(taint)));
    line!(out, "Unschedulable:\t{}", spec["unschedulable"] == true);
    lease(&mut out, related.get(1).and_then(|leases| leases.first()));
    if !list(&status["conditions"]).is_empty() {
        line!(out, "Conditions:\n  Type\tStatus\tLastHeartbeatTime\tLastTransitionTime\tReason\tMessage");
        line!(out, "  ----\t------\t-----------------\t------------------\t------\t-------");
        for c in list(&status["conditions"]) {
            let (heartbeat, transition) = (rfc1123(&c["lastHeartbeatTime"]), rfc1123(&c["lastTransitionTime"]));
            let (type_, status, reason, message) = (text(c, "type"), text(c, "status"), text(c, "reason"), text(c, "message"));
            line!(out, "  {type_} \t{status} \t{heartbeat} \t{transition} \t{reason} \t{message}");
        }
    }
    line!(out, "Addresses:");
    list(&status["addresses"]).iter().for_each(|address| line!(out, "  {}:\t{}", text(address, "type"), text(address, "address")));
    for (title, field) in [("Capacity", "capacity"), ("Allocatable", "allocatable")] {
        if let Some(map) = status[field].as_object().filter(|map| !map.is_empty()) {
            line!(out, "{title}:");
            map.iter().for_each(|(name, quantity)| line!(out, "  {name}:\t{}", go_text(quantity)));
        }
    }
    system_info(&mut out, &status["nodeInfo"]);
    if !text(spec, "podCIDR").is_empty() {
        line!(out, "PodCIDR:\t{}", text(spec, "podCIDR"));
        line!(out, "PodCIDRs:\t{}", list(&spec["podCIDRs"]).iter().map(go_text).collect::<Vec<_>>().join(","));
    }
    if !text(spec, "providerID").is_empty() {
        line!(out, "ProviderID:\t{}", text(spec, "providerID"));
    }
    pods(&mut out, related.first().map_or(&[][..], Vec::as_slice), &status["allocatable"], now);
    out
}

fn roles(labels: &Value) -> String {
    let names = labels.as_object().into_iter().flatten().filter_map(|(key, _)| key.strip_prefix("node-role.kubernetes.io/"));
    let roles: Vec<&str> = names.filter(|role| !role.is_empty()).collect();
    if roles.is_empty() { "<none>".to_owned() } else { roles.join(",") }
}

fn taint(taint: &Value) -> String {
    let value = taint["value"].as_str().filter(|value| !value.is_empty()).map(|value| format!("={value}")).unwrap_or_default();
    format!("{}{value}:{}", text(taint, "key"), text(taint, "effect"))
}

fn lease(out: &mut String, lease: Option<&Value>) {
    line!(out, "Lease:");
    let Some(spec) = lease.map(|lease| &lease["spec"]) else {
        return line!(out, "  HolderIdentity:\t<unset>\n  AcquireTime:\t<unset>\n  RenewTime:\t<unset>");
    };
    line!(out, "  HolderIdentity:\t{}", spec["holderIdentity"].as_str().unwrap_or("<unset>"));
    line!(out, "  AcquireTime:\t{}", rfc1123(&spec["acquireTime"]));
    line!(out, "  RenewTime:\t{}", rfc1123(&spec["renewTime"]));
}

fn system_info(out: &mut String, info: &Value) {
    line!(out, "System Info:");
    let fields = [
        ("Machine ID", "machineID"),
        ("System UUID", "systemUUID"),
        ("Boot ID", "bootID"),
        ("Kernel Version", "kernelVersion"),
        ("OS Image", "osImage"),
        ("Operating System", "operatingSystem"),
        ("Architecture", "architecture"),
        ("Container Runtime Version", "containerRuntimeVersion"),
        ("Kubelet Version", "kubeletVersion"),
        ("Kube-Proxy Version", "kubeProxyVersion"),
    ];
    fields.iter().for_each(|(title, field)| line!(out, "  {title}:\t{}", text(info, field)));
}

const COLUMNS: [(&str, &str); 4] = [("cpu", "requests"), ("cpu", "limits"), ("memory", "requests"), ("memory", "limits")];

fn zero(resource: &str) -> Quantity {
    Quantity::new(0, if resource == "cpu" { Format::DecimalSi } else { Format::BinarySi })
}

/// What a Pod asks for: the sum of its containers, or its largest init container if that is more.
fn asked(pod: &Value, resource: &str, kind: &str) -> Quantity {
    let of = |container: &Value| {
        container["resources"][kind][resource].as_str().and_then(|text| Quantity::parse(text).ok()).unwrap_or_else(|| zero(resource))
    };
    let mut total = zero(resource);
    list(&pod["spec"]["containers"]).iter().for_each(|container| total.add(of(container)));
    for container in list(&pod["spec"]["initContainers"]) {
        let one = of(container);
        if one.milli_value() > total.milli_value() {
            total = one;
        }
    }
    total
}

/// `250m (12%)`.
fn share(quantity: &Quantity, allocatable: &Value, resource: &str) -> String {
    let whole = allocatable[resource].as_str().and_then(|text| Quantity::parse(text).ok()).map_or(0, |quantity| quantity.milli_value());
    let percent = if whole == 0 { 0 } else { i128::from(quantity.milli_value()) * 100 / i128::from(whole) };
    format!("{quantity} ({percent}%)")
}

fn pods(out: &mut String, pods: &[Value], allocatable: &Value, now: Time) {
    let alive: Vec<&Value> = pods.iter().filter(|pod| !matches!(text(&pod["status"], "phase"), "Succeeded" | "Failed")).collect();
    line!(out, "Non-terminated Pods:\t({} in total)", alive.len());
    line!(out, "  Namespace\tName\t\tCPU Requests\tCPU Limits\tMemory Requests\tMemory Limits\tAge");
    line!(out, "  ---------\t----\t\t------------\t----------\t---------------\t-------------\t---");
    let mut totals = COLUMNS.map(|(resource, _)| zero(resource));
    for pod in alive {
        let mut cells = Vec::new();
        for (total, (resource, kind)) in totals.iter_mut().zip(COLUMNS) {
            let quantity = asked(pod, resource, kind);
            cells.push(share(&quantity, allocatable, resource));
            total.add(quantity);
        }
        let metadata = &pod["metadata"];
        let age = since(&metadata["creationTimestamp"], now);
        line!(out, "  {}\t{}\t\t{}\t{age}", text(metadata, "namespace"), text(metadata, "name"), cells.join("\t"));
    }
    line!(out, "Allocated resources:\n  (Total limits may be over 100 percent, i.e., overcommitted.)");
    line!(out, "  Resource\tRequests\tLimits\n  --------\t--------\t------");
    for (index, resource) in ["cpu", "memory"].iter().enumerate() {
        let cell = |column: usize| share(&totals[2 * index + column], allocatable, resource);
        line!(out, "  {resource}\t{}\t{}", cell(0), cell(1));
    }
    line!(out, "  ephemeral-storage\t0 (0%)\t0 (0%)");
}

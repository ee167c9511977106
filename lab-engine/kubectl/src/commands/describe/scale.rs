//! HorizontalPodAutoscalers, PodDisruptionBudgets, Endpoints and EndpointSlices.

use super::kinds::{list, number, selector};
use super::pod::line;
use super::{annotations, head, labels};
use crate::output::go_text;
use crate::output::human::rfc1123;
use serde_json::Value;
use std::fmt::Write as _;

fn text<'a>(value: &'a Value, otherwise: &'a str) -> &'a str {
    value.as_str().filter(|text| !text.is_empty()).unwrap_or(otherwise)
}

/// A value of a metric, or `<unknown>`.
fn known(value: &Value) -> String {
    if value.is_null() { "<unknown>".to_owned() } else { go_text(value) }
}

/// What a metric is called, and its present and wanted value.
fn metric(spec: &Value, status: &Value) -> String {
    let (kind, field) = match spec["type"].as_str() {
        Some("Resource") => ("Resource", "resource"),
        Some("ContainerResource") => ("ContainerResource", "containerResource"),
        Some("Pods") => ("Pods", "pods"),
        Some("Object") => ("Object", "object"),
        _ => ("External", "external"),
    };
    let (source, current) = (&spec[field], &status[field]["current"]);
    let target = &source["target"];
    let name = text(&source["metric"]["name"], "");
    let average = target["averageValue"].is_string();
    let value = if average { "averageValue" } else { "value" };
    let pair = format!("{} / {}", known(&current[value]), go_text(&target[value]));
    let wanted = if average { "target average value" } else { "target value" };
    match kind {
        "External" => format!("\"{name}\" ({wanted}):\t{pair}"),
        "Pods" => format!("\"{name}\" on pods:\t{pair}"),
        "Object" => {
            let described = &source["describedObject"];
            format!("\"{name}\" on {}/{} ({wanted}):\t{pair}", text(&described["kind"], ""), text(&described["name"], ""))
        }
        _ => {
            let mut title = format!("resource {}", text(&source["name"], ""));
            if kind == "ContainerResource" {
                title.push_str(&format!(" of container {:?}", text(&source["container"], "")));
            }
            if average {
                return format!("{title} on pods:\t{pair}");
            }
            let percent = match current["averageUtilization"].as_i64() {
                Some(percent) => format!("{percent}% ({})", known(&current["averageValue"])),
                None => "<unknown>".to_owned(),
            };
            format!("{title} on pods  (as a percentage of request):\t{percent} / {}%", number(target, "/averageUtilization"))
        }
    }
}

fn rules(out: &mut String, title: &str, rules: &Value) {
    if rules.is_null() {
        return;
    }
    line!(out, "  {title}:");
    if let Some(seconds) = rules["stabilizationWindowSeconds"].as_i64() {
        line!(out, "    Stabilization Window: {seconds} seconds");
    }
    if list(&rules["policies"]).is_empty() {
        return;
    }
    line!(out, "    Select Policy: {}\n    Policies:", text(&rules["selectPolicy"], "Max"));
    for policy in list(&rules["policies"]) {
        let (value, period) = (number(policy, "/value"), number(policy, "/periodSeconds"));
        line!(out, "      - Type: {}\tValue: {value}\tPeriod: {period} seconds", text(&policy["type"], ""));
    }
}

pub(super) fn autoscaler(live: &Value) -> String {
    let (metadata, spec, status) = (&live["metadata"], &live["spec"], &live["status"]);
    let mut out = head(live);
    out.push_str(&labels("Labels", &metadata["labels"]));
    out.push_str(&annotations("Annotations", &metadata["annotations"]));
    line!(out, "CreationTimestamp:\t{}", rfc1123(&metadata["creationTimestamp"]));
    let reference = &spec["scaleTargetRef"];
    line!(out, "Reference:\t{}/{}", text(&reference["kind"], ""), text(&reference["name"], ""));
    line!(out, "Metrics:\t( current / target )");
    for (index, metric_spec) in list(&spec["metrics"]).iter().enumerate() {
        line!(out, "  {}", metric(metric_spec, list(&status["currentMetrics"]).get(index).unwrap_or(&Value::Null)));
    }
    line!(out, "Min replicas:\t{}", spec["minReplicas"].as_i64().map_or("<unset>".to_owned(), |count| count.to_string()));
    line!(out, "Max replicas:\t{}", number(spec, "/maxReplicas"));
    if spec["behavior"].is_object() {
        line!(out, "Behavior:");
        rules(&mut out, "Scale Up", &spec["behavior"]["scaleUp"]);
        rules(&mut out, "Scale Down", &spec["behavior"]["scaleDown"]);
    }
    let count = |field: &str| number(status, field);
    line!(out, "{} pods:\t{} current / {} desired", text(&reference["kind"], ""), count("/currentReplicas"), count("/desiredReplicas"));
    if !list(&status["conditions"]).is_empty() {
        line!(out, "Conditions:\n  Type\tStatus\tReason\tMessage\n  ----\t------\t------\t-------");
        for condition in list(&status["conditions"]) {
            let of = |field: &str| text(&condition[field], "").to_owned();
            line!(out, "  {}\t{}\t{}\t{}", of("type"), of("status"), of("reason"), of("message"));
        }
    }
    out
}

pub(super) fn budget(live: &Value) -> String {
    let mut out = head(live);
    for (title, field) in [("Min available", "minAvailable"), ("Max unavailable", "maxUnavailable")] {
        if !live["spec"][field].is_null() {
            line!(out, "{title}:\t{}", go_text(&live["spec"][field]));
        }
    }
    line!(out, "Selector:\t{}\nStatus:", selector(live));
    for (title, field) in [
        ("Allowed disruptions", "disruptionsAllowed"),
        ("Current", "currentHealthy"),
        ("Desired", "desiredHealthy"),
        ("Total", "expectedPods"),
    ] {
        line!(out, "    {title}:\t{}", number(&live["status"], &format!("/{field}")));
    }
    out
}

fn ports(out: &mut String, level: &str, ports: &Value) {
    line!(out, "{level}Name\tPort\tProtocol\n{level}----\t----\t--------");
    for port in list(ports) {
        line!(out, "{level}{}\t{}\t{}", text(&port["name"], "<unset>"), number(port, "/port"), text(&port["protocol"], ""));
    }
}

pub(super) fn endpoints(live: &Value) -> String {
    let mut out = head(live);
    out.push_str(&labels("Labels", &live["metadata"]["labels"]));
    out.push_str(&annotations("Annotations", &live["metadata"]["annotations"]));
    line!(out, "Subsets:");
    for subset in list(&live["subsets"]) {
        for (title, field) in [("Addresses", "addresses"), ("NotReadyAddresses", "notReadyAddresses")] {
            let addresses: Vec<&str> = list(&subset[field]).iter().filter_map(|address| address["ip"].as_str()).collect();
            line!(out, "  {title}:\t{}", if addresses.is_empty() { "<none>".to_owned() } else { addresses.join(",") });
        }
        if !list(&subset["ports"]).is_empty() {
            line!(out, "  Ports:");
            ports(&mut out, "    ", &subset["ports"]);
        }
        line!(out, "");
    }
    out
}

pub(super) fn endpoint_slice(live: &Value) -> String {
    let mut out = head(live);
    out.push_str(&labels("Labels", &live["metadata"]["labels"]));
    out.push_str(&annotations("Annotations", &live["metadata"]["annotations"]));
    line!(out, "AddressType:\t{}", text(&live["addressType"], ""));
    if list(&live["ports"]).is_empty() {
        line!(out, "Ports:\t<unset>");
    } else {
        line!(out, "Ports:");
        ports(&mut out, "  ", &live["ports"]);
    }
    if list(&live["endpoints"]).is_empty() {
        line!(out, "Endpoints:\t<none>");
        return out;
    }
    line!(out, "Endpoints:");
    for endpoint in list(&live["endpoints"]) {
        let addresses: Vec<String> = list(&endpoint["addresses"]).iter().map(go_text).collect();
        line!(out, "  - Addresses:\t{}\n    Conditions:", addresses.join(", "));
        let ready = &endpoint["conditions"]["ready"];
        line!(out, "      Ready:\t{}", if ready.is_null() { "<unset>".to_owned() } else { ready.to_string() });
        line!(out, "    Hostname:\t{}", text(&endpoint["hostname"], "<unset>"));
        if let Some(name) = endpoint["targetRef"]["name"].as_str() {
            line!(out, "    TargetRef:\t{}/{name}", text(&endpoint["targetRef"]["kind"], ""));
        }
        line!(out, "    NodeName:\t{}", text(&endpoint["nodeName"], "<unset>"));
        line!(out, "    Zone:\t{}", text(&endpoint["zone"], "<unset>"));
    }
    out
}

//! StatefulSets, DaemonSets, Jobs and CronJobs.

use super::kinds::{number, pods_status, selector};
use super::pod::{line, pod_template};
use super::{Related, annotations, controlled_by, head, labels};
use crate::output::go_text;
use crate::output::human::{rfc1123, since};
use serde_json::Value;
use sim::Time;
use std::fmt::Write as _;

/// A number, or `<unset>`.
fn or_unset(value: &Value) -> String {
    if value.is_null() { "<unset>".to_owned() } else { go_text(value) }
}

pub(super) fn stateful_set(live: &Value, related: &Related) -> String {
    let (metadata, spec) = (&live["metadata"], &live["spec"]);
    let mut out = head(live);
    line!(out, "CreationTimestamp:\t{}", rfc1123(&metadata["creationTimestamp"]));
    line!(out, "Selector:\t{}", selector(live));
    out.push_str(&labels("Labels", &metadata["labels"]));
    out.push_str(&annotations("Annotations", &metadata["annotations"]));
    line!(out, "Replicas:\t{} desired | {} total", number(spec, "/replicas"), number(live, "/status/replicas"));
    let strategy = &spec["updateStrategy"];
    line!(out, "Update Strategy:\t{}", go_text(&strategy["type"]));
    for (field, title) in [("partition", "Partition"), ("maxUnavailable", "MaxUnavailable")] {
        let bound = &strategy["rollingUpdate"][field];
        if !bound.is_null() {
            line!(out, "  {title}:\t{}", go_text(bound));
        }
    }
    line!(out, "Pods Status:\t{}", pods_status(live, related));
    out.push_str(&pod_template(&spec["template"], 0));
    volume_claims(&mut out, &spec["volumeClaimTemplates"]);
    out
}

fn volume_claims(out: &mut String, templates: &Value) {
    let templates = templates.as_array().map_or(&[][..], Vec::as_slice);
    if templates.is_empty() {
        line!(out, "Volume Claims:\t<none>");
        return;
    }
    line!(out, "Volume Claims:");
    for claim in templates {
        line!(out, "  Name:\t{}", go_text(&claim["metadata"]["name"]));
        line!(out, "  StorageClass:\t{}", claim["spec"]["storageClassName"].as_str().unwrap_or(""));
        out.push_str(&labels("  Labels", &claim["metadata"]["labels"]));
        out.push_str(&annotations("  Annotations", &claim["metadata"]["annotations"]));
        let capacity = &claim["spec"]["resources"]["requests"]["storage"];
        line!(out, "  Capacity:\t{}", capacity.as_str().unwrap_or("<default>"));
        let modes: Vec<String> = claim["spec"]["accessModes"].as_array().into_iter().flatten().map(go_text).collect();
        line!(out, "  Access Modes:\t[{}]", modes.join(" "));
    }
}

pub(super) fn daemon_set(live: &Value, related: &Related) -> String {
    let (metadata, template) = (&live["metadata"], &live["spec"]["template"]);
    let mut out = head(live);
    line!(out, "Selector:\t{}", selector(live));
    let pairs = template["spec"]["nodeSelector"].as_object().into_iter().flatten();
    let nodes: Vec<String> = pairs.map(|(key, value)| format!("{key}={}", go_text(value))).collect();
    line!(out, "Node-Selector:\t{}", if nodes.is_empty() { "<none>".to_owned() } else { nodes.join(",") });
    out.push_str(&labels("Labels", &metadata["labels"]));
    out.push_str(&annotations("Annotations", &metadata["annotations"]));
    for (title, field) in [
        ("Desired Number of Nodes Scheduled", "desiredNumberScheduled"),
        ("Current Number of Nodes Scheduled", "currentNumberScheduled"),
        ("Number of Nodes Scheduled with Up-to-date Pods", "updatedNumberScheduled"),
        ("Number of Nodes Scheduled with Available Pods", "numberAvailable"),
        ("Number of Nodes Misscheduled", "numberMisscheduled"),
    ] {
        line!(out, "{title}: {}", number(&live["status"], &format!("/{field}")));
    }
    line!(out, "Pods Status:\t{}", pods_status(live, related));
    out.push_str(&pod_template(template, 0));
    out
}

pub(super) fn job(live: &Value) -> String {
    let (metadata, spec, status) = (&live["metadata"], &live["spec"], &live["status"]);
    let mut out = head(live);
    line!(out, "Selector:\t{}", selector(live));
    out.push_str(&labels("Labels", &metadata["labels"]));
    out.push_str(&annotations("Annotations", &metadata["annotations"]));
    if let Some(owner) = controlled_by(live) {
        line!(out, "Controlled By:\t{owner}");
    }
    for (title, field) in [("Parallelism", "parallelism"), ("Completions", "completions")] {
        line!(out, "{title}:\t{}", or_unset(&spec[field]));
    }
    for (title, field) in [
        ("Completion Mode", "completionMode"),
        ("Suspend", "suspend"),
        ("Backoff Limit", "backoffLimit"),
        ("TTL Seconds After Finished", "ttlSecondsAfterFinished"),
    ] {
        if !spec[field].is_null() {
            line!(out, "{title}:\t{}", go_text(&spec[field]));
        }
    }
    let (start, end) = (&status["startTime"], &status["completionTime"]);
    if !start.is_null() {
        line!(out, "Start Time:\t{}", rfc1123(start));
    }
    if !end.is_null() {
        line!(out, "Completed At:\t{}", rfc1123(end));
        let ended = end.as_str().and_then(|end| Time::parse_rfc3339(end).ok());
        line!(out, "Duration:\t{}", ended.map_or_else(String::new, |ended| since(start, ended)));
    }
    if !spec["activeDeadlineSeconds"].is_null() {
        line!(out, "Active Deadline Seconds:\t{}s", number(spec, "/activeDeadlineSeconds"));
    }
    let count = |field: &str| number(status, &format!("/{field}"));
    let ready = if status["ready"].is_null() { String::new() } else { format!(" ({} Ready)", count("ready")) };
    line!(out, "Pods Statuses:\t{} Active{ready} / {} Succeeded / {} Failed", count("active"), count("succeeded"), count("failed"));
    if spec["completionMode"] == "Indexed" {
        line!(out, "Completed Indexes:\t{}", status["completedIndexes"].as_str().unwrap_or("<none>"));
    }
    out.push_str(&pod_template(&spec["template"], 0));
    out
}

pub(super) fn cron_job(live: &Value) -> String {
    let (metadata, spec, status) = (&live["metadata"], &live["spec"], &live["status"]);
    let mut out = head(live);
    out.push_str(&labels("Labels", &metadata["labels"]));
    out.push_str(&annotations("Annotations", &metadata["annotations"]));
    line!(out, "Schedule:\t{}", go_text(&spec["schedule"]));
    line!(out, "Concurrency Policy:\t{}", go_text(&spec["concurrencyPolicy"]));
    let suspend = match spec["suspend"].as_bool() {
        Some(true) => "True",
        Some(false) => "False",
        None => "<unset>",
    };
    line!(out, "Suspend:\t{suspend}");
    line!(out, "Successful Job History Limit:\t{}", or_unset(&spec["successfulJobsHistoryLimit"]));
    line!(out, "Failed Job History Limit:\t{}", or_unset(&spec["failedJobsHistoryLimit"]));
    let seconds = |value: &Value| if value.is_null() { "<unset>".to_owned() } else { format!("{}s", go_text(value)) };
    line!(out, "Starting Deadline Seconds:\t{}", seconds(&spec["startingDeadlineSeconds"]));
    let template = &spec["jobTemplate"]["spec"];
    line!(out, "Selector:\t{}", if template["selector"].is_null() { "<unset>".to_owned() } else { selector(&spec["jobTemplate"]) });
    line!(out, "Parallelism:\t{}", or_unset(&template["parallelism"]));
    line!(out, "Completions:\t{}", or_unset(&template["completions"]));
    if !template["activeDeadlineSeconds"].is_null() {
        line!(out, "Active Deadline Seconds:\t{}", seconds(&template["activeDeadlineSeconds"]));
    }
    out.push_str(&pod_template(&template["template"], 0));
    let last = &status["lastScheduleTime"];
    line!(out, "Last Schedule Time:\t{}", if last.is_null() { "<unset>".to_owned() } else { rfc1123(last) });
    let active: Vec<String> = status["active"].as_array().into_iter().flatten().map(|job| go_text(&job["name"])).collect();
    line!(out, "Active Jobs:\t{}", if active.is_empty() { "<none>".to_owned() } else { active.join(", ") });
    out
}

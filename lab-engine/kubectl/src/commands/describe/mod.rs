//! `kubectl describe`: one object in full, with its Events (`k8s.io/kubectl/pkg/describe`).
//!
//! A describer writes lines whose cells are separated by tabs; [`tabs`] lays them out as Go's `text/tabwriter` does.
//!
//! **Simplified here:** kinds without a describer of their own here are shown by the generic one, as custom resources are.

mod certificates;
mod kinds;
mod node;
mod pod;
mod scale;
mod storage;
mod workloads;

pub(super) use pod::pod_template;

use super::observe::list;
use crate::command::{Io, Job, Step, json_of};
use crate::flags::{Flag, Parsed, optional, switch, value};
use crate::output::human;
use crate::resources::{Context, Sought, Target, items, resolve, sought, target};
use api::http::{Method, Request, ResourcePath};
use serde_json::Value;
use sim::Time;
use std::cell::Cell;
use std::rc::Rc;

pub(super) const FLAGS: &[Flag] = &[
    value("filename", Some('f')),
    value("selector", Some('l')),
    value("chunk-size", None),
    switch("all-namespaces", Some('A')),
    optional("show-events", "true"),
];

pub(super) fn build(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    if parsed.words.is_empty() && parsed.get("filename").is_none() {
        return Err("You must specify the type of resource to describe. Use \"kubectl api-resources\" for a complete list of supported \
                    resources."
            .to_owned());
    }
    let sought = sought(context, parsed, &parsed.words)?;
    let with_events = parsed.get("show-events").is_none() || parsed.on("show-events");
    let place = if parsed.on("all-namespaces") || !sought.iter().any(|one| one.info.namespaced) {
        String::new()
    } else {
        format!(" in {} namespace.", context.namespace)
    };
    Ok(Box::new(move |io| {
        let printed = Rc::new(Cell::new(0_usize));
        for one in sought {
            let printed = Rc::clone(&printed);
            io.later(move |_| find(one, with_events, printed));
        }
        io.later(move |io| {
            // What follows is the descriptions themselves; by the time this runs, they have been put off.
            let printed = Rc::clone(&printed);
            io.later(move |io| {
                if printed.get() == 0 {
                    io.complain(&format!("No resources found{place}"));
                }
                Step::Done(0)
            });
            Step::Done(0)
        });
        Step::Done(0)
    }))
}

/// Reads what is sought; a name that does not exist may be the beginning of others.
fn find(one: Sought, with_events: bool, printed: Rc<Cell<usize>>) -> Step {
    Step::ask(one.request(), move |answer, io| {
        let failure = match answer {
            Ok(body) => {
                let found = items(json_of(body)).into_iter().map(|live| target(one.info.clone(), live)).collect();
                return describe_all(found, with_events, &printed, io);
            }
            Err(failure) => failure,
        };
        let Some(prefix) = one.name.clone().filter(|_| failure.is_not_found()) else {
            printed.set(printed.get() + 1);
            return io.fail(&failure);
        };
        let all = Sought { name: None, ..one };
        list(all.request(), move |found, io| {
            let mut targets: Vec<Target> = found.into_iter().map(|live| target(all.info.clone(), live)).collect();
            targets.retain(|target| target.name.starts_with(&prefix));
            if targets.is_empty() {
                printed.set(printed.get() + 1);
                return io.fail(&failure);
            }
            describe_all(targets, with_events, &printed, io)
        })
    })
}

fn describe_all(targets: Vec<Target>, with_events: bool, printed: &Rc<Cell<usize>>, io: &mut Io<'_>) -> Step {
    for target in targets {
        printed.set(printed.get() + 1);
        let first = printed.get() == 1;
        io.later(move |io| describe(target, with_events, first, io));
    }
    Step::Done(0)
}

/// Reads what belongs to an object, then prints its description.
fn describe(target: Target, with_events: bool, first: bool, io: &mut Io<'_>) -> Step {
    related(target, io, move |target, related, io| {
        let now = io.now;
        let mut text = body(&target, &related, now);
        let separator = if first { "" } else { "\n\n" };
        if !with_events || !has_events(&target) {
            io.print(format!("{separator}{}", tabs(&text)));
            return Step::Done(0);
        }
        let Ok(info) = resolve("events") else { return Step::Done(1) };
        let uid = target.live["metadata"]["uid"].as_str().unwrap_or("");
        let mut fields = vec![("name", target.name.as_str()), ("kind", &*target.info.kind), ("uid", uid)];
        if !target.namespace.is_empty() {
            fields.insert(1, ("namespace", target.namespace.as_str()));
        }
        // Upstream gives a node's Events its name as their object's UID.
        if target.info.kind == "Node" {
            fields.pop();
        }
        let selector: Vec<String> = fields.iter().map(|(field, value)| format!("involvedObject.{field}={value}")).collect();
        let request = Request::new(Method::Get, ResourcePath::collection(info, &target.namespace));
        list(request.query("fieldSelector", selector.join(",")), move |found, io| {
            text.push_str(&events(found, now));
            io.print(format!("{separator}{}", tabs(&text)));
            Step::Done(0)
        })
    })
}

/// Whether upstream's describer shows Events for the kind.
fn has_events(target: &Target) -> bool {
    !matches!(&*target.info.kind, "Secret" | "Namespace" | "Role" | "ClusterRole" | "RoleBinding" | "ClusterRoleBinding" | "Event")
}

/// Objects that a description shows beside its own: ReplicaSets of a Deployment, Pods of a node or ReplicaSet, the Lease of a node,
/// EndpointSlices or Pods of a Service, Pods that may use a claim.
pub(super) type Related = Vec<Vec<Value>>;

fn related(target: Target, io: &mut Io<'_>, then: impl FnOnce(Target, Related, &mut Io<'_>) -> Step + 'static) -> Step {
    let selector = || super::pods_of::selector(&target.live);
    let ask = |plural: &str, namespace: &str, parameter: &'static str, text: String| {
        let info = resolve(plural).ok()?;
        Some(Request::new(Method::Get, ResourcePath::collection(info, namespace)).query(parameter, text))
    };
    let requests: Vec<Option<Request>> = match if target.info.custom { "" } else { &*target.info.kind } {
        "Deployment" => vec![ask("replicasets", &target.namespace, "labelSelector", selector())],
        "ReplicaSet" | "ReplicationController" | "StatefulSet" | "DaemonSet" => {
            vec![ask("pods", &target.namespace, "labelSelector", selector())]
        }
        "PersistentVolumeClaim" => vec![ask("pods", &target.namespace, "labelSelector", String::new())],
        "Service" if !selector().is_empty() => {
            vec![ask("endpointslices", &target.namespace, "labelSelector", format!("kubernetes.io/service-name={}", target.name))]
        }
        "Node" => vec![
            ask("pods", "", "fieldSelector", format!("spec.nodeName={}", target.name)),
            ask("leases", "kube-node-lease", "fieldSelector", format!("metadata.name={}", target.name)),
        ],
        _ => Vec::new(),
    };
    related_next(requests.into_iter().flatten().collect(), Vec::new(), io, Box::new(move |found, io| then(target, found, io)))
}

type WithRelated = Box<dyn FnOnce(Related, &mut Io<'_>) -> Step>;

fn related_next(mut left: Vec<Request>, mut found: Related, io: &mut Io<'_>, then: WithRelated) -> Step {
    if left.is_empty() {
        return then(found, io);
    }
    let next = left.remove(0);
    Step::ask(next, move |answer, io| {
        found.push(answer.map(|body| items(json_of(body))).unwrap_or_default());
        related_next(left, found, io, then)
    })
}

fn body(target: &Target, related: &Related, now: Time) -> String {
    let live = &target.live;
    match target.info.group_kind() {
        ("", "Pod") => pod::pod(live),
        ("apps", "Deployment") => kinds::deployment(live, related),
        ("apps", "ReplicaSet") | ("", "ReplicationController") => kinds::replica_set(live, related),
        ("apps", "StatefulSet") => workloads::stateful_set(live, related),
        ("apps", "DaemonSet") => workloads::daemon_set(live, related),
        ("batch", "Job") => workloads::job(live),
        ("batch", "CronJob") => workloads::cron_job(live),
        ("", "Service") => kinds::service(live, related),
        ("", "ConfigMap") => kinds::config_map(live),
        ("", "Secret") => kinds::secret(live),
        ("", "Namespace") => kinds::namespace(live),
        ("", "ServiceAccount") => kinds::service_account(live),
        ("certificates.k8s.io", "CertificateSigningRequest") => certificates::request(live),
        ("", "Node") => node::node(live, related, now),
        ("autoscaling", "HorizontalPodAutoscaler") => scale::autoscaler(live),
        ("policy", "PodDisruptionBudget") => scale::budget(live),
        ("", "Endpoints") => scale::endpoints(live),
        ("discovery.k8s.io", "EndpointSlice") => scale::endpoint_slice(live),
        ("", "PersistentVolume") => storage::volume(live, now),
        ("", "PersistentVolumeClaim") => storage::claim(live, related, now),
        ("storage.k8s.io", "StorageClass") => storage::storage_class(live),
        _ => kinds::generic(live),
    }
}

/// The table of Events, oldest first.
fn events(mut found: Vec<Value>, now: Time) -> String {
    if found.is_empty() {
        return "Events:\t<none>\n".to_owned();
    }
    found.sort_by_key(|event| last_seen(event).as_str().unwrap_or("").to_owned());
    let mut text = "Events:\n  Type\tReason\tAge\tFrom\tMessage\n  ----\t------\t----\t----\t-------\n".to_owned();
    for event in &found {
        let message = event["message"].as_str().unwrap_or("").trim().replace('\n', " ");
        let field = |name: &str| event[name].as_str().unwrap_or("").to_owned();
        text.push_str(&format!("  {}\t{}\t{}\t{}\t{message}\n", field("type"), field("reason"), interval(event, now), source(event)));
    }
    text
}

/// When an Event was seen last.
pub(super) fn last_seen(event: &Value) -> Value {
    let of = |pointer: &str| event.pointer(pointer).filter(|value| !value.is_null()).cloned();
    of("/series/lastObservedTime")
        .or_else(|| of("/lastTimestamp"))
        .or_else(|| of("/eventTime"))
        .or_else(|| of("/metadata/creationTimestamp"))
        .unwrap_or(Value::Null)
}

/// How long ago an Event was seen, and how often.
pub(super) fn interval(event: &Value, now: Time) -> String {
    let last = human::since(&last_seen(event), now);
    let count = event["series"]["count"].as_i64().or_else(|| event["count"].as_i64()).unwrap_or(1);
    if count <= 1 {
        return last;
    }
    let first = if event["firstTimestamp"].is_null() { &event["eventTime"] } else { &event["firstTimestamp"] };
    format!("{last} (x{count} over {})", human::since(first, now))
}

fn source(event: &Value) -> &str {
    event["source"]["component"].as_str().filter(|text| !text.is_empty()).or_else(|| event["reportingComponent"].as_str()).unwrap_or("")
}

/// A text, or `<none>`.
pub(super) fn or_none(value: &Value) -> &str {
    value.as_str().filter(|text| !text.is_empty()).unwrap_or("<none>")
}

/// `Labels:` and one pair a line.
pub(super) fn labels(title: &str, map: &Value) -> String {
    multiline(title, map.as_object().into_iter().flatten().map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or(""))))
}

/// `Annotations:` and one pair a line, without what `apply` remembers.
pub(super) fn annotations(title: &str, map: &Value) -> String {
    let shown = map.as_object().into_iter().flatten().filter(|(key, _)| *key != "kubectl.kubernetes.io/last-applied-configuration");
    multiline(title, shown.map(|(key, value)| format!("{key}: {}", value.as_str().unwrap_or("").trim_end())))
}

/// A title and lines that stand under each other.
pub(super) fn multiline(title: &str, lines: impl Iterator<Item = String>) -> String {
    let indent = " ".repeat(title.len() - title.trim_start().len());
    let text: Vec<String> = lines
        .enumerate()
        .map(|(index, line)| if index == 0 { format!("{title}:\t{line}\n") } else { format!("{indent}\t{line}\n") })
        .collect();
    if text.is_empty() { format!("{title}:\t<none>\n") } else { text.concat() }
}

/// The head that most descriptions begin with.
pub(super) fn head(live: &Value) -> String {
    let metadata = &live["metadata"];
    let mut text = format!("Name:\t{}\n", metadata["name"].as_str().unwrap_or(""));
    if let Some(namespace) = metadata["namespace"].as_str().filter(|namespace| !namespace.is_empty()) {
        text.push_str(&format!("Namespace:\t{namespace}\n"));
    }
    text
}

/// `Kind/name` of the controller.
pub(super) fn controlled_by(live: &Value) -> Option<String> {
    let owners = live["metadata"]["ownerReferences"].as_array();
    let owner = owners.into_iter().flatten().find(|owner| owner["controller"] == true)?;
    Some(format!("{}/{}", owner["kind"].as_str()?, owner["name"].as_str()?))
}

/// Lays out lines with tabs as `tabwriter` with a padding of two does: a column is as wide as its widest cell in consecutive lines that have
/// the column; the last cell of a line belongs to no column.
pub(super) fn tabs(text: &str) -> String {
    let lines: Vec<Vec<&str>> = text.split('\n').map(|line| line.split('\t').collect()).collect();
    let mut widths: Vec<Vec<usize>> = lines.iter().map(|line| vec![0; line.len() - 1]).collect();
    let columns = widths.iter().map(Vec::len).max().unwrap_or(0);
    for column in 0..columns {
        let mut start = 0;
        while start < lines.len() {
            if widths[start].len() <= column {
                start += 1;
                continue;
            }
            let end = (start..lines.len()).find(|&at| widths[at].len() <= column).unwrap_or(lines.len());
            let width = lines[start..end].iter().map(|line| line[column].chars().count()).max().unwrap_or(0) + 2;
            widths[start..end].iter_mut().for_each(|line| line[column] = width);
            start = end;
        }
    }
    let mut out = String::new();
    for (index, (line, widths)) in lines.iter().zip(&widths).enumerate() {
        if index > 0 {
            out.push('\n');
        }
        for (cell, width) in line.iter().zip(widths) {
            out.push_str(cell);
            out.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.chars().count())));
        }
        out.push_str(line.last().unwrap_or(&""));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_neighbours_need() {
        assert_eq!(tabs("Name:\tweb\nNamespace:\tx\nData\nA:\tb\n"), "Name:       web\nNamespace:  x\nData\nA:  b\n");
        assert_eq!(tabs("  a\tbb\tc\n  aaa\tb\n"), "  a    bb  c\n  aaa  b\n");
    }
}

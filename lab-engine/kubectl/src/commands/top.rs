//! `kubectl top node` and `kubectl top pod` (`k8s.io/kubectl/pkg/cmd/top`, `pkg/metricsutil`).
//!
//! **Simplified here:** no swap: `--show-swap` prints columns of zeros.

use crate::command::{Io, Job, Step};
use crate::flags::{Flag, Parsed, switch, value};
use crate::resources::Context;
use api::http::{Method, Request, ResourcePath};
use api::kinds::Gvr;
use api::quantity::Quantity;
use serde_json::Value;
use sim::Time;
use std::borrow::Cow;
use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;
use std::time::Duration;

pub(super) const NODE_FLAGS: &[Flag] =
    &[value("selector", Some('l')), value("sort-by", None), switch("no-headers", None), switch("show-swap", None)];

pub(super) const POD_FLAGS: &[Flag] = &[
    value("selector", Some('l')),
    value("field-selector", None),
    value("sort-by", None),
    switch("all-namespaces", Some('A')),
    switch("containers", None),
    switch("no-headers", None),
    switch("sum", None),
    switch("show-swap", None),
];

/// A Pod without metrics that is older than this is worth a word of its own (`metricsCreationDelay`).
const CREATION_DELAY: Duration = Duration::from_secs(120);

/// What is asked for.
#[derive(Clone, Debug)]
struct Asked {
    name: Option<String>,
    namespace: String,
    query: Vec<(&'static str, String)>,
    all_namespaces: bool,
    containers: bool,
    sum: bool,
    headers: bool,
    swap: bool,
    sort: Option<&'static str>,
}

impl Asked {
    fn read(context: &Context<'_>, parsed: &Parsed, usage: &str, named_or: &str) -> Result<Self, String> {
        let sort = match parsed.get("sort-by") {
            None | Some("") => None,
            Some("cpu") => Some("cpu"),
            Some("memory") => Some("memory"),
            Some(_) => return Err("--sort-by accepts only cpu or memory".to_owned()),
        };
        let mut query = Vec::new();
        for (flag, parameter) in [("selector", "labelSelector"), ("field-selector", "fieldSelector")] {
            query.extend(parsed.get(flag).map(|text| (parameter, text.to_owned())));
        }
        let name = match &parsed.words[..] {
            [] => None,
            [name] => Some(name.clone()),
            _ => return Err(format!("{usage}\nSee 'kubectl top --help' for help and examples")),
        };
        if name.is_some() && !query.is_empty() {
            return Err(format!("only one of NAME or {named_or} can be provided"));
        }
        let all_namespaces = parsed.on("all-namespaces");
        Ok(Asked {
            name,
            namespace: context.namespace.clone(),
            query,
            all_namespaces,
            containers: parsed.on("containers"),
            sum: parsed.on("sum"),
            headers: !parsed.on("no-headers"),
            swap: parsed.on("show-swap"),
            sort,
        })
    }

    /// The request for metrics, or for the objects themselves.
    fn request(&self, group: &'static str, version: &'static str, plural: &'static str, namespaced: bool) -> Request {
        let resource = Gvr { group: Cow::Borrowed(group), version: Cow::Borrowed(version), resource: Cow::Borrowed(plural) };
        let namespace = (namespaced && !self.all_namespaces).then(|| self.namespace.clone());
        let path = ResourcePath { resource, namespace, name: self.name.clone(), subresource: Cow::Borrowed("") };
        let mut request = Request::new(Method::Get, path);
        request.query.extend(self.query.iter().map(|(name, text)| ((*name).into(), text.clone())));
        request
    }
}

pub(super) fn node(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    let asked = Asked::read(context, parsed, "node [NAME | -l label]", "--selector")?;
    Ok(Box::new(move |_| {
        if_available(move |_| {
            Step::json(asked.request("metrics.k8s.io", "v1beta1", "nodes", false), move |metrics, io| {
                let metrics = items(metrics);
                if metrics.is_empty() {
                    return io.error("metrics not available yet");
                }
                Step::json(asked.request("", "v1", "nodes", false), move |nodes, io| {
                    io.print(node_table(&asked, metrics, items(nodes)));
                    Step::Done(0)
                })
            })
        })
    }))
}

pub(super) fn pod(context: &Context<'_>, parsed: &Parsed) -> Result<Job, String> {
    let asked = Asked::read(context, parsed, "pod [NAME | -l label]", "selector")?;
    Ok(Box::new(move |_| {
        if_available(move |_| {
            Step::json(asked.request("metrics.k8s.io", "v1beta1", "pods", true), move |metrics, io| {
                let metrics = items(metrics);
                if !metrics.is_empty() {
                    io.print(pod_table(&asked, metrics));
                    return Step::Done(0);
                }
                // Upstream looks into the namespace even when all are asked for.
                let here = Asked { all_namespaces: false, ..asked.clone() };
                Step::json(here.request("", "v1", "pods", true), move |pods, io| nothing(&asked, &items(pods), io))
            })
        })
    }))
}

/// Goes on when the server has the API (`SupportedMetricsAPIVersionAvailable`).
fn if_available(then: impl FnOnce(&mut Io<'_>) -> Step + 'static) -> Step {
    Step::json(Request::get_other("/apis"), |groups, io| {
        let mut groups = groups["groups"].as_array().into_iter().flatten();
        let has = |group: &Value| group["name"] == "metrics.k8s.io" && group["versions"].as_array().is_some_and(|all| !all.is_empty());
        if groups.any(has) { then(io) } else { io.error("Metrics API not available") }
    })
}

/// The items of a list, or the object itself.
fn items(answer: Value) -> Vec<Value> {
    match answer {
        Value::Object(mut fields) => match fields.remove("items") {
            Some(Value::Array(items)) => items,
            Some(_) => Vec::new(),
            None => vec![Value::Object(fields)],
        },
        _ => Vec::new(),
    }
}

/// There are no metrics: says why (`verifyEmptyMetrics`).
fn nothing(asked: &Asked, pods: &[Value], io: &mut Io<'_>) -> Step {
    for pod in pods {
        let created = pod["metadata"]["creationTimestamp"].as_str().and_then(|at| Time::parse_rfc3339(at).ok()).unwrap_or_default();
        let age = io.now.since(created);
        if age > CREATION_DELAY {
            let (namespace, name) = (text(&pod["metadata"]["namespace"]), text(&pod["metadata"]["name"]));
            return io.error(&format!("Metrics not available for pod {namespace}/{name}, age: {}", go_duration(age)));
        }
    }
    if !pods.is_empty() {
        return io.error("metrics not available yet");
    }
    match asked.all_namespaces {
        true => io.complain("No resources found"),
        false => io.complain(&format!("No resources found in {} namespace.", asked.namespace)),
    }
    Step::Done(0)
}

/// A duration of a second or more as Go prints it.
fn go_duration(duration: Duration) -> String {
    let (hours, minutes, seconds) = (duration.as_secs() / 3600, duration.as_secs() / 60 % 60, duration.as_secs() % 60);
    let fraction = format!(".{:09}", duration.subsec_nanos());
    let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
    let hours = if hours > 0 { format!("{hours}h") } else { String::new() };
    format!("{hours}{minutes}m{seconds}{fraction}s")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn quantity(value: &Value) -> Quantity {
    value.as_str().and_then(|text| Quantity::parse(text).ok()).unwrap_or_default()
}

/// What something uses.
#[derive(Clone, Copy, Debug, Default)]
struct Used {
    cpu: Quantity,
    memory: Quantity,
}

impl Used {
    fn of(usage: &Value) -> Self {
        Used { cpu: quantity(&usage["cpu"]), memory: quantity(&usage["memory"]) }
    }

    fn add(&mut self, other: Used) {
        self.cpu.add(other.cpu);
        self.memory.add(other.memory);
    }

    fn all(containers: &Value) -> Self {
        let mut sum = Used::default();
        containers.as_array().into_iter().flatten().for_each(|container| sum.add(Used::of(&container["usage"])));
        sum
    }

    /// Where it stands when sorted: the largest first, or no order.
    fn rank(&self, sort: Option<&str>) -> Reverse<i64> {
        Reverse(match sort {
            Some("cpu") => self.cpu.milli_value(),
            Some(_) => self.memory.value(),
            None => 0,
        })
    }

    fn cells(&self) -> [String; 2] {
        [format!("{}m", self.cpu.milli_value()), format!("{}Mi", self.memory.value() / (1024 * 1024))]
    }
}

/// How much of `all` is used, in whole percent.
fn percent(used: Quantity, all: &Value) -> String {
    let all = quantity(all);
    let fraction = if all.is_zero() { 0.0 } else { used.milli_value() as f64 / all.milli_value() as f64 * 100.0 };
    format!("{}%", fraction as i64)
}

fn node_table(asked: &Asked, mut metrics: Vec<Value>, nodes: Vec<Value>) -> String {
    let mut allocatable: BTreeMap<String, Value> =
        nodes.into_iter().map(|mut node| (text(&node["metadata"]["name"]).to_owned(), node["status"]["allocatable"].take())).collect();
    metrics.sort_by_key(|node| (Used::of(&node["usage"]).rank(asked.sort), text(&node["metadata"]["name"]).to_owned()));
    let swap = |text: &str| if asked.swap { vec![text.to_owned(), text.to_owned()] } else { Vec::new() };
    let mut rows = Vec::new();
    if asked.headers {
        let mut header = row(&["NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)"]);
        if asked.swap {
            header.extend(row(&["SWAP(bytes)", "SWAP(%)"]));
        }
        rows.push(header);
    }
    for node in &metrics {
        let (name, used) = (text(&node["metadata"]["name"]), Used::of(&node["usage"]));
        let [cpu, memory] = used.cells();
        let all = allocatable.remove(name).unwrap_or_default();
        let mut cells = row(&[name, &cpu, &percent(used.cpu, &all["cpu"]), &memory, &percent(used.memory, &all["memory"])]);
        cells.extend(swap("<unknown>"));
        rows.push(cells);
    }
    for name in allocatable.keys() {
        let mut cells = row(&[name, "<unknown>", "<unknown>", "<unknown>", "<unknown>"]);
        cells.extend(swap("<unknown>"));
        rows.push(cells);
    }
    lay_out(&rows)
}

fn pod_table(asked: &Asked, mut metrics: Vec<Value>) -> String {
    metrics.sort_by(|a, b| by_use_and_name(asked, a, b));
    let mut rows = Vec::new();
    let leading = usize::from(asked.all_namespaces) + usize::from(asked.containers);
    if asked.headers {
        let mut header = Vec::new();
        header.extend(asked.all_namespaces.then(|| "NAMESPACE".to_owned()));
        header.extend(asked.containers.then(|| "POD".to_owned()));
        header.extend(row(&["NAME", "CPU(cores)", "MEMORY(bytes)"]));
        header.extend(asked.swap.then(|| "SWAP(bytes)".to_owned()));
        rows.push(header);
    }
    let swap = || asked.swap.then(|| "0Mi".to_owned());
    let mut total = Used::default();
    for pod in &metrics {
        let (namespace, name) = (text(&pod["metadata"]["namespace"]), text(&pod["metadata"]["name"]));
        let before = |cells: &mut Vec<String>| cells.extend(asked.all_namespaces.then(|| namespace.to_owned()));
        let sum = Used::all(&pod["containers"]);
        total.add(sum);
        let mut lines: Vec<(&str, Used)> = vec![(name, sum)];
        if asked.containers {
            let containers = pod["containers"].as_array().into_iter().flatten();
            lines = containers.map(|container| (text(&container["name"]), Used::of(&container["usage"]))).collect();
            lines.sort_by_key(|(name, used)| (used.rank(asked.sort), *name));
        }
        for (of, used) in lines {
            let mut cells = Vec::new();
            before(&mut cells);
            cells.extend(asked.containers.then(|| name.to_owned()));
            cells.push(of.to_owned());
            cells.extend(used.cells());
            cells.extend(swap());
            rows.push(cells);
        }
    }
    if asked.sum {
        let blank = |count: usize| vec![String::new(); count];
        rows.push([blank(leading + 1 + usize::from(asked.swap)), row(&["________", "________"])].concat());
        rows.push([blank(leading + 1), total.cells().to_vec(), swap().into_iter().collect()].concat());
    }
    lay_out(&rows)
}

fn by_use_and_name(asked: &Asked, a: &Value, b: &Value) -> Ordering {
    let place = |pod: &Value| {
        let namespace = if asked.all_namespaces { text(&pod["metadata"]["namespace"]).to_owned() } else { String::new() };
        (Used::all(&pod["containers"]).rank(asked.sort), namespace, text(&pod["metadata"]["name"]).to_owned())
    };
    place(a).cmp(&place(b))
}

fn row(cells: &[&str]) -> Vec<String> {
    cells.iter().map(|cell| (*cell).to_owned()).collect()
}

/// Lays out rows as upstream's tab writer does when the last cell too ends with a tab: every cell is padded.
fn lay_out(rows: &[Vec<String>]) -> String {
    let mut widths = Vec::new();
    for cells in rows {
        widths.resize(widths.len().max(cells.len()), 6);
        for (width, cell) in widths.iter_mut().zip(cells) {
            *width = (*width).max(cell.chars().count() + 3);
        }
    }
    let line = |cells: &Vec<String>| {
        let cells: String = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        cells + "\n"
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn asked() -> Asked {
        Asked {
            name: None,
            namespace: "default".to_owned(),
            query: Vec::new(),
            all_namespaces: false,
            containers: false,
            sum: false,
            headers: true,
            swap: false,
            sort: None,
        }
    }

    fn pods() -> Vec<Value> {
        let container = |name: &str, cpu: &str, memory: &str| json!({"name": name, "usage": {"cpu": cpu, "memory": memory}});
        let pod =
            |name: &str, containers: Vec<Value>| json!({"metadata": {"namespace": "default", "name": name}, "containers": containers});
        vec![
            pod("web", vec![container("app", "249500001n", "64Mi"), container("log", "1m", "1500Ki")]),
            pod("api", vec![container("app", "0", "700Ki")]),
        ]
    }

    #[test]
    fn pods_are_printed_by_name_and_every_cell_is_padded() {
        let want = "NAME   CPU(cores)   MEMORY(bytes)   \napi    0m           0Mi             \nweb    251m         65Mi            \n";
        assert_eq!(pod_table(&asked(), pods()), want);
    }

    #[test]
    fn containers_are_sorted_within_their_pods_and_sums_stand_below() {
        let asked = Asked { containers: true, sum: true, headers: false, sort: Some("cpu"), ..asked() };
        let want = "web   app   250m       64Mi       \nweb   log   1m         1Mi        \napi   app   0m         0Mi        \n\
                    \u{20}           ________   ________   \n            251m       66Mi       \n";
        assert_eq!(pod_table(&asked, pods()), want);
    }

    #[test]
    fn a_node_without_metrics_is_named_last() {
        let node = |name: &str| json!({"metadata": {"name": name}, "status": {"allocatable": {"cpu": "4", "memory": "8Gi"}}});
        let metrics = vec![json!({"metadata": {"name": "node-2"}, "usage": {"cpu": "1500m", "memory": "2Gi"}})];
        let want = "NAME     CPU(cores)   CPU(%)      MEMORY(bytes)   MEMORY(%)   \n\
                    node-2   1500m        37%         2048Mi          25%         \n\
                    node-1   <unknown>    <unknown>   <unknown>       <unknown>   \n";
        assert_eq!(node_table(&asked(), metrics, vec![node("node-1"), node("node-2")]), want);
    }
}

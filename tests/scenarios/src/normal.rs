//! The normal form of a cluster's state: what two runs must agree in, whatever names and times were dealt to them.
//!
//! UIDs, resource versions, times and addresses go. A generated name (a Pod's volume for its token is one, too) becomes its stem and a star, wherever it stands; the name of a node is
//! just some node, except on Nodes and what DaemonSets make. `observedGeneration` becomes whether the last generation was observed: how
//! often a spec was written does not count. Lists that are sets are sorted. Events and Leases are left out, as are the
//! default roles.

use api::Object;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// An object in normal form: its title, and a line for each of its values.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Normal {
    title: String,
    lines: Vec<String>,
}

/// The normal form of all objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State(Vec<Normal>);

/// Kinds that are left out.
const LEFT_OUT: &[&str] = &["Event", "Lease"];

/// Values that are gone whatever the object is.
const DROPPED: &[&str] =
    &["uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "selfLink", "containerID", "imageID", "images"];

/// Addresses and ports that are dealt.
const DEALT: &[&str] = &["podIP", "hostIP", "clusterIP", "ip", "nodePort", "podCIDR", "healthCheckNodePort"];

/// Lists of such.
const DEALT_LISTS: &[&str] = &["podIPs", "hostIPs", "clusterIPs", "addresses", "podCIDRs"];

/// Lists whose order means nothing.
const SETS: &[&str] =
    &["conditions", "endpoints", "active", "ownerReferences", "finalizers", "taints", "notReadyAddresses", "volumesAttached"];

/// Fields that depend on what a controller happened to see between two looks, upstream too: a Deployment's condition keeps the message with
/// which its reason was first set, so after a rollout that was over before anybody looked it names the ReplicaSet of the one before.
const BY_CHANCE: &[(&str, &str)] = &[("Deployment", ".status.conditions[Progressing].message")];

/// What the name of a Pod's volume for its token begins with; the rest is drawn.
const TOKEN_VOLUME: &str = "kube-api-access-";

/// What names stand for.
struct Names {
    exact: BTreeMap<String, String>,
    nodes: Vec<String>,
    /// Those that are looked for within other texts, longest first.
    within: Vec<(String, String)>,
}

impl Names {
    fn of<'o>(objects: impl Iterator<Item = &'o Object>) -> Self {
        let mut exact = BTreeMap::new();
        let mut nodes = Vec::new();
        for object in objects {
            let metadata = object.metadata();
            let stem = match metadata.controller() {
                Some(owner) if &*owner.kind == "CronJob" => format!("{}-", owner.name),
                _ => metadata.generate_name.clone(),
            };
            let name = if stem.is_empty() { metadata.name.clone() } else { format!("{stem}*") };
            if !stem.is_empty() {
                exact.insert(metadata.name.clone(), name.clone());
            }
            if let Object::Pod(pod) = object {
                let volumes = pod.spec.volumes.iter().filter(|volume| volume.name.starts_with(TOKEN_VOLUME));
                exact.extend(volumes.map(|volume| (volume.name.clone(), format!("{TOKEN_VOLUME}*"))));
            }
            if object.kind() == "Node" {
                nodes.push(metadata.name.clone());
            }
            exact.insert(metadata.uid.clone(), format!("<uid of {} {name}>", object.kind()));
        }
        let mut within: Vec<(String, String)> = exact.iter().map(|(from, to)| (from.clone(), to.clone())).collect();
        within.sort_by_key(|(from, _)| std::cmp::Reverse(from.len()));
        Names { exact, nodes, within }
    }

    fn text(&self, text: &str, keeps_nodes: bool) -> String {
        if let Some(name) = self.exact.get(text) {
            return name.clone();
        }
        if !keeps_nodes && self.nodes.iter().any(|node| node == text) {
            return "<node>".to_owned();
        }
        if text.len() >= 20 && text.ends_with('Z') && text.as_bytes()[10] == b'T' {
            return "<time>".to_owned();
        }
        if text.contains([' ', '/', '"', '=']) || text.starts_with("pvc-") || text.len() > 40 {
            let mut text = text.to_owned();
            for (from, to) in self.within.iter().filter(|(from, _)| from.len() > 5) {
                if text.contains(from.as_str()) {
                    text = text.replace(from.as_str(), to);
                }
            }
            return text;
        }
        text.to_owned()
    }
}

impl State {
    /// The state of these objects, but for the ignored fields: pairs of a kind and a path such as `.status.failed`.
    pub fn of<'o>(objects: impl Iterator<Item = &'o Object> + Clone, ignored: &[(String, String)]) -> Self {
        let names = Names::of(objects.clone());
        let mut all: Vec<Normal> = objects.filter(|object| counts(object)).map(|object| normal(object, &names, ignored)).collect();
        all.sort();
        State(all)
    }

    /// How `self` differs from what it should be, in words; empty if it does not.
    pub fn difference(&self, wanted: &State) -> Vec<String> {
        let count = |state: &State| {
            let mut counts: BTreeMap<Normal, i64> = BTreeMap::new();
            state.0.iter().for_each(|object| *counts.entry(object.clone()).or_default() += 1);
            counts
        };
        let mut balance = count(self);
        for (object, number) in count(wanted) {
            *balance.entry(object).or_default() -= number;
        }
        let mut found: BTreeMap<String, (Vec<Normal>, Vec<Normal>)> = BTreeMap::new();
        for (object, number) in balance {
            let (extra, missing) = found.entry(object.title.clone()).or_default();
            let side = if number > 0 { extra } else { missing };
            side.extend(std::iter::repeat_n(object, usize::try_from(number.unsigned_abs()).unwrap_or(0)));
        }
        let mut told = Vec::new();
        for (title, (extra, missing)) in found {
            for pair in 0..extra.len().max(missing.len()) {
                match (extra.get(pair), missing.get(pair)) {
                    (Some(is), Some(should)) => {
                        told.push(format!("{title} differs:"));
                        told.extend(should.lines.iter().filter(|line| !is.lines.contains(line)).map(|line| format!("  - {line}")));
                        told.extend(is.lines.iter().filter(|line| !should.lines.contains(line)).map(|line| format!("  + {line}")));
                    }
                    (Some(_), None) => told.push(format!("{title} is one too many")),
                    (None, Some(_)) => told.push(format!("{title} is missing")),
                    (None, None) => {}
                }
            }
        }
        told
    }
}

fn counts(object: &Object) -> bool {
    let metadata = object.metadata();
    let default_role =
        metadata.labels.contains_key("kubernetes.io/bootstrapping") && !matches!(metadata.name.as_str(), "admin" | "edit" | "view");
    !LEFT_OUT.contains(&object.kind()) && !default_role
}

fn normal(object: &Object, names: &Names, ignored: &[(String, String)]) -> Normal {
    let metadata = object.metadata();
    let of_daemon = metadata.controller().is_some_and(|owner| &*owner.kind == "DaemonSet");
    let keeps_nodes = object.kind() == "Node" || of_daemon;
    let name = names.text(&metadata.name, true);
    let title = if metadata.namespace.is_empty() {
        format!("{} {name}", object.kind())
    } else {
        format!("{} {}/{name}", object.kind(), metadata.namespace)
    };
    let mut value = object.to_json_without_managed_fields();
    if let Some(generation) = value["metadata"]["generation"].as_i64()
        && let Some(observed) = value["status"]["observedGeneration"].as_i64()
    {
        value["status"]["observedGeneration"] = if observed == generation { "the last".into() } else { "an earlier one".into() };
    }
    let mut lines = Vec::new();
    flatten("", &tidy(value, names, keeps_nodes), &mut lines);
    let own = ignored.iter().map(|(kind, path)| (kind.as_str(), path.as_str())).chain(BY_CHANCE.iter().copied());
    let paths: Vec<&str> = own.filter(|(kind, _)| *kind == object.kind()).map(|(_, path)| path).collect();
    lines.retain(|line| !paths.iter().any(|path| line.starts_with(path)));
    Normal { title, lines }
}

fn tidy(value: Value, names: &Names, keeps_nodes: bool) -> Value {
    match value {
        Value::String(text) => Value::String(names.text(&text, keeps_nodes)),
        Value::Array(items) => Value::Array(items.into_iter().map(|item| tidy(item, names, keeps_nodes)).collect()),
        Value::Object(fields) => {
            let mut tidied = Map::new();
            for (key, value) in fields {
                if DROPPED.contains(&key.as_str()) {
                    continue;
                }
                let value = match value {
                    value if DEALT.contains(&key.as_str()) && value != "None" => Value::String("<dealt>".to_owned()),
                    Value::Array(items)
                        if DEALT_LISTS.contains(&key.as_str()) && items.first().is_none_or(|item| !item["nodeName"].is_string()) =>
                    {
                        Value::String(format!("<{} dealt>", items.len()))
                    }
                    Value::String(text) if key == "name" && names.nodes.contains(&text) => Value::String(names.text(&text, keeps_nodes)),
                    Value::Number(_) if key == "observedGeneration" => Value::Null,
                    value => tidy(value, names, keeps_nodes),
                };
                let value = match value {
                    Value::Array(mut items) if SETS.contains(&key.as_str()) => {
                        items.sort_by_cached_key(ToString::to_string);
                        Value::Array(items)
                    }
                    value => value,
                };
                if !value.is_null() {
                    tidied.insert(key, value);
                }
            }
            Value::Object(tidied)
        }
        value => value,
    }
}

fn flatten(path: &str, value: &Value, lines: &mut Vec<String>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            // What tells one condition from the other stands in its path.
            for (key, value) in fields {
                flatten(&format!("{path}.{key}"), value, lines);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                let place = item["type"].as_str().map_or_else(|| index.to_string(), str::to_owned);
                flatten(&format!("{path}[{place}]"), item, lines);
            }
        }
        value => lines.push(format!("{path}: {value}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(name: &str, uid: &str, more: Value) -> Object {
        let mut value = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default", "uid": uid,
            "generateName": "web-", "creationTimestamp": "2026-01-01T00:00:00Z"}, "spec": {}, "status": {}});
        value["status"] = more;
        Object::decode_as("v1", "Pod", value).unwrap()
    }

    fn state(objects: &[Object]) -> State {
        State::of(objects.iter(), &[])
    }

    #[test]
    fn names_addresses_and_times_do_not_count() {
        let one = state(&[pod("web-abcde", "1", json!({"podIP": "10.0.0.1", "phase": "Running", "startTime": "2026-01-01T00:00:05Z"}))]);
        let other = state(&[pod("web-fghij", "2", json!({"podIP": "10.0.0.9", "phase": "Running", "startTime": "2026-01-01T00:00:09Z"}))]);
        assert_eq!(one.difference(&other), [""; 0]);
    }

    #[test]
    fn what_differs_is_named() {
        let one = state(&[pod("web-abcde", "1", json!({"phase": "Running"}))]);
        let other = state(&[pod("web-fghij", "2", json!({"phase": "Failed"})), pod("web-klmno", "3", json!({"phase": "Failed"}))]);
        let wanted = [
            "Pod default/web-* differs:",
            "  - .status.phase: \"Failed\"",
            "  + .status.phase: \"Running\"",
            "Pod default/web-* is missing",
        ];
        assert_eq!(one.difference(&other), wanted);
    }
}

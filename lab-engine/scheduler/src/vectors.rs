//! The plugins against facts from Kubernetes' own unit tests, where those lie beside the project (`../shared/vectors`); and against a few
//! of our own, always.

use crate::cache::Cache;
use crate::framework::runtime::{Enabled, Framework};
use crate::framework::{Code, CycleState, Handle, NodeScore, Plugin, PreFilterResult, PreScoreResult, Score, Status};
use crate::listers::Listers;
use crate::node_info::NodeInfo;
use crate::plugins::*;
use crate::pod_info::PodInfo;
use crate::queue::Nominator;
use api::core::Namespace;
use api::json::{Json, decode};
use client::Indexer;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a plugin is asked about.
struct Scene {
    cache: Cache,
    namespaces: Indexer<Namespace>,
    services: Indexer<api::core::Service>,
    replica_sets: Indexer<api::apps::ReplicaSet>,
    nominator: Nominator,
    pod: PodInfo,
}

fn read<T: Json>(value: &Value) -> T {
    decode(value.clone()).expect("vectors hold objects of Kubernetes")
}

fn list<'a>(input: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    input[field].as_array().into_iter().flatten()
}

impl Scene {
    fn new(input: &Value) -> Self {
        let mut cache = Cache::default();
        for node in list(input, "nodes") {
            cache.set_node(Arc::new(read(node)));
        }
        for (number, pod) in list(input, "existingPods").enumerate() {
            let mut pod: api::core::Pod = read(pod);
            if pod.metadata.name.is_empty() {
                pod.metadata.name = format!("existing-{number}");
            }
            cache.set_pod(Arc::new(PodInfo::new(Arc::new(pod))));
        }
        let mut namespaces = Indexer::default();
        for namespace in list(input, "namespaces") {
            namespaces.insert(Arc::new(read(namespace)));
        }
        let pod = PodInfo::new(Arc::new(read(&input["pod"])));
        Scene { cache, namespaces, services: Indexer::default(), replica_sets: Indexer::default(), nominator: Nominator::default(), pod }
    }

    fn handle(&self) -> Handle<'_> {
        let listers = Listers { namespaces: &self.namespaces, services: &self.services, replica_sets: &self.replica_sets };
        Handle { nodes: self.cache.snapshot(), listers, nominator: &self.nominator }
    }

    /// What the plugin says of each node.
    fn filter(&self, plugin: &dyn Plugin) -> BTreeMap<String, Result<(), Status>> {
        let (mut state, handle) = (CycleState::default(), self.handle());
        let before = plugin.as_pre_filter().map(|point| point.pre_filter(&mut state, &self.pod, &handle));
        let judge = |node: &NodeInfo| match &before {
            Some(Err(status)) => Err(status.clone()),
            Some(Ok(PreFilterResult::Skip)) => Ok(()),
            _ => plugin.as_filter().map_or(Ok(()), |filter| filter.filter(&state, &self.pod, node)),
        };
        handle.nodes.iter().map(|node| (node.name.to_string(), judge(node))).collect()
    }

    /// The scores of the nodes, which are all or those that `input` calls feasible.
    fn scores(&self, point: &dyn Score, input: &Value) -> BTreeMap<String, i64> {
        let (mut state, handle) = (CycleState::default(), self.handle());
        let feasible: Vec<&str> = list(input, "feasibleNodes").filter_map(Value::as_str).collect();
        let nodes: Vec<&NodeInfo> = handle.nodes.iter().filter(|node| feasible.is_empty() || feasible.contains(&&*node.name)).collect();
        if point.pre_score(&mut state, &self.pod, &nodes, &handle) == PreScoreResult::Skip {
            return nodes.iter().map(|node| (node.name.to_string(), 0)).collect();
        }
        let score = |node| NodeScore { node, score: point.score(&state, &self.pod, node, &handle) };
        let mut scores: Vec<NodeScore<'_>> = nodes.into_iter().map(score).collect();
        if input["normalized"] == json!(true) {
            point.normalize(&state, &mut scores);
        }
        scores.iter().map(|score| (score.node.name.to_string(), score.score)).collect()
    }
}

fn plugin(name: &str) -> Option<Box<dyn Plugin>> {
    Some(match name {
        "NodeName" => Box::new(NodeName),
        "NodePorts" => Box::new(NodePorts),
        "NodeUnschedulable" => Box::new(NodeUnschedulable),
        "TaintToleration" => Box::new(TaintToleration),
        "NodeAffinity" => Box::new(NodeAffinity),
        "NodeResourcesFit" => Box::new(NodeResourcesFit),
        "NodeResourcesBalancedAllocation" => Box::new(NodeResourcesBalancedAllocation),
        "ImageLocality" => Box::new(ImageLocality),
        "InterPodAffinity" => Box::new(InterPodAffinity),
        "PodTopologySpread" => Box::new(PodTopologySpread),
        _ => return None,
    })
}

fn code(result: &Result<(), Status>) -> &'static str {
    match result {
        Ok(()) => "Success",
        Err(Status { code: Code::Unschedulable, .. }) => "Unschedulable",
        Err(Status { code: Code::UnschedulableAndUnresolvable, .. }) => "UnschedulableAndUnresolvable",
        Err(_) => "Error",
    }
}

/// Whether the plugins here take the arguments: they know the defaults only.
fn has_default_args(input: &Value) -> bool {
    let args = &input["args"];
    let strategy = args["scoringStrategy"]["type"].as_str().unwrap_or("LeastAllocated");
    let resources = args["scoringStrategy"]["resources"].as_array().or(args["resources"].as_array());
    let plain = |resources: &Vec<Value>| {
        let names: Vec<_> = resources.iter().map(|resource| (resource["name"].as_str(), resource["weight"].as_i64())).collect();
        names == [(Some("cpu"), Some(1)), (Some("memory"), Some(1))]
    };
    let others =
        ["addedAffinity", "ignoredResources", "ignoredResourceGroups", "hardPodAffinityWeight", "ignorePreferredTermsOfExistingPods"];
    strategy == "LeastAllocated"
        && resources.is_none_or(plain)
        && others.iter().all(|field| args[*field].is_null() || args[*field] == json!([]) || args[*field] == json!(1))
        && args["defaultConstraints"].as_array().is_none_or(Vec::is_empty)
}

/// The differences of one case.
fn check(case: &Value) -> Option<Vec<String>> {
    let (input, expect) = (&case["input"], &case["expect"]);
    let plugin = plugin(input["plugin"].as_str()?).filter(|_| has_default_args(input))?;
    let scene = Scene::new(input);
    let mut wrong = Vec::new();
    match case["op"].as_str()? {
        "filter" => {
            let found = scene.filter(plugin.as_ref());
            for (node, wanted) in expect["nodes"].as_object()? {
                let result = found.get(node)?;
                // Since v1.31 NodeResourcesFit tells when even an empty node would be too small.
                let fit = plugin.name() == "NodeResourcesFit" && wanted["code"] == "Unschedulable" && result.is_err();
                if wanted["code"] != json!(code(result)) && !fit {
                    wrong.push(format!("{node}: {} instead of {}", code(result), wanted["code"]));
                }
                let reasons: Vec<_> = result.as_ref().err().map(|status| status.reasons.clone()).unwrap_or_default();
                let current = !matches!(plugin.name(), "TaintToleration" | "PodTopologySpread");
                if current && wanted["reasons"].is_array() && wanted["reasons"] != json!(reasons) {
                    wrong.push(format!("{node}: {reasons:?} instead of {}", wanted["reasons"]));
                }
            }
        }
        "score" => {
            let found = scene.scores(plugin.as_score()?, input);
            for (node, wanted) in expect["scores"].as_object()? {
                if found.get(node).copied() != wanted.as_i64() {
                    wrong.push(format!("{node}: {:?} instead of {wanted}", found.get(node)));
                }
            }
        }
        _ => return None,
    }
    Some(wrong)
}

/// Preemption with the named filters.
fn check_preemption(case: &Value) -> Option<Vec<String>> {
    let (input, expect) = (&case["input"], &case["expect"]);
    let wanted = match case["op"].as_str()? {
        "preemption-best-node" => list(expect, "anyOf").filter_map(Value::as_str).collect::<Vec<_>>(),
        _ => return None,
    };
    if list(input, "podDisruptionBudgets").next().is_some() {
        return None;
    }
    let mut enabled: Vec<Enabled> =
        list(input, "filterPlugins").filter_map(|name| plugin(name.as_str()?)).map(|plugin| Enabled { plugin, weight: 0 }).collect();
    enabled.push(Enabled { plugin: Box::new(DefaultPreemption), weight: 0 });
    let framework = Framework::new(enabled);
    let scene = Scene::new(input);
    let (mut state, handle) = (CycleState::default(), scene.handle());
    framework.run_pre_filter(&mut state, &scene.pod, &handle).ok()?;
    let mut statuses = crate::diagnosis::NodeStatuses::default();
    for node in handle.nodes.iter() {
        statuses.by_node.insert(node.name.clone(), Status::unschedulable("no"));
    }
    let found = match framework.run_post_filter(&state, &scene.pod, &statuses, &handle) {
        crate::framework::PostFilterResult::Nominated(nomination) => nomination.node.to_string(),
        crate::framework::PostFilterResult::Refused(status, _) => status.message(),
    };
    Some(if wanted.contains(&found.as_str()) { Vec::new() } else { vec![format!("{found} instead of one of {wanted:?}")] })
}

#[test]
fn plugins_decide_as_upstream_does() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors");
    let areas = [
        "sched-node-filters",
        "sched-nodeaffinity",
        "sched-noderesources",
        "sched-interpodaffinity",
        "sched-topologyspread",
        "sched-preemption",
    ];
    let (mut run, mut left, mut wrong) = (0, 0, Vec::new());
    for area in areas {
        let Ok(text) = std::fs::read_to_string(folder.join(format!("{area}.json"))) else {
            eprintln!("{area}: not there, left out");
            continue;
        };
        // Only the order of times matters, and the engine's begin in 2026.
        let file: Value = serde_json::from_str(&text.replace("\"1970-", "\"2030-")).expect("vectors are JSON");
        for case in list(&file, "cases") {
            match check(case).or_else(|| check_preemption(case)) {
                Some(differences) => {
                    run += 1;
                    wrong.extend(differences.into_iter().map(|difference| format!("{}: {difference}", case["id"])));
                }
                None => left += 1,
            }
        }
    }
    eprintln!("{run} run, {left} left out");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn node(name: &str, labels: &Value) -> Value {
    json!({"metadata": {"name": name, "labels": labels}, "status": {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"}}})
}

fn pod(name: &str, app: &str, on: &str, spec: Value) -> Value {
    let mut pod = json!({"metadata": {"name": name, "namespace": "default", "labels": {"app": app}}, "spec": spec});
    pod["spec"]["nodeName"] = json!(on);
    pod
}

fn codes(input: &Value, name: &str) -> Vec<&'static str> {
    let plugin = plugin(name).expect("it is known");
    Scene::new(input).filter(plugin.as_ref()).values().map(code).collect()
}

#[test]
fn affinity_and_anti_affinity_work_by_topology() {
    let zone = |zone: &str| json!({"zone": zone});
    let term = |kind: &str| {
        let term = json!({"labelSelector": {"matchLabels": {"app": "db"}}, "topologyKey": "zone"});
        json!({"affinity": {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}})
    };
    let scene = |kind: &str, existing: Value| {
        json!({"nodes": [node("a1", &zone("a")), node("a2", &zone("a")), node("b1", &zone("b")), node("none", &json!({}))],
               "existingPods": existing, "pod": pod("web", "web", "", term(kind))})
    };
    let db = json!([pod("db", "db", "a1", json!({}))]);
    let never = "UnschedulableAndUnresolvable";
    assert_eq!(codes(&scene("podAffinity", db.clone()), "InterPodAffinity"), ["Success", "Success", never, never]);
    assert_eq!(codes(&scene("podAffinity", json!([])), "InterPodAffinity"), [never; 4]);
    assert_eq!(codes(&scene("podAntiAffinity", db), "InterPodAffinity"), ["Unschedulable", "Unschedulable", "Success", "Success"]);
    // The one that is there does not want the new one.
    let shy = json!([pod(
        "shy",
        "x",
        "b1",
        json!({"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
        {"labelSelector": {"matchLabels": {"app": "web"}}, "topologyKey": "zone"}]}}})
    )]);
    let plain =
        json!({"nodes": [node("a1", &zone("a")), node("b1", &zone("b"))], "existingPods": shy, "pod": pod("web", "web", "", json!({}))});
    assert_eq!(codes(&plain, "InterPodAffinity"), ["Success", "Unschedulable"]);
}

#[test]
fn a_skew_may_not_grow_too_large() {
    let constraint = json!({"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule",
                            "labelSelector": {"matchLabels": {"app": "web"}}});
    let web = |name: &str, on: &str| pod(name, "web", on, json!({}));
    let scene = |existing: Value| {
        json!({"nodes": [node("a", &json!({"zone": "a"})), node("b", &json!({"zone": "b"})), node("c", &json!({}))],
               "existingPods": existing, "pod": pod("new", "web", "", json!({"topologySpreadConstraints": [constraint]}))})
    };
    let never = "UnschedulableAndUnresolvable";
    assert_eq!(codes(&scene(json!([])), "PodTopologySpread"), ["Success", "Success", never]);
    assert_eq!(codes(&scene(json!([web("1", "a")])), "PodTopologySpread"), ["Unschedulable", "Success", never]);
    assert_eq!(codes(&scene(json!([web("1", "a"), web("2", "b")])), "PodTopologySpread"), ["Success", "Success", never]);
}

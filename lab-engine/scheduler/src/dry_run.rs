//! Asks single plugins what they think of a Pod, without a scheduler that runs: for conformance, and for whoever wants to explain a decision.
//!
//! A [`Scene`] holds objects, as JSON of the API. It runs one plugin, or preemption with some, exactly as a cycle would.
//!
//! ```
//! use scheduler::dry_run::{Code, Scene};
//! use serde_json::{Value, json};
//!
//! let mut scene = Scene::default();
//! scene.add(&json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a"}, "spec": {"unschedulable": true}})).unwrap();
//! let verdicts = scene.filter("NodeUnschedulable", &Value::Null, &json!({"metadata": {"name": "web"}})).unwrap();
//! assert_eq!(verdicts["a"].code, Code::UnschedulableAndUnresolvable);
//! assert_eq!(verdicts["a"].reasons, ["node(s) were unschedulable"]);
//! ```

use crate::cache::Cache;
use crate::diagnosis::NodeStatuses;
use crate::framework::runtime::{Enabled, Framework};
use crate::framework::{self, CycleState, Handle, NodeScore, PreFilterResult, PreScoreResult, Reservations, Status};
use crate::listers::Listers;
use crate::node_info::NodeInfo;
use crate::plugins::{self, DefaultPreemption, NodeResourcesFit};
use crate::pod_info::PodInfo;
use crate::queue::Nominator;
use crate::registry::plugin;
use crate::views::{Claim, CsiNode, DisruptionBudget, ReplicationController, StatefulSet, StorageClass, Volume};
use api::apps::ReplicaSet;
use api::core::{Namespace, Node, Pod, Service};
use api::json::{Json, decode};
use api::meta::ObjectMeta;
use client::{Indexer, Reflected};
use serde_json::Value;
use sim::Time;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a plugin says of a node, or of a Pod as a whole (`framework.Code`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// It agrees.
    Success,
    /// Something went wrong.
    Error,
    /// The Pod does not fit; preemption may help.
    Unschedulable,
    /// The Pod does not fit, and preemption cannot help.
    UnschedulableAndUnresolvable,
}

impl Code {
    /// The name that upstream gives it.
    pub fn as_str(self) -> &'static str {
        match self {
            Code::Success => "Success",
            Code::Error => "Error",
            Code::Unschedulable => "Unschedulable",
            Code::UnschedulableAndUnresolvable => "UnschedulableAndUnresolvable",
        }
    }
}

/// A code with its reasons (`framework.Status`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What it comes to.
    pub code: Code,
    /// Why, in the words of events.
    pub reasons: Vec<String>,
}

impl From<Result<(), Status>> for Verdict {
    fn from(result: Result<(), Status>) -> Self {
        match result {
            Ok(()) => Verdict { code: Code::Success, reasons: Vec::new() },
            Err(status) => {
                let code = match status.code {
                    framework::Code::Error => Code::Error,
                    framework::Code::Unschedulable => Code::Unschedulable,
                    framework::Code::UnschedulableAndUnresolvable => Code::UnschedulableAndUnresolvable,
                };
                Verdict { code, reasons: status.reasons.into_iter().map(|reason| reason.into_owned()).collect() }
            }
        }
    }
}

/// A resource of which a node has too little (`InsufficientResource`). CPU is in thousandths, everything else in base units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Insufficient {
    /// The resource.
    pub resource: String,
    /// What the Pod requests.
    pub requested: i64,
    /// What others on the node request.
    pub used: i64,
    /// What the node has.
    pub capacity: i64,
    /// In the words of events.
    pub reason: String,
}

/// A node on which preemption would make room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The node.
    pub node: String,
    /// The names of the Pods that would have to go.
    pub victims: BTreeSet<String>,
    /// How many of them a PodDisruptionBudget protects.
    pub pdb_violations: usize,
}

/// What preemption comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preemption {
    /// The node on which room is made; `None` for none.
    pub nominated_node: Option<String>,
    /// Success, or why not.
    pub code: Code,
}

/// Objects of a cluster.
#[derive(Debug, Default)]
pub struct Scene {
    cache: Cache,
    namespaces: Indexer<Namespace>,
    services: Indexer<Service>,
    replica_sets: Indexer<ReplicaSet>,
    replication_controllers: Indexer<ReplicationController>,
    stateful_sets: Indexer<StatefulSet>,
    claims: Indexer<Claim>,
    volumes: Indexer<Volume>,
    storage_classes: Indexer<StorageClass>,
    csi_nodes: Indexer<CsiNode>,
    budgets: Indexer<DisruptionBudget>,
    nominator: Nominator,
    reservations: Reservations,
    pods: usize,
}

/// Reads an object without `apiVersion` and `kind`.
fn read<T: Json>(value: &Value) -> Result<T, String> {
    let mut value = value.clone();
    if let Some(fields) = value.as_object_mut() {
        fields.remove("apiVersion");
        fields.remove("kind");
    }
    decode(value).map_err(|error| error.to_string())
}

/// Reads a view; a namespaced one without a namespace is in `default`.
fn view<T>(value: &Value, namespaced: bool, make: fn(ObjectMeta, &Value) -> T) -> Result<Arc<T>, String> {
    let mut metadata: ObjectMeta = if value["metadata"].is_null() { ObjectMeta::default() } else { read(&value["metadata"])? };
    if namespaced && metadata.namespace.is_empty() {
        metadata.namespace = "default".to_owned();
    }
    Ok(Arc::new(make(metadata, value)))
}

fn put<T: Reflected>(cache: &mut Indexer<T>, object: Arc<T>) {
    cache.insert(object);
}

/// A Pod; one without a name gets `name`.
fn pod_info(value: &Value, name: impl FnOnce() -> String) -> Result<Arc<PodInfo>, String> {
    let mut pod: Pod = read(value)?;
    if pod.metadata.name.is_empty() {
        pod.metadata.name = name();
    }
    Ok(Arc::new(PodInfo::new(Arc::new(pod))))
}

fn text_of_errors(errors: Vec<api::status::FieldError>) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl Scene {
    /// Adds an object of any kind that matters to scheduling: a node, a Pod on a node, a volume, …
    ///
    /// # Errors
    /// The object cannot be read, or no plugin looks at its kind.
    pub fn add(&mut self, object: &Value) -> Result<(), String> {
        match object["kind"].as_str().unwrap_or_default() {
            "Node" => self.cache.set_node(Arc::new(read::<Node>(object)?)),
            "Pod" => {
                self.pods += 1;
                let number = self.pods;
                self.cache.set_pod(pod_info(object, || format!("existing-{number}"))?);
            }
            "Namespace" => put(&mut self.namespaces, Arc::new(read(object)?)),
            "Service" => put(&mut self.services, Arc::new(namespaced::<Service>(object)?)),
            "ReplicaSet" => put(&mut self.replica_sets, Arc::new(namespaced::<ReplicaSet>(object)?)),
            "ReplicationController" => put(&mut self.replication_controllers, view(object, true, ReplicationController::read)?),
            "StatefulSet" => put(&mut self.stateful_sets, view(object, true, StatefulSet::read)?),
            "PersistentVolumeClaim" => put(&mut self.claims, view(object, true, Claim::read)?),
            "PersistentVolume" => put(&mut self.volumes, view(object, false, Volume::read)?),
            "StorageClass" => put(&mut self.storage_classes, view(object, false, StorageClass::read)?),
            "CSINode" => put(&mut self.csi_nodes, view(object, false, CsiNode::read)?),
            "PodDisruptionBudget" => put(&mut self.budgets, view(object, true, DisruptionBudget::read)?),
            other => return Err(format!("no plugin looks at objects of kind {other:?}")),
        }
        Ok(())
    }

    fn handle(&self) -> Handle<'_> {
        let listers = Listers {
            namespaces: &self.namespaces,
            services: &self.services,
            replica_sets: &self.replica_sets,
            replication_controllers: &self.replication_controllers,
            stateful_sets: &self.stateful_sets,
            claims: &self.claims,
            volumes: &self.volumes,
            storage_classes: &self.storage_classes,
            csi_nodes: &self.csi_nodes,
            budgets: &self.budgets,
        };
        Handle { nodes: self.cache.snapshot(), listers, nominator: &self.nominator, reservations: &self.reservations }
    }

    /// What the plugin says of the Pod before it looks at any node.
    ///
    /// # Errors
    /// The Pod, the plugin or its arguments cannot be read.
    pub fn pre_filter(&self, name: &str, args: &Value, pod: &Value) -> Result<Verdict, String> {
        let (plugin, pod) = (plugin(name, args).map_err(text_of_errors)?, pod_info(pod, || "pod".to_owned())?);
        let point = plugin.as_pre_filter().map(|point| point.pre_filter(&mut CycleState::default(), &pod, &self.handle()));
        Ok(point.unwrap_or(Ok(PreFilterResult::Skip)).map(drop).into())
    }

    /// What the plugin says of each node, by node.
    ///
    /// # Errors
    /// The Pod, the plugin or its arguments cannot be read.
    pub fn filter(&self, name: &str, args: &Value, pod: &Value) -> Result<BTreeMap<String, Verdict>, String> {
        let (plugin, pod) = (plugin(name, args).map_err(text_of_errors)?, pod_info(pod, || "pod".to_owned())?);
        let (mut state, handle) = (CycleState::default(), self.handle());
        let before = plugin.as_pre_filter().map(|point| point.pre_filter(&mut state, &pod, &handle));
        let judge = |node: &NodeInfo| {
            match &before {
                Some(Err(status)) => return Err(status.clone()),
                Some(Ok(PreFilterResult::Skip)) => return Ok(()),
                _ => {}
            }
            plugin.as_filter().map_or(Ok(()), |filter| filter.filter(&state, &pod, node, &handle))?;
            // A cycle does not ask about nodes that PreFilter left out.
            match &before {
                Some(Ok(PreFilterResult::Nodes(names))) if !names.contains(&*node.name) => {
                    Err(Status::unresolvable(format!("node(s) didn't satisfy plugin(s) [{name}]")))
                }
                _ => Ok(()),
            }
        };
        Ok(handle.nodes.iter().map(|node| (node.name.to_string(), judge(node).into())).collect())
    }

    /// What each node has too little of, by node, as `NodeResourcesFit` sees it.
    ///
    /// # Errors
    /// The Pod or the plugin's arguments cannot be read.
    pub fn insufficient(&self, args: &Value, pod: &Value) -> Result<BTreeMap<String, Vec<Insufficient>>, String> {
        let (fit, pod) = (NodeResourcesFit::new(args).map_err(text_of_errors)?, pod_info(pod, || "pod".to_owned())?);
        let of = |node: &NodeInfo| {
            let found = fit.insufficient(&pod.requests, node).into_iter();
            let told = found.map(|one| {
                let (requested, used, capacity) = one.amounts;
                Insufficient { resource: one.resource, requested, used, capacity, reason: one.reason.into_owned() }
            });
            told.collect()
        };
        Ok(self.handle().nodes.iter().map(|node| (node.name.to_string(), of(node))).collect())
    }

    /// The plugin's score of each node, or of the `feasible` ones only, by node; brought to 0 to 100 if `normalized`.
    ///
    /// # Errors
    /// The Pod, the plugin or its arguments cannot be read, or it gives no scores.
    pub fn scores(
        &self,
        name: &str,
        args: &Value,
        pod: &Value,
        feasible: Option<&[String]>,
        normalized: bool,
    ) -> Result<BTreeMap<String, i64>, String> {
        let (plugin, pod) = (plugin(name, args).map_err(text_of_errors)?, pod_info(pod, || "pod".to_owned())?);
        let point = plugin.as_score().ok_or_else(|| format!("{name} gives no scores"))?;
        let (mut state, handle) = (CycleState::default(), self.handle());
        let scored = |node: &&NodeInfo| feasible.is_none_or(|names| names.iter().any(|name| **name == *node.name));
        let nodes: Vec<&NodeInfo> = handle.nodes.iter().filter(scored).collect();
        if point.pre_score(&mut state, &pod, &nodes, &handle) == PreScoreResult::Skip {
            return Ok(nodes.iter().map(|node| (node.name.to_string(), 0)).collect());
        }
        let score = |node| NodeScore { node, score: point.score(&state, &pod, node, &handle) };
        let mut scores: Vec<NodeScore<'_>> = nodes.into_iter().map(score).collect();
        if normalized {
            point.normalize(&state, &mut scores);
        }
        Ok(scores.iter().map(|score| (score.node.name.to_string(), score.score)).collect())
    }

    /// What preemption is tried with: the Pod, the filters, and the state after PreFilter.
    fn preemption(&self, filters: &[String], pod: &Value) -> Result<(Arc<PodInfo>, Framework, CycleState), String> {
        let pod = pod_info(pod, || "pod".to_owned())?;
        let mut enabled = Vec::new();
        for name in filters {
            enabled.push(Enabled { plugin: plugin(name, &Value::Null).map_err(text_of_errors)?, weight: 0 });
        }
        let (framework, mut state) = (Framework::new(enabled), CycleState::default());
        framework.run_pre_filter(&mut state, &pod, &self.handle()).map_err(|status| status.message())?;
        Ok((pod, framework, state))
    }

    /// The nodes on which preemption would make room, where these filters decide.
    ///
    /// # Errors
    /// The Pod or a plugin cannot be read, or no node will do whatever is preempted.
    pub fn candidates(&self, filters: &[String], pod: &Value) -> Result<Vec<Candidate>, String> {
        let (pod, framework, state) = self.preemption(filters, pod)?;
        let (found, _) = DefaultPreemption::default().candidates(&state, &pod, |_| true, &framework, &self.handle());
        let told = |candidate: plugins::Candidate| Candidate {
            node: candidate.node.to_string(),
            victims: candidate.victims.iter().map(|victim| victim.pod.metadata.name.clone()).collect(),
            pdb_violations: candidate.violations,
        };
        Ok(found.into_iter().map(told).collect())
    }

    /// The node that preemption would choose, where these filters decide. `refused` says why nodes were refused before; of a node that
    /// is not in it, that preemption may help.
    ///
    /// # Errors
    /// The Pod or a plugin cannot be read.
    pub fn preempt(&self, filters: &[String], pod: &Value, refused: &BTreeMap<String, Code>) -> Result<Preemption, String> {
        let (pod, framework, state) = self.preemption(filters, pod)?;
        let handle = self.handle();
        if plugins::eligible(&pod, &statuses(refused), &handle).is_err() {
            return Ok(Preemption { nominated_node: None, code: Code::Unschedulable });
        }
        let may_help = |node: &NodeInfo| refused.get(&*node.name).is_none_or(|code| *code == Code::Unschedulable);
        let (found, refusals) = DefaultPreemption::default().candidates(&state, &pod, may_help, &framework, &handle);
        Ok(match plugins::pick(found) {
            Some(best) => Preemption { nominated_node: Some(best.node.to_string()), code: Code::Success },
            None if plugins::failure(&refusals).is_some() => Preemption { nominated_node: None, code: Code::Error },
            None => Preemption { nominated_node: None, code: Code::Unschedulable },
        })
    }

    /// Whether the Pod may push others away now. `refused` says why the node was refused on which the Pod waits for room already.
    ///
    /// # Errors
    /// The Pod cannot be read.
    pub fn may_preempt(&mut self, pod: &Value, refused: Option<Code>) -> Result<bool, String> {
        let pod = pod_info(pod, || "pod".to_owned())?;
        let node = pod.pod.status.nominated_node_name.clone();
        if !node.is_empty() {
            self.nominator.nominate(pod.clone(), &node.as_str().into());
        }
        let refused = statuses(&refused.into_iter().map(|code| (node.clone(), code)).collect());
        let may = plugins::eligible(&pod, &refused, &self.handle()).is_ok();
        self.nominator.remove(&pod.key);
        Ok(may)
    }
}

/// Refusals by node; nodes that are not named were refused in a way that preemption may mend.
fn statuses(refused: &BTreeMap<String, Code>) -> NodeStatuses {
    let mut statuses = NodeStatuses { absent: Status { reasons: Vec::new(), ..Status::unschedulable("") }, ..NodeStatuses::default() };
    for (node, _) in refused.iter().filter(|(_, code)| **code == Code::UnschedulableAndUnresolvable) {
        statuses.insert(node.as_str().into(), Status::unresolvable(""));
    }
    statuses
}

fn namespaced<T: api::Resource>(value: &Value) -> Result<T, String> {
    let mut object: T = read(value)?;
    if object.metadata().namespace.is_empty() {
        api::Resource::metadata_mut(&mut object).namespace = "default".to_owned();
    }
    Ok(object)
}

/// Whether the arguments of a plugin are right; else what is wrong.
///
/// # Errors
/// All that is wrong, as one text.
pub fn validate_args(name: &str, args: &Value) -> Result<(), String> {
    plugin(name, args).map(drop).map_err(text_of_errors)
}

/// Whether a Pod comes before another in the queue: priority and time of coming of each (`queuesort.Less`).
pub fn queued_before(a: (i32, Time), b: (i32, Time)) -> bool {
    plugins::less(a, b)
}

/// The value at `x` of the line through the points, which are in order of x; level outside.
pub fn piecewise_linear(points: &[(i64, i64)], x: i64) -> i64 {
    plugins::piecewise_linear(points, x)
}

/// An image's name with its tag, as nodes report it (`normalizedImageName`).
pub fn normalized_image_name(name: &str) -> String {
    plugins::normalized_image_name(name)
}

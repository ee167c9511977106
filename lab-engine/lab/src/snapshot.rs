//! The cluster as views show it: plain data, made anew from the objects each time.
//!
//! **Simplified here:** the STATUS of a Pod follows `kubectl get pods` for what the engine can bring about; init containers are told
//! only by `Init:n/m`.

use api::Object;
use api::apps::{Deployment, ReplicaSet};
use api::core::{ContainerStatus, Node, Pod, Service};
use api::meta::{condition, condition_is_true};
use cluster::{Cluster, ComponentStatus, Fault, MemberStatus};
use serde::{Deserialize, Serialize};
use sim::{EventId, Time, Trace, TraceEvent};

/// The cluster at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// The present, in virtual milliseconds since the cluster began.
    pub now_ms: u64,
    /// The present on the cluster's clocks, in RFC 3339.
    pub clock: String,
    /// The nodes, by name, each with its Pods.
    pub nodes: Vec<NodeView>,
    /// The Pods that have no node yet.
    pub unscheduled: Vec<PodView>,
    /// The Deployments, by namespace and name.
    pub deployments: Vec<WorkloadView>,
    /// The ReplicaSets, by namespace and name.
    pub replica_sets: Vec<WorkloadView>,
    /// The Services, by namespace and name.
    pub services: Vec<ServiceView>,
    /// The members of etcd, in order.
    pub members: Vec<MemberStatus>,
    /// The components of the control plane that can be killed, in order.
    pub components: Vec<ComponentStatus>,
    /// The faults on the cluster, in the order in which they came.
    pub faults: Vec<Fault>,
    /// How many older events the trace has dropped.
    pub dropped_events: u64,
}

/// A node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeView {
    /// Its name.
    pub name: String,
    /// Whether it is Ready.
    pub ready: bool,
    /// Whether it takes no new Pods.
    pub unschedulable: bool,
    /// The Pods bound to it, by namespace and name.
    pub pods: Vec<PodView>,
}

/// A Pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodView {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its phase.
    pub phase: String,
    /// The STATUS column of `kubectl get pods`.
    pub status: String,
    /// How many of its containers are ready.
    pub ready: usize,
    /// How many containers it has.
    pub containers: usize,
    /// How often its containers were restarted, together.
    pub restarts: i32,
    /// Its IP; empty while it has none.
    pub ip: String,
    /// Kind and name of its controller, for example `ReplicaSet/web-6d4cf56db6`; empty without one.
    pub owner: String,
}

/// A Deployment or ReplicaSet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadView {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// How many Pods it should have.
    pub desired: i32,
    /// How many it has.
    pub current: i32,
    /// How many of them are of the newest template (Deployments).
    pub updated: i32,
    /// How many are Ready.
    pub ready: i32,
    /// How many are available.
    pub available: i32,
    /// Kind and name of its controller; empty without one.
    pub owner: String,
}

/// A Service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceView {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub type_: String,
    /// Its cluster IP; may be empty.
    pub cluster_ip: String,
}

/// An event of the trace, as the timeline shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventView {
    /// Its number.
    pub id: u64,
    /// When, in virtual milliseconds since the cluster began.
    pub at_ms: u64,
    /// Who did it: the lane.
    pub actor: String,
    /// The number of the event that led to it.
    pub cause: Option<u64>,
    /// What happened, in words.
    pub text: String,
    /// What happened, as data: `type` and its fields.
    pub what: serde_json::Value,
}

impl EventView {
    /// How the timeline shows an event.
    pub fn new(event: &TraceEvent) -> Self {
        EventView {
            id: event.id.0,
            at_ms: event.at.as_millis(),
            actor: event.actor.to_string(),
            cause: event.cause.map(|cause| cause.0),
            text: event.what.to_string(),
            what: serde_json::to_value(&event.what).unwrap_or_default(),
        }
    }

    /// At most `limit` events after `after`, oldest first.
    pub fn of(trace: &Trace, after: EventId, limit: usize) -> Vec<EventView> {
        trace.after(after).take(limit).map(EventView::new).collect()
    }
}

impl Snapshot {
    /// A cluster at present.
    pub fn of(cluster: &Cluster) -> Self {
        let (members, faults) = (cluster.etcd_members(), cluster.faults().to_vec());
        Snapshot { members, faults, components: cluster.components(), ..Snapshot::new(cluster.now(), cluster.trace(), cluster.objects()) }
    }

    /// The cluster that holds these objects, which come in the order of the API server's keys.
    fn new<'a>(now: Time, trace: &Trace, objects: impl Iterator<Item = &'a Object>) -> Self {
        let mut snapshot =
            Snapshot { now_ms: now.as_millis(), clock: now.rfc3339(), dropped_events: trace.dropped(), ..Snapshot::default() };
        let mut pods = Vec::new();
        for object in objects {
            match object {
                Object::Node(node) => snapshot.nodes.push(node_view(node)),
                Object::Pod(pod) => pods.push(pod),
                Object::Deployment(deployment) => snapshot.deployments.push(deployment_view(deployment)),
                Object::ReplicaSet(set) => snapshot.replica_sets.push(replica_set_view(set)),
                Object::Service(service) => snapshot.services.push(service_view(service)),
                _ => {}
            }
        }
        for pod in pods {
            let node = snapshot.nodes.iter_mut().find(|node| node.name == pod.spec.node_name);
            node.map_or(&mut snapshot.unscheduled, |node| &mut node.pods).push(pod_view(pod));
        }
        snapshot
    }
}

fn owner(metadata: &api::meta::ObjectMeta) -> String {
    metadata.controller().map(|owner| format!("{}/{}", owner.kind, owner.name)).unwrap_or_default()
}

fn node_view(node: &Node) -> NodeView {
    NodeView {
        name: node.metadata.name.to_string(),
        ready: condition_is_true(&node.status.conditions, "Ready"),
        unschedulable: node.spec.unschedulable.unwrap_or(false),
        pods: Vec::new(),
    }
}

fn pod_view(pod: &Pod) -> PodView {
    let statuses = &pod.status.container_statuses;
    PodView {
        namespace: pod.metadata.namespace.to_string(),
        name: pod.metadata.name.to_string(),
        phase: pod.status.phase.clone(),
        status: pod_status(pod),
        ready: statuses.iter().filter(|status| status.ready).count(),
        containers: pod.spec.containers.len(),
        restarts: statuses.iter().map(|status| status.restart_count).sum(),
        ip: pod.status.pod_ip.clone(),
        owner: owner(&pod.metadata),
    }
}

/// The STATUS column (`printPod` in `pkg/printers/internalversion/printers.go`).
fn pod_status(pod: &Pod) -> String {
    if pod.metadata.deletion_timestamp.is_some() {
        return "Terminating".to_owned();
    }
    let done = |status: &ContainerStatus| status.state.terminated.as_ref().is_some_and(|ended| ended.exit_code == 0);
    let sidecar = |status: &ContainerStatus| status.started == Some(true) && status.state.running.is_some();
    let inits = &pod.status.init_container_statuses;
    let finished = inits.iter().take_while(|status| done(status) || sidecar(status)).count();
    if finished < pod.spec.init_containers.len() && !pod.spec.node_name.is_empty() {
        let why = inits.get(finished).and_then(reason).filter(|why| why != "PodInitializing");
        return why.map_or_else(|| format!("Init:{finished}/{}", pod.spec.init_containers.len()), |why| format!("Init:{why}"));
    }
    let of_container = pod.status.container_statuses.iter().find_map(reason);
    let running = pod.status.container_statuses.iter().any(|status| status.ready && status.state.running.is_some());
    match of_container {
        Some(reason) if reason == "Completed" && running => "Running".to_owned(),
        Some(reason) => reason,
        None if condition(&pod.status.conditions, "PodScheduled").is_some_and(|condition| condition.reason == "SchedulingGated") => {
            "SchedulingGated".to_owned()
        }
        None if pod.status.reason.is_empty() => pod.status.phase.clone(),
        None => pod.status.reason.clone(),
    }
}

/// Why a container does not run.
fn reason(status: &ContainerStatus) -> Option<String> {
    let state = &status.state;
    if let Some(waiting) = state.waiting.as_ref().filter(|waiting| !waiting.reason.is_empty()) {
        return Some(waiting.reason.clone());
    }
    let ended = state.terminated.as_ref()?;
    Some(match (ended.reason.as_str(), ended.signal) {
        ("", Some(signal)) if signal != 0 => format!("Signal:{signal}"),
        ("", _) => format!("ExitCode:{}", ended.exit_code),
        (reason, _) => reason.to_owned(),
    })
}

fn deployment_view(deployment: &Deployment) -> WorkloadView {
    let status = &deployment.status;
    WorkloadView {
        namespace: deployment.metadata.namespace.to_string(),
        name: deployment.metadata.name.to_string(),
        desired: deployment.spec.replicas.unwrap_or(1),
        current: status.replicas.unwrap_or(0),
        updated: status.updated_replicas.unwrap_or(0),
        ready: status.ready_replicas.unwrap_or(0),
        available: status.available_replicas.unwrap_or(0),
        owner: owner(&deployment.metadata),
    }
}

fn replica_set_view(set: &ReplicaSet) -> WorkloadView {
    WorkloadView {
        namespace: set.metadata.namespace.to_string(),
        name: set.metadata.name.to_string(),
        desired: set.spec.replicas.unwrap_or(1),
        current: set.status.replicas,
        updated: 0,
        ready: set.status.ready_replicas.unwrap_or(0),
        available: set.status.available_replicas.unwrap_or(0),
        owner: owner(&set.metadata),
    }
}

fn service_view(service: &Service) -> ServiceView {
    ServiceView {
        namespace: service.metadata.namespace.to_string(),
        name: service.metadata.name.to_string(),
        type_: service.spec.type_.clone(),
        cluster_ip: service.spec.cluster_ip.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(kind: &str, value: serde_json::Value) -> Object {
        Object::decode_as("v1", kind, value).unwrap()
    }

    fn shown(status: serde_json::Value) -> String {
        let spec = json!({"nodeName": "n", "containers": [{"name": "c", "image": "i"}]});
        let pod = object("Pod", json!({"metadata": {"name": "p"}, "spec": spec, "status": status}));
        Snapshot::new(Time::ZERO, &Trace::default(), [&pod].into_iter()).unscheduled[0].status.clone()
    }

    #[test]
    fn a_pods_status_is_that_of_kubectl() {
        let with = |state: serde_json::Value| json!({"phase": "Running", "containerStatuses": [{"name": "c", "restartCount": 0, "ready": false, "image": "i", "imageID": "", "state": state}]});
        assert_eq!(shown(json!({"phase": "Pending"})), "Pending");
        let gated = json!([{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]);
        assert_eq!(shown(json!({"phase": "Pending", "conditions": gated})), "SchedulingGated");
        assert_eq!(shown(with(json!({"waiting": {"reason": "CrashLoopBackOff"}}))), "CrashLoopBackOff");
        assert_eq!(shown(with(json!({"running": {}}))), "Running");
        assert_eq!(shown(with(json!({"terminated": {"exitCode": 0, "reason": "Completed"}}))), "Completed");
        assert_eq!(shown(with(json!({"terminated": {"exitCode": 3}}))), "ExitCode:3");
        assert_eq!(shown(json!({"phase": "Failed", "reason": "Evicted"})), "Evicted");
    }

    #[test]
    fn pods_stand_on_their_nodes() {
        let node = object("Node", json!({"metadata": {"name": "n"}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}));
        let bound = object("Pod", json!({"metadata": {"name": "a"}, "spec": {"nodeName": "n"}}));
        let free = object("Pod", json!({"metadata": {"name": "b"}}));
        let snapshot = Snapshot::new(Time::from_millis(1500), &Trace::default(), [&bound, &free, &node].into_iter());
        assert_eq!((snapshot.now_ms, snapshot.clock.as_str()), (1500, "2026-05-04T08:00:01Z"));
        assert!(snapshot.nodes[0].ready);
        assert_eq!(snapshot.nodes[0].pods[0].name, "a");
        assert_eq!(snapshot.unscheduled[0].name, "b");
        let json = serde_json::to_string(&snapshot).unwrap();
        assert_eq!(serde_json::from_str::<Snapshot>(&json).unwrap(), snapshot);
    }
}

//! The node: how a kubelet registers it and keeps it alive (`pkg/kubelet/kubelet_node_status.go`, `pkg/kubelet/nodestatus/setters.go`).
//!
//! A kubelet creates its Node once, renews its Lease in `kube-node-lease` every ten seconds, and writes the status every five minutes or
//! when something changed.
//!
//! **Simplified here:** the runtime is ready as soon as the kubelet starts, so a node is `Ready` with its first status. A Node that someone deletes comes back only when the kubelet restarts, as upstream.

use crate::images::ImageManager;
use crate::kubelet::KubeletConfig;
use api::coordination::{Lease, LeaseSpec};
use api::core::{
    ContainerImage, DaemonEndpoint, Node, NodeAddress, NodeDaemonEndpoints, NodeSpec, NodeStatus, NodeSystemInfo, ResourceList,
};
use api::meta::{Condition, ObjectMeta, OwnerReference};
use api::quantity::Quantity;
use sim::Time;
use std::time::Duration;

/// How often the Lease is renewed (a quarter of `nodeLeaseDurationSeconds`).
pub(crate) const LEASE_PERIOD: Duration = Duration::from_secs(10);
/// How often the status is written when nothing changes (`nodeStatusReportFrequency`).
pub(crate) const STATUS_PERIOD: Duration = Duration::from_secs(300);
/// The namespace of the Leases of nodes.
pub(crate) const LEASE_NAMESPACE: &str = "kube-node-lease";

/// The IP of the node with this number.
pub fn node_ip(index: u32) -> String {
    let host = index.saturating_add(2);
    format!("172.18.{}.{}", host / 250 % 250, host % 250)
}

/// The first three octets of the Pod IPs of the node with this number.
pub fn pod_network(index: u32) -> String {
    format!("10.{}.{}", 244 + index / 256 % 12, index % 256)
}

fn quantity(text: String) -> Quantity {
    Quantity::parse(&text).unwrap_or_default()
}

fn resources(config: &KubeletConfig) -> ResourceList {
    let cpu = if config.cpu_milli.is_multiple_of(1000) { (config.cpu_milli / 1000).to_string() } else { format!("{}m", config.cpu_milli) };
    [
        ("cpu", cpu),
        ("ephemeral-storage", "100Gi".to_owned()),
        ("memory", format!("{}Ki", config.memory_bytes / 1024)),
        ("pods", config.pods.to_string()),
    ]
    .into_iter()
    .map(|(name, text)| (name.to_owned(), quantity(text)))
    .collect()
}

/// The Node to register.
pub(crate) fn node(config: &KubeletConfig, now: Time, images: &ImageManager) -> Node {
    let name = &config.node_name;
    let mut labels = config.labels.clone();
    for (key, value) in [
        ("beta.kubernetes.io/arch", "amd64"),
        ("beta.kubernetes.io/os", "linux"),
        ("kubernetes.io/arch", "amd64"),
        ("kubernetes.io/hostname", name.as_str()),
        ("kubernetes.io/os", "linux"),
    ] {
        labels.entry(key.to_owned()).or_insert_with(|| value.to_owned());
    }
    let annotations = [("volumes.kubernetes.io/controller-managed-attach-detach".to_owned(), "true".to_owned())].into();
    let cidr = format!("{}.0/24", pod_network(config.index));
    Node {
        metadata: ObjectMeta { name: name.clone(), labels, annotations, ..ObjectMeta::default() },
        spec: NodeSpec { pod_cidr: cidr.clone(), pod_cidrs: vec![cidr], taints: config.taints.clone(), ..NodeSpec::default() },
        status: status(config, now, images, &[], false, &[]),
        ..Node::default()
    }
}

/// The node's conditions: `pressure` names those of pressure that hold. What has not changed keeps its time from `before`.
fn conditions(now: Time, pressure: &[&str], shutting_down: bool, before: &[Condition]) -> Vec<Condition> {
    let holds = |type_: &str| pressure.contains(&type_);
    let pick = |type_: &'static str, with: [&'static str; 2], without: [&'static str; 2]| {
        let [reason, message] = if holds(type_) { with } else { without };
        (type_, holds(type_), reason, message)
    };
    let ready = match shutting_down {
        false => ("Ready", true, "KubeletReady", "kubelet is posting ready status"),
        true => ("Ready", false, "KubeletNotReady", "node is shutting down"),
    };
    let all = [
        pick(
            "MemoryPressure",
            ["KubeletHasInsufficientMemory", "kubelet has insufficient memory available"],
            ["KubeletHasSufficientMemory", "kubelet has sufficient memory available"],
        ),
        pick(
            "DiskPressure",
            ["KubeletHasDiskPressure", "kubelet has disk pressure"],
            ["KubeletHasNoDiskPressure", "kubelet has no disk pressure"],
        ),
        pick(
            "PIDPressure",
            ["KubeletHasInsufficientPID", "kubelet has insufficient PID available"],
            ["KubeletHasSufficientPID", "kubelet has sufficient PID available"],
        ),
        ready,
    ];
    let condition = |(type_, holds, reason, message): (&str, bool, &str, &str)| {
        let status = if holds { "True" } else { "False" };
        let since = api::meta::condition(before, type_).filter(|before| before.status == status);
        Condition {
            type_: type_.to_owned(),
            status: status.to_owned(),
            last_heartbeat_time: Some(now.into()),
            last_transition_time: since.and_then(|before| before.last_transition_time).or(Some(now.into())),
            reason: reason.to_owned(),
            message: message.to_owned(),
            ..Condition::default()
        }
    };
    all.into_iter().map(condition).collect()
}

/// The node's status; its conditions as [`conditions`] makes them.
pub(crate) fn status(
    config: &KubeletConfig,
    now: Time,
    images: &ImageManager,
    pressure: &[&str],
    shutting_down: bool,
    before: &[Condition],
) -> NodeStatus {
    let address = |type_: &str, address: String| NodeAddress { type_: type_.to_owned(), address, ..NodeAddress::default() };
    let id = |what: &str| {
        let hex = crate::runtime::registry::hex_id(&format!("{what} {}", config.node_name));
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..32])
    };
    let image = |image: &crate::images::PresentImage| ContainerImage {
        names: vec![image.id(), image.name.clone()],
        size_bytes: i64::try_from(image.size_bytes).ok(),
        ..ContainerImage::default()
    };
    NodeStatus {
        capacity: resources(config),
        allocatable: resources(config),
        conditions: conditions(now, pressure, shutting_down, before),
        addresses: vec![address("InternalIP", node_ip(config.index)), address("Hostname", config.node_name.clone())],
        daemon_endpoints: Some(NodeDaemonEndpoints {
            kubelet_endpoint: Some(DaemonEndpoint { port: 10250, ..DaemonEndpoint::default() }),
            ..NodeDaemonEndpoints::default()
        }),
        node_info: NodeSystemInfo {
            machine_id: id("machine").replace('-', ""),
            system_uuid: id("system"),
            boot_id: id("boot"),
            kernel_version: "6.12.0".to_owned(),
            os_image: "Debian GNU/Linux 13 (trixie)".to_owned(),
            container_runtime_version: "containerd://2.2.0".to_owned(),
            kubelet_version: "v1.36.0".to_owned(),
            operating_system: "linux".to_owned(),
            architecture: "amd64".to_owned(),
            ..NodeSystemInfo::default()
        },
        images: images.present().take(50).map(image).collect(),
        ..NodeStatus::default()
    }
}

/// The node's Lease, renewed at `now`. `node_uid` is empty while it is not known.
pub(crate) fn lease(config: &KubeletConfig, node_uid: &str, now: Time) -> Lease {
    let owner = OwnerReference {
        api_version: "v1".to_owned(),
        kind: "Node".to_owned(),
        name: config.node_name.clone(),
        uid: node_uid.to_owned(),
        ..OwnerReference::default()
    };
    Lease {
        metadata: ObjectMeta {
            name: config.node_name.clone(),
            namespace: LEASE_NAMESPACE.to_owned(),
            owner_references: (!node_uid.is_empty()).then_some(owner).into_iter().collect(),
            ..ObjectMeta::default()
        },
        spec: LeaseSpec {
            holder_identity: Some(config.node_name.clone()),
            lease_duration_seconds: Some(40),
            renew_time: Some(now.into()),
            ..LeaseSpec::default()
        },
        ..Lease::default()
    }
}

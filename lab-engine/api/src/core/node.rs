//! Nodes.

use super::ResourceList;
use crate::meta::{Condition, ObjectMeta, Timestamp};
use crate::object;

object! {
    /// A machine that runs Pods.
    pub struct Node {
        /// Name and labels.
        pub metadata: ObjectMeta = "metadata",
        /// What was decided about it.
        pub spec: NodeSpec = "spec",
        /// What its kubelet reports.
        pub status: NodeStatus = "status",
    }

    /// What was decided about a node.
    pub struct NodeSpec {
        /// The range of its Pods' IPs.
        pub pod_cidr: String = "podCIDR",
        /// The ranges of its Pods' IPs, one per family.
        pub pod_cidrs: Vec<String> = "podCIDRs",
        /// Its id at the cloud provider.
        pub provider_id: String = "providerID",
        /// Whether new Pods stay away (`kubectl cordon`).
        pub unschedulable: Option<bool> = "unschedulable",
        /// Taints, which Pods must tolerate.
        pub taints: Vec<Taint> = "taints",
    }

    /// Keeps Pods away that do not tolerate it.
    pub struct Taint {
        /// Its key.
        pub key: String = "key",
        /// Its value.
        pub value: String = "value",
        /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
        pub effect: String = "effect",
        /// Since when; set for `NoExecute`.
        pub time_added: Option<Timestamp> = "timeAdded",
    }

    /// What a kubelet reports of its node.
    pub struct NodeStatus {
        /// All that the machine has.
        pub capacity: ResourceList = "capacity",
        /// What Pods may have of it.
        pub allocatable: ResourceList = "allocatable",
        /// `Ready`, `MemoryPressure`, `DiskPressure`, `PIDPressure`, …
        pub conditions: Vec<Condition> = "conditions",
        /// Its addresses.
        pub addresses: Vec<NodeAddress> = "addresses",
        /// Its ports.
        pub daemon_endpoints: Option<NodeDaemonEndpoints> = "daemonEndpoints",
        /// Versions.
        pub node_info: NodeSystemInfo = "nodeInfo",
        /// Images that are there already.
        pub images: Vec<ContainerImage> = "images",
    }

    /// An address of a node.
    pub struct NodeAddress {
        /// `InternalIP`, `ExternalIP`, `Hostname`, …
        pub type_: String = "type",
        /// The address.
        pub address: String = "address",
    }

    /// The ports of a node.
    pub struct NodeDaemonEndpoints {
        /// That of the kubelet.
        pub kubelet_endpoint: Option<DaemonEndpoint> = "kubeletEndpoint",
    }

    /// A port of a node.
    pub struct DaemonEndpoint {
        /// The number.
        pub port: i32 = "Port",
    }

    /// Versions of a node.
    pub struct NodeSystemInfo {
        /// Of the machine.
        pub machine_id: String = "machineID",
        /// Of the firmware.
        pub system_uuid: String = "systemUUID",
        /// Of the boot.
        pub boot_id: String = "bootID",
        /// For example `6.12.0`.
        pub kernel_version: String = "kernelVersion",
        /// For example `Debian GNU/Linux 13 (trixie)`.
        pub os_image: String = "osImage",
        /// For example `containerd://2.2.0`.
        pub container_runtime_version: String = "containerRuntimeVersion",
        /// For example `v1.36.0`.
        pub kubelet_version: String = "kubeletVersion",
        /// Empty since kube-proxy's version is no longer reported.
        pub kube_proxy_version: String = "kubeProxyVersion",
        /// `linux` or `windows`.
        pub operating_system: String = "operatingSystem",
        /// For example `amd64`.
        pub architecture: String = "architecture",
    }

    /// An image on a node.
    pub struct ContainerImage {
        /// Its names.
        pub names: Vec<String> = "names",
        /// Its size.
        pub size_bytes: Option<i64> = "sizeBytes",
    }
}

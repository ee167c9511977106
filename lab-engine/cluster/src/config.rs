//! The shape of a cluster: its seed, its nodes, its control plane.

use api::meta::StringMap;
use apiserver::EncryptionConfig;
use etcd::server::CorruptionChecks;
use network::ProxyMode;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What a cluster is made of. Two clusters with the same configuration and inputs run alike, byte for byte.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClusterConfig {
    /// The seed of all randomness.
    pub seed: u64,
    /// The worker nodes.
    pub nodes: Vec<NodeConfig>,
    /// The store.
    pub etcd: EtcdConfig,
    /// How many API servers there are; 1 to 5.
    pub api_servers: u32,
    /// How many schedulers there are; 1 to 5. Of several, one leads by the Lease `kube-scheduler`; a single one does not ask for it.
    pub schedulers: u32,
    /// How many controller managers there are; the same holds for them.
    pub controller_managers: u32,
    /// Whether metrics-server is installed, so that there is the API `metrics.k8s.io`. A cluster as `kubeadm` makes it has none.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub metrics_server: bool,
    /// Whether Prometheus' adapter is installed, so that there are the APIs `custom.metrics.k8s.io` and `external.metrics.k8s.io`, with what
    /// Pods show that are annotated with `prometheus.io/scrape: "true"`.
    #[serde(rename = "prometheusAdapter", skip_serializing_if = "std::ops::Not::not")]
    pub prometheus_adapter: bool,
    /// Whether a controller of Ingresses is installed, with the IngressClass `nginx`. A cluster as `kubeadm` makes it has none.
    #[serde(rename = "ingressController", skip_serializing_if = "std::ops::Not::not")]
    pub ingress_controller: bool,
    /// Whether a controller of the Gateway API is installed, with the kinds of that API and the GatewayClass `nginx`. A cluster as `kubeadm`
    /// makes it has none.
    #[serde(rename = "gatewayController", skip_serializing_if = "std::ops::Not::not")]
    pub gateway_controller: bool,
    /// Whether CoreDNS runs in Pods of a Deployment behind the Service `kube-dns`, as `kubeadm` installs it. Otherwise it answers at the
    /// address of that Service without any of these, so that labs about other things have no Pods but their own.
    #[serde(rename = "coreDns", skip_serializing_if = "std::ops::Not::not")]
    pub core_dns: bool,
    /// How the API server encrypts values in etcd, as an `EncryptionConfiguration`; not at all by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Encryption>,
    /// How kube-proxy does its work: `iptables`, `ipvs` or `nftables`.
    #[serde(rename = "proxyMode")]
    pub proxy_mode: ProxyMode,
}

/// An `EncryptionConfiguration` that was read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "serde_json::Value", into = "serde_json::Value")]
pub struct Encryption {
    document: serde_json::Value,
    pub(crate) config: EncryptionConfig,
}

impl TryFrom<serde_json::Value> for Encryption {
    type Error = String;

    fn try_from(document: serde_json::Value) -> Result<Self, String> {
        let config = EncryptionConfig::parse(&document)?;
        Ok(Encryption { document, config })
    }
}

impl From<Encryption> for serde_json::Value {
    fn from(encryption: Encryption) -> Self {
        encryption.document
    }
}

impl Default for ClusterConfig {
    /// Three nodes of the default size, seed 1.
    fn default() -> Self {
        ClusterConfig::with_nodes(3)
    }
}

impl ClusterConfig {
    /// `count` nodes of the default size, seed 1.
    pub fn with_nodes(count: usize) -> Self {
        ClusterConfig {
            seed: 1,
            nodes: vec![NodeConfig::default(); count],
            etcd: EtcdConfig::default(),
            api_servers: 1,
            schedulers: 1,
            controller_managers: 1,
            metrics_server: false,
            prometheus_adapter: false,
            ingress_controller: false,
            gateway_controller: false,
            core_dns: false,
            encryption: None,
            proxy_mode: ProxyMode::default(),
        }
    }
}

/// The group of etcd members under the API servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct EtcdConfig {
    /// How many members there are: 1, 3 or 5.
    pub members: u32,
    /// How long their disks take to make a write safe, in microseconds. Not given: 2 ms in a group, and no time at all for a single
    /// member, which nobody watches at it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fsync_us: Option<u64>,
    /// The most bytes of entries in one message between members (`maxSizePerMsg`, a constant of etcd): 1 MiB if not given. With 0 each entry
    /// travels alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_message_bytes: Option<u64>,
    /// Whether a member that starts again first compares its data with that of the others (`--feature-gates=InitialCorruptCheck=true`).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub initial_corrupt_check: bool,
    /// Every how many seconds the leader compares the others with itself (`--corrupt-check-time`); 0 for never, as by default.
    #[serde(skip_serializing_if = "is_zero")]
    pub corrupt_check_seconds: u32,
    /// Whether the leader compares the checksums of compactions (`--feature-gates=CompactHashCheck=true`).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub compact_hash_check: bool,
    /// Every how many seconds it does so (`--compact-hash-check-time`): 60 if not given, and at least 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compact_hash_check_seconds: Option<u32>,
}

impl Default for EtcdConfig {
    /// One member, with what etcd has by default.
    fn default() -> Self {
        EtcdConfig {
            members: 1,
            fsync_us: None,
            max_message_bytes: None,
            initial_corrupt_check: false,
            corrupt_check_seconds: 0,
            compact_hash_check: false,
            compact_hash_check_seconds: None,
        }
    }
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl EtcdConfig {
    /// How long the disks take.
    pub fn fsync(&self) -> Duration {
        let usual = if self.members > 1 { 2_000 } else { 0 };
        Duration::from_micros(self.fsync_us.unwrap_or(usual))
    }

    /// How the members make sure that they hold the same.
    pub(crate) fn checks(&self) -> CorruptionChecks {
        let seconds = |count: u32| Duration::from_secs(u64::from(count));
        CorruptionChecks {
            initial: self.initial_corrupt_check,
            periodic: (self.corrupt_check_seconds > 0).then(|| seconds(self.corrupt_check_seconds)),
            compaction: self.compact_hash_check.then(|| seconds(self.compact_hash_check_seconds.unwrap_or(60).max(1))),
        }
    }

    /// Checks the number of members.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if matches!(self.members, 1 | 3 | 5) {
            return Ok(());
        }
        let (part, value) = ("etcd".to_owned(), self.members.to_string());
        Err(ConfigError { part, field: "members", value, message: "must be 1, 3 or 5".to_owned() })
    }
}

/// One worker node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NodeConfig {
    /// Its name; `node-1`, `node-2`, … by default.
    pub name: Option<String>,
    /// Its CPUs, as a quantity.
    pub cpu: String,
    /// Its memory, as a quantity.
    pub memory: String,
    /// Labels beyond those that every node has.
    pub labels: StringMap,
    /// Taints in `kubectl taint`'s form: `key=value:Effect` or `key:Effect`.
    pub taints: Vec<String>,
    /// The size of a disk of its own for images and containers (`imagefs`), as a quantity; they share the node's disk of 100 GiB otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub imagefs: Option<String>,
}

impl Default for NodeConfig {
    /// 4 CPUs and 8 GiB, without labels and taints of its own.
    fn default() -> Self {
        NodeConfig {
            name: None,
            cpu: "4".to_owned(),
            memory: "8Gi".to_owned(),
            labels: StringMap::new(),
            taints: Vec::new(),
            imagefs: None,
        }
    }
}

/// A part of a configuration cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{part}: {field}: {value:?}: {message}")]
pub struct ConfigError {
    /// The part, for example `node node-1`.
    pub part: String,
    /// The field.
    pub field: &'static str,
    /// What it holds.
    pub value: String,
    /// What is wrong with it.
    pub message: String,
}

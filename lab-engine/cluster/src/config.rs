//! The shape of a cluster: its seed and its nodes.

use api::meta::StringMap;
use apiserver::EncryptionConfig;
use serde::{Deserialize, Serialize};

/// What a cluster is made of. Two clusters with the same configuration and inputs run alike, byte for byte.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClusterConfig {
    /// The seed of all randomness.
    pub seed: u64,
    /// The worker nodes.
    pub nodes: Vec<NodeConfig>,
    /// How the API server encrypts values in etcd, as an `EncryptionConfiguration`; not at all by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Encryption>,
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
        ClusterConfig { seed: 1, nodes: vec![NodeConfig::default(); count], encryption: None }
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
}

impl Default for NodeConfig {
    /// 4 CPUs and 8 GiB, without labels and taints of its own.
    fn default() -> Self {
        NodeConfig { name: None, cpu: "4".to_owned(), memory: "8Gi".to_owned(), labels: StringMap::new(), taints: Vec::new() }
    }
}

/// A node of a configuration cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("node {node}: {field}: {value:?}: {message}")]
pub struct ConfigError {
    /// The node.
    pub node: String,
    /// The field.
    pub field: &'static str,
    /// What it holds.
    pub value: String,
    /// What is wrong with it.
    pub message: String,
}

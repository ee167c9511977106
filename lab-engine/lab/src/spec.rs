//! What a card says about its lab: the cluster, what is set up, the files, the numbers to deal, the tasks.
//!
//! ```yaml
//! cluster: {nodes: [{}, {}]}
//! variables: {replicas: {choose: [3, 4, 5]}}
//! setup: [{command: kubectl create namespace shop}]
//! files: {web.yaml: "…"}
//! tasks:
//!   - id: scale
//!     title: {en: Scale it, zh: 扩容}
//!     prompt: {en: "Bring `web` to ${replicas} replicas.", zh: "…"}
//!     kind:
//!       operate:
//!         deadline: 60s
//!         checks:
//!           - id: replicas
//!             says: {en: "`web` has ${replicas} Ready replicas", zh: "…"}
//!             cel: deployments.exists(d, d.metadata.name == 'web' && d.status.readyReplicas == vars.replicas)
//! ```
//!
//! Enums are externally tagged, so that an error in one keeps its place in the file. Expressions are CEL; see
//! [`Expression`](crate::Expression) for the variables they may name. The truth of a prediction is never written here: it is an
//! expression over what the engine did.

use crate::text::{Span, Text};
use cluster::{ClusterConfig, Encryption, EtcdConfig, Fault, NodeConfig, ProxyMode};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A card's lab.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Lab {
    /// The cluster.
    #[serde(default)]
    pub cluster: ClusterShape,
    /// What is done before the learner comes.
    #[serde(default)]
    pub setup: Vec<Step>,
    /// The learner's files at the start, by name.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// Numbers that the seed deals, for `${name}` in texts and `vars.name` in expressions.
    #[serde(default)]
    pub variables: BTreeMap<String, Variable>,
    /// What the learner does, in order.
    pub tasks: Vec<Task>,
}

/// The cluster of a lab.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct ClusterShape {
    /// Its worker nodes; three of the default size if the card does not say.
    pub nodes: Vec<NodeConfig>,
    /// The members of etcd; one if the card does not say.
    pub etcd: EtcdConfig,
    /// How many API servers there are; one if the card does not say.
    pub api_servers: u32,
    /// How many schedulers there are, of which one leads; one if the card does not say.
    pub schedulers: u32,
    /// How many controller managers there are, of which one leads; one if the card does not say.
    pub controller_managers: u32,
    /// Whether metrics-server is installed; not if the card does not say.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub metrics_server: bool,
    /// Whether the adapter is installed that serves the metrics of programs to autoscalers (`custom.metrics.k8s.io`, `external.metrics.k8s.io`);
    /// not if the card does not say.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub prometheus_adapter: bool,
    /// Whether a controller of Ingresses is installed, with the IngressClass `nginx`; not if the card does not say.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ingress_controller: bool,
    /// Whether a controller of the Gateway API is installed, with the GatewayClass `nginx`; not if the card does not say.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub gateway_controller: bool,
    /// Whether CoreDNS runs in Pods behind the Service `kube-dns`; beside the Pods if the card does not say.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub core_dns: bool,
    /// An `EncryptionConfiguration` for what is in etcd; none by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Encryption>,
    /// How kube-proxy does its work: `iptables` (the default), `ipvs` or `nftables`.
    pub proxy_mode: ProxyMode,
}

impl ClusterShape {
    /// The cluster of this shape that `seed` deals.
    pub fn config(&self, seed: u64) -> ClusterConfig {
        ClusterConfig {
            seed,
            nodes: self.nodes.clone(),
            etcd: self.etcd,
            api_servers: self.api_servers,
            schedulers: self.schedulers,
            controller_managers: self.controller_managers,
            metrics_server: self.metrics_server,
            prometheus_adapter: self.prometheus_adapter,
            ingress_controller: self.ingress_controller,
            gateway_controller: self.gateway_controller,
            core_dns: self.core_dns,
            encryption: self.encryption.clone(),
            proxy_mode: self.proxy_mode,
        }
    }
}

impl Default for ClusterShape {
    fn default() -> Self {
        let ClusterConfig { nodes, etcd, api_servers, schedulers, controller_managers, proxy_mode, .. } = ClusterConfig::default();
        ClusterShape {
            nodes,
            etcd,
            api_servers,
            schedulers,
            controller_managers,
            metrics_server: false,
            prometheus_adapter: false,
            ingress_controller: false,
            gateway_controller: false,
            core_dns: false,
            encryption: None,
            proxy_mode,
        }
    }
}

/// A number that the seed deals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Variable {
    /// One of these.
    Choose(Vec<i64>),
}

/// One step of a script: of the setup, or of what a prediction runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Step {
    /// `kubectl apply -f` of one of the lab's files.
    Apply(String),
    /// A line typed into the terminal.
    Command(String),
    /// Time passes.
    Advance(Span),
    /// Time passes until the expression is true.
    Until(Until),
    /// The node can no longer reach the API server.
    CutNode(String),
    /// The node reaches the API server again.
    HealNode(String),
    /// A fault is put on the cluster.
    Inject(Fault),
    /// A fault is taken away again.
    Heal(Fault),
}

/// Waiting for something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Until {
    /// What is waited for.
    pub cel: String,
    /// How long at most.
    pub within: Span,
}

/// Something the learner does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Task {
    /// Its name within the card.
    pub id: String,
    /// Its heading.
    pub title: Text,
    /// What to do, or the question; Markdown.
    pub prompt: Text,
    /// What kind it is.
    pub kind: TaskKind,
    /// Hints, from the gentlest to the plainest; Markdown.
    #[serde(default)]
    pub hints: Vec<Text>,
}

/// The kinds of tasks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TaskKind {
    /// Say what will happen, before it is run.
    Predict(Predict),
    /// Bring the cluster to a state.
    Operate(Operate),
}

/// A prediction. Its truth is what [`Predict::truth`] gives after [`Predict::run`] on a cluster of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Predict {
    /// How it is answered.
    pub input: Input,
    /// What is run, after the setup.
    pub run: Vec<Step>,
    /// The truth, as an expression over the cluster after the run: an option's id, a number, a list of ids, or a text.
    pub truth: String,
    /// Why it is so, shown afterwards; Markdown.
    pub explanation: Text,
}

/// How a prediction is answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Input {
    /// One of some options.
    Choice(Items),
    /// A number.
    Number(NumberInput),
    /// All items, in the right order.
    Order(Items),
    /// A word; case and surrounding blanks do not matter.
    Text(TextInput),
}

/// Options to choose from, or items to put in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Items {
    /// They, in the order in which they are shown.
    pub items: Vec<Item>,
}

/// An option or item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Item {
    /// Its name within the prediction.
    pub id: String,
    /// What it says.
    pub text: Text,
}

/// A number to be given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NumberInput {
    /// What is counted, for example `Pods` or `seconds`.
    pub unit: Text,
    /// How far off an answer may be.
    #[serde(default)]
    pub tolerance: f64,
}

/// A word to be given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct TextInput {
    /// What kind of word is asked for, for example `the name of a component`.
    pub placeholder: Text,
}

/// A state to bring the cluster to. The task is passed at the first moment at which all its checks hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Operate {
    /// What must hold.
    pub checks: Vec<Check>,
    /// How long the grader lets virtual time pass after the learner's last line.
    #[serde(default = "default_deadline")]
    pub deadline: Span,
}

/// Long enough for images to be pulled and Pods to become Ready.
fn default_deadline() -> Span {
    Span::from_secs(60)
}

/// One thing that must hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Check {
    /// Its name within the task.
    pub id: String,
    /// What is expected, in a sentence.
    pub says: Text,
    /// The expectation as an expression that gives true or false.
    pub cel: String,
    /// When it must hold.
    #[serde(default)]
    pub when: When,
    /// It counts only from the moment at which this is first true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// It must hold at latest so long after the learner began (for `eventually`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Span>,
    /// What is there instead, as an expression; shown when the check fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actual: Option<String>,
}

/// When a check must hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum When {
    /// When the task is judged.
    #[default]
    AtEnd,
    /// At some moment since the learner began.
    Eventually,
    /// At every moment since the learner began, or since [`Check::after`].
    Always,
}

impl Lab {
    /// The task with this id.
    pub fn task(&self, id: &str) -> Option<&Task> {
        self.tasks.iter().find(|task| task.id == id)
    }
}

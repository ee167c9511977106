//! A whole cluster: control plane, nodes, and the learner's terminal.
//!
//! ```text
//! etcd-1 ◄──► kube-apiserver ◄──► kube-scheduler, kube-controller-manager, kubelet/node-1 …, kubectl
//! ```

use crate::config::{ClusterConfig, ConfigError, NodeConfig};
use crate::fault::Fault;
use crate::host::Host;
use crate::host::MemberStatus;
use api::Object;
use api::core::{Node, Taint};
use api::meta::condition_is_true;
use api::quantity::Quantity;
use client::{Component, Input, Outbox};
use controllers::ControllerManager;
use controllers::autoscaling::metrics::MetricsClient;
use kubectl::{Stream, Terminal};
use kubelet::{Kubelet, KubeletConfig, Storage};
use scheduler::Scheduler;
use sim::{Time, Trace, What};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long [`Cluster::booted`] waits for the nodes, in virtual time.
const BOOT_LIMIT: Duration = Duration::from_secs(60);

/// How many occurrences a command may cost before it counts as hanging.
const COMMAND_STEPS: u64 = 20_000_000;

/// How many keys and changes the store holds, besides what belongs to nodes: a bound on memory, as etcd's own quota is.
const STORE_QUOTA: usize = 60_000;

/// How many more it holds for each node, whose kubelet renews its Lease and reports its status.
const STORE_QUOTA_PER_NODE: usize = 1_000;

/// What a command printed, and its exit status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandResult {
    /// What it printed.
    pub stdout: String,
    /// Its errors and warnings.
    pub stderr: String,
    /// 0 for success; 124 when its time was up, as `timeout(1)` gives.
    pub exit_code: i32,
}

/// How far [`Cluster::advance`] came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advanced {
    /// To the time asked for.
    Reached,
    /// Not as far: the budget of steps ran out first.
    OutOfSteps,
}

/// A part that talks to the API server.
pub(crate) enum Part {
    Scheduler(Box<Scheduler>),
    Controllers(Box<ControllerManager>),
    Kubelet(Box<Kubelet>),
    Terminal(Box<Terminal>),
}

impl Part {
    fn component(&self) -> &dyn Component {
        match self {
            Part::Scheduler(part) => part.as_ref(),
            Part::Controllers(part) => part.as_ref(),
            Part::Kubelet(part) => part.as_ref(),
            Part::Terminal(part) => part.as_ref(),
        }
    }

    fn component_mut(&mut self) -> &mut dyn Component {
        match self {
            Part::Scheduler(part) => part.as_mut(),
            Part::Controllers(part) => part.as_mut(),
            Part::Kubelet(part) => part.as_mut(),
            Part::Terminal(part) => part.as_mut(),
        }
    }
}

impl Component for Part {
    fn handle(&mut self, now: Time, input: Input, out: &mut Outbox) {
        self.component_mut().handle(now, input, out);
    }

    fn next_wake(&self) -> Option<Time> {
        self.component().next_wake()
    }
}

/// A cluster in virtual time.
pub struct Cluster {
    pub(crate) host: Host<Part>,
    terminal: usize,
    controllers: usize,
    kubelets: BTreeMap<String, usize>,
    pub(crate) faults: Vec<Fault>,
}

impl Cluster {
    /// A cluster at time zero; its parts start when it is advanced.
    ///
    /// # Errors
    /// Names the node of the configuration whose CPU, memory or taint cannot be read, or the number of etcd members that cannot be.
    pub fn new(config: &ClusterConfig) -> Result<Self, ConfigError> {
        let quota = STORE_QUOTA + STORE_QUOTA_PER_NODE * config.nodes.len();
        config.etcd.check()?;
        let encryption = config.encryption.as_ref().map(|encryption| encryption.config.clone());
        let settings = apiserver::Config { encryption, ..apiserver::Config::default() };
        let mut host = Host::new(config.seed, &config.etcd, quota, config.api_servers, &settings);
        let rng = |host: &Host<Part>, name: &str| host.kernel().rng(name);
        let scheduler = Part::Scheduler(Box::new(Scheduler::new(rng(&host, "kube-scheduler"))));
        host.add("kube-scheduler", scheduler, Time::from_millis(100));
        let controllers = Part::Controllers(Box::new(ControllerManager::new(rng(&host, "kube-controller-manager"))));
        let controllers = host.add("kube-controller-manager", controllers, Time::from_millis(100));
        let mut kubelets = BTreeMap::new();
        let storage = Storage::default();
        for (index, node) in config.nodes.iter().enumerate() {
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            let settings = kubelet_config(node, index)?;
            let name = settings.node_name.clone();
            let endpoint = format!("kubelet/{name}");
            let part = Part::Kubelet(Box::new(Kubelet::new(settings, rng(&host, &endpoint)).with_storage(storage.clone())));
            let start = Time::from_millis(210 + u64::from(index) * 10);
            kubelets.insert(name, host.add(&endpoint, part, start));
        }
        let terminal = host.add("kubectl", Part::Terminal(Box::new(Terminal::new())), Time::ZERO);
        Ok(Cluster { host, terminal, controllers, kubelets, faults: Vec::new() })
    }

    /// A cluster whose nodes are all Ready, some virtual seconds after its start.
    ///
    /// # Errors
    /// As [`Cluster::new`].
    pub fn booted(config: &ClusterConfig) -> Result<Self, ConfigError> {
        let mut cluster = Cluster::new(config)?;
        let expected = cluster.kubelets.len();
        let limit = cluster.now() + BOOT_LIMIT;
        cluster.advance_until(limit, COMMAND_STEPS, |cluster| cluster.ready_nodes() == expected);
        Ok(cluster)
    }

    /// How many nodes are Ready.
    pub fn ready_nodes(&self) -> usize {
        let nodes = self.objects().filter_map(|object| object.as_kind::<Node>());
        nodes.filter(|node| condition_is_true(&node.status.conditions, "Ready")).count()
    }

    /// The present.
    pub fn now(&self) -> Time {
        self.host.kernel().now()
    }

    /// Everything that happened.
    pub fn trace(&self) -> &Trace {
        self.host.kernel().trace()
    }

    /// How the members of etcd stand, in order.
    pub fn etcd_members(&self) -> Vec<MemberStatus> {
        self.host.etcd().status()
    }

    /// What the API server holds, in the order of its keys.
    pub fn objects(&self) -> impl Iterator<Item = &Object> {
        self.host.apiserver().objects()
    }

    /// Lets virtual time pass, at most `max_steps` occurrences of it.
    pub fn advance(&mut self, by: Duration, max_steps: u64) -> Advanced {
        let limit = self.now() + by;
        if self.advance_until(limit, max_steps, |_| false) || self.now() >= limit { Advanced::Reached } else { Advanced::OutOfSteps }
    }

    /// Lets virtual time pass until `stop` says so, but not beyond `limit` and at most `max_steps` occurrences. Says whether `stop` did.
    pub fn advance_until(&mut self, limit: Time, max_steps: u64, mut stop: impl FnMut(&Cluster) -> bool) -> bool {
        for _ in 0..max_steps {
            if stop(self) {
                return true;
            }
            if !self.host.step(limit) {
                self.host.kernel_mut().idle_until(limit);
                return stop(self);
            }
        }
        false
    }

    /// The learner's terminal.
    pub fn terminal(&self) -> &Terminal {
        match self.host.component(self.terminal) {
            Part::Terminal(terminal) => terminal,
            _ => unreachable!("the slot was filled with the terminal"),
        }
    }

    /// Takes the metrics that autoscalers go by from this source from now on; before, there are none.
    pub fn set_metrics(&mut self, metrics: Box<dyn MetricsClient>) {
        if let Part::Controllers(controllers) = self.host.component_mut(self.controllers) {
            controllers.set_metrics(metrics);
        }
    }

    /// The learner's terminal, to change its files or take its output.
    pub fn terminal_mut(&mut self) -> &mut Terminal {
        match self.host.component_mut(self.terminal) {
            Part::Terminal(terminal) => terminal,
            _ => unreachable!("the slot was filled with the terminal"),
        }
    }

    /// Types a line into the terminal. It runs as time passes.
    pub fn start_line(&mut self, line: &str) {
        let now = self.now();
        let cause = self.host.kernel_mut().trace_mut().record(now, &"kubectl".into(), None, What::Command { line: line.into() });
        self.host.act(self.terminal, Some(cause), |part, now, out| {
            if let Part::Terminal(terminal) = part {
                terminal.run(now, line, out);
            }
        });
    }

    /// Interrupts what runs in the terminal, as Ctrl-C does.
    pub fn interrupt(&mut self) {
        self.host.act(self.terminal, None, |part, _, out| {
            if let Part::Terminal(terminal) = part {
                terminal.interrupt(out);
            }
        });
    }

    /// Types a line and lets time pass until it is done, at most `limit` of virtual time; then it is interrupted.
    pub fn run_line(&mut self, line: &str, limit: Duration) -> CommandResult {
        self.start_line(line);
        let deadline = self.now() + limit;
        let done = self.advance_until(deadline, COMMAND_STEPS, |cluster| !cluster.terminal().is_busy());
        if !done {
            self.interrupt();
        }
        let mut result = CommandResult { exit_code: if done { self.terminal().exit_code() } else { 124 }, ..CommandResult::default() };
        for output in self.terminal_mut().take_output() {
            match output.stream {
                Stream::Stdout => result.stdout.push_str(&output.text),
                Stream::Stderr => result.stderr.push_str(&output.text),
            }
        }
        result
    }
}

/// Reads a node's configuration; `index` counts from 0.
fn kubelet_config(node: &NodeConfig, index: u32) -> Result<KubeletConfig, ConfigError> {
    let name = node.name.clone().unwrap_or_else(|| format!("node-{}", index + 1));
    let wrong = |field: &'static str, value: &str, message: String| ConfigError {
        part: format!("node {name}"),
        field,
        value: value.to_owned(),
        message,
    };
    let quantity = |field: &'static str, text: &str| Quantity::parse(text).map_err(|error| wrong(field, text, error.to_string()));
    let natural = |field: &'static str, text: &str, number: i64| {
        u64::try_from(number).map_err(|_| wrong(field, text, "must not be negative".to_owned()))
    };
    let cpu_milli = natural("cpu", &node.cpu, quantity("cpu", &node.cpu)?.milli_value())?;
    let memory_bytes = natural("memory", &node.memory, quantity("memory", &node.memory)?.value())?;
    let taints = node.taints.iter().map(|text| taint(&name, text)).collect::<Result<_, _>>()?;
    Ok(KubeletConfig { node_name: name, index, cpu_milli, memory_bytes, labels: node.labels.clone(), taints, ..KubeletConfig::default() })
}

/// Reads `key=value:Effect` or `key:Effect`.
fn taint(node: &str, text: &str) -> Result<Taint, ConfigError> {
    let wrong =
        |message: &str| ConfigError { part: format!("node {node}"), field: "taints", value: text.to_owned(), message: message.to_owned() };
    let (key, effect) = text.rsplit_once(':').ok_or_else(|| wrong("a taint is written key=value:Effect or key:Effect"))?;
    if !matches!(effect, "NoSchedule" | "PreferNoSchedule" | "NoExecute") {
        return Err(wrong("the effect is NoSchedule, PreferNoSchedule or NoExecute"));
    }
    let (key, value) = key.split_once('=').unwrap_or((key, ""));
    Ok(Taint { key: key.to_owned(), value: value.to_owned(), effect: effect.to_owned(), ..Taint::default() })
}

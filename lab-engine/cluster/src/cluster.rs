//! A whole cluster: control plane, nodes, and the learner's terminal.
//!
//! ```text
//! etcd-1 ◄──► kube-apiserver ◄──► kube-scheduler, kube-controller-manager, kubelet/node-1 …, kubectl
//! ```

use crate::addons::Installer;
use crate::candidate::{Candidate, Make};
use crate::config::{ClusterConfig, ConfigError, NodeConfig};
use crate::fault::Fault;
use crate::host::Host;
use crate::host::MemberStatus;
use crate::network_parts;
use api::Object;
use api::core::{Node, Taint};
use api::meta::condition_is_true;
use api::quantity::Quantity;
use client::{Component, Input, Inspection, Outbox};
use controllers::ControllerManager;
use kubectl::{Stream, Terminal};
use kubelet::{Kubelet, KubeletConfig, Storage};
use metrics_server::{MetricsAdapter, MetricsServer};
use network::{CoreDns, KubeProxy, PolicyAgent};
use scheduler::Scheduler;
use serde::{Deserialize, Serialize};
use sim::{EventId, Rng, Time, Trace, What};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

/// How long [`Cluster::booted`] waits for the nodes, in virtual time.
const BOOT_LIMIT: Duration = Duration::from_secs(60);

/// How many occurrences a command may cost before it counts as hanging.
const COMMAND_STEPS: u64 = 20_000_000;

/// How many keys and changes the store holds, besides what belongs to nodes: a bound on memory, as etcd's own quota is.
const STORE_QUOTA: usize = 60_000;

/// How many more it holds for each node: of 110 Pods each leaves six keys and ten changes until the next compaction, and the kubelet renews its
/// Lease and reports its status.
const STORE_QUOTA_PER_NODE: usize = 2_500;

/// How many schedulers or controller managers there may be.
const MAX_REPLICAS: u32 = 5;

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
    Metrics(Box<MetricsServer>),
    MetricsAdapter(Box<MetricsAdapter>),
    Candidate(Box<Candidate>),
    Installer(Box<Installer>),
    Terminal(Box<Terminal>),
    KubeProxy(Box<KubeProxy>),
    Policies(Box<PolicyAgent>),
    CoreDns(Box<CoreDns>),
    /// What stands in the place of the scheduler or the controller manager.
    Other(Box<dyn Component>),
}

impl Part {
    fn component(&self) -> &dyn Component {
        match self {
            Part::Scheduler(part) => part.as_ref(),
            Part::Controllers(part) => part.as_ref(),
            Part::Kubelet(part) => part.as_ref(),
            Part::Metrics(part) => part.as_ref(),
            Part::MetricsAdapter(part) => part.as_ref(),
            Part::Candidate(part) => part.as_ref(),
            Part::Installer(part) => part.as_ref(),
            Part::Terminal(part) => part.as_ref(),
            Part::KubeProxy(part) => part.as_ref(),
            Part::Policies(part) => part.as_ref(),
            Part::CoreDns(part) => part.as_ref(),
            Part::Other(part) => part.as_ref(),
        }
    }

    fn component_mut(&mut self) -> &mut dyn Component {
        match self {
            Part::Scheduler(part) => part.as_mut(),
            Part::Controllers(part) => part.as_mut(),
            Part::Kubelet(part) => part.as_mut(),
            Part::Metrics(part) => part.as_mut(),
            Part::MetricsAdapter(part) => part.as_mut(),
            Part::Candidate(part) => part.as_mut(),
            Part::Installer(part) => part.as_mut(),
            Part::Terminal(part) => part.as_mut(),
            Part::KubeProxy(part) => part.as_mut(),
            Part::Policies(part) => part.as_mut(),
            Part::CoreDns(part) => part.as_mut(),
            Part::Other(part) => part.as_mut(),
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

    fn inspect(&self) -> Inspection {
        self.component().inspect()
    }
}

/// How a component of the control plane stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ComponentStatus {
    /// Its name, for example `kube-scheduler-2`.
    pub name: String,
    /// Whether it runs.
    pub running: bool,
    /// Whether it leads; `None` where there is only one of its kind.
    pub leads: Option<bool>,
}

/// How a component that can be killed is made anew.
pub(crate) struct Recipe {
    pub(crate) make: Make,
    pub(crate) rng: Rng,
    /// How often it was started.
    pub(crate) starts: u32,
}

/// A cluster in virtual time.
pub struct Cluster {
    pub(crate) host: Host<Part>,
    terminal: usize,
    kubelets: BTreeMap<String, usize>,
    recipes: BTreeMap<usize, Recipe>,
    pub(crate) faults: Vec<Fault>,
}

impl Cluster {
    /// A cluster at time zero; its parts start when it is advanced.
    ///
    /// # Errors
    /// Names the node of the configuration whose CPU, memory or taint cannot be read, or the number of etcd members that cannot be.
    pub fn new(config: &ClusterConfig) -> Result<Self, ConfigError> {
        Cluster::with_control_plane(config, |_, _| None)
    }

    /// The same with other parts in the place of the usual: `substitute` is asked for `kube-scheduler` and `kube-controller-manager`, with
    /// the stream of randomness that the part would have. Tests of what happens when a part fails come in here.
    ///
    /// # Errors
    /// As [`Cluster::new`].
    pub fn with_control_plane(
        config: &ClusterConfig,
        mut substitute: impl FnMut(&str, &Rng) -> Option<Box<dyn Component>>,
    ) -> Result<Self, ConfigError> {
        let quota = STORE_QUOTA + STORE_QUOTA_PER_NODE * config.nodes.len();
        config.etcd.check()?;
        let encryption = config.encryption.as_ref().map(|encryption| encryption.config.clone());
        let settings = apiserver::Config { encryption, ..apiserver::Config::default() };
        let mut host = Host::new(config.seed, &config.etcd, quota, config.api_servers, &settings);
        let rng = |host: &Host<Part>, name: &str| host.kernel().rng(name);
        let mut recipes = BTreeMap::new();
        let scheduler: Make = Rc::new(|rng| Part::Scheduler(Box::new(Scheduler::new(rng))));
        let controllers: Make = Rc::new(|rng| Part::Controllers(Box::new(ControllerManager::new(rng))));
        let parts =
            [("kube-scheduler", config.schedulers, scheduler), ("kube-controller-manager", config.controller_managers, controllers)];
        for (name, count, make) in &parts {
            match substitute(name, &rng(&host, name)) {
                Some(other) => drop(host.add(name, Part::Other(other), Time::from_millis(100))),
                None => add_replicas(&mut host, name, *count, make, &mut recipes),
            }
        }
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
        if let Some(installer) = Installer::of(config) {
            host.add("addons", Part::Installer(Box::new(installer)), Time::from_millis(150));
        }
        let metrics: [(&str, bool, Make); 2] = [
            ("metrics-server", config.metrics_server, Rc::new(|rng| Part::Metrics(Box::new(MetricsServer::new(&rng))))),
            ("prometheus-adapter", config.prometheus_adapter, Rc::new(|rng| Part::MetricsAdapter(Box::new(MetricsAdapter::new(&rng))))),
        ];
        for (name, _, make) in metrics.into_iter().filter(|(_, installed, _)| *installed) {
            let number = host.add(name, make(rng(&host, name)), Time::from_millis(500));
            recipes.insert(number, Recipe { make, rng: rng(&host, name), starts: 0 });
        }
        let terminal = host.add("kubectl", Part::Terminal(Box::new(Terminal::new())), Time::ZERO);
        network_parts::add(&mut host, config, &kubelets, &mut recipes);
        Ok(Cluster { host, terminal, kubelets, recipes, faults: Vec::new() })
    }

    /// A cluster whose nodes are all Ready, some virtual seconds after its start.
    ///
    /// # Errors
    /// As [`Cluster::new`].
    pub fn booted(config: &ClusterConfig) -> Result<Self, ConfigError> {
        let mut cluster = Cluster::new(config)?;
        cluster.boot();
        Ok(cluster)
    }

    /// Lets time pass until all nodes are Ready, at most a virtual minute.
    pub fn boot(&mut self) {
        let mut waiting: Vec<String> = self.kubelets.keys().cloned().collect();
        let limit = self.now() + BOOT_LIMIT;
        self.advance_until(limit, COMMAND_STEPS, |cluster| {
            // One that is not Ready is enough to wait for, and the next is looked at when that one is. Counting all of them after each step
            // would take the square of their number.
            while waiting.pop_if(|name| cluster.is_ready(name)).is_some() {}
            waiting.is_empty() && cluster.ready_nodes() == cluster.kubelets.len()
        });
    }

    fn is_ready(&self, node: &str) -> bool {
        self.host.apiserver().object::<Node>("", node).is_some_and(|node| condition_is_true(&node.status.conditions, "Ready"))
    }

    /// How many nodes are Ready.
    pub fn ready_nodes(&self) -> usize {
        let nodes = self.host.apiserver().objects_of::<Node>();
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

    /// How the components of the control plane stand that can be killed, in the order in which they were added.
    pub fn components(&self) -> Vec<ComponentStatus> {
        let status = |&number: &usize| {
            let running = self.host.runs(number);
            let leads = match self.host.component(number) {
                Part::Candidate(candidate) => Some(running && candidate.leads()),
                _ => None,
            };
            ComponentStatus { name: self.host.component_name(number).to_owned(), running, leads }
        };
        let network = |number: &&usize| matches!(self.host.component(**number), Part::CoreDns(_));
        self.recipes.keys().filter(|number| !network(number)).map(status).collect()
    }

    /// The components that keep caches, in the order in which they were added.
    pub fn watchers(&self) -> Vec<String> {
        let watches = |part: &Part| !matches!(part, Part::Installer(_) | Part::Terminal(_));
        let watching = self.host.components().filter(|(_, part)| watches(part));
        watching.map(|(name, _)| name.to_owned()).collect()
    }

    /// The inside of a component: what it knows, and how it learns of it. Empty when there is none of this name, or it does not run.
    pub fn inspect(&self, name: &str) -> Inspection {
        let number = self.host.component_named(name).filter(|number| self.host.runs(*number));
        number.map(|number| self.host.component(number).inspect()).unwrap_or_default()
    }

    /// The number of a component that can be killed.
    pub(crate) fn mortal(&self, name: &str) -> Option<usize> {
        self.host.component_named(name).filter(|number| self.recipes.contains_key(number))
    }

    /// The kubelet that is called `kubelet/NODE`.
    pub(crate) fn kubelet_named(&self, part: &str) -> Option<usize> {
        self.kubelet_of(part.strip_prefix("kubelet/")?)
    }

    /// The kubelet of a node.
    pub(crate) fn kubelet_of(&self, node: &str) -> Option<usize> {
        self.kubelets.get(node).copied()
    }

    /// The names of the nodes, in order.
    pub(crate) fn node_names(&self) -> impl Iterator<Item = &str> {
        self.kubelets.keys().map(String::as_str)
    }

    /// Starts a component that was killed.
    pub(crate) fn revive(&mut self, number: usize, cause: EventId) {
        let Some(recipe) = self.recipes.get_mut(&number) else { return };
        recipe.starts += 1;
        let part = (recipe.make)(recipe.rng.stream(&format!("start/{}", recipe.starts)));
        self.host.restart_component(number, part, Some(cause));
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

    /// The learner's terminal, to change its files or take its output.
    pub fn terminal_mut(&mut self) -> &mut Terminal {
        match self.host.component_mut(self.terminal) {
            Part::Terminal(terminal) => terminal,
            _ => unreachable!("the slot was filled with the terminal"),
        }
    }

    /// Types a line into the terminal. It runs as time passes; a `fault` or `heal` line works at once.
    pub fn start_line(&mut self, line: &str) {
        let now = self.now();
        let cause = self.host.kernel_mut().trace_mut().record(now, &"kubectl".into(), None, What::Command { line: line.into() });
        if self.fault_line(line) {
            return;
        }
        self.host.act(self.terminal, Some(cause), |part, now, out| {
            if let Part::Terminal(terminal) = part {
                terminal.run(now, line, out);
            }
        });
    }

    /// Interrupts what runs in the terminal, as Ctrl-C does.
    pub fn interrupt(&mut self) {
        self.host.act(self.terminal, None, |part, now, out| {
            if let Part::Terminal(terminal) = part {
                terminal.interrupt(now, out);
            }
        });
    }

    /// Ends what runs in the terminal, also a session in a container, which [`Cluster::interrupt`] leaves to the other end.
    pub fn hang_up(&mut self) {
        self.host.act(self.terminal, None, |part, _, out| {
            if let Part::Terminal(terminal) = part {
                terminal.hang_up(out);
            }
        });
    }

    /// Types a line and lets time pass until it is done, or waits for the next line, at most `limit` of virtual time; then it is ended. The
    /// exit status is 0 while it waits.
    pub fn run_line(&mut self, line: &str, limit: Duration) -> CommandResult {
        self.start_line(line);
        let deadline = self.now() + limit;
        let done = self.advance_until(deadline, COMMAND_STEPS, |cluster| cluster.terminal().awaits_line());
        if !done {
            self.hang_up();
        }
        let mut result =
            CommandResult { exit_code: if done { self.terminal().exit_code().max(0) } else { 124 }, ..CommandResult::default() };
        for output in self.terminal_mut().take_output() {
            match output.stream {
                Stream::Stdout => result.stdout.push_str(&output.text),
                Stream::Stderr => result.stderr.push_str(&output.text),
            }
        }
        result
    }
}

/// Adds so many replicas of a component, 1 to 5. Several of them elect a leader.
fn add_replicas(host: &mut Host<Part>, name: &'static str, count: u32, make: &Make, recipes: &mut BTreeMap<usize, Recipe>) {
    let count = count.clamp(1, MAX_REPLICAS);
    for replica in 1..=count {
        let endpoint = if replica == 1 { name.to_owned() } else { format!("{name}-{replica}") };
        let rng = host.kernel().rng(&endpoint);
        let of_one: Make = if count == 1 { make.clone() } else { candidate(name, endpoint.clone(), make.clone()) };
        let start = Time::from_millis(90 + u64::from(replica) * 10);
        let number = host.add(&endpoint, of_one(rng.clone()), start);
        recipes.insert(number, Recipe { make: of_one, rng, starts: 0 });
    }
}

fn candidate(name: &'static str, endpoint: String, make: Make) -> Make {
    Rc::new(move |rng| Part::Candidate(Box::new(Candidate::new(name, &endpoint, rng, make.clone()))))
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
    let image_disk_bytes = match &node.imagefs {
        Some(text) => Some(natural("imagefs", text, quantity("imagefs", text)?.value())?),
        None => None,
    };
    let taints = node.taints.iter().map(|text| taint(&name, text)).collect::<Result<_, _>>()?;
    let labels = node.labels.clone();
    Ok(KubeletConfig { node_name: name, index, cpu_milli, memory_bytes, labels, taints, image_disk_bytes, ..KubeletConfig::default() })
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

//! What the kubelet tells of the use of CPU and memory: `/metrics/resource` and `/stats/summary` (`pkg/kubelet/metrics/collectors`,
//! `pkg/kubelet/server/stats`).
//!
//! The first is text in the form that Prometheus reads: counters that grow, for whoever asks twice and takes the difference. That is what
//! metrics-server does.
//!
//! **Simplified here:** counters are read when someone asks; upstream shows the last look of cAdvisor, which takes one every 10 to 15 s.
//! What runs on a node beside containers (kernel, runtime, kubelet) is a constant and a bit for each Pod. Of `/stats/summary`, network,
//! file systems and swap are left out.

use crate::kubelet::Kubelet;
use crate::pod_worker::PodWorker;
use crate::runtime::usage::Meter;
use serde_json::{Value, json};
use sim::Time;
use std::fmt::Write;
use std::time::Duration;

/// CPU that a node uses beside its containers, in thousandths of a core, and for each of its Pods.
const SYSTEM_CPU_MILLI: (u32, u32) = (60, 1);
/// Memory that it uses beside them, and for each Pod: the `pause` process and what watches it.
const SYSTEM_MEMORY: (u64, u64) = (600 << 20, 1 << 20);

/// What a container, a Pod or a node has used.
#[derive(Clone, Copy, Debug, Default)]
struct Use {
    cpu: Duration,
    memory_bytes: u64,
}

impl Use {
    fn of(meter: &Meter, now: Time) -> Self {
        Use { cpu: meter.cpu(now), memory_bytes: meter.working_set() }
    }

    fn plus(self, other: Use) -> Self {
        Use { cpu: self.cpu.saturating_add(other.cpu), memory_bytes: self.memory_bytes.saturating_add(other.memory_bytes) }
    }
}

impl PodWorker {
    /// CPU time that all runs of all containers have used.
    pub(crate) fn cpu(&self, now: Time) -> Duration {
        self.sandbox.containers.iter().fold(Duration::ZERO, |sum, container| sum.saturating_add(container.meter.cpu(now)))
    }

    /// The running containers and their counters, in the order of the Pod's specification.
    fn meters(&self) -> impl Iterator<Item = (&str, &Meter)> {
        self.records.iter().enumerate().filter(|(_, record)| record.is_alive()).filter_map(|(index, record)| {
            let run = record.runs.last().filter(|run| self.sandbox.runs(**run))?;
            Some((self.spec(index).name.as_str(), &self.sandbox.containers.get(*run)?.meter))
        })
    }
}

/// One family of metrics: its lines are collected, and written below its header.
struct Family {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    lines: String,
}

impl Family {
    fn new(name: &'static str, kind: &'static str, help: &'static str) -> Self {
        Family { name, kind, help, lines: String::new() }
    }

    /// Adds a sample. Names of objects need no escaping in labels.
    fn sample(&mut self, labels: &[(&str, &str)], value: impl std::fmt::Display, millis: u64) {
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        // Writing to a text cannot fail.
        let _ = writeln!(self.lines, "{}{labels} {value} {millis}", self.name);
    }

    fn write(&self, text: &mut String) {
        if !self.lines.is_empty() {
            let _ = write!(text, "# HELP {0} [STABLE] {1}\n# TYPE {0} {2}\n{3}", self.name, self.help, self.kind, self.lines);
        }
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.9}", time.as_secs_f64())
}

impl Kubelet {
    /// What the node has used: its containers and what runs beside them.
    fn node_use(&self, now: Time) -> Use {
        let up = now.since(self.started_at());
        let pods = u32::try_from(self.managed.len()).unwrap_or(u32::MAX);
        let milli = SYSTEM_CPU_MILLI.0.saturating_add(SYSTEM_CPU_MILLI.1.saturating_mul(pods));
        let system = Use {
            cpu: (up / 1000).saturating_mul(milli),
            memory_bytes: SYSTEM_MEMORY.0.saturating_add(SYSTEM_MEMORY.1.saturating_mul(u64::from(pods))),
        };
        // The counter must not fall when a container ends or a Pod goes.
        let gone = Use { cpu: self.gone_cpu, memory_bytes: 0 };
        let containers = self.managed.values().flat_map(|managed| &managed.worker.sandbox.containers);
        containers.fold(system.plus(gone), |sum, container| sum.plus(Use::of(&container.meter, now)))
    }

    /// The memory that the node uses.
    pub(crate) fn memory_in_use(&self, now: Time) -> u64 {
        self.node_use(now).memory_bytes
    }

    /// The page `/metrics/resource`.
    pub(crate) fn resource_metrics(&self, now: Time) -> String {
        let millis = now.unix_millis();
        let mut container_cpu =
            Family::new("container_cpu_usage_seconds_total", "counter", "Cumulative cpu time consumed by the container in core-seconds");
        let mut container_memory =
            Family::new("container_memory_working_set_bytes", "gauge", "Current working set of the container in bytes");
        let mut container_start =
            Family::new("container_start_time_seconds", "gauge", "Start time of the container since unix epoch in seconds");
        let mut node_cpu =
            Family::new("node_cpu_usage_seconds_total", "counter", "Cumulative cpu time consumed by the node in core-seconds");
        let mut node_memory = Family::new("node_memory_working_set_bytes", "gauge", "Current working set of the node in bytes");
        let mut pod_cpu = Family::new("pod_cpu_usage_seconds_total", "counter", "Cumulative cpu time consumed by the pod in core-seconds");
        let mut pod_memory = Family::new("pod_memory_working_set_bytes", "gauge", "Current working set of the pod in bytes");
        for managed in self.managed.values() {
            let worker = &managed.worker;
            let (namespace, pod) = (worker.pod.metadata.namespace.as_str(), worker.pod.metadata.name.as_str());
            let mut sum = Use::default();
            for (container, meter) in worker.meters() {
                let used = Use::of(meter, now);
                let labels = [("container", container), ("namespace", namespace), ("pod", pod)];
                container_cpu.sample(&labels, seconds(used.cpu), millis);
                container_memory.sample(&labels, used.memory_bytes, millis);
                let since = meter.since().unix_millis();
                container_start.sample(&labels, format!("{}.{:03}", since / 1000, since % 1000), millis);
                sum = sum.plus(used);
            }
            let labels = [("namespace", namespace), ("pod", pod)];
            pod_cpu.sample(&labels, seconds(sum.cpu), millis);
            pod_memory.sample(&labels, sum.memory_bytes, millis);
        }
        let node = self.node_use(now);
        node_cpu.sample(&[], seconds(node.cpu), millis);
        node_memory.sample(&[], node.memory_bytes, millis);
        let mut text = String::new();
        let families = [container_cpu, container_memory, container_start, node_cpu, node_memory, pod_cpu, pod_memory];
        families.iter().for_each(|family| family.write(&mut text));
        text.push_str("# HELP resource_scrape_error [STABLE] 1 if there was an error while getting container metrics, 0 otherwise\n");
        text.push_str("# TYPE resource_scrape_error gauge\nresource_scrape_error 0\n");
        text
    }

    /// The page `/stats/summary`.
    pub(crate) fn stats_summary(&self, now: Time) -> Value {
        let stats = |used: Use| {
            let nanos = u64::try_from(used.cpu.as_nanos()).unwrap_or(u64::MAX);
            let cpu = json!({"time": now.rfc3339(), "usageCoreNanoSeconds": nanos});
            let memory = json!({"time": now.rfc3339(), "usageBytes": used.memory_bytes, "workingSetBytes": used.memory_bytes});
            (cpu, memory)
        };
        let pods: Vec<Value> = self
            .managed
            .values()
            .map(|managed| {
                let meta = &managed.worker.pod.metadata;
                let mut sum = Use::default();
                let containers: Vec<Value> = managed
                    .worker
                    .meters()
                    .map(|(name, meter)| {
                        let used = Use::of(meter, now);
                        sum = sum.plus(used);
                        let (cpu, memory) = stats(used);
                        json!({"name": name, "startTime": meter.since().rfc3339(), "cpu": cpu, "memory": memory})
                    })
                    .collect();
                let (cpu, memory) = stats(sum);
                json!({
                    "podRef": {"name": meta.name, "namespace": meta.namespace, "uid": meta.uid},
                    "startTime": managed.worker.start_time.rfc3339(), "containers": containers, "cpu": cpu, "memory": memory,
                })
            })
            .collect();
        let (cpu, memory) = stats(self.node_use(now));
        let node = json!({
            "nodeName": self.config.node_name, "startTime": self.started_at().rfc3339(), "cpu": cpu, "memory": memory,
        });
        json!({"node": node, "pods": pods})
    }
}

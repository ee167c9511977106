//! What can happen to a node: full disks, image pulls that fail, processes that are killed, a shutdown.

use crate::cluster::{Cluster, Part};
use crate::fault::FaultError;
use kubelet::{Filesystem, Kubelet, PullTrouble};
use serde::{Deserialize, Serialize};
use sim::EventId;
use std::fmt;

/// Something bad that can happen to a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum NodeFault {
    /// The first process of a container is killed with SIGKILL: the Pod (`POD` or `NAMESPACE/POD`), and the container unless it is the
    /// first. It is over at once; there is nothing to take away.
    Kill(String, Option<String>),
    /// The node's disk is filled up to so many hundredths; with `true`, that of images, where a node has one.
    FillDisk(String, u8, bool),
    /// Images come at so many kilobytes per second.
    SlowPulls(String, u32),
    /// No image registry answers.
    FailPulls(String),
    /// The machine is shut down; it is switched on again when the fault is taken away.
    ShutDown(String),
}

/// How node faults are written, and what they do, in English and Chinese.
pub(crate) const HELP: &[(&str, &str, &str)] = &[
    ("kill POD [CONTAINER]", "kill the first process of a container (SIGKILL)", "杀掉容器的一号进程（SIGKILL）"),
    ("fill-disk NODE PERCENT [imagefs]", "fill a node's disk up to so many percent", "把节点磁盘填到给定百分比"),
    ("slow-pulls NODE KB-PER-SECOND", "let images come slowly", "让镜像拉取变慢"),
    ("fail-pulls NODE", "let no image registry answer", "让镜像仓库没有应答"),
    ("shut-down NODE", "shut the machine down, with grace for its Pods", "关机，并给 Pod 留出终止时间"),
];

impl NodeFault {
    /// Reads the words of a fault; `None` when they name none of a node's.
    pub(crate) fn read(words: &[&str]) -> Option<Self> {
        let word = |text: &str| text.to_owned();
        Some(match *words {
            ["kill", pod] => NodeFault::Kill(word(pod), None),
            ["kill", pod, container] => NodeFault::Kill(word(pod), Some(word(container))),
            ["fill-disk", node, percent] => NodeFault::FillDisk(word(node), percent_of(percent)?, false),
            ["fill-disk", node, percent, "nodefs"] => NodeFault::FillDisk(word(node), percent_of(percent)?, false),
            ["fill-disk", node, percent, "imagefs"] => NodeFault::FillDisk(word(node), percent_of(percent)?, true),
            ["slow-pulls", node, speed] => NodeFault::SlowPulls(word(node), speed.parse().ok().filter(|speed| *speed > 0)?),
            ["fail-pulls", node] => NodeFault::FailPulls(word(node)),
            ["shut-down", node] => NodeFault::ShutDown(word(node)),
            _ => return None,
        })
    }

    /// The fault as a script names it.
    pub(crate) fn in_script(&self) -> String {
        match self {
            NodeFault::Kill(pod, None) => format!("kill {pod}"),
            NodeFault::Kill(pod, Some(container)) => format!("kill {pod} {container}"),
            NodeFault::FillDisk(node, percent, false) => format!("fill-disk {node} {percent}"),
            NodeFault::FillDisk(node, percent, true) => format!("fill-disk {node} {percent} imagefs"),
            NodeFault::SlowPulls(node, speed) => format!("slow-pulls {node} {speed}"),
            NodeFault::FailPulls(node) => format!("fail-pulls {node}"),
            NodeFault::ShutDown(node) => format!("shut-down {node}"),
        }
    }

    /// What taking it away is called.
    pub(crate) fn undone(&self) -> String {
        match self {
            NodeFault::Kill(pod, _) => format!("nothing is left to undo of the killing in {pod}"),
            NodeFault::FillDisk(node, ..) => format!("freed the disk of {node}"),
            NodeFault::SlowPulls(node, _) => format!("images come to {node} as fast as before"),
            NodeFault::FailPulls(node) => format!("registries answer {node} again"),
            NodeFault::ShutDown(node) => format!("switched {node} on"),
        }
    }

    /// The node, unless the fault is a Pod's.
    pub fn node(&self) -> Option<&str> {
        match self {
            NodeFault::Kill(..) => None,
            NodeFault::FillDisk(node, ..) | NodeFault::SlowPulls(node, _) | NodeFault::FailPulls(node) | NodeFault::ShutDown(node) => {
                Some(node)
            }
        }
    }

    /// Whether it is there until it is taken away.
    pub(crate) fn lasts(&self) -> bool {
        !matches!(self, NodeFault::Kill(..))
    }
}

fn percent_of(text: &str) -> Option<u8> {
    text.trim_end_matches('%').parse().ok().filter(|percent| *percent <= 100)
}

impl fmt::Display for NodeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NodeFault::Kill(pod, None) => write!(f, "killed the first container of {pod}"),
            NodeFault::Kill(pod, Some(container)) => write!(f, "killed container {container} of {pod}"),
            NodeFault::FillDisk(node, percent, false) => write!(f, "filled the disk of {node} to {percent} %"),
            NodeFault::FillDisk(node, percent, true) => write!(f, "filled the image disk of {node} to {percent} %"),
            NodeFault::SlowPulls(node, speed) => write!(f, "slowed image pulls of {node} to {speed} kB/s"),
            NodeFault::FailPulls(node) => write!(f, "cut {node} from the image registries"),
            NodeFault::ShutDown(node) => write!(f, "shut {node} down"),
        }
    }
}

impl Cluster {
    /// Whether the cluster can have the fault.
    pub(crate) fn check_node_fault(&self, fault: &NodeFault) -> Result<(), FaultError> {
        match fault {
            NodeFault::Kill(pod, _) => self.node_of(pod).map(drop),
            _ => {
                let node = fault.node().unwrap_or_default();
                match self.kubelet_of(node) {
                    Some(_) => Ok(()),
                    None => Err(FaultError::NoSuchPart(node.to_owned(), self.node_names().collect::<Vec<_>>().join(", "))),
                }
            }
        }
    }

    /// Lets it happen, or takes it away. The cluster can have it.
    pub(crate) fn set_node_fault(&mut self, fault: &NodeFault, on: bool, cause: EventId) -> Result<(), FaultError> {
        let node = match fault {
            NodeFault::Kill(..) if !on => return Ok(()),
            NodeFault::Kill(pod, _) => self.node_of(pod)?,
            _ => fault.node().unwrap_or_default().to_owned(),
        };
        let Some(number) = self.kubelet_of(&node) else { return Ok(()) };
        let mut done = Ok(());
        self.host.act(number, Some(cause), |part, now, out| {
            let Part::Kubelet(kubelet) = part else { return };
            match fault {
                NodeFault::Kill(pod, container) => {
                    let (namespace, name) = pod.split_once('/').unwrap_or(("default", pod));
                    done = kubelet.kill_process(namespace, name, container.as_deref(), now, out);
                }
                NodeFault::FillDisk(_, percent, images) => {
                    let disk = if *images { Filesystem::Image } else { Filesystem::Node };
                    kubelet.fill_disk(disk, on.then_some(*percent));
                }
                NodeFault::SlowPulls(_, speed) => set_pulls(kubelet, on, PullTrouble::Slow(u64::from(*speed) * 1000)),
                NodeFault::FailPulls(_) => set_pulls(kubelet, on, PullTrouble::Unreachable),
                NodeFault::ShutDown(_) if on => kubelet.shut_down(now, out),
                NodeFault::ShutDown(_) => kubelet.power_on(now, out),
            }
        });
        if let (NodeFault::ShutDown(_), false) = (fault, on) {
            self.host.wake_now(number, cause);
        }
        done.map_err(FaultError::Impossible)
    }

    /// A kubelet's process is killed, or started again. Its containers run on.
    pub(crate) fn set_kubelet(&mut self, number: usize, runs: bool, cause: EventId) {
        if runs {
            if let Part::Kubelet(kubelet) = self.host.component_mut(number) {
                kubelet.start_again();
            }
            self.host.wake_now(number, cause);
        } else {
            self.host.act(number, Some(cause), |part, _, out| {
                if let Part::Kubelet(kubelet) = part {
                    kubelet.stop(out);
                }
            });
            self.host.disconnect(number, Some(cause));
        }
    }

    /// The node of a Pod, written `POD` or `NAMESPACE/POD`.
    fn node_of(&self, pod: &str) -> Result<String, FaultError> {
        let (namespace, name) = pod.split_once('/').unwrap_or(("default", pod));
        let found = self.host.apiserver().object::<api::core::Pod>(namespace, name);
        match found.map(|pod| pod.spec.node_name.clone()) {
            None => Err(FaultError::Impossible(format!("there is no Pod {namespace}/{name}"))),
            Some(node) if node.is_empty() => Err(FaultError::Impossible(format!("Pod {namespace}/{name} is on no node yet"))),
            Some(node) => Ok(node),
        }
    }
}

fn set_pulls(kubelet: &mut Kubelet, on: bool, trouble: PullTrouble) {
    kubelet.set_pull_trouble(if on { trouble } else { PullTrouble::None });
}

//! What can be done to a cluster to see how it bears it.

use crate::cluster::Cluster;
use crate::node_fault::{self, NodeFault};
use serde::{Deserialize, Serialize};
use sim::{EventId, What};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Something bad that can happen to a cluster. Parts are called as in the trace: `etcd-2`, `kube-apiserver`, `kube-scheduler`,
/// `kube-controller-manager`, `kubelet/node-1`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Fault {
    /// The node can no longer reach the API server, nor be reached.
    CutNode(String),
    /// Nothing passes between the part and anyone else.
    Isolate(String),
    /// Nothing passes between the two parts.
    Cut(String, String),
    /// The process of a member of etcd, of an API server, scheduler, controller manager, metrics-server, metrics adapter, of CoreDNS, a kube-proxy or a
    /// kubelet is killed; it is started again when the fault is taken away, with nothing in memory. What a disk was writing may be lost; the
    /// containers of a node run on, and the rules that a kube-proxy wrote stay in force.
    Crash(String),
    /// The disk of a member of etcd takes so many milliseconds to make a write safe.
    SlowDisk(String, u32),
    /// The value of a key changes in the data of this member of etcd alone, behind the back of the log: its last letter or digit is another
    /// one. It cannot be taken away; the member is to be replaced.
    Corrupt(String, String),
    /// So many of a hundred packets are lost between two nodes, or between a node and another part.
    DropPackets(String, String, u32),
    /// The cluster's DNS answers every question with `SERVFAIL`.
    DnsServfail,
    /// Something that happens to a node.
    Node(NodeFault),
}

/// A fault that this cluster cannot have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// There is no such part.
    #[error("the cluster has no {0:?}; its parts are {1}")]
    NoSuchPart(String, String),
    /// The fault is for other parts.
    #[error("{0:?} cannot have this fault; those that can are {1}")]
    WrongPart(String, String),
    /// The member has no such key.
    #[error("{0} has no key {1:?} with a value; `etcdctl get / --prefix --keys-only` shows the keys")]
    NoSuchKey(String, String),
    /// The fault stays.
    #[error("the data of {0} stays as it is; replace the member: `etcdctl member remove`, then `etcdctl member add`")]
    Lasting(String),
    /// A member of etcd does not start again.
    #[error("{0} does not start: {1}")]
    DoesNotStart(String, String),
    /// Something that the fault needs is not there.
    #[error("{0}")]
    Impossible(String),
}

/// A text that names no fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no fault; write `crash PART`, `isolate PART`, `cut PART PART`, `cut-node NODE`, `slow-disk MEMBER MILLISECONDS`, \
     `corrupt MEMBER KEY`, `drop-packets NODE NODE PERCENT`, `dns-servfail`, `kill POD`, `fill-disk NODE PERCENT`, \
     `slow-pulls NODE KB-PER-SECOND`, `fail-pulls NODE` or `shut-down NODE`, for example `crash etcd-2`"
)]
pub struct FaultSyntaxError(String);

impl FromStr for Fault {
    type Err = FaultSyntaxError;

    /// Reads a fault as a learner's script names it: `crash etcd-2`, `isolate etcd-1`, `cut etcd-1 etcd-2`, `cut-node node-1`,
    /// `slow-disk etcd-2 500`, `corrupt etcd-2 /registry/configmaps/default/web`. Whether the cluster has such a part is for [`Cluster::inject`] to say.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || FaultSyntaxError(text.trim().to_owned());
        match text.split_whitespace().collect::<Vec<_>>()[..] {
            ["crash", part] => Ok(Fault::Crash(part.to_owned())),
            ["isolate", part] => Ok(Fault::Isolate(part.to_owned())),
            ["cut", one, other] => Ok(Fault::Cut(one.to_owned(), other.to_owned())),
            ["cut-node", node] => Ok(Fault::CutNode(node.to_owned())),
            ["slow-disk", part, millis] => Ok(Fault::SlowDisk(part.to_owned(), millis.parse().map_err(|_| wrong())?)),
            ["corrupt", part, key] => Ok(Fault::Corrupt(part.to_owned(), key.to_owned())),
            ["drop-packets", one, other, percent] => match percent.trim_end_matches('%').parse() {
                Ok(percent @ 1..=100) => Ok(Fault::DropPackets(one.to_owned(), other.to_owned(), percent)),
                _ => Err(wrong()),
            },
            ["dns-servfail"] => Ok(Fault::DnsServfail),
            ref words => NodeFault::read(words).map(Fault::Node).ok_or_else(wrong),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::CutNode(node) => write!(f, "cut {node} from the API server"),
            Fault::Isolate(part) => write!(f, "cut {part} from everyone"),
            Fault::Cut(one, other) => write!(f, "cut {one} from {other}"),
            Fault::Crash(part) => write!(f, "killed {part}"),
            Fault::SlowDisk(part, millis) => write!(f, "slowed the disk of {part} to {millis} ms"),
            Fault::DropPackets(one, other, percent) => write!(f, "{percent} % of the packets between {one} and {other} are lost"),
            Fault::DnsServfail => write!(f, "the cluster's DNS answers SERVFAIL"),
            Fault::Corrupt(part, key) => write!(f, "damaged the value of {key} in the data of {part}"),
            Fault::Node(fault) => fault.fmt(f),
        }
    }
}

impl Fault {
    /// The fault as a learner's script names it; what [`Fault::from_str`] reads.
    pub fn in_script(&self) -> String {
        match self {
            Fault::CutNode(node) => format!("cut-node {node}"),
            Fault::Isolate(part) => format!("isolate {part}"),
            Fault::Cut(one, other) => format!("cut {one} {other}"),
            Fault::Crash(part) => format!("crash {part}"),
            Fault::SlowDisk(part, millis) => format!("slow-disk {part} {millis}"),
            Fault::DropPackets(one, other, percent) => format!("drop-packets {one} {other} {percent}"),
            Fault::DnsServfail => "dns-servfail".to_owned(),
            Fault::Corrupt(part, key) => format!("corrupt {part} {key}"),
            Fault::Node(fault) => fault.in_script(),
        }
    }

    /// What taking it away is called.
    pub(crate) fn undone(&self) -> String {
        match self {
            Fault::CutNode(node) => format!("reconnected {node} to the API server"),
            Fault::Isolate(part) => format!("reconnected {part} to everyone"),
            Fault::Cut(one, other) => format!("reconnected {one} to {other}"),
            Fault::Crash(part) => format!("started {part} again"),
            Fault::SlowDisk(part, _) => format!("the disk of {part} is as fast as before"),
            Fault::DropPackets(one, other, _) => format!("no packets between {one} and {other} are lost any more"),
            Fault::DnsServfail => "the cluster's DNS answers again".to_owned(),
            Fault::Corrupt(part, _) => format!("the data of {part} stays as it is"),
            Fault::Node(fault) => fault.undone(),
        }
    }
}

impl Cluster {
    /// The faults that the cluster has, in the order in which they came.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// Puts a fault on the cluster.
    ///
    /// # Errors
    /// When the cluster has no such part, or the part cannot have the fault or has no such key. Then nothing was changed.
    pub fn inject(&mut self, fault: &Fault) -> Result<(), FaultError> {
        self.check(fault)?;
        if let Fault::Corrupt(part, key) = fault {
            return self.corrupt(part, key);
        }
        let cause = self.record_fault(fault.to_string());
        let lasts = !matches!(fault, Fault::Node(fault) if !fault.lasts());
        if lasts && !self.faults.contains(fault) {
            self.faults.push(fault.clone());
        }
        match fault {
            Fault::CutNode(node) => self.host.isolate(&kubelet(node), None, Some(cause)),
            Fault::Isolate(part) => self.host.isolate(part, None, Some(cause)),
            Fault::Cut(one, other) => self.host.isolate(one, Some(other), Some(cause)),
            Fault::Crash(part) => match (self.host.member_named(part), self.host.server_named(part)) {
                (Some(place), _) => self.host.crash_member(place, Some(cause)),
                (_, Some(number)) => self.host.crash_server(number, Some(cause)),
                _ => match (self.proxy_named(part), self.mortal(part), self.kubelet_named(part)) {
                    (Some(number), ..) => self.kill_proxy(number, cause),
                    (_, Some(number), _) => self.host.crash_component(number, Some(cause)),
                    (.., Some(number)) => self.set_kubelet(number, false, cause),
                    _ => {}
                },
            },
            Fault::DropPackets(one, other, percent) => self.lose_packets(one, other, *percent),
            Fault::DnsServfail => self.fail_dns(true),
            Fault::SlowDisk(part, millis) => {
                if let Some(place) = self.host.member_named(part) {
                    self.host.set_fsync(place, Some(Duration::from_millis(u64::from(*millis))));
                }
            }
            // It happens once, and is no state of the cluster.
            Fault::Corrupt(..) => {}
            Fault::Node(fault) => return self.set_node_fault(fault, true, cause),
        }
        Ok(())
    }

    fn corrupt(&mut self, part: &str, key: &str) -> Result<(), FaultError> {
        let damaged = self.host.member_named(part).is_some_and(|place| self.host.damage(place, key));
        if !damaged {
            return Err(FaultError::NoSuchKey(part.to_owned(), key.to_owned()));
        }
        self.record_fault(Fault::Corrupt(part.to_owned(), key.to_owned()).to_string());
        Ok(())
    }

    /// Takes a fault away again. One that is not there changes nothing.
    ///
    /// # Errors
    /// As [`Cluster::inject`]; when the fault cannot be taken away; and when a member of etcd does not start again from what its disk holds.
    pub fn heal(&mut self, fault: &Fault) -> Result<(), FaultError> {
        self.check(fault)?;
        if let Fault::Corrupt(part, _) = fault {
            return Err(FaultError::Lasting(part.clone()));
        }
        let cause = self.record_fault(fault.undone());
        self.faults.retain(|present| present != fault);
        match fault {
            Fault::CutNode(node) => self.host.reconnect(&kubelet(node), None, Some(cause)),
            Fault::Isolate(part) => self.host.reconnect(part, None, Some(cause)),
            Fault::Cut(one, other) => self.host.reconnect(one, Some(other), Some(cause)),
            Fault::Crash(part) => match (self.host.member_named(part), self.host.server_named(part)) {
                (Some(place), _) => {
                    let started = self.host.restart_member(place, Some(cause));
                    return started.map_err(|reason| FaultError::DoesNotStart(part.clone(), reason));
                }
                (_, Some(number)) => self.host.restart_server(number, Some(cause)),
                _ => match (self.proxy_named(part), self.mortal(part), self.kubelet_named(part)) {
                    (Some(number), ..) => self.restart_proxy(number, cause),
                    (_, Some(number), _) => self.revive(number, cause),
                    (.., Some(number)) => self.set_kubelet(number, true, cause),
                    _ => {}
                },
            },
            Fault::DropPackets(one, other, _) => self.lose_packets(one, other, 0),
            Fault::DnsServfail => self.fail_dns(false),
            Fault::SlowDisk(part, _) => {
                if let Some(place) = self.host.member_named(part) {
                    self.host.set_fsync(place, None);
                }
            }
            Fault::Corrupt(..) => {}
            Fault::Node(fault) => return self.set_node_fault(fault, false, cause),
        }
        Ok(())
    }

    /// Whether the cluster can have the fault.
    fn check(&self, fault: &Fault) -> Result<(), FaultError> {
        let parts = || self.host.kernel().names().map(|name| name.to_string()).collect::<Vec<_>>();
        let exists = |part: &str| match self.host.kernel().find(part) {
            Some(_) => Ok(()),
            None => Err(FaultError::NoSuchPart(part.to_owned(), parts().join(", "))),
        };
        let is_one_of = |part: &str, can: &dyn Fn(&str) -> bool| {
            exists(part)?;
            let those: Vec<String> = parts().into_iter().filter(|part| can(part)).collect();
            if can(part) { Ok(()) } else { Err(FaultError::WrongPart(part.to_owned(), those.join(", "))) }
        };
        let is_member = |part: &str| self.host.member_named(part).is_some();
        let is_server = |part: &str| self.host.server_named(part).is_some();
        match fault {
            Fault::CutNode(node) => exists(&kubelet(node)),
            Fault::Isolate(part) => exists(part),
            Fault::Cut(one, other) => exists(one).and(exists(other)),
            Fault::Crash(part) => {
                let named = |part: &str| self.mortal(part).or(self.proxy_named(part)).or(self.kubelet_named(part));
                is_one_of(part, &|part: &str| is_member(part) || is_server(part) || named(part).is_some())
            }
            Fault::DropPackets(one, other, _) => exists(&self.link_end(one)).and(exists(&self.link_end(other))),
            Fault::DnsServfail => Ok(()),
            Fault::SlowDisk(part, _) | Fault::Corrupt(part, _) => is_one_of(part, &is_member),
            Fault::Node(fault) => self.check_node_fault(fault),
        }
    }

    /// How all faults are written, and what they do, in English and Chinese.
    pub fn fault_help() -> impl Iterator<Item = &'static (&'static str, &'static str, &'static str)> {
        HELP.iter().chain(node_fault::HELP)
    }

    fn record_fault(&mut self, description: String) -> EventId {
        let now = self.now();
        let what = What::Fault { description: description.into() };
        self.host.kernel_mut().trace_mut().record(now, &"learner".into(), None, what)
    }
}

/// How the faults of parts are written, and what they do, in English and Chinese.
const HELP: &[(&str, &str, &str)] = &[
    ("crash PART", "kill a process; of a node's kubelet the containers run on", "杀掉一个进程；kubelet 被杀后容器继续运行"),
    ("isolate PART", "cut a part from everyone", "切断某个组件与所有组件的网络"),
    ("cut PART PART", "cut two parts from each other", "切断两个组件之间的网络"),
    ("cut-node NODE", "cut a node from the API server", "切断节点与 API server 的网络"),
    ("slow-disk MEMBER MILLISECONDS", "let a member of etcd write slowly", "让 etcd 成员的磁盘变慢"),
];

/// How the kubelet of a node is called.
fn kubelet(node: &str) -> String {
    format!("kubelet/{node}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_as_scripts_name_them() {
        let part = |name: &str| name.to_owned();
        for (text, wanted) in [
            ("crash etcd-2", Fault::Crash(part("etcd-2"))),
            ("  isolate   kubelet/node-1 ", Fault::Isolate(part("kubelet/node-1"))),
            ("cut etcd-1 etcd-2", Fault::Cut(part("etcd-1"), part("etcd-2"))),
            ("cut-node node-1", Fault::CutNode(part("node-1"))),
            ("slow-disk etcd-2 500", Fault::SlowDisk(part("etcd-2"), 500)),
            ("corrupt etcd-2 /registry/pods", Fault::Corrupt(part("etcd-2"), part("/registry/pods"))),
            ("kill kube-system/dns c", Fault::Node(NodeFault::Kill(part("kube-system/dns"), Some(part("c"))))),
            ("fill-disk node-1 95", Fault::Node(NodeFault::FillDisk(part("node-1"), 95, false))),
            ("fill-disk node-1 95 imagefs", Fault::Node(NodeFault::FillDisk(part("node-1"), 95, true))),
            ("slow-pulls node-1 100", Fault::Node(NodeFault::SlowPulls(part("node-1"), 100))),
            ("fail-pulls node-1", Fault::Node(NodeFault::FailPulls(part("node-1")))),
            ("shut-down node-1", Fault::Node(NodeFault::ShutDown(part("node-1")))),
            ("drop-packets node-1 node-2 30%", Fault::DropPackets(part("node-1"), part("node-2"), 30)),
            ("dns-servfail", Fault::DnsServfail),
        ] {
            assert_eq!(text.parse(), Ok(wanted.clone()), "{text}");
            assert_eq!(wanted.in_script().parse(), Ok(wanted), "{text}");
        }
        for text in [
            "",
            "crash",
            "crash etcd-1 etcd-2",
            "slow-disk etcd-2 slow",
            "slow-disk etcd-2 -1",
            "drop-packets a b 101",
            "explode etcd-1",
            "fill-disk node-1 101",
        ] {
            let error = text.parse::<Fault>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("{text:?} is no fault; write `crash PART`")), "{error}");
        }
    }
}

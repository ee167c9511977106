//! What can go wrong on a node: processes that are killed, image pulls that are slow or fail, disks that are full.

use crate::eviction::threshold::Signal;
use crate::kubelet::Kubelet;
use client::Outbox;
use sim::Time;
use std::sync::Arc;

/// What is wrong with the way to the image registries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PullTrouble {
    /// Nothing.
    #[default]
    None,
    /// So many bytes per second pass.
    Slow(u64),
    /// Nobody answers.
    Unreachable,
}

impl Kubelet {
    /// Kills the first process of a container, as the kernel or an administrator on the node would. Without a name, that of the first
    /// container.
    ///
    /// # Errors
    /// Says what is not there.
    pub fn kill_process(&mut self, namespace: &str, pod: &str, container: Option<&str>, now: Time, out: &mut Outbox) -> Result<(), String> {
        let is = |meta: &api::meta::ObjectMeta| meta.namespace == namespace && meta.name == pod;
        let found = self.managed.iter().find(|(_, managed)| is(&managed.worker.pod.metadata)).map(|(uid, _)| uid.clone());
        let uid: Arc<str> = found.ok_or_else(|| format!("no container of Pod {namespace}/{pod} is on this node"))?;
        let worker = &self.managed[&uid].worker;
        let first = worker.pod.spec.init_containers.len();
        let index = match container {
            None => Some(first).filter(|first| *first < worker.records.len()),
            Some(name) => (0..worker.records.len()).find(|index| worker.spec(*index).name == name),
        };
        let index = index.ok_or_else(|| format!("Pod {namespace}/{pod} has no container {:?}", container.unwrap_or_default()))?;
        let run = worker.records[index].runs.last().copied().filter(|run| worker.sandbox.runs(*run));
        let run = run.ok_or_else(|| format!("container {:?} of Pod {namespace}/{pod} does not run", worker.spec(index).name))?;
        self.work(&uid, now, out, |worker, cx| worker.sandbox.kill(run, cx.now));
        Ok(())
    }

    /// Sets what is wrong with the way to the registries; pulls that begin from now on feel it.
    pub fn set_pull_trouble(&mut self, trouble: PullTrouble) {
        self.images.trouble = trouble;
    }
}

/// A disk of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filesystem {
    /// The kubelet's: volumes and logs.
    Node,
    /// That of images and of what containers write. On a node with one disk that is the same.
    Image,
}

impl Kubelet {
    /// Fills a disk up to so many hundredths with something that belongs to no Pod; `None` takes that away again.
    pub fn fill_disk(&mut self, filesystem: Filesystem, percent: Option<u8>) {
        let disks = &mut self.node_disks;
        let size = match filesystem {
            Filesystem::Image => disks.image.unwrap_or(disks.node),
            Filesystem::Node => disks.node,
        };
        let ballast = if filesystem == Filesystem::Image { &mut disks.ballast.1 } else { &mut disks.ballast.0 };
        *ballast = 0;
        let Some(percent) = percent else { return };
        let signal = if filesystem == Filesystem::Image { Signal::ImageFsAvailable } else { Signal::NodeFsAvailable };
        let used = self.observe_node(Time::ZERO).get(signal).map_or(0, |seen| seen.capacity.saturating_sub(seen.available));
        let wanted = (size / 100).saturating_mul(u64::from(percent.min(100)));
        let disks = &mut self.node_disks;
        let ballast = if filesystem == Filesystem::Image { &mut disks.ballast.1 } else { &mut disks.ballast.0 };
        *ballast = wanted.saturating_sub(used);
    }
}

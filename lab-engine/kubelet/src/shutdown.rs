//! Graceful shutdown of a node (`pkg/kubelet/nodeshutdown`).
//!
//! systemd tells the kubelet that the machine is to be shut down, and waits while the kubelet holds its inhibitor lock. The kubelet reports
//! the node as not ready, takes no more Pods, and ends those it has in groups, from the lowest priority to the highest; each group has its
//! time, and a Pod never more than its own grace period. Then the machine goes off: what runs still is gone, unseen.
//!
//! **Simplified here:** kubelets are configured with 20 s for Pods and 10 s more for critical ones (`shutdownGracePeriod: 30s`,
//! `shutdownGracePeriodCriticalPods: 10s`), as the documentation's example is; one that kubeadm sets up has none, and shuts down at once.
//! A machine that is switched on again has forgotten the containers it had: Pods that were not ended begin with no restarts.

use crate::kubelet::Kubelet;
use client::EventType::Normal;
use client::Outbox;
use sim::Time;
use std::sync::Arc;
use std::time::Duration;

const REASON: &str = "Terminated";
const MESSAGE: &str = "Pod was terminated in response to imminent node shutdown.";
/// How long systemd takes to switch the machine off once the lock is released.
const POWER_OFF: Duration = Duration::from_secs(1);

/// From which priority on Pods have how long (`shutdownGracePeriodByPodPriority`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShutdownGrace {
    /// The lowest priority of the group.
    pub priority: i32,
    /// How long the group has.
    pub period: Duration,
}

/// The groups of `shutdownGracePeriod` and `shutdownGracePeriodCriticalPods` (`migrateConfig`): none when there is no time.
pub fn grace_periods(total: Duration, critical: Duration) -> Vec<ShutdownGrace> {
    match total.checked_sub(critical) {
        Some(rest) if !total.is_zero() => {
            vec![ShutdownGrace { priority: 0, period: rest }, ShutdownGrace { priority: 2_000_000_000, period: critical }]
        }
        _ => Vec::new(),
    }
}

/// The group of a Pod (`groupByPriority`): that with the highest priority which is not above the Pod's; the lowest for one below all.
/// `periods` go from the lowest to the highest.
fn group_of(periods: &[ShutdownGrace], priority: i32) -> usize {
    periods.iter().rposition(|period| period.priority <= priority).unwrap_or(0)
}

/// A shutdown under way.
#[derive(Debug)]
pub(crate) struct Shutdown {
    /// The groups that are still to end.
    groups: Vec<(Duration, Vec<Arc<str>>)>,
    /// The Pods that are ending, and until when the next group waits for them.
    ending: Vec<Arc<str>>,
    until: Time,
    /// When the machine goes off.
    off_at: Option<Time>,
}

impl Shutdown {
    /// When something happens at the latest.
    pub(crate) fn next_wake(&self) -> Time {
        self.off_at.unwrap_or(self.until)
    }
}

impl Kubelet {
    /// Whether the machine is being shut down.
    pub fn is_shutting_down(&self) -> bool {
        self.shutdown.is_some()
    }

    /// Someone shuts the machine down.
    pub fn shut_down(&mut self, now: Time, out: &mut Outbox) {
        if self.down || self.shutdown.is_some() {
            return;
        }
        let node = self.node_reference();
        self.record_on_node(now, node, Normal, "NodeShutdown", "Shutdown manager detected shutdown event", out);
        let mut periods = self.config.shutdown.clone();
        periods.sort_by_key(|period| period.priority);
        let mut groups: Vec<(Duration, Vec<Arc<str>>)> = periods.iter().map(|period| (period.period, Vec::new())).collect();
        for (uid, managed) in self.managed.iter().filter(|(_, managed)| !managed.worker.is_finished()) {
            let at = group_of(&periods, managed.worker.pod.spec.priority.unwrap_or(0));
            if let Some((_, group)) = groups.get_mut(at) {
                group.push(uid.clone());
            }
        }
        groups.reverse();
        self.shutdown = Some(Shutdown { groups, ending: Vec::new(), until: now, off_at: None });
        self.tell_node_status(now, "NodeNotReady", out);
        self.write_node_status(now, out);
        self.advance_shutdown(now, out);
    }

    /// Goes on with a shutdown: the next group, or the end.
    pub(crate) fn advance_shutdown(&mut self, now: Time, out: &mut Outbox) {
        loop {
            let Some(shutdown) = &self.shutdown else { return };
            if let Some(at) = shutdown.off_at {
                if at <= now {
                    self.power_off(now, out);
                }
                return;
            }
            let is_gone = |uid: &Arc<str>| self.managed.get(uid).is_none_or(|managed| managed.worker.is_finished());
            if shutdown.until > now && !shutdown.ending.iter().all(is_gone) {
                return;
            }
            let Some(shutdown) = &mut self.shutdown else { return };
            let Some((period, group)) = shutdown.groups.pop() else {
                shutdown.off_at = Some(now + POWER_OFF);
                return;
            };
            if group.is_empty() {
                continue;
            }
            (shutdown.ending, shutdown.until) = (group.clone(), now + period);
            for uid in group {
                self.work(&uid, now, out, |worker, _| worker.end_abnormally(REASON, MESSAGE.to_owned(), true, period));
            }
        }
    }

    /// The machine goes off.
    fn power_off(&mut self, now: Time, out: &mut Outbox) {
        self.shutdown = None;
        let uids: Vec<Arc<str>> = self.managed.keys().cloned().collect();
        uids.iter().for_each(|uid| self.remove(uid, now, out));
        self.stop(out);
    }

    /// The shutdown is called off, or the machine is switched on again.
    pub fn power_on(&mut self, now: Time, out: &mut Outbox) {
        if self.shutdown.take().is_some() {
            let node = self.node_reference();
            self.record_on_node(now, node, Normal, "NodeShutdown", "Shutdown manager detected shutdown cancellation", out);
            self.tell_node_status(now, "NodeReady", out);
            self.write_node_status(now, out);
        } else {
            self.start_again();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_are_grouped_by_the_priority_that_they_reach() {
        let seconds = Duration::from_secs;
        let periods = grace_periods(seconds(30), seconds(10));
        assert_eq!(periods.iter().map(|period| period.period.as_secs()).collect::<Vec<_>>(), [20, 10]);
        assert_eq!([-5, 0, 1000, 2_000_000_000, 2_000_001_000].map(|priority| group_of(&periods, priority)), [0, 0, 0, 1, 1]);
        assert!(grace_periods(Duration::ZERO, Duration::ZERO).is_empty() && grace_periods(seconds(5), seconds(10)).is_empty());
    }
}

//! The scheduling queue (`pkg/scheduler/backend/queue/scheduling_queue.go`).
//!
//! ```text
//!            ┌── an event may help ──▶ backoffQ ── pause over, or activeQ empty ──▶ activeQ ──▶ pop
//! unschedulable ◀── fits no node ─────────────────────────────────────────────────────────────┘
//! ```
//!
//! `activeQ` is ordered by priority, then by how long a Pod has waited. A Pod that fits no node waits among the unschedulable for an
//! event of which a plugin that refused it says that it may help ([`QueueingHint`]), five minutes at most; then for the rest of its
//! pause, 1 s after the first failure and twice as long after each further one, up to 10 s. While `activeQ` is empty the pause is cut
//! short (KEP-5142), except after errors. A Pod that a PreEnqueue plugin refuses waits among the unschedulable until it changes.
//!
//! **Simplified here:** no events while a Pod is in flight, as nothing happens during a cycle; only Pods whose binding failed come back
//! later, and those are tried again in any case.

mod nominator;
#[cfg(test)]
mod tests;

pub(crate) use nominator::Nominator;

use crate::config::Profiles;
use crate::framework::{ClusterEvent, QueueingHint};
use crate::plugins::Rank;
use crate::pod_info::PodInfo;
use client::{ObjectKey, QueueStatus};
use sim::Time;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// The pause after the first failure (`DefaultPodInitialBackoffDuration`).
const INITIAL_BACKOFF: Duration = Duration::from_secs(1);
/// The longest pause (`DefaultPodMaxBackoffDuration`).
const MAX_BACKOFF: Duration = Duration::from_secs(10);
/// The ends of pauses are rounded down to whole multiples of this (`backoffQOrderingWindowDuration`).
const BACKOFF_WINDOW: u64 = 1_000_000_000;
/// So long a Pod waits for an event at most (`DefaultPodMaxInUnschedulablePodsDuration`).
const MAX_UNSCHEDULABLE: Duration = Duration::from_secs(5 * 60);
/// How often the queue looks for Pods that waited that long.
const FLUSH_INTERVAL_NANOS: u64 = 30_000_000_000;

/// Where a Pod is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Active(Rank),
    Backoff(Time, Rank),
    /// After an error; its pause is never cut short.
    ErrorBackoff(Time, Rank),
    Unschedulable,
}

/// A Pod of the queue (`QueuedPodInfo`).
#[derive(Clone, Debug)]
pub(crate) struct QueuedPod {
    /// The Pod.
    pub(crate) info: Arc<PodInfo>,
    /// The plugins that refused it last.
    pub(crate) refused_by: BTreeSet<&'static str>,
    /// When it came into the queue last.
    timestamp: Time,
    unschedulable_count: u32,
    consecutive_errors: u32,
    /// The PreEnqueue plugin that keeps it out.
    gated_by: Option<&'static str>,
}

#[derive(Debug)]
struct Entry {
    queued: QueuedPod,
    place: Place,
}

/// Pods that wait for a node.
#[derive(Debug, Default)]
pub(crate) struct SchedulingQueue {
    entries: BTreeMap<ObjectKey, Entry>,
    active: BTreeMap<Rank, ObjectKey>,
    backoff: BTreeMap<(Time, Rank), ObjectKey>,
    error_backoff: BTreeMap<(Time, Rank), ObjectKey>,
    unschedulable: BTreeSet<ObjectKey>,
    /// Those of the unschedulable that no PreEnqueue plugin keeps out, by the time of their last attempt.
    waiting: BTreeSet<(Time, ObjectKey)>,
    /// The Pods for which room is being made.
    pub(crate) nominator: Nominator,
    arrivals: u64,
}

impl QueuedPod {
    fn new(info: Arc<PodInfo>, now: Time) -> Self {
        QueuedPod { info, refused_by: BTreeSet::new(), timestamp: now, unschedulable_count: 0, consecutive_errors: 0, gated_by: None }
    }

    /// The same, refused by these plugins.
    pub(crate) fn refused(mut self, by: BTreeSet<&'static str>) -> Self {
        self.refused_by = by;
        self
    }

    /// The same with a newer state of the Pod.
    pub(crate) fn with(mut self, info: Arc<PodInfo>) -> Self {
        self.info = info;
        self
    }

    /// When its pause ends (`getBackoffTime`).
    fn backoff_end(&self) -> Time {
        let failures = if self.consecutive_errors > 0 { self.consecutive_errors } else { self.unschedulable_count };
        if failures == 0 {
            return self.timestamp;
        }
        let pause = INITIAL_BACKOFF.saturating_mul(2_u32.saturating_pow(failures - 1)).min(MAX_BACKOFF);
        let end = (self.timestamp + pause).as_nanos();
        Time::from_nanos(end - end % BACKOFF_WINDOW)
    }
}

impl SchedulingQueue {
    /// How its parts stand. What was added or came back is not counted.
    pub(crate) fn statuses(&self) -> Vec<QueueStatus> {
        let part = |name: &str, ready, waiting| QueueStatus { name: name.to_owned(), ready, waiting, ..QueueStatus::default() };
        vec![
            part("activeQ", self.active.len(), 0),
            part("backoffQ", 0, self.backoff.len() + self.error_backoff.len()),
            part("unschedulablePods", 0, self.unschedulable.len()),
        ]
    }

    /// Adds a new Pod (`Add`).
    pub(crate) fn add(&mut self, now: Time, info: Arc<PodInfo>, profiles: &Profiles) {
        self.remove_entry(&info.key);
        self.nominate_as_told(&info);
        self.admit(QueuedPod::new(info, now), profiles, now, false);
    }

    /// A waiting Pod changed (`Update`).
    pub(crate) fn update(&mut self, now: Time, old: &PodInfo, info: Arc<PodInfo>, profiles: &Profiles) {
        if info.pod.status.nominated_node_name.is_empty() && !old.pod.status.nominated_node_name.is_empty() {
            self.nominator.remove(&info.key);
        }
        self.nominate_as_told(&info);
        let Some(entry) = self.remove_entry(&info.key) else {
            self.admit(QueuedPod::new(info, now), profiles, now, false);
            return;
        };
        let mut queued = entry.queued;
        queued.info = info;
        if entry.place != Place::Unschedulable {
            self.put(queued, entry.place);
            return;
        }
        let event = ClusterEvent::TargetPodUpdate(&old.pod, &queued.info.pod);
        if queued.gated_by.is_some() {
            self.admit(queued, profiles, now, false);
        } else if profiles.queueing_hint(&queued.info, &queued.refused_by, &event) == QueueingHint::Queue {
            self.admit(queued, profiles, now, true);
        } else {
            self.put(queued, Place::Unschedulable);
        }
    }

    /// Forgets a Pod (`Delete`).
    pub(crate) fn delete(&mut self, key: &ObjectKey) {
        self.nominator.remove(key);
        self.remove_entry(key);
    }

    /// Takes the first Pod out (`Pop`).
    pub(crate) fn pop(&mut self, now: Time) -> Option<QueuedPod> {
        self.flush(now);
        let key = self.active.first_key_value().or(self.backoff.first_key_value().map(|((_, rank), key)| (rank, key))).map(|(_, key)| key);
        let key = key?.clone();
        self.remove_entry(&key).map(|entry| entry.queued)
    }

    /// Puts a Pod back that did not get a node (`AddUnschedulablePodIfNotPresent`). An `error` has nothing to do with the Pod's wishes.
    pub(crate) fn add_unschedulable(&mut self, now: Time, mut queued: QueuedPod, error: bool, profiles: &Profiles) {
        if self.entries.contains_key(&queued.info.key) {
            return;
        }
        queued.timestamp = now;
        if error {
            queued.consecutive_errors = queued.consecutive_errors.saturating_add(1);
            queued.refused_by.clear();
            self.admit(queued, profiles, now, true);
        } else {
            queued.unschedulable_count = queued.unschedulable_count.saturating_add(1);
            queued.consecutive_errors = 0;
            self.put(queued, Place::Unschedulable);
        }
    }

    /// Something happened: moves the Pods on whom it may bear (`MoveAllToActiveOrBackoffQueue`).
    pub(crate) fn happened(&mut self, now: Time, event: &ClusterEvent<'_>, profiles: &Profiles) {
        let helped = |key: &&ObjectKey| {
            self.entries.get(*key).is_some_and(|Entry { queued, .. }| {
                queued.gated_by.is_none() && profiles.queueing_hint(&queued.info, &queued.refused_by, event) == QueueingHint::Queue
            })
        };
        let helped: Vec<ObjectKey> = self.unschedulable.iter().filter(helped).cloned().collect();
        for key in helped {
            if let Some(entry) = self.remove_entry(&key) {
                self.admit(entry.queued, profiles, now, true);
            }
        }
    }

    /// When something is due that no event brings.
    pub(crate) fn next_wake(&self) -> Option<Time> {
        let backoff = self.error_backoff.first_key_value().map(|((end, _), _)| *end);
        let flush = self.waiting.first().map(|(since, _)| flush_time(*since));
        [backoff, flush].into_iter().flatten().min()
    }

    /// Moves the Pods whose pause is over, and those that waited five minutes for an event
    /// (`flushBackoffQCompleted`, `flushUnschedulablePodsLeftover`).
    fn flush(&mut self, now: Time) {
        let over = |map: &BTreeMap<(Time, Rank), ObjectKey>| -> Vec<ObjectKey> {
            map.iter().take_while(|((end, _), _)| *end <= now).map(|(_, key)| key.clone()).collect()
        };
        for key in over(&self.backoff).into_iter().chain(over(&self.error_backoff)) {
            if let Some(entry) = self.remove_entry(&key) {
                let (Place::Active(rank) | Place::Backoff(_, rank) | Place::ErrorBackoff(_, rank)) = entry.place else { continue };
                self.put(entry.queued, Place::Active(rank));
            }
        }
        let forgotten = self.waiting.iter().take_while(|(since, _)| flush_time(*since) <= now);
        for (_, key) in forgotten.cloned().collect::<Vec<_>>() {
            if let Some(entry) = self.remove_entry(&key) {
                self.enter(entry.queued, now, true);
            }
        }
    }

    fn nominate_as_told(&mut self, info: &Arc<PodInfo>) {
        let told = info.pod.status.nominated_node_name.as_str();
        if !told.is_empty() {
            self.nominator.nominate(info.clone(), &told.into());
        }
    }

    /// Puts a Pod where it can be tried, unless a PreEnqueue plugin keeps it out; with `backoff`, for the rest of its pause first.
    fn admit(&mut self, mut queued: QueuedPod, profiles: &Profiles, now: Time, backoff: bool) {
        queued.gated_by = profiles.run_pre_enqueue(&queued.info);
        self.enter(queued, now, backoff);
    }

    fn enter(&mut self, queued: QueuedPod, now: Time, backoff: bool) {
        self.arrivals += 1;
        let rank = (Reverse(queued.info.priority()), queued.timestamp, self.arrivals);
        let end = queued.backoff_end();
        let place = if queued.gated_by.is_some() {
            Place::Unschedulable
        } else if backoff && end > now {
            if queued.consecutive_errors > 0 { Place::ErrorBackoff(end, rank) } else { Place::Backoff(end, rank) }
        } else {
            Place::Active(rank)
        };
        self.put(queued, place);
    }

    fn put(&mut self, queued: QueuedPod, place: Place) {
        let key = queued.info.key.clone();
        match place {
            Place::Active(rank) => self.active.insert(rank, key.clone()),
            Place::Backoff(end, rank) => self.backoff.insert((end, rank), key.clone()),
            Place::ErrorBackoff(end, rank) => self.error_backoff.insert((end, rank), key.clone()),
            Place::Unschedulable => {
                if queued.gated_by.is_none() {
                    self.waiting.insert((queued.timestamp, key.clone()));
                }
                self.unschedulable.insert(key.clone());
                None
            }
        };
        self.entries.insert(key, Entry { queued, place });
    }

    fn remove_entry(&mut self, key: &ObjectKey) -> Option<Entry> {
        let entry = self.entries.remove(key)?;
        match entry.place {
            Place::Active(rank) => self.active.remove(&rank),
            Place::Backoff(end, rank) => self.backoff.remove(&(end, rank)),
            Place::ErrorBackoff(end, rank) => self.error_backoff.remove(&(end, rank)),
            Place::Unschedulable => {
                self.waiting.remove(&(entry.queued.timestamp, key.clone()));
                self.unschedulable.remove(key);
                None
            }
        };
        Some(entry)
    }
}

/// When a Pod that waits since `timestamp` is tried again without an event.
fn flush_time(timestamp: Time) -> Time {
    let earliest = (timestamp + MAX_UNSCHEDULABLE).as_nanos() + 1;
    Time::from_nanos(earliest.div_ceil(FLUSH_INTERVAL_NANOS) * FLUSH_INTERVAL_NANOS)
}

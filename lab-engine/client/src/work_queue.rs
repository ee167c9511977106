//! The work queue of a controller (`client-go/util/workqueue`: `queue.go`, `delaying_queue.go`, `default_rate_limiters.go`).
//!
//! A key is *dirty* from the moment it is added until it is taken, and *processing* from then until [`WorkQueue::done`]. Adding a dirty
//! key changes nothing; adding one that is being processed makes it come once more afterwards. So no key is ever worked on twice at a
//! time, and no addition is lost.
//!
//! **Simplified here:** only the per-item exponential part of `DefaultTypedControllerRateLimiter`; not its overall bucket of 10 per second.

use sim::Time;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// The pause after the first failure of an item.
const BASE_DELAY: Duration = Duration::from_millis(5);
/// The longest pause after a failure.
const MAX_DELAY: Duration = Duration::from_secs(1000);

/// A queue of keys, each at most once.
#[derive(Debug)]
pub struct WorkQueue<K> {
    queue: VecDeque<K>,
    dirty: BTreeSet<K>,
    processing: BTreeSet<K>,
    /// When each waiting key is due, with a number that keeps ties in order of arrival.
    due: BTreeMap<K, (Time, u64)>,
    waiting: BTreeMap<(Time, u64), K>,
    arrivals: u64,
    failures: BTreeMap<K, u32>,
}

impl<K: Ord + Clone> Default for WorkQueue<K> {
    fn default() -> Self {
        WorkQueue {
            queue: VecDeque::new(),
            dirty: BTreeSet::new(),
            processing: BTreeSet::new(),
            due: BTreeMap::new(),
            waiting: BTreeMap::new(),
            arrivals: 0,
            failures: BTreeMap::new(),
        }
    }
}

impl<K: Ord + Clone> WorkQueue<K> {
    /// Marks a key as needing work.
    pub fn add(&mut self, key: K) {
        if self.dirty.insert(key.clone()) && !self.processing.contains(&key) {
            self.queue.push_back(key);
        }
    }

    /// Adds the key after `delay`. A key that already waits keeps the earlier of both times.
    pub fn add_after(&mut self, now: Time, key: K, delay: Duration) {
        if delay.is_zero() {
            self.add(key);
            return;
        }
        let at = now + delay;
        if let Some(&(earlier, arrival)) = self.due.get(&key) {
            if earlier <= at {
                return;
            }
            self.waiting.remove(&(earlier, arrival));
        }
        let place = (at, self.arrivals);
        self.arrivals += 1;
        self.waiting.insert(place, key.clone());
        self.due.insert(key, place);
    }

    /// Adds the key after a pause that doubles with each call, from 5 ms to 1000 s, until [`WorkQueue::forget`].
    pub fn add_rate_limited(&mut self, now: Time, key: K) {
        let failures = self.failures.entry(key.clone()).or_default();
        let delay = BASE_DELAY.saturating_mul(2_u32.saturating_pow(*failures)).min(MAX_DELAY);
        *failures = failures.saturating_add(1);
        self.add_after(now, key, delay);
    }

    /// Forgets the failures of the key.
    pub fn forget(&mut self, key: &K) {
        self.failures.remove(key);
    }

    /// How often the key was added by [`WorkQueue::add_rate_limited`] since it was last forgotten.
    pub fn num_requeues(&self, key: &K) -> u32 {
        self.failures.get(key).copied().unwrap_or_default()
    }

    /// Takes the next key that is due; it is being processed until [`WorkQueue::done`].
    pub fn get(&mut self, now: Time) -> Option<K> {
        while let Some(entry) = self.waiting.first_entry()
            && entry.key().0 <= now
        {
            let key = entry.remove();
            self.due.remove(&key);
            self.add(key);
        }
        let key = self.queue.pop_front()?;
        self.dirty.remove(&key);
        self.processing.insert(key.clone());
        Some(key)
    }

    /// Ends the processing of a key; if it was added meanwhile, it queues again.
    pub fn done(&mut self, key: &K) {
        if self.processing.remove(key) && self.dirty.contains(key) {
            self.queue.push_back(key.clone());
        }
    }

    /// How many keys are ready to be taken.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether no key is ready to be taken.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// When the next waiting key is due. Keys that are ready are not counted: whoever adds them takes them.
    pub fn next_wake(&self) -> Option<Time> {
        self.waiting.first_key_value().map(|(&(at, _), _)| at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::ZERO;

    #[test]
    fn a_key_added_while_processed_comes_once_more_afterwards() {
        let mut queue = WorkQueue::default();
        queue.add("a");
        queue.add("a");
        assert_eq!((queue.get(NOW), queue.get(NOW)), (Some("a"), None));
        queue.add("a");
        queue.add("a");
        assert_eq!(queue.get(NOW), None);
        queue.done(&"a");
        assert_eq!((queue.get(NOW), queue.get(NOW)), (Some("a"), None));
        queue.done(&"a");
        assert_eq!(queue.get(NOW), None);
    }

    #[test]
    fn the_earlier_of_two_delays_wins() {
        let mut queue = WorkQueue::default();
        queue.add_after(NOW, "a", Duration::from_secs(1));
        queue.add_after(NOW, "a", Duration::from_millis(500));
        queue.add_after(NOW, "a", Duration::from_secs(2));
        assert_eq!(queue.get(Time::from_millis(499)), None);
        assert_eq!(queue.next_wake(), Some(Time::from_millis(500)));
        assert_eq!(queue.get(Time::from_millis(500)), Some("a"));
        assert_eq!(queue.next_wake(), None);
    }

    #[test]
    fn failures_double_the_pause_from_5_ms_to_1000_s() {
        let mut queue = WorkQueue::default();
        let mut pauses = Vec::new();
        for _ in 0..40 {
            queue.add_rate_limited(NOW, "a");
            let due = queue.next_wake().unwrap();
            pauses.push(due.as_millis());
            assert_eq!(queue.get(due), Some("a"));
            queue.done(&"a");
        }
        assert_eq!(pauses[..4], [5, 10, 20, 40]);
        assert_eq!(pauses[39], 1_000_000);
        queue.forget(&"a");
        assert_eq!(queue.num_requeues(&"a"), 0);
    }
}

//! The work queue of a controller (`client-go/util/workqueue`: `queue.go`, `delaying_queue.go`, `rate_limiting_queue.go`).
//!
//! A key is *dirty* from the moment it is added until it is taken, and *processing* from then until [`WorkQueue::done`]. Adding a dirty
//! key changes nothing; adding one that is being processed makes it come once more afterwards. So no key is ever worked on twice at a
//! time, and no addition is lost.
//!
//! **Simplified here:** nothing blocks. [`WorkQueue::next`] says that a caller of upstream's `Get` would have to wait.

use crate::inspection::QueueStatus;
use crate::rate_limiter::{MaxOfRateLimiter, RateLimiter};
use sim::Time;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::time::Duration;

/// What a worker that asks for a key gets (`Get`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next<K> {
    /// A key; it is being processed until [`WorkQueue::done`].
    Item(K),
    /// Nothing is ready yet.
    WouldBlock,
    /// The queue is shut down, and nothing is left: the worker ends.
    ShutDown,
}

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
    limiter: Box<dyn RateLimiter<K>>,
    shutting_down: bool,
    draining: bool,
    /// How often a key was added, was there already, and was put back after a failure.
    counts: [u64; 3],
}

impl<K: Ord + Clone + fmt::Debug + 'static> Default for WorkQueue<K> {
    /// An empty queue with the rate limiter that controllers use (`DefaultTypedControllerRateLimiter`).
    fn default() -> Self {
        WorkQueue::new(Box::new(MaxOfRateLimiter::default_controller()))
    }
}

impl<K: Ord + Clone> WorkQueue<K> {
    /// An empty queue whose failed keys wait as `limiter` says.
    pub fn new(limiter: Box<dyn RateLimiter<K>>) -> Self {
        WorkQueue {
            queue: VecDeque::new(),
            dirty: BTreeSet::new(),
            processing: BTreeSet::new(),
            due: BTreeMap::new(),
            waiting: BTreeMap::new(),
            arrivals: 0,
            limiter,
            shutting_down: false,
            draining: false,
            counts: [0; 3],
        }
    }

    /// Marks a key as needing work. Nothing happens once the queue is shut down.
    pub fn add(&mut self, key: K) {
        if self.shutting_down {
            return;
        }
        let new = self.dirty.insert(key.clone());
        self.counts[usize::from(!new)] += 1;
        if new && !self.processing.contains(&key) {
            self.queue.push_back(key);
        }
    }

    /// Adds the key after `delay`. A key that already waits keeps the earlier of both times.
    pub fn add_after(&mut self, now: Time, key: K, delay: Duration) {
        if self.shutting_down {
            return;
        }
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

    /// Adds the key after the pause that the rate limiter gives it, and says how long that is.
    pub fn add_rate_limited(&mut self, now: Time, key: K) -> Duration {
        let delay = self.limiter.when(now, &key);
        self.counts[2] += 1;
        self.add_after(now, key, delay);
        delay
    }

    /// Forgets the failures of the key.
    pub fn forget(&mut self, key: &K) {
        self.limiter.forget(key);
    }

    /// How often the key was added by [`WorkQueue::add_rate_limited`] since it was last forgotten.
    pub fn num_requeues(&self, key: &K) -> u32 {
        self.limiter.num_requeues(key)
    }

    /// Takes the next key that is due; it is being processed until [`WorkQueue::done`].
    pub fn get(&mut self, now: Time) -> Option<K> {
        match self.next(now) {
            Next::Item(key) => Some(key),
            Next::WouldBlock | Next::ShutDown => None,
        }
    }

    /// As [`WorkQueue::get`], and says whether there will never be another key.
    pub fn next(&mut self, now: Time) -> Next<K> {
        self.advance(now);
        let Some(key) = self.queue.pop_front() else {
            return if self.shutting_down { Next::ShutDown } else { Next::WouldBlock };
        };
        self.dirty.remove(&key);
        self.processing.insert(key.clone());
        Next::Item(key)
    }

    /// Makes the keys ready whose time has come. Taking a key does so too.
    pub fn advance(&mut self, now: Time) {
        while let Some(entry) = self.waiting.first_entry()
            && entry.key().0 <= now
        {
            let key = entry.remove();
            self.due.remove(&key);
            self.add(key);
        }
    }

    /// Ends the processing of a key; if it was added meanwhile, it queues again.
    pub fn done(&mut self, key: &K) {
        if self.processing.remove(key) && self.dirty.contains(key) {
            self.queue.push_back(key.clone());
        }
    }

    /// Takes no more keys in; those that are there can still be taken (`ShutDown`). A drain that is under way ends.
    pub fn shut_down(&mut self) {
        self.shutting_down = true;
        self.draining = false;
    }

    /// As [`WorkQueue::shut_down`], and waits for what is being processed: see [`WorkQueue::drained`] (`ShutDownWithDrain`).
    pub fn shut_down_with_drain(&mut self) {
        self.shutting_down = true;
        self.draining = true;
    }

    /// Whether the queue is shut down and no drain has to wait for a key that is being processed.
    pub fn drained(&self) -> bool {
        self.shutting_down && (!self.draining || self.processing.is_empty())
    }

    /// How many keys are ready to be taken.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether no key is ready to be taken.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// How it stands; it goes by the name of whose it is.
    pub fn status(&self, name: &str) -> QueueStatus {
        let [added, merged, retried] = self.counts;
        let (ready, processing, waiting) = (self.queue.len(), self.processing.len(), self.waiting.len());
        QueueStatus { name: name.to_owned(), ready, processing, waiting, added, merged, retried }
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
        let status = queue.status("q");
        assert_eq!((status.added, status.merged, status.retried), (2, 2, 0));
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
        queue.add_rate_limited(NOW, "b");
        let status = queue.status("q");
        assert_eq!((status.ready, status.waiting, status.processing, status.retried), (0, 1, 0, 41));
    }
}

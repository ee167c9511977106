//! Back-off by key (`client-go/util/flowcontrol/backoff.go`).

use sim::Time;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long to wait after each time something went wrong: twice as long as the time before.
#[derive(Debug)]
pub(crate) struct Backoff<K> {
    first: Duration,
    longest: Duration,
    entries: BTreeMap<K, (Duration, Time)>,
}

impl<K: Ord> Backoff<K> {
    /// Nothing has gone wrong yet.
    pub(crate) fn new(first: Duration, longest: Duration) -> Self {
        Backoff { first, longest, entries: BTreeMap::new() }
    }

    /// How much of the wait is left (`IsInBackOffSinceUpdate`).
    pub(crate) fn remaining(&self, now: Time, key: &K) -> Option<Duration> {
        let (wait, since) = self.entries.get(key)?;
        let left = wait.saturating_sub(now.since(*since));
        (!left.is_zero()).then_some(left)
    }

    /// Something went wrong (again). What is long ago is forgotten.
    pub(crate) fn next(&mut self, now: Time, key: K) {
        let longest = self.longest;
        self.entries.retain(|_, (_, since)| now.since(*since) <= longest * 2);
        let wait = self.entries.get(&key).map_or(self.first, |(wait, _)| (*wait * 2).min(longest));
        self.entries.insert(key, (wait, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_are_forgotten() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(4));
        let mut waits = Vec::new();
        for at in [0, 5, 10, 15] {
            backoff.next(Time::from_secs(at), "a");
            waits.push(backoff.remaining(Time::from_secs(at), &"a").unwrap().as_secs());
        }
        assert_eq!(waits, [1, 2, 4, 4]);
        assert_eq!(backoff.remaining(Time::from_secs(19), &"a"), None);
        backoff.next(Time::from_secs(24), "a");
        assert_eq!(backoff.remaining(Time::from_secs(24), &"a"), Some(Duration::from_secs(1)));
    }
}

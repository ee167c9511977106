//! Exponential back-off per key (`k8s.io/client-go/util/flowcontrol.Backoff`), for crash loops and for image pulls.
//!
//! The first [`Backoff::next`] of a key sets its delay to the initial one; each further one doubles it up to the maximum. A key that was
//! not touched for twice the maximum starts over, which is the "ten minutes of running reset the back-off" of the documentation.

use sim::Time;
use std::collections::BTreeMap;
use std::time::Duration;

/// The first delay of crash loops and image pulls (`containerBackOffPeriod`, `imageBackOffPeriod`).
pub(crate) const INITIAL: Duration = Duration::from_secs(10);
/// The longest delay (`MaxContainerBackOff`, `MaxImageBackOff`).
pub(crate) const MAX: Duration = Duration::from_secs(300);

#[derive(Clone, Copy, Debug)]
struct Entry {
    delay: Duration,
    last_update: Time,
}

/// Delays by key.
#[derive(Clone, Debug)]
pub struct Backoff<K: Ord> {
    initial: Duration,
    max: Duration,
    entries: BTreeMap<K, Entry>,
}

impl<K: Ord> Default for Backoff<K> {
    fn default() -> Self {
        Backoff::new(INITIAL, MAX)
    }
}

impl<K: Ord> Backoff<K> {
    /// Delays from `initial`, doubling up to `max`.
    pub fn new(initial: Duration, max: Duration) -> Self {
        Backoff { initial, max, entries: BTreeMap::new() }
    }

    /// The present delay of a key; zero when it has none.
    pub fn get(&self, key: &K) -> Duration {
        self.entries.get(key).map_or(Duration::ZERO, |entry| entry.delay)
    }

    /// Lengthens the delay of a key because of something that happened at `event`.
    pub fn next(&mut self, key: K, event: Time, now: Time) {
        let (initial, max) = (self.initial, self.max);
        let entry = self.entries.entry(key).or_insert(Entry { delay: Duration::ZERO, last_update: now });
        let expired = event.since(entry.last_update) > max * 2;
        entry.delay = if entry.delay.is_zero() || expired { initial } else { (entry.delay * 2).min(max) };
        entry.last_update = now;
    }

    /// Until when the key waits after something that happened at `event`; `None` when it need not wait (`IsInBackOffSince`).
    pub fn waits_until(&self, key: &K, event: Time, now: Time) -> Option<Time> {
        let entry = self.entries.get(key)?;
        let until = event + entry.delay;
        (event.since(entry.last_update) <= self.max * 2 && now < until).then_some(until)
    }

    /// Until when the key waits after its last lengthening; `None` when it need not wait (`IsInBackOffSinceUpdate`).
    pub fn waits_since_update(&self, key: &K, now: Time) -> Option<Time> {
        let entry = self.entries.get(key)?;
        let until = entry.last_update + entry.delay;
        (now < until).then_some(until)
    }

    /// Whether something is remembered of a key.
    pub fn has_entry(&self, key: &K) -> bool {
        self.entries.contains_key(key)
    }

    /// Forgets the keys that would start over anyway.
    pub fn gc(&mut self, now: Time) {
        let max = self.max;
        self.entries.retain(|_, entry| now.since(entry.last_update) <= max * 2);
    }

    /// Forgets the keys for which `keep` is false.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&K) -> bool) {
        self.entries.retain(|key, _| keep(key));
    }
}

/// A duration as Go prints it: `10s`, `1m20s`, `5m0s`, `1.204s`, `350ms`.
pub(crate) fn go_duration(duration: Duration) -> String {
    fn fraction(whole: u128, part: u128, digits: usize) -> String {
        let text = format!("{part:0digits$}");
        let text = text.trim_end_matches('0');
        if text.is_empty() { whole.to_string() } else { format!("{whole}.{text}") }
    }
    let nanos = duration.as_nanos();
    match nanos {
        0 => "0s".to_owned(),
        1..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => format!("{}µs", fraction(nanos / 1_000, nanos % 1_000, 3)),
        1_000_000..1_000_000_000 => format!("{}ms", fraction(nanos / 1_000_000, nanos % 1_000_000, 6)),
        _ => {
            let secs = duration.as_secs();
            let seconds = fraction(u128::from(secs % 60), nanos % 1_000_000_000, 9);
            match (secs / 3600, secs / 60 % 60) {
                (0, 0) => format!("{seconds}s"),
                (0, minutes) => format!("{minutes}m{seconds}s"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_from_ten_seconds_to_five_minutes() {
        let mut backoff = Backoff::default();
        let mut now = Time::ZERO;
        let mut delays = Vec::new();
        for _ in 0..8 {
            backoff.next("web", now, now);
            delays.push(backoff.get(&"web").as_secs());
            now += backoff.get(&"web");
        }
        assert_eq!(delays, [10, 20, 40, 80, 160, 300, 300, 300]);
    }

    #[test]
    fn ten_minutes_of_running_start_over() {
        let mut backoff = Backoff::default();
        let at = Time::from_secs;
        backoff.next("web", at(0), at(0));
        backoff.next("web", at(5), at(5));
        assert_eq!(backoff.waits_until(&"web", at(10), at(12)), Some(at(30)));
        assert_eq!(backoff.waits_until(&"web", at(10), at(30)), None);
        assert_eq!(backoff.waits_until(&"web", at(606), at(606)), None, "it ran for more than ten minutes");
        backoff.next("web", at(606), at(606));
        assert_eq!(backoff.get(&"web").as_secs(), 10);
    }

    #[test]
    fn durations_read_as_go_prints_them() {
        for (millis, text) in
            [(10_000, "10s"), (80_000, "1m20s"), (300_000, "5m0s"), (1_204, "1.204s"), (350, "350ms"), (3_600_000, "1h0m0s")]
        {
            assert_eq!(go_duration(Duration::from_millis(millis)), text);
        }
    }
}

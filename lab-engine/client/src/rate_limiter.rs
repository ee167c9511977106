//! How long a failed key has to wait before it is tried again (`client-go/util/workqueue/default_rate_limiters.go`).
//!
//! A limiter is asked by [`RateLimiter::when`] each time a key is to come again, and told by [`RateLimiter::forget`] when the key is done
//! for good. All are deterministic: what they answer follows from the calls before and the present that is passed in.

use sim::Time;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// Decides how long a key waits (`workqueue.TypedRateLimiter`).
pub trait RateLimiter<K>: fmt::Debug {
    /// How long the key has to wait from `now` on. Each call counts as one more try.
    fn when(&mut self, now: Time, key: &K) -> Duration;

    /// The key is done: its tries no longer count.
    fn forget(&mut self, key: &K);

    /// How often the key was asked for since it was last forgotten.
    fn num_requeues(&self, key: &K) -> u32;
}

/// Twice as long after each try, up to a limit (`TypedItemExponentialFailureRateLimiter`).
#[derive(Debug)]
pub struct ItemExponentialFailureRateLimiter<K> {
    failures: BTreeMap<K, u32>,
    base: Duration,
    max: Duration,
}

impl<K: Ord> ItemExponentialFailureRateLimiter<K> {
    /// A limiter that says `base`, `2 * base`, `4 * base`, … up to `max`.
    pub fn new(base: Duration, max: Duration) -> Self {
        ItemExponentialFailureRateLimiter { failures: BTreeMap::new(), base, max }
    }
}

impl<K: Ord + Clone + fmt::Debug> RateLimiter<K> for ItemExponentialFailureRateLimiter<K> {
    fn when(&mut self, _now: Time, key: &K) -> Duration {
        let before = count(&mut self.failures, key) - 1;
        let nanos = 1_u128.checked_shl(before).filter(|_| before < 64).and_then(|factor| self.base.as_nanos().checked_mul(factor));
        let limit = self.max.as_nanos();
        u64::try_from(nanos.unwrap_or(limit).min(limit)).map_or(self.max, Duration::from_nanos)
    }

    fn forget(&mut self, key: &K) {
        self.failures.remove(key);
    }

    fn num_requeues(&self, key: &K) -> u32 {
        self.failures.get(key).copied().unwrap_or_default()
    }
}

/// Counts one more try of the key, and says how many that makes.
fn count<K: Ord + Clone>(failures: &mut BTreeMap<K, u32>, key: &K) -> u32 {
    let tries = failures.entry(key.clone()).or_default();
    *tries = tries.saturating_add(1);
    *tries
}

/// A short pause for the first tries, a long one after (`TypedItemFastSlowRateLimiter`).
#[derive(Debug)]
pub struct ItemFastSlowRateLimiter<K> {
    failures: BTreeMap<K, u32>,
    fast: Duration,
    slow: Duration,
    max_fast: u32,
}

impl<K: Ord> ItemFastSlowRateLimiter<K> {
    /// A limiter that says `fast` for the first `max_fast` tries of a key, and `slow` for all others.
    pub fn new(fast: Duration, slow: Duration, max_fast: u32) -> Self {
        ItemFastSlowRateLimiter { failures: BTreeMap::new(), fast, slow, max_fast }
    }
}

impl<K: Ord + Clone + fmt::Debug> RateLimiter<K> for ItemFastSlowRateLimiter<K> {
    fn when(&mut self, _now: Time, key: &K) -> Duration {
        if count(&mut self.failures, key) <= self.max_fast { self.fast } else { self.slow }
    }

    fn forget(&mut self, key: &K) {
        self.failures.remove(key);
    }

    fn num_requeues(&self, key: &K) -> u32 {
        self.failures.get(key).copied().unwrap_or_default()
    }
}

/// So many tries per second of all keys together, with a reserve for bursts (`TypedBucketRateLimiter`; a token bucket).
#[derive(Debug)]
pub struct BucketRateLimiter {
    /// The time in which one token drops into the bucket.
    interval: Duration,
    burst: u32,
    /// When the bucket would be full again if nothing else was taken out.
    full_at: Time,
}

impl BucketRateLimiter {
    /// A bucket of `burst` tokens into which one drops `per_second` times a second; 0 per second counts as 1.
    pub fn new(per_second: u32, burst: u32) -> Self {
        BucketRateLimiter { interval: Duration::from_secs(1) / per_second.max(1), burst, full_at: Time::ZERO }
    }
}

impl<K> RateLimiter<K> for BucketRateLimiter {
    fn when(&mut self, now: Time, _key: &K) -> Duration {
        self.full_at = self.full_at.max(now) + self.interval;
        self.full_at.since(now).saturating_sub(self.interval * self.burst)
    }

    fn forget(&mut self, _key: &K) {}

    fn num_requeues(&self, _key: &K) -> u32 {
        0
    }
}

/// The longest of what several limiters say (`TypedMaxOfRateLimiter`).
#[derive(Debug)]
pub struct MaxOfRateLimiter<K> {
    limiters: Vec<Box<dyn RateLimiter<K>>>,
}

impl<K: fmt::Debug> MaxOfRateLimiter<K> {
    /// The longest of what these say.
    pub fn new(limiters: Vec<Box<dyn RateLimiter<K>>>) -> Self {
        MaxOfRateLimiter { limiters }
    }
}

impl<K: Ord + Clone + fmt::Debug + 'static> MaxOfRateLimiter<K> {
    /// What controllers use unless they say otherwise (`DefaultTypedControllerRateLimiter`): 5 ms to 1000 s per key, and 10 per second
    /// with a reserve of 100 over all keys.
    pub fn default_controller() -> Self {
        MaxOfRateLimiter::new(vec![
            Box::new(ItemExponentialFailureRateLimiter::new(Duration::from_millis(5), Duration::from_secs(1000))),
            Box::new(BucketRateLimiter::new(10, 100)),
        ])
    }
}

impl<K: fmt::Debug> RateLimiter<K> for MaxOfRateLimiter<K> {
    fn when(&mut self, now: Time, key: &K) -> Duration {
        self.limiters.iter_mut().map(|limiter| limiter.when(now, key)).max().unwrap_or_default()
    }

    fn forget(&mut self, key: &K) {
        self.limiters.iter_mut().for_each(|limiter| limiter.forget(key));
    }

    fn num_requeues(&self, key: &K) -> u32 {
        self.limiters.iter().map(|limiter| limiter.num_requeues(key)).max().unwrap_or_default()
    }
}

/// What another limiter says, but no longer than a limit (`TypedWithMaxWaitRateLimiter`).
#[derive(Debug)]
pub struct WithMaxWaitRateLimiter<K> {
    limiter: Box<dyn RateLimiter<K>>,
    max: Duration,
}

impl<K> WithMaxWaitRateLimiter<K> {
    /// What `limiter` says, at most `max`.
    pub fn new(limiter: Box<dyn RateLimiter<K>>, max: Duration) -> Self {
        WithMaxWaitRateLimiter { limiter, max }
    }
}

impl<K: fmt::Debug> RateLimiter<K> for WithMaxWaitRateLimiter<K> {
    fn when(&mut self, now: Time, key: &K) -> Duration {
        self.limiter.when(now, key).min(self.max)
    }

    fn forget(&mut self, key: &K) {
        self.limiter.forget(key);
    }

    fn num_requeues(&self, key: &K) -> u32 {
        self.limiter.num_requeues(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_lets_a_burst_through_and_then_one_per_interval() {
        let mut bucket = BucketRateLimiter::new(10, 3);
        let mut when = |at: u64| RateLimiter::<u8>::when(&mut bucket, Time::from_millis(at), &0).as_millis();
        assert_eq!([when(0), when(0), when(0), when(0), when(0)], [0, 0, 0, 100, 200]);
        // Two owed tokens and the burst are back after half a second.
        assert_eq!([when(500), when(500), when(500), when(500)], [0, 0, 0, 100]);
        assert_eq!(when(60_000), 0);
    }

    #[test]
    fn the_longest_wait_wins_and_all_are_told_to_forget() {
        let mut limiter = MaxOfRateLimiter::default_controller();
        let waits: Vec<u128> = (0..4).map(|_| limiter.when(Time::ZERO, &"a").as_millis()).collect();
        assert_eq!((waits, limiter.num_requeues(&"a")), (vec![5, 10, 20, 40], 4));
        limiter.forget(&"a");
        assert_eq!(limiter.num_requeues(&"a"), 0);
        // The 101st try of all keys together has to wait for a token.
        let last = (4..101).map(|key: u32| limiter.when(Time::ZERO, &if key == 0 { "a" } else { "b" })).last();
        assert!(last.is_some_and(|wait| wait >= Duration::from_millis(100)), "{last:?}");
    }
}

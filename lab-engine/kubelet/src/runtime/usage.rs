//! What a container uses: CPU time and memory, as its control group counts them (the part of cAdvisor).
//!
//! A [`Meter`] counts work, not clock ticks: a program that does something asks for CPU time, a server is charged for each request and for
//! what it burns all the time. What the container may have at most (its CPU limit, or its node) decides how fast the work is done, so that
//! a limit makes answers slow before anything fails:
//!
//! ```text
//! asked for:   ▓▓▓▓▓▓▓▓          400 ms of work at once
//! done:        ▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒  at a limit of 500m, 800 ms long: the counter grows by 500 ms a second
//! ```
//!
//! How much that is while others on the node want it, too, is dealt out by `cpu_shares`.
//!
//! **Simplified here:** throttling is even, where the kernel stops a container for the rest of each 100 ms; memory does not grow.

use sim::Time;
use std::time::Duration;

/// How much CPU a container may use when nothing limits it and nobody says what its node has, in thousandths of a core.
const ONE_CORE: u64 = 1000;

/// The counters of one run of a container.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meter {
    /// When it started.
    since: Time,
    /// CPU time that was asked for, done or not.
    asked: Duration,
    /// When all of it will be done.
    busy_until: Time,
    /// What it burns all the time, and from when on.
    steady: (Time, u64),
    /// Steady use before that.
    burnt: Duration,
    /// What it would burn all the time, and what it may.
    wanted_milli: u64,
    steady_most: u64,
    /// How fast it may be, in thousandths of a core; not zero.
    capacity_milli: u64,
    /// Since when, and what it could have used before.
    could: (Time, Duration),
    /// What one request over HTTP costs its server.
    pub(crate) request_cpu: Duration,
    /// What its programs have in memory.
    pub(crate) memory_bytes: u64,
    /// Requests that were served.
    pub(crate) requests: u64,
    /// What it has written into volumes that lie in memory.
    pub(crate) tmpfs_bytes: u64,
}

/// The working set of a shell and its tools.
const SHELL_MEMORY: u64 = 1 << 20;

impl Meter {
    /// The counters of a container that starts now and may use so many thousandths of a core.
    pub(crate) fn new(now: Time, capacity_milli: Option<u64>) -> Self {
        let capacity_milli = capacity_milli.unwrap_or(ONE_CORE).max(1);
        Meter {
            since: now,
            asked: Duration::ZERO,
            busy_until: now,
            steady: (now, 0),
            burnt: Duration::ZERO,
            wanted_milli: 0,
            steady_most: capacity_milli,
            capacity_milli,
            could: (now, Duration::ZERO),
            request_cpu: Duration::ZERO,
            memory_bytes: SHELL_MEMORY,
            requests: 0,
            tmpfs_bytes: 0,
        }
    }

    /// When the container started.
    pub(crate) fn since(&self) -> Time {
        self.since
    }

    /// The working set (`container_memory_working_set_bytes`).
    pub(crate) fn working_set(&self) -> u64 {
        self.memory_bytes.saturating_add(self.tmpfs_bytes)
    }

    /// Does this much work on one core; how long it takes until it is done, with what was asked for before.
    pub(crate) fn run(&mut self, now: Time, cpu: Duration) -> Duration {
        self.asked = self.asked.saturating_add(cpu);
        let begin = self.busy_until.max(now);
        self.busy_until = begin.saturating_add(scale(cpu, ONE_CORE, self.capacity_milli));
        self.busy_until.since(now).max(scale(cpu, ONE_CORE, self.capacity_milli.min(ONE_CORE)))
    }

    /// Serves a request; how long that takes.
    pub(crate) fn serve(&mut self, now: Time) -> Duration {
        self.requests = self.requests.saturating_add(1);
        self.run(now, self.request_cpu)
    }

    /// Burns this much from now on, in thousandths of a core.
    pub(crate) fn burn(&mut self, now: Time, milli: u64) {
        self.wanted_milli = milli;
        self.burnt = self.steadily(now);
        self.steady = (now, milli.min(self.steady_most));
    }

    /// What it would burn all the time.
    pub(crate) fn wanted(&self) -> u64 {
        self.wanted_milli
    }

    /// From now on it may burn so much all the time, and be so fast; thousandths of a core.
    pub(crate) fn share(&mut self, now: Time, steady_most: u64, capacity_milli: u64) {
        let capacity_milli = capacity_milli.max(1);
        if (self.steady_most, self.capacity_milli) == (steady_most, capacity_milli) {
            return;
        }
        let left = self.left(now);
        self.could = (now, self.could(now));
        self.capacity_milli = capacity_milli;
        if !left.is_zero() {
            self.busy_until = now.saturating_add(scale(left, ONE_CORE, capacity_milli));
        }
        self.steady_most = steady_most;
        self.burn(now, self.wanted_milli);
    }

    /// CPU time that was asked for and is not done.
    fn left(&self, now: Time) -> Duration {
        scale(self.busy_until.since(now), self.capacity_milli, ONE_CORE)
    }

    /// The CPU time that it could have used up to now.
    fn could(&self, now: Time) -> Duration {
        self.could.1.saturating_add(scale(now.since(self.could.0), self.capacity_milli, ONE_CORE))
    }

    /// The container ended: nothing more is done.
    pub(crate) fn stop(&mut self, now: Time) {
        self.burn(now, 0);
        self.asked = self.asked.saturating_sub(self.left(now));
        (self.busy_until, self.memory_bytes) = (now, 0);
    }

    fn steadily(&self, now: Time) -> Duration {
        self.burnt.saturating_add(scale(now.since(self.steady.0), self.steady.1, ONE_CORE))
    }

    /// The CPU time used up to now; never falls (`container_cpu_usage_seconds_total`).
    pub(crate) fn cpu(&self, now: Time) -> Duration {
        let done = self.asked.saturating_sub(self.left(now)).saturating_add(self.steadily(now));
        done.min(self.could(now))
    }
}

/// `time * by / of`.
fn scale(time: Duration, by: u64, of: u64) -> Duration {
    let nanos = time.as_nanos().saturating_mul(u128::from(by)) / u128::from(of.max(1));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn at(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    #[test]
    fn a_limit_stretches_the_work_and_the_counter_grows_evenly() {
        let mut meter = Meter::new(at(0), Some(500));
        assert_eq!(meter.run(at(1000), ms(400)), ms(800));
        assert_eq!([1000, 1200, 1800, 5000].map(|time| meter.cpu(at(time))), [ms(0), ms(100), ms(400), ms(400)]);
    }

    #[test]
    fn one_request_uses_one_core_and_two_at_once_use_two() {
        let mut meter = Meter::new(at(0), Some(4000));
        meter.request_cpu = ms(100);
        assert_eq!(meter.serve(at(1000)), ms(100), "a thread runs on one core only");
        assert_eq!(meter.serve(at(1000)), ms(100));
        let mut limited = Meter::new(at(0), Some(1000));
        limited.request_cpu = ms(100);
        assert_eq!((limited.serve(at(1000)), limited.serve(at(1000))), (ms(100), ms(200)), "the second waits for the first");
    }

    #[test]
    fn a_smaller_share_slows_what_is_burnt_and_what_is_not_done() {
        let mut meter = Meter::new(at(0), Some(4000));
        meter.burn(at(0), 3000);
        // One second at 3 cores, then one at 2.
        meter.share(at(1000), 2000, 2000);
        assert_eq!([1000, 2000].map(|time| meter.cpu(at(time))), [ms(3000), ms(5000)]);
        let mut busy = Meter::new(at(0), Some(1000));
        assert_eq!(busy.run(at(0), ms(400)), ms(400));
        // Half of it is done; the rest takes twice as long.
        busy.share(at(200), 0, 500);
        assert_eq!([200, 400, 600, 900].map(|time| busy.cpu(at(time))), [ms(200), ms(300), ms(400), ms(400)]);
    }

    #[test]
    fn steady_use_is_counted_without_being_woken() {
        let mut meter = Meter::new(at(0), Some(1000));
        meter.burn(at(1000), 300);
        meter.burn(at(3000), 100);
        assert_eq!(meter.cpu(at(4000)), ms(700));
        meter.burn(at(4000), 9000);
        assert_eq!(meter.cpu(at(5000)), ms(1700), "no more than the capacity");
        meter.run(at(5000), ms(500));
        meter.stop(at(5100));
        assert_eq!([5100, 9000].map(|time| meter.cpu(at(time))), [ms(1900), ms(1900)], "what was not done is never done");
    }
}

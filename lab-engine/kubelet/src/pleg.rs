//! When the kubelet learns that a container has ended by itself: the generic PLEG (`pkg/kubelet/pleg/generic.go`).
//!
//! The pod lifecycle event generator lists the runtime's containers every second and compares them with what it knew (`relist`). A container
//! that ended by itself, was killed from outside, or used up its memory is running for the kubelet until then: its status, its restart and
//! its Pod's phase come up to a second later than its end. What the kubelet does itself it knows at once: a container that it kills is dead
//! when the call to the runtime returns.
//!
//! ```text
//! relists      |         |         |         |        every second since the kubelet started
//! container    ▓▓▓▓▓▓▓▓▓▓▓▓▓▓|                        ends
//! for kubelet  ▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓|                  ContainerDied: the worker syncs
//! ```
//!
//! Nobody is woken for a relist that finds nothing: the first one after an end is calculated ([`Pleg::relist_from`]).
//!
//! **Simplified here:** a relist takes no time; the starts of containers, which upstream learns by the next relist, too, are known at once;
//! a Pod whose containers have ended does not wait for further relists on its way to its last phase and its deletion. The evented PLEG, which
//! is off by default, is left out.

use sim::Time;
use std::time::Duration;

/// How long after a relist the next one follows (`genericPlegRelistPeriod`).
const RELIST_PERIOD: Duration = Duration::from_secs(1);

/// The relists of one kubelet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pleg {
    first: Time,
}

/// A container whose end the kubelet has not seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unseen {
    /// Its run.
    pub(crate) run: usize,
    /// The relist that finds it.
    pub(crate) relist: Time,
}

impl Pleg {
    /// Relists from `first` on.
    pub(crate) fn new(first: Time) -> Self {
        Pleg { first }
    }

    /// A phase within a period, for a kubelet that starts now.
    pub(crate) fn phase(rng: &mut sim::Rng) -> Duration {
        rng.duration(Duration::ZERO, RELIST_PERIOD)
    }

    /// The first relist at or after `at`.
    pub(crate) fn relist_from(self, at: Time) -> Time {
        let period = u64::try_from(RELIST_PERIOD.as_nanos()).unwrap_or(u64::MAX);
        let since = u64::try_from(at.since(self.first).as_nanos()).unwrap_or(u64::MAX);
        self.first.saturating_add(Duration::from_nanos(since.div_ceil(period).saturating_mul(period)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relists_are_a_second_apart_and_find_what_ended_at_that_very_moment() {
        let pleg = Pleg::new(Time::from_millis(300));
        let found = [0, 300, 301, 1_299, 1_300, 61_000].map(|at| pleg.relist_from(Time::from_millis(at)).as_millis());
        assert_eq!(found, [300, 300, 1_300, 1_300, 1_300, 61_300]);
    }
}

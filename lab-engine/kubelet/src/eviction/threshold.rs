//! Signals and thresholds of the eviction manager (`pkg/kubelet/eviction/api`, `helpers.go`).

use api::quantity::{Format, Quantity};
use sim::Time;
use std::time::Duration;

/// What is watched on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Signal {
    /// `memory.available`: capacity without the working set.
    MemoryAvailable,
    /// `nodefs.available`: the file system of the kubelet (volumes, logs).
    NodeFsAvailable,
    /// `nodefs.inodesFree`.
    NodeFsInodesFree,
    /// `imagefs.available`: the file system of images and of what containers write; often the same.
    ImageFsAvailable,
    /// `imagefs.inodesFree`.
    ImageFsInodesFree,
    /// `pid.available`.
    PidAvailable,
}

impl Signal {
    /// All signals, in the order in which they are told.
    pub const ALL: [Signal; 6] = [
        Signal::MemoryAvailable,
        Signal::NodeFsAvailable,
        Signal::NodeFsInodesFree,
        Signal::ImageFsAvailable,
        Signal::ImageFsInodesFree,
        Signal::PidAvailable,
    ];

    /// Its name in the kubelet's configuration.
    pub fn name(self) -> &'static str {
        match self {
            Signal::MemoryAvailable => "memory.available",
            Signal::NodeFsAvailable => "nodefs.available",
            Signal::NodeFsInodesFree => "nodefs.inodesFree",
            Signal::ImageFsAvailable => "imagefs.available",
            Signal::ImageFsInodesFree => "imagefs.inodesFree",
            Signal::PidAvailable => "pid.available",
        }
    }

    /// The condition of the node that it leads to.
    pub fn condition(self) -> &'static str {
        match self {
            Signal::MemoryAvailable => "MemoryPressure",
            Signal::PidAvailable => "PIDPressure",
            _ => "DiskPressure",
        }
    }

    /// What is reclaimed for it, as messages name it.
    pub fn resource(self) -> &'static str {
        match self {
            Signal::MemoryAvailable => "memory",
            Signal::NodeFsAvailable | Signal::ImageFsAvailable => "ephemeral-storage",
            Signal::NodeFsInodesFree | Signal::ImageFsInodesFree => "inodes",
            Signal::PidAvailable => "pids",
        }
    }

    fn format(self) -> Format {
        match self {
            Signal::MemoryAvailable | Signal::NodeFsAvailable | Signal::ImageFsAvailable => Format::BinarySi,
            _ => Format::DecimalSi,
        }
    }

    /// An amount of it, as messages show it.
    pub(crate) fn quantity(self, amount: u64) -> Quantity {
        Quantity::new(i64::try_from(amount).unwrap_or(i64::MAX), self.format())
    }
}

/// An amount, or a part of what there is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    /// In bytes, inodes or processes.
    Fixed(u64),
    /// A hundredth is 0.01.
    Part(f32),
}

impl Amount {
    /// Reads `100Mi` or `10%`.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(percent) = text.strip_suffix('%') {
            let number: f32 = percent.parse().map_err(|_| format!("{text:?} is no percentage"))?;
            if !(number > 0.0 && number < 100.0) {
                return Err(format!("eviction percentage threshold must be between 0% and 100%: {text}"));
            }
            return Ok(Amount::Part(number / 100.0));
        }
        let value = Quantity::parse(text)?.value();
        u64::try_from(value).map(Amount::Fixed).map_err(|_| format!("eviction threshold must be positive, but was {text}"))
    }

    /// The amount, of what there is (`GetThresholdQuantity`).
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "as upstream computes it")]
    pub fn of(self, capacity: u64) -> u64 {
        match self {
            Amount::Fixed(amount) => amount,
            Amount::Part(part) => (capacity as f64 * f64::from(part)) as u64,
        }
    }
}

/// A limit that leads to evictions when less than it is left.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Threshold {
    /// What is watched.
    pub signal: Signal,
    /// How much must be left.
    pub value: Amount,
    /// For how long less may be left; none makes it hard.
    pub grace: Duration,
    /// How much more must be free before it counts as no longer met.
    pub min_reclaim: Option<Amount>,
}

impl Threshold {
    /// A hard threshold.
    pub fn hard(signal: Signal, value: Amount) -> Self {
        Threshold { signal, value, grace: Duration::ZERO, min_reclaim: None }
    }

    /// Whether Pods are evicted at once, with hardly a grace period.
    pub fn is_hard(&self) -> bool {
        self.grace.is_zero()
    }

    /// Whether less is left than it allows.
    fn is_met(&self, seen: Observation, with_reclaim: bool) -> bool {
        let reclaim = self.min_reclaim.filter(|_| with_reclaim).map_or(0, |amount| amount.of(seen.capacity));
        self.value.of(seen.capacity).saturating_add(reclaim) > seen.available
    }

    fn is_same(&self, other: &Threshold) -> bool {
        (self.signal, self.value, self.grace) == (other.signal, other.value, other.grace)
    }
}

/// What a kubelet is configured with by default (`DefaultEvictionHard` of v1.36 on Linux).
pub fn default_thresholds() -> Vec<Threshold> {
    vec![
        Threshold::hard(Signal::MemoryAvailable, Amount::Fixed(100 << 20)),
        Threshold::hard(Signal::NodeFsAvailable, Amount::Part(0.1)),
        Threshold::hard(Signal::NodeFsInodesFree, Amount::Part(0.05)),
        Threshold::hard(Signal::ImageFsAvailable, Amount::Part(0.15)),
        Threshold::hard(Signal::ImageFsInodesFree, Amount::Part(0.05)),
    ]
}

/// How much of something there is, and how much is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Observation {
    /// What is left.
    pub available: u64,
    /// What there is.
    pub capacity: u64,
}

/// What was seen of all signals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Observations([Option<Observation>; 6]);

impl Observations {
    /// The same with what was seen of a signal.
    #[must_use]
    pub fn with(mut self, signal: Signal, available: u64, capacity: u64) -> Self {
        self.0[signal as usize] = Some(Observation { available, capacity });
        self
    }

    /// What was seen of a signal.
    pub fn get(&self, signal: Signal) -> Option<Observation> {
        self.0[signal as usize]
    }
}

/// The thresholds that are met, whatever their grace periods (`thresholdsMet`).
pub fn thresholds_met(thresholds: &[Threshold], seen: &Observations, with_reclaim: bool) -> Vec<Threshold> {
    let met = |threshold: &&Threshold| seen.get(threshold.signal).is_some_and(|seen| threshold.is_met(seen, with_reclaim));
    thresholds.iter().filter(met).copied().collect()
}

/// What the manager remembers of thresholds and conditions.
#[derive(Clone, Debug, Default)]
pub struct Pressure {
    /// Thresholds that are met, and since when.
    since: Vec<(Threshold, Time)>,
    /// Those whose grace period is over, and that are not resolved.
    met: Vec<Threshold>,
    /// Conditions, and when they were last observed.
    observed: Vec<(&'static str, Time)>,
}

impl Pressure {
    /// Takes in what was seen. Gives the thresholds that call for evictions, those of memory first.
    pub fn observe(&mut self, thresholds: &[Threshold], seen: &Observations, now: Time) -> Vec<Threshold> {
        let mut present = thresholds_met(thresholds, seen, false);
        for unresolved in thresholds_met(&self.met, seen, true) {
            if !present.iter().any(|threshold| threshold.is_same(&unresolved)) {
                present.push(unresolved);
            }
        }
        let began = |threshold: &Threshold| self.since.iter().find(|(known, _)| known.is_same(threshold)).map_or(now, |(_, at)| *at);
        self.since = present.iter().map(|threshold| (*threshold, began(threshold))).collect();
        for threshold in &present {
            let condition = threshold.signal.condition();
            match self.observed.iter_mut().find(|(known, _)| *known == condition) {
                Some((_, at)) => *at = now,
                None => self.observed.push((condition, now)),
            }
        }
        self.met = self.since.iter().filter(|(threshold, at)| now.since(*at) >= threshold.grace).map(|(threshold, _)| *threshold).collect();
        let mut due = self.met.clone();
        due.sort_by_key(|threshold| threshold.signal != Signal::MemoryAvailable);
        due
    }

    /// The conditions that hold: observed within the transition period.
    pub fn conditions(&self, transition: Duration, now: Time) -> Vec<&'static str> {
        self.observed.iter().filter(|(_, at)| now.since(*at) < transition).map(|(condition, _)| *condition).collect()
    }

    /// Whether nothing is remembered that could change anything.
    pub fn is_calm(&self, transition: Duration, now: Time) -> bool {
        self.since.is_empty() && self.met.is_empty() && self.conditions(transition, now).is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GI: u64 = 1 << 30;

    fn memory(available: u64) -> Observations {
        Observations::default().with(Signal::MemoryAvailable, available, 8 * GI)
    }

    #[test]
    fn amounts_are_read_and_taken_of_what_there_is() {
        assert_eq!(Amount::parse("100Mi"), Ok(Amount::Fixed(100 << 20)));
        assert_eq!(Amount::parse("5%").unwrap().of(200), 10);
        // A tenth is no number of 32 bits: upstream's messages show the same odd amount.
        assert_eq!(Amount::Part(0.1).of(100 * GI), 10_737_418_400);
        assert!(Amount::parse("0%").is_err() && Amount::parse("many").is_err() && Amount::parse("-1").is_err());
    }

    #[test]
    fn a_soft_threshold_waits_for_its_grace_period() {
        let soft = Threshold { grace: Duration::from_secs(90), ..Threshold::hard(Signal::MemoryAvailable, Amount::Fixed(GI)) };
        let mut pressure = Pressure::default();
        let low = memory(GI / 2);
        assert!(pressure.observe(&[soft], &low, Time::from_secs(10)).is_empty());
        assert_eq!(pressure.conditions(Duration::from_secs(300), Time::from_secs(10)), ["MemoryPressure"], "the condition comes at once");
        assert!(pressure.observe(&[soft], &low, Time::from_secs(90)).is_empty());
        assert_eq!(pressure.observe(&[soft], &low, Time::from_secs(100)), [soft]);
        assert!(pressure.observe(&[soft], &memory(2 * GI), Time::from_secs(110)).is_empty());
        assert!(pressure.observe(&[soft], &low, Time::from_secs(120)).is_empty(), "its time begins anew");
    }

    #[test]
    fn a_threshold_is_resolved_when_the_minimum_is_reclaimed() {
        let hard = Threshold { min_reclaim: Some(Amount::Fixed(GI)), ..Threshold::hard(Signal::MemoryAvailable, Amount::Fixed(GI)) };
        let mut pressure = Pressure::default();
        let mut due = |available, at| pressure.observe(&[hard], &memory(available), Time::from_secs(at)).len();
        assert_eq!([due(2 * GI - 1, 10), due(GI - 1, 20), due(2 * GI - 1, 30), due(2 * GI, 40), due(2 * GI - 1, 50)], [0, 1, 1, 0, 0]);
    }

    #[test]
    fn a_condition_lasts_for_the_transition_period() {
        let (mut pressure, transition) = (Pressure::default(), Duration::from_secs(300));
        let thresholds = default_thresholds();
        pressure.observe(&thresholds, &memory(1), Time::from_secs(10));
        pressure.observe(&thresholds, &memory(GI), Time::from_secs(20));
        assert_eq!(pressure.conditions(transition, Time::from_secs(309)), ["MemoryPressure"]);
        assert!(!pressure.is_calm(transition, Time::from_secs(309)));
        assert!(pressure.is_calm(transition, Time::from_secs(310)));
    }

    #[test]
    fn memory_comes_first() {
        let seen = memory(1).with(Signal::NodeFsAvailable, 1, 100).with(Signal::ImageFsAvailable, 14, 100);
        let due: Vec<&str> =
            Pressure::default().observe(&default_thresholds(), &seen, Time::ZERO).iter().map(|t| t.signal.name()).collect();
        assert_eq!(due, ["memory.available", "nodefs.available", "imagefs.available"]);
        let last = [Threshold::hard(Signal::NodeFsAvailable, Amount::Fixed(2)), Threshold::hard(Signal::MemoryAvailable, Amount::Fixed(2))];
        assert_eq!(Pressure::default().observe(&last, &seen, Time::ZERO)[0].signal, Signal::MemoryAvailable);
    }
}

//! Time zones by their IANA names, as `spec.timeZone` of a CronJob names them.
//!
//! `data/time_zones.txt` has a line for each rule, as POSIX `TZ` writes it, with the zones that follow it: the last lines of the files of
//! the IANA time zone database (2025b). That is all a cluster needs whose time begins in 2026 and goes forward, and it is a hundredth of
//! the database. The rules are read by `jiff-core`.
//!
//! **Simplified here:** what the database says about the past, and Morocco's hour less in Ramadan, are left out.

use jiff_core::Timestamp;
use jiff_core::tz::posix;

const ZONES: &str = include_str!("../data/time_zones.txt");

/// A time zone: offsets from UTC and when they change.
#[derive(Clone, Debug)]
pub struct TimeZone(posix::TimeZone);

impl TimeZone {
    /// The zone with this name; `None` when there is none. `UTC` and the empty name are UTC (`time.LoadLocation`).
    pub fn load(name: &str) -> Option<Self> {
        let name = if name.is_empty() { "UTC" } else { name };
        let rule = ZONES.lines().find_map(|line| {
            let (rule, names) = line.split_once(' ')?;
            names.split(' ').any(|one| one == name).then_some(rule)
        })?;
        posix::TimeZone::parse(rule).ok().map(TimeZone)
    }

    /// UTC.
    pub fn utc() -> Self {
        TimeZone(posix::TimeZone::parse("UTC0").unwrap_or_else(|_| unreachable!("the rule is right")))
    }

    /// Seconds that local clocks are ahead of UTC at this instant, in seconds since 1970-01-01T00:00:00Z.
    pub fn offset_at(&self, unix: i64) -> i64 {
        Timestamp::from_second(unix).map_or(0, |at| i64::from(self.0.to_offset(at).seconds()))
    }

    /// The first instant after `unix` at which the offset changes.
    pub fn next_transition(&self, unix: i64) -> Option<i64> {
        let next = self.0.next_transition(Timestamp::from_second(unix).ok()?)?;
        Some(next.timestamp().as_second())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-07-01T00:00:00Z and 2026-12-01T00:00:00Z.
    const SUMMER: i64 = 1_782_864_000;
    const WINTER: i64 = 1_796_083_200;

    #[test]
    fn zones_know_their_offsets_and_when_these_change() {
        let offsets = |name: &str| TimeZone::load(name).map(|zone| (zone.offset_at(SUMMER) / 60, zone.offset_at(WINTER) / 60));
        assert_eq!(offsets("Europe/Berlin"), Some((120, 60)));
        assert_eq!(offsets("America/New_York"), Some((-240, -300)));
        assert_eq!(offsets("Asia/Kolkata"), Some((330, 330)));
        assert_eq!(offsets("Etc/UTC"), Some((0, 0)));
        assert_eq!(offsets("Mars/Olympus"), None);
        // The last Sunday of October, 01:00 UTC.
        assert_eq!(TimeZone::load("Europe/Berlin").and_then(|zone| zone.next_transition(SUMMER)), Some(1_792_890_000));
    }

    #[test]
    fn every_rule_can_be_read() {
        for line in ZONES.lines() {
            let (rule, names) = line.split_once(' ').unwrap();
            assert!(posix::TimeZone::parse(rule).is_ok() && !names.is_empty(), "{line}");
        }
    }
}

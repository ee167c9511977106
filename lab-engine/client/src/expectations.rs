//! What a controller expects to see in its cache before it decides again (`ControllerExpectations`, `UIDTrackingControllerExpectations`).
//!
//! A controller that has just created three Pods does not see them yet. Without expectations it would create three more. So it notes
//! what it did, lets the informer's deltas pay the debt off, and looks at the key again only then, or after five minutes.

use crate::ObjectKey;
use sim::Time;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// After this time expectations no longer hold (`ExpectationsTimeout`).
const EXPECTATIONS_TIMEOUT: Duration = Duration::from_secs(300);

#[derive(Debug, Default)]
struct Expectation {
    creations: i64,
    /// UIDs of objects whose deletion is awaited, so that one object seen twice does not count twice.
    deletions: BTreeSet<String>,
    since: Time,
}

/// Outstanding creations and deletions per controlling object.
#[derive(Debug, Default)]
pub struct Expectations {
    expectations: BTreeMap<ObjectKey, Expectation>,
}

impl Expectations {
    /// Expects `count` more creations.
    pub fn expect_creations(&mut self, now: Time, key: &ObjectKey, count: usize) {
        let expectation = self.expectations.entry(key.clone()).or_default();
        expectation.creations = expectation.creations.max(0).saturating_add(i64::try_from(count).unwrap_or(i64::MAX));
        expectation.since = now;
    }

    /// Expects the deletion of the objects with these UIDs.
    pub fn expect_deletions(&mut self, now: Time, key: &ObjectKey, uids: impl IntoIterator<Item = String>) {
        let expectation = self.expectations.entry(key.clone()).or_default();
        expectation.deletions.extend(uids);
        expectation.since = now;
    }

    /// A creation was seen, or failed.
    pub fn creation_observed(&mut self, key: &ObjectKey) {
        if let Some(expectation) = self.expectations.get_mut(key) {
            expectation.creations -= 1;
        }
    }

    /// The deletion of this object was seen, or failed.
    pub fn deletion_observed(&mut self, key: &ObjectKey, uid: &str) {
        if let Some(expectation) = self.expectations.get_mut(key) {
            expectation.deletions.remove(uid);
        }
    }

    /// Whether nothing is outstanding for the key, or it has been for too long.
    pub fn satisfied(&self, now: Time, key: &ObjectKey) -> bool {
        self.expectations.get(key).is_none_or(|expectation| {
            (expectation.creations <= 0 && expectation.deletions.is_empty()) || now.since(expectation.since) > EXPECTATIONS_TIMEOUT
        })
    }

    /// Forgets the key: its object is gone.
    pub fn delete(&mut self, key: &ObjectKey) {
        self.expectations.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_waits_until_all_is_seen_or_five_minutes_are_over() {
        let (mut expectations, key) = (Expectations::default(), ObjectKey::new("default", "web"));
        assert!(expectations.satisfied(Time::ZERO, &key));
        expectations.expect_creations(Time::ZERO, &key, 2);
        expectations.creation_observed(&key);
        assert!(!expectations.satisfied(Time::from_secs(300), &key));
        assert!(expectations.satisfied(Time::from_secs(301), &key));
        expectations.creation_observed(&key);
        assert!(expectations.satisfied(Time::ZERO, &key));
    }

    #[test]
    fn a_deletion_seen_twice_counts_once() {
        let (mut expectations, key) = (Expectations::default(), ObjectKey::new("default", "web"));
        expectations.expect_deletions(Time::ZERO, &key, ["a".to_owned(), "b".to_owned()]);
        expectations.deletion_observed(&key, "a");
        expectations.deletion_observed(&key, "a");
        assert!(!expectations.satisfied(Time::ZERO, &key));
        expectations.deletion_observed(&key, "b");
        assert!(expectations.satisfied(Time::ZERO, &key));
    }
}

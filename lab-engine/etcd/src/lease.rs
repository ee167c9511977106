//! Leases: keys that end unless somebody keeps them alive (`server/lease/lessor.go`).
//!
//! Which leases there are and what is attached to them is part of the key space and the same on all members. When one ends is not: every
//! member counts from when it applied the grant or the last keep-alive, and only the leader acts on it, by proposing the revocation. A new
//! leader gives every lease its full time again, so that none ends early because time was lost with the old leader.
//!
//! **Simplified here:** a keep-alive goes through the log, where etcd passes it on to the leader, which alone counts; there are no
//! checkpoints of the time that is left.

use crate::{EtcdError, Revision};
use sim::Time;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// The shortest life of a lease, in seconds: one and a half election time-outs, rounded up (`minTTL`).
pub const MIN_TTL: i64 = 2;

/// The longest life of a lease, in seconds (`MaxLeaseTTL`).
pub const MAX_TTL: i64 = 9_000_000_000;

/// What a new leader adds to the time of leases.
const ELECTION_TIMEOUT: Duration = Duration::from_secs(1);

/// How many leases are ended in one go (`leaseRevokeRate`, per half second).
const MOST_AT_ONCE: usize = 500;

/// The number of a lease; printed in hexadecimal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeaseId(pub i64);

impl LeaseId {
    /// No lease: a key that is attached to it does not end.
    pub const NONE: LeaseId = LeaseId(0);
}

/// What a client asks about leases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseRequest {
    /// Makes a lease. Answered by [`LeaseAnswer::Granted`].
    Grant {
        /// Its number; [`LeaseId::NONE`] lets etcd choose.
        id: LeaseId,
        /// Its life without a keep-alive, in seconds.
        ttl: i64,
    },
    /// Ends a lease and deletes what is attached to it. Answered by [`LeaseAnswer::Revoked`].
    Revoke(LeaseId),
    /// Gives a lease its full time again. Answered by [`LeaseAnswer::KeptAlive`].
    KeepAlive(LeaseId),
    /// Asks how long a lease lives on. Answered by [`LeaseAnswer::TimeToLive`].
    TimeToLive(LeaseId),
    /// Asks which leases there are. Answered by [`LeaseAnswer::Leases`].
    List,
}

/// What etcd answers about leases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseAnswer {
    /// The lease was made, with this life in seconds.
    Granted {
        /// Its number.
        id: LeaseId,
        /// Its life, which is at least [`MIN_TTL`].
        ttl: i64,
    },
    /// The lease has ended.
    Revoked {
        /// The store's revision afterwards.
        revision: Revision,
    },
    /// The lease has its full time again; 0 for one that is not there.
    KeptAlive {
        /// The lease.
        id: LeaseId,
        /// Its life in seconds.
        ttl: i64,
    },
    /// How a lease stands.
    TimeToLive {
        /// The lease.
        id: LeaseId,
        /// The seconds that are left; -1 for a lease that is not there.
        ttl: i64,
        /// The life that it was granted, in seconds.
        granted_ttl: i64,
        /// The keys that end with it, in order.
        keys: Vec<Arc<str>>,
    },
    /// The leases, in the order of their numbers.
    Leases(Vec<LeaseId>),
}

/// A lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lease {
    /// Its life without a keep-alive, in seconds.
    pub(crate) ttl: i64,
    /// The keys that end with it.
    pub(crate) keys: BTreeSet<Arc<str>>,
}

/// All leases, as the log has made them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Leases {
    leases: BTreeMap<LeaseId, Lease>,
}

impl Leases {
    /// Makes a lease; gives its life in seconds.
    ///
    /// # Errors
    /// [`EtcdError::LeaseTtlTooLarge`], [`EtcdError::LeaseExist`].
    pub(crate) fn grant(&mut self, id: LeaseId, ttl: i64) -> Result<i64, EtcdError> {
        if ttl > MAX_TTL {
            return Err(EtcdError::LeaseTtlTooLarge);
        }
        if id == LeaseId::NONE || self.leases.contains_key(&id) {
            return Err(EtcdError::LeaseExist);
        }
        let ttl = ttl.max(MIN_TTL);
        self.leases.insert(id, Lease { ttl, keys: BTreeSet::new() });
        Ok(ttl)
    }

    /// Ends a lease; gives what was attached to it.
    pub(crate) fn revoke(&mut self, id: LeaseId) -> Option<Lease> {
        self.leases.remove(&id)
    }

    pub(crate) fn get(&self, id: LeaseId) -> Option<&Lease> {
        self.leases.get(&id)
    }

    /// All leases, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (LeaseId, &Lease)> {
        self.leases.iter().map(|(id, lease)| (*id, lease))
    }

    /// A key is attached to another lease than before.
    pub(crate) fn attach(&mut self, key: &Arc<str>, before: LeaseId, now: LeaseId) {
        if before == now {
            return;
        }
        if let Some(lease) = self.leases.get_mut(&before) {
            lease.keys.remove(key);
        }
        if let Some(lease) = self.leases.get_mut(&now) {
            lease.keys.insert(key.clone());
        }
    }
}

/// When leases end, as one member counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Expiries {
    at: BTreeMap<LeaseId, Time>,
    order: BTreeSet<(Time, LeaseId)>,
}

impl Expiries {
    /// A lease lives on for its full time from now.
    pub(crate) fn renew(&mut self, id: LeaseId, ttl: i64, now: Time) {
        self.forget(id);
        let at = now.saturating_add(Duration::from_secs(u64::try_from(ttl).unwrap_or(0)));
        self.at.insert(id, at);
        self.order.insert((at, id));
    }

    /// A lease has ended.
    pub(crate) fn forget(&mut self, id: LeaseId) {
        if let Some(at) = self.at.remove(&id) {
            self.order.remove(&(at, id));
        }
    }

    /// Every lease has its full time again, and an election time-out more (`Promote`).
    pub(crate) fn renew_all(&mut self, leases: &Leases, now: Time) {
        *self = Expiries::default();
        leases.iter().for_each(|(id, lease)| self.renew(id, lease.ttl, now + ELECTION_TIMEOUT));
    }

    /// The whole seconds that a lease lives on.
    pub(crate) fn remaining(&self, id: LeaseId, now: Time) -> i64 {
        let left = self.at.get(&id).map_or(Duration::ZERO, |at| at.since(now.min(*at)));
        i64::try_from(left.as_secs()).unwrap_or(i64::MAX)
    }

    /// Leases whose time is up, the first that ran out first, and not too many. They are looked at again after a second, should they still be there.
    pub(crate) fn take_expired(&mut self, now: Time) -> Vec<LeaseId> {
        let mut expired = Vec::new();
        while expired.len() < MOST_AT_ONCE
            && let Some((at, id)) = self.order.first().copied().filter(|(at, _)| *at <= now)
        {
            self.order.remove(&(at, id));
            self.order.insert((now + Duration::from_secs(1), id));
            self.at.insert(id, now + Duration::from_secs(1));
            expired.push(id);
        }
        expired
    }

    /// When the next lease ends.
    pub(crate) fn next(&self) -> Option<Time> {
        self.order.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_has_a_shortest_and_a_longest_life_and_one_number() {
        let mut leases = Leases::default();
        assert_eq!(leases.grant(LeaseId(7), 1), Ok(MIN_TTL));
        assert_eq!(leases.grant(LeaseId(7), 60), Err(EtcdError::LeaseExist));
        assert_eq!(leases.grant(LeaseId(8), MAX_TTL + 1), Err(EtcdError::LeaseTtlTooLarge));
    }

    #[test]
    fn keys_move_from_lease_to_lease() {
        let mut leases = Leases::default();
        leases.grant(LeaseId(1), 60).unwrap();
        leases.grant(LeaseId(2), 60).unwrap();
        let key: Arc<str> = "k".into();
        leases.attach(&key, LeaseId::NONE, LeaseId(1));
        leases.attach(&key, LeaseId(1), LeaseId(2));
        assert!(leases.get(LeaseId(1)).unwrap().keys.is_empty());
        assert_eq!(leases.revoke(LeaseId(2)).unwrap().keys, BTreeSet::from([key]));
    }

    #[test]
    fn leases_expire_in_order_and_are_kept_alive() {
        let mut expiries = Expiries::default();
        let at = Time::from_secs;
        expiries.renew(LeaseId(1), 10, at(0));
        expiries.renew(LeaseId(2), 5, at(0));
        assert_eq!(expiries.next(), Some(at(5)));
        expiries.renew(LeaseId(2), 5, at(4));
        assert_eq!(expiries.remaining(LeaseId(2), at(6)), 3);
        assert_eq!(expiries.take_expired(at(10)), [LeaseId(2), LeaseId(1)]);
        assert_eq!(expiries.take_expired(at(10)), []);
        expiries.forget(LeaseId(2));
        assert_eq!(expiries.take_expired(at(11)), [LeaseId(1)]);
    }
}

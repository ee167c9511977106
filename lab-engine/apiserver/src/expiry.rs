//! The end of Events: they are kept for so long and no longer (`--event-ttl`).
//!
//! **Simplified here:** the server counts and deletes them itself, where a real one attaches them to leases of etcd.

use crate::server::{ApiServer, Call, Output};
use etcd::KeyRange;
use sim::Time;
use std::sync::Arc;

impl ApiServer {
    pub(crate) fn expire_at(&mut self, key: Arc<str>, at: Time) {
        self.forget_expiry(&key);
        self.expiries.insert((at, key.clone()));
        self.expiry_of.insert(key, at);
    }

    pub(crate) fn forget_expiry(&mut self, key: &Arc<str>) {
        if let Some(at) = self.expiry_of.remove(key) {
            self.expiries.remove(&(at, key.clone()));
        }
    }

    /// Deletes the Events whose time is up, as their etcd leases would.
    pub(crate) fn expire_events(&mut self, now: Time, out: &mut Vec<Output>) {
        while let Some((at, key)) = self.expiries.first()
            && *at <= now
        {
            let key = key.clone();
            self.forget_expiry(&key);
            let id = self.call(now, Call::Forget);
            let success = vec![etcd::Op::Delete(KeyRange::One(key))];
            out.push(Output::Etcd(etcd::Request::Txn(id, etcd::Txn { success, ..etcd::Txn::default() })));
        }
    }
}

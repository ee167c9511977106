//! Applies the entries of the log, and answers those who wait for them here (`server/etcdserver/apply`).

use crate::lease::LeaseAnswer;
use crate::maintenance::MaintenanceAnswer;
use crate::server::disk::Data;
use crate::server::{Change, EtcdServer, Output, Proposal, member_name};
use crate::{CallId, EtcdError, Response};
use raft::{Committed, ConfChange, ConfChangeSingle, Entry, EntryData, Index, NodeId};
use sim::{Time, What};
use std::sync::Arc;

impl EtcdServer {
    /// Applies a batch: changes of the key space first, then those of the members, which come into force with the whole batch.
    pub(super) fn apply_batch(&mut self, now: Time, batch: Committed<Data>, out: &mut Vec<Output>) {
        let mut asked = Vec::new();
        for Entry { id, data } in batch.entries() {
            match data {
                EntryData::Empty => {}
                EntryData::Normal(proposal) => self.apply(now, id.index, proposal, out),
                EntryData::ConfChange(change, context) => {
                    self.note_members(change);
                    asked.extend(context.clone());
                }
            }
        }
        // A member that joins goes through configurations without it on its way.
        let was_member = self.raft.conf_state().contains(self.config.id);
        let _ = self.raft.applied(batch);
        if was_member && !self.raft.conf_state().contains(self.config.id) {
            self.stops_at.get_or_insert(now + super::REMOVAL_DELAY);
        }
        for proposal in asked.iter().filter(|proposal| proposal.member == self.config.id) {
            if let Some(waiting) = self.waiting.remove(&proposal.request) {
                let answer = Box::new(MaintenanceAnswer::Members(self.members()));
                out.push(Output::Respond { to: waiting.from, response: Response::Maintenance(waiting.call, answer) });
            }
        }
    }

    /// No number of a member is given twice.
    fn note_members(&mut self, change: &ConfChange) {
        for single in &change.changes {
            if let ConfChangeSingle::AddNode(id) | ConfChangeSingle::AddLearnerNode(id) = single {
                self.store.note_member(*id);
            }
        }
    }

    fn apply(&mut self, now: Time, index: Index, proposal: &Proposal, out: &mut Vec<Output>) {
        let own = proposal.member == self.config.id;
        let waiting = if own { self.waiting.remove(&proposal.request) } else { None };
        let call = waiting.map_or(CallId(0), |waiting| waiting.call);
        let before = self.store.revision();
        let response = match &proposal.change {
            Change::Txn(txn) if !txn.is_read_only() && self.store.check_corrupt().is_err() => Err(EtcdError::Corrupt),
            Change::Txn(txn) => self.store.txn(txn.clone()).map(|response| {
                if let Some((verb, object)) = txn.subject.clone().filter(|_| own && response.succeeded && response.revision > before) {
                    out.push(Output::TraceApplied(index, What::Stored { verb, object, revision: response.revision }));
                }
                Response::Txn(call, response)
            }),
            Change::Raise(member, alarm) => {
                if self.store.raise(*member, *alarm) && own {
                    out.push(Output::TraceApplied(index, What::AlarmRaised { member: alarmed_name(*member), alarm: alarm.name() }));
                }
                Ok(Response::Maintenance(call, Box::new(MaintenanceAnswer::Done)))
            }
            change => self.apply_other(now, call, change),
        };
        if let Some(waiting) = waiting {
            let response = response.unwrap_or_else(|error| Response::Error(call, error));
            out.push(Output::Respond { to: waiting.from, response });
        }
        if self.store.revision() > before {
            self.watches.notify(&self.store, out);
        }
    }

    fn apply_other(&mut self, now: Time, call: CallId, change: &Change) -> Result<Response, EtcdError> {
        let done = || Response::Maintenance(call, Box::new(MaintenanceAnswer::Done));
        Ok(match *change {
            Change::Compact(revision) => {
                self.store.check_corrupt()?;
                self.checker.before_compaction(&self.store, revision);
                self.store.compact(revision)?;
                Response::Compacted(call)
            }
            Change::Grant(id, ttl) => {
                self.store.check_corrupt()?;
                let ttl = self.store.grant(id, ttl)?;
                self.expiries.renew(id, ttl, now);
                Response::Lease(call, LeaseAnswer::Granted { id, ttl })
            }
            Change::Revoke(id) => {
                self.store.check_corrupt()?;
                self.store.revoke(id)?;
                self.expiries.forget(id);
                Response::Lease(call, LeaseAnswer::Revoked { revision: self.store.revision() })
            }
            Change::KeepAlive(id) => {
                let ttl = self.store.leases().get(id).map_or(0, |lease| lease.ttl);
                if ttl > 0 {
                    self.expiries.renew(id, ttl, now);
                }
                Response::Lease(call, LeaseAnswer::KeptAlive { id, ttl })
            }
            Change::Disarm => Response::Maintenance(call, Box::new(MaintenanceAnswer::Alarms(self.store.disarm()))),
            Change::Txn(_) | Change::Raise(..) | Change::Members => done(),
        })
    }
}

/// Whom an alarm is about, as the trace calls it: a member, or the whole group.
fn alarmed_name(member: NodeId) -> Arc<str> {
    if member == NodeId(0) { "the whole cluster".into() } else { member_name(member).into() }
}

//! What clients ask of a member: what is answered at once, what must be agreed on first (`server/etcdserver/v3_server.go`,
//! `api/v3rpc/maintenance.go`, `api/v3rpc/member.go`).
//!
//! **Simplified here:** how long a lease lives on, and which there are, is answered by the member that is asked as far as it knows. A
//! learner's promotion is checked against its progress only by the leader.

use crate::lease::{LeaseAnswer, LeaseId, LeaseRequest};
use crate::maintenance::{Alarm, Maintenance, MaintenanceAnswer, Member, Status};
use crate::server::{Change, EtcdServer, Output, Proposal, Waiting};
use crate::{CallId, EtcdError, Request, Response};
use raft::{ConfChange, ConfChangeSingle, NodeId, Role};
use sim::Time;
use std::sync::Arc;

/// A wish to move the leadership.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moving {
    from: u32,
    call: CallId,
    to: NodeId,
    deadline: Time,
}

impl EtcdServer {
    pub(super) fn request(&mut self, now: Time, from: u32, request: Request, out: &mut Vec<Output>) {
        let call = request.call();
        let serves_learner = match &request {
            Request::Range(_, range) => range.serializable,
            Request::CancelWatch(_) | Request::Maintenance(_, Maintenance::Status | Maintenance::Snapshot) => true,
            _ => false,
        };
        if !serves_learner && self.raft.conf_state().learners.contains(&self.config.id) {
            return refuse(from, call, EtcdError::NotSupportedForLearner, out);
        }
        let change = match request {
            Request::Txn(_, txn) if self.store.would_exceed(&txn) => {
                if !self.store.alarms().any(|alarm| alarm == (self.config.id, Alarm::NoSpace)) {
                    self.propose_change(Change::Raise(self.config.id, Alarm::NoSpace), None);
                }
                return refuse(from, call, EtcdError::NoSpace, out);
            }
            Request::Txn(_, txn) => Change::Txn(txn),
            Request::Compact(_, revision) => Change::Compact(revision),
            Request::Range(_, range) if range.serializable => {
                let answer = self.store.range(&range);
                let response = answer.map_or_else(|error| Response::Error(call, error), |range| Response::Range(call, range));
                return out.push(Output::Respond { to: from, response });
            }
            Request::Range(_, range) => return self.reads.add(now, from, call, range),
            Request::Watch(_, watch) => return self.watches.add(&self.store, from, call, watch, out),
            Request::CancelWatch(_) => return self.watches.remove(from, call),
            Request::WatchProgress(_) => return self.watches.progress(&self.store, from, call, out),
            Request::Lease(_, LeaseRequest::Grant { id, ttl }) => Change::Grant(self.choose_lease(id), ttl),
            Request::Lease(_, LeaseRequest::Revoke(id)) => Change::Revoke(id),
            Request::Lease(_, LeaseRequest::KeepAlive(id)) => Change::KeepAlive(id),
            Request::Lease(_, LeaseRequest::TimeToLive(id)) => {
                let response = Response::Lease(call, self.time_to_live(now, id));
                return out.push(Output::Respond { to: from, response });
            }
            Request::Lease(_, LeaseRequest::List) => {
                let leases = self.store.leases().iter().map(|(id, _)| id).collect();
                return out.push(Output::Respond { to: from, response: Response::Lease(call, LeaseAnswer::Leases(leases)) });
            }
            Request::Maintenance(_, Maintenance::AlarmDisarm) => Change::Disarm,
            Request::Maintenance(_, what) => match self.maintain(now, from, call, &what) {
                Ok(None) => return,
                Ok(Some(answer)) => return out.push(Output::Respond { to: from, response: Response::Maintenance(call, Box::new(answer)) }),
                Err(error) => return refuse(from, call, error, out),
            },
        };
        self.propose_change(change, Some(Waiting { from, call, deadline: now + super::REQUEST_TIMEOUT }));
    }

    /// Proposes a change as soon as somebody leads.
    pub(super) fn propose_change(&mut self, change: Change, waiting: Option<Waiting>) {
        let proposal = self.proposal(change, waiting);
        self.unproposed.push(proposal);
    }

    fn proposal(&mut self, change: Change, waiting: Option<Waiting>) -> Arc<Proposal> {
        self.next_request += 1;
        if let Some(waiting) = waiting {
            self.waiting.insert(self.next_request, waiting);
        }
        Arc::new(Proposal { member: self.config.id, request: self.next_request, change })
    }

    fn choose_lease(&mut self, wanted: LeaseId) -> LeaseId {
        if wanted != LeaseId::NONE {
            return wanted;
        }
        // As etcd's: positive, and not to be guessed.
        LeaseId(i64::try_from(self.rng.below(i64::MAX as u64) | 1 << 52).unwrap_or(1))
    }

    fn time_to_live(&self, now: Time, id: LeaseId) -> LeaseAnswer {
        match self.store.leases().get(id) {
            Some(lease) => LeaseAnswer::TimeToLive {
                id,
                ttl: self.expiries.remaining(id, now),
                granted_ttl: lease.ttl,
                keys: lease.keys.iter().cloned().collect(),
            },
            None => LeaseAnswer::TimeToLive { id, ttl: -1, granted_ttl: 0, keys: Vec::new() },
        }
    }

    /// Answers at once, or arranges for an answer.
    fn maintain(&mut self, now: Time, from: u32, call: CallId, what: &Maintenance) -> Result<Option<MaintenanceAnswer>, EtcdError> {
        let waiting = Waiting { from, call, deadline: now + super::REQUEST_TIMEOUT };
        Ok(Some(match *what {
            Maintenance::MemberList => MaintenanceAnswer::Members(self.members()),
            Maintenance::MemberAdd { learner } => return self.member_add(learner, waiting).map(|()| None),
            Maintenance::MemberRemove(id) => return self.member_remove(id, waiting).map(|()| None),
            Maintenance::MemberPromote(id) => return self.member_promote(id, waiting).map(|()| None),
            Maintenance::MoveLeader(to) => {
                if self.raft.role() != Role::Leader {
                    return Err(EtcdError::NotLeader);
                }
                if to == self.config.id {
                    return Ok(Some(MaintenanceAnswer::Done));
                }
                if !self.raft.conf_state().voters.contains(to) {
                    return Err(EtcdError::BadLeaderTransferee);
                }
                self.raft.transfer_leader(to);
                self.moving.push(Moving { from, call, to, deadline: now + super::TRANSFER_TIMEOUT });
                return Ok(None);
            }
            Maintenance::Status => MaintenanceAnswer::Status(self.status()),
            Maintenance::HashKv(revision) => {
                let (hash, hash_revision) = self.store.hash_kv(revision)?;
                MaintenanceAnswer::Hash { hash, hash_revision, compact_revision: self.store.compacted_revision() }
            }
            Maintenance::AlarmList => MaintenanceAnswer::Alarms(self.store.alarms().collect()),
            Maintenance::Defragment => {
                self.store.defragment();
                MaintenanceAnswer::Done
            }
            Maintenance::Snapshot => MaintenanceAnswer::Snapshot(Arc::new(self.store.clone())),
            Maintenance::AlarmDisarm => MaintenanceAnswer::Done,
        }))
    }

    /// The members, in the order of their numbers.
    pub fn members(&self) -> Vec<Member> {
        let state = self.raft.conf_state();
        state.ids().into_iter().map(|id| Member { id, learner: !state.voters.contains(id) }).collect()
    }

    /// How the member stands.
    pub fn status(&self) -> Status {
        let (raft, log) = (&self.raft, self.raft.log());
        let mut errors: Vec<String> =
            self.store.alarms().map(|(member, alarm)| format!("memberID:{} alarm:{}", member.0, alarm.name())).collect();
        if raft.leader().is_none() {
            errors.push(EtcdError::NoLeader.to_string());
        }
        Status {
            id: self.config.id,
            db_size: self.store.size(),
            db_size_in_use: self.store.size_in_use(),
            db_size_quota: self.store.quota(),
            leader: raft.leader(),
            learner: raft.conf_state().learners.contains(&self.config.id),
            term: raft.term().0,
            index: log.committed().0,
            applied: log.applied().0,
            revision: self.store.revision(),
            errors,
        }
    }

    fn member_add(&mut self, learner: bool, waiting: Waiting) -> Result<(), EtcdError> {
        let state = self.raft.conf_state();
        if learner && !state.learners.is_empty() {
            return Err(EtcdError::TooManyLearners);
        }
        let highest = state.ids().into_iter().max().unwrap_or_default().max(self.store.highest_member());
        let id = NodeId(highest.0 + 1);
        self.propose_members(if learner { ConfChangeSingle::AddLearnerNode(id) } else { ConfChangeSingle::AddNode(id) }, waiting)
    }

    fn member_remove(&mut self, id: NodeId, waiting: Waiting) -> Result<(), EtcdError> {
        let state = self.raft.conf_state();
        if !state.contains(id) {
            return Err(EtcdError::MemberNotFound);
        }
        if state.voters.contains(id) && state.voters.ids().nth(1).is_none() {
            return Err(EtcdError::NotEnoughStartedMembers);
        }
        self.propose_members(ConfChangeSingle::RemoveNode(id), waiting)
    }

    fn member_promote(&mut self, id: NodeId, waiting: Waiting) -> Result<(), EtcdError> {
        let state = self.raft.conf_state();
        if !state.contains(id) {
            return Err(EtcdError::MemberNotFound);
        }
        if !state.learners.contains(&id) {
            return Err(EtcdError::MemberNotLearner);
        }
        // It must have nine tenths of the leader's log (`readyPercentThreshold`).
        let last = self.raft.log().last_index().0;
        let behind = self.raft.progress().get(&id).is_some_and(|progress| progress.matched.0 * 10 < last * 9);
        if self.raft.role() == Role::Leader && behind {
            return Err(EtcdError::LearnerNotReady);
        }
        self.propose_members(ConfChangeSingle::AddNode(id), waiting)
    }

    fn propose_members(&mut self, change: ConfChangeSingle, waiting: Waiting) -> Result<(), EtcdError> {
        let context = self.proposal(Change::Members, Some(waiting));
        let request = context.request;
        let proposed = self.raft.propose_conf_change(ConfChange::single(change), Some(context));
        proposed.map_err(|_| {
            self.waiting.remove(&request);
            if self.raft.leader().is_none() { EtcdError::NoLeader } else { EtcdError::Unhealthy }
        })
    }

    /// Answers those who want the leadership moved, when it has moved or has not in time.
    pub(super) fn answer_moves(&mut self, now: Time, out: &mut Vec<Output>) {
        let leader = self.raft.leader();
        self.moving.retain(|moving| {
            let response = if leader == Some(moving.to) {
                Response::Maintenance(moving.call, Box::new(MaintenanceAnswer::Done))
            } else if moving.deadline <= now {
                Response::Error(moving.call, EtcdError::TimeoutLeaderTransfer)
            } else {
                return true;
            };
            out.push(Output::Respond { to: moving.from, response });
            false
        });
    }

    /// When a move has not come about in time.
    pub(super) fn next_move(&self) -> Option<Time> {
        self.moving.first().map(|moving| moving.deadline)
    }
}

fn refuse(from: u32, call: CallId, error: EtcdError, out: &mut Vec<Output>) {
    out.push(Output::Respond { to: from, response: Response::Error(call, error) });
}

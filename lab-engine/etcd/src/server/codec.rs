//! What a member keeps, as the messages that etcd writes ([`crate::pb`]).
//!
//! **Simplified here:** this way only. A member's disk gives back the very values that were written, once it has found their bytes there
//! (see [`super::disk`]), so that nothing needs to make an object of the API server out of its bytes.

use super::disk::{Data, State};
use super::{Change, Proposal};
use crate::maintenance::Alarm;
use crate::message::{Compare, CompareResult, CompareTarget, KeyRange, KeyValue, Op, Range, SortTarget};
use crate::pb;
use crate::wal::{ENTRY_CONF_CHANGE_V2, ENTRY_NORMAL, SnapshotMark};
use crate::{EventKind, Store, Txn};
use prost::Message;
use raft::{ConfChange, ConfChangeSingle, ConfChangeTransition, ConfState, Entry, EntryData, HardState, Index, NodeId, Snapshot, Term};

/// A hard state.
pub(super) fn hard_state(state: HardState) -> pb::HardState {
    pb::HardState { term: state.term.0, vote: state.vote.map_or(0, |id| id.0), commit: state.commit.0 }
}

/// A hard state that was read.
pub(super) fn read_hard_state(state: pb::HardState) -> HardState {
    HardState { term: Term(state.term), vote: (state.vote != 0).then_some(NodeId(state.vote)), commit: Index(state.commit) }
}

/// An entry.
pub(super) fn entry(entry: &Entry<Data>) -> pb::Entry {
    let (kind, data) = match &entry.data {
        EntryData::Empty => (ENTRY_NORMAL, None),
        EntryData::Normal(proposed) => (ENTRY_NORMAL, Some(proposal(proposed))),
        EntryData::ConfChange(change, context) => (ENTRY_CONF_CHANGE_V2, Some(conf_change(change, context.as_ref()))),
    };
    pb::Entry { kind, term: entry.id.term.0, index: entry.id.index.0, data }
}

/// The mark of a snapshot in the log.
pub(super) fn mark(snapshot: &Snapshot<State>) -> SnapshotMark {
    let conf_state = Some(conf_state(&snapshot.conf_state));
    SnapshotMark { index: snapshot.last.index.0, term: snapshot.last.term.0, conf_state }
}

/// A snapshot.
pub(super) fn snapshot(snapshot: &Snapshot<State>) -> pb::Snapshot {
    let metadata =
        pb::SnapshotMetadata { conf_state: conf_state(&snapshot.conf_state), index: snapshot.last.index.0, term: snapshot.last.term.0 };
    pb::Snapshot { data: Some(key_space(&snapshot.data).encode_to_vec()), metadata }
}

fn conf_state(state: &ConfState) -> pb::ConfState {
    pb::ConfState {
        voters: state.voters.incoming.iter().map(|id| id.0).collect(),
        learners: state.learners.iter().map(|id| id.0).collect(),
        voters_outgoing: state.voters.outgoing.iter().map(|id| id.0).collect(),
        learners_next: state.learners_next.iter().map(|id| id.0).collect(),
        auto_leave: state.auto_leave,
    }
}

fn conf_change(change: &ConfChange, context: Option<&Data>) -> Vec<u8> {
    let single = |single: &ConfChangeSingle| {
        let (kind, id) = match single {
            ConfChangeSingle::AddNode(id) => (0, id),
            ConfChangeSingle::RemoveNode(id) => (1, id),
            ConfChangeSingle::UpdateNode(id) => (2, id),
            ConfChangeSingle::AddLearnerNode(id) => (3, id),
        };
        pb::ConfChangeSingle { kind, node_id: id.0 }
    };
    let transition = match change.transition {
        ConfChangeTransition::Auto => 0,
        ConfChangeTransition::JointImplicit => 1,
        ConfChangeTransition::JointExplicit => 2,
    };
    let context = context.map(|data| proposal(data));
    pb::ConfChange { transition, changes: change.changes.iter().map(single).collect(), context }.encode_to_vec()
}

fn proposal(proposal: &Proposal) -> Vec<u8> {
    // As `idutil` makes ids: the member above the number of its request.
    let header = pb::RequestHeader { id: proposal.member.0 << 48 ^ proposal.request };
    let nothing = pb::InternalRaftRequest { header, ..pb::InternalRaftRequest::default() };
    let request = match &proposal.change {
        Change::Txn(txn) => pb::InternalRaftRequest { txn: Some(request(txn)), ..nothing },
        Change::Compact(revision) => {
            pb::InternalRaftRequest { compaction: Some(pb::CompactionRequest { revision: signed(*revision) }), ..nothing }
        }
        Change::Grant(id, ttl) => pb::InternalRaftRequest { lease_grant: Some(pb::LeaseGrantRequest { ttl: *ttl, id: id.0 }), ..nothing },
        Change::Revoke(id) => pb::InternalRaftRequest { lease_revoke: Some(pb::LeaseRequest { id: id.0 }), ..nothing },
        Change::KeepAlive(id) => pb::InternalRaftRequest { lease_keep_alive: Some(pb::LeaseRequest { id: id.0 }), ..nothing },
        Change::Raise(member, alarm) => pb::InternalRaftRequest { alarm: Some(raised(*member, *alarm)), ..nothing },
        Change::Disarm => pb::InternalRaftRequest { alarm: Some(pb::AlarmRequest { action: 2, ..pb::AlarmRequest::default() }), ..nothing },
        Change::Members => nothing,
    };
    request.encode_to_vec()
}

fn raised(member: NodeId, alarm: Alarm) -> pb::AlarmRequest {
    let kind = match alarm {
        Alarm::NoSpace => 1,
        Alarm::Corrupt => 2,
    };
    pb::AlarmRequest { action: 1, member: member.0, alarm: kind }
}

fn request(txn: &Txn) -> pb::TxnRequest {
    pb::TxnRequest {
        compare: txn.compares.iter().map(compare).collect(),
        success: txn.success.iter().map(op).collect(),
        failure: txn.failure.iter().map(op).collect(),
    }
}

fn compare(compare: &Compare) -> pb::Compare {
    let result = match compare.result {
        CompareResult::Equal => 0,
        CompareResult::Greater => 1,
        CompareResult::Less => 2,
        CompareResult::NotEqual => 3,
    };
    let (target, union) = match &compare.target {
        CompareTarget::Version(version) => (0, pb::TargetUnion::Version(signed(*version))),
        CompareTarget::Create(revision) => (1, pb::TargetUnion::CreateRevision(signed(*revision))),
        CompareTarget::Mod(revision) => (2, pb::TargetUnion::ModRevision(signed(*revision))),
        CompareTarget::Value(value) => (3, pb::TargetUnion::Value(value.0.encode())),
        CompareTarget::Lease(lease) => (4, pb::TargetUnion::Lease(lease.0)),
    };
    let (key, range_end) = ends(&compare.keys);
    pb::Compare { result, target, key, range_end, target_union: Some(union) }
}

fn op(op: &Op) -> pb::RequestOp {
    let request = match op {
        Op::Put(put) => pb::Request::Put(pb::PutRequest {
            key: put.key.as_bytes().to_vec(),
            value: put.value.0.encode(),
            lease: put.lease.0,
            ignore_value: put.ignore_value,
            ignore_lease: put.ignore_lease,
        }),
        Op::Txn(inner) => pb::Request::Txn(request(inner)),
        Op::Delete(keys) => {
            let (key, range_end) = ends(keys);
            pb::Request::DeleteRange(pb::DeleteRangeRequest { key, range_end })
        }
        Op::Range(range) => pb::Request::Range(range_request(range)),
    };
    pb::RequestOp { request: Some(request) }
}

fn range_request(range: &Range) -> pb::RangeRequest {
    let (key, range_end) = ends(&range.keys);
    let target = match range.sort.by {
        SortTarget::Key => 0,
        SortTarget::Version => 1,
        SortTarget::Create => 2,
        SortTarget::Mod => 3,
        SortTarget::Value => 4,
    };
    pb::RangeRequest {
        key,
        range_end,
        limit: signed(range.limit as u64),
        revision: signed(range.revision),
        sort_order: if range.sort.descending { 2 } else { i32::from(target != 0) },
        sort_target: target,
        keys_only: range.keys_only,
        count_only: range.count_only,
        min_mod_revision: signed(range.mod_revisions.min),
        max_mod_revision: signed(range.mod_revisions.max),
        min_create_revision: signed(range.create_revisions.min),
        max_create_revision: signed(range.create_revisions.max),
    }
}

/// The first key, and the one after the last: none for one key, a zero byte for no end.
fn ends(keys: &KeyRange) -> (Vec<u8>, Vec<u8>) {
    let end = match keys {
        KeyRange::One(_) => Vec::new(),
        KeyRange::Between(_, end) => end.as_bytes().to_vec(),
        KeyRange::From(_) => vec![0],
        KeyRange::Prefix(prefix) => {
            let mut end = prefix.as_bytes().to_vec();
            while end.pop_if(|last| *last == 0xff).is_some() {}
            match end.last_mut() {
                Some(last) => *last += 1,
                None => end = vec![0],
            }
            end
        }
    };
    (keys.start().as_bytes().to_vec(), end)
}

/// The key space: what there was at the last compaction, and every change since.
fn key_space(store: &Store) -> pb::KeySpace {
    let all = KeyRange::From("\0".into());
    let compacted = store.compacted_revision();
    let pairs = match compacted {
        0 => Vec::new(),
        revision => store.range(&Range { revision, ..Range::all(all.clone()) }).map(|range| range.kvs).unwrap_or_default(),
    };
    let events = store.changes(&all, compacted + 1).into_iter().flatten().map(|event| {
        let deleted =
            || pb::KeyValue { key: event.key.as_bytes().to_vec(), mod_revision: signed(event.revision), ..pb::KeyValue::default() };
        let kind = i32::from(event.kind == EventKind::Delete);
        pb::Event { kind, kv: event.kv.as_ref().map_or_else(deleted, pair) }
    });
    pb::KeySpace {
        revision: signed(store.revision()),
        compact_revision: signed(compacted),
        events: events.collect(),
        leases: store.leases().iter().map(|(id, lease)| pb::LeaseGrantRequest { ttl: lease.ttl, id: id.0 }).collect(),
        alarms: store.alarms().map(|(member, alarm)| raised(member, alarm)).collect(),
        highest_member: store.highest_member().0,
        pairs: pairs.iter().map(pair).collect(),
    }
}

fn pair(kv: &KeyValue) -> pb::KeyValue {
    pb::KeyValue {
        key: kv.key.as_bytes().to_vec(),
        create_revision: signed(kv.create_revision),
        mod_revision: signed(kv.mod_revision),
        version: signed(kv.version),
        value: kv.value.0.encode(),
        lease: kv.lease.0,
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

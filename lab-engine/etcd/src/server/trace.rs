//! What a member tells the trace of its part in the agreement: roles, votes, and the way of an entry to the disks and back.
//!
//! **Simplified here:** a group of one has nobody to agree with and tells only of what it stores.

use crate::server::disk::{Data, State, Write};
use crate::server::{Change, Output, PeerMessage};
use raft::{Body, Entry, EntryData, Index, NodeId, RaftLog, RaftNode, Role};
use sim::{ObjectRef, What};

/// How members are called in the trace: `etcd-1`.
pub fn member_name(id: NodeId) -> String {
    format!("etcd-{}", id.0)
}

/// How roles are called: `follower`, `pre-candidate`, `candidate`, `leader`.
pub fn role_name(role: Role) -> &'static str {
    match role {
        Role::Follower => "follower",
        Role::PreCandidate => "pre-candidate",
        Role::Candidate => "candidate",
        Role::Leader => "leader",
    }
}

/// What was told already.
#[derive(Debug)]
pub(crate) struct Told {
    role: Option<(Role, u64)>,
    appended: Index,
    committed: Index,
}

impl Told {
    /// As if all that the member knows at its start were told.
    pub(crate) fn everything_in(raft: &RaftNode<Data, State>) -> Self {
        Told { role: None, appended: raft.log().last_index(), committed: raft.log().committed() }
    }

    /// Tells of a new role.
    pub(crate) fn role(&mut self, raft: &RaftNode<Data, State>, out: &mut Vec<Output>) {
        let now = (raft.role(), raft.term().0);
        if is_alone(raft) || self.role.replace(now) == Some(now) {
            return;
        }
        out.push(Output::Trace(What::RaftRole { role: role_name(now.0), term: now.1 }));
    }

    /// Tells what the leader has appended, before it is sent or written, and what it knows to be committed, before it is applied.
    pub(crate) fn led(&mut self, raft: &RaftNode<Data, State>, out: &mut Vec<Output>) {
        let log = raft.log();
        if !is_alone(raft) && raft.role() == Role::Leader {
            out.extend(between(log, self.appended, log.last_index()).iter().map(|entry| {
                let object = object_of(entry);
                Output::Trace(What::LogAppended { index: entry.id.index.0, term: entry.id.term.0, object })
            }));
            out.extend(between(log, self.committed, log.committed()).iter().map(|entry| {
                let object = object_of(entry);
                Output::Trace(What::LogCommitted { index: entry.id.index.0, object })
            }));
        }
        (self.appended, self.committed) = (log.last_index(), log.committed());
    }
}

/// The entries after `after` up to `last` that are in memory.
fn between(log: &RaftLog<Data>, after: Index, last: Index) -> &[Entry<Data>] {
    let place = |index: Index| index.0.saturating_sub(log.compacted().index.0) as usize;
    log.entries().get(place(after)..place(last)).unwrap_or_default()
}

/// Tells what is safe on the disk.
pub(crate) fn persisted(raft: &RaftNode<Data, State>, write: &Write, out: &mut Vec<Output>) {
    if is_alone(raft) {
        return;
    }
    out.extend(write.entries().iter().map(|entry| {
        let object = object_of(entry);
        Output::Trace(What::LogPersisted { index: entry.id.index.0, term: entry.id.term.0, object })
    }));
}

/// Sends messages; tells of the votes among them.
pub(crate) fn send(messages: Vec<PeerMessage>, out: &mut Vec<Output>) {
    for message in messages {
        let vote = match message.body {
            Body::VoteResponse { reject } => Some((reject, false)),
            Body::PreVoteResponse { reject } => Some((reject, true)),
            _ => None,
        };
        if let Some((reject, pre)) = vote {
            let candidate = member_name(message.to).into();
            out.push(Output::Trace(What::RaftVote { candidate, term: message.term.0, granted: !reject, pre }));
        }
        out.push(Output::Peer(Box::new(message)));
    }
}

fn is_alone(raft: &RaftNode<Data, State>) -> bool {
    let group = raft.conf_state();
    group.learners.is_empty() && group.voters.ids().nth(1).is_none()
}

fn object_of(entry: &Entry<Data>) -> Option<ObjectRef> {
    let EntryData::Normal(proposal) = &entry.data else { return None };
    let Change::Txn(txn) = &proposal.change else { return None };
    txn.subject.as_ref().map(|(_, object)| object.clone())
}

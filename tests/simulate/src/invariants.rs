//! What must hold after every step, whatever has gone wrong.

use crate::model::Model;
use etcd::maintenance::Alarm;
use etcd::server::EtcdServer;
use raft::{EntryData, EntryId, Index, NodeId, Role, Term};
use std::collections::BTreeMap;

/// What identifies an entry's content: its id and who proposed it.
type Content = (EntryId, Option<(NodeId, u64)>);

/// Looks on.
#[derive(Debug, Default)]
pub struct Invariants {
    leaders: BTreeMap<Term, NodeId>,
    /// All that is known to be committed, from index 1 on.
    committed: Vec<Content>,
    /// The key space that it makes.
    pub model: Model,
    /// The revision of the key space after each committed entry.
    revisions: Vec<u64>,
    /// Up to where each member's commits were looked at, since its last start.
    looked: BTreeMap<NodeId, Index>,
}

impl Invariants {
    /// A member has started; what it says is committed is looked at anew.
    pub fn started(&mut self, id: NodeId) {
        self.looked.remove(&id);
    }

    /// How many entries are committed.
    pub fn committed(&self) -> usize {
        self.committed.len()
    }

    /// Looks at a member after a step of its.
    ///
    /// # Errors
    /// The promise that is broken, in words.
    pub fn look(&mut self, server: &EtcdServer) -> Result<(), String> {
        self.committed_entries_stay(server)?;
        self.one_leader_per_term(server)?;
        self.state_is_that_of_the_log(server)?;
        members_do_not_differ(server)
    }

    fn one_leader_per_term(&mut self, server: &EtcdServer) -> Result<(), String> {
        let raft = server.raft();
        if raft.role() != Role::Leader {
            return Ok(());
        }
        match self.leaders.insert(raft.term(), raft.id()) {
            Some(other) if other != raft.id() => Err(format!("members {other} and {} both lead term {}", raft.id(), raft.term())),
            Some(_) => Ok(()),
            None => self.leader_has_everything(server),
        }
    }

    fn leader_has_everything(&self, server: &EtcdServer) -> Result<(), String> {
        let raft = server.raft();
        for (id, _) in self.committed.iter().filter(|(id, _)| id.index >= raft.log().first_index()) {
            if raft.log().term(id.index) != Some(id.term) {
                return Err(format!("member {} leads term {} without the committed entry {id}", raft.id(), raft.term()));
            }
        }
        Ok(())
    }

    fn committed_entries_stay(&mut self, server: &EtcdServer) -> Result<(), String> {
        let raft = server.raft();
        let from = self.looked.get(&raft.id()).copied().unwrap_or(Index(0));
        let until = raft.log().committed();
        if until < from {
            return Err(format!("member {} takes back what is committed: {until} after {from}", raft.id()));
        }
        for entry in raft.log().entries().iter().filter(|entry| entry.id.index > from && entry.id.index <= until) {
            let origin = match &entry.data {
                EntryData::Normal(proposal) => Some((proposal.member, proposal.request)),
                EntryData::Empty | EntryData::ConfChange(..) => None,
            };
            let place = entry.id.index.since(Index(1));
            match self.committed.get(place) {
                Some(known) if *known == (entry.id, origin) => {}
                Some((known, _)) => return Err(format!("member {} has {} committed where {known} was", raft.id(), entry.id)),
                None if place == self.committed.len() => {
                    self.committed.push((entry.id, origin));
                    if let EntryData::Normal(proposal) = &entry.data {
                        self.model.apply(&proposal.change);
                    }
                    self.revisions.push(self.model.revision);
                }
                None => return Err(format!("member {} commits {} before what is in front of it", raft.id(), entry.id)),
            }
        }
        self.looked.insert(raft.id(), until);
        Ok(())
    }

    fn state_is_that_of_the_log(&self, server: &EtcdServer) -> Result<(), String> {
        let applied = server.raft().log().applied();
        let expected = applied.since(Index(0)).checked_sub(1).map_or(1, |place| self.revisions.get(place).copied().unwrap_or(0));
        let found = server.store().revision();
        if found != expected {
            return Err(format!("member {} has revision {found} after entry {applied}, not {expected}", server.raft().id()));
        }
        Ok(())
    }

    /// Compares a member that has applied everything with the model, pair by pair.
    ///
    /// # Errors
    /// The first difference.
    pub fn compare(&self, server: &EtcdServer) -> Result<(), String> {
        let id = server.raft().id();
        let range = etcd::Range::all(etcd::KeyRange::From("\0".into()));
        let pairs = server.store().range(&range).map_err(|error| error.to_string())?.kvs;
        if pairs.len() != self.model.pairs.len() {
            return Err(format!("member {id} has {} keys, not {}", pairs.len(), self.model.pairs.len()));
        }
        for (pair, (key, wanted)) in pairs.iter().zip(&self.model.pairs) {
            let same = *pair.key == **key
                && pair.value.0.encode() == wanted.value
                && (pair.create_revision, pair.mod_revision) == (wanted.create_revision, wanted.mod_revision);
            if !same {
                return Err(format!("member {id} has {pair:?} for {key:?}, not {wanted:?}"));
            }
        }
        Ok(())
    }
}

/// The members' own checks find nothing: nobody damages their data.
fn members_do_not_differ(server: &EtcdServer) -> Result<(), String> {
    let mut alarms = server.store().alarms();
    match (server.failure(), alarms.find(|(_, alarm)| *alarm == Alarm::Corrupt)) {
        (Some(failure), _) => Err(format!("member {failure}")),
        (None, Some((member, _))) => Err(format!("member {member} is said to be corrupt")),
        (None, None) => Ok(()),
    }
}

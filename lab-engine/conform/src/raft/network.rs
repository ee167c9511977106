//! The group of a scenario: nodes with disks that never fail, and the links between them.

use super::message::{self, Message};
use super::step::{ConfigText, Members, NodeText};
use crate::Miss;
use raft::{
    ConfState, Config, Entry, EntryData, EntryId, HardState, Index, InitialState, NodeId, RaftNode, ReadContext, ReadOnlyOption, Ready,
    Term,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// So many messages in one step mean that the group does not come to rest.
const MAX_MESSAGES: usize = 100_000;

/// What a node keeps over a crash.
#[derive(Clone, Debug)]
struct Disk {
    hard_state: HardState,
    snapshot: EntryId,
    /// As of the snapshot.
    conf_state: ConfState,
    entries: Vec<Entry<String>>,
}

/// A node and its owner.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) raft: RaftNode<String, ()>,
    disk: Disk,
    /// What it has sent since the last look.
    pub(super) outbox: Vec<Message>,
    /// The payloads that are not empty of the entries applied since the start, in order.
    pub(super) applied: Vec<String>,
    /// The reads that were answered, in order.
    pub(super) reads: Vec<(ReadContext, u64)>,
    starts: u32,
}

impl Server {
    fn new(node: &NodeText, members: &Members, config: &ConfigText) -> Result<Self, Miss> {
        let snapshot = node.snapshot.as_ref().map(message::SnapshotText::last).unwrap_or_default();
        let vote = Some(NodeId(node.vote)).filter(|&vote| vote != NodeId(0));
        let commit = Index(node.commit.max(snapshot.index.0));
        let disk = Disk {
            hard_state: HardState { term: Term(node.term), vote, commit },
            snapshot,
            conf_state: node.members.as_ref().unwrap_or(members).conf_state(),
            entries: message::entries(&node.log, snapshot.index.0)?,
        };
        let config = raft_config(NodeId(node.id), &node.config, config);
        let raft = start(config, &disk, 0)?;
        Ok(Server { raft, disk, outbox: Vec::new(), applied: Vec::new(), reads: Vec::new(), starts: 1 })
    }

    /// Crashes and starts again from what is on disk.
    pub(super) fn restart(&mut self) -> Result<(), Miss> {
        self.raft = start(self.raft.config().clone(), &self.disk, self.starts)?;
        self.starts += 1;
        self.applied.clear();
        self.reads.clear();
        Ok(())
    }

    /// Makes a snapshot of what is applied and drops the log up to there.
    pub(super) fn compact(&mut self) {
        // The owner's state stands still: what is committed is applied at once.
        let Some(snapshot) = self.raft.snapshot(()) else { return };
        let applied = snapshot.last.index;
        self.disk.entries.retain(|entry| entry.id.index > applied);
        (self.disk.snapshot, self.disk.conf_state) = (snapshot.last, snapshot.conf_state);
        self.raft.compact(applied);
    }

    /// Does what the node wants done, until it wants nothing: the disk takes no time. Returns what it sends.
    pub(super) fn drive(&mut self) -> Vec<Message> {
        let mut sent = Vec::new();
        while self.raft.has_ready() {
            let Ready { messages, reads, write, committed, snapshot_requests, soft_state: _ } = self.raft.ready();
            sent.extend(messages);
            self.reads.extend(reads.iter().map(|read| (read.context, read.index.0)));
            if let Some(write) = write {
                self.disk.persist(&write);
                sent.extend(self.raft.persisted(write));
            }
            if let Some(batch) = committed {
                self.applied.extend(payloads(batch.entries()));
                let _ = self.raft.applied(batch);
            }
            for request in snapshot_requests {
                self.raft.send_snapshot(request, ());
            }
        }
        sent
    }
}

impl Disk {
    fn persist(&mut self, write: &raft::Write<String, ()>) {
        if let Some(snapshot) = write.snapshot() {
            self.snapshot = snapshot.last;
            self.conf_state = snapshot.conf_state.clone();
            self.entries.clear();
        }
        if let Some(first) = write.entries().first() {
            self.entries.retain(|entry| entry.id.index < first.id.index);
            self.entries.extend_from_slice(write.entries());
        }
        self.hard_state = write.hard_state().unwrap_or(self.hard_state);
    }
}

/// The payloads of normal entries that are not empty.
pub(super) fn payloads(entries: &[Entry<String>]) -> Vec<String> {
    let payload = |entry: &Entry<String>| match &entry.data {
        EntryData::Normal(data) if !data.is_empty() => Some(data.clone()),
        _ => None,
    };
    entries.iter().filter_map(payload).collect()
}

fn raft_config(id: NodeId, own: &ConfigText, common: &ConfigText) -> Config {
    let flag = |field: fn(&ConfigText) -> Option<bool>| field(own).or_else(|| field(common)).unwrap_or_default();
    let lease_read = flag(|config| config.lease_read);
    Config {
        pre_vote: flag(|config| config.pre_vote),
        check_quorum: flag(|config| config.check_quorum),
        read_only: if lease_read { ReadOnlyOption::LeaseBased } else { ReadOnlyOption::Safe },
        step_down_on_removal: flag(|config| config.step_down_on_removal),
        election_ticks: 10,
        heartbeat_ticks: 1,
        ..Config::new(id)
    }
}

fn start(config: Config, disk: &Disk, starts: u32) -> Result<RaftNode<String, ()>, Miss> {
    let initial = InitialState {
        hard_state: disk.hard_state,
        snapshot: disk.snapshot,
        entries: disk.entries.clone(),
        applied: disk.snapshot.index,
        conf_state: disk.conf_state.clone(),
    };
    let rng = sim::Seed(u64::from(starts)).stream(&format!("raft/{}", config.id));
    RaftNode::new(config, initial, rng).map_err(|error| Miss::Malformed(error.to_string()))
}

/// The nodes and the links between them.
#[derive(Debug)]
pub(super) struct Network {
    servers: BTreeMap<u64, Server>,
    in_flight: VecDeque<Message>,
    cuts: BTreeSet<(u64, u64)>,
    isolated: BTreeSet<u64>,
    dropped_types: BTreeSet<String>,
    /// Everything that was sent, in order.
    pub(super) sent: Vec<Message>,
}

impl Network {
    pub(super) fn new(nodes: &[NodeText], members: &Members, config: &ConfigText) -> Result<Self, Miss> {
        let mut servers = BTreeMap::new();
        for node in nodes {
            if servers.insert(node.id, Server::new(node, members, config)?).is_some() {
                return Err(Miss::Malformed(format!("two nodes are {}", node.id)));
            }
        }
        let (cuts, isolated, dropped_types) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let mut network = Network { servers, in_flight: VecDeque::new(), cuts, isolated, dropped_types, sent: Vec::new() };
        for node in nodes {
            network.act(node.id, |_| ())?;
        }
        Ok(network)
    }

    pub(super) fn server(&mut self, id: u64) -> Result<&mut Server, Miss> {
        self.servers.get_mut(&id).ok_or_else(|| Miss::Malformed(format!("there is no node {id}")))
    }

    /// Lets a node do something, and its owner what follows from it; what it sends is in flight and in its outbox.
    pub(super) fn act<R>(&mut self, id: u64, act: impl FnOnce(&mut Server) -> R) -> Result<R, Miss> {
        let server = self.server(id)?;
        let result = act(server);
        let sent = server.drive();
        server.outbox.extend(sent.iter().cloned());
        self.sent.extend(sent.iter().cloned());
        self.in_flight.extend(sent);
        Ok(result)
    }

    pub(super) fn cut(&mut self, a: u64, b: u64) {
        self.cuts.extend([(a, b), (b, a)]);
    }

    pub(super) fn isolate(&mut self, id: u64) {
        self.isolated.insert(id);
    }

    pub(super) fn drop_type(&mut self, message_type: String) {
        self.dropped_types.insert(message_type);
    }

    pub(super) fn heal(&mut self) {
        self.cuts.clear();
        self.isolated.clear();
        self.dropped_types.clear();
    }

    /// Nothing that is in flight arrives.
    pub(super) fn lose_all(&mut self) {
        self.in_flight.clear();
    }

    /// Delivers what is in flight, and what that causes, until nothing is.
    pub(super) fn deliver_all(&mut self) -> Result<(), Miss> {
        let mut delivered = 0;
        while let Some(message) = self.in_flight.pop_front() {
            delivered += 1;
            if delivered > MAX_MESSAGES {
                return Err(Miss::failed("delivery", "the group comes to rest", format!("{MAX_MESSAGES} messages and no end")));
            }
            if self.passes(&message) {
                // What a node refuses is lost to it, as it would be for its owner.
                let _ = self.act(message.to.0, |server| server.raft.step(message))?;
            }
        }
        Ok(())
    }

    fn passes(&self, message: &Message) -> bool {
        let (from, to) = (message.from.0, message.to.0);
        self.servers.contains_key(&to)
            && !self.cuts.contains(&(from, to))
            && !self.isolated.contains(&from)
            && !self.isolated.contains(&to)
            && !self.dropped_types.contains(message::type_of(message))
    }
}

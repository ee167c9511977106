//! A group, its disks and its network, and what must always hold of it.
//!
//! Nothing happens by itself: a test says which write is done, which batch is applied, which message arrives. [`Cluster::settle`] does all
//! of it until nothing is left. [`Invariants`] looks at every member after each of these steps.

use raft::{
    Body, Committed, ConfState, Config, Entry, EntryData, EntryId, HardState, Index, InitialState, Message, NodeId, RaftNode, ReadContext,
    Ready, Role, SnapshotRequest, Term, Write,
};
use std::collections::{BTreeMap, BTreeSet};

/// What the members agree on: the commands in the order of the log.
pub(crate) type State = Vec<String>;
pub(crate) type Node = RaftNode<String, State>;

/// What survives a crash.
#[derive(Clone, Default)]
pub(crate) struct Disk {
    hard_state: HardState,
    /// The hard state as of the last write that had to be synced.
    synced: HardState,
    snapshot: EntryId,
    snapshot_state: State,
    conf_state: ConfState,
    entries: Vec<Entry<String>>,
}

impl Disk {
    fn write(&mut self, write: &Write<String, State>) {
        if let Some(snapshot) = write.snapshot() {
            (self.snapshot, self.conf_state) = (snapshot.last, snapshot.conf_state.clone());
            self.snapshot_state.clone_from(&snapshot.data);
            self.entries.clear();
        }
        if let Some(first) = write.entries().first() {
            self.entries.retain(|entry| entry.id.index < first.id.index);
            self.entries.extend_from_slice(write.entries());
        }
        self.hard_state = write.hard_state().unwrap_or(self.hard_state);
        if write.must_sync() {
            self.synced = self.hard_state;
        }
    }
}

/// A member and what its owner is busy with.
pub(crate) struct Member {
    pub(crate) raft: Node,
    pub(crate) disk: Disk,
    pub(crate) state: State,
    pub(crate) reads: Vec<(ReadContext, Index)>,
    write: Option<Write<String, State>>,
    batch: Option<Committed<String>>,
    snapshots: Vec<SnapshotRequest>,
    starts: u32,
}

pub(crate) struct Cluster {
    pub(crate) members: BTreeMap<u64, Member>,
    pub(crate) net: Vec<Message<String, State>>,
    cut: BTreeSet<(u64, u64)>,
    invariants: Invariants,
    configure: fn(Config) -> Config,
    seed: u64,
}

fn start(config: Config, disk: &Disk, seed: u64) -> Node {
    let initial = InitialState {
        hard_state: disk.hard_state,
        snapshot: disk.snapshot,
        entries: disk.entries.clone(),
        applied: disk.snapshot.index,
        conf_state: disk.conf_state.clone(),
    };
    let rng = sim::Seed(seed).stream(&format!("raft/{}", config.id));
    Node::new(config, initial, rng).expect("the disk fits together")
}

impl Cluster {
    /// Members 1 to `voters`, all with this configuration of the member and an empty log.
    pub(crate) fn new(voters: u64, configure: fn(Config) -> Config) -> Self {
        Self::with_logs(&vec![&[][..]; usize::try_from(voters).unwrap()], configure)
    }

    /// The same, with a log that begins with the members, so that others can be added.
    pub(crate) fn bootstrap(voters: u64, configure: fn(Config) -> Config) -> Self {
        let mut cluster = Cluster::empty(configure);
        for id in 1..=voters {
            let initial = InitialState::bootstrap((1..=voters).map(|id| (NodeId(id), None)));
            let hard_state = initial.hard_state;
            cluster.add(id, Disk { hard_state, synced: hard_state, entries: initial.entries, ..Disk::default() });
        }
        cluster.settle();
        cluster
    }

    /// Members whose logs have entries of these terms, none committed; each has seen the highest term of all.
    pub(crate) fn with_logs(logs: &[&[u64]], configure: fn(Config) -> Config) -> Self {
        let highest = logs.iter().flat_map(|terms| terms.iter()).max().copied().unwrap_or_default();
        let mut cluster = Cluster::empty(configure);
        let voters = ConfState::new((1..=logs.len() as u64).map(NodeId), []);
        for (id, terms) in (1..).zip(logs) {
            let id_of = |(index, &term): (u64, &u64)| EntryId::new(Term(term), Index(index));
            let entries = (1..).zip(*terms).map(id_of).map(|id| Entry { id, data: EntryData::Normal(id.to_string()) }).collect();
            let hard_state = HardState { term: Term(highest), ..HardState::default() };
            let disk = Disk { hard_state, synced: hard_state, conf_state: voters.clone(), entries, ..Disk::default() };
            cluster.add(id, disk);
        }
        cluster
    }

    fn empty(configure: fn(Config) -> Config) -> Self {
        let (members, net, cut, invariants) = (BTreeMap::new(), Vec::new(), BTreeSet::new(), Invariants::default());
        Cluster { members, net, cut, invariants, configure, seed: 1 }
    }

    pub(crate) fn reseed(&mut self, seed: u64) {
        self.seed = seed;
        let ids: Vec<u64> = self.members.keys().copied().collect();
        ids.into_iter().for_each(|id| self.crash(id, false));
    }

    /// A newcomer that knows nothing.
    pub(crate) fn add_blank(&mut self, id: u64) {
        self.add(id, Disk::default());
    }

    fn add(&mut self, id: u64, disk: Disk) {
        let raft = start((self.configure)(Config::new(NodeId(id))), &disk, self.seed);
        let state = disk.snapshot_state.clone();
        let member = Member { raft, disk, state, reads: vec![], write: None, batch: None, snapshots: vec![], starts: 1 };
        self.members.insert(id, member);
    }

    pub(crate) fn raft(&mut self, id: u64) -> &mut Node {
        &mut self.members.get_mut(&id).unwrap().raft
    }

    /// Takes what the member wants done, without doing any of it but sending.
    pub(crate) fn take_ready(&mut self, id: u64) {
        let member = self.members.get_mut(&id).unwrap();
        if !member.raft.has_ready() {
            return;
        }
        let Ready { messages, reads, write, committed, snapshot_requests, soft_state: _ } = member.raft.ready();
        self.net.extend(messages);
        member.reads.extend(reads.iter().map(|read| (read.context, read.index)));
        assert!(!(member.write.is_some() && write.is_some()), "one write at a time");
        assert!(!(member.batch.is_some() && committed.is_some()), "one batch at a time");
        member.write = member.write.take().or(write);
        member.batch = member.batch.take().or(committed);
        member.snapshots.extend(snapshot_requests);
        self.invariants.check(&self.members);
    }

    /// The member's disk is done.
    pub(crate) fn persist(&mut self, id: u64) {
        let member = self.members.get_mut(&id).unwrap();
        let Some(write) = member.write.take() else { return };
        member.disk.write(&write);
        if let Some(snapshot) = write.snapshot() {
            member.state.clone_from(&snapshot.data);
        }
        self.net.extend(member.raft.persisted(write));
        self.invariants.check(&self.members);
    }

    /// The member's owner applies what it has.
    pub(crate) fn apply(&mut self, id: u64) {
        let member = self.members.get_mut(&id).unwrap();
        if let Some(batch) = member.batch.take() {
            for entry in batch.entries() {
                self.invariants.applied(entry);
                if let EntryData::Normal(command) = &entry.data {
                    member.state.push(command.clone());
                }
            }
            let _ = member.raft.applied(batch);
        }
        for request in std::mem::take(&mut member.snapshots) {
            member.raft.send_snapshot(request, member.state.clone());
        }
        self.invariants.check(&self.members);
    }

    /// The member makes a snapshot of what it has applied and drops its log up to there.
    pub(crate) fn compact(&mut self, id: u64) {
        let member = self.members.get_mut(&id).unwrap();
        let Some(snapshot) = member.raft.snapshot(member.state.clone()) else { return };
        let applied = snapshot.last.index;
        if applied > member.disk.snapshot.index {
            (member.disk.snapshot, member.disk.conf_state) = (snapshot.last, snapshot.conf_state);
            member.disk.snapshot_state = snapshot.data;
            member.disk.entries.retain(|entry| entry.id.index > applied);
            member.raft.compact(applied);
        }
    }

    /// The member crashes and starts from its disk. A write that is under way is lost, or is done without anyone hearing of it.
    pub(crate) fn crash(&mut self, id: u64, write_survives: bool) {
        let configure = self.configure;
        let seed = self.seed;
        let member = self.members.get_mut(&id).unwrap();
        match member.write.take() {
            Some(write) if write_survives => member.disk.write(&write),
            _ => {}
        }
        let commit = member.disk.synced.commit.max(member.disk.snapshot.index);
        member.disk.hard_state = HardState { commit, ..member.disk.hard_state };
        member.starts += 1;
        member.raft = start(configure(Config::new(NodeId(id))), &member.disk, seed * 1000 + u64::from(member.starts));
        member.state.clone_from(&member.disk.snapshot_state);
        (member.batch, member.snapshots) = (None, Vec::new());
        self.invariants.check(&self.members);
    }

    /// Delivers the message at this place, unless its link is cut.
    pub(crate) fn deliver(&mut self, place: usize) {
        let message = self.net.remove(place);
        let (from, to) = (message.from.0, message.to.0);
        if self.cut.contains(&(from, to)) {
            return;
        }
        if let Some(member) = self.members.get_mut(&to) {
            match member.raft.step(message) {
                Ok(()) | Err(raft::StepError::ProposalDropped(_) | raft::StepError::NoLeader(_)) => {}
                Err(error) => panic!("member {to}: {error}"),
            }
            self.invariants.check(&self.members);
        }
    }

    /// Everything that can happen at once happens, until nothing is left.
    pub(crate) fn settle(&mut self) {
        for _ in 0..100_000 {
            let ids: Vec<u64> = self.members.keys().copied().collect();
            for &id in &ids {
                self.take_ready(id);
                self.persist(id);
                self.apply(id);
            }
            if !self.net.is_empty() {
                self.deliver(0);
            } else if self.members.values().all(|member| !member.raft.has_ready() && member.write.is_none() && member.batch.is_none()) {
                return;
            }
        }
        panic!("the group does not come to rest");
    }

    pub(crate) fn cut(&mut self, a: u64, b: u64) {
        self.cut.extend([(a, b), (b, a)]);
    }

    pub(crate) fn isolate(&mut self, id: u64) {
        let others: Vec<u64> = self.members.keys().copied().filter(|&other| other != id).collect();
        others.into_iter().for_each(|other| self.cut(id, other));
    }

    pub(crate) fn heal(&mut self) {
        self.cut.clear();
    }

    pub(crate) fn campaign(&mut self, id: u64) {
        self.raft(id).campaign();
        self.settle();
    }

    pub(crate) fn propose(&mut self, id: u64, command: &str) {
        self.raft(id).propose(command.to_owned()).expect("a leader is known");
        self.settle();
    }

    pub(crate) fn tick(&mut self, id: u64, ticks: u32) {
        for _ in 0..ticks {
            self.raft(id).tick();
            self.settle();
        }
    }

    pub(crate) fn roles(&self) -> Vec<Role> {
        self.members.values().map(|member| member.raft.role()).collect()
    }

    pub(crate) fn terms(&self, id: u64) -> Vec<u64> {
        self.members[&id].raft.log().entries().iter().map(|entry| entry.id.term.0).collect()
    }

    /// The highest index that any member knows to be committed.
    pub(crate) fn highest_commit(&self) -> Index {
        self.members.values().map(|member| member.raft.log().committed()).max().unwrap_or_default()
    }
}

/// Whether a message carries a promise.
pub(crate) fn promises(message: &Message<String, State>) -> bool {
    matches!(message.body, Body::VoteResponse { reject: false } | Body::AppendResponse { rejected: None, .. } | Body::Vote { .. })
}

/// The safety properties of Raft (paper, figure 3), as far as the run has shown the members' states.
#[derive(Default)]
struct Invariants {
    leaders: BTreeMap<Term, NodeId>,
    /// Every entry that was ever seen in a log: its data and the term before it.
    entries: BTreeMap<(Index, Term), (EntryData<String>, Option<Term>)>,
    committed: BTreeMap<Index, Term>,
    applied: BTreeMap<Index, EntryData<String>>,
}

impl Invariants {
    /// State Machine Safety: no two members apply different entries at an index.
    fn applied(&mut self, entry: &Entry<String>) {
        let first = self.applied.entry(entry.id.index).or_insert_with(|| entry.data.clone());
        assert_eq!(*first, entry.data, "all apply the same at {}", entry.id);
    }

    fn check(&mut self, members: &BTreeMap<u64, Member>) {
        for member in members.values() {
            self.check_log(&member.raft);
            self.check_promises(member);
        }
        for member in members.values().filter(|member| member.raft.role() == Role::Leader) {
            self.check_leader(&member.raft);
        }
    }

    /// Log Matching: an index and a term name one entry and one predecessor. Committed entries never change.
    fn check_log(&mut self, raft: &Node) {
        let log = raft.log();
        for entry in log.entries() {
            let EntryId { term, index } = entry.id;
            let before = log.term(index.prev());
            let seen = self.entries.entry((index, term)).or_insert_with(|| (entry.data.clone(), before));
            assert_eq!(seen, &(entry.data.clone(), before), "entry {} of member {}", entry.id, raft.id());
            if index <= log.committed() {
                let first = *self.committed.entry(index).or_insert(term);
                assert_eq!(first, term, "entry {index} is committed, and member {} has another", raft.id());
            }
        }
    }

    /// What the disk must have: nobody has applied, and no leader has counted for itself, what is not there.
    fn check_promises(&self, member: &Member) {
        let on_disk = member.disk.entries.last().map_or(member.disk.snapshot.index, |entry| entry.id.index);
        assert!(member.raft.log().applied() <= on_disk, "member {} has applied what its disk does not have", member.raft.id());
        assert!(member.raft.log().stable() <= on_disk.max(member.raft.log().compacted().index), "stable is on disk");
    }

    /// Election Safety: one leader per term. Leader Completeness: it has all that was committed before its term. Its term is on its disk.
    fn check_leader(&mut self, raft: &Node) {
        let first = *self.leaders.entry(raft.term()).or_insert(raft.id());
        assert_eq!(first, raft.id(), "two lead term {}", raft.term());
        for (&index, &term) in self.committed.iter().filter(|&(_, &term)| term < raft.term()) {
            let has = index < raft.log().compacted().index || raft.log().term(index) == Some(term);
            assert!(has, "leader {} of term {} lacks the committed entry {term}/{index}", raft.id(), raft.term());
        }
    }
}

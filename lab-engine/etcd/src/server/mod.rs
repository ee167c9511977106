//! A member of a group: an etcd server that agrees with the others by Raft (`server/etcdserver/server.go`, `raft.go`).
//!
//! ```text
//! client ─ Request ─► propose ─► raft log ─► disk (fsync) ─┐
//!                        ▲  │                              ├─ committed ─► apply to the key space ─► answer, watches
//!             peers ─────┘  └─► Append to peers ─► their disks
//! ```
//!
//! Whoever is asked proposes the change; a follower passes it to the leader. It is applied on every member in the order of the log, and
//! answered by the member that was asked. A read asks the leader for its commit index first and waits until that is applied
//! (linearizable reads; see the module `reads`).
//!
//! [`EtcdServer`] is a state machine: [`Input`]s in, [`Output`]s out, time as an argument. What survives its crash is its [`Disk`].
//!
//! **Simplified here:** members know each other by number, not by URL; the group is not discovered but given; a member takes a snapshot in
//! one step.

mod apply;
mod codec;
mod corruption;
mod disk;
mod intervals;
mod proposal;
mod reads;
mod requests;
mod trace;
mod watches;

pub use corruption::{CorruptionChecks, HashBody, HashMessage, KeyValueHash};
pub use disk::{Disk, PeerMessage, StartError};
pub use proposal::{Change, Proposal};
pub use trace::{member_name, role_name};

use crate::lease::Expiries;
use crate::{CallId, EtcdError, Request, Response, Store};
use corruption::{Check, Checker};
use disk::{Data, State, Write};
use raft::{ConfChange, ConfChangeSingle, Config, Index, NodeId, ProposalDropped, RaftNode, Ready, Role, SnapshotRequest, Term};
use reads::Reads;
use requests::Moving;
use sim::{Rng, Time, What};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use trace::Told;
use watches::Watches;

/// How long a tick of Raft is (`--heartbeat-interval`).
pub const TICK: Duration = Duration::from_millis(100);

/// After how long a request without an outcome is answered with a time-out: five seconds and two election time-outs (`ReqTimeout`).
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(7);

/// How long a member that was removed goes on, so that the others learn of it (`stopWithDelay`).
const REMOVAL_DELAY: Duration = Duration::from_secs(1);

/// After how long the move of a leadership has failed: an election time-out.
const TRANSFER_TIMEOUT: Duration = Duration::from_secs(1);

/// After how long a snapshot that was sent counts as lost if its receiver has not answered. In etcd the transport reports how the sending
/// ended (`ReportSnapshot`); here a message that is lost tells nobody.
const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(5);

/// How a server is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// Who it is.
    pub id: NodeId,
    /// How long its disk takes to make a write safe.
    pub fsync: Duration,
    /// After how many applied entries it takes a snapshot (`--snapshot-count`).
    pub snapshot_count: u64,
    /// How many applied entries stay in the log when it takes one, for followers that lag (`SnapshotCatchUpEntries`).
    pub catch_up_entries: u64,
    /// The most bytes of entries in one message between members (`maxSizePerMsg`); 0 for one entry in each.
    pub max_message_bytes: u64,
    /// How many keys and changes its store holds at most ([`Store::with_limit`]).
    pub limit: usize,
    /// How many bytes its store may take (`--quota-backend-bytes`); 0 for any number, which are then not counted.
    pub quota_bytes: u64,
    /// How it makes sure that all members hold the same.
    pub checks: CorruptionChecks,
}

impl ServerConfig {
    /// The defaults of etcd v3.6, with a disk that takes no time.
    pub fn new(id: NodeId) -> Self {
        ServerConfig {
            id,
            fsync: Duration::ZERO,
            snapshot_count: 10_000,
            catch_up_entries: 5_000,
            max_message_bytes: 1024 * 1024,
            limit: usize::MAX,
            quota_bytes: 0,
            checks: CorruptionChecks::default(),
        }
    }
}

/// Something that reaches a server.
#[derive(Clone, Debug)]
pub enum Input {
    /// A time came that it asked for.
    Wake,
    /// A client asks.
    Request {
        /// The client.
        from: u32,
        /// What it asks.
        request: Request,
    },
    /// A client's connection broke: its watches end, and nobody waits for its answers.
    Disconnected {
        /// The client.
        from: u32,
    },
    /// Another member says something.
    Peer(Box<PeerMessage>),
    /// Another member asks for a checksum, or tells its own.
    Hash(HashMessage),
}

/// Something that a server wants done, in order.
#[derive(Clone, Debug)]
pub enum Output {
    /// Answer a client.
    Respond {
        /// The client.
        to: u32,
        /// The answer.
        response: Response,
    },
    /// Say something to another member.
    Peer(Box<PeerMessage>),
    /// Ask another member for a checksum, or tell the own one.
    Hash(HashMessage),
    /// Add an event to the trace. It is the cause of what follows.
    Trace(What),
    /// The same, of what the application of the entry with this index has brought about.
    TraceApplied(Index, What),
}

/// Who waits for a proposal.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    from: u32,
    call: CallId,
    deadline: Time,
}

/// A server.
#[derive(Debug)]
pub struct EtcdServer {
    config: ServerConfig,
    raft: RaftNode<Data, State>,
    disk: Disk,
    store: Store,
    watches: Watches,
    /// When leases end, as counted here.
    expiries: Expiries,
    /// Who wants the leadership moved.
    moving: Vec<Moving>,
    /// Gives leases their numbers.
    rng: Rng,
    reads: Reads,
    told: Told,
    /// The proposals of clients that wait here, by number.
    waiting: BTreeMap<u64, Waiting>,
    /// Proposals that no leader has taken yet.
    unproposed: Vec<Data>,
    next_request: u64,
    /// The write that the disk is busy with, and until when.
    writing: Option<(Write, Time)>,
    next_tick: Time,
    /// The index of the newest snapshot.
    snapshot_index: Index,
    /// The snapshots that were sent to other members, and when they count as lost.
    sent_snapshots: BTreeMap<NodeId, Time>,
    checker: Checker,
    /// What other members are to be asked.
    questions: Vec<HashMessage>,
    /// Checks that wait for a read of this number to be confirmed.
    confirming: Vec<(u64, Check)>,
    /// What came before it had compared itself with the others.
    held_back: Vec<Input>,
    /// When it stops, because it is no longer a member or has failed.
    stops_at: Option<Time>,
    /// Why it has failed.
    failure: Option<String>,
}

impl EtcdServer {
    /// A first member of a new group, at `now`.
    ///
    /// # Errors
    /// When the configuration cannot be used.
    pub fn bootstrap(config: ServerConfig, members: &[NodeId], now: Time, rng: &Rng) -> Result<Self, StartError> {
        Self::start(config, Disk::for_new_group(members), now, rng, 0)
    }

    /// The only member of a group, at time zero, with a disk that takes no time: it answers at once.
    ///
    /// # Errors
    /// Never, as its configuration is given.
    pub fn alone(rng: &Rng) -> Result<Self, StartError> {
        Self::bootstrap(ServerConfig::new(NodeId(1)), &[NodeId(1)], Time::ZERO, rng)
    }

    /// A member with what its disk holds; an empty disk is that of a member that joins. `start` counts the starts on this disk: it keeps
    /// the numbers of requests apart.
    ///
    /// # Errors
    /// When what is on the disk was damaged or does not fit together.
    pub fn start(config: ServerConfig, mut disk: Disk, now: Time, rng: &Rng, start: u32) -> Result<Self, StartError> {
        let of_raft = Config { max_message_bytes: config.max_message_bytes, ..Config::new(config.id) };
        let found = disk.open(config.id)?;
        let raft = RaftNode::new(of_raft, found.initial, rng.stream(&format!("raft/{start}")))?;
        let store = found.store.map_or_else(|| Store::with_limit(config.limit).with_quota(config.quota_bytes), Arc::unwrap_or_clone);
        let mut server = EtcdServer {
            snapshot_index: disk.snapshot_index(),
            told: Told::everything_in(&raft),
            checker: Checker::new(config.checks, now, start),
            config,
            raft,
            disk,
            watches: Watches::at(store.revision()),
            expiries: Expiries::default(),
            moving: Vec::new(),
            rng: rng.stream(&format!("leases/{start}")),
            store,
            reads: Reads::new(start),
            waiting: BTreeMap::new(),
            unproposed: Vec::new(),
            next_request: u64::from(start) << 32,
            writing: None,
            sent_snapshots: BTreeMap::new(),
            questions: Vec::new(),
            confirming: Vec::new(),
            held_back: Vec::new(),
            stops_at: None,
            failure: None,
            next_tick: now + TICK,
        };
        if server.raft.log().entries().len() == 1 && server.raft.term() == Term(1) {
            // A group of one has nobody to wait for.
            server.settle(now, &mut Vec::new());
            server.raft.campaign();
        }
        if start > 0 {
            server.begin_initial_check(now);
        }
        Ok(server)
    }

    /// Stops the server as a failing machine does; gives its disk. `rng` deals what was being written.
    pub fn crash(mut self, rng: &mut Rng) -> Disk {
        self.disk.leave_database(self.raft.snapshot(Arc::new(self.store)));
        self.disk.crash(rng);
        self.disk
    }

    /// Changes how long the disk takes from the next write on.
    pub fn set_fsync(&mut self, fsync: Duration) {
        self.config.fsync = fsync;
    }

    /// Whether the disk is busy with a write.
    pub fn is_writing(&self) -> bool {
        self.writing.is_some()
    }

    /// The disk, to look at its files or to damage them.
    pub fn disk(&mut self) -> &mut Disk {
        &mut self.disk
    }

    /// The key space, to look at.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The member of Raft, to look at.
    pub fn raft(&self) -> &RaftNode<Data, State> {
        &self.raft
    }

    /// Asks for a change of the members. It is lost if no leader takes it.
    ///
    /// # Errors
    /// When nobody can take it now.
    pub fn change_members(&mut self, change: ConfChangeSingle) -> Result<(), ProposalDropped> {
        self.raft.propose_conf_change(ConfChange::single(change), None)
    }

    /// Asks for the leadership to move to another member. Nothing happens when nobody leads.
    pub fn move_leader(&mut self, to: NodeId) {
        self.raft.transfer_leader(to);
    }

    /// Applies one input at `now`. Whatever it wants done goes to `out`.
    pub fn handle(&mut self, now: Time, input: Input, out: &mut Vec<Output>) {
        if self.is_stopped(now) {
            return;
        }
        let Some(input) = self.before_start(now, input, out) else { return };
        self.serve(now, input, out);
    }

    /// Lets an input pass, or keeps it until the member has compared itself with the others (`StartEtcd`, before `Start`). Clients wait; what
    /// other members say is lost.
    fn before_start(&mut self, now: Time, input: Input, out: &mut Vec<Output>) -> Option<Input> {
        if !self.checker.holds_back() {
            return Some(input);
        }
        match input {
            Input::Hash(message) => self.handle_hash(message, out),
            Input::Request { .. } | Input::Disconnected { .. } => self.held_back.push(input),
            Input::Peer(_) | Input::Wake => {}
        }
        self.check_members(now, out);
        if self.checker.holds_back() || self.is_stopped(now) {
            return None;
        }
        for input in std::mem::take(&mut self.held_back) {
            self.serve(now, input, out);
        }
        Some(Input::Wake)
    }

    fn serve(&mut self, now: Time, input: Input, out: &mut Vec<Output>) {
        while self.ticks() && self.next_tick <= now {
            self.raft.tick();
            self.next_tick += TICK;
        }
        self.finish_write(now, out);
        self.take_snapshot();
        self.give_up_snapshots(now);
        match input {
            Input::Wake => {}
            Input::Request { from, request } => self.request(now, from, request, out),
            Input::Disconnected { from } => {
                self.watches.remove_client(from);
                self.waiting.retain(|_, waiting| waiting.from != from);
                self.reads.forget_client(from);
            }
            // A message that has no effect is one that its sender repeats if it still matters.
            Input::Peer(message) => drop(self.raft.step(*message)),
            Input::Hash(message) => self.handle_hash(message, out),
        }
        self.check_members(now, out);
        if self.raft.role() == Role::Leader {
            self.expiries.take_expired(now).into_iter().for_each(|lease| self.propose_change(Change::Revoke(lease), None));
        }
        self.settle(now, out);
        self.answer_moves(now, out);
        self.expire(now, out);
    }

    /// Whether it has stopped for good, because it was removed from its group or has failed.
    pub fn is_stopped(&self, now: Time) -> bool {
        self.stops_at.is_some_and(|at| at <= now)
    }

    /// When it stops because it was removed from its group or has failed. Its owner then ends the process.
    pub fn stops_at(&self) -> Option<Time> {
        self.stops_at
    }

    /// Why it has failed, in etcd's words; `None` if it has not. One that has failed can be started again, if that helps.
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// When it wants to be woken next; never, once it has stopped.
    pub fn next_wake(&self) -> Option<Time> {
        if self.checker.holds_back() {
            return self.checker.next_wake();
        }
        let tick = self.ticks().then_some(self.next_tick);
        let write = self.writing.as_ref().map(|(_, done_at)| *done_at);
        // Who came first waits for the shortest time.
        let deadline = self.waiting.first_key_value().map(|(_, waiting)| waiting.deadline);
        let lease = if self.raft.role() == Role::Leader { self.expiries.next() } else { None };
        let own = [tick, write, deadline, lease, self.next_move(), self.reads.next_wake(), self.checker.next_wake()];
        let wake = own.into_iter().flatten().min();
        wake.filter(|at| self.stops_at.is_none_or(|stops_at| *at < stops_at))
    }

    /// Whether time matters: a group of one elects and heartbeats nobody.
    fn ticks(&self) -> bool {
        self.raft.role() != Role::Leader || self.raft.progress().len() > 1
    }

    /// Does what Raft asks for until it asks for nothing more.
    fn settle(&mut self, now: Time, out: &mut Vec<Output>) {
        loop {
            self.propose();
            self.reads.ask(now, &mut self.raft);
            if !self.raft.has_ready() {
                return;
            }
            let Ready { messages, reads, write, committed, snapshot_requests, soft_state } = self.raft.ready();
            if soft_state.is_some_and(|state| state.role == Role::Leader) {
                self.expiries.renew_all(self.store.leases(), now);
            }
            self.told.role(&self.raft, out);
            self.told.led(&self.raft, out);
            trace::send(messages, out);
            self.reads.confirmed(&reads);
            if let Some(write) = write {
                self.begin_write(now, write, out);
            }
            if let Some(batch) = committed {
                self.apply_batch(now, batch, out);
            }
            self.send_snapshots(now, snapshot_requests);
            self.reads.serve(&self.store, self.raft.log().applied(), out);
            self.end_confirmed_checks();
        }
    }

    /// Proposes what waits for a leader.
    fn propose(&mut self) {
        if self.raft.leader().is_none() {
            return;
        }
        for proposal in std::mem::take(&mut self.unproposed) {
            if self.raft.propose(proposal.clone()).is_err() {
                self.unproposed.push(proposal);
            }
        }
    }

    fn begin_write(&mut self, now: Time, write: Write, out: &mut Vec<Output>) {
        self.disk.write(&write);
        if write.must_sync() && !self.config.fsync.is_zero() {
            self.writing = Some((write, now + self.config.fsync));
        } else {
            if write.must_sync() {
                self.disk.sync();
            }
            self.persisted(write, out);
        }
    }

    fn finish_write(&mut self, now: Time, out: &mut Vec<Output>) {
        if let Some((write, _)) = self.writing.take_if(|(_, done_at)| *done_at <= now) {
            self.disk.sync();
            self.persisted(write, out);
        }
    }

    /// A write is safe: what it holds may be relied on and told.
    fn persisted(&mut self, write: Write, out: &mut Vec<Output>) {
        if let Some(snapshot) = write.snapshot() {
            self.store = Store::clone(&snapshot.data);
            self.snapshot_index = snapshot.last.index;
            self.watches.replaced(&self.store, out);
        }
        trace::persisted(&self.raft, &write, out);
        let messages = self.raft.persisted(write);
        trace::send(messages, out);
    }

    /// Keeps the key space on disk and drops the log before it, once enough entries were applied.
    fn take_snapshot(&mut self) {
        let applied = self.raft.log().applied();
        if applied.since(self.snapshot_index) as u64 <= self.config.snapshot_count || self.writing.is_some() {
            return;
        }
        let Some(snapshot) = self.raft.snapshot(Arc::new(self.store.clone())) else { return };
        self.disk.write_snapshot(snapshot);
        self.disk.sync();
        self.snapshot_index = applied;
        let compact = Index(applied.0.saturating_sub(self.config.catch_up_entries));
        if compact > self.raft.log().first_index() {
            self.raft.compact(compact);
        }
    }

    fn send_snapshots(&mut self, now: Time, requests: Vec<SnapshotRequest>) {
        for request in requests {
            let to = request.to();
            // Whoever still needs one is asked for again.
            if self.raft.send_snapshot(request, Arc::new(self.store.clone())) {
                self.sent_snapshots.insert(to, now + SNAPSHOT_TIMEOUT);
            }
        }
    }

    /// Gives up snapshots that have not arrived. One that has arrived is none of the leader's cares any more.
    fn give_up_snapshots(&mut self, now: Time) {
        let raft = &mut self.raft;
        self.sent_snapshots.retain(|id, until| {
            if *until <= now {
                raft.report_snapshot(*id, false);
            }
            *until > now
        });
    }

    /// Answers those who have waited too long.
    fn expire(&mut self, now: Time, out: &mut Vec<Output>) {
        while let Some((&request, waiting)) = self.waiting.first_key_value().filter(|(_, waiting)| waiting.deadline <= now) {
            let response = Response::Error(waiting.call, EtcdError::Timeout);
            out.push(Output::Respond { to: waiting.from, response });
            self.waiting.remove(&request);
            self.unproposed.retain(|proposal| proposal.request != request);
        }
        self.reads.expire(now, out);
        self.end_confirmed_checks();
    }
}

#[cfg(test)]
mod tests;

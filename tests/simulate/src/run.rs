//! One run: the group, its clients, and what goes wrong.

use crate::history::{self, Operation};
use crate::invariants::Invariants;
use clients::{Client, Clients};
use etcd::server::{CorruptionChecks, Disk, EtcdServer, HashMessage, Input, Output, PeerMessage, ServerConfig};
use etcd::{Request, Response};
use faults::{Ambush, Faults};
use raft::{NodeId, Role};
use sim::{Endpoint, Kernel, LinkFault, Occurrence, Payload, Rng, Route, Time};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

mod clients;
mod faults;

/// How long faults are made.
const TROUBLE: Duration = Duration::from_secs(40);

/// How long the group then has to work again.
const RECOVERY: Duration = Duration::from_secs(30);

/// How much may happen in one moment: more means that someone asks to be woken for ever.
const MOMENT: u64 = 100_000;

/// What travels.
#[derive(Clone, Debug)]
enum Message {
    Peer(Box<PeerMessage>),
    Hash(HashMessage),
    Ask(Request),
    Answer(Box<Response>),
}

/// A promise was broken.
#[derive(Clone, Debug)]
pub struct Broken {
    /// The seed of the run.
    pub seed: u64,
    /// When.
    pub at: Time,
    /// What.
    pub what: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {} at {} ms: {}", self.seed, self.at.as_millis(), self.what)
    }
}

/// What a run has seen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Report {
    /// Occurrences.
    pub steps: u64,
    /// Entries that were committed.
    pub committed: usize,
    /// Requests of clients, and how many were answered.
    pub asked: usize,
    /// How many of them were answered.
    pub answered: usize,
    /// Crashes of members.
    pub crashes: usize,
    /// Terms in which somebody led.
    pub terms: u64,
    /// Logs whose last record a crash had torn, and that were repaired.
    pub torn: usize,
    /// Disks that rotted and were refused.
    pub rotten: usize,
}

/// A place for a member: its server, or its disk while it is down.
struct Place {
    endpoint: Endpoint,
    server: Option<EtcdServer>,
    disk: Option<Disk>,
    starts: u32,
    /// Whether its disk has rotted: it never starts again.
    rotten: bool,
}

/// The run.
struct Run {
    kernel: Kernel<Message>,
    places: BTreeMap<NodeId, Place>,
    by_endpoint: BTreeMap<Endpoint, NodeId>,
    clients: Clients,
    invariants: Invariants,
    config: ServerConfig,
    rng: Rng,
    /// Whether messages between members are datagrams, which get lost, doubled and overtaken.
    wild: bool,
    /// Who crashes as soon as its disk is busy.
    doomed: BTreeSet<NodeId>,
    /// Who lies in wait for leaders, in some runs.
    ambush: Option<Ambush>,
    crashes: usize,
    torn: usize,
}

/// Runs a seed.
///
/// # Errors
/// The first promise that is broken.
pub fn run(seed: u64) -> Result<Report, Broken> {
    let mut run = Run::new(seed);
    let at = |run: &Run| run.kernel.now();
    let broken = |run: &Run, what: String| Broken { seed, at: at(run), what };
    let result = run.trouble().and_then(|()| run.recover()).and_then(|()| run.judge());
    result.map_err(|what| broken(&run, what))?;
    let operations = run.clients.operations();
    let terms = run.places.values().filter_map(|place| place.server.as_ref()).map(|server| server.raft().term().0).max();
    Ok(Report {
        steps: run.kernel.steps(),
        committed: run.invariants.committed(),
        asked: operations.len(),
        answered: operations.iter().filter(|operation: &&Operation| operation.told.is_some()).count(),
        crashes: run.crashes,
        terms: terms.unwrap_or(0),
        torn: run.torn,
        rotten: run.places.values().filter(|place| place.rotten).count(),
    })
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut kernel = Kernel::new(seed);
        let mut rng = kernel.rng("run");
        let members: Vec<NodeId> = (1..=if rng.chance(500_000) { 3 } else { 5 }).map(NodeId).collect();
        let fsync = rng.duration(Duration::ZERO, Duration::from_millis(15));
        // Entries go to followers one by one, some at a time, or all together.
        let max_message_bytes = [1, 4096, 1024 * 1024][rng.index(3)];
        let (snapshot_count, catch_up_entries) = (5 + rng.below(80), 1 + rng.below(40));
        // Members that compare themselves never find a difference, whatever goes wrong. One that does so before it starts keeps out of elections for
        // some seconds if it does not reach everybody, so that most runs are without it.
        let checks = if rng.chance(200_000) {
            let mut every = || Some(rng.duration(Duration::from_secs(1), Duration::from_secs(9)));
            CorruptionChecks { periodic: every(), compaction: every(), initial: rng.chance(500_000) }
        } else {
            CorruptionChecks::default()
        };
        let config = ServerConfig { fsync, snapshot_count, catch_up_entries, max_message_bytes, checks, ..ServerConfig::new(NodeId(0)) };
        let clients = Clients::new(&mut kernel, &members);
        let mut run = Run {
            places: BTreeMap::new(),
            by_endpoint: BTreeMap::new(),
            invariants: Invariants::default(),
            wild: rng.chance(700_000),
            kernel,
            clients,
            config,
            rng,
            doomed: BTreeSet::new(),
            ambush: None,
            crashes: 0,
            torn: 0,
        };
        for id in &members {
            run.add_place(*id, Disk::for_new_group(&members));
            run.start(*id);
        }
        run
    }

    fn add_place(&mut self, id: NodeId, disk: Disk) {
        let endpoint = self.kernel.endpoint(&format!("etcd-{id}"));
        self.by_endpoint.insert(endpoint, id);
        self.places.insert(id, Place { endpoint, server: None, disk: Some(disk), starts: 0, rotten: false });
    }

    fn start(&mut self, id: NodeId) {
        let now = self.kernel.now();
        let rng = self.kernel.rng(&format!("etcd-{id}"));
        let Some(place) = self.places.get_mut(&id) else { return };
        let Some(disk) = place.disk.take() else { return };
        let server = EtcdServer::start(ServerConfig { id, ..self.config.clone() }, disk, now, &rng, place.starts);
        let mut server = server.expect("what a member wrote it can read, whatever a crash has taken");
        self.torn += usize::from(server.disk().repaired().is_some());
        place.server = Some(server);
        place.starts += 1;
        let endpoint = place.endpoint;
        self.invariants.started(id);
        self.kernel.bring_up(endpoint);
        self.kernel.wake(endpoint, now, None);
    }

    fn crash(&mut self, id: NodeId) {
        let mut deal = self.rng.stream(&format!("crash/{}", self.crashes));
        let Some(place) = self.places.get_mut(&id) else { return };
        let Some(server) = place.server.take() else { return };
        self.crashes += 1;
        place.disk = Some(server.crash(&mut deal));
        self.kernel.take_down(place.endpoint);
        self.clients.disconnected(id);
    }

    /// A member crashes during its next write.
    fn crash_in_writing(&mut self, id: NodeId) {
        self.doomed.insert(id);
    }

    /// A member crashes, and a bit of its log turns over: it must not start from that.
    fn rot(&mut self, id: NodeId) -> Result<(), String> {
        self.crash(id);
        let mut deal = self.rng.stream("rot");
        let rng = self.kernel.rng(&format!("etcd-{id}"));
        let Some(place) = self.places.get_mut(&id) else { return Ok(()) };
        let Some(mut disk) = place.disk.take() else { return Ok(()) };
        let Some(at) = disk.rot(&mut deal) else {
            // It has joined and written nothing yet.
            place.disk = Some(disk);
            return Ok(());
        };
        place.rotten = true;
        match EtcdServer::start(ServerConfig { id, ..self.config.clone() }, disk, self.kernel.now(), &rng, place.starts) {
            Err(error) if error.to_string().contains("crc mismatch") => Ok(()),
            Err(error) => Err(format!("member {id} has a flipped bit in {at}, and its checksums say nothing of it: {error}")),
            Ok(_) => Err(format!("member {id} starts with a flipped bit in {at}")),
        }
    }

    /// Who leads, as far as a member says so of itself.
    fn leader(&self) -> Option<NodeId> {
        let leads = |place: &&Place| place.server.as_ref().is_some_and(|server| server.raft().role() == Role::Leader);
        let leaders = self.places.iter().filter(|(_, place)| leads(place)).map(|(id, _)| *id);
        leaders.max_by_key(|id| self.places[id].server.as_ref().map(|server| server.raft().term()))
    }

    /// Lets time pass until `until`.
    fn pass(&mut self, until: Time) -> Result<(), String> {
        let mut moment = (self.kernel.now(), self.kernel.steps());
        while let Some(occurrence) = self.kernel.next_until(until) {
            self.step(occurrence)?;
            if self.kernel.now() > moment.0 {
                moment = (self.kernel.now(), self.kernel.steps());
            } else if self.kernel.steps() > moment.1 + MOMENT {
                return Err("time stands still".to_owned());
            }
        }
        self.kernel.idle_until(until);
        Ok(())
    }

    fn step(&mut self, occurrence: Occurrence<Message>) -> Result<(), String> {
        let Occurrence { to, payload, .. } = occurrence;
        if let Some(&id) = self.by_endpoint.get(&to) {
            let input = match payload {
                Payload::Wake => Input::Wake,
                Payload::Message { message: Message::Peer(message), .. } => Input::Peer(message),
                Payload::Message { message: Message::Hash(message), .. } => Input::Hash(message),
                Payload::Message { from, message: Message::Ask(request) } => Input::Request { from: self.clients.number(from), request },
                Payload::Message { message: Message::Answer(_), .. } => return Ok(()),
            };
            self.drive(id, input)
        } else {
            let answer = match payload {
                Payload::Message { message: Message::Answer(response), .. } => Some(*response),
                _ => None,
            };
            let now = self.kernel.now();
            let order = self.kernel.steps();
            let client: &mut Client = self.clients.at(to);
            let ask = client.handle(now, order, answer, &self.invariants.model)?;
            let wake = client.next_wake();
            self.kernel.wake(to, wake, None);
            if let Some((member, request)) = ask
                && let Some(place) = self.places.get(&member)
            {
                self.kernel.send(to, place.endpoint, Message::Ask(request), None);
            }
            Ok(())
        }
    }

    fn drive(&mut self, id: NodeId, input: Input) -> Result<(), String> {
        let now = self.kernel.now();
        let Some(Place { endpoint, server: Some(server), .. }) = self.places.get_mut(&id) else { return Ok(()) };
        let (endpoint, mut out) = (*endpoint, Vec::new());
        server.handle(now, input, &mut out);
        self.invariants.look(server)?;
        let writes = server.is_writing();
        let falls = self.ambush.as_mut().is_some_and(|ambush| ambush.springs(server));
        if let Some(at) = server.next_wake() {
            self.kernel.wake(endpoint, at, None);
        }
        if falls {
            // What it would send now is lost already.
            self.kernel.network().heal_all();
            self.cut_from_members(id);
        }
        for output in out {
            match output {
                Output::Respond { to, response } => {
                    self.kernel.send(endpoint, self.clients.endpoint(to), Message::Answer(Box::new(response)), None);
                }
                Output::Peer(message) => self.send_peer(endpoint, message),
                Output::Hash(message) => {
                    if let Some(place) = self.places.get(&message.to) {
                        self.kernel.send(endpoint, place.endpoint, Message::Hash(message), None);
                    }
                }
                Output::Trace(_) | Output::TraceApplied(..) => {}
            }
        }
        if writes && self.doomed.remove(&id) {
            self.crash(id);
        }
        Ok(())
    }

    /// Sends to another member: over a stream, as etcd does, or by datagrams, which Raft must bear too. What is passed on for a client
    /// always takes a stream: doubled, it would be two requests.
    fn send_peer(&mut self, from: Endpoint, message: Box<PeerMessage>) {
        let Some(to) = self.places.get(&message.to).map(|place| place.endpoint) else { return };
        let passed_on = matches!(message.body, raft::Body::Propose(_));
        if !self.wild || passed_on {
            return self.kernel.send(from, to, Message::Peer(message), None);
        }
        let now = self.kernel.now();
        let times = match self.kernel.network().datagram(now, from, to) {
            Route::Arrives(at) => vec![at],
            Route::ArrivesTwice(first, second) => vec![first, second],
            Route::Lost => Vec::new(),
        };
        for at in times {
            self.kernel.deliver_at(at, from, to, Message::Peer(message.clone()), None);
        }
    }

    /// Makes faults, one after the other.
    fn trouble(&mut self) -> Result<(), String> {
        let end = self.kernel.now() + TROUBLE;
        let mut faults = Faults::new(&self.rng);
        self.ambush = Ambush::deal(&self.rng);
        while self.kernel.now() < end {
            let pause = faults.pause();
            let until = (self.kernel.now() + pause).min(end);
            self.pass(until)?;
            faults.make(self)?;
        }
        Ok(())
    }

    /// Takes all faults away, and sees whether the group works and agrees.
    fn recover(&mut self) -> Result<(), String> {
        self.kernel.network().heal_all();
        self.ambush = None;
        self.doomed.clear();
        let down: Vec<NodeId> = self.places.iter().filter(|(_, place)| place.server.is_none()).map(|(id, _)| *id).collect();
        down.into_iter().for_each(|id| self.start(id));
        for server in self.places.values_mut().filter_map(|place| place.server.as_mut()) {
            server.set_fsync(self.config.fsync);
        }
        let before = self.invariants.committed();
        self.pass(self.kernel.now() + RECOVERY)?;
        if self.invariants.committed() == before {
            return Err("nothing was committed after all faults were gone".to_owned());
        }
        self.clients.stop();
        self.pass(self.kernel.now() + RECOVERY)?;
        let leader = self.leader().ok_or("nobody leads after all faults were gone")?;
        let group = self.places[&leader].server.as_ref().map(|server| server.raft().conf_state().clone()).unwrap_or_default();
        for (id, place) in self.places.iter().filter(|(id, place)| group.contains(**id) && !place.rotten) {
            let server = place.server.as_ref().expect("all were started");
            let applied = server.raft().log().applied();
            if applied.since(raft::Index(0)) != self.invariants.committed() {
                return Err(format!("member {id} has applied {applied} of {} entries in the end", self.invariants.committed()));
            }
            self.invariants.compare(server)?;
        }
        Ok(())
    }

    /// Judges what clients were told.
    fn judge(&self) -> Result<(), String> {
        let written = self.invariants.model.changes.iter().filter_map(|(.., value)| value.as_deref());
        let written: BTreeSet<u64> = written.filter_map(|value| std::str::from_utf8(value).ok()?.parse().ok()).collect();
        history::judge(&self.clients.operations(), |value| written.contains(&value))
    }

    /// The other members do not reach it any more; its clients do.
    fn cut_from_members(&mut self, id: NodeId) {
        let from = self.places[&id].endpoint;
        let others: Vec<_> = self.places.values().map(|place: &Place| place.endpoint).filter(|to| *to != from).collect();
        others.into_iter().for_each(|to| self.inject(LinkFault::Cut(from, to)));
    }

    /// Cuts two members off from each other, or one from all.
    fn inject(&mut self, fault: LinkFault) {
        self.kernel.network().inject(fault);
    }
}

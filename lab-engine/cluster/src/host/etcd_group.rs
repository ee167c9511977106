//! The members of etcd of a host: their processes, their disks, and what they send each other.
//!
//! A member that was added to the group (`etcdctl member add`) is started on a new machine with an empty disk as soon as the leader speaks to
//! it, as an administrator would start it; one that was removed ends. A member whose process does not run can be started from a snapshot
//! that was restored (`etcdutl snapshot restore`); it belongs to another cluster then, and takes nothing from members of the old one.
//!
//! **Simplified here:** API servers know the members they were started with, as real ones know those of `--etcd-servers`.

use crate::config::EtcdConfig;
use crate::host::Host;
use crate::host::log_entries::LogEntries;
use crate::message::Message;
use client::{Component, StartMember};
use etcd::server::{Disk, EtcdServer, Input, Output, ServerConfig, member_name, role_name};
use etcd::{EtcdError, Store};
use raft::NodeId;
use serde::{Deserialize, Serialize};
use sim::{Endpoint, EventId, Kernel, Payload, Rng, Time, What};
use std::sync::Arc;
use std::time::Duration;

/// After how many applied entries a member takes a snapshot and drops the log before it. Less than etcd's 10,000: the log is in memory.
const SNAPSHOT_COUNT: u64 = 5_000;

/// How many entries stay for members that lag.
const CATCH_UP_ENTRIES: u64 = 1_000;

/// A process, or the disk of one that does not run.
enum Process {
    Running(Box<EtcdServer>),
    Stopped(Box<Disk>),
    /// On its way from the one to the other.
    Nowhere,
}

/// A member and where it is.
struct MemberSlot {
    endpoint: Endpoint,
    config: ServerConfig,
    process: Process,
    rng: Rng,
    starts: u32,
    /// Which cluster its data is of: empty for the one that the host began with. Members hear none of another cluster.
    cluster: Arc<str>,
    /// Whether it was removed from its group: it does not start again.
    removed: bool,
}

impl MemberSlot {
    fn new<M>(kernel: &mut Kernel<M>, config: ServerConfig, cluster: Arc<str>) -> Self {
        let name = member_name(config.id);
        let process = Process::Stopped(Box::default());
        MemberSlot { endpoint: kernel.endpoint(&name), config, process, rng: kernel.rng(&name), starts: 0, cluster, removed: false }
    }
}

/// How a member of etcd stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberStatus {
    /// Its name: `etcd-1`.
    pub name: String,
    /// Whether its process runs. Nothing below is known of one that does not.
    pub running: bool,
    /// `follower`, `pre-candidate`, `candidate` or `leader`.
    pub role: String,
    /// Its term.
    pub term: u64,
    /// Whom it takes for the leader.
    pub leader: Option<String>,
    /// The index of the last entry of its log.
    pub last_index: u64,
    /// The term of that entry.
    pub last_term: u64,
    /// Up to which entry it knows the log to be committed.
    pub committed: u64,
    /// Up to which entry it has applied the log.
    pub applied: u64,
    /// The revision of its key space.
    pub revision: u64,
    /// The alarms that it knows, as `etcdctl alarm list` prints them: `memberID:2 alarm:CORRUPT`.
    pub alarms: Vec<String>,
}

/// All members.
pub(crate) struct EtcdGroup {
    members: Vec<MemberSlot>,
    log: LogEntries,
}

impl EtcdGroup {
    /// A group that begins at time zero.
    pub(crate) fn new<M>(kernel: &mut Kernel<M>, config: &EtcdConfig, limit: usize) -> Self {
        let ids: Vec<NodeId> = (1..=u64::from(config.members)).map(NodeId).collect();
        let members = ids.iter().map(|id| {
            let usual = ServerConfig::new(*id);
            let config = ServerConfig {
                fsync: config.fsync(),
                limit,
                snapshot_count: SNAPSHOT_COUNT,
                catch_up_entries: CATCH_UP_ENTRIES,
                max_message_bytes: config.max_message_bytes.unwrap_or(usual.max_message_bytes),
                checks: config.checks(),
                ..usual
            };
            let mut member = MemberSlot::new(kernel, config, "".into());
            member.process = match EtcdServer::bootstrap(member.config.clone(), &ids, Time::ZERO, &member.rng) {
                Ok(server) => Process::Running(Box::new(server)),
                Err(_) => Process::Stopped(Box::new(Disk::for_new_group(&ids))),
            };
            kernel.wake(member.endpoint, Time::ZERO, None);
            member
        });
        EtcdGroup { members: members.collect(), log: LogEntries::default() }
    }

    /// How many members there are, those that do not run included.
    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// The place of the member at this endpoint.
    pub(crate) fn place_of(&self, endpoint: Endpoint) -> Option<usize> {
        self.members.iter().position(|member| member.endpoint == endpoint)
    }

    /// Where the member in this place is.
    pub(crate) fn endpoint(&self, place: usize) -> Endpoint {
        self.members[place].endpoint
    }

    /// How the members stand, in order.
    pub(crate) fn status(&self) -> Vec<MemberStatus> {
        let status = |member: &MemberSlot| {
            let stopped = MemberStatus { name: member_name(member.config.id), ..MemberStatus::default() };
            let Process::Running(server) = &member.process else { return stopped };
            let (raft, log) = (server.raft(), server.raft().log());
            MemberStatus {
                running: true,
                role: role_name(raft.role()).to_owned(),
                term: raft.term().0,
                leader: raft.leader().map(member_name),
                last_index: log.last_index().0,
                last_term: log.last_id().term.0,
                committed: log.committed().0,
                applied: log.applied().0,
                revision: server.store().revision(),
                alarms: server.store().alarms().map(|(member, alarm)| format!("memberID:{member} alarm:{}", alarm.name())).collect(),
                ..stopped
            }
        };
        self.members.iter().map(status).collect()
    }
}

impl<C: Component> Host<C> {
    /// The members of etcd.
    pub(crate) fn etcd(&self) -> &EtcdGroup {
        &self.etcd
    }

    pub(crate) fn step_etcd(&mut self, place: usize, payload: Payload<Message>, cause: Option<EventId>) {
        let input = match payload {
            Payload::Wake => Input::Wake,
            Payload::Message { from, message: Message::Store(request) } => match self.number_of_client(from) {
                Some(from) => Input::Request { from, request: *request },
                None => return,
            },
            Payload::Message { message: Message::Peer(message), .. } => Input::Peer(message),
            Payload::Message { message: Message::Hash(message), .. } => Input::Hash(message),
            Payload::Message { .. } => return,
        };
        self.drive_etcd(place, input, cause);
    }

    /// How members know whoever is at the endpoint: API servers first, then components.
    fn number_of_client(&self, endpoint: Endpoint) -> Option<u32> {
        let server = self.servers.iter().position(|server| server.endpoint == endpoint);
        let component = || self.by_endpoint.get(&endpoint).map(|number| self.servers.len() + number);
        u32::try_from(server.or_else(component)?).ok()
    }

    fn endpoint_of_client(&self, number: u32) -> Option<Endpoint> {
        let number = number as usize;
        match self.servers.get(number) {
            Some(server) => Some(server.endpoint),
            None => self.slots.get(number - self.servers.len()).map(|slot| slot.endpoint),
        }
    }

    pub(crate) fn drive_etcd(&mut self, place: usize, input: Input, cause: Option<EventId>) {
        let now = self.kernel.now();
        let member = &mut self.etcd.members[place];
        let endpoint = member.endpoint;
        let Process::Running(server) = &mut member.process else { return };
        let mut outputs = Vec::new();
        server.handle(now, input, &mut outputs);
        let wake = [server.next_wake(), server.stops_at().filter(|at| *at > now)].into_iter().flatten().min();
        let (cluster, ends, failure) = (member.cluster.clone(), server.is_stopped(now), server.failure().map(Arc::from));
        let incoming = cause;
        let from = self.sender(cause);
        let mut cause = cause;
        for output in outputs {
            match output {
                Output::Trace(what) => {
                    let because = self.etcd.log.cause(&what, endpoint, incoming, from).unwrap_or(cause);
                    let id = self.record(endpoint, what, because);
                    if let Some(event) = self.kernel.trace().get(id) {
                        self.etcd.log.recorded(&event.what, endpoint, id);
                    }
                    cause = Some(id);
                }
                Output::TraceApplied(index, what) => {
                    let because = self.etcd.log.committed(index.0).or(incoming);
                    cause = Some(self.record(endpoint, what, because));
                }
                Output::Respond { to, response } => {
                    if let Some(to) = self.endpoint_of_client(to) {
                        self.kernel.send(endpoint, to, Message::Stored(Box::new(response)), cause);
                    }
                }
                Output::Peer(message) => {
                    if let Some(to) = self.peer(place, message.to, &cluster, cause) {
                        self.kernel.send(endpoint, to, Message::Peer(message), cause);
                    }
                }
                Output::Hash(message) => {
                    if let Some(to) = self.peer(place, message.to, &cluster, cause) {
                        self.kernel.send(endpoint, to, Message::Hash(message), cause);
                    }
                }
            }
        }
        if let Some(at) = wake {
            self.kernel.wake(endpoint, at, cause);
        }
        if ends {
            // Who has failed can be started again; who was removed cannot.
            match failure {
                Some(message) => cause = Some(self.record(endpoint, What::Exited { message }, cause)),
                None => self.etcd.members[place].removed = true,
            }
            self.crash_member(place, cause);
        }
    }

    /// Where the member with this number is, if it is of the same cluster as whoever speaks to it. One that nobody has seen yet was added just now
    /// and is started.
    fn peer(&mut self, from: usize, id: NodeId, cluster: &Arc<str>, cause: Option<EventId>) -> Option<Endpoint> {
        if let Some(known) = self.etcd.members.iter().find(|member| member.config.id == id) {
            return (known.cluster == *cluster).then_some(known.endpoint);
        }
        let config = ServerConfig { id, ..self.etcd.members[from].config.clone() };
        let member = MemberSlot::new(&mut self.kernel, config, cluster.clone());
        let endpoint = member.endpoint;
        self.kernel.take_down(endpoint);
        self.etcd.members.push(member);
        self.restart_member(self.etcd.len() - 1, cause).ok().map(|()| endpoint)
    }

    /// Starts a member that does not run from a key space, as one of a new cluster of these members; `cluster` tells clusters apart.
    ///
    /// # Errors
    /// [`EtcdError::AddressInUse`] when its process runs, [`EtcdError::MemberNotFound`] when the host has no machine for it, and
    /// [`EtcdError::Corrupt`] when it does not start.
    pub(crate) fn start_restored(&mut self, start: &StartMember, cause: Option<EventId>) -> Result<(), EtcdError> {
        let place = self.member_named(&start.name).ok_or(EtcdError::MemberNotFound)?;
        let member = &mut self.etcd.members[place];
        if let Process::Running(_) = member.process {
            return Err(EtcdError::AddressInUse);
        }
        let group: Vec<NodeId> = match start.members.is_empty() {
            true => vec![member.config.id],
            false => start.members.iter().copied().map(NodeId).collect(),
        };
        let limits = |store: Store| store.within(member.config.limit).with_quota(member.config.quota_bytes);
        member.process = Process::Stopped(Box::new(Disk::restored(&group, limits(Store::clone(&start.store)))));
        (member.cluster, member.removed) = (start.cluster.clone(), false);
        // Its entries count from the beginning.
        self.etcd.log = LogEntries::default();
        self.restart_member(place, cause).map_err(|_| EtcdError::Corrupt)
    }

    /// Which member an event is of, in a group.
    fn sender(&self, event: Option<EventId>) -> Option<Endpoint> {
        if self.etcd.len() == 1 {
            return None;
        }
        let event = self.kernel.trace().get(event?)?;
        self.etcd.members.iter().map(|member| member.endpoint).find(|endpoint| *self.kernel.name(*endpoint) == event.actor)
    }

    /// The member of this name.
    pub(crate) fn member_named(&self, name: &str) -> Option<usize> {
        self.etcd.members.iter().position(|member| &**self.kernel.name(member.endpoint) == name)
    }

    /// The process of a member is killed. What its disk was writing may be lost.
    pub(crate) fn crash_member(&mut self, place: usize, cause: Option<EventId>) {
        let member = &mut self.etcd.members[place];
        if let Process::Running(server) = std::mem::replace(&mut member.process, Process::Nowhere) {
            let mut rng = member.rng.stream(&format!("crash/{}", member.starts));
            member.process = Process::Stopped(Box::new(server.crash(&mut rng)));
            let endpoint = member.endpoint;
            self.kernel.take_down(endpoint);
            self.refresh_links(cause);
        }
    }

    /// Starts a member again from its disk. One whose disk cannot be read stays down; the reason is given.
    pub(crate) fn restart_member(&mut self, place: usize, cause: Option<EventId>) -> Result<(), String> {
        let now = self.kernel.now();
        let member = &mut self.etcd.members[place];
        let Process::Stopped(disk) = &member.process else { return Ok(()) };
        if member.removed {
            return Err("the member has been permanently removed from the cluster".to_owned());
        }
        member.starts += 1;
        let server = EtcdServer::start(member.config.clone(), Disk::clone(disk), now, &member.rng, member.starts);
        member.process = Process::Running(Box::new(server.map_err(|error| error.to_string())?));
        let endpoint = member.endpoint;
        self.kernel.bring_up(endpoint);
        self.kernel.wake(endpoint, now, cause);
        self.refresh_links(cause);
        Ok(())
    }

    /// Damages the value of a key in a member's key space, whether or not its process runs. False if it has no such key.
    pub(crate) fn damage(&mut self, place: usize, key: &str) -> bool {
        match &mut self.etcd.members[place].process {
            Process::Running(server) => server.damage(key),
            Process::Stopped(disk) => disk.damage(key),
            Process::Nowhere => false,
        }
    }

    /// Changes how long a member's disk takes to make a write safe; `None` for what the cluster began with.
    pub(crate) fn set_fsync(&mut self, place: usize, fsync: Option<Duration>) {
        let member = &mut self.etcd.members[place];
        if let Process::Running(server) = &mut member.process {
            server.set_fsync(fsync.unwrap_or(member.config.fsync));
        }
    }
}

//! A group of members: writes, reads, lost quorums, crashes, a member that joins.

use super::*;
use crate::{KeyRange, Op, Range, Txn};
use sim::Seed;

/// Members, and the messages between them, which are delivered at once unless someone is cut off.
pub(super) struct Group {
    pub(super) members: BTreeMap<NodeId, EtcdServer>,
    pub(super) cut: Vec<NodeId>,
    pub(super) now: Time,
    answers: Vec<(u32, Response)>,
}

fn ids(count: u64) -> Vec<NodeId> {
    (1..=count).map(NodeId).collect()
}

pub(super) fn rng(id: NodeId) -> Rng {
    Seed(5).stream(&format!("etcd-{id}"))
}

impl Group {
    fn new(count: u64) -> Self {
        Group::with(count, CorruptionChecks::default())
    }

    pub(super) fn with(count: u64, checks: CorruptionChecks) -> Self {
        let all = ids(count);
        let server = |id: &NodeId| {
            let fsync = Duration::from_millis(2);
            let config = ServerConfig { fsync, snapshot_count: 20, catch_up_entries: 20, checks, ..ServerConfig::new(*id) };
            (*id, EtcdServer::bootstrap(config, &all, Time::ZERO, &rng(*id)).unwrap())
        };
        Group { members: all.iter().map(server).collect(), cut: Vec::new(), now: Time::ZERO, answers: Vec::new() }
    }

    fn handle(&mut self, id: NodeId, input: Input) {
        let mut inputs = std::collections::VecDeque::from([(id, input)]);
        while let Some((id, input)) = inputs.pop_front() {
            let Some(member) = self.members.get_mut(&id) else { continue };
            let mut out = Vec::new();
            member.handle(self.now, input, &mut out);
            for output in out {
                match output {
                    Output::Respond { to, response } => self.answers.push((to, response)),
                    Output::Peer(message) if self.cut.contains(&message.from) || self.cut.contains(&message.to) => {}
                    Output::Peer(message) => inputs.push_back((message.to, Input::Peer(message))),
                    Output::Hash(message) if self.cut.contains(&message.from) || self.cut.contains(&message.to) => {}
                    Output::Hash(message) => inputs.push_back((message.to, Input::Hash(message))),
                    Output::Trace(_) | Output::TraceApplied(..) => {}
                }
            }
        }
    }

    pub(super) fn advance(&mut self, by: Duration) {
        let end = self.now + by;
        loop {
            let wakes = self.members.iter().filter_map(|(id, member)| Some((member.next_wake()?, *id)));
            let Some((at, id)) = wakes.min().filter(|(at, _)| *at <= end) else { break };
            self.now = self.now.max(at);
            self.handle(id, Input::Wake);
        }
        self.now = end;
    }

    pub(super) fn leader(&self) -> NodeId {
        let leads = |id: &&NodeId| self.members[*id].raft().role() == Role::Leader && !self.cut.contains(id);
        *self.members.keys().find(leads).expect("somebody leads")
    }

    pub(super) fn put(&mut self, id: NodeId, call: u64, key: &str, value: &str) {
        let txn = Txn { success: vec![Op::put(key, value)], ..Txn::default() };
        self.handle(id, Input::Request { from: 0, request: Request::Txn(CallId(call), txn) });
    }

    pub(super) fn read(&mut self, id: NodeId, call: u64, key: &str) {
        let range = Range::all(KeyRange::One(key.into()));
        self.handle(id, Input::Request { from: 0, request: Request::Range(CallId(call), range) });
    }

    /// Takes the answers, in words.
    pub(super) fn said(&mut self) -> Vec<String> {
        let text = |response: Response| match response {
            Response::Txn(call, txn) => format!("{} put at {}", call.0, txn.revision),
            Response::Range(call, range) => {
                let values: Vec<_> = range.kvs.iter().map(|kv| String::from_utf8(kv.value.0.encode()).unwrap()).collect();
                format!("{} read {} at {}", call.0, values.join(","), range.revision)
            }
            Response::Error(call, error) => format!("{} {error}", call.0),
            Response::Events(call, events, _) => format!("{} saw {}", call.0, events.len()),
            Response::Compacted(call) => format!("{} compacted", call.0),
            Response::Canceled { call, error, .. } => format!("{} {error}", call.0),
            Response::Lease(call, answer) => format!("{} {answer:?}", call.0),
            Response::Maintenance(call, answer) => format!("{} {answer:?}", call.0),
        };
        std::mem::take(&mut self.answers).into_iter().map(|(_, response)| text(response)).collect()
    }
}

pub(super) const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_group_of_one_needs_no_ticks() {
    let mut group = Group::new(1);
    group.put(NodeId(1), 1, "a", "x");
    group.read(NodeId(1), 2, "a");
    group.advance(SECOND);
    assert_eq!(group.said(), ["1 put at 2", "2 read x at 2"]);
    assert_eq!(group.members[&NodeId(1)].next_wake(), None, "nothing is left to do");
}

#[test]
fn a_write_through_a_follower_is_read_everywhere() {
    let mut group = Group::new(3);
    group.advance(5 * SECOND);
    let leader = group.leader();
    let follower = *group.members.keys().find(|id| **id != leader).unwrap();
    group.put(follower, 1, "a", "x");
    group.advance(SECOND);
    assert_eq!(group.said(), ["1 put at 2"]);
    for id in ids(3) {
        group.read(id, id.0, "a");
        group.advance(SECOND);
        assert_eq!(group.said(), [format!("{id} read x at 2")]);
    }
}

#[test]
fn without_a_quorum_writes_and_reads_time_out() {
    let mut group = Group::new(3);
    group.advance(5 * SECOND);
    let leader = group.leader();
    group.cut = ids(3).into_iter().filter(|id| *id != leader).collect();
    group.put(leader, 1, "a", "x");
    group.read(leader, 2, "a");
    group.advance(6 * SECOND);
    assert_eq!(group.said(), [""; 0]);
    group.advance(2 * SECOND);
    assert_eq!(group.said(), ["1 etcdserver: request timed out", "2 etcdserver: request timed out"]);
    group.cut.clear();
    group.advance(5 * SECOND);
    let leader = group.leader();
    group.read(leader, 3, "a");
    group.advance(SECOND);
    let said = group.said();
    assert!(said == ["3 read x at 2"] || said == ["3 read  at 1"], "what timed out may have happened: {said:?}");
}

#[test]
fn a_leader_that_is_cut_off_answers_no_read_from_its_old_state() {
    let mut group = Group::new(3);
    group.advance(5 * SECOND);
    let old = group.leader();
    group.cut = vec![old];
    group.read(old, 1, "a");
    group.advance(5 * SECOND);
    let new = group.leader();
    group.put(new, 2, "a", "x");
    group.advance(SECOND);
    assert_eq!(group.said(), ["2 put at 2"]);
    group.cut.clear();
    group.advance(500 * Duration::from_millis(1));
    assert_eq!(group.said(), ["1 read x at 2"], "it asks again, and sees what the others have agreed on");
}

#[test]
fn a_crash_loses_nothing_that_was_answered() {
    let mut group = Group::new(3);
    group.advance(5 * SECOND);
    for call in 1..=50 {
        let leader = group.leader();
        group.put(leader, call, "a", &format!("v{call}"));
        group.advance(SECOND);
        assert_eq!(group.said(), [format!("{call} put at {}", call + 1)]);
        let mut deal = Seed(call).stream("crash");
        let server = group.members.remove(&leader).unwrap();
        let (config, disk) = (server.config.clone(), server.crash(&mut deal));
        group.advance(5 * SECOND);
        let server = EtcdServer::start(config, disk, group.now, &rng(leader), u32::try_from(call).unwrap()).unwrap();
        group.members.insert(leader, server);
        group.advance(3 * SECOND);
    }
    assert!(group.members.values().all(|member| member.disk.snapshot_index() > Index(0)), "logs were replaced by snapshots");
    for member in group.members.values() {
        assert_eq!(member.store().revision(), 51);
    }
}

#[test]
fn a_member_that_joins_gets_everything() {
    let mut group = Group::new(3);
    group.advance(5 * SECOND);
    let leader = group.leader();
    for call in 1..=60 {
        group.put(leader, call, "a", "x");
        group.advance(SECOND / 10);
    }
    let config = ServerConfig { snapshot_count: 20, catch_up_entries: 20, ..ServerConfig::new(NodeId(4)) };
    let joining = EtcdServer::start(config, Disk::default(), group.now, &rng(NodeId(4)), 0).unwrap();
    group.members.insert(NodeId(4), joining);
    group.members.get_mut(&leader).unwrap().change_members(ConfChangeSingle::AddNode(NodeId(4))).unwrap();
    group.advance(5 * SECOND);
    assert_eq!(group.members[&NodeId(4)].store().revision(), 61);
    assert!(group.members[&NodeId(1)].raft().conf_state().contains(NodeId(4)));
    group.said();
    group.put(NodeId(4), 100, "a", "y");
    group.advance(SECOND);
    assert_eq!(group.said(), ["100 put at 62"]);
}

impl Group {
    pub(super) fn ask(&mut self, id: NodeId, call: u64, request: impl FnOnce(CallId) -> Request) {
        self.handle(id, Input::Request { from: 0, request: request(CallId(call)) });
    }

    /// The answers after some seconds.
    pub(super) fn said_after(&mut self, seconds: u64) -> Vec<String> {
        self.advance(SECOND * u32::try_from(seconds).unwrap());
        self.said()
    }
}

#[test]
fn a_lease_ends_with_its_keys_unless_it_is_kept_alive() {
    use crate::lease::{LeaseId, LeaseRequest};
    let mut group = Group::new(3);
    group.advance(SECOND * 3);
    let (one, id) = (NodeId(1), LeaseId(0xbeef));
    group.ask(one, 1, |call| Request::Lease(call, LeaseRequest::Grant { id, ttl: 10 }));
    assert_eq!(group.said_after(1), ["1 Granted { id: LeaseId(48879), ttl: 10 }"]);
    let put = crate::Put { lease: id, ..crate::Put::new("k", "v") };
    group.ask(one, 2, |call| Request::Txn(call, Txn { success: vec![Op::Put(put)], ..Txn::default() }));
    group.advance(SECOND * 6);
    group.ask(one, 3, |call| Request::Lease(call, LeaseRequest::KeepAlive(id)));
    assert_eq!(group.said_after(5), ["2 put at 2", "3 KeptAlive { id: LeaseId(48879), ttl: 10 }"]);
    group.ask(one, 4, |call| Request::Lease(call, LeaseRequest::TimeToLive(id)));
    assert_eq!(group.said(), ["4 TimeToLive { id: LeaseId(48879), ttl: 5, granted_ttl: 10, keys: [\"k\"] }"]);
    group.advance(SECOND * 6);
    group.read(one, 5, "k");
    group.ask(one, 6, |call| Request::Lease(call, LeaseRequest::List));
    assert_eq!(group.said_after(1), ["5 read  at 3", "6 Leases([])"]);
}

#[test]
fn a_new_leader_gives_leases_their_full_time() {
    use crate::lease::{LeaseId, LeaseRequest};
    let mut group = Group::new(3);
    group.advance(SECOND * 3);
    let old = group.leader();
    group.ask(old, 1, |call| Request::Lease(call, LeaseRequest::Grant { id: LeaseId(1), ttl: 10 }));
    group.advance(SECOND * 8);
    group.cut = vec![old];
    group.advance(SECOND * 5);
    let new = group.leader();
    assert!(new != old && group.members[&new].store().leases().get(LeaseId(1)).is_some(), "it is thirteen seconds old");
    group.advance(SECOND * 10);
    assert!(group.members[&new].store().leases().get(LeaseId(1)).is_none());
}

#[test]
fn a_full_member_raises_an_alarm_until_it_is_disarmed() {
    use crate::maintenance::Maintenance;
    let mut group = Group::new(1);
    let id = NodeId(1);
    let config = ServerConfig { quota_bytes: 1_000, ..ServerConfig::new(id) };
    group.members.insert(id, EtcdServer::bootstrap(config, &ids(1), Time::ZERO, &rng(id)).unwrap());
    for call in 1..=3 {
        group.put(id, call, "k", &"x".repeat(300));
    }
    group.put(id, 4, "k", "");
    group.ask(id, 5, |call| Request::Maintenance(call, Maintenance::AlarmList));
    let refused = "etcdserver: mvcc: database space exceeded";
    let expected = [
        "1 put at 2".to_owned(),
        format!("2 {refused}"),
        format!("3 {refused}"),
        format!("4 {refused}"),
        "5 Alarms([(NodeId(1), NoSpace)])".to_owned(),
    ];
    assert_eq!(group.said(), expected, "the second would have taken 1114 bytes");
    group.ask(id, 6, |call| Request::Maintenance(call, Maintenance::AlarmDisarm));
    group.put(id, 7, "k", "");
    assert_eq!(group.said(), ["6 Alarms([(NodeId(1), NoSpace)])", "7 put at 3"]);
}

#[test]
fn members_are_added_promoted_and_removed() {
    use crate::maintenance::Maintenance;
    let mut group = Group::new(3);
    group.advance(SECOND * 3);
    let leader = group.leader();
    let ask = |group: &mut Group, call, what| {
        group.ask(leader, call, |call| Request::Maintenance(call, what));
        group.said_after(1).pop().unwrap_or_default()
    };
    let learner = ask(&mut group, 1, Maintenance::MemberAdd { learner: true });
    assert!(learner.contains("Member { id: NodeId(4), learner: true }"), "{learner}");
    assert_eq!(
        ask(&mut group, 2, Maintenance::MemberPromote(NodeId(4))),
        "2 etcdserver: can only promote a learner member which is in sync with leader"
    );
    assert_eq!(ask(&mut group, 3, Maintenance::MemberAdd { learner: true }), "3 etcdserver: too many learner members in cluster");
    let config = ServerConfig { fsync: Duration::from_millis(2), ..ServerConfig::new(NodeId(4)) };
    let joined = EtcdServer::start(config, Disk::default(), group.now, &rng(NodeId(4)), 0).unwrap();
    group.members.insert(NodeId(4), joined);
    group.advance(SECOND);
    group.put(NodeId(4), 4, "k", "v");
    assert_eq!(group.said(), ["4 etcdserver: rpc not supported for learner"]);
    assert!(ask(&mut group, 5, Maintenance::MemberPromote(NodeId(4))).contains("Member { id: NodeId(4), learner: false }"));
    assert_eq!(ask(&mut group, 6, Maintenance::MemberPromote(NodeId(4))), "6 etcdserver: can only promote a learner member");
    let left = ask(&mut group, 7, Maintenance::MemberRemove(NodeId(4)));
    assert!(!left.contains("NodeId(4)"), "{left}");
    assert_eq!(ask(&mut group, 8, Maintenance::MemberRemove(NodeId(4))), "8 etcdserver: member not found");
    assert!(ask(&mut group, 9, Maintenance::MemberAdd { learner: false }).contains("NodeId(5)"), "no number is given twice");
}

#[test]
fn the_leadership_moves_where_it_is_wanted() {
    use crate::maintenance::Maintenance;
    let mut group = Group::new(3);
    group.advance(SECOND * 3);
    let old = group.leader();
    let new = *ids(3).iter().find(|id| **id != old).unwrap();
    group.ask(new, 1, |call| Request::Maintenance(call, Maintenance::MoveLeader(old)));
    group.ask(old, 2, |call| Request::Maintenance(call, Maintenance::MoveLeader(NodeId(9))));
    group.ask(old, 4, |call| Request::Maintenance(call, Maintenance::MoveLeader(old)));
    assert_eq!(group.said(), ["1 etcdserver: not leader", "2 etcdserver: bad leader transferee", "4 Done"]);
    group.ask(old, 3, |call| Request::Maintenance(call, Maintenance::MoveLeader(new)));
    assert_eq!(group.said_after(1), ["3 Done"]);
    assert_eq!(group.leader(), new);
}

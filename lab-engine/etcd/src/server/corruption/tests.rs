//! Members that differ are found, and those that do not are left in peace.

use super::*;
use crate::maintenance::{Alarm, Maintenance};
use crate::server::tests::{Group, SECOND, rng};
use crate::{Put, Request};
use sim::Seed;

const EVERY: Duration = Duration::from_secs(10);

fn group(checks: CorruptionChecks) -> Group {
    let mut group = Group::with(3, checks);
    group.advance(SECOND * 3);
    for (call, value) in (1..).zip(["red", "green", "blue"]) {
        let leader = group.leader();
        group.put(leader, call, "color", value);
        group.put(leader, call + 10, &format!("key {call}"), "x");
        group.advance(SECOND / 2);
    }
    group.said();
    group
}

fn follower(group: &Group) -> NodeId {
    let leader = group.leader();
    *group.members.keys().find(|id| **id != leader).unwrap()
}

fn alarms(group: &Group, on: NodeId) -> Vec<(NodeId, Alarm)> {
    group.members[&on].store().alarms().collect()
}

fn compact(group: &mut Group, revision: Revision) {
    let leader = group.leader();
    group.ask(leader, 50, |call| Request::Compact(call, revision));
    group.advance(SECOND / 2);
    assert_eq!(group.said(), ["50 compacted"]);
}

fn damage(group: &mut Group, id: NodeId) {
    assert!(group.members.get_mut(&id).unwrap().damage("color"));
}

#[test]
fn nobody_looks_unless_told_to() {
    let mut group = group(CorruptionChecks::default());
    let wrong = follower(&group);
    damage(&mut group, wrong);
    group.advance(SECOND * 300);
    assert_eq!(alarms(&group, wrong), []);
}

#[test]
fn the_leader_finds_a_member_that_differs_and_changes_are_refused_until_the_alarm_is_off() {
    let mut group = group(CorruptionChecks { periodic: Some(EVERY), ..CorruptionChecks::default() });
    let (leader, wrong) = (group.leader(), follower(&group));
    group.advance(EVERY * 2);
    assert_eq!(alarms(&group, leader), [], "they are the same");
    damage(&mut group, wrong);
    group.advance(EVERY + SECOND);
    assert_eq!(alarms(&group, leader), [(wrong, Alarm::Corrupt)]);
    group.put(leader, 20, "color", "pink");
    group.ask(leader, 21, |call| Request::Compact(call, 3));
    group.ask(leader, 22, |call| Request::Lease(call, crate::lease::LeaseRequest::Grant { id: crate::LeaseId(7), ttl: 60 }));
    group.read(leader, 23, "color");
    let corrupt = "etcdserver: corrupt cluster";
    let mut said = group.said_after(1);
    said.sort();
    assert_eq!(said, [format!("20 {corrupt}"), format!("21 {corrupt}"), format!("22 {corrupt}"), "23 read blue at 7".to_owned()]);
    group.ask(leader, 24, |call| Request::Maintenance(call, Maintenance::AlarmDisarm));
    group.put(leader, 25, "color", "pink");
    assert_eq!(group.said_after(1), [format!("24 Alarms([({wrong:?}, Corrupt)])"), "25 put at 8".to_owned()]);
}

#[test]
fn a_leader_that_is_wrong_itself_accuses_a_follower() {
    let mut group = group(CorruptionChecks { periodic: Some(EVERY), ..CorruptionChecks::default() });
    let (leader, first) = (group.leader(), follower(&group));
    damage(&mut group, leader);
    group.advance(EVERY + SECOND);
    assert_eq!(alarms(&group, first), [(first, Alarm::Corrupt)], "the periodic check trusts the leader, and names one member");
}

#[test]
fn compactions_are_compared_with_the_majority() {
    let mut group = group(CorruptionChecks { compaction: Some(EVERY), ..CorruptionChecks::default() });
    let leader = group.leader();
    damage(&mut group, leader);
    group.advance(EVERY * 2);
    assert_eq!(alarms(&group, leader), [], "nothing was compacted");
    compact(&mut group, 7);
    group.advance(EVERY + SECOND);
    assert_eq!(alarms(&group, leader), [(leader, Alarm::Corrupt)], "the majority is right, even against the leader");
}

#[test]
fn without_a_majority_nobody_is_named() {
    let hash = |hash| KeyValueHash { hash, revision: 9, compact_revision: 3 };
    let check = |answers: &[(u64, u32)]| Check {
        number: 1,
        kind: Kind::Compaction(Vec::new()),
        own: hash(1),
        others: 2,
        asked: BTreeSet::new(),
        answers: answers.iter().map(|(id, sum)| (NodeId(*id), (hash(*sum), 9))).collect(),
        deadline: Time::ZERO,
    };
    let verdict = |answers: &[(u64, u32)]| compare_compaction(&check(answers), NodeId(1));
    assert_eq!(verdict(&[(2, 1), (3, 1)]), Verdict::Fine);
    assert_eq!(verdict(&[(2, 1)]), Verdict::Incomplete);
    assert_eq!(verdict(&[(2, 5), (3, 6)]), Verdict::Corrupt(vec![NodeId(0)]));
    assert_eq!(verdict(&[(2, 5)]), Verdict::Corrupt(vec![NodeId(0)]), "one of two is no majority of three");
    assert_eq!(verdict(&[(2, 5), (3, 5)]), Verdict::Corrupt(vec![NodeId(1)]));
}

#[test]
fn a_member_that_forgot_a_compaction_leaves_it_open_and_an_older_one_is_compared() {
    let mut group = group(CorruptionChecks { compaction: Some(EVERY), ..CorruptionChecks::default() });
    let (leader, other) = (group.leader(), follower(&group));
    compact(&mut group, 3);
    damage(&mut group, other);
    compact(&mut group, 5);
    group.members.get_mut(&other).unwrap().checker.compactions.retain(|known| known.revision == 3);
    group.advance(EVERY * 2);
    assert_eq!(alarms(&group, leader), [], "at revision 3 they were the same");
    assert_eq!(group.members[&leader].checker.compared, 3);
}

/// Crashes a member, damages its database if wanted, and starts it again.
fn restart(group: &mut Group, id: NodeId, damaged: bool) {
    let server = group.members.remove(&id).unwrap();
    let (config, mut disk) = (server.config.clone(), server.crash(&mut Seed(1).stream("crash")));
    assert!(!damaged || disk.damage("color"));
    let server = EtcdServer::start(config, disk, group.now, &rng(id), 1).unwrap();
    group.members.insert(id, server);
}

#[test]
fn a_member_that_differs_does_not_start() {
    let mut group = group(CorruptionChecks { initial: true, ..CorruptionChecks::default() });
    let id = follower(&group);
    restart(&mut group, id, false);
    group.read(id, 30, "color");
    assert_eq!(group.said_after(3), ["30 read blue at 7"], "a client waits until it serves");
    restart(&mut group, id, true);
    group.advance(SECOND);
    let server = &group.members[&id];
    assert_eq!(server.failure(), Some(format!("{id} found data inconsistency with peers").as_str()));
    assert!(server.is_stopped(group.now));
}

#[test]
fn a_member_that_reaches_nobody_starts_after_a_while() {
    let mut group = group(CorruptionChecks { initial: true, ..CorruptionChecks::default() });
    let id = follower(&group);
    group.cut = vec![id];
    restart(&mut group, id, true);
    group.advance(REQUEST_TIMEOUT - SECOND);
    assert!(group.members[&id].checker.holds_back());
    group.advance(SECOND * 2);
    assert!(!group.members[&id].checker.holds_back() && group.members[&id].failure().is_none());
}

#[test]
fn damage_outlives_a_restart() {
    let mut group = group(CorruptionChecks::default());
    let id = follower(&group);
    damage(&mut group, id);
    restart(&mut group, id, false);
    group.advance(SECOND * 3);
    group.read(id, 30, "color");
    assert_eq!(group.said_after(1), ["30 read blud at 7"], "the database is not made of the log again");
    let put = Put { ignore_value: true, ..Put::new("color", "") };
    group.ask(id, 31, |call| Request::Txn(call, crate::Txn { success: vec![crate::Op::Put(put)], ..crate::Txn::default() }));
    assert_eq!(group.said_after(1), ["31 put at 8"]);
    group.read(id, 32, "color");
    assert_eq!(group.said_after(1), ["32 read blud at 8"], "a write that keeps the value keeps the damage");
}

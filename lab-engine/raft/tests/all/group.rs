//! The life of a group: members come and go, leadership moves, members restart and catch up.

use crate::cluster::Cluster;
use raft::{
    ConfChange, ConfChangeSingle, ConfChangeTransition, Config, Index, NodeId, ProgressState, ProposalDropped, ReadContext, ReadOnlyOption,
    Role,
};

fn plain(config: Config) -> Config {
    Config { check_quorum: false, pre_vote: false, ..config }
}

fn add(id: u64) -> ConfChangeSingle {
    ConfChangeSingle::AddNode(NodeId(id))
}

fn remove(id: u64) -> ConfChangeSingle {
    ConfChangeSingle::RemoveNode(NodeId(id))
}

fn voters(cluster: &Cluster, id: u64) -> Vec<u64> {
    cluster.members[&id].raft.conf_state().voters.incoming.iter().map(|id| id.0).collect()
}

#[test]
fn a_single_member_agrees_with_itself() {
    let mut cluster = Cluster::new(1, |config| config);
    cluster.tick(1, 19);
    assert_eq!(cluster.roles(), [Role::Leader]);
    cluster.propose(1, "a");
    assert_eq!(cluster.members[&1].state, ["a"]);
}

#[test]
fn leadership_moves_and_nothing_is_taken_meanwhile() {
    let mut cluster = Cluster::new(3, |config| config);
    cluster.campaign(1);
    cluster.isolate(3);
    cluster.propose(1, "a");
    cluster.raft(1).transfer_leader(NodeId(3));
    assert_eq!(cluster.raft(1).propose("b".to_owned()), Err(ProposalDropped::TransferInProgress(NodeId(3))));
    for _ in 0..10 {
        cluster.tick(1, 1);
        cluster.tick(2, 1);
    }
    assert_eq!(cluster.raft(1).transferee(), None, "given up after an election time-out");
    cluster.heal();
    cluster.raft(2).transfer_leader(NodeId(3));
    cluster.settle();
    cluster.tick(1, 1);
    assert_eq!(cluster.raft(3).role(), Role::Leader, "it catches up first, and the lease does not stop it");
    cluster.propose(1, "c");
    assert!(cluster.members.values().all(|member| member.state == ["a", "c"]));
}

#[test]
fn a_group_changes_all_of_its_members_through_a_joint_configuration() {
    let mut cluster = Cluster::bootstrap(3, plain);
    cluster.campaign(1);
    cluster.propose(1, "a");
    (4..=6).for_each(|id| cluster.add_blank(id));
    let changes = vec![add(4), add(5), add(6), remove(1), remove(2), remove(3)];
    let change = ConfChange { transition: ConfChangeTransition::JointExplicit, changes };
    cluster.raft(1).propose_conf_change(change, None).unwrap();
    cluster.settle();
    cluster.tick(1, 1);
    assert_eq!(voters(&cluster, 4), [4, 5, 6]);
    // In the joint configuration the new members alone decide nothing, and neither do the old ones.
    let committed = cluster.highest_commit();
    cluster.isolate(4);
    cluster.isolate(5);
    cluster.propose(1, "b");
    assert_eq!(cluster.highest_commit(), committed);
    cluster.heal();
    cluster.tick(1, 1);
    let committed = cluster.highest_commit();
    cluster.isolate(2);
    cluster.isolate(3);
    cluster.propose(1, "c");
    assert_eq!(cluster.highest_commit(), committed);
    cluster.campaign(4);
    assert_ne!(cluster.raft(4).role(), Role::Leader, "1 and the new members are no majority of the old ones");
    cluster.heal();
    cluster.campaign(1);
    assert!(cluster.highest_commit() > committed);
    cluster.raft(1).propose_conf_change(ConfChange::leave_joint(), None).unwrap();
    cluster.settle();
    assert_eq!(cluster.raft(1).propose("d".to_owned()), Err(ProposalDropped::Removed));
    cluster.campaign(5);
    cluster.propose(5, "e");
    assert_eq!(cluster.members[&6].state, ["a", "b", "c", "e"]);
}

#[test]
fn an_automatic_change_leaves_the_joint_configuration_by_itself() {
    let mut cluster = Cluster::bootstrap(3, |config| Config { step_down_on_removal: true, ..config });
    cluster.campaign(1);
    cluster.add_blank(4);
    let change = ConfChange { transition: ConfChangeTransition::Auto, changes: vec![add(4), remove(1)] };
    cluster.raft(1).propose_conf_change(change, None).unwrap();
    cluster.settle();
    for _ in 0..2 {
        cluster.tick(1, 1);
    }
    assert_eq!(voters(&cluster, 2), [2, 3, 4]);
    assert!(!cluster.raft(2).conf_state().voters.is_joint());
    assert_eq!(cluster.raft(1).role(), Role::Follower, "it is removed and steps down");
}

#[test]
fn a_second_change_waits_for_the_first() {
    let mut cluster = Cluster::bootstrap(2, plain);
    cluster.campaign(1);
    cluster.isolate(2);
    for id in [3, 4] {
        cluster.raft(1).propose_conf_change(ConfChange::single(add(id)), None).unwrap();
    }
    cluster.heal();
    cluster.tick(1, 1);
    assert_eq!(voters(&cluster, 1), [1, 2, 3]);
    assert_eq!(cluster.raft(1).log().last_index(), Index(5), "an empty entry stands for the refused change");
}

#[test]
fn a_member_that_is_far_behind_gets_a_snapshot() {
    let mut cluster = Cluster::new(3, plain);
    cluster.campaign(1);
    cluster.isolate(3);
    (0..5).for_each(|number| cluster.propose(1, &number.to_string()));
    cluster.compact(1);
    cluster.heal();
    cluster.tick(1, 1);
    assert_eq!(cluster.members[&3].state, ["0", "1", "2", "3", "4"]);
    assert_eq!(cluster.raft(3).log().first_index(), Index(7));
    assert_eq!(cluster.raft(1).progress()[&NodeId(3)].state, ProgressState::Replicate);
    cluster.propose(1, "5");
    cluster.crash(3, false);
    cluster.tick(1, 1);
    assert_eq!(cluster.members[&3].state, ["0", "1", "2", "3", "4", "5"]);
}

#[test]
fn a_snapshot_that_is_lost_is_sent_again_when_that_is_reported() {
    let mut cluster = Cluster::new(3, plain);
    cluster.campaign(1);
    cluster.isolate(3);
    cluster.propose(1, "a");
    cluster.compact(1);
    cluster.heal();
    cluster.raft(1).heartbeat();
    while !cluster.net.iter().any(|message| matches!(message.body, raft::Body::Snapshot(_))) {
        (1..=3).for_each(|id| {
            cluster.take_ready(id);
            cluster.persist(id);
            cluster.apply(id);
        });
        if !cluster.net.is_empty() && !matches!(cluster.net[0].body, raft::Body::Snapshot(_)) {
            cluster.deliver(0);
        }
        cluster.take_ready(1);
    }
    cluster.net.retain(|message| !matches!(message.body, raft::Body::Snapshot(_)));
    cluster.settle();
    assert!(matches!(cluster.raft(1).progress()[&NodeId(3)].state, ProgressState::Snapshot { .. }));
    cluster.raft(1).report_snapshot(NodeId(3), false);
    cluster.tick(1, 2);
    assert_eq!(cluster.members[&3].state, ["a"]);
}

#[test]
fn reads_see_what_was_committed_and_a_deposed_leader_answers_none() {
    let mut cluster = Cluster::new(3, plain);
    cluster.campaign(1);
    cluster.propose(1, "a");
    cluster.raft(2).read_index(ReadContext(7)).unwrap();
    cluster.settle();
    assert_eq!(cluster.members[&2].reads, [(ReadContext(7), Index(2))]);
    cluster.isolate(1);
    cluster.campaign(2);
    cluster.propose(2, "b");
    cluster.raft(1).read_index(ReadContext(8)).unwrap();
    cluster.settle();
    assert!(cluster.members[&1].reads.is_empty());
}

#[test]
fn a_new_leader_reads_once_it_knows_what_is_committed() {
    let mut cluster = Cluster::new(3, |config| Config { read_only: ReadOnlyOption::LeaseBased, ..config });
    cluster.campaign(1);
    cluster.propose(1, "a");
    cluster.isolate(1);
    cluster.raft(2).set_election_timeout(10);
    cluster.tick(3, 10);
    cluster.tick(2, 10);
    assert_eq!(cluster.raft(2).role(), Role::Leader);
    cluster.raft(2).read_index(ReadContext(1)).unwrap();
    cluster.settle();
    assert_eq!(cluster.members[&2].reads, [(ReadContext(1), Index(3))]);
}

#[test]
fn as_much_is_under_way_as_may_be_and_the_rest_follows() {
    let mut cluster = Cluster::new(2, |config| Config { max_inflight_messages: 3, max_message_bytes: 0, ..plain(config) });
    cluster.campaign(1);
    for number in 0..10 {
        cluster.raft(1).propose(number.to_string()).unwrap();
    }
    cluster.take_ready(1);
    let appends = cluster.net.iter().filter(|message| matches!(&message.body, raft::Body::Append { entries, .. } if !entries.is_empty()));
    assert_eq!(appends.count(), 3);
    cluster.settle();
    assert_eq!(cluster.members[&2].state.len(), 10);
}

#[test]
fn too_much_that_waits_is_refused_until_it_is_applied() {
    let mut cluster = Cluster::new(2, |config| Config { max_uncommitted_bytes: 8, ..plain(config) });
    cluster.campaign(1);
    cluster.isolate(2);
    cluster.propose(1, "a long command");
    assert!(matches!(cluster.raft(1).propose("b".to_owned()), Err(ProposalDropped::TooMuchUncommitted { waiting: 14, max: 8 })));
    cluster.heal();
    cluster.tick(1, 1);
    cluster.propose(1, "b");
    assert_eq!(cluster.members[&2].state, ["a long command", "b"]);
}

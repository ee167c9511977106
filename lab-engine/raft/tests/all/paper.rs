//! The rules of the paper and of the thesis, one test for each.

use crate::cluster::{Cluster, promises};
use raft::{Config, Index, NodeId, Role, Term};

fn plain(config: Config) -> Config {
    Config { check_quorum: false, pre_vote: false, ..config }
}

fn careful(config: Config) -> Config {
    config
}

/// §5.1: a term has one leader, and who meets a newer term follows.
#[test]
fn a_newer_term_deposes_a_leader() {
    let mut cluster = Cluster::new(3, plain);
    cluster.campaign(1);
    cluster.isolate(1);
    cluster.campaign(2);
    assert_eq!((cluster.raft(1).role(), cluster.raft(2).role()), (Role::Leader, Role::Leader));
    cluster.heal();
    cluster.tick(1, 1);
    cluster.tick(2, 1);
    assert_eq!(cluster.roles(), [Role::Follower, Role::Leader, Role::Follower]);
    assert_eq!(cluster.raft(1).term(), Term(2));
}

/// §5.2: followers that hear of no leader elect one after a time-out that is not the same for all.
#[test]
fn silence_brings_an_election() {
    let mut cluster = Cluster::new(5, careful);
    let timeouts: Vec<u32> = (1..=5).map(|id| cluster.raft(id).election_timeout()).collect();
    assert!(timeouts.iter().all(|timeout| (10..20).contains(timeout)));
    assert!(timeouts.iter().any(|timeout| *timeout != timeouts[0]), "{timeouts:?}");
    for _ in 0..20 {
        (1..=5).for_each(|id| cluster.tick(id, 1));
    }
    assert_eq!(cluster.roles().iter().filter(|&&role| role == Role::Leader).count(), 1);
}

/// §5.4.1: a candidate that lacks committed entries is not elected.
#[test]
fn a_short_log_wins_no_election() {
    let mut cluster = Cluster::new(3, plain);
    cluster.campaign(1);
    cluster.isolate(3);
    cluster.propose(1, "a");
    cluster.heal();
    cluster.campaign(3);
    assert_eq!(cluster.raft(3).role(), Role::Follower);
    cluster.campaign(2);
    assert_eq!(cluster.raft(2).role(), Role::Leader);
    assert_eq!(cluster.terms(3), cluster.terms(2));
}

/// §5.4.2, figure 8: an entry of an earlier term on a majority is not committed by that, and can be overwritten.
#[test]
fn figure_8_an_old_entry_is_committed_only_under_an_own_one() {
    let logs: [&[u64]; 5] = [&[1, 2], &[1, 2], &[1], &[1], &[1, 3]];
    let mut cluster = Cluster::with_logs(&logs, plain);
    for (id, _) in logs.iter().enumerate() {
        assert_eq!(cluster.raft(id as u64 + 1).log().committed(), Index(0));
    }
    // (c) S1 is elected again and brings its entry of term 2 to S3, but the entry of its own term reaches nobody.
    cluster.cut(1, 4);
    cluster.cut(1, 5);
    cluster.raft(1).campaign();
    while cluster.raft(1).role() != Role::Leader {
        (1..=5).for_each(|id| {
            cluster.take_ready(id);
            cluster.persist(id);
        });
        cluster.deliver(0);
    }
    cluster.net.clear();
    let ack = raft::Body::AppendResponse { index: Index(2), rejected: None };
    for from in [NodeId(2), NodeId(3)] {
        let term = cluster.raft(1).term();
        cluster.raft(1).step(raft::Message { from, to: NodeId(1), term, body: ack.clone() }).unwrap();
    }
    assert_eq!(cluster.raft(1).log().committed(), Index(0), "a majority has entry 2, of term 2");
    // (d) S5 is elected by the others and overwrites it.
    cluster.crash(1, false);
    cluster.net.clear();
    cluster.isolate(1);
    cluster.campaign(5);
    cluster.campaign(5);
    assert_eq!(cluster.raft(5).role(), Role::Leader);
    assert_eq!(cluster.terms(2)[..2], [1, 3]);
    assert_eq!(cluster.terms(3), cluster.terms(5));
}

/// §5.3, figure 7: whatever followers have, the leader makes it its own log.
#[test]
fn figure_7_all_logs_become_the_leaders() {
    let leader: &[u64] = &[1, 1, 1, 4, 4, 5, 5, 6, 6, 6];
    let logs: [&[u64]; 7] = [
        leader,
        &leader[..9],
        &leader[..4],
        &[1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
        &[1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7],
        &[1, 1, 1, 4, 4, 4, 4],
        &[1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
    ];
    let mut cluster = Cluster::with_logs(&logs, plain);
    cluster.campaign(1);
    assert_eq!(cluster.raft(1).role(), Role::Leader, "a, b, e and f vote for it");
    let expected = cluster.terms(1);
    assert_eq!(expected, [leader, &[8]].concat());
    (2..=7).for_each(|id| assert_eq!(cluster.terms(id), expected, "member {id}"));
}

/// Thesis §3.8: no promise leaves a member before its disk keeps it; a crash takes the promise along.
#[test]
fn a_promise_waits_for_the_disk() {
    let mut cluster = Cluster::new(3, plain);
    cluster.raft(1).campaign();
    cluster.take_ready(1);
    assert!(cluster.net.is_empty(), "a candidate asks once its term is on disk");
    cluster.persist(1);
    assert_eq!(cluster.net.len(), 2);
    cluster.deliver(0);
    cluster.take_ready(2);
    assert!(!cluster.net.iter().any(|message| message.from == NodeId(2)), "the vote is not on disk");
    cluster.crash(2, false);
    assert_eq!((cluster.raft(2).term(), cluster.raft(2).hard_state().vote), (Term(0), None));
    cluster.settle();
    let write = |cluster: &mut Cluster| {
        cluster.raft(1).propose("a".to_owned()).unwrap();
        cluster.take_ready(1);
        cluster.net.iter().filter(|message| !promises(message)).count()
    };
    assert_eq!(write(&mut cluster), 2, "a leader's appends do not wait for its own disk");
}

/// Thesis §9.6: a member that was cut off does not disturb the group when it returns.
#[test]
fn pre_vote_keeps_a_returning_member_quiet() {
    let mut cluster = Cluster::new(3, careful);
    cluster.campaign(1);
    cluster.isolate(3);
    cluster.tick(3, 100);
    assert_eq!((cluster.raft(3).role(), cluster.raft(3).term()), (Role::PreCandidate, Term(1)));
    cluster.tick(1, 5);
    cluster.heal();
    cluster.tick(3, 20);
    cluster.tick(1, 1);
    assert_eq!(cluster.roles(), [Role::Leader, Role::Follower, Role::Follower]);
    assert_eq!(cluster.raft(1).term(), Term(1));
}

/// Thesis §6.2: a leader that hears from no quorum steps down.
#[test]
fn a_leader_without_a_quorum_steps_down() {
    let mut cluster = Cluster::new(3, careful);
    cluster.campaign(1);
    cluster.isolate(1);
    cluster.tick(1, 20);
    assert_eq!(cluster.raft(1).role(), Role::Follower);
}

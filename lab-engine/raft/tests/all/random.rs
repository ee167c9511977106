//! Runs in which everything goes wrong that may: messages are lost, doubled and overtaken, members crash between any two steps, disks are
//! slow. The properties of [`crate::cluster`] are looked at after every step. A run is its seed; a failure names it.

use crate::cluster::Cluster;
use raft::{ConfChange, ConfChangeSingle, ConfChangeTransition, Config, Index, NodeId, ReadContext};
use std::collections::BTreeMap;

const RUNS: u64 = 300;
const STEPS: u32 = 1_500;

struct Run {
    cluster: Cluster,
    rng: sim::Rng,
    proposed: u64,
    /// Per read, what was committed somewhere when it was asked for.
    reads: BTreeMap<ReadContext, Index>,
    seen_reads: usize,
    with_changes: bool,
}

impl Run {
    fn new(seed: u64, configure: fn(Config) -> Config) -> Self {
        let mut rng = sim::Seed(seed).stream("random");
        let voters = [1, 2, 3, 3, 5][rng.index(5)];
        let mut cluster = Cluster::bootstrap(voters, configure);
        cluster.reseed(seed + 1);
        let with_changes = rng.below(2) == 0;
        if with_changes {
            (voters + 1..=voters + 2).for_each(|id| cluster.add_blank(id));
        }
        Run { cluster, rng, proposed: 0, reads: BTreeMap::new(), seen_reads: 0, with_changes }
    }

    fn any(&mut self) -> u64 {
        self.rng.below(self.cluster.members.len() as u64) + 1
    }

    fn step(&mut self) {
        let id = self.any();
        match self.rng.below(1_000) {
            0..150 => self.cluster.raft(id).tick(),
            150..300 => self.cluster.take_ready(id),
            300..400 => self.cluster.persist(id),
            400..480 => self.cluster.apply(id),
            480..900 => self.move_message(),
            900..950 => self.propose(id),
            950..965 => self.read(id),
            965..975 => self.cluster.compact(id),
            975..983 => {
                let survives = self.rng.below(2) == 0;
                self.cluster.crash(id, survives);
            }
            983..988 => self.cluster.raft(id).transfer_leader(NodeId(id % 3 + 1)),
            988..991 => self.cluster.raft(id).report_unreachable(NodeId(id % 3 + 1)),
            991..993 => self.cluster.raft(id).report_snapshot(NodeId(id % 3 + 1), false),
            993..996 => {
                let other = self.any();
                self.cluster.cut(id, other);
            }
            996..998 => self.cluster.heal(),
            _ => self.change(id),
        }
        self.check_reads();
    }

    fn move_message(&mut self) {
        if self.cluster.net.is_empty() {
            return;
        }
        // Mostly in order, so that the group gets somewhere.
        let place = if self.rng.below(4) == 0 { self.rng.index(self.cluster.net.len()) } else { 0 };
        match self.rng.below(20) {
            0 => drop(self.cluster.net.remove(place)),
            1 => {
                let copy = self.cluster.net[place].clone();
                self.cluster.net.push(copy);
            }
            _ => self.cluster.deliver(place),
        }
    }

    fn propose(&mut self, id: u64) {
        self.proposed += 1;
        let _ = self.cluster.raft(id).propose(self.proposed.to_string());
    }

    fn read(&mut self, id: u64) {
        let context = ReadContext(self.reads.len() as u64);
        self.reads.insert(context, self.cluster.highest_commit());
        let _ = self.cluster.raft(id).read_index(context);
    }

    /// A read is not older than what was committed when it was asked for.
    fn check_reads(&mut self) {
        let answered: Vec<_> = self.cluster.members.values().flat_map(|member| member.reads.iter().copied()).collect();
        if answered.len() != self.seen_reads {
            self.seen_reads = answered.len();
            for (context, index) in answered {
                assert!(index >= self.reads[&context], "read {context:?} sees {index}, and {} was committed", self.reads[&context]);
            }
        }
    }

    fn change(&mut self, id: u64) {
        if !self.with_changes {
            return;
        }
        let steps = self.rng.index(3) + 1;
        let changes = (0..steps)
            .map(|_| {
                let id = NodeId(self.any());
                [ConfChangeSingle::AddNode(id), ConfChangeSingle::AddLearnerNode(id), ConfChangeSingle::RemoveNode(id)][self.rng.index(3)]
            })
            .collect();
        let change = match self.rng.below(4) {
            0 => ConfChange::leave_joint(),
            1 => ConfChange { transition: ConfChangeTransition::JointImplicit, changes },
            2 => ConfChange { transition: ConfChangeTransition::JointExplicit, changes },
            _ => ConfChange { transition: ConfChangeTransition::Auto, changes },
        };
        let _ = self.cluster.raft(id).propose_conf_change(change, None);
    }
}

/// Says which run failed.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the run with seed {} failed", self.0);
        }
    }
}

fn run_all(configure: fn(Config) -> Config) {
    let mut committed = 0;
    let mut reads = 0;
    for seed in 0..RUNS {
        let guard = Seed(seed);
        let mut run = Run::new(seed, configure);
        (0..STEPS).for_each(|_| run.step());
        committed += run.cluster.highest_commit().0;
        reads += run.seen_reads;
        drop(guard);
    }
    assert!(committed > 5 * RUNS, "the runs get somewhere: {committed} entries are committed");
    assert!(reads > 0, "reads are answered");
}

#[test]
fn safety_holds_with_all_options() {
    run_all(|config| Config { election_ticks: 4, max_inflight_messages: 3, max_message_bytes: 2, ..config });
}

#[test]
fn safety_holds_with_plain_elections() {
    run_all(|config| Config { election_ticks: 6, check_quorum: false, pre_vote: false, max_batch_bytes: 2, ..config });
}

#[test]
fn a_group_recovers_once_the_network_heals() {
    for seed in 0..40 {
        let guard = Seed(seed);
        let mut run = Run::new(seed, |config| Config { election_ticks: 4, ..config });
        run.with_changes = false;
        (0..STEPS / 2).for_each(|_| run.step());
        run.cluster.heal();
        run.cluster.settle();
        let ids: Vec<u64> = run.cluster.members.keys().copied().collect();
        for _ in 0..100 {
            ids.iter().for_each(|&id| run.cluster.tick(id, 1));
        }
        let leader = run.cluster.members.values().find_map(|member| member.raft.leader()).expect("a leader is elected");
        run.cluster.propose(leader.0, "at last");
        run.cluster.tick(leader.0, 2);
        let voters = run.cluster.raft(leader.0).conf_state().voters.incoming.clone();
        for id in voters {
            assert_eq!(run.cluster.members[&id.0].state.last().map(String::as_str), Some("at last"), "member {id}");
        }
        drop(guard);
    }
}
